"""What goes into the head: which tensors and scratch buffers need a place there, how large, for how long, and where.

Sources, under tensorflow/lite/micro: micro_allocation_info.cc, micro_allocator.cc (CreatePlan).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from refinfer.kernels.common import type_size
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.layout import round_up
from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import ALIGNMENT, Buffer, Problem
from refinfer.schema.errors import GraphError
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.lifetimes import UNUSED, Lifetimes
from refinfer.simulator.refused import Refused
from refinfer.simulator.structs import MOST_LINEAR_BUFFERS

GREEDY, LINEAR = "greedy", "linear"  # TFLM's own planners
ONLINE = -1  # an offline plan's word for "place it as you like" [micro_memory_planner.h: kOnlinePlannedBuffer]
OFFLINE_PLAN = "OfflineMemoryAllocation"
"""The name of the metadata in which a model brings its own plan."""


class ScratchRequest(NamedTuple):
    """A scratch buffer that an operator asked for in Prepare."""

    node: Node
    what: str
    nbytes: int


Place = tuple[int, int]  # subgraph and index of a tensor


class Tensors(NamedTuple):
    """What Prepare did to tensors: new shapes, and those that a kernel pointed at memory of its own."""

    shapes: dict[Place, tuple[int, ...]]
    bound: dict[Place, tuple[str, str]]

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape of `tensor` as it is now."""
        return self.shapes.get(place_of(tensor), tensor.shape)

    def nbytes(self, tensor: Tensor) -> int:
        """Bytes of `tensor` as it is now; raises Refused for a type without a size."""
        try:
            return prod(self.shape(tensor)) * type_size(tensor)
        except Refusal as refusal:
            raise Refused("plan", refusal.reason, None, tensor) from None

    def seen_by(self, node: Node) -> Node:
        """`node` as its kernel sees it: with inputs as the kernels before it shaped them."""
        if not any(x is not None and place_of(x) in self.shapes for x in node.inputs):
            return node
        inputs = tuple(x and replace(x, shape=self.shape(x)) for x in node.inputs)
        return replace(node, inputs=inputs)


def place_of(tensor: Tensor) -> Place:
    """What stays the same of a tensor when its shape changes."""
    return tensor.subgraph, tensor.index


class PlannedBuffer(NamedTuple):
    """A block of the head: a tensor, or an operator's scratch buffer (`node` is set), and where it was placed."""

    tensor: Tensor | None
    node: Node | None
    what: str
    nbytes: int
    buffer: Buffer
    offset: int


def planned_buffers(
    graph: Graph,
    tensors: Tensors,
    scratch: Sequence[ScratchRequest],
    lifetimes: Lifetimes,
    plan: Sequence[int] | None,
    planner: str = GREEDY,
) -> tuple[PlannedBuffer, ...]:
    """What goes into the head, placed [micro_allocation_info.cc: InitializeAllocationInfo, then the planner]."""
    _check_intermediates(graph, tensors)
    wanted: list[tuple[Tensor | None, Node | None, str, int, Buffer]] = []
    for position, tensor in enumerate(graph.tensors):
        place = ONLINE if plan is None else plan[position]
        nbytes = tensors.nbytes(tensor)
        if needs_place(tensor, nbytes, place, tensors.bound):
            buffer = _buffer_to_plan(nbytes, lifetimes.of(tensor), place)
            wanted.append((tensor, None, tensor.name, nbytes, buffer))
    for node, what, nbytes in scratch:
        if lifetimes.of(node) == UNUSED:
            raise Refused(
                "plan",
                f"{what} is scratch of a subgraph that never runs: TFLM leaves its plan to chance, and crashes",
                node,
            )
        wanted.append((None, node, what, nbytes, _buffer_to_plan(nbytes, lifetimes.of(node), ONLINE)))
    offsets = placed(planner, tuple(buffer for *_, buffer in wanted))
    return tuple(PlannedBuffer(*each, offset) for each, offset in zip(wanted, offsets, strict=True))


def placed(planner: str, buffers: tuple[Buffer, ...]) -> Sequence[int]:
    """The offsets that a planner gives; only TFLM's own two look at places that are fixed."""
    if planner == GREEDY:
        return place_greedily(buffers)
    from refinfer.planners.registry import PLANNERS  # rarely asked for, and large

    if planner != LINEAR:
        buffers = tuple(buffer._replace(offset=None) for buffer in buffers)
    elif any(buffer.offset is not None for buffer in buffers):
        raise Refused("plan", "LinearMemoryPlanner takes no offline plan")
    elif len(buffers) > MOST_LINEAR_BUFFERS:
        raise Refused("plan", f"Too many buffers (max is {MOST_LINEAR_BUFFERS})")
    return PLANNERS[planner](Problem(buffers))


def needs_place(tensor: Tensor, nbytes: int, place: int, bound: Mapping[Place, object]) -> bool:
    """Whether the planner has to find room for `tensor`: the file does not hold it, and nobody else keeps it."""
    if tensor.is_variable:
        return place != ONLINE
    return tensor.data is None and place_of(tensor) not in bound and nbytes != 0


def _buffer_to_plan(nbytes: int, span: tuple[int, int], place: int) -> Buffer:
    return Buffer(round_up(nbytes, ALIGNMENT), *span, None if place == ONLINE else place)


def _check_intermediates(graph: Graph, tensors: Tensors) -> None:
    """[micro_allocation_info.cc: ValidateSubgraph]"""
    for node in graph.nodes:
        for tensor in node.intermediates:
            nbytes = tensors.nbytes(tensor)
            if nbytes:
                reason = f"Does not support intermediate tensor with non-zero size: {nbytes}"
                raise Refused("plan", reason, node, tensor)


def variable_tensors(graph: Graph, plan: Sequence[int] | None) -> Iterator[Tensor]:
    """Variable tensors that get tail memory: those that an offline plan does not place.

    TFLM looks them up in the plan by their index within the subgraph, for every subgraph from the plan's start.
    """
    for tensor in graph.tensors:
        if tensor.is_variable and (plan is None or plan[tensor.index] == ONLINE):
            yield tensor


def offline_plan(graph: Graph) -> tuple[int, ...] | None:
    """The offsets of the model's own plan, one for each tensor of all subgraphs; None if it has none.

    Its metadata is int32: a version, a number of subgraphs (both ignored), a count, the offsets.
    """
    data = graph.metadata.get(OFFLINE_PLAN)
    if data is None:
        return None
    words = memoryview(bytes(data[: len(data) // 4 * 4])).cast("i")
    count = words[2] if len(words) > 2 else 0
    tensors = sum(1 for _ in graph.tensors)
    if count != tensors:
        reason = f"Nbr of offline buffer offsets ({count}) in metadata not equal nbr tensors ({tensors})"
        raise Refused("plan", reason)
    if len(words) < 3 + count:
        raise GraphError(f"metadata {OFFLINE_PLAN}: {len(words) - 3} offsets, but it announces {count}")
    for index, offset in enumerate(words[3 : 3 + count]):
        if offset < ONLINE:
            raise GraphError(f"metadata {OFFLINE_PLAN}: offset {offset} of tensor {index}; expected -1, or 0 or more")
    return tuple(words[3 : 3 + count])
