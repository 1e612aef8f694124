"""Run a model and tell how one number of it came to be, in one dialect or in both.

    explanation = refinfer.explain("model.tflite", op=0, element=(0, 3, 5, 7))
    explanation.accounts[0].value
    explanation                     # in Jupyter, a table

What the steps lead to is compared with what the interpreter has. If they differed, one of the two would be wrong, and
`Account.agrees` would say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.explanation.lessons import Topic, topic_of
from refinfer.explanation.quantize import quantization_at
from refinfer.explanation.site import Index, Site, value_of
from refinfer.explanation.steps import Number, Result, Step
from refinfer.inputs import random_inputs
from refinfer.kernels.compute import Aborted, Host
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS, PORTABLE, Dialect
from refinfer.machine import Machine
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator.report import model_to_dict

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SCHEMA = 1
BOTH = "both"


@dataclass(frozen=True)
class Account:
    """How a dialect comes to the element.

    `value` is what the interpreter has, and `found` what the steps lead to: None where there is no explanation.
    `operands` are in words what the operator was given. `refusal` says why the dialect has no value at all.
    """

    dialect: str
    steps: tuple[Step, ...] = ()
    found: Number | None = None
    value: Number | None = None
    operands: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the steps lead to what the interpreter has; so it is where there are none."""
        return self.found is None or same(self.found, self.value)


class Row(NamedTuple):
    """The steps of the dialects at a place: those with one label, or what one has in place of the other's; or None."""

    steps: tuple[Step | None, ...]

    @property
    def equal(self) -> bool:
        """Whether all do the same."""
        return all(step == self.steps[0] for step in self.steps)


@dataclass(frozen=True)
class Explanation:
    """What `explain` found: an account for each dialect.

    `same_inputs` is whether the operator is given the same in each; if not, an operator before it has parted them.
    """

    graph: Graph
    node: Node
    element: Index
    accounts: tuple[Account, ...]
    same_inputs: bool

    @property
    def tensor(self) -> Tensor:
        """The tensor that the element is of."""
        return self.node.outputs[0]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The steps of all dialects that have some, side by side."""
        told = [account.steps for account in self.accounts if account.steps]
        if len(told) < 2:
            return tuple(Row((step,)) for steps in told for step in steps)
        return tuple(aligned(*told))

    @property
    def parting(self) -> int | None:
        """The first of the rows in which the dialects differ; None if they do not."""
        return next((place for place, row in enumerate(self.rows) if not row.equal), None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready values; docs/json.md documents the fields."""
        parting = self.parting
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "op": self.node.index,
            "name": self.node.name,
            "element": list(self.element),
            "type": self.tensor.type.name,
            "same_inputs": self.same_inputs,
            "parting": None if parting is None else label_of(self.rows[parting]),
            "accounts": [
                {
                    "dialect": account.dialect,
                    "refusal": account.refusal or None,
                    "value": number(account.value),
                    "found": number(account.found),
                    "agrees": account.agrees,
                    "operands": list(account.operands),
                    "steps": [{**step._asdict(), "value": number(step.value)} for step in account.steps],
                }
                for account in self.accounts
            ],
        }

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        from refinfer.explanation.html import fragment

        return fragment(self)

    def to_html(self) -> str:
        """A page by itself, which needs nothing else."""
        from refinfer.explanation.html import page

        return page(self)


def explain(
    model: Source | Graph,
    op: int,
    element: Sequence[int] | None = None,
    inputs: Sequence[Array] | None = None,
    *,
    dialect: str = BOTH,
    seed: int = 0,
) -> Explanation:
    """How one element of the output of operator `op` of the main subgraph came to be.

    Without `element` it is the one that stands for the largest number. `inputs` holds the arrays of the model's inputs;
    without it they are random, of `seed`. `dialect` names one, or two with a comma between; "both" are
    "litert,tflm". Raises UsageError for an operator or
    an element that there is not, and if inputs are missing.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    node = node_at(graph, op)
    arrays = [each.array for each in random_inputs(graph, seed)] if inputs is None else list(inputs)
    expected = len(graph.subgraphs[0].inputs)
    if len(arrays) != expected:
        raise UsageError(f"{len(arrays)} inputs are given; the model has {expected}")
    runs = [run(graph, node, each, arrays) for each in dialects(dialect)]
    outputs = [each.outputs[0] for each in runs if each.outputs]
    index = chosen(element, node, outputs[0]) if outputs else tuple(element or ())
    accounts = tuple(account(each, node, index) for each in runs)
    return Explanation(graph, node, index, accounts, alike([each.inputs for each in runs if each.outputs]))


def dialects(names: str) -> list[Dialect]:
    """The one or two dialects that are meant; raises UsageError if there is none of that name, or if they are more."""
    chosen = [*PORTABLE] if names == BOTH else names.split(",")
    unknown = [name for name in chosen if name not in DIALECTS]
    if unknown or len(chosen) > 2:
        wanted = f"wanted is one of {', '.join(DIALECTS)}, two with a comma, or {BOTH}"
        raise UsageError(f"no dialect {unknown[0]!r}; {wanted}" if unknown else f"{names}: {wanted}")
    return [DIALECTS[name] for name in chosen]


def node_at(graph: Graph, op: int) -> Node:
    """The operator of that number; raises UsageError if there is none."""
    nodes = graph.subgraphs[0].nodes
    if not 0 <= op < len(nodes):
        numbers = f"0 to {len(nodes) - 1}" if nodes else "none"
        raise UsageError(f"there is no operator {op}; the main subgraph has {numbers}")
    if not nodes[op].outputs:
        raise UsageError(f"operator {op} ({nodes[op].name}) has no output")
    return nodes[op]


def chosen(element: Sequence[int] | None, node: Node, output: Array) -> Index:
    """The element that is asked for, or the one that stands for the largest number; raises UsageError without one."""
    place = f"operator {node.index} ({node.name})"
    if output.size == 0 or output.dtype.kind not in "biuf":
        raise UsageError(f"{place}: an output of {output.dtype} {list(output.shape)} has no numbers to explain")
    if element is None:
        return largest(node.outputs[0], output)
    index = tuple(int(at) for at in element)
    fits = len(index) == output.ndim and all(0 <= at < size for at, size in zip(index, output.shape, strict=True))
    if not fits:
        raise UsageError(f"{place}: there is no element {list(index)}; the output has shape {list(output.shape)}")
    return index


def largest(tensor: Tensor, output: Array) -> Index:
    """Where the number with the largest magnitude is, or the first of several."""
    real = output.astype(np.float64)
    if tensor.quantization is not None and len(tensor.quantization.scale) == 1:
        real -= quantization_at(tensor, ())[1]
    place = int(np.argmax(np.nan_to_num(np.abs(real))))
    return tuple(int(at) for at in np.unravel_index(place, output.shape))


class Run(NamedTuple):
    """A dialect's run: what the node was given and what came out; without outputs, why."""

    dialect: Dialect
    machine: Machine | None = None
    inputs: tuple[Array | None, ...] = ()
    outputs: tuple[Array, ...] = ()
    refusal: str = ""


def alike(inputs: Sequence[Sequence[Array | None]]) -> bool:
    """Whether the inputs of several runs are the same."""
    return all(
        np.array_equal(np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind == "f")
        for each in inputs[1:]
        for one, other in zip(inputs[0], each, strict=True)
    )


class Reached(Exception):
    """The node has run, and what comes after it does not matter."""


class Recorder:
    """Watches a machine for one node, whose variables it keeps as they were before."""

    def __init__(self, machine: Machine, node: Node) -> None:
        """Before the run."""
        self._node = node
        values = machine.constants(node.subgraph)
        self._variables = {x: copied(values[x.index]) for x in node.inputs if x is not None and x.is_variable}
        self.inputs: tuple[Array | None, ...] = ()
        self.outputs: tuple[Array, ...] = ()

    def look(self, node: Node, inputs: tuple[Array | None, ...], outputs: tuple[Array, ...]) -> None:
        """Take down what the node has, and then end the run; before, what variables have become."""
        pairs = list(zip(node.inputs, inputs, strict=True))
        if node is self._node:
            self.inputs = tuple(self._variables.get(x, array) if x is not None else None for x, array in pairs)
            self.outputs = tuple(array.copy() for array in outputs)
            raise Reached
        self._variables |= {x: copied(array) for x, array in pairs if x is not None and x in self._variables}


def copied(array: Array | None) -> Array:
    """Of a variable, which always has a value."""
    assert array is not None
    return array.copy()


def run(graph: Graph, node: Node, dialect: Dialect, arrays: Sequence[Array]) -> Run:
    """Run the model as far as the node, and take down what happens there."""
    try:
        machine = Machine(graph, dialect)
        machine.shapes(0, [array.shape for array in arrays])  # refuses inputs that do not go together
        recorder = Recorder(machine, node)
        machine.watch = recorder.look
        machine.run(0, [array.copy() for array in arrays])
    except UnsupportedNode as refusal:
        return Run(dialect, refusal=str(refusal))
    except (Reached, Aborted):
        pass
    machine.watch = None
    if not recorder.outputs:
        return Run(dialect, refusal="the run ended before this operator")
    return Run(dialect, machine, recorder.inputs, recorder.outputs)


def account(run: Run, node: Node, index: Index) -> Account:
    """What a dialect has at the element, and how it came to be if that can be told."""
    if run.machine is None:
        return Account(run.dialect.name, refusal=run.refusal)
    output = run.outputs[0]
    if len(index) != output.ndim or any(at >= size for at, size in zip(index, output.shape, strict=True)):
        return Account(run.dialect.name, refusal=f"here the output has shape {list(output.shape)}: no such element")
    value, operands = value_of(output, index), tuple(described(node, run.inputs, index))
    topic = topic_of(node, run.dialect)
    if topic is None:
        return Account(run.dialect.name, value=value, operands=operands)
    steps, found = taught(topic, site_of(run, run.machine, node, index))
    return Account(run.dialect.name, steps, found, value, operands)


def site_of(run: Run, machine: Machine, node: Node, index: Index) -> Site:
    """The place of the lesson."""

    def after(inputs: Sequence[Array | None]) -> Sequence[Array | None]:
        given = [
            copied(array) if x is not None and x.is_variable else array
            for x, array in zip(node.inputs, inputs, strict=True)
        ]
        machine.evaluate(node, given)
        return given

    host = Host(run.dialect.numerics_of(node), machine.ports, machine.call, machine.operators)
    compute = run.dialect.compute_of(node)
    assert compute is not None  # the machine has run it
    return Site(node, index, run.outputs[0].shape, run.inputs, host, compute, after)


def taught(topic: Topic, site: Site) -> tuple[tuple[Step, ...], Number]:
    """The steps of a lesson with those that end each, and what it leads to."""
    steps: list[Step] = []
    lesson = topic.lesson(site)
    while True:
        try:
            steps.append(next(lesson))
        except StopIteration as end:
            result: Result = end.value
            steps += closing(site.output, site.element, result)
            return tuple(steps), result.value


def closing(tensor: Tensor, index: Index, result: Result) -> Iterator[Step]:
    """What the number stands for, what real numbers would give, and how far apart these are."""
    scale, zero_point = quantization_at(tensor, index)
    real = float(result.value)
    if scale:
        real = scale * (result.value - zero_point)
        yield Step("stands for", f"{scale!r} * ({result.value!r} - {zero_point})", real)
    if not result.formula:
        return
    yield Step("in real numbers", result.formula, result.exact, "the same without rounding in between")
    if isfinite(real) and isfinite(result.exact):
        steps = f"{abs(real - result.exact) / scale:.4g} of an output step" if scale else ""
        yield Step("rounding error", f"{real!r} - ({result.exact!r})", real - result.exact, steps)


def described(node: Node, inputs: Sequence[Array | None], index: Index) -> Iterator[str]:
    """What the operator is given: each input with its type, shape and range, and its number at the same place."""
    for position, (x, array) in enumerate(zip(node.inputs, inputs, strict=True)):
        if x is None or array is None:
            yield f"input {position}: left out"
            continue
        words = f"input {position} {x.name!r}: {x.type.name.lower()} {list(array.shape)}"
        if array.size and array.dtype.kind in "biuf":
            words += f", from {array.min().item()!r} to {array.max().item()!r}"
        scale, zero_point = quantization_at(x, (0,) * array.ndim)
        if x.quantization is not None and len(x.quantization.scale) == 1:
            words += f", scale {scale!r}, zero point {zero_point}"
        if len(index) == array.ndim and all(at < size for at, size in zip(index, array.shape, strict=True)):
            words += f"; {array[index]!s} at the element's place"
        yield words


def aligned(first: Sequence[Step], second: Sequence[Step]) -> Iterator[Row]:
    """Steps of the same label beside each other, in the order of both."""
    matcher = SequenceMatcher(None, [step.label for step in first], [step.label for step in second], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(first[start:end], second[other_start:other_end], strict=True)
            yield from (Row(pair) for pair in pairs)
            continue
        yield from map(Row, zip_longest(first[start:end], second[other_start:other_end]))


def label_of(row: Row) -> str:
    """The label of a row, which has a step at least."""
    return next(step.label for step in row.steps if step is not None)


def same(first: Number, second: Number | None) -> bool:
    """Whether two numbers are one, to the bit; NaN is NaN."""
    return second is not None and repr(first) == repr(second)


def number(value: Number | None) -> Number | str | None:
    """JSON has no infinities and no NaN: they are written out."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value
