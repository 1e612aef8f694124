"""What is explained, of which type, and how its formulas are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refinfer.explanation import arithmetic
from refinfer.explanation.explain import Account
from refinfer.explanation.lessons import TOPICS
from refinfer.kernels.registry import PORTABLE
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import OPERATORS

NAMES: dict[str, Any] = {name: getattr(arithmetic, name) for name in arithmetic.__all__}


def explained() -> Iterator[tuple[BuiltinOperator, TensorType]]:
    """Operators that the test kit makes up and that have a lesson in some dialect, with each type it can have there."""
    for op, operator in OPERATORS.items():
        computes = [dialect.computes.get(op) for dialect in PORTABLE.values()]
        topics = [TOPICS[compute] for compute in computes if compute in TOPICS]
        for type in operator.types:
            if any(type in topic.types for topic in topics):
                yield op, type


def wrong_formulas(account: Account) -> list[tuple[str, Any, Any]]:
    """Formulas that give something else than what stands beside them."""
    found = ((step.formula, eval(step.formula, dict(NAMES)), step.value) for step in account.steps)
    return [each for each in found if repr(each[1]) != repr(each[2])]
