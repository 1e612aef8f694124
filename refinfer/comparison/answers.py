"""The four official answers to one model: where each two of them part first, and by which rule.

Each dialect runs the model by itself, from the inputs on. Of two, the first operator whose results differ is where they
part; what follows was handed a difference. The rules are those of quantized numbers: floats are computed in one order,
where the optimized kernels and XNNPACK of the real LiteRT have orders of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import TYPE_CHECKING, Any

from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Outputs = Sequence[Sequence["Array"]]

LITERT, TFLM, OPTIMIZED, XNNPACK = DIALECTS


class Trail:
    """Watches a machine and keeps a digest of what every node gives, in the order in which they run."""

    def __init__(self) -> None:
        self.steps: list[tuple[Node, bytes]] = []

    def look(self, node: Node, inputs: Sequence[Array | None], outputs: Sequence[Array]) -> None:
        """As `Watch`."""
        digest = blake2b(digest_size=16)
        for each in outputs:
            digest.update(np.ascontiguousarray(each).tobytes())
        self.steps.append((node, digest.digest()))


@dataclass(frozen=True)
class Pair:
    """Two dialects: the operator at which they first part in any run (None: nowhere), and the rules of both there.

    `different` outputs of so many `elements` are not the same; in `decisions` of the runs the largest number of the
    first output is another one (None: it has only one number).
    """

    first: str
    second: str
    parting: Node | None
    rules: tuple[str, str]
    elements: int
    different: int
    largest: float | None
    decisions: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        node = self.parting
        return {
            "first": self.first,
            "second": self.second,
            "parting": None if node is None else {"subgraph": node.subgraph, "op": node.index, "name": node.name},
            "rules": None if node is None else dict(zip((self.first, self.second), self.rules, strict=True)),
            "elements": self.elements,
            "different": self.different,
            "largest": self.largest if self.largest is None or np.isfinite(self.largest) else None,
            "decisions": self.decisions,
        }


def parting(first: Trail, second: Trail) -> Node | None:
    """The first node, in the order of the model, whose results differ in any run."""
    unlike = [node for (node, mine), (_, other) in zip(first.steps, second.steps, strict=False) if mine != other]
    return min(unlike, key=lambda node: (node.subgraph, node.index), default=None)


def decisions(first: Outputs, second: Outputs) -> int | None:
    """In how many runs the largest number of the first output is another one."""
    heads = [(a[0], b[0]) for a, b in zip(first, second, strict=False) if a and b]
    if not heads or any(a.size < 2 or a.shape != b.shape or a.dtype.kind not in "iuf" for a, b in heads):
        return None
    return sum(int(np.argmax(a)) != int(np.argmax(b)) for a, b in heads)


def pairs_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each two, once."""
    return list(combinations(names, 2))


def rule(dialect: str, node: Node) -> str:
    """How a dialect rounds at a node, in words."""
    computed_by = dialect
    delegate = DIALECTS[dialect].delegate
    if delegate is not None and not delegate.takes(node):
        computed_by = OPTIMIZED
    rules = RULES.get(node.op, {})
    words = rules.get(computed_by) or (rules.get(LITERT) if computed_by != TFLM else None)
    if words is None:
        words = "a kernel of its own" if computed_by in (TFLM, XNNPACK) else "the reference kernel"
    return words if computed_by == dialect else f"not taken by the delegate: {words}"


TWICE = "two roundings in fixed point: ties up, then away from zero"
UP = "two roundings in fixed point, both ties up"
BLOCKS = "two roundings in fixed point; the second ties up in whole blocks of 8 channels, away from zero in the rest"
ONCE = "one rounding of a float product, ties to even; the limits of a fused activation are rounded likewise"
CONVOLUTION = {LITERT: TWICE, TFLM: TWICE, OPTIMIZED: UP, XNNPACK: ONCE}
FINE = "8 bits below the point, ties up"
BY_TABLE = "a table of the C library's float function, ties away from zero"

RULES: Mapping[BuiltinOperator, Mapping[str, str]] = {
    BuiltinOperator.CONV_2D: CONVOLUTION,
    BuiltinOperator.DEPTHWISE_CONV_2D: CONVOLUTION | {OPTIMIZED: BLOCKS},
    BuiltinOperator.TRANSPOSE_CONV: CONVOLUTION | {OPTIMIZED: BLOCKS},
    BuiltinOperator.FULLY_CONNECTED: CONVOLUTION | {LITERT: "one rounding of a double product, ties away from zero"},
    BuiltinOperator.BATCH_MATMUL: CONVOLUTION | {OPTIMIZED: TWICE},
    BuiltinOperator.ADD: {
        LITERT: "inputs and sum rounded twice each, in fixed point",
        TFLM: "inputs and sum rounded twice each, in fixed point",
        OPTIMIZED: "inputs rounded once or cut off, in whole blocks of 8 or 16 numbers",
        XNNPACK: "multipliers of 20 bits, and one shift of the sum, ties up",
    },
    BuiltinOperator.SUB: {
        LITERT: "inputs and difference rounded twice each, in fixed point",
        TFLM: "inputs and difference rounded twice each, in fixed point",
        XNNPACK: "multipliers of 20 bits, and one shift of the difference, ties up",
    },
    BuiltinOperator.MUL: {LITERT: TWICE, TFLM: f"{TWICE}; the multiplier is computed in double", XNNPACK: ONCE},
    BuiltinOperator.MAX_POOL_2D: {
        LITERT: "limits of a fused activation rounded with ties away from zero",
        TFLM: "limits of a fused activation rounded with ties away from zero",
        XNNPACK: "limits of a fused activation rounded with ties to even",
    },
    BuiltinOperator.MEAN: {
        LITERT: "the sum rounded twice, by a multiplier over their number",
        TFLM: "the sum rounded twice, by a multiplier over their number",
        OPTIMIZED: "over images that keep their rank: zero points rounded apart, ties up in blocks of 16 channels",
        XNNPACK: "the sum scaled in floats, ties to even",
    },
    BuiltinOperator.SUM: {
        LITERT: "a defect of LiteRT: the input is read as uint8",
        TFLM: "the sum rounded twice, in fixed point",
        OPTIMIZED: "the sum scaled in floats, ties away from zero",
        XNNPACK: "the sum scaled in floats, ties to even",
    },
    BuiltinOperator.SOFTMAX: {
        LITERT: "exponentials, sum and reciprocal in fixed point",
        TFLM: "exponentials, sum and reciprocal in fixed point",
        OPTIMIZED: "a table of float exponentials, and a float sum",
    },
    BuiltinOperator.LOGISTIC: {
        LITERT: BY_TABLE,
        TFLM: "gemmlowp's fixed point",
        XNNPACK: "a table of exp(x) / (1 + exp(x)) in double, ties to even",
    },
    BuiltinOperator.TANH: {
        LITERT: BY_TABLE,
        TFLM: "gemmlowp's fixed point",
        XNNPACK: "a table of the C library's float function, ties to even",
    },
    BuiltinOperator.LEAKY_RELU: {LITERT: TWICE, TFLM: TWICE, XNNPACK: f"multipliers with {FINE}"},
    BuiltinOperator.QUANTIZE: {
        LITERT: "of floats a quotient, ties away from zero; of integers two roundings",
        TFLM: "of floats a quotient, ties away from zero; of integers two roundings",
        OPTIMIZED: "of floats a product with the inverse, ties to even, in blocks of 8; of integers ties up, by 16",
        XNNPACK: f"of floats a product with the inverse, ties to even; of integers a multiplier with {FINE}",
    },
    BuiltinOperator.DEQUANTIZE: {
        LITERT: "scale times number, once the zero point is off",
        TFLM: "scale times number, once the zero point is off",
        OPTIMIZED: "number times scale, and the scaled zero point off that, in blocks of 8",
        XNNPACK: "scale times number, once the zero point is off",
    },
    BuiltinOperator.RESIZE_BILINEAR: {
        LITERT: "coordinates with 10 bits below the point, ties away from zero",
        TFLM: "coordinates with 10 bits below the point, ties away from zero",
        XNNPACK: "float coordinates, weights with 11 bits below the point, ties up",
    },
}
"""Of each operator, how the dialects round 8 bits; one that is left out does as LiteRT's reference kernel."""
