"""Pooling, means and SOFTMAX: what goes over many numbers and multiplies none."""

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
    uint8s,
)
from refinfer.kernels.compiled.memory import clear
from refinfer.kernels.compiled.records import FIXED
from refinfer.kernels.compiled.requantize import VECTOR, limited, requantize_row
from refinfer.kernels.compiled.vectors import I8, I16, I32, all_lanes, counted, generated, load, splat, store

if TYPE_CHECKING:
    from numpy.typing import NDArray


def window(largest: bool, stored: ir.Type, dtype: type) -> Any:
    """One vector of channels of one window: the largest of its cells, or their average, limited.

    It takes (cell, down, across, line, step, half, reciprocal, low, high, output): the address of the first cell, how
    many there are in each direction, the bytes from one to the next; half the number of cells, the address of one over
    it, a double; limits, and where the result goes.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        cell, down, across, line, step, half, reciprocal, low, high, output = arguments
        start = all_lanes(-(2**15) if largest else 0)
        outside = builder.block
        with counted(builder, down) as y:
            above = builder.phi(VECTOR)
            inside = builder.block
            with counted(builder, across) as x:
                before = builder.phi(VECTOR)
                place = builder.add(cell, builder.add(builder.mul(y, line), builder.mul(x, step)))
                extend = builder.zext if dtype is np.uint8 else builder.sext
                value = extend(load(builder, place, ir.VectorType(stored, LANES)), VECTOR)
                if largest:
                    after = builder.select(builder.icmp_signed(">", value, before), value, before)
                else:
                    after = builder.add(before, value)
                before.add_incoming(above, inside)
                before.add_incoming(after, builder.block)
            above.add_incoming(start, outside)
            above.add_incoming(after, builder.block)
        if not largest:
            after = average(builder, after, half, reciprocal)
        after = limited(builder, after, low, high)
        store(builder, builder.trunc(after, ir.VectorType(stored, LANES)), output)

    def plain(arguments: Sequence[int]) -> None:
        cell, down, across, line, step, half, _, low, high, output = arguments
        cells = [as_array(cell + y * line + x * step, LANES, dtype) for y in range(down) for x in range(across)]
        stacked = np.stack(cells).astype(np.int64)
        total = stacked.sum(axis=0)
        averages = np.sign(total) * ((np.abs(total) + half) // len(cells))
        y = np.clip(stacked.max(axis=0) if largest else averages, low, high)
        as_array(output, LANES, dtype)[:] = y.astype(dtype)

    return plain if INTERPRETED else generated(10, body)


def average(builder: ir.IRBuilder, total: ir.Value, half: ir.Value, reciprocal: ir.Value) -> ir.Value:
    """total / n, ties away from zero: (|total| + n // 2 + 1/2) * (1 / n), cut off, is exact in double.

    The exact product is no nearer to an integer than 1/2n, and its rounding errors are smaller.
    """
    doubles = ir.VectorType(ir.DoubleType(), LANES)
    negative = builder.icmp_signed("<", total, all_lanes(0))
    magnitude = builder.select(negative, builder.sub(all_lanes(0), total), total)
    magnitude = builder.add(magnitude, splat(builder, builder.trunc(half, I32), LANES))
    middle = builder.fadd(builder.sitofp(magnitude, doubles), ir.Constant(doubles, [0.5] * LANES))
    factor = splat(builder, load(builder, reciprocal, ir.DoubleType()), LANES)
    quotient = builder.fptosi(builder.fmul(middle, factor), VECTOR)
    return builder.select(negative, builder.sub(all_lanes(0), quotient), quotient)


largest_of_int8, average_of_int8 = window(True, I8, np.int8), window(False, I8, np.int8)
largest_of_uint8, average_of_uint8 = window(True, I8, np.uint8), window(False, I8, np.uint8)
largest_of_int16, average_of_int16 = window(True, I16, np.int16), window(False, I16, np.int16)


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
    reciprocal: int,
) -> None:
    """The largest, or the average, of the cells of each window that lie inside the image"""
    size = 2 if kind == 2 else 1
    step = size * channels
    for b in range(batches):
        for row in range(rows):
            top = row * stride_down - before_down
            first_y, end_y = max(top, 0), min(top + length_down, height)
            for vector in range((channels + LANES - 1) // LANES - 1, -1, -1):
                for column in range(columns):
                    left = column * stride_across - before_across
                    first_x, end_x = max(left, 0), min(left + length_across, width)
                    down, across = end_y - first_y, end_x - first_x
                    float64s(reciprocal, 1)[0] = 1.0 / (down * across)
                    shift = size * LANES * vector
                    cell = source + step * ((b * height + first_y) * width + first_x) + shift
                    there = output + step * ((b * rows + row) * columns + column) + shift
                    cells = (cell, down, across, step * width, step, down * across // 2, reciprocal, low, high, there)
                    if kind == 0 and largest:
                        largest_of_int8(cells)
                    elif kind == 0:
                        average_of_int8(cells)
                    elif kind == 1 and largest:
                        largest_of_uint8(cells)
                    elif kind == 1:
                        average_of_uint8(cells)
                    elif largest:
                        largest_of_int16(cells)
                    else:
                        average_of_int16(cells)


@njit
def add_cells(cell: int, kind: int, acc: NDArray[Any]) -> None:
    """acc += x"""
    count = len(acc)
    if kind == 0:
        add_to(int8s(cell, count), acc)
    elif kind == 1:
        add_to(uint8s(cell, count), acc)
    else:
        add_to(int16s(cell, count), acc)


@njit
def add_to(x: NDArray[Any], acc: NDArray[Any]) -> None:
    """acc += x"""
    for c in range(len(acc)):
        acc[c] += np.int32(x[c])


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
        clear(sums, 4 * inner)
        for n in range(count):
            add_cells(source + width * inner * (o * count + n), kind, acc)
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
        x, there = uint8s(source + r * depth, depth), output + size * r * depth
        softmax_row(x, 128 if is_signed else 0, exponentials, low, high, there, size)


@njit
def softmax_row(
    x: NDArray[Any], flip: int, exponentials: NDArray[Any], low: int, high: int, output: int, size: int
) -> None:
    """The same, of one row; `flip` is the bit that makes int8, with 128 added, of what is read as uint8."""
    largest = np.int64(0)
    for i in range(len(x)):
        largest = max(largest, np.int64(x[i]) ^ flip)
    total = np.int64(0)
    for i in range(len(x)):
        total += divided(exponentials[(np.int64(x[i]) ^ flip) - largest + 255], 12)
    total &= 0xFFFFFFFF
    bits = 0
    while total >> bits:
        bits += 1
    headroom = 32 - bits
    reciprocal = one_over_one_plus_x((total << headroom) - (np.int64(1) << 31))
    exponent = 12 - headroom + 31 - (8 if size == 1 else 16)
    bytes_out, words_out = int8s(output, len(x)), int16s(output, len(x))
    for i in range(len(x)):
        y = divided(multiplied(reciprocal, exponentials[(np.int64(x[i]) ^ flip) - largest + 255]), exponent) + low
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
