"""How large esp-nn wants its buffers: one function for each of the library's `esp_nn_get_…_scratch_size`.

The answer depends on the chip that the library is compiled for, ESP32-S3, ESP32-P4 or any other, and on its release.
Sources: esp-nn, tags v1.0.0 to v1.2.0 and commits 79d59ae (1.2.1), def4d7a (1.2.2), 5f0a807 (1.2.3), under src/:
convolution/esp_nn_conv_*.c, convolution/esp_nn_depthwise_conv_*.c, softmax/esp_nn_softmax_*.c.
"""

from __future__ import annotations

from refinfer.kernels.layout import Build, round_up
from refinfer.kernels.libraries.library_window import Window

OPTIMIZED = "CONFIG_NN_OPTIMIZED"
"""The macro without which esp-nn is plain C for every chip; ESP-IDF's default is with it."""
ESP32S3, ESP32P4 = "CONFIG_IDF_TARGET_ESP32S3", "CONFIG_IDF_TARGET_ESP32P4"
"""The macros of the chips that have kernels of their own; all others share some."""

GAP_OF_32 = "esp-nn: 16-bit depthwise kernels leave a gap of 32"
COPIED_FILTERS = "esp-nn: the S3 copies filters to aligned rows"
MARGIN_OF_64 = "esp-nn: the S3 keeps a margin of 64"
P4_COLUMNS = "esp-nn: the P4 copies windows"

RELEASES: dict[str, frozenset[str]] = {
    "1.1.0": frozenset(),
    "1.1.1": frozenset(),
    "1.1.2": frozenset(),
    "1.2.0": frozenset({GAP_OF_32}),  # dd785b0
    "1.2.1": frozenset({GAP_OF_32, COPIED_FILTERS}),  # 27d1f4a, f433e61
    "1.2.2": frozenset({GAP_OF_32, COPIED_FILTERS}),
    "1.2.3": frozenset({GAP_OF_32, COPIED_FILTERS, MARGIN_OF_64, P4_COLUMNS}),  # d17c031, 2bfa080
}
"""What the buffers of each release are like. The library has no macro for its release, so these are ours."""

STRIP_AT_ONCE, STRIP_AT_ONCE_16_BIT = 40 * 1024, 48 * 1024  # larger images are worked on in strips
P4_CACHE = 32768  # [esp_nn_conv_esp32p4.c: L1D_BUDGET]
VECTOR = 16


def convolution(w: Window, build: Build) -> int:
    """Bytes for an int8 convolution [esp_nn_get_conv_scratch_size]."""
    if OPTIMIZED not in build.defines:
        return 0
    if ESP32S3 in build.defines:
        return convolution_s3(w, build)
    return convolution_p4(w, build) if ESP32P4 in build.defines else 0


def convolution_s3(w: Window, build: Build) -> int:
    """[esp_nn_get_conv_scratch_size_esp32s3]"""
    margin = 64 if MARGIN_OF_64 in build.defines else 32
    if is_pointwise(w):
        return pointwise(w) + margin
    if COPIED_FILTERS not in build.defines:
        return padded_copies(w) + margin
    if w.filter_width * w.channels < VECTOR <= w.products:
        column = round_up(w.products, VECTOR)
        return 4 * w.output_channels + (w.output_channels + 1) * column + 2 * VECTOR + margin
    rows = round_up(w.filter_width * w.channels, VECTOR) * w.filter_height * w.output_channels
    return padded_copies(w) + rows + beyond_the_image(w) + margin


def convolution_p4(w: Window, build: Build) -> int:
    """[esp_nn_get_conv_scratch_size_esp32p4] Its first version was the S3's."""
    margin, sums = 32, 4 * w.output_channels
    if is_pointwise(w):
        few = P4_COLUMNS in build.defines and w.channels < VECTOR
        return (sums + VECTOR * w.output_channels + 2 * VECTOR if few else pointwise(w)) + margin
    unpadded = w.padding == (0, 0)
    if P4_COLUMNS not in build.defines or (unpadded and w.filter_width * w.channels >= VECTOR):
        return padded_copies(w) + margin
    if w.products >= VECTOR:
        return sums + w.products + margin
    if unpadded:
        return sums + vector_filters(w) + w.width * w.height * VECTOR + margin
    return (padded_copies(w) if padded_image(w) + sums <= P4_CACHE else sums + tile(w)) + margin


def is_pointwise(w: Window) -> bool:
    """Whether each output pixel depends on one input pixel."""
    return (w.filter_height, w.filter_width) == w.stride == (1, 1) and w.padding == (0, 0)


def pointwise(w: Window) -> int:
    """Filters of whole vectors of 8 channels, the image too if it has others, and eight pixels in 16 bits."""
    channels = round_up(w.channels, 8)
    image = w.width * w.height * channels if w.channels % 8 else 0
    pixels = 16 * channels if w.width * w.height >= 8 else 0
    return image + channels * w.output_channels + pixels


def padded_copies(w: Window) -> int:
    """The image with its padding, if it has any, filters of whole vectors of 16 channels, and a sum for each."""
    image = 0 if w.padding == (0, 0) else padded_image(w)
    filters = w.filter_width * w.filter_height * round_up(w.channels, VECTOR) * w.output_channels
    return image + filters + 4 * w.output_channels


def padded_image(w: Window) -> int:
    """The image with as much padding behind it as ahead of it."""
    return (w.width + 2 * w.padding[1]) * (w.height + 2 * w.padding[0]) * w.channels


def beyond_the_image(w: Window) -> int:
    """The image with what windows reach of it below and to the right; none if they stay inside."""
    below, right = overhang(w)
    return (w.width + right) * (w.height + below) * w.channels if below or right else 0


def overhang(w: Window) -> tuple[int, int]:
    """How many rows and columns are behind the image, counted generously: a window past the last one fits too."""
    below = w.output_height * w.stride[0] + w.filter_height - 1 - w.height
    right = w.output_width * w.stride[1] + w.filter_width - 1 - w.width
    return max(0, below), max(0, right)


def vector_filters(w: Window) -> int:
    """Filters of few channels, one vector for each tap."""
    return w.filter_width * w.filter_height * VECTOR * w.output_channels


def tile(w: Window) -> int:
    """As many rows of windows as the cache holds beside the filters, at one vector for each cell."""
    row = (w.width + 2 * w.padding[1]) * VECTOR
    spare = P4_CACHE - 4 * w.output_channels - vector_filters(w) - w.filter_height * row
    rows = min(spare // (w.stride[0] * row) + 1, w.output_height) if spare >= 0 else 1
    return ((rows - 1) * w.stride[0] + w.filter_height + 2 * w.padding[0]) * row + vector_filters(w)


def depthwise(w: Window, multiplier: int, build: Build) -> int:
    """Bytes for an int8 depthwise convolution [esp_nn_get_depthwise_conv_scratch_size]; only the S3 wants any."""
    if not {OPTIMIZED, ESP32S3} <= build.defines:
        return 0
    is_3x3 = (w.filter_height, w.filter_width) == (3, 3)
    if multiplier == 1 and w.channels % VECTOR == 0 and is_3x3:
        return depthwise_3x3(w, build)
    if COPIED_FILTERS in build.defines and multiplier == 1 and w.channels > 3:
        return depthwise_s3(w, is_3x3)
    if multiplier % 4 == 0 or (multiplier == 1 and w.channels % 8 == 0 and is_3x3):
        return in_16_bits(w, multiplier) + (32 if GAP_OF_32 in build.defines else 16)
    return 32


def depthwise_s3(w: Window, is_3x3: bool) -> int:
    """A filter for each of more than three channels, but for the case that always had a kernel of its own."""
    if w.channels % 8:
        return of_8_channels(w)
    if not is_3x3:
        whole = in_16_bits(w, 1)
        strip = 2 * w.products + 2 * w.width * w.filter_height * w.channels
        return (whole if whole <= STRIP_AT_ONCE_16_BIT else strip) + 32
    return in_16_bits(w, 1) + 32 if w.channels == 8 else of_16_channels(w)


def depthwise_3x3(w: Window, build: Build) -> int:
    """Of 16, 32, … channels: the filter, and the image if it has to be padded; since 1.2.1 in strips if it is large."""
    below, right = overhang(w) if w.padding == (0, 0) else (2 * w.padding[0], 2 * w.padding[1])
    if not (below or right):
        return w.products + VECTOR
    row = (w.width + right) * w.channels
    image = row * (w.height + below)
    in_strips = COPIED_FILTERS in build.defines and image > STRIP_AT_ONCE
    return w.products + (row * w.filter_height if in_strips else image) + VECTOR


def of_16_channels(w: Window) -> int:
    """Filter, padded image and output of 24, 40, … channels, brought to a multiple of 16."""
    channels = round_up(w.channels, VECTOR)
    below, right = overhang(w)
    image = (w.width + 2 * w.padding[1] + right) * (w.height + 2 * w.padding[0] + below)
    return (9 + image + w.output_width * w.output_height) * channels + 64


def of_8_channels(w: Window) -> int:
    """Filter and image in 16 bits, output, and three numbers for each channel, brought to a multiple of 8."""
    channels = round_up(w.channels, 8)
    end = round_up(2 * w.filter_width * w.filter_height * channels, VECTOR)
    end = round_up(end + 2 * w.width * w.height * channels, VECTOR)
    end = round_up(end + w.output_width * w.output_height * channels, VECTOR)
    return end + 12 * channels + VECTOR


def in_16_bits(w: Window, multiplier: int) -> int:
    """Filters and image, each value widened."""
    return 2 * (w.products * multiplier + w.width * w.height * w.channels)


def softmax(width: int, build: Build) -> int:
    """[esp_nn_get_softmax_scratch_size]"""
    return 4 * width if OPTIMIZED in build.defines else 0
