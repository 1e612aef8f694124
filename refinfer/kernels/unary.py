"""Element by element, from one: ABS, RSQRT, SIN, COS, LOG, SQRT, SQUARE, CEIL, FLOOR, ROUND, NEG, EXP and ZEROS_LIKE.

Sources: elementwise.cc, ceil.cc, floor.cc, round.cc, neg.cc, exp.cc, zeros_like.cc, all in
tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    input_at,
    is_affine,
    output_at,
    require_affine,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, Build, struct
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

OP_DATA_ABS_RSQRT = struct(
    "OpDataAbsRsqrt",
    multiplier=INT32,
    shift=INT32,
    input_offset=INT32,
    output_offset=INT32,
    needs_rescale=BOOL,
    input_quantization_type=INT32,  # an enum, but declared to be an int wide
    input_type=ENUM,
)


def prepare_elementwise(node: Node, build: Build) -> Iterator[Request]:
    """[elementwise.cc: GenericPrepare] means to refuse other types than the operator's, but never does.

    Where it seems to call its template parameter, it casts the type to a function pointer, which is not null. What
    gets through is refused by Invoke.
    """
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def prepare_abs_rsqrt(node: Node, build: Build) -> Iterator[Request]:
    """[elementwise.cc: PrepareAbsRsqrt] has the defect of GenericPrepare. An int16 need not be quantized."""
    yield from prepare_elementwise(node, build)
    x, y = input_at(node, 0), output_at(node, 0)
    if x.type == TensorType.INT8 or (x.type == TensorType.INT16 and is_affine(x)):
        require_affine(x)
        require_affine(y)
    if x.type == TensorType.INT16 and is_affine(x):
        require_zero_point(x, 0)
        require_zero_point(y, 0)


def prepare_float(node: Node, build: Build) -> Iterator[Request]:
    """[ceil.cc: CeilPrepare], and the same in round.cc and exp.cc."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_arity(node, 1, 1)
    require_type(x, TensorType.FLOAT32)
    require_same_type(x, y)
    require_same_shape(x, y)


def prepare_zeros_like(node: Node, build: Build) -> Iterator[Request]:
    """[zeros_like.cc: ZerosLikePrepare]"""
    require_arity(node, 1, 1)
    yield from temps(input_at(node, 0), output_at(node, 0))


SIN = COS = LOG = SQRT = SQUARE = Kernel(
    prepare=prepare_elementwise,
    invoke=switch_on_input("type {} is not supported; it may be FLOAT32", TensorType.FLOAT32),
)
ABS = RSQRT = Kernel(
    init=op_data(OP_DATA_ABS_RSQRT, "elementwise.cc: ElementWiseAbsRsqrtInit"),
    prepare=prepare_abs_rsqrt,
    invoke=switch_on_input(
        "Current data type {} is not supported.", TensorType.FLOAT32, TensorType.INT8, TensorType.INT16
    ),
)
CEIL = ROUND = EXP = Kernel(prepare=prepare_float)
FLOOR = Kernel(invoke=switch_on_input("type {} is not supported; it may be FLOAT32", TensorType.FLOAT32))
NEG = Kernel(invoke=switch_on_input("Type {} not supported.", TensorType.FLOAT32))
ZEROS_LIKE = Kernel(
    prepare=prepare_zeros_like,
    invoke=switch_on_input(
        "ZerosLike only currently supports int64, int32, and float32, got {}.",
        TensorType.INT64,
        TensorType.INT32,
        TensorType.INT8,
        TensorType.FLOAT32,
    ),
)
