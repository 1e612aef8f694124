"""AVERAGE_POOL_2D and MAX_POOL_2D of integers."""

from __future__ import annotations

from refinfer.explanation.convolution import Under, gathered
from refinfer.explanation.rounding import activated, limits_of
from refinfer.explanation.site import LIMITS, Index, Site, place
from refinfer.explanation.steps import FEW, Lesson, Result, Step, Term, summed
from refinfer.kernels.common import options_of
from refinfer.kernels.quantization import activation_range
from refinfer.kernels.window import windows
from refinfer.schema.options import Pool2DOptions


def window_of(site: Site) -> tuple[Under, list[tuple[Index, int]]]:
    """The window, and the numbers in it with their places."""
    pool, x = options_of(site.node, Pool2DOptions), site.array(0)
    batch, row, column, channel = site.element
    rows = gathered(windows(pool.padding, x.shape[1], pool.filter_height, pool.stride_h), row)
    columns = gathered(windows(pool.padding, x.shape[2], pool.filter_width, pool.stride_w), column)
    under = Under(rows, columns, batch, range(channel, channel + 1))
    indices = [(batch, y, c, channel) for _, y in rows.inside for _, c in columns.inside]
    return under, [(index, int(x[index])) for index in indices]


def averaged(site: Site) -> Lesson[Result]:
    """y = (sum of the cells inside the image) / (their number), ties away from zero"""
    under, cells = window_of(site)
    yield under.step(site.array(0))
    total = summed("sum", [Term(place("x", index), str(q), q) for index, q in cells])
    yield total
    count, sum_of_all = len(cells), int(total.value)
    mean = (abs(sum_of_all) + count // 2) // count * (1 if sum_of_all >= 0 else -1)
    formula = f"({abs(sum_of_all)} + {count} // 2) // {count}"
    yield Step(
        "mean",
        formula if sum_of_all >= 0 else f"-({formula})",
        mean,
        "only cells inside the image count; ties go away from zero. input and output share their zero point",
        (f"decimal {sum_of_all / count!r} -> {mean}",),
    )
    y = yield from limited(site, mean)
    scale, zero_point = site.scale(0), site.zero_point(0)
    activation = options_of(site.node, Pool2DOptions).fused_activation_function
    exact = f"{scale!r} * ({sum_of_all} / {count} - {zero_point})"
    return Result(y, *activated(exact, scale * (sum_of_all / count - zero_point), activation))


def largest(site: Site) -> Lesson[Result]:
    """y = the largest of the cells inside the image"""
    under, cells = window_of(site)
    yield under.step(site.array(0))
    start, rest = LIMITS[site.tensor(0).type][0], [q for _, q in cells[FEW:]]
    shown = [q for _, q in cells[:FEW]] + ([max(rest)] if rest else [])
    lines = [f"{place('x', index)} is {q}" for index, q in cells[:FEW]]
    if rest:
        lines.append(f"... {len(rest)} more, of which the largest is {max(rest)}")
    found = max([start, *shown])
    formula = f"max({[start, *shown]})"
    yield Step("largest", formula, found, "there is nothing to round: input and output share their scale", tuple(lines))
    y = yield from limited(site, found)
    scale, zero_point = site.scale(0), site.zero_point(0)
    activation = options_of(site.node, Pool2DOptions).fused_activation_function
    return Result(y, *activated(f"{scale!r} * ({found} - {zero_point})", scale * (found - zero_point), activation))


def limited(site: Site, value: int) -> Lesson[int]:
    """Under the fused activation."""
    activation = options_of(site.node, Pool2DOptions).fused_activation_function
    low, high = activation_range(site.output, activation)
    y = min(max(value, low), high)
    yield Step("limited", f"min(max({value}, {low}), {high})", y, limits_of(activation, site.output.type))
    return y
