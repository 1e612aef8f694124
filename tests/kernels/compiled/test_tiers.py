"""What compiled kernels compute is what numpy computes, bit for bit."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.testing import Case, TensorSpec, cases, cases_of, examples_of, networks
from refinfer.testing.models import one_op_model

pytest.importorskip("numba", reason="compiled kernels need numba")

COUNT = 8 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 16
FLOAT32, INT8, INT16, UINT8 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.UINT8

OPERATORS = {
    BuiltinOperator.CONV_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.DEPTHWISE_CONV_2D: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.FULLY_CONNECTED: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.TRANSPOSE_CONV: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.BATCH_MATMUL: (FLOAT32,),
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
    BuiltinOperator.REDUCE_MAX: (INT8, FLOAT32),
    BuiltinOperator.REDUCE_MIN: (INT8, FLOAT32),
    BuiltinOperator.ARG_MAX: (INT8, UINT8),
    BuiltinOperator.ARG_MIN: (INT8, UINT8),
    BuiltinOperator.SOFTMAX: (INT8, FLOAT32),
    BuiltinOperator.LOG_SOFTMAX: (FLOAT32,),
    BuiltinOperator.QUANTIZE: (FLOAT32, INT8, INT16),
    BuiltinOperator.DEQUANTIZE: (INT8, INT16),
    BuiltinOperator.RELU: (INT8, INT16, FLOAT32),
    BuiltinOperator.RELU6: (INT8,),
    BuiltinOperator.PRELU: (INT8, UINT8, FLOAT32),
    BuiltinOperator.LEAKY_RELU: (INT8, FLOAT32),
    BuiltinOperator.LOGISTIC: (INT8, INT16, FLOAT32),
    BuiltinOperator.TANH: (INT8, INT16, FLOAT32),
    BuiltinOperator.HARD_SWISH: (INT8, FLOAT32),
    BuiltinOperator.ELU: (FLOAT32,),
    BuiltinOperator.EXP: (FLOAT32,),
    BuiltinOperator.ABS: (INT8, FLOAT32),
    BuiltinOperator.SQUARE: (FLOAT32,),
    BuiltinOperator.FLOOR: (FLOAT32,),
    BuiltinOperator.CEIL: (FLOAT32,),
    BuiltinOperator.SIN: (FLOAT32,),
    BuiltinOperator.COS: (FLOAT32,),
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
    BuiltinOperator.RESIZE_BILINEAR: (INT8, INT16, UINT8, FLOAT32),
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: (INT8, FLOAT32),
    BuiltinOperator.DEPTH_TO_SPACE: (INT8,),
    BuiltinOperator.SPACE_TO_DEPTH: (INT8,),
}
PAIRS = [(op, type) for op, types in OPERATORS.items() for type in types]


def results(machine: Machine, case: Case) -> list[NDArray[Any]] | str:
    """The outputs, or what is said where there are none."""
    try:
        return list(machine.call(0, case.inputs))
    except UnsupportedNode as refusal:
        return str(refusal)


def is_compiled_and_agrees(case: Case, dialect: str) -> bool:
    """Assert that both tiers give the same; whether the second has a plan. A node may be refused by both."""
    try:
        numpy, compiled = (Machine(case.graph, DIALECTS[dialect], engine=engine) for engine in ("numpy", "compiled"))
    except UnsupportedNode:
        return False
    expected, found = results(numpy, case), results(compiled, case)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return False
    for a, b in zip(expected, found, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes(), (case, dialect)
    return compiled.plan(0, [x.shape for x in case.inputs]) is not None


@pytest.mark.parametrize(("op", "type"), PAIRS, ids=lambda each: each.name)
def test_both_tiers_compute_the_same_bits_and_many_cases_are_compiled(op: BuiltinOperator, type: TensorType) -> None:
    examples = examples_of(cases(op, type), COUNT)
    found = [is_compiled_and_agrees(case, dialect) for case in examples for dialect in DIALECTS]
    assert sum(found) > len(found) // 16


@pytest.mark.parametrize("type", [INT8, INT16, FLOAT32], ids=lambda each: each.name)
def test_networks_compute_the_same_bits_in_both_tiers(type: TensorType) -> None:
    for case in examples_of(cases_of(networks(type)), COUNT):
        for dialect in DIALECTS:
            is_compiled_and_agrees(case, dialect)


def test_a_border_of_infinities_is_the_same_though_a_plan_pads_integers_first() -> None:
    border = TensorSpec(TensorType.INT32, (2, 2), data=np.array([[0, 0], [1, 2]], np.int32))
    x, y = TensorSpec(FLOAT32, (1, 3)), TensorSpec(FLOAT32, (1, 6))
    value = TensorSpec(FLOAT32, (1,), data=np.array([-np.inf], np.float32))
    model = one_op_model(BuiltinOperator.PADV2, [x, border, value], [y])
    case = Case(model, (np.array([[1, 2, 3]], np.float32),))
    assert all(is_compiled_and_agrees(case, dialect) for dialect in DIALECTS)
