"""Where the windows of convolutions and pooling lie, one axis at a time.

Window ``i`` has its tap ``k`` on cell ``i * stride + k * dilation - before`` of the image. Cells outside the image are
padding, which every kernel leaves out of its sums. Source: tensorflow/lite/kernels/padding.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from refinfer.schema.enums import Padding


class Windows(NamedTuple):
    """The windows along one axis of an image of `size` cells; `before` of them lie ahead of its first cell."""

    size: int
    length: int
    stride: int
    dilation: int
    number: int
    before: int

    def inside(self, tap: int) -> tuple[slice, slice]:
        """The windows whose `tap` falls into the image, and the cells that it falls on."""
        offset = tap * self.dilation - self.before
        first = max(0, -(offset // self.stride))
        end = max(first, min(self.number, (self.size - offset + self.stride - 1) // self.stride))
        start = first * self.stride + offset
        return slice(first, end), slice(start, start + (end - first) * self.stride, self.stride)

    @property
    def is_every_cell(self) -> bool:
        """Whether each cell of the image is a window."""
        return self.length == self.stride == 1 and self.number == self.size and self.before == 0

    def frame(self) -> tuple[slice, slice, int]:
        """Of the cells that the windows span: those of the image, where these are among all, and how many all are."""
        first, size = -self.before, max(0, self.number - 1) * self.stride + span(self.length, self.dilation)
        inside = slice(max(0, first), max(0, first, min(self.size, first + size)))
        return inside, slice(inside.start - first, inside.stop - first), size

    def blocks(self, count: int) -> Iterator[Windows]:
        """The same windows, at most `count` at a time, as windows of their own; never none."""
        for first in range(0, max(1, self.number), count):
            before = self.before - first * self.stride
            yield self._replace(number=min(first + count, self.number) - first, before=before)

    def crops(self, size: int) -> Iterator[Windows]:
        """The same windows over at most `size` cells of the image at a time."""
        for first in range(0, max(1, self.size), size):
            yield self._replace(size=min(first + size, self.size) - first, before=self.before + first)


Index = tuple[slice, ...]


def overlap(grid: Sequence[Windows], taps: Sequence[int]) -> tuple[Index, Index]:
    """Along several axes: the windows whose tap falls into the image, and the cells that it falls on.

    Both index an array whose first axis is that of the images.
    """
    inside = [axis.inside(tap) for axis, tap in zip(grid, taps, strict=True)]
    return (slice(None), *(each for each, _ in inside)), (slice(None), *(each for _, each in inside))


def windows(padding: Padding, size: int, length: int, stride: int, dilation: int = 1) -> Windows:
    """The windows of `length` taps that an image of `size` cells has along an axis."""
    count = output_size(padding, size, length, stride, dilation)
    return Windows(size, length, stride, dilation, count, padding_before(count, size, length, stride, dilation))


def output_size(padding: Padding, size: int, length: int, stride: int, dilation: int = 1) -> int:
    """How many windows there are; 0 if that makes no sense [ComputeOutSize]."""
    if min(length, stride, dilation) <= 0:
        return 0
    first_ends = size if padding == Padding.SAME else size - span(length, dilation) + 1
    return max(0, (first_ends + stride - 1) // stride)


def padding_before(count: int, size: int, length: int, stride: int, dilation: int = 1) -> int:
    """How many cells ahead of the image `count` windows start, if the padding is halved [ComputePaddingWithOffset].

    Where it is odd, the larger half lies behind the image.
    """
    return max(0, (count - 1) * stride + span(length, dilation) - size) // 2


def span(length: int, dilation: int) -> int:
    """From a window's first cell to its last, both included."""
    return (length - 1) * dilation + 1
