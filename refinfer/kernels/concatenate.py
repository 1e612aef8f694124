"""CONCATENATION, PACK, UNPACK, SPLIT and SPLIT_V.

Sources: concatenation.cc, pack.cc, unpack.cc, split.cc, split_v.cc, all in tensorflow/lite/micro/kernels; of the
arithmetic also the files of these names in tensorflow/lite/kernels, and internal/reference/concatenation.h there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import clamp, round_away, to_int32
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    in_compression_builds,
    input_at,
    integers,
    options_of,
    output_at,
    require_constant,
    require_rank,
    require_same_type,
    require_type,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import Decompressed, Kernel, Overlap, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT32, POINTER, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import (
    Values,
    axis_of,
    keeping_scales,
    known,
    numbers,
    require_alike,
    require_one,
)
from refinfer.kernels.overlap import at_least, nbytes, size_of
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ConcatenationOptions, PackOptions, SplitOptions, SplitVOptions, UnpackOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_INPUTS = 10  # of CONCATENATION [concatenation.cc: kMaxInputNum]
MAX_DIMENSIONS = 6  # [runtime_shape.h: kMaxSmallSize]

CONCATENATION_PARAMS = struct("TfLiteConcatenationParams", axis=INT32, activation=ENUM)
PACK_PARAMS = struct("TfLitePackParams", values_count=INT32, axis=INT32)
UNPACK_PARAMS = struct("TfLiteUnpackParams", num=INT32, axis=INT32)
SPLIT_PARAMS = struct("TfLiteSplitParams", num_splits=INT32)
SPLIT_V_PARAMS = struct("TfLiteSplitVParams", num_splits=INT32)
OP_DATA_CONCATENATION = struct(
    "concatenation:OpData",
    params=struct(
        "ConcatenationParams",
        axis=INT32,
        input_zeropoint=POINTER,
        input_scale=POINTER,
        inputs_count=INT32,
        output_zeropoint=INT32,
        output_scale=FLOAT,
    ),
    scratch_indices=in_compression_builds(Repeated(INT32, MAX_INPUTS)),
)


def prepare_concatenation(node: Node, build: Build) -> Iterator[Request]:
    """[concatenation.cc: ConcatenationPrepare] looks at the first input twice."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    activation = options_of(node, ConcatenationOptions).fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it takes NONE")
    require_type(x, *CONCATENATION_TYPES)
    require_same_type(x, y)
    require(len(node.inputs) <= MAX_INPUTS, f"{len(node.inputs)} inputs; it takes at most {MAX_INPUTS}")
    for position in range(len(node.inputs)):
        each = input_at(node, position)
        yield from temps(each)
        require_same_type(x, each)
        require_concatenable(each, y)
        yield Decompressed("scratch_indices", each, "concatenation.cc: ConcatenationPrepare")
    if x.type == TensorType.INT16:
        require_zero_point(y, 0)


def require_concatenable(x: Tensor, y: Tensor) -> None:
    """An input that can be copied as it is."""
    require(
        len(x.shape) <= MAX_DIMENSIONS,
        f"Op Concatenation does not currently support num dimensions > {MAX_DIMENSIONS} "
        f"Tensor has {len(x.shape)} dimensions.",
        x,
    )
    if x.type == TensorType.INT8:
        found, expected = (first_scale(x), first_zero_point(x)), (first_scale(y), first_zero_point(y))
        require(found == expected, f"scale and zero point {found} differ from the output's {expected}", x)
    elif x.type == TensorType.INT16:
        require_zero_point(x, 0)


def prepare_split(node: Node, build: Build) -> Iterator[Request]:
    """[split.cc: SplitPrepare]"""
    axis = input_at(node, 0)
    yield from temps(axis)
    require_constant(axis, "axis")


def prepare_split_v(node: Node, build: Build) -> Iterator[Request]:
    """[split_v.cc: SplitVPrepare]"""
    require(len(node.inputs) == 3, f"{len(node.inputs)} inputs; it takes 3")
    axis = input_at(node, 2)
    yield from temps(axis)
    require_constant(axis, "axis")


def invoke_split(node: Node) -> None:
    """[split.cc: SplitEval]"""
    require_splittable(input_at(node, 1), input_at(node, 0))


def invoke_split_v(node: Node) -> None:
    """[split_v.cc: SplitVEval]"""
    require_splittable(input_at(node, 0), input_at(node, 2))


def require_splittable(x: Tensor, axis: Tensor) -> None:
    """An axis of the input, and a type that the kernel can copy."""
    (at, *_), rank = integers(axis, read_as=TensorType.INT32), len(x.shape)
    require(-rank <= at < rank, f"axis {at} is out of range for {rank} dimensions", axis)
    require(x.type in SPLIT_TYPES, f"Type {x.type.name} currently not supported.", x)


def overlap_concatenation(node: Node, position: int, build: Build) -> Overlap | None:
    """A memcpy for each input, and that for each index ahead of the axis [reference/concatenation.h].

    One that is a single memcpy can lie in its place of the output, and nowhere else. The others have to stay clear of
    where they are copied to.
    """
    y, options = output_at(node, 0), options_of(node, ConcatenationOptions)
    copies = prod(y.shape[: options.axis % max(1, len(y.shape))])
    if y.elements == 0:
        return None
    row = nbytes(y) // copies
    sizes = [nbytes(input_at(node, each)) // copies for each in range(position + 1)]
    before, own = sum(sizes[:-1]), sizes[-1]
    if copies == 1:
        return Overlap(before, exactly=True)
    return at_least((copies - 1) * (row - own) + before + own)


def overlap_pack(node: Node, position: int, build: Build) -> Overlap | None:
    """One input after the other, each over the whole output, value by value [pack.cc: PackImpl]."""
    y, options = output_at(node, 0), options_of(node, PackOptions)
    axis, count = options.axis % max(1, len(y.shape)), len(node.inputs)
    if y.elements == 0:
        return None
    copies = prod(y.shape[:axis])
    own = nbytes(y) // copies // count
    gaps = (copies - 1) * (count - 1) * own
    return at_least(gaps if position == 0 else (copies - 1) * count * own + position * own)


def overlap_split(node: Node, position: int, output: int, build: Build) -> Overlap | None:
    """Value by value, each no earlier than its place in its output [split.cc, split_v.cc: SplitImpl]."""
    data, axis = (1, 0) if node.op == BuiltinOperator.SPLIT else (0, 2)
    x = input_at(node, data)
    at = integers(input_at(node, axis), read_as=TensorType.INT32)[0] % len(x.shape)
    around = {(each.type, each.shape[:at], each.shape[at + 1 :]) for each in (x, *node.outputs)}
    whole = len(around) == 1 and sum(y.shape[at] for y in node.outputs) == x.shape[at]
    return at_least(0) if position == data and whole and size_of(x) > 0 else None


def overlap_unpack(node: Node, position: int, output: int, build: Build) -> Overlap | None:
    """One output after the other, each from all over the input, value by value [unpack.cc: UnpackImpl]."""
    x, count, axis = input_at(node, 0), len(node.outputs), options_of(node, UnpackOptions).axis
    if x.elements == 0 or size_of(x) == 0 or x.shape[axis] != count:
        return None
    if any((y.type, y.elements * count) != (x.type, x.elements) for y in node.outputs):
        return None
    copies = prod(x.shape[: axis % len(x.shape)])
    own = nbytes(x) // copies // count
    return at_least((copies - output - 1) * own if output < count - 1 else 0)


def fold_concatenation(node: Node, host: Host) -> Evaluate:
    """One input after the other along an axis; scalars, which must be constants, become a list."""
    x, y = input_at(node, 0), output_at(node, 0)
    options = options_of(node, ConcatenationOptions)
    activation = options.fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it takes NONE")
    require_same_type(x, y)
    inputs = [input_at(node, position) for position in range(len(node.inputs))]
    for each in inputs:
        require_same_type(x, each)
        require(len(x.shape) > 0 or each.data is not None, "scalars that are no constants", each)
    rescales = [rescaling(each, y) for each in inputs]

    def evaluate(*arrays: Array) -> tuple[Array, ...]:
        lined_up([each.shape for each in arrays], options.axis)
        parts = [brought(np.atleast_1d(each)) for brought, each in zip(rescales, arrays, strict=True)]
        return (np.concatenate(parts, options.axis),)

    return evaluate


def rescaling(x: Tensor, y: Tensor) -> Callable[[Array], Array]:
    """What brings an input to the scale of the output: uint8 may have another, int8 not, int16 has no zero point."""
    if x.type == TensorType.INT16:
        require_zero_point(x, 0)
        require_zero_point(y, 0)
    if x.type == TensorType.INT8:
        require_alike(y, x)
    same = (first_scale(x), first_zero_point(x)) == (first_scale(y), first_zero_point(y))
    return (lambda q: q) if x.type != TensorType.UINT8 or same or not x.shape else rescale(x, y)


def rescale(x: Tensor, y: Tensor) -> Callable[[Array], Array]:
    """y = clamp(round(q * scale + bias) + offset), in float32 [concatenation.h: ConcatenationWithScaling]"""
    with np.errstate(all="ignore"):
        scale = np.float32(first_scale(x)) * (np.float32(1) / np.float32(first_scale(y)))
        bias = np.float32(-first_zero_point(x)) * scale
    offset = first_zero_point(y)

    def rescaled(q: Array) -> Array:
        with np.errstate(all="ignore"):
            value = round_away(q.astype(np.float32) * scale + bias)
        return clamp(to_int32(value) + offset, 0, 255, q.dtype)

    return rescaled


def shape_of_concatenation(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The sizes along the axis add up."""
    return [lined_up(shapes, options_of(node, ConcatenationOptions).axis)]


def lined_up(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of the whole; raises Refusal if the parts differ in anything but the axis."""
    first = shapes[0] or (1,)
    at = axis_of(axis, len(first))
    for shape in shapes[1:]:
        shape = shape or (1,) * (not shapes[0])
        fits = len(shape) == len(first) and shape[:at] + shape[at + 1 :] == first[:at] + first[at + 1 :]
        require(fits, f"shapes {', '.join(map(str, shapes))} do not fit along axis {axis}")
    return (*first[:at], sum((shape or (1,))[at] for shape in shapes), *first[at + 1 :])


def fold_pack(node: Node, host: Host) -> Evaluate:
    """Inputs of one shape, along a new axis."""
    x, y, options = input_at(node, 0), output_at(node, 0), options_of(node, PackOptions)
    require(options.values_count == len(node.inputs), f"{len(node.inputs)} inputs; values_count is not the same")
    for position in range(len(node.inputs)):
        require_same_type(input_at(node, position), y)
    require_same_type(x, y)

    def evaluate(*arrays: Array) -> tuple[Array, ...]:
        packed([each.shape for each in arrays], options.axis)
        return (np.stack(arrays, options.axis),)

    return evaluate


def shape_of_pack(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """As many as there are inputs, along the new axis."""
    return [packed(shapes, options_of(node, PackOptions).axis)]


def packed(shapes: Sequence[Shape], axis: int) -> Shape:
    """A negative axis counts from the end of what comes out."""
    first = shapes[0]
    require(all(shape == first for shape in shapes), f"shapes {', '.join(map(str, shapes))} differ")
    at = axis_of(axis, len(first) + 1)
    return (*first[:at], len(shapes), *first[at:])


def fold_unpack(node: Node, host: Host) -> Evaluate:
    """The slices along an axis, without it."""
    require(len(node.inputs) == 1, f"{len(node.inputs)} inputs; it takes 1")
    for position in range(len(node.outputs)):
        require_same_type(input_at(node, 0), output_at(node, position))
    axis = options_of(node, UnpackOptions).axis

    def evaluate(x: Array) -> tuple[Array, ...]:
        shape_of_unpack(node, [x.shape])
        slices = np.moveaxis(x, axis, 0)
        return tuple(slices[index, ...] for index in range(len(slices)))

    return evaluate


def shape_of_unpack(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """One output for each slice."""
    (shape,), options = shapes, options_of(node, UnpackOptions)
    at = axis_of(options.axis, len(shape))
    require(
        options.num == shape[at] == len(node.outputs), f"{options.num} slices of {shape} in {len(node.outputs)} outputs"
    )
    require(0 not in shape, f"shape {shape} has no elements")
    return [shape[:at] + shape[at + 1 :]] * options.num


def fold_split(node: Node, host: Host) -> Evaluate:
    """Parts of one size along an axis, which is the first input."""
    require(len(node.inputs) == 2, f"{len(node.inputs)} inputs; it takes 2")
    require_axis(input_at(node, 0))
    require_type(input_at(node, 1), *SPLITTABLE)
    require_outputs(node, options_of(node, SplitOptions).num_splits)

    def evaluate(axis: Array, x: Array) -> tuple[Array, ...]:
        (at,) = numbers(axis)
        sizes = [shape[at] for shape in equal_parts(node, x.shape, at)]
        return cut(x, at, sizes)

    return evaluate


def shape_of_split(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As many equal parts as there are outputs."""
    axis = known(node, 0)
    return None if axis is None else equal_parts(node, shapes[1], axis[0])


def equal_parts(node: Node, shape: Shape, axis: int) -> Sequence[Shape]:
    """The shapes of equal parts."""
    at, parts = axis_of(axis, len(shape)), len(node.outputs)
    require(parts > 0 and shape[at] % parts == 0, f"{shape[at]} cannot be split into {parts} equal parts")
    return [(*shape[:at], shape[at] // parts, *shape[at + 1 :])] * parts


def fold_split_v(node: Node, host: Host) -> Evaluate:
    """Parts of the sizes that the second input says, along the axis that is the third."""
    require(len(node.inputs) == 3, f"{len(node.inputs)} inputs; it takes 3")
    sizes, axis = input_at(node, 1), input_at(node, 2)
    require_axis(axis)
    require_rank(sizes, 1)
    require_type(sizes, TensorType.INT32, TensorType.INT64)
    require(sizes.elements == len(node.outputs), f"{len(node.outputs)} outputs for {sizes.elements} sizes", sizes)
    require_outputs(node, options_of(node, SplitVOptions).num_splits)

    def evaluate(x: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
        (at,) = numbers(axis)
        return cut(x, at, [shape[at] for shape in parts_of(x.shape, numbers(sizes), at)])

    return evaluate


def shape_of_split_v(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """One output for each size."""
    sizes, axis = known(node, 1), known(node, 2)
    return None if sizes is None or axis is None else parts_of(shapes[0], sizes, axis[0])


def parts_of(shape: Shape, sizes: Values, axis: int) -> Sequence[Shape]:
    """The shapes of the parts; one size may be -1, for what is left."""
    at = axis_of(axis, len(shape))
    require(sizes.count(-1) <= 1, f"sizes {sizes} leave more than one open")
    left = shape[at] - sum(size for size in sizes if size != -1)
    whole = [left if size == -1 else size for size in sizes]
    require(min(whole) >= 0 and sum(whole) == shape[at], f"sizes {sizes} do not make up {shape[at]}")
    return [(*shape[:at], size, *shape[at + 1 :]) for size in whole]


def cut(x: Array, axis: int, sizes: Sequence[int]) -> tuple[Array, ...]:
    """The parts of these sizes along an axis, one after the other."""
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


def require_axis(axis: Tensor) -> None:
    """One int32."""
    require_type(axis, TensorType.INT32)
    require_one(axis)


def require_outputs(node: Node, num_splits: int) -> None:
    """As many outputs as the options say."""
    require(len(node.outputs) == num_splits, f"{len(node.outputs)} outputs; num_splits is {num_splits}")


SPLIT_TYPES = UNPACK_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32)
PACK_TYPES = (*UNPACK_TYPES, TensorType.INT64)
CONCATENATION_TYPES = (*PACK_TYPES, TensorType.BOOL)

CONCATENATION = Kernel(
    init=op_data(OP_DATA_CONCATENATION, "concatenation.cc: ConcatenationInit"),
    prepare=prepare_concatenation,
    parameters=CONCATENATION_PARAMS,
    overlap=overlap_concatenation,
)
PACK = Kernel(
    invoke=switch_on_output("Type '{}' is not supported by pack.", *PACK_TYPES),
    parameters=PACK_PARAMS,
    overlap=overlap_pack,
)
UNPACK = Kernel(
    invoke=switch_on_input("Type '{}' is not supported by unpack.", *UNPACK_TYPES),
    parameters=UNPACK_PARAMS,
    overlaps=overlap_unpack,
)
SPLIT = Kernel(prepare=prepare_split, invoke=invoke_split, parameters=SPLIT_PARAMS, overlaps=overlap_split)
SPLIT_V = Kernel(prepare=prepare_split_v, invoke=invoke_split_v, parameters=SPLIT_V_PARAMS, overlaps=overlap_split)

SPLITTABLE = frozenset({*SPLIT_TYPES, TensorType.UINT8, TensorType.INT64})
PACKABLE = frozenset({*PACK_TYPES, TensorType.UINT8, TensorType.UINT32})

COMPUTE_CONCATENATION = Compute(
    fold=fold_concatenation,
    shape=shape_of_concatenation,
    types=frozenset(
        {*CONCATENATION_TYPES, TensorType.FLOAT16, TensorType.UINT8, TensorType.UINT32, TensorType.INT4},
    ),
    version=7,
)
COMPUTE_PACK = Compute(fold=fold_pack, shape=shape_of_pack, types=PACKABLE, version=5)
COMPUTE_PACK_KEEPING_SCALES = keeping_scales(COMPUTE_PACK, symmetric_int16=False)
COMPUTE_UNPACK = Compute(
    fold=fold_unpack,
    shape=shape_of_unpack,
    types=frozenset({*UNPACK_TYPES, TensorType.FLOAT16, TensorType.UINT8, TensorType.BOOL}),
    version=6,
)
COMPUTE_UNPACK_KEEPING_SCALES = keeping_scales(COMPUTE_UNPACK, symmetric_int16=False)
COMPUTE_SPLIT = Compute(fold=fold_split, shape=shape_of_split, types=frozenset({TensorType.INT32}), version=5)
COMPUTE_SPLIT_V = Compute(fold=fold_split_v, shape=shape_of_split_v, types=SPLITTABLE, version=3)
