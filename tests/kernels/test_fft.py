"""RFFT2D has the bits of LiteRT; TFLM has no such operator."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.fft import transform
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours

LITERT = RUNTIMES[:1]
FLOAT32, INT32, COMPLEX64 = TensorType.FLOAT32, TensorType.INT32, TensorType.COMPLEX64
LONGEST = 11  # the exponent of the longest transform


def question(x: Array, length: tuple[int, ...], *, is_constant: bool = True) -> tuple[bytes, list[Array]]:
    """A model and inputs for it."""
    value = np.array(length, np.int32)
    spec = TensorSpec(INT32, value.shape, data=value if is_constant else None)
    model = one_op_model(
        BuiltinOperator.RFFT2D, [TensorSpec(FLOAT32, x.shape), spec], [TensorSpec(COMPLEX64, (1,) * x.ndim)]
    )
    return model, [x] if is_constant else [x, value]


def image(random: Random, shape: tuple[int, ...]) -> Array:
    """Noise, small integers, a few impulses, zeros of either sign, or numbers of all sizes."""
    kind = random.integers(0, 5)
    noise = random.normal(0, 1, shape).astype(np.float32)
    if kind == 0:
        return noise
    if kind == 1:
        return random.integers(-3, 4, shape).astype(np.float32)
    if kind == 2:
        return np.where(random.random(shape) < 0.05, noise, np.float32(0))
    if kind == 3:
        return random.choice(np.array([0.0, -0.0, 1.0, -1.0], np.float32), shape)
    return noise * (10.0 ** random.integers(-30, 30, shape)).astype(np.float32)


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("exponent", range(1, LONGEST + 1))
def test_rows_of_every_length_have_the_same_bits(runtime: str, exponent: int) -> None:
    random = np.random.default_rng(exponent)
    compared = sum(agree(runtime, *question(image(random, (3, 1, 2**exponent)), (1, 2**exponent))) for _ in cases(4))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("exponent", range(LONGEST + 1))
def test_columns_of_every_length_have_the_same_bits(runtime: str, exponent: int) -> None:
    random = np.random.default_rng(exponent)
    compared = sum(agree(runtime, *question(image(random, (2**exponent, 4)), (2**exponent, 4))) for _ in cases(4))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("is_constant", [True, False])
def test_images_are_cut_or_filled_up_and_transformed_to_the_same_bits(runtime: str, is_constant: bool) -> None:
    random = np.random.default_rng(31)
    compared = 0
    for _ in cases(40):
        height, width = 2 ** int(random.integers(0, 8)), 2 ** int(random.integers(1, 8))
        around = [max(1, size + int(random.integers(-3, 4))) for size in (height, width)]
        fewest = 0 if is_constant else 1  # LiteRT's interpreter does not hand out empty tensors of a shape found late
        batches = [int(each) for each in random.integers(fewest, 4, random.integers(0, 3))]
        x = image(random, (*batches, *around))
        compared += agree(runtime, *question(x, (height, width), is_constant=is_constant))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
def test_numbers_beyond_all_bounds_end_as_in_the_runtime(runtime: str, value: float) -> None:
    x = np.random.default_rng(32).normal(0, 1, (8, 64)).astype(np.float32)
    x[2, 17:19] = value
    assert agree(runtime, *question(x, (8, 64))) > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize("length", [(3, 8), (4, 12), (0, 8), (8, 0), (-4, 8), (8,), (2, 4, 8)])
def test_lengths_are_two_powers_of_two(runtime: str, length: tuple[int, ...], is_constant: bool) -> None:
    assert agree(runtime, *question(np.ones((4, 8), np.float32), length, is_constant=is_constant)) == 0


@pytest.mark.parametrize("runtime", LITERT)
def test_images_have_two_dimensions(runtime: str) -> None:
    assert agree(runtime, *question(np.ones(8, np.float32), (1, 8))) == 0


@pytest.mark.parametrize("runtime", LITERT)
def test_a_width_of_one_is_refused_though_the_runtime_answers(runtime: str) -> None:
    model, given = question(np.array([[3.0]], np.float32), (1, 1))
    assert referee(runtime).run(model, given).outputs[0][0].tolist() == [[3 - 3j]], "the imaginary part should be 0"
    assert isinstance(ours(runtime, model, [given]), str)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64, 512])
def test_a_transform_is_the_sum_that_defines_it(n: int) -> None:
    random = np.random.default_rng(n)
    z = random.normal(0, 1, n) + 1j * random.normal(0, 1, n)
    turns = np.outer(np.arange(n), np.arange(n)) % n
    np.testing.assert_allclose(transform(z), np.exp(2j * np.pi * turns / n) @ z, rtol=0, atol=1e-12)
