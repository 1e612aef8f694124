"""Makes compressed models of plain ones, in the format of TFLM's COMPRESSION_METADATA.

No tool of today writes it (TFLM's own puts TFLM_DECODE operators into the model instead), but TFLM still reads it. The
metadata is written with FlatBuffers' own builder, slot by slot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from numpy.typing import NDArray

METADATA = "COMPRESSION_METADATA"
LEVELS = 32  # distinct values that are left of a tensor that has more
DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.INT8: np.dtype("<i1"),
    schema.TensorType.INT16: np.dtype("<i2"),
    schema.TensorType.INT32: np.dtype("<i4"),
    schema.TensorType.INT64: np.dtype("<i8"),
    schema.TensorType.FLOAT32: np.dtype("<f4"),
}
Values = NDArray[Any]


class Lut(NamedTuple):
    """An entry of the metadata."""

    tensor: int
    value_buffer: int
    bits: int


class Pair(NamedTuple):
    """A model whose weights have few distinct values, plain and compressed."""

    plain: bytes
    compressed: bytes


def compressed_pair(model: bytes, tensors: Mapping[int, Collection[int]]) -> Pair:
    """`model` with the values of `tensors` (indices by subgraph) made few, and the same compressed."""
    plain, packed = unpacked(model), unpacked(model)
    luts: list[list[Lut]] = [[] for _ in range(max(tensors, default=-1) + 1)]
    for subgraph, indices in tensors.items():
        for index in indices:
            tensor = packed.subgraphs[subgraph].tensors[index]
            values = few(values_of(packed, tensor))
            plain.buffers[tensor.buffer] = buffer_of(values.tobytes())
            indexed, table, bits = looked_up(values, channel_axis(tensor))
            packed.buffers[tensor.buffer] = buffer_of(pack_bits(indexed, bits))
            packed.buffers.append(buffer_of(table.tobytes()))
            luts[subgraph].append(Lut(index, len(packed.buffers) - 1, bits))
    describe(packed, metadata(luts))
    return Pair(written(plain), written(packed))


def describe(model: Any, data: bytes, name: str = METADATA) -> None:
    """Add the metadata to the model."""
    model.buffers.append(buffer_of(data))
    model.metadata = [*(model.metadata or ()), schema.MetadataT(name=name, buffer=len(model.buffers) - 1)]


def unpacked(model: bytes) -> Any:
    """The model as objects; a buffer that tensors share becomes one for each."""
    found = schema.ModelT.InitFromPackedBuf(model, 0)
    used: set[int] = set()
    for subgraph in found.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.buffer in used and found.buffers[tensor.buffer].data is not None:
                found.buffers.append(found.buffers[tensor.buffer])
                tensor.buffer = len(found.buffers) - 1
            used.add(tensor.buffer)
    return found


def written(model: Any) -> bytes:
    """The objects as a file."""
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def buffer_of(data: bytes) -> Any:
    return schema.BufferT(data=np.frombuffer(data, np.uint8))


def values_of(model: Any, tensor: Any) -> Values:
    """The value of a constant."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    values: Values = np.frombuffer(data, DTYPES[tensor.type])
    return values.reshape(tensor.shape)


def few(values: Values) -> Values:
    """The values, moved to few levels if they are many and different."""
    distinct = np.unique(values)
    if len(distinct) <= LEVELS:
        return values
    levels = distinct[np.linspace(0, len(distinct) - 1, LEVELS).astype(int)]
    nearest: Values = levels[np.abs(values[..., None].astype(np.float64) - levels).argmin(axis=-1)]
    return nearest


def channel_axis(tensor: Any) -> int | None:
    """The axis along which a tensor with several scales has them."""
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return tensor.quantization.quantizedDimension if scales is not None and len(scales) > 1 else None


def looked_up(values: Values, axis: int | None) -> tuple[Values, Values, int]:
    """Indices in place of values, the table of all channels, one after the other, and the bits of an index."""
    channels = [values] if axis is None else np.moveaxis(values, axis, 0)
    uniques = [np.unique(channel, return_inverse=True) for channel in channels]
    stride = max(len(distinct) for distinct, _ in uniques)
    table = np.zeros((len(uniques), stride), values.dtype)
    for row, (distinct, _) in zip(table, uniques, strict=True):
        row[: len(distinct)] = distinct
    indices = np.stack([inverse.reshape(np.shape(channels[0])) for _, inverse in uniques])
    return indices[0] if axis is None else np.moveaxis(indices, 0, axis), table, max(1, (stride - 1).bit_length())


def pack_bits(indices: Values, bits: int) -> bytes:
    """The indices one after the other, high bits first."""
    places = np.arange(bits - 1, -1, -1)
    return np.packbits((indices.reshape(-1, 1) >> places & 1).astype(np.uint8)).tobytes()


def metadata(subgraphs: Iterable[Sequence[Lut]] | None, version: int = 1) -> bytes:
    """The FlatBuffer that describes which tensors are compressed."""
    builder = Builder()
    tables = None if subgraphs is None else [subgraph_table(builder, luts) for luts in subgraphs]
    vector = None if tables is None else offsets(builder, tables)
    builder.StartObject(2)
    builder.PrependUint32Slot(0, version, 1)
    if vector is not None:
        builder.PrependUOffsetTRelativeSlot(1, vector, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def subgraph_table(builder: Builder, luts: Sequence[Lut]) -> int:
    vector = offsets(builder, [lut_table(builder, lut) for lut in luts])
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    return int(builder.EndObject())


def lut_table(builder: Builder, lut: Lut) -> int:
    builder.StartObject(3)
    builder.PrependInt32Slot(0, lut.tensor, 0)
    builder.PrependUint32Slot(1, lut.value_buffer, 0)
    builder.PrependUint8Slot(2, lut.bits, 0)
    return int(builder.EndObject())


def offsets(builder: Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


WEIGHTS_AND_BIAS = {
    schema.BuiltinOperator.CONV_2D: (1, 2),
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: (1, 2),
    schema.BuiltinOperator.FULLY_CONNECTED: (1, 2),
    schema.BuiltinOperator.TRANSPOSE_CONV: (1, 3),
}


def weights_of(model: bytes) -> dict[int, list[int]]:
    """The constants, by subgraph, that operators with code for compression have for weights and bias.

    Left out are those of types that TFLM cannot decompress, and those with channels along an axis that they lack.
    """
    model_object = unpacked(model)
    found: dict[int, list[int]] = {}
    for index, subgraph in enumerate(model_object.subgraphs):
        for node in subgraph.operators:
            code = model_object.operatorCodes[node.opcodeIndex].builtinCode
            for position in WEIGHTS_AND_BIAS.get(code, ()):
                tensor = node.inputs[position] if position < len(node.inputs) else -1
                if tensor != -1 and is_compressible(model_object, subgraph.tensors[tensor]):
                    found.setdefault(index, []).append(tensor)
    return {index: sorted(set(tensors)) for index, tensors in found.items()}


def is_compressible(model: Any, tensor: Any) -> bool:
    axis = channel_axis(tensor)
    return (
        model.buffers[tensor.buffer].data is not None
        and tensor.type in DTYPES
        and tensor.shape is not None
        and (axis is None or axis < len(tensor.shape))
    )
