"""What BATCH_MATMUL asks for and refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.kernel import Reshaped
from refinfer.kernels.layout import Build
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.options import BatchMatMulOptions
from tests.kernels.nodes import CORTEX_M4, FLOAT32, INT8, X86_64, node, persistent, prepared, refused, tensor

matrices = st.lists(st.integers(1, 3), min_size=2, max_size=5).map(tuple)


@given(matrices, matrices, st.booleans(), st.booleans())
def test_the_output_gets_the_shape_of_the_product(
    lhs: tuple[int, ...], rhs: tuple[int, ...], adj_x: bool, adj_y: bool
) -> None:
    left, right = np.zeros(lhs), np.zeros(rhs)
    inputs, options = [tensor(FLOAT32, *lhs), tensor(FLOAT32, *rhs)], BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y)
    try:
        product = np.matmul(left.swapaxes(-1, -2) if adj_x else left, right.swapaxes(-1, -2) if adj_y else right)
    except ValueError:
        y = tensor(FLOAT32, 3, 3, 3, 3, 3)
        assert refused(node(BuiltinOperator.BATCH_MATMUL, inputs, y, options)) is not None
    else:
        y = tensor(FLOAT32, *product.shape)
        assert Reshaped(y, product.shape) in prepared(node(BuiltinOperator.BATCH_MATMUL, inputs, y, options))


@pytest.mark.parametrize(("build", "eval_tensor"), [(CORTEX_M4, 12), (X86_64, 24)])
def test_a_transposed_copy_is_kept_of_a_side_that_does_not_lie_by_columns(build: Build, eval_tensor: int) -> None:
    inputs, y = [tensor(FLOAT32, 2, 2, 3), tensor(FLOAT32, 2, 3, 5)], tensor(FLOAT32, 2, 2, 5)
    copy_of_rhs, dims = [eval_tensor, 4 + 4 * 3, 4 * 2 * 3 * 5], [4 + 4 * 3]
    assert persistent(node(BuiltinOperator.BATCH_MATMUL, inputs, y, BatchMatMulOptions()), build) == copy_of_rhs + dims


def test_the_other_side_is_copied_too_if_it_is_given_transposed() -> None:
    inputs, y = [tensor(FLOAT32, 3, 2), tensor(FLOAT32, 5, 3)], tensor(FLOAT32, 2, 5)
    both = node(BuiltinOperator.BATCH_MATMUL, inputs, y, BatchMatMulOptions(adj_x=True, adj_y=True))
    assert persistent(both) == [12, 4 + 4 * 2, 4 * 3 * 2, 4 + 4 * 2]


def test_integers_need_a_struct_more() -> None:
    inputs = [tensor(INT8, 2, 3, scale=0.5), tensor(INT8, 5, 3, scale=0.5)]
    product = node(BuiltinOperator.BATCH_MATMUL, inputs, tensor(INT8, 2, 5, scale=1.0), BatchMatMulOptions(adj_y=True))
    assert persistent(product) == [28, 4 + 4 * 2]
