"""What CONCATENATION, PACK, SPLIT and their opposites ask for and refuse."""

from __future__ import annotations

import struct

import pytest

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.graph import Tensor
from refinfer.schema.options import ConcatenationOptions
from tests.kernels.nodes import (
    FLOAT32,
    INT8,
    INT16,
    INT32,
    looked_at,
    node,
    refused,
    refused_by_invoke,
    tensor,
)


def scalar(value: int) -> Tensor:
    return tensor(INT32, data=struct.pack("<i", value))


def test_concatenation_looks_at_its_first_input_twice() -> None:
    first, second, y = (tensor(FLOAT32, 2) for _ in range(3))
    assert looked_at(node(BuiltinOperator.CONCATENATION, [first, second], y)) == [first, y, first, second]


@pytest.mark.parametrize(("inputs", "refusal"), [(10, None), (11, "11 inputs; it takes at most 10")])
def test_concatenation_takes_ten_inputs(inputs: int, refusal: str | None) -> None:
    parts = [tensor(FLOAT32, 1) for _ in range(inputs)]
    assert refused(node(BuiltinOperator.CONCATENATION, parts, tensor(FLOAT32, inputs))) == refusal


def test_concatenation_does_not_rescale() -> None:
    x, y = tensor(INT8, 2, scale=0.5), tensor(INT8, 4, scale=0.5)
    assert refused(node(BuiltinOperator.CONCATENATION, [x, x], y)) is None
    for other in (tensor(INT8, 2, scale=0.25), tensor(INT8, 2, scale=0.5, zero_point=1)):
        assert "differ from the output's (0.5, 0)" in (
            refused(node(BuiltinOperator.CONCATENATION, [x, other], y)) or ""
        )


def test_concatenation_of_int16_is_symmetric() -> None:
    x, y = tensor(INT16, 2, scale=0.5), tensor(INT16, 4, scale=0.5, zero_point=3)
    assert refused(node(BuiltinOperator.CONCATENATION, [x, x], y)) == "zero point 3; it must be 0"


def test_concatenation_fuses_no_activation() -> None:
    options = ConcatenationOptions(fused_activation_function=ActivationFunctionType.RELU)
    x = tensor(FLOAT32, 2)
    assert refused(node(BuiltinOperator.CONCATENATION, [x, x], tensor(FLOAT32, 4), options)) == (
        "fused activation RELU; it takes NONE"
    )


def test_packing_knows_int64_and_unpacking_does_not() -> None:
    x, y = tensor(TensorType.INT64, 2), tensor(TensorType.INT64, 1, 2)
    assert refused_by_invoke(node(BuiltinOperator.PACK, [x], y)) is None
    assert refused_by_invoke(node(BuiltinOperator.UNPACK, [y], x)) == "Type 'INT64' is not supported by unpack."


def test_the_axis_of_a_split_must_be_in_the_file() -> None:
    x, parts = tensor(FLOAT32, 2, 4), [tensor(FLOAT32, 2, 2), tensor(FLOAT32, 2, 2)]
    assert refused(node(BuiltinOperator.SPLIT, [scalar(1), x], parts)) is None
    assert refused(node(BuiltinOperator.SPLIT, [tensor(INT32), x], parts)) == (
        "Non-constant >axis< tensor is not supported"
    )


@pytest.mark.parametrize(("axis", "fits"), [(-3, False), (-2, True), (1, True), (2, False)])
def test_the_axis_of_a_split_is_checked_when_it_runs(axis: int, fits: bool) -> None:
    x, sizes = tensor(FLOAT32, 2, 4), tensor(INT32, 1)
    for of in (
        node(BuiltinOperator.SPLIT, [scalar(axis), x], x),
        node(BuiltinOperator.SPLIT_V, [x, sizes, scalar(axis)], x),
    ):
        assert refused(of) is None
        assert (refused_by_invoke(of) is None) == fits
