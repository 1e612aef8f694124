"""What `refinfer fit` prints of many models: a table, and what is wrong with those that cannot be judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from refinfer.fitting.boards import Board
from refinfer.fitting.scan import UNREADABLE, FileVerdict
from refinfer.fitting.verdict import DOES_NOT_FIT, FITS, REFUSED, UNKNOWN
from refinfer.terminal.fit import COLOURS, MARKS
from refinfer.terminal.text import (
    BOLD,
    MIDDLE,
    RED,
    Column,
    Screen,
    painted,
    percent,
    plural,
    printable,
    table,
    wrapped,
)

FROM_WORST = (UNREADABLE, REFUSED, DOES_NOT_FIT, UNKNOWN, FITS)


def scan_to_dict(found: Iterable[FileVerdict], schema: int) -> dict[str, Any]:
    """All of it as JSON-ready values; docs/json.md documents the fields."""
    files = list(found)
    return {
        "schema": schema,
        "verdicts": [each.verdict for each in files if each.verdict is not None],
        "errors": [{"model": each.path, "error": each.error} for each in files if each.verdict is None],
    }


def scan_lines(found: Sequence[FileVerdict], board: Board, screen: Screen) -> Iterator[str]:
    """A line for each file, then those that TFLM refuses, those that are no models, and why."""
    fitting = sum(each.fits for each in found)
    title = f"{fitting} of {plural(len(found), 'model')} fit {printable(board.name)}"
    yield from painted(title, screen, BOLD)
    yield ""
    names = short_names([each.path for each in found])
    rows = [
        (
            (MARKS | {UNREADABLE: "!"})[each.outcome],
            printable(name),
            count(each.number("arena_size")),
            share(each, "ram"),
            count(each.number("ram", "margin")),
            count(each.number("flash", "needed")),
            share(each, "flash"),
            "" if each.verdict is None else each.verdict["target"] or "",
        )
        for name, each in zip(names, found, strict=True)
    ]
    numbers = [Column(title, right=True) for title in ("arena", "of RAM", "left", "flash", "of flash")]
    columns = [Column("fits"), Column("model", cut=MIDDLE), *numbers, Column("target")]
    first, *lines = table(columns, rows, screen, indent="")
    yield first
    for line, each in zip(lines, found, strict=True):
        yield screen.paint(line, (COLOURS | {UNREADABLE: RED})[each.outcome])
    named = list(zip(names, found, strict=True))
    unsafe = [(name, ", ".join(each.verdict["unsafe_on"])) for name, each in named if each.verdict]
    lists = {
        "Refused:": [(name, reason(each)) for name, each in named if each.outcome == REFUSED],
        "No model:": [(name, reason(each)) for name, each in named if each.outcome == UNREADABLE],
        "With a plan that lets buffers overwrite one another, on:": [(name, where) for name, where in unsafe if where],
    }
    for title, reasons in lists.items():
        if reasons:
            yield ""
            yield title
        for name, why in reasons:
            yield from wrapped(f"{printable(name)}: {printable(why)}", screen, "    ", first="  ")


def reason(each: FileVerdict) -> str:
    """Why the file has this outcome."""
    return each.error or "" if each.verdict is None else str(each.verdict["reason"])


def short_names(paths: Sequence[str]) -> list[str]:
    """The paths without the folders that all of them share."""
    parts = [path.replace(os.altsep or os.sep, os.sep).split(os.sep) for path in paths]
    shared = 0
    while all(len(each) > shared + 1 and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    if parts[0][:shared] == [""]:  # the root is no folder to leave out
        shared = 0
    return [os.sep.join(each[shared:]) for each in parts]


def in_order(found: Iterable[FileVerdict], by: str) -> list[FileVerdict]:
    """The files sorted by one of ORDERS; those that are equal stay as they are."""
    return sorted(found, key=ORDERS[by])


def count(nbytes: int | None) -> str:
    """Bytes, if they are known."""
    return "" if nbytes is None else f"{nbytes:,}"


def share(each: FileVerdict, memory: str) -> str:
    """What part of the board's memory the model takes."""
    needed, available = each.number(memory, "needed"), each.number(memory, "available")
    return "" if needed is None or available is None else percent(needed, available)


def _by_number(sign: int, *keys: str) -> Callable[[FileVerdict], tuple[bool, int]]:
    """The smallest first, or with a sign of -1 the largest; last those that have no such number."""
    return lambda each: ((number := each.number(*keys)) is None, sign * (number or 0))


ORDERS: dict[str, Callable[[FileVerdict], Any]] = {
    "path": lambda each: 0,  # as they were found
    "outcome": lambda each: FROM_WORST.index(each.outcome),
    "arena": _by_number(-1, "arena_size"),
    "flash": _by_number(-1, "flash", "needed"),
    "margin": _by_number(1, "ram", "margin"),
}
"""By what a scan can be sorted: what is in doubt first. The path is the order in which files were named and found."""
