"""From which step to which each tensor and scratch buffer must stay in memory.

TFLM counts steps with one clock over all subgraphs: a step for each operator, one more on entering each subgraph
that an operator runs. Source: tensorflow/lite/micro/micro_allocation_info.cc.
"""

from __future__ import annotations

from collections.abc import Iterable

from refinfer.kernels.registry import kernel_of
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.graph import Graph, Node, Tensor

Span = tuple[int, int]  # first and last step, both inclusive
UNUSED: Span = (-1, -1)
MOST_STEPS = 1_000_000  # subgraphs that run each other twice over make the clock run exponentially


class Lifetimes:
    """Spans of tensors and of nodes' scratch buffers; `steps` tells what happens at each tick of the clock.

    Built by one walk of the graph from subgraph 0. A subgraph that is run twice keeps its first steps and gets the
    later last ones, as in TFLM.
    """

    def __init__(self, graph: Graph) -> None:
        """Walk `graph`; raises UnsupportedNode if its subgraphs run each other so often that it would not end."""
        self.steps: list[Node | None] = [None]  # None: entering a subgraph
        self._first: dict[Tensor | Node, int] = {}
        self._last: dict[Tensor | Node, int] = {}
        self._walk(graph, 0)

    def of(self, item: Tensor | Node) -> Span:
        """First and last step of a tensor, or of a node's scratch buffers; (-1, -1) for what never runs."""
        return (self._first.get(item, -1), self._last.get(item, -1))

    def _walk(self, graph: Graph, index: int) -> None:
        subgraph = graph.subgraphs[index]
        self._create(subgraph.inputs)
        self._use(subgraph.inputs)
        for node in subgraph.nodes:
            self._tick(node)
            self._create((*node.outputs, node))
            for run in _subgraphs_seen_by_tflm(node):
                self._tick(None)
                self._walk(graph, run)
            self._use((*node.inputs, *node.outputs, node))
        self._create(subgraph.outputs)
        self._use(subgraph.outputs)

    def _tick(self, node: Node | None) -> None:
        if len(self.steps) >= MOST_STEPS:
            raise UnsupportedNode(f"the subgraphs run each other more than {MOST_STEPS:,} steps deep")
        self.steps.append(node)

    def _create(self, items: Iterable[Tensor | Node]) -> None:
        for item in items:
            self._first.setdefault(item, len(self.steps) - 1)

    def _use(self, items: Iterable[Tensor | Node | None]) -> None:
        for item in items:
            if item is not None:
                self._last[item] = len(self.steps) - 1


def _subgraphs_seen_by_tflm(node: Node) -> tuple[int, ...]:
    """The subgraphs whose tensors TFLM keeps apart from this node's.

    It recognises control flow by the raw `builtin_code` of the file; a converter that stored the number in the
    deprecated field alone gets a plan in which those subgraphs have no lifetimes.
    """
    kernel = kernel_of(node)
    return kernel.subgraphs(node) if kernel is not None and node.raw_builtin_code == node.op else ()
