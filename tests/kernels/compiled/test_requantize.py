"""The epilogues have the bits of the functions that they stand for, on ties and at the ends of int32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.kernels.arithmetic.fixedpoint import wrap_int32
from refinfer.kernels.numerics import (
    Requantize,
    in_fixed_point,
    in_fixed_point_by_blocks_of_8,
    in_fixed_point_ties_up,
    in_floating_point,
    in_single_precision,
)

pytest.importorskip("numba")

import numba

from refinfer.kernels.compiled.draft import aligned
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.products import scaling_of
from refinfer.kernels.compiled.requantize import requantize_row

Array = NDArray[Any]

CHANNELS = 2 * LANES + 11
OFFSET, LOW, HIGH = -7, -100, 127


@numba.njit
def called(kind, sums, vectors, parameters, nbytes, offset, low, high, output, size):  # type: ignore[no-untyped-def]
    """Kernels call each other; Python does not call them."""
    requantize_row(kind, sums, vectors, parameters, nbytes, offset, low, high, output, size)


def outputs_of(requantize: Requantize, sums: Array, bias: Array) -> Array:
    """What the epilogue makes of a row of sums."""
    scaling = scaling_of(requantize, np.zeros((CHANNELS, 1), np.int64), bias, 1, slice(0, CHANNELS))
    vectors = len(scaling.parameters)
    padded, y = aligned(4 * vectors * LANES), aligned(vectors * LANES)
    padded.view(np.int32)[:CHANNELS] = sums
    parameters = aligned(scaling.parameters.nbytes)
    parameters[:] = np.frombuffer(scaling.parameters.tobytes(), np.uint8)
    at = [each.ctypes.data for each in (padded, parameters, y)]
    called(scaling.kind, at[0], vectors, at[1], scaling.nbytes, OFFSET, LOW, HIGH, at[2], 1)
    return y.view(np.int8)[:CHANNELS]


MULTIPLIERS = {
    "ties": lambda random: (2.0 ** random.integers(-9, 2, CHANNELS)).astype(np.float32),
    "any": lambda random: np.exp(random.uniform(np.log(1e-5), 0, CHANNELS)).astype(np.float32),
}
SUMS = {
    "small": lambda random: random.integers(-2000, 2000, CHANNELS),
    "large": lambda random: random.integers(-(2**31), 2**31, CHANNELS),
    "ends": lambda random: random.choice([-(2**31), 2**31 - 1, -(2**24) - 1, 2**24 + 1, 0], CHANNELS),
}


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("multipliers", MULTIPLIERS)
@pytest.mark.parametrize(
    "rounding", [in_fixed_point, in_fixed_point_ties_up, in_fixed_point_by_blocks_of_8, in_single_precision]
)
def test_an_epilogue_rounds_as_its_function(
    rounding: Callable[[Sequence[float]], Requantize], multipliers: str, sums: str
) -> None:
    random = np.random.default_rng(4)
    for _ in range(20):
        real, x = MULTIPLIERS[multipliers](random), SUMS[sums](random).astype(np.int32)
        bias = random.integers(-3000, 3000, CHANNELS)
        requantize = rounding([float(each) for each in real])
        scaled = requantize(wrap_int32(x.astype(np.int64) + bias))
        expected = np.clip(wrap_int32(scaled + OFFSET), LOW, HIGH)
        assert (outputs_of(requantize, x, bias) == expected).all()


def test_ties_are_what_the_epilogues_part_at() -> None:
    """A quarter of -10 and of -6, without a bias, in a whole block of 8 channels and in the last ones."""
    sums, none = np.resize([-10, -6], CHANNELS).astype(np.int32), np.zeros(CHANNELS, np.int64)
    found = {
        rounding: (outputs_of(rounding([0.25] * CHANNELS), sums, none) - OFFSET)[[0, 1, CHANNELS - 2, CHANNELS - 1]]
        for rounding in (
            in_fixed_point,
            in_fixed_point_ties_up,
            in_fixed_point_by_blocks_of_8,
            in_single_precision,
            in_floating_point,
        )
    }
    ends = {rounding: each.tolist() for rounding, each in found.items()}
    assert ends[in_fixed_point] == ends[in_floating_point] == [-3, -2, -2, -3]
    assert ends[in_fixed_point_ties_up] == [-2, -1, -1, -2]
    assert ends[in_fixed_point_by_blocks_of_8] == [-2, -1, -2, -3]
    assert ends[in_single_precision] == [-2, -2, -2, -2]
