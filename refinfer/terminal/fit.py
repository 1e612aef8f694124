"""`refinfer fit`: the answer first, then the number to write down, then why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refinfer.fitting.verdict import DOES_NOT_FIT, FITS, REFUSED, UNKNOWN, Verdict
from refinfer.terminal.memory import needed_and_used, unsafe_plan
from refinfer.terminal.names import buffer_name, model_name, operator_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    GREEN,
    RED,
    YELLOW,
    Column,
    Screen,
    bar,
    both,
    entries,
    painted,
    percent,
    plural,
    printable,
    size,
    table,
    wrapped,
)

SHORTEST_BAR, LONGEST_BAR, BESIDE_BAR = 8, 30, 60  # columns
PEAK_BUFFERS = 4  # that are named

ANSWERS = {FITS: "fits", DOES_NOT_FIT: "does not fit", REFUSED: "will not run on", UNKNOWN: "may or may not fit"}
COLOURS = {FITS: GREEN, DOES_NOT_FIT: RED, REFUSED: RED, UNKNOWN: YELLOW}
MARKS = {FITS: "yes", DOES_NOT_FIT: "no", REFUSED: "-", UNKNOWN: "?"}


def fit_lines(verdict: Verdict, smaller: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """One model, one board. `smaller` is what `smallest_boards` says."""
    yield from headline(verdict, screen)
    if verdict.unsafe_on:
        yield from painted(unsafe_plan(verdict.unsafe_on), screen, RED)
    for paragraph in (
        to_paste(verdict),
        bars(verdict, screen),
        why(verdict, screen),
        builds(verdict, screen),
        peak(verdict, screen),
        small_print(verdict, screen),
        smallest(verdict, smaller, screen),
    ):
        if lines := list(paragraph):
            yield ""
            yield from lines


def headline(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """The answer in a sentence."""
    text = (
        f"{model_name(verdict.graph)} {ANSWERS[verdict.outcome]} {printable(verdict.board.name)}: {because(verdict)}."
    )
    fitting = [each.target or "" for each in verdict.others if each.fits]
    if fitting and not verdict.fits:
        text += f" That is with {verdict.target}; it fits with {' and with '.join(fitting)}."
    return painted(text, screen, BOLD, COLOURS[verdict.outcome])


def because(verdict: Verdict) -> str:
    """The reason in the words of someone who is about to buy a board; where that is not simple, in full."""
    needs = (
        (verdict.ram_needed, verdict.ram_available, ram_in_words(verdict)),
        (verdict.flash_needed, verdict.flash_available, "flash"),
    )
    known = [(needed, there, what) for needed, there, what in needs if needed is not None and there is not None]
    if verdict.outcome == FITS:
        shares = (f"{size(needed)} of {size(there)} of {what}" for needed, there, what in known)
        return f"it takes {' and '.join(shares)}"
    if verdict.outcome == DOES_NOT_FIT:
        lacks = (f"{size(needed - there)} of {what}" for needed, there, what in known if needed > there)
        return f"it lacks {' and '.join(lacks)}"
    return printable(verdict.reason).removesuffix(".")


def ram_in_words(verdict: Verdict) -> str:
    """Which RAM it is that counts."""
    board, firmware = verdict.board, verdict.firmware
    if firmware is not None and verdict.ram_available == firmware.nbytes:
        return f"RAM beside {firmware.name}"
    return "RAM" if board.ram in (None, board.ram_block) else "RAM in one block"


def to_paste(verdict: Verdict) -> Iterator[str]:
    """The lines of the program that make the arena."""
    if verdict.arena_size is not None:
        yield f"    constexpr int kTensorArenaSize = {verdict.arena_size};"
        yield "    alignas(16) static uint8_t tensor_arena[kTensorArenaSize];"


def why(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """Where the size of the arena comes from; of no use where TFLM takes it in vain."""
    if verdict.report is not None and verdict.outcome != REFUSED:
        yield from entries(needed_and_used(verdict.report.arena), screen)


def bars(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """How much of RAM and flash the model takes."""
    if verdict.ram_needed is None and verdict.flash_needed is None:
        return
    length = min(max(screen.width - BESIDE_BAR, SHORTEST_BAR), LONGEST_BAR)
    rows = [
        _bar_row("RAM", verdict.ram_needed, verdict.ram_available, length, screen),
        _bar_row("flash", verdict.flash_needed, verdict.flash_available, length, screen),
    ]
    right = Column("", right=True)
    columns = [Column(""), Column(""), right, right, right, Column("", cut=END)]
    yield from table(columns, rows, screen, titles=False)


def _bar_row(name: str, needed: int | None, available: int | None, length: int, screen: Screen) -> tuple[str, ...]:
    if needed is None:
        return (name, "", "not known", "", "", "")
    if available is None:
        return (name, "", f"{needed:,}", "of unknown", "", "")
    left = available - needed
    margin = f"{left:,} left" if left >= 0 else f"{-left:,} too many"
    drawn = bar(needed, available, length, screen)
    return (name, drawn, f"{needed:,}", f"of {available:,}", percent(needed, available), margin)


def builds(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """What each build of TFLM that the board may run would take, if there are several."""
    if not verdict.others:
        return
    yield from wrapped(
        "The builds of TFLM for this board; the answer is for the worst, --target names yours:", screen, "  "
    )
    rows = [
        (
            each.target or "",
            f"arena {each.arena_size:,}" if each.arena_size is not None else "",
            ANSWERS[each.outcome],
        )
        for each in sorted((verdict, *verdict.others), key=lambda each: each.arena_size or 0)
    ]
    yield from table([Column(""), Column("", right=True), Column("")], rows, screen, indent="    ", titles=False)


def peak(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """The operator that makes the head as large as it is, and its tensors."""
    graph, report = verdict.graph, verdict.report
    top = report.peak if report is not None else None
    if report is None or top is None or verdict.outcome == REFUSED:
        return
    where = f"the {top.name}"
    if top.subgraph is not None and top.op is not None:
        where = f"operator {operator_name(graph, top.subgraph, top.op)}"
    yield from wrapped(f"Peak at {where}: {top.nbytes:,} bytes of buffers alive at once", screen, "  ")
    alive = sorted((report.buffers[i] for i in top.buffers), key=lambda planned: -planned.nbytes)
    rows = [(f"{each.nbytes:,}", buffer_name(graph, each)) for each in alive[:PEAK_BUFFERS]]
    yield from table([Column("", right=True), Column("", cut=END)], rows, screen, indent="    ", titles=False)
    if rest := alive[PEAK_BUFFERS:]:
        total = sum(planned.nbytes for planned in rest)
        yield screen.paint(f"    {screen.ellipsis} {plural(len(rest), 'more buffer')}, {total:,} bytes", DIM)


def small_print(verdict: Verdict, screen: Screen) -> Iterator[str]:
    """What the answer rests on."""
    board, firmware, report = verdict.board, verdict.firmware, verdict.report
    notes = []
    if report is not None:
        target = report.target
        notes.append(f"Target: {target.name}, {target.summary}. Verified against {target.verified}.")
    if board.ram is not None and board.ram_block is not None and board.ram > board.ram_block:
        block = f"the largest block of which at consecutive addresses is {size(board.ram_block)}"
        notes.append(f"RAM: the board has {size(board.ram)}, {block}; an arena is one block.")
    if firmware is not None:
        left = f"leaves {firmware.bound} {both(firmware.nbytes)}"
        notes.append(f"Firmware: {firmware.name} {left}: {firmware.note} ({firmware.source.name}, {firmware.place}).")
    notes += flash_and_static(verdict)
    if verdict.not_counted:
        notes.append(f"Not counted: {'; '.join(verdict.not_counted)}.")
    for note in notes:
        yield from wrapped(printable(note), screen, "    ", first="  ")


def flash_and_static(verdict: Verdict) -> list[str]:
    """What the flash is taken by, and what lies beside the arena in RAM."""
    notes, flash = [], verdict.flash
    if flash is not None and flash.interpreter is not None:
        assert flash.at_most is not None
        low, high = (total - flash.model - flash.interpreter for total in (flash.at_least, flash.at_most))
        kernels = f"{low:,}" if low == high else f"{low:,} to {high:,}, since kernels share code"
        parts = f"the model {flash.model:,}, TFLM's interpreter {flash.interpreter:,}, its kernels {kernels}"
        notes.append(f"Flash, a floor, measured for {flash.target}: {parts}.")
    if verdict.static_ram:
        sizes = (
            f"{each.what} {'of unknown size' if each.nbytes is None else each.nbytes}" for each in verdict.static_ram
        )
        notes.append(f"RAM beside the arena: {', '.join(sizes)}; how deep the stack gets is not known.")
    return notes


def smallest(verdict: Verdict, found: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """Where else to look; not told where TFLM does not run the model at all."""
    if not found:
        if verdict.refusal is None:
            yield "  No board that we know fits it."
        return
    yield "  The smallest boards that fit:"
    rows = [
        (
            each.board.id,
            each.board.name,
            f"{size(each.ram_available or 0)} RAM",
            _share(each.ram_needed, each.ram_available),
        )
        for each in found
    ]
    columns = [Column(""), Column("", cut=END), Column("", right=True), Column("", right=True)]
    yield from table(columns, rows, screen, indent="    ", titles=False)


def all_boards_lines(verdicts: Sequence[Sequence[Verdict]], screen: Screen) -> Iterator[str]:
    """Every board: one model in detail, several as a matrix."""
    return boards_lines(verdicts[0], screen) if len(verdicts) == 1 else matrix_lines(verdicts, screen)


def boards_lines(verdicts: Sequence[Verdict], screen: Screen) -> Iterator[str]:
    """One model on every board, the smallest first."""
    yield from painted(f"{model_name(verdicts[0].graph)} fits {_fitting(verdicts)}", screen, BOLD)
    yield from wrapped(_arenas(verdicts), screen)
    yield ""
    ordered = sorted(verdicts, key=lambda verdict: (verdict.ram_available is None, verdict.ram_available or 0))
    rows = [
        (
            MARKS[verdict.outcome],
            verdict.board.id,
            printable(verdict.board.name),
            verdict.target or "",
            _count(verdict.ram_available),
            _share(verdict.ram_needed, verdict.ram_available),
            _share(verdict.flash_needed, verdict.flash_available),
        )
        for verdict in ordered
    ]
    numbers = [Column(title, right=True) for title in ("RAM block", "arena", "flash")]
    columns = [Column("fits"), Column("board"), Column("name", cut=END), Column("target"), *numbers]
    yield from _coloured(columns, rows, ordered, screen)
    yield ""
    yield from wrapped(LEGEND, screen)


def matrix_lines(verdicts: Sequence[Sequence[Verdict]], screen: Screen) -> Iterator[str]:
    """Several models on every board: the models are numbered, and as many stand side by side as there is room for."""
    for number, each in enumerate(verdicts, 1):
        yield from wrapped(f"[{number}] {model_name(each[0].graph)} fits {_fitting(each)}", screen, "    ", first="")
    room = (screen.width - NAMES) // len(f"  [{len(verdicts)}]")
    for start in range(0, len(verdicts), room):
        numbers = range(start, min(start + room, len(verdicts)))
        columns = [Column("board"), *(Column(f"[{number + 1}]", right=True) for number in numbers)]
        rows = [
            (each[0].board.id, *(MARKS[each[number].outcome] for number in numbers))
            for each in zip(*verdicts, strict=True)
        ]
        yield ""
        yield from table(columns, rows, screen, indent="")
    yield ""
    yield from wrapped(LEGEND, screen)


LEGEND = "-: TensorFlow Lite Micro does not run this model, or does not run on this board. ?: a size is unknown."
NAMES = 24  # columns for the ids of boards


def _arenas(verdicts: Sequence[Verdict]) -> str:
    """Which arena which builds of TFLM need."""
    targets: dict[int, set[str]] = {}
    for verdict in (each for worst in verdicts for each in (worst, *worst.others)):
        if verdict.arena_size is not None and verdict.target is not None:
            targets.setdefault(verdict.arena_size, set()).add(verdict.target)
    sizes = (f"{nbytes:,} bytes ({', '.join(sorted(names))})" for nbytes, names in sorted(targets.items()))
    return f"arena: {'; '.join(sizes)}" if targets else ""


def _fitting(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(verdict.fits for verdict in verdicts)} of {plural(len(verdicts), 'board')}"


def _coloured(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], verdicts: Sequence[Verdict], screen: Screen
) -> Iterator[str]:
    """A table with a verdict behind each row."""
    title, *lines = table(columns, rows, screen, indent="")
    yield title
    for line, verdict in zip(lines, verdicts, strict=True):
        yield screen.paint(line, COLOURS[verdict.outcome])


def _count(nbytes: int | None) -> str:
    return "" if nbytes is None else f"{nbytes:,}"


def _share(part: int | None, whole: int | None) -> str:
    return "" if part is None or whole is None else percent(part, whole)
