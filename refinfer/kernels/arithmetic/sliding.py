"""What lies under the windows of images, as views that copy nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from refinfer.kernels.lazy import np
from refinfer.kernels.window import Index, Windows

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Grid = tuple[Windows, Windows]
"""The windows along the rows and the columns of an image."""


def under_windows(images: Array, grid: Grid) -> Array:
    """[b, y, x, fy, fx, c]: what tap (fy, fx) of window (y, x) falls on, 0 outside the image."""
    rows, columns = grid
    if rows.is_every_cell and columns.is_every_cell:
        return images[:, :, :, None, None]
    images = framed(images, grid)
    batch, row, column, channel = images.strides
    to_tap = row * rows.dilation, column * columns.dilation
    shape = (len(images), rows.number, columns.number, rows.length, columns.length, images.shape[-1])
    strides = (batch, row * rows.stride, column * columns.stride, *to_tap, channel)
    return np.ndarray(shape, images.dtype, images, 0, strides)


def under_rows(images: Array, grid: Grid) -> Iterator[tuple[slice, Array]]:
    """[b, y, fy, fx, x and c]: the same, a row of windows as one axis, for taps fx of a slice at a time.

    Cells that the windows of a row have in the same place follow each other if columns are told apart by their number
    modulo the stride. Each remainder has taps of its own. Columns must not be dilated and strided.
    """
    images = framed(images, grid)
    rows, columns = grid
    channels = images.shape[-1]
    for first in range(min(columns.stride, columns.length)):
        cells = np.ascontiguousarray(images[:, :, first :: columns.stride])
        batch, row, column, channel = cells.strides
        taps = slice(first, None, columns.stride)
        shape = (len(cells), rows.number, rows.length, len(range(columns.length)[taps]), columns.number * channels)
        strides = (batch, row * rows.stride, row * rows.dilation, column * columns.dilation, channel)
        yield taps, np.ndarray(shape, cells.dtype, cells, 0, strides)


def framed(images: Array, grid: Grid) -> Array:
    """The cells from the first window's first to the last one's last, 0 outside the image; one after the other."""
    inside, places, sizes = frame(grid)
    cells = images[inside]
    if cells.shape[1:-1] == sizes:
        return np.ascontiguousarray(cells)
    whole = np.zeros((len(images), *sizes, images.shape[-1]), images.dtype)
    whole[places] = cells
    return whole


@lru_cache(maxsize=4096)
def frame(grid: Grid) -> tuple[Index, Index, tuple[int, ...]]:
    """Which cells of the images windows span, where these are among all that they span, and how many these are."""
    inside, places, sizes = zip(*(axis.frame() for axis in grid), strict=True)
    return (slice(None), *inside), (slice(None), *places), sizes
