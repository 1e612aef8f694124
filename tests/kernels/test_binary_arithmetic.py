"""Element by element from two: the bits of the official runtimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import AddOptions, DivOptions, MulOptions, SubOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import (
    RUNTIMES,
    Array,
    Random,
    agree,
    cases,
    common,
    known,
    ours,
    quantized,
    scale,
    two_shapes,
    values,
    zero_point,
)

T = TensorType
B = BuiltinOperator
QUANTIZED = (T.INT8, T.UINT8, T.INT16)

Adjust = Callable[[Array, Array], Sequence[Array]]


def as_drawn(a: Array, b: Array) -> Sequence[Array]:
    return [a, b]


def divisible(a: Array, b: Array) -> Sequence[Array]:
    """Without what C leaves open or stops at: zeros, and the least integer over -1."""
    b = np.where(b == 0, 3, b).astype(b.dtype)
    return [a, b if b.dtype.kind == "f" else np.where(b == -1, -2, b).astype(b.dtype)]


def small_powers(a: Array, b: Array) -> Sequence[Array]:
    """Integers are not raised to negative powers."""
    return [a, b] if a.dtype.kind == "f" else [np.clip(a, -2000, 2000), np.abs(b.astype(np.int64) % 40).astype(b.dtype)]


PLAIN = {
    B.ADD: (T.FLOAT32, T.FLOAT16, T.INT32, T.INT64, T.INT16),
    B.SUB: (T.FLOAT32, T.INT32, T.INT64),
    B.MUL: (T.FLOAT32, T.FLOAT16, T.INT32, T.UINT32, T.INT64, T.INT16, T.COMPLEX64),
    B.DIV: (T.FLOAT32, T.INT32),
    B.MAXIMUM: (T.FLOAT32, T.FLOAT16, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64),
    B.MINIMUM: (T.FLOAT32, T.FLOAT16, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64),
    B.SQUARED_DIFFERENCE: (T.FLOAT32, T.INT32),
    B.FLOOR_DIV: (T.FLOAT32, T.INT8, T.INT16, T.INT32),
    B.FLOOR_MOD: (T.FLOAT32, T.INT8, T.INT16, T.INT32, T.INT64),
    B.POW: (T.FLOAT32, T.INT32),
    B.BITWISE_XOR: (T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32),
    B.RIGHT_SHIFT: (T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32),
}
PLAIN_IN_TFLM = {
    B.ADD: (T.FLOAT32, T.INT32),
    B.SUB: (T.FLOAT32, T.INT32),
    B.MUL: (T.FLOAT32, T.INT32),
    B.DIV: (T.FLOAT32, T.INT32),
    B.MAXIMUM: (T.FLOAT32, T.INT8, T.INT16, T.INT32, T.INT64),
    B.MINIMUM: (T.FLOAT32, T.INT8, T.INT16, T.INT32, T.INT64),
    B.SQUARED_DIFFERENCE: (T.FLOAT32, T.INT32),
    B.FLOOR_DIV: (T.FLOAT32,),
    B.FLOOR_MOD: (T.FLOAT32,),
}
ADJUST: dict[BuiltinOperator, Adjust] = {
    B.DIV: divisible,
    B.FLOOR_DIV: divisible,
    B.FLOOR_MOD: divisible,
    B.POW: small_powers,
}
OPTIONS: dict[BuiltinOperator, type[Table]] = {
    B.ADD: AddOptions,
    B.SUB: SubOptions,
    B.MUL: MulOptions,
    B.DIV: DivOptions,
}


def options(rng: Random, op: BuiltinOperator, of: TensorType) -> Table | None:
    """Any activation that the operator may have, and either sort of int16 scales."""
    if op not in OPTIONS:
        return None
    activation = ActivationFunctionType.NONE if of == T.COMPLEX64 else ActivationFunctionType(int(rng.integers(0, 4)))
    flags = {"pot_scale_int16": bool(rng.integers(0, 2))} if op in (B.ADD, B.SUB) else {}
    return OPTIONS[op](fused_activation_function=activation, **flags)


@pytest.mark.parametrize(("runtime", "op", "of"), known(PLAIN, PLAIN_IN_TFLM))
def test_numbers_as_they_are(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(3):
        a, b = two_shapes(rng, empty=runtime != "tflm")
        model = one_op_model(
            op, [TensorSpec(of, a), TensorSpec(of, b)], [TensorSpec(of, common(a, b))], options(rng, op, of)
        )
        adjust = ADJUST.get(op, as_drawn)
        agree(runtime, model, *(adjust(values(rng, of, a), values(rng, of, b)) for _ in range(3)), case=(case, a, b))


SCALED = {
    B.ADD: QUANTIZED,
    B.SUB: QUANTIZED,
    B.MUL: QUANTIZED,
    B.DIV: QUANTIZED,
    B.SQUARED_DIFFERENCE: (T.INT8, T.INT16),
}
SCALED_IN_TFLM = {
    B.ADD: (T.INT8, T.INT16),
    B.SUB: (T.INT8, T.INT16),
    B.MUL: (T.INT8, T.INT16),
    B.DIV: (T.INT8,),
    B.SQUARED_DIFFERENCE: (T.INT8, T.INT16),
}


@pytest.mark.parametrize(("runtime", "op", "of"), known(SCALED, SCALED_IN_TFLM))
def test_quantized_numbers(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng([op, of])
    for case in cases(6):
        a, b = two_shapes(rng, empty=runtime != "tflm")
        x = quantized(rng, of, a)
        z = quantized(rng, of, b, x.scale[0])
        y = quantized(rng, of, common(a, b), x.scale[0])
        if op == B.SUB and y.scale[0] < 2**-14 * max(x.scale[0], z.scale[0]):
            continue  # what LiteRT makes of a multiplier above 1 is a bug: docs/runtime-bugs.md
        model = one_op_model(op, [x, z], [y], options(rng, op, of))
        runs = [[values(rng, of, a), values(rng, of, b)] for _ in range(3)]
        if op == B.DIV:
            runs = [[p, np.where(q == z.zero_point[0], q ^ 1, q)] for p, q in runs]
        agree(runtime, model, *runs, case=(case, x, z, y))


@pytest.mark.parametrize("of", [T.INT8, T.UINT8])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_products_of_int16_in_8_bits(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(3):
        shape, _ = two_shapes(rng)
        x, y = TensorSpec(T.INT16, shape, [2**-15], [0]), quantized(rng, of, shape)
        model = one_op_model(B.MUL, [x, TensorSpec(T.INT16, shape, [2**-15], [0])], [y], options(rng, B.MUL, of))
        agree(runtime, model, [values(rng, T.INT16, shape), values(rng, T.INT16, shape)], case=case)


@pytest.mark.parametrize(
    ("runtime", "op", "of"), known({B.ADD_N: (T.FLOAT32, T.INT32)}, {B.ADD_N: (T.FLOAT32, T.INT8)})
)
def test_sums_of_many(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(4):
        shape, _ = two_shapes(rng, empty=False)
        step, zero = ([scale(rng)], [zero_point(rng, of)]) if of == T.INT8 else ([], [])
        inputs = [TensorSpec(of, shape, step, zero) for _ in range(int(rng.integers(2, 7)))]
        y = quantized(rng, of, shape, step[0]) if of == T.INT8 else TensorSpec(of, shape)
        model = one_op_model(op, inputs, [y])
        agree(runtime, model, [values(rng, of, shape) for _ in inputs], case=(case, inputs[0], y))


@pytest.mark.parametrize("of", [T.FLOAT32, T.FLOAT64])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_angles(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(3):
        shape, _ = two_shapes(rng)
        model = one_op_model(B.ATAN2, [TensorSpec(of, shape), TensorSpec(of, shape)], [TensorSpec(of, shape)])
        agree(runtime, model, [values(rng, of, shape), values(rng, of, shape)], case=case)


STABLEHLO = (B.STABLEHLO_ADD, B.STABLEHLO_MULTIPLY, B.STABLEHLO_MAXIMUM, B.STABLEHLO_MINIMUM)


@pytest.mark.parametrize("op", STABLEHLO, ids=lambda op: op.name)
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_stablehlo(runtime: str, op: BuiltinOperator) -> None:
    rng = np.random.default_rng(op)
    for of in (T.FLOAT16, T.FLOAT32, T.FLOAT64, T.INT8, T.UINT16, T.INT32, T.UINT64, T.BOOL):
        for case in cases(1):
            shape, _ = two_shapes(rng)
            model = one_op_model(op, [TensorSpec(of, shape), TensorSpec(of, shape)], [TensorSpec(of, shape)])
            agree(runtime, model, [values(rng, of, shape), values(rng, of, shape)], case=(of.name, case))


def sum_of(of: TensorType, a: Array, b: Array, *, activation: ActivationFunctionType, dialect: str) -> Array:
    x, z, y = TensorSpec(of, a.shape), TensorSpec(of, b.shape), TensorSpec(of, common(a.shape, b.shape))
    model = one_op_model(B.ADD, [x, z], [y], AddOptions(fused_activation_function=activation))
    return Machine(read_model(model), DIALECTS[dialect]).call(0, [a, b])[0]


def test_a_sum_of_int32_has_an_activation_in_one_dialect_only() -> None:
    a, b = np.array([5, -7], np.int32), np.array([4, 1], np.int32)
    relu6 = ActivationFunctionType.RELU6
    assert sum_of(T.INT32, a, b, activation=relu6, dialect="litert").tolist() == [6, 0]
    assert sum_of(T.INT32, a, b, activation=relu6, dialect="tflm").tolist() == [9, -6]


def test_an_infinite_sum_becomes_the_largest_float() -> None:
    a, b = np.array([np.inf, -np.inf, 3e38, np.nan], np.float32), np.array([0, 0, 3e38, 0], np.float32)
    most = float(np.finfo(np.float32).max)
    for dialect in PORTABLE:
        y = sum_of(T.FLOAT32, a, b, activation=ActivationFunctionType.NONE, dialect=dialect)
        assert y[:3].tolist() == [most, -most, most]
        assert np.isnan(y[3])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_least_integer_divided_by_minus_one(runtime: str) -> None:
    model = one_op_model(B.DIV, [TensorSpec(T.INT32, (1,)) for _ in range(2)], [TensorSpec(T.INT32, (1,))])
    agree(runtime, model, [np.array([-(2**31)], np.int32), np.array([-1], np.int32)])


def test_what_cannot_be_divided_is_refused() -> None:
    for op, a, b in ((B.DIV, 7, 0), (B.FLOOR_MOD, -(2**31), -1), (B.FLOOR_MOD, 7, 0), (B.FLOOR_DIV, 7, 0)):
        spec = TensorSpec(T.INT32, (1,))
        model = one_op_model(op, [spec, TensorSpec(T.INT32, (1,))], [TensorSpec(T.INT32, (1,))])
        computed = ours("litert", model, [[np.array([a], np.int32), np.array([b], np.int32)]])
        assert isinstance(computed, str)


def test_what_tflm_does_not_register_its_dialect_refuses() -> None:
    model = one_op_model(
        B.POW, [TensorSpec(T.FLOAT32, (1,)), TensorSpec(T.FLOAT32, (1,))], [TensorSpec(T.FLOAT32, (1,))]
    )
    assert ours("tflm", model, []) == "operator 0 (POW) of subgraph 0: the dialect tflm has no operator POW"
