"""What goes into the head: the plan that a model brings along."""

from struct import pack

import pytest

from refinfer.schema.enums import TensorType
from refinfer.schema.errors import GraphError
from refinfer.schema.graph import Graph, Subgraph, Tensor
from refinfer.simulator.head import OFFLINE_PLAN, offline_plan
from refinfer.simulator.refused import Refused


def graph_with_plan(*offsets: int, announced: int | None = None) -> Graph:
    """A graph of two tensors."""
    tensors = tuple(Tensor(0, i, "", TensorType.INT8, (4,), (), None, None, False) for i in range(2))
    words = (1, 1, len(offsets) if announced is None else announced, *offsets)
    plan = memoryview(pack(f"<{len(words)}i", *words))
    return Graph((Subgraph(0, "main", tensors, (), (), ()),), {OFFLINE_PLAN: plan})


def test_the_plan_of_a_model_has_a_place_for_each_tensor_or_leaves_it_open() -> None:
    assert offline_plan(graph_with_plan(-1, 64)) == (-1, 64)


def test_a_place_before_the_arena_is_an_error_of_the_file() -> None:
    with pytest.raises(GraphError, match="offset -2 of tensor 1; expected -1, or 0 or more"):
        offline_plan(graph_with_plan(0, -2))


def test_a_plan_for_another_number_of_tensors_is_refused_as_tflm_does() -> None:
    with pytest.raises(Refused, match=r"offsets \(3\) in metadata not equal nbr tensors \(2\)"):
        offline_plan(graph_with_plan(0, 0, 0))


def test_a_plan_that_announces_more_than_it_has_is_an_error_of_the_file() -> None:
    with pytest.raises(GraphError, match="1 offsets, but it announces 2"):
        offline_plan(graph_with_plan(0, announced=2))
