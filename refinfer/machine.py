"""Graph → arrays: a model folded for one dialect, and the memory that it has between runs.

Kernels are folded once, when the machine is made; a run then walks the nodes of a subgraph and hands arrays from one
to the next. Two machines never share anything that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.compiled.tiers import tier
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, constant, dtype_of
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import Dialect
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.graph import Graph, Node, Subgraph, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compiled.batches import Crew
    from refinfer.kernels.compiled.plan import Plan, Segment
    from refinfer.kernels.compute import Array

Watch = Callable[[Node, "tuple[Array | None, ...]", "tuple[Array, ...]"], None]
"""Told of every node that has run, with its inputs and outputs."""


CustomOp = Callable[[Node], Evaluate]
"""The user's arithmetic of a custom operator: from the node to the function of its input arrays."""


@dataclass(frozen=True, slots=True)
class Step:
    """A folded node: where its inputs come from and its outputs go, as indices of tensors (-1: left out)."""

    node: Node
    evaluate: Evaluate
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Planned(NamedTuple):
    """A subgraph's plan for inputs of these shapes; None where no node has a compiled kernel.

    One that is watched leaves no node out.
    """

    shapes: tuple[Shape, ...]
    is_watched: bool
    plan: Plan | None


class Bound(NamedTuple):
    """A subgraph that runs as one call, on the inputs and outputs that lie in its plan's memory between runs."""

    run: Callable[[], object]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


class Machine:
    """A model that runs. `custom` has functions that fold the user's own custom operators, by their code.

    `engine` says whether nodes that have compiled kernels are run by those: "numpy" (no), "compiled" (yes), or "auto"
    (once the model has run for a while); None is the user's default. Results are the same.
    """

    def __init__(
        self,
        graph: Graph,
        dialect: Dialect,
        custom: Mapping[str, CustomOp] | None = None,
        engine: str | None = "numpy",
    ) -> None:
        """Fold every kernel; raises UnsupportedNode, naming the operator and why, if the dialect cannot run one.

        Raises UsageError for an engine that there is not.
        """
        self.tier = tier(engine)
        self._planned: dict[int, Planned] = {}
        self._settled: Plan | None = None
        self.graph = graph
        self.dialect = dialect
        self.watch: Watch | None = None
        self._custom = custom or {}
        self._host = Host(dialect.numerics, self.ports, self.call, self.operators)
        self._constants = [_constants(subgraph) for subgraph in graph.subgraphs]
        self._variables = [_variables(subgraph) for subgraph in graph.subgraphs]
        self._programs = [tuple(self._fold(node) for node in subgraph.nodes) for subgraph in graph.subgraphs]
        self._spent = [_spent(subgraph) for subgraph in graph.subgraphs]

    def run(self, index: int, inputs: Sequence[Array]) -> list[Array | None]:
        """Run a subgraph; the value of each of its tensors, None for one that has none, or no longer.

        Unless somebody watches, what only nodes need is given up when the last of them has run. Raises UnsupportedNode
        for values that an operator cannot do with, such as an index beyond the end.
        """
        self._settled = None
        values = self.constants(index)
        for tensor, array in zip(self.graph.subgraphs[index].inputs, inputs, strict=True):
            values[tensor.index] = array
        plan = self.plan(index, [array.shape for array in inputs]) if self.tier.ready else None
        started = perf_counter()
        with np.errstate(all="ignore"):  # infinities and NaN are results like any other
            if plan is None:
                self._run_steps(self._programs[index], values, () if self.watch else self._spent[index])
            else:
                self._run_plan(plan, self._programs[index], values)
        if plan is None:
            self.tier.spent(perf_counter() - started)
        return values

    def plan(self, index: int, shapes: Sequence[Shape]) -> Plan | None:
        """The plan of a subgraph for inputs of these shapes: the one that it has, or a new one."""
        key = tuple(shapes), self.watch is not None
        planned = self._planned.get(index)
        if planned is None or planned[:2] != key:
            planned = self._planned[index] = Planned(*key, self._make_plan(index, shapes))
        return planned.plan

    def _make_plan(self, index: int, shapes: Sequence[Shape]) -> Plan | None:
        from refinfer.kernels.compiled.ahead import Ahead, compute_ahead
        from refinfer.kernels.compiled.plan import make_plan

        subgraph, known = self.graph.subgraphs[index], self.shapes(index, shapes)
        computes, evaluates = self._computes(index), self._evaluates(index)
        hosts = [self._host_of(node) for node in subgraph.nodes]
        watched = self.watch is not None
        with np.errstate(all="ignore"):  # some of the nodes are computed, on made-up numbers too
            ahead = Ahead(subgraph, known, {}) if watched else compute_ahead(subgraph, computes, evaluates, known)
            return make_plan(ahead, computes, evaluates, hosts, self._variables[index])

    def _computes(self, index: int) -> list[Compute | None]:
        """The arithmetic of each node of a subgraph; None for the user's own."""
        nodes = self.graph.subgraphs[index].nodes
        return [None if node.custom_code in self._custom else self._compute(node) for node in nodes]

    def _evaluates(self, index: int) -> list[Evaluate]:
        return [step.evaluate for step in self._programs[index]]

    def bind(self, index: int, shapes: Sequence[Shape], threads: int = 1) -> Bound | None:
        """A subgraph without copies: None until compiled kernels are ready, and unless its plan is one call.

        Images of a batch that do not know of each other are shared by so many threads. A subgraph that others call may
        not be bound.
        """
        if not self.tier.ready or self.watch is not None:
            return None
        return self._bind_batch(index, shapes, threads) or self._bind_whole(index, shapes)

    def _bind_batch(self, index: int, shapes: Sequence[Shape], threads: int) -> Bound | None:
        from refinfer.kernels.compiled.batches import Batch, Crew, are_parts, images_of_a_part, is_by_image

        subgraph = self.graph.subgraphs[index]
        if not shapes or any(len(shape) == 0 or shape[0] != shapes[0][0] or shape[0] < 2 for shape in shapes):
            return None
        batch, known = shapes[0][0], self.shapes(index, shapes)
        if not is_by_image(subgraph, self._computes(index), self._evaluates(index), known):
            return None
        images = images_of_a_part(subgraph, known, batch, threads)
        part = [(images, *shape[1:]) for shape in shapes]
        if not are_parts(subgraph, known, self.shapes(index, part)):
            return None
        plan = self.plan(index, part)
        if plan is None or plan.ports is None:
            return None
        arrays = [
            tuple(np.zeros(known[each.index] or (), dtype_of(each.type)) for each in tensors)
            for tensors in (subgraph.inputs, subgraph.outputs)
        ]
        return Bound(Batch(Crew(plan, threads), images, *arrays), *arrays)

    def _bind_whole(self, index: int, shapes: Sequence[Shape]) -> Bound | None:
        plan = self.plan(index, shapes)
        whole = None if plan is None else plan.whole()
        if plan is None or whole is None:
            return None
        run = whole.run
        if plan.keeps_nothing:
            return Bound(run, whole.inputs, whole.outputs)

        def run_bound() -> None:
            if self._settled is plan or self._settle(plan, index):
                run()
            else:  # a variable is not what the plan expects
                for memory, array in zip(whole.outputs, self.call(index, whole.inputs), strict=True):
                    memory[...] = array

        return Bound(run_bound, whole.inputs, whole.outputs)

    def crew(self, index: int, shapes: Sequence[Shape], threads: int) -> Crew | None:
        """Threads that run a subgraph each for itself: None until compiled kernels are ready, and for one that keeps
        anything from run to run, or whose plan is not one call.
        """
        plan = self.plan(index, shapes) if self.tier.ready and self.watch is None else None
        if plan is None or plan.ports is None or not plan.keeps_nothing or self._variables[index]:
            return None
        from refinfer.kernels.compiled.batches import Crew

        return Crew(plan, threads)

    def _settle(self, plan: Plan, index: int) -> bool:
        """Call what is called once, and bring the variables; whether the plan's rows are now all that has to run.

        That remains so until someone else runs here, or all is reset.
        """
        *before, segment = plan.program
        assert not isinstance(segment, int)
        for node in before:  # CALL_ONCE
            assert isinstance(node, int)
            self._run_steps(self._programs[index][node : node + 1], [])
        if not self._variables_at_hand(segment):
            return False
        self._settled = plan
        return True

    def _run_steps(
        self, steps: Sequence[Step], values: list[Array | None], spent: Sequence[Sequence[int]] = ()
    ) -> None:
        """`spent` are the tensors that are no longer needed after each step."""
        for step, over in zip(steps, spent or repeat(()), strict=False):
            arguments = tuple(values[place] if place >= 0 else None for place in step.inputs)
            results = _evaluated(step, arguments)
            for place, result in zip(step.outputs, results, strict=True):
                values[place] = result
            if self.watch is not None:
                self.watch(step.node, arguments, results)
            for place in over:
                values[place] = None

    def _run_plan(self, plan: Plan, steps: Sequence[Step], values: list[Array | None]) -> None:
        """Run the segments by the plan and other nodes by themselves.

        The plan's memory is used again and again: what leaves a segment is a copy.
        """
        for place, value in plan.values:
            values[place] = value
        for part in plan.program:
            if isinstance(part, int):
                self._run_steps(steps[part : part + 1], values)
            elif part.variables and not self._variables_at_hand(part):
                self._run_steps([steps[node.index] for node in part.nodes], values)
            else:
                for place, memory in part.loads:
                    memory[...] = values[place]
                if self.watch is None:
                    plan(part.first, part.end)
                    for place, memory in part.results:
                        values[place] = memory.copy()
                else:
                    self._run_watched(plan, part, values)

    def _variables_at_hand(self, segment: Segment) -> bool:
        """Bring resource variables into the plan's memory, where they stay; False if one is not what it was planned as.

        Others see them there too: kernels in numpy copy what they read and what they assign.
        """
        resources = self._host.resources
        for number, memory in segment.variables:
            value = resources.values.get(number, resources.initial.get(number))
            if value is memory:
                continue
            if value is None or value.shape != memory.shape or value.dtype != memory.dtype:
                return False
            memory[...] = value
            resources.values[number] = memory
        return True

    def _run_watched(self, plan: Plan, segment: Segment, values: list[Array | None]) -> None:
        """Run a segment a node at a time."""
        made = dict(segment.made)
        first = segment.first
        for node, end in zip(segment.nodes, segment.ends, strict=True):
            arguments = tuple(None if x is None else values[x.index] for x in node.inputs)
            plan(first, end)
            for y in node.outputs:
                values[y.index] = made[y.index].copy()
            assert self.watch is not None
            self.watch(node, arguments, tuple(_present(values[y.index], y) for y in node.outputs))
            first = end

    def ports(self, index: int) -> tuple[int, int] | None:
        """How many inputs and outputs a subgraph has, if there is one of this index."""
        if not 0 <= index < len(self.graph.subgraphs):
            return None
        subgraph = self.graph.subgraphs[index]
        return len(subgraph.inputs), len(subgraph.outputs)

    def operators(self, index: int) -> tuple[BuiltinOperator, ...]:
        """The operators of a subgraph, in their order."""
        return tuple(node.op for node in self.graph.subgraphs[index].nodes)

    def call(self, index: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Run a subgraph for its outputs."""
        values = self.run(index, inputs)
        return tuple(_present(values[tensor.index], tensor) for tensor in self.graph.subgraphs[index].outputs)

    def evaluate(self, node: Node, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        """Run a single node of the graph on these inputs; arrays of variable tensors are updated in place."""
        with np.errstate(all="ignore"):
            return _evaluated(self._programs[node.subgraph][node.index], inputs)

    def constants(self, index: int) -> list[Array | None]:
        """The values of a subgraph's tensors that do not depend on a run: constants, and variables as they are."""
        values = list(self._constants[index])
        for place, variable in self._variables[index].items():
            values[place] = variable
        return values

    def reset(self) -> None:
        """Bring all memory back to what it was at first; what has been called once is not called again.

        [micro_interpreter.cc: Reset]
        """
        self._settled = None
        self.reset_variables()
        self._host.resources.clear()
        self._host.memory.clear()

    def start_anew(self) -> None:
        """Bring all memory back to what a new machine has: what is called once is called again."""
        self.reset()
        self._host.once.clear()

    def reset_variables(self) -> None:
        """Bring variable tensors back to their zero."""
        for subgraph in self.graph.subgraphs:
            self.reset_variables_of(subgraph.index)

    def reset_variables_of(self, index: int) -> None:
        """Bring the variable tensors of one subgraph back to their zero."""
        for place, array in self._variables[index].items():
            array[...] = _zero(self.graph.subgraphs[index].tensors[place])

    def shapes(self, index: int, inputs: Sequence[Shape]) -> list[Shape | None]:
        """The shapes of a subgraph's tensors if its inputs have these; None for what only a run can tell.

        Raises UnsupportedNode if they do not go together.
        """
        subgraph = self.graph.subgraphs[index]
        known: list[Shape | None] = [tensor.shape for tensor in subgraph.tensors]
        for tensor, shape in zip(subgraph.inputs, inputs, strict=True):
            known[tensor.index] = shape
        for node in subgraph.nodes:
            given = [known[x.index] if x is not None else () for x in node.inputs]
            shapes: Sequence[Shape] | None = None
            if None not in given and node.custom_code not in self._custom:
                try:
                    shapes = self._compute(node).shape(node, given)  # type: ignore[arg-type]  # None is ruled out
                except Refusal as refusal:
                    raise _unsupported(node, refusal) from None
            for position, y in enumerate(node.outputs):
                known[y.index] = None if shapes is None else shapes[position]
        return known

    def _fold(self, node: Node) -> Step:
        try:
            evaluate = self._evaluate(node)
        except Refusal as refusal:
            raise _unsupported(node, refusal) from None
        inputs = tuple(-1 if tensor is None else tensor.index for tensor in node.inputs)
        return Step(node, evaluate, inputs, tuple(tensor.index for tensor in node.outputs))

    def _evaluate(self, node: Node) -> Evaluate:
        if node.custom_code is not None and node.custom_code in self._custom:
            return self._custom[node.custom_code](node)
        self.dialect.admit(node)
        return self._compute(node).fold(node, self._host_of(node))

    def _host_of(self, node: Node) -> Host:
        """The host with the numerics of whoever computes the node."""
        numerics = self.dialect.numerics_of(node)
        return self._host if numerics is self._host.numerics else replace(self._host, numerics=numerics)

    def _compute(self, node: Node) -> Compute:
        """The arithmetic of a node's operator, if its version and type are known; raises Refusal if not."""
        compute = self.dialect.compute_of(node)
        if compute is None:
            raise Refusal(f"the dialect {self.dialect.name} has no operator {node.name}")
        if not 1 <= node.version <= compute.version:
            raise Refusal(f"version {node.version}; up to {compute.version} is supported")
        first = node.inputs[0] if node.inputs else None
        if first is not None and first.type not in compute.types:
            names = ", ".join(sorted(each.name for each in compute.types))
            raise Refusal(f"input type {first.type.name}; it may be {names}", first)
        return compute


def _evaluated(step: Step, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    try:
        return step.evaluate(*inputs)
    except Refusal as refusal:
        raise _unsupported(step.node, refusal) from None


def _unsupported(node: Node, refusal: Refusal) -> UnsupportedNode:
    """The refusal, with the place in front."""
    place = f"operator {node.index} ({node.name}) of subgraph {node.subgraph}"
    if refusal.tensor is not None:
        place += f", tensor {refusal.tensor.index} ({refusal.tensor.name!r})"
    return UnsupportedNode(f"{place}: {refusal.reason}")


def _present(array: Array | None, tensor: Tensor) -> Array:
    assert array is not None, tensor  # the graph has checked that every tensor is written before it is read
    return array


def _spent(subgraph: Subgraph) -> list[list[int]]:
    """For each node, the tensors made by nodes that none after it reads, and that are no outputs."""
    last = {tensor.index: node.index for node in subgraph.nodes for tensor in (*node.outputs, *node.inputs) if tensor}
    made = {y.index for node in subgraph.nodes for y in node.outputs} - {y.index for y in subgraph.outputs}
    spent: list[list[int]] = [[] for _ in subgraph.nodes]
    for tensor in sorted(made):
        spent[last[tensor]].append(tensor)
    return spent


def _constants(subgraph: Subgraph) -> list[Array | None]:
    return [_constant(tensor) for tensor in subgraph.tensors]


def _constant(tensor: Tensor) -> Array | None:
    """The value that the file has for a tensor; one of no elements need not be written down."""
    try:
        if tensor.data is None and 0 in tensor.shape:
            return np.empty(tensor.shape, dtype_of(tensor.type))
        return constant(tensor)
    except Refusal as refusal:
        place = f"tensor {tensor.index} ({tensor.name!r}) of subgraph {tensor.subgraph}"
        raise UnsupportedNode(f"{place}: {refusal.reason}") from None


def _variables(subgraph: Subgraph) -> dict[int, Array]:
    return {
        tensor.index: np.full(tensor.shape, _zero(tensor), dtype_of(tensor.type))
        for tensor in subgraph.tensors
        if tensor.is_variable
    }


def _zero(tensor: Tensor) -> int:
    """What a variable starts with: zero, which in int8 is the zero point [subgraph.cc: ResetVariableTensors]."""
    quantization = tensor.quantization
    is_int8 = tensor.type == TensorType.INT8 and quantization is not None and len(quantization.zero_point) > 0
    return quantization.zero_point[0] if is_int8 and quantization is not None else 0
