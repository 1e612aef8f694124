"""Shapes that are stretched to fit one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from refinfer.kernels.broadcast import MAX_RANK, broadcast_shape
from refinfer.kernels.kernel import Refusal


@given(mutually_broadcastable_shapes(num_shapes=3, max_dims=MAX_RANK, min_side=0))
def test_shapes_are_stretched_as_in_numpy(shapes: object) -> None:
    given_shapes = shapes.input_shapes  # type: ignore[attr-defined]  # hypothesis does not name the type
    assert broadcast_shape(*given_shapes) == np.broadcast_shapes(*given_shapes)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Refusal, match=r"shapes \(2, 3\), \(2,\) do not fit one another"):
        broadcast_shape((2, 3), (2,))


def test_equal_shapes_may_have_any_rank_and_others_up_to_eight() -> None:
    long = (1,) * 9
    assert broadcast_shape(long, long) == long
    with pytest.raises(Refusal, match="9 dimensions"):
        broadcast_shape(long, (2,) * 9)
