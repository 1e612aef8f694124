"""SOFTMAX of 8 bits."""

from __future__ import annotations

from math import exp

from refinfer.explanation.arithmetic import (
    divide_by_power_of_two,
    exp_on_negative_values,
    multiply,
    one_over_one_plus_x,
)
from refinfer.explanation.rounding import as_fixed_point, divided_by_power_of_two, scaled_twice
from refinfer.explanation.site import LIMITS, Site, place
from refinfer.explanation.steps import Lesson, Result, Step, Term, summed
from refinfer.kernels.common import options_of
from refinfer.kernels.softmax import (
    INPUT_FRACTION_BITS,
    INTEGER_BITS,
    SUM_INTEGER_BITS,
    exponentials,
    input_multiplier,
)
from refinfer.schema.options import SoftmaxOptions

Q31 = 2**31  # what stands for 1 in Q0


def softmax(site: Site) -> Lesson[Result]:
    """y = exp(beta * (x - max)) / sum of the same of the whole row, in fixed point"""
    x, beta = site.array(0), options_of(site.node, SoftmaxOptions).beta
    row = [int(q) for q in x[site.element[:-1]]]
    most = max(row)
    q = row[site.element[-1]]
    yield Step("largest of the row", f"max({sorted(row)[-3:]})", most, f"of {len(row)} numbers")
    yield Step("difference", f"{q} - {most}", q - most, "zero points cancel; exp of it is at most 1")
    real = min(beta * site.scale(0) * 2.0**INPUT_FRACTION_BITS, 2.0**31 - 1)
    yield Step(
        "real multiplier",
        f"min({beta!r} * {site.scale(0)!r} * 2.0**{INPUT_FRACTION_BITS}, 2.0**31 - 1)",
        real,
        f"beta * scale, to numbers with {INTEGER_BITS} bits before the point and {INPUT_FRACTION_BITS} behind it",
    )
    multiplier, shift = yield from as_fixed_point(real)
    least = exponentials(*input_multiplier(site.tensor(0), beta)).least
    e = yield from exponential(q - most, multiplier, shift, least)
    total = yield from total_of(row, most, multiplier, shift, least, site)
    headroom = 32 - total.bit_length()
    yield Step("free bits above the sum", f"32 - ({total}).bit_length()", headroom)
    fraction = (total << headroom) - 2**31
    yield Step(
        "sum as 1 + fraction", f"({total} << {headroom}) - 2**31", fraction, "in Q0, of a sum moved to between 1 and 2"
    )
    reciprocal = one_over_one_plus_x(fraction)
    yield Step(
        "1 / (1 + fraction)",
        f"one_over_one_plus_x({fraction})",
        reciprocal,
        f"three of Newton's steps; it stands for {reciprocal / Q31:.9f}, and 1 / {1 + fraction / Q31:.9f} is "
        f"{1 / (1 + fraction / Q31):.9f}",
    )
    product = multiply(reciprocal, e)
    yield Step("quotient", f"multiply({reciprocal}, {e})", product, "SaturatingRoundingDoublingHighMul: ties go up")
    low, high = LIMITS[site.output.type]
    exponent = SUM_INTEGER_BITS - headroom + 31 - (high - low).bit_length()
    steps = yield from divided_by_power_of_two(product, exponent, "quotient in output steps")
    yield Step(
        "from the zero point", f"{steps} + {low}", steps + low, "the output's zero point is fixed, as its scale is"
    )
    y = min(max(steps + low, low), high)
    yield Step("limited", f"min(max({steps + low}, {low}), {high})", y)
    factor = beta * site.scale(0)
    weights = sum(exp(factor * (each - most)) for each in row)
    return Result(y, f"exp({factor!r} * {q - most}) / {weights!r}", exp(factor * (q - most)) / weights)


def exponential(difference: int, multiplier: int, shift: int, least: int) -> Lesson[int]:
    """exp of a scaled difference, in Q0."""
    if difference < least:
        yield Step("exp", "0", 0, f"below {least} it does not fit the fixed point, and counts as 0")
        return 0
    scaled = yield from scaled_twice(difference, multiplier, shift)
    e = exp_on_negative_values(scaled, INTEGER_BITS)
    real = scaled / 2**INPUT_FRACTION_BITS
    yield Step(
        "exp",
        f"exp_on_negative_values({scaled}, {INTEGER_BITS})",
        e,
        f"in Q0: it stands for {e / Q31:.9f}, and exp({real:.9f}) is {exp(real):.9f}",
    )
    return e


def total_of(row: list[int], most: int, multiplier: int, shift: int, least: int, site: Site) -> Lesson[int]:
    """The sum of the exponentials of the row, with 12 bits before the point."""
    known: dict[int, int] = {}
    for q in set(row):
        *_, last = exponential(q - most, multiplier, shift, least)
        known[q] = divide_by_power_of_two(int(last.value), SUM_INTEGER_BITS)
    terms = [
        Term(place("x", (*site.element[:-1], i)), f"exp of {q} - {most}, / 2**12", known[q]) for i, q in enumerate(row)
    ]
    total = summed("sum of exponentials", terms, f"each rounded to {31 - SUM_INTEGER_BITS} bits behind the point")
    yield total
    wrapped = int(total.value) % 2**32
    if wrapped != total.value:
        yield Step("sum of 32 bits", f"{total.value} % 2**32", wrapped)
    return wrapped
