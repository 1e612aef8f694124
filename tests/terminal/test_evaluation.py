"""What is said of accuracy: shares that are never rounded to all or nothing, a matrix where it has room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refinfer
from refinfer.evaluation import Evaluation, Score
from refinfer.samples import Samples
from refinfer.terminal.evaluation import confusions, evaluation_lines, share
from refinfer.terminal.text import Screen

MODELS = Path(__file__).resolve().parents[2] / "models"
DENSE, FLOAT = (MODELS / f"digits_dense_{form}.tflite" for form in ("int8", "float"))


@pytest.mark.parametrize(
    ("part", "words"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.8777, "87.8 %"), (None, "–")],
)
def test_a_share_is_all_or_nothing_only_if_it_is(part: float | None, words: str) -> None:
    assert share(part) == words


def digits() -> Evaluation:
    held_out = np.load(MODELS / "digits_held_out.npz")
    names = [f"digit {number}" for number in range(10)]
    return refinfer.evaluate(FLOAT, held_out["images"], held_out["labels"], std=16, against=DENSE, names=names)


def text_of(found: Evaluation, width: int = 100, everything: bool = False) -> str:
    return "\n".join(evaluation_lines(found, everything, Screen(width, True)))


def test_the_answer_comes_first_and_then_what_quantization_cost() -> None:
    text = " ".join(text_of(digits()).split())
    assert text.startswith("digits_dense_float.tflite gets 318 of 360 samples right: 88.3 %")
    assert "The same answer for 356 of 360 samples (98.9 %); their outputs are of different types." in text
    assert "2 right answers got lost and 0 were won: -0.56 percentage points" in text
    assert "123 5 digit 5 5 digit 5 1 digit 1 lost" in text


def test_lines_are_as_wide_as_the_screen_at_most() -> None:
    found = digits()
    for width in (64, 80, 120):
        assert max(map(len, text_of(found, width).splitlines())) <= width


def of_many_classes(classes: int, count: int) -> Evaluation:
    """Every sample but the last is taken for the class after its own."""
    labels = np.arange(count) % classes
    outputs = np.eye(classes)[(labels + 1) % classes]
    outputs[-1] = np.eye(classes)[labels[-1]]
    score = Score(refinfer.read_model(DENSE), "litert", labels, (), outputs=outputs)
    items: list[Any] = [np.zeros(1)] * count
    return Evaluation(Samples(items, labels, (), "made up"), (score,), ())


def test_of_many_classes_the_most_frequent_confusions_are_told() -> None:
    found = of_many_classes(40, 90)
    assert confusions(found.scores[0])[0] == (3, 0, 1)
    text = text_of(found)
    assert "Confusion" not in text
    assert "3  0   1" in text
    assert "28 more (--all shows all)" in text
    assert "--all" not in text_of(found, everything=True)


def test_of_few_classes_the_matrix_is_shown() -> None:
    text = text_of(of_many_classes(3, 4))
    assert text.endswith("\n".join(("         0 1 2", "       0 1 1 .", "       1 . . 1", "       2 1 . .")))
