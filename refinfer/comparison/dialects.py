"""Where runtimes part on a model: operator by operator from equal inputs, and at the outputs.

Both dialects are exact, so what differs between them differs between the runtimes. Operators are compared one at a
time: each is given, in both dialects, what the dialect litert has at that place. A difference is then the operator's
own, not one that it was handed. The official runtimes, where they are installed, are compared by their outputs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.comparison.answers import Pair, Trail, decisions, pairs_of, parting, rule
from refinfer.comparison.stages import Meeting, Stage, itself
from refinfer.inputs import random_inputs
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS, PORTABLE, kernel_of
from refinfer.machine import Machine, Watch
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.report import model_to_dict

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Outputs = Sequence[Sequence["Array"]]
"""The outputs of each run."""

SCHEMA = 1
LITERT, TFLM = "litert", "tflm"


class Gap(NamedTuple):
    """How two results differ: in how many of their elements, and by how much at most (None: not in numbers)."""

    elements: int = 0
    different: int = 0
    largest: float | None = 0.0

    def __add__(self, other: object) -> Gap:
        """Both together."""
        assert isinstance(other, Gap)
        both = (self.largest, other.largest)
        largest = None if None in both else max(each for each in both if each is not None)
        return Gap(self.elements + other.elements, self.different + other.different, largest)


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
    on; `pairs` tell of each two of the four dialects where they part first.
    """

    graph: Graph
    runs: int
    seeds: int | None
    operators: int
    layers: tuple[Layer, ...] | None
    sides: tuple[Side, ...]
    stages: tuple[Stage, ...] = ()
    pairs: tuple[Pair, ...] = ()

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
            "pairs": [each.to_dict() for each in self.pairs],
            "runtimes": [
                {
                    "name": side.name,
                    "package": side.package,
                    "version": side.version or None,
                    "note": side.note or None,
                    "against": {dialect: _gap_to_dict(gap) for dialect, gap in side.gaps.items()},
                }
                for side in self.sides
            ],
        }

    def to_html(self) -> str:
        """A page by itself."""
        from refinfer.page.diff import page

        return page(self)


def _layer_to_dict(layer: Layer) -> dict[str, Any]:
    node = layer.node
    types = {"subgraph": node.subgraph, "op": node.index, "name": node.name, "type": type_of(node).name}
    return {**types, "runs": layer.runs, **_gap_to_dict(layer.gap), "cause": layer.cause}


def _gap_to_dict(gap: Gap) -> dict[str, Any]:
    largest = gap.largest if gap.largest is None or np.isfinite(gap.largest) else None
    return {"elements": gap.elements, "different": gap.different, "largest": largest}


def diff(
    model: Source | Graph,
    inputs: Sequence[Sequence[Array]] | None = None,
    seeds: int = 20,
    *,
    official: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare the dialects, and the official runtimes if there are any, on the same inputs.

    `inputs` holds the arrays of each run, in the order of the model's inputs; without it they are random, of the seeds
    from 0 on. Runs follow each other on one interpreter, so that what a model remembers counts. `progress` is told
    what has been done.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    runs = inputs if inputs is not None else [[each.array for each in random_inputs(graph, i)] for i in range(seeds)]
    ours, layers, stages, trails = _dialects(graph, runs, progress)
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
        sides += [_official(each, graph, runs, computed, progress) for each in OFFICIAL]
    seeded = None if inputs is not None else seeds
    pairs = tuple(_pair(*names, computed, trails) for names in pairs_of([*computed]))
    return Comparison(graph, len(runs), seeded, sum(1 for _ in graph.nodes), layers, tuple(sides), stages, pairs)


def _pair(first: str, second: str, computed: Mapping[str, Outputs], trails: Mapping[str, Trail]) -> Pair:
    """Where two dialects part first, and what becomes of it."""
    node = parting(trails[first], trails[second])
    rules = ("", "") if node is None else (rule(first, node), rule(second, node))
    gap = gap_of_runs(computed[first], computed[second])
    changed = decisions(computed[first], computed[second])
    return Pair(first, second, node, rules, gap.elements, gap.different, gap.largest, changed)


def _dialects(
    graph: Graph, runs: Outputs, progress: Callable[[str], None]
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
    first, second = machines[LITERT], machines[TFLM]
    if not isinstance(first, Machine) or not isinstance(second, Machine):
        return run_in_turns(machines, [dict.fromkeys(machines, run) for run in runs], progress), None, (), trails
    layers, meeting = Layers(first, Machine(graph, PORTABLE[TFLM])), Meeting(itself(graph))
    first.watch = both(both(layers.look, meeting.look(0)), trails[LITERT].look)
    second.watch = both(meeting.look(1), trails[TFLM].look)
    results = run_in_turns(machines, [dict.fromkeys(machines, run) for run in runs], progress, meeting.settle)
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
    after: Callable[[], None] = lambda: None,
) -> dict[str, Outputs | str]:
    """The outputs of each machine on its inputs of each run, or why there are none; `after` follows each run."""
    refusals = {name: machine for name, machine in machines.items() if isinstance(machine, str)}
    outputs: dict[str, list[Sequence[Array]]] = {name: [] for name in machines}
    for number, inputs in enumerate(runs):
        for name, machine in machines.items():
            if name in refusals or isinstance(machine, str):
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
        self._other = other
        self._gaps: dict[Node, Gap] = {}
        self._runs: dict[Node, int] = {}
        self._variables: dict[Tensor, Array] = {}  # as they were before the node that comes next
        for subgraph in machine.graph.subgraphs:
            values = machine.constants(subgraph.index)
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
            gap = _sum(gap_between(*pair) for pair in zip(outputs, self._other.evaluate(node, given), strict=True))
        except UnsupportedNode:
            gap = _sum(Gap(array.size, array.size, None) for array in outputs)
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


def gap_of_runs(first: Outputs, second: Outputs) -> Gap:
    """How the outputs of several runs differ, as far as both have them."""
    pairs = [pair for run in zip(first, second, strict=False) for pair in zip(*run, strict=True)]
    return _sum(gap_between(*pair) for pair in pairs)


def _sum(gaps: Iterable[Gap]) -> Gap:
    total = Gap()
    for gap in gaps:
        total += gap
    return total


def gap_between(first: Array, second: Array) -> Gap:
    """How two arrays differ, bit by bit; one NaN is as good as another. Another shape or type is all different."""
    if first.shape != second.shape or first.dtype != second.dtype:
        size = max(first.size, second.size)
        return Gap(size, size, None)
    if first.dtype.kind not in "biuf":
        different = int((first != second).sum())
        return Gap(first.size, different, None if different else 0.0)
    unlike = _bits(first) != _bits(second)
    if first.dtype.kind == "f":
        unlike &= ~(np.isnan(first) & np.isnan(second))
    with np.errstate(all="ignore"):
        distance = np.abs(first[unlike].astype(np.float64) - second[unlike].astype(np.float64))
    largest = float(np.nan_to_num(distance, nan=np.inf).max()) if distance.size else 0.0
    return Gap(first.size, int(unlike.sum()), largest)


def _bits(array: Array) -> Array:
    whole = np.ascontiguousarray(array)
    return whole.view(f"u{array.dtype.itemsize}").reshape(array.shape)


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
    answer = referee(official.runtime).run(bytes(graph.file), *runs, **official.options, shapes=shapes)
    progress(official.name)
    note = ""
    if not answer.finished:
        said = " ".join((answer.error or answer.text).split())
        note = f"crashed ({answer.crash})" if answer.crash else f"refused: {said}"
        note += f" after {len(answer.outputs)} runs" if answer.outputs else ""
    gaps = _against(answer.outputs, computed) if answer.outputs else {}
    return Side(official.name, official.package, version(official.package), note, gaps)


def type_of(node: Node) -> TensorType:
    """The type that decides about a node's arithmetic: that of its first input, or of its output if it has none."""
    first = next((x for x in node.inputs if x is not None), None)
    return (first if first is not None else node.outputs[0]).type


def cause_of(node: Node) -> str | None:
    """Why the dialects compute a node differently, in words."""
    for types, words in CAUSES.get(node.op, ()):
        if type_of(node) in types:
            return words
    first, second = (dialect.compute_of(node) for dialect in PORTABLE.values())
    return None if first == second else "the runtimes have kernels of their own for it"


OFFICIAL = (
    Official("LiteRT reference", "litert", "ai-edge-litert", {"kernels": "REF"}),
    Official("LiteRT optimized", "litert", "ai-edge-litert", {"kernels": "OPT"}),
    Official("LiteRT XNNPACK", "litert", "ai-edge-litert", {"kernels": "AUTO"}),
    Official("tflite-micro", "tflm", "tflite-micro", {}),
)

FLOATS = (TensorType.FLOAT32, TensorType.FLOAT16)
BYTES = (TensorType.INT8, TensorType.UINT8)
QUANTIZED = (*BYTES, TensorType.INT16)
ANY = tuple(TensorType)

MULTIPLIER = "the real multiplier: litert computes it in float32, tflm in double, and rounding falls out differently"
DECLARED = "the shape: litert computes that of the output, tflm takes what the file declares"
NOT_A_NUMBER = "NaN: the runtimes compare with it in another order"
BY_TABLE = "the table: litert looks up the float function's values, tflm computes in gemmlowp's fixed point"

CAUSES: dict[BuiltinOperator, tuple[tuple[tuple[TensorType, ...], str], ...]] = {
    BuiltinOperator.CONV_2D: ((ANY, DECLARED),),
    BuiltinOperator.DEPTHWISE_CONV_2D: ((ANY, DECLARED),),
    BuiltinOperator.FULLY_CONNECTED: (
        (
            BYTES,
            "rounding: litert rounds the product of sum and multiplier once, in double; tflm twice, in fixed point",
        ),
        (
            (TensorType.INT16,),
            "rounding: litert rounds the product of sum and multiplier once, in double; tflm multiplies in fixed "
            "point, by a multiplier of 16 bits if the bias has 64",
        ),
    ),
    BuiltinOperator.LOGISTIC: ((BYTES, BY_TABLE), (FLOATS, "the float exponential and where it is cut off")),
    BuiltinOperator.TANH: (
        (BYTES, BY_TABLE),
        (FLOATS, "the float function: Eigen's in litert, the C library's in tflm"),
    ),
    BuiltinOperator.MUL: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.PRELU: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.LEAKY_RELU: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.ABS: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.DIV: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.HARD_SWISH: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.RSQRT: ((QUANTIZED, "the inverse square root: a table in litert, Newton's steps in tflm"),),
    BuiltinOperator.SOFTMAX: (((TensorType.INT16,), "the multiplier of beta, and the numbers of the table"),),
    BuiltinOperator.RELU6: ((QUANTIZED, "the scale: tflm only clips, where litert brings it to the output's scale"),),
    BuiltinOperator.SUM: ((QUANTIZED, "a defect of LiteRT: it reads the input as uint8; tflm adds rightly"),),
    BuiltinOperator.SVDF: ((ANY, "the order of the sums, when the bias is added, and which tanh"),),
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: (
        (
            QUANTIZED,
            "sigmoid and tanh: fixed point in litert, a table with interpolation in tflm; tflm also rounds and "
            "saturates the products of the cell one by one",
        ),
        (FLOATS, "the order of the sums, and which sigmoid and tanh"),
    ),
    BuiltinOperator.PAD: (((TensorType.INT16,), "the border of int16: zeros in tflm, the zero point in litert"),),
    BuiltinOperator.PADV2: (((TensorType.INT16,), "the border of int16: zeros in tflm, the zero point in litert"),),
    BuiltinOperator.SPACE_TO_BATCH_ND: ((ANY, "the border: zeros in tflm whatever the zero point is"),),
    BuiltinOperator.STRIDED_SLICE: ((ANY, "masks: tflm ignores those of ellipses and new axes"),),
    BuiltinOperator.RESHAPE: ((ANY, DECLARED),),
    BuiltinOperator.SHAPE: ((ANY, DECLARED),),
    BuiltinOperator.TRANSPOSE_CONV: ((ANY, DECLARED),),
    BuiltinOperator.CAST: ((FLOATS, "what becomes of NaN and of numbers beyond the integers"),),
    BuiltinOperator.ARG_MAX: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.ARG_MIN: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.REDUCE_MAX: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.REDUCE_MIN: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.ELU: ((FLOATS, "the float function: expm1 in litert, exp less 1 in tflm"),),
}
"""Why the dialects differ, by operator and type. The rows in registry.py and the functions in `Numerics` are where."""
