"""Requantization in doubles: the bits of fixed point, in a few passes over arrays.

numpy is slow at 64-bit products of integers and fast at doubles. A double holds every integer up to 2**53, so that the
same roundings can be made with it wherever nothing is larger that still matters: what is beyond the limits of the
output only has to stay there, and it does, since rounding keeps the order of numbers. `requantizer` looks whether that
holds for sums of known size, and gives nothing if it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import (
    reduced_multiplier,
    round_away,
    scale_int64,
    scale_ties_up,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import SCALE_IN_BLOCKS_OF_8, FixedPoint, FloatingPoint, SinglePrecision

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

AWAY = 1 + 2.0**-30
"""As a factor it moves halves away from zero, and by too little to reach another number that stands for an integer."""

AT_A_TIME = 2**13
"""About as many numbers are worked on at a time, so that they stay in a cache from pass to pass."""


class Range(NamedTuple):
    """An output's zero point, limits and type."""

    offset: int
    low: int
    high: int
    dtype: np.dtype[Any]

    @property
    def reach(self) -> int:
        """How far from zero the first number is that ends up at a limit."""
        return max(abs(self.low - self.offset), abs(self.high - self.offset)) + 1


Pass = tuple[Callable[..., Any], "Array | float | None"]
"""A function of an array and, unless there is none, a number or a row of them; it writes to `out`."""


def requantizer(requantize: Requantize, bias: Array, sums: Array, y: Range) -> Callable[[Array], Array] | None:
    """The function y = clamp(requantize(sum + bias) + offset) of sums; none is larger than that of its channel here.

    The last rounding is left to the cast, which cuts off what is behind the point: so what is cast is half more, and
    counts from the lower limit.
    """
    result = constants(requantize, bias, sums, y.offset)
    alive = np.isnan(result)
    addend = np.where(alive, bias, 0).astype(np.float64)
    end = np.where(alive, float(y.offset), result) + 0.5 - y.low
    steps = passes_of(requantize, alive, Channels(addend, np.where(alive, np.abs(addend) + sums, 0), end), y)
    if steps is None:
        return None
    passes = [(function, one_for_all(each)) for function, each in steps]

    def spread(pixels: int) -> list[Pass]:
        return [(function, of_pixels(each, pixels)) for function, each in passes]

    kept = lru_cache(maxsize=1)(spread)  # for small images, where it would take long
    unsigned, low, most = np.dtype(f"u{y.dtype.itemsize}"), y.low % 2 ** (8 * y.dtype.itemsize), float(y.high - y.low)

    def finish(sums: Array) -> Array:
        channels, numbers = sums.shape[-1], sums.reshape(-1)
        made = np.empty(len(numbers), unsigned)
        pixels = max(1, min(AT_A_TIME, len(numbers)) // max(1, channels))
        room = np.empty(pixels * channels)
        laid_out = (kept if len(room) == len(numbers) else spread)(pixels)
        for first in range(0, len(numbers), max(1, len(room))):
            part = numbers[first : first + len(room)]
            acc = room[: len(part)]
            acc[...] = part
            for function, operand in laid_out:
                if operand is None:
                    function(acc, out=acc)
                else:
                    function(acc, operand[: len(acc)] if isinstance(operand, np.ndarray) else operand, out=acc)
            acc.clip(0.0, most, out=acc)
            made[first : first + len(room)] = acc
        made += unsigned.type(low)
        return made.view(y.dtype).reshape(sums.shape)

    return finish


def one_for_all(operand: Array | float | None) -> Array | float | None:
    """A number, if all channels have the same."""
    return float(operand[0]) if isinstance(operand, np.ndarray) and np.all(operand == operand[0]) else operand


def of_pixels(operand: Array | float | None, pixels: int) -> Array | float | None:
    """What channels have, for each of so many pixels: numpy is slow on many short rows."""
    return np.tile(operand, pixels) if isinstance(operand, np.ndarray) else operand


def constants(requantize: Requantize, bias: Array, sums: Array, offset: int) -> Array:
    """requantize(sum + bias) + offset of channels that give the same whatever the sum is; NaN of others.

    Channels that training has left without weights have scales that are next to nothing, and huge biases.
    """
    assert isinstance(requantize, FixedPoint | FloatingPoint | SinglePrecision)
    growth = 2.0**requantize.shift if isinstance(requantize, FixedPoint) else np.abs(requantize.real)
    bias = bias.astype(np.int64) + np.zeros(len(sums), np.int64)
    in_order = (np.abs(bias.astype(np.float64)) + sums) * np.maximum(growth, 1) < 2**30  # nothing wraps around
    extent = np.where(in_order, sums, 0).astype(np.int64)
    least, most = requantize(bias - extent), requantize(bias + extent)
    return np.where((least == most) & (extent == sums), wrap_int32(most + offset).astype(np.float64), np.nan)


class Channels(NamedTuple):
    """What is known of each channel: its bias, the most that sum + bias can be, and what has to be added at the end."""

    bias: Array
    most: Array
    end: Array


def passes_of(requantize: Requantize, alive: Array, c: Channels, y: Range) -> Sequence[Pass] | None:
    """From sums to requantize(sum + bias) + end, still to be cut off; None if doubles cannot tell.

    In channels that are not `alive` it is `end`.
    """
    start: Pass = (np.add, c.bias)
    if isinstance(requantize, FloatingPoint):
        scaling = rounded_away(np.where(alive, requantize.real, 0), c.most)
    elif isinstance(requantize, SinglePrecision):
        scaling = rounded_to_even(np.where(alive, requantize.real, np.float32(0)), c.most)
    else:
        assert isinstance(requantize, FixedPoint)
        multiplier, shift = np.where(alive, requantize.multiplier, 0), np.where(alive, requantize.shift, 0)
        return PASSES[requantize.scale](multiplier, shift, c, y)
    return None if scaling is None else [start, *scaling, (np.add, c.end)]


def rounded_away(real: Array, most: Array) -> Sequence[Pass] | None:
    """x * real, ties away from zero: `FloatingPoint`. Accumulator and result fit an int32."""
    fits = np.all(most < 2**31) and np.all(most * np.abs(real) < 2**30)
    return [(np.multiply, real), (round_away, None)] if fits else None


def rounded_to_even(real: Array, most: Array) -> Sequence[Pass] | None:
    """f32(f32(x) * real), ties to even: `SinglePrecision`. The product of two floats is exact in double."""
    fits = np.all(most < 2**31) and np.all(most * np.abs(real) < 2**30)
    scaling = (to_float, None), (np.multiply, real.astype(np.float64)), (to_float, None)
    return [*scaling, (np.rint, None)] if fits else None


def to_float(x: Array, out: Array) -> None:
    """The nearest floats, still as doubles."""
    out[...] = x.astype(np.float32)


def rounded_twice(multiplier: Array, shift: Array, c: Channels, y: Range) -> Sequence[Pass] | None:
    """x * m * 2**(shift - 31), first to an integer with ties up, then by the right shift with ties away from zero."""
    return rounded_first(multiplier, shift, c, y, np.zeros(len(shift), bool))


def rounded_up(multiplier: Array, shift: Array, c: Channels, y: Range) -> Sequence[Pass] | None:
    """As `rounded_twice`, with ties up both times."""
    return rounded_first(multiplier, shift, c, y, np.ones(len(shift), bool))


def rounded_in_blocks(block: int, multiplier: Array, shift: Array, c: Channels, y: Range) -> Sequence[Pass] | None:
    """The channels of whole blocks as `rounded_up`, the others as `rounded_twice`."""
    return rounded_first(multiplier, shift, c, y, np.arange(len(shift)) < len(shift) // block * block)


def rounded_first(multiplier: Array, shift: Array, c: Channels, y: Range, up: Array) -> Sequence[Pass] | None:
    """x * m * 2**(left shift - 31) to an integer with ties up, and by the right shift with ties `up`, or else away.

    What matters is below reach * 2**right after the first rounding. If that is below 2**22, the product that is rounded
    has up to 53 bits; and so it has if no product is larger. In the latter case the bias can be added to products.
    Then, if ties go up in the end, both roundings are one, since a floor of a floor is the floor; and how ties below
    zero are rounded is nothing to ask where the lower limit is zero.
    """
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    largest, factor = np.ldexp(c.most, left), np.ldexp(multiplier.astype(np.float64), left - 31)
    fits = np.all((largest < 2**30) | ((left == 0) & (factor < 1 - 2.0**-12)))
    exact = np.all(np.minimum(largest, np.ldexp(float(y.reach), right)) < 2**22)
    if not (fits and exact):
        return None
    scale, half = np.ldexp(factor, -right), np.where(right > 0, np.ldexp(0.5, -right), 0)
    steps_of_scale = np.ldexp(c.most * scale + half + np.abs(c.end), 31 - left + right)
    if np.all(steps_of_scale < 2**53) and (y.low >= y.offset or up.all()):
        return [(np.multiply, scale), (np.add, c.bias * scale + half + c.end)]
    if np.all(np.ldexp(c.most * factor + 0.5, 31 - left) < 2**53):
        start: list[Pass] = [(np.multiply, factor), (np.add, c.bias * factor + 0.5)]
    else:
        wrap: list[Pass] = [(wrapped, None)] if np.any(largest >= 2**30) else []
        start = [(np.add, c.bias), *wrap, (np.multiply, factor), (np.add, 0.5)]
    return [*start, (np.floor, None), (np.multiply, np.ldexp(np.where(up, 1.0, AWAY), -right)), (np.add, c.end)]


def wrapped(x: Array, out: Array) -> None:
    """What is left of whole doubles in an int32."""
    out[...] = wrap_int32(x.astype(np.int64))


def rounded_once(multiplier: Array, shift: Array, c: Channels, y: Range) -> Sequence[Pass] | None:
    """x * (m of 16 bits) * 2**(shift - 15), ties up: what matters is below reach * 2**(15 - shift) before the shift."""
    factor, total = np.ldexp(reduced_multiplier(multiplier).astype(np.float64), shift - 15), 15 - shift
    fits = np.all((total > 0) & (total < 36)) and np.all(c.most < 2**53) and np.all(c.most * factor < 2**30)
    return [(np.add, c.bias), (np.multiply, factor), (np.add, c.end)] if fits and y.reach <= 2**16 else None


PASSES: dict[Callable[..., Array], Callable[[Array, Array, Channels, Range], Sequence[Pass] | None]] = {
    scale_twice: rounded_twice,
    scale_ties_up: rounded_up,
    SCALE_IN_BLOCKS_OF_8: partial(rounded_in_blocks, 8),
    scale_int64: rounded_once,
}
