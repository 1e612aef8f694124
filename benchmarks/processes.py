"""New processes: what they are told, and how they tell what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any


class Died(Exception):
    """A process ended without an answer; how, and its last words."""


def ask(module: str, *arguments: str) -> Any:
    """What `python -m module` prints, as JSON, in its last line; raises Died if it does not get there."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        *_, words = done.stderr.strip().splitlines() or [""]
        raise Died(f"the process ended with {done.returncode}: {words}")
    return json.loads(done.stdout.splitlines()[-1])


def seconds(command: Sequence[str], more: dict[str, str] | None = None) -> float:
    """Wall time of one process; what it prints and returns does not matter, only that it starts."""
    variables = environment() | (more or {})
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=variables)
    return time.perf_counter() - start


def environment() -> dict[str, str]:
    """Ours, with one thread for the library that multiplies numpy's matrices, whichever it is."""
    return os.environ | dict.fromkeys(THREAD_VARIABLES, "1")


THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Each is read when numpy is imported, which is why they are set for new processes."""
