"""RESIZE_BILINEAR: the four cells around each pixel, each times how near it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refinfer.kernels.compiled.functions import HALF, ONE, ZERO
from refinfer.kernels.compiled.jit import Number, float32s, int8s, int16s, int64s, njit, uint8s
from refinfer.kernels.compiled.records import RESIZED_FLOAT32, RESIZED_INT8, RESIZED_UINT8
from refinfer.kernels.resize import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from refinfer.kernels.compute import Array


@njit
def resize(
    source: int,
    kind: int,
    batches: int,
    cells: int,
    width: int,
    channels: int,
    rows: int,
    columns: int,
    row_places: int,
    column_places: int,
    row_offsets: int,
    column_offsets: int,
    output: int,
) -> None:
    """`kernels/resize.py: blended`, of images of so many cells, in rows of `width`.

    Places are the cell before, and then the cell after, of each; what lies beyond the last cell is the last cell.
    Offsets are in units of 2**-10, or floats.
    """
    last = batches * cells - 1
    low_y, high_y = int64s(row_places, rows), int64s(row_places + 8 * rows, rows)
    low_x, high_x = int64s(column_places, columns), int64s(column_places + 8 * columns, columns)
    for b in range(batches):
        for y in range(rows):
            for x in range(columns):
                upper, lower = b * cells + low_y[y] * width, b * cells + high_y[y] * width
                a, c = min(upper + low_x[x], last) * channels, min(lower + low_x[x], last) * channels
                d, e = min(upper + high_x[x], last) * channels, min(lower + high_x[x], last) * channels
                there = ((b * rows + y) * columns + x) * channels
                if kind == RESIZED_FLOAT32:
                    f, g, h, i = (4 * a, 4 * c, 4 * d, 4 * e)
                    dy, dx = float32s(row_offsets, rows)[y], float32s(column_offsets, columns)[x]
                    blend_floats(
                        float32s(source + f, channels), float32s(source + g, channels),
                        float32s(source + h, channels), float32s(source + i, channels),
                        dy, dx, ZERO, float32s(output + 4 * there, channels),
                    )  # fmt: skip
                elif kind == RESIZED_UINT8:
                    dy, dx = float32s(row_offsets, rows)[y], float32s(column_offsets, columns)[x]
                    blend_floats(
                        uint8s(source + a, channels), uint8s(source + c, channels),
                        uint8s(source + d, channels), uint8s(source + e, channels),
                        dy, dx, HALF, uint8s(output + there, channels),
                    )  # fmt: skip
                else:
                    near_y, near_x = int64s(row_offsets, rows)[y], int64s(column_offsets, columns)[x]
                    if kind == RESIZED_INT8:
                        blend_integers(
                            int8s(source + a, channels), int8s(source + c, channels),
                            int8s(source + d, channels), int8s(source + e, channels),
                            near_y, near_x, int8s(output + there, channels),
                        )  # fmt: skip
                    else:
                        blend_integers(
                            int16s(source + 2 * a, channels), int16s(source + 2 * c, channels),
                            int16s(source + 2 * d, channels), int16s(source + 2 * e, channels),
                            near_y, near_x, int16s(output + 2 * there, channels),
                        )  # fmt: skip


@njit
def blend_floats(
    a: NDArray[Any],
    b: NDArray[Any],
    c: NDArray[Any],
    d: NDArray[Any],
    dy: Number,
    dx: Number,
    addend: Number,
    out: Array,
) -> None:
    """a * (1 - dy) * (1 - dx) + b * dy * (1 - dx) + c * (1 - dy) * dx + d * dy * dx + addend, in floats"""
    for i in range(len(out)):
        total = np.float32(a[i]) * (ONE - dy) * (ONE - dx) + np.float32(b[i]) * dy * (ONE - dx)
        total = total + np.float32(c[i]) * (ONE - dy) * dx
        total = total + np.float32(d[i]) * dy * dx
        out[i] = total + addend


@njit
def blend_integers(
    a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], dy: Number, dx: Number, out: Array
) -> None:
    """The same in units of 2**-20, and rounded, ties away from zero"""
    for i in range(len(out)):
        total = np.int64(a[i]) * ((UNIT - dy) * (UNIT - dx)) + np.int64(b[i]) * (dy * (UNIT - dx))
        total += np.int64(c[i]) * ((UNIT - dy) * dx) + np.int64(d[i]) * (dy * dx)
        rounded = (abs(total) + UNIT * UNIT // 2) // (UNIT * UNIT)
        out[i] = -rounded if total < 0 else rounded
