"""Batches and threads: images a second, one at a time and in a batch, with one thread and with one for each core."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.models import Model, random_inputs
from benchmarks.processes import Died, ask
from benchmarks.report import Section, Settings, table
from benchmarks.runtimes import ENGINES

BATCH = 16
CORES = os.cpu_count() or 1
ROUNDS = (3, 100)  # at least, at most

Call = Callable[[], object]


def run(settings: Settings) -> Section:
    """The time of an image in a batch with all threads is 1; the others are how many times as long."""
    found = {model.name: _asked(model, settings.seconds) for model in settings.models}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    rows = [
        [model, *(f"{median(each[name]) / median(each[OURS]):.2f}" if name in each else "–" for name in names)]
        for model, each in found.items()
        if OURS in each
    ]
    title = f"Time of an image: 1.00 is a batch of {BATCH} on {CORES} threads"
    return Section(title, table(("model", *names), rows) if rows else ["no model takes batches"], found)


def _asked(model: Model, seconds: float) -> Any:
    try:
        return ask("benchmarks.batch", model.path, str(seconds))
    except Died:
        return {}


OURS = f"compiled, {CORES} threads"


def measure(path: str, seconds: float) -> dict[str, list[float]]:
    """Seconds for an image, by runtime and threads."""
    calls = dict(_calls(path))
    times: dict[str, list[float]] = {name: [] for name in calls}
    end, least, most = perf_counter() + seconds, *ROUNDS
    for number in range(most):
        if number >= least and perf_counter() > end:
            break
        for name, (call, images) in calls.items():
            start = perf_counter()
            call()
            times[name].append((perf_counter() - start) / images)
    return times


def _calls(path: str) -> Iterator[tuple[str, tuple[Call, int]]]:
    """A function for each way to run the model, and how many images it takes."""
    from refinfer.interpreter import Interpreter

    for engine in ENGINES:
        yield f"{engine}, one by one", (_call(Interpreter(path, num_threads=1, engine=engine), 1), 1)
        for threads in sorted({1, CORES}):
            call = _call(Interpreter(path, num_threads=threads, engine=engine), BATCH)
            yield f"{engine}, {threads} threads", (call, BATCH)
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
    except ImportError:
        return
    for threads in sorted({1, CORES}):
        yield f"XNNPACK, {threads} threads", (_call(LiteRT(path, num_threads=threads), BATCH), BATCH)


def _call(interpreter: Any, batch: int) -> Call:
    """Raises RuntimeError or ValueError for a model that does not take batches."""
    (details,) = interpreter.get_input_details()
    shape = (batch, *details["shape"][1:])
    interpreter.resize_tensor_input(details["index"], shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], *random_inputs([shape], [details["dtype"]], seed=0))
    interpreter.invoke()
    return interpreter.invoke  # type: ignore[no-any-return]  # whichever interpreter it is


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))
