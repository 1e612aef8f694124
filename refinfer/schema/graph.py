"""The graph: what a model means, with every index resolved.

A `Graph` is what every other room works on. It is frozen, holds constants as views of the file, and comes from
`resolve`, which raises GraphError rather than hand out a graph that is inconsistent. What is rarely needed is not
copied: `table` (of a tensor or node) and `model` lead back to all that the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from refinfer.schema import tables
from refinfer.schema.compression import LookUpTable
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (q - zero_point), per tensor or per slice along `quantized_dimension`.

    `zero_point` has as many values as `scale`, or one, or none. `quantized_dimension` is as the file has it, be it
    beyond the shape: the official runtimes differ on whether that matters. `details`, if any, is the
    CustomQuantization, BlockwiseQuantization or MultiAxisQuantization that replaces the rest.
    """

    scale: Sequence[float]
    zero_point: Sequence[int]
    quantized_dimension: int
    details: Table | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a subgraph. `data` is None unless the file holds its value.

    With a `lookup` it is compressed: `data` are indices into that table, packed into bits, and shorter than the shape.
    `has_shape` is False where the file leaves the shape out, which is not the same to every runtime as an empty one.
    """

    subgraph: int
    index: int
    name: str
    type: TensorType
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    data: memoryview | None
    quantization: Quantization | None
    is_variable: bool
    has_shape: bool = True
    lookup: LookUpTable | None = field(default=None, repr=False)
    table: tables.Tensor = field(default_factory=tables.Tensor, repr=False)

    @property
    def elements(self) -> int:
        """How many values it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator with its tensors in hand; an absent optional tensor is None.

    `op` is the larger of the two codes that the file has for it; `raw_builtin_code` is the newer field alone, which
    old files leave at 0 and some code of the runtimes looks at. `options` is a table of `options.py`, or None.
    """

    subgraph: int
    index: int
    op: BuiltinOperator
    custom_code: str | None
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    intermediates: tuple[Tensor, ...]
    options: object | None
    custom_options: memoryview
    raw_builtin_code: int = 0
    table: tables.Operator = field(default_factory=tables.Operator, repr=False)

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
class Signature:
    """A name for a subgraph, and for its inputs and outputs."""

    key: str
    subgraph: int
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A whole model, resolved. Subgraph 0 is the main one. Of metadata with the same name, the last counts.

    `name` is the path it was read from, if any, and `file` all of its bytes. `compressed` is None unless there is
    metadata about compression: then the compressed tensors of each subgraph that it describes, in its order.
    """

    subgraphs: tuple[Subgraph, ...]
    metadata: Mapping[str, memoryview]
    signatures: tuple[Signature, ...] = ()
    description: str = ""
    compressed: tuple[tuple[Tensor, ...], ...] | None = None
    model: tables.Model = field(default_factory=tables.Model, repr=False)
    name: str = ""
    file: memoryview = field(default=memoryview(b""), repr=False)

    @property
    def tensors(self) -> Iterator[Tensor]:
        """The tensors of all subgraphs."""
        return (tensor for subgraph in self.subgraphs for tensor in subgraph.tensors)

    @property
    def nodes(self) -> Iterator[Node]:
        """The nodes of all subgraphs."""
        return (node for subgraph in self.subgraphs for node in subgraph.nodes)
