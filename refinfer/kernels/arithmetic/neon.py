"""Sums in float32 as LiteRT's NEON kernels take them: in vectors of four, without fused multiply-add.

The official packages for x86-64 use the same kernels, translated to SSE (NEON_2_SSE.h), in every set of kernels.
Source: LiteRT's kernels/internal/optimized/neon_tensor_utils.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LANES = 4


def multiply_accumulate(total: Array, weights: Array, x: Array) -> Array:
    """total[b, o] + sum over d of weights[o, d] * x[b, d] [NeonMatrixBatchVectorMultiplyAccumulate]"""
    return accumulate(total, x[:, None, :] * weights[None, :, :])


def total(x: Array) -> Array:
    """The sum along the last dimension [NeonReductionSumVector, NeonVectorVectorDotProduct]"""
    return accumulate(np.zeros(x.shape[:-1], np.float32), x)


def accumulate(start: Array, x: Array) -> Array:
    """start + the sum along the last dimension: four sums, which are added in order, then what is left over."""
    whole = x.shape[-1] - x.shape[-1] % LANES
    lanes = np.zeros((*x.shape[:-1], LANES), np.float32)
    for first in range(0, whole, LANES):
        lanes = lanes + x[..., first : first + LANES]
    y = start + (((lanes[..., 0] + lanes[..., 1]) + lanes[..., 2]) + lanes[..., 3])
    for place in range(whole, x.shape[-1]):
        y = y + x[..., place]
    return y
