"""Many models on one board: a line each, whatever is wrong with one of them, on all cores.

What comes out is plain values, so that it can come from another process, or another machine: any
`concurrent.futures.Executor` does, such as those of Dask and Ray.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from refinfer.fitting.boards import Board, find_board
from refinfer.fitting.verdict import FITS, fit
from refinfer.processes import in_processes
from refinfer.schema.errors import FormatError, GraphError, UsageError
from refinfer.simulator import find_target

if TYPE_CHECKING:
    from concurrent.futures import Executor

    Path = str | os.PathLike[str]

SUFFIX = ".tflite"
UNREADABLE = "unreadable"
"""The outcome of a file that is no model, beside those of a verdict."""

ALONE = 0.3  # seconds of work that are done before other processes are asked to help: it takes as long to start them
MOST_PROCESSES = 61  # on Windows


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What is said of one file: the verdict, as `Verdict.to_dict` has it, or the error for which there is none."""

    path: str
    verdict: dict[str, Any] | None
    error: str | None = None

    @property
    def outcome(self) -> str:
        """That of the verdict, or UNREADABLE."""
        return UNREADABLE if self.verdict is None else str(self.verdict["outcome"])

    @property
    def fits(self) -> bool:
        """Whether the answer is a plain yes."""
        return self.outcome == FITS

    def number(self, *keys: str) -> int | None:
        """A number of the verdict, such as "arena_size", or "ram" and "margin"; None where there is none."""
        found: Any = self.verdict
        for key in keys:
            found = None if found is None else found[key]
        return found if found is None else int(found)


def fit_many(
    paths: Iterable[Path],
    board: str | Board,
    *,
    target: str | None = None,
    firmware: str | None = None,
    executor: Executor | None = None,
) -> Iterator[FileVerdict]:
    """Whether each model fits `board`, as `fit` says it, in the order of `paths`, each as soon as it is known.

    A folder stands for the models in it. A file that is no model does not keep the others from being judged. The work
    is done by `executor`, or by as many processes as there are cores if that is worth while. Raises UsageError for a
    board, target or profile that does not exist, and for a folder without a model; WorkerDied if a process ends early.
    """
    board = find_board(board) if isinstance(board, str) else board
    if target is not None:
        find_target(target)
    if firmware is not None:
        board.find_firmware(firmware)
    files = files_of(paths)
    judge = partial(fit_file, board=board, target=target, firmware=firmware)
    return on_all_cores(judge, files) if executor is None else executor.map(judge, files)


def files_of(paths: Iterable[Path]) -> list[str]:
    """The files of these names, where a folder stands for all models in it and in the folders in it."""
    return [file for path in paths for file in models_at(os.fspath(path))]


def models_at(name: str) -> list[str]:
    """The file of that name, or all models in the folder of that name and the folders in it."""
    if not os.path.isdir(name):
        return [name]
    walk = os.walk(name)
    found = sorted(os.path.join(folder, file) for folder, _, files in walk for file in files if file.endswith(SUFFIX))
    if not found:
        raise UsageError(f"{name}: no {SUFFIX} file in this folder")
    return found


def fit_file(path: str, board: Board, target: str | None, firmware: str | None) -> FileVerdict:
    """The work on one file."""
    try:
        return FileVerdict(path, fit(path, board, target=target, firmware=firmware).to_dict())
    except (FormatError, GraphError) as error:
        return FileVerdict(path, None, str(error).removeprefix(f"{path}: "))


def on_all_cores(judge: partial[FileVerdict], files: Sequence[str]) -> Iterator[FileVerdict]:
    """A few files are judged at once, where they are asked for; if there are more, other processes help."""
    start, done = monotonic(), 0
    processes = min(cores(), len(files), MOST_PROCESSES)
    while done < len(files) and (processes == 1 or monotonic() - start < ALONE):
        yield judge(files[done])
        done += 1
    if done == len(files):
        return
    yield from in_processes(judge, files[done:], processes)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
