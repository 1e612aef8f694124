"""Kernels on CMSIS-NN as they were in January 2023, which Arduino's libraries of TFLM still are.

Sources: Chirale_TensorFlowLite 2.0.0 (46da2f9, 2024-07-05): 467 of its 475 files are those of
tflite-micro-arduino-examples of 2023-01-14, and so of TFLM of 2023-01-13, but for includes and names;
src/tensorflow/lite/micro/kernels/cmsis_nn/*.cpp, src/third_party/cmsis_nn/Source/**/*.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels import add, conv, fully_connected, pool, softmax
from refinfer.kernels.common import (
    input_at,
    optional_input,
    options_of,
    output_at,
    require_in_debug,
    require_same_type,
)
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, temps
from refinfer.kernels.layout import INT32, POINTER, Build, struct
from refinfer.kernels.libraries.cmsis_nn import (
    OP_DATA_CONV,
    OP_DATA_DEPTHWISE,
    OP_DATA_POOLING,
    OP_DATA_SOFTMAX,
    init,
    instead_of,
    scratch,
)
from refinfer.kernels.libraries.cmsis_nn_sizes import DSP
from refinfer.kernels.libraries.library_window import Window, window
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions

FLOAT32, INT4, INT8, INT16 = TensorType.FLOAT32, TensorType.INT4, TensorType.INT8, TensorType.INT16
FAST_INT16_PRODUCTS = 512  # from here on sums of int16 could overflow [arm_convolve_wrapper_s16]

OP_DATA_FULLY_CONNECTED = struct(
    "cmsis_nn_2023/fully_connected:OpData",
    reference_op_data=fully_connected.OP_DATA_FULLY_CONNECTED,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
    buffer_idx=INT32,
    batches=INT32,
    accum_depth=INT32,
    output_depth=INT32,
)


def prepare_conv(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/conv.cpp: Prepare]"""
    x, weights, y = input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0)
    options, source = options_of(node, Conv2DOptions), "cmsis_nn/conv.cpp: Prepare"
    yield from temps(x, weights, y)
    conv.require_images(x, weights, y)
    if weights.type == INT4:
        yield conv.unpacked_filter(weights, source)
    if x.type in (INT8, INT16):
        yield from conv.per_channel_arrays(weights, conv.CONV_CHANNEL_AXIS, source)
    yield from conv.prepare_op_data(node, options.fused_activation_function, conv.CONV_CHANNEL_AXIS)
    if x.type in (INT8, INT16):
        size_of = convolution if x.type == INT8 else convolution_int16
        yield from scratch(size_of(window(x, weights, y, options), build), source)


def prepare_depthwise(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/depthwise_conv.cpp: Prepare]"""
    x, weights, y = input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0)
    options, source = options_of(node, DepthwiseConv2DOptions), "cmsis_nn/depthwise_conv.cpp: Prepare"
    yield from temps(x, weights, y)
    conv.require_images(x, weights, y)
    if x.type in (INT8, INT16):
        conv.require_scales(weights, conv.DEPTHWISE_CHANNEL_AXIS)
        yield from conv.per_channel_arrays(weights, conv.DEPTHWISE_CHANNEL_AXIS, source)
    if weights.type == INT4:
        yield conv.unpacked_filter(weights, source)
    yield from conv.prepare_op_data(node, options.fused_activation_function, conv.DEPTHWISE_CHANNEL_AXIS)
    if x.type == INT8:
        one_image = x.shape[0] == 1
        require_in_debug(build, one_image, f"{x.shape[0]} images; depthwise kernels take 1", x)
        yield from scratch(depthwise(window(x, weights, y, options), build), source)


def prepare_fully_connected(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/fully_connected.cpp: Prepare]"""
    x, weights = input_at(node, fully_connected.INPUT), input_at(node, fully_connected.FILTER)
    y, source = output_at(node, 0), "cmsis_nn/fully_connected.cpp: Prepare"
    yield from temps(x, weights, optional_input(node, fully_connected.BIAS), y)
    require_same_type(x, y)
    if x.type != FLOAT32:
        yield from fully_connected.prepare_op_data(node, build)
    if x.type == INT8:
        require_in_debug(build, 2 <= len(y.shape) <= 4, f"{len(y.shape)} dimensions; it gives 2 to 4", y)
        if len(y.shape) > 2 and weights.shape[-1] % 4 == 0:  # run as a convolution of 1x1
            yield Persistent("per_channel_output_multiplier", 4 * y.shape[-1], source)
            yield Persistent("per_channel_output_shift", 4 * y.shape[-1], source)
    if weights.type == INT4:
        yield conv.unpacked_filter(weights, source)


def prepare_average_pool(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/pooling.cpp: AveragePrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from pool.prepare_pool(node, build)
    yield from temps(x, y)
    if x.type == INT8 and DSP in build.defines:
        yield from scratch(4 * x.shape[3], "cmsis_nn/pooling.cpp: AveragePrepare")


def convolution(w: Window, build: Build) -> int:
    """[arm_convolve_wrapper_s8_get_buffer_size] without MVE."""
    one_by_one = (w.filter_height, w.filter_width) == w.stride == w.dilation == (1, 1)
    return 0 if one_by_one and w.padding == (0, 0) else 4 * w.products


def convolution_int16(w: Window, build: Build) -> int:
    """[arm_convolve_wrapper_s16_get_buffer_size] without MVE."""
    fast = DSP in build.defines and w.products < FAST_INT16_PRODUCTS and w.dilation == (1, 1)
    return 4 * w.products if fast else 0


def depthwise(w: Window, build: Build) -> int:
    """[arm_depthwise_conv_wrapper_s8_get_buffer_size] without MVE; windows of 3x3 are no exception yet."""
    plain = w.channels == w.output_channels and w.batches == 1 and w.dilation == (1, 1)
    return 2 * w.products if plain and DSP in build.defines else 0


def refuse_lstm(node: Node, build: Build) -> Iterator[Request]:
    """It was another kernel, and is not modelled."""
    raise Refusal("refinfer does not know what the LSTM of TFLM before 2023-02 takes")


CMSIS_NN_2023: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.ADD: instead_of(add.ADD, init(add.OP_DATA_ADD, "add.cpp")),
    BuiltinOperator.AVERAGE_POOL_2D: instead_of(
        pool.AVERAGE_POOL_2D, init(OP_DATA_POOLING, "pooling.cpp"), prepare_average_pool
    ),
    BuiltinOperator.CONV_2D: instead_of(conv.CONV_2D, init(OP_DATA_CONV, "conv.cpp"), prepare_conv),
    BuiltinOperator.DEPTHWISE_CONV_2D: instead_of(
        conv.DEPTHWISE_CONV_2D, init(OP_DATA_DEPTHWISE, "depthwise_conv.cpp"), prepare_depthwise
    ),
    BuiltinOperator.FULLY_CONNECTED: instead_of(
        fully_connected.FULLY_CONNECTED, init(OP_DATA_FULLY_CONNECTED, "fully_connected.cpp"), prepare_fully_connected
    ),
    BuiltinOperator.MAX_POOL_2D: instead_of(pool.MAX_POOL_2D, init(OP_DATA_POOLING, "pooling.cpp")),
    BuiltinOperator.SOFTMAX: instead_of(softmax.SOFTMAX, init(OP_DATA_SOFTMAX, "softmax.cpp")),
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: Kernel(init=refuse_lstm),
}
"""What CMSIS-NN replaced then; SVDF and MUL called it too, but asked for the memory of the reference."""

ADDED_SINCE = (
    BuiltinOperator.BATCH_MATMUL,
    BuiltinOperator.DYNAMIC_UPDATE_SLICE,
    BuiltinOperator.EMBEDDING_LOOKUP,
    BuiltinOperator.REDUCE_ALL,
    BuiltinOperator.REDUCE_MIN,
    BuiltinOperator.REVERSE_V2,
)
"""Operators that TFLM did not have."""
CUSTOM_THEN = ("CIRCULAR_BUFFER", "TFLite_Detection_PostProcess")
