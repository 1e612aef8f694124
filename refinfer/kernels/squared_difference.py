"""SQUARED_DIFFERENCE.

Sources: squared_difference.cc in tensorflow/lite/micro/kernels; of the arithmetic also the file of this name in
tflite/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import common_scale
from refinfer.kernels.arithmetic.common_scale import ARITHMETIC_PARAMS, Sum, evaluate_sum
from refinfer.kernels.arithmetic.fixedpoint import quantize_multiplier
from refinfer.kernels.binary import three_tensors
from refinfer.kernels.broadcast import binary, plain, stretching
from refinfer.kernels.common import first_scale, first_zero_point, require_arity, require_same_type, switch_on_output
from refinfer.kernels.compute import Evaluate, Fold, Host
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, Build, struct
from refinfer.kernels.overlap import of_binary
from refinfer.kernels.quantization import activation_range, ratio, require_fraction, require_zero_point
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

OP_DATA_SQUARED_DIFFERENCE = struct(
    "squared_difference:OpData", requires_broadcast=BOOL, arithmetic_params=ARITHMETIC_PARAMS
)


def prepare_squared_difference(node: Node, build: Build) -> Iterator[Request]:
    """[squared_difference.cc: SquaredDifferencePrepare]"""
    require_arity(node, 2, 1)
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    if first.type not in (TensorType.INT8, TensorType.INT16):
        return
    for tensor in (first, second, y):
        if first.type == TensorType.INT16:
            require_zero_point(tensor, 0)
        else:
            zero_point = first_zero_point(tensor)
            require(-128 <= zero_point <= 127, f"zero point {zero_point}; int8 has -128 to 127", tensor)
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    for tensor in (first, second):
        require_fraction(ratio(first_scale(tensor), twice_largest), "the input's scale over twice the larger", tensor)


def fold_small_squared_difference(node: Node, host: Host) -> Evaluate:
    """As `fold_squared_difference`, where the result cannot be scaled up."""
    first, second, y = three_tensors(node)
    larger = max(first_scale(first), first_scale(second))
    require_fraction(ratio(larger * larger, 2**12 * first_scale(y)), "the larger scale squared over 2**12 outputs'", y)
    return fold_squared_difference(node, host)


def fold_squared_difference(node: Node, host: Host) -> Evaluate:
    """int8 and int16: (a - b)**2 through twice the larger of their scales."""
    first, second, y = three_tensors(node)
    require_same_type(first, y)
    left_shift = SQUARED_DIFFERENCE_SHIFTS[first.type]
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    real = ratio(twice_largest * twice_largest, 2 ** (2 * left_shift) * first_scale(y))
    for tensor in (first, second):
        require_fraction(ratio(first_scale(tensor), twice_largest), "the input's scale over twice the larger", tensor)
    require(0 < real < 2**31, f"scale {first_scale(y)}; it is too far from the inputs'", y)
    multiplier, shift = quantize_multiplier(real)
    low, high = activation_range(y, ActivationFunctionType.NONE)
    params = Sum(
        first=common_scale.input_of(first, twice_largest, left_shift),
        second=common_scale.input_of(second, twice_largest, left_shift),
        multiplier=multiplier,
        shift=shift,
        offset=first_zero_point(y),
        low=low,
        high=high,
    )
    return stretching(lambda a, b: evaluate_sum(params, squared_difference, a, b))


def squared_difference(a: Array, b: Array) -> Array:
    """(a - b)**2, wrapping around."""
    return (a - b) * (a - b)


SQUARED_DIFFERENCE_SHIFTS = {TensorType.INT8: 7, TensorType.INT16: 0}
SQUARED_DIFFERENCE = Kernel(
    init=op_data(OP_DATA_SQUARED_DIFFERENCE, "squared_difference.cc: SquaredDifferenceInit"),
    prepare=prepare_squared_difference,
    invoke=switch_on_output(
        "SquaredDifference only supports FLOAT32, INT32 , INT16 and INT8 now, got {}.",
        TensorType.FLOAT32,
        TensorType.INT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
    overlap=of_binary,
)
SQUARED_DIFFERENCE_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: plain(squared_difference),
    TensorType.INT32: plain(squared_difference),
    TensorType.INT8: fold_small_squared_difference,
}
COMPUTE_SQUARED_DIFFERENCE = binary(SQUARED_DIFFERENCE_FOLDS, version=2)
COMPUTE_SQUARED_DIFFERENCE_OF_ANY_SCALE = binary(
    SQUARED_DIFFERENCE_FOLDS | {TensorType.INT8: fold_squared_difference, TensorType.INT16: fold_squared_difference},
    version=2,
)
