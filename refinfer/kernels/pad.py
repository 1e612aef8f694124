"""PAD, PADV2 and MIRROR_PAD.

Sources: pad_common.cc, pad.cc, pad.h, mirror_pad.cc, all in tensorflow/lite/micro/kernels; of the arithmetic also
pad.cc and mirror_pad.cc in tensorflow/lite/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    integers,
    is_affine,
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
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Overlap, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT8, INT32, UINT8, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED, Values, keeping_scales, known, numbers, require_alike, require_one
from refinfer.kernels.overlap import at_least, size_of
from refinfer.schema.enums import MirrorPadMode, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import MirrorPadOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_DIMENSIONS = 5  # [reference/pad.h: PadKernelMaxDimensionCount]

OP_DATA_PAD = struct(
    "pad:OpData",
    params=struct(
        "PadParams",
        left_padding_count=INT8,
        left_padding=Repeated(INT32, MAX_DIMENSIONS),
        right_padding_count=INT8,
        right_padding=Repeated(INT32, MAX_DIMENSIONS),
        resizing_category=UINT8,  # an enum class that states its width
    ),
    output_zero_point=INT32,
)
MIRROR_PAD_PARAMS = struct("TfLiteMirrorPaddingParams", mode=ENUM)
OP_DATA_MIRROR_PAD = struct(
    "mirror_pad:OpDataMirrorPad",
    input_dims=INT32,
    output_size=INT32,
    offset=INT32,
    output_dims_num_elements_buffer_index=INT32,
    input_dims_num_elements_buffer_index=INT32,
)


def prepare_pad(node: Node, build: Build) -> Iterator[Request]:
    """[pad_common.cc: PadPrepare] PAD and PADV2 are one kernel: a third input is the value to pad with."""
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, paddings, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    value = node.inputs[2] if len(node.inputs) == 3 else None
    yield from temps(x, paddings, value, y)
    require_same_type(x, y)
    require(len(x.shape) <= MAX_DIMENSIONS, f"{len(x.shape)} dimensions; it takes at most {MAX_DIMENSIONS}", x)
    if value is not None:
        require_same_type(x, value)
        require(value.elements == 1, f"{value.elements} elements; it takes 1", value)
    require_padded(x, paddings, y)
    if x.type == TensorType.INT8:
        require_value(value, y)


def require_padded(x: Tensor, paddings: Tensor, y: Tensor) -> None:
    """The output's shape is the input's with (before, after) added along each axis."""
    rank = len(y.shape)
    require(paddings.elements == 2 * rank, f"{paddings.elements} paddings for {rank} dimensions", paddings)
    require_constant(paddings, "paddings")
    require(len(x.shape) == rank, f"{rank} dimensions; the input has {len(x.shape)}", y)
    amounts = integers(paddings, read_as=TensorType.INT32)
    expected = tuple(
        size + before + after for size, before, after in zip(x.shape, amounts[::2], amounts[1::2], strict=True)
    )
    require_shape(y, expected)


def require_value(value: Tensor | None, y: Tensor) -> None:
    """What int8 is padded with: the output's zero point, or a value on the output's scale."""
    zero_point = first_zero_point(y)
    if value is None:
        require(-128 <= zero_point <= 127, f"zero point {zero_point} is no int8", y)
        return
    found, expected = (first_scale(value), first_zero_point(value)), (first_scale(y), zero_point)
    require(found == expected, f"scale and zero point {found} differ from the output's {expected}", value)


def prepare_mirror_pad(node: Node, build: Build) -> Iterator[Request]:
    """[mirror_pad.cc: MirrorPadPrepare]"""
    x, paddings, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, paddings, y)
    rank = len(x.shape)
    require_rank(paddings, 2)
    require(paddings.shape[0] == rank, f"{paddings.shape[0]} paddings for {rank} dimensions", paddings)
    yield Scratch("output_dims_num_elements_buffer_index", 4 * rank, "mirror_pad.cc: MirrorPadPrepare")
    yield Scratch("input_dims_num_elements_buffer_index", 4 * rank, "mirror_pad.cc: MirrorPadPrepare")


def overlap_pad(node: Node, position: int, build: Build) -> Overlap | None:
    """Value by value, and padding on the way: the last value has most of it ahead [reference/pad.h: PadImpl]."""
    x, y, amounts = input_at(node, 0), output_at(node, 0), integers(input_at(node, 1), read_as=TensorType.INT32)
    if position != 0 or x.elements == 0 or min(amounts, default=0) < 0:
        return None
    last = 0
    for whole, before, size in zip(y.shape, amounts[::2], x.shape, strict=True):
        last = last * whole + before + size - 1
    return at_least(size_of(y) * (last - (x.elements - 1)))


def fold_pad(with_zero_point: frozenset[TensorType], node: Node, host: Host) -> Evaluate:
    """A border around the input, of the value that is the third input, or of zeros.

    `with_zero_point` are the types in which zero is the output's zero point, if the input is quantized.
    """
    x, paddings, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    value = optional_input(node, 2)
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require_same_type(x, y)
    require_rank(paddings, 2)
    require_type(paddings, *PADDING_TYPES)
    quantized = x.type in with_zero_point and (is_affine(x) or x.type == TensorType.UINT8)
    if value is not None:
        require_same_type(x, value)
        require_one(value)
        if quantized:
            require_alike(y, value)
    zero = first_zero_point(y) if quantized else 0
    limits = dtype_of(x.type)
    if quantized:
        require(np.iinfo(limits).min <= zero <= np.iinfo(limits).max, f"zero point {zero} is no {x.type.name}", y)

    def evaluate(x: Array, paddings: Array, value: Array | None = None) -> tuple[Array, ...]:
        shape, inside = places(x.shape, numbers(paddings))
        y = np.empty(shape, x.dtype)
        y[...] = zero if value is None else value.reshape(())
        y[inside] = x
        return (y,)

    return evaluate


def shape_of_pad(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """Larger by what comes before and after, along each axis."""
    paddings = known(node, 1)
    return None if paddings is None else [padded(shapes[0], paddings)]


def padded(shape: Shape, paddings: Values) -> Shape:
    """The size of what is padded; the paddings are pairs."""
    require(len(shape) <= MAX_DIMENSIONS, f"{len(shape)} dimensions; up to {MAX_DIMENSIONS}")
    require(len(paddings) == 2 * len(shape), f"{len(paddings)} paddings for {len(shape)} dimensions")
    require(min(paddings, default=0) >= 0, f"negative paddings {paddings}")
    return tuple(size + a + b for size, a, b in zip(shape, paddings[::2], paddings[1::2], strict=True))


@lru_cache(maxsize=1024)
def places(shape: Shape, paddings: Values) -> tuple[Shape, tuple[slice, ...]]:
    """That size, and where in it the input is."""
    size = padded(shape, paddings)
    return size, tuple(slice(at, at + length) for at, length in zip(paddings[::2], shape, strict=True))


def fold_mirror_pad(node: Node, host: Host) -> Evaluate:
    """A border that is the mirror image of what it surrounds."""
    require_arity(node, 2, 1)
    paddings = input_at(node, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(paddings, TensorType.INT32, TensorType.INT64)
    require_rank(paddings, 2)
    edge = edge_of(node)

    def evaluate(x: Array, paddings: Array) -> tuple[Array, ...]:
        border = numbers(paddings)
        mirrored(x.shape, border, edge)
        for axis, (before, after) in enumerate(zip(border[::2], border[1::2], strict=True)):
            x = np.take(x, reflection(x.shape[axis], before, after, edge), axis)
        return (x,)

    return evaluate


def edge_of(node: Node) -> int:
    """1 if the edge itself is not repeated, 0 if it is."""
    return int(options_of(node, MirrorPadOptions).mode == MirrorPadMode.REFLECT)


def reflection(size: int, before: int, after: int, edge: int) -> Array:
    """Where the values along an axis come from: |place| from the first, and the same from the last."""
    places = np.arange(-before, size + after)
    left = np.where(places < 0, edge - 1 - places, places)
    return np.where(places >= size, 2 * size - 1 - edge - places, left)


def shape_of_mirror_pad(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """Larger by what comes before and after, along each axis."""
    paddings = known(node, 1)
    return None if paddings is None else [mirrored(shapes[0], paddings, edge_of(node))]


def mirrored(shape: Shape, paddings: Values, edge: int) -> Shape:
    """No border may be larger than what it mirrors."""
    require(len(paddings) == 2 * len(shape), f"{len(paddings)} paddings for {len(shape)} dimensions")
    pairs = zip(shape, paddings[::2], paddings[1::2], strict=True)
    require(
        all(0 <= a <= size - edge and 0 <= b <= size - edge for size, a, b in pairs),
        f"paddings {paddings} are not within {shape}, less {edge}",
    )
    return tuple(size + a + b for size, a, b in zip(shape, paddings[::2], paddings[1::2], strict=True))


PAD = PADV2 = Kernel(
    init=op_data(OP_DATA_PAD, "pad_common.cc: PadInit"),
    prepare=prepare_pad,
    invoke=switch_on_input(
        "Type {} not currently supported by Pad.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
    ),
    overlap=overlap_pad,
)
MIRROR_PAD = Kernel(
    init=op_data(OP_DATA_MIRROR_PAD, "mirror_pad.cc: MirrorPadInit"),
    prepare=prepare_mirror_pad,
    invoke=switch_on_output("type {} is not supported", TensorType.FLOAT32, TensorType.INT8),
    parameters=MIRROR_PAD_PARAMS,
)

PADDING_TYPES = (TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64, TensorType.BOOL)
PADDED_TYPES = frozenset(
    {
        TensorType.FLOAT32,
        TensorType.FLOAT16,
        TensorType.UINT8,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
        TensorType.BOOL,
    }
)
BYTES = frozenset({TensorType.UINT8, TensorType.INT8})

COMPUTE_PAD = Compute(
    fold=partial(fold_pad, BYTES | {TensorType.INT16}), shape=shape_of_pad, types=PADDED_TYPES, version=6
)
COMPUTE_PAD_INT16_WITH_ZEROS = Compute(fold=partial(fold_pad, BYTES), shape=shape_of_pad, types=PADDED_TYPES, version=6)
COMPUTE_MIRROR_PAD = Compute(fold=fold_mirror_pad, shape=shape_of_mirror_pad, types=SIZED, version=3)
COMPUTE_MIRROR_PAD_KEEPING_SCALES = keeping_scales(COMPUTE_MIRROR_PAD)
