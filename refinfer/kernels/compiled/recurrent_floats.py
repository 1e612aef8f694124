"""LSTMs of floats, step by step: sums in the order of C's loops, or in that of the library Eigen (see eigen.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.floats import FLOAT, FLOATS, ZEROS, multiply_floats
from refinfer.kernels.compiled.functions import apply_c, sigmoid, sigmoid_of_eigen, tanh_of_eigen
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, as_array, float32s, njit
from refinfer.kernels.compiled.memory import clear, copy
from refinfer.kernels.compiled.vectors import counted, generated, load, splat, store, word


def row_by_fours(vectors: int) -> Any:
    """Sums for so many vectors of channels, each of four sums: those of every fourth number of x.

    It takes (x, fours, weights, stride, sums): so many times four numbers, at least once.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        x, fours, weights, stride, sums = arguments
        before = builder.block
        with counted(builder, fours) as k:
            totals = [builder.phi(FLOATS) for _ in range(4 * vectors)]
            number, place = builder.mul(k, word(16)), builder.mul(k, word(16 * LANES))
            results = []
            for i, total in enumerate(totals):
                v, way = divmod(i, 4)
                here = builder.add(builder.add(weights, builder.mul(stride, word(v))), place)
                w = load(builder, builder.add(here, word(4 * LANES * way)), FLOATS)
                one = load(builder, builder.add(builder.add(x, number), word(4 * way)), FLOAT)
                results.append(builder.fadd(total, builder.fmul(splat(builder, one, LANES), w)))
            for total, result in zip(totals, results, strict=True):
                total.add_incoming(ZEROS, before)
                total.add_incoming(result, builder.block)
        for v in range(vectors):
            a, b, c, d = results[4 * v : 4 * v + 4]
            total = builder.fadd(builder.fadd(a, c), builder.fadd(b, d))
            store(builder, total, builder.add(sums, word(4 * LANES * v)))

    def plain(arguments: Sequence[int]) -> None:
        x, fours, weights, stride, sums = (int(each) for each in arguments)
        numbers = as_array(x, 4 * fours, np.float32)
        for v in range(vectors):
            w = as_array(weights + v * stride, 4 * fours * LANES, np.float32).reshape(fours, 4, LANES)
            total = np.zeros((4, LANES), np.float32)
            for k in range(fours):
                total += numbers[4 * k : 4 * k + 4, None] * w[k]
            as_array(sums + 4 * LANES * v, LANES, np.float32)[:] = (total[0] + total[2]) + (total[1] + total[3])

    return plain if INTERPRETED else generated(5, body)


two_by_fours, one_by_fours = row_by_fours(2), row_by_fours(1)


@njit
def add_by_fours(x: int, depth: int, weights: int, vectors: int, start: int, limits: int, output: int) -> None:
    """output = limit(start + W x), as `eigen.dot_products` sums; just `start` where x is all zeros."""
    numbers = float32s(x, depth)
    is_zero = True
    for k in range(depth):
        is_zero = is_zero and numbers[k] == 0
    if is_zero:
        copy(start, 4 * LANES * vectors, output)
        return
    fours, stride = depth // 4, 4 * LANES * depth
    low, high = float32s(limits, 2)[0], float32s(limits, 2)[1]
    v = 0
    while v < vectors:
        count = 2 if v + 2 <= vectors else 1
        w, there = weights + stride * v, output + 4 * LANES * v
        if fours == 0:
            clear(there, 4 * LANES * count)
        elif count == 2:
            two_by_fours((x, fours, w, stride, there))
        else:
            one_by_fours((x, fours, w, stride, there))
        v += count
    for v in range(vectors):
        total, before = float32s(output + 4 * LANES * v, LANES), float32s(start + 4 * LANES * v, LANES)
        for k in range(4 * fours, depth):
            w_of_k = float32s(weights + stride * v + 4 * LANES * k, LANES)
            for j in range(LANES):
                total[j] += numbers[k] * w_of_k[j]
        for j in range(LANES):
            value = total[j] + before[j]
            value = low if value < low else value
            total[j] = high if value > high else value


@njit
def lstm_floats(
    source: int,
    batches: int,
    times: int,
    batch_step: int,
    time_step: int,
    depth: int,
    cells: int,
    is_eigen: int,
    weights: int,
    recurrent: int,
    vectors: int,
    bias: int,
    limits: int,
    expf: int,
    tanhf: int,
    hidden: int,
    state: int,
    output: int,
    taps: int,
    first: int,
    gates: int,
    squashed: int,
) -> None:
    """c = f * c + i * g; h = o * tanh(c), for gates i, f, g, o, which are (W x + b) + R h.

    `limits` are those of sums, then those of the state. Rows are as in recurrent.py.
    """
    low, high = float32s(limits, 4)[2], float32s(limits, 4)[3]
    f, g, o = 4 * cells, 8 * cells, 12 * cells  # bytes from the sum of the gate i to that of the others
    of_i, of_f = float32s(first, cells), float32s(first + f, cells)
    of_g, of_o = float32s(first + g, cells), float32s(first + o, cells)
    of_c = float32s(squashed, cells)
    for b in range(batches):
        c, h = float32s(state + 4 * cells * b, cells), float32s(hidden + 4 * cells * b, cells)
        here = hidden + 4 * cells * b
        for t in range(times):
            row = b * batch_step + t * time_step
            x = source + 4 * depth * row
            if is_eigen:
                add_by_fours(x, depth, weights, vectors, bias, limits, first)
                add_by_fours(here, cells, recurrent, vectors, first, limits, gates)
                place = b * cells
                sigmoid_of_eigen(gates, cells, place, expf, first)
                sigmoid_of_eigen(gates + f, cells, place + 2 * batches * cells, expf, first + f)
                tanh_of_eigen(gates + g, cells, first + g)
                sigmoid_of_eigen(gates + o, cells, place + 3 * batches * cells, expf, first + o)
            else:
                multiply_floats(x, taps, 1, taps, depth, weights, vectors, bias, limits, first, 0, 0)
                multiply_floats(here, taps, 1, taps, cells, recurrent, vectors, first, limits, gates, 0, 0)
                sigmoid(gates, 2 * cells, expf, first)
                apply_c(gates + g, cells, tanhf, first + g)
                sigmoid(gates + o, cells, expf, first + o)
            for k in range(cells):
                new = c[k] * of_f[k] + of_i[k] * of_g[k]
                new = low if new < low else new
                c[k] = high if new > high else new
            if is_eigen:
                tanh_of_eigen(state + 4 * cells * b, cells, squashed)
            else:
                apply_c(state + 4 * cells * b, cells, tanhf, squashed)
            y = float32s(output + 4 * cells * row, cells)
            for k in range(cells):
                new = of_o[k] * of_c[k]
                h[k] = new
                y[k] = new
