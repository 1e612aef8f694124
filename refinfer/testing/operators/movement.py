"""Operators that move values without changing them, reduce them, or look them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator, MirrorPadMode, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import (
    ArgMaxOptions,
    ArgMinOptions,
    ConcatenationOptions,
    CumsumOptions,
    DepthToSpaceOptions,
    GatherOptions,
    MirrorPadOptions,
    OneHotOptions,
    PackOptions,
    ReducerOptions,
    ReshapeOptions,
    ResizeBilinearOptions,
    ResizeNearestNeighborOptions,
    ShapeOptions,
    SpaceToDepthOptions,
    SplitOptions,
    SplitVOptions,
    SqueezeOptions,
    StridedSliceOptions,
    UniqueOptions,
    UnpackOptions,
)
from refinfer.testing.choices import ACTIVATIONS, Choose, same, scale_of
from refinfer.testing.models import NodeSpec, TensorSpec
from refinfer.testing.strategies import arrays, constants, integers_as, tensors

if TYPE_CHECKING:
    from refinfer.kernels.compute import Shape

    Make = Callable[[Choose, TensorType], NodeSpec]

FLOAT32, BOOL, INT8, INT16 = TensorType.FLOAT32, TensorType.BOOL, TensorType.INT8, TensorType.INT16
INT32, INT64 = TensorType.INT32, TensorType.INT64


def axis_of(choose: Choose, rank: int) -> int:
    """One axis, counted from either end."""
    return choose.integer("axis", -rank, rank - 1)


def lengths_between(most: Shape) -> st.SearchStrategy[list[int]]:
    """For each axis a length of at least 1."""
    return st.tuples(*(st.integers(1, length) for length in most)).map(list)


# reductions


def reduction(op: BuiltinOperator, rescaled: bool = False) -> Make:
    """A reduction over some axes; where it is rescaled the output has a scale of its own."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes(1, 4))
        rank = len(x.shape)
        axes = choose("axes", st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
        axes = [axis - rank if choose.draw(st.booleans()) else axis for axis in axes]
        y = choose.result(type, scale_of(x), prod(x.shape)) if rescaled else same(x)
        options = ReducerOptions(keep_dims=choose.flag("keep_dims"))
        return NodeSpec(op, [x, integers_as(INT32, axes)], [y], options)

    return make


def index_of(op: BuiltinOperator, options: type[ArgMaxOptions] | type[ArgMinOptions]) -> Make:
    """ARG_MAX and ARG_MIN."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes(1, 4))
        axis = integers_as(INT32, axis_of(choose, len(x.shape)))
        return NodeSpec(op, [x, axis], [TensorSpec(INT32, ())], options(output_type=INT32))

    return make


def cumsum(choose: Choose, type: TensorType) -> NodeSpec:
    """CUMSUM."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    axis = integers_as(INT32, axis_of(choose, len(x.shape)))
    options = CumsumOptions(exclusive=choose.flag("exclusive"), reverse=choose.flag("reverse"))
    y = choose.result(type, scale_of(x), max(x.shape))
    return NodeSpec(BuiltinOperator.CUMSUM, [x, axis], [y], options)


# shapes


def reshape(choose: Choose, type: TensorType) -> NodeSpec:
    """RESHAPE: the new shape is a constant input, an option, or both; one of its lengths may be left open."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    new = list(choose.draw(st.permutations(x.shape)))
    if len(new) > 1 and choose.draw(st.booleans()):
        new[:2] = [new[0] * new[1]]
    if choose.draw(st.booleans()):
        new.insert(choose.draw(st.integers(0, len(new))), 1)
    if choose.flag("open"):
        new[choose.draw(st.integers(0, len(new) - 1))] = -1
    return NodeSpec(BuiltinOperator.RESHAPE, [x, integers_as(INT32, new)], [same(x)], ReshapeOptions(new_shape=new))


def squeeze(choose: Choose, type: TensorType) -> NodeSpec:
    """SQUEEZE: all axes of length 1, or some of them."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=2))
    ones = [axis for axis, length in enumerate(x.shape) if length == 1]
    some = choose("squeeze_dims", st.lists(st.sampled_from(ones), unique=True) if ones else st.just([]))
    return NodeSpec(BuiltinOperator.SQUEEZE, [x], [same(x)], SqueezeOptions(squeeze_dims=tuple(some)))


def expand_dims(choose: Choose, type: TensorType) -> NodeSpec:
    """EXPAND_DIMS."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    axis = integers_as(INT32, choose.integer("axis", -len(x.shape) - 1, len(x.shape)))
    return NodeSpec(BuiltinOperator.EXPAND_DIMS, [x, axis], [same(x)])


def transpose(choose: Choose, type: TensorType) -> NodeSpec:
    """TRANSPOSE."""
    x = choose.tensor("input", type, choose.shapes(1, 5))
    order = choose("order", st.permutations(range(len(x.shape))))
    return NodeSpec(BuiltinOperator.TRANSPOSE, [x, integers_as(INT32, list(order))], [same(x)])


def shape_of(choose: Choose, type: TensorType) -> NodeSpec:
    """SHAPE."""
    x = choose.tensor("input", type, choose.shapes(1, 5))
    return NodeSpec(BuiltinOperator.SHAPE, [x], [TensorSpec(INT32, ())], ShapeOptions(out_type=INT32))


def rank_of(choose: Choose, type: TensorType) -> NodeSpec:
    """RANK."""
    x = choose.tensor("input", type, choose.shapes(1, 5))
    return NodeSpec(BuiltinOperator.RANK, [x], [TensorSpec(INT32, ())])


def fill(choose: Choose, type: TensorType) -> NodeSpec:
    """FILL; `type` is that of the shape."""
    of = choose("filled_type", st.sampled_from([FLOAT32, INT8, INT32]))
    shape = integers_as(type, list(choose("shape", choose.shapes(1, 4))))
    value = choose.tensor("value", of, ())
    return NodeSpec(BuiltinOperator.FILL, [shape, value], [same(value)])


def broadcast_to(choose: Choose, type: TensorType) -> NodeSpec:
    """BROADCAST_TO."""
    target = choose("shape", choose.shapes(1, 4))
    own = [1 if choose.draw(st.booleans()) else length for length in target]
    x = choose.tensor("input", type, tuple(own[choose.draw(st.integers(0, len(own) - 1)) :]))
    return NodeSpec(BuiltinOperator.BROADCAST_TO, [x, integers_as(INT32, list(target))], [same(x)], version=2)


def broadcast_args(choose: Choose, type: TensorType) -> NodeSpec:
    """BROADCAST_ARGS: the shape to which two are stretched."""
    shape = choose("shape", choose.shapes(1, 4))
    first, second = ([1 if choose.draw(st.booleans()) else length for length in shape] for _ in range(2))
    return NodeSpec(
        BuiltinOperator.BROADCAST_ARGS,
        [integers_as(type, first), integers_as(type, second)],
        [TensorSpec(type, (len(shape),))],
    )


# joining and splitting


def concatenation(choose: Choose, type: TensorType) -> NodeSpec:
    """CONCATENATION: of what is quantized alike, but for uint8."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=4))
    axis = axis_of(choose, len(x.shape))
    others = [
        replace(x, shape=(*x.shape[: axis % len(x.shape)], length, *x.shape[axis % len(x.shape) + 1 :]))
        for length in choose("lengths", st.lists(choose.lengths(3), max_size=3))
    ]
    options = ConcatenationOptions(axis=axis, fused_activation_function=ACTIVATIONS[0])
    return NodeSpec(BuiltinOperator.CONCATENATION, [x, *others], [same(x)], options)


def pack(choose: Choose, type: TensorType) -> NodeSpec:
    """PACK."""
    x = choose.tensor("input", type, choose.shapes(1, 3))
    inputs = [x, *(replace(x) for _ in range(choose.integer("others", 0, 3)))]
    axis = choose.integer("axis", -len(x.shape) - 1, len(x.shape))
    return NodeSpec(BuiltinOperator.PACK, inputs, [same(x)], PackOptions(values_count=len(inputs), axis=axis))


def unpack(choose: Choose, type: TensorType) -> NodeSpec:
    """UNPACK."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=4))
    axis = axis_of(choose, len(x.shape))
    number = x.shape[axis]
    outputs = [same(x) for _ in range(number)]
    return NodeSpec(BuiltinOperator.UNPACK, [x], outputs, UnpackOptions(num=number, axis=axis))


def split(choose: Choose, type: TensorType) -> NodeSpec:
    """SPLIT into equal parts; the first input is the axis, and `type` that of the second."""
    number = choose.integer("num_splits", 1, 4)
    x = choose.tensor("input", type, choose.shapes(1, 4, most=3))
    axis = axis_of(choose, len(x.shape))
    stretched = list(x.shape)
    stretched[axis] *= number
    x = replace(x, shape=tuple(stretched))
    outputs = [same(x) for _ in range(number)]
    return NodeSpec(BuiltinOperator.SPLIT, [integers_as(INT32, [axis]), x], outputs, SplitOptions(num_splits=number))


def split_v(choose: Choose, type: TensorType) -> NodeSpec:
    """SPLIT_V into parts of given lengths."""
    sizes = choose("sizes", st.lists(choose.lengths(3), min_size=1, max_size=4))
    x = choose.tensor("input", type, choose.shapes(1, 4, most=3))
    axis = axis_of(choose, len(x.shape))
    stretched = list(x.shape)
    stretched[axis] = sum(sizes)
    x = replace(x, shape=tuple(stretched))
    inputs = [x, integers_as(INT32, sizes), integers_as(INT32, [axis])]
    return NodeSpec(BuiltinOperator.SPLIT_V, inputs, [same(x) for _ in sizes], SplitVOptions(num_splits=len(sizes)))


# parts and borders


def slice_of(choose: Choose, type: TensorType) -> NodeSpec:
    """SLICE; a size of -1 is what is left."""
    x = choose.tensor("input", type, choose.shapes(1, 5))
    begin = choose("begin", st.tuples(*(st.integers(0, length - 1) for length in x.shape)))
    left = tuple(length - first for length, first in zip(x.shape, begin, strict=True))
    size = [-1 if choose.draw(st.booleans()) else length for length in choose("size", lengths_between(left))]
    return NodeSpec(BuiltinOperator.SLICE, [x, integers_as(INT32, list(begin)), integers_as(INT32, size)], [same(x)])


def strided_slice(choose: Choose, type: TensorType) -> NodeSpec:
    """STRIDED_SLICE, forwards and backwards, with every mask but new axes."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    rank = len(x.shape)
    masks = {name: choose.integer(name, 0, 2**rank - 1) for name in ("begin_mask", "end_mask")}
    shrink = choose("shrink_axis_mask", st.just(0) | st.integers(0, 2**rank - 1))
    strides = [choose.draw(st.sampled_from([1, 1, 2, -1, -2])) for _ in range(rank)]
    strides = [1 if shrink >> axis & 1 else stride for axis, stride in enumerate(strides)]
    begin = [choose.draw(st.integers(0, length - 1)) for length in x.shape]
    end = [_end(choose, *each) for each in zip(begin, x.shape, strides, strict=True)]
    settings = [integers_as(INT32, each) for each in (begin, end, strides)]
    options = StridedSliceOptions(**masks, shrink_axis_mask=shrink)
    return NodeSpec(BuiltinOperator.STRIDED_SLICE, [x, *settings], [same(x)], options)


def _end(choose: Choose, begin: int, length: int, stride: int) -> int:
    if stride > 0:
        return choose.draw(st.integers(begin + 1, length))
    return choose.draw(st.integers(-length - 1, begin - 1 - length) if begin else st.just(-length - 1))


def pad(op: BuiltinOperator) -> Make:
    """PAD and PADV2: the latter with a constant of its own."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes(1, 4, most=4))
        borders = [choose.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape]
        inputs = [x, integers_as(INT32, [list(each) for each in borders])]
        if op == BuiltinOperator.PADV2:
            inputs.append(replace(x, shape=(1,), data=choose.draw(arrays(type, (1,)))))
        return NodeSpec(op, inputs, [same(x)])

    return make


def mirror_pad(choose: Choose, type: TensorType) -> NodeSpec:
    """MIRROR_PAD; a border is at most as wide as what it mirrors."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=4))
    mode = choose("mode", st.sampled_from(MirrorPadMode))
    most = [min(2, length - (mode == MirrorPadMode.REFLECT)) for length in x.shape]
    borders = [[choose.draw(st.integers(0, each)) for _ in range(2)] for each in most]
    return NodeSpec(
        BuiltinOperator.MIRROR_PAD,
        [x, integers_as(INT32, borders)],
        [same(x)],
        MirrorPadOptions(mode=mode),
    )


def dynamic_update_slice(choose: Choose, type: TensorType) -> NodeSpec:
    """DYNAMIC_UPDATE_SLICE; a start that lies outside is moved."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    update = replace(x, shape=tuple(choose("update_shape", lengths_between(x.shape))))
    start = [choose.draw(st.integers(-1, length)) for length in x.shape]
    return NodeSpec(BuiltinOperator.DYNAMIC_UPDATE_SLICE, [x, update, integers_as(INT32, start)], [same(x)])


def reverse(choose: Choose, type: TensorType) -> NodeSpec:
    """REVERSE_V2 along axes that lie side by side."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    first = choose.integer("axis", 0, len(x.shape) - 1)
    last = choose.integer("last_axis", first, len(x.shape) - 1)
    return NodeSpec(BuiltinOperator.REVERSE_V2, [x, integers_as(INT32, list(range(first, last + 1)))], [same(x)])


def tile(choose: Choose, type: TensorType) -> NodeSpec:
    """TILE."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=3))
    times = [choose.draw(st.integers(1, 3)) for _ in x.shape]
    return NodeSpec(BuiltinOperator.TILE, [x, integers_as(INT32, times)], [same(x)])


# space


def space_to_depth(choose: Choose, type: TensorType) -> NodeSpec:
    """SPACE_TO_DEPTH."""
    block = choose.integer("block_size", 1, 3)
    shape = choose.draw(choose.shapes(4, 4, most=3))
    x = choose.tensor("input", type, (shape[0], shape[1] * block, shape[2] * block, shape[3]))
    return NodeSpec(BuiltinOperator.SPACE_TO_DEPTH, [x], [same(x)], SpaceToDepthOptions(block_size=block))


def depth_to_space(choose: Choose, type: TensorType) -> NodeSpec:
    """DEPTH_TO_SPACE."""
    block = choose.integer("block_size", 1, 3)
    shape = choose.draw(choose.shapes(4, 4, most=3))
    x = choose.tensor("input", type, (*shape[:3], shape[3] * block * block))
    return NodeSpec(BuiltinOperator.DEPTH_TO_SPACE, [x], [same(x)], DepthToSpaceOptions(block_size=block))


def space_to_batch(choose: Choose, type: TensorType) -> NodeSpec:
    """SPACE_TO_BATCH_ND of two dimensions, padded to whole blocks."""
    blocks = [choose.integer(f"block_{name}", 1, 3) for name in "hw"]
    shape = choose.draw(choose.shapes(4, 4, most=4))
    x = choose.tensor("input", type, shape)
    borders = []
    for block, length in zip(blocks, shape[1:3], strict=True):
        before = choose.draw(st.integers(0, 2))
        borders.append([before, -(length + before) % block])
    inputs = [x, integers_as(INT32, blocks), integers_as(INT32, borders)]
    return NodeSpec(BuiltinOperator.SPACE_TO_BATCH_ND, inputs, [same(x)])


def batch_to_space(choose: Choose, type: TensorType) -> NodeSpec:
    """BATCH_TO_SPACE_ND of two dimensions, cropped by less than there is."""
    blocks = [choose.integer(f"block_{name}", 1, 3) for name in "hw"]
    batches, height, width, depth = choose.draw(choose.shapes(4, 4, most=3))
    x = choose.tensor("input", type, (batches * prod(blocks), height, width, depth))
    crops = []
    for block, length in zip(blocks, (height, width), strict=True):
        before = choose.draw(st.integers(0, block * length - 1))
        crops.append([before, choose.draw(st.integers(0, block * length - before - 1))])
    inputs = [x, integers_as(INT32, blocks), integers_as(INT32, crops)]
    return NodeSpec(BuiltinOperator.BATCH_TO_SPACE_ND, inputs, [same(x)])


def resize(op: BuiltinOperator, options: type[Table]) -> Make:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes(4, 4, most=5))
        size = [choose.integer(f"new_{name}", 1, 8) for name in ("height", "width")]
        where = choose("where", st.sampled_from(["corner", "align_corners", "half_pixel_centers"]))
        flags = {where: True} if where != "corner" else {}
        return NodeSpec(op, [x, integers_as(INT32, size)], [same(x)], options(**flags))

    return make


# looking up


def gather(choose: Choose, type: TensorType) -> NodeSpec:
    """GATHER along an axis, in batches or not."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    axis = choose.integer("axis", 0, len(x.shape) - 1)
    batch_dims = choose.integer("batch_dims", 0, axis)
    shape = x.shape[:batch_dims] + choose.draw(choose.shapes(0, 2, most=3))
    where = indices(choose, shape, x.shape[axis])
    return NodeSpec(BuiltinOperator.GATHER, [x, where], [same(x)], GatherOptions(axis=axis, batch_dims=batch_dims))


def indices(choose: Choose, shape: Sequence[int], end: int) -> TensorSpec:
    """A constant of numbers from 0 to below `end`."""
    data = choose.draw(arrays(TensorType.UINT16, tuple(shape))) % end
    return TensorSpec(INT32, tuple(shape), data=data.astype(np.int32))


def gather_nd(choose: Choose, type: TensorType) -> NodeSpec:
    """GATHER_ND: each row of indices names a value, or a part of the tensor."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    depth = choose.integer("depth", 1, len(x.shape))
    rows = choose.draw(choose.shapes(1, 2, most=3))
    columns = [choose.draw(arrays(TensorType.UINT16, rows)) % length for length in x.shape[:depth]]
    data = np.stack(columns, axis=-1).astype(np.int32)
    return NodeSpec(BuiltinOperator.GATHER_ND, [x, TensorSpec(INT32, data.shape, data=data)], [same(x)])


def embedding_lookup(choose: Choose, type: TensorType) -> NodeSpec:
    """EMBEDDING_LOOKUP: rows by their number. `type` is that of the numbers."""
    of = choose("table_type", st.sampled_from([FLOAT32, INT8]))
    table = choose.draw(tensors(of, choose.shapes(2, 3)))
    table = replace(table, data=choose.draw(arrays(of, table.shape)))
    where = indices(choose, (choose.length("rows", 4),), table.shape[0])
    y = TensorSpec(of, (), table.scale, table.zero_point)
    return NodeSpec(BuiltinOperator.EMBEDDING_LOOKUP, [where, table], [y])


def one_hot(choose: Choose, type: TensorType) -> NodeSpec:
    """ONE_HOT; `type` is that of the indices."""
    of = choose("value_type", st.sampled_from([FLOAT32, INT32, INT8, BOOL]))
    where = choose.tensor("input", type, choose.shapes(1, 3))
    on, off = (choose.draw(constants(of, ())) for _ in range(2))
    depth = integers_as(INT32, choose.length("depth", 6))
    axis = choose.integer("axis", -1, len(where.shape))
    return NodeSpec(BuiltinOperator.ONE_HOT, [where, depth, on, off], [TensorSpec(of, ())], OneHotOptions(axis=axis))


def unique(choose: Choose, type: TensorType) -> NodeSpec:
    """UNIQUE: the values in the order in which they are met, and where each is."""
    x = choose.tensor("input", type, st.tuples(choose.lengths(12)))
    outputs = [same(x), TensorSpec(INT32, ())]
    return NodeSpec(BuiltinOperator.UNIQUE, [x], outputs, UniqueOptions(idx_out_type=INT32))


def where(choose: Choose, type: TensorType) -> NodeSpec:
    """WHERE: the places of what is not zero."""
    x = choose.tensor("input", type, choose.shapes(1, 4))
    return NodeSpec(BuiltinOperator.WHERE, [x], [TensorSpec(INT64, ())])


def top_k(choose: Choose, type: TensorType) -> NodeSpec:
    """TOPK_V2."""
    x = choose.tensor("input", type, choose.shapes(1, 3, most=6))
    k = integers_as(INT32, choose.integer("k", 1, x.shape[-1]))
    return NodeSpec(BuiltinOperator.TOPK_V2, [x, k], [same(x), TensorSpec(INT32, ())])


RESIZE = {
    BuiltinOperator.RESIZE_BILINEAR: ResizeBilinearOptions,
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: ResizeNearestNeighborOptions,
}
