"""The reader of FlatBuffers itself, on tables of our own making."""

from __future__ import annotations

import copy
from enum import IntEnum
from struct import pack

import flatbuffers
import pytest

from refinfer.schema.flatbuffer import Fault, Reader, Table, child, children, scalar, string, union, vector, view


class Colour(IntEnum):
    RED = 0
    GREEN = 3


class Leaf(Table):
    number: int = scalar("h", 7)
    wide: int = scalar("q")
    colour: Colour = scalar("b", Colour.GREEN, of=Colour)


class Other(Table): ...


class Root(Table):
    name: str | None = string()
    numbers: tuple[int, ...] | None = vector("i")
    data: memoryview | None = view()
    leaf: Leaf | None = child(Leaf)
    leaves: tuple[Leaf, ...] | None = children(Leaf)
    choice_type: int = scalar("B")
    choice: Table | None = union((Leaf, Other))
    colours: tuple[Colour, ...] | None = vector("b", of=Colour)


def read(table: type[Table], data: bytes) -> Table:
    reader = Reader(memoryview(data))
    return reader.table(table, reader.target(0))


def message_of(table: type[Table], data: bytes) -> str:
    with pytest.raises(Fault) as fault:
        read(table, data)
    return str(fault.value.error("Root"))


def leaf_bytes(colour: int = 0, wide: int = 5) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.StartObject(3)
    builder.PrependInt64Slot(1, wide, 0)
    builder.PrependInt8Slot(2, colour, 3)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def root_bytes(name: bytes = b"name", choice_type: int = 2) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.StartObject(0)
    other = builder.EndObject()
    text = builder.CreateString(name)
    builder.StartVector(1, 2, 1)
    builder.PrependInt8(3)
    builder.PrependInt8(0)
    colours = builder.EndVector()
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.PrependUint8Slot(5, choice_type, 0)
    builder.PrependUOffsetTRelativeSlot(6, other, 0)
    builder.PrependUOffsetTRelativeSlot(7, colours, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def replaced(data: bytes, at: int, code: str, value: int) -> bytes:
    new = pack("<" + code, value)
    return data[:at] + new + data[at + len(new) :]


def test_absent_numbers_are_defaults_and_all_else_is_none() -> None:
    assert Leaf() == Leaf(number=7, wide=0, colour=Colour.GREEN)
    assert [getattr(Root(), field.name) for field in Root.fields] == [None] * 5 + [0, None, None]


def test_a_table_reads_as_it_was_written() -> None:
    assert read(Leaf, leaf_bytes()) == Leaf(wide=5, colour=Colour.RED)
    assert read(Root, root_bytes()) == Root(
        name="name", choice_type=2, choice=Other(), colours=(Colour.RED, Colour.GREEN)
    )


def test_tables_are_values() -> None:
    one, same, other = Leaf(number=1), Leaf(number=1), Leaf(number=2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert Other() != Leaf()
    assert repr(one) == "Leaf(number=1)"
    assert not hasattr(one, "__dict__")
    assert copy.copy(one) is one
    assert copy.deepcopy(one) is one


def test_tables_cannot_be_changed() -> None:
    leaf = Leaf()
    with pytest.raises(AttributeError, match="Leaf is immutable: number cannot be set"):
        leaf.number = 1
    with pytest.raises(AttributeError, match="Leaf is immutable: number cannot be deleted"):
        del leaf.number


def test_a_table_takes_no_fields_that_it_does_not_have() -> None:
    with pytest.raises(TypeError, match="Leaf has no field size"):
        Leaf(size=3)


def test_a_newer_table_may_have_more_fields_than_we_know() -> None:
    builder = flatbuffers.Builder(0)
    builder.StartObject(9)
    builder.PrependInt16Slot(0, 1, 0)
    builder.PrependInt32Slot(8, 99, 0)
    builder.Finish(builder.EndObject())
    assert read(Leaf, bytes(builder.Output())) == Leaf(number=1)


def test_a_union_of_type_0_is_none_whatever_it_points_to() -> None:
    assert read(Root, root_bytes(choice_type=0)) == Root(name="name", colours=(Colour.RED, Colour.GREEN))


def test_an_unknown_member_of_a_union_is_refused() -> None:
    assert (
        message_of(Root, root_bytes(choice_type=3)) == "Root.choice: 3 is not a member of the union; expected at most 2"
    )


def test_an_unknown_member_of_an_enum_is_refused() -> None:
    assert message_of(Leaf, leaf_bytes(colour=77)) == "Root.colour: 77 is not a valid Colour"


def test_text_that_is_not_utf8_is_refused() -> None:
    at = root_bytes().index(b"name")
    assert message_of(Root, replaced(root_bytes(), at + 2, "B", 0xFF)) == (
        f"Root.name: the text at offset {at} is not UTF-8: invalid start byte at its byte 2"
    )


def test_text_without_a_zero_at_its_end_is_refused() -> None:
    at = root_bytes().index(b"name")
    assert message_of(Root, replaced(root_bytes(), at + 4, "B", 1)) == (
        f"Root.name: the string at offset {at - 4} does not end in a zero byte"
    )


def test_a_vector_longer_than_the_file_is_refused() -> None:
    at, size = root_bytes().index(b"name"), len(root_bytes())
    assert message_of(Root, replaced(root_bytes(), at - 4, "I", 2**32 - 1)) == (
        f"Root.name: 1 bytes at offset {at + 2**32 - 1} do not lie within the file of {size} bytes"
    )


def test_an_offset_to_itself_is_refused() -> None:
    assert message_of(Leaf, replaced(leaf_bytes(), 0, "I", 0)) == "Root: the offset at 0 points to itself"


def test_a_vtable_before_the_file_is_refused() -> None:
    data = leaf_bytes()
    (table,) = [int.from_bytes(data[:4], "little")]
    assert message_of(Leaf, replaced(data, table, "i", 1000)) == (
        f"Root: 2 bytes at offset {table - 1000} do not lie within the file of {len(data)} bytes"
    )


@pytest.mark.parametrize("nbytes", [0, 2, 7])
def test_a_vtable_of_an_odd_or_too_small_size_is_refused(nbytes: int) -> None:
    data = leaf_bytes()
    table = int.from_bytes(data[:4], "little")
    vtable = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    assert message_of(Leaf, replaced(data, vtable, "H", nbytes)) == (
        f"Root: the vtable at offset {vtable} has {nbytes} bytes; expected an even number of at least 4"
    )


def test_a_number_that_is_not_aligned_is_refused() -> None:
    data = leaf_bytes()
    table = int.from_bytes(data[:4], "little")
    vtable = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    place = int.from_bytes(data[vtable + 6 : vtable + 8], "little")
    assert message_of(Leaf, replaced(data, vtable + 6, "H", place - 4)) == (
        f"Root.wide: offset {table + place - 4} is not a multiple of 8"
    )


def test_a_file_of_too_many_pieces_is_refused() -> None:
    reader = Reader(memoryview(leaf_bytes()))
    reader.reads = 5
    with pytest.raises(Fault, match="the file has more than 1000000 pieces"):
        reader.table(Leaf, reader.target(0))
