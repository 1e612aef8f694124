"""The kernels' numbers in a plan."""

from __future__ import annotations

from refinfer.kernels.compiled.records import (
    Combine,
    Depthwise,
    Dequantize,
    LookUp,
    Mean,
    Move,
    Multiply,
    Pool,
    Quantize,
    Record,
    Softmax,
    Widen,
)

WIDEN, MULTIPLY, DEPTHWISE, COMBINE, LOOK_UP, QUANTIZE, DEQUANTIZE, MOVE, POOL, MEAN, SOFTMAX = range(11)

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
}
