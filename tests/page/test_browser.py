"""The page in a real browser: it loads without errors, shows the report's numbers, and answers mouse and keys.

A Chromium of this machine is driven by Playwright; CHROMIUM may name one that is not on the PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import refinfer
from refinfer.fitting.verdict import smallest_boards
from refinfer.page.html import page as page_of
from tests.page.pictures import CONV, MOBILE, STREAM, Box, largest_real_model, misplaced
from tests.page.test_html import hostile_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """A function that opens a page; whatever it complains about, and whatever it asks for, fails the test."""
    complaints: list[str] = []
    asked: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))

    def open_page(text: str) -> Page:
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        tab.goto(path.as_uri())
        return tab

    yield open_page
    tab.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def report_in(tab: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tab.locator("#report").text_content() or "")
    return found


def drawn(tab: Page) -> tuple[dict[int, Box], Box]:
    """The rectangles of buffers and the panel that they are in, as the browser has laid them out."""
    box = "(e) => { const b = e.getBBox(); return [b.x, b.y, b.width, b.height]; }"
    found = tab.locator(".block[data-buffer]").evaluate_all(f"all => all.map(e => [+e.dataset.buffer, ({box})(e)])")
    rooms = tab.locator(".picture .room").evaluate_all(f"all => all.map({box})")
    return {number: Box(*values) for number, values in found}, Box(*rooms[1])


def details(tab: Page) -> str:
    return tab.locator("#details").inner_text()


def test_rectangles_are_where_the_json_says(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    assert list(misplaced(*drawn(tab), report_in(tab))) == []


@pytest.mark.skipif(largest_real_model() is None, reason="REFINFER_CORPUS names no folder with the model")
def test_a_model_of_255_operators_works(opened: Any) -> None:
    path = largest_real_model()
    assert path is not None
    tab = opened(page_of(refinfer.simulate(path)))
    assert len(report_in(tab)["buffers"]) == 255
    assert list(misplaced(*drawn(tab), report_in(tab))) == []
    tab.fill("#search", "concatenation")
    assert tab.locator("#found").inner_text() == "17 of 255 buffers"


def test_pointing_at_a_rectangle_tells_what_it_is(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    before = details(tab)
    tab.locator('.block[data-buffer="3"]').hover()
    buffer = report_in(tab)["buffers"][3]
    assert f"{buffer['bytes']:,}" in details(tab)
    assert f"{buffer['offset']:,} to {buffer['offset'] + buffer['planned_bytes'] - 1:,}" in details(tab)
    assert "2 CONV_2D" in details(tab)
    tab.locator("h1").hover()
    assert details(tab) == before


def test_a_click_chooses_a_rectangle_and_its_row_and_escape_lets_go(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    tab.locator('.block[data-buffer="3"]').click()
    assert tab.locator("tr.chosen").get_attribute("data-buffer") == "3"
    tab.locator("h1").hover()
    assert "2 CONV_2D" in details(tab)
    tab.keyboard.press("Escape")
    assert tab.locator(".chosen").count() == 0
    tab.locator('tr[data-buffer="5"]').click()
    assert tab.locator(".block.chosen").get_attribute("data-buffer") == "5"


def test_arrow_keys_move_between_rectangles(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    tab.locator('.block[data-buffer="0"]').focus()
    places = {}
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"):
        before, after = move(tab, key)
        places[key] = (after[0] - before[0], after[1] - before[1])
    assert places["ArrowRight"][0] > 0 > places["ArrowLeft"][0]
    assert places["ArrowDown"][1] > 0 > places["ArrowUp"][1]


MIDDLE = "() => { const b = document.activeElement.getBBox(); return [b.x + b.width / 2, b.y + b.height / 2]; }"


def move(tab: Page, key: str) -> tuple[list[float], list[float]]:
    """Where the focus is before and after a key."""
    before = tab.evaluate(MIDDLE)
    tab.keyboard.press(key)
    return before, tab.evaluate(MIDDLE)


@pytest.mark.parametrize("path", [CONV, MOBILE, STREAM], ids=lambda path: path.stem)
def test_every_buffer_is_reached_by_arrow_keys(path: Path, opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(path, "cortex-m55+cmsis-nn")))
    reached = tab.evaluate("""() => {
        const seen = new Set([blocks[0]]), open = [blocks[0]];
        while (open.length) for (const d of Object.values(DIRECTIONS)) {
            const next = nearest(open[0], d);
            if (next && !seen.has(next)) { seen.add(next); open.push(next); }
            if (d === DIRECTIONS.ArrowDown) open.shift();
        }
        return [...seen].filter((b) => b.dataset.kind === "buffer").length;
    }""")
    assert reached == len(report_in(tab)["buffers"])


def test_a_search_leaves_what_it_finds(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    tab.keyboard.press("/")
    tab.keyboard.type("depthwise1")
    names = [buffer["what"] for buffer in report_in(tab)["buffers"]]
    found = sum("depthwise1" in name.lower() for name in names)
    assert 0 < found < len(names)
    assert tab.locator("#found").inner_text() == f"{found} of {len(names)} buffers"
    assert tab.locator(".block.match[data-buffer]").count() == found
    assert tab.locator("tr[data-buffer]:visible").count() == found
    tab.keyboard.press("Escape")
    assert tab.locator("tr[data-buffer]:visible").count() == len(names)


def test_colours_follow_the_system_and_the_switch(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    ground = "() => getComputedStyle(document.querySelector('section')).backgroundColor"
    tab.emulate_media(color_scheme="light")
    light = tab.evaluate(ground)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(ground)
    assert light != dark
    tab.locator("#theme").click()
    assert (tab.locator("#theme").inner_text(), tab.evaluate(ground)) == ("Theme: light", light)
    tab.emulate_media(color_scheme="light")
    tab.locator("#theme").click()
    assert (tab.locator("#theme").inner_text(), tab.evaluate(ground)) == ("Theme: dark", dark)


def test_on_paper_it_is_light_and_without_buttons(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("#search").is_visible()
    assert not tab.locator("#theme").is_visible()
    assert tab.locator(".picture svg").is_visible()


def test_zoom_makes_the_picture_larger_and_fits_it_again(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    width = "() => document.querySelector('.picture svg').getBoundingClientRect().width"
    before = tab.evaluate(width)
    tab.locator("#larger").click()
    assert round(tab.evaluate(width) / before, 2) == 1.5
    tab.locator("#fit").click()
    assert tab.evaluate(width) == before


def test_the_other_pages_load_without_complaint_and_scroll_within_themselves(opened: Any) -> None:
    dense, real = (MOBILE.with_name(f"digits_dense_{form}.tflite") for form in ("int8", "float"))
    held_out = np.load(MOBILE.with_name("digits_held_out.npz"))
    pages = (
        refinfer.evaluate(real, held_out["images"], held_out["labels"], std=16, against=dense).to_html(),
        refinfer.diff(dense, seeds=1, official=False).to_html(),
        refinfer.diff_models(real, dense, seeds=1).to_html(),
        refinfer.explain(dense, 2, (0, 6), seed=6).to_html(),
    )
    for text in pages:
        tab = opened(text)
        tab.set_viewport_size({"width": 400, "height": 800})
        assert tab.locator("section, .refinfer-explain").count() > 0
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= 400


MINE = "<h2 id='mine'>mine</h2><table><tr><td id='cell'>1</td></tr></table>"
STYLES = """() => ["mine", "cell"].map(id => {
    const style = getComputedStyle(document.getElementById(id));
    return [...style].filter(name => !name.startsWith("--")).map(name => style.getPropertyValue(name)).join();
})"""
GROUND = "() => getComputedStyle(document.querySelector('.refinfer-article section')).backgroundColor"


def test_in_a_notebook_a_result_is_light_or_dark_as_that_is_and_leaves_the_rest_alone(opened: Any) -> None:
    fragment = refinfer.fit(refinfer.read_model(MOBILE), "nano33ble")._repr_html_()
    alone = opened(f"<!DOCTYPE html><title>a notebook</title><body>{MINE}").evaluate(STYLES)
    grounds = []
    for light in ("true", "false"):
        tab = opened(f"<!DOCTYPE html><title>a notebook</title><body data-jp-theme-light='{light}'>{MINE}{fragment}")
        tab.set_viewport_size({"width": 1280, "height": 1000})
        assert tab.evaluate(STYLES) == alone
        grounds.append(sum(map(int, re.findall(r"\d+", tab.evaluate(GROUND)))))
        tab.set_viewport_size({"width": 400, "height": 800})
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= 400
    assert grounds[0] > 3 * 200
    assert grounds[1] < 3 * 60


def test_the_report_can_be_saved(opened: Any) -> None:
    tab = opened(page_of(refinfer.simulate(MOBILE)))
    with tab.expect_download() as saved:
        tab.locator("#save").click()
    assert saved.value.suggested_filename == "digits_mobile_int8.tflite.json"
    assert json.loads(Path(saved.value.path()).read_text()) == report_in(tab)


def test_names_in_the_file_run_nothing_and_are_shown_as_they_are(opened: Any) -> None:
    report = hostile_report()
    tab = opened(page_of(report))
    assert tab.title() == "the model on cortex-m4"
    assert tab.locator("img").count() == 0
    names = [buffer["what"] for buffer in report_in(tab)["buffers"]]
    (number,) = [number for number, name in enumerate(names) if name.startswith("</script>")]
    tab.locator(f'.block[data-buffer="{number}"]').focus()
    assert names[number] in details(tab)


def test_in_a_narrow_window_only_the_picture_scrolls(opened: Any) -> None:
    report = refinfer.simulate(MOBILE)
    tab = opened(page_of(report, refinfer.fit(report, "nano33ble"), smallest_boards(report.graph)))
    tab.set_viewport_size({"width": 400, "height": 800})
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 400
