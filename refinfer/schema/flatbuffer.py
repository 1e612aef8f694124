"""FlatBuffers, read with distrust: tables are declared, and one checked door touches the bytes.

A flatbuffer is a graph of little-endian pieces that point forward to each other. A *table* begins with the distance
back to its *vtable*, a list of uint16 that says for each declared field where in the table it lies, 0 for absent.
Numbers lie in the table itself; strings, vectors and other tables behind a uint32 offset relative to its own place.

Declare a table as a class; a field's place in the class is its slot in the vtable:

    class Pair(Table):
        left: int = scalar("i")
        right: int = scalar("i", 7)
        name: str | None = string()

An absent number reads as its default, anything else that is absent as None. `Reader` is the door: no byte is read
before `extent` has checked where it lies, and what the file makes us build is paid for from a budget in proportion
to its size, so that a small file cannot unfold into a large one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from struct import Struct, calcsize, unpack
from typing import Any, NoReturn, TypeVar

from refinfer.schema.errors import FormatError

READS = 1_000_000
"""How many pieces may be read: a second's work. A model of 5,000 operators has half as many."""
NUMBERS_PER_READ = 8  # numbers of a vector that take as long as a piece
MEMORY_PER_BYTE = 14
"""How much memory may be taken for each byte of the file, by the tables and by the graph that is made of them."""
MEMORY_FLOOR = 1 << 14
"""... and what even the smallest file may take."""

OBJECT, POINTER, NUMBER, VIEW = 48, 8, 24, 192  # bytes that Python takes for these

T = TypeVar("T", bound="Table")


class Fault(Exception):
    """What is wrong with the bytes. On its way up it gathers the path to the place, innermost step first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str] = []

    def error(self, root: str) -> FormatError:
        """The message for the user: the path from the root, then what is wrong there."""
        return FormatError(f"{root}{''.join(reversed(self.steps))}: {self.what}")


class Field:
    """What a slot of a vtable stands for.

    `read` takes the reader, the place of the field in the file and the value of the slot before it (which is where a
    union says what it holds), and gives the value. `code` is the type of a number, or of the numbers of a vector, as
    `struct` names it; `inline` tells whether the number lies in the table itself.
    """

    __slots__ = ("code", "default", "inline", "name", "put", "read")
    name: str
    put: Callable[[Table, object], None]  # what the immutable record is filled with

    def __init__(
        self,
        read: Callable[[Reader, int, Any], object],
        default: object = None,
        *,
        code: str = "",
        inline: bool = False,
    ) -> None:
        self.read = read
        self.default = default
        self.code = code
        self.inline = inline


class TableType(type):
    """Makes a class of declared fields a slotted record: what a dataclass does, in a tenth of its time."""

    fields: tuple[Field, ...]

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> TableType:
        """The class, its fields taken out of its body and turned into slots."""
        fields = {key: value for key, value in namespace.items() if isinstance(value, Field)}
        rest = {key: value for key, value in namespace.items() if key not in fields}
        for key, field in fields.items():
            field.name = key
        table = super().__new__(cls, name, bases, rest | {"__slots__": tuple(fields)})
        table.fields = tuple(fields.values())
        for key, field in fields.items():
            field.put = vars(table)[key].__set__
        return table


class Table(metaclass=TableType):
    """A table as the file has it: an immutable record of its fields."""

    def __init__(self, **values: object) -> None:
        for field in type(self).fields:
            object.__setattr__(self, field.name, values.pop(field.name, field.default))
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(values)}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be deleted")

    def __copy__(self: T) -> T:
        return self

    def __deepcopy__(self: T, memo: object) -> T:
        return self

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and values_of(self) == values_of(other)

    def __hash__(self) -> int:
        return hash((type(self), values_of(self)))

    def __repr__(self) -> str:
        pairs = zip(type(self).fields, values_of(self), strict=True)
        shown = ", ".join(f"{field.name}={value!r}" for field, value in pairs if value != field.default)
        return f"{type(self).__name__}({shown})"


def values_of(table: Table) -> tuple[object, ...]:
    """The values of a table by slot."""
    return tuple(getattr(table, field.name) for field in type(table).fields)


class Reader:
    """Reads tables out of `data`; raises Fault for whatever is not where, what or as much as it must be."""

    def __init__(self, data: memoryview, memory_per_byte: int = MEMORY_PER_BYTE) -> None:
        self.data = data
        self.size = len(data)
        self.reads = READS
        self.memory = MEMORY_FLOOR + memory_per_byte * self.size
        self.vtables: dict[tuple[int, int], tuple[int, ...]] = {}

    def check(self, at: int, nbytes: int, align: int) -> None:
        """The door: all of the `nbytes` bytes at `at` lie in the file, and `at` is a multiple of `align`."""
        if at < 0 or at + nbytes > self.size:
            raise Fault(f"{nbytes} bytes at offset {at} do not lie within the file of {self.size} bytes")
        if at % align:
            raise Fault(f"offset {at} is not a multiple of {align}")
        self.reads -= 1
        if self.reads < 0:
            raise Fault(f"the file has more than {READS} pieces")

    def extent(self, at: int, nbytes: int, align: int) -> memoryview:
        """The bytes that `check` lets through."""
        self.check(at, nbytes, align)
        return self.data[at : at + nbytes]

    def spend(self, nbytes: int) -> None:
        """Take the memory of an object from the budget."""
        self.memory -= nbytes
        if self.memory < 0:
            raise Fault(f"the pieces overlap: together they are many times larger than the file of {self.size} bytes")

    def number(self, code: str, at: int) -> Any:
        """The number at `at`; `code` is its type as `struct` names it."""
        width = WIDTHS[code]
        self.check(at, width, width)
        return UNPACK[code](self.data, at)[0]

    def target(self, at: int) -> int:
        """Where the offset at `at` points to."""
        distance: int = self.number("I", at)
        if distance == 0:
            raise Fault(f"the offset at {at} points to itself")
        return at + distance

    def string(self, at: int) -> str:
        """The UTF-8 string at `at`: its length in bytes, the bytes, a zero."""
        nbytes: int = self.number("I", at)
        if self.extent(at + 4 + nbytes, 1, 1)[0] != 0:
            raise Fault(f"the string at offset {at} does not end in a zero byte")
        return self.text(at + 4, nbytes)

    def text(self, at: int, nbytes: int) -> str:
        """The `nbytes` bytes of UTF-8 at `at`."""
        try:
            text = str(self.extent(at, nbytes, 1), "utf-8")
        except UnicodeDecodeError as error:
            raise Fault(f"the text at offset {at} is not UTF-8: {error.reason} at its byte {error.start}") from None
        self.spend(sys.getsizeof(text))
        return text

    def vector(self, code: str, at: int) -> tuple[Any, ...]:
        """The numbers of the vector at `at`: their count, then they themselves."""
        count: int = self.number("I", at)
        data = self.extent(at + 4, count * WIDTHS[code], 1)  # 4-aligned as the count is: so the official verifier
        self.spend(OBJECT + (POINTER + NUMBER) * count)
        self.reads -= count // NUMBERS_PER_READ  # the next piece notices if that was too much
        return unpack(f"<{count}{code}", data)

    def view(self, code: str, at: int) -> Sequence[Any]:
        """The vector at `at` as it lies in the file: nothing is copied, nothing is read until it is asked for."""
        if sys.byteorder == "big" and WIDTHS[code] > 1:
            return self.vector(code, at)
        count: int = self.number("I", at)
        self.spend(VIEW)
        return self.extent(at + 4, count * WIDTHS[code], 1).cast(code)  # type: ignore[call-overload, no-any-return]  # any code

    def tables(self, table: type[T], at: int) -> tuple[T, ...]:
        """The tables of the vector at `at`: their count, then an offset for each."""
        count: int = self.number("I", at)
        self.extent(at + 4, 4 * count, 4)
        self.spend(OBJECT + POINTER * count)
        found: list[T] = []
        try:
            for place in range(at + 4, at + 4 + 4 * count, 4):
                found.append(self.table(table, self.target(place)))
        except Fault as fault:
            fault.steps.append(f"[{len(found)}]")
            raise
        return tuple(found)

    def table(self, table: type[T], at: int) -> T:
        """The table at `at`."""
        self.spend(2 * (OBJECT + POINTER * len(table.fields)))  # this, and what the graph will make of it
        places = self.places(at, len(table.fields))
        found = object.__new__(table)
        value: object = None
        try:
            for field, place in zip(table.fields, places, strict=True):
                value = field.read(self, at + place, value) if place else field.default
                field.put(found, value)
        except Fault as fault:
            fault.steps.append(f".{field.name}")
            raise
        return found

    def member(self, members: tuple[type[Table], ...], number: int, at: int) -> Table | None:
        """The table at `at` that is member `number` of a union, counting from 1; 0 stands for none."""
        if number > len(members):
            raise Fault(f"{number} is not a member of the union; expected at most {len(members)}")
        return self.table(members[number - 1], at) if number else None

    def places(self, at: int, slots: int) -> tuple[int, ...]:
        """Where in the table at `at` its first `slots` fields lie; 0 for those that its vtable leaves out."""
        vtable = at - self.number("i", at)
        if (vtable, slots) not in self.vtables:  # most tables share theirs with others
            self.vtables[vtable, slots] = self.vtable(vtable, slots)
        return self.vtables[vtable, slots]

    def vtable(self, vtable: int, slots: int) -> tuple[int, ...]:
        """The same for a table with this vtable."""
        self.spend(OBJECT + POINTER * slots)
        nbytes: int = self.number("H", vtable)
        if nbytes < 4 or nbytes % 2:
            raise Fault(f"the vtable at offset {vtable} has {nbytes} bytes; expected an even number of at least 4")
        known = min(nbytes // 2 - 2, slots)
        return unpack(f"<4x{known}H", self.extent(vtable, nbytes, 2)[: 4 + 2 * known]) + (0,) * (slots - known)


WIDTHS = {code: calcsize("<" + code) for code in "?bBhHiIqQfd"}
UNPACK = {code: Struct("<" + code).unpack_from for code in WIDTHS}


def member(of: type[IntEnum], number: int) -> IntEnum:
    """The member of the enum that the number stands for."""
    try:
        return of(number)
    except ValueError:
        raise Fault(f"{number} is not a valid {of.__name__}") from None


# What declarations call. They return Any, as dataclasses.field does, so that the annotation gives the type.


def scalar(code: str, default: float = 0, *, of: type[IntEnum] | None = None) -> Any:
    """A number by its code in `struct`, `default` where it is absent; `of` names the enum that it belongs to."""
    if of is None:
        return Field(lambda reader, at, _: reader.number(code, at), default, code=code, inline=True)
    return Field(lambda reader, at, _: member(of, reader.number(code, at)), of(int(default)), code=code, inline=True)


def string() -> Any:
    """A string."""
    return Field(lambda reader, at, _: reader.string(reader.target(at)))


def vector(code: str, *, of: type[IntEnum] | None = None) -> Any:
    """A vector of numbers, or of members of an enum, read as a tuple."""
    if of is None:
        return Field(lambda reader, at, _: reader.vector(code, reader.target(at)), code=code)

    def read(reader: Reader, at: int, before: object) -> object:
        return tuple(member(of, each) for each in reader.vector(code, reader.target(at)))

    return Field(read, code=code)


def view(code: str = "B") -> Any:
    """A vector of bytes, or of other numbers, that stays in the file."""
    return Field(lambda reader, at, _: reader.view(code, reader.target(at)), code=code)


def child(table: type[Table]) -> Any:
    """A table."""
    return Field(lambda reader, at, _: reader.table(table, reader.target(at)))


def children(table: type[Table]) -> Any:
    """A vector of tables, read as a tuple."""
    return Field(lambda reader, at, _: reader.tables(table, reader.target(at)))


def union(members: tuple[type[Table], ...]) -> Any:
    """One of several tables. The slot before it tells which, counting from 1: declare it as ``scalar("B")``."""
    return Field(lambda reader, at, number: reader.member(members, number, reader.target(at)))
