"""RESIZE_BILINEAR of integers, and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from refinfer.explanation.arithmetic import float32, round_away
from refinfer.explanation.movement import taken
from refinfer.explanation.site import Index, Site, flat, place, unflat
from refinfer.explanation.steps import Lesson, Result, Step, Term, summed, under
from refinfer.kernels.common import options_of
from refinfer.kernels.compute import Shape
from refinfer.kernels.resize import UNIT
from refinfer.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions


class Between(NamedTuple):
    """Where a cell of the output lies: between two cells of the input, `offset` thousand-and-twenty-fourths on."""

    low: int
    high: int
    offset: int


def bilinear(site: Site) -> Lesson[Result]:
    """y = the four cells around, each times how near it is in both directions"""
    options, x = options_of(site.node, ResizeBilinearOptions), site.array(0)
    batch, row, column, channel = site.element
    rows = yield from under("row", between(row, x.shape[1], site.shape[1], options))
    columns = yield from under("column", between(column, x.shape[2], site.shape[2], options))
    terms = []
    for y, dy in ((rows.low, UNIT - rows.offset), (rows.high, rows.offset)):
        for c, dx in ((columns.low, UNIT - columns.offset), (columns.high, columns.offset)):
            index = cell((batch, y, c, channel), x.shape)
            q = int(x[index])
            terms.append(Term(place("x", index), f"{q} * {dy} * {dx}", q * dy * dx))
    total = summed("sum", terms, "of the four cells, in units of 2**-20")
    yield total
    value, half = int(total.value), UNIT * UNIT // 2
    y = (abs(value) + half) // (UNIT * UNIT) * (1 if value >= 0 else -1)
    formula = f"(abs({value}) + 2**19) // 2**20"
    yield Step(
        "rounded",
        formula if value >= 0 else f"-({formula})",
        y,
        "ties go away from zero; zero point and scale are those of the input",
        (f"decimal {value / 2**20!r} -> {y}",),
    )
    scale, zero_point = site.scale(0), site.zero_point(0)
    return Result(y, f"{scale!r} * ({value} / 2**20 - {zero_point})", scale * (value / 2**20 - zero_point))


def between(i: int, size: int, output_size: int, options: ResizeBilinearOptions) -> Lesson[Between]:
    """The two cells around position i * scale, in units of 2**-10."""
    align = options.align_corners and output_size > 1
    cells, steps = (size - 1, output_size - 1) if align else (size, output_size)
    scale = (UNIT * cells + steps // 2) // steps
    yield Step("scale", f"({UNIT} * {cells} + {steps} // 2) // {steps}", scale, "cells of the input a step, in 1024ths")
    position, formula = i * scale, f"{i} * {scale}"
    if options.half_pixel_centers:
        position += scale // 2 - UNIT // 2
        formula += f" + {scale} // 2 - {UNIT // 2}"
    yield Step("position", formula, position, "in 1024ths of a cell")
    low, high = max(position // UNIT, 0), min((position + UNIT - 1) // UNIT, size - 1)
    yield Step("cell before", f"max({position} // {UNIT}, 0)", low)
    yield Step("cell after", f"min(({position} + {UNIT - 1}) // {UNIT}, {size - 1})", high)
    yield Step("distance", f"{position} - {UNIT} * {low}", position - UNIT * low, "from the cell before, in 1024ths")
    return Between(low, high, position - UNIT * low)


def cell(index: Index, shape: Shape) -> Index:
    """As in memory, what lies beyond a row is the next row; beyond the last image, its last cell is taken."""
    batch, row, column, channel = index
    batches, height, width, channels = shape
    number = min((batch * height + row) * width + column, batches * height * width - 1)
    return unflat(flat((number, channel), (batches * height * width, channels)), shape)


def nearest(site: Site) -> Lesson[Result]:
    """y = a cell of the input"""
    options, x = options_of(site.node, ResizeNearestNeighborOptions), site.array(0)
    batch, row, column, channel = site.element
    y = yield from under("row", nearest_to(row, x.shape[1], site.shape[1], options))
    c = yield from under("column", nearest_to(column, x.shape[2], site.shape[2], options))
    return (yield from taken(site, 0, cell((batch, y, c, channel), x.shape)))


def nearest_to(i: int, size: int, output_size: int, options: ResizeNearestNeighborOptions) -> Lesson[int]:
    """floor(i * scale) or floor((i + 0.5) * scale), in floats, or rounded."""
    align = int(options.align_corners and output_size > 1)
    cells, steps = size - align, max(1, output_size - align)
    scale = float32(cells / steps)
    yield Step("scale", f"float32({cells} / {steps})", scale, "cells of the input a step")
    start = i + 0.5 * options.half_pixel_centers
    position = float32(start * scale)
    yield Step("position", f"float32({start!r} * {scale!r})", position)
    rounding, whole = ("round_away", round_away(position)) if options.align_corners else ("floor", floor(position))
    found = min(int(whole), size - 1)
    yield Step("cell", f"min(int({rounding}({position!r})), {size - 1})", found)
    return found
