"""MEAN and SUM of integers."""

from __future__ import annotations

from itertools import product

from refinfer.explanation.rounding import as_fixed_point, finished, limits_of, scaled_twice
from refinfer.explanation.site import LIMITS, Site, place
from refinfer.explanation.steps import Lesson, Result, Step, Term, summed
from refinfer.kernels import reduce
from refinfer.kernels.common import first_scale, options_of
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.options import ReducerOptions


def terms_of(site: Site, as_bytes: bool = False) -> list[Term]:
    """The numbers that are added up, each less the zero point; with `as_bytes` a negative one counts 256 more."""
    x, zero_point = site.array(0), site.zero_point(0)
    axes = reduce.resolved(site.array(1).reshape(-1).tolist(), x.ndim)
    keep = options_of(site.node, ReducerOptions).keep_dims
    kept = iter([at for axis, at in enumerate(site.element) if not keep or axis not in axes])
    ranges = [range(size) if axis in axes else (next(kept),) for axis, size in enumerate(x.shape)]
    found = []
    for index in product(*ranges):
        q = int(x[index]) & 0xFF if as_bytes else int(x[index])
        found.append(Term(place("x", index), f"{q} - {zero_point}", q - zero_point))
    return found


def mean(site: Site) -> Lesson[Result]:
    """y = scale(sum of (x - zero point)) + zero point, where the multiplier is divided by how many there are"""
    terms = terms_of(site)
    total = summed("sum", terms, f"of {len(terms)} numbers, each less the zero point")
    yield total
    p, count = reduce.rescaling_of(site.node), max(1, len(terms))
    real = yield from multiplier_of(site)
    multiplier, shift = yield from as_fixed_point(real)
    divided = reduce.divided(p, count)
    left = shift - divided.shift
    yield Step(
        "multiplier over the count",
        f"({multiplier} << {left}) // {count}",
        divided.multiplier,
        f"the mean's division by {count} is folded into the multiplier, with {left} bits more, and cut off",
    )
    yield Step("shift for it", f"{shift} - {left}", divided.shift)
    exact = f"{site.scale(0)!r} * {total.value} / {count}"
    y = yield from output(site, int(total.value), divided.multiplier, divided.shift, LIMITS[site.output.type])
    return Result(y, exact, site.scale(0) * total.value / count)


def total_of(site: Site) -> Lesson[Result]:
    """y = scale(sum of (x - zero point)) + zero point"""
    terms = terms_of(site)
    total = summed("sum", terms, f"of {len(terms)} numbers, each less the zero point")
    yield total
    multiplier, shift = yield from as_fixed_point((yield from multiplier_of(site)))
    y = yield from output(site, int(total.value), multiplier, shift, LIMITS[site.output.type])
    return Result(y, f"{site.scale(0)!r} * {total.value}", site.scale(0) * total.value)


def total_of_bytes(site: Site) -> Lesson[Result]:
    """The same, of int8 that is read and written as though it were uint8."""
    terms = terms_of(site, as_bytes=True)
    total = summed(
        "sum",
        terms,
        f"of {len(terms)} numbers, each less the zero point; LiteRT reads them as uint8: a defect",
    )
    yield total
    multiplier, shift = yield from as_fixed_point((yield from multiplier_of(site)))
    byte = yield from output(site, int(total.value), multiplier, shift, LIMITS[TensorType.UINT8])
    right = sum(term.value for term in terms_of(site))
    exact = f"{site.scale(0)!r} * {right}"
    if site.output.type == TensorType.UINT8:
        return Result(byte, exact, site.scale(0) * right)
    y = (byte + 128) % 256 - 128
    yield Step("the byte as int8", f"({byte} + 128) % 256 - 128", y)
    return Result(y, exact, site.scale(0) * right)


def multiplier_of(site: Site) -> Lesson[float]:
    """From the scale of the input to that of the output."""
    x, y = site.scale(0), first_scale(site.output)
    real = x / y
    yield Step("real multiplier", f"{x!r} / {y!r}", real, "in double")
    return real


def output(site: Site, total: int, multiplier: int, shift: int, limits: tuple[int, int]) -> Lesson[int]:
    """The sum on the scale of the output."""
    scaled = yield from scaled_twice(total, multiplier, shift)
    p = reduce.rescaling_of(site.node)
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    return (yield from finished(scaled, p.output_zero_point, *limits, why))
