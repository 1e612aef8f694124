"""Is there a placement within so many bytes? A search that ends with one, or with the proof that there is none.

Any placement can be pressed down until every buffer lies at 0 or on another. So it is enough to place buffers in the
order of their offsets, each as low as those below it let it: its *floor*, which rises as others are placed. What
remains is to choose, time and again, which buffer comes next, and to see early that a choice leads nowhere:

- At each step the buffers still to come lie above those placed, so that all of their bytes must find room there.
- A buffer must not come next if another fits wholly below it: that other one could have come before.
- Two buffers at the same offset come in one order only.
- Once no life connects two groups of buffers any more, each is a search of its own.

The rules, but for overlaps and the last one, are those of MiniMalloc: Moffitt, "MiniMalloc: A Lightweight Memory
Allocator for Hardware-Accelerated Machine Learning", ASPLOS 2023. Of two buffers that may overlap, the one below
hides the other's floor by `least` bytes only, and counts for no more than those at the steps that both live in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from refinfer.planners.fit import neighbours
from refinfer.planners.problem import Buffer, Offsets, Problem

DEEPEST = 400  # buffers of one search; each is a level of recursion
NOWHERE = -1  # lower than any offset


class Exhausted(Exception):
    """The search was given up: it had taken all the choices that it was allowed."""


class Budget:
    """How many choices are left to all searches together."""

    def __init__(self, choices: int) -> None:
        self.left = choices


def decide(problem: Problem, capacity: int, budget: Budget, share: int | None = None) -> Offsets | None:
    """Offsets with which `problem` fits `capacity` bytes; None if there are none.

    It must have neither fixed places nor exact pairs. Raises Exhausted after `share` choices, or all in the budget.
    Which buffer is tried first matters for how soon an answer is found: each of several ways has a part of the choices.
    """
    if any(buffer.nbytes > capacity for buffer in problem.buffers):
        return None
    if len(problem.buffers) > DEEPEST:
        raise Exhausted
    share = budget.left if share is None else min(share, budget.left)
    for urgency, part in URGENCIES:
        try:
            return _search(Search(problem, capacity, share // part, urgency), budget)
        except Exhausted:
            continue
    raise Exhausted


def _search(search: Search, budget: Budget) -> Offsets | None:
    granted = search.choices
    try:
        return search.run()
    finally:
        budget.left -= granted - max(search.choices, 0)


Urgency = Callable[[Buffer, int], float]
"""How soon a buffer comes, the lowest first, by itself and by the bytes that live with it at all of its sections."""

URGENCIES: tuple[tuple[Urgency, int], ...] = (
    (lambda buffer, total: -buffer.nbytes * (buffer.last - buffer.first + 1), 8),
    (lambda buffer, total: -buffer.nbytes, 8),
    (lambda buffer, total: buffer.first, 8),
    (lambda buffer, total: -total, 2),
)
"""... and which part of the choices each has: the last has the most, to end with a proof."""


class Search:
    """One decision. `floor` and the rest are kept by the index of a buffer, `rest` and `top` by that of a section.

    A section is a step, or a stretch of steps, at which it matters what lives. `rest` are the bytes still to be placed
    there, `top` is the end of what is placed.
    """

    def __init__(self, problem: Problem, capacity: int, choices: int, urgency: Urgency) -> None:
        buffers = problem.buffers
        self.capacity, self.choices = capacity, choices
        self.nbytes = [buffer.nbytes for buffer in buffers]
        self.sections = sections(buffers)
        self.spans = [span(buffer, self.sections) for buffer in buffers]
        self.cores = cores(problem, self.sections, self.spans)
        self.lifts = lifts(problem)
        self.above = [[each.above for each in problem.overlaps if each.below == index] for index in range(len(buffers))]
        self.floor = [0] * len(buffers)
        self.barred = [NOWHERE] * len(buffers)  # the highest offset that has been tried in vain for the buffer
        self.place = [NOWHERE] * len(buffers)
        self.trail: list[tuple[list[int], int, int]] = []  # values that were changed, where, and what they were
        self.top = [0] * len(self.sections)
        self.rest = [0] * len(self.sections)
        for index, (first, _) in enumerate(self.spans):
            for section, nbytes in enumerate(self.cores[index], first):
                self.rest[section] += nbytes
        urgencies = [
            urgency(buffer, sum(self.rest[first : last + 1]))
            for buffer, (first, last) in zip(buffers, self.spans, strict=True)
        ]
        ranked = sorted(range(len(buffers)), key=urgencies.__getitem__)
        self.rank = {index: rank for rank, index in enumerate(ranked)}

    def run(self) -> Offsets | None:
        """Search."""
        if max(self.rest, default=0) > self.capacity:
            return None
        everything = sorted(range(len(self.nbytes)), key=lambda index: self.spans[index])
        if not all(self._solve(piece, 0) for piece in self._pieces(everything)):
            return None
        return tuple(self.place)

    def _pieces(self, indices: Sequence[int]) -> list[list[int]]:
        """`indices`, which are in the order of their spans, cut where no life goes on."""
        pieces: list[list[int]] = []
        reach = -1
        for index in indices:
            first, last = self.spans[index]
            if first > reach:
                pieces.append([])
            pieces[-1].append(index)
            reach = max(reach, last)
        return pieces

    def _solve(self, piece: Sequence[int], level: int) -> bool:
        """Place all of `piece` at `level` or above."""
        if not piece:
            return True
        self.choices -= 1
        if self.choices < 0:
            raise Exhausted
        start = len(self.trail)
        for offset, _, index in self._candidates(piece, level):
            before = len(self.trail)
            if self._put(index, offset):
                rest = [each for each in piece if each != index]
                if all(self._solve(part, offset) for part in self._pieces(rest)):
                    return True
            self._take_back(before)
            self._set(self.barred, index, offset)
        self._take_back(start)
        return False

    def _set(self, values: list[int], place: int, value: int) -> None:
        """Change a value so that it can be taken back."""
        self.trail.append((values, place, values[place]))
        values[place] = value

    def _take_back(self, length: int) -> None:
        """Undo all changes but the first `length`."""
        while len(self.trail) > length:
            values, place, before = self.trail.pop()
            values[place] = before

    def _candidates(self, piece: Sequence[int], level: int) -> list[tuple[int, int, int]]:
        """Which may come next, as (offset, rank, index); none if one of them cannot be placed any more."""
        floor, nbytes, capacity = self.floor, self.nbytes, self.capacity
        first, last = self.spans[piece[0]][0], max(self.spans[index][1] for index in piece)
        highest = capacity - max(self.rest[first : last + 1])
        lowest_end = capacity
        found = []
        for index in piece:
            offset = floor[index]
            end = offset + nbytes[index]
            lowest_end = min(lowest_end, end)
            if offset < level or offset <= self.barred[index]:  # another must lift it first
                if max(offset, level) + nbytes[index] > capacity:
                    return []
            elif end > capacity:
                return []
            elif offset <= highest:
                found.append((offset, self.rank[index], index))
        return sorted(each for each in found if each[0] < lowest_end)

    def _put(self, index: int, offset: int) -> bool:
        """Place a buffer; whether all others still can be."""
        rest, top, floor = self.rest, self.top, self.floor
        self._set(self.place, index, offset)
        for section, core in enumerate(self.cores[index], self.spans[index][0]):
            self._set(rest, section, rest[section] - core)
            if offset + core > top[section]:
                self._set(top, section, offset + core)
            if rest[section] and max(top[section], offset) + rest[section] > self.capacity:
                return False
        for other, lift in self.lifts[index]:
            if self.place[other] == NOWHERE and offset + lift > floor[other]:
                self._set(floor, other, offset + lift)
        for other in self.above[index]:  # at the same offset, this one must come first: it had no chance before
            self._set(self.barred, other, NOWHERE)
        return True


def sections(buffers: Sequence[Buffer]) -> list[int]:
    """A step for each section: those at which a buffer starts, which is where the most may be alive."""
    return sorted({buffer.first for buffer in buffers})


def span(buffer: Buffer, steps: Sequence[int]) -> tuple[int, int]:
    """The first and the last section in which `buffer` lives."""
    inside = [section for section, step in enumerate(steps) if buffer.first <= step <= buffer.last]
    return inside[0], inside[-1]


def cores(problem: Problem, steps: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each buffer and section the bytes that it shares with none that is placed after it."""
    found = [[buffer.nbytes] * (last - first + 1) for buffer, (first, last) in zip(problem.buffers, spans, strict=True)]
    for each in problem.overlaps:
        first = max(spans[each.above][0], spans[each.below][0])
        last = min(spans[each.above][1], spans[each.below][1])
        own = min(each.least, problem.buffers[each.below].nbytes)
        for section in range(first, last + 1):
            place = section - spans[each.below][0]
            found[each.below][place] = min(found[each.below][place], own)
    return found


def lifts(problem: Problem) -> list[list[tuple[int, int]]]:
    """For each buffer, how far above it those that live with it must lie at least, if they are placed after it."""
    buffers = problem.buffers
    least = {(each.below, each.above): each.least for each in problem.overlaps}
    return [
        [(other, min(buffers[index].nbytes, least.get((index, other), buffers[index].nbytes))) for other in others]
        for index, others in enumerate(neighbours(buffers))
    ]
