"""L2_NORMALIZATION.

Source: tensorflow/lite/micro/kernels/l2norm.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    require_type,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT32, Build, struct
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import L2NormOptions

MAX_RANK = 4

L2_NORM_PARAMS = struct("TfLiteL2NormParams", activation=ENUM)
L2_NORM_OP_DATA = struct("L2NormalizationParams", input_zero_point=INT32)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[l2norm.cc: L2NormPrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require(len(x.shape) <= MAX_RANK, f"{len(x.shape)} dimensions; it takes at most {MAX_RANK}", x)
    require_type(y, TensorType.FLOAT32, TensorType.INT8)
    require_same_type(x, y)
    activation = options_of(node, L2NormOptions).fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it must be NONE")


L2_NORMALIZATION = Kernel(
    init=op_data(L2_NORM_OP_DATA, "l2norm.cc: L2NormInit"),
    prepare=prepare,
    parameters=L2_NORM_PARAMS,
)
