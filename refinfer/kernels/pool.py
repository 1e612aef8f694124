"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D.

Sources: tensorflow/lite/micro/kernels/pooling.h, pooling_common.cc, pooling.cc, l2_pool_2d.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    PADDING_VALUES,
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
    writable_dims,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT32, Build, struct
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import Padding, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Pool2DOptions

MAX_SCALE_DIFFERENCE = 1e-6  # between input and output: pooling does not rescale

POOL_PARAMS = struct(
    "TfLitePoolParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    filter_width=INT32,
    filter_height=INT32,
    activation=ENUM,
    computed_padding=PADDING_VALUES,
)
OP_DATA_POOLING = struct(
    "OpDataPooling",
    padding=PADDING_VALUES,
    activation_min=INT32,
    activation_max=INT32,
    activation_min_f32=FLOAT,
    activation_max_f32=FLOAT,
)


def prepare_pool(node: Node, build: Build) -> Iterator[Request]:
    """[pooling_common.cc: PoolingPrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_rank(x, 4)  # as in conv.py: nothing asks before Invoke asserts it
    if x.type in (TensorType.INT8, TensorType.INT16):
        difference = abs(first_scale(x) - first_scale(y))
        require(difference <= MAX_SCALE_DIFFERENCE, f"scale {first_scale(y)}; the input's is {first_scale(x)}", y)
        require_zero_point(y, first_zero_point(x))
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Type {x.type.name} not supported.", x)


def prepare_l2_pool(node: Node, build: Build) -> Iterator[Request]:
    """[l2_pool_2d.cc: L2Prepare] works out the output's shape anew, whatever the file says."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(y, x)
    require_rank(x, 4)
    require_rank(y, 4)
    require_same_type(x, y)
    require_type(x, TensorType.FLOAT32)
    pool = options_of(node, Pool2DOptions)
    batches, height, width, channels = x.shape
    rows = windows(pool.padding, height, pool.filter_height, pool.stride_h)
    columns = windows(pool.padding, width, pool.filter_width, pool.stride_w)
    yield from writable_dims(y, (batches, rows, columns, channels))


def windows(padding: Padding, size: int, length: int, stride: int) -> int:
    """How many windows of `length` fit into `size`, 0 if that makes no sense [padding.h: ComputeOutSizeChecked]."""
    if length <= 0 or stride <= 0:
        return 0
    starts = size if padding == Padding.SAME else size - length + 1
    return max(0, (starts + stride - 1) // stride)


POOL_INIT = op_data(OP_DATA_POOLING, "pooling.cc: PoolInit")

AVERAGE_POOL_2D = Kernel(init=POOL_INIT, prepare=prepare_pool, parameters=POOL_PARAMS)
MAX_POOL_2D = Kernel(init=POOL_INIT, prepare=prepare_pool, parameters=POOL_PARAMS)
L2_POOL_2D = Kernel(prepare=prepare_l2_pool, parameters=POOL_PARAMS)
