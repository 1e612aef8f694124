"""CONV_2D and DEPTHWISE_CONV_2D.

Sources: tensorflow/lite/micro/kernels/conv.h, conv_common.cc, conv.cc, depthwise_conv_common.cc, depthwise_conv.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    PADDING_VALUES,
    decompressed_weights,
    in_compression_builds,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_affine,
    require_rank,
    require_same_type,
)
from refinfer.kernels.kernel import Kernel, Persistent, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT32, POINTER, Build, struct
from refinfer.kernels.quantization import require_convolution_quantization
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions

INPUT, FILTER, BIAS = 0, 1, 2
CONV_CHANNEL_AXIS, DEPTHWISE_CHANNEL_AXIS = 0, 3  # of the filter: OHWI and 1HWO
HYBRID = "Hybrid models are not supported on TFLite Micro."

CONV_PARAMS = struct(
    "TfLiteConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    activation=ENUM,
    dilation_width_factor=INT32,
    dilation_height_factor=INT32,
    quantized_bias_type=ENUM,
)
DEPTHWISE_CONV_PARAMS = struct(
    "TfLiteDepthwiseConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    depth_multiplier=INT32,
    activation=ENUM,
    dilation_width_factor=INT32,
    dilation_height_factor=INT32,
)
OP_DATA_CONV = struct(
    "OpDataConv",
    padding=PADDING_VALUES,
    input_zero_point=INT32,
    filter_zero_point=INT32,
    output_zero_point=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
    output_activation_min=INT32,
    output_activation_max=INT32,
    filter_buffer_index=INT32,
    weights_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
)


def prepare_conv(node: Node, build: Build) -> Iterator[Request]:
    """[conv_common.cc: ConvPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(y, x, weights)
    require_same_type(x, y)
    require((x.type, weights.type) in CONV_TYPES, HYBRID, weights)
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, CONV_CHANNEL_AXIS, "conv_common.cc: ConvPrepare")
    if x.type != TensorType.FLOAT32:
        require_scales(weights, CONV_CHANNEL_AXIS)
    activation = options_of(node, Conv2DOptions).fused_activation_function
    yield from prepare_op_data(node, activation, CONV_CHANNEL_AXIS)
    if weights.type == TensorType.INT4:
        yield unpacked_filter(weights, "conv_common.cc: ConvPrepare")
    yield from decompressed_weights(weights, optional_input(node, BIAS), build, "conv_common.cc: ConvPrepare")


def prepare_depthwise(node: Node, build: Build) -> Iterator[Request]:
    """[depthwise_conv_common.cc: DepthwiseConvPrepare] asks for the filter's type later than CONV_2D."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(y, x, weights)
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, DEPTHWISE_CHANNEL_AXIS, "depthwise_conv_common.cc: DepthwiseConvPrepare")
    if x.type == TensorType.INT8:
        require_scales(weights, DEPTHWISE_CHANNEL_AXIS)
    require(x.type == weights.type or (x.type, weights.type) in CONV_TYPES, HYBRID, weights)
    if weights.type == TensorType.INT4:
        yield unpacked_filter(weights, "depthwise_conv_common.cc: DepthwiseConvPrepare")
    activation = options_of(node, DepthwiseConv2DOptions).fused_activation_function
    yield from prepare_op_data(node, activation, DEPTHWISE_CHANNEL_AXIS)
    bias, source = optional_input(node, BIAS), "depthwise_conv_common.cc: DepthwiseConvPrepare"
    yield from decompressed_weights(weights, bias, build, source)


def require_images(*tensors: Tensor) -> None:
    """Prepare reads the four dimensions of an image without asking, and Invoke asserts that there are four."""
    for tensor in tensors:
        require_rank(tensor, 4)


def per_channel_arrays(weights: Tensor, channel_axis: int, source: str) -> Iterator[Request]:
    """A multiplier and a shift for each output channel; the reference kernels keep them for float32 too."""
    channels = weights.shape[channel_axis]
    yield Persistent("per_channel_output_multiplier", 4 * channels, source)
    yield Persistent("per_channel_output_shift", 4 * channels, source)


def unpacked_filter(weights: Tensor, source: str) -> Request:
    """Room for the int4 filter at a byte an element."""
    return Scratch("filter_buffer_index", weights.elements, source)


def prepare_op_data(node: Node, activation: ActivationFunctionType, channel_axis: int) -> Iterator[Request]:
    """[conv_common.cc: CalculateOpDataConv] looks at the same tensors a second time, while the first look lasts."""
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    bias = optional_input(node, BIAS)
    yield from temps(x, weights, bias, y)
    if x.type != TensorType.FLOAT32:
        require_convolution_quantization(x, weights, bias, y, activation, weights.shape[channel_axis])


def require_scales(weights: Tensor, channel_axis: int) -> None:
    """One scale for the whole filter, or one for each output channel."""
    require_affine(weights)
    assert weights.quantization is not None
    scales, channels = len(weights.quantization.scale), weights.shape[channel_axis]
    require(scales in (1, channels), f"{scales} scales for {channels} channels", weights)


def invoke_conv(node: Node) -> None:
    """[conv.cc: ConvEval] takes what Prepare let through, but is particular about the bias of int16."""
    bias = optional_input(node, BIAS)
    if input_at(node, INPUT).type == TensorType.INT16 and bias is not None:
        known = bias.type in (TensorType.INT32, TensorType.INT64)
        require(known, f"Bias type {bias.type.name} not supported.", bias)


def invoke_depthwise(node: Node) -> None:
    """[depthwise_conv.cc: DepthwiseConvEval]"""
    x, weights = input_at(node, INPUT), input_at(node, FILTER)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Input type {x.type.name} not supported.", x)
    require(
        (x.type, weights.type) in CONV_TYPES,
        f"Filter type {weights.type.name} for input type {x.type.name} not supported.",
        weights,
    )


CONV_TYPES = {
    (TensorType.FLOAT32, TensorType.FLOAT32),
    (TensorType.INT16, TensorType.INT8),
    (TensorType.INT8, TensorType.INT8),
    (TensorType.INT8, TensorType.INT4),
}

CONV_2D = Kernel(
    init=op_data(OP_DATA_CONV, "conv_common.cc: ConvInit"),
    prepare=prepare_conv,
    invoke=invoke_conv,
    parameters=CONV_PARAMS,
)
DEPTHWISE_CONV_2D = Kernel(
    init=op_data(OP_DATA_CONV, "depthwise_conv.cc: DepthwiseConvInit"),
    prepare=prepare_depthwise,
    invoke=invoke_depthwise,
    parameters=DEPTHWISE_CONV_PARAMS,
)
