"""SVDF.

Sources: svdf.cc, svdf_common.cc, svdf.h, all in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_rank,
    require_shape,
    require_type,
)
from refinfer.kernels.kernel import Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import SVDFOptions

INPUT, FEATURE, TIME, BIAS, STATE = range(5)

SVDF_PARAMS = struct("TfLiteSVDFParams", rank=INT32, activation=ENUM, asymmetric_quantize_inputs=BOOL)
OP_DATA_SVDF = struct(
    "svdf:OpDataSvdf",
    effective_scale_1_a=INT32,
    effective_scale_2_a=INT32,
    effective_scale_1_b=INT32,
    effective_scale_2_b=INT32,
    scratch_tensor_index=INT32,
    scratch_output_tensor_index=INT32,
    input_zero_point=INT32,
    output_zero_point=INT32,
    activation_state_zero_point=INT32,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[svdf_common.cc: PrepareSvdf]"""
    x, feature, time = input_at(node, INPUT), input_at(node, FEATURE), input_at(node, TIME)
    bias, state = optional_input(node, BIAS), input_at(node, STATE)
    yield from temps(x, feature, time, bias, state)
    require_type(x, TensorType.FLOAT32, TensorType.INT8)
    for tensor in (x, feature, time):
        require_rank(tensor, 2)
    batches, filters = x.shape[0], feature.shape[0]
    rank = options_of(node, SVDFOptions).rank
    require(rank > 0 and filters % rank == 0, f"{filters} filters are not made of {rank} ranks", feature)
    units = filters // rank
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    y = output_at(node, 0)
    yield from temps(y)
    require_shape(y, (batches, units))
    require_shape(feature, (filters, x.shape[1]))
    require_shape(time, (filters, time.shape[1]))
    if bias is not None:
        require(bias.shape[:1] == (units,), f"shape {bias.shape}; ({units},) was expected", bias)
    require_shape(state, (batches, time.shape[1] * filters))
    require(state.is_variable, "the state is not a variable tensor", state)
    require(len(node.inputs) == 5, f"{len(node.inputs)} inputs; it takes 5")
    require_types(node)
    yield Scratch("scratch_tensor_index", 4 * batches * filters, "svdf_common.cc: PrepareSvdf")
    if x.type == TensorType.INT8:
        yield Scratch("scratch_output_tensor_index", 4 * batches * units, "svdf_common.cc: PrepareSvdf")


def require_types(node: Node) -> None:
    """All float32, or int8 with int8 or int16 in time."""
    feature, time, bias, state = (optional_input(node, position) for position in (FEATURE, TIME, BIAS, STATE))
    assert feature is not None
    assert time is not None
    assert state is not None
    quantized = input_at(node, INPUT).type == TensorType.INT8
    within_time = (TensorType.INT16, TensorType.INT8) if quantized else (TensorType.FLOAT32,)
    require_type(feature, TensorType.INT8 if quantized else TensorType.FLOAT32)
    require_type(time, *within_time)
    require_type(state, *within_time)
    if bias is not None:
        require_type(bias, TensorType.INT32 if quantized else TensorType.FLOAT32)
    require_type(output_at(node, 0), TensorType.INT8 if quantized else TensorType.FLOAT32)
    if quantized:
        require(bias is not None, f"input {BIAS} is missing")
        assert bias is not None
        found, expected = first_scale(bias), first_scale(state) * first_scale(time)
        require(abs(found - expected) < 1e-5, f"scale {found}; {expected} was expected", bias)


SVDF = Kernel(
    init=op_data(OP_DATA_SVDF, "svdf.cc: InitSvdf"),
    prepare=prepare,
    parameters=SVDF_PARAMS,
)
