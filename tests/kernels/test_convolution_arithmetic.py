"""Convolutions compute the bits of the official runtimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.kernels import convolution
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.kernels.window import output_size
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, Padding, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import Conv2DOptions, Conv3DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, assert_same, cases, scale, values, zero_point

Array = NDArray[Any]
Random = np.random.Generator

FLOAT32, UINT8, INT4, INT8 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT4, TensorType.INT8
INT16, INT32, INT64 = TensorType.INT16, TensorType.INT32, TensorType.INT64

ACTIVATIONS = tuple(ActivationFunctionType)
LITERT, TFLM = RUNTIMES


class Types(NamedTuple):
    """The types of input, filter and bias, whether each channel has a scale, and what the options say of the bias."""

    x: TensorType
    weights: TensorType
    bias: TensorType
    per_channel: bool = False
    bias_option: TensorType = FLOAT32

    def __str__(self) -> str:
        names = [self.x.name, self.weights.name, self.bias.name] + ["per_channel"] * self.per_channel
        return "-".join(names).lower()


class Layer(NamedTuple):
    """A convolution but for its types: shapes, the filter's axis of output channels, and options.

    A transposed one takes its output's shape as an input.
    """

    op: BuiltinOperator
    x: tuple[int, ...]
    weights: tuple[int, ...]
    y: tuple[int, ...]
    channel_axis: int
    options: Table
    is_transposed: bool = False

    @property
    def channels(self) -> int:
        """The output channels."""
        return self.weights[self.channel_axis]


class Axes(NamedTuple):
    """The geometry of a convolution, an item an axis."""

    size: list[int]
    length: list[int]
    stride: list[int]
    dilation: list[int]
    padding: Padding

    @property
    def number(self) -> list[int]:
        """How many windows there are."""
        axes = zip(self.size, self.length, self.stride, self.dilation, strict=True)
        return [output_size(self.padding, *axis) for axis in axes]


def axes(random: Random, rank: int, largest: int = 9, dilation: int = 3) -> Axes:
    """Windows of which at least one fits into the image."""
    while True:
        found = Axes(
            size=random.integers(1, largest, rank, endpoint=True).tolist(),
            length=random.integers(1, 4, rank, endpoint=True).tolist(),
            stride=random.integers(1, 3, rank, endpoint=True).tolist(),
            dilation=random.integers(1, dilation if random.random() < 0.4 else 1, rank, endpoint=True).tolist(),
            padding=Padding(int(random.integers(0, 2))),
        )
        if min(found.number) > 0:
            return found


def conv(random: Random, types: Types) -> Layer:
    """A CONV_2D, grouped now and then."""
    a = axes(random, 2)
    batches, depth, filters = random.integers(1, (4, 20, 9)).tolist()
    is_grouped = random.random() < 0.3 and (types.per_channel or types.x != FLOAT32 or types.weights == FLOAT32)
    groups = int(random.integers(2, 4)) if is_grouped else 1
    options = Conv2DOptions(
        padding=a.padding,
        stride_h=a.stride[0],
        stride_w=a.stride[1],
        dilation_h_factor=a.dilation[0],
        dilation_w_factor=a.dilation[1],
        fused_activation_function=random.choice(ACTIVATIONS),
        quantized_bias_type=types.bias_option,
    )
    x, weights = (batches, *a.size, depth * groups), (filters * groups, *a.length, depth)
    return Layer(BuiltinOperator.CONV_2D, x, weights, (batches, *a.number, filters * groups), 0, options)


def depthwise(random: Random, types: Types) -> Layer:
    """A DEPTHWISE_CONV_2D."""
    a = axes(random, 2)
    batches, channels, multiplier = random.integers(1, (4, 20, 4)).tolist()
    options = DepthwiseConv2DOptions(
        padding=a.padding,
        stride_h=a.stride[0],
        stride_w=a.stride[1],
        dilation_h_factor=a.dilation[0],
        dilation_w_factor=a.dilation[1],
        fused_activation_function=random.choice(ACTIVATIONS),
        depth_multiplier=multiplier,
    )
    x, weights = (batches, *a.size, channels), (1, *a.length, channels * multiplier)
    return Layer(BuiltinOperator.DEPTHWISE_CONV_2D, x, weights, (batches, *a.number, weights[3]), 3, options)


def transposed(random: Random, types: Types) -> Layer:
    """A TRANSPOSE_CONV: the windows lie on its output."""
    a = axes(random, 2, dilation=1)
    batches, depth, filters = random.integers(1, (4, 20, 9)).tolist()
    options = TransposeConvOptions(
        padding=a.padding,
        stride_h=a.stride[0],
        stride_w=a.stride[1],
        fused_activation_function=random.choice(ACTIVATIONS),
        quantized_bias_type=types.bias_option,
    )
    x, weights, y = (batches, *a.number, depth), (filters, *a.length, depth), (batches, *a.size, filters)
    return Layer(BuiltinOperator.TRANSPOSE_CONV, x, weights, y, 0, options, is_transposed=True)


def options_3d(random: Random, a: Axes) -> Conv3DOptions:
    """Those of both operators of three dimensions."""
    return Conv3DOptions(
        padding=a.padding,
        stride_d=a.stride[0],
        stride_h=a.stride[1],
        stride_w=a.stride[2],
        dilation_d_factor=a.dilation[0],
        dilation_h_factor=a.dilation[1],
        dilation_w_factor=a.dilation[2],
        fused_activation_function=random.choice(ACTIVATIONS),
    )


def conv_3d(random: Random, types: Types) -> Layer:
    """A CONV_3D."""
    a = axes(random, 3, largest=6)
    batches, depth, filters = random.integers(1, (3, 9, 6)).tolist()
    x, weights, y = (batches, *a.size, depth), (*a.length, depth, filters), (batches, *a.number, filters)
    return Layer(BuiltinOperator.CONV_3D, x, weights, y, 4, options_3d(random, a))


def transposed_3d(random: Random, types: Types) -> Layer:
    """A CONV_3D_TRANSPOSE."""
    a = axes(random, 3, largest=6)
    batches, depth, filters = random.integers(1, (3, 9, 6)).tolist()
    x, weights, y = (batches, *a.number, depth), (*a.length, filters, depth), (batches, *a.size, filters)
    op = BuiltinOperator.CONV_3D_TRANSPOSE
    return Layer(op, x, weights, y, 3, options_3d(random, a), is_transposed=True)


class Case(NamedTuple):
    """A model of one convolution, and inputs for it."""

    model: bytes
    inputs: list[Array]


def case(random: Random, types: Types, layer: Layer, *, bias: bool = True, weights: Array | None = None) -> Case:
    """The layer with random scales, constants and inputs; the filter is an input now and then, too."""
    weights = filter_values(random, types, layer.weights) if weights is None else weights
    x_scale, scales = scale(random), [scale(random) for _ in range(layer.channels if types.per_channel else 1)]
    typical = x_scale * max(scales) * np.sqrt(weights.size / layer.channels) * (50 if types.x == INT16 else 1000)
    y_scale = random.choice([scale(random), typical, typical * 10 ** random.uniform(-2, 1)])
    if types.x == UINT8:  # whose bias must be in steps of the product, as near as an output step can tell
        y_scale = max(y_scale, x_scale * scales[0] / 1000)

    x = TensorSpec(types.x, layer.x, **quantization(random, types.x, x_scale))
    w = TensorSpec(
        types.weights,
        layer.weights,
        scale=[] if types.weights == FLOAT32 else scales,
        zero_point=[zero_point(random, UINT8)] if types.weights == UINT8 else [],
        axis=layer.channel_axis if types.per_channel else 0,
        data=None if random.random() < 0.2 and types.weights != INT4 else weights,
    )
    b = TensorSpec(
        types.bias,
        (layer.channels,),
        scale=[] if types.bias == FLOAT32 else [float(np.float32(x_scale * each)) for each in scales],
        axis=0,
        data=bias_values(random, types.bias, layer.channels),
    )
    y = TensorSpec(types.x, layer.y, **quantization(random, types.x, float(np.float32(y_scale))))
    operands: list[TensorSpec | None] = [x, w, b]
    if layer.is_transposed:
        operands = [TensorSpec(INT32, (len(layer.y),), data=np.array(layer.y, np.int32)), w, x, b]
    given = {x: numbers(random, types.x, layer.x, finite=types.weights != FLOAT32), w: weights}
    inputs = [given[each] for each in operands if each in given and each.data is None]
    return Case(one_op_model(layer.op, operands if bias else operands[:-1], [y], layer.options), inputs)


def quantization(random: Random, type: TensorType, of_scale: float) -> dict[str, Any]:
    """That of an activation."""
    return {} if type == FLOAT32 else {"scale": [of_scale], "zero_point": [zero_point(random, type)]}


def numbers(random: Random, type: TensorType, shape: Sequence[int], *, finite: bool = False) -> Array:
    """Any of the type: floats are rarely infinite, or there would be nothing else to see in the sums."""
    if type == INT4:
        return random.integers(-8, 7, tuple(shape), endpoint=True, dtype=np.int8)
    if type != FLOAT32 or (random.random() < 0.1 and not finite):
        return values(random, type, tuple(shape))
    x = random.normal(0, 10 ** random.uniform(-2, 2), tuple(shape)).astype(np.float32)
    return x * np.float32(random.random() < 0.95)


def filter_values(random: Random, types: Types, shape: Sequence[int]) -> Array:
    """A filter; hybrid ones do without -128, which is not always multiplied rightly (docs/runtime-bugs.md)."""
    weights = numbers(random, types.weights, shape)
    return np.maximum(weights, -127) if types.x == FLOAT32 and types.weights == INT8 else weights


def bias_values(random: Random, type: TensorType, channels: int) -> Array:
    """A bias of any size."""
    if type == FLOAT32:
        return numbers(random, FLOAT32, [channels])
    most = int(2 ** random.uniform(3, {INT16: 15, INT32: 31, INT64: 50}[type]))
    return random.integers(-most, most, channels).astype(dtype_of(type))


FLOAT = Types(FLOAT32, FLOAT32, FLOAT32)
INT8_PER_CHANNEL = Types(INT8, INT8, INT32, per_channel=True)
INT8_AND_16 = [
    Types(INT8, INT8, INT32),
    INT8_PER_CHANNEL,
    Types(INT16, INT8, INT64),
    Types(INT16, INT8, INT64, per_channel=True),
]
INT8_WITH_INT4 = [Types(INT8, INT4, INT32), Types(INT8, INT4, INT32, per_channel=True)]
INT16_WITH_INT4 = [Types(INT16, INT4, INT64), Types(INT16, INT4, INT64, per_channel=True)]
INT16_WITH_INT32 = [
    Types(INT16, INT8, INT32, bias_option=INT32),
    Types(INT16, INT8, INT32, per_channel=True, bias_option=INT32),
]
LEGACY = Types(UINT8, UINT8, INT32)
HYBRID = Types(FLOAT32, INT8, FLOAT32)
HYBRID_PER_CHANNEL = Types(FLOAT32, INT8, FLOAT32, per_channel=True)
HYBRID_WITH_INT4 = [Types(FLOAT32, INT4, FLOAT32), Types(FLOAT32, INT4, FLOAT32, per_channel=True)]

Maker = Callable[[Random, Types], Layer]
Operators = list[tuple[Maker, list[Types]]]

BOTH: Operators = [
    (conv, [FLOAT, *INT8_AND_16, *INT8_WITH_INT4, *INT16_WITH_INT32]),
    (depthwise, [FLOAT, *INT8_AND_16, *INT8_WITH_INT4]),
    (transposed, [FLOAT, *INT8_AND_16]),
]
ONLY_LITERT: Operators = [
    (conv, [LEGACY, HYBRID, HYBRID_PER_CHANNEL, *HYBRID_WITH_INT4, *INT16_WITH_INT4]),
    (depthwise, [LEGACY, HYBRID_PER_CHANNEL]),
    (transposed, [LEGACY, HYBRID, HYBRID_PER_CHANNEL, *INT16_WITH_INT32]),
    (conv_3d, [FLOAT]),
    (transposed_3d, [FLOAT]),
]


def each(*table: tuple[Maker, list[Types]]) -> list[Any]:
    """A parameter for each operator and types."""
    return [pytest.param(maker, types, id=f"{maker.__name__}-{types}") for maker, some in table for types in some]


def compare(runtime: str, maker: Maker, types: Types, count: int, *, bias: bool = True) -> None:
    """Agree on so many cases, of which the runtime runs some."""
    random = np.random.default_rng([ord(letter) for letter in f"{maker.__name__}-{types}"])
    compared = 0
    for number in cases(count):
        model, inputs = case(random, types, maker(random, types), bias=bias)
        compared += agree(runtime, model, inputs, case=number)
    assert compared > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("maker", "types"), each(*BOTH))
def test_what_both_runtimes_know_has_the_same_bits(runtime: str, maker: Maker, types: Types) -> None:
    compare(runtime, maker, types, 4)


@pytest.mark.parametrize("runtime", [LITERT])
@pytest.mark.parametrize(("maker", "types"), each(*ONLY_LITERT))
def test_what_only_one_runtime_knows_has_the_same_bits(runtime: str, maker: Maker, types: Types) -> None:
    compare(runtime, maker, types, 4)


@pytest.mark.parametrize("runtime", [TFLM])
@pytest.mark.parametrize(("maker", "types"), each(*BOTH[:2], (transposed, [FLOAT, *INT8_AND_16, *INT16_WITH_INT32])))
def test_tflm_does_without_a_bias(runtime: str, maker: Maker, types: Types) -> None:
    compare(runtime, maker, types, 1, bias=False)


@pytest.mark.parametrize("runtime", [LITERT])
@pytest.mark.parametrize(
    ("maker", "types"),
    each(
        (depthwise, [FLOAT, *INT8_AND_16, HYBRID_PER_CHANNEL]),
        (transposed, [FLOAT, *INT8_AND_16, *INT16_WITH_INT32, HYBRID]),
        (conv_3d, [FLOAT]),
        (transposed_3d, [FLOAT]),
    ),
)
def test_litert_does_without_a_bias_but_in_conv_2d(runtime: str, maker: Maker, types: Types) -> None:
    compare(runtime, maker, types, 1, bias=False)


@pytest.mark.parametrize("runtime", [TFLM])
@pytest.mark.parametrize("types", [Types(INT16, INT8, INT16), Types(INT16, INT8, INT16, per_channel=True)], ids=str)
def test_a_transposed_convolution_may_have_a_bias_of_int16(runtime: str, types: Types) -> None:
    compare(runtime, transposed, types, 2)


@pytest.mark.parametrize("runtime", [TFLM])
@pytest.mark.parametrize("maker", [conv, depthwise, transposed])
@pytest.mark.parametrize("types", [FLOAT, INT8_PER_CHANNEL], ids=str)
def test_tflm_makes_as_many_pixels_as_the_file_declares(runtime: str, maker: Maker, types: Types) -> None:
    random = np.random.default_rng(5)
    for rows, columns in ((3, 7), (12, 1)):
        layer = maker(random, types)
        declared = layer._replace(y=(layer.y[0], rows, columns, layer.y[3]))
        model, inputs = case(random, types, declared)
        assert agree(runtime, model, inputs) > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("types", [*INT8_AND_16, *INT16_WITH_INT32], ids=str)
@pytest.mark.parametrize("weight", [-127, 127])
def test_accumulators_overflow_alike(runtime: str, types: Types, weight: int) -> None:
    depth = 80_000 if types.x == INT8 else 700
    options = Conv2DOptions(stride_h=1, stride_w=1, quantized_bias_type=types.bias_option)
    layer = Layer(BuiltinOperator.CONV_2D, (1, 1, 2, depth), (2, 1, 1, depth), (1, 1, 2, 2), 0, options)
    weights = np.full(layer.weights, weight, np.int8)
    model, inputs = case(np.random.default_rng(2), types, layer, weights=weights)
    for extreme in (np.iinfo(dtype_of(types.x)).min, np.iinfo(dtype_of(types.x)).max):
        x = [np.full(layer.x, extreme, dtype_of(types.x))]
        agree(runtime, model, x + [weights] * (len(inputs) - 1))


@pytest.mark.parametrize("runtime", [LITERT])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_filter_that_is_too_long_has_no_window_or_is_refused(runtime: str, size: int, stride: int) -> None:
    random = np.random.default_rng(0)
    options = Conv2DOptions(padding=Padding.VALID, stride_h=stride, stride_w=stride)
    layer = Layer(BuiltinOperator.CONV_2D, (1, size, 5, 2), (3, 5, 3, 2), (1, 1, 1, 3), 0, options)
    for types in (FLOAT, INT8_PER_CHANNEL):
        model, inputs = case(random, types, layer)
        agree(runtime, model, inputs)


@pytest.mark.parametrize("runtime", [LITERT])
def test_the_shape_of_a_transposed_output_may_come_late(runtime: str) -> None:
    shape, x = TensorSpec(INT32, (4,)), TensorSpec(FLOAT32, (1, 3, 3, 2))
    w = TensorSpec(FLOAT32, (1, 3, 3, 2), data=np.ones((1, 3, 3, 2), np.float32))
    options = TransposeConvOptions(stride_h=2, stride_w=2)
    model = one_op_model(BuiltinOperator.TRANSPOSE_CONV, [shape, w, x], [TensorSpec(FLOAT32, (1, 1, 1, 1))], options)
    image = np.arange(18, dtype=np.float32).reshape(x.shape)
    runs = [[np.array([1, rows, columns, 1], np.int32), image] for rows, columns in ((6, 6), (5, 6), (5, 5))]
    assert agree(runtime, model, *runs) == 36 + 30 + 25


@pytest.mark.parametrize(("maker", "types"), each(*BOTH, *ONLY_LITERT))
def test_blocks_of_rows_make_up_the_whole(maker: Maker, types: Types, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(11)
    model, inputs = case(random, types, maker(random, types))
    machine = Machine(read_model(model), DIALECTS["litert"])
    (whole,) = machine.call(0, inputs)
    monkeypatch.setattr(convolution, "BLOCK_ELEMENTS", 1)
    (blocks,) = machine.call(0, inputs)
    assert_same(whole, blocks)


@pytest.mark.parametrize("dialect", PORTABLE)
@pytest.mark.parametrize("maker", [conv, depthwise, transposed, conv_3d, transposed_3d])
def test_shapes_are_known_before_a_run(dialect: str, maker: Maker) -> None:
    random = np.random.default_rng(3)
    if maker not in (conv_3d, transposed_3d) or dialect == "litert":
        model, inputs = case(random, FLOAT, maker(random, FLOAT))
        machine = Machine(read_model(model), DIALECTS[dialect])
        (y,) = machine.graph.subgraphs[0].outputs
        assert machine.shapes(0, [each.shape for each in inputs])[y.index] == machine.call(0, inputs)[0].shape


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": (1, 5, 5, 5)}, "3 filters of 2 channels (shape (3, 3, 3, 2)) do not fit an input of shape (1, 5, 5, 5)"),
        (
            {"options": Conv2DOptions(stride_h=0, stride_w=1)},
            "strides and dilations (0, 1, 1, 1); each must be at least 1",
        ),
        ({"weights": (3, 3, 0, 2)}, "shape (3, 3, 0, 2); a filter may not be empty"),
    ],
)
def test_what_no_loop_could_run_is_refused(changes: dict[str, Any], message: str) -> None:
    options = Conv2DOptions(stride_h=1, stride_w=1)
    layer = Layer(BuiltinOperator.CONV_2D, (1, 5, 5, 2), (3, 3, 3, 2), (1, 5, 5, 3), 0, options)
    model, inputs = case(np.random.default_rng(0), FLOAT, layer._replace(**changes))
    with pytest.raises(UnsupportedNode, match=r"operator 0 \(CONV_2D\) of subgraph 0") as refusal:
        Machine(read_model(model), DIALECTS["litert"]).call(0, inputs)
    assert message in str(refusal.value)


@pytest.mark.parametrize(("dialect", "types"), [("tflm", FLOAT), ("litert", Types(INT16, INT8, INT64))])
def test_a_depth_multiplier_must_be_true_where_it_is_believed(dialect: str, types: Types) -> None:
    random = np.random.default_rng(0)
    options = DepthwiseConv2DOptions(stride_h=1, stride_w=1, depth_multiplier=3)
    layer = Layer(BuiltinOperator.DEPTHWISE_CONV_2D, (1, 5, 5, 2), (1, 3, 3, 4), (1, 5, 5, 4), 3, options)
    model, inputs = case(random, types, layer)
    with pytest.raises(UnsupportedNode, match=r"depth multiplier 3; shapes .* need 2"):
        Machine(read_model(model), DIALECTS[dialect]).call(0, inputs)
