"""How long a model of 5,000 operators and 50 MB takes to load and to simulate: big_model.py, as one section."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import big_model
from benchmarks.report import Section, Settings, table

OPERATORS, NBYTES, TARGET = 5000, 50_000_000, "cortex-m4"


def run(settings: Settings) -> Section:
    """Minima and maxima of new processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.tflite")
        path.write_bytes(big_model.model(OPERATORS, NBYTES))
        found = big_model.measure(str(path), TARGET, settings.runs)
    rows = []
    for name in ("load", "simulate", "together"):
        taken = [each[name] for each in found]
        rows.append([f"{name} s", f"{min(taken):.3f}", f"{max(taken):.3f}"])
    memory = [each["memory"] / 1e6 for each in found]
    rows.append(["memory MB", f"{min(memory):.1f}", f"{max(memory):.1f}"])
    return Section(f"A model of {OPERATORS:,} operators and {NBYTES:,} bytes", table(("", "min", "max"), rows), found)
