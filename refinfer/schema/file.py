"""A file, or bytes in memory, to the tables that they hold."""

from __future__ import annotations

import os
from dataclasses import replace
from mmap import ACCESS_READ, mmap

from refinfer.schema.errors import FormatError
from refinfer.schema.flatbuffer import Fault, Reader
from refinfer.schema.graph import Graph
from refinfer.schema.resolve import resolve
from refinfer.schema.tables import Model

Source = str | os.PathLike[str] | bytes | bytearray | memoryview

IDENTIFIER = b"TFL3"
SMALLEST = 8  # the offset of the root and the identifier
MAPPED = 1 << 20
"""From this size on a file is mapped, not read: constants are then loaded when they are looked at."""


def read_model(source: Source) -> Graph:
    """The graph of a ``.tflite`` file, given by its path or its bytes.

    Constants stay views of the file; a file of a megabyte or more is mapped into memory and must not be changed while
    the graph is in use. Raises FormatError if it cannot be read or is not a ``.tflite`` file, GraphError if what it
    says is inconsistent.
    """
    file = contents(source)
    name = "" if isinstance(source, bytes | bytearray | memoryview) else os.fspath(source)
    return replace(resolve(parse(file), file), name=name, file=file)


def parse(data: bytes | bytearray | memoryview) -> Model:
    """The tables of a ``.tflite`` file; raises FormatError if the bytes are not one."""
    view = memoryview(data).cast("B")
    check_identifier(view)
    reader = Reader(view)
    try:
        return reader.table(Model, reader.target(0))
    except Fault as fault:
        raise fault.error("Model") from None


def contents(source: Source) -> memoryview:
    """The bytes of the source."""
    if isinstance(source, bytes | bytearray | memoryview):
        return memoryview(source).cast("B")
    path = os.fspath(source)
    try:
        with open(path, "rb") as file:
            nbytes = os.fstat(file.fileno()).st_size
            return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ) if nbytes >= MAPPED else file.read())
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a zero byte in the path
        raise FormatError(f"{path!r}: cannot be read: {error}") from None


def check_identifier(data: memoryview) -> None:
    """A ``.tflite`` file says so in bytes 4 to 7; what says something else is named as what it probably is."""
    if len(data) == 0:
        raise FormatError("the file is empty; expected a .tflite file")
    if data[4:SMALLEST] == IDENTIFIER:
        return
    head = bytes(data[:64])
    for where, magic, what in OTHERS:
        if head[where:].lower().startswith(magic.lower()):
            raise FormatError(f"this is {what}; expected a .tflite file")
    raise FormatError(f"bytes 4 to 7 are {head[4:SMALLEST]!r}; a .tflite file has {IDENTIFIER!r} there")


OTHERS = (
    (0, b"<!doctype html", "an HTML page, perhaps the answer of a server instead of the file"),
    (0, b"<html", "an HTML page, perhaps the answer of a server instead of the file"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; run git lfs pull to fetch the file itself"),
    (0, b"PK\x03\x04", "a ZIP archive, such as a .keras, .pt or .mlmodel package; a .tflite file may be inside it"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes; convert it with tf.lite.TFLiteConverter"),
    (0, b"\x08\x01\x12", "a protobuf file, such as a TensorFlow SavedModel; convert it with tf.lite.TFLiteConverter"),
    (2, b"\x12", "a protobuf file, such as an ONNX model; convert it to .tflite first"),
    (4, b"ET1", "an ExecuTorch program"),
    (4, b"TFL", "a .tflite file of another version of the schema"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"#include", "C source; give the .tflite file that the array was made from"),
    (0, b"unsigned char", "C source; give the .tflite file that the array was made from"),
    (0, b"const unsigned char", "C source; give the .tflite file that the array was made from"),
    (0, b"\x7fELF", "an ELF binary"),
)
"""(offset, magic bytes, what they are the sign of); the first that fits is believed."""
