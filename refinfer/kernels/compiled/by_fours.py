"""Rows of floats times a matrix as runtimes for SSE and NEON add: four sums, which are folded; then what is left over.

The library Eigen folds them in pairs, and then adds what the product is added to (eigen.py); LiteRT's kernels for NEON
add one after the other to that, and then the rest (neon.py). Outputs do not wait for each other: lanes are channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.floats import FLOAT, FLOATS, ZEROS, activated, plain_activated
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, as_array, int32s, njit
from refinfer.kernels.compiled.memory import copy
from refinfer.kernels.compiled.vectors import I64, generated, load, splat, store, word

MAGNITUDE = np.int32(2**31 - 1)


def row_by_fours(vectors: int, is_eigen: bool) -> Any:
    """Outputs of one row for so many vectors of channels.

    It takes (x, fours, rest, weights, stride, start, limits, output): x has so many times four numbers, and so many
    more. The limits are for Eigen's.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        x, fours, rest, weights, stride, start, limits, output = arguments
        places = [builder.add(weights, builder.mul(stride, word(v))) for v in range(vectors)]
        before = [load(builder, builder.add(start, word(4 * LANES * v)), FLOATS) for v in range(vectors)]
        sums = sums_of_products(builder, x, fours, places, [[ZEROS] * 4] * vectors)
        add = builder.fadd
        if is_eigen:
            totals = [add(add(a, c), add(b, d)) for a, b, c, d in sums]
        else:
            totals = [add(each, add(add(add(a, b), c), d)) for each, (a, b, c, d) in zip(before, sums, strict=True)]
        x = builder.add(x, builder.mul(fours, word(16)))
        places = [builder.add(place, builder.mul(fours, word(16 * LANES))) for place in places]
        totals = [each for (each,) in sums_of_products(builder, x, rest, places, [[each] for each in totals])]
        for v, total in enumerate(totals):
            y = activated(builder, total, before[v], limits) if is_eigen else total
            store(builder, y, builder.add(output, word(4 * LANES * v)))

    def plain(arguments: Sequence[int]) -> None:
        x, fours, rest, weights, stride, start, limits, output = (int(each) for each in arguments)
        depth = 4 * fours + rest
        numbers = as_array(x, depth, np.float32)
        for v in range(vectors):
            w = as_array(weights + v * stride, depth * LANES, np.float32).reshape(depth, LANES)
            before = as_array(start + 4 * LANES * v, LANES, np.float32)
            a, b, c, d = sums = np.zeros((4, LANES), np.float32)
            for k in range(0, 4 * fours, 4):
                sums += numbers[k : k + 4, None] * w[k : k + 4]
            total = (a + c) + (b + d) if is_eigen else before + (((a + b) + c) + d)
            for k in range(4 * fours, depth):
                total = total + numbers[k] * w[k]
            y = plain_activated(total, start + 4 * LANES * v, limits) if is_eigen else total
            as_array(output + 4 * LANES * v, LANES, np.float32)[:] = y

    return plain if INTERPRETED else generated(8, body)


def sums_of_products(
    builder: ir.IRBuilder,
    x: ir.Value,
    turns: ir.Value,
    places: Sequence[ir.Value],
    starts: Sequence[Sequence[ir.Value]],
) -> list[list[ir.Value]]:
    """For each vector of channels, whose weights begin at these places, some sums, which take turns; maybe none."""
    ways = len(starts[0])
    before, loop, inside, after = builder.block, *(builder.append_basic_block() for _ in range(3))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(I64)
    totals = [[builder.phi(FLOATS) for _ in range(ways)] for _ in places]
    builder.cbranch(builder.icmp_signed("<", k, turns), inside, after)
    builder.position_at_end(inside)
    number, shift = builder.mul(k, word(4 * ways)), builder.mul(k, word(4 * ways * LANES))
    ones = [load(builder, builder.add(builder.add(x, number), word(4 * way)), FLOAT) for way in range(ways)]
    for place, of_vector, of_start in zip(places, totals, starts, strict=True):
        here = builder.add(place, shift)
        for way, (total, start) in enumerate(zip(of_vector, of_start, strict=True)):
            w = load(builder, builder.add(here, word(4 * LANES * way)), FLOATS)
            total.add_incoming(start, before)
            total.add_incoming(builder.fadd(total, builder.fmul(splat(builder, ones[way], LANES), w)), inside)
    k.add_incoming(word(0), before)
    k.add_incoming(builder.add(k, word(1)), inside)
    builder.branch(loop)
    builder.position_at_end(after)
    return totals


two_as_eigen, one_as_eigen = row_by_fours(2, is_eigen=True), row_by_fours(1, is_eigen=True)
two_as_neon, one_as_neon = row_by_fours(2, is_eigen=False), row_by_fours(1, is_eigen=False)


@njit
def add_by_fours(
    x: int, depth: int, weights: int, vectors: int, start: int, limits: int, output: int, is_eigen: int, turned: int
) -> None:
    """output = start + W x; just `start` where Eigen is given an x that is all zeros.

    If every other call is `turned`, it begins with the weights that the one before ended with, which are in the cache.
    """
    if is_eigen and are_zeros(x, depth):
        copy(start, 4 * LANES * vectors, output)
        return
    fours, rest, stride = depth // 4, depth % 4, 4 * LANES * depth
    turns = (vectors + 1) // 2
    for turn in range(turns):
        v = 2 * (turns - 1 - turn if turned else turn)
        w, before, there = weights + stride * v, start + 4 * LANES * v, output + 4 * LANES * v
        if v + 2 <= vectors:
            if is_eigen:
                two_as_eigen((x, fours, rest, w, stride, before, limits, there))
            else:
                two_as_neon((x, fours, rest, w, stride, before, limits, there))
        elif is_eigen:
            one_as_eigen((x, fours, rest, w, stride, before, limits, there))
        else:
            one_as_neon((x, fours, rest, w, stride, before, limits, there))


@njit
def are_zeros(x: int, count: int) -> bool:
    """Whether all floats are 0, whatever their sign."""
    bits, found = int32s(x, count), np.int32(0)
    for i in range(count):
        found |= bits[i] & MAGNITUDE
    return found == 0


@njit
def rows_by_fours(
    source: int,
    rows: int,
    depth: int,
    weights: int,
    vectors: int,
    bias: int,
    limits: int,
    output: int,
    row_bytes: int,
    is_eigen: int,
) -> None:
    """output[r] = bias + W x[r]"""
    for r in range(rows):
        here, there = source + 4 * depth * r, output + row_bytes * r
        add_by_fours(here, depth, weights, vectors, bias, limits, there, is_eigen, r % 2)
