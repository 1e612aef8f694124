"""HARD_SWISH.

Sources: tensorflow/lite/micro/kernels/hard_swish_common.cc; of the arithmetic also internal/reference/hard_swish.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic import gemmlowp
from refinfer.kernels.arithmetic.fixedpoint import (
    divide_by_power_of_two,
    quantize_multiplier,
)
from refinfer.kernels.arithmetic.lookup import of_each_integer
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    output_at,
    require_arity,
    switch_on_input,
)
from refinfer.kernels.compute import Evaluate, Host, dtype_of
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import INT16, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import ratio
from refinfer.kernels.unary import BITS_8, by_type, fold_one, require_quantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

GATE_SCALE = 3 / 32768  # of HARD_SWISH, in 16 bits
HARD_SWISH_OP_DATA = struct(
    "HardSwishParams",
    input_zero_point=INT16,
    output_zero_point=INT16,
    reluish_multiplier_fixedpoint_int16=INT16,
    reluish_multiplier_exponent=INT32,
    output_multiplier_fixedpoint_int16=INT16,
    output_multiplier_exponent=INT32,
)


def prepare_hard_swish(node: Node, build: Build) -> Iterator[Request]:
    """[hard_swish_common.cc: HardSwishPrepare] can scale the result down only."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    if x.type == TensorType.INT8:
        multiplier = ratio(first_scale(x) / 128, first_scale(y))
        require(multiplier < 1, f"scale {first_scale(y)}; it must be more than a 128th of {first_scale(x)}", y)


def hard_swish_of_floats(x: Array) -> Array:
    """x * min(6, max(0, x + 3)) / 6"""
    shifted = x + np.float32(3)
    limited_to_6 = np.where(shifted > 0, np.where(shifted < 6, shifted, np.float32(6)), np.float32(0))
    return x * limited_to_6 / np.float32(6)


class HardSwish(NamedTuple):
    """What quantized HARD_SWISH comes down to: multipliers of 16 bits with their exponents."""

    zero_point: int
    offset: int
    output_multiplier: int
    output_exponent: int
    gate_multiplier: int
    gate_exponent: int


def params_of_hard_swish(node: Node, host: Host) -> HardSwish:
    """The scales folded away, in 16 bits."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    scale = host.numerics.scale
    fine_scale = scale(1 / 128) * scale(first_scale(x))
    with np.errstate(all="ignore"):
        output_multiplier, output_exponent = quantize_multiplier(float(fine_scale / scale(first_scale(y))))
        gate_multiplier, gate_exponent = quantize_multiplier(float(fine_scale / scale(GATE_SCALE)))
    require(output_exponent <= 0, f"scale {first_scale(y)}; it must be more than a 128th of {first_scale(x)}", y)
    return HardSwish(
        zero_point=first_zero_point(x),
        offset=first_zero_point(y),
        output_multiplier=in_16_bits(output_multiplier),
        output_exponent=output_exponent,
        gate_multiplier=in_16_bits(gate_multiplier),
        gate_exponent=gate_exponent,
    )


def fold_hard_swish(node: Node, host: Host) -> Evaluate:
    """8 bits, in fixed point of 16 bits."""
    limits = np.iinfo(dtype_of(output_at(node, 0).type))
    return of_each_integer(partial(evaluate_hard_swish, params_of_hard_swish(node, host), limits), input_at(node, 0))


def in_16_bits(multiplier: int) -> int:
    """[common.h: DownScaleInt32ToInt16Multiplier]"""
    return 2**15 - 1 if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def evaluate_hard_swish(p: HardSwish, limits: np.iinfo[Any], x: Array) -> Array:
    """y = x * gate, where gate = (x / 3 + 1) / 2 between 0 and 1; all in int16 [hard_swish.h].

    The product is cut towards zero, where the others are rounded, so that their errors do not add up.
    """
    fine = (x - p.zero_point) << 7
    y = gemmlowp.multiply(fine, p.output_multiplier, 16)
    gate = gemmlowp.saturate(fine << max(p.gate_exponent - 1, 0), 16)
    gate = gemmlowp.multiply(gate, p.gate_multiplier, 16)
    if p.gate_exponent > 0:
        gate = gemmlowp.saturate(gate << 1, 16)
    gate = divide_int16(gate, max(-p.gate_exponent, 0))
    gate = (gate + 2**15) >> 1
    product = np.sign(gate * y) * (np.abs(gate * y) >> 15)
    return np.clip(divide_int16(product, -p.output_exponent) + p.offset, limits.min, limits.max)


def divide_int16(x: Array, exponent: int) -> Array:
    """x / 2**exponent, ties away from zero; from 16 on, what C makes of a mask that does not fit: 1 or -1.

    [gemmlowp fixedpoint.h: RoundingDivideByPOT]
    """
    return divide_by_power_of_two(x, exponent) if exponent < 16 else np.where(x < 0, -1, 1)


HARD_SWISH = Kernel(
    init=op_data(HARD_SWISH_OP_DATA, "hard_swish.cc: HardSwishInit"),
    prepare=prepare_hard_swish,
    invoke=switch_on_input("Unsupported type {}", TensorType.FLOAT32, TensorType.INT8),
    overlap=of_unary,
)
COMPUTE_HARD_SWISH = by_type(
    {TensorType.FLOAT32: fold_one(hard_swish_of_floats)} | dict.fromkeys(BITS_8, fold_hard_swish),
    version=1,
)
