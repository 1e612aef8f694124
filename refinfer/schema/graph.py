"""Model → Graph: indices resolved, shapes and buffers checked against each other.

A `Graph` is what every other room works on. It is frozen, holds constants as views of the file, and cannot exist in
an inconsistent state: `resolve` raises GraphError first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from refinfer.schema.enums import BuiltinOperator, TensorType


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (q - zero_point), per tensor or per slice along `quantized_dimension`."""

    scale: Sequence[float]
    zero_point: Sequence[int]
    quantized_dimension: int


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a subgraph. `data` is None unless the file holds its value."""

    subgraph: int
    index: int
    name: str
    type: TensorType
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    data: memoryview | None
    quantization: Quantization | None
    is_variable: bool

    @property
    def elements(self) -> int:
        """How many values it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator with its tensors in hand; an absent optional tensor is None."""

    subgraph: int
    index: int
    op: BuiltinOperator
    custom_code: str | None
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    intermediates: tuple[Tensor, ...]
    options: object | None  # the builtin options table of schema/tables.py
    custom_options: memoryview

    @property
    def name(self) -> str:
        """The schema's name of the operator, or the custom code."""
        return self.op.name if self.custom_code is None else self.custom_code


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """A sequence of nodes over its own tensors."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A whole model, resolved. Subgraph 0 is the main one."""

    subgraphs: tuple[Subgraph, ...]
    metadata: Mapping[str, memoryview]
