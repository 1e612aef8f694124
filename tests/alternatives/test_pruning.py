"""Weights stored sparse: what the operator TFLM_DECODE takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refinfer.alternatives.pruning import sparse, with_sparse
from refinfer.alternatives.weights import zeros_in
from refinfer.kernels.compute import constant
from refinfer.schema import read_model
from refinfer.schema.graph import Graph
from refinfer.schema.resolve import resolve
from refinfer.schema.writer import write
from refinfer.simulator import simulate
from tests.referees.tflm import INSTALLED, Tflm

MODELS = Path(__file__).parents[2] / "models"
NETWORKS = ["digits_mobile_float", "digits_residual_int8", "digits_lstm_float", "digits_conv_int8"]

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def graph_of(name: str) -> Graph:
    return read_model(MODELS / f"{name}.tflite")


@pytest.mark.parametrize("name", NETWORKS)
def test_zeros_are_counted_as_numpy_counts_them(name: str) -> None:
    for each in sparse(graph_of(name), 1.0):
        values = constant(each.tensor)
        assert values is not None
        assert zeros_in(each.tensor) == np.count_nonzero(values == 0)


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_bit_for_each_weight_and_a_value_for_each_that_is_kept(name: str, share: float) -> None:
    graph = graph_of(name)
    found = sparse(graph, share)
    assert found
    written = resolve(with_sparse(graph, found))
    for each in found:
        values = constant(each.tensor)
        assert values is not None
        assert each.kept == values.size - max(int(share * values.size), int(np.count_nonzero(values == 0)))
        mask = written.subgraphs[0].tensors[each.tensor.index]
        assert mask.shape == (len(np.packbits(values.reshape(-1) != 0)),)
        assert each.value_bytes == 16 + each.kept * values.itemsize


@needs_tflm
@pytest.mark.parametrize("name", NETWORKS)
def test_tflm_takes_for_it_what_is_told(name: str, tflm: Tflm) -> None:
    graph = graph_of(name)
    model = with_sparse(graph, sparse(graph, 0.9))
    verdict = tflm.run(write(model))
    assert verdict.runs, verdict.text
    assert verdict.allocations is not None
    assert verdict.allocations.total == simulate(resolve(model), "x86-64-wheel").arena.used


def test_weights_that_are_dense_enough_stay_as_they_are() -> None:
    assert sparse(graph_of("digits_mobile_int8"), 0.05) == []
