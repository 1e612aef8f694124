"""Truth values: the bits of the official runtimes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import Random, agree, cases, common, known, ours, quantized, two_shapes, values

T = TensorType
B = BuiltinOperator

ANY = (T.FLOAT32, T.FLOAT16, T.INT32, T.INT64)
PLAIN = {
    B.EQUAL: (*ANY, T.INT16, T.BOOL),
    B.NOT_EQUAL: (*ANY, T.BOOL),
    B.GREATER: (*ANY, T.INT16),
    B.GREATER_EQUAL: (*ANY, T.INT16),
    B.LESS: (*ANY, T.INT16),
    B.LESS_EQUAL: (*ANY, T.INT16),
    B.LOGICAL_AND: (T.BOOL,),
    B.LOGICAL_OR: (T.BOOL,),
}
NUMBERS = (T.FLOAT32, T.INT32, T.INT64)
PLAIN_IN_TFLM = {
    B.EQUAL: (*NUMBERS, T.BOOL),
    B.NOT_EQUAL: (*NUMBERS, T.BOOL),
    B.GREATER: NUMBERS,
    B.GREATER_EQUAL: NUMBERS,
    B.LESS: NUMBERS,
    B.LESS_EQUAL: NUMBERS,
    B.LOGICAL_AND: (T.BOOL,),
    B.LOGICAL_OR: (T.BOOL,),
}


@pytest.mark.parametrize(("runtime", "op", "of"), known(PLAIN, PLAIN_IN_TFLM))
def test_numbers_as_they_are(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(2):
        a, b = two_shapes(rng, empty=runtime != "tflm")
        model = one_op_model(op, [TensorSpec(of, a), TensorSpec(of, b)], [TensorSpec(T.BOOL, common(a, b))])
        agree(runtime, model, *([values(rng, of, a), values(rng, of, b)] for _ in range(3)), case=(case, a, b))


SCALED = {
    B.EQUAL: (T.INT8, T.UINT8, T.INT16),
    B.NOT_EQUAL: (T.INT8, T.UINT8, T.INT16),
    B.GREATER: (T.INT8, T.UINT8, T.INT16),
    B.GREATER_EQUAL: (T.INT8, T.UINT8, T.INT16),
    B.LESS: (T.INT8, T.UINT8, T.INT16),
    B.LESS_EQUAL: (T.INT8, T.UINT8, T.INT16),
}
SCALED_IN_TFLM = dict.fromkeys(SCALED, (T.INT8,))


@pytest.mark.parametrize(("runtime", "op", "of"), known(SCALED, SCALED_IN_TFLM))
def test_quantized_numbers(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(3):
        a, b = two_shapes(rng, empty=runtime != "tflm")
        x = below_one(quantized(rng, of, a))
        z = below_one(quantized(rng, of, b, x.scale[0]))
        model = one_op_model(op, [x, z], [TensorSpec(T.BOOL, common(a, b))])
        agree(runtime, model, *([values(rng, of, a), values(rng, of, b)] for _ in range(3)), case=(case, x, z))


def below_one(spec: TensorSpec) -> TensorSpec:
    """What LiteRT makes of a scale of 1 or more is a bug: docs/runtime-bugs.md."""
    return replace(spec, scale=[min(spec.scale[0], 0.99)])


def test_a_scale_of_one_or_more_is_refused() -> None:
    x, z = TensorSpec(T.INT8, (1,), [1.0], [0]), TensorSpec(T.INT8, (1,), [0.5], [0])
    model = one_op_model(B.LESS, [x, z], [TensorSpec(T.BOOL, (1,))])
    for dialect in ("litert", "tflm"):
        assert "the scale is 1.0; it must be between 0 and 1" in str(ours(dialect, model, []))


@pytest.mark.parametrize(("runtime", "op", "of"), known({B.LOGICAL_NOT: (T.BOOL,)}, {B.LOGICAL_NOT: (T.BOOL,)}))
def test_negation(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(op)
    model = one_op_model(op, [TensorSpec(of, (3, 50))], [TensorSpec(of, (3, 50))])
    agree(runtime, model, [values(rng, of, (3, 50))])


SIZES = (T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL, T.FLOAT16, T.FLOAT64, T.COMPLEX64)
SELECTED = {B.SELECT: SIZES, B.SELECT_V2: SIZES}


@pytest.mark.parametrize(("runtime", "op", "of"), known(SELECTED, {B.SELECT_V2: (T.FLOAT32, T.INT8, T.INT16)}))
def test_selection(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(3):
        a, b = two_shapes(rng, empty=runtime != "tflm")
        y = common(a, b)
        condition = conditions(rng, op, y)
        if op == B.SELECT:
            a = b = y
        inputs = [TensorSpec(T.BOOL, condition), TensorSpec(of, a), TensorSpec(of, b)]
        model = one_op_model(op, inputs, [TensorSpec(of, y)])
        runs = [[values(rng, each.type, each.shape) for each in inputs] for _ in range(2)]
        agree(runtime, model, *runs, case=(case, condition, a, b))


def conditions(rng: Random, op: BuiltinOperator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a condition that fits: SELECT stretches scalars and vectors along the first dimension alone."""
    if op == B.SELECT:
        return [shape, (), shape[:1]][int(rng.integers(0, 3))]
    return tuple(1 if rng.random() < 0.4 else size for size in shape)[int(rng.integers(0, len(shape) + 1)) :]


def test_one_element_keeps_the_shape_that_the_file_gives_it() -> None:
    inputs = [TensorSpec(T.BOOL, ()), TensorSpec(T.INT32, (1, 1)), TensorSpec(T.INT32, (1,))]
    model = one_op_model(B.SELECT_V2, inputs, [TensorSpec(T.INT32, (1, 1, 1))])
    arrays = [np.array(False), np.array([[3]], np.int32), np.array([4], np.int32)]
    (y,) = Machine(read_model(model), DIALECTS["litert"]).call(0, arrays)
    assert y.tolist() == [[[4]]]
