"""What activations ask for and refuse."""

from __future__ import annotations

import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from tests.kernels.nodes import (
    CORTEX_M4,
    FLOAT32,
    INT8,
    INT16,
    RELEASE,
    looked_at,
    node,
    refused,
    refused_by_invoke,
    tensor,
)

SIGMOIDS = [BuiltinOperator.LOGISTIC, BuiltinOperator.TANH]


def test_tanh_looks_at_its_input_twice_and_relu6_never_at_its_output() -> None:
    x, y = tensor(FLOAT32, 4), tensor(FLOAT32, 4)
    assert looked_at(node(BuiltinOperator.TANH, [x], y)) == [x, x, y]
    assert looked_at(node(BuiltinOperator.RELU6, [x], y)) == [x]
    assert looked_at(node(BuiltinOperator.RELU, [x], y)) == [x, y]


@pytest.mark.parametrize("op", SIGMOIDS)
def test_a_sigmoid_of_int16_has_steps_of_2_to_the_minus_15(op: BuiltinOperator) -> None:
    x = tensor(INT16, 4, scale=2.0**-12)
    assert refused(node(op, [x], tensor(INT16, 4, scale=2.0**-15))) is None
    assert refused(node(op, [x], tensor(INT16, 4, scale=2.0**-14))) is not None
    assert refused(node(op, [x], tensor(INT16, 4))) is not None


@pytest.mark.parametrize("op", SIGMOIDS)
def test_a_sigmoid_of_coarse_int16_is_minded_by_debug_builds_only(op: BuiltinOperator) -> None:
    coarse = node(op, [tensor(INT16, 4, scale=2.7)], tensor(INT16, 4, scale=2.0**-15))
    assert refused(coarse, CORTEX_M4) is not None
    assert refused(coarse, RELEASE) is None


def test_a_logistic_of_int8_begins_at_the_lowest_value() -> None:
    x = tensor(INT8, 4, scale=0.1)
    logistic = [node(BuiltinOperator.LOGISTIC, [x], tensor(INT8, 4, scale=1 / 256, zero_point=z)) for z in (-128, 0)]
    assert [refused(each) for each in logistic] == [None, "zero point 0; it must be -128"]


def test_hard_swish_may_refine_127_times_but_not_128() -> None:
    x = tensor(INT8, 4, scale=1.0)
    assert refused(node(BuiltinOperator.HARD_SWISH, [x], tensor(INT8, 4, scale=1 / 127))) is None
    assert refused(node(BuiltinOperator.HARD_SWISH, [x], tensor(INT8, 4, scale=1 / 128))) is not None


def test_uint8_gets_through_prepare_and_no_further() -> None:
    uint8 = tensor(TensorType.UINT8, 4, scale=0.5)
    logistic = node(BuiltinOperator.LOGISTIC, [uint8], uint8)
    assert refused(logistic) is None
    assert refused_by_invoke(logistic) == "Input UINT8, output UINT8 not supported."
