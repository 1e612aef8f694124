"""The first answer of a new process: from its start to the end of the first call, of whole processes in turn.

refinfer keeps compiled kernels in a folder: it is timed with an empty one and with one that has been filled ahead.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.processes import environment, seconds
from benchmarks.report import Section, Settings, table

LITERT_FACE = """
import sys
from {module} import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
interpreter.invoke()
interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
"""
TFLM_FACE = """
import sys
from tflite_micro import runtime
interpreter = runtime.Interpreter.from_file(sys.argv[1], arena_size=1 << 26)
interpreter.invoke()
interpreter.get_output(0)
"""
REFINFER = LITERT_FACE.format(module="refinfer.interpreter")
PEERS = {"LiteRT": LITERT_FACE.format(module="ai_edge_litert.interpreter"), "tflite-micro": TFLM_FACE}

FILL = "import refinfer; getattr(refinfer, 'warmup', bool)()"
CACHE = "REFINFER_CACHE_DIR"

NAMES = ("digits_mobile_int8", "kws", "person_detect")
"""A few models will do: what counts is the code that is loaded, not what is computed."""


def run(settings: Settings) -> Section:
    """Minimum and median of each."""
    models = [model for model in settings.models if model.name in NAMES] or settings.models[:1]
    found = {model.name: measure(model.path, settings.runs) for model in models}
    rows = [
        [f"{model}: {name}", f"{min(taken):.3f}", f"{median(taken):.3f}"]
        for model, each in found.items()
        for name, taken in each.items()
    ]
    missing = [f"{model}: {name} is left out" for model, each in found.items() for name in PEERS if name not in each]
    lines = table(("model: runtime", "min s", "median s"), rows) + missing
    return Section("The first answer of a new process", lines, found)


def measure(path: str, runs: int) -> dict[str, list[float]]:
    """The times of each runtime that answers at all."""
    with tempfile.TemporaryDirectory() as full:
        subprocess.run([sys.executable, "-c", FILL], env=environment() | {CACHE: full}, check=True)
        peers = {name: script for name, script in PEERS.items() if answers(script, path)}
        times: dict[str, list[float]] = {"refinfer, empty cache": [], "refinfer, full cache": []}
        times |= {name: [] for name in peers}
        for _ in range(runs):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
                times["refinfer, empty cache"].append(first(REFINFER, path, empty))
            times["refinfer, full cache"].append(first(REFINFER, path, full))
            for name, script in peers.items():
                times[name].append(first(script, path, full))
    return times


def first(script: str, path: str, cache: str) -> float:
    """Wall time of a process that runs a model once."""
    return seconds([sys.executable, "-c", script, path], {CACHE: cache})


def answers(script: str, path: str) -> bool:
    """Whether the runtime is installed and runs the model."""
    return subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=False).returncode == 0
