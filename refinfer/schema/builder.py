"""The bytes of a FlatBuffer, put together from its end to its start: children come before what points to them.

A place is told by its distance from the end, which does not change while the buffer grows. Source: the internals of
FlatBuffers, https://flatbuffers.dev/internals; the layout is that of its own builders, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from refinfer.schema.flatbuffer import WIDTHS

OFFSET = 4  # bytes of an offset, of a count, and of the way from a table to its vtable
Inline = tuple[str, int | float]
"""A number in a table, after its code in `struct`."""


class Builder:
    """A FlatBuffer that grows."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []  # the last part first
        self._nbytes = 0
        self._alignment = 1
        self._vtables: dict[bytes, int] = {}

    def string(self, text: str) -> int:
        """A string; its place."""
        data = text.encode() + b"\0"
        self._align(OFFSET, len(data))
        self._put(data)
        return self._put(pack("<I", len(data) - 1))

    def vector(self, data: bytes | memoryview, count: int, alignment: int) -> int:
        """A vector of so many numbers, given as their bytes; its place. They start at a multiple of `alignment`."""
        self._align(OFFSET, len(data))
        self._align(alignment, len(data))
        self._put(data)
        return self._put(pack("<I", count))

    def offsets(self, places: Sequence[int]) -> int:
        """A vector of offsets to what lies at these places; its place."""
        self._align(OFFSET, OFFSET * len(places))
        first = self._nbytes + OFFSET * len(places)
        ways = [first - OFFSET * i - place for i, place in enumerate(places)]
        self._put(pack(f"<{len(ways)}I", *ways))
        return self._put(pack("<I", len(ways)))

    def table(self, slots: Sequence[Inline | int | None]) -> int:
        """A table with what stands in its slots: a number, the place of something else, or nothing; its place."""
        end = self._nbytes
        places = [0 if each is None else self._slot(each) for each in slots]
        while places and not places[-1]:
            places.pop()
        self._align(OFFSET, 0)
        start = self._nbytes + OFFSET
        ways = [start - place if place else 0 for place in places]
        vtable = pack(f"<{2 + len(ways)}H", 2 * (2 + len(ways)), start - end, *ways)
        known = self._vtables.get(vtable)
        self._put(pack("<i", len(vtable) if known is None else known - start))
        if known is None:
            self._vtables[vtable] = self._put(vtable)
        return start

    def finish(self, root: int, identifier: bytes) -> bytes:
        """All of it, with `root` as the first table."""
        self._align(self._alignment, OFFSET + len(identifier))
        self._put(identifier)
        self._put(pack("<I", self._nbytes + OFFSET - root))
        return b"".join(reversed(self._parts))

    def _slot(self, value: Inline | int) -> int:
        code, number = value if isinstance(value, tuple) else ("I", 0)
        self._align(WIDTHS[code], 0)
        if isinstance(value, int):
            number = self._nbytes + OFFSET - value
        return self._put(pack(f"<{code}", number))

    def _align(self, alignment: int, nbytes: int) -> None:
        """Pad so that what comes after the next `nbytes` bytes lies at a multiple of `alignment` from the end."""
        self._alignment = max(self._alignment, alignment)
        padding = -(self._nbytes + nbytes) % alignment
        if padding:
            self._put(bytes(padding))

    def _put(self, data: bytes | memoryview) -> int:
        self._parts.append(data)
        self._nbytes += len(data)
        return self._nbytes
