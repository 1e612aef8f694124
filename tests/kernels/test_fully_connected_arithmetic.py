"""Fully connected layers compute the bits of the official runtimes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import (
    ActivationFunctionType,
    BuiltinOperator,
    FullyConnectedOptionsWeightsFormat,
    TensorType,
)
from refinfer.schema.options import FullyConnectedOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, zero_point
from tests.kernels.sparse import blocks, csr

FLOAT32, UINT8, INT8 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8
INT2, INT4 = TensorType.INT2, TensorType.INT4
INT16, INT32, INT64 = TensorType.INT16, TensorType.INT32, TensorType.INT64
VERSION = 14
CLIPPING = (
    ActivationFunctionType.NONE,
    ActivationFunctionType.RELU,
    ActivationFunctionType.RELU_N1_TO_1,
    ActivationFunctionType.RELU6,
)


class Layer(NamedTuple):
    """The types of a layer; `wide` is what the options say of its bias."""

    x: TensorType
    weights: TensorType
    y: TensorType
    bias: TensorType | None
    several_scales: bool = False
    wide: TensorType = FLOAT32
    asymmetric: bool = False


def layer(random: Random, of: Layer, is_constant: bool = True) -> tuple[bytes, list[Array]]:
    """A model of a layer, and inputs for it."""
    depth, units, batches = (int(each) for each in random.integers(1, 33, 3))
    keep = bool(random.integers(0, 2))
    shape = (batches, 1, depth) if keep else (batches, depth)
    x = tensor(random, of.x, shape)
    weights, values = weights_of(random, of, units, depth)
    y = tensor(random, of.y, (batches, 1, units) if keep else (batches, units))
    activations = tuple(ActivationFunctionType) if is_hybrid(of) else CLIPPING
    options = FullyConnectedOptions(
        fused_activation_function=activations[int(random.integers(0, len(activations)))],
        keep_num_dims=keep,
        asymmetric_quantize_inputs=of.asymmetric,
        quantized_bias_type=of.wide,
    )
    given = TensorSpec(weights.type, weights.shape, weights.scale, weights.zero_point)
    inputs = [x, weights if is_constant else given, bias_of(random, of, x, weights)]
    model = one_op_model(BuiltinOperator.FULLY_CONNECTED, inputs, [y], options, version=VERSION)
    return model, [activations_of(random, of.x, shape), *([] if is_constant else [values])]


def is_hybrid(of: Layer) -> bool:
    return of.x == FLOAT32 and of.weights != FLOAT32


def tensor(random: Random, type: TensorType, shape: tuple[int, ...]) -> TensorSpec:
    if type == FLOAT32:
        return TensorSpec(type, shape)
    return TensorSpec(type, shape, [scale(random)], [zero_point(random, type)])


def weights_of(random: Random, of: Layer, units: int, depth: int) -> tuple[TensorSpec, Array]:
    """Weights without their least value, which x86 multiplies wrongly where they meet floats."""
    if of.weights == FLOAT32:
        values = random.normal(0, 1, (units, depth)).astype(np.float32)
        return TensorSpec(FLOAT32, (units, depth), data=values), values
    low, high = {UINT8: (0, 256), INT2: (-2, 2), INT4: (-8, 8), INT8: (-127, 128), INT16: (-32767, 32768)}[of.weights]
    values = random.integers(low, high, (units, depth)).astype(dtype_of(of.weights))
    if is_hybrid(of) and of.weights == UINT8:
        values[values == 128] = 127
    scales = [scale(random) for _ in range(units if of.several_scales else 1)]
    zero_points = [zero_point(random, UINT8)] if of.weights == UINT8 and not is_hybrid(of) else [0] * len(scales)
    return TensorSpec(of.weights, (units, depth), scales, zero_points, data=values), values


def bias_of(random: Random, of: Layer, x: TensorSpec, weights: TensorSpec) -> TensorSpec | None:
    units = weights.shape[0]
    if of.bias is None:
        return None
    if of.bias == FLOAT32:
        return TensorSpec(FLOAT32, (units,), data=random.normal(0, 1, units).astype(np.float32))
    scales = [float(np.float32(x.scale[0]) * np.float32(each)) for each in weights.scale]
    limit = int(random.choice([2**31 - 1, 20000]))
    values = random.integers(-limit, limit, units).astype(dtype_of(of.bias))
    return TensorSpec(of.bias, (units,), scales, [0] * len(scales), data=values)


def activations_of(random: Random, type: TensorType, shape: tuple[int, ...]) -> Array:
    if type == FLOAT32:
        values = np.asarray(random.normal(0, 10 ** random.uniform(-3, 3), shape)).astype(np.float32)
        if random.random() < 0.2:
            values[0] = 0
        return values * np.float32(random.random() < 0.95)
    limits = np.iinfo(dtype_of(type))
    return random.integers(limits.min, limits.max, shape, endpoint=True).astype(limits.dtype)


LAYERS = {
    "float": Layer(FLOAT32, FLOAT32, FLOAT32, FLOAT32),
    "float-no-bias": Layer(FLOAT32, FLOAT32, FLOAT32, None),
    "int8": Layer(INT8, INT8, INT8, INT32),
    "int8-no-bias": Layer(INT8, INT8, INT8, None),
    "int8-channels": Layer(INT8, INT8, INT8, INT32, several_scales=True),
    "int4": Layer(INT8, INT4, INT8, INT32),
    "int4-channels": Layer(INT8, INT4, INT8, INT32, several_scales=True),
    "int2": Layer(INT8, INT2, INT8, INT32),
    "int16": Layer(INT16, INT8, INT16, INT64),
    "int16-channels": Layer(INT16, INT8, INT16, INT64, several_scales=True),
    "int16-no-bias": Layer(INT16, INT8, INT16, None),
    "int16-bias32": Layer(INT16, INT8, INT16, INT32, wide=INT32),
    "int16-bias32-channels": Layer(INT16, INT8, INT16, INT32, several_scales=True, wide=INT32),
    "int16-no-bias-but-32": Layer(INT16, INT8, INT16, None, wide=INT32),
    "int16-bias64": Layer(INT16, INT8, INT16, INT64, wide=INT64),
    "int16-int4": Layer(INT16, INT4, INT16, INT64),
    "int16-int2-channels": Layer(INT16, INT2, INT16, INT64, several_scales=True),
    "int16-int16": Layer(INT16, INT16, INT16, INT64, wide=INT64),
    "int16-int16-channels": Layer(INT16, INT16, INT16, INT32, several_scales=True, wide=INT32),
    "uint8": Layer(UINT8, UINT8, UINT8, INT32),
    "uint8-to-int16": Layer(UINT8, UINT8, INT16, INT32),
    "hybrid": Layer(FLOAT32, INT8, FLOAT32, FLOAT32),
    "hybrid-channels": Layer(FLOAT32, INT8, FLOAT32, None, several_scales=True),
    "hybrid-asymmetric": Layer(FLOAT32, INT8, FLOAT32, FLOAT32, asymmetric=True),
    "hybrid-asymmetric-channels": Layer(FLOAT32, INT8, FLOAT32, FLOAT32, several_scales=True, asymmetric=True),
    "hybrid-int4": Layer(FLOAT32, INT4, FLOAT32, FLOAT32),
    "hybrid-int2-channels": Layer(FLOAT32, INT2, FLOAT32, FLOAT32, several_scales=True),
    "hybrid-uint8": Layer(FLOAT32, UINT8, FLOAT32, FLOAT32),
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("of", LAYERS.values(), ids=LAYERS)
def test_layers_have_the_same_bits(runtime: str, of: Layer) -> None:
    random = np.random.default_rng(5)
    for number in cases(6):
        model, inputs = layer(random, of)
        agree(runtime, model, inputs, case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("of", [LAYERS["float"], LAYERS["int8"], LAYERS["hybrid"]], ids=["float", "int8", "hybrid"])
def test_weights_may_be_an_input(runtime: str, of: Layer) -> None:
    random = np.random.default_rng(6)
    for number in cases(4):
        model, inputs = layer(random, of, is_constant=False)
        agree(runtime, model, inputs, case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("x_type", [FLOAT32, INT8])
@pytest.mark.parametrize("several_scales", [False, True])
def test_sparse_weights_of_int8_have_the_same_bits(runtime: str, x_type: TensorType, several_scales: bool) -> None:
    random = np.random.default_rng(7)
    for number in cases(6):
        of = Layer(x_type, INT8, x_type, FLOAT32 if x_type == FLOAT32 else INT32, several_scales)
        units, depth = int(random.integers(1, 20)), 16 * int(random.integers(1, 5))
        x, y = tensor(random, x_type, (3, depth)), tensor(random, x_type, (3, units))
        values, sparsity = csr(blocks(random, units, depth, 16, np.int8), 16)
        dense, _ = weights_of(random, of, units, depth)
        weights = TensorSpec(INT8, dense.shape, dense.scale, dense.zero_point, data=values, sparsity=sparsity)
        options = FullyConnectedOptions(asymmetric_quantize_inputs=bool(random.integers(0, 2)))
        inputs = [x, weights, bias_of(random, of, x, dense)]
        model = one_op_model(BuiltinOperator.FULLY_CONNECTED, inputs, [y], options, version=VERSION)
        agree(runtime, model, [activations_of(random, x_type, x.shape)], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("block", [1, 4])
def test_sparse_weights_of_floats_have_the_same_bits(runtime: str, block: int) -> None:
    random = np.random.default_rng(8)
    for number in cases(6):
        units, depth = int(random.integers(1, 20)), block * int(random.integers(1, 9))
        values, sparsity = csr(blocks(random, units, depth, block, np.float32), block)
        x, y = TensorSpec(FLOAT32, (2, depth)), TensorSpec(FLOAT32, (2, units))
        weights = TensorSpec(FLOAT32, (units, depth), data=values, sparsity=sparsity)
        model = one_op_model(
            BuiltinOperator.FULLY_CONNECTED, [x, weights, None], [y], FullyConnectedOptions(), version=8
        )
        agree(runtime, model, [activations_of(random, FLOAT32, x.shape)], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])  # TFLM goes by the file's output, and does not look whether it fits
@pytest.mark.parametrize("x_shape", [(0, 4), (2, 0), (3, 5), (4, 2), (2, 2, 2), (8,), ()])
@pytest.mark.parametrize("weights_shape", [(3, 4), (3, 0), (0, 4)])
def test_odd_shapes_are_computed_or_refused_alike(
    runtime: str, x_shape: tuple[int, ...], weights_shape: tuple[int, ...]
) -> None:
    x, weights = TensorSpec(FLOAT32, x_shape), TensorSpec(FLOAT32, weights_shape)
    y = TensorSpec(FLOAT32, (1, weights_shape[0]))
    model = one_op_model(BuiltinOperator.FULLY_CONNECTED, [x, weights, None], [y], FullyConnectedOptions())
    inputs = [np.ones(shape, np.float32) for shape in (x_shape, weights_shape)]
    agree(runtime, model, inputs)


def refusal(**options: Any) -> str:
    x, weights = TensorSpec(UINT8, (1, 4), [1.0], [0]), TensorSpec(UINT8, (4, 4), [1.0], [0])
    y = TensorSpec(UINT8, (1, 4), [1.0], [0])
    model = one_op_model(BuiltinOperator.FULLY_CONNECTED, [x, weights, None], [y], FullyConnectedOptions(**options))
    found = ours("litert", model, [])
    assert isinstance(found, str)
    return found.split(": ", 1)[1]


def test_shuffled_weights_are_refused() -> None:
    shuffled = FullyConnectedOptionsWeightsFormat.SHUFFLED4x16INT8
    assert refusal(weights_format=shuffled) == "weights in the format SHUFFLED4x16INT8; only DEFAULT is supported"


def test_activations_that_are_no_limits_are_refused() -> None:
    assert (
        refusal(fused_activation_function=ActivationFunctionType.TANH) == "the fused activation TANH is not supported"
    )
