"""What the commands share: models from files, lines and JSON to the standard output, mistakes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from refinfer.new_file import new_file
from refinfer.schema.errors import FormatError, GraphError, RefinferError

if TYPE_CHECKING:
    from refinfer.schema.graph import Graph
    from refinfer.simulator import Refused
    from refinfer.simulator.targets import Target
    from refinfer.terminal.text import Screen

YES, NO, ERROR, INTERRUPTED = 0, 1, 2, 130

DEFAULT_TARGET = "cortex-m4"
SCHEMA = 1  # of the JSON forms; docs/json.md


def load(path: str) -> Graph:
    """The model at `path`; an error says which file it is about."""
    from refinfer.schema.file import read_model

    try:
        return read_model(path)
    except (FormatError, GraphError) as error:
        message = str(error)
        raise type(error)(message if message.startswith(path) else f"{path}: {message}") from None


def load_all(paths: Iterable[str]) -> tuple[list[Graph], bool]:
    """The models at these paths, and whether some could not be read; what was wrong with those is told at once."""
    graphs, broken = [], False
    for path in paths:
        try:
            graphs.append(load(path))
        except RefinferError as error:
            complain(error)
            broken = True
    return graphs, broken


def tell_refusal(graph: Graph, target: Target, refusal: Refused, as_json: bool) -> int:
    """TFLM does not load the model."""
    from refinfer.terminal import memory as words

    if as_json:
        write_json(words.refused_to_dict(graph, target, refusal))
    else:
        write(words.refused_lines(graph, target, refusal, screen()))
    return NO


def write_file(path: str, content: bytes, force: bool) -> None:
    """Content to a file; without `force`, to none that exists."""
    with new_file(path, force) as file:
        file.write(content)


def read_lines(path: str) -> list[str]:
    """The lines of a text file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in file]


def screen() -> Screen:
    """The screen behind the standard output."""
    from refinfer.terminal.text import screen_of

    return screen_of(sys.stdout, os.environ)


def write(lines: Iterable[str]) -> None:
    """Lines to the standard output; what its encoding lacks is written out."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    for line in lines:
        print(line)


def write_json(value: Any) -> None:
    """A value as JSON to the standard output."""
    from json import dumps

    print(dumps(value, indent=2, allow_nan=False))


def write_csv(rows: Iterable[Sequence[Any]]) -> None:
    """Rows to the standard output, as RFC 4180 has them."""
    from csv import writer

    writer(sys.stdout).writerows(rows)


def complain(error: object) -> None:
    """An error to the standard error, in one line."""
    from refinfer.terminal.text import printable

    if isinstance(error, OSError) and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    print(f"refinfer: {printable(str(error))}", file=sys.stderr)
