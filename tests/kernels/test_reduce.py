"""What reductions ask for and refuse."""

from __future__ import annotations

import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from tests.kernels.nodes import (
    FLOAT32,
    INT8,
    INT16,
    INT32,
    looked_at,
    node,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)


def reduced(op: BuiltinOperator, of: TensorType, *, output_scale: float = 0.5) -> Node:
    """Over two axes of four, which leaves 12 elements."""
    return node(
        op,
        [tensor(of, 3, 7, 7, 4, scale=0.5), tensor(INT32, 2)],
        tensor(of, 3, 4, scale=output_scale),
    )


@pytest.mark.parametrize("op", [BuiltinOperator.MEAN, BuiltinOperator.SUM])
def test_sums_of_integers_need_room_for_each_output(op: BuiltinOperator) -> None:
    assert scratch(reduced(op, FLOAT32)) == [4 * 4, 4 * 2]
    assert scratch(reduced(op, INT8)) == [4 * 12, 4 * 4, 4 * 2]
    assert scratch(reduced(op, INT16)) == [4 * 12, 4 * 4, 4 * 2]


@pytest.mark.parametrize("op", [BuiltinOperator.REDUCE_MAX, BuiltinOperator.REDUCE_MIN])
def test_the_largest_needs_no_sums_and_is_not_rescaled(op: BuiltinOperator) -> None:
    assert scratch(reduced(op, INT8)) == [4 * 4, 4 * 2]
    assert refused_by_invoke(reduced(op, INT8)) is None
    assert refused_by_invoke(reduced(op, INT8, output_scale=0.25)) == "scale 0.25; the input's is 0.5"
    assert refused_by_invoke(reduced(op, INT16)) == "Only float32 and int8 types are supported."


def test_prepare_looks_at_int8_more_often() -> None:
    assert len(looked_at(reduced(BuiltinOperator.MEAN, FLOAT32))) == 5
    assert len(looked_at(reduced(BuiltinOperator.MEAN, INT8))) == 6


def test_only_truth_values_can_all_be_true() -> None:
    assert refused(reduced(BuiltinOperator.REDUCE_ALL, TensorType.BOOL)) is None
    assert refused(reduced(BuiltinOperator.REDUCE_ALL, INT8)) is not None


def test_the_index_of_the_largest_is_int32() -> None:
    x, axis = tensor(FLOAT32, 3, 4), tensor(INT32, 1)
    assert refused_by_invoke(node(BuiltinOperator.ARG_MAX, [x, axis], tensor(INT32, 3))) is None
    assert refused_by_invoke(node(BuiltinOperator.ARG_MAX, [x, axis], tensor(TensorType.INT64, 3))) == (
        "Only int32_t are supported currently, got INT64."
    )
