"""An article: sections under a heading, without a script. As a page by itself, or as a part of a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from refinfer import __version__
from refinfer.page.html import PAGE_DARK, PAGE_LIGHT, escaped, filled, island, joined, variables
from refinfer.page.svg import DARK, LIGHT

BESIDE = Path(__file__).parent


class Article(NamedTuple):
    """What is shown; `report` is the same as JSON-ready values."""

    title: str
    subtitle: str
    sections: Iterable[str]
    report: Any

    def page(self) -> str:
        """By itself, with the report as JSON for programs that read it."""
        return self._filled("article.html", {"report": island(self.report)})

    def fragment(self) -> str:
        """For Jupyter: in the notebook's own page, whose style it leaves alone; light or dark as that is."""
        return self._filled("fragment.html", {})

    def _filled(self, template: str, more: dict[str, str]) -> str:
        values = {
            "version": escaped(__version__),
            "title": escaped(self.title),
            "subtitle": escaped(self.subtitle),
            "light": variables(LIGHT | PAGE_LIGHT),
            "dark": variables(DARK | PAGE_DARK),
            "style": _text("template.css") + _text("article.css"),
            "sections": joined(self.sections),
        }
        return filled(_text(template), values | more)


def section(heading: str, parts: Iterable[str], note: str = "") -> Iterator[str]:
    """A part of the article."""
    yield f"<section>\n<h2>{escaped(heading)}</h2>"
    if note:
        yield f'<p class="soft">{escaped(note)}</p>'
    yield from parts
    yield "</section>"


def answer(words: str, outcome: str, more: Iterable[str]) -> Iterator[str]:
    """The first part, which answers."""
    yield f'<section class="verdict {outcome}">\n<p class="answer">{escaped(words)}</p>'
    yield from (f"<p>{escaped(each)}</p>" for each in more)
    yield "</section>"


def _text(name: str) -> str:
    return (BESIDE / name).read_text(encoding="utf-8")
