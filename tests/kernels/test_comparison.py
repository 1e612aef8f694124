"""What comparisons, logic and selection ask for and refuse."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refinfer.schema.enums import BuiltinOperator, TensorType
from tests.kernels.nodes import FLOAT32, INT8, INT16, node, refused, refused_by_invoke, tensor

BOOL = TensorType.BOOL
shapes = st.lists(st.sampled_from([1, 1, 2, 3]), max_size=4).map(tuple)


def test_int8_can_be_compared_only_in_scales_below_1() -> None:
    fine, coarse, y = tensor(INT8, 4, scale=0.99), tensor(INT8, 4, scale=1.0), tensor(BOOL, 4)
    assert refused(node(BuiltinOperator.LESS, [fine, fine], y)) is None
    assert refused(node(BuiltinOperator.LESS, [fine, coarse], y)) is not None
    assert refused(node(BuiltinOperator.LESS, [tensor(FLOAT32, 4), coarse], y)) is None


def test_greater_alone_takes_int16_and_equal_takes_bool() -> None:
    for op in ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"):
        for of, takers in ((INT16, {"GREATER"}), (BOOL, {"EQUAL", "NOT_EQUAL"})):
            compared = node(BuiltinOperator[op], [tensor(of, 4)] * 2, tensor(BOOL, 4))
            assert refused_by_invoke(compared) == (None if op in takers else f"Type {of.name} not supported.")


@given(shapes, shapes, shapes)
def test_select_takes_what_broadcasts_to_its_output(
    condition: tuple[int, ...], x: tuple[int, ...], other: tuple[int, ...]
) -> None:
    inputs = [tensor(BOOL, *condition), tensor(FLOAT32, *x), tensor(FLOAT32, *other)]
    try:
        together = np.broadcast_shapes(condition, x, other)
    except ValueError:
        assert refused(node(BuiltinOperator.SELECT_V2, inputs, tensor(FLOAT32, 3, 3, 3, 3))) is not None
    else:
        assert refused(node(BuiltinOperator.SELECT_V2, inputs, tensor(FLOAT32, *together))) is None


def test_select_refuses_an_output_of_another_size() -> None:
    inputs = [tensor(BOOL, 2, 1), tensor(FLOAT32, 1, 3), tensor(FLOAT32, 2, 3)]
    assert refused(node(BuiltinOperator.SELECT_V2, inputs, tensor(FLOAT32, 2, 2))) == (
        "size 2 along dimension 1; 3 was expected"
    )
