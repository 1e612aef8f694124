"""`refinfer plan`: what a plan saves, by what, and for whom it holds."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.planning import Plan
from refinfer.terminal.names import model_name
from refinfer.terminal.text import BOLD, Column, Screen, both, entries, painted, plural, table, wrapped


def plan_lines(plan: Plan, screen: Screen) -> Iterator[str]:
    """The whole account."""
    yield from painted(_headline(plan), screen, BOLD)
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


def _headline(plan: Plan) -> str:
    name, target = model_name(plan.graph), next(iter(plan.before))
    before, after = plan.before[target].minimum, plan.after[target].minimum
    if plan.model is None:
        return f"{name}: no plan takes less than the {both(before)} that it takes on {target}"
    return f"{name} takes {both(after)} on {target} in place of {before:,}: {_share(before, after)}"


def _share(before: int, after: int) -> str:
    return f"{100 * (before - after) / before:.1f} % less" if after < before else "no less"


ARENAS = [Column("target"), *(Column(title, right=True) for title in ("arena now", "planned", "saved")), Column("")]
LEVERS = [Column("lever"), *(Column(title, right=True) for title in ("arena", "head", "saved"))]


def _arena(plan: Plan, target: str) -> tuple[str, ...]:
    before, after = plan.before[target].minimum, plan.after[target].minimum
    return target, f"{before:,}", f"{after:,}", f"{before - after:,}", _share(before, after)


def _levers(plan: Plan) -> Iterator[tuple[str, ...]]:
    before = plan.gains[0]
    for gain in plan.gains:
        saved = before.minimum - gain.minimum
        yield gain.lever, f"{gain.minimum:,}", f"{gain.head:,}", f"{saved:,}" if saved else ""
        before = gain


def _bounds(plan: Plan) -> Iterator[tuple[str, str, str]]:
    head = next(iter(plan.after.values())).head
    proven = "proven: no placement is lower" if plan.proven else "not proven to be the lowest"
    yield "head", f"{head:,}", f"of the plan; {proven}, with the operators in this order"
    if not plan.proven:
        yield "lower bound", f"{plan.lower_bound:,}", "what no placement can undercut"
    if plan.overlapping:
        yield "without overlap", f"{plan.without_overlap:,}", "what none could undercut if no output lay over an input"


def _remarks(plan: Plan, screen: Screen) -> Iterator[str]:
    if plan.model is None:
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


def written_lines(plan: Plan, path: str, nbytes: int, screen: Screen) -> Iterator[str]:
    """Where it is now, and what it costs in flash."""
    more = nbytes - len(plan.graph.file)
    change = f"{more:,} more than before" if more >= 0 else f"{-more:,} less than before"
    return wrapped(f"Written to {path}: {nbytes:,} bytes, {change}.", screen)
