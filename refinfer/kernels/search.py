"""Where values are and where they belong: WHERE, UNIQUE, BUCKETIZE and HASHTABLE_LOOKUP.

Sources: tflite/kernels/where.cc, unique.cc, bucketize.cc, hashtable_lookup.cc. TFLM has none of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, options_of, output_at, require_arity, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of, like_input
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import BucketizeOptions, UniqueOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold_where(node: Node, host: Host) -> Evaluate:
    """The coordinates of what is not zero, a row each, in order."""
    require_arity(node, 1, 1)

    def evaluate(condition: Array) -> tuple[Array, ...]:
        require(condition.ndim > 0, "a scalar; it takes at least 1 dimension")
        return (np.argwhere(condition).astype(np.int64),)

    return evaluate


def fold_unique(node: Node, host: Host) -> Evaluate:
    """The different values in the order in which they come, and which of them each value is.

    Of NaN, which equals nothing, nothing is promised.
    """
    require_arity(node, 1, 2)
    dtype = dtype_of(options_of(node, UniqueOptions).idx_out_type)
    require_type(output_at(node, 1), options_of(node, UniqueOptions).idx_out_type)
    require_type(output_at(node, 1), TensorType.INT32, TensorType.INT64)

    def evaluate(x: Array) -> tuple[Array, ...]:
        require(x.ndim == 1, f"{x.ndim} dimensions; it takes 1")
        _, first, which = np.unique(x, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return x[first[order]], place[which].astype(dtype)

    return evaluate


def shape_unique(node: Node, shapes: Sequence[Shape]) -> None:
    """How many values differ is known after they are."""


def shape_where(node: Node, shapes: Sequence[Shape]) -> None:
    """How many are true is known after they are."""


def fold_bucketize(node: Node, host: Host) -> Evaluate:
    """How many boundaries are not greater; integers are compared as floats, doubles as they are."""
    require_arity(node, 1, 1)
    boundaries = options_of(node, BucketizeOptions).boundaries or ()
    require(list(boundaries) == sorted(boundaries), "the boundaries are not sorted")
    as_double = input_at(node, 0).type == TensorType.FLOAT64
    sorted_boundaries = np.array(boundaries, np.float64 if as_double else np.float32)

    def evaluate(x: Array) -> tuple[Array, ...]:
        found = np.searchsorted(sorted_boundaries, x.astype(sorted_boundaries.dtype), side="right")
        return (np.asarray(found).astype(np.int32),)

    return evaluate


def fold_hashtable_lookup(node: Node, host: Host) -> Evaluate:
    """The row of values of each key that is looked up, and whether there is one; zeros where there is none."""
    require_arity(node, 3, 2)
    for position in (0, 1):
        require_type(input_at(node, position), TensorType.INT32)
    require_type(output_at(node, 1), TensorType.UINT8)

    def evaluate(lookup: Array, keys: Array, rows: Array) -> tuple[Array, ...]:
        require(len(keys) == len(rows) > 0, f"{len(keys)} keys for {len(rows)} rows")
        places = np.array([bisect(keys.tolist(), key) for key in lookup.tolist()], np.int64)
        hits = places >= 0
        found = np.take(rows, np.maximum(places, 0), 0)
        return np.where(hits.reshape(-1, *(1,) * (rows.ndim - 1)), found, np.zeros_like(found)), hits.astype(np.uint8)

    return evaluate


def bisect(keys: list[int], key: int) -> int:
    """The place of a key in the order in which C's bsearch looks, or -1; only in sorted keys is it sure to be found."""
    first, end = 0, len(keys)
    while first < end:
        middle = (first + end) // 2
        if keys[middle] == key:
            return middle
        first, end = (middle + 1, end) if keys[middle] < key else (first, middle)
    return -1


def shape_hashtable_lookup(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A row for each key."""
    lookup, _, rows = shapes
    return [(*lookup, *rows[1:]), lookup]


COMPUTE_WHERE = Compute(
    fold=fold_where,
    shape=shape_where,
    types=frozenset(
        {
            TensorType.BOOL,
            TensorType.FLOAT32,
            TensorType.INT8,
            TensorType.UINT8,
            TensorType.INT32,
            TensorType.UINT32,
            TensorType.INT64,
        }
    ),
    version=2,
)
COMPUTE_UNIQUE = Compute(
    fold=fold_unique,
    shape=shape_unique,
    types=frozenset(
        {
            TensorType.FLOAT32,
            TensorType.INT8,
            TensorType.UINT8,
            TensorType.INT16,
            TensorType.INT32,
            TensorType.INT64,
        }
    ),
    version=1,
)
COMPUTE_BUCKETIZE = Compute(
    fold=fold_bucketize,
    shape=like_input,
    types=frozenset({TensorType.FLOAT32, TensorType.FLOAT64, TensorType.INT32, TensorType.INT64}),
    version=1,
)
COMPUTE_HASHTABLE_LOOKUP = Compute(
    fold=fold_hashtable_lookup,
    shape=shape_hashtable_lookup,
    types=frozenset({TensorType.INT32}),
    version=1,
)
