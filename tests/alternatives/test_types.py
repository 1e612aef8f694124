"""The same network in other types: beside the files that a converter made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from refinfer.alternatives.types import FORMS, form_of, in_form
from refinfer.schema import read_model
from refinfer.schema.graph import Graph
from refinfer.schema.resolve import resolve
from refinfer.schema.writer import write
from refinfer.simulator import Refused, simulate
from tests import corpus
from tests.corpus import CorpusModel
from tests.referees.tflm import INSTALLED, Tflm

MODELS = Path(__file__).parents[2] / "models"
NETWORKS = ["dense", "conv", "residual", "mobile", "lstm", "stream"]
KINDS = ["float", "dynamic", "int8"]
MOST_OFF = (
    72  # bytes of the file, of each of these networks: the padding of names and tables that come in another order
)

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def graph_of(network: str, kind: str) -> Graph:
    return read_model(MODELS / f"digits_{network}_{kind}.tflite")


def arena(graph: Graph, target: str = "cortex-m4") -> int | None:
    try:
        return simulate(graph, target).arena.minimum
    except Refused:
        return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_form_is_recognized(network: str, kind: str) -> None:
    assert form_of(graph_of(network, kind)) == kind


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55+cmsis-nn", "x86-64-wheel"])
@pytest.mark.parametrize("now", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_arena_is_that_of_the_file_that_the_converter_made(network: str, now: str, target: str) -> None:
    graph = graph_of(network, now)
    for kind in KINDS:
        assert arena(resolve(in_form(graph, FORMS[kind])), target) == arena(graph_of(network, kind), target)


@pytest.mark.parametrize("now", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_file_is_nearly_as_large_as_the_one_that_the_converter_made(network: str, now: str) -> None:
    graph = graph_of(network, now)
    for kind in KINDS:
        grown = len(write(in_form(graph, FORMS[kind]))) - len(write(graph.model))
        assert abs(len(graph.file) + grown - len(graph_of(network, kind).file)) <= MOST_OFF


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_in_its_own_form_takes_what_it_takes(network: str, kind: str) -> None:
    graph = graph_of(network, kind)
    model = in_form(graph, FORMS[kind])
    assert len(write(model)) == len(write(graph.model))
    assert arena(resolve(model)) == arena(graph)


@needs_tflm
@pytest.mark.parametrize("form", ["float", "int8", "int16x8"])
@pytest.mark.parametrize("now", ["float", "int8"])
@pytest.mark.parametrize("network", NETWORKS)
def test_tflm_takes_for_it_what_is_told(network: str, now: str, form: str, tflm: Tflm) -> None:
    model = in_form(graph_of(network, now), FORMS[form])
    report, verdict = simulate(resolve(model), "x86-64-wheel"), tflm.run(write(model))
    assert verdict.runs is (report.refusal is None), verdict.text
    assert verdict.allocations is not None
    assert verdict.allocations.total == report.arena.used


def test_halves_are_unpacked_by_an_operator_for_each_constant() -> None:
    graph = graph_of("residual", "float")
    model = resolve(in_form(graph, FORMS["float16"]))
    constants = [each for each in graph.tensors if each.data is not None and each.type.name == "FLOAT32"]
    assert [node.name for node in model.nodes].count("DEQUANTIZE") == len(constants)
    assert form_of(model) == "float16"
    assert arena(resolve(in_form(model, FORMS["float"]))) == arena(graph)


def error_rows() -> Iterator[str]:
    """What is told and what is, as docs/whatif.md shows it."""
    for network in NETWORKS:
        for now, kind in (("float", "int8"), ("int8", "float"), ("float", "dynamic")):
            graph, real = graph_of(network, now), graph_of(network, kind)
            model = in_form(graph, FORMS[kind])
            told = len(graph.file) + len(write(model)) - len(write(graph.model))
            arenas = " | ".join(
                "refused" if each is None else f"{each:,}" for each in map(arena, (resolve(model), real))
            )
            sizes = f"{told:,} | {len(real.file):,} | {told - len(real.file):+}"
            yield f"| digits_{network} | {now} | {kind} | {arenas} | {sizes} |"


def test_the_manual_says_how_far_off_the_figures_are() -> None:
    manual = (MODELS.parent / "docs" / "whatif.md").read_text()
    assert [row for row in error_rows() if row not in manual] == []


PAIRS = {  # float, int8: the error of the arena and of the file, in bytes
    ("pypi-silabs_ml__image_example1.float32__093777", "pypi-silabs_ml__image_example1__dd1fe1"): (-80, -332),
    ("TinyML__hello_world_float__fa232b", "tflite-micro__hello_world_int8__505ee4"): (256, 636),
}
"""Networks of other people in both types. The first keeps float inputs and outputs, which cost two operators and a
tensor; the second was made by an older converter, which scales FULLY_CONNECTED as a whole.
"""


@pytest.mark.skipif(corpus.FOLDER is None, reason="REFINFER_CORPUS names no folder")
@pytest.mark.parametrize(("pair", "errors"), PAIRS.items(), ids=lambda each: str(each[0]))
def test_what_other_converters_do_otherwise_is_known(pair: tuple[str, str], errors: tuple[int, int]) -> None:
    assert corpus.FOLDER is not None
    given, real = (read_model(Path(corpus.FOLDER) / "networks" / f"{name}.tflite") for name in pair)
    model = in_form(given, FORMS["int8"])
    ours, theirs = arena(resolve(model)), arena(real)
    assert ours is not None
    assert theirs is not None
    size = len(given.file) + len(write(model)) - len(write(given.model))
    assert (ours - theirs, size - len(real.file)) == errors


@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_every_model_can_be_written_in_every_form(model: CorpusModel) -> None:
    graph = read_model(model.data)
    for form in FORMS.values():
        written = in_form(graph, form)
        assert resolve(written).model is written
