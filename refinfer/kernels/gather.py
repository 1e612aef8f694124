"""GATHER, GATHER_ND and EMBEDDING_LOOKUP.

Sources: gather.cc, gather_nd.cc, embedding_lookup.cc, all in tensorflow/lite/micro/kernels. All three compute the
output's shape again and keep it in memory of their own, even where it is what the file says.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_type,
    tensor_bytes,
    type_size,
    writable_dims,
)
from refinfer.kernels.kernel import Kernel, Persistent, Request, require, temps
from refinfer.kernels.layout import FLOAT, INT32, SIZE_T, Build, struct
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import GatherOptions

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


GATHER_TYPES = (TensorType.FLOAT32, TensorType.INT8)

GATHER = Kernel(prepare=prepare_gather, parameters=GATHER_PARAMS)
GATHER_ND = Kernel(prepare=prepare_gather_nd)
EMBEDDING_LOOKUP = Kernel(prepare=prepare_embedding_lookup)
