"""A model whose first operator rounds ties, and so decides in two ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refinfer.comparison.dialects import Comparison, diff
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.options import Conv2DOptions
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build

Array = NDArray[Any]

INT8, INT32 = TensorType.INT8, TensorType.INT32


def int8(shape: tuple[int, ...], scale: float, data: Array | None = None) -> TensorSpec:
    return TensorSpec(INT8, shape, [scale], [0], data=data)


def ties() -> tuple[bytes, Array]:
    """A CONV_2D whose sums are -10 and -9, a quarter of which are -2.5 and -2.25, and MAXIMUM of that with itself."""
    weights = np.array([-10, -9], np.int8).reshape(2, 1, 1, 1)
    bias = TensorSpec(INT32, (2,), [0.25], [0], data=np.zeros(2, np.int32))
    x, y, z = int8((1, 1, 1, 1), 0.5), int8((1, 1, 1, 2), 1.0), int8((1, 1, 1, 2), 1.0)
    options = Conv2DOptions(padding=Padding.VALID, stride_w=1, stride_h=1)
    nodes = [
        NodeSpec(BuiltinOperator.CONV_2D, [x, int8((2, 1, 1, 1), 0.5, weights), bias], [y], options, version=3),
        NodeSpec(BuiltinOperator.MAXIMUM, [y, y], [z]),
    ]
    return build(SubgraphSpec(nodes, [x], [z])), np.ones((1, 1, 1, 1), np.int8)


def compared() -> Comparison:
    """The model on 1, called one.npy, and on 0, called zero.npy."""
    model, one = ties()
    return diff(model, [[one], [np.zeros_like(one)]], names=["one.npy", "zero.npy"], official=False)
