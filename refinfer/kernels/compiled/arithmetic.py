"""Floats, number by number and along the last dimension; and the larger or smaller of bytes.

Loops are as plain as the formulas. A limit is taken with a comparison, so that NaN stays, as numpy's tier has it.
"""

from __future__ import annotations

import numpy as np

from refinfer.kernels.compiled.functions import ONE, ZERO, of_c, sigmoid
from refinfer.kernels.compiled.jit import float32s, int8s, njit
from refinfer.kernels.compiled.records import (
    ABSOLUTE,
    ADDED,
    DIVIDED,
    DOWNWARDS,
    ELU,
    HARD_SWISH,
    LARGER,
    LEAKY,
    LIMITED,
    MULTIPLIED,
    NEGATIVE,
    OF_C,
    RSQRT,
    SIGMOID,
    SLOPED,
    SMALLER,
    SQUARE_ROOT,
    SQUARED,
    SQUARED_DIFFERENCE,
    SUBTRACTED,
    UPWARDS,
)

THREE, SIX = np.float32(3), np.float32(6)


@njit
def combine_floats(operation: int, first: int, second: int, count: int, limits: int, output: int) -> None:
    """y = limit(a + b), or of another operation"""
    a, b, y = float32s(first, count), float32s(second, count), float32s(output, count)
    low, high = float32s(limits, 2)[0], float32s(limits, 2)[1]
    if operation == ADDED:
        for i in range(count):
            y[i] = a[i] + b[i]
    elif operation == SUBTRACTED:
        for i in range(count):
            y[i] = a[i] - b[i]
    elif operation == MULTIPLIED:
        for i in range(count):
            y[i] = a[i] * b[i]
    elif operation == DIVIDED:
        for i in range(count):
            y[i] = a[i] / b[i]
    elif operation == LARGER:
        for i in range(count):
            y[i] = a[i] if a[i] > b[i] else b[i]
    elif operation == SMALLER:
        for i in range(count):
            y[i] = a[i] if a[i] < b[i] else b[i]
    elif operation == SQUARED_DIFFERENCE:
        for i in range(count):
            y[i] = (a[i] - b[i]) * (a[i] - b[i])
    elif operation == SLOPED:
        for i in range(count):
            y[i] = a[i] if a[i] >= ZERO else a[i] * b[i]
    for i in range(count):
        x = low if y[i] < low else y[i]
        y[i] = high if x > high else x


@njit
def map_floats(operation: int, source: int, count: int, parameters: int, function: int, output: int) -> None:
    """y = f(x), with up to two parameters, and a function of the C library"""
    x, y = float32s(source, count), float32s(output, count)
    p, q = float32s(parameters, 2)[0], float32s(parameters, 2)[1]
    if operation == LIMITED:
        for i in range(count):
            limited = p if x[i] < p else x[i]
            y[i] = q if limited > q else limited
    elif operation == LEAKY:
        for i in range(count):
            y[i] = x[i] if x[i] > ZERO else x[i] * p
    elif operation == NEGATIVE:
        for i in range(count):
            y[i] = -x[i]
    elif operation == ABSOLUTE:
        for i in range(count):
            y[i] = abs(x[i])
    elif operation == SQUARED:
        for i in range(count):
            y[i] = x[i] * x[i]
    elif operation == DOWNWARDS:
        for i in range(count):
            y[i] = np.floor(x[i])
    elif operation == UPWARDS:
        for i in range(count):
            y[i] = np.ceil(x[i])
    elif operation == SQUARE_ROOT:
        for i in range(count):
            y[i] = np.sqrt(x[i])
    elif operation == RSQRT:
        for i in range(count):
            y[i] = ONE / np.sqrt(x[i])
    elif operation == HARD_SWISH:
        for i in range(count):
            shifted = x[i] + THREE
            gate = (shifted if shifted < SIX else SIX) if shifted > ZERO else ZERO
            y[i] = x[i] * gate / SIX
    elif operation == SIGMOID:
        sigmoid(source, count, function, output)
    elif operation == ELU:
        for i in range(count):
            y[i] = of_c(function, x[i]) if x[i] < ZERO else x[i]
    elif operation == OF_C:
        for i in range(count):
            y[i] = of_c(function, x[i])


@njit
def softmax_floats(source: int, rows: int, depth: int, parameters: int, expf: int, logf: int, output: int) -> None:
    """y = exp(beta * (x - max)) / sum of exp(beta * (x - max)), summed in order; parameters: beta, the least float

    With `logf` it is the logarithm: x - max - log(sum).
    """
    beta, least = float32s(parameters, 2)[0], float32s(parameters, 2)[1]
    for r in range(rows):
        x, y = float32s(source + 4 * depth * r, depth), float32s(output + 4 * depth * r, depth)
        largest = least
        for i in range(depth):
            largest = x[i] if x[i] > largest else largest
        total = ZERO
        for i in range(depth):
            y[i] = of_c(expf, (x[i] - largest) * beta)
            total += y[i]
        if logf:
            log = of_c(logf, total)
            for i in range(depth):
                y[i] = x[i] - largest - log
        else:
            for i in range(depth):
                y[i] = y[i] / total


@njit
def extreme_bytes(is_larger: int, first: int, second: int, count: int, output: int) -> None:
    """y = max(a, b), or min(a, b), of int8"""
    a, b, y = int8s(first, count), int8s(second, count), int8s(output, count)
    if is_larger:
        for i in range(count):
            y[i] = max(a[i], b[i])
    else:
        for i in range(count):
            y[i] = min(a[i], b[i])
