"""Compare every tensor of the models of the corpus with the official LiteRT: python -m tools.compare_with_litert

Needs REFINFER_CORPUS; REFINFER_CORPUS_ALL=1 takes all models. LiteRT is asked live, with one thread; another version of
it is asked if PYTHONPATH has it in front. Its delegate keeps what lies between the operators that it takes to itself:
therefore each model is run as it is, and once more with all that its operators write among its outputs.

Exact is what integer arithmetic makes, and what is quantized from the inputs or dequantized for the outputs. What a
float operator had a part in is told apart, with the largest difference as a share of the tensor's largest number.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from refinfer.comparison.dialects import remembers
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.rewrite import changed
from refinfer.schema import Graph, read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import RefinferError
from refinfer.schema.file import parse
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.writer import write
from refinfer.testing import referee
from tests.corpus import CorpusModel, corpus, describe, sample
from tests.referees.tflm_worker import draw

KERNELS = {"litert": "REF", "litert-optimized": "OPT", "xnnpack": "AUTO"}
FLOATS = frozenset({TensorType.FLOAT16, TensorType.FLOAT32, TensorType.FLOAT64})
NO_NUMBERS = frozenset({TensorType.STRING, TensorType.RESOURCE, TensorType.VARIANT})
BETWEEN = frozenset({BuiltinOperator.QUANTIZE, BuiltinOperator.DEQUANTIZE})
"""Operators between floats and integers, whose bits are known."""

Outputs = Sequence[Sequence[Any]]


@dataclass
class Count:
    """Of a dialect: how many there were of each, and how many were equal; `unequal` says where it was not so."""

    models: int = 0
    equal_models: int = 0
    tensors: int = 0
    equal_tensors: int = 0
    numbers: int = 0
    equal_numbers: int = 0
    float_tensors: int = 0
    furthest: float = 0.0
    unequal: list[str] = field(default_factory=list)


def written(graph: Graph) -> list[Tensor]:
    """What the operators of the main subgraph write that is numbers, but for what is remembered.

    DEQUANTIZE of a constant is left out: the delegate unpacks it for itself, and does not show what it has.
    """
    nodes = (node for node in graph.subgraphs[0].nodes if not is_unpacking(node))
    tensors = (y for node in nodes for y in node.outputs)
    return [y for y in dict.fromkeys(tensors) if y.type not in NO_NUMBERS and not y.is_variable]


def is_unpacking(node: Node) -> bool:
    """Whether this is DEQUANTIZE of a constant."""
    return node.op == BuiltinOperator.DEQUANTIZE and node.inputs[0] is not None and node.inputs[0].data is not None


def with_all_outputs(graph: Graph) -> bytes:
    """The model with all of that as its outputs."""
    model = parse(graph.file)
    assert model.subgraphs is not None
    main = changed(model.subgraphs[0], outputs=tuple(y.index for y in written(graph)))
    return write(changed(model, subgraphs=(main, *model.subgraphs[1:]), signature_defs=None))


def made_of_floats(nodes: Sequence[Node]) -> set[Tensor]:
    """What float operators had a part in."""
    found: set[Tensor] = set()
    for node in nodes:
        tensors = [x for x in (*node.inputs, *node.outputs) if x is not None]
        computes = node.op not in BETWEEN and any(x.type in FLOATS for x in tensors)
        if computes or any(x in found for x in tensors):
            found |= set(node.outputs)
    return found


def questions(graph: Graph, seeds: int, int_mode: str) -> list[list[list[Any]]]:
    """The inputs of each run: runs that depend on one another together."""
    runs = []
    for seed in range(seeds):
        generator = np.random.Generator(np.random.PCG64(seed))
        runs.append([draw(generator, dtype_of(x.type), x.shape, int_mode) for x in graph.subgraphs[0].inputs])
    return [runs] if remembers(graph) else [[run] for run in runs]


def compare(model: CorpusModel, dialect: str, seeds: int, count: Count) -> None:
    """A model in a dialect; nothing is counted if LiteRT or we do not run it."""
    graph = read_model(model.data)
    tensors = written(graph)
    floats = made_of_floats(graph.subgraphs[0].nodes)
    whole = with_all_outputs(graph)
    place = {tensor: i for i, tensor in enumerate(tensors)}
    is_equal = {tensor: True for tensor in tensors if tensor not in floats}
    sizes = dict.fromkeys(tensors, 0)
    for runs in questions(graph, seeds, model.int_mode):
        theirs = [
            referee("litert").run(each, *runs, kernels=KERNELS[dialect], seconds=300) for each in (model.data, whole)
        ]
        if not all(each.finished for each in theirs):
            count.unequal.append(
                f"{model.file}: LiteRT: {' '.join((theirs[1].error or theirs[1].crash).split())[:160]}"
            )
            return
        machine = Machine(read_model(whole), DIALECTS[dialect])
        for run, as_it_is, all_of_it in zip(runs, theirs[0].outputs, theirs[1].outputs, strict=True):
            ours = machine.call(0, run)
            for tensor, y in zip(graph.subgraphs[0].outputs, as_it_is, strict=True):
                if tensor in is_equal and not same(ours[place[tensor]], y):
                    is_equal[tensor] = False
            for tensor, mine, other in zip(tensors, ours, all_of_it, strict=True):
                sizes[tensor] += mine.size
                if tensor in floats:
                    count.furthest = max(count.furthest, share(mine, other))
                elif not same(mine, other):
                    is_equal[tensor] = False
    if not is_equal:
        count.float_tensors += len(tensors)
        return
    count.models += 1
    count.equal_models += all(is_equal.values())
    count.tensors += len(is_equal)
    count.equal_tensors += sum(is_equal.values())
    count.numbers += sum(sizes[each] for each in is_equal)
    count.equal_numbers += sum(sizes[each] for each, equal in is_equal.items() if equal)
    count.float_tensors += len(tensors) - len(is_equal)
    first = next(
        (node for node in graph.subgraphs[0].nodes if not all(is_equal.get(y, True) for y in node.outputs)), None
    )
    if first is not None:
        count.unequal.append(f"{model.file}: operator {first.index} ({first.name} of {first.outputs[0].type.name})")


def same(mine: Any, other: Any) -> bool:
    """Whether two arrays are the same to the bit, but that one NaN is as good as another."""
    if mine.dtype != other.dtype or mine.shape != other.shape:
        return False
    return bool(np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f"))


def share(mine: Any, other: Any) -> float:
    """The largest difference, as a share of the largest number."""
    if mine.shape != other.shape or mine.size == 0 or mine.dtype.kind == "c":
        return 0.0
    one, two = mine.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one) & np.isfinite(two)
    largest = np.abs(two[finite]).max(initial=0.0)
    return float(np.abs(one - two)[finite].max(initial=0.0) / largest) if largest else 0.0


def lines(dialect: str, count: Count) -> Iterator[str]:
    """What was found."""
    yield (
        f"{dialect}: {count.equal_models} of {count.models} models, "
        f"{count.equal_tensors:,} of {count.tensors:,} tensors, "
        f"{count.equal_numbers:,} of {count.numbers:,} numbers; "
        f"{count.float_tensors:,} tensors of floats, {count.furthest:.2g} apart at most"
    )
    yield from (f"  {words}" for words in count.unequal)


def main() -> None:
    """Compare, and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--least", type=int, default=0, help="bytes of a model's file")
    parser.add_argument("--most", type=int, default=6_000_000)
    parser.add_argument("--dialect", action="append", choices=KERNELS)
    arguments = parser.parse_args()
    if not corpus():
        raise SystemExit(describe())
    dialects = arguments.dialect or list(KERNELS)
    counts = {dialect: Count() for dialect in dialects}
    models = [each for each in sample() if arguments.least <= each.nbytes < arguments.most]
    for model in models:
        for dialect, count in counts.items():
            print(model.file, dialect, file=sys.stderr, flush=True)
            try:
                compare(model, dialect, arguments.seeds, count)
            except (RefinferError, TypeError) as refusal:  # TypeError: inputs that cannot be drawn, such as strings
                count.unequal.append(f"{model.file}: {refusal}")
    print(f"ai-edge-litert {version('ai-edge-litert')}, {len(models)} models, {arguments.seeds} seeds")
    for dialect, count in counts.items():
        print(*lines(dialect, count), sep="\n")


if __name__ == "__main__":
    main()
