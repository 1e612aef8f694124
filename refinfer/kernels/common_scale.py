"""Quantized tensors on their way to a scale that they share: how sums, differences and comparisons begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.common import first_scale, first_zero_point
from refinfer.kernels.fixedpoint import quantize_multiplier, scale_twice, wrap_int32
from refinfer.kernels.lazy import np
from refinfer.kernels.quantization import ratio
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


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
    """((x + offset) << left_shift) * multiplier * 2**(shift - 31), in int32."""
    shifted = wrap_int32((x.astype(np.int64) + p.offset) << p.left_shift)
    return scale_twice(shifted, p.multiplier, p.shift)
