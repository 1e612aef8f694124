"""A page of sections under a heading: what pages without a script have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from refinfer import __version__
from refinfer.page.html import PAGE_DARK, PAGE_LIGHT, escaped, filled, island, joined, variables
from refinfer.page.svg import DARK, LIGHT

BESIDE = Path(__file__).parent


def article(title: str, subtitle: str, sections: Iterable[str], report: Any) -> str:
    """The page; `report` is what it shows, as JSON for programs that read it."""
    return filled(
        _text("article.html"),
        {
            "version": escaped(__version__),
            "title": escaped(title),
            "subtitle": escaped(subtitle),
            "light": variables(LIGHT | PAGE_LIGHT),
            "dark": variables(DARK | PAGE_DARK),
            "style": _text("template.css") + _text("article.css"),
            "sections": joined(sections),
            "report": island(report),
        },
    )


def section(heading: str, parts: Iterable[str], note: str = "") -> Iterator[str]:
    """A part of the page."""
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
