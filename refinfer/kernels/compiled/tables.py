"""Which arithmetic has kernels: the planner of each fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refinfer.kernels import (
    add,
    arg_max,
    batch_matmul,
    binary,
    concatenate,
    control_flow,
    conv,
    div,
    elu,
    fully_connected,
    gather,
    generate,
    hard_swish,
    lstm,
    mul,
    pad,
    pool,
    quantize,
    reduce,
    relu,
    resize,
    rnn,
    shape,
    sigmoid,
    slice,
    softmax,
    space,
    squared_difference,
    svdf,
    transpose_conv,
    unary,
    xnnpack,
)
from refinfer.kernels.compiled import hybrid_plans
from refinfer.kernels.compiled.draft import Planner
from refinfer.kernels.compiled.float_plans import (
    PLAN_LEAKY,
    PLAN_SQUARED_DIFFERENCE,
    of_floats,
    plan_combination,
    plan_extreme,
    plan_function,
    plan_limits,
    plan_log_softmax_of_floats,
    plan_nothing,
    plan_prelu,
    plan_softmax_of_floats,
)
from refinfer.kernels.compiled.hybrid_plans import of_hybrid
from refinfer.kernels.compiled.products import (
    plan_conv,
    plan_conv_as_declared,
    plan_depthwise,
    plan_depthwise_as_declared,
    plan_fully_connected,
)
from refinfer.kernels.compiled.records import (
    ABSOLUTE,
    ADDED,
    BY_FOURS,
    DIVIDED,
    DOWNWARDS,
    ELU,
    HARD_SWISH,
    IN_ORDER,
    LARGER,
    MULTIPLIED,
    NEGATIVE,
    OF_C,
    RSQRT,
    SIGMOID,
    SMALLER,
    SQUARE_ROOT,
    SQUARED,
    SUBTRACTED,
    UPWARDS,
)
from refinfer.kernels.compiled.reduction_plans import (
    PLAN_MEAN_OF_FLOATS,
    plan_extreme_of,
    plan_index,
    plan_reduction_of_floats,
)
from refinfer.kernels.compiled.rnn_plans import plan_rnn, plan_sequence_rnn
from refinfer.kernels.compiled.sequences import plan_lstm, plan_sequence_lstm, plan_sequence_lstm_plain, plan_svdf
from refinfer.kernels.compiled.simple import (
    PLAN_AVERAGE,
    PLAN_DIFFERENCE,
    PLAN_MAXIMUM,
    PLAN_SUM,
    plan_assign_variable,
    plan_bilinear,
    plan_dequantize,
    plan_handle,
    plan_mean,
    plan_moves,
    plan_pairs,
    plan_product,
    plan_quantize,
    plan_read_variable,
    plan_softmax,
    plan_table,
    plan_table_of_constant,
    plan_view,
)
from refinfer.kernels.compiled.svdf_plans import plan_svdf_of_floats
from refinfer.kernels.compiled.transposed import (
    plan_batch_matmul,
    plan_transpose_conv,
    plan_transpose_conv_as_declared,
)
from refinfer.kernels.compute import Compute
from refinfer.schema.enums import BuiltinOperator

OF_ONE_BYTE = (elu.COMPUTE_GELU,)
LIMITS = (
    relu.COMPUTE_RELU,
    relu.COMPUTE_RELU_N1_TO_1,
    relu.COMPUTE_RELU_0_TO_1,
    relu.COMPUTE_RELU6,
    relu.COMPUTE_RELU6_WITHOUT_RESCALING,
)
FUNCTIONS: dict[Compute, Planner] = {
    relu.COMPUTE_LEAKY_RELU: PLAN_LEAKY,
    sigmoid.COMPUTE_LOGISTIC_BY_TABLE: plan_function(SIGMOID, "expf"),
    sigmoid.COMPUTE_LOGISTIC_FIXED: plan_function(SIGMOID, "expf"),
    sigmoid.COMPUTE_TANH_BY_TABLE: plan_function(OF_C, "tanhf"),
    sigmoid.COMPUTE_TANH_FIXED: plan_function(OF_C, "tanhf"),
    hard_swish.COMPUTE_HARD_SWISH: plan_function(HARD_SWISH),
    elu.COMPUTE_ELU: plan_function(ELU, "expm1f"),
    elu.COMPUTE_ELU_BY_EXP: plan_function(ELU, "expm1f"),
    unary.COMPUTE_EXP: plan_function(OF_C, "expf"),
    unary.COMPUTE_LOG: plan_function(OF_C, "logf"),
    unary.COMPUTE_ABS: plan_function(ABSOLUTE),
    unary.COMPUTE_CEIL: plan_function(UPWARDS),
    unary.COMPUTE_COS: plan_function(OF_C, "cosf"),
    unary.COMPUTE_FLOOR: plan_function(DOWNWARDS),
    unary.COMPUTE_SIN: plan_function(OF_C, "sinf"),
    unary.COMPUTE_SQUARE: plan_function(SQUARED),
    unary.COMPUTE_NEG: plan_function(NEGATIVE),
    unary.COMPUTE_RSQRT: plan_function(RSQRT),
    unary.COMPUTE_RSQRT_BY_TABLE: plan_function(RSQRT),
    unary.COMPUTE_SQRT: plan_function(SQUARE_ROOT),
}
OF_ONE_NUMBER = (*OF_ONE_BYTE, *LIMITS, *FUNCTIONS)
VIEWS = (
    shape.COMPUTE_RESHAPE,
    shape.COMPUTE_RESHAPE_AS_DECLARED,
    shape.COMPUTE_SQUEEZE,
    shape.COMPUTE_EXPAND_DIMS,
    shape.COMPUTE_EXPAND_DIMS_KEEPING_SCALES,
)
MOVES = (
    concatenate.COMPUTE_PACK,
    concatenate.COMPUTE_PACK_KEEPING_SCALES,
    concatenate.COMPUTE_SPLIT,
    concatenate.COMPUTE_SPLIT_V,
    concatenate.COMPUTE_UNPACK,
    concatenate.COMPUTE_UNPACK_KEEPING_SCALES,
    gather.COMPUTE_GATHER,
    generate.COMPUTE_TILE,
    pad.COMPUTE_MIRROR_PAD,
    pad.COMPUTE_MIRROR_PAD_KEEPING_SCALES,
    pad.COMPUTE_PAD,
    pad.COMPUTE_PAD_INT16_WITH_ZEROS,
    resize.COMPUTE_RESIZE_NEAREST_NEIGHBOR,
    shape.COMPUTE_TRANSPOSE,
    slice.COMPUTE_SLICE,
    slice.COMPUTE_STRIDED_SLICE,
    slice.COMPUTE_STRIDED_SLICE_BY_AXIS,
    space.COMPUTE_BATCH_TO_SPACE_ND,
    space.COMPUTE_BATCH_TO_SPACE_ND_KEEPING_SCALES,
    space.COMPUTE_DEPTH_TO_SPACE,
    space.COMPUTE_REVERSE_V2,
    space.COMPUTE_SPACE_TO_BATCH_ND_KEEPING_SCALES,
    space.COMPUTE_SPACE_TO_BATCH_ND_WITH_ZEROS,
    space.COMPUTE_SPACE_TO_DEPTH,
)
OTHERS: dict[Compute, Planner] = {
    add.COMPUTE_ADD: plan_combination(ADDED, PLAN_SUM),
    add.COMPUTE_ADD_RESCALING: plan_combination(ADDED, PLAN_SUM),
    add.COMPUTE_SUB: plan_combination(SUBTRACTED, PLAN_DIFFERENCE),
    add.COMPUTE_SUB_RESCALING: plan_combination(SUBTRACTED, PLAN_DIFFERENCE),
    binary.COMPUTE_MAXIMUM: plan_combination(LARGER, plan_extreme(True), activated=False),
    binary.COMPUTE_MINIMUM: plan_combination(SMALLER, plan_extreme(False), activated=False),
    concatenate.COMPUTE_CONCATENATION: plan_moves,
    control_flow.COMPUTE_ASSIGN_VARIABLE: plan_assign_variable,
    control_flow.COMPUTE_ASSIGN_VARIABLE_SET_TO_ZERO: plan_assign_variable,
    control_flow.COMPUTE_READ_VARIABLE: plan_read_variable,
    control_flow.COMPUTE_READ_VARIABLE_AS_DECLARED: plan_read_variable,
    control_flow.COMPUTE_VAR_HANDLE: plan_handle,
    conv.COMPUTE_CONV_2D: of_hybrid(hybrid_plans.plan_conv, plan_conv),
    conv.COMPUTE_CONV_2D_AS_DECLARED: of_hybrid(hybrid_plans.plan_conv_as_declared, plan_conv_as_declared),
    conv.COMPUTE_DEPTHWISE_CONV_2D: of_hybrid(hybrid_plans.plan_depthwise, plan_depthwise),
    conv.COMPUTE_DEPTHWISE_CONV_2D_AS_DECLARED: of_hybrid(
        hybrid_plans.plan_depthwise_as_declared, plan_depthwise_as_declared
    ),
    fully_connected.COMPUTE_FULLY_CONNECTED: of_hybrid(hybrid_plans.plan_fully_connected, plan_fully_connected),
    div.COMPUTE_DIV: plan_combination(DIVIDED, plan_table_of_constant),
    div.COMPUTE_DIV_AS_C: plan_combination(DIVIDED, plan_table_of_constant),
    mul.COMPUTE_MUL: plan_combination(MULTIPLIED, plan_product),
    mul.COMPUTE_MUL_QUANTIZED: plan_combination(MULTIPLIED, plan_product),
    pool.COMPUTE_AVERAGE_POOL_2D: PLAN_AVERAGE,
    pool.COMPUTE_MAX_POOL_2D: PLAN_MAXIMUM,
    relu.COMPUTE_PRELU: plan_prelu,
    quantize.COMPUTE_DEQUANTIZE: plan_dequantize,
    quantize.COMPUTE_QUANTIZE: plan_quantize,
    lstm.COMPUTE_LSTM: plan_lstm,
    lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM: plan_sequence_lstm,
    lstm.COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM_PLAIN: plan_sequence_lstm_plain,
    arg_max.COMPUTE_ARG_MAX: plan_index(is_larger=True),
    arg_max.COMPUTE_ARG_MAX_OF_NUMBERS: plan_index(is_larger=True),
    arg_max.COMPUTE_ARG_MIN: plan_index(is_larger=False),
    arg_max.COMPUTE_ARG_MIN_OF_NUMBERS: plan_index(is_larger=False),
    reduce.COMPUTE_MEAN: of_floats(PLAN_MEAN_OF_FLOATS, plan_mean),
    reduce.COMPUTE_MEAN_OF_ANY_ZERO_POINT: of_floats(PLAN_MEAN_OF_FLOATS, plan_mean),
    reduce.COMPUTE_REDUCE_MAX: plan_extreme_of(LARGER, from_first=False),
    reduce.COMPUTE_REDUCE_MAX_FROM_FIRST: plan_extreme_of(LARGER, from_first=True),
    reduce.COMPUTE_REDUCE_MIN: plan_extreme_of(SMALLER, from_first=False),
    reduce.COMPUTE_REDUCE_MIN_FROM_FIRST: plan_extreme_of(SMALLER, from_first=True),
    reduce.COMPUTE_SUM: of_floats(plan_reduction_of_floats(ADDED, 0), plan_nothing),
    reduce.COMPUTE_SUM_OF_BYTES: of_floats(plan_reduction_of_floats(ADDED, 0, from_first=True), plan_nothing),
    rnn.COMPUTE_RNN: plan_rnn,
    rnn.COMPUTE_UNIDIRECTIONAL_SEQUENCE_RNN: plan_sequence_rnn,
    svdf.COMPUTE_SVDF: of_floats(plan_svdf_of_floats(BY_FOURS), plan_svdf),
    svdf.COMPUTE_SVDF_PLAIN: of_floats(plan_svdf_of_floats(IN_ORDER), plan_svdf),
    resize.COMPUTE_RESIZE_BILINEAR: plan_bilinear,
    softmax.COMPUTE_LOG_SOFTMAX: of_floats(plan_log_softmax_of_floats, plan_nothing),
    softmax.COMPUTE_SOFTMAX: of_floats(plan_softmax_of_floats, plan_softmax),
    batch_matmul.COMPUTE_BATCH_MATMUL: plan_batch_matmul,
    transpose_conv.COMPUTE_TRANSPOSE_CONV: plan_transpose_conv,
    transpose_conv.COMPUTE_TRANSPOSE_CONV_AS_DECLARED: plan_transpose_conv_as_declared,
    squared_difference.COMPUTE_SQUARED_DIFFERENCE: PLAN_SQUARED_DIFFERENCE,
    squared_difference.COMPUTE_SQUARED_DIFFERENCE_OF_ANY_SCALE: PLAN_SQUARED_DIFFERENCE,
}
BY_XNNPACK: dict[BuiltinOperator, Planner] = {
    **dict.fromkeys((BuiltinOperator.ADD, BuiltinOperator.SUB, BuiltinOperator.MUL), plan_pairs),
    BuiltinOperator.DEQUANTIZE: plan_table,
    BuiltinOperator.ELU: plan_table,
    BuiltinOperator.LEAKY_RELU: plan_table,
    BuiltinOperator.LOGISTIC: plan_table,
    BuiltinOperator.QUANTIZE: plan_table,
    BuiltinOperator.TANH: plan_table,
}
"""Operators that the delegate computes in its own way, byte by byte."""

PLANNERS: dict[Callable[..., Any], Planner] = {
    compute.fold: planner
    for table in (
        dict.fromkeys(OF_ONE_BYTE, plan_table),
        dict.fromkeys(LIMITS, of_floats(plan_limits, plan_table)),
        FUNCTIONS,
        dict.fromkeys(VIEWS, plan_view),
        dict.fromkeys(MOVES, plan_moves),
        OTHERS,
        {xnnpack.DELEGATED[operator].compute: planner for operator, planner in BY_XNNPACK.items()},
    )
    for compute, planner in table.items()
}
"""By the fold, which is the operator's arithmetic in one dialect or in both."""
