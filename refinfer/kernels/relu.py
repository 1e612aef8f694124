"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1, LEAKY_RELU and PRELU.

Sources: activations.h, activations_common.cc, activations.cc, leaky_relu.h, leaky_relu_common.cc, prelu_common.cc in
tensorflow/lite/micro/kernels; of the arithmetic also tensorflow/lite/kernels/activations.cc and
internal/reference/{prelu,leaky_relu}.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf, isinf
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    quantize_multiplier,
    round_away,
    scale_twice,
    to_int32,
    wrap_int32,
)
from refinfer.kernels.arithmetic.lookup import number_by_number
from refinfer.kernels.broadcast import broadcast_shape
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import FLOAT, INT32, UINT8, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import require_zero_point
from refinfer.kernels.unary import BITS_8, by_type, fold_one, require_quantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import LeakyReluOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LEAKY_RELU_PARAMS = struct("TfLiteLeakyReluParams", alpha=FLOAT)
RELU_PARAMS = struct(
    "ReluParams",
    activation_type=UINT8,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
)
RELU_OP_DATA = struct("ReluOpData", params=RELU_PARAMS)
RELU6_OP_DATA = struct("Relu6OpData", six=INT32, zero=INT32)
LEAKY_RELU_OP_DATA = struct(
    "LeakyReluOpData",
    output_multiplier_alpha=INT32,
    output_shift_alpha=INT32,
    output_multiplier_identity=INT32,
    output_shift_identity=INT32,
    input_zero_point=INT32,
    output_zero_point=INT32,
)
PRELU_OP_DATA = struct(
    "PreluParams",
    input_offset=INT32,
    alpha_offset=INT32,
    output_offset=INT32,
    output_multiplier_1=INT32,
    output_shift_1=INT32,
    output_multiplier_2=INT32,
    output_shift_2=INT32,
)


def prepare_relu(node: Node, build: Build) -> Iterator[Request]:
    """[activations_common.cc: ReluPrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if x.type == TensorType.INT16:
        require_zero_point(x, 0)
        require_zero_point(y, 0)


def prepare_relu6(node: Node, build: Build) -> Iterator[Request]:
    """[activations_common.cc: Relu6Prepare] does not rescale, and never looks at its output."""
    yield from temps(input_at(node, 0))


def prepare_leaky_relu(node: Node, build: Build) -> Iterator[Request]:
    """[leaky_relu_common.cc: CalculateOpDataLeakyRelu]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def prepare_prelu(node: Node, build: Build) -> Iterator[Request]:
    """[prelu_common.cc: PreluPrepare]"""
    x, alpha, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, alpha, y)
    if y.type == TensorType.INT16:
        require_type(alpha, TensorType.INT8)


def limited(low: float, high: float, x: Array) -> Array:
    """x between `low` and `high`; NaN stays NaN."""
    return np.where(x > np.float32(high), np.float32(high), np.where(x < np.float32(low), np.float32(low), x))


def fold_clipping(low: float, high: float) -> Fold:
    """Quantized: y = clamp(scale(x - zero_point) + output zero point), with the limits in steps of the output.

    [activations.cc: QuantizedReluX] Limits that are no int32 go wrong in the same way as there.
    """

    def fold(node: Node, host: Host) -> Evaluate:
        require_quantized(node)
        x, y = input_at(node, 0), output_at(node, 0)
        multiplier, shift = quantize_multiplier(host.numerics.product_multiplier(first_scale(x), 1.0, first_scale(y)))
        limits = np.iinfo(dtype_of(y.type))
        least = max(limits.min, quantized_limit(y, low))
        largest = limits.max if isinf(high) else min(limits.max, quantized_limit(y, high))

        def evaluate(values: Array) -> tuple[Array, ...]:
            scaled = scale_twice(values.astype(np.int64) - first_zero_point(x), multiplier, shift)
            clamped = np.minimum(np.maximum(wrap_int32(scaled + first_zero_point(y)), least), largest)
            return (clamped.astype(values.dtype),)

        return number_by_number(evaluate, x)

    return fold


def quantized_limit(tensor: Tensor, limit: float) -> int:
    """A real number in steps of the tensor, in an int32."""
    steps = round_away(np.array([limit], np.float32) / np.float32(first_scale(tensor)))
    return int(wrap_int32(to_int32(steps) + first_zero_point(tensor))[0])


def fold_relu6_without_rescaling(node: Node, host: Host) -> Evaluate:
    """Quantized: x between 0 and 6, which are in steps of the input [activations_common.cc: Relu6Prepare]."""
    x = input_at(node, 0)
    require_affine(x)
    limits = np.iinfo(dtype_of(x.type))
    low, high = first_zero_point(x), min(max(limits.min, quantized_limit(x, 6)), limits.max)
    return lambda values: (np.where(values > high, high, np.maximum(values, low)).astype(values.dtype),)


def fold_leaky_relu_float(node: Node, host: Host) -> Evaluate:
    """x where it is positive, alpha * x elsewhere."""
    alpha = np.float32(options_of(node, LeakyReluOptions).alpha)
    return fold_one(lambda x: np.where(x > 0, x, x * alpha))(node, host)


def fold_leaky_relu(node: Node, host: Host) -> Evaluate:
    """Quantized: a scale for each sign. A negative alpha is applied after the rounding."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    alpha = options_of(node, LeakyReluOptions).alpha
    ratio = host.numerics.product_multiplier
    positive = quantize_multiplier(ratio(first_scale(x), 1.0, first_scale(y)))
    negative = quantize_multiplier(ratio(first_scale(x), abs(alpha), first_scale(y)))
    sign = -1 if alpha < 0 else 1

    def evaluate(values: Array) -> tuple[Array, ...]:
        offset = values.astype(np.int64) - first_zero_point(x)
        scaled = np.where(offset >= 0, scale_twice(offset, *positive), sign * scale_twice(offset, *negative))
        limits = np.iinfo(values.dtype)
        return (clamp(wrap_int32(scaled + first_zero_point(y)), limits.min, limits.max, values.dtype),)

    return number_by_number(evaluate, x)


def fold_prelu(node: Node, host: Host) -> Evaluate:
    """A slope for each element, which repeats along some dimensions."""
    require_arity(node, 2, 1)
    x, alpha, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    require_type(y, x.type)
    require_type(alpha, ALPHA_TYPES[x.type])
    compute = prelu_of_floats if x.type == TensorType.FLOAT32 else fold_prelu_quantized(node, host)

    def evaluate(x: Array, alpha: Array) -> tuple[Array, ...]:
        require_alpha_shape(x.shape, alpha.shape)
        with np.errstate(all="ignore"):
            return (compute(x, alpha),)

    return evaluate


def prelu_of_floats(x: Array, alpha: Array) -> Array:
    """x where it is not negative, alpha * x elsewhere."""
    return np.where(x >= 0, x, x * alpha)


def fold_prelu_quantized(node: Node, host: Host) -> Callable[[Array, Array], Array]:
    """y = clamp(scale(x) + output zero point), or of x * alpha with a scale of its own."""
    x, alpha, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    for tensor in (x, alpha, y):
        require_affine(tensor)
    ratio = host.numerics.product_multiplier
    positive = quantize_multiplier(ratio(first_scale(x), 1.0, first_scale(y)))
    negative = quantize_multiplier(ratio(first_scale(x), host.numerics.scale_of_one(alpha), first_scale(y)))
    limits = np.iinfo(dtype_of(y.type))

    def compute(values: Array, slopes: Array) -> Array:
        offset = values.astype(np.int64) - first_zero_point(x)
        product = offset * (slopes.astype(np.int64) - first_zero_point(alpha))
        scaled = np.where(offset >= 0, scale_twice(offset, *positive), scale_twice(product, *negative))
        return clamp(wrap_int32(scaled + first_zero_point(y)), limits.min, limits.max, limits.dtype)

    return compute


def require_alpha_shape(x: Shape, alpha: Shape) -> None:
    """Alpha is stretched to the shape of the input, and not the other way round."""
    found = broadcast_shape(x, alpha)
    require(found == x, f"alpha of {alpha} with an input of {x}; the output would be {found}")


def shape_prelu(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """That of the input, if alpha fits."""
    require_alpha_shape(*shapes)
    return [shapes[0]]


ALPHA_TYPES = {
    TensorType.FLOAT32: TensorType.FLOAT32,
    TensorType.UINT8: TensorType.UINT8,
    TensorType.INT8: TensorType.INT8,
    TensorType.INT16: TensorType.INT8,
}

RELU_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)

RELU = Kernel(
    init=op_data(RELU_OP_DATA, "activations.cc: ReluInit"),
    prepare=prepare_relu,
    invoke=switch_on_input("Only float32/int8/int16 is supported currently, got {}", *RELU_TYPES),
    overlap=of_unary,
)
RELU6 = Kernel(
    init=op_data(RELU6_OP_DATA, "activations.cc: Relu6Init"),
    prepare=prepare_relu6,
    invoke=switch_on_input("Only float32/int8/int16 is supported currently, got {}", *RELU_TYPES),
    overlap=of_unary,
)
LEAKY_RELU = Kernel(
    init=op_data(LEAKY_RELU_OP_DATA, "leaky_relu.cc: LeakyReluInit"),
    prepare=prepare_leaky_relu,
    invoke=switch_on_input("Only float32, int8 are supported by LEAKY_RELU, got {}.", *RELU_TYPES),
    parameters=LEAKY_RELU_PARAMS,
    overlap=of_unary,
)
PRELU = Kernel(
    init=op_data(PRELU_OP_DATA, "prelu.cc: PreluInit"),
    prepare=prepare_prelu,
    invoke=switch_on_input("Input type '{}' is not supported.", *RELU_TYPES),
    overlap=of_unary,
)

COMPUTE_RELU = by_type(
    {TensorType.FLOAT32: fold_one(partial(limited, 0, inf))}
    | dict.fromkeys((*BITS_8, TensorType.INT16), fold_clipping(0, inf)),
    version=3,
)
COMPUTE_RELU_N1_TO_1 = by_type(
    {TensorType.FLOAT32: fold_one(partial(limited, -1, 1))} | dict.fromkeys(BITS_8, fold_clipping(-1, 1)),
    version=1,
)
COMPUTE_RELU_0_TO_1 = by_type(
    {TensorType.FLOAT32: fold_one(partial(limited, 0, 1))} | dict.fromkeys(BITS_8, fold_clipping(0, 1)),
    version=1,
)
COMPUTE_RELU6 = by_type(
    {TensorType.FLOAT32: fold_one(partial(limited, 0, 6))}
    | dict.fromkeys((*BITS_8, TensorType.INT16), fold_clipping(0, 6)),
    version=3,
)
COMPUTE_RELU6_WITHOUT_RESCALING = by_type(
    {TensorType.FLOAT32: fold_one(partial(limited, 0, 6))}
    | dict.fromkeys((TensorType.INT8, TensorType.INT16), fold_relu6_without_rescaling),
    version=3,
)
COMPUTE_LEAKY_RELU = by_type(
    {TensorType.FLOAT32: fold_leaky_relu_float} | dict.fromkeys((*BITS_8, TensorType.INT16), fold_leaky_relu),
    version=2,
)
COMPUTE_PRELU = Compute(fold=fold_prelu, shape=shape_prelu, types=frozenset(ALPHA_TYPES), version=1)
