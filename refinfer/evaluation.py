"""How often a model is right, class by class; how far two models, or a model's two dialects, agree; what int8 cost.

Each sample is run as if nothing had been run before it, so results do not depend on order or number of processes. The
answer is the class with the largest score, of equal ones the first, and no class if a score is not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import comb, sqrt
from multiprocessing import get_context
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.inputs import Pixels, dequantize, is_quantized, output_names
from refinfer.interpreter import find_dialect
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import PORTABLE
from refinfer.machine import Machine
from refinfer.processes import in_processes
from refinfer.samples import Samples, calls_of, samples_of
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph
from refinfer.simulator.report import model_to_dict

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.samples import Item, Items

SCHEMA = 1
BOTH = "both"
TOP = 5
NO_ANSWER = -1
NORMAL_95 = 1.959963984540054  # of the normal distribution, 95 % lie within so many standard deviations
ALONE = 0.3  # seconds of work that are done before it is asked how long the rest will take
WORTH_HELP = 4.0  # seconds of it from which on other processes help: one takes about a second to start
SECONDS_OF_A_CHUNK = 0.2


class Figures(NamedTuple):
    """Of one class: how many samples are of it, how many were taken for it, and how many of these rightly."""

    number: int
    name: str
    samples: int
    answered: int
    right: int

    @property
    def recall(self) -> float | None:
        """Which share of its samples was recognized; None if there are none."""
        return self.right / self.samples if self.samples else None

    @property
    def precision(self) -> float | None:
        """Which share of what was taken for it is of it; None if nothing was."""
        return self.right / self.answered if self.answered else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None if there was nothing to recognize, or to be taken for it."""
        return 2 * self.right / (self.samples + self.answered) if self.samples + self.answered else None


@dataclass(frozen=True, eq=False)
class Score:
    """A model in a dialect. `outputs` has a row of scores for each sample; it is None where `refusal` says why.

    `how` tells what a sample became on its way in, `output` by name which output has the scores, if there are several.
    """

    graph: Graph
    dialect: str
    labels: Array
    names: Sequence[str]
    how: str = ""
    refusal: str = ""
    outputs: Array | None = None
    output: str = ""

    @cached_property
    def answers(self) -> Array:
        """The class of each sample, by number, or NO_ANSWER."""
        if self.outputs is None:
            return np.full(len(self.labels), NO_ANSWER)
        scores = scores_of(self.outputs)
        return np.where(np.isnan(scores).any(axis=1), NO_ANSWER, scores.argmax(axis=1))

    @cached_property
    def ranks(self) -> Array:
        """How many classes stand before the right one, for each sample."""
        assert self.outputs is not None
        scores = scores_of(self.outputs)
        right = self.labels[:, None]
        of_label = np.take_along_axis(scores, right, axis=1)
        before = (scores > of_label) | ((scores == of_label) & (np.arange(scores.shape[1]) < right))
        return np.asarray(before.sum(axis=1))

    @property
    def classes(self) -> int:
        """How many the model tells apart."""
        return 0 if self.outputs is None else scores_of(self.outputs[:1]).shape[1]

    @property
    def right(self) -> int:
        """How many answers are right."""
        return self.among(1)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.right / len(self.labels)

    @property
    def interval(self) -> tuple[float, float]:
        """In which range the accuracy on all such samples lies, at 95 % [Wilson 1927]."""
        return wilson(self.right, len(self.labels))

    @property
    def unanswered(self) -> int:
        """For how many samples the scores were not numbers."""
        return int((self.answers == NO_ANSWER).sum())

    def among(self, count: int) -> int:
        """For how many samples the right class is among the first so many."""
        return 0 if self.outputs is None else int(((self.ranks < count) & (self.answers != NO_ANSWER)).sum())

    @property
    def confusion(self) -> Array:
        """How many samples of each class (row) were taken for which (column)."""
        counts = np.zeros((self.classes, self.classes), np.int64)
        answered = self.answers != NO_ANSWER
        np.add.at(counts, (self.labels[answered], self.answers[answered]), 1)
        return counts

    @property
    def figures(self) -> list[Figures]:
        """Of each class."""
        samples = np.bincount(self.labels, minlength=self.classes)
        confusion = self.confusion
        return [
            Figures(
                number,
                name_of(self.names, number),
                int(samples[number]),
                int(column.sum()),
                int(confusion[number, number]),
            )
            for number, column in enumerate(confusion.T)
        ]


class Flip(NamedTuple):
    """A sample that two sides answer differently: its number, its file if it has one, its class, and both answers."""

    sample: int
    file: str
    label: int
    first: int
    second: int

    @property
    def kind(self) -> str:
        """What became of a right answer."""
        return LOST if self.first == self.label else WON if self.second == self.label else WRONG


LOST, WON, WRONG = "lost", "won", "both wrong"


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two scores agree. `equal` counts outputs of the same bits; None if they are of different types."""

    first: Score
    second: Score
    equal: int | None
    flips: tuple[Flip, ...]

    @property
    def same(self) -> int:
        """How many answers are the same."""
        return len(self.first.labels) - len(self.flips)

    def count(self, kind: str) -> int:
        """How many flips are of this kind."""
        return sum(1 for flip in self.flips if flip.kind == kind)

    @property
    def chance(self) -> float:
        """How likely so uneven a split into lost and won is if neither side is better (McNemar's exact test)."""
        return mcnemar(self.count(LOST), self.count(WON))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found: each model in each dialect, the one that was asked about first, and which pairs agree."""

    samples: Samples
    scores: tuple[Score, ...]
    agreements: tuple[Agreement, ...]

    @property
    def complete(self) -> bool:
        """Whether no dialect refuses a model."""
        return all(score.outputs is not None for score in self.scores)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready values; docs/json.md documents the fields."""
        return {
            "schema": SCHEMA,
            "samples": len(self.samples.labels),
            "source": self.samples.source,
            "scores": [_score_to_dict(score) for score in self.scores],
            "agreements": [self._agreement_to_dict(each) for each in self.agreements],
        }

    def to_html(self) -> str:
        """A page by itself."""
        from refinfer.page.evaluation import article_of

        return article_of(self).page()

    def _repr_html_(self) -> str:
        """What Jupyter shows: the same article."""
        from refinfer.page.evaluation import article_of

        return article_of(self).fragment()

    def _agreement_to_dict(self, found: Agreement) -> dict[str, Any]:
        return {
            "first": self.scores.index(found.first),
            "second": self.scores.index(found.second),
            "same": found.same,
            "equal": found.equal,
            "lost": found.count(LOST),
            "won": found.count(WON),
            "chance": found.chance,
            "flips": [{**flip._asdict(), "file": flip.file or None} for flip in found.flips],
        }


def _score_to_dict(score: Score) -> dict[str, Any]:
    told = {"model": model_to_dict(score.graph), "dialect": score.dialect, "refusal": score.refusal or None}
    if score.outputs is None:
        return told
    return {
        **told,
        "how": score.how,
        "output": score.output or None,
        "right": score.right,
        "accuracy": score.accuracy,
        "interval": list(score.interval),
        "top5": score.among(TOP),
        "unanswered": score.unanswered,
        "classes": [
            {
                "class": each.number,
                "name": each.name or None,
                "samples": each.samples,
                "answered": each.answered,
                "right": each.right,
                "recall": each.recall,
                "precision": each.precision,
                "f1": each.f1,
            }
            for each in score.figures
        ],
        "confusion": score.confusion.tolist(),
    }


def name_of(names: Sequence[str], number: int) -> str:
    """What a class is called, if it has a name."""
    return names[number] if 0 <= number < len(names) else ""


# statistics


def scores_of(outputs: Array) -> Array:
    """A score for each class; a single number is that of class 1, which is meant if it is above one half."""
    if outputs.shape[1] > 1:
        return np.asarray(outputs.astype(np.float64))
    return np.concatenate([np.full(outputs.shape, 0.5), outputs], axis=1)


def wilson(right: int, count: int) -> tuple[float, float]:
    """The interval of 95 % around a share, which is never beyond 0 and 1."""
    share, square = right / count, NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = NORMAL_95 / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def mcnemar(lost: int, won: int) -> float:
    """The two-sided probability that lost + won coins fall at least as unevenly."""
    tail = sum(comb(lost + won, k) for k in range(min(lost, won) + 1))
    return min(1.0, tail / 2 ** (lost + won - 1)) if lost + won else 1.0


# the work


class Side(NamedTuple):
    """A model in a dialect, and which of its outputs has the scores."""

    graph: Graph
    dialect: str
    output: int


def evaluate(
    model: Source | Graph,
    x: Items | Mapping[str, Array],
    y: object,
    *,
    against: Source | Graph | None = None,
    dialect: str = "litert",
    names: Sequence[str] = (),
    mean: float | None = None,
    std: float | None = None,
    output: str | None = None,
    jobs: int = 1,
    engine: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Run the model on each input of `x`, and count how often the answer is its class in `y`.

    `x` holds arrays, or paths of pictures and other files; integers are the model's own, reals are quantized by the
    scale of its input. For a model with several inputs it holds an array of all samples for each, by name. With `mean`
    or `std` the model gets (x - mean) / std. `output` names the output that has the scores; else it is the first that
    can be a list of classes. `against` is another model that gets the same; `dialect` is "litert", "tflm" or "both".
    With more than one job, other processes help: then a script needs `if __name__ == "__main__":`. Raises UsageError
    for samples that do not fit the model, WorkerDied if a process ends early.
    """
    pixels = Pixels(mean, std)
    return judge(samples_of(x, y, names), model, against, dialect, pixels, jobs, engine, progress, output)


def judge(
    samples: Samples,
    model: Source | Graph,
    against: Source | Graph | None,
    dialect: str,
    pixels: Pixels,
    jobs: int,
    engine: str | None,
    progress: Callable[[str], None],
    output: str | None = None,
) -> Evaluation:
    """`evaluate`, of samples that have been read."""
    dialects = list(PORTABLE) if dialect == BOTH else [find_dialect(dialect).name]
    graphs = [each if isinstance(each, Graph) else read_model(each) for each in (model, against) if each is not None]
    sides = [Side(graph, name, output_with_scores(graph, output)) for graph in graphs for name in dialects]
    machines = [machine_of(side, engine) for side in sides]
    running = [side for side, machine in zip(sides, machines, strict=True) if isinstance(machine, Machine)]
    refusals = {side: str(machine) for side, machine in zip(sides, machines, strict=True) if isinstance(machine, str)}
    found: list[list[Array | str]] = []
    if running:
        worker = Worker(running, [each for each in machines if isinstance(each, Machine)], pixels)
        for answer in on_all_cores(worker, samples.items, jobs, engine):
            progress("samples")
            found.append(answer)
    results = dict(zip(running, zip(*found, strict=True), strict=True))
    scores = tuple(scored(side, samples, refusals.get(side, ""), results.get(side, ()), pixels) for side in sides)
    pairs = paired(len(graphs), len(dialects))
    agreements = tuple(
        agreement(scores[i], scores[j], samples)
        for i, j in pairs
        if scores[i].outputs is not None and scores[j].outputs is not None
    )
    return Evaluation(samples, scores, agreements)


def paired(graphs: int, dialects: int) -> Iterator[tuple[int, int]]:
    """Which sides are compared: the dialects of each model, and the models in each dialect."""
    if dialects == 2:
        yield from ((graph * 2, graph * 2 + 1) for graph in range(graphs))
    if graphs == 2:
        yield from ((each, dialects + each) for each in range(dialects))


def output_with_scores(graph: Graph, name: str | None = None) -> int:
    """Which output is a list of classes, among all or those of that `name`; else the only one, if a single number."""
    names, tensors = output_names(graph), graph.subgraphs[0].outputs
    outputs = [(i, tensor) for i, tensor in enumerate(tensors) if name in (None, names[i])]
    if not outputs:
        raise UsageError(f"{graph.name or 'the model'}: no output {name!r}; there is {', '.join(map(repr, names))}")
    for position, tensor in outputs:
        if tensor.elements > 1 and tensor.elements == tensor.shape[-1]:
            return position
    if len(outputs) == 1 and outputs[0][1].elements == 1:
        return outputs[0][0]
    shapes = ", ".join(f"{names[i]!r} {list(tensor.shape)}" for i, tensor in outputs)
    raise UsageError(f"{graph.name or 'the model'}: no output is a list of classes; there is {shapes}")


def machine_of(side: Side, engine: str | None) -> Machine | str:
    """The model, ready to run; or why the dialect does not run it."""
    try:
        return Machine(side.graph, find_dialect(side.dialect), engine=engine)
    except UnsupportedNode as refusal:
        return str(refusal)


class Worker:
    """Runs samples on each side."""

    def __init__(self, sides: Sequence[Side], machines: Sequence[Machine], pixels: Pixels) -> None:
        """The machines are those of the sides."""
        self.sides = sides
        self.pixels = pixels
        self._machines = machines

    def __call__(self, item: Item) -> list[Array | str]:
        """The scores, or what keeps a side from having some."""
        return [self._run(side, machine, item) for side, machine in zip(self.sides, self._machines, strict=True)]

    def _run(self, side: Side, machine: Machine, item: Item) -> Array | str:
        machine.start_anew()
        output: Array | str = ""
        for inputs in calls_of(item, side.graph, self.pixels)[0]:
            try:
                output = machine.call(0, inputs)[side.output].reshape(-1).copy()
            except UnsupportedNode as refusal:
                return str(refusal)
        return output


def on_all_cores(worker: Worker, items: Items, jobs: int, engine: str | None) -> Iterator[list[Array | str]]:
    """What the worker makes of each item, in their order; if there are many, other processes help.

    Processes rather than threads: most of the time of a small model is Python's own, which threads cannot share. They
    are spawned, since numpy has threads by now, which a fork would lose.
    """
    start, done, each = monotonic(), 0, 0.0
    while done < len(items) and (jobs == 1 or each * done < ALONE or each * (len(items) - done) < WORTH_HELP):
        yield worker(items[done])
        done += 1
        each = (monotonic() - start) / done
    left = items[done:]
    if len(left) == 0:
        return
    size = max(1, min(int(SECONDS_OF_A_CHUNK / each), -(-len(left) // (4 * jobs))))
    models = [(bytes(side.graph.file), *side[1:]) for side in worker.sides]
    chunks, spawn = _chunks(left, size), get_context("spawn")
    for answers in in_processes(work, chunks, jobs, spawn, start_worker, models, worker.pixels, engine):
        yield from answers


def _chunks(items: Items, size: int) -> Iterator[Items]:
    return (items[start : start + size] for start in range(0, len(items), size))


_workers: list[Worker] = []
"""Of a process that helps: its only one."""


def start_worker(models: Sequence[tuple[bytes, str, int]], pixels: Pixels, engine: str | None) -> None:
    """Get a process ready to help."""
    sides = [Side(read_model(file), dialect, output) for file, dialect, output in models]
    machines = [machine for machine in map(partial(machine_of, engine=engine), sides) if isinstance(machine, Machine)]
    _workers[:] = [Worker(sides, machines, pixels)]


def work(items: Items) -> list[list[Array | str]]:
    """What a process that helps makes of some items."""
    return [_workers[0](item) for item in items]


def scored(side: Side, samples: Samples, refusal: str, outputs: Sequence[Array | str], pixels: Pixels) -> Score:
    """The score of a side; the first refusal of a sample counts for all."""
    tensor = side.graph.subgraphs[0].outputs[side.output]
    how = calls_of(samples.items[0], side.graph, pixels)[1]
    output = output_names(side.graph)[side.output] if len(side.graph.subgraphs[0].outputs) > 1 else ""
    told = next((each for each in outputs if isinstance(each, str)), refusal)
    if told:
        return Score(side.graph, side.dialect, samples.labels, samples.names, how, told)
    stacked = np.stack([each for each in outputs if not isinstance(each, str)])
    if stacked.shape[1] == 1 and is_quantized(tensor):
        stacked = dequantize(stacked, tensor)
    found = Score(side.graph, side.dialect, samples.labels, samples.names, how, "", stacked, output)
    if samples.labels.max() >= found.classes:
        model = side.graph.name or "the model"
        raise UsageError(f"a sample is of class {samples.labels.max()}, and {model} has {found.classes} classes")
    return found


def agreement(first: Score, second: Score, samples: Samples) -> Agreement:
    """How far two scores agree."""
    assert first.outputs is not None
    assert second.outputs is not None
    alike = first.outputs.dtype == second.outputs.dtype and first.outputs.shape == second.outputs.shape
    equal = sum(map(same_bits, first.outputs, second.outputs)) if alike else None
    flips = tuple(
        Flip(i, file_of(samples.items[i]), int(samples.labels[i]), int(first.answers[i]), int(second.answers[i]))
        for i in np.flatnonzero(first.answers != second.answers).tolist()
    )
    return Agreement(first, second, equal, flips)


def same_bits(first: Array, second: Array) -> bool:
    """Whether two arrays are the same to the bit."""
    return first.tobytes() == second.tobytes()


def file_of(item: Item) -> str:
    """The path of a sample that is a file."""
    return item if isinstance(item, str) else ""
