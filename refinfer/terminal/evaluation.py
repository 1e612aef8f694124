"""`refinfer evaluate`: how often a model is right, what it takes for what, and where another one answers otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from refinfer.evaluation import LOST, NO_ANSWER, TOP, WON, Agreement, Evaluation, Figures, Score, name_of
from refinfer.terminal.names import model_name
from refinfer.terminal.text import BOLD, END, YELLOW, Column, Screen, bar, painted, plural, printable, table, wrapped

SHORT_LIST = 12  # flips, and classes taken for others, unless --all is given
BAR, BAR_COLUMN = 20, 4
WITH_BARS = 80  # columns of a screen that has room for them


def evaluation_lines(found: Evaluation, everything: bool, screen: Screen) -> Iterator[str]:
    """The accuracy first, then what models and dialects do not agree on, then class by class."""
    first = found.scores[0]
    yield from painted(headline(found), screen, BOLD)
    if found.samples.source:
        yield from wrapped(f"The samples are {printable(found.samples.source)}.", screen, "  ")
    for how in dict.fromkeys(score.how for score in found.scores):
        yield from wrapped(f"As inputs: {printable(how)}.", screen, "  ")
    yield from (f"  {line}" for line in judged_outputs(found))
    yield ""
    yield from _scores(found.scores, screen)
    for agreement in found.agreements:
        yield ""
        yield from _agreement(agreement, everything, screen)
    if first.outputs is not None:
        yield ""
        yield from _classes(first, screen)
        yield from _confusion(first, everything, screen)


def headline(found: Evaluation) -> str:
    """The answer in a sentence."""
    first = found.scores[0]
    if first.outputs is None:
        return f"{model_name(first.graph)} does not run in the dialect {first.dialect}"
    count = len(first.labels)
    return f"{model_name(first.graph)} gets {first.right:,} of {plural(count, 'sample')} right: {share(first.accuracy)}"


def judged_outputs(found: Evaluation) -> Iterator[str]:
    """Which output has the scores, of a model that has several."""
    for output in dict.fromkeys(score.output for score in found.scores if score.output):
        yield f"The scores are those of the output {printable(output)}."


def share(part: float | None) -> str:
    """A share in percent, to a tenth; what is less than all is never 100 %, and what is more than nothing never 0."""
    if part is None:
        return "–"
    tenths = round(1000 * part)
    tenths = min(tenths, 999) if part < 1 else tenths
    return f"{max(tenths, 1 if part > 0 else 0) / 10:.1f} %"


def side_name(score: Score) -> str:
    """Model and dialect."""
    return f"{model_name(score.graph)}, {score.dialect}"


def _scores(scores: Sequence[Score], screen: Screen) -> Iterator[str]:
    columns = [Column("model, dialect", cut=END), *(Column(name, True) for name in ("right", "accuracy", "", "top 5"))]
    columns[3] = Column("95 % interval", True)
    rows = []
    for score in scores:
        if score.outputs is None:
            rows.append((side_name(score), "", "refused", "", ""))
            continue
        low, high = (share(each) for each in score.interval)
        among = share(score.among(TOP) / len(score.labels)) if score.classes > TOP else ""
        interval = f"{low.removesuffix(' %')} to {high}"
        rows.append((side_name(score), f"{score.right:,}", share(score.accuracy), interval, among))
    yield from table(columns, rows, screen)
    for score in scores:
        if score.outputs is None:
            words = f"{side_name(score)}: {printable(score.refusal)}"
            yield from painted(words, screen, YELLOW, indent="    ", first="  ")
        elif score.unanswered:
            words = f"{side_name(score)}: {plural(score.unanswered, 'answer')} with scores that are not numbers"
            yield from painted(words, screen, YELLOW, indent="    ", first="  ")


def _agreement(found: Agreement, everything: bool, screen: Screen) -> Iterator[str]:
    yield from painted(f"{side_name(found.first)} against {side_name(found.second)}", screen, BOLD)
    for line in sentences(found):
        yield from wrapped(line, screen, "  ")
    if not found.flips:
        return
    shown = found.flips if everything else found.flips[:SHORT_LIST]
    names = found.first.names
    rows = [
        (
            f"{flip.sample:,}",
            *(answer_name(names, each) for each in (flip.label, flip.first, flip.second)),
            flip.kind,
            printable(os.path.join(*flip.file.split(os.sep)[-2:])) if flip.file else "",
        )
        for flip in shown
    ]
    columns = [Column("sample", True), *(Column(name, cut=END) for name in ("is", "first", "second"))]
    columns += [Column("right answer"), Column("file", cut=END)]
    used = [i for i in range(len(columns)) if i < 5 or any(row[i] for row in rows)]
    yield from table([columns[i] for i in used], [[row[i] for i in used] for row in rows], screen)
    if left := len(found.flips) - len(shown):
        yield f"  {screen.ellipsis} {left:,} more (--all shows all)"


def sentences(found: Agreement) -> Iterator[str]:
    """How far two scores agree, and what the second costs."""
    count = len(found.first.labels)
    outputs = (
        "their outputs are of different types"
        if found.equal is None
        else f"outputs are the same bits for {found.equal:,} ({share(found.equal / count)})"
    )
    yield f"The same answer for {found.same:,} of {count:,} samples ({share(found.same / count)}); {outputs}."
    lost, won = found.count(LOST), found.count(WON)
    if not lost + won:
        return
    points = 100 * (found.second.accuracy - found.first.accuracy)
    yield (
        f"From the first to the second {plural(lost, 'right answer')} got lost and {won:,} were won: "
        f"{points:+.2f} percentage points. If neither were better, so uneven a split would come about with a "
        f"probability of {found.chance:.2g} (McNemar's exact test)."
    )


def answer_name(names: Sequence[str], number: int) -> str:
    """A class, by name if it has one."""
    if number == NO_ANSWER:
        return "none"
    name = name_of(names, number)
    return f"{number} {printable(name)}" if name else str(number)


def _classes(score: Score, screen: Screen) -> Iterator[str]:
    yield from painted(f"Class by class, {side_name(score)}", screen, BOLD)
    columns = [Column("class", cut=END), *(Column(name, True) for name in ("samples", "right", "recall"))]
    columns += [Column(""), Column("precision", True), Column("F1", True)]
    used = [i for i in range(len(columns)) if i != BAR_COLUMN or screen.width >= WITH_BARS]
    rows = (_class_row(score, each, screen) for each in score.figures)
    yield from table([columns[i] for i in used], ([row[i] for i in used] for row in rows), screen)


def _class_row(score: Score, each: Figures, screen: Screen) -> tuple[str, ...]:
    return (
        answer_name(score.names, each.number),
        f"{each.samples:,}",
        f"{each.right:,}",
        share(each.recall),
        bar(each.recall or 0, 1, BAR, screen),
        share(each.precision),
        share(each.f1),
    )


def _confusion(score: Score, everything: bool, screen: Screen) -> Iterator[str]:
    """The matrix if it has room, else the confusions that happened most often."""
    confusion = score.confusion
    cell = max(len(str(confusion.max())), len(str(score.classes - 1))) + 1
    if 8 + cell * score.classes <= screen.width:
        yield ""
        yield screen.paint("Confusion: rows are classes, columns what they were taken for", BOLD)
        yield screen.paint(" " * 8 + "".join(f"{number:>{cell}}" for number in range(score.classes)), "2")
        for number, row in enumerate(confusion.tolist()):
            counts = "".join(f"{count or '.':>{cell}}" for count in row)
            yield f"{number:>8}{counts}"
        return
    pairs = confusions(score)
    if not pairs:
        return
    yield ""
    yield screen.paint("What was taken for what", BOLD)
    shown = pairs if everything else pairs[:SHORT_LIST]
    rows = [(f"{n:,}", *(answer_name(score.names, each) for each in (label, answer))) for n, label, answer in shown]
    yield from table([Column("samples", True), Column("of", cut=END), Column("taken for", cut=END)], rows, screen)
    if left := len(pairs) - len(shown):
        yield f"  {screen.ellipsis} {left:,} more (--all shows all)"


def confusions(score: Score) -> list[tuple[int, int, int]]:
    """Wrong answers: how many, of which class, taken for which; the most frequent first."""
    confusion = score.confusion
    found = [(int(confusion[i, j]), i, j) for i, j in zip(*map(list, confusion.nonzero()), strict=True) if i != j]
    return sorted(((n, int(i), int(j)) for n, i, j in found), key=lambda each: (-each[0], *each[1:]))
