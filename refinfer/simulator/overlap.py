"""Which buffers of the head may share bytes: an operator's output may be written over an input that dies there.

The distances are facts of the kernels (`kernels/overlap.py`). Here is what else must hold: that the input is needed by
nothing after that operator, the output by nothing before, and that both are as large as the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

from refinfer.kernels.common import type_size
from refinfer.kernels.kernel import Overlap as Rule
from refinfer.kernels.layout import Build, round_up
from refinfer.kernels.registry import overlap_of
from refinfer.planners.fit import neighbours
from refinfer.planners.problem import ALIGNMENT, Overlap
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.head import PlannedBuffer

Rules = Mapping[tuple[int, int], Rule]
"""By the indices of an operator's input and output in the main subgraph, how the two may overlap."""


def common_rules(graph: Graph, builds: Sequence[Build]) -> Rules:
    """What all of the builds allow. Only the main subgraph is looked at: it runs once, from its start to its end."""
    found = {}
    for node in graph.subgraphs[0].nodes:
        for position, x in _distinct(node.inputs):
            for output, y in enumerate(node.outputs):
                rule = _common([overlap_of(node, build, position, output) for build in builds])
                if rule is not None and x not in graph.subgraphs[0].outputs:
                    found[x.index, y.index] = rule
    return found


def _common(rules: Sequence[Rule | None]) -> Rule | None:
    """The rule that obeys all of these, if there is one."""
    known = [rule for rule in rules if rule is not None]
    if not known or len(known) < len(rules):
        return None
    furthest = max(rule.distance for rule in known)
    if any(rule.exactly and rule.distance != furthest for rule in known):
        return None
    return Rule(furthest, any(rule.exactly for rule in known))


def overlaps(buffers: Sequence[PlannedBuffer], rules: Rules) -> tuple[Overlap, ...]:
    """The same for a planner: distances are rounded up to what offsets are multiples of."""
    places = _places(buffers)
    found = []
    for (x, y), rule in rules.items():
        above, below = places.get(x), places.get(y)
        if above is None or below is None or not _meet_once(buffers[above], buffers[below]):
            continue
        least = round_up(max(rule.distance, 0), ALIGNMENT)
        if not rule.exactly or least == rule.distance:
            found.append(Overlap(above, below, least, rule.exactly))
    return tuple(found)


def unsafe(graph: Graph, buffers: Sequence[PlannedBuffer], build: Build) -> list[tuple[int, int]]:
    """Pairs of buffers that share bytes while both are needed, and for which that build has no rule that allows it."""
    return [pair for pair in sharing(buffers) if not _is_allowed(graph, buffers, pair, build)]


def sharing(buffers: Sequence[PlannedBuffer]) -> Iterator[tuple[int, int]]:
    """Pairs of buffers that share bytes at a step at which both live."""
    around = neighbours([each.buffer for each in buffers])
    for one, others in enumerate(around):
        start, end = buffers[one].offset, buffers[one].offset + buffers[one].buffer.nbytes
        for two in others:
            other = buffers[two]
            if one < two and start < other.offset + other.buffer.nbytes and other.offset < end:
                yield one, two


def _is_allowed(graph: Graph, buffers: Sequence[PlannedBuffer], pair: tuple[int, int], build: Build) -> bool:
    """Whether one is the input and the other the output of an operator, and they lie as its rule says."""
    for x, y in (pair, pair[::-1]):
        below, above = buffers[y].tensor, buffers[x].tensor
        node = _maker(graph, below)
        if node is None or above not in node.inputs or above in graph.subgraphs[0].outputs:
            continue
        if not _meet_once(buffers[x], buffers[y]):
            continue
        rule = overlap_of(node, build, node.inputs.index(above), node.outputs.index(below))
        difference = buffers[x].offset - buffers[y].offset
        if rule is not None and (difference == rule.distance if rule.exactly else difference >= rule.distance):
            return True
    return False


def _maker(graph: Graph, tensor: Tensor | None) -> Node | None:
    """The operator of the main subgraph of which the tensor is an output."""
    if tensor is None:
        return None
    return next((node for node in graph.subgraphs[0].nodes if tensor in node.outputs), None)


def _meet_once(above: PlannedBuffer, below: PlannedBuffer) -> bool:
    """The one is needed last when the other is made, and both are as the file declares them."""
    return above.buffer.last == below.buffer.first and _is_as_declared(above) and _is_as_declared(below)


def _is_as_declared(planned: PlannedBuffer) -> bool:
    tensor = planned.tensor
    return tensor is not None and planned.nbytes == prod(tensor.shape) * type_size(tensor)


def _places(buffers: Sequence[PlannedBuffer]) -> dict[int, int]:
    """Where the tensors of the main subgraph are in the list of buffers."""
    return {
        each.tensor.index: place
        for place, each in enumerate(buffers)
        if each.tensor is not None and each.tensor.subgraph == 0
    }


def _distinct(inputs: Sequence[Tensor | None]) -> Iterator[tuple[int, Tensor]]:
    """Each input at the first position that it has."""
    for position, x in enumerate(inputs):
        if x is not None and not any(x is other for other in inputs[:position]):
            yield position, x
