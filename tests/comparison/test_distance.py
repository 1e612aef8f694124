"""Decibels, angles and histograms are what they are by definition, and do not depend on how runs are cut up."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinfer.comparison.distance import SIDE, Distance, Histogram, distance, histogram_of
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Quantization, Tensor

Array = NDArray[Any]


def tensor(type: TensorType = TensorType.FLOAT32, scale: float = 0.0, zero_point: int = 0) -> Tensor:
    quantization = Quantization([scale], [zero_point], 0) if scale else None
    return Tensor(0, 0, "x", type, (), (), None, quantization, False)


FLOAT = tensor()
INT8 = tensor(TensorType.INT8, 0.1, 3)

int8s = st.lists(st.tuples(st.integers(-128, 127), st.integers(-128, 127)), min_size=1, max_size=40)


def apart(pairs: list[tuple[int, int]], x: Tensor = INT8) -> Distance:
    first, second = (np.array(side, np.int8) for side in zip(*pairs, strict=True))
    return distance(first, x, second, x)


@given(int8s)
def test_figures_are_those_of_exact_arithmetic(pairs: list[tuple[int, int]]) -> None:
    found = apart(pairs)
    scale = Fraction(0.1)
    signal = sum((scale * (a - 3)) ** 2 for a, _ in pairs)
    noise = sum((scale * (a - b)) ** 2 for a, b in pairs)
    assert found.different == sum(a != b for a, b in pairs)
    assert found.equal == pytest.approx(1 - found.different / len(pairs))
    assert found.largest == pytest.approx(float(scale * max(abs(a - b) for a, b in pairs)))
    if noise and signal:
        assert found.sqnr == pytest.approx(10 * math.log10(signal / noise))
    elif noise:
        assert found.sqnr is None
    else:
        assert found.sqnr == math.inf
    other = sum((scale * (b - 3)) ** 2 for _, b in pairs)
    product = sum(scale * scale * (a - 3) * (b - 3) for a, b in pairs)
    if signal and other:
        assert found.cosine == pytest.approx(float(product) / math.sqrt(signal * other), abs=1e-12)
    else:
        assert found.cosine is None


@given(int8s, int8s)
def test_two_runs_together_are_one_run_of_both(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    together, whole = apart(first) + apart(second), apart(first + second)
    assert together.histogram == whole.histogram
    assert (together.elements, together.different, together.largest) == (whole.elements, whole.different, whole.largest)
    assert together.noise == pytest.approx(whole.noise)
    assert Distance() + whole == whole


@given(int8s)
def test_bins_of_equal_scales_are_whole_steps(pairs: list[tuple[int, int]]) -> None:
    found = apart(pairs).histogram
    steps = [b - a for a, b in pairs if a != b]
    width = 1
    while max(map(abs, steps), default=0) > width * SIDE:
        width *= 2
    expected = [
        tuple(sum(math.ceil(abs(step) / width) == k + 1 for step in side) for k in range(SIDE))
        for side in ([s for s in steps if s < 0], [s for s in steps if s > 0])
    ]
    assert [found.below, found.above] == expected
    assert found.width == (0.1 * width if steps else 0)


reals = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=30)


@given(reals, reals)
def test_histograms_of_reals_add_up_to_that_of_all(first: list[float], second: list[float]) -> None:
    together = histogram_of(np.array(first), 0) + histogram_of(np.array(second), 0)
    whole = histogram_of(np.array(first + second), 0)
    assert together.width == whole.width
    assert sum(whole.below) == sum(x < 0 for x in first + second)
    assert sum(whole.above) == sum(x > 0 for x in first + second)
    largest = max((abs(x) for x in first + second), default=0)
    assert largest <= SIDE * whole.width <= 2 * largest or not largest


def test_a_bin_that_is_widened_holds_what_two_held() -> None:
    narrow = Histogram(0.5, (1, 2, 3, 4, 5, 6, 7, 8), (0, 0, 1, 0, 0, 0, 0, 9))
    assert narrow.widened(1.0) == Histogram(1.0, (3, 7, 11, 15, 0, 0, 0, 0), (0, 1, 0, 9, 0, 0, 0, 0))


def test_reals_and_integers_are_compared_by_what_they_stand_for() -> None:
    found = distance(np.array([0.5, -0.3], np.float32), FLOAT, np.array([8, 1], np.int8), INT8)
    assert found.largest == pytest.approx(0.1, abs=1e-7)  # -0.3 against 0.1 * (1 - 3); float32 is not exact
    assert found.step == 0


def test_nan_is_as_good_as_nan_and_what_is_not_finite_has_no_largest_difference() -> None:
    nan, inf = np.nan, np.inf
    one = np.array([nan, inf, 1.0, nan], np.float32)
    same = distance(one, FLOAT, one.copy(), FLOAT)
    assert (same.different, same.largest, same.sqnr) == (0, 0.0, math.inf)
    other = distance(one, FLOAT, np.array([nan, inf, 2.0, 3.0], np.float32), FLOAT)
    assert (other.different, other.largest, other.noise) == (2, None, 1.0)
    assert other.to_dict()["largest"] is None
    assert (other + same).largest is None


def test_what_is_too_large_to_be_squared_has_no_ratio() -> None:
    x = tensor(TensorType.FLOAT64)
    found = distance(np.array([1e200, 1.0]), x, np.array([1e200, 2.0]), x)
    assert (found.sqnr, found.cosine, found.largest) == (None, None, 1.0)
    near = distance(np.array([0.0]), x, np.array([5e-324]), x)
    assert near.histogram.above == (1, *(0,) * (SIDE - 1))
