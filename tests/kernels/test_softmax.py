"""What SOFTMAX and LOG_SOFTMAX ask for and refuse."""

from __future__ import annotations

import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import SoftmaxOptions
from tests.kernels.nodes import CORTEX_M4, FLOAT32, INT8, INT16, X86_64, node, persistent, refused, tensor


def softmax(
    of: TensorType, into: TensorType, scale: float, zero_point: int, *, input_scale: float = 0.1, beta: float = 1.0
) -> Node:
    x = tensor(of, 1, 10, scale=input_scale)
    y = tensor(into, 1, 10, scale=scale, zero_point=zero_point)
    return node(BuiltinOperator.SOFTMAX, [x], y, SoftmaxOptions(beta=beta))


def test_int16_needs_two_tables_of_513_numbers() -> None:
    assert persistent(softmax(INT16, INT16, 1 / 32768, 0)) == [1026, 1026]
    assert persistent(softmax(INT8, INT8, 1 / 256, -128)) == []


@pytest.mark.parametrize(
    ("types", "scale", "zero_point"),
    [((INT8, INT8), 1 / 256, -128), ((INT8, INT16), 1 / 65536, -32768), ((INT16, INT16), 1 / 32768, 0)],
)
def test_the_output_has_one_possible_quantization(
    types: tuple[TensorType, TensorType], scale: float, zero_point: int
) -> None:
    assert refused(softmax(*types, scale, zero_point)) is None
    assert refused(softmax(*types, scale, zero_point + 1)) == f"zero point {zero_point + 1}; it must be {zero_point}"
    assert refused(softmax(*types, scale * 1.002, zero_point)) == f"scale {scale * 1.002}; it must be {scale}"


def test_only_int8_must_have_the_scale_to_the_bit() -> None:
    assert refused(softmax(INT8, INT8, 1.0009 / 256, -128)) is not None
    assert refused(softmax(INT8, INT16, 1.0009 / 65536, -32768)) is None


def test_an_input_so_fine_that_all_are_alike_aborts() -> None:
    assert refused(softmax(INT8, INT8, 1 / 256, -128, input_scale=2.0**-26)) is not None
    assert refused(softmax(INT8, INT8, 1 / 256, -128, input_scale=2.0**-25)) is None
    assert refused(softmax(INT8, INT8, 1 / 256, -128, beta=0.0)) is not None


def test_uint8_is_refused() -> None:
    uint8 = softmax(TensorType.UINT8, TensorType.UINT8, 1 / 256, 0)
    assert refused(uint8) == "type UINT8 is not supported; it may be FLOAT32, INT8, INT16"


def test_log_softmax_keeps_its_struct_for_int8_only_and_asks_for_it_in_prepare() -> None:
    y = tensor(INT8, 1, 10, scale=16 / 256, zero_point=127)
    quantized = node(BuiltinOperator.LOG_SOFTMAX, [tensor(INT8, 1, 10, scale=0.1)], y)
    assert persistent(quantized, CORTEX_M4) == [28]
    assert persistent(quantized, X86_64) == [40]
    assert persistent(node(BuiltinOperator.LOG_SOFTMAX, [tensor(FLOAT32, 1, 10)], tensor(FLOAT32, 1, 10))) == []
