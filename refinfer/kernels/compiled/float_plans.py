"""The plans of what is computed number by number in floats, and of SOFTMAX."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from refinfer.kernels.binary import activation_of, three_tensors
from refinfer.kernels.common import input_at, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, Planner, require_compiled
from refinfer.kernels.compiled.float_products import limits_of
from refinfer.kernels.compiled.functions import address_of
from refinfer.kernels.compiled.records import (
    LEAKY,
    LIMITED,
    SLOPED,
    SQUARED_DIFFERENCE,
    CombineFloats,
    ExtremeBytes,
    LookUpByChannel,
    MapFloats,
    SoftmaxFloats,
)
from refinfer.kernels.compiled.simple import BYTES, plan_table, plan_table_of_constant, stretched
from refinfer.kernels.compute import constant, dtype_of
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


def plan_prelu(draft: Draft, node: Node) -> None:
    """A slope for each number; of bytes, a table for each slope, if these are the channels' and constant."""
    x, alpha, y = three_tensors(node)
    shape = draft.shape(x)
    if x.type == FLOAT32:
        limits = draft.keep(np.array([-np.inf, np.inf], np.float32))
        slopes = stretched(draft, alpha, shape)
        draft.add(CombineFloats(SLOPED, draft.read(x), slopes, prod(shape), limits, draft.write(y)))
        return
    slopes_given = constant(alpha)
    require_compiled(x.type in BYTES and slopes_given is not None and alpha.elements in (1, shape[-1]))
    assert slopes_given is not None
    require_compiled(slopes_given.shape[-1:] == (alpha.elements,))
    every_byte = np.arange(256, dtype=np.uint8).view(dtype_of(x.type))
    (tables,) = draft.evaluate(np.tile(every_byte[:, None], alpha.elements), slopes_given.reshape(-1))
    pixels, table = prod(shape) // alpha.elements, draft.keep(np.ascontiguousarray(tables.T))
    draft.add(LookUpByChannel(draft.read(x), pixels, alpha.elements, table, draft.write(y)))


PLAN_LEAKY = of_floats(plan_leaky, plan_table)
PLAN_SQUARED_DIFFERENCE = plan_combination(SQUARED_DIFFERENCE, plan_nothing, activated=False)
