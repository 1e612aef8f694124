"""TFLM_DECODE, a custom operator: unpacks compressed constants before another operator uses them.

Sources: decode.cc, decode_state.h, decode_state_lut.cc, decode_state_prune.cc, decode_state_huffman.cc and their
headers, all in tensorflow/lite/micro/kernels. LiteRT has no such operator.

Stated for programs without alternate decompression memory: a program that calls SetDecompressionMemory keeps outputs
there, outside the plan, and the file does not tell.

Inputs come in pairs, (compressed, ancillary) for each output. The ancillary tensor begins with a header of 16 bytes
that names the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic.lut import look_up, unpack_bits
from refinfer.kernels.common import input_at, is_affine, output_at, require_constant, require_type
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, require, temps
from refinfer.kernels.layout import BOOL, INT8, POINTER, SIZE_T, UINT8, Build, Struct, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import ANY
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

HEADER_BYTES = 16  # [decode_state.h: kDcmSizeInBytes]
METHOD, VERSION = 0, 1  # offsets in the header [decode_state.h]
METHOD_VERSION, TABLE_SIZE = 4, 5  # [decode_state_lut.h, decode_state_prune.h, decode_state_huffman.h]
TABLE_OF_32_BITS = 1  # [decode_state_huffman.h: kDcmTableSize32BitsMask]
BIT_WIDTH_MASK, STRIDE = 7, 6  # of the parameters, and the offset after them [decode_state_lut.h]
LUT, HUFFMAN, PRUNE, CUSTOM = 0, 1, 2, 127

DECODE_STATE = {"vtable": POINTER, "context": POINTER, "micro_profiler": POINTER}  # the base class
LUT_STATE = struct(
    "decode_state_lut:DecodeStateLut",
    **DECODE_STATE,
    compressed_indices=POINTER,
    count_indices=SIZE_T,
    num_channels=SIZE_T,
    elements_per_channel=SIZE_T,
    value_table=POINTER,
    value_table_channel_stride=UINT8,
    compressed_bit_width=UINT8,
    use_alternate_axis=BOOL,
)
PRUNE_STATE = struct(
    "decode_state_prune:DecodeStatePrune",
    **DECODE_STATE,
    compressed_indices=POINTER,
    count_indices=SIZE_T,
    num_channels=SIZE_T,
    elements_per_channel=SIZE_T,
    value_table=POINTER,
    zero_points=POINTER,
    single_zero_point=INT8,
    use_alternate_axis=BOOL,
)
HUFFMAN_STATE = struct(
    "decode_state_huffman:DecodeStateHuffman",
    **DECODE_STATE,
    compressed_codewords=POINTER,
    count_codewords=SIZE_T,
    huffman_tables=POINTER,
    use_32bit_table=BOOL,
    initial_table_size=UINT8,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[decode.cc: Prepare]"""
    outputs = len(node.outputs)
    require(outputs > 0, "no outputs")
    require(len(node.inputs) == 2 * outputs, f"{len(node.inputs)} inputs for {outputs} outputs; it takes a pair each")
    yield Persistent("DecodeState pointers", outputs * build.sizeof(POINTER), "decode.cc: Prepare")
    for position in range(outputs):
        compressed, ancillary = input_at(node, 2 * position), input_at(node, 2 * position + 1)
        y = output_at(node, position)
        yield from temps(compressed, ancillary, y)
        require_constant(compressed, "input")
        method = method_of(ancillary)
        state = STATES[method]
        yield Persistent(state.name, build.sizeof(state), "decode_state.cc: CreateDecodeState")
        header = header_of(ancillary)
        require(header[METHOD_VERSION] == 1, f"unsupported version {header[METHOD_VERSION]}", ancillary)
        if method == HUFFMAN:
            if not header[TABLE_SIZE] & TABLE_OF_32_BITS:
                require_type(y, TensorType.INT8)
        else:
            require_channel_axis(y)
        if method == PRUNE:
            yield from zero_points(y)


def header_of(ancillary: Tensor) -> bytes:
    """What the ancillary tensor says about the method."""
    require_constant(ancillary, "ancillary")
    assert ancillary.data is not None
    require(len(ancillary.data) >= HEADER_BYTES, f"{len(ancillary.data)} bytes; the header has 16", ancillary)
    return bytes(ancillary.data[:HEADER_BYTES])


def method_of(ancillary: Tensor) -> int:
    """How the input is compressed."""
    header = header_of(ancillary)
    require(header[VERSION] == 1, f"version {header[VERSION]} != 1", ancillary)
    require(header[METHOD] != CUSTOM, "Custom decode type not yet supported", ancillary)
    require(header[METHOD] in STATES, f"unsupported decode type {header[METHOD]}", ancillary)
    return header[METHOD]


def require_channel_axis(y: Tensor) -> None:
    """Channels are the first dimension or the last."""
    if y.quantization is not None and is_affine(y):
        axis, last = y.quantization.quantized_dimension, len(y.shape) - 1
        per_channel = len(y.quantization.scale) > 1
        require(axis == 0 or (axis == last and per_channel), f"unsupported quantization axis {axis}", y)


def zero_points(y: Tensor) -> Iterator[Request]:
    """Pruned values become the zero point of their channel [decode_state_prune.cc: Setup]."""
    if y.quantization is None or not is_affine(y):
        return
    channels, stored = len(y.quantization.scale), y.quantization.zero_point
    nonzero = any(stored if len(stored) == channels else stored[:1])
    require(y.type == TensorType.INT8 or not nonzero, "All zero-points must be zero", y)
    if channels > 1 and nonzero:
        yield Persistent("zero_points", channels, "decode_state_prune.cc: Setup")


def invoke(node: Node) -> None:
    """[decode.cc: Eval] unpacks each output into its own type."""
    for position in range(len(node.outputs)):
        y = output_at(node, position)
        types = OUTPUT_TYPES[method_of(input_at(node, 2 * position + 1))]
        if y.type not in types:
            raise Refusal(f"unsupported tensor type {y.type.name}", y)


def fold(node: Node, host: Host) -> Evaluate:
    """All inputs are constants, and so are the outputs."""
    outputs = []
    for position in range(len(node.outputs)):
        compressed, ancillary = input_at(node, 2 * position), input_at(node, 2 * position + 1)
        y = output_at(node, position)
        assert compressed.data is not None
        assert ancillary.data is not None
        packed, table = np.frombuffer(compressed.data, np.uint8), bytes(ancillary.data[HEADER_BYTES:])
        values = DECODERS[method_of(ancillary)](packed, header_of(ancillary), table, y)
        outputs.append(values.reshape(y.shape))
    return lambda *inputs: tuple(outputs)


def decode_by_table(packed: Array, header: bytes, table: bytes, y: Tensor) -> Array:
    """Indices of as many bits as the header says, into a table for each channel."""
    bits = header[TABLE_SIZE] & BIT_WIDTH_MASK
    require(bits > 0, "indices of 0 bits")
    channels, is_last = channels_of(y)
    indices = unpack_bits(packed, bits, y.elements)
    return look_up(indices, values_of(table, y), channels, header[STRIDE], interleaved=is_last)


def decode_pruned(packed: Array, header: bytes, table: bytes, y: Tensor) -> Array:
    """A bit for each value: whether it is the next of the table, or the zero point of its channel."""
    kept = unpack_bits(packed, 1, y.elements) == 1
    values = values_of(table, y)
    require(values.size >= kept.sum(), f"{values.size} values; {kept.sum()} are kept", y)
    channels, is_last = channels_of(y)
    zeros = np.zeros(channels, values.dtype)
    if y.quantization is not None and is_affine(y):
        zeros[:] = y.quantization.zero_point
    out = look_up(np.zeros(y.elements, np.int64), zeros, channels, 1, interleaved=is_last)
    out[kept] = values[: kept.sum()]
    return out


def decode_huffman(packed: Array, header: bytes, table: bytes, y: Tensor) -> Array:
    """Code words of various lengths, each looked up by its first bits, and by more if these are not all."""
    entries = ENTRIES_OF_32_BITS if header[TABLE_SIZE] & TABLE_OF_32_BITS else ENTRIES_OF_16_BITS
    words = np.frombuffer(table[: len(table) // entries.nbytes * entries.nbytes], f"<u{entries.nbytes}").tolist()
    stream = int.from_bytes(packed.tobytes(), "big")
    symbols, place = [], 0
    for _ in range(y.elements):
        symbol, length = code_word(entries, words, (stream, 8 * packed.size), place, (header[TABLE_SIZE] >> 4) + 1)
        symbols.append(symbol)
        place += length
    return np.array(symbols, np.int64).astype(dtype_of(y.type))


class Entries(NamedTuple):
    """The fields of a table's entries: a bit that says that a symbol is found; a number of bits; a symbol or offset."""

    nbytes: int
    found: int
    count_shift: int
    value_mask: int


ENTRIES_OF_16_BITS = Entries(nbytes=2, found=1 << 15, count_shift=11, value_mask=(1 << 11) - 1)
ENTRIES_OF_32_BITS = Entries(nbytes=4, found=1 << 31, count_shift=27, value_mask=(1 << 27) - 1)


def code_word(
    entries: Entries, words: Sequence[int], stream: tuple[int, int], place: int, first_bits: int
) -> tuple[int, int]:
    """The symbol that begins at a place of the stream, and how many bits it takes.

    An entry without symbol says how many bits to read, less one, and how much further on to look with them; one with
    it says how many of the last bits were its own.
    """
    used, read, entry = 0, first_bits, 0
    while True:
        entry += bits_at(stream, place + used, read)
        require(entry < len(words), f"entry {entry} of a table of {len(words)}")
        word = words[entry]
        count = (word & ~entries.found) >> entries.count_shift
        if word & entries.found:
            used += min(count, read)
            require(place + used <= stream[1], "code words beyond the end")
            return word & entries.value_mask, used
        used, read, entry = used + read, count + 1, entry + (word & entries.value_mask)
        require(used <= stream[1], "a code word without end")


def bits_at(stream: tuple[int, int], place: int, count: int) -> int:
    """So many bits, of which those beyond the end are 0."""
    number, length = stream
    rest = length - place - count
    return (number >> rest if rest >= 0 else number << -rest) & ((1 << count) - 1)


def channels_of(y: Tensor) -> tuple[int, bool]:
    """How many channels there are, and whether they are the last dimension."""
    if y.quantization is None or not is_affine(y):
        return 1, False
    channels = len(y.quantization.scale)
    return channels, channels > 1 and y.quantization.quantized_dimension == len(y.shape) - 1


def values_of(table: bytes, y: Tensor) -> Array:
    """The table in the type of the output."""
    dtype = dtype_of(y.type)
    return np.frombuffer(table[: len(table) // dtype.itemsize * dtype.itemsize], dtype)


def declared_shapes(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """What the file has."""
    return [y.shape for y in node.outputs]


STATES: dict[int, Struct] = {LUT: LUT_STATE, HUFFMAN: HUFFMAN_STATE, PRUNE: PRUNE_STATE}
TABLE_TYPES = (
    TensorType.BOOL,
    TensorType.FLOAT32,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)
OUTPUT_TYPES = {LUT: TABLE_TYPES, HUFFMAN: (TensorType.INT8, TensorType.INT16), PRUNE: TABLE_TYPES}

DECODE = Kernel(prepare=prepare, invoke=invoke)

DECODERS: dict[int, Callable[[Array, bytes, bytes, Tensor], Array]] = {
    LUT: decode_by_table,
    HUFFMAN: decode_huffman,
    PRUNE: decode_pruned,
}
COMPUTE_DECODE = Compute(fold=fold, shape=declared_shapes, types=ANY, version=1)
