"""How far an output may be written over its input by the kernels of CMSIS-NN, for int8 and a single image.

The order of accesses depends on the core, as the buffers do. Where TFLM calls the reference instead, its rule holds;
int16, int4, several images and groups have none. MAX_POOL_2D and PAD rely on a memcpy that copies upwards: with MVE it
is the library's own [arm_nnsupportfunctions.h: arm_memcpy_s8], else that of newlib, with which both were run in QEMU.
Source: CMSIS-NN at 4ab83cc (2026-06-17), Source/**/*.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels import conv, fully_connected, pad, pool, transpose_conv
from refinfer.kernels.common import input_at, options_of, output_at
from refinfer.kernels.kernel import Overlap
from refinfer.kernels.layout import Build
from refinfer.kernels.libraries.cmsis_nn_sizes import (
    ARMCLANG,
    DSP,
    MVE,
    MVE_CHANNELS,
    is_1x1,
    is_1xn,
    is_plain_depthwise,
    is_turned_around,
    most_channels_of_one,
)
from refinfer.kernels.libraries.library_window import Window, over
from refinfer.kernels.overlap import (
    Step,
    at_least,
    by_pixels,
    first_pixels,
    last_pass,
    of_binary,
    of_unary,
    pixels,
    worst,
)
from refinfer.kernels.window import windows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions

INT8 = TensorType.INT8
BY_THE_REFERENCE = frozenset({TensorType.FLOAT32, TensorType.INT32})
"""Types for which TFLM has no calls of CMSIS-NN."""


def of_conv(node: Node, position: int, build: Build) -> Overlap | None:
    """A few windows at a time, or a matrix of pixels for 1x1 [arm_convolve_wrapper_s8]."""
    if input_at(node, conv.INPUT).type in BY_THE_REFERENCE:
        return conv.overlap_conv(node, position, build)
    w = conv.window_of(node, Conv2DOptions)
    if position != conv.INPUT or not is_int8(node, conv.FILTER) or w.batches > 1 or w.channels != w.filter_channels:
        return None
    return convolution(w, build)


def is_int8(node: Node, weights: int) -> bool:
    """Whether both factors are."""
    return output_at(node, 0).type == input_at(node, weights).type == INT8


def convolution(w: Window, build: Build) -> Overlap | None:
    """Windows of a few pixels go to a buffer, and these pixels are written [arm_convolve_s8]; others know shortcuts."""
    if is_1x1(w):
        return None if is_armclang_dsp(build) and w.stride == (1, 1) else at_least(worst(of_1x1(w, build)))
    if MVE in build.defines and is_1xn(w):
        return None  # its shortcut has been seen to read beyond the image
    return at_least(worst(by_pixels(first_pixels(w), w.channels, w.output_channels, columns_at_once(build))))


def is_armclang_dsp(build: Build) -> bool:
    """Whether matrices are multiplied by a body of arm_convolve_1x1_s8_fast that GCC does not compile."""
    return {DSP, ARMCLANG} <= build.defines and MVE not in build.defines


def columns_at_once(build: Build) -> int:
    """How many windows the buffer of a convolution holds."""
    return 4 if MVE in build.defines else 2


def of_1x1(w: Window, build: Build) -> Iterator[Step]:
    """The image is a matrix of pixels; with strides each of its rows is one [arm_convolve_1x1_s8_fast, …_1x1_s8]."""
    (down, right), matrices, rows = w.stride, w.output_height, w.output_width
    if w.stride == (1, 1):
        matrices, rows = 1, w.height * w.width
    for matrix in range(matrices):
        ahead, start = matrix * rows * w.output_channels, matrix * down * w.width * w.channels
        for written, read in of_matrix(rows, w.channels * right, w.output_channels, build):
            yield ahead + written, start + read


def of_matrix(rows: int, x_row: int, outputs: int, build: Build) -> Iterator[Step]:
    """A matrix of `rows` pixels times filters; `x_row` bytes are from one pixel to the next [arm_nn_mat_mult_nt_t_s8].

    With MVE four pixels are read for each output and written at once; pixels that are left over have their outputs
    written in fours. Without, two outputs are made of two pixels at a time, and the pixels read anew for the next two.
    """
    if MVE in build.defines:
        fours = rows - rows % 4
        for row in range(0, fours, 4):
            yield (row + 3 if outputs > 1 else row) * outputs + outputs - 1, row * x_row
        for row in range(fours, rows):
            yield row * outputs + (outputs - 1) // 4 * 4, row * x_row
        return
    earlier = last_pass(outputs, 2)
    if earlier > 0:
        yield (rows - 1) * outputs + earlier, 0
    for row in range(0, rows, min(2, outputs)):
        yield row * outputs, row * x_row


def of_depthwise(node: Node, position: int, build: Build) -> Overlap | None:
    """Some channels or filters of a pixel at a time, with MVE four windows [arm_depthwise_conv_wrapper_s8]."""
    if input_at(node, conv.INPUT).type in BY_THE_REFERENCE:
        return conv.overlap_depthwise(node, position, build)
    w, multiplier = conv.window_of(node, DepthwiseConv2DOptions), multiplier_of(node)
    if position != conv.INPUT or not is_int8(node, conv.FILTER) or w.batches > 1:
        return None
    if w.output_channels != w.channels * multiplier:
        return None
    if MVE in build.defines and w.channels == 1 and w.output_channels > most_channels_of_one(build):
        return convolution(w._replace(filter_channels=1), build)
    if MVE in build.defines and is_plain_depthwise(w):
        return of_depthwise_mve(w)
    in_fours = multiplier % 4 == 0 and w.dilation == (1, 1)
    last = w.output_channels - w.channels - (3 if in_fours else 0)
    return at_least(worst(by_pixels(first_pixels(w), w.channels, w.output_channels, ahead=last)))


def multiplier_of(node: Node) -> int:
    """How many filters there are for each channel."""
    return options_of(node, DepthwiseConv2DOptions).depth_multiplier


def of_depthwise_mve(w: Window) -> Overlap:
    """Windows of four pixels go to a buffer, but 124 channels of the whole image first [arm_depthwise_conv_s8_opt]."""
    if w.channels > MVE_CHANNELS:
        return at_least((w.output_height * w.output_width - 1) * w.channels)
    return at_least(worst(by_pixels(first_pixels(w), w.channels, w.channels, 4)))


def of_average_pool(node: Node, position: int, build: Build) -> Overlap | None:
    """As the reference, some channels at a time [arm_avgpool_s8]."""
    x = input_at(node, 0)
    known = x.type in BY_THE_REFERENCE or (x.type == INT8 and x.shape[0] == 1)
    return pool.overlap(node, position, build) if known else None


def of_max_pool(node: Node, position: int, build: Build) -> Overlap | None:
    """The first of a window is copied to the output, and compared there with the others, which lie higher.

    [arm_max_pool_s8]
    """
    return of_average_pool(node, position, build) if copies_upwards(node, build) else None


def copies_upwards(node: Node, build: Build) -> bool:
    """Whether int8 is copied by a memcpy that is known; that of armclang's library is not."""
    return input_at(node, 0).type != INT8 or MVE in build.defines or ARMCLANG not in build.defines


def of_elementwise(node: Node, position: int, build: Build) -> Overlap | None:
    """Four values of both are read, and then written [arm_elementwise_add_s8, …_mul_s8]; the reference stretches."""
    return of_binary(node, position, build) if input_at(node, 0).type in {INT8, *BY_THE_REFERENCE} else None


def of_extremes(node: Node, position: int, build: Build) -> Overlap | None:
    """One value or sixteen of both are read, and then written [arm_maximum_s8, arm_minimum_s8]; none is stretched.

    But for a single value, which is read once. Of five dimensions it is told four.
    """
    x, y = input_at(node, position), output_at(node, 0)
    if x.type != INT8:
        return of_binary(node, position, build) if x.type in BY_THE_REFERENCE else None
    others = (each for each in node.inputs if each is not None and each.shape != y.shape)
    known = y.type == INT8 and len(y.shape) <= 4 and all(each.elements == 1 and len(each.shape) <= 4 for each in others)
    return of_binary(node, position, build) if known else None


def of_softmax(node: Node, position: int, build: Build) -> Overlap | None:
    """A row is read twice before it is written [arm_softmax_s8, arm_softmax_s8_s16]."""
    return of_unary(node, position, build) if input_at(node, 0).type in {INT8, *BY_THE_REFERENCE} else None


def of_pad(node: Node, position: int, build: Build) -> Overlap | None:
    """Row by row [arm_pad_s8]; of five dimensions it is told four."""
    x = input_at(node, 0)
    known = x.type != INT8 or (len(x.shape) <= 4 and copies_upwards(node, build))
    return pad.overlap_pad(node, position, build) if known else None


def of_fully_connected(node: Node, position: int, build: Build) -> Overlap | None:
    """Some outputs at a time [arm_nn_vec_mat_mult_t_s8, …_per_ch_s8], or as a convolution of 1x1."""
    x, y = fully_connected.ends(node)
    if x.type in BY_THE_REFERENCE:
        return fully_connected.overlap(node, position, build)
    if position != fully_connected.INPUT or not is_int8(node, fully_connected.FILTER):
        return None
    outputs, depth = y.shape[-1], input_at(node, fully_connected.FILTER).shape[-1]
    if len(y.shape) > 2 and depth % 4 == 0:
        rows = y.elements // max(1, outputs)
        return None if is_armclang_dsp(build) else at_least(worst(of_matrix(rows, depth, outputs, build)))
    return at_least(fully_connected.overlap_of_passes(node, outputs_at_once(build)))


def outputs_at_once(build: Build) -> int:
    """How many outputs of FULLY_CONNECTED are made in one pass over its input."""
    if MVE in build.defines:
        return 4
    return 2 if DSP in build.defines else 3


def of_transpose_conv(node: Node, position: int, build: Build) -> Overlap | None:
    """As a convolution, or row by row of the input [arm_transpose_conv_wrapper_s8]."""
    x, weights, y = input_at(node, transpose_conv.INPUT), input_at(node, transpose_conv.FILTER), output_at(node, 0)
    if x.type in BY_THE_REFERENCE:
        return transpose_conv.overlap_scattered(node, position, build)
    if position != transpose_conv.INPUT or not is_int8(node, transpose_conv.FILTER) or x.shape[0] > 1:
        return None
    options = options_of(node, TransposeConvOptions)
    top = windows(options.padding, y.shape[1], weights.shape[1], options.stride_h).before
    left = windows(options.padding, y.shape[2], weights.shape[2], options.stride_w).before
    w = over(x, weights, y, (options.stride_h, options.stride_w), dilation=(1, 1), padding=(top, left))
    return of_turned_around(w, build) if is_turned_around(w) else of_scattered(w)


def of_turned_around(w: Window, build: Build) -> Overlap:
    """A convolution over an image that is stretched with empty rows and columns [arm_convolve_s8, upscale_dims]."""
    (down, right), (top, left) = w.stride, w.padding
    rows = first_stretched(w.height, w.filter_height, down, w.filter_height - 1 - top, w.output_height)
    columns = first_stretched(w.width, w.filter_width, right, w.filter_width - 1 - left, w.output_width)
    firsts = pixels(rows, columns, w.height, w.width)
    return at_least(worst(by_pixels(firsts, w.channels, w.output_channels, columns_at_once(build))))


def first_stretched(size: int, length: int, factor: int, before: int, number: int) -> list[int | None]:
    """The first cell that each window on an axis reads, of cells that lie `factor` apart; None if it reads none."""
    firsts: list[int | None] = []
    for window in range(number):
        cell = max(0, -(-(window - before) // factor))
        firsts.append(cell if cell * factor < window - before + length and cell < size else None)
    return firsts


def of_scattered(w: Window) -> Overlap | None:
    """A row is read into a ring of rows of sums, and as many rows are written as it is the last for.

    There is no rule where the kernel leaves pixels of the output as they were, or writes behind it: where the padding
    is no multiple of the stride, and where the output has not the size that the sums have. [arm_transpose_conv_s8]
    """
    (down, right), (top, left) = w.stride, w.padding
    left_over = top + w.output_height - w.height * down
    columns = (w.width - 1) * right + max(w.filter_width, right)
    whole = 0 <= left_over <= max(0, w.filter_height - down) and left + w.output_width <= columns
    if top % down != 0 or not whole:
        return None
    y_row, x_row = w.output_width * w.output_channels, w.width * w.channels
    return at_least(worst((max(0, row * down - top) * y_row, row * x_row) for row in range(w.height)))
