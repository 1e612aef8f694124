"""`Model` → bytes: the tables of a model, written as a ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import copysign
from struct import pack
from typing import Any

from refinfer.schema.builder import Builder, Inline
from refinfer.schema.errors import UsageError
from refinfer.schema.file import IDENTIFIER
from refinfer.schema.flatbuffer import WIDTHS, Field, Table
from refinfer.schema.tables import Model

DATA_ALIGNMENT = 16  # of constants [schema.fbs: Buffer.data, force_align]


def write(model: Model) -> bytes:
    """The bytes of a file that holds `model`.

    Values that equal their default are left out, as every writer of FlatBuffers does. Constants lie at multiples of 16.
    Raises UsageError if some lie beyond the flatbuffer, as in models of gigabytes: they would not be where it says.
    """
    check_whole(model)
    return write_table(model, IDENTIFIER)


def write_table(root: Table, identifier: bytes = b"") -> bytes:
    """The bytes of a FlatBuffer with this root, such as the metadata of a model."""
    builder = Builder()
    return builder.finish(_table(builder, root), identifier)


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
    """Write `table` after all that it points to; its place."""
    fields = type(table).fields
    values = [getattr(table, field.name) for field in fields]
    places = [
        None if value is None or field.inline else _child(builder, field, value)
        for field, value in zip(fields, values, strict=True)
    ]
    return builder.table(
        [
            _number(field, value) if field.inline else place
            for field, value, place in zip(fields, values, places, strict=True)
        ]
    )


def _number(field: Field, value: Any) -> Inline | None:
    """What stands in the table itself, if it has to."""
    return (field.code, value) if _is_said(value, field.default) else None


def _is_said(value: Any, default: Any) -> bool:
    return value != default or (value == 0 and copysign(1, value) < 0)  # -0.0 is not 0.0


def _child(builder: Builder, field: Field, value: Any) -> int:
    """Write what a field points to; its place."""
    if isinstance(value, str):
        return builder.string(value)
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, bytes | memoryview) and field.code in ("", "B"):
        data = memoryview(value).cast("B")
        return builder.vector(data, len(data), DATA_ALIGNMENT)
    if field.code:
        return builder.vector(_bytes(field.code, value), len(value), WIDTHS[field.code])
    return builder.offsets([_table(builder, each) for each in value])


def _bytes(code: str, numbers: Sequence[int | float]) -> bytes:
    return pack(f"<{len(numbers)}{code}", *numbers)
