"""SPACE_TO_DEPTH, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND, REVERSE_V2 and REVERSE_SEQUENCE.

Sources: space_to_depth.cc, depth_to_space.cc, space_to_batch_nd.cc, batch_to_space_nd.cc, reverse.cc, all in
tensorflow/lite/micro/kernels; of the arithmetic also the files of these names and reverse_sequence.cc in
tensorflow/lite/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    first_zero_point,
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
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, like_input
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED, Values, axis_of, keeping_scales, numbers, shape_by_values
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import DepthToSpaceOptions, ReverseSequenceOptions, SpaceToDepthOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

BATCH_ND_DIMENSIONS = range(3, 5)  # [space_to_batch_nd.cc: kInputOutputMinDimensionNum, kInputOutputMaxDimensionNum]
MAX_REVERSE_DIMENSIONS = 6  # [runtime_shape.h: kMaxSmallSize]
MAX_DIMENSIONS = 8  # of what LiteRT reverses

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


def fold_space_to_depth(node: Node, host: Host) -> Evaluate:
    """y[b, i, j, (di, dj, c)] = x[b, i * block + di, j * block + dj, c]"""
    require_same_type(*block_tensors(node))
    block = options_of(node, SpaceToDepthOptions).block_size

    def evaluate(x: Array) -> tuple[Array, ...]:
        ((batch, height, width, depth),) = shape_of_space_to_depth(node, [x.shape])
        blocks = x.reshape(batch, height, block, width, block, x.shape[3])
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height, width, depth),)

    return evaluate


def shape_of_space_to_depth(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Blocks become channels."""
    batch, height, width, depth = four_of(shapes[0])
    block = options_of(node, SpaceToDepthOptions).block_size
    require(block > 0, f"block_size {block} is not positive")
    require(height % block == width % block == 0, f"{height}x{width} is not made of blocks of {block}")
    return [(batch, height // block, width // block, depth * block * block)]


def fold_depth_to_space(node: Node, host: Host) -> Evaluate:
    """y[b, i * block + di, j * block + dj, c] = x[b, i, j, (di, dj, c)]"""
    require_same_type(*block_tensors(node))
    block = options_of(node, DepthToSpaceOptions).block_size

    def evaluate(x: Array) -> tuple[Array, ...]:
        (shape,) = shape_of_depth_to_space(node, [x.shape])
        blocks = x.reshape(*x.shape[:3], block, block, shape[3])
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(shape),)

    return evaluate


def shape_of_depth_to_space(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Channels become blocks."""
    batch, height, width, depth = four_of(shapes[0])
    block = options_of(node, DepthToSpaceOptions).block_size
    require(block > 0, f"block_size {block} is not positive")
    require(depth % (block * block) == 0, f"depth {depth} is not made of blocks of {block}x{block}")
    return [(batch, height * block, width * block, depth // (block * block))]


def four_of(shape: Shape) -> Shape:
    """The sizes of a picture: batch, height, width and depth."""
    require(len(shape) == 4, f"{len(shape)} dimensions; it takes 4")
    return shape


def fold_space_to_batch_nd(node: Node, host: Host) -> Evaluate:
    """With a border of zeros: the zero point, in types of a byte."""
    y = output_at(node, 0)
    return blocks_to_batches(node, first_zero_point(y) if y.type in (TensorType.INT8, TensorType.UINT8) else 0)


def fold_space_to_batch_nd_with_zeros(node: Node, host: Host) -> Evaluate:
    """With a border of zeros whatever the zero point is: nobody tells the kernel, which finds 0 in a fresh arena."""
    return blocks_to_batches(node, 0)


def blocks_to_batches(node: Node, zero: int) -> Evaluate:
    """y[(di, dj, b), i, j, c] = padded x[b, i * block + di, j * block + dj, c]"""
    require_batch_nd(node)

    def evaluate(x: Array, block_shape: Array, paddings: Array) -> tuple[Array, ...]:
        block, border = numbers(block_shape), numbers(paddings)
        shape = batched(x.shape, block, border)
        pairs = ((0, 0), *zip(border[::2], border[1::2], strict=True), (0, 0))
        padded = np.pad(x, pairs, constant_values=zero)
        space = [size for pair in zip(shape[1:-1], block, strict=True) for size in pair]
        blocks = padded.reshape(x.shape[0], *space, x.shape[-1])
        outer, inner = range(1, 2 * len(block), 2), range(2, 2 * len(block) + 1, 2)
        return (blocks.transpose(*inner, 0, *outer, blocks.ndim - 1).reshape(shape),)

    return evaluate


def batched(shape: Shape, block: Values, paddings: Values) -> Shape:
    """Every position in a block becomes a batch."""
    require_blocked(shape, block, paddings)
    require(min(paddings) >= 0, f"negative paddings {paddings}")
    sizes = [size + a + b for size, a, b in zip(shape[1:], paddings[::2], paddings[1::2], strict=False)]
    whole = all(size % each == 0 for size, each in zip(sizes, block, strict=True))
    require(whole, f"{sizes} is not made of blocks of {block}")
    space = (size // each for size, each in zip(sizes, block, strict=True))
    return (shape[0] * prod(block), *space, shape[-1])


def fold_batch_to_space_nd(node: Node, host: Host) -> Evaluate:
    """cropped y[b, i * block + di, j * block + dj, c] = x[(di, dj, b), i, j, c]"""
    require_batch_nd(node)

    def evaluate(x: Array, block_shape: Array, crops: Array) -> tuple[Array, ...]:
        block, cut = numbers(block_shape), numbers(crops)
        shape = unbatched(x.shape, block, cut)
        blocks = x.reshape(*block, *shape[:1], *x.shape[1:])
        count = len(block)
        space = [axis for pair in zip(range(count + 1, 2 * count + 1), range(count), strict=True) for axis in pair]
        whole = blocks.transpose(count, *space, blocks.ndim - 1)
        sizes = (size * each for size, each in zip(x.shape[1:-1], block, strict=True))
        whole = whole.reshape(shape[0], *sizes, x.shape[-1])
        kept = [slice(at, at + size) for at, size in zip(cut[::2], shape[1:-1], strict=True)]
        return (whole[(slice(None), *kept)],)

    return evaluate


def unbatched(shape: Shape, block: Values, crops: Values) -> Shape:
    """As many batches as a block has positions become one."""
    require_blocked(shape, block, crops)
    require(min(crops) >= 0, f"negative crops {crops}")
    require(shape[0] % prod(block) == 0, f"{shape[0]} batches are not made of blocks of {block}")
    sizes = zip(shape[1:], block, crops[::2], crops[1::2], strict=False)
    space = [size * each - a - b for size, each, a, b in sizes]
    require(min(space) >= 0, f"crops {crops} are larger than {shape[1:-1]} in blocks of {block}")
    return (shape[0] // prod(block), *space, shape[-1])


def require_batch_nd(node: Node) -> None:
    """Blocks and borders in int32."""
    require_arity(node, 3, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    for position, rank in ((1, 1), (2, 2)):
        require_type(input_at(node, position), TensorType.INT32)
        require_rank(input_at(node, position), rank)


def require_blocked(shape: Shape, block: Values, borders: Values) -> None:
    """One or two dimensions of space, a block and two borders for each."""
    require(len(shape) in BATCH_ND_DIMENSIONS, f"{len(shape)} dimensions; it takes 3 or 4")
    fits = len(block) == len(shape) - 2 and len(borders) == 2 * len(block) and min(block) > 0
    require(fits, f"blocks of {block} and borders of {borders} for {shape}")


def fold_reverse(node: Node, host: Host) -> Evaluate:
    """The other way round along some axes, which must lie side by side."""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), TensorType.INT32)
    require_rank(input_at(node, 1), 1)

    def evaluate(x: Array, axis: Array) -> tuple[Array, ...]:
        require(x.ndim <= MAX_DIMENSIONS, f"{x.ndim} dimensions; up to {MAX_DIMENSIONS}")
        axes = sorted(axis_of(each, x.ndim) for each in numbers(axis))
        contiguous = all(following == each + 1 for each, following in pairwise(axes))
        require(contiguous, f"axes {numbers(axis)} do not lie side by side")
        return (np.flip(x, tuple(axes)),)

    return evaluate


def fold_reverse_sequence(node: Node, host: Host) -> Evaluate:
    """The first values along seq_dim the other way round: as many as the second input says for each batch."""
    require_arity(node, 2, 1)
    require_same_type(input_at(node, 0), output_at(node, 0))
    require_type(input_at(node, 1), TensorType.INT32, TensorType.INT64)
    require_rank(input_at(node, 1), 1)
    options = options_of(node, ReverseSequenceOptions)
    sequence, batch = options.seq_dim, options.batch_dim

    def evaluate(x: Array, lengths: Array) -> tuple[Array, ...]:
        fits = min(sequence, batch) >= 0 and sequence != batch and max(sequence, batch) < x.ndim
        require(fits, f"seq_dim {sequence} and batch_dim {batch} of {x.ndim} dimensions")
        require(lengths.size == x.shape[batch], f"{lengths.size} lengths for {x.shape[batch]} batches")
        size = x.shape[sequence]
        require(bool(np.all((lengths >= 0) & (lengths <= size))), f"a length is not within 0 and {size}")
        step = np.arange(size)[:, None]
        places = np.where(step < lengths, lengths - 1 - step, step).astype(np.int64)  # [step, batch]
        places = places if sequence < batch else places.T
        shape = [size if axis in (sequence, batch) else 1 for axis, size in enumerate(x.shape)]
        return (np.take_along_axis(x, places.reshape(shape), sequence),)

    return evaluate


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

BLOCK_TYPES = frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT32, TensorType.INT64})
SEQUENCE_TYPES = frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT16, TensorType.INT32, TensorType.INT64})

COMPUTE_SPACE_TO_DEPTH = Compute(fold=fold_space_to_depth, shape=shape_of_space_to_depth, types=BLOCK_TYPES, version=2)
COMPUTE_DEPTH_TO_SPACE = Compute(fold=fold_depth_to_space, shape=shape_of_depth_to_space, types=BLOCK_TYPES, version=1)
COMPUTE_SPACE_TO_BATCH_ND = Compute(
    fold=fold_space_to_batch_nd, shape=shape_by_values(batched, 1, 2), types=SIZED, version=4
)
COMPUTE_SPACE_TO_BATCH_ND_KEEPING_SCALES = keeping_scales(COMPUTE_SPACE_TO_BATCH_ND)
COMPUTE_SPACE_TO_BATCH_ND_WITH_ZEROS = replace(COMPUTE_SPACE_TO_BATCH_ND, fold=fold_space_to_batch_nd_with_zeros)
COMPUTE_BATCH_TO_SPACE_ND = Compute(
    fold=fold_batch_to_space_nd, shape=shape_by_values(unbatched, 1, 2), types=SIZED, version=4
)
COMPUTE_BATCH_TO_SPACE_ND_KEEPING_SCALES = keeping_scales(COMPUTE_BATCH_TO_SPACE_ND)
COMPUTE_REVERSE_V2 = Compute(
    fold=fold_reverse, shape=like_input, types=frozenset({*REVERSE_TYPES, TensorType.FLOAT16}), version=4
)
COMPUTE_REVERSE_SEQUENCE = Compute(fold=fold_reverse_sequence, shape=like_input, types=SEQUENCE_TYPES, version=1)
