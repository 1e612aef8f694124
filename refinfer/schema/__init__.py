"""Bytes → `Model` (what the file says) → `Graph` (what it means, checked)."""

from refinfer.schema.errors import FormatError, GraphError, RefinferError, UnsupportedNode, UsageError
from refinfer.schema.file import parse, read_model
from refinfer.schema.graph import Graph, Node, Quantization, Signature, Subgraph, Tensor
from refinfer.schema.resolve import resolve
from refinfer.schema.tables import Model

__all__ = [
    "FormatError",
    "Graph",
    "GraphError",
    "Model",
    "Node",
    "Quantization",
    "RefinferError",
    "Signature",
    "Subgraph",
    "Tensor",
    "UnsupportedNode",
    "UsageError",
    "parse",
    "read_model",
    "resolve",
]
