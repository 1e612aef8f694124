"""Functions of one number, which the runtimes tabulate if it has 8 bits: LOGISTIC, TANH, HARD_SWISH and the RELUs."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isinf, isnan, tanh

from refinfer.explanation import arithmetic
from refinfer.explanation.arithmetic import (
    exp_on_negative_values,
    expf,
    float32,
    multiply,
    one_minus_x_over_one_plus_x,
    one_over_one_plus_x,
    round_away,
    saturate,
    sigmoid,
    tanhf,
    wrap_int32,
)
from refinfer.explanation.rounding import (
    as_fixed_point,
    divided_by_power_of_two,
    finished,
    limits_of,
    real_multiplier,
    scaled_twice,
)
from refinfer.explanation.site import LIMITS, Site, place, stretched
from refinfer.explanation.steps import Lesson, Result, Step
from refinfer.kernels.common import first_scale, first_zero_point, options_of
from refinfer.kernels.hard_swish import HardSwish, params_of_hard_swish
from refinfer.kernels.relu import quantized_limit
from refinfer.kernels.sigmoid import FIXED_INTEGER_BITS, fixed, table_multiplier
from refinfer.schema.enums import ActivationFunctionType
from refinfer.schema.options import LeakyReluOptions

FRACTION_BITS = 31 - FIXED_INTEGER_BITS


def less_zero_point(site: Site) -> Lesson[int]:
    """The input's number at the element."""
    q, zero_point = site.number(0, site.element), site.zero_point(0)
    yield Step("less its zero point", f"{q} - {zero_point}", q - zero_point, f"{place('x', site.element)} is {q}")
    return q - zero_point


def real_of(site: Site) -> tuple[str, float]:
    """What the input stands for: a formula and its value."""
    q, zero_point, scale = site.number(0, site.element), site.zero_point(0), site.scale(0)
    return f"{scale!r} * ({q} - {zero_point})", scale * (q - zero_point)


# in float


def logistic_by_table(site: Site) -> Lesson[Result]:
    """y = round(1 / (1 + exp(-x)) / scale) + zero point, in float"""

    def function(x: float) -> Lesson[float]:
        e = expf(-x)
        yield Step("exp(-x)", f"expf({-x!r})", e, "the C library's function of floats")
        y = float32(1 / float32(1 + e))
        yield Step("1 / (1 + exp(-x))", f"float32(1 / float32(1 + {e!r}))", y)
        return y

    formula, x = real_of(site)
    y = yield from tabulated(site, function)
    return Result(y, f"sigmoid({formula})", sigmoid(x))


def tanh_by_table(site: Site) -> Lesson[Result]:
    """y = round(tanh(x) / scale) + zero point, in float"""

    def function(x: float) -> Lesson[float]:
        y = tanhf(x)
        yield Step("tanh(x)", f"tanhf({x!r})", y, "the C library's function of floats")
        return y

    formula, x = real_of(site)
    y = yield from tabulated(site, function)
    return Result(y, f"tanh({formula})", tanh(x))


def logistic_of_16_bits(site: Site) -> Lesson[Result]:
    """Between two entries of the table of the sigmoid; the output is in steps of 2**-15."""
    multiplier, shift = yield from table_steps(site, pot_shifts=(0,))
    x = site.number(0, site.element)
    y = arithmetic.logistic_by_table(x, multiplier, shift)
    yield Step("by the table", f"logistic_by_table({x}, {multiplier}, {shift})", y, "between two of its entries")
    formula, real = real_of(site)
    return Result(y, f"sigmoid({formula})", sigmoid(real))


def tanh_of_16_bits(site: Site) -> Lesson[Result]:
    """The same, by tanh(x) = 2 * sigmoid(2 x) - 1."""
    multiplier, shift = yield from table_steps(site, pot_shifts=(0, 1))
    x = site.number(0, site.element)
    y = arithmetic.tanh_by_table(x, multiplier, shift)
    yield Step("by the table", f"tanh_by_table({x}, {multiplier}, {shift})", y, "2 * sigmoid(2 x) - 1, between entries")
    formula, real = real_of(site)
    return Result(y, f"tanh({formula})", tanh(real))


def table_steps(site: Site, pot_shifts: tuple[int, ...]) -> Lesson[tuple[int, int]]:
    """From the input's scale to the steps of the table, and where the number lies in it."""
    multiplier, shift = table_multiplier(site.node, pot_shifts)
    scale, x = site.scale(0), site.number(0, site.element)
    formula = f"int({scale!r} * 4096.0 * 3.0 * 2**{shift})"
    if int(scale * 4096.0 * 3.0 * 2**shift) != multiplier:  # the scale is nearly a power of two
        formula = str(multiplier)
    yield Step("multiplier", formula, multiplier, f"to steps of the table, with {shift} bits more, cut off")
    position = wrap_int32(x * multiplier + ((1 << shift) >> 1)) >> shift
    yield Step("place in the table", f"wrap_int32({x} * {multiplier} + ((1 << {shift}) >> 1)) >> {shift}", position)
    return multiplier, shift


def tabulated(site: Site, function: Callable[[float], Lesson[float]]) -> Lesson[int]:
    """An entry of the table: the real number, its function, and that in steps of the output, each rounded to float."""
    centred = yield from less_zero_point(site)
    scale = site.scale(0)
    x = float32(scale * centred)
    yield Step("x", f"float32({scale!r} * {centred})", x, "the real number, as a float")
    y = yield from function(x)
    inverse, zero_point = float32(1 / first_scale(site.output)), first_zero_point(site.output)
    yield Step("1 / scale", f"float32(1 / {first_scale(site.output)!r})", inverse)
    steps = round_away(float32(y * inverse))
    yield Step(
        "in steps of the output",
        f"round_away(float32({y!r} * {inverse!r}))",
        steps,
        "rounded: ties go away from zero",
        (f"decimal {float32(y * inverse)!r} -> {steps!r}",),
    )
    low, high = LIMITS[site.output.type]
    found = 0 if isnan(steps) else int(min(max(steps + zero_point, low), high))
    yield Step(
        "zero point added, limited",
        f"int(min(max({steps!r} + {zero_point}, {low}), {high}))",
        found,
        limits_of(ActivationFunctionType.NONE, site.output.type),
    )
    return found


# in fixed point


def logistic_fixed(site: Site) -> Lesson[Result]:
    """y = 1 / (1 + exp(-x)), upwards from -128 in steps of 1/256"""

    def function(x: int) -> Lesson[int]:
        if x == 0:
            yield Step("1 / (1 + exp(-x))", "2**30", 2**30, "in Q0, one half")
            return 2**30
        e = yield from exponential(x, 1)
        y = one_over_one_plus_x(e)
        yield Step("1 / (1 + exp(-|x|))", f"one_over_one_plus_x({e})", y, stands_for(y, 1 / (1 + e / 2**31)))
        if x < 0:
            yield Step("1 less that", f"2**31 - 1 - {y}", 2**31 - 1 - y, "x is negative")
            return 2**31 - 1 - y
        return y

    formula, x = real_of(site)
    y = yield from in_fixed_point(site, function, 31 - 8, -128)
    return Result(y, f"sigmoid({formula})", sigmoid(x))


def tanh_fixed(site: Site) -> Lesson[Result]:
    """y = (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)) with the sign of x, in steps of 1/128"""

    def function(x: int) -> Lesson[int]:
        if x == 0:
            yield Step("tanh(x)", "0", 0)
            return 0
        e = yield from exponential(x, 2)
        y = one_minus_x_over_one_plus_x(e)
        real = (1 - e / 2**31) / (1 + e / 2**31)
        yield Step("tanh(|x|)", f"one_minus_x_over_one_plus_x({e})", y, stands_for(y, real))
        if x < 0:
            yield Step("with the sign of x", f"-{y}", -y)
            return -y
        return y

    formula, x = real_of(site)
    y = yield from in_fixed_point(site, function, 31 - 7, 0)
    return Result(y, f"tanh({formula})", tanh(x))


def exponential(x: int, factor: int) -> Lesson[int]:
    """exp(-factor * |x|): twice as large is one more bit before the point."""
    bits = FIXED_INTEGER_BITS + factor - 1
    e = exp_on_negative_values(-abs(x), bits)
    label = "exp(-|x|)" if factor == 1 else "exp(-2 |x|)"
    yield Step(label, f"exp_on_negative_values({-abs(x)}, {bits})", e, f"in Q0, gemmlowp's: {e / 2**31:.9f}")
    return e


def stands_for(y: int, real: float) -> str:
    """What a number in Q0 stands for, and what it should."""
    return f"it stands for {y / 2**31:.9f}; exactly it would be {real:.9f}"


def in_fixed_point(site: Site, function: Callable[[int], Lesson[int]], right: int, offset: int) -> Lesson[int]:
    """A function of the input as a number with four bits before the point, in so many bits less."""
    p = fixed(site.node)
    centred = yield from less_zero_point(site)
    if abs(centred) >= p.radius:
        y = 127 if centred >= p.radius else -128  # a scale above 8 has a radius of 0
        yield Step("saturated", str(y), y, f"from {p.radius} steps on, x is as good as infinite")
        return y
    scale = site.scale(0)
    real = scale * 2.0**FRACTION_BITS
    yield Step(
        "real multiplier", f"{scale!r} * 2.0**{FRACTION_BITS}", real, f"x with {FRACTION_BITS} bits behind the point"
    )
    x = yield from scaled_twice(centred, *(yield from as_fixed_point(real)))
    q0 = yield from function(x)
    steps = yield from divided_by_power_of_two(q0, right, "in steps of the output")
    yield Step("zero point added", f"{steps} + {offset}", steps + offset)
    y = saturate(steps + offset, 8)
    yield Step("limited", f"saturate({steps + offset}, 8)", y, "what int8 can hold")
    return y


def hard_swish(site: Site) -> Lesson[Result]:
    """y = x * gate, where gate = (x / 3 + 1) / 2 between 0 and 1; all in 16 bits"""
    p = params_of_hard_swish(site.node, site.host)
    centred = yield from less_zero_point(site)
    fine = centred << 7
    yield Step("7 bits below the point", f"{centred} << 7", fine)
    yield Step(
        "multiplier of the output",
        str(p.output_multiplier),
        p.output_multiplier,
        "x / 128 * scale / output scale, in 16 bits",
    )
    y = multiply(fine, p.output_multiplier, 16)
    yield Step(
        "x", f"multiply({fine}, {p.output_multiplier}, 16)", y, f"on the output's scale, but for 2**{p.output_exponent}"
    )
    gate = yield from gate_of(fine, p)
    product = gate * y
    cut = abs(product) >> 15
    cut = cut if product >= 0 else -cut
    sign = "" if product >= 0 else "-"
    yield Step(
        "x * gate", f"{sign}(abs({gate} * {y}) >> 15)", cut, "cut off towards zero, so that errors do not add up"
    )
    exponent = -p.output_exponent
    found = yield from divided_in_16_bits(cut, exponent, "in steps of the output")
    low, high = LIMITS[site.output.type]
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    value = yield from finished(found, p.offset, low, high, why)
    formula, x = real_of(site)
    return Result(value, f"{formula} * min(6, max(0, {formula} + 3)) / 6", x * min(6, max(0, x + 3)) / 6)


def gate_of(fine: int, p: HardSwish) -> Lesson[int]:
    """(x / 3 + 1) / 2 in 16 bits, 2**15 being 1."""
    left = max(p.gate_exponent - 1, 0)
    gate = saturate(fine << left, 16)
    yield Step("gate: shifted left", f"saturate({fine} << {left}, 16)", gate)
    scaled = multiply(gate, p.gate_multiplier, 16)
    yield Step("gate: times multiplier", f"multiply({gate}, {p.gate_multiplier}, 16)", scaled, "x / 3, 2**15 being 1")
    if p.gate_exponent > 0:
        yield Step("gate: doubled", f"saturate({scaled} << 1, 16)", saturate(scaled << 1, 16))
        scaled = saturate(scaled << 1, 16)
    third = yield from divided_in_16_bits(scaled, max(-p.gate_exponent, 0), "gate: shifted right")
    yield Step("gate", f"({third} + 2**15) >> 1", (third + 2**15) >> 1, "between 0 and 1, which is 2**15")
    return (third + 2**15) >> 1


def divided_in_16_bits(x: int, exponent: int, label: str) -> Lesson[int]:
    """x / 2**exponent; from 16 on, what C makes of a mask that does not fit."""
    if exponent < 16:
        return (yield from divided_by_power_of_two(x, exponent, label))
    y = -1 if x < 0 else 1
    yield Step(label, str(y), y, f"by 2**{exponent}, whose mask does not fit 16 bits")
    return y


# limits


def clipped(low: float, high: float) -> Callable[[Site], Lesson[Result]]:
    """RELU and its like: y = clamp(scale(x - zero point) + zero point)"""

    def lesson(site: Site) -> Lesson[Result]:
        y = site.output
        least, most = LIMITS[y.type]
        least = max(least, quantized_limit(y, low))
        most = most if isinf(high) else min(most, quantized_limit(y, high))
        scaled = yield from on_output_scale(site, (yield from less_zero_point(site)), 1.0)
        span = f"from {low:g} on" if isinf(high) else f"{low:g} to {high:g}"
        why = f"{span}, on the scale of the output; and what {y.type.name.lower()} can hold"
        found = yield from finished(scaled, first_zero_point(y), least, most, why)
        formula, real = real_of(site)
        return Result(found, f"min(max({formula}, {low!r}), {high!r})", min(max(real, low), high))

    return lesson


def relu6_without_rescaling(site: Site) -> Lesson[Result]:
    """y = x between 0 and 6, in steps of the input"""
    x = site.tensor(0)
    least, most = LIMITS[x.type]
    low, high = site.zero_point(0), min(max(least, quantized_limit(x, 6)), most)
    q = site.number(0, site.element)
    y = high if q > high else max(q, low)
    note = f"0 to 6 on the scale of the input; that of the output is not looked at. {place('x', site.element)} is {q}"
    yield Step("limited", f"{high} if {q} > {high} else max({q}, {low})", y, note)
    formula, real = real_of(site)
    return Result(y, f"min(max({formula}, 0), 6)", min(max(real, 0), 6))


def on_output_scale(site: Site, centred: int, slope: float) -> Lesson[int]:
    """A number on the scale of the input, times a slope, on that of the output."""
    real = site.host.numerics.product_multiplier(site.scale(0), slope, first_scale(site.output))
    yield real_multiplier(real, site.scale(0), slope, first_scale(site.output))
    return (yield from scaled_twice(centred, *(yield from as_fixed_point(real))))


def leaky_relu(site: Site) -> Lesson[Result]:
    """y = x where it is not negative, alpha * x elsewhere"""
    alpha = options_of(site.node, LeakyReluOptions).alpha
    centred = yield from less_zero_point(site)
    scaled = yield from on_output_scale(site, centred, 1.0 if centred >= 0 else abs(alpha))
    if centred < 0 and alpha < 0:
        yield Step("with the sign of alpha", f"-({scaled})", -scaled)
        scaled = -scaled
    low, high = LIMITS[site.output.type]
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    y = yield from finished(scaled, first_zero_point(site.output), low, high, why)
    formula, x = real_of(site)
    return Result(y, formula, x) if centred >= 0 else Result(y, f"{formula} * {alpha!r}", x * alpha)


def prelu(site: Site) -> Lesson[Result]:
    """y = x where it is not negative, alpha * x elsewhere"""
    centred = yield from less_zero_point(site)
    index = stretched(site.element, site.array(1).shape)
    slope, zero_point = site.number(1, index), site.zero_point(1)
    factor, value = 1.0, centred
    if centred < 0:
        factor, value = site.host.numerics.scale_of_one(site.tensor(1)), centred * (slope - zero_point)
        note = f"x is negative; {place('alpha', index)} is {slope}"
        yield Step("times alpha", f"{centred} * ({slope} - {zero_point})", value, note)
    scaled = yield from on_output_scale(site, value, factor)
    low, high = LIMITS[site.output.type]
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    y = yield from finished(scaled, first_zero_point(site.output), low, high, why)
    formula, x = real_of(site)
    real_slope = site.scale(1) * (slope - zero_point)
    return Result(y, formula, x) if centred >= 0 else Result(y, f"{formula} * {real_slope!r}", x * real_slope)


relu = clipped(0.0, inf)
relu6 = clipped(0.0, 6.0)
relu_n1_to_1 = clipped(-1.0, 1.0)
relu_0_to_1 = clipped(0.0, 1.0)
