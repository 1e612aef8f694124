"""Element by element, from two or more: ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, FLOOR_DIV, FLOOR_MOD
and ADD_N.

Sources: add.h, add_common.cc, add.cc, sub.h, sub_common.cc, sub.cc, mul.h, mul_common.cc, mul.cc, div.cc,
maximum_minimum.cc, squared_difference.cc, floor_div.cc, floor_mod.cc, add_n.cc, all in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_same_shape,
    require_same_type,
    switch_on_input,
    switch_on_output,
)
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, FLOAT, INT16, INT32, INT64, UINT8, Build, Repeated, struct
from refinfer.kernels.quantization import (
    ratio,
    require_activation_range,
    require_fraction,
    require_sum_multipliers,
    require_unquantized,
    require_zero_point,
)
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import AddOptions, DivOptions, MulOptions, SubOptions

ADD_PARAMS = struct("TfLiteAddParams", activation=ENUM, pot_scale_int16=BOOL)
SUB_PARAMS = struct("TfLiteSubParams", activation=ENUM, pot_scale_int16=BOOL)
MUL_PARAMS = struct("TfLiteMulParams", activation=ENUM)
DIV_PARAMS = struct("TfLiteDivParams", activation=ENUM)
OP_DATA_ADD = struct(
    "OpDataAdd",
    requires_broadcast=BOOL,
    input1_shift=INT32,
    input2_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input1_multiplier=INT32,
    input2_multiplier=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
    output_activation_min_f32=FLOAT,
    output_activation_max_f32=FLOAT,
)
OP_DATA_SUB = struct(
    "OpDataSub",
    requires_broadcast=BOOL,
    input1_shift=INT32,
    input2_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input1_multiplier=INT32,
    input2_multiplier=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
)
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
ARITHMETIC_PARAMS = struct(
    "ArithmeticParams",
    broadcast_category=UINT8,
    input1_offset=INT32,
    input2_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    left_shift=INT32,
    input1_multiplier=INT32,
    input1_shift=INT32,
    input2_multiplier=INT32,
    input2_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
    int64_activation_min=INT64,
    int64_activation_max=INT64,
    int16_activation_min=INT16,
    int16_activation_max=INT16,
    broadcast_shape=Repeated(INT32, 5),
)
OP_DATA_SQUARED_DIFFERENCE = struct(
    "squared_difference:OpData", requires_broadcast=BOOL, arithmetic_params=ARITHMETIC_PARAMS
)
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


def three_tensors(node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Both inputs and the output, which is the order in which every Prepare here looks at them."""
    return input_at(node, 0), input_at(node, 1), output_at(node, 0)


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


def prepare_floor(node: Node, build: Build) -> Iterator[Request]:
    """[floor_div.cc: CalculateOpData], and the same in floor_mod.cc."""
    require_arity(node, 2, 1)
    first, second, y = three_tensors(node)
    yield from temps(first, second, y)
    require_same_type(first, second)
    require_same_type(first, y)


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


SUM_SHIFTS = {TensorType.INT8: 20, TensorType.INT16: 15}  # bits kept below the point of a sum

ADD = Kernel(
    init=op_data(OP_DATA_ADD, "add.cc: AddInit"),
    prepare=prepare_add,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=ADD_PARAMS,
)
SUB = Kernel(
    init=op_data(OP_DATA_SUB, "sub.cc: SubInit"),
    prepare=prepare_sub,
    invoke=switch_on_output(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=SUB_PARAMS,
)
MUL = Kernel(
    init=op_data(OP_DATA_MUL, "mul_common.cc: MulInit"),
    prepare=prepare_mul,
    invoke=switch_on_input(
        "Type {} not supported.", TensorType.FLOAT32, TensorType.INT32, TensorType.INT8, TensorType.INT16
    ),
    parameters=MUL_PARAMS,
)
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
)
MAXIMUM = MINIMUM = Kernel(
    invoke=switch_on_output(
        "Type {} is not supported by Maximum/Minimum.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
    )
)
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
)
FLOOR_DIV = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_DIV.", TensorType.FLOAT32),
)
FLOOR_MOD = Kernel(
    prepare=prepare_floor,
    invoke=switch_on_input("Type '{}' is not supported by FLOOR_MOD.", TensorType.FLOAT32),
)
ADD_N = Kernel(prepare=prepare_add_n)
