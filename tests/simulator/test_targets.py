"""Targets: found by name, with a release, with a TFLM of another age, or written by a user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import refinfer
from refinfer.kernels.changes import CHANGES
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries.esp_nn_sizes import RELEASES
from refinfer.kernels.registry import LIBRARIES
from refinfer.schema.errors import UsageError
from refinfer.simulator import TARGETS, Target, find_target, target_from_toml
from refinfer.simulator.structs import MICRO_RESOURCE_VARIABLE, NODE_AND_REGISTRATION, TENSOR

ROOT = Path(__file__).parents[2]
PAGE, MODELS = ROOT.joinpath("docs", "targets.md").read_text(encoding="utf-8"), ROOT / "models"
DENSE, MOBILE, STREAM = (MODELS / f"digits_{name}_int8.tflite" for name in ("dense", "mobile", "stream"))


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_found_by_its_name_and_has_kernels(name: str) -> None:
    target = find_target(name)
    assert target.name == name
    assert target.kernels in LIBRARIES


def test_a_target_without_a_release_has_the_last() -> None:
    for target in (target for target in TARGETS.values() if target.releases):
        *_, last = target.releases
        assert target.with_release(last).build == target.build


def test_the_release_decides_on_an_esp32_s3() -> None:
    heads = [refinfer.simulate(STREAM, f"esp32s3+esp-nn@{release}").arena.head for release in RELEASES]
    assert heads == [*[heads[0]] * 4, *[heads[4]] * 2, heads[4] + 32]
    assert heads[4] > heads[0]


def test_the_release_does_not_matter_on_an_esp32() -> None:
    reports = [refinfer.simulate(MOBILE, f"esp32+esp-nn@{release}") for release in RELEASES]
    assert len({report.arena for report in reports}) == 1


def test_an_unknown_release_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"unknown release '9' of target 'esp32\+esp-nn'; the releases are 1.1.0, "):
        find_target("esp32+esp-nn@9")
    with pytest.raises(UsageError, match="'cortex-m4'; it has no releases"):
        find_target("cortex-m4@1")
    with pytest.raises(UsageError, match="unknown target 'esp33'; the targets are cortex-m4, "):
        find_target("esp33@1.2.3")


def test_arduino_builds_have_the_large_tensors_and_small_variables() -> None:
    build = TARGETS["nano33ble-arduino"].build
    sizes = [build.sizeof(each) for each in (TENSOR, NODE_AND_REGISTRATION, MICRO_RESOURCE_VARIABLE)]
    assert sizes == [64, 44, 16]  # as g++ -m32 -malign-double -fshort-enums gives them for the library's sources


def test_a_resource_variable_grew_in_2023() -> None:
    xtensa = TARGETS["xtensa"]
    sizes = [
        xtensa.with_tflm(date).build.sizeof(MICRO_RESOURCE_VARIABLE) for date in ("2023-01", "2023-02-17", "2026-08")
    ]
    assert sizes == [16, 20, 20]


@pytest.mark.parametrize("date", ["2022-12-31", "yesterday", "2023", "2023-1"])
def test_a_tflm_that_is_not_known_is_refused(date: str) -> None:
    with pytest.raises(UsageError):
        TARGETS["xtensa"].with_tflm(date)


def test_the_latest_tflm_is_what_targets_have() -> None:
    assert TARGETS["nano33ble-arduino"].with_tflm("2026-08").defines == {"ARM_MATH_DSP"}


def test_variables_in_an_arena_of_their_own_cost_nothing_here() -> None:
    here = refinfer.simulate(STREAM, "xtensa")
    elsewhere = refinfer.simulate(STREAM, Target("mine", "", Abi(4, 4), "", variables_elsewhere=True))
    names = [{each.what for each in report.allocations} for report in (here, elsewhere)]
    gone = names[0] - names[1]
    assert "MicroResourceVariables" in gone
    assert len(gone) == 2


MINE = """
[target]
base = "cortex-m4+cmsis-nn"
name = "my firmware"
summary = "as we build it"
tflm = "2024-07"
abi = { pointer = 4, enum = 4, align64 = 8 }
defines = ["USE_TFLM_COMPRESSION"]
undefines = ["TF_LITE_STATIC_MEMORY"]
structs = { TfLiteConvParams = [40, 8] }
recording = true
resource_variables = 7
"""


def test_a_user_describes_a_build_of_ones_own(tmp_path: Path) -> None:
    base, target = TARGETS["cortex-m4+cmsis-nn"], target_from_toml(written(tmp_path, MINE))
    assert (target.name, target.summary, target.tflm) == ("my firmware", "as we build it", "2024-07")
    assert (target.recording, target.resource_variables, target.variables_elsewhere) == (True, 7, False)
    later = {"before FULLY_CONNECTED had scales per channel", "before sums had their counters in the arena"}
    assert target.defines == base.defines - {"TF_LITE_STATIC_MEMORY"} | {"USE_TFLM_COMPRESSION"} | later
    assert target.build == Build(Abi(4, 4, 8), target.defines, {"TfLiteConvParams": (40, 8)}, "cmsis-nn")


def test_the_example_of_the_page_is_a_target(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    target = target_from_toml(written(tmp_path, example))
    assert (target.name, target.variables_elsewhere, target.arenas) == ("our firmware", True, 2)


def test_the_page_has_every_target_change_and_release() -> None:
    (table,) = re.findall(r"^\| target \|.+?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    names = [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    assert sorted(names) == sorted(TARGETS)
    for date in CHANGES.values():
        assert date in PAGE
    for release in RELEASES:
        assert release in PAGE


def test_what_is_not_said_is_as_the_base_has_it(tmp_path: Path) -> None:
    target = target_from_toml(written(tmp_path, '[target]\nbase = "esp32s3+esp-nn@1.1.2"\n'))
    assert target.name == "mine"
    assert target.build == find_target("esp32s3+esp-nn@1.1.2").build


def test_a_file_is_found_as_a_name_is(tmp_path: Path) -> None:
    file = written(tmp_path, MINE.replace("structs = { TfLiteConvParams = [40, 8] }\n", ""))
    assert refinfer.simulate(DENSE, str(file)).target.name == "my firmware"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("name = 'x'", "base is missing"),
        ("base = 'esp33'", "unknown target 'esp33'"),
        ("base = 'cortex-m4'\ncolour = 'red'", "unknown field 'colour'; the fields are base, name"),
        ("base = 3", "base: 3 is not a string"),
        ("base = 'cortex-m4'\nrecording = 1", "recording: 1 is not true or false"),
        ("base = 'cortex-m4'\nresource_variables = -1", "resource_variables: -1 is not a number"),
        ("base = 'cortex-m4'\nkernels = 'fast'", "unknown kernels 'fast'; they are reference, cmsis-nn"),
        ("base = 'cortex-m4'\ndefines = [1]", "lists of macros"),
        ("base = 'cortex-m4'\nabi = { pointer = 3 }", "abi.pointer: 3; it is 1, 2, 4 or 8 bytes"),
        ("base = 'cortex-m4'\nabi = { width = 4 }", "unknown field 'width'; the fields are pointer, enum, align64"),
        ("base = 'cortex-m4'\nstructs = { A = [4] }", "structs.A"),
        ("base = 'cortex-m4'\nstructs = { A = [4, 3] }", "the alignment a power of two"),
        ("base = 'cortex-m4'\ntflm = '2019-01'", "the oldest is of 2023-01"),
        ("base = 'cortex-m4'\narenas = 3", "arenas: 3; it is 1, or 2: one for what is persistent"),
        ("base = 'cortex-m4'\narenas = 2\nrecording = true", "TFLM's recording allocator has a single arena"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_place(tmp_path: Path, line: str, complaint: str) -> None:
    file = written(tmp_path, f"[target]\n{line}\n")
    with pytest.raises(UsageError) as raised:
        target_from_toml(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert complaint in str(raised.value)


@pytest.mark.parametrize("text", ["", "[target", "base = 'cortex-m4'", "[target]\n[other]", "target = 3"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml: "):
        target_from_toml(written(tmp_path, text))
    with pytest.raises(UsageError, match=r"nowhere\.toml: No such file"):
        find_target("nowhere.toml")
