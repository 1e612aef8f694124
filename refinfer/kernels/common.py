"""What several kernel families share: small structs, sizes, and the questions that Prepare keeps asking."""

from __future__ import annotations

import struct as bytes_struct
from collections.abc import Callable, Iterator
from typing import TypeVar

from refinfer.kernels.kernel import Decompressed, Persistent, Refusal, Request, Reshaped, require
from refinfer.kernels.layout import ENUM, INT32, POINTER, Build, Member, When, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

USE_TFLM_COMPRESSION = "USE_TFLM_COMPRESSION"
"""The macro of builds that can read compressed weights; the PyPI wheel of tflite-micro is one."""

NDEBUG = "NDEBUG"
"""The macro of release builds, in which a failed TFLITE_DCHECK goes unnoticed; TFLM's Makefile does not define it."""

PADDING_VALUES = struct("TfLitePaddingValues", width=INT32, height=INT32, width_offset=INT32, height_offset=INT32)
EVAL_TENSOR = struct("TfLiteEvalTensor", data=POINTER, dims=POINTER, type=ENUM)


def in_compression_builds(member: Member) -> When:
    """A struct member that only builds with compression have."""
    return When(USE_TFLM_COMPRESSION, member)


def is_compressed(tensor: Tensor, build: Build) -> bool:
    """Whether the build knows that the tensor's data are indices [micro_interpreter_context.cc: IsTensorCompressed]."""
    return USE_TFLM_COMPRESSION in build.defines and tensor.lookup is not None


def decompressed_weights(weights: Tensor, bias: Tensor | None, build: Build, source: str) -> Iterator[Request]:
    """The last thing that a convolution or FULLY_CONNECTED asks for."""
    int4 = is_compressed(weights, build) and weights.type == TensorType.INT4
    require(not int4, "Compression not supported with INT4 tensors", weights)
    yield Decompressed("weights_scratch_index", weights, source)
    yield Decompressed("bias_scratch_index", bias, source)


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


Options = TypeVar("Options")


def options_of(node: Node, table: type[Options]) -> Options:
    """The node's options, or the defaults of `table` where the file stores none: zeros, as the parser leaves them."""
    return node.options if isinstance(node.options, table) else table()


def integers(tensor: Tensor, read_as: TensorType | None = None) -> tuple[int, ...]:
    """The values of a constant integer tensor.

    Kernels that do not ask for the type before they read it are said so by `read_as`; raises Refusal where that would
    read past the end.
    """
    code = INTEGER_CODES.get(tensor.type if read_as is None else read_as)
    if code is None or tensor.data is None:
        raise Refusal(f"no constant integers: {tensor.type.name}", tensor)
    count = tensor.elements
    require(
        len(tensor.data) >= count * bytes_struct.calcsize(code), f"too short to be read as {count} integers", tensor
    )
    return bytes_struct.unpack_from(f"<{count}{code}", tensor.data)


def writable_dims(tensor: Tensor, shape: tuple[int, ...]) -> Iterator[Request]:
    """The kernel keeps the tensor's dims in memory of its own, as long as the file's, and writes `shape` there."""
    yield Persistent("dims", int_array_bytes(len(tensor.shape)), "kernel_util.cc: CreateWritableTensorDimsWithCopy")
    yield Reshaped(tensor, shape)


def first_scale(tensor: Tensor) -> float:
    """TfLiteTensor.params.scale: that of the first slice, 0 without quantization."""
    return tensor.quantization.scale[0] if tensor.quantization is not None and is_affine(tensor) else 0.0


def first_zero_point(tensor: Tensor) -> int:
    """TfLiteTensor.params.zero_point: that of the first slice, 0 without quantization."""
    return tensor.quantization.zero_point[0] if tensor.quantization is not None and is_affine(tensor) else 0


def is_affine(tensor: Tensor) -> bool:
    """Whether TFLM gives the tensor quantization parameters: both a scale and a zero point are stored.

    [micro_allocator.cc: InitializeTfLiteTensorFromFlatbuffer]
    """
    quantization = tensor.quantization
    return quantization is not None and len(quantization.scale) > 0 and len(quantization.zero_point) > 0


def require_in_debug(build: Build, condition: bool, reason: str, tensor: Tensor | None = None) -> None:
    """TFLITE_DCHECK: unless `condition` holds, a debug build aborts and a release build goes on."""
    require(condition or NDEBUG in build.defines, f"{reason} (debug builds abort)", tensor)


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


def require_arity(node: Node, inputs: int, outputs: int) -> None:
    """Refuse a node with another number of inputs (absent ones count) or outputs."""
    require(len(node.inputs) == inputs, f"{len(node.inputs)} inputs; it takes {inputs}")
    require(len(node.outputs) == outputs, f"{len(node.outputs)} outputs; it gives {outputs}")


def require_rank(tensor: Tensor, rank: int) -> None:
    """Refuse a tensor of another number of dimensions."""
    require(len(tensor.shape) == rank, f"{len(tensor.shape)} dimensions; it takes {rank}", tensor)


def require_shape(tensor: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse another shape."""
    require(tensor.shape == expected, f"shape {tensor.shape}; {expected} was expected", tensor)


def require_same_shape(first: Tensor, second: Tensor) -> None:
    """Refuse two tensors of different shapes."""
    require(first.shape == second.shape, f"shape {second.shape}; {first.shape} was expected", second)


def require_constant(tensor: Tensor, name: str) -> None:
    """Refuse a tensor whose value is not in the file."""
    require(tensor.data is not None, f"Non-constant >{name}< tensor is not supported", tensor)


def switch_on_input(message: str, *types: TensorType, position: int = 0) -> Callable[[Node], None]:
    """An Invoke that can take `types` at an input; `message` is what TFLM prints of another, {} for its name."""

    def invoke(node: Node) -> None:
        tensor = input_at(node, position)
        require(tensor.type in types, message.format(tensor.type.name), tensor)

    return invoke


def switch_on_output(message: str, *types: TensorType) -> Callable[[Node], None]:
    """As `switch_on_input`, for the output."""

    def invoke(node: Node) -> None:
        tensor = output_at(node, 0)
        require(tensor.type in types, message.format(tensor.type.name), tensor)

    return invoke


INTEGER_CODES = {
    TensorType.INT8: "b",
    TensorType.UINT8: "B",
    TensorType.INT16: "h",
    TensorType.INT32: "i",
    TensorType.INT64: "q",
}
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
