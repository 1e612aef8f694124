"""`refinfer whatif`: what the model would take if it were another."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace

from refinfer.cli.common import DEFAULT_TARGET, NO, YES, load, screen, write, write_json
from refinfer.cli.options import ALL, JSON, MODEL, Command, option, positive


def whatif(arguments: Namespace) -> int:
    """`refinfer whatif`: NO if a shape that was asked for cannot be had, or TFLM does not run it."""
    import flatbuffers  # noqa: F401  # files are written to be measured: better to hear of it now

    from refinfer.alternatives.whatif import ZEROS
    from refinfer.alternatives.whatif import whatif as alternatives_of
    from refinfer.terminal.whatif import whatif_lines

    graph = load(arguments.model)
    first = graph.subgraphs[0].inputs[0].name if graph.subgraphs[0].inputs else ""
    shapes = {name if name is not None else first: shape for name, shape in arguments.shape}
    found = alternatives_of(
        graph,
        arguments.target,
        batches=arguments.batch,
        sizes=arguments.input_size,
        shapes=[shapes] if shapes else [],
        zeros=arguments.zeros or ZEROS,
    )
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(whatif_lines(found, arguments.all, screen()))
    return YES if found.possible else NO


def dimensions(text: str) -> tuple[int, ...]:
    """Sizes: 1x96x96x3."""
    sizes = text.lower().replace("×", "x").split("x")
    if not all(each.isdecimal() and int(each) > 0 for each in sizes):
        raise ArgumentTypeError(f"{text!r} is no shape; one is 1x96x96x3")
    return tuple(map(int, sizes))


def size(text: str) -> tuple[int, int]:
    """Rows and columns: 96x96."""
    sizes = dimensions(text)
    if len(sizes) != 2:
        raise ArgumentTypeError(f"{text!r} is no size of an image; one is 96x96, rows and columns")
    return sizes[0], sizes[1]


def shape(text: str) -> tuple[str | None, tuple[int, ...]]:
    """A shape, perhaps behind the name of an input."""
    name, equals, sizes = text.rpartition("=")
    return (name if equals else None), dimensions(sizes)


def share(text: str) -> float:
    """A share in percent: 80, 80%."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise ArgumentTypeError(f"{text!r} is no share in percent; one is 80")
    return percent / 100


WHATIF = Command(
    whatif,
    "what would it take in another size, other types, with fewer weights?",
    [
        MODEL,
        option(
            "--batch", metavar="N", type=positive, action="append", default=[], help="so many samples; may be repeated"
        ),
        option(
            "--input-size",
            metavar="HxW",
            type=size,
            action="append",
            default=[],
            help="input images of so many rows and columns, such as 96x96; may be repeated",
        ),
        option(
            "--shape",
            metavar="[NAME=]SHAPE",
            type=shape,
            action="append",
            default=[],
            help="an input of this shape, such as 1x49x10x1; the first one without NAME; all of them together",
        ),
        option(
            "--zeros",
            metavar="PERCENT",
            type=share,
            action="append",
            default=[],
            help="this share of zero weights, stored sparse; may be repeated (default: 50, 75 and 90)",
        ),
        option("--target", metavar="NAME", default=DEFAULT_TARGET, help="a build of TFLM (default: %(default)s)"),
        ALL,
        JSON,
    ],
)
