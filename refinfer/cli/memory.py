"""`refinfer memory`: the account of the arena, in all its forms."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.cli.common import (
    DEFAULT_TARGET,
    NO,
    YES,
    complain,
    load,
    screen,
    tell_refusal,
    write,
    write_csv,
    write_file,
    write_json,
)
from refinfer.cli.options import ALL, JSON, Command, option, switch
from refinfer.new_file import check_new
from refinfer.schema.errors import UsageError

if TYPE_CHECKING:
    from refinfer.fitting.boards import Board
    from refinfer.growth import Account
    from refinfer.schema.graph import Graph
    from refinfer.simulator.targets import Target


def memory(arguments: Namespace) -> int:
    """`refinfer memory`: NO if TFLM does not run a model, or if its arena is larger than it may be."""
    from refinfer.fitting.boards import parse_size
    from refinfer.simulator import Refused, find_target, simulate
    from refinfer.terminal import memory as words

    check_memory(arguments)
    most = None if arguments.fail_above is None else parse_size(arguments.fail_above)
    if arguments.arena_in is not None:
        return memory_in_regions(arguments)
    if pictures_asked(arguments):
        return memory_pictures(arguments, most)
    target = find_target(arguments.target or DEFAULT_TARGET)
    if arguments.two_arenas:
        target = target.in_two_arenas()
    if arguments.planner is not None:
        target = target.with_planner(arguments.planner)
    if arguments.together:
        return memory_together(arguments, target, most)
    before = account_before(arguments, target)
    graph = load(arguments.models[-1])
    try:
        report = simulate(graph, target)
    except Refused as refusal:
        return tell_refusal(graph, target, refusal, arguments.json)
    if before is not None:
        write_growth(before, report.to_dict(), arguments.json)
    elif arguments.json:
        write_json(report.to_dict())
    elif arguments.csv:
        write_csv(words.memory_csv(report, arguments.csv))
    else:
        write(words.memory_lines(report, arguments.all, screen()))
    if too_large(graph.name, report.arena.minimum, most):
        return NO
    return YES if report.refusal is None else NO


def check_memory(arguments: Namespace) -> None:
    """What goes together."""
    pictures = pictures_asked(arguments)
    answers = {
        "--together": arguments.together,
        "--arena-in": arguments.arena_in is not None,
        "--baseline": arguments.baseline is not None,
        "--csv": arguments.csv is not None,
        " ".join(pictures): bool(pictures),
    }
    asked = [option for option, given in answers.items() if given]
    if len(asked) > 1 and (arguments.together or arguments.arena_in is not None or pictures):
        raise UsageError(f"{' and '.join(asked)} have an answer each; ask for one at a time")
    if arguments.arena_in is not None and (arguments.two_arenas or arguments.fail_above is not None):
        raise UsageError("--arena-in tells of one arena and of two, and says no by itself if none fits")
    if arguments.arena_in is not None and len(arguments.models) > 1:
        raise UsageError("--arena-in takes one model")
    if pictures and len(arguments.models) > 1:
        raise UsageError(f"{' '.join(pictures)}: a picture shows one model")
    if arguments.board is not None and not pictures:
        raise UsageError("--board is for --html, --svg and --png; 'refinfer fit' tells whether a model fits a board")
    if len(arguments.models) > 2 and not arguments.together:
        raise UsageError("of two models it tells what grew; what several take in one arena, --together tells")


def pictures_asked(arguments: Namespace) -> dict[str, str]:
    """The files to be written, by option."""
    files = {"--html": arguments.html, "--svg": arguments.svg, "--png": arguments.png}
    return {option: path for option, path in files.items() if path is not None}


def memory_pictures(arguments: Namespace, most: int | None) -> int:
    """`refinfer memory --html`, `--svg` and `--png`: the account as a page or a picture."""
    from refinfer.fitting.boards import find_board
    from refinfer.fitting.verdict import fit as fit_one
    from refinfer.fitting.verdict import smallest_boards
    from refinfer.page.html import page
    from refinfer.page.picture import picture_of
    from refinfer.page.png import png
    from refinfer.page.svg import svg
    from refinfer.planning import QUICK, plan
    from refinfer.simulator import Refused, simulate
    from refinfer.terminal.memory import headline

    files = pictures_asked(arguments)
    for path in files.values():
        check_new(path, arguments.force)
    board = None if arguments.board is None else find_board(arguments.board)
    graph = load(arguments.models[0])
    target = target_of_picture(arguments, graph, board)
    try:
        report = simulate(graph, target)
    except Refused as refusal:
        return tell_refusal(graph, target, refusal, arguments.json)
    verdict = None if board is None else fit_one(report, board)
    others = smallest_boards(graph) if "--html" in files and not (verdict and verdict.fits) else ()
    better = plan(graph, [target], effort=QUICK) if "--html" in files and report.refusal is None else None
    makers = {
        "--html": lambda: page(report, verdict, others, better).encode(),
        "--svg": lambda: svg(picture_of(report)).encode(),
        "--png": lambda: png(picture_of(report)),
    }
    made = {path: makers[option]() for option, path in files.items()}
    for path, content in made.items():
        write_file(path, content, arguments.force)
    write_json(report.to_dict()) if arguments.json else write([*headline(report, screen()), *files.values()])
    return NO if report.refusal is not None or too_large(graph.name, report.arena.minimum, most) else YES


def target_of_picture(arguments: Namespace, graph: Graph, board: Board | None) -> Target:
    """The build that was asked for; of a board the worst that it may have."""
    from refinfer.fitting.verdict import fit as fit_one
    from refinfer.simulator import find_target

    worst = fit_one(graph, board).target if board is not None and arguments.target is None else None
    target = find_target(arguments.target or worst or DEFAULT_TARGET)
    return target.in_two_arenas() if arguments.two_arenas else target


def memory_together(arguments: Namespace, target: Target, most: int | None) -> int:
    """`refinfer memory --together`: several models in one arena."""
    from refinfer.simulator import Refused
    from refinfer.simulator.together import simulate_together
    from refinfer.terminal.together import together_lines

    graphs = [load(path) for path in arguments.models]
    try:
        together = simulate_together(graphs, target)
    except Refused as refusal:
        refused = next(graph for graph in graphs if graph is refusal.graph)
        return tell_refusal(refused, target, refusal, arguments.json)
    write_json(together.to_dict()) if arguments.json else write(together_lines(together, screen()))
    if too_large(f"these {len(graphs)} models", together.arena.minimum, most):
        return NO
    return YES if all(tenant.refusal is None for tenant in together.tenants) else NO


def memory_in_regions(arguments: Namespace) -> int:
    """`refinfer memory --arena-in`: NO if the model does not fit the regions as TFLM is."""
    from refinfer.simulator import Refused, find_target
    from refinfer.simulator.regions import place_in_regions
    from refinfer.terminal.regions import placement_lines

    regions, builds = regions_of(arguments.arena_in)
    target = find_target(arguments.target or builds[0])
    graph = load(arguments.models[0])
    try:
        placement = place_in_regions(graph, regions, target)
    except Refused as refusal:
        return tell_refusal(graph, target, refusal, arguments.json)
    if arguments.json:
        write_json(placement.to_dict())
    else:
        write(placement_lines(placement, arguments.all, screen()))
    return YES if placement.fits else NO


def regions_of(text: str) -> tuple[dict[str, int], Sequence[str]]:
    """The regions that `sram=192K,dtcm=64K` or the id of a board stands for, and the builds of TFLM there."""
    from refinfer.fitting.boards import find_board, parse_size

    if "=" not in text:
        board = find_board(text)
        if not board.blocks():
            raise UsageError(f"nobody says which regions {board.name} has; name them: --arena-in sram=192K,dtcm=64K")
        return dict(board.blocks()), board.targets
    regions: dict[str, int] = {}
    for region in text.split(","):
        name, equals, size = region.partition("=")
        if not (name and equals) or name in regions:
            raise UsageError(f"{region!r} is not a region of its own; write --arena-in sram=192K,dtcm=64K")
        regions[name] = parse_size(size)
    return regions, (DEFAULT_TARGET,)


def too_large(what: str, minimum: int, most: int | None) -> bool:
    """Whether the arena is larger than --fail-above allows; then it is said."""
    if most is None or minimum <= most:
        return False
    complain(f"{what}: the arena takes {minimum:,} bytes; it may take {most:,} (--fail-above)")
    return True


def account_before(arguments: Namespace, target: Target) -> Account | None:
    """What `refinfer memory` is to compare with: a file that was kept, or the older of two models."""
    from refinfer.growth import read_account
    from refinfer.simulator import Refused, simulate

    older = arguments.models[0] if len(arguments.models) > 1 else None
    if older is None and arguments.baseline is None:
        return None
    if older is not None and arguments.baseline is not None:
        raise UsageError("compare with what? an older MODEL or a --baseline, and only one of them")
    if arguments.csv:
        raise UsageError("--csv prints the lists of one account; a comparison has --json")
    if older is None:
        return read_account(arguments.baseline)
    try:
        return simulate(load(older), target).to_dict()
    except Refused as refusal:
        raise UsageError(f"{older}: there is nothing to compare with, TFLM refuses it: {refusal}") from None


def write_growth(before: Account, after: Account, as_json: bool) -> None:
    """What grew from one account to the other."""
    from refinfer.growth import compare
    from refinfer.terminal.growth import growth_lines

    growth = compare(before, after)
    write_json(growth.to_dict()) if as_json else write(growth_lines(growth, screen()))


MEMORY = Command(
    memory,
    "where does every byte of the arena go?",
    [
        option("models", metavar="MODEL", nargs="+", help="a .tflite file; of two, what grew from one to the other"),
        switch("--together", "all of them in one arena, loaded in this order"),
        switch("--two-arenas", "what is persistent in an arena of its own"),
        option("--planner", metavar="NAME", help="place the head by another planner than TFLM's greedy one"),
        option("--arena-in", metavar="REGIONS", help="where it fits: the id of a board, or sram=192K,dtcm=64K"),
        option("--baseline", metavar="FILE", help="tell what grew since --json wrote this file"),
        option("--fail-above", metavar="SIZE", help="exit with 1 if the arena is larger: 120K"),
        option("--target", metavar="NAME", help=f"a build of TFLM (default: {DEFAULT_TARGET}, or the board's first)"),
        ALL,
        JSON,
        option("--csv", choices=("allocations", "buffers", "steps"), help="print one of the lists as CSV"),
        option("--html", metavar="FILE", help="write all of it as a page, with a picture of the arena"),
        option("--svg", metavar="FILE", help="write the picture alone"),
        option("--png", metavar="FILE", help="likewise, as pixels"),
        option("--board", metavar="ID", help="in a page: does it fit? and the worst build that this board may have"),
        switch("--force", "overwrite those files"),
    ],
)
