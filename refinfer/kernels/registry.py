"""Every operator that a runtime registers, in one table that can be read from top to bottom."""

from __future__ import annotations

from refinfer.kernels import (
    activation,
    batch_matmul,
    binary,
    comparison,
    conv,
    cumsum,
    fully_connected,
    normalize,
    pool,
    quantize,
    reduce,
    softmax,
    transpose_conv,
    unary,
)
from refinfer.kernels.kernel import Kernel
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node

TFLM: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.ADD: binary.ADD,
    BuiltinOperator.AVERAGE_POOL_2D: pool.AVERAGE_POOL_2D,
    BuiltinOperator.CONV_2D: conv.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D: conv.DEPTHWISE_CONV_2D,
    BuiltinOperator.DEQUANTIZE: quantize.DEQUANTIZE,
    BuiltinOperator.FLOOR: unary.FLOOR,
    BuiltinOperator.FULLY_CONNECTED: fully_connected.FULLY_CONNECTED,
    BuiltinOperator.L2_NORMALIZATION: normalize.L2_NORMALIZATION,
    BuiltinOperator.L2_POOL_2D: pool.L2_POOL_2D,
    BuiltinOperator.LOGISTIC: activation.LOGISTIC,
    BuiltinOperator.MAX_POOL_2D: pool.MAX_POOL_2D,
    BuiltinOperator.MUL: binary.MUL,
    BuiltinOperator.RELU: activation.RELU,
    BuiltinOperator.RELU6: activation.RELU6,
    BuiltinOperator.SOFTMAX: softmax.SOFTMAX,
    BuiltinOperator.TANH: activation.TANH,
    BuiltinOperator.MEAN: reduce.MEAN,
    BuiltinOperator.SUB: binary.SUB,
    BuiltinOperator.DIV: binary.DIV,
    BuiltinOperator.EXP: unary.EXP,
    BuiltinOperator.LOG_SOFTMAX: softmax.LOG_SOFTMAX,
    BuiltinOperator.CAST: quantize.CAST,
    BuiltinOperator.PRELU: activation.PRELU,
    BuiltinOperator.MAXIMUM: binary.MAXIMUM,
    BuiltinOperator.ARG_MAX: reduce.ARG_MAX,
    BuiltinOperator.MINIMUM: binary.MINIMUM,
    BuiltinOperator.LESS: comparison.LESS,
    BuiltinOperator.NEG: unary.NEG,
    BuiltinOperator.GREATER: comparison.GREATER,
    BuiltinOperator.GREATER_EQUAL: comparison.GREATER_EQUAL,
    BuiltinOperator.LESS_EQUAL: comparison.LESS_EQUAL,
    BuiltinOperator.SIN: unary.SIN,
    BuiltinOperator.TRANSPOSE_CONV: transpose_conv.TRANSPOSE_CONV,
    BuiltinOperator.EQUAL: comparison.EQUAL,
    BuiltinOperator.NOT_EQUAL: comparison.NOT_EQUAL,
    BuiltinOperator.LOG: unary.LOG,
    BuiltinOperator.SUM: reduce.SUM,
    BuiltinOperator.SQRT: unary.SQRT,
    BuiltinOperator.RSQRT: unary.RSQRT,
    BuiltinOperator.ARG_MIN: reduce.ARG_MIN,
    BuiltinOperator.REDUCE_MAX: reduce.REDUCE_MAX,
    BuiltinOperator.LOGICAL_OR: comparison.LOGICAL_OR,
    BuiltinOperator.LOGICAL_AND: comparison.LOGICAL_AND,
    BuiltinOperator.LOGICAL_NOT: comparison.LOGICAL_NOT,
    BuiltinOperator.REDUCE_MIN: reduce.REDUCE_MIN,
    BuiltinOperator.FLOOR_DIV: binary.FLOOR_DIV,
    BuiltinOperator.SQUARE: unary.SQUARE,
    BuiltinOperator.ZEROS_LIKE: unary.ZEROS_LIKE,
    BuiltinOperator.FLOOR_MOD: binary.FLOOR_MOD,
    BuiltinOperator.LEAKY_RELU: activation.LEAKY_RELU,
    BuiltinOperator.SQUARED_DIFFERENCE: binary.SQUARED_DIFFERENCE,
    BuiltinOperator.ABS: unary.ABS,
    BuiltinOperator.CEIL: unary.CEIL,
    BuiltinOperator.ADD_N: binary.ADD_N,
    BuiltinOperator.COS: unary.COS,
    BuiltinOperator.ELU: activation.ELU,
    BuiltinOperator.QUANTIZE: quantize.QUANTIZE,
    BuiltinOperator.ROUND: unary.ROUND,
    BuiltinOperator.HARD_SWISH: activation.HARD_SWISH,
    BuiltinOperator.SELECT_V2: comparison.SELECT_V2,
    BuiltinOperator.BATCH_MATMUL: batch_matmul.BATCH_MATMUL,
    BuiltinOperator.CUMSUM: cumsum.CUMSUM,
    BuiltinOperator.REDUCE_ALL: reduce.REDUCE_ALL,
}

TFLM_CUSTOM: dict[str, Kernel] = {}


def kernel_of(node: Node) -> Kernel | None:
    """The kernel that TFLM registers for the node, or None where it has none."""
    if node.custom_code is not None:
        return TFLM_CUSTOM.get(node.custom_code)
    return TFLM.get(node.op)
