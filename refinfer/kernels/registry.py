"""Every operator that a runtime registers, in one table that can be read from top to bottom."""

from __future__ import annotations

from refinfer.kernels import conv
from refinfer.kernels.kernel import Kernel
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node

TFLM: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.CONV_2D: conv.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D: conv.DEPTHWISE_CONV_2D,
}

TFLM_CUSTOM: dict[str, Kernel] = {}


def kernel_of(node: Node) -> Kernel | None:
    """The kernel that TFLM registers for the node, or None where it has none."""
    if node.custom_code is not None:
        return TFLM_CUSTOM.get(node.custom_code)
    return TFLM.get(node.op)
