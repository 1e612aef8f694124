"""SOFTMAX and LOG_SOFTMAX compute the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import LogSoftmaxOptions, SoftmaxOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Random, agree, cases, ours, scale, values, zero_point

FLOAT32, FLOAT16 = TensorType.FLOAT32, TensorType.FLOAT16
UINT8, INT8, INT16 = TensorType.UINT8, TensorType.INT8, TensorType.INT16
PAIRS = [
    (FLOAT32, FLOAT32),
    (FLOAT16, FLOAT16),
    (UINT8, UINT8),
    (UINT8, INT16),
    (INT8, INT8),
    (INT8, INT16),
    (INT16, INT16),
]
SOFTMAX_OUTPUTS = {
    (UINT8, UINT8): (1 / 256, 0),
    (UINT8, INT16): (1 / 65536, -32768),
    (INT8, INT8): (1 / 256, -128),
    (INT8, INT16): (1 / 65536, -32768),
    (INT16, INT16): (1 / 32768, 0),
}
LOG_SOFTMAX_OUTPUTS = {(UINT8, UINT8): (16 / 256, 255), (INT8, INT8): (16 / 256, 127)}
DEPTHS = (1, 2, 3, 10, 50, 300, 500)  # the sum of 512 exponentials crashes the runtimes


def named(pair: tuple[TensorType, TensorType]) -> str:
    return "-".join(type.name for type in pair).lower()


def shape(random: Random) -> tuple[int, ...]:
    return (*(int(each) for each in random.integers(1, 4, random.integers(0, 4))), int(random.choice(DEPTHS)))


def tensor(random: Random, type: TensorType, of: tuple[int, ...]) -> TensorSpec:
    if type in (FLOAT32, FLOAT16):
        return TensorSpec(type, of)
    return TensorSpec(type, of, [scale(random) / (1 if type != INT16 else 128)], [zero_point(random, type)])


def output(type: TensorType, x: TensorSpec, quantization: tuple[float, int] | None) -> TensorSpec:
    if quantization is None:
        return TensorSpec(type, x.shape)
    return TensorSpec(type, x.shape, [quantization[0]], [quantization[1]])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_softmax_has_the_same_bits(runtime: str, pair: tuple[TensorType, TensorType]) -> None:
    random = np.random.default_rng(1)
    for number in cases(12):
        x = tensor(random, pair[0], shape(random))
        beta = float(np.float32(random.choice([1.0, 1.0, 0.5, 2.0, 0.3, 1.7])))
        y = output(pair[1], x, SOFTMAX_OUTPUTS.get(pair))
        model = one_op_model(BuiltinOperator.SOFTMAX, [x], [y], SoftmaxOptions(beta=beta), version=3)
        agree(runtime, model, *([values(random, x.type, x.shape)] for _ in range(2)), case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", [FLOAT32, UINT8, INT8])
def test_log_softmax_has_the_same_bits(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(2)
    for number in cases(12):
        x = tensor(random, type, shape(random))
        y = output(type, x, LOG_SOFTMAX_OUTPUTS.get((type, type)))
        model = one_op_model(BuiltinOperator.LOG_SOFTMAX, [x], [y], LogSoftmaxOptions(), version=2)
        agree(runtime, model, *([values(random, x.type, x.shape)] for _ in range(2)), case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_tables_of_int16_are_those_of_the_runtime(runtime: str) -> None:
    """Two entries of 1 / (1 + x) depend on whether they are computed in float or double; three numbers show that."""
    random = np.random.default_rng(3)
    x, y = TensorSpec(INT16, (3000, 3), [2**-12], [0]), TensorSpec(INT16, (3000, 3), [1 / 32768], [0])
    model = one_op_model(BuiltinOperator.SOFTMAX, [x], [y], SoftmaxOptions(beta=1.0), version=3)
    agree(runtime, model, [random.integers(-3000, 3000, x.shape).astype(np.int16)])


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("of", [(0,), (3, 0), (0, 3), ()])
def test_odd_shapes_are_computed_or_refused_alike(runtime: str, of: tuple[int, ...]) -> None:
    x, y = TensorSpec(INT8, of, [1.0], [0]), TensorSpec(INT8, of, [1 / 256], [-128])
    model = one_op_model(BuiltinOperator.SOFTMAX, [x], [y], SoftmaxOptions(beta=1.0))
    agree(runtime, model, [np.zeros(of, np.int8)])


def test_sums_at_which_the_runtimes_crash_are_computed() -> None:
    x, y = TensorSpec(INT8, (1, 1024), [1.0], [0]), TensorSpec(INT8, (1, 1024), [1 / 256], [-128])
    model = one_op_model(BuiltinOperator.SOFTMAX, [x], [y], SoftmaxOptions(beta=1.0))
    computed = ours("litert", model, [[np.zeros((1, 1024), np.int8)]])
    assert not isinstance(computed, str)
    assert np.all(computed[0][0] == -128)
