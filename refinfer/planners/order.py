"""In which order tasks take the least memory at once.

A task needs what others have made before it can run. What is made lives until the last that needs it has run, and
while a task runs, all that it needs and makes is there. Orders are built task by task, all at the same time: of those
that have run the same tasks, in whatever order, only the one with the lowest peak can become the best. Where there are
too many, the best so far are kept, and the answer is no longer proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

WIDTH = 500  # sets of tasks of one size that are kept
MOST_RUNS = 200_000  # that are tried in all, or a width at least of each size


class Task(NamedTuple):
    """What runs at once: the indices of the things that it needs and makes, and of tasks that must run before it.

    `extra` bytes are its own while it runs. Of what it makes, so many bytes may lie on a thing in `shared` if that is
    needed no more.
    """

    needs: tuple[int, ...]
    makes: tuple[int, ...]
    after: tuple[int, ...] = ()
    extra: int = 0
    shared: tuple[tuple[int, int], ...] = ()


class Things(NamedTuple):
    """The sizes of things, those that are there at the start, and those that must be there in the end."""

    nbytes: tuple[int, ...]
    given: frozenset[int]
    wanted: frozenset[int]


class Ordered(NamedTuple):
    """An order, its peak, and whether no order has a lower one."""

    order: tuple[int, ...]
    peak: int
    proven: bool


class State(NamedTuple):
    """What has been run, as bits, in the order that ends with `last`; which tasks can be run next; and the memory."""

    peak: int
    live: int
    done: int
    ready: int
    last: int
    before: State | None


def peak_of(tasks: Sequence[Task], things: Things, order: Sequence[int]) -> int:
    """The most bytes that are there at once."""
    scheme = Scheme(tasks, things)
    state = scheme.start
    for task in order:
        state = scheme.run(state, task)
    return state.peak


def best_order(tasks: Sequence[Task], things: Things, below: int, width: int = WIDTH) -> Ordered | None:
    """An order whose peak is lower than `below`, and as low as may be; None if none was found."""
    scheme = Scheme(tasks, things)
    states, proven = [scheme.start], True
    most = max(width, MOST_RUNS // (len(tasks) + 1))
    for _ in tasks:
        following: dict[int, State] = {}
        runs = 0
        for state in states:
            if runs > most:
                proven = False
                break
            for new in scheme.next(state):
                runs += 1
                if new.peak < below and (new.done not in following or new[:2] < following[new.done][:2]):
                    following[new.done] = new
        states = sorted(following.values(), key=lambda state: state[:3])
        if len(states) > width:
            states, proven = states[:width], False
    return Ordered(_order_of(states[0]), states[0].peak, proven) if states else None


def _order_of(state: State) -> tuple[int, ...]:
    order = []
    while state.before is not None:
        order.append(state.last)
        state = state.before
    return tuple(reversed(order))


class Scheme:
    """Tasks and things, made ready to be run in many orders; sets of tasks are the bits of an integer."""

    def __init__(self, tasks: Sequence[Task], things: Things) -> None:
        self._tasks, self._nbytes = tasks, things.nbytes
        maker = {thing: 1 << index for index, task in enumerate(tasks) for thing in task.makes}
        self._needed = [
            _union([*(maker.get(thing, 0) for thing in task.needs), *(1 << other for other in task.after)])
            for task in tasks
        ]
        self._followers: list[list[int]] = [[] for _ in tasks]
        for index, needed in enumerate(self._needed):
            for other in _bits(needed):
                self._followers[other].append(index)
        never = 1 << len(tasks)  # stands for the one who wants it in the end
        self._users = [never * (thing in things.wanted) for thing in range(len(things.nbytes))]
        for index, task in enumerate(tasks):
            for thing in task.needs:
                self._users[thing] |= 1 << index
        at_first = sum(things.nbytes[thing] for thing in things.given)
        unused = sum(things.nbytes[thing] for thing in things.given if not self._users[thing])
        ready = _union([1 << index for index, needed in enumerate(self._needed) if not needed])
        self.start = State(at_first, at_first - unused, 0, ready, -1, None)

    def next(self, state: State) -> Iterator[State]:
        """What may follow. A task that costs nothing now can be run at once: no order is the worse for it."""
        found = [self.run(state, task) for task in _bits(state.ready)]
        for new in found:
            if new.peak == state.peak and new.live <= state.live:
                yield new
                return
        yield from found

    def run(self, state: State, index: int) -> State:
        """What follows when a task runs that is ready."""
        task, nbytes, done = self._tasks[index], self._nbytes, state.done | 1 << index
        made = sum(nbytes[thing] for thing in task.makes)
        gone = {thing for thing in (*task.needs, *task.makes) if not self._users[thing] & ~done}
        saved = min(made, sum(most for thing, most in task.shared if thing in gone))
        peak = max(state.peak, state.live + made + task.extra - saved)
        live = state.live + made - sum(nbytes[thing] for thing in gone)
        ready = state.ready & ~(1 << index)
        ready |= _union([1 << other for other in self._followers[index] if not self._needed[other] & ~done])
        return State(peak, live, done, ready, index, state)


def _union(sets: Sequence[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest
