"""ADD, SUB and MUL of 8 bits and of 16."""

from __future__ import annotations

from refinfer.explanation.arithmetic import wrap_int32
from refinfer.explanation.rounding import (
    activated,
    as_fixed_point,
    finished,
    limits_of,
    real_multiplier,
    scaled_twice,
)
from refinfer.explanation.site import Site, place, stretched
from refinfer.explanation.steps import Lesson, Result, Step, under
from refinfer.kernels import add, mul
from refinfer.kernels.binary import activation_of, three_tensors
from refinfer.kernels.common import first_scale, is_affine
from refinfer.schema.graph import Node


def has_any_scales(node: Node) -> bool:
    """Whether the tensors are quantized, and not with powers of two that the options allow to take for shifts."""
    tensors = three_tensors(node)
    return all(map(is_affine, tensors)) and add.powers_of_two(node, tensors) is None


def is_quantized(node: Node) -> bool:
    """Whether the output is."""
    return is_affine(node.outputs[0])


def added(site: Site) -> Lesson[Result]:
    """y = a + b"""
    return (yield from combined(site, "+", 1))


def subtracted(site: Site) -> Lesson[Result]:
    """y = a - b"""
    return (yield from combined(site, "-", -1))


def combined(site: Site, sign: str, factor: int) -> Lesson[Result]:
    """Both are brought to twice the larger scale, with some bits below the point, and their sum to the output's."""
    p = add.sum_params(site.node)
    a, b = site.scale(0), site.scale(1)
    twice = 2 * max(a, b)
    yield Step("common scale", f"2 * max({a!r}, {b!r})", twice, "what both inputs are brought to, so that none is lost")
    left_shift = p.first.left_shift
    first = yield from under("a", brought(site, 0, twice, left_shift))
    second = yield from under("b", brought(site, 1, twice, left_shift))
    total = first + factor * second
    yield Step("sum" if factor > 0 else "difference", f"{first} {sign} {second}", total)
    if wrap_int32(total) != total:
        yield Step("sum of 32 bits", f"wrap_int32({total})", wrap_int32(total))
        total = wrap_int32(total)
    y_scale = first_scale(site.output)
    real = twice / (2**left_shift * y_scale)
    yield Step(
        "real multiplier", f"{twice!r} / (2**{left_shift} * {y_scale!r})", real, "from there to the output's scale"
    )
    scaled = yield from scaled_twice(total, *(yield from as_fixed_point(real)))
    activation = activation_of(site.node)
    y = yield from finished(scaled, p.offset, p.low, p.high, limits_of(activation, site.output.type))
    reals = [real_of(site, position) for position in (0, 1)]
    formula = f"{reals[0][0]} {sign} {reals[1][0]}"
    return Result(y, *activated(formula, reals[0][1] + factor * reals[1][1], activation))


def brought(site: Site, position: int, twice: float, left_shift: int) -> Lesson[int]:
    """An input on the common scale."""
    centred = yield from less_zero_point(site, position)
    shifted = wrap_int32(centred << left_shift)
    yield Step("bits below the point", f"{centred} << {left_shift}", shifted, f"{left_shift} bits, for what is to come")
    scale = site.scale(position)
    yield Step("real multiplier", f"{scale!r} / {twice!r}", scale / twice)
    return (yield from scaled_twice(shifted, *(yield from as_fixed_point(scale / twice))))


def less_zero_point(site: Site, position: int) -> Lesson[int]:
    """The number of an input that stands at the element, stretched if it must be."""
    index = stretched(site.element, site.array(position).shape)
    q, zero_point = site.number(position, index), site.zero_point(position)
    yield Step("less its zero point", f"{q} - {zero_point}", q - zero_point, f"{place('ab'[position], index)} is {q}")
    return q - zero_point


def real_of(site: Site, position: int) -> tuple[str, float]:
    """What that number stands for: a formula and its value."""
    q = site.number(position, stretched(site.element, site.array(position).shape))
    scale, zero_point = site.scale(position), site.zero_point(position)
    return f"{scale!r} * ({q} - {zero_point})", scale * (q - zero_point)


def multiplied(site: Site) -> Lesson[Result]:
    """y = a * b"""
    a, b, c = site.scale(0), site.scale(1), first_scale(site.output)
    real = site.host.numerics.product_multiplier(a, b, c)
    p = mul.mul_params(site.node, site.host)
    first = yield from under("a", less_zero_point(site, 0))
    second = yield from under("b", less_zero_point(site, 1))
    product = first * second
    yield Step("product", f"{first} * {second}", product)
    yield real_multiplier(real, a, b, c)
    scaled = yield from scaled_twice(product, *(yield from as_fixed_point(real)))
    activation = activation_of(site.node)
    y = yield from finished(scaled, p.output_offset, p.low, p.high, limits_of(activation, site.output.type))
    return Result(y, *activated(f"{a!r} * {b!r} * {product}", a * b * product, activation))
