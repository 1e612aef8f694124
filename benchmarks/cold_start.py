"""How long a first answer takes: `refinfer fit` against its peer mcufit, as whole processes, in turn.

Each pair of runs gives one ratio; the median of the ratios counts, since machines drift.
"""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.models import SAMPLES
from benchmarks.processes import seconds
from benchmarks.report import Section, Settings, table

MODEL = str(SAMPLES / "digits_mobile_int8.tflite")
BOARD = "nano33ble"


def run(settings: Settings) -> Section:
    """Minimum, median and maximum of each, and the median ratio to ours."""
    commands = {"refinfer": [sys.executable, "-m", "refinfer", "fit", MODEL, "--board", BOARD]}
    if settings.mcufit:
        commands["mcufit"] = [settings.mcufit, "check", MODEL, "--board", BOARD]
    times = measure(commands, settings.runs)
    rows = []
    for name, taken in times.items():
        ratio = median(theirs / mine for theirs, mine in zip(taken, times["refinfer"], strict=True))
        rows.append([name, *(f"{each:.3f}" for each in (min(taken), median(taken), max(taken))), f"{ratio:.2f}"])
    lines = table(("command", "min s", "median s", "max s", "times ours"), rows)
    return Section(
        "A cold start of `fit`", lines if settings.mcufit else [*lines, "mcufit is left out: not installed"], times
    )


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """`runs` times of each command, A B A B …, after one run of each that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if number:
                times[name].append(taken)
    return times
