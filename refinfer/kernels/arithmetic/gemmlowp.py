"""exp, logistic and tanh of integers: gemmlowp's fixed point, and a table of the sigmoid with interpolation.

A fixed-point number is an integer of `bits` (32 or 16) that stands for ``raw * 2**(integer_bits - bits + 1)``: one bit
is the sign, `integer_bits` stand before the point and the others behind it. "Q0" has none before it and spans -1 to 1.
All arrays are int64 and hold what C would hold in an int of that width.

Sources: gemmlowp fixedpoint/fixedpoint.h; kernels/internal/common.h: sigmoid_table_uint16;
kernels/internal/reference/integer_ops/{logistic,tanh}.h (LiteRT and TFLM share them).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import bit_length, divide_by_power_of_two, round_away, wrap_int32
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

EXP_OF_POWERS_OF_TWO = {
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
"""exp(-2**k) in Q0 of 32 bits, by k."""

EXP_OF_MINUS_AN_EIGHTH = 1895147668  # Q0 of 32 bits
ONE_THIRD = 715827883  # Q0 of 32 bits
FORTY_EIGHT_SEVENTEENTHS = 1515870810  # Q2 of 32 bits
MINUS_THIRTY_TWO_SEVENTEENTHS = -1010580540  # Q2 of 32 bits

LOG_OF_2 = 1488522236  # and what follows: Q0 of 32 bits
SQRT_OF_A_HALF = 1518500250
FOURTH_ROOT_OF_A_HALF = 1805811301
LOG_N = 117049297  # 11/240 * 2**1/4
LOG_D = 127690142  # 1/20 * 2**1/4
LOG_I = 1057819769  # 2 / 2**1/4 - 2**1/4
LOG_F = 638450708  # 1/4 * 2**1/4

TABLE_STEP = 1 / 24
TABLE_SIZE = 256


def logistic(x: Array, integer_bits: int, bits: int = 32) -> Array:
    """1 / (1 + exp(-x)) in Q0, of an x with `integer_bits` [logistic]."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits, bits), bits)
    half = 1 << (bits - 2)
    return np.where(x == 0, half, np.where(x > 0, positive, largest(bits) - positive))


def tanh(x: Array, integer_bits: int, bits: int = 32) -> Array:
    """tanh(x) in Q0, of an x with `integer_bits`: (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)) with the sign of x [tanh]."""
    positive = one_minus_x_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits + 1, bits), bits)
    return np.sign(x) * positive


def logistic_of_int16(x: Array, integer_bits: int) -> Array:
    """`logistic` of 16 bits, looked up."""
    return of_each_int16(logistic, integer_bits)[x]


def tanh_of_int16(x: Array, integer_bits: int) -> Array:
    """`tanh` of 16 bits, looked up."""
    return of_each_int16(tanh, integer_bits)[x]


@cache
def of_each_int16(function: Callable[[Array, int, int], Array], integer_bits: int) -> Array:
    """The results for 0 and all above, then those for all below: where a negative index finds its own."""
    return function(np.arange(2**16).astype(np.int16).astype(np.int64), integer_bits, 16)


def exp_on_negative_values(x: Array, integer_bits: int, bits: int = 32) -> Array:
    """exp(x) in Q0, of an x <= 0 with `integer_bits` [exp_on_negative_values].

    exp(x) = exp(r) * product of exp(-2**k) over the bits k of r - x, where -1/4 <= r < 0.
    """
    fraction_bits = bits - 1 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter
    y = exp_between_minus_a_quarter_and_0(saturate(rest << integer_bits, bits), bits)
    powers = rest - x
    for exponent, factor in EXP_OF_POWERS_OF_TWO.items():
        if exponent < integer_bits:
            y = np.where(powers & (1 << (fraction_bits + exponent)), multiply(y, narrow(factor, bits), bits), y)
    if integer_bits > 5:
        y = np.where(x < -(32 << fraction_bits), 0, y)
    return np.where(x == 0, largest(bits), y)


def exp_between_minus_a_quarter_and_0(x: Array, bits: int = 32) -> Array:
    """exp(x) of -1/4 <= x < 0, all in Q0: a Taylor series around -1/8, to the fourth power.

    [exp_on_interval_between_negative_one_quarter_and_0_excl]
    """
    x = x + (1 << (bits - 4))
    x2 = multiply(x, x, bits)
    x3 = multiply(x2, x, bits)
    x4 = multiply(x2, x2, bits)
    x4_over_24_plus_x3_over_6 = multiply(divide_by_power_of_two(x4, 2) + x3, narrow(ONE_THIRD, bits), bits)
    series = x + divide_by_power_of_two(x4_over_24_plus_x3_over_6 + x2, 1)
    factor = narrow(EXP_OF_MINUS_AN_EIGHTH, bits)
    return saturate(factor + multiply(series, factor, bits), bits)


def one_over_one_plus_x(x: Array, bits: int = 32) -> Array:
    """1 / (1 + x) of 0 <= x < 1, all in Q0 [one_over_one_plus_x_for_x_in_0_1]."""
    return saturate(two_over_one_plus_x(x, bits) << 1, bits)


def one_minus_x_over_one_plus_x(x: Array, bits: int = 32) -> Array:
    """(1 - x) / (1 + x) of 0 <= x < 1, all in Q0 [one_minus_x_over_one_plus_x_for_x_in_0_1]."""
    one = 1 << (bits - 3)
    return saturate((two_over_one_plus_x(x, bits) - one) << 2, bits)


def two_over_one_plus_x(x: Array, bits: int) -> Array:
    """2 / (1 + x) in Q2, of an x in Q0: three steps of Newton's method, y += y * (1 - d * y) with d = (1 + x) / 2."""
    one = 1 << (bits - 3)
    denominator = divide_by_power_of_two(x + largest(bits), 1)
    start = multiply(denominator, narrow(MINUS_THIRTY_TWO_SEVENTEENTHS, bits), bits)
    y = narrow(FORTY_EIGHT_SEVENTEENTHS, bits) + start
    for _ in range(3):
        y = y + saturate(multiply(y, one - multiply(denominator, y, bits), bits) << 2, bits)
    return y


def log_from_1(x: Array, integer_bits: int, output_integer_bits: int) -> Array:
    """log(x) of x >= 1, in int32: log(2**e * r) = e * log 2 + log r with r between sqrt(1/2) and 1.

    Either e is the exponent of x or, where that would make r smaller, that of x * sqrt(1/2); a rational function around
    2**-1/4 gives log r. [common.h: log_x_for_x_greater_than_or_equal_to_1_impl]
    """
    accumulator_bits = output_integer_bits + 1
    quarter = 1 << (31 - accumulator_bits - 2)
    headroom = 31 - bit_length(x)
    headroom_of_half = 31 - bit_length(multiply(x, SQRT_OF_A_HALF))
    r = np.minimum(
        saturate(multiply(x << headroom, SQRT_OF_A_HALF) << 1, 32),
        saturate(x << headroom_of_half, 32),
    )
    e = np.maximum(
        saturate((integer_bits - 1 - headroom << (31 - accumulator_bits)) + quarter, 32),
        saturate((integer_bits - headroom_of_half << (31 - accumulator_bits)) - quarter, 32),
    )
    p = (r + FOURTH_ROOT_OF_A_HALF + 1) >> 1
    q = 2 * (r - FOURTH_ROOT_OF_A_HALF)
    q2 = multiply(q, q)
    numerator = multiply(q, r) + multiply(multiply(q, q2), LOG_N)
    denominator = multiply(p, LOG_I + q + multiply(q2, LOG_D)) + multiply(q, LOG_F)
    log_r = multiply(divide_by_power_of_two(numerator, accumulator_bits), one_over_one_plus_x(denominator))
    return saturate((multiply(e, LOG_OF_2) + log_r) << 1, 32)


def multiply(a: Array, b: Array | int, bits: int = 32) -> Array:
    """a * b, ties up; the integer bits of the product are those of both together.

    -1 * -1 gives the largest number below 1 [SaturatingRoundingDoublingHighMul].
    """
    half = 1 << (bits - 2)
    product: Array = a * b + half
    return np.minimum(product >> (bits - 1), largest(bits))


def saturate(x: Array, bits: int) -> Array:
    """The nearest integer that has that many bits."""
    return np.minimum(np.maximum(x, -largest(bits) - 1), largest(bits))  # for a few numbers, faster than np.clip


def largest(bits: int) -> int:
    """The largest integer of that many bits; in Q0, what stands for 1."""
    return (1 << (bits - 1)) - 1


@cache
def narrow(constant: int, bits: int) -> int:
    """A positive or negative constant of 32 bits in so many, ties away from zero [RescaleConstantInitializer]."""
    return int(divide_by_power_of_two(np.array(constant, np.int64), 32 - bits))


def logistic_by_table(x: Array, multiplier: int, shift: int) -> Array:
    """1 / (1 + exp(-x)) in Q0 of 16 bits, interpolated [integer_ops/logistic.h, int16].

    The table is entered at ``x * multiplier / 2**shift`` with 9 bits of fraction.
    """
    position = table_position(x, multiplier, shift)
    y = interpolate(np.abs(position), 9, beyond=0x7FFF << 10)
    return np.where(position >= 0, y + 2**9, 2**25 - y + 2**9 - 1) >> 10


def tanh_by_table(x: Array, multiplier: int, shift: int) -> Array:
    """tanh(x) = 2 / (1 + exp(-2 x)) - 1 in Q0 of 16 bits, interpolated [integer_ops/tanh.h, int16].

    The table is entered at ``x * multiplier / 2**shift`` with 8 bits of fraction.
    """
    position = table_position(x, multiplier, shift)
    y = interpolate(np.abs(position), 8, beyond=0xFFFF << 8)
    return np.where(position >= 0, y - 2**23 + 2**7, 2**23 - y + 2**7 - 1) >> 8


def table_position(x: Array, multiplier: int, shift: int) -> Array:
    """x * multiplier / 2**shift, ties up, in int32."""
    return wrap_int32(x.astype(np.int64) * multiplier + ((1 << shift) >> 1)) >> shift


def interpolate(position: Array, fraction_bits: int, beyond: int) -> Array:
    """Between the entries before and after; `beyond` from the last entry on."""
    entry = position >> fraction_bits
    before = np.minimum(entry, TABLE_SIZE - 2)
    low, high = sigmoid_table()[before], sigmoid_table()[before + 1]
    fraction = position & ((1 << fraction_bits) - 1)
    return np.where(entry >= TABLE_SIZE - 1, beyond, (low << fraction_bits) + fraction * (high - low))


@cache
def sigmoid_table() -> Array:
    """round(65536 * (s(x) - step**2 * s''(x) / 16)) at x = 0, step, 2 step, …, where s is the sigmoid.

    The second term is half of the largest error of a straight line between two entries, so that errors are spread to
    both sides; the last entry is where the table saturates.
    """
    x = TABLE_STEP * np.arange(TABLE_SIZE)
    s = 1 / (1 + np.exp(-x))
    curvature = s * (1 - s) * (1 - 2 * s)
    table = round_away(65536 * (s - TABLE_STEP**2 * curvature / 16)).astype(np.int64)
    table[-1] = 0xFFFF
    table.setflags(write=False)
    return table
