"""Element by element from one: the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, cases, known, ours, quantized, two_shapes, values

T = TensorType
B = BuiltinOperator

PLAIN = {
    B.ABS: (T.FLOAT32, T.INT16, T.INT32),
    B.SIN: (T.FLOAT32, T.FLOAT16),
    B.COS: (T.FLOAT32, T.FLOAT16),
    B.LOG: (T.FLOAT32,),
    B.EXP: (T.FLOAT32,),
    B.SQRT: (T.FLOAT32,),
    B.RSQRT: (T.FLOAT32,),
    B.SQUARE: (T.FLOAT32,),
    B.NEG: (T.FLOAT32, T.FLOAT16, T.INT8, T.INT16, T.INT32, T.INT64),
    B.FLOOR: (T.FLOAT32, T.FLOAT16),
    B.SIGN: (T.FLOAT32, T.FLOAT64, T.INT32),
    B.ZEROS_LIKE: (T.FLOAT32, T.INT32, T.INT64),
}
PLAIN_IN_TFLM = {
    B.ABS: (T.FLOAT32, T.INT16),
    B.SIN: (T.FLOAT32,),
    B.COS: (T.FLOAT32,),
    B.LOG: (T.FLOAT32,),
    B.EXP: (T.FLOAT32,),
    B.SQRT: (T.FLOAT32,),
    B.RSQRT: (T.FLOAT32,),
    B.SQUARE: (T.FLOAT32,),
    B.NEG: (T.FLOAT32,),
    B.FLOOR: (T.FLOAT32,),
    B.CEIL: (T.FLOAT32,),
    B.ROUND: (T.FLOAT32,),
    B.ZEROS_LIKE: (T.FLOAT32, T.INT8, T.INT32, T.INT64),
}


@pytest.mark.parametrize(("runtime", "op", "of"), known(PLAIN, PLAIN_IN_TFLM))
def test_numbers_as_they_are(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(3):
        shape, _ = two_shapes(rng, empty=runtime != "tflm")
        model = one_op_model(op, [TensorSpec(of, shape)], [TensorSpec(of, shape)])
        agree(runtime, model, *([values(rng, of, shape)] for _ in range(3)), case=(case, shape))


SCALED = {
    B.ABS: (T.INT8, T.INT16),
    B.LOG: (T.INT8, T.INT16),
    B.EXP: (T.INT8, T.INT16),
    B.SQRT: (T.INT8, T.INT16),
    B.RSQRT: (T.INT8, T.INT16),
}
SCALED_IN_TFLM = {B.ABS: (T.INT8, T.INT16), B.RSQRT: (T.INT8, T.INT16)}


@pytest.mark.parametrize(("runtime", "op", "of"), known(SCALED, SCALED_IN_TFLM))
def test_quantized_numbers(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(8):
        shape, _ = two_shapes(rng, empty=runtime != "tflm")
        x = quantized(rng, of, shape)
        y = quantized(rng, of, shape, x.scale[0])
        runs = [[values(rng, of, shape)] for _ in range(3)]
        if op in (B.SQRT, B.RSQRT):
            runs = [[np.maximum(run[0], x.zero_point[0]).astype(run[0].dtype)] for run in runs]
        agree(runtime, one_op_model(op, [x], [y]), *runs, case=(case, x, y))


@pytest.mark.parametrize("op", [B.REAL, B.IMAG, B.COMPLEX_ABS], ids=lambda op: op.name)
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_complex_numbers(runtime: str, op: BuiltinOperator) -> None:
    rng = np.random.default_rng(op)
    for case in cases(3):
        shape, _ = two_shapes(rng)
        model = one_op_model(op, [TensorSpec(T.COMPLEX64, shape)], [TensorSpec(T.FLOAT32, shape)])
        agree(runtime, model, [values(rng, T.COMPLEX64, shape)], case=(case, shape))


@pytest.mark.parametrize("op", [B.SQRT, B.RSQRT], ids=lambda op: op.name)
def test_roots_of_negative_numbers_are_refused(op: BuiltinOperator) -> None:
    x, y = TensorSpec(T.INT8, (1,), [0.5], [3]), TensorSpec(T.INT8, (1,), [0.5], [0])
    model = one_op_model(op, [x], [y])
    assert isinstance(ours("litert", model, [[np.array([3], np.int8)]]), list)
    assert "of a negative number" in str(ours("litert", model, [[np.array([2], np.int8)]]))


def test_halves_are_rounded_to_even_and_leave_no_negative_zero() -> None:
    x = np.array([-2.5, -1.5, -0.5, -0.25, 0.5, 1.5, 2.5, 2.4999998], np.float32)
    model = one_op_model(B.ROUND, [TensorSpec(T.FLOAT32, x.shape)], [TensorSpec(T.FLOAT32, x.shape)])
    for dialect in DIALECTS.values():
        (y,) = Machine(read_model(model), dialect).call(0, [x])
        assert y.tolist() == [-2, -2, 0, 0, 0, 2, 2, 2]
        assert not np.signbit(y[2:]).any()
