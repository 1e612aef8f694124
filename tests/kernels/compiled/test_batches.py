"""What is said to be by image is so, and parts on several threads come to the same bits as the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="compiled kernels need numba")

import refinfer
from refinfer.interpreter import Interpreter
from refinfer.kernels.compiled import batches
from refinfer.kernels.compiled.jit import INTERPRETED
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.testing import Case, cases, cases_of, examples_of, networks

# In plain Python a call of a sample model takes seconds: there, how parts are cut and come together is tried on few.
SIZES, RUNS, INPUTS = ((5,), 1, 3) if INTERPRETED else ((2, 5, 16), 3, 12)
MODELS = Path(__file__).resolve().parents[3] / "models"
NAMES = ("digits_conv_int8", "digits_dense_int8", "digits_mobile_int8", "digits_residual_float")[
    : 2 if INTERPRETED else 4
]
FLOAT32, INT8 = TensorType.FLOAT32, TensorType.INT8
OPERATORS = (
    BuiltinOperator.ADD,
    BuiltinOperator.AVERAGE_POOL_2D,
    BuiltinOperator.CONCATENATION,
    BuiltinOperator.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D,
    BuiltinOperator.FULLY_CONNECTED,
    BuiltinOperator.MAX_POOL_2D,
    BuiltinOperator.MEAN,
    BuiltinOperator.MUL,
    BuiltinOperator.PACK,
    BuiltinOperator.PAD,
    BuiltinOperator.RESHAPE,
    BuiltinOperator.SOFTMAX,
    BuiltinOperator.SPLIT,
    BuiltinOperator.STRIDED_SLICE,
    BuiltinOperator.TRANSPOSE,
    BuiltinOperator.UNPACK,
)


def batch_of(case: Case) -> int:
    """How many images a case has, if the rules say that they are independent; else 0."""
    machine = Machine(case.graph, DIALECTS["litert"])
    subgraph = case.graph.subgraphs[0]
    shapes = machine.shapes(0, [x.shape for x in case.inputs])
    by_image = batches.is_by_image(subgraph, machine._computes(0), machine._evaluates(0), shapes)
    return case.inputs[0].shape[0] if by_image and case.inputs else 0


def outputs_of(case: Case, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    return list(Machine(case.graph, DIALECTS["litert"]).call(0, inputs))


def assert_images_are_independent(case: Case, batch: int) -> None:
    """Give all images but one the values of others: that one's part of each output stays."""
    expected = outputs_of(case, list(case.inputs))
    for image in range(batch):
        others = [np.roll(x, 1, axis=0) for x in case.inputs]
        for changed, x in zip(others, case.inputs, strict=True):
            changed[image] = x[image]
        for y, found in zip(expected, outputs_of(case, others), strict=True):
            parts = y.reshape(batch, -1), found.reshape(batch, -1)
            assert parts[0][image].tobytes() == parts[1][image].tobytes()


@pytest.mark.parametrize("op", OPERATORS, ids=lambda each: each.name)
def test_images_that_are_said_to_be_independent_are(op: BuiltinOperator) -> None:
    for type in (INT8, FLOAT32):
        for case in examples_of(cases(op, type), 40):
            try:
                batch = batch_of(case)
            except UnsupportedNode:
                continue
            if batch > 1:
                assert_images_are_independent(case, batch)


def test_the_rules_find_many_independent_images() -> None:
    examples = [case for op in OPERATORS[:8] for case in examples_of(cases(op, INT8), 20)]
    assert sum(batch_of(case) > 1 for case in examples) > 20


def test_networks_of_independent_images_are_so() -> None:
    for case in examples_of(cases_of(networks(INT8)), 30):
        if (batch := batch_of(case)) > 1:
            assert_images_are_independent(case, batch)


@pytest.fixture
def eager_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WORTH_A_THREAD", 1e-9)
    monkeypatch.setattr(batches, "CORES", 3)


def answers(path: str, size: int, engine: str, threads: int) -> list[NDArray[Any]]:
    interpreter = Interpreter(path, engine=engine, num_threads=threads)
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(given["index"], (size, *given["shape"][1:]))
    interpreter.allocate_tensors()
    found = []
    for seed in range(RUNS):
        x = np.random.default_rng(seed).integers(-128, 128, (size, *given["shape"][1:])).astype(given["dtype"])
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(given["index"]), x)
        found.append(interpreter.get_tensor(answer["index"]))
    return found


@pytest.mark.parametrize("most", [1, 2, 8])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_parts_on_several_threads_come_to_the_same_bits(
    name: str, size: int, most: int, eager_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_IMAGES", most)
    path = str(MODELS / f"{name}.tflite")
    for expected, found in zip(answers(path, size, "numpy", 1), answers(path, size, "compiled", 3), strict=True):
        assert found.tobytes() == expected.tobytes()


def test_a_batch_of_a_sample_model_is_shared_by_threads(eager_threads: None) -> None:
    name = "digits_conv_int8" if INTERPRETED else "digits_mobile_int8"
    interpreter = Interpreter(str(MODELS / f"{name}.tflite"), engine="compiled", num_threads=2)
    interpreter.resize_tensor_input(0, (16, *interpreter.get_input_details()[0]["shape"][1:]))
    interpreter.allocate_tensors()
    bound = interpreter._tensors[0].bound
    assert bound is not None
    assert isinstance(bound.run, batches.Batch)
    interpreter.invoke()
    interpreter.invoke()
    assert len(bound.run._crew._wholes) == 2


@pytest.mark.parametrize("engine", ["numpy", "compiled", "auto"])
@pytest.mark.parametrize("name", ["digits_conv_int8", "digits_stream_int8", "digits_lstm_int8"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_many_inputs_have_the_answers_of_each(name: str, engine: str, dialect: str, eager_threads: None) -> None:
    path = str(MODELS / f"{name}.tflite")
    tensor = refinfer.read_model(path).subgraphs[0].inputs[0]
    inputs = list(np.random.default_rng(0).integers(-128, 128, (INPUTS, *tensor.shape)).astype(np.int8))
    found = refinfer.run_many(path, inputs, dialect=dialect, num_threads=2, engine=engine)
    machine = Machine(refinfer.read_model(path), DIALECTS[dialect])
    for x, (answer,) in zip(inputs, found, strict=True):
        machine.start_anew()
        (expected,) = machine.call(0, [x])
        assert answer.tobytes() == expected.tobytes()


def test_an_input_of_another_shape_is_refused() -> None:
    path = str(MODELS / "digits_conv_int8.tflite")
    with pytest.raises(ValueError, match="Dimension mismatch"):
        refinfer.run_many(path, [np.zeros((1, 2, 2, 1), np.int8)])
