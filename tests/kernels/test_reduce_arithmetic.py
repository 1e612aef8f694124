"""Reductions compute the bits of the official runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.reduce import reduced_shape, resolved
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import ArgMaxOptions, ArgMinOptions, ReducerOptions
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, values, zero_point

FLOAT32, BOOL, UINT8, INT8 = TensorType.FLOAT32, TensorType.BOOL, TensorType.UINT8, TensorType.INT8
INT16, INT32, INT64 = TensorType.INT16, TensorType.INT32, TensorType.INT64

BOTH_KNOW = {
    "MEAN": (FLOAT32, INT8, INT16),
    "SUM": (FLOAT32, INT8),
    "REDUCE_MAX": (FLOAT32, INT8),
    "REDUCE_MIN": (FLOAT32, INT8),
    "REDUCE_ALL": (BOOL,),
    "ARG_MAX": (FLOAT32, INT8),
    "ARG_MIN": (FLOAT32, INT8),
}
ONLY_LITERT_KNOWS = {
    "MEAN": (UINT8, INT32, INT64),
    "SUM": (UINT8, INT32, INT64, BOOL),
    "REDUCE_PROD": (FLOAT32, INT8, INT16, UINT8, INT32, INT64, BOOL),
    "REDUCE_MAX": (UINT8, INT16, INT32, INT64, BOOL),
    "REDUCE_MIN": (UINT8, INT16, INT32, INT64, BOOL),
    "REDUCE_ANY": (BOOL,),
    "ARG_MAX": (UINT8, INT32, BOOL),
    "ARG_MIN": (UINT8, INT32, BOOL),
}
ONLY_TFLM_KNOWS = {"SUM": (INT16,)}
RESCALED = ("MEAN", "SUM", "REDUCE_PROD")


class Case(NamedTuple):
    model: bytes
    runs: list[list[Array]]


def listed(table: Mapping[str, tuple[TensorType, ...]]) -> list[Any]:
    return [pytest.param(op, t, id=f"{op}-{t.name}".lower()) for op, types in table.items() for t in types]


def quantization(random: Random, op: str, type: TensorType) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scales and zero points of input and output, the same where nothing is rescaled."""
    if type not in (UINT8, INT8, INT16) or (op == "REDUCE_PROD" and (type == UINT8 or random.random() < 0.3)):
        return {}, {}
    x_scale = scale(random)
    x: dict[str, Any] = {"scale": [x_scale], "zero_point": [zero_point(random, type)]}
    if op not in RESCALED:
        return x, x
    y_scale = scale(random, like=x_scale)
    if op == "REDUCE_PROD" or x_scale / y_scale > 2**29:  # C leaves open what it is to shift by more than an int has
        y_scale = float(np.float32(x_scale * random.uniform(0.9, 40)))
    return x, {"scale": [y_scale], "zero_point": [zero_point(random, type)]}


def shape_of(random: Random, largest: int = 600) -> tuple[int, ...]:
    rank = int(random.integers(1, 6))
    return tuple(int(each) for each in random.integers(1, max(2, round(largest ** (1 / rank))), rank, endpoint=True))


def axes_of(random: Random, rank: int) -> list[int]:
    """Some of the axes, in any order, counted from either end, now and then twice or none."""
    count = int(random.choice([0, 1, 1, 1, 2, 2, 3, rank]))
    axes = [int(each) for each in random.permutation(rank)[:count]]
    axes += axes[:1] if random.random() < 0.1 else []
    return [each - rank if random.random() < 0.3 else each for each in axes]


def reduction(random: Random, op: str, type: TensorType) -> Case:
    """A reduction over constant axes, or axes that are an input, as only LiteRT takes them."""
    shape = shape_of(random)
    axes, keep_dims = axes_of(random, len(shape)), bool(random.random() < 0.5)
    of_x, of_y = quantization(random, op, type)
    x = TensorSpec(type, shape, **of_x)
    axis = TensorSpec(INT32, (len(axes),), data=np.array(axes, np.int32))
    y = TensorSpec(type, reduced_shape(shape, resolved(axes, len(shape)), keep_dims), **of_y)
    model = one_op_model(BuiltinOperator[op], [x, axis], [y], ReducerOptions(keep_dims=keep_dims))
    return Case(model, [[numbers(random, op, type, shape)] for _ in range(4)])


def numbers(random: Random, op: str, type: TensorType, shape: tuple[int, ...]) -> Array:
    """Any of the type; factors are mostly small."""
    if op == "REDUCE_PROD" and type != BOOL and random.random() < 0.7:
        factors = random.normal(0, 1.5, shape) if type == FLOAT32 else random.integers(0, 5, shape)
        return np.asarray(factors).astype(dtype_of(type))
    if type == FLOAT32 and random.random() < 0.6:
        return random.normal(0, 10 ** random.uniform(-2, 2), shape).astype(np.float32)
    return values(random, type, shape)


def index(random: Random, op: str, type: TensorType, of: TensorType = INT32, of_axis: TensorType = INT32) -> Case:
    """The indices of the largest or smallest."""
    shape = shape_of(random)
    axis = int(random.integers(-len(shape), len(shape)))
    kept = tuple(size for each, size in enumerate(shape) if each != axis % len(shape))
    x = TensorSpec(type, shape)
    along = TensorSpec(of_axis, () if random.random() < 0.5 else (1,), data=np.array(axis, dtype_of(of_axis)))
    options = {"ARG_MAX": ArgMaxOptions, "ARG_MIN": ArgMinOptions}[op](output_type=of)
    model = one_op_model(BuiltinOperator[op], [x, along], [TensorSpec(of, kept)], options)
    return Case(model, [[values(random, type, shape, spread=2)] for _ in range(4)])


def case(random: Random, op: str, type: TensorType) -> Case:
    return index(random, op, type) if op.startswith("ARG") else reduction(random, op, type)


def compare(runtime: str, op: str, type: TensorType, count: int = 4) -> None:
    """As many cases as asked for; those that the runtime refuses may not be all of them."""
    random = np.random.default_rng(5)
    compared = 0
    for number in cases(count):
        model, runs = case(random, op, type)
        compared += agree(runtime, model, *runs, case=number)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("op", "type"), listed(BOTH_KNOW))
def test_what_both_runtimes_reduce_has_the_same_bits(runtime: str, op: str, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize(("op", "type"), listed(ONLY_LITERT_KNOWS))
def test_what_only_litert_reduces_has_the_same_bits(runtime: str, op: str, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES[1:])
@pytest.mark.parametrize(("op", "type"), listed(ONLY_TFLM_KNOWS))
def test_what_only_tflm_reduces_has_the_same_bits(runtime: str, op: str, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX"])
def test_axes_may_be_an_input(runtime: str, op: str) -> None:
    random = np.random.default_rng(2)
    for number in cases(3):
        of_x, of_y = quantization(random, op, INT8)
        axes = axes_of(random, 3)
        x, axis, y = (
            TensorSpec(INT8, (3, 4, 5), **of_x),
            TensorSpec(INT32, (len(axes),)),
            TensorSpec(INT8, (1,), **of_y),
        )
        model = one_op_model(BuiltinOperator[op], [x, axis], [y], ReducerOptions())
        given = [numbers(random, op, INT8, x.shape), np.array(axes, np.int32)]
        assert agree(runtime, model, given, case=number) > 0


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize("type", [FLOAT32, INT32, INT8])
@pytest.mark.parametrize(("axes", "shape"), [((0,), (4,)), ((0, 1), ()), ((1,), (0,)), ((), (0, 4))])
def test_nothing_is_reduced_to_what_the_reduction_starts_with(
    runtime: str, op: str, type: TensorType, axes: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    if op == "REDUCE_PROD" and type == INT8:
        pytest.skip("LiteRT leaves the output as it is, with whatever is there")
    of: dict[str, Any] = {"scale": [0.5], "zero_point": [3]} if type == INT8 else {}
    axis = TensorSpec(INT32, (len(axes),), data=np.array(axes, np.int32))
    model = one_op_model(
        BuiltinOperator[op], [TensorSpec(type, (0, 4), **of), axis], [TensorSpec(type, shape, **of)], ReducerOptions()
    )
    assert agree(runtime, model, [np.empty((0, 4), dtype_of(type))]) == np.prod(shape)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_MAX"])
def test_a_scalar_is_reduced_to_itself_over_any_axis(runtime: str, op: str) -> None:
    axis = TensorSpec(INT32, (1,), data=np.array([7], np.int32))
    model = one_op_model(BuiltinOperator[op], [TensorSpec(FLOAT32, ()), axis], [TensorSpec(FLOAT32, ())])
    assert agree(runtime, model, *([np.array(x, np.float32)] for x in (2.5, -0.0, -np.inf, np.nan))) == 4


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_zeros_infinities_and_nan_are_met_in_the_same_order(runtime: str, op: str, axes: tuple[int, ...]) -> None:
    edges = [-0.0, 0.0, np.inf, -np.inf, np.nan]
    x, axis = TensorSpec(FLOAT32, (3, 1)), TensorSpec(INT32, (len(axes),), data=np.array(axes, np.int32))
    y = TensorSpec(FLOAT32, (1,) * (2 - len(axes)))
    columns = [np.array(each, np.float32).reshape(3, 1) for each in product(edges, repeat=3)]
    assert agree(runtime, one_op_model(BuiltinOperator[op], [x, axis], [y]), *([each] for each in columns)) == 125


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_a_product_of_constants_has_the_same_bits(runtime: str) -> None:
    random = np.random.default_rng(4)
    for number in cases(4):
        data = random.normal(0, 2, (6, 3, 5)).astype(np.float32)
        axis = TensorSpec(INT32, (2,), data=np.array([0, 2], np.int32))
        x, y = TensorSpec(FLOAT32, data.shape, data=data), TensorSpec(FLOAT32, (3,))
        assert agree(runtime, one_op_model(BuiltinOperator.REDUCE_PROD, [x, axis], [y]), [], case=number) == 3


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_litert_writes_half_of_a_sum_of_int16(runtime: str) -> None:
    random = np.random.default_rng(6)
    for _ in cases(5):
        model, runs = reduction(random, "SUM", INT16)
        answer, computed = referee(runtime).run(model, *runs), ours(runtime, model, runs)
        assert answer.finished
        assert not isinstance(computed, str)
        for (expected,), (found,) in zip(answer.outputs, computed, strict=True):
            half = np.size(expected)
            assert np.array_equal(np.ravel(expected).view(np.uint8)[:half], np.ravel(found).view(np.uint8)[:half])


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_PROD", "REDUCE_MIN", "ARG_MAX"])
@pytest.mark.parametrize("axis", [-3, 2])
def test_an_axis_beyond_the_shape_is_refused(runtime: str, op: str, axis: int) -> None:
    along = TensorSpec(INT32, (1,), data=np.array([axis], np.int32))
    options = ArgMaxOptions(output_type=INT32) if op == "ARG_MAX" else ReducerOptions()
    y = TensorSpec(INT32 if op == "ARG_MAX" else FLOAT32, (4,))
    model = one_op_model(BuiltinOperator[op], [TensorSpec(FLOAT32, (3, 4)), along], [y], options)
    assert agree(runtime, model, [np.zeros((3, 4), np.float32)]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_PROD"])
def test_litert_refuses_int16_with_a_zero_point(runtime: str, op: str) -> None:
    of: dict[str, Any] = {"scale": [0.5], "zero_point": [1]}
    axis = TensorSpec(INT32, (1,), data=np.array([0], np.int32))
    model = one_op_model(BuiltinOperator[op], [TensorSpec(INT16, (3, 4), **of), axis], [TensorSpec(INT16, (4,), **of)])
    assert agree(runtime, model, [np.zeros((3, 4), np.int16)]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", ["MEAN", "SUM", "REDUCE_MAX"])
def test_int8_without_scales_is_reduced_as_the_runtimes_do(runtime: str, op: str) -> None:
    axis = TensorSpec(INT32, (1,), data=np.array([0], np.int32))
    bare: dict[str, Any] = {}
    scaled: dict[str, Any] = {"scale": [0.5], "zero_point": [3]}
    for of_x, of_y in (bare, bare), (scaled, bare), (bare, scaled):
        x, y = TensorSpec(INT8, (3, 4), **of_x), TensorSpec(INT8, (4,), **of_y)
        agree(runtime, one_op_model(BuiltinOperator[op], [x, axis], [y]), [np.arange(12, dtype=np.int8).reshape(3, 4)])


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("of", [INT32, INT64])
@pytest.mark.parametrize("of_axis", [INT32, INT64])
def test_indices_and_axes_may_have_64_bits(runtime: str, op: str, of: TensorType, of_axis: TensorType) -> None:
    random = np.random.default_rng(8)
    model, runs = index(random, op, INT8, of, of_axis)
    assert agree(runtime, model, *runs) > 0
