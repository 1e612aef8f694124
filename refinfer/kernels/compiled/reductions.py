"""Along the middle one of three dimensions: sums, means, extremes, and where an extreme is."""

from __future__ import annotations

import numpy as np

from refinfer.kernels.compiled.jit import float32s, int8s, int32s, int64s, njit, uint8s
from refinfer.kernels.compiled.memory import copy
from refinfer.kernels.compiled.records import ADDED, LARGER


@njit
def reduce_floats(
    operation: int, source: int, outer: int, number: int, inner: int, parameters: int, from_first: int, output: int
) -> None:
    """y[o, i] = start + x[o, 0, i] + x[o, 1, i] + …, divided; or the larger or smaller of them, in that order

    `parameters` are the start and the divisor. Where it begins `from_first`, x[o, 0, i] is the start.
    """
    start, divisor = float32s(parameters, 2)[0], float32s(parameters, 2)[1]
    for o in range(outer):
        here, y = source + 4 * inner * number * o, float32s(output + 4 * inner * o, inner)
        first = float32s(here, inner)
        for i in range(inner):
            y[i] = first[i] if from_first else start
        for n in range(1 if from_first else 0, number):
            x = float32s(here + 4 * inner * n, inner)
            if operation == ADDED:
                for i in range(inner):
                    y[i] += x[i]
            elif operation == LARGER:
                for i in range(inner):
                    y[i] = x[i] if x[i] > y[i] else y[i]
            else:
                for i in range(inner):
                    y[i] = x[i] if x[i] < y[i] else y[i]
        if operation == ADDED:
            for i in range(inner):
                y[i] = y[i] / divisor


@njit
def extreme_along(is_larger: int, source: int, outer: int, number: int, inner: int, output: int) -> None:
    """y[o, i] = max(x[o, 0, i], x[o, 1, i], …), or min, of int8"""
    for o in range(outer):
        here, there = source + inner * number * o, output + inner * o
        copy(here, inner, there)
        y = int8s(there, inner)
        for n in range(1, number):
            x = int8s(here + inner * n, inner)
            if is_larger:
                for i in range(inner):
                    y[i] = max(x[i], y[i])
            else:
                for i in range(inner):
                    y[i] = min(x[i], y[i])


@njit
def index_along(
    is_larger: int, is_signed: int, source: int, outer: int, number: int, inner: int, output: int, size: int
) -> None:
    """y[o, i] = the first n for which x[o, n, i] is the largest, or the smallest, of bytes; an index has `size` bytes

    What is looked for is always the largest: of bytes whose bits are turned round, that is the smallest.
    """
    turned = np.uint8((128 if is_signed else 0) ^ (0 if is_larger else 255))
    for o in range(outer):
        for i in range(inner):
            x = uint8s(source + inner * number * o + i, 1 + (number - 1) * inner)
            best, index = x[0] ^ turned, 0
            for n in range(1, number):
                each = x[n * inner] ^ turned
                index = n if each > best else index
                best = max(each, best)
            if size == 4:
                int32s(output + 4 * (inner * o + i), 1)[0] = np.int32(index)
            else:
                int64s(output + 8 * (inner * o + i), 1)[0] = index
