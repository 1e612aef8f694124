"""Two arenas, and models together, against what TFLM itself took: tests/data/arenas.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

import refinfer
from refinfer import Refused, UsageError, simulate, simulate_together
from refinfer.simulator import TARGETS, Target
from refinfer.simulator.report import TwoArenas
from refinfer.simulator.together import Together

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
RECORD = json.loads(ROOT.joinpath("tests", "data", "arenas.json").read_text(encoding="utf-8"))
BUILDS = {"lp64": TARGETS["x86-64"], "arm_eabi": TARGETS["cortex-m4"]}

each_record = pytest.mark.parametrize(
    ("models", "build", "measured"),
    [
        pytest.param(group["models"], BUILDS[abi], group[abi], id=f"{'+'.join(group['models'])}-{abi}")
        for group in RECORD["groups"]
        for abi in BUILDS
    ],
)


def paths(names: Sequence[str]) -> list[Path]:
    return [MODELS / f"{name}.tflite" for name in names]


def used(together: Together) -> list[list[int]]:
    """After each model the bytes of the head and of the tail."""
    heads = [max(tenant.head for tenant in together.tenants[: count + 1]) for count in range(len(together.tenants))]
    return [[head, tenant.used - head] for head, tenant in zip(heads, together.tenants, strict=True)]


def arenas(report: Together | refinfer.Report) -> TwoArenas:
    assert report.two_arenas is not None
    return report.two_arenas


@each_record
def test_one_arena_takes_what_tflm_took(models: list[str], build: Target, measured: Any) -> None:
    together = simulate_together(paths(models), build)
    assert used(together) == measured["one"]["used"]
    assert together.arena.minimum == measured["one"]["minimum"]


@each_record
def test_two_arenas_take_what_tflm_took(models: list[str], build: Target, measured: Any) -> None:
    together = simulate_together(paths(models), build.in_two_arenas())
    assert used(together) == measured["two"]["used"]
    persistent, other = arenas(together)
    assert persistent.minimum == measured["two"]["persistent"]
    assert other.minimum == measured["two"]["non_persistent"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_model_alone_takes_what_it_takes_together_with_none(target: str) -> None:
    for path in paths(["digits_conv_int8", "digits_dense_int8", "digits_stream_int8"]):
        together, report = simulate_together([path], target), simulate(path, target)
        assert together.arena == report.arena
        assert together.tenants[0].alone == report.arena
        assert together.tenants[0].refusal == report.refusal is None


@pytest.mark.parametrize("target", ["cortex-m4", "x86-64", "esp32s3+esp-nn"])
def test_two_arenas_are_the_head_and_the_tail(target: str) -> None:
    for path in MODELS.glob("*_int8.tflite"):
        one, two = simulate(path, target), simulate(path, TARGETS[target].in_two_arenas())
        persistent, other = arenas(two)
        assert (persistent.used, other.used) == (two.arena.tail, two.arena.head)
        assert sum(allocation.used for allocation in two.allocations) == persistent.used
        assert [buffer.offset for buffer in two.buffers] == [buffer.offset for buffer in one.buffers]
        assert two.arena.minimum == persistent.minimum + other.minimum
        assert persistent.used <= persistent.minimum < persistent.used + 16


ORDERED = ["digits_dense_int8", "digits_stream_int8", "digits_lstm_int8", "digits_dense_float"]


@pytest.mark.parametrize("arenas", [1, 2])
def test_the_smallest_order_is_the_smallest_of_all(arenas: int) -> None:
    target = TARGETS["cortex-m4"].in_two_arenas() if arenas == 2 else TARGETS["cortex-m4"]
    graphs = [refinfer.read_model(path) for path in paths(ORDERED)]
    orders = {order: simulate_together(order, target).arena.minimum for order in permutations(graphs)}
    assert len(set(orders.values())) > 1
    for order in list(orders)[::5]:
        together = simulate_together(order, target)
        best = [order[place] for place in together.smallest_order]
        assert together.smallest == min(orders.values()) == orders[tuple(best)]


def test_the_order_that_was_asked_for_stands_if_no_other_is_better() -> None:
    together = simulate_together(paths(["digits_dense_int8", "digits_dense_int8"]))
    assert together.smallest_order == (0, 1)
    assert together.smallest == together.arena.minimum


def test_the_order_of_many_models_is_the_best_but_for_what_alignment_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [paths(names) for names in permutations([*ORDERED, "digits_residual_int8"], 3)]
    best = [simulate_together(group).smallest for group in groups]
    monkeypatch.setattr("refinfer.simulator.together.MOST_IN_ANY_ORDER", 0)
    by_rule = [simulate_together(group).smallest for group in groups]
    assert all(0 <= rule - least < 16 * 3 for rule, least in zip(by_rule, best, strict=True))
    assert any(least < simulate_together(group).arena.minimum for group, least in zip(groups, best, strict=True))


def test_the_model_is_named_that_needs_the_most_while_it_is_loaded() -> None:
    assert simulate_together(paths(["digits_conv_int8", "digits_dense_int8"])).loading is None
    small = simulate_together(paths(["digits_dense_int8", "digits_dense_int8"]))
    assert small.arena.moment == "planned"
    assert small.loading == 1


def test_a_refused_model_is_named_by_the_refusal() -> None:
    conv, hybrid = (refinfer.read_model(path) for path in paths(["digits_conv_int8", "digits_conv_dynamic"]))
    with pytest.raises(Refused, match="Hybrid models") as caught:
        simulate_together([conv, hybrid])
    assert caught.value.graph is hybrid


def test_no_models_are_nothing_to_load() -> None:
    with pytest.raises(ValueError, match="no models"):
        simulate_together([])


def test_a_build_that_records_has_one_arena() -> None:
    with pytest.raises(UsageError, match="'x86-64-wheel' records, and TFLM's recording allocator has a single arena"):
        TARGETS["x86-64-wheel"].in_two_arenas()


def test_the_json_form_holds_the_same_figures() -> None:
    together = simulate_together(paths(ORDERED), TARGETS["xtensa"].in_two_arenas())
    document = json.loads(together.to_json())
    assert document["arena"]["minimum"] == together.arena.minimum
    assert document["two_arenas"]["persistent"] == arenas(together).persistent._asdict()
    assert [model["used"] for model in document["models"]] == [tenant.used for tenant in together.tenants]
    assert [model["name"] for model in document["models"]] == [str(path) for path in paths(ORDERED)]
