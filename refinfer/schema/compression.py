"""Compressed constants, as the metadata entry COMPRESSION_METADATA describes them.

The constant of a compressed tensor is no array of values but one of indices, packed into `index_bitwidth` bits each,
high bits first; the values that they stand for lie in another buffer, as many for each channel.

Source: tensorflow/lite/micro/compression/metadata.fbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from refinfer.schema.errors import GraphError
from refinfer.schema.flatbuffer import Fault, Reader, Table, children, scalar
from refinfer.schema.tables import Model

COMPRESSION_METADATA = "COMPRESSION_METADATA"
VERSION = 1
MOST_BITS = 7  # [compression.h: kMaxBitWidth]
MOST_VALUES = 128  # of one channel [compression.h: kMaxValueTableChannelStride]
MEMORY_PER_BYTE = 8
"""How much memory may be taken for each byte of the metadata: a table of 20 bytes takes 152."""


class LutTensor(Table):
    """A compressed tensor: its index in the subgraph, the buffer of its values, and the bits of an index."""

    tensor: int = scalar("i")
    value_buffer: int = scalar("I")
    index_bitwidth: int = scalar("B")


class CompressedSubgraph(Table):
    """The compressed tensors of the subgraph with the same index, in any order."""

    lut_tensors: tuple[LutTensor, ...] | None = children(LutTensor)


class Compression(Table):
    """The root. Readers of a version accept all older ones."""

    schema_version: int = scalar("I", 1)
    subgraphs: tuple[CompressedSubgraph, ...] | None = children(CompressedSubgraph)


class LookUpTable(NamedTuple):
    """What the indices of a compressed tensor stand for, and how many bits each of them takes."""

    values: memoryview
    bits: int


Compressed = tuple[dict[int, LookUpTable], ...]
"""For each subgraph that the metadata describes, its compressed tensors by index, in the order of the file."""


def compressed_tensors(model: Model, constants: Sequence[memoryview]) -> Compressed | None:
    """The compressed tensors; None if the model does not use compression."""
    for i, entry in enumerate(model.metadata or ()):
        if entry.name == COMPRESSION_METADATA and len(constants[entry.buffer]) > 0:
            place = f"Model.metadata[{i}] ({COMPRESSION_METADATA})"
            return resolve_compression(read_compression(constants[entry.buffer], place), model, constants, place)
    return None


def read_compression(data: memoryview, place: str) -> Compression:
    """The tables in the buffer at `place`."""
    reader = Reader(data, MEMORY_PER_BYTE)
    try:
        return reader.table(Compression, reader.target(0))
    except Fault as fault:
        raise fault.error(place) from None


def resolve_compression(table: Compression, model: Model, constants: Sequence[memoryview], place: str) -> Compressed:
    """The tables with their indices resolved."""
    if table.schema_version > VERSION:
        raise GraphError(f"{place}.schema_version: {table.schema_version}; expected at most {VERSION}")
    found, there = table.subgraphs or (), model.subgraphs or ()
    if len(found) > len(there):
        raise GraphError(f"{place}.subgraphs: {len(found)} entries, but the model has {len(there)} subgraphs")
    return tuple(
        resolve_lut_tensors(each.lut_tensors or (), len(subgraph.tensors or ()), constants, f"{place}.subgraphs[{i}]")
        for i, (each, subgraph) in enumerate(zip(found, there, strict=False))  # the last ones may be left out
    )


def resolve_lut_tensors(
    luts: Sequence[LutTensor], tensors: int, constants: Sequence[memoryview], place: str
) -> dict[int, LookUpTable]:
    """The compressed tensors of one subgraph."""
    found: dict[int, LookUpTable] = {}
    for i, lut in enumerate(luts):
        here = f"{place}.lut_tensors[{i}]"
        if not 0 <= lut.tensor < tensors:
            raise GraphError(f"{here}.tensor: index {lut.tensor} is out of range; there are {tensors}")
        if lut.tensor in found:
            raise GraphError(f"{here}.tensor: tensor {lut.tensor} is compressed already")
        if not 0 <= lut.value_buffer < len(constants):
            raise GraphError(
                f"{here}.value_buffer: index {lut.value_buffer} is out of range; there are {len(constants)}"
            )
        if len(constants[lut.value_buffer]) == 0:
            raise GraphError(f"{here}.value_buffer: buffer {lut.value_buffer} is empty; expected a table of values")
        if not 1 <= lut.index_bitwidth <= MOST_BITS:
            raise GraphError(f"{here}.index_bitwidth: {lut.index_bitwidth}; expected 1 to {MOST_BITS}")
        found[lut.tensor] = LookUpTable(constants[lut.value_buffer], lut.index_bitwidth)
    return found


def check_compressed(
    data: memoryview, lookup: LookUpTable, elements: int, value_bytes: int, channels: int, place: str
) -> None:
    """The indices are all there, and the table has the same number of values for each channel."""
    expected = (elements * lookup.bits + 7) // 8
    if len(data) < expected:
        raise GraphError(
            f"{place}.buffer: {len(data)} bytes of indices; {elements} elements at {lookup.bits} bits take {expected}"
        )
    values, rest = divmod(len(lookup.values), value_bytes * channels)
    if rest or not 1 <= values <= MOST_VALUES:
        raise GraphError(
            f"{place}: {len(lookup.values)} bytes of values for its indices, in {channels} channels of {value_bytes} "
            f"bytes a value; expected the same number for each, 1 to {MOST_VALUES}"
        )
