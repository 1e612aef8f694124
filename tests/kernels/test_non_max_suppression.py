"""Boxes are suppressed as LiteRT does it; TFLM has no such operator."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases

LITERT = RUNTIMES[:1]
FLOAT32, INT32 = TensorType.FLOAT32, TensorType.INT32
V4, V5 = BuiltinOperator.NON_MAX_SUPPRESSION_V4, BuiltinOperator.NON_MAX_SUPPRESSION_V5


def question(op: BuiltinOperator, *given: Array, is_constant: bool) -> tuple[bytes, list[Array]]:
    """A model and inputs for it; all but boxes and scores may be constants."""
    specs = [
        TensorSpec(
            INT32 if each.dtype == np.int32 else FLOAT32, each.shape, data=each if is_constant and i > 1 else None
        )
        for i, each in enumerate(given)
    ]
    rows = TensorSpec(INT32, (1,)), TensorSpec(FLOAT32, (1,)), TensorSpec(INT32, ())
    outputs = rows if op == V5 else (rows[0], rows[2])
    model = one_op_model(op, specs, outputs)
    return model, [value for spec, value in zip(specs, given, strict=True) if spec.data is None]


def drawn(random: Random, op: BuiltinOperator) -> list[Array]:
    """Boxes that overlap a lot, some of them without area, and scores of which many are equal."""
    count = int(random.integers(0, 60))
    corner, size = random.uniform(0, 3, (count, 2)), random.uniform(0, 2, (count, 2))
    boxes = np.concatenate((corner, corner + size), axis=1)
    if random.random() < 0.3:
        boxes = np.round(boxes)
    boxes = np.where(random.random((count, 1)) < 0.2, boxes[:, [2, 1, 0, 3]], boxes)
    scores = random.integers(0, 8, count) / 8 if random.random() < 0.5 else random.random(count)
    scalars = [random.choice([0.0, 0.3, 0.5, 0.9, 1.0, 1.5]), random.choice([0.0, 0.25, 0.6, -1.0])]
    if op == V5:
        scalars.append(random.choice([0.0, 0.1, 0.5, 2.0]))
    most = np.array(random.integers(0, 70), np.int32)
    return [boxes.astype(np.float32), scores.astype(np.float32), most, *(np.array(x, np.float32) for x in scalars)]


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("op", [V4, V5])
def test_the_same_boxes_are_left_with_the_same_scores(runtime: str, op: BuiltinOperator) -> None:
    random = np.random.default_rng(41)
    compared = 0
    for _ in cases(100):
        compared += agree(runtime, *question(op, *drawn(random, op), is_constant=True))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("op", [V4, V5])
def test_limits_may_be_found_late(runtime: str, op: BuiltinOperator) -> None:
    random = np.random.default_rng(42)
    compared = 0
    for _ in cases(20):
        given = drawn(random, op)
        given[2] = np.maximum(
            given[2], np.int32(1)
        )  # LiteRT's interpreter does not hand out empty tensors of this kind
        compared += agree(runtime, *question(op, *given, is_constant=False))
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize(
    ("most", "sigma", "rows"), [(-1, 0.5, 4), (3, -0.5, 4), (3, 0.5, 3)], ids=["outputs", "sigma", "scores"]
)
@pytest.mark.parametrize("is_constant", [True, False])
def test_numbers_are_not_negative_and_every_box_has_a_score(
    runtime: str, most: int, sigma: float, rows: int, is_constant: bool
) -> None:
    boxes, scores = np.ones((4, 4), np.float32), np.ones(rows, np.float32)
    scalars = np.array(most, np.int32), *(np.array(each, np.float32) for each in (0.5, 0.1, sigma))
    assert agree(runtime, *question(V5, boxes, scores, *scalars, is_constant=is_constant)) == 0
