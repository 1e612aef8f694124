"""What lies under the windows of images, as views that copy nothing."""

from __future__ import annotations

from collections.abc import Sequence
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
    return np.lib.stride_tricks.as_strided(images, shape, (batch, *to_window, *to_tap, channel))


def under_rows(images: Array, grid: Sequence[Windows]) -> Array:
    """[b, y, fy, fx, x and c]: the same of windows that follow each other cell by cell, a row of them as one axis."""
    images = framed(images, grid)
    rows, columns = grid
    batch, row, column, channel = images.strides
    shape = (len(images), rows.number, rows.length, columns.length, columns.number * images.shape[-1])
    strides = (batch, row * rows.stride, row * rows.dilation, column * columns.dilation, channel)
    return np.lib.stride_tricks.as_strided(images, shape, strides)


def framed(images: Array, grid: Sequence[Windows]) -> Array:
    """The cells from the first window's first to the last one's last, 0 outside the image."""
    inside, places, sizes = zip(*(axis.frame() for axis in grid), strict=True)
    cells = images[:, *inside]
    if cells.shape[1:-1] == sizes:
        return cells
    whole = np.zeros((len(images), *sizes, images.shape[-1]), images.dtype)
    whole[:, *places] = cells
    return whole
