"""exp, logistic and tanh in fixed point, against the real functions."""

from __future__ import annotations

from math import exp, tanh

import numpy as np
import pytest

from refinfer.kernels.arithmetic import gemmlowp

INT16 = np.arange(-(2**15), 2**15)
TAYLOR = (1 / 8) ** 5 / 120  # the first term of the series around 1/8 that is left out
SOME_INT32 = np.random.default_rng(0).integers(-(2**31), 2**31, 2000)


def logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


@pytest.mark.parametrize(
    ("bits", "values", "tolerance"),
    [pytest.param(16, INT16, 2**-12, id="all of 16 bits"), pytest.param(32, SOME_INT32, TAYLOR, id="some of 32 bits")],
)
@pytest.mark.parametrize("integer_bits", [0, 1, 3, 4, 5, 6])
def test_fixed_point_is_near_the_real_function(
    bits: int, values: np.ndarray[tuple[int], np.dtype[np.int64]], tolerance: float, integer_bits: int
) -> None:
    one, real = 2.0 ** (bits - 1), values * 2.0 ** (integer_bits - bits + 1)
    found = gemmlowp.logistic(values, integer_bits, bits) / one
    assert np.abs(found - [logistic(each) for each in real]).max() < tolerance
    found = gemmlowp.tanh(values, integer_bits, bits) / one
    assert np.abs(found - [tanh(each) for each in real]).max() < 4 * tolerance
    negative = np.minimum(values, 0)
    found = gemmlowp.exp_on_negative_values(negative, integer_bits, bits) / one
    assert np.abs(found - [exp(each) for each in np.minimum(real, 0)]).max() < tolerance


def test_tanh_is_odd_and_the_logistic_of_both_signs_sums_to_one() -> None:
    x = INT16[1:]
    assert (gemmlowp.tanh(-x, 3, 16) == -gemmlowp.tanh(x, 3, 16)).all()
    sums = gemmlowp.logistic(-x, 3, 16) + gemmlowp.logistic(x, 3, 16)
    assert (sums == np.where(x == 0, 2**15, 2**15 - 1)).all()


def test_minus_one_times_minus_one_saturates() -> None:
    lowest = np.array([-(2**15)])
    assert gemmlowp.multiply(lowest, lowest, 16).tolist() == [2**15 - 1]


def test_the_table_is_entered_at_three_times_a_number_with_three_integer_bits() -> None:
    real = INT16 / 2**12
    assert np.abs(gemmlowp.logistic_by_table(INT16, 3, 0) / 2**15 - [logistic(x) for x in real]).max() < 2**-14
    assert np.abs(gemmlowp.tanh_by_table(INT16, 3, 0) / 2**15 - np.tanh(real)).max() < 2**-13
