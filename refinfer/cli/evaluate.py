"""`refinfer evaluate`: how often a model is right."""

from __future__ import annotations

import sys
from argparse import Namespace

from refinfer.cli.common import NO, YES, load, read_lines, screen, write, write_file, write_json
from refinfer.cli.options import ALL, DIALECTS, JSON, MODEL, Command, option, positive, switch
from refinfer.new_file import check_new


def evaluate(arguments: Namespace) -> int:
    """`refinfer evaluate`: NO if a dialect does not run a model."""
    from refinfer.evaluation import judge
    from refinfer.fitting.scan import cores
    from refinfer.inputs import Pixels
    from refinfer.samples import read_samples
    from refinfer.terminal.evaluation import evaluation_lines
    from refinfer.terminal.progress import Progress

    names = read_lines(arguments.labels) if arguments.labels else []
    if arguments.html is not None:
        check_new(arguments.html, arguments.force)
    graph = load(arguments.model)
    other = None if arguments.against is None else load(arguments.against)
    graphs = [graph] if other is None else [graph, other]
    samples = read_samples(arguments.data, names, arguments.inputs_name, arguments.labels_name, graphs)
    pixels = Pixels(arguments.mean, arguments.std)
    jobs = arguments.jobs or cores()
    with Progress(sys.stderr, len(samples.labels)) as progress:
        found = judge(
            samples, graph, other, arguments.dialect, pixels, jobs, None, progress.step, arguments.output_name
        )
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(evaluation_lines(found, arguments.all, screen()))
    return YES if found.complete else NO


EVALUATE = Command(
    evaluate,
    "how often is the model right, and what did int8 cost?",
    [
        MODEL,
        option("data", metavar="DATA", help="an .npz with inputs and labels, or a folder with one for each class"),
        option("--against", metavar="MODEL2", help="another model, which gets the same"),
        option(
            "--dialect",
            metavar="NAME",
            default="litert",
            help=f"whose bits: {DIALECTS}; or both, the first two (default: %(default)s)",
        ),
        option("--inputs-name", metavar="NAME", help="the array of the inputs; else x, images, ..."),
        option("--labels-name", metavar="NAME", help="the array of the labels; else y, labels, ..."),
        option("--output-name", metavar="NAME", help="the output that has the scores, if there are several"),
        option("--mean", metavar="X", type=float, help="the model gets (value - mean) / std"),
        option("--std", metavar="X", type=float, help="likewise"),
        option("--labels", metavar="FILE", help="names of the classes, a line each"),
        option("--jobs", metavar="N", type=positive, help="processes; as many as there are cores if left out"),
        option("--html", metavar="FILE", help="also write it as a page"),
        switch("--force", "overwrite that file"),
        ALL,
        JSON,
    ],
)
