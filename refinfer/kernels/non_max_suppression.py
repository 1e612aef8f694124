"""NON_MAX_SUPPRESSION_V4 and NON_MAX_SUPPRESSION_V5: the best boxes that do not overlap. TFLM has neither.

Sources: non_max_suppression.cc and internal/reference/non_max_suppression.h in tensorflow/lite/kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.partial_sort import pop, push
from refinfer.kernels.binary import larger, smaller
from refinfer.kernels.common import input_at, require_rank, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import known
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SIGMA = 5
"""The position of the input that makes suppression soft: then scores are outputs too."""
CORNERS = 4


def fold(node: Node, host: Host) -> Evaluate:
    """Boxes as two corners, in any order, and their scores; what is left over of the outputs is 0."""
    is_soft = len(node.inputs) == SIGMA + 1
    require(len(node.inputs) in (SIGMA, SIGMA + 1), f"{len(node.inputs)} inputs; it takes {SIGMA} or {SIGMA + 1}")
    count = 3 if is_soft else 2
    require(len(node.outputs) == count, f"{len(node.outputs)} outputs; it gives {count}")
    for position in range(len(node.inputs)):
        tensor = input_at(node, position)
        require_type(tensor, TensorType.INT32 if position == 2 else TensorType.FLOAT32)
        require_rank(tensor, (2, 1, 0, 0, 0, 0)[position])
    shape_of(node, [input_at(node, 0).shape])
    return evaluate_softly if is_soft else evaluate


def shape_of(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As many as are asked for, and how many were found."""
    count = known(node, 2)
    if count is None:
        return None
    require(count[0] >= 0, f"a negative number of outputs, {count[0]}")
    return [count] * (len(node.outputs) - 1) + [()]


def evaluate(boxes: Array, scores: Array, count: Array, overlap: Array, least: Array) -> tuple[Array, ...]:
    """The indices of the best boxes, and how many there are."""
    indices, _, number = evaluate_softly(boxes, scores, count, overlap, least, np.zeros((), np.float32))
    return indices, number


def evaluate_softly(
    boxes: Array, scores: Array, count: Array, overlap: Array, least: Array, sigma: Array
) -> tuple[Array, ...]:
    """The indices of the best boxes, the scores that are left to them, and how many there are."""
    require(boxes.shape == (len(scores), CORNERS), f"{len(scores)} scores for boxes of {boxes.shape}")
    most = count.item()
    require(most >= 0, f"a negative number of outputs, {most}")
    require(not sigma < 0, f"a negative sigma, {sigma}")
    limits = overlap.item(), least.item(), sigma.item()
    indices, values = selected(boxes, scores, most, *limits)
    y, left = np.zeros(most, np.int32), np.zeros(most, np.float32)
    y[: len(indices)], left[: len(values)] = indices, values
    return y, left, np.array(len(indices), np.int32)


def selected(
    boxes: Array, scores: Array, most: int, overlap: float, least: float, sigma: float
) -> tuple[list[int], list[float]]:
    """Indices and scores of up to `most` boxes, the best first.

    The best candidate is compared with the boxes selected since it last was, the latest first, until it overlaps one.
    If that lessens its score, it is a candidate again; so it is after it has been selected, and is then suppressed by
    itself, unless it has no area.
    """
    value = scores.tolist()
    order = [-each for each in value]  # the least is on top of the heap
    heap: list[int] = []
    for index in range(len(value)):
        if value[index] > least:
            push(heap, order, index)
    most = min(most, len(heap))
    decay = np.float32(-0.5 / sigma) if sigma > 0 else None
    compared = [0] * len(value)
    found: list[int] = []
    kept: list[float] = []
    while len(found) < most and heap:
        index = pop(heap, order)
        earlier = found[compared[index] :][::-1]
        compared[index] = len(found)
        overlaps = intersection_over_union(boxes[index], boxes[earlier])
        score, is_suppressed = left_over(np.float32(value[index]), overlaps, overlap, least, decay)
        if is_suppressed:
            continue
        if score == value[index]:
            found.append(index)
            kept.append(score)
        value[index], order[index] = score, -score
        if score > least:
            push(heap, order, index)
    return found, kept


def left_over(
    score: np.float32, overlaps: Array, overlap: float, least: float, decay: np.float32 | None
) -> tuple[float, bool]:
    """The score, times exp(decay · overlap²) for each box; and whether a box overlaps so much that it ends there."""
    factors = np.ones_like(overlaps) if decay is None else libm.expf(decay * overlaps * overlaps)
    for each, factor in zip(overlaps, factors, strict=True):
        if each >= overlap:
            return float(score), True
        score = score * factor
        if score <= least:
            break
    return float(score), False


def intersection_over_union(box: Array, others: Array) -> Array:
    """Of one box with others; 0 where there is no area."""
    low, high = smaller(box[:2], box[2:]), larger(box[:2], box[2:])
    lows, highs = smaller(others[:, :2], others[:, 2:]), larger(others[:, :2], others[:, 2:])
    area, areas = area_of(high - low), area_of(highs - lows)
    sides = smaller(high, highs) - larger(low, lows)
    common = area_of(larger(sides, np.zeros_like(sides)))
    return np.where((area <= 0) | (areas <= 0), np.float32(0), common / (area + areas - common))


def area_of(sides: Array) -> Array:
    """Height times width."""
    return sides[..., 0] * sides[..., 1]


COMPUTE_NON_MAX_SUPPRESSION = Compute(fold=fold, shape=shape_of, types=frozenset({TensorType.FLOAT32}), version=1)
