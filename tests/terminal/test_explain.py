"""What `refinfer explain` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import refinfer
from refinfer.cli import main
from refinfer.explanation import explain as module
from refinfer.explanation.explain import explain
from refinfer.explanation.steps import Step
from refinfer.terminal.explain import explain_lines
from refinfer.terminal.text import Screen, cells

MODELS = Path(__file__).resolve().parents[2] / "models"
CONV = str(MODELS / "digits_conv_int8.tflite")
DENSE = str(MODELS / "digits_dense_int8.tflite")
PARTING = (DENSE, "--op", "2", "--element", "0,6", "--seed", "6")

Captured = pytest.CaptureFixture[str]


def told(capsys: Captured, *arguments: str, code: int = 0) -> str:
    assert main(["explain", *arguments]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_without_an_operator_all_are_listed(capsys: Captured) -> None:
    lines = told(capsys, CONV).splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["0", "CONV_2D"], ["1", "MAX_POOL_2D"]]
    kinds = {line.split()[1]: " ".join(line.split()[3:]) for line in lines[2:]}
    assert kinds["CONV_2D"].endswith("in all dialects")
    assert kinds["SOFTMAX"].endswith("litert and tflm")
    assert len(lines) == 10


def test_what_both_dialects_do_is_told_once(capsys: Captured) -> None:
    out = told(capsys, CONV, "--op", "0", "--element", "0,0,10,12")
    assert out.count("  accumulator: ") == 1
    assert "Both dialects take the same steps." in out
    assert "!=" not in out


def test_where_dialects_part_they_stand_side_by_side(capsys: Captured) -> None:
    out = told(capsys, *PARTING)
    before, after = out.split("Here litert and tflm part")
    assert "accumulator: -14789" in before
    assert "!=" not in before
    assert out.splitlines()[0].endswith("element [0, 6]: 1 in litert, 0 in tflm")
    assert "!= times real multiplier: -53 =" in after
    assert out.splitlines()[-2:] == [
        "litert: the steps come to 1, and so does the interpreter",
        "tflm: the steps come to 0, and so does the interpreter",
    ]


def test_an_operator_that_was_given_something_else_already_is_said_to_be(capsys: Captured) -> None:
    out = told(capsys, str(MODELS / "digits_lstm_int8.tflite"), "--op", "3", "--element", "0,0")
    assert "What the operator is given differs already: an earlier one parted." in out


@pytest.mark.parametrize("width", [64, 80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for op in (0, 1, 6, 7):
        lines = list(explain_lines(explain(CONV, op, seed=162), ["x" * 30], Screen(width)))
        assert max(map(cells, lines)) <= width
        assert all(line.isascii() for line in lines)


def test_without_an_explanation_there_is_the_number_and_what_led_to_it(capsys: Captured) -> None:
    out = told(capsys, str(MODELS / "digits_conv_float.tflite"), "--op", "0", "--dialect", "litert")
    assert "there is no explanation. It was given:" in " ".join(out.split())
    assert "input 0 " in out


def test_a_dialect_that_refuses_is_told_and_the_exit_code_is_1_if_none_is_left(capsys: Captured) -> None:
    hybrid = str(MODELS / "digits_conv_dynamic.tflite")
    assert "Hybrid models are not supported" in " ".join(told(capsys, hybrid, "--op", "0").split())
    told(capsys, hybrid, "--op", "0", "--dialect", "tflm", code=1)


def test_a_difference_to_the_interpreter_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(module, "taught", lambda topic, site: ((Step("a guess", "5", 5),), 5))
    out = told(capsys, CONV, "--op", "0", "--element", "0,0,10,12", "--dialect", "tflm")
    assert "INTERNAL ERROR: the steps come to 5, the interpreter to " in out


def test_a_page_is_written_and_not_over_another(tmp_path: Path, capsys: Captured) -> None:
    page = tmp_path / "page.html"
    told(capsys, *PARTING, "--html", str(page))
    assert page.read_text(encoding="utf-8") == refinfer.explain(DENSE, 2, (0, 6), seed=6).to_html()
    assert main(["explain", *PARTING, "--html", str(page)]) == 2
    assert capsys.readouterr().err == f"refinfer: {page}: File exists\n"
    told(capsys, *PARTING, "--html", str(page), "--force")


def test_json_is_all_of_it(capsys: Captured) -> None:
    document = json.loads(told(capsys, *PARTING, "--json"))
    assert document == json.loads(json.dumps(refinfer.explain(DENSE, 2, (0, 6), seed=6).to_dict()))
    assert document["parting"] == "times real multiplier"
    assert [each["agrees"] for each in document["accounts"]] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--op", "9"], "there is no operator 9; the main subgraph has 0 to 7"),
        (["--op", "x"], "argument --op: 'x' is no number (refinfer explain --help tells more)"),
        (
            ["--op", "7", "--element", "0,10"],
            "operator 7 (SOFTMAX): there is no element [0, 10]; the output has shape [1, 10]",
        ),
        (
            ["--op", "7", "--element", "a"],
            "argument --element: 'a' is no element; one is 0,3,5,7 (refinfer explain --help tells more)",
        ),
        (
            ["--op", "7", "--dialect", "x"],
            "no dialect 'x'; wanted is one of litert, tflm, litert-optimized, xnnpack, two with a comma, or both",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], line: str, capsys: Captured) -> None:
    assert main(["explain", CONV, *arguments]) == 2
    assert capsys.readouterr().err == f"refinfer: {line}\n"
