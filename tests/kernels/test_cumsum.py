"""What CUMSUM asks for and refuses."""

from __future__ import annotations

import struct

import pytest

from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node
from tests.kernels.nodes import FLOAT32, INT8, INT32, node, persistent, refused, refused_by_invoke, tensor


def summed(axis: int | None) -> Node:
    constant = None if axis is None else struct.pack("<i", axis)
    return node(BuiltinOperator.CUMSUM, [tensor(FLOAT32, 2, 3), tensor(INT32, data=constant)], tensor(FLOAT32, 2, 3))


def test_the_struct_is_kept_for_int8_only_and_asked_for_in_prepare() -> None:
    x = tensor(INT8, 4, scale=0.5)
    assert persistent(node(BuiltinOperator.CUMSUM, [x, tensor(INT32)], x)) == [36]
    assert persistent(summed(0)) == []


@pytest.mark.parametrize("axis", [-3, 2])
def test_an_axis_out_of_range_fails_as_late_as_invoke(axis: int) -> None:
    assert refused(summed(axis)) is None
    assert refused_by_invoke(summed(axis)) == f"CUMSUM Invalid axis: {axis if axis > 0 else axis + 2}"


@pytest.mark.parametrize("axis", [-2, -1, 0, 1, None])
def test_an_axis_in_range_or_unknown_is_taken(axis: int | None) -> None:
    assert refused_by_invoke(summed(axis)) is None
