"""`refinfer boards` and `refinfer targets`: what the answers rest on, with its sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from refinfer.fitting.boards import FLASH, PSRAM, RAM, RAM_BLOCK, Board, Firmware, Statement
from refinfer.simulator.targets import Target
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    MIDDLE,
    Column,
    Screen,
    both,
    painted,
    printable,
    size,
    table,
    wrapped,
)

FIGURES = {
    RAM_BLOCK: "largest block of RAM",
    RAM: "RAM in all",
    FLASH: "flash",
    PSRAM: "external RAM",
}


def list_lines(boards: Iterable[Board], screen: Screen) -> Iterator[str]:
    """All boards, a line each."""
    rows = [
        (board.id, board.name, board.mcu, _size(board.ram_block), _size(board.ram), _size(board.flash), _target(board))
        for board in boards
    ]
    columns = [
        Column("board"),
        Column("name", cut=END),
        Column("chip", cut=END),
        Column("RAM block", right=True),
        Column("RAM", right=True),
        Column("flash", right=True),
        Column("target"),
    ]
    yield from table(columns, rows, screen, indent="")
    yield ""
    yield from wrapped(
        "RAM block: the largest at consecutive addresses, where one arena has to fit. ?: no source that we know says. "
        "'refinfer boards ID' shows a board with its sources.",
        screen,
    )


def board_lines(board: Board, screen: Screen) -> Iterator[str]:
    """One board: each figure, who says so, and who says something else."""
    yield from painted(f"{printable(board.name)} ({board.id})", screen, BOLD)
    facts = [("vendor", board.vendor), ("chip", board.mcu), ("core", board.core), ("target", _target(board))]
    rows = [(name, printable(value)) for name, value in facts if value]
    yield from table([Column(""), Column("", cut=END)], rows, screen, titles=False)
    for remark in filter(None, (board.note, board.no_tflm)):
        yield from wrapped(printable(remark), screen, "  ")
    for figure, words in FIGURES.items():
        yield from _figure_lines(board, figure, words, screen)
    if board.regions:
        yield ""
        yield screen.paint("memory regions", BOLD)
        rows_ = [
            (region.name, f"{region.origin:#010x}", f"{region.nbytes:,}", region.source.name)
            for region in board.regions
        ]
        columns = [Column("region"), Column("from"), Column("bytes", right=True), Column("source", cut=MIDDLE)]
        yield from table(columns, rows_, screen)
    for firmware in board.firmware:
        yield ""
        yield from _firmware_lines(firmware, screen)


def _figure_lines(board: Board, figure: str, words: str, screen: Screen) -> Iterator[str]:
    value = board.figure(figure)
    agree, differ = board.sources(figure), board.disagreements(figure)
    if value is None and not differ:
        return
    yield ""
    yield from painted(f"{words}: {'unknown' if value is None else both(value) if value else 'none'}", screen, BOLD)
    for statement in agree:
        yield from wrapped(_cited(statement), screen, "    ", "  ")
    for statement in differ:
        text = f"but {statement.nbytes:,} bytes: {_cited(statement)}"
        yield from wrapped(text, screen, "    ", "  ")


def _firmware_lines(firmware: Firmware, screen: Screen) -> Iterator[str]:
    title = f"firmware {firmware.id} ({firmware.name}): leaves {firmware.bound} {both(firmware.nbytes)}"
    yield from painted(title, screen, BOLD)
    if firmware.model_in_ram:
        yield "  the model lies in RAM too"
    yield from wrapped(firmware.note, screen, "  ")
    source = firmware.source
    yield from wrapped(f"{source.name}, {firmware.place} (read {source.read}) {source.url}", screen, "    ", "  ")


def _cited(statement: Statement) -> str:
    source = statement.source
    place = f", {statement.place}" if statement.place else ""
    return printable(f"{source.name}{place} (read {source.read})")


def targets_lines(targets: Iterable[Target], screen: Screen) -> Iterator[str]:
    """Every build of TFLM that arenas are computed for."""
    for number, target in enumerate(targets):
        if number:
            yield ""
        yield screen.paint(target.name, BOLD)
        yield from wrapped(target.summary, screen, "  ")
        yield from wrapped(f"TFLM {target.tflm}", screen, "  ")
        if target.releases:
            releases = f"{target.kernels} {', '.join(target.releases)}: append one as @{list(target.releases)[-1]}"
            yield from wrapped(releases, screen, "  ")
        yield from painted(f"verified against {target.verified}", screen, DIM, indent="  ")


def _size(nbytes: int | None) -> str:
    return "?" if nbytes is None else size(nbytes)


def _target(board: Board) -> str:
    return ", ".join(board.targets) or "(no TFLM)"
