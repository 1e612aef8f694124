"""TRANSPOSE_CONV.

Sources: tensorflow/lite/micro/kernels/transpose_conv.cc, tensorflow/lite/kernels/transpose_conv.cc,
tensorflow/lite/kernels/internal/reference/transpose_conv.h and integer_ops/transpose_conv.h. Its input 0 is the
output's shape, which TFLM ignores: there, the output is as the file says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.products import Finish, Start
from refinfer.kernels.changes import BIAS_TYPES, since
from refinfer.kernels.common import (
    in_compression_builds,
    input_at,
    integers,
    optional_input,
    options_of,
    output_at,
    require_in_debug,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.conv import (
    HYBRID,
    arithmetic,
    per_channel_arrays,
    require_images,
    require_scales,
    shape_as_declared,
)
from refinfer.kernels.convolution import (
    Operands,
    centred,
    filter_scales,
    finish_float,
    fold_16x8,
    fold_int8,
    fold_uint8,
    in_blocks,
    require_channels,
    require_operands,
    require_steps,
    rows_at_a_time,
    scatter_in_order,
)
from refinfer.kernels.kernel import Decompressed, Kernel, Overlap, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT16, INT32, POINTER, UINT8, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import at_least
from refinfer.kernels.quantization import require_convolution_quantization
from refinfer.kernels.window import Windows, overlap, windows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import TransposeConvOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SHAPE, FILTER, INPUT, BIAS = 0, 1, 2, 3
CHANNEL_AXIS = 0  # of the filter, OHWI

TRANSPOSE_CONV_PARAMS = struct(
    "TfLiteTransposeConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    activation=ENUM,
    quantized_bias_type=since(BIAS_TYPES, ENUM),
)
SMALL_PADDING_VALUES = struct("PaddingValues", width=INT16, height=INT16, width_offset=INT16, height_offset=INT16)
CONV_PARAMS = struct(
    "ConvParams",
    padding_type=UINT8,
    padding_values=SMALL_PADDING_VALUES,
    stride_width=INT16,
    stride_height=INT16,
    dilation_width_factor=INT16,
    dilation_height_factor=INT16,
    input_offset=INT32,
    weights_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
)
OP_DATA = struct(
    "transpose_conv:OpData",
    params=CONV_PARAMS,
    scratch_buffer_index=INT32,
    filter_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
    bias_converted_buffer_index=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[transpose_conv.cc: TransposeConvPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    source = "transpose_conv.cc: TransposeConvPrepare"
    yield from temps(y, x, weights)
    require(
        x.type == weights.type or (x.type, weights.type) == (TensorType.INT16, TensorType.INT8),
        HYBRID,
        weights,
    )
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, CHANNEL_AXIS, source)
    if x.type in ACCUMULATOR_BYTES:
        yield Scratch("scratch_buffer_index", ACCUMULATOR_BYTES[x.type] * y.elements, source)
        require_scales(weights, CHANNEL_AXIS)
    yield from prepare_op_data(node, build)
    yield Decompressed("filter_scratch_index", weights, source)
    yield Decompressed("bias_scratch_index", optional_input(node, BIAS), source)


def overlap_scattered(node: Node, position: int, build: Build) -> Overlap | None:
    """Sums of integers are in a buffer of their own until all is read; those of floats are in the output."""
    return at_least(0) if position == INPUT and input_at(node, INPUT).type != TensorType.FLOAT32 else None


def prepare_op_data(node: Node, build: Build) -> Iterator[Request]:
    """[transpose_conv.cc: CalculateOpData]"""
    require(len(node.inputs) in (3, 4), f"{len(node.inputs)} inputs; it takes 3 or 4")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    if x.type == TensorType.FLOAT32:
        return
    bias = optional_input(node, BIAS)
    yield from temps(x, weights, bias, y)
    activation = options_of(node, TransposeConvOptions).fused_activation_function
    require_convolution_quantization(x, weights, bias, y, activation, weights.shape[CHANNEL_AXIS])
    if x.type == TensorType.INT16:
        require_in_debug(build, weights.type == TensorType.INT8, f"filter of {weights.type.name} for INT16", weights)
        require_in_debug(build, y.type == TensorType.INT16, f"output of {y.type.name} for INT16", y)
        if bias is not None and bias.type == TensorType.INT16:  # the loop wants a bias of 64 bits
            yield Scratch("bias_converted_buffer_index", 8 * bias.elements, "transpose_conv.cc: CalculateOpData")


def invoke(node: Node) -> None:
    """[transpose_conv.cc: TransposeConvEval]"""
    x = input_at(node, INPUT)
    require_same_type(x, output_at(node, 0))
    known = x.type == TensorType.FLOAT32 or x.type in ACCUMULATOR_BYTES
    require(known, f"Type {x.type.name} not supported.", x)


Begin = Callable[["Array", "Array", "Array | None"], "tuple[Callable[[Sequence[Windows]], Array], Finish]"]
"""From input, filter and bias to the sums of products over a grid of windows, and to what becomes of them."""


def fold(node: Node, host: Host) -> Evaluate:
    """The output's shape is an input."""
    options, p = options_of(node, TransposeConvOptions), operands(node, host)
    require_operands(p, rank=4, int16_bias=(TensorType.INT32, TensorType.INT64))
    require_type(input_at(node, SHAPE), TensorType.INT32)
    evaluate = fold_arithmetic(node, p)

    def evaluate_in_shape(shape: Array, weights: Array, x: Array, bias: Array | None = None) -> tuple[Array, ...]:
        output = tuple(shape.tolist())
        require(len(output) == 4, f"output shape {output}; it must have 4 dimensions")
        number = tuple(axis.number for axis in window_grid(options, output, weights.shape))
        require(number == x.shape[1:3], f"an output of {output} has windows {number}; the input is {x.shape}")
        return (evaluate(output, weights, x, bias),)

    return evaluate_in_shape


def fold_as_declared(node: Node, host: Host) -> Evaluate:
    """The output has the shape that the file gives it, be it too small or too large for the input.

    The accumulators of int16 are always of 64 bits.
    """
    p = operands(node, host)._replace(bias_type=TensorType.INT64)
    require_operands(p, rank=4, int16_bias=(TensorType.INT16, TensorType.INT64))
    evaluate = fold_arithmetic(node, p)

    def evaluate_in_shape(shape: Array, weights: Array, x: Array, bias: Array | None = None) -> tuple[Array, ...]:
        return (evaluate(p.y.shape, weights, x, bias),)

    return evaluate_in_shape


def operands(node: Node, host: Host) -> Operands:
    """The node's tensors, as its Prepare finds them."""
    require(len(node.inputs) in (3, 4), f"{len(node.inputs)} inputs; it takes 3 or 4")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    options = options_of(node, TransposeConvOptions)
    return Operands(
        x=input_at(node, INPUT),
        weights=input_at(node, FILTER),
        bias=optional_input(node, BIAS),
        y=output_at(node, 0),
        channel_axis=CHANNEL_AXIS,
        activation=options.fused_activation_function,
        bias_type=options.quantized_bias_type,
        rounding=host.numerics.transposed_convolution,
    )


def fold_arithmetic(node: Node, p: Operands) -> Callable[[Shape, Array, Array, Array | None], Array]:
    """Each pixel of the input adds its products with the filter to a window of the output."""
    options = options_of(node, TransposeConvOptions)
    require_steps(options.stride_h, options.stride_w)
    begin = arithmetic(p, ARITHMETIC)

    def evaluate(shape: Shape, weights: Array, x: Array, bias: Array | None) -> Array:
        groups = require_channels(x.shape, weights.shape, filters=len(weights), depth=weights.shape[3])
        require(groups == 1, f"filters of {weights.shape[3]} channels for an input of {x.shape}")
        found, expected = (shape[0], shape[3]), (len(x), len(weights))
        require(found == expected, f"an output of {shape}; its batches and channels must be {expected}")
        grid = window_grid(options, shape, weights.shape)
        rows, columns = (axis._replace(number=size) for axis, size in zip(grid, x.shape[1:3], strict=True))
        sums, finish = begin(x, weights, bias)
        blocks = rows.crops(rows_at_a_time(len(x) * columns.size * len(weights)))
        return in_blocks(blocks, finish, lambda rows: sums((rows, columns)))

    return evaluate


def window_grid(options: TransposeConvOptions, output: Shape, weights: Shape) -> tuple[Windows, Windows]:
    """The windows of the output that pixels of the input add to."""
    rows = windows(options.padding, output[1], weights[1], options.stride_h)
    return rows, windows(options.padding, output[2], weights[2], options.stride_w)


def exactly(start: Start) -> Begin:
    """Integers may be added in any order."""

    def begin(x: Array, weights: Array, bias: Array | None) -> tuple[Callable[[Sequence[Windows]], Array], Finish]:
        images, filters, finish = start(x, weights, bias)
        return lambda grid: exact_sums(images, filters, grid), finish

    return begin


def exact_sums(images: Array, filters: Array, grid: Sequence[Windows]) -> Array:
    """sum[b, y', x', o] = sum over y, x, c of images[b, y, x, c] * filters[o, fy, fx, c] whose tap fy, fx is there"""
    outputs, *taps, _ = filters.shape
    filters = np.moveaxis(filters, 0, -1)
    sums = np.zeros((len(images), *(axis.size for axis in grid), outputs), images.dtype)
    for tap in product(*map(range, taps)):
        here, there = overlap(grid, tap)
        sums[there] += images[here] @ filters[tap]
    return sums


def fold_in_order(p: Operands) -> Begin:
    """float32, added in the order of C's loops over the input."""

    def begin(x: Array, weights: Array, bias: Array | None) -> tuple[Callable[[Sequence[Windows]], Array], Finish]:
        filters = np.ascontiguousarray(np.moveaxis(weights, 0, -1))
        return lambda grid: scatter_in_order(x, filters, grid), partial(finish_float, p.activation, bias)

    return begin


def fold_hybrid(p: Operands) -> Begin:
    """Every single product is scaled, and added in order [reference/transpose_conv.h: HybridTransposeConv]."""
    channel_scales = np.array(filter_scales(p), np.float32)

    def begin(x: Array, weights: Array, bias: Array | None) -> tuple[Callable[[Sequence[Windows]], Array], Finish]:
        images, scales = centred(x)
        images, filters = images.astype(np.float32), np.moveaxis(weights, 0, -1).astype(np.float32)
        factors = channel_scales, scales.reshape(-1, 1, 1, 1)
        return lambda grid: scatter_in_order(images, filters, grid, factors), partial(finish_float, p.activation, bias)

    return begin


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The value of the first input, if the file holds it."""
    tensor = input_at(node, SHAPE)
    return None if tensor.data is None else [integers(tensor, TensorType.INT32)]


ACCUMULATOR_BYTES = {TensorType.INT8: 4, TensorType.INT16: 8}

TRANSPOSE_CONV = Kernel(
    init=op_data(OP_DATA, "transpose_conv.cc: TransposeConvInit"),
    prepare=prepare,
    invoke=invoke,
    parameters=TRANSPOSE_CONV_PARAMS,
    overlap=overlap_scattered,
)

ARITHMETIC: dict[tuple[TensorType, TensorType], Callable[[Operands], Begin]] = {
    (TensorType.FLOAT32, TensorType.FLOAT32): fold_in_order,
    (TensorType.FLOAT32, TensorType.INT8): fold_hybrid,
    (TensorType.UINT8, TensorType.UINT8): lambda p: exactly(fold_uint8(p)),
    (TensorType.INT8, TensorType.INT8): lambda p: exactly(fold_int8(p)),
    (TensorType.INT16, TensorType.INT8): lambda p: exactly(fold_16x8(p)),
}

COMPUTE_TRANSPOSE_CONV = Compute(fold=fold, shape=shape, types=frozenset({TensorType.INT32}), version=5)
COMPUTE_TRANSPOSE_CONV_AS_DECLARED = Compute(
    fold=fold_as_declared, shape=shape_as_declared, types=frozenset(TensorType), version=5
)
