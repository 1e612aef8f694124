"""The C library's float functions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refinfer.kernels.arithmetic import libm


@pytest.mark.parametrize("name", sorted(libm.IN_DOUBLE))
def test_a_function_is_as_near_as_four_units_in_the_last_place(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.01, 20, 2000).astype(np.float32)
    arguments = (x, rng.uniform(-3, 3, 2000).astype(np.float32)) if name in libm.OF_TWO else (x,)
    exact = np.array([getattr(math, name[:-1])(*map(float, each)) for each in zip(*arguments, strict=True)])
    found = libm.elementwise(name, *arguments)
    assert found.dtype == np.float32
    assert np.all(np.abs(found - exact) <= 4 * np.spacing(np.abs(exact).astype(np.float32)))


def test_without_a_library_doubles_are_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libm, "function_of", lambda name: None)
    x = np.array([0.5, 1.0, -2.0], np.float32)
    assert libm.expf(x).tolist() == [np.float32(math.exp(each)) for each in x]
    assert libm.erff(x).tolist() == [np.float32(math.erf(each)) for each in x]


def test_arguments_are_stretched_and_nothing_gives_nothing() -> None:
    assert libm.powf(np.array([[2.0], [3.0]]), np.array([1.0, 2.0])).tolist() == [[2, 4], [3, 9]]
    assert libm.expf(np.zeros((0, 3), np.float32)).shape == (0, 3)
