"""Running sums: the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import CumsumOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import agree, cases, known, ours, quantized, two_shapes, values

T = TensorType
B = BuiltinOperator


@pytest.mark.parametrize(
    ("runtime", "op", "of"),
    known({B.CUMSUM: (T.FLOAT32, T.INT32, T.INT64)}, {B.CUMSUM: (T.FLOAT32, T.INT8)}),
)
def test_running_sums(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(12):
        shape, _ = two_shapes(rng, empty=False)
        axis = np.array([rng.integers(-len(shape), len(shape))], np.int32)
        is_computed = bool(rng.integers(0, 2))
        x = quantized(rng, of, shape) if of == T.INT8 else TensorSpec(of, shape)
        y = quantized(rng, of, shape, x.scale[0]) if of == T.INT8 else TensorSpec(of, shape)
        options = CumsumOptions(exclusive=bool(rng.integers(0, 2)), reverse=bool(rng.integers(0, 2)))
        model = one_op_model(op, [x, TensorSpec(T.INT32, (1,), data=None if is_computed else axis)], [y], options)
        run = [values(rng, of, shape), axis] if is_computed else [values(rng, of, shape)]
        agree(runtime, model, run, case=(case, x, y, axis, options))


def test_an_axis_that_is_not_there_is_refused() -> None:
    x, y = TensorSpec(T.FLOAT32, (2, 3)), TensorSpec(T.FLOAT32, (2, 3))
    model = one_op_model(B.CUMSUM, [x, TensorSpec(T.INT32, (1,))], [y])
    computed = ours("litert", model, [[np.zeros((2, 3), np.float32), np.array([2], np.int32)]])
    assert "axis 2 of 2 dimensions" in str(computed)
