"""The page as text: whole, closed to the network, and safe against what a file may hold."""

from __future__ import annotations

import base64
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import refinfer
from refinfer.cli import main
from refinfer.page.html import filled, page
from refinfer.page.picture import picture_of
from refinfer.page.png import png
from refinfer.page.svg import svg
from refinfer.planning import QUICK
from refinfer.schema.errors import UsageError
from refinfer.simulator import TARGETS, Report
from tests.page.pictures import CONV, DENSE, HOSTILE, MOBILE, MODELS, boxes, misplaced, rooms

Captured = pytest.CaptureFixture[str]


class Elements(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def embedded(text: str) -> dict[str, object]:
    """The report within a page."""
    found: dict[str, object] = json.loads(
        re.findall(r'<script type="application/json" id="report">(.*?)</script>', text, re.DOTALL)[0]
    )
    return found


def test_a_page_holds_the_report_and_draws_it() -> None:
    report = refinfer.simulate(MOBILE)
    text = page(report)
    assert embedded(text) == json.loads(report.to_json())
    (drawn,) = re.findall(r'<svg xmlns="http://www.w3.org/2000/svg" class="refinfer".*?\n</svg>', text, re.DOTALL)
    assert list(misplaced(boxes(drawn, "buffer"), rooms(drawn)[1], embedded(text))) == []


def test_a_page_shows_the_better_plan_and_the_other_builds() -> None:
    report = refinfer.simulate(CONV)
    plan = refinfer.plan(CONV, ["cortex-m4"], effort=QUICK)
    text = page(report, plan=plan)
    (still,) = re.findall(r'<img class="still" .*? src="data:image/svg\+xml;base64,(.+?)">', text)
    planned = plan.planned()
    assert planned is not None
    better = refinfer.simulate(planned, "cortex-m4")
    assert better.arena.minimum == plan.after["cortex-m4"].minimum < report.arena.minimum
    assert base64.b64decode(still).decode() == svg(picture_of(better))
    for gain in plan.gains:
        assert f'<td>{gain.lever}</td><td class="number">{gain.minimum:,}</td>' in text
    for name in TARGETS:
        assert f'<td>{name}</td><td class="number">{refinfer.simulate(CONV, name).arena.minimum:,}</td>' in text


def test_a_page_without_a_plan_says_nothing_of_plans() -> None:
    assert "Better plans" not in page(refinfer.simulate(CONV))


def test_where_no_plan_is_better_the_page_says_so() -> None:
    report = refinfer.simulate(DENSE)
    text = page(report, plan=refinfer.plan(DENSE, ["cortex-m4"], effort=QUICK))
    assert f"No plan was found that takes less than the {report.arena.minimum:,} bytes" in text
    assert "<img" not in text


def test_a_page_asks_for_nothing_from_outside() -> None:
    elements = Elements(page(refinfer.simulate(CONV)))
    sources = [
        value for _, attributes in elements.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert sources == ["data:,"]
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", page(refinfer.simulate(CONV)))


def test_a_page_tells_whether_the_model_fits_a_board_or_which_boards_it_fits() -> None:
    verdict = refinfer.fit(CONV, "nano33ble")
    assert verdict.report is not None
    text = page(verdict.report, verdict)
    assert "digits_conv_int8.tflite fits Arduino Nano 33 BLE (Sense)" in text
    assert f"constexpr int kTensorArenaSize = {verdict.arena_size};" in text
    assert '<section class="verdict fits">' in text
    alone = page(verdict.report, None, (verdict,))
    assert "<code>nano33ble</code>" in alone
    assert "constexpr" not in alone


def test_a_page_lists_every_allocation_and_every_step() -> None:
    report = refinfer.simulate(CONV)
    rows = [attributes for tag, attributes in Elements(page(report)).tags if tag == "tr" and "data-find" in attributes]
    assert len(rows) == len(report.buffers) + len(report.steps) + len(report.allocations)


def hostile_report() -> Report:
    """A report whose names are as bad as they can be."""
    data = CONV.read_bytes()
    names = sorted({each.what for each in refinfer.simulate(data).buffers}, key=len, reverse=True)
    for name, bad in zip(names, sorted(HOSTILE, key=lambda bad: -len(bad.encode())), strict=False):
        assert len(bad.encode()) <= len(name)
        data = data.replace(name.encode(), bad.encode().ljust(len(name), b"."))
    return refinfer.simulate(data)


def test_no_name_of_a_tensor_gets_out_of_its_place() -> None:
    hostile, plain = Elements(page(hostile_report())), Elements(page(refinfer.simulate(CONV.read_bytes())))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [
        sorted(attributes) for _, attributes in plain.tags
    ]


def test_what_no_reader_could_see_is_written_out() -> None:
    report = hostile_report()
    text = page(report) + svg(picture_of(report))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
    assert r"\x1b[2J" in text


def test_a_picture_of_hostile_names_is_still_xml() -> None:
    assert len(boxes(svg(picture_of(hostile_report())), "buffer")) == 9


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    assert filled("{{a}} {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} x"


# files


def memory(*arguments: object) -> int:
    return main(["memory", *map(str, arguments)])


def test_a_page_and_pictures_are_written_and_named(tmp_path: Path, capsys: Captured) -> None:
    html, picture = tmp_path / "report.html", tmp_path / "map.svg"
    assert memory(CONV, "--html", html, "--svg", picture, "--target", "xtensa") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [str(html), str(picture)]
    report = refinfer.simulate(CONV, "xtensa")
    assert picture.read_text(encoding="utf-8") == svg(picture_of(report))
    assert embedded(html.read_text(encoding="utf-8"))["arena"] == report.to_dict()["arena"]


def test_with_a_board_the_picture_is_of_the_worst_build_that_it_may_have(tmp_path: Path, capsys: Captured) -> None:
    assert memory(CONV, "--html", tmp_path / "a.html", "--board", "nano33ble", "--json") == 0
    verdict = refinfer.fit(CONV, "nano33ble")
    assert json.loads(capsys.readouterr().out)["target"]["name"] == verdict.target


def test_nothing_is_overwritten_unless_that_is_said(tmp_path: Path, capsys: Captured) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    assert memory(CONV, "--svg", tmp_path / "new.svg", "--html", mine) == 2
    assert capsys.readouterr().err == f"refinfer: {mine}: exists; --force overwrites it\n"
    assert mine.read_text() == "mine"
    assert not (tmp_path / "new.svg").exists()
    assert memory(CONV, "--html", mine, "--force") == 0
    assert mine.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_of_a_model_that_tflm_refuses_there_is_no_page(tmp_path: Path, capsys: Captured) -> None:
    assert memory(MODELS / "digits_conv_dynamic.tflite", "--html", tmp_path / "no.html") == 1
    assert "does not run on TFLM" in capsys.readouterr().out
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    "wrong",
    [["--csv", "steps"], ["--together"], [MOBILE], ["--arena-in", "sram=192K"]],
    ids=lambda wrong: str(wrong[0])[:9],
)
def test_a_picture_is_of_one_model_and_nothing_else(wrong: list[object], tmp_path: Path, capsys: Captured) -> None:
    assert memory(CONV, *wrong, "--svg", tmp_path / "no.svg") == 2
    assert not (tmp_path / "no.svg").exists()


def test_a_board_is_asked_about_on_a_page_alone(capsys: Captured) -> None:
    assert memory(CONV, "--board", "nano33ble") == 2


def test_the_limit_holds_for_pages_too(tmp_path: Path, capsys: Captured) -> None:
    assert memory(CONV, "--html", tmp_path / "a.html", "--fail-above", "1K") == 1


# PNG


def test_a_png_is_the_picture_in_pixels() -> None:
    pytest.importorskip("resvg_py", reason="resvg-py makes PNGs; it is not installed")
    pillow = pytest.importorskip("PIL.Image", reason="Pillow reads them; it is not installed")
    from io import BytesIO

    picture = picture_of(refinfer.simulate(CONV))
    with pillow.open(BytesIO(png(picture))) as image:
        width, height = (int(number) for number in re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg(picture))[0])
        assert image.size == (3 * width, 3 * height)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_without_the_package_a_png_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(UsageError, match=r"pip install 'refinfer\[png\]'"):
        png(picture_of(refinfer.simulate(CONV)))
