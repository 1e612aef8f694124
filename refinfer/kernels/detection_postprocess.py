"""TFLite_Detection_PostProcess, a custom operator: boxes and scores in, non-maximum suppression, detections out.

Sources: tensorflow/lite/micro/kernels/detection_postprocess.cc, where every intermediate list is a scratch buffer,
sized for the worst case; tensorflow/lite/kernels/detection_postprocess.cc.

What comes after the last detection is left as it was by the runtimes; here it is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic.partial_sort import largest_first
from refinfer.kernels.common import first_scale, first_zero_point, input_at, require_rank, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.custom import option_map
from refinfer.kernels.kernel import Kernel, Persistent, Request, Scratch, require, temps
from refinfer.kernels.layout import BOOL, FLOAT, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

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


class Params(NamedTuple):
    """The options; the floats are of 32 bits."""

    max_detections: int
    max_classes: int
    per_class: int
    regular: bool
    classes: int
    score_threshold: float
    overlap_threshold: float
    scales: Sequence[float]


def params_of(node: Node) -> Params:
    """[detection_postprocess.cc: Init]"""
    given = options(node)
    score, overlap, *scales = (
        float(np.float32(given.get(name, 0.0)))
        for name in ("nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale")
    )
    return Params(
        max_detections=int(given.get("max_detections", 0)),
        max_classes=int(given.get("max_classes_per_detection", 0)),
        per_class=int(given.get("detections_per_class", DETECTIONS_PER_CLASS)),
        regular=bool(given.get("use_regular_nms", False)),
        classes=int(given.get("num_classes", 0)),
        score_threshold=score,
        overlap_threshold=overlap,
        scales=scales,
    )


def fold(node: Node, host: Host) -> Evaluate:
    """As many rows of output as there may be detections, times the classes of each."""
    rules = Rules(may_be_empty=True, order=largest_first, row=row_of_box, counts_classes=False)
    return detecting(node, rules, shapes_of(node, []))


def fold_as_declared(node: Node, host: Host) -> Evaluate:
    """Outputs as the file has them, where a second class of a box comes to lie far behind the first."""
    rules = Rules(may_be_empty=False, order=stable_order, row=row_of_detection, counts_classes=True)
    return detecting(node, rules, declared_shapes(node, []))


def shapes_of(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Boxes, classes, scores, and how many there are."""
    p = params_of(node)
    rows = p.max_detections * p.max_classes
    return [(1, rows, CORNERS), (1, rows), (1, rows), (1,)]


def declared_shapes(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """What the file has."""
    return [y.shape for y in node.outputs]


class Rules(NamedTuple):
    """What the runtimes do differently: whether a box may have no height or width; the best classes of a box; the row
    for one of them, from the options, the number of the box, and that of the class among those of the box; and whether
    a box with several classes counts as that many detections.
    """

    may_be_empty: bool
    order: Callable[[Sequence[float], int], list[int]]
    row: Callable[[Params, int, int], int]
    counts_classes: bool


def row_of_box(p: Params, box: int, rank: int) -> int:
    """Every box has room for as many classes as there may be."""
    return p.max_classes * box + rank


def row_of_detection(p: Params, box: int, rank: int) -> int:
    """The number of detections so far, taken for the number of the box."""
    columns = min(p.max_classes, p.classes)
    return columns * (columns * box + rank) + rank


def stable_order(values: Sequence[float], count: int) -> list[int]:
    """The indices of the largest values, the largest first, and the first of equals."""
    return sorted(range(len(values)), key=lambda index: -values[index])[:count]


def detecting(node: Node, rules: Rules, shapes: Sequence[Shape]) -> Evaluate:
    """Decode the boxes, and keep the best that do not overlap: class by class, or each for its best classes."""
    p = params_of(node)
    require(len(node.inputs) == 3, f"{len(node.inputs)} inputs; it takes 3")
    require(len(node.outputs) == 4, f"{len(node.outputs)} outputs; it gives 4")
    boxes, scores, anchors = input_at(node, BOXES), input_at(node, SCORES), input_at(node, ANCHORS)
    require_type(scores, TensorType.FLOAT32, TensorType.UINT8)
    require_type(anchors, boxes.type)
    require(0 < p.overlap_threshold <= 1, f"nms_iou_threshold is {p.overlap_threshold}; it is above 0 and up to 1")
    require(p.max_detections >= 0, f"max_detections {p.max_detections} is negative")
    limit = p.per_class if p.regular else p.max_classes
    require(limit > 0, f"a limit of {limit} for {'each class' if p.regular else 'classes of a box'}")

    def evaluate(codes: Array, predictions: Array, points: Array) -> tuple[Array, ...]:
        require_agreeing(p, codes.shape, predictions.shape, points.size)
        centers = points.reshape(-1)[: CORNERS * codes.shape[1]].reshape(-1, CORNERS)
        corners = decoded(real(codes, boxes)[0, :, :CORNERS], real(centers, anchors), p.scales)
        require_boxes(corners, rules.may_be_empty)
        of_classes = real(predictions, scores)[0, :, predictions.shape[2] - p.classes :]
        found = by_class(p, corners, of_classes) if p.regular else by_box(p, rules, corners, of_classes)
        return written(found, corners, shapes)

    return evaluate


def require_agreeing(p: Params, boxes: Shape, scores: Shape, anchors: int) -> None:
    """One batch, with scores and an anchor for every box."""
    require(len(boxes) == len(scores) == 3, f"boxes of {boxes} and scores of {scores}; they have 3 dimensions")
    require(boxes[0] == scores[0] == 1, f"{boxes[0]} batches; it takes 1")
    require(boxes[2] >= CORNERS and boxes[1] == scores[1], f"scores of {scores} for boxes of {boxes}")
    require(anchors >= CORNERS * boxes[1], f"{anchors} numbers of anchors for {boxes[1]} boxes")
    require(scores[2] - p.classes in (0, 1), f"{scores[2]} scores a box for {p.classes} classes")


def real(q: Array, tensor: Tensor) -> Array:
    """(q - zero_point) * scale in float32, or floats as they are."""
    if q.dtype == np.float32:
        return q
    return (q.astype(np.int32) - first_zero_point(tensor)).astype(np.float32) * np.float32(first_scale(tensor))


def decoded(codes: Array, anchors: Array, scales: Sequence[float]) -> Array:
    """Rows of y - h, x - w, y + h, x + w, where (y, x) is the center of a box, and (h, w) half its size.

    center = code / scale * anchor_size + anchor; half = 0.5 * exp(code / scale) * anchor_size; both in double.
    """
    with np.errstate(all="ignore"):
        relative = codes.astype(np.float64) / np.array(scales, np.float64)
        size = anchors[:, 2:].astype(np.float64)
        center = (relative[:, :2] * size + anchors[:, :2]).astype(np.float32)
        half = (0.5 * exponential(relative[:, 2:]) * size).astype(np.float32)
        return np.concatenate((center - half, center + half), axis=1)


def exponential(x: Array) -> Array:
    """C's exp of doubles, which is also Python's, but for what is too large."""
    return np.array([math.exp(each) if each < 709 else np.exp(each) for each in x.ravel().tolist()]).reshape(x.shape)


def require_boxes(corners: Array, may_be_empty: bool) -> None:
    """No box may end before it begins."""
    low, high = corners[:, :2], corners[:, 2:]
    wrong = low > high if may_be_empty else low >= high
    require(not wrong.any(), "a box that ends before it begins")


class Found(NamedTuple):
    """Detections: the row, the box, the class and the score of each; and what is said of their number."""

    rows: Array
    boxes: Array
    classes: Array
    scores: Array
    number: int


def by_class(p: Params, corners: Array, scores: Array) -> Found:
    """The best boxes of each class, and then the best of all; earlier classes first among equals."""
    boxes, classes, best = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for index in range(p.classes):
        chosen = suppressed(p, corners, scores[:, index], min(p.per_class, p.max_detections))
        boxes = np.concatenate((boxes, chosen))
        classes = np.concatenate((classes, np.full(len(chosen), index)))
        best = np.concatenate((best, scores[chosen, index]))
        order = np.argsort(-best, kind="stable")[: p.max_detections]
        boxes, classes, best = boxes[order], classes[order], best[order]
    return Found(np.arange(len(boxes)), boxes, classes, best, len(boxes))


def by_box(p: Params, rules: Rules, corners: Array, scores: Array) -> Found:
    """The best boxes by the best of their scores, each with its best classes."""
    columns = min(p.max_classes, p.classes)
    chosen = suppressed(p, corners, scores.max(axis=1), p.max_detections)
    classes = [rules.order(scores[box].tolist(), columns) for box in chosen]
    rows = [rules.row(p, place, rank) for place in range(len(chosen)) for rank in range(columns)]
    boxes, of_each = np.repeat(chosen, columns), np.array(classes, np.int64).reshape(-1)
    number = len(rows) if rules.counts_classes else len(chosen)
    return Found(np.array(rows, np.int64), boxes, of_each, scores[boxes, of_each], number)


def suppressed(p: Params, corners: Array, scores: Array, most: int) -> Array:
    """The boxes with the highest scores, the first of equals, without those that overlap a better one too much.

    [detection_postprocess.cc: NonMaxSuppressionSingleClassHelper]
    """
    above = np.flatnonzero(scores >= np.float32(p.score_threshold))
    left = above[np.argsort(-scores[above], kind="stable")]
    chosen: list[int] = []
    while len(left) and len(chosen) < most:
        chosen.append(int(left[0]))
        left = left[1:][~(overlaps(corners[left[0]], corners[left[1:]]) > np.float32(p.overlap_threshold))]
    return np.array(chosen, np.int64)


def overlaps(box: Array, others: Array) -> Array:
    """Intersection over union, in float32; 0 where a box is empty [ComputeIntersectionOverUnion]."""
    with np.errstate(all="ignore"):
        low = np.where(box[:2] < others[:, :2], others[:, :2], box[:2])
        high = np.where(others[:, 2:] < box[2:], others[:, 2:], box[2:])
        common = np.where(high - low < 0, np.float32(0), high - low).prod(axis=1)
        area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1)
        return np.where((area <= 0) | (areas <= 0), np.float32(0), common / (area + areas - common))


def written(found: Found, corners: Array, shapes: Sequence[Shape]) -> tuple[Array, ...]:
    """The detections in their rows."""
    boxes, classes, scores, count = (np.zeros(shape, np.float32) for shape in shapes)
    fits = found.rows.max(initial=-1) < min(classes.size, scores.size, boxes.size // CORNERS) and count.size > 0
    require(bool(fits), f"detections beyond the {classes.size} rows of the outputs")
    boxes.reshape(-1, CORNERS)[found.rows] = corners[found.boxes]
    classes.reshape(-1)[found.rows] = found.classes
    scores.reshape(-1)[found.rows] = found.scores
    count.reshape(-1)[0] = found.number
    return boxes, classes, scores, count


DETECTION_POSTPROCESS = Kernel(init=init, prepare=prepare, invoke=invoke)

BOX_TYPES = frozenset({TensorType.FLOAT32, TensorType.UINT8})

COMPUTE_DETECTION_POSTPROCESS = Compute(fold=fold, shape=shapes_of, types=BOX_TYPES, version=1)
COMPUTE_DETECTION_POSTPROCESS_AS_DECLARED = Compute(
    fold=fold_as_declared, shape=declared_shapes, types=BOX_TYPES, version=1
)
