"""FlexBuffers, the schemaless format of most custom options, read into plain Python values with the same distrust.

A FlexBuffer is read from its end: the last byte is the width of the root value, the byte before it its packed type
(the upper six bits are a `Type`, the lower two the width of what it refers to), and before that lies the value. Null,
numbers and bools lie where they are used, as wide as everything in the same vector; all else is a distance backwards
from there. A vector has its length before its first element, and behind its last, if untyped, a packed type for each.
A map is such a vector with the distance to its keys, and their width, before the length.
"""

from __future__ import annotations

from enum import IntEnum
from struct import unpack

from refinfer.schema.flatbuffer import NUMBER, OBJECT, POINTER, Fault, Reader, member

DEPTH = 64
"""How deep vectors and maps may lie in each other."""
MEMORY_PER_BYTE = 64
"""How much memory the values may take for each byte: a vector of int8 alone takes 36."""

Value = None | bool | int | float | str | memoryview | list["Value"] | dict[str, "Value"]


class Type(IntEnum):
    """What a value is [flexbuffers.h: Type]."""

    NULL = 0
    INT = 1
    UINT = 2
    FLOAT = 3
    KEY = 4
    STRING = 5
    INDIRECT_INT = 6
    INDIRECT_UINT = 7
    INDIRECT_FLOAT = 8
    MAP = 9
    VECTOR = 10
    VECTOR_INT = 11
    VECTOR_UINT = 12
    VECTOR_FLOAT = 13
    VECTOR_KEY = 14
    VECTOR_STRING_DEPRECATED = 15
    VECTOR_INT2 = 16
    VECTOR_UINT2 = 17
    VECTOR_FLOAT2 = 18
    VECTOR_INT3 = 19
    VECTOR_UINT3 = 20
    VECTOR_FLOAT3 = 21
    VECTOR_INT4 = 22
    VECTOR_UINT4 = 23
    VECTOR_FLOAT4 = 24
    BLOB = 25
    BOOL = 26
    VECTOR_BOOL = 36


def decode(data: bytes | bytearray | memoryview) -> Value:
    """The value that the FlexBuffer holds, in lists, dicts, and scalars; blobs stay views of `data`.

    Raises FormatError if the bytes are not a FlexBuffer.
    """
    reader = FlexReader(memoryview(data).cast("B"), MEMORY_PER_BYTE)
    try:
        return reader.root()
    except Fault as fault:
        raise fault.error("FlexBuffer") from None


class FlexReader(Reader):
    """Reads values by type; places count from the start of the FlexBuffer."""

    def root(self) -> Value:
        """The value at the end of the buffer."""
        packed, width = self.extent(self.size - 2, 2, 1)
        return self.value(self.size - 2 - width, width, packed, DEPTH)

    def value(self, at: int, width: int, packed: int, depth: int) -> Value:
        """The value of the packed type whose place, `width` bytes wide, is `at`."""
        type = member(Type, packed >> 2)
        if type in NUMBERS:
            return self.inline(type, at, width)
        return self.pointed(type, at - self.unsigned(at, width), 1 << (packed & 3), depth)

    def pointed(self, type: IntEnum, at: int, width: int, depth: int) -> Value:
        """The value of the type that lies at `at`, its parts `width` bytes wide."""
        if type == Type.KEY:
            return self.key(at)
        if type == Type.STRING:
            return self.text(at, self.unsigned(at - width, width))
        if type == Type.BLOB:
            return self.extent(at, self.unsigned(at - width, width), 1)
        if type in INDIRECT:
            return self.inline(INDIRECT[type], at, width)
        if depth == 0:
            raise Fault(f"vectors and maps lie in each other more than {DEPTH} deep")
        if type == Type.MAP:
            return self.map(at, width, depth)
        if type == Type.VECTOR:
            return self.vector_of_any(at, width, depth)
        element, length = TYPED[type]
        if length is None:
            length = self.unsigned(at - width, width)
        if element == Type.KEY:
            return self.keys(at, width, length)
        self.extent(at, width * length, 1)
        self.spend((POINTER + NUMBER) * length)
        return [self.inline(element, at + width * i, width) for i in range(length)]

    def inline(self, type: IntEnum, at: int, width: int) -> bool | int | float | None:
        """The null, number or bool at `at`."""
        code = NUMBERS[type].get(width)
        if code is None:
            raise Fault(f"a {type.name} of {width} bytes; expected one of {', '.join(map(str, NUMBERS[type]))}")
        number: int | float = unpack("<" + code, self.extent(at, width, 1))[0]
        if type == Type.NULL:
            return None
        return number != 0 if type == Type.BOOL else number

    def unsigned(self, at: int, width: int) -> int:
        """The length or distance at `at`."""
        number = self.inline(Type.UINT, at, width)
        assert isinstance(number, int)
        return number

    def key(self, at: int) -> str:
        """UTF-8 text that ends in a zero byte. Each byte counts as a read, so that no search is for free."""
        end = at
        while self.extent(end, 1, 1)[0]:
            end += 1
        return self.text(at, end - at)

    def keys(self, at: int, width: int, length: int) -> list[Value]:
        """The vector of keys at `at`."""
        self.extent(at, width * length, 1)
        self.spend(POINTER * length)
        return [self.key(place - self.unsigned(place, width)) for place in range(at, at + width * length, width)]

    def vector_of_any(self, at: int, width: int, depth: int) -> list[Value]:
        """The untyped vector at `at`."""
        length = self.unsigned(at - width, width)
        types = self.extent(at + width * length, length, 1)
        self.spend(OBJECT + POINTER * length)
        values: list[Value] = []
        try:
            for i, packed in enumerate(types):
                values.append(self.value(at + width * i, width, packed, depth - 1))
        except Fault as fault:
            fault.steps.append(f"[{len(values)}]")
            raise
        return values

    def map(self, at: int, width: int, depth: int) -> dict[str, Value]:
        """The map at `at`: the place of its keys and their width stand before its length."""
        place = at - 3 * width
        keys_at = place - self.unsigned(place, width)
        keys_width = self.unsigned(place + width, width)
        keys = self.keys(keys_at, keys_width, self.unsigned(keys_at - keys_width, keys_width))
        values = self.vector_of_any(at, width, depth)
        if len(keys) != len(values):
            raise Fault(f"a map at offset {at} has {len(keys)} keys for {len(values)} values")
        self.spend(4 * OBJECT + 2 * POINTER * len(keys))
        return dict(zip(map(str, keys), values, strict=True))


SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
NUMBERS: dict[IntEnum, dict[int, str]] = {
    Type.NULL: UNSIGNED,
    Type.INT: SIGNED,
    Type.UINT: UNSIGNED,
    Type.FLOAT: {4: "f", 8: "d"},
    Type.BOOL: UNSIGNED,
}
"""What lies where it is used: the code in `struct` by width."""

INDIRECT: dict[IntEnum, Type] = {
    Type.INDIRECT_INT: Type.INT,
    Type.INDIRECT_UINT: Type.UINT,
    Type.INDIRECT_FLOAT: Type.FLOAT,
}

TYPED: dict[IntEnum, tuple[Type, int | None]] = {
    Type.VECTOR_INT: (Type.INT, None),
    Type.VECTOR_UINT: (Type.UINT, None),
    Type.VECTOR_FLOAT: (Type.FLOAT, None),
    Type.VECTOR_KEY: (Type.KEY, None),
    Type.VECTOR_STRING_DEPRECATED: (Type.KEY, None),  # whose elements do not say how wide their lengths are
    Type.VECTOR_BOOL: (Type.BOOL, None),
    Type.VECTOR_INT2: (Type.INT, 2),
    Type.VECTOR_UINT2: (Type.UINT, 2),
    Type.VECTOR_FLOAT2: (Type.FLOAT, 2),
    Type.VECTOR_INT3: (Type.INT, 3),
    Type.VECTOR_UINT3: (Type.UINT, 3),
    Type.VECTOR_FLOAT3: (Type.FLOAT, 3),
    Type.VECTOR_INT4: (Type.INT, 4),
    Type.VECTOR_UINT4: (Type.UINT, 4),
    Type.VECTOR_FLOAT4: (Type.FLOAT, 4),
}
"""Element and length, where the type fixes it, of the vectors that need no packed types."""
