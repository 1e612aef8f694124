"""What grew between two accounts, on the command line and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import refinfer
from refinfer.cli import main
from refinfer.growth import compare, read_account
from refinfer.schema.errors import UsageError

MODELS = Path(__file__).parents[1] / "models"
SMALL, LARGE, REFUSED = (str(MODELS / f"digits_{name}.tflite") for name in ("conv_int8", "mobile_int8", "conv_dynamic"))


def account(model: str, target: str = "cortex-m4") -> dict[str, object]:
    return refinfer.simulate(model, target=target).to_dict()


def test_what_grew_is_the_difference_of_the_two_accounts() -> None:
    growth = compare(account(SMALL), account(LARGE))
    totals = {name: (before, after) for name, before, after in growth.totals}
    small, large = (refinfer.simulate(model, target="cortex-m4") for model in (SMALL, LARGE))
    assert totals["minimum"] == (small.arena.minimum, large.arena.minimum)
    assert totals["file"] == (Path(SMALL).stat().st_size, Path(LARGE).stat().st_size)
    scratch = sum(each.buffer.nbytes for each in large.buffers if each.node is not None)
    owned = sum(each.used for each in large.allocations if each.op is not None)
    assert sum(change.after for change in growth.operators) == owned + scratch


def test_an_operator_that_only_one_of_them_has_counts_from_0() -> None:
    changes = {change.name: change for change in compare(account(SMALL), account(LARGE)).operators}
    assert changes["MEAN"].before == 0 < changes["MEAN"].after
    assert changes["RESHAPE"].after == 0 < changes["RESHAPE"].before


def test_a_report_that_was_kept_is_a_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", SMALL, "--json"]) == 0
    kept = tmp_path / "baseline.json"
    kept.write_text(capsys.readouterr().out)
    assert main(["memory", SMALL, "--baseline", str(kept)]) == 0
    assert "Nothing has changed." in capsys.readouterr().out
    assert main(["memory", LARGE, "--baseline", str(kept), "--json"]) == 0
    by_file = json.loads(capsys.readouterr().out)
    assert main(["memory", SMALL, LARGE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_file


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[1]", "something else"),
        ("{}", "something else"),
        ("[" * 100_000, "something else"),
        ('{"schema": 1, "arena": {}}', "something else"),
        ('{"schema": 1, "refusal": {}}', "the account of a model that TFLM refuses"),
        ('{"schema": 2, "arena": {}}', "of another version"),
    ],
)
def test_a_baseline_that_is_none_is_told_apart(text: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=what):
        read_account(str(file))


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--csv", "steps"], ["--baseline"]])
def test_an_arena_larger_than_it_may_be_is_a_no(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments == ["--baseline"]:
        kept = tmp_path / "baseline.json"
        kept.write_text(json.dumps(account(LARGE)))
        arguments = ["--baseline", str(kept)]
    minimum = refinfer.simulate(SMALL, target="cortex-m4").arena.minimum
    assert main(["memory", SMALL, *arguments, "--fail-above", str(minimum)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["memory", SMALL, *arguments, "--fail-above", str(minimum - 1)]) == 1
    assert f"the arena takes {minimum:,} bytes; it may take {minimum - 1:,}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [SMALL, LARGE, "--baseline", "x.json"],
        [SMALL, LARGE, "--csv", "steps"],
        [REFUSED, SMALL],
        [SMALL, "--baseline", "there_is_none.json"],
        [SMALL, "--fail-above", "plenty"],
    ],
)
def test_a_comparison_that_cannot_be_made_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1


def test_a_newer_model_that_tflm_refuses_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", SMALL, REFUSED]) == 1
    assert "does not run on TFLM" in capsys.readouterr().out
