"""Segments are reduced to the bits of LiteRT; TFLM has no such operators."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import RUNTIMES, Array, Random, agree, assert_same, cases, ours, values

FLOAT32, INT32 = TensorType.FLOAT32, TensorType.INT32
LITERT = RUNTIMES[:1]
UNSORTED = ("UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN")


def shape_of(random: Random) -> tuple[int, ...]:
    return tuple(int(each) for each in random.integers(1, 7, random.integers(1, 5)))


def numbers(random: Random, type: TensorType, shape: tuple[int, ...]) -> Array:
    if type == FLOAT32 and random.random() < 0.5:
        return random.normal(0, 2, shape).astype(np.float32)
    return values(random, type, shape)


def given_or_constant(random: Random, value: Array) -> TensorSpec:
    """The value as a constant of the file, or a tensor that is told it."""
    return TensorSpec(INT32, value.shape, data=value if random.random() < 0.5 else None)


def question(op: str, type: TensorType, x: Array, *others: tuple[TensorSpec, Array]) -> tuple[bytes, list[Array]]:
    """A model and inputs for it."""
    tensors = [TensorSpec(type, x.shape), *(spec for spec, _ in others)]
    model = one_op_model(BuiltinOperator[op], tensors, [TensorSpec(type, (1,))])
    return model, [x, *(value for spec, value in others if spec.data is None)]


def agree_on_sum(runtime: str, type: TensorType, x: Array, ids: tuple[TensorSpec, Array]) -> int:
    """As `agree`, but SEGMENT_SUM is known only to LiteRT's optimized resolver, where it has its reference kernel."""
    model, given = question("SEGMENT_SUM", type, x, ids)
    answer, computed = referee(runtime).run(model, given, kernels="OPT"), ours(runtime, model, [given])
    assert isinstance(computed, str) == (not answer.finished), (computed, answer)
    if isinstance(computed, str):
        return 0
    assert_same(answer.outputs[0][0], computed[0][0])
    return computed[0][0].size


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", [FLOAT32, INT32])
@pytest.mark.parametrize("op", UNSORTED)
def test_segments_in_any_order_have_the_same_bits(runtime: str, op: str, type: TensorType) -> None:
    random = np.random.default_rng(22)
    compared = 0
    for _ in cases(8):
        shape = shape_of(random)
        count = np.array(random.integers(1, 9), np.int32).reshape(() if random.random() < 0.5 else (1,))
        ids = random.integers(-1, max(1, count.item()), shape[: random.integers(1, len(shape) + 1)], dtype=np.int32)
        ids = np.minimum(ids, count.item() - 1)
        others = (given_or_constant(random, ids), ids), (given_or_constant(random, count), count)
        model, given = question(op, type, numbers(random, type, shape), *others)
        compared += agree(runtime, model, given)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", [FLOAT32, INT32])
def test_sums_of_segments_have_the_same_bits(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(21)
    compared = 0
    for _ in cases(8):
        shape = shape_of(random)
        ids = np.cumsum(random.integers(0, 2, shape[0]) * (np.arange(shape[0]) > 0), dtype=np.int32)
        compared += agree_on_sum(runtime, type, numbers(random, type, shape), (given_or_constant(random, ids), ids))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("ids", [[1, 1, 2], [0, 2, 3], [0, 1, 0], [-1, 0, 1], [0, 0]])
@pytest.mark.parametrize("is_constant", [False, True])
def test_segments_of_a_sum_are_numbered_without_gaps(runtime: str, ids: list[int], is_constant: bool) -> None:
    value = np.array(ids, np.int32)
    spec = TensorSpec(INT32, value.shape, data=value if is_constant else None)
    assert agree_on_sum(runtime, INT32, np.ones((3, 2), np.int32), (spec, value)) == 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize(("ids", "count"), [([0, 3, 1], 3), ([0, 0, 0], -1), ([0, 0], 3), ([[0, 0, 0]], 3)])
def test_segments_must_be_there(runtime: str, ids: list[int], count: int) -> None:
    value, number = np.array(ids, np.int32), np.array(count, np.int32)
    others = (TensorSpec(INT32, value.shape), value), (TensorSpec(INT32, ()), number)
    model, given = question("UNSORTED_SEGMENT_MAX", INT32, np.ones((3, 2), np.int32), *others)
    assert agree(runtime, model, given) == 0


@pytest.mark.parametrize("runtime", LITERT)
def test_there_may_be_no_segments(runtime: str) -> None:
    ids, count = np.array([-1, -1, -1], np.int32), np.array(0, np.int32)
    others = (TensorSpec(INT32, (3,), data=ids), ids), (TensorSpec(INT32, (), data=count), count)
    model, given = question("UNSORTED_SEGMENT_SUM", INT32, np.ones((3, 2), np.int32), *others)
    assert agree(runtime, model, given) == 0
