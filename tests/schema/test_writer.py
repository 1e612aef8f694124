"""What is written is what was read: by us, by the referees of the format, and by the official runtimes."""

from __future__ import annotations

from math import copysign
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as litert

from refinfer.inputs import random_inputs
from refinfer.schema import UsageError, parse, read_model, tables
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.options import SoftmaxOptions
from refinfer.schema.writer import write
from refinfer.testing.referees import installed, referee
from tests import corpus
from tests.corpus import CorpusModel
from tests.referees.tflm import INSTALLED, Tflm
from tests.schema import making

OUR_OWN = sorted(Path(__file__).parents[2].glob("models/*.tflite"))

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


@pytest.mark.parametrize("model", corpus.models())
def test_a_real_model_is_read_again_as_it_was_written(model: CorpusModel) -> None:
    read = parse(model.data)
    assert parse(write(read)) == read


@pytest.mark.parametrize("path", OUR_OWN, ids=lambda path: path.name)
def test_our_own_models_are_read_again_as_they_were_written(path: Path) -> None:
    read = parse(path.read_bytes())
    assert parse(write(read)) == read


@pytest.mark.parametrize("model", corpus.models())
def test_constants_lie_at_multiples_of_sixteen(model: CorpusModel) -> None:
    written = memoryview(write(parse(model.data)))
    found = litert.Model.GetRootAsModel(written, 0)
    buffers = [found.Buffers(i) for i in range(found.BuffersLength())]
    starts = [each._tab.Vector(each._tab.Offset(4)) for each in buffers if each.DataLength()]
    assert [start % 16 for start in starts] == [0] * len(starts)


@needs_tflm
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_tflm_makes_of_a_written_model_what_it_makes_of_the_original(model: CorpusModel, tflm: Tflm) -> None:
    before, after = (tflm.run(data, int_mode=model.int_mode) for data in (model.data, write(parse(model.data))))
    assert after.runs
    assert (after.outputs, after.allocations) == (before.outputs, before.allocations)


@pytest.mark.skipif(not installed("litert"), reason="ai-edge-litert is not installed")
@pytest.mark.parametrize("model", corpus.models())
def test_litert_makes_of_a_written_model_what_it_makes_of_the_original(model: CorpusModel) -> None:
    if "litert" not in model.outputs:
        pytest.skip("LiteRT does not run it")
    inputs = [each.array for each in random_inputs(read_model(model.data), seed=0)]
    before, after = (referee("litert").run(data, inputs) for data in (model.data, write(parse(model.data))))
    assert [each.tobytes() for run in after.outputs for each in run] == [
        each.tobytes() for run in before.outputs for each in run
    ]


def test_a_negative_zero_keeps_its_sign() -> None:
    softmax = tables.Operator(builtin_options_type=9, builtin_options=SoftmaxOptions(beta=-0.0))
    model = tables.Model(version=3, subgraphs=(tables.SubGraph(operators=(softmax,)),))
    subgraphs = parse(write(model)).subgraphs
    assert subgraphs is not None
    assert subgraphs[0].operators is not None
    options = subgraphs[0].operators[0].builtin_options
    assert isinstance(options, SoftmaxOptions)
    assert copysign(1, options.beta) == -1


def test_what_is_left_out_and_what_is_empty_stay_apart() -> None:
    model = tables.Model(
        version=3, subgraphs=(tables.SubGraph(inputs=(), name=""), tables.SubGraph()), description=None
    )
    assert parse(write(model)) == model


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (
            tables.Model(buffers=(tables.Buffer(), tables.Buffer(offset=4096, size=12))),
            "Model.buffers[1]: 12 bytes at 4096, beyond the flatbuffer; such files are not written",
        ),
        (
            tables.Model(
                subgraphs=(
                    tables.SubGraph(
                        operators=(tables.Operator(large_custom_options_offset=64, large_custom_options_size=8),)
                    ),
                )
            ),
            "Model.subgraphs[0].operators[0]: 8 bytes at 64, beyond the flatbuffer; such files are not written",
        ),
    ],
)
def test_a_file_of_which_parts_lie_elsewhere_is_not_written(model: tables.Model, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        write(model)
    assert str(refusal.value) == complaint


def test_a_written_model_has_its_operators() -> None:
    graph = read_model(write(parse(making.small_bytes())))
    assert [node.op for node in graph.nodes] == [BuiltinOperator.FULLY_CONNECTED] * 2
