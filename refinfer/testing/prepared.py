"""What a C kernel is told beside its tensors, by the names that gemmlowp and CMSIS-NN have for it.

    parameters(case.node, "tflm")["output_multiplier"]

Offsets are what is added: minus the zero point of an input, plus that of the output. A multiplier and its shift stand
for ``multiplier * 2**(shift - 31)``; of convolutions and fully connected layers they are arrays, one number for each
scale of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from refinfer.kernels.arithmetic.fixedpoint import quantize_multiplier
from refinfer.kernels.common import first_scale, first_zero_point, input_at, options_of, output_at
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import Numerics, product_ratio, ratio_of_float_product
from refinfer.kernels.quantization import FLOAT_RANGES, activation_range
from refinfer.kernels.registry import DIALECTS
from refinfer.kernels.window import windows
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Pool2DOptions,
    SoftmaxOptions,
    TransposeConvOptions,
)

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Parameters = dict[str, "int | float | Array"]

QUANTIZED = (TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.INT4)
SUM_SHIFTS = {TensorType.INT8: 20, TensorType.UINT8: 20, TensorType.INT16: 15}  # [add.cc: Prepare]
SOFTMAX_INTEGER_BITS = 5  # [softmax.cc: kScaledDiffIntegerBits]


def parameters(node: Node, dialect: str) -> Parameters:
    """All that there is for the operator: its options, scales and zero points, and what is computed from them."""
    options = node.options
    found: Parameters = {} if options is None else _numbers(vars(type(options))["fields"], options)
    found |= activation_limits(node)
    if output_at(node, 0).type in QUANTIZED:
        found |= offsets(node)
    compute = PARAMETERS.get(node.op)
    return found if compute is None else found | compute(node, DIALECTS[dialect].numerics)


def _numbers(fields: Sequence[Any], options: object) -> Parameters:
    values = {field.name: getattr(options, field.name) for field in fields}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def offsets(node: Node) -> Parameters:
    """Scales, and zero points as what is added; of a first and only input also without its number."""
    quantized = [x for x in node.inputs if x is not None and x.type in QUANTIZED and x.quantization is not None]
    found: Parameters = {}
    for number, x in enumerate(quantized, start=1):
        found |= {f"input{number}_offset": -first_zero_point(x), f"input{number}_scale": first_scale(x)}
    if quantized:
        x = quantized[0]
        found |= {"input_offset": -first_zero_point(x), "input_scale": first_scale(x)}
    y = output_at(node, 0)
    return found | {"output_offset": first_zero_point(y), "output_scale": first_scale(y)}


def activation_limits(node: Node) -> Parameters:
    """What the fused activation leaves: integers in the scale of the output, or floats."""
    y = output_at(node, 0)
    activation = getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)
    if y.type in QUANTIZED and y.type != TensorType.INT4:
        low, high = activation_range(y, activation) if y.quantization is not None else _limits(y)
        return {"activation_min": low, "activation_max": high}
    if y.type == TensorType.FLOAT32:
        low_float, high_float = FLOAT_RANGES[activation]
        most = float(np.finfo(np.float32).max)
        return {
            "activation_min": -most if low_float == -inf else low_float,
            "activation_max": most if high_float == inf else high_float,
        }
    return {}


def _limits(y: Tensor) -> tuple[int, int]:
    limits = np.iinfo(y.type.name.lower())
    return int(limits.min), int(limits.max)


def fixed(real: float, name: str = "output") -> Parameters:
    """One multiplier and shift, as numbers."""
    multiplier, shift = quantize_multiplier(real)
    return {f"{name}_multiplier": multiplier, f"{name}_shift": shift}


def per_channel(x: Tensor, weights: Tensor, y: Tensor, one: Callable[[float, float, float], float]) -> Parameters:
    """A multiplier and a shift for each scale of the weights, as arrays of int32; `one` computes a single one."""
    if x.type not in QUANTIZED or weights.quantization is None:
        return {}
    scales = weights.quantization.scale
    ratio = one if len(scales) == 1 else product_ratio
    pairs = [quantize_multiplier(ratio(first_scale(x), scale, first_scale(y))) for scale in scales]
    multipliers, shifts = (np.array(each, np.int32) for each in zip(*pairs, strict=True))
    return {
        "filter_offset": -first_zero_point(weights),
        "output_multiplier": multipliers,
        "output_shift": shifts,
    }


def of_convolution(node: Node, numerics: Numerics) -> Parameters:
    """CONV_2D and DEPTHWISE_CONV_2D: the multipliers, and the padding ahead of the image."""
    x, weights, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    options: Conv2DOptions | DepthwiseConv2DOptions
    if node.op == BuiltinOperator.CONV_2D:
        options = options_of(node, Conv2DOptions)
    else:
        options = options_of(node, DepthwiseConv2DOptions)
    rows = windows(options.padding, x.shape[1], weights.shape[1], options.stride_h, options.dilation_h_factor)
    columns = windows(options.padding, x.shape[2], weights.shape[2], options.stride_w, options.dilation_w_factor)
    one = ratio_of_float_product if x.type == TensorType.UINT8 else product_ratio
    return per_channel(x, weights, y, one) | {"padding_h": rows.before, "padding_w": columns.before}


def of_transpose_conv(node: Node, numerics: Numerics) -> Parameters:
    """TRANSPOSE_CONV: the same, of the output's windows."""
    weights, x, y = input_at(node, 1), input_at(node, 2), output_at(node, 0)
    options = options_of(node, TransposeConvOptions)
    rows = windows(options.padding, y.shape[1], weights.shape[1], options.stride_h)
    columns = windows(options.padding, y.shape[2], weights.shape[2], options.stride_w)
    one = ratio_of_float_product if x.type == TensorType.UINT8 else product_ratio
    found = per_channel(x, weights, y, one) | {"padding_h": rows.before, "padding_w": columns.before}
    return found | ({"input_offset": -first_zero_point(x)} if x.type in QUANTIZED else {})


def of_pool(node: Node, numerics: Numerics) -> Parameters:
    """The padding ahead of the image."""
    x, options = input_at(node, 0), options_of(node, Pool2DOptions)
    rows = windows(options.padding, x.shape[1], options.filter_height, options.stride_h)
    columns = windows(options.padding, x.shape[2], options.filter_width, options.stride_w)
    return {"padding_h": rows.before, "padding_w": columns.before}


def of_fully_connected(node: Node, numerics: Numerics) -> Parameters:
    """The multipliers."""
    return per_channel(input_at(node, 0), input_at(node, 1), output_at(node, 0), product_ratio)


def of_batch_matmul(node: Node, numerics: Numerics) -> Parameters:
    """The multiplier."""
    return per_channel(input_at(node, 0), input_at(node, 1), output_at(node, 0), numerics.batch_matmul_multiplier)


def of_sum(node: Node, numerics: Numerics) -> Parameters:
    """ADD and SUB: both inputs to twice the larger scale, and from there to the output's."""
    first, second, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    if y.type not in SUM_SHIFTS or y.quantization is None:
        return {}
    left_shift, twice = SUM_SHIFTS[y.type], 2 * max(first_scale(first), first_scale(second))
    return {
        "left_shift": left_shift,
        **fixed(first_scale(first) / twice, name="input1"),
        **fixed(first_scale(second) / twice, name="input2"),
        **fixed(twice / (2**left_shift * first_scale(y))),
    }


def of_product(node: Node, numerics: Numerics) -> Parameters:
    """MUL: from the scale of the products to the output's."""
    first, second, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    if y.type not in QUANTIZED or y.quantization is None:
        return {}
    return fixed(numerics.product_multiplier(first_scale(first), first_scale(second), first_scale(y)))


def of_softmax(node: Node, numerics: Numerics) -> Parameters:
    """SOFTMAX of 8 bits: differences in fixed point, and the least that counts [PreprocessSoftmaxScaling]."""
    x = input_at(node, 0)
    if x.type not in (TensorType.INT8, TensorType.UINT8):
        return {}
    beta = options_of(node, SoftmaxOptions).beta
    real = min(beta * first_scale(x) * 2 ** (31 - SOFTMAX_INTEGER_BITS), 2**31 - 1.0)
    multiplier, shift = quantize_multiplier(real)
    most = ((1 << SOFTMAX_INTEGER_BITS) - 1) * 2.0 ** (31 - SOFTMAX_INTEGER_BITS) / 2.0**shift
    return {"input_multiplier": multiplier, "input_left_shift": shift, "diff_min": -int(most)}


PARAMETERS: dict[BuiltinOperator, Callable[[Node, Numerics], Parameters]] = {
    BuiltinOperator.ADD: of_sum,
    BuiltinOperator.AVERAGE_POOL_2D: of_pool,
    BuiltinOperator.CONV_2D: of_convolution,
    BuiltinOperator.DEPTHWISE_CONV_2D: of_convolution,
    BuiltinOperator.FULLY_CONNECTED: of_fully_connected,
    BuiltinOperator.L2_POOL_2D: of_pool,
    BuiltinOperator.MAX_POOL_2D: of_pool,
    BuiltinOperator.MUL: of_product,
    BuiltinOperator.SOFTMAX: of_softmax,
    BuiltinOperator.SUB: of_sum,
    BuiltinOperator.TRANSPOSE_CONV: of_transpose_conv,
    BuiltinOperator.BATCH_MATMUL: of_batch_matmul,
}
