"""TFLite_Detection_PostProcess, a custom operator: boxes and scores in, non-maximum suppression, detections out.

Source: tensorflow/lite/micro/kernels/detection_postprocess.cc. Every intermediate list is a scratch buffer, sized for
the worst case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refinfer.kernels.common import input_at, require_rank
from refinfer.kernels.custom import option_map
from refinfer.kernels.kernel import Kernel, Persistent, Request, Scratch, require, temps
from refinfer.kernels.layout import BOOL, FLOAT, INT32, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

BOXES, SCORES, ANCHORS = range(3)
CORNERS = 4  # of a box [detection_postprocess.cc: kNumCoordBox]
DETECTIONS_PER_CLASS = 100  # unless said [detection_postprocess.cc: kNumDetectionsPerClass]

QUANTIZATION_PARAMS = struct("TfLiteQuantizationParams", scale=FLOAT, zero_point=INT32)
OP_DATA_DETECTION_POSTPROCESS = struct(
    "detection_postprocess:OpData",
    max_detections=INT32,
    max_classes_per_detection=INT32,
    detections_per_class=INT32,
    non_max_suppression_score_threshold=FLOAT,
    intersection_over_union_threshold=FLOAT,
    num_classes=INT32,
    use_regular_non_max_suppression=BOOL,
    scale_values=struct("CenterSizeEncoding", y=FLOAT, x=FLOAT, h=FLOAT, w=FLOAT),
    active_candidate_idx=INT32,
    decoded_boxes_idx=INT32,
    scores_idx=INT32,
    score_buffer_idx=INT32,
    keep_scores_idx=INT32,
    scores_after_regular_non_max_suppression_idx=INT32,
    sorted_values_idx=INT32,
    keep_indices_idx=INT32,
    sorted_indices_idx=INT32,
    buffer_idx=INT32,
    selected_idx=INT32,
    input_box_encodings=QUANTIZATION_PARAMS,
    input_class_predictions=QUANTIZATION_PARAMS,
    input_anchors=QUANTIZATION_PARAMS,
)


def options(node: Node) -> Mapping[str, float]:
    """The numbers among the custom options, by name."""
    return {name: value for name, value in option_map(node).items() if isinstance(value, int | float)}


def init(node: Node, build: Build) -> Iterator[Request]:
    """[detection_postprocess.cc: DetectionPostProcessInit]"""
    options(node)
    nbytes = build.sizeof(OP_DATA_DETECTION_POSTPROCESS)
    source = "detection_postprocess.cc: DetectionPostProcessInit"
    yield Persistent(OP_DATA_DETECTION_POSTPROCESS.name, nbytes, source)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[detection_postprocess.cc: DetectionPostProcessPrepare]"""
    require(len(node.inputs) == 3, f"{len(node.inputs)} inputs; it takes 3")
    boxes, scores, anchors = input_at(node, BOXES), input_at(node, SCORES), input_at(node, ANCHORS)
    yield from temps(boxes, scores, anchors)
    require_rank(boxes, 3)
    require_rank(scores, 3)
    require_rank(anchors, 2)
    require(len(node.outputs) == 4, f"{len(node.outputs)} outputs; it gives 4")
    most, classes = (int(options(node).get(name, 0)) for name in ("max_detections", "num_classes"))
    require(most >= 0, f"max_detections {most} is negative")
    count = boxes.shape[1]
    for what, nbytes in (
        ("active_candidate_idx", count),
        ("decoded_boxes_idx", 4 * CORNERS * count),
        ("scores_idx", 4 * scores.shape[1] * scores.shape[2]),
        ("score_buffer_idx", 4 * count),
        ("keep_scores_idx", 4 * count),
        ("scores_after_regular_non_max_suppression_idx", 4 * most * count),
        ("sorted_values_idx", 4 * most * count),
        ("keep_indices_idx", 4 * count),
        ("sorted_indices_idx", 4 * most * count),
        ("buffer_idx", 4 * max(classes, most) * count),
        ("selected_idx", 4 * min(count, most) * count),
    ):
        yield Scratch(what, nbytes, "detection_postprocess.cc: DetectionPostProcessPrepare")


def invoke(node: Node) -> None:
    """[detection_postprocess.cc: DetectionPostProcessEval] prints nothing of all this."""
    boxes, scores, given = input_at(node, BOXES), input_at(node, SCORES), options(node)
    for tensor in (boxes, scores):
        require(tensor.shape[0] == 1, f"{tensor.shape[0]} batches; it takes 1", tensor)
        require(tensor.type == TensorType.FLOAT32, f"type {tensor.type.name}; it takes FLOAT32", tensor)
    require(boxes.shape[2] >= CORNERS, f"{boxes.shape[2]} numbers a box; it takes {CORNERS}", boxes)
    require(scores.shape[1] == boxes.shape[1], f"scores of {scores.shape[1]} boxes, not {boxes.shape[1]}", scores)
    background = scores.shape[2] - int(given.get("num_classes", 0))
    require(background in (0, 1), f"{scores.shape[2]} scores a box, {background} more than classes", scores)
    threshold = given.get("nms_iou_threshold", 0.0)
    require(0 < threshold <= 1, f"nms_iou_threshold is {threshold}; it must be above 0 and at most 1")
    regular = bool(given.get("use_regular_nms", False))
    limit, default = ("detections_per_class", DETECTIONS_PER_CLASS) if regular else ("max_classes_per_detection", 0)
    require(given.get(limit, default) > 0, f"{limit} is {given.get(limit, default)}; it must be positive")


DETECTION_POSTPROCESS = Kernel(init=init, prepare=prepare, invoke=invoke)
