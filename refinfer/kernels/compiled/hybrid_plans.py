"""The plans of convolutions and FULLY_CONNECTED of floats with integer weights: images are quantized first."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels import fully_connected
from refinfer.kernels.common import input_at, optional_input, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, Planner, require_compiled
from refinfer.kernels.compiled.float_products import limits_of
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.products import (
    MAX_IMAGE_BYTES,
    ONE_BY_ONE,
    Finish,
    Scaling,
    add_depthwise,
    in_vectors,
    multiply,
    spread,
    window_starts,
    window_taps,
)
from refinfer.kernels.compiled.records import HYBRID, HYBRID_IN_TURN, KINDS, Address, QuantizeRows
from refinfer.kernels.compute import Shape, constant
from refinfer.kernels.conv import (
    BIAS,
    FILTER,
    INPUT,
    conv_operands,
    depthwise_operands,
    is_per_channel,
    window_grid,
)
from refinfer.kernels.convolution import filter_scales
from refinfer.kernels.window import Windows, span
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FLOAT32 = TensorType.FLOAT32
LARGEST = 255  # of an input, less its zero point


class Images(NamedTuple):
    """Quantized images: where they are, their height with its margin, the numbers in a row, and their scales."""

    address: Address
    size: tuple[int, int]
    scales: Address


def of_hybrid(plan: Planner, otherwise: Planner) -> Planner:
    """One plan for floats with weights that are none, another for the rest."""

    def by_types(draft: Draft, node: Node) -> None:
        is_hybrid = input_at(node, INPUT).type == FLOAT32 and input_at(node, FILTER).type != FLOAT32
        (plan if is_hybrid else otherwise)(draft, node)

    return by_types


def plan_conv(draft: Draft, node: Node) -> None:
    """A pixel for each window."""
    plan_conv_of(draft, node, None)


def plan_conv_as_declared(draft: Draft, node: Node) -> None:
    """As many pixels as the file says."""
    plan_conv_of(draft, node, output_at(node, 0).shape)


def plan_conv_of(draft: Draft, node: Node, declared: Shape | None) -> None:
    """Images have a zero point where scales differ, or channels are grouped; then the scales are multiplied in turn."""
    p = conv_operands(node, draft.host)
    shape, filters = draft.shape(p.x), weights_of(p.weights)
    grid = window_grid(options_of(node, Conv2DOptions), shape, filters.shape, declared)
    groups, channels = shape[3] // filters.shape[3], len(filters)
    per_group = channels // groups
    require_compiled(groups == 1 or per_group % LANES == 0)
    has_zero_point = is_per_channel(p) or groups > 1
    images = quantized(draft, p.x, grid, has_zero_point, repeats=grid[0].number * grid[1].number)
    scales, bias = np.array(filter_scales(p), np.float32), bias_of(node, channels)
    finish, output = finish_of(images, limits_of(draft, p.activation)), draft.write(p.y)
    for group in reversed(range(groups)):
        mine = slice(group * per_group, (group + 1) * per_group)
        starts = window_starts(grid, shape, images.size) + 2 * group * filters.shape[3]
        taps, packed = window_taps(filters[mine], grid, images.size[1])
        scaling = scaling_of(packed, spread(scales, mine, per_group), bias[mine], in_turn=has_zero_point)
        multiply(draft, images.address, starts, taps, packed, scaling, finish, output, group * per_group, channels)


def plan_depthwise(draft: Draft, node: Node) -> None:
    """A pixel for each window."""
    plan_depthwise_of(draft, node, None)


def plan_depthwise_as_declared(draft: Draft, node: Node) -> None:
    """As many pixels as the file says."""
    plan_depthwise_of(draft, node, output_at(node, 0).shape)


def plan_depthwise_of(draft: Draft, node: Node, declared: Shape | None) -> None:
    """Images have a zero point. Where all channels see the same pixels, it is an ordinary convolution."""
    options = options_of(node, DepthwiseConv2DOptions)
    p = depthwise_operands(node, draft.host)
    shape, filters = draft.shape(p.x), weights_of(p.weights)[0]
    outputs = filters.shape[2]
    multiplier = outputs // shape[3]
    require_compiled(outputs == multiplier * shape[3] and options.depth_multiplier == multiplier)
    grid = window_grid(options, shape, (1, *filters.shape), declared)
    rows, columns = grid
    scales, bias = spread(np.array(filter_scales(p), np.float32), slice(0, outputs), outputs), bias_of(node, outputs)
    limits = limits_of(draft, p.activation)
    if shape[3] == 1:
        images = quantized(draft, p.x, grid, True, repeats=rows.number * columns.number)
        taps, packed = window_taps(np.moveaxis(filters, -1, 0)[..., None], grid, images.size[1])
        starts, scaling = window_starts(grid, shape, images.size), scaling_of(packed, scales, bias, in_turn=False)
        finish = finish_of(images, limits)
        multiply(draft, images.address, starts, taps, packed, scaling, finish, draft.write(p.y), 0, outputs)
        return
    whole = Windows(shape[1], 1, 1, 1, shape[1], 0), Windows(shape[2], 1, 1, 1, shape[2], 0)
    images = quantized(draft, p.x, whole, True, repeats=rows.number)
    by_channel = np.moveaxis(filters, -1, 0)

    def scaling_of_all(repeat: int) -> Scaling:
        return scaling_of(by_channel, np.tile(scales, repeat), np.tile(bias, repeat), in_turn=False)

    finish, output = finish_of(images, limits), draft.write(p.y)
    kind = KINDS[TensorType.INT16]
    add_depthwise(draft, images.address, kind, 0, shape, grid, by_channel, scaling_of_all, finish, output)


def plan_fully_connected(draft: Draft, node: Node) -> None:
    """Each row of a matrix is quantized by itself; without activation, an infinity stays one."""
    options = options_of(node, FullyConnectedOptions)
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    matrix = weights_of(weights)
    shape, (units, depth) = draft.shape(x), matrix.shape
    fully_connected.output_shape(shape, matrix.shape, options.keep_num_dims)
    has_zero_point, rows = options.asymmetric_quantize_inputs, prod(shape) // depth
    require_compiled(rows > 0 and not (has_zero_point and weights.table.sparsity is not None))
    limits = FULLY_CONNECTED_LIMITS.get(options.fused_activation_function)
    require_compiled(limits is not None)
    images = quantized_rows(draft, x, (rows, 1, depth), (0, 0, 1, depth), has_zero_point, repeats=1)
    starts = 2 * depth * np.arange(rows)
    taps, packed = window_taps(matrix.reshape(units, 1, 1, depth), ONE_BY_ONE, depth)
    bias = np.zeros(units, np.float32) if optional_input(node, BIAS) is None else bias_of(node, units)
    require_compiled(not has_negative_zero(bias))
    scales = spread(np.array(fully_connected.scales(weights), np.float32), slice(0, units), units)
    scaling = scaling_of(packed, scales, bias, in_turn=False)
    finish = finish_of(images, draft.keep(np.array(limits, np.float32)))
    multiply(draft, images.address, starts, taps, packed, scaling, finish, draft.write(y), 0, units)


def weights_of(weights: Tensor) -> Array:
    """Constant weights; unsigned ones are signed ones under an old name."""
    values = constant(weights)
    require_compiled(values is not None and values.size > 0 and values.dtype.itemsize == 1)
    assert values is not None
    return values.view(np.int8).astype(np.int64)


def bias_of(node: Node, channels: int) -> Array:
    """The bias of each channel, -0 without one, which changes nothing that it is added to; as 0 would a -0."""
    bias = optional_input(node, BIAS)
    values = np.full(channels, -0.0, np.float32) if bias is None else constant(bias)
    require_compiled(values is not None)
    assert values is not None
    return values.reshape(-1)


def has_negative_zero(bias: Array) -> bool:
    """Whether it matters if a product of zeros is added to the bias, or left out."""
    return bool(np.any((bias == 0) & np.signbit(bias)))


def quantized(draft: Draft, x: Tensor, grid: Sequence[Windows], has_zero_point: bool, repeats: int) -> Images:
    """The images with the margin that the windows need."""
    batches, height, width, channels = draft.shape(x)
    rows, columns = grid
    require_compiled(rows.number > 0 and columns.number > 0)
    tall, wide = (max(1, (axis.number - 1) * axis.stride + span(axis.length, axis.dilation)) for axis in grid)
    margins = (rows.before, columns.before * channels, tall, wide * channels)
    images = quantized_rows(draft, x, (batches, height, width * channels), margins, has_zero_point, repeats)
    return images._replace(size=(tall, wide * channels))


def quantized_rows(
    draft: Draft,
    x: Tensor,
    shape: tuple[int, int, int],
    margins: tuple[int, int, int, int],
    has_zero_point: bool,
    repeats: int,
) -> Images:
    """A row of the plan for so many images of so many rows and numbers; margins are those of `QuantizeRows`."""
    batches, height, width = shape
    top, left, tall, wide = margins
    require_compiled(2 * batches * tall * wide <= MAX_IMAGE_BYTES)
    if (top, left, tall, wide) == (0, 0, height, width):
        height, width, tall, wide = 1, height * width, 1, height * width
    target, scales = draft.scratch(2 * batches * tall * wide), draft.scratch(4 * batches * repeats)
    source = draft.read(x)
    draft.add(
        QuantizeRows(source, batches, height, width, top, left, tall, wide, has_zero_point, target, repeats, scales)
    )
    return Images(target, (tall, wide), scales)


def scaling_of(weights: Array, scales: Array, bias: Array, *, in_turn: bool) -> Scaling:
    """The scales of channels and the bias, unless a sum may be too large, or a row of zeros may become something."""
    sums = np.abs(weights).reshape(len(weights), -1).sum(axis=1) * LARGEST
    require_compiled(int(sums.max()) < 2**31 and bool(np.isfinite(scales).all()))
    return in_vectors(HYBRID_IN_TURN if in_turn else HYBRID, [scales, bias])


def finish_of(images: Images, limits: int) -> Finish:
    """Floats, with a scale for each row."""
    return Finish(images.scales, limits, 0, np.dtype(np.float32), offset_step=4)


FULLY_CONNECTED_LIMITS = {
    ActivationFunctionType.NONE: (-np.inf, np.inf),
    ActivationFunctionType.RELU: (0, np.inf),
    ActivationFunctionType.RELU_N1_TO_1: (-1, 1),
    ActivationFunctionType.RELU6: (0, 6),
}
