"""How long a first answer takes: `refinfer fit` against its peer mcufit, as whole processes, in turn.

    python benchmarks/cold_start.py MODEL [--runs 15] [--mcufit PATH] [--json FILE]

Each pair of runs gives one ratio; quote the median of the ratios, since machines drift. mcufit is looked for on PATH,
or where --mcufit says (`python -m venv peer && peer/bin/pip install mcufit`); without it only our own times are shown.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

BOARD = {"refinfer": "nano33ble", "mcufit": "nano33ble"}


def seconds(command: Sequence[str]) -> float:
    """Wall time of one process; what it prints and returns does not matter, only that it starts."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """`runs` times of each command, A B A B …, after one run of each that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if run:
                times[name].append(taken)
    return times


def table(times: dict[str, list[float]]) -> str:
    """Minimum, median and maximum of each, and the median ratio to ours."""
    ours = times["refinfer"]
    lines = [f"{'command':<12}{'min s':>9}{'median s':>10}{'max s':>9}{'times ours':>12}"]
    for name, taken in times.items():
        ratio = statistics.median(theirs / mine for theirs, mine in zip(taken, ours, strict=True))
        median = statistics.median(taken)
        lines.append(f"{name:<12}{min(taken):>9.3f}{median:>10.3f}{max(taken):>9.3f}{ratio:>12.2f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--mcufit", default=shutil.which("mcufit"), help="the peer's program")
    parser.add_argument("--json", help="also write the times here")
    options = parser.parse_args()
    commands = {"refinfer": [sys.executable, "-m", "refinfer", "fit", options.model, "--board", BOARD["refinfer"]]}
    if options.mcufit:
        commands["mcufit"] = [options.mcufit, "check", options.model, "--board", BOARD["mcufit"]]
    else:
        print("mcufit is not installed: left out", file=sys.stderr)
    times = measure(commands, options.runs)
    print(table(times))
    if options.json:
        facts = {"python": platform.python_version(), "machine": platform.machine(), "seconds": times}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)


if __name__ == "__main__":
    main()
