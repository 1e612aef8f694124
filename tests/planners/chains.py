"""Small models to plan: operators in a row, and plans by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from struct import pack

from refinfer.rewrite import with_metadata
from refinfer.schema import parse
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.writer import write
from refinfer.simulator.head import OFFLINE_PLAN
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(TensorType.FLOAT32, shape)


def chain(length: int, *extra_outputs: int) -> bytes:
    """RELU after RELU, on 64 floats; `extra_outputs` are outputs too."""
    tensors = [floats(1, 64) for _ in range(length + 1)]
    nodes = [NodeSpec(BuiltinOperator.RELU, [x], [y]) for x, y in pairwise(tensors)]
    return build(SubgraphSpec(nodes, tensors[:1], [tensors[-1], *(tensors[each] for each in extra_outputs)]))


def with_plan(model: bytes, offsets: Sequence[int]) -> bytes:
    """The model with these offsets in its metadata."""
    plan = pack(f"<{3 + len(offsets)}i", 1, 1, len(offsets), *offsets)
    return write(with_metadata(parse(model), OFFLINE_PLAN, plan))
