"""From sums to outputs: the epilogue of everything that multiplies.

Five ways to scale to integers, chosen by the fold (see fixedpoint.py and numerics.py, whose bits these have):

    FIXED      two roundings in int32              scale_twice
    UPWARD     the second with ties up, in some    scale_ties_up, scale_in_blocks
               channels or all
    WIDE       int64 with a multiplier of 16 bit   scale_int64
    FLOATING   one rounding of a double            round_away
    SINGLE     one rounding of a float             SinglePrecision

Each adds the bias first, and then the output's zero point and limits. Sums wrap around in int32 as C's do, or a plan
has made sure that none can (WIDE, FLOATING). In HYBRID and HYBRID_IN_TURN, outputs are floats (see hybrid.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.arithmetic.fixedpoint import round_away, scale_ties_up, scale_twice, wrap_int32
from refinfer.kernels.compiled.hybrid import scaled_in_turn, scaled_to_floats
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, as_array, njit
from refinfer.kernels.compiled.records import FIXED, FLOATING, HYBRID, SINGLE, UPWARD, WIDE
from refinfer.kernels.compiled.vectors import I8, I16, I32, I64, all_lanes, generated, load, pick, splat, store, word

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

VECTOR = ir.VectorType(I32, LANES)
HALVES = ir.VectorType(I64, LANES // 2)
LONGS, DOUBLES = ir.VectorType(I64, LANES), ir.VectorType(ir.DoubleType(), LANES)
FLOATS = ir.VectorType(ir.FloatType(), LANES)

BEYOND = 2.0**21  # further from zero than any output
UNITS = 1.5 * 2.0**23  # what is added to it, and is less than 2**22, has no digits left behind the point


def scale_fixed(builder: ir.IRBuilder, total: ir.Value, parameters: ir.Value, upward: bool = False) -> ir.Value:
    """(total + bias) * multiplier * 2**(shift - 31), in two roundings: `scale_twice`, a lane each.

    `parameters` is the address of a vector each of bias, multiplier, left shift, mask of the bits that the right shift
    drops, and right shift. Of these bits, more than half rounds up, and so does half unless the number is negative; no
    sum overflows that way. If some round `upward`, there is a sixth vector: -1 where that exception is made, else 0.
    """
    bias, multiplier, left, mask, right, *away = (
        load(builder, builder.add(parameters, word(4 * LANES * i)), VECTOR) for i in range(6 if upward else 5)
    )
    high = doubling_high_mul(builder, builder.shl(builder.add(total, bias), left), multiplier)
    sign = builder.ashr(high, all_lanes(31))
    for exception in away:
        sign = builder.and_(sign, exception)
    threshold = builder.sub(builder.lshr(mask, all_lanes(1)), sign)
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


def floating(out: ir.Type, dtype: type) -> Any:
    """round_away((sum + bias) * real) + offset, limited; parameters: a vector of real multipliers, one of biases.

    Both are doubles. What is left behind the point is exact, since it is cut off. Takes what `requantizer` takes.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, offset, low, high, output = arguments
        real, bias = (load(builder, builder.add(parameters, word(8 * LANES * i)), DOUBLES) for i in (0, 1))
        total = builder.sitofp(load(builder, sums, VECTOR), DOUBLES)
        x = builder.fmul(builder.fadd(total, bias), real)
        negative = builder.fcmp_ordered("<", x, ir.Constant(DOUBLES, [0.0] * LANES))
        magnitude = builder.select(negative, builder.fneg(x), x)
        whole = builder.fptosi(magnitude, VECTOR)
        rest = builder.fsub(magnitude, builder.sitofp(whole, DOUBLES))
        rounds_up = builder.fcmp_ordered(">=", rest, ir.Constant(DOUBLES, [0.5] * LANES))
        whole = builder.add(whole, builder.zext(rounds_up, VECTOR))
        steps = builder.select(negative, builder.sub(all_lanes(0), whole), whole)
        total = builder.add(steps, splat(builder, builder.trunc(offset, I32), LANES))
        store(builder, builder.trunc(limited(builder, total, low, high), ir.VectorType(out, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, offset, low, high, output = arguments
        real, bias = as_array(parameters, 2 * LANES, np.float64).reshape(2, LANES)
        steps = round_away((as_array(sums, LANES, np.int32) + bias) * real).astype(np.int64)
        as_array(output, LANES, dtype)[:] = np.clip(steps + offset, low, high).astype(dtype)

    return plain if INTERPRETED else generated(6, body)


def wide(out: ir.Type, dtype: type) -> Any:
    """((sum + bias) * multiplier + half) >> shift, in int64, of which 32 bits stay; and limited.

    Parameters are four vectors of int64. Takes what `requantizer` takes.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, offset, low, high, output = arguments
        bias, multiplier, half, shift = (
            load(builder, builder.add(parameters, word(8 * LANES * i)), LONGS) for i in range(4)
        )
        total = builder.add(builder.sext(load(builder, sums, VECTOR), LONGS), bias)
        total = builder.ashr(builder.add(builder.mul(total, multiplier), half), shift)
        total = builder.sext(builder.trunc(total, VECTOR), LONGS)
        total = builder.add(total, splat(builder, offset, LANES))
        least, largest = (splat(builder, each, LANES) for each in (low, high))
        total = builder.select(builder.icmp_signed("<", total, least), least, total)
        total = builder.select(builder.icmp_signed(">", total, largest), largest, total)
        store(builder, builder.trunc(total, ir.VectorType(out, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, offset, low, high, output = arguments
        bias, multiplier, half, shift = as_array(parameters, 4 * LANES, np.int64).reshape(4, LANES)
        total = as_array(sums, LANES, np.int32).astype(np.int64) + bias
        y = np.clip(wrap_int32((total * multiplier + half) >> shift) + offset, low, high)
        as_array(output, LANES, dtype)[:] = y.astype(dtype)

    return plain if INTERPRETED else generated(6, body)


def rounding_upward(out: ir.Type, dtype: type) -> Any:
    """As `requantizer`, with six vectors of parameters."""

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, offset, low, high, output = arguments
        steps = scale_fixed(builder, load(builder, sums, VECTOR), parameters, upward=True)
        total = builder.add(steps, splat(builder, builder.trunc(offset, I32), LANES))
        store(builder, builder.trunc(limited(builder, total, low, high), ir.VectorType(out, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, offset, low, high, output = arguments
        rows = as_array(parameters, 6 * LANES, np.int32).reshape(6, LANES).astype(np.int64)
        bias, multiplier, left, _, right, away = rows
        shifted = wrap_int32(wrap_int32(as_array(sums, LANES, np.int32) + bias) << left)
        twice, up = (scale(shifted, multiplier, -right) for scale in (scale_twice, scale_ties_up))
        y = np.clip(wrap_int32(np.where(away, twice, up) + offset), low, high)
        as_array(output, LANES, dtype)[:] = y.astype(dtype)

    return plain if INTERPRETED else generated(6, body)


def single(out: ir.Type, dtype: type) -> Any:
    """round(float(sum + bias) * real) + offset, ties to even, limited; parameters: real multipliers and biases.

    The multipliers are floats, the biases int32. Takes what `requantizer` takes.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, offset, low, high, output = arguments
        real, bias = load(builder, parameters, FLOATS), load(builder, builder.add(parameters, word(4 * LANES)), VECTOR)
        total = builder.add(load(builder, sums, VECTOR), bias)
        x = builder.fmul(builder.sitofp(total, FLOATS), real)
        for sign, beyond in (("<", -BEYOND), (">", BEYOND)):
            limit = ir.Constant(FLOATS, [beyond] * LANES)
            x = builder.select(builder.fcmp_ordered(sign, x, limit), limit, x)
        units = ir.Constant(FLOATS, [UNITS] * LANES)
        steps = builder.fptosi(builder.fsub(builder.fadd(x, units), units), VECTOR)
        total = builder.add(steps, splat(builder, builder.trunc(offset, I32), LANES))
        store(builder, builder.trunc(limited(builder, total, low, high), ir.VectorType(out, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, offset, low, high, output = arguments
        real, bias = as_array(parameters, LANES, np.float32), as_array(parameters + 4 * LANES, LANES, np.int32)
        total = wrap_int32(as_array(sums, LANES, np.int32).astype(np.int64) + bias).astype(np.float32)
        steps = np.rint(np.clip(total * real, -BEYOND, BEYOND)).astype(np.int64)
        as_array(output, LANES, dtype)[:] = np.clip(steps + offset, low, high).astype(dtype)

    return plain if INTERPRETED else generated(6, body)


requantize_to_bytes = requantizer(I8, np.int8)
requantize_to_words = requantizer(I16, np.int16)
float_to_bytes = floating(I8, np.int8)
float_to_words = floating(I16, np.int16)
wide_to_words = wide(I16, np.int16)
upward_to_bytes = rounding_upward(I8, np.int8)
upward_to_words = rounding_upward(I16, np.int16)
single_to_bytes = single(I8, np.int8)


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
            if size == 1:
                float_to_bytes((here, there, offset, low, high, out))
            else:
                float_to_words((here, there, offset, low, high, out))
        elif scaling == SINGLE:
            single_to_bytes((here, there, offset, low, high, out))
        elif scaling == UPWARD:
            if size == 1:
                upward_to_bytes((here, there, offset, low, high, out))
            else:
                upward_to_words((here, there, offset, low, high, out))
        elif scaling == WIDE:
            wide_to_words((here, there, offset, low, high, out))
        elif scaling == HYBRID:
            scaled_to_floats((here, there, offset, low, high, out))
        else:
            scaled_in_turn((here, there, offset, low, high, out))
