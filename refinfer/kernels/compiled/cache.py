"""Where compiled kernels are kept between processes.

numba looks at the file of a function to see whether what it kept is still good, and not at the files of the functions
that this one calls. So the directory is named after everything that goes into the code: all sources here, and the
versions of what makes machine code of them. numba itself tells processors apart, and writes a file before it gives it
its name, so that processes may share the directory.
"""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from hashlib import sha256
from pathlib import Path

SOURCES = Path(__file__).parent
MOST_SECONDS = 300  # that anyone needs to compile


def directory() -> Path:
    """The directory of this version of the kernels; one for this process alone, if ours cannot be written to."""
    kept = place()
    try:
        kept.mkdir(parents=True, exist_ok=True)
        if os.access(kept, os.W_OK):
            return kept
    except OSError:
        pass
    return elsewhere()


@cache
def elsewhere() -> Path:
    """A directory that goes with this process, with what someone has filled ours with: numba reads no other."""
    import atexit
    from shutil import copytree
    from tempfile import TemporaryDirectory

    made = TemporaryDirectory(prefix="refinfer-kernels-", ignore_cleanup_errors=True)
    atexit.register(made.cleanup)
    if is_filled():
        copytree(place(), made.name, dirs_exist_ok=True)
    return Path(made.name)


def place() -> Path:
    """Where the directory of this version belongs."""
    return home() / "refinfer" / f"kernels-{digest()}"


def is_filled() -> bool:
    """Whether every kernel is there, for a processor like this one."""
    return (place() / mark()).exists()


def mark_filled() -> None:
    """Say that every kernel is there."""
    (place() / mark()).touch()


def claim() -> bool:
    """Whether no other process is filling the directory; whoever is told so says when it is done, by `give_up`."""
    try:
        os.close(os.open(_claim(), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        if time.time() - _claim().stat().st_mtime < MOST_SECONDS:
            return False
        _claim().touch()  # of one that has died
    return True


def give_up() -> None:
    """Let others fill the directory."""
    _claim().unlink(missing_ok=True)


def _claim() -> Path:
    return directory() / mark().replace("filled", "filling")


def nbytes(kept: Path) -> int:
    """How much the kernels take on the disk."""
    return sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())


def mark() -> str:
    """The name of the file that says so, by what processors can do."""
    import platform

    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        seen = "\n".join(line for line in cpu.splitlines() if line.startswith(("flags", "Features", "model name")))
    except OSError:
        seen = platform.processor()
    return "filled-" + sha256((platform.machine() + seen).encode()).hexdigest()[:16]


def home() -> Path:
    """The user's directory for what can be made again; REFINFER_CACHE_DIR is another."""
    chosen = os.environ.get("REFINFER_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def digest() -> str:
    """What the sources and their compilers amount to; and where and when the walker was written, which numba asks."""
    import platform
    from importlib.metadata import version

    walker = SOURCES / "walker.py"
    seen = sha256(f"{walker} {walker.stat().st_mtime_ns}".encode())
    for path in sorted(SOURCES.glob("*.py")):
        seen.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for part in (version("numba"), version("llvmlite"), platform.python_version(), sys.implementation.name):
        seen.update(part.encode() + b"\0")
    return seen.hexdigest()[:16]
