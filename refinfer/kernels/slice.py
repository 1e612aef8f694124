"""SLICE, STRIDED_SLICE and DYNAMIC_UPDATE_SLICE.

Sources: slice.cc, strided_slice_common.cc, strided_slice.cc, dynamic_update_slice.cc, all in
tensorflow/lite/micro/kernels; strided_slice_logic.h in tensorflow/lite/kernels/internal. Of the arithmetic also the
files of these names in tensorflow/lite/kernels, and internal/reference/strided_slice.h there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.changes import SLICE_OFFSET, since
from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_in_debug,
    require_rank,
    require_same_type,
    require_shape,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, like_input
from refinfer.kernels.kernel import Kernel, Overlap, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT8, INT32, UINT16, Build, Repeated, struct
from refinfer.kernels.movement import SIZED, Values, known, numbers, shape_by_values
from refinfer.kernels.overlap import at_least, in_order, size_of
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import StridedSliceOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_SLICE_DIMENSIONS = 5  # [slice.cc: kMaxDim]
MAX_STRIDED_DIMENSIONS = 4  # [strided_slice_common.cc: kMaxDim]
MAX_INDICES = 31  # of a STRIDED_SLICE: as many as a mask has bits
MAX_UPDATE_DIMENSIONS = 8  # [dynamic_update_slice.cc: kMaxRank]
INDICES = Repeated(INT32, 5)

STRIDED_SLICE_PARAMS = struct(
    "TfLiteStridedSliceParams",
    begin_mask=INT32,
    end_mask=INT32,
    ellipsis_mask=INT32,
    new_axis_mask=INT32,
    shrink_axis_mask=INT32,
    offset=since(SLICE_OFFSET, BOOL),
)
OP_DATA_STRIDED_SLICE = struct(
    "strided_slice:StridedSliceParams",
    start_indices_count=INT8,
    start_indices=INDICES,
    stop_indices_count=INT8,
    stop_indices=INDICES,
    strides_count=INT8,
    strides=INDICES,
    begin_mask=UINT16,
    ellipsis_mask=UINT16,
    end_mask=UINT16,
    new_axis_mask=UINT16,
    shrink_axis_mask=UINT16,
    offset=BOOL,
)


def prepare_slice(node: Node, build: Build) -> Iterator[Request]:
    """[slice.cc: SlicePrepare] asserts rather than reports."""
    require_arity(node, 3, 1)
    x, begin, size, y = input_at(node, 0), input_at(node, 1), input_at(node, 2), output_at(node, 0)
    yield from temps(x, begin, size, y)
    index_types = (begin.type, size.type)
    same_int = index_types in {(TensorType.INT32,) * 2, (TensorType.INT64,) * 2}
    ranks = (len(begin.shape), len(size.shape))
    dims = len(x.shape)
    require_in_debug(build, x.type == y.type, f"type {y.type.name}; the input's is {x.type.name}", y)
    require_in_debug(build, same_int, f"types {begin.type.name} and {size.type.name} of begin and size", begin)
    require_in_debug(build, ranks == (1, 1), f"{ranks} dimensions of begin and size", begin)
    require_in_debug(build, begin.elements == size.elements, f"{size.elements} sizes, {begin.elements} begins", size)
    require_in_debug(build, dims <= MAX_SLICE_DIMENSIONS, f"{dims} dimensions; at most {MAX_SLICE_DIMENSIONS}", x)


def prepare_strided_slice(node: Node, build: Build) -> Iterator[Request]:
    """[strided_slice_common.cc: StridedSlicePrepare]"""
    require_arity(node, 4, 1)
    x, begin, end, strides = (input_at(node, position) for position in range(4))
    y = output_at(node, 0)
    yield from temps(x, begin, end, strides, y)
    require(len(x.shape) <= MAX_STRIDED_DIMENSIONS, "input dim should not exceed 4", x)
    require_constant(begin, "begin")
    require_constant(end, "end")
    require_constant(strides, "strides")
    require_shape(y, strided_sizes(node, x.shape, indices(begin, x), indices(end, x), indices(strides, x)))


def indices(tensor: Tensor, x: Tensor) -> tuple[int, ...]:
    """One index for each dimension of `x`, read as int32 whatever the tensor says it is."""
    require(tensor.elements >= len(x.shape), f"{tensor.elements} indices for {len(x.shape)} dimensions", tensor)
    return integers(tensor, read_as=TensorType.INT32)


def strided_sizes(
    node: Node, shape: tuple[int, ...], begin: tuple[int, ...], end: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[int, ...]:
    """The output's shape; ellipsis, new axes and offset are ignored [strided_slice_common.cc: CheckOutputSize]."""
    options = options_of(node, StridedSliceOptions)
    sizes = []
    for axis, size in enumerate(shape):
        bit = 1 << axis
        stride = strides[axis]
        require(stride != 0, "stride value has to be non-zero")
        first = clamped(None if options.begin_mask & bit else begin[axis], size, stride, at_end=stride < 0)
        last = clamped(None if options.end_mask & bit else end[axis], size, stride, at_end=stride > 0)
        if not options.shrink_axis_mask & bit:
            sizes.append(max(0, -((first - last) // stride)))
    return tuple(sizes)


def clamped(index: int | None, size: int, stride: int, at_end: bool) -> int:
    """Where the slice begins or ends along an axis, None being its far end in that direction.

    [strided_slice_logic.h: StartForAxis, StopForAxis]
    """
    lowest, highest = (0, size) if stride > 0 else (-1, size - 1)
    if size == 0:
        return 0
    if index is None:
        return highest if at_end else lowest
    return min(max(index + size if index < 0 else index, lowest), highest)


def invoke_slice(node: Node) -> None:
    """[slice.cc: SliceEval] A begin that is no int is what only release builds get this far with."""
    x, begin = input_at(node, 0), input_at(node, 1)
    require(
        begin.type in (TensorType.INT32, TensorType.INT64), f"Begin tensor type {begin.type.name} not supported.", begin
    )
    require(x.type in SLICE_TYPES, f"Input tensor type {x.type.name} not supported.", x)


def invoke_strided_slice(node: Node) -> None:
    """[strided_slice.cc: StridedSliceEval] goes by the output's type, and names the input's."""
    y = output_at(node, 0)
    require(y.type in SLICE_TYPES, f"Type {input_at(node, 0).type.name} not supported.", y)


def overlap_slice(node: Node, position: int, build: Build) -> Overlap | None:
    """Value by value, each no earlier than its place in the output [reference/slice.h: Slice]."""
    return at_least(0) if position == 0 and in_order(input_at(node, 0), output_at(node, 0)) else None


def overlap_strided_slice(node: Node, position: int, build: Build) -> Overlap | None:
    """Value by value, but with steps of 1 along the last axis a memcpy for each row [reference/strided_slice.h]."""
    x, y, options = input_at(node, 0), output_at(node, 0), options_of(node, StridedSliceOptions)
    masks = all_masks(node)
    if position != 0 or options.offset or masks.ellipsis or masks.new_axis or y.elements == 0 or not x.shape:
        return None
    begin, end, strides = (indices(input_at(node, each), x) for each in (1, 2, 3))
    spans = planned(x.shape, begin, end, strides, masks, offset=False)
    if min(span.step for span in spans) < 0:
        return None
    if spans[-1].step != 1:
        return at_least(0)
    first = place_of(x.shape, [span.first for span in spans])
    last = place_of(x.shape, [span.first + span.step * (length_of(span) - 1) for span in spans])
    if first == 0 and last == y.elements - 1:
        return Overlap(0, exactly=True)
    return at_least(size_of(y) * (length_of(spans[-1]) - first))


def place_of(shape: Shape, index: Sequence[int]) -> int:
    """How many values lie ahead of the one at an index."""
    place = 0
    for size, each in zip(shape, index, strict=True):
        place = place * size + each
    return place


def prepare_dynamic_update_slice(node: Node, build: Build) -> Iterator[Request]:
    """[dynamic_update_slice.cc: Prepare]"""
    require_arity(node, 3, 1)
    operand, update, start, y = input_at(node, 0), input_at(node, 1), input_at(node, 2), output_at(node, 0)
    yield from temps(operand, update, start, y)
    require_same_type(operand, update)
    require_type(start, TensorType.INT32, TensorType.INT64)
    require_shape(start, (len(operand.shape),))
    require_rank(update, len(operand.shape))
    require(
        all(part <= whole for part, whole in zip(update.shape, operand.shape, strict=True)),
        f"shape {update.shape} is larger than the operand's {operand.shape}",
        update,
    )


def fold_slice(node: Node, host: Host) -> Evaluate:
    """`size` values from `begin` on, along each axis."""
    require_arity(node, 3, 1)
    begin, size = input_at(node, 1), input_at(node, 2)
    require_same_type(input_at(node, 0), output_at(node, 0))
    for tensor in (begin, size):
        require_type(tensor, TensorType.INT32, TensorType.INT64)
        require_rank(tensor, 1)
    require_same_type(begin, size)

    def evaluate(x: Array, begin: Array, size: Array) -> tuple[Array, ...]:
        first = numbers(begin)
        sizes = sliced(x.shape, first, numbers(size))
        return (x[tuple(slice(at, at + length) for at, length in zip(first, sizes, strict=True))],)

    return evaluate


def sliced(shape: Shape, begin: Values, size: Values) -> Shape:
    """A size of -1 is for all that is left."""
    require(len(begin) == len(size) == len(shape), f"{len(begin)} and {len(size)} indices for {len(shape)} dimensions")
    whole = tuple(full - at if n == -1 else n for full, at, n in zip(shape, begin, size, strict=True))
    fits = all(at >= 0 and n >= 0 and at + n <= full for full, at, n in zip(shape, begin, whole, strict=True))
    require(fits, f"{size} from {begin} on is not within {shape}")
    return whole


class Masks(NamedTuple):
    """The masks of a STRIDED_SLICE: a bit for each index."""

    begin: int
    end: int
    ellipsis: int = 0
    new_axis: int = 0
    shrink_axis: int = 0


class Span(NamedTuple):
    """What is taken along an axis: from first to last (exclusive) in steps; or one value, and then no axis is left."""

    size: int
    first: int
    last: int
    step: int = 1
    shrinks: bool = False


def fold_strided_slice(node: Node, host: Host) -> Evaluate:
    """begin:end:stride along each axis, as in Python, with masks for what is left out."""
    require_indices(node)
    return striding(all_masks(node), options_of(node, StridedSliceOptions).offset)


def fold_strided_slice_by_axis(node: Node, host: Host) -> Evaluate:
    """The same without ellipses, new axes and offsets, which are ignored: every index is for the axis of its number."""
    require_indices(node)
    return striding(all_masks(node)._replace(ellipsis=0, new_axis=0), offset=False)


def all_masks(node: Node) -> Masks:
    """What the options say."""
    found = options_of(node, StridedSliceOptions)
    return Masks(
        begin=found.begin_mask,
        end=found.end_mask,
        ellipsis=found.ellipsis_mask,
        new_axis=found.new_axis_mask,
        shrink_axis=found.shrink_axis_mask,
    )


def require_indices(node: Node) -> None:
    """Three lists of int32."""
    require_arity(node, 4, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    for position in (1, 2, 3):
        indices = input_at(node, position)
        require_type(indices, TensorType.INT32)
        require_rank(indices, 1)
        require(indices.elements <= MAX_INDICES, f"{indices.elements} indices; up to {MAX_INDICES}", indices)


def striding(masks: Masks, offset: bool) -> Evaluate:
    """numpy's slices do the same, once new axes are in place and all ends lie within the axes."""

    def evaluate(x: Array, begin: Array, end: Array, strides: Array) -> tuple[Array, ...]:
        spans = planned(x.shape, numbers(begin), numbers(end), numbers(strides), masks, offset)
        whole = x.reshape([span.size for span in spans])
        return (whole[(*map(index_of, spans), ...)],)

    return evaluate


def index_of(span: Span) -> int | slice:
    """In numpy's words, which count a -1 from the end; here it is before the beginning."""
    if span.shrinks:
        return span.first
    if length_of(span) == 0:
        return slice(0, 0)
    return slice(span.first, None if span.last < 0 else span.last, span.step)


def length_of(span: Span) -> int:
    """How many values are taken."""
    return max(0, -((span.first - span.last) // span.step))


def shape_of_strided_slice(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """How many values each span has."""
    begin, end, strides = (known(node, position) for position in (1, 2, 3))
    if begin is None or end is None or strides is None:
        return None
    return [
        taken(planned(shapes[0], begin, end, strides, all_masks(node), options_of(node, StridedSliceOptions).offset))
    ]


def shape_by_axis(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The same without ellipses, new axes and offsets."""
    begin, end, strides = (known(node, position) for position in (1, 2, 3))
    if begin is None or end is None or strides is None:
        return None
    masks = all_masks(node)._replace(ellipsis=0, new_axis=0)
    return [taken(planned(shapes[0], begin, end, strides, masks, offset=False))]


def taken(spans: Sequence[Span]) -> Shape:
    """The sizes of all spans that do not shrink."""
    return tuple(length_of(span) for span in spans if not span.shrinks)


def planned(shape: Shape, begin: Values, end: Values, strides: Values, masks: Masks, offset: bool) -> list[Span]:
    """A span for each axis, new ones among them. The ellipsis stands for as many axes as no index is left for.

    Where there is one, it stands for one axis at least, even if that leaves the last index unused.
    Source: strided_slice.cc: BuildStridedSliceParams.
    """
    count = len(begin)
    require(count == len(end) == len(strides), f"{count}, {len(end)} and {len(strides)} indices")
    rank = len(shape) + sum(bit(masks.new_axis & ~masks.ellipsis, index) for index in range(count))
    ellipses = [index for index in range(rank) if bit(masks.ellipsis, index)] or [rank]
    require(len(ellipses) == 1, "more than one ellipsis")
    (ellipsis,) = ellipses
    stretch = max(0, min(rank - count, rank - 1 - ellipsis))
    spans, axes = [], list(shape)
    for place in range(rank):
        index = place - stretch if place > ellipsis else place
        in_ellipsis = ellipsis <= place <= ellipsis + stretch
        if not in_ellipsis and bit(masks.new_axis, index):
            spans.append(Span(1, 0, 1))
            continue
        require(len(axes) > 0, f"{count} indices for {len(shape)} dimensions")
        size = axes.pop(0)
        if in_ellipsis or index >= count:
            spans.append(Span(size, 0, size))
        else:
            spans.append(span_of(index, size, begin[index], end[index], strides[index], masks, offset))
    return spans


def span_of(index: int, size: int, begin: int, end: int, step: int, masks: Masks, offset: bool) -> Span:
    """What an index takes of its axis; an end with `offset` counts from the beginning.

    One that shrinks must hit a value: the runtimes leave the output as it was if it does not.
    """
    require(step != 0, "stride value has to be non-zero")
    first = clamped(None if bit(masks.begin, index) else begin, size, step, at_end=step < 0)
    if bit(masks.shrink_axis, index):
        require(
            step > 0 and 0 <= first < size, f"index {begin} in steps of {step} hits nothing along an axis of {size}"
        )
        return Span(size, first, first + 1, step, shrinks=True)
    last = clamped(None if bit(masks.end, index) else end + first * offset, size, step, at_end=step > 0)
    return Span(size, first, last, step)


def bit(mask: int, index: int) -> bool:
    """Whether a bit of the mask is set."""
    return bool(mask >> index & 1)


def fold_dynamic_update_slice(node: Node, host: Host) -> Evaluate:
    """The first input, in which the second replaces what is there from `start` on."""
    require_arity(node, 3, 1)
    operand, start = input_at(node, 0), input_at(node, 2)
    require_same_type(operand, input_at(node, 1))
    require_type(start, TensorType.INT32, TensorType.INT64)
    require_rank(start, 1)
    return evaluate_dynamic_update_slice


def evaluate_dynamic_update_slice(x: Array, update: Array, start: Array) -> tuple[Array, ...]:
    """A start that leaves no room for the update is moved until there is."""
    require_updatable(x.shape, update.shape, start.size)
    begin = [min(max(at, 0), full - part) for at, full, part in zip(numbers(start), x.shape, update.shape, strict=True)]
    y = x.copy()
    y[tuple(slice(at, at + part) for at, part in zip(begin, update.shape, strict=True))] = update
    return (y,)


def shape_of_dynamic_update_slice(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """That of the first input."""
    require_updatable(shapes[0], shapes[1], shapes[2][0])
    return like_input(node, shapes)


def require_updatable(shape: Shape, update: Shape, starts: int) -> None:
    """The update must not be larger than what it updates."""
    fits = len(update) == len(shape) == starts <= MAX_UPDATE_DIMENSIONS
    fits = fits and all(part <= full for part, full in zip(update, shape, strict=True))
    require(fits, f"an update of {update} at {starts} indices does not fit into {shape}")


SLICE_TYPES = (TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16, TensorType.BOOL)

SLICE = Kernel(prepare=prepare_slice, invoke=invoke_slice, overlap=overlap_slice)
STRIDED_SLICE = Kernel(
    init=op_data(OP_DATA_STRIDED_SLICE, "strided_slice_common.cc: StridedSliceInit"),
    prepare=prepare_strided_slice,
    invoke=invoke_strided_slice,
    parameters=STRIDED_SLICE_PARAMS,
    overlap=overlap_strided_slice,
)
DYNAMIC_UPDATE_SLICE = Kernel(
    prepare=prepare_dynamic_update_slice,
    invoke=switch_on_input(
        "DYNAMIC_UPDATE_SLICE: Operand type {} not supported.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
    ),
)

COMPUTE_SLICE = Compute(
    fold=fold_slice, shape=shape_by_values(sliced, 1, 2), types=SIZED | {TensorType.INT4}, version=8
)
COMPUTE_STRIDED_SLICE = Compute(fold=fold_strided_slice, shape=shape_of_strided_slice, types=SIZED, version=4)
COMPUTE_STRIDED_SLICE_BY_AXIS = Compute(fold=fold_strided_slice_by_axis, shape=shape_by_axis, types=SIZED, version=4)
COMPUTE_DYNAMIC_UPDATE_SLICE = Compute(
    fold=fold_dynamic_update_slice,
    shape=shape_of_dynamic_update_slice,
    types=SIZED | {TensorType.INT4},
    version=6,
)
