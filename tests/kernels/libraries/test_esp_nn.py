"""What kernels on esp-nn ask for: worked out by hand, and as esp-nn's own functions gave it, release by release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from refinfer.kernels.kernel import Scratch
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries import esp_nn_sizes
from refinfer.kernels.libraries.esp_nn_sizes import ESP32P4, ESP32S3, OPTIMIZED, RELEASES
from refinfer.kernels.libraries.library_window import Window
from refinfer.kernels.registry import kernel_of
from refinfer.schema.enums import BuiltinOperator, Padding
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, SoftmaxOptions
from tests.kernels.nodes import FLOAT32, INT8, INT32, node, tensor

RECORDED = json.loads(Path(__file__).parents[2].joinpath("data", "esp_nn_sizes.json").read_text(encoding="utf-8"))
CHIPS = {"esp32": frozenset[str](), "esp32s3": frozenset({ESP32S3}), "esp32p4": frozenset({ESP32P4})}


def build(chip: str, release: str = "1.2.3") -> Build:
    return Build(Abi(pointer=4, enum=4), CHIPS[chip] | {OPTIMIZED} | RELEASES[release], library="esp-nn")


def window(numbers: Iterable[int]) -> tuple[Window, int]:
    """A window of the record, and the depth multiplier."""
    height, width, channels, rows, columns, out_height, out_width, out_channels, *rest = numbers
    stride, padding, multiplier = (rest[0], rest[1]), (rest[2], rest[3]), rest[4]
    sizes = (1, height, width, channels, rows, columns, channels, out_height, out_width, out_channels)
    return Window(*sizes, stride, (1, 1), padding), multiplier


@pytest.mark.parametrize("column", RECORDED["about"]["columns"])
def test_buffers_are_as_large_as_esp_nn_says(column: str) -> None:
    compiled, at = build(*column.split()), RECORDED["about"]["columns"].index(column)
    for case in RECORDED["cases"]:
        w, multiplier = window(case["window"])
        computed = [esp_nn_sizes.convolution(w, compiled), esp_nn_sizes.depthwise(w, multiplier, compiled)]
        assert computed == case["bytes"][at], case["window"]


def test_the_record_tells_the_releases_apart() -> None:
    columns = [[case["bytes"][at] for case in RECORDED["cases"]] for at in range(len(RECORDED["about"]["columns"]))]
    same = [
        (first, second)
        for (first, column), (second, other) in combinations(zip(RECORDED["about"]["columns"], columns, strict=True), 2)
        if column == other
    ]
    assert same == [("esp32s3 1.2.1", "esp32s3 1.2.2"), ("esp32p4 1.1.0", "esp32p4 1.2.2")]


def conv(channels: int, size: int, outputs: int, padding: Padding, of: Any = INT8) -> Node:
    """A convolution of size x size over 10x10 pixels."""
    x = tensor(of, 1, 10, 10, channels, scale=0.5)
    weights = tensor(of, outputs, size, size, channels, scale=[0.5] * outputs)
    out = 10 if padding == Padding.SAME else 11 - size
    bias = tensor(INT32 if of == INT8 else FLOAT32, outputs)
    y = tensor(of, 1, out, out, outputs, scale=0.5)
    return node(BuiltinOperator.CONV_2D, (x, weights, bias), y, Conv2DOptions(padding=padding, stride_h=1, stride_w=1))


def scratch(of: Node, compiled: Build) -> list[int]:
    kernel = kernel_of(of, compiled.library)
    assert kernel is not None
    return [each.nbytes for each in kernel.prepare(of, compiled) if isinstance(each, Scratch)]


def test_a_convolution_on_the_s3_copies_image_and_filters() -> None:
    # 12x12x16 padded image, 8 filters of 3x3x16, the same in rows of 48, 12x12x16 beyond the image, 8 sums, margin
    assert scratch(conv(16, 3, 8, Padding.SAME), build("esp32s3")) == [
        12 * 12 * 16 + 8 * 9 * 16 + 8 * 3 * 48 + 12 * 12 * 16 + 8 * 4 + 64
    ]
    assert scratch(conv(16, 3, 8, Padding.SAME), build("esp32s3", "1.1.2")) == [12 * 12 * 16 + 8 * 9 * 16 + 8 * 4 + 32]


def test_a_convolution_of_single_pixels_on_the_s3_copies_the_filters() -> None:
    # channels brought to 8, 10x10 of them in the image; 4 filters; eight pixels in 16 bits; margin
    assert scratch(conv(3, 1, 4, Padding.VALID), build("esp32s3")) == [10 * 10 * 8 + 4 * 8 + 16 * 8 + 64]
    assert scratch(conv(8, 1, 4, Padding.VALID), build("esp32s3")) == [4 * 8 + 16 * 8 + 64]


def test_other_chips_want_no_buffer_for_a_convolution() -> None:
    assert scratch(conv(16, 3, 8, Padding.SAME), build("esp32")) == []


def test_floats_want_no_buffer() -> None:
    assert scratch(conv(16, 3, 8, Padding.SAME, FLOAT32), build("esp32s3")) == []


def test_a_depthwise_convolution_on_the_s3_copies_filter_and_image() -> None:
    x, y = tensor(INT8, 1, 10, 10, 16, scale=0.5), tensor(INT8, 1, 10, 10, 16, scale=0.5)
    weights = tensor(INT8, 1, 3, 3, 16, scale=[0.5] * 16, axis=3)
    options = DepthwiseConv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1, depth_multiplier=1)
    of = node(BuiltinOperator.DEPTHWISE_CONV_2D, (x, weights, tensor(INT32, 16)), y, options)
    assert scratch(of, build("esp32s3")) == [9 * 16 + 12 * 12 * 16 + 16]
    assert scratch(of, build("esp32p4")) == []


@pytest.mark.parametrize("chip", CHIPS)
def test_softmax_wants_four_bytes_for_each_of_the_second_dimension(chip: str) -> None:
    def softmax(*shape: int) -> Node:
        y = tensor(INT8, *shape, scale=1 / 256, zero_point=-128)
        return node(BuiltinOperator.SOFTMAX, (tensor(INT8, *shape, scale=0.5),), y, SoftmaxOptions(beta=1.0))

    assert scratch(softmax(1, 12), build(chip)) == [48]
    assert scratch(softmax(2, 3, 12), build(chip)) == [12]
    assert scratch(softmax(12), build(chip)) == []


def test_plain_c_wants_no_buffers() -> None:
    plain = Build(Abi(pointer=4, enum=4), CHIPS["esp32s3"] | RELEASES["1.2.3"], library="esp-nn")
    assert scratch(conv(16, 3, 8, Padding.SAME), plain) == []
    assert esp_nn_sizes.softmax(12, plain) == 0
