"""What PAD, PADV2 and MIRROR_PAD ask for and refuse."""

from __future__ import annotations

import struct

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Tensor
from tests.kernels.nodes import (
    FLOAT32,
    INT8,
    INT16,
    INT32,
    initialized,
    looked_at,
    node,
    refused,
    refused_by_invoke,
    scratch,
    tensor,
)


def paddings(*pairs: tuple[int, int]) -> Tensor:
    values = [each for pair in pairs for each in pair]
    return tensor(INT32, len(pairs), 2, data=struct.pack(f"<{len(values)}i", *values))


def test_pad_adds_what_its_paddings_say() -> None:
    x = tensor(FLOAT32, 3, 4)
    assert refused(node(BuiltinOperator.PAD, [x, paddings((1, 2), (0, 1))], tensor(FLOAT32, 6, 5))) is None
    assert refused(node(BuiltinOperator.PAD, [x, paddings((1, 2), (0, 1))], tensor(FLOAT32, 6, 6))) == (
        "shape (6, 6); (6, 5) was expected"
    )


def test_pad_and_padv2_are_one_kernel_that_may_have_a_third_input() -> None:
    x, amounts, value, y = tensor(FLOAT32, 3), paddings((1, 1)), tensor(FLOAT32, 1), tensor(FLOAT32, 5)
    for op in (BuiltinOperator.PAD, BuiltinOperator.PADV2):
        assert looked_at(node(op, [x, amounts], y)) == [x, amounts, None, y]
        assert looked_at(node(op, [x, amounts, value], y)) == [x, amounts, value, y]
        assert initialized(node(op, [x, amounts], y)) == [56]


def test_a_quantized_padding_value_is_on_the_scale_of_the_output() -> None:
    x, y = tensor(INT8, 3, scale=0.5), tensor(INT8, 5, scale=0.5)
    for value, fits in ((tensor(INT8, 1, scale=0.5), True), (tensor(INT8, 1, scale=0.25), False)):
        assert (refused(node(BuiltinOperator.PADV2, [x, paddings((1, 1)), value], y)) is None) == fits


def test_a_mirror_needs_two_numbers_for_each_dimension_while_it_runs() -> None:
    of = node(BuiltinOperator.MIRROR_PAD, [tensor(FLOAT32, 3, 4), paddings((1, 1), (2, 2))], tensor(FLOAT32, 5, 8))
    assert scratch(of) == [2 * 4, 2 * 4]


def test_a_mirror_runs_on_float32_and_int8_alone() -> None:
    for of, runs in ((FLOAT32, True), (INT8, True), (INT16, False), (TensorType.UINT8, False)):
        x = tensor(of, 3)
        assert (refused_by_invoke(node(BuiltinOperator.MIRROR_PAD, [x, paddings((0, 0))], x)) is None) == runs
