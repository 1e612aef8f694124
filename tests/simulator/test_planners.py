"""Other planners of the head: TFLM's linear one as it is, and what others would give."""

from __future__ import annotations

from dataclasses import replace

import pytest

import refinfer
from refinfer.planners.problem import clashes
from refinfer.planners.registry import PLANNERS
from refinfer.schema import UsageError
from refinfer.simulator import Refused
from refinfer.simulator.structs import LINEAR_MEMORY_PLANNER
from refinfer.simulator.targets import TARGETS
from refinfer.testing import referee
from tests import corpus
from tests.comparisons import WHEEL
from tests.corpus import CorpusModel
from tests.planners.chains import chain, with_plan
from tests.referees.tflm import INSTALLED, smallest

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")

LINEAR = replace(WHEEL, recording=False).with_planner("linear")


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_places_the_head_soundly(name: str) -> None:
    report = refinfer.simulate(chain(5), TARGETS["cortex-m4"].with_planner(name))
    assert clashes([each.buffer for each in report.buffers], [each.offset for each in report.buffers]) == []
    assert report.arena.head >= report.lower_bound


def test_linear_uses_nothing_twice_and_has_a_larger_planner() -> None:
    greedy, linear = (refinfer.simulate(chain(5), TARGETS["cortex-m4"].with_planner(each)) for each in PLANNERS_OF_TFLM)
    assert linear.arena.head == sum(each.buffer.nbytes for each in linear.buffers) > greedy.arena.head
    build = TARGETS["cortex-m4"].build
    assert build.sizeof(LINEAR_MEMORY_PLANNER) == 4108
    assert linear.arena.tail - greedy.arena.tail == 4108 - 44  # GreedyMemoryPlanner


PLANNERS_OF_TFLM = ("greedy", "linear")


def test_the_name_of_the_target_tells_the_planner() -> None:
    target = TARGETS["cortex-m4"].with_planner("exact")
    assert target.name == "cortex-m4 (planner exact)"
    assert TARGETS["cortex-m4"].with_planner("greedy") is TARGETS["cortex-m4"]
    with pytest.raises(UsageError, match="unknown planner 'best'; the planners are greedy, linear"):
        target.with_planner("best")


def test_linear_takes_no_offline_plan() -> None:
    with pytest.raises(Refused, match="LinearMemoryPlanner takes no offline plan"):
        refinfer.simulate(with_plan(chain(2), [0, 256, 0]), TARGETS["cortex-m4"].with_planner("linear"))


@needs_tflm
@pytest.mark.parametrize("model", corpus.models(having="runs")[::8])
def test_the_smallest_arena_that_preserves_all_tensors_is_predicted(model: CorpusModel) -> None:
    arena = refinfer.simulate(model.path, LINEAR).arena

    def loads(size: int) -> bool:
        return referee("tflm").run(model.data, all=True, arena_size=size).finished

    assert arena.merely_passes <= smallest(loads, arena.minimum) <= arena.minimum
