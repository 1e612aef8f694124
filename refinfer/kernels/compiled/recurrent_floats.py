"""LSTMs and RNNs of floats, step by step; the products with all inputs are made before, as in recurrent.py.

How floats are multiplied and added is told by `product`: in the order of C's loops, by fours (by_fours.py), or as
integers where the weights are.
"""

from __future__ import annotations

import numpy as np

from refinfer.kernels.compiled.by_fours import add_by_fours
from refinfer.kernels.compiled.floats import multiply_floats
from refinfer.kernels.compiled.functions import activate, apply_c, sigmoid, sigmoid_of_eigen, tanh_of_eigen
from refinfer.kernels.compiled.hybrid import extremes, quantize_row, scale_of
from refinfer.kernels.compiled.jit import LANES, float32s, int32s, njit
from refinfer.kernels.compiled.memory import copy
from refinfer.kernels.compiled.multiply import multiply_by_bytes
from refinfer.kernels.compiled.records import BY_FOURS, IN_ORDER, QUANTIZED


@njit
def add_quantized(
    x: int,
    depth: int,
    weights: int,
    vectors: int,
    scales: int,
    has_zero_point: int,
    start: int,
    output: int,
    taps: int,
    pairs: int,
    quantized: int,
    sums: int,
) -> None:
    """output = start + (W q) * (scale of x * scale of the channel), where q is x quantized"""
    low, high = extremes(int32s(x, depth))
    scale, inverse, least, largest = scale_of(low, high, has_zero_point)
    quantize_row(x, depth, 0, depth, inverse, least, largest, quantized)
    multiply_by_bytes(quantized, taps, pairs, weights, vectors, sums)
    channels = LANES * vectors
    total, of_channel = int32s(sums, channels), float32s(scales, channels)
    before, out = float32s(start, channels), float32s(output, channels)
    for i in range(channels):
        out[i] = before[i] + np.float32(total[i]) * (scale * of_channel[i])


@njit
def lstm_floats(
    start: int,
    batches: int,
    times: int,
    batch_step: int,
    time_step: int,
    cells: int,
    product: int,
    recurrent: int,
    vectors: int,
    scales: int,
    has_zero_point: int,
    limits: int,
    expf: int,
    tanhf: int,
    hidden: int,
    state: int,
    output: int,
    taps: int,
    pairs: int,
    quantized: int,
    sums: int,
    gates: int,
    active: int,
    squashed: int,
) -> None:
    """c = f * c + i * g; h = o * tanh(c), for gates i, f, g, o whose sums are `start` and the product with h.

    `limits` are those of sums, then those of the state. Rows are as in recurrent.py.
    """
    low, high = float32s(limits, 4)[2], float32s(limits, 4)[3]
    f, g, o = 4 * cells, 8 * cells, 12 * cells  # bytes from the sum of the gate i to that of the others
    of_i, of_f = float32s(active, cells), float32s(active + f, cells)
    of_g, of_o = float32s(active + g, cells), float32s(active + o, cells)
    of_c = float32s(squashed, cells)
    for b in range(batches):
        c, h = float32s(state + 4 * cells * b, cells), float32s(hidden + 4 * cells * b, cells)
        here = hidden + 4 * cells * b
        for t in range(times):
            row = b * batch_step + t * time_step
            before = start + 16 * cells * row
            if product == BY_FOURS:
                add_by_fours(here, cells, recurrent, vectors, before, limits, gates, 1, t % 2)
            elif product == QUANTIZED:
                add_quantized(
                    here, cells, recurrent, vectors, scales, has_zero_point, before, gates, taps, pairs, quantized, sums
                )
            else:
                multiply_floats(here, taps, 1, taps, cells, recurrent, vectors, before, limits, gates, 0, 0)
            if product == IN_ORDER:
                sigmoid(gates, 2 * cells, expf, active)
                apply_c(gates + g, cells, tanhf, active + g)
                sigmoid(gates + o, cells, expf, active + o)
            else:
                place = b * cells
                sigmoid_of_eigen(gates, cells, place, expf, active)
                sigmoid_of_eigen(gates + f, cells, place + 2 * batches * cells, expf, active + f)
                tanh_of_eigen(gates + g, cells, active + g)
                sigmoid_of_eigen(gates + o, cells, place + 3 * batches * cells, expf, active + o)
            for k in range(cells):
                new = c[k] * of_f[k] + of_i[k] * of_g[k]
                new = low if new < low else new
                c[k] = high if new > high else new
            if product == IN_ORDER:
                apply_c(state + 4 * cells * b, cells, tanhf, squashed)
            else:
                tanh_of_eigen(state + 4 * cells * b, cells, squashed)
            y = float32s(output + 4 * cells * row, cells)
            for k in range(cells):
                new = of_o[k] * of_c[k]
                h[k] = new
                y[k] = new


@njit
def rnn(
    start: int,
    batches: int,
    times: int,
    batch_step: int,
    time_step: int,
    units: int,
    product: int,
    recurrent: int,
    vectors: int,
    scales: int,
    has_zero_point: int,
    activation: int,
    limits: int,
    hidden: int,
    output: int,
    taps: int,
    pairs: int,
    quantized: int,
    sums: int,
    total: int,
) -> None:
    """h = activation(start + R h), for all rows of `start`, which are as in recurrent.py"""
    for b in range(batches):
        here = hidden + 4 * units * b
        for t in range(times):
            row = b * batch_step + t * time_step
            before = start + 4 * units * row
            if product == BY_FOURS:
                add_by_fours(here, units, recurrent, vectors, before, limits, total, 0, t % 2)
            else:
                add_quantized(
                    here, units, recurrent, vectors, scales, has_zero_point, before, total, taps, pairs, quantized, sums
                )
            activate(total, units, activation, limits, 0)
            copy(total, 4 * units, here)
            copy(total, 4 * units, output + 4 * units * row)
