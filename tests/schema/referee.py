"""What the two referees say about a file: the `tflite` package, and the newer object API of the ai-edge-litert wheel.

Both are made by flatc out of the schema and share nothing with our reader. Their names are CamelCase; ours are the
schema's.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import flatbuffers
import numpy as np
import tflite
from ai_edge_litert import schema_py_generated as litert

from refinfer.schema import options, tables
from refinfer.schema.flatbuffer import Table

HIDDEN = {
    ("ResizeBilinearOptions", "new_height"),
    ("ResizeBilinearOptions", "new_width"),
    ("SignatureDef", "deprecated_tag"),
}
"""Deprecated fields: flatc makes no accessor for them."""


def all_tables() -> list[type[Table]]:
    """Every table that we declare."""
    found = [*vars(tables).values(), *vars(options).values()]
    return sorted(
        {each for each in found if isinstance(each, type) and issubclass(each, Table) and each is not Table},
        key=lambda table: table.__name__,
    )


def camel(name: str) -> str:
    """FusedActivationFunction for fused_activation_function."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def lower_camel(name: str) -> str:
    """fusedActivationFunction for fused_activation_function."""
    return camel(name)[0].lower() + camel(name)[1:]


# The object API of LiteRT


def differences(ours: Any, theirs: Any, path: str = "Model") -> Iterator[str]:
    """Every place where a table of ours differs from an object of LiteRT's API."""
    if isinstance(ours, Table):
        if type(theirs).__name__ != f"{type(ours).__name__}T":
            yield f"{path}: {type(ours).__name__} for {type(theirs).__name__}"
            return
        for field in type(ours).fields:
            if (type(ours).__name__, field.name) not in HIDDEN:
                value = getattr(theirs, lower_camel(field.name))
                yield from differences(getattr(ours, field.name), value, f"{path}.{field.name}")
    elif isinstance(ours, tuple) and ours and isinstance(ours[0], Table):
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} tables for {len(theirs)}"
        for i, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from differences(one, other, f"{path}[{i}]")
    elif not equal(ours, theirs):
        yield f"{path}: {ours!r} for {theirs!r}"


def equal(ours: Any, theirs: Any) -> bool:
    """Whether two values that are no tables are the same."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, str):
        return ours.encode() == (theirs.encode() if isinstance(theirs, str) else theirs)
    if isinstance(ours, memoryview):
        return ours.tolist() == (theirs if isinstance(theirs, list) else theirs.tolist())
    if isinstance(ours, Sequence):
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if isinstance(ours, bool) != isinstance(theirs, bool | np.bool_):
        return False
    return bool(ours == theirs) or (math.isnan(ours) and math.isnan(theirs))


def pack(thing: Any, identifier: bytes = b"TFL3") -> bytes:
    """The bytes of an object of LiteRT's API, by flatc's own code."""
    builder = flatbuffers.Builder(0)
    builder.Finish(thing.Pack(builder), identifier)
    return bytes(builder.Output())


# What flatc made of the schema


@dataclass(frozen=True)
class Slot:
    """A place in a vtable: the name, what `Builder` writes there ("Int8", "UOffsetTRelative"), and what elements."""

    name: str
    kind: str
    element: str | None


@cache
def slots(table: str) -> tuple[Slot | None, ...]:
    """The vtable of a table as LiteRT's generated code fills it; None for a deprecated field."""
    found: list[Slot | None] = [None] * int(_search(r"StartObject\((\d+)\)", f"{table}Start"))
    for name in functions():
        if name.startswith(f"{table}Add"):
            source = functions()[name]
            match = re.search(r"Prepend(\w+)Slot\((\d+),", source)
            assert match is not None, name
            accessor = name.removeprefix(f"{table}Add")
            found[int(match[2])] = Slot(accessor, match[1], _element(table, accessor))
    return tuple(found)


@cache
def functions() -> dict[str, str]:
    """The source of each function of LiteRT's generated module."""
    module = ast.parse(inspect.getsource(litert))
    return {each.name: ast.unparse(each) for each in module.body if isinstance(each, ast.FunctionDef)}


def _search(pattern: str, function: str) -> str:
    match = re.search(pattern, functions()[function])
    assert match is not None, function
    return match[1]


def _element(table: str, accessor: str) -> str | None:
    as_numpy = getattr(getattr(litert, table), f"{accessor}AsNumpy", None)
    if as_numpy is None:
        return None
    match = re.search(r"number_types\.(\w+)Flags, o\)", inspect.getsource(as_numpy))
    assert match is not None, accessor
    return match[1]


def enums_and_unions() -> dict[str, dict[str, int]]:
    """Every enum and union of the schema with its members."""
    return {
        name: members
        for name, each in vars(litert).items()
        if isinstance(each, type) and not hasattr(litert, f"{name}T") and (members := numbers_of(each))
    }


def numbers_of(enum: type) -> dict[str, int]:
    """The members of an enum as flatc writes it: a class of numbers."""
    # since Python 3.13 a class also knows the number of its first line
    return {name: value for name, value in vars(enum).items() if isinstance(value, int) and name != "__firstlineno__"}


@cache
def hints(table: type[Table]) -> dict[str, Any]:
    """The types of a table's fields as we declare them."""
    return get_type_hints(table)


# The tflite package


def older_differences(ours: Any, theirs: Any, path: str = "Model") -> Iterator[str]:
    """Every place where a table of ours differs from what the accessors of the `tflite` package give."""
    for field in type(ours).fields:
        value, here = getattr(ours, field.name), f"{path}.{field.name}"
        accessor = getattr(theirs, camel(field.name), None)
        if field.name == "builtin_code":
            accessor = None  # its own code folds the two fields into one, wrongly
            if value != _raw(theirs, 10, flatbuffers.number_types.Int32Flags):
                yield f"{here}: {value!r}"
        if accessor is None:
            continue  # newer than this package, or deprecated
        yield from _older(value, accessor, theirs, camel(field.name), here)


def _older(value: Any, accessor: Any, theirs: Any, name: str, here: str) -> Iterator[str]:
    length = getattr(theirs, f"{name}Length", None)
    if length is not None:
        found = 0 if value is None else len(value)
        if found != length() or (value is None) != getattr(theirs, f"{name}IsNone")():
            yield f"{here}: {found} for {length()}"
        elif value and isinstance(value[0], Table):
            for i, each in enumerate(value):
                yield from older_differences(each, accessor(i), f"{here}[{i}]")
        elif value and not equal(value, getattr(theirs, f"{name}AsNumpy")()):
            yield f"{here}: {value!r}"
    elif isinstance(value, Table):
        other = accessor()
        if isinstance(other, flatbuffers.table.Table):  # a union: the accessor does not say what is in it
            if not hasattr(tflite, type(value).__name__):
                return  # newer than this package
            union, other = other, getattr(tflite, type(value).__name__)()
            other.Init(union.Bytes, union.Pos)
        yield from older_differences(value, other, here)
    elif not equal(value, accessor()):
        yield f"{here}: {value!r} for {accessor()!r}"


def _raw(table: Any, vtable_offset: int, flags: Any) -> Any:
    place = table._tab.Offset(vtable_offset)
    return table._tab.Get(flags, place + table._tab.Pos) if place else 0


def older_model(data: bytes) -> Any:
    """The root of the file, by the `tflite` package."""
    return tflite.Model.GetRootAs(data, 0)
