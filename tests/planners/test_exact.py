"""The search decides as a count of all placements does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinfer.planners.exact import Budget, Exhausted, decide
from refinfer.planners.problem import Buffer, Problem, clashes, height, lower_bound
from tests.planners.packed import packed
from tests.planners.problems import problems

few = problems(most=6, largest=3, steps=4, exact=False)


def fits(problem: Problem, ceilings: Sequence[int]) -> bool:
    """The oracle: every placement there is."""
    places = [range(0, ceiling - each.nbytes + 1, 16) for each, ceiling in zip(problem.buffers, ceilings, strict=True)]
    return any(not clashes(problem.buffers, offsets, problem.overlaps) for offsets in product(*places))


@settings(max_examples=150)
@given(few, st.integers(0, 9))
def test_it_decides_as_a_look_at_all_placements_does(problem: Problem, sixteens: int) -> None:
    offsets = decide(problem, 16 * sixteens, Budget(10_000))
    assert (offsets is not None) == fits(problem, [16 * sixteens] * len(problem.buffers))
    if offsets is not None:
        assert clashes(problem.buffers, offsets, problem.overlaps) == []
        assert height(problem.buffers, offsets) <= 16 * sixteens


@settings(max_examples=150)
@given(few, st.integers(0, 9), st.data())
def test_buffers_end_below_their_ceilings_if_they_can(problem: Problem, sixteens: int, data: st.DataObject) -> None:
    ceilings = [16 * data.draw(st.integers(0, sixteens)) for _ in problem.buffers]
    offsets = decide(problem, 16 * sixteens, Budget(10_000), ceilings=ceilings)
    assert (offsets is not None) == fits(problem, ceilings)
    if offsets is not None:
        assert clashes(problem.buffers, offsets, problem.overlaps) == []
        ends = [offset + each.nbytes for offset, each in zip(offsets, problem.buffers, strict=True)]
        assert all(end <= ceiling for end, ceiling in zip(ends, ceilings, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_a_rectangle_is_put_together_again(seed: int) -> None:
    problem = packed(nbytes=1 << 14, steps=40, pieces=40, seed=seed)
    offsets = decide(problem, 1 << 14, Budget(100_000))
    assert offsets is not None
    assert clashes(problem.buffers, offsets) == []
    assert height(problem.buffers, offsets) == 1 << 14


@given(few)
def test_nothing_fits_below_the_lower_bound(problem: Problem) -> None:
    assert decide(problem, lower_bound(problem.buffers, problem.overlaps) - 16, Budget(10_000)) is None


def test_a_search_that_takes_too_many_choices_is_given_up() -> None:
    buffers = tuple(
        Buffer(16 * size, start, start + 2) for size, start in zip((3, 2, 4, 1, 3, 2), range(6), strict=True)
    )
    with pytest.raises(Exhausted):
        decide(Problem(buffers), lower_bound(buffers), Budget(2))
