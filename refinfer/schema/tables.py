"""The tables of a ``.tflite`` file, from the bottom up to `Model`: what the file says, before any of it is interpreted.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs, and the newer schema in the ai-edge-litert 2.3.0 wheel, which
adds `BlockwiseQuantization.block_shape`. Names and order are theirs: the place of a field is its slot in the vtable.
The options of the operators stand in `options.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from refinfer.schema.enums import (
    BuiltinOperator,
    CustomOptionsFormat,
    DimensionType,
    TensorType,
)
from refinfer.schema.flatbuffer import Table, child, children, scalar, string, union, vector, view
from refinfer.schema.options import BUILTIN_OPTIONS, BUILTIN_OPTIONS_2


class CustomQuantization(Table):
    """Quantization of a kind that only its maker knows."""

    custom: memoryview | None = view()


class BlockwiseQuantization(Table):
    """One scale for each block; `scales` and `zero_points` are indices of tensors, -1 for none."""

    scales: int = scalar("i")
    zero_points: int = scalar("i")
    block_size: int = scalar("i")
    block_shape: tuple[int, ...] | None = vector("i")


class MultiAxisQuantization(Table):
    """Scales along several dimensions; `scales` and `zero_points` are indices of tensors, -1 for none."""

    scales: int = scalar("i")
    zero_points: int = scalar("i")
    block_size: int = scalar("i")
    quantized_dimensions: tuple[int, ...] | None = vector("i")


QUANTIZATION_DETAILS: tuple[type[Table], ...] = (
    CustomQuantization,
    BlockwiseQuantization,
    MultiAxisQuantization,
)


class QuantizationParameters(Table):
    """real = scale * (q - zero_point), per tensor or along one dimension; `details` replaces all of it."""

    min: tuple[float, ...] | None = vector("f")
    max: tuple[float, ...] | None = vector("f")
    scale: tuple[float, ...] | None = vector("f")
    zero_point: tuple[int, ...] | None = vector("q")
    details_type: int = scalar("B")
    details: Table | None = union(QUANTIZATION_DETAILS)
    quantized_dimension: int = scalar("i")


class Int32Vector(Table):
    """Index metadata of a sparse dimension."""

    values: Sequence[int] | None = view("i")


class Uint16Vector(Table):
    """The same, in 16 bits."""

    values: Sequence[int] | None = view("H")


class Uint8Vector(Table):
    """The same, in 8 bits."""

    values: memoryview | None = view()


SPARSE_INDEX_VECTOR: tuple[type[Table], ...] = (
    Int32Vector,
    Uint16Vector,
    Uint8Vector,
)


class DimensionMetadata(Table):
    """One dimension of a sparse tensor: its size if dense, else its segments and indices as in CSR."""

    format: DimensionType = scalar("b", of=DimensionType)
    dense_size: int = scalar("i")
    array_segments_type: int = scalar("B")
    array_segments: Table | None = union(SPARSE_INDEX_VECTOR)
    array_indices_type: int = scalar("B")
    array_indices: Table | None = union(SPARSE_INDEX_VECTOR)


class SparsityParameters(Table):
    """How a sparse tensor is stored, after TACO: order of the dimensions, blocks, and each dimension."""

    traversal_order: tuple[int, ...] | None = vector("i")
    block_map: tuple[int, ...] | None = vector("i")
    dim_metadata: tuple[DimensionMetadata, ...] | None = children(DimensionMetadata)


class VariantSubType(Table):
    """What a VARIANT tensor holds."""

    shape: tuple[int, ...] | None = vector("i")
    type: TensorType = scalar("b", of=TensorType)
    has_rank: bool = scalar("?", False)


class Tensor(Table):
    """One tensor of a subgraph; `buffer` is the index of its constant data, if any."""

    shape: tuple[int, ...] | None = vector("i")
    type: TensorType = scalar("b", of=TensorType)
    buffer: int = scalar("I")
    name: str | None = string()
    quantization: QuantizationParameters | None = child(QuantizationParameters)
    is_variable: bool = scalar("?", False)
    sparsity: SparsityParameters | None = child(SparsityParameters)
    shape_signature: tuple[int, ...] | None = vector("i")
    has_rank: bool = scalar("?", False)
    variant_tensors: tuple[VariantSubType, ...] | None = children(VariantSubType)
    external_buffer: int = scalar("I")


class OperatorCode(Table):
    """An operator that the model uses. The larger of the two codes counts: old files have only the first."""

    deprecated_builtin_code: int = scalar("b")
    custom_code: str | None = string()
    version: int = scalar("i", 1)
    builtin_code: BuiltinOperator = scalar("i", of=BuiltinOperator)


class Operator(Table):
    """One node of a subgraph; its tensors are indices, -1 for an optional one that is left out."""

    opcode_index: int = scalar("I")
    inputs: tuple[int, ...] | None = vector("i")
    outputs: tuple[int, ...] | None = vector("i")
    builtin_options_type: int = scalar("B")
    builtin_options: Table | None = union(BUILTIN_OPTIONS)
    custom_options: memoryview | None = view()
    custom_options_format: CustomOptionsFormat = scalar("b", of=CustomOptionsFormat)
    mutating_variable_inputs: tuple[bool, ...] | None = vector("?")
    intermediates: tuple[int, ...] | None = vector("i")
    large_custom_options_offset: int = scalar("Q")
    large_custom_options_size: int = scalar("Q")
    builtin_options_2_type: int = scalar("B")
    builtin_options_2: Table | None = union(BUILTIN_OPTIONS_2)
    debug_metadata_index: int = scalar("i", -1)


class SubGraph(Table):
    """A function: operators in the order of execution, over tensors of its own."""

    tensors: tuple[Tensor, ...] | None = children(Tensor)
    inputs: tuple[int, ...] | None = vector("i")
    outputs: tuple[int, ...] | None = vector("i")
    operators: tuple[Operator, ...] | None = children(Operator)
    name: str | None = string()
    debug_metadata_index: int = scalar("i", -1)


class Buffer(Table):
    """Constant data: in the flatbuffer, or beyond it at `offset` from the start of the file (if above 1)."""

    data: memoryview | None = view()
    offset: int = scalar("Q")
    size: int = scalar("Q")


class ExternalBufferGroup(Table):
    """A file that holds constant data outside of the model."""

    name: str | None = string()


class ExternalBuffer(Table):
    """A slice of such a file."""

    id: int = scalar("I")
    group: int = scalar("I")
    offset: int = scalar("Q")
    length: int = scalar("Q")
    packing: str | None = string()


class Metadata(Table):
    """A name for a buffer with data about the model."""

    name: str | None = string()
    buffer: int = scalar("I")


class TensorMap(Table):
    """A signature's name for a tensor."""

    name: str | None = string()
    tensor_index: int = scalar("I")


class SignatureDef(Table):
    """A name for a subgraph, and for each of its inputs and outputs."""

    inputs: tuple[TensorMap, ...] | None = children(TensorMap)
    outputs: tuple[TensorMap, ...] | None = children(TensorMap)
    signature_key: str | None = string()
    deprecated_tag: str | None = string()
    subgraph_index: int = scalar("I")


class Model(Table):
    """The root. Subgraph 0 is the main one; buffer 0 is empty by convention."""

    version: int = scalar("I")
    operator_codes: tuple[OperatorCode, ...] | None = children(OperatorCode)
    subgraphs: tuple[SubGraph, ...] | None = children(SubGraph)
    description: str | None = string()
    buffers: tuple[Buffer, ...] | None = children(Buffer)
    metadata_buffer: tuple[int, ...] | None = vector("i")
    metadata: tuple[Metadata, ...] | None = children(Metadata)
    signature_defs: tuple[SignatureDef, ...] | None = children(SignatureDef)
    external_buffer_groups: tuple[ExternalBufferGroup, ...] | None = children(ExternalBufferGroup)
    external_buffers: tuple[ExternalBuffer, ...] | None = children(ExternalBuffer)
