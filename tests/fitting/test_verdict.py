"""The verdict: what has to fit where, and that nothing but a plain yes is a yes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import refinfer
from refinfer.fitting.boards import AT_LEAST, AT_MOST, Board, Firmware, Source, all_boards, board_from_sizes, find_board
from refinfer.fitting.flash import flash_of
from refinfer.fitting.verdict import (
    BEST_FIRST,
    DOES_NOT_FIT,
    FITS,
    NOT_COUNTED,
    REFUSED,
    UNKNOWN,
    Verdict,
    fit,
    fit_all,
    smallest_boards,
)
from refinfer.schema.errors import UsageError
from refinfer.schema.file import read_model
from refinfer.schema.graph import Graph
from refinfer.simulator import TARGETS, Refused, Report, find_target, simulate
from refinfer.simulator.report import Arena
from tools import make_boards

ROOT = Path(__file__).resolve().parents[2]
FITTING = ROOT / "models" / "digits_conv_int8.tflite"
MOBILE = ROOT / "models" / "digits_mobile_int8.tflite"
HYBRID = ROOT / "models" / "digits_conv_dynamic.tflite"
RECORDS: list[dict[str, Any]] = json.loads(make_boards.RECORDS.read_text())["boards"]

KB = 1024


def report(minimum: int, model_bytes: int = 1000, *, target: str = "xtensa", refusal: Refused | None = None) -> Report:
    """What the simulator would say of a model that needs an arena of `minimum` bytes."""
    return Report(
        graph=Graph((), {}, file=memoryview(bytes(model_bytes))),
        target=TARGETS[target],
        arena=Arena(minimum, minimum, 0, minimum, minimum, "end", "head + tail"),
        categories={},
        allocations=(),
        buffers=(),
        steps=(),
        peak=None,
        lower_bound=0,
        refusal=refusal,
    )


def board(**fields: Any) -> Board:
    return Board(**{"id": "b", "name": "B", "targets": ("xtensa",), "ram_block": 64 * KB, "flash": 512 * KB, **fields})


def firmware(nbytes: int, bound: str = AT_MOST, *, model_in_ram: bool = False) -> Firmware:
    return Firmware("rtos", "the RTOS", nbytes, bound, model_in_ram, Source("own", "own", "", ""), "", "")


def board_with(profile: Firmware, **fields: Any) -> Board:
    return board(firmware=(profile,), **fields)


@given(st.integers(1, 4000), st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 4000))
def test_a_model_fits_if_its_arena_fits_the_block_and_its_bytes_the_flash(
    minimum: int, model_bytes: int, block: int, flash: int
) -> None:
    verdict = fit(report(minimum, model_bytes), board(ram_block=block, flash=flash))
    arena = next(size for size in range(minimum, minimum + 16) if size % 16 == 0)
    assert verdict.arena_size == verdict.ram_needed == arena
    assert verdict.fits == (arena <= block and model_bytes <= flash)
    assert verdict.outcome == (FITS if verdict.fits else DOES_NOT_FIT)
    assert (verdict.ram_margin, verdict.flash_margin) == (block - arena, flash - model_bytes)


@pytest.mark.parametrize(
    "known", [each for each in all_boards() if each.ram and each.ram_block and each.ram >= each.ram_block + 16]
)
def test_an_arena_between_the_largest_block_and_all_of_the_ram_does_not_fit(known: Board) -> None:
    assert known.ram_block is not None
    assert known.ram is not None
    for minimum in (known.ram_block + 1, known.ram):
        verdict = fit(report(minimum), known)
        assert verdict.outcome == DOES_NOT_FIT
        assert verdict.arena_size is not None
        assert ("not in one piece" in verdict.reason) == (verdict.arena_size <= known.ram)
    assert fit(report(known.ram_block // 16 * 16), replace(known, flash=KB)).fits


WRONGLY_FITTING = {  # by a tool that takes the RAM less what it thinks is in use
    record["id"]: said["usable"]
    for record in RECORDS
    for source, said in record["sources"].items()
    if source.startswith("mcufit") and said["usable"] > (find_board(record["id"]).ram_block or 0)
}


def test_on_twelve_boards_counting_all_of_the_ram_says_a_wrong_yes() -> None:
    assert set(WRONGLY_FITTING) == {
        *("esp32", "esp32_cam", "m5stack_core2", "esp32s2", "esp32s3", "xiao_esp32s3", "esp32p4"),
        *("stm32f407_disco", "nucleo_h743zi", "portenta_h7", "teensy40", "teensy41"),
    }


@pytest.mark.parametrize(("name", "usable"), WRONGLY_FITTING.items())
def test_what_fits_all_of_the_ram_but_no_block_of_it_does_not_fit(name: str, usable: int) -> None:
    assert fit(report(usable), name).outcome == DOES_NOT_FIT


@pytest.mark.parametrize(
    ("fields", "minimum", "outcome"),
    [
        ({"flash": None}, 16, UNKNOWN),
        ({"ram_block": None}, 16, UNKNOWN),
        ({"ram_block": None, "flash": None}, 16, UNKNOWN),
        ({"flash": None}, 65 * KB, DOES_NOT_FIT),  # whatever the flash is
        ({"ram_block": None, "flash": 10}, 16, DOES_NOT_FIT),
    ],
)
def test_an_unknown_figure_is_not_a_yes_and_a_no_is_a_no(fields: Mapping[str, Any], minimum: int, outcome: str) -> None:
    verdict = fit(report(minimum), board(**fields))
    assert verdict.outcome == outcome
    assert not verdict.fits
    assert ("no source that we know of says" in verdict.reason) == (outcome == UNKNOWN)


def test_a_board_of_the_table_with_an_unknown_figure_says_so() -> None:
    verdict = fit(report(16), "nucleo_n657x0")
    assert (verdict.outcome, verdict.flash_available, verdict.flash_margin) == (UNKNOWN, None, None)
    assert verdict.reason == "no source that we know of says how large the flash is"


def test_what_was_not_asked_is_not_judged() -> None:
    assert fit(report(100, 1000), board_from_sizes(112, None, ("cortex-m4",))).fits
    assert not fit(report(100, 1000), board_from_sizes(100, None, ("cortex-m4",))).fits
    assert fit(report(10**6, 1000), board_from_sizes(None, 1000, ("cortex-m4",))).fits
    assert not fit(report(16, 1001), board_from_sizes(None, 1000, ("cortex-m4",))).fits


@pytest.mark.parametrize(
    ("profile", "minimum", "outcome", "available"),
    [
        (firmware(32 * KB), 32 * KB, FITS, 32 * KB),
        (firmware(32 * KB), 32 * KB + 1, DOES_NOT_FIT, 32 * KB),
        (firmware(99 * KB), 64 * KB + 1, DOES_NOT_FIT, 64 * KB),  # the block is smaller than the claim
        (firmware(32 * KB, AT_LEAST), 32 * KB, FITS, 32 * KB),
        (firmware(32 * KB, AT_LEAST), 32 * KB + 1, UNKNOWN, 32 * KB),
        (firmware(32 * KB, AT_LEAST), 64 * KB + 1, DOES_NOT_FIT, 64 * KB),  # no firmware can leave so much
        (firmware(32 * KB, model_in_ram=True), 32 * KB - 1000 - 8, FITS, 32 * KB),
        (firmware(32 * KB, model_in_ram=True), 32 * KB - 1000 + 9, DOES_NOT_FIT, 32 * KB),
    ],
)
def test_firmware_leaves_less_than_the_block(profile: Firmware, minimum: int, outcome: str, available: int) -> None:
    verdict = fit(report(minimum, 1000), board_with(profile), firmware="rtos")
    assert (verdict.outcome, verdict.ram_available, verdict.firmware) == (outcome, available, profile)
    assert fit(report(minimum, 1000), board_with(profile)).firmware is None


def test_ram_is_called_in_pieces_only_where_it_is() -> None:
    whole = board_with(firmware(32 * KB), ram=64 * KB)
    pieces = board_with(firmware(64 * KB), ram=99 * KB)
    assert "piece" not in fit(report(40 * KB), whole, firmware="rtos").reason
    assert "piece" not in fit(report(99 * KB + 1), pieces).reason
    assert fit(report(65 * KB), pieces).reason == (
        "the arena takes 66,560 bytes, 1,024 more than the largest block of RAM (65,536); "
        "all RAM is 101,376, but not in one piece"
    )


def test_a_model_in_ram_is_needed_beside_its_arena_and_still_in_flash() -> None:
    verdict = fit(report(160, 1000), board_with(firmware(32 * KB, model_in_ram=True)), firmware="rtos")
    assert (verdict.arena_size, verdict.ram_needed, verdict.flash_needed) == (160, 1160, 1000)


def test_what_the_firmware_itself_needs_is_not_counted_where_the_figure_is_a_ceiling() -> None:
    own = [fit(report(16), board_with(firmware(32, bound)), firmware="rtos") for bound in (AT_MOST, AT_LEAST)]
    assert own[0].not_counted[:-1] == own[1].not_counted
    assert set(NOT_COUNTED) <= set(own[1].not_counted)
    assert "the RTOS itself" in own[0].not_counted[-1]


def test_a_profile_that_does_not_exist_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(UsageError, match=r"'linux'.*there is bare, rtos"):
        fit(report(16), board_with(firmware(32)), firmware="linux")


def test_what_only_invoke_refuses_never_fits() -> None:
    refusal = Refused("invoke", "Hybrid models are not supported")
    verdict = fit(report(16, refusal=refusal), board())
    assert (verdict.outcome, verdict.refusal, verdict.arena_size) == (REFUSED, refusal, None)
    assert verdict.reason == "TFLM refuses it in Invoke: Hybrid models are not supported"


@pytest.mark.parametrize("name", ["uno", "mega2560"])
@pytest.mark.parametrize("target", [None, "cortex-m4"])
def test_nothing_ever_fits_avr(name: str, target: str | None) -> None:
    for model in (report(16, 16), FITTING):
        verdict = fit(model, name, target=target)
        assert (verdict.outcome, verdict.refusal) == (REFUSED, None)
        assert "32-bit" in verdict.reason


def test_a_board_of_ones_own_on_avr_does_not_escape() -> None:
    avr = replace(find_board("uno"), ram_block=10**9, flash=10**9, targets=("cortex-m0",))
    assert fit(FITTING, avr).outcome == REFUSED
    assert [verdict.outcome for verdict in fit_all(FITTING, [avr])] == [REFUSED]


def test_a_sample_model_fits_the_board_of_the_front_page() -> None:
    verdict = fit(FITTING, "nano33ble")
    minimum = simulate(FITTING, "nano33ble-arduino").arena.minimum
    assert verdict.fits
    assert verdict.arena_size is not None
    assert minimum <= verdict.arena_size < minimum + 16
    assert verdict.flash == flash_of(read_model(FITTING), "cortex-m4+cmsis-nn")
    assert verdict.flash_needed == verdict.flash.at_least > FITTING.stat().st_size


def test_a_model_may_come_as_path_bytes_graph_or_report() -> None:
    models = FITTING, str(FITTING), FITTING.read_bytes(), read_model(FITTING), simulate(FITTING, "nano33ble-arduino")
    verdicts = [fit(model, "nano33ble") for model in models]
    assert len({(each.outcome, each.reason, each.arena_size, each.target) for each in verdicts}) == 1


def test_a_hybrid_model_is_refused_with_operator_and_words() -> None:
    verdict = fit(HYBRID, "nano33ble")
    assert verdict.outcome == REFUSED
    assert verdict.refusal is not None
    assert str(verdict.refusal) in verdict.reason
    assert "CONV_2D" in verdict.reason


def test_another_target_may_be_named_but_has_to_exist() -> None:
    assert fit(FITTING, "nano33ble", target="xtensa").target == "xtensa"
    with pytest.raises(UsageError, match="unknown target 'z80'"):
        fit(FITTING, "nano33ble", target="z80")
    with pytest.raises(UsageError, match="unknown target 'z80'"):
        fit_all(FITTING, [board(targets=("z80",))])


def summary(verdict: Verdict) -> tuple[object, ...]:
    made_for = verdict.report.target.name if verdict.report else None
    return verdict.outcome, verdict.reason, verdict.board, verdict.target, made_for, verdict.arena_size


@pytest.mark.parametrize("model", [FITTING, HYBRID], ids=lambda model: model.stem)
def test_all_boards_at_once_get_the_verdicts_of_one_at_a_time(model: Path) -> None:
    graph = read_model(model)
    one_at_a_time = [summary(fit(graph, each)) for each in all_boards()]
    assert [summary(verdict) for verdict in fit_all(graph)] == one_at_a_time


def test_boards_with_the_same_build_share_a_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated: list[str] = []

    def counted(graph: Graph, target: Any) -> Report:
        simulated.append(target.name)
        return simulate(graph, target)

    monkeypatch.setattr(sys.modules["refinfer.fitting.verdict"], "simulate", counted)
    verdicts = fit_all(FITTING)
    asked = {target for board in all_boards() for target in board.targets}
    assert {each.target for verdict in verdicts for each in (verdict, *verdict.others)} == {None, *asked}
    different = {(each.build, each.recording, each.variables_elsewhere) for each in map(find_target, asked)}
    assert len(simulated) == len(different) < len(asked)


def test_the_smallest_boards_are_those_with_the_smallest_block_then_the_smallest_flash() -> None:
    sizes = [(64, 512), (32, 512), (32, 256), (8, 512), (128, 64), (16, 10)]  # the model needs 8,352 and 10,952
    boards = [board(id=f"{ram}/{flash}", ram_block=ram * KB, flash=flash * KB) for ram, flash in sizes]
    assert [each.board.id for each in smallest_boards(FITTING, boards=boards)] == ["32/256", "32/512", "64/512"]
    assert [each.board.id for each in smallest_boards(FITTING, 1, boards)] == ["32/256"]
    assert smallest_boards(FITTING, boards=boards[3:4]) == ()


def test_no_more_boards_are_looked_at_than_it_takes() -> None:
    unknown = board(ram_block=65 * KB, targets=("z80",))
    assert [each.board for each in smallest_boards(FITTING, 1, [unknown, board()])] == [board()]


# several builds of TFLM for one board


@pytest.mark.parametrize("each", [each for each in all_boards() if each.targets], ids=lambda each: each.id)
def test_the_verdict_is_that_for_the_worst_of_the_plausible_targets(each: Board) -> None:
    verdict = fit(FITTING, each)
    alone = [fit(FITTING, each, target=target) for target in each.targets]
    assert verdict.arena_size == max(one.arena_size or 0 for one in alone)
    assert verdict.flash_needed == max(one.flash_needed or 0 for one in alone)
    assert verdict.fits == all(one.fits for one in alone)
    assert {verdict.target, *(other.target for other in verdict.others)} == set(each.targets)
    assert all(not one.others for one in alone)


def test_vendor_kernels_that_take_too_much_are_no_yes_though_the_reference_fits() -> None:
    small = replace(find_board("esp32s3"), ram_block=100_000)
    verdict = fit(MOBILE, small)
    assert (verdict.outcome, verdict.target) == (DOES_NOT_FIT, "esp32s3+esp-nn")
    assert [(each.target, each.fits) for each in verdict.others] == [("xtensa", True)]
    assert fit(MOBILE, small, target="xtensa").fits


def test_what_one_of_the_builds_refuses_is_refused_and_the_others_are_told() -> None:
    newer = ROOT / "models" / "digits_stream_int8.tflite"
    verdict = fit(newer, board(targets=("cortex-m4", "nano33ble-arduino")))
    alone = {name: fit(newer, board(targets=(name,))).outcome for name in ("cortex-m4", "nano33ble-arduino")}
    assert verdict.outcome == max(alone.values(), key=BEST_FIRST.index)


def test_the_scratch_of_vendor_kernels_is_not_counted_only_where_nobody_looked() -> None:
    words = "the scratch memory of optimized kernels (CMSIS-NN, esp-nn): these are the reference kernels"
    assert words in fit(FITTING, "esp8266").not_counted
    assert words in fit(FITTING, "esp32", target="xtensa").not_counted
    assert words not in fit(FITTING, "esp32").not_counted


def test_a_verdict_tells_every_build_in_json() -> None:
    told = fit(MOBILE, "esp32s3").to_dict()["targets"]
    assert [(each["target"], each["outcome"]) for each in told] == [("esp32s3+esp-nn", FITS), ("xtensa", FITS)]
    assert told[0]["arena_size"] > 2 * told[1]["arena_size"]


MANUAL = (ROOT / "docs" / "boards.md").read_text()


@pytest.mark.parametrize(
    "verdict",
    [fit(FITTING, "nano33ble"), fit(HYBRID, "esp32", firmware="esp-idf"), fit(FITTING, "uno"), fit(FITTING, "pico")],
    ids=lambda verdict: f"{verdict.outcome} {verdict.board.id}",
)
def test_a_verdict_is_json_and_the_manual_names_its_fields(verdict: Verdict) -> None:
    written = json.loads(verdict.to_json())
    assert written == verdict.to_dict()
    assert written["schema"] == 1
    assert written["fits"] == (written["outcome"] == "fits")
    assert set(written) <= set(re.findall(r"`(\w+)`", MANUAL))
    assert {*written["model"], *written["ram"], *written["board"]} <= set(re.findall(r"`(\w+)`", MANUAL))


def test_every_outcome_is_in_the_manual() -> None:
    assert {FITS, UNKNOWN, DOES_NOT_FIT, REFUSED} <= set(re.findall(r"`([\w ]+)`", MANUAL))


def test_the_public_fit_stays_a_function_however_often_it_is_looked_up() -> None:
    assert refinfer.fit is refinfer.fit is fit
    assert all(not isinstance(getattr(refinfer, name), ModuleType) for name in refinfer.__all__)
