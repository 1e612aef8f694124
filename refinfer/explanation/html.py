"""An explanation as HTML: a fragment, which Jupyter shows, and a page by itself. Neither needs a network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from refinfer.explanation.explain import Account, Explanation, Row, label_of
from refinfer.explanation.steps import Step

STYLE = """\
.refinfer-explain { font: 14px/1.45 system-ui, sans-serif; max-width: 76em; overflow-x: auto; }
.refinfer-explain table { border-collapse: collapse; width: 100%; }
.refinfer-explain th { text-align: left; }
.refinfer-explain th, .refinfer-explain td { padding: .3em .7em; vertical-align: top; border-top: 1px solid #8884; }
.refinfer-explain td:first-child { white-space: nowrap; font-weight: 600; }
.refinfer-explain code, .refinfer-explain pre { font: 12.5px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.refinfer-explain pre { margin: .2em 0; white-space: pre-wrap; }
.refinfer-explain .value { font-weight: 600; }
.refinfer-explain .note { opacity: .7; }
.refinfer-explain .part td { background: #f5c04222; }
.refinfer-explain .first td { border-top: 2px solid #c80; }
.refinfer-explain .wrong { color: #c00; font-weight: 700; }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<body>
{body}
</body>
</html>
"""


def page(found: Explanation) -> str:
    """The whole of it."""
    return PAGE.format(title=escape(title(found)), body=fragment(found))


def fragment(found: Explanation) -> str:
    """A heading, the table of steps, and what each dialect comes to."""
    return "\n".join(_fragment(found))


def title(found: Explanation) -> str:
    """Which number it is about."""
    model, node = found.graph.name or "the model", found.node
    return f"{model}, operator {node.index} {node.name}, element {list(found.element)}"


def _fragment(found: Explanation) -> Iterator[str]:
    yield f'<div class="refinfer-explain"><style>{STYLE}</style>'
    yield f"<h3>{escape(title(found))}</h3>"
    told = [account.dialect for account in found.accounts if account.steps]
    if told:
        yield f"<table><tr><th></th>{''.join(f'<th>{escape(name)}</th>' for name in told)}</tr>"
        parting = found.parting
        for place, row in enumerate(found.rows):
            yield _row(row, len(told), place == parting)
        yield "</table>"
    if not found.same_inputs:
        yield "<p>What the operator is given differs already: an earlier one parted.</p>"
    for account in found.accounts:
        yield _ending(account)
    yield "</div>"


def _row(row: Row, columns: int, first: bool) -> str:
    if row.equal:
        label = escape(label_of(row))
        return f'<tr><td>{label}</td><td colspan="{columns}">{_step(row.steps[0])}</td></tr>'
    kind = "part first" if first else "part"
    mark = "&ne; here they part" if first else "&ne;"
    steps = "".join(f"<td>{_named(step)}</td>" for step in row.steps)
    return f'<tr class="{kind}"><td>{mark}</td>{steps}</tr>'


def _named(step: Step | None) -> str:
    return "" if step is None else f"<b>{escape(step.label)}</b><br>{_step(step)}"


def _step(step: Step | None) -> str:
    if step is None:
        return ""
    value = repr(step.value)
    parts = [f'<code><span class="value">{escape(value)}</span>']
    parts.append("</code>" if step.formula == value else f" = {escape(step.formula)}</code>")
    if step.note:
        parts.append(f'<div class="note">{escape(step.note)}</div>')
    if step.lines:
        lines = "\n".join(step.lines)
        parts.append(f"<pre>{escape(lines)}</pre>")
    return "".join(parts)


def _ending(account: Account) -> str:
    name = escape(account.dialect)
    if account.refusal:
        return f"<p>{name}: {escape(account.refusal)}</p>"
    if account.found is None:
        operands = "".join(f"<li>{escape(words)}</li>" for words in account.operands)
        return (
            f"<p>{name}: {escape(repr(account.value))}; there is no explanation. It was given:</p><ul>{operands}</ul>"
        )
    if account.agrees:
        return f"<p>{name}: the steps come to {escape(repr(account.found))}, and so does the interpreter.</p>"
    words = f"INTERNAL ERROR: the steps come to {account.found!r}, the interpreter to {account.value!r}"
    return f'<p class="wrong">{name}: {escape(words)}</p>'
