"""What compiled kernels compute of floats with integer weights is what numpy computes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions
from refinfer.testing import Case, TensorSpec, cases, examples_of, one_op_model
from tests.kernels.bits import Random
from tests.kernels.compiled.test_tiers import is_compiled_and_agrees

pytest.importorskip("numba", reason="compiled kernels need numba")

COUNT = 8 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 40
FLOAT32, INT8 = TensorType.FLOAT32, TensorType.INT8
HYBRID = (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D, BuiltinOperator.FULLY_CONNECTED)


def is_hybrid(case: Case) -> bool:
    """Whether weights are integers."""
    weights = case.graph.subgraphs[0].nodes[0].inputs[1]
    return weights is not None and weights.type != FLOAT32


@pytest.mark.parametrize("op", HYBRID, ids=lambda each: each.name)
def test_both_tiers_compute_the_same_bits_of_integer_weights(op: BuiltinOperator) -> None:
    examples = examples_of(cases(op, FLOAT32).filter(is_hybrid), COUNT)
    found = [is_compiled_and_agrees(case, "litert") for case in examples]
    assert sum(found) > len(found) // 3


def activations(random: Random, shape: tuple[int, ...]) -> Any:
    """Floats of some size; some rows of zeros, of few large numbers, of numbers that lie between two integers."""
    x = random.normal(0, 10 ** random.uniform(-20, 20), shape)
    for row in x:
        kind = random.integers(5)
        if kind == 0:
            row[...] = 0
        elif kind == 1:
            row[...] = random.integers(-254, 255, row.shape) / 2
            row.reshape(-1)[0] = random.choice([127, -127])
        elif kind == 2:
            row[...] = np.abs(row) * random.choice([-1, 1])
    return x.astype(np.float32)


def weights(random: Random, shape: tuple[int, ...], axis: int) -> TensorSpec:
    """With one scale or one for each channel."""
    channels = shape[axis] if random.integers(2) or axis == 3 else 1
    scales = [float(each) for each in random.uniform(0.001, 0.1, channels).astype(np.float32)]
    data = random.integers(-127, 128, shape).astype(np.int8)
    return TensorSpec(INT8, shape, scales, [0] * channels, axis=axis, data=data)


def bias(random: Random, channels: int) -> TensorSpec:
    """Of any size."""
    return TensorSpec(FLOAT32, (channels,), data=random.normal(0, 1, channels).astype(np.float32))


def dense(random: Random) -> tuple[bytes, Any]:
    """FULLY_CONNECTED."""
    rows, depth, units = (int(random.integers(1, most)) for most in (12, 90, 80))
    options = FullyConnectedOptions(
        fused_activation_function=ActivationFunctionType(int(random.integers(0, 4))),
        asymmetric_quantize_inputs=bool(random.integers(2)),
    )
    w, y = weights(random, (units, depth), 0), TensorSpec(FLOAT32, (rows, units))
    return model_of(
        BuiltinOperator.FULLY_CONNECTED, activations(random, (rows, depth)), w, bias(random, units), y, options
    )


def convolution(random: Random) -> tuple[bytes, Any]:
    """CONV_2D, whose images are quantized with a zero point if there are several scales."""
    x = activations(random, shape_of_images(random))
    channels = int(random.integers(1, 40))
    w, y = weights(random, (channels, 3, 3, x.shape[3]), 0), TensorSpec(FLOAT32, (*x.shape[:3], channels))
    options = Conv2DOptions(stride_h=1, stride_w=1)
    return model_of(BuiltinOperator.CONV_2D, x, w, bias(random, channels), y, options)


def depthwise(random: Random) -> tuple[bytes, Any]:
    """DEPTHWISE_CONV_2D."""
    x = activations(random, shape_of_images(random))
    w, y = weights(random, (1, 3, 3, x.shape[3]), 3), TensorSpec(FLOAT32, x.shape)
    options = DepthwiseConv2DOptions(stride_h=1, stride_w=1, depth_multiplier=1)
    return model_of(BuiltinOperator.DEPTHWISE_CONV_2D, x, w, bias(random, x.shape[3]), y, options)


def shape_of_images(random: Random) -> tuple[int, ...]:
    """Some images."""
    batches, height, width, depth = (int(random.integers(1, most)) for most in (4, 11, 11, 40))
    return batches, height, width, depth


def model_of(
    op: BuiltinOperator, x: Any, w: TensorSpec, bias: TensorSpec, y: TensorSpec, options: Any
) -> tuple[bytes, Any]:
    """The model of a layer, and its input."""
    return one_op_model(op, [TensorSpec(FLOAT32, x.shape), w, bias], [y], options, version=7), x


@pytest.mark.parametrize("layer", [dense, convolution, depthwise])
def test_layers_of_many_numbers_are_the_same(layer: Callable[[Random], tuple[bytes, Any]]) -> None:
    random = np.random.default_rng(47)
    for _ in range(COUNT):
        model, x = layer(random)
        numpy, compiled = (Machine(read_model(model), DIALECTS["litert"], engine=e) for e in ("numpy", "compiled"))
        (expected,), (found,) = numpy.call(0, [x]), compiled.call(0, [x])
        assert found.tobytes() == expected.tobytes()
        assert compiled.plan(0, [x.shape]) is not None
