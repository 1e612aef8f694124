"""A case: a model of one operator (or of several) with its inputs, and what refinfer computes of it.

Needs the package `flatbuffers`, which writes the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from refinfer.kernels.compute import constant
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema.errors import UsageError
from refinfer.schema.file import read_model
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.testing.models import NodeSpec, SubgraphSpec, build

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array, Shape


@dataclass(frozen=True, eq=False)
class Case:
    """A model as the bytes of a ``.tflite`` file, and a value for each of its inputs."""

    model: bytes
    inputs: tuple[Array, ...]

    @cached_property
    def graph(self) -> Graph:
        """The model, read."""
        return read_model(self.model)

    @property
    def node(self) -> Node:
        """The operator of a model of one; raises UsageError if there are several."""
        nodes = self.graph.subgraphs[0].nodes
        if len(nodes) != 1:
            raise UsageError(f"the model has {len(nodes)} operators; a kernel is tested with one")
        return nodes[0]

    @cached_property
    def operands(self) -> tuple[Array | None, ...]:
        """The value of each input of the operator, be it constant, variable or given; None where it is left out."""
        main = self.graph.subgraphs[0]
        given = {tensor.index: array for tensor, array in zip(main.inputs, self.inputs, strict=True)}
        return tuple(None if x is None else _value(x, given) for x in self.node.inputs)

    @property
    def elements(self) -> int:
        """How large it is: the elements of all of its tensors."""
        return sum(tensor.elements for tensor in self.graph.tensors)

    @property
    def key(self) -> tuple[bytes, ...]:
        """What is the same for the same model and inputs."""
        return (self.model, *(x.tobytes() for x in self.inputs))

    def expected(self, dialect: str) -> tuple[Array, ...]:
        """What refinfer computes; raises UnsupportedNode where the dialect has nothing for it."""
        return Machine(self.graph, DIALECTS[dialect]).call(0, self.inputs)

    def __repr__(self) -> str:
        """The operators with their types and shapes."""
        return "; ".join(describe(node) for node in self.graph.subgraphs[0].nodes)


def _value(x: Tensor, given: Mapping[int, Array]) -> Array:
    if x.index in given:
        return given[x.index]
    value = constant(x)
    if value is not None:
        return value
    zero = x.quantization.zero_point[0] if x.type.name == "INT8" and x.quantization is not None else 0
    return np.full(x.shape, zero, np.dtype(x.type.name.lower()))


def describe(node: Node) -> str:
    """An operator in one line: CONV_2D(INT8 1x4x4x3, INT8 8x3x3x3, none) → INT8 1x2x2x8."""
    inputs = ", ".join("none" if x is None else describe_tensor(x) for x in node.inputs)
    return f"{node.name}({inputs}) → {', '.join(map(describe_tensor, node.outputs))}"


def describe_tensor(tensor: Tensor) -> str:
    """Type and shape."""
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{tensor.type.name} {shape}"


def model_of(*nodes: NodeSpec) -> bytes:
    """A model of operators: its inputs are all tensors that none of them makes, its outputs those of the last."""
    made = {id(y) for node in nodes for y in node.outputs}
    inputs = [
        x
        for node in nodes
        for x in node.inputs
        if x is not None and x.data is None and not x.is_variable and id(x) not in made
    ]
    return build(SubgraphSpec(nodes, list(dict.fromkeys(inputs)), nodes[-1].outputs))


def shaped(node: NodeSpec) -> NodeSpec:
    """The node with the shapes that its outputs will have; raises Refusal where its inputs make no sense."""
    rough = read_model(model_of(node)).subgraphs[0].nodes[0]
    shapes = _output_shapes(rough)
    outputs = [replace(y, shape=shape) for y, shape in zip(node.outputs, shapes, strict=True)]
    return replace(node, outputs=outputs)


def _output_shapes(node: Node) -> Sequence[Shape]:
    """By whichever dialect has the operator; where only a run can tell, as they are."""
    inputs = [() if x is None else x.shape for x in node.inputs]
    for dialect in DIALECTS.values():
        compute = dialect.compute_of(node)
        if compute is not None:
            shapes = compute.shape(node, inputs)
            return [y.shape for y in node.outputs] if shapes is None else shapes
    raise Refusal(f"no dialect has {node.name}")
