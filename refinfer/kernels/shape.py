"""RESHAPE, SQUEEZE, EXPAND_DIMS, SHAPE, RANK, TRANSPOSE, BROADCAST_TO, BROADCAST_ARGS and FILL.

Sources: reshape_common.cc, reshape.cc, squeeze.cc, expand_dims.cc, shape.cc, transpose_common.cc, transpose.cc,
broadcast_to.cc, broadcast_args.cc, fill.cc, all in tensorflow/lite/micro/kernels; of the arithmetic also the files of
these names and rank.cc in tensorflow/lite/kernels, and internal/reshape_utils.h there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.changes import RESHAPE_DIMS, has
from refinfer.kernels.common import (
    input_at,
    integers,
    optional_input,
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
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Refusal, Request, Reshaped, require, temps
from refinfer.kernels.layout import ENUM, INT32, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import (
    ANY,
    SIZED,
    Values,
    axis_of,
    keeping_scales,
    known,
    numbers,
    require_one,
    shape_by_values,
)
from refinfer.kernels.overlap import of_reshape, of_unary
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ReshapeOptions, ShapeOptions, SqueezeOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_OPTION_DIMENSIONS = 8  # [builtin_op_data.h: TFLITE_RESHAPE_PARAMS_MAX_DIMENSION_COUNT], and of squeeze_dims
MAX_TRANSPOSE_DIMENSIONS = 5
MAX_BROADCAST_DIMENSIONS = 5
MAX_RANK = 8  # of what the kernels of LiteRT permute or repeat

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
        yield from writable_dims(y, shape) if has(RESHAPE_DIMS, build) else (Reshaped(y, shape),)
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
    dropped = squeezed(x.shape, options_of(node, SqueezeOptions).squeeze_dims or ())
    kept = [size for axis, size in enumerate(x.shape) if axis not in dropped]
    require(len(kept) <= len(y.shape), f"{len(y.shape)} dimensions; the squeezed input has {len(kept)}", y)
    require(
        all(out >= size for out, size in zip(y.shape, kept, strict=False)),
        f"shape {y.shape} is smaller than the squeezed input's {tuple(kept)}",
        y,
    )


def squeezed(shape: Shape, squeeze_dims: Values) -> set[int]:
    """The axes to drop: those that the options name, or else all of size 1."""
    if not squeeze_dims:
        return {axis for axis, size in enumerate(shape) if size == 1}
    axes = set()
    for named in squeeze_dims:
        axis = named + len(shape) if named < 0 else named
        require(0 <= axis < len(shape) and shape[axis] == 1, f"axis {named} of {shape} is not of size 1")
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


def fold_reshape(node: Node, host: Host) -> Evaluate:
    """To the shape that an input names, or else the options."""
    require(len(node.inputs) in (1, 2), f"{len(node.inputs)} inputs; it takes 1 or 2")
    require_same_type(input_at(node, 0), output_at(node, 0))
    if names_shape(node):
        return lambda x, target: (x.reshape(resolved(x.shape, numbers(target))),)
    target = target_of_options(node)
    return lambda x, ignored=None: (x.reshape(resolved(x.shape, target)),)


def shape_of_reshape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As `fold_reshape`; open while nobody has said what the shape will be."""
    target = known(node, 1) if names_shape(node) else target_of_options(node)
    return None if target is None else [resolved(shapes[0], target)]


def names_shape(node: Node) -> bool:
    """Whether there is an input that is a list of int32; what else stands there is not looked at."""
    target = optional_input(node, 1)
    return target is not None and len(target.shape) == 1 and target.type == TensorType.INT32


def target_of_options(node: Node) -> Values:
    """The shape in the options; old converters wrote a scalar as [0]."""
    target = tuple(options_of(node, ReshapeOptions).new_shape or ())
    return () if target == (0,) else target


def resolved(shape: Shape, target: Values) -> Shape:
    """The target, in which one -1 stands for whatever makes up the elements [reshape_utils.h: ResolveOutputShape]."""
    require(target.count(-1) <= 1, f"shape {target} leaves more than one dimension open")
    require(all(size >= -1 for size in target), f"shape {target} has a negative dimension")
    elements = prod(shape)
    known_size = prod(size for size in target if size != -1)
    if elements == 0 and known_size != 0:
        filler = 0
    else:  # zeros are left out on both sides
        filler = prod(size for size in shape if size) // prod(size for size in target if size not in (-1, 0))
    whole = tuple(filler if size == -1 else size for size in target)
    require(prod(whole) == elements, f"shape {target} has {prod(whole)} elements; the input has {elements}")
    return whole


def fold_reshape_as_declared(node: Node, host: Host) -> Evaluate:
    """To the shape that the file has for the output."""
    shape = declared_shape(node)
    return lambda x, ignored=None: (x.reshape(shape),)


def shape_as_declared(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The shape that the file has for the output."""
    return [declared_shape(node)]


def declared_shape(node: Node) -> Shape:
    """[reshape_common.cc: ReshapeOutput]"""
    x, y = input_at(node, 0), output_at(node, 0)
    return () if len(node.inputs) == 1 and y.shape == (0,) else stretched(x, y)


def fold_squeeze(node: Node, host: Host) -> Evaluate:
    """Without dimensions of size 1."""
    require_arity(node, 1, 1)
    return lambda x: (x.reshape(shape_of_squeeze(node, [x.shape])[0]),)


def shape_of_squeeze(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """What is left when these are dropped."""
    (shape,) = shapes
    require(len(shape) <= MAX_OPTION_DIMENSIONS, f"{len(shape)} dimensions; up to {MAX_OPTION_DIMENSIONS}")
    dropped = squeezed(shape, options_of(node, SqueezeOptions).squeeze_dims or ())
    return [tuple(size for axis, size in enumerate(shape) if axis not in dropped)]


def fold_expand_dims(node: Node, host: Host) -> Evaluate:
    """With a dimension of size 1 before `axis`."""
    require_arity(node, 2, 1)
    axis = input_at(node, 1)
    require_type(axis, TensorType.INT32, TensorType.INT64)
    require_one(axis)
    return lambda x, axis: (x.reshape(expanded(x.shape, numbers(axis))),)


def expanded(shape: Shape, axis: Values) -> Shape:
    """A negative axis counts from the end of what comes out."""
    at = axis_of(axis[0], len(shape) + 1)
    return (*shape[:at], 1, *shape[at:])


def fold_shape(node: Node, host: Host) -> Evaluate:
    """The dimensions of the input, in the type that the options ask for."""
    require_arity(node, 1, 1)
    type = options_of(node, ShapeOptions).out_type
    require(type in (TensorType.INT32, TensorType.INT64), f"out_type is {type.name}; it may be INT32 or INT64")
    return partial(dimensions, type)


def fold_shape_as_declared(node: Node, host: Host) -> Evaluate:
    """The dimensions of the input, in the type of the output."""
    return partial(dimensions, output_at(node, 0).type)


def dimensions(type: TensorType, x: Array) -> tuple[Array, ...]:
    """y = the shape of x"""
    return (np.array(x.shape, dtype_of(type)),)


def shape_of_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """One number for each dimension."""
    return [(len(shapes[0]),)]


def fold_rank(node: Node, host: Host) -> Evaluate:
    """How many dimensions the input has."""
    require_arity(node, 1, 1)
    return lambda x: (np.array(x.ndim, np.int32),)


def shape_of_rank(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A scalar."""
    return [()]


def fold_transpose(node: Node, host: Host) -> Evaluate:
    """y[i...] = x[j...] with i[k] = j[perm[k]]"""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), TensorType.INT32)
    require_rank(input_at(node, 1), 1)
    return lambda x, perm: (x.transpose(permutation(numbers(perm), x.ndim)),)


def permutation(perm: Values, rank: int) -> Values:
    """All axes, counted from the front. One that occurs twice is refused, though the runtimes go through with it."""
    require(rank <= MAX_RANK, f"{rank} dimensions; up to {MAX_RANK}")
    require(len(perm) == rank, f"{len(perm)} axes for {rank} dimensions")
    axes = tuple(axis_of(axis, rank) for axis in perm)
    require(len(set(axes)) == rank, f"{perm} is no permutation")
    return axes


def transposed(shape: Shape, perm: Values) -> Shape:
    """The sizes in the order of the axes."""
    return tuple(shape[axis] for axis in permutation(perm, len(shape)))


def fold_broadcast_to(node: Node, host: Host) -> Evaluate:
    """The input, repeated along what it lacks."""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), TensorType.INT32, TensorType.INT64)
    require_rank(input_at(node, 1), 1)
    return lambda x, shape: (np.broadcast_to(x, broadcast(x.shape, numbers(shape))).copy(),)


def fold_broadcast_to_since_2(node: Node, host: Host) -> Evaluate:
    """The same, but version 1 was withdrawn before it came into use."""
    require(node.version >= 2, "version 1; it begins with 2")
    return fold_broadcast_to(node, host)


def broadcast(shape: Shape, target: Values) -> Shape:
    """The target, if the shape can be stretched to it."""
    require(len(shape) <= len(target) <= MAX_RANK, f"{shape} cannot be stretched to {target}")
    aligned = target[len(target) - len(shape) :]
    fits = all(size in (1, wanted) for size, wanted in zip(shape, aligned, strict=True))
    require(fits and min(target, default=0) >= 0, f"{shape} cannot be stretched to {target}")
    return target


def fold_broadcast_args(node: Node, host: Host) -> Evaluate:
    """The shape to which two shapes are stretched."""
    require_arity(node, 2, 1)
    first, second, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    for tensor in (first, second):
        require_rank(tensor, 1)
        require_same_type(tensor, y)
    return evaluate_broadcast_args


def evaluate_broadcast_args(first: Array, second: Array) -> tuple[Array, ...]:
    """y[i] = first[i] if second[i] is 1, else second[i], once the shorter has ones in front."""
    length = max(first.size, second.size)
    a, b = (np.concatenate((np.ones(length - each.size, each.dtype), each)) for each in (first, second))
    require(bool(np.all((a == 1) | (b == 1) | (a == b))), f"{numbers(first)} and {numbers(second)} do not fit")
    return (np.where(a == 1, b, a),)


def shape_of_broadcast_args(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """As long as the longer one."""
    return [max(shapes)]


def fold_fill(node: Node, host: Host) -> Evaluate:
    """One value everywhere."""
    require_arity(node, 2, 1)
    dims, value = input_at(node, 0), input_at(node, 1)
    require_rank(dims, 1)
    require_rank(value, 0)
    require_type(value, *SIZED)
    return lambda dims, value: (np.full(filled((), numbers(dims)), value),)


def filled(shape: Shape, dims: Values) -> Shape:
    """The values of the first input are the shape."""
    require(min(dims, default=0) >= 0, f"shape {dims} has a negative dimension")
    return dims


RESHAPE = Kernel(init=init_reshape, prepare=prepare_reshape, parameters=RESHAPE_PARAMS, overlap=of_reshape)
SQUEEZE = Kernel(
    init=init_squeeze, prepare=prepare_squeeze, invoke=invoke_squeeze, parameters=SQUEEZE_PARAMS, overlap=of_reshape
)
EXPAND_DIMS = Kernel(
    prepare=prepare_expand_dims,
    invoke=switch_on_input(
        "Expand_Dims only currently supports int8, int16 and float32, got {}.",
        TensorType.FLOAT32,
        TensorType.INT16,
        TensorType.INT8,
    ),
    overlap=of_unary,
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

COMPUTE_RESHAPE = Compute(fold=fold_reshape, shape=shape_of_reshape, types=ANY, version=1)
COMPUTE_RESHAPE_AS_DECLARED = Compute(fold=fold_reshape_as_declared, shape=shape_as_declared, types=ANY, version=1)
COMPUTE_SQUEEZE = Compute(fold=fold_squeeze, shape=shape_of_squeeze, types=ANY, version=2)
COMPUTE_EXPAND_DIMS = Compute(fold=fold_expand_dims, shape=shape_by_values(expanded, 1), types=ANY, version=1)
COMPUTE_EXPAND_DIMS_KEEPING_SCALES = keeping_scales(COMPUTE_EXPAND_DIMS)
COMPUTE_SHAPE = Compute(fold=fold_shape, shape=shape_of_shape, types=ANY, version=1)
COMPUTE_SHAPE_AS_DECLARED = Compute(fold=fold_shape_as_declared, shape=shape_of_shape, types=ANY, version=1)
COMPUTE_RANK = Compute(fold=fold_rank, shape=shape_of_rank, types=ANY, version=1)
COMPUTE_TRANSPOSE = Compute(
    fold=fold_transpose, shape=shape_by_values(transposed, 1), types=SIZED | {TensorType.INT4}, version=8
)
COMPUTE_BROADCAST_TO = Compute(
    fold=fold_broadcast_to, shape=shape_by_values(broadcast, 1), types=ANY - {TensorType.STRING}, version=4
)
COMPUTE_BROADCAST_TO_SINCE_2 = replace(COMPUTE_BROADCAST_TO, fold=fold_broadcast_to_since_2)
COMPUTE_BROADCAST_ARGS = Compute(
    fold=fold_broadcast_args,
    shape=shape_of_broadcast_args,
    types=frozenset({TensorType.INT32, TensorType.INT64}),
    version=1,
)
COMPUTE_FILL = Compute(
    fold=fold_fill,
    shape=shape_by_values(filled, 0),
    types=frozenset({TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64}),
    version=5,
)
COMPUTE_FILL_KEEPING_SCALES = keeping_scales(
    replace(COMPUTE_FILL, types=frozenset({TensorType.INT32, TensorType.INT64})), position=1
)
