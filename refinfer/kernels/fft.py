"""RFFT2D: the discrete Fourier transform of real images. TFLM has no such operator.

Sources: tensorflow/lite/kernels/rfft2d.cc; fftsg.c and fftsg2d.c of Ooura's FFT, which LiteRT computes it with.

Everything is computed in doubles; floats come out. Which sum is formed first and where a factor's sign is kept decide
the last bit and the sign of a zero, so the order here is Ooura's. Products of complex numbers are spelled out, since
numpy may fuse their multiplications and additions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.common import input_at, output_at, require_arity, require_shape, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import known, numbers
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SQRT_HALF = math.cos(math.pi / 4)


def fold(node: Node, host: Host) -> Evaluate:
    """The second input is the height and width of what is transformed, cut or filled up with zeros."""
    require_arity(node, 2, 1)
    require_type(output_at(node, 0), TensorType.COMPLEX64)
    length = input_at(node, 1)
    require_type(length, TensorType.INT32)
    require_shape(length, (2,))
    return evaluate


def evaluate(x: Array, length: Array) -> tuple[Array, ...]:
    """y[..., k, l] = Σ_i Σ_j x[..., i, j] · exp(-2πi (i·k / height + j·l / width)), for l up to width / 2"""
    height, width = numbers(length)
    shape = transformed(x.shape, (height, width))
    image = np.zeros((*x.shape[:-2], height, width), np.float64)
    rows, columns = min(height, x.shape[-2]), min(width, x.shape[-1])
    image[..., :rows, :columns] = x[..., :rows, :columns]
    packed = along_columns(along_rows(image))
    return (unpacked(packed).astype(np.complex64).reshape(shape),)


def shape_of(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The values of the second input tell the last two dimensions."""
    length = known(node, 1)
    return None if length is None else [transformed(shapes[0], length)]


def transformed(shape: Shape, length: Shape) -> Shape:
    """The shape of the output: half of the frequencies along rows tell the other half."""
    height, width = length
    require(len(shape) >= 2, f"{len(shape)} dimensions; it takes 2 or more")
    fits = height >= 1 and height.bit_count() == 1 and width >= 2 and width.bit_count() == 1
    require(fits, f"an fft_length of {height} x {width}; both must be powers of two, and the width at least 2")
    return (*shape[:-2], height, width // 2 + 1)


def along_rows(image: Array) -> Array:
    """Frequencies 0 ... width / 2 of each row, of exp(+2πi ...); the last, which is real, is the imaginary part of the
    first.

    Pairs of numbers are transformed as complex numbers, and then taken apart. [fftsg.c: rdft, rftfsub]
    """
    z = transform(image.view(np.complex128))
    half = z.shape[-1]
    if half > 2:
        low, high = slice(1, half // 2), slice(half - 1, half // 2, -1)
        correction = times(z[..., low] - z[..., high].conj(), parting(2 * half))
        z[..., low] -= correction
        z[..., high] += correction.conj()
    z[..., 0] = complex_of(z[..., 0].real + z[..., 0].imag, z[..., 0].real - z[..., 0].imag)
    return z


@cache
def parting(width: int) -> Array:
    """(1 + i w^j) / 2 for 0 < j < width / 4, where w = exp(2πi / width) [fftsg.c: makect]"""
    w = [spoke(width, j) for j in range(1, width // 4)]
    return np.array([complex(0.5 - 0.5 * each.imag, 0.5 * each.real) for each in w])


def along_columns(z: Array) -> Array:
    """The transform of each column; that of the first, two real ones in one, is taken apart.

    Of rows i and height - i, the upper one is left with the frequencies (i, 0), the lower one with those of
    (i, width / 2), real and imaginary part exchanged. [fftsg2d.c: rdft2d, rdft2d_sub]
    """
    z = np.ascontiguousarray(transform(z.swapaxes(-1, -2)).swapaxes(-1, -2))
    upper, lower = mirrored_rows(z)
    difference = z[..., upper, 0] - z[..., lower, 0].conj()
    z[..., lower, 0] = complex_of(0.5 * difference.real, 0.5 * difference.imag)
    z[..., upper, 0] -= z[..., lower, 0]
    return z


def unpacked(z: Array) -> Array:
    """Every frequency in its own place, and of exp(-2πi ...) [rfft2d.cc: Rfft2dReorder]"""
    upper, lower = mirrored_rows(z)
    real = [0, z.shape[-2] // 2]  # rows of a real frequency, its own mirror
    y = np.concatenate((z, np.zeros_like(z[..., :1])), axis=-1)
    y[..., lower, 0] = z[..., upper, 0].conj()
    y[..., lower, -1] = complex_of(z[..., lower, 0].imag, z[..., lower, 0].real)
    y[..., upper, -1] = y[..., lower, -1].conj()
    y[..., real, 0] = z[..., real, 0].real
    y[..., real, -1] = z[..., real, 0].imag
    return y.conj()


def mirrored_rows(z: Array) -> tuple[slice, slice]:
    """Rows 1, 2 ... above the middle one, and their mirror images height - 1, height - 2 ..."""
    height = z.shape[-2]
    return slice(1, height // 2), slice(height - 1, height // 2, -1)


def transform(z: Array) -> Array:
    """y[k] = Σ_j z[j] exp(2πi jk / n) along the last axis, of a power of two [fftsg.c: cftfsub]"""
    return plain(z, is_whole=True)[..., reversed_bits(z.shape[-1])]


@cache
def reversed_bits(n: int) -> Array:
    """0 ... n - 1 in the order of their bits read backwards."""
    return np.array([0]) if n == 1 else np.concatenate((2 * reversed_bits(n // 2), 2 * reversed_bits(n // 2) + 1))


def plain(z: Array, *, is_whole: bool = False) -> Array:
    """The transform of `transform`, in the order of `reversed_bits`: a split radix.

    Of the quarters a0 ... a3, and w = exp(2πi / n), the frequencies 4k are those of a0 + a1 + a2 + a3, and 4k + 2 those
    of a0 - a1 + a2 - a3, `shifted`; 4k + 1 are those of (a0 - a2 + i (a1 - a3)) w^j, and 4k + 3 those of
    (a0 - a2 - i (a1 - a3)) w^3j. [fftsg.c: cftf1st, cftmdl1, cftf161, cftf081, cftf040, cftx020]
    """
    n = z.shape[-1]
    if n == 1:
        return z
    if n == 2:
        return pair(z[..., 0], z[..., 1])
    a0, a1, a2, a3 = quarters(z)
    even, odd, left, right = a0 + a2, a1 + a3, a0 - a2, turned(a1 - a3)
    w, middle = plain_factors(n, is_whole), n // 8
    once = times(left + right, w.once)
    once[..., middle] = eighth((left + right)[..., middle])
    once[..., 0] = (left + right)[..., 0]
    thrice = negated(times(left - right, w.thrice), w.minus)
    thrice[..., middle] = (three_eighths if n > 8 else turned_eighth)((left - right)[..., middle])
    thrice[..., 0] = (left - right)[..., 0]
    y0, y2, y3 = plain(np.stack((even + odd, once, thrice)))
    return np.concatenate((y0, shifted(even - odd), y2, y3), axis=-1)


def shifted(z: Array) -> Array:
    """y[k] = Σ_j z[j] exp(2πi j (k + 1/2) / n), in the order of `reversed_bits`.

    With v = exp(πi / n), the frequencies 4k and 4k + 2 are those of (a0 + i a2) v^j ± (a1 + i a3) v^(j + n/4), and
    4k + 1 and 4k + 3 those of (a0 - i a2) v^3j ± (a1 - i a3) v^(3j + 3n/4), where of each two the second is `shifted`
    again. [fftsg.c: cftmdl2, cftf162, cftf082]
    """
    n = z.shape[-1]
    if n == 1:
        return z
    if n == 2:
        return pair(z[..., 0], turned(z[..., 1]))
    a0, a1, a2, a3 = quarters(z)
    v = shifted_factors(n)
    near, far = times(a0 + turned(a2), v.near), times(a1 + turned(a3), v.far)
    near[..., 0], far[..., 0] = (a0 + turned(a2))[..., 0], eighth((a1 + turned(a3))[..., 0])
    near3, far3 = times(a0 - turned(a2), v.near3), negated(times(a1 - turned(a3), v.far3), v.minus_far3)
    near3[..., 0], far3[..., 0] = (a0 - turned(a2))[..., 0], turned_eighth((a1 - turned(a3))[..., 0])
    y0, y2 = plain(np.stack((near + far, negated(near3 + far3, v.minus))))
    y1, y3 = shifted(np.stack((near - far, negated(near3 - far3, v.minus))))
    return np.concatenate((y0, y1, y2, y3), axis=-1)


class PlainFactors(NamedTuple):
    """w^j and w^3j; products with the latter are negated at `minus`. The first and the middle ones are not used."""

    once: Array
    thrice: Array
    minus: list[int]


@cache
def plain_factors(n: int, is_whole: bool) -> PlainFactors:
    """Tables hold an eighth of the circle; the first step of large transforms takes every other number from them."""
    quarter = n // 4
    once, thrice = eighth_of_spokes(n), eighth_of_spokes(n, 3)
    if is_whole and n > 16:
        once, thrice = interpolated(n, once), interpolated(n, thrice, 3)
    once = [*once, 0j, *(exchanged(each) for each in once[:0:-1])]
    thrice = [*thrice, 0j, *(-exchanged(each) for each in thrice[:0:-1])]
    if n == 16:  # w^3j is taken from w^j
        thrice[1], thrice[3] = exchanged(once[1]), once[1]
    return PlainFactors(np.array(once[:quarter]), np.array(thrice[:quarter]), [3] if n == 16 else [])


def eighth_of_spokes(n: int, times: int = 1) -> list[complex]:
    """w^(times · j) for 0 ≤ j < n / 8 [fftsg.c: makewt]"""
    turn = math.tau / n
    return [complex(math.cos(times * turn * j), math.sin(times * turn * j)) for j in range(max(1, n // 8))]


def interpolated(n: int, spokes: list[complex], times: int = 1) -> list[complex]:
    """Every other one is computed from its neighbours: w^j = (w^(j - 1) + w^(j + 1)) / (2 cos 2π/n)"""
    factor = 0.5 / math.cos(times * (math.tau / n))
    end = complex(SQRT_HALF if times == 1 else -SQRT_HALF, SQRT_HALF)
    next = [*spokes[1:], end]
    return [w if j % 2 == 0 else factor * (spokes[j - 1] + next[j]) for j, w in enumerate(spokes)]


class ShiftedFactors(NamedTuple):
    """v^j, v^(j + n/4), v^3j, v^(3j + 3n/4); what is negated after a product with the last, or after the sums."""

    near: Array
    far: Array
    near3: Array
    far3: Array
    minus_far3: list[int]
    minus: list[int]


@cache
def shifted_factors(n: int) -> ShiftedFactors:
    """Numbers from the table of a circle of 2n; the middle ones are all taken from v^j."""
    middle = n // 8
    near, near3 = eighth_of_spokes(2 * n), eighth_of_spokes(2 * n, 3)
    far = [0j, *(exchanged(each) for each in near[:0:-1])]
    far3 = [0j, *(-exchanged(each) for each in near3[:0:-1])]
    if n > 4:
        near3[middle], far3[middle] = exchanged(near[middle]), near[middle]
    if n == 16:  # so are others
        far3[1], near3[3], far3[3] = near[1].conjugate(), exchanged(near[1]).conjugate(), exchanged(near3[1])
    return ShiftedFactors(
        near=np.array(near),
        far=np.array(far),
        near3=np.array(near3),
        far3=np.array(far3),
        minus_far3=[1, middle] if n == 16 else [middle],
        minus=[3] if n == 16 else [],
    )


def spoke(n: int, j: int) -> complex:
    """exp(2πi j / n) for 0 ≤ j ≤ n / 4, from an eighth of the circle."""
    if 8 * j == n:
        return complex(SQRT_HALF, SQRT_HALF)
    turn = math.tau / n
    return complex(math.cos(turn * j), math.sin(turn * j)) if 8 * j < n else exchanged(spoke(n, n // 4 - j))


def exchanged(z: complex) -> complex:
    """Real and imaginary part exchanged."""
    return complex(z.imag, z.real)


def complex_of(real: Array, imag: Array) -> Array:
    """real + i · imag"""
    z = np.empty(real.shape, np.complex128)
    z.real, z.imag = real, imag
    return z


def times(z: Array, w: Array) -> Array:
    """z · w, each product rounded."""
    return complex_of(w.real * z.real - w.imag * z.imag, w.real * z.imag + w.imag * z.real)


def turned(z: Array) -> Array:
    """i · z"""
    return complex_of(-z.imag, z.real)


def eighth(z: Array) -> Array:
    """exp(πi / 4) · z"""
    return complex_of(SQRT_HALF * (z.real - z.imag), SQRT_HALF * (z.imag + z.real))


def turned_eighth(z: Array) -> Array:
    """exp(3πi / 4) · z"""
    return turned(eighth(z))


def three_eighths(z: Array) -> Array:
    """The same; a zero of its imaginary part has another sign."""
    return complex_of(-SQRT_HALF * (z.real + z.imag), -SQRT_HALF * (z.imag - z.real))


def negated(z: Array, places: list[int]) -> Array:
    """z, with its numbers at `places` negated."""
    z[..., places] = -z[..., places]
    return z


def pair(a: Array, b: Array) -> Array:
    """a + b and a - b"""
    return np.stack((a + b, a - b), axis=-1)


def quarters(z: Array) -> list[Array]:
    """The quarters of the last axis."""
    return np.split(z, 4, axis=-1)


COMPUTE_RFFT2D = Compute(fold=fold, shape=shape_of, types=frozenset({TensorType.FLOAT32}), version=1)
