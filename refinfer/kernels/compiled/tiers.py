"""When compiled kernels take over: the engines that a user can choose.

    numpy      never
    compiled   from the beginning; whoever asks for it waits for the compiler, once for each version and machine
    auto       when a model has run for a while, and the kernels are there; the compiler works in another process, and
               numba is loaded by another thread

So a script that runs a model once neither compiles nor even loads numba, and one that runs it ten thousand times does
not wait. Results are the same bits in every tier.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from threading import Event, Lock, Thread
from time import perf_counter
from typing import NamedTuple

from refinfer.kernels.compiled import cache
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
        if LOADED.is_set():
            self.ready = True
            return
        self.seconds += seconds
        if self.seconds < PATIENCE:
            return
        self.seconds = 0.0
        once(load_quietly if cache.is_filled() else fill_quietly)


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


class Warm(NamedTuple):
    """The directory where the kernels belong, whether they are kept there, and how it came to be."""

    directory: str
    kept: bool
    compiled: bool
    nbytes: int
    seconds: float


def warmup() -> str:
    """Compile every kernel and keep it, unless that was done before; the directory where they are.

    For images and machines that are set up once: no later process compiles. Raises UsageError without numba.
    """
    warm()
    return str(cache.place() if cache.is_filled() else cache.directory())


def warm() -> Warm:
    """Do that, and tell of it."""
    tier("compiled")
    compiled, start = not cache.is_filled(), perf_counter()
    from refinfer.kernels.compiled import jit, plan  # noqa: F401  # compiles, or loads

    if jit.DISPATCHERS and cache.directory() == cache.place():
        cache.mark_filled()
    kept = cache.is_filled()
    nbytes = cache.nbytes(cache.place()) if kept else 0
    return Warm(str(cache.place()), kept, compiled, nbytes, perf_counter() - start)


LOADED = Event()
"""Set when the kernels are in memory."""

_leaving = Event()
_started: dict[Callable[[], None], Thread] = {}
_starting = Lock()


def once(work: Callable[[], None]) -> None:
    """Have a thread of its own do this, the first time that this process is asked to."""
    with _starting:
        if work not in _started:
            _started[work] = Thread(target=work, daemon=True, name=f"refinfer-{work.__name__}")
            _started[work].start()


def load_quietly() -> None:
    """Load the kernels. Python must not end meanwhile: LLVM would go on in memory that is being cleared away."""
    import atexit

    atexit.register(_leave)
    import numba  # noqa: F401

    if not _leaving.is_set():
        from refinfer.kernels.compiled import plan  # noqa: F401

        LOADED.set()


def _leave() -> None:
    _leaving.set()
    _started[load_quietly].join()


def fill_quietly() -> None:
    """Have another process compile the kernels: so it takes no time of ours, and may end after us."""
    import subprocess

    nothing = subprocess.DEVNULL
    command = [sys.executable, *FILL]
    subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, check=False)


def fill() -> None:
    """What that process does, unless another one does it already."""
    if cache.claim():
        try:
            warmup()
        finally:
            cache.give_up()


ENGINES = ("auto", "numpy", "compiled")
FILL = ("-m", "refinfer.kernels.compiled.tiers")

if __name__ == "__main__":
    fill()
