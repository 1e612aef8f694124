"""CUMSUM.

Sources: tensorflow/lite/micro/kernels/cumsum.cc; tflite/kernels/cumsum.cc, internal/reference/cumsum.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import common_scale
from refinfer.kernels.arithmetic.fixedpoint import clamp, quantize_multiplier, scale_twice, wrap_int32
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, like_input
from refinfer.kernels.kernel import Kernel, Persistent, Request, require, temps
from refinfer.kernels.layout import BOOL, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.quantization import require_activation_range, require_sum_multipliers
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import CumsumOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

LEFT_SHIFT = 20  # [cumsum.cc: kCumSumIntegerShift]

CUMSUM_PARAMS = struct("TfLiteCumsumParams", exclusive=BOOL, reverse=BOOL)
OP_DATA = struct(
    "cumsum:OpData",
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    input_multiplier=INT32,
    output_multiplier=INT32,
    input_shift=INT32,
    output_shift=INT32,
    left_shift=INT32,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[cumsum.cc: CalculateOpData]"""
    require_arity(node, 2, 1)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, axis)
    require_type(x, TensorType.FLOAT32, TensorType.INT8)
    require_type(axis, TensorType.INT32)
    require(axis.elements == 1, f"{axis.elements} axes; it takes 1", axis)
    require(len(x.shape) >= 1, "no dimensions; it takes at least 1", x)
    yield from temps(y)
    require_same_type(x, y)
    require_same_shape(x, y)
    if y.type == TensorType.INT8:
        yield Persistent(OP_DATA.name, build.sizeof(OP_DATA), "cumsum.cc: CalculateOpData")
        require_sum_multipliers(x, x, y, LEFT_SHIFT)
        require_activation_range(y, ActivationFunctionType.NONE)


def invoke(node: Node) -> None:
    """[cumsum.cc: CumSumEval] Of an axis that is computed nothing can be said."""
    x, axis = input_at(node, 0), input_at(node, 1)
    if axis.data is not None:
        (given,) = integers(axis)
        position = given + len(x.shape) if given < 0 else given
        require(0 <= position < len(x.shape), f"CUMSUM Invalid axis: {position}", axis)


def fold(node: Node, host: Host) -> Evaluate:
    """Choose by the type."""
    require_arity(node, 2, 1)
    require_type(input_at(node, 1), TensorType.INT32)
    require_same_type(input_at(node, 0), output_at(node, 0))
    return FOLDS[input_at(node, 0).type](node, host)


def fold_plain(node: Node, host: Host) -> Evaluate:
    """Floats are added in order; integers wrap around."""
    options = options_of(node, CumsumOptions)
    return lambda x, axis: (running_sum(x, 0, axis, options),)


def fold_quantized(node: Node, host: Host) -> Evaluate:
    """y = clamp(scale(running sum of x at twice its scale) + offset), the sums in int32

    They start at the zero point's negative, as though it were the zero that it stands for [cumsum.h: CumSum of int8].
    """
    x, y, options = input_at(node, 0), output_at(node, 0), options_of(node, CumsumOptions)
    require_sum_multipliers(x, x, y, LEFT_SHIFT)
    term = common_scale.input_of(x, 2 * first_scale(x), LEFT_SHIFT)
    multiplier, shift = quantize_multiplier(2 * first_scale(x) / (2**LEFT_SHIFT * first_scale(y)))
    offset = first_zero_point(y)

    def evaluate(values: Array, axis: Array) -> tuple[Array, ...]:
        start = common_scale.to_common_scale(np.zeros((), np.int8), term)
        sums = running_sum(common_scale.to_common_scale(values, term), start, axis, options)
        return (clamp(scale_twice(wrap_int32(sums), multiplier, shift) + offset, -128, 127, values.dtype),)

    return evaluate


def running_sum(x: Array, start: Array | int, axis: Array, options: CumsumOptions) -> Array:
    """start + x[0] + … + x[i], without x[i] if exclusive; from the end if reverse."""
    along = int(axis.reshape(-1)[0])
    require(-x.ndim <= along < x.ndim, f"axis {along} of {x.ndim} dimensions")
    ordered = np.flip(x, along) if options.reverse else x
    first = np.full_like(np.take(x, [0], along), start) if x.shape[along] else x
    sums = np.cumsum(np.concatenate((first, ordered), along), along, x.dtype)
    length = x.shape[along]
    chosen = np.arange(length) if options.exclusive else np.arange(length) + 1
    result = np.take(sums, chosen, along)
    return np.flip(result, along) if options.reverse else result


FOLDS: dict[TensorType, Callable[[Node, Host], Evaluate]] = {
    TensorType.FLOAT32: fold_plain,
    TensorType.INT32: fold_plain,
    TensorType.INT64: fold_plain,
    TensorType.INT8: fold_quantized,
}

CUMSUM = Kernel(prepare=prepare, invoke=invoke, parameters=CUMSUM_PARAMS)
COMPUTE_CUMSUM = Compute(fold=fold, shape=like_input, types=frozenset(FOLDS), version=1)
