"""The kernels' numbers in a plan."""

from __future__ import annotations

from refinfer.kernels.compiled.records import Depthwise, Multiply, Record, Widen

WIDEN, MULTIPLY, DEPTHWISE = range(3)

OPCODES: dict[type[Record], int] = {Widen: WIDEN, Multiply: MULTIPLY, Depthwise: DEPTHWISE}
