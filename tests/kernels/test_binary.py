"""What the operators of two inputs or more ask for and refuse."""

from __future__ import annotations

import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from tests.kernels.nodes import (
    CORTEX_M4,
    FLOAT32,
    INT8,
    INT16,
    INT32,
    X86_64,
    node,
    persistent,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)

SUMS = [BuiltinOperator.ADD, BuiltinOperator.SUB]


@pytest.mark.parametrize("op", SUMS)
def test_a_sum_of_tensors_without_scales_aborts(op: BuiltinOperator) -> None:
    scaled, bare = tensor(INT8, 4, scale=0.5), tensor(INT8, 4)
    assert refused(node(op, [scaled, scaled], scaled)) is None
    assert refused(node(op, [scaled, bare], scaled)) is not None
    assert refused(node(op, [bare, bare], scaled)) is not None
    assert refused(node(op, [scaled, scaled], bare)) is not None


@pytest.mark.parametrize("op", SUMS)
def test_the_output_of_a_sum_may_be_2_to_the_19th_times_finer_than_its_inputs_and_no_more(op: BuiltinOperator) -> None:
    x = tensor(INT8, 4, scale=1.0)
    assert refused(node(op, [x, x], tensor(INT8, 4, scale=2.0**-18))) is None
    assert refused(node(op, [x, x], tensor(INT8, 4, scale=2.0**-19))) is not None


@pytest.mark.parametrize("op", [*SUMS, BuiltinOperator.DIV])
def test_int32_may_not_be_quantized(op: BuiltinOperator) -> None:
    bare, quantized = tensor(INT32, 4), tensor(INT32, 4, scale=1.0)
    assert refused(node(op, [bare, bare], bare)) is None
    assert refused(node(op, [bare, quantized], bare)) == "INT32 with a scale and a zero point; it may have none"


def test_a_product_of_int16_is_symmetric() -> None:
    x, shifted = tensor(INT16, 4, scale=0.5), tensor(INT16, 4, scale=0.5, zero_point=1)
    assert refused(node(BuiltinOperator.MUL, [x, x], x)) is None
    assert refused(node(BuiltinOperator.MUL, [x, shifted], x)) == "zero point 1; it must be 0"


@pytest.mark.parametrize("count", [2, 7])
def test_add_n_keeps_a_pointer_to_each_input(count: int) -> None:
    floats = node(BuiltinOperator.ADD_N, [tensor(FLOAT32, 4)] * count, tensor(FLOAT32, 4))
    assert scratch(floats, CORTEX_M4) == [4 * count]
    assert scratch(floats, X86_64) == [8 * count]
    assert persistent(floats) == []


def test_add_n_keeps_its_struct_for_int8_only() -> None:
    x = tensor(INT8, 4, scale=0.5)
    assert persistent(node(BuiltinOperator.ADD_N, [x, x], x)) == [40]
    assert refused(node(BuiltinOperator.ADD_N, [x, tensor(INT8, 4, scale=0.25)], x)) is not None
    int32 = tensor(INT32, 4)
    assert refused(node(BuiltinOperator.ADD_N, [int32, int32], int32)) == (
        "ADD_N only supports FLOAT32 and INT8, got INT32."
    )


@pytest.mark.parametrize("name", ["FLOOR_DIV", "FLOOR_MOD"])
def test_rounded_division_of_integers_fails_as_late_as_invoke(name: str) -> None:
    integers = node(BuiltinOperator[name], [tensor(INT32, 4)] * 2, tensor(INT32, 4))
    assert refused(integers) is None
    assert refused_by_invoke(integers) == f"Type 'INT32' is not supported by {name}."


def test_maximum_prepares_nothing_and_takes_what_it_can() -> None:
    for of in TensorType:
        most = node(BuiltinOperator.MAXIMUM, [tensor(of, 4)] * 2, tensor(of, 4))
        assert refused(most) is None
        known = of in (FLOAT32, INT8, INT16, INT32, TensorType.INT64)
        expected = None if known else f"Type {of.name} is not supported by Maximum/Minimum."
        assert refused_by_invoke(most) == expected
