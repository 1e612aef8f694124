"""Kernels that Espressif's TFLM replaces by calls of esp-nn: what they ask of memory beyond the reference.

How large the library wants its buffers is in esp_nn_sizes.py. Sources: esp-tflite-micro at 99f49e1 (2026-08-14),
tensorflow/lite/micro/kernels/esp_nn/*.cc; what these ask for has been the same since 1.3.0 (2024-05).
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels import add, conv, fully_connected, mul, pool, softmax
from refinfer.kernels.common import input_at, options_of, output_at
from refinfer.kernels.kernel import Kernel, Overlap, Request, Rule, Scratch, Step, op_data
from refinfer.kernels.layout import INT32, Build, struct
from refinfer.kernels.libraries import esp_nn_sizes
from refinfer.kernels.libraries.esp_nn_sizes import ESP32P4, ESP32S3, OPTIMIZED
from refinfer.kernels.libraries.library_window import window
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions

NODE_DATA_CONV = struct("esp_nn/conv:NodeData", op_data=conv.OP_DATA_CONV, buffer_idx=INT32)
NODE_DATA_DEPTHWISE = struct("esp_nn/depthwise_conv:NodeData", op_data=conv.OP_DATA_CONV, buffer_idx=INT32)
NODE_DATA_SOFTMAX = struct("esp_nn/softmax:NodeData", op_data=softmax.SOFTMAX_OP_DATA, buffer_idx=INT32)


def prepare_conv(node: Node, build: Build) -> Iterator[Request]:
    """[esp_nn/conv.cc: Prepare] asks for the buffer even if the filter is int4, and the reference will be used."""
    yield from conv.prepare_conv(node, build)
    x, weights, y = input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0)
    if x.type == TensorType.INT8:
        seen = window(x, weights, y, options_of(node, Conv2DOptions))
        yield from scratch(esp_nn_sizes.convolution(seen, build), "esp_nn/conv.cc: Prepare")


def prepare_depthwise(node: Node, build: Build) -> Iterator[Request]:
    """[esp_nn/depthwise_conv.cc: Prepare]"""
    yield from conv.prepare_depthwise(node, build)
    x, weights, y = input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0)
    if x.type == TensorType.INT8:
        options = options_of(node, DepthwiseConv2DOptions)
        size = esp_nn_sizes.depthwise(window(x, weights, y, options), options.depth_multiplier, build)
        yield from scratch(size, "esp_nn/depthwise_conv.cc: Prepare")


def prepare_softmax(node: Node, build: Build) -> Iterator[Request]:
    """[esp_nn/softmax.cc: Prepare] takes the second dimension for the width, whatever the number of dimensions.

    Of a vector, which has none, it reads what follows in the file; here that counts as nothing.
    """
    yield from softmax.prepare_softmax(node, build)
    x, y = input_at(node, 0), output_at(node, 0)
    if x.type == y.type == TensorType.INT8:
        width = x.shape[1] if len(x.shape) > 1 else 0
        yield from scratch(esp_nn_sizes.softmax(width, build), "esp_nn/softmax.cc: Prepare")


def scratch(nbytes: int, source: str) -> Iterator[Request]:
    """A scratch buffer, unless the library wants none."""
    if nbytes > 0:
        yield Scratch("buffer_idx", nbytes, source)


def in_plain_c(rule: Rule) -> Rule:
    """The library's portable C goes in the order of the reference; of the kernels in assembly nothing is known."""

    def overlap(node: Node, position: int, build: Build) -> Overlap | None:
        assembly = OPTIMIZED in build.defines and not build.defines.isdisjoint((ESP32S3, ESP32P4))
        return None if assembly else rule(node, position, build)

    return overlap


def instead_of(reference: Kernel, init: Step | None = None, prepare: Step | None = None) -> Kernel:
    """The reference kernel with another Init and Prepare if they are given, and its order only in plain C."""
    return Kernel(
        init or reference.init,
        prepare or reference.prepare,
        reference.invoke,
        reference.parameters,
        reference.subgraphs,
        in_plain_c(reference.overlap),
    )


ESP_NN: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.ADD: instead_of(add.ADD),
    BuiltinOperator.AVERAGE_POOL_2D: instead_of(pool.AVERAGE_POOL_2D),
    BuiltinOperator.CONV_2D: instead_of(conv.CONV_2D, op_data(NODE_DATA_CONV, "esp_nn/conv.cc: Init"), prepare_conv),
    BuiltinOperator.DEPTHWISE_CONV_2D: instead_of(
        conv.DEPTHWISE_CONV_2D, op_data(NODE_DATA_DEPTHWISE, "esp_nn/depthwise_conv.cc: Init"), prepare_depthwise
    ),
    BuiltinOperator.FULLY_CONNECTED: instead_of(fully_connected.FULLY_CONNECTED),
    BuiltinOperator.MAX_POOL_2D: instead_of(pool.MAX_POOL_2D),
    BuiltinOperator.MUL: instead_of(mul.MUL),
    BuiltinOperator.SOFTMAX: instead_of(
        softmax.SOFTMAX, op_data(NODE_DATA_SOFTMAX, "esp_nn/softmax.cc: Init"), prepare_softmax
    ),
}
"""What esp-nn changes; ADD, MUL, FULLY_CONNECTED and the pools ask for the memory of the reference."""
