"""DILATE and STABLEHLO_PAD: values pushed apart, with others between and around them. TFLM has neither.

Sources: dilate.cc and stablehlo_pad.cc in tensorflow/lite/kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import SIZED, Values, known, numbers, require_one
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import StablehloPadOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_DIMENSIONS = 8  # of STABLEHLO_PAD


def fold_dilate(node: Node, host: Host) -> Evaluate:
    """The second input has the distance, along each axis, of values that were neighbours; the third goes between."""
    require_arity(node, 3, 1)
    x, factors, value = (input_at(node, position) for position in range(3))
    require_type(factors, TensorType.INT32)
    require_shape(factors, (len(x.shape),))
    require_same_type(x, output_at(node, 0))
    require_same_type(x, value)
    require_one(value)
    return evaluate_dilate


def evaluate_dilate(x: Array, factors: Array, value: Array) -> tuple[Array, ...]:
    """y[i · factor] = x[i]"""
    steps = numbers(factors)
    y = np.full(dilated(x.shape, steps), value.reshape(())[()], x.dtype)
    y[tuple(slice(None, None, step) for step in steps)] = x
    return (y,)


def shape_of_dilate(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The values of the second input tell how much larger it is."""
    factors = known(node, 1)
    return None if factors is None else [dilated(shapes[0], factors)]


def dilated(shape: Shape, factors: Values) -> Shape:
    """The sizes after values are pushed apart."""
    require(len(factors) == len(shape) > 0, f"{len(factors)} factors for {len(shape)} dimensions")
    require(min(factors) >= 1, f"factors {factors}; they must be positive")
    require(min(shape) >= 1, f"shape {shape} has nothing to push apart")
    return tuple((size - 1) * factor + 1 for size, factor in zip(shape, factors, strict=True))


def fold_pad(node: Node, host: Host) -> Evaluate:
    """Values are pushed apart, and a border is added, or cut off where it is negative."""
    require_arity(node, 2, 1)
    x, value = input_at(node, 0), input_at(node, 1)
    require_same_type(x, value)
    require_same_type(x, output_at(node, 0))
    require_one(value)
    low, high, between = paddings(node)
    require(min(between, default=0) >= 0, f"negative padding between values: {between}")

    def evaluate(x: Array, value: Array) -> tuple[Array, ...]:
        steps = tuple(each + 1 for each in between)
        y = np.full(padded(x.shape, low, high, between), value.reshape(())[()], x.dtype)
        if y.size:
            sides = [kept(*each) for each in zip(x.shape, y.shape, low, steps, strict=True)]
            y[tuple(to for _, to in sides)] = x[tuple(of for of, _ in sides)]
        return (y,)

    return evaluate


def kept(size: int, padded: int, low: int, step: int) -> tuple[slice, slice]:
    """Which of the values along an axis are in the output, and where: value i is at low + i · step."""
    first = max(0, -(low // step))
    end = max(first, min(size, -((low - padded) // step)))
    start = low + first * step
    return slice(first, end), slice(start, start + (end - first) * step, step)


def paddings(node: Node) -> tuple[Values, Values, Values]:
    """What comes before, after and between values, along each axis."""
    options = options_of(node, StablehloPadOptions)
    low, high, between = options.edge_padding_low, options.edge_padding_high, options.interior_padding
    require(
        low is not None and high is not None and between is not None and len(low) == len(high) == len(between),
        f"paddings {low}, {high} and {between}; there must be as many of each",
    )
    assert low is not None
    assert high is not None
    assert between is not None
    return low, high, between


def shape_of_pad(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The options tell how much larger it is."""
    return [padded(shapes[0], *paddings(node))]


def padded(shape: Shape, low: Values, high: Values, between: Values) -> Shape:
    """The sizes with their paddings; where one of them is nothing, all are 0 [stablehlo_pad.cc: PadData::Setup]."""
    require(len(shape) == len(low), f"paddings for {len(low)} dimensions of {len(shape)}")
    require(1 <= len(shape) <= MAX_DIMENSIONS, f"{len(shape)} dimensions; it takes up to {MAX_DIMENSIONS}")
    gaps = (max(size - 1, 0) * each for size, each in zip(shape, between, strict=True))
    sizes = tuple(sum(each) for each in zip(shape, gaps, low, high, strict=True))
    return sizes if min(sizes) > 0 else (0,) * len(sizes)


COMPUTE_DILATE = Compute(fold=fold_dilate, shape=shape_of_dilate, types=SIZED, version=1)
COMPUTE_STABLEHLO_PAD = Compute(fold=fold_pad, shape=shape_of_pad, types=SIZED, version=1)
