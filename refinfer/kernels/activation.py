"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1, LEAKY_RELU, PRELU, LOGISTIC, TANH, HARD_SWISH, ELU and GELU.

Sources: activations.h, activations_common.cc, activations.cc, leaky_relu.h, leaky_relu_common.cc, prelu_common.cc,
logistic.h, logistic_common.cc, logistic.cc, tanh.cc, hard_swish_common.cc, elu.cc, all in
tensorflow/lite/micro/kernels; of the arithmetic also tensorflow/lite/kernels/activations.cc and
internal/reference/{prelu,leaky_relu,logistic,tanh,hard_swish,elu,gelu}.h, integer_ops/{logistic,tanh}.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import floor, inf, isinf, log, log2, pi, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic import eigen, gemmlowp, libm
from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    divide_by_power_of_two,
    quantize_multiplier,
    round_away,
    round_half_away,
    scale_twice,
    to_int32,
    wrap_int32,
)
from refinfer.kernels.arithmetic.lookup import Function, looking_up, number_by_number, tabulated
from refinfer.kernels.broadcast import Fold, broadcast_shape
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_in_debug,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import FLOAT, INT8, INT16, INT32, UINT8, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import ratio, require_zero_point
from refinfer.kernels.unary import by_type, fold_one, in_float, require_quantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import GeluOptions, LeakyReluOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FixedPoint = Callable[["Array", int], "Array"]
"""From fixed-point numbers with so many integer bits to others with none."""

SIGMOID_SCALE = 1 / 256
SIGMOID_IS_ONE_ABOVE = 16.619047164916992188
FIXED_INTEGER_BITS = 4  # of the input of int8 LOGISTIC and TANH
GATE_SCALE = 3 / 32768  # of HARD_SWISH, in 16 bits
GELU_CUBIC = 0.044715

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
LOGISTIC_OP_DATA = struct(
    "OpDataLogistic",
    input_zero_point=INT32,
    input_range_radius=INT32,
    input_multiplier=INT32,
    input_left_shift=INT32,
)
TANH_OP_DATA = struct(
    "tanh:OpData",
    input_zero_point=INT32,
    input_range_radius=INT32,
    input_multiplier=INT32,
    input_left_shift=INT32,
)
HARD_SWISH_OP_DATA = struct(
    "HardSwishParams",
    input_zero_point=INT16,
    output_zero_point=INT16,
    reluish_multiplier_fixedpoint_int16=INT16,
    reluish_multiplier_exponent=INT32,
    output_multiplier_fixedpoint_int16=INT16,
    output_multiplier_exponent=INT32,
)
ELU_OP_DATA = struct("elu:OpData", table=Repeated(INT8, 256))


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


def prepare_logistic(node: Node, build: Build) -> Iterator[Request]:
    """[logistic_common.cc: CalculateArithmeticOpDataLogistic]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)
    if x.type == TensorType.INT8:
        require_zero_point(y, -128)
    if x.type == TensorType.INT16:
        require_sigmoid_scales(x, y, build)


def prepare_tanh(node: Node, build: Build) -> Iterator[Request]:
    """[tanh.cc: TanhPrepare, CalculateArithmeticOpData] look at the input one after the other."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x)
    require_arity(node, 1, 1)
    yield from temps(x, y)
    require_same_type(x, y)
    if x.type == TensorType.INT16:
        require_sigmoid_scales(x, y, build)


def require_sigmoid_scales(x: Tensor, y: Tensor, build: Build) -> None:
    """What int16 LOGISTIC and TANH presume: symmetric tensors, an output in steps of 2**-15.

    An input scale of a power of two escapes the multiplier and its limit only where it is 2**-12 (or, for TANH,
    2**-11), which is far below the limit.
    """
    require_zero_point(x, 0)
    require_zero_point(y, 0)
    multiplier = first_scale(x) * 4096 * 3
    require_in_debug(build, multiplier < 32768, f"multiplier {multiplier}; it must fit 15 bits", x)
    scale = first_scale(y)
    near = scale > 0 and abs(log2(scale) + 15) < 1e-3  # [quantization_util.cc: CheckedLog2]
    require(near, f"scale {scale}; it must be {2**-15}", y)


def prepare_hard_swish(node: Node, build: Build) -> Iterator[Request]:
    """[hard_swish_common.cc: HardSwishPrepare] can scale the result down only."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if x.type == TensorType.INT8:
        multiplier = ratio(first_scale(x) / 128, first_scale(y))
        require(multiplier < 1, f"scale {first_scale(y)}; it must be more than a 128th of {first_scale(x)}", y)


def prepare_elu(node: Node, build: Build) -> Iterator[Request]:
    """[elu.cc: CalculateOpData]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def invoke_sigmoid(node: Node) -> None:
    """[logistic.cc: LogisticEval], [tanh.cc: TanhEval] Prepare has made sure that the two types are one."""
    x, y = input_at(node, 0), output_at(node, 0)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Input {x.type.name}, output {y.type.name} not supported.", x)


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


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)); below -9 the 1 is left out, and far above 0 it is all that is left [logistic.h]."""
    one = np.float32(1)
    middle = one / (one + libm.expf(-x))
    return np.where(x > np.float32(SIGMOID_IS_ONE_ABOVE), one, np.where(x < -9, libm.expf(x), middle))


def plain_sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) as it is tabulated."""
    return np.float32(1) / (np.float32(1) + libm.expf(-x))


def fold_sigmoid_by_table(node: Node, host: Host) -> Evaluate:
    """8 bits, tabulated in float."""
    require_quantized(node)
    y = output_at(node, 0)
    require(first_scale(y) == SIGMOID_SCALE, f"scale {first_scale(y)}; it must be {SIGMOID_SCALE}", y)
    return tabulated(plain_sigmoid, input_at(node, 0), y)


def fold_tanh_by_table(node: Node, host: Host) -> Evaluate:
    """8 bits, tabulated in float."""
    require_quantized(node)
    return tabulated(libm.tanhf, input_at(node, 0), output_at(node, 0))


def fold_sigmoid_fixed(node: Node, host: Host) -> Evaluate:
    """int8, in fixed point: y is in steps of 1/256 upwards from -128."""
    return of_each_integer(partial(evaluate_fixed, fixed(node), gemmlowp.logistic, 31 - 8, -128), node)


def fold_tanh_fixed(node: Node, host: Host) -> Evaluate:
    """int8, in fixed point: y is in steps of 1/128."""
    return of_each_integer(partial(evaluate_fixed, fixed(node), gemmlowp.tanh, 31 - 7, 0), node)


class Fixed(NamedTuple):
    """What a function in fixed point knows of its input, which is as good as infinite from `radius` on."""

    zero_point: int
    radius: int
    multiplier: int
    shift: int


def fixed(node: Node) -> Fixed:
    """The input as a number with four integer bits [logistic_common.cc, tanh.cc]."""
    require_quantized(node)
    x = input_at(node, 0)
    require(first_scale(x) > 0, "scale 0", x)
    multiplier, shift = quantize_multiplier(first_scale(x) * 2.0 ** (31 - FIXED_INTEGER_BITS))
    largest = ((1 << FIXED_INTEGER_BITS) - 1) * 2.0 ** (31 - FIXED_INTEGER_BITS)
    return Fixed(first_zero_point(x), floor(largest / 2.0**shift), multiplier, shift)


def evaluate_fixed(p: Fixed, function: FixedPoint, shift: int, offset: int, x: Array) -> Array:
    """y = clamp(f(x) / 2**shift + offset)"""
    centred = x - p.zero_point
    y = divide_by_power_of_two(function(scale_twice(centred, p.multiplier, p.shift), FIXED_INTEGER_BITS), shift)
    y = np.where(centred >= p.radius, 127, np.where(centred <= -p.radius, -128, y + offset))
    return np.clip(y, -128, 127)


def of_each_integer(function: Callable[[Array], Array], node: Node) -> Evaluate:
    """Of 8 bits, evaluated once for each of the 256 integers."""
    limits = np.iinfo(dtype_of(input_at(node, 0).type))
    table = function(np.arange(limits.min, limits.max + 1, dtype=np.int64)).astype(limits.dtype)
    return looking_up(table)


def fold_sigmoid_int16(node: Node, host: Host) -> Evaluate:
    """int16, by the table of the sigmoid."""
    multiplier, shift = table_multiplier(node, pot_shifts=(0,))
    return lambda x: (gemmlowp.logistic_by_table(x, multiplier, shift).astype(np.int16),)


def fold_sigmoid_int16_exact(node: Node, host: Host) -> Evaluate:
    """The same, with an output in steps of 2**-15 and nothing near it."""
    y = output_at(node, 0)
    require(first_scale(y) == 2**-15, f"scale {first_scale(y)}; it must be {2**-15}", y)
    return fold_sigmoid_int16(node, host)


def fold_tanh_int16(node: Node, host: Host) -> Evaluate:
    """int16, by the table of the sigmoid."""
    multiplier, shift = table_multiplier(node, pot_shifts=(0, 1))
    return lambda x: (gemmlowp.tanh_by_table(x, multiplier, shift).astype(np.int16),)


def table_multiplier(node: Node, pot_shifts: tuple[int, ...]) -> tuple[int, int]:
    """``m`` and ``shift`` of the way from the input's scale to steps of the table: m / 2**shift.

    m has 15 bits if it can, or is 3 times the power of two that the scale is close to.
    [logistic_common.cc: CalculateArithmeticOpDataLogistic, tanh.cc: CalculateArithmeticOpData]
    """
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    require(nearest_power_of_two(y) == -15, f"scale {first_scale(y)}; it must be {2**-15}", y)
    power = nearest_power_of_two(x)
    if power is not None and power + 12 in pot_shifts:
        return 3 << power + 12, 0
    multiplier, shift = first_scale(x) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    require(multiplier < 2**31, f"scale {first_scale(x)}; it is too large", x)
    return int(multiplier), shift


def nearest_power_of_two(tensor: Tensor) -> int | None:
    """The exponent of the scale, if it is within 1/1000 of a whole number [quantization_util.cc: CheckedLog2]."""
    scale = first_scale(tensor)
    if scale <= 0:
        return None
    one = np.float32(1)
    exponent = float(np.float32(log(scale)) * (one / np.float32(log(2.0))))
    whole = round_half_away(exponent)
    return whole if abs(np.float32(exponent) - np.float32(whole)) < np.float32(1e-3) else None


def hard_swish_of_floats(x: Array) -> Array:
    """x * min(6, max(0, x + 3)) / 6"""
    shifted = x + np.float32(3)
    limited_to_6 = np.where(shifted > 0, np.where(shifted < 6, shifted, np.float32(6)), np.float32(0))
    return x * limited_to_6 / np.float32(6)


class HardSwish(NamedTuple):
    """What quantized HARD_SWISH comes down to: multipliers of 16 bits with their exponents."""

    zero_point: int
    offset: int
    output_multiplier: int
    output_exponent: int
    gate_multiplier: int
    gate_exponent: int


def params_of_hard_swish(node: Node, host: Host) -> HardSwish:
    """The scales folded away, in 16 bits."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    scale = host.numerics.scale
    fine_scale = scale(1 / 128) * scale(first_scale(x))
    with np.errstate(all="ignore"):
        output_multiplier, output_exponent = quantize_multiplier(float(fine_scale / scale(first_scale(y))))
        gate_multiplier, gate_exponent = quantize_multiplier(float(fine_scale / scale(GATE_SCALE)))
    require(output_exponent <= 0, f"scale {first_scale(y)}; it must be more than a 128th of {first_scale(x)}", y)
    return HardSwish(
        zero_point=first_zero_point(x),
        offset=first_zero_point(y),
        output_multiplier=in_16_bits(output_multiplier),
        output_exponent=output_exponent,
        gate_multiplier=in_16_bits(gate_multiplier),
        gate_exponent=gate_exponent,
    )


def fold_hard_swish(node: Node, host: Host) -> Evaluate:
    """8 bits, in fixed point of 16 bits."""
    limits = np.iinfo(dtype_of(output_at(node, 0).type))
    return of_each_integer(partial(evaluate_hard_swish, params_of_hard_swish(node, host), limits), node)


def in_16_bits(multiplier: int) -> int:
    """[common.h: DownScaleInt32ToInt16Multiplier]"""
    return 2**15 - 1 if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def evaluate_hard_swish(p: HardSwish, limits: np.iinfo[Any], x: Array) -> Array:
    """y = x * gate, where gate = (x / 3 + 1) / 2 between 0 and 1; all in int16 [hard_swish.h].

    The product is cut towards zero, where the others are rounded, so that their errors do not add up.
    """
    fine = (x - p.zero_point) << 7
    y = gemmlowp.multiply(fine, p.output_multiplier, 16)
    gate = gemmlowp.saturate(fine << max(p.gate_exponent - 1, 0), 16)
    gate = gemmlowp.multiply(gate, p.gate_multiplier, 16)
    if p.gate_exponent > 0:
        gate = gemmlowp.saturate(gate << 1, 16)
    gate = divide_int16(gate, max(-p.gate_exponent, 0))
    gate = (gate + 2**15) >> 1
    product = np.sign(gate * y) * (np.abs(gate * y) >> 15)
    return np.clip(divide_int16(product, -p.output_exponent) + p.offset, limits.min, limits.max)


def divide_int16(x: Array, exponent: int) -> Array:
    """x / 2**exponent, ties away from zero; from 16 on, what C makes of a mask that does not fit: 1 or -1.

    [gemmlowp fixedpoint.h: RoundingDivideByPOT]
    """
    return divide_by_power_of_two(x, exponent) if exponent < 16 else np.where(x < 0, -1, 1)


def elu(x: Array) -> Array:
    """x where it is not negative, exp(x) - 1 elsewhere, without cancellation."""
    return np.where(x < 0, libm.expm1f(x), x)


def elu_by_exp(x: Array) -> Array:
    """The same, with cancellation [elu.cc: CalculateOpData]."""
    return np.where(x < 0, libm.expf(x) - np.float32(1), x)


def fold_elu_by_table(function: Function) -> Fold:
    """int8, tabulated in float."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_quantized(node)
        return tabulated(function, input_at(node, 0), output_at(node, 0))

    return fold


def fold_gelu_by_table(node: Node, host: Host) -> Evaluate:
    """Quantized, tabulated in float."""
    require_quantized(node)
    approximate = options_of(node, GeluOptions).approximate
    return tabulated(gelu_by_tanh if approximate else gelu, input_at(node, 0), output_at(node, 0))


def fold_gelu_float(node: Node, host: Host) -> Evaluate:
    """float32 and float16."""
    x = input_at(node, 0)
    exact, approximate = GELUS_OF_EIGEN[x.type]
    return fold_one(approximate if options_of(node, GeluOptions).approximate else exact)(node, host)


def gelu(x: Array) -> Array:
    """x/2 * erfc(-x / sqrt(2))"""
    return np.float32(0.5) * x * libm.erfcf(x * np.float32(-sqrt(0.5)))


def gelu_by_tanh(x: Array) -> Array:
    """x/2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))"""
    cubic = x + np.float32(GELU_CUBIC) * x * x * x
    return np.float32(0.5) * x * (np.float32(1) + libm.tanhf(np.float32(sqrt(2 / pi)) * cubic))


def gelu_of_eigen(x: Array) -> Array:
    """As `gelu`, with Eigen's erfc."""
    return np.float32(0.5) * x * eigen.erfc(x * np.float32(-sqrt(0.5)))


def gelu_by_tanh_of_eigen(x: Array) -> Array:
    """As `gelu_by_tanh`, with the cube before its factor, and Eigen's tanh."""
    cubic = x + np.float32(GELU_CUBIC) * (x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + eigen.tanh(np.float32(sqrt(2 / pi)) * cubic))


def gelu_of_halves(x: Array) -> Array:
    """As `gelu_of_eigen`, every step rounded to half; there are no vectors of them."""
    erfc = eigen.erfc_with(libm.expf, (x * np.float16(-sqrt(0.5))).astype(np.float32))
    return np.float16(0.5) * x * erfc.astype(np.float16)


def gelu_by_tanh_of_halves(x: Array) -> Array:
    """As `gelu_by_tanh_of_eigen`, every step rounded to half."""
    cubic = x + np.float16(GELU_CUBIC) * (x * x * x)
    tanh = libm.tanhf((np.float16(sqrt(2 / pi)) * cubic).astype(np.float32))
    return np.float16(0.5) * x * (np.float16(1) + tanh.astype(np.float16))


GELUS_OF_EIGEN: dict[TensorType, tuple[Function, Function]] = {  # exact and approximate
    TensorType.FLOAT32: (gelu_of_eigen, gelu_by_tanh_of_eigen),
    TensorType.FLOAT16: (gelu_of_halves, gelu_by_tanh_of_halves),
}
BITS_8 = (TensorType.UINT8, TensorType.INT8)
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
LOGISTIC = Kernel(
    init=op_data(LOGISTIC_OP_DATA, "logistic.cc: LogisticInit"),
    prepare=prepare_logistic,
    invoke=invoke_sigmoid,
    overlap=of_unary,
)
TANH = Kernel(
    init=op_data(TANH_OP_DATA, "tanh.cc: TanhInit"),
    prepare=prepare_tanh,
    invoke=invoke_sigmoid,
    overlap=of_unary,
)
HARD_SWISH = Kernel(
    init=op_data(HARD_SWISH_OP_DATA, "hard_swish.cc: HardSwishInit"),
    prepare=prepare_hard_swish,
    invoke=switch_on_input("Unsupported type {}", TensorType.FLOAT32, TensorType.INT8),
    overlap=of_unary,
)
ELU = Kernel(
    init=op_data(ELU_OP_DATA, "elu.cc: EluInit"),
    prepare=prepare_elu,
    invoke=switch_on_input(
        "ELU only supports float32 and int8 currently, got {}.", TensorType.FLOAT32, TensorType.INT8
    ),
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
COMPUTE_LOGISTIC_BY_TABLE = by_type(
    {TensorType.FLOAT32: fold_one(sigmoid), TensorType.FLOAT16: fold_one(in_float(sigmoid))}
    | dict.fromkeys(BITS_8, fold_sigmoid_by_table)
    | {TensorType.INT16: fold_sigmoid_int16_exact},
    version=3,
)
COMPUTE_LOGISTIC_FIXED = by_type(
    {
        TensorType.FLOAT32: fold_one(sigmoid),
        TensorType.INT8: fold_sigmoid_fixed,
        TensorType.INT16: fold_sigmoid_int16,
    },
    version=3,
)
COMPUTE_TANH_BY_TABLE = by_type(
    {TensorType.FLOAT32: fold_one(libm.tanhf), TensorType.FLOAT16: fold_one(in_float(libm.tanhf))}
    | dict.fromkeys(BITS_8, fold_tanh_by_table)
    | {TensorType.INT16: fold_tanh_int16},
    version=3,
)
COMPUTE_TANH_FIXED = by_type(
    {TensorType.FLOAT32: fold_one(libm.tanhf), TensorType.INT8: fold_tanh_fixed, TensorType.INT16: fold_tanh_int16},
    version=3,
)
COMPUTE_HARD_SWISH = by_type(
    {TensorType.FLOAT32: fold_one(hard_swish_of_floats)} | dict.fromkeys(BITS_8, fold_hard_swish),
    version=1,
)
COMPUTE_ELU = by_type({TensorType.FLOAT32: fold_one(elu), TensorType.INT8: fold_elu_by_table(elu)}, version=1)
COMPUTE_ELU_BY_EXP = by_type(
    {TensorType.FLOAT32: fold_one(elu), TensorType.INT8: fold_elu_by_table(elu_by_exp)}, version=1
)
COMPUTE_GELU = by_type(
    dict.fromkeys(GELUS_OF_EIGEN, fold_gelu_float) | dict.fromkeys((*BITS_8, TensorType.INT16), fold_gelu_by_table),
    version=2,
)
