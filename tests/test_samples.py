"""What a file or a folder holds becomes the inputs of a model as the manual says it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import refinfer
from refinfer.inputs import Pixels
from refinfer.samples import class_numbers, classes_of, enlargement, frames_of, read_samples, samples_of
from refinfer.schema.errors import UsageError
from refinfer.schema.graph import Tensor

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
    assert [item.tolist() for item in found.items if not isinstance(item, str)] == [[1.0], [2.0]]
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
    arrays: dict[str, Any], options: dict[str, str], words: str, tmp_path: Path
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
