"""L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION compute the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.options import L2NormOptions, LocalResponseNormalizationOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, cases, ours, scale, values, zero_point

FLOAT32, UINT8, INT8 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8
L2, LOCAL = BuiltinOperator.L2_NORMALIZATION, BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION
MIDDLES = {INT8: 0, UINT8: 128}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", [FLOAT32, INT8, UINT8])
def test_l2_normalization_has_the_same_bits(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(1)
    for number in cases(15):
        outer = (int(each) for each in random.integers(1, 5, random.integers(0, 4)))
        shape = (*outer, int(random.choice([1, 2, 7, 40, 300])))
        x, y = TensorSpec(type, shape), TensorSpec(type, shape)
        if type != FLOAT32:
            x = TensorSpec(type, shape, [scale(random)], [zero_point(random, type)])
            y = TensorSpec(type, shape, [1 / 128], [MIDDLES[type]])
        numbers = values(random, type, shape)
        if random.random() < 0.2:
            numbers = np.full_like(numbers, x.zero_point[0] if type != FLOAT32 else 1e-9)
        agree(runtime, one_op_model(L2, [x], [y], L2NormOptions(), version=2), [numbers], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_scale_of_a_norm_matters_to_litert_alone(runtime: str) -> None:
    x, y = TensorSpec(INT8, (2, 3), [0.5], [1]), TensorSpec(INT8, (2, 3), [0.25], [3])
    agree(runtime, one_op_model(L2, [x], [y], L2NormOptions(), version=2), [np.arange(6, dtype=np.int8).reshape(2, 3)])


def test_a_fused_activation_is_refused() -> None:
    x = TensorSpec(FLOAT32, (2, 3))
    options = L2NormOptions(fused_activation_function=ActivationFunctionType.RELU)
    found = ours("litert", one_op_model(L2, [x], [TensorSpec(FLOAT32, (2, 3))], options), [])
    assert isinstance(found, str)
    assert found.endswith("fused activation RELU; it must be NONE")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_local_response_normalization_has_the_same_bits(runtime: str) -> None:
    random = np.random.default_rng(2)
    for number in cases(15):
        shape = tuple(int(random.integers(1, most)) for most in (9, 9, 9, 30))
        options = LocalResponseNormalizationOptions(
            radius=int(random.integers(0, 12)),
            bias=float(random.choice([0.5, 1.0, 2.0])),
            alpha=float(np.float32(random.choice([1.0, 1e-4, 0.3]))),
            beta=float(np.float32(random.choice([0.5, 0.75, 1.0, 0.3]))),
        )
        x, y = TensorSpec(FLOAT32, shape), TensorSpec(FLOAT32, shape)
        agree(runtime, one_op_model(LOCAL, [x], [y], options), [values(random, FLOAT32, shape)], case=number)
