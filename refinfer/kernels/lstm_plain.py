"""One step of TFLM's LSTM, which is the plain cell alone: no peephole, no projection, no layer normalization, no CIFG.

It is put together from TFLM's other operators: FULLY_CONNECTED for the two products of a gate, LOGISTIC and TANH of
16 bits (or float), MUL and ADD. The activations are int8, int16 or float32, the cell state int16 or float32.

Sources: lstm_eval.h, lstm_eval.cc, lstm_eval_common.cc, all in tensorflow/lite/micro/kernels;
tensorflow/lite/kernels/internal/reference/{logistic,tanh}.h.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import (
    quantize_multiplier,
    round_half_away,
    scale_int64,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.arithmetic.gemmlowp import logistic_by_table, saturate, tanh_by_table
from refinfer.kernels.arithmetic.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.common import first_scale, first_zero_point
from refinfer.kernels.fully_connected import is_per_channel
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import CELL, FORGET, INPUT, OUTPUT, Cell, Gate
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

GATE_SCALE = 2.0**-12
UNIT_SCALE = 2.0**-15  # of what sigmoid and tanh give
TABLE_INTEGER_BITS = 3  # of the numbers for which the tables are made
SIGMOID_IS_ONE_ABOVE = 16.619047164916992188
SIGMOID_IS_EXP_BELOW = -9.0

Multiplier = tuple[int, int]
Rescale = Callable[["Array", int, int], "Array"]


class GateParams(NamedTuple):
    """The multipliers that bring each product to the scale of the gate, and the zero points of the weights."""

    weights: Multiplier
    recurrent: Multiplier
    zero_point: int
    recurrent_zero_point: int


class Params(NamedTuple):
    """What a quantized node comes down to; `rescale` is for sums of products, in int32 or int64."""

    gates: tuple[GateParams, GateParams, GateParams, GateParams]
    rescale: Rescale
    bits: int
    input_zero_point: int
    hidden_zero_point: int
    keep: Multiplier
    add: Multiplier
    hidden: Multiplier
    cell_clip: int | None
    state_shift: int  # to the left, from the state's scale to the tables'
    is_tanh: bool


def params_of(x: Tensor, cell: Cell[Tensor], cell_clip: float, activation: ActivationFunctionType) -> Params:
    """Fold the scales away, in double where C++ does."""
    scale = first_scale(cell.state)
    require(scale > 0, "no scale", cell.state)
    is_int8 = x.type == TensorType.INT8
    found = [gate_params(cell.gates[gate], x, cell.hidden) for gate in (INPUT, FORGET, CELL, OUTPUT)]
    return Params(
        gates=(found[0], found[1], found[2], found[3]),
        rescale=scale_twice if is_int8 else scale_int64,
        bits=8 if is_int8 else 16,
        input_zero_point=first_zero_point(x),
        hidden_zero_point=first_zero_point(cell.hidden),
        keep=quantize_multiplier(UNIT_SCALE * scale / scale),
        add=quantize_multiplier(UNIT_SCALE * UNIT_SCALE / scale),
        hidden=quantize_multiplier(UNIT_SCALE * UNIT_SCALE / first_scale(cell.hidden)),
        cell_clip=int(min(cell_clip / scale, 32767)) if cell_clip > 0 else None,
        state_shift=15 + round_half_away(log2(scale)) - TABLE_INTEGER_BITS,
        is_tanh=activation == ActivationFunctionType.TANH,
    )


def gate_params(gate: Gate[Tensor], x: Tensor, hidden: Tensor) -> GateParams:
    """[lstm_eval_common.cc: CreateGateParams]"""
    assert gate.weights is not None
    assert gate.recurrent is not None
    for weights in (gate.weights, gate.recurrent):
        require(not is_per_channel(weights), "an LSTM takes weights of one scale: others are not initialized", weights)
    return GateParams(
        weights=product_multiplier(x, gate.weights),
        recurrent=product_multiplier(hidden, gate.recurrent),
        zero_point=first_zero_point(gate.weights),
        recurrent_zero_point=first_zero_point(gate.recurrent),
    )


def product_multiplier(x: Tensor, weights: Tensor) -> Multiplier:
    """In double, as everywhere in this operator."""
    return quantize_multiplier(first_scale(x) * first_scale(weights) / GATE_SCALE)


def step(p: Params, cell: Cell[Array], rows: slice, x: Array) -> Array:
    """The new hidden state of some batches; both states are updated."""
    hidden, state = cell.hidden[rows], cell.state[rows]
    centered = x.astype(np.int64) - p.input_zero_point
    previous = hidden.astype(np.int64) - p.hidden_zero_point

    def gate(index: int) -> Array:
        return gate_sum(p, p.gates[index], cell.gates[index], centered, previous)

    forget_gate, input_gate = sigmoid(gate(FORGET)), sigmoid(gate(INPUT))
    cell_gate = tanh(gate(CELL), 0) if p.is_tanh else gate(CELL)
    kept = saturate(scale_twice(forget_gate * state, *p.keep), 16)
    new = saturate(kept + saturate(scale_twice(input_gate * cell_gate, *p.add), 16), 16)
    state[...] = new if p.cell_clip is None else np.clip(new, -p.cell_clip, p.cell_clip)
    y = tanh(state.astype(np.int64), p.state_shift) * sigmoid(gate(OUTPUT))
    hidden[...] = saturate(scale_twice(y, *p.hidden) + p.hidden_zero_point, p.bits)
    return hidden


def gate_sum(p: Params, params: GateParams, gate: Gate[Array], x: Array, hidden: Array) -> Array:
    """W x + b and R h, each brought to 16 bits, then their saturated sum."""
    assert gate.weights is not None
    assert gate.recurrent is not None
    weights = gate.weights.astype(np.int64) - params.zero_point
    recurrent = gate.recurrent.astype(np.int64) - params.recurrent_zero_point
    acc = integer_matmul(x, weights.T) + (0 if gate.bias is None else gate.bias)
    of_input, of_hidden = acc, integer_matmul(hidden, recurrent.T)
    if p.bits == 8:
        of_input, of_hidden = wrap_int32(of_input), wrap_int32(of_hidden)
    return saturate(
        saturate(p.rescale(of_input, *params.weights), 16) + saturate(p.rescale(of_hidden, *params.recurrent), 16), 16
    )


def sigmoid(x: Array) -> Array:
    """Of a gate's sum, in Q0 of 16 bits."""
    return logistic_by_table(x, 3, 0)


def tanh(x: Array, left: int) -> Array:
    """Of a number that is so many bits short of the scale of the tables, in Q0 of 16 bits."""
    return tanh_by_table(x, 3 << left, 0) if left >= 0 else tanh_by_table(x, 3, -left)


def float_step(cell_clip: float, activation: ActivationFunctionType, cell: Cell[Array], rows: slice, x: Array) -> Array:
    """The same in float32, summed in order."""
    hidden, state = cell.hidden[rows], cell.state[rows]
    gate = partial(float_gate_sum, cell, x, hidden)
    forget_gate, input_gate, cell_gate = float_sigmoid(gate(FORGET)), float_sigmoid(gate(INPUT)), gate(CELL)
    if activation == ActivationFunctionType.TANH:
        cell_gate = libm.tanhf(cell_gate)
    state *= forget_gate
    state += input_gate * cell_gate
    if cell_clip > 0:
        np.clip(state, -np.float32(cell_clip), np.float32(cell_clip), out=state)
    hidden[...] = libm.tanhf(state) * float_sigmoid(gate(OUTPUT))
    return hidden


def float_gate_sum(cell: Cell[Array], x: Array, hidden: Array, index: int) -> Array:
    """(W x + b) + R h"""
    gate = cell.gates[index]
    assert gate.weights is not None
    assert gate.recurrent is not None
    of_input = sequential_matmul(x, gate.weights.T) + (np.float32(0) if gate.bias is None else gate.bias)
    return of_input + sequential_matmul(hidden, gate.recurrent.T)


def float_sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which is taken for 1 or for exp(x) far from 0 [reference/logistic.h]."""
    one = np.float32(1)
    with np.errstate(over="ignore"):
        y = one / (one + libm.expf(-x))
        y = np.where(x < np.float32(SIGMOID_IS_EXP_BELOW), libm.expf(x), y)
    return np.where(x > np.float32(SIGMOID_IS_ONE_ABOVE), one, y)
