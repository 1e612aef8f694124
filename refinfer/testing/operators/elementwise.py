"""Operators that work on one element at a time, or on a row: arithmetic, comparisons, activations, other types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import frexp
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import (
    AddOptions,
    BucketizeOptions,
    CastOptions,
    DivOptions,
    FakeQuantOptions,
    GeluOptions,
    LeakyReluOptions,
    MulOptions,
    SoftmaxOptions,
    SubOptions,
)
from refinfer.testing.choices import Choose, same, scale_of
from refinfer.testing.models import NodeSpec, TensorSpec
from refinfer.testing.strategies import QUANTIZED, arrays, float32, scales, tensors, zero_points

if TYPE_CHECKING:
    from refinfer.kernels.compute import Shape

    Make = Callable[[Choose, TensorType], NodeSpec]

FLOAT32, FLOAT16, BOOL = TensorType.FLOAT32, TensorType.FLOAT16, TensorType.BOOL
UINT8, INT8, INT16, INT32 = TensorType.UINT8, TensorType.INT8, TensorType.INT16, TensorType.INT32


@st.composite
def two_shapes(draw: st.DrawFn, common: st.SearchStrategy[Shape]) -> tuple[Shape, Shape]:
    """Shapes that can be stretched to a common one; often the same."""
    shape = draw(common)
    if draw(st.booleans()):
        return shape, shape
    first = tuple(1 if draw(st.booleans()) else length for length in shape)
    second = tuple(1 if draw(st.booleans()) else length for length in shape)
    return first, second[draw(st.integers(0, len(shape) - 1)) :]


def unquantized(tensor: TensorSpec) -> TensorSpec:
    """The same without scale and zero point."""
    return replace(tensor, scale=(), zero_point=())


def pair(choose: Choose, type: TensorType) -> tuple[TensorSpec, TensorSpec]:
    """Two inputs of one type, whose shapes can be stretched to fit."""
    first, second = choose("shapes", two_shapes(choose.shapes()))
    x = choose.tensor("input", type, first)
    return x, choose.tensor("second", type, second, like=x)


def sum_of(op: BuiltinOperator, options: type[AddOptions] | type[SubOptions]) -> Make:
    """ADD and SUB."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x, z = pair(choose, type)
        unit = max(scale_of(x), scale_of(z))
        y = choose.result(type, unit, 4, least=unit * SMALLEST_STEP.get(type, 0))
        return NodeSpec(op, [x, z], [y], options(fused_activation_function=choose.activation(), pot_scale_int16=False))

    return make


def mul(choose: Choose, type: TensorType) -> NodeSpec:
    """MUL."""
    x, z = pair(choose, type)
    y = choose.result(type, scale_of(x) * scale_of(z), 128)
    options = MulOptions(fused_activation_function=choose.activation())
    return NodeSpec(BuiltinOperator.MUL, [x, z], [y], options)


def squared_difference(choose: Choose, type: TensorType) -> NodeSpec:
    """SQUARED_DIFFERENCE."""
    x, z = pair(choose, type)
    y = choose.result(type, max(scale_of(x), scale_of(z)) ** 2, 256)
    return NodeSpec(BuiltinOperator.SQUARED_DIFFERENCE, [x, z], [y])


def div(choose: Choose, type: TensorType) -> NodeSpec:
    """DIV; whole numbers are divided by constants without zero."""
    x, z = pair(choose, type)
    y = choose.result(type, scale_of(x) / scale_of(z), 128)
    options = DivOptions(fused_activation_function=choose.activation())
    return NodeSpec(BuiltinOperator.DIV, [x, divisor(choose, z)], [y], options)


def divisor(choose: Choose, tensor: TensorSpec) -> TensorSpec:
    """A float as it is; of integers a constant that is nowhere zero."""
    if dtype_of(tensor.type).kind == "f":
        return tensor
    zero = tensor.zero_point[0] if tensor.zero_point else 0
    data = choose.draw(arrays(tensor.type, tensor.shape))
    another = zero - 1 if zero == np.iinfo(data.dtype).max else zero + 1
    return replace(tensor, data=np.where(data == zero, another, data).astype(data.dtype))


def whole_division(op: BuiltinOperator) -> Make:
    """FLOOR_DIV and FLOOR_MOD: integers are not quantized."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x, z = (unquantized(each) for each in pair(choose, type))
        return NodeSpec(op, [x, divisor(choose, z)], [TensorSpec(type, ())])

    return make


def plain_binary(op: BuiltinOperator, stretched: bool = True) -> Make:
    """Two inputs of a type and an output of it, never quantized; `stretched` if their shapes may differ."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x, z = (unquantized(each) for each in pair(choose, type))
        z = z if stretched else replace(z, shape=x.shape)
        return NodeSpec(op, [x, z], [TensorSpec(type, ())])

    return make


def extremum(op: BuiltinOperator) -> Make:
    """MAXIMUM and MINIMUM: scale and zero point are all the same."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x, z = pair(choose, type)
        return NodeSpec(op, [x, replace(z, scale=x.scale, zero_point=x.zero_point)], [same(x)])

    return make


def power(choose: Choose, type: TensorType) -> NodeSpec:
    """POW: integers have small exponents."""
    x, z = pair(choose, type)
    if type == INT32:
        exponents = choose.draw(arrays(TensorType.UINT8, z.shape)) % 4
        z = replace(z, data=exponents.astype(np.int32))
    return NodeSpec(BuiltinOperator.POW, [x, z], [TensorSpec(type, ())])


def comparison(op: BuiltinOperator) -> Make:
    """Two inputs and a truth value; quantized ones may have different scales, which must be below 1."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x, z = pair(choose, type)
        if type == INT16 and op not in RESCALING_INT16:
            x, z = unquantized(x), unquantized(z)
        return NodeSpec(op, [below_one(x), below_one(z)], [TensorSpec(BOOL, ())])

    return make


def below_one(tensor: TensorSpec) -> TensorSpec:
    """The same with its scale halved as often as it takes."""
    return replace(tensor, scale=[2.0 ** min(0, -frexp(scale)[1]) * scale for scale in tensor.scale])


def unary(op: BuiltinOperator, options: type[Table] | None = None) -> Make:
    """One input, and an output of its type, in a scale of its own if it is quantized."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes())
        y = choose.result(type, scale_of(x), 2)
        return NodeSpec(op, [x], [y], options() if options else None)

    return make


def same_scale(op: BuiltinOperator) -> Make:
    """One input, and an output that is quantized as it is."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes())
        return NodeSpec(op, [x], [same(x)])

    return make


def plain_unary(op: BuiltinOperator) -> Make:
    """One input and an output of its type, never quantized."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = unquantized(choose.tensor("input", type, choose.shapes()))
        return NodeSpec(op, [x], [TensorSpec(type, ())])

    return make


def of_what_is_not_negative(op: BuiltinOperator) -> Make:
    """SQRT, RSQRT and LOG: integers start at their zero point."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes())
        if type in QUANTIZED:
            x = replace(x, zero_point=[int(np.iinfo(dtype_of(type)).min) if type != INT16 else 0])
        y = choose.result(type, scale_of(x), 16)
        return NodeSpec(op, [x], [y])

    return make


def activation(op: BuiltinOperator, scale_of_int8: float | None = None) -> Make:
    """One input; the output has a scale of its own, or the one that int8 is bound to."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes())
        if type == FLOAT32 or scale_of_int8 is None:
            return NodeSpec(op, [x], [choose.result(type, scale_of(x), 2)])
        return NodeSpec(op, [x], [probability(type, scale_of_int8)])

    return make


def probability(type: TensorType, scale: float) -> TensorSpec:
    """An output whose scale is given: 1/256 and 1/128 of int8, 2**-15 of int16."""
    if type == INT16:
        return TensorSpec(type, (), [2.0**-15], [0])
    middle = {TensorType.INT8: -128, TensorType.UINT8: 0}[type] + (128 if scale == 1 / 128 else 0)
    return TensorSpec(type, (), [scale], [middle])


def leaky_relu(choose: Choose, type: TensorType) -> NodeSpec:
    """LEAKY_RELU."""
    x = choose.tensor("input", type, choose.shapes())
    alpha = choose("alpha", st.sampled_from([0.5, 0.25, 0.1, 0.2]) | st.floats(-2, 2))
    y = choose.result(type, scale_of(x), 2)
    return NodeSpec(BuiltinOperator.LEAKY_RELU, [x], [y], LeakyReluOptions(alpha=float32(alpha)))


def prelu(choose: Choose, type: TensorType) -> NodeSpec:
    """PRELU: slopes for each channel."""
    x = choose.tensor("input", type, choose.shapes(4, 4, most=4))
    slopes = choose.draw(tensors(type, (1, 1, x.shape[-1])))
    slopes = replace(slopes, data=choose.draw(arrays(type, slopes.shape)))
    return NodeSpec(BuiltinOperator.PRELU, [x, slopes], [choose.result(type, scale_of(x), 2)])


def gelu(choose: Choose, type: TensorType) -> NodeSpec:
    """GELU, approximate or not."""
    x = choose.tensor("input", type, choose.shapes())
    y = choose.result(type, scale_of(x), 2)
    return NodeSpec(BuiltinOperator.GELU, [x], [y], GeluOptions(approximate=choose.flag("approximate")))


def softmax(choose: Choose, type: TensorType) -> NodeSpec:
    """SOFTMAX over the last axis."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=6) | st.tuples(st.just(1), choose.lengths(40)))
    beta = choose("beta", st.sampled_from([1.0, 1.0, 0.5, 0.1, 2.0]) | st.floats(0.01, 4).map(float32))
    y = TensorSpec(type, ()) if type not in QUANTIZED else probability(type, 1 / 256)
    return NodeSpec(BuiltinOperator.SOFTMAX, [x], [y], SoftmaxOptions(beta=beta))


def log_softmax(choose: Choose, type: TensorType) -> NodeSpec:
    """LOG_SOFTMAX over the last axis; quantized, its output is bound to 16/256 with the largest number as 0."""
    x = choose.tensor("input", type, choose.shapes(1, 4, most=6))
    most = {INT8: 127, UINT8: 255}
    y = TensorSpec(type, (), [16 / 256], [most[type]]) if type in most else TensorSpec(type, ())
    return NodeSpec(BuiltinOperator.LOG_SOFTMAX, [x], [y])


def l2_normalization(choose: Choose, type: TensorType) -> NodeSpec:
    """L2_NORMALIZATION over the last axis; quantized, its output is bound to 1/128."""
    x = choose.tensor("input", type, choose.shapes(2, 4, most=5))
    y = TensorSpec(type, ()) if type == FLOAT32 else probability(type, 1 / 128)
    return NodeSpec(BuiltinOperator.L2_NORMALIZATION, [x], [y])


def cast(choose: Choose, type: TensorType) -> NodeSpec:
    """CAST: floats are small enough for all types."""
    x = unquantized(choose.tensor("input", type, choose.shapes()))
    into = choose("output_type", st.sampled_from([FLOAT32, INT32, INT8, UINT8, INT16, BOOL, TensorType.INT64]))
    return NodeSpec(
        BuiltinOperator.CAST, [x], [TensorSpec(into, ())], CastOptions(in_data_type=type, out_data_type=into)
    )


def quantize(choose: Choose, type: TensorType) -> NodeSpec:
    """QUANTIZE: of floats, or of what is quantized already."""
    x = choose.tensor("input", type, choose.shapes())
    into = choose("output_type", st.sampled_from(QUANTIZED_INTO[type]))
    scale = choose("output_scale", scales(scale_of(x)))
    y = TensorSpec(into, (), [scale], [0 if into == INT32 else choose("output_zero_point", zero_points(into))])
    return NodeSpec(BuiltinOperator.QUANTIZE, [x], [y])


def dequantize(choose: Choose, type: TensorType) -> NodeSpec:
    """DEQUANTIZE."""
    x = choose.tensor("input", type, choose.shapes())
    if type == TensorType.INT4:
        x = replace(x, data=choose.draw(arrays(type, x.shape)))
    return NodeSpec(BuiltinOperator.DEQUANTIZE, [x], [TensorSpec(FLOAT32, ())])


def add_n(choose: Choose, type: TensorType) -> NodeSpec:
    """ADD_N: two to four inputs of one shape."""
    x = choose.tensor("input", type, choose.shapes())
    others = [choose.draw(tensors(type, x.shape, x)) for _ in range(choose.integer("others", 1, 3))]
    y = choose.result(type, max(scale_of(each) for each in (x, *others)), 4)
    return NodeSpec(BuiltinOperator.ADD_N, [x, *others], [y])


def select(op: BuiltinOperator) -> Make:
    """SELECT and SELECT_V2: a condition, and what it selects of; all of one shape for the older one."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        of = choose("selected_type", st.sampled_from([FLOAT32, INT8, INT16, INT32, BOOL]))
        first, second = choose("shapes", two_shapes(choose.shapes()))
        if op == BuiltinOperator.SELECT:
            second = first
        x = choose.tensor("second", of, first)
        z = replace(choose.tensor("third", of, second), scale=x.scale, zero_point=x.zero_point)
        return NodeSpec(op, [TensorSpec(type, first), x, z], [same(x)])

    return make


def fake_quant(choose: Choose, type: TensorType) -> NodeSpec:
    """FAKE_QUANT: floats, rounded to what 2 to 16 bits can tell apart."""
    x = choose.tensor("input", type, choose.shapes())
    low = choose("min", st.floats(-8, 0).map(float32))
    high = choose("max", st.floats(0.125, 8).map(float32))
    options = FakeQuantOptions(
        min=low, max=high, num_bits=choose.integer("num_bits", 2, 16), narrow_range=choose.flag("narrow_range")
    )
    return NodeSpec(BuiltinOperator.FAKE_QUANT, [x], [TensorSpec(type, ())], options)


def bucketize(choose: Choose, type: TensorType) -> NodeSpec:
    """BUCKETIZE: between which boundaries each value lies."""
    x = choose.tensor("input", type, choose.shapes())
    boundaries = choose("boundaries", st.lists(st.integers(-80, 80).map(lambda k: k / 4), min_size=1, max_size=6))
    options = BucketizeOptions(boundaries=tuple(sorted(set(boundaries))))
    return NodeSpec(BuiltinOperator.BUCKETIZE, [x], [TensorSpec(INT32, ())], options)


def complex_part(op: BuiltinOperator) -> Make:
    """Of complex numbers the real ones that they are made of."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes())
        real = FLOAT32 if type == TensorType.COMPLEX64 else TensorType.FLOAT64
        return NodeSpec(op, [x], [TensorSpec(real, ())])

    return make


SMALLEST_STEP = {INT8: 2.1 * 2.0**-20, UINT8: 2.1 * 2.0**-20, INT16: 2.1 * 2.0**-15}
"""A sum cannot be told to the last digit: its scale is more than this part of the inputs' [add.cc: Prepare]."""

RESCALING_INT16 = (BuiltinOperator.NOT_EQUAL,)
QUANTIZED_INTO = {
    FLOAT32: (INT8, UINT8, INT16),
    INT8: (INT8, UINT8, INT16, INT32),
    UINT8: (INT8, UINT8),
    INT16: (INT8, INT16, INT32),
    INT32: (INT8, INT16),
}
