"""How large CMSIS-NN wants its buffers: one function for each of the library's `…_get_buffer_size`.

The answer depends on the core that the library is compiled for: with MVE (Cortex-M55, M85), with the DSP extension
(Cortex-M4, M7, M33), or with neither. Source: CMSIS-NN at 4ab83cc (2026-06-17), the commit that TFLM pins,
Source/*/arm_*_get_buffer_sizes_*.c and Include/arm_nnsupportfunctions.h.
"""

from __future__ import annotations

from refinfer.kernels.layout import Build, round_up
from refinfer.kernels.libraries.library_window import Window

DSP, MVE = "ARM_MATH_DSP", "ARM_MATH_MVEI"
"""The macros of cores with the DSP extension, and with the vector extension, which then comes beside it."""
ARMCLANG = "__ARMCC_VERSION"
"""The macro of Arm's own compiler, for which two functions ask for more than for GCC."""

MVE_CHANNELS = 124  # worked on at a time by depthwise kernels [CH_IN_BLOCK_MVE]
MOST_CHANNELS_TO_SCATTER = 16  # a transposed convolution of more is turned around [REVERSE_TCOL_EFFICIENT_THRESHOLD]


def convolution(w: Window, build: Build) -> int:
    """Bytes for an int8 convolution [arm_convolve_wrapper_s8_get_buffer_size]."""
    if is_1x1(w):
        return fast_1x1(w.channels, build) if w.stride == (1, 1) else 0
    if MVE in build.defines:
        return convolution_in_one_row(w) if is_1xn(w) else convolution_mve(w.products)
    return 4 * round_up(w.products, 4)


def is_1x1(w: Window) -> bool:
    """Whether each output pixel depends on one input pixel [arm_nn_is_convolve_1x1]."""
    plain = w.padding == (0, 0) and w.dilation == (1, 1) and w.channels == w.filter_channels
    return plain and (w.filter_height, w.filter_width) == (1, 1)


def is_1xn(w: Window) -> bool:
    """Whether the image is one row, in steps that suit the kernel [arm_nn_is_convolve_1_x_n]."""
    one_row = w.height == 1 and w.filter_height == 1 and w.dilation[1] == 1
    return one_row and w.stride[1] * w.channels % 4 == 0 and w.channels == w.filter_channels


def fast_1x1(channels: int, build: Build) -> int:
    """[arm_convolve_1x1_s8_fast_get_buffer_size]"""
    return 4 * channels if {DSP, ARMCLANG} <= build.defines and MVE not in build.defines else 0


def convolution_mve(products: int) -> int:
    """Four columns of int8, in whole vectors of 16 [arm_convolve_s8_get_buffer_size_mve]."""
    return 4 * round_up(products, 16)


def convolution_in_one_row(w: Window) -> int:
    """[arm_convolve_1_x_n_s8_get_buffer_size_mve]"""
    total = (w.output_width - 1) * w.stride[1] + w.filter_width - w.width
    odd = total % 2 if total >= 0 else -(-total % 2)  # C's remainder
    pad, step = w.padding[1], w.stride[1]
    right = max(1, (pad + odd + step - 1) // step) if pad + odd != 0 else 0
    left = max(1, (pad + step - 1) // step) if pad != 0 else 0
    middle = max(w.output_width - (right + left), 0)
    if right + middle + left != w.output_width:
        return convolution_mve(w.products)
    at_left = (w.filter_width + pad) * w.channels
    at_right = (w.filter_width - 1 + (right if odd else pad)) * w.channels
    return max(at_left, at_right)


def convolution_int16(w: Window, build: Build) -> int:
    """Bytes for a 16x8 convolution [arm_convolve_s16_get_buffer_size]."""
    return 8 * round_up(w.products, 8) if MVE in build.defines else 4 * w.products


def depthwise(w: Window, build: Build) -> int:
    """Bytes for an int8 depthwise convolution [arm_depthwise_conv_wrapper_s8_get_buffer_size]."""
    if MVE in build.defines and w.channels == 1 and w.output_channels > most_channels_of_one(build):
        as_convolution = w._replace(filter_channels=1)
        taps = w.filter_height * w.filter_width
        return convolution(as_convolution, build) + w.output_channels * taps
    if not is_plain_depthwise(w):
        return 0
    small = (w.filter_height, w.filter_width) == (3, 3) and max(w.padding) <= 1
    if MVE not in build.defines and (small or DSP not in build.defines):
        return 0
    return depthwise_columns(w, build)


def most_channels_of_one(build: Build) -> int:
    """From where on a depthwise convolution of one channel is run as an ordinary one."""
    return 8 if ARMCLANG in build.defines else 1


def depthwise_int4(w: Window, build: Build) -> int:
    """Bytes for a depthwise convolution with int4 weights [arm_depthwise_conv_wrapper_s4_get_buffer_size]."""
    return depthwise_columns(w, build) if is_plain_depthwise(w) else 0


def is_plain_depthwise(w: Window) -> bool:
    """Whether the optimised kernels take it: one image, a filter for each channel, no dilation."""
    return w.channels == w.output_channels and w.batches == 1 and w.dilation == (1, 1)


def depthwise_columns(w: Window, build: Build) -> int:
    """[arm_depthwise_conv_s8_opt_get_buffer_size_mve, …_dsp]"""
    taps = w.filter_height * w.filter_width
    return 4 * MVE_CHANNELS * taps if MVE in build.defines else 2 * w.channels * taps


def average_pool(channels: int, build: Build) -> int:
    """[arm_avgpool_s8_get_buffer_size, arm_avgpool_s16_get_buffer_size]"""
    return 4 * channels if DSP in build.defines and MVE not in build.defines else 0


def fully_connected(outputs: int, build: Build) -> int:
    """[arm_fully_connected_s8_get_buffer_size]"""
    return 4 * outputs if MVE in build.defines else 0


def svdf(filters: int, build: Build) -> int:
    """[arm_svdf_s8_get_buffer_size]"""
    return 4 * filters if MVE in build.defines else 0


def is_turned_around(w: Window) -> bool:
    """Whether a transposed convolution is run as an ordinary one over a stretched image."""
    return max(w.stride) <= 2 and w.channels > MOST_CHANNELS_TO_SCATTER


def transpose_conv(w: Window, build: Build) -> int:
    """[arm_transpose_conv_s8_get_buffer_size] The row stride stands for the column stride once, as in the source."""
    if is_turned_around(w):
        return convolution_mve(w.products) if MVE in build.defines else 4 * round_up(w.products, 4)
    columns = (w.width - 1) * w.stride[1] + max(w.filter_width, w.stride[0])
    return 4 * columns * w.output_channels * max(w.filter_height, w.stride[0])


def reversed_filter(w: Window) -> int:
    """[arm_transpose_conv_s8_get_reverse_conv_buffer_size]"""
    return w.products * w.output_channels if is_turned_around(w) else 0
