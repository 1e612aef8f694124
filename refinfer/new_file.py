"""A file that a command writes: whole or not at all, and over one that is there only if that was said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from refinfer.schema.errors import UsageError


def check_new(path: str, force: bool) -> None:
    """Before long work: raises UsageError if there is such a file, unless `force`."""
    if os.path.exists(path) and not force:
        raise UsageError(f"{path}: exists; --force overwrites it")


@contextmanager
def new_file(path: str, force: bool = False) -> Iterator[BinaryIO]:
    """The file, open for writing; raises FileExistsError if there is one, unless `force`.

    What is there is then replaced once all is written; a device or a pipe is written to.
    """
    if force and os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    whole = os.path.realpath(path)
    written = f"{whole}.part" if force and os.path.exists(whole) else whole
    with open(written, "xb") as file:
        try:
            yield file
        except BaseException:
            file.close()
            with suppress(OSError):
                os.remove(written)
            raise
    if written != whole:
        os.replace(written, whole)
