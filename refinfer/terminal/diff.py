"""`refinfer diff`: where runtimes part."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.compare import LITERT, TFLM, Comparison, Gap, Side, type_of
from refinfer.terminal.names import model_name, operator_name
from refinfer.terminal.text import BOLD, END, YELLOW, Column, Screen, painted, plural, printable, table, wrapped

SHORT_LIST = 12  # operators unless --all is given


def diff_lines(found: Comparison, everything: bool, screen: Screen) -> Iterator[str]:
    """What differs, the operators before the outputs."""
    yield from painted(f"{model_name(found.graph)}: {_verdict(found)}", screen, BOLD)
    yield from wrapped(_inputs(found), screen, "  ")
    yield ""
    yield from _layers(found, everything, screen)
    yield ""
    yield screen.paint("Outputs that differ: how many elements (by how much at most)", BOLD)
    rows = [(side.name, *(_cell(side, name) for name in (LITERT, TFLM))) for side in found.sides]
    columns = [Column("runtime"), *(Column(f"against {name}", cut=END) for name in (LITERT, TFLM))]
    yield from table(columns, rows, screen)
    for side in found.sides:
        if side.note:
            yield from painted(f"{side.name}: {printable(side.note)}", screen, YELLOW, indent="    ", first="  ")
    versions = {side.package: side.version for side in found.sides if side.version}
    if versions:
        yield from wrapped(", ".join(f"{package} {version}" for package, version in versions.items()), screen, "  ")


def _verdict(found: Comparison) -> str:
    if found.equal:
        return f"{LITERT} and {TFLM} give equal outputs"
    refusing = [side.name for side in found.sides[:2] if side.note]
    if refusing:
        return f"{' and '.join(refusing)} {'do' if len(refusing) > 1 else 'does'} not run it"
    return f"{LITERT} and {TFLM} give different outputs"


def _inputs(found: Comparison) -> str:
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
        gap = f"{_gap(layer.gap)}, in {plural(layer.runs, 'run')}"
        yield from wrapped(f"{name}, {type_of(node).name.lower()}: {gap}", screen, "    ", "  ")
        yield from wrapped(layer.cause or "the cause is not known", screen, "    ")
    if left := len(found.layers) - len(shown):
        yield f"  {screen.ellipsis} {plural(left, 'more operator')} (--all shows all)"


def _cell(side: Side, dialect: str) -> str:
    gap = side.gaps.get(dialect)
    return "" if gap is None else "equal" if gap.different == 0 else _gap(gap)


def _gap(gap: Gap) -> str:
    by = "" if gap.largest is None else f" ({gap.largest:.3g})"
    return f"{gap.different:,} of {gap.elements:,}{by}"
