"""What a benchmark is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.models import Model


class Settings(NamedTuple):
    """`seconds` are spent on each model where calls are timed; whole processes are started `runs` times."""

    models: Sequence[Model]
    seconds: float
    runs: int
    mcufit: str | None


class Section(NamedTuple):
    """What one benchmark found: the lines to print, and all that was measured, for JSON.

    `problems` are answers that should have been the same bits and are not.
    """

    title: str
    lines: Sequence[str]
    data: Any
    problems: Sequence[str] = ()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return "  ".join([cells[0].ljust(len(first)), *others])

    return [line(head), *map(line, rows)]
