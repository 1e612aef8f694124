"""SOFTMAX and LOG_SOFTMAX.

Sources: tensorflow/lite/micro/kernels/softmax_common.cc, softmax.cc, log_softmax.cc; of the arithmetic also
tensorflow/lite/kernels/activations.cc and internal/reference/softmax.h, log_softmax.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic import gemmlowp, libm
from refinfer.kernels.arithmetic.fixedpoint import (
    bit_length,
    divide_by_power_of_two,
    quantize_multiplier,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.arithmetic.lookup import Function, interpolated, sampled
from refinfer.kernels.common import (
    first_scale,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, dtype_of, like_input
from refinfer.kernels.kernel import Kernel, Persistent, Request, op_data, require, temps
from refinfer.kernels.layout import DOUBLE, FLOAT, INT32, POINTER, SIZE_T, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import require_fraction, require_greater_than_one, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import SoftmaxOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LUT_BYTES = 2 * 513  # int16 tables of 512 slopes [common.h: LUTSize]

INTEGER_BITS = 5  # of the exponents [softmax_common.cc: kScaledDiffIntegerBits]
INPUT_FRACTION_BITS = 31 - INTEGER_BITS
SUM_INTEGER_BITS = 12  # of the sum of their exponentials [softmax.h: kAccumulationIntegerBits]
LARGEST_DIFFERENCE = 255

INT16_MIN, INT16_MAX, INT16_RANGE = -(2**15), 2**15 - 1, 2**16 - 1
EXP_RANGE = 10  # exp(-10) is taken for the least [softmax_common.cc: InitializeLutForInt16]

LOG_SOFTMAX_SCALE = 16 / 256
LOG_SOFTMAX_INTEGER_BITS = 4  # [log_softmax.h: kOutputIntegerBits]

Rows = Callable[["Array"], "Array"]
"""From a tensor that is not empty to the output, row by row along the last dimension."""

SOFTMAX_PARAMS = struct("TfLiteSoftmaxParams", beta=FLOAT)
SOFTMAX_OP_DATA = struct(
    "SoftmaxParams",
    beta=DOUBLE,
    input_multiplier=INT32,
    input_left_shift=INT32,
    reverse_scaling_divisor=INT32,
    reverse_scaling_right_shift=INT32,
    diff_min=INT32,
    zero_point=INT32,
    scale=FLOAT,
    table=POINTER,
    exp_lut=POINTER,
    one_over_one_plus_x_lut=POINTER,
    uint8_table1=POINTER,
    uint8_table2=POINTER,
)
LOG_SOFTMAX_OP_DATA = struct(
    "LogSoftmaxOpData",
    input_multiplier=INT32,
    input_left_shift=INT32,
    reverse_scaling_divisor=INT32,
    reverse_scaling_right_shift=INT32,
    diff_min=INT32,
    outer_size=SIZE_T,
    depth=SIZE_T,
)


def prepare_softmax(node: Node, build: Build) -> Iterator[Request]:
    """[softmax_common.cc: SoftmaxPrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    yield from temps(y)
    if x.type == TensorType.INT16:
        yield Persistent("exp_lut", LUT_BYTES, "softmax_common.cc: InitializeLutForInt16")
        yield Persistent("one_over_one_plus_x_lut", LUT_BYTES, "softmax_common.cc: InitializeLutForInt16")
    require_softmax_types(x, y)
    if (x.type, y.type) in SOFTMAX_OUTPUTS:
        require_softmax_scales(x, y, options_of(node, SoftmaxOptions).beta)


def require_softmax_types(x: Tensor, y: Tensor) -> None:
    """[softmax_common.cc: InitializeLutForInt16, CalculateSoftmaxParams]"""
    if y.type == TensorType.INT16:
        require_type(x, TensorType.INT8, TensorType.INT16)
    else:
        require_same_type(x, y)
    require_type(x, TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)


def require_softmax_scales(x: Tensor, y: Tensor, beta: float) -> None:
    """The output's quantization is fixed, since its range is; only what is not int8 may be a thousandth off."""
    if x.type == TensorType.INT16:
        require_zero_point(x, 0)
    zero_point, scale, tolerance = SOFTMAX_OUTPUTS[x.type, y.type]
    require_zero_point(y, zero_point)
    found = first_scale(y)
    require(abs(found - scale) <= tolerance * scale, f"scale {found}; it must be {scale}", y)
    if x.type == TensorType.INT8:
        require_input_multiplier(x, beta)


def require_input_multiplier(x: Tensor, beta: float) -> None:
    """[quantization_util.cc: PreprocessSoftmaxScaling]"""
    multiplier = beta * first_scale(x) * 2**INPUT_FRACTION_BITS
    require_greater_than_one(multiplier, f"beta times the input's scale times 2**{INPUT_FRACTION_BITS}", x)


def prepare_log_softmax(node: Node, build: Build) -> Iterator[Request]:
    """[log_softmax.cc: CalculateOpData]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)
    require_same_shape(x, y)
    if x.type == TensorType.INT8:
        size = build.sizeof(LOG_SOFTMAX_OP_DATA)
        yield Persistent(LOG_SOFTMAX_OP_DATA.name, size, "log_softmax.cc: CalculateOpData")
        require(first_scale(y) == 16 / 256, f"scale {first_scale(y)}; it must be {16 / 256}", y)
        require_zero_point(y, 127)
        require_input_multiplier(x, beta=1.0)


def fold_softmax(node: Node, host: Host) -> Evaluate:
    """Along the last dimension, by the types of input and output."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    require_type(y, *SOFTMAX_FOLDS[x.type])
    rows = SOFTMAX_FOLDS[x.type][y.type](node, host)
    return lambda values: (unless_empty(rows, values, dtype_of(y.type)),)


def unless_empty(rows: Rows, x: Array, dtype: np.dtype[Any]) -> Array:
    """An empty tensor has no largest value."""
    return np.zeros(x.shape, dtype) if x.size == 0 else rows(x).astype(dtype, copy=False)


def fold_softmax_float(node: Node, host: Host) -> Rows:
    """float32, and float16 but for its exponents and sums."""
    beta = np.float32(options_of(node, SoftmaxOptions).beta)
    return partial(softmax_of_floats, beta)


def softmax_of_floats(beta: np.float32, x: Array) -> Array:
    """exp(beta * (x - max)) / sum of exp(beta * (x - max)), summed in order; the exponentials are kept as x is."""
    with np.errstate(all="ignore"):
        exponentials = libm.expf((x.astype(np.float32) - largest_number(x).astype(np.float32)) * beta)
        return exponentials.astype(x.dtype).astype(np.float32) / running_sum(exponentials)


def largest_number(x: Array) -> Array:
    """The largest of each row, NaN left aside, and at least the least finite number."""
    return np.fmax.reduce(x, axis=-1, keepdims=True, initial=np.finfo(x.dtype).min)


def running_sum(x: Array) -> Array:
    """The sum of each row, in order, every step rounded."""
    return np.add.accumulate(x, axis=-1)[..., -1:]


class Exponentials(NamedTuple):
    """exp(multiplier * (x - max)) of quantized numbers as it is tabulated.

    `scaled` are the differences of 8-bit numbers, -255 to 0, with five integer bits, and `of` their exponentials in
    Q0: 0 below `least`.
    """

    least: int
    scaled: Array
    of: Array


def exponentials(multiplier: int, shift: int) -> Exponentials:
    """[softmax.h, log_softmax.h] The differences that are far below 0 would not fit the fixed-point number."""
    least = -floor(((1 << INTEGER_BITS) - 1) * 2**INPUT_FRACTION_BITS / 2**shift)  # [CalculateInputRadius]
    steps = np.arange(-LARGEST_DIFFERENCE, 1)
    scaled = scale_twice(steps, multiplier, shift)
    of = np.where(steps < least, 0, gemmlowp.exp_on_negative_values(scaled, INTEGER_BITS))
    return Exponentials(least, scaled, of)


def input_multiplier(x: Tensor, beta: float) -> tuple[int, int]:
    """beta * scale for numbers with five integer bits; it is as large as an int32 at most.

    [quantization_util.cc: PreprocessSoftmaxScaling]
    """
    require_affine(x)
    require_input_multiplier(x, beta)
    return quantize_multiplier(min(beta * first_scale(x) * 2.0**INPUT_FRACTION_BITS, 2.0**31 - 1))


def differences(x: Array) -> Array:
    """How far each is below the largest of its row, as an index from the end of a table of 256: -1 to -256."""
    wide = x.astype(np.int64)
    return wide - wide.max(axis=-1, keepdims=True) - 1


def fold_softmax_fixed(node: Node, host: Host) -> Rows:
    """8 bits in, 8 or 16 out, in fixed point."""
    x, y = input_at(node, 0), output_at(node, 0)
    if (x.type, y.type) == (TensorType.INT8, TensorType.INT8):
        require_softmax_output(x, y, tolerance=0.001)
    e = exponentials(*input_multiplier(x, options_of(node, SoftmaxOptions).beta))
    limits = np.iinfo(dtype_of(y.type))
    return partial(softmax_fixed, e.of, limits.min, limits.max)


def softmax_fixed(table: Array, low: int, high: int, x: Array) -> Array:
    """y = exp / sum of exp, in as many steps as the output has, upwards from `low`.

    The sum has 12 integer bits, and wraps as a uint32.
    """
    e = table[differences(x)]
    total = divide_by_power_of_two(e, SUM_INTEGER_BITS).sum(axis=-1, keepdims=True) % 2**32
    headroom = 32 - bit_length(total)
    reciprocal = gemmlowp.one_over_one_plus_x((total << headroom) - 2**31)
    exponent = SUM_INTEGER_BITS - headroom + 31 - (high - low).bit_length()
    y = divide_by_power_of_two(gemmlowp.multiply(reciprocal, e), exponent) + low
    return np.clip(y, low, high)


def fold_softmax_int16(node: Node, host: Host) -> Rows:
    """int16, through tables of exp(x) on -10 to 0 and of 1 / (1 + x) on 0 to 1."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_affine(x)
    require_zero_point(x, 0)
    require_softmax_output(x, y, tolerance=0.001)
    numerics, beta = host.numerics, options_of(node, SoftmaxOptions).beta
    multiplier, shift = quantize_multiplier(numerics.softmax_multiplier(first_scale(x), beta, EXP_RANGE / INT16_RANGE))
    exp = table_in_q0(np.exp, numerics.softmax_real, EXP_RANGE, INT16_MAX)
    reciprocal = table_in_q0(lambda each: 1 / (1 + each), numerics.softmax_real, 1, INT16_MIN)
    return partial(softmax_int16, multiplier, shift, exp, reciprocal)


def table_in_q0(function: Function, real: Callable[[float], Any], span: int, zero: int) -> Array:
    """A function on an interval of length `span` that has its 0 where an int16 is `zero`; with 15 bits of fraction."""
    step, output_step = real(span) / real(INT16_RANGE), real(2) / real(INT16_RANGE)
    inverse = real(INT16_RANGE + 1) / (output_step * real(INT16_MAX) - output_step * real(INT16_MIN))
    return sampled(function, step * real(INT16_MIN - zero), step * real(INT16_MAX - zero), inverse)


def softmax_int16(multiplier: int, shift: int, exp: Array, reciprocal: Array, x: Array) -> Array:
    """y = exp * (1 / sum of exp), both with 15 bits of fraction, and the sum with 16 before them."""
    wide = x.astype(np.int64)
    scaled = scale_twice(wide - wide.max(axis=-1, keepdims=True), multiplier, shift)
    e = interpolated(gemmlowp.saturate(scaled + INT16_MAX, 16), exp).astype(np.int64)
    total = e.sum(axis=-1, keepdims=True)
    bits = bit_length(total)
    rest = ((total << (31 - bits)) + 2**13 >> 14) - 2**16 - 2**15
    factor = interpolated(gemmlowp.saturate(rest, 16), reciprocal)
    return np.clip((e * factor + (1 << (bits - 2))) >> (bits - 1), 0, INT16_MAX)


def require_softmax_output(x: Tensor, y: Tensor, tolerance: float) -> None:
    """The output's quantization is fixed, since its range is; the scale may be a part of itself off."""
    zero_point, scale, _ = SOFTMAX_OUTPUTS[x.type, y.type]
    require_zero_point(y, zero_point)
    found = first_scale(y)
    require(abs(found - scale) <= tolerance * scale, f"scale {found}; it must be {scale}", y)


def fold_log_softmax(node: Node, host: Host) -> Evaluate:
    """Along the last dimension, by type."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    require_same_type(x, y)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    rows = log_softmax_of_floats if x.type == TensorType.FLOAT32 else fold_log_softmax_fixed(node)
    return lambda values: (unless_empty(rows, values, dtype_of(y.type)),)


def log_softmax_of_floats(x: Array) -> Array:
    """x - max - log(sum of exp(x - max)), summed in order."""
    with np.errstate(all="ignore"):
        largest = largest_number(x)
        return x - largest - libm.logf(running_sum(libm.expf(x - largest)))


def fold_log_softmax_fixed(node: Node) -> Rows:
    """8 bits, in fixed point."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_affine(y)
    limits = np.iinfo(dtype_of(y.type))
    require(first_scale(y) == LOG_SOFTMAX_SCALE, f"scale {first_scale(y)}; it must be {LOG_SOFTMAX_SCALE}", y)
    require_zero_point(y, limits.max)
    multiplier, shift = input_multiplier(x, beta=1.0)
    inverse = 2.0 ** (31 - shift) / multiplier
    require_fraction(inverse, f"one over the input's scale times 2**{INPUT_FRACTION_BITS}", x)
    e = exponentials(multiplier, shift)
    return partial(log_softmax_fixed, e, *quantize_multiplier(inverse), limits.min, limits.max)


def log_softmax_fixed(e: Exponentials, inverse: int, inverse_shift: int, low: int, high: int, x: Array) -> Array:
    """y = x - max - log(sum of exp), in sixteenths, downwards from `high`.

    What would not fit the fixed-point number is `low`: `inverse` leads from there back to steps of the input.
    """
    at = differences(x)
    total = wrap_int32(divide_by_power_of_two(e.of[at], SUM_INTEGER_BITS).sum(axis=-1, keepdims=True))
    log = gemmlowp.log_from_1(total, SUM_INTEGER_BITS, INTEGER_BITS)
    least = np.maximum(e.least - 1, scale_twice(log - 2**31, inverse, inverse_shift))
    y = divide_by_power_of_two(wrap_int32(e.scaled[at] - log), 31 - INTEGER_BITS - LOG_SOFTMAX_INTEGER_BITS) + high
    return np.where(at + 1 > least, np.clip(y, low, high), low)


SOFTMAX_FOLDS: dict[TensorType, dict[TensorType, Callable[[Node, Host], Rows]]] = {  # by the types of input and output
    TensorType.FLOAT32: {TensorType.FLOAT32: fold_softmax_float},
    TensorType.FLOAT16: {TensorType.FLOAT16: fold_softmax_float},
    TensorType.UINT8: {TensorType.UINT8: fold_softmax_fixed, TensorType.INT16: fold_softmax_fixed},
    TensorType.INT8: {TensorType.INT8: fold_softmax_fixed, TensorType.INT16: fold_softmax_fixed},
    TensorType.INT16: {TensorType.INT16: fold_softmax_int16},
}

SOFTMAX_OUTPUTS = {  # (input, output): the output's zero point and scale, and by what part the scale may differ
    (TensorType.INT16, TensorType.INT16): (0, 1 / 32768, 0.001),
    (TensorType.INT8, TensorType.INT16): (-32768, 1 / 65536, 0.001),
    (TensorType.INT8, TensorType.INT8): (-128, 1 / 256, 0.0),
}

SOFTMAX = Kernel(
    init=op_data(SOFTMAX_OP_DATA, "softmax_common.cc: SoftmaxInit"),
    prepare=prepare_softmax,
    parameters=SOFTMAX_PARAMS,
    overlap=of_unary,
)
LOG_SOFTMAX = Kernel(
    prepare=prepare_log_softmax,
    invoke=switch_on_input("LOG_SOFTMAX only supports float32, int8, got {}.", TensorType.FLOAT32, TensorType.INT8),
    overlap=of_unary,
)
COMPUTE_SOFTMAX = Compute(fold=fold_softmax, shape=like_input, types=frozenset(SOFTMAX_FOLDS), version=3)
COMPUTE_LOG_SOFTMAX = Compute(
    fold=fold_log_softmax,
    shape=like_input,
    types=frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8}),
    version=2,
)
