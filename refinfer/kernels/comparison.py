"""Truth values: EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT,
SELECT and SELECT_V2.

Sources: tensorflow/lite/micro/kernels/comparisons.cc, logical_common.cc, elementwise.cc, select.cc; of the arithmetic
also the files of these names in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import common_scale
from refinfer.kernels.broadcast import Elementwise, binary, broadcast_shape, plain, stretching
from refinfer.kernels.common import (
    first_scale,
    input_at,
    is_affine,
    output_at,
    require_arity,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape, like_input
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_alike, of_binary, of_unary
from refinfer.kernels.quantization import require_fraction
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LEFT_SHIFT = 8  # bits that quantized numbers gain before they are compared [comparisons.cc: ComparisonQuantized]

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


def fold_quantized(compare: Elementwise) -> Fold:
    """Quantized numbers, compared as real numbers with 8 bits after the point: each scale is a multiplier."""

    def fold(node: Node, host: Host) -> Evaluate:
        first, second = input_at(node, 0), input_at(node, 1)
        for tensor in (first, second):
            require_fraction(first_scale(tensor), "the scale", tensor)
        one, other = common_scale.input_of(first, 1.0, LEFT_SHIFT), common_scale.input_of(second, 1.0, LEFT_SHIFT)
        return stretching(
            lambda a, b: compare(common_scale.to_common_scale(a, one), common_scale.to_common_scale(b, other))
        )

    return fold


def fold_int16(compare: Elementwise) -> Fold:
    """int16 need not be quantized."""

    def fold(node: Node, host: Host) -> Evaluate:
        quantized = is_affine(input_at(node, 0))
        return fold_quantized(compare)(node, host) if quantized else stretching(compare)

    return fold


def equal(a: Array, b: Array) -> Array:
    """a == b"""
    return a == b


def not_equal(a: Array, b: Array) -> Array:
    """a != b"""
    return a != b


def greater(a: Array, b: Array) -> Array:
    """a > b"""
    return a > b


def greater_equal(a: Array, b: Array) -> Array:
    """a >= b"""
    return a >= b


def less(a: Array, b: Array) -> Array:
    """a < b"""
    return a < b


def less_equal(a: Array, b: Array) -> Array:
    """a <= b"""
    return a <= b


def both(a: Array, b: Array) -> Array:
    """a and b"""
    return a & b


def either(a: Array, b: Array) -> Array:
    """a or b"""
    return a | b


def fold_not(node: Node, host: Host) -> Evaluate:
    """not x"""
    require_arity(node, 1, 1)
    return lambda x: (~x,)


def fold_select_v2(node: Node, host: Host) -> Evaluate:
    """The second where the first is true, else the third; all three are stretched to one shape."""
    require_selectable(node)
    y = output_at(node, 0)

    def evaluate(condition: Array, x: Array, otherwise: Array) -> tuple[Array, ...]:
        shape = selected_shape(y, condition.shape, x.shape, otherwise.shape)
        return (np.where(condition, x, otherwise).reshape(shape),)

    return evaluate


def fold_select(node: Node, host: Host) -> Evaluate:
    """As SELECT_V2, but nothing is stretched but the condition: one for all, or one for each of the first dimension.

    [select.h: RankOneSelect]
    """
    require_selectable(node)
    y = output_at(node, 0)

    def evaluate(condition: Array, x: Array, otherwise: Array) -> tuple[Array, ...]:
        shape = sliced_shape(y, condition.shape, x.shape, otherwise.shape)
        if condition.shape != x.shape and condition.ndim == 1:
            condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
        return (np.where(condition, x, otherwise).reshape(shape),)

    return evaluate


def require_selectable(node: Node) -> None:
    """The condition is bool, and the others are of one type."""
    require_arity(node, 3, 1)
    require_type(input_at(node, 0), TensorType.BOOL)
    require_same_type(input_at(node, 1), input_at(node, 2))
    require_type(input_at(node, 1), *SELECTED)


def selected_shape(y: Tensor, *shapes: Shape) -> Shape:
    """The common shape; if all have one element, whatever shape the file gives the output."""
    return y.shape if is_one_element(y, *shapes) else broadcast_shape(*shapes)


def sliced_shape(y: Tensor, condition: Shape, x: Shape, otherwise: Shape) -> Shape:
    """The shape of SELECT's output [select.cc: SelectPrepare]."""
    if is_one_element(y, condition, x, otherwise):
        return y.shape
    require(x == otherwise, f"shapes {x} and {otherwise} differ")
    fits = condition in ((), x) or (len(condition) == 1 and len(x) > 0 and condition[0] == x[0])
    require(
        fits, f"a condition of shape {condition} for {x}; it may be a scalar, or one for each of the first dimension"
    )
    return x


def is_one_element(y: Tensor, *shapes: Shape) -> bool:
    """Whether the output and all inputs have one element, in whatever shape."""
    return all(prod(shape) == 1 for shape in (*shapes, y.shape))


def shape_select_v2(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """See `selected_shape`."""
    return [selected_shape(output_at(node, 0), *shapes)]


def shape_select(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """See `sliced_shape`."""
    return [sliced_shape(output_at(node, 0), *shapes)]


def comparison(compare: Elementwise, *types: TensorType, int16: Fold | None = None) -> dict[TensorType, Fold]:
    """The folds of a comparison: of plain numbers, of quantized 8 bits, and of int16 if there are such."""
    folds = dict.fromkeys(types, plain(compare))
    folds |= dict.fromkeys((TensorType.INT8, TensorType.UINT8), fold_quantized(compare))
    return folds if int16 is None else folds | {TensorType.INT16: int16}


COMPARISON_INIT = op_data(OP_DATA_COMPARISON, "comparisons.cc: Init")
NUMBERS = (TensorType.FLOAT32, TensorType.INT32, TensorType.INT64, TensorType.INT8)

EQUAL = NOT_EQUAL = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS, TensorType.BOOL),
    overlap=of_binary,
)
GREATER = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS, TensorType.INT16),
    overlap=of_binary,
)
GREATER_EQUAL = LESS = LESS_EQUAL = Kernel(
    init=COMPARISON_INIT,
    prepare=prepare_comparison,
    invoke=switch_on_input("Type {} not supported.", *NUMBERS),
    overlap=of_binary,
)
LOGICAL_AND = LOGICAL_OR = Kernel(overlap=of_binary)
LOGICAL_NOT = Kernel(
    prepare=prepare_logical_not,
    invoke=switch_on_input("type {} is not supported; it may be BOOL", TensorType.BOOL),
    overlap=of_unary,
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
    overlap=of_alike,
)

PLAIN = (TensorType.FLOAT32, TensorType.FLOAT16, TensorType.INT32, TensorType.INT64)
SELECTED = (
    *PLAIN,
    TensorType.FLOAT64,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    TensorType.UINT32,
    TensorType.UINT64,
    TensorType.COMPLEX64,
    TensorType.BOOL,
)

COMPUTE_EQUAL = binary(comparison(equal, *PLAIN, TensorType.BOOL, int16=fold_int16(equal)), version=5)
COMPUTE_NOT_EQUAL = binary(comparison(not_equal, *PLAIN, TensorType.BOOL, int16=fold_quantized(not_equal)), version=4)
COMPUTE_GREATER = binary(comparison(greater, *PLAIN, int16=plain(greater)), version=2)
COMPUTE_GREATER_BUT_INT16 = binary(comparison(greater, *PLAIN), version=2)
COMPUTE_GREATER_EQUAL = binary(comparison(greater_equal, *PLAIN, int16=plain(greater_equal)), version=3)
COMPUTE_LESS = binary(comparison(less, *PLAIN, int16=plain(less)), version=3)
COMPUTE_LESS_EQUAL = binary(comparison(less_equal, *PLAIN, int16=plain(less_equal)), version=2)
COMPUTE_LOGICAL_AND = binary({TensorType.BOOL: plain(both)}, version=1)
COMPUTE_LOGICAL_OR = binary({TensorType.BOOL: plain(either)}, version=1)
COMPUTE_LOGICAL_NOT = Compute(fold=fold_not, shape=like_input, types=frozenset({TensorType.BOOL}), version=1)
COMPUTE_SELECT = Compute(fold=fold_select, shape=shape_select, types=frozenset({TensorType.BOOL}), version=4)
COMPUTE_SELECT_V2 = Compute(fold=fold_select_v2, shape=shape_select_v2, types=frozenset({TensorType.BOOL}), version=2)
