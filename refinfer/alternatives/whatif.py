"""What a network would take if it were another: of another size, in other types, with its weights written otherwise.

One thing changes at a time. Each figure says whether it is exact, that is, what the changed model takes, or estimated,
because a converter may write that model in another way than it is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from refinfer.alternatives.coding import Coded, coded
from refinfer.alternatives.pruning import sparse, with_sparse
from refinfer.alternatives.shapes import reshaped, text_of, with_batch, with_size
from refinfer.alternatives.sharing import Shared, error_of, shared, with_shared
from refinfer.alternatives.types import FORMS, form_of, in_form
from refinfer.alternatives.weights import weights_of, zeros_in
from refinfer.kernels.common import USE_TFLM_COMPRESSION
from refinfer.kernels.compute import Shape
from refinfer.rewrite import changed
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Tensor
from refinfer.schema.resolve import resolve
from refinfer.schema.tables import Buffer, Model
from refinfer.schema.writer import write
from refinfer.simulator import Refused, simulate
from refinfer.simulator.report import SCHEMA, model_to_dict, target_to_dict
from refinfer.simulator.targets import Target, find_target

AS_IT_IS, SHAPE, TYPE, SHARED, PRUNED, CODED = "as it is", "shape", "type", "shared", "pruned", "coded"
"""The kinds of alternatives."""

BITS = range(2, 8)
"""Of an index, where weights are shared; TFLM takes from 1 to 7."""

ZEROS = (0.5, 0.75, 0.9)
"""Shares of zeros that are looked at without being asked."""


class Figure(NamedTuple):
    """Bytes, and whether they are exact."""

    nbytes: int
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {"bytes": self.nbytes, "exact": self.exact}


@dataclass(frozen=True, slots=True)
class Alternative:
    """The network with one thing changed: its file, which lies in flash, and the smallest arena; or why not.

    `kind` is one of the kinds above, `change` says what changes, `cost` what is paid for it, in words; `details` are
    numbers of its kind. `refusal` is why there is no such network, or why TFLM does not run it.
    """

    kind: str
    change: str
    flash: Figure | None
    arena: Figure | None
    refusal: str | None
    cost: str
    details: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; docs/json.md documents the fields."""
        return {
            "kind": self.kind,
            "change": self.change,
            "flash": self.flash and self.flash.to_dict(),
            "arena": self.arena and self.arena.to_dict(),
            "refusal": self.refusal,
            "cost": self.cost,
            "details": dict(self.details),
        }


class Weights(NamedTuple):
    """The weights of one layer: how many are zero, what codes make of them, and by bits what sharing does, if less."""

    tensor: Tensor
    zeros: int
    coded: Coded
    shared: Mapping[int, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "subgraph": self.tensor.subgraph,
            "tensor": self.tensor.index,
            "name": self.tensor.name,
            "type": self.tensor.type.name,
            "elements": self.tensor.elements,
            "bytes": self.coded.nbytes,
            "zeros": self.zeros,
            "entropy_bits": self.coded.entropy_bits,
            "huffman_bits": self.coded.huffman_bits,
            "huffman_bytes": self.coded.huffman,
            "run_length_bytes": self.coded.run_length,
            "shared_bytes": {str(bits): nbytes for bits, nbytes in self.shared.items()},
        }


@dataclass(frozen=True)
class WhatIf:
    """A network on a target as it is, and otherwise; and its weights, layer by layer."""

    graph: Graph
    target: Target
    today: Alternative
    alternatives: tuple[Alternative, ...]
    weights: tuple[Weights, ...]

    @property
    def possible(self) -> bool:
        """Whether everything that was asked for by a shape can be had, and TFLM runs it."""
        return all(each.refusal is None for each in self.alternatives if each.kind == SHAPE)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the table, and what its words mean."""
        from refinfer.page.whatif import article_of

        return article_of(self).fragment()

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready dicts and lists; the fields are documented in docs/json.md."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "target": target_to_dict(self.target),
            "today": self.today.to_dict(),
            "alternatives": [each.to_dict() for each in self.alternatives],
            "weights": [each.to_dict() for each in self.weights],
        }


def whatif(
    model: Source | Graph,
    target: str | Target = "cortex-m4",
    *,
    batches: Sequence[int] = (),
    sizes: Sequence[tuple[int, int]] = (),
    shapes: Sequence[Mapping[str, Shape]] = (),
    zeros: Sequence[float] = ZEROS,
) -> WhatIf:
    """What `model` would take on `target` if one thing or another were changed.

    `batches` are numbers of samples, `sizes` are (rows, columns) of its input images, `shapes` are shapes of inputs by
    name; each is an alternative of its own. `zeros` are shares of zeros among the weights. Other types, and weights
    that are shared or coded, are always looked at. Raises FormatError or GraphError for a bad file, and UsageError for
    an unknown target or for shapes that do not suit the inputs; what cannot be had, or what TFLM does not run, has a
    `refusal`.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    found = target if isinstance(target, Target) else find_target(target)
    wanted: dict[str, Mapping[str, Shape]] = {f"batch {batch}": with_batch(graph, batch) for batch in batches}
    wanted |= {f"input {height}x{width}": with_size(graph, height, width) for height, width in sizes}
    wanted |= {", ".join(f"{name} {text_of(shape)}" for name, shape in each.items()): each for each in shapes}
    for share in zeros:
        if not 0 <= share <= 1:
            raise UsageError(f"zeros: {share}; a share is from 0 to 1")
    question = Question(graph, found)
    return WhatIf(
        graph=graph,
        target=found,
        today=question.today,
        alternatives=(
            *(question.of_shapes(change, each) for change, each in wanted.items()),
            *question.of_types(),
            *question.of_shared(),
            *question.of_zeros(zeros),
            *question.of_codes(),
        ),
        weights=question.weights,
    )


class Question:
    """One network on one target."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.target = graph, target

    @cached_property
    def today(self) -> Alternative:
        """As it is."""
        arena, refusal = self._arena(self.graph, self.target, exact=True)
        return Alternative(AS_IT_IS, AS_IT_IS, Figure(len(self.graph.file), True), arena, refusal, "", {})

    @cached_property
    def weights(self) -> tuple[Weights, ...]:
        """Layer by layer."""
        sizes: dict[Tensor, dict[int, int]] = {}
        for bits, found in self._shared.items():
            for each in found:
                sizes.setdefault(each.tensor, {})[bits] = each.index_bytes + each.table_bytes
        return tuple(
            Weights(each, zeros_in(each), coded([each.data]), sizes.get(each, {}))
            for each in weights_of(self.graph)
            if each.data is not None
        )

    @cached_property
    def _shared(self) -> dict[int, list[Shared]]:
        return {bits: shared(self.graph, bits) for bits in BITS}

    @cached_property
    def _written(self) -> int:
        return len(write(self.graph.model))

    def of_shapes(self, change: str, shapes: Mapping[str, Shape]) -> Alternative:
        """With inputs of these shapes."""
        details = {"inputs": {name: list(shape) for name, shape in shapes.items()}}
        try:
            model = reshaped(self.graph, shapes)
        except UnsupportedNode as error:
            return Alternative(SHAPE, change, None, None, str(error), "", details)
        graph, before = self._resolved(model), products(self.graph)
        cost = f"{products(graph) / before:.3g} times the multiplications" if before else ""
        return self._changed(SHAPE, change, model, True, cost, details)

    def of_types(self) -> Iterator[Alternative]:
        """In each form but its own."""
        now = form_of(self.graph)
        for name, form in FORMS.items():
            if name != now:
                yield self._changed(TYPE, name, in_form(self.graph, form), False, COSTS[name], {"now": now})

    def of_shared(self) -> Iterator[Alternative]:
        """With indices of so many bits."""
        aware = replace(self.target, defines=self.target.defines | {USE_TFLM_COMPRESSION})
        errors = error_of(self._shared)
        for bits, found in reversed(self._shared.items()):
            if found:
                model = with_shared(self.graph, found)
                cost = f"weights move by {100 * errors[bits]:.2g} %; unpacking"
                details = {"bits": bits, "tensors": len(found), "error": errors[bits]}
                yield self._changed(SHARED, f"{2**bits} shared", model, True, cost, details, aware)

    def of_zeros(self, shares: Sequence[float]) -> Iterator[Alternative]:
        """With that share of zeros, stored sparse."""
        for share in shares:
            found = sparse(self.graph, share)
            if found:
                model, kept = with_sparse(self.graph, found), sum(each.kept for each in found)
                details = {"zeros": share, "tensors": len(found), "kept": kept}
                yield self._changed(PRUNED, f"{100 * share:.3g} % zeros", model, True, PRUNED_COST, details)

    def of_codes(self) -> Iterator[Alternative]:
        """With all weights coded."""
        tensors = [each.tensor for each in self.weights]
        if not tensors:
            return
        whole = coded([each.data for each in tensors if each.data is not None])
        for change, nbytes in (("Huffman codes", "huffman"), ("run lengths", "run_length")):
            buffers = list(self.graph.model.buffers or ())
            for each in self.weights:
                buffers[each.tensor.table.buffer] = Buffer(data=memoryview(bytes(getattr(each.coded, nbytes))))
            flash = Figure(self._size(changed(self.graph.model, buffers=tuple(buffers))), True)
            details = {"bytes": whole.nbytes, "coded_bytes": getattr(whole, nbytes), "entropy_bits": whole.entropy_bits}
            yield Alternative(CODED, change, flash, None, None, f"{whole.nbytes:,} bytes to unpack into", details)

    def _changed(
        self,
        kind: str,
        change: str,
        model: Model,
        exact: bool,
        cost: str,
        details: Mapping[str, Any],
        target: Target | None = None,
    ) -> Alternative:
        arena, refusal = self._arena(self._resolved(model), target or self.target, exact)
        return Alternative(kind, change, Figure(self._size(model), exact), arena, refusal, cost, details)

    def _size(self, model: Model) -> int:
        """The bytes of the file: those that it has now, and what the change adds if both are written by us."""
        return len(self.graph.file) + len(write(model)) - self._written

    def _resolved(self, model: Model) -> Graph:
        return replace(resolve(model, self.graph.file), name=self.graph.name, file=self.graph.file)

    def _arena(self, graph: Graph, target: Target, exact: bool) -> tuple[Figure | None, str | None]:
        """The smallest arena, or why TFLM does not run it."""
        try:
            report = simulate(graph, target)
        except Refused as refusal:
            return None, str(refusal)
        if report.refusal is not None:
            return None, str(report.refusal)
        return Figure(report.arena.minimum, exact), None


def products(graph: Graph) -> int:
    """The multiplications of values with weights in a run of the main subgraph; those with padding count too."""
    return sum(
        PRODUCTS[node.op](node.inputs[1].shape, node.outputs[0].elements)
        for node in graph.subgraphs[0].nodes
        if node.op in PRODUCTS and len(node.inputs) > 1 and node.inputs[1] is not None
    )


PRODUCTS: dict[BuiltinOperator, Callable[[Shape, int], int]] = {
    BuiltinOperator.CONV_2D: lambda weights, outputs: outputs * prod(weights[1:]),
    BuiltinOperator.DEPTHWISE_CONV_2D: lambda weights, outputs: outputs * prod(weights[1:3]),
    BuiltinOperator.FULLY_CONNECTED: lambda weights, outputs: outputs * weights[-1],
}
"""From the shape of the weights and the number of outputs."""

COSTS = {
    "float": "no rounding, slow without an FPU",
    "float16": "rounded weights, unpacking",
    "dynamic": "rounding, anew in each run",
    "int8": "rounding, samples of inputs",
    "int16x8": "less rounding, wider values",
}
PRUNED_COST = "training with zeros; unpacking"
