"""CIRCULAR_BUFFER, a custom operator: a window over time that shifts by one input at each run.

Sources: circular_buffer.cc, circular_buffer_common.cc, circular_buffer.h, all in tensorflow/lite/micro/kernels. The
window lies in the output itself, which therefore is a variable tensor of the model.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import input_at, output_at, require_same_type, require_shape, require_type
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

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


CIRCULAR_BUFFER = Kernel(
    init=op_data(OP_DATA_CIRCULAR_BUFFER, "circular_buffer.cc: CircularBufferInit"),
    prepare=prepare,
)
