"""`refinfer explain`: how one number came to be, and where the dialects part on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from refinfer.explanation.explain import Account, Explanation, Row
from refinfer.explanation.lessons import topic_of
from refinfer.explanation.steps import Step
from refinfer.kernels.registry import DIALECTS
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.report import model_to_dict
from refinfer.terminal.names import model_name, operator_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    RED,
    YELLOW,
    Column,
    Screen,
    cells,
    painted,
    printable,
    shorten,
    table,
    wrapped,
)

SCHEMA = 1
BETWEEN = " | "  # the columns of two dialects
UNLIKE = "!="


def explain_lines(found: Explanation, given: Sequence[str], screen: Screen) -> Iterator[str]:
    """The answer, then the way to it; `given` are the model's inputs, in words."""
    yield from painted(headline(found), screen, BOLD)
    for words in given:
        yield from wrapped(printable(words), screen, "  ")
    for account in found.accounts:
        if account.refusal:
            yield from painted(
                f"{account.dialect}: {printable(account.refusal)}", screen, YELLOW, indent="    ", first="  "
            )
    yield from _steps(found, screen)
    yield ""
    if sum(1 for account in found.accounts if account.steps) > 1 and found.parting is None:
        yield "Both dialects take the same steps."
    for account in found.accounts:
        yield from _ending(found, account, screen)


def headline(found: Explanation) -> str:
    """Which number it is."""
    operator = operator_name(found.graph, found.node.subgraph, found.node.index)
    values = {account.dialect: repr(account.value) for account in found.accounts if account.value is not None}
    place = f"{model_name(found.graph)}, operator {operator}, element {list(found.element)}"
    if len(set(values.values())) == 1:
        return f"{place}: {next(iter(values.values()))} in {' and '.join(values)}"
    return f"{place}: {', '.join(f'{value} in {dialect}' for dialect, value in values.items()) or 'no value'}"


def _steps(found: Explanation, screen: Screen) -> Iterator[str]:
    """What dialects do alike is told once; from where they part, side by side."""
    rows, parting = found.rows, found.parting
    shared = rows if parting is None else rows[:parting]
    if shared:
        yield ""
    for row in shared:
        yield from step_lines(row.steps[0], screen)
    if parting is None:
        return
    names = [account.dialect for account in found.accounts if account.steps]
    yield ""
    if not found.same_inputs:
        yield from painted("What the operator is given differs already: an earlier one parted.", screen, YELLOW)
    yield from painted(f"Here {' and '.join(names)} part; {UNLIKE} stands where they differ:", screen, YELLOW)
    yield from _beside(names, rows[parting:], screen)


def step_lines(step: Step | None, screen: Screen, indent: str = "  ") -> Iterator[str]:
    """A step: its value and formula, why, and its details."""
    if step is None:
        return
    yield from wrapped(f"{step.label}: {_value(step)}", screen, indent + "    ", indent)
    for words in wrapped(step.note, screen, indent + "    "):
        yield screen.paint(words, DIM)
    for line in step.lines:
        if line.startswith(" "):  # laid out
            yield shorten(f"{indent}      {line}", screen.width, screen)
        else:
            yield from wrapped(line, screen, indent + "          ", indent + "      ")


def _value(step: Step) -> str:
    value = repr(step.value)
    return value if step.formula == value else f"{value} = {step.formula}"


def _beside(names: Sequence[str], rows: Sequence[Row], screen: Screen) -> Iterator[str]:
    """Two columns, a row for each step; what is the same is told once."""
    width = (screen.width - len(UNLIKE) - 1 - len(BETWEEN)) // 2
    column = screen._replace(width=width)
    yield screen.paint(f"{' ' * (len(UNLIKE) + 1)}{names[0]:{width}}{BETWEEN}{names[1]}", BOLD)
    for row in rows:
        if row.equal:
            yield from step_lines(row.steps[0], screen, " " * (len(UNLIKE) + 1))
            continue
        first, second = (list(step_lines(step, column._replace(colour=False), "")) for step in row.steps)
        for number, (left, right) in enumerate(zip_longest(first, second, fillvalue="")):
            start = f"{UNLIKE if number == 0 else '':{len(UNLIKE)}} {left}{' ' * (width - cells(left))}"
            yield (start + BETWEEN + right).rstrip()


def _ending(found: Explanation, account: Account, screen: Screen) -> Iterator[str]:
    """The last line: what the steps come to, and what the interpreter has."""
    if account.refusal:
        return
    name = f"{account.dialect}:"
    if account.found is None:
        yield from wrapped(
            f"{name} {account.value!r}; for {found.node.name} of these types there is no explanation. It was given:",
            screen,
            "  ",
            "",
        )
        for words in account.operands:
            yield from wrapped(printable(words), screen, "    ", "  ")
    elif account.agrees:
        yield f"{name} the steps come to {account.found!r}, and so does the interpreter"
    else:
        words = f"{name} INTERNAL ERROR: the steps come to {account.found!r}, the interpreter to {account.value!r}"
        yield from painted(words, screen, BOLD, RED)


def operators_lines(graph: Graph, screen: Screen) -> Iterator[str]:
    """The operators of the main subgraph, and which of them can be explained."""
    yield from painted(f"{model_name(graph)}: name an operator with --op", screen, BOLD)
    rows = [
        (
            str(node.index),
            printable(node.name),
            ", ".join(kind_of(y, screen) for y in node.outputs),
            explained_words(node),
        )
        for node in graph.subgraphs[0].nodes
    ]
    columns = [Column("op", True), Column("operator"), Column("output", cut=END), Column("can be explained")]
    yield from table(columns, rows, screen)


def kind_of(tensor: Tensor, screen: Screen) -> str:
    """Type and shape."""
    return f"{tensor.type.name.lower()} {screen.times.join(map(str, tensor.shape)) or 'scalar'}"


def explained_words(node: Node) -> str:
    """In which dialects there is an explanation."""
    names = explained_in(node)
    return "in all dialects" if len(names) == len(DIALECTS) else " and ".join(names) or "no"


def explained_in(node: Node) -> list[str]:
    """The dialects in which there is an explanation."""
    return [name for name, dialect in DIALECTS.items() if topic_of(node, dialect) is not None]


def operators_to_dict(graph: Graph) -> dict[str, Any]:
    """The same as JSON-ready values."""
    return {
        "schema": SCHEMA,
        "model": model_to_dict(graph),
        "operators": [
            {"op": node.index, "name": node.name, "explained": explained_in(node)} for node in graph.subgraphs[0].nodes
        ],
    }
