"""Training with roundings: its slopes are right, and it computes what the file computes that is made of it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

import refinfer
from refinfer.inputs import dequantize

MODELS = Path(__file__).resolve().parents[1] / "models"
sys.path.insert(0, str(MODELS))  # where scripts find one another
make_qat: Any = import_module("make_qat")
sys.path.remove(str(MODELS))

RESULT = (MODELS / "digits_conv_qat.tflite").read_bytes()
POST = (MODELS / "digits_conv_int8.tflite").read_bytes()


@pytest.fixture
def network() -> Any:
    """Of real numbers."""
    return make_qat.Network(make_qat.layers_of(make_qat.FLOAT.read_bytes()), None)


@pytest.fixture(scope="module")
def pictures() -> Any:
    held_out = np.load(MODELS / "digits_held_out.npz")
    return make_qat.pictures_of(held_out["images"][:40]), held_out["labels"][:40]


def test_unrounded_it_is_the_network_of_the_file_of_floats(network: Any, pictures: Any) -> None:
    interpreter = refinfer.Interpreter(make_qat.FLOAT)
    interpreter.allocate_tensors()
    scores, _ = network.scores(pictures[0])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    for picture, found in zip(pictures[0], powers / powers.sum(axis=1, keepdims=True), strict=True):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None].astype(np.float32))
        interpreter.invoke()
        expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        assert np.abs(expected - found).max() < 1e-5  # float32 there, float64 here


def test_slopes_are_those_of_small_steps(network: Any, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_qat, "RATE", 0)
    x, labels = (each[:4] for each in pictures)
    network.learn(x, labels)
    slopes = [slope for layer in network.layers for slope in layer.slopes]
    rng = np.random.default_rng(0)
    trained = [each for layer in network.layers for each in (layer.weights, layer.bias)]
    for numbers, slope in zip(trained, slopes, strict=True):
        place = tuple(rng.integers(size) for size in numbers.shape)
        before, losses = numbers[place], []
        for step in (1e-5, -1e-5):
            numbers[place] = before + step
            losses.append(network.learn(x, labels))
        numbers[place] = before
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slope[place], rel=1e-4, abs=1e-8)


def test_the_file_has_the_operators_and_the_places_of_the_one_that_was_rounded_afterwards() -> None:
    both = [tflite.Model.GetRootAsModel(file, 0) for file in (RESULT, POST)]
    assert len(RESULT) == len(POST)
    assert RESULT != POST
    for i in range(both[0].Subgraphs(0).TensorsLength()):
        made, post = (model.Subgraphs(0).Tensors(i) for model in both)
        assert (made.Name(), made.Type(), made.ShapeAsNumpy().tolist()) == (
            post.Name(),
            post.Type(),
            post.ShapeAsNumpy().tolist(),
        )


def test_what_is_written_is_what_was_computed_in_training(pictures: Any) -> None:
    """Up to two steps of the scores: the mean of 16 integers often lies beside a half, where a sum of reals wavers."""
    network = read_back()
    assert make_qat.with_numbers(POST, network) == RESULT
    expected, _ = network.scores(pictures[0])
    place = refinfer.read_model(RESULT).subgraphs[0].nodes[-1].inputs[0]
    assert place is not None
    interpreter = refinfer.Interpreter(model_content=RESULT, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    found = np.empty_like(expected)
    for number, picture in enumerate(pictures[0]):
        steps = np.rint(picture[None] / network.pixels.scale) + network.pixels.zero_point
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], steps.astype(np.int8))
        interpreter.invoke()
        found[number] = dequantize(interpreter.get_tensor(place.index), place)[0]
    assert np.abs(found - expected).max() < 2.5 * network.last.out.scale
    assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


def read_back() -> Any:
    """A network with the numbers of the file."""
    nodes, found = refinfer.read_model(RESULT).subgraphs[0].nodes, []
    for node in nodes:
        if len(node.inputs) == 3:
            weights, bias = (real(tensor) for tensor in node.inputs[1:])
            axis = 3 if weights.shape[0] == 1 else 0
            found.append(make_qat.Layer(weights, bias, axis, range_of(node.outputs[0])))
    network = make_qat.Network(found, 8)
    network.pixels = range_of(nodes[0].inputs[0])
    return network


def real(tensor: Any) -> Any:
    """What a constant stands for."""
    dtype = np.int8 if tensor.type.name == "INT8" else np.int32
    values = np.frombuffer(tensor.data, dtype).reshape(tensor.shape)
    axis = tensor.quantization.quantized_dimension
    scales = np.array(tensor.quantization.scale).reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    return values * scales


def range_of(tensor: Any) -> Any:
    """From the number that -128 stands for to that of 127."""
    (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zero_point
    return make_qat.Range((-128 - zero_point) * scale, (127 - zero_point) * scale, seen=True)
