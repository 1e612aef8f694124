"""Other types for the same values: QUANTIZE, DEQUANTIZE and CAST.

Sources: tensorflow/lite/micro/kernels/quantize.h, quantize_common.cc, quantize.cc, dequantize.h, dequantize_common.cc,
dequantize.cc, cast.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import input_at, output_at, require_affine, require_arity, require_type
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import DOUBLE, ENUM, INT32, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

CAST_PARAMS = struct("TfLiteCastParams", in_data_type=ENUM, out_data_type=ENUM)
QUANTIZATION_PARAMS = struct("QuantizationParams", zero_point=INT32, scale=DOUBLE)
DEQUANTIZATION_PARAMS = struct("DequantizationParams", scale=DOUBLE, zero_point=INT32)
OP_DATA_QUANTIZE = struct(
    "OpDataQuantizeReference",
    quantization_params=QUANTIZATION_PARAMS,
    requantize_output_multiplier=INT32,
    requantize_output_shift=INT32,
    input_zero_point=INT32,
)
OP_DATA_DEQUANTIZE = struct(
    "DequantizeOpData",
    quantization_params=DEQUANTIZATION_PARAMS,
    output_multiplier=INT32,
    output_shift=INT32,
    output_zero_point=INT32,
)


def prepare_quantize(node: Node, build: Build) -> Iterator[Request]:
    """[quantize_common.cc: PrepareQuantizeReference]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_affine(y)
    assert y.quantization is not None
    require(len(y.quantization.scale) == 1, f"{len(y.quantization.scale)} scales; it takes 1", y)
    require_type(x, *QUANTIZE_TYPES)
    require_type(y, TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.UINT8)


def invoke_quantize(node: Node) -> None:
    """[quantize_common.cc: EvalQuantizeReference]"""
    x, y = input_at(node, 0), output_at(node, 0)
    known = y.type in QUANTIZE_TYPES[x.type]
    require(known, f"Input {x.type.name}, output {y.type.name} not supported.", y)


def prepare_dequantize(node: Node, build: Build) -> Iterator[Request]:
    """[dequantize_common.cc: DequantizePrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_type(x, TensorType.INT8, TensorType.INT16, TensorType.UINT8)
    require_type(y, TensorType.FLOAT32)


def prepare_cast(node: Node, build: Build) -> Iterator[Request]:
    """[cast.cc: CastPrepare]"""
    require_arity(node, 1, 1)
    yield from temps(input_at(node, 0), output_at(node, 0))


def invoke_cast(node: Node) -> None:
    """[cast.cc: CastEval] can read a bool, but not write one."""
    x, y = input_at(node, 0), output_at(node, 0)
    require(x.type in (*CAST_TYPES, TensorType.BOOL), f"Input type {x.type.name} not supported.", x)
    require(y.type in CAST_TYPES, f"Output type {y.type.name} not supported.", y)


QUANTIZE_TYPES = {
    TensorType.FLOAT32: (TensorType.INT8, TensorType.INT16),
    TensorType.INT32: (TensorType.INT8, TensorType.INT16),
    TensorType.INT16: (TensorType.INT8, TensorType.INT16, TensorType.INT32),
    TensorType.INT8: (TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.INT32),
    TensorType.UINT8: (TensorType.INT8,),
}
CAST_TYPES = (TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.UINT32, TensorType.FLOAT32)

QUANTIZE = Kernel(
    init=op_data(OP_DATA_QUANTIZE, "quantize.cc: InitQuantizeReference"),
    prepare=prepare_quantize,
    invoke=invoke_quantize,
)
DEQUANTIZE = Kernel(
    init=op_data(OP_DATA_DEQUANTIZE, "dequantize.cc: DequantizeInit"),
    prepare=prepare_dequantize,
)
CAST = Kernel(prepare=prepare_cast, invoke=invoke_cast, parameters=CAST_PARAMS)
