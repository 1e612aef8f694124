"""`refinfer plan`: what a plan saves, by what, and for whom it holds; `refinfer check`: for whom it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from refinfer.planning import Check, Plan
from refinfer.schema.graph import Graph
from refinfer.simulator.head import OFFLINE_PLAN
from refinfer.simulator.report import SCHEMA, model_to_dict
from refinfer.simulator.targets import find_target
from refinfer.splitting import Splitting
from refinfer.terminal.names import model_name
from refinfer.terminal.text import (
    BOLD,
    END,
    MIDDLE,
    Column,
    Screen,
    both,
    entries,
    painted,
    plural,
    printable,
    shorten,
    table,
    wrapped,
)


def plan_lines(plan: Plan, screen: Screen) -> Iterator[str]:
    """The whole account."""
    yield from painted(headline(plan), screen, BOLD)
    yield ""
    yield from table(ARENAS, [_arena(plan, name) for name in plan.before], screen)
    yield ""
    first = next(iter(plan.before))
    yield screen.paint(f"What each lever brings on {first}", BOLD)
    yield from table(LEVERS, _levers(plan), screen)
    yield ""
    yield from entries(list(_bounds(plan)), screen)
    yield ""
    yield from _remarks(plan, screen)


def headline(plan: Plan) -> str:
    """The answer in a sentence."""
    name, target = model_name(plan.graph), next(iter(plan.before))
    before, after = plan.before[target].minimum, plan.after[target].minimum
    if plan.model is None:
        return f"{name}: no plan takes less than the {both(before)} that it takes on {target}"
    return f"{name} takes {both(after)} on {target} in place of {before:,}: {_share(before, after)}"


def _share(before: int, after: int) -> str:
    return f"{100 * (before - after) / before:.1f} % less" if after < before else "no less"


ARENAS = [Column("target"), *(Column(title, right=True) for title in ("arena now", "planned", "saved")), Column("")]
LEVERS = [
    Column("lever"),
    *(Column(title, right=True) for title in ("arena", "saved", "head", "lower bound")),
]


def _arena(plan: Plan, target: str) -> tuple[str, ...]:
    before, after = plan.before[target].minimum, plan.after[target].minimum
    return target, f"{before:,}", f"{after:,}", f"{before - after:,}", _share(before, after)


def _levers(plan: Plan) -> Iterator[tuple[str, ...]]:
    before = plan.gains[0]
    for gain in plan.gains:
        saved = before.minimum - gain.minimum
        yield gain.lever, f"{gain.minimum:,}", f"{saved:,}" if saved else "", f"{gain.head:,}", f"{gain.lower_bound:,}"
        before = gain


def _bounds(plan: Plan) -> Iterator[tuple[str, str, str]]:
    head = next(iter(plan.after.values())).head
    proven = "proven: no placement is lower" if plan.proven else "not proven to be the lowest"
    yield "head", f"{head:,}", f"of the plan; {proven}, with the operators in this order"
    if not plan.proven:
        gap = head - plan.lower_bound
        words = f"what no placement can undercut, {gap:,} bytes ({100 * gap / head:.1f} % of the head) below"
        yield "lower bound", f"{plan.lower_bound:,}", words
    if plan.overlapping:
        yield "without overlap", f"{plan.without_overlap:,}", "what none could undercut if no output lay over an input"


def _remarks(plan: Plan, screen: Screen) -> Iterator[str]:
    if plan.model is None:
        arena = next(iter(plan.before.values()))
        if arena.moment != "end":
            text = f"A smaller head alone would not help: what the arena has to make room for is {arena.bound_by}."
            yield from wrapped(text, screen)
        return
    if plan.overlapping:
        over = "over an input that dies" if len(plan.overlapping) == 1 else "over inputs that die"
        text = (
            f"{plural(len(plan.overlapping), 'output')} {over} there: that is safe in the kernels of the targets"
            f" {', '.join(plan.holds_for)}."
        )
        yield from wrapped(text, screen)
    if plan.is_reordered:
        yield from wrapped("The operators of the file come in another order; each computes what it did.", screen)
    if plan.dilated:
        yield from wrapped(f"{_dilated(plan)} {COST_OF_DILATION}", screen)
    if plan.dilated and any("esp-nn" in find_target(name).kernels for name in plan.after):
        yield from wrapped(COST_WITH_ESP_NN, screen)


COST_OF_DILATION = (
    "CMSIS-NN goes another way then: up to 36 % more instructions for such an operator of 8 channels or more, and"
    " 2.5 to 9.4 % for five whole networks on a Cortex-M4."
)
"""Executed instructions, counted under QEMU; docs/planning.md has the table."""
COST_WITH_ESP_NN = "With esp-nn, TFLM leaves them to its reference kernel, which is slower: name a --target."


def _dilated(plan: Plan) -> str:
    """Which operators, by the indices that they have in the file as it was."""
    first, *others = plan.dilated
    if not others:
        return f"Operator {first}, a 1×1 convolution, says that it has a dilation, which changes no result."
    numbers = f"{', '.join(map(str, (first, *others[:-1])))} and {others[-1]}"
    return f"Operators {numbers}, 1×1 convolutions, say that they have a dilation, which changes no result."


def splitting_lines(graph: Graph, splitting: Splitting | None, screen: Screen) -> Iterator[str]:
    """What could be had beyond plans, and what it would take."""
    if splitting is None:
        yield from wrapped("Estimate: computed in strips of rows, the operators around the peak save nothing.", screen)
        return
    first, last, strips, before, head, extra = splitting
    share = f"{100 * (before - head) / before:.0f} %"
    cost = f"{100 * extra:.0f} % more products" if extra > 0.005 else "hardly any more products"
    nodes = graph.subgraphs[0].nodes
    group = f"operators {first} {nodes[first].name} to {last} {nodes[last].name}"
    text = (
        f"Estimate: if {group} were computed in {strips} strips of rows, about {head:,} bytes would be alive at once in"
        f" place of {before:,}, {share} less, for {cost}. TFLM cannot do that with a plan: the strips would have to be"
        " in the network. Nothing of it is written."
    )
    yield from wrapped(text, screen)


def written_lines(plan: Plan, path: str, nbytes: int, screen: Screen) -> Iterator[str]:
    """Where it is now, and what it costs in flash."""
    more = nbytes - len(plan.graph.file)
    change = f"{more:,} more than before" if more >= 0 else f"{-more:,} less than before"
    return wrapped(f"Written to {path}: {nbytes:,} bytes, {change}.", screen)


def check_lines(graph: Graph, checks: Sequence[Check], screen: Screen) -> Iterator[str]:
    """On which targets the plan of the model is safe."""
    safe = sum(check.holds for check in checks)
    has = "has a plan, which" if OFFLINE_PLAN in graph.metadata else "has no plan: TFLM's own"
    text = f"{model_name(graph)} {has} is safe on {safe} of {plural(len(checks), 'target')}"
    yield from painted(text, screen, BOLD)
    yield ""
    columns = [Column("target"), Column("plan"), Column("why", cut=END)]
    rows = [(check.target, "safe" if check.holds else "unsafe", _why(check, screen)) for check in checks]
    yield from table(columns, rows, screen)


MOST_OF_A_NAME = 24  # columns


def _why(check: Check, screen: Screen) -> str:
    if check.refusal is not None:
        return f"TFLM does not run it: {printable(str(check.refusal))}"
    if not check.clashes:
        return ""
    one, two = map(printable, check.clashes[0])
    more = f", and {len(check.clashes) - 1} more" if len(check.clashes) > 1 else ""
    names = " and ".join(shorten(each, MOST_OF_A_NAME, screen, MIDDLE) for each in (one, two))
    return f"may overwrite one another: {names}{more}"


def check_to_dict(graph: Graph, checks: Sequence[Check]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "model": model_to_dict(graph),
        "has_plan": OFFLINE_PLAN in graph.metadata,
        "targets": [
            {
                "name": check.target,
                "safe": check.holds,
                "refusal": None if check.refusal is None else str(check.refusal),
                "clashes": [list(pair) for pair in check.clashes],
            }
            for check in checks
        ],
    }
