"""`refinfer memory`: the totals, who owns what, and which bytes live when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from refinfer.schema.graph import Graph
from refinfer.simulator.head import PlannedBuffer
from refinfer.simulator.refused import Refused
from refinfer.simulator.report import (
    SCHEMA,
    Allocation,
    Arena,
    Report,
    Step,
    TwoArenas,
    model_to_dict,
    refusal_to_dict,
    target_to_dict,
)
from refinfer.simulator.targets import Target
from refinfer.terminal.names import buffer_name, model_name, operator_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    MIDDLE,
    RED,
    YELLOW,
    Column,
    Screen,
    bar,
    both,
    entries,
    painted,
    plural,
    printable,
    shorten,
    table,
    wrapped,
)

SHORT_LIST = 12  # rows of a list unless --all is given
SHORT_TIMELINE = 30  # steps, likewise
BAR = 24  # columns


def memory_lines(report: Report, everything: bool, screen: Screen) -> Iterator[str]:
    """The whole account."""
    graph = report.graph
    yield from totals(report, screen)
    yield ""
    yield from categories(report, screen)
    yield ""
    yield from account(report, graph, everything, screen)
    yield ""
    yield from timeline(report, graph, everything, screen)
    yield ""
    yield from buffers(report, graph, everything, screen)


def totals(report: Report, screen: Screen) -> Iterator[str]:
    """What the arena comes to."""
    yield from headline(report, screen)
    if report.refusal is not None:
        text = f"TFLM loads it, but Invoke fails: {printable(str(report.refusal))}"
        yield from painted(text, screen, RED)
    if report.clashes:
        yield from painted(unsafe_plan([report.target.name]), screen, RED)
    yield ""
    arena = report.arena
    yield from entries(
        [
            *needed_and_used(arena, report.two_arenas),
            ("  head", f"{arena.head:,}", "the planned buffers: activations and scratch"),
            ("  tail", f"{arena.tail:,}", "what is kept for good"),
            ("lower bound", f"{report.lower_bound:,}", "of the head: the most buffer bytes that are alive at once"),
        ],
        screen,
    )


def headline(report: Report, screen: Screen) -> Iterator[str]:
    """The answer in a sentence."""
    takes = f"takes {arena_in_words(report.target, report.arena.minimum)}"
    return painted(f"{model_name(report.graph)} on {report.target.name} {takes}", screen, BOLD)


def unsafe_plan(targets: Sequence[str]) -> str:
    """A warning of the plan in a model, which lets buffers overwrite one another on these targets."""
    where = f"{', '.join(targets[:-1])} and {targets[-1]}" if len(targets) > 1 else targets[0]
    return (
        f"The plan in the file is not safe on {where}: buffers may overwrite one another; 'refinfer check' says which."
    )


def arena_in_words(target: Target, nbytes: int) -> str:
    """What is taken there."""
    return f"an arena of {both(nbytes)}" if target.arenas == 1 else f"two arenas of {both(nbytes)} together"


def needed_and_used(arena: Arena, two: TwoArenas | None = None) -> list[tuple[str, str, str]]:
    """The smallest arena, or two, and what the program then reports, and why they differ."""
    used = "what arena_used_bytes() returns: head + tail"
    if arena.moment != "end":
        used += f"; {arena.minimum - arena.used:,} less, since that step gives its memory back"
    elif arena.minimum != arena.used:
        used += "; what alignment takes at the end of an arena depends on its size"
    if two is None:
        rows = [("needed", f"{arena.minimum:,}", f"the smallest arena that works: room for {arena.bound_by}")]
    else:
        room = f"the smallest that works for all else: room for {two.non_persistent.bound_by}"
        rows = [
            ("needed", f"{arena.minimum:,}", "both arenas"),
            ("  persistent", f"{two.persistent.minimum:,}", "the smallest that works for the tail, in whole sixteens"),
            ("  the other", f"{two.non_persistent.minimum:,}", room),
        ]
    if arena.merely_passes < arena.minimum:
        remark = "TFLM's own checks pass from here on, but it overwrites memory in use"
        rows.append(("unsafe", f"{arena.merely_passes:,}", remark))
    return [*rows, ("used", f"{arena.used:,}", used)]


def categories(report: Report, screen: Screen) -> Iterator[str]:
    """The lines of TFLM's own report, and what it leaves out."""
    yield screen.paint("Tail by the categories of TFLM's RecordingMicroAllocator", BOLD)
    rows = [
        (name, f"{category.used:,}", f"{category.requested:,}", f"{category.count:,}")
        for name, category in report.categories.items()
    ]
    counted = sum(category.used for category in report.categories.values())
    rows.append(("in no category", f"{report.arena.tail - counted:,}", "", ""))
    columns = [Column("category", cut=MIDDLE), Column("used", True), Column("requested", True), Column("count", True)]
    yield from table(columns, rows, screen)


def account(report: Report, graph: Graph, everything: bool, screen: Screen) -> Iterator[str]:
    """The tail by owner: the interpreter, the tensors that the program sees, the operators."""
    by_owner = sorted(report.allocations, key=owner_of)
    for owner, group in groupby(by_owner, key=owner_of):
        allocations = list(group)
        total = sum(allocation.used for allocation in allocations)
        yield screen.paint(f"Tail of {OWNERS[owner]}: {total:,} bytes", BOLD)
        if owner != OPERATORS:
            yield from _items(allocations, graph, screen)
        elif everything:
            yield from _operators_in_full(report, allocations, graph, screen)
        else:
            yield from _largest_operators(report, allocations, graph, screen)
        yield ""
    yield from wrapped(
        "Padding is what alignment costs; it is counted in the totals. Scratch is not: it lies in the head.", screen
    )


INTERPRETER, TENSORS, OPERATORS = range(3)
OWNERS = ("the interpreter", "tensors", "operators")


def owner_of(allocation: Allocation) -> int:
    """Whose it is: a place in OWNERS."""
    if allocation.op is not None:
        return OPERATORS
    return INTERPRETER if allocation.tensor is None else TENSORS


def _items(allocations: Sequence[Allocation], graph: Graph, screen: Screen) -> Iterator[str]:
    rows = [
        (printable(each.what), f"{each.nbytes:,}", _padding(each.used - each.nbytes), tensor_name(each, graph))
        for each in allocations
    ]
    yield from _without_empty([*WHAT, Column("tensor", cut=MIDDLE)], rows, screen)


def _without_empty(columns: Sequence[Column], rows: Sequence[Sequence[str]], screen: Screen) -> Iterator[str]:
    """A table of the columns that have something to say."""
    filled = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    yield from table([columns[i] for i in filled], [[row[i] for i in filled] for row in rows], screen)


WHAT = [Column("what", cut=END), Column("bytes", right=True), Column("padding", right=True)]


def _operators_in_full(
    report: Report, allocations: Sequence[Allocation], graph: Graph, screen: Screen
) -> Iterator[str]:
    """Each operator with each of its allocations, in the order in which they run."""
    rows = []
    for node, mine in _by_operator(allocations):
        rows.append((f"{operator_name(graph, *node)}", "", ""))
        rows += [(f"  {printable(each.what)}", f"{each.nbytes:,}", _padding(each.used - each.nbytes)) for each in mine]
        rows += [
            (f"  scratch: {planned.what}", f"{planned.nbytes:,}", "in head") for planned in _scratch_of(report, *node)
        ]
    yield from table(WHAT, rows, screen)


def _largest_operators(
    report: Report, allocations: Sequence[Allocation], graph: Graph, screen: Screen
) -> Iterator[str]:
    """The operators with the largest tail, a line each."""
    operators = sorted(_by_operator(allocations), key=lambda entry: -sum(each.used for each in entry[1]))
    rows = []
    for node, mine in operators[:SHORT_LIST]:
        asked, used = sum(each.nbytes for each in mine), sum(each.used for each in mine)
        scratch = sum(planned.nbytes for planned in _scratch_of(report, *node))
        what = ", ".join(f"{printable(each.what)} {each.nbytes:,}" for each in sorted(mine, key=lambda a: -a.nbytes))
        rows.append((operator_name(graph, *node), f"{asked:,}", _padding(used - asked), _padding(scratch), what))
    columns = [Column("operator"), *WHAT[1:], Column("scratch", right=True), Column("what", cut=END)]
    yield from _without_empty(columns, rows, screen)
    left = operators[SHORT_LIST:]
    rest = sum(each.used for _, mine in left for each in mine)
    yield from _left_out(len(left), "operator", f", {rest:,} bytes with padding", screen)


def _by_operator(allocations: Sequence[Allocation]) -> list[tuple[tuple[int, int], list[Allocation]]]:
    """(subgraph, operator) and its allocations, in the order of the operators."""
    keyed = [((each.subgraph, each.op), each) for each in allocations]
    found: dict[tuple[int, int], list[Allocation]] = {}
    for (subgraph, op), each in keyed:
        assert subgraph is not None
        assert op is not None
        found.setdefault((subgraph, op), []).append(each)
    return sorted(found.items())


def _scratch_of(report: Report, subgraph: int, op: int) -> list[PlannedBuffer]:
    return [
        planned
        for planned in report.buffers
        if planned.node is not None and (planned.node.subgraph, planned.node.index) == (subgraph, op)
    ]


def timeline(report: Report, graph: Graph, everything: bool, screen: Screen) -> Iterator[str]:
    """Per step the operator and the bytes alive, the peak marked; a long one is cut to the steps around the peak."""
    if report.peak is None:
        return
    yield screen.paint(f"Head by step: at most {report.peak.nbytes:,} bytes alive at once", BOLD)
    around = _window(report.peak.step, len(report.steps), len(report.steps) if everything else SHORT_TIMELINE)
    yield from _steps_left_out(report.steps, range(around.start), "before", screen)
    rows = [_step(step, report, graph, screen) for step in around]
    columns = [
        Column("step", right=True),
        Column("operator", cut=MIDDLE),
        Column("bytes", right=True),
        Column("alive"),
        Column(""),
    ]
    title, *lines = table(columns, rows, screen)
    yield title
    for step, line in zip(around, lines, strict=True):
        yield screen.paint(line, YELLOW) if step == report.peak.step else line
    yield from _steps_left_out(report.steps, range(around.stop, len(report.steps)), "after", screen)


def _window(centre: int, length: int, room: int) -> range:
    start = min(max(centre - room // 2, 0), max(length - room, 0))
    return range(start, min(start + room, length))


def _step(step: int, report: Report, graph: Graph, screen: Screen) -> tuple[str, ...]:
    assert report.peak is not None
    subgraph, op, name, nbytes = report.steps[step]
    label = name if subgraph is None or op is None else operator_name(graph, subgraph, op)
    drawn = bar(nbytes, report.peak.nbytes, BAR, screen)
    return (str(step), label, f"{nbytes:,}", drawn, "peak" if step == report.peak.step else "")


def _steps_left_out(steps: Sequence[Step], which: range, where: str, screen: Screen) -> Iterator[str]:
    most = max((steps[step].nbytes for step in which), default=0)
    yield from _left_out(len(which), "step", f" {where}, of at most {most:,} bytes", screen)


def buffers(report: Report, graph: Graph, everything: bool, screen: Screen) -> Iterator[str]:
    """The planned buffers: where each lies and from which step to which."""
    yield screen.paint(f"Planned buffers: {len(report.buffers)}, in a head of {report.arena.head:,} bytes", BOLD)
    ordered = sorted(report.buffers, key=lambda planned: -planned.buffer.nbytes)
    shown = report.buffers if everything else ordered[:SHORT_LIST]
    rows = [
        (f"{each.offset:,}", f"{each.nbytes:,}", *map(str, each.buffer[1:3]), buffer_name(graph, each))
        for each in shown
    ]
    columns = [
        Column("offset", right=True),
        Column("bytes", right=True),
        Column("first", right=True),
        Column("last", right=True),
        Column("what", cut=END),
    ]
    yield from table(columns, rows, screen)
    yield from _left_out(len(report.buffers) - len(shown), "smaller buffer", "", screen)


def _left_out(count: int, thing: str, remark: str, screen: Screen) -> Iterator[str]:
    if count:
        more = plural(count, f"more {thing}")
        text = f"  {screen.ellipsis} {more}{remark} (--all shows all)"
        yield screen.paint(shorten(text, screen.width, screen), DIM)


def tensor_name(allocation: Allocation, graph: Graph) -> str:
    """The tensor that an allocation is for, if any."""
    if allocation.tensor is None or allocation.subgraph is None:
        return ""
    return printable(graph.subgraphs[allocation.subgraph].tensors[allocation.tensor].name)


def _padding(nbytes: int) -> str:
    return f"{nbytes:,}" if nbytes else ""


def memory_csv(report: Report, which: str) -> Iterator[Sequence[Any]]:
    """Rows for a spreadsheet, the titles first: the same fields as in the JSON form."""
    rows = report.to_dict()[which]
    if rows:
        yield tuple(rows[0])
    for row in rows:
        yield tuple(row.values())


def refused_lines(graph: Graph, target: Target, refusal: Refused, screen: Screen) -> Iterator[str]:
    """Why there is no account."""
    text = f"{model_name(graph)} does not run on TFLM ({target.name}): {printable(str(refusal))}"
    return painted(text, screen, BOLD, RED)


def refused_to_dict(graph: Graph, target: Target, refusal: Refused) -> dict[str, Any]:
    """The same for programs: the head of a report, and the refusal."""
    return {
        "schema": SCHEMA,
        "model": model_to_dict(graph),
        "target": target_to_dict(target),
        "refusal": refusal_to_dict(refusal),
    }
