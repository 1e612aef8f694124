"""The kernels' numbers in a plan."""

from __future__ import annotations

from refinfer.kernels.compiled.records import (
    Combine,
    Depthwise,
    DepthwiseFloats,
    Dequantize,
    LookUp,
    Lstm,
    LstmFloats,
    Mean,
    Move,
    Multiply,
    MultiplyFloats,
    PadFloats,
    Pool,
    PoolFloats,
    Quantize,
    Record,
    Softmax,
    Widen,
)

(
    WIDEN,
    MULTIPLY,
    DEPTHWISE,
    COMBINE,
    LOOK_UP,
    QUANTIZE,
    DEQUANTIZE,
    MOVE,
    POOL,
    MEAN,
    SOFTMAX,
    PAD_FLOATS,
    MULTIPLY_FLOATS,
    DEPTHWISE_FLOATS,
    POOL_FLOATS,
    LSTM,
    LSTM_FLOATS,
) = range(17)

OPCODES: dict[type[Record], int] = {
    Widen: WIDEN,
    Multiply: MULTIPLY,
    Depthwise: DEPTHWISE,
    Combine: COMBINE,
    LookUp: LOOK_UP,
    Quantize: QUANTIZE,
    Dequantize: DEQUANTIZE,
    Move: MOVE,
    Pool: POOL,
    Mean: MEAN,
    Softmax: SOFTMAX,
    PadFloats: PAD_FLOATS,
    MultiplyFloats: MULTIPLY_FLOATS,
    DepthwiseFloats: DEPTHWISE_FLOATS,
    PoolFloats: POOL_FLOATS,
    Lstm: LSTM,
    LstmFloats: LSTM_FLOATS,
}
