"""The microkernel: sums of products for a tile of outputs, all of them held in registers.

    sum[r, v] = sum over pairs k of x[r, 2k] * w[v, 2k] + x[r, 2k + 1] * w[v, 2k + 1]

A row r is one output pixel (or one row of a matrix), v counts output channels. Where a row's numbers lie is told by two
tables of bytes: `starts` where the window of each row begins, and `taps` where each pair lies within a window. So a
convolution multiplies the image where it lies, whatever its stride, dilation or shape, and nothing is copied.

Weights come packed in the order in which they are read, one stretch of memory for all channels of a tile: for each
pair, for each vector of LANES channels, LANES times two numbers. A step of the loop takes one pair of each row, the
same to all lanes, and a vector of pairs for each LANES channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.jit import INTERPRETED, LANES, ROWS, as_array, njit
from refinfer.kernels.compiled.vectors import (
    I8,
    I16,
    I32,
    I64,
    add_products_of_pairs,
    all_lanes,
    generated,
    load,
    splat,
    store,
    word,
)


def tile(rows: int, vectors: int, weight_bytes: int, turns: int = 1) -> Any:
    """The microkernel for so many rows and vectors of channels, with weights of one byte or two.

    It takes (images, starts, taps, pairs, weights, sums): addresses, but for `pairs`, the number of pairs, which is at
    least one and a multiple of `turns`. `sums` are int32, row after row. A processor begins a sum long before the one
    before it is finished, but not if it needs that one's result; where a tile has few sums, steps take turns at several
    of each, which are added up at the end.
    """
    sums_each = rows * vectors

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        images, starts, taps, pairs, weights, sums = arguments
        begin = [builder.add(images, load(builder, builder.add(starts, word(8 * r)), I64)) for r in range(rows)]
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        first = builder.phi(I64)
        totals = [builder.phi(ir.VectorType(I32, LANES)) for _ in range(turns * sums_each)]
        results = []
        for turn in range(turns):
            k = builder.add(first, word(turn))
            w = weights_of_step(builder, weights, k, vectors, weight_bytes)
            tap = load(builder, builder.add(taps, builder.mul(k, word(8))), I64)
            x = [pair_in_all_lanes(builder, builder.add(each, tap)) for each in begin]
            for i, total in enumerate(totals[turn * sums_each :][:sums_each]):
                results.append(add_products_of_pairs(builder, total, x[i // vectors], w[i % vectors]))
        following = builder.add(first, word(turns))
        first.add_incoming(word(0), before)
        first.add_incoming(following, loop)
        for total, result in zip(totals, results, strict=True):
            total.add_incoming(all_lanes(0), before)
            total.add_incoming(result, loop)
        builder.cbranch(builder.icmp_signed("<", following, pairs), loop, after)
        builder.position_at_end(after)
        for i in range(sums_each):
            store(builder, reduce(builder.add, results[i::sums_each]), builder.add(sums, word(4 * LANES * i)))

    return generated(6, body) if not INTERPRETED else plain_tile(rows, vectors, weight_bytes)


def weights_of_step(
    builder: ir.IRBuilder, weights: ir.Value, k: ir.Value, vectors: int, weight_bytes: int
) -> list[ir.Value]:
    """The vectors of pairs of int16 of a step, which may be stored as int8."""
    nbytes, stored = 2 * LANES * weight_bytes, ir.VectorType(I8 if weight_bytes == 1 else I16, 2 * LANES)
    place = builder.add(weights, builder.mul(k, word(nbytes * vectors)))
    loaded = [load(builder, builder.add(place, word(nbytes * v)), stored) for v in range(vectors)]
    return [builder.sext(each, ir.VectorType(I16, 2 * LANES)) if weight_bytes == 1 else each for each in loaded]


def pair_in_all_lanes(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Two int16 that lie beside each other, LANES times."""
    return builder.bitcast(splat(builder, load(builder, address, I32), LANES), ir.VectorType(I16, 2 * LANES))


def plain_tile(rows: int, vectors: int, weight_bytes: int) -> Any:
    """The same in plain Python."""
    dtype = np.int8 if weight_bytes == 1 else np.int16

    def call(arguments: Sequence[int]) -> None:
        images, starts, taps, pairs, weights, sums = (int(each) for each in arguments)
        totals = as_array(sums, rows * vectors * LANES, np.int32).reshape(rows, vectors, LANES)
        w = as_array(weights, pairs * vectors * LANES * 2, dtype).reshape(pairs, vectors, LANES, 2)
        for r, start in enumerate(as_array(starts, rows, np.int64)):
            places = [images + int(start + tap) for tap in as_array(taps, pairs, np.int64)]
            x = np.stack([as_array(place, 2, np.int16) for place in places]).astype(np.int32)
            totals[r] = (x[:, None, None] * w).sum(axis=(0, 3), dtype=np.int32)

    return call


def columns_at_a_time(few: bool, left: int) -> int:
    """How many vectors of channels a tile has, the last of `left` first; of rows that are too few to fill one, or not.

    That is how weights are packed, too.
    """
    if few:
        return 1 if left % 8 == 1 else 2 if left % 8 else 8
    return 2 - left % 2


columns = njit(columns_at_a_time)
"""The same for kernels."""

TURNS = 4
"""What the number of pairs is a multiple of where rows are few."""

tile_of_two, tile_of_one = tile(ROWS, 2, 2), tile(ROWS, 1, 2)
row_of_eight, row_of_two, row_of_one = tile(1, 8, 1), tile(1, 2, 1, TURNS), tile(1, 1, 1, TURNS)
wide_row_of_eight, wide_row_of_two, wide_row_of_one = tile(1, 8, 2), tile(1, 2, 2, TURNS), tile(1, 1, 2, TURNS)
