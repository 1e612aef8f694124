"""`refinfer memory MODEL --arena-in REGIONS`: in which of several regions of memory it fits, and how."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.simulator.regions import Placement, Split, WhatIf, Whole
from refinfer.terminal.names import buffer_name, model_name
from refinfer.terminal.text import BOLD, END, GREEN, RED, Column, Screen, both, painted, printable, table, wrapped

MOST_SPLITS = 6  # rows of a list unless --all is given


def placement_lines(placement: Placement, everything: bool, screen: Screen) -> Iterator[str]:
    """The answer, then one arena, two arenas, and what else."""
    yield from painted(headline(placement), screen, BOLD, GREEN if placement.fits else RED)
    yield ""
    yield screen.paint(f"One arena of {both(placement.arena.minimum)}", BOLD)
    yield from table([Column("in"), *LEFT], [_whole(whole) for whole in placement.wholes], screen)
    yield ""
    yield from _splits(placement, everything, screen)
    if not placement.fits:
        yield ""
        yield from _what_if(placement, everything, screen)


def headline(placement: Placement) -> str:
    """Whether it fits as TFLM is."""
    name = f"{model_name(placement.graph)} on {placement.target.name}"
    whole = [whole for whole in placement.wholes if whole.fits][:1]
    split = [split for split in placement.splits if split.fits][:1]
    if whole:
        return f"{name} fits {printable(whole[0].region.name)} in one arena"
    if split:
        one, other = (printable(region.name) for region in (split[0].persistent, split[0].non_persistent))
        return f"{name} fits in two arenas: the persistent one in {one}, the other in {other}"
    return f"{name} fits none of these regions in one arena, and no two of them in two arenas"


LEFT = [Column("size", right=True), Column("left", right=True), Column("fits")]


def _whole(whole: Whole) -> tuple[str, ...]:
    return (printable(whole.region.name), f"{whole.region.nbytes:,}", f"{whole.left:,}", _yes(whole.fits))


def _splits(placement: Placement, everything: bool, screen: Screen) -> Iterator[str]:
    if placement.two_arenas is None:
        yield from wrapped("Two arenas are not to be had: TFLM's recording allocator has one.", screen)
        return
    persistent, other = placement.two_arenas
    sizes = f"{persistent.minimum:,} bytes are persistent, {other.minimum:,} are not"
    yield screen.paint(f"Two arenas: {sizes}", BOLD)
    if not placement.splits:
        yield "  There is only one region."
        return
    shown = placement.splits if everything else placement.splits[:MOST_SPLITS]
    columns = [
        Column("persistent in"),
        Column("left", right=True),
        Column("the other in"),
        Column("left", right=True),
        Column("fits"),
    ]
    yield from table(columns, [_split(split) for split in shown], screen)
    if len(shown) < len(placement.splits):
        yield f"  {screen.ellipsis} {len(placement.splits) - len(shown)} more with less room (--all shows all)"


def _split(split: Split) -> tuple[str, ...]:
    return (
        printable(split.persistent.name),
        f"{split.persistent_left:,}",
        printable(split.non_persistent.name),
        f"{split.non_persistent_left:,}",
        _yes(split.fits),
    )


def _what_if(placement: Placement, everything: bool, screen: Screen) -> Iterator[str]:
    """Beyond TFLM as it is."""
    yield screen.paint("If buffers could lie in several regions, which TFLM's planners cannot", BOLD)
    there = sum(region.nbytes for region in placement.regions)
    if placement.alive > there:
        yield from wrapped(
            f"No planner could do it: {placement.alive:,} bytes are persistent or alive at once, and the regions have "
            f"{there:,} together.",
            screen,
            "  ",
        )
    elif placement.what_if is None:
        yield from wrapped(
            "No arrangement was found in which every buffer lies in one piece. The search is greedy: that is no proof.",
            screen,
            "  ",
        )
    else:
        yield from _moved(placement, placement.what_if, everything, screen)


def _moved(placement: Placement, what_if: WhatIf, everything: bool, screen: Screen) -> Iterator[str]:
    head, persistent = printable(what_if.head.name), printable(what_if.persistent.name)
    yield from wrapped(
        f"An estimate: with the head in {head} and what is persistent in {persistent}, these would have to move, "
        f"{what_if.moved_bytes:,} bytes.",
        screen,
        "  ",
    )
    moved = what_if.moved if everything else what_if.moved[:MOST_SPLITS]
    columns = [
        Column("to"),
        Column("bytes", right=True),
        Column("first", right=True),
        Column("last", right=True),
        Column("what", cut=END),
    ]
    rows = [
        (
            printable(each.region.name),
            f"{each.buffer.nbytes:,}",
            str(each.buffer.buffer.first),
            str(each.buffer.buffer.last),
            buffer_name(placement.graph, each.buffer),
        )
        for each in moved
    ]
    yield from table(columns, rows, screen)
    if len(moved) < len(what_if.moved):
        yield f"  {screen.ellipsis} {len(what_if.moved) - len(moved)} more (--all shows all)"


def _yes(fits: bool) -> str:
    return "yes" if fits else "no"
