"""SVDF of integers: a unit, from what its filters make of the input, and from what they remember."""

from __future__ import annotations

from refinfer.explanation.convolution import accumulated
from refinfer.explanation.rounding import as_fixed_point, finished, limits_of, real_multiplier, scaled_twice
from refinfer.explanation.site import LIMITS, Site, place
from refinfer.explanation.steps import Lesson, Result, Step, products, summed, under
from refinfer.kernels import svdf
from refinfer.kernels.common import first_scale
from refinfer.schema.enums import ActivationFunctionType


def unit_of_filters(site: Site) -> Lesson[Result]:
    """y[b, u] = requantize(bias[u] + sum over the filters f of u and the times m of state[b, f, m] * time[f, m])"""
    p = svdf.params_of(site.node)
    batch, unit = site.element
    filters = range(unit * p.rank, (unit + 1) * p.rank)
    time, bias = site.array(svdf.TIME), site.optional(svdf.BIAS)
    length = time.shape[1]
    newest = []
    for each in filters:
        newest.append((yield from under(f"filter {each}", newest_of(site, p, batch, each))))
    before = site.array(svdf.STATE).reshape(-1, *time.shape)[batch]
    memory = [[int(value) for value in before[each, 1:]] + [newest[i]] for i, each in enumerate(filters)]
    terms = [
        (
            f"memory of filter {each}, {length - 1 - m} before * {place('time', (each, m))}",
            numbers[m],
            int(time[each, m]),
        )
        for each, numbers in zip(filters, memory, strict=True)
        for m in reversed(range(length))
    ]
    total = summed("sum over time", products(terms, p.state_zero_point, 0), f"of {len(terms)} products")
    yield total
    exact, acc = yield from accumulated(int(total.value), None if bias is None else int(bias[unit]), True)
    scales = site.scale(svdf.STATE), site.scale(svdf.TIME)
    scaled = yield from to_scale(acc, *scales, first_scale(site.output))
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    y = yield from finished(scaled, p.output_zero_point, -128, 127, why)
    return Result(y, f"{scales[0]!r} * {scales[1]!r} * {exact}", scales[0] * scales[1] * exact)


def newest_of(site: Site, p: svdf.Params, batch: int, number: int) -> Lesson[int]:
    """What a filter makes of the input, as its memory holds it."""
    x, weights = site.array(svdf.INPUT), site.array(svdf.FEATURE)
    terms = [
        (f"{place('x', (batch, d))} * {place('feature', (number, d))}", int(x[batch, d]), int(weights[number, d]))
        for d in range(x.shape[1])
    ]
    total = summed("sum", products(terms, p.input_zero_point, 0), f"of {len(terms)} products")
    yield total
    _, acc = yield from accumulated(int(total.value), None, True)
    state = site.tensor(svdf.STATE)
    scaled = yield from to_scale(acc, site.scale(svdf.INPUT), site.scale(svdf.FEATURE), first_scale(state))
    low, high = LIMITS[state.type]
    limited = min(max(scaled, low), high)
    yield Step(
        "limited", f"min(max({scaled}, {low}), {high})", limited, f"what the memory, {state.type.name}, can hold"
    )
    newest = limited + p.state_zero_point
    if p.state_zero_point:
        yield Step("zero point added", f"{limited} + {p.state_zero_point}", newest)
    return newest


def to_scale(acc: int, first: float, second: float, output: float) -> Lesson[int]:
    """From the scale of products to that of what holds their sum; the scales are multiplied in float."""
    real = svdf.ratio_of(first, second, output)
    yield real_multiplier(real, first, second, output)
    return (yield from scaled_twice(acc, *(yield from as_fixed_point(real))))
