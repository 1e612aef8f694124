"""The command line: what may be asked, and where the answer comes from. docs/cli.md documents it.

A command imports what it needs when it runs, so that --help and mistakes cost nothing. What it prints is made in
`terminal/`, line by line; this file alone reads arguments, writes to the standard streams and knows exit codes.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from refinfer import __version__
from refinfer.new_file import check_new, new_file
from refinfer.schema.errors import FormatError, GraphError, RefinferError, UnsupportedNode, UsageError

if TYPE_CHECKING:
    from refinfer.boards import Board
    from refinfer.growth import Account
    from refinfer.kernels.compute import Array
    from refinfer.machine import Machine
    from refinfer.schema.graph import Graph, Node
    from refinfer.simulator import Refused
    from refinfer.simulator.targets import Target
    from refinfer.terminal.text import Screen

YES, NO, ERROR, INTERRUPTED = 0, 1, 2, 130
READER_LEFT = YES  # who closes the pipe has seen enough; nothing went wrong

NEEDED_TO_COMPUTE = {"numpy", "flatbuffers"}  # what `fit` does without

DEFAULT_TARGET = "cortex-m4"
TARGETS_OF_ANY_BOARD = (DEFAULT_TARGET, "cortex-m4+cmsis-nn")  # of which only sizes are known
SCHEMA = 1  # of the JSON forms; docs/json.md

EPILOG = """\
exit codes:
  0  yes, or done
  1  no: the model does not fit, or the runtime in question does not run it
  2  an error: a line on stderr says which

The manual is docs/cli.md; docs/json.md documents the JSON forms.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        return READER_LEFT
    except (RefinferError, OSError) as error:
        complain(error)
        return ERROR
    except ModuleNotFoundError as error:
        if error.name not in NEEDED_TO_COMPUTE:
            raise
        complain(f"this needs {error.name}: pip install {error.name}")
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def fit(arguments: Namespace) -> int:
    """`refinfer fit`: YES if every model fits the board, or with --all-boards every model some board."""
    from refinfer.scan import files_of
    from refinfer.terminal import fit as words
    from refinfer.verdict import fit as fit_one
    from refinfer.verdict import fit_all, smallest_boards

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
    from refinfer import scan
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


def memory(arguments: Namespace) -> int:
    """`refinfer memory`: NO if TFLM does not run a model, or if its arena is larger than it may be."""
    from refinfer.boards import parse_size
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
    from refinfer.boards import find_board
    from refinfer.page.html import page
    from refinfer.page.picture import picture_of
    from refinfer.page.png import png
    from refinfer.page.svg import svg
    from refinfer.planning import QUICK, plan
    from refinfer.simulator import Refused, simulate
    from refinfer.terminal.memory import headline
    from refinfer.verdict import fit as fit_one
    from refinfer.verdict import smallest_boards

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
    from refinfer.simulator import find_target
    from refinfer.verdict import fit as fit_one

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
    from refinfer.boards import find_board, parse_size

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


def tell_refusal(graph: Graph, target: Target, refusal: Refused, as_json: bool) -> int:
    """TFLM does not load the model."""
    from refinfer.terminal import memory as words

    if as_json:
        write_json(words.refused_to_dict(graph, target, refusal))
    else:
        write(words.refused_lines(graph, target, refusal, screen()))
    return NO


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


def plan(arguments: Namespace) -> int:
    """`refinfer plan`: NO if nothing is to be gained, and nothing written."""
    from refinfer.planning import PORTABLE
    from refinfer.planning import plan as make_plan
    from refinfer.simulator import Refused, find_target
    from refinfer.terminal.plan import plan_lines, written_lines

    targets = [find_target(name) for name in arguments.target or PORTABLE]
    if arguments.output is not None:
        import flatbuffers  # noqa: F401  # the writer needs it: better to hear of it now

        check_new(arguments.output, arguments.force)
    graph = load(arguments.model)
    try:
        found = make_plan(graph, targets, reorder=not arguments.no_reorder, overlap=not arguments.no_overlap)
    except Refused as refusal:
        return tell_refusal(graph, targets[0], refusal, arguments.json)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(plan_lines(found, screen()))
    if found.model is None:
        return NO
    if arguments.output is not None:
        from refinfer.schema.writer import write as bytes_of

        data = bytes_of(found.model)
        write_file(arguments.output, data, arguments.force)
        if not arguments.json:
            write(written_lines(found, arguments.output, len(data), screen()))
    return YES


def check(arguments: Namespace) -> int:
    """`refinfer check`: YES if the plan in the model is safe on every target that is named, or on any if none is."""
    from refinfer.planning import check_plan
    from refinfer.simulator import find_target
    from refinfer.simulator.targets import TARGETS
    from refinfer.terminal.plan import check_lines, check_to_dict

    targets = [find_target(name) for name in arguments.target or TARGETS]
    graph = load(arguments.model)
    checks = [check_plan(graph, target) for target in targets]
    if arguments.json:
        write_json(check_to_dict(graph, checks))
    else:
        write(check_lines(graph, checks, screen()))
    answers = [each.holds for each in checks]
    return YES if (all(answers) if arguments.target else any(answers)) else NO


def inspect(arguments: Namespace) -> int:
    """`refinfer inspect`."""
    from refinfer.terminal.description import describe
    from refinfer.terminal.inspect import inspect_lines

    graph = load(arguments.model)
    if arguments.json:
        write_json(describe(graph))
    else:
        write(inspect_lines(graph, arguments.all, screen()))
    return YES


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


def diff(arguments: Namespace) -> int:
    """`refinfer diff`: YES if both dialects run the model and give equal outputs."""
    from refinfer.compare import OFFICIAL
    from refinfer.compare import diff as compare
    from refinfer.inputs import read_runs
    from refinfer.terminal import diff as words
    from refinfer.terminal.progress import Progress

    if arguments.html is not None:
        check_new(arguments.html, arguments.force)
    graph = load(arguments.model)
    if arguments.second is not None:
        return diff_models(graph, load(arguments.second), arguments)
    if arguments.dialect is not None:
        raise UsageError("--dialect is for two models; of one, both dialects are compared")
    runs = None if arguments.inputs is None else read_runs(graph, arguments.inputs)
    count = arguments.seeds if runs is None else len(runs)
    with Progress(sys.stderr, 4 * count + len(OFFICIAL)) as progress:
        found = compare(graph, runs, count, official=not arguments.ours_only, progress=progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(words.diff_lines(found, arguments.all, screen()))
    return YES if found.equal else NO


def diff_models(first: Graph, second: Graph, arguments: Namespace) -> int:
    """`refinfer diff` of two models: YES if both run, and give equal outputs."""
    from refinfer.inputs import runs_as_they_are
    from refinfer.terminal.diff import versions_lines
    from refinfer.terminal.progress import Progress
    from refinfer.versions import diff_models as compare

    runs = None if arguments.inputs is None else runs_as_they_are(first, arguments.inputs)
    count = arguments.seeds if runs is None else len(runs)
    with Progress(sys.stderr, 2 * count) as progress:
        found = compare(first, second, runs, count, dialect=arguments.dialect or "litert", progress=progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    write_json(found.to_dict()) if arguments.json else write(versions_lines(found, arguments.all, screen()))
    return YES if found.equal else NO


def evaluate(arguments: Namespace) -> int:
    """`refinfer evaluate`: NO if a dialect does not run a model."""
    from refinfer.evaluation import judge
    from refinfer.inputs import Pixels
    from refinfer.samples import read_samples
    from refinfer.scan import cores
    from refinfer.terminal.evaluation import evaluation_lines
    from refinfer.terminal.progress import Progress

    names = read_lines(arguments.labels) if arguments.labels else []
    if arguments.html is not None:
        check_new(arguments.html, arguments.force)
    graph = load(arguments.model)
    other = None if arguments.against is None else load(arguments.against)
    samples = read_samples(arguments.data, names, arguments.inputs_name, arguments.labels_name)
    pixels = Pixels(arguments.mean, arguments.std)
    jobs = arguments.jobs or cores()
    with Progress(sys.stderr, len(samples.labels)) as progress:
        found = judge(samples, graph, other, arguments.dialect, pixels, jobs, None, progress.step)
    if arguments.html is not None:
        write_file(arguments.html, found.to_html().encode(), arguments.force)
    if arguments.json:
        write_json(found.to_dict())
    else:
        write(evaluation_lines(found, arguments.all, screen()))
    return YES if found.complete else NO


def write_file(path: str, content: bytes, force: bool) -> None:
    """Content to a file; without `force`, to none that exists."""
    with new_file(path, force) as file:
        file.write(content)


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


def read_lines(path: str) -> list[str]:
    """The lines of a text file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in file]


def boards(arguments: Namespace) -> int:
    """`refinfer boards`."""
    from refinfer.boards import all_boards, find_board
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


def warmup(arguments: Namespace) -> int:
    """`refinfer warmup`: NO if the kernels could not be kept for other processes."""
    from refinfer.kernels.compiled.tiers import warm
    from refinfer.terminal.warmup import warm_lines, warm_to_dict

    done = warm()
    write_json(warm_to_dict(done, SCHEMA)) if arguments.json else write(warm_lines(done, screen()))
    return YES if done.kept else NO


def show_help(_: Namespace) -> int:
    """`refinfer` with nothing behind it."""
    parser().print_help()
    return YES


def load(path: str) -> Graph:
    """The model at `path`; an error says which file it is about."""
    from refinfer.schema.file import read_model

    try:
        return read_model(path)
    except (FormatError, GraphError) as error:
        message = str(error)
        raise type(error)(message if message.startswith(path) else f"{path}: {message}") from None


def load_all(paths: Iterable[str]) -> tuple[list[Graph], bool]:
    """The models at these paths, and whether some could not be read; what was wrong with those is told at once."""
    graphs, broken = [], False
    for path in paths:
        try:
            graphs.append(load(path))
        except RefinferError as error:
            complain(error)
            broken = True
    return graphs, broken


def chosen_board(arguments: Namespace) -> Board | None:
    """The board that was asked about, by id, by file, or by its sizes; None for all that we know."""
    from refinfer.boards import board_from_sizes, board_from_toml, find_board, parse_size

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


def screen() -> Screen:
    """The screen behind the standard output."""
    from refinfer.terminal.text import screen_of

    return screen_of(sys.stdout, os.environ)


def write(lines: Iterable[str]) -> None:
    """Lines to the standard output; what its encoding lacks is written out."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    for line in lines:
        print(line)


def write_json(value: Any) -> None:
    """A value as JSON to the standard output."""
    from json import dumps

    print(dumps(value, indent=2, allow_nan=False))


def write_csv(rows: Iterable[Sequence[Any]]) -> None:
    """Rows to the standard output, as RFC 4180 has them."""
    from csv import writer

    writer(sys.stdout).writerows(rows)


def complain(error: object) -> None:
    """An error to the standard error, in one line."""
    from refinfer.terminal.text import printable

    if isinstance(error, OSError) and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    print(f"refinfer: {printable(str(error))}", file=sys.stderr)


class OneLineParser(ArgumentParser):
    """Tells a mistake as every other error is told: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise it; `main` tells it."""
        raise UsageError(f"{message} ({self.prog} --help tells more)")


def parser() -> ArgumentParser:
    """All that may be asked."""
    whole = OneLineParser(
        prog="refinfer", description=WHOLE, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action="version", version=f"refinfer {__version__}")
    whole.set_defaults(run=show_help)
    commands = whole.add_subparsers(metavar="COMMAND", title="commands")
    for name, (run, summary, options) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
        )
        command.set_defaults(run=run)
        for flags, keywords in options:
            command.add_argument(*flags, **keywords)
    return whole


def _option(*flags: str, **keywords: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return flags, keywords


def _switch(flag: str, words: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    return _option(flag, action="store_true", help=words)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def _element(text: str) -> list[int]:
    try:
        return [int(at) for at in text.strip("[]() ").split(",")] if text.strip("[]() ") else []
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no element; one is 0,3,5,7") from None


def _positive(text: str) -> int:
    if _count(text) == 0:
        raise ArgumentTypeError("0 times is not at all")
    return int(text)


WHOLE = "What a .tflite model takes and computes on a microcontroller: RAM to the byte, answers to the bit."
JSON = _switch("--json", "print JSON")
ALL = _switch("--all", "print long lists in full")
DIALECT = _option(
    "--dialect",
    metavar="NAME",
    default="litert",
    help="whose bits: litert (LiteRT's reference kernels) or tflm (a board's); default: %(default)s",
)
MODEL = _option("model", metavar="MODEL", help="a .tflite file")

COMMANDS = {
    "fit": (
        fit,
        "does the model fit the board?",
        [
            _option("models", metavar="MODEL", nargs="+", help="a .tflite file, or a folder of them"),
            _option("--board", metavar="ID", help="a board that 'refinfer boards' lists"),
            _option("--board-file", metavar="FILE", help="a board of your own, as a TOML file"),
            _option("--ram", metavar="SIZE", help="any board whose largest block of RAM is this: 262144, 256K, 1M"),
            _option("--flash", metavar="SIZE", help="... and whose flash is this"),
            _switch("--all-boards", "every board that we know"),
            _option("--firmware", metavar="PROFILE", help="beside this firmware, as 'refinfer boards ID' names it"),
            _option(
                "--sort",
                metavar="BY",
                choices=("path", "outcome", "arena", "flash", "margin"),
                default="path",
                help="the order of several models: path (default), outcome, arena, flash, margin",
            ),
            _option("--target", metavar="NAME", help="your build of TFLM; else the worst that a board may have"),
            JSON,
        ],
    ),
    "memory": (
        memory,
        "where does every byte of the arena go?",
        [
            _option(
                "models", metavar="MODEL", nargs="+", help="a .tflite file; of two, what grew from one to the other"
            ),
            _switch("--together", "all of them in one arena, loaded in this order"),
            _switch("--two-arenas", "what is persistent in an arena of its own"),
            _option("--planner", metavar="NAME", help="place the head by another planner than TFLM's greedy one"),
            _option("--arena-in", metavar="REGIONS", help="where it fits: the id of a board, or sram=192K,dtcm=64K"),
            _option("--baseline", metavar="FILE", help="tell what grew since --json wrote this file"),
            _option("--fail-above", metavar="SIZE", help="exit with 1 if the arena is larger: 120K"),
            _option(
                "--target", metavar="NAME", help=f"a build of TFLM (default: {DEFAULT_TARGET}, or the board's first)"
            ),
            ALL,
            JSON,
            _option("--csv", choices=("allocations", "buffers", "steps"), help="print one of the lists as CSV"),
            _option("--html", metavar="FILE", help="write all of it as a page, with a picture of the arena"),
            _option("--svg", metavar="FILE", help="write the picture alone"),
            _option("--png", metavar="FILE", help="likewise, as pixels"),
            _option(
                "--board", metavar="ID", help="in a page: does it fit? and the worst build that this board may have"
            ),
            _switch("--force", "overwrite those files"),
        ],
    ),
    "plan": (
        plan,
        "a smaller arena, with the same results?",
        [
            MODEL,
            _option("--output", "-o", metavar="FILE", help="write the model with its plan there; else it is only told"),
            _switch("--force", "overwrite that file"),
            _option(
                "--target",
                metavar="NAME",
                action="append",
                help="a build of TFLM that it is for, perhaps several times (default: all whose kernels are known)",
            ),
            _switch("--no-reorder", "keep the operators in their order"),
            _switch("--no-overlap", "lay no output over an input"),
            JSON,
        ],
    ),
    "check": (
        check,
        "on which builds is the model's plan safe?",
        [
            MODEL,
            _option(
                "--target", metavar="NAME", action="append", help="a build of TFLM, perhaps several (default: all)"
            ),
            JSON,
        ],
    ),
    "inspect": (inspect, "what is in the file?", [MODEL, ALL, JSON]),
    "run": (
        run,
        "what does the model answer?",
        [
            MODEL,
            _option(
                "--input",
                metavar="[NAME=]FILE",
                action="append",
                default=[],
                help="an input: .npy, .npz, .txt, .csv, a picture, a .wav; random if left out",
            ),
            _option("--output", metavar="FILE", help="write the outputs to an .npz, or an only one to an .npy"),
            _switch("--force", "overwrite that file"),
            DIALECT,
            _option("--seed", metavar="N", type=_count, default=0, help="of random inputs (default: %(default)s)"),
            _option("--mean", metavar="X", type=float, help="of pixels: (pixel - mean) / std is what the model gets"),
            _option("--std", metavar="X", type=float, help="likewise"),
            _option("--labels", metavar="FILE", help="names of the classes, a line each"),
            _option(
                "--top", metavar="N", type=_count, default=5, help="how many classes to show (default: %(default)s)"
            ),
            _option("--repeat", metavar="N", type=_positive, default=1, help="run it so many times on one interpreter"),
            JSON,
        ],
    ),
    "diff": (
        diff,
        "where do the runtimes part, or two models?",
        [
            MODEL,
            _option("second", metavar="MODEL2", nargs="?", help="another model: its newer version, its int8 form"),
            _option("--inputs", metavar="FILE", help="an .npz with an array for each input; random inputs if left out"),
            _option(
                "--seeds", metavar="N", type=_positive, default=20, help="how many of those (default: %(default)s)"
            ),
            _option("--dialect", metavar="NAME", help="of two models: whose bits, litert (default) or tflm"),
            _switch("--ours-only", "leave the official runtimes out, even if they are installed"),
            _option("--html", metavar="FILE", help="also write it as a page"),
            _switch("--force", "overwrite that file"),
            ALL,
            JSON,
        ],
    ),
    "evaluate": (
        evaluate,
        "how often is the model right, and what did int8 cost?",
        [
            MODEL,
            _option("data", metavar="DATA", help="an .npz with inputs and labels, or a folder with one for each class"),
            _option("--against", metavar="MODEL2", help="another model, which gets the same"),
            _option("--dialect", metavar="NAME", default="litert", help="litert, tflm or both (default: %(default)s)"),
            _option("--inputs-name", metavar="NAME", help="the array of the inputs; else x, images, ..."),
            _option("--labels-name", metavar="NAME", help="the array of the labels; else y, labels, ..."),
            _option("--mean", metavar="X", type=float, help="the model gets (value - mean) / std"),
            _option("--std", metavar="X", type=float, help="likewise"),
            _option("--labels", metavar="FILE", help="names of the classes, a line each"),
            _option("--jobs", metavar="N", type=_positive, help="processes; as many as there are cores if left out"),
            _option("--html", metavar="FILE", help="also write it as a page"),
            _switch("--force", "overwrite that file"),
            ALL,
            JSON,
        ],
    ),
    "explain": (
        explain,
        "how did one number come to be?",
        [
            MODEL,
            _option("--op", metavar="N", type=_count, help="the operator; all are listed if left out"),
            _option("--element", metavar="I,J,K", type=_element, help="of its output; the largest if left out"),
            _option(
                "--input",
                metavar="[NAME=]FILE",
                action="append",
                default=[],
                help="an input, as of 'refinfer run'; random if left out",
            ),
            _option("--seed", metavar="N", type=_count, default=0, help="of random inputs (default: %(default)s)"),
            _option("--mean", metavar="X", type=float, help="of pixels: (pixel - mean) / std is what the model gets"),
            _option("--std", metavar="X", type=float, help="likewise"),
            _option("--dialect", metavar="NAME", default="both", help="litert, tflm or both (default: %(default)s)"),
            _option("--html", metavar="FILE", help="also write it as a page"),
            _switch("--force", "overwrite that file"),
            JSON,
        ],
    ),
    "boards": (
        boards,
        "which boards are known, and who says what of them?",
        [_option("id", metavar="ID", nargs="?", help="one board, with every source"), JSON],
    ),
    "targets": (targets, "for which builds of TFLM are arenas computed, and how was that verified?", [JSON]),
    "warmup": (warmup, "compile the kernels ahead, so that no run waits or computes in numpy", [JSON]),
}
