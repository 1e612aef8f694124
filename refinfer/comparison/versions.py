"""Where two models part: two versions of a model, or its float and its int8 form, tensor by tensor on equal inputs.

Both run by themselves, so what is told of a tensor has gathered on the way there. The first model is taken for right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refinfer.comparison.dialects import run_in_turns
from refinfer.comparison.distance import real
from refinfer.comparison.gaps import Gap, gap_of_runs
from refinfer.comparison.stages import Matching, Meeting, Place, Stage, match
from refinfer.inputs import Input, fitted, is_quantized, random_inputs
from refinfer.interpreter import find_dialect
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.machine import Machine
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Tensor
from refinfer.simulator.report import model_to_dict

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Run = Sequence[Array]

SCHEMA = 1
FIRST, SECOND = "the first", "the second"


@dataclass(frozen=True)
class VersionComparison:
    """What `diff_models` found; `refusals` tell which of the models does not run, and why."""

    first: Graph
    second: Graph
    dialect: str
    runs: int
    seeds: int | None
    matching: Matching
    stages: tuple[Stage, ...]
    gap: Gap | None
    refusals: tuple[str, str]

    @property
    def equal(self) -> bool:
        """Whether both run, and their outputs are the same bits."""
        return self.gap is not None and self.gap.different == 0

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready values; docs/json.md documents the fields."""
        return {
            "schema": SCHEMA,
            "models": [model_to_dict(self.first), model_to_dict(self.second)],
            "dialect": self.dialect,
            "runs": self.runs,
            "seeds": self.seeds,
            "equal": self.equal,
            "stages": [each.to_dict() for each in self.stages],
            "only_first": [_place_to_dict(each) for each in self.matching.only_first],
            "only_second": [_place_to_dict(each) for each in self.matching.only_second],
            "refusals": [refusal or None for refusal in self.refusals],
        }

    def to_html(self) -> str:
        """A page by itself."""
        from refinfer.page.diff import article_of

        return article_of(self).page()

    def _repr_html_(self) -> str:
        """What Jupyter shows: the same article."""
        from refinfer.page.diff import article_of

        return article_of(self).fragment()


def _place_to_dict(place: Place) -> dict[str, Any]:
    return {
        "op": place.node.index,
        "name": place.node.name,
        "tensor": place.tensor.index,
        "tensor_name": place.tensor.name,
    }


def diff_models(
    first: Source | Graph,
    second: Source | Graph,
    inputs: Sequence[Run] | None = None,
    seeds: int = 20,
    *,
    anew: Collection[int] = (),
    dialect: str = "litert",
    progress: Callable[[str], None] = lambda _: None,
) -> VersionComparison:
    """Compare two models, tensor by tensor, on inputs that stand for the same values.

    `inputs` holds the arrays of each run; without it they are random, of the seeds from 0 on. Reals are quantized for a
    model that wants integers. Integers are the own ones of the model that has an input of their type, and the other
    gets what they stand for. Before the runs whose number is in `anew`, both models forget what they remember. Raises
    UsageError for models whose inputs do not correspond.
    """
    graphs = [each if isinstance(each, Graph) else read_model(each) for each in (first, second)]
    one, two = graphs
    check_inputs(one, two)
    given = random_runs(one, two, seeds) if inputs is None else [for_both(one, two, run) for run in inputs]
    machines: dict[str, Machine | str] = {}
    for name, graph in zip((FIRST, SECOND), graphs, strict=True):
        try:
            machines[name] = Machine(graph, find_dialect(dialect))
        except UnsupportedNode as refusal:
            machines[name] = str(refusal)
    matching = match(one, two)
    meeting = Meeting(matching.pairs)
    for side, machine in enumerate(machines.values()):
        if isinstance(machine, Machine):
            machine.watch = meeting.look(side)
    runs = [{FIRST: a, SECOND: b} for a, b in given]
    results = run_in_turns(machines, runs, progress, anew, after=meeting.settle)
    refusals = tuple(result if isinstance(result, str) else "" for result in results.values())
    outputs = [result for result in results.values() if not isinstance(result, str)]
    counts = {len(graph.subgraphs[0].outputs) for graph in graphs}
    gap = gap_of_runs(*outputs) if len(outputs) == 2 and len(counts) == 1 else None
    seeded = seeds if inputs is None else None
    name = find_dialect(dialect).name
    stages = tuple(meeting.stages())
    return VersionComparison(one, two, name, len(runs), seeded, matching, stages, gap, (refusals[0], refusals[1]))


def check_inputs(first: Graph, second: Graph) -> None:
    """Both take as many inputs, of the same shapes."""
    shapes = [[list(x.shape) for x in graph.subgraphs[0].inputs] for graph in (first, second)]
    if shapes[0] != shapes[1]:
        told = (", ".join(map(str, each)) for each in shapes)
        raise UsageError(f"the models take other inputs: shapes {' and '.join(told)}")


def random_runs(first: Graph, second: Graph, seeds: int) -> list[tuple[Run, Run]]:
    """Random inputs. Where only one of the models has quantized an input, its integers are drawn: they have a range."""
    drawn = ((random_inputs(first, seed), random_inputs(second, seed)) for seed in range(seeds))
    return [for_both(first, second, [_narrower(*pair) for pair in zip(*both, strict=True)]) for both in drawn]


def _narrower(first: Input, second: Input) -> Array:
    chosen = second if is_quantized(second.tensor) and not is_quantized(first.tensor) else first
    return chosen.array


def for_both(first: Graph, second: Graph, run: Run) -> tuple[Run, Run]:
    """The inputs of each model for a run."""
    pairs = list(zip(first.subgraphs[0].inputs, second.subgraphs[0].inputs, run, strict=True))
    owners = [next((x for x in (one, two) if _owns(x, array)), None) for one, two, array in pairs]
    given = list(zip(pairs, owners, strict=True))
    return (
        [converted(array, owner, one) for (one, _, array), owner in given],
        [converted(array, owner, two) for (_, two, array), owner in given],
    )


def _owns(tensor: Tensor, array: Array) -> bool:
    return is_quantized(tensor) and dtype_of(tensor.type) == array.dtype


def converted(array: Array, owner: Tensor | None, tensor: Tensor) -> Array:
    """What an input gets for an array; its integers may be those of another input, and then stand for real values."""
    if owner is None or owner is tensor or _as_quantized(owner, tensor):
        return fitted(array, tensor, "an input")[0]
    values = real(array, owner).reshape(array.shape).astype(np.float32)
    return fitted(values, tensor, "an input")[0]


def _as_quantized(first: Tensor, second: Tensor) -> bool:
    """Whether the same integers stand for the same values."""
    one, two = first.quantization, second.quantization
    if first.type != second.type or one is None or two is None:
        return False
    return (list(one.scale), list(one.zero_point)) == (list(two.scale), list(two.zero_point))
