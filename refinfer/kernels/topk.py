"""TOPK_V2: the largest values of each row. TFLM has no such operator.

Source: tensorflow/lite/kernels/topk_v2.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    input_at,
    output_at,
    require_arity,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import Values, known, numbers, require_one
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold_topk(node: Node, host: Host) -> Evaluate:
    """The k largest values along the last axis, the largest first, and where they are."""
    require_arity(node, 2, 2)
    x, k, indices = input_at(node, 0), input_at(node, 1), output_at(node, 1)
    require_same_type(x, output_at(node, 0))
    require_type(k, TensorType.INT32, TensorType.INT16)
    require_one(k)
    require_type(indices, TensorType.INT32, TensorType.INT16)
    dtype = dtype_of(indices.type)

    def evaluate(x: Array, k: Array) -> tuple[Array, ...]:
        (*_, count) = topmost(x.shape, numbers(k))
        fits = x.size == 0 or count == 0 or x.shape[-1] <= np.iinfo(dtype).max
        require(fits, f"rows of {x.shape[-1]} have no indices of {dtype}")
        order = descending(x)[..., :count]
        return np.take_along_axis(x, order, -1), order.astype(dtype)

    return evaluate


def descending(x: Array) -> Array:
    """The order of each row from its largest value to the least; the earlier of equals, and NaN last."""
    unknown = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    ascending = np.where(unknown, -np.inf, x) if x.dtype.kind == "f" else x
    backwards = np.argsort(ascending[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    order = x.shape[-1] - 1 - backwards
    last = np.argsort(np.take_along_axis(unknown, order, -1), axis=-1, kind="stable")
    return np.take_along_axis(order, last, -1)


def topmost(shape: Shape, k: Values) -> Shape:
    """k values along the last axis; none, if k is negative."""
    require(len(shape) >= 1, "TopK k input must have 1 or more dimensions.")
    count = max(0, k[0])
    require(count <= shape[-1], "TopK k is higher than the internal dimension.")
    return (*shape[:-1], count)


def shape_of_topk(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The same for values and indices."""
    k = known(node, 1)
    return None if k is None else [topmost(shapes[0], k)] * 2


TOPK_TYPES = frozenset(
    {
        TensorType.FLOAT32,
        TensorType.UINT8,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
    }
)
COMPUTE_TOPK_V2 = Compute(fold=fold_topk, shape=shape_of_topk, types=TOPK_TYPES, version=3)
