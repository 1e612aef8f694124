"""The arena while a model is loaded: the moments meet what the report says of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import refinfer
from refinfer.kernels.layout import round_up
from refinfer.simulator import TARGETS, Refused, Report
from refinfer.simulator.loading import loading
from tests import corpus
from tests.corpus import CorpusModel

MODELS = sorted((Path(__file__).resolve().parents[2] / "models").glob("*.tflite"))
BUILDS = ("cortex-m4", "cortex-m4+cmsis-nn", "x86-64-wheel")


def reports(model: Path | bytes) -> list[Report]:
    found = []
    for build in BUILDS:
        try:
            found.append(refinfer.simulate(model, build))
        except Refused:
            continue
    return found


def check(report: Report) -> None:
    """In an arena of whole sixteens nothing is needed beyond it, and at the decisive moment no sixteen is left."""
    moments = loading(report)
    size = round_up(report.arena.minimum, 16)
    fullest = max(moments, key=lambda moment: moment.nbytes)
    assert size - 16 < fullest.nbytes <= size
    assert fullest.when == report.arena.moment
    assert (moments[-1].head, moments[-1].temporary, moments[-1].tail) == (report.arena.head, 0, report.arena.tail)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_the_fullest_moment_takes_the_whole_minimum(path: Path) -> None:
    for report in reports(path):
        check(report)


@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_the_fullest_moment_of_a_real_model_takes_the_whole_minimum(model: CorpusModel) -> None:
    for report in reports(model.data):
        check(report)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_operator_is_prepared_once_and_the_tail_only_grows(path: Path) -> None:
    for report in reports(path):
        moments = loading(report)
        nodes = [node for subgraph in report.graph.subgraphs for node in subgraph.nodes]
        assert [moment.node for moment in moments if moment.when == "prepared"] == nodes
        assert [moment.when for moment in moments] == ["set up", *["prepared"] * len(nodes), "planned", "end"]
        tails = [moment.tail for moment in moments]
        assert tails == sorted(tails)


def test_of_two_arenas_each_is_large_enough_at_every_moment() -> None:
    for path in MODELS:
        try:
            report = refinfer.simulate(path, TARGETS["cortex-m4"].in_two_arenas())
        except Refused:
            continue
        assert report.two_arenas is not None
        persistent, other = report.two_arenas
        assert max(moment.tail for moment in loading(report)) <= persistent.minimum
        top = max(moment.head + moment.temporary for moment in loading(report))
        assert top <= round_up(other.minimum, 16) < top + 16
