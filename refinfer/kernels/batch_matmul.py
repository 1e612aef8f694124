"""BATCH_MATMUL.

Sources: tensorflow/lite/micro/kernels/batch_matmul.h, batch_matmul_common.cc, batch_matmul.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from refinfer.kernels.common import (
    EVAL_TENSOR,
    input_at,
    int_array_bytes,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    require_type,
    tensor_bytes,
    writable_dims,
)
from refinfer.kernels.kernel import Kernel, Persistent, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT32, POINTER, Build, struct
from refinfer.kernels.quantization import require_convolution_multiplier, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import BatchMatMulOptions

MIN_RANK, MAX_RANK = 2, 5

BATCH_MATMUL_PARAMS = struct("TfLiteBatchMatMulParams", adj_x=BOOL, adj_y=BOOL, asymmetric_quantize_inputs=BOOL)
OP_DATA_BATCH_MATMUL = struct(
    "OpDataBatchMatmul",
    quantization=POINTER,
    lhs_transposed_tensor=POINTER,
    rhs_transposed_tensor=POINTER,
    rhs_is_transposed=BOOL,
    lhs_is_constant_tensor=BOOL,
    rhs_is_constant_tensor=BOOL,
)
QUANTIZATION_OP_DATA = struct(
    "QuantizationOpDataBatchMatmul",
    output_multiplier=INT32,
    output_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    lhs_zero_point=INT32,
    rhs_zero_point=INT32,
    output_zero_point=INT32,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[batch_matmul.cc: BatchMatMulPrepare]"""
    require_arity(node, 2, 1)
    lhs, rhs, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(lhs, rhs, y)
    for tensor in (lhs, rhs):
        require_type(tensor, TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require_same_type(lhs, rhs)
    require_same_type(lhs, y)
    for tensor in (lhs, rhs):
        rank = len(tensor.shape)
        require(MIN_RANK <= rank <= MAX_RANK, f"{rank} dimensions; it takes {MIN_RANK} to {MAX_RANK}", tensor)
    options = options_of(node, BatchMatMulOptions)
    yield from temporaries(lhs, rhs, options, build)
    if lhs.type != TensorType.FLOAT32:
        require_quantization(lhs, rhs, y)
    shape = product_shape(lhs, rhs, options)
    require(len(shape) <= len(y.shape), f"{len(y.shape)} dimensions; the product has {len(shape)}", y)
    yield from writable_dims(y, shape)
    require(prod(shape) == y.elements, f"{y.elements} elements; the product has {prod(shape)}", y)


def temporaries(lhs: Tensor, rhs: Tensor, options: BatchMatMulOptions, build: Build) -> Iterator[Request]:
    """[batch_matmul.cc: InitializeTemporaries] The loop wants both operands by columns: it keeps whole copies."""
    if lhs.type != TensorType.FLOAT32:
        size = build.sizeof(QUANTIZATION_OP_DATA)
        yield Persistent(QUANTIZATION_OP_DATA.name, size, "batch_matmul.cc: InitializeTemporaries")
    if options.adj_x:
        yield from transposed("lhs_transposed_tensor", lhs, build)
    if not options.adj_y:
        yield from transposed("rhs_transposed_tensor", rhs, build)


def transposed(what: str, tensor: Tensor, build: Build) -> Iterator[Request]:
    """A tensor of the kernel's own: the struct, its dims and its data."""
    source = "batch_matmul.cc: AllocInitTransposeTensorFromTfLiteTensor"
    yield Persistent(what, build.sizeof(EVAL_TENSOR), source)
    yield Persistent(f"{what}.dims", int_array_bytes(len(tensor.shape)), source)
    yield Persistent(f"{what}.data", tensor_bytes(tensor), source)


def require_quantization(lhs: Tensor, rhs: Tensor, y: Tensor) -> None:
    """int16 is symmetric."""
    require_convolution_multiplier(lhs, rhs, None, y)
    if lhs.type == TensorType.INT16:
        for tensor in (lhs, rhs, y):
            require_zero_point(tensor, 0)


def product_shape(lhs: Tensor, rhs: Tensor, options: BatchMatMulOptions) -> tuple[int, ...]:
    """The shape of the product: batches broadcast, rows of the one, columns of the other.

    [batch_matmul_common.cc: ReshapeOutputTensor]
    """
    rank = max(len(lhs.shape), len(rhs.shape))
    left, right = ((1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in (lhs, rhs))
    for one, other in zip(left[:-2], right[:-2], strict=True):
        require(one == other or 1 in (one, other), f"shapes {lhs.shape} and {rhs.shape} do not broadcast", rhs)
    rows, depth = left[:-3:-1] if options.adj_x else left[-2:]
    depth_of_rhs, columns = right[:-3:-1] if options.adj_y else right[-2:]
    require(depth == depth_of_rhs, f"depth {depth_of_rhs}; the left side has {depth}", rhs)
    batches = (other if one == 1 else one for one, other in zip(left[:-2], right[:-2], strict=True))
    return (*batches, rows, columns)


BATCH_MATMUL = Kernel(
    init=op_data(OP_DATA_BATCH_MATMUL, "batch_matmul.cc: BatchMatMulInit"),
    prepare=prepare,
    parameters=BATCH_MATMUL_PARAMS,
)
