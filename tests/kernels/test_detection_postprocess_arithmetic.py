"""Detections are those of the official runtimes: as far as the outputs are written at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from refinfer.kernels.arithmetic.partial_sort import largest_first
from refinfer.schema.enums import TensorType
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import RUNTIMES, Array, Random, assert_same, cases, ours

FLOAT32, UINT8 = TensorType.FLOAT32, TensorType.UINT8


def detection(random: Random, runtime: str) -> tuple[bytes, list[Array], dict[str, Any]]:
    """A model, its inputs, and its options."""
    quantized = runtime == "litert" and random.random() < 0.5
    box_type, score_type = (UINT8, UINT8) if quantized else (FLOAT32, FLOAT32)
    count, classes, background = (int(random.integers(1, high)) for high in (40, 7, 3))
    most, columns = (int(random.integers(1, high)) for high in (12, 4))
    regular = bool(random.random() < 0.5)
    options = {
        "max_detections": most,
        "max_classes_per_detection": columns,
        "detections_per_class": int(random.integers(1, 12)),
        "use_regular_nms": regular,
        "nms_score_threshold": float(random.choice([0.0, 0.3, 0.5])),
        "nms_iou_threshold": float(random.choice([0.2, 0.5, 0.6, 1.0])),
        "num_classes": classes,
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    rows = most * columns * (1 if runtime == "litert" else columns)  # TFLM puts them far apart
    boxes = TensorSpec(box_type, (1, count, 4), [0.05] if quantized else (), [128] if quantized else ())
    scores = TensorSpec(
        score_type, (1, count, classes + background - 1), [1 / 16] if quantized else (), [3] if quantized else ()
    )
    anchors: Array = np.concatenate((random.random((count, 2)), random.random((count, 2)) * 0.5 + 0.01), 1)
    points = np.round(anchors * 100).astype(np.uint8) if quantized else anchors.astype(np.float32)
    anchor = TensorSpec(box_type, (count, 4), [0.01] if quantized else (), [0] if quantized else (), data=points)
    outputs = [TensorSpec(FLOAT32, shape) for shape in ((1, rows, 4), (1, rows), (1, rows), (1,))]
    written = bytes(flexbuffers.Dumps(options))
    model = one_op_model("TFLite_Detection_PostProcess", [boxes, scores, anchor], outputs, custom_options=written)
    if quantized:
        codes = [random.integers(0, most, x.shape).astype(np.uint8) for most, x in ((256, boxes), (20, scores))]
        return model, codes, options
    encoded, given = random.normal(0, 2, boxes.shape), random.integers(0, 12, scores.shape) / 12
    return model, [encoded.astype(np.float32), given.astype(np.float32)], options


def rows_that_are_written(runtime: str, options: dict[str, Any], number: int, rows: int) -> Array:
    """The others are left as they were."""
    row, room = np.arange(rows), options["max_classes_per_detection"]
    if options["use_regular_nms"]:
        return np.asarray(row < options["max_detections"])
    if runtime == "litert":
        return np.asarray((row < number * room) & (row % room < options["num_classes"]))
    columns = min(room, options["num_classes"])
    return np.isin(row, [columns * detection + detection % columns for detection in range(number)])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_detections_are_those_of_the_runtime(runtime: str) -> None:
    random = np.random.default_rng(17)
    compared = 0
    for number in cases(60):
        model, inputs, options = detection(random, runtime)
        answer, computed = referee(runtime).run(model, inputs), ours(runtime, model, [inputs])
        if not answer.finished:
            assert isinstance(computed, str), f"{number}: {answer.error} {answer.text}"
            continue
        assert not isinstance(computed, str), f"{number}: {computed}"
        expected, found = answer.outputs[0], computed[0]
        assert_same(expected[3], found[3], number)
        used = rows_that_are_written(runtime, options, int(found[3][0]), found[1].size)
        for y, z in zip(expected[:3], found[:3], strict=True):
            assert z.shape == y.shape, number
            assert_same(y[0, used], z[0, used], number)
            compared += z[0, used].size
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("count", range(1, 6))
def test_the_largest_come_first(count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(50):
        values = random.integers(0, 9, random.integers(count, 12)).tolist()
        order = largest_first(values, count)
        assert len(set(order)) == count
        assert [values[index] for index in order] == sorted(values, reverse=True)[:count]
