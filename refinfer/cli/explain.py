"""`refinfer explain`: how one number came to be."""

from __future__ import annotations

from argparse import Namespace

from refinfer.cli.common import NO, YES, load, screen, write, write_file, write_json
from refinfer.cli.options import DIALECTS, JSON, MODEL, Command, count, element, option, switch


def explain(arguments: Namespace) -> int:
    """`refinfer explain`: YES if a dialect has the number."""
    from refinfer.explanation.explain import explain as way_of
    from refinfer.explanation.explain import node_at
    from refinfer.inputs import Pixels, read_inputs
    from refinfer.terminal import explain as words

    graph = load(arguments.model)
    if arguments.op is None:
        write_json(words.operators_to_dict(graph)) if arguments.json else write(words.operators_lines(graph, screen()))
        return YES
    node_at(graph, arguments.op)  # refuses one that there is not, before long work
    given = read_inputs(graph, arguments.input, arguments.seed, Pixels(arguments.mean, arguments.std))
    arrays = [each.array for each in given]
    found = way_of(graph, arguments.op, arguments.element, arrays, dialect=arguments.dialect)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(words.explain_lines(found, [f"{each.name}: {each.how}" for each in given], screen()))
    return YES if any(account.value is not None for account in found.accounts) else NO


EXPLAIN = Command(
    explain,
    "how did one number come to be?",
    [
        MODEL,
        option("--op", metavar="N", type=count, help="the operator; all are listed if left out"),
        option("--element", metavar="I,J,K", type=element, help="of its output; the largest if left out"),
        option(
            "--input",
            metavar="[NAME=]FILE",
            action="append",
            default=[],
            help="an input, as of 'refinfer run'; random if left out",
        ),
        option("--seed", metavar="N", type=count, default=0, help="of random inputs (default: %(default)s)"),
        option("--mean", metavar="X", type=float, help="of pixels: (pixel - mean) / std is what the model gets"),
        option("--std", metavar="X", type=float, help="likewise"),
        option(
            "--dialect",
            metavar="NAME",
            default="both",
            help=f"{DIALECTS}; two of them with a comma between; or both, the first two (default: %(default)s)",
        ),
        option("--html", metavar="FILE", help="also write it as a page"),
        switch("--force", "overwrite that file"),
        JSON,
    ],
)
