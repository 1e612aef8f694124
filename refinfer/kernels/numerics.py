"""Where official runtimes compute the same operator with different arithmetic: each difference is a function here.

A `Numerics` is a row of the dialect table in registry.py. Kernels take the functions from it and never ask for whom
they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import (
    quantize_multiplier,
    round_away,
    scale_in_blocks,
    scale_int64,
    scale_ties_up,
    scale_twice,
    to_int32,
)
from refinfer.kernels.common import first_scale
from refinfer.kernels.lazy import np
from refinfer.kernels.quantization import activation_range, activation_range_to_even
from refinfer.schema.enums import ActivationFunctionType
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Requantize = Callable[["Array"], "Array"]
"""From accumulators to the scale of the output, still without its zero point and limits: int64 → int64.

The last axis is that of the channels.
"""


Multiplier = Callable[[float, float, float], float]
"""The product of two scales over a third."""


class Rounding(NamedTuple):
    """How a convolution brings integers to the scale of its output.

    `multiplier` is the real one, of the input and a channel of the filter, and `requantize` applies those of all
    channels; uint8, which has no channels, has its own of both. `activation_range` is what a fused activation leaves of
    the integers of the output.
    """

    multiplier: Multiplier
    requantize: Callable[[Sequence[float]], Requantize]
    uint8_multiplier: Multiplier
    uint8_requantize: Callable[[Sequence[float]], Requantize]
    activation_range: Callable[[Tensor, ActivationFunctionType], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Numerics:
    """The arithmetic in which a runtime differs from others.

    Each `…_requantize` makes, of the real multiplier of each channel (one for all, where there is one), the function
    that applies it.
    """

    fully_connected_requantize: Callable[[Sequence[float]], Requantize]
    fully_connected_requantize_int16: Callable[[Sequence[float]], Requantize]
    scale_of_one: Callable[[Tensor], float]
    """The scale of a tensor to a kernel that knows of one: what it takes for it where there are several."""
    scale: Callable[[float], Any]
    """A scale as the number that ABS, DIV, RSQRT and HARD_SWISH compute real multipliers with."""
    product_multiplier: Callable[[float, float, float], float]
    """Of MUL, PRELU and LEAKY_RELU: the product of two scales over a third."""
    batch_matmul_multiplier: Callable[[float, float, float], float]
    """The same, of both sides of BATCH_MATMUL [GetQuantizedConvolutionMultipler]."""
    softmax_multiplier: Callable[[float, float, float], float]
    """The same, of the scale and beta over the step of the table, in int16."""
    softmax_real: Callable[[float], Any]
    """The numbers with which that table is made."""
    convolution: Rounding
    """Of CONV_2D; its multiplier is also that of FULLY_CONNECTED whose weights have several scales."""
    grouped_convolution: Rounding
    """Of CONV_2D whose filters see a part of the channels each."""
    depthwise_convolution: Rounding
    transposed_convolution: Rounding
    fully_connected_multiplier: Multiplier
    """Of FULLY_CONNECTED whose weights have one scale."""
    batch_matmul_requantize: Callable[[Sequence[float]], Requantize]
    activation_range: Callable[[Tensor, ActivationFunctionType], tuple[int, int]]
    """Of FULLY_CONNECTED and the pools: what a fused activation leaves of the integers of the output."""


class FixedPoint:
    """A multiplier and a shift for each channel (one for all, where there is one), applied by `scale`."""

    def __init__(self, scale: Callable[[Array, Array, Array], Array], multipliers: Sequence[float]) -> None:
        """From real multipliers."""
        pairs = [quantize_multiplier(each) for each in multipliers]
        self.scale = scale
        self.real = np.array(multipliers, np.float64)
        self.multiplier = np.array([m for m, _ in pairs], np.int64)
        self.shift = np.array([shift for _, shift in pairs], np.int64)

    def __call__(self, acc: Array) -> Array:
        """Requantize."""
        return self.scale(acc, self.multiplier, self.shift)


class FloatingPoint:
    """A double for each channel (one for all, where there is one); one rounding, ties away from zero."""

    def __init__(self, multipliers: Sequence[float]) -> None:
        """From real multipliers."""
        self.real = np.array(multipliers, np.float64)

    def __call__(self, acc: Array) -> Array:
        """Requantize."""
        return to_int32(round_away(acc * self.real))


class SinglePrecision:
    """A float for each channel (one for all, where there is one); one rounding, ties to even.

    The accumulator becomes a float first, and so does the product [XNNPACK: fp32 requantization]. Of products below
    -2**31, kernels for AVX-512 VNNI make the largest output where the zero point is negative; others the least.
    """

    def __init__(self, multipliers: Sequence[float]) -> None:
        """From real multipliers that are floats already."""
        self.real = np.array(multipliers, np.float32)

    def __call__(self, acc: Array) -> Array:
        """Requantize; what no output can hold only stays large."""
        return np.rint(np.clip(acc.astype(np.float32) * self.real, -BEYOND, BEYOND)).astype(np.int64)


def in_fixed_point(multipliers: Sequence[float]) -> Requantize:
    """Two roundings in int32: `scale_twice`."""
    return FixedPoint(scale_twice, multipliers)


def in_fixed_point_of_16_bits(multipliers: Sequence[float]) -> Requantize:
    """An int64 accumulator with a multiplier of 16 bits: `scale_int64`."""
    return FixedPoint(scale_int64, multipliers)


def in_fixed_point_ties_up(multipliers: Sequence[float]) -> Requantize:
    """Two roundings in int32, both with ties up: `scale_ties_up`."""
    return FixedPoint(scale_ties_up, multipliers)


def in_fixed_point_by_blocks_of_8(multipliers: Sequence[float]) -> Requantize:
    """Two roundings in int32; ties go up in whole blocks of 8 channels, and away from zero in what is left."""
    return FixedPoint(SCALE_IN_BLOCKS_OF_8, multipliers)


def in_single_precision(multipliers: Sequence[float]) -> Requantize:
    """One rounding of a float product, ties to even."""
    return SinglePrecision(multipliers)


def in_floating_point(multipliers: Sequence[float]) -> Requantize:
    """One rounding of a double product, ties away from zero."""
    return FloatingPoint(multipliers)


def only_scale(tensor: Tensor) -> float:
    """The scale of a tensor that has one, 0 if it has several [subgraph.cc: GetLegacyQuantization]."""
    several = tensor.quantization is not None and len(tensor.quantization.scale) > 1
    return 0.0 if several else first_scale(tensor)


def as_float(scale: float) -> np.float32:
    """Scales as they are stored; every step of what is computed of them is rounded to float."""
    return np.float32(scale)


def as_double(scale: float) -> np.float64:
    """Scales as doubles."""
    return np.float64(scale)


def product_ratio(first: float, second: float, output: float) -> float:
    """first * second / output, of doubles."""
    return first * second / output


def product_ratio_of_floats(first: float, second: float, output: float) -> float:
    """first * second / output, each step rounded to float."""
    with np.errstate(all="ignore"):
        return float(np.float32(first) * np.float32(second) / np.float32(output))


def ratio_of_float_product(first: float, second: float, output: float) -> float:
    """first * second / output of doubles, where the product has been a float [GetQuantizedConvolutionMultipler]."""
    with np.errstate(all="ignore"):
        return float(np.float32(first) * np.float32(second)) / output


BEYOND = 2.0**30  # further from zero than any output, and a float
SCALE_IN_BLOCKS_OF_8 = partial(scale_in_blocks, 8)

ROUNDED_TWICE = Rounding(product_ratio, in_fixed_point, ratio_of_float_product, in_fixed_point, activation_range)
ROUNDED_UP = ROUNDED_TWICE._replace(requantize=in_fixed_point_ties_up, uint8_requantize=in_fixed_point_ties_up)
ROUNDED_BY_BLOCKS = ROUNDED_TWICE._replace(requantize=in_fixed_point_by_blocks_of_8)
ROUNDED_BY_ANY_BLOCKS = ROUNDED_BY_BLOCKS._replace(uint8_requantize=in_fixed_point_ties_up)
ROUNDED_ONCE = Rounding(
    product_ratio_of_floats, in_single_precision, product_ratio_of_floats, in_single_precision, activation_range_to_even
)
"""The ways to round: of the reference kernels, of ruy's for x86, of LiteRT's own vector kernels, of XNNPACK."""
