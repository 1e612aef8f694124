"""The dialects xnnpack and litert-optimized compute the bits of ai-edge-litert, where scales make ties.

Random scales hardly ever lead to a number halfway between two others, and formulas that are wrong pass with them. Here
scales are powers of two, short decimals, and equal to one another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, Padding, TensorType
from refinfer.schema.options import (
    AddOptions,
    BatchMatMulOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    MulOptions,
    Pool2DOptions,
    ReducerOptions,
    ResizeBilinearOptions,
    SoftmaxOptions,
    SubOptions,
    TransposeConvOptions,
)
from refinfer.testing import TensorSpec, installed, one_op_model, referee
from tests.kernels.bits import Array, Random, assert_same, cases

FLOAT32, INT8, UINT8, INT32 = TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8, TensorType.INT32
B = BuiltinOperator
SEED = int(os.environ.get("REFINFER_SEED", "3"))
KERNELS = {"xnnpack": "AUTO", "litert-optimized": "OPT"}
DTYPES: dict[TensorType, Any] = {FLOAT32: np.float32, INT8: np.int8, UINT8: np.uint8, INT32: np.int32}

Made = tuple[bytes, list[Array]]
"""A model of one operator, and its inputs."""

needs_litert = pytest.mark.skipif(not installed("litert"), reason="ai-edge-litert is not installed")


def scale(random: Random) -> float:
    """A power of two, a short decimal, or (a quarter of the time) any."""
    kind = random.integers(0, 4)
    if kind == 0:
        return float(2.0 ** float(random.integers(-8, 0)))
    if kind < 3:
        return float(np.float32(random.integers(1, 26) / random.choice([10, 20, 100, 200])))
    return float(np.float32(np.exp(random.uniform(np.log(0.005), np.log(0.8)))))


def numbers(random: Random, of: TensorType, shape: Sequence[int]) -> Array:
    """All numbers of the type, or small ones."""
    if of == FLOAT32:
        return np.asarray((random.integers(-600, 600, shape) / random.choice([2, 4, 10, 80])).astype(np.float32))
    limits = np.iinfo(DTYPES[of])
    return np.asarray(random.integers(limits.min, limits.max, shape, endpoint=True).astype(DTYPES[of]))


def tensor(random: Random, of: TensorType, shape: Sequence[int], *scales: float, data: Array | None = None) -> Any:
    """A tensor with one of these scales, or any, and any zero point, which is often in the middle."""
    if of == FLOAT32:
        return TensorSpec(of, tuple(shape), data=data)
    limits = np.iinfo(DTYPES[of])
    zero_point = int(
        random.choice([limits.min, (limits.min + limits.max + 1) // 2, *random.integers(limits.min, limits.max, 2)])
    )
    chosen = float(random.choice(scales)) if scales and random.random() < 0.7 else scale(random)
    return TensorSpec(of, tuple(shape), [chosen], [zero_point], data=data)


def parameters(random: Random, shape: tuple[int, ...], axis: int, of: TensorType, x_scale: float) -> tuple[Any, Any]:
    """Filters, of int8 with a scale for each channel or one for all, and a bias."""
    channels = shape[axis]
    one = of == UINT8 or random.random() < 0.3
    scales = [scale(random) / 64] * channels if one else [scale(random) / 64 for _ in range(channels)]
    scales = [float(np.float32(each)) for each in scales]
    data = numbers(random, of, shape)
    bias_scales = [float(np.float32(x_scale * each)) for each in scales]
    zero = int(random.integers(0, 256)) if of == UINT8 else 0
    count = 1 if one else channels
    filters = TensorSpec(of, shape, scales[:count], [zero] * count, axis if count > 1 else 0, data)
    values = random.integers(-3000, 3000, channels).astype(np.int32)
    return filters, TensorSpec(INT32, (channels,), bias_scales[:count], [0] * count, 0, values)


def some(random: Random, least: int, most: int) -> int:
    return int(random.integers(least, most, endpoint=True))


def activation(random: Random) -> ActivationFunctionType:
    return ActivationFunctionType(random.choice([0, 1, 2, 3]))


def output_scale(random: Random, x: Any, weights: Any, taps: int) -> float:
    """One that spreads the sums over the output, and makes ties where it can."""
    unit = x.scale[0] * weights.scale[0]
    return (
        float(np.float32(unit * 2.0 ** some(random, 6, 9) * taps**0.5))
        if random.random() < 0.4
        else float(np.float32(unit * 2.0 ** some(random, 8, 12)))
    )


def conv(random: Random, of: TensorType) -> Made:
    groups = some(random, 1, 3) if of == INT8 else 1
    depth, outputs = some(random, 1, 9), groups * some(random, 1, 20)
    x = tensor(random, of, (some(random, 1, 2), 7, 6, depth * groups))
    weights, bias = parameters(random, (outputs, 3, 2, depth), 0, of, x.scale[0])
    y = tensor(random, of, (x.shape[0], 7, 6, outputs), output_scale(random, x, weights, 6 * depth))
    options = Conv2DOptions(padding=Padding.SAME, stride_w=1, stride_h=1, fused_activation_function=activation(random))
    return one_op_model(B.CONV_2D, [x, weights, bias], [y], options, version=3), [numbers(random, of, x.shape)]


def depthwise(random: Random, of: TensorType) -> Made:
    multiplier, channels = some(random, 1, 2), some(random, 1, 19)
    x = tensor(random, of, (1, 7, 6, channels))
    weights, bias = parameters(random, (1, 3, 3, channels * multiplier), 3, of, x.scale[0])
    y = tensor(random, of, (1, 7, 6, channels * multiplier), output_scale(random, x, weights, 9))
    options = DepthwiseConv2DOptions(
        padding=Padding.SAME,
        stride_w=1,
        stride_h=1,
        depth_multiplier=multiplier,
        fused_activation_function=activation(random),
    )
    return one_op_model(B.DEPTHWISE_CONV_2D, [x, weights, bias], [y], options, version=3), [
        numbers(random, of, x.shape)
    ]


def fully_connected(random: Random, of: TensorType) -> Made:
    depth, units = some(random, 1, 40), some(random, 1, 30)
    x = tensor(random, of, (some(random, 1, 9), depth))
    weights, bias = parameters(random, (units, depth), 0, of, x.scale[0])
    y = tensor(random, of, (x.shape[0], units), output_scale(random, x, weights, depth))
    options = FullyConnectedOptions(fused_activation_function=activation(random))
    return one_op_model(B.FULLY_CONNECTED, [x, weights, bias], [y], options, version=4), [numbers(random, of, x.shape)]


def transpose_conv(random: Random, of: TensorType) -> Made:
    depth, outputs, stride = some(random, 1, 8), some(random, 1, 18), some(random, 1, 3)
    taps, padding = (some(random, 1, 3), some(random, 1, 3)), Padding(random.choice([Padding.SAME, Padding.VALID]))
    x = tensor(random, of, (some(random, 1, 2), 5, 4, depth))
    weights, bias = parameters(random, (outputs, *taps, depth), 0, of, x.scale[0])
    size = [
        count * stride if padding == Padding.SAME else (count - 1) * stride + of_axis
        for count, of_axis in zip(x.shape[1:3], taps, strict=True)
    ]
    shape = np.array([x.shape[0], *size, outputs], np.int32)
    y = tensor(random, of, shape.tolist(), output_scale(random, x, weights, taps[0] * taps[1] * depth))
    inputs = [TensorSpec(INT32, (4,), data=shape), weights, x, bias]
    options = TransposeConvOptions(padding=padding, stride_w=stride, stride_h=stride)
    return one_op_model(B.TRANSPOSE_CONV, inputs, [y], options, version=3), [numbers(random, of, x.shape)]


SHAPES = [
    ((3, 5, 7), (3, 5, 7)),
    ((4, 37), (37,)),
    ((1, 6, 5, 19), (1, 1, 1, 19)),
    ((2, 3, 40), (2, 3, 1)),
    ((2, 3, 40), (1,)),
    ((1, 1, 40), (5, 1, 1)),
    ((2, 1, 3, 1, 9), (1, 5, 1, 4, 9)),
    ((2, 1, 3, 1, 5, 1), (1, 5, 1, 4, 1, 9)),
]


def elementwise(op: BuiltinOperator, options: Callable[..., Any]) -> Callable[..., Made]:
    def make(random: Random, of: TensorType) -> Made:
        shapes = list(SHAPES[some(random, 0, len(SHAPES) - 1)])
        random.shuffle(shapes)
        first = tensor(random, of, shapes[0])
        second = tensor(random, of, shapes[1], first.scale[0])
        unit = first.scale[0] * second.scale[0] * 64 if op == B.MUL else first.scale[0] * 2
        unit = float(np.float32(unit))
        y = tensor(random, of, np.broadcast_shapes(*shapes), unit, first.scale[0], second.scale[0])
        if op == B.MUL:  # products that leave int16 once they are scaled, and others
            y = replace(y, scale=[unit / float(random.choice([1, 1, 4, 64, 512, 8192]))])
        inputs = [numbers(random, of, each) for each in shapes]
        return one_op_model(
            op, [first, second], [y], options(fused_activation_function=activation(random)), version=2
        ), inputs

    return make


def reduction(op: BuiltinOperator) -> Callable[..., Made]:
    def make(random: Random, of: TensorType) -> Made:
        x = tensor(random, of, (2, some(random, 1, 8), some(random, 1, 8), some(random, 1, 40)))
        axes = np.array([[1, 2], [2, 1], [1], [3], [1, 2, 3], [0, 1]][some(random, 0, 5)], np.int32)
        keep = bool(random.integers(0, 2))
        kept = [1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes]
        y = tensor(random, of, kept, x.scale[0], x.scale[0] / 2, x.scale[0] * 8)
        axis = TensorSpec(INT32, (len(axes),), data=axes)
        return one_op_model(op, [x, axis], [y], ReducerOptions(keep_dims=keep), version=2), [
            numbers(random, of, x.shape)
        ]

    return make


def unary(op: BuiltinOperator, options: Callable[[Random], Any], *scales: float) -> Callable[..., Made]:
    def make(random: Random, of: TensorType) -> Made:
        x = tensor(random, of, (some(random, 1, 5), some(random, 1, 60)))
        y = tensor(random, of, x.shape, *(scales or (x.scale[0], x.scale[0] * 2)))
        if op == B.LOGISTIC or op == B.SOFTMAX:
            y = TensorSpec(of, x.shape, [1 / 256], [0 if of == UINT8 else -128])
        version = 1 if op == B.ELU else 2
        return one_op_model(op, [x], [y], options(random), version=version), [numbers(random, of, x.shape)]

    return make


def converted(first: TensorType, second: TensorType) -> Callable[..., Made]:
    op = B.DEQUANTIZE if second == FLOAT32 else B.QUANTIZE

    def make(random: Random, of: TensorType) -> Made:
        x = tensor(random, first, (some(random, 1, 5), some(random, 1, 60)))
        y = tensor(random, second, x.shape, *(() if first == FLOAT32 else (x.scale[0], x.scale[0] * 2)))
        return one_op_model(op, [x], [y], version=2), [numbers(random, first, x.shape)]

    return make


def max_pool(random: Random, of: TensorType) -> Made:
    x = tensor(random, of, (1, 7, 6, some(random, 1, 20)))
    y = TensorSpec(of, (1, 6, 5, x.shape[3]), x.scale, x.zero_point)
    options = Pool2DOptions(
        padding=Padding.VALID,
        stride_w=1,
        stride_h=1,
        filter_width=2,
        filter_height=2,
        fused_activation_function=activation(random),
    )
    return one_op_model(B.MAX_POOL_2D, [x], [y], options, version=2), [numbers(random, of, x.shape)]


def resize(random: Random, of: TensorType) -> Made:
    x = tensor(random, of, (1, some(random, 1, 7), some(random, 1, 7), some(random, 1, 9)))
    size = np.array([some(random, 1, 15), some(random, 1, 15)], np.int32)
    y = TensorSpec(of, (1, *size.tolist(), x.shape[3]), x.scale, x.zero_point)
    mode = some(random, 0, 2)
    options = ResizeBilinearOptions(align_corners=mode == 1, half_pixel_centers=mode == 2)
    inputs = [x, TensorSpec(INT32, (2,), data=size)]
    return one_op_model(B.RESIZE_BILINEAR, inputs, [y], options, version=3), [numbers(random, of, x.shape)]


def batch_matmul(random: Random, of: TensorType) -> Made:
    a = tensor(random, of, (2, some(random, 1, 9), 12))
    b = TensorSpec(of, (2, 12, some(random, 1, 11)), [scale(random)], [int(random.choice([0, 0, 5]))])
    y = tensor(random, of, (2, a.shape[1], b.shape[2]), float(np.float32(a.scale[0] * b.scale[0] * 256)))
    inputs = [numbers(random, of, each.shape) for each in (a, b)]
    return one_op_model(B.BATCH_MATMUL, [a, b], [y], BatchMatMulOptions(), version=2), inputs


OPERATORS: dict[str, tuple[Callable[..., Made], tuple[TensorType, ...]]] = {
    "conv": (conv, (INT8, UINT8)),
    "depthwise": (depthwise, (INT8, UINT8)),
    "fully_connected": (fully_connected, (INT8, UINT8)),
    "transpose_conv": (transpose_conv, (INT8, UINT8)),
    "add": (elementwise(B.ADD, AddOptions), (INT8, UINT8)),
    "sub": (elementwise(B.SUB, SubOptions), (INT8, UINT8)),
    "mul": (elementwise(B.MUL, MulOptions), (INT8, UINT8)),
    "mean": (reduction(B.MEAN), (INT8, UINT8)),
    "sum": (reduction(B.SUM), (INT8, UINT8)),
    "logistic": (unary(B.LOGISTIC, lambda random: None), (INT8, UINT8)),
    "tanh": (unary(B.TANH, lambda random: None, 1 / 128, 0.01), (INT8, UINT8)),
    "elu": (unary(B.ELU, lambda random: None), (INT8,)),
    "softmax": (unary(B.SOFTMAX, lambda random: SoftmaxOptions(beta=1.0)), (INT8, UINT8)),
    "leaky_relu": (
        unary(B.LEAKY_RELU, lambda random: LeakyReluOptions(alpha=float(random.choice([0.1, 0.5, 0.25, -0.5])))),
        (INT8, UINT8),
    ),
    "quantize": (converted(FLOAT32, INT8), (FLOAT32,)),
    "quantize_to_uint8": (converted(FLOAT32, UINT8), (FLOAT32,)),
    "requantize": (converted(INT8, INT8), (INT8,)),
    "requantize_uint8": (converted(UINT8, UINT8), (UINT8,)),
    "to_uint8": (converted(INT8, UINT8), (INT8,)),
    "to_int8": (converted(UINT8, INT8), (UINT8,)),
    "dequantize": (converted(INT8, FLOAT32), (INT8,)),
    "dequantize_uint8": (converted(UINT8, FLOAT32), (UINT8,)),
    "max_pool": (max_pool, (INT8, UINT8)),
    "resize_bilinear": (resize, (INT8, UINT8)),
    "batch_matmul": (batch_matmul, (INT8,)),
}


COMPILED = {"conv", "depthwise", "fully_connected"}
COMPILED_BY_BYTES = {"add", "sub", "mul", "elu", "leaky_relu", "logistic", "tanh", "requantize", "dequantize"}


@pytest.mark.parametrize("dialect", ["litert-optimized", "xnnpack"])
@pytest.mark.parametrize("name", OPERATORS)
def test_compiled_kernels_never_round_in_another_way(name: str, dialect: str) -> None:
    pytest.importorskip("numba")
    random = np.random.default_rng(5)
    make, types = OPERATORS[name]
    compiled = 0
    for number in range(10):
        model, inputs = make(random, types[number % len(types)])
        graph = read_model(model)
        numpy, machine = (Machine(graph, DIALECTS[dialect], engine=engine) for engine in ("numpy", "compiled"))
        for y, z in zip(numpy.call(0, inputs), machine.call(0, inputs), strict=True):
            assert_same(y, z)
        compiled += machine.plan(0, [x.shape for x in inputs]) is not None
    if name in COMPILED or (dialect == "xnnpack" and name in COMPILED_BY_BYTES):
        assert compiled > 0  # all but those of narrow groups


CASES = [(name, of) for name, (_, types) in OPERATORS.items() for of in types]


@needs_litert
@pytest.mark.parametrize("dialect", KERNELS)
@pytest.mark.parametrize(("name", "of"), CASES, ids=[f"{name}-{of.name}".lower() for name, of in CASES])
def test_a_dialect_computes_the_bits_of_its_runtime(name: str, of: TensorType, dialect: str) -> None:
    random, compared = np.random.default_rng(SEED), 0
    for number in cases(20):
        model, inputs = OPERATORS[name][0](random, of)
        answer = referee("litert").run(model, inputs, kernels=KERNELS[dialect])
        if not answer.finished:
            continue
        found = Machine(read_model(model), DIALECTS[dialect]).call(0, inputs)
        for expected, computed in zip(answer.outputs[0], found, strict=True):
            assert_same(expected, computed, (number, read_model(model).subgraphs[0].nodes[0]))
            compared += expected.size
    print(f"COMPARED {name} {of.name} {dialect} {compared}")
    assert compared > 0
