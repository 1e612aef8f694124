"""What QUANTIZE, DEQUANTIZE and CAST refuse."""

from __future__ import annotations

from refinfer.schema.enums import BuiltinOperator, TensorType
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, node, refused, refused_by_invoke, tensor

UINT8 = TensorType.UINT8


def test_quantize_knows_twelve_pairs() -> None:
    types = (FLOAT32, INT8, INT16, INT32, UINT8)
    pairs = {
        (of, into)
        for of in types
        for into in types
        for each in [node(BuiltinOperator.QUANTIZE, [tensor(of, 4, scale=0.5)], tensor(into, 4, scale=0.5))]
        if refused(each) is None and refused_by_invoke(each) is None
    }
    expected = {
        (FLOAT32, INT8),
        (FLOAT32, INT16),
        (INT32, INT8),
        (INT32, INT16),
        (INT16, INT8),
        (INT16, INT16),
        (INT16, INT32),
        (INT8, INT8),
        (INT8, UINT8),
        (INT8, INT16),
        (INT8, INT32),
        (UINT8, INT8),
    }
    assert pairs == expected


def test_quantize_has_one_scale() -> None:
    halves = tensor(INT8, 4, scale=(0.5, 0.5, 0.5, 0.5))
    assert refused(node(BuiltinOperator.QUANTIZE, [tensor(FLOAT32, 4)], halves)) == "4 scales; it takes 1"


def test_dequantize_takes_no_half_floats() -> None:
    half = tensor(TensorType.FLOAT16, 4)
    assert refused(node(BuiltinOperator.DEQUANTIZE, [half], tensor(FLOAT32, 4))) == (
        "type FLOAT16 is not supported; it may be INT8, INT16, UINT8"
    )


def test_cast_reads_bools_but_writes_none() -> None:
    bools, floats = tensor(TensorType.BOOL, 4), tensor(FLOAT32, 4)
    assert refused_by_invoke(node(BuiltinOperator.CAST, [bools], floats)) is None
    assert refused_by_invoke(node(BuiltinOperator.CAST, [floats], bools)) == "Output type BOOL not supported."
