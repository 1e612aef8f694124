"""One step of an LSTM in integers, as LiteRT computes it: int8 in and out, with a cell state of 16 bits.

There are two of them, told apart by how many intermediate tensors the node has. With 5 of them (8x8_16), the sums of
a gate have 16 bits; with 12 (8x8_8), the products with the input and with the hidden state are brought to 8 bits each,
and normalization, sigmoid and tanh are computed in float.

Sources: LiteRT's kernels/lstm.cc (PopulateQuantizedLstmParams…), kernels/unidirectional_sequence_lstm.cc,
kernels/lstm_eval.cc, kernels/internal/reference/portable_tensor_utils.cc.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import gemmlowp
from refinfer.kernels.arithmetic.fixedpoint import (
    divide_by_power_of_two,
    quantize_multiplier,
    round_half_away,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.arithmetic.matmul import integer_matmul
from refinfer.kernels.arithmetic.square_root import inverse_square_root
from refinfer.kernels.common import first_scale, first_zero_point, output_at
from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import CELL, FORGET, INPUT, OUTPUT, Cell, Gate
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

HIDDEN = 4  # the intermediate tensor that has the quantization of the output before its projection
GATE_INTEGER_BITS = 3
GATE_SCALE = 2.0**-12
UNIT_SCALE = 2.0**-15  # of what sigmoid and tanh give
VARIANCE_GUARDS_PER_UNIT = 10000
CLOSE_TO_POWER_OF_TWO = 1e-3

Multiplier = tuple[int, int]


class GateParams(NamedTuple):
    """The multipliers that bring each product to the scale of the gate's sum; of layer norm, the smallest variance."""

    weights: Multiplier
    recurrent: Multiplier
    peephole: Multiplier
    norm: Multiplier
    variance_guard: int


class Params(NamedTuple):
    """What an 8x8_16 node comes down to."""

    gates: tuple[GateParams, GateParams, GateParams, GateParams]
    input_zero_point: int
    output_zero_point: int
    hidden_zero_point: int
    hidden: Multiplier
    projection: Multiplier
    state_power: int  # of two: the scale of the cell's state
    cell_clip: int
    projection_clip: int


def params_of(node: Node, x: Tensor, cell: Cell[Tensor], cell_clip: float, projection_clip: float) -> Params:
    """Fold the scales away, in float32 where C++ does."""
    power = power_of_two(cell.state)
    require(-15 <= power <= -9, f"scale 2**{power}; tanh takes from 2**-15 to 2**-9", cell.state)
    hidden = intermediate(node, HIDDEN)
    hidden_scale = quantized_scale(hidden)
    output_scale = first_scale(cell.hidden)
    return Params(
        gates=gate_params_of_all(node, x, cell, power),
        input_zero_point=first_zero_point(x),
        output_zero_point=first_zero_point(cell.hidden),
        hidden_zero_point=first_zero_point(hidden),
        hidden=multiplier_of(UNIT_SCALE / hidden_scale * UNIT_SCALE),
        projection=(0, 0)
        if cell.projection is None
        else ratio(first_scale(cell.projection), hidden_scale, output_scale),
        state_power=power,
        cell_clip=quantized_limit(cell_clip, first_scale(cell.state), 32767),
        projection_clip=quantized_limit(projection_clip, first_scale(output_at(node, 0)), 127),
    )


def gate_params_of_all(
    node: Node, x: Tensor, cell: Cell[Tensor], power: int
) -> tuple[GateParams, GateParams, GateParams, GateParams]:
    """Of each gate; those that there are not have multipliers of 0."""
    found = [gate_params(node, index, x, cell, power) for index in (INPUT, FORGET, CELL, OUTPUT)]
    return (found[0], found[1], found[2], found[3])


def gate_params(node: Node, index: int, x: Tensor, cell: Cell[Tensor], power: int) -> GateParams:
    """The scale of a gate's sum is 2**-12, but with layer norm that of an intermediate tensor."""
    gate = cell.gates[index]
    if gate.weights is None or gate.recurrent is None:
        return GateParams((0, 0), (0, 0), (0, 0), (0, 0), 0)
    scale = GATE_SCALE if gate.norm is None else quantized_scale(intermediate(node, index))
    norm_scale = np.float32(0 if gate.norm is None else first_scale(gate.norm))
    peephole_scale = 0.0 if gate.peephole is None else first_scale(gate.peephole)
    return GateParams(
        weights=ratio(first_scale(gate.weights), first_scale(x), scale),
        recurrent=ratio(first_scale(gate.recurrent), first_scale(cell.hidden), scale),
        peephole=multiplier_of(2.0**power * peephole_scale / scale),
        norm=quantize_multiplier(float(norm_scale)),
        variance_guard=max(1, int(np.float32(VARIANCE_GUARDS_PER_UNIT) * norm_scale)),
    )


def step(p: Params, cell: Cell[Array], rows: slice, x: Array) -> Array:
    """The new hidden state of some batches; both states are updated."""
    hidden, state = cell.hidden[rows], cell.state[rows]
    state_before = state.astype(np.int64)
    centered = x.astype(np.int64) - p.input_zero_point
    previous = hidden.astype(np.int64) - p.output_zero_point

    def gate(index: int, state: Array) -> Array:
        return gate_sum(p.gates[index], cell.gates[index], centered, previous, state)

    forget_gate = sigmoid(gate(FORGET, state_before))
    input_gate = sigmoid(gate(INPUT, state_before)) if cell.has_input_gate else largest_int16() - forget_gate
    cell_gate = gemmlowp.tanh_of_int16(gate(CELL, state_before), GATE_INTEGER_BITS)
    state_after = update_state(state_before, forget_gate, input_gate, cell_gate, 30 + p.state_power, p.cell_clip)
    output_gate = sigmoid(gate(OUTPUT, state_after))
    squashed = gemmlowp.tanh_of_int16(state_after, 15 + p.state_power)
    state[...] = state_after
    hidden[...] = output(p, cell, output_gate * squashed)
    return hidden


def gate_sum(p: GateParams, gate: Gate[Array], x: Array, hidden: Array, state: Array) -> Array:
    """W x + b, + R h, + p * c, brought to 16 bits after each; with layer norm, the bias comes after that."""
    assert gate.weights is not None
    assert gate.recurrent is not None
    bias = 0 if gate.norm is not None or gate.bias is None else gate.bias
    z = saturate16(scale_twice(wrap_int32(integer_matmul(x, gate.weights.T) + bias), *p.weights))
    z = saturate16(z + scale_twice(wrap_int32(integer_matmul(hidden, gate.recurrent.T)), *p.recurrent))
    if gate.peephole is not None:
        z = add_peephole(z, gate.peephole, state, hidden.shape[1], p.peephole)
    if gate.norm is not None:
        assert gate.bias is not None
        z = normalize(z, gate.norm.astype(np.int64), gate.bias.astype(np.int64), p)
    return z


def add_peephole(z: Array, weights: Array, state: Array, width: int, multiplier: Multiplier) -> Array:
    """z + p * c, over as many values as the outputs have.

    The runtime takes the width of the output for that of the cell. With a projection to fewer values, the rest of a
    row goes without; and in several batches at once, each begins where the one before ended.
    """
    count = len(z) * width
    flat = z.reshape(-1).copy()
    products = wrap_int32(np.tile(weights[:width].astype(np.int64), len(z)) * state.reshape(-1)[:count])
    flat[:count] = saturate16(flat[:count] + scale_twice(products, *multiplier))
    return flat.reshape(z.shape)


def normalize(x: Array, coefficients: Array, bias: Array, p: GateParams) -> Array:
    """(x - mean) / deviation * coefficients + bias, with 10 bits of fraction [PortableApplyLayerNorm].

    The mean is truncated, the variance made of 2**20 / n as an integer: not what it should be for an n that is no power
    of two.
    """
    size = x.shape[1]
    mean = truncated(x.sum(axis=1) * 1024, size)
    variance = truncated((x * x).sum(axis=1) * (2**20 // size) - mean * mean, 2**20)
    variance = wrap_int32(variance)
    inverse, shift = inverse_square_root(np.where(variance < 1, p.variance_guard, variance))
    rescaled = scale_twice(wrap_int32(1024 * x - mean[:, None]), inverse[:, None], shift[:, None])
    weighted = rescaled * coefficients + bias  # of int32 in the source, which may overflow; of int64 in the package
    rounded = truncated(np.where(weighted > 0, weighted + 512, weighted - 512), 1024)
    return saturate16(scale_twice(wrap_int32(rounded), p.norm[0], p.norm[1] + 12))


def update_state(
    state: Array, forget_gate: Array, input_gate: Array, cell_gate: Array, shift: int, limit: int
) -> Array:
    """f * c + i * g, saturated, then limited if the limit is above 0 [UpdateLstmCellInteger]"""
    kept = divide_by_power_of_two(forget_gate * state, 15)
    new = saturate16(kept + divide_by_power_of_two(input_gate * cell_gate, shift))
    return np.clip(new, -limit, limit) if limit > 0 else new


def output(p: Params, cell: Cell[Array], y: Array) -> Array:
    """y of 30 bits in the scale of the output, or that of the hidden tensor and then projected.

    [CalculateLstmOutputInteger8x8_16]
    """
    scaled = scale_twice(y, *p.hidden)
    if cell.projection is None:
        return saturate8(scaled + p.hidden_zero_point)
    centered = saturate8(scaled - p.hidden_zero_point) + p.hidden_zero_point
    acc = integer_matmul(centered, cell.projection.T) + (0 if cell.projection_bias is None else cell.projection_bias)
    z = saturate8(scale_twice(wrap_int32(acc), *p.projection) + p.output_zero_point)
    return np.clip(z, -p.projection_clip, p.projection_clip) if p.projection_clip > 0 else z


def sigmoid(x: Array) -> Array:
    """Of a gate's sum, in Q0 of 16 bits."""
    return gemmlowp.logistic_of_int16(x, GATE_INTEGER_BITS)


def saturate16(x: Array) -> Array:
    """The nearest int16."""
    return gemmlowp.saturate(x, 16)


def saturate8(x: Array) -> Array:
    """The nearest int8."""
    return gemmlowp.saturate(x, 8)


def largest_int16() -> int:
    """What stands for 1."""
    return gemmlowp.largest(16)


def truncated(x: Array, divisor: int) -> Array:
    """C's division, which rounds towards 0."""
    return np.sign(x) * (np.abs(x) // divisor)


def ratio(first: float, second: float, divisor: float) -> Multiplier:
    """first * second / divisor, each step in float32, as a multiplier."""
    return quantize_multiplier(float(np.float32(first) * np.float32(second) / np.float32(divisor)))


def multiplier_of(real: float) -> Multiplier:
    """A multiplier that C++ computed in double and stored in float."""
    return quantize_multiplier(float(np.float32(real)))


def quantized_limit(limit: float, scale: float, largest: int) -> int:
    """A limit in steps of the scale, truncated; 0 for none."""
    return int(min(float(np.float32(limit) / np.float32(scale)), largest)) if limit > 0 else 0


def intermediate(node: Node, index: int) -> Tensor:
    """An intermediate tensor of the node; raises Refusal if it has fewer."""
    if index >= len(node.intermediates):
        raise Refusal(f"{len(node.intermediates)} intermediate tensors; number {index} is needed")
    return node.intermediates[index]


def quantized_scale(tensor: Tensor) -> float:
    """The scale of a tensor that must have one."""
    scale = first_scale(tensor)
    require(scale > 0, "no scale", tensor)
    return scale


def power_of_two(tensor: Tensor) -> int:
    """The logarithm of the tensor's scale, which must be (almost) a whole number [CheckedLog2]."""
    logarithm = log2(quantized_scale(tensor))
    power = round_half_away(logarithm)
    require(abs(logarithm - power) < CLOSE_TO_POWER_OF_TWO, f"scale {first_scale(tensor)} is no power of two", tensor)
    return power
