"""The arena as a sequence of moves, and what sizes of it work.

An arena is one block of bytes. The *tail* grows down from its end and keeps what is persistent. The *head* grows up
from its start; while the model is prepared it holds requests for scratch buffers, in the end the planned buffers.
Above the head is a stack of *temporary* memory. Source:
tensorflow/lite/micro/arena_allocator/single_arena_buffer_allocator.cc.

Addresses here count from the last multiple of 16 at or below the end of the arena, so the tail's are negative, and
do not depend on how large the arena is: only on what remains when its size is divided by 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT


class Section(Enum):
    """What a move does to the arena."""

    TAIL = "tail"  # allocate for good
    HEAD = "head"  # resize the head, which drops all temporary memory
    TEMP = "temp"  # push on the temporary stack
    RESET = "reset"  # drop all temporary memory
    PLAN = "plan"  # take all that is left between temp and tail for the planner, which needs `nbytes` of it


class Move(NamedTuple):
    """One call of the arena's allocator: what for, how much, and who asked.

    `category` is the line of TFLM's own report that counts it, if any, and `items` how many things it counts there.
    """

    section: Section
    what: str
    nbytes: int = 0
    align: int = 1
    source: str = ""
    category: str | None = None
    items: int = 1
    subgraph: int | None = None
    op: int | None = None
    tensor: int | None = None


class Need(NamedTuple):
    """The smallest arena that lets every move succeed, and the move that sets it."""

    nbytes: int
    move: Move


class Extent(NamedTuple):
    """What is needed below the last multiple of 16, the move that needs it, and what is in use after all moves."""

    nbytes: int
    move: Move
    tail: int
    head: int
    temp: int


def tail_used(moves: Sequence[Move], size: int = 0) -> list[int]:
    """For each move the tail bytes in use after it, in an arena whose size leaves the same remainder as `size`."""
    top = size % ALIGNMENT
    tail = top
    used = []
    for move in moves:
        if move.section is Section.TAIL:
            tail = _tail_after(tail, move)
        used.append(top - tail)
    return used


def smallest_safe(moves: Sequence[Move]) -> Need:
    """The smallest arena in which every move succeeds and the tail never reaches into live temporary memory.

    The arena starts at a multiple of 16. Exact to the byte: each of the 16 remainders is tried.
    """
    needs = (
        Need(round_up(found.nbytes, ALIGNMENT) + remainder, found.move)  # the smallest size with this remainder
        for remainder, found in enumerate(extents(moves))
    )
    return min(needs, key=lambda need: need.nbytes)


def extents(moves: Sequence[Move]) -> tuple[Extent, ...]:
    """What `moves` need in an empty arena, for each remainder that its size may leave when it is divided by 16.

    The first thing in the tail that is aligned to 16 makes all remainders equal; what comes after it is walked once.
    """
    equal = (place for place, move in enumerate(moves, 1) if move.section is Section.TAIL and move.align == ALIGNMENT)
    split = next(equal, len(moves))
    starts = tuple(extent(moves[:split], remainder) for remainder in range(ALIGNMENT))
    if split == len(moves):
        return starts
    rest = extent(moves[split:], 0, starts[0].head, starts[0].temp)
    return tuple(_one_after_the_other(start, rest) for start in starts)


def _one_after_the_other(start: Extent, rest: Extent) -> Extent:
    """All of it; `rest` counts from where the tail is after `start`."""
    nbytes, move = start.nbytes, start.move
    if rest.nbytes - start.tail > nbytes:
        nbytes, move = rest.nbytes - start.tail, rest.move
    return Extent(nbytes, move, start.tail + rest.tail, rest.head, rest.temp)


def extent(moves: Sequence[Move], tail: int, head: int = 0, temp: int = 0) -> Extent:
    """Make `moves` in an arena of which that much is in use."""
    most, binding = 0, moves[0]
    for move in moves:
        match move.section:
            case Section.TAIL:
                tail = _tail_after(tail, move)
                top = temp
            case Section.HEAD:
                head = temp = top = move.nbytes
            case Section.TEMP:
                temp = top = round_up(temp, move.align) + move.nbytes
            case Section.PLAN:
                top = round_up(temp, ALIGNMENT) + move.nbytes + tail % ALIGNMENT
            case Section.RESET:
                temp = top = head
        if top - tail > most:
            most, binding = top - tail, move
    return Extent(most, binding, tail, head, temp)


def passes(moves: Sequence[Move], size: int) -> bool:
    """Whether TFLM's own checks let every move through in an arena of `size` bytes that starts at a multiple of 16.

    They miss two things: a tail allocation is compared with the head alone, so it may land on live temporary
    memory; and what is left for temporary memory is unsigned, so it looks huge once the stack is past the tail.
    """
    whole = size - size % ALIGNMENT
    tail, head, temp = size % ALIGNMENT, 0, 0
    for move in moves:
        match move.section:
            case Section.TAIL:
                tail = _tail_after(tail, move)
                if whole + tail < head:
                    return False
            case Section.HEAD:
                if whole + tail < move.nbytes:
                    return False
                head = temp = move.nbytes
            case Section.TEMP:
                start = round_up(temp, move.align)
                if 0 <= whole + tail - start < move.nbytes:
                    return False
                temp = start + move.nbytes
            case Section.PLAN:
                left = whole + tail - tail % ALIGNMENT - round_up(temp, ALIGNMENT)
                if 0 <= left < move.nbytes:
                    return False
            case Section.RESET:
                temp = head
    return True


def smallest_passing(moves: Sequence[Move], safe: int) -> int:
    """The smallest arena below `safe` from which on TFLM's own checks pass; `safe` where the two agree."""
    low, high = safe - 1, safe  # invariant of the search: `high` passes
    while low > 0 and passes(moves, low):
        high, low = low, low - 1
    return high


def _tail_after(tail: int, move: Move) -> int:
    return (tail - move.nbytes) // move.align * move.align
