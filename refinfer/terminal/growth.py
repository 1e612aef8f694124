"""`refinfer memory OLD NEW`: what grew, by total, by category and by kind of operator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from refinfer.growth import Account, Change, Growth
from refinfer.terminal.text import BOLD, END, Column, Screen, painted, printable, table


def growth_lines(growth: Growth, screen: Screen) -> Iterator[str]:
    """The headline, and a table for each kind of thing that changed."""
    before, after = (account["arena"]["minimum"] for account in (growth.before, growth.after))
    headline = f"{side(growth.after)} takes an arena of {after:,} bytes: {grown(after - before)}."
    yield from painted(headline, screen, BOLD)
    yield from painted(f"Before: {side(growth.before)}, {before:,} bytes.", screen)
    for title, changes in (
        ("total", growth.totals),
        ("category", growth.categories),
        ("operators of a kind", growth.operators),
    ):
        moved = [change for change in changes if change.before != change.after]
        if moved:
            yield ""
            yield from table_of(title, moved, screen)
    if all(change.before == change.after for change in (*growth.totals, *growth.categories, *growth.operators)):
        yield ""
        yield "Nothing has changed."


def side(account: Account) -> str:
    """The model and the target of an account."""
    name, target = str(account["model"]["name"]), str(account["target"]["name"])
    return f"{printable(os.path.basename(name))} on {printable(target)}"


def grown(nbytes: int) -> str:
    """In words."""
    return "as much as before" if nbytes == 0 else f"{abs(nbytes):,} {'more' if nbytes > 0 else 'less'} than before"


def table_of(title: str, changes: Sequence[Change], screen: Screen) -> Iterator[str]:
    """What changed, the most first; totals stay in their order."""
    columns = [Column(title, cut=END), *(Column(name, right=True) for name in ("before", "after", "change"))]
    ordered = changes if title == "total" else sorted(changes, key=lambda each: -abs(each.after - each.before))
    rows = [(printable(name), f"{before:,}", f"{after:,}", f"{after - before:+,}") for name, before, after in ordered]
    return table(columns, rows, screen)
