"""The functions that formulas are written with, on Python's own numbers.

    >>> from refinfer.explanation.arithmetic import *
    >>> (4635 * 1344962570 + 2**30) >> 31
    2903

They say once more, for single numbers, what the kernels say for arrays; constants are shared. Sources: as in
kernels/arithmetic/fixedpoint.py, kernels/arithmetic/gemmlowp.py and kernels/arithmetic/libm.py.
"""

from __future__ import annotations

from math import exp, floor, inf, isfinite, nan, tanh

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import round_half_away
from refinfer.kernels.arithmetic.gemmlowp import (
    EXP_OF_MINUS_AN_EIGHTH,
    EXP_OF_POWERS_OF_TWO,
    FORTY_EIGHT_SEVENTEENTHS,
    MINUS_THIRTY_TWO_SEVENTEENTHS,
    ONE_THIRD,
    TABLE_SIZE,
    largest,
    sigmoid_table,
)
from refinfer.kernels.lazy import np

__all__ = [
    "divide_by_power_of_two",
    "exp",
    "exp_on_negative_values",
    "expf",
    "float32",
    "floor",
    "inf",
    "logistic_by_table",
    "logistic_in_fixed_point",
    "multiply",
    "nan",
    "one_minus_x_over_one_plus_x",
    "one_over_one_plus_x",
    "round_away",
    "round_half_away",
    "saturate",
    "sigmoid",
    "tanh",
    "tanh_by_table",
    "tanh_in_fixed_point",
    "tanhf",
    "to_int32",
    "wrap_int32",
    "wrap_int64",
]


def float32(x: float) -> float:
    """The nearest number that a float holds; of a product or quotient of two floats, what C computes of them."""
    with np.errstate(all="ignore"):
        return float(np.float32(x))


def expf(x: float) -> float:
    """The C library's exponential of floats."""
    return float(libm.expf(np.array(x)))


def tanhf(x: float) -> float:
    """The C library's hyperbolic tangent of floats."""
    return float(libm.tanhf(np.array(x)))


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))"""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def round_away(x: float) -> float:
    """The nearest whole number, ties away from zero; infinities and NaN as they are."""
    return float(round_half_away(x)) if isfinite(x) else x


def wrap_int32(x: int) -> int:
    """What an int32 keeps of an integer."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def wrap_int64(x: int) -> int:
    """What an int64 keeps of an integer."""
    return (x + (1 << 63)) % (1 << 64) - (1 << 63)


def to_int32(x: float) -> int:
    """What an x86-64 makes of a whole number that it stores in an int32: what does not fit is -2**31."""
    return int(x) if -(2**31) <= x < 2**31 else -(2**31)


def saturate(x: int, bits: int) -> int:
    """The nearest integer of so many bits."""
    return min(max(x, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)


def divide_by_power_of_two(x: int, exponent: int) -> int:
    """x / 2**exponent, ties away from zero."""
    half = (1 << exponent) >> 1
    return (x + half - (x < 0 and exponent > 0)) >> exponent


# gemmlowp's fixed point: integers of some bits, some of which stand before the point


def multiply(a: int, b: int, bits: int = 32) -> int:
    """a * b in Q0, ties up; -1 * -1 is the largest number below 1."""
    return min((a * b + (1 << (bits - 2))) >> (bits - 1), largest(bits))


def narrow(constant: int, bits: int) -> int:
    """A constant of 32 bits in so many."""
    return divide_by_power_of_two(constant, 32 - bits)


def exp_on_negative_values(x: int, integer_bits: int, bits: int = 32) -> int:
    """exp(x) in Q0 of an x <= 0: exp(r) for the part r between -1/4 and 0, times exp(-2**k) for each bit k of the rest.

    Below -32, it is 0.
    """
    if x == 0:
        return largest(bits)
    fraction_bits = bits - 1 - integer_bits
    if integer_bits > 5 and x < -(32 << fraction_bits):
        return 0
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter
    y = exp_between_minus_a_quarter_and_0(saturate(rest << integer_bits, bits), bits)
    for exponent, factor in EXP_OF_POWERS_OF_TWO.items():
        if exponent < integer_bits and (rest - x) & (1 << (fraction_bits + exponent)):
            y = multiply(y, narrow(factor, bits), bits)
    return y


def exp_between_minus_a_quarter_and_0(x: int, bits: int) -> int:
    """Four terms of the Taylor series around -1/8."""
    x = x + (1 << (bits - 4))
    x2 = multiply(x, x, bits)
    x3, x4 = multiply(x2, x, bits), multiply(x2, x2, bits)
    higher = multiply(divide_by_power_of_two(x4, 2) + x3, narrow(ONE_THIRD, bits), bits)
    series = x + divide_by_power_of_two(higher + x2, 1)
    factor = narrow(EXP_OF_MINUS_AN_EIGHTH, bits)
    return saturate(factor + multiply(series, factor, bits), bits)


def one_over_one_plus_x(x: int, bits: int = 32) -> int:
    """1 / (1 + x) of 0 <= x < 1, all in Q0."""
    return saturate(two_over_one_plus_x(x, bits) << 1, bits)


def one_minus_x_over_one_plus_x(x: int, bits: int = 32) -> int:
    """(1 - x) / (1 + x) of 0 <= x < 1, all in Q0."""
    return saturate((two_over_one_plus_x(x, bits) - (1 << (bits - 3))) << 2, bits)


def two_over_one_plus_x(x: int, bits: int) -> int:
    """Three of Newton's steps, in Q2."""
    half = divide_by_power_of_two(x + largest(bits), 1)
    y = narrow(FORTY_EIGHT_SEVENTEENTHS, bits) + multiply(half, narrow(MINUS_THIRTY_TWO_SEVENTEENTHS, bits), bits)
    for _ in range(3):
        y += saturate(multiply(y, (1 << (bits - 3)) - multiply(half, y, bits), bits) << 2, bits)
    return y


def logistic_in_fixed_point(x: int, integer_bits: int, bits: int) -> int:
    """1 / (1 + exp(-x)) in Q0."""
    if x == 0:
        return 1 << (bits - 2)
    positive = one_over_one_plus_x(exp_on_negative_values(-abs(x), integer_bits, bits), bits)
    return positive if x > 0 else largest(bits) - positive


def tanh_in_fixed_point(x: int, integer_bits: int, bits: int) -> int:
    """tanh(x) in Q0."""
    positive = one_minus_x_over_one_plus_x(exp_on_negative_values(-abs(x), integer_bits + 1, bits), bits)
    return positive if x > 0 else -positive if x < 0 else 0


# the table of the sigmoid, of int16 and of TFLM's LSTM


def logistic_by_table(x: int, multiplier: int, shift: int) -> int:
    """1 / (1 + exp(-x)) in Q0 of 16 bits."""
    position = wrap_int32(x * multiplier + ((1 << shift) >> 1)) >> shift
    y = _interpolated(abs(position), 9, beyond=0x7FFF << 10)
    return (y + 2**9 if position >= 0 else 2**25 - y + 2**9 - 1) >> 10


def tanh_by_table(x: int, multiplier: int, shift: int) -> int:
    """tanh(x) = 2 / (1 + exp(-2 x)) - 1 in Q0 of 16 bits."""
    position = wrap_int32(x * multiplier + ((1 << shift) >> 1)) >> shift
    y = _interpolated(abs(position), 8, beyond=0xFFFF << 8)
    return (y - 2**23 + 2**7 if position >= 0 else 2**23 - y + 2**7 - 1) >> 8


def _interpolated(position: int, fraction_bits: int, beyond: int) -> int:
    entry, fraction = divmod(position, 1 << fraction_bits)
    if entry >= TABLE_SIZE - 1:
        return beyond
    low, high = int(sigmoid_table()[entry]), int(sigmoid_table()[entry + 1])
    return (low << fraction_bits) + fraction * (high - low)
