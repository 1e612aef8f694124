"""Does a model fit a board? The verdict, with its reason and its numbers.

Most boards can run several builds of TFLM: its reference kernels, a vendor's, an Arduino library. Each is judged, and
the worst is the verdict, since nobody has said yet which it will be.

The arena is one static array, so it has to fit into the board's largest block of RAM, not into all of its RAM. The
flash has to hold the model's bytes and, where that was measured, TFLM's code. What else a program needs is not counted,
and the verdict says what that is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from refinfer.fitting.boards import AT_LEAST, FLASH, RAM_BLOCK, Board, Firmware, all_boards, find_board
from refinfer.fitting.flash import Flash, flash_of
from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph
from refinfer.simulator import Refused, Report, Target, find_target, simulate
from refinfer.simulator.beside import StaticObject, beside_arena
from refinfer.simulator.report import model_to_dict, refusal_to_dict, to_plain

SCHEMA = 1
"""The version of a verdict's JSON form: it grows when a field changes its meaning or goes, not when one is added."""

FITS, UNKNOWN, DOES_NOT_FIT, REFUSED = "fits", "unknown", "does not fit", "refused"
"""The outcomes. UNKNOWN is not a yes. REFUSED: TFLM will not run this model, or does not run on this board."""

BEST_FIRST = (FITS, UNKNOWN, DOES_NOT_FIT, REFUSED)

NOT_COUNTED = (
    "the stack, the heap and the program's own variables",
    "TFLM's own static objects, which are listed",
    "the program's own code and its libraries, which take flash too",
)

REFUSED_IN = {
    "load": "as it loads it",
    "prepare": "in AllocateTensors",
    "plan": "in AllocateTensors",
    "invoke": "in Invoke",
}


class Room(NamedTuple):
    """Memory that something has to fit into; `nbytes` is None if nobody knows.

    `at_least`: there may be more. `in_all`: what the board has of it, if it comes in pieces of which this is one.
    """

    words: str
    nbytes: int | None
    at_least: bool = False
    in_all: int | None = None


class Finding(NamedTuple):
    """The answer to one of a verdict's questions."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one model fits one board, and why.

    `arena_size` is the number to write down as kTensorArenaSize: the smallest safe arena, rounded up to a multiple of
    16. `ram_needed` is the same, plus the model's bytes where the firmware keeps the model in RAM. None stands for a
    number that nobody knows, or that there is none of. `static_ram` are the objects that TFLM's program keeps beside
    the arena: listed, and not part of `ram_needed`. `others` are the verdicts for the board's other plausible targets,
    none of which is worse.
    """

    outcome: str
    reason: str
    graph: Graph
    board: Board
    target: str | None
    firmware: Firmware | None = None
    report: Report | None = None
    refusal: Refused | None = None
    arena_size: int | None = None
    ram_needed: int | None = None
    ram_available: int | None = None
    flash: Flash | None = None
    flash_available: int | None = None
    static_ram: tuple[StaticObject, ...] = ()
    not_counted: tuple[str, ...] = ()
    others: tuple[Verdict, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the answer is a plain yes."""
        return self.outcome == FITS

    @property
    def ram_margin(self) -> int | None:
        """RAM that is left beside the arena; negative where there is too little."""
        return _margin(self.ram_available, self.ram_needed)

    @property
    def flash_needed(self) -> int | None:
        """A floor of what the program takes of the flash: the model, and what was measured of TFLM's code."""
        return None if self.flash is None else self.flash.at_least

    @property
    def flash_margin(self) -> int | None:
        """Flash that is left beside the model; negative where there is too little."""
        return _margin(self.flash_available, self.flash_needed)

    @property
    def unsafe_on(self) -> tuple[str, ...]:
        """The board's targets on which the plan in the model lets buffers overwrite one another."""
        judged = (self, *self.others)
        return tuple(each.report.target.name for each in judged if each.report is not None and each.report.clashes)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON-ready dicts and lists; docs/boards.md documents the fields."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "board": {"id": self.board.id, "name": self.board.name},
            "target": self.target,
            "targets": [_in_short(each) for each in (self, *self.others)],
            "firmware": self.firmware.id if self.firmware else None,
            "outcome": self.outcome,
            "fits": self.fits,
            "reason": self.reason,
            "arena_size": self.arena_size,
            "arena": self.report.arena._asdict() if self.report else None,
            "ram": {"needed": self.ram_needed, "available": self.ram_available, "margin": self.ram_margin},
            "flash": {
                "needed": self.flash_needed,
                "available": self.flash_available,
                "margin": self.flash_margin,
                "items": self.flash.to_dict() if self.flash else None,
            },
            "static_ram": [to_plain(each) for each in self.static_ram],
            "refusal": refusal_to_dict(self.refusal) if self.refusal else None,
            "unsafe_on": list(self.unsafe_on),
            "not_counted": list(self.not_counted),
        }

    def to_json(self) -> str:
        """The verdict as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the answer, the builds of the board, and the map of the arena."""
        from refinfer.page.verdict import article_of

        return article_of(self).fragment()


def fit(
    model: Source | Graph | Report, board: str | Board, *, target: str | None = None, firmware: str | None = None
) -> Verdict:
    """Whether `model` fits `board`, beside `firmware`'s profile; for the worst of the board's plausible targets.

    `target` names the one that it is. A Report speaks for the target that it was made for. Raises UsageError for a
    board, target or profile that does not exist; FormatError or GraphError for a bad file.
    """
    board = find_board(board) if isinstance(board, str) else board
    profile = None if firmware is None else board.find_firmware(firmware)
    if isinstance(model, Report):
        return judge(model, model.graph, board, model.target.name, profile)
    graph = model if isinstance(model, Graph) else read_model(model)
    targets = board.targets if target is None else (target,)
    return _for_the_worst(graph, board, targets, simulations(graph), profile)


def fit_all(model: Source | Graph, boards: Iterable[Board] | None = None) -> tuple[Verdict, ...]:
    """The verdicts for all boards of the table, or for `boards`, each for its own targets, without firmware.

    As many simulations as there are different builds of TFLM among the targets.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    simulated = simulations(graph)
    chosen = all_boards() if boards is None else boards
    return tuple(_for_the_worst(graph, board, board.targets, simulated) for board in chosen)


def smallest_boards(model: Source | Graph, n: int = 3, boards: Iterable[Board] | None = None) -> tuple[Verdict, ...]:
    """The verdicts for the `n` boards that fit with the smallest block of RAM, then the smallest flash.

    Boards are looked at from the smallest on, and no more of them than it takes.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    simulated = simulations(graph)
    chosen = all_boards() if boards is None else boards
    ordered = sorted(chosen, key=lambda board: (board.ram_block or 0, board.flash or 0))
    verdicts = (_for_the_worst(graph, board, board.targets, simulated) for board in ordered)
    return tuple(islice((verdict for verdict in verdicts if verdict.fits), n))


def judge(
    result: Report | Refused, graph: Graph, board: Board, target: str, firmware: Firmware | None = None
) -> Verdict:
    """The verdict on what the simulator said of `graph`; all that is decided here is whether the numbers fit."""
    if board.no_tflm:
        return _no_tflm(graph, board, firmware)
    if isinstance(result, Refused):
        return _refused(result, graph, board, target, firmware, None)
    if result.refusal is not None:
        return _refused(result.refusal, graph, board, target, firmware, result)
    arena_size = round_up(result.arena.minimum, ALIGNMENT)
    in_ram = firmware is not None and firmware.model_in_ram
    ram_needed = arena_size + len(graph.file) if in_ram else arena_size
    ram, flash = room_for_arena(board, firmware, ram_needed), flash_of(graph, target)
    findings = []
    if RAM_BLOCK in board.judged or firmware is not None:
        findings.append(_compare("the arena and the model" if in_ram else "the arena", ram_needed, ram))
    if FLASH in board.judged:
        subject = "the model" if flash.interpreter is None else "the model and TFLM's code"
        findings.append(_compare(subject, flash.at_least, Room("the flash", board.flash)))
    outcome = max((finding.outcome for finding in findings), key=BEST_FIRST.index)
    return Verdict(
        outcome,
        "; ".join(finding.reason for finding in findings if finding.outcome == outcome),
        graph,
        board,
        target,
        firmware,
        report=result,
        arena_size=arena_size,
        ram_needed=ram_needed,
        ram_available=ram.nbytes,
        flash=flash,
        flash_available=board.flash,
        static_ram=beside_arena(graph, result.target.build),
        not_counted=_not_counted(flash, result.target.kernels, firmware),
    )


def room_for_arena(board: Board, firmware: Firmware | None, needed: int) -> Room:
    """What decides whether `needed` bytes fit: the board's largest block, or what the firmware leaves of it."""
    block = Room("the largest block of RAM", board.ram_block, in_all=board.ram)
    if firmware is None:
        return block
    left = Room(f"what {firmware.name} leaves", firmware.nbytes, at_least=firmware.bound == AT_LEAST)
    if block.nbytes is not None and (block.nbytes < firmware.nbytes or (left.at_least and block.nbytes < needed)):
        return block
    return left


def _compare(subject: str, needed: int, room: Room) -> Finding:
    """Whether `needed` bytes fit into `room`."""
    takes = f"{subject} {'take' if ' and ' in subject else 'takes'} {needed:,} bytes"
    if room.nbytes is None:
        return Finding(UNKNOWN, f"no source that we know of says how large {room.words} is")
    if needed <= room.nbytes:
        return Finding(FITS, f"{takes}, and {room.words} is {room.nbytes:,}")
    if room.at_least:
        return Finding(UNKNOWN, f"{takes}, and of {room.words} only {room.nbytes:,} are certain")
    too_many = f"{takes}, {needed - room.nbytes:,} more than {room.words} ({room.nbytes:,})"
    in_pieces = f"; all RAM is {room.in_all:,}, but not in one piece" if needed <= (room.in_all or 0) else ""
    return Finding(DOES_NOT_FIT, too_many + in_pieces)


def _refused(
    refusal: Refused, graph: Graph, board: Board, target: str, firmware: Firmware | None, report: Report | None
) -> Verdict:
    """TFLM will not run the model. What it allocates in vain is left to the report."""
    reason = f"TFLM refuses it {REFUSED_IN[refusal.when]}: {refusal}"
    return Verdict(REFUSED, reason, graph, board, target, firmware, report, refusal)


def _no_tflm(graph: Graph, board: Board, firmware: Firmware | None = None) -> Verdict:
    """TFLM does not run on the board, whatever the model is."""
    return Verdict(REFUSED, board.no_tflm, graph, board, None, firmware)


def _for_the_worst(
    graph: Graph,
    board: Board,
    targets: Iterable[str],
    simulated: Callable[[str], Report | Refused],
    firmware: Firmware | None = None,
) -> Verdict:
    """The verdict for the worst of `targets`, of equal ones the first; with the most flash that any of them takes."""
    if board.no_tflm:
        return _no_tflm(graph, board, firmware)
    verdicts = [judge(simulated(target), graph, board, target, firmware) for target in targets]
    worst = max(verdicts, key=lambda each: (BEST_FIRST.index(each.outcome), each.ram_needed or 0))
    flash = max((each.flash for each in verdicts if each.flash), key=lambda each: each.at_least, default=None)
    others = tuple(each for each in verdicts if each is not worst)
    if worst.report is None or worst.flash is None or flash is None:
        return replace(worst, others=others)
    not_counted = _not_counted(flash, worst.report.target.kernels, firmware, alone=len(verdicts) == 1)
    return replace(worst, flash=flash, not_counted=not_counted, others=others)


def simulations(graph: Graph) -> Callable[[str], Report | Refused]:
    """From targets to what the simulator says; those that are the same but for their names share a run."""
    known: dict[Target, Report | Refused] = {}

    def simulated(name: str) -> Report | Refused:
        target = find_target(name)
        if target.unnamed not in known:
            known[target.unnamed] = _simulated(graph, target)
        result = known[target.unnamed]
        return result if isinstance(result, Refused) else replace(result, target=target)

    return simulated


def _simulated(graph: Graph, target: Target) -> Report | Refused:
    try:
        return simulate(graph, target)
    except Refused as refusal:
        return refusal


def _in_short(verdict: Verdict) -> dict[str, Any]:
    """What differs between the targets of a board."""
    names = ("target", "outcome", "reason", "arena_size", "ram_needed", "flash_needed")
    return {name: getattr(verdict, name) for name in names}


def _not_counted(flash: Flash, kernels: str, firmware: Firmware | None, alone: bool = True) -> tuple[str, ...]:
    """`alone`: no other kernels have been looked at."""
    notes: tuple[str, ...] = NOT_COUNTED
    if kernels == "reference" and alone:
        notes = (*notes, "the scratch memory of optimized kernels (CMSIS-NN, esp-nn): these are the reference kernels")
    if flash.interpreter is None:
        notes = (*notes, f"TFLM's own code in flash: it was not measured for {flash.target}")
    if firmware is not None and firmware.bound != AT_LEAST:
        notes = (*notes, f"what {firmware.name} itself keeps in RAM, since it leaves no more than that figure")
    return notes


def _margin(available: int | None, needed: int | None) -> int | None:
    return None if available is None or needed is None else available - needed
