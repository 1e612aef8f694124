"""One step of an LSTM in integers whose products have 8 bits: LiteRT's 8x8_8, of a node with 12 intermediate tensors.

It has no input gate of its own, always layer norm and a projection with bias. Source: as for lstm_integer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import (
    divide_by_power_of_two,
    quantize_multiplier,
    round_away,
    scale_int64,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.arithmetic.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.common import first_scale, first_zero_point, output_at
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.lstm_integer import (
    Multiplier,
    intermediate,
    largest_int16,
    multiplier_of,
    quantized_limit,
    quantized_scale,
    ratio,
    saturate8,
    saturate16,
    update_state,
)
from refinfer.kernels.recurrent import CELL, FORGET, OUTPUT, Cell, Gate
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

STATE_SCALE = 1 / 32768
NORMALIZATION_FLOOR = 1e-8


class Intermediates(NamedTuple):
    """Which intermediate tensors tell of a gate: its sum, its product with the input and that with the hidden state."""

    sum: int
    input: int
    hidden: int


INTERMEDIATES = {FORGET: Intermediates(3, 4, 5), CELL: Intermediates(6, 7, 8), OUTPUT: Intermediates(9, 10, 11)}


class GateParams(NamedTuple):
    """First to 8 bits with a zero point, then from there to the scale of the sum."""

    weights: Multiplier
    input_zero_point: int
    input_to_sum: Multiplier
    recurrent: Multiplier
    hidden_zero_point: int
    hidden_to_sum: Multiplier
    norm_scale: float


class Params(NamedTuple):
    """What an 8x8_8 node comes down to."""

    gates: dict[int, GateParams]
    input_zero_point: int
    output_zero_point: int
    projection: Multiplier
    cell_clip: int
    projection_clip: int


def params_of(node: Node, x: Tensor, cell: Cell[Tensor], cell_clip: float, projection_clip: float) -> Params:
    """Fold the scales away, in float32 where C++ does [PopulateQuantizedLstmParams8x8_8]."""
    require(not cell.has_input_gate, "12 intermediate tensors: this LSTM has no input gate of its own")
    require(
        cell.projection is not None and cell.projection_bias is not None, "this LSTM needs a projection with a bias"
    )
    assert cell.projection is not None
    require(first_scale(cell.state) == STATE_SCALE, f"scale {first_scale(cell.state)}; it must be 2**-15", cell.state)
    projection = first_scale(cell.projection) * STATE_SCALE / first_scale(cell.hidden)
    return Params(
        gates={index: gate_params(node, index, x, cell) for index in INTERMEDIATES},
        input_zero_point=first_zero_point(x),
        output_zero_point=first_zero_point(cell.hidden),
        projection=multiplier_of(projection),
        cell_clip=quantized_limit(cell_clip, STATE_SCALE, 32767) if cell_clip < 1 else 0,
        projection_clip=quantized_limit(projection_clip, first_scale(output_at(node, 0)), 127),
    )


def gate_params(node: Node, index: int, x: Tensor, cell: Cell[Tensor]) -> GateParams:
    """Of one gate."""
    gate, places = cell.gates[index], INTERMEDIATES[index]
    assert gate.weights is not None
    assert gate.recurrent is not None
    require(gate.norm is not None, "this LSTM needs layer norm")
    assert gate.norm is not None
    total, of_input, of_hidden = (quantized_scale(intermediate(node, place)) for place in places)
    multiplier, shift = quantize_multiplier(first_scale(gate.norm))
    input_to_sum, hidden_to_sum = ratio(of_input, 1.0, total), ratio(of_hidden, 1.0, total)
    input_zero_point = first_zero_point(intermediate(node, places.input))
    hidden_zero_point = first_zero_point(intermediate(node, places.hidden))
    if index == OUTPUT:  # the runtime reads past an array here, and takes the zero point of another gate
        hidden_to_sum = (other_shift(node), hidden_to_sum[1])
        hidden_zero_point = first_zero_point(intermediate(node, INTERMEDIATES[CELL].input))
    return GateParams(
        weights=ratio(first_scale(gate.weights), first_scale(x), of_input),
        input_zero_point=input_zero_point,
        input_to_sum=input_to_sum,
        recurrent=ratio(first_scale(gate.recurrent), first_scale(cell.hidden), of_hidden),
        hidden_zero_point=hidden_zero_point,
        hidden_to_sum=hidden_to_sum,
        norm_scale=float(np.float32(multiplier * 2.0 ** (shift - 31))),
    )


def other_shift(node: Node) -> int:
    """Element 11 of an array of 8 multipliers is element 3 of the shifts that follow: that of the forget gate."""
    places = INTERMEDIATES[FORGET]
    total, of_hidden = (quantized_scale(intermediate(node, place)) for place in (places.sum, places.hidden))
    return ratio(of_hidden, 1.0, total)[1]


def step(p: Params, cell: Cell[Array], rows: slice, x: Array) -> Array:
    """The new hidden state of some batches; both states are updated."""
    hidden, state = cell.hidden[rows], cell.state[rows]
    centered = x.astype(np.int64) - p.input_zero_point
    previous = hidden.astype(np.int64) - p.output_zero_point

    def gate(index: int) -> Array:
        return gate_sum(p.gates[index], cell.gates[index], centered, previous)

    forget_gate, cell_gate = sigmoid(gate(FORGET)), tanh(gate(CELL), 2.0**-12)
    state[...] = update_state(
        state.astype(np.int64), forget_gate, largest_int16() - forget_gate, cell_gate, 15, p.cell_clip
    )
    y = divide_by_power_of_two(sigmoid(gate(OUTPUT)) * tanh(state, STATE_SCALE), 15)
    hidden[...] = project(p, cell, y)
    return hidden


def gate_sum(p: GateParams, gate: Gate[Array], x: Array, hidden: Array) -> Array:
    """W x and R h, each brought to 8 bits, then added in 16 bits and normalized."""
    assert gate.weights is not None
    assert gate.recurrent is not None
    of_input = to_8_bits(integer_matmul(x, gate.weights.T), p.weights, p.input_zero_point)
    of_hidden = to_8_bits(integer_matmul(hidden, gate.recurrent.T), p.recurrent, p.hidden_zero_point)
    z = saturate16(scale_twice(of_input, *p.input_to_sum) + scale_twice(of_hidden, *p.hidden_to_sum))
    return normalize(z, gate, p.norm_scale)


def to_8_bits(acc: Array, multiplier: Multiplier, zero_point: int) -> Array:
    """As int8 with this zero point, which is then subtracted again."""
    return saturate8(scale_twice(wrap_int32(acc), *multiplier) + zero_point) - zero_point


def normalize(x: Array, gate: Gate[Array], norm_scale: float) -> Array:
    """(x - mean) / deviation * coefficients * scale + bias, in float32, rounded to 16 bits with 12 of fraction.

    Of values that are all equal, the variance may come out below 0; the results, bias and all, are 0 then.
    [PortableApplyLayerNormFloat]
    """
    assert gate.norm is not None
    assert gate.bias is not None
    one, scale = np.float32(1), np.float32(norm_scale)
    values = x.astype(np.float32)
    ones, size = np.ones((x.shape[1], 1), np.float32), np.float32(x.shape[1])
    mean = sequential_matmul(values, ones) / size
    variance = sequential_matmul(values * values, ones) / size - mean * mean
    with np.errstate(invalid="ignore"):
        inverse = one / np.sqrt(np.where(variance == 0, np.float32(NORMALIZATION_FLOOR), variance))
    weighted = (values - mean) * inverse * gate.norm.astype(np.float32) * scale
    shifted = weighted + gate.bias.astype(np.float32) * (np.float32(2.0**-10) * scale)
    rounded = np.nan_to_num(round_away(shifted * np.float32(4096)))
    return np.clip(rounded, -(2**15), 2**15 - 1).astype(np.int64)


def sigmoid(x: Array) -> Array:
    """With 15 bits of fraction, truncated [PortableApplySigmoidFloat]."""
    one = np.float32(1)
    y = one / (one + libm.expf(-(x.astype(np.float32) * np.float32(2.0**-12))))
    return saturate16((y * np.float32(32768)).astype(np.int64))


def tanh(x: Array, scale: float) -> Array:
    """With 15 bits of fraction, truncated [PortableApplyTanhFloat]."""
    y = libm.tanhf(x.astype(np.float32) * np.float32(scale))
    return saturate16((y * np.float32(32768)).astype(np.int64))


def project(p: Params, cell: Cell[Array], y: Array) -> Array:
    """P y + b in the scale of the output, with a multiplier of 16 bits [PortableMatrixBatchVectorMultiply]."""
    assert cell.projection is not None
    assert cell.projection_bias is not None
    acc = integer_matmul(y, cell.projection.T) + cell.projection_bias
    z = saturate8(wrap_int32(scale_int64(acc, *p.projection)) + p.output_zero_point)
    return np.clip(z, -p.projection_clip, p.projection_clip) if p.projection_clip > 0 else z
