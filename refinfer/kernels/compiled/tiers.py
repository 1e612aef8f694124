"""When compiled kernels take over: the engines that a user can choose.

    numpy      never
    compiled   from the beginning; whoever asks for it waits for the compiler, once for each version and machine
    auto       when a model has run for a while, and the kernels are there; the compiler works in another process

So a script that runs a model once neither compiles nor even loads numba, and one that runs it ten thousand times does
not wait. Results are the same bits in every tier.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from threading import Lock, Thread

from refinfer.kernels.compiled.cache import is_filled, mark_filled
from refinfer.schema.errors import UsageError

PATIENCE = 1.0  # seconds of running in numpy before anything is done about it, and between looks at the cache


class Tier:
    """Tells a machine whether to run compiled kernels."""

    def __init__(self, engine: str, ready: bool) -> None:
        """`ready` from the beginning, or never."""
        self.engine = engine
        self.ready = ready

    def spent(self, seconds: float) -> None:
        """Be told of time that was spent in numpy."""


class Waiting(Tier):
    """Not ready until enough time was spent, and the kernels are in the cache."""

    def __init__(self, engine: str) -> None:
        """Nothing is looked at yet."""
        super().__init__(engine, False)
        self.seconds = 0.0

    def spent(self, seconds: float) -> None:
        """Look for the kernels each time that patience is at an end; have them made where there are none."""
        self.seconds += seconds
        if self.seconds < PATIENCE:
            return
        self.seconds = 0.0
        if is_filled():
            self.ready = True
        else:
            fill_once()


def tier(engine: str | None) -> Tier:
    """The tier of an engine; None is the user's default, REFINFER_ENGINE, or else auto.

    Raises UsageError for an engine that is not known, or that needs a package that is not installed.
    """
    engine = engine or os.environ.get("REFINFER_ENGINE") or "auto"
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; there is {', '.join(ENGINES)}")
    if engine == "numpy":
        return Tier(engine, False)
    installed = find_spec("numba") is not None
    if engine == "auto":
        return Waiting(engine) if installed else Tier(engine, False)
    if not installed:
        raise UsageError("compiled kernels need numba: pip install 'refinfer[fast]'")
    return Tier(engine, True)


def warmup() -> str:
    """Compile every kernel and keep it, unless that was done before; the directory where they are.

    For images and machines that are set up once: no later process compiles. Raises UsageError without numba.
    """
    tier("compiled")
    from refinfer.kernels.compiled import walker  # noqa: F401  # compiles, or loads

    return str(mark_filled())


_filling = Lock()


def fill_once() -> None:
    """Have another process compile the kernels, the first time that this process is asked to.

    It is on its own, so that it may end after us, and takes no time of ours.
    """
    if _filling.acquire(blocking=False):
        command = [sys.executable, "-m", "refinfer.kernels.compiled.tiers"]
        Thread(target=_run_quietly, args=(command,), daemon=True).start()


def _run_quietly(command: list[str]) -> None:
    nothing = subprocess.DEVNULL
    subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, check=False)


ENGINES = ("auto", "numpy", "compiled")

if __name__ == "__main__":
    warmup()
