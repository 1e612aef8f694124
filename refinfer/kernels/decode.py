"""TFLM_DECODE, a custom operator: unpacks compressed constants before another operator uses them.

Sources: decode.cc, decode_state.h, decode_state_lut.cc, decode_state_prune.cc, decode_state_huffman.cc and their
headers, all in tensorflow/lite/micro/kernels. Read from the sources; no model with this operator has been measured.

Stated for programs without alternate decompression memory: a program that calls SetDecompressionMemory keeps outputs
there, outside the plan, and the file does not tell.

Inputs come in pairs, (compressed, ancillary) for each output. The ancillary tensor begins with a header of 16 bytes
that names the method.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import input_at, is_affine, output_at, require_constant, require_type
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, require, temps
from refinfer.kernels.layout import BOOL, INT8, POINTER, SIZE_T, UINT8, Build, Struct, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

HEADER_BYTES = 16  # [decode_state.h: kDcmSizeInBytes]
METHOD, VERSION = 0, 1  # offsets in the header [decode_state.h]
METHOD_VERSION, TABLE_SIZE = 4, 5  # [decode_state_lut.h, decode_state_prune.h, decode_state_huffman.h]
TABLE_OF_32_BITS = 1  # [decode_state_huffman.h: kDcmTableSize32BitsMask]
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
