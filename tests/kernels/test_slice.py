"""What SLICE, STRIDED_SLICE and DYNAMIC_UPDATE_SLICE ask for and refuse."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import StridedSliceOptions
from tests.kernels.nodes import FLOAT32, INT32, RELEASE, node, refused, refused_by_invoke, tensor


def ints(*values: int) -> Tensor:
    return tensor(INT32, len(values), data=struct.pack(f"<{len(values)}i", *values))


def strided(x: Tensor, y: Tensor, begin: int, end: int, stride: int, **masks: int) -> Node:
    inputs = [x, ints(begin), ints(end), ints(stride)]
    return node(BuiltinOperator.STRIDED_SLICE, inputs, y, StridedSliceOptions(**masks))


@given(
    size=st.integers(1, 12),
    begin=st.none() | st.integers(-15, 15),
    end=st.none() | st.integers(-15, 15),
    stride=st.integers(-4, 4).filter(bool),
)
def test_a_strided_slice_has_as_many_elements_as_pythons(
    size: int, begin: int | None, end: int | None, stride: int
) -> None:
    elements = len(range(size)[begin:end:stride])
    masks = {"begin_mask": int(begin is None), "end_mask": int(end is None)}
    for length in (elements, elements + 1):
        of = strided(tensor(FLOAT32, size), tensor(FLOAT32, length), begin or 0, end or 0, stride, **masks)
        assert (refused(of) is None) == (length == elements)


def test_a_shrunk_axis_is_gone() -> None:
    assert refused(strided(tensor(FLOAT32, 5), tensor(FLOAT32), 4, 0, 1, shrink_axis_mask=1)) is None


def test_a_stride_of_zero_never_ends() -> None:
    of = strided(tensor(FLOAT32, 5), tensor(FLOAT32, 5), 0, 5, 0)
    assert refused(of) == "stride value has to be non-zero"


def test_slice_asserts_in_debug_builds_alone() -> None:
    indices = [ints(*[0] * 6), ints(*[1] * 6)]
    of = node(BuiltinOperator.SLICE, [tensor(FLOAT32, *[1] * 6), *indices], tensor(FLOAT32, *[1] * 6))
    assert refused(of) == "6 dimensions; at most 5 (debug builds abort)"
    assert refused(of, RELEASE) is None


def test_slice_does_not_run_on_uint8() -> None:
    x = tensor(TensorType.UINT8, 3)
    of = node(BuiltinOperator.SLICE, [x, ints(0), ints(3)], x)
    assert refused(of) is None
    assert refused_by_invoke(of) == "Input tensor type UINT8 not supported."


def test_an_update_is_no_larger_than_what_it_updates() -> None:
    operand, start = tensor(FLOAT32, 5, 4), tensor(INT32, 2)
    for update, refusal in (
        (tensor(FLOAT32, 5, 1), None),
        (tensor(FLOAT32, 6, 1), "shape (6, 1) is larger than the operand's (5, 4)"),
    ):
        assert refused(node(BuiltinOperator.DYNAMIC_UPDATE_SLICE, [operand, update, start], operand)) == refusal
