"""What grew between two accounts of an arena: for a build server that watches a model.

An account is the JSON form of a report (docs/json.md), since the older one may be a file that was kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from refinfer.schema.errors import UsageError
from refinfer.simulator.report import SCHEMA

Account = Mapping[str, Any]

TOTALS = ("minimum", "used", "head", "tail")


class Change(NamedTuple):
    """Bytes of one thing, before and after; 0 where it is not."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Two accounts, and what became of each total, each category, and the operators of each kind.

    An operator's bytes are what it keeps in the tail, with padding, and its scratch buffers in the head.
    """

    before: Account
    after: Account
    totals: tuple[Change, ...]
    categories: tuple[Change, ...]
    operators: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; docs/json.md documents the fields."""
        sides = {"before": self.before, "after": self.after}
        lists = {"totals": self.totals, "by_category": self.categories, "by_operator": self.operators}
        return {
            "schema": SCHEMA,
            **{side: {key: account[key]["name"] for key in ("model", "target")} for side, account in sides.items()},
            **{name: [change._asdict() for change in changes] for name, changes in lists.items()},
        }


def compare(before: Account, after: Account) -> Growth:
    """What grew from one account to the other."""
    return Growth(
        before,
        after,
        tuple(changes(totals(before), totals(after))),
        tuple(changes(categories(before), categories(after))),
        tuple(changes(operators(before), operators(after))),
    )


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Change]:
    """One for each name on either side, those of the older account first."""
    for name in {**before, **after}:
        yield Change(name, before.get(name, 0), after.get(name, 0))


def totals(account: Account) -> dict[str, int]:
    """The size of the file, and the totals of the arena."""
    return {"file": account["model"]["bytes"], **{name: account["arena"][name] for name in TOTALS}}


def categories(account: Account) -> dict[str, int]:
    """The bytes of each line of TFLM's own report."""
    return {name: category["used"] for name, category in account["categories"].items()}


def operators(account: Account) -> Counter[str]:
    """The bytes that operators of each kind ask for."""
    names = {(step["subgraph"], step["op"]): step["name"] for step in account["steps"]}
    found: Counter[str] = Counter()
    for owned, nbytes in ((account["allocations"], "used"), (account["buffers"], "planned_bytes")):
        for each in owned:
            if each["op"] is not None:
                found[names.get((each["subgraph"], each["op"]), "operators that never run")] += each[nbytes]
    return found


def read_account(path: str) -> Account:
    """The account that `refinfer memory --json` wrote to a file; raises UsageError if it is no such file."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        account = json.loads(data)
        if account["schema"] == SCHEMA and "arena" in account:
            compare(account, account)  # has it all?
            return dict(account)
        other = account["schema"] != SCHEMA
        what = "one of another version of refinfer" if other else "the account of a model that TFLM refuses"
        if not other and "refusal" not in account:
            what = ELSE
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        what = ELSE
    raise UsageError(f"{path}: not an account to compare with, but {what}; 'refinfer memory MODEL --json' makes one")


ELSE = "something else"
