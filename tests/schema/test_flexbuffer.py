"""FlexBuffers as the reference writes them, by hand, and damaged."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from refinfer.schema import FormatError
from refinfer.schema.flexbuffer import decode

KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=5)  # the reference has ASCII keys alone
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-1e38, 1e38)  # the reference cannot write what a float of 4 bytes cannot hold
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=4) | st.dictionaries(KEYS, each, max_size=4))


def plain(value: Any) -> Any:
    """The value with blobs copied out of the buffer."""
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


@given(VALUES)
def test_any_value_reads_as_the_reference_wrote_it(value: Any) -> None:
    assert plain(decode(bytes(flexbuffers.Dumps(value)))) == value


def build(write: Any) -> bytes:
    builder = flexbuffers.Builder()
    write(builder)
    return bytes(builder.Finish())


def typed(kind: Any) -> Any:
    def write(builder: Any) -> None:
        with builder.TypedVector():
            for each in kind:
                builder.Add(each)

    return write


WRITTEN: dict[str, tuple[Any, Any]] = {
    "uint": (lambda b: b.UInt(2**64 - 1), 2**64 - 1),
    "float of 4 bytes": (lambda b: b.Float(0.1, 4), 0.10000000149011612),
    "indirect int": (lambda b: b.IndirectInt(-300), -300),
    "indirect uint": (lambda b: b.IndirectUInt(70000), 70000),
    "indirect float": (lambda b: b.IndirectFloat(1.5), 1.5),
    "key": (lambda b: b.Key("axis"), "axis"),
    "vector of ints": (typed([1, -2, 300]), [1, -2, 300]),
    "vector of floats": (typed([1.5, 2.5]), [1.5, 2.5]),
    "vector of bools": (lambda b: b.TypedVectorFromElements([True, False, True]), [True, False, True]),
    "vector of keys": (lambda b: b.TypedVectorFromElements(["a", "bc"], flexbuffers.Type.KEY), ["a", "bc"]),
    "pair": (lambda b: b.FixedTypedVectorFromElements([1, 2]), [1, 2]),
    "triple": (lambda b: b.FixedTypedVectorFromElements([1.5, 2.5, 3.5]), [1.5, 2.5, 3.5]),
    "quad of uints": (lambda b: b.FixedTypedVectorFromElements([1, 2, 3, 4], flexbuffers.Type.UINT), [1, 2, 3, 4]),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_type_reads_as_the_reference_wrote_it(kind: str) -> None:
    write, expected = WRITTEN[kind]
    found = decode(build(write))
    assert found == expected
    assert type(found) is type(expected)


def test_deprecated_string_vectors_read_as_keys() -> None:
    data = bytearray(build(lambda b: b.TypedVectorFromElements(["a", "bc"], flexbuffers.Type.KEY)))
    data[-2] = 15 << 2 | data[-2] & 3
    assert decode(data) == ["a", "bc"]


def test_the_options_of_detection_postprocess_read_as_a_dict() -> None:
    options = {"max_detections": 10, "nms_iou_threshold": 0.5, "use_regular_nms": False}
    assert decode(bytes(flexbuffers.Dumps(options))) == options


# Damage

MAP = list(flexbuffers.Dumps({"a": 1, "b": 2}))
REFUSED = {
    "empty": (b"", "FlexBuffer: 2 bytes at offset -2 do not lie within the file of 0 bytes"),
    "width": (b"\x05\x04\x03", "FlexBuffer: a INT of 3 bytes; expected one of 1, 2, 4, 8"),
    "half a float": (b"\0\0\x0d\x02", "FlexBuffer: a FLOAT of 2 bytes; expected one of 4, 8"),
    "type": (b"\0\xf0\x01", "FlexBuffer: 60 is not a valid Type"),
    "string before the start": (
        b"\x09\x14\x01",
        "FlexBuffer: 1 bytes at offset -10 do not lie within the file of 3 bytes",
    ),
    "string": (
        b"\x01\xff\0\x02\x14\x01",
        "FlexBuffer: the text at offset 1 is not UTF-8: invalid start byte at its byte 0",
    ),
    "long": (b"\x09a\0\x02\x14\x01", "FlexBuffer: 9 bytes at offset 1 do not lie within the file of 6 bytes"),
    "in a vector": (b"\x02\x01\x05\x04\xf0\x04\x28\x01", "FlexBuffer[1]: 60 is not a valid Type"),
    "vector in itself": (
        b"\x01\0\x28\x02\x28\x01",
        "FlexBuffer" + "[0]" * 64 + ": vectors and maps lie in each other ",
    ),
    "map": (bytes([*MAP[:4], 1, *MAP[5:]]), "FlexBuffer: a map at offset 10 has 1 keys for 2 values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_flexbuffer_is_refused_with_the_place(case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(FormatError) as error:
        decode(data)
    assert str(error.value).startswith(message)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    with suppress(FormatError):
        decode(data)


@given(VALUES, st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=3))
def test_any_edits_are_refused_or_read(value: Any, edits: list[tuple[int, int]]) -> None:
    data = bytearray(flexbuffers.Dumps(value))
    for at, byte in edits:
        data[at % len(data)] = byte
    with suppress(FormatError):
        decode(data)


def test_a_vector_that_holds_another_many_times_many_times_over_does_not_unfold() -> None:
    """Each level has 100 references to the one below: 100^8 values in 1.7 kB."""
    data, target = bytearray(b"\x01\x05\x04"), 1
    for _ in range(8):
        data += b"\0" * (-len(data) % 2)
        start = len(data) + 2
        data += (100).to_bytes(2, "little")
        for i in range(100):
            data += (start + 2 * i - target).to_bytes(2, "little")
        data += bytes([10 << 2 | (0 if target == 1 else 1)]) * 100
        target = start
    data += (len(data) - target).to_bytes(2, "little") + bytes([10 << 2 | 1, 2])
    began = time.process_time()
    with pytest.raises(FormatError, match="together they are many times larger"):
        decode(data)
    assert time.process_time() - began < 1
