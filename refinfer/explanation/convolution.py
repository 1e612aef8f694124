"""CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV of integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refinfer.explanation.arithmetic import wrap_int32
from refinfer.explanation.rounding import activated, finished, limits_of, requantized
from refinfer.explanation.site import Index, Site, place
from refinfer.explanation.steps import Lesson, Result, Step, products, summed
from refinfer.kernels import conv, convolution, transpose_conv
from refinfer.kernels.arithmetic.fixedpoint import wrap_int32 as wrapping
from refinfer.kernels.common import first_scale, options_of
from refinfer.kernels.convolution import Operands
from refinfer.kernels.window import Windows
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUT, FILTER, BIAS = 0, 1, 2
DRAWN = 9  # columns and rows of a window that is shown as a picture, at most


TapOf = Callable[[int, int, int], Index]
"""From a tap's row and column and a channel of the image to the index of a number of the filter."""


class Seen(NamedTuple):
    """The taps of a filter along one axis: on which pixel each falls, None for one that falls outside."""

    pixels: Sequence[int | None]
    size: int

    @property
    def inside(self) -> list[tuple[int, int]]:
        """Taps with their pixels."""
        return [(tap, pixel) for tap, pixel in enumerate(self.pixels) if pixel is not None]

    def describe(self, what: str) -> str:
        """``rows 2 to 4 of 16``"""
        pixels = [pixel for _, pixel in self.inside]
        if not pixels:
            return f"no {what} of {self.size}"
        first, last = pixels[0], pixels[-1]
        span = str(first) if first == last else f"{first} to {last}"
        step = abs(pixels[1] - pixels[0]) if len(pixels) > 1 else 1
        return f"{what} {span}{f' in steps of {step}' if step > 1 else ''} of {self.size}"


def gathered(axis: Windows, at: int) -> Seen:
    """The pixels under a window."""
    found = [at * axis.stride + tap * axis.dilation - axis.before for tap in range(axis.length)]
    return Seen([pixel if 0 <= pixel < axis.size else None for pixel in found], axis.size)


def scattered(axis: Windows, at: int, size: int) -> Seen:
    """The pixels of an input of `size` whose windows reach over a cell of the output."""
    found = [divmod(at + axis.before - tap, axis.stride) for tap in range(axis.length)]
    return Seen([pixel if rest == 0 and 0 <= pixel < size else None for pixel, rest in found], size)


def conv_2d(site: Site) -> Lesson[Result]:
    """Each filter sees all channels of the image, or those of its group."""
    options = options_of(site.node, Conv2DOptions)
    operands = conv.conv_operands(site.node, site.host)
    x, filters = site.array(INPUT), site.array(FILTER)
    batch, row, column, channel = site.element
    rows, columns = conv.window_grid(options, x.shape, filters.shape, site.shape)
    depth = filters.shape[3]
    first = channel // (len(filters) * depth // x.shape[3]) * depth
    under = Under(gathered(rows, row), gathered(columns, column), batch, range(first, first + depth))
    terms = under.terms(x, filters, lambda fy, fx, c: (channel, fy, fx, c - first))
    return (yield from convolved(site, operands, under, terms, x))


def depthwise_conv_2d(site: Site) -> Lesson[Result]:
    """Each filter sees one channel."""
    options = options_of(site.node, DepthwiseConv2DOptions)
    operands = conv.depthwise_operands(site.node, site.host)
    x, filters = site.array(INPUT), site.array(FILTER)
    batch, row, column, channel = site.element
    rows, columns = conv.window_grid(options, x.shape, filters.shape, site.shape)
    own = channel // (filters.shape[3] // x.shape[3])
    under = Under(gathered(rows, row), gathered(columns, column), batch, range(own, own + 1))
    terms = under.terms(x, filters, lambda fy, fx, c: (0, fy, fx, channel))
    return (yield from convolved(site, operands, under, terms, x))


def transposed_conv(site: Site) -> Lesson[Result]:
    """Each pixel of the input adds its products to a window of the output: which of those reach this element?"""
    options = options_of(site.node, TransposeConvOptions)
    x, filters = site.array(transpose_conv.INPUT), site.array(transpose_conv.FILTER)
    batch, row, column, channel = site.element
    rows, columns = transpose_conv.window_grid(options, site.shape, filters.shape)
    seen = scattered(rows, row, x.shape[1]), scattered(columns, column, x.shape[2])
    under = Under(*seen, batch, range(x.shape[3]))
    terms = under.terms(x, filters, lambda fy, fx, c: (channel, fy, fx, c))
    return (yield from convolved(site, transpose_conv.operands(site.node, site.host), under, terms, x))


class Under(NamedTuple):
    """What lies under a window: rows, columns and channels of an image."""

    rows: Seen
    columns: Seen
    batch: int
    channels: range

    def terms(self, x: Array, filters: Array, tap_of: TapOf) -> list[tuple[str, int, int]]:
        """Where a number of the image meets one of the filter, and both."""
        return [
            (f"{place('x', pixel)} * {place('w', tap)}", int(x[pixel]), int(filters[tap]))
            for pixel, tap in self._meetings(tap_of)
        ]

    def _meetings(self, tap_of: TapOf) -> Iterator[tuple[Index, Index]]:
        for fy, y in self.rows.inside:
            for fx, x in self.columns.inside:
                for c in self.channels:
                    yield (self.batch, y, x, c), tap_of(fy, fx, c)

    def step(self, x: Array) -> Step:
        """How many numbers that is, with a picture of the first channel."""
        taps = len(self.rows.pixels) * len(self.columns.pixels)
        inside = len(self.rows.inside) * len(self.columns.inside)
        note = f"{self.rows.describe('rows')}, {self.columns.describe('columns')}"
        if inside < taps:
            note += f"; {taps - inside} of {taps} taps fall on no pixel, and add nothing"
        formula = f"{len(self.rows.inside)} * {len(self.columns.inside)} * {len(self.channels)}"
        return Step("window", formula, inside * len(self.channels), note, tuple(self._picture(x)))

    def _picture(self, x: Array) -> Iterator[str]:
        if max(len(self.rows.pixels), len(self.columns.pixels)) > DRAWN or len(self.channels) == 0:
            return
        yield f"as stored, channel {self.channels[0]}:"
        for y in self.rows.pixels:
            cells = [
                "." if y is None or column is None else str(x[self.batch, y, column, self.channels[0]])
                for column in self.columns.pixels
            ]
            yield " ".join(f"{cell:>6}" for cell in cells)


def convolved(
    site: Site, operands: Operands, under: Under, terms: Sequence[tuple[str, int, int]], x: Array
) -> Lesson[Result]:
    """y = clamp(requantize(bias + sum of (x - zero point) * filter) + zero point)"""
    params = convolution.PARAMS[operands.x.type, operands.weights.type](operands)
    channel = site.element[3]
    yield under.step(x)
    total = summed("sum", products(terms, -params.input_offset, -params.filter_offset), "of the products")
    yield total
    bias = bias_of(site, operands, channel)
    exact, acc = yield from accumulated(int(total.value), bias, params.keep is wrapping)
    x_scale, scale = first_scale(operands.x), scale_of_channel(convolution.filter_scales(operands), channel)
    scales = x_scale, scale, first_scale(operands.y)
    scaled = yield from requantized(acc, params.requantize, channel, scales, site.shape[3])
    why = limits_of(operands.activation, operands.y.type)
    y = yield from finished(scaled, params.output_offset, params.low, params.high, why)
    formula = f"{x_scale!r} * {scale!r} * {exact}"
    return Result(y, *activated(formula, x_scale * scale * exact, operands.activation))


def accumulated(total: int, bias: int | None, in_32_bits: bool) -> Lesson[tuple[int, int]]:
    """The sum with its bias, and what the accumulator holds of it."""
    exact = total
    if bias is not None:
        exact += bias
        yield Step("accumulator", f"{total} + {bias}", exact, "the sum and the bias of the channel")
    if in_32_bits and wrap_int32(exact) != exact:
        yield Step("accumulator of 32 bits", f"wrap_int32({exact})", wrap_int32(exact))
        return exact, wrap_int32(exact)
    return exact, exact


def bias_of(site: Site, operands: Operands, channel: int) -> int | None:
    """The bias of a channel, if there is one."""
    if operands.bias is None:
        return None
    return int(site.array(site.node.inputs.index(operands.bias)).reshape(-1)[channel])


def scale_of_channel(scales: Sequence[float], channel: int) -> float:
    """That of the channel, or the one for all."""
    return scales[channel if len(scales) > 1 else 0]
