"""What compiled kernels compute of recurrent operators is what numpy computes, over several runs that share a state."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from tests.kernels.bits import Random
from tests.kernels.recurrent_models import FLOAT32, INT8, INT16, Lstm, random_lstm, rnn, svdf

pytest.importorskip("numba", reason="compiled kernels need numba")

COUNT = 5 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 10
RUNS = 3
PLAIN: dict[str, Any] = {
    "activation": ActivationFunctionType.TANH,
    "outputs": None,
    "cifg": False,
    "peephole": False,
    "norm": False,
    "projection_clip": 0.0,
}

Make = Callable[[Random], Lstm]


def bits_of(machine: Machine, inputs: list[Any]) -> list[bytes]:
    """Outputs and states after a run, or why there is none."""
    try:
        outputs = machine.call(0, inputs)
    except UnsupportedNode as refusal:
        return [str(refusal).encode()]
    states = [machine.constants(0)[x.index] for x in machine.graph.subgraphs[0].tensors if x.is_variable]
    return [each.tobytes() for each in (*outputs, *states) if each is not None]


def is_compiled_and_agrees(model: bytes, inputs: Callable[[], list[Any]], dialect: str) -> bool:
    """Assert that both tiers give the same; whether the second has a plan."""
    graph = read_model(model)
    try:
        numpy, compiled = (Machine(graph, DIALECTS[dialect], engine=engine) for engine in ("numpy", "compiled"))
    except UnsupportedNode:
        return False
    for _ in range(RUNS):
        given = inputs()
        assert bits_of(numpy, given) == bits_of(compiled, given)
    return compiled.plan(0, [x.shape for x in given]) is not None


def inputs_of(lstm: Lstm) -> list[Any]:
    """Random values."""
    return [lstm.input()]


def compare(dialect: str, make: Make, least: float) -> None:
    """Some models, of which at least this part is compiled."""
    random = np.random.default_rng(29)
    found = []
    for _ in range(COUNT):
        lstm = make(random)
        model = lstm.model()
        found.append(is_compiled_and_agrees(model, partial(inputs_of, lstm), dialect))
    assert sum(found) >= least * COUNT


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_lstm_of_integers_is_the_same(dialect: str) -> None:
    compare(dialect, lambda random: random_lstm(random, INT8, INT8, **PLAIN), 0.9)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_large_lstm_of_integers_is_the_same(dialect: str) -> None:
    def make(random: Random) -> Lstm:
        inputs, cells = (int(each) for each in random.integers(20, 90, 2))
        return random_lstm(random, INT8, INT8, **PLAIN | {"inputs": inputs, "cells": cells})

    compare(dialect, make, 0.9)


def test_an_lstm_without_activation_is_the_same() -> None:
    none = ActivationFunctionType.NONE
    compare("tflm", lambda random: random_lstm(random, INT8, INT8, plain=True, activation=none), 0.9)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_lstm_of_floats_is_the_same(dialect: str) -> None:
    compare(dialect, lambda random: random_lstm(random, FLOAT32, FLOAT32, **PLAIN), 0.4)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_large_lstm_of_floats_is_the_same(dialect: str) -> None:
    def make(random: Random) -> Lstm:
        inputs, cells = (int(each) for each in random.integers(20, 90, 2))
        return random_lstm(random, FLOAT32, FLOAT32, **PLAIN | {"inputs": inputs, "cells": cells, "time_major": False})

    compare(dialect, make, 0.9)


@pytest.mark.parametrize("largest", [10, 90])
def test_an_lstm_of_floats_with_weights_of_integers_is_the_same(largest: int) -> None:
    def make(random: Random) -> Lstm:
        inputs, cells = (int(each) for each in random.integers(1, largest, 2))
        return random_lstm(random, FLOAT32, INT8, **PLAIN | {"inputs": inputs, "cells": cells})

    compare("litert", make, 0.4)


@pytest.mark.parametrize(("activations", "weights"), [(INT8, INT8), (FLOAT32, INT8)])
def test_one_step_is_the_same(activations: TensorType, weights: TensorType) -> None:
    op = BuiltinOperator.LSTM
    compare("litert", lambda random: random_lstm(random, activations, weights, op=op, **PLAIN), 0.4)


@pytest.mark.parametrize(("dialect", "in_time"), [("litert", INT16), ("tflm", INT16), ("tflm", INT8)])
def test_svdf_of_integers_is_the_same(dialect: str, in_time: TensorType) -> None:
    random = np.random.default_rng(30)
    for _ in range(COUNT):
        batches, inputs, units, rank, memory = (int(each) for each in random.integers(1, 20, 5))
        sizes: dict[str, Any] = {
            "batches": batches,
            "inputs": inputs,
            "units": units,
            "rank": rank % 3 + 1,
            "memory": memory,
        }
        model = svdf(random, INT8, INT8, in_time=in_time, pot=bool(random.integers(2)), **sizes)
        x = [random.integers(-128, 128, (batches, inputs)).astype(np.int8)]
        assert is_compiled_and_agrees(model, partial(list, x), dialect)


@pytest.mark.parametrize(("dialect", "weights"), [("litert", FLOAT32), ("litert", INT8), ("tflm", FLOAT32)])
def test_svdf_of_floats_is_the_same(dialect: str, weights: TensorType) -> None:
    random = np.random.default_rng(32)
    activations = [each for each in ActivationFunctionType if each != ActivationFunctionType.SIGN_BIT]
    for _ in range(3 * COUNT):
        batches, inputs, units, rank, memory = (int(each) for each in random.integers(1, 20, 5))
        sizes: dict[str, Any] = {
            "batches": batches % 3 + 1,
            "inputs": inputs,
            "units": units,
            "rank": rank % 6 + 1,
            "memory": memory,
        }
        activation, asymmetric = activations[random.integers(len(activations))], bool(random.integers(2))
        model = svdf(random, FLOAT32, weights, activation=activation, asymmetric=asymmetric, **sizes)
        x = [random.normal(0, 1, (sizes["batches"], inputs)).astype(np.float32) * np.float32(random.integers(5) > 0)]
        assert is_compiled_and_agrees(model, partial(list, x), dialect)


@pytest.mark.parametrize("weights", [FLOAT32, INT8])
def test_an_rnn_is_the_same(weights: TensorType) -> None:
    random = np.random.default_rng(31)
    activations = [each for each in ActivationFunctionType if each != ActivationFunctionType.SIGN_BIT]
    for _ in range(4 * COUNT):
        sizes = [int(each) for each in random.integers(1, random.choice([4, 30]), random.integers(2, 4))]
        units, activation = (
            int(random.integers(1, random.choice([4, 50]))),
            activations[random.integers(len(activations))],
        )
        asymmetric, time_major = (bool(each) for each in random.integers(2, size=2))
        model = rnn(random, weights, tuple(sizes), units, activation, asymmetric=asymmetric, time_major=time_major)
        x = [random.normal(0, 1, sizes).astype(np.float32) * np.float32(random.integers(5) > 0)]
        assert is_compiled_and_agrees(model, partial(list, x), "litert")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_has_no_kernel_is_left_to_numpy(dialect: str) -> None:
    compare(dialect, lambda random: random_lstm(random, INT8, INT8), 0.0)
