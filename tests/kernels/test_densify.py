"""Sparse constants, whole."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from refinfer.kernels.kernel import Refusal
from refinfer.kernels.sparsity import dense
from refinfer.schema.enums import BuiltinOperator, DimensionType, TensorType
from refinfer.schema.options import DensifyOptions
from refinfer.schema.tables import DimensionMetadata, Int32Vector, SparsityParameters
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, agree, cases, ours
from tests.kernels.sparse import blocks, csr

DTYPES = {TensorType.FLOAT32: np.float32, TensorType.FLOAT16: np.float16, TensorType.INT8: np.int8}


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("type", DTYPES)
@pytest.mark.parametrize("indices", [np.int32, np.uint16, np.uint8])
def test_densify_has_the_same_bits(runtime: str, type: TensorType, indices: type[np.generic]) -> None:
    random = np.random.default_rng(1)
    for number in cases(6):
        block = int(random.choice([1, 4, 16]))
        shape = int(random.integers(1, 12)), block * int(random.integers(1, 6))
        values, sparsity = csr(blocks(random, *shape, block, DTYPES[type]), block, indices)
        x = TensorSpec(type, shape, data=values, sparsity=sparsity)
        model = one_op_model(BuiltinOperator.DENSIFY, [x], [TensorSpec(type, shape)], DensifyOptions())
        agree(runtime, model, [], case=number)


def numbers(*values: int) -> Int32Vector:
    return Int32Vector(values=values)


def dimension(size: int) -> DimensionMetadata:
    return DimensionMetadata(format=DimensionType.DENSE, dense_size=size)


def compressed(bounds: tuple[int, ...], indices: tuple[int, ...]) -> DimensionMetadata:
    return DimensionMetadata(
        format=DimensionType.SPARSE_CSR, array_segments=numbers(*bounds), array_indices=numbers(*indices)
    )


def sparse(
    *dimensions: DimensionMetadata, order: tuple[int, ...] = (), blocks: tuple[int, ...] = ()
) -> SparsityParameters:
    return SparsityParameters(
        traversal_order=order or tuple(range(len(dimensions))), block_map=blocks, dim_metadata=dimensions
    )


def test_columns_may_be_traversed_first() -> None:
    by_columns = sparse(dimension(3), compressed((0, 1, 1, 3), (1, 0, 1)), order=(1, 0))
    assert dense(np.array([7, 8, 9]), by_columns, (2, 3)).tolist() == [[0, 0, 8], [7, 0, 9]]


def test_both_dimensions_may_be_blocked() -> None:
    four_by_four = sparse(dimension(2), compressed((0, 1, 2), (1, 0)), dimension(2), dimension(2), blocks=(0, 1))
    found = dense(np.arange(1, 9), four_by_four, (4, 4))
    assert found.tolist() == [[0, 0, 1, 2], [0, 0, 3, 4], [5, 6, 0, 0], [7, 8, 0, 0]]


def test_every_level_may_be_compressed() -> None:
    corner = sparse(compressed((0, 1), (1,)), compressed((0, 2), (0, 2)))
    assert dense(np.array([5, 6]), corner, (2, 3)).tolist() == [[0, 0, 0], [5, 0, 6]]


@pytest.mark.parametrize(
    ("sparsity", "values", "reason"),
    [
        (sparse(dimension(2), compressed((0, 1, 2), (0, 3))), 2, "a sparse index is beyond the shape (2, 3)"),
        (sparse(dimension(2), compressed((0, 1, 2), (0, -1))), 2, "a sparse index is beyond the shape (2, 3)"),
        (sparse(dimension(2), compressed((0, 1), (0,))), 1, "2 bounds of sparse segments are too few"),
        (sparse(dimension(2), compressed((0, 2, 1), (0, 1))), 2, "the bounds of sparse segments go backwards"),
        (sparse(dimension(2), compressed((0, 1, 2), (0,))), 2, "1 sparse indices are too few"),
        (sparse(dimension(2), compressed((0, 1, 2), (0, 1))), 3, "3 sparse values; its indices are of 2"),
        (sparse(dimension(2**30), dimension(2**30)), 1, f"a sparse dimension of size {2**30}"),
        (sparse(dimension(-1), dimension(3)), 0, "a sparse dimension of size -1"),
        (sparse(dimension(2), compressed((0, 4, 8), (0,) * 8)), 8, "8 sparse indices; the tensor has 6 elements"),
        (
            sparse(dimension(2), DimensionMetadata(format=DimensionType.SPARSE_CSR)),
            1,
            "a sparse dimension without segments or indices",
        ),
    ],
)
def test_contradictions_are_refused(sparsity: SparsityParameters, values: int, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        dense(np.ones(values), sparsity, (2, 3))
    assert refusal.value.reason == reason


def test_a_file_whose_sparse_values_do_not_fit_is_refused_with_the_tensor() -> None:
    x = TensorSpec(TensorType.INT8, (2, 3), data=np.ones(3, np.int8), sparsity=sparse(dimension(2), dimension(2)))
    y = TensorSpec(TensorType.INT8, (2, 3))
    found = ours("litert", one_op_model(BuiltinOperator.DENSIFY, [x], [y], DensifyOptions()), [[]])
    assert found == "tensor 0 ('tensor_0') of subgraph 0: 3 sparse values; its indices are of 4"


def test_dense_is_what_taco_says() -> None:
    """Level by level, as a tree of Python lists."""
    random = np.random.default_rng(2)
    for _ in range(50):
        rows, columns = (int(each) for each in random.integers(1, 6, 2))
        expected = random.integers(0, 2, (rows, columns)) * random.integers(1, 9, (rows, columns))
        places = [(i, j) for i, j in product(range(rows), range(columns)) if expected[i, j]]
        bounds = tuple(sum(i < row for i, _ in places) for row in range(rows + 1))
        sparsity = sparse(dimension(rows), compressed(bounds, tuple(j for _, j in places)))
        values = np.array([expected[place] for place in places], np.int64)
        assert np.array_equal(dense(values, sparsity, (rows, columns)), expected)
