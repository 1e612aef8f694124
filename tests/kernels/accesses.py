"""Kernels as lists of accesses: which bytes they read and write, one after the other, in plain loops as in the C.

Nothing here knows of distances. `unsafe` tries them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple


class Access(NamedTuple):
    """`length` elements of `size` bytes from `first` on, of the input ("read") or the output ("write").

    Or a memcpy ("copy"), which reads from `first` and writes to `to`.
    """

    what: Literal["read", "write", "copy"]
    first: int
    length: int = 1
    size: int = 1
    to: int = 0


def read(first: int, count: int = 1, size: int = 1) -> Access:
    """Read elements of the input."""
    return Access("read", first, count, size)


def write(first: int, count: int = 1, size: int = 1) -> Access:
    """Write elements of the output."""
    return Access("write", first, count, size)


def copied_upwards(first: int, to: int, count: int) -> Iterator[Access]:
    """Byte by byte."""
    for byte in range(count):
        yield read(first + byte)
        yield write(to + byte)


def unsafe(accesses: Iterable[Access]) -> int:
    """A set of distances, as bits: with the input so many bytes above the output, a byte is read that was overwritten.

    With the input at `d`, its byte b lies where the output has its byte b + d. A memcpy between places that overlap is
    unsafe unless they are the same.
    """
    written, found = 0, 0
    for what, first, count, size, to in accesses:
        begin, nbytes = first * size, count * size
        if what != "write":
            for byte in range(begin, begin + nbytes):
                found |= written >> byte
        if what == "copy":
            for distance in range(max(0, to * size - begin - nbytes + 1), max(0, to * size - begin + nbytes)):
                found |= (begin + distance != to * size) << distance
        if what != "read":
            written |= ((1 << nbytes) - 1) << (to * size if what == "copy" else begin)
    return found


class Geometry(NamedTuple):
    """Images, and windows over them; as in TFLM, padding is halved and the odd half lies behind."""

    batches: int
    height: int
    width: int
    channels: int
    filter_height: int
    filter_width: int
    outputs: int
    stride: tuple[int, int]
    dilation: tuple[int, int]
    same: bool
    multiplier: int = 1
    groups: int = 1
    size: int = 1

    def axis(self, of: int) -> tuple[int, int]:
        """How many windows there are along an axis, and the padding ahead of the first."""
        size, taps = ((self.height, self.filter_height), (self.width, self.filter_width))[of]
        stride, span = self.stride[of], (taps - 1) * self.dilation[of] + 1
        count = -(-size // stride) if self.same else max(0, -(-(size - span + 1) // stride))
        return count, max(0, (count - 1) * stride + span - size) // 2

    @property
    def output(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        return self.axis(0)[0], self.axis(1)[0]

    def pixels(self) -> Iterator[tuple[int, int, int]]:
        """Image, row and column of each pixel of the output, in order."""
        rows, columns = self.output
        for batch in range(self.batches):
            for y in range(rows):
                for x in range(columns):
                    yield batch, y, x

    def taps(self, batch: int, y: int, x: int) -> Iterator[int]:
        """The pixels of the input that a window reads, in order."""
        for tap_y in range(self.filter_height):
            row = y * self.stride[0] - self.axis(0)[1] + tap_y * self.dilation[0]
            for tap_x in range(self.filter_width):
                column = x * self.stride[1] - self.axis(1)[1] + tap_x * self.dilation[1]
                if 0 <= row < self.height and 0 <= column < self.width:
                    yield (batch * self.height + row) * self.width + column


def conv(g: Geometry) -> Iterator[Access]:
    """[reference/conv.h, integer_ops/conv.h; esp_nn_conv_opt.c]"""
    depth, filters = g.channels // g.groups, g.outputs // g.groups
    for place, pixel in enumerate(g.pixels()):
        for channel in range(g.outputs):
            for tap in g.taps(*pixel):
                yield read(tap * g.channels + channel // filters * depth, depth, g.size)
            yield write(place * g.outputs + channel, 1, g.size)


def depthwise(g: Geometry, at_once: int = 1) -> Iterator[Access]:
    """[reference/depthwiseconv_float.h, integer_ops/depthwise_conv.h; arm_depthwise_conv_s8.c]"""
    for place, pixel in enumerate(g.pixels()):
        for channel in range(g.channels):
            for m in range(0, g.multiplier, at_once):
                for tap in g.taps(*pixel):
                    yield read(tap * g.channels + channel, 1, g.size)
                yield write((place * g.channels + channel) * g.multiplier + m, at_once, g.size)


def by_channels(g: Geometry, at_once: int) -> Iterator[Access]:
    """Some channels of a pixel at a time [arm_depthwise_conv_3x3_s8.c, arm_avgpool_s8.c, esp_nn_depthwise_conv_opt]"""
    for place, pixel in enumerate(g.pixels()):
        for channel in range(0, g.channels, at_once):
            count = min(at_once, g.channels - channel)
            for tap in g.taps(*pixel):
                yield read(tap * g.channels + channel, count, g.size)
            yield write(place * g.channels + channel, count, g.size)


def max_in_output(g: Geometry) -> Iterator[Access]:
    """[arm_max_pool_s8.c]: the first tap is copied to the output, the others are compared with what is there."""
    for place, pixel in enumerate(g.pixels()):
        for number, tap in enumerate(g.taps(*pixel)):
            for channel in range(0, g.channels, 4):
                count = min(4, g.channels - channel)
                if number == 0:
                    yield from copied_upwards(tap * g.channels + channel, place * g.channels + channel, count)
                else:
                    yield read(tap * g.channels + channel, count)
                    yield write(place * g.channels + channel, count)


def columns(g: Geometry, at_once: int) -> Iterator[Access]:
    """[arm_convolve_s8.c; with one column arm_depthwise_conv_s8_opt.c]"""
    waiting = []
    for place, pixel in enumerate(g.pixels()):
        for tap in g.taps(*pixel):
            yield read(tap * g.channels, g.channels)
        waiting.append(place)
        if len(waiting) == at_once:
            yield write(waiting[0] * g.outputs, at_once * g.outputs)
            waiting.clear()
    if waiting:
        yield write(waiting[0] * g.outputs, len(waiting) * g.outputs)


def blocks_of_channels(g: Geometry, block: int) -> Iterator[Access]:
    """[arm_depthwise_conv_s8_opt.c, ARM_MATH_MVEI]"""
    for first in range(0, g.channels, block):
        active = min(block, g.channels - first)
        waiting = []
        for place, pixel in enumerate(g.pixels()):
            for tap in g.taps(*pixel):
                yield read(tap * g.channels + first, active)
            waiting.append(place)
            if len(waiting) == 4:
                yield from (write(each * g.channels + first, active) for each in waiting)
                waiting.clear()
        yield from (write(each * g.channels + first, active) for each in waiting)


def matrix(start: int, out: int, rows: int, step: int, depth: int, outputs: int, mve: bool) -> Iterator[Access]:
    """[arm_nn_mat_mult_nt_t_s8.c] `step` bytes are from one row of the input to the next."""
    if mve:
        row = 0
        while row <= rows - 4:
            for channel in range(outputs):
                yield from (read(start + (row + each) * step, depth) for each in range(4))
                yield from (write(out + (row + each) * outputs + channel) for each in range(4))
            row += 4
        for left in range(row, rows):
            for channel in range(outputs):
                yield read(start + left * step, depth)
                if channel % 4 == 3:
                    yield write(out + left * outputs + channel - 3, 4)
            if outputs % 4:
                yield write(out + left * outputs + outputs - outputs % 4, outputs % 4)
        return
    for channel in range(0, outputs - 1, 2):
        for row in range(0, rows - 1, 2):
            yield read(start + row * step, depth)
            yield read(start + (row + 1) * step, depth)
            yield write(out + row * outputs + channel, 2)
            yield write(out + (row + 1) * outputs + channel, 2)
        if rows % 2:
            yield read(start + (rows - 1) * step, depth)
            yield write(out + (rows - 1) * outputs + channel, 2)
    if outputs % 2:
        for row in range(rows):
            yield read(start + row * step, depth)
            yield write(out + row * outputs + outputs - 1)


def conv_1x1(g: Geometry, mve: bool) -> Iterator[Access]:
    """[arm_convolve_1x1_s8_fast.c, arm_convolve_1x1_s8.c]"""
    rows, columns = g.output
    if g.stride == (1, 1):
        yield from matrix(0, 0, rows * columns, g.channels, g.channels, g.outputs, mve)
        return
    for y in range(rows):
        start = y * g.stride[0] * g.width * g.channels
        step = g.channels * g.stride[1]
        yield from matrix(start, y * columns * g.outputs, columns, step, g.channels, g.outputs, mve)


def fully_connected(batches: int, depth: int, outputs: int, at_once: int, size: int = 1) -> Iterator[Access]:
    """[reference/fully_connected.h; arm_nn_vec_mat_mult_t_s8.c]: what is left over is made one by one."""
    for batch in range(batches):
        first = 0
        while first < outputs:
            count = at_once if first + at_once <= outputs else 1
            yield read(batch * depth, depth, size)
            yield write(batch * outputs + first, count, size)
            first += count


def elementwise(count: int, x_size: int, y_size: int) -> Iterator[Access]:
    """One value after the other."""
    for i in range(count):
        yield read(i, 1, x_size)
        yield write(i, 1, y_size)


def in_blocks(count: int, at_once: int) -> Iterator[Access]:
    """[arm_maximum_s8.c] So many values at a time."""
    for first in range(0, count, at_once):
        yield read(first, min(at_once, count - first))
        yield write(first, min(at_once, count - first))


def softmax(rows: int, depth: int, x_size: int, y_size: int) -> Iterator[Access]:
    """[reference/softmax.h; arm_nn_softmax_common_s8.c]: each row for its largest, for the sum, and for the result."""
    for row in range(rows):
        yield read(row * depth, depth, x_size)
        yield read(row * depth, depth, x_size)
        for i in range(row * depth, (row + 1) * depth):
            yield read(i, 1, x_size)
            yield write(i, 1, y_size)


def pad(shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...], size: int) -> Iterator[Access]:
    """[reference/pad.h: PadImpl] for four dimensions."""
    outputs = [a + n + b for a, n, b in zip(before, shape, after, strict=True)]
    source = target = 0
    for b in range(outputs[0]):
        for y in range(outputs[1]):
            for x in range(outputs[2]):
                for c in range(outputs[3]):
                    index = (b, y, x, c)
                    if all(a <= i < a + n for i, a, n in zip(index, before, shape, strict=True)):
                        yield read(source, 1, size)
                        source += 1
                    yield write(target, 1, size)
                    target += 1


def stretched(g: Geometry, at_once: int) -> Iterator[Access]:
    """[arm_transpose_conv_wrapper_s8.c, arm_convolve_s8.c] `g` is of the forward convolution, from output to input."""
    rows, columns = g.height, g.width  # of the transposed convolution's output
    x_rows, x_columns = g.output
    top, left = g.filter_height - 1 - g.axis(0)[1], g.filter_width - 1 - g.axis(1)[1]
    waiting = []
    for y in range(rows):
        for x in range(columns):
            for tap_y in range(g.filter_height):
                for tap_x in range(g.filter_width):
                    row, column = y - top + tap_y, x - left + tap_x
                    inside = 0 <= row < x_rows * g.stride[0] and 0 <= column < x_columns * g.stride[1]
                    if inside and row % g.stride[0] == 0 and column % g.stride[1] == 0:
                        pixel = row // g.stride[0] * x_columns + column // g.stride[1]
                        yield read(pixel * g.outputs, g.outputs)
            waiting.append(y * columns + x)
            if len(waiting) == at_once:
                yield write(waiting[0] * g.channels, at_once * g.channels)
                waiting.clear()
    if waiting:
        yield write(waiting[0] * g.channels, len(waiting) * g.channels)


def scattered(g: Geometry) -> Iterator[Access]:
    """[arm_transpose_conv_s8.c] `g` is of the forward convolution, from output to input."""
    x_rows, x_columns = g.output
    top, row_bytes = g.axis(0)[1], g.width * g.channels
    written = 0  # bytes
    for row in range(x_rows):
        yield read(row * x_columns * g.outputs, x_columns * g.outputs)
        if max(0, top - row * g.stride[0]) == 0:
            yield write(written, g.stride[0] * row_bytes)
            written += g.stride[0] * row_bytes
    for y in range(g.filter_height - g.stride[0]):
        if top <= x_rows * g.stride[0] + y < top + g.height:
            yield write(written, row_bytes)
            written += row_bytes


def concatenation(outer: int, sizes: list[int], position: int, size: int) -> Iterator[Access]:
    """[reference/concatenation.h] The input at a position; of the others there are only the writes."""
    target = 0
    for k in range(outer):
        for i, count in enumerate(sizes):
            yield Access("copy", k * count, count, size, target) if i == position else write(target, count, size)
            target += count


def pack(outer: int, count: int, copied: int, position: int, size: int) -> Iterator[Access]:
    """[pack.cc: PackImpl]"""
    for i in range(count):
        for k in range(outer):
            for j in range(copied):
                if i == position:
                    yield read(k * copied + j, 1, size)
                yield write((k * count + i) * copied + j, 1, size)


def split(outer: int, sizes: list[int], output: int, size: int) -> Iterator[Access]:
    """[split.cc, split_v.cc: SplitImpl] All of the input; of the outputs the one at a position."""
    source = 0
    for k in range(outer):
        for i, count in enumerate(sizes):
            for j in range(count):
                yield read(source, 1, size)
                source += 1
                if i == output:
                    yield write(k * count + j, 1, size)


def unpack(outer: int, count: int, copied: int, output: int, size: int) -> Iterator[Access]:
    """[unpack.cc: UnpackImpl]"""
    for i in range(count):
        for k in range(outer):
            for j in range(copied):
                yield read((k * count + i) * copied + j, 1, size)
                if i == output:
                    yield write(k * copied + j, 1, size)


def rows_copied(starts: list[int], length: int, size: int) -> Iterator[Access]:
    """A memcpy of `length` elements from each of these places, to one place of the output after the other."""
    for row, start in enumerate(starts):
        yield Access("copy", start, length, size, row * length)


def picked(places: list[int], size: int) -> Iterator[Access]:
    """One value after the other from these places."""
    for target, place in enumerate(places):
        yield read(place, 1, size)
        yield write(target, 1, size)
