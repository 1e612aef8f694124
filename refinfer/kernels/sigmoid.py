"""LOGISTIC and TANH.

Sources: logistic.h, logistic_common.cc, logistic.cc, tanh.cc in tensorflow/lite/micro/kernels; of the arithmetic also
tensorflow/lite/kernels/activations.cc, internal/reference/{logistic,tanh}.h and integer_ops/{logistic,tanh}.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import floor, log, log2
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import gemmlowp, libm
from refinfer.kernels.arithmetic.fixedpoint import (
    divide_by_power_of_two,
    quantize_multiplier,
    round_half_away,
    scale_twice,
)
from refinfer.kernels.arithmetic.lookup import of_each_integer, tabulated
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    output_at,
    require_arity,
    require_in_debug,
    require_same_type,
)
from refinfer.kernels.compute import Evaluate, Host
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import require_zero_point
from refinfer.kernels.unary import BITS_8, by_type, fold_one, in_float, require_quantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FixedPoint = Callable[["Array", int], "Array"]
"""From fixed-point numbers with so many integer bits to others with none."""

SIGMOID_SCALE = 1 / 256
SIGMOID_IS_ONE_ABOVE = 16.619047164916992188
FIXED_INTEGER_BITS = 4  # of the input of int8 LOGISTIC and TANH
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


def invoke_sigmoid(node: Node) -> None:
    """[logistic.cc: LogisticEval], [tanh.cc: TanhEval] Prepare has made sure that the two types are one."""
    x, y = input_at(node, 0), output_at(node, 0)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Input {x.type.name}, output {y.type.name} not supported.", x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)); below -9 the 1 is left out, and far above 0 it is all that is left [logistic.h]."""
    one = np.float32(1)
    middle = one / (one + libm.expf(-x))
    return np.where(x > np.float32(SIGMOID_IS_ONE_ABOVE), one, np.where(x < -9, libm.expf(x), middle))


def plain_sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) as it is tabulated."""
    return np.float32(1) / (np.float32(1) + libm.expf(-x))


def fold_sigmoid_by_table(node: Node, host: Host) -> Evaluate:
    """8 bits, tabulated in float."""
    require_quantized(node)
    y = output_at(node, 0)
    require(first_scale(y) == SIGMOID_SCALE, f"scale {first_scale(y)}; it must be {SIGMOID_SCALE}", y)
    return tabulated(plain_sigmoid, input_at(node, 0), y)


def fold_tanh_by_table(node: Node, host: Host) -> Evaluate:
    """8 bits, tabulated in float."""
    require_quantized(node)
    return tabulated(libm.tanhf, input_at(node, 0), output_at(node, 0))


def fold_sigmoid_fixed(node: Node, host: Host) -> Evaluate:
    """int8, in fixed point: y is in steps of 1/256 upwards from -128."""
    return of_each_integer(partial(evaluate_fixed, fixed(node), gemmlowp.logistic, 31 - 8, -128), input_at(node, 0))


def fold_tanh_fixed(node: Node, host: Host) -> Evaluate:
    """int8, in fixed point: y is in steps of 1/128."""
    return of_each_integer(partial(evaluate_fixed, fixed(node), gemmlowp.tanh, 31 - 7, 0), input_at(node, 0))


class Fixed(NamedTuple):
    """What a function in fixed point knows of its input, which is as good as infinite from `radius` on."""

    zero_point: int
    radius: int
    multiplier: int
    shift: int


def fixed(node: Node) -> Fixed:
    """The input as a number with four integer bits [logistic_common.cc, tanh.cc]."""
    require_quantized(node)
    x = input_at(node, 0)
    require(first_scale(x) > 0, "scale 0", x)
    multiplier, shift = quantize_multiplier(first_scale(x) * 2.0 ** (31 - FIXED_INTEGER_BITS))
    largest = ((1 << FIXED_INTEGER_BITS) - 1) * 2.0 ** (31 - FIXED_INTEGER_BITS)
    return Fixed(first_zero_point(x), floor(largest / 2.0**shift), multiplier, shift)


def evaluate_fixed(p: Fixed, function: FixedPoint, shift: int, offset: int, x: Array) -> Array:
    """y = clamp(f(x) / 2**shift + offset)"""
    centred = x - p.zero_point
    y = divide_by_power_of_two(function(scale_twice(centred, p.multiplier, p.shift), FIXED_INTEGER_BITS), shift)
    y = np.where(centred >= p.radius, 127, np.where(centred <= -p.radius, -128, y + offset))
    return np.clip(y, -128, 127)


def fold_sigmoid_int16(node: Node, host: Host) -> Evaluate:
    """int16, by the table of the sigmoid."""
    multiplier, shift = table_multiplier(node, pot_shifts=(0,))
    return lambda x: (gemmlowp.logistic_by_table(x, multiplier, shift).astype(np.int16),)


def fold_sigmoid_int16_exact(node: Node, host: Host) -> Evaluate:
    """The same, with an output in steps of 2**-15 and nothing near it."""
    y = output_at(node, 0)
    require(first_scale(y) == 2**-15, f"scale {first_scale(y)}; it must be {2**-15}", y)
    return fold_sigmoid_int16(node, host)


def fold_tanh_int16(node: Node, host: Host) -> Evaluate:
    """int16, by the table of the sigmoid."""
    multiplier, shift = table_multiplier(node, pot_shifts=(0, 1))
    return lambda x: (gemmlowp.tanh_by_table(x, multiplier, shift).astype(np.int16),)


def table_multiplier(node: Node, pot_shifts: tuple[int, ...]) -> tuple[int, int]:
    """``m`` and ``shift`` of the way from the input's scale to steps of the table: m / 2**shift.

    m has 15 bits if it can, or is 3 times the power of two that the scale is close to.
    [logistic_common.cc: CalculateArithmeticOpDataLogistic, tanh.cc: CalculateArithmeticOpData]
    """
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    require(nearest_power_of_two(y) == -15, f"scale {first_scale(y)}; it must be {2**-15}", y)
    power = nearest_power_of_two(x)
    if power is not None and power + 12 in pot_shifts:
        return 3 << power + 12, 0
    multiplier, shift = first_scale(x) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    require(multiplier < 2**31, f"scale {first_scale(x)}; it is too large", x)
    return int(multiplier), shift


def nearest_power_of_two(tensor: Tensor) -> int | None:
    """The exponent of the scale, if it is within 1/1000 of a whole number [quantization_util.cc: CheckedLog2]."""
    scale = first_scale(tensor)
    if scale <= 0:
        return None
    one = np.float32(1)
    exponent = float(np.float32(log(scale)) * (one / np.float32(log(2.0))))
    whole = round_half_away(exponent)
    return whole if abs(np.float32(exponent) - np.float32(whole)) < np.float32(1e-3) else None


LOGISTIC = Kernel(
    init=op_data(LOGISTIC_OP_DATA, "logistic.cc: LogisticInit"),
    prepare=prepare_logistic,
    invoke=invoke_sigmoid,
    overlap=of_unary,
)
TANH = Kernel(
    init=op_data(TANH_OP_DATA, "tanh.cc: TanhInit"),
    prepare=prepare_tanh,
    invoke=invoke_sigmoid,
    overlap=of_unary,
)
COMPUTE_LOGISTIC_BY_TABLE = by_type(
    {TensorType.FLOAT32: fold_one(sigmoid), TensorType.FLOAT16: fold_one(in_float(sigmoid))}
    | dict.fromkeys(BITS_8, fold_sigmoid_by_table)
    | {TensorType.INT16: fold_sigmoid_int16_exact},
    version=3,
)
COMPUTE_LOGISTIC_FIXED = by_type(
    {
        TensorType.FLOAT32: fold_one(sigmoid),
        TensorType.INT8: fold_sigmoid_fixed,
        TensorType.INT16: fold_sigmoid_int16,
    },
    version=3,
)
COMPUTE_TANH_BY_TABLE = by_type(
    {TensorType.FLOAT32: fold_one(libm.tanhf), TensorType.FLOAT16: fold_one(in_float(libm.tanhf))}
    | dict.fromkeys(BITS_8, fold_tanh_by_table)
    | {TensorType.INT16: fold_tanh_int16},
    version=3,
)
COMPUTE_TANH_FIXED = by_type(
    {TensorType.FLOAT32: fold_one(libm.tanhf), TensorType.INT8: fold_tanh_fixed, TensorType.INT16: fold_tanh_int16},
    version=3,
)
