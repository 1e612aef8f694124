"""What is drawn, and where: rectangles against the numbers of the report's JSON form."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

import refinfer
from refinfer.page.picture import TAIL, Block, picture_of
from refinfer.page.svg import DARK, LIGHT, cut, spread, svg, ticks, width_of
from refinfer.simulator import TARGETS, Refused
from tests import corpus
from tests.corpus import CorpusModel
from tests.page.pictures import CONV, MOBILE, SAMPLES, STREAM, SVG, boxes, misplaced, rooms


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55+cmsis-nn", "x86-64"])
def test_every_buffer_is_drawn_where_the_json_says(path: Path, target: str) -> None:
    report = refinfer.simulate(path, target)
    drawn = svg(picture_of(report))
    assert list(misplaced(boxes(drawn, "buffer"), rooms(drawn)[1], report.to_dict())) == []


@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_every_buffer_of_a_real_model_is_drawn_where_the_json_says(model: CorpusModel) -> None:
    try:
        report = refinfer.simulate(model.data)
    except Refused:
        pytest.skip("TFLM refuses it")
    drawn = svg(picture_of(report))
    assert list(misplaced(boxes(drawn, "buffer"), rooms(drawn)[1], report.to_dict())) == []


def apart(one: Block, two: Block) -> bool:
    return one.last < two.first or two.last < one.first or one.top <= two.bottom or two.top <= one.bottom


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_no_two_rectangles_overlap_and_none_leaves_the_arena(path: Path) -> None:
    picture = picture_of(refinfer.simulate(path))
    for blocks in (picture.running, picture.loading):
        assert all(apart(one, two) for one, two in combinations(blocks, 2))
        assert all(0 <= block.bottom <= block.top <= picture.size for block in blocks)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_stretches_of_the_tail_are_all_of_it(path: Path) -> None:
    report = refinfer.simulate(path)
    picture = picture_of(report)
    stretches = [block for block in picture.running if block.kind == TAIL]
    assert sum(block.nbytes for block in stretches) == report.arena.tail
    assert min(block.bottom for block in stretches) == picture.size - report.arena.tail


def test_the_peak_is_marked_where_it_is() -> None:
    report = refinfer.simulate(MOBILE)
    drawn = svg(picture_of(report))
    assert report.peak is not None
    room = rooms(drawn)[1]
    (band,) = [r for r in ElementTree.fromstring(drawn).iter(f"{SVG}rect") if r.get("class") == "peak-band"]
    step = (float(band.attrib["x"]) - room.x) / (room.width / len(report.steps))
    assert round(step, 2) == report.peak.step
    assert f"peak: {report.peak.nbytes:,} bytes alive at 2 CONV_2D" in drawn


def test_the_minimum_and_the_lower_bound_are_lines_with_their_numbers() -> None:
    arena = refinfer.simulate(CONV).arena
    words = [text.text for text in ElementTree.fromstring(svg(picture_of(refinfer.simulate(CONV)))).iter(f"{SVG}text")]
    assert f"minimum {arena.minimum:,}" in words
    assert "lower bound 5,120" in words


def test_where_loading_needs_the_most_the_picture_says_for_what() -> None:
    report = refinfer.simulate(STREAM)
    assert report.arena.moment == "planned"
    picture = picture_of(report)
    assert picture.moments[picture.tightest] == "planning the head"


def test_two_arenas_are_divided_where_the_persistent_one_begins() -> None:
    report = refinfer.simulate(CONV, TARGETS["cortex-m4"].in_two_arenas())
    picture = picture_of(report)
    assert report.two_arenas is not None
    assert picture.size - (picture.persistent or 0) == report.two_arenas.persistent.minimum
    assert 'class="divide"' in svg(picture)


def test_a_report_shows_its_picture_in_jupyter() -> None:
    report = refinfer.simulate(CONV)
    assert report._repr_html_() == svg(picture_of(report))


def test_a_picture_asks_for_nothing_from_outside_and_holds_no_variables() -> None:
    drawn = svg(picture_of(refinfer.simulate(CONV)))
    assert drawn.count("http") == drawn.count("http://www.w3.org/2000/svg")
    assert "var(" not in drawn


# colours and words


def luminance(colour: str) -> float:
    """[WCAG 2.2: relative luminance]"""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(colours: dict[str, str]) -> None:
    pairs = [("label", f"hue{number}") for number in range(9)]
    pairs += [("on-tail", name) for name in ("tail", "tail1", "tail2")]
    pairs += [(name, ground) for name in ("ink", "soft", "limit") for ground in ("paper", "room")]
    weak = [(text, ground) for text, ground in pairs if contrast(colours[text], colours[ground]) < 4.5]
    assert weak == []


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_edge_can_be_seen_on_its_ground(colours: dict[str, str]) -> None:
    weak = [number for number in range(9) if contrast(colours[f"edge{number}"], colours["room"]) < 3]
    assert weak == []


@pytest.mark.parametrize("words", ["", "a", "CONV_2D", "a/very/long/name" * 40, "…" * 50, "ab…cd" * 9, "\u05d0" * 90])
@pytest.mark.parametrize("room", [0.0, 20.0, 66.0, 400.0])
def test_what_is_cut_fits_and_keeps_both_ends(words: str, room: float) -> None:
    shown = cut(words, room)
    assert shown == "" or width_of(shown) <= room
    if len(shown) > 3:
        assert (shown[0], shown[-1]) == (words[0], words[-1])


def test_numbers_beside_the_picture_do_not_lie_on_each_other() -> None:
    assert spread([1, 2, 3, 90], 14) == [1, 15, 29, 90]


@pytest.mark.parametrize("size", [1, 16, 1552, 87_472, 40_229_040])
def test_there_are_some_round_addresses_and_not_too_many(size: int) -> None:
    found = ticks(size)
    assert 0 in found
    assert len(found) <= 7
    assert found[-1] <= size
