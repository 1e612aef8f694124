"""Truth values: EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT and
SELECT_V2.

Sources: tensorflow/lite/micro/kernels/comparisons.cc, logical_common.cc, elementwise.cc, select.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    input_at,
    output_at,
    require_arity,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT32, Build, struct
from refinfer.kernels.quantization import require_fraction
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

COMPARISON_PARAMS = struct(
    "ComparisonParams",
    left_shift=INT32,
    input1_offset=INT32,
    input1_multiplier=INT32,
    input1_shift=INT32,
    input2_offset=INT32,
    input2_multiplier=INT32,
    input2_shift=INT32,
    is_broadcast=BOOL,
)
OP_DATA_COMPARISON = struct("comparisons:OpData", params=COMPARISON_PARAMS)
OP_DATA_SELECT = struct("select:OpData", requires_broadcast=BOOL)


def prepare_comparison(node: Node, build: Build) -> Iterator[Request]:
    """[comparisons.cc: ComparisonsPrepare] takes the scales themselves as multipliers, so they must be below 1.

    That is only so for int8; GREATER of int16 computes with multipliers that nobody set.
    """
    first, second = input_at(node, 0), input_at(node, 1)
    yield from temps(first, second)
    if first.type == TensorType.INT8:
        require_fraction(first_scale(first), "the scale", first)
        require_fraction(first_scale(second), "the scale", second)


def prepare_logical_not(node: Node, build: Build) -> Iterator[Request]:
    """[elementwise.cc: GenericPrepare]; see unary.py for why it refuses no type."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def prepare_select(node: Node, build: Build) -> Iterator[Request]:
    """[select.cc: SelectPrepare]"""
    require_arity(node, 3, 1)
    condition, x, otherwise, y = input_at(node, 0), input_at(node, 1), input_at(node, 2), output_at(node, 0)
    yield from temps(condition, x, otherwise, y)
    require_type(condition, TensorType.BOOL)
    require_same_type(x, otherwise)
    tensors = (condition, x, otherwise)
    scalars = all(tensor.elements == 1 for tensor in (*tensors, y))
    if not scalars and not condition.shape == x.shape == otherwise.shape:
        require_broadcast(tensors, y)


def require_broadcast(tensors: tuple[Tensor, ...], y: Tensor) -> None:
    """[select.cc: CheckBroadcastShape]"""
    rank = max(len(tensor.shape) for tensor in tensors)
    require(len(y.shape) == rank, f"{len(y.shape)} dimensions; the inputs have up to {rank}", y)
    shapes = [(1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in tensors]
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        size = 0 if 0 in sizes else max(sizes)
        require(all(each in (1, size) for each in sizes), "Given shapes are not broadcastable.", y)
        require(y.shape[axis] == size, f"size {y.shape[axis]} along dimension {axis}; {size} was expected", y)


COMPARISON_INIT = op_data(OP_DATA_COMPARISON, "comparisons.cc: Init")
NUMBERS = (TensorType.FLOAT32, TensorType.INT32, TensorType.INT64, TensorType.INT8)

EQUAL = NOT_EQUAL = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS, TensorType.BOOL),
)
GREATER = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS, TensorType.INT16),
)
GREATER_EQUAL = LESS = LESS_EQUAL = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS),
)
LOGICAL_AND = LOGICAL_OR = Kernel()
LOGICAL_NOT = Kernel(
    prepare=prepare_logical_not,
    invoke=switch_on_input("type {} is not supported; it may be BOOL", TensorType.BOOL),
)
SELECT_V2 = Kernel(
    init=op_data(OP_DATA_SELECT, "select.cc: SelectInit"),
    prepare=prepare_select,
    invoke=switch_on_input(
        "Does not support type other than int8|int16|float32, but got {}",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        position=1,
    ),
)
