"""The solver: no worse than greedy, no better than can be, and right where it says that it is proven."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import Buffer, Overlap, Problem, clashes, height, lower_bound
from refinfer.planners.solve import Effort, lowered, solve
from tests.planners.packed import packed
from tests.planners.problems import problems

LITTLE = Effort(orders=20, choices=500)


@given(problems(most=30, largest=20, steps=20))
def test_a_solution_is_sound_and_no_worse_than_greedy(problem: Problem) -> None:
    solution = solve(problem, LITTLE)
    buffers, overlaps = problem
    assert clashes(buffers, solution.offsets, overlaps) == []
    assert height(buffers, solution.offsets) == solution.height <= height(buffers, place_greedily(buffers))
    assert lower_bound(buffers, overlaps) <= solution.lower_bound <= solution.height


@settings(max_examples=30)
@given(problems(most=30, largest=20, steps=12), st.sampled_from([0, 1, 3, 10, 40]), st.sampled_from([1, 2, 5]))
def test_more_effort_never_finds_a_worse_one(problem: Problem, hundreds: int, times: int) -> None:
    less = solve(problem, Effort(orders=20 * hundreds, choices=500 * hundreds))
    more = solve(problem, Effort(orders=20 * hundreds * times, choices=500 * hundreds * times))
    assert more.height <= less.height
    assert more.lower_bound >= less.lower_bound


@pytest.mark.parametrize("seed", range(3))
def test_a_rectangle_cut_into_many_is_put_together_again(seed: int) -> None:
    problem = packed(nbytes=1 << 14, steps=40, pieces=50, seed=seed)
    assert solve(problem).height == 1 << 14
    assert solve(problem).proven


def test_some_end_as_low_as_all_others_let_them() -> None:
    """The last is so large that it must lie above one of the others: best above the one that need not be low."""
    buffers = (Buffer(32, 0, 1), Buffer(48, 0, 0), Buffer(64, 1, 1))
    offsets = lowered(Problem(buffers), 96, 1, 32, LITTLE)
    assert offsets is not None
    assert clashes(buffers, offsets) == []
    assert offsets[0] == 0


def is_possible(problem: Problem, capacity: int) -> bool:
    places = [range(0, capacity - each.nbytes + 1, 16) for each in problem.buffers]
    return any(not clashes(problem.buffers, offsets, problem.overlaps) for offsets in product(*places))


@settings(max_examples=200)
@given(problems(most=5, largest=3, steps=4))
def test_what_is_proven_to_be_lowest_is_the_lowest_of_all_placements(problem: Problem) -> None:
    solution = solve(problem)
    assert solution.proven
    assert not is_possible(problem, solution.height - 16)


def test_greedy_is_beaten_where_it_is_not_optimal() -> None:
    lives = [(3, 0, 1), (4, 1, 2), (3, 2, 3), (1, 0, 2), (2, 3, 4), (5, 4, 4), (2, 1, 3)]
    buffers = tuple(Buffer(16 * size, first, last) for size, first, last in lives)
    solution = solve(Problem(buffers))
    assert solution.proven
    assert solution.height == lower_bound(buffers)


def test_a_chain_in_place_takes_no_more_than_its_largest() -> None:
    buffers = tuple(Buffer(64, step, step + 1) for step in range(5))
    chain = tuple(Overlap(step, step + 1, 0) for step in range(4))
    assert solve(Problem(buffers, chain)).height == 64


def test_a_pair_that_must_lie_exactly_on_one_another_does() -> None:
    buffers = (Buffer(64, 0, 1), Buffer(64, 1, 2), Buffer(32, 0, 0), Buffer(32, 2, 2))
    solution = solve(Problem(buffers, (Overlap(0, 1, 0, exact=True),)))
    assert solution.offsets[0] == solution.offsets[1]
    assert (solution.height, solution.proven) == (96, True)


def test_the_same_problem_has_the_same_answer() -> None:
    lives = [(7 * each % 13 + 1, each // 3, each // 3 + each % 4) for each in range(60)]
    problem = Problem(tuple(Buffer(16 * size, first, last) for size, first, last in lives))
    assert solve(problem, LITTLE) == solve(problem, LITTLE)


def test_places_that_are_fixed_are_kept() -> None:
    assert solve(Problem((Buffer(16, 0, 0, 32), Buffer(16, 0, 0)))).offsets == (32, 0)


def test_no_time_is_enough_for_an_answer() -> None:
    lives = [(7 * each % 13 + 1, each // 3, each // 3 + each % 4) for each in range(60)]
    problem = Problem(tuple(Buffer(16 * size, first, last) for size, first, last in lives))
    solution = solve(problem, Effort(seconds=0))
    assert clashes(problem.buffers, solution.offsets) == []
