"""CONV_2D and DEPTHWISE_CONV_2D.

Sources: tensorflow/lite/micro/kernels/conv.h, conv_common.cc, conv.cc, depthwise_conv_common.cc, depthwise_conv.cc;
those of the arithmetic are named in convolution.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, TypeVar

from refinfer.kernels.arithmetic.products import Finish, Start
from refinfer.kernels.arithmetic.sliding import Grid, under_rows, under_windows
from refinfer.kernels.changes import BIAS_TYPES, since
from refinfer.kernels.common import (
    PADDING_VALUES,
    decompressed_weights,
    in_compression_builds,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_affine,
    require_rank,
    require_same_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.convolution import (
    Operands,
    filter_scales,
    fold_16x8,
    fold_asymmetric,
    fold_float,
    fold_int8,
    fold_symmetric,
    fold_uint8,
    gather_in_order,
    in_blocks,
    require_channels,
    require_operands,
    require_steps,
    rows_at_a_time,
    windows_of,
)
from refinfer.kernels.kernel import Kernel, Overlap, Persistent, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT32, POINTER, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.libraries.library_window import Window, window
from refinfer.kernels.overlap import at_least, by_pixels, first_pixels, size_of, worst
from refinfer.kernels.quantization import require_convolution_quantization
from refinfer.kernels.window import Windows, windows
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Folded = TypeVar("Folded")

INPUT, FILTER, BIAS = 0, 1, 2
CONV_CHANNEL_AXIS, DEPTHWISE_CHANNEL_AXIS = 0, 3  # of the filter: OHWI and 1HWO
HYBRID = "Hybrid models are not supported on TFLite Micro."

CONV_PARAMS = struct(
    "TfLiteConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    activation=ENUM,
    dilation_width_factor=INT32,
    dilation_height_factor=INT32,
    quantized_bias_type=since(BIAS_TYPES, ENUM),
)
DEPTHWISE_CONV_PARAMS = struct(
    "TfLiteDepthwiseConvParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    depth_multiplier=INT32,
    activation=ENUM,
    dilation_width_factor=INT32,
    dilation_height_factor=INT32,
)
OP_DATA_CONV = struct(
    "OpDataConv",
    padding=PADDING_VALUES,
    input_zero_point=INT32,
    filter_zero_point=INT32,
    output_zero_point=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
    output_activation_min=INT32,
    output_activation_max=INT32,
    filter_buffer_index=INT32,
    weights_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
)


def prepare_conv(node: Node, build: Build) -> Iterator[Request]:
    """[conv_common.cc: ConvPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(y, x, weights)
    require_same_type(x, y)
    require((x.type, weights.type) in CONV_TYPES, HYBRID, weights)
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, CONV_CHANNEL_AXIS, "conv_common.cc: ConvPrepare")
    if x.type != TensorType.FLOAT32:
        require_scales(weights, CONV_CHANNEL_AXIS)
    activation = options_of(node, Conv2DOptions).fused_activation_function
    yield from prepare_op_data(node, activation, CONV_CHANNEL_AXIS)
    if weights.type == TensorType.INT4:
        yield unpacked_filter(weights, "conv_common.cc: ConvPrepare")
    yield from decompressed_weights(weights, optional_input(node, BIAS), build, "conv_common.cc: ConvPrepare")


def prepare_depthwise(node: Node, build: Build) -> Iterator[Request]:
    """[depthwise_conv_common.cc: DepthwiseConvPrepare] asks for the filter's type later than CONV_2D."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(y, x, weights)
    require_images(x, weights, y)
    yield from per_channel_arrays(weights, DEPTHWISE_CHANNEL_AXIS, "depthwise_conv_common.cc: DepthwiseConvPrepare")
    if x.type == TensorType.INT8:
        require_scales(weights, DEPTHWISE_CHANNEL_AXIS)
    require(x.type == weights.type or (x.type, weights.type) in CONV_TYPES, HYBRID, weights)
    if weights.type == TensorType.INT4:
        yield unpacked_filter(weights, "depthwise_conv_common.cc: DepthwiseConvPrepare")
    activation = options_of(node, DepthwiseConv2DOptions).fused_activation_function
    yield from prepare_op_data(node, activation, DEPTHWISE_CHANNEL_AXIS)
    bias, source = optional_input(node, BIAS), "depthwise_conv_common.cc: DepthwiseConvPrepare"
    yield from decompressed_weights(weights, bias, build, source)


def require_images(*tensors: Tensor) -> None:
    """Prepare reads the four dimensions of an image without asking, and Invoke asserts that there are four."""
    for tensor in tensors:
        require_rank(tensor, 4)


def per_channel_arrays(weights: Tensor, channel_axis: int, source: str) -> Iterator[Request]:
    """A multiplier and a shift for each output channel; the reference kernels keep them for float32 too."""
    channels = weights.shape[channel_axis]
    yield Persistent("per_channel_output_multiplier", 4 * channels, source)
    yield Persistent("per_channel_output_shift", 4 * channels, source)


def unpacked_filter(weights: Tensor, source: str) -> Request:
    """Room for the int4 filter at a byte an element."""
    return Scratch("filter_buffer_index", weights.elements, source)


def prepare_op_data(node: Node, activation: ActivationFunctionType, channel_axis: int) -> Iterator[Request]:
    """[conv_common.cc: CalculateOpDataConv] looks at the same tensors a second time, while the first look lasts."""
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    bias = optional_input(node, BIAS)
    yield from temps(x, weights, bias, y)
    if x.type != TensorType.FLOAT32:
        require_convolution_quantization(x, weights, bias, y, activation, weights.shape[channel_axis])


def require_scales(weights: Tensor, channel_axis: int) -> None:
    """One scale for the whole filter, or one for each output channel."""
    require_affine(weights)
    assert weights.quantization is not None
    scales, channels = len(weights.quantization.scale), weights.shape[channel_axis]
    require(scales in (1, channels), f"{scales} scales for {channels} channels", weights)


def invoke_conv(node: Node) -> None:
    """[conv.cc: ConvEval] takes what Prepare let through, but is particular about the bias of int16."""
    bias = optional_input(node, BIAS)
    if input_at(node, INPUT).type == TensorType.INT16 and bias is not None:
        known = bias.type in (TensorType.INT32, TensorType.INT64)
        require(known, f"Bias type {bias.type.name} not supported.", bias)


def invoke_depthwise(node: Node) -> None:
    """[depthwise_conv.cc: DepthwiseConvEval]"""
    x, weights = input_at(node, INPUT), input_at(node, FILTER)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Input type {x.type.name} not supported.", x)
    require(
        (x.type, weights.type) in CONV_TYPES,
        f"Filter type {weights.type.name} for input type {x.type.name} not supported.",
        weights,
    )


def overlap_conv(node: Node, position: int, build: Build) -> Overlap | None:
    """For each channel of a pixel, what the filter sees of its window is read anew [reference/conv.h: Conv]."""
    if position != INPUT:
        return None
    w = window_of(node, Conv2DOptions)
    groups = max(1, w.channels // max(1, w.filter_channels))
    filters = w.output_channels // groups
    return over_windows(node, w, filters - 1 + max(0, (groups - 1) * (filters - w.filter_channels)))


def overlap_depthwise(node: Node, position: int, build: Build) -> Overlap | None:
    """Channel by channel, and each once for all filters on it [reference/depthwiseconv_float.h: DepthwiseConv]."""
    if position != INPUT:
        return None
    w = window_of(node, DepthwiseConv2DOptions)
    if w.output_channels != w.channels * options_of(node, DepthwiseConv2DOptions).depth_multiplier:
        return None
    return over_windows(node, w, w.output_channels - w.channels)


def window_of(node: Node, table: type[Conv2DOptions] | type[DepthwiseConv2DOptions]) -> Window:
    """The node as a window over its input."""
    return window(input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0), options_of(node, table))


def over_windows(node: Node, w: Window, ahead: int) -> Overlap:
    """Pixel by pixel; the last that is read of a window comes when `ahead` channels more are written than read."""
    steps = by_pixels(first_pixels(w), w.channels, w.output_channels, ahead=ahead)
    return at_least(size_of(output_at(node, 0)) * worst(steps))


def fold_conv(node: Node, host: Host) -> Evaluate:
    """A pixel for each window of the image."""
    return fold_conv_arithmetic(node, host, None)


def fold_conv_as_declared(node: Node, host: Host) -> Evaluate:
    """As many pixels as the file says, be they more or fewer than windows of the image."""
    return fold_conv_arithmetic(node, host, output_at(node, 0).shape)


def fold_depthwise(node: Node, host: Host) -> Evaluate:
    """A pixel for each window; filters are counted, though for some types the depth multiplier is believed."""
    believed = (input_at(node, INPUT).type, input_at(node, FILTER).type) in BELIEVERS
    return fold_depthwise_arithmetic(node, host, None, believed)


def fold_depthwise_as_declared(node: Node, host: Host) -> Evaluate:
    """As many pixels as the file says, and the depth multiplier is believed."""
    return fold_depthwise_arithmetic(node, host, output_at(node, 0).shape, believed=True)


def fold_conv_arithmetic(node: Node, host: Host, declared: Shape | None) -> Evaluate:
    """The types choose what becomes of products, and in which order they are summed."""
    options = options_of(node, Conv2DOptions)
    require_steps(options.stride_h, options.stride_w, options.dilation_h_factor, options.dilation_w_factor)
    p = conv_operands(node, host)
    require_operands(p, rank=4, int16_bias=(TensorType.INT32, TensorType.INT64))
    is_float = p.x.type == p.weights.type == TensorType.FLOAT32
    sums, layout = (ordered_sums, output_last) if is_float else (exact_sums, as_matrix)
    start = arithmetic(p._replace(layout=layout), CONV_ARITHMETIC)

    @lru_cache(maxsize=1)
    def grids(x: Shape, weights: Shape) -> list[tuple[Windows, Windows]]:
        require_channels(x, weights, filters=weights[0], depth=weights[3])
        rows, columns = window_grid(options, x, weights, declared)
        elements = x[0] * columns.number * max(weights[0], prod(weights[1:3]) * x[3])
        return [(block, columns) for block in rows.blocks(rows_at_a_time(elements))]

    def evaluate(x: Array, weights: Array, bias: Array | None = None) -> tuple[Array, ...]:
        blocks = grids(x.shape, weights.shape)
        images, filters, finish = start(x, weights, bias)
        return (in_blocks(blocks, finish, lambda grid: sums(images, filters, grid)),)

    return evaluate


def fold_depthwise_arithmetic(node: Node, host: Host, declared: Shape | None, believed: bool) -> Evaluate:
    """Every input channel has filters of its own, as many as the depth multiplier says, if it is believed.

    Where that is not true, the runtimes leave outputs as the memory was before, or write beyond them.
    """
    options = options_of(node, DepthwiseConv2DOptions)
    require_steps(options.stride_h, options.stride_w, options.dilation_h_factor, options.dilation_w_factor)
    p = depthwise_operands(node, host)
    require_operands(p, rank=4)
    start = arithmetic(p, DEPTHWISE_ARITHMETIC)
    sums = ordered_depthwise_sums if p.x.type == p.weights.type == TensorType.FLOAT32 else exact_depthwise_sums

    @lru_cache(maxsize=1)
    def grids(x: Shape, weights: Shape) -> list[tuple[Windows, Windows]]:
        multiplier = weights[3] // require_channels(x, weights, filters=weights[3], depth=1)
        true = not believed or options.depth_multiplier == multiplier
        require(true, f"depth multiplier {options.depth_multiplier}; shapes {x}, {weights} need {multiplier}")
        rows, columns = window_grid(options, x, weights, declared)
        return [(block, columns) for block in rows.blocks(rows_at_a_time(x[0] * columns.number * weights[3]))]

    def evaluate(x: Array, weights: Array, bias: Array | None = None) -> tuple[Array, ...]:
        blocks = grids(x.shape, weights.shape)
        images, filters, finish = start(x, weights, bias)
        return (in_blocks(blocks, finish, lambda grid: sums(images, filters, grid)),)

    return evaluate


def conv_operands(node: Node, host: Host) -> Operands:
    """The tensors and options of a CONV_2D."""
    options = options_of(node, Conv2DOptions)
    p = operands(node, CONV_CHANNEL_AXIS, options.fused_activation_function)
    is_grouped = len(p.x.shape) == len(p.weights.shape) and p.x.shape[-1] != p.weights.shape[-1]
    numerics = host.numerics
    return p._replace(
        bias_type=options.quantized_bias_type,
        rounding=numerics.grouped_convolution if is_grouped else numerics.convolution,
    )


def depthwise_operands(node: Node, host: Host) -> Operands:
    """The tensors and options of a DEPTHWISE_CONV_2D."""
    activation = options_of(node, DepthwiseConv2DOptions).fused_activation_function
    return operands(node, DEPTHWISE_CHANNEL_AXIS, activation)._replace(rounding=host.numerics.depthwise_convolution)


def operands(node: Node, channel_axis: int, activation: ActivationFunctionType) -> Operands:
    """The node's tensors, as its Prepare finds them."""
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    return Operands(x, weights, optional_input(node, BIAS), y, channel_axis, activation)


def arithmetic(p: Operands, table: Mapping[tuple[TensorType, TensorType], Callable[[Operands], Folded]]) -> Folded:
    """What the types of input and filter ask for; raises Refusal if the table has no such pair."""
    fold = table.get((p.x.type, p.weights.type))
    require(fold is not None, f"a filter of {p.weights.type.name} for an input of {p.x.type.name}", p.weights)
    assert fold is not None
    return fold(p)


def fold_hybrid(p: Operands) -> Start:
    """Quantized with a zero point where scales differ, or channels are grouped [conv.cc: EvalHybridPerChannel]."""
    symmetric = fold_symmetric(p)
    asymmetric = fold_asymmetric(p, lambda image_scales, channel_scales: (channel_scales, image_scales))
    has_several_scales = is_per_channel(p)

    def start(x: Array, weights: Array, bias: Array | None) -> tuple[Array, Array, Finish]:
        is_grouped = x.shape[3] != weights.shape[3]
        return (asymmetric if has_several_scales or is_grouped else symmetric)(x, weights, bias)

    return start


def is_per_channel(p: Operands) -> bool:
    """Whether the scales of a hybrid filter differ; those of an old file's count as one."""
    scales = filter_scales(p)
    return any(scale != scales[0] for scale in scales) and p.weights.type != TensorType.UINT8


def fold_depthwise_hybrid(p: Operands) -> Start:
    """The scales are multiplied with each other first."""
    return fold_asymmetric(p, lambda image_scales, channel_scales: (image_scales * channel_scales,))


def window_grid(
    options: Conv2DOptions | DepthwiseConv2DOptions, x: Shape, weights: Shape, declared: Shape | None = None
) -> tuple[Windows, Windows]:
    """The rows and columns of windows that the filters have on the images, or as many as are declared."""
    axes = (
        (x[1], weights[1], options.stride_h, options.dilation_h_factor),
        (x[2], weights[2], options.stride_w, options.dilation_w_factor),
    )
    if declared is None:
        rows, columns = (windows_of(options.padding, *axis) for axis in axes)
        return rows, columns
    rows, columns = (windows(options.padding, *axis) for axis in axes)
    return rows._replace(number=declared[1]), columns._replace(number=declared[2])


def exact_sums(images: Array, filters: Array, grid: Grid) -> Array:
    """sum[b, y, x, o] = sum over fy, fx, c of images[b, y', x', c] * filters[fy fx c, o], as a product of matrices.

    y' and x' are where the tap falls; what falls outside the image counts as 0. A grouped filter sees its own channels.
    """
    size, outputs = filters.shape
    under = under_windows(images, grid)
    pixels, taps = under.shape[:3], prod(under.shape[3:5])
    groups = images.shape[3] * taps // size
    if groups == 1:
        return (under.reshape(prod(pixels), size) @ filters).reshape(*pixels, outputs)
    under = under.reshape(prod(pixels), taps, groups, size // taps).transpose(2, 0, 1, 3)
    filters = filters.reshape(size, groups, outputs // groups).transpose(1, 0, 2)
    sums = under.reshape(groups, prod(pixels), size) @ filters
    return sums.transpose(1, 0, 2).reshape(*pixels, outputs)


def as_matrix(filters: Array) -> Array:
    """[fy fx c, o], a filter a column."""
    return np.ascontiguousarray(filters.reshape(len(filters), -1).T)


def exact_depthwise_sums(images: Array, filters: Array, grid: Grid) -> Array:
    """sum[b, y, x, o] = sum over fy, fx of images[b, y', x', o // m] * filters[0, fy, fx, o]

    m is the depth multiplier. Unless channels are many, a row of windows is one axis with its channels, since few long
    axes are multiplied faster than many short ones.
    """
    outputs, columns = filters.shape[3], grid[1]
    images = images.repeat(outputs // images.shape[3], axis=3) if outputs > images.shape[3] else images
    if columns.stride > 1 and (columns.dilation > 1 or outputs >= MANY_CHANNELS):
        return np.einsum("byxijo,ijo->byxo", under_windows(images, grid), filters[0])
    along = filters[0, :, :, None].repeat(columns.number, axis=2).reshape(*filters.shape[1:3], -1)
    first, *others = (np.einsum("byijr,ijr->byr", cells, along[:, taps]) for taps, cells in under_rows(images, grid))
    for each in others:
        first += each
    return first.reshape(*first.shape[:2], columns.number, outputs)


def ordered_sums(images: Array, filters: Array, grid: Sequence[Windows]) -> Array:
    """As `exact_sums` of filters[fy, fx, c, o], with each product and each sum rounded, in the order of fy, fx, c."""
    *taps, depth, outputs = filters.shape
    groups = images.shape[3] // depth
    return gather_in_order(images, filters.reshape(*taps, depth, groups, outputs // groups), grid)


def output_last(filters: Array) -> Array:
    """[fy, fx, c, o]"""
    return np.ascontiguousarray(np.moveaxis(filters, 0, -1))


def ordered_depthwise_sums(images: Array, filters: Array, grid: Sequence[Windows]) -> Array:
    """As `exact_depthwise_sums`, with each product and each sum rounded, in the order of fy, fx."""
    _, *taps, outputs = filters.shape
    channels = images.shape[3]
    return gather_in_order(images, filters[0].reshape(*taps, 1, channels, outputs // channels), grid)


def conv_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A pixel for each window, a channel for each filter."""
    rows, columns = window_grid(options_of(node, Conv2DOptions), shapes[INPUT], shapes[FILTER])
    return [(shapes[INPUT][0], rows.number, columns.number, shapes[FILTER][CONV_CHANNEL_AXIS])]


def depthwise_shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """As `conv_shape`."""
    rows, columns = window_grid(options_of(node, DepthwiseConv2DOptions), shapes[INPUT], shapes[FILTER])
    return [(shapes[INPUT][0], rows.number, columns.number, shapes[FILTER][DEPTHWISE_CHANNEL_AXIS])]


def shape_as_declared(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The output's shape is the one in the file."""
    return [output_at(node, 0).shape]


MANY_CHANNELS = 64

CONV_TYPES = {
    (TensorType.FLOAT32, TensorType.FLOAT32),
    (TensorType.INT16, TensorType.INT8),
    (TensorType.INT8, TensorType.INT8),
    (TensorType.INT8, TensorType.INT4),
}

CONV_2D = Kernel(
    init=op_data(OP_DATA_CONV, "conv_common.cc: ConvInit"),
    prepare=prepare_conv,
    invoke=invoke_conv,
    parameters=CONV_PARAMS,
    overlap=overlap_conv,
)
DEPTHWISE_CONV_2D = Kernel(
    init=op_data(OP_DATA_CONV, "depthwise_conv.cc: DepthwiseConvInit"),
    prepare=prepare_depthwise,
    invoke=invoke_depthwise,
    parameters=DEPTHWISE_CONV_PARAMS,
    overlap=overlap_depthwise,
)

CONV_ARITHMETIC = {
    (TensorType.FLOAT32, TensorType.FLOAT32): fold_float,
    (TensorType.FLOAT32, TensorType.INT8): fold_hybrid,
    (TensorType.FLOAT32, TensorType.INT4): fold_hybrid,
    (TensorType.FLOAT32, TensorType.UINT8): fold_hybrid,  # which holds int8 in old files
    (TensorType.UINT8, TensorType.UINT8): fold_uint8,
    (TensorType.INT8, TensorType.INT8): fold_int8,
    (TensorType.INT8, TensorType.INT4): fold_int8,
    (TensorType.INT16, TensorType.INT8): fold_16x8,
    (TensorType.INT16, TensorType.INT4): fold_16x8,
}
DEPTHWISE_ARITHMETIC = {
    (TensorType.FLOAT32, TensorType.FLOAT32): fold_float,
    (TensorType.FLOAT32, TensorType.INT8): fold_depthwise_hybrid,
    (TensorType.UINT8, TensorType.UINT8): fold_uint8,
    (TensorType.INT8, TensorType.INT8): fold_int8,
    (TensorType.INT8, TensorType.INT4): fold_int8,
    (TensorType.INT16, TensorType.INT8): fold_16x8,
}
BELIEVERS = {(TensorType.INT16, TensorType.INT8), (TensorType.FLOAT32, TensorType.INT8)}
"""Types for which the depth multiplier is taken from the options; otherwise filters are counted [depthwise_conv.cc]."""

COMPUTE_TYPES = frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT16})

COMPUTE_CONV_2D = Compute(fold=fold_conv, shape=conv_shape, types=COMPUTE_TYPES, version=8)
COMPUTE_CONV_2D_AS_DECLARED = Compute(
    fold=fold_conv_as_declared, shape=shape_as_declared, types=COMPUTE_TYPES, version=8
)
COMPUTE_DEPTHWISE_CONV_2D = Compute(fold=fold_depthwise, shape=depthwise_shape, types=COMPUTE_TYPES, version=7)
COMPUTE_DEPTHWISE_CONV_2D_AS_DECLARED = Compute(
    fold=fold_depthwise_as_declared, shape=shape_as_declared, types=COMPUTE_TYPES, version=7
)
