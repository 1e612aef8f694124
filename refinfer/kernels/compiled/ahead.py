"""What a run would compute of constants alone, computed when the plan is made.

Files hold weights in float16 for the run to widen, or ask for the shape of a tensor and go on to compute with it. None
of that depends on what the model is given. Kernels then find weights and shapes that are constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels.compute import PACKED_BITS, Compute, Evaluate, Shape, constant, dtype_of
from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node, Subgraph, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


class Ahead(NamedTuple):
    """What is left of a subgraph, whose nodes have constants in place of what was computed: `values`, by tensor.

    `shapes` are those of all tensors; None of those that only a run can tell.
    """

    subgraph: Subgraph
    shapes: list[Shape | None]
    values: dict[int, Array]


def compute_ahead(
    subgraph: Subgraph,
    computes: Sequence[Compute | None],
    evaluates: Sequence[Evaluate],
    shapes: Sequence[Shape | None],
) -> Ahead:
    """Compute what can be: a node's value if all its inputs are known, and its shape with it.

    What follows is asked for the shapes that it has now. A node that refuses its inputs is left to the run to refuse.
    """
    known: list[Shape | None] = list(shapes)
    found: dict[int, Tensor] = {}
    values: dict[int, Array] = {}
    left: list[Node] = []
    for node, compute, evaluate in zip(subgraph.nodes, computes, evaluates, strict=True):
        node = replace(node, inputs=tuple(x and found.get(x.index, x) for x in node.inputs))
        results = None
        if compute is not None:
            _tell_shapes(node, compute, known)
            results = _results(node, evaluate, known)
        if results is None:
            left.append(node)
            continue
        for y, value in zip(node.outputs, results, strict=True):
            value = np.ascontiguousarray(value).reshape(value.shape)
            value.flags.writeable = False
            values[y.index], known[y.index] = value, value.shape
            found[y.index] = replace(y, data=value.reshape(-1).view(np.uint8).data, shape=value.shape)
    return Ahead(replace(subgraph, nodes=tuple(left)), known, values)


def _tell_shapes(node: Node, compute: Compute, known: list[Shape | None]) -> None:
    """Fill in the shapes of the outputs, if they are not known but can be told."""
    given = [() if x is None else known[x.index] for x in node.inputs]
    if None in given or all(known[y.index] is not None for y in node.outputs):
        return
    try:
        shapes = compute.shape(node, given)  # type: ignore[arg-type]  # None is ruled out
    except Refusal:
        return
    for y, shape in zip(node.outputs, shapes or (), strict=shapes is not None):
        known[y.index] = shape


def _results(node: Node, evaluate: Evaluate, known: Sequence[Shape | None]) -> tuple[Array, ...] | None:
    """The values of the outputs, if they are the same in every run, and can stand in the place of a constant."""
    if node.op in OF_MORE_THAN_INPUTS or not node.inputs or not all(_is_plain(y) for y in node.outputs):
        return None
    inputs = [x if x is None else _known_value(node, x, known) for x in node.inputs]
    if any(x is not None and value is None for x, value in zip(node.inputs, inputs, strict=True)):
        return None
    try:
        results = evaluate(*inputs)
    except Refusal:
        return None
    return results if all(each.size > 0 for each in results) else None


def _known_value(node: Node, x: Tensor, known: Sequence[Shape | None]) -> Array | None:
    """An input's value, or anything of its shape where nothing else matters."""
    shape = known[x.index]
    if x.data is None and node.op in OF_SHAPES_ALONE and shape is not None:
        return np.broadcast_to(np.zeros((), dtype_of(x.type)), shape)
    return constant(x)


def _is_plain(y: Tensor) -> bool:
    """Whether the tensor's values are numbers that lie in memory one after the other."""
    plain = dtype_of(y.type).kind in "biuf" and y.type not in PACKED_BITS
    return plain and not y.is_variable and y.table.sparsity is None


OF_SHAPES_ALONE = frozenset({BuiltinOperator.SHAPE, BuiltinOperator.RANK})

OF_MORE_THAN_INPUTS = frozenset(
    {
        BuiltinOperator.CUSTOM,  # those of others, and those that remember
        BuiltinOperator.IF,
        BuiltinOperator.WHILE,
        BuiltinOperator.CALL_ONCE,
        BuiltinOperator.STABLEHLO_COMPOSITE,
        BuiltinOperator.VAR_HANDLE,
        BuiltinOperator.READ_VARIABLE,
        BuiltinOperator.ASSIGN_VARIABLE,
    }
)
"""They have other subgraphs compute, which may keep something; or they keep something themselves."""
