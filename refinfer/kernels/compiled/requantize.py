"""From sums to outputs: the epilogue of everything that multiplies.

Three ways to scale, chosen by the fold (see fixedpoint.py and numerics.py, which these agree with bit for bit):

    FIXED      two roundings in int32            scale_twice
    WIDE       int64 with a multiplier of 16 bit scale_int64
    FLOATING   one rounding of a double          round_away

Each adds the bias first, and then the output's zero point and limits. Sums wrap around in int32 as C's do (FIXED), or a
plan has made sure that none can (WIDE, FLOATING).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.jit import (
    INTERPRETED,
    LANES,
    Number,
    as_array,
    float64s,
    int8s,
    int16s,
    int32s,
    int64s,
    njit,
)
from refinfer.kernels.compiled.records import FIXED, FLOATING
from refinfer.kernels.compiled.vectors import I8, I16, I32, I64, all_lanes, generated, load, pick, splat, store, word
from refinfer.kernels.fixedpoint import scale_twice, wrap_int32

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

VECTOR = ir.VectorType(I32, LANES)
HALVES = ir.VectorType(I64, LANES // 2)


def scale_fixed(builder: ir.IRBuilder, total: ir.Value, parameters: ir.Value) -> ir.Value:
    """(total + bias) * multiplier * 2**(shift - 31), in two roundings: `scale_twice`, a lane each.

    `parameters` is the address of a vector each of bias, multiplier, left shift, mask of the bits that the right shift
    drops, and right shift. Of these bits, more than half rounds up, and so does half unless the number is negative; no
    sum overflows that way.
    """
    bias, multiplier, left, mask, right = (
        load(builder, builder.add(parameters, word(4 * LANES * i)), VECTOR) for i in range(5)
    )
    high = doubling_high_mul(builder, builder.shl(builder.add(total, bias), left), multiplier)
    threshold = builder.sub(builder.lshr(mask, all_lanes(1)), builder.ashr(high, all_lanes(31)))
    rounds_up = builder.icmp_signed(">", builder.and_(high, mask), threshold)
    return builder.add(builder.ashr(high, right), builder.zext(rounds_up, VECTOR))


def doubling_high_mul(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """(a * b + 2**30) >> 31: the even lanes and the odd ones have their 64-bit products in turn."""
    products = []
    for bring_down in (False, True):
        factors = []
        for vector in (a, b):
            halves = builder.bitcast(vector, HALVES)
            if not bring_down:
                halves = builder.shl(halves, ir.Constant(HALVES, [32] * (LANES // 2)))
            factors.append(builder.ashr(halves, ir.Constant(HALVES, [32] * (LANES // 2))))
        product = builder.mul(*factors)
        products.append(builder.add(product, ir.Constant(HALVES, [1 << 30] * (LANES // 2))))
    even = builder.bitcast(builder.lshr(products[0], ir.Constant(HALVES, [31] * (LANES // 2))), VECTOR)
    odd = builder.bitcast(builder.shl(products[1], ir.Constant(HALVES, [1] * (LANES // 2))), VECTOR)
    return pick(builder, even, odd, [i + LANES * (i % 2) for i in range(LANES)])


def scaled_and_clamped(
    builder: ir.IRBuilder, total: ir.Value, parameters: ir.Value, offset: ir.Value, low: ir.Value, high: ir.Value
) -> ir.Value:
    """A vector of sums, requantized in FIXED, with the zero point added and limited."""
    value = scale_fixed(builder, total, parameters)
    return limited(builder, builder.add(value, splat(builder, builder.trunc(offset, I32), LANES)), low, high)


def limited(builder: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    """No less than `low`, no more than `high`."""
    low, high = (splat(builder, builder.trunc(each, I32), LANES) for each in (low, high))
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


def requantizer(out: ir.Type, dtype: type) -> Any:
    """A vector of sums, requantized and stored as integers of that type.

    It takes (sums, parameters, offset, low, high, output): three addresses and three numbers.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, offset, low, high, output = arguments
        value = scaled_and_clamped(builder, load(builder, sums, VECTOR), parameters, offset, low, high)
        store(builder, builder.trunc(value, ir.VectorType(out, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, offset, low, high, output = arguments
        scaled = plain_scaled(as_array(sums, LANES, np.int32).astype(np.int64), parameters)
        y = np.clip(wrap_int32(scaled + offset), low, high)
        as_array(output, LANES, dtype)[:] = y.astype(dtype)

    return plain if INTERPRETED else generated(6, body)


def plain_scaled(x: Array, parameters: int) -> Array:
    """What `scale_fixed` makes of vectors of int64, in plain Python."""
    bias, multiplier, left, _, right = as_array(parameters, 5 * LANES, np.int32).reshape(5, LANES).astype(np.int64)
    total = wrap_int32(x.reshape(-1, LANES) + bias)
    return scale_twice(wrap_int32(total << left), multiplier, -right).reshape(-1)


requantize_to_bytes = requantizer(I8, np.int8)
requantize_to_words = requantizer(I16, np.int16)


@njit
def requantize_row(
    scaling: int,
    sums: int,
    vectors: int,
    parameters: int,
    nbytes: int,
    offset: int,
    low: int,
    high: int,
    output: int,
    size: int,
) -> None:
    """The outputs of so many vectors of sums; they take `size` bytes each, and a vector's parameters `nbytes`."""
    for v in range(vectors):
        here, there, out = sums + 4 * LANES * v, parameters + nbytes * v, output + size * LANES * v
        if scaling == FIXED:
            if size == 1:
                requantize_to_bytes((here, there, offset, low, high, out))
            else:
                requantize_to_words((here, there, offset, low, high, out))
        elif scaling == FLOATING:
            scale_floating(here, there, offset, low, high, out, size)
        else:
            scale_wide(here, there, offset, low, high, out)


@njit
def scale_floating(sums: int, parameters: int, offset: int, low: int, high: int, output: int, size: int) -> None:
    """round_away((sum + bias) * real); parameters: a vector of real multipliers, and one of biases, as doubles."""
    acc, real, bias = int32s(sums, LANES), float64s(parameters, LANES), float64s(parameters + 8 * LANES, LANES)
    bytes_out, words_out = int8s(output, LANES), int16s(output, LANES)
    if size == 1:
        for j in range(LANES):
            bytes_out[j] = np.int8(min(max(rounded_away((acc[j] + bias[j]) * real[j]) + offset, low), high))
    else:
        for j in range(LANES):
            words_out[j] = np.int16(min(max(rounded_away((acc[j] + bias[j]) * real[j]) + offset, low), high))


@njit
def rounded_away(x: float) -> Number:
    """The nearest int32, ties away from zero; what is left behind the point is exact, since it is cut off."""
    magnitude = abs(x)
    whole = np.int32(magnitude)
    steps = np.int32(whole + (1 if magnitude - whole >= 0.5 else 0))
    return np.int32(-steps) if x < 0 else steps


@njit
def scale_wide(sums: int, parameters: int, offset: int, low: int, high: int, output: int) -> None:
    """((sum + bias) * multiplier + half) >> shift, in int64, of which 32 bits stay."""
    acc, out = int32s(sums, LANES), int16s(output, LANES)
    bias, multiplier = int64s(parameters, LANES), int64s(parameters + 8 * LANES, LANES)
    half, shift = int64s(parameters + 16 * LANES, LANES), int64s(parameters + 24 * LANES, LANES)
    for j in range(LANES):
        scaled: Number = np.int32(((acc[j] + bias[j]) * multiplier[j] + half[j]) >> shift[j])
        out[j] = np.int16(min(max(scaled + offset, low), high))
