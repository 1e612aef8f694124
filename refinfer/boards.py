"""The boards that `refinfer fit` knows: their memory, who says so, and what firmware leaves of it.

The table is boards.json beside this file; docs/boards.md tells where it comes from. It is read when it is first asked
for. All sizes are bytes, and None is "nobody we know of says".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from refinfer.schema.errors import UsageError

TABLE = Path(__file__).with_name("boards.json")

RAM, RAM_BLOCK, FLASH, PSRAM = "ram", "ram_block", "flash", "psram"
"""The figures of a board. The arena is one array, so RAM_BLOCK, the largest block at consecutive addresses, decides."""


class Source(NamedTuple):
    """Where figures were read, and when."""

    id: str
    name: str
    url: str
    read: str


class Statement(NamedTuple):
    """What one place of a source says about a figure."""

    figure: str
    nbytes: int
    source: Source
    place: str


class Region(NamedTuple):
    """A stretch of memory that a linker script names."""

    name: str
    origin: int
    nbytes: int
    source: Source
    place: str


class Firmware(NamedTuple):
    """What a firmware leaves for the arena in one block, and how far that can be trusted.

    `bound` is "at most" (the firmware's own data still comes out of it), "at least" (the link fails otherwise) or
    "seen" (on a device). Where `model_in_ram`, the model's bytes come out of it too.
    """

    id: str
    name: str
    nbytes: int
    bound: str
    model_in_ram: bool
    source: Source
    place: str
    note: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board. `target` names the build of TFLM that runs on it; where none does, `no_tflm` says why."""

    id: str
    name: str
    ram_block: int | None
    flash: int | None
    target: str | None
    ram: int | None = None
    psram: int | None = None
    vendor: str = ""
    mcu: str = ""
    core: str = ""
    note: str = ""
    no_tflm: str = ""
    statements: tuple[Statement, ...] = ()
    regions: tuple[Region, ...] = ()
    firmware: tuple[Firmware, ...] = ()

    def figure(self, name: str) -> int | None:
        """One of RAM, RAM_BLOCK, FLASH, PSRAM."""
        value: int | None = getattr(self, name)
        return value

    def sources(self, figure: str) -> tuple[Statement, ...]:
        """Who says what we take for `figure`."""
        value = self.figure(figure)
        return tuple(each for each in self.statements if each.figure == figure and each.nbytes == value)

    def disagreements(self, figure: str) -> tuple[Statement, ...]:
        """Who says something else."""
        value = self.figure(figure)
        return tuple(each for each in self.statements if each.figure == figure and each.nbytes != value)

    def find_firmware(self, name: str) -> Firmware | None:
        """The profile of that id; None for "bare"; UsageError, which tells the profiles, if there is none."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The board as JSON-ready values (docs/boards.md)."""
        raise NotImplementedError


@cache
def all_boards() -> tuple[Board, ...]:
    """The whole table, in its order."""
    raise NotImplementedError


def find_board(name: str) -> Board:
    """The board of that id; raises UsageError, with the nearest ids, if there is none."""
    raise NotImplementedError


def board_from_toml(path: str | Path) -> Board:
    """A board of the user's own; docs/boards.md shows the file. Raises UsageError where it makes no sense."""
    raise NotImplementedError


def board_from_sizes(ram: int | None, flash: int | None, target: str) -> Board:
    """A board of which only sizes are known, `ram` being its largest block (`--ram 256K --flash 1M`)."""
    raise NotImplementedError


def parse_size(text: str) -> int:
    """Bytes from "262144", "256K", "256KB", "256KiB" or "1M"; K is 1024. Raises UsageError otherwise."""
    raise NotImplementedError


def _board(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Board:
    raise NotImplementedError
