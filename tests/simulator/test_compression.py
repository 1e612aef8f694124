"""Compressed models, judged live by the wheel, which is a build with compression."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from refinfer.simulator import TARGETS, Refused, Report, simulate
from refinfer.simulator.structs import COMPRESSION_TENSOR_DATA, LOOKUP_TABLE_DATA
from tests import corpus
from tests.compressed import (
    METADATA,
    Pair,
    compressed_pair,
    describe,
    metadata,
    unpacked,
    weights_of,
    written,
)
from tests.corpus import CorpusModel
from tests.referees.tflm import INSTALLED, Allocations, Category, Tflm, refusal_of
from tests.small_models import SmallTensor, model_of

MODELS = Path(__file__).parents[2] / "models"
SAMPLES = sorted(MODELS.glob("*_int8.tflite"))
DENSE, CONVOLUTIONAL = ((MODELS / f"digits_{name}_int8.tflite").read_bytes() for name in ("dense", "conv"))
WHEEL = "x86-64-wheel"
LARGE = 300_000  # bytes
NAMED_OTHERWISE = METADATA.replace("C", "K", 1)
INT8, INT4, FLOAT = schema.TensorType.INT8, schema.TensorType.INT4, schema.TensorType.FLOAT32

needs_the_wheel = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def pair_of(model: bytes) -> Pair:
    return compressed_pair(model, weights_of(model))


def edited(change: Callable[[Any], object], model: bytes = DENSE) -> bytes:
    """The compressed model with a change."""
    found = unpacked(pair_of(model).compressed)
    change(found)
    return written(found)


def with_metadata(data: bytes) -> bytes:
    """The dense model, uncompressed, with this for its metadata: all that TFLM looks at before it refuses."""
    found = unpacked(DENSE)
    describe(found, data)
    return written(found)


@needs_the_wheel
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_arena_of_a_compressed_model_is_the_wheels(sample: Path, tflm: Tflm) -> None:
    plain, compressed = pair_of(sample.read_bytes())
    assert tflm.run(plain).outputs == tflm.run(compressed).outputs, "or it is compressed wrongly"
    check_against(tflm, compressed)


def check_against(tflm: Tflm, compressed: bytes, int_mode: str = "full") -> None:
    report, verdict = simulate(compressed, WHEEL), tflm.load(compressed)
    assert report.refusal is None
    categories = {name: Category(each.used, each.requested, each.count) for name, each in report.categories.items()}
    assert "Persistent compression data" in categories
    predicted = Allocations(report.arena.used, report.arena.head, report.arena.tail, categories)
    assert predicted == verdict.allocations
    assert report.arena.minimum == tflm.minimum(compressed, int_mode=int_mode).nbytes


@pytest.mark.slow
@needs_the_wheel
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_the_arena_of_a_real_model_that_was_compressed_is_the_wheels(model: CorpusModel, tflm: Tflm) -> None:
    if len(model.data) > LARGE:
        pytest.skip("large: the referee would take long")
    if not weights_of(model.data):
        pytest.skip("it has nothing to compress")
    plain, compressed = pair_of(model.data)
    expected, found = (tflm.run(each, int_mode=model.int_mode) for each in (plain, compressed))
    assert expected.runs
    if found.crash:  # as the last test of this file knows it
        with pytest.raises(Refused, match="never runs"):
            simulate(compressed, WHEEL)
    else:
        assert found.outputs == expected.outputs
        check_against(tflm, compressed, model.int_mode)


def test_compressed_weights_cost_two_structs_each_and_a_list_of_all_tensors() -> None:
    report = simulate(pair_of(DENSE).compressed, WHEEL)
    tensors = len(report.graph.subgraphs[0].tensors)
    assert report.graph.compressed is not None
    (compressed,) = report.graph.compressed
    category = report.categories["Persistent compression data"]
    assert category.count == 2 * len(compressed) + 1
    assert category.requested == len(compressed) * (16 + 16) + tensors * 8


def test_compression_structs_take_half_on_a_32_bit_machine() -> None:
    build = TARGETS["cortex-m4"].build
    assert (build.sizeof(COMPRESSION_TENSOR_DATA), build.sizeof(LOOKUP_TABLE_DATA)) == (8, 8)


def test_decompressed_weights_lie_in_the_head_while_their_operator_runs() -> None:
    plain, compressed = (simulate(model, WHEEL) for model in pair_of(DENSE))
    scratch = [each for each in compressed.buffers if each.node is not None]
    assert [each for each in plain.buffers if each.node is not None] == []
    assert [each.what for each in scratch] == ["weights_scratch_index", "bias_scratch_index"] * 2
    assert all(each.buffer.first == each.buffer.last for each in scratch)


@pytest.mark.parametrize("target", sorted(TARGETS.keys() - {WHEEL}))
def test_a_build_without_compression_loads_the_indices_and_is_refused(target: str) -> None:
    plain, compressed = (simulate(model, target) for model in pair_of(DENSE))
    assert compressed.arena == plain.arena
    assert compressed.categories == plain.categories
    assert plain.refusal is None
    assert reason_of(compressed).endswith("this build has no USE_TFLM_COMPRESSION")


def reason_of(report: Report) -> str:
    assert report.refusal is not None
    assert report.refusal.when == "invoke"
    return report.refusal.reason


@needs_the_wheel
def test_a_build_that_overlooks_the_metadata_says_nothing_and_computes_nonsense(tflm: Tflm) -> None:
    plain, compressed = pair_of(DENSE)
    overlooked = tflm.run(compressed.replace(METADATA.encode(), NAMED_OTHERWISE.encode()))
    expected = tflm.run(plain)
    assert overlooked.runs
    assert overlooked.text == ""
    assert overlooked.allocations == expected.allocations
    assert overlooked.outputs != expected.outputs


def constant_input(operator: int, of: int = FLOAT) -> Pair:
    """An operator of one input and one constant of 64 elements, which is compressed."""
    data = bytes(range(16)) * 4 if of == INT8 else b"".join(bytes([0, 0, 0x80, 0x3F + i % 3]) for i in range(64))
    scales = int(of == INT8)
    x, y = (SmallTensor((1, 64), of, scales) for _ in range(2))
    return compressed_pair(model_of(operator, (x, SmallTensor((1, 64), of, scales, data)), y), {0: [1]})


@needs_the_wheel
def test_an_operator_without_code_for_compression_is_refused_since_it_computes_nonsense(tflm: Tflm) -> None:
    plain, compressed = constant_input(schema.BuiltinOperator.MINIMUM)
    assert tflm.run(plain).runs
    assert tflm.run(compressed).runs
    assert tflm.run(plain).outputs != tflm.run(compressed).outputs
    assert reason_of(simulate(compressed, WHEEL)).endswith("MINIMUM has no code for it")
    assert simulate(plain, WHEEL).refusal is None


@needs_the_wheel
def test_a_concatenation_decompresses_its_inputs(tflm: Tflm) -> None:
    constant, x = SmallTensor((1, 64), INT8, 1, bytes(range(16)) * 4), SmallTensor((1, 64), INT8, 1)
    model = model_of(schema.BuiltinOperator.CONCATENATION, (x, constant), SmallTensor((2, 64), INT8, 1))
    plain, compressed = compressed_pair(model, {0: [1]})
    assert tflm.run(compressed).outputs == tflm.run(plain).outputs
    check_against(tflm, compressed)


@needs_the_wheel
def test_compressed_int4_is_refused_by_the_kernel(tflm: Tflm) -> None:
    def as_int4(model: Any) -> None:
        weights = model.subgraphs[0].operators[0].inputs[1]
        model.subgraphs[0].tensors[weights].type = INT4

    model = edited(as_int4, CONVOLUTIONAL)
    with pytest.raises(Refused) as refused:
        simulate(model, WHEEL)
    refusal = refusal_of(tflm.run(model))
    assert refusal is not None
    assert (refused.value.when, refused.value.reason) == (refusal.when, refusal.message)
    assert refusal.message == "Compression not supported with INT4 tensors"


def another_axis(model: Any) -> None:
    tensor = a_matrix(model)
    tensor.shape = [tensor.shape[0], 2, tensor.shape[1] // 2]
    tensor.quantization = schema.QuantizationParametersT(scale=[1, 1], zeroPoint=[0, 0], quantizedDimension=1)


def no_shape(model: Any) -> None:
    a_matrix(model).shape = None


def a_matrix(model: Any) -> Any:
    tensors = model.subgraphs[0].tensors
    return next(tensors[index] for index in weights_of(DENSE)[0] if len(tensors[index].shape) == 2)


@needs_the_wheel
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (with_metadata(metadata([])), "Compression: zero length Subgraph vector"),
        (with_metadata(metadata([[]])), "Compression: zero length LutTensor vector"),
        (edited(no_shape), "Compression: scalar tensors not supported"),
        (edited(another_axis), "Compression: unsupported quantization axis 1"),
    ],
    ids=["no subgraphs", "no tensors", "scalar", "axis"],
)
def test_what_tflm_cannot_decompress_is_refused_as_the_model_is_loaded(model: bytes, reason: str, tflm: Tflm) -> None:
    with pytest.raises(Refused) as refused:
        simulate(model, WHEEL)
    assert refused.value.when == "load"
    assert refused.value.reason == reason
    verdict = tflm.load(model)
    assert not verdict.loads
    assert verdict.text.startswith(reason)


@needs_the_wheel
def test_a_scratch_buffer_in_a_subgraph_that_never_runs_is_refused_since_tflm_crashes(tflm: Tflm) -> None:
    model = unpacked(DENSE)
    model.subgraphs.append(unpacked(DENSE).subgraphs[0])
    twice = written(model)
    plain, compressed = compressed_pair(twice, weights_of(twice))
    assert tflm.run(plain).runs
    assert tflm.load(compressed).crash == "SIGSEGV"
    with pytest.raises(Refused, match="never runs") as refused:
        simulate(compressed, WHEEL)
    assert refused.value.node is not None
    assert refused.value.node.subgraph == 1
