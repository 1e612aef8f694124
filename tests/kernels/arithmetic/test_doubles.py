"""Requantization in doubles gives the integers of fixed point, or says that it cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinfer.kernels.arithmetic.doubles import Range, requantizer
from refinfer.kernels.arithmetic.fixedpoint import clamp, scale_int64, wrap_int32
from refinfer.kernels.numerics import (
    FixedPoint,
    Requantize,
    in_fixed_point,
    in_fixed_point_by_blocks_of_8,
    in_fixed_point_of_16_bits,
    in_fixed_point_ties_up,
    in_floating_point,
    in_single_precision,
)

Array = NDArray[Any]

INT8, INT16 = Range(-7, -128, 127, np.dtype(np.int8)), Range(0, -(2**15), 2**15 - 1, np.dtype(np.int16))
RELU6, UINT8 = Range(-50, -50, 100, np.dtype(np.int8)), Range(128, 0, 255, np.dtype(np.uint8))

reals = st.floats(2.0**-32, 4.0) | st.floats(1.0, 2000.0) | st.integers(-31, 12).map(lambda exponent: 2.0**exponent)
sizes = st.integers(0, 2**24) | st.integers(0, 31).map(lambda bits: 2**bits)
biases = st.integers(-(2**31), 2**31 - 1) | st.integers(-(2**22), 2**22)
channels = st.lists(st.tuples(reals, sizes, biases), min_size=1, max_size=9)


def in_integers(requantize: Requantize, bias: Array, y: Range, sums: Array) -> Array:
    """As C does it: an accumulator of 32 bits wraps around."""
    acc = sums.astype(np.int64) + bias
    is_wide = isinstance(requantize, FixedPoint) and requantize.scale is scale_int64
    return clamp(wrap_int32(requantize(acc if is_wide else wrap_int32(acc)) + y.offset), y.low, y.high, y.dtype)


def sums_up_to(most: Array, bias: Array, requantize: Requantize, random: np.random.Generator) -> Array:
    """Sums of any size, the largest, and those around which an output changes."""
    some = random.integers(-most, most, (200, len(most)), endpoint=True)
    whole = np.arange(-60, 61)[:, None] / 2
    scale = np.ldexp(requantize.multiplier, requantize.shift - 31) if isinstance(requantize, FixedPoint) else 1.0
    turning = np.nan_to_num(whole / np.where(scale == 0, 1, scale)) - bias
    near = np.concatenate([np.floor(turning), np.ceil(turning)]).clip(-most, most).astype(np.int64)
    return np.concatenate([some, near, [-most, most]])


@pytest.mark.parametrize("y", [INT8, INT16, RELU6, UINT8], ids=["int8", "int16", "relu6", "uint8"])
@pytest.mark.parametrize(
    "kind",
    [
        in_fixed_point,
        in_fixed_point_ties_up,
        in_fixed_point_by_blocks_of_8,
        in_fixed_point_of_16_bits,
        in_floating_point,
        in_single_precision,
    ],
)
@given(channels=channels, seed=st.integers(0, 2**32 - 1))
def test_doubles_give_the_integers_or_nothing(
    kind: Any, y: Range, channels: list[tuple[float, int, int]], seed: int
) -> None:
    real, most, bias = (np.array(column) for column in zip(*channels, strict=True))
    requantize = kind(real.tolist())
    finish = requantizer(requantize, bias, most.astype(np.float64), y)
    if finish is not None:
        sums = sums_up_to(most, bias, requantize, np.random.default_rng(seed))
        assert (finish(sums.astype(np.float64)[None]) == in_integers(requantize, bias, y, sums)).all()


@pytest.mark.parametrize("shift", range(-13, 3))
@pytest.mark.parametrize("kind", [in_fixed_point, in_floating_point])
def test_doubles_can_tell_for_layers_as_they_are(kind: Any, shift: int) -> None:
    assert requantizer(kind([0.7 * 2.0**shift]), np.array([2**20]), np.array([2.0**24]), INT8) is not None


def test_a_channel_without_weights_does_not_stand_in_the_way() -> None:
    requantize = in_fixed_point([2.0**-26, 2.0**-8])
    bias, most = np.array([2**30 - 1, 5]), np.array([0.0, 2.0**20])
    finish = requantizer(requantize, bias, most, INT8)
    assert finish is not None
    sums = np.array([[0, -(2**20)], [0, 2**14], [0, 77]])
    assert (finish(sums.astype(np.float64)[None]) == in_integers(requantize, bias, INT8, sums)).all()


def test_what_is_too_large_for_doubles_is_left_to_integers() -> None:
    assert requantizer(in_fixed_point([0.7 * 2.0**-16]), np.array([0]), np.array([2.0**23]), INT8) is None
