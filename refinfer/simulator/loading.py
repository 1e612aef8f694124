"""What the arena looks like while a model is loaded, moment by moment: what a report of the end does not show.

A moment is shown at its fullest: when head, temporary memory and tail together take the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT
from refinfer.schema.graph import Node
from refinfer.simulator.allocate import allocate
from refinfer.simulator.arena import Move, Section
from refinfer.simulator.report import Report

SET_UP, PREPARED, PLANNED, END = "set up", "prepared", "planned", "end"
"""The interpreter and all Inits; the Prepare of an operator; the plan of the head; when all is allocated."""


class Moment(NamedTuple):
    """What is taken at once, in an arena whose size is a multiple of 16. `node` is the operator that is prepared."""

    when: str
    node: Node | None
    head: int
    temporary: int
    tail: int

    @property
    def nbytes(self) -> int:
        """All of it."""
        return self.head + self.temporary + self.tail


def loading(report: Report) -> tuple[Moment, ...]:
    """The moments from the first allocation to the last, by going through the model's allocations once more."""
    moves = allocate(report.graph, report.target).moves
    nodes = tuple(report.graph.nodes)
    *prepared, planned, end = _until_reset(list(_filled(moves)))
    first, prepared[:1] = _set_up(prepared[0]) if prepared else ([], [])
    return (
        *([_fullest(SET_UP, None, first)] if first else []),
        *(_fullest(PREPARED, node, states) for node, states in zip(nodes, prepared, strict=True)),
        _fullest(PLANNED, None, planned),
        _fullest(END, None, end[-1:]),
    )


State = tuple[Move, int, int, int]  # a move, and head, temporary memory and tail after it


def _filled(moves: Iterable[Move]) -> Iterator[State]:
    """What is taken after each move, from the end of an arena whose size is a multiple of 16."""
    head = temporary = tail = 0
    for move in moves:
        match move.section:
            case Section.TAIL:
                tail = round_up(tail + move.nbytes, move.align)
            case Section.HEAD:
                head, temporary = move.nbytes, 0
            case Section.TEMP:
                temporary = round_up(head + temporary, move.align) + move.nbytes - head
            case Section.PLAN:
                rest = round_up(tail, ALIGNMENT) - tail  # what the planner gets is a multiple of 16
                temporary = round_up(head + temporary, ALIGNMENT) + move.nbytes + rest - head
            case Section.RESET:
                temporary = 0
        yield move, head, temporary, tail


def _until_reset(states: Sequence[State]) -> list[list[State]]:
    """Cut where temporary memory is dropped: after each operator's Prepare, and after the plan."""
    parts: list[list[State]] = [[]]
    for state in states:
        parts[-1].append(state)
        if state[0].section is Section.RESET:
            parts.append([])
    return parts


def _set_up(states: list[State]) -> tuple[list[State], list[list[State]]]:
    """What comes before the first operator is prepared, and its Prepare, which begins with temporary memory."""
    sections = [move.section for move, *_ in states]
    start = sections.index(Section.TEMP) if Section.TEMP in sections else len(states) - 1
    return states[:start], [states[start:]]


def _fullest(when: str, node: Node | None, states: Sequence[State]) -> Moment:
    _, head, temporary, tail = max(states, key=lambda state: sum(state[1:]))
    return Moment(when, node, head, temporary, tail)
