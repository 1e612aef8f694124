"""What lies under the windows of images, as views that copy nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.lazy import np
from refinfer.kernels.window import Windows

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def under_windows(images: Array, grid: Sequence[Windows]) -> Array:
    """[b, y, x, fy, fx, c]: what tap (fy, fx) of window (y, x) falls on, 0 outside the image."""
    if all(axis.is_every_cell for axis in grid):
        return images[:, :, :, None, None]
    images = framed(images, grid)
    batch, *cell, channel = images.strides
    shape = (len(images), *(axis.number for axis in grid), *(axis.length for axis in grid), images.shape[-1])
    to_window = [stride * axis.stride for stride, axis in zip(cell, grid, strict=True)]
    to_tap = [stride * axis.dilation for stride, axis in zip(cell, grid, strict=True)]
    return np.ndarray(shape, images.dtype, images, 0, (batch, *to_window, *to_tap, channel))


def under_rows(images: Array, grid: Sequence[Windows]) -> Iterator[tuple[slice, Array]]:
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


def framed(images: Array, grid: Sequence[Windows]) -> Array:
    """The cells from the first window's first to the last one's last, 0 outside the image; one after the other."""
    inside, places, sizes = zip(*(axis.frame() for axis in grid), strict=True)
    cells = images[:, *inside]
    if cells.shape[1:-1] == sizes:
        return np.ascontiguousarray(cells)
    whole = np.zeros((len(images), *sizes, images.shape[-1]), images.dtype)
    whole[:, *places] = cells
    return whole
