"""On real models the arena is what real builds of TFLM took: to the byte, line by line, allocation by allocation."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from refinfer.simulator.targets import Target
from tests import corpus
from tests.comparisons import TARGETS_OF, WASM32_RECORDED, WHEEL, predict, recording, smallest_arena, trace
from tests.corpus import CorpusModel, agree
from tests.referees.tflm import INSTALLED, Tflm

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def recorded_builds() -> list[Any]:
    """Each model with each build that was run on it, and each target that the build speaks for."""
    return [
        pytest.param(model, build, target, id=f"{model.file}-{build}-{target.name}")
        for model in corpus.sample()
        for build, targets in TARGETS_OF.items()
        for target in targets
        if model.wheel is not None and build in model.builds
    ] or [pytest.param(None, None, None, marks=corpus.NO_CORPUS.marks)]


@needs_tflm
@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_the_wheel_reports_what_is_predicted(model: CorpusModel, tflm: Tflm) -> None:
    agree(model, "recording on the wheel", recording(model, WHEEL), tflm.load(model.data).allocations)


@needs_tflm
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_the_smallest_arena_in_which_the_wheel_runs_is_predicted(model: CorpusModel, tflm: Tflm) -> None:
    measured = tflm.minimum(model.data, int_mode=model.int_mode)
    predicted = smallest_arena(predict(model, WHEEL).arena, measured.nbytes)
    agree(model, "minimum on the wheel", predicted, (measured.nbytes, measured.multiple_of_16))


@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_recordings_of_the_wheel_are_predicted(model: CorpusModel) -> None:
    agree(model, "recording on the wheel", recording(model, WHEEL), model.wheel)


@pytest.mark.parametrize("model", corpus.models(having="wasm32"))
def test_recordings_of_wasm32_are_predicted(model: CorpusModel) -> None:
    agree(model, "recording on wasm32", recording(model, WASM32_RECORDED), model.wasm32)


@pytest.mark.parametrize(("model", "build", "target"), recorded_builds())
def test_recorded_builds_are_predicted(model: CorpusModel, build: str, target: Target) -> None:
    measured = model.builds[build]
    if not measured.loads:
        pytest.skip("not recorded: the arena of these builds was limited to 10 MiB")
    arena = predict(model, target).arena
    agree(model, f"used on {build}", arena.used, measured.used)
    agree(model, f"recording on {build}", recording(model, target), measured.recording)
    if measured.minimum is not None:
        predicted = smallest_arena(arena, measured.minimum)
        agree(model, f"minimum on {build}", predicted, (measured.minimum, measured.multiple_of_16))


@pytest.mark.parametrize("build", ["m4_ref", "m4_cmsis"])
@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_every_allocation_on_a_cortex_m4_is_predicted_in_its_order(model: CorpusModel, build: str) -> None:
    """The tail, the buffers that the planner is given and where it puts them, and the scratch requests."""
    measured = model.trace(build)
    if measured is None:
        pytest.skip("not recorded: the arena of these builds was limited to 10 MiB")
    predicted = trace(predict(model, TARGETS_OF[build][0]))
    agree(model, f"tail on {build}", predicted.tail, measured.tail)
    agree(model, f"plan on {build}", predicted.planned, measured.planned)
    agree(model, f"scratch on {build}", predicted.scratch, measured.scratch)


@needs_tflm
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_the_wheel_at_hand_is_the_one_that_was_recorded(model: CorpusModel, tflm: Tflm) -> None:
    verdict = tflm.run(model.data, int_mode=model.int_mode)
    assert hashlib.sha256(b"".join(verdict.outputs)).hexdigest() == model.output_sha256
    assert verdict.allocations == model.wheel


@pytest.mark.skipif(not corpus.corpus(), reason="REFINFER_CORPUS names no folder")
def test_the_sample_shows_every_operator_of_the_corpus_with_all_its_types() -> None:
    shown = {operator for model in corpus.sample() for operator in model.operators}
    assert shown == {operator for model in corpus.corpus() for operator in model.operators}


@pytest.mark.skipif(not corpus.corpus(), reason="REFINFER_CORPUS names no folder")
def test_every_known_deviation_is_of_a_model_and_a_check_that_exist() -> None:
    assert corpus.unknown_deviations() == []


@pytest.mark.parametrize("model", corpus.models()[:1])
def test_a_known_deviation_excuses_a_difference_and_fails_once_it_is_gone(
    model: CorpusModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"model": model.file, "check": "refused", "cause": "for this test"}
    monkeypatch.setattr(corpus, "deviations", lambda: (entry,))
    agree(model, "refused", 1, 2)
    with pytest.raises(AssertionError, match="no longer deviates"):
        agree(model, "refused", 1, 1)
    with pytest.raises(AssertionError, match="reason"):
        agree(model, "reason", 1, 2)
