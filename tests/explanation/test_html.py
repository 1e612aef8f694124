"""The same explanation as HTML: whole, by itself, and with nothing of the model taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from refinfer.explanation import explain as module
from refinfer.explanation.explain import Explanation, explain
from refinfer.explanation.steps import Step

MODELS = Path(__file__).resolve().parents[2] / "models"
DENSE = MODELS / "digits_dense_int8.tflite"


class Reader(HTMLParser):
    """Tags that were opened and not closed, attributes that lead elsewhere, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def parted() -> Explanation:
    return explain(DENSE, 2, (0, 6), seed=6)


def test_a_page_is_whole_and_leads_nowhere(parted: Explanation) -> None:
    page = parted.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert read(page).links == []
    assert "http" not in page
    assert "url(" not in page


def test_jupyter_shows_what_the_page_shows(parted: Explanation) -> None:
    assert parted._repr_html_() in parted.to_html()


def test_every_step_is_there(parted: Explanation) -> None:
    text = read(parted.to_html()).text
    for account in parted.accounts:
        for step in account.steps:
            assert step.formula in text
            assert step.note in text
            assert all(line in text for line in step.lines)


def test_the_first_step_that_differs_is_marked_and_no_other(parted: Explanation) -> None:
    page = parted.to_html()
    assert page.count("here they part") == 1
    assert page.count('class="part') == sum(not row.equal for row in parted.rows)


def test_text_is_not_taken_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile(topic: object, site: object) -> tuple[tuple[Step, ...], int]:
        return (Step("<script>", "1 < 2", 1, "<b>&", ("</pre><i>",)),), 1

    monkeypatch.setattr(module, "taught", hostile)
    page = explain(DENSE, 2).to_html()
    assert "<script" not in page
    assert "INTERNAL ERROR" in page
    assert "1 < 2" in read(page).text


def test_what_is_not_explained_is_shown_with_what_it_was_given() -> None:
    text = read(explain(MODELS / "digits_dense_dynamic.tflite", 1).to_html()).text
    assert "there is no explanation" in text
    assert "input 1 " in text
    assert "tflm: operator 1" in text
