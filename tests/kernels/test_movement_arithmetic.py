"""Operators that only move values move them as the official runtimes do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.schema import options
from refinfer.schema.enums import BuiltinOperator, MirrorPadMode, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, values, zero_point

BOOL, FLOAT16, FLOAT32, FLOAT64 = TensorType.BOOL, TensorType.FLOAT16, TensorType.FLOAT32, TensorType.FLOAT64
INT8, INT16, INT32, INT64 = TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64
UINT8, UINT16, UINT32, UINT64 = TensorType.UINT8, TensorType.UINT16, TensorType.UINT32, TensorType.UINT64
COMPLEX64 = TensorType.COMPLEX64
QUANTIZED = (INT8, UINT8, INT16)
INDICES = (INT32, INT64)

Shape = tuple[int, ...]


class Case(NamedTuple):
    """One operator to be run."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    options: Table | None = None


class Draw:
    """Tensors of a case: their values, and which of them the file holds."""

    def __init__(self, random: Random, type: TensorType, computed: bool) -> None:
        self.random = random
        self.type = type
        self.computed = computed  # shapes and indices may be inputs of the model
        self.quantization: dict[str, Any] = {}
        if type in QUANTIZED and random.random() < 0.8:
            self.quantization = {"scale": [scale(random)], "zero_point": [zero_point(random, type)]}
        self.arrays: dict[TensorSpec, Array] = {}

    def size(self, low: int, high: int) -> int:
        """A number, both bounds included."""
        return int(self.random.integers(low, high, endpoint=True))

    def shape(self, low: int, high: int, most: int = 6) -> Shape:
        """So many dimensions; now and then one has no elements."""
        rank = self.size(low, high)
        most = max(2, most - rank)
        empty = self.computed and self.random.random() < 0.03
        return tuple(0 if empty and self.random.random() < 0.3 else self.size(1, most) for _ in range(rank))

    def tensor(self, shape: Shape, type: TensorType | None = None) -> TensorSpec:
        """An input of random values; a constant now and then."""
        type = self.type if type is None else type
        array = values(self.random, type, shape)
        constant = self.computed and self.random.random() < 0.1
        spec = TensorSpec(type, shape, **self.of(type), data=array if constant else None)
        if not constant:
            self.arrays[spec] = array
        return spec

    def parameter(self, numbers: object, type: TensorType = INT32) -> TensorSpec:
        """A shape, an axis, indices: held by the file, or else an input."""
        array = np.array(numbers, dtype_of(type))
        constant = not self.computed or self.random.random() < 0.5
        spec = TensorSpec(type, array.shape, data=array if constant else None)
        if not constant:
            self.arrays[spec] = array
        return spec

    def output(self, shape: Shape, type: TensorType | None = None) -> TensorSpec:
        """An output."""
        type = self.type if type is None else type
        return TensorSpec(type, tuple(shape), **self.of(type))

    def of(self, type: TensorType) -> dict[str, Any]:
        """All tensors of the case's type have one scale and zero point."""
        return self.quantization if type == self.type else {}

    def signed(self, axis: int, rank: int) -> int:
        """The axis, or the same counted from the end."""
        return axis - rank if self.random.random() < 0.5 else axis

    def index_type(self) -> TensorType:
        """Of a shape or the like, where the runtime leaves the choice."""
        return INDICES[self.size(0, 1)] if self.computed else INT32


def reshape(draw: Draw) -> Case:
    x = draw.shape(0, 5)
    target = [int(each) for each in draw.random.permutation(x)] or [1]
    if len(target) > 1 and draw.random.random() < 0.5:
        target = [target[0] * target[1], *target[2:]]
    whole = tuple(target)
    if prod(x) and draw.random.random() < 0.4:
        target[draw.size(0, len(target) - 1)] = -1
    if draw.random.random() < 0.5:
        return Case([draw.tensor(x)], [draw.output(whole)], options.ReshapeOptions(new_shape=tuple(target)))
    return Case([draw.tensor(x), draw.parameter(target)], [draw.output(whole)])


def squeeze(draw: Draw) -> Case:
    x = tuple(1 if draw.random.random() < 0.4 else size for size in draw.shape(0, 6))
    ones = [axis for axis, size in enumerate(x) if size == 1]
    named = [axis for axis in ones if draw.random.random() < 0.5]
    dims = tuple(draw.signed(axis, len(x)) for axis in named)
    y = tuple(size for axis, size in enumerate(x) if axis not in (named or ones))
    return Case([draw.tensor(x)], [draw.output(y)], options.SqueezeOptions(squeeze_dims=dims))


def expand_dims(draw: Draw) -> Case:
    x = draw.shape(0, 5)
    axis = draw.size(0, len(x))
    at = draw.parameter([draw.signed(axis, len(x) + 1)], draw.index_type())
    return Case([draw.tensor(x), at], [draw.output((*x[:axis], 1, *x[axis:]))])


def shape(draw: Draw) -> Case:
    x = draw.shape(0, 6)
    type = draw.index_type()
    return Case([draw.tensor(x)], [draw.output((len(x),), type)], options.ShapeOptions(out_type=type))


def rank(draw: Draw) -> Case:
    return Case([draw.tensor(draw.shape(0, 6))], [draw.output((), INT32)])


def transpose(draw: Draw) -> Case:
    x = draw.shape(1, 6 if draw.computed else 5)
    perm = [int(each) for each in draw.random.permutation(len(x))]
    named = [draw.signed(axis, len(x)) if draw.computed else axis for axis in perm]
    return Case([draw.tensor(x), draw.parameter(named)], [draw.output(tuple(x[axis] for axis in perm))])


def broadcast_to(draw: Draw) -> Case:
    y = draw.shape(1, 5)
    x = tuple(1 if draw.random.random() < 0.4 else size for size in y)[draw.size(0, len(y)) :]
    return Case([draw.tensor(x), draw.parameter(y, draw.index_type())], [draw.output(y)])


def broadcast_args(draw: Draw) -> Case:
    first, second = (np.ones(draw.size(1, 5), int) for _ in range(2))
    whole = draw.random.integers(2, 9, 5)
    for each in (first, second):
        each[:] = np.where(draw.random.random(len(each)) < 0.5, 1, whole[5 - len(each) :])
    inputs = [draw.parameter(each, draw.type) for each in (first, second)]
    if all(each.data is not None for each in inputs):
        draw.arrays[spec := TensorSpec(draw.type, first.shape)] = first.astype(dtype_of(draw.type))
        inputs[0] = spec
    return Case(inputs, [draw.output((max(len(first), len(second)),))])


def fill(draw: Draw) -> Case:
    dims = draw.shape(0, 4)
    return Case([draw.parameter(dims, draw.index_type()), draw.tensor(())], [draw.output(dims)])


def tile(draw: Draw) -> Case:
    x = draw.shape(0, 4)
    times = [draw.size(0 if draw.random.random() < 0.1 else 1, 3) for _ in x]
    y = tuple(size * n for size, n in zip(x, times, strict=True))
    return Case([draw.tensor(x), draw.parameter(times, draw.index_type())], [draw.output(y)])


def range_(draw: Draw) -> Case:
    if draw.type == FLOAT32:
        start, limit, delta = (float(each) for each in draw.random.normal(0, (30, 30, 2)))
    else:
        start, limit, delta = draw.size(-50, 50), draw.size(-50, 50), draw.size(1, 7)
    delta = abs(delta) * (1 if limit >= start else -1)
    inputs = [draw.parameter(each, draw.type) for each in (start, limit, delta)]
    if all(each.data is not None for each in inputs):
        draw.arrays[spec := TensorSpec(draw.type, ())] = np.array(start, dtype_of(draw.type))
        inputs[0] = spec
    return Case(inputs, [draw.output((1,))])


def one_hot(draw: Draw) -> Case:
    indices, depth = draw.shape(0, 4), draw.size(0, 5)
    axis = draw.size(-1, len(indices))
    at = len(indices) if axis == -1 else axis
    type = draw.index_type()
    draw.arrays[places := TensorSpec(type, indices)] = draw.random.integers(-1, 6, indices).astype(dtype_of(type))
    shape = draw.random.choice([0, 1])
    inputs = [places, draw.parameter([depth] if shape else depth), draw.tensor((1,) * shape), draw.tensor(())]
    return Case(inputs, [draw.output((*indices[:at], depth, *indices[at:]))], options.OneHotOptions(axis=axis))


def matrix_diag(draw: Draw) -> Case:
    x = draw.shape(1, 4)
    return Case([draw.tensor(x)], [draw.output((*x, x[-1]))])


def matrix_set_diag(draw: Draw) -> Case:
    x = draw.shape(2, 4)
    return Case([draw.tensor(x), draw.tensor((*x[:-2], min(x[-2:])))], [draw.output(x)])


def concatenation(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    axis = draw.size(0, len(x) - 1)
    parts = [
        (*x[:axis], draw.size(0 if draw.random.random() < 0.1 else 1, 4), *x[axis + 1 :])
        for _ in range(draw.size(1, 5))
    ]
    y = draw.output((*x[:axis], sum(part[axis] for part in parts), *x[axis + 1 :]))
    inputs = [draw.tensor(part) for part in parts]
    return Case(inputs, [y], options.ConcatenationOptions(axis=draw.signed(axis, len(x))))


def rescaling_concatenation(draw: Draw) -> Case:
    case = concatenation(draw)
    x = draw.quantization.get("scale", [0.05])[0]
    y = case.outputs[0]
    rescaled = TensorSpec(y.type, y.shape, [scale(draw.random, x)], [zero_point(draw.random, y.type)])
    return case._replace(outputs=[rescaled])


def pack(draw: Draw) -> Case:
    x, count = draw.shape(0, 4), draw.size(1, 4)
    axis = draw.size(0, len(x))
    named = options.PackOptions(values_count=count, axis=draw.signed(axis, len(x) + 1))
    return Case([draw.tensor(x) for _ in range(count)], [draw.output((*x[:axis], count, *x[axis:]))], named)


def unpack(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    axis = draw.size(0, len(x) - 1)
    named = options.UnpackOptions(num=x[axis], axis=draw.signed(axis, len(x)))
    outputs = [draw.output((*x[:axis], *x[axis + 1 :])) for _ in range(x[axis])]
    return Case([draw.tensor(x)], outputs or [draw.output(())], named)


def split(draw: Draw) -> Case:
    part, count = draw.shape(1, 4), draw.size(1, 4)
    axis = draw.size(0, len(part) - 1)
    x = (*part[:axis], part[axis] * count, *part[axis + 1 :])
    inputs = [draw.parameter(draw.signed(axis, len(x))), draw.tensor(x)]
    return Case(inputs, [draw.output(part) for _ in range(count)], options.SplitOptions(num_splits=count))


def split_v(draw: Draw) -> Case:
    x = draw.shape(1, 4)
    axis, sizes = draw.size(0, len(x) - 1), [draw.size(0, 3) for _ in range(draw.size(1, 4))]
    x = (*x[:axis], sum(sizes), *x[axis + 1 :])
    named = list(sizes)
    if draw.computed and draw.random.random() < 0.5:
        named[draw.size(0, len(sizes) - 1)] = -1
    inputs = [draw.tensor(x), draw.parameter(named, draw.index_type()), draw.parameter(draw.signed(axis, len(x)))]
    outputs = [draw.output((*x[:axis], size, *x[axis + 1 :])) for size in sizes]
    return Case(inputs, outputs, options.SplitVOptions(num_splits=len(sizes)))


def slice_(draw: Draw) -> Case:
    x = draw.shape(1, 6 if draw.computed else 5)
    begin = [draw.size(0, size) for size in x]
    sizes = [draw.size(0, full - at) for full, at in zip(x, begin, strict=True)]
    named = [
        -1 if at + n == full and draw.random.random() < 0.7 else n for full, at, n in zip(x, begin, sizes, strict=True)
    ]
    type = draw.index_type()
    inputs = [draw.tensor(x), draw.parameter(begin, type), draw.parameter(named, type)]
    computed = any(each.data is None for each in inputs[1:])
    # LiteRT takes the shape of the file for the output's, unless it is a scalar's
    return Case(inputs, [draw.output(() if computed else tuple(sizes))])


def strided_slice(draw: Draw) -> Case:
    x = draw.shape(1, 6 if draw.computed else 4, most=8)
    count = draw.size(1, len(x)) if draw.computed else len(x)
    begin, end = ([draw.size(-size - 1, size + 1) for size in x[:count]] for _ in range(2))
    strides = [draw.size(1, 3) * draw.random.choice([1, 1, -1]) for _ in range(count)]
    masks = [int(draw.random.integers(0, 2**count)) if draw.random.random() < 0.5 else 0 for _ in range(2)]
    shrink = 0
    for axis in range(count):
        if draw.random.random() < 0.25 and x[axis]:
            shrink |= 1 << axis
            strides[axis] = 1
            begin[axis] = draw.size(-x[axis], x[axis] - 1)
    ellipsis = new_axis = 0
    if draw.computed and draw.random.random() < 0.4 and 0 not in x:
        ellipsis = int(draw.random.choice([0, 1 << draw.size(0, count - 1)]))
        new_axis = int(draw.random.choice([0, draw.size(0, 2**count - 1)]))
        begin = [0 if shrink >> axis & 1 else at for axis, at in enumerate(begin)]  # its axis is another now
    named = options.StridedSliceOptions(
        begin_mask=masks[0],
        end_mask=masks[1],
        ellipsis_mask=ellipsis,
        new_axis_mask=new_axis,
        shrink_axis_mask=shrink,
    )
    index: list[Any] = []
    for axis in range(count):
        bit = 1 << axis
        first = None if masks[0] & bit else begin[axis]
        last = None if masks[1] & bit else end[axis]
        index.append((begin[axis] if first is not None else 0) if shrink & bit else slice(first, last, strides[axis]))
    y = np.empty(x)[tuple(index)].shape if not ellipsis | new_axis else ()
    return Case([draw.tensor(x), *map(draw.parameter, (begin, end, strides))], [draw.output(y)], named)


def dynamic_update_slice(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    update = tuple(draw.size(0 if draw.random.random() < 0.1 else min(1, size), size) for size in x)
    start = [draw.size(-2, size + 1) for size in x]
    return Case([draw.tensor(x), draw.tensor(update), draw.parameter(start, draw.index_type())], [draw.output(x)])


def pad(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    borders = draw.random.integers(0, 4, (len(x), 2))
    if len(x) == 4 and draw.random.random() < 0.5:
        borders[0], borders[3] = 0, 0
    y = tuple(size + int(border.sum()) for size, border in zip(x, borders, strict=True))
    return Case([draw.tensor(x), draw.parameter(borders, draw.index_type())], [draw.output(y)])


def padv2(draw: Draw) -> Case:
    case = pad(draw)
    return case._replace(inputs=[*case.inputs, draw.tensor((1,) * draw.size(0, 1))])


def mirror_pad(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    mode = MirrorPadMode(draw.size(0, 1))
    edge = int(mode == MirrorPadMode.REFLECT)
    borders = [[draw.size(0, max(0, size - edge)) for _ in range(2)] for size in x]
    y = tuple(size + sum(border) for size, border in zip(x, borders, strict=True))
    inputs = [draw.tensor(x), draw.parameter(borders, draw.index_type())]
    return Case(inputs, [draw.output(y)], options.MirrorPadOptions(mode=mode))


def gather(draw: Draw) -> Case:
    x = draw.shape(1, 5)
    axis = draw.size(0, len(x) - 1)
    batch_dims = draw.size(0, axis)
    positions = x[:batch_dims] + draw.shape(0, 2)
    type = [INT16, INT32, INT64][draw.size(0, 2)] if draw.computed else INT32
    drawn = draw.random.integers(0, max(1, x[axis]), positions)
    named = options.GatherOptions(axis=draw.signed(axis, len(x)), batch_dims=batch_dims)
    y = x[:axis] + positions[batch_dims:] + x[axis + 1 :]
    return Case([draw.tensor(x), draw.parameter(drawn, type)], [draw.output(y)], named)


def gather_nd(draw: Draw) -> Case:
    x, outer = draw.shape(1, 5), draw.shape(0, 3)
    depth = draw.size(1, len(x))
    drawn = np.zeros((*outer, depth), int)
    for axis in range(depth):
        drawn[..., axis] = draw.random.integers(0, max(1, x[axis]), outer)
    type = [INT16, INT32, INT64][draw.size(0, 2)] if draw.computed else INT32
    return Case([draw.tensor(x), draw.parameter(drawn, type)], [draw.output((*outer, *x[depth:]))])


def embedding_lookup(draw: Draw) -> Case:
    table, lookup = (draw.size(1, 5), *draw.shape(1, 3)), draw.size(1, 5)
    drawn = draw.random.integers(0, max(1, table[0]), lookup)
    return Case([draw.parameter(drawn), draw.tensor(table)], [draw.output((lookup, *table[1:]))])


def dequantizing_embedding_lookup(draw: Draw) -> Case:
    rows, columns, lookup = draw.size(1, 5), 2 * draw.size(1, 4), draw.size(1, 5)
    scales = [scale(draw.random) for _ in range(rows if draw.computed and draw.random.random() < 0.5 else 1)]
    table = values(draw.random, draw.type, (rows, columns))
    value = TensorSpec(draw.type, table.shape, scales, [0] * len(scales), data=table)
    draw.arrays[places := TensorSpec(INT32, (lookup,))] = draw.random.integers(0, rows, lookup).astype(np.int32)
    type = FLOAT16 if draw.computed and draw.random.random() < 0.3 else FLOAT32
    return Case([places, value], [draw.output((lookup, columns), type)])


def scatter_nd(draw: Draw) -> Case:
    whole, outer = draw.shape(1, 4), draw.shape(1, 2)
    depth = draw.size(1, len(whole))
    drawn = np.stack([draw.random.integers(0, max(1, size), outer) for size in whole[:depth]], -1)
    updates = draw.tensor((*outer, *whole[depth:]))
    return Case([draw.parameter(drawn), updates, draw.parameter(whole)], [draw.output(whole)])


def sparse_to_dense(draw: Draw) -> Case:
    whole, count = draw.shape(1, 4), draw.size(0, 6)
    drawn = np.stack([draw.random.integers(0, max(1, size), count) for size in whole], -1)
    if len(whole) == 1 and draw.random.random() < 0.5:
        drawn = drawn[:, 0]
    inputs = [draw.parameter(drawn, draw.index_type()), draw.parameter(whole, draw.index_type())]
    inputs += [draw.tensor((count,) if draw.random.random() < 0.7 else ()), draw.tensor(())]
    return Case(inputs, [draw.output(whole)])


def space_to_depth(draw: Draw) -> Case:
    (batch, height, width, depth), block = draw.shape(4, 4, most=8), draw.size(1, 3)
    y = (batch, height, width, depth * block * block)
    x = draw.tensor((batch, height * block, width * block, depth))
    return Case([x], [draw.output(y)], options.SpaceToDepthOptions(block_size=block))


def depth_to_space(draw: Draw) -> Case:
    (batch, height, width, depth), block = draw.shape(4, 4, most=8), draw.size(1, 3)
    x = draw.tensor((batch, height, width, depth * block * block))
    y = (batch, height * block, width * block, depth)
    return Case([x], [draw.output(y)], options.DepthToSpaceOptions(block_size=block))


def space_to_batch_nd(draw: Draw) -> Case:
    y = draw.shape(3, 4, most=8)
    block = [draw.size(1, 3) for _ in y[1:-1]]
    whole = [size * each for size, each in zip(y[1:-1], block, strict=True)]
    left, right = borders_within(draw, whole)
    space = [size - a - b for size, a, b in zip(whole, left, right, strict=True)]
    x = draw.tensor((y[0], *space, y[-1]))
    inputs = [x, draw.parameter(block), draw.parameter(np.stack([left, right], -1))]
    return Case(inputs, [draw.output((y[0] * prod(block), *y[1:]))])


def borders_within(draw: Draw, sizes: Sequence[int]) -> tuple[list[int], list[int]]:
    """What to leave out at both ends, but never all."""
    left = [draw.size(0, min(2, max(0, size - 1))) for size in sizes]
    return left, [draw.size(0, min(2, max(0, size - 1 - a))) for size, a in zip(sizes, left, strict=True)]


def batch_to_space_nd(draw: Draw) -> Case:
    x = draw.shape(3, 4, most=8)
    block = [draw.size(1, 3) for _ in x[1:-1]]
    whole = [size * each for size, each in zip(x[1:-1], block, strict=True)]
    left, right = borders_within(draw, whole)
    space = [size - a - b for size, a, b in zip(whole, left, right, strict=True)]
    inputs = [draw.tensor((x[0] * prod(block), *x[1:])), draw.parameter(block)]
    inputs.append(draw.parameter(np.stack([left, right], -1)))
    return Case(inputs, [draw.output((x[0], *space, x[-1]))])


def reverse_v2(draw: Draw) -> Case:
    x = draw.shape(1, 6)
    first = draw.size(0, len(x) - 1)
    axes = list(range(first, draw.size(first, len(x) - 1) + 1))
    named = [draw.signed(axis, len(x)) for axis in draw.random.permutation(axes)]
    return Case([draw.tensor(x), draw.parameter(named)], [draw.output(x)])


def reverse_sequence(draw: Draw) -> Case:
    x = draw.shape(2, 5)
    sequence, batch = (int(each) for each in draw.random.choice(len(x), 2, replace=False))
    lengths = draw.random.integers(0, x[sequence], x[batch], endpoint=True)
    inputs = [draw.tensor(x), draw.parameter(lengths, draw.index_type())]
    return Case(inputs, [draw.output(x)], options.ReverseSequenceOptions(seq_dim=sequence, batch_dim=batch))


def topk_v2(draw: Draw) -> Case:
    x = draw.shape(1, 4, most=16)
    k = draw.size(0, x[-1])
    wide = draw.random.random() < 0.7
    outputs = [draw.output((*x[:-1], k)), draw.output((*x[:-1], k), INT32 if wide else INT16)]
    return Case([draw.tensor(x), draw.parameter(k)], outputs)


SIZED = (BOOL, INT8, UINT8, INT16, UINT16, FLOAT16, INT32, UINT32, FLOAT32, INT64, UINT64, FLOAT64, COMPLEX64)
USUAL = (FLOAT32, FLOAT16, UINT8, INT8, INT16, INT32, INT64, BOOL)
MICRO = (FLOAT32, INT8, INT16, INT32)
BLOCK = (FLOAT32, UINT8, INT8, INT32, INT64)
SPLIT = (FLOAT32, UINT8, INT8, INT16, INT32, INT64)
DENSE = (FLOAT32, UINT8, INT8, INT32, INT64)


class Operator(NamedTuple):
    """An operator, how a case of it is drawn, and the types that the runtimes know of it."""

    draw: Callable[[Draw], Case]
    litert: Sequence[TensorType]
    tflm: Sequence[TensorType] = ()
    version: int = 1


OPERATORS: dict[str, Operator] = {
    "RESHAPE": Operator(reshape, SIZED, (BOOL, INT8, UINT8, INT16, INT32, FLOAT32, INT64)),
    "SQUEEZE": Operator(squeeze, SIZED, (FLOAT32, INT8, INT16, INT32, INT64, BOOL)),
    "EXPAND_DIMS": Operator(expand_dims, SIZED, (FLOAT32, INT16, INT8)),
    "SHAPE": Operator(shape, SIZED, (FLOAT32, INT8)),
    "RANK": Operator(rank, SIZED),
    "TRANSPOSE": Operator(transpose, SIZED, (FLOAT32, INT8, INT16), version=3),
    "BROADCAST_TO": Operator(broadcast_to, SIZED, MICRO, version=3),
    "BROADCAST_ARGS": Operator(broadcast_args, INDICES, INDICES),
    "FILL": Operator(fill, SIZED, (FLOAT32, INT32, INT8)),
    "TILE": Operator(tile, SIZED),
    "RANGE": Operator(range_, (FLOAT32, INT32, INT64)),
    "ONE_HOT": Operator(one_hot, (FLOAT32, INT32, INT64, INT8, UINT8, BOOL)),
    "MATRIX_DIAG": Operator(matrix_diag, (FLOAT32, INT32, INT64, INT8, UINT8, INT16)),
    "MATRIX_SET_DIAG": Operator(matrix_set_diag, (FLOAT32, INT32, INT64, INT8, UINT8, INT16)),
    "CONCATENATION": Operator(concatenation, (*USUAL, UINT32), (*MICRO, INT64, BOOL)),
    "CONCATENATION rescaling": Operator(rescaling_concatenation, (UINT8,)),
    "PACK": Operator(pack, (*BLOCK, UINT32, INT16), (*MICRO, INT64)),
    "UNPACK": Operator(unpack, (*MICRO, FLOAT16, UINT8, BOOL), MICRO),
    "SPLIT": Operator(split, SPLIT, MICRO),
    "SPLIT_V": Operator(split_v, SPLIT, MICRO),
    "SLICE": Operator(slice_, SIZED, (*MICRO, BOOL)),
    "STRIDED_SLICE": Operator(strided_slice, SIZED, (*MICRO, BOOL)),
    "DYNAMIC_UPDATE_SLICE": Operator(dynamic_update_slice, SIZED, MICRO),
    "PAD": Operator(pad, USUAL, MICRO),
    "PADV2": Operator(padv2, USUAL, MICRO),
    "MIRROR_PAD": Operator(mirror_pad, SIZED, (FLOAT32, INT8)),
    "GATHER": Operator(gather, USUAL, (FLOAT32, INT8)),
    "GATHER_ND": Operator(gather_nd, USUAL, (FLOAT32, INT8)),
    "EMBEDDING_LOOKUP": Operator(embedding_lookup, (*USUAL, UINT32), (FLOAT32, INT8)),
    "EMBEDDING_LOOKUP dequantizing": Operator(dequantizing_embedding_lookup, (UINT8, INT8), (INT8,)),
    "SCATTER_ND": Operator(scatter_nd, (*DENSE, BOOL)),
    "SPARSE_TO_DENSE": Operator(sparse_to_dense, DENSE),
    "SPACE_TO_DEPTH": Operator(space_to_depth, BLOCK, (FLOAT32, INT8)),
    "DEPTH_TO_SPACE": Operator(depth_to_space, BLOCK, (FLOAT32, INT8)),
    "SPACE_TO_BATCH_ND": Operator(space_to_batch_nd, SIZED, (FLOAT32, INT8)),
    "BATCH_TO_SPACE_ND": Operator(batch_to_space_nd, SIZED, (FLOAT32, INT8)),
    "REVERSE_V2": Operator(reverse_v2, USUAL, (*MICRO, UINT8, INT64, BOOL)),
    "REVERSE_SEQUENCE": Operator(reverse_sequence, (FLOAT32, UINT8, INT16, INT32, INT64)),
    "TOPK_V2": Operator(topk_v2, SPLIT),
}


Valued = tuple[NodeSpec, dict[TensorSpec, Array]]
"""A node, and the values of those of its inputs that the file does not hold."""


def case_of(name: str, type: TensorType, random: Random, runtime: str) -> Valued:
    """A node and the values of its inputs; LiteRT's Python package cannot hand out empty tensors, TFLM has none."""
    operator = OPERATORS[name]
    while True:
        draw = Draw(random, type, computed=runtime == "litert")
        case = operator.draw(draw)
        op = BuiltinOperator[name.split()[0]]
        node = NodeSpec(op, case.inputs, case.outputs, case.options, operator.version)
        computed = ours(runtime, *model_of([(node, draw.arrays)]))
        if isinstance(computed, str) or all(y.size for y in computed[0]):
            return node, draw.arrays


def model_of(nodes: Sequence[Valued]) -> tuple[bytes, list[list[Array]]]:
    """A model of nodes that have nothing to do with each other, and what to run it on."""
    arrays = {spec: array for _, values in nodes for spec, array in values.items()}
    given = [each for each in dict.fromkeys(x for node, _ in nodes for x in node.inputs) if each in arrays]
    outputs = [y for node, _ in nodes for y in node.outputs]
    return build(SubgraphSpec([node for node, _ in nodes], given, outputs)), [[arrays[each] for each in given]]


def agreed(runtime: str, nodes: Sequence[Valued], case: object) -> int:
    """How many numbers were compared, all equal."""
    model, runs = model_of(nodes)
    return agree(runtime, model, *runs, case=case)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", OPERATORS)
def test_every_value_ends_up_where_the_runtime_puts_it(name: str, runtime: str) -> None:
    types = getattr(OPERATORS[name], runtime)
    if not types:
        pytest.skip(f"{runtime} has no such operator")
    random = np.random.default_rng(5)
    compared = 0
    for number in cases(1):
        nodes = [case_of(name, type, random, runtime) for type in (*types, *types)]
        together = agreed(runtime, nodes, number)
        compared += together or sum(agreed(runtime, [each], number) for each in nodes)  # one may be refused
    print(f"COMPARED {compared}")
    assert compared > 0
