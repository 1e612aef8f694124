"""What a file or a folder holds becomes the inputs of a model as the manual says it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import refinfer
from refinfer.inputs import Pixels, runs_as_they_are
from refinfer.samples import class_numbers, classes_of, enlargement, frames_of, read_given, read_samples, samples_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UsageError
from refinfer.schema.graph import Tensor
from refinfer.testing import TensorSpec, one_op_model

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[1] / "models"


def input_of(name: str) -> Tensor:
    return refinfer.read_model(MODELS / f"digits_{name}.tflite").subgraphs[0].inputs[0]


def npz(folder: Path, **arrays: object) -> str:
    path = folder / "data.npz"
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]  # names
    return str(path)


def test_arrays_of_the_usual_names_are_found(tmp_path: Path) -> None:
    found = read_samples(npz(tmp_path, other=[9], images=[[1.0], [2.0]], y=[3, 0]))
    assert [np.asarray(item).tolist() for item in found.items] == [[1.0], [2.0]]
    assert found.labels.tolist() == [3, 0]
    assert found.source == "images and y of data.npz"


def test_other_names_can_be_given(tmp_path: Path) -> None:
    path = npz(tmp_path, x=[[1.0]], y=[1], mine=[[5.0]], right=[2])
    found = read_samples(path, inputs_name="mine", labels_name="right")
    assert (np.asarray(found.items[0]).tolist(), found.labels.tolist()) == ([5.0], [2])


@pytest.mark.parametrize(
    ("arrays", "options", "words"),
    [
        ({"a": [1], "y": [1]}, {}, "has 'a', 'y'; wanted is x or images"),
        ({"x": [1], "b": [1]}, {}, "wanted is y or labels"),
        ({"x": [1], "y": [1]}, {"labels_name": "z"}, "wanted is 'z'; --labels-name"),
        ({"x": [1, 2], "y": [1]}, {}, "2 inputs and 1 labels do not go together"),
        ({"x": 5, "y": [1]}, {}, "a single number and 1 labels"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, {}, "no samples"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arrays: dict[str, Any], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        read_samples(npz(tmp_path, **arrays), **options)


@pytest.mark.parametrize("y", [[2, 0, 1], [[2], [0], [1]], [2.0, 0.0, 1.0], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]])
def test_a_class_may_be_written_in_several_ways(y: object) -> None:
    assert classes_of(np.array(y)).tolist() == [2, 0, 1]


@pytest.mark.parametrize("y", [[0.5], [-1], ["cat"], [[0, 0]], [[1, 1]], [[0.2, 0.8]], 7])
def test_what_is_no_class_is_refused(y: object) -> None:
    with pytest.raises(UsageError, match="labels"):
        samples_of([np.zeros(1)], np.array(y))


def folder_with(root: Path, *files: str) -> str:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros((8, 8), np.float32)) if file.endswith(".npy") else path.write_text("no array")
    return str(root)


def test_a_folder_has_a_folder_for_each_class_in_the_order_of_the_alphabet(tmp_path: Path) -> None:
    found = read_samples(folder_with(tmp_path, "cat/1.npy", "cat/0.npy", "ant/9.npy", "cat/README.md", ".git/x.npy"))
    assert [str(item)[-9:] for item in found.items] == ["ant/9.npy", "cat/0.npy", "cat/1.npy"]
    assert found.labels.tolist() == [0, 1, 1]
    assert found.names == ["ant", "cat"]


def test_folders_that_are_numbers_are_those_classes() -> None:
    assert class_numbers(["0", "10", "2"], [], "") == {"0": 0, "10": 10, "2": 2}


def test_the_file_of_labels_says_which_class_a_folder_is() -> None:
    assert class_numbers(["ant", "cat"], ["cat", "dog", "ant"], "") == {"ant": 2, "cat": 0}
    with pytest.raises(UsageError, match="'owl' is none of the 2 labels"):
        class_numbers(["owl"], ["cat", "dog"], "")


@pytest.mark.parametrize("files", [(), ("cat/notes.md",)])
def test_a_folder_without_samples_is_refused(files: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_samples(folder_with(tmp_path, *files))


# inputs

DIGIT = np.arange(64, dtype=np.uint8).reshape(8, 8) // 4


def test_reals_are_quantized_by_the_scale_of_the_input() -> None:
    tensor = input_of("dense_int8")
    assert tensor.quantization is not None
    (frame,), how = frames_of(DIGIT, tensor, Pixels(std=15))
    steps = np.round(DIGIT / 15 / tensor.quantization.scale[0] + tensor.quantization.zero_point[0])
    assert (np.abs(frame.reshape(8, 8) - steps) <= 1).all()
    assert (frame.dtype.name, frame.shape) == ("int8", tensor.shape)
    assert how == "value / 15; real values, quantized to int8"


def test_integers_are_the_inputs_own() -> None:
    (frame,), _ = frames_of(DIGIT, input_of("dense_int8"))
    assert (frame.reshape(8, 8) == DIGIT).all()


def test_integers_that_do_not_fit_are_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="INT8 has -128 to 127; if these are pixels, --mean and --std tell"):
        frames_of(DIGIT * 16, input_of("dense_int8"))


def test_each_pixel_is_repeated_where_the_input_is_larger_by_a_whole_factor() -> None:
    (frame,), how = frames_of(DIGIT, input_of("conv_float"))
    assert (frame[0, :, :, 0] == np.kron(DIGIT, np.ones((2, 2)))).all()
    assert "each pixel 2x2 times" in how


@pytest.mark.parametrize(
    ("shape", "wanted", "factor"),
    [
        ([8, 8], [16, 16], 2),
        ([8, 4, 3], [24, 12, 3], 3),
        ([8, 8], [16, 8], 1),
        ([8, 8], [17, 17], 1),
        ([8, 8, 3], [16, 16, 4], 1),
        ([8], [16], 1),
        ([8, 8], [8, 8], 1),
    ],
)
def test_only_a_whole_factor_of_both_sides_counts(shape: list[int], wanted: list[int], factor: int) -> None:
    assert enlargement(shape, wanted) == factor


def test_a_sample_with_one_dimension_more_is_a_sequence() -> None:
    frames, how = frames_of(DIGIT, input_of("stream_float"))
    assert [frame.shape for frame in frames] == [(1, 1, 8, 1)] * 8
    assert (np.stack(frames).reshape(8, 8) == DIGIT).all()
    assert how.startswith("8 calls a sample")


# runs whose class need not be known

DIGIT_7 = MODELS / "digit_7.png"


def graph_of(name: str) -> refinfer.Graph:
    return refinfer.read_model(MODELS / f"digits_{name}.tflite")


def test_a_picture_is_a_run() -> None:
    ((name, (array,), _),) = read_given(graph_of("conv_int8"), str(DIGIT_7))
    assert name == "digit_7.png"
    assert array.shape == (1, 16, 16, 1)
    assert array.max() == 127


def test_a_folder_has_a_run_for_each_file_in_it_and_below(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    for file in ("b/2.npy", "a.npy", ".hidden/x.npy"):
        np.save(tmp_path / file, np.full((8, 8), len(file), np.uint8))
    (tmp_path / "README.md").touch()
    np.savez(tmp_path / "c.npz", images=np.stack([DIGIT, DIGIT + 1]), labels=[3, 4])
    given = read_given(graph_of("dense_int8"), str(tmp_path))
    assert [each.name for each in given] == ["a.npy", str(Path("b", "2.npy")), "c.npz, 0", "c.npz, 1"]
    assert [each.arrays[0].reshape(-1)[1] for each in given] == [5, 7, 0, 1]


def test_pixels_are_scaled_as_it_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", images=DIGIT[None], labels=[1])
    ((_, (array,), _),) = read_given(graph_of("dense_float"), str(tmp_path), Pixels(std=16))
    assert (array.reshape(8, 8) == DIGIT / np.float32(16)).all()


def test_inputs_by_their_names_are_taken_as_before(tmp_path: Path) -> None:
    graph = graph_of("dense_int8")
    path = npz(tmp_path, arr_0=DIGIT[None] / 16)
    ((_, (array,), _),) = read_given(graph, path)
    assert array.dtype == np.int8
    ((_, (real,), _),) = read_given(graph, path, read_npz=runs_as_they_are)
    assert (real == DIGIT / 16).all()


def test_a_sequence_is_several_runs(tmp_path: Path) -> None:
    np.save(tmp_path / "digit.npy", DIGIT)
    given = read_given(graph_of("stream_int8"), str(tmp_path / "digit.npy"))
    assert [each.name for each in given] == [f"digit.npy, {i}" for i in range(8)]
    assert [each.anew for each in given] == [True] + 7 * [False]


def test_each_sample_begins_anew_but_inputs_by_their_names_follow_each_other(tmp_path: Path) -> None:
    two = np.stack([DIGIT, DIGIT])
    graph = graph_of("dense_int8")
    assert [each.anew for each in read_given(graph, npz(tmp_path, images=two))] == [True, True]
    several = np.zeros((2, 1, 8, 8, 1), np.int8)
    assert [each.anew for each in read_given(graph, npz(tmp_path, arr_0=several))] == [True, False]


def test_a_folder_with_nothing_to_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(UsageError, match="no file in it that can be read"):
        read_given(graph_of("dense_int8"), str(tmp_path))


def test_what_inputs_by_their_names_stand_for_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--mean and --std are for pictures and samples"):
        read_given(graph_of("dense_int8"), npz(tmp_path, arr_0=DIGIT), Pixels(std=16))


def test_a_picture_cannot_be_all_inputs_of_several() -> None:
    x, y = (TensorSpec(TensorType.FLOAT32, (2, 2)) for _ in range(2))
    model = one_op_model(BuiltinOperator.MAXIMUM, [x, y], [TensorSpec(TensorType.FLOAT32, (2, 2))])
    with pytest.raises(UsageError, match=r"the model has 2 inputs; an \.npz can hold them all"):
        read_given(refinfer.read_model(model), str(DIGIT_7))
