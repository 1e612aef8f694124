"""Sparse constants: which of their elements are stored, and what the whole tensor is.

A sparse tensor is stored dimension by dimension, in its traversal order, after TACO: a dense dimension has all of its
indices; a compressed one has, for each index of those before it, a segment of a list of indices. A blocked dimension
is split in two, and what is inside the block comes last. Source: internal/utils/sparsity_format_converter.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import DimensionType
from refinfer.schema.tables import DimensionMetadata, SparsityParameters

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def dense(stored: Array, sparsity: SparsityParameters, shape: tuple[int, ...]) -> Array:
    """The tensor of `shape` that holds the `stored` values where `sparsity` says, and 0 elsewhere.

    Raises Refusal if the file contradicts itself.
    """
    levels = coordinates(sparsity.dim_metadata or (), limit=prod(shape))
    found = len(levels[0]) if levels else 1
    require(found == len(stored), f"{len(stored)} sparse values; its indices are of {found}")
    places = original_dimensions(levels, sparsity, shape)
    for place, size in zip(places, shape, strict=True):
        require(bool(np.all((place >= 0) & (place < size))), f"a sparse index is beyond the shape {shape}")
    whole = np.zeros(shape, stored.dtype)
    whole[tuple(places)] = stored
    return whole


def coordinates(dimensions: Sequence[DimensionMetadata], limit: int) -> list[Array]:
    """The indices of the stored values along each dimension, in the order in which they are stored.

    Raises Refusal if there are more than `limit`, be it on the way.
    """
    levels: list[Array] = []
    position = np.zeros(1, np.int64)  # of each value among all those of its dimension
    for dimension in dimensions:
        if dimension.format == DimensionType.DENSE:
            size = dimension.dense_size
            require(size >= 0 and len(position) * size <= limit, f"a sparse dimension of size {size}")
            parent = np.repeat(np.arange(len(position)), size)
            index = np.tile(np.arange(size), len(position))
            position = position[parent] * size + index
        else:
            first, count = segments(dimension, position)
            require(int(count.sum()) <= limit, f"{count.sum()} sparse indices; the tensor has {limit} elements")
            parent = np.repeat(np.arange(len(position)), count)
            position = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count) + first[parent]
            index = indices(dimension, position)
        levels = [each[parent] for each in levels]
        levels.append(index)
    return levels


def segments(dimension: DimensionMetadata, position: Array) -> tuple[Array, Array]:
    """Where the segment of each position begins, and how long it is."""
    bounds = numbers(dimension.array_segments)
    require(int(np.max(position, initial=0)) + 1 < len(bounds), f"{len(bounds)} bounds of sparse segments are too few")
    first, end = bounds[position], bounds[position + 1]
    require(bool(np.all((first >= 0) & (first <= end))), "the bounds of sparse segments go backwards")
    return first, end - first


def indices(dimension: DimensionMetadata, position: Array) -> Array:
    """The indices at these places of the dimension's list."""
    found = numbers(dimension.array_indices)
    require(int(np.max(position, initial=-1)) < len(found), f"{len(found)} sparse indices are too few")
    return found[position]


def numbers(table: object) -> Array:
    """The values of an Int32Vector, a Uint16Vector or a Uint8Vector."""
    values = getattr(table, "values", None)
    if values is None:
        raise Refusal("a sparse dimension without segments or indices")
    return np.array(values, np.int64)


def original_dimensions(levels: Sequence[Array], sparsity: SparsityParameters, shape: tuple[int, ...]) -> list[Array]:
    """From indices of the dimensions as they are traversed to those of the shape: those of a block are added."""
    order, blocks = sparsity.traversal_order or (), sparsity.block_map or ()
    sizes = [dimension.dense_size for dimension in sparsity.dim_metadata or ()]
    by_dimension = dict(zip(order, levels, strict=True))
    places = [by_dimension[dimension] for dimension in range(len(shape))]
    for block, dimension in enumerate(blocks):
        inner = len(shape) + block
        places[dimension] = places[dimension] * sizes[order.index(inner)] + by_dimension[inner]
    return places
