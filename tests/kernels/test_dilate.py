"""Values are pushed apart as LiteRT does it; TFLM has no such operators."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.movement import SIZED
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import StablehloPadOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, agree, cases, values

LITERT = RUNTIMES[:1]
INT32, FLOAT32 = TensorType.INT32, TensorType.FLOAT32
TYPES = sorted(SIZED)


def dilating(type: TensorType, x: Array, factors: Array, value: Array, is_constant: bool) -> tuple[bytes, list[Array]]:
    spec = TensorSpec(INT32, factors.shape, data=factors if is_constant else None)
    model = one_op_model(
        BuiltinOperator.DILATE,
        [TensorSpec(type, x.shape), spec, TensorSpec(type, value.shape)],
        [TensorSpec(type, (1,) * x.ndim)],
    )
    return model, [x, value] if is_constant else [x, factors, value]


def padding(
    type: TensorType, x: Array, value: Array, low: list[int], high: list[int], between: list[int]
) -> tuple[bytes, list[Array]]:
    options = StablehloPadOptions(
        edge_padding_low=tuple(low), edge_padding_high=tuple(high), interior_padding=tuple(between)
    )
    model = one_op_model(
        BuiltinOperator.STABLEHLO_PAD,
        [TensorSpec(type, x.shape), TensorSpec(type, value.shape)],
        [TensorSpec(type, (1,) * x.ndim)],
        options,
    )
    return model, [x, value]


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name.lower())
def test_values_come_to_lie_where_they_do_in_the_runtime(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(61)
    compared = 0
    for _ in cases(6):
        rank = int(random.integers(1, 6))
        shape = tuple(int(each) for each in random.integers(1, 5, rank))
        factors = random.integers(1, 4, rank, dtype=np.int32)
        given = values(random, type, shape), factors, values(random, type, ())
        compared += agree(runtime, *dilating(type, *given, is_constant=bool(random.integers(0, 2))))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name.lower())
def test_borders_are_added_or_cut_off_as_in_the_runtime(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(62)
    compared = 0
    for _ in cases(12):
        rank = int(random.integers(1, 5))
        shape = tuple(int(each) for each in random.integers(1, 6, rank))
        low, high, between = (random.integers(first, last, rank).tolist() for first, last in ((-4, 5), (-4, 5), (0, 4)))
        given = values(random, type, shape), values(random, type, ())
        compared += agree(runtime, *padding(type, *given, low, high, between), case=(shape, low, high, between))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize("factors", [[0, 1], [2], [1, -1], [1, 2, 1]])
def test_there_is_a_factor_of_at_least_one_for_every_axis(runtime: str, factors: list[int], is_constant: bool) -> None:
    x, value = np.ones((2, 3), np.float32), np.zeros((), np.float32)
    assert agree(runtime, *dilating(FLOAT32, x, np.array(factors, np.int32), value, is_constant)) == 0


@pytest.mark.parametrize("runtime", LITERT)
def test_values_are_not_pushed_together(runtime: str) -> None:
    x, value = np.ones((2, 3), np.float32), np.zeros((), np.float32)
    assert agree(runtime, *padding(FLOAT32, x, value, [0, 0], [0, 0], [0, -1])) == 0
