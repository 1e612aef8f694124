"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL, ARG_MAX and ARG_MIN.

Sources: tensorflow/lite/micro/kernels/reduce.h, reduce_common.cc, reduce.cc, arg_min_max.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    output_at,
    require_arity,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, FLOAT, INT32, Build, struct
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

REDUCER_PARAMS = struct("TfLiteReducerParams", keep_dims=BOOL)
ARG_MAX_PARAMS = struct("TfLiteArgMaxParams", output_type=ENUM)
ARG_MIN_PARAMS = struct("TfLiteArgMinParams", output_type=ENUM)
OP_DATA_REDUCE = struct(
    "OpDataReduce",
    multiplier=INT32,
    shift=INT32,
    scratch_accumulator_idx=INT32,
    scratch_resolved_axis_idx=INT32,
    scratch_input_iter_idx=INT32,
    input_zp=INT32,
    input_scale=FLOAT,
    output_zp=INT32,
    output_scale=FLOAT,
    num_output_elements=INT32,
    num_axis=INT32,
)


def prepare_simple(node: Node) -> Iterator[Request]:
    """[reduce_common.cc: PrepareSimple]"""
    x = input_at(node, 0)
    yield from temps(x)
    require_arity(node, 2, 1)
    axis = input_at(node, 1)
    yield from temps(axis)
    require_type(axis, TensorType.INT32)
    if x.type == TensorType.INT8:
        yield from temps(output_at(node, 0))


def prepare_min_max(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareMinMaxHelper]"""
    yield from prepare_simple(node)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    yield from walk_buffers(x, axis, "reduce_common.cc: PrepareMinMaxHelper")


def prepare_mean_or_sum(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareMeanOrSumHelper]"""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    if x.type in (TensorType.INT8, TensorType.INT16):
        yield Scratch("scratch_accumulator_idx", 4 * y.elements, "reduce_common.cc: PrepareMeanOrSumHelper")
    yield from walk_buffers(x, axis, "reduce_common.cc: PrepareMeanOrSumHelper")
    yield from prepare_simple(node)


def prepare_all(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareAllHelper]"""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    require_type(x, TensorType.BOOL)
    yield from prepare_simple(node)
    yield from walk_buffers(x, axis, "reduce_common.cc: PrepareAllHelper")


def walk_buffers(x: Tensor, axis: Tensor, source: str) -> Iterator[Request]:
    """What the walk over the input keeps: where it is, and the axes made positive."""
    yield Scratch("scratch_input_iter_idx", 4 * len(x.shape), source)
    yield Scratch("scratch_resolved_axis_idx", 4 * axis.elements, source)


def invoke_min_max(node: Node) -> None:
    """[reduce_common.cc: EvalMinMaxHelper] does not rescale, and says so only here."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_same_type(x, y)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8)
    require(known, "Only float32 and int8 types are supported.", x)
    if x.type == TensorType.INT8:
        same = first_scale(x) == first_scale(y)
        require(same, f"scale {first_scale(y)}; the input's is {first_scale(x)}", y)
        require_zero_point(y, first_zero_point(x))


def invoke_sum(node: Node) -> None:
    """[reduce_common.cc: EvalSumHelper]"""
    x = input_at(node, 0)
    require_same_type(x, output_at(node, 0))
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, "Only float32, int8, and int16 types are supported.", x)


def invoke_all(node: Node) -> None:
    """[reduce_common.cc: EvalAllHelper]"""
    require_same_type(input_at(node, 0), output_at(node, 0))


def invoke_arg(node: Node) -> None:
    """[arg_min_max.cc: Eval] names a type that it does not take."""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    for tensor in (axis, y):
        only = tensor.type == TensorType.INT32
        require(only, f"Only int32_t are supported currently, got {tensor.type.name}.", tensor)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8)
    require(known, f"Only float32, uint8_t and int8_t are supported currently, got {x.type.name}.", x)


REDUCE_INIT = op_data(OP_DATA_REDUCE, "reduce.cc: InitReduce")

MEAN = Kernel(
    init=REDUCE_INIT,
    prepare=prepare_mean_or_sum,
    invoke=switch_on_input(
        "Currently, only float32, int8 or int16 input type is supported.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
    parameters=REDUCER_PARAMS,
)
SUM = Kernel(init=REDUCE_INIT, prepare=prepare_mean_or_sum, invoke=invoke_sum, parameters=REDUCER_PARAMS)
REDUCE_MAX = REDUCE_MIN = Kernel(
    init=REDUCE_INIT, prepare=prepare_min_max, invoke=invoke_min_max, parameters=REDUCER_PARAMS
)
REDUCE_ALL = Kernel(init=REDUCE_INIT, prepare=prepare_all, invoke=invoke_all, parameters=REDUCER_PARAMS)
ARG_MAX = Kernel(invoke=invoke_arg, parameters=ARG_MAX_PARAMS)
ARG_MIN = Kernel(invoke=invoke_arg, parameters=ARG_MIN_PARAMS)
