"""Depthwise convolution: every channel has its own filter, so lanes are channels and nothing is shared.

The multiplier of pairs (see microkernel.py) works here too, if a pair is two rows of the image: of each output row,
rows y and y + dilation stand beside each other number by number, and one multiplication takes two taps. A row of pairs
is made once and serves all output rows that need it; as many are kept as one output row needs.
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
    int8s,
    int16s,
    int32s,
    int64s,
    njit,
    uint8s,
)
from refinfer.kernels.compiled.memory import clear
from refinfer.kernels.compiled.records import FIXED
from refinfer.kernels.compiled.requantize import requantize_row, requantize_to_bytes, scaled_and_clamped
from refinfer.kernels.compiled.vectors import (
    I8,
    I16,
    I32,
    I64,
    add_products_of_pairs,
    all_lanes,
    counted,
    generated,
    load,
    store,
    word,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS = ir.VectorType(I16, 2 * LANES)


def channels_of_row(taps: int, finished: bool) -> Any:
    """One vector of channels of all pixels of a row, for filters of so many pairs of taps (0: of any number).

    It takes (places, count, weights, pixels, step, parameters, offset, low, high, output, out_step): `places` are the
    addresses of the `count` pairs under the first pixel, `step` the bytes to the next, `weights` a vector of pairs for
    each tap. Outputs are int8; or, unless `finished`, sums.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        places, count, weights, pixels, step, parameters, offset, low, high, output, out_step = arguments
        tables = [
            (
                load(builder, builder.add(places, word(8 * t)), I64),
                load(builder, builder.add(weights, word(4 * LANES * t)), PAIRS),
            )
            for t in range(taps)
        ]
        with counted(builder, pixels) as pixel:
            shift, total = builder.mul(pixel, step), all_lanes(0)
            for place, w in tables:
                total = add_products_of_pairs(builder, total, load(builder, builder.add(place, shift), PAIRS), w)
            if not taps:
                total = sum_of_taps(builder, places, count, weights, shift)
            there = builder.add(output, builder.mul(pixel, out_step))
            if finished:
                total = scaled_and_clamped(builder, total, parameters, offset, low, high)
                store(builder, builder.trunc(total, ir.VectorType(I8, LANES)), there)
            else:
                store(builder, total, there)

    return generated(11, body) if not INTERPRETED else plain_channels_of_row(finished)


def sum_of_taps(
    builder: ir.IRBuilder, places: ir.Value, count: ir.Value, weights: ir.Value, shift: ir.Value
) -> ir.Value:
    """The sum over any number of taps."""
    before = builder.block
    with counted(builder, count) as t:
        total = builder.phi(ir.VectorType(I32, LANES))
        place = load(builder, builder.add(places, builder.mul(t, word(8))), I64)
        w = load(builder, builder.add(weights, builder.mul(t, word(4 * LANES))), PAIRS)
        result = add_products_of_pairs(builder, total, load(builder, builder.add(place, shift), PAIRS), w)
        total.add_incoming(all_lanes(0), before)
        total.add_incoming(result, builder.block)
    return result


def plain_channels_of_row(finished: bool) -> Any:
    """The same in plain Python."""

    def call(arguments: Sequence[int]) -> None:
        places, count, weights, pixels, step, parameters, offset, low, high, output, out_step = arguments
        w = as_array(weights, count * LANES * 2, np.int16).reshape(count, LANES, 2).astype(np.int64)
        for pixel in range(pixels):
            under = [int(place) + pixel * step for place in as_array(places, count, np.int64)]
            x = np.stack([as_array(place, LANES * 2, np.int16).reshape(LANES, 2) for place in under])
            sums = (x * w).sum(axis=(0, 2)).astype(np.int32)
            if finished:
                address = sums.ctypes.data
                requantize_to_bytes((address, parameters, offset, low, high, output + pixel * out_step))
            else:
                as_array(output + pixel * out_step, LANES, np.int32)[:] = sums

    return call


of_six_taps = channels_of_row(6, finished=True)
of_any_taps = channels_of_row(0, finished=True)
sums_of_any_taps = channels_of_row(0, finished=False)


@njit
def depthwise(
    source: int,
    kind: int,
    batches: int,
    height: int,
    width: int,
    channels: int,
    multiplier: int,
    top: int,
    left: int,
    padded_width: int,
    taps_down: int,
    taps_across: int,
    dilation_down: int,
    dilation_across: int,
    stride_down: int,
    slots: int,
    rows: int,
    pixels: int,
    step: int,
    vectors: int,
    weights: int,
    scaling: int,
    parameters: int,
    parameter_bytes: int,
    offset: int,
    offset_step: int,
    low: int,
    high: int,
    output: int,
    pixel_bytes: int,
    row_bytes: int,
    size: int,
    input_offset: int,
    pairs: int,
    tables: int,
    sums: int,
) -> None:
    """y[b, y, x, c] = requantize(sum over taps of x[b, y', x', c // multiplier] * w[tap, c])"""
    wide = padded_width * channels * multiplier
    taps = (taps_down + 1) // 2 * taps_across
    places, held = int64s(tables, taps), int64s(tables + 8 * taps, slots)
    for b in range(batches):
        for slot in range(slots):
            held[slot] = -1
        for i in range(rows):
            for k in range((taps_down + 1) // 2):
                y = i * stride_down + 2 * k * dilation_down
                row = pairs + 4 * wide * (y % slots)
                if held[y % slots] != y:
                    held[y % slots] = y
                    image = source + b * height * width * channels * (2 if kind == 2 else 1)
                    fill_pairs(
                        image, kind, height, width, channels, multiplier, y - top, dilation_down, left,
                        padded_width, input_offset, row,
                    )  # fmt: skip
                for x in range(taps_across):
                    places[k * taps_across + x] = row + 4 * x * dilation_across * channels * multiplier
            line, of_row = output + (b * rows + i) * row_bytes, offset + (b * rows + i) * offset_step
            for v in range(vectors - 1, -1, -1):
                for t in range(taps):
                    places[t] += 4 * LANES * v
                w, p, out = weights + 4 * LANES * taps * v, parameters + parameter_bytes * v, line + LANES * size * v
                if scaling != FIXED or size != 1:
                    sums_of_any_taps((tables, taps, w, pixels, step, p, offset, low, high, sums, 4 * LANES))
                    for x in range(pixels):
                        here, there = sums + 4 * LANES * x, out + pixel_bytes * x
                        requantize_row(scaling, here, 1, p, parameter_bytes, of_row, low, high, there, size)
                elif taps == 6:
                    of_six_taps((tables, taps, w, pixels, step, p, offset, low, high, out, pixel_bytes))
                else:
                    of_any_taps((tables, taps, w, pixels, step, p, offset, low, high, out, pixel_bytes))
                for t in range(taps):
                    places[t] -= 4 * LANES * v


@njit
def fill_pairs(
    image: int,
    kind: int,
    height: int,
    width: int,
    channels: int,
    multiplier: int,
    y: int,
    dilation: int,
    left: int,
    padded_width: int,
    offset: int,
    target: int,
) -> None:
    """target[x, c] = the pair of image[y, x - left, c // multiplier] and the same of y + dilation, 0 outside"""
    depth = channels * multiplier
    inside = min(width, padded_width - left)
    clear(target, 4 * left * depth)
    clear(target + 4 * (left + inside) * depth, 4 * (padded_width - left - inside) * depth)
    here, there = 0 <= y < height, 0 <= y + dilation < height
    line = width * channels * (2 if kind == 2 else 1)
    a, b = image + line * (y if here else 0), image + line * (y + dilation if there else 0)
    keep_a, keep_b = np.int32(0xFFFF if here else 0), np.int32(0xFFFF if there else 0)
    if kind == 0:
        pair_up(
            int8s(a, inside * channels),
            int8s(b, inside * channels),
            multiplier,
            offset,
            keep_a,
            keep_b,
            target,
            left * depth,
        )
    elif kind == 1:
        pair_up(
            uint8s(a, inside * channels),
            uint8s(b, inside * channels),
            multiplier,
            offset,
            keep_a,
            keep_b,
            target,
            left * depth,
        )
    else:
        pair_up(
            int16s(a, inside * channels),
            int16s(b, inside * channels),
            multiplier,
            offset,
            keep_a,
            keep_b,
            target,
            left * depth,
        )


@njit
def pair_up(
    a: NDArray[Any],
    b: NDArray[Any],
    multiplier: int,
    offset: int,
    keep_a: Number,
    keep_b: Number,
    target: int,
    first: int,
) -> None:
    """Numbers of two rows beside each other, each `multiplier` times, as the halves of an int32."""
    count = len(a)
    out = int32s(target + 4 * first, count * multiplier)
    zero = np.int32(offset)
    if multiplier == 1:
        for i in range(count):
            out[i] = np.int32((np.int32(a[i]) + zero) & keep_a) | np.int32(
                np.int32((np.int32(b[i]) + zero) & keep_b) << np.int32(16)
            )
    else:
        for i in range(count):
            pair = np.int32((np.int32(a[i]) + zero) & keep_a) | np.int32(
                np.int32((np.int32(b[i]) + zero) & keep_b) << np.int32(16)
            )
            repeated = out[i * multiplier : (i + 1) * multiplier]
            for j in range(multiplier):
                repeated[j] = pair
