"""What compiled kernels compute is what numpy computes, bit for bit."""

from __future__ import annotations

import os
from typing import Any

import pytest
from numpy.typing import NDArray

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.testing import Case, cases, cases_of, examples_of, networks

pytest.importorskip("numba", reason="compiled kernels need numba")

COUNT = 8 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 25
FLOAT32, INT8, INT16, UINT8 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.UINT8

OPERATORS = {
    BuiltinOperator.CONV_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.DEPTHWISE_CONV_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.FULLY_CONNECTED: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.ADD: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.SUB: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.MUL: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.DIV: (FLOAT32,),
    BuiltinOperator.MAXIMUM: (INT8, FLOAT32),
    BuiltinOperator.SQUARED_DIFFERENCE: (FLOAT32,),
    BuiltinOperator.AVERAGE_POOL_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.MAX_POOL_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.MEAN: (INT8, INT16, FLOAT32),
    BuiltinOperator.SUM: (FLOAT32,),
    BuiltinOperator.SOFTMAX: (INT8, FLOAT32),
    BuiltinOperator.QUANTIZE: (FLOAT32, INT8, INT16),
    BuiltinOperator.DEQUANTIZE: (INT8, INT16),
    BuiltinOperator.RELU: (INT8, INT16, FLOAT32),
    BuiltinOperator.RELU6: (INT8,),
    BuiltinOperator.LEAKY_RELU: (INT8, FLOAT32),
    BuiltinOperator.LOGISTIC: (INT8, INT16, FLOAT32),
    BuiltinOperator.TANH: (INT8, INT16, FLOAT32),
    BuiltinOperator.HARD_SWISH: (INT8, FLOAT32),
    BuiltinOperator.ELU: (FLOAT32,),
    BuiltinOperator.EXP: (FLOAT32,),
    BuiltinOperator.NEG: (FLOAT32,),
    BuiltinOperator.RSQRT: (FLOAT32,),
    BuiltinOperator.SQRT: (FLOAT32,),
    BuiltinOperator.PAD: (INT8, INT16, FLOAT32),
    BuiltinOperator.CONCATENATION: (INT8, FLOAT32),
    BuiltinOperator.TRANSPOSE: (INT8, FLOAT32),
    BuiltinOperator.STRIDED_SLICE: (INT8, FLOAT32),
    BuiltinOperator.SPLIT: (INT8, FLOAT32),
    BuiltinOperator.PACK: (INT8,),
    BuiltinOperator.UNPACK: (INT8,),
    BuiltinOperator.GATHER: (INT8,),
    BuiltinOperator.TILE: (INT8,),
    BuiltinOperator.REVERSE_V2: (INT8,),
    BuiltinOperator.SPACE_TO_BATCH_ND: (INT8,),
    BuiltinOperator.BATCH_TO_SPACE_ND: (INT8,),
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: (INT8, FLOAT32),
    BuiltinOperator.DEPTH_TO_SPACE: (INT8,),
    BuiltinOperator.SPACE_TO_DEPTH: (INT8,),
}
PAIRS = [(op, type) for op, types in OPERATORS.items() for type in types]


def results(case: Case, dialect: str, compiled: bool) -> list[NDArray[Any]] | str:
    """The outputs, or what is said where there are none."""
    try:
        machine = Machine(case.graph, DIALECTS[dialect], engine="compiled" if compiled else "numpy")
        return list(machine.call(0, case.inputs))
    except UnsupportedNode as refusal:
        return str(refusal)


def assert_tiers_agree(case: Case, dialect: str) -> None:
    expected, found = results(case, dialect, False), results(case, dialect, True)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    for a, b in zip(expected, found, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes(), (case, dialect)


def is_compiled(case: Case, dialect: str) -> bool:
    """Whether a plan has the operator."""
    try:
        machine = Machine(case.graph, DIALECTS[dialect], engine="compiled")
    except UnsupportedNode:
        return False
    return machine.plan(0, [x.shape for x in case.inputs]) is not None


@pytest.mark.parametrize(("op", "type"), PAIRS, ids=lambda each: each.name)
def test_both_tiers_compute_the_same_bits(op: BuiltinOperator, type: TensorType) -> None:
    for case in examples_of(cases(op, type), COUNT):
        for dialect in DIALECTS:
            assert_tiers_agree(case, dialect)


@pytest.mark.parametrize(("op", "type"), PAIRS, ids=lambda each: each.name)
def test_many_cases_are_compiled(op: BuiltinOperator, type: TensorType) -> None:
    examples = examples_of(cases(op, type), COUNT)
    assert sum(is_compiled(case, dialect) for case in examples for dialect in DIALECTS) > COUNT // 5


@pytest.mark.parametrize("type", [INT8, INT16, FLOAT32], ids=lambda each: each.name)
def test_networks_compute_the_same_bits_in_both_tiers(type: TensorType) -> None:
    for case in examples_of(cases_of(networks(type)), COUNT):
        for dialect in DIALECTS:
            assert_tiers_agree(case, dialect)
