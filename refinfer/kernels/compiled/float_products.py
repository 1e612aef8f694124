"""The plans of convolutions and FULLY_CONNECTED of floats."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from refinfer.kernels import fully_connected
from refinfer.kernels.common import input_at, optional_input, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.records import Address, DepthwiseFloats, MultiplyFloats, PadFloats
from refinfer.kernels.compute import Shape, constant
from refinfer.kernels.conv import BIAS, FILTER, INPUT, window_grid
from refinfer.kernels.quantization import activate
from refinfer.kernels.window import Windows, span
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FLOAT32 = TensorType.FLOAT32
MAX_IMAGE_BYTES = 2**29


def are_floats(node: Node) -> bool:
    """Whether input, filter and output are float32."""
    return {input_at(node, INPUT).type, input_at(node, FILTER).type, output_at(node, 0).type} == {FLOAT32}


def plan_conv_of_floats(draft: Draft, node: Node, declared: Shape | None) -> None:
    """Rows are pixels."""
    options = options_of(node, Conv2DOptions)
    x, y = input_at(node, INPUT), output_at(node, 0)
    shape, filters = draft.shape(x), weights_of(node)
    require_compiled(shape[3] == filters.shape[3])
    grid = window_grid(options, shape, filters.shape, declared)
    images, size = padded(draft, x, grid)
    multiply(draft, node, images, grid, shape, size, filters, y, options.fused_activation_function)


def plan_depthwise_of_floats(draft: Draft, node: Node, declared: Shape | None) -> None:
    """Lanes are channels, of one pixel or of a row of them; one channel for all is an ordinary convolution."""
    options = options_of(node, DepthwiseConv2DOptions)
    x, y = input_at(node, INPUT), output_at(node, 0)
    shape, filters = draft.shape(x), weights_of(node)
    _, down, across, channels = filters.shape
    require_compiled(shape[3] in (1, channels))
    grid = window_grid(options, shape, filters.shape, declared)
    images, size = padded(draft, x, grid)
    if shape[3] == 1:
        turned = np.moveaxis(filters[0], -1, 0)[..., None]
        multiply(draft, node, images, grid, shape, size, turned, y, options.fused_activation_function)
        return
    rows, columns = grid
    repeat = columns.number if columns.stride == 1 and channels % LANES else 1
    b, row = np.ogrid[: shape[0], : rows.number]
    starts = 4 * ((b * size[0] + row * rows.stride) * size[1]).reshape(-1)
    tap_y, tap_x = np.ogrid[:down, :across]
    taps = 4 * (tap_y * rows.dilation * size[1] + tap_x * columns.dilation * channels).reshape(-1)
    by_channel = np.tile(filters[0].reshape(-1, channels), (1, repeat)).T
    bias = np.tile(bias_of(node, channels), repeat)
    draft.add(
        DepthwiseFloats(
            images,
            draft.keep(starts),
            len(starts),
            draft.keep(taps),
            len(taps),
            draft.scratch(8 * len(taps)),
            draft.keep(pack(by_channel)),
            -(-len(by_channel) // LANES),
            columns.number // repeat,
            4 * columns.stride * channels,
            draft.keep(pack(bias[:, None])),
            limits_of(draft, options.fused_activation_function),
            draft.write(y),
            4 * channels,
            4 * channels * columns.number,
        )
    )


def plan_fully_connected_of_floats(draft: Draft, node: Node) -> None:
    """Rows are those of a matrix."""
    options = options_of(node, FullyConnectedOptions)
    x, y = input_at(node, INPUT), output_at(node, 0)
    shape, matrix = draft.shape(x), weights_of(node)
    fully_connected.output_shape(shape, matrix.shape, options.keep_num_dims)
    units, depth = matrix.shape
    rows = prod(shape) // depth
    require_compiled(rows > 0)
    filters = matrix.reshape(units, 1, 1, depth)
    as_image = (rows, 1, 1, depth)
    multiply(draft, node, draft.read(x), ONE, as_image, (1, depth), filters, y, options.fused_activation_function)


def weights_of(node: Node, position: int = FILTER) -> Array:
    """Constant weights that are finite: zeros around the image then add nothing."""
    weights = constant(input_at(node, position))
    require_compiled(weights is not None)
    assert weights is not None
    require_compiled(weights.size > 0 and bool(np.isfinite(weights).all()))
    return weights


def bias_of(node: Node, channels: int) -> Array:
    """The bias of each channel, 0 without one: no sum is -0, so that adds nothing."""
    bias = optional_input(node, BIAS)
    values = np.zeros(channels, np.float32) if bias is None else constant(bias)
    require_compiled(values is not None)
    assert values is not None
    return values.reshape(-1)


def limits_of(draft: Draft, activation: ActivationFunctionType) -> int:
    """The address of what a fused activation makes of the infinities."""
    return draft.keep(activate(np.array([-np.inf, np.inf], np.float32), activation))


def padded(draft: Draft, x: Tensor, grid: Sequence[Windows]) -> tuple[Address, tuple[int, int]]:
    """The images with the margin that the windows need, if any; their height, and the numbers in a row."""
    batches, height, width, channels = draft.shape(x)
    rows, columns = grid
    require_compiled(rows.number > 0 and columns.number > 0)
    tall, wide = ((axis.number - 1) * axis.stride + span(axis.length, axis.dilation) for axis in grid)
    if (rows.before, columns.before) == (0, 0) and tall <= height and wide <= width:
        return draft.read(x), (height, width * channels)
    nbytes = 4 * batches * tall * wide * channels
    require_compiled(nbytes <= MAX_IMAGE_BYTES)
    target = draft.scratch(nbytes)
    margins = (rows.before, columns.before * channels)
    draft.add(PadFloats(draft.read(x), batches, height, width * channels, *margins, tall, wide * channels, target))
    return target, (tall, wide * channels)


def multiply(
    draft: Draft,
    node: Node,
    images: Address,
    grid: Sequence[Windows],
    shape: Shape,
    size: tuple[int, int],
    filters: Array,
    y: Tensor,
    activation: ActivationFunctionType,
) -> None:
    """A row of the plan for filters [channels, down, across, depth] over images."""
    channels, down, across, depth = filters.shape
    rows, columns = grid
    b, row, column = np.ogrid[: shape[0], : rows.number, : columns.number]
    starts = 4 * ((b * size[0] + row * rows.stride) * size[1] + column * columns.stride * shape[3]).reshape(-1)
    tap_y, tap_x, c = np.ogrid[:down, :across, :depth]
    taps = 4 * (tap_y * rows.dilation * size[1] + tap_x * columns.dilation * shape[3] + c).reshape(-1)
    draft.add(
        MultiplyFloats(
            images,
            draft.keep(starts),
            len(starts),
            draft.keep(taps),
            len(taps),
            draft.keep(pack(filters.reshape(channels, -1))),
            -(-channels // LANES),
            draft.keep(pack(bias_of(node, channels)[:, None])),
            limits_of(draft, activation),
            draft.write(y),
            0,
            4 * channels,
        )
    )


def pack(weights: Array) -> Array:
    """The weights [channels, taps] of LANES channels beside each other: [vectors, taps, LANES]."""
    channels, taps = weights.shape
    vectors = -(-channels // LANES)
    whole = np.zeros((vectors * LANES, taps), np.float32)
    whole[:channels] = weights
    return whole.reshape(vectors, LANES, taps).swapaxes(1, 2)


ONE = (Windows(1, 1, 1, 1, 1, 0), Windows(1, 1, 1, 1, 1, 0))
