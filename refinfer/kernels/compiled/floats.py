"""Products of floats: every product and every sum rounded, in the order of C's loops, so that the bits are C's.

The order of one output's sum cannot be changed; but outputs do not wait for each other, so lanes are channels and rows
are pixels, as in microkernel.py. Nothing is contracted to a fused multiply-add, which would round once less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.jit import INTERPRETED, LANES, ROWS, as_array, float32s, int64s, njit
from refinfer.kernels.compiled.memory import clear, copy
from refinfer.kernels.compiled.microkernel import columns
from refinfer.kernels.compiled.vectors import I64, counted, generated, load, splat, store, word

FLOAT = ir.FloatType()
FLOATS = ir.VectorType(FLOAT, LANES)
ZEROS = ir.Constant(FLOATS, [0.0] * LANES)


def activated(builder: ir.IRBuilder, total: ir.Value, bias: ir.Value, limits: ir.Value) -> ir.Value:
    """total + bias, no less than the first limit, no more than the second; NaN stays. `limits` is an address."""
    total = builder.fadd(total, bias)
    low, high = (splat(builder, load(builder, builder.add(limits, word(4 * i)), FLOAT), LANES) for i in (0, 1))
    total = builder.select(builder.fcmp_ordered("<", total, low), low, total)
    return builder.select(builder.fcmp_ordered(">", total, high), high, total)


def tile(rows: int, vectors: int) -> Any:
    """A tile of outputs.

    It takes (images, starts, taps, count, weights, stride, bias, limits, output, row_bytes): as in microkernel.py, but
    a tap is one number; `bias` and `limits` are addresses, and outputs are finished.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        images, starts, taps, count, weights, stride, bias, limits, output, row_bytes = arguments
        begin = [builder.add(images, load(builder, builder.add(starts, word(8 * r)), I64)) for r in range(rows)]
        before = builder.block
        with counted(builder, count) as k:
            totals = [builder.phi(FLOATS) for _ in range(rows * vectors)]
            place = builder.add(weights, builder.mul(k, word(4 * LANES)))
            w = [load(builder, builder.add(place, builder.mul(stride, word(v))), FLOATS) for v in range(vectors)]
            tap = load(builder, builder.add(taps, builder.mul(k, word(8))), I64)
            x = [splat(builder, load(builder, builder.add(each, tap), FLOAT), LANES) for each in begin]
            results = [
                builder.fadd(total, builder.fmul(x[i // vectors], w[i % vectors])) for i, total in enumerate(totals)
            ]
            for total, result in zip(totals, results, strict=True):
                total.add_incoming(ZEROS, before)
                total.add_incoming(result, builder.block)
        for i, result in enumerate(results):
            r, v = divmod(i, vectors)
            b = load(builder, builder.add(bias, word(4 * LANES * v)), FLOATS)
            there = builder.add(output, builder.add(builder.mul(row_bytes, word(r)), word(4 * LANES * v)))
            store(builder, activated(builder, result, b, limits), there)

    def plain(arguments: Sequence[int]) -> None:
        images, starts, taps, count, weights, stride, bias, limits, output, row_bytes = (int(a) for a in arguments)
        for r, start in enumerate(as_array(starts, rows, np.int64)):
            for v in range(vectors):
                total = np.zeros(LANES, np.float32)
                for k, tap in enumerate(as_array(taps, count, np.int64)):
                    w = as_array(weights + v * stride + 4 * LANES * k, LANES, np.float32)
                    total = total + as_array(images + int(start + tap), 1, np.float32) * w
                y = plain_activated(total, bias + 4 * LANES * v, limits)
                as_array(output + r * row_bytes + 4 * LANES * v, LANES, np.float32)[:] = y

    return plain if INTERPRETED else generated(10, body)


def plain_activated(total: Any, bias: int, limits: int) -> Any:
    """`activated` in plain Python."""
    total = total + as_array(bias, LANES, np.float32)
    low, high = as_array(limits, 2, np.float32)
    total = np.where(total < low, low, total)
    return np.where(total > high, high, total)


def channels_of_row() -> Any:
    """Depthwise: one vector of channels of all pixels of a row.

    It takes (places, count, weights, pixels, step, bias, limits, output, out_step), as in depthwise.py.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        places, count, weights, pixels, step, bias, limits, output, out_step = arguments
        with counted(builder, pixels) as pixel:
            shift = builder.mul(pixel, step)
            before = builder.block
            with counted(builder, count) as t:
                total = builder.phi(FLOATS)
                place = load(builder, builder.add(places, builder.mul(t, word(8))), I64)
                w = load(builder, builder.add(weights, builder.mul(t, word(4 * LANES))), FLOATS)
                x = load(builder, builder.add(place, shift), FLOATS)
                result = builder.fadd(total, builder.fmul(x, w))
                total.add_incoming(ZEROS, before)
                total.add_incoming(result, builder.block)
            y = activated(builder, result, load(builder, bias, FLOATS), limits)
            store(builder, y, builder.add(output, builder.mul(pixel, out_step)))

    def plain(arguments: Sequence[int]) -> None:
        places, count, weights, pixels, step, bias, limits, output, out_step = (int(a) for a in arguments)
        for pixel in range(pixels):
            total = np.zeros(LANES, np.float32)
            for t, place in enumerate(as_array(places, count, np.int64)):
                w = as_array(weights + 4 * LANES * t, LANES, np.float32)
                total = total + as_array(int(place) + pixel * step, LANES, np.float32) * w
            as_array(output + pixel * out_step, LANES, np.float32)[:] = plain_activated(total, bias, limits)

    return plain if INTERPRETED else generated(9, body)


tile_of_two, tile_of_one = tile(ROWS, 2), tile(ROWS, 1)
row_of_eight, row_of_two, row_of_one = tile(1, 8), tile(1, 2), tile(1, 1)
depthwise_row = channels_of_row()


@njit
def multiply_floats(
    images: int,
    starts: int,
    rows: int,
    taps: int,
    count: int,
    weights: int,
    vectors: int,
    bias: int,
    limits: int,
    output: int,
    column: int,
    row_bytes: int,
) -> None:
    """y[r, c] = activation(bias[c] + sum over k of x[r, k] * w[k, c]), in the order of k"""
    stride, few = 4 * LANES * count, rows < ROWS
    last = vectors
    while last > 0:
        wide = columns(few, last)
        last -= wide
        w, b, y = weights + last * stride, bias + last * 4 * LANES, output + column + last * 4 * LANES
        if few:
            for r in range(rows):
                row = (images, starts + 8 * r, taps, count, w, stride, b, limits, y + r * row_bytes, row_bytes)
                if wide == 8:
                    row_of_eight(row)
                elif wide == 2:
                    row_of_two(row)
                else:
                    row_of_one(row)
        else:
            for block in range((rows + ROWS - 1) // ROWS):
                first = min(block * ROWS, rows - ROWS)
                there = y + first * row_bytes
                if wide == 2:
                    tile_of_two((images, starts + 8 * first, taps, count, w, stride, b, limits, there, row_bytes))
                else:
                    tile_of_one((images, starts + 8 * first, taps, count, w, stride, b, limits, there, row_bytes))


@njit
def depthwise_floats(
    images: int,
    starts: int,
    rows: int,
    taps: int,
    count: int,
    places: int,
    weights: int,
    vectors: int,
    pixels: int,
    step: int,
    bias: int,
    limits: int,
    output: int,
    pixel_bytes: int,
    row_bytes: int,
) -> None:
    """y[r, p, c] = activation(bias[c] + sum over taps of x[r, p + tap, c] * w[tap, c]), in the order of the taps"""
    begin, tap, place = int64s(starts, rows), int64s(taps, count), int64s(places, count)
    for r in range(rows):
        for v in range(vectors - 1, -1, -1):
            for t in range(count):
                place[t] = images + begin[r] + tap[t] + 4 * LANES * v
            w, b = weights + 4 * LANES * count * v, bias + 4 * LANES * v
            there = output + r * row_bytes + 4 * LANES * v
            depthwise_row((places, count, w, pixels, step, b, limits, there, pixel_bytes))


@njit
def pad_floats(
    source: int,
    batches: int,
    height: int,
    width: int,
    top: int,
    left: int,
    padded_height: int,
    padded_width: int,
    target: int,
) -> None:
    """target[b, y, x] = source[b, y - top, x - left], and 0 where there is none"""
    first, end = min(left, padded_width), min(left + width, padded_width)
    for b in range(batches):
        for y in range(padded_height):
            row = target + 4 * (b * padded_height + y) * padded_width
            if y < top or y >= top + height:
                clear(row, 4 * padded_width)
                continue
            clear(row, 4 * first)
            clear(row + 4 * end, 4 * (padded_width - end))
            copy(source + 4 * (b * height + y - top) * width, 4 * (end - first), row + 4 * first)


@njit
def pool_floats(
    largest: int,
    source: int,
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
    limits: int,
    output: int,
) -> None:
    """The largest number of each window, NaN passed over, or the average: summed in order, divided once; and limited"""
    low, high = float32s(limits, 3)[0], float32s(limits, 3)[1]
    least = float32s(limits, 3)[2]
    for b in range(batches):
        for row in range(rows):
            top = row * stride_down - before_down
            first_y, end_y = max(top, 0), min(top + length_down, height)
            for column in range(columns):
                left = column * stride_across - before_across
                first_x, end_x = max(left, 0), min(left + length_across, width)
                out = float32s(output + 4 * channels * ((b * rows + row) * columns + column), channels)
                start = least if largest else np.float32(0)
                for c in range(channels):
                    out[c] = start
                for y in range(first_y, end_y):
                    for x in range(first_x, end_x):
                        cell = float32s(source + 4 * channels * ((b * height + y) * width + x), channels)
                        if largest:
                            for c in range(channels):
                                out[c] = cell[c] if out[c] < cell[c] else out[c]
                        else:
                            for c in range(channels):
                                out[c] += cell[c]
                count = np.float32((end_y - first_y) * (end_x - first_x))
                for c in range(channels):
                    value = out[c] if largest else out[c] / count
                    value = low if value < low else value
                    out[c] = high if value > high else value
