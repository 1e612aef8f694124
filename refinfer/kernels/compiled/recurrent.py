"""LSTMs: the products with the state, one step after the other, and what becomes of the gates' sums.

The products with the inputs of all steps are made before, as one product of matrices (multiply.py). A gate's sum has 16
bits, so its sigmoid or tanh is looked up in a table of all 65536, which the fold's arithmetic has filled. What lies
between the tables is done in vectors, in memory of ours that has room behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.compiled.elementwise import look_up_words
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, as_array, int8s, int16s, njit
from refinfer.kernels.compiled.memory import copy
from refinfer.kernels.compiled.multiply import multiply_by_bytes
from refinfer.kernels.compiled.requantize import VECTOR, limited, plain_scaled, scale_fixed
from refinfer.kernels.compiled.vectors import I8, I16, I32, counted, generated, load, splat, store, word

BYTES, WORDS = ir.VectorType(I8, LANES), ir.VectorType(I16, LANES)
PARAMETERS = 5 * 4 * LANES  # bytes of those of one vector
LEAST, LARGEST = -(2**15), 2**15 - 1


def words_at(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """A vector of int16, as int32."""
    return builder.sext(load(builder, address, WORDS), VECTOR)


def sums_of_gates() -> Any:
    """gates = saturate(limit(scale(sums)) + start), in 16 bits.

    It takes (sums, vectors, parameters, low, high, start, gates); `low` and `high` are the limits of what is scaled.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, vectors, parameters, low, high, start, gates = arguments
        with counted(builder, vectors) as i:
            total = load(builder, builder.add(sums, builder.mul(i, word(4 * LANES))), VECTOR)
            scaled = scale_fixed(builder, total, builder.add(parameters, builder.mul(i, word(PARAMETERS))))
            place = builder.mul(i, word(2 * LANES))
            before = words_at(builder, builder.add(start, place))
            total = builder.add(limited(builder, scaled, low, high), before)
            gate = limited(builder, total, word(LEAST), word(LARGEST))
            store(builder, builder.trunc(gate, WORDS), builder.add(gates, place))

    def plain(arguments: Sequence[int]) -> None:
        sums, vectors, parameters, low, high, start, gates = arguments
        for i in range(vectors):
            total = as_array(sums + 4 * LANES * i, LANES, np.int32).astype(np.int64)
            scaled = plain_scaled(total, parameters + PARAMETERS * i)
            before = as_array(start + 2 * LANES * i, LANES, np.int16).astype(np.int64)
            gate = np.clip(np.clip(scaled, low, high) + before, LEAST, LARGEST)
            as_array(gates + 2 * LANES * i, LANES, np.int16)[:] = gate.astype(np.int16)

    return plain if INTERPRETED else generated(7, body)


def new_state() -> Any:
    """c = limit(saturate(scale(f * c)) + saturate(scale(i * g))), all in 16 bits.

    It takes (gates, cells, vectors, parameters, low, high, state); gates are i, f, g and o, so many `cells` each.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        gates, cells, vectors, parameters, low, high, state = arguments
        step = builder.mul(cells, word(2))
        least, largest = word(LEAST), word(LARGEST)
        with counted(builder, vectors) as i:
            shift = builder.mul(i, word(2 * LANES))
            places = [builder.add(builder.add(gates, shift), builder.mul(step, word(gate))) for gate in range(3)]
            input_gate, forget_gate, cell_gate = (words_at(builder, place) for place in places)
            there = builder.add(state, shift)
            kept = scale_fixed(builder, builder.mul(forget_gate, words_at(builder, there)), parameters)
            new = builder.mul(input_gate, cell_gate)
            new = scale_fixed(builder, new, builder.add(parameters, word(PARAMETERS)))
            kept, new = (limited(builder, each, least, largest) for each in (kept, new))
            total = limited(builder, builder.add(kept, new), low, high)
            store(builder, builder.trunc(total, WORDS), there)

    def plain(arguments: Sequence[int]) -> None:
        gates, cells, vectors, parameters, low, high, state = arguments
        count = vectors * LANES
        i, f, g = (as_array(gates + 2 * cells * gate, count, np.int16).astype(np.int64) for gate in range(3))
        c = as_array(state, count, np.int16)
        kept, new = plain_scaled(f * c, parameters), plain_scaled(i * g, parameters + PARAMETERS)
        c[:] = np.clip(np.clip(kept, LEAST, LARGEST) + np.clip(new, LEAST, LARGEST), low, high).astype(np.int16)

    return plain if INTERPRETED else generated(7, body)


def new_hidden() -> Any:
    """h = saturate(scale(o * tanh(c)) + offset) in 8 bits; and h - zero_point in 16, for the next product.

    It takes (gate, squashed, vectors, parameters, offset, zero_point, hidden, centred).
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        gate, squashed, vectors, parameters, offset, zero_point, hidden, centred = arguments
        of_offset, of_zero = (splat(builder, builder.trunc(each, I32), LANES) for each in (offset, zero_point))
        with counted(builder, vectors) as i:
            shift = builder.mul(i, word(2 * LANES))
            product = builder.mul(*(words_at(builder, builder.add(each, shift)) for each in (gate, squashed)))
            total = builder.add(scale_fixed(builder, product, parameters), of_offset)
            total = limited(builder, total, word(-128), word(127))
            store(builder, builder.trunc(total, BYTES), builder.add(hidden, builder.mul(i, word(LANES))))
            store(builder, builder.trunc(builder.sub(total, of_zero), WORDS), builder.add(centred, shift))

    def plain(arguments: Sequence[int]) -> None:
        gate, squashed, vectors, parameters, offset, zero_point, hidden, centred = arguments
        count = vectors * LANES
        o, t = (as_array(each, count, np.int16).astype(np.int64) for each in (gate, squashed))
        total = np.clip(plain_scaled(o * t, parameters) + offset, -128, 127)
        as_array(hidden, count, np.int8)[:] = total.astype(np.int8)
        as_array(centred, count, np.int16)[:] = (total - zero_point).astype(np.int16)

    return plain if INTERPRETED else generated(8, body)


add_to_gates, update_state, update_hidden = sums_of_gates(), new_state(), new_hidden()


@njit
def lstm(
    start: int,
    batches: int,
    times: int,
    batch_step: int,
    time_step: int,
    cells: int,
    weights: int,
    vectors: int,
    parameters: int,
    low: int,
    high: int,
    sigmoid: int,
    tanh: int,
    tanh_of_state: int,
    scales: int,
    least: int,
    largest: int,
    zero_point: int,
    offset: int,
    hidden: int,
    state: int,
    output: int,
    taps: int,
    pairs: int,
    sums: int,
    gates: int,
    memory: int,
) -> None:
    """c = f * c + i * g; h = o * tanh(c), for gates i, f, g, o whose sums are `start` and the product with h.

    The sums of batch b at time t are row b * batch_step + t * time_step of `start`, and so for the outputs. `memory`
    has room for c, tanh(c), h, and h as it is multiplied, so many vectors of int16 each.
    """
    wide = (cells + LANES - 1) // LANES
    squashed, h, centred = memory + 2 * LANES * wide, memory + 4 * LANES * wide, memory + 6 * LANES * wide
    for b in range(batches):
        begin(state + 2 * cells * b, hidden + cells * b, cells, zero_point, memory, h, centred)
        for t in range(times):
            row = b * batch_step + t * time_step
            multiply_by_bytes(centred, taps, pairs, weights, vectors, sums)
            add_to_gates((sums, vectors, parameters, low, high, start + 8 * cells * row, gates))
            look_up_words(gates, sigmoid, 2 * cells, gates, 2)
            look_up_words(gates + 4 * cells, tanh, cells, gates + 4 * cells, 2)
            look_up_words(gates + 6 * cells, sigmoid, cells, gates + 6 * cells, 2)
            update_state((gates, cells, wide, scales, least, largest, memory))
            look_up_words(memory, tanh_of_state, cells, squashed, 2)
            of_hidden = scales + 2 * PARAMETERS
            update_hidden((gates + 6 * cells, squashed, wide, of_hidden, offset, zero_point, h, centred))
            copy(h, cells, output + cells * row)
        copy(memory, 2 * cells, state + 2 * cells * b)
        copy(h, cells, hidden + cells * b)


@njit
def begin(state: int, hidden: int, cells: int, zero_point: int, memory: int, h: int, centred: int) -> None:
    """Bring the states where they are worked with."""
    copy(state, 2 * cells, memory)
    copy(hidden, cells, h)
    given, out = int8s(hidden, cells), int16s(centred, cells)
    for i in range(cells):
        out[i] = np.int16(given[i] - zero_point)
