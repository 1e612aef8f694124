"""float32 as Eigen computes it where it has vectors of four and no fused multiply-add.

LiteRT's recurrent operators have one float implementation for all its kernel sets: products of matrices, the sigmoid
and tanh come from the library Eigen, which the official packages for x86-64 build for SSE. What is here holds for
these packages, bit for bit; on other processors Eigen adds in another order.

Sources: Eigen's Core/products/GeneralMatrixVector.h and GeneralBlockPanelKernel.h, Core/functors/UnaryFunctors.h,
Core/arch/Default/GenericPacketMathFunctions.h. Not promised: products of several batches along more than
some 670 values, which Eigen breaks into blocks that depend on the cache of the machine (1016 with one of 48 KB).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.matmul import sequential_matmul
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LANES = 4
SMALL = 20  # outputs + batches + depth below which a product is made of dot products [GeneralProduct.h]
PANEL_ROWS = 2 * LANES
PANEL_COLUMNS = 4
UNROLLED = 8

SIGMOID_IS_ONE_FROM = 16.6355324
SIGMOID_IS_ZERO_BELOW = -104.0
LOG2_E = 1.44269504088896341
MINUS_LN_2 = (-0.693359375, 2.12194440e-4)  # in two parts, the first of few bits
EXP_EVEN = (4.1898667812347412109375e-2, 0.49999141693115234375)
EXP_ODD = (8.33471305668354034423828125e-3, 0.16666877269744873046875)

EXP_IS_ZERO_BELOW = -104.0
EXP_EVEN_LONG = (1.37449637986719608306884765625e-3, 4.166965186595916748046875e-2, 0.49999988079071044921875)
EXP_ODD_LONG = (8.36894474923610687255859375e-3, 0.16666518151760101318359375)

ERFC_LIMIT = 11.0
ERFC_NEAR = (
    5.61802298761904239654541015625e-4,
    -4.91381669417023658752441406250e-3,
    2.67075151205062866210937500000e-2,
    -1.12800106406211853027343750000e-1,
    3.76122951507568359375e-1,
    -1.12837910652160644531250000000,
)
ERFC_NUMERATOR = (
    1.0208116471767425537109375e-1,
    4.29206669330596923828125e-1,
    3.237907886505126953125e-1,
    5.3971976041793823242187500e-2,
)
ERFC_DENOMINATOR = (
    1.7251677811145782470703125e-2,
    3.9137163758277893066406250e-1,
    1.0,
    6.217324137687683105468750e-1,
    9.566286206245422363281250e-2,
)

TANH_LIMIT = 7.90738964080810547
TANH_NUMERATOR = (1.394553628e-8, 2.102733560e-5, 3.520756727e-3, 1.340216100e-1)
TANH_DENOMINATOR = (8.015776984e-7, 3.326951409e-4, 2.597254514e-2, 4.673548340e-1, 1.0)


def matmul(weights: Array, x: Array) -> Array:
    """``x @ weights.T``: y[b, o] = sum over d of weights[o, d] * x[b, d], in the order in which Eigen adds.

    Of a product with at least two rows and columns, eight outputs at a time are summed in order; how the outputs that
    are left over are summed depends on whether they fill a vector of four, and so for the batches.
    """
    outputs, depth = weights.shape
    batches = len(x)
    if batches == 1 and outputs == 1:
        return inner_product(weights, x)
    if batches == 1 or outputs == 1 or outputs + depth + batches < SMALL:
        return dot_products(weights, x)
    whole, vectors = outputs - outputs % PANEL_ROWS, outputs - outputs % LANES
    columns = batches - batches % PANEL_COLUMNS
    y = sequential_matmul(x, weights.T)
    y[:columns, whole:vectors] = interleaved(weights[whole:vectors], x[:columns], 2, depth - depth % UNROLLED)
    y[:columns, vectors:] = interleaved(weights[vectors:], x[:columns], 4, depth - depth % 4)
    return y


def dot_products(weights: Array, x: Array) -> Array:
    """Each output by itself: four sums along the depth, then those of lanes 0 + 2 and 1 + 3, then the rest in order."""
    depth = weights.shape[1]
    even = depth - depth % LANES
    products = x[:, None, :] * weights
    total = np.zeros((len(x), len(weights), LANES), np.float32)
    for d in range(0, even, LANES):
        total += products[..., d : d + LANES]
    y: Array = (total[..., 0] + total[..., 2]) + (total[..., 1] + total[..., 3])
    for d in range(even, depth):
        y += products[..., d]
    return y


def inner_product(a: Array, b: Array) -> Array:
    """The product of two vectors: vectors of four go to four sums in turn, which are added from the last to the first.

    [Core/InnerProduct.h]
    """
    depth = a.shape[1]
    even = depth - depth % LANES
    products = (a * b)[0]
    sums = np.zeros((4, LANES), np.float32)
    for place, d in enumerate(range(0, even, LANES)):
        sums[place % 4] += products[d : d + LANES]
    lanes = sums[0] + (sums[1] + (sums[2] + sums[3]))
    y = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    for each in products[even:]:
        y += each
    return np.full((1, 1), y, np.float32)


def interleaved(weights: Array, x: Array, ways: int, even: int) -> Array:
    """Up to `even`, each of every `ways` values along the depth has a sum of its own; then the rest in order."""
    sums = [sequential_matmul(x[:, first:even:ways], weights[:, first:even:ways].T) for first in range(ways)]
    while len(sums) > 1:
        sums = [first + second for first, second in zip(sums[::2], sums[1::2], strict=True)]
    for d in range(even, x.shape[1]):
        sums[0] += x[:, d, None] * weights[None, :, d]
    return sums[0]


def sigmoid(x: Array, place: int = 0) -> Array:
    """1 / (1 + exp(-x)) of a vector that Eigen stores `place` floats after an address that is aligned to vectors.

    What does not fill a vector, at either end, is computed by the C library, with another last bit.
    """
    flat = x.reshape(-1)
    first = min(-place % LANES, flat.size)
    last = first + (flat.size - first) // LANES * LANES
    y = sigmoid_of_vector(flat)
    for ends in (slice(first), slice(last, None)):
        if flat[ends].size:
            y[ends] = sigmoid_of_one(flat[ends])
    return y.reshape(x.shape)


def sigmoid_of_one(x: Array) -> Array:
    """exp(x) / (1 + exp(x)) [scalar_logistic_op<float>::operator()]"""
    e = libm.expf(np.minimum(x, np.float32(SIGMOID_IS_ONE_FROM)))
    return e / (np.float32(1) + e)


def sigmoid_of_vector(x: Array) -> Array:
    """exp(x) / (1 + exp(x)), where exp(x) = (2**m * exp(r))**2 with r = x / 2 - m * ln 2.

    [scalar_logistic_op<float>::packetOp]
    """
    one, half = np.float32(1), np.float32(0.5)
    z = np.minimum(x, np.float32(SIGMOID_IS_ONE_FROM)) * half
    m = np.floor(z * np.float32(LOG2_E) + half)
    r = m * np.float32(MINUS_LN_2[0]) + z
    r = m * np.float32(MINUS_LN_2[1]) + r
    r2 = r * r
    e = r2 * (r * polynomial(r2, EXP_ODD) + polynomial(r2, EXP_EVEN)) + (r + one)
    e = e * np.ldexp(one, np.clip(m, -127, 128).astype(np.int32))
    e = e * e
    return np.where(x < np.float32(SIGMOID_IS_ZERO_BELOW), np.float32(0), e / (one + e))


def tanh(x: Array) -> Array:
    """x * (1 + x**2 p(x**2)) / q(x**2), which is 1 from `TANH_LIMIT` on [ptanh_float]."""
    limit = np.float32(TANH_LIMIT)
    x = np.maximum(np.minimum(x, limit), -limit)
    x2 = x * x
    numerator = (x2 * x) * polynomial(x2, TANH_NUMERATOR) + x
    return numerator / polynomial(x2, TANH_DENOMINATOR)


def erfc(x: Array) -> Array:
    """1 - erf(x) of a vector that begins at an address that is aligned; what does not fill a vector has C's exp.

    [SpecialFunctionsImpl.h: generic_fast_erfc]
    """
    flat = x.reshape(-1)
    whole = flat.size - flat.size % LANES
    y = np.concatenate((erfc_with(exp, flat[:whole]), erfc_with(libm.expf, flat[whole:])))
    return y.reshape(x.shape)


def erfc_with(exp: Callable[[Array], Array], x: Array) -> Array:
    """1 + x * s(x**2) up to 1, exp(-x**2) / x * p(x**-2) / q(x**-2) beyond; 2 less than that below -1.

    The error of the square as a float is made good after the exponential.
    """
    limit = np.float32(ERFC_LIMIT)
    x = np.maximum(np.minimum(x, limit), -limit)
    x2 = x * x
    lost = (x.astype(np.float64) ** 2 - x2).astype(np.float32)
    e = exp(-x2)
    inverse = np.float32(1) / x2
    quotient = polynomial(inverse, ERFC_NUMERATOR) / (x * polynomial(inverse, ERFC_DENOMINATOR))
    far = (e - e * lost) * quotient + np.where(x < 0, np.float32(2), np.float32(0))
    return np.where(x2 > 1, far, x * polynomial(x2, ERFC_NEAR) + np.float32(1))


def exp(x: Array) -> Array:
    """2**m * exp(r) of an x that is not far above 0, with r = x - m * ln 2 [pexp_float]."""
    one, half = np.float32(1), np.float32(0.5)
    m = np.floor(x * np.float32(LOG2_E) + half)
    r = m * np.float32(MINUS_LN_2[0]) + x
    r = m * np.float32(MINUS_LN_2[1]) + r
    r2 = r * r
    y = r2 * (r * polynomial(r2, EXP_ODD_LONG) + polynomial(r2, EXP_EVEN_LONG)) + (r + one)
    return np.where(x < np.float32(EXP_IS_ZERO_BELOW), np.float32(0), np.ldexp(y, m.astype(np.int32)))


def polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    """By Horner's rule, the highest power first [ppolevl]."""
    first, *others = (np.float32(each) for each in coefficients)
    y: Array = first * x + others[0]
    for each in others[1:]:
        y = y * x + each
    return y
