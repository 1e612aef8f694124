"""Many models at once: the same answers as one by one, whoever does the work, whatever is wrong with a file."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import refinfer
from refinfer import FileVerdict, UsageError, fit_many
from refinfer.cli import main
from refinfer.fitting import scan
from refinfer.terminal.scan import FROM_WORST, ORDERS, in_order, short_names

MODELS = Path(__file__).resolve().parents[2] / "models"
FILES = sorted(map(str, MODELS.glob("*.tflite")))
BOARD = "nano33ble"


class Elsewhere(Executor):
    """A cluster in small: what goes there and what comes back is bytes."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        work, given, named = pickle.loads(pickle.dumps((function, arguments, keywords)))
        future: Future[Any] = Future()
        future.set_result(pickle.loads(pickle.dumps(work(*given, **named))))
        return future


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, in a folder and a folder in it, and a file that is none."""
    (tmp_path / "deeper").mkdir()
    shutil.copy(MODELS / "digits_conv_int8.tflite", tmp_path / "deeper")
    shutil.copy(MODELS / "digits_mobile_float.tflite", tmp_path)
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    return tmp_path


def one_by_one() -> list[FileVerdict]:
    return [FileVerdict(path, refinfer.fit(path, BOARD).to_dict()) for path in FILES]


@pytest.mark.parametrize("executor", [Elsewhere, ThreadPoolExecutor, None])
def test_many_models_get_the_verdicts_that_each_gets_alone(executor: Callable[[], Executor] | None) -> None:
    assert list(fit_many(FILES, BOARD, executor=executor and executor())) == one_by_one()


@pytest.mark.slow
def test_processes_give_the_same_verdicts() -> None:
    with ProcessPoolExecutor(2) as pool:
        assert list(fit_many(FILES, BOARD, executor=pool)) == one_by_one()


def test_other_processes_help_once_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    class Pool(Elsewhere):
        def __init__(self, processes: int, **keywords: object) -> None:
            asked.append((processes, *keywords))

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", Pool)
    monkeypatch.setattr(scan, "cores", lambda: 3)
    monkeypatch.setattr(scan, "ALONE", float("inf"))
    assert list(fit_many(FILES, BOARD)) == one_by_one()
    assert asked == []
    monkeypatch.setattr(scan, "ALONE", 0)
    assert list(fit_many(FILES, BOARD)) == one_by_one()
    assert asked == [(3, "mp_context", "initializer")]


def test_target_and_firmware_are_those_that_are_asked_for() -> None:
    (found,) = fit_many(FILES[:1], "esp32", target="esp32+esp-nn", firmware="arduino")
    assert found.verdict == refinfer.fit(FILES[0], "esp32", target="esp32+esp-nn", firmware="arduino").to_dict()


def test_what_does_not_exist_is_said_before_any_work(folder: Path) -> None:
    with pytest.raises(UsageError, match="z80"):
        fit_many([folder], BOARD, target="z80")
    with pytest.raises(UsageError, match="cp/m"):
        fit_many([folder], BOARD, firmware="cp/m")
    with pytest.raises(UsageError, match="unknown board"):
        fit_many([folder], "abacus")
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no \.tflite file in this folder"):
        fit_many([folder / "empty"], BOARD)


def test_a_folder_stands_for_all_models_in_it_and_a_bad_file_is_one_row(folder: Path) -> None:
    found = list(fit_many([folder, folder / "missing.tflite"], BOARD))
    assert [(each.path, each.outcome) for each in found] == [
        (str(folder / "broken.tflite"), "unreadable"),
        (str(folder / "deeper" / "digits_conv_int8.tflite"), "fits"),
        (str(folder / "digits_mobile_float.tflite"), "does not fit"),
        (str(folder / "missing.tflite"), "unreadable"),
    ]
    assert found[0].error is not None
    assert found[0].error.startswith("bytes 4 to 7 are ")
    assert found[3].error == "cannot be read: No such file or directory"
    assert found[1].number("arena_size") == refinfer.fit(found[1].path, BOARD).arena_size
    assert found[0].number("ram", "margin") is None


# the command line


def test_the_command_tells_of_each_file_and_that_one_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(folder), "--board", BOARD]) == 2
    out, err = capsys.readouterr()
    rows = re.findall(r"^(yes|no|!) +(\S+\.tflite)", out, re.MULTILINE)
    here = Path("deeper", "digits_conv_int8.tflite")
    assert rows == [("!", "broken.tflite"), ("yes", str(here)), ("no", "digits_mobile_float.tflite")]
    assert "No model:\n  broken.tflite: bytes 4 to 7 are " in out
    assert err == "refinfer: 1 file of 3 could not be read\n"


def test_as_json_the_file_that_is_none_is_among_the_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(folder), "--board", BOARD, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    models = [each for each in fit_many([folder], BOARD) if each.verdict]
    assert document["verdicts"] == [each.verdict for each in models]
    assert [each["model"] for each in document["errors"]] == [str(folder / "broken.tflite")]
    assert document["errors"][0].keys() == {"model", "error"}


def test_the_exit_code_of_a_folder_is_that_of_its_worst_file(folder: Path) -> None:
    (folder / "broken.tflite").unlink()
    assert main(["fit", str(folder), "--board", BOARD]) == 1
    shutil.copy(MODELS / "digits_conv_int8.tflite", folder / "digits_mobile_float.tflite")
    assert main(["fit", str(folder), "--board", BOARD]) == 0


def test_the_rows_are_in_the_order_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", *FILES, "--board", BOARD, "--json", "--sort", "arena"])
    arenas = [each["arena_size"] for each in json.loads(capsys.readouterr().out)["verdicts"]]
    known = [arena for arena in arenas if arena is not None]
    assert known == sorted(known, reverse=True)
    assert arenas == known + [None] * arenas.count(None)
    assert len(known) > 5


@pytest.mark.parametrize("by", ORDERS)
def test_whatever_the_order_each_file_is_there_once(by: str, folder: Path) -> None:
    found = list(fit_many([folder, MODELS], BOARD))
    ordered = in_order(found, by)
    assert {id(each) for each in ordered} == {id(each) for each in found}
    assert len(ordered) == len(found)


def test_by_outcome_the_worst_come_first_and_by_margin_the_tightest(folder: Path) -> None:
    found = list(fit_many([folder, MODELS], BOARD))
    outcomes = [each.outcome for each in in_order(found, "outcome")]
    assert outcomes == sorted(outcomes, key=FROM_WORST.index)
    assert outcomes[0] == "unreadable"
    margins = [each.number("ram", "margin") for each in in_order(found, "margin")]
    known = [margin for margin in margins if margin is not None]
    assert margins[: len(known)] == sorted(known)


def test_names_are_as_short_as_can_be_told_apart() -> None:
    assert short_names([str(Path("a", "b", "m")), str(Path("a", "b", "c", "m"))]) == ["m", str(Path("c", "m"))]
    assert short_names([str(Path("a", "m"))]) == ["m"]
    assert short_names(["m", "n"]) == ["m", "n"]
    assert short_names([str(Path("/", "x", "m")), "m"]) == [str(Path("/", "x", "m")), "m"]
    assert short_names(apart := [str(Path("/", "x", "m")), str(Path("/", "y", "m"))]) == apart


def test_progress_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("refinfer.terminal.progress.PATIENCE", 0)
    terminal, file = Terminal(), StringIO()
    for stream in (terminal, file):
        monkeypatch.setattr("sys.stderr", stream)
        main(["fit", *FILES[:3], "--board", BOARD])
    assert re.match(r"\r#+\.+  1 of 3  digits_conv_dynamic\.tflite\r?", terminal.getvalue())
    assert file.getvalue() == ""
