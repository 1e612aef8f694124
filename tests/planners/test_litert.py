"""LiteRT's placement against LiteRT itself, which gives away the address of each tensor.

Here is the rest of its arena: how long each tensor is kept, and which shares the memory of another [arena_planner.cc:
PlanAllocations, IdentifyInPlaceTensors]. Its kernels for reference are asked, without XNNPACK.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from refinfer.kernels.common import type_size
from refinfer.planners.litert import place_as_litert
from refinfer.planners.problem import Buffer, clashes
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Graph, Node, Subgraph, Tensor
from refinfer.testing import NodeSpec, SubgraphSpec, build, installed
from tests import corpus
from tests.planners.chains import chain, floats

Op = BuiltinOperator
SAMPLES = sorted((Path(__file__).resolve().parents[2] / "models").glob("*.tflite"))
needs_litert = pytest.mark.skipif(not installed("litert"), reason="there is no ai-edge-litert for this platform")

IN_PLACE = {
    Op.ADD: (0, 1),
    Op.SUB: (0, 1),
    Op.MUL: (0, 1),
    Op.DIV: (0, 1),
    Op.SOFTMAX: (0,),
    Op.DYNAMIC_UPDATE_SLICE: (0,),
}
"""The inputs whose memory the output may take over if it is as large [kernels/*.cc: kTfLiteInplaceOp…]."""
UNMODIFIED = {Op.RESHAPE, Op.SQUEEZE, Op.EXPAND_DIMS, Op.BITCAST}
"""Operators that leave the bytes of input 0 as they are; for these the output stands for it wherever it is used."""

AT_ONCE = 4  # bytes or fewer are never shared [kScalarTensorBytes]


class Arena(NamedTuple):
    """The tensors of the main subgraph that have memory of their own in the arena, and for how long."""

    tensors: list[Tensor]
    buffers: list[Buffer]


def arena_of(graph: Graph) -> Arena:
    """As LiteRT plans it, without what kernels ask for beside; inputs are kept to the end as outputs are."""
    main = graph.subgraphs[0]
    nodes, kept = list(main.nodes), Counter(each.index for each in (*main.inputs, *main.outputs))
    owner = shared(main, nodes, kept)
    uses = kept + Counter(owner.get(x.index, x.index) for node in nodes for x in node.inputs if x is not None)
    constant = constants(main, nodes)
    first = {x.index: 0 for x in main.inputs}
    last: dict[int, int] = {}
    for step, node in enumerate(nodes):
        for y in node.outputs:
            first.setdefault(y.index, step)
        for x in node.inputs:
            index = -1 if x is None else owner.get(x.index, x.index)
            uses[index] -= 1
            if uses[index] == 0:
                last[index] = step
    tensors = [
        each for each in main.tensors if each.index in first and each.index not in constant and each.index not in owner
    ]
    end = len(nodes) + 1
    return Arena(tensors, [Buffer(size(each), first[each.index], last.get(each.index, end)) for each in tensors])


def size(tensor: Tensor) -> int:
    return prod(tensor.shape) * type_size(tensor)


def constants(main: Subgraph, nodes: list[Node]) -> set[int]:
    """Those, and what DEQUANTIZE makes of them, which is kept elsewhere; variables too."""
    found = {each.index for each in main.tensors if each.data is not None or each.is_variable}
    made = {node.outputs[0].index for node in nodes if node.op == Op.DEQUANTIZE and node.inputs[0].index in found}  # type: ignore[union-attr]
    return found | made


def shared(main: Subgraph, nodes: list[Node], kept: Mapping[int, int]) -> dict[int, int]:
    """The tensors that have no memory of their own, and whose they have."""
    uses = Counter(kept) + Counter(x.index for node in nodes for x in node.inputs if x is not None)
    inputs, outputs = ({each.index for each in ends} for ends in (main.inputs, main.outputs))
    fixed = constants(main, nodes)
    owner: dict[int, int] = {}
    for node in nodes:
        changes = node.op not in UNMODIFIED
        for position in IN_PLACE.get(node.op, ()) if changes else (0,):
            x, y = node.inputs[position], node.outputs[0]
            if x is None or x.index in inputs | fixed or y.index in outputs:
                continue
            if changes and (size(x) != size(y) or size(x) <= AT_ONCE or uses[x.index] > 1):
                continue
            found = owner.get(x.index, x.index)
            if not changes or uses[found] <= 1:
                owner[y.index] = found
            break
    return owner


def addresses(data: bytes, indices: Sequence[int]) -> list[int]:
    """Where these tensors are; nothing if LiteRT refuses the model, or its kernels have tensors that the file has not.

    It is asked in a process of its own, which may crash.
    """
    receiver, sender = Pipe(duplex=False)
    process = get_context("fork").Process(target=tell_addresses, args=(data, indices, sender))
    process.start()
    sender.close()
    try:
        found: list[int] = receiver.recv()
    except EOFError:
        found = []
    process.join()
    return found


def tell_addresses(data: bytes, indices: Sequence[int], sender: Connection) -> None:
    """All that LiteRT does, in the other process."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF
    try:
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=resolver, num_threads=1)
        interpreter.allocate_tensors()
        own = len(interpreter.get_tensor_details()) == len(read_model(data).subgraphs[0].tensors)
        arrays = [interpreter.tensor(index)() for index in indices] if own else []
        sender.send([] if any(each is None for each in arrays) else [each.ctypes.data for each in arrays])
    except (RuntimeError, ValueError):  # it refuses the model, or a tensor gets its memory when it runs
        sender.send([])


def compare(data: bytes) -> tuple[list[int], list[int]] | None:
    """Offsets that are predicted, and those that are seen, of the tensors with memory of their own."""
    tensors, buffers = arena_of(read_model(data))
    held = [place for place, buffer in enumerate(buffers) if buffer.nbytes]
    seen = addresses(data, [tensors[place].index for place in held])
    if not seen:
        return None
    offsets = place_as_litert(buffers)
    return [offsets[place] for place in held], [each - min(seen) for each in seen]


@needs_litert
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_tensors_lie_where_litert_puts_them(path: Path) -> None:
    compared = compare(path.read_bytes())
    if compared is None:
        pytest.skip("its kernels ask for tensors of their own")
    predicted, seen = compared
    assert predicted == seen


ELSEWHERE = {
    "ai_tools__test_lstm_1__70c8de": "four equal outputs of a SPLIT: the order of a hash set",
    "neuralSPOT__quant_model_act__d1e85b": "four equal outputs of a SPLIT: the order of a hash set",
    "nnstreamer__sample_4x4x4x4x4_two_input_one_output__0244d6": "shapes that are known when it runs",
    "ai-edge-quanti__reshape_with_empty_shape__cc6a68": "shapes that are known when it runs",
}


@needs_litert
@pytest.mark.parametrize("model", corpus.models())
def test_tensors_of_real_models_lie_where_litert_puts_them(model: corpus.CorpusModel) -> None:
    if "litert" not in model.outputs:
        pytest.skip("LiteRT does not run it")
    compared = compare(model.data)
    if compared is None:
        pytest.skip("its kernels ask for tensors of their own")
    predicted, seen = compared
    assert (predicted == seen) == (model.path.stem not in ELSEWHERE)


def test_of_equal_tensors_that_start_together_the_later_one_goes_first() -> None:
    buffers = [Buffer(64, 0, 2), Buffer(128, 1, 2), Buffer(128, 1, 2)]
    assert place_as_litert(buffers) == (0, 192, 64)


def rows() -> Iterator[tuple[str, bytes]]:
    x, y, z = floats(1, 64), floats(1, 64), floats(1, 64)
    yield "a chain", chain(4)
    yield "in place", build(SubgraphSpec([NodeSpec(Op.RELU, [x], [y]), NodeSpec(Op.ADD, [y, y], [z])], [x], [z]))


@needs_litert
@pytest.mark.parametrize(("name", "model"), list(rows()), ids=[name for name, _ in rows()])
def test_small_models_lie_where_litert_puts_them(name: str, model: bytes) -> None:
    compared = compare(model)
    assert compared is not None
    assert compared[0] == compared[1]
    buffers = arena_of(read_model(model)).buffers
    assert clashes(buffers, place_as_litert(buffers)) == []
