"""CONCATENATION, PACK, UNPACK, SPLIT and SPLIT_V.

Sources: concatenation.cc, pack.cc, unpack.cc, split.cc, split_v.cc, all in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    in_compression_builds,
    input_at,
    integers,
    options_of,
    output_at,
    require_constant,
    require_same_type,
    require_type,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.kernel import Decompressed, Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT32, POINTER, Build, Repeated, struct
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ConcatenationOptions

MAX_INPUTS = 10  # of CONCATENATION [concatenation.cc: kMaxInputNum]
MAX_DIMENSIONS = 6  # [runtime_shape.h: kMaxSmallSize]

CONCATENATION_PARAMS = struct("TfLiteConcatenationParams", axis=INT32, activation=ENUM)
PACK_PARAMS = struct("TfLitePackParams", values_count=INT32, axis=INT32)
UNPACK_PARAMS = struct("TfLiteUnpackParams", num=INT32, axis=INT32)
SPLIT_PARAMS = struct("TfLiteSplitParams", num_splits=INT32)
SPLIT_V_PARAMS = struct("TfLiteSplitVParams", num_splits=INT32)
OP_DATA_CONCATENATION = struct(
    "concatenation:OpData",
    params=struct(
        "ConcatenationParams",
        axis=INT32,
        input_zeropoint=POINTER,
        input_scale=POINTER,
        inputs_count=INT32,
        output_zeropoint=INT32,
        output_scale=FLOAT,
    ),
    scratch_indices=in_compression_builds(Repeated(INT32, MAX_INPUTS)),
)


def prepare_concatenation(node: Node, build: Build) -> Iterator[Request]:
    """[concatenation.cc: ConcatenationPrepare] looks at the first input twice."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    activation = options_of(node, ConcatenationOptions).fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it takes NONE")
    require_type(x, *CONCATENATION_TYPES)
    require_same_type(x, y)
    require(len(node.inputs) <= MAX_INPUTS, f"{len(node.inputs)} inputs; it takes at most {MAX_INPUTS}")
    for position in range(len(node.inputs)):
        each = input_at(node, position)
        yield from temps(each)
        require_same_type(x, each)
        require_concatenable(each, y)
        yield Decompressed("scratch_indices", each, "concatenation.cc: ConcatenationPrepare")
    if x.type == TensorType.INT16:
        require_zero_point(y, 0)


def require_concatenable(x: Tensor, y: Tensor) -> None:
    """An input that can be copied as it is."""
    require(
        len(x.shape) <= MAX_DIMENSIONS,
        f"Op Concatenation does not currently support num dimensions > {MAX_DIMENSIONS} "
        f"Tensor has {len(x.shape)} dimensions.",
        x,
    )
    if x.type == TensorType.INT8:
        found, expected = (first_scale(x), first_zero_point(x)), (first_scale(y), first_zero_point(y))
        require(found == expected, f"scale and zero point {found} differ from the output's {expected}", x)
    elif x.type == TensorType.INT16:
        require_zero_point(x, 0)


def prepare_split(node: Node, build: Build) -> Iterator[Request]:
    """[split.cc: SplitPrepare]"""
    axis = input_at(node, 0)
    yield from temps(axis)
    require_constant(axis, "axis")


def prepare_split_v(node: Node, build: Build) -> Iterator[Request]:
    """[split_v.cc: SplitVPrepare]"""
    require(len(node.inputs) == 3, f"{len(node.inputs)} inputs; it takes 3")
    axis = input_at(node, 2)
    yield from temps(axis)
    require_constant(axis, "axis")


def invoke_split(node: Node) -> None:
    """[split.cc: SplitEval]"""
    require_splittable(input_at(node, 1), input_at(node, 0))


def invoke_split_v(node: Node) -> None:
    """[split_v.cc: SplitVEval]"""
    require_splittable(input_at(node, 0), input_at(node, 2))


def require_splittable(x: Tensor, axis: Tensor) -> None:
    """An axis of the input, and a type that the kernel can copy."""
    (at, *_), rank = integers(axis, read_as=TensorType.INT32), len(x.shape)
    require(-rank <= at < rank, f"axis {at} is out of range for {rank} dimensions", axis)
    require(x.type in SPLIT_TYPES, f"Type {x.type.name} currently not supported.", x)


SPLIT_TYPES = UNPACK_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32)
PACK_TYPES = (*UNPACK_TYPES, TensorType.INT64)
CONCATENATION_TYPES = (*PACK_TYPES, TensorType.BOOL)

CONCATENATION = Kernel(
    init=op_data(OP_DATA_CONCATENATION, "concatenation.cc: ConcatenationInit"),
    prepare=prepare_concatenation,
    parameters=CONCATENATION_PARAMS,
)
PACK = Kernel(invoke=switch_on_output("Type '{}' is not supported by pack.", *PACK_TYPES), parameters=PACK_PARAMS)
UNPACK = Kernel(
    invoke=switch_on_input("Type '{}' is not supported by unpack.", *UNPACK_TYPES), parameters=UNPACK_PARAMS
)
SPLIT = Kernel(prepare=prepare_split, invoke=invoke_split, parameters=SPLIT_PARAMS)
SPLIT_V = Kernel(prepare=prepare_split_v, invoke=invoke_split_v, parameters=SPLIT_V_PARAMS)
