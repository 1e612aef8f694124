"""From a subgraph to a plan: segments of rows, and between them the nodes that numpy computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels.compiled.ahead import Ahead
from refinfer.kernels.compiled.draft import Draft, Load, NotCompiled, Planner, aligned, place
from refinfer.kernels.compiled.opcodes import OPCODES
from refinfer.kernels.compiled.records import Buffer
from refinfer.kernels.compiled.tables import PLANNERS
from refinfer.kernels.compiled.walker import run
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

COLUMNS = 1 + max(len(record._fields) for record in OPCODES)
SUMS_BYTES = 2**14


class Segment(NamedTuple):
    """Rows first to end - 1 of the table, and tensors, by index, with arrays over their place in the plan's memory.

    `loads` come in, `made` are made here, `results` are those that are used outside; `variables` are the
    resource variables that are read or written, by number; `nodes` are the nodes that the
    rows stand for, and `ends` where the rows of each end.
    """

    first: int
    end: int
    loads: tuple[tuple[int, Array], ...]
    results: tuple[tuple[int, Array], ...]
    made: tuple[tuple[int, Array], ...]
    variables: tuple[tuple[int, Array], ...]
    nodes: tuple[Node, ...]
    ends: tuple[int, ...]


class Port(NamedTuple):
    """A tensor that lies in the plan's memory."""

    type: TensorType
    shape: Shape
    offset: int

    def array(self, memory: Array) -> Array:
        """Its value."""
        return np.frombuffer(memory.data, dtype_of(self.type), prod(self.shape), self.offset).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Whole:
    """All rows of a plan as one call, with the subgraph's inputs and outputs where they are in memory."""

    run: Callable[[], object]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    kept: tuple[Array, ...]  # what rows have addresses of


@dataclass(frozen=True, eq=False)
class Plan:
    """How a subgraph runs with inputs of these shapes: segments, and the indices of nodes that are left to numpy.

    `values` are those of what was computed ahead, by tensor, if more than rows use it. `places` says which numbers of
    the table are addresses in `memory`. `ports` are the inputs and outputs of a subgraph that is one segment; then no
    node but CALL_ONCE is left to numpy.
    """

    program: tuple[Segment | int, ...]
    values: tuple[tuple[int, Array], ...]
    table: Array
    places: Array
    memory: Array
    constants: tuple[Array, ...]
    ports: tuple[tuple[Port, ...], tuple[Port, ...]] | None
    sums: int  # the address of room for a tile

    def __call__(self, first: int, end: int) -> None:
        """Run rows first to end - 1."""
        run(self.table, first, end, self.sums)

    @property
    def keeps_nothing(self) -> bool:
        """Whether no run finds anything that another one left in a resource variable, or set up."""
        return all(isinstance(part, Segment) and not part.variables for part in self.program)

    def whole(self) -> Whole | None:
        """The plan as one call, if it is one."""
        if self.ports is None:
            return None
        return self._whole(self.table, self.memory, self.sums)

    def twin(self) -> Whole | None:
        """The same on memory of its own, for another thread; constants are shared."""
        if self.ports is None:
            return None
        memory = aligned(self.memory.nbytes)
        table = self.table + self.places * (memory.ctypes.data - self.memory.ctypes.data)
        sums = aligned(SUMS_BYTES)
        return self._whole(table, memory, sums.ctypes.data, sums)

    def _whole(self, table: Array, memory: Array, sums: int, *kept: Array) -> Whole:
        assert self.ports is not None
        inputs, outputs = (tuple(port.array(memory) for port in ports) for ports in self.ports)
        call = partial(run, table, 0, len(table), sums)
        return Whole(call, inputs, outputs, (memory, *self.constants, *kept))


@dataclass
class Part:
    """A segment while its memory has no place yet."""

    first: int
    loads: list[Load] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    nodes: list[Node] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


def make_plan(
    ahead: Ahead,
    computes: Sequence[Compute | None],
    evaluates: Sequence[Evaluate],
    hosts: Sequence[Host],
    states: Mapping[int, Array],
) -> Plan | None:
    """The plan of what is left of a subgraph; None if no node of it has a kernel.

    `computes` has None for nodes that are not ours, `evaluates` what numpy computes for each node, `hosts` what each
    may use; `states` are the arrays of variable tensors, by index, which kernels update where they are.
    """
    if not ahead.subgraph.nodes:
        return None
    draft = Draft(ahead.subgraph, ahead.shapes, hosts[0], states)
    parts: list[Part | int] = []
    part: Part | None = None
    for node in ahead.subgraph.nodes:
        compute = computes[node.index]
        draft.step, draft.evaluate, draft.host = node.index, evaluates[node.index], hosts[node.index]
        if part is None:
            draft.segment, draft.loads, draft.touched = node.index, [], set()
        planner = None if compute is None else PLANNERS.get(compute.fold)
        first = len(draft.rows)
        if planner is None or not planned(draft, planner, node):
            parts.append(node.index)
            part = None
            continue
        if part is None:
            part = Part(first, draft.loads, draft.touched)
            parts.append(part)
        part.nodes.append(node)
        part.ends.append(len(draft.rows))
    return complete(draft, parts, values_outside(ahead, parts)) if draft.rows else None


def values_outside(ahead: Ahead, parts: Sequence[Part | int]) -> tuple[tuple[int, Array], ...]:
    """What was computed ahead and is read by numpy, which computes segments too if a variable is not as planned."""
    in_rows = {node.index for part in parts if isinstance(part, Part) and not part.touched for node in part.nodes}
    nodes = [node for node in ahead.subgraph.nodes if node.index not in in_rows]
    used = {x.index for node in nodes for x in node.inputs if x is not None}
    used |= {y.index for y in ahead.subgraph.outputs}
    return tuple((index, value) for index, value in ahead.values.items() if index in used)


def planned(draft: Draft, planner: Planner, node: Node) -> bool:
    """Add the rows of a node, or leave the draft as it was."""
    rows, buffers, loads = len(draft.rows), len(draft.buffers), len(draft.loads)
    held, variables, touched = dict(draft.held), dict(draft.variables), set(draft.touched)
    try:
        planner(draft, node)
    except (NotCompiled, Refusal):
        del draft.rows[rows:], draft.buffers[buffers:], draft.loads[loads:]
        draft.held, draft.variables, draft.touched = held, variables, touched
        return False
    return True


def complete(draft: Draft, parts: Sequence[Part | int], values: tuple[tuple[int, Array], ...]) -> Plan:
    """Give the memory its places, and the rows their addresses."""
    memory = aligned(place(draft.buffers))
    table = np.zeros((len(draft.rows), COLUMNS), np.int64)
    places = np.zeros(table.shape, np.int64)
    for row, is_place, record in zip(table, places, draft.rows, strict=True):
        fields = [memory.ctypes.data + each.offset if isinstance(each, Buffer) else each for each in record]
        row[: 1 + len(fields)] = OPCODES[type(record)], *fields
        is_place[1 : 1 + len(fields)] = [isinstance(each, Buffer) for each in record]

    def port(tensor: Tensor, buffer: Buffer) -> Port:
        return Port(tensor.type, draft.shape(tensor), buffer.offset)

    def view(tensor: Tensor, buffer: Buffer) -> tuple[int, Array]:
        return tensor.index, port(tensor, buffer).array(memory)

    variables = {
        number: Port(each.type, each.shape, each.buffer.offset).array(memory)
        for number, each in draft.variables.items()
    }

    def segment(part: Part) -> Segment:
        made = tuple(view(y, draft.held[y.index]) for node in part.nodes for y in node.outputs)
        inside = {node.index for node in part.nodes}
        return Segment(
            first=part.first,
            end=part.ends[-1],
            loads=tuple(view(tensor, buffer) for tensor, buffer in part.loads),
            results=tuple(each for each in made if not draft.users[each[0]] <= inside),
            made=made,
            variables=tuple((number, variables[number]) for number in sorted(part.touched)),
            nodes=tuple(part.nodes),
            ends=tuple(part.ends),
        )

    program = tuple(segment(part) if isinstance(part, Part) else part for part in parts)
    ports = None
    if is_whole(draft, parts):
        inputs, outputs = draft.subgraph.inputs, draft.subgraph.outputs
        ports = (
            tuple(port(x, draft.held[x.index]) for x in inputs),
            tuple(port(y, draft.held[y.index]) for y in outputs),
        )
    sums = draft.keep(aligned(SUMS_BYTES))
    return Plan(program, values, table, places, memory, tuple(draft.constants), ports, sums)


def is_whole(draft: Draft, parts: Sequence[Part | int]) -> bool:
    """Whether all is one segment, but for CALL_ONCE before it, with inputs and outputs each in a place of their own."""
    *before, last = parts
    once = {node.index for node in draft.subgraph.nodes if node.op == BuiltinOperator.CALL_ONCE}
    if not isinstance(last, Part) or any(isinstance(each, Part) or each not in once for each in before):
        return False
    inputs, outputs = draft.subgraph.inputs, draft.subgraph.outputs
    made = {y.index for node in last.nodes for y in node.outputs}
    if {load.tensor for load in last.loads} != set(inputs) or not {y.index for y in outputs} <= made:
        return False
    held = [id(draft.held[each.index]) for each in (*inputs, *outputs)]
    return len(set(held)) == len(held)
