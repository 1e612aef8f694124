"""How much flash a model takes beside itself: TFLM's interpreter and the kernels of its operators.

Measured on linked programs: the interpreter without operators, and what registering each operator alone adds. Operators
share code, so what several add together is at least the largest of them and at most their sum. The application, its
drivers and its C library are the application's.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any, NamedTuple

from refinfer.schema.graph import Graph

TABLE = os.path.join(os.path.dirname(__file__), "code_sizes.json")


class Flash(NamedTuple):
    """Bytes of flash: the model, the interpreter, and what each of its operators adds to a program that has no other.

    `target` is the one that was asked about. Without a measured build for it, `interpreter` is None and `operators` is
    empty.
    """

    target: str
    model: int
    interpreter: int | None
    operators: tuple[tuple[str, int], ...]
    measured: int | None  # interpreter and kernels, where a program with just these operators was linked

    @property
    def at_least(self) -> int:
        """A floor: the model, and of the code what cannot be less."""
        return self.model + self._code(max)

    @property
    def at_most(self) -> int | None:
        """The model, the interpreter and its kernels, if these shared nothing; None where code was not measured."""
        return None if self.interpreter is None else self.model + self._code(sum)

    def _code(self, of_operators: Any) -> int:
        if self.interpreter is None:
            return 0
        if self.measured is not None:
            return self.measured
        sizes = [nbytes for _, nbytes in self.operators]
        return self.interpreter + (of_operators(sizes) if sizes else 0)

    def to_dict(self) -> dict[str, Any]:
        """The sizes as JSON-ready values."""
        return {
            "target": self.target,
            "model": self.model,
            "interpreter": self.interpreter,
            "operators": dict(self.operators),
            "measured": self.measured,
            "at_least": self.at_least,
            "at_most": self.at_most,
        }


def flash_of(graph: Graph, target: str) -> Flash:
    """The flash that `graph` takes in programs for `target`."""
    sizes = _builds().get(target)
    if sizes is None:
        return Flash(target, len(graph.file), None, (), None)
    names = sorted({node.name for node in graph.nodes})
    known = tuple((name, sizes["operators"][name]) for name in names if name in sizes["operators"])
    measured = sizes["programs"].get(" ".join(names))
    return Flash(target, len(graph.file), sizes["interpreter"], known, measured)


@cache
def _builds() -> dict[str, dict[str, Any]]:
    with open(TABLE, encoding="utf-8") as file:
        builds: dict[str, dict[str, Any]] = json.load(file)["builds"]
    return builds
