"""The inverse square root of integers, by Newton's method in fixed point.

Source: kernels/internal/common.h: GetInvSqrtQuantizedMultiplierExp (LiteRT and TFLM share it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import bit_length, divide_by_power_of_two
from refinfer.kernels.arithmetic.gemmlowp import multiply, saturate
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ONE_AND_A_HALF = (1 << 28) + (1 << 27)  # with three integer bits of 32
HALF_OF_ROOT_TWO = 1518500250  # with none


def inverse_square_root(x: Array) -> tuple[Array, Array]:
    """``m`` and ``shift`` of 1 / sqrt(x) = m * 2**(shift - 31) for integers x >= 0; 0 counts as 1.

    x is brought to at least 2**27 and below 2**29 by factors of 4, to become a number of 1/4 to 1 with three integer
    bits; five steps of y = y * (3/2 - x/2 * y**2) from y = 1 follow.
    """
    fours = (29 - bit_length(np.maximum(x, 1))) // 2
    scaled = np.where(fours >= 0, x << (2 * np.maximum(fours, 0)), x >> (2 * np.maximum(-fours, 0)))
    half = divide_by_power_of_two(scaled >> 1, 1)
    y = np.full(np.shape(x), 1 << 28, np.int64)
    for _ in range(5):
        cube = saturate(multiply(multiply(y, y), y) << 6, 32)
        y = saturate((multiply(y, ONE_AND_A_HALF) - multiply(half, cube)) << 3, 32)
    right = 11 - fours
    root = multiply(y, HALF_OF_ROOT_TWO) << np.maximum(-right, 0)
    return np.where(x <= 1, 2**31 - 1, root), np.where(x <= 1, 0, -np.maximum(right, 0))
