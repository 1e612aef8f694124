"""What CONV_2D and DEPTHWISE_CONV_2D ask for and refuse."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions
from tests.kernels.nodes import (
    FLOAT32,
    INT8,
    INT16,
    node,
    persistent,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)

HYBRID = "Hybrid models are not supported on TFLite Micro."


def conv(
    of: TensorType,
    weights: TensorType,
    *,
    scale: float | Iterable[float] = 0.5,
    axis: int = 0,
    op: BuiltinOperator = BuiltinOperator.CONV_2D,
    activation: ActivationFunctionType = ActivationFunctionType.NONE,
    output_scale: float = 1.0,
) -> Node:
    filter_shape = (6, 3, 2, 4) if op == BuiltinOperator.CONV_2D else (1, 3, 2, 6)
    return node(
        op,
        [
            tensor(of, 1, 9, 9, 4, scale=() if of == FLOAT32 else 1.0),
            tensor(weights, *filter_shape, scale=() if weights == FLOAT32 else scale, axis=axis),
        ],
        tensor(of, 1, 9, 9, 6, scale=() if of == FLOAT32 else output_scale),
        Conv2DOptions(fused_activation_function=activation),
    )


@pytest.mark.parametrize("types", [(FLOAT32, FLOAT32), (INT8, INT8), (INT16, INT8)])
def test_a_multiplier_and_a_shift_are_kept_for_each_channel_even_of_floats(
    types: tuple[TensorType, TensorType],
) -> None:
    assert persistent(conv(*types)) == [4 * 6, 4 * 6]


@pytest.mark.parametrize("op", [BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D])
def test_an_int4_filter_is_unpacked_to_a_byte_an_element(op: BuiltinOperator) -> None:
    elements = {BuiltinOperator.CONV_2D: 6 * 3 * 2 * 4, BuiltinOperator.DEPTHWISE_CONV_2D: 3 * 2 * 6}
    assert scratch(conv(INT8, TensorType.INT4, op=op)) == [elements[op]]
    assert scratch(conv(INT8, INT8, op=op)) == []


@pytest.mark.parametrize("types", [(FLOAT32, INT8), (TensorType.UINT8, TensorType.UINT8), (INT16, INT16)])
def test_other_types_are_refused_as_hybrid(types: tuple[TensorType, TensorType]) -> None:
    assert refused(conv(*types)) == HYBRID


def test_a_depthwise_convolution_of_uint8_gets_as_far_as_invoke() -> None:
    uint8 = conv(TensorType.UINT8, TensorType.UINT8, op=BuiltinOperator.DEPTHWISE_CONV_2D)
    assert refused(uint8) is None
    assert refused_by_invoke(uint8) == "Input type UINT8 not supported."


def test_scales_along_the_channels_or_one_for_all_are_accepted() -> None:
    assert refused(conv(INT8, INT8, scale=(0.5,) * 6)) is None
    assert refused(conv(INT8, INT8, scale=(0.5,) * 3)) == "3 scales for 6 channels"
    assert refused(conv(INT8, INT8, scale=(0.5,) * 6, axis=1)) == (
        "6 scales along dimension 1 of (6, 3, 2, 4) for 6 channels"
    )


def test_an_activation_must_end_within_32_bits_of_the_outputs_scale() -> None:
    relu6 = ActivationFunctionType.RELU6
    assert refused(conv(INT8, INT8, activation=relu6)) is None
    assert refused(conv(INT8, INT8, activation=relu6, output_scale=1e-10)) is not None
    assert refused(conv(FLOAT32, FLOAT32, activation=relu6)) is None


def test_a_filter_of_three_dimensions_is_refused() -> None:
    flat = node(
        BuiltinOperator.CONV_2D,
        [tensor(FLOAT32, 1, 9, 9, 4), tensor(FLOAT32, 6, 3, 2)],
        tensor(FLOAT32, 1, 9, 9, 6),
    )
    assert refused(flat) == "3 dimensions; it takes 4"
