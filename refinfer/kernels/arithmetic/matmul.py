"""The sums of products that convolutions, fully connected layers and their like are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def integer_matmul(a: Array, b: Array) -> Array:
    """``a @ b`` of integers, exact, as int64: c[..., i, j] = sum over k of a[..., i, k] * b[..., k, j].

    Products of 16-bit integers are summed in float64, whose 53 bits hold every such sum of up to 2**21 terms, since
    that is what the machine multiplies fastest.
    """
    return np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)


def sequential_matmul(a: Array, b: Array) -> Array:
    """``a @ b`` of float32, summed in the order of k with every product and every sum rounded to float32.

    That is how the runtimes' reference loops add; a library's matrix product adds in another order.
    """
    total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), np.float32)
    for k in range(a.shape[-1]):
        total += a[..., :, k, None] * b[..., None, k, :]
    return total
