"""The microkernel: sums of products for a tile of outputs, all of them held in registers.

    sum[r, v] = sum over pairs k of x[r, 2k] * w[v, 2k] + x[r, 2k + 1] * w[v, 2k + 1]

A row r is one output pixel (or one row of a matrix), v counts output channels. Where a row's numbers lie is told by two
tables of bytes: `starts` where the window of each row begins, and `taps` where each pair lies within a window. So a
convolution multiplies the image where it lies, whatever its stride, dilation or shape, and nothing is copied.

Weights come packed: for each vector of LANES channels, for each pair, LANES times two numbers. A step of the loop takes
one pair of each row, the same to all lanes, and one vector of pairs for each LANES channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.jit import INTERPRETED, LANES, ROWS, as_array
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


def tile(rows: int, vectors: int, weight_bytes: int) -> Any:
    """The microkernel for so many rows and vectors of channels, with weights of one byte or two.

    It takes (images, starts, taps, pairs, weights, stride, sums): addresses, but for `pairs`, the number of pairs, and
    `stride`, the bytes from one vector's weights to the next. `sums` are int32, row after row; at least one pair.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        images, starts, taps, pairs, weights, stride, sums = arguments
        begin = [builder.add(images, load(builder, builder.add(starts, word(8 * r)), I64)) for r in range(rows)]
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(I64)
        totals = [builder.phi(ir.VectorType(I32, LANES)) for _ in range(rows * vectors)]
        place = builder.add(weights, builder.mul(k, word(2 * LANES * weight_bytes)))
        w = [
            load_weights(builder, builder.add(place, builder.mul(stride, word(v))), weight_bytes)
            for v in range(vectors)
        ]
        tap = load(builder, builder.add(taps, builder.mul(k, word(8))), I64)
        x = [pair_in_all_lanes(builder, builder.add(each, tap)) for each in begin]
        results = [
            add_products_of_pairs(builder, total, x[i // vectors], w[i % vectors]) for i, total in enumerate(totals)
        ]
        following = builder.add(k, word(1))
        k.add_incoming(word(0), before)
        k.add_incoming(following, loop)
        for total, result in zip(totals, results, strict=True):
            total.add_incoming(all_lanes(0), before)
            total.add_incoming(result, loop)
        builder.cbranch(builder.icmp_signed("<", following, pairs), loop, after)
        builder.position_at_end(after)
        for i, result in enumerate(results):
            store(builder, result, builder.add(sums, word(4 * LANES * i)))

    return generated(7, body) if not INTERPRETED else plain_tile(rows, vectors, weight_bytes)


def load_weights(builder: ir.IRBuilder, address: ir.Value, weight_bytes: int) -> ir.Value:
    """A vector of pairs of int16, which may be stored as int8."""
    if weight_bytes == 2:
        return load(builder, address, ir.VectorType(I16, 2 * LANES))
    return builder.sext(load(builder, address, ir.VectorType(I8, 2 * LANES)), ir.VectorType(I16, 2 * LANES))


def pair_in_all_lanes(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Two int16 that lie beside each other, LANES times."""
    return builder.bitcast(splat(builder, load(builder, address, I32), LANES), ir.VectorType(I16, 2 * LANES))


def plain_tile(rows: int, vectors: int, weight_bytes: int) -> Any:
    """The same in plain Python."""
    dtype = np.int8 if weight_bytes == 1 else np.int16

    def call(arguments: Sequence[int]) -> None:
        images, starts, taps, pairs, weights, stride, sums = (int(each) for each in arguments)
        totals = as_array(sums, rows * vectors * LANES, np.int32).reshape(rows, vectors, LANES)
        for r, start in enumerate(as_array(starts, rows, np.int64)):
            places = [images + int(start + tap) for tap in as_array(taps, pairs, np.int64)]
            x = np.stack([as_array(place, 2, np.int16) for place in places]).astype(np.int32)
            for v in range(vectors):
                w = as_array(weights + v * stride, pairs * LANES * 2, dtype).reshape(pairs, LANES, 2)
                totals[r, v] = (x[:, None] * w).sum(axis=(0, 2), dtype=np.int32)

    return call


tile_of_two = tile(ROWS, 2, 2)
tile_of_one = tile(ROWS, 1, 2)
row_of_eight = tile(1, 8, 1)
row_of_two = tile(1, 2, 1)
row_of_one = tile(1, 1, 1)
wide_row_of_one = tile(1, 1, 2)
