"""Parts of a problem that need no search: pairs that are one, and buffers that always find room."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

from refinfer.planners.fit import neighbours
from refinfer.planners.problem import ALIGNMENT, Buffer, Offsets, Overlap, Problem


class United(NamedTuple):
    """A smaller problem, and for each buffer of the larger one the buffer that stands for it."""

    problem: Problem
    stands_for: tuple[int, ...]

    def unfold(self, offsets: Offsets) -> Offsets:
        """The offsets of all buffers of the larger problem."""
        return tuple(offsets[each] for each in self.stands_for)


def whole(problem: Problem) -> United:
    """The problem as it is."""
    return United(problem, tuple(range(len(problem.buffers))))


MOST_READINGS = 8


def readings(problem: Problem) -> tuple[list[United], bool]:
    """Ways to read the problem without exact pairs, each pair as one buffer or as two; and whether those are all ways.

    If there are many, all pairs are one, or none is.
    """
    exact = [each for each in problem.overlaps if each.exact]
    pairs = [each for each in exact if _is_one(problem.buffers, each)]
    choices: list[list[Overlap]] = [[]]
    for pair in pairs if 1 << len(pairs) <= MOST_READINGS else []:
        choices += [[*each, pair] for each in choices]
    whole = len(pairs) == len(exact) and len(choices) == 1 << len(pairs)
    if not whole:
        choices = [[], pairs]
    return [unite(problem, each) for each in reversed(choices)], whole


def _is_one(buffers: Sequence[Buffer], pair: Overlap) -> bool:
    return pair.least == 0 and buffers[pair.above].nbytes == buffers[pair.below].nbytes


def unite(problem: Problem, pairs: Sequence[Overlap]) -> United:
    """Of each of `pairs` make one buffer, which lives as long as they both do; other exact pairs do not overlap.

    A pair stays two where others that are not one with both would lie there with it. Such a buffer may overlap another
    if all parts of it that meet that one may.
    """
    buffers, overlaps = problem
    exact = {frozenset((each.above, each.below)) for each in pairs}
    leader = list(range(len(buffers)))
    for each in pairs:
        one, two = _leader(leader, each.above), _leader(leader, each.below)
        both = [index for index in range(len(buffers)) if _leader(leader, index) in (one, two)]
        if all(frozenset(pair) in exact or not _meet(buffers, *pair) for pair in combinations(both, 2)):
            leader[max(one, two)] = min(one, two)
    groups = [_leader(leader, index) for index in range(len(buffers))]
    places = {group: place for place, group in enumerate(sorted(set(groups)))}
    stands_for = tuple(places[group] for group in groups)
    members: list[list[int]] = [[] for _ in places]
    for index, place in enumerate(stands_for):
        members[place].append(index)
    united = tuple(
        Buffer(
            buffers[each[0]].nbytes,
            min(buffers[part].first for part in each),
            max(buffers[part].last for part in each),
        )
        for each in members
    )
    least = {(each.above, each.below): each.least for each in overlaps if not each.exact}
    kept = []
    for above, below in sorted({(stands_for[each.above], stands_for[each.below]) for each in overlaps}):
        meetings = [
            least.get((one, two)) for one, two in product(members[above], members[below]) if _meet(buffers, one, two)
        ]
        distances = [each for each in meetings if each is not None]
        if above != below and len(distances) == len(meetings):
            kept.append(Overlap(above, below, max(distances)))
    return United(Problem(united, tuple(kept)), stands_for)


def _meet(buffers: Sequence[Buffer], one: int, two: int) -> bool:
    return buffers[one].first <= buffers[two].last and buffers[two].first <= buffers[one].last


def _leader(leader: Sequence[int], index: int) -> int:
    while leader[index] != index:
        index = leader[index]
    return index


def peel(buffers: Sequence[Buffer], capacity: int, grain: int = ALIGNMENT) -> tuple[list[int], list[int]]:
    """Which buffers are to be placed first, and then the others, which find room within `capacity` in their order.

    Each of those around a buffer keeps it from no more places than both are long together, less one. All offsets are
    multiples of `grain`.
    """
    around = neighbours(buffers)
    blocked = [
        sum(buffers[other].nbytes + buffers[index].nbytes - grain for other in around[index])
        for index in range(len(buffers))
    ]
    easy: list[int] = []
    is_easy = [False] * len(buffers)
    waiting = list(range(len(buffers)))
    while waiting:
        index = waiting.pop()
        nbytes = buffers[index].nbytes
        if is_easy[index] or (nbytes and blocked[index] >= capacity // grain * grain - nbytes + grain):
            continue
        is_easy[index] = True
        easy.append(index)
        for other in around[index]:
            blocked[other] -= nbytes + buffers[other].nbytes - grain
            waiting.append(other)
    return [index for index in range(len(buffers)) if not is_easy[index]], easy[::-1]
