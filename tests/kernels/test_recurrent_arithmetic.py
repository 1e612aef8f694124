"""Recurrent operators compute the bits of the official runtimes, over several runs that share their states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.arithmetic.fixedpoint import quantize_multiplier
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.testing import TensorSpec, installed
from tests.corpus import NO_CORPUS, CorpusModel, corpus
from tests.kernels.bits import RUNTIMES, Array, Random, agree, assert_same, cases, ours, values
from tests.kernels.recurrent_models import (
    FLOAT32,
    INT8,
    INT16,
    UINT8,
    Bidirectional,
    Lstm,
    basic_lstm,
    constant,
    float_input,
    random_activation,
    random_lstm,
    rnn,
    svdf,
)

RUNS = 3
OPERATORS = ("LSTM", "RNN", "SVDF", "SEQUENCE_LSTM", "SEQUENCE_RNN")

litert = pytest.mark.skipif(not installed("litert"), reason="the package of litert is not installed")
tflm = pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")

Made = tuple[bytes, Callable[[], list[Array]]]
"""A model, and what makes inputs for a run of it."""


def compare(runtime: str, make: Callable[[Random], Made], count: int = 8) -> None:
    """As many models as asked for; those that the runtime refuses may not be all of them."""
    random = np.random.default_rng(17)
    compared = 0
    for number in cases(count):
        model, inputs = make(random)
        compared += agree(runtime, model, *(inputs() for _ in range(RUNS)), case=number)
    print(f"COMPARED {compared}")
    assert compared > 0


def of_lstm(lstm: Lstm) -> Made:
    return lstm.model(), lambda: [lstm.input()]


@litert
@pytest.mark.parametrize(("activations", "weights"), [(FLOAT32, FLOAT32), (FLOAT32, INT8), (INT8, INT8)])
def test_an_lstm_in_any_form_is_litert_s(activations: TensorType, weights: TensorType) -> None:
    compare("litert", lambda random: of_lstm(random_lstm(random, activations, weights)), 12)


@tflm
@pytest.mark.parametrize(("activations", "weights"), [(FLOAT32, FLOAT32), (INT8, INT8), (INT16, INT8)])
def test_a_plain_lstm_is_tflm_s(activations: TensorType, weights: TensorType) -> None:
    compare("tflm", lambda random: of_lstm(random_lstm(random, activations, weights, plain=True)), 8)


@tflm
def test_what_is_no_tanh_is_no_activation_to_tflm() -> None:
    def make(random: Random) -> Made:
        of = random.choice([FLOAT32, INT16])
        return of_lstm(
            random_lstm(
                random, of, FLOAT32 if of == FLOAT32 else INT8, plain=True, activation=ActivationFunctionType.RELU
            )
        )

    compare("tflm", make, 4)


class Telling(Lstm):
    """An int16 cell whose multipliers, of 16 bits, tell whether the scales have been multiplied in float or double."""

    input_scale = 2.0**-15 / 1.1

    def activation_tensor(self, *shape: int, is_variable: bool = False, scale: float = 0.0) -> TensorSpec:
        return super().activation_tensor(*shape, is_variable=is_variable, scale=float(np.float32(self.input_scale)))

    def matrix(self, rows: int, columns: int) -> TensorSpec:
        weights = super().matrix(rows, columns)
        first = np.float32(self.input_scale)
        while True:
            second = np.float32(2.0 ** self.rng.uniform(-8, -6))
            in_float, in_double = float(first * second), float(first) * float(second)
            if of_16_bits(in_float) != of_16_bits(in_double):
                return constant(INT8, weights.data, float(second))


def of_16_bits(product: float) -> int:
    multiplier, _ = quantize_multiplier(product * 2**12)
    return (multiplier + 2**15) >> 16


@tflm
def test_scales_are_multiplied_in_double_by_tflm() -> None:
    compare("tflm", lambda random: of_lstm(Telling(random, INT16, INT8, inputs=9, cells=11, steps=6)), 3)


@litert
@pytest.mark.parametrize(("activations", "weights"), [(FLOAT32, FLOAT32), (FLOAT32, INT8), (INT8, INT8)])
def test_a_large_lstm_is_litert_s(activations: TensorType, weights: TensorType) -> None:
    def make(random: Random) -> Made:
        batches, inputs, cells = (int(each) for each in random.integers(8, 90, 3))
        lstm = random_lstm(random, activations, weights, inputs=inputs, cells=cells, outputs=None)
        lstm.batches = batches // 8
        return of_lstm(lstm)

    compare("litert", make, 3)


@litert
@pytest.mark.parametrize("weights", [FLOAT32, INT8])
def test_a_diagonal_of_recurrent_weights_is_enough(weights: TensorType) -> None:
    compare("litert", lambda random: of_lstm(random_lstm(random, FLOAT32, weights, diagonal=True, outputs=None)))


@litert
@pytest.mark.parametrize(("activations", "weights"), [(FLOAT32, FLOAT32), (FLOAT32, INT8), (INT8, INT8)])
def test_one_step_of_an_lstm_is_an_operator_of_its_own(activations: TensorType, weights: TensorType) -> None:
    op = BuiltinOperator.LSTM
    compare("litert", lambda random: of_lstm(random_lstm(random, activations, weights, op=op)))


def lstm_8x8_8(random: Random, **fixed: Any) -> Lstm:
    form = {"cifg": True, "norm": True, "peephole": False, "projection_bias": True, "cell_power": -15}
    drawn = form | {"op": BuiltinOperator.LSTM, "intermediates": 12, "cells": 6, "outputs": int(random.integers(1, 7))}
    return random_lstm(random, INT8, INT8, **(drawn | fixed))


@litert
def test_twelve_intermediate_tensors_make_another_lstm() -> None:
    compare("litert", lambda random: of_lstm(lstm_8x8_8(random)), 12)


@litert
def test_layer_norm_of_gates_that_hardly_differ_is_litert_s() -> None:
    """Their variance is lost in the rounding, and what is divided by it is large."""

    def make(random: Random) -> Made:
        narrow = random_lstm(random, INT8, INT8, norm=True, peephole=False, inputs=1, alike=True)
        return of_lstm(narrow)

    compare("litert", make, 12)


@litert
@pytest.mark.parametrize("of", [FLOAT32, UINT8])
def test_the_basic_kernel_of_lstm_has_four_outputs(of: TensorType) -> None:
    def make(random: Random) -> Made:
        batches, inputs, width = (int(each) for each in random.integers(1, 14, 3))
        return basic_lstm(random, of, batches, inputs, width), lambda: [values_of(random, of, (batches, inputs))]

    compare("litert", make)


def values_of(random: Random, of: TensorType, shape: tuple[int, ...]) -> Array:
    return float_input(random, shape) if of == FLOAT32 else values(random, of, shape)


def two_ways(random: Random, weights: TensorType) -> Bidirectional:
    batches, steps, inputs, cells, more_cells = (int(each) for each in random.integers(1, 9, 5))
    return Bidirectional(
        random,
        weights=weights,
        batches=1 + batches // 3,
        steps=1 + steps // 2,
        inputs=inputs,
        cells=cells,
        more_cells=more_cells,
        auxiliary=[None, None, "input", "weights"][random.integers(4)],
        merge=bool(random.integers(2)),
        time_major=bool(random.integers(2)),
        asymmetric=bool(random.integers(2)),
        activation=random_activation(random),
        cifg=bool(random.integers(2)),
        peephole=bool(random.integers(2)),
        outputs=None if random.integers(2) else max(1, cells // 2),
    )


@litert
@pytest.mark.parametrize("weights", [FLOAT32, INT8])
def test_two_lstms_walk_in_opposite_directions(weights: TensorType) -> None:
    def make(random: Random) -> Made:
        both = two_ways(random, weights)
        if both.merge and not both.time_major:
            both.batches = 1  # see docs/runtime-bugs.md
        return both.lstm(), both.input

    compare("litert", make)


@litert
@pytest.mark.parametrize("weights", [FLOAT32, INT8])
def test_two_rnns_walk_in_opposite_directions(weights: TensorType) -> None:
    def make(random: Random) -> Made:
        both = two_ways(random, weights)
        if both.merge and both.time_major and weights == INT8:
            both.batches = 1  # see docs/runtime-bugs.md
        return both.rnn(), both.input

    compare("litert", make, 12)


@litert
@pytest.mark.parametrize("weights", [FLOAT32, INT8])
@pytest.mark.parametrize("rank", [2, 3])
def test_an_rnn_is_litert_s(weights: TensorType, rank: int) -> None:
    def make(random: Random) -> Made:
        shape = (*(int(each) for each in random.integers(1, 6, rank - 1)), int(random.integers(1, 20)))
        units, activation = int(random.integers(1, 12)), random_activation(random)
        asymmetric, time_major = (bool(each) for each in random.integers(0, 2, 2))
        model = rnn(random, weights, shape, units, activation, asymmetric=asymmetric, time_major=time_major)
        return model, lambda: [float_input(random, shape)]

    compare("litert", make)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("activations", "weights", "in_time"),
    [(FLOAT32, FLOAT32, FLOAT32), (FLOAT32, INT8, INT8), (INT8, INT8, INT16), (INT8, INT8, INT8)],
)
def test_svdf_is_that_of_the_runtime(
    runtime: str, activations: TensorType, weights: TensorType, in_time: TensorType
) -> None:
    def make(random: Random) -> Made:
        batches, inputs, units, rank, memory = (int(each) for each in random.integers(1, 10, 5))
        model = svdf(
            random,
            activations,
            weights,
            in_time=in_time,
            batches=batches,
            inputs=inputs,
            units=units,
            rank=rank,
            memory=memory,
            bias=runtime == "tflm" or bool(random.integers(2)),
            activation=random_activation(random) if activations == FLOAT32 else ActivationFunctionType.RELU,
            asymmetric=bool(random.integers(2)),
            pot=bool(random.integers(2)),
        )
        return model, lambda: [values_of(random, activations, (batches, inputs))]

    if ONLY.get((activations, weights, in_time), runtime) == runtime:
        compare(runtime, make)
    else:
        assert isinstance(ours(runtime, make(np.random.default_rng(1))[0], []), str)


ONLY = {(FLOAT32, INT8, INT8): "litert", (INT8, INT8, INT8): "tflm"}
"""What only one of the runtimes takes."""


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_a_machine_begins_anew_when_it_is_reset(dialect: str) -> None:
    lstm = random_lstm(np.random.default_rng(3), INT8, INT8, plain=True)
    x = [lstm.input()]
    machine = Machine(read_model(lstm.model()), DIALECTS[dialect])
    first, second = machine.call(0, x), machine.call(0, x)
    machine.reset()
    assert (first[0] != second[0]).any()
    assert_same(first[0], machine.call(0, x)[0])


def refusal(lstm: Lstm, dialect: str = "litert") -> str:
    """Why we refuse it."""
    computed = ours(dialect, lstm.model(), [])
    assert isinstance(computed, str)
    return computed


def test_what_no_lstm_can_be_is_refused() -> None:
    random = np.random.default_rng(5)
    assert "12 intermediate tensors; it takes 5" in refusal(random_lstm(random, INT8, INT8, intermediates=12))
    assert "tanh takes from 2**-15 to 2**-9" in refusal(random_lstm(random, INT8, INT8, cell_power=-8, outputs=None))
    assert "needs layer norm" in refusal(lstm_8x8_8(random, norm=False))
    assert "needs a projection" in refusal(lstm_8x8_8(random, outputs=None))
    assert "no input gate of its own" in refusal(lstm_8x8_8(random, cifg=False))
    assert "it must be 2**-15" in refusal(lstm_8x8_8(random, cell_power=-14))
    assert "input type INT16" in refusal(random_lstm(random, INT16, INT8, plain=True))
    assert "peephole, projection or layer norm" in refusal(
        random_lstm(random, FLOAT32, FLOAT32, cifg=False, peephole=True), "tflm"
    )


def recurrent_models() -> list[Any]:
    """The real networks that have one of these operators."""
    chosen = [model for model in corpus() if any(each.split()[0].endswith(OPERATORS) for each in model.operators)]
    return [pytest.param(model, id=model.file) for model in chosen] if corpus() else [NO_CORPUS]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("model", recurrent_models())
def test_a_real_network_remembers_what_the_runtime_does(model: CorpusModel, runtime: str) -> None:
    random = np.random.default_rng(7)
    inputs = read_model(model.data).subgraphs[0].inputs
    runs = [[values_of(random, tensor.type, tensor.shape) for tensor in inputs] for _ in range(4)]
    crashes = runtime == "litert" and "keyword_scrambled_8bit" in model.file
    assert (agree(runtime, model.data, *runs) == 0) == crashes


def test_an_input_may_not_be_resized_to_more_batches_than_there_are_states() -> None:
    lstm = random_lstm(np.random.default_rng(9), FLOAT32, FLOAT32, batches=2)
    machine = Machine(read_model(lstm.model()), DIALECTS["litert"])
    x = np.concatenate([lstm.input()] * 2, axis=1 if lstm.time_major else 0)
    with pytest.raises(UnsupportedNode, match="but 4 batches of"):
        machine.call(0, [x])
