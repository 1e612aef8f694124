"""Where values are and where they belong: the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import BucketizeOptions, UniqueOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, cases, ours, two_shapes, values

T = TensorType
B = BuiltinOperator


@pytest.mark.parametrize("of", [T.BOOL, T.FLOAT32, T.INT8, T.UINT8, T.INT32, T.UINT32, T.INT64])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_where(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(5):
        shape, _ = two_shapes(rng, empty=False)
        x = np.where(rng.random(shape) < 0.5, values(rng, of, shape), np.zeros(shape, dtype_of(of)))
        x.reshape(-1)[-1] = 1  # LiteRT's Python interface cannot give an empty tensor
        model = one_op_model(B.WHERE, [TensorSpec(of, shape)], [TensorSpec(T.INT64, (1, len(shape)))])
        agree(runtime, model, [x], case=(case, shape))


@pytest.mark.parametrize("of", [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_unique(runtime: str, index: TensorType, of: TensorType) -> None:
    rng = np.random.default_rng([of, index])
    for case in cases(3):
        size = int(rng.integers(1, 300))
        x = np.asarray(rng.integers(0, 60, size)).astype(dtype_of(of)) / (4 if of == T.FLOAT32 else 1)
        outputs = [TensorSpec(of, (size,)), TensorSpec(index, (size,))]
        model = one_op_model(B.UNIQUE, [TensorSpec(of, (size,))], outputs, UniqueOptions(idx_out_type=index))
        agree(runtime, model, [x.astype(dtype_of(of))], case=(case, size))


@pytest.mark.parametrize("of", [T.FLOAT32, T.FLOAT64, T.INT32, T.INT64])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_bucketize(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(5):
        shape, _ = two_shapes(rng)
        drawn = rng.normal(0, 20, int(rng.integers(0, 9))).astype(np.float32)
        boundaries = tuple(sorted(float(each) if rng.random() < 0.5 else float(round(each)) for each in drawn))
        options = BucketizeOptions(boundaries=boundaries)
        model = one_op_model(B.BUCKETIZE, [TensorSpec(of, shape)], [TensorSpec(T.INT32, shape)], options)
        agree(runtime, model, [values(rng, of, shape)], case=(case, shape, boundaries))


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_hashtable_lookup(runtime: str) -> None:
    rng = np.random.default_rng(1)
    for case in cases(5):
        count, asked = (int(each) for each in rng.integers(1, 40, 2))
        keys = np.sort(rng.integers(-20, 20, count)).astype(np.int32)
        inputs = [
            TensorSpec(T.INT32, (asked,)),
            TensorSpec(T.INT32, (count,), data=keys),
            TensorSpec(T.INT8, (count, 3)),
        ]
        model = one_op_model(
            B.HASHTABLE_LOOKUP, inputs, [TensorSpec(T.INT8, (asked, 3)), TensorSpec(T.UINT8, (asked,))]
        )
        lookup = np.asarray(rng.integers(-25, 25, asked)).astype(np.int32)
        agree(runtime, model, [lookup, values(rng, T.INT8, (count, 3))], case=case)


def test_nothing_true_gives_no_rows() -> None:
    model = one_op_model(B.WHERE, [TensorSpec(T.BOOL, (2, 3))], [TensorSpec(T.INT64, (1, 2))])
    (rows,) = Machine(read_model(model), DIALECTS["litert"]).call(0, [np.zeros((2, 3), bool)])
    assert rows.shape == (0, 2)


def test_random_numbers_are_refused() -> None:
    shape = TensorSpec(T.INT32, (1,), data=np.array([3], np.int32))
    model = one_op_model(B.RANDOM_UNIFORM, [shape], [TensorSpec(T.FLOAT32, (3,))])
    assert "random numbers are not computed" in str(ours("litert", model, []))
