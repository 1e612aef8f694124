"""Where a model may come from, and what is said of a file that is none."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refinfer.schema import FormatError, RefinferError, read_model
from refinfer.schema.file import MAPPED
from tests.schema.making import buffer, small, small_bytes, tensor
from tests.schema.referee import pack


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_bytes())
    return path


@pytest.mark.parametrize("source", [lambda path: path, str, Path.read_bytes, lambda path: bytearray(path.read_bytes())])
def test_a_model_may_be_given_by_path_or_by_bytes(path: Path, source: Callable[[Path], str | Path | bytes]) -> None:
    assert read_model(source(path)).subgraphs[0].name == "main"


def test_a_large_file_is_mapped_and_reads_as_a_small_one_does(tmp_path: Path) -> None:
    model = small()
    model.buffers.append(buffer(0))
    model.buffers[5].data = np.zeros(MAPPED, np.uint8)
    model.subgraphs[0].tensors.append(tensor("large", [MAPPED], 5))
    path = tmp_path / "large.tflite"
    path.write_bytes(pack(model))
    large = read_model(path).subgraphs[0].tensors[-1].data
    assert large is not None
    assert type(large.obj).__name__ == "mmap"
    assert large.tobytes() == bytes(MAPPED)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.tflite"
    with pytest.raises(FormatError) as error:
        read_model(path)
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        read_model(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: cannot be read: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(FormatError, match="cannot be read: Permission denied"):
        read_model(path)


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_model("a\0b")


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("config.json", "{}")
    return data.getvalue()


NO_MODELS = {
    "empty": (b"", "the file is empty; expected a .tflite file"),
    "one byte": (b"\x1c", "bytes 4 to 7 are b''; a .tflite file has b'TFL3' there"),
    "text": (b"hello, world", "bytes 4 to 7 are b'o, w'; a .tflite file has b'TFL3' there"),
    "html": (b"<!DOCTYPE html><html>", "this is an HTML page, perhaps the answer of a server instead of the file; "),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "this is a pointer of Git LFS; run git lfs pull "),
    "zip": (zipped(), "this is a ZIP archive, such as a .keras, .pt or .mlmodel package; "),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "this is a gzip archive; unpack it first; "),
    "hdf5": (b"\x89HDF\r\n\x1a\n\x00\x00", "this is an HDF5 file, such as Keras writes; convert it with "),
    "saved model": (b"\x08\x01\x12\x9a\x03\x12", "this is a protobuf file, such as a TensorFlow SavedModel; "),
    "onnx": (b"\x08\x07\x12\x07pytorch", "this is a protobuf file, such as an ONNX model; convert it to .tflite "),
    "executorch": (b"\x1c\x00\x00\x00ET12", "this is an ExecuTorch program; expected a .tflite file"),
    "older": (b"\x1c\x00\x00\x00TFL2", "this is a .tflite file of another version of the schema; "),
    "c array": (b"unsigned char model[] = {", "this is C source; give the .tflite file that the array was made from; "),
}


@pytest.mark.parametrize("kind", NO_MODELS)
def test_a_file_that_is_no_model_is_called_what_it_is(kind: str) -> None:
    data, message = NO_MODELS[kind]
    with pytest.raises(FormatError) as error:
        read_model(data)
    assert str(error.value).startswith(message)
    assert isinstance(error.value, RefinferError)
