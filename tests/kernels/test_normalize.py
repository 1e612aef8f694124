"""What L2_NORMALIZATION refuses."""

from __future__ import annotations

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator
from refinfer.schema.options import L2NormOptions
from tests.kernels.nodes import FLOAT32, INT16, node, refused, tensor


def test_a_fused_activation_is_refused() -> None:
    x, y = tensor(FLOAT32, 4), tensor(FLOAT32, 4)
    relu = L2NormOptions(fused_activation_function=ActivationFunctionType.RELU)
    assert refused(node(BuiltinOperator.L2_NORMALIZATION, [x], y, L2NormOptions())) is None
    assert refused(node(BuiltinOperator.L2_NORMALIZATION, [x], y, relu)) == "fused activation RELU; it must be NONE"


def test_five_dimensions_and_int16_are_refused() -> None:
    five, int16 = tensor(FLOAT32, 1, 1, 1, 1, 4), tensor(INT16, 4, scale=1.0)
    assert refused(node(BuiltinOperator.L2_NORMALIZATION, [five], five)) is not None
    assert refused(node(BuiltinOperator.L2_NORMALIZATION, [int16], int16)) is not None
