"""SLICE, STRIDED_SLICE and DYNAMIC_UPDATE_SLICE.

Sources: slice.cc, strided_slice_common.cc, strided_slice.cc, dynamic_update_slice.cc, all in
tensorflow/lite/micro/kernels; strided_slice_logic.h in tensorflow/lite/kernels/internal.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_in_debug,
    require_rank,
    require_same_type,
    require_shape,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, INT8, INT32, UINT16, Build, Repeated, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import StridedSliceOptions

MAX_SLICE_DIMENSIONS = 5  # [slice.cc: kMaxDim]
MAX_STRIDED_DIMENSIONS = 4  # [strided_slice_common.cc: kMaxDim]
INDICES = Repeated(INT32, 5)

STRIDED_SLICE_PARAMS = struct(
    "TfLiteStridedSliceParams",
    begin_mask=INT32,
    end_mask=INT32,
    ellipsis_mask=INT32,
    new_axis_mask=INT32,
    shrink_axis_mask=INT32,
    offset=BOOL,
)
OP_DATA_STRIDED_SLICE = struct(
    "strided_slice:StridedSliceParams",
    start_indices_count=INT8,
    start_indices=INDICES,
    stop_indices_count=INT8,
    stop_indices=INDICES,
    strides_count=INT8,
    strides=INDICES,
    begin_mask=UINT16,
    ellipsis_mask=UINT16,
    end_mask=UINT16,
    new_axis_mask=UINT16,
    shrink_axis_mask=UINT16,
    offset=BOOL,
)


def prepare_slice(node: Node, build: Build) -> Iterator[Request]:
    """[slice.cc: SlicePrepare] asserts rather than reports."""
    require_arity(node, 3, 1)
    x, begin, size, y = input_at(node, 0), input_at(node, 1), input_at(node, 2), output_at(node, 0)
    yield from temps(x, begin, size, y)
    index_types = (begin.type, size.type)
    same_int = index_types in {(TensorType.INT32,) * 2, (TensorType.INT64,) * 2}
    ranks = (len(begin.shape), len(size.shape))
    dims = len(x.shape)
    require_in_debug(build, x.type == y.type, f"type {y.type.name}; the input's is {x.type.name}", y)
    require_in_debug(build, same_int, f"types {begin.type.name} and {size.type.name} of begin and size", begin)
    require_in_debug(build, ranks == (1, 1), f"{ranks} dimensions of begin and size", begin)
    require_in_debug(build, begin.elements == size.elements, f"{size.elements} sizes, {begin.elements} begins", size)
    require_in_debug(build, dims <= MAX_SLICE_DIMENSIONS, f"{dims} dimensions; at most {MAX_SLICE_DIMENSIONS}", x)


def prepare_strided_slice(node: Node, build: Build) -> Iterator[Request]:
    """[strided_slice_common.cc: StridedSlicePrepare]"""
    require_arity(node, 4, 1)
    x, begin, end, strides = (input_at(node, position) for position in range(4))
    y = output_at(node, 0)
    yield from temps(x, begin, end, strides, y)
    require(len(x.shape) <= MAX_STRIDED_DIMENSIONS, "input dim should not exceed 4", x)
    require_constant(begin, "begin")
    require_constant(end, "end")
    require_constant(strides, "strides")
    require_shape(y, strided_sizes(node, x.shape, indices(begin, x), indices(end, x), indices(strides, x)))


def indices(tensor: Tensor, x: Tensor) -> tuple[int, ...]:
    """One index for each dimension of `x`, read as int32 whatever the tensor says it is."""
    require(tensor.elements >= len(x.shape), f"{tensor.elements} indices for {len(x.shape)} dimensions", tensor)
    return integers(tensor, read_as=TensorType.INT32)


def strided_sizes(
    node: Node, shape: tuple[int, ...], begin: tuple[int, ...], end: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[int, ...]:
    """The output's shape; ellipsis, new axes and offset are ignored [strided_slice_common.cc: CheckOutputSize]."""
    options = options_of(node, StridedSliceOptions)
    sizes = []
    for axis, size in enumerate(shape):
        bit = 1 << axis
        stride = strides[axis]
        require(stride != 0, "stride value has to be non-zero")
        first = clamped(None if options.begin_mask & bit else begin[axis], size, stride, at_end=stride < 0)
        last = clamped(None if options.end_mask & bit else end[axis], size, stride, at_end=stride > 0)
        if not options.shrink_axis_mask & bit:
            sizes.append(max(0, -((first - last) // stride)))
    return tuple(sizes)


def clamped(index: int | None, size: int, stride: int, at_end: bool) -> int:
    """Where the slice begins or ends along an axis, None being its far end in that direction.

    [strided_slice_logic.h: StartForAxis, StopForAxis]
    """
    lowest, highest = (0, size) if stride > 0 else (-1, size - 1)
    if size == 0:
        return 0
    if index is None:
        return highest if at_end else lowest
    return min(max(index + size if index < 0 else index, lowest), highest)


def invoke_slice(node: Node) -> None:
    """[slice.cc: SliceEval] A begin that is no int is what only release builds get this far with."""
    x, begin = input_at(node, 0), input_at(node, 1)
    require(
        begin.type in (TensorType.INT32, TensorType.INT64), f"Begin tensor type {begin.type.name} not supported.", begin
    )
    require(x.type in SLICE_TYPES, f"Input tensor type {x.type.name} not supported.", x)


def invoke_strided_slice(node: Node) -> None:
    """[strided_slice.cc: StridedSliceEval] goes by the output's type, and names the input's."""
    y = output_at(node, 0)
    require(y.type in SLICE_TYPES, f"Type {input_at(node, 0).type.name} not supported.", y)


def prepare_dynamic_update_slice(node: Node, build: Build) -> Iterator[Request]:
    """[dynamic_update_slice.cc: Prepare]"""
    require_arity(node, 3, 1)
    operand, update, start, y = input_at(node, 0), input_at(node, 1), input_at(node, 2), output_at(node, 0)
    yield from temps(operand, update, start, y)
    require_same_type(operand, update)
    require_type(start, TensorType.INT32, TensorType.INT64)
    require_shape(start, (len(operand.shape),))
    require_rank(update, len(operand.shape))
    require(
        all(part <= whole for part, whole in zip(update.shape, operand.shape, strict=True)),
        f"shape {update.shape} is larger than the operand's {operand.shape}",
        update,
    )


SLICE_TYPES = (TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16, TensorType.BOOL)

SLICE = Kernel(prepare=prepare_slice, invoke=invoke_slice)
STRIDED_SLICE = Kernel(
    init=op_data(OP_DATA_STRIDED_SLICE, "strided_slice_common.cc: StridedSliceInit"),
    prepare=prepare_strided_slice,
    invoke=invoke_strided_slice,
    parameters=STRIDED_SLICE_PARAMS,
)
DYNAMIC_UPDATE_SLICE = Kernel(
    prepare=prepare_dynamic_update_slice,
    invoke=switch_on_input(
        "DYNAMIC_UPDATE_SLICE: Operand type {} not supported.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
    ),
)
