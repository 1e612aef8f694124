"""`refinfer diff`: where the runtimes part, or two models."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from refinfer.cli.common import NO, YES, load, screen, write, write_file, write_json
from refinfer.cli.options import ALL, JSON, MODEL, Command, option, positive, switch
from refinfer.new_file import check_new
from refinfer.schema.errors import UsageError

if TYPE_CHECKING:
    from refinfer.schema.graph import Graph


def diff(arguments: Namespace) -> int:
    """`refinfer diff`: YES if both dialects run the model and give equal outputs."""
    from refinfer.comparison.dialects import OFFICIAL
    from refinfer.comparison.dialects import diff as compare
    from refinfer.inputs import read_runs
    from refinfer.terminal import diff as words
    from refinfer.terminal.progress import Progress

    if arguments.html is not None:
        check_new(arguments.html, arguments.force)
    graph = load(arguments.model)
    if arguments.second is not None:
        return diff_models(graph, load(arguments.second), arguments)
    if arguments.dialect is not None:
        raise UsageError("--dialect is for two models; of one, both dialects are compared")
    runs = None if arguments.inputs is None else read_runs(graph, arguments.inputs)
    count = arguments.seeds if runs is None else len(runs)
    with Progress(sys.stderr, 4 * count + len(OFFICIAL)) as progress:
        found = compare(graph, runs, count, official=not arguments.ours_only, progress=progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(words.diff_lines(found, arguments.all, screen()))
    return YES if found.equal else NO


def diff_models(first: Graph, second: Graph, arguments: Namespace) -> int:
    """`refinfer diff` of two models: YES if both run, and give equal outputs."""
    from refinfer.comparison.versions import diff_models as compare
    from refinfer.inputs import runs_as_they_are
    from refinfer.terminal.diff import versions_lines
    from refinfer.terminal.progress import Progress

    runs = None if arguments.inputs is None else runs_as_they_are(first, arguments.inputs)
    count = arguments.seeds if runs is None else len(runs)
    with Progress(sys.stderr, 2 * count) as progress:
        found = compare(first, second, runs, count, dialect=arguments.dialect or "litert", progress=progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    write_json(found.to_dict()) if arguments.json else write(versions_lines(found, arguments.all, screen()))
    return YES if found.equal else NO


DIFF = Command(
    diff,
    "where do the runtimes part, or two models?",
    [
        MODEL,
        option("second", metavar="MODEL2", nargs="?", help="another model: its newer version, its int8 form"),
        option("--inputs", metavar="FILE", help="an .npz with an array for each input; random inputs if left out"),
        option("--seeds", metavar="N", type=positive, default=20, help="how many of those (default: %(default)s)"),
        option("--dialect", metavar="NAME", help="of two models: whose bits, litert (default) or tflm"),
        switch("--ours-only", "leave the official runtimes out, even if they are installed"),
        option("--html", metavar="FILE", help="also write it as a page"),
        switch("--force", "overwrite that file"),
        ALL,
        JSON,
    ],
)
