"""A report as one page that needs no network: the verdict, the picture, and every table behind it.

All text out of the model is escaped here, in `escaped` and `island`, and nowhere else is text put into the page.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from refinfer import __version__
from refinfer.fitting.verdict import Verdict
from refinfer.page.picture import TAIL, Picture, picture_of, step_name, writer_name
from refinfer.page.svg import DARK, LIGHT, drawing, style_sheet
from refinfer.page.svg import escaped as escaped  # other pages take it from here
from refinfer.planning import Plan
from refinfer.schema.graph import Graph
from refinfer.simulator.head import PlannedBuffer
from refinfer.simulator.loading import loading
from refinfer.simulator.report import Allocation, Report, Step
from refinfer.terminal.fit import flash_and_static, headline, to_paste
from refinfer.terminal.memory import (
    OPERATORS,
    OWNERS,
    arena_in_words,
    needed_and_used,
    owner_of,
    tensor_name,
    unsafe_plan,
)
from refinfer.terminal.names import buffer_name, model_name, operator_name
from refinfer.terminal.text import Screen, percent, plural, printable, size

TRANSPARENT = Screen(width=10_000, unicode=True)  # for sentences that are not to be cut into lines


def page(
    report: Report, verdict: Verdict | None = None, smallest: Sequence[Verdict] = (), plan: Plan | None = None
) -> str:
    """The page. With a `verdict` it says whether the model fits that board, else which are the `smallest` that do.

    With a `plan` for its target, it shows that one beside TFLM's, and what other builds take.
    """
    picture = picture_of(report)
    return filled(
        _beside("template.html"),
        {
            "version": escaped(__version__),
            "title": escaped(f"{picture.model} on {picture.target}"),
            "light": variables(LIGHT | PAGE_LIGHT),
            "dark": variables(DARK | PAGE_DARK),
            "style": _beside("template.css") + style_sheet(),
            "model": escaped(picture.model),
            "target": escaped(f"{report.target.name}: {report.target.summary}"),
            "outcome": _outcome(report, verdict),
            "verdict": joined(answer(report, verdict, smallest)),
            "figures": joined(figures(report)),
            "picture": drawing(picture),
            "plans": joined(what_else(report, plan)) if plan else "",
            "buffers": joined(buffers(report, picture)),
            "steps": joined(steps(report)),
            "account": joined(account(report)),
            "categories": joined(categories(report)),
            "notes": joined(f"<p>{escaped(note)}</p>" for note in notes(report, verdict)),
            "report": island(report.to_dict()),
            "facts": island(facts(report, picture)),
            "script": _beside("template.js"),
        },
    )


PAGE_LIGHT = {"back": "#eef0f3", "focus": "#1259c3", "chosen": "#e3edfb", "yes": "#1c7d4a"}
PAGE_DARK = {"back": "#0d1014", "focus": "#7db4ff", "chosen": "#22324a", "yes": "#5fcf95"}


# text


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its {{names}} replaced; what is put in is not looked at again."""
    return re.sub(r"{{(\w+)}}", lambda found: values[found[1]], template)


def island(value: Any) -> str:
    """A value as JSON within a <script>, which only a < could end."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def joined(parts: Iterable[str]) -> str:
    """Parts of a page, a line each."""
    return "\n".join(parts)


def variables(colours: Mapping[str, str]) -> str:
    """Colours as CSS."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


# the answer


def _outcome(report: Report, verdict: Verdict | None) -> str:
    if report.refusal is not None:
        return "refused"
    return "" if verdict is None else verdict.outcome.replace(" ", "-")


def answer(report: Report, verdict: Verdict | None, smallest: Sequence[Verdict]) -> Iterator[str]:
    """Does it fit? Or, if nobody asked about a board, what it takes and what is large enough."""
    if verdict is not None:
        yield from answer_for_board(verdict)
    else:
        takes = f"{model_name(report.graph)} takes {arena_in_words(report.target, report.arena.minimum)}."
        yield f'<p class="answer">{escaped(takes)}</p>'
        if report.refusal is not None:
            yield f"<p>{escaped(f'TFLM loads it, but Invoke fails: {report.refusal}')}</p>"
    if report.clashes:
        yield f'<p class="warning">{escaped(unsafe_plan([report.target.name]))}</p>'
    if smallest:
        yield "<p>The smallest boards that fit, each with the worst build of TFLM that it may have:</p>"
        yield table(
            [*map(Column, ("board", "--board", "build")), *(Column(name, NUMBER) for name in ("arena", "RAM", ""))],
            (
                Row(
                    (
                        escaped(each.board.name),
                        f"<code>{escaped(each.board.id)}</code>",
                        escaped(each.target or ""),
                        some(each.arena_size or 0),
                        size(each.ram_available or 0),
                        percent(each.ram_needed or 0, each.ram_available or 0),
                    )
                )
                for each in smallest
            ),
        )


def answer_for_board(verdict: Verdict) -> Iterator[str]:
    """The verdict in a sentence and in bars, and what to write down."""
    yield f'<p class="answer">{escaped(" ".join(headline(verdict, TRANSPARENT)))}</p>'
    yield from bars(verdict)
    yield from paste(to_paste(verdict))


def bars(verdict: Verdict) -> Iterator[str]:
    """How much of RAM and flash it takes."""
    rows = (
        ("RAM", verdict.ram_needed, verdict.ram_available),
        ("flash, at least", verdict.flash_needed, verdict.flash_available),
    )
    known = [(name, needed, there) for name, needed, there in rows if needed is not None and there is not None]
    if known:
        yield '<div class="bars">'
        for name, needed, there in known:
            left = f"{there - needed:,} left" if needed <= there else f"{needed - there:,} too many"
            words = f"{needed:,} of {there:,} bytes, {percent(needed, there)}, {left}"
            yield f"<span>{name}</span>{bar(needed, there)}<span>{words}</span>"
        yield "</div>"


def bar(part: int, whole: int) -> str:
    """A part of a whole as a bar, which is full if it is more."""
    share = min(100 * part / whole, 100) if whole else 0
    over = " over" if part > whole else ""
    return (
        f'<svg class="bar{over}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{share:.2f}" height="10"/></svg>'
    )


def paste(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a program, if any."""
    if code := joined(escaped(line.strip()) for line in lines):
        yield f"<pre>{code}</pre>"


def figures(report: Report) -> Iterator[str]:
    """The totals, and what each is."""
    arena = report.arena
    rows = [
        *needed_and_used(arena, report.two_arenas),
        ("head", f"{arena.head:,}", "the planned buffers: activations and scratch"),
        ("tail", f"{arena.tail:,}", "what is kept for good"),
        ("lower bound", f"{report.lower_bound:,}", "of the head: the most buffer bytes that are alive at once"),
    ]
    yield '<dl class="figures">'
    for name, number, words in rows:
        yield f'<dt>{escaped(name.strip())}</dt><dd class="number">{number}</dd><dd>{escaped(words)}</dd>'
    yield "</dl>"


def what_else(report: Report, plan: Plan) -> Iterator[str]:
    """A better plan, and other builds of TFLM."""
    from refinfer.page.plans import section_of_builds, section_of_plans  # which are made of tables, as below

    yield f"<section>\n<h2>Better plans</h2>\n{joined(section_of_plans(plan))}\n</section>"
    yield f"<section>\n<h2>If it were another build</h2>\n{joined(section_of_builds(report))}\n</section>"


# tables

NUMBER, NAME, OPERATOR, BAR = "number", "name", "operator", "bar-cell"


class Column(NamedTuple):
    """A column of a table and what it holds."""

    title: str
    kind: str = ""


class Row(NamedTuple):
    """Cells of HTML. `words` are what a search finds, `marks` the attributes of the row."""

    cells: tuple[str, ...]
    words: str = ""
    marks: str = ""


def table(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """A table that may be wider than the page."""
    kinds = [f' class="{column.kind}"' if column.kind else "" for column in columns]
    titles = "".join(f"<th{kind}>{column.title}</th>" for column, kind in zip(columns, kinds, strict=True))
    body = joined(f"<tr{marked(row)}>{''.join(map('<td{}>{}</td>'.format, kinds, row.cells))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def marked(row: Row) -> str:
    """The attributes of a row."""
    find = f' data-find="{escaped(row.words)}"' if row.words else ""
    return f"{find} {row.marks}" if row.marks else find


def named(text: str) -> str:
    """Text that may run from right to left, and does not turn what is around it."""
    return f"<bdi>{escaped(text)}</bdi>"


def buffers(report: Report, picture: Picture) -> Iterator[str]:
    """Every planned buffer, in the order in which TFLM plans them."""
    columns = [
        Column("offset", NUMBER),
        Column("bytes", NUMBER),
        Column("first", NUMBER),
        Column("last", NUMBER),
        Column("from", OPERATOR),
        Column("what", NAME),
    ]
    blocks = (block for block in picture.running if block.kind != TAIL)
    yield table(
        columns,
        (
            Row(
                (
                    f"{planned.offset:,}",
                    f"{planned.nbytes:,}",
                    str(planned.buffer.first),
                    str(planned.buffer.last),
                    swatch(block.hue) + escaped(block.label),
                    named(planned.what if planned.node else buffer_name(report.graph, planned)),
                ),
                block.words,
                f'data-buffer="{block.number}"',
            )
            for planned, block in zip(report.buffers, blocks, strict=True)
        ),
    )


def swatch(hue: int) -> str:
    """The colour of a buffer in the picture."""
    return f'<svg class="swatch refinfer" viewBox="0 0 11 11"><rect class="hue{hue}" width="11" height="11"/></svg>'


def steps(report: Report) -> Iterator[str]:
    """Each step: the bytes alive, and what its operator keeps and borrows."""
    kept, borrowed = kept_by_operator(report.allocations), scratch_by_operator(report.buffers)
    most = report.peak.nbytes if report.peak else 0
    columns = [
        Column("step", NUMBER),
        Column("operator", OPERATOR),
        Column("alive", NUMBER),
        Column("", BAR),
        Column("tail", NUMBER),
        Column("scratch", NUMBER),
        Column("writes", NAME),
    ]
    yield table(
        columns,
        (
            Row(
                (
                    str(place),
                    escaped(step_name(step, report.graph)),
                    f"{step.nbytes:,}",
                    bar(step.nbytes, most),
                    some(kept.get((step.subgraph, step.op), 0)),
                    some(borrowed.get((step.subgraph, step.op), 0)),
                    ", ".join(named(name) for name in written(step, report.graph)),
                ),
                " ".join((step_name(step, report.graph), *written(step, report.graph))),
                'class="peak"' if report.peak and place == report.peak.step else "",
            )
            for place, step in enumerate(report.steps)
        ),
    )


Operator = tuple[int | None, int | None]  # subgraph and index


def kept_by_operator(allocations: Iterable[Allocation]) -> Counter[Operator]:
    """Bytes of the tail."""
    kept: Counter[Operator] = Counter()
    for each in allocations:
        if each.op is not None:
            kept[each.subgraph, each.op] += each.used
    return kept


def scratch_by_operator(planned: Iterable[PlannedBuffer]) -> Counter[Operator]:
    """Bytes of the head."""
    borrowed: Counter[Operator] = Counter()
    for each in planned:
        if each.node is not None:
            borrowed[each.node.subgraph, each.node.index] += each.nbytes
    return borrowed


def written(step: Step, graph: Graph) -> Iterator[str]:
    """The tensors that a step writes."""
    if step.subgraph is not None and step.op is not None:
        yield from (tensor.name for tensor in graph.subgraphs[step.subgraph].nodes[step.op].outputs)


def account(report: Report) -> Iterator[str]:
    """The tail by owner; of the operators each by itself."""
    for owner, group in groupby(sorted(report.allocations, key=owner_of), key=owner_of):
        allocations = list(group)
        if owner == OPERATORS:
            yield f"<h3>{OWNERS[owner].capitalize()}: {total(allocations):,} bytes</h3>"
            by_operator = sorted(allocations, key=lambda each: (each.subgraph, each.op))
            for (subgraph, op), mine in groupby(by_operator, key=lambda each: (each.subgraph, each.op)):
                assert subgraph is not None
                assert op is not None
                yield from items(operator_name(report.graph, subgraph, op), list(mine), report.graph)
        else:
            yield f"<h3>{OWNERS[owner].capitalize()}: {total(allocations):,} bytes</h3>"
            yield from items("Every allocation", allocations, report.graph, unfolded=True)


def total(allocations: Iterable[Allocation]) -> int:
    """Their bytes, with padding."""
    return sum(each.used for each in allocations)


def items(title: str, allocations: Sequence[Allocation], graph: Graph, unfolded: bool = False) -> Iterator[str]:
    """Allocations under a line that sums them up."""
    columns = [
        Column("what", NAME),
        Column("bytes", NUMBER),
        Column("padding", NUMBER),
        Column("tensor"),
        Column("TFLM's category"),
        Column("where TFLM asks for it"),
    ]
    opened = " open" if unfolded else ""
    yield f"<details{opened}><summary>{escaped(title)} <b>{total(allocations):,}</b></summary>"
    yield table(
        columns,
        (
            Row(
                (
                    escaped(each.what),
                    f"{each.nbytes:,}",
                    some(each.used - each.nbytes),
                    named(tensor_name(each, graph)),
                    escaped(each.category or ""),
                    escaped(each.source),
                ),
                f"{title} {each.what} {tensor_name(each, graph)}",
            )
            for each in allocations
        ),
    )
    yield "</details>"


def categories(report: Report) -> Iterator[str]:
    """The lines of TFLM's own report, and what it leaves out."""
    columns = [Column("category"), *(Column(title, NUMBER) for title in ("used", "requested", "count"))]
    rows = [
        Row((escaped(name), f"{each.used:,}", f"{each.requested:,}", f"{each.count:,}"))
        for name, each in report.categories.items()
    ]
    rest = report.arena.tail - sum(each.used for each in report.categories.values())
    yield table(columns, [*rows, Row(("in no category", f"{rest:,}", "", ""))])


def some(nbytes: int) -> str:
    """A number, or nothing for none."""
    return f"{nbytes:,}" if nbytes else ""


def notes(report: Report, verdict: Verdict | None) -> Iterator[str]:
    """What the numbers rest on."""
    target = report.target
    yield f"Target {target.name}: {target.summary}; TFLM {target.tflm}. Verified against {target.verified}."
    if verdict is not None:
        yield from flash_and_static(verdict)
        if verdict.not_counted:
            yield f"Not counted: {'; '.join(verdict.not_counted)}."


# what the script shows of a block


def facts(report: Report, picture: Picture) -> dict[str, Any]:
    """For each block of the picture, by its kind and number, what there is to know."""
    readers = readers_of(report.graph)
    stretches = [list(group) for _, group in groupby(report.allocations, key=owner_of)]
    return {
        "name": picture.model,
        "buffer": [list(buffer_facts(each, report, readers)) for each in report.buffers],
        "tail": [list(tail_facts(each, report.graph)) for each in stretches],
        "moment": [
            [
                ("while it is loaded", name),
                ("head", f"{each.head:,}"),
                ("temporary memory", f"{each.temporary:,}"),
                ("tail so far", f"{each.tail:,}"),
                ("together", f"{each.nbytes:,} of {picture.size:,}"),
            ]
            for name, each in zip(picture.moments, loading(report), strict=True)
        ],
    }


def readers_of(graph: Graph) -> dict[tuple[int, int], list[str]]:
    """Who reads a tensor, by its subgraph and index."""
    readers: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for node in graph.nodes:
        for index in sorted({tensor.index for tensor in node.inputs if tensor is not None}):
            readers[node.subgraph, index].append(operator_name(graph, node.subgraph, node.index))
    for subgraph in graph.subgraphs:
        for tensor in subgraph.outputs:
            readers[subgraph.index, tensor.index].append("the caller" if subgraph.index else "the program")
    return readers


def buffer_facts(
    planned: PlannedBuffer, report: Report, readers: Mapping[tuple[int, int], Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Of a planned buffer."""
    buffer, graph, tensor = planned.buffer, report.graph, planned.tensor
    yield "tensor" if tensor else "scratch", printable(buffer_name(graph, planned))
    yield "bytes", f"{planned.nbytes:,}" + (f", planned as {buffer.nbytes:,}" if buffer.nbytes > planned.nbytes else "")
    yield "addresses", f"{planned.offset:,} to {planned.offset + buffer.nbytes - 1:,}"
    yield "alive", f"steps {buffer.first} to {buffer.last}"
    yield "written by", writer_name(planned, report)
    if tensor is not None:
        yield "read by", ", ".join(readers.get((tensor.subgraph, tensor.index), ())) or "nothing"
        yield "shape", "×".join(map(str, tensor.shape)) or "scalar"
        yield "type", tensor.type.name
    if report.peak is not None and buffer.first <= report.peak.step <= buffer.last:
        yield "at the peak", percent(buffer.nbytes, report.peak.nbytes)


def tail_facts(allocations: Sequence[Allocation], graph: Graph) -> Iterator[tuple[str, str]]:
    """Of a stretch of the tail: its largest allocations."""
    yield f"tail of {OWNERS[owner_of(allocations[0])]}", plural(len(allocations), "allocation")
    yield "bytes with padding", f"{total(allocations):,}"
    for each in sorted(allocations, key=lambda each: -each.used)[:LARGEST]:
        whose = each.op is not None and each.subgraph is not None and operator_name(graph, each.subgraph, each.op)
        yield whose or tensor_name(each, graph) or "the interpreter", f"{printable(each.what)}: {each.nbytes:,}"


LARGEST = 6  # allocations of a stretch
