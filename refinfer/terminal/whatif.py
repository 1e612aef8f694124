"""`refinfer whatif`: what the model would take if one thing or another were changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refinfer.alternatives.whatif import CODED, PRUNED, SHAPE, SHARED, TYPE, Alternative, Figure, WhatIf
from refinfer.terminal.names import model_name
from refinfer.terminal.text import BOLD, END, MIDDLE, Column, Screen, both, painted, plural, printable, table, wrapped

SHOWN_BITS = (6, 4, 2)
"""Of an index, without --all."""


WIDE = 80
"""From so many columns on, changes are told in percent."""

PRECISE = 9.95
"""Below so many percent a decimal is told, too."""


def whatif_lines(found: WhatIf, all_of_it: bool, screen: Screen) -> Iterator[str]:
    """The model as it is, a line for each change, what TFLM refuses and why, and what the words mean."""
    yield from painted(headline(found), screen, BOLD)
    yield ""
    chosen = [each for each in found.alternatives if all_of_it or _is_shown(each)]
    columns = [i for i, column in enumerate(COLUMNS) if column.title or screen.width >= WIDE]
    rows = [row(each, found.today) for each in (found.today, *chosen)]
    yield from table([COLUMNS[i] for i in columns], [[cells[i] for i in columns] for cells in rows], screen)
    told = {(each.kind if each.kind == SHARED else each.change): each for each in reversed(chosen) if each.refusal}
    if told:
        yield ""
        for each in reversed(told.values()):
            yield from wrapped(f"{each.change}: {printable(each.refusal or '')}", screen, "    ", "  ")
    yield ""
    for remark in remarks(found, chosen):
        yield from wrapped(remark, screen, "  ")
    if all_of_it and found.weights:
        yield ""
        yield from table(LAYERS, _layers(found), screen)
    elif len(chosen) < len(found.alternatives) or found.weights:
        yield from wrapped("--all shows each number of bits, and the weights layer by layer.", screen, "  ")


def _is_shown(alternative: Alternative) -> bool:
    return alternative.kind != SHARED or alternative.details["bits"] in SHOWN_BITS


def headline(found: WhatIf) -> str:
    """What it takes as it is."""
    name, flash, arena = model_name(found.graph), found.today.flash, found.today.arena
    takes = f"{name} takes {both(flash.nbytes if flash is not None else 0)} of flash"
    if arena is None:
        return f"{takes}, and TFLM does not run it ({found.target.name}). If it were otherwise:"
    return f"{takes} and an arena of {both(arena.nbytes)} on {found.target.name}. If it were otherwise:"


COLUMNS = [
    Column("change", cut=MIDDLE),
    *(Column(title, right=True) for title in ("flash", "", "arena", "")),
    Column("figures"),
    Column("what it costs", cut=END),
]


def row(each: Alternative, today: Alternative) -> tuple[str, ...]:
    """What COLUMNS are for."""
    figures = [figure for figure in (each.flash, each.arena) if figure is not None]
    certain = "" if not figures else "exact" if all(figure.exact for figure in figures) else "estimated"
    refused = "TFLM does not run it" if each.flash is not None else "not possible"
    cost, arena = (each.cost, _bytes(each.arena)) if each.refusal is None else (refused, "refused")
    changes = (_change(each.flash, today.flash), _change(each.arena, today.arena))
    return each.change, _bytes(each.flash), changes[0], arena, changes[1], certain, printable(cost)


def _bytes(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return f"{figure.nbytes:,}" if figure.exact else f"~{figure.nbytes:,}"


def _change(figure: Figure | None, today: Figure | None) -> str:
    """By how many percent it is more or less."""
    if figure is None or today is None or figure is today or today.nbytes == 0:
        return ""
    percent = 100 * (figure.nbytes - today.nbytes) / today.nbytes
    return "same" if percent == 0 else f"{percent:+.{1 if abs(percent) < PRECISE else 0}f} %"


def remarks(found: WhatIf, chosen: Sequence[Alternative]) -> Iterator[str]:
    """What the kinds of alternatives that are shown mean, and what is known of the weights."""
    kinds = {each.kind for each in chosen}
    for kind, remark in REMARKS.items():
        if kind in kinds:
            yield remark
    elements = sum(each.tensor.elements for each in found.weights)
    if elements:
        zeros, nbytes = sum(each.zeros for each in found.weights), sum(each.coded.nbytes for each in found.weights)
        bits = sum(each.coded.entropy_bits for each in found.weights)
        yield (
            f"Weights: {plural(elements, 'value')} in {plural(nbytes, 'byte')}, {100 * zeros / elements:.1f} % of them"
            f" zero now. No code of single bytes can write them in fewer than {-int(-bits // 8):,} bytes."
        )


REMARKS = {
    SHAPE: "Another shape: exact for the network with its shapes, and the constants that repeat them, changed.",
    TYPE: "Another type: estimated, since converters differ; as TensorFlow's of today does it.",
    SHARED: "Shared: weights of so few values, as TFLM's compression keeps them; a build with USE_TFLM_COMPRESSION"
    " unpacks a layer into scratch memory.",
    PRUNED: "Zeros: a bit for each weight, and those that are not zero; TFLM_DECODE unpacks a layer into the arena.",
    CODED: "Codes: no kernel reads these; weights are unpacked, into RAM or flash, before the network can run.",
}

LAYERS = [
    Column("weights", cut=MIDDLE),
    Column("type"),
    *(Column(title, right=True) for title in ("values", "bytes", "zeros", "entropy", "Huffman", "runs")),
    *(Column(f"{bits} bits", right=True) for bits in SHOWN_BITS),
]


def _layers(found: WhatIf) -> Iterator[tuple[str, ...]]:
    """Bytes of each tensor, the largest first."""
    for each in sorted(found.weights, key=lambda each: -each.coded.nbytes):
        yield (
            printable(each.tensor.name),
            each.tensor.type.name,
            f"{each.tensor.elements:,}",
            f"{each.coded.nbytes:,}",
            f"{100 * each.zeros / each.tensor.elements:.1f} %",
            f"{-int(-each.coded.entropy_bits // 8):,}",
            f"{each.coded.huffman:,}",
            f"{each.coded.run_length:,}",
            *(f"{each.shared[bits]:,}" if bits in each.shared else "" for bits in SHOWN_BITS),
        )
