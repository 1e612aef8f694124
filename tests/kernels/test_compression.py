"""The operators with code for compression ask, last of all in Prepare, for room to decompress their constants."""

from __future__ import annotations

import pytest

from refinfer.kernels.kernel import Decompressed
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from tests.kernels.nodes import FLOAT32, INT32, node, prepared, tensor

IMAGE, FILTER, BIAS = tensor(FLOAT32, 1, 4, 4, 2), tensor(FLOAT32, 2, 1, 1, 2), tensor(FLOAT32, 2)
ROW, MATRIX, SHAPE, HANDLE = tensor(FLOAT32, 1, 2), tensor(FLOAT32, 2, 2), tensor(INT32, 4), tensor(INT32, 1)

WEIGHTS_AND_BIAS = [("weights_scratch_index", FILTER), ("bias_scratch_index", BIAS)]
CONV = node(BuiltinOperator.CONV_2D, [IMAGE, FILTER, BIAS], IMAGE, Conv2DOptions(stride_w=1, stride_h=1))
NO_BIAS = node(BuiltinOperator.CONV_2D, [IMAGE, FILTER], IMAGE, Conv2DOptions(stride_w=1, stride_h=1))
DEPTHWISE = node(
    BuiltinOperator.DEPTHWISE_CONV_2D, [IMAGE, FILTER, BIAS], IMAGE, DepthwiseConv2DOptions(stride_w=1, stride_h=1)
)
TRANSPOSED = node(
    BuiltinOperator.TRANSPOSE_CONV,
    [SHAPE, FILTER, IMAGE, BIAS],
    IMAGE,
    TransposeConvOptions(stride_w=1, stride_h=1),
)
DENSE = node(BuiltinOperator.FULLY_CONNECTED, [ROW, MATRIX, BIAS], ROW)
JOINED = node(BuiltinOperator.CONCATENATION, [ROW, MATRIX], tensor(FLOAT32, 3, 2))
ASSIGNED = node(BuiltinOperator.ASSIGN_VARIABLE, [HANDLE, ROW], [])


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (CONV, WEIGHTS_AND_BIAS),
        (NO_BIAS, [("weights_scratch_index", FILTER), ("bias_scratch_index", None)]),
        (DEPTHWISE, WEIGHTS_AND_BIAS),
        (TRANSPOSED, [("filter_scratch_index", FILTER), ("bias_scratch_index", BIAS)]),
        (DENSE, [("weights_scratch_index", MATRIX), ("bias_scratch_index", BIAS)]),
        (JOINED, [("scratch_indices", ROW), ("scratch_indices", MATRIX)]),
        (ASSIGNED, [("scratch_index", ROW)]),
    ],
    ids=["conv", "without bias", "depthwise", "transposed", "dense", "joined", "assigned"],
)
def test_it_asks_for_its_constants(of: Node, expected: list[tuple[str, Tensor | None]]) -> None:
    requests = prepared(of)
    asked = [request for request in requests if isinstance(request, Decompressed)]
    assert [(request.what, request.tensor) for request in asked] == expected
    assert requests[-1] == asked[-1]


def test_an_operator_without_code_for_it_asks_for_nothing() -> None:
    added = node(BuiltinOperator.ADD, [ROW, ROW], ROW)
    assert not any(isinstance(request, Decompressed) for request in prepared(added))
