"""Quantized tensors on their way to a scale that they share: how sums, differences and comparisons begin."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import clamp, quantize_multiplier, scale_twice, wrap_int32
from refinfer.kernels.broadcast import Elementwise
from refinfer.kernels.common import first_scale, first_zero_point
from refinfer.kernels.layout import FLOAT, INT16, INT32, INT64, UINT8, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.quantization import ratio
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ARITHMETIC_PARAMS = struct(
    "ArithmeticParams",
    broadcast_category=UINT8,  # an enum class that states its width
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_multiplier=INT32,
    input1_shift=INT32,
    input2_multiplier=INT32,
    input2_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
    int64_activation_min=INT64,
    int64_activation_max=INT64,
    int16_activation_min=INT16,
    int16_activation_max=INT16,
    broadcast_shape=Repeated(INT32, 5),
)
"""[types.h] A member of the structs of several operators."""


class Input(NamedTuple):
    """What an input comes down to: `left_shift` bits are kept below the point of the common scale."""

    offset: int
    left_shift: int
    multiplier: int
    shift: int


def input_of(tensor: Tensor, scale: float, left_shift: int) -> Input:
    """From the tensor's scale to `scale`."""
    multiplier, shift = quantize_multiplier(ratio(first_scale(tensor), scale))
    return Input(-first_zero_point(tensor), left_shift, multiplier, shift)


def to_common_scale(x: Array, p: Input) -> Array:
    """((x + offset) << left_shift) * multiplier * 2**(shift - 31), in int32; numbers of 8 bits are looked up."""
    return scaled(x, p) if x.dtype.itemsize > 1 else scaled_bytes(p, x.dtype).take(x.view(np.uint8))


def scaled(x: Array, p: Input) -> Array:
    """The same, computed."""
    shifted = wrap_int32((x.astype(np.int64) + p.offset) << p.left_shift)
    return scale_twice(shifted, p.multiplier, p.shift)


@lru_cache(maxsize=1024)
def scaled_bytes(p: Input, dtype: np.dtype[Any]) -> Array:
    """The same of all 256 numbers of a type, in the order of their bits."""
    return scaled(np.arange(256, dtype=np.uint8).view(dtype), p)


class Sum(NamedTuple):
    """What a quantized sum or difference comes down to; the output's shift may be to the left."""

    first: Input
    second: Input
    multiplier: int
    shift: int
    offset: int
    low: int
    high: int


def evaluate_sum(p: Sum, combine: Elementwise, a: Array, b: Array) -> Array:
    """y = clamp(scale(combine(a, b at a common scale)) + offset), the sum in int32"""
    raw = combine(to_common_scale(a, p.first), to_common_scale(b, p.second))
    return clamp(scale_twice(wrap_int32(raw), p.multiplier, p.shift) + p.offset, p.low, p.high, a.dtype)


def adding(p: Sum, combine: Elementwise, dtype: np.dtype[Any]) -> Elementwise:
    """`evaluate_sum` of numbers of this type, for a `combine` that adds or subtracts."""
    looked_up = adding_bytes(p, combine, dtype) if dtype.itemsize == 1 else None
    return partial(evaluate_sum, p, combine) if looked_up is None else looked_up


def adding_bytes(p: Sum, combine: Elementwise, dtype: np.dtype[Any]) -> Elementwise | None:
    """The same with all that is multiplied looked up, since a product with a sum is a sum of products.

    Added beforehand is also what becomes the output's offset, and the halves of both roundings: the first takes ties
    up, the second down where the sum is negative. If the lower limit is zero that does not matter, and both are one.
    None for what could wrap around.
    """
    tables, right = [scaled_bytes(each, dtype) for each in (p.first, p.second)], -p.shift
    if not 0 <= right <= 22 or sum(np.abs(each).max() for each in tables) >= 2**31:
        return None
    zero = ((1 << right) >> 1) + (p.offset << right)
    first, second = (each * p.multiplier for each in tables)
    first += 2**30 + (zero << 31)
    is_one = right == 0 or p.low >= p.offset

    def add(a: Array, b: Array) -> Array:
        acc = combine(first.take(a.view(np.uint8)), second.take(b.view(np.uint8)))
        acc >>= 31 + right if is_one else 31
        if not is_one:
            acc -= acc < zero
            acc >>= right
        return acc.clip(p.low, p.high).astype(dtype)

    return add
