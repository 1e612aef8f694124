"""DIV, FLOOR_DIV and FLOOR_MOD.

Sources: div.cc, floor_div.cc, floor_mod.cc, all in tensorflow/lite/micro/kernels; of the arithmetic also the files of
these names in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import gemmlowp
from refinfer.kernels.arithmetic.fixedpoint import bit_length, clamp, divide_as_x86, doubling_high_mul, wrap_int32
from refinfer.kernels.binary import fold_activated, three_tensors
from refinfer.kernels.broadcast import binary, plain, stretching
from refinfer.kernels.common import (
    first_scale,
    options_of,
    require_affine,
    require_arity,
    require_same_type,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.compute import Evaluate, Fold, Host
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.mul import Product, product_of
from refinfer.kernels.overlap import of_binary
from refinfer.kernels.quantization import require_activation_range, require_unquantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import DivOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

DIV_PARAMS = struct("TfLiteDivParams", activation=ENUM)
OP_DATA_DIV = struct(
    "OpDataDiv",
    input1_zero_point=INT32,
    input2_zero_point=INT32,
    output_zero_point=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
)


def prepare_div(node: Node, build: Build) -> Iterator[Request]:
    """[div.cc: DivPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    require_same_type(first, y)
    if y.type == TensorType.INT8:
        require_activation_range(y, options_of(node, DivOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)


def prepare_floor(node: Node, build: Build) -> Iterator[Request]:
    """[floor_div.cc: CalculateOpData], and the same in floor_mod.cc."""
    require_arity(node, 2, 1)
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    require_same_type(first, y)


def divide(a: Array, b: Array) -> Array:
    """a / b"""
    return a / b


def fold_div(node: Node, host: Host) -> Evaluate:
    """Quantized; it fails on division by zero."""
    params = quotient_of(node, host)

    def divide(a: Array, b: Array) -> Array:
        require(not np.any(b == -params.second_offset), "division by zero")
        return evaluate_div(params, a, b)

    return stretching(divide)


def quotient_of(node: Node, host: Host) -> Product:
    """The parameters of DIV."""
    first, second, y = three_tensors(node)
    for tensor in (first, second, y):
        require_affine(tensor)
    scale = host.numerics.scale
    with np.errstate(all="ignore"):
        real = float(scale(first_scale(first)) / (scale(first_scale(second)) * scale(first_scale(y))))
    return product_of(node, real)


def evaluate_div(p: Product, a: Array, b: Array) -> Array:
    """y = clamp(scale(a / b) + output_offset), where a / b = (a * 2**headroom) * (1 / b), both with 31 bits

    [div.h: DivElementwise]
    """
    dividend, divisor = a.astype(np.int64) + p.first_offset, b.astype(np.int64) + p.second_offset
    dividend, divisor = np.where(divisor < 0, -dividend, dividend), np.abs(divisor)
    digits = bit_length(divisor)
    reciprocal = gemmlowp.one_over_one_plus_x((divisor << (32 - digits)) - 2**31)
    headroom = leading_sign_bits(dividend)
    quotient = doubling_high_mul(dividend << headroom, reciprocal)
    scaled = divide_as_x86(doubling_high_mul(quotient, p.multiplier), (digits - 1) + headroom - p.shift)
    return clamp(wrap_int32(scaled + p.output_offset), p.low, p.high, a.dtype)


def leading_sign_bits(x: Array) -> Array:
    """How many of the bits after the sign repeat it, in int32 [common.h: CountLeadingSignBits]."""
    return 31 - bit_length(np.where(x < 0, ~x, x))


def divide_truncating(a: Array, b: Array) -> Array:
    """C's division of int32; a program that divides by zero, or the least number by -1, is stopped."""
    require_quotients(a, b)
    return divide_saturating(a, b)


def divide_saturating(a: Array, b: Array) -> Array:
    """The same, but the least number divided by -1 is the largest."""
    require(bool(np.all(b != 0)), "division by zero")
    wide, divisor = a.astype(np.int64), b.astype(np.int64)
    quotient = np.sign(wide) * np.sign(divisor) * (np.abs(wide) // np.abs(divisor))
    return np.minimum(quotient, np.iinfo(a.dtype).max).astype(a.dtype)


def require_quotients(a: Array, b: Array) -> None:
    """Refuse what stops a program in C: to divide by zero, or the least int32 or int64 by -1."""
    require(bool(np.all(b != 0)), "division by zero")
    least = np.iinfo(a.dtype).min
    require(a.dtype.itemsize < 4 or not np.any((a == least) & (b == -1)), f"{least} divided by -1 exceeds its type")


def floor_div(a: Array, b: Array) -> Array:
    """floor(a / b), divided as doubles; what exceeds an integer's type wraps around."""
    require(bool(np.all(b != 0)), "division by zero")
    quotient = np.floor(a.astype(np.float64) / b.astype(np.float64))
    return (quotient if a.dtype.kind == "f" else quotient.astype(np.int64)).astype(a.dtype)


def floor_mod(a: Array, b: Array) -> Array:
    """What a leaves when divided by b, with the sign of b."""
    if a.dtype.kind == "i":
        require_quotients(a, b)
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


DIV = Kernel(
    init=op_data(OP_DATA_DIV, "div.cc: DivInit"),
    prepare=prepare_div,
    invoke=switch_on_output(
        "DIV only supports FLOAT32, INT32, quantized INT8 now, got type {}.",
        TensorType.FLOAT32,
        TensorType.INT32,
        TensorType.INT8,
    ),
    parameters=DIV_PARAMS,
    overlap=of_binary,
)
FLOOR_DIV = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_DIV.", TensorType.FLOAT32),
    overlap=of_binary,
)
FLOOR_MOD = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_MOD.", TensorType.FLOAT32),
    overlap=of_binary,
)
DIV_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(divide),
    TensorType.INT32: fold_activated(divide_saturating),
    TensorType.UINT8: fold_div,
    TensorType.INT8: fold_div,
    TensorType.INT16: fold_div,
}
COMPUTE_DIV = binary(DIV_FOLDS, version=2)
COMPUTE_DIV_AS_C = binary(DIV_FOLDS | {TensorType.INT32: fold_activated(divide_truncating)}, version=2)
COMPUTE_FLOOR_DIV = binary(
    dict.fromkeys((TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32), plain(floor_div)),
    version=3,
)
COMPUTE_FLOOR_MOD = binary(
    dict.fromkeys(
        (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64), plain(floor_mod)
    ),
    version=2,
)
