"""Histograms in a line, and tables that leave out what has no room."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from refinfer.comparison.distance import Distance, Histogram
from refinfer.comparison.stages import Stage
from refinfer.comparison.versions import diff_models
from refinfer.terminal.diff import bars, diff_lines, figures, versions_lines
from refinfer.terminal.text import Screen
from tests.comparison.ties import compared

MODELS = Path(__file__).resolve().parents[2] / "models"
FLOAT, INT8 = (MODELS / f"digits_conv_{form}.tflite" for form in ("float", "int8"))
FANCY, PLAIN = Screen(100, True), Screen(100, False)

LOPSIDED = Histogram(1.0, (8, 1, 0, 0, 0, 0, 0, 0), (16, 0, 0, 0, 0, 0, 0, 2))


def test_a_histogram_is_a_line_with_zero_in_the_middle() -> None:
    assert bars(LOPSIDED, FANCY) == "      ▁▄│█      ▁"
    assert bars(LOPSIDED, PLAIN) == "      .=|#      ."
    assert bars(Histogram(), FANCY) == ""


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        (Distance(4, 0, 1.0, 0.0, 1.0, 1.0), ("equal", "1.000000", "100.0 %", "0")),
        (Distance(4000, 1, 100.0, 1.0, 100.0, 99.9999999, 0.5), ("20.0 dB", "0.999999", "99.9 %", "0.5")),
        (Distance(4, 2, 0.0, 1.0, 1.0, 0.0, 0.5, 0.25), ("", "", "50.0 %", "2 steps")),
        (Distance(4, 1, 1.0, 0.0, 1.0, 1.0, None), ("", "", "75.0 %", "not finite")),
    ],
)
def test_what_differs_never_looks_equal(apart: Distance, expected: tuple[str, ...]) -> None:
    assert figures(apart) == expected


def lines_of(width: int, everything: bool = False) -> list[str]:
    return list(versions_lines(diff_models(FLOAT, INT8, seeds=1), everything, Screen(width, True)))


def test_no_line_is_wider_than_the_screen_which_has_the_cosine_if_there_is_room() -> None:
    for width in (64, 80, 120):
        lines = lines_of(width)
        assert max(map(len, lines)) <= width
        assert any("cosine" in line for line in lines) == (width >= 80)


def test_a_long_table_is_cut_unless_all_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.terminal.diff.SHORT_TABLE", 3)
    assert "  … 5 more tensors (--all shows all)" in lines_of(100)
    whole = lines_of(100, everything=True)
    assert not any("--all" in line for line in whole)
    stages: tuple[Stage, ...] = diff_models(FLOAT, INT8, seeds=1).stages
    assert sum(" dB  " in line for line in whole) == sum(stage.distance.sqnr != math.inf for stage in stages)


def test_the_four_answers_are_told_by_pairs_by_operators_and_by_decisions() -> None:
    text = "\n".join(" ".join(line.split()) for line in diff_lines(compared(), False, FANCY))
    assert "litert, tflm nowhere equal 0 of 2" in text
    assert "tflm, xnnpack 0 CONV_2D 1 of 4 (1) 1 of 2" in text
    assert "operator litert tflm litert-optimized xnnpack\n0 CONV_2D A A B B\n1 MAXIMUM A A B B" in text
    assert "Decisions (top-1) that are not the same: 1 of 2" in text
    assert "one.npy 1 1 0 0" in text
    assert "zero.npy" not in text


def test_long_lists_of_answers_are_cut_unless_all_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.terminal.diff.SHORT_LIST", 1)
    assert "  … 1 more operator (--all shows all)" in list(diff_lines(compared(), False, FANCY))
    assert not any("--all" in line for line in diff_lines(compared(), True, FANCY))
