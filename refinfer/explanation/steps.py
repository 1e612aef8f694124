"""What an explanation is made of: steps, each a formula with its value, and what a chain of them comes to."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Number = int | float

FEW = 6  # terms of a long sum that are shown one by one


class Step(NamedTuple):
    """Something that is computed.

    `formula` is Python: with the names of `arithmetic.py` it gives `value`. `note` says why, and `lines` are what it
    is made of in detail, such as the products of a sum, or a number in binary before and after its rounding.
    """

    label: str
    formula: str
    value: Number
    note: str = ""
    lines: tuple[str, ...] = ()


class Result(NamedTuple):
    """What an element comes to, and what it would be in real numbers: a formula with its value; "" if that is it."""

    value: Number
    formula: str = ""
    exact: float = 0.0


Lesson = Generator[Step, None, T]
"""Steps that lead to something, which the generator returns."""


def under(heading: str, lesson: Lesson[T]) -> Lesson[T]:
    """The same steps, each with a heading in front of its label."""
    while True:
        try:
            step = next(lesson)
        except StopIteration as end:
            found: T = end.value
            return found
        yield step._replace(label=f"{heading}: {step.label}")


class Term(NamedTuple):
    """A term of a sum: where it stands, how it is computed, and its value."""

    place: str
    formula: str
    value: int


def summed(label: str, terms: Sequence[Term], note: str = "") -> Step:
    """A sum, of which a few terms are shown and the others come together."""
    shown, others = terms[:FEW], terms[FEW:]
    if len(others) == 1:
        shown, others = terms, ()
    rest = sum(term.value for term in others)
    lines = [f"{term.place}: {term.formula}" + f" = {term.value}" * (term.formula != str(term.value)) for term in shown]
    formula = " + ".join(str(term.value) for term in shown) or "0"
    if others:
        lines.append(f"... {len(others)} more, which add up to {rest}")
        formula += f" + {rest}"
    return Step(label, formula, sum(term.value for term in terms), note, tuple(lines))


def centred(value: int, zero_point: int) -> str:
    """A stored number less its zero point, as a factor of a product."""
    return f"({value} - {zero_point})" if zero_point else str(value)


def products(places: Sequence[tuple[str, int, int]], zero_point: int, other_zero_point: int) -> list[Term]:
    """Products of two stored numbers, each less its zero point, from (where, number, other number)."""
    return [
        Term(
            place,
            f"{centred(a, zero_point)} * {centred(b, other_zero_point)}" if number <= FEW else "",
            (a - zero_point) * (b - other_zero_point),
        )
        for number, (place, a, b) in enumerate(places)
    ]
