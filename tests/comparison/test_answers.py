"""The four official answers: who answers alike, where two part first, by which rule, and what that decides."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.comparison.answers import Answers, Trail, choice, decisions_of, digest_of, groups
from refinfer.comparison.dialects import Comparison, diff
from refinfer.comparison.rules import RULES, rule, rules_of
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.comparison.ties import compared, int8, ties

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[2] / "models"
INT8, FLOAT32 = TensorType.INT8, TensorType.FLOAT32


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compared()


ROUNDED = {"litert": [-3, -2], "tflm": [-3, -2], "litert-optimized": [-2, -2], "xnnpack": [-2, -2]}
"""What -2.5 and -2.25 become, by the rules that the course tells."""


def test_a_tie_is_rounded_as_the_rules_say() -> None:
    model, one = ties()
    for name, dialect in DIALECTS.items():
        (y,) = Machine(read_model(model), dialect).call(0, [one])
        assert y.reshape(-1).tolist() == ROUNDED[name], name


def test_who_answers_alike_is_told_of_each_operator(found: Comparison) -> None:
    expected = {"litert": 0, "tflm": 0, "litert-optimized": 1, "xnnpack": 1}
    assert [(each.node.name, each.groups) for each in found.answers.operators] == [
        ("CONV_2D", expected),
        ("MAXIMUM", expected),
    ]
    assert [each.groups for each in found.answers.outputs] == [expected]


def test_two_part_at_the_first_operator_that_differs_and_not_at_what_it_is_handed_to(found: Comparison) -> None:
    for pair in found.answers.pairs:
        apart = ROUNDED[pair.first] != ROUNDED[pair.second]
        assert (pair.parting is not None) == apart
        assert (pair.gap.elements, pair.gap.different) == (4, int(apart))
        if pair.parting is not None:
            assert (pair.parting.index, pair.parting.name) == (0, "CONV_2D")
            assert pair.rules[0] != pair.rules[1]


def test_a_decision_that_changes_is_told_with_its_input(found: Comparison) -> None:
    (decision,) = found.answers.decisions
    assert (decision.run, decision.input) == (0, "one.npy")
    assert decision.choices == {"litert": 1, "tflm": 1, "litert-optimized": 0, "xnnpack": 0}
    changes = {(pair.first, pair.second): pair.decisions for pair in found.answers.pairs}
    assert changes["litert", "tflm"] == 0
    assert changes["tflm", "xnnpack"] == 1


def test_the_pairs_are_what_the_groups_say_on_a_real_model() -> None:
    answers = diff(MODELS / "digits_dense_int8.tflite", seeds=5, official=False).answers
    assert answers.dialects == tuple(DIALECTS)
    assert [(pair.first, pair.second) for pair in answers.pairs] == list(combinations(DIALECTS, 2))
    for pair in answers.pairs:
        (output,) = answers.outputs
        assert (output.groups[pair.first] == output.groups[pair.second]) == (pair.gap.different == 0)


def test_a_dialect_that_does_not_run_the_model_has_no_answer() -> None:
    answers = diff(MODELS / "digits_conv_dynamic.tflite", seeds=1, official=False).answers
    assert "tflm" not in answers.dialects
    assert len(answers.pairs) == len(list(combinations(answers.dialects, 2)))


def test_operators_inside_a_loop_come_before_what_called_them() -> None:
    trail, machine = Trail(), Machine(read_model(MODELS / "digits_stream_int8.tflite"), DIALECTS["litert"])
    machine.watch = trail.look
    (x,) = machine.graph.subgraphs[0].inputs
    for _ in range(2):
        machine.call(0, [np.zeros(x.shape, np.int8)])
    order = list(trail.digests)
    calls = next(node for node in order if node.op == BuiltinOperator.CALL_ONCE)
    assert [node.subgraph for node in order[: order.index(calls)]] == [1] * order.index(calls) != []
    assert len(trail.digests[calls]) == 2


def test_digests_tell_bits_apart() -> None:
    assert digest_of([np.array([0.0], np.float32)]) != digest_of([np.array([-0.0], np.float32)])
    assert digest_of([np.array([1, 2], np.int8)]) == digest_of([np.array([1], np.int8), np.array([2], np.int8)])
    assert digest_of([np.array([b"a", b"b"], object)]) == digest_of([np.array([bytes([97]), b"b"], object)])
    assert digest_of([np.array([b"a"], object)]) != digest_of([np.array([b"c"], object)])


def test_groups_count_from_the_first() -> None:
    assert groups({"a": b"x", "b": b"y", "c": b"x", "d": None}) == {"a": 0, "b": 1, "c": 0, "d": 2}


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([np.array([1, 5, 5], np.int8)], 1),
        ([np.array([[0.5, 0.25]], np.float32), np.array([1], np.int8)], 0),
        ([np.array([3], np.int8)], None),
        ([np.array([b"a", b"b"], object)], None),
        ([], None),
    ],
)
def test_the_decision_is_the_first_of_the_largest_numbers(outputs: list[Array], expected: int | None) -> None:
    assert choice(outputs) == expected


def test_runs_that_all_decide_alike_are_left_out() -> None:
    assert decisions_of({"a": [1, 2, None], "b": [1, 3, None]}, []) == [(1, "", {"a": 2, "b": 3})]


def node_of(op: BuiltinOperator, inputs: list[TensorSpec], outputs: list[TensorSpec], options: Any = None) -> Node:
    (node,) = read_model(one_op_model(op, inputs, outputs, options, version=1)).subgraphs[0].nodes
    return node


def test_what_the_delegate_leaves_has_the_rule_of_the_optimized_kernels() -> None:
    node = node_of(BuiltinOperator.SOFTMAX, [int8((1, 4), 0.5)], [TensorSpec(INT8, (1, 4), [1 / 256], [-128])])
    assert rule("xnnpack", node) == f"not taken by the delegate: {rule('litert-optimized', node)}"
    assert rule("litert-optimized", node) == RULES[BuiltinOperator.SOFTMAX]["litert-optimized"]


def test_rules_of_8_bits_are_not_told_of_floats() -> None:
    floats = [TensorSpec(FLOAT32, (1, 4)) for _ in range(2)]
    node = node_of(BuiltinOperator.LOGISTIC, floats[:1], floats[1:])
    assert rules_of(node) == {}
    assert rule("tflm", node) == "the float exponential and where it is cut off"
    assert rule("litert", node) == rule("litert-optimized", node) == "the reference kernel"


def test_grouped_filters_are_rounded_by_the_reference_kernel() -> None:
    weights = TensorSpec(INT8, (4, 1, 1, 1), [0.5], [0], data=np.ones((4, 1, 1, 1), np.int8))
    options = Conv2DOptions(padding=Padding.VALID, stride_w=1, stride_h=1)
    node = node_of(BuiltinOperator.CONV_2D, [int8((1, 1, 1, 2), 0.5), weights], [int8((1, 1, 1, 4), 0.5)], options)
    assert rule("litert-optimized", node) == rule("litert", node)


def test_a_rule_is_told_for_each_operator_that_the_delegate_computes_in_its_own_way() -> None:
    delegate = DIALECTS["xnnpack"].delegate
    assert delegate is not None
    known = {op for op, rules in RULES.items() if "xnnpack" in rules}
    assert set(delegate.operators) - known == set()


def test_the_answers_of_no_run_are_empty() -> None:
    answers: Answers = diff(MODELS / "digits_dense_int8.tflite", [], official=False).answers
    assert all(pair.parting is None and pair.decisions is None for pair in answers.pairs)
