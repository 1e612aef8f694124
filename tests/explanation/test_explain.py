"""An explanation executes what it prints, and comes to what the interpreter has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinfer.explanation.explain import explain
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import cases
from tests.explanation.made import explained, wrong_formulas


@pytest.mark.parametrize(("op", "type"), list(explained()), ids=lambda each: each.name)
@settings(max_examples=40)
@given(data=st.data())
def test_the_steps_lead_to_what_the_interpreter_has(op: BuiltinOperator, type: TensorType, data: st.DataObject) -> None:
    case = data.draw(cases(op, type))
    shape = case.node.outputs[0].shape
    if 0 in shape:
        return
    element = [data.draw(st.integers(0, size - 1)) for size in shape]
    explanation = explain(case.graph, 0, element, case.inputs)
    for account in explanation.accounts:
        assert account.agrees, (account.dialect, account.found, account.value, account.steps)
        assert wrong_formulas(account) == []
