"""What kernels on CMSIS-NN asked for in January 2023, and where that differs from today."""

from __future__ import annotations

import pytest

from refinfer.kernels.changes import CHANGES, older_than
from refinfer.kernels.kernel import Persistent, Refusal, Request, Scratch
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries.cmsis_nn import SPEED
from refinfer.kernels.libraries.cmsis_nn_sizes import DSP
from refinfer.kernels.registry import kernel_of
from refinfer.schema.enums import BuiltinOperator, Padding
from refinfer.schema.graph import Node
from refinfer.schema.options import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    ReducerOptions,
)
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, custom, node, tensor

THEN = Build(Abi(pointer=4, enum=1), frozenset({DSP}) | older_than("2023-01-13"), library="cmsis-nn-2023")
NOW = Build(Abi(pointer=4, enum=1), frozenset({DSP, SPEED}), library="cmsis-nn")


def asked(of: Node, build: Build) -> list[Request]:
    kernel = kernel_of(of, build.library)
    assert kernel is not None
    return list(kernel.prepare(of, build))


def scratch(of: Node, build: Build) -> list[int]:
    return [each.nbytes for each in asked(of, build) if isinstance(each, Scratch)]


def kept(of: Node, build: Build) -> list[int]:
    return [each.nbytes for each in asked(of, build) if isinstance(each, Persistent)]


def conv(channels: int, size: int, stride: int = 1) -> Node:
    x = tensor(INT8, 1, 10, 10, channels, scale=0.5)
    weights = tensor(INT8, 4, size, size, channels, scale=[0.5] * 4)
    out = -(-(11 - size) // stride)
    y = tensor(INT8, 1, out, out, 4, scale=0.5)
    options = Conv2DOptions(padding=Padding.VALID, stride_h=stride, stride_w=stride)
    return node(BuiltinOperator.CONV_2D, (x, weights, tensor(INT32, 4)), y, options)


def depthwise(size: int) -> Node:
    x, y = tensor(INT8, 1, 10, 10, 5, scale=0.5), tensor(INT8, 1, 11 - size, 11 - size, 5, scale=0.5)
    weights = tensor(INT8, 1, size, size, 5, scale=[0.5] * 5, axis=3)
    options = DepthwiseConv2DOptions(padding=Padding.VALID, stride_h=1, stride_w=1, depth_multiplier=1)
    return node(BuiltinOperator.DEPTHWISE_CONV_2D, (x, weights, tensor(INT32, 5)), y, options)


def dense(*shape: int) -> Node:
    x, y = tensor(INT8, *shape, 8, scale=0.5), tensor(INT8, *shape, 3, scale=0.5)
    weights = tensor(INT8, 3, 8, scale=0.5, data=bytes(24))
    bias = tensor(INT32, 3, scale=0.25, data=bytes(12))
    return node(BuiltinOperator.FULLY_CONNECTED, (x, weights, bias), y, FullyConnectedOptions(keep_num_dims=True))


def test_two_columns_of_16_bits_were_not_rounded_up() -> None:
    assert scratch(conv(3, 3), THEN) == [2 * 2 * 27]
    assert scratch(conv(3, 3), NOW) == [2 * 2 * 28]


def test_single_pixels_wanted_a_buffer_if_some_were_left_out() -> None:
    assert scratch(conv(8, 1, stride=2), THEN) == [2 * 2 * 8]
    assert scratch(conv(8, 1, stride=2), NOW) == scratch(conv(8, 1), THEN) == []


def test_depthwise_windows_of_3x3_were_no_exception() -> None:
    assert scratch(depthwise(3), THEN) == [2 * 9 * 5]
    assert scratch(depthwise(3), NOW) == []
    assert scratch(depthwise(4), THEN) == scratch(depthwise(4), NOW) == [2 * 16 * 5]


def test_a_dense_layer_of_a_sequence_kept_what_it_now_asks_for_in_each_invoke() -> None:
    assert (kept(dense(1, 7), THEN), scratch(dense(1, 7), THEN)) == ([12, 12], [])
    assert (kept(dense(1, 7), NOW), scratch(dense(1, 7), NOW)) == ([], [24])
    rows = dense(2)
    assert asked(rows, THEN) == asked(rows, NOW)


def test_only_int8_had_a_buffer_to_average_in() -> None:
    for dtype, expected in ((INT8, [4 * 6]), (INT16, [])):
        x, y = tensor(dtype, 1, 4, 4, 6, scale=0.5), tensor(dtype, 1, 2, 2, 6, scale=0.5)
        options = Pool2DOptions(padding=Padding.VALID, stride_h=2, stride_w=2, filter_height=2, filter_width=2)
        of = node(BuiltinOperator.AVERAGE_POOL_2D, (x,), y, options)
        assert scratch(of, THEN) == expected
        assert scratch(of, NOW) == [4 * 6]


def test_sums_counted_outside_the_arena() -> None:
    x, axis, y = (
        tensor(FLOAT32, 1, 4, 4, 6),
        tensor(INT32, 2, data=bytes((1, 0, 0, 0, 2, 0, 0, 0))),
        tensor(FLOAT32, 1, 6),
    )
    of = node(BuiltinOperator.MEAN, (x, axis), y, ReducerOptions())
    assert scratch(of, THEN) == []
    assert scratch(of, NOW) == [4 * 4, 4 * 2]


@pytest.mark.parametrize("op", [BuiltinOperator.BATCH_MATMUL, BuiltinOperator.REVERSE_V2])
def test_operators_that_came_later_are_not_there(op: BuiltinOperator) -> None:
    of = node(op, (tensor(FLOAT32, 1),), tensor(FLOAT32, 1))
    assert kernel_of(of, THEN.library) is None
    assert kernel_of(of, NOW.library) is not None


def test_signal_operators_came_later_too() -> None:
    of = custom("SignalWindow", (), (), None)
    assert kernel_of(of, THEN.library) is None
    assert kernel_of(custom("CIRCULAR_BUFFER", (), (), None), THEN.library) is not None


def test_the_old_lstm_is_refused_in_our_own_name() -> None:
    of = node(BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, (), ())
    kernel = kernel_of(of, THEN.library)
    assert kernel is not None
    with pytest.raises(Refusal, match="refinfer does not know"):
        kernel.init(of, THEN)


def test_a_build_lacks_what_changed_after_its_date() -> None:
    assert older_than("2023-01") == set(CHANGES)
    assert older_than(max(CHANGES.values())) == set()
    for change, date in CHANGES.items():
        assert change not in older_than(date)
        assert change in older_than(date[:7])  # a month stands for its first day, and no change fell on one
