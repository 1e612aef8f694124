"""The plans of what is computed number by number in floats, or along one dimension."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from refinfer.kernels.binary import activation_of, three_tensors
from refinfer.kernels.common import input_at, integers, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, Planner, require_compiled
from refinfer.kernels.compiled.float_products import limits_of
from refinfer.kernels.compiled.functions import address_of
from refinfer.kernels.compiled.records import (
    LEAKY,
    LIMITED,
    SQUARED_DIFFERENCE,
    CombineFloats,
    ExtremeBytes,
    MapFloats,
    SoftmaxFloats,
    SumFloats,
)
from refinfer.kernels.compiled.simple import plan_table, plan_table_of_constant, stretched
from refinfer.kernels.compute import Shape
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import LeakyReluOptions, SoftmaxOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FLOAT32, INT8 = TensorType.FLOAT32, TensorType.INT8


def of_floats(plan: Planner, otherwise: Planner) -> Planner:
    """One plan for a first input of floats, another for those of integers."""

    def by_type(draft: Draft, node: Node) -> None:
        (plan if input_at(node, 0).type == FLOAT32 else otherwise)(draft, node)

    return by_type


def plan_function(operation: int, function: str | None = None, otherwise: Planner = plan_table) -> Planner:
    """A function of single floats, maybe one of C's; of integers, a table."""

    def plan(draft: Draft, node: Node) -> None:
        add_function(draft, node, operation, np.zeros(2, np.float32), function)

    return of_floats(plan, otherwise)


def plan_limits(draft: Draft, node: Node) -> None:
    """What the numpy arithmetic makes of the infinities are the limits."""
    shape = (2,) + (1,) * (len(draft.shape(input_at(node, 0))) - 1)
    (ends,) = draft.evaluate(np.array([-np.inf, np.inf], np.float32).reshape(shape))
    add_function(draft, node, LIMITED, ends, None)


def plan_leaky(draft: Draft, node: Node) -> None:
    """A slope below 0."""
    alpha = options_of(node, LeakyReluOptions).alpha
    add_function(draft, node, LEAKY, np.array([alpha, 0], np.float32), None)


def plan_nothing(draft: Draft, node: Node) -> None:
    """There is no kernel."""
    require_compiled(False)


def add_function(draft: Draft, node: Node, operation: int, parameters: Array, function: str | None) -> None:
    """A row for all numbers of a tensor."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(y.type == FLOAT32)
    address = 0 if function is None else address_of(function)
    draft.add(
        MapFloats(operation, draft.read(x), prod(draft.shape(x)), draft.keep(parameters), address, draft.write(y))
    )


def plan_combination(operation: int, otherwise: Planner, *, activated: bool = True) -> Planner:
    """Two floats make one."""

    def plan(draft: Draft, node: Node) -> None:
        *inputs, y = three_tensors(node)
        require_compiled(y.type == FLOAT32)
        shape = draft.shape(y)
        first, second = (stretched(draft, x, shape) for x in inputs)
        infinities = np.array([-np.inf, np.inf], np.float32)
        limits = limits_of(draft, activation_of(node)) if activated else draft.keep(infinities)
        draft.add(CombineFloats(operation, first, second, prod(shape), limits, draft.write(y)))

    return of_floats(plan, otherwise)


def plan_extreme(is_larger: bool) -> Planner:
    """MAXIMUM and MINIMUM of bytes, one of which may be a constant for all."""

    def plan(draft: Draft, node: Node) -> None:
        first, second, y = three_tensors(node)
        if second.data is not None and prod(draft.shape(second)) == 1:
            plan_table_of_constant(draft, node)
            return
        require_compiled(first.type == second.type == y.type == INT8)
        shape = draft.shape(y)
        a, b = (stretched(draft, x, shape) for x in (first, second))
        draft.add(ExtremeBytes(is_larger, a, b, prod(shape), draft.write(y)))

    return plan


def plan_softmax_of_floats(draft: Draft, node: Node) -> None:
    """Along the last dimension."""
    add_softmax(draft, node, options_of(node, SoftmaxOptions).beta, 0)


def plan_log_softmax_of_floats(draft: Draft, node: Node) -> None:
    """Along the last dimension."""
    add_softmax(draft, node, 1, address_of("logf"))


def add_softmax(draft: Draft, node: Node, beta: float, logf: int) -> None:
    """A row for all vectors of a tensor."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_compiled(y.type == FLOAT32)
    shape = draft.shape(x)
    parameters = draft.keep(np.array([beta, np.finfo(np.float32).min], np.float32))
    rows = prod(shape) // shape[-1]
    draft.add(SoftmaxFloats(draft.read(x), rows, shape[-1], parameters, address_of("expf"), logf, draft.write(y)))


def plan_sum_of_floats(*, is_mean: bool) -> Planner:
    """Sums or means over neighbouring dimensions."""

    def plan(draft: Draft, node: Node) -> None:
        x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
        require_compiled(axis.data is not None and y.type == FLOAT32)
        outer, number, inner = around(draft.shape(x), integers(axis))
        divisor = draft.keep(np.array([number if is_mean else 1], np.float32))
        draft.add(SumFloats(draft.read(x), outer, number, inner, divisor, draft.write(y)))

    return plan


def around(shape: Shape, given: tuple[int, ...]) -> tuple[int, int, int]:
    """How many elements lie before, in, and behind dimensions that must be neighbours."""
    axes = sorted({each % len(shape) for each in given})
    require_compiled(bool(axes) and axes == list(range(axes[0], axes[-1] + 1)))
    return prod(shape[: axes[0]]), prod(shape[axes[0] : axes[-1] + 1]), prod(shape[axes[-1] + 1 :])


PLAN_LEAKY = of_floats(plan_leaky, plan_table)
PLAN_SQUARED_DIFFERENCE = plan_combination(SQUARED_DIFFERENCE, plan_nothing, activated=False)
