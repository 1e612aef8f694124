"""Work that other processes share: one that dies is told of in a line, like every other thing that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from refinfer.schema.errors import WorkerDied

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_processes(
    work: Callable[[Given], Made],
    given: Iterable[Given],
    processes: int,
    context: BaseContext | None = None,
    start: Callable[..., None] | None = None,
    *arguments: object,
) -> Iterator[Made]:
    """What `work` makes of each, in order; `start`, with its arguments, is what a process does first.

    Raises WorkerDied if a process ends before its work is done.
    """
    from concurrent.futures import ProcessPoolExecutor  # where no process is needed, these are not loaded
    from concurrent.futures.process import BrokenProcessPool

    try:
        with ProcessPoolExecutor(processes, mp_context=context, initializer=partial(begin, start, *arguments)) as pool:
            yield from pool.map(work, given)
    except BrokenProcessPool:
        raise WorkerDied(DIED) from None


def begin(start: Callable[..., None] | None, *arguments: object) -> None:
    """Ctrl-C reaches all processes of a terminal, and each would tell of it: that is left to the first one."""
    from signal import SIG_IGN, SIGINT, signal

    signal(SIGINT, SIG_IGN)
    if start is not None:
        start(*arguments)


DIED = (
    "a process that helped ended before its work was done: killed, or out of memory. "
    'Use fewer (--jobs 1), or fewer files at a time; a script needs `if __name__ == "__main__":`'
)
