"""Activations compute the bits of the official runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import GeluOptions, LeakyReluOptions
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import (
    RUNTIMES,
    Array,
    Random,
    agree,
    assert_same,
    cases,
    known,
    ours,
    scale,
    values,
    zero_point,
)

FLOAT32, FLOAT16 = TensorType.FLOAT32, TensorType.FLOAT16
UINT8, INT8, INT16 = TensorType.UINT8, TensorType.INT8, TensorType.INT16
Op = BuiltinOperator

EIGHT_BITS = (UINT8, INT8)
LITERT = {
    Op.RELU: (FLOAT32, *EIGHT_BITS, INT16),
    Op.RELU6: (FLOAT32, *EIGHT_BITS, INT16),
    Op.RELU_N1_TO_1: (FLOAT32, *EIGHT_BITS),
    Op.RELU_0_TO_1: (FLOAT32, *EIGHT_BITS),
    Op.LEAKY_RELU: (FLOAT32, *EIGHT_BITS, INT16),
    Op.HARD_SWISH: (FLOAT32, *EIGHT_BITS),
    Op.LOGISTIC: (FLOAT32, FLOAT16, *EIGHT_BITS, INT16),
    Op.TANH: (FLOAT32, FLOAT16, *EIGHT_BITS, INT16),
    Op.GELU: (FLOAT32, FLOAT16, *EIGHT_BITS, INT16),
}
TFLM = {
    Op.RELU: (FLOAT32, INT8, INT16),
    Op.RELU6: (FLOAT32, INT8, INT16),
    Op.LEAKY_RELU: (FLOAT32, INT8, INT16),
    Op.HARD_SWISH: (FLOAT32, INT8),
    Op.LOGISTIC: (FLOAT32, INT8, INT16),
    Op.TANH: (FLOAT32, INT8, INT16),
    Op.ELU: (FLOAT32, INT8),
}
VERSIONS = dict.fromkeys((Op.RELU, Op.RELU6, Op.LOGISTIC, Op.TANH), 3) | {Op.LEAKY_RELU: 2, Op.GELU: 2}

SIGMOID_OUTPUTS = {UINT8: (1 / 256, 0), INT8: (1 / 256, -128), INT16: (1 / 32768, 0)}
TANH_OUTPUTS = {UINT8: (1 / 128, 128), INT8: (1 / 128, 0), INT16: (1 / 32768, 0)}
FIXED_OUTPUTS = {Op.LOGISTIC: SIGMOID_OUTPUTS, Op.TANH: TANH_OUTPUTS}


def tensors(random: Random, op: BuiltinOperator, type: TensorType, shape: tuple[int, ...]) -> tuple[TensorSpec, ...]:
    """An input and an output, whose scales are mostly not far apart."""
    if type in (FLOAT32, FLOAT16):
        return TensorSpec(type, shape), TensorSpec(type, shape)
    first = scale(random) / (1 if type != INT16 else 64)
    if op in FIXED_OUTPUTS:
        first = float(random.choice([2**-12, 2**-11, first])) if type == INT16 else first
        second, offset = FIXED_OUTPUTS[op][type]
    else:
        second, offset = first if random.random() < 0.3 else scale(random, first), zero_point(random, type)
        second = second if random.random() < 0.1 else float(np.clip(second, first / 100, first * 100))
    return TensorSpec(type, shape, [first], [zero_point(random, type)]), TensorSpec(type, shape, [second], [offset])


def options_of(random: Random, op: BuiltinOperator) -> Any:
    if op == Op.GELU:
        return GeluOptions(approximate=bool(random.integers(0, 2)))
    if op == Op.LEAKY_RELU:
        return LeakyReluOptions(alpha=float(np.float32(random.choice([0.0, 0.01, 0.1, 0.3, random.uniform(-2, 2)]))))
    return None


def all_values(random: Random, type: TensorType) -> Array:
    """Every integer of 8 bits, else two thousand numbers, which do not fill vectors of four."""
    if type in EIGHT_BITS:
        return np.arange(256, dtype=np.uint8).view(dtype_of(type))
    return values(random, type, (2001,))


@pytest.mark.parametrize(("runtime", "op", "type"), known(LITERT, TFLM))
def test_activations_have_the_same_bits(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    random = np.random.default_rng(1)
    for number in cases(4):
        numbers = all_values(random, type)
        x, y = tensors(random, op, type, numbers.shape)
        model = one_op_model(op, [x], [y], options_of(random, op), version=VERSIONS.get(op, 1))
        agree(runtime, model, [numbers], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("type", [FLOAT32, INT8])
def test_elu_is_that_of_litert_where_it_has_one(runtime: str, type: TensorType) -> None:
    """BUILTIN_REF has none: the other kernels are the measure."""
    random = np.random.default_rng(2)
    for number in cases(4):
        numbers = all_values(random, type)
        x, y = tensors(random, Op.ELU, type, numbers.shape)
        model = one_op_model(Op.ELU, [x], [y])
        answer, computed = referee(runtime).run(model, [numbers], kernels="OPT"), ours(runtime, model, [[numbers]])
        assert not isinstance(computed, str)
        assert_same(answer.outputs[0][0], computed[0][0], number)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", [Op.RELU, Op.LEAKY_RELU])
def test_scales_of_int16_meet_as_the_runtime_rounds_them(runtime: str, op: BuiltinOperator) -> None:
    """Quotients of floats and of doubles part in one output of ten thousand."""
    random = np.random.default_rng(3)
    for number in cases(4):
        x, y = (TensorSpec(INT16, (6000,), [float(random.integers(1, 30)) / 1000], [0]) for _ in range(2))
        model = one_op_model(op, [x], [y], options_of(random, op), version=2)
        agree(runtime, model, [random.integers(-32768, 32768, 6000).astype(np.int16)], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", [FLOAT32, UINT8, INT8, INT16])
@pytest.mark.parametrize("slopes", [(6,), (1,), (1, 1, 6), (5, 3, 6), (5, 1, 6), (2, 5, 3, 6), (1, 5, 1, 1)])
def test_slopes_of_prelu_are_stretched(runtime: str, type: TensorType, slopes: tuple[int, ...]) -> None:
    random = np.random.default_rng(4)
    for number in cases(2):
        x, y = tensors(random, Op.PRELU, type, (2, 5, 3, 6))
        of = INT8 if type == INT16 else type
        given = values(random, of, slopes)
        alpha, _ = tensors(random, Op.PRELU, of, slopes)
        if random.random() < 0.5:
            alpha = TensorSpec(of, slopes, alpha.scale, alpha.zero_point, data=given)
        model = one_op_model(Op.PRELU, [x, alpha], [y])
        inputs = [values(random, type, x.shape), *([given] if alpha.data is None else [])]
        agree(runtime, model, inputs, case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("slopes", [(4,), (2, 1, 6), (7, 3, 6), (0,)])
def test_slopes_that_do_not_fit_are_refused_alike(runtime: str, slopes: tuple[int, ...]) -> None:
    x, alpha = TensorSpec(FLOAT32, (1, 3, 6)), TensorSpec(FLOAT32, slopes)
    model = one_op_model(Op.PRELU, [x, alpha], [TensorSpec(FLOAT32, (1, 3, 6))])
    agree(runtime, model, [np.ones(each.shape, np.float32) for each in (x, alpha)])


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", [*LITERT, Op.PRELU])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_odd_shapes_are_computed_alike(runtime: str, op: BuiltinOperator, shape: tuple[int, ...]) -> None:
    x, y = TensorSpec(FLOAT32, shape), TensorSpec(FLOAT32, shape)
    inputs = [x, x] if op == Op.PRELU else [x]
    model = one_op_model(op, inputs, [y], options_of(np.random.default_rng(5), op))
    agree(runtime, model, [np.full(shape, -0.5, np.float32)])


def test_hard_swish_that_is_scaled_up_is_refused() -> None:
    x, y = TensorSpec(INT8, (1,), [1.0], [0]), TensorSpec(INT8, (1,), [1 / 256], [0])
    found = ours("litert", one_op_model(Op.HARD_SWISH, [x], [y]), [])
    assert isinstance(found, str)
    assert found.endswith("it must be more than a 128th of 1.0")


def test_a_sigmoid_of_8_bits_has_a_fixed_output_scale() -> None:
    x, y = TensorSpec(INT8, (1,), [1.0], [0]), TensorSpec(INT8, (1,), [1 / 128], [-128])
    found = ours("litert", one_op_model(Op.LOGISTIC, [x], [y]), [])
    assert isinstance(found, str)
    assert found.endswith("scale 0.0078125; it must be 0.00390625")
