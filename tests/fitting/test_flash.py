"""Flash: the bounds hold for every program that was linked, and what is not known is not counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import refinfer
from refinfer.fitting.flash import TABLE, Flash, flash_of
from refinfer.schema import read_model
from refinfer.simulator import TARGETS

BUILDS = json.loads(Path(TABLE).read_text())["builds"]
MODELS = Path(refinfer.__file__).parents[1] / "models"
PROGRAMS = [(target, operators, code) for target in BUILDS for operators, code in BUILDS[target]["programs"].items()]


@pytest.mark.parametrize(("target", "operators", "code"), PROGRAMS)
def test_every_linked_program_lies_within_the_bounds(target: str, operators: str, code: int) -> None:
    sizes = tuple((name, BUILDS[target]["operators"][name]) for name in operators.split())
    bounds = Flash(target, 1000, BUILDS[target]["interpreter"], sizes, None)
    assert bounds.at_most is not None
    assert bounds.at_least <= 1000 + code <= bounds.at_most


def test_a_program_that_was_linked_is_known_exactly() -> None:
    operators, code = next(iter(BUILDS["cortex-m4"]["programs"].items()))
    sizes = tuple((name, BUILDS["cortex-m4"]["operators"][name]) for name in operators.split())
    exact = Flash("cortex-m4", 0, BUILDS["cortex-m4"]["interpreter"], sizes, code)
    assert exact.at_least == exact.at_most == code


def test_code_that_nobody_measured_is_not_counted_and_has_no_upper_bound() -> None:
    graph = read_model(MODELS / "digits_conv_int8.tflite")
    unknown = flash_of(graph, "xtensa")
    assert (unknown.at_least, unknown.at_most) == (len(graph.file), None)


def test_the_measured_builds_are_of_targets_that_exist() -> None:
    assert set(BUILDS) <= set(TARGETS)


def test_a_model_takes_its_bytes_the_interpreter_and_its_kernels() -> None:
    graph = read_model(MODELS / "digits_conv_int8.tflite")
    flash = flash_of(graph, "cortex-m4")
    assert {name for name, _ in flash.operators} == {node.name for node in graph.nodes}
    assert flash.interpreter is not None
    assert flash.at_least > len(graph.file) + flash.interpreter
