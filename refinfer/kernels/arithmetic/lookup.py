"""Functions of quantized numbers, tabulated in float: an entry for every int8, or 513 to interpolate between for int16.

Source: tflite/kernels/internal/common.h: LUTPopulate, LUTLookup.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from refinfer.kernels.arithmetic.fixedpoint import round_away
from refinfer.kernels.common import first_scale, first_zero_point
from refinfer.kernels.compute import Evaluate, dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Function = Callable[["Array"], "Array"]
"""Of float32 arrays."""

STEPS = 512
STEP_BITS = 7  # an int16 has so many bits below the number of its step


def tabulated(function: Function, x: Tensor, y: Tensor) -> Evaluate:
    """Evaluate a function of numbers with the scale of `x` that gives numbers with the scale of `y`, of the same type.

    The function is called once, here.
    """
    with np.errstate(all="ignore"):
        table = (table_of_int16 if x.type == TensorType.INT16 else table_of_8_bits)(function, x, y)
    if x.type == TensorType.INT16:
        return lambda values: (interpolated(values, table),)
    return looking_up(table)


def looking_up(table: Array) -> Evaluate:
    """Evaluate by the entries of all numbers of 8 bits, from the least to the largest; those of their bits are read.

    The input's type is that of the numbers: signed ones begin, as bits, in the middle.
    """
    by_bits = {"i": np.roll(table, len(table) // 2), "u": table}
    return lambda values: (by_bits[values.dtype.kind].take(values.view(np.uint8)),)


def number_by_number(evaluate: Evaluate, x: Tensor) -> Evaluate:
    """A function of single numbers; if they have 8 bits it is evaluated once for each, here."""
    limits = np.iinfo(dtype_of(x.type))
    if limits.bits > 8:
        return evaluate
    return looking_up(*evaluate(np.arange(limits.min, limits.max + 1).astype(limits.dtype)))


def of_each_integer(function: Callable[[Array], Array], x: Tensor) -> Evaluate:
    """A function of integers of 8 bits as int64, evaluated once for each, here."""
    limits = np.iinfo(dtype_of(x.type))
    return looking_up(function(np.arange(limits.min, limits.max + 1, dtype=np.int64)).astype(limits.dtype))


def table_of_8_bits(function: Function, x: Tensor, y: Tensor) -> Array:
    """round(f(scale * (x - zero_point)) * (1 / output scale)) + output zero point, from the least x to the largest.

    Every step is rounded to float.
    """
    limits = np.iinfo(dtype_of(x.type))
    values = np.arange(limits.min, limits.max + 1)
    real = np.float32(first_scale(x)) * (values - first_zero_point(x)).astype(np.float32)
    steps = round_away(function(real) * (np.float32(1) / np.float32(first_scale(y))))
    steps = steps + np.float32(first_zero_point(y))
    return np.clip(steps, limits.min, limits.max).astype(limits.dtype)


def table_of_int16(function: Function, x: Tensor, y: Tensor) -> Array:
    """Of numbers with the scale of `x`, in steps of the scale of `y`: `sampled`."""
    inverse = np.float32(2**16) / (end(y, 2**15 - 1) - end(y, -(2**15)))
    return sampled(function, end(x, -(2**15)), end(x, 2**15 - 1), inverse)


def sampled(function: Function, first: np.floating[Any], last: np.floating[Any], inverse: np.floating[Any]) -> Array:
    """round(f * inverse) at the start of each of 512 steps from `first` to `last`, and at `last`, as int64.

    Each but the last is lowered by half of what a straight line to the next would be too high in the middle. Where the
    function gives infinities there is no such line: the entry is NaN, and x86 makes it 0. Every step is rounded to the
    type of the limits.
    """
    real = type(first)
    step = (last - first) / real(STEPS)
    starts = first + np.arange(STEPS).astype(real) * step
    ends = first + np.arange(1, STEPS + 1).astype(real) * step
    value, middle, following = (function(at) * inverse for at in (starts, starts + step / real(2), ends))
    on_the_line = round_away((following + round_away(value)) / real(2))
    bias = round_away((on_the_line - round_away(middle)) / real(2))
    entries = np.append(round_away(value) - bias, round_away(function(np.array([last])) * inverse))
    return np.where(np.isnan(entries), 0, np.clip(entries, -(2**15), 2**15 - 1)).astype(np.int64)


def end(tensor: Tensor, value: int) -> np.float32:
    """The real number that an integer of the tensor stands for."""
    return np.float32(first_scale(tensor)) * np.float32(value - first_zero_point(tensor))


def interpolated(values: Array, table: Array) -> Array:
    """Between the entries before and after, ties up; their difference wraps around in int16."""
    wide = values.astype(np.int64)
    step = (wide >> STEP_BITS) + STEPS // 2
    slope = (table[step + 1] - table[step]).astype(np.int16)
    rise = (slope * (wide & (2**STEP_BITS - 1)) + 2 ** (STEP_BITS - 1)) >> STEP_BITS
    return (table[step] + rise).astype(np.int16)
