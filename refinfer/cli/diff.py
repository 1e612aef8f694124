"""`refinfer diff`: where the runtimes part, or two models."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.cli.common import NO, YES, load, screen, write, write_file, write_json
from refinfer.cli.options import ALL, DIALECTS, JSON, MODEL, Command, option, positive, switch
from refinfer.new_file import check_new
from refinfer.schema.errors import UsageError

if TYPE_CHECKING:
    from refinfer.samples import Given
    from refinfer.schema.graph import Graph


def diff(arguments: Namespace) -> int:
    """`refinfer diff`: YES if both dialects run the model and give equal outputs."""
    from refinfer.comparison.dialects import OFFICIAL
    from refinfer.comparison.dialects import diff as compare
    from refinfer.inputs import Pixels
    from refinfer.samples import read_given
    from refinfer.terminal import diff as words
    from refinfer.terminal.progress import Progress

    if arguments.html is not None:
        check_new(arguments.html, arguments.force)
    graph = load(arguments.model)
    if arguments.second is not None:
        return diff_models(graph, load(arguments.second), arguments)
    if arguments.dialect is not None:
        raise UsageError("--dialect is for two models; of one, all four dialects are compared")
    pixels = Pixels(arguments.mean, arguments.std)
    given = [] if arguments.inputs is None else read_given(graph, arguments.inputs, pixels)
    runs = [each.arrays for each in given] or None
    count = arguments.seeds if runs is None else len(runs)
    names, anew = [each.name for each in given], begins(given)
    with Progress(sys.stderr, 4 * count + len(OFFICIAL)) as progress:
        found = compare(
            graph, runs, count, names=names, anew=anew, official=not arguments.ours_only, progress=progress.step
        )
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
    from refinfer.inputs import Pixels, runs_as_they_are
    from refinfer.samples import read_given
    from refinfer.terminal.diff import versions_lines
    from refinfer.terminal.progress import Progress

    pixels = Pixels(arguments.mean, arguments.std)
    given = [] if arguments.inputs is None else read_given(first, arguments.inputs, pixels, runs_as_they_are)
    runs = [each.arrays for each in given] or None
    count = arguments.seeds if runs is None else len(runs)
    with Progress(sys.stderr, 2 * count) as progress:
        dialect = arguments.dialect or "litert"
        found = compare(first, second, runs, count, anew=begins(given), dialect=dialect, progress=progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    write_json(found.to_dict()) if arguments.json else write(versions_lines(found, arguments.all, screen()))
    return YES if found.equal else NO


def begins(given: Sequence[Given]) -> list[int]:
    """The runs that begin anew."""
    return [number for number, each in enumerate(given) if each.anew]


DIFF = Command(
    diff,
    "where do the runtimes part, or two models?",
    [
        MODEL,
        option("second", metavar="MODEL2", nargs="?", help="another model: its newer version, its int8 form"),
        option(
            "--inputs",
            "--real",
            metavar="PATH",
            help="real inputs: an .npz, .npy, .txt, .csv, a picture, a .wav, or a folder of them; random if left out",
        ),
        option("--mean", metavar="X", type=float, help="of pixels: (pixel - mean) / std is what the model gets"),
        option("--std", metavar="X", type=float, help="likewise"),
        option("--seeds", metavar="N", type=positive, default=20, help="how many random ones (default: %(default)s)"),
        option("--dialect", metavar="NAME", help=f"of two models: whose bits, {DIALECTS} (default: litert)"),
        switch("--ours-only", "leave the official runtimes out, even if they are installed"),
        option("--html", metavar="FILE", help="also write it as a page"),
        switch("--force", "overwrite that file"),
        ALL,
        JSON,
    ],
)
