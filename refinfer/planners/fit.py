"""First fit and best fit: each buffer in turn goes to a gap among those before it, overlaps allowed where a pair may.

What differs is the order of the buffers, and which gap is taken. None of them is optimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from refinfer.planners.problem import Buffer, Offsets, Overlap, Problem

Gaps = Iterable[tuple[int, int | None]]  # addresses where a buffer may start: first and last, None for no end
Choice = Callable[[Gaps], int]


def neighbours(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer those that live at a step at which it lives."""
    found: list[list[int]] = [[] for _ in buffers]
    alive: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda index: buffers[index].first):
        alive = [each for each in alive if buffers[each].last >= buffers[index].first]
        for each in alive:
            found[each].append(index)
            found[index].append(each)
        alive.append(index)
    return found


def by_pair(overlaps: Iterable[Overlap]) -> dict[tuple[int, int], Overlap]:
    """The overlap of two buffers, whichever is named first."""
    return {pair: each for each in overlaps for pair in ((each.above, each.below), (each.below, each.above))}


def forbidden(
    index: int, nbytes: int, other: int, offset: int, other_nbytes: int, overlap: Overlap | None
) -> tuple[tuple[int, int], ...]:
    """Where buffer `index` must not start as `other` is at `offset`: stretches, both ends excluded."""
    low, high = offset - nbytes, offset + other_nbytes
    if overlap is None:
        return ((low, high),)
    if overlap.above == index:
        place, upwards = offset + overlap.least, True
    else:
        place, upwards = offset - overlap.least, False
    below, above = (low, min(place, high)), (max(place, low), high)
    allowed_on = () if overlap.exact else (above if upwards else below,)
    return tuple(each for each in (below, above) if each not in allowed_on and each[0] < each[1])


def gaps(blocked: Iterable[tuple[int, int]]) -> Gaps:
    """What the stretches leave of all addresses from 0 on, from the lowest on."""
    start = 0
    for low, high in sorted(blocked):
        if low >= start:
            yield start, low
        start = max(start, high)
    yield start, None


def lowest(gaps: Gaps) -> int:
    """First fit."""
    return next(iter(gaps))[0]


def tightest(gaps: Gaps) -> int:
    """Best fit: the start of the smallest gap; the last, which has no end, is taken if there is no other."""
    sized = [(end - start, start) if end is not None else (1 << 62, start) for start, end in gaps]
    return min(sized)[1]


def place_in_order(problem: Problem, order: Iterable[int], choose: Choice = lowest) -> Offsets:
    """The buffers with a fixed place there; then those of `order`, each where `choose` says."""
    return Fit(problem).place(order, choose)


class Fit:
    """A problem made ready to be tried with many orders."""

    def __init__(self, problem: Problem) -> None:
        self.buffers = problem.buffers
        self.neighbours = neighbours(problem.buffers)
        self._overlaps = by_pair(problem.overlaps)

    def place(self, order: Iterable[int], choose: Choice = lowest) -> Offsets:
        """Where the buffers go."""
        places: list[int | None] = [buffer.offset for buffer in self.buffers]
        for index in order:
            if places[index] is None:
                places[index] = choose(gaps(self._blocked(index, places)))
        return tuple(place if place is not None else 0 for place in places)

    def _blocked(self, index: int, places: Sequence[int | None]) -> list[tuple[int, int]]:
        nbytes, overlaps = self.buffers[index].nbytes, self._overlaps
        blocked: list[tuple[int, int]] = []
        for other in self.neighbours[index]:
            offset = places[other]
            if offset is None:
                continue
            if overlaps and (index, other) in overlaps:
                pair = overlaps[index, other]
                blocked += forbidden(index, nbytes, other, offset, self.buffers[other].nbytes, pair)
            else:
                blocked.append((offset - nbytes, offset + self.buffers[other].nbytes))
        return blocked


def by_size(buffers: Sequence[Buffer]) -> list[int]:
    """The largest first; of equal ones the earlier."""
    return sorted(range(len(buffers)), key=lambda index: (-buffers[index].nbytes, buffers[index].first))


def by_start(buffers: Sequence[Buffer]) -> list[int]:
    """In the order in which they come to life; of several at once the largest first."""
    return sorted(range(len(buffers)), key=lambda index: (buffers[index].first, -buffers[index].nbytes))


def by_end(buffers: Sequence[Buffer]) -> list[int]:
    """Against time: the last to die first. An output is then placed before the input that may lie above it."""
    return sorted(range(len(buffers)), key=lambda index: (-buffers[index].last, -buffers[index].first))


def by_area(buffers: Sequence[Buffer]) -> list[int]:
    """The most bytes times steps first."""
    return sorted(
        range(len(buffers)),
        key=lambda index: -buffers[index].nbytes * (buffers[index].last - buffers[index].first + 1),
    )


ORDERS: tuple[Callable[[Sequence[Buffer]], list[int]], ...] = (by_size, by_start, by_end, by_area)
