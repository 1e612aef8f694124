"""What SVDF asks for and refuses."""

from __future__ import annotations

from dataclasses import replace

from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node
from refinfer.schema.options import SVDFOptions
from tests.kernels.nodes import FLOAT32, INT8, INT16, INT32, node, refused, scratch, tensor

BATCHES, INPUTS, UNITS, RANK, MEMORY = 2, 4, 3, 2, 5
FILTERS = UNITS * RANK


def svdf(*, bias_scale: float = 0.25) -> Node:
    inputs = [
        tensor(INT8, BATCHES, INPUTS, scale=0.5),
        tensor(INT8, FILTERS, INPUTS, scale=0.5),
        tensor(INT16, FILTERS, MEMORY, scale=0.5),
        tensor(INT32, UNITS, scale=bias_scale),
        tensor(INT16, BATCHES, MEMORY * FILTERS, scale=0.5, is_variable=True),
    ]
    return node(BuiltinOperator.SVDF, inputs, tensor(INT8, BATCHES, UNITS, scale=0.5), SVDFOptions(rank=RANK))


def in_float(of: Node) -> Node:
    inputs = tuple(replace(each, type=FLOAT32) for each in of.inputs if each is not None)
    return replace(of, inputs=inputs, outputs=(replace(of.outputs[0], type=FLOAT32),))


def test_int8_keeps_its_filters_and_its_sums_and_float_its_filters() -> None:
    assert scratch(svdf()) == [4 * BATCHES * FILTERS, 4 * BATCHES * UNITS]
    assert scratch(in_float(svdf())) == [4 * BATCHES * FILTERS]


def test_the_bias_has_the_scale_of_state_times_time() -> None:
    assert refused(svdf(bias_scale=0.25 + 2e-5)) is not None
    assert refused(svdf(bias_scale=0.25 + 5e-6)) is None


def without_bias(of: Node) -> Node:
    return replace(of, inputs=(*of.inputs[:3], None, of.inputs[4]))


def test_int8_needs_a_bias_and_float_does_not() -> None:
    assert refused(without_bias(svdf())) == "input 3 is missing"
    assert refused(without_bias(in_float(svdf()))) is None


def test_filters_are_made_of_ranks() -> None:
    assert refused(replace(svdf(), options=SVDFOptions(rank=4))) == "6 filters are not made of 4 ranks"
    assert refused(replace(svdf(), options=None)) == "6 filters are not made of 0 ranks"
