"""On real boards the arena is what was predicted: tests/data/silicon.json has what they said, and where it is from.

The models are looked for in the folders REFINFER_CORPUS and REFINFER_SILICON, by their sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import refinfer
from refinfer.simulator.allocate import allocate
from refinfer.simulator.arena import Move, Section, tail_used
from refinfer.simulator.targets import find_target
from tests import corpus

SILICON = json.loads(Path(__file__).parents[1].joinpath("data", "silicon.json").read_text(encoding="utf-8"))
OF_THE_LOGS = "esp32s3+esp-nn@1.2.2"


@cache
def found() -> Mapping[str, Path]:
    """The files at hand, by sha256."""
    more = os.environ.get("REFINFER_SILICON")
    files = Path(more).rglob("*.tflite") if more else ()
    return {model.sha256: model.path for model in corpus.corpus()} | {
        hashlib.sha256(file.read_bytes()).hexdigest(): file for file in files
    }


def model_at_hand(name: str) -> bytes:
    """The model's bytes; the test is skipped where there is no such file."""
    model = SILICON["models"][name]
    path = found().get(model["sha256"])
    if path is None:
        pytest.skip(f"neither REFINFER_CORPUS nor REFINFER_SILICON has {model['from']}")
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == model["sha256"]
    return data


def arenas() -> list[Any]:
    return [pytest.param(each, id=f"{each['target']} {each['model']}") for each in SILICON["arenas"]]


def logs() -> list[Any]:
    return [pytest.param(each, id=each["model"]) for each in SILICON["logs"]]


@pytest.mark.parametrize("measured", arenas())
def test_boards_report_the_predicted_arena(measured: Mapping[str, Any]) -> None:
    report = refinfer.simulate(model_at_hand(measured["model"]), measured["target"])
    assert report.arena.used == measured["used"]


@pytest.mark.parametrize("log", logs())
def test_users_logs_of_esp32_s3_name_the_predicted_head_and_what_the_tail_leaves(log: Mapping[str, Any]) -> None:
    target = replace(find_target(OF_THE_LOGS), variables_elsewhere=True)
    report = refinfer.simulate(model_at_hand(log["model"]), target)
    assert report.arena.head == log["requested"]
    assert left_for_the_head(allocate(report.graph, target).moves, log["arena"], log["start"]) == log["available"]


def left_for_the_head(moves: tuple[Move, ...], nbytes: int, start: int) -> int:
    """What TFLM calls available when it makes room for the planned buffers: from the aligned start to the tail."""
    aligned = nbytes - -start % 16
    last = max(index for index, move in enumerate(moves) if move.section is Section.HEAD)
    return aligned - tail_used(moves, aligned)[last]


@pytest.mark.parametrize(("release", "more"), [("1.2.1", 0), ("1.2.3", 32)])
def test_of_the_releases_only_1_2_1_and_1_2_2_agree_with_the_log(release: str, more: int) -> None:
    (log,) = (each for each in SILICON["logs"] if each["model"] == "okay_nabu")
    target = replace(find_target(f"esp32s3+esp-nn@{release}"), variables_elsewhere=True)
    assert refinfer.simulate(model_at_hand("okay_nabu"), target).arena.head == log["requested"] + more


PAGE = Path(__file__).parents[2].joinpath("docs", "targets.md").read_text(encoding="utf-8")


def test_the_page_shows_what_was_recorded() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) (?:\| ([\d,]+) )?\|", PAGE, re.MULTILINE)
    shown = {name: [int(cell.replace(",", "")) for cell in cells if cell] for name, *cells in rows}
    expected: dict[str, list[int]] = {}
    for each in SILICON["arenas"]:
        expected.setdefault(each["model"], []).append(each["used"])
    for log in SILICON["logs"]:
        expected[log["model"]] = [log["arena"], log["requested"], log["available"]]
    assert shown == expected
