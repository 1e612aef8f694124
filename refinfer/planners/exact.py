"""Is there a placement within so many bytes? A search that ends with one, or with the proof that there is none.

Any placement can be pressed down until every buffer lies at 0 or on another. So it is enough to place buffers in the
order of their offsets, each as low as those below it let it: its *floor*, which rises as others are placed. What
remains is to choose, time and again, which buffer comes next, and to see early that a choice leads nowhere:

- At each step the buffers still to come lie above those placed, and above the lowest of their own floors: from there
  on all of their bytes must find room.
- A buffer must not come next if another fits wholly below it: that other one could have come before.
- Two buffers at the same offset come in one order only.
- If a choice that led nowhere had lifted no other buffer, it is not to blame, and nor is any other made in its place.
- Once no life connects two groups of buffers any more, each is a search of its own.

The rules, but for overlaps, are those of MiniMalloc: Moffitt, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning", ASPLOS 2023. Of two buffers that may overlap, the one below hides the other's
floor by `least` bytes only, and counts for no more than those at the steps that both live in.

Of buffers with equal floors the one comes first that is the hardest to place. Which that is cannot be seen beforehand;
so the search is begun many times, for a short while, and counts at which steps it found no more room. What lives there
goes first the next time, as in the weights of constraints (Boussemart et al., "Boosting systematic search by weighting
constraints", ECAI 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from refinfer.planners.fit import neighbours
from refinfer.planners.problem import Buffer, Offsets, Problem

DEEPEST = 600  # buffers of one search; each is a level of recursion
NOWHERE = -1  # lower than any offset
PLACED = 1 << 62  # the floor of a buffer that has its place: nothing lifts it
BEGINNING = 8  # choices for each buffer, until the search is begun anew


class Exhausted(Exception):
    """The search was given up: it had taken all the choices that it was allowed."""


class Budget:
    """How many choices are left to all searches together."""

    def __init__(self, choices: int) -> None:
        self.left = choices


def decide(
    problem: Problem, capacity: int, budget: Budget, share: int | None = None, ceilings: Sequence[int] | None = None
) -> Offsets | None:
    """Offsets with which `problem` fits `capacity` bytes; None if there are none.

    It must have neither fixed places nor exact pairs. With `ceilings`, each buffer must end no higher than its own,
    which is no higher than `capacity`. Raises Exhausted after `share` choices, or all in the budget.
    """
    ceilings = [capacity] * len(problem.buffers) if ceilings is None else ceilings
    if any(buffer.nbytes > ceiling for buffer, ceiling in zip(problem.buffers, ceilings, strict=True)):
        return None
    if len(problem.buffers) > DEEPEST:
        raise Exhausted
    share = budget.left if share is None else min(share, budget.left)
    search = Search(problem, capacity, ceilings)
    try:
        return search.run(share)
    finally:
        budget.left -= min(search.spent, share)


Measure = Callable[[int, Sequence[float]], float]
"""How hard a buffer is to place: by its size, and by how often there was no room at each of its sections."""

MEASURES: tuple[tuple[Measure, float], ...] = (
    (lambda nbytes, trouble: max(trouble), 0.5),
    (lambda nbytes, trouble: sum(trouble), 0.5),
    (lambda nbytes, trouble: nbytes * sum(trouble), 0.5),
)
"""... and how much of the trouble of one beginning counts in the next that has the same measure."""


class Search:
    """One decision. `floor` and the rest are kept by the index of a buffer, `rest` and `trouble` by that of a section.

    A section is a step, or a stretch of steps, at which it matters what lives. `rest` are the bytes still to be placed
    there; `witness` is a buffer still to be placed there that was seen to leave enough room for all of them.
    """

    def __init__(self, problem: Problem, capacity: int, ceilings: Sequence[int]) -> None:
        buffers = problem.buffers
        self.capacity, self.ceilings = capacity, ceilings
        self.spent, self.most = 0, 0
        self.buffers = buffers
        self.nbytes = [buffer.nbytes for buffer in buffers]
        self.sections = sections(buffers)
        self.spans = [span(buffer, self.sections) for buffer in buffers]
        self.cores = cores(problem, self.sections, self.spans)
        self.lifts = lifts(problem)
        self.above = [[each.above for each in problem.overlaps if each.below == index] for index in range(len(buffers))]
        self.floor = [0] * len(buffers)
        self.barred = [NOWHERE] * len(buffers)  # the highest offset that has been tried in vain for the buffer
        self.place = [NOWHERE] * len(buffers)
        self.rank = [0] * len(buffers)
        self.trail: list[tuple[list[int], int, int]] = []  # values that were changed, where, and what they were
        self.rest = [0] * len(self.sections)
        self.members: list[list[int]] = [[] for _ in self.sections]
        for index, (first, _) in enumerate(self.spans):
            for section, nbytes in enumerate(self.cores[index], first):
                self.rest[section] += nbytes
                self.members[section].append(index)
        self.witness = [members[0] for members in self.members]
        self.trouble = [0.0] * len(self.sections)

    def run(self, choices: int) -> Offsets | None:
        """Search, with many beginnings for half of the choices, and then to the end with what was learned."""
        if max(self.rest, default=0) > self.capacity:
            return None
        for most, measure in self._beginnings(choices):
            self.most = most
            self._rank(measure)
            try:
                return tuple(self.place) if self._solve_all() else None
            except Exhausted:
                self._take_back(0)
        raise Exhausted

    def _beginnings(self, choices: int) -> Iterator[tuple[int, Measure]]:
        """How many choices may be spent in all before the next beginning, and by what the buffers are ranked."""
        full = [100 * rest / self.capacity for rest in self.rest]
        lessons = [list(full) for _ in MEASURES]
        for (measure, kept), lesson in cycle(zip(MEASURES, lessons, strict=True)):
            self.trouble = lesson
            if self.spent >= choices // 2:
                break
            yield min(choices, self.spent + BEGINNING * len(self.nbytes)), measure
            lesson[:] = [kept * each for each in lesson]
        yield choices, MEASURES[0][0]

    def _rank(self, measure: Measure) -> None:
        def ease(index: int) -> tuple[float, int, int]:
            nbytes, (first, last), buffer = self.nbytes[index], self.spans[index], self.buffers[index]
            return -measure(nbytes, self.trouble[first : last + 1]), buffer.first - buffer.last, -nbytes

        for rank, index in enumerate(sorted(range(len(self.nbytes)), key=ease)):
            self.rank[index] = rank

    def _solve_all(self) -> bool:
        everything = sorted(range(len(self.nbytes)), key=self.spans.__getitem__)
        return all(self._solve(piece, 0) for piece in self._pieces(everything))

    def _pieces(self, indices: Sequence[int]) -> list[list[int]]:
        """`indices`, which are in the order of their spans, cut where no life goes on."""
        pieces: list[list[int]] = []
        reach = -1
        for index in indices:
            first, last = self.spans[index]
            if first > reach:
                pieces.append([])
            pieces[-1].append(index)
            if last > reach:
                reach = last
        return pieces

    def _solve(self, piece: Sequence[int], level: int) -> bool:
        """Place all of `piece` at `level` or above."""
        start = len(self.trail)
        for offset, _, index in self._candidates(piece, level):
            before = len(self.trail)
            lifted = self._put(index, offset)
            if lifted is not None:
                for part in self._pieces([each for each in piece if each != index]):
                    if not self._solve(part, offset):
                        break
                else:
                    return True
            self._take_back(before)
            if lifted == 0:
                break
            self._set(self.barred, index, offset)
        self._take_back(start)
        return False

    def _set(self, values: list[int], place: int, value: int) -> None:
        """Change a value so that it can be taken back."""
        self.trail.append((values, place, values[place]))
        values[place] = value

    def _take_back(self, length: int) -> None:
        """Undo all changes but the first `length`."""
        trail = self.trail
        while len(trail) > length:
            values, place, before = trail.pop()
            values[place] = before

    def _candidates(self, piece: Sequence[int], level: int) -> list[tuple[int, int, int]]:
        """Which may come next, as (offset, rank, index); none if one of them cannot be placed any more."""
        floor, nbytes, capacity = self.floor, self.nbytes, self.capacity
        first, last = self.spans[piece[0]][0], max([self.spans[index][1] for index in piece])
        highest = capacity - max(self.rest[first : last + 1])
        lowest_end = capacity
        found = []
        for index in piece:
            offset = floor[index]
            end = offset + nbytes[index]
            if end < lowest_end:
                lowest_end = end
            if offset < level or offset <= self.barred[index]:  # another must lift it first
                if max(offset, level) + nbytes[index] > self.ceilings[index]:
                    return []
            elif offset <= highest:
                found.append((offset, self.rank[index], index))
        return sorted([each for each in found if each[0] < lowest_end])

    def _put(self, index: int, offset: int) -> int | None:
        """Place a buffer; how many others that lifts, None if they cannot all be placed any more."""
        self.spent += 1
        if self.spent > self.most:
            raise Exhausted
        floor, nbytes, spans, rest, trail = self.floor, self.nbytes, self.spans, self.rest, self.trail
        ceilings = self.ceilings
        self._set(self.place, index, offset)
        self._set(floor, index, PLACED)
        low, high = spans[index]
        for section, core in enumerate(self.cores[index], low):
            trail.append((rest, section, rest[section]))
            rest[section] -= core
        lifted = 0
        for other, lift in self.lifts[index]:
            before, after = floor[other], offset + lift
            if before < after:
                lifted += 1
                trail.append((floor, other, before))
                floor[other] = after
                first, last = spans[other]
                if after + nbytes[other] > ceilings[other]:
                    for section in range(first, last + 1):
                        self.trouble[section] += 1 / (last + 1 - first)
                    return None
                low, high = min(low, first), max(high, last)
        for other in self.above[index]:  # at the same offset, this one must come first: it had no chance before
            self._set(self.barred, other, NOWHERE)
        return lifted if self._have_room(low, high) else None

    def _have_room(self, low: int, high: int) -> bool:
        """Whether the buffers still to come have room above the lowest floor among them, from section to section."""
        floor, rest, witness, capacity = self.floor, self.rest, self.witness, self.capacity
        for section in range(low, high + 1):
            if rest[section] and floor[witness[section]] + rest[section] > capacity:
                lowest = witness[section] = min(self.members[section], key=floor.__getitem__)
                if floor[lowest] + rest[section] > capacity:
                    self.trouble[section] += 1
                    return False
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
