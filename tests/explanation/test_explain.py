"""An explanation executes what it prints, and comes to what the interpreter has."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refinfer
from refinfer import UsageError
from refinfer.explanation import explain as module
from refinfer.explanation.explain import Account, Explanation, Row, aligned, explain
from refinfer.explanation.lessons import TOPICS
from refinfer.explanation.steps import Result, Step
from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, Padding, TensorType
from refinfer.schema.options import DepthwiseConv2DOptions
from refinfer.testing import TensorSpec, cases, one_op_model
from tests.explanation.made import explained, wrong_formulas
from tests.kernels.recurrent_models import Lstm, random_lstm

MODELS = Path(__file__).resolve().parents[2] / "models"
CONV = MODELS / "digits_conv_int8.tflite"
DENSE = MODELS / "digits_dense_int8.tflite"
PARTING = {"op": 2, "element": (0, 6), "seed": 6}  # an element of DENSE that the dialects round differently


def check(explanation: Explanation) -> None:
    """All that is told is so."""
    for account in explanation.accounts:
        assert account.agrees, (account.dialect, account.found, account.value, account.steps)
        assert wrong_formulas(account) == []


@pytest.mark.parametrize(("op", "type"), list(explained()), ids=lambda each: each.name)
@settings(max_examples=25)
@given(data=st.data())
def test_the_steps_lead_to_what_the_interpreter_has(op: BuiltinOperator, type: TensorType, data: st.DataObject) -> None:
    case = data.draw(cases(op, type, largest=4))
    shape = case.node.outputs[0].shape
    if 0 in shape:
        return
    element = [data.draw(st.integers(0, size - 1)) for size in shape]
    explanation = explain(case.graph, 0, element, case.inputs)
    assert any(account.found is not None or account.refusal for account in explanation.accounts) or op in COVERED_APART
    check(explanation)
    check(explain(case.graph, 0, element, case.inputs, dialect="litert-optimized,xnnpack"))


COVERED_APART = {BuiltinOperator.CONCATENATION, BuiltinOperator.BATCH_MATMUL, BuiltinOperator.SOFTMAX}
"""Operators of which some nodes of a type that is explained are not."""


@pytest.mark.parametrize("model", sorted(MODELS.glob("*_int8.tflite")), ids=lambda path: path.stem)
def test_every_operator_of_the_sample_models_is_explained_or_said_not_to_be(model: Path) -> None:
    graph = refinfer.read_model(model)
    rng = random.Random(0)
    told = set()
    for node in graph.subgraphs[0].nodes:
        if not node.outputs:
            continue
        element = [rng.randrange(size) for size in node.outputs[0].shape]
        for explanation in (explain(graph, node.index), explain(graph, node.index, element, seed=1)):
            check(explanation)
        told |= {node.op for account in explanation.accounts if account.steps}
    assert {node.op for node in graph.subgraphs[0].nodes} - told <= {
        BuiltinOperator.CALL_ONCE,
        BuiltinOperator.VAR_HANDLE,
        BuiltinOperator.READ_VARIABLE,
        BuiltinOperator.ASSIGN_VARIABLE,
    }


@pytest.mark.parametrize("seed", range(12))
def test_a_unit_of_an_lstm_at_one_time_is_explained_from_the_states_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = {"activation": ActivationFunctionType.RELU} if seed % 6 == 5 else {}
    activations = TensorType.INT16 if seed % 3 == 2 else TensorType.INT8
    graph = refinfer.read_model(random_lstm(rng, activations, TensorType.INT8, plain=True, **fixed).model())
    shape = graph.subgraphs[0].outputs[0].shape
    for _ in range(4):
        explanation = explain(graph, 0, [int(rng.integers(size)) for size in shape], seed=seed)
        check(explanation)
        litert, tflm = explanation.accounts
        assert tflm.steps
        assert bool(litert.steps) == (activations == TensorType.INT8)


def test_another_lstm_is_said_to_have_no_explanation() -> None:
    lstm = Lstm(np.random.default_rng(0), activations=TensorType.INT8, weights=TensorType.INT8, peephole=True)
    litert = explain(refinfer.read_model(lstm.model()), 0, dialect="litert").accounts[0]
    assert (litert.steps, litert.found, litert.agrees) == ((), None, True)
    assert isinstance(litert.value, int)
    assert len(litert.operands) == 24
    assert sum("left out" in words for words in litert.operands) > 5


def test_where_the_dialects_part_is_the_first_rounding() -> None:
    explanation = refinfer.explain(DENSE, **PARTING)  # type: ignore[arg-type]
    litert, tflm = explanation.accounts
    assert (litert.value, tflm.value) == (1, 0)
    assert explanation.parting is not None
    shared = explanation.rows[: explanation.parting]
    assert [row.steps[0].label for row in shared if row.steps[0]] == ["sum", "accumulator", "real multiplier"]
    assert explanation.rows[explanation.parting].steps[0] == litert.steps[3]


def test_dialects_that_do_the_same_do_not_part() -> None:
    explanation = explain(CONV, 0)
    assert explanation.parting is None
    assert all(row.equal for row in explanation.rows)


def test_one_dialect_is_told_by_itself() -> None:
    (account,) = explain(CONV, 6, dialect="tflm").accounts
    assert account.dialect == "tflm"
    assert [step.label for step in account.steps][-3:] == ["stands for", "in real numbers", "rounding error"]


def test_the_element_is_the_largest_if_none_is_named() -> None:
    explanation = explain(CONV, 7)
    values = [explain(CONV, 7, (0, i)).accounts[0].value for i in range(10)]
    assert explanation.element == (0, values.index(max(values)))  # type: ignore[type-var]


def test_a_dialect_that_refuses_the_model_says_why_and_the_other_goes_on() -> None:
    litert, tflm = explain(MODELS / "digits_conv_dynamic.tflite", 0).accounts
    assert litert.value is not None
    assert "Hybrid models are not supported" in tflm.refusal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"op": 8}, "there is no operator 8; the main subgraph has 0 to 7"),
        ({"op": -1}, "there is no operator -1; the main subgraph has 0 to 7"),
        ({"op": 7, "element": (0, 10)}, r"there is no element \[0, 10\]; the output has shape \[1, 10\]"),
        ({"op": 7, "element": (0, -1)}, r"there is no element \[0, -1\]"),
        ({"op": 7, "element": (0,)}, r"there is no element \[0\]"),
        ({"op": 7, "inputs": []}, "0 inputs are given; the model has 1"),
        ({"op": 7, "dialect": "cmsis"}, "no dialect 'cmsis'; wanted is one of litert, tflm, litert-optimized, xnnpack"),
        ({"op": 7, "dialect": "litert,tflm,xnnpack"}, "litert,tflm,xnnpack: wanted is .*, two with a comma"),
    ],
)
def test_what_there_is_not_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explain(CONV, **arguments)


def test_an_operator_without_output_or_without_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match=r"operator 0 \(CALL_ONCE\) has no output"):
        explain(MODELS / "digits_stream_int8.tflite", 0)
    x, y = TensorSpec(TensorType.FLOAT32, (0, 2)), TensorSpec(TensorType.FLOAT32, (0, 2))
    with pytest.raises(UsageError, match=r"float32 \[0, 2\] has no numbers"):
        explain(refinfer.read_model(one_op_model(BuiltinOperator.RELU, [x], [y])), 0)


def test_steps_that_come_to_something_else_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(topic: object, site: object) -> tuple[tuple[Step, ...], int]:
        return (Step("a guess", "5", 5),), 5

    value = explain(CONV, 0, (0, 0, 10, 12)).accounts[0].value
    monkeypatch.setattr(module, "taught", wrong)
    account = explain(CONV, 0, (0, 0, 10, 12), dialect="tflm").accounts[0]
    assert (account.found, account.value, account.agrees) == (5, value, False)
    assert value != 5


def test_a_number_is_the_same_to_the_bit() -> None:
    assert Account("tflm", found=float("nan"), value=float("nan")).agrees
    assert not Account("tflm", found=0.0, value=-0.0).agrees
    assert not Account("tflm", found=1, value=2).agrees


steps = st.lists(st.builds(Step, st.sampled_from("abcd"), st.just("1"), st.integers(0, 1)), max_size=6)


@given(steps, steps)
def test_beside_each_other_no_step_is_lost_or_moved(first: list[Step], second: list[Step]) -> None:
    rows = list(aligned(first, second))
    assert [row.steps[0] for row in rows if row.steps[0] is not None] == first
    assert [row.steps[1] for row in rows if row.steps[1] is not None] == second
    assert all(any(step is not None for step in row.steps) for row in rows)


def test_equal_steps_are_one_row() -> None:
    one, two = Step("a", "1", 1), Step("b", "2", 2)
    assert list(aligned([one, two], [one])) == [Row((one, one)), Row((two, None))]


def test_every_lesson_is_for_an_operator_of_a_dialect() -> None:
    computes = {compute for dialect in DIALECTS.values() for compute in dialect.computes.values()}
    assert TOPICS.keys() <= computes


def test_the_page_names_every_operator_that_is_explained() -> None:
    text = (MODELS.parent / "docs" / "explain.md").read_text(encoding="utf-8")
    (listed,) = [part for part in text.split("\n## ") if part.startswith("What can be explained")]
    names = {op.name for dialect in PORTABLE.values() for op, compute in dialect.computes.items() if compute in TOPICS}
    words = set(listed.replace(",", " ").replace(";", " ").replace(".", " ").replace(":", " ").split())
    assert {word for word in words if word.isupper() and len(word) > 2} - {"LSTM"} == names


def test_what_a_number_stands_for_is_compared_with_a_real_result_where_there_is_one() -> None:
    pixels = refinfer.read_model(CONV).subgraphs[0].inputs[0]
    (step,) = module.closing(pixels, (0, 0, 0, 0), Result(3))
    assert (step.label, step.value) == ("stands for", 0.003921568859368563 * (3 + 128))
    others = [step.label for step in module.closing(pixels, (0, 0, 0, 0), Result(3, "0.5", 0.5))]
    assert others == ["stands for", "in real numbers", "rounding error"]


def test_what_comes_after_the_operator_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    look = module.Recorder.look

    def watch(recorder: module.Recorder, node: Any, *arrays: Any) -> None:
        seen.append(node.index)
        look(recorder, node, *arrays)

    monkeypatch.setattr(module.Recorder, "look", watch)
    explain(CONV, 2, dialect="tflm")
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("op", [BuiltinOperator.TANH, BuiltinOperator.LOGISTIC])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_to_a_scale_above_8_even_zero_is_as_good_as_infinite(op: BuiltinOperator, value: int) -> None:
    scale, zero_point = (1 / 128, 0) if op == BuiltinOperator.TANH else (1 / 256, -128)
    x, y = TensorSpec(TensorType.INT8, (1,), (10.0,), (0,)), TensorSpec(TensorType.INT8, (1,), (scale,), (zero_point,))
    graph = refinfer.read_model(one_op_model(op, [x], [y]))
    explanation = explain(graph, 0, (0,), [np.array([value], np.int8)])
    check(explanation)
    assert explanation.accounts[1].found == (127 if value >= 0 else -128)


def test_a_dimension_beyond_the_shape_is_no_matter() -> None:
    bias = TensorSpec(TensorType.INT32, (2,), (0.5, 0.25), (0, 0), axis=3, data=np.array([1, 2], np.int32))
    x = TensorSpec(TensorType.INT8, (1, 1), (0.5,), (0,))
    weights = TensorSpec(TensorType.INT8, (2, 1), (1.0, 0.5), (0, 0), axis=0, data=np.array([[1], [2]], np.int8))
    y = TensorSpec(TensorType.INT8, (1, 2), (0.5,), (0,))
    graph = refinfer.read_model(one_op_model(BuiltinOperator.FULLY_CONNECTED, [x, weights, bias], [y]))
    check(explain(graph, 0, (0, 1)))


def test_that_an_earlier_operator_parted_the_dialects_is_known() -> None:
    lstm = MODELS / "digits_lstm_int8.tflite"
    assert [explain(lstm, op, seed=0).same_inputs for op in (0, 3)] == [True, False]


@pytest.mark.parametrize("model", [CONV, DENSE, MODELS / "digits_mobile_int8.tflite"], ids=lambda path: path.stem)
def test_sums_are_explained_as_the_other_two_dialects_round_them(model: Path) -> None:
    graph = refinfer.read_model(model)
    rng = random.Random(1)
    for node in graph.subgraphs[0].nodes:
        element = [rng.randrange(size) for size in node.outputs[0].shape]
        explanation = explain(graph, node.index, element, dialect="litert-optimized,xnnpack", seed=2)
        check(explanation)
        if node.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            assert all(account.found is not None for account in explanation.accounts)


def test_a_board_and_a_pc_part_at_the_rounding() -> None:
    explanation = explain(MODELS / "digits_mobile_int8.tflite", 0, dialect="tflm,xnnpack")
    assert [account.dialect for account in explanation.accounts] == ["tflm", "xnnpack"]
    assert explanation.parting is not None
    board, pc = (account.steps for account in explanation.accounts)
    assert "RoundingDivideByPOT: ties go away from zero" in [step.note for step in board]
    assert "one rounding, of a float: ties go to the even neighbour" in [step.note for step in pc]


@pytest.mark.parametrize(("channels", "channel"), [(19, 15), (19, 16), (7, 0), (8, 7)])
def test_which_block_a_channel_is_in_decides_how_it_is_rounded(channels: int, channel: int) -> None:
    """A quarter of -6 is a tie: it goes up in whole blocks of 8 channels, and away from zero in what is left."""
    x = TensorSpec(TensorType.INT8, (1, 1, 1, channels), [0.25], [0])
    ones = np.ones((1, 1, 1, channels), np.int8)
    bias = TensorSpec(TensorType.INT32, (channels,), [0.25], [0], data=np.zeros(channels, np.int32))
    weights = TensorSpec(TensorType.INT8, (1, 1, 1, channels), [1.0], [0], data=ones)
    y = TensorSpec(TensorType.INT8, (1, 1, 1, channels), [1.0], [0])
    options = DepthwiseConv2DOptions(padding=Padding.VALID, stride_w=1, stride_h=1, depth_multiplier=1)
    graph = refinfer.read_model(
        one_op_model(BuiltinOperator.DEPTHWISE_CONV_2D, [x, weights, bias], [y], options, version=3)
    )
    explanation = explain(graph, 0, (0, 0, 0, channel), [ones * -6], dialect="litert-optimized")
    check(explanation)
    assert explanation.accounts[0].found == (-1 if channel < channels // 8 * 8 else -2)
