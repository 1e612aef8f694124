"""Which inputs of operators are weights."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Graph, Tensor


class Parts(NamedTuple):
    """Which inputs of an operator are weights, biases and states, by position, and along which axis weights are scaled.

    Its integer form has `intermediates`, tensors of no elements that hold scales alone.
    """

    weights: Collection[int]
    biases: Collection[int]
    axis: int | None = None
    state: Collection[int] = ()
    intermediates: int = 0


def weights_of(graph: Graph, operators: Collection[BuiltinOperator] | None = None) -> list[Tensor]:
    """The weights whose values the file holds plainly, each in a buffer of its own; those of `operators` if given."""
    homes = Counter(tensor.table.buffer for tensor in graph.tensors)
    found: dict[tuple[int, int], Tensor] = {}
    for node in graph.nodes:
        parts = PARTS.get(node.op)
        if parts is None or (operators is not None and node.op not in operators):
            continue
        for position in parts.weights:
            x = node.inputs[position] if position < len(node.inputs) else None
            plain = x is not None and x.data is not None and x.lookup is None and x.table.sparsity is None
            if x is not None and plain and homes[x.table.buffer] == 1:
                found[x.subgraph, x.index] = x
    return list(found.values())


def values_of(tensor: Tensor) -> array[int] | array[float]:
    """The weights of a tensor whose type is one of CODES."""
    assert tensor.data is not None
    values: array[int] | array[float] = array(CODES[tensor.type])
    values.frombytes(tensor.data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def zeros_in(tensor: Tensor) -> int:
    """How many of the weights stand for 0."""
    quantization = tensor.quantization
    zero = quantization.zero_point[0] if quantization is not None and quantization.zero_point else 0
    return values_of(tensor).count(zero)


LSTM_WEIGHTS, LSTM_BIASES = (*range(1, 9), 16), (*range(12, 16), 17)
PARTS = {
    BuiltinOperator.CONV_2D: Parts((1,), (2,), axis=0),
    BuiltinOperator.DEPTHWISE_CONV_2D: Parts((1,), (2,), axis=3),
    BuiltinOperator.FULLY_CONNECTED: Parts((1,), (2,), axis=0),
    BuiltinOperator.TRANSPOSE_CONV: Parts((1,), (3,), axis=0),
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: Parts(LSTM_WEIGHTS, LSTM_BIASES, state=(19,), intermediates=5),
    BuiltinOperator.SVDF: Parts((1,), (3,), state=(2, 4)),
}
"""Operators with weights; of all others, constants are values too."""

LAYERS = frozenset(PARTS) - {BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, BuiltinOperator.SVDF}
"""Those whose kernels unpack compressed weights."""

CODES = {TensorType.INT8: "b", TensorType.UINT8: "B", TensorType.INT16: "h", TensorType.FLOAT32: "f"}
"""The types of weights that are whole bytes, as `array` names them."""
