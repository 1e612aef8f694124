"""Strategies of whole models with inputs: one operator, or a small network.

    cases(BuiltinOperator.CONV_2D, TensorType.INT8, dilation_h=1)
    networks(TensorType.INT8)

Needs the packages `hypothesis` and `flatbuffers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, reject, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.errors import UsageError
from refinfer.schema.file import read_model
from refinfer.testing import strategies
from refinfer.testing.case import Case, model_of, shaped
from refinfer.testing.choices import Choose, same
from refinfer.testing.models import NodeSpec, TensorSpec
from refinfer.testing.operators.table import OPERATORS, as_it_is
from refinfer.testing.repeatable import decided_by_seed

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

T = TypeVar("T")


def nodes(
    op: BuiltinOperator, type: TensorType, *, largest: int | None = None, **pinned: Any
) -> SearchStrategy[NodeSpec]:
    """Nodes of an operator whose (first) tensor of numbers has this type, with no length that is more than `largest`.

    `pinned` choices are not drawn: each is a value, or a strategy of your own (`stride_h=1`, `bias=False`,
    `input=…`). Raises UsageError for an operator or a type that the kit does not make, and, when drawing, for a choice
    that the operator does not have.
    """
    if op not in OPERATORS:
        raise UsageError(f"there are no strategies for {op.name}")
    if type not in OPERATORS[op].types:
        types = ", ".join(each.name for each in OPERATORS[op].types)
        raise UsageError(f"there are no strategies for {op.name} of {type.name}; there is {types}")
    return _nodes(op, type, largest, pinned)


@st.composite
def _nodes(
    draw: DrawFn, op: BuiltinOperator, type: TensorType, largest: int | None, pinned: dict[str, Any]
) -> NodeSpec:
    choose = Choose(draw, pinned, largest)
    node = OPERATORS[op].make(choose, type)
    choose.require_all_used()
    try:
        return shaped(node)
    except Refusal:
        reject()


def cases(op: BuiltinOperator, type: TensorType, **pinned: Any) -> SearchStrategy[Case]:
    """Models of one operator with inputs; the arguments are those of `nodes`."""
    return runs(op, type, 1, **pinned).map(lambda made: made[0])


def runs(op: BuiltinOperator, type: TensorType, count: int, **pinned: Any) -> SearchStrategy[list[Case]]:
    """So many cases of the same model, each with inputs of its own."""
    return _runs(nodes(op, type, **pinned).map(model_of), count, OPERATORS[op].domain)


def cases_of(models: SearchStrategy[bytes]) -> SearchStrategy[Case]:
    """Those models with inputs."""
    return _runs(models, 1, as_it_is).map(lambda made: made[0])


@st.composite
def _runs(draw: DrawFn, models: SearchStrategy[bytes], count: int, domain: Callable[[Array], Array]) -> list[Case]:
    model = draw(models)
    main = read_model(model).subgraphs[0]
    # What becomes of infinities as integers is left open by C.
    finite = any(tensor.type not in FLOATS for tensor in main.tensors)
    return [
        Case(model, tuple(domain(draw(strategies.arrays(x.type, x.shape, finite))) for x in main.inputs))
        for _ in range(count)
    ]


@st.composite
def networks(draw: DrawFn, type: TensorType = TensorType.INT8, most: int = 5, residual: bool = True) -> bytes:
    """Small networks: layers one after the other, now and then with a branch that is added to its own input."""
    x = draw(strategies.tensors(type, st.tuples(st.just(1), *[st.integers(2, 8)] * 2, st.integers(1, 4))))
    layers: list[NodeSpec] = []
    for _ in range(draw(st.integers(1, most))):
        block = branch if residual and draw(st.booleans()) else layer
        layers += block(draw, x)
        (x,) = layers[-1].outputs
    layers += head(draw, x)
    return model_of(*layers)


def layer(draw: DrawFn, x: TensorSpec) -> list[NodeSpec]:
    """One layer on an image."""
    op = draw(st.sampled_from(list(LAYERS)))
    pinned = {"weights": WEIGHTS[x.type], "bias": True} if LAYERS[op] else {}
    return [draw(nodes(op, x.type, input=x, **pinned))]


def branch(draw: DrawFn, x: TensorSpec) -> list[NodeSpec]:
    """A convolution that keeps the shape, and the sum of what it makes and what it got."""
    pinned = {"weights": WEIGHTS[x.type], "bias": True, "groups": 1, "channels_in_group": x.shape[3]}
    keep = {"stride_h": 1, "stride_w": 1, "padding": Padding.SAME}
    conv = draw(nodes(BuiltinOperator.CONV_2D, x.type, input=x, **pinned, **keep))
    (z,) = conv.outputs
    return [conv, draw(nodes(BuiltinOperator.ADD, x.type, shapes=(x.shape, x.shape), input=x, second=z))]


def head(draw: DrawFn, x: TensorSpec) -> list[NodeSpec]:
    """What makes classes of an image: all pixels in a row, a fully connected layer, softmax."""
    row = replace(same(x), shape=(1, prod(x.shape)))
    flat = NodeSpec(BuiltinOperator.RESHAPE, [x, strategies.integers_as(TensorType.INT32, [1, -1])], [row])
    scores = draw(nodes(BuiltinOperator.FULLY_CONNECTED, x.type, input=row, weights=WEIGHTS[x.type]))
    return [flat, scores, draw(nodes(BuiltinOperator.SOFTMAX, x.type, input=scores.outputs[0]))]


def examples_of(strategy: SearchStrategy[T], count: int, number: int = 0) -> list[T]:
    """As many examples, the same ones for the same `number` (and the same version of Hypothesis)."""
    found: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(strategy)
    def take(example: T) -> None:
        found.append(example)

    with decided_by_seed():
        take()
    return found


FLOATS = (TensorType.FLOAT16, TensorType.FLOAT32, TensorType.FLOAT64)
LAYERS = {  # whether they have weights
    BuiltinOperator.CONV_2D: True,
    BuiltinOperator.DEPTHWISE_CONV_2D: True,
    BuiltinOperator.MAX_POOL_2D: False,
    BuiltinOperator.AVERAGE_POOL_2D: False,
}
WEIGHTS = {
    TensorType.FLOAT32: TensorType.FLOAT32,
    TensorType.INT8: TensorType.INT8,
    TensorType.INT16: TensorType.INT8,
}
