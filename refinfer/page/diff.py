"""Where two runs part, as a page: decibels along the network, and a histogram for each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from refinfer.comparison.answers import Groups
from refinfer.comparison.dialects import Comparison
from refinfer.comparison.distance import Histogram
from refinfer.comparison.rules import LITERT, TFLM, type_of
from refinfer.comparison.stages import Place, Stage
from refinfer.comparison.versions import VersionComparison
from refinfer.page.article import Article, answer, section
from refinfer.page.html import NAME, NUMBER, OPERATOR, Column, Row, escaped, joined, named, table
from refinfer.schema.graph import Graph
from refinfer.terminal.diff import (
    FIGURES,
    alike_operators,
    alike_outputs,
    answers_notes,
    answers_row,
    cell,
    decisions_row,
    figures,
    gap_words,
    inputs_words,
    letters,
    rules_words,
    stage_name,
    verdict,
    versions_refusals,
    versions_verdict,
    versions_ways,
)
from refinfer.terminal.names import model_name, operator_name
from refinfer.terminal.text import plural

ANSWERS = "Where each two part first, each by itself from the inputs on; in how many runs the decision changes."
ALIKE = "A letter for each answer, each dialect by itself from the inputs on. Where all answer alike is left out."
WIDTH, HEIGHT, LEFT, TOP, BELOW = 1080, 210, 46, 10, 24
WIDEST = 60  # pixels of a column
DECIBELS = 20  # between two lines
LEAST_RANGE = 60  # decibels that are always shown
BIN, TALLEST = 8, 24  # pixels of a histogram


def article_of(found: Comparison | VersionComparison) -> Article:
    """The whole of it."""
    if isinstance(found, Comparison):
        title, parts = f"{model_name(found.graph)}: where do the runtimes part?", _of_dialects(found)
        return Article(title, f"{LITERT} against {TFLM}", parts, found.to_dict())
    names = f"{model_name(found.first)} against {model_name(found.second)}"
    return Article(names, f"in the dialect {found.dialect}", _of_versions(found), found.to_dict())


def _of_dialects(found: Comparison) -> Iterator[str]:
    yield from answer(f"{model_name(found.graph)}: {verdict(found)}", outcome(found.equal), [inputs_words(found)])
    yield from _along_the_network(found.graph, found.stages)
    yield from section("Operators that differ from equal inputs", _layers(found), "What is the operator's own.")
    yield from section("Four official answers", _answers(found), ANSWERS)
    yield from _alike(found)
    yield from section("Outputs", _sides(found), "How many elements differ, and by how much at most.")


def _answers(found: Comparison) -> Iterator[str]:
    rows = (Row(tuple(escaped(each) for each in answers_row(found, pair))) for pair in found.answers.pairs)
    columns = [Column("answers"), Column("part first at", OPERATOR), Column("outputs"), Column("top-1 changes", NUMBER)]
    yield table(columns, rows)
    yield joined(f"<p>{escaped(words)}</p>" for words in [*rules_words(found), *answers_notes(found)])


def _alike(found: Comparison) -> Iterator[str]:
    """Who answers alike, operator by operator and output by output; and what is decided, where that differs."""
    dialects = found.answers.dialects
    for what, rows in (("operator", alike_operators(found)), ("output", alike_outputs(found))):
        if rows:
            columns = [Column(what, OPERATOR), *map(Column, dialects)]
            yield from section(f"Who answers alike: {what}s", [table(columns, _groups(found, rows))], ALIKE)
    if found.answers.decisions:
        columns = [Column("input", NAME), *(Column(name, NUMBER) for name in dialects)]
        drawn = table(
            columns, (Row(tuple(map(escaped, decisions_row(found, each)))) for each in found.answers.decisions)
        )
        words = f"The largest number of the first output, in {len(found.answers.decisions)} of {found.runs} runs."
        yield from section("Decisions that are not the same", [drawn], words)


def _groups(found: Comparison, rows: Sequence[tuple[str, Groups]]) -> Iterator[Row]:
    return (Row((escaped(name), *letters(found, groups))) for name, groups in rows)


def _of_versions(found: VersionComparison) -> Iterator[str]:
    words = [*versions_ways(found), *versions_refusals(found)]
    yield from answer(versions_verdict(found), "refused" if any(found.refusals) else outcome(found.equal), words)
    yield from _along_the_network(found.first, found.stages)
    for graph, left in ((found.first, found.matching.only_first), (found.second, found.matching.only_second)):
        if left:
            yield from section(f"Nothing to compare with: {model_name(graph)}", [_left_over(graph, left)])


def outcome(equal: bool) -> str:
    """The class of the first section."""
    return "fits" if equal else ""


def _along_the_network(graph: Graph, stages: Sequence[Stage]) -> Iterator[str]:
    if not stages:
        return
    note = "Signal to noise of each tensor in dB: 20 dB more is a tenth of the error. Both run from the inputs on."
    yield from section("Along the network", [chart(graph, stages)], note)
    words = "Left of the middle what became less, right of it what became more; equal elements are left out."
    yield from section("Tensor by tensor", [_stages(graph, stages)], words)


def chart(graph: Graph, stages: Sequence[Stage]) -> str:
    """A column for each tensor, as high as its SQNR; a pale one where nothing differs."""
    known = [stage.distance.sqnr for stage in stages]
    highest = max(LEAST_RANGE, *(each for each in known if each is not None and each != inf), 0)
    step = min((WIDTH - LEFT) / len(stages), WIDEST)
    head = (
        f'<div class="matrix"><svg class="chart" role="img" aria-label="signal to noise along the network" '
        f'width="{WIDTH}" height="{TOP + HEIGHT + BELOW}" viewBox="0 0 {WIDTH} {TOP + HEIGHT + BELOW}">'
    )
    lines = (_line(decibels, highest) for decibels in range(0, int(highest) + 1, DECIBELS))
    columns = (_column(graph, stage, i, step, highest) for i, stage in enumerate(stages))
    return joined([head, *lines, *columns, "</svg></div>"])


def _line(decibels: int, highest: float) -> str:
    y = TOP + HEIGHT * (1 - decibels / highest)
    text = f'<text class="soft-text" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{decibels} dB</text>'
    return f'<path class="rule" d="M{LEFT} {y:.1f}H{WIDTH}"/>{text}'


def _column(graph: Graph, stage: Stage, number: int, step: float, highest: float) -> str:
    sqnr = stage.distance.sqnr
    high = HEIGHT * max(0.0, min((sqnr or 0.0) / highest, 1.0))
    x, kind = LEFT + number * step, "column equal" if sqnr == inf else "column"
    words = f"{stage_name(graph, stage)}: {figures(stage.distance)[0] or 'no signal'}"
    drawn = (
        f'<rect class="{kind}" x="{x:.1f}" y="{TOP + HEIGHT - max(high, 1):.1f}" width="{max(step - 2, 1):.1f}" '
        f'height="{max(high, 1):.1f}"><title>{escaped(words)}</title></rect>'
    )
    if step < 20 and number % 10:
        return drawn
    label = f'<text class="soft-text" x="{x + step / 2:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">'
    return f"{drawn}{label}{stage.pair.first.node.index}</text>"


def _stages(graph: Graph, stages: Sequence[Stage]) -> str:
    columns = [Column("operator", OPERATOR), *(Column(name, NUMBER) for name in FIGURES)]
    columns += [Column("differences"), Column("a bin"), Column("matched by"), Column("tensor", NAME)]
    parting = next((stage for stage in stages if stage.distance.different), None)
    return table(
        columns,
        (
            Row(
                (
                    escaped(stage_name(graph, stage)),
                    *map(escaped, figures(stage.distance)),
                    histogram(stage.distance.histogram),
                    f"{stage.distance.histogram.width:.3g}" if stage.distance.histogram.width else "",
                    stage.pair.how,
                    named(stage.pair.first.tensor.name),
                ),
                marks='class="part"' if stage is parting else "",
            )
            for stage in stages
        ),
    )


def histogram(found: Histogram) -> str:
    """Bars around a line in the middle, which has no bar."""
    if not found.width:
        return ""
    counts = (*found.below[::-1], *found.above)
    most = max(counts)
    width = BIN * len(counts)
    bars = (
        f'<rect x="{BIN * i}" y="{TALLEST - high:.1f}" width="{BIN - 1}" height="{high:.1f}">'
        f"<title>{count:,}</title></rect>"
        for i, count in enumerate(counts)
        if (high := max(TALLEST * count / most, 1 if count else 0))
    )
    middle = f'<path d="M{width / 2 - 0.5} 0V{TALLEST}"/>'
    return f'<svg class="histogram" viewBox="0 0 {width} {TALLEST}">{middle}{"".join(bars)}</svg>'


def _layers(found: Comparison) -> Iterator[str]:
    if found.layers is None:
        yield "<p>Operators are not compared, since one of the dialects does not run the model.</p>"
        return
    yield f"<p>{len(found.layers)} of {found.operators}</p>"
    columns = [
        *map(Column, ("operator", "type")),
        Column("differ", NUMBER),
        Column("in", NUMBER),
        Column("cause", NAME),
    ]
    yield table(
        columns,
        (
            Row(
                (
                    escaped(operator_name(found.graph, layer.node.subgraph, layer.node.index)),
                    type_of(layer.node).name.lower(),
                    gap_words(layer.gap),
                    plural(layer.runs, "run"),
                    escaped(layer.cause or "not known"),
                )
            )
            for layer in found.layers
        ),
    )


def _sides(found: Comparison) -> Iterator[str]:
    columns = [Column("runtime"), *(Column(f"against {name}", NUMBER) for name in (LITERT, TFLM)), Column("", NAME)]
    yield table(
        columns,
        (
            Row((escaped(side.name), cell(side, LITERT), cell(side, TFLM), escaped(side.note or side.version)))
            for side in found.sides
        ),
    )


def _left_over(graph: Graph, left: Sequence[Place]) -> str:
    rows = (
        Row((escaped(operator_name(graph, each.node.subgraph, each.node.index)), named(each.tensor.name)))
        for each in left
    )
    return table([Column("operator", OPERATOR), Column("tensor", NAME)], rows)
