"""`refinfer inspect`: what is in the file."""

from __future__ import annotations

from argparse import Namespace

from refinfer.cli.common import YES, load, screen, write, write_json
from refinfer.cli.options import ALL, JSON, MODEL, Command


def inspect(arguments: Namespace) -> int:
    """`refinfer inspect`."""
    from refinfer.terminal.description import describe
    from refinfer.terminal.inspect import inspect_lines

    graph = load(arguments.model)
    if arguments.json:
        write_json(describe(graph))
    else:
        write(inspect_lines(graph, arguments.all, screen()))
    return YES


INSPECT = Command(
    inspect,
    "what is in the file?",
    [MODEL, ALL, JSON],
)
