"""TFLM_DECODE unpacks what TFLM unpacks, and compressed constants are the constants that they stand for."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Any

import numpy as np
import pytest

from refinfer.kernels.arithmetic.lut import unpack_bits
from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions
from refinfer.testing import TensorSpec, installed, one_op_model
from tests.kernels.bits import Array, Random, agree, cases, values

BOOL, FLOAT32, INT8, INT16 = TensorType.BOOL, TensorType.FLOAT32, TensorType.INT8, TensorType.INT16
TABLE_TYPES = [BOOL, FLOAT32, INT8, INT16, TensorType.INT32, TensorType.INT64]
LUT, HUFFMAN, PRUNE = range(3)
OPTIONS = {
    BuiltinOperator.CONV_2D: Conv2DOptions(padding=Padding.VALID, stride_w=1, stride_h=1),
    BuiltinOperator.DEPTHWISE_CONV_2D: DepthwiseConv2DOptions(
        padding=Padding.VALID, stride_w=1, stride_h=1, depth_multiplier=1
    ),
}

pytestmark = pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")


def pack_bits(numbers: Array, bits: int) -> Array:
    """So many bits of each, the high bits first, in whole words of 32."""
    digits = (numbers.reshape(-1, 1) >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(digits.astype(np.uint8).reshape(-1))
    return np.concatenate((packed, np.zeros(-packed.size % 4 + 4, np.uint8)))


def output(random: Random, type: TensorType, zero_points: tuple[int, ...]) -> tuple[TensorSpec, int, bool]:
    """A tensor, how many channels it has, and whether they are the last dimension."""
    shape = tuple(int(each) for each in random.integers(1, 7, int(random.integers(1, 4))))
    axis = int(random.choice([0, len(shape) - 1]))
    per_channel = random.random() < 0.6 and shape[axis] > 1
    channels = shape[axis] if per_channel else 1
    points = [int(random.choice(zero_points)) for _ in range(channels)]
    y = TensorSpec(type, shape, [0.5] * channels, points, axis if per_channel else 0)
    return y, channels, per_channel and axis == len(shape) - 1


def decoding(method: int, parameters: list[int], packed: Array, table: bytes, y: TensorSpec) -> bytes:
    """A model that unpacks one tensor."""
    header = bytes([method, 1, 0, 0, 1, *parameters]).ljust(16, b"\0")
    ancillary = np.frombuffer(header + table + bytes(8), np.uint8)
    inputs = [TensorSpec(TensorType.UINT8, each.shape, data=each) for each in (packed, ancillary)]
    return one_op_model("TFLM_DECODE", inputs, [y])


@pytest.mark.parametrize("type", TABLE_TYPES, ids=lambda type: str(type.name))
def test_values_are_looked_up(type: TensorType) -> None:
    random = np.random.default_rng(3)
    compared = 0
    for number in cases(14):
        bits = number % 7 + 1
        y, channels, _ = output(random, type, (0,))
        stride = 2**bits
        table = values(random, type, (channels, stride))
        indices = random.integers(0, stride, y.shape)
        packed = pack_bits(indices, bits)
        model = decoding(LUT, [bits, stride], packed, table.tobytes(), y)
        compared += agree("tflm", model, [], case=f"{number} {y.shape} {channels} {bits}")
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("type", TABLE_TYPES, ids=lambda type: str(type.name))
def test_pruned_values_are_zero_points(type: TensorType) -> None:
    random = np.random.default_rng(4)
    compared = 0
    for number in cases(10):
        y, channels, _ = output(random, type, (0, 5, -128) if type == INT8 else (0,))
        kept = random.integers(0, 2, y.shape)
        table = values(random, type, (int(kept.sum()),))
        model = decoding(PRUNE, [], pack_bits(kept, 1), table.tobytes(), y)
        compared += agree("tflm", model, [], case=f"{number} {y.shape} {channels}")
    print(f"COMPARED {compared}")
    assert compared > 0


def code_lengths(symbols: Counter[int]) -> dict[int, str]:
    """A Huffman code: the word of each symbol, in digits."""
    heap: list[Any] = [(count, order, {symbol: ""}) for order, (symbol, count) in enumerate(symbols.items())]
    heapq.heapify(heap)
    order = len(heap)
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        words = {key: "0" + word for key, word in left.items()} | {key: "1" + word for key, word in right.items()}
        heapq.heappush(heap, (a + b, order, words))
        order += 1
    found: dict[int, str] = heap[0][2]
    return found if len(found) > 1 else dict.fromkeys(found, "0")


def huffman_table(words: dict[int, str], first_bits: int, wide: bool) -> list[int]:
    """Tables for the words: one for the first bits, and one for what follows each of those that are longer."""
    found, shift, mask = (1 << 31, 27, (1 << 27) - 1) if wide else (1 << 15, 11, 255)
    table: list[int] = []
    waiting = [(-1, "", first_bits)]
    while waiting:
        parent, prefix, bits = waiting.pop(0)
        base = len(table)
        if parent >= 0:
            table[parent] = (bits - 1) << shift | (base - parent)
        for index in range(2**bits):
            read = prefix + format(index, f"0{bits}b")
            symbol = next((key for key, word in words.items() if read.startswith(word)), None)
            if symbol is not None:
                own = len(words[symbol]) - len(prefix)
                table.append(found | own << shift | (symbol & mask & 0xFFFF))
                continue
            longest = max((len(word) for word in words.values() if word.startswith(read)), default=0)
            if longest:  # no word begins like this otherwise
                waiting.append((len(table), read, min(3, longest - len(read))))
            table.append(0)
    return table


@pytest.mark.parametrize(("type", "wide"), [(INT8, False), (INT8, True), (INT16, True)])
def test_code_words_are_followed(type: TensorType, wide: bool) -> None:
    random = np.random.default_rng(5)
    compared = 0
    for number in cases(10):
        y, _, _ = output(random, type, (0,))
        data = np.round(random.normal(0, 10.0 ** random.integers(0, 2), y.shape)).clip(-127, 127).astype(dtype_of(type))
        words = code_lengths(Counter(data.reshape(-1).tolist()))
        first_bits = int(random.integers(1, 5))
        table = huffman_table(words, first_bits, wide)
        digits = "".join(words[symbol] for symbol in data.reshape(-1).tolist())
        packed = pack_bits(np.array([int(digit) for digit in digits]), 1)
        entries = np.array(table, np.uint32 if wide else np.uint16)
        model = decoding(HUFFMAN, [(first_bits - 1) << 4 | wide], packed, entries.tobytes(), y)
        compared += agree("tflm", model, [], case=f"{number} {y.shape} {first_bits}")
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("bits", range(1, 8))
def test_bits_come_out_as_they_went_in(bits: int) -> None:
    numbers = np.random.default_rng(bits).integers(0, 2**bits, 50)
    assert unpack_bits(pack_bits(numbers, bits), bits, 50).tolist() == numbers.tolist()


@pytest.mark.parametrize("axis", [0, 3])
def test_compressed_constants_are_what_they_stand_for(axis: int) -> None:
    pytest.importorskip("ai_edge_litert")
    from tests.compressed import compressed_pair

    op = BuiltinOperator.CONV_2D if axis == 0 else BuiltinOperator.DEPTHWISE_CONV_2D
    random = np.random.default_rng(axis)
    x, y = TensorSpec(INT8, (1, 5, 5, 4), [0.5], [3]), TensorSpec(INT8, (1, 3, 3, 4), [2.0], [-4])
    shape = (4, 3, 3, 4) if axis == 0 else (1, 3, 3, 4)
    weights = TensorSpec(INT8, shape, [0.1, 0.2, 0.3, 0.4], [0] * 4, axis, data=values(random, INT8, shape))
    bias = TensorSpec(TensorType.INT32, (4,), [0.05, 0.1, 0.15, 0.2], [0] * 4, data=np.arange(4))
    model = one_op_model(op, [x, weights, bias], [y], OPTIONS[op])
    runs = [[values(random, INT8, x.shape)] for _ in range(3)]
    assert agree("tflm", compressed_pair(model, {0: [1, 2]}).compressed, *runs) > 0
