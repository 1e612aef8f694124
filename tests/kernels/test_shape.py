"""What RESHAPE, SQUEEZE and their like ask for and refuse."""

from __future__ import annotations

import struct
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.kernel import Reshaped
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Tensor
from refinfer.schema.options import SqueezeOptions
from tests.kernels.nodes import (
    FLOAT32,
    INT16,
    INT32,
    looked_at,
    node,
    persistent,
    prepared,
    refused,
    refused_by_invoke,
    tensor,
)

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def ints(*values: int) -> Tensor:
    return tensor(INT32, len(values), data=struct.pack(f"<{len(values)}i", *values))


@given(shapes, st.data())
def test_reshape_works_out_the_dimension_that_is_left_open(shape: list[int], data: st.DataObject) -> None:
    open_at = data.draw(st.sampled_from(range(len(shape))))
    y = tensor(FLOAT32, *(-1 if axis == open_at else size for axis, size in enumerate(shape)))
    of = node(BuiltinOperator.RESHAPE, [tensor(FLOAT32, prod(shape))], y)
    assert Reshaped(y, tuple(shape)) in prepared(of)
    assert persistent(of) == [4 + 4 * len(shape)]


def test_reshape_keeps_nothing_of_a_shape_that_is_complete() -> None:
    assert persistent(node(BuiltinOperator.RESHAPE, [tensor(FLOAT32, 2, 6), ints(-1, 4)], tensor(FLOAT32, 3, 4))) == []


def test_reshape_does_not_look_at_its_shape_input() -> None:
    x, y = tensor(FLOAT32, 2, 6), tensor(FLOAT32, 3, 4)
    assert looked_at(node(BuiltinOperator.RESHAPE, [x, ints(7, 7)], y)) == [x, y]


def test_reshape_keeps_the_number_of_elements() -> None:
    of = node(BuiltinOperator.RESHAPE, [tensor(FLOAT32, 2, 6)], tensor(FLOAT32, 3, 5))
    assert refused(of) == "15 elements; the input has 12"


def test_a_lone_zero_is_an_old_way_to_write_a_scalar() -> None:
    y = tensor(FLOAT32, 0)
    assert Reshaped(y, ()) in prepared(node(BuiltinOperator.RESHAPE, [tensor(FLOAT32, 1)], y))
    with_shape_input = node(BuiltinOperator.RESHAPE, [tensor(FLOAT32, 1), ints(0)], y)
    assert refused(with_shape_input) == "0 elements; the input has 1"


def test_squeeze_drops_every_one_unless_told_which() -> None:
    x = tensor(FLOAT32, 1, 3, 1)
    assert refused(node(BuiltinOperator.SQUEEZE, [x], tensor(FLOAT32, 3))) is None
    last = SqueezeOptions(squeeze_dims=(-1,))
    assert refused(node(BuiltinOperator.SQUEEZE, [x], tensor(FLOAT32, 1, 3), last)) is None
    assert refused(node(BuiltinOperator.SQUEEZE, [x], tensor(FLOAT32, 3), last)) is not None
    middle = SqueezeOptions(squeeze_dims=(1,))
    assert (
        refused(node(BuiltinOperator.SQUEEZE, [x], tensor(FLOAT32, 3), middle))
        == "axis 1 of (1, 3, 1) is not of size 1"
    )


@given(shapes, st.data())
def test_expand_dims_inserts_a_one(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    expanded = list(shape)
    expanded.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
    of = node(BuiltinOperator.EXPAND_DIMS, [tensor(FLOAT32, *shape), ints(axis)], tensor(FLOAT32, *expanded))
    assert refused(of) is None


def test_transpose_wants_its_axes_in_the_file() -> None:
    x, y = tensor(FLOAT32, 2, 3), tensor(FLOAT32, 3, 2)
    assert refused(node(BuiltinOperator.TRANSPOSE, [x, ints(1, 0)], y)) is None
    assert refused(node(BuiltinOperator.TRANSPOSE, [x, ints(1, 2)], y)) == (
        "Transpose op permutations array is out of bounds."
    )
    computed = node(BuiltinOperator.TRANSPOSE, [x, tensor(INT32, 2)], y)
    assert refused(computed) == "Non-constant >perm< tensor is not supported"


def test_a_type_that_only_invoke_refuses_gets_through_prepare() -> None:
    of = node(BuiltinOperator.EXPAND_DIMS, [tensor(INT32, 2), ints(0)], tensor(INT32, 1, 2))
    assert refused(of) is None
    assert refused_by_invoke(of) == "Expand_Dims only currently supports int8, int16 and float32, got INT32."


def test_shape_gives_int32() -> None:
    for of, refusal in ((INT32, None), (TensorType.INT64, "Output type INT64 not supported.")):
        assert refused_by_invoke(node(BuiltinOperator.SHAPE, [tensor(FLOAT32, 2)], tensor(of, 1))) == refusal


def test_broadcast_repeats_ones_alone() -> None:
    y = tensor(FLOAT32, 4, 3)
    assert refused(node(BuiltinOperator.BROADCAST_TO, [tensor(FLOAT32, 1, 3), ints(4, 3)], y)) is None
    assert refused(node(BuiltinOperator.BROADCAST_TO, [tensor(FLOAT32, 3), ints(4, 3)], y)) is None
    assert refused(node(BuiltinOperator.BROADCAST_TO, [tensor(FLOAT32, 2, 3), ints(4, 3)], y)) == (
        "Output shape must be broadcastable from input shape."
    )


def test_fill_fills_the_shape_that_its_dims_say() -> None:
    value = tensor(FLOAT32)
    assert refused(node(BuiltinOperator.FILL, [ints(2, 3), value], tensor(FLOAT32, 2, 3))) is None
    assert refused(node(BuiltinOperator.FILL, [ints(2, 3), value], tensor(FLOAT32, 3, 2))) == (
        "shape (3, 2); (2, 3) was expected"
    )
    assert refused_by_invoke(node(BuiltinOperator.FILL, [ints(2), tensor(INT16)], tensor(INT16, 2))) is not None
