"""The four official answers to one model: who answers alike, where each two part first, and by which rule.

Each dialect runs the model by itself, from the inputs on. Of two, the first operator whose results differ is where they
part; what follows was handed a difference. The rules are those of quantized numbers: floats are computed in one order,
where the optimized kernels and XNNPACK of the real LiteRT have orders of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.comparison.gaps import Gap, Outputs, gap_of_runs
from refinfer.comparison.machines import notes_of
from refinfer.comparison.rules import rule
from refinfer.inputs import output_names
from refinfer.kernels.lazy import np
from refinfer.schema.graph import Graph, Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Groups = Mapping[str, int]
"""Which dialects have the same bits: those with the same number, which count from 0 in the order of the dialects."""


class Trail:
    """Watches a machine and keeps a digest of all that each node gives, in the order in which they first run."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self.digests: dict[Node, list[bytes]] = {}

    def look(self, node: Node, inputs: Sequence[Array | None], outputs: Sequence[Array]) -> None:
        """As `Watch`."""
        self.digests.setdefault(node, []).append(digest_of(outputs))


def digest_of(arrays: Sequence[Array]) -> bytes:
    """The same of arrays that have the same bits."""
    digest = blake2b(digest_size=16)
    for each in arrays:
        digest.update(repr(each.tolist()).encode() if each.dtype.kind == "O" else np.ascontiguousarray(each).tobytes())
    return digest.digest()


class Operator(NamedTuple):
    """Who answers alike at an operator, in all runs."""

    node: Node
    groups: Groups


class Output(NamedTuple):
    """The same of an output of the model."""

    name: str
    groups: Groups


class Decision(NamedTuple):
    """A run in which the dialects do not all decide alike: the place of the largest number of the first output.

    `input` is what the run was given, "" if it has no name.
    """

    run: int
    input: str
    choices: Mapping[str, int]


@dataclass(frozen=True)
class Pair:
    """Two dialects: the operator at which they first part in any run (None: nowhere), and the rules of both there.

    `gap` is that of all outputs; in `decisions` of the runs the largest number of the first output is another one
    (None: it has only one number).
    """

    first: str
    second: str
    parting: Node | None
    rules: tuple[str, str]
    gap: Gap
    decisions: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        node = self.parting
        return {
            "first": self.first,
            "second": self.second,
            "parting": None if node is None else _node_to_dict(node),
            "rules": None if node is None else dict(zip((self.first, self.second), self.rules, strict=True)),
            **self.gap.to_dict(),
            "decisions": self.decisions,
        }


@dataclass(frozen=True)
class Answers:
    """What the dialects that run the model answer; `decisions` are those that are not all the same.

    `notes` tell of each dialect on which machines it is so.
    """

    dialects: tuple[str, ...]
    pairs: tuple[Pair, ...]
    operators: tuple[Operator, ...]
    outputs: tuple[Output, ...]
    decisions: tuple[Decision, ...]
    notes: Mapping[str, Sequence[str]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "operators": [{**_node_to_dict(each.node), "groups": dict(each.groups)} for each in self.operators],
            "notes": {name: list(notes) for name, notes in self.notes.items()},
            "outputs": [{"name": each.name, "groups": dict(each.groups)} for each in self.outputs],
            "decisions": [
                {"run": each.run, "input": each.input or None, "choices": dict(each.choices)} for each in self.decisions
            ],
        }


def _node_to_dict(node: Node) -> dict[str, Any]:
    return {"subgraph": node.subgraph, "op": node.index, "name": node.name}


def answers_of(
    graph: Graph, computed: Mapping[str, Outputs], trails: Mapping[str, Trail], names: Sequence[str] = ()
) -> Answers:
    """Compare what each dialect computed in every run; `names` are those of the runs, if they have any."""
    nodes = dict.fromkeys(node for name in computed for node in trails[name].digests)
    operators = tuple(
        Operator(node, groups({name: trails[name].digests.get(node) for name in computed})) for node in nodes
    )
    outputs = tuple(
        Output(name, groups({each: [digest_of([run[i]]) for run in runs] for each, runs in computed.items()}))
        for i, name in enumerate(output_names(graph))
    )
    chosen = {name: [choice(run) for run in runs] for name, runs in computed.items()}
    pairs = tuple(pair_of(first, second, operators, computed, chosen) for first, second in combinations(computed, 2))
    notes = {name: notes_of(graph, name) for name in computed}
    return Answers(tuple(computed), pairs, operators, outputs, tuple(decisions_of(chosen, names)), notes)


def groups(found: Mapping[str, object]) -> Groups:
    """Who has the same."""
    kinds: list[object] = []
    for each in found.values():
        if each not in kinds:
            kinds.append(each)
    return {name: kinds.index(each) for name, each in found.items()}


def pair_of(
    first: str,
    second: str,
    operators: Sequence[Operator],
    computed: Mapping[str, Outputs],
    chosen: Mapping[str, Sequence[int | None]],
) -> Pair:
    """Where two dialects part first, and what becomes of it."""
    node = next((each.node for each in operators if each.groups[first] != each.groups[second]), None)
    rules = ("", "") if node is None else (rule(first, node), rule(second, node))
    both = list(zip(chosen[first], chosen[second], strict=True))
    changed = None if not both or None in both[0] else sum(one != other for one, other in both)
    return Pair(first, second, node, rules, gap_of_runs(computed[first], computed[second]), changed)


def choice(outputs: Sequence[Array]) -> int | None:
    """The place of the largest number of the first output; None if that is a single one, or none."""
    first = outputs[0] if outputs else None
    return None if first is None or first.size < 2 or first.dtype.kind not in "iuf" else int(np.argmax(first))


def decisions_of(chosen: Mapping[str, Sequence[int | None]], names: Sequence[str]) -> list[Decision]:
    """The runs in which not all choose the same."""
    runs = [dict(zip(chosen, each, strict=True)) for each in zip(*chosen.values(), strict=True)]
    return [
        Decision(i, names[i] if names else "", {name: each for name, each in run.items() if each is not None})
        for i, run in enumerate(runs)
        if len(set(run.values())) > 1
    ]
