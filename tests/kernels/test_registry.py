"""The tables of operators, against the lists in TFLM's sources."""

from __future__ import annotations

import json
from pathlib import Path

from refinfer.kernels.registry import TFLM, TFLM_CUSTOM, resolver_method
from refinfer.schema.enums import BuiltinOperator

RECORD = json.loads(Path(__file__).parents[1].joinpath("data", "resolver.json").read_text())
METHODS: dict[str, str] = RECORD["methods"]


def test_the_registry_holds_what_tflms_python_resolver_registers() -> None:
    assert {op.name for op in TFLM} | set(TFLM_CUSTOM) == set(METHODS)
    assert len(TFLM) + len(TFLM_CUSTOM) == 117


def test_custom_operators_are_those_that_the_schema_does_not_name() -> None:
    assert set(TFLM_CUSTOM) == set(METHODS) - set(BuiltinOperator.__members__)


def test_builtin_operators_stand_in_the_order_of_their_numbers() -> None:
    assert list(TFLM) == sorted(TFLM)


def test_each_operator_is_registered_by_the_method_that_the_header_declares() -> None:
    assert {name: resolver_method(name) for name in METHODS} == METHODS
