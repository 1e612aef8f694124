"""SOFTMAX and LOG_SOFTMAX.

Sources: tensorflow/lite/micro/kernels/softmax_common.cc, softmax.cc, log_softmax.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    input_at,
    options_of,
    output_at,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Persistent, Request, op_data, require, temps
from refinfer.kernels.layout import DOUBLE, FLOAT, INT32, POINTER, SIZE_T, Build, struct
from refinfer.kernels.quantization import require_greater_than_one, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import SoftmaxOptions

LUT_BYTES = 2 * 513  # int16 tables of 512 slopes [common.h: LUTSize]
INPUT_FRACTION_BITS = 31 - 5  # [softmax_common.cc: kScaledDiffIntegerBits]

SOFTMAX_PARAMS = struct("TfLiteSoftmaxParams", beta=FLOAT)
SOFTMAX_OP_DATA = struct(
    "SoftmaxParams",
    beta=DOUBLE,
    input_multiplier=INT32,
    input_left_shift=INT32,
    reverse_scaling_divisor=INT32,
    reverse_scaling_right_shift=INT32,
    diff_min=INT32,
    zero_point=INT32,
    scale=FLOAT,
    table=POINTER,
    exp_lut=POINTER,
    one_over_one_plus_x_lut=POINTER,
    uint8_table1=POINTER,
    uint8_table2=POINTER,
)
LOG_SOFTMAX_OP_DATA = struct(
    "LogSoftmaxOpData",
    input_multiplier=INT32,
    input_left_shift=INT32,
    reverse_scaling_divisor=INT32,
    reverse_scaling_right_shift=INT32,
    diff_min=INT32,
    outer_size=SIZE_T,
    depth=SIZE_T,
)


def prepare_softmax(node: Node, build: Build) -> Iterator[Request]:
    """[softmax_common.cc: SoftmaxPrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    yield from temps(y)
    if x.type == TensorType.INT16:
        yield Persistent("exp_lut", LUT_BYTES, "softmax_common.cc: InitializeLutForInt16")
        yield Persistent("one_over_one_plus_x_lut", LUT_BYTES, "softmax_common.cc: InitializeLutForInt16")
    require_softmax_types(x, y)
    if (x.type, y.type) in SOFTMAX_OUTPUTS:
        require_softmax_scales(x, y, options_of(node, SoftmaxOptions).beta)


def require_softmax_types(x: Tensor, y: Tensor) -> None:
    """[softmax_common.cc: InitializeLutForInt16, CalculateSoftmaxParams]"""
    if y.type == TensorType.INT16:
        require_type(x, TensorType.INT8, TensorType.INT16)
    else:
        require_same_type(x, y)
    require_type(x, TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)


def require_softmax_scales(x: Tensor, y: Tensor, beta: float) -> None:
    """The output's quantization is fixed, since its range is; only what is not int8 may be a thousandth off."""
    if x.type == TensorType.INT16:
        require_zero_point(x, 0)
    zero_point, scale, tolerance = SOFTMAX_OUTPUTS[x.type, y.type]
    require_zero_point(y, zero_point)
    found = first_scale(y)
    require(abs(found - scale) <= tolerance * scale, f"scale {found}; it must be {scale}", y)
    if x.type == TensorType.INT8:
        require_input_multiplier(x, beta)


def require_input_multiplier(x: Tensor, beta: float) -> None:
    """[quantization_util.cc: PreprocessSoftmaxScaling]"""
    multiplier = beta * first_scale(x) * 2**INPUT_FRACTION_BITS
    require_greater_than_one(multiplier, f"beta times the input's scale times 2**{INPUT_FRACTION_BITS}", x)


def prepare_log_softmax(node: Node, build: Build) -> Iterator[Request]:
    """[log_softmax.cc: CalculateOpData]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)
    require_same_shape(x, y)
    if x.type == TensorType.INT8:
        size = build.sizeof(LOG_SOFTMAX_OP_DATA)
        yield Persistent(LOG_SOFTMAX_OP_DATA.name, size, "log_softmax.cc: CalculateOpData")
        require(first_scale(y) == 16 / 256, f"scale {first_scale(y)}; it must be {16 / 256}", y)
        require_zero_point(y, 127)
        require_input_multiplier(x, beta=1.0)


SOFTMAX_OUTPUTS = {  # (input, output): the output's zero point and scale, and by what part the scale may differ
    (TensorType.INT16, TensorType.INT16): (0, 1 / 32768, 0.001),
    (TensorType.INT8, TensorType.INT16): (-32768, 1 / 65536, 0.001),
    (TensorType.INT8, TensorType.INT8): (-128, 1 / 256, 0.0),
}

SOFTMAX = Kernel(
    init=op_data(SOFTMAX_OP_DATA, "softmax_common.cc: SoftmaxInit"),
    prepare=prepare_softmax,
    parameters=SOFTMAX_PARAMS,
)
LOG_SOFTMAX = Kernel(
    prepare=prepare_log_softmax,
    invoke=switch_on_input("LOG_SOFTMAX only supports float32, int8, got {}.", TensorType.FLOAT32, TensorType.INT8),
)
