"""REDUCE_WINDOW and STABLEHLO_REDUCE_WINDOW: what a window that moves over the input is reduced to. TFLM has neither.

Source: tensorflow/lite/kernels/stablehlo_reduce_window.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.binary import add, multiply
from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_same_type,
    require_type,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.dilate import kept
from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import Values
from refinfer.schema.enums import BuiltinOperator, ReduceWindowFunction, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import ReduceWindowOptions, StablehloReduceWindowOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Combine = Callable[["Array", "Array"], "Array"]
MAX_DIMENSIONS = 6


class Window(NamedTuple):
    """Along each axis: its size, its steps, and the steps within it; and before that, how the input is pushed apart
    and what is added before and after it, or cut off.
    """

    sizes: Values
    strides: Values
    dilations: Values
    base: Values
    low: Values
    high: Values


def fold_reduce_window(node: Node, host: Host) -> Evaluate:
    """The window is described by inputs."""
    require_arity(node, 5, 1)
    function = options_of(node, ReduceWindowOptions).reduce_function
    require(function in FUNCTIONS, f"reduce_function {function.name}")
    return reducing(node, window_of_inputs(node), FUNCTIONS[function])


def window_of_inputs(node: Node) -> Window:
    """[stablehlo_reduce_window.cc: TFLiteData]"""
    sizes, strides, dilations = (
        constant_integers(node, position, name)
        for position, name in ((2, "window_shape"), (3, "window_strides"), (4, "window_dilations"))
    )
    rank = len(input_at(node, 0).shape)
    return Window(sizes, strides, dilations, base=(1,) * rank, low=(0,) * rank, high=(0,) * rank)


def constant_integers(node: Node, position: int, name: str) -> Values:
    """The integers at an input, whose value must be in the file."""
    tensor = input_at(node, position)
    require_type(tensor, TensorType.INT64)
    require_constant(tensor, name)
    return integers(tensor)


def fold_stablehlo(node: Node, host: Host) -> Evaluate:
    """The window is described by options, and what it is reduced by, by the operator of a subgraph."""
    require_arity(node, 2, 1)
    operators = host.operators(options_of(node, StablehloReduceWindowOptions).body_subgraph_index)
    if len(operators) != 1 or operators[0] not in BODIES:
        raise Refusal(f"windows are not reduced by {', '.join(each.name for each in operators) or 'nothing'}")
    return reducing(node, window_of_options(node), FUNCTIONS[BODIES[operators[0]]])


def window_of_options(node: Node) -> Window:
    """[stablehlo_reduce_window.cc: StablehloData]"""
    options = options_of(node, StablehloReduceWindowOptions)
    ones = (1,) * len(options.window_dimensions or ())
    padding = options.padding or (0, 0) * len(ones)
    return Window(
        sizes=options.window_dimensions or (),
        strides=options.window_strides or ones,
        dilations=options.window_dilations or ones,
        base=options.base_dilations or ones,
        low=padding[::2],
        high=padding[1::2],
    )


def reducing(node: Node, window: Window, combine: Combine) -> Evaluate:
    """Bools are numbers of a byte."""
    x = input_at(node, 0)
    require_same_type(x, input_at(node, 1))
    require_same_type(x, output_at(node, 0))
    require(input_at(node, 1).elements >= 1, "no initial value", input_at(node, 1))

    def evaluate(x: Array, initial: Array) -> tuple[Array, ...]:
        shape = reduced(x.shape, window)
        numbers = x.view(np.int8) if x.dtype == np.bool_ else x
        first = initial.reshape(-1)[:1].view(numbers.dtype)[0]
        around = surrounded(numbers, first, window)
        y = np.full(shape, first, numbers.dtype)
        for offsets in product(*map(range, window.sizes)):
            starts = [offset * dilation for offset, dilation in zip(offsets, window.dilations, strict=True)]
            steps = zip(starts, shape, window.strides, strict=True)
            y = combine(y, around[tuple(slice(at, at + size * stride, stride) for at, size, stride in steps)])
        return (y.view(x.dtype),)

    return lambda x, initial, *_: evaluate(x, initial)


def surrounded(x: Array, value: Array, window: Window) -> Array:
    """The input, pushed apart and with a border."""
    y = np.full(base_shape(x.shape, window), value, x.dtype)
    if x.size:
        sides = [kept(*each) for each in zip(x.shape, y.shape, window.low, window.base, strict=True)]
        y[tuple(to for _, to in sides)] = x[tuple(of for of, _ in sides)]
    return y


def base_shape(shape: Shape, window: Window) -> Shape:
    """The shape over which the window moves."""
    require(1 <= len(shape) <= MAX_DIMENSIONS, f"{len(shape)} dimensions; it takes up to {MAX_DIMENSIONS}")
    require(all(len(each) == len(shape) for each in window), f"{window} for {len(shape)} dimensions")
    steps = (*window.sizes, *window.strides, *window.dilations, *window.base)
    require(min(steps) > 0, f"sizes and steps of a window are positive: {steps}")
    apart = tuple((size - 1) * step + 1 for size, step in zip(shape, window.base, strict=True))
    around = tuple(sum(each) for each in zip(apart, window.low, window.high, strict=True))
    least = 1 if any(window.low) or any(window.high) else 0
    require(min(around) >= least, f"the padding of {shape} leaves {around}")
    return around


def reduced(shape: Shape, window: Window) -> Shape:
    """How often the window fits, along each axis."""
    spans = ((size - 1) * step + 1 for size, step in zip(window.sizes, window.dilations, strict=True))
    each = zip(base_shape(shape, window), spans, window.strides, strict=True)
    return tuple(max(0, (size - span) // stride + 1) for size, span, stride in each)


def shape_of_reduce_window(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Inputs of constant value say."""
    return [reduced(shapes[0], window_of_inputs(node))]


def shape_of_stablehlo(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Options say."""
    return [reduced(shapes[0], window_of_options(node))]


def largest(a: Array, b: Array) -> Array:
    """a ≥ b ? a : b"""
    return np.where(a >= b, a, b)


def smallest(a: Array, b: Array) -> Array:
    """a ≤ b ? a : b"""
    return np.where(a <= b, a, b)


def both(a: Array, b: Array) -> Array:
    """1 if neither is 0, or else 0"""
    return np.logical_and(a, b).astype(a.dtype)


def either(a: Array, b: Array) -> Array:
    """0 if both are 0, or else 1"""
    return np.logical_or(a, b).astype(a.dtype)


FUNCTIONS: dict[ReduceWindowFunction, Combine] = {
    ReduceWindowFunction.ADD: add,
    ReduceWindowFunction.MUL: multiply,
    ReduceWindowFunction.MINIMUM: smallest,
    ReduceWindowFunction.MAXIMUM: largest,
    ReduceWindowFunction.ALL: both,
    ReduceWindowFunction.ANY: either,
}
BODIES = {
    BuiltinOperator.ADD: ReduceWindowFunction.ADD,
    BuiltinOperator.STABLEHLO_ADD: ReduceWindowFunction.ADD,
    BuiltinOperator.MUL: ReduceWindowFunction.MUL,
    BuiltinOperator.STABLEHLO_MULTIPLY: ReduceWindowFunction.MUL,
    BuiltinOperator.MAXIMUM: ReduceWindowFunction.MAXIMUM,
    BuiltinOperator.STABLEHLO_MAXIMUM: ReduceWindowFunction.MAXIMUM,
    BuiltinOperator.MINIMUM: ReduceWindowFunction.MINIMUM,
    BuiltinOperator.STABLEHLO_MINIMUM: ReduceWindowFunction.MINIMUM,
    BuiltinOperator.LOGICAL_AND: ReduceWindowFunction.ALL,
    BuiltinOperator.LOGICAL_OR: ReduceWindowFunction.ANY,
}
TYPES = frozenset(
    {
        TensorType.BOOL,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
        TensorType.UINT8,
        TensorType.FLOAT32,
        TensorType.FLOAT64,
    }
)

COMPUTE_REDUCE_WINDOW = Compute(fold=fold_reduce_window, shape=shape_of_reduce_window, types=TYPES, version=1)
COMPUTE_STABLEHLO_REDUCE_WINDOW = Compute(fold=fold_stablehlo, shape=shape_of_stablehlo, types=TYPES, version=1)
