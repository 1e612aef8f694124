"""What the operators of one input refuse, and when."""

from __future__ import annotations

import pytest

from refinfer.schema.enums import BuiltinOperator
from tests.kernels.nodes import FLOAT32, INT8, INT16, node, refused, refused_by_invoke, tensor


@pytest.mark.parametrize("name", ["SIN", "COS", "LOG", "SQRT", "SQUARE"])
def test_what_prepare_means_to_refuse_is_refused_by_invoke(name: str) -> None:
    int8 = node(BuiltinOperator[name], [tensor(INT8, 4, scale=0.5)], tensor(INT8, 4, scale=0.5))
    assert refused(int8) is None
    assert refused_by_invoke(int8) is not None
    assert refused_by_invoke(node(BuiltinOperator[name], [tensor(FLOAT32, 4)], tensor(FLOAT32, 4))) is None


@pytest.mark.parametrize("name", ["CEIL", "ROUND", "EXP"])
def test_others_are_refused_by_prepare(name: str) -> None:
    assert refused(node(BuiltinOperator[name], [tensor(INT8, 4)], tensor(INT8, 4))) is not None
    assert refused(node(BuiltinOperator[name], [tensor(FLOAT32, 4)], tensor(FLOAT32, 2, 2))) is not None


def test_abs_takes_int16_without_scales_but_not_int8() -> None:
    assert refused(node(BuiltinOperator.ABS, [tensor(INT16, 4)], tensor(INT16, 4))) is None
    assert refused(node(BuiltinOperator.ABS, [tensor(INT8, 4)], tensor(INT8, 4))) == (
        "INT8 without a scale and a zero point"
    )
