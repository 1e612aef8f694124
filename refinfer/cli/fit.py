"""`refinfer fit`: does a model fit a board, or do several?"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.cli.common import DEFAULT_TARGET, ERROR, NO, SCHEMA, YES, complain, load_all, screen, write, write_json
from refinfer.cli.options import JSON, Command, option, switch
from refinfer.schema.errors import UsageError

if TYPE_CHECKING:
    from refinfer.fitting.boards import Board


def fit(arguments: Namespace) -> int:
    """`refinfer fit`: YES if every model fits the board, or with --all-boards every model some board."""
    from refinfer.fitting.scan import files_of
    from refinfer.fitting.verdict import fit as fit_one
    from refinfer.fitting.verdict import fit_all, smallest_boards
    from refinfer.terminal import fit as words

    board = chosen_board(arguments)
    paths = files_of(arguments.models)
    if board is not None and len(paths) > 1:
        return fit_many(paths, board, arguments)
    graphs, broken = load_all(paths)
    verdicts = [
        fit_all(graph)
        if board is None
        else (fit_one(graph, board, target=arguments.target, firmware=arguments.firmware),)
        for graph in graphs
    ]
    if arguments.json:
        write_json({"schema": SCHEMA, "verdicts": [verdict.to_dict() for each in verdicts for verdict in each]})
    elif not graphs:
        pass
    elif board is None:
        write(words.all_boards_lines(verdicts, screen()))
    else:
        write(words.fit_lines(verdicts[0][0], smallest_boards(graphs[0]), screen()))
    if broken:
        return ERROR
    return YES if all(any(verdict.fits for verdict in each) for each in verdicts) else NO


def fit_many(paths: Sequence[str], board: Board, arguments: Namespace) -> int:
    """`refinfer fit` of several models on one board: ERROR if one could not be read, else NO if one does not fit."""
    from refinfer.fitting import scan
    from refinfer.terminal import scan as words
    from refinfer.terminal.progress import Progress
    from refinfer.terminal.text import plural, printable

    found = []
    with Progress(sys.stderr, len(paths)) as progress:
        for each in scan.fit_many(paths, board, target=arguments.target, firmware=arguments.firmware):
            progress.step(printable(os.path.basename(each.path)))
            found.append(each)
    found = words.in_order(found, arguments.sort)
    if arguments.json:
        write_json(words.scan_to_dict(found, SCHEMA))
    else:
        write(words.scan_lines(found, board, screen()))
    if unreadable := sum(each.verdict is None for each in found):
        complain(f"{plural(unreadable, 'file')} of {len(found):,} could not be read")
        return ERROR
    return YES if all(each.fits for each in found) else NO


def chosen_board(arguments: Namespace) -> Board | None:
    """The board that was asked about, by id, by file, or by its sizes; None for all that we know."""
    from refinfer.fitting.boards import board_from_sizes, board_from_toml, find_board, parse_size

    ram, flash = (None if text is None else parse_size(text) for text in (arguments.ram, arguments.flash))
    by_id, by_file = arguments.board is not None, arguments.board_file is not None
    if by_id + by_file + arguments.all_boards + (ram is not None or flash is not None) != 1:
        raise UsageError(f"which board? {BOARD_OPTIONS}, and only one of them")
    if arguments.all_boards and (arguments.target or arguments.firmware):
        raise UsageError("--all-boards takes each board with its own targets and without firmware")
    if by_id:
        return find_board(arguments.board)
    if by_file:
        return board_from_toml(arguments.board_file)
    return None if arguments.all_boards else board_from_sizes(ram, flash, TARGETS_OF_ANY_BOARD)


BOARD_OPTIONS = "--board ID ('refinfer boards' lists them), --board-file FILE, --ram SIZE --flash SIZE, or --all-boards"


TARGETS_OF_ANY_BOARD = (DEFAULT_TARGET, "cortex-m4+cmsis-nn")  # of which only sizes are known


FIT = Command(
    fit,
    "does the model fit the board?",
    [
        option("models", metavar="MODEL", nargs="+", help="a .tflite file, or a folder of them"),
        option("--board", metavar="ID", help="a board that 'refinfer boards' lists"),
        option("--board-file", metavar="FILE", help="a board of your own, as a TOML file"),
        option("--ram", metavar="SIZE", help="any board whose largest block of RAM is this: 262144, 256K, 1M"),
        option("--flash", metavar="SIZE", help="... and whose flash is this"),
        switch("--all-boards", "every board that we know"),
        option("--firmware", metavar="PROFILE", help="beside this firmware, as 'refinfer boards ID' names it"),
        option(
            "--sort",
            metavar="BY",
            choices=("path", "outcome", "arena", "flash", "margin"),
            default="path",
            help="the order of several models: path (default), outcome, arena, flash, margin",
        ),
        option("--target", metavar="NAME", help="your build of TFLM; else the worst that a board may have"),
        JSON,
    ],
)
