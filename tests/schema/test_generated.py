"""Tables that no model has: made at random, written by flatc's code, read back by ours."""

from __future__ import annotations

import types
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Union, get_args, get_origin

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as litert
from hypothesis import given, settings
from hypothesis import strategies as st

from refinfer.schema.flatbuffer import Reader, Table
from tests.schema import referee
from tests.schema.test_referees import UNIONS

RANGES: dict[str, tuple[int, int]] = {
    "Int8": (-(2**7), 2**7 - 1),
    "Uint8": (0, 2**8 - 1),
    "Uint16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "Uint32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "Uint64": (0, 2**64 - 1),
}
NUMBERS = {
    **{kind: st.sampled_from(limits) | st.integers(*limits) for kind, limits in RANGES.items()},
    "Float32": st.floats(width=32),
    "Bool": st.booleans(),
}
UNION_OF_FIELD = {
    "builtin_options": "BuiltinOptions",
    "builtin_options_2": "BuiltinOptions2",
    "details": "QuantizationDetails",
    "array_segments": "SparseIndexVector",
    "array_indices": "SparseIndexVector",
}


@st.composite
def objects(draw: st.DrawFn, table: type[Table]) -> Any:
    """An object of LiteRT's API with any values in all fields that it has."""
    thing = getattr(litert, f"{table.__name__}T")()
    for field, slot in zip(table.fields, referee.slots(table.__name__), strict=True):
        if slot is None:
            continue
        if field.name in UNION_OF_FIELD:
            number = draw(st.integers(0, len(UNIONS[UNION_OF_FIELD[field.name]])))
            setattr(thing, referee.lower_camel(f"{field.name}_type"), number)
            value = draw(objects(UNIONS[UNION_OF_FIELD[field.name]][number - 1])) if number else None
        elif field.name.removesuffix("_type") in UNION_OF_FIELD:
            continue
        else:
            value = draw(values(referee.hints(table)[field.name], slot))
        setattr(thing, referee.lower_camel(field.name), value)
    return thing


def values(hint: Any, slot: referee.Slot) -> st.SearchStrategy[Any]:
    """Values for a field: its range is flatc's, the members of its enum are ours."""
    if get_origin(hint) in (Union, types.UnionType):  # None stands for an absent field
        (present,) = (each for each in get_args(hint) if each is not type(None))
        return st.none() | values(present, slot)
    if hint is str:
        return st.text(max_size=5)
    if hint is memoryview:
        return st.lists(NUMBERS["Uint8"], max_size=5)
    if get_origin(hint) in (tuple, Sequence):
        return st.lists(elements(get_args(hint)[0], slot.element), max_size=3)
    return elements(hint, slot.kind)


def elements(hint: Any, kind: str | None) -> st.SearchStrategy[Any]:
    """Values for a number, or for an element of a vector."""
    if issubclass(hint, Table):
        return objects(hint)
    if issubclass(hint, IntEnum):
        return st.sampled_from([int(member) for member in hint])
    assert kind is not None
    return NUMBERS[kind]


def read(table: type[Table], data: bytes) -> Table:
    reader = Reader(memoryview(data))
    return reader.table(table, reader.target(0))


@pytest.mark.parametrize("table", referee.all_tables(), ids=lambda table: table.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_table_with_any_values_reads_back_equal(table: type[Table], data: st.DataObject) -> None:
    thing = data.draw(objects(table))
    packed = referee.pack(thing)
    found = read(table, packed)
    assert list(referee.differences(found, thing, table.__name__)) == []
    assert repr(found).startswith(f"{table.__name__}(")


@pytest.mark.parametrize("table", referee.all_tables(), ids=lambda table: table.__name__)
def test_an_empty_table_reads_as_the_defaults_of_the_schema(table: type[Table]) -> None:
    builder = flatbuffers.Builder(0)
    builder.StartObject(0)
    builder.Finish(builder.EndObject())
    found = read(table, bytes(builder.Output()))
    theirs = getattr(litert, f"{table.__name__}T").InitFromPackedBuf(bytes(builder.Output()), 0)
    assert list(referee.differences(found, theirs, table.__name__)) == []
    assert found == table()


def test_deprecated_fields_are_read_where_old_writers_put_them() -> None:
    builder = flatbuffers.Builder(0)
    builder.StartObject(4)
    builder.PrependInt32Slot(0, 12, 0)
    builder.PrependInt32Slot(1, 34, 0)
    builder.Finish(builder.EndObject())
    found: Any = read(referee_table("ResizeBilinearOptions"), bytes(builder.Output()))
    assert (found.new_height, found.new_width) == (12, 34)

    builder = flatbuffers.Builder(0)
    tag = builder.CreateString("serve")
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(3, tag, 0)
    builder.Finish(builder.EndObject())
    signature: Any = read(referee_table("SignatureDef"), bytes(builder.Output()))
    assert signature.deprecated_tag == "serve"


def referee_table(name: str) -> type[Table]:
    (table,) = (each for each in referee.all_tables() if each.__name__ == name)
    return table
