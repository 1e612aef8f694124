"""How close the planners come to the optimum, and how long that takes, on made-up problems that are hard.

A rectangle of time and memory is cut into pieces without waste, so that the lowest placement is known: its height.
Then some pieces are given shorter lives, which leaves the optimum as it is but hides where the cuts were.
"""

from __future__ import annotations

import time
from random import Random
from statistics import mean

from benchmarks.report import Section, Settings, table
from refinfer.planners.fit import by_size, place_in_order, tightest
from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import Buffer, Problem, clashes, height, lower_bound
from refinfer.planners.solve import Effort, solve

STEPS, HEIGHT = 200, 16 * 4096
SIZES, ROUNDS = (10, 20, 40, 80, 160), 8
EFFORT = Effort(orders=2_000, choices=100_000)
SHORTENED = 0.2  # of the pieces


def run(settings: Settings) -> Section:
    """Means over some problems of each size: above the optimum in percent, and how many were proven."""
    rows, data, faults = [], [], []
    for pieces in SIZES:
        greedy: list[float] = []
        best_fit: list[float] = []
        solved, seconds, proven = [], [], 0
        for seed in range(ROUNDS):
            problem = hard_problem(pieces, seed)
            start = time.perf_counter()
            solution = solve(problem, EFFORT)
            seconds.append(time.perf_counter() - start)
            proven += solution.proven
            bound = lower_bound(problem.buffers)
            offsets = place_greedily(problem.buffers), place_in_order(problem, by_size(problem.buffers), tightest)
            for found, each in zip((greedy, best_fit), offsets, strict=True):
                found.append(100 * (height(problem.buffers, each) / bound - 1))
            solved.append(100 * (solution.height / bound - 1))
            if clashes(problem.buffers, solution.offsets) or solution.height > HEIGHT * 2:
                faults.append(f"{pieces} pieces, seed {seed}: the placement is not sound")
        row = (pieces, mean(greedy), mean(best_fit), mean(solved), max(solved), mean(seconds))
        rows.append([f"{pieces}", *(f"{each:.1f}" for each in row[1:]), f"{proven} of {ROUNDS}"])
        data.append({"pieces": pieces, "greedy": greedy, "best_fit": best_fit, "solve": solved, "seconds": seconds})
    columns = ("buffers", "greedy %", "best fit %", "solve %", "worst %", "s", "proven")
    return Section("Plans: above the lower bound", table(columns, rows), data, faults)


def hard_problem(pieces: int, seed: int) -> Problem:
    """So many buffers; HEIGHT is enough for them."""
    random = Random(seed)
    rectangles = [(0, STEPS, 0, HEIGHT)]
    while len(rectangles) < pieces:
        rectangles.sort(key=lambda each: (each[1] - each[0]) * (each[3] - each[2]))
        left, right, low, high = rectangles.pop()
        if right - left > 1 and random.random() < 0.5:
            cut = random.randrange(left + 1, right)
            rectangles += [(left, cut, low, high), (cut, right, low, high)]
        else:
            place = low + 16 * random.randrange(1, (high - low) // 16)
            rectangles += [(left, right, low, place), (left, right, place, high)]
    random.shuffle(rectangles)
    return Problem(tuple(_piece(random, *each[:2], each[3] - each[2]) for each in rectangles))


def _piece(random: Random, left: int, right: int, nbytes: int) -> Buffer:
    if right - left > 2 and random.random() < SHORTENED:
        left += random.randrange((right - left) // 2)
    return Buffer(nbytes, left, right - 1)
