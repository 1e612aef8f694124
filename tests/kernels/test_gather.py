"""What GATHER, GATHER_ND and EMBEDDING_LOOKUP ask for and refuse."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.kernel import Reshaped
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import GatherOptions
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, X86_64, node, persistent, prepared, refused, tensor

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(shapes, st.lists(st.integers(1, 4), max_size=3), st.data())
def test_gather_works_out_the_shape_that_numpy_takes(shape: list[int], places: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    y = tensor(FLOAT32, *shape)
    of = node(BuiltinOperator.GATHER, [tensor(FLOAT32, *shape), tensor(INT32, *places)], y, GatherOptions(axis=axis))
    taken = np.take(np.zeros(shape), np.zeros(places, int), axis=axis)
    assert Reshaped(y, taken.shape) in prepared(of)
    assert persistent(of) == [4 + 4 * len(y.shape)]


def test_batches_of_positions_are_those_of_the_input() -> None:
    x, y, options = tensor(FLOAT32, 2, 5, 3), tensor(FLOAT32, 2, 4, 3), GatherOptions(axis=1, batch_dims=1)
    of = node(BuiltinOperator.GATHER, [x, tensor(INT32, 2, 4)], y, options)
    assert Reshaped(y, (2, 4, 3)) in prepared(of)
    assert refused(node(BuiltinOperator.GATHER, [x, tensor(INT32, 3, 4)], y, options)) == (
        "batches of (3,); the input has (2,)"
    )


@given(shapes, st.data())
def test_gather_nd_works_out_the_shape_that_numpy_indexes(shape: list[int], data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, len(shape)))
    rows = data.draw(st.lists(st.integers(1, 4), max_size=2))
    y = tensor(FLOAT32, 1)
    of = node(BuiltinOperator.GATHER_ND, [tensor(FLOAT32, *shape), tensor(INT32, *rows, depth)], y)
    indexed = np.zeros(shape)[tuple(np.zeros((depth, *rows), int))]
    assert Reshaped(y, indexed.shape) in prepared(of)


def test_gathers_name_the_types_that_they_do_not_take() -> None:
    x, positions = tensor(INT16, 4), tensor(INT32, 2)
    assert refused(node(BuiltinOperator.GATHER, [x, positions], x)) == "Type 'INT16' is not supported by gather."
    wide = tensor(TensorType.INT64, 2)
    assert refused(node(BuiltinOperator.GATHER, [tensor(FLOAT32, 4), wide], x)) == (
        "Positions of type 'INT64' are not supported by gather."
    )


def test_a_lookup_keeps_its_shape_and_then_its_struct() -> None:
    of = node(BuiltinOperator.EMBEDDING_LOOKUP, [tensor(INT32, 2), tensor(FLOAT32, 9, 3)], tensor(FLOAT32, 2, 3))
    assert persistent(of) == [12, 8]
    assert persistent(of, X86_64) == [12, 16]


def test_a_lookup_that_becomes_float_is_symmetric() -> None:
    for zero_point, refusal in ((0, None), (3, "zero point 3; it must be 0")):
        table = tensor(INT8, 9, 3, scale=0.5, zero_point=zero_point)
        of = node(BuiltinOperator.EMBEDDING_LOOKUP, [tensor(INT32, 2), table], tensor(FLOAT32, 2, 3))
        assert refused(of) == refusal
