"""LiteRT's own vector kernels: what BUILTIN_WITHOUT_DEFAULT_DELEGATES computes where the reference kernels do not.

They work on blocks of numbers with vector instructions, and on the numbers that are left over one by one. The two round
differently, so that a result depends on where in a tensor, or in which channel, a number lies. That is what they do on
x86-64, where NEON instructions are translated to SSE, with one thread; on ARM there are other kernels for much of it.

Sources: tflite/kernels/internal/optimized/optimized_ops.h, reduce.h, integer_ops/add.h and mean.h, and the operators'
own files in tflite/kernels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels import add, mul, quantize, reduce, resize, softmax, transpose_conv
from refinfer.kernels.arithmetic import common_scale, libm
from refinfer.kernels.arithmetic.common_scale import Sum
from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    doubling_high_mul,
    quantize_multiplier,
    round_away,
    scale_in_blocks,
    scale_twice,
    to_int32,
    wrap_int32,
)
from refinfer.kernels.binary import add as plus
from refinfer.kernels.binary import three_tensors
from refinfer.kernels.broadcast import binary, stretching
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    is_affine,
    options_of,
    output_at,
)
from refinfer.kernels.compute import Evaluate, Fold, Host, Shape, dtype_of
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import ROUNDED_TWICE
from refinfer.kernels.quantization import ratio
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ReducerOptions, SoftmaxOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def in_whole_blocks(block: int, size: int) -> Array:
    """Which of so many numbers in a row lie in whole blocks."""
    return np.arange(size) < size // block * block


class Stretch(NamedTuple):
    """How two shapes are walked through together: `run` numbers in a row, in which one input may stand still."""

    run: int
    one_stands_still: bool


def stretch_of(first: Shape, second: Shape) -> Stretch | None:
    """The innermost loop over two shapes; None if there are more than five to merge them into.

    [process_broadcast_shapes.h: ProcessBroadcastShapes; optimized_ops.h: BinaryBroadcastFiveFold]
    """
    rank = max(len(first), len(second))
    a, b = ((1,) * (rank - len(shape)) + tuple(shape) for shape in (first, second))
    if a == b:
        return Stretch(prod(a), one_stands_still=False)
    differing = next(axis for axis in reversed(range(rank)) if a[axis] != b[axis])
    if a[differing] != 1:
        a, b = b, a
    alike, moving, axis = prod(a[differing + 1 :]), 1, differing
    while axis >= 0 and a[axis] == 1:
        moving, axis = moving * b[axis], axis - 1
    while axis >= 0 and a[axis] == b[axis]:
        axis -= 1
    while axis >= 0 and b[axis] == 1:
        axis -= 1
    while axis >= 0 and a[axis] == b[axis]:
        axis -= 1
    if axis >= 0:
        return None
    return Stretch(alike, one_stands_still=False) if alike > 1 else Stretch(moving, one_stands_still=True)


def fold_add(node: Node, host: Host) -> Evaluate:
    """8 bits: y = clamp(scale(a + b at a common scale) + offset), whose inputs are scaled in one step or cut off."""
    return stretching(partial(evaluate_add, add.sum_params(node)))


def fold_add_int16(node: Node, host: Host) -> Evaluate:
    """int16 with any scales and without stretching: blocks of 16, as int8; otherwise as the reference kernels do."""
    reference = add.fold_add_int16(node, host)
    tensors = three_tensors(node)
    if not is_affine(tensors[0]) or add.powers_of_two(node, tensors) is not None:
        return reference
    p = add.sum_params(node)

    def evaluate(a: Array, b: Array) -> tuple[Array, ...]:
        (rest,) = reference(a, b)
        if a.shape != b.shape:
            return (rest,)
        raw = scale_twice(wrap_int32(shifted_before(a, p.first) + shifted_before(b, p.second)), p.multiplier, p.shift)
        whole = in_whole_blocks(16, rest.size).reshape(rest.shape)
        return (np.where(whole, clamp(raw + p.offset, p.low, p.high, a.dtype), rest),)

    return evaluate


def evaluate_add(p: Sum, a: Array, b: Array) -> Array:
    """Whole blocks as vectors do it, whose sums wrap around in int16; the rest as the reference kernels do."""
    reference = common_scale.evaluate_sum(p, plus, a, b)
    stretch = stretch_of(a.shape, b.shape)
    if stretch is None:
        return reference
    scaled = shifted_after if stretch.one_stands_still or a.dtype == np.uint8 else shifted_before
    whole = in_whole_blocks(16 if scaled is shifted_before else 8, stretch.run)
    raw = scale_twice(wrap_int32(scaled(a, p.first) + scaled(b, p.second)), p.multiplier, p.shift)
    found = clamp((raw + p.offset).astype(np.int16), p.low, p.high, a.dtype)
    return np.where(np.resize(whole, reference.size).reshape(reference.shape), found, reference)


def fold_mul(node: Node, host: Host) -> Evaluate:
    """8 bits: as the reference kernels do, but in whole blocks a scaled product becomes an int16.

    What that cannot hold is limited; of uint8, where one input stands still, only its last 16 bits are kept. The zero
    point is then added in int16, and that may wrap around [optimized_ops.h, integer_ops/mul.h: MulElementwise,
    MulSimpleBroadcast].
    """
    p = mul.mul_params(node, host)
    is_unsigned = output_at(node, 0).type == TensorType.UINT8
    block = 8 if is_unsigned else 16

    def evaluate(a: Array, b: Array) -> Array:
        reference = mul.evaluate_mul(p, a, b)
        stretch = stretch_of(a.shape, b.shape)
        if stretch is None:
            return reference
        product = (a.astype(np.int64) + p.first_offset) * (b.astype(np.int64) + p.second_offset)
        scaled = scale_twice(product, p.multiplier, p.shift)
        if not (is_unsigned and stretch.one_stands_still):
            scaled = np.clip(scaled, -(2**15), 2**15 - 1)
        found = clamp((scaled + p.output_offset).astype(np.int16), p.low, p.high, a.dtype)
        whole = in_whole_blocks(block, stretch.run)
        return np.where(np.resize(whole, reference.size).reshape(reference.shape), found, reference)

    return stretching(evaluate)


def fold_transpose_conv(node: Node, host: Host) -> Evaluate:
    """uint8: blocks of 16 numbers of the whole output; the last ones are rounded as the reference kernels do.

    [optimized_ops.h: Quantize]
    """
    in_vectors = transpose_conv.fold(node, host)
    if input_at(node, transpose_conv.INPUT).type != TensorType.UINT8:
        return in_vectors
    numerics = replace(host.numerics, transposed_convolution=ROUNDED_TWICE)
    one_by_one = transpose_conv.fold(node, replace(host, numerics=numerics))

    def evaluate(*inputs: Array) -> tuple[Array, ...]:
        (found,) = in_vectors(*inputs)
        whole = in_whole_blocks(16, found.size).reshape(found.shape)
        return (found if whole.all() else np.where(whole, found, one_by_one(*inputs)[0]),)

    return evaluate


def shifted_before(x: Array, p: common_scale.Input) -> Array:
    """(x + offset) * 2**(left shift + shift) * multiplier, rounded once, ties up [AddElementwiseInt8]"""
    return doubling_high_mul((x.astype(np.int64) + p.offset) << (p.left_shift + p.shift), p.multiplier)


def shifted_after(x: Array, p: common_scale.Input) -> Array:
    """((x + offset) << left shift) * multiplier, rounded, and its last bits cut off [AddScalarBroadcast]"""
    return doubling_high_mul((x.astype(np.int64) + p.offset) << p.left_shift, p.multiplier) >> -p.shift


def fold_mean(node: Node, host: Host) -> Evaluate:
    """8 bits: over the rows and columns of images that keep their rank, in its own way."""
    reference = reduce.COMPUTE_MEAN.fold(node, host)
    x, axis = input_at(node, 0), input_at(node, 1)
    keep_dims = options_of(node, ReducerOptions).keep_dims
    if x.type not in BYTES or not keep_dims or len(x.shape) != 4:
        return reference

    def evaluate(values: Array, axes: Array) -> tuple[Array, ...]:
        if reduce.resolved(axes.reshape(-1).tolist(), values.ndim) != [1, 2]:
            return reference(values, axes)
        return (mean_of_pixels(x, output_at(node, 0), values),)

    assert axis is not None
    return evaluate


def mean_of_pixels(x: Tensor, y: Tensor, values: Array) -> Array:
    """y = clamp(scale(sum of the pixels) + bias), in blocks of 16 channels; the bias holds the zero points, in steps.

    All reals are floats [integer_ops/mean.h: Mean].
    """
    pixels = np.float32(values.shape[1] * values.shape[2])
    x_scale, y_scale = np.float32(first_scale(x)), np.float32(first_scale(y))
    with np.errstate(all="ignore"):
        zero = np.float32(first_zero_point(x)) * x_scale / y_scale
        zero = zero + np.float32(0.5) if zero > 0 else zero - np.float32(0.5)
        real = float(x_scale / (pixels * y_scale))
    multiplier, shift = quantize_multiplier(real if isfinite(real) else 0.0)
    bias = first_zero_point(y) - int(to_int32(np.trunc(zero)))
    sums = wrap_int32(values.sum(axis=(1, 2), dtype=np.int64, keepdims=True))
    limits = np.iinfo(values.dtype)
    scaled = wrap_int32(scale_in_blocks(16, sums, multiplier, shift) + bias)
    return clamp(scaled, limits.min, limits.max, values.dtype)


def fold_float_sum(node: Node) -> reduce.Reduced:
    """y = clamp(round(sum of x * scale + bias)) in floats, ties away from zero [reduce.h: QuantizedMeanOrSum]"""
    x, y = input_at(node, 0), output_at(node, 0)
    scale = np.float32(first_scale(x)) / np.float32(first_scale(y))
    x_zero, y_zero = first_zero_point(x), first_zero_point(y)

    def reduced(rows: Array) -> Array:
        if len(rows) == 0:
            return np.zeros(rows.shape[1:], rows.dtype)
        sums = wrap_int32(rows.sum(axis=0, dtype=np.int64)).astype(np.float32)
        bias = np.float32(-x_zero) * scale * np.float32(len(rows))
        limits = np.iinfo(rows.dtype)
        return clamp(to_int32(round_away(sums * scale + bias)) + y_zero, limits.min, limits.max, rows.dtype)

    return reduced


def fold_product(node: Node) -> reduce.Reduced:
    """As the reference kernels do, but what is reduced along nothing but axes of size 1 is copied as it is.

    [reduce.h: QuantizedReduceProd]
    """
    reduced = reduce.fold_product(node)
    return lambda rows: rows[0] if len(rows) == 1 else reduced(rows)


def fold_quantize(node: Node, host: Host) -> Evaluate:
    """From floats in blocks of 8; from 8 bits to 8 bits in blocks of 16; otherwise as the reference kernels do."""
    reference = quantize.COMPUTE_QUANTIZE.fold(node, host)
    x, y = input_at(node, 0), output_at(node, 0)
    assert y.quantization is not None
    if len(y.quantization.scale) > 1:
        return reference
    if x.type == TensorType.FLOAT32 and y.type in (*BYTES, TensorType.INT16):
        return partial(quantized_floats, y)
    return partial(requantized, x, y) if x.type in BYTES and y.type in BYTES else reference


def quantized_floats(y: Tensor, x: Array) -> tuple[Array, ...]:
    """Blocks: round(x * (1 / scale)), ties to even; the rest: round(x / scale) in double, ties away from zero."""
    scale = np.float64(np.float32(first_scale(y)))
    low, high = quantize.limits_of(y)
    with np.errstate(all="ignore"):
        by_vector = np.rint(x * np.float32(1 / scale)).reshape(-1)
        steps = to_int32(by_vector)
        whole = in_whole_blocks(8, x.size)
        steps[~whole] = to_int32(round_away(x.reshape(-1)[~whole].astype(np.float64) / scale))
    found = np.clip(wrap_int32(steps + first_zero_point(y)), low, high)
    return (found.astype(dtype_of(y.type)).reshape(x.shape),)


def requantized(x: Tensor, y: Tensor, values: Array) -> tuple[Array, ...]:
    """y = clamp(scale(x - zero point) + output zero point), in blocks of 16 [optimized_ops.h: Requantize]"""
    multiplier, shift = quantize_multiplier(ratio(first_scale(x), first_scale(y)))
    low, high = quantize.limits_of(y)
    centred = values.reshape(-1).astype(np.int64) - first_zero_point(x)
    scaled = scale_in_blocks(16, centred, multiplier, shift)
    found = np.clip(wrap_int32(scaled + first_zero_point(y)), low, high)
    return (found.astype(dtype_of(y.type)).reshape(values.shape),)


def fold_dequantize(node: Node, host: Host) -> Evaluate:
    """Blocks of 8: x * scale + (-zero point * scale) in floats; the rest scale * (x - zero point) in double."""
    reference = quantize.COMPUTE_DEQUANTIZE.fold(node, host)
    x = input_at(node, 0)
    if x.type not in (*BYTES, TensorType.INT16) or x.quantization is None or len(x.quantization.scale) > 1:
        return reference
    scale = np.float32(first_scale(x))
    minus_zero = np.float32(-first_zero_point(x) * float(scale))

    def evaluate(values: Array) -> tuple[Array, ...]:
        found = (values.astype(np.float32) * scale + minus_zero).reshape(-1)
        whole = in_whole_blocks(8, values.size)
        found[~whole] = reference(values)[0].reshape(-1)[~whole]
        return (found.reshape(values.shape),)

    return evaluate


def fold_softmax(node: Node, host: Host) -> Evaluate:
    """8 bits: exponentials of floats, tabulated [optimized_ops.h: Softmax, PopulateSoftmaxLookupTable]"""
    reference = softmax.COMPUTE_SOFTMAX.fold(node, host)
    x, y = input_at(node, 0), output_at(node, 0)
    if x.type not in BYTES:
        return reference
    scale = -(np.float32(first_scale(x)) * np.float32(options_of(node, SoftmaxOptions).beta))
    table = libm.expf(scale * np.arange(256).astype(np.float32))
    limits = np.iinfo(dtype_of(y.type))
    return lambda values: (softmax_by_table(table, np.float32(first_scale(y)), first_zero_point(y), limits, values),)


def softmax_by_table(table: Array, scale: np.float32, offset: int, limits: np.iinfo[Any], x: Array) -> Array:
    """y = clamp(round(exp * (1 / (sum of exp * scale))) + offset), summed in order, every step a float."""
    if x.size == 0:
        return np.zeros(x.shape, limits.dtype)
    wide = x.astype(np.int64)
    exponentials = table[wide.max(axis=-1, keepdims=True) - wide]
    with np.errstate(all="ignore"):
        inverse = np.float32(1) / (softmax.running_sum(exponentials) * scale)
        steps = to_int32(round_away(exponentials * inverse))
    return clamp(steps + offset, limits.min, limits.max, limits.dtype)


def blend_uint8(x: Array, rows: resize.Between, columns: resize.Between) -> Array:
    """In floats, rounded up from a half; how near a cell is in both directions is multiplied first.

    [resize_bilinear.h: ResizeBilinearGenericSmallChannel]
    """
    one = np.float32(1)
    dy, dx = rows.offset[:, None, None], columns.offset[:, None]
    real = x.astype(np.float32)
    y = (
        resize.cells(real, rows.low, columns.low) * ((one - dy) * (one - dx))
        + resize.cells(real, rows.low, columns.high) * ((one - dy) * dx)
        + resize.cells(real, rows.high, columns.low) * (dy * (one - dx))
        + resize.cells(real, rows.high, columns.high) * (dy * dx)
        + np.float32(0.5)
    )
    return y.astype(np.int64).astype(np.uint8)


BYTES = (TensorType.INT8, TensorType.UINT8)

ADD_FOLDS: dict[TensorType, Fold] = add.ADD_FOLDS | dict.fromkeys(BYTES, fold_add) | {TensorType.INT16: fold_add_int16}
SUM_FOLDS = (
    reduce.SUM_FOLDS | dict.fromkeys(BYTES, fold_float_sum) | {TensorType.INT16: reduce.symmetric(fold_float_sum)}
)
PRODUCT_FOLDS = reduce.PRODUCT_FOLDS | {
    TensorType.INT8: fold_product,
    TensorType.INT16: reduce.symmetric(fold_product),
}
BILINEAR = resize.BILINEAR | {TensorType.UINT8: (resize.place_in_float, blend_uint8)}

MUL_FOLDS: dict[TensorType, Fold] = mul.MUL_FOLDS | dict.fromkeys(BYTES, fold_mul)
COMPUTE_MUL = binary(MUL_FOLDS, version=7)
COMPUTE_ADD = binary(ADD_FOLDS, version=5)
COMPUTE_MEAN = replace(reduce.COMPUTE_MEAN, fold=fold_mean)
COMPUTE_SUM = reduce.reduction(SUM_FOLDS, 2)
COMPUTE_REDUCE_PROD = reduce.reduction(PRODUCT_FOLDS, 2)
COMPUTE_RESIZE_BILINEAR = resize.bilinear(BILINEAR)
COMPUTE_QUANTIZE = replace(quantize.COMPUTE_QUANTIZE, fold=fold_quantize)
COMPUTE_DEQUANTIZE = replace(quantize.COMPUTE_DEQUANTIZE, fold=fold_dequantize)
COMPUTE_TRANSPOSE_CONV = replace(transpose_conv.COMPUTE_TRANSPOSE_CONV, fold=fold_transpose_conv)
COMPUTE_SOFTMAX = replace(softmax.COMPUTE_SOFTMAX, fold=fold_softmax)
