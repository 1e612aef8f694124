"""What every convolution does with its sums of products, whatever it sums.

A convolution multiplies images with filters, sums the products under each window, and turns the sums into outputs.
The operators differ in what is under a window; the types differ in what becomes of the tensors before the products and
of the sums after them. The latter is here: quantized (int8, int16x8, uint8), float32, and hybrid.

Sources: tensorflow/lite/kernels/internal/reference/conv.h, depthwiseconv_float.h, depthwiseconv_uint8.h,
integer_ops/conv.h, integer_ops/depthwise_conv.h, and the Prepare of the operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from refinfer.kernels.arithmetic.fixedpoint import wrap_int32
from refinfer.kernels.arithmetic.hybrid import quantize_asymmetric, quantize_symmetric
from refinfer.kernels.arithmetic.products import Finish, Layout, Params, Start, as_it_is, quantized_products
from refinfer.kernels.common import first_scale, first_zero_point, require_affine, require_rank, require_type
from refinfer.kernels.compute import Shape, dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import ROUNDED_TWICE, Rounding, in_fixed_point_of_16_bits
from refinfer.kernels.quantization import activate, require_convolution_multiplier
from refinfer.kernels.window import Windows, overlap, span, windows
from refinfer.schema.enums import ActivationFunctionType, Padding, TensorType
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

BLOCK_ELEMENTS = 2**17
"""About as many numbers are worked on at a time, so that they stay in a cache: outputs are made some rows at a time."""

Block = TypeVar("Block")


class Operands(NamedTuple):
    """The tensors of a convolution, and its options that are not about windows.

    `bias_type` is what a 16x8 node says about the bias; it counts where there is none. `layout` brings filters into the
    order in which they are multiplied. `rounding` is that of integers.
    """

    x: Tensor
    weights: Tensor
    bias: Tensor | None
    y: Tensor
    channel_axis: int  # of the filter: output channels
    activation: ActivationFunctionType
    bias_type: TensorType = TensorType.INT64
    layout: Layout = as_it_is
    rounding: Rounding = ROUNDED_TWICE

    @property
    def channels(self) -> int:
        """The output channels."""
        return self.weights.shape[self.channel_axis]


def require_operands(p: Operands, rank: int, int16_bias: Sequence[TensorType] = (TensorType.INT64,)) -> None:
    """What all convolutions presume of their tensors; `int16_bias` are the types of bias that int16 may have.

    The shape of the input is left alone: where it is computed, the file need not know it.
    """
    require_rank(p.weights, rank)
    require(0 not in p.weights.shape, f"shape {p.weights.shape}; a filter may not be empty", p.weights)
    require_type(p.y, p.x.type)
    if p.bias is not None:
        require_type(p.bias, *BIAS_TYPES.get(p.x.type, int16_bias))
        require(p.bias.elements == p.channels, f"{p.bias.elements} values for {p.channels} channels", p.bias)


def require_channels(x: Shape, weights: Shape, filters: int, depth: int) -> int:
    """Filters of some depth see a part of the input's channels each, and there are as many filters for each part.

    How many parts there are.
    """
    message = f"{filters} filters of {depth} channels (shape {weights}) do not fit an input of shape {x}"
    require(len(x) == len(weights) and x[-1] > 0 and x[-1] % depth == 0, message)
    groups = x[-1] // depth
    require(filters % groups == 0, message)
    return groups


def require_steps(*steps: int) -> None:
    """Strides and dilations lead forward."""
    require(min(steps) > 0, f"strides and dilations {steps}; each must be at least 1")


def windows_of(padding: Padding, size: int, length: int, stride: int, dilation: int) -> Windows:
    """The windows of a filter; one that is too long by a stride and more is refused, by less has none.

    [padding.h: ComputeOutSizeChecked]
    """
    fits = padding == Padding.SAME or span(length, dilation) < size + 2 * stride
    require(fits, f"a filter of {length} taps, dilated by {dilation}, for {size} pixels")
    return windows(padding, size, length, stride, dilation)


def filter_scales(p: Operands) -> Sequence[float]:
    """The scales of the filter: one, or one for each output channel."""
    require_affine(p.weights)
    assert p.weights.quantization is not None
    scales = p.weights.quantization.scale
    require(len(scales) in (1, p.channels), f"{len(scales)} scales for {p.channels} channels", p.weights)
    return scales


def fold_quantized(params: Callable[[Operands], Params]) -> Callable[[Operands], Start]:
    """The arithmetic of integers, by their parameters."""
    return lambda p: quantized_products(params(p), p.weights, p.bias, p.channel_axis, p.layout)


def params_int8(p: Operands) -> Params:
    """int8 with int8 or int4 filters, per tensor or per channel: the filter's zero point counts as 0."""
    return quantized(p, p.rounding.requantize(real_multipliers(p)))


def params_16x8(p: Operands) -> Params:
    """int16 with int8 filters, all symmetric: the accumulator is as wide as the bias, and rounds accordingly."""
    multipliers = real_multipliers(p)
    if (p.bias_type if p.bias is None else p.bias.type) == TensorType.INT32:
        params = quantized(p, p.rounding.requantize(multipliers))
    else:
        params = quantized(p, in_fixed_point_of_16_bits(multipliers))._replace(keep=as_it_is)
    return params._replace(input_offset=0, output_offset=0)


def params_uint8(p: Operands) -> Params:
    """uint8, per tensor."""
    require(len(filter_scales(p)) == 1, "UINT8 may have one scale only", p.weights)
    require_convolution_multiplier(p.x, p.weights, p.bias, p.y)
    multiplier = p.rounding.uint8_multiplier(first_scale(p.x), first_scale(p.weights), first_scale(p.y))
    params = quantized(p, p.rounding.uint8_requantize([multiplier]))
    return params._replace(filter_offset=-first_zero_point(p.weights))


def real_multipliers(p: Operands) -> list[float]:
    """From the scale of the products to the output's, for each scale of the filter."""
    require_affine(p.x)
    require_affine(p.y)
    return [p.rounding.multiplier(first_scale(p.x), scale, first_scale(p.y)) for scale in filter_scales(p)]


def quantized(p: Operands, requantize: Requantize) -> Params:
    """The parameters of an accumulator of 32 bits."""
    low, high = p.rounding.activation_range(p.y, p.activation)
    offset, dtype = first_zero_point(p.y), dtype_of(p.y.type)
    return Params(-first_zero_point(p.x), 0, offset, low, high, wrap_int32, dtype, requantize)


def fold_float(p: Operands) -> Start:
    """float32: products as they are, summed in the order of C's loops."""
    return lambda x, weights, bias: (x, p.layout(weights), partial(finish_float, p.activation, bias))


def finish_float(activation: ActivationFunctionType, bias: Array | None, sums: Array) -> Array:
    """y = activation(sum + bias)"""
    return activate(sums if bias is None else sums + bias, activation)


def fold_symmetric(p: Operands) -> Start:
    """Hybrid, with one scale for the whole filter: images are quantized without a zero point."""
    scale = np.float32(filter_scales(p)[0])

    def start(x: Array, weights: Array, bias: Array | None) -> tuple[Array, Array, Finish]:
        q, scales = quantize_symmetric(flat(x))
        factors = ((scales * scale).reshape(-1, 1, 1, 1),)
        finish = partial(finish_hybrid, p.activation, bias, factors)
        return q.astype(np.float64).reshape(x.shape), p.layout(weights.view(np.int8).astype(np.float64)), finish

    return start


def fold_asymmetric(p: Operands, factors: Callable[[Array, Array], Sequence[Array]]) -> Start:
    """Hybrid, with a scale for each channel: images are quantized with a zero point.

    `factors` are what a sum is multiplied with in turn, from the scales of the images and those of the channels.
    """
    channel_scales = np.array(filter_scales(p), np.float32)

    def start(x: Array, weights: Array, bias: Array | None) -> tuple[Array, Array, Finish]:
        images, scales = centred(x)
        finish = partial(finish_hybrid, p.activation, bias, factors(scales.reshape(-1, 1, 1, 1), channel_scales))
        return images, p.layout(weights.view(np.int8).astype(np.float64)), finish

    return start


def centred(x: Array) -> tuple[Array, Array]:
    """Images quantized with a zero point, less that point; the scale of each."""
    q, scales, zero_points = quantize_asymmetric(flat(x))
    return (q.astype(np.float64) - zero_points[:, None]).reshape(x.shape), scales


def flat(x: Array) -> Array:
    """An image a row."""
    return x.reshape(len(x), prod(x.shape[1:]))


def finish_hybrid(
    activation: ActivationFunctionType, bias: Array | None, factors: Sequence[Array], sums: Array
) -> Array:
    """y = activation(sum * factor * … + bias), in float32"""
    y = wrap_int32(sums.astype(np.int64)).astype(np.float32)
    for factor in factors:
        y = y * factor
    return finish_float(activation, bias, y)


def gather_in_order(images: Array, filters: Array, grid: Sequence[Windows]) -> Array:
    """sum[b, y, …, g * n + o] = sum over taps t, then c, of images[b, y', …, g * m + c] * filters[t, c, g, o].

    y' is where the tap falls; what falls outside the image is left out. There are m input channels and n filters in a
    group. Each product and each sum is rounded to the type of the images.
    """
    *taps, depth, groups, outputs = filters.shape
    images = images.reshape(*images.shape[:-1], groups, depth)
    sums = np.zeros((len(images), *(axis.number for axis in grid), groups, outputs), images.dtype)
    for tap in product(*map(range, taps)):
        here, there = overlap(grid, tap)
        for c in range(depth):
            sums[here] += images[there][..., c, None] * filters[tap][c]
    return sums.reshape(*sums.shape[:-2], groups * outputs)


def scatter_in_order(images: Array, filters: Array, grid: Sequence[Windows], factors: Sequence[Array] = ()) -> Array:
    """sum[b, y', …, o] = sum over y, …, then c, of images[b, y, …, c] * filters[t, c, o] * factor * …

    The windows are those of the output; pixel y of the input adds to its window, with tap t on y'. A cell is reached
    by the last tap of the first pixel first, so taps are taken backwards. Every step is rounded, as above.
    """
    *taps, depth, outputs = filters.shape
    sums = np.zeros((len(images), *(axis.size for axis in grid), outputs), images.dtype)
    for tap in reversed(list(product(*map(range, taps)))):
        here, there = overlap(grid, tap)
        for c in range(depth):
            term = images[here][..., c, None] * filters[tap][c]
            for factor in factors:
                term = term * factor
            sums[there] += term
    return sums


def in_blocks(blocks: Iterable[Block], finish: Finish, sums: Callable[[Block], Array]) -> Array:
    """The outputs of all rows, made a block at a time."""
    made = [finish(sums(block)) for block in blocks]
    return made[0] if len(made) == 1 else np.concatenate(made, axis=1)


def rows_at_a_time(elements: int) -> int:
    """How many rows make a block, if a row takes so many elements."""
    return max(1, BLOCK_ELEMENTS // max(1, elements))


BIAS_TYPES = {
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.UINT8: (TensorType.INT32,),
    TensorType.INT8: (TensorType.INT32,),
}
PARAMS = {
    (TensorType.UINT8, TensorType.UINT8): params_uint8,
    (TensorType.INT8, TensorType.INT8): params_int8,
    (TensorType.INT8, TensorType.INT4): params_int8,
    (TensorType.INT16, TensorType.INT8): params_16x8,
    (TensorType.INT16, TensorType.INT4): params_16x8,
}
"""The parameters of integers, by the types of input and filter."""

fold_int8 = fold_quantized(params_int8)
fold_16x8 = fold_quantized(params_16x8)
fold_uint8 = fold_quantized(params_uint8)
