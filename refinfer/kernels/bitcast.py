"""BITCAST: the same bytes as numbers of another type. TFLM has no such operator.

Source: tensorflow/lite/kernels/bitcast.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, output_at, require_arity, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold(node: Node, host: Host) -> Evaluate:
    """The output's type says what the bytes are read as."""
    require_arity(node, 1, 1)
    require_type(output_at(node, 0), *SIZED)
    wanted = dtype_of(output_at(node, 0).type)

    def evaluate(x: Array) -> tuple[Array, ...]:
        shape = cast(x.shape, x.itemsize, wanted.itemsize)
        return (np.frombuffer(x.tobytes(), wanted).reshape(shape),)

    return evaluate


def shape_of(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The numbers that one number is cut into, or is put together from, are a last dimension."""
    before, after = (dtype_of(each.type).itemsize for each in (input_at(node, 0), output_at(node, 0)))
    return [cast(shapes[0], before, after)]


def cast(shape: Shape, before: int, after: int) -> Shape:
    """The shape of numbers of `after` bytes that had been numbers of `before` bytes."""
    if before > after:
        return (*shape, before // after)
    if before == after:
        return shape
    require(shape[-1:] == (after // before,), f"shape {shape}; the last dimension must be {after // before}")
    return shape[:-1]


COMPUTE_BITCAST = Compute(fold=fold, shape=shape_of, types=SIZED, version=1)
