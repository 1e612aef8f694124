"""The plans of CONV_2D and FULLY_CONNECTED: packed weights, and where windows and their taps lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refinfer.kernels import convolution, fully_connected
from refinfer.kernels.arithmetic.fixedpoint import scale_int64, scale_ties_up, scale_twice
from refinfer.kernels.arithmetic.products import Params
from refinfer.kernels.common import input_at, optional_input, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.float_products import (
    are_floats,
    plan_conv_of_floats,
    plan_depthwise_of_floats,
    plan_fully_connected_of_floats,
)
from refinfer.kernels.compiled.jit import LANES, ROWS
from refinfer.kernels.compiled.microkernel import TURNS, columns_at_a_time
from refinfer.kernels.compiled.records import (
    FIXED,
    FLOATING,
    KINDS,
    SINGLE,
    UPWARD,
    WIDE,
    Address,
    Depthwise,
    Multiply,
    Widen,
)
from refinfer.kernels.compute import Shape, constant, dtype_of
from refinfer.kernels.conv import (
    BELIEVERS,
    BIAS,
    FILTER,
    INPUT,
    conv_operands,
    depthwise_operands,
    window_grid,
)
from refinfer.kernels.numerics import SCALE_IN_BLOCKS_OF_8, FixedPoint, FloatingPoint, SinglePrecision
from refinfer.kernels.window import Windows, span
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

MAX_IMAGE_BYTES = 2**28


class Scaling(NamedTuple):
    """How sums become outputs: the kind, and its parameters, a vector of LANES channels after the other."""

    kind: int
    parameters: Array
    nbytes: int  # of one vector's


class Finish(NamedTuple):
    """The zero point of the outputs, their limits and type; or the addresses of the scales of rows, and of limits."""

    offset: Address
    low: int
    high: int
    dtype: np.dtype[Any]
    offset_step: int = 0  # from one row to the next


def plan_conv(draft: Draft, node: Node) -> None:
    """A pixel for each window."""
    plan_conv_of(draft, node, None)


def plan_conv_as_declared(draft: Draft, node: Node) -> None:
    """As many pixels as the file says."""
    plan_conv_of(draft, node, output_at(node, 0).shape)


def plan_conv_of(draft: Draft, node: Node, declared: Shape | None) -> None:
    """Rows are pixels; a row of the filter over neighbouring pixels is one stretch of memory."""
    if are_floats(node):
        plan_conv_of_floats(draft, node, declared)
        return
    options = options_of(node, Conv2DOptions)
    p = conv_operands(node, draft.host)
    require_compiled((p.x.type, p.weights.type) in convolution.PARAMS and p.weights.data is not None)
    params = convolution.PARAMS[p.x.type, p.weights.type](p)
    shape, filters = draft.shape(p.x), constant(p.weights)
    assert filters is not None
    grid = window_grid(options, shape, filters.shape, declared)
    images, size = widened(draft, p.x, grid, params.input_offset)
    groups = shape[3] // filters.shape[3]
    per_group = len(filters) // groups
    require_compiled(groups == 1 or per_group % LANES == 0)
    weights = centred(filters, params.filter_offset)
    bias = bias_values(node, len(filters))
    output = draft.write(p.y)
    for group in reversed(range(groups)):
        mine = slice(group * per_group, (group + 1) * per_group)
        starts = window_starts(grid, shape, size) + 2 * group * filters.shape[3]
        taps, packed = window_taps(weights[mine], grid, size[1])
        scaling = scaling_of(params.requantize, weights[mine], bias[mine], limit(p.x, params.input_offset), mine)
        finish = finish_of(params)
        multiply(draft, images, starts, taps, packed, scaling, finish, output, group * per_group, len(filters))


def plan_depthwise(draft: Draft, node: Node) -> None:
    """A pixel for each window; filters are counted, though for some types the depth multiplier is believed."""
    believed = (input_at(node, INPUT).type, input_at(node, FILTER).type) in BELIEVERS
    plan_depthwise_of(draft, node, None, believed)


def plan_depthwise_as_declared(draft: Draft, node: Node) -> None:
    """As many pixels as the file says, and the depth multiplier is believed."""
    plan_depthwise_of(draft, node, output_at(node, 0).shape, believed=True)


def plan_depthwise_of(draft: Draft, node: Node, declared: Shape | None, believed: bool) -> None:
    """Lanes are channels; where these do not fill vectors, and windows touch, a row of pixels is one long pixel."""
    if are_floats(node):
        plan_depthwise_of_floats(draft, node, declared)
        return
    options = options_of(node, DepthwiseConv2DOptions)
    p = depthwise_operands(node, draft.host)
    require_compiled((p.x.type, p.weights.type) in convolution.PARAMS and p.weights.data is not None)
    params = convolution.PARAMS[p.x.type, p.weights.type](p)
    shape, filters = draft.shape(p.x), constant(p.weights)
    assert filters is not None
    outputs = filters.shape[3]
    multiplier = outputs // shape[3]
    require_compiled(outputs == multiplier * shape[3] and (not believed or options.depth_multiplier == multiplier))
    grid = window_grid(options, shape, filters.shape, declared)
    weights = centred(filters[0], params.filter_offset)
    bias = bias_values(node, outputs)
    if shape[3] == 1:  # all channels see the same pixels: an ordinary convolution
        images, image = widened(draft, p.x, grid, params.input_offset)
        flat = np.moveaxis(weights, -1, 0)[..., None]
        scaling = scaling_of(params.requantize, flat, bias, limit(p.x, params.input_offset), slice(0, outputs))
        taps, packed = window_taps(flat, grid, image[1])
        starts = window_starts(grid, shape, image)
        multiply(draft, images, starts, taps, packed, scaling, finish_of(params), draft.write(p.y), 0, outputs)
        return
    by_channel = np.moveaxis(weights, -1, 0)
    largest = limit(p.x, params.input_offset)

    def scaling_of_all(repeat: int) -> Scaling:
        repeated = np.tile(by_channel, (repeat, 1, 1))
        return scaling_of(params.requantize, repeated, np.tile(bias, repeat), largest, slice(0, outputs))

    finish, output = finish_of(params), draft.write(p.y)
    source, kind = draft.read(p.x), KINDS[p.x.type]
    add_depthwise(draft, source, kind, params.input_offset, shape, grid, by_channel, scaling_of_all, finish, output)


def add_depthwise(
    draft: Draft,
    source: Address,
    kind: int,
    input_offset: int,
    shape: Shape,
    grid: Sequence[Windows],
    weights: Array,
    scaling_of_all: Callable[[int], Scaling],
    finish: Finish,
    output: Address,
) -> None:
    """A row for filters [channels, down, across]; the scaling is asked for that of all channels so many times over."""
    rows, columns = grid
    outputs, taps_down, taps_across = weights.shape
    pixels = columns.number
    require_compiled(rows.number > 0 and pixels > 0)
    wide = max((pixels - 1) * columns.stride + span(taps_across, columns.dilation), columns.before + 1)
    repeat = pixels if columns.stride == 1 and outputs % LANES else 1
    scaling = scaling_of_all(repeat)
    pairs_down = (taps_down + 1) // 2
    slots = 2 * rows.dilation * (pairs_down - 1) + 1
    size = finish.dtype.itemsize
    require_compiled(4 * slots * wide * outputs <= MAX_IMAGE_BYTES)
    draft.add(
        Depthwise(
            source=source,
            kind=kind,
            batches=shape[0],
            height=shape[1],
            width=shape[2],
            channels=shape[3],
            multiplier=outputs // shape[3],
            top=rows.before,
            left=columns.before,
            padded_width=wide,
            taps_down=taps_down,
            taps_across=taps_across,
            dilation_down=rows.dilation,
            dilation_across=columns.dilation,
            stride_down=rows.stride,
            slots=slots,
            rows=rows.number,
            pixels=pixels // repeat,
            step=4 * columns.stride * outputs,
            vectors=-(-outputs * repeat // LANES),
            weights=draft.keep(pack(pairs_of_rows(weights, repeat), np.int16, lambda left: 1)),
            scaling=scaling.kind,
            parameters=draft.keep(scaling.parameters),
            parameter_bytes=scaling.nbytes,
            offset=finish.offset,
            offset_step=finish.offset_step,
            low=finish.low,
            high=finish.high,
            output=output,
            pixel_bytes=size * outputs,
            row_bytes=size * outputs * pixels,
            size=size,
            input_offset=input_offset,
            pairs=draft.scratch(4 * slots * wide * outputs),
            tables=draft.scratch(8 * (pairs_down * taps_across + slots)),
            sums=draft.scratch(4 * LANES * pixels),
        )
    )


def pairs_of_rows(weights: Array, repeat: int) -> Array:
    """Filters [channels, down, across] as pairs of taps, one below the other: [channels, pairs * across, 2]."""
    channels, down, across = weights.shape
    padded = np.zeros((channels, down + down % 2, across), weights.dtype)
    padded[:, :down] = weights
    paired = np.moveaxis(padded.reshape(channels, -1, 2, across), 2, 3)
    return np.tile(paired.reshape(channels, -1, 2), (repeat, 1, 1))


def plan_fully_connected(draft: Draft, node: Node) -> None:
    """Rows are those of a matrix."""
    if are_floats(node):
        plan_fully_connected_of_floats(draft, node)
        return
    options = options_of(node, FullyConnectedOptions)
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    require_compiled(x.type in fully_connected.PARAMS and weights.data is not None)
    fully_connected.require_bias(node)
    params = fully_connected.params(node, draft.host)
    matrix = constant(weights)
    assert matrix is not None
    require_compiled(matrix.ndim == 2 and matrix.size > 0)
    shape = draft.shape(x)
    fully_connected.output_shape(shape, matrix.shape, options.keep_num_dims)
    units, depth = matrix.shape
    rows = prod(shape) // depth
    require_compiled(rows > 0)
    images = draft.scratch(2 * rows * depth)
    source = draft.read(x)
    draft.add(Widen(source, KINDS[x.type], 1, 1, rows * depth, 0, 0, 1, rows * depth, params.input_offset, images))
    values = centred(matrix, params.filter_offset)
    scaling = scaling_of(
        params.requantize, values, bias_values(node, units), limit(x, params.input_offset), slice(0, units)
    )
    starts = 2 * depth * np.arange(rows)
    taps, packed = window_taps(values.reshape(units, 1, 1, depth), ONE_BY_ONE, depth)
    multiply(draft, images, starts, taps, packed, scaling, finish_of(params), draft.write(y), 0, units)


def centred(weights: Array, offset: int) -> Array:
    """weights + offset as they are multiplied, which is in 16 bits."""
    low, high = int(weights.min(initial=0)) + offset, int(weights.max(initial=0)) + offset
    require_compiled(low > -(2**15) and high < 2**15)
    return weights.astype(np.int16) + np.array(offset).astype(np.int16)  # modulo 2**16


def widened(draft: Draft, x: Tensor, grid: Sequence[Windows], offset: int) -> tuple[Address, tuple[int, int]]:
    """The images as int16 with the margin that the windows need; their height, and the numbers in a row."""
    batches, height, width, channels = draft.shape(x)
    rows, columns = grid
    tall, wide = (max(1, (axis.number - 1) * axis.stride + span(axis.length, axis.dilation)) for axis in grid)
    nbytes = 2 * batches * tall * wide * channels
    require_compiled(nbytes <= MAX_IMAGE_BYTES and rows.number > 0 and columns.number > 0)
    target = draft.scratch(nbytes)
    fields = (batches, height, width * channels, rows.before, columns.before * channels, tall, wide * channels)
    if (height, width, 0, 0) == (tall, wide, rows.before, columns.before):  # one row of everything
        numbers = batches * height * width * channels
        fields = (1, 1, numbers, 0, 0, 1, numbers)
    draft.add(Widen(draft.read(x), KINDS[x.type], *fields, offset, target))
    return target, (tall, wide * channels)


def window_starts(grid: Sequence[Windows], shape: Shape, size: tuple[int, int]) -> Array:
    """The byte at which the window of each output pixel begins."""
    rows, columns = grid
    tall, wide = size
    b, y, x = np.ogrid[: shape[0], : rows.number, : columns.number]
    return 2 * ((b * tall + y * rows.stride) * wide + x * columns.stride * shape[3]).reshape(-1)


def window_taps(weights: Array, grid: Sequence[Windows], wide: int) -> tuple[Array, Array]:
    """The byte at which each pair of numbers lies in a window, and the weights in pairs: [outputs, pairs, 2].

    Neighbouring pixels lie beside each other, so that a row of the filter is one stretch; unless it is dilated.
    """
    outputs, height, width, depth = weights.shape
    rows, columns = grid
    stretches = (height, 1, width * depth) if columns.dilation == 1 else (height, width, depth)
    pairs = (stretches[2] + 1) // 2
    y, x, pair = np.ogrid[: stretches[0], : stretches[1], :pairs]
    taps = 2 * (y * rows.dilation * wide + x * columns.dilation * depth + 2 * pair).reshape(-1)
    padded = np.zeros((outputs, stretches[0] * stretches[1], 2 * pairs), weights.dtype)
    padded[..., : stretches[2]] = weights.reshape(outputs, -1, stretches[2])
    return taps, padded.reshape(outputs, -1, 2)


def pack(weights: Array, dtype: type, at_a_time: Callable[[int], int]) -> Array:
    """The weights in the order in which they are read: tile after tile, [pairs, vectors of the tile, LANES, 2] each.

    `at_a_time` tells how many vectors a tile has, the last first, from how many are left.
    """
    outputs, pairs, _ = weights.shape
    left = -(-outputs // LANES)
    padded = np.zeros((left * LANES, pairs, 2), dtype)
    padded[:outputs] = weights
    vectors = padded.reshape(left, LANES, pairs, 2)
    tiles: list[Array] = []
    while left > 0:
        count = at_a_time(left)
        left -= count
        tiles.append(np.moveaxis(vectors[left : left + count], 2, 0).reshape(-1))
    return np.concatenate(tiles[::-1])


def in_turns(taps: Array, weights: Array) -> tuple[Array, Array]:
    """As many pairs as steps that take turns need: the last ones are multiplied with 0."""
    more = -len(taps) % TURNS
    if more == 0:
        return taps, weights
    return np.append(taps, np.zeros(more, np.int64)), np.pad(weights, ((0, 0), (0, more), (0, 0)))


def multiply(
    draft: Draft,
    images: Address,
    starts: Array,
    taps: Array,
    weights: Array,
    scaling: Scaling,
    finish: Finish,
    output: Address,
    first: int,
    channels: int,
) -> None:
    """The product, from the channel `first` of so many on. Few rows are multiplied with weights of one byte."""
    few, low, high = len(starts) < ROWS, int(weights.min(initial=0)), int(weights.max(initial=0))
    require_compiled(low > -(2**15) and high < 2**15)
    narrow = few and low >= -128 and high < 128
    taps, weights = in_turns(taps, weights) if few else (taps, weights)
    size = finish.dtype.itemsize
    draft.add(
        Multiply(
            images,
            draft.keep(starts.astype(np.int64)),
            len(starts),
            draft.keep(taps.astype(np.int64)),
            len(taps),
            draft.keep(pack(weights, np.int8 if narrow else np.int16, partial(columns_at_a_time, few))),
            1 if narrow else 2,
            -(-len(weights) // LANES),
            scaling.kind,
            draft.keep(scaling.parameters),
            scaling.nbytes,
            finish.offset,
            finish.offset_step,
            finish.low,
            finish.high,
            output,
            size * first,
            size * channels,
            size,
        )
    )


def finish_of(p: Params) -> Finish:
    """What outputs are limited to."""
    return Finish(p.output_offset, p.low, p.high, p.dtype)


def bias_values(node: Node, channels: int) -> Array:
    """The bias of each channel, 0 without one."""
    bias = optional_input(node, BIAS)
    if bias is None:
        return np.zeros(channels, np.int64)
    values = constant(bias)
    require_compiled(values is not None)
    assert values is not None
    return values.reshape(-1).astype(np.int64)


def limit(x: Tensor, offset: int) -> int:
    """The largest magnitude that a number of the input, less its zero point, can have."""
    limits = np.iinfo(dtype_of(x.type))
    return max(abs(int(limits.min) + offset), abs(int(limits.max) + offset))


def scaling_of(requantize: Requantize, weights: Array, bias: Array, largest: int, channels: slice) -> Scaling:
    """The parameters of the epilogue, unless a sum may be too large for it."""
    flat = weights.reshape(len(weights), -1)
    sums = np.abs(flat).sum(axis=1, dtype=np.int64) * largest
    totals = sums + np.abs(bias)
    if isinstance(requantize, FloatingPoint):
        real = spread(requantize.real, channels, len(bias))
        require_compiled(bool(np.all(totals * np.abs(real) < 2**30)) and int(totals.max()) < 2**31)
        return in_vectors(FLOATING, [real, bias.astype(np.float64)])
    if isinstance(requantize, SinglePrecision):
        real = spread(requantize.real, channels, len(bias))
        return in_vectors(SINGLE, [real, bias.astype(np.int32).view(np.float32)])
    require_compiled(isinstance(requantize, FixedPoint))
    assert isinstance(requantize, FixedPoint)
    multiplier, shift = (spread(each, channels, len(bias)) for each in (requantize.multiplier, requantize.shift))
    if requantize.scale is scale_twice:
        return fixed_scaling(bias, multiplier, shift)
    if requantize.scale in TIES_UP:
        upward = TIES_UP[requantize.scale](channels.stop)
        return fixed_scaling(bias, multiplier, shift, spread(-1 + upward.astype(np.int64), channels, len(bias)))
    require_compiled(requantize.scale is scale_int64 and int(sums.max()) < 2**31)
    total = 15 - shift
    require_compiled(int(total.min()) >= 1 and int(total.max()) < 63 and int(totals.max()) < 2**47)
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + 2**15) >> 16, 0x7FFF)
    return in_vectors(WIDE, [bias, reduced, np.int64(1) << (total - 1), total])


TIES_UP: dict[object, Callable[[int], Array]] = {
    scale_ties_up: lambda channels: np.ones(channels, bool),
    SCALE_IN_BLOCKS_OF_8: lambda channels: np.arange(channels) < channels // 8 * 8,
}
"""Which of so many channels take ties up, by what scales them."""


def fixed_scaling(bias: Array, multiplier: Array, shift: Array, *away: Array) -> Scaling:
    """Two roundings in int32; `away` is -1 where ties go away from zero, 0 where they go up; everywhere if left out."""
    require_compiled(int(shift.max()) < 32 and int(shift.min()) > -32)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    mask = (1 << right) - 1
    columns = [each.astype(np.int32) for each in (bias, multiplier, left, mask, right, *away)]
    return in_vectors(UPWARD if away else FIXED, columns)


def spread(values: Array, channels: slice, count: int) -> Array:
    """The values of these channels, one for each; over and over again, if more are needed."""
    return np.resize(values if len(values) == 1 else values[channels], count)


def in_vectors(kind: int, columns: Sequence[Array]) -> Scaling:
    """LANES numbers of each column in turn."""
    rows = np.stack(columns)
    vectors = -(-rows.shape[1] // LANES)
    padded = np.zeros((len(rows), vectors * LANES), rows.dtype)
    padded[:, : rows.shape[1]] = rows
    arranged = padded.reshape(len(rows), vectors, LANES).swapaxes(0, 1)
    return Scaling(kind, arranged, len(rows) * LANES * rows.itemsize)


ONE_BY_ONE = (Windows(1, 1, 1, 1, 1, 0), Windows(1, 1, 1, 1, 1, 0))
