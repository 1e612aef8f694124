"""How much memory a model takes: what loading and running it adds to the most that the process ever had.

Each runtime has a new process, which first runs a small model, so that libraries and kernels are there already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.models import SAMPLES, Model
from benchmarks.processes import Died, ask
from benchmarks.report import Section, Settings, table
from benchmarks.runtimes import ENGINES, load_litert, load_refinfer

LOADERS = {engine: lambda path, engine=engine: load_refinfer(engine, "litert", path) for engine in ENGINES}
LOADERS["XNNPACK"] = lambda path: load_litert("AUTO", path)
LOADERS["BUILTIN_REF"] = lambda path: load_litert("BUILTIN_REF", path)

CALLS = 5


def run(settings: Settings) -> Section:
    """Megabytes beyond the file's own, for each runtime."""
    if not Path("/proc/self/clear_refs").exists():
        return Section("Memory", ["left out: only Linux tells a process how much it has had"], {})
    found = {model.name: {name: _asked(name, model) for name in LOADERS} for model in settings.models}
    rows = [
        [model.name, f"{Path(model.path).stat().st_size / 1e6:.1f}", *map(_megabytes, found[model.name].values())]
        for model in settings.models
    ]
    lines = table(("model", "file", *LOADERS), rows)
    return Section("Memory that loading and running a model takes, in MB", lines, found)


def _asked(name: str, model: Model) -> Any:
    try:
        return ask("benchmarks.memory", name, model.path)
    except Died:
        return None


def _megabytes(nbytes: int | None) -> str:
    return "–" if nbytes is None else f"{nbytes / 1e6:.1f}"


def measure(name: str, path: str) -> int:
    """Bytes at the peak, less those before."""
    load = LOADERS[name]
    small = load(str(SAMPLES / "digits_dense_int8.tflite"))
    small.invoke()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on [man 5 proc]
    before = status("VmRSS")
    runtime = load(path)
    for _ in range(CALLS):
        runtime.invoke()
    return status("VmHWM") - before


def status(key: str) -> int:
    """What Linux says of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
