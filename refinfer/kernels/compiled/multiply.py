"""Matrix products and convolutions: the microkernel over all tiles, and the epilogue behind each.

Outputs are written a whole vector at a time, also where the last channels do not fill one: what is written too much
lies where the next row begins, and the next row is written later. So rows go up and columns go down, and the plan
leaves room behind the last row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refinfer.kernels.compiled.jit import LANES, ROWS, Number, int8s, int16s, njit, uint8s
from refinfer.kernels.compiled.memory import clear
from refinfer.kernels.compiled.microkernel import (
    columns,
    row_of_eight,
    row_of_one,
    row_of_two,
    tile_of_one,
    tile_of_two,
    wide_row_of_eight,
    wide_row_of_one,
    wide_row_of_two,
)
from refinfer.kernels.compiled.requantize import requantize_row

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit
def multiply(
    images: int,
    starts: int,
    rows: int,
    taps: int,
    pairs: int,
    weights: int,
    weight_bytes: int,
    vectors: int,
    scaling: int,
    parameters: int,
    parameter_bytes: int,
    offset: int,
    offset_step: int,
    low: int,
    high: int,
    output: int,
    column: int,
    row_bytes: int,
    size: int,
    sums: int,
) -> None:
    """y[r, c] = requantize(sum over k of x[r, k] * w[k, c]), with the offset + r * offset_step"""
    vector_bytes, few = 2 * LANES * weight_bytes * pairs, rows < ROWS
    last = vectors
    while last > 0:
        count = columns(few, last)
        last -= count
        w, p = weights + last * vector_bytes, parameters + last * parameter_bytes
        y = output + column + last * LANES * size
        if few:
            for r in range(rows):
                multiply_row(images, starts + 8 * r, taps, pairs, w, weight_bytes, count, sums)
                there, of_row = y + r * row_bytes, offset + r * offset_step
                requantize_row(scaling, sums, count, p, parameter_bytes, of_row, low, high, there, size)
        else:
            for block in range((rows + ROWS - 1) // ROWS):
                first = min(block * ROWS, rows - ROWS)
                if count == 2:
                    tile_of_two((images, starts + 8 * first, taps, pairs, w, sums))
                else:
                    tile_of_one((images, starts + 8 * first, taps, pairs, w, sums))
                for r in range(ROWS):
                    here = sums + 4 * LANES * count * r
                    there, of_row = y + (first + r) * row_bytes, offset + (first + r) * offset_step
                    requantize_row(scaling, here, count, p, parameter_bytes, of_row, low, high, there, size)


@njit
def multiply_row(
    images: int,
    start: int,
    taps: int,
    pairs: int,
    weights: int,
    weight_bytes: int,
    count: int,
    sums: int,
) -> None:
    """The sums of one row."""
    if weight_bytes == 1:
        if count == 8:
            row_of_eight((images, start, taps, pairs, weights, sums))
        elif count == 2:
            row_of_two((images, start, taps, pairs, weights, sums))
        else:
            row_of_one((images, start, taps, pairs, weights, sums))
    elif count == 8:
        wide_row_of_eight((images, start, taps, pairs, weights, sums))
    elif count == 2:
        wide_row_of_two((images, start, taps, pairs, weights, sums))
    else:
        wide_row_of_one((images, start, taps, pairs, weights, sums))


@njit
def multiply_by_bytes(x: int, taps: int, pairs: int, weights: int, vectors: int, sums: int) -> None:
    """The sums of one row of int16 with all channels, whose weights have one byte; the first tap is 0."""
    last = vectors
    while last > 0:
        count = columns(True, last)
        last -= count
        multiply_row(x, taps, taps, pairs, weights + 2 * LANES * pairs * last, 1, count, sums + 4 * LANES * last)


@njit
def widen(
    source: int,
    kind: int,
    batches: int,
    height: int,
    width: int,
    top: int,
    left: int,
    padded_height: int,
    padded_width: int,
    offset: int,
    target: int,
) -> None:
    """target[b, y, x] = source[b, y - top, x - left] + offset, and 0 where there is none"""
    size = 2 if kind == 2 else 1
    first, end = min(left, padded_width), min(left + width, padded_width)
    for b in range(batches):
        for y in range(padded_height):
            row = target + 2 * (b * padded_height + y) * padded_width
            if y < top or y >= top + height:
                clear(row, 2 * padded_width)
                continue
            clear(row, 2 * first)
            clear(row + 2 * end, 2 * (padded_width - end))
            inside = int16s(row + 2 * first, end - first)
            widen_row(source + size * (b * height + y - top) * width, kind, end - first, np.int16(offset), inside)


@njit
def widen_row(source: int, kind: int, count: int, offset: Number, out: NDArray[Any]) -> None:
    """out[x] = source[x] + offset"""
    if kind == 0:
        signed = int8s(source, count)
        for x in range(count):
            out[x] = np.int16(signed[x] + offset)
    elif kind == 1:
        unsigned = uint8s(source, count)
        for x in range(count):
            out[x] = np.int16(unsigned[x] + offset)
    else:
        words = int16s(source, count)
        for x in range(count):
            out[x] = np.int16(words[x] + offset)
