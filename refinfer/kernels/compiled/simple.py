"""The plans of what multiplies no matrices: tables, moves, sums, pooling, means, SOFTMAX.

Two of them need to know next to nothing of the operator. What an operator makes of a single byte is a table of 256
results, which its numpy arithmetic fills. And an operator that only moves numbers is asked to move their indices: that
tells where everything goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels import add, mul, quantize, reduce, resize, softmax
from refinfer.kernels.arithmetic import common_scale
from refinfer.kernels.binary import three_tensors
from refinfer.kernels.common import input_at, integers, is_affine, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.records import (
    KINDS,
    RESIZED_FLOAT32,
    RESIZED_INT8,
    RESIZED_INT16,
    RESIZED_UINT8,
    Address,
    Combine,
    Dequantize,
    LookUp,
    LookUpPairs,
    LookUpWords,
    Mean,
    Move,
    Pool,
    PoolFloats,
    Quantize,
    Resize,
    Softmax,
    Weave,
    Widen,
)
from refinfer.kernels.compute import Shape, constant, dtype_of
from refinfer.kernels.quantization import activate
from refinfer.kernels.window import windows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Pool2DOptions, ResizeBilinearOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

BYTES = (TensorType.INT8, TensorType.UINT8)
MAX_STRETCHES = 2**18
INDEX = np.int32  # of an element of a tensor
LONG_STRETCH = 16  # bytes, which are copied at once


def plan_table(draft: Draft, node: Node) -> None:
    """One byte in, one number out: the table that the numpy arithmetic makes of all bytes; and so for int16."""
    require_compiled(len(node.inputs) == 1)
    if input_at(node, 0).type == TensorType.INT16:
        plan_table_of_words(draft, node)
    else:
        add_table(draft, node)


def plan_table_of_constant(draft: Draft, node: Node) -> None:
    """Bytes and a constant that is the same for all of them."""
    value = constant(input_at(node, 1))
    require_compiled(value is not None and value.size == 1)
    add_table(draft, node, value)


def add_table(draft: Draft, node: Node, *more: Array | None) -> None:
    """A row for a table of 256, made with `more` inputs."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(x.type in BYTES)
    every_byte = np.arange(256, dtype=np.uint8).view(dtype_of(x.type))
    (table,) = draft.evaluate(every_byte.reshape((256,) + (1,) * (len(draft.shape(x)) - 1)), *more)
    require_compiled(table.size == 256 and table.dtype.itemsize in (1, 2, 4))
    draft.add(LookUp(draft.read(x), prod(draft.shape(x)), draft.keep(table), table.dtype.itemsize, draft.write(y)))


def plan_table_of_words(draft: Draft, node: Node) -> None:
    """A table of 65536."""
    x, y = input_at(node, 0), output_at(node, 0)
    count = prod(draft.shape(x))
    every_word = np.arange(-(2**15), 2**15).astype(np.int16)
    (table,) = draft.evaluate(every_word.reshape((2**16,) + (1,) * (len(draft.shape(x)) - 1)))
    require_compiled(table.size == 2**16 and table.dtype.itemsize in (1, 2, 4))
    draft.add(LookUpWords(draft.read(x), draft.keep(table), count, draft.write(y), table.dtype.itemsize))


def plan_pairs(draft: Draft, node: Node) -> None:
    """Two bytes in, one out: the table that the numpy arithmetic makes of all pairs."""
    x, other, y = three_tensors(node)
    require_compiled(x.type in BYTES and x.type == other.type == y.type)
    shape = draft.shape(y)
    every_byte = np.arange(256, dtype=np.uint8).view(dtype_of(x.type))
    (table,) = draft.evaluate(every_byte[:, None], every_byte)
    first, second = stretched(draft, x, shape), stretched(draft, other, shape)
    draft.add(LookUpPairs(first, second, prod(shape), draft.keep(table), draft.write(y)))


def plan_quantize(draft: Draft, node: Node) -> None:
    """From floats with one scale; from bytes, by a table."""
    x, y = input_at(node, 0), output_at(node, 0)
    if x.type in (*BYTES, TensorType.INT16):
        plan_table(draft, node)
        return
    scale, zero_point = quantize.along_axis(y)
    require_compiled(x.type == TensorType.FLOAT32 and scale.ndim == 0)
    low, high = quantize.limits_of(y)
    step = draft.keep(np.array([scale], np.float32))
    vectors, size = -(-prod(draft.shape(x)) // LANES), dtype_of(y.type).itemsize
    draft.add(Quantize(draft.read(x), vectors, step, int(zero_point), low, high, draft.write(y), size))


def plan_dequantize(draft: Draft, node: Node) -> None:
    """From bytes by a table, and from int16 with one scale."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(is_affine(x))
    scale, zero_point = quantize.along_axis(x)
    require_compiled(scale.ndim == 0)
    if x.type in BYTES:
        plan_table(draft, node)
        return
    require_compiled(x.type == TensorType.INT16)
    step = draft.keep(np.array([scale], np.float64))
    draft.add(Dequantize(draft.read(x), prod(draft.shape(x)), step, int(zero_point), draft.write(y)))


def plan_view(draft: Draft, node: Node) -> None:
    """The same numbers in another shape."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(x.data is None and prod(draft.shape(x)) == prod(draft.shape(y)))
    draft.same(x, y)


def plan_moves(draft: Draft, node: Node) -> None:
    """Move elements to where the numpy arithmetic has them: it is given their indices, and shows where they went."""
    moved = [x for x in node.inputs if x is not None and x.data is None]
    require_compiled(bool(moved) and all(x.type == moved[0].type for x in moved))
    require_compiled(all(y.type == moved[0].type for y in node.outputs))
    sizes = [prod(draft.shape(x)) for x in moved]
    ends = list(accumulate(sizes))
    itemsize = dtype_of(moved[0].type).itemsize
    for y, (origins, padding) in zip(node.outputs, origins_of(draft, node, moved, sizes), strict=True):
        output = draft.write(y)
        if (origins < 0).any():
            beside = np.where(origins < 0, np.arange(origins.size, dtype=INDEX), INDEX(-1))
            add_move(draft, draft.keep(padding), beside, output, itemsize)
        for x, size, end in zip(moved, sizes, ends, strict=True):
            inside = (origins >= end - size) & (origins < end)
            add_move(draft, draft.read(x), np.where(inside, origins - INDEX(end - size), INDEX(-1)), output, itemsize)


def origins_of(draft: Draft, node: Node, moved: Sequence[Tensor], sizes: Sequence[int]) -> list[tuple[Array, Array]]:
    """For each output, the index of each element, and the output of zeros. Inputs are counted one after the other.

    What does not depend on the indices, -1, is a constant that the operator puts there: padding.
    """
    fixed = [None if x is None else constant(x) for x in node.inputs]
    ends, dtype = list(accumulate(sizes)), dtype_of(moved[0].type)
    require_compiled(2 * ends[-1] <= np.iinfo(INDEX).max)

    def results(values: Array) -> tuple[Array, ...]:
        given = zip(moved, sizes, ends, strict=True)
        parts = {x.index: values[end - size : end].reshape(draft.shape(x)) for x, size, end in given}
        return draft.evaluate(*arguments(node, fixed, parts))

    indices = np.arange(ends[-1], dtype=INDEX)
    places, shifted = results(indices), results(indices + INDEX(ends[-1]))
    padding = results(np.zeros(ends[-1], dtype))
    probe = np.random.default_rng(0).integers(0, 100, ends[-1], np.uint8).astype(dtype)
    found = []
    for place, other, pad, tried in zip(places, shifted, padding, results(probe), strict=True):
        require_compiled(place.dtype == INDEX and pad.dtype == dtype)
        origins = np.where(other - place == ends[-1], place, INDEX(-1)).reshape(-1)
        expected = np.where(origins < 0, pad.reshape(-1), probe[origins])  # it may do more than move: rescale
        require_compiled(np.array_equal(tried.reshape(-1), expected))
        found.append((origins, pad))
    return found


def arguments(node: Node, fixed: Sequence[Array | None], moved: dict[int, Array]) -> list[Array | None]:
    """The node's inputs: constants as they are, and others from `moved`."""
    return [
        moved[x.index] if x is not None and x.data is None else array
        for x, array in zip(node.inputs, fixed, strict=True)
    ]


def add_move(draft: Draft, source: Address, positions: Array, output: Address, itemsize: int) -> None:
    """Move what each output has from `positions` of the source (-1: nothing), neighbours together."""
    woven = weave_of(positions) if (positions >= 0).all() else None
    if woven is not None and itemsize * woven.shortest < LONG_STRETCH:
        draft.add(Weave(source, woven.first, itemsize, *woven.loops, output))
        return
    apart = positions - np.arange(positions.size, dtype=positions.dtype)  # the same for those that stay neighbours
    apart[positions < 0] = -positions.size
    firsts = np.concatenate(([0], np.flatnonzero(apart[1:] != apart[:-1]) + 1))
    stretches = np.stack((positions[firsts], firsts, np.diff(firsts, append=positions.size)), axis=1).astype(np.int64)
    stretches = stretches[stretches[:, 0] >= 0]
    require_compiled(len(stretches) <= MAX_STRETCHES)
    if len(stretches) > 0:
        draft.add(Move(source, draft.keep(itemsize * stretches), len(stretches), output))


class Woven(NamedTuple):
    """Three loops that lead to positions in their order: how often, how far from one to the next, and how far there."""

    first: int
    loops: tuple[int, int, int, int, int, int, int, int, int]
    shortest: int  # how many neighbours there are that stay neighbours


def weave_of(positions: Array) -> Woven | None:
    """The loops that take these positions of the source one after the other, the longer of the inner ones inside."""
    columns, across = run_of(positions)
    rows, down = run_of(positions[::columns])
    groups, further = run_of(positions[:: columns * rows])
    g, r, c = np.ogrid[:groups, :rows, :columns]
    if positions.size != groups * rows * columns or min(across, down, further) < 0:
        return None
    if not np.array_equal(positions, (positions[0] + g * further + r * down + c * across).reshape(-1)):
        return None
    inner, outer = (columns, across, 1), (rows, down, columns)
    longest, other = (inner, outer) if columns >= rows else (outer, inner)
    loops = groups, further, rows * columns, *other, *longest
    return Woven(int(positions[0]), loops, columns if across == 1 else 1)


def run_of(values: Array) -> tuple[int, int]:
    """How many values, from the first on, have the same distance from one to the next, and this distance."""
    if len(values) == 1:
        return 1, 0
    step = int(values[1] - values[0])
    other = np.flatnonzero(np.diff(values) != step)
    return (int(other[0]) + 1 if other.size else len(values)), step


def plan_handle(draft: Draft, node: Node) -> None:
    """The number of a resource variable, which is known."""
    (number,) = draft.evaluate()
    draft.add(Move(draft.keep(number), draft.keep(np.array([[0, 0, number.nbytes]])), 1, draft.write(node.outputs[0])))


def plan_read_variable(draft: Draft, node: Node) -> None:
    """From the variable's memory."""
    y = output_at(node, 0)
    memory = draft.variable(input_at(node, 0), y)
    draft.add(Move(memory, draft.keep(np.array([[0, 0, memory.nbytes]])), 1, draft.write(y)))


def plan_assign_variable(draft: Draft, node: Node) -> None:
    """To the variable's memory."""
    value = input_at(node, 1)
    memory = draft.variable(input_at(node, 0), value)
    draft.add(Move(draft.read(value), draft.keep(np.array([[0, 0, memory.nbytes]])), 1, memory))


def stretched(draft: Draft, x: Tensor, shape: Shape) -> Address:
    """The tensor's value, repeated along the dimensions in which it has to be."""
    if draft.shape(x) == shape:
        return draft.read(x)
    if x.data is not None:
        value = constant(x)
        assert value is not None
        return draft.keep(np.broadcast_to(value, shape))
    size = dtype_of(x.type).itemsize
    buffer = draft.scratch(size * prod(shape))
    indices = np.arange(prod(draft.shape(x))).reshape(draft.shape(x))
    add_move(draft, draft.read(x), np.broadcast_to(indices, shape).reshape(-1), buffer, size)
    return buffer


def plan_sum(sign: int) -> Callable[[Draft, Node], None]:
    """Sums and differences through a common scale."""

    def plan(draft: Draft, node: Node) -> None:
        x = input_at(node, 0)
        plain_int16 = getattr(node.options, "pot_scale_int16", False)
        require_compiled(x.type in KINDS and (x.type != TensorType.INT16 or not plain_int16))
        require_compiled(x.type in BYTES or is_affine(x))
        p = add.sum_params(node)
        parameters = [scaling_of_input(p.first), scaling_of_input(p.second), scaling(0, p.multiplier, p.shift)]
        offsets = (p.first.offset, p.second.offset)
        combine(draft, node, False, sign, offsets, parameters, (p.offset, p.low, p.high))

    return plan


def plan_product(draft: Draft, node: Node) -> None:
    """Products of quantized tensors."""
    x, _, y = three_tensors(node)
    require_compiled(x.type in KINDS and y.type == x.type and is_affine(y))
    p = mul.mul_params(node, draft.host)
    offsets = (p.first_offset, p.second_offset)
    combine(
        draft,
        node,
        True,
        0,
        offsets,
        [scaling(0, p.multiplier, p.shift)],
        (p.output_offset, p.low, p.high),
    )


def combine(
    draft: Draft,
    node: Node,
    is_product: bool,
    sign: int,
    offsets: tuple[int, int],
    parameters: Sequence[Array],
    finish: tuple[int, int, int],
) -> None:
    """Both inputs as int16 without their zero points, and a row for the rest."""
    *inputs, y = three_tensors(node)
    shape = draft.shape(y)
    count = prod(shape)
    targets = draft.scratch(2 * count), draft.scratch(2 * count)
    for x, offset, target in zip(inputs, offsets, targets, strict=True):
        source = stretched(draft, x, shape)
        draft.add(Widen(source, KINDS[x.type], 1, 1, count, 0, 0, 1, count, offset, target))
    table = draft.keep(np.concatenate(parameters))
    size = dtype_of(y.type).itemsize
    draft.add(Combine(is_product, *targets, -(-count // LANES), sign, table, *finish, draft.write(y), size))


def scaling_of_input(p: common_scale.Input) -> Array:
    """Of an input on its way to the common scale: its shift may not be to the left."""
    require_compiled(-31 < p.shift <= 0)
    return scaling(p.left_shift, p.multiplier, p.shift)


def scaling(left: int, multiplier: int, shift: int) -> Array:
    """The parameters of one scaling for all lanes, as requantize.py has them."""
    require_compiled(-31 < shift < 31)
    right = max(-shift, 0)
    values = (0, multiplier, left + max(shift, 0), (1 << right) - 1, right)
    return np.repeat(np.array(values, np.int32), LANES)


def plan_pool(largest: bool) -> Callable[[Draft, Node], None]:
    """MAX_POOL_2D and AVERAGE_POOL_2D."""

    def plan(draft: Draft, node: Node) -> None:
        x, y = input_at(node, 0), output_at(node, 0)
        options = options_of(node, Pool2DOptions)
        shape = draft.shape(x)
        require_compiled((x.type in KINDS or x.type == TensorType.FLOAT32) and len(shape) == 4)
        batches, height, width, channels = shape
        rows = windows(options.padding, height, options.filter_height, options.stride_h)
        columns = windows(options.padding, width, options.filter_width, options.stride_w)
        if x.type == TensorType.FLOAT32:
            ends = activate(np.array([-np.inf, np.inf], np.float32), options.fused_activation_function)
            limits = np.append(ends, np.finfo(np.float32).min).astype(np.float32)
            draft.add(
                PoolFloats(
                    largest,
                    draft.read(x),
                    batches,
                    height,
                    width,
                    channels,
                    rows.number,
                    columns.number,
                    rows.length,
                    columns.length,
                    rows.stride,
                    columns.stride,
                    rows.before,
                    columns.before,
                    draft.keep(limits),
                    draft.write(y),
                )
            )
            return
        low, high = draft.host.numerics.activation_range(y, options.fused_activation_function)
        reciprocal = draft.scratch(8)
        draft.add(
            Pool(
                largest,
                draft.read(x),
                KINDS[x.type],
                batches,
                height,
                width,
                channels,
                rows.number,
                columns.number,
                rows.length,
                columns.length,
                rows.stride,
                columns.stride,
                rows.before,
                columns.before,
                low,
                high,
                draft.write(y),
                reciprocal,
            )
        )

    return plan


def plan_mean(draft: Draft, node: Node) -> None:
    """The mean of integers over neighbouring dimensions."""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    shape = draft.shape(x)
    require_compiled(x.type in KINDS and axis.data is not None)
    axes = sorted({each % len(shape) for each in integers(axis)})
    require_compiled(bool(axes) and axes == list(range(axes[0], axes[-1] + 1)))
    outer, count, inner = prod(shape[: axes[0]]), prod(shape[axes[0] : axes[-1] + 1]), prod(shape[axes[-1] + 1 :])
    require_compiled(count < 2**14)
    p = reduce.divided(reduce.rescaling_of(node), count)
    parameters = scaling(0, p.multiplier, p.shift)
    parameters[:LANES] = -p.input_zero_point * count
    limits = np.iinfo(dtype_of(y.type))
    draft.add(
        Mean(
            draft.read(x),
            KINDS[x.type],
            outer,
            count,
            inner,
            draft.keep(parameters),
            p.output_zero_point,
            int(limits.min),
            int(limits.max),
            draft.write(y),
            limits.dtype.itemsize,
            draft.scratch(4 * inner),
        )
    )


def plan_bilinear(draft: Draft, node: Node) -> None:
    """Where each pixel lies between the cells is told by the same functions that numpy's arithmetic asks."""
    x, size, y = input_at(node, 0), constant(input_at(node, 1)), output_at(node, 0)
    options = options_of(node, ResizeBilinearOptions)
    require_compiled(x.type in RESIZED and y.type == x.type and size is not None)
    assert size is not None
    shape = draft.shape(x)
    batches, height, width, channels = shape
    place, _ = resize.BILINEAR[x.type]
    rows, columns = (
        place(before, after, options) for before, after in zip((height, width), size.tolist(), strict=True)
    )
    require_compiled(draft.shape(y) == (batches, len(rows.low), len(columns.low), channels))
    places = tuple(draft.keep(np.stack((each.low, each.high)).astype(np.int64)) for each in (rows, columns))
    offsets = tuple(draft.keep(each.offset) for each in (rows, columns))
    draft.add(
        Resize(
            draft.read(x),
            RESIZED[x.type],
            batches,
            height * width,
            width,
            channels,
            len(rows.low),
            len(columns.low),
            places[0],
            places[1],
            offsets[0],
            offsets[1],
            draft.write(y),
        )
    )


RESIZED = {
    TensorType.INT8: RESIZED_INT8,
    TensorType.UINT8: RESIZED_UINT8,
    TensorType.INT16: RESIZED_INT16,
    TensorType.FLOAT32: RESIZED_FLOAT32,
}


def plan_softmax(draft: Draft, node: Node) -> None:
    """8 bits in, 8 or 16 out, in fixed point."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(x.type in BYTES)
    rows = softmax.SOFTMAX_FOLDS[x.type][y.type](node, draft.host)
    assert isinstance(rows, partial)
    table, low, high = rows.args
    shape = draft.shape(x)
    depth, size = shape[-1], dtype_of(y.type).itemsize
    exponentials = draft.keep(table.astype(np.int64))
    signed = x.type == TensorType.INT8
    draft.add(
        Softmax(draft.read(x), signed, prod(shape) // depth, depth, exponentials, low, high, draft.write(y), size)
    )


PLAN_MAXIMUM, PLAN_AVERAGE = plan_pool(largest=True), plan_pool(largest=False)
PLAN_SUM, PLAN_DIFFERENCE = plan_sum(0), plan_sum(-1)
