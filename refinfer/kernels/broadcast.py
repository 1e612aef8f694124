"""Operators that go element by element through two inputs or more: shapes that are stretched to fit one another.

As in numpy, shapes are aligned at their last dimension, and a dimension of size 1 is repeated as often as needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, require_arity, require_same_type, require_type
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_RANK = 8  # of tensors that are stretched; LiteRT aborts beyond it [broadcast_loop.h: BroadcastBinaryOpSimple]

Elementwise = Callable[..., "Array"]
"""Arrays that can be broadcast against each other → the array of results."""


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape to which all of `shapes` are stretched; raises Refusal where that cannot be.

    [kernel_util.cc: CalculateShapeForBroadcast]
    """
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    rank = max(map(len, shapes))
    require(rank <= MAX_RANK, f"{rank} dimensions; tensors of different shapes may have up to {MAX_RANK}")
    extended = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_common_size(sizes, shapes) for sizes in zip(*extended, strict=True))


def _common_size(sizes: tuple[int, ...], shapes: tuple[Shape, ...]) -> int:
    size = 0 if 0 in sizes else max(sizes)
    require(all(each in (1, size) for each in sizes), f"shapes {', '.join(map(str, shapes))} do not fit one another")
    return size


def output_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The output has the common shape of the inputs."""
    return [broadcast_shape(*shapes)]


def stretching(compute: Elementwise) -> Evaluate:
    """Evaluate an operator that is computed element by element, once the shapes are known to fit.

    Where C surprises, the kernel says so; what numpy has to say of divisions by zero and overflows is of no use.
    """

    def evaluate(*inputs: Array) -> tuple[Array, ...]:
        broadcast_shape(*(each.shape for each in inputs))
        with np.errstate(all="ignore"):
            return (np.asarray(compute(*inputs)),)

    return evaluate


def binary(folds: Mapping[TensorType, Fold], version: int) -> Compute:
    """The arithmetic of an operator with two inputs of one type, by that type."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 2, 1)
        first, second = input_at(node, 0), input_at(node, 1)
        require_same_type(first, second)
        require_type(first, *folds)
        return folds[first.type](node, host)

    return Compute(fold=fold, shape=output_shape, types=frozenset(folds), version=version)


def plain(compute: Elementwise) -> Fold:
    """The fold of arithmetic that depends on nothing but the inputs."""
    return lambda node, host: stretching(compute)
