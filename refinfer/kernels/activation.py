"""RELU, RELU6, LEAKY_RELU, PRELU, LOGISTIC, TANH, HARD_SWISH and ELU.

Sources: activations.h, activations_common.cc, activations.cc, leaky_relu.h, leaky_relu_common.cc, prelu_common.cc,
logistic.h, logistic_common.cc, logistic.cc, tanh.cc, hard_swish_common.cc, elu.cc, all in
tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log2

from refinfer.kernels.common import (
    first_scale,
    input_at,
    output_at,
    require_arity,
    require_in_debug,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import FLOAT, INT8, INT16, INT32, UINT8, Build, Repeated, struct
from refinfer.kernels.quantization import ratio, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

LEAKY_RELU_PARAMS = struct("TfLiteLeakyReluParams", alpha=FLOAT)
RELU_PARAMS = struct(
    "ReluParams",
    activation_type=UINT8,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
)
RELU_OP_DATA = struct("ReluOpData", params=RELU_PARAMS)
RELU6_OP_DATA = struct("Relu6OpData", six=INT32, zero=INT32)
LEAKY_RELU_OP_DATA = struct(
    "LeakyReluOpData",
    output_multiplier_alpha=INT32,
    output_shift_alpha=INT32,
    output_multiplier_identity=INT32,
    output_shift_identity=INT32,
    input_zero_point=INT32,
    output_zero_point=INT32,
)
PRELU_OP_DATA = struct(
    "PreluParams",
    input_offset=INT32,
    alpha_offset=INT32,
    output_offset=INT32,
    output_multiplier_1=INT32,
    output_shift_1=INT32,
    output_multiplier_2=INT32,
    output_shift_2=INT32,
)
LOGISTIC_OP_DATA = struct(
    "OpDataLogistic",
    input_zero_point=INT32,
    input_range_radius=INT32,
    input_multiplier=INT32,
    input_left_shift=INT32,
)
TANH_OP_DATA = struct(
    "tanh:OpData",
    input_zero_point=INT32,
    input_range_radius=INT32,
    input_multiplier=INT32,
    input_left_shift=INT32,
)
HARD_SWISH_OP_DATA = struct(
    "HardSwishParams",
    input_zero_point=INT16,
    output_zero_point=INT16,
    reluish_multiplier_fixedpoint_int16=INT16,
    reluish_multiplier_exponent=INT32,
    output_multiplier_fixedpoint_int16=INT16,
    output_multiplier_exponent=INT32,
)
ELU_OP_DATA = struct("elu:OpData", table=Repeated(INT8, 256))


def prepare_relu(node: Node, build: Build) -> Iterator[Request]:
    """[activations_common.cc: ReluPrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if x.type == TensorType.INT16:
        require_zero_point(x, 0)
        require_zero_point(y, 0)


def prepare_relu6(node: Node, build: Build) -> Iterator[Request]:
    """[activations_common.cc: Relu6Prepare] does not rescale, and never looks at its output."""
    yield from temps(input_at(node, 0))


def prepare_leaky_relu(node: Node, build: Build) -> Iterator[Request]:
    """[leaky_relu_common.cc: CalculateOpDataLeakyRelu]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def prepare_prelu(node: Node, build: Build) -> Iterator[Request]:
    """[prelu_common.cc: PreluPrepare]"""
    x, alpha, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, alpha, y)
    if y.type == TensorType.INT16:
        require_type(alpha, TensorType.INT8)


def prepare_logistic(node: Node, build: Build) -> Iterator[Request]:
    """[logistic_common.cc: CalculateArithmeticOpDataLogistic]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)
    if x.type == TensorType.INT8:
        require_zero_point(y, -128)
    if x.type == TensorType.INT16:
        require_sigmoid_scales(x, y, build)


def prepare_tanh(node: Node, build: Build) -> Iterator[Request]:
    """[tanh.cc: TanhPrepare, CalculateArithmeticOpData] look at the input one after the other."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x)
    require_arity(node, 1, 1)
    yield from temps(x, y)
    require_same_type(x, y)
    if x.type == TensorType.INT16:
        require_sigmoid_scales(x, y, build)


def require_sigmoid_scales(x: Tensor, y: Tensor, build: Build) -> None:
    """What int16 LOGISTIC and TANH presume: symmetric tensors, an output in steps of 2**-15.

    An input scale of a power of two escapes the multiplier and its limit only where it is 2**-12 (or, for TANH,
    2**-11), which is far below the limit.
    """
    require_zero_point(x, 0)
    require_zero_point(y, 0)
    multiplier = first_scale(x) * 4096 * 3
    require_in_debug(build, multiplier < 32768, f"multiplier {multiplier}; it must fit 15 bits", x)
    scale = first_scale(y)
    near = scale > 0 and abs(log2(scale) + 15) < 1e-3  # [quantization_util.cc: CheckedLog2]
    require(near, f"scale {scale}; it must be {2**-15}", y)


def prepare_hard_swish(node: Node, build: Build) -> Iterator[Request]:
    """[hard_swish_common.cc: HardSwishPrepare] can scale the result down only."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if x.type == TensorType.INT8:
        multiplier = ratio(first_scale(x) / 128, first_scale(y))
        require(multiplier < 1, f"scale {first_scale(y)}; it must be more than a 128th of {first_scale(x)}", y)


def prepare_elu(node: Node, build: Build) -> Iterator[Request]:
    """[elu.cc: CalculateOpData]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def invoke_sigmoid(node: Node) -> None:
    """[logistic.cc: LogisticEval], [tanh.cc: TanhEval] Prepare has made sure that the two types are one."""
    x, y = input_at(node, 0), output_at(node, 0)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Input {x.type.name}, output {y.type.name} not supported.", x)


RELU_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)

RELU = Kernel(
    init=op_data(RELU_OP_DATA, "activations.cc: ReluInit"),
    prepare=prepare_relu,
    invoke=switch_on_input("Only float32/int8/int16 is supported currently, got {}", *RELU_TYPES),
)
RELU6 = Kernel(
    init=op_data(RELU6_OP_DATA, "activations.cc: Relu6Init"),
    prepare=prepare_relu6,
    invoke=switch_on_input("Only float32/int8/int16 is supported currently, got {}", *RELU_TYPES),
)
LEAKY_RELU = Kernel(
    init=op_data(LEAKY_RELU_OP_DATA, "leaky_relu.cc: LeakyReluInit"),
    prepare=prepare_leaky_relu,
    invoke=switch_on_input("Only float32, int8 are supported by LEAKY_RELU, got {}.", *RELU_TYPES),
    parameters=LEAKY_RELU_PARAMS,
)
PRELU = Kernel(
    init=op_data(PRELU_OP_DATA, "prelu.cc: PreluInit"),
    prepare=prepare_prelu,
    invoke=switch_on_input("Input type '{}' is not supported.", *RELU_TYPES),
)
LOGISTIC = Kernel(
    init=op_data(LOGISTIC_OP_DATA, "logistic.cc: LogisticInit"),
    prepare=prepare_logistic,
    invoke=invoke_sigmoid,
)
TANH = Kernel(
    init=op_data(TANH_OP_DATA, "tanh.cc: TanhInit"),
    prepare=prepare_tanh,
    invoke=invoke_sigmoid,
)
HARD_SWISH = Kernel(
    init=op_data(HARD_SWISH_OP_DATA, "hard_swish.cc: HardSwishInit"),
    prepare=prepare_hard_swish,
    invoke=switch_on_input("Unsupported type {}", TensorType.FLOAT32, TensorType.INT8),
)
ELU = Kernel(
    init=op_data(ELU_OP_DATA, "elu.cc: EluInit"),
    prepare=prepare_elu,
    invoke=switch_on_input(
        "ELU only supports float32 and int8 currently, got {}.", TensorType.FLOAT32, TensorType.INT8
    ),
)
