"""What TFLite_Detection_PostProcess asks for and refuses."""

from __future__ import annotations

import pytest

from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from tests.kernels.nodes import FLOAT32, custom, initialized, refused, refused_by_invoke, scratch, tensor

BOXES, CLASSES, MOST = 7, 2, 3
OPTIONS = {"max_detections": MOST, "max_classes_per_detection": 1, "num_classes": CLASSES, "nms_iou_threshold": 0.5}


def detection(of: TensorType = FLOAT32, **options: object) -> Node:
    inputs = [tensor(of, 1, BOXES, 4), tensor(of, 1, BOXES, CLASSES + 1), tensor(of, BOXES, 4)]
    outputs = [tensor(FLOAT32, 1, MOST, 4), *(tensor(FLOAT32, 1, MOST) for _ in range(2)), tensor(FLOAT32, 1)]
    return custom("TFLite_Detection_PostProcess", inputs, outputs, OPTIONS | options)


def test_its_lists_are_sized_for_the_worst_case() -> None:
    lists, kept = 4 * BOXES, 4 * BOXES * MOST
    scores = 4 * BOXES * (CLASSES + 1)
    assert scratch(detection()) == [BOXES, 4 * lists, scores, lists, lists, kept, kept, lists, kept, kept, kept]
    assert scratch(detection(num_classes=9))[9] == 4 * BOXES * 9
    assert scratch(detection(max_detections=99))[10] == 4 * BOXES * BOXES


def test_it_cannot_do_without_options() -> None:
    of = custom("TFLite_Detection_PostProcess", [], [], None)
    with pytest.raises(Refusal, match="no custom options"):
        initialized(of)


def test_it_has_three_inputs_and_four_outputs() -> None:
    assert refused(custom("TFLite_Detection_PostProcess", [], [], OPTIONS)) == "0 inputs; it takes 3"


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({}, None),
        ({"num_classes": 3}, None),
        ({"num_classes": 1}, "3 scores a box, 2 more than classes"),
        ({"nms_iou_threshold": 0.0}, "nms_iou_threshold is 0.0; it must be above 0 and at most 1"),
        ({"max_classes_per_detection": 0}, "max_classes_per_detection is 0; it must be positive"),
        ({"max_classes_per_detection": 0, "use_regular_nms": True}, None),
        ({"detections_per_class": 0, "use_regular_nms": True}, "detections_per_class is 0; it must be positive"),
    ],
)
def test_what_the_options_say_is_checked_when_it_runs(options: dict[str, object], refusal: str | None) -> None:
    assert refused(detection(FLOAT32, **options)) is None
    assert refused_by_invoke(detection(FLOAT32, **options)) == refusal


def test_uint8_gets_through_prepare_and_does_not_run() -> None:
    assert refused(detection(TensorType.UINT8)) is None
    assert refused_by_invoke(detection(TensorType.UINT8)) == "type UINT8; it takes FLOAT32"
