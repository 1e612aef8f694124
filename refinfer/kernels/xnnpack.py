"""XNNPACK's arithmetic of 8 bits, and the nodes that its delegate takes: LiteRT's default.

The delegate looks at each node of a model, and takes those that satisfy a list of conditions for their operator; what
it leaves is computed by LiteRT's own kernels. `DELEGATED` has the conditions and the arithmetic of each operator whose
bits are XNNPACK's own; operators that only move numbers are not in it, for they are the same whoever computes them.
XNNPACK fuses some neighbours, such as PAD and CONV_2D, and that does not change bits.

It is the same arithmetic on every CPU by its design, but for MUL, which ARM computes in fixed point; only x86-64 has
been compared.

Sources: tflite/delegates/xnnpack/xnnpack_delegate.cc of LiteRT; src/operators, src/microparams-init.c and
src/reference of XNNPACK.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import frexp, isfinite
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels import (
    add,
    batch_matmul,
    conv,
    elu,
    fully_connected,
    mul,
    pool,
    quantize,
    reduce,
    relu,
    resize,
    sigmoid,
    transpose_conv,
)
from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import clamp, wrap_int32
from refinfer.kernels.arithmetic.lookup import Function, looking_up, number_by_number
from refinfer.kernels.binary import activation_of, three_tensors
from refinfer.kernels.broadcast import stretching
from refinfer.kernels.common import first_scale, first_zero_point, input_at, optional_input, options_of, output_at
from refinfer.kernels.compute import Compute, Evaluate, Host, dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import SinglePrecision, product_ratio_of_floats
from refinfer.kernels.quantization import activation_range_to_even
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    BatchMatMulOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    Pool2DOptions,
    ResizeBilinearOptions,
    TransposeConvOptions,
)

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_RANK = 6
LEAST_NORMAL = 2.0**-126


class Delegated(NamedTuple):
    """Which nodes of an operator the delegate takes, and what it computes then."""

    takes: Callable[[Node], bool]
    compute: Compute


def float_ratio(x: Tensor, y: Tensor) -> float:
    """The scale of one over that of the other, as floats."""
    with np.errstate(all="ignore"):
        return float(np.float32(first_scale(x)) / np.float32(first_scale(y)))


def limits_of(tensor: Tensor) -> tuple[int, int]:
    """The least and the largest integer of the tensor's type."""
    limits = np.iinfo(dtype_of(tensor.type))
    return int(limits.min), int(limits.max)


def has_one_scale(*tensors: Tensor | None) -> bool:
    """8 bits, with one scale that is a number larger than nothing, and one zero point."""
    return all(tensor is not None and tensor.type in BYTES and is_one_scale(tensor) for tensor in tensors)


def is_one_scale(tensor: Tensor) -> bool:
    """Affine, along no dimension but the first."""
    q = tensor.quantization
    return (
        q is not None
        and q.details is None
        and len(q.scale) == 1
        and len(q.zero_point) == 1
        and q.quantized_dimension == 0
        and is_normal(q.scale[0])
    )


def is_normal(scale: float) -> bool:
    """A positive float that has all of its bits [xnn_validate_quantized_tensor]."""
    return isfinite(scale) and scale >= LEAST_NORMAL


def are_alike(*tensors: Tensor | None) -> bool:
    """One type of 8 bits, each with one scale."""
    return has_one_scale(*tensors) and len({tensor.type for tensor in tensors if tensor is not None}) == 1


def is_filled(tensor: Tensor | None, rank: int | None = None) -> bool:
    """No dimension is 0, and there are as many as they may be."""
    if tensor is None or 0 in tensor.shape:
        return False
    return len(tensor.shape) <= MAX_RANK if rank is None else len(tensor.shape) == rank


def is_static(tensor: Tensor | None) -> bool:
    """The file holds its value."""
    return tensor is not None and tensor.data is not None


def is_filter(tensor: Tensor, channel_axis: int) -> bool:
    """int8 with a scale for each channel along that axis, or 8 bits with one scale; int8 has no zero points."""
    q = tensor.quantization
    if not is_static(tensor) or q is None or q.details is not None or not q.scale or not q.zero_point:
        return False
    if tensor.type == TensorType.UINT8:
        return is_one_scale(tensor)
    along = len(q.scale) == 1 or q.quantized_dimension == channel_axis
    return along and q.zero_point[0] == 0 and all(map(is_normal, q.scale))


def is_bias(tensor: Tensor | None) -> bool:
    """int32 with positive scales."""
    if tensor is None or tensor.type != TensorType.INT32 or not is_static(tensor) or not is_filled(tensor, 1):
        return False
    q = tensor.quantization
    return q is not None and bool(q.scale) and q.quantized_dimension == 0 and all(map(is_normal, q.scale))


def takes_conv(node: Node) -> bool:
    """CONV_2D with a bias; filter and bias are constants."""
    return takes_convolution(node, conv.CONV_CHANNEL_AXIS)


def takes_depthwise(node: Node) -> bool:
    """DEPTHWISE_CONV_2D likewise, if the depth multiplier divides the channels."""
    multiplier = options_of(node, DepthwiseConv2DOptions).depth_multiplier
    if not takes_convolution(node, conv.DEPTHWISE_CHANNEL_AXIS):
        return False
    return multiplier > 0 and input_at(node, conv.FILTER).shape[3] % multiplier == 0


def takes_convolution(node: Node, channel_axis: int) -> bool:
    """What both have in common."""
    if len(node.inputs) != 3:
        return False
    x, weights, y = input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0)
    return (
        are_alike(x, y)
        and weights.type == x.type
        and all(is_filled(each, 4) for each in (x, weights, y))
        and is_filter(weights, channel_axis)
        and is_bias(optional_input(node, conv.BIAS))
    )


def takes_transpose_conv(node: Node) -> bool:
    """The output's shape is a constant and the filter fits its steps or the output; there need not be a bias.

    [xnnpack_delegate.cc: CalculateTransposeConvPaddings]
    """
    shape, weights, x = (input_at(node, i) for i in range(3))
    y, bias = output_at(node, 0), optional_input(node, transpose_conv.BIAS)
    return (
        is_static(shape)
        and are_alike(x, y)
        and weights.type == x.type
        and all(is_filled(each, 4) for each in (x, weights, y))
        and is_filter(weights, transpose_conv.CHANNEL_AXIS)
        and (bias is None or is_bias(bias))
        and taps_fit(options_of(node, TransposeConvOptions), weights, y)
    )


def taps_fit(options: TransposeConvOptions, weights: Tensor, y: Tensor) -> bool:
    """With SAME, no step is longer than the filter; with VALID, the filter is no longer than the output."""
    if options.padding == Padding.SAME:
        return options.stride_h <= weights.shape[1] and options.stride_w <= weights.shape[2]
    return all(taps <= size for taps, size in zip(weights.shape[1:3], y.shape[1:3], strict=True))


def takes_fully_connected(node: Node) -> bool:
    """Weights are constants and dense; int4 and int2 fill whole bytes. There need not be a bias."""
    x, weights, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    bias, options = optional_input(node, 2), options_of(node, FullyConnectedOptions)
    packed = WEIGHTS_IN_A_BYTE.get(weights.type, 0)
    return (
        node.version != SPARSE_VERSION
        and options.weights_format == 0
        and are_alike(x, y)
        and is_filled(weights, 2)
        and (weights.type == x.type or (x.type == TensorType.INT8 and packed > 0 and weights.shape[1] % packed == 0))
        and is_filter(weights, 0)
        and weights.table.sparsity is None
        and (bias is None or (is_bias(bias) and bias.elements == weights.shape[0]))
    )


def takes_batch_matmul(node: Node) -> bool:
    """int8 whose right side has the zero point 0, or uint8."""
    a, b, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    options = options_of(node, BatchMatMulOptions)
    q = b.quantization
    if not are_alike(a, y) or b.type != a.type or q is None or not q.scale or not q.zero_point:
        return False
    channels = len(b.shape) - (2 if options.adj_y else 1)
    along = len(q.scale) == 1 or q.quantized_dimension == channels
    return along and min(len(a.shape), len(b.shape)) >= 2 and (b.type == TensorType.UINT8 or q.zero_point[0] == 0)


def takes_sum(node: Node) -> bool:
    """ADD and SUB: the scales of the inputs are not too far from that of the output."""
    first, second, y = three_tensors(node)
    ratios = float_ratio(first, y), float_ratio(second, y)
    return takes_elementwise(node) and all(2**-10 <= each < 2**8 for each in ratios)


def takes_product(node: Node) -> bool:
    """MUL: nor is the product of the scales."""
    return takes_elementwise(node) and 2**-16 <= product_ratio_of_floats(*map(first_scale, three_tensors(node))) < 2**8


def takes_elementwise(node: Node) -> bool:
    """Two inputs and an output of one type."""
    first, second, y = three_tensors(node)
    return len(node.inputs) == 2 and are_alike(first, second, y) and is_filled(first) and is_filled(second)


def takes_max_pool(node: Node) -> bool:
    """Windows that leave nothing out."""
    x, y, p = input_at(node, 0), output_at(node, 0), options_of(node, Pool2DOptions)
    in_steps = 0 < p.stride_h <= p.filter_height and 0 < p.stride_w <= p.filter_width
    return are_alike(x, y) and in_steps


def takes_unary(node: Node) -> bool:
    """LOGISTIC and TANH of one type."""
    x = input_at(node, 0)
    return are_alike(x, output_at(node, 0)) and is_filled(x)


def takes_elu(node: Node) -> bool:
    """ELU of int8."""
    return takes_unary(node) and input_at(node, 0).type == TensorType.INT8


def takes_leaky_relu(node: Node) -> bool:
    """Slopes that fit numbers with eight bits below the point."""
    x, y, alpha = input_at(node, 0), output_at(node, 0), np.float32(options_of(node, LeakyReluOptions).alpha)
    if not takes_unary(node) or not np.abs(alpha) >= LEAST_NORMAL:
        return False
    positive = np.float32(float_ratio(x, y))
    negative = positive * alpha
    return bool(2**-8 <= positive <= 2**7 and -(2**7) + 2**-8 <= negative <= 2**7 and abs(negative) >= 2**-8)


def takes_quantize(node: Node) -> bool:
    """From floats, or from the output's own type if the scales are not too far apart."""
    x, y = input_at(node, 0), output_at(node, 0)
    if not is_filled(x) or not has_one_scale(y):
        return False
    return x.type == TensorType.FLOAT32 or (are_alike(x, y) and 2**-8 <= float_ratio(x, y) <= 2**7)


def takes_dequantize(node: Node) -> bool:
    """To floats."""
    x = input_at(node, 0)
    return has_one_scale(x) and is_filled(x) and output_at(node, 0).type == TensorType.FLOAT32


def takes_reduction(node: Node) -> bool:
    """MEAN and SUM, over constant axes."""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    named = axis.type == TensorType.INT32 and is_static(axis) and len(axis.shape) <= 1
    return are_alike(x, y) and named and 0 < axis.elements <= MAX_RANK and len(x.shape) > 0


def takes_resize_bilinear(node: Node) -> bool:
    """To a constant size."""
    x, size, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    return are_alike(x, y) and is_static(size) and is_filled(x, 4) and is_filled(y, 4)


def fold_sum(sign: int) -> Callable[[Node, Host], Evaluate]:
    """ADD and SUB: y = clamp((a * m1 ± b * m2 + bias) >> shift + offset), where m1 and m2 have 20 bits

    [microparams-init.c: xnn_init_qs8_add_minmax_scalar_params]
    """

    def fold(node: Node, host: Host) -> Evaluate:
        first, second, y = three_tensors(node)
        ratios = np.float32(float_ratio(first, y)), np.float32(float_ratio(second, y))
        shift = SUM_BITS - (frexp(max(ratios))[1] - 1)
        m1, m2 = (int(np.rint(each * np.float32(2.0**shift))) for each in ratios)
        bias = (1 << (shift - 1)) - m1 * first_zero_point(first) - sign * m2 * first_zero_point(second)
        low, high = activation_range_to_even(y, activation_of(node))
        offset, dtype = first_zero_point(y), dtype_of(y.type)

        def evaluate(a: Array, b: Array) -> Array:
            acc = wrap_int32(bias + a.astype(np.int64) * m1 + sign * (b.astype(np.int64) * m2)) >> shift
            return clamp(acc + offset, low, high, dtype)

        return stretching(evaluate)

    return fold


def fold_mul(node: Node, host: Host) -> Evaluate:
    """y = clamp(requantize((a - zero point) * (b - zero point)) + offset)"""
    first, second, y = three_tensors(node)
    requantize = SinglePrecision([product_ratio_of_floats(first_scale(first), first_scale(second), first_scale(y))])
    zero_points = first_zero_point(first), first_zero_point(second)
    low, high = activation_range_to_even(y, activation_of(node))
    offset, dtype = first_zero_point(y), dtype_of(y.type)

    def evaluate(a: Array, b: Array) -> Array:
        product = (a.astype(np.int64) - zero_points[0]) * (b.astype(np.int64) - zero_points[1])
        return clamp(requantize(product) + offset, low, high, dtype)

    return stretching(evaluate)


def fold_tabulated(function: Function) -> Callable[[Node, Host], Evaluate]:
    """y = clamp(round(f(x) * (1 / scale) + zero point)), ties to even, in floats, tabulated."""

    def fold(node: Node, host: Host) -> Evaluate:
        x, y = input_at(node, 0), output_at(node, 0)
        low, high = limits_of(x)
        with np.errstate(all="ignore"):
            real = (np.arange(low, high + 1).astype(np.float32) - np.float32(first_zero_point(x))) * np.float32(
                first_scale(x)
            )
            inverse = np.float32(1) / np.float32(first_scale(y))
            steps = np.rint(function(real) * inverse + np.float32(first_zero_point(y)))
        return looking_up(np.clip(steps, low, high).astype(dtype_of(x.type)))

    return fold


def sigmoid_in_double(x: Array) -> Array:
    """exp(x) / (1 + exp(x)), in double."""
    with np.errstate(all="ignore"):
        e = np.exp(x.astype(np.float64))
        return np.where(x > SIGMOID_LIMIT, 1, np.where(x < -SIGMOID_LIMIT, 0, e / (1 + e))).astype(np.float32)


def elu_by_expm1(x: Array) -> Array:
    """x where it is not negative, exp(x) - 1 elsewhere."""
    return np.where(x < 0, libm.expm1f(x), x)


def fold_leaky_relu(node: Node, host: Host) -> Evaluate:
    """y = clamp((x - zero point) * m >> 8 + offset), ties up, with an m for each sign

    [microparams-init.c: xnn_init_qs8_lrelu_scalar_params]
    """
    x, y = input_at(node, 0), output_at(node, 0)
    positive = np.float32(float_ratio(x, y))
    negative = positive * np.float32(options_of(node, LeakyReluOptions).alpha)
    rising, falling = in_256ths(positive), in_256ths(negative)
    zero_point, offset = first_zero_point(x), first_zero_point(y)
    limits = limits_of(y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        centred = values.astype(np.int64) - zero_point
        scaled = (centred * np.where(centred >= 0, rising, falling) + 128) >> 8
        return (clamp(scaled + offset, *limits, values.dtype),)

    return number_by_number(evaluate, x)


def in_256ths(multiplier: np.float32) -> int:
    """A real multiplier with eight bits below the point."""
    return int(np.rint(np.float32(256) * multiplier))


def fold_quantize(node: Node, host: Host) -> Evaluate:
    """y = clamp(round(x * (1 / scale)) + offset), ties to even; of 8 bits clamp((x - zero point) * m >> 8 + offset)

    [microparams-init.c: xnn_init_f32_qs8_cvt_scalar_params, xnn_init_qs8_cvt_scalar_params]
    """
    x, y = input_at(node, 0), output_at(node, 0)
    offset, limits, dtype = first_zero_point(y), limits_of(y), dtype_of(y.type)
    if x.type == TensorType.FLOAT32:
        inverse = np.float32(1) / np.float32(first_scale(y))
        least, most = (np.float32(each - offset) for each in limits)

        def from_floats(values: Array) -> tuple[Array, ...]:
            with np.errstate(all="ignore"):
                steps = np.rint(np.fmin(np.fmax(values * inverse, least), most))
            return (clamp(steps.astype(np.int64) + offset, *limits, dtype),)

        return from_floats
    multiplier, zero_point = in_256ths(np.float32(float_ratio(x, y))), first_zero_point(x)

    def evaluate(values: Array) -> tuple[Array, ...]:
        scaled = ((values.astype(np.int64) - zero_point) * multiplier + 128) >> 8
        return (clamp(scaled + offset, *limits, dtype),)

    return number_by_number(evaluate, x)


def fold_dequantize(node: Node, host: Host) -> Evaluate:
    """y = scale * (x - zero point), in floats."""
    x = input_at(node, 0)
    scale, zero_point = np.float32(first_scale(x)), first_zero_point(x)
    return lambda values: ((values.astype(np.int32) - zero_point).astype(np.float32) * scale,)


def fold_mean(node: Node) -> reduce.Reduced:
    """A sum that is scaled with the ratio of the scales over the number of what is added."""
    return lambda rows: scaled_sum(node, np.float32(1) / np.float32(max(1, len(rows))), rows)


def fold_float_sum(node: Node) -> reduce.Reduced:
    """A sum that is scaled with the ratio of the scales."""
    return lambda rows: scaled_sum(node, np.float32(1), rows)


def scaled_sum(node: Node, share: np.float32, rows: Array) -> Array:
    """y = clamp(round(sum of x * scale + (zero point - n * input zero point * scale))), ties to even, in floats

    [operators/reduce-nd.c]
    """
    x, y = input_at(node, 0), output_at(node, 0)
    require(len(rows) > 0, "nothing to add")
    scale = np.float32(float_ratio(x, y)) * share
    zero = np.float32(first_zero_point(y)) - np.float32(len(rows) * first_zero_point(x)) * scale
    sums = wrap_int32(rows.sum(axis=0, dtype=np.int64)).astype(np.float32)
    limits = limits_of(y)
    return np.clip(np.rint(sums * scale + zero), *limits).astype(rows.dtype)


def place(size: int, output_size: int, options: ResizeBilinearOptions) -> resize.Between:
    """position = i * scale, or (i + 0.5) * scale - 0.5, in floats, kept inside; how far it is from `low` in 2048ths

    [src/indirection.c: xnn_indirection_init_resize_bilinear2d_hwc_q11]
    """
    aligned = options.align_corners and output_size != 1
    scale = np.float32(size - aligned) / np.float32(output_size - aligned)
    i = np.arange(output_size).astype(np.float32)
    half = np.float32(0.5) * scale - np.float32(0.5)
    is_shifted = options.half_pixel_centers and not options.align_corners
    position = np.clip(i * scale + half if is_shifted else i * scale, np.float32(0), np.float32(size - 1))
    low = position.astype(np.int64)
    offset = np.rint((position - low.astype(np.float32)) * np.float32(RESIZE_UNIT)).astype(np.int64)
    return resize.Between(low, np.minimum(low + 1, size - 1), offset)


def blend(x: Array, rows: resize.Between, columns: resize.Between) -> Array:
    """Along the rows, then between them, in fixed point with 22 bits below the point; ties go up."""
    wide, dx, dy = x.astype(np.int64), columns.offset[:, None], rows.offset[:, None, None]
    upper, lower = (
        (resize.cells(wide, each, columns.low) * RESIZE_UNIT)
        + (resize.cells(wide, each, columns.high) - resize.cells(wide, each, columns.low)) * dx
        for each in (rows.low, rows.high)
    )
    return ((upper * RESIZE_UNIT + (lower - upper) * dy + RESIZE_UNIT**2 // 2) // RESIZE_UNIT**2).astype(x.dtype)


BYTES = (TensorType.INT8, TensorType.UINT8)
WEIGHTS_IN_A_BYTE = {TensorType.INT8: 1, TensorType.INT4: 2, TensorType.INT2: 4}
SPARSE_VERSION = 8  # of FULLY_CONNECTED
SUM_BITS = 20
SIGMOID_LIMIT = 100
RESIZE_UNIT = 2**11

DELEGATED: dict[BuiltinOperator, Delegated] = {
    BuiltinOperator.ADD: Delegated(takes_sum, replace(add.COMPUTE_ADD, fold=fold_sum(1))),
    BuiltinOperator.CONV_2D: Delegated(takes_conv, conv.COMPUTE_CONV_2D),
    BuiltinOperator.DEPTHWISE_CONV_2D: Delegated(takes_depthwise, conv.COMPUTE_DEPTHWISE_CONV_2D),
    BuiltinOperator.DEQUANTIZE: Delegated(takes_dequantize, replace(quantize.COMPUTE_DEQUANTIZE, fold=fold_dequantize)),
    BuiltinOperator.FULLY_CONNECTED: Delegated(takes_fully_connected, fully_connected.COMPUTE_FULLY_CONNECTED),
    BuiltinOperator.LOGISTIC: Delegated(
        takes_unary, replace(sigmoid.COMPUTE_LOGISTIC_BY_TABLE, fold=fold_tabulated(sigmoid_in_double))
    ),
    BuiltinOperator.MAX_POOL_2D: Delegated(takes_max_pool, pool.COMPUTE_MAX_POOL_2D),
    BuiltinOperator.MUL: Delegated(takes_product, replace(mul.COMPUTE_MUL, fold=fold_mul)),
    BuiltinOperator.RESIZE_BILINEAR: Delegated(
        takes_resize_bilinear, resize.bilinear(dict.fromkeys(BYTES, (place, blend)))
    ),
    BuiltinOperator.TANH: Delegated(
        takes_unary, replace(sigmoid.COMPUTE_TANH_BY_TABLE, fold=fold_tabulated(libm.tanhf))
    ),
    BuiltinOperator.MEAN: Delegated(takes_reduction, reduce.reduction(dict.fromkeys(BYTES, fold_mean), 3)),
    BuiltinOperator.SUB: Delegated(takes_sum, replace(add.COMPUTE_SUB, fold=fold_sum(-1))),
    BuiltinOperator.TRANSPOSE_CONV: Delegated(takes_transpose_conv, transpose_conv.COMPUTE_TRANSPOSE_CONV),
    BuiltinOperator.SUM: Delegated(takes_reduction, reduce.reduction(dict.fromkeys(BYTES, fold_float_sum), 2)),
    BuiltinOperator.LEAKY_RELU: Delegated(takes_leaky_relu, replace(relu.COMPUTE_LEAKY_RELU, fold=fold_leaky_relu)),
    BuiltinOperator.ELU: Delegated(takes_elu, replace(elu.COMPUTE_ELU, fold=fold_tabulated(elu_by_expm1))),
    BuiltinOperator.QUANTIZE: Delegated(takes_quantize, replace(quantize.COMPUTE_QUANTIZE, fold=fold_quantize)),
    BuiltinOperator.BATCH_MATMUL: Delegated(takes_batch_matmul, batch_matmul.COMPUTE_BATCH_MATMUL),
}
