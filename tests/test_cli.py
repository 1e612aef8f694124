"""The command line as its users meet it: answers, exit codes, errors, and the pages that document it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import numpy as np
import pytest

import refinfer
from refinfer.cli import COMMANDS, main
from refinfer.cli.fit import TARGETS_OF_ANY_BOARD
from refinfer.fitting.boards import all_boards
from refinfer.fitting.flash import flash_of
from refinfer.kernels.registry import DIALECTS
from refinfer.planning import PORTABLE
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.simulator import TARGETS
from tests.small_models import SmallTensor, model_of

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models"
CONV = str(MODELS / "digits_conv_int8.tflite")
STREAM = str(MODELS / "digits_stream_int8.tflite")
HYBRID = str(MODELS / "digits_conv_dynamic.tflite")
LARGE = str(MODELS / "digits_mobile_float.tflite")
LSTM = str(MODELS / "digits_lstm_int8.tflite")
DENSE = str(MODELS / "digits_dense_float.tflite")
DENSE_INT8 = str(MODELS / "digits_dense_int8.tflite")
HYBRID_DENSE = str(MODELS / "digits_dense_dynamic.tflite")
RESIDUAL = str(MODELS / "digits_residual_int8.tflite")
HELD_OUT = str(MODELS / "digits_held_out.npz")
DIGIT = str(MODELS / "digit_7.png")
MANUAL = (ROOT / "docs" / "cli.md").read_text()
FIELDS = (ROOT / "docs" / "json.md").read_text()

Captured = pytest.CaptureFixture[str]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "refinfer", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )


def answer(capsys: Captured, *arguments: str) -> str:
    """What a command prints that has nothing to complain about."""
    assert main(arguments) in (0, 1)
    out, err = capsys.readouterr()
    assert err == ""
    return out


def document(capsys: Captured, *arguments: str) -> Any:
    return json.loads(answer(capsys, *arguments, "--json"), parse_constant=pytest.fail)


# fit


def test_a_model_that_fits_gets_yes_first_and_exit_code_0(capsys: Captured) -> None:
    assert main(["fit", CONV, "--board", "nano33ble"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("digits_conv_int8.tflite fits Arduino Nano 33 BLE (Sense): it takes ")


def test_a_model_that_is_too_large_is_told_what_it_lacks_and_exit_code_1(capsys: Captured) -> None:
    assert main(["fit", LARGE, "--ram", "64K", "--flash", "16K"]) == 1
    first = " ".join(capsys.readouterr().out.split("\n\n")[0].split())
    need = max(-(-refinfer.simulate(LARGE, name).arena.minimum // 16) * 16 for name in TARGETS_OF_ANY_BOARD)
    taken = flash_of(refinfer.read_model(LARGE), "cortex-m4+cmsis-nn").at_least
    ram, flash = (need - 65_536) / 1024, (taken - 16_384) / 1024
    assert first.endswith(f": it lacks {ram:.1f} KB of RAM and {flash:.1f} KB of flash.")


def test_the_line_to_paste_holds_the_smallest_arena_that_works(capsys: Captured) -> None:
    out = answer(capsys, "fit", CONV, "--board", "nano33ble")
    size = int(re.findall(r"^    constexpr int kTensorArenaSize = (\d+);$", out, re.MULTILINE)[0])
    assert size % 16 == 0
    assert 0 <= size - refinfer.simulate(CONV, "nano33ble-arduino").arena.minimum < 16


def test_the_answer_tells_what_it_rests_on(capsys: Captured) -> None:
    out = " ".join(answer(capsys, "fit", CONV, "--board", "esp32", "--firmware", "esp-idf-wifi").split())
    told = ("Target: esp32+esp-nn", "xtensa arena", "Verified against", "Firmware: ESP-IDF with Wi-Fi", "Not counted:")
    for words in (*told, "Peak at"):
        assert words in out
    assert "smallest boards that fit" in out


def test_a_refused_model_is_told_operator_tensor_and_reason(capsys: Captured) -> None:
    assert main(["fit", HYBRID, "--board", "nano33ble"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"will not run on .*operator \d+ \(CONV_2D\).*tensor \d+ \('.+'\): Hybrid models are not supp", out
    )
    assert "kTensorArenaSize" not in out


def test_a_model_that_fails_only_as_it_runs_is_not_told_that_an_arena_works(tmp_path: Path, capsys: Captured) -> None:
    x = SmallTensor((1, 4), TensorType.UINT8, scales=1)
    path = tmp_path / "uint8.tflite"
    path.write_bytes(model_of(BuiltinOperator.LOGISTIC, (x,), x))
    assert main(["fit", str(path), "--board", "nano33ble"]) == 1
    out = capsys.readouterr().out
    assert "TFLM refuses it in Invoke" in " ".join(out.split())
    assert "works" not in out


@pytest.mark.parametrize("model", [HYBRID, LARGE])
def test_other_boards_are_spoken_of_only_if_they_may_help(model: str, capsys: Captured) -> None:
    out = answer(capsys, "fit", model, "--board", "nano33ble")
    assert ("boards that fit" in out) == (model == LARGE)
    assert "No board" not in out


def test_several_models_get_a_line_each_and_all_must_fit(capsys: Captured) -> None:
    assert main(["fit", CONV, STREAM, "--board", "nano33ble"]) == 0
    assert main(["fit", CONV, LARGE, HYBRID, "--board", "nano33ble"]) == 1
    out = capsys.readouterr().out
    assert "1 of 3 models fit Arduino Nano 33 BLE (Sense)" in out
    marks = re.findall(r"^(yes|no|-) +(\S+\.tflite)", out, re.MULTILINE)
    assert marks[-3:] == [("yes", Path(CONV).name), ("no", Path(LARGE).name), ("-", Path(HYBRID).name)]


def test_a_folder_stands_for_the_models_in_it(capsys: Captured) -> None:
    verdicts = document(capsys, "fit", str(MODELS), "--board", "nano33ble")["verdicts"]
    assert [verdict["model"]["name"] for verdict in verdicts] == sorted(map(str, MODELS.glob("*.tflite")))


def test_a_broken_file_does_not_keep_the_others_from_being_judged(tmp_path: Path, capsys: Captured) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(Path(CONV).read_bytes()[:500])
    assert main(["fit", str(broken), CONV, "--board", "nano33ble"]) == 2
    assert re.findall(r"^(!|yes) ", capsys.readouterr().out, re.MULTILINE) == ["!", "yes"]
    assert main(["fit", str(broken), CONV, "--all-boards"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("digits_conv_int8.tflite fits")
    assert err.startswith(f"refinfer: {broken}: ")


def test_all_boards_are_judged_and_one_that_fits_is_enough(capsys: Captured) -> None:
    assert main(["fit", LARGE, "--all-boards"]) == 0
    out = capsys.readouterr().out
    rows = re.findall(r"^(?:yes|no|-|\?) +(\w+) ", out, re.MULTILINE)
    assert sorted(rows) == sorted(board.id for board in all_boards())
    assert main(["fit", HYBRID, "--all-boards"]) == 1


def test_several_models_on_all_boards_make_a_matrix(capsys: Captured) -> None:
    out = answer(capsys, "fit", CONV, LARGE, HYBRID, "--all-boards")
    assert re.search(r"^nano33ble +yes +no +-$", out, re.MULTILINE)


def test_the_matrix_of_many_models_is_split_where_the_terminal_ends(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    out = answer(capsys, "fit", str(MODELS), "--all-boards")
    assert len(re.findall(r"^nano33ble ", out, re.MULTILINE)) > 1
    assert max(map(len, out.splitlines())) <= 64


def test_a_board_of_ones_own_is_a_toml_file(tmp_path: Path, capsys: Captured) -> None:
    board = tmp_path / "node.toml"
    board.write_text('name = "Our node"\ntarget = "cortex-m4"\nram_block = "4K"\nflash = "1M"\n')
    assert main(["fit", CONV, "--board-file", str(board)]) == 1
    assert "does not fit Our node: it lacks " in capsys.readouterr().out


def test_the_target_can_be_chosen(capsys: Captured) -> None:
    (verdict,) = document(capsys, "fit", CONV, "--board", "nano33ble", "--target", "x86-64")["verdicts"]
    assert verdict["target"] == "x86-64"
    assert verdict["arena"]["minimum"] == refinfer.simulate(CONV, "x86-64").arena.minimum


# memory


def test_memory_shows_the_totals_of_the_report(capsys: Captured) -> None:
    out = answer(capsys, "memory", STREAM, "--target", "xtensa")
    arena = refinfer.simulate(STREAM, "xtensa").arena
    assert out.startswith(f"digits_stream_int8.tflite on xtensa takes an arena of {arena.minimum:,} bytes")
    for name in ("used", "head", "tail"):
        assert re.search(rf"^ +{name} +{getattr(arena, name):,} ", out, re.MULTILINE)


def test_the_tails_of_all_owners_add_up_to_the_tail(capsys: Captured) -> None:
    out = answer(capsys, "memory", STREAM)
    tails = re.findall(r"^Tail of .+: ([\d,]+) bytes$", out, re.MULTILINE)
    assert len(tails) == 3
    assert sum(int(tail.replace(",", "")) for tail in tails) == refinfer.simulate(STREAM).arena.tail


@pytest.mark.parametrize("target", TARGETS)
def test_each_operator_is_listed_with_all_that_it_has(target: str, capsys: Captured) -> None:
    out = answer(capsys, "memory", STREAM, "--all", "--target", target)
    report = refinfer.simulate(STREAM, target)
    section = out.split("Tail of operators")[1].split("Padding is")[0]
    rows = re.findall(r"^    (.+?)  +([\d,]+)(?:  +(\d+))?$", section, re.MULTILINE)
    mine = [each for each in report.allocations if each.op is not None]
    assert sum(int(nbytes.replace(",", "")) + int(padding or 0) for _, nbytes, padding in rows) == sum(
        each.used for each in mine
    )


def test_the_timeline_marks_the_peak_once(capsys: Captured) -> None:
    lines = [line for line in answer(capsys, "memory", STREAM, "--all").splitlines() if line.endswith("  peak")]
    peak = refinfer.simulate(STREAM).peak
    assert peak is not None
    assert [line.split()[0] for line in lines] == [str(peak.step)]


def test_a_long_list_is_cut_and_says_so_unless_all_is_wanted(capsys: Captured) -> None:
    assert "(--all shows all)" in answer(capsys, "memory", STREAM)
    assert "--all" not in answer(capsys, "memory", STREAM, "--all")


def test_memory_as_json_is_the_report(capsys: Captured) -> None:
    assert document(capsys, "memory", CONV, "--target", "riscv32") == json.loads(
        refinfer.simulate(CONV, "riscv32").to_json()
    )


@pytest.mark.parametrize("which", ["allocations", "buffers", "steps"])
def test_csv_holds_the_same_as_json(which: str, capsys: Captured) -> None:
    rows = list(csv.DictReader(io.StringIO(answer(capsys, "memory", STREAM, "--csv", which))))
    expected = document(capsys, "memory", STREAM)[which]
    assert rows
    assert rows == [{key: "" if value is None else str(value) for key, value in row.items()} for row in expected]


def test_two_arenas_are_told_each_and_together(capsys: Captured) -> None:
    arenas = refinfer.simulate(STREAM, TARGETS["cortex-m4"].in_two_arenas()).two_arenas
    assert arenas is not None
    out = answer(capsys, "memory", STREAM, "--two-arenas")
    first, other = arenas.persistent.minimum, arenas.non_persistent.minimum
    assert f"takes two arenas of {first + other:,} bytes" in out
    assert re.search(rf"^    persistent +{first:,}  ", out, re.MULTILINE)
    assert re.search(rf"^    the other +{other:,}  ", out, re.MULTILINE)


def test_models_together_are_told_one_by_one_and_in_all(capsys: Captured) -> None:
    together = refinfer.simulate_together([DENSE, STREAM])
    out = answer(capsys, "memory", DENSE, STREAM, "--together")
    assert out.startswith(f"2 models on cortex-m4, loaded in this order, take an arena of {together.arena.minimum:,} ")
    for tenant in together.tenants:
        numbers = (tenant.alone.minimum, tenant.head, tenant.tail, tenant.used)
        assert re.search(" +".join(f"{number:,}" for number in numbers), out)
    assert "The most is needed while digits_stream_int8.tflite is loaded." in out
    better = f"digits_stream_int8.tflite, digits_dense_float.tflite takes {together.smallest:,} bytes"
    assert f"The order {better}" in " ".join(out.split())
    assert "No other order takes less." in answer(capsys, "memory", STREAM, DENSE, "--together")
    assert "perhaps for what alignment takes." in answer(capsys, "memory", *[DENSE] * 7, "--together")


def test_models_together_may_take_too_much(capsys: Captured) -> None:
    needed = refinfer.simulate_together([CONV, STREAM]).arena.minimum
    assert main(["memory", CONV, STREAM, "--together", "--fail-above", str(needed)]) == 0
    assert main(["memory", CONV, STREAM, "--together", "--fail-above", str(needed - 1)]) == 1
    assert capsys.readouterr().err.startswith(f"refinfer: these 2 models: the arena takes {needed:,} bytes; ")


def test_of_models_together_the_refused_one_is_named(capsys: Captured) -> None:
    out = answer(capsys, "memory", CONV, HYBRID, "--together")
    assert out.startswith("digits_conv_dynamic.tflite does not run on TFLM (cortex-m4): operator 3 (CONV_2D)")
    assert main(["memory", CONV, HYBRID, "--together"]) == 1


@pytest.mark.parametrize(
    ("regions", "code", "answers"),
    [
        ("sram=20K,dtcm=4K", 0, ["fits sram in one arena"]),
        ("sram=6144,dtcm=4K", 0, ["fits in two arenas: the persistent one in dtcm, the other in sram"]),
        ("sram=7000,dtcm=2100", 1, ["fits none of these regions", "An estimate: ", "these would have to move, 2,048"]),
        ("sram=6K", 1, ["There is only one region.", "No planner could do it"]),
        ("sram=8100,dtcm=600,ccm=600", 1, ["No arrangement was found"]),
        ("nucleo_h743zi", 0, ["fits AXI SRAM in one arena", "(--all shows all)"]),
    ],
)
def test_regions_of_memory_get_an_answer(regions: str, code: int, answers: list[str], capsys: Captured) -> None:
    assert main(["memory", CONV, "--arena-in", regions]) == code
    out = " ".join(capsys.readouterr().out.split())
    assert [each for each in answers if each not in out] == []


def test_a_board_brings_its_build_of_tflm(capsys: Captured) -> None:
    assert document(capsys, "memory", CONV, "--arena-in", "nucleo_g0b1re")["target"]["name"] == "cortex-m0"
    asked = document(capsys, "memory", CONV, "--arena-in", "nucleo_g0b1re", "--target", "cortex-m0+cmsis-nn")
    assert asked["target"]["name"] == "cortex-m0+cmsis-nn"


def test_memory_of_a_refused_model_is_a_sentence_and_exit_code_1(capsys: Captured) -> None:
    assert main(["memory", HYBRID]) == 1
    out = capsys.readouterr().out
    assert re.search(r"operator \d+ \(CONV_2D\)", out)
    assert out.endswith(".\n")
    assert out.count(".\n") == 1
    refusal = document(capsys, "memory", HYBRID)["refusal"]
    assert (refusal["when"], refusal["name"]) == ("prepare", "CONV_2D")


# inspect, boards, targets


def test_inspect_shows_what_the_file_holds(capsys: Captured) -> None:
    out = answer(capsys, "inspect", CONV, "--all")
    graph = refinfer.read_model(CONV)
    for node in graph.nodes:
        assert re.search(rf"^ +{node.index} +{node.name} ", out, re.MULTILINE)
    assert "Signature 'serving_default' of subgraph 0" in out


def test_the_resolver_registers_each_kernel_once_and_counts_them(capsys: Captured) -> None:
    lines = document(capsys, "inspect", CONV)["resolver"]
    names = {node.name for node in refinfer.read_model(CONV).nodes}
    assert lines[0] == f"static tflite::MicroMutableOpResolver<{len(names)}> resolver;"
    assert len(set(lines)) == 1 + len(names)
    assert "resolver.AddDepthwiseConv2D();" in lines


def test_inspect_warns_of_hybrid_operators(capsys: Captured) -> None:
    assert "hybrid" in answer(capsys, "inspect", HYBRID)
    assert document(capsys, "inspect", CONV)["warnings"] == []


def test_every_board_is_listed_and_each_can_be_looked_at(capsys: Captured) -> None:
    listed = answer(capsys, "boards")
    for board in all_boards():
        assert re.search(rf"^{board.id} ", listed, re.MULTILINE)
        assert f"({board.id})" in answer(capsys, "boards", board.id)


def test_disagreements_of_sources_are_shown(capsys: Captured) -> None:
    assert re.search(r"^  but 983,040 bytes: PlatformIO", answer(capsys, "boards", "nano33ble"), re.MULTILINE)


def test_every_target_is_listed_with_what_it_was_verified_against(capsys: Captured) -> None:
    out = answer(capsys, "targets")
    assert out.count("verified against") == len(TARGETS)
    assert [each["name"] for each in document(capsys, "targets")["targets"]] == list(TARGETS)


# run


def test_run_tells_what_the_model_answers_and_what_became_of_the_picture(capsys: Captured) -> None:
    out = answer(capsys, "run", CONV, "--input", DIGIT)
    assert out.startswith("digits_conv_int8.tflite in the dialect litert\n")
    assert "digit_7.png: 96x96 L, resized to 16x16 (bilinear, aspect not kept); pixel - 128" in " ".join(out.split())
    rows = re.findall(r"^ +(\d) +([\d.e-]+) +(-?\d+)$", out, re.MULTILINE)
    assert len(rows) == 5
    assert rows[0][0] == "7"
    assert [int(stored) for *_, stored in rows] == sorted((int(stored) for *_, stored in rows), reverse=True)
    assert [value for _, value, _ in rows] == [f"{(int(stored) + 128) / 256:.6g}" for *_, stored in rows]


@pytest.mark.parametrize("dialect", ["litert", "tflm"])
def test_run_gives_what_the_interpreter_gives(dialect: str, capsys: Captured, tmp_path: Path) -> None:
    import numpy as np

    x = np.random.default_rng(3).integers(-128, 128, (1, 16, 16), np.int8)
    np.save(tmp_path / "x.npy", x)
    arguments = ("run", LSTM, "--dialect", dialect, "--input", str(tmp_path / "x.npy"))
    answer(capsys, *arguments, "--output", str(tmp_path / "y.npz"))
    interpreter = refinfer.Interpreter(LSTM, dialect=dialect)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    with np.load(tmp_path / "y.npz") as written:
        assert written.files == ["output_0"]
        assert (written["output_0"] == expected).all()
    top = document(capsys, *arguments)["outputs"][0]["top"]
    assert [each["stored"] for each in top] == sorted(expected[0].tolist(), reverse=True)[:5]


def test_random_inputs_are_those_of_their_seed(capsys: Captured) -> None:
    runs = [document(capsys, "run", DENSE, "--seed", seed)["outputs"] for seed in ("1", "1", "2")]
    assert runs[0] == runs[1] != runs[2]
    assert "The inputs are random, of seed 2." in answer(capsys, "run", DENSE, "--seed", "2")


def test_classes_have_the_names_of_the_file_of_labels(tmp_path: Path, capsys: Captured) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))
    out = answer(capsys, "run", CONV, "--input", DIGIT, "--labels", str(labels), "--top", "2")
    assert re.findall(r"^ +\d +\S+ +\S+  (\w+)$", out, re.MULTILINE)[0] == "seven"
    labels.write_text("background\n")
    assert "There are 1 label for 10 classes." in answer(capsys, "run", CONV, "--labels", str(labels))


def test_an_output_that_is_no_list_of_classes_is_summed_up(capsys: Captured) -> None:
    out = answer(capsys, "run", STREAM, "--repeat", "3")
    assert "3 times, one after the other on one interpreter" in " ".join(out.split())
    assert len(document(capsys, "run", STREAM, "--repeat", "3")["seconds"]) == 3


def test_a_run_that_is_refused_is_a_sentence_and_exit_code_1(capsys: Captured) -> None:
    assert main(["run", HYBRID, "--dialect", "tflm"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("digits_conv_dynamic.tflite does not run in the dialect tflm: operator 3 (CONV_2D)")
    assert main(["run", HYBRID]) == 0


def test_a_file_is_overwritten_only_by_force(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "y.npy"
    path.write_text("precious")
    arguments = ["run", DENSE, "--output", str(path)]
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"refinfer: {path}: exists; --force overwrites it\n"
    assert path.read_text() == "precious"
    assert main([*arguments, "--force"]) == 0
    assert path.read_bytes().startswith(b"\x93NUMPY")


def test_pictures_without_pillow_are_an_error_that_says_how_to_get_it(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["run", CONV, "--input", DIGIT]) == 2
    assert capsys.readouterr().err == f"refinfer: {DIGIT}: pictures need Pillow: pip install 'refinfer[images]'\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_how_far_it_is_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinfer.terminal.progress.PATIENCE", 0)
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["run", CONV]) == 0
    told = terminal.getvalue()
    assert re.match(r"\r[^\r]{20}  1 of \d  CONV_2D\r", told)
    assert told.endswith(" \r")
    monkeypatch.setattr(sys, "stderr", file)
    assert main(["run", CONV]) == 0
    assert file.getvalue() == ""


# diff


def test_diff_names_the_operator_how_much_it_differs_and_why(capsys: Captured) -> None:
    assert main(["diff", LSTM, "--seeds", "3", "--ours-only"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("digits_lstm_int8.tflite: litert and tflm give different outputs")
    assert re.search(r"0 UNIDIRECTIONAL_SEQUENCE_LSTM, int8: [\d,]+ of 3,072 \(\d\), in 3 runs sigmoid and tanh: ", out)


def test_diff_of_equal_answers_is_exit_code_0(capsys: Captured) -> None:
    assert main(["diff", CONV, "--seeds", "2", "--ours-only"]) == 0
    assert "litert and tflm give equal outputs" in capsys.readouterr().out


def test_diff_tells_who_does_not_run_the_model(capsys: Captured) -> None:
    assert main(["diff", HYBRID, "--seeds", "1", "--ours-only"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "refinfer tflm does not run it" in out
    assert "refinfer tflm: operator 3 (CONV_2D)" in out


def test_diff_takes_inputs_of_several_runs(tmp_path: Path, capsys: Captured) -> None:
    import numpy as np

    path = tmp_path / "x.npz"
    np.savez(path, pixels=np.random.default_rng(0).integers(-128, 128, (4, 1, 16, 16), np.int8))
    found = document(capsys, "diff", LSTM, "--inputs", str(path), "--ours-only")
    assert (found["runs"], found["seeds"]) == (4, None)


# errors


EMPTY, PICTURE, NOWHERE = "empty.tflite", "picture.tflite", "nowhere.tflite"

MISTAKES = [
    ["fit", EMPTY, "--ram", "1M"],
    ["fit", PICTURE, "--ram", "1M"],
    ["fit", NOWHERE, "--ram", "1M"],
    ["fit", CONV],
    ["fit", CONV, "--ram", "1M", "--board", "nano33ble"],
    ["fit", CONV, "--ram", "many"],
    ["fit", CONV, "--board", "nano33bel"],
    ["fit", CONV, "--board", "nano33ble", "--firmware", "none"],
    ["fit", CONV, "--board", "nano33ble", "--target", "z80"],
    ["fit", CONV, "--all-boards", "--target", "cortex-m4"],
    ["fit", CONV, "--board-file", NOWHERE],
    ["fit", CONV, "--board-file", EMPTY],
    ["fit", ".", "--ram", "1M", "--flash"],
    ["fit"],
    ["memory", EMPTY],
    ["memory", "."],
    ["memory", CONV, "--target", "z80"],
    ["memory", CONV, "--csv", "everything"],
    ["memory", CONV, STREAM, LSTM],
    ["memory", CONV, STREAM, "--arena-in", "sram=20K"],
    ["memory", CONV, "--arena-in", "sram"],
    ["memory", CONV, "--arena-in", "sram=20K,sram=10K"],
    ["memory", CONV, "--arena-in", "sram=20K,=10K"],
    ["memory", CONV, "--arena-in", "esp32"],
    ["memory", CONV, "--arena-in", "sram=20K", "--two-arenas"],
    ["memory", CONV, "--arena-in", "sram=20K", "--fail-above", "20K"],
    ["memory", CONV, "--together", "--arena-in", "sram=20K"],
    ["memory", CONV, STREAM, "--together", "--csv", "steps"],
    ["memory", CONV, "--two-arenas", "--target", "x86-64-wheel"],
    ["inspect", PICTURE],
    ["run", EMPTY],
    ["run", CONV, "--dialect", "english"],
    ["run", CONV, "--input", NOWHERE],
    ["run", CONV, "--input", "nowhere.npy"],
    ["run", CONV, "--input", "nowhere.png"],
    ["run", CONV, "--input", "broken.npy"],
    ["run", CONV, "--input", "broken.npz"],
    ["run", CONV, "--input", "broken.png"],
    ["run", CONV, "--input", "broken.wav"],
    ["run", CONV, "--input", "broken.txt"],
    ["run", CONV, "--input", f"other={DIGIT}"],
    ["run", CONV, "--input", DIGIT, "--input", DIGIT],
    ["run", CONV, "--input", f"pixels={DIGIT}", "--input", f"pixels={DIGIT}"],
    ["run", CONV, "--input", DIGIT, "--std", "0"],
    ["run", CONV, "--labels", NOWHERE],
    ["run", CONV, "--output", "y.txt"],
    ["run", CONV, "--repeat", "0"],
    ["run", CONV, "--seed", "-1"],
    ["diff", EMPTY],
    ["diff", CONV, "--inputs", "nowhere.npz"],
    ["diff", CONV, "--inputs", PICTURE],
    ["diff", CONV, "--inputs", EMPTY],
    ["diff", CONV, "--inputs", DIGIT, "--std", "0"],
    ["diff", CONV, "--dialect", "xnnpack"],
    ["diff", CONV, "--seeds", "none"],
    ["whatif", EMPTY],
    ["whatif", CONV, "--batch", "0"],
    ["whatif", CONV, "--input-size", "96"],
    ["whatif", CONV, "--input-size", "0x96"],
    ["whatif", CONV, "--shape", "1x8"],
    ["whatif", CONV, "--shape", "other=1x16x16x1"],
    ["whatif", CONV, "--zeros", "101"],
    ["whatif", CONV, "--target", "z80"],
    ["whatif", LSTM, "--input-size", "8x8"],
    ["boards", "z80"],
    ["dance"],
    ["--dance"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_an_error_is_one_line_on_stderr_and_exit_code_2(
    arguments: list[str], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(EMPTY).touch()
    Path(PICTURE).write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100))
    for suffix in ("npy", "npz", "png", "wav", "txt"):
        Path(f"broken.{suffix}").write_bytes(b"RIFF, or anything else")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"refinfer: .{10,}\n", err)


def test_an_error_about_a_file_names_it(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(Path(CONV).read_bytes()[:1000])
    assert main(["inspect", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"refinfer: {path}: ")


def test_a_process_ends_with_the_exit_code_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / EMPTY).touch()
    codes = {
        0: run("fit", CONV, "--board", "nano33ble"),
        1: run("fit", CONV, "--ram", "1K"),
        2: run("fit", str(tmp_path / EMPTY), "--ram", "1K"),
    }
    assert {code: done.returncode for code, done in codes.items()} == {0: 0, 1: 1, 2: 2}
    assert [done.stderr for code, done in codes.items() if code < 2] == ["", ""]
    assert codes[2].stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "refinfer", "boards", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_an_interrupt_ends_quietly_with_130(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("refinfer.schema.file.read_model", interrupted)
    assert main(["inspect", CONV]) == 130
    assert capsys.readouterr() == ("", "")


# terminals


EVERY_COMMAND = [
    ["fit", LARGE, "--board", "esp32", "--firmware", "micropython-heap"],
    ["fit", HYBRID, "--ram", "1M"],
    ["fit", CONV, STREAM, HYBRID, "--board", "nano33ble"],
    ["fit", STREAM, "--all-boards"],
    ["fit", CONV, LARGE, "--all-boards"],
    ["memory", STREAM],
    ["memory", STREAM, "--all"],
    ["memory", HYBRID],
    ["whatif", LARGE, "--batch", "2", "--input-size", "64x64"],
    ["whatif", HYBRID, "--all"],
    ["inspect", STREAM],
    ["inspect", HYBRID, "--all"],
    ["run", DENSE],
    ["run", STREAM, "--input", DIGIT],
    ["run", HYBRID, "--dialect", "tflm"],
    ["diff", LSTM, "--seeds", "2", "--ours-only"],
    ["diff", HYBRID, "--seeds", "2"],
    ["boards"],
    ["boards", "esp32"],
    ["targets"],
]


@pytest.mark.parametrize("columns", [64, 80, 120])
@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=lambda each: " ".join(map(os.path.basename, each)))
def test_no_line_is_wider_than_the_terminal(
    arguments: list[str], columns: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = answer(capsys, *arguments).splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=lambda each: " ".join(map(os.path.basename, each)))
def test_no_escape_sequence_leaves_by_a_pipe(arguments: list[str], capsys: Captured) -> None:
    assert "\x1b" not in answer(capsys, *arguments)


def test_an_output_that_knows_ascii_alone_gets_ascii_alone() -> None:
    done = run("memory", STREAM, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "####" in done.stdout
    assert done.stdout.isascii()


def test_a_name_in_the_file_cannot_steer_the_terminal(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "evil.tflite"
    path.write_bytes(
        Path(CONV).read_bytes().replace(b"StatefulPartitionedCall", b"\x1b[2J\x1b]0;owned\x07\x1b[31mevil")
    )
    for arguments in (
        ["inspect", "--all"],
        ["memory", "--all"],
        ["fit", "--ram", "1M"],
        ["fit", "--ram", "1M", "--json"],
    ):
        assert "\x1b" not in answer(capsys, arguments[0], str(path), *arguments[1:])
    assert r"\x1b[2J" in answer(capsys, "memory", str(path), "--all")


def test_help_and_mistakes_do_not_wait_for_the_simulator() -> None:
    script = "import sys; from refinfer.cli import main; main(['fit']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "refinfer.cli" in loaded
    assert {name for name in loaded if name.startswith(("refinfer.simulator", "refinfer.kernels"))} == set()


# documentation


def help_of(capsys: Captured, *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_tells_the_exit_codes_and_where_the_manual_is(command: str, capsys: Captured) -> None:
    text = help_of(capsys, *command.split())
    assert "exit codes:\n  0 " in text
    assert "docs/cli.md" in text


def test_without_a_command_the_help_is_shown(capsys: Captured) -> None:
    assert answer(capsys) == help_of(capsys)


def test_the_version_is_that_of_the_package(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"refinfer {refinfer.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_documents_the_options_of_each_command_and_no_others(command: str, capsys: Captured) -> None:
    (section,) = re.findall(rf"^## refinfer {command}\n(.+?)(?=^## |\Z)", MANUAL, re.DOTALL | re.MULTILINE)
    documented = set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE))
    assert documented == set(re.findall(r"^  (--[\w-]+)", help_of(capsys, command), re.MULTILINE))


def test_the_manual_documents_no_other_command() -> None:
    assert re.findall(r"^## refinfer (\w+)", MANUAL, re.MULTILINE) == list(COMMANDS)


def test_the_examples_of_the_manual_can_be_understood(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    copytree(MODELS, tmp_path / "models")
    monkeypatch.chdir(tmp_path)  # some of them write files
    examples = re.findall(r"^    refinfer (\w+ .*(?:model\.tflite|models/|esp32).*)$", MANUAL, re.MULTILINE)
    assert len(examples) > 5
    for example in examples:
        arguments = example.split(" > ")[0].replace("model.tflite", CONV).split()
        assert main(arguments) in (0, 1), example


def test_a_plan_is_written_to_a_new_file_only(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "planned.tflite"
    said = answer(capsys, "plan", CONV, "-o", str(path))
    assert f"Written to {path}" in said.replace("\n", " ")
    before, after = refinfer.simulate(CONV).arena.minimum, refinfer.simulate(str(path)).arena.minimum
    assert after < before
    assert main(["plan", CONV, "-o", str(path)]) == 2
    assert capsys.readouterr().err == f"refinfer: {path}: exists; --force overwrites it\n"
    assert main(["plan", str(path), "-o", str(path), "--force"]) == 1  # there is nothing more to be gained
    assert refinfer.simulate(str(path)).arena.minimum == after
    assert main(["check", str(path), "--target", "cortex-m4", "--target", "cortex-m55+cmsis-nn"]) == 0
    assert main(["check", str(path), "--target", "nano33ble-arduino"]) == 1


def test_a_plan_for_two_arenas_lets_a_model_fit_two_regions(tmp_path: Path, capsys: Captured) -> None:
    path, regions = tmp_path / "planned.tflite", ["--arena-in", "sram=5700,dtcm=2300"]
    assert main(["memory", CONV, *regions]) == 1
    capsys.readouterr()
    made = document(capsys, "plan", CONV, "-o", str(path), "--target", "cortex-m4", "--two-arenas")
    (target,) = made["targets"]
    two = refinfer.simulate(str(path), TARGETS["cortex-m4"].in_two_arenas()).arena
    assert target["after"]["minimum"] == two.minimum < target["before"]["minimum"]
    assert main(["memory", str(path), *regions]) == 0
    assert main(["plan", CONV, "--target", "x86-64-wheel", "--two-arenas"]) == 2  # which records
    capsys.readouterr()
    assert [each["name"] for each in document(capsys, "plan", CONV, "--two-arenas")["targets"]] == list(PORTABLE[:-1])


def paths(value: Any, names: frozenset[str], at: str = "") -> Iterator[str]:
    """Every field of a JSON document, as docs/json.md writes it; `names` are the objects whose keys are names."""
    match value:
        case dict():
            for key, each in value.items():
                yield from paths(each, names, f"{at}.*" if at.rpartition(".")[2] in names else f"{at}.{key}")
        case list():
            for each in value:
                yield from paths(each, names, f"{at}[]")
        case _:
            yield at.removeprefix(".")


@pytest.mark.parametrize(
    ("command", "runs", "names"),
    [
        (
            "memory",
            [
                [CONV],
                [STREAM, "--two-arenas"],
                [HYBRID],
                [CONV, STREAM],
                [CONV, STREAM, "--together"],
                [CONV, "--arena-in", "sram=20K,dtcm=4K"],
                [CONV, "--arena-in", "sram=7000,dtcm=2100"],
            ],
            {"categories"},
        ),
        (
            "fit",
            [
                [CONV, LARGE, HYBRID, "--board", "esp32"],
                [CONV, "--board", "nano33ble"],
                [HYBRID, "--board", "uno"],
            ],
            {"operators"},
        ),
        ("plan", [[CONV, "--target", "cortex-m4+cmsis-nn", "--dilate-1x1", "--estimate-splitting"], [STREAM]], set()),
        ("check", [[CONV], [HYBRID]], set()),
        ("inspect", [[CONV], [STREAM], [HYBRID]], {"options", "inputs", "outputs"}),
        (
            "run",
            [[CONV, "--input", DIGIT], [STREAM], [HYBRID, "--dialect", "tflm"], [CONV, "--dialect", "xnnpack"]],
            set(),
        ),
        (
            "diff",
            [
                [LSTM, "--seeds", "6"],
                [HYBRID, "--seeds", "1"],
                [DENSE_INT8, RESIDUAL, "--seeds", "1"],
                [DENSE_INT8, "--inputs", HELD_OUT, "--mean", "7"],
            ],
            {"against", "rules", "groups", "choices", "notes"},
        ),
        (
            "evaluate",
            [[DENSE, HELD_OUT, "--std", "16", "--against", DENSE_INT8], [HYBRID_DENSE, HELD_OUT, "--dialect", "both"]],
            set(),
        ),
        ("whatif", [[LARGE, "--batch", "2"], [CONV, "--input-size", "32x32"], [HYBRID]], {"inputs", "shared_bytes"}),
        ("explain", [[CONV], [CONV, "--op", "6"], [HYBRID, "--op", "0"]], set()),
        ("boards", [[]], {"figures"}),
        ("targets", [[]], set()),
        ("warmup", [[]], set()),
    ],
)
def test_the_fields_of_each_json_document_are_those_that_are_documented(
    command: str, runs: list[list[str]], names: set[str], capsys: Captured
) -> None:
    (section,) = re.findall(rf"^## refinfer {command}\n(.+?)(?=^## |\Z)", FIELDS, re.DOTALL | re.MULTILINE)
    documented = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    printed = {path for each in runs for path in paths(document(capsys, command, *each), frozenset(names))}
    assert printed - documented == set()
    never_seen = {
        field
        for field in documented - printed
        if not any(re.match(rf"{re.escape(field)}[.[]", path) for path in printed)
    }
    assert never_seen <= NEVER_SEEN_HERE


NEVER_SEEN_HERE = {
    "subgraphs[].tensors[].shape_signature[]",
    "errors[].model",
    "errors[].error",
    "targets[].clashes[][]",
    "clashes[][]",
    "verdicts[].unsafe_on[]",
}
"""Fields that are documented, but that no model or board of ours has anything in."""


def test_kernels_are_compiled_once_and_it_is_said_where_they_are(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    refinfer.warmup()
    assert "loaded: they had been compiled before" in answer(capsys, "warmup").replace("\n", " ")
    (tmp_path / "file").touch()
    monkeypatch.setenv("REFINFER_CACHE_DIR", str(tmp_path / "file"))  # no directory can be made there
    assert main(["warmup"]) == 1
    assert "cannot be written to" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("command", ["run", "evaluate", "explain", "diff"])
def test_the_help_names_all_dialects(command: str, capsys: Captured) -> None:
    words = re.sub(r"-\n\s+", "-", help_of(capsys, command))
    assert all(re.search(rf"\b{name}\b", words) for name in DIALECTS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_folder_is_evaluated_in_each_dialect(dialect: str, tmp_path: Path, capsys: Captured) -> None:
    held_out = np.load(HELD_OUT)
    for i in range(6):
        folder = tmp_path / f"{held_out['labels'][i]}"
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{i}.npy", held_out["images"][i] / np.float32(16))
    found = document(capsys, "evaluate", DENSE_INT8, str(tmp_path), "--dialect", dialect)
    (score,) = found["scores"]
    assert (score["dialect"], score["refusal"], found["samples"]) == (dialect, None, 6)
    assert score["right"] == 6


def test_real_inputs_are_compared_out_of_a_folder(tmp_path: Path, capsys: Captured) -> None:
    for name in ("seven", "seven_again"):
        copyfile(DIGIT, tmp_path / f"{name}.png")
    found = document(capsys, "diff", CONV, "--inputs", str(tmp_path), "--ours-only")
    assert (found["runs"], found["seeds"], found["answers"]["decisions"]) == (2, None, [])
    assert {pair["decisions"] for pair in found["pairs"]} == {0}


def test_two_models_are_compared_on_a_picture(capsys: Captured) -> None:
    float_form = CONV.replace("int8", "float")
    found = document(capsys, "diff", float_form, CONV, "--inputs", DIGIT, "--dialect", "xnnpack")
    assert (found["runs"], found["dialect"]) == (1, "xnnpack")
    assert all(each["sqnr"] > 10 for each in found["stages"])
