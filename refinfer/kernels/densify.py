"""DENSIFY: a sparse constant as a whole tensor.

Source: tensorflow/lite/kernels/densify.cc. TFLM has no such operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, output_at, require_arity, require_constant, require_same_type
from refinfer.kernels.compute import SPARSE_TYPES, Compute, Evaluate, Host, like_input
from refinfer.kernels.kernel import require
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold(node: Node, host: Host) -> Evaluate:
    """Constants come whole to every operator, so there is nothing left to do."""
    require_arity(node, 1, 1)
    x = input_at(node, 0)
    require_constant(x, "sparse")
    require(x.table.sparsity is not None, "a tensor that is not sparse", x)
    require_same_type(x, output_at(node, 0))
    return evaluate


def evaluate(x: Array) -> tuple[Array, ...]:
    """y = x"""
    return (x,)


COMPUTE_DENSIFY = Compute(fold=fold, shape=like_input, types=frozenset(SPARSE_TYPES), version=1)
