"""The tables of docs/operators.md: what each dialect computes, and on how many cases that was tried.

Made of the registry and of tests/data/cases.json, which `python -m tools.count_cases` writes; `python -m
tools.make_pages` puts them on the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from refinfer.kernels.registry import PORTABLE
from refinfer.schema.enums import BuiltinOperator, TensorType
from tools.count_cases import COUNTS

LACKING = "–"
Counts = Mapping[str, int]


@cache
def counted() -> dict[str, Any]:
    """What was counted, and with what."""
    found: dict[str, Any] = json.loads(COUNTS.read_text(encoding="utf-8"))
    return found


def operators() -> Iterator[str]:
    """Operator by operator, type by type."""
    yield from head("operator", "type", *PORTABLE)
    for op in known_operators():
        counts = counted()["counts"].get(op.name, {})
        for types, found in counts.items():
            yield line(op.name, types, *(cell(dialect, op, found.get(dialect, {})) for dialect in PORTABLE))
        left = uncounted(op, counts)
        if left:
            others = ", ".join(each.name for each in sorted(left)) if counts else "all"
            yield line(op.name, others, *(in_tests(dialect, op, left) for dialect in PORTABLE))
    for code in sorted(set().union(*(dialect.custom for dialect in PORTABLE.values()))):
        yield line(code, "all", *("tests" if code in each.custom else LACKING for each in PORTABLE.values()))


def known_operators() -> list[BuiltinOperator]:
    """Those that a dialect has, in the order of the schema."""
    return sorted(set().union(*(dialect.computes for dialect in PORTABLE.values())))


def uncounted(op: BuiltinOperator, counts: Mapping[str, Any]) -> set[TensorType]:
    """The types of the first input of which no case was counted."""
    types = set().union(*(each.computes[op].types for each in PORTABLE.values() if op in each.computes))
    return {each for each in types if not any(name.split()[0] == each.name for name in counts)}


def in_tests(dialect: str, op: BuiltinOperator, types: set[TensorType]) -> str:
    """Whether the dialect takes any of these types."""
    compute = PORTABLE[dialect].computes.get(op)
    return "tests" if compute is not None and types & compute.types else LACKING


def cell(dialect: str, op: BuiltinOperator, found: Mapping[str, Any]) -> str:
    """What came of an operator in a type; nothing is said of what both refuse, unless it is all there is."""
    if op not in PORTABLE[dialect].computes:
        return LACKING
    said = [words.format(found[name]) for name, words in WORDS.items() if found.get(name)]
    return "; ".join(said) or "refused"


def summary() -> Iterator[str]:
    """What the table comes to."""
    yield from head("", *(f" {dialect}" for dialect in PORTABLE))
    rows = [found for counts in counted()["counts"].values() for found in counts.values()]
    for words, names in SUMMARY.items():
        sums = [sum(found[dialect].get(name, 0) for found in rows for name in names) for dialect in PORTABLE]
        yield line(words, *(f"{each:,}" for each in sums))
    made_with = ", ".join(f"{name} {version}" for name, version in counted()["versions"].items())
    yield ""
    yield f"Counted by `{counted()['command']}`, {counted()['runs']} cases of each model, with {made_with}."


def head(*names: str) -> Iterator[str]:
    """The first two lines of a table; columns whose name starts with a space are numbers, to the right."""
    yield line(*(name.strip() for name in names))
    yield line(*("---:" if name.startswith(" ") else "---" for name in names))


def line(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


WORDS = {
    "equal": "exact: {}",
    "different": "**differs: {}**",
    "only_runtime": "refused here alone: {}",
    "only_refinfer": "here alone: {}",
}
SUMMARY = {
    "cases that are equal to the bit": ("equal",),
    "numbers in them": ("numbers",),
    "cases that differ": ("different",),
    "refused by both": ("refused",),
    "refused here alone": ("only_runtime",),
    "computed here alone": ("only_refinfer",),
}
