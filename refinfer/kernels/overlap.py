"""In which order kernels read their input and write their output, and how far apart the two must lie for it.

TFLM puts tensors where an offline plan says, and does not ask whether they overlap. All kernels with a rule here go
through both tensors from the front: what they write then lands on what they have read, if only the input lies high
enough above the output. A kernel's order is told as steps, `(written, read)`: by the time that it reads a byte of the
input, the first of those that are still to be read being `read`, it has written `written` bytes of the output. So the
input must lie `written - read` above the output, by the worst step.

Two things that C does not promise are not relied on: that memcpy copies upwards (but for CMSIS-NN's own, see there),
and that a value is read from memory before a value of another type is written there, unless one of them is a char.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from refinfer.kernels.common import TYPE_SIZES
from refinfer.kernels.kernel import Overlap
from refinfer.kernels.layout import Build
from refinfer.kernels.libraries.library_window import Window
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

Step = tuple[int, int]

CHARS = frozenset({TensorType.INT8, TensorType.UINT8})
"""A compiler has to expect that a char of C lies where values of any other type do."""


def at_least(distance: int) -> Overlap:
    """From `distance` on, but not below the output: little is gained there, and CMSIS-NN's MAX_POOL_2D is not safe."""
    return Overlap(max(0, distance))


def worst(steps: Iterable[Step]) -> int:
    """The distance that the steps ask for; 0 if nothing is read."""
    return max((written - read for written, read in steps), default=0)


def size_of(tensor: Tensor) -> int:
    """Bytes of an element; 0 for what does not lie there element by element."""
    return 0 if tensor.type == TensorType.INT4 else TYPE_SIZES.get(tensor.type, 0)


def nbytes(tensor: Tensor) -> int:
    """Bytes of the tensor."""
    return tensor.elements * size_of(tensor)


def in_order(x: Tensor, y: Tensor) -> bool:
    """Whether the compiler keeps reads of the input ahead of writes to the output that the source has later."""
    known = size_of(x) > 0 and size_of(y) > 0
    return known and (x.type == y.type or x.type in CHARS or y.type in CHARS)


def of_unary(node: Node, position: int, build: Build) -> Overlap | None:
    """Element by element: each is read once, or at last, just before the output's element at its place is written."""
    x, y = node.inputs[0], node.outputs[0]
    if position != 0 or x is None or x.elements != y.elements:
        return None
    return element_by_element(x, y)


def of_binary(node: Node, position: int, build: Build) -> Overlap | None:
    """Element by element of inputs that are not stretched, whatever becomes of the others [broadcast_loop.h]."""
    x, y = node.inputs[position], node.outputs[0]
    return element_by_element(x, y) if x is not None and x.shape == y.shape else None


def of_alike(node: Node, position: int, build: Build) -> Overlap | None:
    """Element by element of several inputs, as long as all have the same shape."""
    alike = all(each is not None and each.shape == node.outputs[0].shape for each in node.inputs)
    return of_binary(node, position, build) if alike else None


def element_by_element(x: Tensor, y: Tensor) -> Overlap | None:
    """Element i is read when i elements of the output are there; only wider ones can get ahead."""
    if not in_order(x, y):
        return None
    return at_least((y.elements - 1) * (size_of(y) - size_of(x)))


def of_reshape(node: Node, position: int, build: Build) -> Overlap | None:
    """One memcpy of it all, which at one and the same place does nothing."""
    return Overlap(0, exactly=True) if position == 0 else None


def first_cells(size: int, length: int, stride: int, dilation: int, before: int, number: int) -> list[int | None]:
    """The first cell of an axis that each window on it reads; None for windows that lie in the padding."""
    firsts: list[int | None] = []
    for window in range(number):
        start = window * stride - before
        skipped = max(0, -(start // dilation))  # taps ahead of the image
        cell = start + skipped * dilation
        firsts.append(cell if skipped < length and cell < size else None)
    return firsts


def first_pixels(w: Window) -> list[int | None]:
    """The first pixel of the images that each window reads, for the windows in the order of the output."""
    (dy, dx), (sy, sx), (top, left) = w.dilation, w.stride, w.padding
    rows = first_cells(w.height, w.filter_height, sy, dy, top, w.output_height)
    columns = first_cells(w.width, w.filter_width, sx, dx, left, w.output_width)
    return pixels(rows, columns, w.height, w.width, w.batches)


def pixels(
    rows: Sequence[int | None], columns: Sequence[int | None], height: int, width: int, images: int = 1
) -> list[int | None]:
    """The pixels of a row and a column each, image by image and row by row."""
    each = product(range(images), rows, columns)
    return [None if y is None or x is None else (image * height + y) * width + x for image, y, x in each]


def by_pixels(
    firsts: Sequence[int | None], x_pixel: int, y_pixel: int, at_once: int = 1, ahead: int = 0
) -> Iterator[Step]:
    """The windows of `at_once` pixels are read, then these pixels are written, and so on.

    `x_pixel` and `y_pixel` are the sizes of a pixel. If pixels are written in parts, then the last that is read for one
    of them, though it lies behind the first of its window, comes when so much more is written: `ahead`.
    """
    for pixel, first in enumerate(firsts):
        if first is not None:
            yield (pixel - pixel % at_once) * y_pixel + ahead, first * x_pixel


def last_pass(outputs: int, at_once: int) -> int:
    """How many outputs are there when the input is read for the last time, to make `at_once` of them, or what is left.

    What is left is made one by one.
    """
    return outputs - (at_once if outputs % at_once == 0 and outputs > 0 else min(1, outputs))
