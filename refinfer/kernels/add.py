"""ADD, SUB and ADD_N.

Sources: add.h, add_common.cc, add.cc, sub.h, sub_common.cc, sub.cc, add_n.cc, all in tensorflow/lite/micro/kernels; of
the arithmetic also the files of these names in tflite/kernels and tflite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import common_scale, libm
from refinfer.kernels.arithmetic.common_scale import Sum, adding
from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    divide_by_power_of_two,
    quantize_multiplier,
    round_half_away,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.binary import activation_of, add, fold_activated, three_tensors, without_stretching
from refinfer.kernels.broadcast import Elementwise, binary, plain, stretching
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    is_affine,
    options_of,
    output_at,
    require_affine,
    require_same_shape,
    require_same_type,
    switch_on_output,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, FLOAT, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_alike, of_binary
from refinfer.kernels.quantization import (
    activate,
    activation_range,
    require_activation_range,
    require_sum_multipliers,
    require_unquantized,
    require_zero_point,
)
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import AddOptions, SubOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ADD_PARAMS = struct("TfLiteAddParams", activation=ENUM, pot_scale_int16=BOOL)
SUB_PARAMS = struct("TfLiteSubParams", activation=ENUM, pot_scale_int16=BOOL)
OP_DATA_OF_BOTH = {
    "requires_broadcast": BOOL,
    "input1_shift": INT32,
    "input2_shift": INT32,
    "output_activation_min": INT32,
    "output_activation_max": INT32,
    "input1_multiplier": INT32,
    "input2_multiplier": INT32,
    "output_multiplier": INT32,
    "output_shift": INT32,
    "left_shift": INT32,
    "input1_offset": INT32,
    "input2_offset": INT32,
    "output_offset": INT32,
}
OP_DATA_SUB = struct("OpDataSub", **OP_DATA_OF_BOTH)
OP_DATA_ADD = struct("OpDataAdd", **OP_DATA_OF_BOTH, output_activation_min_f32=FLOAT, output_activation_max_f32=FLOAT)
OP_DATA_ADD_N = struct(
    "add_n:OpData",
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_offset=INT32,
    output_offset=INT32,
    input_multiplier=INT32,
    output_multiplier=INT32,
    input_shift=INT32,
    output_shift=INT32,
    left_shift=INT32,
    scratch_index=INT32,
)


def prepare_add(node: Node, build: Build) -> Iterator[Request]:
    """[add_common.cc: AddPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    if y.type in SUM_SHIFTS:
        require_affine(y)
        require_sum_multipliers(first, second, y, SUM_SHIFTS[y.type])
        require_activation_range(y, options_of(node, AddOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)


def prepare_sub(node: Node, build: Build) -> Iterator[Request]:
    """[sub_common.cc: SubPrepare]"""
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    if y.type in SUM_SHIFTS:
        require_sum_multipliers(first, second, y, SUM_SHIFTS[y.type])
        require_activation_range(y, options_of(node, SubOptions).fused_activation_function)
    if y.type == TensorType.INT32:
        require_unquantized(first)
        require_unquantized(second)
        require_unquantized(y)


def prepare_add_n(node: Node, build: Build) -> Iterator[Request]:
    """[add_n.cc: CalculateOpData] Its scratch holds a pointer to each input."""
    require(len(node.inputs) >= 2, f"{len(node.inputs)} inputs; it takes 2 or more")
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    first, y = input_at(node, 0), output_at(node, 0)
    yield from temps(first, y)
    require_same_type(y, first)
    for position in range(1, len(node.inputs)):
        other = input_at(node, position)
        yield from temps(other)
        require_alike(first, other)
    if y.type not in (TensorType.FLOAT32, TensorType.INT8):
        raise Refusal(f"ADD_N only supports FLOAT32 and INT8, got {y.type.name}.", y)
    if y.type == TensorType.INT8:
        yield Persistent(OP_DATA_ADD_N.name, build.sizeof(OP_DATA_ADD_N), "add_n.cc: CalculateOpData")
    yield Scratch("scratch_index", build.abi.pointer * len(node.inputs), "add_n.cc: CalculateOpData")
    if y.type == TensorType.INT8:
        require_sum_multipliers(first, first, y, SUM_SHIFTS[y.type])
        require_activation_range(y, ActivationFunctionType.NONE)


def require_alike(first: Tensor, other: Tensor) -> None:
    """All of ADD_N's inputs have one shape and type, and of int8 one quantization."""
    require_same_shape(first, other)
    require_same_type(first, other)
    if first.type == TensorType.INT8:
        require_zero_point(other, first_zero_point(first))
        same = first_scale(first) == first_scale(other)
        require(same, f"scale {first_scale(other)}; the first input's is {first_scale(first)}", other)


def subtract(a: Array, b: Array) -> Array:
    """a - b"""
    return a - b


def fold_sum(combine: Elementwise) -> Fold:
    """a + b or a - b of quantized tensors, through twice the larger of their scales."""

    def fold(node: Node, host: Host) -> Evaluate:
        return stretching(adding(sum_params(node), combine, dtype_of(output_at(node, 0).type)))

    return fold


def sum_params(node: Node) -> Sum:
    """The parameters of a quantized sum or difference."""
    first, second, y = three_tensors(node)
    require_same_type(first, y)
    left_shift = LEFT_SHIFTS[y.type]
    require_sum_multipliers(first, second, y, left_shift)
    twice_largest = 2 * max(first_scale(first), first_scale(second))
    multiplier, shift = quantize_multiplier(twice_largest / (2**left_shift * first_scale(y)))
    low, high = activation_range(y, activation_of(node))
    return Sum(
        first=common_scale.input_of(first, twice_largest, left_shift),
        second=common_scale.input_of(second, twice_largest, left_shift),
        multiplier=multiplier,
        shift=shift,
        offset=first_zero_point(y),
        low=low,
        high=high,
    )


def fold_add_int16(node: Node, host: Host) -> Evaluate:
    """int16: not quantized; or quantized with powers of two, if the options say so; or quantized with any scales."""
    tensors = three_tensors(node)
    if not is_affine(tensors[0]):
        return fold_activated(add)(node, host)
    exponents = powers_of_two(node, tensors)
    if exponents is None:
        return fold_sum(add)(node, host)
    first, second = shifts_to_output(exponents)
    require(first == 0 or second == 0, "powers of two as scales: that of one input must be the output's")
    low, high = activation_range(tensors[2], activation_of(node))
    return stretching(lambda a, b: clamp(saturated(shifted(a, first) + shifted(b, second)), low, high, a.dtype))


def fold_sub_int16(node: Node, host: Host) -> Evaluate:
    """int16: quantized with powers of two, if the options say so; or with any scales."""
    tensors = three_tensors(node)
    exponents = powers_of_two(node, tensors)
    if exponents is None:
        return fold_sum(subtract)(node, host)
    first, second = shifts_to_output(exponents)
    require(first == 0 or second == 0, "powers of two as scales: that of one input must be the output's")
    low, high = activation_range(tensors[2], activation_of(node))
    return stretching(lambda a, b: clamp(shifted(a, first) - shifted(b, second), low, high, a.dtype))


def powers_of_two(node: Node, tensors: Sequence[Tensor]) -> tuple[int, ...] | None:
    """The exponents of the scales, if the options allow for powers of two and all scales are such."""
    options = node.options
    if not isinstance(options, AddOptions | SubOptions) or not options.pot_scale_int16:
        return None
    exponents = [exponent_of(first_scale(tensor)) for tensor in tensors]
    return None if None in exponents else tuple(each for each in exponents if each is not None)


def exponent_of(scale: float) -> int | None:
    """The logarithm of a scale to the base 2, if it is within 0.001 of an integer.

    [quantization_util.cc: CheckedLog2]
    """
    if scale <= 0:
        return None
    of_scale, of_two = libm.logf(np.array([scale, 2]))
    logarithm = float(of_scale * (np.float32(1) / of_two))
    exponent = round_half_away(logarithm)
    return exponent if abs(logarithm - exponent) < 0.001 else None


def shifts_to_output(exponents: tuple[int, ...]) -> tuple[int, int]:
    """By how many bits each input is shifted right to have the scale of the output."""
    first, second, y = exponents
    require(first <= y and second <= y, "powers of two as scales: those of the inputs may not exceed the output's")
    return y - first, y - second


def shifted(x: Array, right: int) -> Array:
    """x / 2**right, ties away from zero."""
    return divide_by_power_of_two(x.astype(np.int64), right)


def saturated(x: Array) -> Array:
    """The nearest int16."""
    return np.clip(x, -(2**15), 2**15 - 1)


def add_n(folds: Mapping[TensorType, Fold]) -> Compute:
    """The arithmetic of ADD_N, by the type of its inputs, which have one type and shape."""

    def fold(node: Node, host: Host) -> Evaluate:
        require(len(node.inputs) >= 2, f"{len(node.inputs)} inputs; it takes 2 or more")
        first = input_at(node, 0)
        for position in range(1, len(node.inputs)):
            require_same_type(first, input_at(node, position))
        return folds[first.type](node, host)

    return Compute(fold=fold, shape=shape_of_first, types=frozenset(folds), version=1)


def fold_add_n_limited(node: Node, host: Host) -> Evaluate:
    """In order; a sum that exceeds the floats stays at the largest, and integers wrap around."""
    return without_stretching(limited_sum)


def limited_sum(*inputs: Array) -> Array:
    """y = limit(limit(a + b) + c) …"""
    total = inputs[0]
    for each in inputs[1:]:
        total = activate(total + each, ActivationFunctionType.NONE)
    return total


def fold_add_n_plain(node: Node, host: Host) -> Evaluate:
    """In order, from 0."""
    return without_stretching(plain_sum)


def plain_sum(*inputs: Array) -> Array:
    """y = ((0 + a) + b) + …"""
    total = np.zeros_like(inputs[0])
    for each in inputs:
        total = total + each
    return total


def fold_add_n_quantized(node: Node, host: Host) -> Evaluate:
    """int8, all inputs with one scale and zero point, brought to twice that scale."""
    first, y = input_at(node, 0), output_at(node, 0)
    left_shift = LEFT_SHIFTS[first.type]
    for position in range(1, len(node.inputs)):
        require_alike(first, input_at(node, position))
    require_sum_multipliers(first, first, y, left_shift)
    x = common_scale.input_of(first, 2 * first_scale(first), left_shift)
    multiplier, shift = quantize_multiplier(2 * first_scale(first) / (2**left_shift * first_scale(y)))
    low, high = activation_range(y, ActivationFunctionType.NONE)
    params = Sum(x, x, multiplier, shift, first_zero_point(y), low, high)
    return without_stretching(lambda *inputs: evaluate_add_n(params, *inputs))


def evaluate_add_n(p: Sum, *inputs: Array) -> Array:
    """y = clamp(scale(sum of x at twice the scale) + offset)

    The sum starts at the offset as though it were the zero that it stands for [add_n.h: AddN of int8].
    """
    zero = common_scale.to_common_scale(np.zeros((), np.int8), p.first)
    total = sum((common_scale.to_common_scale(each, p.first) for each in inputs), zero)
    return clamp(scale_twice(wrap_int32(total), p.multiplier, p.shift) + p.offset, p.low, p.high, np.dtype(np.int8))


def shape_of_first(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """All inputs have the shape of the output."""
    require(all(shape == shapes[0] for shape in shapes), f"shapes {', '.join(map(str, shapes))} differ")
    return [shapes[0]]


SUM_SHIFTS = {TensorType.INT8: 20, TensorType.INT16: 15}  # bits kept below the point of a sum
LEFT_SHIFTS = SUM_SHIFTS | {TensorType.UINT8: 20}
ADD = Kernel(
    init=op_data(OP_DATA_ADD, "add.cc: AddInit"),
    prepare=prepare_add,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=ADD_PARAMS,
    overlap=of_binary,
)
SUB = Kernel(
    init=op_data(OP_DATA_SUB, "sub.cc: SubInit"),
    prepare=prepare_sub,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=SUB_PARAMS,
    overlap=of_binary,
)
ADD_N = Kernel(prepare=prepare_add_n, overlap=of_alike)
ADD_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(add),
    TensorType.FLOAT16: fold_activated(add),
    TensorType.INT32: fold_activated(add),
    TensorType.INT64: fold_activated(add),
    TensorType.UINT8: fold_sum(add),
    TensorType.INT8: fold_sum(add),
    TensorType.INT16: fold_add_int16,
}
SUB_FOLDS: dict[TensorType, Fold] = {
    TensorType.FLOAT32: fold_activated(subtract),
    TensorType.INT32: fold_activated(subtract),
    TensorType.INT64: fold_activated(subtract),
    TensorType.UINT8: fold_sum(subtract),
    TensorType.INT8: fold_sum(subtract),
    TensorType.INT16: fold_sub_int16,
}
COMPUTE_ADD = binary(ADD_FOLDS, version=5)
COMPUTE_ADD_RESCALING = binary(  # int16 has any scales, int32 no activation
    ADD_FOLDS | {TensorType.INT16: fold_sum(add), TensorType.INT32: plain(add)}, version=5
)
COMPUTE_SUB = binary(SUB_FOLDS, version=5)
COMPUTE_SUB_RESCALING = binary(SUB_FOLDS | {TensorType.INT16: fold_sum(subtract)}, version=5)
COMPUTE_ADD_N = add_n(dict.fromkeys((TensorType.FLOAT32, TensorType.INT32), fold_add_n_limited))
COMPUTE_ADD_N_QUANTIZED = add_n({TensorType.FLOAT32: fold_add_n_plain, TensorType.INT8: fold_add_n_quantized})
