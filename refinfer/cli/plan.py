"""`refinfer plan` and `refinfer check`: a smaller arena, and where it is safe."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from refinfer.cli.common import NO, YES, load, screen, tell_refusal, write, write_file, write_json
from refinfer.cli.options import JSON, MODEL, Command, option, switch
from refinfer.new_file import check_new
from refinfer.schema.errors import UsageError

if TYPE_CHECKING:
    from refinfer.planning import Plan


def plan(arguments: Namespace) -> int:
    """`refinfer plan`: NO if nothing is to be gained, and nothing written."""
    from refinfer.planning import PORTABLE
    from refinfer.planning import plan as make_plan
    from refinfer.simulator import Refused, find_target
    from refinfer.terminal.plan import written_lines

    if arguments.dilate_1x1 and arguments.no_overlap:
        raise UsageError("--dilate-1x1 lets outputs lie over inputs, and --no-overlap does not")
    targets = [find_target(name) for name in arguments.target or PORTABLE]
    if arguments.two_arenas:
        targets = [each.in_two_arenas() for each in targets if arguments.target or not each.recording]
    if arguments.output is not None:
        import flatbuffers  # noqa: F401  # the writer needs it: better to hear of it now

        check_new(arguments.output, arguments.force)
    graph = load(arguments.model)
    try:
        found = make_plan(
            graph,
            targets,
            reorder=not arguments.no_reorder,
            overlap=not arguments.no_overlap,
            dilate=arguments.dilate_1x1,
        )
    except Refused as refusal:
        return tell_refusal(graph, targets[0], refusal, arguments.json)
    tell(found, arguments)
    if found.model is None:
        return NO
    if arguments.output is not None:
        from refinfer.schema.writer import write as bytes_of

        data = bytes_of(found.model)
        write_file(arguments.output, data, arguments.force)
        if not arguments.json:
            write(written_lines(found, arguments.output, len(data), screen()))
    return YES


def tell(found: Plan, arguments: Namespace) -> None:
    """The account, and the estimate that was asked for."""
    from refinfer.simulator import simulate
    from refinfer.splitting import estimate_splitting
    from refinfer.terminal.plan import plan_lines, splitting_lines

    document: dict[str, object] = found.to_dict()
    lines = list(plan_lines(found, screen()))
    if arguments.estimate_splitting:
        splitting = estimate_splitting(simulate(found.graph, next(iter(found.before))))
        document["splitting"] = splitting and splitting._asdict()
        lines += ["", *splitting_lines(found.graph, splitting, screen())]
    write_json(document) if arguments.json else write(lines)


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


PLAN = Command(
    plan,
    "a smaller arena, with the same results?",
    [
        MODEL,
        option("--output", "-o", metavar="FILE", help="write the model with its plan there; else it is only told"),
        switch("--force", "overwrite that file"),
        option(
            "--target",
            metavar="NAME",
            action="append",
            help="a build of TFLM that it is for, perhaps several times (default: all whose kernels are known)",
        ),
        switch("--no-reorder", "keep the operators in their order"),
        switch("--no-overlap", "lay no output over an input"),
        switch("--two-arenas", "judge by two arenas, one for what is persistent"),
        switch("--estimate-splitting", "estimate what computing some operators in strips of rows would bring"),
        switch("--dilate-1x1", "dilate 1×1 convolutions, so that more may lie over inputs: slower with CMSIS-NN"),
        JSON,
    ],
)


CHECK = Command(
    check,
    "on which builds is the model's plan safe?",
    [
        MODEL,
        option("--target", metavar="NAME", action="append", help="a build of TFLM, perhaps several (default: all)"),
        JSON,
    ],
)
