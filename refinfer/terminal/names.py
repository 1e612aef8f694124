"""What models, operators and buffers are called on the screen."""

from __future__ import annotations

import os

from refinfer.schema.graph import Graph
from refinfer.simulator.head import PlannedBuffer
from refinfer.terminal.text import printable


def model_name(graph: Graph) -> str:
    """The name of the file, without its folder."""
    return printable(os.path.basename(graph.name)) or "the model"


def operator_name(graph: Graph, subgraph: int, op: int) -> str:
    """``3 CONV_2D``; with the subgraph in front, ``1:3 CONV_2D``, where there are several."""
    number = f"{subgraph}:{op}" if len(graph.subgraphs) > 1 else str(op)
    return f"{number} {printable(graph.subgraphs[subgraph].nodes[op].name)}"


def buffer_name(graph: Graph, planned: PlannedBuffer) -> str:
    """The tensor's name, or whose scratch it is."""
    if planned.node is not None:
        return f"scratch of {operator_name(graph, planned.node.subgraph, planned.node.index)}: {planned.what}"
    assert planned.tensor is not None
    return printable(planned.what) or f"tensor {planned.tensor.index}"
