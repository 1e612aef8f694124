"""The LSTM operators of LiteRT: what they take, and which of the cells computes them.

Sources: kernels/unidirectional_sequence_lstm.cc, kernels/lstm.cc (full), kernels/bidirectional_sequence_lstm.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from refinfer.kernels import lstm_8x8_8, lstm_float, lstm_integer
from refinfer.kernels.common import (
    first_scale,
    input_at,
    optional_input,
    options_of,
    require_arity,
    require_rank,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import Evaluate, Host, Shape
from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import (
    ASYMMETRIC,
    CELL,
    FORGET,
    INPUT,
    OUTPUT,
    SYMMETRIC,
    Cell,
    Gate,
    Step,
    cell_of,
    make_cell,
    require_batches,
    require_dense,
    require_variable,
    walk,
)
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    BidirectionalSequenceLSTMOptions,
    LSTMOptions,
    UnidirectionalSequenceLSTMOptions,
)

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

T = TypeVar("T")

AUXILIARY = 39
FORWARD_PARTS, BACKWARD_PARTS = slice(1, 18), slice(18, 35)
FORWARD_STATES, BACKWARD_STATES = (35, 36), (37, 38)
FORWARD_AUXILIARY, BACKWARD_AUXILIARY = slice(40, 44), slice(44, 48)
HYBRID_WEIGHTS = (TensorType.INT8, TensorType.UINT8)

AnyOptions = UnidirectionalSequenceLSTMOptions | LSTMOptions | BidirectionalSequenceLSTMOptions


def fold_unidirectional(node: Node, host: Host) -> Evaluate:
    """UNIDIRECTIONAL_SEQUENCE_LSTM"""
    options = options_of(node, UnidirectionalSequenceLSTMOptions)
    x = input_at(node, 0)
    require_rank(x, 3)
    batches = x.shape[1 if options.time_major else 0]
    step = fold_cell(node, options, batches, {5})

    def evaluate(x: Array, *inputs: Array | None) -> tuple[Array, ...]:
        cell = cell_with_batches(cell_of((x, *inputs)), x.shape[1 if options.time_major else 0])
        return (walk(partial(step, cell), [x], cell.hidden.shape[1], time_major=options.time_major),)

    return evaluate


def fold_one_step(node: Node, host: Host) -> Evaluate:
    """LSTM: one step, all batches at once."""
    x = input_at(node, 0)
    require_rank(x, 2)
    step = fold_cell(node, options_of(node, LSTMOptions), x.shape[0], {5, 12})

    def evaluate(x: Array, *inputs: Array | None) -> tuple[Array, ...]:
        cell = cell_with_batches(cell_of((x, *inputs)), len(x))
        return (walk(partial(step, cell), [x[None]], cell.hidden.shape[1], time_major=True)[0],)

    return evaluate


def fold_cell(node: Node, options: AnyOptions, batches: int, intermediates: set[int]) -> Callable[..., Array]:
    """The step of the cell in the node's types: (cell, which batches, x) → hidden state."""
    require_dense(node)
    require(len(node.inputs) in (20, 24), f"{len(node.inputs)} inputs; it takes 20 or 24")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, cell = input_at(node, 0), tensors_of(node)
    require_consistent(cell, x, batches)
    if x.type == TensorType.FLOAT32:
        return partial(lstm_float.step, float_params(cell, options))
    require_type(x, TensorType.FLOAT32, TensorType.INT8)
    found = len(node.intermediates)
    names = " or ".join(map(str, sorted(intermediates)))
    require(found in intermediates, f"{found} intermediate tensors; it takes {names}")
    of_params = (node, x, cell, options.cell_clip, options.proj_clip)
    if found == 12:
        return partial(lstm_8x8_8.step, lstm_8x8_8.params_of(*of_params))
    return partial(lstm_integer.step, lstm_integer.params_of(*of_params))


def tensors_of(node: Node) -> Cell[Tensor]:
    """The cell of a node with one; raises Refusal if it has no states."""
    input_at(node, 18)
    input_at(node, 19)
    return cell_of(node.inputs)


def float_params(cell: Cell[Tensor], options: AnyOptions) -> lstm_float.Params:
    """Floats all through, or int8 weights."""
    weights = cell.gates[OUTPUT].weights
    assert weights is not None
    hybrid = ASYMMETRIC if options.asymmetric_quantize_inputs else SYMMETRIC
    return lstm_float.Params(
        scheme=lstm_float.FLOATS if weights.type == TensorType.FLOAT32 else hybrid,
        scales=scales_of(cell),
        activation=options.fused_activation_function,
        cell_clip=options.cell_clip,
        projection_clip=options.proj_clip,
    )


def scales_of(cell: Cell[Tensor]) -> Cell[float]:
    """The scale of each tensor of a cell."""

    def scale(tensor: Tensor | None) -> float | None:
        return None if tensor is None else first_scale(tensor)

    gates = [Gate(*map(scale, gate)) for gate in cell.gates]
    return Cell(
        (gates[0], gates[1], gates[2], gates[3]),
        scale(cell.projection),
        scale(cell.projection_bias),
        first_scale(cell.hidden),
        first_scale(cell.state),
    )


def cell_with_batches(cell: Cell[Array], batches: int) -> Cell[Array]:
    """The states as views of [batch, width], for they may have one dimension only."""
    recurrent = cell.gates[OUTPUT].recurrent
    assert recurrent is not None
    width, cells = recurrent.shape[-1], recurrent.shape[0]
    require_batches(cell.hidden, batches, width)
    require_batches(cell.state, batches, cells)
    return cell._replace(hidden=cell.hidden.reshape(batches, width), state=cell.state.reshape(batches, cells))


def require_consistent(cell: Cell[Tensor], x: Tensor, batches: int) -> None:
    """Sizes and types of all tensors [CheckInputTensorDimensions]."""
    weights, recurrent = present(cell.gates[OUTPUT].weights), present(cell.gates[OUTPUT].recurrent)
    require_rank(weights, 2)
    cells, width = weights.shape[0], recurrent.shape[-1]
    for gate in (INPUT, FORGET, CELL, OUTPUT):
        require_gate(cell, gate, x, width)
    require_projection(cell, x, width, cells)
    for state, size in ((cell.hidden, batches * width), (cell.state, batches * cells)):
        require_variable(state)
        require(state.elements == size, f"{state.elements} elements; {size} were expected", state)
    require_type(cell.hidden, x.type)
    require_type(cell.state, TensorType.INT16 if x.type == TensorType.INT8 else TensorType.FLOAT32)


def require_gate(cell: Cell[Tensor], index: int, x: Tensor, width: int) -> None:
    """One gate; that of the input may be left out as a whole."""
    gate, output = cell.gates[index], cell.gates[OUTPUT]
    is_integer = x.type == TensorType.INT8
    cells = present(output.weights).shape[0]
    weight_type = weights_type(x, present(output.weights))
    if index == INPUT and not cell.has_input_gate:
        for each in (gate.recurrent, gate.peephole, gate.bias, gate.norm):
            require(each is None, "the input gate has no weights, but this", each)
        return
    require_tensor(present(gate.weights), (cells, x.shape[-1]), weight_type)
    recurrent = present(gate.recurrent)
    diagonal = len(recurrent.shape) == 1 and not is_integer
    require_tensor(recurrent, (cells,) if diagonal else (cells, width), TensorType.FLOAT32 if diagonal else weight_type)
    require_tensor(present(gate.bias), (cells,), TensorType.INT32 if is_integer else TensorType.FLOAT32)
    if index != CELL:
        require((gate.peephole is None) == (output.peephole is None), "peephole weights for some gates only")
        if gate.peephole is not None:
            require_tensor(gate.peephole, (cells,), TensorType.INT16 if is_integer else weight_type)
            require(not is_integer or width <= cells, f"a projection to {width} > {cells} values, with peephole")
    require((gate.norm is None) == (output.norm is None), "layer norm for some gates only")
    if gate.norm is not None:
        require_tensor(gate.norm, (cells,), TensorType.INT16 if is_integer else TensorType.FLOAT32)
    require((gate.auxiliary is None) == (output.auxiliary is None), "auxiliary weights for some gates only")


def require_projection(cell: Cell[Tensor], x: Tensor, width: int, cells: int) -> None:
    """The projection, if there is one; without, an output is as wide as the cell."""
    if cell.projection is None:
        require(cell.projection_bias is None, "a projection bias without projection", cell.projection_bias)
        require(width == cells, f"{width} outputs of {cells} cells, and no projection")
        return
    require_tensor(cell.projection, (width, cells), weights_type(x, present(cell.gates[OUTPUT].weights)))
    if cell.projection_bias is not None:
        is_integer = x.type == TensorType.INT8
        require_tensor(cell.projection_bias, (width,), TensorType.INT32 if is_integer else TensorType.FLOAT32)


def weights_type(x: Tensor, weights: Tensor) -> TensorType:
    """The type that all weights must have: that of the first that the runtime looks at."""
    require_type(weights, *((TensorType.INT8,) if x.type == TensorType.INT8 else (TensorType.FLOAT32, *HYBRID_WEIGHTS)))
    return weights.type


def require_tensor(tensor: Tensor, shape: tuple[int, ...], type: TensorType) -> None:
    """Refuse another shape or type."""
    require_shape(tensor, shape)
    require_type(tensor, type)


def present(tensor: Tensor | None) -> Tensor:
    """An input that must be there."""
    if tensor is None:
        raise Refusal("a gate's weights or bias are missing")
    return tensor


def fold_bidirectional(node: Node, host: Host) -> Evaluate:
    """BIDIRECTIONAL_SEQUENCE_LSTM: two cells, of which the second walks backwards.

    An auxiliary input without weights is the second cell's input; with weights, a second input of both cells.
    """
    options = options_of(node, BidirectionalSequenceLSTMOptions)
    require_dense(node)
    require_arity(node, 48, 1 if options.merge_outputs else 2)
    x = input_at(node, 0)
    require_type(x, TensorType.FLOAT32)
    require_rank(x, 3)
    cells = both_cells(node.inputs)
    for cell in cells:
        require_consistent(cell, x, x.shape[1 if options.time_major else 0])
        require_auxiliary(cell, optional_input(node, AUXILIARY))
    same = cells[0].hidden.elements == cells[1].hidden.elements and cells[0].state.elements == cells[1].state.elements
    require(same, "the two cells have different sizes")
    steps = [partial(lstm_float.step, float_params(cell, options)) for cell in cells]

    def evaluate(*inputs: Array | None) -> tuple[Array, ...]:
        x, auxiliary = inputs[0], inputs[AUXILIARY]
        assert x is not None
        batches = x.shape[1 if options.time_major else 0]
        forward, backward = (cell_with_batches(cell, batches) for cell in both_cells(inputs))
        is_second_input = forward.gates[OUTPUT].auxiliary is not None
        more = [auxiliary] if auxiliary is not None and is_second_input else []
        backward_x = auxiliary if auxiliary is not None and not is_second_input else x
        y = [
            walk_one(partial(steps[0], forward), [x, *more], forward, options.time_major, True),
            walk_one(partial(steps[1], backward), [backward_x, *more], backward, options.time_major, False),
        ]
        return (np.concatenate(y, axis=-1),) if options.merge_outputs else (y[0], y[1])

    return evaluate


def walk_one(step: Step, sequences: Sequence[Array], cell: Cell[Array], time_major: bool, forward: bool) -> Array:
    """One of two directions."""
    return walk(step, sequences, cell.hidden.shape[1], time_major=time_major, forward=forward)


def both_cells(inputs: Sequence[T | None]) -> tuple[Cell[T], Cell[T]]:
    """The cells of a bidirectional node; they have no layer norm."""
    directions = (
        (FORWARD_PARTS, FORWARD_STATES, FORWARD_AUXILIARY),
        (BACKWARD_PARTS, BACKWARD_STATES, BACKWARD_AUXILIARY),
    )
    cells = []
    for parts, (hidden, state), auxiliary in directions:
        if inputs[hidden] is None or inputs[state] is None:
            raise Refusal(f"input {hidden} or {state} (a state) is missing")
        cells.append(make_cell(inputs[parts], inputs[hidden], inputs[state], [None] * 4, inputs[auxiliary]))
    return cells[0], cells[1]


def require_auxiliary(cell: Cell[Tensor], auxiliary: Tensor | None) -> None:
    """Weights for the auxiliary input, of the sizes and types of the others."""
    weights = present(cell.gates[OUTPUT].weights)
    for gate in cell.gates:
        if gate.auxiliary is not None:
            require(auxiliary is not None, "auxiliary weights without an auxiliary input", gate.auxiliary)
            assert auxiliary is not None
            require_tensor(gate.auxiliary, (weights.shape[0], auxiliary.shape[-1]), weights.type)


def shape_like_sequence(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The last dimension becomes the width of the output."""
    return [(*shapes[0][:-1], shapes[8][-1])]


def shape_of_both(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Side by side, or one for each direction."""
    forward, backward = shapes[8][-1], shapes[25][-1]
    if options_of(node, BidirectionalSequenceLSTMOptions).merge_outputs:
        return [(*shapes[0][:-1], forward + backward)]
    return [(*shapes[0][:-1], forward), (*shapes[0][:-1], backward)]
