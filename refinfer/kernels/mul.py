"""MUL, and what quantized products and quotients have in common.

Sources: mul.h, mul_common.cc, mul.cc, all in tensorflow/lite/micro/kernels; of the arithmetic also the files of these
names in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import gemmlowp
from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    divide_by_power_of_two,
    quantize_multiplier,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.binary import activation_of, fold_activated, multiply, three_tensors
from refinfer.kernels.broadcast import binary, stretching
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    is_affine,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_type,
    switch_on_input,
)
from refinfer.kernels.compute import Evaluate, Fold, Host, dtype_of
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_binary
from refinfer.kernels.quantization import activation_range, require_activation_range, require_zero_point
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import MulOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MUL_PARAMS = struct("TfLiteMulParams", activation=ENUM)
OP_DATA_MUL = struct(
    "OpDataMul",
    input1_zero_point=INT32,
    input2_zero_point=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    output_zero_point=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    output_activation_min_f32=FLOAT,
    output_activation_max_f32=FLOAT,
)


def prepare_mul(node: Node, build: Build) -> Iterator[Request]:
    """[mul_common.cc: CalculateOpDataMul]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_arity(node, 2, 1)
    require_same_type(first, second)
    if y.type not in (TensorType.INT8, TensorType.INT16):
        return
    require_activation_range(y, options_of(node, MulOptions).fused_activation_function)
    if first.type == TensorType.INT16:
        for tensor in (first, second, y):
            require_zero_point(tensor, 0)


class Product(NamedTuple):
    """What a quantized product or quotient comes down to."""

    first_offset: int
    second_offset: int
    multiplier: int
    shift: int
    output_offset: int
    low: int
    high: int


def product_of(node: Node, real_multiplier: float) -> Product:
    """The parameters of a node whose result is brought to the output's scale by `real_multiplier`."""
    first, second, y = three_tensors(node)
    multiplier, shift = quantize_multiplier(real_multiplier)
    low, high = activation_range(y, activation_of(node))
    return Product(
        first_offset=-first_zero_point(first),
        second_offset=-first_zero_point(second),
        multiplier=multiplier,
        shift=shift,
        output_offset=first_zero_point(y),
        low=low,
        high=high,
    )


def fold_mul(node: Node, host: Host) -> Evaluate:
    """8 bits, or 16 to 16."""
    params = mul_params(node, host)
    return stretching(lambda a, b: evaluate_mul(params, a, b))


def mul_params(node: Node, host: Host) -> Product:
    """The parameters of a quantized product."""
    first, second, y = three_tensors(node)
    require_same_type(first, y)
    for tensor in (first, second, y):
        require_affine(tensor)
        if first.type == TensorType.INT16:
            require_zero_point(tensor, 0)
    real = host.numerics.product_multiplier(first_scale(first), first_scale(second), first_scale(y))
    return product_of(node, real)


def evaluate_mul(p: Product, a: Array, b: Array) -> Array:
    """y = clamp(scale((a + first_offset) * (b + second_offset)) + output_offset)"""
    product = (a.astype(np.int64) + p.first_offset) * (b.astype(np.int64) + p.second_offset)
    return clamp(scale_twice(wrap_int32(product), p.multiplier, p.shift) + p.output_offset, p.low, p.high, a.dtype)


def fold_mul_int16(node: Node, host: Host) -> Evaluate:
    """int16: to int8 or uint8; or not quantized; or quantized."""
    y = output_at(node, 0)
    if y.type in (TensorType.INT8, TensorType.UINT8):
        return fold_mul_to_8_bits(node, host)
    return fold_mul(node, host) if is_affine(y) else fold_activated(multiply)(node, host)


def fold_mul_complex(node: Node, host: Host) -> Evaluate:
    """Complex numbers have no activation."""
    activation = activation_of(node)
    require(activation == ActivationFunctionType.NONE, f"activation {activation.name} of COMPLEX64")
    return stretching(multiply_complex)


def multiply_complex(a: Array, b: Array) -> Array:
    """(x + iy) * (u + iv) = xu - yv + i(xv + yu), every step rounded; numpy would fuse some."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    product.real = a.real * b.real - a.imag * b.imag
    product.imag = a.real * b.imag + a.imag * b.real
    return product


def fold_mul_to_8_bits(node: Node, host: Host) -> Evaluate:
    """int16 to 8 bits: the inputs count as fractions of 2**15 and the result as one of 2**7, whatever the scales."""
    y = output_at(node, 0)
    low, high = activation_range(y, activation_of(node))
    offset, dtype = first_zero_point(y), dtype_of(y.type)

    def evaluate(a: Array, b: Array) -> tuple[Array, ...]:
        require(a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ")
        product = gemmlowp.multiply(a.astype(np.int64), b.astype(np.int64), 16)
        return (clamp(divide_by_power_of_two(product, 8) + offset, low, high, dtype),)

    return evaluate


MUL = Kernel(
    init=op_data(OP_DATA_MUL, "mul_common.cc: MulInit"),
    prepare=prepare_mul,
    invoke=switch_on_input(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=MUL_PARAMS,
    overlap=of_binary,
)
MUL_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(multiply),
    TensorType.FLOAT16: fold_activated(multiply),
    TensorType.INT32: fold_activated(multiply),
    TensorType.UINT32: fold_activated(multiply),
    TensorType.INT64: fold_activated(multiply),
    TensorType.COMPLEX64: fold_mul_complex,
    TensorType.UINT8: fold_mul,
    TensorType.INT8: fold_mul,
    TensorType.INT16: fold_mul_int16,
}
COMPUTE_MUL = binary(MUL_FOLDS, version=7)
COMPUTE_MUL_QUANTIZED = binary(MUL_FOLDS | {TensorType.INT16: fold_mul}, version=7)  # no int16 without a scale
