"""How far two results are apart: shares, decibels, an angle, and a histogram of the differences.

What is gathered adds up, so that it can be taken run by run without keeping the runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, frexp, inf, isfinite, log10, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.inputs import is_quantized
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.schema.graph import Tensor

SIDE = 8  # bins on each side of zero
EMPTY = (0,) * SIDE
LEAST_EXPONENT = -1000  # of a width: smaller differences, of doubles alone, are in the first bin


class Histogram(NamedTuple):
    """Differences that are not zero, by size: bin k of a side counts those above k and up to k + 1 times `width`.

    `below` has those where the second result is less. Widths are powers of two times what the smallest one was, so
    that bins of two histograms can be merged without a rest.
    """

    width: float = 0.0
    below: tuple[int, ...] = EMPTY
    above: tuple[int, ...] = EMPTY

    def __add__(self, other: object) -> Histogram:
        """Both together, in the wider bins."""
        assert isinstance(other, Histogram)
        if not (self.width and other.width):
            return self if self.width else other
        width = max(self.width, other.width)
        one, two = self.widened(width), other.widened(width)
        return Histogram(width, _sums(one.below, two.below), _sums(one.above, two.above))

    def widened(self, width: float) -> Histogram:
        """The same in bins of a width that is a power of two times ours."""
        return self if self.width >= width else Histogram(2 * self.width, *map(_halved, self[1:])).widened(width)


def _sums(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _halved(bins: tuple[int, ...]) -> tuple[int, ...]:
    """Neighbours together."""
    pairs = tuple(a + b for a, b in zip(bins[::2], bins[1::2], strict=True))
    return pairs + (0,) * (SIDE - len(pairs))


def histogram_of(differences: Array, step: float) -> Histogram:
    """Of differences that are multiples of `step`, or any if that is 0; those of zero do not count."""
    found = differences[differences != 0]
    if not found.size:
        return Histogram()
    width = _width(float(np.abs(found).max()), step)
    # A multiple of the step may have been rounded to just above it.
    bins = np.ceil(np.round(np.abs(found) / width, 9)).astype(np.int64).clip(1, SIDE) - 1
    sides = (np.bincount(bins[side], minlength=SIDE) for side in (found < 0, found > 0))
    return Histogram(width, *(tuple(counts.tolist()) for counts in sides))


def _width(largest: float, step: float) -> float:
    """The smallest power of two, times the step if there is one, of which SIDE bins hold the largest difference."""
    if step:
        return float(step * 2.0 ** max(0, ceil(np.log2(round(largest / step / SIDE, 9)))))
    mantissa, exponent = frexp(largest / SIDE)
    return float(2.0 ** max(exponent - (mantissa == 0.5), LEAST_EXPONENT))


@dataclass(frozen=True, slots=True)
class Distance:
    """Sums over elements: of squares of the first result (the signal), of differences (the noise), of the second.

    `different` counts elements that are not the same number; `largest` is None if a difference is not finite, and such
    elements are left out of the sums. `step` is that of both quantizations, if they are the same, else 0.
    """

    elements: int = 0
    different: int = 0
    signal: float = 0.0
    noise: float = 0.0
    other: float = 0.0
    product: float = 0.0
    largest: float | None = 0.0
    step: float = 0.0
    histogram: Histogram = Histogram()  # noqa: RUF009  # it is immutable

    def __add__(self, other: Distance) -> Distance:
        """Both together."""
        known = self.largest is not None and other.largest is not None
        return Distance(
            self.elements + other.elements,
            self.different + other.different,
            self.signal + other.signal,
            self.noise + other.noise,
            self.other + other.other,
            self.product + other.product,
            max(self.largest or 0.0, other.largest or 0.0) if known else None,
            self.step or other.step,
            self.histogram + other.histogram,
        )

    @property
    def equal(self) -> float:
        """The share of elements that are the same number; 1 if there are none."""
        return 1 - self.different / self.elements if self.elements else 1.0

    @property
    def sqnr(self) -> float | None:
        """The ratio of signal and quantization noise in dB, infinite without noise; None if there is none."""
        if not self.measurable:
            return None
        if not self.noise:
            return inf
        return 10 * log10(self.signal / self.noise) if self.signal else None

    @property
    def cosine(self) -> float | None:
        """Of the angle between the results; None if one is all zero, or what differs is not finite."""
        lengths = sqrt(self.signal) * sqrt(self.other)
        return max(-1.0, min(1.0, self.product / lengths)) if lengths and self.measurable else None

    @property
    def measurable(self) -> bool:
        """Whether all differences are finite, and sums of squares too."""
        return self.largest is not None and isfinite(self.signal + self.noise + self.other)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        sqnr = self.sqnr
        return {
            "elements": self.elements,
            "different": self.different,
            "sqnr": None if sqnr is None or sqnr == inf else sqnr,
            "cosine": self.cosine,
            "largest": self.largest,
            "step": self.step or None,
            "histogram": {
                "width": self.histogram.width,
                "below": list(self.histogram.below),
                "above": list(self.histogram.above),
            },
        }


def distance(first: Array, first_tensor: Tensor, second: Array, second_tensor: Tensor) -> Distance:
    """How far the real values that two arrays stand for are apart; the first is taken for right."""
    one, two = real(first, first_tensor), real(second, second_tensor)
    with np.errstate(all="ignore"):
        differences = two - one
        same = (one == two) | (np.isnan(one) & np.isnan(two))
        finite = np.isfinite(differences)
        beyond = bool((~finite & ~same).any())
        if not finite.all():
            one, two, differences = one[finite], two[finite], differences[finite]
        largest = float(np.abs(differences).max()) if differences.size else 0.0
        step = common_step(first_tensor, second_tensor)
        return Distance(
            first.size,
            int(same.size - same.sum()),
            float((one * one).sum()),
            float((differences * differences).sum()),
            float((two * two).sum()),
            float((one * two).sum()),
            None if beyond else largest,
            step,
            histogram_of(differences, step),
        )


def real(array: Array, tensor: Tensor) -> Array:
    """The values that an array stands for, one after the other; not rounded to float32, so that steps stay steps."""
    values = np.asarray(array.reshape(-1).astype(np.float64))
    if not is_quantized(tensor):
        return values
    assert tensor.quantization is not None
    zero_points = tensor.quantization.zero_point
    return float(tensor.quantization.scale[0]) * (values - (zero_points[0] if len(zero_points) else 0))


def common_step(first: Tensor, second: Tensor) -> float:
    """The scale of both, if it is the same; else 0."""
    scales = [float(x.quantization.scale[0]) if x.quantization and is_quantized(x) else 0.0 for x in (first, second)]
    if scales[0] and scales[0] == scales[1]:
        return scales[0]
    return 0.0
