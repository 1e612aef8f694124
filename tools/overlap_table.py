"""The tables of docs/overlap.md: every rule for writing an output over its input, and what the rules come to.

Operators, libraries and the order of accesses are those of the code; the formulas are the rules in other words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refinfer.kernels import (
    concatenate,
    conv,
    fully_connected,
    overlap,
    pad,
    pool,
    reduce,
    resize,
    slice,
    transpose_conv,
)
from refinfer.kernels.kernel import Kernel, Rule, RuleOfMany, no_overlap, no_overlaps
from refinfer.kernels.libraries import cmsis_nn_overlap
from refinfer.kernels.libraries.cmsis_nn import CMSIS_NN
from refinfer.kernels.libraries.esp_nn import ESP_NN
from refinfer.kernels.registry import TFLM, safe_distance
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions
from refinfer.simulator.targets import TARGETS

INT8 = TensorType.INT8
TRACES, WHEEL, PLAIN_C = "lists of accesses", "the wheel of TFLM", "the library's C on x86-64"
QEMU = "runs under QEMU"

FORMULAS: dict[Rule | RuleOfMany, tuple[str, str]] = {  # and how it was tested
    conv.overlap_conv: ("max (p·Co + Co - 1 - r(p)·Ci), of groups less", f"{TRACES}, {WHEEL}"),
    conv.overlap_depthwise: ("max (p·Co + Co - Ci - r(p)·Ci)", f"{TRACES}, {WHEEL}"),
    pool.overlap: ("max (p·C - r(p)·C)", f"{TRACES}, {WHEEL}"),
    fully_connected.overlap: ("O - 1", f"{TRACES}, {WHEEL}"),
    transpose_conv.overlap_scattered: ("0; float32: none", WHEEL),
    overlap.of_unary: ("0, or (n - 1) · the bytes that a value grows by", f"{TRACES}, {WHEEL}"),
    overlap.of_binary: ("0 for either input, but for one that is stretched", f"{TRACES}, {WHEEL}"),
    overlap.of_alike: ("0 for each input", f"{TRACES}, {WHEEL}"),
    overlap.of_reshape: ("exactly 0", WHEEL),
    pad.overlap_pad: ("output's last value of the input - (n - 1)", f"{TRACES}, {WHEEL}"),
    concatenate.overlap_concatenation: (
        "exactly its place; ahead of the axis: (k - 1)(row - own) + place + own",
        f"{TRACES}, {WHEEL}",
    ),
    concatenate.overlap_pack: ("first: (k - 1)(n - 1)·own; others: (k - 1)·n·own + place", f"{TRACES}, {WHEEL}"),
    concatenate.overlap_split: ("0 for each output", f"{TRACES}, {WHEEL}"),
    concatenate.overlap_unpack: ("(k - output - 1)·own; last: 0", f"{TRACES}, {WHEEL}"),
    slice.overlap_slice: ("0", f"{TRACES}, {WHEEL}"),
    slice.overlap_strided_slice: ("0, or a row less the place of its first value", f"{TRACES}, {WHEEL}"),
    resize.overlap_nearest_neighbor: ("max (p·C - r(p)·C) + C", f"{TRACES}, {WHEEL}"),
    reduce.overlap_mean: ("0 for an image of float32; else none", TRACES),
    cmsis_nn_overlap.of_conv: (
        "max (⌊p/n⌋·n·Co - r(p)·Ci), n = 2, with MVE 4; 1×1: P·Co - 2 or - 1, with MVE max ((p + 4)·Co - 1 - p·Ci)",
        f"{TRACES}, {PLAIN_C}, {QEMU}",
    ),
    cmsis_nn_overlap.of_depthwise: (
        "as the reference, or 3 less; with MVE max (⌊p/4⌋·4·C - r(p)·C), of more than 124 channels (P - 1)·C",
        f"{TRACES}, {PLAIN_C}, {QEMU}",
    ),
    cmsis_nn_overlap.of_average_pool: ("max (p·C - r(p)·C)", f"{TRACES}, {PLAIN_C}, {QEMU}"),
    cmsis_nn_overlap.of_max_pool: ("max (p·C - r(p)·C)", f"{TRACES}, {PLAIN_C}, {QEMU}"),
    cmsis_nn_overlap.of_elementwise: ("0 for either input, but for one that is stretched", f"{TRACES}, {QEMU}"),
    cmsis_nn_overlap.of_extremes: ("0 for either input; where one is stretched, only over a single value", TRACES),
    cmsis_nn_overlap.of_softmax: ("0; to int16: n - 1", f"{TRACES}, {QEMU}"),
    cmsis_nn_overlap.of_pad: ("as the reference", f"{TRACES}, {PLAIN_C}, {QEMU}"),
    cmsis_nn_overlap.of_fully_connected: (
        "O - b if b divides O, else O - 1; b = 2, with MVE 4, without DSP 3; of three dimensions as 1×1",
        f"{TRACES}, {PLAIN_C}, {QEMU}",
    ),
    cmsis_nn_overlap.of_transpose_conv: (
        "more than 16 channels, strides up to 2: as k×k; else max (rows written before j · row - j · row of the input)",
        f"{TRACES}, {PLAIN_C}, {QEMU}",
    ),
}


def rules() -> Iterator[str]:
    """Rule by rule: the operators, the distance, in which order the kernel goes, and how that was tested."""
    yield from head("library", "operators", "distance", "order of accesses", "tested by")
    for library, kernels in (("reference", TFLM), ("CMSIS-NN", CMSIS_NN)):
        for rule, ops in by_rule(kernels).items():
            formula, tested = FORMULAS[rule]
            yield line(library, ", ".join(op.name for op in ops), formula, order_of(rule), tested)
    yield line(
        "esp-nn",
        ", ".join(op.name for op in ESP_NN),
        "as the reference",
        "In plain C; in assembly (S3, P4) there is no rule.",
        PLAIN_C,
    )


def by_rule(kernels: Mapping[BuiltinOperator, Kernel]) -> dict[Rule | RuleOfMany, list[BuiltinOperator]]:
    """The operators that have each rule."""
    found: dict[Rule | RuleOfMany, list[BuiltinOperator]] = {}
    for op, kernel in kernels.items():
        if kernel.overlap is not no_overlap:
            found.setdefault(kernel.overlap, []).append(op)
        if kernel.overlaps is not no_overlaps:
            found.setdefault(kernel.overlaps, []).append(op)
    return found


def order_of(rule: Rule | RuleOfMany) -> str:
    """What the rule's docstring says first."""
    return " ".join((rule.__doc__ or "").split("\n\n")[0].split())


BUILDS = ("cortex-m4", "cortex-m4+cmsis-nn", "cortex-m33-nodsp+cmsis-nn", "cortex-m55+cmsis-nn", "esp32+esp-nn")


def layers() -> Iterator[str]:
    """The layers of a MobileNet of 96×96 pixels: how far above its output the input must lie, on each build."""
    yield from head("layer", " input", " output", *(f" {name}" for name in BUILDS))
    for name, node in LAYERS.items():
        x, y = node.inputs[0], node.outputs[0]
        assert x is not None
        distances = (safe_distance(node, TARGETS[build].build) for build in BUILDS)
        cells = ("none" if each is None else f"{each:,}" for each in distances)
        yield line(name, f"{x.elements:,}", f"{y.elements:,}", *cells)


def layer(side: int, channels: int, stride: int, outputs: int | None, length: int = 3, dilation: int = 1) -> Node:
    """A convolution of a square image, depthwise without `outputs`; int8, padding SAME."""
    x = tensor(1, side, side, channels)
    y = tensor(1, side // stride, side // stride, outputs or channels)
    movement = {"padding": Padding.SAME, "stride_h": stride, "stride_w": stride, "dilation_w_factor": dilation}
    if outputs is None:
        options: object = DepthwiseConv2DOptions(**movement, depth_multiplier=1)
        return node(BuiltinOperator.DEPTHWISE_CONV_2D, x, tensor(1, length, length, channels), y, options)
    options = Conv2DOptions(**movement)
    return node(BuiltinOperator.CONV_2D, x, tensor(outputs, length, length, channels), y, options)


def tensor(*shape: int) -> Tensor:
    """An int8 tensor."""
    return Tensor(0, 0, "", INT8, shape, shape, None, None, False)


def node(op: BuiltinOperator, x: Tensor, weights: Tensor, y: Tensor, options: object) -> Node:
    """A node of one input, weights and one output."""
    return Node(0, 0, op, None, 1, (x, weights), (y,), (), options, memoryview(b""))


LAYERS = {
    "3×3, stride 2, 96×96×3 → 8": layer(96, 3, 2, 8),
    "depthwise 3×3, 48×48×8": layer(48, 8, 1, None),
    "1×1, 48×48×8 → 16": layer(48, 8, 1, 16, length=1),
    "1×1 with dilation_w 2, 48×48×8 → 16": layer(48, 8, 1, 16, length=1, dilation=2),
    "depthwise 3×3, stride 2, 48×48×16": layer(48, 16, 2, None),
    "1×1, 24×24×32 → 32": layer(24, 32, 1, 32, length=1),
    "depthwise 3×3, 6×6×128": layer(6, 128, 1, None),
}


def head(*names: str) -> Iterator[str]:
    """The first two lines of a table; columns whose name starts with a space are numbers, to the right."""
    yield line(*(name.strip() for name in names))
    yield line(*("---:" if name.startswith(" ") else "---" for name in names))


def line(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"
