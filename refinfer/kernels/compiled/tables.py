"""Which arithmetic has kernels: the planner of each fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refinfer.kernels import (
    activation,
    add,
    concatenate,
    control_flow,
    conv,
    fully_connected,
    lstm,
    mul,
    pad,
    pool,
    quantize,
    reduce,
    resize,
    shape,
    slice,
    softmax,
    space,
)
from refinfer.kernels.compiled.draft import Planner
from refinfer.kernels.compiled.products import (
    plan_conv,
    plan_conv_as_declared,
    plan_depthwise,
    plan_depthwise_as_declared,
    plan_fully_connected,
)
from refinfer.kernels.compiled.sequences import plan_lstm, plan_sequence_lstm, plan_sequence_lstm_plain
from refinfer.kernels.compiled.simple import (
    PLAN_AVERAGE,
    PLAN_DIFFERENCE,
    PLAN_MAXIMUM,
    PLAN_SUM,
    plan_assign_variable,
    plan_dequantize,
    plan_handle,
    plan_mean,
    plan_moves,
    plan_product,
    plan_quantize,
    plan_read_variable,
    plan_softmax,
    plan_table,
    plan_view,
)
from refinfer.kernels.compute import Compute

OF_ONE_BYTE = (
    activation.COMPUTE_RELU,
    activation.COMPUTE_RELU_N1_TO_1,
    activation.COMPUTE_RELU_0_TO_1,
    activation.COMPUTE_RELU6,
    activation.COMPUTE_RELU6_WITHOUT_RESCALING,
    activation.COMPUTE_LEAKY_RELU,
    activation.COMPUTE_LOGISTIC_BY_TABLE,
    activation.COMPUTE_LOGISTIC_FIXED,
    activation.COMPUTE_TANH_BY_TABLE,
    activation.COMPUTE_TANH_FIXED,
    activation.COMPUTE_HARD_SWISH,
    activation.COMPUTE_ELU,
    activation.COMPUTE_ELU_BY_EXP,
    activation.COMPUTE_GELU,
)
VIEWS = (
    shape.COMPUTE_RESHAPE,
    shape.COMPUTE_RESHAPE_AS_DECLARED,
    shape.COMPUTE_SQUEEZE,
    shape.COMPUTE_EXPAND_DIMS,
)
MOVES = (
    concatenate.COMPUTE_PACK,
    concatenate.COMPUTE_SPLIT,
    concatenate.COMPUTE_SPLIT_V,
    concatenate.COMPUTE_UNPACK,
    pad.COMPUTE_MIRROR_PAD,
    pad.COMPUTE_PAD,
    pad.COMPUTE_PAD_INT16_WITH_ZEROS,
    resize.COMPUTE_RESIZE_NEAREST_NEIGHBOR,
    shape.COMPUTE_TRANSPOSE,
    slice.COMPUTE_SLICE,
    slice.COMPUTE_STRIDED_SLICE,
    slice.COMPUTE_STRIDED_SLICE_BY_AXIS,
    space.COMPUTE_DEPTH_TO_SPACE,
    space.COMPUTE_SPACE_TO_DEPTH,
)
OTHERS: dict[Compute, Planner] = {
    add.COMPUTE_ADD: PLAN_SUM,
    add.COMPUTE_ADD_RESCALING: PLAN_SUM,
    add.COMPUTE_SUB: PLAN_DIFFERENCE,
    add.COMPUTE_SUB_RESCALING: PLAN_DIFFERENCE,
    concatenate.COMPUTE_CONCATENATION: plan_moves,
    control_flow.COMPUTE_ASSIGN_VARIABLE: plan_assign_variable,
    control_flow.COMPUTE_ASSIGN_VARIABLE_SET_TO_ZERO: plan_assign_variable,
    control_flow.COMPUTE_READ_VARIABLE: plan_read_variable,
    control_flow.COMPUTE_READ_VARIABLE_AS_DECLARED: plan_read_variable,
    control_flow.COMPUTE_VAR_HANDLE: plan_handle,
    conv.COMPUTE_CONV_2D: plan_conv,
    conv.COMPUTE_CONV_2D_AS_DECLARED: plan_conv_as_declared,
    conv.COMPUTE_DEPTHWISE_CONV_2D: plan_depthwise,
    conv.COMPUTE_DEPTHWISE_CONV_2D_AS_DECLARED: plan_depthwise_as_declared,
    fully_connected.COMPUTE_FULLY_CONNECTED: plan_fully_connected,
    mul.COMPUTE_MUL: plan_product,
    mul.COMPUTE_MUL_QUANTIZED: plan_product,
    pool.COMPUTE_AVERAGE_POOL_2D: PLAN_AVERAGE,
    pool.COMPUTE_MAX_POOL_2D: PLAN_MAXIMUM,
    quantize.COMPUTE_DEQUANTIZE: plan_dequantize,
    quantize.COMPUTE_QUANTIZE: plan_quantize,
    lstm.COMPUTE_LSTM: plan_lstm,
    lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM: plan_sequence_lstm,
    lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM_PLAIN: plan_sequence_lstm_plain,
    reduce.COMPUTE_MEAN: plan_mean,
    reduce.COMPUTE_MEAN_OF_ANY_ZERO_POINT: plan_mean,
    softmax.COMPUTE_SOFTMAX: plan_softmax,
}
PLANNERS: dict[Callable[..., Any], Planner] = {
    compute.fold: planner
    for table in (
        dict.fromkeys(OF_ONE_BYTE, plan_table),
        dict.fromkeys(VIEWS, plan_view),
        dict.fromkeys(MOVES, plan_moves),
        OTHERS,
    )
    for compute, planner in table.items()
}
"""By the fold, which is the operator's arithmetic in one dialect or in both."""
