"""Every planner by its name: a problem in, offsets out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from refinfer.planners.fit import Choice, by_size, by_start, lowest, place_in_order, tightest
from refinfer.planners.greedy import place_greedily
from refinfer.planners.litert import place_as_litert
from refinfer.planners.problem import Buffer, Offsets, Planner, Problem
from refinfer.planners.solve import solve


def linear(problem: Problem) -> Offsets:
    """One behind the other, nothing used twice: TFLM's planner for programs that preserve all tensors.

    [linear_memory_planner.cc]
    """
    return tuple(accumulate((buffer.nbytes for buffer in problem.buffers), initial=0))[: len(problem.buffers)]


def _fitting(order: Callable[[Sequence[Buffer]], list[int]], choose: Choice) -> Planner:
    return lambda problem: place_in_order(problem, order(problem.buffers), choose)


PLANNERS: dict[str, Planner] = {
    "greedy": lambda problem: place_greedily(problem.buffers),  # what TFLM does
    "linear": linear,
    "litert": lambda problem: place_as_litert(problem.buffers),
    "first-fit-by-size": _fitting(by_size, lowest),
    "first-fit-by-start": _fitting(by_start, lowest),
    "best-fit-by-size": _fitting(by_size, tightest),
    "best-fit-by-start": _fitting(by_start, tightest),
    "exact": lambda problem: solve(problem).offsets,
}
"""None but greedy and exact keeps to places that an offline plan fixed, and to no overlaps but fits and exact."""
