"""Values put where indices say: SCATTER_ND and SPARSE_TO_DENSE. TFLM has neither.

Sources: scatter_nd.cc, sparse_to_dense.cc in tensorflow/lite/kernels; internal/reference/reference_ops.h there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, require_arity, require_rank, require_same_type, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import known, numbers, require_one
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_DIMENSIONS = 4  # of SPARSE_TO_DENSE


def fold_scatter_nd(node: Node, host: Host) -> Evaluate:
    """Zeros, to which updates are added at their indices, one after the other."""
    require_arity(node, 3, 1)
    indices, updates, shape = (input_at(node, position) for position in range(3))
    require_type(updates, *SCATTERED)
    require_same_type(indices, shape)
    require_rank(shape, 1)
    return evaluate_scatter_nd


def evaluate_scatter_nd(indices: Array, updates: Array, shape: Array) -> tuple[Array, ...]:
    """y[indices[i...], inner] += updates[i..., inner], wrapping around; of bools, any"""
    y = np.zeros(scattered(indices.shape, updates.shape, numbers(shape)), updates.dtype)
    axes = require_places(indices, y.shape)
    if len(axes):
        np.add.at(y, axes, updates)
    else:  # all are for the whole
        for update in updates.reshape(-1, *y.shape):
            y += update
    return (y,)


def require_places(indices: Array, shape: Shape) -> tuple[Array, ...]:
    """The indices by axis; raises Refusal if one is beyond its axis."""
    axes = tuple(np.moveaxis(indices, -1, 0))
    for places, size in zip(axes, shape, strict=False):
        require(bool(np.all((places >= 0) & (places < size))), f"an index is not within 0 and {size}")
    return axes


def shape_of_scatter_nd(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The values of the third input are the shape."""
    shape = known(node, 2)
    return None if shape is None else [scattered(shapes[0], shapes[1], shape)]


def scattered(indices: Shape, updates: Shape, shape: Shape) -> Shape:
    """The shape, if every index has an update, of the size that it leaves open [scatter_nd.cc: CheckShapes]."""
    require(len(indices) >= 1 and len(updates) >= 1, f"scalars: {updates} at {indices}")
    fits = indices[-1] <= len(shape) and updates == indices[:-1] + shape[indices[-1] :]
    require(fits and min(shape, default=0) >= 0, f"updates of {updates} at indices of {indices} for {shape}")
    return shape


def fold_sparse_to_dense(node: Node, host: Host) -> Evaluate:
    """A default everywhere but at the indices; where one occurs twice, the last value stays."""
    require_arity(node, 4, 1)
    indices, shape, values, default = (input_at(node, position) for position in range(4))
    require(len(indices.shape) <= 2, f"{len(indices.shape)} dimensions; it takes up to 2", indices)
    require(len(values.shape) <= 1, f"{len(values.shape)} dimensions; it takes up to 1", values)
    require_rank(shape, 1)
    require_one(default)
    require_type(shape, TensorType.INT32, TensorType.INT64)
    require_type(values, *DENSE_TYPES)
    require_same_type(values, default)
    return evaluate_sparse_to_dense


def evaluate_sparse_to_dense(indices: Array, shape: Array, values: Array, default: Array) -> tuple[Array, ...]:
    """y[indices[i]] = values[i], or the same value for all"""
    y = np.full(dense(indices.shape, values.shape, numbers(shape)), default.reshape(()))
    places = indices.reshape(-1, y.ndim)
    y[require_places(places, y.shape)] = values
    return (y,)


def shape_of_sparse_to_dense(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The values of the second input are the shape."""
    shape = known(node, 1)
    return None if shape is None else [dense(shapes[0], shapes[2], shape)]


def dense(indices: Shape, values: Shape, shape: Shape) -> Shape:
    """The shape, if there is an index for every axis, and a value for every index or one for all."""
    count, rank = indices if len(indices) == 2 else (indices[0] if indices else 1, 1)
    fits = rank == len(shape) <= MAX_DIMENSIONS and values in ((), (count,)) and min(shape) >= 0
    require(fits, f"values of {values} at indices of {indices} for {shape}")
    return shape


DENSE_TYPES = (TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT32, TensorType.INT64)
SCATTERED = (*DENSE_TYPES, TensorType.BOOL)

COMPUTE_SCATTER_ND = Compute(
    fold=fold_scatter_nd, shape=shape_of_scatter_nd, types=frozenset({TensorType.INT32}), version=1
)
COMPUTE_SPARSE_TO_DENSE = Compute(
    fold=fold_sparse_to_dense,
    shape=shape_of_sparse_to_dense,
    types=frozenset({TensorType.INT32, TensorType.INT64}),
    version=3,
)
