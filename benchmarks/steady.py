"""Steady state: how long a call takes when everything is loaded, as ratios in one process, with the answers compared.

Each model has a process of its own, with one thread. In it refinfer and its peers take turns, in an order that is drawn
anew each time; a turn is a call that is not timed and one that is, on the same random inputs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.models import Model, random_inputs
from benchmarks.processes import Died, ask
from benchmarks.report import Section, Settings, table
from benchmarks.runtimes import ENGINES, PEERS, Loaded, load_refinfer
from refinfer.interpreter import details_of
from refinfer.schema.file import read_model

ROUNDS = (5, 500)  # at least, at most


def run(settings: Settings) -> Section:
    """Every model, each engine a row."""
    found = {model.name: _asked(model, settings.seconds) for model in settings.models}
    rows = [row for name, each in found.items() for row in rows_of(name, each)]
    lines = [*table(("model", "engine", "ms", *PEERS), rows), "", *equality_of(found), "", *left_out_of(found)]
    problems = [line for name, each in found.items() for line in problems_of(name, each)]
    return Section("How many times as long peers take: of medians (of minima)", lines, found, problems)


def _asked(model: Model, seconds: float) -> Any:
    try:
        return ask("benchmarks.steady", model.path, str(seconds))
    except Died as death:
        return {"times": {}, "equal": {}, "left_out": {"all": str(death)}}


def measure(path: str, seconds: float) -> dict[str, Any]:
    """Times in seconds by runtime, how often peers' answers were ours, and what was left out, and why."""
    loaded, left_out = load_all(path)
    subgraph = read_model(path).subgraphs[0]
    details = [details_of(tensor, tensor.shape) for tensor in subgraph.inputs]
    shapes, dtypes = ([each[key] for each in details] for key in ("shape", "dtype"))
    times: dict[str, list[float]] = {name: [] for name in loaded}
    equal = dict.fromkeys(set(pairs(loaded)), 0)
    order, end, least, most = Random(0), perf_counter() + seconds, *ROUNDS
    for number in range(most):
        if number >= least and perf_counter() > end:
            break
        inputs = random_inputs(shapes, dtypes, number)
        answers = {}
        for name in order.sample(sorted(loaded), len(loaded)):
            taken, answers[name] = turn(loaded[name], inputs)
            times[name].append(taken)
        for ours, theirs in equal:
            equal[ours, theirs] += answers[ours] == answers[theirs]
    return {
        "times": {name: taken[1:] for name, taken in times.items()},
        "equal": {f"{ours} = {theirs}": f"{count} of {len(times[ours])}" for (ours, theirs), count in equal.items()},
        "left_out": left_out,
    }


def turn(runtime: Loaded, inputs: list[Any]) -> tuple[float, list[bytes]]:
    """The time of the second of two calls, and the bits of its answer."""
    runtime.set(inputs)
    runtime.invoke()
    runtime.set(inputs)
    start = perf_counter()
    runtime.invoke()
    taken = perf_counter() - start
    return taken, [output.tobytes() for output in runtime.get()]


def load_all(path: str) -> tuple[dict[str, Loaded], dict[str, str]]:
    """The runtimes that run a model, and why others do not."""
    loaders: dict[str, Callable[[str], Loaded]] = {name: peer.load for name, peer in PEERS.items()}
    for engine in ENGINES:
        for dialect in ("litert", "tflm"):
            loaders[ours(engine, dialect)] = partial(load_refinfer, engine, dialect)
    loaded, left_out = {}, {}
    for name, load in loaders.items():
        try:
            loaded[name] = load(path)
        except ImportError:
            left_out[name] = "not installed"
        except (RuntimeError, ValueError) as refusal:
            left_out[name] = str(refusal).strip().splitlines()[0]
    return loaded, left_out


def ours(engine: str, dialect: str) -> str:
    """What we are called among runtimes."""
    return f"refinfer {engine} {dialect}"


def pairs(names: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Ours, and each peer that it is measured against."""
    for engine in ENGINES:
        for name, peer in PEERS.items():
            if ours(engine, peer.dialect) in names and name in names:
                yield ours(engine, peer.dialect), name


def rows_of(model: str, found: Mapping[str, Any]) -> Iterator[list[str]]:
    """A row for each engine: our time, and the ratio of each peer's to it."""
    times = found["times"]
    for engine in ENGINES:
        own = [times[ours(engine, dialect)] for dialect in ("litert", "tflm") if ours(engine, dialect) in times]
        if own:
            ratios = [ratio(times.get(ours(engine, peer.dialect)), times.get(name)) for name, peer in PEERS.items()]
            yield [model, engine, f"{1e3 * median(own[0]):.3f}", *ratios]


def ratio(mine: list[float] | None, theirs: list[float] | None) -> str:
    """Of medians, and of minima."""
    if not mine or not theirs:
        return "–"
    return f"{_digits(median(theirs) / median(mine))} ({_digits(min(theirs) / min(mine))})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def equality_of(found: Mapping[str, Any]) -> Iterator[str]:
    """How many models each peer answers with our bits, whatever the input."""
    for peer in PEERS:
        counts = [
            count for each in found.values() for pair, count in each["equal"].items() if pair.endswith(f"= {peer}")
        ]
        same = sum(is_every(count) for count in counts)
        yield f"{peer} gives our bits for every input in {same} of {len(counts)} comparisons"


def left_out_of(found: Mapping[str, Any]) -> Iterator[str]:
    """What does not run which models, and the first reason that it gives."""
    reasons: dict[str, dict[str, str]] = {}
    for model, each in found.items():
        for name, reason in each["left_out"].items():
            reasons.setdefault(name, {})[model] = reason
    for name, of_models in reasons.items():
        yield f"{name} is left out of {', '.join(of_models)}: {next(iter(of_models.values()))[:200]}"


def is_every(count: str) -> bool:
    """Whether "5 of 5" are all."""
    same, _, every = count.partition(" of ")
    return same == every


def problems_of(model: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Answers that should be the same, and are not."""
    for pair, count in found["equal"].items():
        peer = pair.partition(" = ")[2]
        if PEERS[peer].is_exact and not is_every(count) and (model, peer) not in UNDEFINED:
            yield f"{model}: {pair} for {count} inputs only"


UNDEFINED = {("digits_lstm_dynamic", "tflite-micro")}  # which takes int8 weights for floats: models/README.md

if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))
