"""Where Prepare's quantization arithmetic fails: the checks of scales and zero points that several families share.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc, tensorflow/lite/kernels/kernel_util.cc. A failed
TFLITE_CHECK aborts the program in every build; it is a refusal here like any other.
"""

from __future__ import annotations

from math import copysign, inf, isinf, nan
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import round_half_away
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    is_affine,
    require_affine,
    require_type,
)
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_BIAS_SCALE_ERROR = 0.02  # of an output step [kernel_util.cc: GetQuantizedConvolutionMultipler]


def ratio(numerator: float, denominator: float) -> float:
    """C's division of doubles: a missing scale is 0, and what it divides becomes an infinity or NaN."""
    if denominator != 0:
        return numerator / denominator
    return copysign(inf, numerator) if numerator != 0 else nan


def require_zero_point(tensor: Tensor, expected: int) -> None:
    """Refuse a tensor with another zero point; without quantization it counts as 0."""
    found = first_zero_point(tensor)
    require(found == expected, f"zero point {found}; it must be {expected}", tensor)


def require_unquantized(tensor: Tensor) -> None:
    """Refuse a tensor that has quantization parameters."""
    require(not is_affine(tensor), f"{tensor.type.name} with a scale and a zero point; it may have none", tensor)


def require_fraction(multiplier: float, what: str, tensor: Tensor) -> None:
    """[quantization_util.cc: QuantizeMultiplierSmallerThanOneExp] aborts outside 0 and 1, both exclusive.

    A multiplier within 2**-32 of 1 rounds to 1 in the 31 bits of the fixed-point number, and counts as 1.
    """
    message = f"the runtime aborts: {what} is {multiplier}; it must be between 0 and 1"
    require(0 < multiplier < 1 - 2**-32, message, tensor)


def require_greater_than_one(multiplier: float, what: str, tensor: Tensor) -> None:
    """[quantization_util.cc: QuantizeMultiplierGreaterThanOne] aborts up to 1."""
    require(multiplier > 1, f"the runtime aborts: {what} is {multiplier}; it must be greater than 1", tensor)


def require_sum_multipliers(first: Tensor, second: Tensor, y: Tensor, left_shift: int) -> None:
    """The rescaling of a sum: both inputs to twice the larger scale, the result from there to the output's.

    [add_common.cc: CalculateOpDataAdd] and its like.
    """
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    for tensor in (first, second):
        require_fraction(ratio(first_scale(tensor), twice_largest), "the input's scale over twice the larger", tensor)
    output_multiplier = ratio(twice_largest, 2**left_shift * first_scale(y))
    require_fraction(output_multiplier, f"twice the larger input scale over 2**{left_shift} times the output's", y)


def require_activation_range(y: Tensor, activation: ActivationFunctionType) -> None:
    """The bounds of a fused activation must be integers of 32 bits in the output's scale.

    [kernel_util.cc: CalculateActivationRangeQuantized]
    """
    require_type(y, TensorType.UINT8, TensorType.INT8, TensorType.INT16)
    for bound in ACTIVATION_BOUNDS.get(activation, ()):
        steps = ratio(bound, first_scale(y))
        require(-(2**31) <= steps <= 2**31, f"{activation.name} ends at {bound}, which is {steps} steps", y)


def activation_range(y: Tensor, activation: ActivationFunctionType) -> tuple[int, int]:
    """What a fused activation leaves of the integers of the output's type.

    The bounds are divided by the scale in float32 [kernel_util.cc: CalculateActivationRangeQuantized].
    """
    limits = np.iinfo(dtype_of(y.type))
    low, high = FLOAT_RANGES[activation]
    scale, zero_point = np.float32(first_scale(y)), first_zero_point(y)
    steps = [
        bound if isinf(bound) else zero_point + round_half_away(float(np.float32(bound) / scale))
        for bound in (low, high)
    ]
    return int(max(limits.min, steps[0])), int(min(limits.max, steps[1]))


def activation_range_to_even(y: Tensor, activation: ActivationFunctionType) -> tuple[int, int]:
    """As `activation_range`, where bound / scale + zero point is rounded as a whole, ties to even.

    [XNNPACK: xnn_qs8_quantize and its like, of output_min and output_max]
    """
    limits = np.iinfo(dtype_of(y.type))
    scale, zero_point = np.float32(first_scale(y)), np.float32(first_zero_point(y))
    steps = [np.float32(bound) / scale + zero_point for bound in FLOAT_RANGES[activation]]
    low, high = (int(np.rint(np.clip(each, limits.min, limits.max))) for each in steps)
    return low, high


def activate(x: Array, activation: ActivationFunctionType) -> Array:
    """The fused activation of numbers that are not quantized: min(max(x, low), high), and NaN stays what it is.

    Where the activation has no limit the type has: an infinity becomes the largest float, even without activation, and
    the -1 of an unsigned type is its largest number [kernel_util.h: CalculateActivationRange].
    """
    limits = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    low, high = FLOAT_RANGES[activation]
    least = np.array(limits.min if isinf(low) else low).astype(x.dtype)
    most = np.array(limits.max if isinf(high) else high).astype(x.dtype)
    x = np.where(x < least, least, x)
    return np.where(x > most, most, x)


def require_convolution_multiplier(x: Tensor, weights: Tensor, bias: Tensor | None, y: Tensor) -> None:
    """The bias must have the scale of the products, as near as the output's scale can tell.

    [kernel_util.cc: GetQuantizedConvolutionMultipler]
    """
    product_scale = first_scale(x) * first_scale(weights)
    if bias is not None:
        error = ratio(abs(product_scale - first_scale(bias)), first_scale(y))
        require(
            error <= MAX_BIAS_SCALE_ERROR,
            f"scale {first_scale(bias)}; input times filter is {product_scale}, "
            f"{error} output steps away; at most {MAX_BIAS_SCALE_ERROR} is allowed",
            bias,
        )
    require(product_scale >= 0, f"input times filter has scale {product_scale}", weights)


def require_convolution_quantization(
    x: Tensor, weights: Tensor, bias: Tensor | None, y: Tensor, activation: ActivationFunctionType, channels: int
) -> None:
    """What a convolution of quantized tensors presumes [kernel_util.cc: PopulateConvolutionQuantizationParams]."""
    require_affine(x)
    require_affine(weights)
    assert weights.quantization is not None
    if len(weights.quantization.scale) > 1:
        require_type(x, TensorType.INT8, TensorType.INT16)
        require_type(weights, TensorType.INT8, TensorType.INT4)
        require_per_channel(weights, channels)
    if x.type == TensorType.UINT8:
        require_convolution_multiplier(x, weights, bias, y)
    if x.type in (TensorType.UINT8, TensorType.INT8, TensorType.INT16):
        require_activation_range(y, activation)


def require_per_channel(weights: Tensor, channels: int) -> None:
    """As many scales as channels, along a dimension of that size."""
    assert weights.quantization is not None
    scales, axis = len(weights.quantization.scale), weights.quantization.quantized_dimension
    require(
        0 <= axis < len(weights.shape) and scales == channels == weights.shape[axis],
        f"{scales} scales along dimension {axis} of {weights.shape} for {channels} channels",
        weights,
    )


ACTIVATION_BOUNDS = {
    ActivationFunctionType.RELU: (0.0,),
    ActivationFunctionType.RELU6: (0.0, 6.0),
    ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}

FLOAT_RANGES = {
    ActivationFunctionType.NONE: (-inf, inf),
    ActivationFunctionType.RELU: (0.0, inf),
    ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    ActivationFunctionType.RELU6: (0.0, 6.0),
    ActivationFunctionType.TANH: (-inf, inf),
    ActivationFunctionType.SIGN_BIT: (-inf, inf),
}
"""The limits of fused activations; the last two are not applied by the kernels that take a fused activation."""
