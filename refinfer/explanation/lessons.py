"""Which operators can be explained, and by what: a table from the kernels' rows to lessons."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from refinfer.explanation import (
    convolution,
    elementwise,
    lstm,
    matrix,
    movement,
    pool,
    quantize,
    reduce,
    resize,
    softmax,
    svdf,
    tables,
)
from refinfer.explanation.site import Site
from refinfer.explanation.steps import Lesson, Result
from refinfer.kernels import (
    add,
    batch_matmul,
    concatenate,
    conv,
    fully_connected,
    hard_swish,
    mul,
    optimized,
    pad,
    relu,
    shape,
    sigmoid,
    slice,
    transpose_conv,
)
from refinfer.kernels import lstm as kernels_of_lstm
from refinfer.kernels import pool as kernels_of_pool
from refinfer.kernels import quantize as kernels_of_quantize
from refinfer.kernels import reduce as kernels_of_reduce
from refinfer.kernels import resize as kernels_of_resize
from refinfer.kernels import softmax as kernels_of_softmax
from refinfer.kernels import svdf as kernels_of_svdf
from refinfer.kernels.compute import Compute
from refinfer.kernels.registry import Dialect
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

Explain = Callable[[Site], Lesson[Result]]


class Topic(NamedTuple):
    """A lesson, for which types of the node's tensors: that of input `subject` and that of the first output.

    `covers` asks more of the node.
    """

    lesson: Explain
    types: frozenset[TensorType]
    outputs: frozenset[TensorType]
    subject: int = 0
    covers: Callable[[Node], bool] = lambda node: True


def topic_of(node: Node, dialect: Dialect) -> Topic | None:
    """The lesson for a node in a dialect, if there is one."""
    compute = dialect.compute_of(node)
    topic = None if compute is None else TOPICS.get(compute)
    if topic is None or len(node.inputs) <= topic.subject or len(node.outputs) == 0:
        return None
    subject = node.inputs[topic.subject]
    known = subject is not None and subject.type in topic.types and node.outputs[0].type in topic.outputs
    return topic if known and topic.covers(node) else None


BITS_8 = frozenset({TensorType.INT8, TensorType.UINT8})
INTEGERS = BITS_8 | {TensorType.INT16}
INT8 = frozenset({TensorType.INT8})
INT8_AND_16 = frozenset({TensorType.INT8, TensorType.INT16})
FLOAT32 = frozenset({TensorType.FLOAT32})
NUMBERS = frozenset(TensorType) - {
    TensorType.STRING,
    TensorType.RESOURCE,
    TensorType.VARIANT,
    TensorType.COMPLEX64,
    TensorType.COMPLEX128,
}


def numbers(lesson: Explain, types: frozenset[TensorType], covers: Callable[[Node], bool] = lambda node: True) -> Topic:
    """From a type to the same."""
    return Topic(lesson, types, types, covers=covers)


def by_width(of_8_bits: Explain, of_16_bits: Explain) -> Explain:
    """One lesson or another, by the type of the input."""
    return lambda site: (of_16_bits if site.tensor(0).type == TensorType.INT16 else of_8_bits)(site)


TOPICS: dict[Compute, Topic] = {
    conv.COMPUTE_CONV_2D: numbers(convolution.conv_2d, INTEGERS),
    conv.COMPUTE_CONV_2D_AS_DECLARED: numbers(convolution.conv_2d, INTEGERS),
    conv.COMPUTE_DEPTHWISE_CONV_2D: numbers(convolution.depthwise_conv_2d, INTEGERS),
    conv.COMPUTE_DEPTHWISE_CONV_2D_AS_DECLARED: numbers(convolution.depthwise_conv_2d, INTEGERS),
    transpose_conv.COMPUTE_TRANSPOSE_CONV: Topic(convolution.transposed_conv, INTEGERS, INTEGERS, transpose_conv.INPUT),
    transpose_conv.COMPUTE_TRANSPOSE_CONV_AS_DECLARED: Topic(
        convolution.transposed_conv, INTEGERS, INTEGERS, transpose_conv.INPUT
    ),
    optimized.COMPUTE_TRANSPOSE_CONV: Topic(convolution.transposed_conv, INT8, INT8, transpose_conv.INPUT),
    fully_connected.COMPUTE_FULLY_CONNECTED: numbers(matrix.fully_connected_layer, INTEGERS),
    batch_matmul.COMPUTE_BATCH_MATMUL: numbers(matrix.batched_matmul, INT8_AND_16, matrix.is_integer_product),
    add.COMPUTE_ADD: numbers(elementwise.added, INTEGERS, elementwise.has_any_scales),
    add.COMPUTE_ADD_RESCALING: numbers(elementwise.added, INTEGERS, elementwise.has_any_scales),
    add.COMPUTE_SUB: numbers(elementwise.subtracted, INTEGERS, elementwise.has_any_scales),
    add.COMPUTE_SUB_RESCALING: numbers(elementwise.subtracted, INTEGERS, elementwise.has_any_scales),
    mul.COMPUTE_MUL: numbers(elementwise.multiplied, INTEGERS, elementwise.is_quantized),
    mul.COMPUTE_MUL_QUANTIZED: numbers(elementwise.multiplied, INTEGERS, elementwise.is_quantized),
    kernels_of_pool.COMPUTE_AVERAGE_POOL_2D: numbers(pool.averaged, INTEGERS),
    kernels_of_pool.COMPUTE_MAX_POOL_2D: numbers(pool.largest, INTEGERS),
    kernels_of_reduce.COMPUTE_MEAN: numbers(reduce.mean, INTEGERS),
    kernels_of_reduce.COMPUTE_MEAN_OF_ANY_ZERO_POINT: numbers(reduce.mean, INTEGERS),
    kernels_of_reduce.COMPUTE_SUM: numbers(reduce.total_of, INTEGERS),
    kernels_of_reduce.COMPUTE_SUM_OF_BYTES: numbers(reduce.total_of_bytes, BITS_8),
    kernels_of_softmax.COMPUTE_SOFTMAX: Topic(softmax.softmax, BITS_8, INTEGERS),
    relu.COMPUTE_RELU: numbers(tables.relu, INTEGERS),
    relu.COMPUTE_RELU6: numbers(tables.relu6, INTEGERS),
    relu.COMPUTE_RELU6_WITHOUT_RESCALING: numbers(tables.relu6_without_rescaling, INTEGERS),
    relu.COMPUTE_RELU_N1_TO_1: numbers(tables.relu_n1_to_1, BITS_8),
    relu.COMPUTE_RELU_0_TO_1: numbers(tables.relu_0_to_1, BITS_8),
    relu.COMPUTE_LEAKY_RELU: numbers(tables.leaky_relu, INTEGERS),
    relu.COMPUTE_PRELU: numbers(tables.prelu, BITS_8),
    hard_swish.COMPUTE_HARD_SWISH: numbers(tables.hard_swish, BITS_8),
    sigmoid.COMPUTE_LOGISTIC_BY_TABLE: numbers(
        by_width(tables.logistic_by_table, tables.logistic_of_16_bits), INTEGERS
    ),
    sigmoid.COMPUTE_LOGISTIC_FIXED: numbers(by_width(tables.logistic_fixed, tables.logistic_of_16_bits), INT8_AND_16),
    sigmoid.COMPUTE_TANH_BY_TABLE: numbers(by_width(tables.tanh_by_table, tables.tanh_of_16_bits), INTEGERS),
    sigmoid.COMPUTE_TANH_FIXED: numbers(by_width(tables.tanh_fixed, tables.tanh_of_16_bits), INT8_AND_16),
    kernels_of_quantize.COMPUTE_QUANTIZE: Topic(
        quantize.quantized, INTEGERS | FLOAT32, INTEGERS | {TensorType.INT4, TensorType.INT32}
    ),
    kernels_of_quantize.COMPUTE_DEQUANTIZE: Topic(quantize.dequantized, INTEGERS | {TensorType.INT4}, FLOAT32),
    kernels_of_resize.COMPUTE_RESIZE_BILINEAR: numbers(resize.bilinear, INT8_AND_16),
    kernels_of_resize.COMPUTE_RESIZE_NEAREST_NEIGHBOR: numbers(resize.nearest, NUMBERS),
    kernels_of_svdf.COMPUTE_SVDF: numbers(svdf.unit_of_filters, INT8),
    kernels_of_svdf.COMPUTE_SVDF_PLAIN: numbers(svdf.unit_of_filters, INT8),
    kernels_of_lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM_PLAIN: numbers(lstm.by_tables, INT8_AND_16),
    kernels_of_lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM: numbers(lstm.in_fixed_point, INT8, lstm.is_plain),
    shape.COMPUTE_RESHAPE: numbers(movement.reshaped, NUMBERS),
    shape.COMPUTE_RESHAPE_AS_DECLARED: numbers(movement.reshaped, NUMBERS),
    shape.COMPUTE_SQUEEZE: numbers(movement.reshaped, NUMBERS),
    shape.COMPUTE_EXPAND_DIMS: numbers(movement.reshaped, NUMBERS),
    shape.COMPUTE_EXPAND_DIMS_KEEPING_SCALES: numbers(movement.reshaped, NUMBERS),
    shape.COMPUTE_TRANSPOSE: numbers(movement.transposed, NUMBERS),
    concatenate.COMPUTE_CONCATENATION: numbers(movement.concatenated, NUMBERS, movement.is_unscaled),
    concatenate.COMPUTE_PACK: numbers(movement.packed, NUMBERS),
    concatenate.COMPUTE_PACK_KEEPING_SCALES: numbers(movement.packed, NUMBERS),
    pad.COMPUTE_PAD: numbers(movement.padded, NUMBERS),
    pad.COMPUTE_PAD_INT16_WITH_ZEROS: numbers(movement.padded, NUMBERS),
    slice.COMPUTE_SLICE: numbers(movement.sliced, NUMBERS),
    slice.COMPUTE_STRIDED_SLICE: numbers(movement.sliced_in_steps, NUMBERS),
    slice.COMPUTE_STRIDED_SLICE_BY_AXIS: numbers(movement.sliced_in_steps, NUMBERS),
}
"""By the row that computes the operator: where dialects differ, there are two rows, and often two lessons."""
