"""A verdict as an article: whether the model fits the board, what its builds take, and the map of the arena."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.fitting.verdict import Verdict
from refinfer.page.article import Article, section
from refinfer.page.html import NUMBER, Column, Row, answer_for_board, escaped, some, table
from refinfer.page.plans import still
from refinfer.terminal.names import model_name


def article_of(verdict: Verdict) -> Article:
    """The whole of it."""
    title = f"{model_name(verdict.graph)} on {verdict.board.name}"
    return Article(title, verdict.target or "", _sections(verdict), verdict.to_dict())


def _sections(verdict: Verdict) -> Iterator[str]:
    yield f'<section class="verdict {verdict.outcome.replace(" ", "-")}">'
    yield from answer_for_board(verdict)
    yield "</section>"
    if verdict.others:
        note = "The verdict is for the worst; a target names yours."
        yield from section("The builds of TFLM for this board", [_builds(verdict)], note)
    if verdict.report is not None:
        size = verdict.report.arena.minimum
        yield from section("The arena", [still(verdict.report, f"the arena of {size:,} bytes, as a map")])


def _builds(verdict: Verdict) -> str:
    rows = (
        Row((escaped(each.target or ""), some(each.arena_size or 0), escaped(each.outcome)))
        for each in (verdict, *verdict.others)
    )
    return table([Column("build"), Column("arena", NUMBER), Column("")], rows)
