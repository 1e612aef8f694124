"""BATCH_MATMUL computes the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import BatchMatMulOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, values, zero_point

FLOAT32, INT8, INT16, INT32 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32
TYPES = {
    "float": (FLOAT32, FLOAT32, FLOAT32),
    "int8": (INT8, INT8, INT8),
    "int8-to-int32": (INT8, INT8, INT32),
    "int16": (INT16, INT16, INT16),
    "int16x8": (INT16, INT8, INT16),
}
Shape = tuple[int, ...]


def shapes(random: Random, adj_x: bool, adj_y: bool, max_rank: int = 5) -> tuple[Shape, Shape, Shape]:
    """Both sides and the product; batches broadcast."""
    rows, depth, columns = (int(each) for each in random.integers(1, 10, 3))
    ranks = random.integers(2, max_rank, 2, endpoint=True)
    batches = [int(each) for each in random.integers(1, 4, max(ranks) - 2)]
    left, right = (
        tuple(1 if random.random() < 0.3 else each for each in batches)[len(batches) + 2 - rank :] for rank in ranks
    )
    product = np.broadcast_shapes(left, right)
    lhs = (depth, rows) if adj_x else (rows, depth)
    rhs = (columns, depth) if adj_y else (depth, columns)
    return (*left, *lhs), (*right, *rhs), (*product, rows, columns)


def tensor(random: Random, type: TensorType, shape: Shape, symmetric: bool) -> TensorSpec:
    if type in (FLOAT32, INT32):
        return TensorSpec(type, shape)
    return TensorSpec(type, shape, [scale(random)], [0 if symmetric else zero_point(random, type)])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
def test_products_have_the_same_bits(runtime: str, types: tuple[TensorType, ...]) -> None:
    random = np.random.default_rng(3)
    for number in cases(15):
        options = BatchMatMulOptions(adj_x=bool(random.integers(0, 2)), adj_y=bool(random.integers(0, 2)))
        symmetric = INT16 in types
        x, w, y = (
            tensor(random, type, shape, symmetric)
            for type, shape in zip(types, shapes(random, options.adj_x, options.adj_y), strict=True)
        )
        inputs = [values(random, x.type, x.shape), values(random, w.type, w.shape)]
        if random.random() < 0.5:
            w = TensorSpec(w.type, w.shape, w.scale, w.zero_point, data=inputs.pop())
        model = one_op_model(BuiltinOperator.BATCH_MATMUL, [x, w], [y], options, version=4)
        agree(runtime, model, inputs, case=number)


def hybrid(
    random: Random, options: BatchMatMulOptions, several_scales: bool, max_rank: int
) -> tuple[bytes, list[Array]]:
    """float32 with int8, without the least int8."""
    lhs, rhs, product = shapes(random, options.adj_x, options.adj_y, max_rank)
    axis = len(rhs) - (2 if options.adj_y else 1)
    scales = [scale(random) for _ in range(rhs[axis] if several_scales else 1)]
    constant = random.integers(-127, 128, rhs).astype(np.int8)
    w = TensorSpec(INT8, rhs, scales, [0] * len(scales), axis if several_scales else 0, data=constant)
    x = np.asarray(random.normal(0, 10 ** random.uniform(-2, 2), lhs)).astype(np.float32)
    x[..., : int(random.random() < 0.2)] = 0
    sides = [TensorSpec(FLOAT32, lhs), w]
    return one_op_model(BuiltinOperator.BATCH_MATMUL, sides, [TensorSpec(FLOAT32, product)], options, version=4), [x]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("several_scales", [False, True])
@pytest.mark.parametrize("asymmetric", [False, True])
def test_hybrid_products_have_the_same_bits(runtime: str, several_scales: bool, asymmetric: bool) -> None:
    random = np.random.default_rng(4)
    for number in cases(10):
        options = BatchMatMulOptions(
            adj_x=bool(random.integers(0, 2)),
            adj_y=bool(random.integers(0, 2)),
            asymmetric_quantize_inputs=asymmetric,
        )
        model, inputs = hybrid(random, options, several_scales, max_rank=4 if asymmetric else 5)
        agree(runtime, model, inputs, case=number)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("types", [TYPES["int8"], TYPES["int16"]], ids=["int8", "int16"])
def test_several_scales_of_a_side_count_as_the_runtime_takes_them(runtime: str, types: tuple[TensorType, ...]) -> None:
    random = np.random.default_rng(5)
    for number in cases(5):
        x = tensor(random, types[0], (3, 4), symmetric=True)
        w = TensorSpec(types[1], (4, 2), [scale(random), scale(random)], [0, 0], axis=1)
        y = tensor(random, types[2], (3, 2), symmetric=True)
        model = one_op_model(BuiltinOperator.BATCH_MATMUL, [x, w], [y], BatchMatMulOptions(), version=4)
        agree(runtime, model, [values(random, each.type, each.shape) for each in (x, w)], case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("lhs", [(2, 3), (2, 0), (0, 3), (2, 2, 3), (3,), (1,) * 6])
@pytest.mark.parametrize("rhs", [(3, 2), (3, 0), (0, 2), (4, 2), (3, 3, 2)])
def test_odd_shapes_are_computed_or_refused_alike(runtime: str, lhs: Shape, rhs: Shape) -> None:
    sides = [TensorSpec(FLOAT32, lhs), TensorSpec(FLOAT32, rhs)]
    model = one_op_model(BuiltinOperator.BATCH_MATMUL, sides, [TensorSpec(FLOAT32, (1,))], BatchMatMulOptions())
    agree(runtime, model, [np.ones(lhs, np.float32), np.ones(rhs, np.float32)])


def test_sums_of_columns_that_nobody_computes_are_refused() -> None:
    options = BatchMatMulOptions(asymmetric_quantize_inputs=True)
    shape = (2, 1, 2, 3, 3)
    w = TensorSpec(INT8, shape, [1.0], [0], data=np.ones(shape, dtype_of(INT8)))
    sides = [TensorSpec(FLOAT32, shape), w]
    model = one_op_model(BuiltinOperator.BATCH_MATMUL, sides, [TensorSpec(FLOAT32, shape)], options)
    found = ours("litert", model, [[np.ones(shape, np.float32)]])
    assert isinstance(found, str)
    assert found.endswith("batches of (2, 1, 2, 3, 3); sums of columns that are not computed would be read")
