"""SVDF: what each filter remembers, weighed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refinfer.kernels.compiled.functions import activate
from refinfer.kernels.compiled.jit import LANES, Number, float32s, int8s, int16s, int32s, njit
from refinfer.kernels.compiled.records import FIXED, IN_ORDER
from refinfer.kernels.compiled.requantize import requantize_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZERO = np.float32(0)


@njit
def svdf(
    newest: int,
    size: int,
    batches: int,
    units: int,
    rank: int,
    memory: int,
    zero_point: int,
    time: int,
    state: int,
    sums: int,
    parameters: int,
    parameter_bytes: int,
    offset: int,
    output: int,
) -> None:
    """y[b, u] = requantize(sum over the ranks r of u and the memory m of (state[b, r, m] - zero_point) * time[r, m])

    `newest` is what every filter remembers from now on; a number of the state has `size` bytes. The sum wraps around.
    """
    vectors = (units + LANES - 1) // LANES
    for b in range(batches):
        total = int32s(sums, units)
        for unit in range(units):
            total[unit] = np.int32(0)
            for r in range(unit * rank, (unit + 1) * rank):
                row, weights = b * units * rank + r, int16s(time + 2 * memory * r, memory)
                if size == 1:
                    held, last = int8s(state + memory * row, memory), int8s(newest + row, 1)[0]
                    total[unit] += remembered(held, last, weights, np.int32(zero_point))
                else:
                    words, word = int16s(state + 2 * memory * row, memory), int16s(newest + 2 * row, 1)[0]
                    total[unit] += remembered(words, word, weights, np.int32(zero_point))
        for v in range(vectors):
            here, there = parameters + parameter_bytes * v, output + units * b + LANES * v
            requantize_row(FIXED, sums + 4 * LANES * v, 1, here, 0, offset, -128, 127, there, 1)


@njit
def remembered(state: NDArray[Any], newest: Number, time: NDArray[Any], zero_point: Number) -> Number:
    """sum over m of (state[m] - zero_point) * time[m] in int32; the oldest is forgotten, and the newest comes last"""
    last = len(state) - 1
    total = np.int32((np.int32(newest) - zero_point) * np.int32(time[last]))
    for m in range(last):
        value = state[m + 1]
        state[m] = value
        total = np.int32(total + np.int32((np.int32(value) - zero_point) * np.int32(time[m])))
    state[last] = newest
    return total


@njit
def svdf_floats(
    newest: int,
    batches: int,
    units: int,
    rank: int,
    memory: int,
    order: int,
    time: int,
    state: int,
    bias: int,
    sums: int,
    activation: int,
    limits: int,
    function: int,
    output: int,
) -> None:
    """y[b, u] = activation(bias[u] + sum over the ranks r of u of sum over m of state[b, r, m] * time[r, m])

    `newest` is what every filter remembers from now on. In C's order the bias comes first, by fours it comes last.
    """
    offset, of_ranks = float32s(bias, units), float32s(sums, rank)
    for b in range(batches):
        y = float32s(output + 4 * units * b, units)
        for unit in range(units):
            for r in range(rank):
                at, row = unit * rank + r, (b * units + unit) * rank + r
                held, last = float32s(state + 4 * memory * row, memory), float32s(newest + 4 * row, 1)[0]
                weights = float32s(time + 4 * memory * at, memory)
                of_ranks[r] = in_order(held, last, weights) if order == IN_ORDER else by_fours(held, last, weights)
            if order == IN_ORDER:
                total = offset[unit]
                for r in range(rank):
                    total += of_ranks[r]
                y[unit] = total
            else:
                y[unit] = total_by_fours(of_ranks) + offset[unit]
        activate(output + 4 * units * b, units, activation, limits, function)


@njit
def in_order(held: NDArray[Any], newest: Number, weights: NDArray[Any]) -> Number:
    """The products, each added to those before; the oldest is forgotten, and the newest comes last."""
    last, total = len(held) - 1, ZERO
    for m in range(last + 1):
        value = held[m + 1] if m < last else newest
        held[m] = value
        total = total + value * weights[m] if m > 0 else value * weights[m]
    return total


@njit
def by_fours(held: NDArray[Any], newest: Number, weights: NDArray[Any]) -> Number:
    """The products in four sums, which are added in order, and then what is left over: `neon.total`.

    The oldest is forgotten, and the newest comes last.
    """
    a, b, c, d = ZERO, ZERO, ZERO, ZERO
    last, whole = len(held) - 1, len(held) // 4 * 4
    for m in range(0, whole, 4):
        first, second, third = held[m + 1], held[m + 2], held[m + 3]
        fourth = held[m + 4] if m + 3 < last else newest
        held[m], held[m + 1], held[m + 2], held[m + 3] = first, second, third, fourth
        a += first * weights[m]
        b += second * weights[m + 1]
        c += third * weights[m + 2]
        d += fourth * weights[m + 3]
    total = ZERO + (((a + b) + c) + d)
    for m in range(whole, last + 1):
        value = held[m + 1] if m < last else newest
        held[m] = value
        total += value * weights[m]
    return total


@njit
def total_by_fours(x: NDArray[Any]) -> Number:
    """The same of numbers that need no weights."""
    a, b, c, d = ZERO, ZERO, ZERO, ZERO
    whole = len(x) // 4 * 4
    for m in range(0, whole, 4):
        a += x[m]
        b += x[m + 1]
        c += x[m + 2]
        d += x[m + 3]
    total = ZERO + (((a + b) + c) + d)
    for m in range(whole, len(x)):
        total += x[m]
    return total
