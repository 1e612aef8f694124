"""ARG_MAX and ARG_MIN.

Sources: tensorflow/lite/micro/kernels/arg_min_max.cc; of the arithmetic also tflite/kernels/arg_min_max.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.common import (
    input_at,
    integers,
    output_at,
    require_arity,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape, constant, dtype_of
from refinfer.kernels.kernel import Kernel, require
from refinfer.kernels.layout import ENUM, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.reduce import resolved
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import ArgMaxOptions, ArgMinOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ARG_MAX_PARAMS = struct("TfLiteArgMaxParams", output_type=ENUM)
ARG_MIN_PARAMS = struct("TfLiteArgMinParams", output_type=ENUM)


def invoke_arg(node: Node) -> None:
    """[arg_min_max.cc: Eval] names a type that it does not take."""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    for tensor in (axis, y):
        only = tensor.type == TensorType.INT32
        require(only, f"Only int32_t are supported currently, got {tensor.type.name}.", tensor)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8)
    require(known, f"Only float32, uint8_t and int8_t are supported currently, got {x.type.name}.", x)


IndexOf = Callable[["Array", int], "Array"]
"""The indices of the largest, or smallest, along an axis."""


def fold_index(index_of: IndexOf, type_of: Callable[[Node], TensorType]) -> Fold:
    """Indices along the axis that the second input names, in an integer type."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 2, 1)
        x, axis = input_at(node, 0), input_at(node, 1)
        require_type(axis, TensorType.INT32, TensorType.INT64)
        require(axis.elements == 1, f"{axis.elements} axes; it takes one", axis)
        known = constant(axis)
        if known is not None:
            resolved([known.item()], len(x.shape))
        dtype = dtype_of(type_of(node))
        return lambda x, axis: (index_of(x, resolved_one(axis.item(), x.shape)).astype(dtype),)

    return fold


def resolved_one(axis: int, shape: Shape) -> int:
    """The axis, counted from the start; it may not be empty."""
    require(-len(shape) <= axis < len(shape), f"axis {axis} of a tensor of {len(shape)} dimensions")
    require(shape[axis] > 0, f"axis {axis} of shape {shape} is empty")
    return axis % len(shape)


class Order(NamedTuple):
    """What ARG_MAX or ARG_MIN looks for: what comes before what, and which is first of all numbers, NaN left out."""

    before: Callable[[Array, Array], Array]
    first: Callable[[Array, int], Array]


def descending() -> Order:
    """The largest first."""
    return Order(np.greater, lambda x, axis: np.fmax.reduce(x, axis, keepdims=True))


def ascending() -> Order:
    """The smallest first."""
    return Order(np.less, lambda x, axis: np.fmin.reduce(x, axis, keepdims=True))


def index_from_first(order: Callable[[], Order]) -> IndexOf:
    """The first of the largest; but 0 if the number there is NaN, for none is larger."""

    def index_of(x: Array, axis: int) -> Array:
        start = x.take(0, axis)
        return np.where(start != start, 0, index_of_number(order(), x, axis))

    return index_of


def index_in_memory(order: Callable[[], Order]) -> IndexOf:
    """The first of the largest, NaN passed over; in another way if they are floats that lie side by side in memory."""

    def index_of(x: Array, axis: int) -> Array:
        if x.dtype.kind == "f" and prod(x.shape[axis + 1 :]) == 1:
            return index_in_lanes(order(), np.moveaxis(x, axis, -1))
        return index_of_number(order(), x, axis)

    return index_of


def index_of_number(order: Order, x: Array, axis: int) -> Array:
    """The first of the largest numbers, NaN passed over; 0 if there is nothing else."""
    return np.asarray((x == order.first(x, axis)).argmax(axis))


def index_in_lanes(order: Order, x: Array) -> Array:
    """The largest of every fourth number of the last axis, the largest of these four, then what is left over.

    NaN is passed over but for one case: where all of a lane is NaN, it hides what it is compared with
    [optimized_ops.h: ArgMaxVector].
    """
    size = x.shape[-1]
    whole = size - size % LANES
    best, index = np.full(x.shape[:-1], np.nan, x.dtype), np.zeros(x.shape[:-1], np.int64)
    if whole > 0:
        lanes = x[..., :whole].reshape(*x.shape[:-1], -1, LANES)
        of_lane = order.first(lanes, -2)[..., 0, :]
        halves = unless_before(order, of_lane[..., 0::2], of_lane[..., 1::2])
        best = unless_before(order, halves[..., 0], halves[..., 1])
        index_of_lane = index_of_number(order, lanes, -2) * LANES + np.arange(LANES)
        index = np.where(of_lane == best[..., None], index_of_lane, size).min(axis=-1)
    for i in range(whole, size):
        better = order.before(x[..., i], best) | np.isnan(best)
        best, index = np.where(better, x[..., i], best), np.where(better, i, index)
    return np.where(np.isnan(best), 0, index)


def unless_before(order: Order, a: Array, b: Array) -> Array:
    """a unless b comes before it."""
    return np.where(order.before(b, a), b, a)


def type_of_output(node: Node) -> TensorType:
    """The type that the output has."""
    y = output_at(node, 0)
    require_type(y, TensorType.INT32, TensorType.INT64)
    return y.type


def type_in_options(node: Node) -> TensorType:
    """The type that the options name, whatever the output has."""
    options = node.options
    found = options.output_type if isinstance(options, ArgMaxOptions | ArgMinOptions) else TensorType.FLOAT32
    named = found in (TensorType.INT32, TensorType.INT64)
    require(named, f"output_type {found.name}; it may be INT32, INT64", output_at(node, 0))
    return found


def shape_of_index(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The axis goes."""
    axis = input_at(node, 1)
    if axis.data is None:
        return None
    along = resolved_one(integers(axis)[0], shapes[0])
    return [(*shapes[0][:along], *shapes[0][along + 1 :])]


ARG_MAX = Kernel(invoke=invoke_arg, parameters=ARG_MAX_PARAMS)
ARG_MIN = Kernel(invoke=invoke_arg, parameters=ARG_MIN_PARAMS)

LANES = 4

INDEXED = frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT32, TensorType.BOOL})


def indexing(index_of: IndexOf, type_of: Callable[[Node], TensorType]) -> Compute:
    """The row of ARG_MAX or ARG_MIN."""
    return Compute(fold=fold_index(index_of, type_of), shape=shape_of_index, types=INDEXED, version=3)


COMPUTE_ARG_MAX = indexing(index_from_first(descending), type_of_output)
COMPUTE_ARG_MIN = indexing(index_from_first(ascending), type_of_output)
COMPUTE_ARG_MAX_OF_NUMBERS = indexing(index_in_memory(descending), type_in_options)
COMPUTE_ARG_MIN_OF_NUMBERS = indexing(index_in_memory(ascending), type_in_options)
