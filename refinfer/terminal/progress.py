"""A line on the standard error that tells how far long work has come. Only people at a terminal see it."""

from __future__ import annotations

import os
from time import monotonic
from types import TracebackType
from typing import TextIO

from refinfer.terminal.text import bar, screen_of

PATIENCE = 0.5  # seconds before anything is shown
PAUSE = 0.1  # seconds between two changes
BAR = 20
LONGEST = 60  # columns of the line


class Progress:
    """Counts steps of some total; the line is gone when the work is done."""

    def __init__(self, stream: TextIO, total: int) -> None:
        """Nothing is shown unless `stream` is a terminal."""
        self._stream = stream
        self._total = total
        self._done = 0
        self._shown = ""
        self._next = monotonic() + PATIENCE if stream.isatty() else float("inf")

    def __enter__(self) -> Progress:
        return self

    def step(self, what: str) -> None:
        """One more is done: `what`."""
        self._done += 1
        now = monotonic()
        if now >= self._next:
            self._next = now + PAUSE
            drawn = bar(self._done, self._total, BAR, screen_of(self._stream, os.environ))
            self._show(f"{drawn}  {self._done:,} of {self._total:,}  {what}"[:LONGEST])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._show("")

    def _show(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(len(self._shown))}\r{text}")
        self._stream.flush()
        self._shown = text
