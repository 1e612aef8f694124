"""TRANSPOSE_CONV.

Source: tensorflow/lite/micro/kernels/transpose_conv.cc. Its input 0 is the output's shape, which TFLM ignores.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    in_compression_builds,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_in_debug,
    require_same_type,
)
from refinfer.kernels.conv import HYBRID, per_channel_arrays, require_images, require_scales
from refinfer.kernels.kernel import Decompressed, Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT16, INT32, POINTER, UINT8, Build, struct
from refinfer.kernels.quantization import require_convolution_quantization
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import TransposeConvOptions

FILTER, INPUT, BIAS = 1, 2, 3
CHANNEL_AXIS = 0  # of the filter, OHWI

TRANSPOSE_CONV_PARAMS = struct(
    "TfLiteTransposeConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    activation=ENUM,
    quantized_bias_type=ENUM,
)
SMALL_PADDING_VALUES = struct("PaddingValues", width=INT16, height=INT16, width_offset=INT16, height_offset=INT16)
CONV_PARAMS = struct(
    "ConvParams",
    padding_type=UINT8,
    padding_values=SMALL_PADDING_VALUES,
    stride_width=INT16,
    stride_height=INT16,
    dilation_width_factor=INT16,
    dilation_height_factor=INT16,
    input_offset=INT32,
    weights_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
)
OP_DATA = struct(
    "transpose_conv:OpData",
    params=CONV_PARAMS,
    scratch_buffer_index=INT32,
    filter_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
    bias_converted_buffer_index=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[transpose_conv.cc: TransposeConvPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    source = "transpose_conv.cc: TransposeConvPrepare"
    yield from temps(y, x, weights)
    require(
        x.type == weights.type or (x.type, weights.type) == (TensorType.INT16, TensorType.INT8),
        HYBRID,
        weights,
    )
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, CHANNEL_AXIS, source)
    if x.type in ACCUMULATOR_BYTES:
        yield Scratch("scratch_buffer_index", ACCUMULATOR_BYTES[x.type] * y.elements, source)
        require_scales(weights, CHANNEL_AXIS)
    yield from prepare_op_data(node, build)
    yield Decompressed("filter_scratch_index", weights, source)
    yield Decompressed("bias_scratch_index", optional_input(node, BIAS), source)


def prepare_op_data(node: Node, build: Build) -> Iterator[Request]:
    """[transpose_conv.cc: CalculateOpData]"""
    require(len(node.inputs) in (3, 4), f"{len(node.inputs)} inputs; it takes 3 or 4")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    if x.type == TensorType.FLOAT32:
        return
    bias = optional_input(node, BIAS)
    yield from temps(x, weights, bias, y)
    activation = options_of(node, TransposeConvOptions).fused_activation_function
    require_convolution_quantization(x, weights, bias, y, activation, weights.shape[CHANNEL_AXIS])
    if x.type == TensorType.INT16:
        require_in_debug(build, weights.type == TensorType.INT8, f"filter of {weights.type.name} for INT16", weights)
        require_in_debug(build, y.type == TensorType.INT16, f"output of {y.type.name} for INT16", y)
        if bias is not None and bias.type == TensorType.INT16:  # the loop wants a bias of 64 bits
            yield Scratch("bias_converted_buffer_index", 8 * bias.elements, "transpose_conv.cc: CalculateOpData")


def invoke(node: Node) -> None:
    """[transpose_conv.cc: TransposeConvEval]"""
    x = input_at(node, INPUT)
    require_same_type(x, output_at(node, 0))
    known = x.type == TensorType.FLOAT32 or x.type in ACCUMULATOR_BYTES
    require(known, f"Type {x.type.name} not supported.", x)


ACCUMULATOR_BYTES = {TensorType.INT8: 4, TensorType.INT16: 8}

TRANSPOSE_CONV = Kernel(
    init=op_data(OP_DATA, "transpose_conv.cc: TransposeConvInit"),
    prepare=prepare,
    invoke=invoke,
    parameters=TRANSPOSE_CONV_PARAMS,
)
