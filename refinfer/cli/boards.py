"""`refinfer boards` and `refinfer targets`: what is known, and from whom."""

from __future__ import annotations

from argparse import Namespace

from refinfer.cli.common import YES, screen, write, write_json
from refinfer.cli.options import JSON, Command, option


def boards(arguments: Namespace) -> int:
    """`refinfer boards`."""
    from refinfer.fitting.boards import all_boards, find_board
    from refinfer.terminal.boards import board_lines, list_lines

    if arguments.id is not None:
        board = find_board(arguments.id)
        write_json(board.to_dict()) if arguments.json else write(board_lines(board, screen()))
    elif arguments.json:
        write_json({"schema": 1, "boards": [board.to_dict() for board in all_boards()]})
    else:
        write(list_lines(all_boards(), screen()))
    return YES


def targets(arguments: Namespace) -> int:
    """`refinfer targets`."""
    from refinfer.simulator.report import target_to_dict
    from refinfer.simulator.targets import TARGETS
    from refinfer.terminal.boards import targets_lines

    if arguments.json:
        rows = [{**target_to_dict(target), "releases": list(target.releases)} for target in TARGETS.values()]
        write_json({"schema": 1, "targets": rows})
    else:
        write(targets_lines(TARGETS.values(), screen()))
    return YES


BOARDS = Command(
    boards,
    "which boards are known, and who says what of them?",
    [option("id", metavar="ID", nargs="?", help="one board, with every source"), JSON],
)


TARGETS = Command(
    targets,
    "for which builds of TFLM are arenas computed, and how was that verified?",
    [JSON],
)
