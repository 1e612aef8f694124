"""Bytes are read as other numbers as LiteRT does it; TFLM has no such operator."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.movement import SIZED
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, cases, values

LITERT = RUNTIMES[:1]
TYPES = sorted(SIZED - {TensorType.BOOL})


def model_of(before: TensorType, shape: tuple[int, ...], after: TensorType) -> bytes:
    return one_op_model(BuiltinOperator.BITCAST, [TensorSpec(before, shape)], [TensorSpec(after, (1,))])


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("before", TYPES, ids=lambda type: type.name.lower())
def test_the_bytes_stay_the_same(runtime: str, before: TensorType) -> None:
    random = np.random.default_rng(51)
    compared = 0
    for _ in cases(1):
        for after in TYPES:
            fitting = max(1, dtype_of(after).itemsize // dtype_of(before).itemsize)
            last = fitting if random.random() < 0.7 else int(random.integers(1, 9))
            shape = (*(int(each) for each in random.integers(1, 9, random.integers(0, 3))), last)
            compared += agree(runtime, model_of(before, shape, after), [values(random, before, shape)], case=after)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("after", [TensorType.INT32, TensorType.INT8])
def test_a_single_number_may_be_cut_into_several(runtime: str, after: TensorType) -> None:
    assert agree(runtime, model_of(TensorType.FLOAT32, (), after), [np.array(1.5, np.float32)]) > 0
