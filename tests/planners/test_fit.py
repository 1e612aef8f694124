"""Placement buffer by buffer, whatever the order and the overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinfer.planners.fit import Fit, forbidden, gaps, lowest, neighbours, place_in_order, tightest
from refinfer.planners.problem import Buffer, Overlap, Problem, clashes, height, lower_bound
from refinfer.planners.registry import PLANNERS, linear
from tests.planners.problems import problems


@given(problems(), st.randoms(use_true_random=False), st.sampled_from([lowest, tightest]))
def test_any_order_gives_a_sound_placement(problem: Problem, random: object, choose: object) -> None:
    order = list(range(len(problem.buffers)))
    random.shuffle(order)  # type: ignore[attr-defined]  # Hypothesis says no more of it than object
    offsets = place_in_order(problem, order, choose)  # type: ignore[arg-type]
    assert clashes(problem.buffers, offsets, problem.overlaps) == []
    assert all(offset >= 0 and offset % 16 == 0 for offset in offsets)
    assert height(problem.buffers, offsets) >= lower_bound(problem.buffers, problem.overlaps)


@given(problems())
def test_those_that_live_together_are_neighbours(problem: Problem) -> None:
    together = [
        sorted(
            other
            for other, two in enumerate(problem.buffers)
            if other != index and one.first <= two.last and two.first <= one.last
        )
        for index, one in enumerate(problem.buffers)
    ]
    assert [sorted(each) for each in neighbours(problem.buffers)] == together


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 5), st.booleans(), st.booleans()),
    st.integers(0, 8),
    st.integers(0, 12),
)
def test_what_is_forbidden_is_what_the_judge_objects_to(
    pair: tuple[int, int, int, bool, bool], place: int, other_place: int
) -> None:
    nbytes, other_nbytes, least, exact, above = pair
    overlap = Overlap(0, 1, least, exact) if above else Overlap(1, 0, least, exact)
    stretches = forbidden(0, nbytes, 1, other_place, other_nbytes, overlap)
    buffers = [Buffer(nbytes, 0, 0), Buffer(other_nbytes, 0, 0)]
    judged = clashes(buffers, (place, other_place), [overlap]) == []
    assert judged == (not any(low < place < high for low, high in stretches))


def test_gaps_are_what_the_stretches_leave() -> None:
    assert list(gaps([(8, 16), (-4, 2), (10, 20), (20, 24)])) == [(2, 8), (20, 20), (24, None)]


def test_best_fit_takes_the_smaller_of_two_gaps() -> None:
    below, middle, top = Buffer(16, 0, 0, 48), Buffer(16, 0, 0, 96), Buffer(16, 0, 0)
    problem = Problem((below, middle, top))
    assert place_in_order(problem, [2], lowest) == (48, 96, 0)
    assert place_in_order(problem, [2], tightest) == (48, 96, 64)


def test_a_buffer_goes_below_the_one_that_may_lie_above_it() -> None:
    problem = Problem((Buffer(64, 0, 1), Buffer(32, 1, 2)), (Overlap(0, 1, 16),))
    assert Fit(problem).place([1, 0]) == (16, 0)
    assert Fit(problem).place([0, 1]) == (0, 64)


def test_linear_uses_nothing_twice() -> None:
    assert linear(Problem((Buffer(16, 0, 0), Buffer(32, 1, 1), Buffer(16, 2, 2)))) == (0, 16, 48)


@pytest.mark.parametrize("name", PLANNERS)
@given(problem=problems())
def test_every_planner_is_sound(name: str, problem: Problem) -> None:
    offsets: Sequence[int] = PLANNERS[name](problem)
    assert clashes(problem.buffers, offsets, problem.overlaps) == []
    assert height(problem.buffers, offsets) >= lower_bound(problem.buffers, problem.overlaps)


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_places_nothing(name: str) -> None:
    assert PLANNERS[name](Problem(())) == ()
