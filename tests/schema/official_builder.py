"""Our tables, written by the builder of the package `flatbuffers`."""

from __future__ import annotations

from math import copysign
from typing import Any

from flatbuffers import Builder
from flatbuffers import number_types as types

from refinfer.schema.file import IDENTIFIER
from refinfer.schema.flatbuffer import Field, Table
from refinfer.schema.tables import Model


def written_by_flatbuffers(model: Model) -> bytes:
    builder = Builder(1024)
    builder.ForceDefaults(True)  # what to leave out is decided here
    builder.Finish(_table(builder, model), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: Builder, table: Table) -> int:
    fields = type(table).fields
    offsets = [None if field.inline else _child(builder, field, getattr(table, field.name)) for field in fields]
    builder.StartObject(len(fields))
    for slot, (field, offset) in enumerate(zip(fields, offsets, strict=True)):
        value = getattr(table, field.name)
        if field.inline and (value != field.default or (value == 0 and copysign(1, value) < 0)):
            builder.PrependSlot(FLAGS[field.code], slot, value, field.default)
        elif offset is not None:
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _child(builder: Builder, field: Field, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, memoryview) and field.code in ("", "B"):
        builder.StartVector(1, len(value), 16)
        builder.head -= len(value)  # one by one takes minutes
        builder.Bytes[builder.head : builder.head + len(value)] = value
        return int(builder.EndVector())
    if field.code:
        flags = FLAGS[field.code]
        builder.StartVector(flags.bytewidth, len(value), flags.bytewidth)
        for number in reversed(value):
            builder.Prepend(flags, number)
        return int(builder.EndVector())
    places = [_table(builder, each) for each in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


FLAGS = {
    "?": types.BoolFlags,
    "b": types.Int8Flags,
    "B": types.Uint8Flags,
    "h": types.Int16Flags,
    "H": types.Uint16Flags,
    "i": types.Int32Flags,
    "I": types.Uint32Flags,
    "q": types.Int64Flags,
    "Q": types.Uint64Flags,
    "f": types.Float32Flags,
    "d": types.Float64Flags,
}
