"""Nothing is overwritten that is still to be read, as long as the input lies as far above the output as the rules say.

Each rule is held against a list of the kernel's accesses, in the order of the C source, that knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from struct import pack as packed

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refinfer.kernels.changes import RESHAPE_DIMS
from refinfer.kernels.kernel import Overlap
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries.cmsis_nn_sizes import ARMCLANG, DSP, MVE
from refinfer.kernels.libraries.esp_nn_sizes import ESP32P4, ESP32S3, OPTIMIZED
from refinfer.kernels.registry import LIBRARIES, overlap_of, safe_distance
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    PackOptions,
    Pool2DOptions,
    ReducerOptions,
    ResizeNearestNeighborOptions,
    StridedSliceOptions,
    TransposeConvOptions,
    UnpackOptions,
)
from tests.kernels import accesses
from tests.kernels.accesses import Access, Geometry, unsafe
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, node, tensor

ABI = Abi(pointer=4, enum=1)
REFERENCE = Build(ABI)
CORTEX_M4, NO_DSP, CORTEX_M55 = (
    Build(ABI, frozenset(defines), library="cmsis-nn") for defines in ((DSP,), (), (DSP, MVE))
)
ESP32 = Build(ABI, frozenset({OPTIMIZED}), library="esp-nn")
BUILDS = {"reference": REFERENCE, "M4": CORTEX_M4, "no DSP": NO_DSP, "M55": CORTEX_M55, "ESP32": ESP32}
CMSIS = {"M4": CORTEX_M4, "no DSP": NO_DSP, "M55": CORTEX_M55}

Op = BuiltinOperator
SIZES = {INT8: 1, INT16: 2, FLOAT32: 4, INT32: 4, TensorType.BOOL: 1, TensorType.UINT8: 1}
types = st.sampled_from([INT8, INT16, FLOAT32])


def distance(of: Node, build: Build, position: int = 0) -> int:
    """The distance of a node that has a rule."""
    found = safe_distance(of, build, position)
    assert found is not None
    return found


def judge(found: int, listed: Iterable[Access], tight: bool = True) -> None:
    """All distances from `found` on are safe, and the next smaller is not, but for 0: nothing is said of less."""
    bad = unsafe(listed)
    assert bad >> found == 0
    if tight and found > 0:
        assert bad >> (found - 1) == 1


# windows

sides = st.tuples(st.integers(1, 3), st.integers(1, 3))
dilations = st.sampled_from([(1, 1), (1, 1), (1, 2), (2, 1), (2, 3)])


@st.composite
def geometries(draw: st.DrawFn, dilated: bool = True, batches: int = 2, channels: int = 6) -> Geometry:
    """Small images and windows over them, of which there is one at least."""
    g = Geometry(
        batches=draw(st.integers(1, batches)),
        height=draw(st.integers(1, 6)),
        width=draw(st.integers(1, 6)),
        channels=draw(st.integers(1, channels)),
        filter_height=draw(st.integers(1, 3)),
        filter_width=draw(st.integers(1, 3)),
        outputs=draw(st.integers(1, 9)),
        stride=draw(sides),
        dilation=draw(dilations) if dilated else (1, 1),
        same=draw(st.booleans()),
    )
    assume(min(g.output) > 0)
    return g


def images(g: Geometry, type: TensorType, outputs: int) -> tuple[Tensor, Tensor]:
    """Input and output."""
    return tensor(type, g.batches, g.height, g.width, g.channels), tensor(type, g.batches, *g.output, outputs)


def filters(of: TensorType, *shape: int) -> Tensor:
    """Weights for an input of that type."""
    return tensor(FLOAT32 if of == FLOAT32 else INT8, *shape)


def movement(g: Geometry) -> dict[str, object]:
    """Strides and padding, as options call them."""
    padding = Padding.SAME if g.same else Padding.VALID
    return {"padding": padding, "stride_h": g.stride[0], "stride_w": g.stride[1]}


def dilation(g: Geometry) -> dict[str, object]:
    """Dilations, as options call them."""
    return {"dilation_h_factor": g.dilation[0], "dilation_w_factor": g.dilation[1]}


def conv_node(g: Geometry, of: TensorType = INT8) -> Node:
    """CONV_2D"""
    x, y = images(g, of, g.outputs)
    weights = filters(of, g.outputs, g.filter_height, g.filter_width, g.channels // g.groups)
    return node(Op.CONV_2D, (x, weights), y, Conv2DOptions(**movement(g), **dilation(g)))


def depthwise_node(g: Geometry, of: TensorType = INT8) -> Node:
    """DEPTHWISE_CONV_2D"""
    x, y = images(g, of, g.channels * g.multiplier)
    weights = filters(of, 1, g.filter_height, g.filter_width, g.channels * g.multiplier)
    options = DepthwiseConv2DOptions(**movement(g), **dilation(g), depth_multiplier=g.multiplier)
    return node(Op.DEPTHWISE_CONV_2D, (x, weights), y, options)


def pool_node(op: BuiltinOperator, g: Geometry, of: TensorType = INT8) -> Node:
    """AVERAGE_POOL_2D and MAX_POOL_2D"""
    x, y = images(g, of, g.channels)
    size = {"filter_height": g.filter_height, "filter_width": g.filter_width}
    return node(op, (x,), y, Pool2DOptions(**movement(g), **size))


@given(geometries(), types, st.integers(1, 3))
def test_a_convolution_reads_the_window_for_each_channel(g: Geometry, of: TensorType, groups: int) -> None:
    g = g._replace(groups=groups, channels=g.channels * groups, outputs=g.outputs * groups, size=SIZES[of])
    judge(distance(conv_node(g, of), REFERENCE), accesses.conv(g))


@given(geometries())
def test_esp_nn_convolves_in_the_order_of_the_reference(g: Geometry) -> None:
    judge(distance(conv_node(g), ESP32), accesses.conv(g))


def is_1x1(g: Geometry) -> bool:
    """Whether CMSIS-NN has a shortcut for it; a filter of one pixel has no padding."""
    return (g.filter_height, g.filter_width) == (1, 1) and g.dilation == (1, 1)


def in_one_row(g: Geometry) -> bool:
    """Whether MVE has another."""
    return g.height == g.filter_height == g.dilation[1] == 1 and g.stride[1] * g.channels % 4 == 0


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(batches=1))
def test_cmsis_nn_convolves_by_columns(build: str, g: Geometry) -> None:
    assume(not is_1x1(g))
    found = safe_distance(conv_node(g), CMSIS[build])
    if build == "M55" and in_one_row(g):
        assert found is None
    else:
        assert found is not None
        judge(found, accesses.columns(g, 4 if build == "M55" else 2))


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(dilated=False, batches=1))
def test_cmsis_nn_multiplies_matrices_of_pixels(build: str, g: Geometry) -> None:
    g = g._replace(filter_height=1, filter_width=1)
    judge(distance(conv_node(g), CMSIS[build]), accesses.conv_1x1(g, mve=build == "M55"))


@given(geometries(), types, st.integers(1, 5))
def test_a_depthwise_convolution_reads_a_channel_for_each_of_its_filters(
    g: Geometry, of: TensorType, multiplier: int
) -> None:
    g = g._replace(multiplier=multiplier, size=SIZES[of])
    judge(distance(depthwise_node(g, of), REFERENCE), accesses.depthwise(g))


@given(geometries(), st.sampled_from([1, 2, 3, 4, 5, 8]))
def test_esp_nn_makes_four_channels_or_filters_at_a_time(g: Geometry, multiplier: int) -> None:
    g = g._replace(multiplier=multiplier)
    found = distance(depthwise_node(g), ESP32)
    if multiplier == 1 and g.dilation == (1, 1):
        judge(found, accesses.by_channels(g, 4))
    else:
        judge(found, accesses.depthwise(g))  # what it does is not later, with dilations it is this
        if multiplier % 4 == 0:
            judge(found, accesses.depthwise(g, 4), tight=False)


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(batches=1), multiplier=st.sampled_from([1, 1, 2, 3, 4, 5, 8]))
def test_cmsis_nn_has_kernels_for_many_depthwise_convolutions(build: str, g: Geometry, multiplier: int) -> None:
    g = g._replace(multiplier=multiplier, outputs=g.channels * multiplier)
    found, listed = safe_distance(depthwise_node(g), CMSIS[build]), depthwise_by_cmsis(build, g)
    if listed is None:
        assert found is None
    else:
        assert found is not None
        judge(found, listed)


def depthwise_by_cmsis(build: str, g: Geometry) -> Iterator[Access] | None:
    """[arm_depthwise_conv_wrapper_s8.c, arm_depthwise_conv_s8.c]"""
    plain = g.dilation == (1, 1)
    if build == "M55" and g.channels == 1 and g.outputs > 1:
        if is_1x1(g):
            return accesses.conv_1x1(g, mve=True)
        return None if in_one_row(g) else accesses.columns(g, 4)
    if plain and g.multiplier == 1:
        small = g.filter_height == g.filter_width == 3 and g.axis(0)[1] <= 1 and g.axis(1)[1] <= 1
        if build == "M55":
            return accesses.blocks_of_channels(g, 124)
        if small:
            return accesses.by_channels(g, 4)
        return accesses.columns(g, 1) if build == "M4" else accesses.depthwise(g)
    return accesses.depthwise(g, 4 if plain and g.multiplier % 4 == 0 else 1)


@given(geometries(dilated=False, batches=1), st.integers(120, 260))
def test_mve_reads_the_image_anew_for_each_124_channels(g: Geometry, channels: int) -> None:
    g = g._replace(channels=channels, outputs=channels, height=min(3, g.height), width=min(3, g.width))
    assume(min(g.output) > 0)
    judge(distance(depthwise_node(g), CORTEX_M55), accesses.blocks_of_channels(g, 124))


@given(geometries(dilated=False), types, st.sampled_from([Op.AVERAGE_POOL_2D, Op.MAX_POOL_2D, Op.L2_POOL_2D]))
def test_pooling_reads_a_window_for_its_channel(g: Geometry, of: TensorType, op: BuiltinOperator) -> None:
    g = g._replace(size=SIZES[of])
    judge(distance(pool_node(op, g, of), REFERENCE), accesses.depthwise(g))


@pytest.mark.parametrize("build", [*CMSIS, "ESP32"])
@given(g=geometries(dilated=False, batches=1, channels=20))
def test_libraries_average_some_channels_at_a_time(build: str, g: Geometry) -> None:
    at_once = {"M4": g.channels, "no DSP": 1, "M55": 16, "ESP32": 1}[build]
    judge(distance(pool_node(Op.AVERAGE_POOL_2D, g), BUILDS[build]), accesses.by_channels(g, at_once))


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(dilated=False, batches=1))
def test_cmsis_nn_keeps_the_maximum_in_the_output(build: str, g: Geometry) -> None:
    judge(distance(pool_node(Op.MAX_POOL_2D, g), CMSIS[build]), accesses.max_in_output(g))


@given(geometries(dilated=False))
def test_esp_nn_takes_the_maximum_as_the_reference(g: Geometry) -> None:
    judge(distance(pool_node(Op.MAX_POOL_2D, g), ESP32), accesses.depthwise(g))


# transposed convolutions: the forward convolution goes from y to x


def transpose_node(g: Geometry, of: TensorType = INT8) -> Node:
    """TRANSPOSE_CONV"""
    y, x = images(g, of, g.outputs)
    weights = filters(of, g.channels, g.filter_height, g.filter_width, g.outputs)
    return node(Op.TRANSPOSE_CONV, (tensor(INT32, 4), weights, x), y, TransposeConvOptions(**movement(g)))


@given(geometries(dilated=False))
def test_a_transposed_convolution_is_summed_up_elsewhere(g: Geometry) -> None:
    assert overlap_of(transpose_node(g), REFERENCE, 2) == Overlap(0)
    assert overlap_of(transpose_node(g, FLOAT32), REFERENCE, 2) is None


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(dilated=False, batches=1), depth=st.integers(17, 20))
def test_cmsis_nn_turns_a_transposed_convolution_around(build: str, g: Geometry, depth: int) -> None:
    g = g._replace(outputs=depth, stride=(min(2, g.stride[0]), min(2, g.stride[1])))
    judge(distance(transpose_node(g), CMSIS[build], 2), accesses.stretched(g, 4 if build == "M55" else 2))


@pytest.mark.parametrize("build", CMSIS)
@given(g=geometries(dilated=False, batches=1))
def test_cmsis_nn_scatters_rows_of_few_channels(build: str, g: Geometry) -> None:
    found, listed = safe_distance(transpose_node(g), CMSIS[build], 2), list(accesses.scattered(g))
    written = sum(each.length for each in listed if each.what == "write")
    columns = (g.output[1] - 1) * g.stride[1] + max(g.filter_width, g.stride[1])
    whole = written == g.height * g.width * g.channels and g.axis(1)[1] + g.width <= columns
    if whole and g.axis(0)[1] % g.stride[0] == 0:
        assert found is not None
        judge(found, listed, tight=False)
    else:
        assert found is None  # what the kernel leaves unwritten is whatever was there


# rows


def dense_node(of: TensorType, shape: Sequence[int], depth: int, outputs: int) -> Node:
    """FULLY_CONNECTED for that many rows."""
    x, y = tensor(of, prod(shape), depth), tensor(of, *shape, outputs)
    return node(Op.FULLY_CONNECTED, (x, filters(of, outputs, depth)), y, FullyConnectedOptions())


@given(types, st.integers(1, 4), st.integers(1, 12), st.integers(1, 12))
def test_fully_connected_reads_its_row_for_each_output(of: TensorType, batches: int, depth: int, outputs: int) -> None:
    listed = list(accesses.fully_connected(batches, depth, outputs, 1, SIZES[of]))
    judge(distance(dense_node(of, (batches,), depth, outputs), REFERENCE), listed)
    judge(distance(dense_node(of, (batches,), depth, outputs), ESP32), listed)


@pytest.mark.parametrize(("build", "at_once"), [("M4", 2), ("no DSP", 3), ("M55", 4)])
@given(batches=st.integers(1, 4), depth=st.integers(1, 12), outputs=st.integers(1, 12))
def test_cmsis_nn_makes_some_outputs_in_a_pass(
    build: str, at_once: int, batches: int, depth: int, outputs: int
) -> None:
    found = distance(dense_node(INT8, (batches,), depth, outputs), CMSIS[build])
    judge(found, accesses.fully_connected(batches, depth, outputs, at_once))


@pytest.mark.parametrize("build", CMSIS)
@given(rows=st.integers(1, 9), depth=st.integers(1, 4), outputs=st.integers(1, 9))
def test_cmsis_nn_multiplies_matrices_where_the_output_has_three_dimensions(
    build: str, rows: int, depth: int, outputs: int
) -> None:
    found = distance(dense_node(INT8, (1, rows), 4 * depth, outputs), CMSIS[build])
    judge(found, accesses.matrix(0, 0, rows, 4 * depth, 4 * depth, outputs, mve=build == "M55"))


@pytest.mark.parametrize("build", BUILDS)
@given(rows=st.integers(1, 3), depth=st.integers(1, 5), wide=st.booleans())
def test_softmax_writes_a_row_that_it_has_read_twice(build: str, rows: int, depth: int, wide: bool) -> None:
    x, y = tensor(INT8, rows, depth), tensor(INT16 if wide else INT8, rows, depth)
    found = distance(node(Op.SOFTMAX, (x,), y), BUILDS[build])
    judge(found, accesses.softmax(rows, depth, 1, 2 if wide else 1))


# values


UNARY = [
    *(Op.RELU, Op.RELU6, Op.LEAKY_RELU, Op.LOGISTIC, Op.TANH, Op.HARD_SWISH, Op.ELU, Op.ABS, Op.NEG, Op.FLOOR),
    *(Op.QUANTIZE, Op.DEQUANTIZE, Op.CAST, Op.EXPAND_DIMS, Op.SIN, Op.SQRT, Op.RSQRT, Op.CEIL, Op.ROUND, Op.EXP),
    *(Op.LOG, Op.SQUARE, Op.COS, Op.LOGICAL_NOT),
]
BINARY = [
    *(Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.SQUARED_DIFFERENCE, Op.MAXIMUM, Op.MINIMUM, Op.FLOOR_DIV, Op.FLOOR_MOD),
    *(Op.EQUAL, Op.NOT_EQUAL, Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL, Op.LOGICAL_AND, Op.LOGICAL_OR),
    Op.ADD_N,
]
any_type = st.sampled_from(list(SIZES))


@pytest.mark.parametrize("op", UNARY)
@given(x=any_type, y=any_type, count=st.integers(1, 9))
def test_values_are_read_before_the_value_at_their_place_is_written(
    op: BuiltinOperator, x: TensorType, y: TensorType, count: int
) -> None:
    found = safe_distance(node(op, (tensor(x, count),), tensor(y, count)), REFERENCE)
    if x == y or {x, y} & {INT8, TensorType.UINT8}:
        assert found is not None
        judge(found, accesses.elementwise(count, SIZES[x], SIZES[y]))
    else:
        assert found is None  # a compiler may take it that they do not overlap


@pytest.mark.parametrize("op", BINARY)
@given(x=any_type, y=any_type, count=st.integers(1, 9))
def test_either_input_of_the_same_shape_can_be_written_over(
    op: BuiltinOperator, x: TensorType, y: TensorType, count: int
) -> None:
    of = node(op, (tensor(x, 1, count), tensor(x, 1, count)), tensor(y, 1, count))
    if x == y or {x, y} & {INT8, TensorType.UINT8}:
        for position in (0, 1):
            judge(distance(of, REFERENCE, position), accesses.elementwise(count, SIZES[x], SIZES[y]))
    else:
        assert safe_distance(of, REFERENCE) is None


@pytest.mark.parametrize("op", [op for op in BINARY if op != Op.ADD_N])
def test_an_input_that_is_not_stretched_can_be_written_over(op: BuiltinOperator) -> None:
    of = node(op, (tensor(INT8, 2, 3), tensor(INT8, 1, 3)), tensor(INT8, 2, 3))
    judge(distance(of, REFERENCE), accesses.elementwise(6, 1, 1))
    assert overlap_of(of, REFERENCE, 1) is None


@pytest.mark.parametrize("op", [Op.SELECT_V2, Op.ADD_N])
def test_others_have_to_be_of_one_shape(op: BuiltinOperator) -> None:
    x, y, row = tensor(INT8, 2, 3), tensor(INT8, 2, 3), tensor(INT8, 1, 3)
    assert overlap_of(node(op, (x, y, tensor(INT8, 2, 3)), tensor(INT8, 2, 3)), REFERENCE) == Overlap(0)
    assert overlap_of(node(op, (x, y, row), tensor(INT8, 2, 3)), REFERENCE) is None


@pytest.mark.parametrize("build", CMSIS)
@pytest.mark.parametrize("op", [Op.ADD, Op.MUL])
def test_cmsis_nn_adds_and_multiplies_in_place(op: BuiltinOperator, build: str) -> None:
    of = node(op, (tensor(INT8, 7), tensor(INT8, 7)), tensor(INT8, 7))
    assert [overlap_of(of, CMSIS[build], position) for position in (0, 1)] == [Overlap(0)] * 2
    wide = node(op, (tensor(INT16, 7), tensor(INT16, 7)), tensor(INT16, 7))
    assert overlap_of(wide, CMSIS[build]) is None


@pytest.mark.parametrize("build", BUILDS)
@given(
    of=types,
    shape=st.tuples(*[st.integers(1, 3)] * 4),
    before=st.tuples(*[st.integers(0, 2)] * 4),
    after=st.tuples(*[st.integers(0, 2)] * 4),
)
def test_padding_is_written_on_the_way(
    build: str, of: TensorType, shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    amounts = [each for pair in zip(before, after, strict=True) for each in pair]
    paddings = tensor(INT32, 4, 2, data=packed("<8i", *amounts))
    y = tensor(of, *(a + n + b for a, n, b in zip(before, shape, after, strict=True)))
    found = distance(node(Op.PAD, (tensor(of, *shape), paddings), y), BUILDS[build])
    judge(found, accesses.pad(shape, before, after, SIZES[of]))


# copies


@pytest.mark.parametrize("op", [Op.RESHAPE, Op.SQUEEZE])
def test_a_copy_of_it_all_does_nothing_at_the_same_place_alone(op: BuiltinOperator) -> None:
    of = node(op, (tensor(INT8, 1, 6),), tensor(INT8, 6))
    assert overlap_of(of, REFERENCE) == Overlap(0, exactly=True)
    assert safe_distance(of, REFERENCE) is None
    assert unsafe([Access("copy", 0, 6)]) == 0b111110


@given(types, st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 3))
def test_inputs_are_concatenated_in_their_place_or_clear_of_it(
    of: TensorType, outer: int, sizes: list[int], inner: int
) -> None:
    inputs = [tensor(of, outer, each, inner) for each in sizes]
    joined = node(Op.CONCATENATION, inputs, tensor(of, outer, sum(sizes), inner), ConcatenationOptions(axis=1))
    for position in range(len(sizes)):
        found = overlap_of(joined, REFERENCE, position)
        assert found is not None
        bad = unsafe(accesses.concatenation(outer, [each * inner for each in sizes], position, SIZES[of]))
        assert bad >> found.distance & 1 == 0
        if not found.exactly:
            assert bad >> found.distance == 0


def test_one_input_joined_with_itself_cannot_be_in_both_places() -> None:
    x = tensor(INT8, 4)
    joined = node(Op.CONCATENATION, (x, x), tensor(INT8, 8), ConcatenationOptions(axis=0))
    assert overlap_of(joined, REFERENCE) is None


def test_an_input_that_is_taken_twice_keeps_the_larger_distance() -> None:
    x = tensor(INT8, 4)
    stacked = node(Op.PACK, (x, x), tensor(INT8, 2, 4), PackOptions(axis=0, values_count=2))
    assert [safe_distance(stacked, REFERENCE, position) for position in (0, 1)] == [4, 4]


@given(types, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_inputs_are_stacked_one_after_the_other(of: TensorType, outer: int, count: int, inner: int) -> None:
    inputs = [tensor(of, outer, inner) for _ in range(count)]
    stacked = node(Op.PACK, inputs, tensor(of, outer, count, inner), PackOptions(axis=1, values_count=count))
    for position in range(count):
        listed = accesses.pack(outer, count, inner, position, SIZES[of])
        judge(distance(stacked, REFERENCE, position), listed, tight=position > 0)


@pytest.mark.parametrize("build", CMSIS)
@pytest.mark.parametrize("op", [Op.MAXIMUM, Op.MINIMUM])
@given(count=st.integers(1, 40), scalar=st.booleans())
def test_cmsis_nn_reads_both_before_it_writes_the_larger(
    build: str, op: BuiltinOperator, count: int, scalar: bool
) -> None:
    x, y, other = tensor(INT8, 1, count), tensor(INT8, 1, count), tensor(INT8, 1, 1 if scalar else count)
    extreme = node(op, (x, other), y)
    judge(distance(extreme, CMSIS[build]), accesses.in_blocks(count, 16 if build == "M55" else 1))
    assert (overlap_of(extreme, CMSIS[build], 1) is None) == (scalar and count > 1)


def test_cmsis_nn_stretches_more_than_a_single_value_in_an_order_that_nobody_wrote_down() -> None:
    x, y, row = tensor(INT8, 2, 3), tensor(INT8, 2, 3), tensor(INT8, 1, 3)
    assert overlap_of(node(Op.MAXIMUM, (x, row), y), CORTEX_M55) is None
    deep = [tensor(INT8, 1, 1, 1, 2, 3) for _ in range(3)]
    assert overlap_of(node(Op.MAXIMUM, deep[:2], deep[2]), CORTEX_M55) is None


several = st.lists(st.integers(1, 4), min_size=2, max_size=4)


def constant(*values: int) -> Tensor:
    """Of int32."""
    return tensor(INT32, len(values), data=packed(f"<{len(values)}i", *values))


@given(types, st.integers(1, 3), several, st.integers(1, 3), st.sampled_from([1, -2]))
def test_each_part_of_a_split_may_lie_below_it(
    of: TensorType, outer: int, sizes: list[int], inner: int, axis: int
) -> None:
    x, parts = tensor(of, outer, sum(sizes), inner), [tensor(of, outer, each, inner) for each in sizes]
    cut = node(Op.SPLIT_V, (x, constant(*sizes), constant(axis)), parts)
    for output in range(len(sizes)):
        found = overlap_of(cut, REFERENCE, 0, output)
        assert found == Overlap(0)
        judge(found.distance, accesses.split(outer, [each * inner for each in sizes], output, SIZES[of]))
    assert overlap_of(cut, REFERENCE, 1) is None


@given(types, st.integers(1, 3), st.integers(2, 4), st.integers(1, 4))
def test_each_equal_part_of_a_split_may_lie_below_it(of: TensorType, outer: int, count: int, inner: int) -> None:
    x, parts = tensor(of, outer, count * inner), [tensor(of, outer, inner) for _ in range(count)]
    cut = node(Op.SPLIT, (constant(1), x), parts)
    for output in range(count):
        found = overlap_of(cut, REFERENCE, 1, output)
        assert found == Overlap(0)
        judge(found.distance, accesses.split(outer, [inner] * count, output, SIZES[of]))


def test_parts_that_are_not_the_whole_have_no_rule() -> None:
    x, parts = tensor(INT8, 2, 5), [tensor(INT8, 2, 2), tensor(INT8, 2, 2)]
    assert overlap_of(node(Op.SPLIT, (constant(1), x), parts), REFERENCE, 1) is None
    wider = [tensor(INT16, 2, 2), tensor(INT16, 2, 3)]
    assert overlap_of(node(Op.SPLIT_V, (x, constant(2, 3), constant(1)), wider), REFERENCE) is None


@given(types, st.integers(1, 3), st.integers(2, 4), st.integers(1, 3))
def test_what_is_unstacked_is_read_from_all_over_the_input(of: TensorType, outer: int, count: int, inner: int) -> None:
    x, parts = tensor(of, outer, count, inner), [tensor(of, outer, inner) for _ in range(count)]
    unstacked = node(Op.UNPACK, (x,), parts, UnpackOptions(num=count, axis=1))
    for output in range(count):
        found = overlap_of(unstacked, REFERENCE, 0, output)
        assert found is not None
        judge(found.distance, accesses.unpack(outer, count, inner, output, SIZES[of]))


axes = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=3)


@given(types, axes)
def test_a_slice_lies_behind_where_it_goes(of: TensorType, axes: list[tuple[int, int, int]]) -> None:
    starts = [min(first, size - 1) for size, first, _ in axes]
    spans = [range(start, min(start + length, size)) for start, (size, _, length) in zip(starts, axes, strict=True)]
    shape = [size for size, _, _ in axes]
    begin, size = (integers_of(values) for values in ([span.start for span in spans], [len(span) for span in spans]))
    cut = node(Op.SLICE, (tensor(of, *shape), begin, size), tensor(of, *map(len, spans)))
    judge(distance(cut, REFERENCE), accesses.picked(places(shape, spans), SIZES[of]))


@given(types, axes, st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_rows_of_a_strided_slice_are_copied(of: TensorType, axes: list[tuple[int, int, int]], steps: list[int]) -> None:
    shape = [size for size, _, _ in axes]
    spans = [range(min(first, size - 1), size, step) for (size, first, _), step in zip(axes, steps, strict=False)]
    inputs = [integers_of([getattr(span, name) for span in spans]) for name in ("start", "stop", "step")]
    y = tensor(of, *map(len, spans))
    found = overlap_of(node(Op.STRIDED_SLICE, (tensor(of, *shape), *inputs), y, StridedSliceOptions()), REFERENCE)
    assert found is not None
    if spans[-1].step == 1:
        starts = [places(shape, [*map(to_range, outer), spans[-1]])[0] for outer in product(*spans[:-1])]
        bad = unsafe(accesses.rows_copied(starts, len(spans[-1]), SIZES[of]))
    else:
        bad = unsafe(accesses.picked(places(shape, spans), SIZES[of]))
    assert bad >> found.distance & 1 == 0
    assert found.exactly or bad >> found.distance == 0


def to_range(index: int) -> range:
    """One index."""
    return range(index, index + 1)


def integers_of(values: Sequence[int]) -> Tensor:
    """A constant vector."""
    return tensor(INT32, len(values), data=packed(f"<{len(values)}i", *values))


def places(shape: Sequence[int], spans: Sequence[range]) -> list[int]:
    """Where values with these indices lie, in order."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return [sum(i * stride for i, stride in zip(index, strides, strict=True)) for index in product(*spans)]


def test_a_slice_that_runs_backwards_has_no_rule() -> None:
    inputs = [integers_of([each]) for each in (3, -5, -1)]
    of = node(Op.STRIDED_SLICE, (tensor(INT8, 4), *inputs), tensor(INT8, 4), StridedSliceOptions())
    assert overlap_of(of, REFERENCE) is None


@given(types, st.tuples(*[st.integers(1, 4)] * 5), st.integers(1, 3), st.integers(1, 2))
def test_pixels_that_are_nearest_are_copied(of: TensorType, sizes: tuple[int, ...], depth: int, batches: int) -> None:
    height, width, tall, wide, _ = sizes
    x, y = tensor(of, batches, height, width, depth), tensor(of, batches, tall * height, wide * width, depth)
    size = integers_of([tall * height, wide * width])
    starts = [
        ((batch * height + row // tall) * width + column // wide) * depth
        for batch, row, column in product(range(batches), range(tall * height), range(wide * width))
    ]
    grown = node(Op.RESIZE_NEAREST_NEIGHBOR, (x, size), y, ResizeNearestNeighborOptions())
    listed = accesses.rows_copied(starts, depth, SIZES[of])
    judge(distance(grown, REFERENCE), listed, tight=False)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_the_mean_of_an_image_of_floats_is_made_channel_by_channel(batches: int, pixels: int, channels: int) -> None:
    axis = integers_of([1, 2])
    inputs = (tensor(FLOAT32, batches, 1, pixels, channels), axis)
    mean = node(Op.MEAN, inputs, tensor(FLOAT32, batches, 1, 1, channels), ReducerOptions(keep_dims=True))
    g = Geometry(batches, 1, pixels, channels, 1, pixels, channels, (1, 1), (1, 1), same=False, size=4)
    judge(distance(mean, REFERENCE), accesses.depthwise(g))


def test_other_means_begin_with_zeros_in_the_output() -> None:
    x, y, axis = tensor(INT8, 1, 2, 2, 3), tensor(INT8, 1, 1, 1, 3), integers_of([1, 2])
    assert overlap_of(node(Op.MEAN, (x, axis), y, ReducerOptions(keep_dims=True)), REFERENCE) is None


# no rule


SMALL = Geometry(1, 3, 3, 2, 2, 2, 2, (1, 1), (1, 1), same=False)
NO_RULE: dict[str, tuple[Node, Build]] = {
    "several images, CMSIS-NN": (conv_node(SMALL._replace(batches=2)), CORTEX_M4),
    "groups, CMSIS-NN": (conv_node(SMALL._replace(groups=2)), CORTEX_M4),
    "int16, CMSIS-NN": (conv_node(SMALL, INT16), CORTEX_M4),
    "int4, CMSIS-NN": (
        node(Op.CONV_2D, (*images(SMALL, INT8, 2)[:1], tensor(TensorType.INT4, 2, 2, 2, 2)), images(SMALL, INT8, 2)[1]),
        CORTEX_M4,
    ),
    "depthwise int16, CMSIS-NN": (depthwise_node(SMALL, INT16), CORTEX_M55),
    "pool of several images, CMSIS-NN": (pool_node(Op.MAX_POOL_2D, SMALL._replace(batches=2)), CORTEX_M4),
    "1x1 by armclang": (
        conv_node(SMALL._replace(filter_height=1, filter_width=1)),
        Build(ABI, frozenset({DSP, ARMCLANG}), library="cmsis-nn"),
    ),
    "MAX_POOL_2D by armclang": (
        pool_node(Op.MAX_POOL_2D, SMALL),
        Build(ABI, frozenset({DSP, ARMCLANG}), library="cmsis-nn"),
    ),
    "S3": (conv_node(SMALL), Build(ABI, frozenset({OPTIMIZED, ESP32S3}), library="esp-nn")),
    "P4": (pool_node(Op.MAX_POOL_2D, SMALL), Build(ABI, frozenset({OPTIMIZED, ESP32P4}), library="esp-nn")),
    "CMSIS-NN of 2023": (conv_node(SMALL), Build(ABI, frozenset({DSP}), library="cmsis-nn-2023")),
    "an older TFLM": (conv_node(SMALL), Build(ABI, frozenset({RESHAPE_DIMS}))),
    "an operator without a rule": (
        node(Op.TRANSPOSE, (tensor(INT8, 2, 2), tensor(INT32, 2)), tensor(INT8, 2, 2)),
        REFERENCE,
    ),
}


@pytest.mark.parametrize("case", NO_RULE)
def test_without_a_rule_there_is_no_overlap(case: str) -> None:
    assert overlap_of(*NO_RULE[case]) is None


def test_weights_are_not_written_over() -> None:
    assert overlap_of(conv_node(SMALL), REFERENCE, 1) is None
    assert overlap_of(depthwise_node(SMALL), CORTEX_M4, 1) is None


def test_esp_nn_in_plain_c_has_the_rules_of_the_reference_on_every_chip() -> None:
    plain = Build(ABI, frozenset({ESP32S3}), library="esp-nn")
    assert overlap_of(conv_node(SMALL), plain) == overlap_of(conv_node(SMALL), REFERENCE)


def test_every_library_is_asked() -> None:
    assert {build.library for build in BUILDS.values()} | {"cmsis-nn-2023"} == set(LIBRARIES)
