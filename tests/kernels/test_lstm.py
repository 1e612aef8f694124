"""What UNIDIRECTIONAL_SEQUENCE_LSTM asks for and refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import UnidirectionalSequenceLSTMOptions
from tests.kernels.nodes import (
    FLOAT32,
    INT8,
    INT16,
    INT32,
    node,
    persistent,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)

BATCHES, STEPS, INPUTS, STATES = 2, 3, 4, 5
OUTPUT_STATE, CELL_STATE = 18, 19


def lstm(*, time_major: bool = False, scales: int = 1) -> Node:
    """An int8 cell; its weights have that many scales."""

    def weights(columns: int) -> Tensor:
        return tensor(INT8, STATES, columns, scale=[0.5] * scales)

    def sequence(width: int) -> Tensor:
        shape = (STEPS, BATCHES, width) if time_major else (BATCHES, STEPS, width)
        return tensor(INT8, *shape, scale=0.5)

    output_state = tensor(INT8, BATCHES, STATES, scale=0.5, is_variable=True)
    cell_state = tensor(INT16, BATCHES, STATES, scale=2.0**-11, is_variable=True)
    inputs: list[Tensor | None] = [sequence(INPUTS)]
    inputs += [weights(INPUTS) for _ in range(4)]
    inputs += [weights(STATES) for _ in range(4)]
    inputs += [None] * 3
    inputs += [tensor(INT32, STATES) for _ in range(4)]
    inputs += [None] * 2
    inputs += [output_state, cell_state]
    inputs += [None] * 4
    options = UnidirectionalSequenceLSTMOptions(time_major=time_major)
    return node(BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, sequence(STATES), options)


def with_input(of: Node, position: int, tensor: Tensor | None) -> Node:
    return replace(of, inputs=(*of.inputs[:position], tensor, *of.inputs[position + 1 :]))


@pytest.mark.parametrize("time_major", [False, True])
def test_a_cell_works_in_four_buffers_of_its_state(time_major: bool) -> None:
    assert scratch(lstm(time_major=time_major)) == [2 * BATCHES * STATES] * 4


def test_per_channel_weights_cost_two_arrays_for_each_product() -> None:
    assert persistent(lstm()) == []
    assert persistent(lstm(scales=STATES)) == [4 * STATES] * 2 * 8


@pytest.mark.parametrize("position", [*range(9, 12), 16, 17, *range(20, 24)])
def test_only_the_plain_cell_runs(position: int) -> None:
    refusal = refused(with_input(lstm(), position, tensor(INT8, STATES)))
    assert refusal == f"input {position} (peephole, projection or layer norm) is not supported"


@pytest.mark.parametrize("position", [OUTPUT_STATE, CELL_STATE])
def test_a_state_is_a_variable(position: int) -> None:
    state = lstm().inputs[position]
    assert state is not None
    assert refused(with_input(lstm(), position, replace(state, is_variable=False))) == (
        "the state is not a variable tensor"
    )


def test_the_state_of_the_cell_is_int16_or_float32() -> None:
    cell = tensor(INT8, BATCHES, STATES, scale=0.5, is_variable=True)
    assert refused(with_input(lstm(), CELL_STATE, cell)) == (
        "Cell state type INT8 not supported. "
        "The quantized Unidirectional Sequence LSTM Op only support int16 cell state"
    )
    assert refused(with_input(lstm(), CELL_STATE, replace(cell, type=FLOAT32))) is None


def test_weights_fit_the_sizes_of_input_and_state() -> None:
    assert refused(with_input(lstm(), 1, tensor(INT8, STATES, 9, scale=0.5))) == "shape (5, 9); (5, 4) was expected"


def test_weights_of_int8_are_no_floats() -> None:
    assert refused_by_invoke(lstm()) is None
    floats = with_input(lstm(), 0, tensor(FLOAT32, BATCHES, STEPS, INPUTS))
    assert refused_by_invoke(floats) == "TFLM takes weights of INT8 for floats, and reads beyond their end"
