"""How long it takes to judge 1,000 models, on one core and on all of them, and to plan 20,000 buffers."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import TypeVar

from benchmarks.report import Section, Settings, table
from refinfer.fitting.boards import find_board
from refinfer.fitting.scan import cores, fit_file, fit_many
from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import Buffer

FILES, BUFFERS, ROUNDS, BOARD = 1000, 20_000, 3, "nano33ble"

T = TypeVar("T")


def run(settings: Settings) -> Section:
    """Minima of some rounds, in turn; both ways must give the same verdicts."""
    paths = [str(model.path) for model in islice(cycle(settings.models), FILES)]
    board = find_board(BOARD)
    alone, together, problems = [], [], []
    for _ in range(ROUNDS):
        one, seconds = timed(lambda: [fit_file(path, board, None, None) for path in paths])
        alone.append(seconds)
        all_cores, seconds = timed(lambda: list(fit_many(paths, board)))
        together.append(seconds)
        if one != all_cores:
            problems.append("the verdicts of a scan on all cores are not those on one core")
    ratio = statistics.median(one / many for one, many in zip(alone, together, strict=True))
    planned = {
        name: min(timed(partial(place_greedily, made))[1] for _ in range(ROUNDS)) for name, made in problems_of()
    }
    rows = [
        [f"{FILES:,} models, one core", f"{min(alone):.2f}", ""],
        [f"{FILES:,} models, {cores()} cores", f"{min(together):.2f}", f"{ratio:.2f}"],
        *([f"{BUFFERS:,} buffers, {name}", f"{seconds:.2f}", ""] for name, seconds in planned.items()),
    ]
    data = {"alone": alone, "together": together, "planned": planned, "cores": cores()}
    return Section("Many models, many buffers", table(("", "min s", "times faster"), rows), data, problems)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What comes out, and the seconds that it took."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def problems_of() -> Sequence[tuple[str, list[Buffer]]]:
    """Buffers that live for a few steps, as in a chain of operators; some for long; each for any time."""
    draw = random.Random(0)

    def buffers(longest: Callable[[], int]) -> list[Buffer]:
        return [Buffer(16 * draw.randint(1, 4000), first, first + longest()) for first in range(BUFFERS)]

    return (
        ("short lives", buffers(lambda: draw.randint(0, 3))),
        ("some long lives", buffers(lambda: draw.randint(0, 3 if draw.random() < 0.95 else BUFFERS))),
        ("any lives", buffers(lambda: draw.randint(0, BUFFERS))),
    )
