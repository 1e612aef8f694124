"""`refinfer fit`: the answer first, then the number to write down, then why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refinfer.fit import FITS, REFUSED, UNKNOWN, Verdict, smallest_boards
from refinfer.schema.graph import Graph
from refinfer.simulator.report import Report
from refinfer.terminal.memory import needed_and_used
from refinfer.terminal.names import buffer_name, model_name, operator_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    GREEN,
    MIDDLE,
    RED,
    YELLOW,
    Column,
    Screen,
    bar,
    entries,
    percent,
    plural,
    printable,
    size,
    table,
    wrapped,
)

BAR = 30  # columns
PEAK_BUFFERS = 4  # that are named

COLOURS = {FITS: GREEN, UNKNOWN: YELLOW}
MARKS = {FITS: "yes", UNKNOWN: "?", REFUSED: "-"}  # anything else: "no"


def fit_lines(graph: Graph, verdict: Verdict, elsewhere: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """One model, one board. `elsewhere` is what `fit_all` says of the boards of the table."""
    yield from headline(graph, verdict, screen)
    report = verdict.report
    if report is not None and verdict.arena_size is not None:
        yield ""
        yield from to_paste(verdict.arena_size, screen)
        yield ""
        yield from bars(verdict, screen)
        yield ""
        yield from entries(needed_and_used(report.arena), screen)
        yield ""
        yield from peak(report, screen)
    yield ""
    yield from small_print(verdict, elsewhere, screen)


def headline(graph: Graph, verdict: Verdict, screen: Screen) -> Iterator[str]:
    """The answer in a sentence."""
    text = f"{model_name(graph)} {says(verdict)} {printable(verdict.board.name)}: {verdict.reason}"
    for line in wrapped(text, screen):
        yield screen.paint(line, BOLD, COLOURS.get(verdict.outcome, RED))


def says(verdict: Verdict) -> str:
    """The verb of the answer."""
    verbs = {FITS: "fits", REFUSED: "will not run on", UNKNOWN: "may or may not fit"}
    return verbs.get(verdict.outcome, "does not fit")


def to_paste(arena_size: int, screen: Screen) -> Iterator[str]:
    """The lines of the program that make the arena."""
    yield f"    constexpr int kTensorArenaSize = {arena_size};"
    yield "    alignas(16) static uint8_t tensor_arena[kTensorArenaSize];"


def bars(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """How much of RAM and flash the model takes."""
    rows = [
        _bar_row("RAM", verdict.ram_needed, verdict.ram_available, screen),
        _bar_row("flash", verdict.flash_needed, verdict.flash_available, screen),
    ]
    right = Column("", right=True)
    columns = [Column(""), Column(""), right, right, right, Column("", cut=END)]
    yield from table(columns, rows, screen, titles=False)


def _bar_row(name: str, needed: int | None, available: int | None, screen: Screen) -> tuple[str, ...]:
    if needed is None:
        return (name, "", "not known", "", "", "")
    if available is None:
        return (name, " " * BAR, f"{needed:,}", "of unknown", "", "")
    left = available - needed
    margin = f"{left:,} left" if left >= 0 else f"{-left:,} too many"
    drawn = bar(needed, available, BAR, screen)
    return (name, drawn, f"{needed:,}", f"of {available:,}", percent(needed, available), margin)


def peak(report: Report, screen: Screen) -> Iterator[str]:
    """The operator that makes the head as large as it is, and its tensors."""
    graph, top = report.graph, report.peak
    if top is None:
        return
    where = top.name if top.subgraph is None or top.op is None else operator_name(graph, top.subgraph, top.op)
    yield from wrapped(f"Peak at {where}: {top.nbytes:,} bytes of buffers alive at once", screen, "  ")
    alive = sorted((report.buffers[i] for i in top.buffers), key=lambda planned: -planned.nbytes)
    rows = [(f"{each.nbytes:,}", buffer_name(graph, each)) for each in alive[:PEAK_BUFFERS]]
    yield from table([Column("", right=True), Column("", cut=END)], rows, screen, indent="    ", titles=False)
    if rest := alive[PEAK_BUFFERS:]:
        total = sum(planned.nbytes for planned in rest)
        yield screen.paint(f"    {screen.ellipsis} {plural(len(rest), 'more')}".rstrip("s") + f", {total:,} bytes", DIM)


def small_print(verdict: Verdict, elsewhere: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """What the answer rests on, and where else to look."""
    notes = []
    if verdict.report is not None:
        target = verdict.report.target
        notes.append(("Target", f"{target.name}: {target.summary}. Verified against {target.verified}."))
    if verdict.firmware is not None:
        firmware = verdict.firmware
        notes.append(
            ("Firmware", f"{firmware.name}: leaves {firmware.bound} {firmware.nbytes:,} bytes. {firmware.note}")
        )
    if verdict.not_counted:
        notes.append(("Not counted", "; ".join(verdict.not_counted) + "."))
    smallest = smallest_boards(elsewhere)
    if smallest:
        names = ", ".join(f"{each.board.name} ({each.board.id}, {size(each.ram_available or 0)})" for each in smallest)
        notes.append(("Smallest boards that fit", names + "."))
    elif elsewhere:
        notes.append(("Smallest boards that fit", "none of those we know."))
    for title, text in notes:
        yield from wrapped(f"{title}: {text}", screen, "    ", first="  ")


def models_lines(graphs: Sequence[Graph], verdicts: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """Several models on one board: a line each, then those that are refused and why."""
    if not graphs:
        return
    fitting = sum(verdict.fits for verdict in verdicts)
    yield screen.paint(f"{fitting} of {plural(len(graphs), 'model')} on {printable(verdicts[0].board.name)} fit", BOLD)
    yield ""
    rows = [
        (
            MARKS.get(verdict.outcome, "no"),
            model_name(graph),
            _count(verdict.arena_size),
            _share(verdict.ram_needed, verdict.ram_available),
            _count(verdict.flash_needed),
            _share(verdict.flash_needed, verdict.flash_available),
        )
        for graph, verdict in zip(graphs, verdicts, strict=True)
    ]
    numbers = [Column(title, right=True) for title in ("arena", "of RAM", "flash", "of flash")]
    yield from _coloured([Column("fits"), Column("model", cut=MIDDLE), *numbers], rows, verdicts, screen)
    for graph, verdict in zip(graphs, verdicts, strict=True):
        if verdict.outcome == REFUSED:
            yield ""
            yield from wrapped(f"{model_name(graph)}: {printable(verdict.reason)}", screen, "    ", first="  ")


def all_boards_lines(graphs: Sequence[Graph], verdicts: Sequence[Sequence[Verdict]], screen: Screen) -> Iterator[str]:
    """Every board: one model in detail, several as a matrix."""
    if len(graphs) == 1:
        return boards_lines(graphs[0], verdicts[0], screen)
    return matrix_lines(graphs, verdicts, screen)


def boards_lines(graph: Graph, verdicts: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """One model on every board, the smallest first."""
    yield from wrapped(f"{model_name(graph)} fits {_fitting(verdicts)}", screen)
    yield ""
    ordered = sorted(verdicts, key=lambda verdict: (verdict.ram_available is None, verdict.ram_available or 0))
    rows = [
        (
            MARKS.get(verdict.outcome, "no"),
            verdict.board.id,
            printable(verdict.board.name),
            verdict.target or "",
            _count(verdict.arena_size),
            _count(verdict.ram_available),
            _share(verdict.ram_needed, verdict.ram_available),
            _share(verdict.flash_needed, verdict.flash_available),
        )
        for verdict in ordered
    ]
    numbers = [Column(title, right=True) for title in ("arena", "RAM block", "of RAM", "of flash")]
    columns = [Column("fits"), Column("board"), Column("name", cut=END), Column("target"), *numbers]
    yield from _coloured(columns, rows, ordered, screen)
    yield ""
    yield from wrapped(LEGEND, screen)


def matrix_lines(graphs: Sequence[Graph], verdicts: Sequence[Sequence[Verdict]], screen: Screen) -> Iterator[str]:
    """Several models on every board: the models are numbered, and as many stand side by side as there is room for."""
    for number, (graph, each) in enumerate(zip(graphs, verdicts, strict=True), 1):
        yield from wrapped(f"[{number}] {model_name(graph)} fits {_fitting(each)}", screen, "    ", first="")
    room = (screen.width - NAMES) // len(f"  [{len(graphs)}]")
    for start in range(0, len(graphs), room):
        numbers = range(start, min(start + room, len(graphs)))
        columns = [Column("board"), *(Column(f"[{number + 1}]", right=True) for number in numbers)]
        rows = [
            (each[0].board.id, *(MARKS.get(each[number].outcome, "no") for number in numbers))
            for each in zip(*verdicts, strict=True)
        ]
        yield ""
        yield from table(columns, rows, screen, indent="")
    yield ""
    yield from wrapped(LEGEND, screen)


LEGEND = "-: TensorFlow Lite Micro does not run this model, or does not run on this board. ?: a size is unknown."
NAMES = 24  # columns for the ids of boards


def _fitting(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(verdict.fits for verdict in verdicts)} of {plural(len(verdicts), 'board')}"


def _coloured(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], verdicts: Sequence[Verdict], screen: Screen
) -> Iterator[str]:
    """A table with a verdict behind each row."""
    title, *lines = table(columns, rows, screen, indent="")
    yield title
    for line, verdict in zip(lines, verdicts, strict=True):
        yield screen.paint(line, COLOURS.get(verdict.outcome, RED))


def _count(nbytes: int | None) -> str:
    return "" if nbytes is None else f"{nbytes:,}"


def _share(part: int | None, whole: int | None) -> str:
    return "" if part is None or whole is None else percent(part, whole)
