"""The boards that `refinfer fit` knows: their memory, who says so, and what firmware leaves of it.

The table is boards.json beside this file; docs/boards.md tells where it comes from. It is read when it is first asked
for. All sizes are bytes, and None is "nobody we know of says".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from refinfer.schema.errors import UsageError
from refinfer.toml_file import read_toml

TABLE = os.path.join(os.path.dirname(__file__), "boards.json")

RAM, RAM_BLOCK, FLASH, PSRAM = "ram", "ram_block", "flash", "psram"
"""The figures of a board. The arena is one array, so RAM_BLOCK, the largest block at consecutive addresses, decides."""

AT_MOST, AT_LEAST = "at most", "at least"

TARGET = "target"
"""The key of a board's file under which its target stands, or several."""

BARE = "bare"
"""The profile of no firmware at all: the whole block."""

FIRMWARE = {  # the name of a profile, and whether the firmware has the model's bytes in RAM beside the arena
    "arduino": ("the Arduino core", False),
    "zephyr": ("Zephyr", False),
    "esp-idf": ("ESP-IDF", False),
    "esp-idf-wifi": ("ESP-IDF with Wi-Fi", False),
    "micropython-flash": ("MicroPython, the model in flash", False),
    "micropython-heap": ("MicroPython, the model in its heap", True),
}


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
    """A stretch of memory that a linker script or a device tree names."""

    name: str
    origin: int
    nbytes: int
    source: Source
    place: str


class Firmware(NamedTuple):
    """What a firmware leaves for the arena, and how far that can be trusted.

    `bound` is AT_MOST (its own data still comes out of it) or AT_LEAST (it links only if so much is left, or so much
    was seen free on a device). Where `model_in_ram`, the model's bytes have to fit in beside the arena.
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
    """A board. `targets` names the builds of TFLM that people make for it, the reference kernels first.

    Where TFLM does not run, `no_tflm` says why.

    `judged` are the figures that a verdict looks at: of a board of the table both, of one's own those that were given.
    """

    id: str
    name: str
    targets: tuple[str, ...]
    ram_block: int | None
    flash: int | None
    ram: int | None = None
    psram: int | None = None
    vendor: str = ""
    mcu: str = ""
    core: str = ""
    note: str = ""
    no_tflm: str = ""
    judged: tuple[str, ...] = (RAM_BLOCK, FLASH)
    statements: tuple[Statement, ...] = ()
    regions: tuple[Region, ...] = ()
    firmware: tuple[Firmware, ...] = ()

    def figure(self, name: str) -> int | None:
        """One of RAM, RAM_BLOCK, FLASH, PSRAM."""
        return {RAM: self.ram, RAM_BLOCK: self.ram_block, FLASH: self.flash, PSRAM: self.psram}[name]

    def sources(self, figure: str) -> tuple[Statement, ...]:
        """Who says what is taken for `figure`."""
        taken = self.figure(figure)
        return tuple(each for each in self.statements if each.figure == figure and each.nbytes == taken)

    def disagreements(self, figure: str) -> tuple[Statement, ...]:
        """Who says something else."""
        taken = self.figure(figure)
        return tuple(each for each in self.statements if each.figure == figure and each.nbytes != taken)

    def blocks(self) -> tuple[tuple[str, int], ...]:
        """The regions as blocks that do not overlap, each by its name and size.

        Of regions that lie within each other the largest counts. Those that touch are one block if the largest block
        that is known of the board is larger than any of them; elsewhere nobody says that an array may lie across.
        """
        found: list[tuple[str, int, int]] = []
        largest = max((region.nbytes for region in self.regions), default=0)
        for region in sorted(self.regions, key=lambda region: (region.origin, -region.nbytes)):
            end = region.origin + region.nbytes
            name, start, last = found[-1] if found else ("", 0, -1)
            if region.origin == last and (self.ram_block or 0) > largest:
                found[-1] = (f"{name} + {region.name}", start, end)
            elif end > last:
                found.append((region.name, region.origin, end))
        return tuple((name, end - start) for name, start, end in found)

    def find_firmware(self, name: str) -> Firmware | None:
        """The profile of that id, None for BARE; raises UsageError, which tells the profiles, if there is none."""
        if name == BARE:
            return None
        for profile in self.firmware:
            if profile.id == name:
                return profile
        known = ", ".join([BARE, *(profile.id for profile in self.firmware)])
        raise UsageError(f"nothing is known of firmware {name!r} on {self.name}; there is {known}")

    def to_dict(self) -> dict[str, Any]:
        """The board as JSON-ready dicts and lists; docs/boards.md documents the fields."""
        return {
            "id": self.id,
            "name": self.name,
            "vendor": self.vendor,
            "mcu": self.mcu,
            "core": self.core,
            "targets": list(self.targets),
            "no_tflm": self.no_tflm or None,
            "note": self.note,
            "figures": {name: self._figure_to_dict(name) for name in (RAM, RAM_BLOCK, FLASH, PSRAM)},
            "regions": [region_to_dict(region) for region in self.regions],
            "firmware": [firmware_to_dict(profile) for profile in self.firmware],
        }

    def _figure_to_dict(self, name: str) -> dict[str, Any]:
        return {
            "bytes": self.figure(name),
            "sources": [_statement_to_dict(each) for each in self.sources(name)],
            "disagreements": [_statement_to_dict(each) for each in self.disagreements(name)],
        }


@cache
def all_boards() -> tuple[Board, ...]:
    """The whole table, in its order."""
    with open(TABLE, encoding="utf-8") as file:
        table = json.load(file)
    sources = {key: Source(key, *source) for key, source in table["sources"].items()}
    return tuple(_board(row, sources) for row in table["boards"])


def find_board(name: str) -> Board:
    """The board of that id, however it is hyphenated; raises UsageError, with the nearest ids, if there is none."""
    boards = {board.id: board for board in all_boards()}
    wanted = name.lower().replace("-", "_")
    for candidate in (wanted, wanted.replace("_", "")):
        if candidate in boards:
            return boards[candidate]
    raise UsageError(f"unknown board {name!r}{_hint(wanted, boards)}; `refinfer boards` lists them all")


def board_from_toml(path: str | os.PathLike[str]) -> Board:
    """A board of the user's own; docs/boards.md shows the file. Raises UsageError where it makes no sense."""
    place, stem, fields = read_toml(path)
    return _own_board({"id": stem, "name": stem, **fields}, place)


def board_from_sizes(ram: int | None, flash: int | None, targets: tuple[str, ...]) -> Board:
    """A board of which only sizes are known, `ram` being its largest block (`--ram 256K --flash 1M`)."""
    known = {RAM_BLOCK: ram, FLASH: flash}
    judged = tuple(figure for figure, nbytes in known.items() if nbytes is not None)
    if not judged:
        raise UsageError("a board without a board's name needs its RAM, its flash or both, such as --ram 256K")
    sizes = [f"{nbytes:,} bytes of {word}" for nbytes, word in ((ram, "RAM"), (flash, "flash")) if nbytes is not None]
    return Board("custom", f"a board with {' and '.join(sizes)}", targets, ram, flash, judged=judged)


def parse_size(text: str) -> int:
    """Bytes from "262144", "256K", "256KB", "256KiB" or "1.5M"; K is 1024. Raises UsageError otherwise."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?(?:([KMG])i?)?B?", text.strip(), re.I | re.A)
    if match is None:
        raise UsageError(f"{text!r} is not a size; write 262144, 256K, 256KiB or 1.5M (K is 1024)")
    number, unit = match.groups(default="")
    return round(float(number) * _UNITS[unit.upper()])


def region_to_dict(region: Region) -> dict[str, Any]:
    """A region as JSON-ready values."""
    return {
        "name": region.name,
        "origin": region.origin,
        "bytes": region.nbytes,
        "source": region.source.name,
        "place": region.place,
    }


def firmware_to_dict(profile: Firmware) -> dict[str, Any]:
    """A profile as JSON-ready values."""
    return {
        "id": profile.id,
        "name": profile.name,
        "bytes": profile.nbytes,
        "bound": profile.bound,
        "model_in_ram": profile.model_in_ram,
        "source": profile.source.name,
        "place": profile.place,
        "note": profile.note,
    }


def _board(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Board:
    """A board of the table, whose rows are named as the fields of Board."""
    lists = {
        "targets": tuple(row["targets"]),
        "statements": tuple(
            Statement(figure, nbytes, sources[source], place) for figure, nbytes, source, place in row["statements"]
        ),
        "regions": tuple(
            Region(name, int(origin, 16), nbytes, sources[source], place)
            for name, origin, nbytes, source, place in row["regions"]
        ),
        "firmware": tuple(
            Firmware(kind, FIRMWARE[kind][0], nbytes, bound, FIRMWARE[kind][1], sources[source], place, note)
            for kind, nbytes, bound, source, place, note in row["firmware"]
        ),
    }
    return Board(**{**row, **lists})


def _own_board(fields: Mapping[str, Any], place: str) -> Board:
    """A board from a TOML file's fields."""
    texts = ("id", "name", "vendor", "mcu", "core", "note")
    sizes = (RAM, RAM_BLOCK, FLASH, PSRAM)
    _check_keys(fields, (*texts, TARGET, *sizes, "firmware"), place)
    values: dict[str, Any] = {key: _text(fields, key, place) for key in texts if key in fields}
    known = {key: _size(fields, key, place) for key in sizes if key in fields}
    judged = tuple(figure for figure in (RAM_BLOCK, FLASH) if figure in known)
    if TARGET not in fields or not judged:
        raise UsageError(f"{place}: a board needs its target, and its {RAM_BLOCK}, its {FLASH} or both")
    firmware = fields.get("firmware", {})
    _check_type(firmware, dict, "firmware", place)
    return Board(
        **{RAM_BLOCK: None, FLASH: None, **values, **known},
        targets=_own_targets(fields, place),
        judged=judged,
        firmware=tuple(_own_firmware(key, value, f"{place}: firmware.{key}") for key, value in firmware.items()),
    )


def _own_targets(fields: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """One target, or a list of those that are plausible."""
    value = fields[TARGET]
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{place}: {TARGET} is {value!r}, not a target's name or a list of them")
    return tuple(names)


def _own_firmware(name: str, fields: Mapping[str, Any], place: str) -> Firmware:
    _check_type(fields, dict, "the profile", place)
    _check_keys(fields, ("leaves", "model_in_ram", "note"), place)
    if "leaves" not in fields:
        raise UsageError(f'{place}: a profile needs what the firmware leaves, such as leaves = "120K"')
    in_ram = fields.get("model_in_ram", False)
    _check_type(in_ram, bool, "model_in_ram", place)
    note = _text(fields, "note", place) if "note" in fields else ""
    source = Source("own", place, "", "")
    return Firmware(name, name, _size(fields, "leaves", place), AT_MOST, in_ram, source, "", note)


def _check_keys(fields: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in fields:
        if key not in known:
            raise UsageError(f"{place}: unknown key {key!r}{_hint(key, known)}; the keys are {', '.join(known)}")


def _check_type(value: object, wanted: type, what: str, place: str) -> None:
    if not isinstance(value, wanted):
        raise UsageError(f"{place}: {what} is {value!r}, not a {_TOML_TYPES[wanted]}")


def _text(fields: Mapping[str, Any], key: str, place: str) -> str:
    _check_type(fields[key], str, key, place)
    return str(fields[key])


def _size(fields: Mapping[str, Any], key: str, place: str) -> int:
    """A size, written as a number of bytes or as parse_size takes it."""
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(f'{place}: {key} is {value!r}, not a size such as 262144 or "256K"')
    try:
        return parse_size(str(value))
    except UsageError as error:
        raise UsageError(f"{place}: {key}: {error}") from None


def _hint(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, as the end of a message."""
    from difflib import get_close_matches  # only a typing error pays for it

    near = get_close_matches(name, known, cutoff=0.5)
    return f": did you mean {', '.join(near)}?" if near else ""


def _statement_to_dict(statement: Statement) -> dict[str, Any]:
    source = statement.source
    return {"bytes": statement.nbytes, "source": source.name, "place": statement.place, "read": source.read}


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_TOML_TYPES = {str: "text", dict: "table", bool: "truth value"}
