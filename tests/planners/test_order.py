"""The best order of tasks is the best of all permutations."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from refinfer.planners.order import Task, Things, best_order, peak_of


@st.composite
def schemes(draw: st.DrawFn) -> tuple[list[Task], Things]:
    """Up to six tasks; each makes a thing, and needs some of those made before. Thing 0 is given."""
    number = draw(st.integers(1, 6))
    sizes = draw(st.lists(st.integers(1, 9), min_size=number + 1, max_size=number + 1))
    tasks = []
    for index in range(number):
        needs = draw(st.lists(st.integers(0, index), min_size=1, unique=True))
        after = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=1)) if index else []
        shared = [(thing, draw(st.integers(0, sizes[thing]))) for thing in needs if draw(st.booleans())]
        tasks.append(Task(tuple(needs), (index + 1,), tuple(after), draw(st.integers(0, 3)), tuple(shared)))
    wanted = draw(st.lists(st.integers(1, number), unique=True))
    return tasks, Things(tuple(sizes), frozenset({0}), frozenset(wanted))


def memory_at_once(tasks: list[Task], things: Things, order: tuple[int, ...]) -> int | None:
    """The oracle: run it, and keep everything in a list; None if a task lacks something."""
    there, most = set(things.given), sum(things.nbytes[each] for each in things.given)
    for turn, index in enumerate(order):
        task = tasks[index]
        if not set(task.needs) <= there or not set(task.after) <= set(order[:turn]):
            return None
        later = {thing for other in order[turn + 1 :] for thing in tasks[other].needs} | things.wanted
        if turn == 0:
            there &= {thing for other in order for thing in tasks[other].needs} | things.wanted
        during = there | set(task.makes)
        made = sum(things.nbytes[thing] for thing in task.makes)
        saved = sum(nbytes for thing, nbytes in task.shared if thing not in later)
        most = max(most, sum(things.nbytes[thing] for thing in during) + task.extra - min(made, saved))
        there = during & later
    return most


@settings(max_examples=200)
@given(schemes())
def test_no_permutation_has_a_lower_peak(scheme: tuple[list[Task], Things]) -> None:
    tasks, things = scheme
    peaks = {order: memory_at_once(tasks, things, order) for order in permutations(range(len(tasks)))}
    lowest = min(peak for peak in peaks.values() if peak is not None)
    found = best_order(tasks, things, below=1 << 30)
    assert found is not None
    assert found.proven
    assert (peaks[found.order], found.peak, peak_of(tasks, things, found.order)) == (lowest, lowest, lowest)
    assert best_order(tasks, things, below=lowest) is None


@given(schemes())
def test_a_narrow_search_gives_an_order_that_works(scheme: tuple[list[Task], Things]) -> None:
    tasks, things = scheme
    found = best_order(tasks, things, below=1 << 30, width=1)
    assert found is not None
    assert memory_at_once(tasks, things, found.order) == found.peak


def test_two_branches_are_run_one_after_the_other() -> None:
    """Both begin with something large and end with something small."""
    tasks = [Task((0,), (1,)), Task((0,), (2,)), Task((1,), (3,)), Task((2,), (4,)), Task((3, 4), (5,))]
    things = Things((1, 10, 10, 1, 1, 1), frozenset({0}), frozenset({5}))
    assert peak_of(tasks, things, range(5)) == 21
    found = best_order(tasks, things, below=21)
    assert found is not None
    assert found.peak == 12
