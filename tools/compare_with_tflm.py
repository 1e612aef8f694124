"""Print predicted against measured for every model of the corpus, as Markdown: python -m tools.compare_with_tflm

Needs REFINFER_CORPUS; REFINFER_CORPUS_ALL=1 takes all models. The wheel is asked live (Linux on x86-64), the other
builds come from the records of the corpus. Where the two agree the number is printed once, else "predicted ≠ measured".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from refinfer.simulator import Refused
from refinfer.simulator.targets import Target
from tests.comparisons import (
    TARGETS_OF,
    WASM32_RECORDED,
    WHEEL,
    predict,
    recording,
    refusal_by_the_wheel,
    smallest_arena,
    trace,
)
from tests.corpus import CorpusModel, corpus, describe, sample
from tests.referees.tflm import Refusal, Tflm, Verdict, refusal_of


class Pair(NamedTuple):
    """What was predicted and what was measured; `shown` stands for both where they agree."""

    predicted: object
    measured: object
    shown: str = ""

    def __str__(self) -> str:
        return (self.shown or str(self.predicted)) if self.agrees else f"{self.predicted} ≠ {self.measured}"

    @property
    def agrees(self) -> bool:
        """Whether prediction and measurement are equal."""
        return self.predicted == self.measured


Column = Callable[[CorpusModel, Verdict, Tflm], Pair | None]


def used_by_the_wheel(model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair:
    """The total that the wheel prints."""
    assert verdict.allocations is not None
    return Pair(recording(model, WHEEL).total, verdict.allocations.total)


def lines_of_the_wheel(model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair:
    """Head, tail and every category that the wheel prints."""
    return Pair(recording(model, WHEEL), verdict.allocations, "equal")


def minimum_of_the_wheel(model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """The smallest arena in which the wheel gives the right output."""
    if not verdict.runs:
        return None
    measured = tflm.minimum(model.data, int_mode=model.int_mode).nbytes
    return Pair(smallest_arena(predict(model, WHEEL).arena, measured)[0], measured)


def recorded_used(build: str, target: Target, model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """What the plain interpreter of a recorded build reported."""
    measured = model.builds.get(build)
    if measured is None or measured.used is None:
        return None
    return Pair(predict(model, target).arena.used, measured.used)


def recorded_minimum(build: str, target: Target, model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """The smallest arena in which a recorded build worked."""
    measured = model.builds.get(build)
    if measured is None or measured.minimum is None:
        return None
    return Pair(smallest_arena(predict(model, target).arena, measured.minimum)[0], measured.minimum)


def allocations_of_cortex_m4(model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """Every tail allocation, planned buffer and scratch request."""
    measured = model.trace("m4_ref")
    if measured is None:
        return None
    return Pair(trace(predict(model, TARGETS_OF["m4_ref"][0])), measured, f"{len(measured.tail)} equal")


def recorded_wasm32(model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """What a recording wasm32 build reported, with all its lines."""
    if model.wasm32 is None:
        return None
    return Pair(recording(model, WASM32_RECORDED), model.wasm32, str(model.wasm32.total))


COLUMNS: dict[str, Column] = {
    "wheel used": used_by_the_wheel,
    "wheel lines": lines_of_the_wheel,
    "wheel minimum": minimum_of_the_wheel,
    "cortex-m4 used": partial(recorded_used, "m4_ref", TARGETS_OF["m4_ref"][0]),
    "cortex-m4 minimum": partial(recorded_minimum, "m4_ref", TARGETS_OF["m4_ref"][0]),
    "cortex-m4 allocations": allocations_of_cortex_m4,
    "cortex-m0 minimum": partial(recorded_minimum, "m0_ref", TARGETS_OF["m0_ref"][0]),
    "x86-64 used": partial(recorded_used, "x86_64_ref", TARGETS_OF["x86_64_ref"][0]),
    "x86-64 minimum": partial(recorded_minimum, "x86_64_ref", TARGETS_OF["x86_64_ref"][0]),
    "int-sized enums used": partial(recorded_used, "m4_ref_intenum", TARGETS_OF["m4_ref_intenum"][0]),
    "int-sized enums minimum": partial(recorded_minimum, "m4_ref_intenum", TARGETS_OF["m4_ref_intenum"][0]),
    "wasm32 recording": recorded_wasm32,
}


def arenas(tflm: Tflm) -> Iterator[str]:
    """The table of the models that TFLM loads, and how many cells of each column agree."""
    yield from heading("model", *COLUMNS)
    pairs: dict[str, list[Pair]] = {name: [] for name in COLUMNS}
    for model in sample():
        verdict = tflm.run(model.data, int_mode=model.int_mode)
        if verdict.loads:
            cells = [model.file]
            for name, column in COLUMNS.items():
                pair = compared(column, model, verdict, tflm)
                pairs[name] += [pair] if pair else []
                cells.append(str(pair or ""))
            yield row(*cells)
    yield row("**agree**", *(f"**{sum(p.agrees for p in each)} of {len(each)}**" for each in pairs.values()))


def compared(column: Column, model: CorpusModel, verdict: Verdict, tflm: Tflm) -> Pair | None:
    """The cell of a column; a model that we refuse and TFLM loads is a disagreement, too."""
    try:
        return column(model, verdict, tflm)
    except Refused as refused:
        return Pair(f"refused: {refused}", "loads")


def refusals(tflm: Tflm) -> Iterator[str]:
    """The table of the models that TFLM does not run: where it stops and what it says, and the same of us."""
    yield from heading("model", "when", "operator", "node", "TFLM says", "refinfer says")
    for model in sample():
        measured = refusal_of(tflm.run(model.data, int_mode=model.int_mode))
        if measured is not None:
            yield row(model.file, *(str(pair) for pair in refusal_pairs(model, measured)))


def refusal_pairs(model: CorpusModel, measured: Refusal) -> Iterator[object]:
    """The cells of the table of refusals. TFLM does not say which node it is that it has no kernel for."""
    predicted = refusal_by_the_wheel(model)
    if predicted is None:
        yield from (measured.when, measured.operator, measured.node, words(measured), "**nothing**")
        return
    node = predicted.node
    assert node is not None
    yield Pair(predicted.when, measured.when)
    yield Pair(node.op.name if measured.when == "load" else node.name, measured.operator)
    yield node.index if measured.node is None else Pair(node.index, measured.node)
    yield words(measured)
    yield "the same" if predicted.reason == measured.message else predicted.reason


def words(refusal: Refusal) -> str:
    """What TFLM prints, in a cell of a table: the kernel's message, else the C expression that failed."""
    escaped = refusal.check.replace("|", "\\|")
    return refusal.message or (f"`{escaped}`" if escaped else "nothing")


def heading(*names: str) -> Iterator[str]:
    """The first two lines of a table."""
    yield row(*names)
    yield row(*("---" for _ in names))


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print both tables."""
    if not corpus():
        raise SystemExit(describe())
    print(describe(), "", sep="\n")
    with Tflm() as tflm:
        for line in (*arenas(tflm), "", *refusals(tflm)):
            print(line)


if __name__ == "__main__":
    main()
