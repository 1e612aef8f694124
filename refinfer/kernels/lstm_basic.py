"""The basic kernel of LSTM: five inputs, one step, one matrix for all gates of the input and the state side by side.

    i, g, f, o = W [x, h] + b
    c = sigmoid(i) * tanh(g) + sigmoid(f) * c
    h = sigmoid(o) * tanh(c)

In float32, or with uint8 activations and a state of 16 bits. What it computes on the way are outputs too.
Sources: LiteRT's kernels/lstm.cc (basic), kernels/internal/optimized/optimized_ops.h: LstmCell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import eigen
from refinfer.kernels.arithmetic.fixedpoint import (
    divide_by_power_of_two,
    doubling_high_mul,
    quantize_multiplier,
    wrap_int32,
)
from refinfer.kernels.arithmetic.gemmlowp import logistic, multiply, saturate, tanh
from refinfer.kernels.arithmetic.matmul import integer_matmul
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    output_at,
    require_arity,
    require_rank,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import Evaluate, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.lstm_integer import power_of_two
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUT, HIDDEN, WEIGHTS, BIAS, STATE = range(5)
STATE_INTEGER_BITS = 4
GATE_INTEGER_BITS = 3
ACTIVATION_ZERO_POINT = 128

Compute = Callable[["Array", "Array", "Array", "Array"], "tuple[Array, Array, Array]"]
"""([x, h], weights, bias, state) → activation, state and the sums of the gates."""


def fold(node: Node) -> Evaluate:
    """Choose by type."""
    require_arity(node, 5, 4)
    inputs = [input_at(node, position) for position in range(5)]
    for position in (INPUT, HIDDEN, WEIGHTS, STATE):
        require_rank(inputs[position], 2)
    batches, depth = inputs[INPUT].shape
    width = inputs[HIDDEN].shape[1]
    require_shape(inputs[HIDDEN], (batches, width))
    require_shape(inputs[WEIGHTS], (4 * width, depth + width))
    require_shape(inputs[BIAS], (4 * width,))
    require_shape(inputs[STATE], (batches, width))
    types = FLOAT_TYPES if inputs[INPUT].type == TensorType.FLOAT32 else QUANTIZED_TYPES
    for tensor, type in zip((*inputs, *node.outputs), types, strict=True):
        require_type(tensor, type)
    compute = compute_float if types is FLOAT_TYPES else fold_quantized(node)
    return partial(evaluate, compute, inputs[HIDDEN].is_variable, inputs[STATE].is_variable)


def fold_quantized(node: Node) -> Compute:
    """The state has the scale 2**-11, and a gate's sum 2**-12: so the product scale is that of the bias."""
    power = power_of_two(output_at(node, 1))
    require(power == STATE_INTEGER_BITS - 15, f"scale 2**{power}; it must be 2**-11", output_at(node, 1))
    multiplier, shift = quantize_multiplier(4096 * first_scale(input_at(node, BIAS)))
    return partial(compute_quantized, first_zero_point(input_at(node, WEIGHTS)), multiplier, shift)


def evaluate(
    compute: Compute,
    keep_hidden: bool,
    keep_state: bool,
    x: Array,
    hidden: Array,
    weights: Array,
    bias: Array,
    state: Array,
) -> tuple[Array, ...]:
    """The step, after which its results are the next one's states, if these are variables."""
    both = np.concatenate((x, hidden), axis=1)
    activation, new_state, gates = compute(both, weights, bias, state)
    if keep_hidden:
        hidden[...] = activation
    if keep_state:
        state[...] = new_state
    return activation, new_state, both, gates


def compute_float(both: Array, weights: Array, bias: Array, state: Array) -> tuple[Array, Array, Array]:
    """As Eigen does it: the rows of the state are stored one after the other, at an aligned address."""
    gates = eigen.matmul(weights, both) + bias
    input_gate, cell_gate, forget_gate, output_gate = np.split(gates, 4, axis=1)
    new_state = sigmoid_by_row(input_gate) * eigen.tanh(cell_gate) + sigmoid_by_row(forget_gate) * state
    return sigmoid_by_row(output_gate) * eigen.tanh(new_state), new_state, gates


def sigmoid_by_row(x: Array) -> Array:
    """Each row begins where the one before ends."""
    return np.array([eigen.sigmoid(row, index * x.shape[1]) for index, row in enumerate(x)]).reshape(x.shape)


def compute_quantized(
    zero_point: int, multiplier: int, shift: int, both: Array, weights: Array, bias: Array, state: Array
) -> tuple[Array, Array, Array]:
    """In 16 bits: gates with three integer bits, the state with four."""
    acc = integer_matmul(both.astype(np.int32) - ACTIVATION_ZERO_POINT, (weights.astype(np.int32) - zero_point).T)
    gates = saturate(scale_with_ties_up(wrap_int32(acc + bias), multiplier, shift), 16)
    input_gate, cell_gate, forget_gate, output_gate = np.split(gates, 4, axis=1)
    added = multiply(logistic(input_gate, GATE_INTEGER_BITS, 16), tanh(cell_gate, GATE_INTEGER_BITS, 16), 16)
    kept = multiply(logistic(forget_gate, GATE_INTEGER_BITS, 16), state.astype(np.int64), 16)
    new_state = saturate(divide_by_power_of_two(added, STATE_INTEGER_BITS) + kept, 16)
    squashed = tanh(saturate(new_state << (STATE_INTEGER_BITS - GATE_INTEGER_BITS), 16), GATE_INTEGER_BITS, 16)
    y = divide_by_power_of_two(multiply(logistic(output_gate, GATE_INTEGER_BITS, 16), squashed, 16), 8)
    activation = (saturate(y, 8) + ACTIVATION_ZERO_POINT).astype(np.uint8)
    return activation, new_state.astype(np.int16), gates.astype(np.int16)


def scale_with_ties_up(x: Array, multiplier: int, shift: int) -> Array:
    """``x * m * 2**(shift - 31)`` in two roundings, ties up in both [ruy: kernels for x86].

    The other operators round the second time with ties away from zero; this one is computed by the library ruy.
    """
    left, right = max(shift, 0), max(-shift, 0)
    return (doubling_high_mul(wrap_int32(x << left), multiplier) + ((1 << right) >> 1)) >> right


def shape(shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Of the activation, the state, [x, h], and the gates."""
    (batches, depth), (_, width) = shapes[INPUT], shapes[HIDDEN]
    return [shapes[HIDDEN], shapes[STATE], (batches, depth + width), (batches, 4 * width)]


FLOAT_TYPES = (TensorType.FLOAT32,) * 9
QUANTIZED_TYPES = (
    TensorType.UINT8,
    TensorType.UINT8,
    TensorType.UINT8,
    TensorType.INT32,
    TensorType.INT16,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT8,
    TensorType.INT16,
)
"""Of the five inputs, then the four outputs."""
