"""SPACE_TO_DEPTH, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND and REVERSE_V2.

Sources: space_to_depth.cc, depth_to_space.cc, space_to_batch_nd.cc, batch_to_space_nd.cc, reverse.cc, all in
tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
    switch_on_input,
    writable_dims,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import DepthToSpaceOptions, SpaceToDepthOptions

BATCH_ND_DIMENSIONS = range(3, 5)  # [space_to_batch_nd.cc: kInputOutputMinDimensionNum, kInputOutputMaxDimensionNum]
MAX_REVERSE_DIMENSIONS = 6  # [runtime_shape.h: kMaxSmallSize]

SPACE_TO_DEPTH_PARAMS = struct("TfLiteSpaceToDepthParams", block_size=INT32)
DEPTH_TO_SPACE_PARAMS = struct("TfLiteDepthToSpaceParams", block_size=INT32)
OP_DATA_SPACE_TO_BATCH = struct("space_to_batch_nd:SpaceToBatchParams", output_offset=INT32)


def prepare_space_to_depth(node: Node, build: Build) -> Iterator[Request]:
    """[space_to_depth.cc: Prepare]"""
    x, y = block_tensors(node)
    yield from temps(x, y)
    require_blocks(x, y)
    block = options_of(node, SpaceToDepthOptions).block_size
    require(block > 0, f"block_size {block} is not positive")
    batch, height, width, depth = x.shape
    require(height % block == width % block == 0, f"{height}x{width} is not made of blocks of {block}", x)
    yield from writable_dims(y, (batch, height // block, width // block, depth * block * block))


def prepare_depth_to_space(node: Node, build: Build) -> Iterator[Request]:
    """[depth_to_space.cc: CalculateOpData]"""
    x, y = block_tensors(node)
    yield from temps(x, y)
    require_blocks(x, y)
    block = options_of(node, DepthToSpaceOptions).block_size
    require(block > 0, f"block_size {block} is not positive")
    batch, height, width, depth = x.shape
    require(depth % (block * block) == 0, f"depth {depth} is not made of blocks of {block}x{block}", x)
    yield from writable_dims(y, (batch, height * block, width * block, depth // (block * block)))


def block_tensors(node: Node) -> tuple[Tensor, Tensor]:
    """The input and the output."""
    require_arity(node, 1, 1)
    return input_at(node, 0), output_at(node, 0)


def require_blocks(x: Tensor, y: Tensor) -> None:
    """What both directions ask of their tensors."""
    require_rank(x, 4)
    require_type(y, TensorType.FLOAT32, TensorType.INT8)
    require_same_type(x, y)


def prepare_batch_nd(node: Node, build: Build) -> Iterator[Request]:
    """[space_to_batch_nd.cc: SpaceToBatchNDPrepare; batch_to_space_nd.cc: BatchToSpaceNDPrepare]"""
    require_arity(node, 3, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    for tensor in (x, y):
        require(len(tensor.shape) in BATCH_ND_DIMENSIONS, f"{len(tensor.shape)} dimensions; it takes 3 or 4", tensor)
    require_same_type(x, y)


def prepare_reverse(node: Node, build: Build) -> Iterator[Request]:
    """[reverse.cc: ReverseV2Prepare]"""
    require_arity(node, 2, 1)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, axis, y)
    require_rank(axis, 1)
    rank = len(x.shape)
    require(rank <= MAX_REVERSE_DIMENSIONS, f"{rank} dimensions; it takes at most {MAX_REVERSE_DIMENSIONS}", x)
    require(rank >= axis.elements, f"{axis.elements} axes for {rank} dimensions", axis)
    require(x.type in REVERSE_TYPES, f"Type '{x.type.name}' is not supported by reverse.", x)
    require(axis.type == TensorType.INT32, f"Axis Type '{axis.type.name}' is not supported by reverse.", axis)
    require_same_type(x, y)


def invoke_reverse(node: Node) -> None:
    """[reverse.cc: ReverseV2Eval] What axes that are computed will say is not known from the file."""
    x, axis = input_at(node, 0), input_at(node, 1)
    if axis.data is None:
        return
    rank = len(x.shape)
    axes = sorted(each + rank if each < 0 else each for each in integers(axis))
    require(all(0 <= each < rank for each in axes), f"axes {integers(axis)} of {rank} dimensions", axis)
    contiguous = all(following == each + 1 for each, following in pairwise(axes))
    require(contiguous, "Non-contiguous `axes` not supported", axis)


REVERSE_TYPES = (
    TensorType.INT32,
    TensorType.FLOAT32,
    TensorType.UINT8,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT64,
    TensorType.BOOL,
)

SPACE_TO_DEPTH = Kernel(prepare=prepare_space_to_depth, parameters=SPACE_TO_DEPTH_PARAMS)
DEPTH_TO_SPACE = Kernel(prepare=prepare_depth_to_space, parameters=DEPTH_TO_SPACE_PARAMS)
SPACE_TO_BATCH_ND = Kernel(
    init=op_data(OP_DATA_SPACE_TO_BATCH, "space_to_batch_nd.cc: SpaceToBatchNDInit"),
    prepare=prepare_batch_nd,
    invoke=switch_on_input("Type {} not supported.", TensorType.FLOAT32, TensorType.INT8),
)
BATCH_TO_SPACE_ND = Kernel(
    prepare=prepare_batch_nd, invoke=switch_on_input("Type {} not supported.", TensorType.FLOAT32, TensorType.INT8)
)
REVERSE_V2 = Kernel(prepare=prepare_reverse, invoke=invoke_reverse)
