"""FULLY_CONNECTED.

Sources: tensorflow/lite/micro/kernels/fully_connected.h, fully_connected_common.cc, fully_connected.cc.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.common import (
    decompressed_weights,
    first_scale,
    first_zero_point,
    in_compression_builds,
    input_at,
    is_affine,
    optional_input,
    options_of,
    output_at,
    require_in_debug,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.fixedpoint import clamp, wrap_int32
from refinfer.kernels.kernel import Kernel, Persistent, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, POINTER, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.quantization import (
    FLOAT_RANGES,
    activation_range,
    require_activation_range,
    require_convolution_multiplier,
    require_per_channel,
)
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import FullyConnectedOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

INPUT, FILTER, BIAS = 0, 1, 2

FULLY_CONNECTED_PARAMS = struct(
    "TfLiteFullyConnectedParams",
    activation=ENUM,
    weights_format=ENUM,
    keep_num_dims=BOOL,
    asymmetric_quantize_inputs=BOOL,
    quantized_bias_type=ENUM,
)
OP_DATA_FULLY_CONNECTED = struct(
    "OpDataFullyConnected",
    output_multiplier=INT32,
    output_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_quantized_index=INT32,
    input_zero_point=INT32,
    filter_zero_point=INT32,
    output_zero_point=INT32,
    filter_buffer_index=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
    is_per_channel=BOOL,
    weights_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[fully_connected.cc: FullyConnectedPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(x, weights, optional_input(node, BIAS), y)
    require_same_type(x, y)
    require(
        weights.type in FILTER_TYPES.get(x.type, TensorType),
        f"Input type: {x.type.name} with filter type: {weights.type.name} not supported.",
        weights,
    )
    if weights.type == TensorType.INT4:
        yield Scratch("filter_buffer_index", weights.elements, "fully_connected.cc: FullyConnectedPrepare")
    if x.type != TensorType.FLOAT32:
        yield from prepare_op_data(node, build)
    bias = optional_input(node, BIAS)
    yield from decompressed_weights(weights, bias, build, "fully_connected.cc: FullyConnectedPrepare")


def prepare_op_data(node: Node, build: Build) -> Iterator[Request]:
    """[fully_connected_common.cc: CalculateOpDataFullyConnected]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    if is_per_channel(weights):
        yield from per_channel_arrays(x, weights)
    else:
        require_convolution_multiplier(x, weights, optional_input(node, BIAS), y)
    zero_point = first_zero_point(weights)
    require_in_debug(build, zero_point == 0, f"zero point {zero_point}; a filter's must be 0", weights)
    require_activation_range(y, options_of(node, FullyConnectedOptions).fused_activation_function)


def is_per_channel(weights: Tensor) -> bool:
    """Whether the filter has more than one scale."""
    return weights.quantization is not None and is_affine(weights) and len(weights.quantization.scale) > 1


def per_channel_arrays(x: Tensor, weights: Tensor) -> Iterator[Request]:
    """A multiplier and a shift for each scale of the filter."""
    assert weights.quantization is not None
    require_type(x, TensorType.INT8, TensorType.INT16)
    require(weights.type != TensorType.INT4, "INT4 may have one scale only", weights)
    channels = len(weights.quantization.scale)
    require_per_channel(weights, channels)
    source = "fully_connected_common.cc: CalculateOpDataFullyConnected"
    yield Persistent("per_channel_output_multiplier", 4 * channels, source)
    yield Persistent("per_channel_output_shift", 4 * channels, source)


class Params(NamedTuple):
    """What a quantized node comes down to."""

    input_offset: int
    filter_offset: int
    output_offset: int
    low: int
    high: int
    requantize: Requantize


def fold(node: Node, host: Host) -> Evaluate:
    """Choose by the type of the activations."""
    return FOLDS[input_at(node, INPUT).type](node, host)


def fold_quantized(node: Node, host: Host) -> Evaluate:
    """int8: int32 sums, brought to the output's scale."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    options = options_of(node, FullyConnectedOptions)
    low, high = activation_range(y, options.fused_activation_function)
    params = Params(
        input_offset=-first_zero_point(x),
        filter_offset=-first_zero_point(weights),
        output_offset=first_zero_point(y),
        low=low,
        high=high,
        requantize=host.numerics.fully_connected_requantize(real_multipliers(x, weights, y)),
    )
    return lambda *inputs: (evaluate_quantized(params, options.keep_num_dims, *inputs),)


def evaluate_quantized(p: Params, keep_num_dims: bool, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """y[b, o] = clamp(requantize(acc[b, o]) + output_offset)"""
    acc = accumulate(x.reshape(-1, weights.shape[1]), weights, bias, p.input_offset, p.filter_offset)
    y = clamp(p.requantize(acc) + p.output_offset, p.low, p.high, x.dtype)
    return y.reshape(output_shape(x.shape, weights.shape, keep_num_dims))


def accumulate(x: Array, weights: Array, bias: Array | None, input_offset: int, filter_offset: int) -> Array:
    """acc[b, o] = bias[o] + sum over d of (x[b, d] + input_offset) * (weights[o, d] + filter_offset), in int32"""
    acc = integer_matmul(x.astype(np.int32) + input_offset, (weights.astype(np.int32) + filter_offset).T)
    return wrap_int32(acc if bias is None else acc + bias)


def real_multipliers(x: Tensor, weights: Tensor, y: Tensor) -> list[float]:
    """From the scale of the products to the output's, for each channel that has a scale of its own."""
    assert weights.quantization is not None
    return [first_scale(x) * scale / first_scale(y) for scale in weights.quantization.scale]


def fold_float(node: Node, host: Host) -> Evaluate:
    """float32: summed in order."""
    options = options_of(node, FullyConnectedOptions)
    low, high = FLOAT_RANGES[options.fused_activation_function]

    def evaluate(x: Array, weights: Array, bias: Array | None = None) -> tuple[Array, ...]:
        y = sequential_matmul(x.reshape(-1, weights.shape[1]), weights.T)
        y = np.clip(y if bias is None else y + bias, np.float32(low), np.float32(high))
        return (y.reshape(output_shape(x.shape, weights.shape, options.keep_num_dims)),)

    return evaluate


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The last dimension becomes the number of units; the others are kept, or multiplied into one."""
    keep_num_dims = options_of(node, FullyConnectedOptions).keep_num_dims
    return [output_shape(shapes[INPUT], shapes[FILTER], keep_num_dims)]


def output_shape(x: Shape, weights: Shape, keep_num_dims: bool) -> Shape:
    """[fully_connected.cc: UpdateOutputSize]"""
    return (*x[:-1], weights[0]) if keep_num_dims else (prod(x) // weights[1], weights[0])


FOLDS = {TensorType.INT8: fold_quantized, TensorType.FLOAT32: fold_float}

FILTER_TYPES = {  # other inputs get through Prepare with any filter, and no further
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.INT8: (TensorType.INT8, TensorType.INT4),
    TensorType.INT16: (TensorType.INT8,),
}

FULLY_CONNECTED = Kernel(
    init=op_data(OP_DATA_FULLY_CONNECTED, "fully_connected.cc: FullyConnectedInit"),
    prepare=prepare,
    invoke=switch_on_input("Input type {} not supported.", *FILTER_TYPES),
    parameters=FULLY_CONNECTED_PARAMS,
)
COMPUTE_FULLY_CONNECTED = Compute(fold=fold, shape=shape, types=frozenset(FOLDS), version=12)
