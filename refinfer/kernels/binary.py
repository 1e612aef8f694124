"""Element by element, from two: MAXIMUM, MINIMUM, POW, ATAN2, BITWISE_XOR, RIGHT_SHIFT; STABLEHLO's ADD, MULTIPLY,
MAXIMUM and MINIMUM; and what ADD, MUL, DIV and their like share with them.

Sources: maximum_minimum.cc in tensorflow/lite/micro/kernels; maximum_minimum.h, pow.cc, atan2.cc, bitwise_xor.cc,
right_shift.cc and stablehlo_elementwise.h in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from math import atan2
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import round_half_away, to_int32
from refinfer.kernels.broadcast import Elementwise, binary, plain, stretching
from refinfer.kernels.common import input_at, output_at, require_same_type, switch_on_output
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host
from refinfer.kernels.kernel import Kernel, require
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_binary
from refinfer.kernels.quantization import activate
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import AddOptions, DivOptions, MulOptions, SubOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def three_tensors(node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Both inputs and the output, which is the order in which every Prepare here looks at them."""
    return input_at(node, 0), input_at(node, 1), output_at(node, 0)


def add(a: Array, b: Array) -> Array:
    """a + b"""
    return a + b


def multiply(a: Array, b: Array) -> Array:
    """a * b"""
    return a * b


def exclusive_or(a: Array, b: Array) -> Array:
    """a ^ b"""
    return a ^ b


def fold_activated(compute: Elementwise) -> Fold:
    """Numbers that are not quantized, wrapping around in their own type, and a fused activation."""

    def fold(node: Node, host: Host) -> Evaluate:
        activation = activation_of(node)
        return stretching(lambda a, b: activate(compute(a, b), activation))

    return fold


def activation_of(node: Node) -> ActivationFunctionType:
    """The fused activation, of whichever options have one."""
    if isinstance(node.options, AddOptions | SubOptions | MulOptions | DivOptions):
        return node.options.fused_activation_function
    return ActivationFunctionType.NONE


def maximum(a: Array, b: Array) -> Array:
    """a > b ? a : b, which is b if one is NaN."""
    return np.where(a > b, a, b)


def minimum(a: Array, b: Array) -> Array:
    """a < b ? a : b, which is b if one is NaN."""
    return np.where(a < b, a, b)


def power(a: Array, b: Array) -> Array:
    """a**b; for one whole exponent that is stretched over many bases by squaring, otherwise by C's pow.

    [optimized_ops.h: BroadcastPow4D]
    """
    require(a.dtype.kind == "f" or bool(np.all(b >= 0)), "a negative exponent of integers")
    if a.shape != b.shape and b.size == 1:
        exponent = float(b.reshape(())[()])
        whole = round_half_away(exponent) if abs(exponent) < 2**31 else 0
        if whole >= 1 and abs(np.float32(exponent) - np.float32(whole)) < np.float32(1e-5):
            return np.broadcast_to(power_by_squaring(a, whole), np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind == "f":
        return libm.powf(a, b)
    return to_int32(np.trunc(np.power(a.astype(np.float64), b.astype(np.float64)))).astype(a.dtype)


def power_by_squaring(base: Array, exponent: int) -> Array:
    """base**exponent: the square of half the exponent, times the base if it is odd; infinities become finite."""
    if exponent == 1:
        return base
    half = power_by_squaring(base, exponent // 2)
    square = activate(half * half, ActivationFunctionType.NONE)
    return activate(base * square, ActivationFunctionType.NONE) if exponent % 2 else square


def right_shift(a: Array, b: Array) -> Array:
    """a >> b with b limited to what the type has bits for; the sign is kept."""
    bits = 8 * a.dtype.itemsize
    return a >> np.clip(b, 0, bits - 1).astype(a.dtype)


def fold_atan2(node: Node, host: Host) -> Evaluate:
    """The angle of the point (b, a), by C's atan2, of doubles too. The shapes may not differ."""
    require_same_type(input_at(node, 0), output_at(node, 0))
    return without_stretching(ATAN2[input_at(node, 0).type])


def atan2_of_doubles(a: Array, b: Array) -> Array:
    """math.atan2 is C's."""
    return np.array(list(map(atan2, a.ravel().tolist(), b.ravel().tolist())), np.float64).reshape(a.shape)


def atan2_of_halves(a: Array, b: Array) -> Array:
    """By way of floats."""
    return libm.atan2f(a, b).astype(np.float16)


def without_stretching(compute: Elementwise) -> Evaluate:
    """Evaluate element by element, for inputs of one shape."""

    def evaluate(*inputs: Array) -> tuple[Array, ...]:
        for each in inputs[1:]:
            require(each.shape == inputs[0].shape, f"shape {each.shape}; {inputs[0].shape} was expected")
        with np.errstate(all="ignore"):
            return (compute(*inputs),)

    return evaluate


def larger(a: Array, b: Array) -> Array:
    """a < b ? b : a, which is a if one is NaN [std::max]."""
    return np.where(a < b, b, a)


def smaller(a: Array, b: Array) -> Array:
    """b < a ? b : a, which is a if one is NaN [std::min]."""
    return np.where(b < a, b, a)


def same_shape(compute: Elementwise) -> Compute:
    """The arithmetic of an operator of STABLEHLO: integers wrap around, bools are added and multiplied as such."""
    folds = dict.fromkeys(STABLEHLO_TYPES, lambda node, host: without_stretching(compute))
    return binary(folds, version=1)


MAXIMUM = MINIMUM = Kernel(
    invoke=switch_on_output(
        "Type {} is not supported by Maximum/Minimum.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
    ),
    overlap=of_binary,
)
ATAN2: dict[TensorType, Elementwise] = {
    TensorType.FLOAT32: libm.atan2f,
    TensorType.FLOAT16: atan2_of_halves,
    TensorType.FLOAT64: atan2_of_doubles,
}
ORDERED = (
    TensorType.FLOAT32,
    TensorType.FLOAT16,
    TensorType.UINT8,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)
STABLEHLO_TYPES = (
    TensorType.FLOAT16,
    TensorType.FLOAT32,
    TensorType.FLOAT64,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
    TensorType.UINT8,
    TensorType.UINT16,
    TensorType.UINT32,
    TensorType.UINT64,
    TensorType.BOOL,
)
BITS = (
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    TensorType.INT32,
    TensorType.UINT32,
)
COMPUTE_MAXIMUM = binary(dict.fromkeys(ORDERED, plain(maximum)), version=4)
COMPUTE_MINIMUM = binary(dict.fromkeys(ORDERED, plain(minimum)), version=4)
COMPUTE_POW = binary(dict.fromkeys((TensorType.FLOAT32, TensorType.INT32), plain(power)), version=1)
COMPUTE_ATAN2 = binary(dict.fromkeys(ATAN2, fold_atan2), version=1)
COMPUTE_BITWISE_XOR = binary(dict.fromkeys(BITS, plain(exclusive_or)), version=1)
COMPUTE_RIGHT_SHIFT = binary(dict.fromkeys(BITS, plain(right_shift)), version=1)
COMPUTE_STABLEHLO_ADD = same_shape(add)
COMPUTE_STABLEHLO_MULTIPLY = same_shape(multiply)
COMPUTE_STABLEHLO_MAXIMUM = same_shape(larger)
COMPUTE_STABLEHLO_MINIMUM = same_shape(smaller)
