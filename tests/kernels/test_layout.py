"""Struct sizes, against what compilers gave: tests/data/struct_sizes.json, and ctypes for structs of any kind."""

from __future__ import annotations

import ctypes
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import refinfer.kernels
from refinfer.kernels.changes import older_than
from refinfer.kernels.common import USE_TFLM_COMPRESSION
from refinfer.kernels.layout import (
    BOOL,
    DOUBLE,
    ENUM,
    FLOAT,
    INT8,
    INT16,
    INT32,
    INT64,
    POINTER,
    SIZE_T,
    UINT8,
    UINT16,
    Abi,
    Build,
    Member,
    Repeated,
    Struct,
    When,
    round_up,
    struct,
)

LP64, ILP32, ARM_EABI, I386 = Abi(8, 4), Abi(4, 4), Abi(4, 1), Abi(4, 4, align64=4)
COMPRESSION = frozenset({USE_TFLM_COMPRESSION})
DATES = (
    *("2023-01-01", "2023-03-15", "2023-07-01", "2024-01-01", "2024-07-01"),
    *("2025-01-15", "2025-07-01", "2026-01-01"),
)
BUILDS = {
    "lp64": Build(LP64),
    "lp64+compression": Build(LP64, COMPRESSION),
    "ilp32": Build(ILP32),
    "ilp32+compression": Build(ILP32, COMPRESSION),
    "arm_eabi": Build(ARM_EABI),
    "arm_eabi+compression": Build(ARM_EABI, COMPRESSION),
    "i386": Build(I386),
    "arduino": Build(ARM_EABI, older_than("2023-01-13")),
    **{f"ilp32 {date}": Build(ILP32, older_than(date)) for date in DATES},
}
RECORDED: dict[str, dict[str, list[int]]] = json.loads(
    Path(__file__).parents[1].joinpath("data", "struct_sizes.json").read_text()
)["structs"]


def declared() -> dict[str, Struct]:
    """Every struct that a module of the kernels package declares, and every struct within these."""
    structs: dict[str, Struct] = {}
    for found in pkgutil.iter_modules(refinfer.kernels.__path__):
        for value in vars(import_module(f"refinfer.kernels.{found.name}")).values():
            if isinstance(value, Struct):
                structs |= {each.name: each for each in structs_in(value)}
    return structs


def structs_in(member: Member) -> Iterator[Struct]:
    """The struct itself, and those that are its members."""
    if isinstance(member, Struct):
        yield member
        for _, each in member.members:
            yield from structs_in(each)
    elif isinstance(member, Repeated | When):
        yield from structs_in(member.member)


def recorded(name: str) -> dict[str, list[int]]:
    """The record of a struct; one whose name occurs once goes without the scope."""
    if name in RECORDED:
        return RECORDED[name]
    (only,) = [key for key in RECORDED if key.endswith(f":{name}")]
    return RECORDED[only]


@pytest.mark.parametrize("name", sorted(declared()))
def test_every_declared_struct_has_the_size_and_alignment_that_compilers_gave_it(name: str) -> None:
    record = recorded(name)
    computed = {build: list(BUILDS[build].size_align(declared()[name])) for build in record}
    assert computed == record


def test_a_release_may_state_the_size_of_a_struct() -> None:
    inner, build = struct("Inner", x=INT32), Build(LP64, structs={"Inner": (32, 8)})
    assert build.size_align(inner) == (32, 8)
    assert build.size_align(struct("Outer", flag=BOOL, inner=inner)) == (40, 8)


def test_a_member_may_exist_in_some_builds_only() -> None:
    either = struct("Either", small=When("SMALL", INT8), large=When("SMALL", INT64, absent=True))
    assert Build(LP64, frozenset({"SMALL"})).sizeof(either) == 1
    assert Build(LP64).sizeof(either) == 8


def test_an_empty_struct_takes_a_byte() -> None:
    assert Build(LP64).size_align(struct("Empty")) == (1, 1)


HOST = {
    BOOL: ctypes.c_bool,
    INT8: ctypes.c_int8,
    UINT8: ctypes.c_uint8,
    INT16: ctypes.c_int16,
    UINT16: ctypes.c_uint16,
    INT32: ctypes.c_int32,
    FLOAT: ctypes.c_float,
    INT64: ctypes.c_int64,
    DOUBLE: ctypes.c_double,
    ENUM: ctypes.c_int,
    POINTER: ctypes.c_void_p,
    SIZE_T: ctypes.c_size_t,
}


def on_this_machine(member: Member) -> Any:
    """The ctypes type of a member."""
    match member:
        case Struct(members=members):
            fields = [(name, on_this_machine(each)) for name, each in members]
            return type("Host", (ctypes.Structure,), {"_fields_": fields})
        case Repeated(member=each, count=count):
            return on_this_machine(each) * count
        case When():
            raise AssertionError("no macros here")
        case _:
            return HOST[member]


members = st.recursive(
    st.sampled_from(list(HOST)),
    lambda inner: (
        st.builds(Repeated, inner, st.integers(1, 5))
        | st.lists(inner, min_size=1, max_size=6).map(
            lambda each: Struct("Any", tuple((f"m{i}", m) for i, m in enumerate(each)))
        )
    ),
    max_leaves=20,
)


@given(members)
def test_any_struct_is_as_large_as_on_this_machine(member: Member) -> None:
    host = Abi(ctypes.sizeof(ctypes.c_void_p), ctypes.sizeof(ctypes.c_int), ctypes.alignment(ctypes.c_int64))
    expected = on_this_machine(member)
    assert Build(host).size_align(member) == (ctypes.sizeof(expected), ctypes.alignment(expected))


@given(st.integers(0, 10**9), st.sampled_from([1, 2, 4, 8, 16, 3]))
def test_rounding_up_gives_the_next_multiple(value: int, multiple: int) -> None:
    rounded = round_up(value, multiple)
    assert rounded % multiple == 0
    assert 0 <= rounded - value < multiple
