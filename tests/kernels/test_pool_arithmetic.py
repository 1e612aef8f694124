"""Pooling computes the bits of the official runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.window import output_size
from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, Padding, TensorType
from refinfer.schema.options import Pool2DOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, values, zero_point

FLOAT32, UINT8, INT8, INT16 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT16
AVERAGE, MAX = BuiltinOperator.AVERAGE_POOL_2D, BuiltinOperator.MAX_POOL_2D
L2 = BuiltinOperator.L2_POOL_2D
BOTH_KNOW = [(AVERAGE, FLOAT32), (AVERAGE, INT8), (AVERAGE, INT16), (MAX, FLOAT32), (MAX, INT8), (MAX, INT16)]
ONLY_LITERT_KNOWS = [(AVERAGE, UINT8), (MAX, UINT8)]

ACTIVATIONS = tuple(ActivationFunctionType)


def pooling(random: Random, op: BuiltinOperator, type: TensorType) -> tuple[bytes, list[Array]]:
    """A model of one operator whose windows fit into the image, and an image for it."""
    padding = Padding(random.choice([Padding.SAME, Padding.VALID]))
    height, width, rows, columns = 0, 0, 0, 0
    while rows * columns == 0:
        height, width = (int(each) for each in random.integers(1, 16, 2))
        lengths, strides = random.integers(1, 10, 2), random.integers(1, 5, 2)
        rows = output_size(padding, height, lengths[0], strides[0])
        columns = output_size(padding, width, lengths[1], strides[1])
    options = Pool2DOptions(
        padding=padding,
        stride_h=int(strides[0]),
        stride_w=int(strides[1]),
        filter_height=int(lengths[0]),
        filter_width=int(lengths[1]),
        fused_activation_function=random.choice(ACTIVATIONS),
    )
    batches, channels = (int(each) for each in random.integers(1, 4, 2))
    quantization: dict[str, Any] = (
        {} if type == FLOAT32 else {"scale": [scale(random)], "zero_point": [zero_point(random, type)]}
    )
    x = TensorSpec(type, (batches, height, width, channels), **quantization)
    y = TensorSpec(type, (batches, rows, columns, channels), **quantization)
    return one_op_model(op, [x], [y], options), [values(random, type, x.shape) for _ in range(2)]


def compare(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    """As many cases as asked for; those that the runtime refuses may not be all of them."""
    random = np.random.default_rng(11)
    compared = 0
    for number in cases(10):
        model, images = pooling(random, op, type)
        compared += agree(runtime, model, *([image] for image in images), case=number)
    print(f"COMPARED {compared}")
    assert compared > 0


def named(pairs: Sequence[tuple[BuiltinOperator, TensorType]]) -> list[object]:
    return [pytest.param(op, type, id=f"{op.name}-{type.name}".lower()) for op, type in pairs]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("op", "type"), named([*BOTH_KNOW, (L2, FLOAT32)]))
def test_what_both_runtimes_pool_has_the_same_bits(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize(("op", "type"), named(ONLY_LITERT_KNOWS))
def test_what_only_litert_pools_has_the_same_bits(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", [AVERAGE, MAX])
def test_large_windows_do_not_lose_a_bit(runtime: str, op: BuiltinOperator) -> None:
    random = np.random.default_rng(3)
    options = Pool2DOptions(padding=Padding.SAME, stride_h=9, stride_w=7, filter_height=70, filter_width=60)
    for type in (FLOAT32, INT16):
        quantization: dict[str, Any] = {} if type == FLOAT32 else {"scale": [0.1], "zero_point": [0]}
        x, y = TensorSpec(type, (1, 64, 64, 2), **quantization), TensorSpec(type, (1, 8, 10, 2), **quantization)
        assert agree(runtime, one_op_model(op, [x], [y], options), [values(random, type, x.shape)]) == 160


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_a_window_larger_than_the_image_gives_nothing(runtime: str) -> None:
    options = Pool2DOptions(padding=Padding.VALID, stride_h=1, stride_w=1, filter_height=4, filter_width=2)
    x, y = TensorSpec(FLOAT32, (1, 3, 3, 1)), TensorSpec(FLOAT32, (1, 0, 2, 1))
    assert agree(runtime, one_op_model(AVERAGE, [x], [y], options), [np.ones(x.shape, np.float32)]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", [AVERAGE, MAX])
@pytest.mark.parametrize("shape", [{"filter_width": 0}, {"filter_height": -1}, {"stride_w": 0}, {"stride_h": -1}])
def test_windows_that_make_no_sense_are_refused(runtime: str, op: BuiltinOperator, shape: dict[str, int]) -> None:
    options = Pool2DOptions(**{"stride_w": 1, "stride_h": 1, "filter_width": 1, "filter_height": 1} | shape)
    x, y = TensorSpec(FLOAT32, (1, 3, 3, 1)), TensorSpec(FLOAT32, (1, 3, 3, 1))
    found = ours(runtime, one_op_model(op, [x], [y], options), [[np.ones(x.shape, np.float32)]])
    assert isinstance(found, str)
    assert str(next(iter(shape.values()))) in found


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_litert_pools_to_another_scale_without_rescaling(runtime: str) -> None:
    options = Pool2DOptions(padding=Padding.VALID, stride_w=2, stride_h=2, filter_width=2, filter_height=2)
    x, y = TensorSpec(INT8, (1, 4, 4, 1), scale=[0.5]), TensorSpec(INT8, (1, 2, 2, 1), scale=[0.25], zero_point=[3])
    for op in (AVERAGE, MAX):
        assert (
            agree(runtime, one_op_model(op, [x], [y], options), [values(np.random.default_rng(1), INT8, x.shape)]) == 4
        )
