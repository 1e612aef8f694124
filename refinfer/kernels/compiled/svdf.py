"""SVDF of integers: what each filter remembers, weighed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refinfer.kernels.compiled.jit import LANES, Number, int8s, int16s, int32s, njit
from refinfer.kernels.compiled.records import FIXED
from refinfer.kernels.compiled.requantize import requantize_row

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
