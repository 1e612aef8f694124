"""Hybrid operators: float activations are quantized on the fly, to be multiplied with int8 weights.

Each row (batch, image) has a scale and a zero point of its own, so that its largest value is used to the full.
What becomes of a row with an infinity or a NaN is not promised.
Source: LiteRT's kernels/internal/optimized/neon_tensor_utils.cc, which the official packages for x86-64 use as well,
translated to SSE (NEON_2_SSE.h), in every set of kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import round_away
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

VECTOR = 8


def quantize_symmetric(rows: Array) -> tuple[Array, Array]:
    """int8 rows and the scale of each: x = scale * q, from -127 to 127 [NeonSymmetricQuantizeFloats].

    A row of zeros has the scale 1.
    """
    limit = np.float32(127)
    largest = np.max(np.abs(rows), axis=1, initial=0)
    is_zero = largest == 0
    largest = np.where(is_zero, limit, largest)
    q = nearest(rows * (limit / largest)[:, None])
    return np.clip(q, -limit, limit).astype(np.int8), np.where(is_zero, np.float32(1), largest / limit)


def quantize_asymmetric(rows: Array) -> tuple[Array, Array, Array]:
    """int8 rows, the scale and the zero point (int32) of each: x = scale * (q - zero_point).

    The range of a row includes 0, and is stretched over all 256 steps; the zero point is measured from that end of it
    where it is computed with the smaller error [NeonAsymmetricQuantizeFloats]. A row of zeros has the scale 1.
    """
    low, high = np.min(rows, axis=1, initial=0), np.max(rows, axis=1, initial=0)
    is_zero = low == high
    exact_scale = np.where(is_zero, 1, (high - low).astype(np.float64) / 255)
    from_low, from_high = low / exact_scale, high / exact_scale
    low_is_closer = 128 + np.abs(from_low) < 127 + np.abs(from_high)
    zero_point = np.where(is_zero, 0, round_away(np.where(low_is_closer, -128 - from_low, 127 - from_high)))
    zero_point = np.clip(zero_point, -128, 127).astype(np.int32)
    scale = exact_scale.astype(np.float32)
    q = nearest(rows * (np.float32(1) / scale)[:, None]) + zero_point.astype(np.float32)[:, None]
    return np.clip(q, -128, 127).astype(np.int8), scale, zero_point


def nearest(rows: Array) -> Array:
    """The nearest whole numbers, ties away from zero.

    All but the last few of a row are rounded by adding a half in float32 and cutting off what is behind the point,
    which makes 1 of the largest float below a half.
    """
    y: Array = np.trunc(rows + np.copysign(np.float32(0.5), rows))
    if rest := rows.shape[1] % VECTOR:
        y[:, -rest:] = round_away(rows[:, -rest:])
    return y
