"""Where a model fits, of several regions of memory; and what a planner that knows regions would have to move."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from refinfer import Placement, place_in_regions, read_model, simulate
from refinfer.planners.problem import clashes, lower_bound
from refinfer.simulator import TARGETS
from refinfer.simulator.regions import WhatIf

MODELS = Path(__file__).parents[2] / "models"
MOBILE, CONV, DENSE = (read_model(MODELS / f"digits_{name}_int8.tflite") for name in ("mobile", "conv", "dense"))

ONE = simulate(MOBILE).arena
TWO = simulate(MOBILE, TARGETS["cortex-m4"].in_two_arenas()).two_arenas
assert TWO is not None
PERSISTENT, OTHER = TWO.persistent.minimum, TWO.non_persistent.minimum


def fitting(placement: Placement) -> tuple[list[str], list[tuple[str, str]]]:
    """The regions for one arena, and the pairs of regions for two."""
    return (
        [whole.region.name for whole in placement.wholes if whole.fits],
        [(split.persistent.name, split.non_persistent.name) for split in placement.splits if split.fits],
    )


@pytest.mark.parametrize(
    ("sizes", "wholes", "splits"),
    [
        ({"a": ONE.minimum, "b": PERSISTENT}, ["a"], [("b", "a")]),
        ({"a": ONE.minimum - 1, "b": PERSISTENT}, [], [("b", "a")]),
        ({"a": OTHER, "b": PERSISTENT}, [], [("b", "a")]),
        ({"a": OTHER - 1, "b": PERSISTENT}, [], []),
        ({"a": OTHER, "b": PERSISTENT - 1}, [], []),
        ({"a": ONE.minimum}, ["a"], []),
        ({"a": ONE.minimum, "b": 2 * ONE.minimum}, ["b", "a"], [("a", "b"), ("b", "a")]),
    ],
)
def test_it_fits_to_the_byte(sizes: dict[str, int], wholes: list[str], splits: list[tuple[str, str]]) -> None:
    placement = place_in_regions(MOBILE, sizes)
    assert fitting(placement) == (wholes, splits)
    assert placement.fits == bool(wholes or splits)


def test_what_is_left_is_told() -> None:
    placement = place_in_regions(MOBILE, {"a": 90_000, "b": 5_000})
    assert [whole.left for whole in placement.wholes] == [90_000 - ONE.minimum, 5_000 - ONE.minimum]
    best = placement.splits[0]
    assert (best.persistent_left, best.non_persistent_left) == (5_000 - PERSISTENT, 90_000 - OTHER)
    assert best.tightest == 5_000 - PERSISTENT


def test_the_roomiest_comes_first() -> None:
    placement = place_in_regions(MOBILE, {"a": 100_000, "b": 40_000, "c": 200_000, "d": 6_000})
    lefts = [split.tightest for split in placement.splits]
    assert len(lefts) == 12
    assert lefts == sorted(lefts, reverse=True)
    assert [whole.region.name for whole in placement.wholes] == ["c", "a", "b", "d"]


def test_what_fits_needs_no_other_planner() -> None:
    assert place_in_regions(MOBILE, {"a": ONE.minimum}).what_if is None


def asserted_what_if(sizes: dict[str, int]) -> tuple[Placement, WhatIf]:
    placement = place_in_regions(MOBILE, sizes)
    assert not placement.fits
    assert placement.what_if is not None
    return placement, placement.what_if


@pytest.mark.parametrize("sizes", [{"a": 61_440, "b": 40_000}, {"a": 58_000, "b": 44_000, "c": 4_000}])
def test_buffers_that_would_move_are_few_enough_for_the_head_and_clash_nowhere(sizes: dict[str, int]) -> None:
    placement, what_if = asserted_what_if(sizes)
    report = simulate(MOBILE)
    moved = {(each.buffer.what, each.buffer.offset) for each in what_if.moved}
    stay = [each.buffer for each in report.buffers if (each.what, each.offset) not in moved]
    assert 0 < len(what_if.moved) < len(report.buffers)
    kept = PERSISTENT if what_if.head == what_if.persistent else 0
    assert lower_bound(stay) <= what_if.head.nbytes - kept
    for region in placement.regions:
        there = [each for each in what_if.moved if each.region == region]
        offsets = [each.offset for each in there]
        assert clashes([each.buffer.buffer for each in there], offsets) == []
        assert all(each.offset + each.buffer.nbytes <= region.nbytes for each in there)
    assert all(each.region != what_if.head for each in what_if.moved)
    assert what_if.moved_bytes == sum(each.buffer.buffer.nbytes for each in what_if.moved)


def test_bytes_that_are_alive_at_once_cannot_be_helped() -> None:
    placement = place_in_regions(MOBILE, {"a": 40_960, "b": 40_960})
    assert placement.alive == ONE.tail + simulate(MOBILE).lower_bound
    assert placement.alive > 81_920
    assert placement.what_if is None


def test_a_buffer_stays_in_one_piece() -> None:
    largest = max(buffer.nbytes for buffer in simulate(MOBILE).buffers)
    placement = place_in_regions(MOBILE, dict.fromkeys("abcd", largest - 1))
    assert placement.alive < 4 * (largest - 1)
    assert placement.what_if is None


def test_the_notepad_has_to_fit_where_the_head_is() -> None:
    """A dense network plans with more memory than its head has."""
    two = simulate(DENSE, TARGETS["cortex-m4"].in_two_arenas()).two_arenas
    assert two is not None
    assert two.non_persistent.minimum > two.non_persistent.used
    placement = place_in_regions(DENSE, {"a": two.persistent.minimum, "b": two.non_persistent.minimum - 1})
    assert not placement.fits
    assert placement.what_if is None


def test_a_build_that_records_has_no_two_arenas() -> None:
    placement = place_in_regions(CONV, {"a": 20_000, "b": 4_000}, "x86-64-wheel")
    assert placement.two_arenas is None
    assert placement.splits == ()
    assert fitting(placement) == (["a"], [])
    assert not place_in_regions(CONV, {"a": 8_000, "b": 4_000}, "x86-64-wheel").fits


def test_the_json_form_holds_the_same_figures() -> None:
    placement, what_if = asserted_what_if({"a": 61_440, "b": 40_000})
    document = json.loads(placement.to_json())
    assert document["in_one_region"][0] == {"region": "a", "left": 61_440 - ONE.minimum, "fits": False}
    assert document["in_two_regions"][0]["persistent"] == placement.splits[0].persistent.name
    assert [(each["region"], each["offset"]) for each in document["what_if"]["moved"]] == [
        (each.region.name, each.offset) for each in what_if.moved
    ]
