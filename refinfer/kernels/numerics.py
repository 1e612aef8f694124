"""Where official runtimes compute the same operator with different arithmetic: each difference is a function here.

A `Numerics` is a row of the dialect table in registry.py. Kernels take the functions from it and never ask for whom
they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refinfer.kernels.common import first_scale
from refinfer.kernels.fixedpoint import quantize_multiplier, round_away, scale_int64, scale_twice, to_int32
from refinfer.kernels.lazy import np
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Requantize = Callable[["Array"], "Array"]
"""From accumulators to the scale of the output, still without its zero point and limits: int64 → int64.

The last axis is that of the channels.
"""


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


def in_fixed_point(multipliers: Sequence[float]) -> Requantize:
    """Two roundings in int32: `scale_twice`."""
    return FixedPoint(scale_twice, multipliers)


def in_fixed_point_of_16_bits(multipliers: Sequence[float]) -> Requantize:
    """An int64 accumulator with a multiplier of 16 bits: `scale_int64`."""
    return FixedPoint(scale_int64, multipliers)


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
