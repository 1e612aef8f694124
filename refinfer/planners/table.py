"""Problems as tables of comma-separated values, in the form that MiniMalloc and its public instances have.

    id,lower,upper,size,offset
    7,0,3,16,32

`upper` is the first step at which the buffer is no longer needed. A column ``end`` in its place is the last at which
it is; ``start`` or ``begin`` may stand for ``lower``, ``buffer`` or ``buffer_id`` for ``id``. A solution has the
column ``offset``. What we do not plan with is refused: alignments that the sizes do not have, and gaps in lives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from refinfer.planners.problem import Buffer, Offsets, Problem
from refinfer.schema.errors import UsageError

NAMES = {"start": "lower", "begin": "lower", "end": "upper", "buffer": "id", "buffer_id": "id"}
NEEDED = ("id", "lower", "upper", "size")


class Instance(NamedTuple):
    """A problem, the names of its buffers, and a solution if the table has one."""

    problem: Problem
    names: tuple[str, ...]
    offsets: Offsets | None


def read_instance(text: str) -> Instance:
    """The problem that the table describes; raises UsageError where it is none of ours."""
    lines = [line.strip() for line in text.splitlines()]
    header, *rows = [line.split(",") for line in lines if line] or [[]]
    columns = [NAMES.get(name, name) for name in header]
    for name in NEEDED:
        if columns.count(name) != 1:
            raise UsageError(f"line 1: {columns.count(name)} columns for {name!r}; expected one")
    records = [dict(zip(columns, row, strict=True)) for row in _checked(rows, len(columns))]
    later = 0 if "end" in header else 1
    buffers = tuple(_buffer(record, later, number) for number, record in enumerate(records, start=2))
    offsets = tuple(
        _number(record, "offset", number) for number, record in enumerate(records, start=2) if "offset" in columns
    )
    return Instance(Problem(buffers), tuple(record["id"] for record in records), offsets or None)


def write_instance(problem: Problem, offsets: Sequence[int] | None = None, names: Sequence[str] | None = None) -> str:
    """The table of a problem, with the solution if there is one. Overlaps and fixed places have no column there."""
    rows = [
        (name, buffer.first, buffer.last + 1, buffer.nbytes)
        for name, buffer in zip(names or map(str, range(len(problem.buffers))), problem.buffers, strict=True)
    ]
    header: tuple[str, ...] = NEEDED
    if offsets is not None:
        header = (*NEEDED, "offset")
        rows = [(*row, offset) for row, offset in zip(rows, offsets, strict=True)]  # type: ignore[misc]  # one more
    return "".join(f"{','.join(map(str, row))}\n" for row in (header, *rows))


def _checked(rows: Sequence[Sequence[str]], width: int) -> Iterator[Sequence[str]]:
    for number, row in enumerate(rows, start=2):
        if len(row) != width:
            raise UsageError(f"line {number}: {len(row)} fields; the first line has {width}")
        yield row


def _buffer(record: dict[str, str], later: int, number: int) -> Buffer:
    first, last, nbytes = (_number(record, name, number) for name in ("lower", "upper", "size"))
    last -= later
    if nbytes < 0 or last < first:
        raise UsageError(
            f"line {number}: {nbytes} bytes from step {first} to {last}; expected 0 or more, and some steps"
        )
    alignment = _number(record, "alignment", number) if "alignment" in record else 1
    if alignment < 1 or nbytes % alignment:
        raise UsageError(
            f"line {number}: alignment {alignment}; only one that the size of {nbytes} has is planned with"
        )
    if record.get("gaps"):
        raise UsageError(f"line {number}: gaps {record['gaps']!r}; only lives without gaps are planned with")
    return Buffer(nbytes, first, last)


def _number(record: dict[str, str], name: str, number: int) -> int:
    try:
        return int(record[name])
    except ValueError:
        raise UsageError(f"line {number}: {name} {record[name]!r} is not a whole number") from None
