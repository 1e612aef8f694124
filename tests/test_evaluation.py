"""Accuracy is what counting by hand gives, and what models/README.md says of the sample models."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import refinfer
from refinfer.evaluation import Evaluation, Score, evaluate, mcnemar, wilson
from refinfer.samples import read_samples
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UsageError
from refinfer.schema.options import AddOptions, SplitVOptions
from refinfer.terminal.evaluation import evaluation_lines
from refinfer.terminal.text import Screen
from refinfer.testing import TensorSpec, one_op_model

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[1] / "models"
README = (MODELS / "README.md").read_text(encoding="utf-8")
FIGURES = re.findall(r"^\| (digits_\w+) \| \d+ \| (\w+) \| (\w+) \|$", README, re.MULTILINE)
DENSE, FLOAT, HYBRID = (MODELS / f"digits_dense_{name}.tflite" for name in ("int8", "float", "dynamic"))


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    held_out = np.load(MODELS / "digits_held_out.npz")
    return held_out["images"], held_out["labels"]


@pytest.fixture(scope="module")
def cost(digits: tuple[Array, Array]) -> Evaluation:
    """Of quantization."""
    return evaluate(FLOAT, *digits, std=16, against=DENSE)


QUICK = ("dense", "conv_int8", "residual_int8", "mobile_int8", "stream_int8")


@pytest.mark.parametrize(
    ("name", "litert", "tflm"),
    [
        pytest.param(*row, marks=() if row[0].removeprefix("digits_").startswith(QUICK) else pytest.mark.slow)
        for row in FIGURES
    ],
)
def test_the_figures_of_the_readme_come_out(name: str, litert: str, tflm: str, digits: tuple[Array, Array]) -> None:
    both = tflm != "nan"  # it may read memory that is not its own there
    found = evaluate(MODELS / f"{name}.tflite", *digits, std=16, dialect="both" if both else "litert")
    counted = ["refused" if score.outputs is None else str(score.right) for score in found.scores]
    assert counted == ([litert, tflm] if both else [litert])


def test_other_processes_find_the_same(digits: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.evaluation.ALONE", 0.001)
    monkeypatch.setattr("refinfer.evaluation.WORTH_HELP", 0)
    pools: list[int] = []

    def pool(jobs: int, **keywords: Any) -> ProcessPoolExecutor:
        pools.append(jobs)
        return ProcessPoolExecutor(jobs, **keywords)

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", pool)
    images, labels = digits[0][:100], digits[1][:100]
    stream = MODELS / "digits_stream_int8.tflite"
    done: list[str] = []
    alone = evaluate(stream, images, labels, std=16)
    together = evaluate(stream, images, labels, std=16, jobs=2, progress=done.append)
    assert pools == [2]
    assert len(done) == 100
    assert alone.to_dict() == together.to_dict()
    first, second = (found.scores[0].outputs for found in (alone, together))
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)


def test_a_sample_does_not_see_the_one_before(digits: tuple[Array, Array]) -> None:
    images, labels = digits[0][:12], digits[1][:12]
    for name in ("stream_float", "lstm_float"):
        path = MODELS / f"digits_{name}.tflite"
        forwards = evaluate(path, images, labels, std=16).scores[0].outputs
        backwards = evaluate(path, images[::-1], labels[::-1], std=16).scores[0].outputs
        assert forwards is not None
        assert backwards is not None
        assert np.array_equal(forwards, backwards[::-1])


def test_pictures_in_folders_are_read_as_run_reads_them(digits: tuple[Array, Array], tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes pictures; it is not installed")
    pixels = (digits[0][:30].astype(np.uint16) * 255 // 16).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, digits[1], strict=False)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        pillow.fromarray(image).save(tmp_path / str(label) / f"{number:02}.png")
    samples = read_samples(str(tmp_path))
    order = [int(Path(str(item)).stem) for item in samples.items]
    integers = (pixels[order].astype(np.int16) - 128).astype(np.int8)
    pictures, arrays = (evaluate(DENSE, x, samples.labels).scores[0] for x in (samples.items, integers))
    assert pictures.labels.tolist() == digits[1][order].tolist()
    assert pictures.answers.tolist() == arrays.answers.tolist()
    assert pictures.right > 20


def test_what_quantization_cost_is_told(cost: Evaluation) -> None:
    (agreement,) = cost.agreements
    first, second = cost.scores
    assert [flip.kind for flip in agreement.flips].count("lost") == agreement.count("lost")
    assert first.right - agreement.count("lost") + agreement.count("won") == second.right
    assert agreement.equal is None
    assert agreement.same == (first.answers == second.answers).sum()


def test_dialects_are_compared_by_answers_and_by_bits(digits: tuple[Array, Array]) -> None:
    found = evaluate(DENSE, *digits, std=16, dialect="both")
    (agreement,) = found.agreements
    first, second = (score.outputs for score in found.scores)
    assert first is not None
    assert second is not None
    assert agreement.equal == (first == second).all(axis=1).sum()
    assert [score.dialect for score in found.scores] == ["litert", "tflm"]


def test_two_models_in_two_dialects_make_four_pairs(digits: tuple[Array, Array]) -> None:
    found = evaluate(DENSE, digits[0][:5], digits[1][:5], std=16, against=FLOAT, dialect="both")
    pairs = [(each["first"], each["second"]) for each in found.to_dict()["agreements"]]
    assert pairs == [(0, 1), (2, 3), (0, 2), (1, 3)]


def test_a_dialect_that_refuses_does_not_keep_the_other_from_being_judged(digits: tuple[Array, Array]) -> None:
    found = evaluate(HYBRID, digits[0][:5], digits[1][:5], std=16, dialect="both")
    assert [score.outputs is None for score in found.scores] == [False, True]
    assert found.scores[1].refusal.startswith("operator 1 (FULLY_CONNECTED)")
    assert not found.complete
    assert found.agreements == ()


def test_a_label_beyond_the_classes_is_refused(digits: tuple[Array, Array]) -> None:
    with pytest.raises(UsageError, match=r"a sample is of class 10, and .* has 10 classes"):
        evaluate(DENSE, digits[0][:2], [3, 10], std=16)


# several inputs, several outputs

PICTURE, HINT, SUM = (TensorSpec(TensorType.FLOAT32, (1, 4), name=name) for name in ("picture", "hint", "sum"))
TWO_INPUTS = one_op_model(BuiltinOperator.ADD, [PICTURE, HINT], [SUM], AddOptions())
SCORES = np.arange(24, dtype=np.float32).reshape(6, 4)
HINTS = np.roll(SCORES, 1, axis=1) * 5 % 7


def named(*arrays: Array) -> dict[str, Array]:
    return dict(zip(("picture", "hint"), arrays, strict=True))


def test_a_model_with_several_inputs_gets_an_array_for_each_by_name() -> None:
    found = evaluate(TWO_INPUTS, named(SCORES, HINTS), [0] * 6)
    assert np.array_equal(found.scores[0].outputs, SCORES + HINTS)  # type: ignore[arg-type]  # there are some
    assert found.scores[0].how == "picture: float32 as it is; hint: float32 as it is"


def test_other_processes_get_all_of_several_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.evaluation.ALONE", 1e-9)
    monkeypatch.setattr("refinfer.evaluation.WORTH_HELP", 0)
    found = evaluate(TWO_INPUTS, named(SCORES, HINTS), [0] * 6, jobs=2)
    assert np.array_equal(found.scores[0].outputs, SCORES + HINTS)  # type: ignore[arg-type]  # there are some


def test_an_npz_and_a_folder_of_them_are_read_for_several_inputs(tmp_path: Path) -> None:
    graph = refinfer.read_model(TWO_INPUTS)
    np.savez(tmp_path / "all.npz", **named(SCORES, HINTS), labels=[1, 0, 2, 0, 0, 0], other=[1])  # type: ignore[arg-type]
    for number, label in enumerate("102000"):
        (tmp_path / "folder" / label).mkdir(parents=True, exist_ok=True)
        arrays = {"arr_0": SCORES[number], "hint": HINTS[number : number + 1]}
        np.savez(tmp_path / "folder" / label / f"{number}.npz", **arrays)
    both = [read_samples(str(tmp_path / place), graphs=[graph]) for place in ("all.npz", "folder")]
    assert both[0].source == "picture, hint and labels of all.npz"
    assert both[1].labels.tolist() == [0, 0, 0, 0, 1, 2]
    first, second = (evaluate(TWO_INPUTS, each.items, each.labels).scores[0].outputs for each in both)
    assert first is not None
    assert np.array_equal(first[[1, 3, 4, 5, 0, 2]], second)  # type: ignore[arg-type]  # there are some


def test_inputs_may_come_a_part_at_a_time_and_others_are_the_same_for_each(tmp_path: Path) -> None:
    parts = np.stack([SCORES, HINTS], axis=1)
    found = evaluate(TWO_INPUTS, named(parts, SCORES), [0] * 6)
    assert np.array_equal(found.scores[0].outputs, HINTS + SCORES)  # type: ignore[arg-type]  # there are some
    with pytest.raises(UsageError, match=r"inputs are for different numbers of calls: \[2, 3\]"):
        evaluate(TWO_INPUTS, named(parts, np.stack([SCORES] * 3, axis=1)), [0] * 6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": SCORES}, "a sample is one array, and the model has 2 inputs: 'picture', 'hint'"),
        ({"x": {"picture": SCORES}}, "a sample: nothing for 'hint'"),
        ({"x": named(SCORES, HINTS[:3])}, "3 of 'hint' and 6 labels do not go together"),
        ({"x": named(SCORES, HINTS), "std": 2}, "not for inputs by their names"),
        ({"x": named(SCORES, HINTS), "output": "sums"}, "no output 'sums'; there is 'sum'"),
    ],
)
def test_several_inputs_that_do_not_fit_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        evaluate(TWO_INPUTS, y=[0] * 6, **arguments)


def test_names_of_several_inputs_are_those_of_the_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", picture=SCORES, y=[0] * 6)
    graph = refinfer.read_model(TWO_INPUTS)
    with pytest.raises(UsageError, match="--inputs-name is for models with one input"):
        read_samples(str(tmp_path / "all.npz"), inputs_name="picture", graphs=[graph])
    with pytest.raises(UsageError, match=r"all\.npz: nothing for 'hint'"):
        read_samples(str(tmp_path / "all.npz"), graphs=[graph])


def test_of_several_outputs_one_is_judged_and_its_name_is_told() -> None:
    axis = TensorSpec(TensorType.INT32, (1,), data=np.array([1], np.int32))
    halves = [TensorSpec(TensorType.FLOAT32, (1, 2), name=name) for name in ("left", "right")]
    model = one_op_model(BuiltinOperator.SPLIT_V, [PICTURE, sizes(), axis], halves, SplitVOptions(num_splits=2))
    scores = np.array([[1, 0, 0, 1]], np.float32)
    for name, answer in ((None, 0), ("left", 0), ("right", 1)):
        found = evaluate(model, scores, [0], output=name)
        (score,) = found.scores
        assert (score.answers.tolist(), score.output) == ([answer], name or "left")
        told = f"The scores are those of the output {name or 'left'}."
        assert f"  {told}" in list(evaluation_lines(found, False, Screen(width=100, unicode=True)))
        assert told in found.to_html()


def sizes() -> TensorSpec:
    return TensorSpec(TensorType.INT32, (2,), data=np.array([2, 2], np.int32))


# counting


def score_of(outputs: object, labels: object) -> Score:
    return Score(refinfer.read_model(DENSE), "litert", np.array(labels), (), outputs=np.array(outputs))


scores = st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=20)


@given(scores, st.data())
def test_counts_are_those_that_a_loop_gives(outputs: list[list[int]], data: st.DataObject) -> None:
    labels = [data.draw(st.integers(0, 3)) for _ in outputs]
    score = score_of(outputs, labels)
    ranked = [sorted(range(4), key=lambda i, row=row: (-row[i], i)) for row in outputs]  # type: ignore[misc]
    for count in range(5):
        assert score.among(count) == sum(label in order[:count] for label, order in zip(labels, ranked, strict=True))
    pairs = list(zip(labels, (order[0] for order in ranked), strict=True))
    assert score.confusion.tolist() == [[pairs.count((i, j)) for j in range(4)] for i in range(4)]
    for each in score.figures:
        assert each.right == pairs.count((each.number, each.number))
        assert each.samples == labels.count(each.number)
        assert each.answered == sum(answer == each.number for _, answer in pairs)
        if each.recall and each.precision:
            recall, precision = Fraction(each.right, each.samples), Fraction(each.right, each.answered)
            assert each.f1 == float(2 / (1 / recall + 1 / precision))


def test_scores_that_are_not_numbers_are_no_answer() -> None:
    score = score_of([[np.nan, 1.0], [0.0, 1.0]], [1, 1])
    assert (score.right, score.unanswered, score.among(5)) == (1, 1, 1)
    assert score.confusion.sum() == 1


def test_a_single_number_is_that_of_class_1() -> None:
    x, y = (TensorSpec(TensorType.FLOAT32, (1, 1)) for _ in range(2))
    found = evaluate(
        one_op_model(BuiltinOperator.LOGISTIC, [x], [y]), np.array([[3], [-3], [0], [9]], np.float32), [1, 0, 0, 0]
    )
    assert found.scores[0].answers.tolist() == [1, 0, 0, 1]


def test_a_model_without_a_list_of_classes_is_refused() -> None:
    x, y = (TensorSpec(TensorType.FLOAT32, (2, 2)) for _ in range(2))
    with pytest.raises(UsageError, match="no output is a list of classes"):
        evaluate(one_op_model(BuiltinOperator.LOGISTIC, [x], [y]), np.zeros((1, 2, 2), np.float32), [0])


# statistics


@given(st.integers(0, 8), st.integers(0, 8))
def test_chance_is_what_counting_all_coins_gives(lost: int, won: int) -> None:
    coins = lost + won
    uneven = abs(lost - won)
    at_least = sum(abs(2 * sum(each) - coins) >= uneven for each in product((0, 1), repeat=min(coins, 10)))
    if coins <= 10:
        assert mcnemar(lost, won) == at_least / 2**coins


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (29, 29, 0.8830, 1.0000)],
)
def test_the_interval_is_that_of_the_literature(right: int, count: int, low: float, high: float) -> None:
    """[Newcombe 1998, Statistics in Medicine 17, table I, method 3]: four decimals are what is printed there."""
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)
