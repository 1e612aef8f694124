"""When TFLM says no: what it says, where, and when."""

from __future__ import annotations

from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.graph import Graph, Node, Tensor


class Refused(UnsupportedNode):
    """TFLM will not run this model: the operator and tensor where it stops, what it says there, and when.

    `when` is "load", "prepare", "plan" or "invoke"; `graph` is the model, where several were asked about.
    """

    def __init__(self, when: str, reason: str, node: Node | None = None, tensor: Tensor | None = None) -> None:
        self.when, self.reason, self.node, self.tensor = when, reason, node, tensor
        self.graph: Graph | None = None
        place = [f"operator {node.index} ({node.name}) of subgraph {node.subgraph}"] if node else []
        place += [f"tensor {tensor.index} ({tensor.name!r})"] if tensor else []
        super().__init__(": ".join([*place, reason]))
