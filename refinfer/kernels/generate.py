"""Large tensors out of little: TILE, RANGE, ONE_HOT, MATRIX_DIAG and MATRIX_SET_DIAG. TFLM has none of them.

Sources: tile.cc, range.cc, one_hot.cc, matrix_diag.cc, matrix_set_diag.cc, all in tensorflow/lite/kernels.
"""

from __future__ import annotations

import struct as bytes_struct
from collections.abc import Sequence
from math import ceil, isfinite
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, like_input
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED, Values, axis_of, known, numbers, require_one, shape_by_values
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import OneHotOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

START, LIMIT, DELTA = range(3)
INDICES, DEPTH, ON, OFF = range(4)


def fold_tile(node: Node, host: Host) -> Evaluate:
    """The input, over and over along each axis."""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), TensorType.INT32, TensorType.INT64)

    def evaluate(x: Array, multipliers: Array) -> tuple[Array, ...]:
        tiled(x.shape, numbers(multipliers))
        return (np.tile(x, numbers(multipliers)),)

    return evaluate


def tiled(shape: Shape, multipliers: Values) -> Shape:
    """Every size is multiplied."""
    require(len(multipliers) == len(shape), f"{len(multipliers)} multipliers for {len(shape)} dimensions")
    require(min(multipliers, default=0) >= 0, f"negative multipliers {multipliers}")
    return tuple(size * times for size, times in zip(shape, multipliers, strict=True))


def fold_range(node: Node, host: Host) -> Evaluate:
    """start, start + delta, … up to the limit, exclusive; floats are added up one by one."""
    require_arity(node, 3, 1)
    start = input_at(node, START)
    for position in (START, LIMIT, DELTA):
        require_same_type(start, input_at(node, position))
        require_rank(input_at(node, position), 0)
    return evaluate_range


def evaluate_range(start: Array, limit: Array, delta: Array) -> tuple[Array, ...]:
    """y[0] = start, y[i] = y[i - 1] + delta"""
    count = steps(*(each.item() for each in (start, limit, delta)))
    terms = np.full(count, delta)
    terms[:1] = start
    return (np.add.accumulate(terms, dtype=start.dtype),)


def shape_of_range(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As many as there is room for, if the file says so."""
    terms = [scalar(node, position) for position in (START, LIMIT, DELTA)]
    return None if None in terms else [(steps(*terms),)]  # type: ignore[arg-type]  # None is ruled out


def scalar(node: Node, position: int) -> float | None:
    """The number at an input, if the file holds it."""
    tensor = input_at(node, position)
    if tensor.type != TensorType.FLOAT32 or tensor.data is None:
        values = known(node, position)
        return None if values is None else values[0]
    return float(bytes_struct.unpack("<f", tensor.data)[0])


def steps(start: float, limit: float, delta: float) -> int:
    """How many steps lead from start to limit; those of floats are counted in float32 [range.cc: GetSize]."""
    require(delta != 0, "a step of 0")
    require(start <= limit if delta > 0 else start >= limit, f"steps of {delta} do not lead from {start} to {limit}")
    if isinstance(start, int) and isinstance(limit, int) and isinstance(delta, int):
        return -(-abs(limit - start) // abs(delta))
    quotient = as_float32(as_float32(limit - start) / delta)
    require(isfinite(quotient), f"steps of {delta} from {start} to {limit} have no end")
    return ceil(abs(quotient))


def as_float32(x: float) -> float:
    """The nearest float32."""
    return float(bytes_struct.unpack("<f", bytes_struct.pack("<f", x))[0])


def fold_one_hot(node: Node, host: Host) -> Evaluate:
    """A new axis, on which one value is on where the index says so, and the others are off."""
    require_arity(node, 4, 1)
    on = input_at(node, ON)
    require_type(input_at(node, DEPTH), TensorType.INT32)
    require_type(on, *ONE_HOT_TYPES)
    require_same_type(on, input_at(node, OFF))
    for position in (DEPTH, ON, OFF):
        require_one(input_at(node, position))
    axis = options_of(node, OneHotOptions).axis

    def evaluate(indices: Array, depth: Array, on: Array, off: Array) -> tuple[Array, ...]:
        at = new_axis(axis, indices.ndim)
        (count,) = numbers(depth)
        require(count >= 0, f"depth {count} is negative")
        places = np.arange(count).reshape(-1, *[1] * (indices.ndim - at))
        hot = np.expand_dims(indices.astype(np.int32), at) == places
        return (np.where(hot, on.reshape(()), off.reshape(())),)

    return evaluate


def shape_of_one_hot(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As many values as the depth says on the new axis."""
    depth = known(node, DEPTH)
    at = new_axis(options_of(node, OneHotOptions).axis, len(shapes[INDICES]))
    return None if depth is None else [(*shapes[INDICES][:at], depth[0], *shapes[INDICES][at:])]


def new_axis(axis: int, rank: int) -> int:
    """The place of the new axis: -1 is behind all others."""
    require(axis >= -1, f"axis {axis} is negative")
    return axis_of(axis, rank + 1)


def fold_matrix_diag(node: Node, host: Host) -> Evaluate:
    """y[..., i, j] = x[..., i] if i is j, else 0"""
    require_arity(node, 1, 1)
    return evaluate_matrix_diag


def evaluate_matrix_diag(x: Array) -> tuple[Array, ...]:
    """The input on the diagonals."""
    require(x.ndim >= 1, "a scalar")
    y = np.zeros((*x.shape, x.shape[-1]), x.dtype)
    places = np.arange(x.shape[-1])
    y[..., places, places] = x
    return (y,)


def shape_of_matrix_diag(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Square matrices."""
    require(len(shapes[0]) >= 1, "a scalar")
    return [(*shapes[0], shapes[0][-1])]


def fold_matrix_set_diag(node: Node, host: Host) -> Evaluate:
    """y[..., i, j] = diagonal[..., i] if i is j, else x[..., i, j]"""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), input_at(node, 1))
    return evaluate_matrix_set_diag


def evaluate_matrix_set_diag(x: Array, diagonal: Array) -> tuple[Array, ...]:
    """The second input on the diagonals of the first."""
    require(x.ndim >= 2, f"{x.ndim} dimensions; it takes 2 or more")
    length = min(x.shape[-2:])
    require(diagonal.shape == (*x.shape[:-2], length), f"diagonals of {diagonal.shape} for {x.shape}")
    y = x.copy()
    y[..., np.arange(length), np.arange(length)] = diagonal
    return (y,)


ONE_HOT_TYPES = (
    TensorType.FLOAT32,
    TensorType.INT32,
    TensorType.INT64,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.BOOL,
)
DIAGONAL_TYPES = frozenset({*ONE_HOT_TYPES, TensorType.INT16}) - {TensorType.BOOL}

COMPUTE_TILE = Compute(fold=fold_tile, shape=shape_by_values(tiled, 1), types=SIZED, version=2)
COMPUTE_RANGE = Compute(
    fold=fold_range,
    shape=shape_of_range,
    types=frozenset({TensorType.FLOAT32, TensorType.INT32, TensorType.INT64}),
    version=1,
)
COMPUTE_ONE_HOT = Compute(
    fold=fold_one_hot,
    shape=shape_of_one_hot,
    types=frozenset({TensorType.INT32, TensorType.INT64}),
    version=1,
)
COMPUTE_MATRIX_DIAG = Compute(fold=fold_matrix_diag, shape=shape_of_matrix_diag, types=DIAGONAL_TYPES, version=1)
COMPUTE_MATRIX_SET_DIAG = Compute(fold=fold_matrix_set_diag, shape=like_input, types=DIAGONAL_TYPES, version=1)
