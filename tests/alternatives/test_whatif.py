"""What a network would take: the answer as a whole."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

import refinfer
from refinfer.alternatives.whatif import CODED, PRUNED, SHAPE, SHARED, TYPE, Alternative, WhatIf, products
from refinfer.schema import UsageError, read_model
from refinfer.schema.writer import write
from refinfer.simulator import simulate
from refinfer.testing.models import TensorSpec, one_op_model
from tests.compressed import compressed_pair

MODELS = Path(__file__).parents[2] / "models"


def path_of(name: str) -> Path:
    return MODELS / f"digits_{name}.tflite"


def found(answer: WhatIf, change: str) -> Alternative:
    (alternative,) = [each for each in answer.alternatives if each.change == change]
    return alternative


@pytest.mark.parametrize("name", ["mobile_float", "conv_int8", "lstm_int8"])
def test_as_it_is_a_network_takes_what_the_report_says(name: str) -> None:
    today = refinfer.whatif(path_of(name)).today
    assert today.flash == (path_of(name).stat().st_size, True)
    assert today.arena == (simulate(path_of(name)).arena.minimum, True)


@pytest.mark.parametrize("name", ["mobile_float", "conv_int8", "residual_int8"])
def test_an_alternative_that_changes_nothing_takes_what_it_takes(name: str) -> None:
    answer = refinfer.whatif(path_of(name), batches=[1])
    same = found(answer, "batch 1")
    assert (same.flash, same.arena) == (answer.today.flash, answer.today.arena)
    assert same.cost == "1 times the multiplications"


def test_shapes_shared_pruned_and_coded_are_exact_and_types_are_estimated() -> None:
    answer = refinfer.whatif(path_of("mobile_float"), batches=[2], sizes=[(64, 64)])
    exact = {each.kind: figure.exact for each in answer.alternatives for figure in (each.flash, each.arena) if figure}
    assert exact == {SHAPE: True, TYPE: False, SHARED: True, PRUNED: True, CODED: True}
    assert answer.possible


def test_the_form_that_a_network_has_is_no_alternative() -> None:
    changes = [each.change for each in refinfer.whatif(path_of("conv_int8")).alternatives if each.kind == TYPE]
    assert changes == ["float", "float16", "dynamic", "int16x8"]


def test_a_shape_that_cannot_be_had_says_why() -> None:
    answer = refinfer.whatif(path_of("conv_int8"), sizes=[(32, 32)])
    tied = found(answer, "input 32x32")
    assert (tied.flash, tied.arena) == (None, None)
    assert tied.refusal is not None
    assert tied.refusal.startswith("operator 6 (FULLY_CONNECTED) ties the size")
    assert not answer.possible


def test_what_tflm_refuses_keeps_its_file_and_says_why() -> None:
    dynamic = found(refinfer.whatif(path_of("conv_float")), "dynamic")
    assert dynamic.flash is not None
    assert dynamic.arena is None
    assert dynamic.refusal is not None
    assert dynamic.refusal.endswith("Hybrid models are not supported on TFLite Micro.")


def test_cmsis_nn_cannot_unpack_shared_weights() -> None:
    answer = refinfer.whatif(path_of("conv_float"), "cortex-m4+cmsis-nn")
    shared = [each for each in answer.alternatives if each.kind == SHARED]
    assert shared
    assert all("has no code for it" in (each.refusal or "") for each in shared)


def test_values_that_are_few_already_are_shared_without_a_loss() -> None:
    graph = read_model(path_of("conv_float"))
    indices = [each.index for each in graph.tensors if each.data is not None and each.name.endswith("MatMul")]
    plain = read_model(compressed_pair(bytes(graph.file), {0: indices}).plain)  # 32 values are left of these
    kept = [each for each in refinfer.whatif(plain).alternatives if each.kind == SHARED and each.details["bits"] == 5]
    lost = [each for each in refinfer.whatif(graph).alternatives if each.kind == SHARED and each.details["bits"] == 5]
    assert kept[0].details["error"] < lost[0].details["error"]


def test_more_zeros_take_less_flash_and_the_same_arena() -> None:
    answer = refinfer.whatif(path_of("residual_int8"), zeros=[0.6, 0.8])
    fewer, more = (each for each in answer.alternatives if each.kind == PRUNED)
    assert fewer.flash is not None
    assert more.flash is not None
    assert fewer.flash.nbytes > more.flash.nbytes
    assert fewer.arena == more.arena


def test_weights_are_told_layer_by_layer() -> None:
    answer = refinfer.whatif(path_of("dense_int8"))
    assert {each.tensor.elements for each in answer.weights} == {2048, 320}
    huffman = found(answer, "Huffman codes").details
    assert huffman["bytes"] == sum(each.coded.nbytes for each in answer.weights) == 2368
    assert huffman["coded_bytes"] == sum(each.coded.huffman for each in answer.weights)


def test_multiplications_grow_with_the_image() -> None:
    graph = read_model(path_of("residual_int8"))
    conv = 64 * 9 * 16 + 4 * (64 * 16 * 9 * 16)  # 8x8 pixels, 3x3 taps, 16 filters: over 1 channel, then four times 16
    assert products(graph) == conv + 16 * 10


def test_a_model_without_weights_has_fewer_alternatives() -> None:
    x, y = (TensorSpec(refinfer.schema.enums.TensorType.FLOAT32, (1, 4), name=name) for name in "xy")
    data = one_op_model(refinfer.schema.enums.BuiltinOperator.RELU, [x], [y])
    answer = refinfer.whatif(data, batches=[3])
    assert {each.kind for each in answer.alternatives} == {SHAPE, TYPE}
    assert found(answer, "batch 3").cost == ""
    assert answer.weights == ()


def test_the_answer_is_json_and_does_not_change() -> None:
    answer = refinfer.whatif(path_of("mobile_int8"), batches=[2])
    assert json.loads(json.dumps(answer.to_dict(), allow_nan=False)) == answer.to_dict()
    with pytest.raises(FrozenInstanceError):
        answer.today = answer.alternatives[0]  # type: ignore[misc]


def test_a_graph_is_taken_as_the_file_is() -> None:
    graph = read_model(path_of("mobile_int8"))
    assert refinfer.whatif(graph).to_dict() == refinfer.whatif(path_of("mobile_int8")).to_dict() | {
        "model": refinfer.whatif(graph).to_dict()["model"]
    }


def test_jupyter_shows_each_alternative() -> None:
    shown = refinfer.whatif(path_of("conv_int8"), batches=[2], sizes=[(32, 32)])._repr_html_()
    assert all(words in shown for words in ("batch 2", "int16x8", "Huffman codes", "ties the size", "estimated"))
    assert "<script" not in shown


def test_a_share_is_from_0_to_1() -> None:
    with pytest.raises(UsageError, match=r"zeros: 50; a share is from 0 to 1"):
        refinfer.whatif(path_of("mobile_int8"), zeros=[50])


def test_a_written_graph_is_as_large_as_its_file() -> None:
    graph = read_model(path_of("mobile_int8"))
    data = write(graph.model)
    again = refinfer.whatif(replace(read_model(data), name="again"), batches=[1])
    assert found(again, "batch 1").flash == (len(data), True)
