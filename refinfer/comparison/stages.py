"""Tensor by tensor: how far two runs of a network are apart, of one model in two dialects or of two models.

The tensors of two models are matched by name, and where names differ by position: operators of the same kind, with
outputs of as many elements, between the same neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.comparison.distance import Distance, distance
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Graph, Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SAME, BY_NAME, BY_POSITION = "same", "name", "position"


class Place(NamedTuple):
    """A tensor and the operator that writes it."""

    node: Node
    tensor: Tensor


class Pair(NamedTuple):
    """Two places that correspond, and how that was found out."""

    first: Place
    second: Place
    how: str


@dataclass(frozen=True)
class Stage:
    """How far two runs are apart at a pair of places."""

    pair: Pair
    distance: Distance

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        first, second, how = self.pair
        return {
            "subgraph": first.node.subgraph,
            "op": first.node.index,
            "name": first.node.name,
            "tensor": first.tensor.index,
            "tensor_name": first.tensor.name,
            "type": first.tensor.type.name,
            "second_op": second.node.index,
            "second_tensor": second.tensor.index,
            "second_type": second.tensor.type.name,
            "matched_by": how,
            **self.distance.to_dict(),
        }


@dataclass(frozen=True)
class Matching:
    """Pairs in the order of the first model, and what of each model is left over."""

    pairs: tuple[Pair, ...]
    only_first: tuple[Place, ...]
    only_second: tuple[Place, ...]


def places(graph: Graph) -> list[Place]:
    """What the operators write that is numbers, subgraph by subgraph."""
    return [Place(node, y) for node in graph.nodes for y in node.outputs if y.type in NUMBERS]


def itself(graph: Graph) -> tuple[Pair, ...]:
    """The places of a model, each with itself."""
    return tuple(Pair(place, place, SAME) for place in places(graph))


def match(first: Graph, second: Graph) -> Matching:
    """The places of the main subgraphs that correspond."""
    ones, twos = ([each for each in places(graph) if each.node.subgraph == 0] for graph in (first, second))
    found: dict[int, tuple[int, str]] = {}
    for naming in (whole_name, first_name):
        found |= _by_name(ones, twos, naming, found)
    found |= _by_position(ones, twos, found)
    pairs = tuple(Pair(ones[i], twos[j], how) for i, (j, how) in sorted(found.items()))
    taken = {j for j, _ in found.values()}
    return Matching(
        pairs,
        tuple(each for i, each in enumerate(ones) if i not in found),
        tuple(each for j, each in enumerate(twos) if j not in taken),
    )


def whole_name(place: Place) -> str:
    """The tensor's name."""
    return place.tensor.name


def first_name(place: Place) -> str:
    """The first of the names that a converter strings together where it fuses operators."""
    return place.tensor.name.partition(";")[0]


Found = dict[int, tuple[int, str]]
"""By number of a place of the first model: that of the second, and how it was found."""


def _by_name(ones: Sequence[Place], twos: Sequence[Place], naming: Callable[[Place], str], found: Found) -> Found:
    """Places whose names occur once on each side, among those that are left."""
    taken = {j for j, _ in found.values()}
    left = [i for i in range(len(ones)) if i not in found]
    right = [j for j in range(len(twos)) if j not in taken]
    counts = Counter(naming(ones[i]) for i in left), Counter(naming(twos[j]) for j in right)
    places_of = {naming(twos[j]): j for j in right}
    return {
        i: (places_of[name], BY_NAME)
        for i in left
        if (name := naming(ones[i])) and counts[0][name] == counts[1][name] == 1
        if ones[i].tensor.elements == twos[places_of[name]].tensor.elements
    }


def _by_position(ones: Sequence[Place], twos: Sequence[Place], found: Found) -> Found:
    """Operators of a kind in the same place between those that are matched already."""
    back = {j: i for i, (j, _) in found.items()}
    left = [("matched", i) if i in found else _kind(each) for i, each in enumerate(ones)]
    right = [("matched", back[j]) if j in back else _kind(each) for j, each in enumerate(twos)]
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    pairs = ((block.a + k, block.b + k) for block in blocks for k in range(block.size))
    return {i: (j, BY_POSITION) for i, j in pairs if i not in found}


def _kind(place: Place) -> tuple[str, int]:
    return place.node.name, place.tensor.elements


class Meeting:
    """Watches two machines that run in turns, and compares what they have at each pair of places."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        """Nothing has been seen."""
        self._pairs = pairs
        self._seen: tuple[dict[Tensor, list[Array]], ...] = ({}, {})
        self._wanted = ({pair.first.tensor for pair in pairs}, {pair.second.tensor for pair in pairs})
        self._distances: dict[Pair, Distance] = {}

    def look(self, side: int) -> Callable[[Node, Sequence[Array | None], Sequence[Array]], None]:
        """What watches the machine of a side, 0 or 1."""
        seen, wanted = self._seen[side], self._wanted[side]

        def look(node: Node, inputs: Sequence[Array | None], outputs: Sequence[Array]) -> None:
            for tensor, array in zip(node.outputs, outputs, strict=True):
                if tensor in wanted:
                    seen.setdefault(tensor, []).append(array.copy())

        return look

    def settle(self) -> None:
        """Compare what both have seen since the last time; of what one has seen more often, the rest is left out."""
        for pair in self._pairs:
            one, two = self._seen[0].get(pair.first.tensor, []), self._seen[1].get(pair.second.tensor, [])
            for first, second in zip(one, two, strict=False):
                if first.size == second.size:
                    apart = distance(first, pair.first.tensor, second, pair.second.tensor)
                    self._distances[pair] = self._distances.get(pair, Distance()) + apart
        for seen in self._seen:
            seen.clear()

    def stages(self) -> Iterator[Stage]:
        """What was found, in the order of the first model."""
        return (Stage(pair, self._distances[pair]) for pair in self._pairs if pair in self._distances)


NUMBERS = frozenset(
    (
        TensorType.BOOL,
        TensorType.FLOAT16,
        TensorType.FLOAT32,
        TensorType.FLOAT64,
        TensorType.INT4,
        TensorType.INT8,
        TensorType.INT16,
        TensorType.INT32,
        TensorType.INT64,
        TensorType.UINT8,
        TensorType.UINT16,
        TensorType.UINT32,
        TensorType.UINT64,
    )
)
"""Types whose values can be subtracted."""
