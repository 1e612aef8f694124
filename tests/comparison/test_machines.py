"""Whose bits a result has, and which machine would give others."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from refinfer.comparison.machines import ON_ARM, notes_of
from refinfer.kernels.registry import DIALECTS, Record
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build

MODELS = Path(__file__).resolve().parents[2] / "models"
CONV = read_model(MODELS / "digits_conv_int8.tflite")
FLOAT = read_model(MODELS / "digits_conv_float.tflite")


@pytest.mark.parametrize("dialect", ["litert", "tflm"])
def test_what_is_the_same_everywhere_needs_no_note(dialect: str) -> None:
    assert notes_of(CONV, dialect) == []


def test_a_record_names_the_oldest_and_the_newest_version() -> None:
    assert str(Record("a", ("1.0", "1.1", "2.0"), "a machine")) == "a 1.0 to 2.0 on a machine"


@pytest.mark.parametrize("dialect", ["litert-optimized", "xnnpack"])
def test_versions_and_machine_come_first(dialect: str) -> None:
    record = DIALECTS[dialect].reproduces
    assert record is not None
    assert list(record.versions) == sorted(record.versions)
    assert notes_of(CONV, dialect)[0] == f"{dialect} has the bits of {record}."


def test_an_operator_is_told_of_as_whoever_computes_it() -> None:
    """The delegate takes CONV_2D, which it rounds alike everywhere, and leaves SOFTMAX to LiteRT's own kernels."""
    xnnpack, optimized = (" ".join(notes_of(CONV, name)) for name in ("xnnpack", "litert-optimized"))
    assert "CONV_2D" not in xnnpack
    assert "xnnpack: an ARM CPU looks exponentials up in 16 bits: 7 SOFTMAX." in xnnpack
    assert "litert-optimized: an ARM CPU rounds sums once: 0 CONV_2D, " in optimized


def test_operators_of_floats_are_counted_and_not_told_of_as_quantized_ones() -> None:
    *_, note = notes_of(FLOAT, "xnnpack")
    assert note.startswith(f"xnnpack: {len(FLOAT.subgraphs[0].nodes)} operators compute floats")
    assert not any("ARM" in each for each in notes_of(FLOAT, "litert-optimized"))
    assert not any("floats" in each for each in notes_of(CONV, "xnnpack"))


def test_a_long_list_is_cut() -> None:
    tensors = [TensorSpec(TensorType.INT8, (1, 2), [0.5], [0]) for _ in range(10)]
    one = TensorSpec(TensorType.INT8, (1, 2), [0.5], [0], data=np.ones((1, 2), np.int8))
    nodes = [NodeSpec(BuiltinOperator.MUL, [x, one], [y], version=2) for x, y in pairwise(tensors)]
    graph = read_model(build(SubgraphSpec(nodes, tensors[:1], tensors[-1:])))
    (note,) = notes_of(graph, "xnnpack")[1:]
    assert note.endswith("0 MUL, 1 MUL, 2 MUL, 3 MUL, 4 MUL, 5 MUL and 3 more. That is read, not measured.")


def test_what_differs_on_arm_is_said_of_operators_that_are_computed_in_an_own_way() -> None:
    delegate = DIALECTS["xnnpack"].delegate
    assert delegate is not None
    assert set(ON_ARM["xnnpack"]) <= set(delegate.operators)
