"""Real models compute the bits that the official runtimes computed: every output, fresh and in sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.machine import Machine
from refinfer.schema import Graph, read_model
from tests import corpus
from tests.corpus import CorpusModel
from tests.referees.tflm_worker import draw

SEEDS = range(3)


def inputs(graph: Graph, seed: int, int_mode: str) -> list[Any]:
    """The inputs of the record: drawn in the order in which the model lists them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return [draw(generator, dtype_of(x.type), x.shape, int_mode) for x in graph.subgraphs[0].inputs]


def digest(outputs: Iterable[Any]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(output).tobytes() for output in outputs)).hexdigest()


@pytest.mark.parametrize("dialect", PORTABLE)
@pytest.mark.parametrize("model", corpus.models(having="outputs"))
def test_a_real_model_computes_the_recorded_bits(model: CorpusModel, dialect: str) -> None:
    if dialect not in model.outputs:
        pytest.skip(f"the official runtime of {dialect} does not run it")
    recorded, graph = model.outputs[dialect], read_model(model.data)
    machines = [Machine(graph, DIALECTS[dialect]) for _ in SEEDS]
    given = [inputs(graph, seed, recorded.int_mode) for seed in SEEDS]
    computed = tuple(digest(machine.call(0, each)) for machine, each in zip(machines, given, strict=True))
    in_sequence = tuple(digest(machines[0].call(0, each)) for each in given[1:]) if recorded.in_sequence else ()
    corpus.agree(
        model, f"outputs in {dialect}", (*computed, *in_sequence), (*recorded.fresh, *recorded.in_sequence[1:])
    )
