"""The lowest placement that can be found, a bound that none can undercut, and whether the two meet.

What is easy goes first. Buffers that may only lie exactly on one another are tried as one. A buffer that always finds
room, however unluckily those around it lie, waits until they are placed. A first answer comes from first fit in
several orders. Then follow rounds, each with more work than the one before: the search of `exact.py` tries what is
lower, from the bound upwards and by halves, and what it refutes raises the bound; then buffers are shifted in the
orders that did best. No clock is looked at unless there is a deadline, so that the same problem has the same answer on
every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count, product
from math import gcd
from random import Random
from time import monotonic
from typing import NamedTuple

from refinfer.planners.exact import Budget, Exhausted, decide
from refinfer.planners.fit import ORDERS, Choice, Fit, lowest, neighbours, place_in_order, tightest
from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import Buffer, Offsets, Overlap, Problem, height, lower_bound
from refinfer.planners.reduce import United, peel, readings, whole

TOLERANCE = 15  # one part in so many may a placement be worse than the one before, at first
SHARE, ORDERS_AT_FIRST, GROWTH = 1_000, 160, 4  # choices of a decision, orders of a walk; and from round to round
LOWERINGS = 8  # the part of all choices that a decision about a ceiling may take
MOST_LOOKS = 10_000_000  # from one buffer to another, in all orders that are tried
MOST = 10_000  # buffers, and ...
MANY_PAIRS = 500_000  # ... pairs of them that live together: from there on, greedy alone is fast enough

STARTS = tuple(product(ORDERS, (lowest, tightest)))


class Effort(NamedTuple):
    """How much work may be done: orders that are tried, choices of all searches, and seconds, if that matters."""

    orders: int = 4_000
    choices: int = 200_000
    seconds: float | None = None


class Solution(NamedTuple):
    """Offsets, the bytes that they take, and how low any placement can be at best."""

    offsets: Offsets
    height: int
    lower_bound: int

    @property
    def proven(self) -> bool:
        """Whether none is lower."""
        return self.height == self.lower_bound


def solve(problem: Problem, effort: Effort = Effort(), seed: int = 0) -> Solution:  # noqa: B008  # it is frozen
    """The best placement that `effort` finds; never higher than greedy's. Fixed places are kept.

    More effort never finds a worse one: what is done is the same up to where less of it ends.
    """
    best = Best(problem)
    if best.height > best.bound and is_tractable(problem.buffers):
        fit = Fit(problem)
        orders = min(effort.orders, MOST_LOOKS // (1 + sum(map(len, fit.neighbours))))
        work = Work(effort._replace(orders=orders))
        for order, choose in STARTS:
            best.offer(fit.place(order(problem.buffers), choose))
        with suppress(Spent):
            for number in count():
                if best.height <= best.bound:
                    break
                _round(problem, best, work, GROWTH**number, seed + number)
    return Solution(best.offsets, best.height, min(best.bound, best.height))


def _round(problem: Problem, best: Best, work: Work, size: int, seed: int) -> None:
    """Decide about heights, then walk from order to order."""
    _search(problem, best, work, SHARE * size)
    for united in dict.fromkeys((whole(problem), *readings(problem)[0][:1])):
        orders = work.take(ORDERS_AT_FIRST * size)
        for offsets in shifted(Fit(united.problem), best.bound, orders, work, seed):
            best.offer(united.unfold(offsets))


def is_tractable(buffers: Sequence[Buffer]) -> bool:
    """Whether there is anything to decide, and not too much."""
    together = sum(map(len, neighbours(buffers))) if len(buffers) <= MOST else MANY_PAIRS + 1
    return together <= MANY_PAIRS and all(each.offset is None for each in buffers)


class Best:
    """The best placement so far, and what none can undercut."""

    def __init__(self, problem: Problem) -> None:
        self._buffers = problem.buffers
        self.bound = lower_bound(*problem)
        self.offsets = place_greedily(problem.buffers)
        self.height = height(problem.buffers, self.offsets)

    def offer(self, offsets: Offsets) -> None:
        """Keep `offsets` if they are better."""
        found = height(self._buffers, offsets)
        if found < self.height:
            self.offsets, self.height = offsets, found


class Spent(Exception):
    """What there was of effort is not enough for what was to be done next."""


class Work:
    """What is left of an effort. Nothing is begun that cannot be done to its end, but for the time."""

    def __init__(self, effort: Effort) -> None:
        self._orders, self.budget = effort.orders, Budget(effort.choices)
        self._end = None if effort.seconds is None else monotonic() + effort.seconds

    def take(self, orders: int) -> int:
        """So many orders."""
        if self._orders < orders:
            raise Spent
        self._orders -= orders
        return orders

    def begin(self, choices: int = 0) -> None:
        """Before anything that takes so many choices at most."""
        if self.budget.left < choices or (self._end is not None and monotonic() >= self._end):
            raise Spent


def _search(problem: Problem, best: Best, work: Work, share: int) -> None:
    """Search in each reading of the exact pairs; what all of them refute is a bound, if those are all that there is."""
    ways, all_of_them = readings(problem)
    bounds = []
    for way in ways:
        if best.height > best.bound:
            bounds.append(_narrow(way, best, work, share))
    if all_of_them and len(bounds) == len(ways):
        best.bound = max(best.bound, min(bounds))


def _narrow(united: United, best: Best, work: Work, share: int) -> int:
    """Decide about heights from the bound up to the best; the lowest that is not refuted.

    Only what lies at the bound itself is a proof; above a height that was given up on, better placements are sought.
    """
    step = grain(united.problem)
    low = bound = best.bound
    while low < best.height:
        capacity = low if low == bound else (low + best.height - step) // 2 // step * step
        capacity = max(low, min(capacity, best.height - step))
        work.begin(share)
        try:
            offsets = fits(united.problem, capacity, work.budget, share)
        except Exhausted:
            low = capacity + step
            continue
        if offsets is not None:
            best.offer(united.unfold(offsets))
        elif low == bound:
            low = bound = capacity + step
        else:
            low = capacity + step
    return bound


def grain(problem: Problem) -> int:
    """What all sizes and distances, and so all offsets that matter, are multiples of."""
    return gcd(*(each.nbytes for each in problem.buffers), *(each.least for each in problem.overlaps))


def fits(problem: Problem, capacity: int, budget: Budget, share: int | None = None) -> Offsets | None:
    """Offsets with which the problem fits `capacity` bytes, if it does; raises Exhausted as `decide` does."""
    hard, easy = peel(problem.buffers, capacity, grain(problem))
    places = {index: place for place, index in enumerate(hard)}
    kept = tuple(
        Overlap(places[each.above], places[each.below], each.least)
        for each in problem.overlaps
        if each.above in places and each.below in places
    )
    found = decide(Problem(tuple(problem.buffers[index] for index in hard), kept), capacity, budget, share)
    if found is None:
        return None
    fixed = list(problem.buffers)
    for index, offset in zip(hard, found, strict=True):
        fixed[index] = fixed[index]._replace(offset=offset)
    return place_in_order(problem._replace(buffers=tuple(fixed)), easy)


def lowered(problem: Problem, capacity: int, some: int, floor: int, effort: Effort) -> Offsets | None:
    """Offsets within `capacity` with which the first `some` buffers end as low as can be found; None if not below it.

    They are known not to end below `floor`. Exact pairs are read as one buffer if they can be.
    """
    united = readings(problem)[0][0]
    step, budget, found = grain(united.problem), Budget(effort.choices), None
    low, high = floor, capacity
    while low < high and budget.left:
        ceiling = low if low == floor else (low + high) // 2 // step * step
        ceilings = [capacity] * len(united.problem.buffers)
        for index in united.stands_for[:some]:
            ceilings[index] = ceiling
        try:
            offsets = decide(united.problem, capacity, budget, effort.choices // LOWERINGS, ceilings)
        except Exhausted:
            offsets = None
        if offsets is None:
            low = max(ceiling, low) + step
        else:
            found, high = united.unfold(offsets), ceiling
    return found


def shifted(fit: Fit, bound: int, orders: int, work: Work, seed: int) -> Iterator[Offsets]:
    """Better and better placements: what lies on top, or beside it, is placed earlier than it was.

    Each of the usual orders is a start; half of the work goes on from where the best of them led.
    """
    random = Random(seed)
    ends = []
    for order, choose in STARTS:
        walk = Walk(fit, order(fit.buffers), choose, random)
        yield from walk.go(orders // (2 * len(STARTS)), bound, work)
        ends.append(walk)
    yield from min(ends, key=lambda walk: walk.height).go(orders // 2, bound, work)


class Walk:
    """From one order to the next."""

    def __init__(self, fit: Fit, order: list[int], choose: Choice, random: Random) -> None:
        self._fit, self._order, self._choose, self._random = fit, order, choose, random
        self._offsets = fit.place(order, choose)
        self.height = height(fit.buffers, self._offsets)

    def go(self, orders: int, bound: int, work: Work) -> Iterator[Offsets]:
        """Try so many orders; what is better than all before is told.

        Orders that are a little worse are gone on from too, less and less so.
        """
        lowest_yet = self.height
        for number in range(orders):
            if lowest_yet <= bound:
                return
            work.begin()
            order = self._changed()
            offsets = self._fit.place(order, self._choose)
            found = height(self._fit.buffers, offsets)
            if found <= self.height + lowest_yet * (orders - number) // (orders * TOLERANCE):
                self._order, self._offsets, self.height = order, offsets, found
            if found < lowest_yet:
                lowest_yet = found
                yield offsets

    def _changed(self) -> list[int]:
        buffers, random = self._fit.buffers, self._random
        on_top = [each for each, start in enumerate(self._offsets) if start + buffers[each].nbytes == self.height]
        index = random.choice(on_top)
        index = random.choice([index, *self._fit.neighbours[index]])
        place = self._order.index(index)
        order = self._order[:place] + self._order[place + 1 :]
        order.insert(random.randrange(place) if place else random.randrange(len(self._order)), index)
        return order
