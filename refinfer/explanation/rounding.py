"""How a sum becomes an output: a real multiplier as an integer and a shift, each rounding, zero point, limits."""

from __future__ import annotations

from collections.abc import Callable
from math import frexp, inf

from refinfer.explanation.arithmetic import float32, to_int32, wrap_int32, wrap_int64
from refinfer.explanation.steps import Lesson, Step
from refinfer.kernels.arithmetic import fixedpoint
from refinfer.kernels.arithmetic.fixedpoint import quantize_multiplier, round_half_away
from refinfer.kernels.numerics import (
    BEYOND,
    SCALE_IN_BLOCKS_OF_8,
    FixedPoint,
    FloatingPoint,
    Requantize,
    SinglePrecision,
)
from refinfer.kernels.quantization import FLOAT_RANGES
from refinfer.schema.enums import ActivationFunctionType, TensorType

SHOWN_DIGITS = 16
BLOCK = 8  # channels that vector instructions compute together
WHICH = {True: "vector instructions round it", False: "it is rounded by itself, as in the reference kernels"}


def binary(value: int, places: int) -> str:
    """value / 2**places in binary digits, with its sign in front; behind the point the first 16, without zeros."""
    digits = f"{abs(value):0{places + 1}b}"
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    point = f".{fraction[:SHOWN_DIGITS]}" if fraction else ""
    return f"{'-' if value < 0 else ''}{whole}{point}{'...' if len(fraction) > SHOWN_DIGITS else ''}"


def both_ways(value: int, places: int, rounded: int) -> tuple[str, ...]:
    """A rounding in decimal and in binary: what it was, and what it becomes."""
    return (
        f"decimal {value / 2**places!r} -> {rounded}",
        f"binary  {binary(value, places)}",
        f"     -> {binary(rounded, 0)}",
    )


def real_multiplier(real: float, first: float, second: float, output: float) -> Step:
    """first * second / output, as precisely as the runtime computes it; `real` is what it gets."""
    for formula, words in RATIOS:
        filled = formula.format(first=first, second=second, output=output)
        if output != 0 and RATIOS[formula, words](first, second, output) == real:
            return Step("real multiplier", filled, real, words)
    return Step("real multiplier", repr(real), real)


RATIOS: dict[tuple[str, str], Callable[[float, float, float], float]] = {
    ("{first!r} * {second!r} / {output!r}", "in double"): lambda a, b, c: a * b / c,
    ("float32({first!r} * {second!r}) / {output!r}", "the product is rounded to float"): lambda a, b, c: (
        float32(a * b) / c
    ),
    ("float32(float32({first!r} * {second!r}) / {output!r})", "every step is rounded to float"): lambda a, b, c: (
        float32(float32(a * b) / c)
    ),
}
"""The same to all runtimes, but for where they round; the plainest that gives the runtime's number is shown."""


def as_fixed_point(real: float) -> Lesson[tuple[int, int]]:
    """real = multiplier * 2**(shift - 31), with 31 digits for the multiplier [QuantizeMultiplier]"""
    multiplier, shift = quantize_multiplier(real)
    fraction, exponent = frexp(real)
    nearest = round_half_away(fraction * 2**31)
    yield Step(
        "multiplier",
        f"round_half_away({fraction!r} * 2**31)",
        nearest,
        f"the real multiplier is {fraction!r} * 2**{exponent}; its first 31 binary digits become an integer",
    )
    yield Step("shift", str(exponent), exponent, f"multiplier * 2**({exponent} - 31) stands for it from here on")
    if (multiplier, shift) != (nearest, exponent):
        why = "it is too small, and becomes 0" if multiplier == 0 else "it was rounded up to 2**31, and is halved"
        yield Step("multiplier kept", str(multiplier), multiplier, why)
        yield Step("shift kept", str(shift), shift)
    return multiplier, shift


def scaled_twice(x: int, multiplier: int, shift: int) -> Lesson[int]:
    """Two roundings [MultiplyByQuantizedMultiplier, double rounding]."""
    left, right = max(shift, 0) & 31, max(-shift, 0)
    if left:
        shifted = wrap_int32(x << left)
        yield Step("shifted left", f"wrap_int32({x} << {left})", shifted)
        x = shifted
    product = x * multiplier
    high = (product + 2**30) >> 31
    yield Step(
        "times multiplier, / 2**31",
        f"({x} * {multiplier} + 2**30) >> 31",
        high,
        "SaturatingRoundingDoublingHighMul: ties go up",
        both_ways(product, 31, high),
    )
    return (yield from divided_by_power_of_two(high, right)) if right else high


def divided_by_power_of_two(x: int, exponent: int, label: str = "") -> Lesson[int]:
    """One rounding, ties away from zero [RoundingDivideByPOT]."""
    y = (x + ((1 << exponent) >> 1) - (x < 0 and exponent > 0)) >> exponent
    less = " - 1" if x < 0 and exponent > 0 else ""
    yield Step(
        label or f"/ 2**{exponent}",
        f"({x} + 2**{exponent} // 2{less}) >> {exponent}",
        y,
        "RoundingDivideByPOT: ties go away from zero",
        both_ways(x, exponent, y),
    )
    return y


def scaled_once_by_16_bits(x: int, multiplier: int, shift: int) -> Lesson[int]:
    """An accumulator of 64 bits, with 16 bits of the multiplier and one rounding [the int64 overload]."""
    if multiplier < 0x7FFF0000:
        reduced = (multiplier + 2**15) >> 16
        yield Step("multiplier of 16 bits", f"({multiplier} + 2**15) >> 16", reduced)
    else:
        reduced = 0x7FFF
        yield Step("multiplier of 16 bits", "0x7FFF", reduced, "rounded, it would be 2**15, which does not fit")
    total = 15 - shift
    before, places = total - 1 & 63, total & 63
    y = wrap_int32(wrap_int64(x * reduced + 2**before) >> places)
    yield Step(
        f"times it, / 2**{total}",
        f"wrap_int32(wrap_int64({x} * {reduced} + 2**{before}) >> {places})",
        y,
        "one rounding: ties go up",
        both_ways(x * reduced, places, y),
    )
    return y


def scaled_in_double(x: int, real: float) -> Lesson[int]:
    """One rounding, of a product of doubles."""
    product = x * real
    y = to_int32(round_half_away(product))
    yield Step(
        "times real multiplier",
        f"to_int32(round_half_away({x} * {real!r}))",
        y,
        "one rounding, in double: ties go away from zero",
        (f"decimal {product!r} -> {y}",),
    )
    return y


def scaled_ties_up(x: int, multiplier: int, shift: int) -> Lesson[int]:
    """Two roundings, of which the second takes ties up too [ruy: the x86 kernels]."""
    left, right = max(shift, 0) & 31, max(-shift, 0)
    high = yield from scaled_twice(x, multiplier, left)
    if not right:
        return high
    y: int = (high + 2**right // 2) >> right
    why = "the shift of the vector instructions: ties go up"
    yield Step(f"/ 2**{right}", f"({high} + 2**{right} // 2) >> {right}", y, why, both_ways(high, right, y))
    return y


def scaled_in_single_precision(x: int, real: float) -> Lesson[int]:
    """One rounding, of a product of floats [XNNPACK: fp32 requantization]."""
    factor, product = float32(x), float32(float32(x) * real)
    kept = min(max(product, -BEYOND), BEYOND)
    if factor != x:
        yield Step("as a float", f"float32({x})", factor, "a float has 24 binary digits")
    formula = f"float32({factor!r} * {real!r})"
    limited = formula if kept == product else f"min(max({formula}, {-BEYOND!r}), {BEYOND!r})"
    y = round(kept)
    why = "one rounding, of a float: ties go to the even neighbour"
    yield Step("times real multiplier", f"round({limited})", y, why, (f"decimal {product!r} -> {y}",))
    return y


SCALINGS: dict[object, Callable[[int, int, int], Lesson[int]]] = {
    fixedpoint.scale_twice: scaled_twice,
    fixedpoint.scale_int64: scaled_once_by_16_bits,
    fixedpoint.scale_ties_up: scaled_ties_up,
}
"""How `FixedPoint` is applied, by the kernels' function that does it."""


def requantized(
    acc: int, requantize: Requantize, channel: int, scales: tuple[float, float, float], channels: int = 1
) -> Lesson[int]:
    """An accumulator on the scale of the output, which has so many channels.

    `scales` are those of both factors and of the output.
    """
    assert isinstance(requantize, FixedPoint | FloatingPoint | SinglePrecision)
    real = float(requantize.real[channel if len(requantize.real) > 1 else 0])
    yield real_multiplier(real, *scales)
    if isinstance(requantize, FloatingPoint):
        return (yield from scaled_in_double(acc, real))
    if isinstance(requantize, SinglePrecision):
        return (yield from scaled_in_single_precision(acc, real))
    multiplier, shift = yield from as_fixed_point(real)
    scale: object = requantize.scale
    if scale is SCALE_IN_BLOCKS_OF_8:
        whole = channels // BLOCK * BLOCK
        scale = fixedpoint.scale_ties_up if channel < whole else fixedpoint.scale_twice
        yield Step(
            "whole blocks", f"{channels} // {BLOCK} * {BLOCK}", whole, f"channel {channel}: {WHICH[channel < whole]}"
        )
    return (yield from SCALINGS[scale](acc, multiplier, shift))


def finished(scaled: int, zero_point: int, low: int, high: int, why: str = "the limits of the type") -> Lesson[int]:
    """The zero point is added, and the result limited."""
    shifted = wrap_int32(scaled + zero_point)
    formula = f"{scaled} + {zero_point}"
    yield Step("zero point added", f"wrap_int32({formula})" if shifted != scaled + zero_point else formula, shifted)
    y = min(max(shifted, low), high)
    yield Step("limited", f"min(max({shifted}, {low}), {high})", y, why)
    return y


def limits_of(activation: ActivationFunctionType, type: TensorType) -> str:
    """Why the result is limited, in words."""
    name = type.name.lower()
    if activation in (ActivationFunctionType.NONE, ActivationFunctionType.TANH, ActivationFunctionType.SIGN_BIT):
        return f"what {name} can hold"
    low, high = FLOAT_RANGES[activation]
    span = f"from {low:g} on" if high == inf else f"{low:g} to {high:g}"
    return f"{activation.name}: {span}, on the scale of the output; and what {name} can hold"


def activated(formula: str, exact: float, activation: ActivationFunctionType) -> tuple[str, float]:
    """A real result under the fused activation."""
    low, high = FLOAT_RANGES[activation]
    if (low, high) == FLOAT_RANGES[ActivationFunctionType.NONE]:
        return formula, exact
    return f"min(max({formula}, {low!r}), {high!r})", min(max(exact, low), high)
