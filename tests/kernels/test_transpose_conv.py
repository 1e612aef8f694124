"""What TRANSPOSE_CONV asks for and refuses."""

from __future__ import annotations

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, node, persistent, refused, scratch, tensor


def transposed(of: TensorType, weights: TensorType, bias: Tensor | None = None) -> Node:
    inputs = [tensor(INT32, 4), tensor(weights, 5, 3, 3, 2, scale=1.0), tensor(of, 1, 4, 4, 2, scale=1.0)]
    return node(BuiltinOperator.TRANSPOSE_CONV, [*inputs, *([bias] if bias else [])], tensor(of, 1, 8, 8, 5, scale=1.0))


def test_sums_are_kept_for_the_whole_output_as_wide_as_the_type_needs() -> None:
    assert scratch(transposed(FLOAT32, FLOAT32)) == []
    assert scratch(transposed(INT8, INT8)) == [4 * 8 * 8 * 5]
    assert scratch(transposed(INT16, INT8)) == [8 * 8 * 8 * 5]


def test_a_bias_of_int16_is_widened_to_int64() -> None:
    assert scratch(transposed(INT16, INT8, tensor(INT16, 5))) == [8 * 8 * 8 * 5, 8 * 5]
    assert scratch(transposed(INT16, INT8, tensor(TensorType.INT64, 5))) == [8 * 8 * 8 * 5]


def test_a_multiplier_and_a_shift_are_kept_for_each_channel_of_the_output() -> None:
    assert persistent(transposed(FLOAT32, FLOAT32)) == [4 * 5, 4 * 5]


def test_a_hybrid_is_refused() -> None:
    assert refused(transposed(FLOAT32, INT8)) == "Hybrid models are not supported on TFLite Micro."
