"""Where runtimes part: what is named differs, and what is not named is equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.comparison.dialects import Comparison, Side, diff, remembers
from refinfer.comparison.gaps import Gap, gap_between
from refinfer.comparison.rules import CAUSES
from refinfer.kernels.registry import DIALECTS
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, installed, one_op_model

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[2] / "models"
STREAM = MODELS / "digits_stream_int8.tflite"


def side(found: Comparison, name: str) -> Side:
    (chosen,) = (each for each in found.sides if each.name == name)
    return chosen


PARTING_SCALE, PARTING_ZERO_POINT = 0.04665727913379669, -37
"""Of an int8 of which one value in 256 has another sigmoid by litert's table than in tflm's fixed point."""

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)


def quantized(scale: float = 1 / 256, zero_point: int = -128) -> TensorSpec:
    return TensorSpec(TensorType.INT8, (1, 256), [scale], [zero_point])


def test_the_operator_that_differs_is_named_with_its_cause_and_those_around_it_are_not() -> None:
    x, hidden = (quantized(PARTING_SCALE, PARTING_ZERO_POINT) for _ in range(2))
    y, z = quantized(), quantized()
    nodes = [
        NodeSpec(BuiltinOperator.MAXIMUM, [x, x], [hidden]),
        NodeSpec(BuiltinOperator.LOGISTIC, [hidden], [y]),
        NodeSpec(BuiltinOperator.MINIMUM, [y, y], [z]),  # is handed the difference and makes none
    ]
    found = diff(build(SubgraphSpec(nodes, [x], [z])), [[EVERY_INT8]] * 2, official=False)
    assert found.layers is not None
    (layer,) = found.layers
    assert (layer.node.name, layer.node.index, layer.runs) == ("LOGISTIC", 1, 2)
    assert layer.gap == Gap(512, 2, 1)
    assert layer.cause is not None
    assert layer.cause.startswith("the table: ")
    assert not found.equal
    assert side(found, "refinfer litert").gaps == {"tflm": layer.gap}


def test_state_is_handed_over_as_it_was_before_the_operator() -> None:
    """The LSTM keeps its state in variables that it updates: both dialects must start from the same."""
    lstm = diff(MODELS / "digits_lstm_float.tflite", seeds=4, official=False)
    assert lstm.layers is not None
    for layer in lstm.layers:
        assert layer.gap.largest is not None
        assert layer.gap.largest < 1e-5


def test_the_tensors_behind_an_operator_that_differs_are_told_with_it() -> None:
    found = diff(MODELS / "digits_lstm_int8.tflite", seeds=2, official=False)
    assert [stage.pair.first.node.index for stage in found.stages] == [0, 1, 2, 3]
    assert found.layers is not None
    assert [layer.node.index for layer in found.layers] == [0]
    assert all(stage.distance.different for stage in found.stages)
    last = found.stages[-1].distance
    gap = side(found, "refinfer litert").gaps["tflm"]
    assert (last.elements, last.different) == (gap.elements, gap.different)
    assert last.largest == pytest.approx((gap.largest or 0) * last.step)


def test_what_control_flow_calls_is_compared_by_itself() -> None:
    found = diff(STREAM, seeds=3, official=False)
    assert found.equal
    assert found.layers is not None
    assert {layer.node.name for layer in found.layers} <= {"FULLY_CONNECTED"}


def test_a_dialect_that_refuses_is_told_and_the_other_still_compared() -> None:
    found = diff(MODELS / "digits_conv_dynamic.tflite", seeds=2, official=False)
    assert found.layers is None
    assert not found.equal
    assert side(found, "refinfer tflm").note.startswith("operator 3 (CONV_2D)")
    assert side(found, "refinfer litert").note == ""


@pytest.mark.skipif(not (installed("litert") and installed("tflm")), reason="an official runtime is missing")
@pytest.mark.parametrize("name", ["digits_dense_int8", "digits_lstm_int8", "digits_lstm_float", "digits_stream_int8"])
def test_each_dialect_equals_its_official_runtime_on_the_sample_models(name: str) -> None:
    found = diff(MODELS / f"{name}.tflite", seeds=5)
    assert side(found, "LiteRT reference").gaps["litert"].different == 0
    assert side(found, "tflite-micro").gaps["tflm"].different == 0
    assert all(each.version and not each.note for each in found.sides[2:])


def test_a_runtime_that_is_not_installed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.testing.referees.installed", lambda _: False)
    found = diff(MODELS / "digits_dense_int8.tflite", seeds=1)
    assert side(found, "tflite-micro") == Side(
        "tflite-micro", "tflite-micro", "", "not installed: pip install tflite-micro", {}
    )


@pytest.mark.skipif(not installed("litert"), reason="the package of litert is not installed")
def test_what_an_official_runtime_says_when_it_refuses_is_told() -> None:
    x, y = (TensorSpec(TensorType.FLOAT32, (3,)) for _ in range(2))
    found = diff(one_op_model(BuiltinOperator.CEIL, [x], [y]), seeds=1)
    assert "Didn't find op for builtin opcode 'CEIL'" in side(found, "LiteRT reference").note
    assert side(found, "LiteRT optimized").gaps["litert"].different == 0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.array([1, 2, 3], np.int8), np.array([1, 5, -128], np.int8), Gap(3, 2, 131)),
        (np.array([0.0, np.nan]), np.array([-0.0, np.nan]), Gap(2, 1, 0)),
        (np.array([np.inf, 1.0]), np.array([np.inf, np.nan]), Gap(2, 1, np.inf)),
        (np.array([True]), np.array([False]), Gap(1, 1, 1)),
        (np.zeros((2, 3)), np.zeros((3, 2)), Gap(6, 6, None)),
        (np.zeros(0), np.zeros(0), Gap(0, 0, 0)),
        (np.array([b"a", b"b"], object), np.array([b"a", b"c"], object), Gap(2, 1, None)),
    ],
)
def test_a_gap_counts_bits_and_measures_numbers(first: Array, second: Array, expected: Gap) -> None:
    assert gap_between(first, second) == expected
    assert gap_between(second, first) == expected


def test_gaps_add_up() -> None:
    assert Gap(3, 1, 2.0) + Gap(4, 2, 1.0) == Gap(7, 3, 2.0)
    assert (Gap(1, 1, None) + Gap(1, 1, 5.0)).largest is None


def test_every_cause_is_one_that_the_registry_shows() -> None:
    """A cause speaks of an operator for which the dialects have different rows, or of one that Numerics knows."""
    litert, tflm = DIALECTS["litert"], DIALECTS["tflm"]
    in_numerics = {"FULLY_CONNECTED", "MUL", "PRELU", "LEAKY_RELU", "ABS", "DIV", "HARD_SWISH", "SOFTMAX"}
    for op in CAUSES:
        assert litert.computes[op] != tflm.computes[op] or op.name in in_numerics, op.name


def test_each_two_of_four_answers_part_at_an_operator_that_rounds_in_two_ways() -> None:
    found = diff(MODELS / "digits_dense_int8.tflite", seeds=20, official=False)
    pairs = {(pair.first, pair.second): pair for pair in found.answers.pairs}
    assert len(pairs) == 6
    apart = pairs["tflm", "xnnpack"]
    assert apart.parting is not None
    assert apart.parting.name == "FULLY_CONNECTED"
    assert apart.rules[0] != apart.rules[1]
    assert all((pair.gap.different == 0) >= (pair.parting is None) for pair in found.answers.pairs)
    assert all(pair.decisions is not None for pair in found.answers.pairs)


def test_a_model_forgets_before_a_run_that_begins_anew() -> None:
    """Of one that remembers, a digit in 8 calls: the second time all is as it was the first time."""
    runs = [[np.full((1, 1, 8, 1), i, np.int8)] for i in range(8)] * 2
    ours = [diff(STREAM, given, anew=anew) for given, anew in ((runs[:8], ()), (runs, (8,)), (runs, ()))]
    different = [[pair.gap.different for pair in each.answers.pairs] for each in ours]
    assert different[1] == [2 * each for each in different[0]]
    assert layer_gap(ours[1]).different == 2 * layer_gap(ours[0]).different
    for each in ours[1:]:
        for one in each.sides[2:]:
            assert not one.version or not one.note
            assert all(gap.elements == 160 for gap in one.gaps.values())
        if installed("litert"):
            assert side(each, "LiteRT XNNPACK").gaps["litert"].elements == 160
            assert side(each, "LiteRT reference").gaps["litert"].different == 0


def layer_gap(found: Comparison) -> Gap:
    assert found.layers is not None
    return sum((each.gap for each in found.layers), Gap())


@pytest.mark.parametrize(("name", "expected"), [("stream_int8", True), ("lstm_int8", True), ("conv_int8", False)])
def test_a_model_with_variables_remembers(name: str, expected: bool) -> None:
    assert remembers(read_model(MODELS / f"digits_{name}.tflite")) == expected
