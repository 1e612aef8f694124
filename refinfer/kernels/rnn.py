"""RNN, UNIDIRECTIONAL_SEQUENCE_RNN and BIDIRECTIONAL_SEQUENCE_RNN: h = act(b + W x + A a + R h).

In float32, with float weights or with int8 weights and activations quantized on the fly.
Sources: LiteRT's kernels/basic_rnn.cc, kernels/unidirectional_sequence_rnn.cc, kernels/bidirectional_sequence_rnn.cc,
kernels/internal/kernel_utils.cc. TFLM has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic import neon
from refinfer.kernels.common import (
    first_scale,
    input_at,
    optional_input,
    options_of,
    require_arity,
    require_rank,
    require_same_type,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import (
    ACTIVATIONS,
    ASYMMETRIC,
    SYMMETRIC,
    Scheme,
    operand,
    require_batches,
    require_dense,
    require_variable,
    walk,
)
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import BidirectionalSequenceRNNOptions, RNNOptions, SequenceRNNOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUT = 0
FORWARD, BACKWARD = slice(1, 5), slice(5, 9)  # weights, recurrent weights, bias, hidden state
AUXILIARY, FORWARD_AUXILIARY, BACKWARD_AUXILIARY = 9, 10, 11


class Params(NamedTuple):
    """What one cell comes down to. The scales are those of the weights."""

    scheme: Scheme
    activation: Callable[[Array], Array]
    scale: float
    recurrent_scale: float
    auxiliary_scale: float


class Cell(NamedTuple):
    """The arrays of one cell."""

    weights: Array
    recurrent: Array
    bias: Array
    hidden: Array
    auxiliary: Array | None


def step(p: Params, cell: Cell, rows: slice, x: Array, auxiliary: Array | None = None) -> Array:
    """The new hidden state of some batches, which is updated. Vectors of zeros are left out if they are quantized."""
    hidden = cell.hidden[rows]
    z = np.broadcast_to(cell.bias, hidden.shape)
    factors = (
        (cell.weights, p.scale, x),
        (cell.auxiliary, p.auxiliary_scale, auxiliary),
        (cell.recurrent, p.recurrent_scale, hidden),
    )
    for weights, scale, vector in factors:
        ready = operand(p.scheme, vector)
        if weights is not None and ready is not None:
            z = p.scheme.add(z, weights, scale, ready)
    hidden[...] = p.activation(z)
    return hidden


def add_floats(total: Array, weights: Array, scale: float, x: Array) -> Array:
    """total + W x"""
    return neon.multiply_accumulate(total, weights, x)


FLOATS = Scheme(lambda x: x, add_floats)


def fold_one_step(node: Node, host: Host) -> Evaluate:
    """RNN: one step, all batches at once."""
    options = options_of(node, RNNOptions)
    require_arity(node, 5, 1)
    x = input_at(node, INPUT)
    require_rank(x, 2)
    p = fold_cell(
        node, FORWARD, None, x.shape[0], options.fused_activation_function, options.asymmetric_quantize_inputs
    )

    def evaluate(x: Array, weights: Array, recurrent: Array, bias: Array, hidden: Array) -> tuple[Array, ...]:
        cell = Cell(weights, recurrent, bias, hidden, None)
        require_batches(hidden, len(x), len(bias))
        return (step(p, cell, slice(0, len(x)), x).copy(),)

    return evaluate


def fold_unidirectional(node: Node, host: Host) -> Evaluate:
    """UNIDIRECTIONAL_SEQUENCE_RNN"""
    options = options_of(node, SequenceRNNOptions)
    require_arity(node, 5, 1)
    batches = batches_of(input_at(node, INPUT), options.time_major)
    p = fold_cell(node, FORWARD, None, batches, options.fused_activation_function, options.asymmetric_quantize_inputs)

    def evaluate(x: Array, weights: Array, recurrent: Array, bias: Array, hidden: Array) -> tuple[Array, ...]:
        cell = Cell(weights, recurrent, bias, hidden, None)
        require_batches(hidden, x.shape[1 if options.time_major else 0], len(bias))
        return (walk(partial(step, p, cell), [x], len(cell.bias), time_major=options.time_major),)

    return evaluate


def fold_bidirectional(node: Node, host: Host) -> Evaluate:
    """BIDIRECTIONAL_SEQUENCE_RNN: two cells, of which the second walks backwards.

    An auxiliary input without weights is the second cell's input; with weights, a second input of both cells.
    """
    options = options_of(node, BidirectionalSequenceRNNOptions)
    require_arity(node, 12, 1 if options.merge_outputs else 2)
    x, auxiliary = input_at(node, INPUT), optional_input(node, AUXILIARY)
    batches = batches_of(x, options.time_major)
    common = (batches, options.fused_activation_function, options.asymmetric_quantize_inputs)
    forward = fold_cell(node, FORWARD, FORWARD_AUXILIARY, *common)
    backward = fold_cell(node, BACKWARD, BACKWARD_AUXILIARY, *common)
    is_second_input = require_auxiliary(node, x, auxiliary, options.time_major)
    is_float = input_at(node, 1).type == TensorType.FLOAT32

    def evaluate(*inputs: Any) -> tuple[Array, ...]:
        x, auxiliary = inputs[INPUT], inputs[AUXILIARY]
        cells = (
            Cell._make((*inputs[FORWARD], inputs[FORWARD_AUXILIARY])),
            Cell._make((*inputs[BACKWARD], inputs[BACKWARD_AUXILIARY])),
        )
        for cell in cells:
            require_batches(cell.hidden, x.shape[1 if options.time_major else 0], len(cell.bias))
        more = [auxiliary] if is_second_input else []
        # the runtime forgets about the second cell's own input where it walks batch by batch
        has_own_input = auxiliary is not None and not is_second_input and options.time_major
        backward_x = auxiliary if has_own_input else x
        steps = partial(step, forward, cells[0]), partial(step, backward, cells[1])
        # and where it is quantized and all batches go together, it walks as often as there are times
        for _ in range(x.shape[0] if options.time_major and not is_float else 1):
            y = (
                walk(steps[0], [x, *more], len(cells[0].bias), time_major=options.time_major),
                walk(steps[1], [backward_x, *more], len(cells[1].bias), time_major=options.time_major, forward=False),
            )
        return (np.concatenate(y, axis=-1),) if options.merge_outputs else y

    return evaluate


def fold_cell(
    node: Node,
    positions: slice,
    auxiliary: int | None,
    batches: int,
    activation: ActivationFunctionType,
    asymmetric: bool,
) -> Params:
    """Of the cell with these inputs."""
    require_dense(node)
    x = input_at(node, INPUT)
    require_type(x, TensorType.FLOAT32)
    weights, recurrent, bias, hidden = (input_at(node, each) for each in range(positions.start, positions.stop))
    require_type(weights, TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8)
    require_same_type(weights, recurrent)
    require_type(bias, TensorType.FLOAT32)
    require_type(hidden, TensorType.FLOAT32)
    require_rank(weights, 2)
    units = weights.shape[0]
    require_shape(weights, (units, x.shape[-1]))
    require_shape(recurrent, (units, units))
    require_shape(bias, (units,))
    require_shape(hidden, (batches, units))
    require_variable(hidden)
    more = None if auxiliary is None else optional_input(node, auxiliary)
    if more is not None:
        require_same_type(weights, more)
        require_rank(more, 2)
        require(more.shape[0] == units, f"shape {more.shape}; {units} units were expected", more)
    hybrid = ASYMMETRIC if asymmetric else SYMMETRIC
    return Params(
        scheme=FLOATS if weights.type == TensorType.FLOAT32 else hybrid,
        activation=ACTIVATIONS[activation],
        scale=first_scale(weights),
        recurrent_scale=first_scale(recurrent),
        auxiliary_scale=0.0 if more is None else first_scale(more),
    )


def batches_of(x: Tensor, time_major: bool) -> int:
    """Of a sequence."""
    require_rank(x, 3)
    return x.shape[1 if time_major else 0]


def require_auxiliary(node: Node, x: Tensor, auxiliary: Tensor | None, time_major: bool) -> bool:
    """Whether the auxiliary input is a second one of both cells: whether there are weights for it."""
    forward, backward = optional_input(node, FORWARD_AUXILIARY), optional_input(node, BACKWARD_AUXILIARY)
    require((forward is None) == (backward is None), "auxiliary weights for one cell only")
    if forward is None or backward is None:
        if auxiliary is not None:
            require_shape(auxiliary, x.shape)
        return False
    require(auxiliary is not None, "auxiliary weights without an auxiliary input")
    assert auxiliary is not None
    require_shape(auxiliary, (*x.shape[:-1], forward.shape[1]))
    require_shape(backward, (backward.shape[0], forward.shape[1]))
    steps_right = forward.type == TensorType.FLOAT32 and not time_major
    require(
        steps_right or auxiliary.shape == x.shape,
        f"shape {auxiliary.shape}; the runtime steps through it as through the input, of {x.shape}",
        auxiliary,
    )
    return True


def shape_of_one(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The last dimension becomes the number of units."""
    return [(*shapes[INPUT][:-1], shapes[1][0])]


def shape_of_both(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Side by side, or one for each direction."""
    forward, backward = shapes[1][0], shapes[5][0]
    if options_of(node, BidirectionalSequenceRNNOptions).merge_outputs:
        return [(*shapes[INPUT][:-1], forward + backward)]
    return [(*shapes[INPUT][:-1], forward), (*shapes[INPUT][:-1], backward)]


COMPUTE_RNN = Compute(fold_one_step, shape_of_one, frozenset({TensorType.FLOAT32}), version=3)
COMPUTE_UNIDIRECTIONAL_SEQUENCE_RNN = Compute(
    fold_unidirectional, shape_of_one, frozenset({TensorType.FLOAT32}), version=3
)
COMPUTE_BIDIRECTIONAL_SEQUENCE_RNN = Compute(
    fold_bidirectional, shape_of_both, frozenset({TensorType.FLOAT32}), version=3
)
