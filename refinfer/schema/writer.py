"""`Model` → bytes: the tables of a model, written as a ``.tflite`` file.

The only part of this room that needs a package: `flatbuffers`, whose Builder writes from the end of the file to its
start, so that children come before what points to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import copysign
from typing import TYPE_CHECKING, Any

from refinfer.schema.errors import UsageError
from refinfer.schema.file import IDENTIFIER
from refinfer.schema.flatbuffer import WIDTHS, Field, Table
from refinfer.schema.tables import Model

if TYPE_CHECKING:
    from flatbuffers import Builder

DATA_ALIGNMENT = 16  # of constants [schema.fbs: Buffer.data, force_align]


def write(model: Model) -> bytes:
    """The bytes of a file that holds `model`.

    Values that equal their default are left out, as every writer of FlatBuffers does. Constants lie at multiples of 16.
    Raises UsageError if some lie beyond the flatbuffer, as in models of gigabytes: they would not be where it says.
    """
    check_whole(model)
    return write_table(model, IDENTIFIER)


def write_table(root: Table, identifier: bytes | None = None) -> bytes:
    """The bytes of a FlatBuffer with this root, such as metadata of a model."""
    from flatbuffers import Builder  # the readers of this room do without it

    builder = Builder(1024)
    builder.ForceDefaults(True)  # what to leave out is decided here
    builder.Finish(_table(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def check_whole(model: Model) -> None:
    """All bytes of the model lie in its flatbuffer, or in a file of their own."""
    for place, nbytes, offset in _beyond(model):
        if offset > 1:  # 0 and 1 say that there are none
            raise UsageError(f"{place}: {nbytes} bytes at {offset}, beyond the flatbuffer; such files are not written")


def _beyond(model: Model) -> Iterator[tuple[str, int, int]]:
    for i, buffer in enumerate(model.buffers or ()):
        yield f"Model.buffers[{i}]", buffer.size, buffer.offset
    for i, subgraph in enumerate(model.subgraphs or ()):
        for j, each in enumerate(subgraph.operators or ()):
            place = f"Model.subgraphs[{i}].operators[{j}]"
            yield place, each.large_custom_options_size, each.large_custom_options_offset


def _table(builder: Builder, table: Table) -> int:
    """Write `table` after all that it points to; its offset."""
    fields = type(table).fields
    values = [getattr(table, field.name) for field in fields]
    offsets = [
        None if value is None or field.inline else _child(builder, field, value)
        for field, value in zip(fields, values, strict=True)
    ]
    builder.StartObject(len(fields))
    for slot, (field, value, offset) in enumerate(zip(fields, values, offsets, strict=True)):
        if field.inline and _is_said(value, field.default):
            builder.PrependSlot(_flags(field.code), slot, value, field.default)
        elif offset is not None:
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _is_said(value: Any, default: Any) -> bool:
    return value != default or (value == 0 and copysign(1, value) < 0)  # -0.0 is not 0.0


def _child(builder: Builder, field: Field, value: Any) -> int:
    """Write what a field points to; its offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, bytes | memoryview) and field.code in ("", "B"):
        return _bytes(builder, memoryview(value).cast("B"))
    if field.code:
        return _numbers(builder, field.code, value)
    return _offsets(builder, [_table(builder, each) for each in value])


def _bytes(builder: Builder, data: memoryview) -> int:
    builder.StartVector(1, len(data), DATA_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _numbers(builder: Builder, code: str, numbers: Sequence[int | float]) -> int:
    builder.StartVector(WIDTHS[code], len(numbers), WIDTHS[code])
    for number in reversed(numbers):
        builder.Prepend(_flags(code), number)
    return int(builder.EndVector())


def _offsets(builder: Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _flags(code: str) -> Any:
    from flatbuffers import number_types as types

    return {
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
    }[code]
