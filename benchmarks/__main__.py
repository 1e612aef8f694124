"""Time refinfer against its peers, and print one table for each question.

    python -m benchmarks [MODEL...] [--only steady,first_run] [--seconds 2] [--runs 15] [--json FILE]

Without models it takes our own and, if REFINFER_CORPUS names a folder, real ones. Peers that are not installed, and
models that they refuse, are left out and named. The exit code is 1 if answers that must be equal are not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable

from benchmarks import batch, cold_start, first_run, loading, memory, plans, scan, steady
from benchmarks.facts import facts, summary
from benchmarks.models import chosen
from benchmarks.report import Section, Settings

BENCHMARKS: dict[str, Callable[[Settings], Section]] = {
    "steady": steady.run,
    "batch": batch.run,
    "memory": memory.run,
    "first_run": first_run.run,
    "cold_start": cold_start.run,
    "loading": loading.run,
    "scan": scan.run,
    "plans": plans.run,
}


def main() -> int:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--only", help=f"some of {', '.join(BENCHMARKS)}, with commas", default=",".join(BENCHMARKS))
    parser.add_argument("--seconds", type=float, default=2.0, help="how long calls of a model are timed")
    parser.add_argument("--runs", type=int, default=15, help="how often a process is started")
    parser.add_argument("--mcufit", default=shutil.which("mcufit"), help="the peer's program")
    parser.add_argument("--json", help="also write all that was measured here")
    options = parser.parse_args()
    names = options.only.split(",")
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    settings = Settings(chosen(options.models), options.seconds, options.runs, options.mcufit)
    measured = facts()
    print(*summary(measured), sep="\n")
    sections = {}
    for name in names:
        sections[name] = section = BENCHMARKS[name](settings)
        print("", section.title, "", *section.lines, *section.problems, sep="\n", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": measured} | {name: each.data for name, each in sections.items()}, file, indent=2)
    return 1 if any(section.problems for section in sections.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
