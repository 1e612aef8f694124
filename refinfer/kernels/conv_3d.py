"""CONV_3D and CONV_3D_TRANSPOSE, of float32 alone.

Sources: tensorflow/lite/kernels/conv3d.cc, conv3d_transpose.cc, internal/reference/conv3d.h, conv3d_transpose.h. TFLM
has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, integers, optional_input, options_of, output_at, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.convolution import (
    Operands,
    finish_float,
    gather_in_order,
    in_blocks,
    require_operands,
    require_steps,
    rows_at_a_time,
    scatter_in_order,
    windows_of,
)
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.window import Windows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv3DOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUT, FILTER, BIAS = 0, 1, 2
SHAPE, TRANSPOSE_FILTER, TRANSPOSE_INPUT, TRANSPOSE_BIAS = 0, 1, 2, 3
CHANNEL_AXIS, TRANSPOSE_CHANNEL_AXIS = 4, 3  # of the filter: DHWIO, DHWOI


def fold_conv(node: Node, host: Host) -> Evaluate:
    """Sums over the windows of the input."""
    options = options_of(node, Conv3DOptions)
    p = operands(node, INPUT, FILTER, BIAS, CHANNEL_AXIS)

    def evaluate(x: Array, weights: Array, bias: Array | None = None) -> tuple[Array, ...]:
        require_same_depth(x.shape, weights.shape, weights.shape[3])
        layers, *rest = window_grid(options, x.shape, weights.shape)
        filters = np.expand_dims(weights, -2)  # one group
        blocks = layers.blocks(rows_at_a_time(len(x) * prod(axis.number for axis in rest) * weights.shape[4]))
        finish = partial(finish_float, p.activation, bias)
        return (in_blocks(blocks, finish, lambda layers: gather_in_order(x, filters, (layers, *rest))),)

    return evaluate


def fold_transpose(node: Node, host: Host) -> Evaluate:
    """Each pixel of the input adds its products with the filter to a window of the output."""
    options = options_of(node, Conv3DOptions)
    p = operands(node, TRANSPOSE_INPUT, TRANSPOSE_FILTER, TRANSPOSE_BIAS, TRANSPOSE_CHANNEL_AXIS)
    require_type(input_at(node, SHAPE), TensorType.INT32)

    def evaluate(shape: Array, weights: Array, x: Array, bias: Array | None = None) -> tuple[Array, ...]:
        require_same_depth(x.shape, weights.shape, weights.shape[4])
        output = tuple(shape.tolist())
        require(len(output) == 5, f"output shape {output}; it must have 5 dimensions")
        layers, *rest = window_grid(options, output, weights.shape)
        expected = (len(x), layers.number, *(axis.number for axis in rest), weights.shape[3])
        found = (output[0], *x.shape[1:4], output[4])
        require(found == expected, f"an output of {output} takes windows {expected[1:4]}; the input is {x.shape}")
        filters = np.ascontiguousarray(np.swapaxes(weights, 3, 4))
        blocks = layers.crops(rows_at_a_time(len(x) * prod(axis.size for axis in rest) * weights.shape[3]))
        finish = partial(finish_float, p.activation, bias)
        return (in_blocks(blocks, finish, lambda layers: scatter_in_order(x, filters, (layers, *rest))),)

    return evaluate


def operands(node: Node, x: int, weights: int, bias: int, channel_axis: int) -> Operands:
    """The tensors at some positions, as Prepare finds them."""
    options = options_of(node, Conv3DOptions)
    require(len(node.inputs) in (bias, bias + 1), f"{len(node.inputs)} inputs; it takes {bias} or {bias + 1}")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    p = Operands(
        input_at(node, x),
        input_at(node, weights),
        optional_input(node, bias),
        output_at(node, 0),
        channel_axis,
        options.fused_activation_function,
    )
    require_type(p.x, TensorType.FLOAT32)
    require_type(p.weights, TensorType.FLOAT32)
    require_operands(p, rank=5)
    require_steps(options.stride_d, options.stride_h, options.stride_w)
    require_steps(options.dilation_d_factor, options.dilation_h_factor, options.dilation_w_factor)
    return p


def require_same_depth(x: Shape, weights: Shape, depth: int) -> None:
    """There are no groups: a filter sees all channels."""
    require(len(x) == 5 and x[4] == depth, f"filters of {depth} channels (shape {weights}) for an input of {x}")


def window_grid(options: Conv3DOptions, image: Shape, weights: Shape) -> tuple[Windows, ...]:
    """The layers, rows and columns of windows that the filters have on an image."""
    strides = options.stride_d, options.stride_h, options.stride_w
    dilations = options.dilation_d_factor, options.dilation_h_factor, options.dilation_w_factor
    axes = zip(image[1:4], weights[:3], strides, dilations, strict=True)
    return tuple(windows_of(options.padding, *axis) for axis in axes)


def conv_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A pixel for each window, a channel for each filter."""
    grid = window_grid(options_of(node, Conv3DOptions), shapes[INPUT], shapes[FILTER])
    return [(shapes[INPUT][0], *(axis.number for axis in grid), shapes[FILTER][CHANNEL_AXIS])]


def transpose_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The value of the first input, if the file holds it."""
    tensor = input_at(node, SHAPE)
    return None if tensor.data is None else [integers(tensor, TensorType.INT32)]


COMPUTE_CONV_3D = Compute(fold=fold_conv, shape=conv_shape, types=frozenset({TensorType.FLOAT32}), version=1)
COMPUTE_CONV_3D_TRANSPOSE = Compute(
    fold=fold_transpose, shape=transpose_shape, types=frozenset({TensorType.INT32}), version=1
)
