"""What a picture of the arena shows: rectangles whose sides are steps and addresses. Nothing here knows of pixels.

The arena that is drawn is the one that a program should have: `minimum` rounded up to a multiple of 16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT
from refinfer.schema.graph import Graph
from refinfer.simulator.head import PlannedBuffer
from refinfer.simulator.loading import Moment, loading
from refinfer.simulator.report import Peak, Report, Step
from refinfer.terminal.memory import OWNERS, arena_in_words, owner_of
from refinfer.terminal.names import buffer_name, model_name, operator_name
from refinfer.terminal.text import plural

HUES = 7  # kinds of operators that have a colour of their own
OTHERS = HUES  # the colour of the rest
INPUTS = HUES + 1  # the colour of what the program fills in

BUFFER, SCRATCH, TAIL, HEAD, TEMPORARY = "buffer", "scratch", "tail", "notepad", "temporary"


class Block(NamedTuple):
    """A rectangle: from step `first` to step `last`, inclusive, and from address `bottom` up to `top`, exclusive.

    `number` is its place in the list that it comes from: the report's buffers, the moments of loading, or the stretches
    of the tail. `hue` is a colour by number. `label` is short enough to be written into it, `words` says it all.
    """

    kind: str
    number: int
    hue: int
    first: int
    last: int
    bottom: int
    top: int
    label: str
    words: str

    @property
    def nbytes(self) -> int:
        """How much memory it stands for."""
        return self.top - self.bottom


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn.

    `size` is that of the arena. `running` are the buffers by the steps of TFLM's clock and the tail beside them, from
    step `start` to the end of `steps`; `loading` is the arena by the moments of AllocateTensors. `persistent` is the
    address at which the persistent one of two arenas begins.
    """

    model: str
    target: str
    takes: str
    size: int
    minimum: int
    used: int
    head: int
    tail: int
    lower_bound: int
    bound_by: str
    start: int
    steps: tuple[str, ...]
    running: tuple[Block, ...]
    loading: tuple[Block, ...]
    moments: tuple[str, ...]
    tightest: int  # among the moments
    peak: Peak | None
    hues: tuple[tuple[int, str], ...]
    persistent: int | None


def picture_of(report: Report) -> Picture:
    """The picture of a report."""
    graph, arena = report.graph, report.arena
    size = arena_size(report)
    hues = hues_of(report.buffers, report.steps)
    moments = loading(report)
    start = min((each.buffer.first for each in report.buffers), default=0)
    return Picture(
        model=model_name(graph),
        target=report.target.name,
        takes=arena_in_words(report.target, arena.minimum),
        size=size,
        minimum=arena.minimum,
        used=arena.used,
        head=arena.head,
        tail=arena.tail,
        lower_bound=report.lower_bound,
        bound_by=arena.bound_by,
        start=min(start, 0),
        steps=tuple(step_name(step, graph) for step in report.steps),
        running=(*_buffers(report, hues), *_tail(report, size, min(start, 0))),
        loading=tuple(_loading(moments, graph, size)),
        moments=tuple(moment_name(each, graph) for each in moments),
        tightest=max(range(len(moments)), key=lambda place: moments[place].nbytes),
        peak=report.peak,
        hues=tuple((hue, name) for name, hue in hues.items()),
        persistent=size - round_up(arena.tail, ALIGNMENT) if report.two_arenas else None,
    )


def arena_size(report: Report) -> int:
    """The bytes to write down: of two arenas the sum."""
    two = report.two_arenas
    if two is None:
        return round_up(report.arena.minimum, ALIGNMENT)
    return sum(round_up(each.minimum, ALIGNMENT) for each in (two.persistent, two.non_persistent))


# what runs


def hues_of(buffers: Sequence[PlannedBuffer], steps: Sequence[Step]) -> dict[str, int]:
    """A colour for each kind of operator, those first that write the most; the last colours are for all others."""
    written: Counter[str] = Counter()
    for each in buffers:
        written[writer(each, steps)] += each.nbytes
    inputs = written.pop(steps[0].name, None)
    kinds = [kind for kind, _ in written.most_common()]
    hues = {kind: hue for hue, kind in enumerate(kinds[:HUES])}
    if len(kinds) > HUES:
        hues["other operators"] = OTHERS
    if inputs is not None:
        hues[steps[0].name] = INPUTS
    return hues


def writer(planned: PlannedBuffer, steps: Sequence[Step]) -> str:
    """What kind of step writes the buffer."""
    if planned.node is not None:
        return planned.node.name
    return steps[planned.buffer.first].name if planned.buffer.first >= 0 else "never runs"


def _buffers(report: Report, hues: dict[str, int]) -> Iterator[Block]:
    for number, each in enumerate(report.buffers):
        kind = writer(each, report.steps)
        yield Block(
            kind=BUFFER if each.node is None else SCRATCH,
            number=number,
            hue=hues.get(kind, OTHERS),
            first=each.buffer.first,
            last=each.buffer.last,
            bottom=each.offset,
            top=each.offset + each.buffer.nbytes,
            label=writer_name(each, report),
            words=in_words(each, report),
        )


def writer_name(planned: PlannedBuffer, report: Report) -> str:
    """Where a buffer comes from."""
    if planned.node is not None:
        return f"scratch of {operator_name(report.graph, planned.node.subgraph, planned.node.index)}"
    first = planned.buffer.first
    return step_name(report.steps[first], report.graph) if first >= 0 else "what never runs"


def in_words(planned: PlannedBuffer, report: Report) -> str:
    """A buffer in a sentence, for who points at it or cannot see it."""
    buffer = planned.buffer
    life = f"step {buffer.first}" if buffer.first == buffer.last else f"steps {buffer.first} to {buffer.last}"
    place = f"at {planned.offset:,}, {life}, from {writer_name(planned, report)}"
    return f"{buffer_name(report.graph, planned)}: {plural(planned.nbytes, 'byte')} {place}"


def step_name(step: Step, graph: Graph) -> str:
    """What happens at a step."""
    if step.subgraph is None or step.op is None:
        return step.name
    return operator_name(graph, step.subgraph, step.op)


def _tail(report: Report, size: int, start: int) -> Iterator[Block]:
    """The tail from its end down, in stretches of one owner."""
    top, last = size, len(report.steps) - 1
    for number, (owner, group) in enumerate(groupby(report.allocations, key=owner_of)):
        allocations = list(group)
        nbytes = sum(each.used for each in allocations)
        words = f"tail: {plural(len(allocations), 'allocation')} of {OWNERS[owner]}, {plural(nbytes, 'byte')}, for good"
        yield Block(
            TAIL, number, owner, start, last, top - nbytes, top, f"tail: {OWNERS[owner]}".replace(" the ", " "), words
        )
        top -= nbytes


# what loads


def _loading(moments: Sequence[Moment], graph: Graph, size: int) -> Iterator[Block]:
    for number, each in enumerate(moments):
        name, stacked = moment_name(each, graph), each.head + each.temporary
        for kind, bottom, top, what in (
            (HEAD, 0, each.head, "head"),
            (TEMPORARY, each.head, stacked, "temporary memory"),
            (TAIL, size - each.tail, size, "tail"),
        ):
            if top > bottom:
                words = f"{name}: {plural(top - bottom, 'byte')} of {what}; together {each.nbytes:,}"
                yield Block(kind, number, 0, number, number, bottom, top, what, words)


def moment_name(moment: Moment, graph: Graph) -> str:
    """When that is."""
    if moment.node is None:
        return {"set up": "setting up", "planned": "planning the head", "end": "all is allocated"}[moment.when]
    return f"preparing {operator_name(graph, moment.node.subgraph, moment.node.index)}"
