"""Element by element, from two or more: ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, FLOOR_DIV, FLOOR_MOD,
POW, ATAN2, BITWISE_XOR, RIGHT_SHIFT, ADD_N; and STABLEHLO's ADD, MULTIPLY, MAXIMUM and MINIMUM.

Sources: add.h, add_common.cc, add.cc, sub.h, sub_common.cc, sub.cc, mul.h, mul_common.cc, mul.cc, div.cc,
maximum_minimum.cc, squared_difference.cc, floor_div.cc, floor_mod.cc, add_n.cc, all in tensorflow/lite/micro/kernels;
of the arithmetic also the files of these names, pow.cc, atan2.cc, bitwise_xor.cc, right_shift.cc and
stablehlo_elementwise.h in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import atan2
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels import common_scale, gemmlowp, libm
from refinfer.kernels.broadcast import Elementwise, Fold, binary, plain, stretching
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    is_affine,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_shape,
    require_same_type,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.fixedpoint import (
    bit_length,
    clamp,
    divide_as_x86,
    divide_by_power_of_two,
    doubling_high_mul,
    quantize_multiplier,
    round_half_away,
    scale_twice,
    to_int32,
    wrap_int32,
)
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, FLOAT, INT16, INT32, INT64, UINT8, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.quantization import (
    activate,
    activation_range,
    ratio,
    require_activation_range,
    require_fraction,
    require_sum_multipliers,
    require_unquantized,
    require_zero_point,
)
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import AddOptions, DivOptions, MulOptions, SubOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ADD_PARAMS = struct("TfLiteAddParams", activation=ENUM, pot_scale_int16=BOOL)
SUB_PARAMS = struct("TfLiteSubParams", activation=ENUM, pot_scale_int16=BOOL)
MUL_PARAMS = struct("TfLiteMulParams", activation=ENUM)
DIV_PARAMS = struct("TfLiteDivParams", activation=ENUM)
OP_DATA_ADD = struct(
    "OpDataAdd",
    requires_broadcast=BOOL,
    input1_shift=INT32,
    input2_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input1_multiplier=INT32,
    input2_multiplier=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
    output_activation_min_f32=FLOAT,
    output_activation_max_f32=FLOAT,
)
OP_DATA_SUB = struct(
    "OpDataSub",
    requires_broadcast=BOOL,
    input1_shift=INT32,
    input2_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input1_multiplier=INT32,
    input2_multiplier=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
)
OP_DATA_MUL = struct(
    "OpDataMul",
    input1_zero_point=INT32,
    input2_zero_point=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    output_zero_point=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    output_activation_min_f32=FLOAT,
    output_activation_max_f32=FLOAT,
)
OP_DATA_DIV = struct(
    "OpDataDiv",
    input1_zero_point=INT32,
    input2_zero_point=INT32,
    output_zero_point=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
)
ARITHMETIC_PARAMS = struct(
    "ArithmeticParams",
    broadcast_category=UINT8,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_multiplier=INT32,
    input1_shift=INT32,
    input2_multiplier=INT32,
    input2_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
    int64_activation_min=INT64,
    int64_activation_max=INT64,
    int16_activation_min=INT16,
    int16_activation_max=INT16,
    broadcast_shape=Repeated(INT32, 5),
)
OP_DATA_SQUARED_DIFFERENCE = struct(
    "squared_difference:OpData", requires_broadcast=BOOL, arithmetic_params=ARITHMETIC_PARAMS
)
OP_DATA_ADD_N = struct(
    "add_n:OpData",
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    input_multiplier=INT32,
    output_multiplier=INT32,
    input_shift=INT32,
    output_shift=INT32,
    left_shift=INT32,
    scratch_index=INT32,
)


def three_tensors(node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Both inputs and the output, which is the order in which every Prepare here looks at them."""
    return input_at(node, 0), input_at(node, 1), output_at(node, 0)


def prepare_add(node: Node, build: Build) -> Iterator[Request]:
    """[add_common.cc: AddPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    if y.type in SUM_SHIFTS:
        require_affine(y)
        require_sum_multipliers(first, second, y, SUM_SHIFTS[y.type])
        require_activation_range(y, options_of(node, AddOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)


def prepare_sub(node: Node, build: Build) -> Iterator[Request]:
    """[sub_common.cc: SubPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    if y.type in SUM_SHIFTS:
        require_sum_multipliers(first, second, y, SUM_SHIFTS[y.type])
        require_activation_range(y, options_of(node, SubOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)
        require_unquantized(y)


def prepare_mul(node: Node, build: Build) -> Iterator[Request]:
    """[mul_common.cc: CalculateOpDataMul]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_arity(node, 2, 1)
    require_same_type(first, second)
    if y.type not in (TensorType.INT8, TensorType.INT16):
        return
    require_activation_range(y, options_of(node, MulOptions).fused_activation_function)
    if first.type == TensorType.INT16:
        for tensor in (first, second, y):
            require_zero_point(tensor, 0)


def prepare_div(node: Node, build: Build) -> Iterator[Request]:
    """[div.cc: DivPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    require_same_type(first, y)
    if y.type == TensorType.INT8:
        require_activation_range(y, options_of(node, DivOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)


def prepare_squared_difference(node: Node, build: Build) -> Iterator[Request]:
    """[squared_difference.cc: SquaredDifferencePrepare]"""
    require_arity(node, 2, 1)
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    if first.type not in (TensorType.INT8, TensorType.INT16):
        return
    for tensor in (first, second, y):
        if first.type == TensorType.INT16:
            require_zero_point(tensor, 0)
        else:
            zero_point = first_zero_point(tensor)
            require(-128 <= zero_point <= 127, f"zero point {zero_point}; int8 has -128 to 127", tensor)
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    for tensor in (first, second):
        require_fraction(ratio(first_scale(tensor), twice_largest), "the input's scale over twice the larger", tensor)


def prepare_floor(node: Node, build: Build) -> Iterator[Request]:
    """[floor_div.cc: CalculateOpData], and the same in floor_mod.cc."""
    require_arity(node, 2, 1)
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    require_same_type(first, y)


def prepare_add_n(node: Node, build: Build) -> Iterator[Request]:
    """[add_n.cc: CalculateOpData] Its scratch holds a pointer to each input."""
    require(len(node.inputs) >= 2, f"{len(node.inputs)} inputs; it takes 2 or more")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    first, y = input_at(node, 0), output_at(node, 0)
    yield from temps(first, y)
    require_same_type(y, first)
    for position in range(1, len(node.inputs)):
        other = input_at(node, position)
        yield from temps(other)
        require_alike(first, other)
    if y.type not in (TensorType.FLOAT32, TensorType.INT8):
        raise Refusal(f"ADD_N only supports FLOAT32 and INT8, got {y.type.name}.", y)
    if y.type == TensorType.INT8:
        yield Persistent(OP_DATA_ADD_N.name, build.sizeof(OP_DATA_ADD_N), "add_n.cc: CalculateOpData")
    yield Scratch("scratch_index", build.abi.pointer * len(node.inputs), "add_n.cc: CalculateOpData")
    if y.type == TensorType.INT8:
        require_sum_multipliers(first, first, y, SUM_SHIFTS[y.type])
        require_activation_range(y, ActivationFunctionType.NONE)


def require_alike(first: Tensor, other: Tensor) -> None:
    """All of ADD_N's inputs have one shape and type, and of int8 one quantization."""
    require_same_shape(first, other)
    require_same_type(first, other)
    if first.type == TensorType.INT8:
        require_zero_point(other, first_zero_point(first))
        same = first_scale(first) == first_scale(other)
        require(same, f"scale {first_scale(other)}; the first input's is {first_scale(first)}", other)


def add(a: Array, b: Array) -> Array:
    """a + b"""
    return a + b


def subtract(a: Array, b: Array) -> Array:
    """a - b"""
    return a - b


def multiply(a: Array, b: Array) -> Array:
    """a * b"""
    return a * b


def divide(a: Array, b: Array) -> Array:
    """a / b"""
    return a / b


def exclusive_or(a: Array, b: Array) -> Array:
    """a ^ b"""
    return a ^ b


class Sum(NamedTuple):
    """What a quantized sum or difference comes down to; the output's shift may be to the left."""

    first: common_scale.Input
    second: common_scale.Input
    multiplier: int
    shift: int
    offset: int
    low: int
    high: int


def fold_sum(combine: Elementwise) -> Fold:
    """a + b or a - b of quantized tensors, through twice the larger of their scales."""

    def fold(node: Node, host: Host) -> Evaluate:
        first, second, y = three_tensors(node)
        require_same_type(first, y)
        left_shift = LEFT_SHIFTS[y.type]
        require_sum_multipliers(first, second, y, left_shift)
        twice_largest = 2 * max(first_scale(first), first_scale(second))
        multiplier, shift = quantize_multiplier(twice_largest / (2**left_shift * first_scale(y)))
        low, high = activation_range(y, activation_of(node))
        params = Sum(
            first=common_scale.input_of(first, twice_largest, left_shift),
            second=common_scale.input_of(second, twice_largest, left_shift),
            multiplier=multiplier,
            shift=shift,
            offset=first_zero_point(y),
            low=low,
            high=high,
        )
        return stretching(lambda a, b: evaluate_sum(params, combine, a, b))

    return fold


def evaluate_sum(p: Sum, combine: Elementwise, a: Array, b: Array) -> Array:
    """y = clamp(scale(combine(a, b at a common scale)) + offset), the sum in int32"""
    raw = combine(common_scale.to_common_scale(a, p.first), common_scale.to_common_scale(b, p.second))
    return clamp(scale_twice(wrap_int32(raw), p.multiplier, p.shift) + p.offset, p.low, p.high, a.dtype)


def fold_activated(compute: Elementwise) -> Fold:
    """Numbers that are not quantized, wrapping around in their own type, and a fused activation."""

    def fold(node: Node, host: Host) -> Evaluate:
        activation = activation_of(node)
        return stretching(lambda a, b: activate(compute(a, b), activation))

    return fold


def activation_of(node: Node) -> ActivationFunctionType:
    """The fused activation, of whichever options have one."""
    if isinstance(node.options, AddOptions | SubOptions | MulOptions | DivOptions):
        return node.options.fused_activation_function
    return ActivationFunctionType.NONE


def fold_add_int16(node: Node, host: Host) -> Evaluate:
    """int16: not quantized; or quantized with powers of two, if the options say so; or quantized with any scales."""
    tensors = three_tensors(node)
    if not is_affine(tensors[0]):
        return fold_activated(add)(node, host)
    exponents = powers_of_two(node, tensors)
    if exponents is None:
        return fold_sum(add)(node, host)
    first, second = shifts_to_output(exponents)
    require(first == 0 or second == 0, "powers of two as scales: that of one input must be the output's")
    low, high = activation_range(tensors[2], activation_of(node))
    return stretching(lambda a, b: clamp(saturated(shifted(a, first) + shifted(b, second)), low, high, a.dtype))


def fold_sub_int16(node: Node, host: Host) -> Evaluate:
    """int16: quantized with powers of two, if the options say so; or with any scales."""
    tensors = three_tensors(node)
    exponents = powers_of_two(node, tensors)
    if exponents is None:
        return fold_sum(subtract)(node, host)
    first, second = shifts_to_output(exponents)
    require(first == 0 or second == 0, "powers of two as scales: that of one input must be the output's")
    low, high = activation_range(tensors[2], activation_of(node))
    return stretching(lambda a, b: clamp(shifted(a, first) - shifted(b, second), low, high, a.dtype))


def powers_of_two(node: Node, tensors: Sequence[Tensor]) -> tuple[int, ...] | None:
    """The exponents of the scales, if the options allow for powers of two and all scales are such."""
    options = node.options
    if not isinstance(options, AddOptions | SubOptions) or not options.pot_scale_int16:
        return None
    exponents = [exponent_of(first_scale(tensor)) for tensor in tensors]
    return None if None in exponents else tuple(each for each in exponents if each is not None)


def exponent_of(scale: float) -> int | None:
    """The logarithm of a scale to the base 2, if it is within 0.001 of an integer.

    [quantization_util.cc: CheckedLog2]
    """
    if scale <= 0:
        return None
    of_scale, of_two = libm.logf(np.array([scale, 2]))
    logarithm = float(of_scale * (np.float32(1) / of_two))
    exponent = round_half_away(logarithm)
    return exponent if abs(logarithm - exponent) < 0.001 else None


def shifts_to_output(exponents: tuple[int, ...]) -> tuple[int, int]:
    """By how many bits each input is shifted right to have the scale of the output."""
    first, second, y = exponents
    require(first <= y and second <= y, "powers of two as scales: those of the inputs may not exceed the output's")
    return y - first, y - second


def shifted(x: Array, right: int) -> Array:
    """x / 2**right, ties away from zero."""
    return divide_by_power_of_two(x.astype(np.int64), right)


def saturated(x: Array) -> Array:
    """The nearest int16."""
    return np.clip(x, -(2**15), 2**15 - 1)


class Product(NamedTuple):
    """What a quantized product or quotient comes down to."""

    first_offset: int
    second_offset: int
    multiplier: int
    shift: int
    output_offset: int
    low: int
    high: int


def product_of(node: Node, real_multiplier: float) -> Product:
    """The parameters of a node whose result is brought to the output's scale by `real_multiplier`."""
    first, second, y = three_tensors(node)
    multiplier, shift = quantize_multiplier(real_multiplier)
    low, high = activation_range(y, activation_of(node))
    return Product(
        first_offset=-first_zero_point(first),
        second_offset=-first_zero_point(second),
        multiplier=multiplier,
        shift=shift,
        output_offset=first_zero_point(y),
        low=low,
        high=high,
    )


def fold_mul(node: Node, host: Host) -> Evaluate:
    """8 bits, or 16 to 16."""
    first, second, y = three_tensors(node)
    require_same_type(first, y)
    for tensor in (first, second, y):
        require_affine(tensor)
        if first.type == TensorType.INT16:
            require_zero_point(tensor, 0)
    real = host.numerics.product_multiplier(first_scale(first), first_scale(second), first_scale(y))
    params = product_of(node, real)
    return stretching(lambda a, b: evaluate_mul(params, a, b))


def evaluate_mul(p: Product, a: Array, b: Array) -> Array:
    """y = clamp(scale((a + first_offset) * (b + second_offset)) + output_offset)"""
    product = (a.astype(np.int64) + p.first_offset) * (b.astype(np.int64) + p.second_offset)
    return clamp(scale_twice(wrap_int32(product), p.multiplier, p.shift) + p.output_offset, p.low, p.high, a.dtype)


def fold_mul_int16(node: Node, host: Host) -> Evaluate:
    """int16: to int8 or uint8; or not quantized; or quantized."""
    y = output_at(node, 0)
    if y.type in (TensorType.INT8, TensorType.UINT8):
        return fold_mul_to_8_bits(node, host)
    return fold_mul(node, host) if is_affine(y) else fold_activated(multiply)(node, host)


def fold_mul_complex(node: Node, host: Host) -> Evaluate:
    """Complex numbers have no activation."""
    activation = activation_of(node)
    require(activation == ActivationFunctionType.NONE, f"activation {activation.name} of COMPLEX64")
    return stretching(multiply_complex)


def multiply_complex(a: Array, b: Array) -> Array:
    """(x + iy) * (u + iv) = xu - yv + i(xv + yu), every step rounded; numpy would fuse some."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    product.real = a.real * b.real - a.imag * b.imag
    product.imag = a.real * b.imag + a.imag * b.real
    return product


def fold_mul_to_8_bits(node: Node, host: Host) -> Evaluate:
    """int16 to 8 bits: the inputs count as fractions of 2**15 and the result as one of 2**7, whatever the scales."""
    y = output_at(node, 0)
    low, high = activation_range(y, activation_of(node))
    offset, dtype = first_zero_point(y), dtype_of(y.type)

    def evaluate(a: Array, b: Array) -> tuple[Array, ...]:
        require(a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ")
        product = gemmlowp.multiply(a.astype(np.int64), b.astype(np.int64), 16)
        return (clamp(divide_by_power_of_two(product, 8) + offset, low, high, dtype),)

    return evaluate


def fold_div(node: Node, host: Host) -> Evaluate:
    """Quantized; it fails on division by zero."""
    params = quotient_of(node, host)

    def divide(a: Array, b: Array) -> Array:
        require(not np.any(b == -params.second_offset), "division by zero")
        return evaluate_div(params, a, b)

    return stretching(divide)


def quotient_of(node: Node, host: Host) -> Product:
    """The parameters of DIV."""
    first, second, y = three_tensors(node)
    for tensor in (first, second, y):
        require_affine(tensor)
    scale = host.numerics.scale
    with np.errstate(all="ignore"):
        real = float(scale(first_scale(first)) / (scale(first_scale(second)) * scale(first_scale(y))))
    return product_of(node, real)


def evaluate_div(p: Product, a: Array, b: Array) -> Array:
    """y = clamp(scale(a / b) + output_offset), where a / b = (a * 2**headroom) * (1 / b), both with 31 bits

    [div.h: DivElementwise]
    """
    dividend, divisor = a.astype(np.int64) + p.first_offset, b.astype(np.int64) + p.second_offset
    dividend, divisor = np.where(divisor < 0, -dividend, dividend), np.abs(divisor)
    digits = bit_length(divisor)
    reciprocal = gemmlowp.one_over_one_plus_x((divisor << (32 - digits)) - 2**31)
    headroom = leading_sign_bits(dividend)
    quotient = doubling_high_mul(dividend << headroom, reciprocal)
    scaled = divide_as_x86(doubling_high_mul(quotient, p.multiplier), (digits - 1) + headroom - p.shift)
    return clamp(wrap_int32(scaled + p.output_offset), p.low, p.high, a.dtype)


def leading_sign_bits(x: Array) -> Array:
    """How many of the bits after the sign repeat it, in int32 [common.h: CountLeadingSignBits]."""
    return 31 - bit_length(np.where(x < 0, ~x, x))


def divide_truncating(a: Array, b: Array) -> Array:
    """C's division of int32; a program that divides by zero, or the least number by -1, is stopped."""
    require_quotients(a, b)
    return divide_saturating(a, b)


def divide_saturating(a: Array, b: Array) -> Array:
    """The same, but the least number divided by -1 is the largest."""
    require(bool(np.all(b != 0)), "division by zero")
    wide, divisor = a.astype(np.int64), b.astype(np.int64)
    quotient = np.sign(wide) * np.sign(divisor) * (np.abs(wide) // np.abs(divisor))
    return np.minimum(quotient, np.iinfo(a.dtype).max).astype(a.dtype)


def require_quotients(a: Array, b: Array) -> None:
    """Refuse what stops a program in C: to divide by zero, or the least int32 or int64 by -1."""
    require(bool(np.all(b != 0)), "division by zero")
    least = np.iinfo(a.dtype).min
    require(a.dtype.itemsize < 4 or not np.any((a == least) & (b == -1)), f"{least} divided by -1 exceeds its type")


def fold_small_squared_difference(node: Node, host: Host) -> Evaluate:
    """As `fold_squared_difference`, where the result cannot be scaled up."""
    first, second, y = three_tensors(node)
    larger = max(first_scale(first), first_scale(second))
    require_fraction(ratio(larger * larger, 2**12 * first_scale(y)), "the larger scale squared over 2**12 outputs'", y)
    return fold_squared_difference(node, host)


def fold_squared_difference(node: Node, host: Host) -> Evaluate:
    """int8 and int16: (a - b)**2 through twice the larger of their scales."""
    first, second, y = three_tensors(node)
    require_same_type(first, y)
    left_shift = SQUARED_DIFFERENCE_SHIFTS[first.type]
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    real = ratio(twice_largest * twice_largest, 2 ** (2 * left_shift) * first_scale(y))
    for tensor in (first, second):
        require_fraction(ratio(first_scale(tensor), twice_largest), "the input's scale over twice the larger", tensor)
    require(0 < real < 2**31, f"scale {first_scale(y)}; it is too far from the inputs'", y)
    multiplier, shift = quantize_multiplier(real)
    low, high = activation_range(y, ActivationFunctionType.NONE)
    params = Sum(
        first=common_scale.input_of(first, twice_largest, left_shift),
        second=common_scale.input_of(second, twice_largest, left_shift),
        multiplier=multiplier,
        shift=shift,
        offset=first_zero_point(y),
        low=low,
        high=high,
    )
    return stretching(lambda a, b: evaluate_sum(params, squared_difference, a, b))


def squared_difference(a: Array, b: Array) -> Array:
    """(a - b)**2, wrapping around."""
    return (a - b) * (a - b)


def maximum(a: Array, b: Array) -> Array:
    """a > b ? a : b, which is b if one is NaN."""
    return np.where(a > b, a, b)


def minimum(a: Array, b: Array) -> Array:
    """a < b ? a : b, which is b if one is NaN."""
    return np.where(a < b, a, b)


def floor_div(a: Array, b: Array) -> Array:
    """floor(a / b), divided as doubles; what exceeds an integer's type wraps around."""
    require(bool(np.all(b != 0)), "division by zero")
    quotient = np.floor(a.astype(np.float64) / b.astype(np.float64))
    return (quotient if a.dtype.kind == "f" else quotient.astype(np.int64)).astype(a.dtype)


def floor_mod(a: Array, b: Array) -> Array:
    """What a leaves when divided by b, with the sign of b."""
    if a.dtype.kind == "i":
        require_quotients(a, b)
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


def power(a: Array, b: Array) -> Array:
    """a**b; for one whole exponent that is stretched over many bases by squaring, otherwise by C's pow.

    [optimized_ops.h: BroadcastPow4D]
    """
    require(a.dtype.kind == "f" or bool(np.all(b >= 0)), "a negative exponent of integers")
    if a.shape != b.shape and b.size == 1:
        exponent = float(b.reshape(())[()])
        whole = round_half_away(exponent) if abs(exponent) < 2**31 else 0
        if whole >= 1 and abs(np.float32(exponent) - np.float32(whole)) < np.float32(1e-5):
            return np.broadcast_to(power_by_squaring(a, whole), np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind == "f":
        return libm.powf(a, b)
    return to_int32(np.trunc(np.power(a.astype(np.float64), b.astype(np.float64)))).astype(a.dtype)


def power_by_squaring(base: Array, exponent: int) -> Array:
    """base**exponent: the square of half the exponent, times the base if it is odd; infinities become finite."""
    if exponent == 1:
        return base
    half = power_by_squaring(base, exponent // 2)
    square = activate(half * half, ActivationFunctionType.NONE)
    return activate(base * square, ActivationFunctionType.NONE) if exponent % 2 else square


def right_shift(a: Array, b: Array) -> Array:
    """a >> b with b limited to what the type has bits for; the sign is kept."""
    bits = 8 * a.dtype.itemsize
    return a >> np.clip(b, 0, bits - 1).astype(a.dtype)


def fold_atan2(node: Node, host: Host) -> Evaluate:
    """The angle of the point (b, a), by C's atan2, of doubles too. The shapes may not differ."""
    require_same_type(input_at(node, 0), output_at(node, 0))
    return without_stretching(ATAN2[input_at(node, 0).type])


def atan2_of_doubles(a: Array, b: Array) -> Array:
    """math.atan2 is C's."""
    return np.array(list(map(atan2, a.ravel().tolist(), b.ravel().tolist())), np.float64).reshape(a.shape)


def atan2_of_halves(a: Array, b: Array) -> Array:
    """By way of floats."""
    return libm.atan2f(a, b).astype(np.float16)


def without_stretching(compute: Elementwise) -> Evaluate:
    """Evaluate element by element, for inputs of one shape."""

    def evaluate(*inputs: Array) -> tuple[Array, ...]:
        for each in inputs[1:]:
            require(each.shape == inputs[0].shape, f"shape {each.shape}; {inputs[0].shape} was expected")
        with np.errstate(all="ignore"):
            return (compute(*inputs),)

    return evaluate


def larger(a: Array, b: Array) -> Array:
    """a < b ? b : a, which is a if one is NaN [std::max]."""
    return np.where(a < b, b, a)


def smaller(a: Array, b: Array) -> Array:
    """b < a ? b : a, which is a if one is NaN [std::min]."""
    return np.where(b < a, b, a)


def same_shape(compute: Elementwise) -> Compute:
    """The arithmetic of an operator of STABLEHLO: integers wrap around, bools are added and multiplied as such."""
    folds = dict.fromkeys(STABLEHLO_TYPES, lambda node, host: without_stretching(compute))
    return binary(folds, version=1)


def add_n(folds: Mapping[TensorType, Fold]) -> Compute:
    """The arithmetic of ADD_N, by the type of its inputs, which have one type and shape."""

    def fold(node: Node, host: Host) -> Evaluate:
        require(len(node.inputs) >= 2, f"{len(node.inputs)} inputs; it takes 2 or more")
        first = input_at(node, 0)
        for position in range(1, len(node.inputs)):
            require_same_type(first, input_at(node, position))
        return folds[first.type](node, host)

    return Compute(fold=fold, shape=shape_of_first, types=frozenset(folds), version=1)


def fold_add_n_limited(node: Node, host: Host) -> Evaluate:
    """In order; a sum that exceeds the floats stays at the largest, and integers wrap around."""
    return without_stretching(limited_sum)


def limited_sum(*inputs: Array) -> Array:
    """y = limit(limit(a + b) + c) …"""
    total = inputs[0]
    for each in inputs[1:]:
        total = activate(total + each, ActivationFunctionType.NONE)
    return total


def fold_add_n_plain(node: Node, host: Host) -> Evaluate:
    """In order, from 0."""
    return without_stretching(plain_sum)


def plain_sum(*inputs: Array) -> Array:
    """y = ((0 + a) + b) + …"""
    total = np.zeros_like(inputs[0])
    for each in inputs:
        total = total + each
    return total


def fold_add_n_quantized(node: Node, host: Host) -> Evaluate:
    """int8, all inputs with one scale and zero point, brought to twice that scale."""
    first, y = input_at(node, 0), output_at(node, 0)
    left_shift = LEFT_SHIFTS[first.type]
    for position in range(1, len(node.inputs)):
        require_alike(first, input_at(node, position))
    require_sum_multipliers(first, first, y, left_shift)
    x = common_scale.input_of(first, 2 * first_scale(first), left_shift)
    multiplier, shift = quantize_multiplier(2 * first_scale(first) / (2**left_shift * first_scale(y)))
    low, high = activation_range(y, ActivationFunctionType.NONE)
    params = Sum(x, x, multiplier, shift, first_zero_point(y), low, high)
    return without_stretching(lambda *inputs: evaluate_add_n(params, *inputs))


def evaluate_add_n(p: Sum, *inputs: Array) -> Array:
    """y = clamp(scale(sum of x at twice the scale) + offset)

    The sum starts at the offset as though it were the zero that it stands for [add_n.h: AddN of int8].
    """
    zero = common_scale.to_common_scale(np.zeros((), np.int8), p.first)
    total = sum((common_scale.to_common_scale(each, p.first) for each in inputs), zero)
    return clamp(scale_twice(wrap_int32(total), p.multiplier, p.shift) + p.offset, p.low, p.high, np.dtype(np.int8))


def shape_of_first(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """All inputs have the shape of the output."""
    require(all(shape == shapes[0] for shape in shapes), f"shapes {', '.join(map(str, shapes))} differ")
    return [shapes[0]]


SUM_SHIFTS = {TensorType.INT8: 20, TensorType.INT16: 15}  # bits kept below the point of a sum
LEFT_SHIFTS = SUM_SHIFTS | {TensorType.UINT8: 20}
SQUARED_DIFFERENCE_SHIFTS = {TensorType.INT8: 7, TensorType.INT16: 0}

ADD = Kernel(
    init=op_data(OP_DATA_ADD, "add.cc: AddInit"),
    prepare=prepare_add,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=ADD_PARAMS,
)
SUB = Kernel(
    init=op_data(OP_DATA_SUB, "sub.cc: SubInit"),
    prepare=prepare_sub,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=SUB_PARAMS,
)
MUL = Kernel(
    init=op_data(OP_DATA_MUL, "mul_common.cc: MulInit"),
    prepare=prepare_mul,
    invoke=switch_on_input(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=MUL_PARAMS,
)
DIV = Kernel(
    init=op_data(OP_DATA_DIV, "div.cc: DivInit"),
    prepare=prepare_div,
    invoke=switch_on_output(
        "DIV only supports FLOAT32, INT32, quantized INT8 now, got type {}.",
        TensorType.FLOAT32,
        TensorType.INT32,
        TensorType.INT8,
    ),
    parameters=DIV_PARAMS,
)
MAXIMUM = MINIMUM = Kernel(
    invoke=switch_on_output(
        "Type {} is not supported by Maximum/Minimum.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
    )
)
SQUARED_DIFFERENCE = Kernel(
    init=op_data(OP_DATA_SQUARED_DIFFERENCE, "squared_difference.cc: SquaredDifferenceInit"),
    prepare=prepare_squared_difference,
    invoke=switch_on_output(
        "SquaredDifference only supports FLOAT32, INT32 , INT16 and INT8 now, got {}.",
        TensorType.FLOAT32,
        TensorType.INT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
)
FLOOR_DIV = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_DIV.", TensorType.FLOAT32),
)
FLOOR_MOD = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_MOD.", TensorType.FLOAT32),
)
ADD_N = Kernel(prepare=prepare_add_n)

ADD_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(add),
    TensorType.FLOAT16: fold_activated(add),
    TensorType.INT32: fold_activated(add),
    TensorType.INT64: fold_activated(add),
    TensorType.UINT8: fold_sum(add),
    TensorType.INT8: fold_sum(add),
    TensorType.INT16: fold_add_int16,
}
SUB_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(subtract),
    TensorType.INT32: fold_activated(subtract),
    TensorType.INT64: fold_activated(subtract),
    TensorType.UINT8: fold_sum(subtract),
    TensorType.INT8: fold_sum(subtract),
    TensorType.INT16: fold_sub_int16,
}
MUL_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(multiply),
    TensorType.FLOAT16: fold_activated(multiply),
    TensorType.INT32: fold_activated(multiply),
    TensorType.UINT32: fold_activated(multiply),
    TensorType.INT64: fold_activated(multiply),
    TensorType.COMPLEX64: fold_mul_complex,
    TensorType.UINT8: fold_mul,
    TensorType.INT8: fold_mul,
    TensorType.INT16: fold_mul_int16,
}
DIV_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(divide),
    TensorType.INT32: fold_activated(divide_saturating),
    TensorType.UINT8: fold_div,
    TensorType.INT8: fold_div,
    TensorType.INT16: fold_div,
}
SQUARED_DIFFERENCE_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: plain(squared_difference),
    TensorType.INT32: plain(squared_difference),
    TensorType.INT8: fold_small_squared_difference,
}
ATAN2: dict[TensorType, Elementwise] = {
    TensorType.FLOAT32: libm.atan2f,
    TensorType.FLOAT16: atan2_of_halves,
    TensorType.FLOAT64: atan2_of_doubles,
}
ORDERED = (
    TensorType.FLOAT32,
    TensorType.FLOAT16,
    TensorType.UINT8,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)
STABLEHLO_TYPES = (
    TensorType.FLOAT16,
    TensorType.FLOAT32,
    TensorType.FLOAT64,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
    TensorType.UINT8,
    TensorType.UINT16,
    TensorType.UINT32,
    TensorType.UINT64,
    TensorType.BOOL,
)
BITS = (
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    TensorType.INT32,
    TensorType.UINT32,
)

COMPUTE_ADD = binary(ADD_FOLDS, version=5)
COMPUTE_ADD_RESCALING = binary(  # int16 has any scales, int32 no activation
    ADD_FOLDS | {TensorType.INT16: fold_sum(add), TensorType.INT32: plain(add)}, version=5
)
COMPUTE_SUB = binary(SUB_FOLDS, version=5)
COMPUTE_SUB_RESCALING = binary(SUB_FOLDS | {TensorType.INT16: fold_sum(subtract)}, version=5)
COMPUTE_MUL = binary(MUL_FOLDS, version=7)
COMPUTE_MUL_QUANTIZED = binary(MUL_FOLDS | {TensorType.INT16: fold_mul}, version=7)  # no int16 without a scale
COMPUTE_DIV = binary(DIV_FOLDS, version=2)
COMPUTE_DIV_AS_C = binary(DIV_FOLDS | {TensorType.INT32: fold_activated(divide_truncating)}, version=2)
COMPUTE_MAXIMUM = binary(dict.fromkeys(ORDERED, plain(maximum)), version=4)
COMPUTE_MINIMUM = binary(dict.fromkeys(ORDERED, plain(minimum)), version=4)
COMPUTE_SQUARED_DIFFERENCE = binary(SQUARED_DIFFERENCE_FOLDS, version=2)
COMPUTE_SQUARED_DIFFERENCE_OF_ANY_SCALE = binary(
    SQUARED_DIFFERENCE_FOLDS | {TensorType.INT8: fold_squared_difference, TensorType.INT16: fold_squared_difference},
    version=2,
)
COMPUTE_FLOOR_DIV = binary(
    dict.fromkeys((TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32), plain(floor_div)),
    version=3,
)
COMPUTE_FLOOR_MOD = binary(
    dict.fromkeys(
        (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64), plain(floor_mod)
    ),
    version=2,
)
COMPUTE_POW = binary(dict.fromkeys((TensorType.FLOAT32, TensorType.INT32), plain(power)), version=1)
COMPUTE_ATAN2 = binary(dict.fromkeys(ATAN2, fold_atan2), version=1)
COMPUTE_BITWISE_XOR = binary(dict.fromkeys(BITS, plain(exclusive_or)), version=1)
COMPUTE_RIGHT_SHIFT = binary(dict.fromkeys(BITS, plain(right_shift)), version=1)
COMPUTE_STABLEHLO_ADD = same_shape(add)
COMPUTE_STABLEHLO_MULTIPLY = same_shape(multiply)
COMPUTE_STABLEHLO_MAXIMUM = same_shape(larger)
COMPUTE_STABLEHLO_MINIMUM = same_shape(smaller)
COMPUTE_ADD_N = add_n(dict.fromkeys((TensorType.FLOAT32, TensorType.INT32), fold_add_n_limited))
COMPUTE_ADD_N_QUANTIZED = add_n({TensorType.FLOAT32: fold_add_n_plain, TensorType.INT8: fold_add_n_quantized})
