"""What the pooling operators ask for and refuse."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.kernel import Persistent, Reshaped
from refinfer.kernels.window import output_size
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.options import Pool2DOptions
from tests.kernels.nodes import FLOAT32, INT8, node, prepared, refused, tensor

sizes = st.integers(1, 40)


@given(sizes, sizes, sizes)
def test_as_many_windows_fit_as_can_be_laid_down(size: int, length: int, stride: int) -> None:
    starts = range(0, size, stride)
    assert output_size(Padding.SAME, size, length, stride) == len(starts)
    assert output_size(Padding.VALID, size, length, stride) == sum(start + length <= size for start in starts)


def test_l2_pool_keeps_the_outputs_shape_and_works_it_out_itself() -> None:
    options = Pool2DOptions(padding=Padding.VALID, stride_w=2, stride_h=1, filter_width=3, filter_height=2)
    y = tensor(FLOAT32, 1, 1, 1, 1)
    requests = prepared(node(BuiltinOperator.L2_POOL_2D, [tensor(FLOAT32, 2, 5, 7, 3)], y, options))
    (dims,) = (request for request in requests if isinstance(request, Persistent))
    assert dims.nbytes == 4 + 4 * 4
    assert Reshaped(y, (2, 4, 3, 3)) in requests


def test_pooling_does_not_rescale() -> None:
    x = tensor(INT8, 1, 4, 4, 1, scale=0.5)
    pooled = {scale: tensor(INT8, 1, 2, 2, 1, scale=scale) for scale in (0.5, 0.25)}
    for op in (BuiltinOperator.AVERAGE_POOL_2D, BuiltinOperator.MAX_POOL_2D):
        assert refused(node(op, [x], pooled[0.5])) is None
        assert refused(node(op, [x], pooled[0.25])) == "scale 0.25; the input's is 0.5"


def test_uint8_is_refused() -> None:
    x, y = tensor(TensorType.UINT8, 1, 4, 4, 1, scale=0.5), tensor(TensorType.UINT8, 1, 2, 2, 1, scale=0.5)
    assert refused(node(BuiltinOperator.MAX_POOL_2D, [x], y)) == "Type UINT8 not supported."
