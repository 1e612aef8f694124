"""LSTMs of floats, step by step; the products with the inputs of all steps are made before, as in recurrent.py.

How floats are multiplied and added is told by `product`: in the order of C's loops, in that of the library Eigen (see
eigen.py), or as integers where the weights are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.floats import FLOAT, FLOATS, ZEROS, activated, multiply_floats, plain_activated
from refinfer.kernels.compiled.functions import apply_c, sigmoid, sigmoid_of_eigen, tanh_of_eigen
from refinfer.kernels.compiled.hybrid import extremes, quantize_row, scale_of
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, as_array, float32s, int32s, njit
from refinfer.kernels.compiled.memory import copy
from refinfer.kernels.compiled.multiply import multiply_by_bytes
from refinfer.kernels.compiled.records import BY_FOURS, IN_ORDER, QUANTIZED
from refinfer.kernels.compiled.vectors import counted, generated, load, splat, store, word

MAGNITUDE = np.int32(2**31 - 1)


def row_by_fours(vectors: int, has_fours: bool, has_rest: bool) -> Any:
    """Sums for so many vectors of channels, each of four sums, which are folded; then comes what is left over.

    It takes (x, fours, rest, weights, stride, start, limits, output): x has so many times four numbers, and so many
    more; either is at least 1, or left out altogether.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        x, fours, rest, weights, stride, start, limits, output = arguments
        places = [builder.add(weights, builder.mul(stride, word(v))) for v in range(vectors)]
        totals = [ZEROS] * vectors
        if has_fours:
            sums = sums_of_products(builder, x, fours, places, 4)
            totals = [builder.fadd(builder.fadd(a, c), builder.fadd(b, d)) for a, b, c, d in sums]
        if has_rest:
            x = builder.add(x, builder.mul(fours, word(16)))
            places = [builder.add(place, builder.mul(fours, word(16 * LANES))) for place in places]
            totals = [each for (each,) in sums_of_products(builder, x, rest, places, 1, totals)]
        for v, total in enumerate(totals):
            before = load(builder, builder.add(start, word(4 * LANES * v)), FLOATS)
            store(builder, activated(builder, total, before, limits), builder.add(output, word(4 * LANES * v)))

    def plain(arguments: Sequence[int]) -> None:
        x, fours, rest, weights, stride, start, limits, output = (int(each) for each in arguments)
        depth = 4 * fours + rest
        numbers = as_array(x, depth, np.float32)
        for v in range(vectors):
            w = as_array(weights + v * stride, depth * LANES, np.float32).reshape(depth, LANES)
            sums = np.zeros((4, LANES), np.float32)
            for k in range(0, 4 * fours, 4):
                sums += numbers[k : k + 4, None] * w[k : k + 4]
            total = (sums[0] + sums[2]) + (sums[1] + sums[3])
            for k in range(4 * fours, depth):
                total += numbers[k] * w[k]
            y = plain_activated(total, start + 4 * LANES * v, limits)
            as_array(output + 4 * LANES * v, LANES, np.float32)[:] = y

    return plain if INTERPRETED else generated(8, body)


def sums_of_products(
    builder: ir.IRBuilder,
    x: ir.Value,
    turns: ir.Value,
    places: Sequence[ir.Value],
    ways: int,
    starts: Sequence[ir.Value] = (),
) -> list[list[ir.Value]]:
    """For each vector of channels, whose weights begin at these places, the sums of every so many numbers of x."""
    before = builder.block
    with counted(builder, turns) as k:
        totals = [[builder.phi(FLOATS) for _ in range(ways)] for _ in places]
        number, shift = builder.mul(k, word(4 * ways)), builder.mul(k, word(4 * ways * LANES))
        ones = [load(builder, builder.add(builder.add(x, number), word(4 * way)), FLOAT) for way in range(ways)]
        results = []
        for place, of_vector in zip(places, totals, strict=True):
            here = builder.add(place, shift)
            w = [load(builder, builder.add(here, word(4 * LANES * way)), FLOATS) for way in range(ways)]
            products = [builder.fmul(splat(builder, ones[way], LANES), w[way]) for way in range(ways)]
            results.append([builder.fadd(a, b) for a, b in zip(of_vector, products, strict=True)])
        for v, (of_vector, result) in enumerate(zip(totals, results, strict=True)):
            for total, new in zip(of_vector, result, strict=True):
                total.add_incoming(starts[v] if starts else ZEROS, before)
                total.add_incoming(new, builder.block)
    return results


two_by_fours, one_by_fours = row_by_fours(2, True, False), row_by_fours(1, True, False)
two_with_rest, one_with_rest = row_by_fours(2, True, True), row_by_fours(1, True, True)
two_of_few, one_of_few = row_by_fours(2, False, True), row_by_fours(1, False, True)


@njit
def add_by_fours(
    x: int, depth: int, weights: int, vectors: int, start: int, limits: int, output: int, turned: int
) -> None:
    """output = limit(start + W x), as `eigen.dot_products` sums; just `start` where x is all zeros.

    If every other call is `turned`, it begins with the weights that the one before ended with, which are in the cache.
    """
    if are_zeros(x, depth):
        copy(start, 4 * LANES * vectors, output)
        return
    fours, rest, stride = depth // 4, depth % 4, 4 * LANES * depth
    turns = (vectors + 1) // 2
    for turn in range(turns):
        v = 2 * (turns - 1 - turn if turned else turn)
        w, before, there = weights + stride * v, start + 4 * LANES * v, output + 4 * LANES * v
        if v + 2 <= vectors:
            if rest == 0:
                two_by_fours((x, fours, rest, w, stride, before, limits, there))
            elif fours > 0:
                two_with_rest((x, fours, rest, w, stride, before, limits, there))
            else:
                two_of_few((x, fours, rest, w, stride, before, limits, there))
        elif rest == 0:
            one_by_fours((x, fours, rest, w, stride, before, limits, there))
        elif fours > 0:
            one_with_rest((x, fours, rest, w, stride, before, limits, there))
        else:
            one_of_few((x, fours, rest, w, stride, before, limits, there))


@njit
def are_zeros(x: int, count: int) -> bool:
    """Whether all floats are 0, whatever their sign."""
    bits, found = int32s(x, count), np.int32(0)
    for i in range(count):
        found |= bits[i] & MAGNITUDE
    return found == 0


@njit
def rows_by_fours(
    source: int, rows: int, depth: int, weights: int, vectors: int, bias: int, limits: int, output: int, row_bytes: int
) -> None:
    """output[r] = limit(bias + W x[r]), each row as `add_by_fours` has it."""
    for r in range(rows):
        add_by_fours(source + 4 * depth * r, depth, weights, vectors, bias, limits, output + row_bytes * r, r % 2)


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
                add_by_fours(here, cells, recurrent, vectors, before, limits, gates, t % 2)
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
