"""An evaluation as a page: accuracy, agreement, classes, and the confusion matrix as a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import sqrt

from refinfer.evaluation import TOP, Agreement, Evaluation, Score
from refinfer.page.article import Article, answer, section
from refinfer.page.html import BAR, NAME, NUMBER, Column, Row, bar, escaped, joined, named, table
from refinfer.terminal.evaluation import answer_name, headline, judged_outputs, sentences, share, side_name
from refinfer.terminal.names import model_name

MOST_CLASSES = 100  # of a matrix that can be looked at
CELL, SMALL_CELL = 34, 12
WITH_NUMBERS = 30  # classes up to which cells are large enough for a number


def article_of(found: Evaluation) -> Article:
    """The whole of it."""
    first = found.scores[0]
    return Article(f"{model_name(first.graph)}: is it right?", found.samples.source, _sections(found), found.to_dict())


def _sections(found: Evaluation) -> Iterator[str]:
    first = found.scores[0]
    ways = [f"As inputs: {how}." for how in dict.fromkeys(score.how for score in found.scores)]
    ways += judged_outputs(found)
    yield from answer(headline(found), "" if first.outputs is not None else "refused", ways)
    yield from section("Accuracy", _scores(found), "On all such samples, the accuracy is in the interval at 95 %.")
    for agreement in found.agreements:
        heading = f"{side_name(agreement.first)} against {side_name(agreement.second)}"
        yield from section(heading, _agreement(agreement))
    for score in found.scores:
        if score.outputs is not None:
            yield from section(f"Confusion: {side_name(score)}", [matrix(score)], "A row for each class.")
            yield from section(f"Class by class: {side_name(score)}", [_classes(score)])


def _scores(found: Evaluation) -> Iterator[str]:
    columns = [Column("model, dialect", NAME), *(Column(each, NUMBER) for each in ("right", "accuracy"))]
    columns += [Column("", BAR), *(Column(each, NUMBER) for each in ("95 % interval", "top 5", "no answer"))]
    yield table(columns, map(_score_row, found.scores))
    for score in found.scores:
        if score.outputs is None:
            yield f"<p>{escaped(f'{side_name(score)}: {score.refusal}')}</p>"


def _score_row(score: Score) -> Row:
    name = named(side_name(score))
    if score.outputs is None:
        return Row((name, "", "refused", "", "", "", ""))
    count = len(score.labels)
    low, high = score.interval
    among = share(score.among(TOP) / count) if score.classes > TOP else ""
    figures = (
        f"{score.right:,}",
        share(score.accuracy),
        bar(score.right, count),
        f"{share(low)} to {share(high)}",
        among,
    )
    return Row((name, *figures, f"{score.unanswered:,}" if score.unanswered else ""))


def _agreement(found: Agreement) -> Iterator[str]:
    yield from (f"<p>{escaped(each)}</p>" for each in sentences(found))
    if not found.flips:
        return
    columns = [Column("sample", NUMBER), *map(Column, ("is", "first", "second", "right answer")), Column("file", NAME)]
    names = found.first.names
    yield table(
        columns,
        (
            Row(
                (
                    f"{flip.sample:,}",
                    *(escaped(answer_name(names, each)) for each in (flip.label, flip.first, flip.second)),
                    flip.kind,
                    named(os.path.basename(flip.file)),
                )
            )
            for flip in found.flips
        ),
    )


def _classes(score: Score) -> str:
    columns = [
        Column("class", NAME),
        *(Column(each, NUMBER) for each in ("samples", "taken for it", "right", "recall")),
    ]
    columns += [Column("", BAR), *(Column(each, NUMBER) for each in ("precision", "F1"))]
    return table(
        columns,
        (
            Row(
                (
                    escaped(answer_name(score.names, each.number)),
                    *(f"{count:,}" for count in (each.samples, each.answered, each.right)),
                    share(each.recall),
                    bar(each.right, each.samples),
                    share(each.precision),
                    share(each.f1),
                )
            )
            for each in score.figures
        ),
    )


def matrix(score: Score) -> str:
    """The confusion matrix: the more of a class, the deeper the colour; wrong answers in another one."""
    classes = score.classes
    if classes > MOST_CLASSES:
        return f"<p>{classes:,} classes are too many for a picture.</p>"
    cell = CELL if classes <= WITH_NUMBERS else SMALL_CELL
    edge = 2 * CELL
    size = edge + cell * classes
    room = f'width="{size}" height="{size}" viewBox="0 0 {size} {size}"'
    head = f'<div class="matrix"><svg class="chart" role="img" aria-label="confusion matrix" {room}>'
    return joined([head, *_axes(score, edge, cell), *_cells(score, edge, cell), "</svg></div>"])


def _axes(score: Score, edge: int, cell: int) -> Iterator[str]:
    middle = edge + cell * score.classes / 2
    yield f'<text class="soft-text" x="{middle}" y="14" text-anchor="middle">taken for</text>'
    yield f'<text class="soft-text" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">is</text>'
    every = 1 if cell == CELL else 10
    for number in range(0, score.classes, every):
        at = edge + cell * (number + 0.5)
        yield f'<text x="{at}" y="{edge - 8}" text-anchor="middle">{number}</text>'
        yield f'<text x="{edge - 8}" y="{at + 4}" text-anchor="end">{number}</text>'


def _cells(score: Score, edge: int, cell: int) -> Iterator[str]:
    samples = {each.number: each.samples for each in score.figures}
    size = cell * score.classes
    yield f'<rect class="back" x="{edge}" y="{edge}" width="{size}" height="{size}"/>'
    for i, row in enumerate(score.confusion.tolist()):
        for j, count in enumerate(row):
            if not count:
                continue
            x, y = edge + cell * j, edge + cell * i
            kind, deep = ("hit", 0.75 * count / samples[i]) if i == j else ("miss", sqrt(count / samples[i]))
            words = f"{answer_name(score.names, i)}, taken for {answer_name(score.names, j)}: {count:,}"
            yield (
                f'<rect class="{kind}" x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" '
                f'fill-opacity="{max(deep, 0.08):.3f}"><title>{escaped(words)}</title></rect>'
            )
            if cell == CELL:
                middle = x + cell / 2
                yield f'<text class="on-cell" x="{middle}" y="{y + cell / 2 + 4}" text-anchor="middle">{count}</text>'
