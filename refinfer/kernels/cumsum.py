"""CUMSUM.

Source: tensorflow/lite/micro/kernels/cumsum.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    input_at,
    integers,
    output_at,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
)
from refinfer.kernels.kernel import Kernel, Persistent, Request, require, temps
from refinfer.kernels.layout import BOOL, INT32, Build, struct
from refinfer.kernels.quantization import require_activation_range, require_sum_multipliers
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node

LEFT_SHIFT = 20  # [cumsum.cc: kCumSumIntegerShift]

CUMSUM_PARAMS = struct("TfLiteCumsumParams", exclusive=BOOL, reverse=BOOL)
OP_DATA = struct(
    "cumsum:OpData",
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    input_multiplier=INT32,
    output_multiplier=INT32,
    input_shift=INT32,
    output_shift=INT32,
    left_shift=INT32,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[cumsum.cc: CalculateOpData]"""
    require_arity(node, 2, 1)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, axis)
    require_type(x, TensorType.FLOAT32, TensorType.INT8)
    require_type(axis, TensorType.INT32)
    require(axis.elements == 1, f"{axis.elements} axes; it takes 1", axis)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    yield from temps(y)
    require_same_type(x, y)
    require_same_shape(x, y)
    if y.type == TensorType.INT8:
        yield Persistent(OP_DATA.name, build.sizeof(OP_DATA), "cumsum.cc: CalculateOpData")
        require_sum_multipliers(x, x, y, LEFT_SHIFT)
        require_activation_range(y, ActivationFunctionType.NONE)


def invoke(node: Node) -> None:
    """[cumsum.cc: CumSumEval] Of an axis that is computed nothing can be said."""
    x, axis = input_at(node, 0), input_at(node, 1)
    if axis.data is not None:
        (given,) = integers(axis)
        position = given + len(x.shape) if given < 0 else given
        require(0 <= position < len(x.shape), f"CUMSUM Invalid axis: {position}", axis)


CUMSUM = Kernel(prepare=prepare, invoke=invoke, parameters=CUMSUM_PARAMS)
