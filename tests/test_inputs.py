"""What becomes of files, pictures and sounds on their way into a model."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from refinfer import UsageError, read_model
from refinfer.inputs import AS_USUAL, Pixels, dequantize, quantize, random_inputs, read_inputs, read_runs
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Graph
from refinfer.testing import TensorSpec, one_op_model

Array = NDArray[Any]
INT8, UINT8, INT16, INT32, FLOAT32 = (
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.FLOAT32,
)


def model(*inputs: TensorSpec) -> Graph:
    """A model with these inputs; what it computes does not matter here."""
    return read_model(one_op_model(BuiltinOperator.CONCATENATION, inputs, [TensorSpec(FLOAT32, (1,))]))


def one(type: TensorType, shape: tuple[int, ...], scale: float | None = None, zero_point: int = 0) -> Graph:
    quantization = {} if scale is None else {"scale": [scale], "zero_point": [zero_point]}
    return model(TensorSpec(type, shape, name="x", **quantization))  # type: ignore[arg-type]


def given(graph: Graph, file: Path, pixels: Pixels = AS_USUAL) -> tuple[Array, str]:
    (found,) = read_inputs(graph, [str(file)], pixels=pixels)
    assert found.array.dtype == np.dtype(found.tensor.type.name.lower())
    return found.array, found.how


def saved(folder: Path, array: Array | list[Any]) -> Path:
    np.save(folder / "x.npy", np.asarray(array))
    return folder / "x.npy"


# arrays


def test_an_array_of_the_type_of_the_input_is_taken_as_it_is(tmp_path: Path) -> None:
    x = np.arange(-3, 3, dtype=np.int8).reshape(2, 3)
    array, how = given(one(INT8, (2, 3), 0.5), saved(tmp_path, x))
    assert (array == x).all()
    assert how == "x.npy: int8 as it is"


def test_reals_are_quantized_for_an_input_that_is(tmp_path: Path) -> None:
    array, how = given(one(INT8, (6,), 0.5, 3), saved(tmp_path, [0.0, 0.25, -0.25, 0.74, 1000.0, -1000.0]))
    assert array.tolist() == [3, 4, 2, 4, 127, -128]
    assert how == "x.npy: real values, quantized to int8"


@pytest.mark.parametrize("type", [INT8, INT16])
def test_every_stored_value_comes_back_from_the_real_one_that_it_stands_for(type: TensorType) -> None:
    (tensor,) = one(type, (1,), 0.037, 0 if type == INT16 else -7).subgraphs[0].inputs
    limits = np.iinfo(type.name.lower())
    stored = np.arange(limits.min, limits.max + 1).astype(limits.dtype)
    assert (quantize(dequantize(stored, tensor), tensor) == stored).all()


def test_integers_are_the_tensors_own_numbers_if_it_has_them(tmp_path: Path) -> None:
    array, _ = given(one(INT8, (3,), 0.5), saved(tmp_path, np.array([1, -128, 127], np.int64)))
    assert array.tolist() == [1, -128, 127]
    with pytest.raises(UsageError, match=r"x\.npy: 1 to 128; INT8 has -128 to 127"):
        given(one(INT8, (2,), 0.5), saved(tmp_path, np.array([1, 128])))


def test_reals_are_no_integers_without_a_scale(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="float64 cannot become INT32, which is not quantized"):
        given(one(INT32, (2,)), saved(tmp_path, [0.5, 1.5]))


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (2, 3, 1), (6,)])
def test_lengths_of_one_do_not_matter_and_a_flat_list_will_do(shape: tuple[int, ...], tmp_path: Path) -> None:
    array, _ = given(one(FLOAT32, (1, 2, 3)), saved(tmp_path, np.arange(6).reshape(shape)))
    assert array.shape == (1, 2, 3)


@pytest.mark.parametrize("shape", [(3, 2), (7,), (2, 2, 3)])
def test_another_shape_is_an_error_that_tells_both(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"shape \(.*\); the model takes \(1, 2, 3\)"):
        given(one(FLOAT32, (1, 2, 3)), saved(tmp_path, np.zeros(shape)))


def test_arrays_of_an_npz_find_their_inputs_by_name_or_number(tmp_path: Path) -> None:
    graph = model(TensorSpec(FLOAT32, (1,), name="left"), TensorSpec(FLOAT32, (1,), name="right"))
    path = tmp_path / "both.npz"
    for names in (("left", "right"), ("arr_0", "arr_1")):
        np.savez(path, **dict(zip(names, ([1.0], [2.0]), strict=True)))  # type: ignore[arg-type]
        assert [each.array.tolist() for each in read_inputs(graph, [str(path)])] == [[1], [2]]
    np.savez(path, right=[2.0])
    single = saved(tmp_path, [5.0])
    assert [each.array.tolist() for each in read_inputs(graph, [str(path), str(single)])] == [[5], [2]]
    with pytest.raises(UsageError, match="nothing is given for 'left'"):
        read_inputs(graph, [str(path)])
    np.savez(path, up=[1.0], down=[2.0])
    with pytest.raises(UsageError, match="has 'up', 'down'; wanted is 'left', 'right'"):
        read_inputs(graph, [str(path)])


def test_inputs_are_given_by_name_or_in_their_order(tmp_path: Path) -> None:
    graph = model(TensorSpec(FLOAT32, (1,), name="left"), TensorSpec(FLOAT32, (1,), name="right"))
    np.save(tmp_path / "1.npy", [1.0])
    np.save(tmp_path / "2.npy", [2.0])
    first, second = str(tmp_path / "1.npy"), str(tmp_path / "2.npy")
    for files in ([first, second], [f"right={second}", f"left={first}"], [f"right={second}", first]):
        assert [each.array.tolist() for each in read_inputs(graph, files)] == [[1], [2]]


def test_runs_are_the_first_dimension_of_what_has_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "runs.npz"
    np.savez(path, x=np.arange(12, dtype=np.float32).reshape(4, 3))
    assert [run[0].tolist() for run in read_runs(one(FLOAT32, (3,)), str(path))] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
        [9, 10, 11],
    ]
    np.savez(path, x=np.arange(3, dtype=np.float32))
    assert [run[0].tolist() for run in read_runs(one(FLOAT32, (3,)), str(path))] == [[0, 1, 2]]


@pytest.mark.parametrize(("text", "expected"), [("1 2\n3", [1, 2, 3]), ("1.0, 2e0; 3", [2, 4, 6])])
def test_numbers_in_a_text_are_stored_ones_unless_one_looks_real(
    text: str, expected: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert given(one(INT8, (3,), 0.5), path)[0].tolist() == expected


# pictures


def picture(folder: Path, pixels: Array, name: str = "x.png") -> Path:
    Image.fromarray(pixels).save(folder / name)
    return folder / name


ALL_GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    ("scale", "zero_point", "real"),
    [(1 / 255, -128, "pixel / 255"), (1.0, -128, "pixel"), (2 / 255, -1, "pixel / 127.5 - 1")],
)
def test_int8_takes_the_pixel_less_128_which_is_right_for_every_usual_scale(
    scale: float, zero_point: int, real: str, tmp_path: Path
) -> None:
    graph = one(INT8, (1, 16, 16, 1), scale, zero_point)
    array, how = given(graph, picture(tmp_path, ALL_GREYS))
    assert (array.reshape(16, 16) == ALL_GREYS.astype(int) - 128).all()
    assert "pixel - 128, which stands for" in how
    meant = eval(real, {"pixel": ALL_GREYS.reshape(-1).astype(np.float64)})
    quantized = quantize(meant, graph.subgraphs[0].inputs[0]).astype(int)
    assert np.abs(quantized - array.reshape(-1)).max() <= (1 if "-" in real else 0)


def test_uint8_takes_pixels_as_they_are(tmp_path: Path) -> None:
    array, how = given(one(UINT8, (1, 16, 16, 1), 1 / 128, 128), picture(tmp_path, ALL_GREYS))
    assert (array.reshape(16, 16) == ALL_GREYS).all()
    assert "pixels as they are, which stands for -1 to 0.9922" in how


def test_reals_are_from_0_to_1_unless_mean_and_std_say_otherwise(tmp_path: Path) -> None:
    graph, file = one(FLOAT32, (1, 16, 16, 1)), picture(tmp_path, ALL_GREYS)
    assert given(graph, file)[0].reshape(-1)[[0, 255]].tolist() == [0, 1]
    array, how = given(graph, file, Pixels(127.5, 127.5))
    assert array.reshape(-1)[[0, 255]].tolist() == [-1, 1]
    assert how.endswith("(pixel - 127.5) / 127.5, float32")
    assert given(graph, file, Pixels(mean=100))[0].reshape(-1)[0] == -100
    assert given(graph, file, Pixels(std=51))[0].reshape(-1)[255] == 5


def test_mean_and_std_are_quantized_for_integers(tmp_path: Path) -> None:
    array, how = given(one(INT8, (16, 16), 0.02, 4), picture(tmp_path, ALL_GREYS), Pixels(127.5, 127.5))
    assert array.reshape(-1)[[0, 255]].tolist() == [4 - 50, 4 + 50]
    assert how.endswith("quantized")


def test_a_picture_is_resized_and_brought_to_the_colours_of_the_input(tmp_path: Path) -> None:
    colours = np.zeros((10, 20, 3), np.uint8)
    colours[..., 0] = 255
    file = picture(tmp_path, colours)
    array, how = given(one(UINT8, (1, 4, 6, 3), 1.0), file)
    assert array.shape == (1, 4, 6, 3)
    assert (array == np.array([255, 0, 0])).all()
    assert "20x10 RGB, resized to 6x4 (bilinear, aspect not kept)" in how
    array, how = given(one(UINT8, (4, 6), 1.0), file)
    assert (array == 76).all()  # red as grey: 0.299 of 255
    assert "as L" in how
    array, _ = given(one(UINT8, (1, 3, 4, 6), 1.0), file)
    assert (array[0, 0] == 255).all()
    assert (array[0, 1:] == 0).all()


def test_resizing_is_bilinear(tmp_path: Path) -> None:
    two = np.array([[0, 200]], np.uint8)
    array, _ = given(one(UINT8, (1, 1, 4, 1), 1.0), picture(tmp_path, two))
    assert array.reshape(-1).tolist() == [0, 50, 150, 200]


def test_a_shape_of_no_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has shape \(1, 10\), which|has shape \(5, 5, 5, 5\), which"):
        given(one(UINT8, (5, 5, 5, 5), 1.0), picture(tmp_path, ALL_GREYS))
    with pytest.raises(UsageError, match="--mean and --std are for pictures"):
        given(one(FLOAT32, (1,)), saved(tmp_path, [1.0]), Pixels(1, 1))


# sounds


def sound(folder: Path, samples: Array, width: int, channels: int = 1) -> Path:
    with wave.open(str(folder / "x.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16_000)
        whole = samples.astype("<i4").reshape(-1, 1).view(np.uint8)
        file.writeframes((samples.astype(np.uint8) if width == 1 else whole[:, :width]).tobytes())
    return folder / "x.wav"


@pytest.mark.parametrize(("width", "peak"), [(2, 2**15), (3, 2**23), (4, 2**31)])
def test_samples_of_every_width_are_reals_from_minus_1_to_1(width: int, peak: int, tmp_path: Path) -> None:
    file = sound(tmp_path, np.array([0, peak // 2, -peak, peak - 1]), width)
    assert given(one(FLOAT32, (4,)), file)[0].tolist() == pytest.approx([0, 0.5, -1, 1], abs=1e-4)


def test_samples_of_8_bits_have_no_sign(tmp_path: Path) -> None:
    assert given(one(FLOAT32, (3,)), sound(tmp_path, np.array([0, 128, 192]), 1))[0].tolist() == [-1, 0, 0.5]


def test_channels_are_averaged_and_the_length_is_the_inputs(tmp_path: Path) -> None:
    file = sound(tmp_path, np.array([100, 300, -100, 100, 8, 8]), 2, channels=2)
    array, how = given(one(INT16, (1, 2)), file)
    assert array.tolist() == [[200, 0]]
    assert how == "x.wav: 3 samples at 16,000 Hz, cut off at 2, in 16 bits"
    array, how = given(one(INT16, (5,)), file)
    assert array.tolist() == [200, 0, 8, 0, 0]
    assert "filled up with silence at 5" in how


def test_a_quantized_input_gets_samples_in_its_scale(tmp_path: Path) -> None:
    file = sound(tmp_path, np.array([-(2**15), 2**14]), 2)
    assert given(one(INT8, (2,), 1 / 64), file)[0].tolist() == [-64, 32]


# random


def test_random_inputs_depend_on_the_seed_alone_and_fill_the_type() -> None:
    graph = model(
        *(
            TensorSpec(type, (40, 50))
            for type in (FLOAT32, INT8, UINT8, INT16, INT32, TensorType.BOOL, TensorType.INT64)
        )
    )
    first, again, other = (random_inputs(graph, seed) for seed in (1, 1, 2))
    for x, y, z in zip(first, again, other, strict=True):
        assert (x.array == y.array).all()
        assert (x.array != z.array).any()
    ranges = [(float(each.array.min()), float(each.array.max())) for each in first]
    assert ranges[1:3] == [(-128, 127), (0, 255)]
    assert ranges[4:] == [(0, 2), (0, 1), (0, 2)]
    assert -1 <= ranges[0][0] < -0.9
    assert [each.how.split(",")[0] for each in first] == ["random"] * 7


def test_what_cannot_be_made_up_is_said() -> None:
    with pytest.raises(UsageError, match="STRING cannot be made up"):
        random_inputs(one(TensorType.STRING, (1,)), 0)


def test_names_are_those_of_the_signature() -> None:
    digits = read_model(Path(__file__).resolve().parents[1] / "models" / "digits_dense_int8.tflite")
    assert [each.name for each in random_inputs(digits, 0)] == ["pixels"]
