"""Pooling, means and SOFTMAX: what goes over many numbers and multiplies none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refinfer.kernels.compiled.jit import LANES, Number, int8s, int16s, int32s, int64s, njit, uint8s
from refinfer.kernels.compiled.records import FIXED
from refinfer.kernels.compiled.requantize import requantize_row

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit
def pool(
    largest: int,
    source: int,
    kind: int,
    batches: int,
    height: int,
    width: int,
    channels: int,
    rows: int,
    columns: int,
    length_down: int,
    length_across: int,
    stride_down: int,
    stride_across: int,
    before_down: int,
    before_across: int,
    low: int,
    high: int,
    output: int,
    sums: int,
) -> None:
    """The largest, or the average, of the cells of each window that lie inside the image"""
    size = 2 if kind == 2 else 1
    for b in range(batches):
        for row in range(rows):
            top = row * stride_down - before_down
            first_y, end_y = max(top, 0), min(top + length_down, height)
            for column in range(columns):
                left = column * stride_across - before_across
                first_x, end_x = max(left, 0), min(left + length_across, width)
                acc = int32s(sums, channels)
                acc[:] = -32768 if largest else 0
                for y in range(first_y, end_y):
                    for x in range(first_x, end_x):
                        cell = source + size * channels * ((b * height + y) * width + x)
                        gather(largest, cell, kind, acc)
                if not largest:
                    divide(acc, max(1, (end_y - first_y) * (end_x - first_x)))
                there = output + size * channels * ((b * rows + row) * columns + column)
                store_clamped(acc, low, high, there, size)


@njit
def gather(largest: int, cell: int, kind: int, acc: NDArray[Any]) -> None:
    """Add a cell's channels to sums, or keep the larger ones."""
    count = len(acc)
    if kind == 0:
        gather_from(largest, int8s(cell, count), acc)
    elif kind == 1:
        gather_from(largest, uint8s(cell, count), acc)
    else:
        gather_from(largest, int16s(cell, count), acc)


@njit
def gather_from(largest: int, x: NDArray[Any], acc: NDArray[Any]) -> None:
    """acc = max(acc, x), or acc + x"""
    if largest:
        for c in range(len(acc)):
            acc[c] = max(acc[c], np.int32(x[c]))
    else:
        for c in range(len(acc)):
            acc[c] += np.int32(x[c])


@njit
def divide(acc: NDArray[Any], count: int) -> None:
    """acc / count, ties away from zero; doubles divide such integers exactly"""
    half, number = np.float64(count // 2), np.float64(count)
    for c in range(len(acc)):
        quotient = np.int32((abs(np.float64(acc[c])) + half) / number)
        acc[c] = -quotient if acc[c] < 0 else quotient


@njit
def store_clamped(acc: NDArray[Any], low: int, high: int, output: int, size: int) -> None:
    """y = clamp(acc)"""
    least, most = np.int32(low), np.int32(high)
    if size == 1:
        bytes_out = int8s(output, len(acc))
        for c in range(len(acc)):
            bytes_out[c] = np.int8(min(max(acc[c], least), most))
    else:
        words_out = int16s(output, len(acc))
        for c in range(len(acc)):
            words_out[c] = np.int16(min(max(acc[c], least), most))


@njit
def mean(
    source: int,
    kind: int,
    outer: int,
    count: int,
    inner: int,
    parameters: int,
    offset: int,
    low: int,
    high: int,
    output: int,
    size: int,
    sums: int,
) -> None:
    """y[o, i] = clamp(scale(sum over n of x[o, n, i] + bias) + offset)"""
    acc = int32s(sums, inner)
    vectors = (inner + LANES - 1) // LANES
    width = 2 if kind == 2 else 1
    for o in range(outer):
        acc[:] = 0
        for n in range(count):
            gather(0, source + width * inner * (o * count + n), kind, acc)
        there = output + size * inner * o
        for v in range(vectors - 1, -1, -1):
            at = there + size * LANES * v
            requantize_row(FIXED, sums + 4 * LANES * v, 1, parameters, 0, offset, low, high, at, size)


@njit
def softmax(
    source: int, is_signed: int, rows: int, depth: int, table: int, low: int, high: int, output: int, size: int
) -> None:
    """y = exp / sum of exp, in steps upwards from `low`; `table` has the exponentials of -255 to 0: `softmax_fixed`"""
    exponentials = int64s(table, 256)
    for r in range(rows):
        if is_signed:
            softmax_row(int8s(source + r * depth, depth), exponentials, low, high, output + size * r * depth, size)
        else:
            softmax_row(uint8s(source + r * depth, depth), exponentials, low, high, output + size * r * depth, size)


@njit
def softmax_row(x: NDArray[Any], exponentials: NDArray[Any], low: int, high: int, output: int, size: int) -> None:
    """The same, of one row."""
    largest = np.int64(x[0])
    for i in range(len(x)):
        largest = max(largest, np.int64(x[i]))
    total = np.int64(0)
    for i in range(len(x)):
        total += divided(exponentials[np.int64(x[i]) - largest + 255], 12)
    total &= 0xFFFFFFFF
    bits = 0
    while total >> bits:
        bits += 1
    headroom = 32 - bits
    reciprocal = one_over_one_plus_x((total << headroom) - (np.int64(1) << 31))
    exponent = 12 - headroom + 31 - (8 if size == 1 else 16)
    bytes_out, words_out = int8s(output, len(x)), int16s(output, len(x))
    for i in range(len(x)):
        y = divided(multiplied(reciprocal, exponentials[np.int64(x[i]) - largest + 255]), exponent) + low
        y = min(max(y, low), high)
        if size == 1:
            bytes_out[i] = np.int8(y)
        else:
            words_out[i] = np.int16(y)


@njit
def multiplied(a: Number, b: Number) -> Number:
    """a * b in Q0, ties up [SaturatingRoundingDoublingHighMul]."""
    return min((a * b + (np.int64(1) << 30)) >> 31, (np.int64(1) << 31) - 1)


@njit
def divided(x: Number, exponent: int) -> Number:
    """x / 2**exponent, ties away from zero [RoundingDivideByPOT]."""
    half = (np.int64(1) << exponent) >> 1
    return (x + half - (1 if x < 0 and half > 0 else 0)) >> exponent


@njit
def saturated(x: Number) -> Number:
    """The nearest int32."""
    return min(max(x, -(np.int64(1) << 31)), (np.int64(1) << 31) - 1)


@njit
def one_over_one_plus_x(x: Number) -> Number:
    """1 / (1 + x) of 0 <= x < 1, all in Q0, as gemmlowp.py has it."""
    denominator = divided(x + (np.int64(1) << 31) - 1, 1)
    y = np.int64(1515870810) + multiplied(denominator, np.int64(-1010580540))
    for _ in range(3):
        y += saturated(multiplied(y, (np.int64(1) << 29) - multiplied(denominator, y)) << 2)
    return saturated(y << 1)
