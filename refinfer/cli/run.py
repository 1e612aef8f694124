"""`refinfer run`: what the model answers."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.cli.common import NO, YES, load, read_lines, screen, write, write_json
from refinfer.cli.options import DIALECT, JSON, MODEL, Command, count, option, positive, switch
from refinfer.new_file import check_new
from refinfer.schema.errors import UnsupportedNode, UsageError

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.machine import Machine
    from refinfer.schema.graph import Node


def run(arguments: Namespace) -> int:
    """`refinfer run`."""
    from refinfer.inputs import Pixels, read_inputs
    from refinfer.interpreter import find_dialect
    from refinfer.machine import Machine
    from refinfer.terminal import run as words

    dialect = find_dialect(arguments.dialect)
    graph = load(arguments.model)
    labels = read_lines(arguments.labels) if arguments.labels else []
    check_output(arguments.output, arguments.force, len(graph.subgraphs[0].outputs))
    try:
        machine = Machine(graph, dialect)
        given = read_inputs(graph, arguments.input, arguments.seed, Pixels(arguments.mean, arguments.std))
        outputs, seconds = run_machine(machine, [each.array for each in given], arguments.repeat)
    except UnsupportedNode as refusal:
        if arguments.json:
            write_json(words.refused_to_dict(graph, dialect.name, str(refusal)))
        else:
            write(words.refused_lines(graph, dialect.name, str(refusal), screen()))
        return NO
    if arguments.output:
        words.save(arguments.output, graph, outputs, arguments.force)
    done = words.Run(graph, dialect.name, None if arguments.input else arguments.seed, given, outputs, seconds)
    if arguments.json:
        write_json(words.run_to_dict(done, arguments.top, labels))
    else:
        write(words.run_lines(done, arguments.top, labels, screen()))
    return YES


def run_machine(machine: Machine, arrays: Sequence[Array], repeat: int) -> tuple[tuple[Array, ...], list[float]]:
    """Run the main subgraph so many times; the last outputs, and the seconds of each time."""
    from time import perf_counter

    from refinfer.terminal.progress import Progress

    def watch(node: Node, inputs: object, outputs: object) -> None:
        if node.subgraph == 0:  # what it calls, it may call any number of times
            progress.step(node.name)

    machine.shapes(0, [array.shape for array in arrays])  # refuses inputs that do not go together
    machine.watch = watch
    seconds = []
    with Progress(sys.stderr, repeat * len(machine.graph.subgraphs[0].nodes)) as progress:
        for _ in range(repeat):
            start = perf_counter()
            outputs = machine.call(0, arrays)
            seconds.append(perf_counter() - start)
    return outputs, seconds


def check_output(path: str | None, force: bool, outputs: int) -> None:
    """Before long work: can the outputs be written to `path`?"""
    if path is None:
        return
    if not path.endswith((".npz", ".npy")):
        raise UsageError(f"{path}: the outputs can be written to an .npz, or a single one to an .npy")
    if path.endswith(".npy") and outputs != 1:
        raise UsageError(f"{path}: an .npy holds one array and the model has {outputs} outputs; take an .npz")
    check_new(path, force)


RUN = Command(
    run,
    "what does the model answer?",
    [
        MODEL,
        option(
            "--input",
            metavar="[NAME=]FILE",
            action="append",
            default=[],
            help="an input: .npy, .npz, .txt, .csv, a picture, a .wav; random if left out",
        ),
        option("--output", metavar="FILE", help="write the outputs to an .npz, or an only one to an .npy"),
        switch("--force", "overwrite that file"),
        DIALECT,
        option("--seed", metavar="N", type=count, default=0, help="of random inputs (default: %(default)s)"),
        option("--mean", metavar="X", type=float, help="of pixels: (pixel - mean) / std is what the model gets"),
        option("--std", metavar="X", type=float, help="likewise"),
        option("--labels", metavar="FILE", help="names of the classes, a line each"),
        option("--top", metavar="N", type=count, default=5, help="how many classes to show (default: %(default)s)"),
        option("--repeat", metavar="N", type=positive, default=1, help="run it so many times on one interpreter"),
        JSON,
    ],
)
