"""The plans of what goes along some dimensions: sums, means, extremes, and where an extreme is."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from refinfer.kernels.common import input_at, integers, output_at
from refinfer.kernels.compiled.draft import Draft, Planner, require_compiled
from refinfer.kernels.compiled.records import ADDED, LARGER, Address, ExtremeAlong, IndexAlong, ReduceFloats
from refinfer.kernels.compiled.simple import add_move
from refinfer.kernels.compute import constant, dtype_of
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

FLOAT32, INT8, UINT8 = TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8
LARGEST_FLOAT = float(np.finfo(np.float32).max)


class Line(NamedTuple):
    """A tensor as three dimensions, of which the middle one is gone along; whether it is all there is."""

    source: Address
    outer: int
    number: int
    inner: int
    is_all: bool


def plan_reduction_of_floats(
    operation: int, start: float, *, is_mean: bool = False, from_first: bool = False
) -> Planner:
    """Beginning with `start`; or with the first number, where all are reduced to one, if the runtime does so."""

    def plan(draft: Draft, node: Node) -> None:
        x, y = input_at(node, 0), output_at(node, 0)
        require_compiled(y.type == FLOAT32)
        line = lined_up(draft, x, input_at(node, 1))
        parameters = draft.keep(np.array([start, line.number if is_mean else 1], np.float32))
        begins = from_first and line.is_all
        draft.add(ReduceFloats(operation, *line[:4], parameters, begins, draft.write(y)))

    return plan


def plan_extreme_of(operation: int, *, from_first: bool) -> Planner:
    """REDUCE_MAX and REDUCE_MIN of floats and int8."""
    start = -LARGEST_FLOAT if operation == LARGER else LARGEST_FLOAT
    of_floats = plan_reduction_of_floats(operation, start, from_first=from_first)

    def plan(draft: Draft, node: Node) -> None:
        x, y = input_at(node, 0), output_at(node, 0)
        if x.type == FLOAT32:
            of_floats(draft, node)
            return
        require_compiled(x.type == y.type == INT8)
        line = lined_up(draft, x, input_at(node, 1))
        draft.add(ExtremeAlong(operation == LARGER, *line[:4], draft.write(y)))

    return plan


def plan_index(*, is_larger: bool) -> Planner:
    """ARG_MAX and ARG_MIN of bytes: floats may be NaN, which runtimes do not agree on."""

    def plan(draft: Draft, node: Node) -> None:
        x, y = input_at(node, 0), output_at(node, 0)
        require_compiled(x.type in (INT8, UINT8) and y.type in (TensorType.INT32, TensorType.INT64))
        line = lined_up(draft, x, input_at(node, 1))
        draft.add(IndexAlong(is_larger, x.type == INT8, *line[:4], draft.write(y), dtype_of(y.type).itemsize))

    return plan


def lined_up(draft: Draft, x: Tensor, axis: Tensor) -> Line:
    """The tensor with all that is gone along in one dimension; what is not yet beside each other is moved there."""
    shape, axes_given = draft.shape(x), constant(axis)
    require_compiled(axes_given is not None)
    axes = sorted({each % len(shape) for each in integers(axis)})
    require_compiled(bool(axes))
    kept = [each for each in range(len(shape)) if each not in axes]
    number = prod(shape[each] for each in axes)
    long = [each for each in axes if shape[each] > 1] or axes
    if prod(shape[long[0] : long[-1] + 1]) == number:  # nothing else is in between
        outer, inner = prod(shape[: long[0]]), prod(shape[long[-1] + 1 :])
        return Line(draft.read(x), outer, number, inner, not kept)
    size = dtype_of(x.type).itemsize
    lined = draft.scratch(size * prod(shape))
    positions = np.arange(prod(shape)).reshape(shape).transpose(*axes, *kept)
    add_move(draft, draft.read(x), positions.reshape(-1), lined, size)
    return Line(lined, 1, number, prod(shape[each] for each in kept), not kept)


PLAN_MEAN_OF_FLOATS = plan_reduction_of_floats(ADDED, 0, is_mean=True)
