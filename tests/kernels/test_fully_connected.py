"""What FULLY_CONNECTED asks for and refuses."""

from __future__ import annotations

from collections.abc import Iterable

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from tests.kernels.nodes import (
    CORTEX_M4,
    FLOAT32,
    INT8,
    INT16,
    INT32,
    RELEASE,
    node,
    persistent,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)


def dense(
    of: TensorType,
    weights: TensorType,
    *,
    scale: float | Iterable[float] = 0.5,
    zero_point: int = 0,
    bias: Tensor | None = None,
) -> Node:
    one: float | Iterable[float] = () if of == FLOAT32 else 1.0
    return node(
        BuiltinOperator.FULLY_CONNECTED,
        [tensor(of, 1, 8, scale=one), tensor(weights, 3, 8, scale=scale, zero_point=zero_point), bias],
        tensor(of, 1, 3, scale=one),
    )


def test_multipliers_are_kept_for_channels_only_if_there_are_several_scales() -> None:
    assert persistent(dense(INT8, INT8, scale=(0.5, 0.25, 0.125))) == [4 * 3, 4 * 3]
    assert persistent(dense(INT8, INT8)) == []
    assert persistent(dense(FLOAT32, FLOAT32, scale=())) == []


def test_an_int4_filter_is_unpacked_and_may_have_one_scale_only() -> None:
    assert scratch(dense(INT8, TensorType.INT4)) == [3 * 8]
    assert refused(dense(INT8, TensorType.INT4, scale=(0.5,) * 3)) == "INT4 may have one scale only"


def test_a_hybrid_is_refused_in_tflms_words() -> None:
    assert refused(dense(FLOAT32, INT8)) == "Input type: FLOAT32 with filter type: INT8 not supported."


def test_what_no_kernel_computes_gets_as_far_as_invoke() -> None:
    uint8 = dense(TensorType.UINT8, TensorType.UINT8)
    assert refused(uint8) is None
    assert refused_by_invoke(uint8) == "Input type UINT8 not supported."


def test_a_filters_zero_point_is_minded_by_debug_builds_only() -> None:
    shifted = dense(INT8, INT8, zero_point=3)
    assert refused(shifted, CORTEX_M4) == "zero point 3; a filter's must be 0 (debug builds abort)"
    assert refused(shifted, RELEASE) is None


def test_a_bias_may_be_a_fiftieth_of_an_output_step_off() -> None:
    assert refused(dense(INT8, INT8, bias=tensor(INT32, 3, scale=0.5 + 0.019))) is None
    assert refused(dense(INT8, INT8, bias=tensor(INT32, 3, scale=0.5 + 0.021))) is not None


def test_an_unquantized_output_is_refused_where_there_is_a_bias() -> None:
    x, weights, bias = tensor(INT16, 1, 8, scale=1.0), tensor(INT8, 3, 8, scale=0.5), tensor(INT32, 3, scale=0.5)
    unquantized = node(BuiltinOperator.FULLY_CONNECTED, [x, weights, bias], tensor(INT16, 1, 3))
    assert refused(unquantized) is not None
