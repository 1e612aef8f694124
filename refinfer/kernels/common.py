"""What several kernel families share: small structs, sizes, and the questions that Prepare keeps asking."""

from __future__ import annotations

from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.layout import ENUM, INT32, POINTER, Member, When, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

USE_TFLM_COMPRESSION = "USE_TFLM_COMPRESSION"
"""The macro of builds that can read compressed weights; the PyPI wheel of tflite-micro is one."""

PADDING_VALUES = struct("TfLitePaddingValues", width=INT32, height=INT32, width_offset=INT32, height_offset=INT32)
EVAL_TENSOR = struct("TfLiteEvalTensor", data=POINTER, dims=POINTER, type=ENUM)


def in_compression_builds(member: Member) -> When:
    """A struct member that only builds with compression have."""
    return When(USE_TFLM_COMPRESSION, member)


def int_array_bytes(length: int) -> int:
    """Bytes of a TfLiteIntArray of `length` [common.cc: TfLiteIntArrayGetSizeInBytes]."""
    return 4 + 4 * length


def type_size(tensor: Tensor) -> int:
    """Bytes of one element in the arena [memory_helpers.cc: TfLiteTypeSizeOf]; int4 takes a whole byte there.

    Raises Refusal for a type that TFLM has no size for.
    """
    size = TYPE_SIZES.get(tensor.type)
    if size is None:
        raise Refusal(f"TFLM has no element size for {tensor.type.name}", tensor)
    return size


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes that the whole tensor takes in the arena [memory_helpers.cc: BytesRequiredForTensor]."""
    return tensor.elements * type_size(tensor)


def optional_input(node: Node, position: int) -> Tensor | None:
    """The input at `position`, or None where the node leaves it out."""
    return node.inputs[position] if position < len(node.inputs) else None


def input_at(node: Node, position: int) -> Tensor:
    """The input at `position` [kernel_util.cc: AllocateTempInputTensor]; raises Refusal if it is left out."""
    tensor = optional_input(node, position)
    if tensor is None:
        raise Refusal(f"input {position} is missing")
    return tensor


def output_at(node: Node, position: int) -> Tensor:
    """The output at `position`; raises Refusal if the node has fewer."""
    if position >= len(node.outputs):
        raise Refusal(f"output {position} is missing")
    return node.outputs[position]


def is_affine(tensor: Tensor) -> bool:
    """Whether TFLM gives the tensor quantization parameters: both a scale and a zero point are stored.

    [micro_allocator.cc: InitializeTfLiteTensorFromFlatbuffer]
    """
    quantization = tensor.quantization
    return quantization is not None and len(quantization.scale) > 0 and len(quantization.zero_point) > 0


def require_affine(tensor: Tensor) -> None:
    """Refuse a tensor without scale and zero point."""
    require(is_affine(tensor), f"{tensor.type.name} without a scale and a zero point", tensor)


def require_same_type(first: Tensor, second: Tensor) -> None:
    """Refuse two tensors of different types."""
    require(first.type == second.type, f"types differ: {first.type.name} and {second.type.name}", second)


def require_type(tensor: Tensor, *types: TensorType) -> None:
    """Refuse a tensor whose type is none of `types`."""
    names = ", ".join(each.name for each in types)
    require(tensor.type in types, f"type {tensor.type.name} is not supported; it may be {names}", tensor)


TYPE_SIZES = {
    TensorType.BOOL: 1,
    TensorType.INT4: 1,
    TensorType.INT8: 1,
    TensorType.UINT8: 1,
    TensorType.INT16: 2,
    TensorType.UINT16: 2,
    TensorType.FLOAT16: 2,
    TensorType.BFLOAT16: 2,
    TensorType.INT32: 4,
    TensorType.UINT32: 4,
    TensorType.FLOAT32: 4,
    TensorType.RESOURCE: 4,
    TensorType.INT64: 8,
    TensorType.UINT64: 8,
    TensorType.FLOAT64: 8,
    TensorType.COMPLEX64: 8,
    TensorType.COMPLEX128: 16,
}
