"""Batches and threads: images a second, one at a time and in a batch, with one thread and with one for each core."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.models import Model, random_inputs
from benchmarks.processes import Died, ask
from benchmarks.report import Section, Settings, table
from benchmarks.runtimes import ENGINES
from benchmarks.steady import ratio

BATCH = 16
CORES = os.cpu_count() or 1
ROUNDS = (3, 1000)  # at least, at most


def run(settings: Settings) -> Section:
    """The time of an image in a batch with all threads is 1; the others are how many times as long."""
    found = {model.name: _asked(model, settings.seconds) for model in settings.models}
    times = {model: each["times"] for model, each in found.items() if OURS in each.get("times", {})}
    names = list(dict.fromkeys(name for each in times.values() for name in each))
    rows = [
        [model, f"{1e6 * min(each[OURS]):.1f}", *(ratio(each[OURS], each.get(name)) for name in names)]
        for model, each in times.items()
    ]
    title = f"Time of an image: 1 is a batch of {BATCH} on {CORES} threads; of medians (of minima)"
    lines = table(("model", "µs", *names), rows) if rows else ["no model takes batches"]
    problems = [f"{model}: {line}" for model, each in found.items() for line in each.get("problems", ())]
    return Section(title, lines, found, problems)


def _asked(model: Model, seconds: float) -> Any:
    try:
        return ask("benchmarks.batch", model.path, str(seconds))
    except Died:
        return {}


OURS = f"compiled, {CORES} threads"


def measure(path: str, seconds: float) -> dict[str, Any]:
    """Seconds for an image, by runtime and threads; and which of our batches have other answers than the rest."""
    calls = dict(_calls(path))
    times: dict[str, list[float]] = {name: [] for name in calls}
    end, least, most = perf_counter() + seconds, *ROUNDS
    for number in range(most):
        if number >= least and perf_counter() > end:
            break
        for name, each in calls.items():
            start = perf_counter()
            each.invoke()
            times[name].append((perf_counter() - start) / each.images)
    answers = {name: each.answer() for name, each in calls.items() if each.images == BATCH and "XNNPACK" not in name}
    expected = answers["numpy, 1 threads"]
    problems = [f"{name} gives other bits than numpy" for name, answer in answers.items() if answer != expected]
    return {"times": times, "problems": problems}


class Call(NamedTuple):
    """A way to run the model: how many images a call takes, and the bits of its answer."""

    invoke: Callable[[], object]
    images: int
    answer: Callable[[], bytes]


def _calls(path: str) -> Iterator[tuple[str, Call]]:
    """A way for each engine and number of threads."""
    from refinfer.interpreter import Interpreter

    for engine in ENGINES:
        yield f"{engine}, one by one", _call(Interpreter(path, num_threads=1, engine=engine), 1)
        for threads in sorted({1, CORES}):
            yield f"{engine}, {threads} threads", _call(Interpreter(path, num_threads=threads, engine=engine), BATCH)
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
    except ImportError:
        return
    for threads in sorted({1, CORES}):
        yield f"XNNPACK, {threads} threads", _call(LiteRT(path, num_threads=threads), BATCH)


def _call(interpreter: Any, images: int) -> Call:
    """Raises RuntimeError or ValueError for a model that does not take batches."""
    (details,) = interpreter.get_input_details()
    shape = (images, *details["shape"][1:])
    interpreter.resize_tensor_input(details["index"], shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], *random_inputs([shape], [details["dtype"]], seed=0))
    interpreter.invoke()
    outputs = [each["index"] for each in interpreter.get_output_details()]
    return Call(
        interpreter.invoke, images, lambda: b"".join(interpreter.get_tensor(index).tobytes() for index in outputs)
    )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))
