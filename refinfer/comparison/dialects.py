"""Where runtimes part on a model: operator by operator from equal inputs, and at the outputs.

Both dialects are exact, so what differs between them differs between the runtimes. Operators are compared one at a
time: each is given, in both dialects, what the dialect litert has at that place. A difference is then the operator's
own, not one that it was handed. The official runtimes, where they are installed, are compared by their outputs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.comparison.answers import Answers, Trail, answers_of
from refinfer.comparison.gaps import Gap, Outputs, gap_between, gap_of_runs, sum_of
from refinfer.comparison.rules import LITERT, TFLM, cause_of, type_of
from refinfer.comparison.stages import Meeting, Stage, itself
from refinfer.inputs import random_inputs
from refinfer.kernels.registry import DIALECTS, PORTABLE, kernel_of
from refinfer.machine import Machine, Watch
from refinfer.schema.enums import TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.report import model_to_dict

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SCHEMA = 1
LEAST_SECONDS, SECONDS_OF_A_RUN = 60, 2  # that an official runtime may take


@dataclass(frozen=True)
class Layer:
    """An operator that the dialects compute differently from equal inputs. `cause` is None if we know none."""

    node: Node
    gap: Gap
    runs: int
    cause: str | None


@dataclass(frozen=True)
class Side:
    """A runtime: how its outputs differ from each dialect's, by the name of the dialect, and what kept it from more.

    `version` is that of an official runtime's `package`, "" if it is not installed.
    """

    name: str
    package: str
    version: str
    note: str
    gaps: Mapping[str, Gap]


@dataclass(frozen=True)
class Comparison:
    """What `diff` found. `layers` are None if one of the dialects does not run the model; the first comes first.

    `stages` tell of each tensor how far the dialects litert and tflm are apart there, each by itself from the inputs
    on; `answers` is what the four dialects make of it, each by itself.
    """

    graph: Graph
    runs: int
    seeds: int | None
    operators: int
    layers: tuple[Layer, ...] | None
    sides: tuple[Side, ...]
    stages: tuple[Stage, ...]
    answers: Answers

    @property
    def equal(self) -> bool:
        """Whether both dialects run the model and their outputs are the same bits."""
        gap = self.sides[0].gaps.get(TFLM)
        return gap is not None and gap.different == 0

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready values; docs/json.md documents the fields."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "runs": self.runs,
            "seeds": self.seeds,
            "equal": self.equal,
            "operators": self.operators,
            "layers": None if self.layers is None else [_layer_to_dict(each) for each in self.layers],
            "stages": [each.to_dict() for each in self.stages],
            "pairs": [each.to_dict() for each in self.answers.pairs],
            "answers": self.answers.to_dict(),
            "runtimes": [
                {
                    "name": side.name,
                    "package": side.package,
                    "version": side.version or None,
                    "note": side.note or None,
                    "against": {dialect: gap.to_dict() for dialect, gap in side.gaps.items()},
                }
                for side in self.sides
            ],
        }

    def to_html(self) -> str:
        """A page by itself."""
        from refinfer.page.diff import article_of

        return article_of(self).page()

    def _repr_html_(self) -> str:
        """What Jupyter shows: the same article."""
        from refinfer.page.diff import article_of

        return article_of(self).fragment()


def _layer_to_dict(layer: Layer) -> dict[str, Any]:
    node = layer.node
    types = {"subgraph": node.subgraph, "op": node.index, "name": node.name, "type": type_of(node).name}
    return {**types, "runs": layer.runs, **layer.gap.to_dict(), "cause": layer.cause}


def diff(
    model: Source | Graph,
    inputs: Sequence[Sequence[Array]] | None = None,
    seeds: int = 20,
    *,
    names: Sequence[str] = (),
    anew: Collection[int] = (),
    official: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare the dialects, and the official runtimes if there are any, on the same inputs.

    `inputs` holds the arrays of each run, in the order of the model's inputs; without it they are random, of the seeds
    from 0 on. `names` are what the runs are called. Runs follow each other on one interpreter, so that what a model
    remembers counts; before those whose number is in `anew` it forgets. `progress` is told what has been done.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    runs = inputs if inputs is not None else [[each.array for each in random_inputs(graph, i)] for i in range(seeds)]
    ours, layers, stages, trails = _dialects(graph, runs, anew, progress)
    computed = {name: result for name, result in ours.items() if not isinstance(result, str)}
    sides = [
        Side(
            f"refinfer {name}",
            "refinfer",
            "",
            result if isinstance(result, str) else "",
            _against(result, {each: computed[each] for each in PORTABLE if each in computed}, name),
        )
        for name, result in ours.items()
        if name in PORTABLE
    ]
    if official:
        sides += [_official(each, graph, runs, anew, computed, progress) for each in OFFICIAL]
    seeded = None if inputs is not None else seeds
    answers = answers_of(graph, computed, trails, names)
    return Comparison(graph, len(runs), seeded, sum(1 for _ in graph.nodes), layers, tuple(sides), stages, answers)


def _dialects(
    graph: Graph, runs: Outputs, anew: Collection[int], progress: Callable[[str], None]
) -> tuple[dict[str, Outputs | str], tuple[Layer, ...] | None, tuple[Stage, ...], dict[str, Trail]]:
    """What each dialect computes, or why it does not; the operators that differ; how far apart they are by then."""
    machines: dict[str, Machine | str] = {}
    trails = {name: Trail() for name in DIALECTS}
    for name, dialect in DIALECTS.items():
        try:
            machines[name] = Machine(graph, dialect)
        except UnsupportedNode as refusal:
            machines[name] = str(refusal)
    for name, machine in machines.items():
        if isinstance(machine, Machine):
            machine.watch = trails[name].look
    shared = [dict.fromkeys(machines, run) for run in runs]
    first, second = machines[LITERT], machines[TFLM]
    if not isinstance(first, Machine) or not isinstance(second, Machine):
        return run_in_turns(machines, shared, progress, anew), None, (), trails
    layers, meeting = Layers(first, Machine(graph, PORTABLE[TFLM])), Meeting(itself(graph))
    first.watch = both(both(layers.look, meeting.look(0)), trails[LITERT].look)
    second.watch = both(meeting.look(1), trails[TFLM].look)
    results = run_in_turns(machines, shared, progress, anew, layers.begin, meeting.settle)
    return results, layers.found(), tuple(meeting.stages()), trails


def both(first: Watch, second: Watch) -> Watch:
    """Two that watch, as one."""

    def watch(node: Node, inputs: tuple[Array | None, ...], outputs: tuple[Array, ...]) -> None:
        first(node, inputs, outputs)
        second(node, inputs, outputs)

    return watch


def run_in_turns(
    machines: Mapping[str, Machine | str],
    runs: Sequence[Mapping[str, Sequence[Array]]],
    progress: Callable[[str], None],
    anew: Collection[int] = (),
    begin: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> dict[str, Outputs | str]:
    """The outputs of each machine on its inputs of each run, or why there are none.

    Before the runs that are `anew`, all machines forget what they remember, and `begin` is called; `after` follows each
    run.
    """
    refusals = {name: machine for name, machine in machines.items() if isinstance(machine, str)}
    running = {name: machine for name, machine in machines.items() if isinstance(machine, Machine)}
    outputs: dict[str, list[Sequence[Array]]] = {name: [] for name in machines}
    for number, inputs in enumerate(runs):
        if number in anew:
            for machine in running.values():
                machine.start_anew()
            begin()
        for name, machine in running.items():
            if name in refusals:
                continue
            try:
                outputs[name].append([array.copy() for array in machine.call(0, inputs[name])])
            except UnsupportedNode as refusal:
                refusals[name] = str(refusal)
            progress(f"{name}, run {number + 1}")
        after()
    return {name: refusals.get(name, outputs[name]) for name in machines}


class Layers:
    """Watches a machine, and has another evaluate each node on the same inputs."""

    def __init__(self, machine: Machine, other: Machine) -> None:
        """`other` only ever sees what the machine has."""
        self._machine, self._other = machine, other
        self._gaps: dict[Node, Gap] = {}
        self._runs: dict[Node, int] = {}
        self._variables: dict[Tensor, Array] = {}  # as they were before the node that comes next
        self.begin()

    def begin(self) -> None:
        """The machine starts anew."""
        self._other.start_anew()
        for subgraph in self._machine.graph.subgraphs:
            values = self._machine.constants(subgraph.index)
            self._variables |= {x: _copy(values[x.index]) for x in subgraph.tensors if x.is_variable}

    def look(self, node: Node, inputs: Sequence[Array | None], outputs: Sequence[Array]) -> None:
        """Compare one node. What control flow runs is looked at by itself, node by node."""
        kernel = kernel_of(node)
        if kernel is not None and kernel.subgraphs(node):
            return
        given = list(inputs)
        for position, tensor in enumerate(node.inputs):
            if tensor is not None and tensor.is_variable:
                given[position] = self._variables[tensor]
                self._variables[tensor] = _copy(inputs[position])
        try:
            gap = sum_of(gap_between(*pair) for pair in zip(outputs, self._other.evaluate(node, given), strict=True))
        except UnsupportedNode:
            gap = sum_of(Gap(array.size, array.size, None) for array in outputs)
        self._gaps[node] = self._gaps.get(node, Gap()) + gap
        self._runs[node] = self._runs.get(node, 0) + (gap.different > 0)

    def found(self) -> tuple[Layer, ...]:
        """The nodes that differ, in the order in which they first ran."""
        return tuple(
            Layer(node, gap, self._runs[node], cause_of(node)) for node, gap in self._gaps.items() if gap.different
        )


def _copy(array: Array | None) -> Array:
    assert array is not None  # variables always have a value
    return array.copy()


def _against(result: Outputs | str, computed: Mapping[str, Outputs], itself: str = "") -> dict[str, Gap]:
    """How a result differs from what each dialect computed, but for itself."""
    if isinstance(result, str):
        return {}
    return {name: gap_of_runs(result, outputs) for name, outputs in computed.items() if name != itself}


class Official(NamedTuple):
    """An official runtime as `refinfer.testing` knows it, and what it is asked."""

    name: str
    runtime: str
    package: str
    options: Mapping[str, Any]


def _official(
    official: Official,
    graph: Graph,
    runs: Outputs,
    anew: Collection[int],
    computed: Mapping[str, Outputs],
    progress: Callable[[str], None],
) -> Side:
    """Ask an official runtime, in the process of its own in which it may crash."""
    from importlib.metadata import version

    from refinfer.testing.referees import installed, referee

    if not installed(official.runtime):
        return Side(official.name, official.package, "", f"not installed: pip install {official.package}", {})
    if not hasattr(os, "fork"):
        return Side(official.name, official.package, "", "cannot be asked on this system, which has no fork", {})
    tensors = graph.subgraphs[0].inputs
    shapes = {i: x.shape for i, x in enumerate(runs[0]) if x.shape != tensors[i].shape} if runs else {}
    options = {**official.options, "shapes": shapes, "anew": set(anew) if remembers(graph) else ()}
    seconds = LEAST_SECONDS + SECONDS_OF_A_RUN * len(runs)
    answer = referee(official.runtime).run(bytes(graph.file), *runs, **options, seconds=seconds)
    progress(official.name)
    note = ""
    if not answer.finished:
        said = " ".join((answer.error or answer.text).split())
        note = f"crashed ({answer.crash})" if answer.crash else f"refused: {said}"
        note += f" after {len(answer.outputs)} runs" if answer.outputs else ""
    gaps = _against(answer.outputs, computed) if answer.outputs else {}
    return Side(official.name, official.package, version(official.package), note, gaps)


def remembers(graph: Graph) -> bool:
    """Whether a run may depend on those before it: there are variables, or custom operators, which may have some."""
    tensors = (x for node in graph.nodes for x in node.inputs if x is not None)
    has_variables = any(x.is_variable or x.type == TensorType.RESOURCE for x in tensors)
    return has_variables or any(node.custom_code is not None for node in graph.nodes)


OFFICIAL = (
    Official("LiteRT reference", "litert", "ai-edge-litert", {"kernels": "REF"}),
    Official("LiteRT optimized", "litert", "ai-edge-litert", {"kernels": "OPT"}),
    Official("LiteRT XNNPACK", "litert", "ai-edge-litert", {"kernels": "AUTO"}),
    Official("tflite-micro", "tflm", "tflite-micro", {}),
)
