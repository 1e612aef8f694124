"""The metadata of compressed models, written by FlatBuffers' own builder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinfer.schema import FormatError, GraphError, read_model
from refinfer.schema.compression import read_compression
from tests.compressed import Lut, describe, metadata, written
from tests.schema.making import BIAS_1, WEIGHTS_1, small

INDICES, VALUES = b"\x1b\x1b\x1b", b"\x05\x06\x07\x08"  # 12 indices of 2 bits into 4 values
GOOD = Lut(WEIGHTS_1, 5, 2)

luts = st.builds(
    Lut,
    tensor=st.integers(-(2**31), 2**31 - 1),
    value_buffer=st.integers(0, 2**32 - 1),
    bits=st.integers(0, 255),
)


def compressed(*entries: Lut, version: int = 1, change: Callable[[Any], object] = lambda model: None) -> bytes:
    """The small model with its first weights compressed; the entries are its metadata."""
    model = small()
    model.buffers[1].data = list(INDICES)
    model.buffers.append(type(model.buffers[1])())
    model.buffers[5].data = list(VALUES)
    describe(model, metadata([entries], version))
    change(model)
    return written(model)


@given(st.lists(st.lists(luts, max_size=5), max_size=3), st.integers(0, 2**32 - 1))
def test_the_tables_read_as_they_were_written(subgraphs: list[list[Lut]], version: int) -> None:
    read = read_compression(memoryview(metadata(subgraphs, version)), "here")
    assert read.schema_version == version
    assert read.subgraphs is not None
    assert [
        [Lut(each.tensor, each.value_buffer, each.index_bitwidth) for each in subgraph.lut_tensors or ()]
        for subgraph in read.subgraphs
    ] == subgraphs


@given(st.lists(st.lists(luts, max_size=3), min_size=1, max_size=3), st.data())
def test_damaged_metadata_is_read_or_refused(subgraphs: list[list[Lut]], data: st.DataObject) -> None:
    damaged = bytearray(metadata(subgraphs))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FormatError):
        read_compression(memoryview(damaged[: data.draw(st.integers(0, len(damaged)))]), "here")


def test_a_compressed_tensor_has_indices_and_a_table() -> None:
    graph = read_model(compressed(GOOD))
    weights = graph.subgraphs[0].tensors[WEIGHTS_1]
    assert graph.compressed == ((weights,),)
    assert weights.data is not None
    assert weights.lookup is not None
    assert (bytes(weights.data), bytes(weights.lookup.values), weights.lookup.bits) == (INDICES, VALUES, 2)
    assert [each.index for each in graph.tensors if each.lookup is not None] == [WEIGHTS_1]


def test_a_model_without_the_metadata_has_nothing_compressed() -> None:
    assert read_model(written(small())).compressed is None


def test_metadata_for_fewer_subgraphs_than_the_model_has_leaves_the_rest_as_they_are() -> None:
    def no_subgraphs(model: Any) -> None:
        model.buffers[1].data = list(range(12))
        model.buffers[-1].data = list(metadata([]))

    assert read_model(compressed(change=no_subgraphs)).compressed == ()


def test_the_first_metadata_that_holds_anything_counts_as_in_tflm() -> None:
    def again(model: Any) -> None:
        empty, good = type(model.metadata[0])(), model.metadata[0]
        empty.name, empty.buffer = good.name, 0
        model.metadata = [empty, good]
        describe(model, metadata([[GOOD._replace(bits=7)]]))

    weights = read_model(compressed(GOOD, change=again)).subgraphs[0].tensors[WEIGHTS_1]
    assert weights.lookup is not None
    assert weights.lookup.bits == 2


def three_scales(model: Any) -> None:
    quantization = model.subgraphs[0].tensors[WEIGHTS_1].quantization
    quantization.scale, quantization.zeroPoint = [0.5] * 3, [0] * 3


def two_subgraphs(model: Any) -> None:
    model.buffers[-1].data = list(metadata([[GOOD], [GOOD]]))


def too_many_values(model: Any) -> None:
    model.buffers[5].data = [0] * 129


def garbage(model: Any) -> None:
    model.buffers[-1].data = list(b"not a flatbuffer")


LUT = "(COMPRESSION_METADATA).subgraphs[0].lut_tensors"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (compressed(GOOD._replace(tensor=7)), f"{LUT}[0].tensor: index 7 is out of range; there are 7"),
        (compressed(GOOD._replace(tensor=-1)), f"{LUT}[0].tensor: index -1 is out of range; there are 7"),
        (compressed(GOOD, GOOD), f"{LUT}[1].tensor: tensor {WEIGHTS_1} is compressed already"),
        (compressed(GOOD._replace(value_buffer=99)), f"{LUT}[0].value_buffer: index 99 is out of range; there are 7"),
        (compressed(GOOD._replace(value_buffer=0)), f"{LUT}[0].value_buffer: buffer 0 is empty; expected a table"),
        (compressed(GOOD._replace(bits=0)), f"{LUT}[0].index_bitwidth: 0; expected 1 to 7"),
        (compressed(GOOD._replace(bits=8)), f"{LUT}[0].index_bitwidth: 8; expected 1 to 7"),
        (compressed(GOOD, version=2), "(COMPRESSION_METADATA).schema_version: 2; expected at most 1"),
        (compressed(GOOD, change=two_subgraphs), "subgraphs: 2 entries, but the model has 1 subgraphs"),
        (compressed(GOOD._replace(bits=3)), "3 bytes of indices; 12 elements at 3 bits take 5"),
        (compressed(GOOD, change=three_scales), "4 bytes of values for its indices, in 3 channels of 1 bytes a value"),
        (compressed(GOOD, change=too_many_values), "129 bytes of values for its indices, in 1 channels"),
        (compressed(Lut(BIAS_1, 5, 2)), "3 bytes of constant data; 12 elements of INT8 take 12"),
    ],
)
def test_what_does_not_fit_together_is_named(model: bytes, message: str) -> None:
    with pytest.raises(GraphError) as error:
        read_model(model)
    assert message in str(error.value)


def test_metadata_that_is_no_flatbuffer_is_a_bad_format() -> None:
    with pytest.raises(FormatError, match="COMPRESSION_METADATA"):
        read_model(compressed(GOOD, change=garbage))
