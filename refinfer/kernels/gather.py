"""GATHER, GATHER_ND, EMBEDDING_LOOKUP and EMBEDDING_LOOKUP_SPARSE.

Sources: gather.cc, gather_nd.cc, embedding_lookup.cc, all in tensorflow/lite/micro/kernels. All these compute the
output's shape again and keep it in memory of their own, even where it is what the file says. Of the arithmetic also
the files of these names and embedding_lookup_sparse.cc in tensorflow/lite/kernels.

An index that is out of range is refused, as LiteRT does; the other runtime may read what lies beside the tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.changes import GATHER_ND_DIMS, has
from refinfer.kernels.common import (
    input_at,
    integers,
    is_affine,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
    tensor_bytes,
    type_size,
    writable_dims,
)
from refinfer.kernels.compute import PACKED_BITS, Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Persistent, Request, require, temps
from refinfer.kernels.layout import FLOAT, INT32, SIZE_T, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import axis_of
from refinfer.kernels.quantization import require_per_channel, require_zero_point
from refinfer.schema.enums import CombinerType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import EmbeddingLookupSparseOptions, GatherOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_INDICES = 5  # [gather_nd.cc: MAX_INDICES_ND]

GATHER_PARAMS = struct("TfLiteGatherParams", axis=INT32, batch_dims=INT32)
OP_DATA_EMBEDDING_LOOKUP = struct("embedding_lookup:OpData", scale=FLOAT, num_columns=SIZE_T)


def prepare_gather(node: Node, build: Build) -> Iterator[Request]:
    """[gather.cc: GatherPrepare]"""
    require_arity(node, 2, 1)
    x, positions, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, positions, y)
    require(
        positions.type == TensorType.INT32,
        f"Positions of type '{positions.type.name}' are not supported by gather.",
        positions,
    )
    require(x.type in GATHER_TYPES, f"Type '{x.type.name}' is not supported by gather.", x)
    axis, batch_dims = gather_axes(node, x, positions)
    yield from writable_dims(y, x.shape[:axis] + positions.shape[batch_dims:] + x.shape[axis + 1 :])


def gather_axes(node: Node, x: Tensor, positions: Tensor) -> tuple[int, int]:
    """The axis gathered along and the number of batch dimensions, both counted from the front."""
    options = options_of(node, GatherOptions)
    rank = len(x.shape)
    axis = options.axis + rank if options.axis < 0 else options.axis
    require(0 <= axis < rank, f"axis {options.axis} is out of range for {rank} dimensions", x)
    batch_dims = options.batch_dims + len(positions.shape) if options.batch_dims < 0 else options.batch_dims
    require(0 <= batch_dims <= axis, f"batch_dims {options.batch_dims} goes beyond axis {options.axis}", x)
    require(batch_dims <= len(positions.shape), f"batch_dims {batch_dims} of {positions.shape}", positions)
    batches, expected = positions.shape[:batch_dims], x.shape[:batch_dims]
    require(batches == expected, f"batches of {batches}; the input has {expected}", positions)
    return axis, batch_dims


def prepare_gather_nd(node: Node, build: Build) -> Iterator[Request]:
    """[gather_nd.cc: GatherNdPrepare]"""
    require_arity(node, 2, 1)
    x, indices, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, indices, y)
    require(x.type in GATHER_TYPES, f"Params of type '{x.type.name}' are not supported by gather_nd.", x)
    require(
        indices.type == TensorType.INT32,
        f"Indices of type '{indices.type.name}' are not supported by gather_nd.",
        indices,
    )
    require(len(x.shape) >= 1, "Params must be at least a vector.", x)
    require(len(indices.shape) >= 1, "Indices must be at least a vector.", indices)
    depth = indices.shape[-1]
    require(depth <= len(x.shape), "Index innermost dimension length must be <= params rank.", indices)
    require(depth <= MAX_INDICES, f"Index innermost dimension length must not exceed {MAX_INDICES}.", indices)
    if has(GATHER_ND_DIMS, build):
        yield from writable_dims(y, indices.shape[:-1] + x.shape[depth:])


def prepare_embedding_lookup(node: Node, build: Build) -> Iterator[Request]:
    """[embedding_lookup.cc: EmbeddingLookUpPrepare]"""
    require_arity(node, 2, 1)
    lookup, value, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(lookup)
    require_rank(lookup, 1)
    require_type(lookup, TensorType.INT32)
    yield from temps(value)
    require(len(value.shape) >= 2, f"{len(value.shape)} dimensions; it takes 2 or more", value)
    require_type(value, *GATHER_TYPES)
    yield from temps(y)
    require_type(y, *(GATHER_TYPES if value.type == TensorType.INT8 else (TensorType.FLOAT32,)))
    require(len(y.shape) >= len(value.shape), f"{len(y.shape)} dimensions; the table has {len(value.shape)}", y)
    shape = lookup.shape + value.shape[1:] + y.shape[len(value.shape) :]
    yield from writable_dims(y, shape)
    found, room = prod(shape) * type_size(y), tensor_bytes(y)
    require(found <= room, f"{room} bytes; what is looked up takes {found}", y)
    source = "embedding_lookup.cc: CalculateOpData"
    yield Persistent(OP_DATA_EMBEDDING_LOOKUP.name, build.sizeof(OP_DATA_EMBEDDING_LOOKUP), source)
    if (value.type, y.type) == (TensorType.INT8, TensorType.FLOAT32):
        require_zero_point(value, 0)


def fold_gather(node: Node, host: Host) -> Evaluate:
    """y[batch, outer, i..., inner] = x[batch, outer, positions[batch, i...], inner]"""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), *INDEX_TYPES)
    is_int4 = input_at(node, 0).type == TensorType.INT4

    def evaluate(x: Array, positions: Array) -> tuple[Array, ...]:
        axis, batch_dims = batches_and_axis(node, x.shape, positions.shape)
        require(not is_int4 or prod(x.shape[axis + 1 :]) % 2 == 0, "an odd number of INT4 values, which share bytes")
        require(bool(np.all(positions >= 0)), "a negative index")
        require_within(
            positions, x.shape[axis] if prod(x.shape[:axis]) else positions.size and int(positions.max()) + 1
        )
        batches = x.shape[:batch_dims]
        places = positions.reshape(prod(batches), 1, prod(positions.shape[batch_dims:]), 1)
        blocks = x.reshape(prod(batches), prod(x.shape[batch_dims:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
        found = np.take_along_axis(blocks, places.astype(np.int64), axis=2)
        return (found.reshape(shape_of_gather(node, [x.shape, positions.shape])[0]),)

    return evaluate


def shape_of_gather(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The axis is replaced by the dimensions of the positions that are not of the batch."""
    x, positions = shapes
    axis, batch_dims = batches_and_axis(node, x, positions)
    return [(*x[:axis], *positions[batch_dims:], *x[axis + 1 :])]


def batches_and_axis(node: Node, x: Shape, positions: Shape) -> tuple[int, int]:
    """The axis, and the number of dimensions that both inputs begin with."""
    options = options_of(node, GatherOptions)
    axis = axis_of(options.axis, len(x))
    batch_dims = options.batch_dims + len(positions) if options.batch_dims < 0 else options.batch_dims
    fits = 0 <= batch_dims <= min(axis, len(positions)) and x[:batch_dims] == positions[:batch_dims]
    require(fits, f"batch_dims {options.batch_dims} along axis {options.axis} of {x}, at positions of {positions}")
    return axis, batch_dims


def require_within(indices: Array, size: int) -> None:
    """No index beyond an axis."""
    require(bool(np.all((indices >= 0) & (indices < size))), f"an index is not within 0 and {size}")


def fold_gather_nd(node: Node, host: Host) -> Evaluate:
    """y[i..., inner] = x[indices[i...], inner], where an index is for the first axes of x"""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), *INDEX_TYPES)

    def evaluate(x: Array, indices: Array) -> tuple[Array, ...]:
        shape = shape_of_gather_nd(node, [x.shape, indices.shape])[0]
        axes = np.moveaxis(indices, -1, 0)
        require(x.size > 0 or indices.size == 0, f"indices into {x.shape}, which has no elements")
        require(len(axes) > 0 or prod(indices.shape[:-1]) == 0, "indices of no axes")
        for places, size in zip(axes, x.shape, strict=False):
            require_within(places, size)
        return (x[tuple(axes)].reshape(shape),)

    return evaluate


def shape_of_gather_nd(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A slice for each index, of the axes that it leaves open."""
    x, indices = shapes
    require(len(x) >= 1 and len(indices) >= 1, f"scalars: {x} at {indices}")
    require(indices[-1] <= len(x), f"indices of {indices[-1]} axes; there are {len(x)}")
    return [indices[:-1] + x[indices[-1] :]]


def fold_embedding_lookup(node: Node, host: Host) -> Evaluate:
    """Rows of a table, which may be quantized where the output is not."""
    require_arity(node, 2, 1)
    lookup, value, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    require_rank(lookup, 1)
    require_type(value, *LOOKUP_TYPES)
    if value.type == y.type:
        scales = value.quantization.scale if value.quantization is not None else ()
        require(len(scales) <= 1, f"{len(scales)} scales, which are lost in {y.type.name}", value)
        return lambda lookup, value: (looked_up(lookup, value),)
    require_type(value, *QUANTIZED_LOOKUP_TYPES)
    require_type(y, TensorType.FLOAT32, TensorType.FLOAT16)
    require(prod(value.shape[1:]) * PACKED_BITS.get(value.type, 8) % 8 == 0, "rows that share a byte", value)
    factors = row_scales(value)
    dtype = dtype_of(y.type)

    def evaluate(lookup: Array, value: Array) -> tuple[Array, ...]:
        """y[i] = scale * value[lookup[i]]; uint8 is an old name for int8"""
        rows = looked_up(lookup, value.view(np.int8)).astype(np.float32)
        scale = factors if factors.size == 1 else factors[lookup]
        return ((rows * scale.reshape(-1, *[1] * (rows.ndim - 1))).astype(dtype),)

    return evaluate


def looked_up(lookup: Array, value: Array) -> Array:
    """y[i] = value[lookup[i]]"""
    require_within(lookup, len(value))
    return value[lookup]


def row_scales(value: Tensor) -> Array:
    """One scale, or one for each row."""
    require(is_affine(value), f"{value.type.name} without a scale", value)
    assert value.quantization is not None
    require(value.quantization.details is None, "only affine quantization is supported", value)
    require_zero_point(value, 0)
    if len(value.quantization.scale) > 1:
        require(value.quantization.quantized_dimension == 0, "scales along the columns", value)
        require_per_channel(value, value.shape[0])
    return np.array(value.quantization.scale, np.float32)


def shape_of_embedding_lookup(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A row of the table for each index."""
    lookup, value = shapes
    require(len(value) >= 2, f"a table of {value}; it takes 2 dimensions or more")
    return [lookup + value[1:]]


def fold_embedding_lookup_sparse(node: Node, host: Host) -> Evaluate:
    """Rows of a table are looked up, weighted, and combined where they belong to the same place of the output."""
    require_arity(node, 5, 1)
    for position, (type, rank) in enumerate(SPARSE_LOOKUP_INPUTS):
        tensor = input_at(node, position)
        require_type(tensor, type)
        require_rank(tensor, rank)
    require_type(input_at(node, 4), TensorType.FLOAT32)
    require_type(output_at(node, 0), TensorType.FLOAT32)
    combiner = options_of(node, EmbeddingLookupSparseOptions).combiner
    return partial(evaluate_embedding_lookup_sparse, combiner)


def evaluate_embedding_lookup_sparse(
    combiner: CombinerType, ids: Array, indices: Array, dense_shape: Array, weights: Array, table: Array
) -> tuple[Array, ...]:
    """y[indices[i]] = sum of weights[i] * table[ids[i]], divided by what the combiner says.

    Places come one after the other: one that comes again is divided again, by the weights since then. The last index
    tells values of a place apart, and is not looked at.
    """
    require(len(ids) == len(indices) == len(weights), f"{len(ids)} ids, {len(indices)} indices, {len(weights)} weights")
    require(indices.shape[1] == len(dense_shape), f"indices of {indices.shape[1]} numbers for {len(dense_shape)} sizes")
    require(table.ndim >= 2, f"a table of {table.ndim} dimensions; it takes 2 or more")
    require_within(ids, len(table))
    outer = tuple(int(size) for size in dense_shape[:-1])
    for column, size in zip(indices.T, outer, strict=False):
        require_within(column, size)
    y = np.zeros((prod(outer), *table.shape[1:]), np.float32)
    places = np.ravel_multi_index(tuple(indices.T[:-1]), outer) if outer else np.zeros(len(ids), np.int64)
    with np.errstate(all="ignore"):
        for run in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(places)) + 1):
            combine_run(combiner, y, places[run], weights[run], table[ids[run]])
    return (y.reshape(*outer, *table.shape[1:]),)


def combine_run(combiner: CombinerType, y: Array, places: Array, weights: Array, rows: Array) -> None:
    """Add rows that belong to one place, in order, and divide what is there then."""
    if len(places) == 0:
        return
    place = places[0]
    for weight, row in zip(weights, rows, strict=True):
        y[place] += row * weight
    if combiner == CombinerType.MEAN:
        y[place] /= np.add.accumulate(weights)[-1]
    if combiner == CombinerType.SQRTN:
        y[place] /= np.sqrt(np.add.accumulate(weights * weights)[-1])


def shape_of_embedding_lookup_sparse(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The sizes that the third input holds, but for the last, and then a row of the table."""
    dense_shape = input_at(node, 2)
    return None if dense_shape.data is None else [(*integers(dense_shape)[:-1], *shapes[4][1:])]


GATHER_TYPES = (TensorType.FLOAT32, TensorType.INT8)

GATHER = Kernel(prepare=prepare_gather, parameters=GATHER_PARAMS)
GATHER_ND = Kernel(prepare=prepare_gather_nd)
EMBEDDING_LOOKUP = Kernel(prepare=prepare_embedding_lookup)

INDEX_TYPES = (TensorType.INT16, TensorType.INT32, TensorType.INT64)
GATHERED = frozenset(
    {
        TensorType.FLOAT32,
        TensorType.FLOAT16,
        TensorType.UINT8,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
        TensorType.BOOL,
    }
)
SPARSE_LOOKUP_INPUTS = (  # type and rank of ids, indices, dense shape and weights
    (TensorType.INT32, 1),
    (TensorType.INT32, 2),
    (TensorType.INT32, 1),
    (TensorType.FLOAT32, 1),
)
QUANTIZED_LOOKUP_TYPES = (TensorType.UINT8, TensorType.INT8, TensorType.INT4, TensorType.INT2)
LOOKUP_TYPES = (
    *GATHERED,
    TensorType.INT4,
    TensorType.INT2,
    TensorType.UINT16,
    TensorType.UINT32,
    TensorType.UINT64,
    TensorType.FLOAT64,
)

COMPUTE_GATHER = Compute(fold=fold_gather, shape=shape_of_gather, types=GATHERED | {TensorType.INT4}, version=8)
COMPUTE_GATHER_ND = Compute(fold=fold_gather_nd, shape=shape_of_gather_nd, types=GATHERED, version=6)
COMPUTE_EMBEDDING_LOOKUP = Compute(
    fold=fold_embedding_lookup, shape=shape_of_embedding_lookup, types=frozenset({TensorType.INT32}), version=5
)
COMPUTE_EMBEDDING_LOOKUP_SPARSE = Compute(
    fold=fold_embedding_lookup_sparse,
    shape=shape_of_embedding_lookup_sparse,
    types=frozenset({TensorType.INT32}),
    version=1,
)
