"""Fixed-point arithmetic: how an integer is multiplied by a real number without floating point.

A real multiplier is written as ``m * 2**(shift - 31)`` with an int32 ``m`` of 31 significant bits. There are several
ways to round the product, and they differ in the last bit; every runtime has its own, so each is a function here.
Arrays are int32 or int64 on the way in and int64 on the way out, unless a docstring says otherwise; multipliers and
shifts may be arrays that broadcast (one for each channel).

Sources: tensorflow/compiler/mlir/lite/kernels/internal/quantization_util.cc, kernels/internal/common.h (LiteRT and
TFLM); gemmlowp fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

from math import floor, frexp
from typing import TYPE_CHECKING, Any

from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``m`` and ``shift`` of a real multiplier, with m rounded half away from zero [QuantizeMultiplier].

    What is smaller than 2**-32 becomes 0, and what rounds up to 2**31 is halved.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = frexp(real)
    multiplier = round_half_away(fraction * 2**31)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def round_half_away(value: float) -> int:
    """The nearest integer, ties away from zero, as C's round; Python's own rounds ties to even."""
    whole = floor(abs(value))
    nearest = whole + (abs(value) - whole >= 0.5)
    return nearest if value >= 0 else -nearest


def round_away(x: Array, out: Array | None = None) -> Array:
    """The nearest whole numbers of a float array, ties away from zero, as C's round; still floats.

    One half would carry what is just below it over to 1; the number before one half does not.
    """
    almost_half = np.nextafter(x.dtype.type(0.5), x.dtype.type(0))
    return np.trunc(x + np.copysign(almost_half, x), out=out)


def scale_twice(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """``x * m * 2**(shift - 31)`` in two roundings [MultiplyByQuantizedMultiplier, double rounding].

    The product is halved 31 times with ties up [SaturatingRoundingDoublingHighMul], then divided by the rest with
    ties away from zero [RoundingDivideByPOT]. A left shift wraps in int32, as in C; by 32 and more C leaves it open,
    and an x86-64 shifts by that count modulo 32.
    """
    left, right = np.maximum(shift, 0) & 31, np.maximum(-np.asarray(shift), 0)
    shifted = wrap_int32(x.astype(np.int64) << left) if left.any() else x
    return divide_by_power_of_two(doubling_high_mul(shifted, multiplier), right)


def scale_ties_up(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """As `scale_twice`, but the second rounding takes ties up too [ruy: the x86 kernels].

    The two differ where a negative product is halfway between two integers.
    """
    left, right = np.maximum(shift, 0) & 31, np.maximum(-np.asarray(shift, np.int64), 0)
    shifted = wrap_int32(x.astype(np.int64) << left) if left.any() else x
    return (doubling_high_mul(shifted, multiplier) + ((np.int64(1) << right) >> 1)) >> right


def scale_in_blocks(block: int, x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """Along the last axis: whole blocks by `scale_ties_up`, and what is left by `scale_twice`.

    Blocks are computed with vector instructions, whose shift rounds ties up; the rest is computed number by number.
    """
    whole = np.arange(x.shape[-1]) < x.shape[-1] // block * block
    return np.where(whole, scale_ties_up(x, multiplier, shift), scale_twice(x, multiplier, shift))


def doubling_high_mul(a: Array, b: Array | int) -> Array:
    """``a * b / 2**31``, ties up [SaturatingRoundingDoublingHighMul]; b is not negative, so nothing saturates."""
    product = a.astype(np.int64) * b
    product += 2**30
    product >>= 31
    return product


def divide_by_power_of_two(x: Array, exponent: Array | int) -> Array:
    """``x / 2**exponent``, ties away from zero [RoundingDivideByPOT]."""
    x, exponent = np.asarray(x, np.int64), exponent if isinstance(exponent, int) else np.asarray(exponent, np.int64)
    y = (x >> 63) * (exponent > 0) + x  # 1 less where a half would otherwise be rounded up
    y += (1 << exponent) >> 1
    y >>= exponent
    return y


def divide_as_x86(x: Array, exponent: Array | int) -> Array:
    """``x / 2**exponent``, ties away from zero, as x86 does it where C leaves it open: beyond 0 to 31.

    There, gemmlowp's RoundingDivideByPOT shifts an int32 by the exponent modulo 32, and 1 modulo 64.
    """
    mask = wrap_int32(~(np.full_like(x, -1) << (np.asarray(exponent) & 63)))
    remainder, threshold = x & mask, (mask >> 1) + (x < 0)
    return wrap_int32((x >> (exponent & 31)) + (remainder > threshold))


def scale_int64(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """``x * m * 2**(shift - 31)`` of an int64 accumulator, with m cut to 16 bits [the int64 overload].

    A result that does not fit an int32 wraps. C leaves open what a multiplier of 2**15 and more does, which asks to be
    shifted by less than nothing; an x86-64 then shifts by that count modulo 64.
    Source: MultiplyByQuantizedMultiplier(int64_t, int32_t, int).
    """
    total = 15 - np.asarray(shift, np.int64)
    return wrap_int32((x * reduced_multiplier(multiplier) + (np.int64(1) << (total - 1 & 63))) >> (total & 63))


def reduced_multiplier(multiplier: Array | int) -> Array:
    """A multiplier of 31 bits cut to 15, with ties up."""
    multiplier = np.asarray(multiplier, np.int64)
    return np.where(multiplier < 0x7FFF0000, (multiplier + 2**15) >> 16, 0x7FFF)


def bit_length(x: Array) -> Array:
    """How many binary digits each has; of 0, none."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def wrap_int32(x: Array) -> Array:
    """What is left of an int64 when C stores it in an int32."""
    return x.astype(np.int32).astype(np.int64)


def to_int32(x: Array) -> Array:
    """What C makes of whole floats that it stores in an int32, on an x86-64; as int64.

    Beyond the range, and for NaN, that is -2**31 (cvttss2si); other machines saturate, and C leaves it open.
    """
    fits = (x >= -(2.0**31)) & (x < 2.0**31)
    return np.where(fits, x, -(2.0**31)).astype(np.int64)


def clamp(x: Array, low: int, high: int, dtype: np.dtype[Any]) -> Array:
    """``x`` limited to low..high, as `dtype`."""
    return np.clip(x, low, high).astype(dtype)
