"""L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION.

Sources: tensorflow/lite/micro/kernels/l2norm.cc; of the arithmetic also tensorflow/lite/kernels/l2norm.cc,
local_response_norm.cc, internal/reference/l2normalization.h, integer_ops/l2normalization.h and reference_ops.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import clamp, scale_twice, wrap_int32
from refinfer.kernels.arithmetic.square_root import inverse_square_root
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, like_input
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import L2NormOptions, LocalResponseNormalizationOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_RANK = 4
EPSILON = 1e-6  # a norm below it counts as this [l2norm.cc: L2NormEval]
OUTPUT_BITS = 7  # quantized outputs are in steps of 1/128

L2_NORM_PARAMS = struct("TfLiteL2NormParams", activation=ENUM)
L2_NORM_OP_DATA = struct("L2NormalizationParams", input_zero_point=INT32)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[l2norm.cc: L2NormPrepare]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require(len(x.shape) <= MAX_RANK, f"{len(x.shape)} dimensions; it takes at most {MAX_RANK}", x)
    require_type(y, TensorType.FLOAT32, TensorType.INT8)
    require_same_type(x, y)
    activation = options_of(node, L2NormOptions).fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it must be NONE")


def fold_l2_normalization(node: Node, host: Host) -> Evaluate:
    """Along the last dimension, by type."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    require_same_type(x, y)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    activation = options_of(node, L2NormOptions).fused_activation_function
    require(activation == ActivationFunctionType.NONE, f"fused activation {activation.name}; it must be NONE")
    if x.type == TensorType.FLOAT32:
        return normalize_floats
    require_affine(x)
    return partial(normalize_quantized, first_zero_point(x))


def fold_l2_normalization_to_128ths(node: Node, host: Host) -> Evaluate:
    """The same, where quantized outputs must be in the steps that they are computed in."""
    y = output_at(node, 0)
    if y.type != TensorType.FLOAT32:
        require(first_scale(y) == 1 / 128, f"scale {first_scale(y)}; it must be {1 / 128}", y)
        require_zero_point(y, 128 if y.type == TensorType.UINT8 else 0)
    return fold_l2_normalization(node, host)


def normalize_floats(x: Array) -> tuple[Array, ...]:
    """y = x / max(sqrt(sum of x**2), 1e-6), summed in order"""
    with np.errstate(all="ignore"):
        squares = np.add.accumulate(x * x, axis=-1)[..., -1:]
        norm = np.sqrt(squares)
        return (x / np.where(norm < np.float32(EPSILON), np.float32(EPSILON), norm),)


def normalize_quantized(zero_point: int, x: Array) -> tuple[Array, ...]:
    """y = clamp(128 * (x - zero_point) / sqrt(sum of (x - zero_point)**2)), upwards from 128 in uint8"""
    centred = x.astype(np.int64) - zero_point
    multiplier, shift = inverse_square_root(wrap_int32((centred * centred).sum(axis=-1, keepdims=True)))
    limits = np.iinfo(x.dtype)
    if x.dtype == np.uint8:
        y = scale_twice(centred << OUTPUT_BITS, multiplier, shift) + 128
    else:
        y = scale_twice(centred, multiplier, shift + OUTPUT_BITS)
    return (clamp(y, limits.min, limits.max, x.dtype),)


def fold_local_response_normalization(node: Node, host: Host) -> Evaluate:
    """y[c] = x[c] * (bias + alpha * sum of x[i]**2)**-beta, where i goes from c - radius up to before c + radius.

    The sum is one of floats, the power one of doubles, and then a float again.
    """
    require_arity(node, 1, 1)
    x = input_at(node, 0)
    require_rank(x, 4)
    require_type(output_at(node, 0), TensorType.FLOAT32)
    options = options_of(node, LocalResponseNormalizationOptions)

    def evaluate(x: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            base = options.bias + options.alpha * neighbourhoods(x * x, options.radius).astype(np.float64)
            return (x * np.power(base, -options.beta).astype(np.float32),)

    return evaluate


def neighbourhoods(squares: Array, radius: int) -> Array:
    """The sum from c - radius up to before c + radius of what there is, in order."""
    depth = squares.shape[-1]
    total = np.zeros_like(squares)
    for offset in range(max(-radius, -depth), min(radius, depth)):
        first, end = max(0, -offset), min(depth, depth - offset)
        total[..., first:end] += squares[..., first + offset : end + offset]
    return total


L2_NORMALIZATION = Kernel(
    init=op_data(L2_NORM_OP_DATA, "l2norm.cc: L2NormInit"),
    prepare=prepare,
    parameters=L2_NORM_PARAMS,
    overlap=of_unary,
)

COMPUTE_L2_NORMALIZATION = Compute(
    fold=fold_l2_normalization,
    shape=like_input,
    types=frozenset({TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8}),
    version=2,
)
COMPUTE_L2_NORMALIZATION_TO_128THS = replace(COMPUTE_L2_NORMALIZATION, fold=fold_l2_normalization_to_128ths)
COMPUTE_LOCAL_RESPONSE_NORMALIZATION = Compute(
    fold=fold_local_response_normalization,
    shape=like_input,
    types=frozenset({TensorType.FLOAT32}),
    version=1,
)
