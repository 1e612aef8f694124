"""RESHAPE, SQUEEZE, EXPAND_DIMS, SHAPE, TRANSPOSE, BROADCAST_TO, BROADCAST_ARGS and FILL.

Sources: reshape_common.cc, reshape.cc, squeeze.cc, expand_dims.cc, shape.cc, transpose_common.cc, transpose.cc,
broadcast_to.cc, broadcast_args.cc, fill.cc, all in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_rank,
    require_same_type,
    require_shape,
    require_type,
    switch_on_input,
    switch_on_output,
    tensor_bytes,
    writable_dims,
)
from refinfer.kernels.kernel import Kernel, Refusal, Request, Reshaped, require, temps
from refinfer.kernels.layout import ENUM, INT32, Build, Repeated, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ReshapeOptions, SqueezeOptions

MAX_OPTION_DIMENSIONS = 8  # [builtin_op_data.h: TFLITE_RESHAPE_PARAMS_MAX_DIMENSION_COUNT], and of squeeze_dims
MAX_TRANSPOSE_DIMENSIONS = 5
MAX_BROADCAST_DIMENSIONS = 5

RESHAPE_PARAMS = struct("TfLiteReshapeParams", shape=Repeated(INT32, MAX_OPTION_DIMENSIONS), num_dimensions=INT32)
SQUEEZE_PARAMS = struct(
    "TfLiteSqueezeParams", squeeze_dims=Repeated(INT32, MAX_OPTION_DIMENSIONS), num_squeeze_dims=INT32
)
SHAPE_PARAMS = struct("TfLiteShapeParams", out_type=ENUM)


def init_reshape(node: Node, build: Build) -> Iterator[Request]:
    """Nothing to allocate, but the parser has room for eight dimensions [flatbuffer_conversions.cc: ParseReshape]."""
    require_room(options_of(node, ReshapeOptions).new_shape or (), "reshape")
    yield from ()


def prepare_reshape(node: Node, build: Build) -> Iterator[Request]:
    """[reshape_common.cc: ReshapeOutput] The output's stored shape rules; the shape input is not even looked at."""
    require(len(node.inputs) in (1, 2), f"{len(node.inputs)} inputs; it takes 1 or 2")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if len(node.inputs) == 1 and y.shape == (0,):  # old converters wrote a scalar like this
        shape: tuple[int, ...] = ()
        yield Reshaped(y, shape)
    else:
        shape = stretched(x, y)
    if -1 in y.shape:
        yield from writable_dims(y, shape)
    require_same_type(x, y)
    require(x.elements == prod(shape), f"{prod(shape)} elements; the input has {x.elements}", y)


def stretched(x: Tensor, y: Tensor) -> tuple[int, ...]:
    """The output's shape, with -1 replaced by what makes up the input's elements."""
    require(y.shape.count(-1) <= 1, f"shape {y.shape} leaves more than one dimension open", y)
    if -1 not in y.shape:
        return y.shape
    known = prod(size for size in y.shape if size != -1)
    require(known != 0, f"shape {y.shape} leaves nothing to divide by", y)
    return tuple(x.elements // known if size == -1 else size for size in y.shape)


def init_squeeze(node: Node, build: Build) -> Iterator[Request]:
    """Nothing to allocate, but the parser has room for eight dimensions [flatbuffer_conversions.cc: ParseSqueeze]."""
    require_room(options_of(node, SqueezeOptions).squeeze_dims or (), "squeeze")
    yield from ()


def prepare_squeeze(node: Node, build: Build) -> Iterator[Request]:
    """[squeeze.cc: SqueezePrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    rank = len(x.shape)
    require(rank <= MAX_OPTION_DIMENSIONS, f"{rank} dimensions; it takes at most {MAX_OPTION_DIMENSIONS}", x)
    dropped = squeezed(x, options_of(node, SqueezeOptions).squeeze_dims or ())
    kept = [size for axis, size in enumerate(x.shape) if axis not in dropped]
    require(len(kept) <= len(y.shape), f"{len(y.shape)} dimensions; the squeezed input has {len(kept)}", y)
    require(
        all(out >= size for out, size in zip(y.shape, kept, strict=False)),
        f"shape {y.shape} is smaller than the squeezed input's {tuple(kept)}",
        y,
    )


def squeezed(x: Tensor, squeeze_dims: tuple[int, ...]) -> set[int]:
    """The axes to drop: those that the options name, or else all of size 1."""
    if not squeeze_dims:
        return {axis for axis, size in enumerate(x.shape) if size == 1}
    axes = set()
    for named in squeeze_dims:
        axis = named + len(x.shape) if named < 0 else named
        require(0 <= axis < len(x.shape) and x.shape[axis] == 1, f"axis {named} of {x.shape} is not of size 1", x)
        axes.add(axis)
    return axes


def invoke_squeeze(node: Node) -> None:
    """[squeeze.cc: SqueezeEval]"""
    x, y = input_at(node, 0), output_at(node, 0)
    require(tensor_bytes(x) == tensor_bytes(y), f"{tensor_bytes(y)} bytes; the input has {tensor_bytes(x)}", y)


def prepare_expand_dims(node: Node, build: Build) -> Iterator[Request]:
    """[expand_dims.cc: ExpandDimsPrepare]"""
    require_arity(node, 2, 1)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, axis, y)
    require_constant(axis, "axis")
    require(len(axis.shape) <= 1, "Axis has only one element for Expand_Dims.", axis)
    require(axis.type == TensorType.INT32, f"Axis type {axis.type.name} not supported by Expand_Dims.", axis)
    (position, *_) = integers(axis)
    at = position + len(x.shape) + 1 if position < 0 else position
    require(0 <= at <= len(x.shape), f"axis {position} is out of range for {len(x.shape)} dimensions", axis)
    require_shape(y, (*x.shape[:at], 1, *x.shape[at:]))


def prepare_shape(node: Node, build: Build) -> Iterator[Request]:
    """[shape.cc: ShapePrepare] looks at no tensor."""
    require_arity(node, 1, 1)
    yield from ()


def prepare_transpose(node: Node, build: Build) -> Iterator[Request]:
    """[transpose_common.cc: TransposePrepare]"""
    require_arity(node, 2, 1)
    x, perm, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, perm, y)
    rank = len(x.shape)
    require(rank <= MAX_TRANSPOSE_DIMENSIONS, "Transpose op only supports 1D-5D input arrays.", x)
    require_same_type(x, y)
    require_constant(perm, "perm")
    require_rank(perm, 1)
    require(perm.shape == (rank,), f"{perm.elements} axes for {rank} dimensions", perm)
    axes = integers(perm, read_as=TensorType.INT32)
    require(
        all(0 <= axis < rank for axis in axes),
        "Transpose op permutations array is out of bounds.",
        perm,
    )


def prepare_broadcast_to(node: Node, build: Build) -> Iterator[Request]:
    """[broadcast_to.cc: BroadcastToPrepare]"""
    require_arity(node, 2, 1)
    x, shape, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, shape, y)
    require(len(x.shape) <= MAX_BROADCAST_DIMENSIONS, "BroadcastTo only supports 1-5D tensor.", x)
    require_type(shape, TensorType.INT32, TensorType.INT64)
    require_same_type(x, y)
    require(x.type != TensorType.STRING, "type STRING is not supported", x)
    require_constant(shape, "shape")
    require_broadcast(x, shape, y)


def require_broadcast(x: Tensor, shape: Tensor, y: Tensor) -> None:
    """[broadcast_to.cc: ValidateOutputTensor]"""
    require_rank(shape, 1)
    wanted = integers(shape)
    require(len(y.shape) == len(wanted), "Output must match with the expected shape dimension.", y)
    require(len(x.shape) <= len(y.shape), "Output shape must be broadcastable from input shape.", x)
    require(len(y.shape) <= MAX_BROADCAST_DIMENSIONS, "BroadcastTo only supports 1-5D tensor.", y)
    aligned = wanted[len(wanted) - len(x.shape) :]
    require(
        all(size in (1, out) for size, out in zip(x.shape, aligned, strict=True)),
        "Output shape must be broadcastable from input shape.",
        x,
    )
    require_shape(y, wanted)


def prepare_broadcast_args(node: Node, build: Build) -> Iterator[Request]:
    """[broadcast_args.cc: BroadcastArgsPrepare]"""
    require_arity(node, 2, 1)
    first, second, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(first, second, y)
    require_type(first, TensorType.INT32, TensorType.INT64)
    require_same_type(first, second)
    require_same_type(first, y)
    for tensor in (first, second, y):
        require_rank(tensor, 1)


def prepare_fill(node: Node, build: Build) -> Iterator[Request]:
    """[fill.cc: FillPrepare]"""
    dims, value, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(dims, value, y)
    require_rank(value, 0)
    require_same_type(value, y)
    require_constant(dims, "dims")
    require_rank(dims, 1)
    require(dims.elements == len(y.shape), f"{len(y.shape)} dimensions; the dims input has {dims.elements}", y)
    if dims.type not in (TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64):
        raise Refusal(f"cannot compare int array to tensor of type {dims.type.name}.", dims)
    require_shape(y, integers(dims))


def require_room(dimensions: tuple[int, ...], operation: str) -> None:
    """[flatbuffer_conversions.cc: FlatBufferIntVectorToArray]"""
    require(
        len(dimensions) <= MAX_OPTION_DIMENSIONS,
        f"Found too many dimensions in the input array of operation '{operation}'.",
    )


RESHAPE = Kernel(init=init_reshape, prepare=prepare_reshape, parameters=RESHAPE_PARAMS)
SQUEEZE = Kernel(init=init_squeeze, prepare=prepare_squeeze, invoke=invoke_squeeze, parameters=SQUEEZE_PARAMS)
EXPAND_DIMS = Kernel(
    prepare=prepare_expand_dims,
    invoke=switch_on_input(
        "Expand_Dims only currently supports int8, int16 and float32, got {}.",
        TensorType.FLOAT32,
        TensorType.INT16,
        TensorType.INT8,
    ),
)
SHAPE = Kernel(
    prepare=prepare_shape,
    invoke=switch_on_output("Output type {} not supported.", TensorType.INT32),
    parameters=SHAPE_PARAMS,
)
TRANSPOSE = Kernel(
    prepare=prepare_transpose,
    invoke=switch_on_input(
        "Type {} is currently not supported by Transpose. Only float32, int8 and int16 are supported",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
)
BROADCAST_TO = Kernel(prepare=prepare_broadcast_to)
BROADCAST_ARGS = Kernel(prepare=prepare_broadcast_args)
FILL = Kernel(
    prepare=prepare_fill,
    invoke=switch_on_input(
        "Fill only currently supports float32 for input 1, got {}.",  # less than it can
        TensorType.FLOAT32,
        TensorType.INT32,
        TensorType.INT8,
        position=1,
    ),
)
