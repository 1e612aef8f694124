"""STABLEHLO_GATHER and STABLEHLO_SCATTER: slices taken from, or put, where indices say. TFLM has neither.

Sources: stablehlo_gather.cc, stablehlo_scatter.cc and tensor_slice_util.h in tensorflow/lite/kernels.

Along the axis `index_vector_dim` of the indices, each vector says where a slice starts; what its numbers count is in
`start_index_map` or `scatter_dims_to_operand_dims`. Dimensions of the operand in which a slice has no extent are
collapsed, or to be inserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.binary import add, larger, multiply, smaller
from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, like_input
from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import StablehloGatherOptions, StablehloScatterOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Axes = tuple[int, ...]


def fold_gather(node: Node, host: Host) -> Evaluate:
    """A slice of the first input for every vector of the second; one that would reach beyond the end starts earlier."""
    require_arity(node, 2, 1)
    require_type(input_at(node, 1), TensorType.INT32, TensorType.INT64)
    require_same_type(input_at(node, 0), output_at(node, 0))
    options = options_of(node, StablehloGatherOptions)
    collapsed, sizes = options.collapsed_slice_dims or (), options.slice_sizes or ()

    def evaluate(x: Array, indices: Array) -> tuple[Array, ...]:
        shape_of_gather(node, [x.shape, indices.shape])
        starts = vectors(indices, options.index_vector_dim, options.start_index_map or (), x.ndim)
        starts = np.clip(starts, 0, np.array(x.shape) - sizes)
        kept = [axis for axis in range(x.ndim) if axis not in collapsed]
        batch = indices.ndim - 1
        places = [starts[(..., axis, *[None] * len(kept))] for axis in range(x.ndim)]
        for position, axis in enumerate(kept):
            places[axis] = places[axis] + along(position - len(kept), sizes[axis])
        y = x[tuple(places)].reshape((*starts.shape[:-1], *(sizes[axis] for axis in kept)))
        window = range(batch, batch + len(kept))
        return (np.moveaxis(y, window, sorted(options.offset_dims or ())).copy(),)

    return evaluate


def shape_of_gather(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The slices are at the axes of `offset_dims`, and the shape of the indices, without the vectors, at the others."""
    options = options_of(node, StablehloGatherOptions)
    operand, indices = shapes
    collapsed, sizes, offsets = (
        each or () for each in (options.collapsed_slice_dims, options.slice_sizes, options.offset_dims)
    )
    require_slices(operand, indices, options.index_vector_dim, options.start_index_map or (), collapsed)
    fits = len(sizes) == len(operand) and all(0 <= size <= of for size, of in zip(sizes, operand, strict=True))
    require(fits, f"slices of {sizes} from {operand}")
    window = [size for axis, size in enumerate(sizes) if axis not in collapsed]
    shape = [size for axis, size in enumerate(indices) if axis != options.index_vector_dim]
    rank = len(shape) + len(window)
    require(len(output_at(node, 0).shape) == rank, f"an output of {rank} dimensions", output_at(node, 0))
    require_axes(offsets, rank)
    require(len(offsets) == len(window), f"{len(offsets)} offset_dims for slices of {len(window)} dimensions")
    for axis, size in zip(sorted(offsets), window, strict=True):
        shape.insert(axis, size)
    require(0 in shape or 0 not in operand, f"slices from {operand}, which is empty")
    return [tuple(shape)]


def fold_scatter(node: Node, host: Host) -> Evaluate:
    """The first input, changed by the numbers of the third, one after the other; those beyond its ends are left out."""
    require_arity(node, 3, 1)
    x, indices, updates = (input_at(node, position) for position in range(3))
    require_type(indices, TensorType.INT32, TensorType.INT64)
    for other in (updates, output_at(node, 0)):
        require_same_type(x, other)
    options = options_of(node, StablehloScatterOptions)
    change = change_of(host.operators(options.update_computation_subgraph_index))
    window, inserted = options.update_window_dims or (), options.inserted_window_dims or ()

    def evaluate(x: Array, indices: Array, updates: Array) -> tuple[Array, ...]:
        map = options.scatter_dims_to_operand_dims or ()
        require_slices(x.shape, indices.shape, options.index_vector_dim, map, inserted)
        require_updates(x.shape, indices.shape, updates.shape, options)
        starts = vectors(indices, options.index_vector_dim, map, x.ndim)
        kept = iter(window)
        y = x.copy()
        inside = np.ones(updates.shape, bool)
        flat = np.zeros(updates.shape, np.int64)
        for axis, size in enumerate(x.shape):
            place = np.expand_dims(starts[..., axis], window)
            if axis not in inserted:
                update_axis = next(kept)
                place = place + along(update_axis - updates.ndim, updates.shape[update_axis])
            inside &= (place >= 0) & (place < size)
            flat = flat * size + place
        places, values = flat[inside], updates[inside]
        numbers = y.reshape(-1)
        for turn in turns(places):
            numbers[places[turn]] = change(numbers[places[turn]], values[turn])
        return (y,)

    return evaluate


def change_of(operators: tuple[BuiltinOperator, ...]) -> Callable[[Array, Array], Array]:
    """What the operator of the subgraph makes of the old and the new number; without one, the new one stays."""
    if not operators:
        return lambda old, new: new
    if len(operators) > 1 or operators[0] not in CHANGES:
        raise Refusal(f"changes by {', '.join(each.name for each in operators)}")
    return CHANGES[operators[0]]


def require_updates(operand: Shape, indices: Shape, updates: Shape, options: StablehloScatterOptions) -> None:
    """Updates have the axes of the indices, without the vectors, and the axes of the slices among them."""
    window, inserted = options.update_window_dims or (), options.inserted_window_dims or ()
    require_axes(window, len(updates))
    batch = tuple(size for axis, size in enumerate(updates) if axis not in window)
    vectors = tuple(size for axis, size in enumerate(indices) if axis != options.index_vector_dim)
    fits = batch == vectors and len(window) + len(inserted) == len(operand)
    require(fits, f"updates of {updates}, with slices along {window}, at indices of {indices} for {operand}")


def turns(places: Array) -> Iterator[Array]:
    """Positions in which no place is twice, such that the first ones of all places come first, then the second ones."""
    order = np.argsort(places, kind="stable")
    is_first = np.append(True, np.diff(places[order]) != 0)[: len(order)]
    positions = np.arange(len(order))
    rank = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    for turn in range(rank.max(initial=-1) + 1):
        yield order[rank == turn]


def vectors(indices: Array, axis: int, map: Axes, rank: int) -> Array:
    """A vector with a number for every dimension of the operand, 0 where the indices say nothing."""
    given = np.moveaxis(indices, axis, -1)
    starts = np.zeros((*given.shape[:-1], rank), np.int64)
    for position, dimension in enumerate(map):
        starts[..., dimension] = given[..., position]
    return starts


def along(axis: int, size: int) -> Array:
    """0, 1, 2 ... along an axis, counted from the last."""
    return np.arange(size).reshape(-1, *[1] * (-1 - axis))


def require_slices(operand: Shape, indices: Shape, axis: int, map: Axes, without: Axes) -> None:
    """Vectors are long enough, and speak of dimensions that are there."""
    require(0 <= axis < len(indices), f"index_vector_dim is {axis}, of indices of {indices}")
    require(len(map) <= indices[axis], f"vectors of {indices[axis]} numbers for {len(map)} dimensions")
    require_axes(map, len(operand))
    require_axes(without, len(operand))


def require_axes(axes: Axes, rank: int) -> None:
    """Refuse axes that are not there, or are there twice."""
    require(set(axes) <= set(range(rank)) and len(set(axes)) == len(axes), f"axes {axes} of {rank}")


CHANGES: dict[BuiltinOperator, Callable[[Array, Array], Array]] = {
    BuiltinOperator.STABLEHLO_ADD: add,
    BuiltinOperator.STABLEHLO_MULTIPLY: multiply,
    BuiltinOperator.STABLEHLO_MAXIMUM: larger,
    BuiltinOperator.STABLEHLO_MINIMUM: smaller,
}

COMPUTE_STABLEHLO_GATHER = Compute(fold=fold_gather, shape=shape_of_gather, types=SIZED, version=1)
COMPUTE_STABLEHLO_SCATTER = Compute(
    fold=fold_scatter, shape=like_input, types=SIZED - {TensorType.COMPLEX64}, version=1
)
