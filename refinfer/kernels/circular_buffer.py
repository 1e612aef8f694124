"""CIRCULAR_BUFFER, a custom operator: a window over time that shifts by one input at each run.

Sources: circular_buffer.cc, circular_buffer_common.cc, circular_buffer.h, all in tensorflow/lite/micro/kernels. The
window lies in the output itself, which therefore is a variable tensor of the model. LiteRT has no such operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    first_zero_point,
    input_at,
    output_at,
    require_same_type,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import Aborted, Compute, Evaluate, Host, Shape
from refinfer.kernels.custom import option_map
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

OP_DATA_CIRCULAR_BUFFER = struct("circular_buffer:OpDataCircularBuffer", cycles_until_run=INT32, cycles_max=INT32)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[circular_buffer_common.cc: CircularBufferPrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require(len(y.shape) >= 4, f"{len(y.shape)} dimensions; it takes 4", y)
    batches, _, height, width = y.shape[:4]
    require_shape(x, (batches, 1, height, width))
    require_same_type(x, y)
    require_type(x, TensorType.INT8)


def fold(node: Node, host: Host) -> Evaluate:
    """The window moves at every run, but ends it, unless it is the last of a cycle."""
    y, key = output_at(node, 0), (node.subgraph, node.index)
    cycles = cycles_of(node, y)
    length = y.shape[2] * y.shape[3]
    kept = y.shape[1] * length  # of the first batch: the others stay as they are
    empty = np.full(y.shape, first_zero_point(y) if y.is_variable else 0, np.int8)

    def evaluate(x: Array) -> tuple[Array, ...]:
        window, left = host.memory.get(key, (empty, cycles))
        moved = window.reshape(-1).copy()
        moved[: kept - length] = moved[length:kept]
        moved[kept - length : kept] = x.reshape(-1)[:length]
        host.memory[key] = moved.reshape(y.shape), left - 1 if left > 1 else cycles
        if left > 1:
            raise Aborted
        return (moved.reshape(y.shape),)

    return evaluate


def cycles_of(node: Node, y: Tensor) -> int:
    """How many runs there are to a cycle, by the options or else by the window's shape.

    The shapes are those of two models for whose sake the operator was made. That of the fifth operator in one of them
    counts here wherever it stands [circular_buffer_common.cc: CircularBufferPrepare].
    """
    values = list(option_map(node).values()) if len(node.custom_options) else []
    named = values[0] if values else 0
    if isinstance(named, int) and named > 0:
        return named
    return 1 if y.shape[1] in SLOTS_OF_A_CYCLE or y.shape[2:] == SIZE_OF_THE_FIFTH else 2


def as_declared(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The window."""
    return [output_at(node, 0).shape]


SLOTS_OF_A_CYCLE = (5, 13, 25)
SIZE_OF_THE_FIFTH = (2, 96)

CIRCULAR_BUFFER = Kernel(
    init=op_data(OP_DATA_CIRCULAR_BUFFER, "circular_buffer.cc: CircularBufferInit"),
    prepare=prepare,
)

COMPUTE_CIRCULAR_BUFFER = Compute(fold=fold, shape=as_declared, types=frozenset({TensorType.INT8}), version=1)
