"""`refinfer diff`: where runtimes part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from refinfer.comparison.answers import Decision, Groups, Pair
from refinfer.comparison.dialects import Comparison, Side
from refinfer.comparison.distance import Distance, Histogram
from refinfer.comparison.gaps import Gap
from refinfer.comparison.rules import LITERT, TFLM, type_of
from refinfer.comparison.stages import Place, Stage
from refinfer.comparison.versions import VersionComparison
from refinfer.schema.graph import Graph
from refinfer.terminal.names import model_name, operator_name
from refinfer.terminal.text import (
    BOLD,
    END,
    MIDDLE,
    RED,
    YELLOW,
    Column,
    Screen,
    painted,
    plural,
    printable,
    table,
    wrapped,
)

SHORT_LIST = 12  # operators unless --all is given
SHORT_TABLE = 24  # tensors likewise
WITH_COSINE = 80  # columns of a screen that has room for it


def diff_lines(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    """What differs, the operators before the outputs."""
    yield from painted(f"{model_name(found.graph)}: {verdict(found)}", screen, BOLD)
    yield from wrapped(inputs_words(found), screen, "  ")
    yield ""
    yield from _layers(found, everything, screen)
    yield from _parted(found, everything, screen)
    yield ""
    yield from _answers(found, everything, screen)
    yield ""
    yield screen.paint("Outputs that differ: how many elements (by how much at most)", BOLD)
    rows = [(side.name, *(cell(side, name) for name in (LITERT, TFLM))) for side in found.sides]
    columns = [Column("runtime"), *(Column(f"against {name}", cut=END) for name in (LITERT, TFLM))]
    yield from table(columns, rows, screen)
    for side in found.sides:
        if side.note:
            yield from painted(f"{side.name}: {printable(side.note)}", screen, YELLOW, indent="    ", first="  ")
    versions = {side.package: side.version for side in found.sides if side.version}
    if versions:
        yield from wrapped(", ".join(f"{package} {version}" for package, version in versions.items()), screen, "  ")


def _answers(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    """Each two of the official answers, the rules by which they part, who answers alike, and what is decided."""
    yield from painted("Four official answers: where each two part first", screen, BOLD)
    columns = [*(Column(name, cut=END) for name in ("answers", "part first at", "outputs")), Column("top-1", True)]
    yield from table(columns, [answers_row(found, pair) for pair in found.answers.pairs], screen)
    for words in rules_words(found):
        yield from wrapped(words, screen, "  ")
    yield from _groups("operator", alike_operators(found), found, everything, screen)
    yield from _groups("output", alike_outputs(found), found, everything, screen)
    yield from _decisions(found, everything, screen)
    yield ""
    for words in answers_notes(found):
        yield from wrapped(words, screen, "  ")


def answers_notes(found: Comparison) -> list[str]:
    """On which machines the answers are these, each sentence once."""
    return [*dict.fromkeys(words for notes in found.answers.notes.values() for words in notes)]


def _groups(
    what: str, rows: Sequence[tuple[str, Groups]], found: Comparison, everything: bool, screen: Screen
) -> Iterator[str]:
    """Who answers alike, where not all do."""
    if not rows:
        return
    yield ""
    yield from painted(f"Who answers alike: a letter for each answer to {what}s that have several", screen, BOLD)
    columns = [Column(what, cut=END), *(Column(name, cut=END) for name in found.answers.dialects)]
    shown = rows if everything else rows[:SHORT_LIST]
    yield from table(columns, [(name, *letters(found, groups)) for name, groups in shown], screen)
    if left := len(rows) - len(shown):
        yield f"  {screen.ellipsis} {plural(left, f'more {what}')} (--all shows all)"


def _decisions(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    """What each dialect decides, where not all decide the same."""
    decisions = found.answers.decisions
    if not decisions:
        return
    yield ""
    yield from painted(f"Decisions (top-1) that are not the same: {len(decisions)} of {found.runs}", screen, BOLD)
    shown = decisions if everything else decisions[:SHORT_LIST]
    columns = [Column("input", cut=MIDDLE), *(Column(name, True) for name in found.answers.dialects)]
    yield from table(columns, [decisions_row(found, each) for each in shown], screen)
    if left := len(decisions) - len(shown):
        yield f"  {screen.ellipsis} {plural(left, 'more input')} (--all shows all)"


def decisions_row(found: Comparison, decision: Decision) -> tuple[str, ...]:
    """An input, and what each dialect decides."""
    seed = f"seed {decision.run}" if found.seeds is not None else f"run {decision.run}"
    return printable(decision.input) or seed, *(str(decision.choices[each]) for each in found.answers.dialects)


def alike_operators(found: Comparison) -> list[tuple[str, Groups]]:
    """The operators at which there are several answers, each dialect by itself from the inputs on."""
    return [
        (operator_name(found.graph, each.node.subgraph, each.node.index), each.groups)
        for each in found.answers.operators
        if len(set(each.groups.values())) > 1
    ]


def alike_outputs(found: Comparison) -> list[tuple[str, Groups]]:
    """The same of outputs, if the model has several."""
    outputs = found.answers.outputs
    if len(outputs) < 2:
        return []
    return [(printable(each.name), each.groups) for each in outputs if len(set(each.groups.values())) > 1]


def letters(found: Comparison, groups: Groups) -> list[str]:
    """A for the first answer, B for the next."""
    return ["ABCD"[groups[name]] for name in found.answers.dialects]


def answers_row(found: Comparison, pair: Pair) -> tuple[str, str, str, str]:
    """Two answers: where they part, in how many outputs they differ, and in how many runs the decision changes."""
    node = pair.parting
    place = "nowhere" if node is None else operator_name(found.graph, node.subgraph, node.index)
    outputs = "equal" if pair.gap.different == 0 else gap_words(pair.gap)
    changes = "" if pair.decisions is None else f"{pair.decisions} of {found.runs}"
    return f"{pair.first}, {pair.second}", place, outputs, changes


def rules_words(found: Comparison) -> list[str]:
    """The rules of the operators at which any two part, once each."""
    rules = {
        (pair.parting.name, name): f"{pair.parting.name} in {name}: {words}."
        for pair in found.answers.pairs
        if pair.parting is not None
        for name, words in zip((pair.first, pair.second), pair.rules, strict=True)
    }
    return [rules[key] for key in sorted(rules)]


def verdict(found: Comparison) -> str:
    """The answer."""
    if found.equal:
        return f"{LITERT} and {TFLM} give equal outputs"
    refusing = [side.name for side in found.sides[:2] if side.note]
    if refusing:
        return f"{' and '.join(refusing)} {'do' if len(refusing) > 1 else 'does'} not run it"
    return f"{LITERT} and {TFLM} give different outputs"


def inputs_words(found: Comparison) -> str:
    """On what it was tried."""
    if found.seeds is None:
        return f"On {plural(found.runs, 'input')}, one after the other on one interpreter."
    return f"On {plural(found.runs, 'random input')} of the seeds from 0 on, one after the other on one interpreter."


def _layers(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    if found.layers is None:
        yield from wrapped("Operators are not compared, since one of the dialects does not run the model.", screen)
        return
    count = f"{len(found.layers)} of {found.operators}" if found.layers else f"none of {found.operators}"
    yield screen.paint(f"Operators that differ from equal inputs: {count}", BOLD)
    shown = found.layers if everything else found.layers[:SHORT_LIST]
    for layer in shown:
        node = layer.node
        name = operator_name(found.graph, node.subgraph, node.index)
        gap = f"{gap_words(layer.gap)}, in {plural(layer.runs, 'run')}"
        yield from wrapped(f"{name}, {type_of(node).name.lower()}: {gap}", screen, "    ", "  ")
        yield from wrapped(layer.cause or "the cause is not known", screen, "    ")
    if left := len(found.layers) - len(shown):
        yield f"  {screen.ellipsis} {plural(left, 'more operator')} (--all shows all)"


def _parted(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    """The tensors at which the dialects are apart."""
    apart = [stage for stage in found.stages if stage.distance.different]
    if not apart:
        return
    yield ""
    count = f"{len(apart)} of {len(found.stages)}"
    yield from painted(f"Tensors that differ, each dialect by itself from the inputs on: {count}", screen, BOLD)
    yield from stages_table(found.graph, apart, everything, screen)


def stages_table(graph: Graph, stages: Sequence[Stage], everything: bool, screen: Screen) -> Iterator[str]:
    """How far two runs are apart, tensor by tensor."""
    shown = stages if everything else stages[:SHORT_TABLE]
    used = [i for i, name in enumerate(FIGURES) if name != "cosine" or screen.width >= WITH_COSINE]
    columns = [Column("operator", cut=END), *(Column(FIGURES[i], True) for i in used), Column("differences")]
    rows = []
    for each in shown:
        words = figures(each.distance)
        drawn = bars(each.distance.histogram, screen)
        rows.append((stage_name(graph, each), *(words[i] for i in used), drawn))
    yield from table(columns, rows, screen)
    if left := len(stages) - len(shown):
        yield f"  {screen.ellipsis} {plural(left, 'more tensor')} (--all shows all)"


FIGURES = ("SQNR", "cosine", "equal", "largest")


def figures(apart: Distance) -> tuple[str, ...]:
    """The columns of FIGURES."""
    sqnr = apart.sqnr
    decibels = "" if sqnr is None else "equal" if sqnr == inf else f"{sqnr:.1f} dB"
    cosine = "" if apart.cosine is None else f"{min(apart.cosine, 0.999999) if apart.noise else apart.cosine:.6f}"
    share = f"{int(1000 * apart.equal) / 10:.1f} %"
    largest = "not finite" if apart.largest is None else f"{apart.largest:.3g}"
    if apart.step and apart.largest is not None:
        largest = plural(round(apart.largest / apart.step), "step")
    return decibels, cosine, share, largest


def stage_name(graph: Graph, stage: Stage) -> str:
    """The operator; its tensor too, if it has several."""
    node = stage.pair.first.node
    name = operator_name(graph, node.subgraph, node.index)
    return name if len(node.outputs) == 1 else f"{name}, output {node.outputs.index(stage.pair.first.tensor)}"


def bars(histogram: Histogram, screen: Screen) -> str:
    """A histogram in a line: to the left what became less, to the right what became more, as high as it is often."""
    if not histogram.width:
        return ""
    levels = "▁▂▃▄▅▆▇█" if screen.unicode else ".:-=+*%#"
    most = max(*histogram.below, *histogram.above)
    drawn = [
        levels[-(-count * len(levels) // most) - 1] if count else " "
        for count in (*histogram.below[::-1], *histogram.above)
    ]
    middle = len(drawn) // 2
    return "".join([*drawn[:middle], "│" if screen.unicode else "|", *drawn[middle:]])


def versions_lines(found: VersionComparison, everything: bool, screen: Screen) -> Iterator[str]:
    """`refinfer diff` of two models."""
    yield from painted(versions_verdict(found), screen, BOLD)
    for words in versions_ways(found):
        yield from wrapped(words, screen, "  ")
    for words in versions_refusals(found):
        yield from painted(words, screen, BOLD, RED, indent="    ", first="  ")
    if found.stages:
        yield ""
        yield screen.paint("Tensor by tensor, each model by itself from the inputs on", BOLD)
        yield from stages_table(found.first, found.stages, everything, screen)
    for graph, left in ((found.first, found.matching.only_first), (found.second, found.matching.only_second)):
        if left:
            yield ""
            yield from painted(f"Nothing to compare with: {len(left)} of {model_name(graph)}", screen, YELLOW)
            yield from _left_over(graph, left, everything, screen)


def versions_verdict(found: VersionComparison) -> str:
    """The answer."""
    names = f"{model_name(found.first)} and {model_name(found.second)}"
    if any(found.refusals):
        return f"{names}: they do not both run in the dialect {found.dialect}"
    if found.gap is None:
        return f"{names} have different numbers of outputs"
    return f"{names} give {'equal' if found.equal else 'different'} outputs in the dialect {found.dialect}"


def versions_ways(found: VersionComparison) -> Iterator[str]:
    """On what, and what was matched how."""
    runs = plural(found.runs, "input" if found.seeds is None else "random input")
    yield f"On {runs}, which stand for the same real values in both. {model_name(found.first)} is taken for right."
    by_position = sum(1 for pair in found.matching.pairs if pair.how == "position")
    yield (
        f"{plural(len(found.matching.pairs), 'tensor')} matched, {len(found.matching.pairs) - by_position} by name and "
        f"{by_position} by position; {len(found.matching.only_first)} and {len(found.matching.only_second)} left over."
    )


def versions_refusals(found: VersionComparison) -> Iterator[str]:
    """Which of the models does not run, and why."""
    for graph, refusal in zip((found.first, found.second), found.refusals, strict=True):
        if refusal:
            yield f"{model_name(graph)}: {printable(refusal)}"


def _left_over(graph: Graph, left: Sequence[Place], everything: bool, screen: Screen) -> Iterator[str]:
    shown = left if everything else left[:SHORT_LIST]
    rows = [(operator_name(graph, each.node.subgraph, each.node.index), printable(each.tensor.name)) for each in shown]
    yield from table([Column("operator", cut=END), Column("tensor", cut=MIDDLE)], rows, screen)
    if more := len(left) - len(shown):
        yield f"  {screen.ellipsis} {more:,} more (--all shows all)"


def cell(side: Side, dialect: str) -> str:
    """How a side differs from a dialect."""
    gap = side.gaps.get(dialect)
    return "" if gap is None else "equal" if gap.different == 0 else gap_words(gap)


def gap_words(gap: Gap) -> str:
    """How many elements differ, and by how much at most."""
    by = "" if gap.largest is None else f" ({gap.largest:.3g})"
    return f"{gap.different:,} of {gap.elements:,}{by}"
