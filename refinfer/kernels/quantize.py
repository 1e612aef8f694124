"""Other types for the same values: QUANTIZE, DEQUANTIZE, FAKE_QUANT and CAST.

Sources: tensorflow/lite/micro/kernels/quantize.h, quantize_common.cc, quantize.cc, dequantize.h, dequantize_common.cc,
dequantize.cc, cast.cc; of the arithmetic also the files of these names and fake_quant.cc in tflite/kernels and
tflite/kernels/internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from refinfer.kernels.arithmetic.fixedpoint import (
    quantize_multiplier,
    round_away,
    scale_twice,
    to_int32,
    wrap_int32,
)
from refinfer.kernels.arithmetic.lookup import number_by_number
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, dtype_of, like_input
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import DOUBLE, ENUM, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import ratio
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import FakeQuantOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

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


def fold_quantize(node: Node, host: Host) -> Evaluate:
    """From floats, or from integers of another scale."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    require_affine(y)
    require_type(y, *REQUANTIZED[x.type])
    return fold_from_float(y) if x.type == TensorType.FLOAT32 else fold_requantize(x, y)


def fold_from_float(y: Tensor) -> Evaluate:
    """y = clamp(round(x / scale) + zero_point), ties away from zero, divided as floats, perhaps for each channel

    [quantize.h: AffineQuantize, PerChannelQuantize]
    """
    scales, zero_points = along_axis(y)
    low, high = limits_of(y)
    scales = scales.astype(np.float32)

    def evaluate(x: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            steps = to_int32(round_away(x / scales))
        return (np.clip(wrap_int32(steps + zero_points), low, high).astype(dtype_of(y.type)),)

    return evaluate


def fold_requantize(x: Tensor, y: Tensor) -> Evaluate:
    """y = clamp(scale(x - zero_point) + output zero point) [requantize.h: Requantize]"""
    if x.type == y.type == TensorType.INT16:
        for tensor in (x, y):
            require(first_zero_point(tensor) == 0, f"zero point {first_zero_point(tensor)} of INT16", tensor)
    multiplier, shift = quantize_multiplier(ratio(first_scale(x), first_scale(y)))
    zero_point, offset = first_zero_point(x), first_zero_point(y)
    low, high = limits_of(y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        scaled = scale_twice(wrap_int32(values.astype(np.int64) - zero_point), multiplier, shift)
        return (np.clip(wrap_int32(scaled + offset), low, high).astype(dtype_of(y.type)),)

    return number_by_number(evaluate, x)


def limits_of(tensor: Tensor) -> tuple[int, int]:
    """The least and the largest integer of the type."""
    if tensor.type == TensorType.INT4:
        return -8, 7
    limits = np.iinfo(dtype_of(tensor.type))
    return limits.min, limits.max


def along_axis(tensor: Tensor) -> tuple[Array, Array]:
    """The scales and zero points, in a shape that stretches to the tensor's; one zero point may serve all."""
    assert tensor.quantization is not None
    scales = np.array(tensor.quantization.scale, np.float64)
    zero_points = np.array(tensor.quantization.zero_point, np.int64)
    if len(scales) == 1:
        return scales[0], zero_points[0]
    axis = tensor.quantization.quantized_dimension
    require(0 <= axis < len(tensor.shape), f"scales along dimension {axis} of {tensor.shape}", tensor)
    shape = tuple(-1 if position == axis else 1 for position in range(len(tensor.shape)))
    if len(zero_points) != len(scales):
        zero_points = np.full(scales.shape, zero_points[0])
    return scales.reshape(shape), zero_points.reshape(shape)


def fold_dequantize(node: Node, host: Host) -> Evaluate:
    """y = scale * (x - zero_point), rounded once to float, perhaps for each channel; halves become floats

    [dequantize.h: Dequantize, PerChannelDequantize]
    """
    require_arity(node, 1, 1)
    x = input_at(node, 0)
    require_type(output_at(node, 0), TensorType.FLOAT32)
    if x.type == TensorType.FLOAT16:
        return lambda values: (values.astype(np.float32),)
    require_affine(x)
    scales, zero_points = along_axis(x)
    require(x.type != TensorType.INT16 or scales.ndim == 0, "INT16 may have one scale only", x)
    return lambda values: ((scales * (values.astype(np.int64) - zero_points)).astype(np.float32),)


def fold_fake_quant(node: Node, host: Host) -> Evaluate:
    """y = round((clamp(x) - low) * (1 / step)) * step + low, in float, where low and high lie so that 0 is a step

    NaN becomes the least. [quantization_util.cc: NudgeQuantizationRange, FakeQuantizeArray]
    """
    require_arity(node, 1, 1)
    options = options_of(node, FakeQuantOptions)
    require(not options.narrow_range, "narrow_range is not supported")
    most = np.float32(2**options.num_bits - 1)
    first, last = np.float32(options.min), np.float32(options.max)
    with np.errstate(all="ignore"):
        step = (last - first) / most
        zero_point = round_away(np.clip(np.asarray(-first / step), 0, most))
        low, high, inverse = -zero_point * step, (most - zero_point) * step, np.float32(1) / step

    def evaluate(x: Array) -> tuple[Array, ...]:
        inside = np.where(low < x, x, low)
        inside = np.where(inside < high, inside, high)
        return (round_away((inside - low) * inverse) * step + low,)

    return evaluate


def fold_cast(nan_is_zero: bool) -> Callable[[Node, Host], Evaluate]:
    """To another type; as an integer, NaN is zero or else the largest."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 1, 1)
        x, y = input_at(node, 0), output_at(node, 0)
        require_type(y, *(CAST_FROM_INT4 if x.type == TensorType.INT4 else CAST_TO))
        dtype = dtype_of(y.type)

        def evaluate(values: Array) -> tuple[Array, ...]:
            with np.errstate(all="ignore"):
                return (cast(values, dtype, nan_is_zero),)

        return evaluate

    return fold


def cast(x: Array, dtype: np.dtype[Any], nan_is_zero: bool) -> Array:
    """Of complex numbers the real part; to halves by way of floats; integers wrap around, and floats do not."""
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    if x.dtype.kind == "f" and dtype.kind in "iu":
        return saturated(x, dtype, 0 if nan_is_zero else int(np.iinfo(dtype).max))
    if dtype == np.float16:
        x = x.astype(np.float32)
    return x.astype(dtype)


def saturated(x: Array, dtype: np.dtype[Any], of_nan: int) -> Array:
    """Towards zero, and no further than the type goes [quantization_util.h: SafeCast]."""
    limits = np.iinfo(dtype)
    above, below = x >= 2.0 * (limits.max // 2 + 1), x < limits.min
    inside = np.where(above | below | np.isnan(x), 0, x).astype(dtype)
    beyond = [np.array(each, dtype) for each in (of_nan, limits.max, limits.min)]
    return np.select([np.isnan(x), above, below], beyond, inside)


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
    overlap=of_unary,
)
DEQUANTIZE = Kernel(
    init=op_data(OP_DATA_DEQUANTIZE, "dequantize.cc: DequantizeInit"),
    prepare=prepare_dequantize,
    overlap=of_unary,
)
CAST = Kernel(prepare=prepare_cast, invoke=invoke_cast, parameters=CAST_PARAMS, overlap=of_unary)

REQUANTIZED = {
    TensorType.FLOAT32: (TensorType.INT4, TensorType.INT8, TensorType.UINT8, TensorType.INT16),
    TensorType.INT8: (TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.INT32),
    TensorType.UINT8: (TensorType.INT8, TensorType.UINT8, TensorType.INT16),
    TensorType.INT16: (TensorType.INT8, TensorType.INT16, TensorType.INT32),
    TensorType.INT32: (TensorType.INT8, TensorType.INT16),
}
CAST_FROM_INT4 = (TensorType.FLOAT32,)
CAST_TO = (
    TensorType.FLOAT32,
    TensorType.FLOAT16,
    TensorType.FLOAT64,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    TensorType.INT32,
    TensorType.UINT32,
    TensorType.INT64,
    TensorType.BOOL,
    TensorType.COMPLEX64,
)

COMPUTE_QUANTIZE = Compute(fold=fold_quantize, shape=like_input, types=frozenset(REQUANTIZED), version=6)
COMPUTE_DEQUANTIZE = Compute(
    fold=fold_dequantize,
    shape=like_input,
    types=frozenset({TensorType.INT4, TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.FLOAT16}),
    version=9,
)
COMPUTE_FAKE_QUANT = Compute(fold=fold_fake_quant, shape=like_input, types=frozenset({TensorType.FLOAT32}), version=2)
COMPUTE_CAST = Compute(
    fold=fold_cast(nan_is_zero=False), shape=like_input, types=frozenset({*CAST_TO, TensorType.INT4}), version=9
)
COMPUTE_CAST_NAN_TO_ZERO = Compute(
    fold=fold_cast(nan_is_zero=True), shape=like_input, types=frozenset(CAST_TO), version=9
)
