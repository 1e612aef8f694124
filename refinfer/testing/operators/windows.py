"""Operators that multiply and sum, or look through windows: convolutions, pools, fully connected layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.kernels.window import output_size, span
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, Padding, TensorType
from refinfer.schema.options import (
    BatchMatMulOptions,
    Conv2DOptions,
    Conv3DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    SVDFOptions,
    TransposeConvOptions,
)
from refinfer.testing.choices import Choose, same, scale_of
from refinfer.testing.models import NodeSpec, TensorSpec
from refinfer.testing.strategies import QUANTIZED, arrays, integers_as, scales, weights

FLOAT32, UINT8, INT8, INT16 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT16
INT4, INT32, INT64 = TensorType.INT4, TensorType.INT32, TensorType.INT64

WEIGHTS = {
    FLOAT32: (FLOAT32, INT8),
    UINT8: (UINT8,),
    INT8: (INT8, INT4),
    INT16: (INT8,),
}
"""The types that weights may have beside those of the input."""

FULLY_CONNECTED_WEIGHTS = {**WEIGHTS, FLOAT32: (FLOAT32, INT8, INT4), INT16: (INT8, INT4, INT16)}
DEPTHWISE_WEIGHTS = WEIGHTS
TRANSPOSE_WEIGHTS = {**WEIGHTS, INT8: (INT8,)}
BATCH_MATMUL_WEIGHTS = {FLOAT32: (FLOAT32, INT8), INT8: (INT8,), INT16: (INT16,)}
FLOAT_WEIGHTS = {FLOAT32: (FLOAT32,)}

NAMES = ("d", "h", "w")
EITHER = st.booleans()


def image(choose: Choose, type: TensorType, axes: int = 2, channels: int = 6) -> TensorSpec:
    """The input: some images of a few pixels."""
    shape = st.tuples(choose.lengths(2), *[choose.lengths(7)] * axes, choose.lengths(channels))
    return choose.tensor("input", type, shape)


def filters(
    choose: Choose,
    x: TensorSpec,
    types: Mapping[TensorType, tuple[TensorType, ...]],
    shape: tuple[int, ...],
    axis: int,
    scaled: st.SearchStrategy[bool] = EITHER,
) -> TensorSpec:
    """The weights, in one of the types that go with the input's; with scales per channel where they may have them."""
    type = choose("weights", st.sampled_from(types[x.type]))
    per_channel = choose("per_channel", scaled) and type not in (FLOAT32, UINT8)
    w = choose.draw(weights(type, shape, axis, per_channel))
    assert w.data is not None
    # Hybrid kernels may take it that weights are symmetric: on x86-64, LiteRT's overflow at -128.
    return replace(w, data=np.maximum(w.data, -127)) if x.type == FLOAT32 and type == INT8 else w


def without_none(*inputs: TensorSpec | None) -> list[TensorSpec | None]:
    """LiteRT's convolutions take a bias that is not there, but none that is left out."""
    return [each for each in inputs if each is not None]


def bias_of(
    choose: Choose,
    x: TensorSpec,
    w: TensorSpec,
    channels: int,
    of_int16: tuple[TensorType, ...] = (INT64,),
    presence: Sequence[bool] = (False, True),
) -> tuple[TensorSpec | None, TensorType]:
    """The bias, if any, in the scale of the products; and the type that its sums have."""
    wide = choose("bias_type", st.sampled_from(of_int16 if x.type == INT16 else (INT32,)))
    type = FLOAT32 if x.type == FLOAT32 else wide
    if not choose("bias", st.sampled_from(presence)):
        return None, wide
    of_size = type if type == FLOAT32 else choose.draw(st.sampled_from((INT8, INT16, INT32)))
    data = choose.draw(arrays(of_size, (channels,)))
    scale = [scale_of(x) * each for each in w.scale] if type != FLOAT32 else []
    data = data.astype(dtype_of(type))
    return TensorSpec(type, (channels,), scale, [0] * len(scale), data=data), wide


def grid(choose: Choose, sizes: tuple[int, ...], dilated: bool = True, longest: int = 3) -> dict[str, Any]:
    """Padding, strides, dilations and filter sizes such that at least one window fits."""
    padding = choose("padding", st.sampled_from(Padding))
    found: dict[str, Any] = {"padding": padding}
    for name, size in zip(NAMES[-len(sizes) :], sizes, strict=True):
        length = choose.integer(f"filter_{name}", 1, longest if padding == Padding.SAME else min(longest, size))
        found[f"filter_{name}"] = length
        found[f"stride_{name}"] = choose.integer(f"stride_{name}", 1, 3)
        if dilated:
            most = 3
            while most > 1 and padding == Padding.VALID and span(length, most) > size:
                most -= 1
            found[f"dilation_{name}"] = choose.integer(f"dilation_{name}", 1, most)
    return found


def steps(found: dict[str, Any]) -> dict[str, Any]:
    """Padding, strides and dilations in the words of options."""
    renamed = {name: f"{name}_factor" if name.startswith("dilation") else name for name in found}
    return {renamed[name]: value for name, value in found.items() if not name.startswith("filter")}


def conv_2d(choose: Choose, type: TensorType) -> NodeSpec:
    """CONV_2D, now and then in groups, or without the bias that LiteRT insists on."""
    x = image(choose, type)
    _, height, width, depth = x.shape
    found = grid(choose, (height, width))
    groups = choose("groups", st.sampled_from([each for each in range(1, depth + 1) if depth % each == 0]))
    channels = groups * choose.length("channels_in_group", 6 // groups)
    w = filters(choose, x, WEIGHTS, (channels, found["filter_h"], found["filter_w"], depth // groups), 0)
    bias, bias_type = bias_of(choose, x, w, channels, (INT64, INT32), (True, True, True, True, False))
    options = Conv2DOptions(
        **steps(found), fused_activation_function=choose.activation(), quantized_bias_type=bias_type
    )
    y = choose.result(type, scale_of(x) * scale_of(w), 128 * prod(w.shape[1:]))
    return NodeSpec(BuiltinOperator.CONV_2D, without_none(x, w, bias), [y], options)


def depthwise_conv_2d(choose: Choose, type: TensorType) -> NodeSpec:
    """DEPTHWISE_CONV_2D."""
    x = image(choose, type)
    _, height, width, depth = x.shape
    found = grid(choose, (height, width))
    multiplier = choose.length("depth_multiplier", 3)
    shape = (1, found["filter_h"], found["filter_w"], depth * multiplier)
    # LiteRT's hybrid kernel reads a scale for each channel, be there one or not.
    w = filters(choose, x, DEPTHWISE_WEIGHTS, shape, 3, st.just(True) if type == FLOAT32 else EITHER)
    bias, _ = bias_of(choose, x, w, depth * multiplier)
    options = DepthwiseConv2DOptions(
        **steps(found), depth_multiplier=multiplier, fused_activation_function=choose.activation()
    )
    y = choose.result(type, scale_of(x) * scale_of(w), 128 * prod(w.shape[1:3]))
    return NodeSpec(BuiltinOperator.DEPTHWISE_CONV_2D, without_none(x, w, bias), [y], options)


def transpose_conv(choose: Choose, type: TensorType) -> NodeSpec:
    """TRANSPOSE_CONV: the windows are those of the output, and there is one for each pixel of the input."""
    size = choose("output_size", st.tuples(choose.lengths(7), choose.lengths(7)))
    found = grid(choose, size, dilated=False)
    counts = [
        output_size(found["padding"], length, found[f"filter_{name}"], found[f"stride_{name}"])
        for name, length in zip("hw", size, strict=True)
    ]
    x = choose.tensor("input", type, st.tuples(choose.lengths(2), *map(st.just, counts), choose.lengths(4)))
    channels = choose.length("channels", 4)
    w = filters(choose, x, TRANSPOSE_WEIGHTS, (channels, found["filter_h"], found["filter_w"], x.shape[3]), 0)
    bias, bias_type = bias_of(choose, x, w, channels)
    y = choose.result(type, scale_of(x) * scale_of(w), 128 * prod(w.shape[1:]))
    shape = integers_as(INT32, [x.shape[0], *size, channels])
    options = TransposeConvOptions(
        **steps(found), fused_activation_function=choose.activation(), quantized_bias_type=bias_type
    )
    inputs = without_none(shape, w, x, bias)
    return NodeSpec(BuiltinOperator.TRANSPOSE_CONV, inputs, [y], options, version=len(inputs) - 1)


def conv_3d(choose: Choose, type: TensorType) -> NodeSpec:
    """CONV_3D."""
    x = choose.tensor("input", type, st.tuples(choose.lengths(2), *[choose.lengths(4)] * 3, choose.lengths(3)))
    found = grid(choose, x.shape[1:4], longest=2)
    sizes = [found[f"filter_{name}"] for name in NAMES]
    channels = choose.length("channels", 3)
    w = filters(choose, x, FLOAT_WEIGHTS, (*sizes, x.shape[4], channels), 4)
    bias, _ = bias_of(choose, x, w, channels)
    options = Conv3DOptions(**steps(found), fused_activation_function=choose.activation())
    return NodeSpec(BuiltinOperator.CONV_3D, without_none(x, w, bias), [choose.result(type, 1, 1)], options)


def fully_connected(choose: Choose, type: TensorType) -> NodeSpec:
    """FULLY_CONNECTED."""
    x = choose.tensor("input", type, choose.shapes(2, 3, most=6) | st.tuples(choose.lengths(2), choose.lengths(70)))
    units, depth = choose.length("units", 6), x.shape[-1]
    w = filters(choose, x, FULLY_CONNECTED_WEIGHTS, (units, depth), 0)
    bias, bias_type = bias_of(choose, x, w, units, (INT64, INT32))
    options = FullyConnectedOptions(
        fused_activation_function=choose.activation(),
        keep_num_dims=choose.flag("keep_num_dims"),
        asymmetric_quantize_inputs=choose.flag("asymmetric_quantize_inputs"),
        quantized_bias_type=bias_type,
    )
    y = choose.result(type, scale_of(x) * scale_of(w), 128 * depth)
    return NodeSpec(BuiltinOperator.FULLY_CONNECTED, [x, w, bias], [y], options)


def batch_matmul(choose: Choose, type: TensorType) -> NodeSpec:
    """BATCH_MATMUL; the second matrix comes at run time too, but where it is of another type."""
    of_second = choose("weights", st.sampled_from(BATCH_MATMUL_WEIGHTS[type]))
    rows, depth, columns = (choose.length(name, 5) for name in ("rows", "depth", "columns"))
    batches = choose("batches", choose.shapes(0, 2, most=3))
    adj_x, adj_y = choose.flag("adj_x"), choose.flag("adj_y")
    first = (*batches, depth, rows) if adj_x else (*batches, rows, depth)
    second = (*batches, columns, depth) if adj_y else (*batches, depth, columns)
    x = choose.tensor("input", type, first)
    w = choose.draw(weights(INT8, second, 0, False)) if of_second != type else choose.tensor("second", type, second)
    y = choose.result(type, scale_of(x) * scale_of(w), 128 * depth)
    asymmetric = choose.flag("asymmetric_quantize_inputs")
    options = BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y, asymmetric_quantize_inputs=asymmetric)
    return NodeSpec(BuiltinOperator.BATCH_MATMUL, [x, w], [y], options)


def pool(op: BuiltinOperator) -> Any:
    """A pooling operator; scale and zero point stay what they are."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = image(choose, type)
        found = grid(choose, x.shape[1:3], dilated=False)
        options = Pool2DOptions(
            **steps(found),
            filter_height=found["filter_h"],
            filter_width=found["filter_w"],
            fused_activation_function=choose.activation(),
        )
        return NodeSpec(op, [x], [same(x)], options)

    return make


def svdf(choose: Choose, type: TensorType) -> NodeSpec:
    """SVDF: one step, from a memory of zeros."""
    batches, depth, units = (choose.length(name, 4) for name in ("batches", "depth", "units"))
    rank, memory = choose.length("rank", 2), choose.length("memory", 4)
    number = units * rank
    x = choose.tensor("input", type, (batches, depth))
    feature = choose.draw(weights(type, (number, depth), 0, False))
    state_type = type if type == FLOAT32 else INT16
    time = choose.draw(weights(state_type, (number, memory), 0, False))
    state_scale = [choose.draw(scales())] if state_type in QUANTIZED else []
    state = TensorSpec(state_type, (batches, number * memory), state_scale, [0] * len(state_scale), is_variable=True)
    bias = None
    if choose.flag("bias"):
        bias_scale = [scale_of(time) * scale_of(state)] if type != FLOAT32 else []
        bias_type = type if type == FLOAT32 else INT32
        data = choose.draw(arrays(bias_type, (units,)))
        bias = TensorSpec(bias_type, (units,), bias_scale, [0] * len(bias_scale), data=data)
    y = choose.result(type, scale_of(time) * scale_of(state), 128 * memory)
    activation = choose("activation", st.sampled_from(ACTIVATIONS_OF_SVDF[type]))
    return NodeSpec(
        BuiltinOperator.SVDF,
        [x, feature, time, bias, state],
        [y],
        SVDFOptions(rank=rank, fused_activation_function=activation),
    )


ACTIVATIONS_OF_SVDF = {
    FLOAT32: (ActivationFunctionType.NONE, ActivationFunctionType.RELU),
    INT8: (ActivationFunctionType.RELU,),
}
