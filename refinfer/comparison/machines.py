"""Whose bits a dialect gives: of which versions, on which machine; and where another machine would give others.

What is told of ARM was read in the sources of LiteRT and XNNPACK, and not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refinfer.comparison.rules import OPTIMIZED, XNNPACK
from refinfer.kernels.registry import DIALECTS
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Graph, Node

FLOATS = frozenset({TensorType.FLOAT16, TensorType.FLOAT32, TensorType.FLOAT64})
BETWEEN = frozenset({BuiltinOperator.QUANTIZE, BuiltinOperator.DEQUANTIZE})
SHOWN = 6  # operators of a kind


def notes_of(graph: Graph, dialect: str) -> list[str]:
    """What to know of a model's results in a dialect, in sentences; none where every machine gives the same bits."""
    record = DIALECTS[dialect].reproduces
    if record is None:
        return []
    return [f"{dialect} has the bits of {record}.", *_on_arm(graph, dialect), *_of_floats(graph, dialect)]


def _on_arm(graph: Graph, dialect: str) -> Iterator[str]:
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if (words := on_arm(dialect, node)) and not computes_floats(node):
            found.setdefault(words, []).append(node)
    for words, nodes in found.items():
        names = [f"{node.index} {node.name}" for node in nodes[:SHOWN]]
        more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
        yield f"{dialect}: an ARM CPU {words}: {', '.join(names)}{more}. That is read, not measured."


def on_arm(dialect: str, node: Node) -> str:
    """What an ARM CPU does in another way at a node, in words; "" where it does the same."""
    delegate = DIALECTS[dialect].delegate
    taken = delegate is not None and delegate.takes(node)
    return ON_ARM[XNNPACK if taken else OPTIMIZED].get(node.op, "")


def _of_floats(graph: Graph, dialect: str) -> Iterator[str]:
    count = sum(map(computes_floats, graph.nodes))
    if count:
        operators = "1 operator computes" if count == 1 else f"{count} operators compute"
        yield f"{dialect}: {operators} floats, in the order of the reference kernels; the runtime's is the CPU's."


def computes_floats(node: Node) -> bool:
    """Whether a node reads or writes floats, but for those that are between floats and integers."""
    tensors = (*node.inputs, *node.outputs)
    return node.op not in BETWEEN and any(x is not None and x.type in FLOATS for x in tensors)


FIXED = "rounds products in fixed point"
ONE_ROUNDING = "rounds sums once"
LAST_BITS = "may compute other last bits of a float before it is rounded"

ON_ARM: Mapping[str, Mapping[BuiltinOperator, str]] = {
    XNNPACK: {
        BuiltinOperator.MUL: FIXED,
        BuiltinOperator.MEAN: LAST_BITS,
        BuiltinOperator.SUM: LAST_BITS,
        BuiltinOperator.RESIZE_BILINEAR: LAST_BITS,
        BuiltinOperator.LOGISTIC: LAST_BITS,
        BuiltinOperator.TANH: LAST_BITS,
        BuiltinOperator.ELU: LAST_BITS,
    },
    OPTIMIZED: {
        BuiltinOperator.CONV_2D: ONE_ROUNDING,
        BuiltinOperator.FULLY_CONNECTED: ONE_ROUNDING,
        BuiltinOperator.DEPTHWISE_CONV_2D: "has kernels of its own",
        BuiltinOperator.SOFTMAX: "looks exponentials up in 16 bits",
        BuiltinOperator.DEQUANTIZE: LAST_BITS,
    },
}
"""By who computes the operator."""
