"""A plan while it is made: rows, and the memory that they speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels.compiled.records import Address, Buffer, Record
from refinfer.kernels.compute import Evaluate, Host, Shape, constant, dtype_of
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Subgraph, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

ALIGNMENT = 64  # of a cache line, and of the widest register
ROOM = 64  # behind every buffer: a vector may reach beyond the last number


class NotCompiled(Exception):
    """There is no kernel for this node; numpy computes it."""


def require_compiled(condition: bool) -> None:
    """Leave the node to numpy unless `condition` holds."""
    if not condition:
        raise NotCompiled


class Load(NamedTuple):
    """A tensor that comes from outside of the segment, and where it goes."""

    tensor: Tensor
    buffer: Buffer


class Variable(NamedTuple):
    """The memory of a resource variable, and what it is read and written as everywhere."""

    buffer: Buffer
    type: TensorType
    shape: Shape


@dataclass
class Draft:
    """`shapes` are those of the subgraph's tensors (None: unknown), `step` is the node that is planned now.

    `states` are the arrays of variable tensors, by index.
    """

    subgraph: Subgraph
    shapes: Sequence[Shape | None]
    host: Host
    states: Mapping[int, Array]
    step: int = 0
    segment: int = 0  # the first node of those that follow each other in rows
    rows: list[Record] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    held: dict[int, Buffer] = field(default_factory=dict)  # tensors whose value is in a buffer, by index
    loads: list[Load] = field(default_factory=list)  # of this segment
    variables: dict[int, Variable] = field(default_factory=dict)  # resource variables, by number
    touched: set[int] = field(default_factory=set)  # those of this segment
    constants: list[Array] = field(default_factory=list)  # kept alive
    evaluate: Evaluate = tuple  # the numpy arithmetic of the node that is planned now

    def __post_init__(self) -> None:
        """See which nodes use each tensor; of inputs and outputs there is a user after the last node.

        So they stay where they are between runs.
        """
        self.end = self.subgraph.nodes[-1].index + 1
        self.users: dict[int, set[int]] = {tensor.index: set() for tensor in self.subgraph.tensors}
        for node in self.subgraph.nodes:
            for x in node.inputs:
                if x is not None:
                    self.users[x.index].add(node.index)
        for tensor in (*self.subgraph.inputs, *self.subgraph.outputs):
            self.users[tensor.index].add(self.end)

    def shape(self, tensor: Tensor) -> Shape:
        """The tensor's shape; without one, or without elements, there is no kernel."""
        shape = self.shapes[tensor.index]
        require_compiled(shape is not None and 0 not in shape)
        assert shape is not None
        return shape

    def read(self, tensor: Tensor) -> Address:
        """Where the tensor's value is."""
        if tensor.data is not None:
            array = constant(tensor)
            assert array is not None
            return self.keep(array)
        require_compiled(not tensor.is_variable)
        if tensor.index not in self.held:
            buffer = self._reserve(tensor, self.segment)
            self.loads.append(Load(tensor, buffer))
        return self.held[tensor.index]

    def write(self, tensor: Tensor) -> Buffer:
        """Where the tensor's value is to be put."""
        require_compiled(not tensor.is_variable)
        return self._reserve(tensor, self.step)

    def same(self, x: Tensor, y: Tensor) -> None:
        """Let y be where x is, as long as either is needed."""
        buffer = self.read(x)
        assert isinstance(buffer, Buffer)
        buffer.last = max(buffer.last, *self.users[y.index], self.step)
        self.held[y.index] = buffer

    def variable(self, handle: Tensor, value: Tensor) -> Buffer:
        """Where the resource variable is that a handle is known to stand for; it stays there between runs."""
        number = self.host.resources.bound.get((handle.subgraph, handle.index), -1)
        shape, dtype = self.shape(value), dtype_of(value.type)
        require_compiled(number >= 0 and dtype.kind in "biuf")
        if number not in self.variables:
            buffer = Buffer(prod(shape) * dtype.itemsize, 0, self.end)
            self.buffers.append(buffer)
            self.variables[number] = Variable(buffer, value.type, shape)
        found = self.variables[number]
        require_compiled((found.type, found.shape) == (value.type, shape))
        self.touched.add(number)
        return found.buffer

    def state(self, tensor: Tensor) -> int:
        """Where the value of a variable tensor is, which every run finds as the last one left it."""
        require_compiled(tensor.is_variable and tensor.index in self.states)
        array = self.states[tensor.index]
        assert array.flags.c_contiguous
        self.constants.append(array)
        return array.ctypes.data

    def _reserve(self, tensor: Tensor, first: int) -> Buffer:
        require_compiled(dtype_of(tensor.type).kind in "biuf")
        nbytes = prod(self.shape(tensor)) * dtype_of(tensor.type).itemsize
        buffer = Buffer(nbytes, first, max(self.users[tensor.index], default=self.step))
        self.buffers.append(buffer)
        self.held[tensor.index] = buffer
        return buffer

    def scratch(self, nbytes: int) -> Buffer:
        """Memory that is needed for this node alone."""
        buffer = Buffer(nbytes, self.step, self.step)
        self.buffers.append(buffer)
        return buffer

    def keep(self, array: Array) -> int:
        """The address of a copy of a constant array, which stays as long as the plan."""
        copy = aligned(array.nbytes + ROOM)
        copy[: array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.constants.append(copy)
        return copy.ctypes.data

    def add(self, record: Record) -> None:
        """Append a row."""
        self.rows.append(record)


Planner = Callable[[Draft, Node], None]
"""Adds the rows of a node; raises NotCompiled, or Refusal, for a node that has no kernel."""


def aligned(nbytes: int) -> Array:
    """Zeroed memory that begins where a cache line does."""
    whole = np.zeros(nbytes + ALIGNMENT, np.uint8)
    first = -whole.ctypes.data % ALIGNMENT
    return whole[first : first + nbytes]


def place(buffers: Sequence[Buffer]) -> int:
    """Give every buffer its offset, the largest first, each as low as those of its time allow; the bytes in all."""
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda each: -each.nbytes):
        neighbours = [each for each in placed if each.first <= buffer.last and buffer.first <= each.last]
        buffer.offset = 0
        for each in sorted(neighbours, key=lambda each: each.offset):
            if buffer.offset + room(buffer) <= each.offset:
                break
            buffer.offset = max(buffer.offset, each.offset + room(each))
        placed.append(buffer)
    return max((each.offset + room(each) for each in placed), default=0)


def room(buffer: Buffer) -> int:
    """What a buffer takes."""
    return -(-(buffer.nbytes + ROOM) // ALIGNMENT) * ALIGNMENT
