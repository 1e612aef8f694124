"""SEGMENT_SUM, UNSORTED_SEGMENT_SUM, UNSORTED_SEGMENT_PROD, UNSORTED_SEGMENT_MAX and UNSORTED_SEGMENT_MIN.

Sources: tflite/kernels/segment_sum.cc, unsorted_segment.cc, internal/reference/reference_ops.h. TFLM has none of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, require_arity, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import Values, known, numbers, require_one
from refinfer.kernels.reduce import Reduced, added, largest, multiplied, smallest
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold_segment_sum(node: Node, host: Host) -> Evaluate:
    """Sums of rows that follow one another; the second input has the number of the sum to which each belongs."""
    require_arity(node, 2, 1)
    require_type(input_at(node, 0), *SEGMENTED)
    require_type(input_at(node, 1), TensorType.INT32)

    def evaluate(x: Array, ids: Array) -> tuple[Array, ...]:
        require(x.ndim > 0 and ids.shape == x.shape[:1], f"shape {ids.shape} of what numbers the rows of {x.shape}")
        return (segments(added, x, ids, sorted_segments(numbers(ids))),)

    return evaluate


def sorted_segments(ids: Values) -> int:
    """How many there are; their numbers start with 0, and grow by 1."""
    start, steps = ids[:1] in ((), (0,)), pairwise(ids)
    require(
        start and all(after - before in (0, 1) for before, after in steps),
        "numbers of segments start with 0 and grow by 0 or 1",
    )
    return ids[-1] + 1 if ids else 0


def fold_unsorted(reduced: Reduced) -> Callable[[Node, Host], Evaluate]:
    """Rows reduced in any order; what has a negative number is left out."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 3, 1)
        x, ids, count = (input_at(node, position) for position in range(3))
        require_type(x, *SEGMENTED)
        require_type(ids, TensorType.INT32)
        require_type(count, TensorType.INT32)
        require_one(count)

        def evaluate(x: Array, ids: Array, count: Array) -> tuple[Array, ...]:
            number = unsorted_shape(x.shape, ids.shape, numbers(count))[0]
            require(bool(np.all(ids < number)), f"a segment beyond the {number} that there are")
            return (segments(reduced, x, ids, number),)

        return evaluate

    return fold


def unsorted_shape(x: Shape, ids: Shape, count: Values) -> Shape:
    """A row for each segment [unsorted_segment.cc: ResizeOutputTensor]"""
    require(x[: len(ids)] == ids, f"shape {ids} of what numbers the rows of {x}")
    require(count[0] >= 0, f"{count[0]} segments")
    return (count[0], *x[len(ids) :])


def segments(reduced: Reduced, x: Array, ids: Array, count: int) -> Array:
    """y[s] = what the rows with the number s are reduced to, in their order; of none, what reductions start with"""
    shape = x.shape[ids.ndim :]
    order = np.argsort(ids, axis=None, kind="stable")
    rows = x.reshape(ids.size, *shape)[order]
    ends = np.searchsorted(ids.reshape(-1)[order], np.arange(count + 1))
    with np.errstate(all="ignore"):
        found = [reduced(rows[first:end]) for first, end in pairwise(ends)]
    return np.array(found, x.dtype).reshape(count, *shape)


def shape_of_segment_sum(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """A row for each number."""
    ids = known(node, 1)
    return None if ids is None else [(sorted_segments(ids), *shapes[0][1:])]


def shape_of_unsorted(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """A row for each of the segments that the third input counts."""
    count = known(node, 2)
    return None if count is None else [unsorted_shape(shapes[0], shapes[1], count)]


SEGMENTED = (TensorType.FLOAT32, TensorType.INT32)


def unsorted(reduced: Reduced) -> Compute:
    """The row of an operator that reduces so."""
    return Compute(fold=fold_unsorted(reduced), shape=shape_of_unsorted, types=frozenset(SEGMENTED), version=1)


COMPUTE_SEGMENT_SUM = Compute(fold=fold_segment_sum, shape=shape_of_segment_sum, types=frozenset(SEGMENTED), version=1)
COMPUTE_UNSORTED_SEGMENT_SUM = unsorted(added)
COMPUTE_UNSORTED_SEGMENT_PROD = unsorted(multiplied)
COMPUTE_UNSORTED_SEGMENT_MAX = unsorted(largest)
COMPUTE_UNSORTED_SEGMENT_MIN = unsorted(smallest)
