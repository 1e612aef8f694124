"""What is computed number by number: tables, sums and products, and the way from floats and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.arithmetic.fixedpoint import round_away, to_int32, wrap_int32
from refinfer.kernels.compiled.jit import (
    INTERPRETED,
    LANES,
    as_array,
    float32s,
    float64s,
    int8s,
    int16s,
    int32s,
    int64s,
    njit,
    uint8s,
)
from refinfer.kernels.compiled.requantize import VECTOR, limited, plain_scaled, scale_fixed, scaled_and_clamped
from refinfer.kernels.compiled.vectors import I8, I16, I32, all_lanes, counted, generated, load, splat, store, word

PARAMETERS = 5 * 4 * LANES  # bytes of those of one scaling


def combination(product: bool, out: ir.Type, dtype: type) -> Any:
    """A sum or product of two rows of int16, requantized, stored as integers of that type.

    It takes (first, second, vectors, sign, parameters, offset, low, high, output). A sum has parameters for each input,
    which is brought to a common scale first, and takes the second with its sign (0, or -1 for a difference); both have
    parameters for the result.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        first, second, vectors, sign, parameters, offset, low, high, output = arguments
        of_result = parameters if product else builder.add(parameters, word(2 * PARAMETERS))
        signs = splat(builder, builder.trunc(sign, I32), LANES)
        with counted(builder, vectors) as i:
            place = builder.mul(i, word(2 * LANES))
            a, b = (
                builder.sext(load(builder, builder.add(each, place), ir.VectorType(I16, LANES)), VECTOR)
                for each in (first, second)
            )
            if product:
                total = builder.mul(a, b)
            else:
                a = scale_fixed(builder, a, parameters)
                b = scale_fixed(builder, b, builder.add(parameters, word(PARAMETERS)))
                total = builder.add(a, builder.sub(builder.xor(b, signs), signs))
            y = scaled_and_clamped(builder, total, of_result, offset, low, high)
            there = builder.add(output, builder.mul(i, word(LANES * out.width // 8)))
            store(builder, builder.trunc(y, ir.VectorType(out, LANES)), there)

    def plain(arguments: Sequence[int]) -> None:
        first, second, vectors, sign, parameters, offset, low, high, output = arguments
        count = vectors * LANES
        a, b = (as_array(each, count, np.int16).astype(np.int64) for each in (first, second))
        if product:
            total = plain_scaled(a * b, parameters)
        else:
            b = plain_scaled(b, parameters + PARAMETERS)
            total = plain_scaled(plain_scaled(a, parameters) + (-b if sign else b), parameters + 2 * PARAMETERS)
        as_array(output, count, dtype)[:] = np.clip(total + offset, low, high).astype(dtype)

    return plain if INTERPRETED else generated(9, body)


sum_to_bytes = combination(False, I8, np.int8)
sum_to_words = combination(False, I16, np.int16)
product_to_bytes = combination(True, I8, np.int8)
product_to_words = combination(True, I16, np.int16)


@njit
def combine(
    is_product: int,
    first: int,
    second: int,
    vectors: int,
    sign: int,
    parameters: int,
    offset: int,
    low: int,
    high: int,
    output: int,
    size: int,
) -> None:
    """y = clamp(scale(a + b) + offset), or of a - b, or of a * b"""
    if is_product and size == 1:
        product_to_bytes((first, second, vectors, sign, parameters, offset, low, high, output))
    elif is_product:
        product_to_words((first, second, vectors, sign, parameters, offset, low, high, output))
    elif size == 1:
        sum_to_bytes((first, second, vectors, sign, parameters, offset, low, high, output))
    else:
        sum_to_words((first, second, vectors, sign, parameters, offset, low, high, output))


@njit
def look_up(source: int, count: int, table: int, size: int, output: int) -> None:
    """y = table[x], where x is a byte, and an entry has `size` bytes"""
    x = uint8s(source, count)
    if size == 1:
        of_bytes, bytes_out = int8s(table, 256), int8s(output, count)
        for i in range(count):
            bytes_out[i] = of_bytes[x[i]]
    elif size == 2:
        of_words, words_out = int16s(table, 256), int16s(output, count)
        for i in range(count):
            words_out[i] = of_words[x[i]]
    else:
        of_longs, longs_out = int32s(table, 256), int32s(output, count)
        for i in range(count):
            longs_out[i] = of_longs[x[i]]


@njit
def look_up_pairs(first: int, second: int, count: int, table: int, output: int) -> None:
    """y = table[a, b] for bytes"""
    a, b, y, of_pairs = uint8s(first, count), uint8s(second, count), uint8s(output, count), uint8s(table, 65536)
    for i in range(count):
        y[i] = of_pairs[256 * np.int64(a[i]) + np.int64(b[i])]


@njit
def look_up_by_channel(source: int, pixels: int, channels: int, tables: int, output: int) -> None:
    """y[p, c] = table[c, x[p, c]] for bytes"""
    table = uint8s(tables, 256 * channels)
    for p in range(pixels):
        x, y = uint8s(source + channels * p, channels), uint8s(output + channels * p, channels)
        for c in range(channels):
            y[c] = table[256 * c + np.int64(x[c])]


@njit
def look_up_words(source: int, table: int, count: int, output: int, size: int) -> None:
    """y = table[x], where x is an int16, and the table has what -32768 gives first; an entry has `size` bytes"""
    x = int16s(source, count)
    if size == 1:
        of_bytes, bytes_out = int8s(table, 65536), int8s(output, count)
        for i in range(count):
            bytes_out[i] = of_bytes[np.int64(x[i]) + 32768]
    elif size == 2:
        of_words, words_out = int16s(table, 65536), int16s(output, count)
        for i in range(count):
            words_out[i] = of_words[np.int64(x[i]) + 32768]
    else:
        of_longs, longs_out = int32s(table, 65536), int32s(output, count)
        for i in range(count):
            longs_out[i] = of_longs[np.int64(x[i]) + 32768]


def quantization(out: ir.Type, dtype: type) -> Any:
    """Floats to integers of that type: clamp(round(x / scale) + zero_point), ties away from zero, divided as floats.

    NaN, and what is no int32, count as -2**31, as on an x86-64. It takes (source, vectors, scale, zero_point, low,
    high, output); `scale` is an address. What is left behind the point is exact, since it is cut off.
    """
    floats = ir.VectorType(ir.FloatType(), LANES)

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        source, vectors, scale, zero_point, low, high, output = arguments
        step = splat(builder, load(builder, scale, ir.FloatType()), LANES)
        zero = splat(builder, builder.trunc(zero_point, I32), LANES)
        with counted(builder, vectors) as i:
            x = load(builder, builder.add(source, builder.mul(i, word(4 * LANES))), floats)
            quotient = builder.fdiv(x, step)
            negative = builder.fcmp_ordered("<", quotient, ir.Constant(floats, [0.0] * LANES))
            magnitude = builder.select(negative, builder.fneg(quotient), quotient)
            fits = builder.fcmp_ordered("<", magnitude, ir.Constant(floats, [2.0**31] * LANES))
            magnitude = builder.select(fits, magnitude, ir.Constant(floats, [0.0] * LANES))
            whole = builder.fptosi(magnitude, VECTOR)
            rest = builder.fsub(magnitude, builder.sitofp(whole, floats))
            rounds_up = builder.fcmp_ordered(">=", rest, ir.Constant(floats, [0.5] * LANES))
            whole = builder.add(whole, builder.zext(rounds_up, VECTOR))
            steps = builder.select(negative, builder.sub(all_lanes(0), whole), whole)
            steps = builder.select(fits, steps, all_lanes(-(2**31)))
            y = limited(builder, builder.add(steps, zero), low, high)
            there = builder.add(output, builder.mul(i, word(LANES * out.width // 8)))
            store(builder, builder.trunc(y, ir.VectorType(out, LANES)), there)

    def plain(arguments: Sequence[int]) -> None:
        source, vectors, scale, zero_point, low, high, output = arguments
        with np.errstate(all="ignore"):
            quotient = as_array(source, vectors * LANES, np.float32) / as_array(scale, 1, np.float32)
            steps = to_int32(round_away(quotient))
        y = np.clip(wrap_int32(steps + zero_point), low, high)
        as_array(output, vectors * LANES, dtype)[:] = y.astype(dtype)

    return plain if INTERPRETED else generated(7, body)


quantize_to_bytes, quantize_to_words = quantization(I8, np.int8), quantization(I16, np.int16)


@njit
def quantize(
    source: int, vectors: int, scale: int, zero_point: int, low: int, high: int, output: int, size: int
) -> None:
    """y = clamp(round(x / scale) + zero_point)"""
    if size == 1:
        quantize_to_bytes((source, vectors, scale, zero_point, low, high, output))
    else:
        quantize_to_words((source, vectors, scale, zero_point, low, high, output))


@njit
def dequantize(source: int, count: int, scale: int, zero_point: int, output: int) -> None:
    """y = scale * (x - zero_point), of int16; `scale` is the address of a double"""
    x, y, step = int16s(source, count), float32s(output, count), float64s(scale, 1)[0]
    for i in range(count):
        y[i] = np.float32(step * (x[i] - zero_point))


@njit
def move(source: int, stretches: int, count: int, output: int) -> None:
    """Copy so many stretches of bytes: each has where it comes from, where it goes to, and how long it is."""
    for i in range(count):
        stretch = int64s(stretches + 24 * i, 3)
        a, b = int8s(source + stretch[0], stretch[2]), int8s(output + stretch[1], stretch[2])
        for j in range(stretch[2]):
            b[j] = a[j]


@njit
def weave(
    source: int,
    first: int,
    size: int,
    groups: int,
    group_from: int,
    group_to: int,
    rows: int,
    row_from: int,
    row_to: int,
    columns: int,
    column_from: int,
    column_to: int,
    output: int,
) -> None:
    """out[g * group_to + r * row_to + c * column_to] = x[first + g * group_from + r * row_from + c * column_from]"""
    for g in range(groups):
        for r in range(rows):
            given = source + size * (first + g * group_from + r * row_from)
            target = output + size * (g * group_to + r * row_to)
            weave_line(given, size * column_from, target, size * column_to, columns, size)


@njit
def weave_line(source: int, step: int, output: int, step_to: int, count: int, size: int) -> None:
    """So many items of 1, 2, 4 or 8 bytes; the steps are in bytes."""
    if size == 1:
        for _ in range(count):
            int8s(output, 1)[0] = int8s(source, 1)[0]
            source += step
            output += step_to
    elif size == 2:
        for _ in range(count):
            int16s(output, 1)[0] = int16s(source, 1)[0]
            source += step
            output += step_to
    elif size == 4:
        for _ in range(count):
            int32s(output, 1)[0] = int32s(source, 1)[0]
            source += step
            output += step_to
    else:
        for _ in range(count):
            int64s(output, 1)[0] = int64s(source, 1)[0]
            source += step
            output += step_to
