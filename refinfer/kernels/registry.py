"""Every operator that a runtime registers, in one table that can be read from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from refinfer.kernels import (
    add,
    arg_max,
    batch_matmul,
    binary,
    bitcast,
    circular_buffer,
    comparison,
    concatenate,
    control_flow,
    conv,
    conv_3d,
    cumsum,
    decode,
    densify,
    detection_postprocess,
    dilate,
    div,
    elu,
    fft,
    filter_bank,
    fully_connected,
    gather,
    generate,
    hard_swish,
    lstm,
    mul,
    non_max_suppression,
    normalize,
    optimized,
    pad,
    pool,
    quantize,
    random_numbers,
    reduce,
    reduce_window,
    relu,
    resize,
    rnn,
    scatter,
    search,
    segment,
    shape,
    sigmoid,
    signal,
    signal_spectrum,
    signal_streams,
    slice,
    slices,
    softmax,
    space,
    squared_difference,
    svdf,
    topk,
    transpose_conv,
    unary,
)
from refinfer.kernels.changes import CHANGES
from refinfer.kernels.common import NDEBUG, first_scale
from refinfer.kernels.compute import Compute
from refinfer.kernels.kernel import Kernel, Overlap
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries.cmsis_nn import CMSIS_NN
from refinfer.kernels.libraries.cmsis_nn_2023 import ADDED_SINCE, CMSIS_NN_2023, CUSTOM_THEN
from refinfer.kernels.libraries.esp_nn import ESP_NN
from refinfer.kernels.numerics import (
    ROUNDED_BY_ANY_BLOCKS,
    ROUNDED_BY_BLOCKS,
    ROUNDED_ONCE,
    ROUNDED_TWICE,
    ROUNDED_UP,
    Numerics,
    as_double,
    as_float,
    in_fixed_point,
    in_fixed_point_of_16_bits,
    in_fixed_point_ties_up,
    in_floating_point,
    in_single_precision,
    only_scale,
    product_ratio,
    product_ratio_of_floats,
    ratio_of_float_product,
)
from refinfer.kernels.quantization import activation_range, activation_range_to_even
from refinfer.kernels.xnnpack import DELEGATED, Delegated
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node

TFLM: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.ADD: add.ADD,
    BuiltinOperator.AVERAGE_POOL_2D: pool.AVERAGE_POOL_2D,
    BuiltinOperator.CONCATENATION: concatenate.CONCATENATION,
    BuiltinOperator.CONV_2D: conv.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D: conv.DEPTHWISE_CONV_2D,
    BuiltinOperator.DEPTH_TO_SPACE: space.DEPTH_TO_SPACE,
    BuiltinOperator.DEQUANTIZE: quantize.DEQUANTIZE,
    BuiltinOperator.EMBEDDING_LOOKUP: gather.EMBEDDING_LOOKUP,
    BuiltinOperator.FLOOR: unary.FLOOR,
    BuiltinOperator.FULLY_CONNECTED: fully_connected.FULLY_CONNECTED,
    BuiltinOperator.L2_NORMALIZATION: normalize.L2_NORMALIZATION,
    BuiltinOperator.L2_POOL_2D: pool.L2_POOL_2D,
    BuiltinOperator.LOGISTIC: sigmoid.LOGISTIC,
    BuiltinOperator.MAX_POOL_2D: pool.MAX_POOL_2D,
    BuiltinOperator.MUL: mul.MUL,
    BuiltinOperator.RELU: relu.RELU,
    BuiltinOperator.RELU6: relu.RELU6,
    BuiltinOperator.RESHAPE: shape.RESHAPE,
    BuiltinOperator.RESIZE_BILINEAR: resize.RESIZE_BILINEAR,
    BuiltinOperator.SOFTMAX: softmax.SOFTMAX,
    BuiltinOperator.SPACE_TO_DEPTH: space.SPACE_TO_DEPTH,
    BuiltinOperator.SVDF: svdf.SVDF,
    BuiltinOperator.TANH: sigmoid.TANH,
    BuiltinOperator.PAD: pad.PAD,
    BuiltinOperator.GATHER: gather.GATHER,
    BuiltinOperator.BATCH_TO_SPACE_ND: space.BATCH_TO_SPACE_ND,
    BuiltinOperator.SPACE_TO_BATCH_ND: space.SPACE_TO_BATCH_ND,
    BuiltinOperator.TRANSPOSE: shape.TRANSPOSE,
    BuiltinOperator.MEAN: reduce.MEAN,
    BuiltinOperator.SUB: add.SUB,
    BuiltinOperator.DIV: div.DIV,
    BuiltinOperator.SQUEEZE: shape.SQUEEZE,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: lstm.UNIDIRECTIONAL_SEQUENCE_LSTM,
    BuiltinOperator.STRIDED_SLICE: slice.STRIDED_SLICE,
    BuiltinOperator.EXP: unary.EXP,
    BuiltinOperator.SPLIT: concatenate.SPLIT,
    BuiltinOperator.LOG_SOFTMAX: softmax.LOG_SOFTMAX,
    BuiltinOperator.CAST: quantize.CAST,
    BuiltinOperator.PRELU: relu.PRELU,
    BuiltinOperator.MAXIMUM: binary.MAXIMUM,
    BuiltinOperator.ARG_MAX: arg_max.ARG_MAX,
    BuiltinOperator.MINIMUM: binary.MINIMUM,
    BuiltinOperator.LESS: comparison.LESS,
    BuiltinOperator.NEG: unary.NEG,
    BuiltinOperator.PADV2: pad.PADV2,
    BuiltinOperator.GREATER: comparison.GREATER,
    BuiltinOperator.GREATER_EQUAL: comparison.GREATER_EQUAL,
    BuiltinOperator.LESS_EQUAL: comparison.LESS_EQUAL,
    BuiltinOperator.SLICE: slice.SLICE,
    BuiltinOperator.SIN: unary.SIN,
    BuiltinOperator.TRANSPOSE_CONV: transpose_conv.TRANSPOSE_CONV,
    BuiltinOperator.EXPAND_DIMS: shape.EXPAND_DIMS,
    BuiltinOperator.EQUAL: comparison.EQUAL,
    BuiltinOperator.NOT_EQUAL: comparison.NOT_EQUAL,
    BuiltinOperator.LOG: unary.LOG,
    BuiltinOperator.SUM: reduce.SUM,
    BuiltinOperator.SQRT: unary.SQRT,
    BuiltinOperator.RSQRT: unary.RSQRT,
    BuiltinOperator.SHAPE: shape.SHAPE,
    BuiltinOperator.ARG_MIN: arg_max.ARG_MIN,
    BuiltinOperator.REDUCE_MAX: reduce.REDUCE_MAX,
    BuiltinOperator.PACK: concatenate.PACK,
    BuiltinOperator.LOGICAL_OR: comparison.LOGICAL_OR,
    BuiltinOperator.LOGICAL_AND: comparison.LOGICAL_AND,
    BuiltinOperator.LOGICAL_NOT: comparison.LOGICAL_NOT,
    BuiltinOperator.UNPACK: concatenate.UNPACK,
    BuiltinOperator.REDUCE_MIN: reduce.REDUCE_MIN,
    BuiltinOperator.FLOOR_DIV: div.FLOOR_DIV,
    BuiltinOperator.SQUARE: unary.SQUARE,
    BuiltinOperator.ZEROS_LIKE: unary.ZEROS_LIKE,
    BuiltinOperator.FILL: shape.FILL,
    BuiltinOperator.FLOOR_MOD: div.FLOOR_MOD,
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: resize.RESIZE_NEAREST_NEIGHBOR,
    BuiltinOperator.LEAKY_RELU: relu.LEAKY_RELU,
    BuiltinOperator.SQUARED_DIFFERENCE: squared_difference.SQUARED_DIFFERENCE,
    BuiltinOperator.MIRROR_PAD: pad.MIRROR_PAD,
    BuiltinOperator.ABS: unary.ABS,
    BuiltinOperator.SPLIT_V: concatenate.SPLIT_V,
    BuiltinOperator.CEIL: unary.CEIL,
    BuiltinOperator.REVERSE_V2: space.REVERSE_V2,
    BuiltinOperator.ADD_N: add.ADD_N,
    BuiltinOperator.GATHER_ND: gather.GATHER_ND,
    BuiltinOperator.COS: unary.COS,
    BuiltinOperator.ELU: elu.ELU,
    BuiltinOperator.QUANTIZE: quantize.QUANTIZE,
    BuiltinOperator.ROUND: unary.ROUND,
    BuiltinOperator.HARD_SWISH: hard_swish.HARD_SWISH,
    BuiltinOperator.IF: control_flow.IF,
    BuiltinOperator.WHILE: control_flow.WHILE,
    BuiltinOperator.SELECT_V2: comparison.SELECT_V2,
    BuiltinOperator.BATCH_MATMUL: batch_matmul.BATCH_MATMUL,
    BuiltinOperator.CUMSUM: cumsum.CUMSUM,
    BuiltinOperator.CALL_ONCE: control_flow.CALL_ONCE,
    BuiltinOperator.BROADCAST_TO: shape.BROADCAST_TO,
    BuiltinOperator.REDUCE_ALL: reduce.REDUCE_ALL,
    BuiltinOperator.VAR_HANDLE: control_flow.VAR_HANDLE,
    BuiltinOperator.READ_VARIABLE: control_flow.READ_VARIABLE,
    BuiltinOperator.ASSIGN_VARIABLE: control_flow.ASSIGN_VARIABLE,
    BuiltinOperator.BROADCAST_ARGS: shape.BROADCAST_ARGS,
    BuiltinOperator.DYNAMIC_UPDATE_SLICE: slice.DYNAMIC_UPDATE_SLICE,
}

TFLM_CUSTOM: dict[str, Kernel] = {
    "CIRCULAR_BUFFER": circular_buffer.CIRCULAR_BUFFER,
    "SignalDelay": signal.DELAY,
    "SignalEnergy": signal.ENERGY,
    "SignalFftAutoScale": signal.FFT_AUTO_SCALE,
    "SignalFilterBank": signal.FILTER_BANK,
    "SignalFilterBankLog": signal.FILTER_BANK_LOG,
    "SignalFilterBankSpectralSubtraction": signal.FILTER_BANK_SPECTRAL_SUBTRACTION,
    "SignalFilterBankSquareRoot": signal.FILTER_BANK_SQUARE_ROOT,
    "SignalFramer": signal.FRAMER,
    "SignalIrfft": signal.IRFFT,
    "SignalOverlapAdd": signal.OVERLAP_ADD,
    "SignalPCAN": signal.PCAN,
    "SignalRfft": signal.RFFT,
    "SignalStacker": signal.STACKER,
    "SignalWindow": signal.WINDOW,
    "TFLM_DECODE": decode.DECODE,
    "TFLite_Detection_PostProcess": detection_postprocess.DETECTION_POSTPROCESS,
}

ODD_RESOLVER_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "SignalPCAN": "AddPCAN",
    "TFLM_DECODE": "AddDecode",
    "TFLite_Detection_PostProcess": "AddDetectionPostprocess",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
"""Methods of MicroMutableOpResolver that do not follow the rule of `resolver_method`."""


TFLM_2023 = {op: kernel for op, kernel in TFLM.items() if op not in ADDED_SINCE}

LIBRARIES = {
    "reference": TFLM,
    "cmsis-nn": TFLM | CMSIS_NN,
    "cmsis-nn-2023": TFLM_2023 | CMSIS_NN_2023,
    "esp-nn": TFLM | ESP_NN,
}
"""The kernel libraries that TFLM is built with: the reference kernels, and what replaces some of them."""

UNREAD = frozenset({"cmsis-nn-2023"})
"""Libraries whose kernels have no rules for overlaps."""

CUSTOM_LIBRARIES = {"cmsis-nn-2023": {code: TFLM_CUSTOM[code] for code in CUSTOM_THEN}}
"""The custom operators of libraries that do not have all of them."""


def kernel_of(node: Node, library: str = "reference") -> Kernel | None:
    """The kernel that TFLM registers for the node in builds with that library, or None where it has none."""
    if node.custom_code is not None:
        return CUSTOM_LIBRARIES.get(library, TFLM_CUSTOM).get(node.custom_code)
    return LIBRARIES[library].get(node.op)


def overlap_of(node: Node, build: Build, position: int = 0, output: int = 0) -> Overlap | None:
    """How the input at a position may share its place with an output, or None where it may not.

    `node` is one that the build runs; that the input is used by nothing else is for the caller to know. An input that
    the node takes more than once must satisfy all of its positions. What holds for each of several outputs holds for
    all at once: they share no bytes among one another.
    """
    kernel, x = kernel_of(node, build.library), node.inputs[position]
    if kernel is None or x is None or not is_read(build):
        return None
    positions = [each for each, other in enumerate(node.inputs) if other is x]
    if len(node.outputs) == 1:
        rules = [kernel.overlap(node, each, build) for each in positions]
    else:
        rules = [kernel.overlaps(node, each, output, build) for each in positions]
    found = [rule for rule in rules if rule is not None]
    if len(found) < len(rules) or (len(set(found)) > 1 and any(rule.exactly for rule in found)):
        return None
    return max(found)


def is_read(build: Build) -> bool:
    """Whether the order of accesses was read in the sources of that age; it is that of the newest only."""
    return build.library not in UNREAD and build.defines.isdisjoint(CHANGES)


def safe_distance(node: Node, build: Build, position: int = 0) -> int | None:
    """From how many bytes above its output on an input may lie; None where no such distance is known."""
    rule = overlap_of(node, build, position)
    return None if rule is None or rule.exactly else rule.distance


def resolver_method(name: str) -> str:
    """The method of MicroMutableOpResolver that registers an operator, by its schema name or custom code.

    It is the name in camel case, without the Signal of the audio operators [micro_mutable_op_resolver.h].
    """
    if name in ODD_RESOLVER_METHODS:
        return ODD_RESOLVER_METHODS[name]
    if name.startswith("Signal"):
        return "Add" + name.removeprefix("Signal")
    return "Add" + "".join(word.capitalize() if word[0].isalpha() else word for word in name.split("_"))


@dataclass(frozen=True, slots=True)
class Delegate:
    """What takes nodes away from a runtime's own kernels: its operators, and the arithmetic in which they differ."""

    operators: Mapping[BuiltinOperator, Delegated]
    numerics: Numerics

    def takes(self, node: Node) -> bool:
        """Whether it satisfies the conditions of its operator."""
        delegated = self.operators.get(node.op) if node.custom_code is None else None
        return delegated is not None and delegated.takes(node)


class Record(NamedTuple):
    """The versions of a package, on a kind of machine, whose bits a dialect gives: the oldest first."""

    package: str
    versions: tuple[str, ...]
    machine: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.package} {self.versions[0]} to {self.versions[-1]} on {self.machine}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one official runtime computes: the arithmetic of each operator, and the functions in which it differs.

    `build`, if any, is the build whose refusals count: what it would not load is not run either. `delegate`, if any,
    comes before the dialect's own kernels.
    """

    name: str
    computes: Mapping[BuiltinOperator, Compute]
    custom: Mapping[str, Compute]
    numerics: Numerics
    build: Build | None = None
    delegate: Delegate | None = None
    reproduces: Record | None = None
    """What it has been compared with, where results depend on that."""

    def compute_of(self, node: Node) -> Compute | None:
        """The arithmetic of the node's operator, or None where the dialect has none."""
        if node.custom_code is not None:
            return self.custom.get(node.custom_code)
        if self.delegate is not None and self.delegate.takes(node):
            return self.delegate.operators[node.op].compute
        return self.computes.get(node.op)

    def numerics_of(self, node: Node) -> Numerics:
        """The functions that the node's arithmetic takes."""
        return self.delegate.numerics if self.delegate is not None and self.delegate.takes(node) else self.numerics

    def admit(self, node: Node) -> None:
        """Raise Refusal where the runtime itself would refuse the node."""
        kernel = kernel_of(node)
        if self.build is not None and kernel is not None:
            for _ in chain(kernel.init(node, self.build), kernel.prepare(node, self.build)):
                pass
            kernel.invoke(node)


SHARED: dict[BuiltinOperator, Compute] = {
    BuiltinOperator.AVERAGE_POOL_2D: pool.COMPUTE_AVERAGE_POOL_2D,
    BuiltinOperator.CONCATENATION: concatenate.COMPUTE_CONCATENATION,
    BuiltinOperator.DEPTH_TO_SPACE: space.COMPUTE_DEPTH_TO_SPACE,
    BuiltinOperator.DEQUANTIZE: quantize.COMPUTE_DEQUANTIZE,
    BuiltinOperator.EMBEDDING_LOOKUP: gather.COMPUTE_EMBEDDING_LOOKUP,
    BuiltinOperator.FLOOR: unary.COMPUTE_FLOOR,
    BuiltinOperator.FULLY_CONNECTED: fully_connected.COMPUTE_FULLY_CONNECTED,
    BuiltinOperator.L2_POOL_2D: pool.COMPUTE_L2_POOL_2D,
    BuiltinOperator.MAX_POOL_2D: pool.COMPUTE_MAX_POOL_2D,
    BuiltinOperator.RELU: relu.COMPUTE_RELU,
    BuiltinOperator.RESIZE_BILINEAR: resize.COMPUTE_RESIZE_BILINEAR,
    BuiltinOperator.SOFTMAX: softmax.COMPUTE_SOFTMAX,
    BuiltinOperator.SPACE_TO_DEPTH: space.COMPUTE_SPACE_TO_DEPTH,
    BuiltinOperator.GATHER: gather.COMPUTE_GATHER,
    BuiltinOperator.TRANSPOSE: shape.COMPUTE_TRANSPOSE,
    BuiltinOperator.SQUEEZE: shape.COMPUTE_SQUEEZE,
    BuiltinOperator.EXP: unary.COMPUTE_EXP,
    BuiltinOperator.SPLIT: concatenate.COMPUTE_SPLIT,
    BuiltinOperator.LOG_SOFTMAX: softmax.COMPUTE_LOG_SOFTMAX,
    BuiltinOperator.PRELU: relu.COMPUTE_PRELU,
    BuiltinOperator.MAXIMUM: binary.COMPUTE_MAXIMUM,
    BuiltinOperator.MINIMUM: binary.COMPUTE_MINIMUM,
    BuiltinOperator.LESS: comparison.COMPUTE_LESS,
    BuiltinOperator.NEG: unary.COMPUTE_NEG,
    BuiltinOperator.GREATER_EQUAL: comparison.COMPUTE_GREATER_EQUAL,
    BuiltinOperator.LESS_EQUAL: comparison.COMPUTE_LESS_EQUAL,
    BuiltinOperator.SLICE: slice.COMPUTE_SLICE,
    BuiltinOperator.SIN: unary.COMPUTE_SIN,
    BuiltinOperator.EQUAL: comparison.COMPUTE_EQUAL,
    BuiltinOperator.NOT_EQUAL: comparison.COMPUTE_NOT_EQUAL,
    BuiltinOperator.LOG: unary.COMPUTE_LOG,
    BuiltinOperator.SQRT: unary.COMPUTE_SQRT,
    BuiltinOperator.LOGICAL_OR: comparison.COMPUTE_LOGICAL_OR,
    BuiltinOperator.LOGICAL_AND: comparison.COMPUTE_LOGICAL_AND,
    BuiltinOperator.LOGICAL_NOT: comparison.COMPUTE_LOGICAL_NOT,
    BuiltinOperator.FLOOR_DIV: div.COMPUTE_FLOOR_DIV,
    BuiltinOperator.SQUARE: unary.COMPUTE_SQUARE,
    BuiltinOperator.ZEROS_LIKE: unary.COMPUTE_ZEROS_LIKE,
    BuiltinOperator.FLOOR_MOD: div.COMPUTE_FLOOR_MOD,
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: resize.COMPUTE_RESIZE_NEAREST_NEIGHBOR,
    BuiltinOperator.LEAKY_RELU: relu.COMPUTE_LEAKY_RELU,
    BuiltinOperator.ABS: unary.COMPUTE_ABS,
    BuiltinOperator.SPLIT_V: concatenate.COMPUTE_SPLIT_V,
    BuiltinOperator.CEIL: unary.COMPUTE_CEIL,
    BuiltinOperator.REVERSE_V2: space.COMPUTE_REVERSE_V2,
    BuiltinOperator.GATHER_ND: gather.COMPUTE_GATHER_ND,
    BuiltinOperator.COS: unary.COMPUTE_COS,
    BuiltinOperator.QUANTIZE: quantize.COMPUTE_QUANTIZE,
    BuiltinOperator.ROUND: unary.COMPUTE_ROUND,
    BuiltinOperator.HARD_SWISH: hard_swish.COMPUTE_HARD_SWISH,
    BuiltinOperator.IF: control_flow.COMPUTE_IF,
    BuiltinOperator.WHILE: control_flow.COMPUTE_WHILE,
    BuiltinOperator.SELECT_V2: comparison.COMPUTE_SELECT_V2,
    BuiltinOperator.DENSIFY: densify.COMPUTE_DENSIFY,
    BuiltinOperator.BATCH_MATMUL: batch_matmul.COMPUTE_BATCH_MATMUL,
    BuiltinOperator.CUMSUM: cumsum.COMPUTE_CUMSUM,
    BuiltinOperator.REDUCE_ALL: reduce.COMPUTE_REDUCE_ALL,
    BuiltinOperator.VAR_HANDLE: control_flow.COMPUTE_VAR_HANDLE,
    BuiltinOperator.BROADCAST_ARGS: shape.COMPUTE_BROADCAST_ARGS,
    BuiltinOperator.DYNAMIC_UPDATE_SLICE: slice.COMPUTE_DYNAMIC_UPDATE_SLICE,
}
"""What all dialects compute alike, but for the functions in their Numerics."""

ONLY_LITERT: dict[BuiltinOperator, Compute] = {
    BuiltinOperator.ADD: add.COMPUTE_ADD,
    BuiltinOperator.CONV_2D: conv.COMPUTE_CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D: conv.COMPUTE_DEPTHWISE_CONV_2D,
    BuiltinOperator.HASHTABLE_LOOKUP: search.COMPUTE_HASHTABLE_LOOKUP,
    BuiltinOperator.L2_NORMALIZATION: normalize.COMPUTE_L2_NORMALIZATION_TO_128THS,
    BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION: normalize.COMPUTE_LOCAL_RESPONSE_NORMALIZATION,
    BuiltinOperator.LOGISTIC: sigmoid.COMPUTE_LOGISTIC_BY_TABLE,
    BuiltinOperator.LSTM: lstm.COMPUTE_LSTM,
    BuiltinOperator.MUL: mul.COMPUTE_MUL,
    BuiltinOperator.RELU_N1_TO_1: relu.COMPUTE_RELU_N1_TO_1,
    BuiltinOperator.RELU6: relu.COMPUTE_RELU6,
    BuiltinOperator.RESHAPE: shape.COMPUTE_RESHAPE,
    BuiltinOperator.RNN: rnn.COMPUTE_RNN,
    BuiltinOperator.SVDF: svdf.COMPUTE_SVDF,
    BuiltinOperator.TANH: sigmoid.COMPUTE_TANH_BY_TABLE,
    BuiltinOperator.EMBEDDING_LOOKUP_SPARSE: gather.COMPUTE_EMBEDDING_LOOKUP_SPARSE,
    BuiltinOperator.PAD: pad.COMPUTE_PAD,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN: rnn.COMPUTE_UNIDIRECTIONAL_SEQUENCE_RNN,
    BuiltinOperator.BATCH_TO_SPACE_ND: space.COMPUTE_BATCH_TO_SPACE_ND_KEEPING_SCALES,
    BuiltinOperator.SPACE_TO_BATCH_ND: space.COMPUTE_SPACE_TO_BATCH_ND_KEEPING_SCALES,
    BuiltinOperator.MEAN: reduce.COMPUTE_MEAN,
    BuiltinOperator.SUB: add.COMPUTE_SUB,
    BuiltinOperator.DIV: div.COMPUTE_DIV,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM,
    BuiltinOperator.STRIDED_SLICE: slice.COMPUTE_STRIDED_SLICE,
    BuiltinOperator.BIDIRECTIONAL_SEQUENCE_RNN: rnn.COMPUTE_BIDIRECTIONAL_SEQUENCE_RNN,
    BuiltinOperator.TOPK_V2: topk.COMPUTE_TOPK_V2,
    BuiltinOperator.BIDIRECTIONAL_SEQUENCE_LSTM: lstm.COMPUTE_BIDIRECTIONAL_SEQUENCE_LSTM,
    BuiltinOperator.CAST: quantize.COMPUTE_CAST,
    BuiltinOperator.ARG_MAX: arg_max.COMPUTE_ARG_MAX_OF_NUMBERS,
    BuiltinOperator.PADV2: pad.COMPUTE_PAD,
    BuiltinOperator.GREATER: comparison.COMPUTE_GREATER,
    BuiltinOperator.SELECT: comparison.COMPUTE_SELECT,
    BuiltinOperator.TRANSPOSE_CONV: transpose_conv.COMPUTE_TRANSPOSE_CONV,
    BuiltinOperator.SPARSE_TO_DENSE: scatter.COMPUTE_SPARSE_TO_DENSE,
    BuiltinOperator.TILE: generate.COMPUTE_TILE,
    BuiltinOperator.EXPAND_DIMS: shape.COMPUTE_EXPAND_DIMS_KEEPING_SCALES,
    BuiltinOperator.SUM: reduce.COMPUTE_SUM_OF_BYTES,
    BuiltinOperator.RSQRT: unary.COMPUTE_RSQRT_BY_TABLE,
    BuiltinOperator.SHAPE: shape.COMPUTE_SHAPE,
    BuiltinOperator.POW: binary.COMPUTE_POW,
    BuiltinOperator.ARG_MIN: arg_max.COMPUTE_ARG_MIN_OF_NUMBERS,
    BuiltinOperator.FAKE_QUANT: quantize.COMPUTE_FAKE_QUANT,
    BuiltinOperator.REDUCE_PROD: reduce.COMPUTE_REDUCE_PROD,
    BuiltinOperator.REDUCE_MAX: reduce.COMPUTE_REDUCE_MAX_FROM_FIRST,
    BuiltinOperator.PACK: concatenate.COMPUTE_PACK_KEEPING_SCALES,
    BuiltinOperator.ONE_HOT: generate.COMPUTE_ONE_HOT,
    BuiltinOperator.UNPACK: concatenate.COMPUTE_UNPACK_KEEPING_SCALES,
    BuiltinOperator.REDUCE_MIN: reduce.COMPUTE_REDUCE_MIN_FROM_FIRST,
    BuiltinOperator.REDUCE_ANY: reduce.COMPUTE_REDUCE_ANY,
    BuiltinOperator.FILL: shape.COMPUTE_FILL_KEEPING_SCALES,
    BuiltinOperator.RANGE: generate.COMPUTE_RANGE,
    BuiltinOperator.SQUARED_DIFFERENCE: squared_difference.COMPUTE_SQUARED_DIFFERENCE,
    BuiltinOperator.MIRROR_PAD: pad.COMPUTE_MIRROR_PAD_KEEPING_SCALES,
    BuiltinOperator.UNIQUE: search.COMPUTE_UNIQUE,
    BuiltinOperator.ADD_N: add.COMPUTE_ADD_N,
    BuiltinOperator.WHERE: search.COMPUTE_WHERE,
    BuiltinOperator.RANK: shape.COMPUTE_RANK,
    BuiltinOperator.ELU: elu.COMPUTE_ELU,
    BuiltinOperator.REVERSE_SEQUENCE: space.COMPUTE_REVERSE_SEQUENCE,
    BuiltinOperator.MATRIX_DIAG: generate.COMPUTE_MATRIX_DIAG,
    BuiltinOperator.MATRIX_SET_DIAG: generate.COMPUTE_MATRIX_SET_DIAG,
    BuiltinOperator.NON_MAX_SUPPRESSION_V4: non_max_suppression.COMPUTE_NON_MAX_SUPPRESSION,
    BuiltinOperator.NON_MAX_SUPPRESSION_V5: non_max_suppression.COMPUTE_NON_MAX_SUPPRESSION,
    BuiltinOperator.SCATTER_ND: scatter.COMPUTE_SCATTER_ND,
    BuiltinOperator.SEGMENT_SUM: segment.COMPUTE_SEGMENT_SUM,
    BuiltinOperator.CALL_ONCE: control_flow.COMPUTE_CALL_ONCE,
    BuiltinOperator.BROADCAST_TO: shape.COMPUTE_BROADCAST_TO_SINCE_2,
    BuiltinOperator.RFFT2D: fft.COMPUTE_RFFT2D,
    BuiltinOperator.CONV_3D: conv_3d.COMPUTE_CONV_3D,
    BuiltinOperator.IMAG: unary.COMPUTE_IMAG,
    BuiltinOperator.REAL: unary.COMPUTE_REAL,
    BuiltinOperator.COMPLEX_ABS: unary.COMPUTE_COMPLEX_ABS,
    BuiltinOperator.CONV_3D_TRANSPOSE: conv_3d.COMPUTE_CONV_3D_TRANSPOSE,
    BuiltinOperator.READ_VARIABLE: control_flow.COMPUTE_READ_VARIABLE,
    BuiltinOperator.ASSIGN_VARIABLE: control_flow.COMPUTE_ASSIGN_VARIABLE,
    BuiltinOperator.RANDOM_STANDARD_NORMAL: random_numbers.COMPUTE_RANDOM,
    BuiltinOperator.BUCKETIZE: search.COMPUTE_BUCKETIZE,
    BuiltinOperator.RANDOM_UNIFORM: random_numbers.COMPUTE_RANDOM,
    BuiltinOperator.MULTINOMIAL: random_numbers.COMPUTE_RANDOM,
    BuiltinOperator.GELU: elu.COMPUTE_GELU,
    BuiltinOperator.RELU_0_TO_1: relu.COMPUTE_RELU_0_TO_1,
    BuiltinOperator.UNSORTED_SEGMENT_PROD: segment.COMPUTE_UNSORTED_SEGMENT_PROD,
    BuiltinOperator.UNSORTED_SEGMENT_MAX: segment.COMPUTE_UNSORTED_SEGMENT_MAX,
    BuiltinOperator.UNSORTED_SEGMENT_SUM: segment.COMPUTE_UNSORTED_SEGMENT_SUM,
    BuiltinOperator.ATAN2: binary.COMPUTE_ATAN2,
    BuiltinOperator.UNSORTED_SEGMENT_MIN: segment.COMPUTE_UNSORTED_SEGMENT_MIN,
    BuiltinOperator.SIGN: unary.COMPUTE_SIGN,
    BuiltinOperator.BITCAST: bitcast.COMPUTE_BITCAST,
    BuiltinOperator.BITWISE_XOR: binary.COMPUTE_BITWISE_XOR,
    BuiltinOperator.RIGHT_SHIFT: binary.COMPUTE_RIGHT_SHIFT,
    BuiltinOperator.STABLEHLO_ADD: binary.COMPUTE_STABLEHLO_ADD,
    BuiltinOperator.STABLEHLO_MULTIPLY: binary.COMPUTE_STABLEHLO_MULTIPLY,
    BuiltinOperator.STABLEHLO_MAXIMUM: binary.COMPUTE_STABLEHLO_MAXIMUM,
    BuiltinOperator.STABLEHLO_MINIMUM: binary.COMPUTE_STABLEHLO_MINIMUM,
    BuiltinOperator.STABLEHLO_SCATTER: slices.COMPUTE_STABLEHLO_SCATTER,
    BuiltinOperator.STABLEHLO_PAD: dilate.COMPUTE_STABLEHLO_PAD,
    BuiltinOperator.STABLEHLO_REDUCE_WINDOW: reduce_window.COMPUTE_STABLEHLO_REDUCE_WINDOW,
    BuiltinOperator.STABLEHLO_GATHER: slices.COMPUTE_STABLEHLO_GATHER,
    BuiltinOperator.DILATE: dilate.COMPUTE_DILATE,
    BuiltinOperator.STABLEHLO_RNG_BIT_GENERATOR: random_numbers.COMPUTE_RANDOM,
    BuiltinOperator.REDUCE_WINDOW: reduce_window.COMPUTE_REDUCE_WINDOW,
    BuiltinOperator.STABLEHLO_COMPOSITE: control_flow.COMPUTE_STABLEHLO_COMPOSITE,
}
ONLY_TFLM: dict[BuiltinOperator, Compute] = {
    BuiltinOperator.ADD: add.COMPUTE_ADD_RESCALING,
    BuiltinOperator.CONV_2D: conv.COMPUTE_CONV_2D_AS_DECLARED,
    BuiltinOperator.DEPTHWISE_CONV_2D: conv.COMPUTE_DEPTHWISE_CONV_2D_AS_DECLARED,
    BuiltinOperator.L2_NORMALIZATION: normalize.COMPUTE_L2_NORMALIZATION,
    BuiltinOperator.LOGISTIC: sigmoid.COMPUTE_LOGISTIC_FIXED,
    BuiltinOperator.MUL: mul.COMPUTE_MUL_QUANTIZED,
    BuiltinOperator.RELU6: relu.COMPUTE_RELU6_WITHOUT_RESCALING,
    BuiltinOperator.RESHAPE: shape.COMPUTE_RESHAPE_AS_DECLARED,
    BuiltinOperator.SVDF: svdf.COMPUTE_SVDF_PLAIN,
    BuiltinOperator.TANH: sigmoid.COMPUTE_TANH_FIXED,
    BuiltinOperator.PAD: pad.COMPUTE_PAD_INT16_WITH_ZEROS,
    BuiltinOperator.BATCH_TO_SPACE_ND: space.COMPUTE_BATCH_TO_SPACE_ND,
    BuiltinOperator.SPACE_TO_BATCH_ND: space.COMPUTE_SPACE_TO_BATCH_ND_WITH_ZEROS,
    BuiltinOperator.MEAN: reduce.COMPUTE_MEAN_OF_ANY_ZERO_POINT,
    BuiltinOperator.SUB: add.COMPUTE_SUB_RESCALING,
    BuiltinOperator.DIV: div.COMPUTE_DIV_AS_C,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM_PLAIN,
    BuiltinOperator.STRIDED_SLICE: slice.COMPUTE_STRIDED_SLICE_BY_AXIS,
    BuiltinOperator.CAST: quantize.COMPUTE_CAST_NAN_TO_ZERO,
    BuiltinOperator.ARG_MAX: arg_max.COMPUTE_ARG_MAX,
    BuiltinOperator.PADV2: pad.COMPUTE_PAD_INT16_WITH_ZEROS,
    BuiltinOperator.GREATER: comparison.COMPUTE_GREATER_BUT_INT16,
    BuiltinOperator.TRANSPOSE_CONV: transpose_conv.COMPUTE_TRANSPOSE_CONV_AS_DECLARED,
    BuiltinOperator.EXPAND_DIMS: shape.COMPUTE_EXPAND_DIMS,
    BuiltinOperator.SUM: reduce.COMPUTE_SUM,
    BuiltinOperator.RSQRT: unary.COMPUTE_RSQRT,
    BuiltinOperator.SHAPE: shape.COMPUTE_SHAPE_AS_DECLARED,
    BuiltinOperator.ARG_MIN: arg_max.COMPUTE_ARG_MIN,
    BuiltinOperator.REDUCE_MAX: reduce.COMPUTE_REDUCE_MAX,
    BuiltinOperator.PACK: concatenate.COMPUTE_PACK,
    BuiltinOperator.UNPACK: concatenate.COMPUTE_UNPACK,
    BuiltinOperator.REDUCE_MIN: reduce.COMPUTE_REDUCE_MIN,
    BuiltinOperator.FILL: shape.COMPUTE_FILL,
    BuiltinOperator.SQUARED_DIFFERENCE: squared_difference.COMPUTE_SQUARED_DIFFERENCE_OF_ANY_SCALE,
    BuiltinOperator.MIRROR_PAD: pad.COMPUTE_MIRROR_PAD,
    BuiltinOperator.ADD_N: add.COMPUTE_ADD_N_QUANTIZED,
    BuiltinOperator.ELU: elu.COMPUTE_ELU_BY_EXP,
    BuiltinOperator.CALL_ONCE: control_flow.COMPUTE_CALL_ONCE_PER_NODE,
    BuiltinOperator.BROADCAST_TO: shape.COMPUTE_BROADCAST_TO,
    BuiltinOperator.READ_VARIABLE: control_flow.COMPUTE_READ_VARIABLE_AS_DECLARED,
    BuiltinOperator.ASSIGN_VARIABLE: control_flow.COMPUTE_ASSIGN_VARIABLE_SET_TO_ZERO,
}
"""What the dialects compute in different ways."""

ONLY_LITERT_CUSTOM: dict[str, Compute] = {
    "TFLite_Detection_PostProcess": detection_postprocess.COMPUTE_DETECTION_POSTPROCESS,
}
ONLY_TFLM_CUSTOM: dict[str, Compute] = {
    "CIRCULAR_BUFFER": circular_buffer.COMPUTE_CIRCULAR_BUFFER,
    "SignalDelay": signal_streams.COMPUTE_DELAY,
    "SignalEnergy": signal_spectrum.COMPUTE_ENERGY,
    "SignalFftAutoScale": signal_spectrum.COMPUTE_FFT_AUTO_SCALE,
    "SignalFilterBank": filter_bank.COMPUTE_FILTER_BANK,
    "SignalFilterBankLog": filter_bank.COMPUTE_FILTER_BANK_LOG,
    "SignalFilterBankSpectralSubtraction": filter_bank.COMPUTE_FILTER_BANK_SPECTRAL_SUBTRACTION,
    "SignalFilterBankSquareRoot": filter_bank.COMPUTE_FILTER_BANK_SQUARE_ROOT,
    "SignalFramer": signal_streams.COMPUTE_FRAMER,
    "SignalIrfft": signal_spectrum.COMPUTE_IRFFT,
    "SignalOverlapAdd": signal_streams.COMPUTE_OVERLAP_ADD,
    "SignalPCAN": filter_bank.COMPUTE_PCAN,
    "SignalRfft": signal_spectrum.COMPUTE_RFFT,
    "SignalStacker": signal_streams.COMPUTE_STACKER,
    "SignalWindow": signal_spectrum.COMPUTE_WINDOW,
    "TFLM_DECODE": decode.COMPUTE_DECODE,
    "TFLite_Detection_PostProcess": detection_postprocess.COMPUTE_DETECTION_POSTPROCESS_AS_DECLARED,
}
"""The same for custom operators."""

OPTIMIZED: dict[BuiltinOperator, Compute] = {
    BuiltinOperator.ADD: optimized.COMPUTE_ADD,
    BuiltinOperator.DEQUANTIZE: optimized.COMPUTE_DEQUANTIZE,
    BuiltinOperator.RESIZE_BILINEAR: optimized.COMPUTE_RESIZE_BILINEAR,
    BuiltinOperator.MUL: optimized.COMPUTE_MUL,
    BuiltinOperator.SOFTMAX: optimized.COMPUTE_SOFTMAX,
    BuiltinOperator.MEAN: optimized.COMPUTE_MEAN,
    BuiltinOperator.SUM: optimized.COMPUTE_SUM,
    BuiltinOperator.REDUCE_PROD: optimized.COMPUTE_REDUCE_PROD,
    BuiltinOperator.TRANSPOSE_CONV: optimized.COMPUTE_TRANSPOSE_CONV,
    BuiltinOperator.QUANTIZE: optimized.COMPUTE_QUANTIZE,
}
"""What LiteRT's vector kernels compute in another way than its reference kernels, but for `Numerics`."""

LITERT_NUMERICS = Numerics(
    fully_connected_requantize=in_floating_point,
    fully_connected_requantize_int16=in_floating_point,
    scale_of_one=only_scale,
    scale=as_float,
    product_multiplier=product_ratio_of_floats,
    batch_matmul_multiplier=ratio_of_float_product,
    softmax_multiplier=ratio_of_float_product,
    softmax_real=as_double,
    convolution=ROUNDED_TWICE,
    grouped_convolution=ROUNDED_TWICE,
    depthwise_convolution=ROUNDED_TWICE,
    transposed_convolution=ROUNDED_TWICE,
    fully_connected_multiplier=product_ratio,
    batch_matmul_requantize=in_fixed_point,
    activation_range=activation_range,
)
OPTIMIZED_NUMERICS = replace(
    LITERT_NUMERICS,
    fully_connected_requantize=in_fixed_point_ties_up,
    convolution=ROUNDED_UP,
    depthwise_convolution=ROUNDED_BY_BLOCKS,
    transposed_convolution=ROUNDED_BY_ANY_BLOCKS,
    fully_connected_multiplier=ratio_of_float_product,
)
XNNPACK_NUMERICS = replace(
    LITERT_NUMERICS,
    fully_connected_requantize=in_single_precision,
    batch_matmul_multiplier=product_ratio_of_floats,
    convolution=ROUNDED_ONCE,
    grouped_convolution=ROUNDED_ONCE,
    depthwise_convolution=ROUNDED_ONCE,
    transposed_convolution=ROUNDED_ONCE,
    fully_connected_multiplier=product_ratio_of_floats,
    batch_matmul_requantize=in_single_precision,
    activation_range=activation_range_to_even,
)
X86 = Record("ai-edge-litert", ("2.1.4", "2.1.5", "2.1.6", "2.2.0", "2.3.0"), "x86-64 with AVX-512, one thread")

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("litert", SHARED | ONLY_LITERT, ONLY_LITERT_CUSTOM, LITERT_NUMERICS),
        Dialect(
            "tflm",
            SHARED | ONLY_TFLM,
            ONLY_TFLM_CUSTOM,
            Numerics(
                fully_connected_requantize=in_fixed_point,
                fully_connected_requantize_int16=in_fixed_point_of_16_bits,
                scale_of_one=first_scale,
                scale=as_double,
                product_multiplier=product_ratio,
                batch_matmul_multiplier=product_ratio,
                softmax_multiplier=product_ratio,
                softmax_real=as_float,
                convolution=ROUNDED_TWICE,
                grouped_convolution=ROUNDED_TWICE,
                depthwise_convolution=ROUNDED_TWICE,
                transposed_convolution=ROUNDED_TWICE,
                fully_connected_multiplier=product_ratio,
                batch_matmul_requantize=in_fixed_point,
                activation_range=activation_range,
            ),
            build=Build(Abi(pointer=8, enum=4), defines=frozenset({"TF_LITE_STATIC_MEMORY", NDEBUG})),
        ),
        Dialect(
            "litert-optimized",
            SHARED | ONLY_LITERT | OPTIMIZED,
            ONLY_LITERT_CUSTOM,
            OPTIMIZED_NUMERICS,
            reproduces=X86,
        ),
        Dialect(
            "xnnpack",
            SHARED | ONLY_LITERT | OPTIMIZED,
            ONLY_LITERT_CUSTOM,
            OPTIMIZED_NUMERICS,
            delegate=Delegate(DELEGATED, XNNPACK_NUMERICS),
            reproduces=X86,
        ),
    )
}
"""The four official answers.

litert is LiteRT's BUILTIN_REF, tflm the reference kernels of TFLM: what a board computes. litert-optimized is
BUILTIN_WITHOUT_DEFAULT_DELEGATES, and xnnpack what LiteRT answers if nothing is asked of it: the delegate XNNPACK, and
the optimized kernels for what that leaves. Of the last two, only what is quantized has exact bits; floats are computed
as the reference kernels do, in another order than these runtimes'.
"""

PORTABLE = {name: DIALECTS[name] for name in ("litert", "tflm")}
"""The reference kernels, which compute the same bits on every machine."""
