"""The Fourier transforms of kissfft, in integers of 16 and 32 bits and in float32: step by step, with every rounding.

A transform of real numbers is one of half as many complex ones, whose spectrum is then taken apart. That one goes by
radices: 4 as long as it can, then 2, 3 and 5. Integers are divided by the radix before every step, so that the spectrum
is that of the mean. Source: kissfft v130, kiss_fft.c, _kiss_fft_guts.h and tools/kiss_fftr.c.

Other radices need memory that TFLM does not have: it crashes on them, and so on a transform of two reals.

Complex numbers are pairs of arrays, real and imaginary. Their last axis is that of the transform.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import wrap_int32
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Complex = tuple[Array, Array]


class Numbers(NamedTuple):
    """The arithmetic of one type. Integers are held in int64, as what C has before it stores them.

    `keep` is what is left when a number is stored, `of` a factor from its real value, `by` the division by a radix,
    `round` what becomes of a sum of products of numbers and factors, and `half` half of a number.
    """

    dtype: type[Any]
    keep: Callable[[Array], Array]
    of: Callable[[float], Any]
    by: Callable[[Array, int], Array]
    round: Callable[[Array], Array]
    half: Callable[[Array], Array]


def integers_of(bits: int) -> Numbers:
    """Fixed point: factors are of 2**(bits - 1), and products are rounded half up."""
    most = 2 ** (bits - 1) - 1

    def keep(x: Array) -> Array:
        return ((x + most + 1) & (2 * most + 1)) - most - 1

    def scaled(x: Array) -> Array:
        return keep((x + 2 ** (bits - 2)) >> (bits - 1))

    return Numbers(
        dtype=np.int64,
        keep=keep,
        of=lambda factor: math.floor(0.5 + most * factor),
        by=lambda x, radix: scaled(x * (most // radix)),
        round=scaled,
        half=lambda x: wrap_int32(x) >> 1,
    )


def floats() -> Numbers:
    """float32, in which nothing is divided."""
    return Numbers(
        dtype=np.float32,
        keep=lambda x: x,
        of=np.float32,
        by=lambda x, radix: x,
        round=lambda x: x,
        half=lambda x: x * np.float32(0.5),
    )


def spectrum(type: TensorType, x: Array) -> Array:
    """The transform of an even number of reals: pairs of real and imaginary for half as many frequencies, and one more.

    [kiss_fftr.c: kiss_fftr]
    """
    n, half = NUMBERS[type](), x.shape[-1] // 2
    wide = widened(x)
    z = transform(n, (wide[..., 0::2], wide[..., 1::2]), sign=-1)
    even_sum, odd_sum = (n.by(part[..., 0], 2) for part in z)
    k = np.arange(1, half // 2 + 1)
    even, odd = even_and_odd(n, at(z, k), at(z, half - k))
    odd = multiply(n, odd, halfway(n, half, sign=-1))
    y = np.zeros((*x.shape[:-1], half + 1, 2), wide.dtype)
    y[..., 0, 0], y[..., half, 0] = n.keep(even_sum + odd_sum), n.keep(even_sum - odd_sum)
    y[..., k, 0], y[..., k, 1] = n.keep(n.half(even[0] + odd[0])), n.keep(n.half(even[1] + odd[1]))
    y[..., half - k, 0], y[..., half - k, 1] = n.keep(n.half(even[0] - odd[0])), n.keep(n.half(odd[1] - even[1]))
    return y.reshape(*x.shape[:-1], 2 * half + 2).astype(x.dtype)


def signal(type: TensorType, x: Array, length: int) -> Array:
    """The reals of which `x` is the spectrum, in pairs; floats come multiplied by the length.

    [kiss_fftr.c: kiss_fftri]
    """
    n, half = NUMBERS[type](), length // 2
    wide = widened(x)
    z = (wide[..., 0 : length + 2 : 2], wide[..., 1 : length + 2 : 2])
    k = np.arange(1, half // 2 + 1)
    even, odd = even_and_odd(n, at(z, k), at(z, half - k))
    odd = multiply(n, odd, halfway(n, half, sign=1))
    re, im = (np.zeros((*x.shape[:-1], half), wide.dtype) for _ in range(2))
    first, last = z[0][..., 0], z[0][..., half]
    re[..., 0], im[..., 0] = n.by(n.keep(first + last), 2), n.by(n.keep(first - last), 2)
    re[..., k], im[..., k] = add(n, even, odd)
    re[..., half - k], im[..., half - k] = conjugate(n, subtract(n, even, odd))
    y = transform(n, (re, im), sign=1)
    return np.stack(y, -1).reshape(*x.shape[:-1], length).astype(x.dtype)


def widened(x: Array) -> Array:
    """Integers as int64."""
    return x if x.dtype == np.float32 else x.astype(np.int64)


def even_and_odd(n: Numbers, near: Complex, far: Complex) -> tuple[Complex, Complex]:
    """Sum and difference of a number and the conjugate of its mirror image, both halved."""
    near, far = each(lambda part: n.by(part, 2), near), each(lambda part: n.by(part, 2), conjugate(n, far))
    return add(n, near, far), subtract(n, near, far)


def halfway(n: Numbers, half: int, sign: int) -> Complex:
    """The factors that a real transform turns its odd part by [kiss_fftr.c: kiss_fftr_alloc]."""
    return factors(n, [sign * math.pi * ((k + 1) / half + 0.5) for k in range(half // 2)])


def factors(n: Numbers, phases: list[float]) -> Complex:
    """cos and sin of the phases."""
    return (
        np.array([n.of(math.cos(phase)) for phase in phases], n.dtype),
        np.array([n.of(math.sin(phase)) for phase in phases], n.dtype),
    )


def transform(n: Numbers, x: Complex, sign: int) -> Complex:
    """The complex transform; a sign of 1 is for the inverse [kiss_fft.c: kiss_fft_alloc]."""
    length = x[0].shape[-1]
    turns = factors(n, [sign * 2 * math.pi * index / length for index in range(length)])
    return transform_parts(n, x, radices(length), turns, sign)


def require_length(length: int) -> None:
    """Refuse a number of reals that does not fall into radices that there is a butterfly for."""
    found = radices(length // 2)
    known = all(radix in BUTTERFLIES for radix in found)
    require(known, f"a transform of {length // 2} complex numbers, of radices {found}; they may be 2, 3, 4 and 5")


def radices(length: int) -> list[int]:
    """4 as often as it divides the length, then 2, 3, 5, 7, … [kiss_fft.c: kf_factor]"""
    found: list[int] = []
    radix, most = 4, math.isqrt(length)
    while not found or length > 1:
        while length % radix:
            radix = {4: 2, 2: 3}.get(radix, radix + 2)
            if radix > most:
                radix = length
        length //= radix
        found.append(radix)
    return found


def transform_parts(n: Numbers, x: Complex, rest: list[int], turns: Complex, sign: int) -> Complex:
    """The transforms of every `radix`-th number, put together by a butterfly [kiss_fft.c: kf_work]."""
    radix, length = rest[0], x[0].shape[-1]
    parts = each(lambda part: part.reshape(*part.shape[:-1], length // radix, radix).swapaxes(-1, -2), x)
    if len(rest) > 1:
        parts = transform_parts(n, parts, rest[1:], turns, sign)
    re, im = each(lambda part: n.by(part, radix), parts)
    f = [(re[..., q, :], im[..., q, :]) for q in range(radix)]
    y = BUTTERFLIES[radix](n, f, turns, len(turns[0]) // length, sign)
    return np.concatenate([re for re, _ in y], -1), np.concatenate([im for _, im in y], -1)


def turned(n: Numbers, f: list[Complex], turns: Complex, stride: int) -> list[Complex]:
    """f[q][u] * turn**(q * u) for all but the first."""
    u = np.arange(f[0][0].shape[-1])
    return [f[0]] + [multiply(n, f[q], at(turns, stride * q * u)) for q in range(1, len(f))]


def butterfly_2(n: Numbers, f: list[Complex], turns: Complex, stride: int, sign: int) -> list[Complex]:
    """Sum and difference [kf_bfly2]."""
    a, b = turned(n, f, turns, stride)
    return [add(n, a, b), subtract(n, a, b)]


def butterfly_3(n: Numbers, f: list[Complex], turns: Complex, stride: int, sign: int) -> list[Complex]:
    """With the sine of a third of a circle [kf_bfly3]."""
    a, b, c = turned(n, f, turns, stride)
    sine = turns[1][stride * a[0].shape[-1]]
    both, apart = add(n, b, c), each(lambda part: n.round(part * sine), subtract(n, b, c))
    middle = n.keep(a[0] - n.half(both[0])), n.keep(a[1] - n.half(both[1]))
    return [add(n, a, both), add(n, middle, rotated(apart, 1)), add(n, middle, rotated(apart, -1))]


def butterfly_4(n: Numbers, f: list[Complex], turns: Complex, stride: int, sign: int) -> list[Complex]:
    """With quarters of a circle, which only swap real and imaginary [kf_bfly4]."""
    a, b, c, d = turned(n, f, turns, stride)
    even, other = add(n, a, c), subtract(n, a, c)
    odd, apart = add(n, b, d), subtract(n, b, d)
    return [
        add(n, even, odd),
        add(n, other, rotated(apart, sign)),
        subtract(n, even, odd),
        add(n, other, rotated(apart, -sign)),
    ]


def butterfly_5(n: Numbers, f: list[Complex], turns: Complex, stride: int, sign: int) -> list[Complex]:
    """With one and two fifths of a circle [kf_bfly5]."""
    a, b, c, d, e = turned(n, f, turns, stride)
    fifth = stride * a[0].shape[-1]
    (cos_1, cos_2), (sin_1, sin_2) = turns[0][[fifth, 2 * fifth]], turns[1][[fifth, 2 * fifth]]
    outer, inner = add(n, b, e), add(n, c, d)
    across, along = subtract(n, b, e), subtract(n, c, d)
    near, far = weighted(n, a, outer, inner, cos_1, cos_2), weighted(n, a, outer, inner, cos_2, cos_1)
    one = (
        n.keep(n.round(across[1] * sin_1) + n.round(along[1] * sin_2)),
        n.keep(-n.round(across[0] * sin_1) - n.round(along[0] * sin_2)),
    )
    two = (
        n.keep(-n.round(across[1] * sin_2) + n.round(along[1] * sin_1)),
        n.keep(n.round(across[0] * sin_2) - n.round(along[0] * sin_1)),
    )
    first = n.keep(a[0] + (outer[0] + inner[0])), n.keep(a[1] + (outer[1] + inner[1]))
    return [first, subtract(n, near, one), add(n, far, two), subtract(n, far, two), add(n, near, one)]


def weighted(n: Numbers, a: Complex, b: Complex, c: Complex, p: Array, q: Array) -> Complex:
    """a + b * p + c * q, with real factors."""
    re, im = (n.keep(a[i] + n.round(b[i] * p) + n.round(c[i] * q)) for i in (0, 1))
    return re, im


def each(function: Callable[[Array], Array], z: Complex) -> Complex:
    """A function of the real and of the imaginary part."""
    return function(z[0]), function(z[1])


def at(z: Complex, index: Array) -> Complex:
    """The numbers at these places."""
    return z[0][..., index], z[1][..., index]


def rotated(z: Complex, sign: int) -> Complex:
    """z * i, or z * -i"""
    return (-z[1], z[0]) if sign > 0 else (z[1], -z[0])


def conjugate(n: Numbers, z: Complex) -> Complex:
    """The imaginary part negated."""
    return z[0], n.keep(-z[1])


def add(n: Numbers, a: Complex, b: Complex) -> Complex:
    """a + b"""
    return n.keep(a[0] + b[0]), n.keep(a[1] + b[1])


def subtract(n: Numbers, a: Complex, b: Complex) -> Complex:
    """a - b"""
    return n.keep(a[0] - b[0]), n.keep(a[1] - b[1])


def multiply(n: Numbers, a: Complex, b: Complex) -> Complex:
    """a * b, each part rounded once."""
    return n.round(a[0] * b[0] - a[1] * b[1]), n.round(a[0] * b[1] + a[1] * b[0])


NUMBERS: dict[TensorType, Callable[[], Numbers]] = {
    TensorType.INT16: partial(integers_of, 16),
    TensorType.INT32: partial(integers_of, 32),
    TensorType.FLOAT32: floats,
}
BUTTERFLIES = {2: butterfly_2, 3: butterfly_3, 4: butterfly_4, 5: butterfly_5}
