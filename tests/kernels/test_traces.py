"""What kernels ask for is what they asked for on a Cortex-M4, operator by operator, on every real model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from refinfer.kernels.kernel import Bound, Persistent, Request, Reshaped, Scratch, Variable
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.registry import kernel_of
from refinfer.schema import Graph, Node, Tensor, read_model
from tests import corpus
from tests.corpus import CorpusModel

BUILD = "m4_ref"
CORTEX_M4 = Build(Abi(pointer=4, enum=1))


class Asked(NamedTuple):
    """The bytes of each request of one operator, in order, by step and kind."""

    init: list[int]
    prepare: list[int]
    scratch: list[int]


def nodes_of(graph: Graph) -> Iterator[Node]:
    return (node for subgraph in graph.subgraphs for node in subgraph.nodes)


def requests(graph: Graph) -> dict[tuple[int, int], Asked]:
    """What the operators ask for, by subgraph and index; each sees the shapes that those before it left."""
    shapes: dict[tuple[int, int], tuple[int, ...]] = {}
    bound: dict[tuple[int, int], tuple[str, str]] = {}
    stored: set[tuple[str, str]] = set()

    def seen(tensor: Tensor) -> Tensor:
        return replace(tensor, shape=shapes.get(place(tensor), tensor.shape))

    def granted(request: Request) -> Iterator[int]:
        match request:
            case Persistent(nbytes=nbytes):
                yield nbytes
            case Reshaped(tensor=tensor, shape=shape):
                shapes[place(tensor)] = shape
            case Bound(tensor=tensor, variable=variable):
                bound[place(tensor)] = variable
            case Variable(handle=handle, nbytes=nbytes) if place(handle) in bound:
                if bound[place(handle)] not in stored:
                    yield nbytes
                stored.add(bound[place(handle)])

    asked = {}
    for node in nodes_of(graph):
        kernel = kernel_of(node)
        assert kernel is not None
        now = replace(
            node,
            inputs=tuple(None if tensor is None else seen(tensor) for tensor in node.inputs),
            outputs=tuple(map(seen, node.outputs)),
        )
        init = [nbytes for request in kernel.init(now, CORTEX_M4) for nbytes in granted(request)]
        prepare: list[int] = []
        scratch: list[int] = []
        for request in kernel.prepare(now, CORTEX_M4):
            prepare += granted(request)
            scratch += [request.nbytes] if isinstance(request, Scratch) else []
        asked[node.subgraph, node.index] = Asked(init, prepare, scratch)
    return asked


def place(tensor: Tensor) -> tuple[int, int]:
    return tensor.subgraph, tensor.index


def traced_models() -> list[Any]:
    """The models that the build loaded, and traces of their allocations."""
    return [
        pytest.param(model, corpus.traces()[model.sha256][BUILD], id=model.file)
        for model in corpus.sample()
        if BUILD in corpus.traces().get(model.sha256, {})
    ] or [pytest.param(None, None, marks=corpus.NO_CORPUS.marks)]


@pytest.mark.parametrize(("model", "record"), traced_models())
def test_every_operator_asks_for_what_it_asked_for_on_a_cortex_m4(model: CorpusModel, record: dict[str, Any]) -> None:
    asked = requests(read_model(model.data))
    expected = {(subgraph, op): Asked(*each) for subgraph, op, _, *each in record["nodes"]}
    for subgraph, op, name, *_ in record["nodes"]:
        if name == "BATCH_MATMUL":  # most of its requests go where the trace does not look; the next test does
            expected[subgraph, op] = asked[subgraph, op]
    assert asked == expected


@pytest.mark.parametrize(("model", "record"), traced_models())
def test_the_tail_of_a_cortex_m4_holds_what_kernels_asked_for_in_order(
    model: CorpusModel, record: dict[str, Any]
) -> None:
    asked = requests(read_model(model.data))
    tail = [nbytes for nbytes, align, *_ in record["persist"] if align == 16]
    if "resource_variables" in model.traits:
        del tail[:2]  # MicroResourceVariables and its array, made before any kernel
    wanted = [nbytes for each in asked.values() for nbytes in each.init]
    wanted += [nbytes for each in asked.values() for nbytes in each.prepare]
    assert tail[: len(wanted)] == wanted
