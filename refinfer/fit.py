"""Does a model fit a board? The verdict, with its reason and its numbers.

The arena is one static array, so it has to fit into the board's largest block of RAM, not into all of its RAM. The
flash has to hold the model's bytes. What else a program needs is not counted, and the verdict says what that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

from refinfer.boards import Board, Firmware
from refinfer.schema.graph import Graph
from refinfer.simulator import Refused, Report

SCHEMA = 1

FITS, DOES_NOT_FIT, REFUSED, UNKNOWN = "fits", "does not fit", "refused", "unknown"
"""The outcomes. REFUSED: TFLM will not run this model, or does not run on this board. UNKNOWN is not a yes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one model fits one board, and why.

    `arena_size` is the number to write down as kTensorArenaSize; `ram_needed` is the same, plus the model's bytes where
    the firmware keeps the model in RAM. None stands for a number that nobody knows, or that there is none of.
    """

    outcome: str
    reason: str
    board: Board
    target: str | None
    firmware: Firmware | None
    report: Report | None
    refusal: Refused | None
    arena_size: int | None
    ram_needed: int | None
    ram_available: int | None
    flash_needed: int | None
    flash_available: int | None
    not_counted: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the answer is a plain yes."""
        return self.outcome == FITS

    @property
    def ram_margin(self) -> int | None:
        """RAM that is left in the block; negative where it does not suffice."""
        return _margin(self.ram_available, self.ram_needed)

    @property
    def flash_margin(self) -> int | None:
        """Flash that is left beside the model."""
        return _margin(self.flash_available, self.flash_needed)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON-ready dicts and lists; docs/boards.md documents the fields."""
        raise NotImplementedError

    def to_json(self) -> str:
        """The verdict as JSON text."""
        raise NotImplementedError


def fit(
    model: str | PathLike[str] | bytes | Graph | Report,
    board: str | Board,
    *,
    target: str | None = None,
    firmware: str | None = None,
) -> Verdict:
    """Whether `model` fits `board`, on the board's own target unless another is named, beside `firmware`'s profile.

    Raises UsageError for a board, target or profile that does not exist; FormatError or GraphError for a bad file.
    """
    raise NotImplementedError


def fit_all(
    model: str | PathLike[str] | bytes | Graph, boards: Iterable[Board] | None = None
) -> tuple[Verdict, ...]:
    """The verdicts for all boards of the table, or for `boards`: one simulation for each build of TFLM among them."""
    raise NotImplementedError


def smallest_boards(verdicts: Iterable[Verdict], n: int = 3) -> tuple[Verdict, ...]:
    """Of the verdicts of `fit_all` the `n` that fit with the smallest block of RAM, then the smallest flash."""
    raise NotImplementedError


def _margin(available: int | None, needed: int | None) -> int | None:
    return None if available is None or needed is None else available - needed
