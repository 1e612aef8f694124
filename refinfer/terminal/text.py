"""Lines for a terminal: how wide it is and what it can show; numbers, bars and tables that suit it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO

NARROWEST, WIDEST = 64, 120  # columns that we lay out for, whatever the terminal says
WHEN_UNKNOWN = 100  # columns, where the output is not a terminal
READABLE = 100  # columns of running text
DRAWN_WITH = "█▏▎▍▌▋▊▉░·×…→–"
SHORTEST_CELL = 12  # columns that a cell of text keeps, however narrow the terminal

NO_BREAK = "\xa0"

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


class Screen(NamedTuple):
    """What the output can show."""

    width: int = WHEN_UNKNOWN
    unicode: bool = False
    colour: bool = False

    def paint(self, text: str, *styles: str) -> str:
        """`text` in colour, where there are colours."""
        return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if self.colour and text else text

    @property
    def ellipsis(self) -> str:
        """What stands for text that was left out."""
        return "…" if self.unicode else "..."

    @property
    def times(self) -> str:
        """What stands between the lengths of a shape."""
        return "×" if self.unicode else "x"


MIDDLE, END = "middle", "end"


class Column(NamedTuple):
    """A column of a table: numbers stand to the right, and text may be cut where the terminal is narrow.

    Of a name the MIDDLE goes, since tensors differ at the ends of their names; of other text the END.
    """

    title: str
    right: bool = False
    cut: str = ""


def screen_of(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """The screen behind `stream`. https://no-color.org and COLUMNS are respected."""
    dumb = environment.get("TERM") == "dumb"
    old_windows = os.name == "nt" and "WT_SESSION" not in environment
    terminal = stream.isatty()
    return Screen(
        width=min(max(_columns(stream, environment), NARROWEST), WIDEST),
        unicode=not dumb and _can_show(stream.encoding, DRAWN_WITH),
        colour=terminal and not dumb and not old_windows and not environment.get("NO_COLOR"),
    )


def _columns(stream: TextIO, environment: Mapping[str, str]) -> int:
    stated = environment.get("COLUMNS", "")
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    try:
        return os.get_terminal_size(stream.fileno()).columns or WHEN_UNKNOWN
    except (OSError, ValueError):  # not a terminal; not even a file
        return WHEN_UNKNOWN


def _can_show(encoding: str | None, text: str) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def size(nbytes: int) -> str:
    """Bytes as people say them; a KB is 1,024 bytes, as in the data sheet of every microcontroller."""
    for unit, name in ((1 << 20, "MB"), (1 << 10, "KB")):
        if abs(nbytes) >= unit:
            return f"{nbytes / unit:,.1f}".removesuffix(".0") + f" {name}"
    return plural(nbytes, "byte")


def both(nbytes: int) -> str:
    """Bytes to the byte, and as people say them."""
    return f"{nbytes:,} bytes ({size(nbytes)})" if nbytes >= 1 << 10 else size(nbytes)


def plural(count: int, thing: str) -> str:
    """``1 byte``, ``2 bytes``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def percent(part: int, whole: int) -> str:
    """A share in whole percent, rounded up: what needs one byte too many is never 100 %."""
    return f"{-(-100 * part // whole):,} %" if whole else "–"


def printable(text: str) -> str:
    """`text` from a file, with whatever could steer a terminal written out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cells(text: str) -> int:
    """How many columns `text` takes; it must be printable."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int, screen: Screen, cut: str = END) -> str:
    """`text` in at most `width` columns."""
    if cells(text) <= width:
        return text
    keep = width - cells(screen.ellipsis)
    left = keep if cut == END else keep // 3
    start, end = text[:left], text[len(text) - (keep - left) :] if keep > left else ""
    while cells(start) + cells(end) > keep:  # wide characters
        start, end = (start[:-1], end) if cut == END else (start[:-1], end[1:])
    return f"{start}{screen.ellipsis}{end}"


def bar(value: float, whole: float, width: int, screen: Screen) -> str:
    """`value` as a part of `whole`, `width` columns long; a value above 0 is always seen."""
    eighths = round(8 * width * min(max(value / whole, 0), 1)) if whole > 0 else 0
    eighths = max(eighths, 1) if value > 0 else 0
    if not screen.unicode:
        full = max(round(eighths / 8), 1) if value > 0 else 0
        return "#" * full + "." * (width - full)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return drawn + "░" * (width - len(drawn))


def wrapped(text: str, screen: Screen, indent: str = "", first: str | None = None) -> Iterator[str]:
    """`text` as lines that are comfortable to read; the first may be indented differently."""
    from re import sub
    from textwrap import wrap

    lines = wrap(
        sub(r"(?<=\d) (?=[KM]B|bytes?\b|%)", NO_BREAK, text),
        min(screen.width, READABLE),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    for line in lines:
        yield line.replace(NO_BREAK, " ").rstrip()


def painted(text: str, screen: Screen, *styles: str, indent: str = "", first: str | None = None) -> Iterator[str]:
    """The same in colour."""
    return (screen.paint(line, *styles) for line in wrapped(text, screen, indent, first))


def entries(rows: Sequence[tuple[str, str, str]], screen: Screen) -> Iterator[str]:
    """A name, a number and what it means: running text, indented as far as it starts."""
    name, number = (max((cells(row[i]) for row in rows), default=0) for i in range(2))
    for row in rows:
        first = f"  {row[0]:{name}}{GAP}{row[1]:>{number}}{GAP}"
        yield from wrapped(row[2], screen, " " * len(first), first)


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], screen: Screen, indent: str = "  ", titles: bool = True
) -> Iterator[str]:
    """Rows under their titles, every line within the screen."""
    body = [tuple(row) for row in rows]
    header = tuple(column.title for column in columns)
    measured = [header, *body] if titles else body
    widths = [max((cells(row[i]) for row in measured), default=0) for i in range(len(columns))]
    _fit(widths, columns, screen.width - len(indent))
    if titles:
        yield screen.paint(_line(header, widths, columns, screen, indent), DIM)
    for row in body:
        yield _line(row, widths, columns, screen, indent)


GAP = "  "


def _fit(widths: list[int], columns: Sequence[Column], room: int) -> None:
    """Narrow the widest of the columns that may be cut until all have room, or nothing is left to cut."""
    while (over := sum(widths) + len(GAP) * (len(widths) - 1) - room) > 0:
        can_be_cut = [i for i, column in enumerate(columns) if column.cut and widths[i] > SHORTEST_CELL]
        if not can_be_cut:
            return
        *others, widest = sorted(can_be_cut, key=widths.__getitem__)
        target = max(widths[widest] - over, widths[others[-1]] - 1 if others else 0, SHORTEST_CELL)
        widths[widest] = min(target, widths[widest] - 1)


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column], screen: Screen, indent: str) -> str:
    shown = [shorten(row[i], widths[i], screen, column.cut) for i, column in enumerate(columns)]
    spaces = [" " * (width - cells(cell)) for cell, width in zip(shown, widths, strict=True)]
    aligned = [s + c if column.right else c + s for c, s, column in zip(shown, spaces, columns, strict=True)]
    line = (indent + GAP.join(aligned)).rstrip()
    return shorten(line, screen.width, screen)
