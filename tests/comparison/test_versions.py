"""Two models, tensor by tensor: what is the same is found, what differs is measured, what is left over is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import refinfer
from refinfer.comparison.distance import distance
from refinfer.comparison.stages import match
from refinfer.comparison.versions import diff_models, for_both, random_runs
from refinfer.inputs import runs_as_they_are
from refinfer.interpreter import Interpreter
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UsageError
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[2] / "models"
DENSE, FLOAT, HYBRID = (MODELS / f"digits_dense_{name}.tflite" for name in ("int8", "float", "dynamic"))
RESIDUAL = MODELS / "digits_residual_int8.tflite"


def quantized(scale: float, zero_point: int = 0) -> TensorSpec:
    return TensorSpec(TensorType.INT8, (1, 4), [scale], [zero_point])


def chain(name: str, *ops: BuiltinOperator) -> bytes:
    """Operators one behind the other; names of tensors begin with that."""
    tensors = [TensorSpec(TensorType.FLOAT32, (1, 4), name=f"{name}{i}") for i in range(len(ops) + 1)]
    nodes = [NodeSpec(op, [tensors[i]], [tensors[i + 1]]) for i, op in enumerate(ops)]
    return build(SubgraphSpec(nodes, [tensors[0]], [tensors[-1]]))


def test_a_model_is_equal_to_itself() -> None:
    found = diff_models(DENSE, DENSE, seeds=3)
    assert found.equal
    assert all(stage.distance.different == 0 for stage in found.stages)
    assert len(found.stages) == len(found.first.subgraphs[0].nodes)


@pytest.mark.parametrize("name", ["dense", "conv", "residual", "lstm", "stream", "mobile"])
def test_every_layer_of_a_float_model_is_found_in_its_int8_form(name: str) -> None:
    graphs = [refinfer.read_model(MODELS / f"digits_{name}_{form}.tflite") for form in ("float", "int8")]
    found = match(graphs[0], graphs[1])
    assert [pair.first.node.index for pair in found.pairs] == [pair.second.node.index for pair in found.pairs]
    assert (found.only_first, found.only_second) == ((), ())


def test_a_stage_tells_how_far_the_interpreters_tensors_are_apart() -> None:
    found = diff_models(FLOAT, DENSE, seeds=1)
    one, two = (refinfer.read_model(path) for path in (FLOAT, DENSE))
    ((first, second),) = random_runs(one, two, 1)
    values = []
    for path, inputs in ((FLOAT, first), (DENSE, second)):
        interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs[0])
        interpreter.invoke()
        values.append(interpreter)
    for stage in found.stages:
        a, b = stage.pair.first.tensor, stage.pair.second.tensor
        assert stage.distance == distance(
            np.asarray(values[0].get_tensor(a.index)), a, np.asarray(values[1].get_tensor(b.index)), b
        )


def test_operators_without_names_are_matched_by_their_place() -> None:
    abs_, neg, exp, floor = (getattr(BuiltinOperator, name) for name in ("ABS", "NEG", "EXP", "FLOOR"))
    first, second = map(refinfer.read_model, (chain("a", abs_, neg, exp), chain("b", abs_, floor, neg, exp)))
    found = match(first, second)
    assert [(pair.first.node.index, pair.second.node.index) for pair in found.pairs] == [(0, 0), (1, 2), (2, 3)]
    assert [place.node.name for place in found.only_second] == ["FLOOR"]


def test_what_cannot_be_matched_is_said() -> None:
    found = diff_models(DENSE, RESIDUAL, seeds=1)
    left = found.to_dict()
    assert [each["name"] for each in left["only_first"]] == ["RESHAPE", "FULLY_CONNECTED"]
    assert len(left["only_second"]) == 8


def test_models_with_other_inputs_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match=r"other inputs: shapes \[1, 8, 8, 1\] and \[1, 16, 16, 1\]"):
        diff_models(DENSE, MODELS / "digits_conv_int8.tflite")


def test_a_model_that_is_refused_is_named() -> None:
    found = diff_models(DENSE, HYBRID, seeds=1, dialect="tflm")
    assert found.refusals[0] == ""
    assert found.refusals[1].startswith("operator 1 (FULLY_CONNECTED)")
    assert (found.equal, found.stages) == (False, ())


# inputs


def model_with(x: TensorSpec) -> refinfer.Graph:
    y = TensorSpec(x.type, (1, 1, 4))
    shape = TensorSpec(TensorType.INT32, (3,), data=np.array([1, 1, 4], np.int32))
    return refinfer.read_model(build(SubgraphSpec([NodeSpec(BuiltinOperator.RESHAPE, [x, shape], [y])], [x], [y])))


def test_integers_of_one_model_are_reals_to_the_other_and_the_same_to_one_of_its_scale() -> None:
    integers = np.array([[-128, 0, 1, 127]], np.int8)
    half = model_with(quantized(0.5, 10))
    plain, coarse = model_with(TensorSpec(TensorType.FLOAT32, (1, 4))), model_with(quantized(1.0, 5))
    for first, second in ((half, plain), (plain, half)):
        for graph, (array,) in zip((first, second), for_both(first, second, [integers]), strict=True):
            expected = integers if graph is half else 0.5 * (integers.astype(np.float32) - 10)
            assert array.tolist() == expected.tolist()
    (same,), (other,) = for_both(half, coarse, [integers])
    assert same.tolist() == integers.tolist()
    assert other.tolist() == [[-64, 0, 0, 64]]  # -69, -5, -4.5 (away from zero) and 58.5, plus 5
    assert [each[0].tolist() for each in for_both(half, half, [integers])] == [integers.tolist()] * 2


def test_reals_are_quantized_for_the_model_that_wants_integers() -> None:
    plain, half = model_with(TensorSpec(TensorType.FLOAT32, (1, 4))), model_with(quantized(0.5, 10))
    reals = np.array([[-1.0, 0.0, 0.5, 2.0]], np.float32)
    (one,), (two,) = for_both(plain, half, [reals])
    assert (one.tolist(), two.tolist()) == (reals.tolist(), [[8, 10, 11, 14]])


def test_random_inputs_stay_within_what_the_integers_can_say() -> None:
    plain, half = model_with(TensorSpec(TensorType.FLOAT32, (1, 4))), model_with(quantized(8.0))
    for (one,), (two,) in random_runs(plain, half, 5):
        assert one.tolist() == (8.0 * two.astype(np.float32)).tolist()


def test_inputs_of_a_file_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "runs.npz"
    reals = np.random.default_rng(0).random((3, 1, 8, 8, 1))
    np.savez(path, reals)
    runs = runs_as_they_are(refinfer.read_model(DENSE), str(path))
    assert [run[0].dtype.name for run in runs] == ["float64"] * 3
    assert diff_models(FLOAT, DENSE, runs).runs == 3
