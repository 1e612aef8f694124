"""PAD, PADV2 and MIRROR_PAD.

Sources: pad_common.cc, pad.cc, pad.h, mirror_pad.cc, all in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    integers,
    output_at,
    require_constant,
    require_rank,
    require_same_type,
    require_shape,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.kernel import Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT8, INT32, UINT8, Build, Repeated, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

MAX_DIMENSIONS = 5  # [reference/pad.h: PadKernelMaxDimensionCount]

OP_DATA_PAD = struct(
    "pad:OpData",
    params=struct(
        "PadParams",
        left_padding_count=INT8,
        left_padding=Repeated(INT32, MAX_DIMENSIONS),
        right_padding_count=INT8,
        right_padding=Repeated(INT32, MAX_DIMENSIONS),
        resizing_category=UINT8,  # an enum class that states its width
    ),
    output_zero_point=INT32,
)
MIRROR_PAD_PARAMS = struct("TfLiteMirrorPaddingParams", mode=ENUM)
OP_DATA_MIRROR_PAD = struct(
    "mirror_pad:OpDataMirrorPad",
    input_dims=INT32,
    output_size=INT32,
    offset=INT32,
    output_dims_num_elements_buffer_index=INT32,
    input_dims_num_elements_buffer_index=INT32,
)


def prepare_pad(node: Node, build: Build) -> Iterator[Request]:
    """[pad_common.cc: PadPrepare] PAD and PADV2 are one kernel: a third input is the value to pad with."""
    require(len(node.inputs) in (2, 3), f"{len(node.inputs)} inputs; it takes 2 or 3")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    x, paddings, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    value = node.inputs[2] if len(node.inputs) == 3 else None
    yield from temps(x, paddings, value, y)
    require_same_type(x, y)
    require(len(x.shape) <= MAX_DIMENSIONS, f"{len(x.shape)} dimensions; it takes at most {MAX_DIMENSIONS}", x)
    if value is not None:
        require_same_type(x, value)
        require(value.elements == 1, f"{value.elements} elements; it takes 1", value)
    require_padded(x, paddings, y)
    if x.type == TensorType.INT8:
        require_value(value, y)


def require_padded(x: Tensor, paddings: Tensor, y: Tensor) -> None:
    """The output's shape is the input's with (before, after) added along each axis."""
    rank = len(y.shape)
    require(paddings.elements == 2 * rank, f"{paddings.elements} paddings for {rank} dimensions", paddings)
    require_constant(paddings, "paddings")
    require(len(x.shape) == rank, f"{rank} dimensions; the input has {len(x.shape)}", y)
    amounts = integers(paddings, read_as=TensorType.INT32)
    expected = tuple(
        size + before + after for size, before, after in zip(x.shape, amounts[::2], amounts[1::2], strict=True)
    )
    require_shape(y, expected)


def require_value(value: Tensor | None, y: Tensor) -> None:
    """What int8 is padded with: the output's zero point, or a value on the output's scale."""
    zero_point = first_zero_point(y)
    if value is None:
        require(-128 <= zero_point <= 127, f"zero point {zero_point} is no int8", y)
        return
    found, expected = (first_scale(value), first_zero_point(value)), (first_scale(y), zero_point)
    require(found == expected, f"scale and zero point {found} differ from the output's {expected}", value)


def prepare_mirror_pad(node: Node, build: Build) -> Iterator[Request]:
    """[mirror_pad.cc: MirrorPadPrepare]"""
    x, paddings, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, paddings, y)
    rank = len(x.shape)
    require_rank(paddings, 2)
    require(paddings.shape[0] == rank, f"{paddings.shape[0]} paddings for {rank} dimensions", paddings)
    yield Scratch("output_dims_num_elements_buffer_index", 4 * rank, "mirror_pad.cc: MirrorPadPrepare")
    yield Scratch("input_dims_num_elements_buffer_index", 4 * rank, "mirror_pad.cc: MirrorPadPrepare")


PAD = PADV2 = Kernel(
    init=op_data(OP_DATA_PAD, "pad_common.cc: PadInit"),
    prepare=prepare_pad,
    invoke=switch_on_input(
        "Type {} not currently supported by Pad.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
    ),
)
MIRROR_PAD = Kernel(
    init=op_data(OP_DATA_MIRROR_PAD, "mirror_pad.cc: MirrorPadInit"),
    prepare=prepare_mirror_pad,
    invoke=switch_on_output("type {} is not supported", TensorType.FLOAT32, TensorType.INT8),
    parameters=MIRROR_PAD_PARAMS,
)
