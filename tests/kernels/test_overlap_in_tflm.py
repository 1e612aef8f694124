"""TFLM itself, told by an offline plan to write outputs over inputs: at the distance it computes what it does apart.

Models and inputs are made up. One byte less, and it mostly computes something else: so the comparison can fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from struct import pack
from typing import NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from refinfer.kernels.kernel import Overlap
from refinfer.kernels.registry import overlap_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import examples_of, installed, referee
from refinfer.testing.case import Case
from refinfer.testing.generate import runs
from tests.kernels.nodes import FLOAT32, INT8, INT16, X86_64

pytestmark = pytest.mark.skipif(not installed("tflm"), reason="the wheel of TFLM is for Linux on x86-64")

Op = BuiltinOperator
SENSITIVE = [  # with distances that are not 0
    *((Op.CONV_2D, each) for each in (INT8, INT16, FLOAT32)),
    *((Op.DEPTHWISE_CONV_2D, each) for each in (INT8, FLOAT32)),
    *((Op.FULLY_CONNECTED, each) for each in (INT8, FLOAT32)),
    *((Op.PAD, each) for each in (INT8, INT16)),
    (Op.PACK, INT8),
    (Op.UNPACK, INT8),
    (Op.DEQUANTIZE, INT8),
]
OTHERS = [
    *((Op.ADD, each) for each in (INT8, FLOAT32)),
    *((Op.AVERAGE_POOL_2D, each) for each in (INT8, FLOAT32)),
    *((Op.MAX_POOL_2D, each) for each in (INT8, INT16)),
    *((Op.SOFTMAX, each) for each in (INT8, INT16, FLOAT32)),
    *((Op.CONCATENATION, each) for each in (INT8, FLOAT32)),
    *((op, each) for op in (Op.SPLIT, Op.SPLIT_V) for each in (INT8, FLOAT32)),
    *((Op.STRIDED_SLICE, each) for each in (INT8, FLOAT32)),
    *((each, INT8) for each in (Op.MUL, Op.SUB, Op.QUANTIZE, Op.TRANSPOSE_CONV, Op.RESHAPE, Op.SQUEEZE)),
    *((each, INT8) for each in (Op.SLICE, Op.EXPAND_DIMS, Op.RESIZE_NEAREST_NEIGHBOR, Op.HARD_SWISH, Op.LESS)),
    *((each, INT8) for each in (Op.LOGISTIC, Op.LEAKY_RELU, Op.RELU, Op.MAXIMUM, Op.ADD_N, Op.LOG_SOFTMAX)),
]
EXAMPLES, FEW, INPUTS = 5, 2, 3
Outputs = list[tuple[bytes, ...]]


class Pair(NamedTuple):
    """A model that TFLM runs, with several inputs for it, and the rule for a tensor and an output of its node."""

    cases: Sequence[Case]
    tensor: int
    output: int
    rule: Overlap
    apart: Outputs


def pairs(op: BuiltinOperator, type: TensorType, count: int) -> Iterator[Pair]:
    """What is made up of the operator, where there is a rule."""
    for cases in examples_of(runs(op, type, INPUTS), count):
        node, main = cases[0].node, cases[0].graph.subgraphs[0]
        apart = outputs(cases[0].model, cases)
        for (position, x), (output, y) in product(enumerate(node.inputs), enumerate(node.outputs)):
            rule = overlap_of(node, X86_64, position, output) if x in main.inputs else None
            if x is not None and rule is not None and apart:
                yield Pair(cases, x.index, y.index, rule, apart)


def outputs(model: bytes, cases: Sequence[Case]) -> Outputs:
    """What TFLM computes, in bytes, as NaN is not equal to itself; nothing where it refuses the model."""
    answer = referee("tflm").run(model, *(case.inputs for case in cases), arena_size=1 << 20)
    return [tuple(y.tobytes() for y in each) for each in answer.outputs] if answer.finished else []


def overlapped(pair: Pair, distance: int) -> Outputs:
    """What it computes with the output at 0 and the input at `distance`; all else is put where there is room."""
    main = pair.cases[0].graph.subgraphs[0]
    places = [-1] * len(main.tensors)
    places[pair.output], places[pair.tensor] = 0, distance
    return outputs(with_plan(pair.cases[0].model, places), pair.cases)


def with_plan(model: bytes, places: Sequence[int]) -> bytes:
    """The model with an offline plan in its metadata."""
    root = schema.ModelT.InitFromPackedBuf(model, 0)
    plan = np.frombuffer(pack(f"<{3 + len(places)}i", 1, 0, len(places), *places), np.uint8)
    root.metadata = [*(root.metadata or []), schema.MetadataT("OfflineMemoryAllocation", len(root.buffers))]
    root.buffers.append(schema.BufferT(data=plan))
    builder = Builder()
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(("op", "type"), OTHERS, ids=lambda each: each.name)
def test_outputs_are_the_same_over_the_input(op: BuiltinOperator, type: TensorType) -> None:
    found = list(pairs(op, type, FEW))
    assert found
    for pair in found:
        assert overlapped(pair, pair.rule.distance) == pair.apart


def test_a_byte_less_changes_most_outputs_but_not_the_distance() -> None:
    changed = []
    for pair in (pair for op, type in SENSITIVE for pair in pairs(op, type, EXAMPLES)):
        assert overlapped(pair, pair.rule.distance) == overlapped(pair, pair.rule.distance + 5) == pair.apart
        if pair.rule.distance > 0:
            changed.append(overlapped(pair, pair.rule.distance - 1) != pair.apart)
    assert sum(changed) * 2 > len(changed) > len(SENSITIVE)
