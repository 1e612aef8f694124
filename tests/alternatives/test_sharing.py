"""Weights that share values: what a compressed model takes that others have written."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinfer.alternatives.sharing import error_of, moves, shared, shared_values, with_shared
from refinfer.kernels.common import USE_TFLM_COMPRESSION
from refinfer.schema import parse, read_model
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Graph
from refinfer.schema.resolve import resolve
from refinfer.schema.writer import write
from refinfer.simulator import find_target, simulate
from refinfer.simulator.targets import Target
from tests.compressed import compressed_pair
from tests.referees.tflm import INSTALLED, Tflm

MODELS = Path(__file__).parents[2] / "models"
NETWORKS = ["digits_mobile_float", "digits_residual_float", "digits_residual_int8", "digits_dense_int8"]
ONE_TABLE = ["digits_mobile_float", "digits_residual_float", "digits_lstm_float", "digits_conv_float"]
"""Of floats each tensor has one table, and so as many values as the others' compressor leaves: 32."""

CORTEX_M4 = find_target("cortex-m4")
AWARE = replace(CORTEX_M4, defines=CORTEX_M4.defines | {USE_TFLM_COMPRESSION})
WHEEL = find_target("x86-64-wheel")

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def graph_of(name: str) -> Graph:
    return read_model(MODELS / f"{name}.tflite")


def minimum(graph: Graph, target: Target) -> int:
    return simulate(graph, target).arena.minimum


@pytest.mark.parametrize("name", ONE_TABLE)
def test_the_model_takes_what_one_takes_that_others_compressed(name: str) -> None:
    graph = graph_of(name)
    ours = [each for each in shared(graph, 5) if each.values == 32]
    assert ours
    data = compressed_pair(bytes(graph.file), {0: [each.tensor.index for each in ours]}).compressed
    theirs = read_model(data)
    for each in ours:
        tensor = theirs.subgraphs[0].tensors[each.tensor.index]
        assert tensor.lookup is not None
        assert tensor.data is not None
        assert (len(tensor.data), tensor.lookup.bits) == (each.index_bytes, each.bits)
        assert len(tensor.lookup.values) == each.table_bytes
    model = with_shared(graph, ours)
    assert len(write(model)) == len(write(parse(data)))
    assert simulate(resolve(model), AWARE).arena == simulate(theirs, AWARE).arena


@needs_tflm
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_tflm_takes_for_it_what_is_told(name: str, bits: int, tflm: Tflm) -> None:
    graph = graph_of(name)
    weights = shared(graph, bits)
    model = with_shared(graph, weights)
    verdict = tflm.run(write(model))
    assert verdict.runs
    assert verdict.allocations is not None
    assert verdict.allocations.total == simulate(resolve(model), WHEEL).arena.used


@pytest.mark.parametrize("name", NETWORKS)
def test_only_weights_that_become_smaller_are_shared(name: str) -> None:
    for bits in range(2, 8):
        for each in shared(graph_of(name), bits):
            assert each.tensor.data is not None
            assert each.index_bytes + each.table_bytes < len(each.tensor.data)


def test_fewer_values_move_the_weights_further() -> None:
    graph = graph_of("digits_mobile_float")
    errors = error_of({bits: shared(graph, bits) for bits in range(2, 8)})
    assert sorted(errors.values(), reverse=True) == [errors[bits] for bits in range(2, 8)]
    assert 0 < errors[7] < errors[2] < 1


numbers = st.lists(st.integers(-127, 127), min_size=1, max_size=60).map(sorted)


@given(numbers, st.integers(1, 16))
def test_each_value_goes_to_the_nearest(ordered: list[int], count: int) -> None:
    (share,) = moves(ordered, TensorType.FLOAT32, [count])
    means = shared_values(ordered, [0.0, *accumulate(ordered)], count)
    lost = sum(min((value - mean) ** 2 for mean in means) for value in ordered)
    squares = sum(value * value for value in ordered)
    enough = len(set(ordered)) <= count
    assert share * squares == pytest.approx(0.0 if enough else lost, abs=1e-6)  # sums of floats in another order


@given(numbers, st.integers(2, 16))
def test_shared_values_come_in_order_and_within_the_weights(ordered: list[int], count: int) -> None:
    means = shared_values(ordered, [0.0, *accumulate(ordered)], count)
    assert len(means) == count
    assert means == sorted(means)
    assert ordered[0] - 1e-9 <= means[0] <= means[-1] <= ordered[-1] + 1e-9
    assert bisect_left(means, ordered[-1] + 1) == count
