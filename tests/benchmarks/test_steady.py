"""The benchmarks compare answers in the run that they time: a wrong answer is a failure, however fast it is."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import steady
from benchmarks.models import SAMPLES, Model, chosen, random_inputs
from benchmarks.report import Settings, table
from benchmarks.runtimes import PEERS


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return steady.measure(str(SAMPLES / "digits_dense_int8.tflite"), seconds=0)


def test_every_runtime_is_timed_or_left_out_with_a_reason(found: dict[str, Any]) -> None:
    assert found["times"].keys().isdisjoint(found["left_out"])
    assert found["times"].keys() | found["left_out"].keys() >= PEERS.keys()
    assert all(len(taken) == steady.ROUNDS[0] - 1 for taken in found["times"].values())


def test_the_exact_peers_that_are_installed_give_our_bits(found: dict[str, Any]) -> None:
    assert list(steady.problems_of("digits_dense_int8", found)) == []
    assert len(found["equal"]) > 0 or len(found["left_out"]) >= len(PEERS)


def test_an_exact_peer_with_another_answer_is_a_problem() -> None:
    found = {"equal": {"refinfer numpy litert = BUILTIN_REF": "4 of 5", "refinfer numpy litert = XNNPACK": "4 of 5"}}
    assert list(steady.problems_of("m", found)) == ["m: refinfer numpy litert = BUILTIN_REF for 4 of 5 inputs only"]
    assert "XNNPACK gives our bits for every input in 0 of 1 comparisons" in list(steady.equality_of({"m": found}))


def test_a_ratio_is_of_medians_and_of_minima() -> None:
    assert steady.ratio([1.0, 2.0, 9.0], [4.0, 6.0, 9.0]) == "3 (4)"
    assert steady.ratio([1.0], None) == "–"


def test_a_process_that_dies_is_left_out_with_its_last_words() -> None:
    section = steady.run(Settings([Model("none", "no/such.tflite")], seconds=0, runs=0, mcufit=None))
    assert any("all is left out of none: the process ended with 1" in line for line in section.lines)


def test_our_own_models_are_always_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REFINFER_CORPUS", raising=False)
    assert {model.path for model in chosen([])} == {str(path) for path in SAMPLES.glob("*.tflite")}
    assert chosen(["some/model.tflite"]) == [Model("model", "some/model.tflite")]


def test_random_inputs_have_the_types_and_shapes_asked_for_and_are_the_same_for_a_seed() -> None:
    first, again = (random_inputs([(2, 3), ()], ["int8", "float32"], seed=1) for _ in range(2))
    assert [(each.shape, each.dtype.name) for each in first] == [((2, 3), "int8"), ((), "float32")]
    assert all((x == y).all() for x, y in zip(first, again, strict=True))


def test_columns_are_aligned() -> None:
    assert table(("a", "bb"), [("long", "1")]) == ["a     bb", "long   1"]
