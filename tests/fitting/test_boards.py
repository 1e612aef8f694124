"""The table of boards says nothing that no source says, and one's own board is read with care."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinfer.fitting.boards import (
    AT_LEAST,
    AT_MOST,
    FIRMWARE,
    FLASH,
    PSRAM,
    RAM,
    RAM_BLOCK,
    TABLE,
    Board,
    Firmware,
    Region,
    Statement,
    all_boards,
    board_from_sizes,
    board_from_toml,
    find_board,
    parse_size,
)
from refinfer.schema.errors import UsageError
from refinfer.simulator import TARGETS
from tools import make_boards

ROOT = Path(__file__).resolve().parents[2]
RECORDS: list[dict[str, Any]] = json.loads(make_boards.RECORDS.read_text())["boards"]
FIGURES = (RAM, RAM_BLOCK, FLASH, PSRAM)

every_board = pytest.mark.parametrize("board", all_boards(), ids=lambda board: board.id)


@every_board
@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_what_a_source_says_or_unknown(board: Board, figure: str) -> None:
    if board.figure(figure) is None:
        assert board.sources(figure) == ()
    else:
        assert board.sources(figure)


@every_board
def test_every_source_has_an_address_and_a_date(board: Board) -> None:
    cited: list[Statement | Region | Firmware] = [*board.statements, *board.regions, *board.firmware]
    assert all(each.source.url.startswith("https://") for each in cited)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d", each.source.read) for each in cited)
    assert all(each.place for each in cited)


def numbers(said: dict[str, Any]) -> set[int]:
    """The sizes that one source of a record says."""
    known = {said[key] for key in ("sram", "ram", "flash", "psram", "maximum_ram_size", "maximum_size") if key in said}
    known |= {1024 * said[key] for key in ("ram_kb", "flash_kb") if said.get(key)}
    return known | {region["bytes"] for region in said.get("regions", ())}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_no_disagreement_of_the_sources_is_lost(record: dict[str, Any]) -> None:
    board = find_board(record["id"])
    said_or_mapped: list[Statement | Region] = [*board.statements, *board.regions]
    kept = {each.nbytes for each in said_or_mapped}
    sources = [said for said in record["sources"].values() if isinstance(said, dict)]
    assert sources
    assert set().union(*map(numbers, sources)) <= kept
    for disagreement in record["disagreements"]:
        assert set(disagreement.get("values", {}).values()) <= kept


def test_who_says_something_else_is_told_apart_from_who_agrees() -> None:
    esp32 = find_board("esp32")
    assert esp32.ram_block == 180736
    assert {each.source.id for each in esp32.sources(RAM_BLOCK)} == {"esp-idf"}
    assert {each.nbytes for each in esp32.disagreements(RAM_BLOCK)} == {163840, 327680}


def test_the_table_is_what_the_script_makes_of_the_records() -> None:
    assert Path(TABLE).read_text() == make_boards.table()


def test_the_table_has_every_board_of_the_records_once() -> None:
    assert [board.id for board in all_boards()] == [record["id"] for record in RECORDS]
    assert len({board.id for board in all_boards()}) == len(RECORDS)


@every_board
def test_no_block_is_larger_than_all_of_the_ram(board: Board) -> None:
    assert board.ram is None or board.ram_block is None or board.ram_block <= board.ram


@every_board
def test_a_board_has_a_target_or_a_reason_why_tflm_does_not_run_there(board: Board) -> None:
    assert set(board.targets) <= set(TARGETS)
    assert bool(board.targets) != bool(board.no_tflm)


def test_tflm_does_not_run_on_avr() -> None:
    avr = [board for board in all_boards() if board.core == "avr"]
    assert {board.id for board in avr} == {"uno", "mega2560"}
    assert all(not board.targets and "32-bit" in board.no_tflm for board in avr)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("pico", {"cortex-m0", "cortex-m0+cmsis-nn"}),
        ("nrf52840dk", {"cortex-m4", "cortex-m4+cmsis-nn"}),
        ("nano33ble", {"cortex-m4", "cortex-m4+cmsis-nn", "nano33ble-arduino"}),
        ("bluepill", {"cortex-m4", "cortex-m33-nodsp+cmsis-nn"}),
        ("pico2", {"cortex-m4", "cortex-m4+cmsis-nn"}),
        ("mps3_corstone300", {"cortex-m4", "cortex-m55+cmsis-nn"}),
        ("ek_ra8m1", {"cortex-m4", "cortex-m55+cmsis-nn"}),
        ("esp32", {"xtensa", "esp32+esp-nn"}),
        ("esp32s2", {"xtensa", "esp32+esp-nn"}),
        ("esp32s3", {"xtensa", "esp32s3+esp-nn"}),
        ("esp32c3", {"riscv32", "esp32+esp-nn"}),
        ("esp32p4", {"riscv32", "esp32p4+esp-nn"}),
        ("esp8266", {"xtensa"}),
    ],
)
def test_core_and_vendor_decide_the_targets_and_the_reference_kernels_come_first(name: str, targets: set[str]) -> None:
    found = find_board(name).targets
    assert set(found) == targets
    assert TARGETS[found[0]].kernels == "reference"


def test_a_board_of_ones_own_may_have_several_targets(tmp_path: Path) -> None:
    board = board_from_toml(write(tmp_path, 'target = ["cortex-m4", "cortex-m4+cmsis-nn"]\nram_block = "64K"'))
    assert board.targets == ("cortex-m4", "cortex-m4+cmsis-nn")


@every_board
def test_firmware_leaves_a_part_of_the_block(board: Board) -> None:
    for profile in board.firmware:
        assert profile.id in FIRMWARE
        assert profile.bound in (AT_MOST, AT_LEAST)
        assert board.ram_block is not None
        assert 0 < profile.nbytes <= board.ram_block


@every_board
def test_micropython_comes_with_the_model_in_flash_and_in_the_heap(board: Board) -> None:
    both = {each.id: each.nbytes for each in board.firmware if each.id.startswith("micropython")}
    assert set(both) in (set(), {"micropython-flash", "micropython-heap"})
    assert len(set(both.values())) <= 1


def test_a_profile_that_no_source_knows_is_not_made_up() -> None:
    with pytest.raises(UsageError, match=r"'zephyr' on Teensy 4.0; there is bare$"):
        find_board("teensy40").find_firmware("zephyr")


def test_bare_metal_is_a_profile_of_every_board() -> None:
    assert all(board.find_firmware("bare") is None for board in all_boards())


@pytest.mark.parametrize("name", ["esp32-s3", "ESP32S3", "esp32s3", "nano33ble", "Nano33BLE", "esp32-cam"])
def test_a_board_is_found_however_its_id_is_spelled(name: str) -> None:
    assert find_board(name).id in ("esp32s3", "nano33ble", "esp32_cam")


def test_an_unknown_board_gets_the_nearest_ids() -> None:
    with pytest.raises(UsageError, match=r"unknown board 'nano33bel': did you mean nano33ble.*refinfer boards"):
        find_board("nano33bel")
    with pytest.raises(UsageError, match=r"unknown board '': did|unknown board ''; `refinfer boards`"):
        find_board("")


def test_every_board_is_json() -> None:
    for board in all_boards():
        written = board.to_dict()
        assert json.loads(json.dumps(written)) == written
        assert set(written["figures"]) == set(FIGURES)


IMPORT = "import sys, refinfer.fitting.boards as b; print(b.all_boards.cache_info().currsize, *sys.modules)"


def test_importing_the_boards_reads_no_table_and_loads_no_module_for_later() -> None:
    loaded = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    read, *modules = loaded.stdout.split()
    assert read == "0"
    assert {"tomllib", "difflib", "pathlib"} - set(modules) == {"tomllib", "difflib", "pathlib"}


@given(st.integers(0, 2**40))
def test_a_size_in_digits_is_bytes(nbytes: int) -> None:
    assert parse_size(str(nbytes)) == nbytes


@given(st.integers(0, 2**20), st.sampled_from("KMG"), st.sampled_from(["", "B", "iB"]), st.booleans())
def test_k_m_and_g_count_1024_in_either_case(number: int, unit: str, rest: str, lower: bool) -> None:
    text = f"{number}{unit}{rest}"
    assert parse_size(text.lower() if lower else text) == number * 1024 ** ("KMG".index(unit) + 1)


def test_a_size_may_be_a_fraction_or_have_a_space() -> None:
    assert parse_size("1.5M") == 1_572_864
    assert parse_size(" 256 KB ") == 262_144


@pytest.mark.parametrize(
    "text", ["", "K", "-1", "1e3", "0x10", "256Kb0", "10iB", "\u0661", "1\u212a", "1,024", "nan", "inf", "9" * 99]
)
def test_what_is_not_a_size_gets_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"256K.*K is 1024") as error:
        parse_size(text)
    assert repr(text) in str(error.value)


def test_a_board_may_be_sizes_alone() -> None:
    board = board_from_sizes(262144, 1048576, ("cortex-m4",))
    assert (board.ram_block, board.flash, board.judged) == (262144, 1048576, (RAM_BLOCK, FLASH))
    assert board_from_sizes(262144, None, ("cortex-m4",)).judged == (RAM_BLOCK,)
    assert board_from_sizes(None, 1048576, ("cortex-m4",)).judged == (FLASH,)
    with pytest.raises(UsageError, match="--ram 256K"):
        board_from_sizes(None, None, ("cortex-m4",))


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_a_board_of_ones_own_is_a_toml_file(tmp_path: Path) -> None:
    text = """
    name = "Our node"
    target = "riscv32"
    ram_block = "192K"
    flash = 1048576
    [firmware.ours]
    leaves = "120K"
    model_in_ram = true
    """
    board = board_from_toml(write(tmp_path, text))
    assert (board.id, board.name, board.targets) == ("node", "Our node", ("riscv32",))
    assert (board.ram_block, board.flash, board.ram, board.judged) == (196608, 1048576, None, (RAM_BLOCK, FLASH))
    profile = board.find_firmware("ours")
    assert profile is not None
    assert (profile.nbytes, profile.bound, profile.model_in_ram) == (122880, AT_MOST, True)


def test_the_example_of_the_manual_is_a_board(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "boards.md").read_text(), re.DOTALL)
    assert len(example) == 1
    assert board_from_toml(write(tmp_path, example[0])).firmware


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('target = "cortex-m4"', "needs its target, and its ram_block, its flash or both"),
        ('ram_block = "1K"', "needs its target, and its ram_block, its flash or both"),
        ('target = "cortex-m4"\nram_blok = 1', "unknown key 'ram_blok': did you mean ram_block"),
        ('target = "cortex-m4"\nram_block = "lots"', "ram_block: 'lots' is not a size"),
        ('target = "cortex-m4"\nram_block = -1', "ram_block: '-1' is not a size"),
        ('target = "cortex-m4"\nram_block = true', "ram_block is True, not a size"),
        ('target = "cortex-m4"\nram_block = 1.5', "ram_block is 1.5, not a size"),
        ("target = []\nram_block = 1", "target is [], not a target's name or a list of them"),
        ("target = [4]\nram_block = 1", "target is [4], not a target's name or a list of them"),
        ("target = 4\nram_block = 1", "target is 4, not a target's name or a list of them"),
        ('target = "cortex-m4"\nram_block = 1\nfirmware = 1', "firmware is 1, not a table"),
        ('target = "cortex-m4"\nram_block = 1\n[firmware]\nours = 1', "firmware.ours: the profile is 1, not a table"),
        ('target = "cortex-m4"\nram_block = 1\n[firmware.ours]\n', "firmware.ours: a profile needs what"),
        (
            'target = "cortex-m4"\nram_block = 1\n[firmware.ours]\nleaves = 1\nmodel_in_ram = 1',
            "firmware.ours: model_in_ram is 1, not a truth value",
        ),
        ("target =", "not a TOML file"),
    ],
)
def test_a_wrong_file_is_told_by_place_and_reason(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as error:
        board_from_toml(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent.toml: No such file"):
        board_from_toml(tmp_path / "absent.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a TOML file"):
        board_from_toml(binary)


def test_blocks_are_the_regions_without_those_that_overlap() -> None:
    assert dict(find_board("nucleo_h743zi").blocks()) == {
        "DTCM": 128 * 1024,
        "AXI SRAM": 512 * 1024,
        "RAM_D2": 288 * 1024,  # one linker script's name for SRAM1 to SRAM3 of the device tree
        "SRAM4": 64 * 1024,
    }


def test_regions_that_touch_are_one_block_only_if_an_array_may_lie_across() -> None:
    assert find_board("stm32f746_disco").blocks() == (("DTCM + RAM", 320 * 1024),)
    assert find_board("frdm_k64f").blocks() == (("SRAM_L", 64 * 1024), ("SRAM_U", 192 * 1024))


def test_no_block_of_a_board_is_larger_than_its_largest() -> None:
    for board in all_boards():
        assert len(dict(board.blocks())) == len(board.blocks())
        assert max((nbytes for _, nbytes in board.blocks()), default=0) <= (board.ram_block or 0)
