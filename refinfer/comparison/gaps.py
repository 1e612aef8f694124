"""How far two results are apart, number by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Outputs = Sequence[Sequence["Array"]]
"""The outputs of each run."""


class Gap(NamedTuple):
    """How two results differ: in how many of their elements, and by how much at most (None: not in numbers)."""

    elements: int = 0
    different: int = 0
    largest: float | None = 0.0

    def __add__(self, other: object) -> Gap:
        """Both together."""
        assert isinstance(other, Gap)
        both = (self.largest, other.largest)
        largest = None if None in both else max(each for each in both if each is not None)
        return Gap(self.elements + other.elements, self.different + other.different, largest)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        largest = self.largest if self.largest is None or np.isfinite(self.largest) else None
        return {"elements": self.elements, "different": self.different, "largest": largest}


def gap_of_runs(first: Outputs, second: Outputs) -> Gap:
    """How the outputs of several runs differ, as far as both have them."""
    pairs = [pair for run in zip(first, second, strict=False) for pair in zip(*run, strict=True)]
    return sum_of(gap_between(*pair) for pair in pairs)


def sum_of(gaps: Iterable[Gap]) -> Gap:
    """All of them together."""
    total = Gap()
    for gap in gaps:
        total += gap
    return total


def gap_between(first: Array, second: Array) -> Gap:
    """How two arrays differ, bit by bit; one NaN is as good as another. Another shape or type is all different."""
    if first.shape != second.shape or first.dtype != second.dtype:
        size = max(first.size, second.size)
        return Gap(size, size, None)
    if first.dtype.kind not in "biuf":
        different = int((first != second).sum())
        return Gap(first.size, different, None if different else 0.0)
    unlike = _bits(first) != _bits(second)
    if first.dtype.kind == "f":
        unlike &= ~(np.isnan(first) & np.isnan(second))
    with np.errstate(all="ignore"):
        distance = np.abs(first[unlike].astype(np.float64) - second[unlike].astype(np.float64))
    largest = float(np.nan_to_num(distance, nan=np.inf).max()) if distance.size else 0.0
    return Gap(first.size, int(unlike.sum()), largest)


def _bits(array: Array) -> Array:
    whole = np.ascontiguousarray(array)
    return whole.view(f"u{array.dtype.itemsize}").reshape(array.shape)
