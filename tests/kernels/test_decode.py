"""What TFLM_DECODE asks for and refuses."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from tests.kernels.nodes import FLOAT32, INT8, INT16, X86_64, custom, persistent, refused, refused_by_invoke, tensor

LUT, HUFFMAN, PRUNE = 0, 1, 2


def decode(
    method: int,
    of: TensorType = INT8,
    *,
    version: int = 1,
    flags: int = 0,
    scale: float | Iterable[float] = 0.5,
    zero_point: int = 0,
    axis: int = 0,
) -> Node:
    header = bytes([method, version, 0, 0, 1, flags]).ljust(16, b"\0")
    inputs = [tensor(TensorType.UINT8, 8, data=bytes(8)), tensor(TensorType.UINT8, 16, data=header)]
    y = tensor(of, 4, 4, scale=scale, zero_point=zero_point, axis=axis)
    return custom("TFLM_DECODE", inputs, y, None)


@pytest.mark.parametrize(("method", "small", "large"), [(LUT, 36, 72), (HUFFMAN, 28, 56), (PRUNE, 40, 80)])
def test_each_method_keeps_a_state_for_each_output(method: int, small: int, large: int) -> None:
    assert persistent(decode(method)) == [4, small]
    assert persistent(decode(method), X86_64) == [8, large]


def test_pruning_keeps_the_zero_points_of_channels_unless_they_are_all_zero() -> None:
    assert persistent(decode(PRUNE, scale=[0.5] * 4)) == [4, 40]
    assert persistent(decode(PRUNE, scale=[0.5] * 4, zero_point=1)) == [4, 40, 4]
    assert persistent(decode(PRUNE, zero_point=1)) == [4, 40]
    assert refused(decode(PRUNE, INT16, zero_point=1)) == "All zero-points must be zero"


def test_channels_are_the_first_dimension_or_the_last() -> None:
    assert refused(decode(LUT, scale=[0.5] * 4, axis=1)) is None
    assert refused(decode(LUT, axis=1)) == "unsupported quantization axis 1"


def test_an_unknown_method_or_version_is_refused() -> None:
    assert refused(decode(5)) == "unsupported decode type 5"
    assert refused(decode(127)) == "Custom decode type not yet supported"
    assert refused(decode(LUT, version=2)) == "version 2 != 1"


def test_small_huffman_tables_decode_int8() -> None:
    assert refused(decode(HUFFMAN, INT16)) == "type INT16 is not supported; it may be INT8"
    assert refused(decode(HUFFMAN, INT16, flags=1)) is None


def test_no_table_decodes_what_it_has_no_type_for() -> None:
    assert refused_by_invoke(decode(HUFFMAN, FLOAT32, flags=1)) == "unsupported tensor type FLOAT32"
    assert refused_by_invoke(decode(LUT, FLOAT32)) is None
    assert refused_by_invoke(decode(LUT, TensorType.UINT8)) == "unsupported tensor type UINT8"
