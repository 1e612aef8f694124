"""BATCH_MATMUL.

Sources: tensorflow/lite/micro/kernels/batch_matmul.h, batch_matmul_common.cc, batch_matmul.cc; of the arithmetic also
tensorflow/lite/kernels/batch_matmul.cc and internal/reference/batch_matmul.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import clamp, wrap_int32
from refinfer.kernels.arithmetic.hybrid import quantize_asymmetric, quantize_symmetric
from refinfer.kernels.arithmetic.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.common import (
    EVAL_TENSOR,
    first_scale,
    first_zero_point,
    input_at,
    int_array_bytes,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_type,
    require_type,
    tensor_bytes,
    writable_dims,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Persistent, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT32, POINTER, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import in_fixed_point_of_16_bits
from refinfer.kernels.quantization import require_convolution_multiplier, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import BatchMatMulOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

MIN_RANK, MAX_RANK = 2, 5

Product = Callable[["Array", "Array"], "Array"]
"""From both sides, of shapes (…, rows, depth) and (…, depth, columns), to the output."""

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


def product_shape(lhs: Tensor, rhs: Tensor, options: BatchMatMulOptions) -> Shape:
    """The shape of the product of two tensors."""
    return shape_of_product(lhs.shape, rhs.shape, options)


def shape_of_product(lhs: Shape, rhs: Shape, options: BatchMatMulOptions) -> Shape:
    """The shape of the product: batches broadcast, rows of the one, columns of the other.

    [batch_matmul_common.cc: ReshapeOutputTensor]
    """
    rank = max(len(lhs), len(rhs))
    left, right = ((1,) * (rank - len(shape)) + shape for shape in (lhs, rhs))
    for one, other in zip(left[:-2], right[:-2], strict=True):
        require(one == other or 1 in (one, other), f"shapes {lhs} and {rhs} do not broadcast")
    rows, depth = left[:-3:-1] if options.adj_x else left[-2:]
    depth_of_rhs, columns = right[:-3:-1] if options.adj_y else right[-2:]
    require(depth == depth_of_rhs, f"depth {depth_of_rhs}; the left side has {depth}")
    batches = (other if one == 1 else one for one, other in zip(left[:-2], right[:-2], strict=True))
    return (*batches, rows, columns)


def fold(node: Node, host: Host) -> Evaluate:
    """The transposed sides are multiplied, as their types say."""
    require_arity(node, 2, 1)
    lhs, rhs, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    types = lhs.type, rhs.type, y.type
    names = ", ".join(each.name for each in types)
    require(types in FOLDS, f"the types {names} of both sides and the output are not supported together")
    for tensor in (lhs, rhs):
        rank = len(tensor.shape)
        require(MIN_RANK <= rank <= MAX_RANK, f"{rank} dimensions; it takes {MIN_RANK} to {MAX_RANK}", tensor)
    options = options_of(node, BatchMatMulOptions)
    multiply = FOLDS[types](node, host)
    dtype = dtype_of(y.type)

    def evaluate(a: Array, b: Array) -> tuple[Array, ...]:
        shape = shape_of_product(a.shape, b.shape, options)
        if 0 in shape:
            return (np.zeros(shape, dtype),)
        a = a.swapaxes(-1, -2) if options.adj_x else a
        b = b.swapaxes(-1, -2) if options.adj_y else b
        return (multiply(a, b).astype(dtype, copy=False).reshape(shape),)

    return evaluate


def fold_float(node: Node, host: Host) -> Product:
    """float32, summed in order."""
    return sequential_matmul


def fold_int32(node: Node, host: Host) -> Product:
    """int8 as it is, whatever its zero points, in int32."""
    return lambda a, b: wrap_int32(integer_matmul(a, b))


def fold_int8(node: Node, host: Host) -> Product:
    """int8: int32 sums, brought to the output's scale."""
    return partial(multiply_quantized, quantized(node, host, host.numerics.batch_matmul_requantize))


def fold_int16(node: Node, host: Host) -> Product:
    """int16 with int16 or int8, all symmetric: int64 sums, brought to the output's scale."""
    for tensor in (input_at(node, 0), input_at(node, 1), output_at(node, 0)):
        require_zero_point(tensor, 0)
    return partial(multiply_quantized, quantized(node, host, in_fixed_point_of_16_bits))


class Params(NamedTuple):
    """What a quantized product comes down to."""

    lhs_offset: int
    rhs_offset: int
    output_offset: int
    limits: np.iinfo[Any]
    is_wide: bool
    requantize: Requantize


def quantized(node: Node, host: Host, requantize: Callable[[Sequence[float]], Requantize]) -> Params:
    """The parameters of a node without a float side."""
    lhs, rhs, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    for tensor in (lhs, rhs, y):
        require_affine(tensor)
        require(first_scale(tensor) > 0, "scale 0", tensor)
    scale = host.numerics.scale_of_one
    real = host.numerics.batch_matmul_multiplier(scale(lhs), scale(rhs), scale(y))
    return Params(
        lhs_offset=-first_zero_point(lhs),
        rhs_offset=-first_zero_point(rhs),
        output_offset=first_zero_point(y),
        limits=np.iinfo(dtype_of(y.type)),
        is_wide=lhs.type == TensorType.INT16,
        requantize=requantize([real]),
    )


def multiply_quantized(p: Params, a: Array, b: Array) -> Array:
    """y[i, j] = clamp(requantize(sum over k of (a[i, k] + lhs_offset) * (b[k, j] + rhs_offset)) + output_offset)"""
    sums = integer_matmul(a.astype(np.int32) + p.lhs_offset, b.astype(np.int32) + p.rhs_offset)
    acc = sums if p.is_wide else wrap_int32(sums)
    y = wrap_int32(p.requantize(acc) + p.output_offset)
    return clamp(y, p.limits.min, p.limits.max, p.limits.dtype)


def fold_hybrid(node: Node, host: Host) -> Product:
    """float32 with int8: each row of the left side is quantized on the fly."""
    rhs = input_at(node, 1)
    options = options_of(node, BatchMatMulOptions)
    require_affine(rhs)
    assert rhs.quantization is not None
    scales = np.array(rhs.quantization.scale, np.float32)
    columns = rhs.shape[-2 if options.adj_y else -1]
    axis = rhs.quantization.quantized_dimension
    if len(scales) > 1:
        require(rhs.shape[axis : axis + 1] == (len(scales),), f"{len(scales)} scales along dimension {axis}", rhs)
        require(len(scales) >= columns, f"{len(scales)} scales for {columns} columns", rhs)
        scales = scales[:columns]
    return partial(multiply_hybrid, options.asymmetric_quantize_inputs, not options.adj_x, scales)


def multiply_hybrid(is_asymmetric: bool, may_merge: bool, scales: Array, a: Array, b: Array) -> Array:
    """y[i, j] = scale[i] * scales[j] * (sum over k of q[i, k] * b[k, j] - zero_point[i] * column_sum[j])

    What is in brackets is an integer, but the difference is one of floats, cut to an integer again.
    """
    if may_merge and min(a.ndim, b.ndim) > 2 and b.shape[-3] == 1:  # batches of a with the same b are one matrix
        a, b = a.reshape(*a.shape[:-3], -1, a.shape[-1]), b.reshape(*b.shape[:-3], *b.shape[-2:])
    rows = a.reshape(-1, a.shape[-1])
    q, scale, zero_point = quantize_asymmetric(rows) if is_asymmetric else (*quantize_symmetric(rows), None)
    sums = integer_matmul(q.reshape(a.shape), b)
    if zero_point is not None:
        require_column_sums(b.shape)
        column_sums = of_misplaced_batches(b.sum(axis=-2, dtype=np.int32), b.shape)[..., None, :]
        zero_points = of_misplaced_batches(zero_point, a.shape)[..., None]
        sums = np.trunc(sums.astype(np.float32) - column_sums.astype(np.float32) * zero_points.astype(np.float32))
    return np.float32(0) + (of_misplaced_batches(scale, a.shape)[..., None] * scales) * sums.astype(np.float32)


def of_misplaced_batches(vectors: Array, shape: Shape) -> Array:
    """A vector for each batch of a tensor of `shape`: that of the batch whose number is the sum of the indices.

    That is right with one dimension of batches, and wrong with several, but it is what the runtime does
    [reference/batch_matmul.h: ioff_ext0, woff_ext0].
    """
    batches = shape[:-2]
    flat = vectors.reshape(prod(batches), -1)
    return flat[np.indices(batches).sum(axis=0)] if batches else flat[0]


def require_column_sums(shape: Shape) -> None:
    """The runtime computes the sums of the batches along the last two dimensions alone, and reads further."""
    if len(shape) == MAX_RANK:
        last = sum(size - 1 for size in shape[:-2])
        require(last < prod(shape[1:-2]), f"batches of {shape}; sums of columns that are not computed would be read")


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """That of the product."""
    return [shape_of_product(shapes[0], shapes[1], options_of(node, BatchMatMulOptions))]


F32, I8, I16, I32 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32

FOLDS: dict[tuple[TensorType, TensorType, TensorType], Callable[[Node, Host], Product]] = {  # both sides and the output
    (F32, F32, F32): fold_float,
    (F32, I8, F32): fold_hybrid,
    (I8, I8, I8): fold_int8,
    (I8, I8, I32): fold_int32,
    (I16, I16, I16): fold_int16,
    (I16, I8, I16): fold_int16,
}

BATCH_MATMUL = Kernel(
    init=op_data(OP_DATA_BATCH_MATMUL, "batch_matmul.cc: BatchMatMulInit"),
    prepare=prepare,
    parameters=BATCH_MATMUL_PARAMS,
)
COMPUTE_BATCH_MATMUL = Compute(fold=fold, shape=shape, types=frozenset({F32, I8, I16}), version=4)
