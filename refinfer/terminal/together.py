"""`refinfer memory A B --together`: several models in one arena."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.simulator.together import MOST_IN_ANY_ORDER, Tenant, Together
from refinfer.terminal.memory import arena_in_words, needed_and_used
from refinfer.terminal.names import model_name
from refinfer.terminal.text import (
    BOLD,
    MIDDLE,
    RED,
    Column,
    Screen,
    entries,
    painted,
    plural,
    printable,
    table,
    wrapped,
)


def together_lines(together: Together, screen: Screen) -> Iterator[str]:
    """What they take together, what each adds, and in which order the least suffices."""
    arena, tenants = together.arena, together.tenants
    models, arenas = plural(len(tenants), "model"), arena_in_words(together.target, arena.minimum)
    yield from painted(f"{models} on {together.target.name}, loaded in this order, take {arenas}", screen, BOLD)
    for tenant in tenants:
        if tenant.refusal is not None:
            text = f"TFLM loads {model_name(tenant.graph)}, but Invoke fails: {printable(str(tenant.refusal))}"
            yield from painted(text, screen, RED)
    yield ""
    rows = [
        *needed_and_used(arena, together.two_arenas),
        ("  head", f"{arena.head:,}", "the highest of the models' heads: they use it one after the other"),
        ("  tail", f"{arena.tail:,}", "what is kept for good, of all of them"),
    ]
    yield from entries(rows, screen)
    yield ""
    yield from table(COLUMNS, [_row(tenant) for tenant in tenants], screen)
    yield ""
    yield from _remarks(together, screen)


COLUMNS = [
    Column("model", cut=MIDDLE),
    *(Column(title, right=True) for title in ("alone", "its head", "adds to tail", "then used")),
]


def _row(tenant: Tenant) -> tuple[str, ...]:
    numbers = (tenant.alone.minimum, tenant.head, tenant.tail, tenant.used)
    return (model_name(tenant.graph), *(f"{number:,}" for number in numbers))


def _remarks(together: Together, screen: Screen) -> Iterator[str]:
    """Which model asks for most, what sharing saves, and the best order."""
    names = [model_name(tenant.graph) for tenant in together.tenants]
    needed = together.arena.minimum
    if together.loading is not None:
        yield from wrapped(f"The most is needed while {names[together.loading]} is loaded.", screen)
    saved = sum(tenant.alone.minimum for tenant in together.tenants) - needed
    yield from wrapped(f"In arenas of their own they take {needed + saved:,} bytes, {saved:,} more.", screen)
    if together.smallest < needed:
        order = ", ".join(names[place] for place in together.smallest_order)
        yield from wrapped(
            f"The order {order} takes {together.smallest:,} bytes, {needed - together.smallest:,} less.", screen
        )
    else:
        unproved = "" if len(names) <= MOST_IN_ANY_ORDER else ", but perhaps for what alignment takes"
        yield f"No other order takes less{unproved}."
