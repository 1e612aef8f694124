"""EMBEDDING_LOOKUP_SPARSE, and EMBEDDING_LOOKUP of values of a few bits, compute the bits of LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refinfer.schema.enums import BuiltinOperator, CombinerType, TensorType
from refinfer.schema.options import EmbeddingLookupSparseOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, scale

FLOAT32, INT32 = TensorType.FLOAT32, TensorType.INT32


def lookup(random: Random, combiner: CombinerType, **changes: Any) -> tuple[bytes, list[Array]]:
    """A model, and its inputs; places may come in any order, and `changes` replace inputs."""
    rank, rows, count = (int(each) for each in random.integers(1, 5, 3))
    embedding = tuple(int(each) for each in random.integers(1, 5, random.integers(1, 3)))
    sizes = random.integers(1, 4, rank).astype(np.int32)
    indices = np.stack([random.integers(0, size, count) for size in sizes], axis=1).astype(np.int32)
    if random.random() < 0.7:
        indices = indices[np.lexsort(indices.T[::-1])]
    inputs: dict[str, Array] = {
        "ids": random.integers(0, rows, count).astype(np.int32),
        "indices": indices,
        "sizes": sizes,
        "weights": random.normal(0, 1, count).astype(np.float32),
        "table": random.normal(0, 1, (rows, *embedding)).astype(np.float32),
    } | changes
    types = {"weights": FLOAT32, "table": FLOAT32}
    tensors = [TensorSpec(types.get(name, INT32), array.shape) for name, array in inputs.items()]
    y = TensorSpec(FLOAT32, (*(int(size) for size in sizes[:-1]), *embedding))
    options = EmbeddingLookupSparseOptions(combiner=combiner)
    return one_op_model(BuiltinOperator.EMBEDDING_LOOKUP_SPARSE, tensors, [y], options), list(inputs.values())


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("combiner", CombinerType)
def test_sparse_lookups_have_the_same_bits(runtime: str, combiner: CombinerType) -> None:
    random = np.random.default_rng(1)
    for number in cases(20):
        model, inputs = lookup(random, combiner)
        agree(runtime, model, inputs, case=number)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize(
    "changes",
    [
        {"ids": np.array([9], np.int32), "indices": np.zeros((1, 1), np.int32), "weights": np.ones(1, np.float32)},
        {"ids": np.array([-1], np.int32), "indices": np.zeros((1, 1), np.int32), "weights": np.ones(1, np.float32)},
        {"weights": np.ones(9, np.float32)},
        {"indices": np.zeros((9, 1), np.int32)},
        {"sizes": np.ones(9, np.int32)},
        {"table": np.ones(3, np.float32)},
    ],
)
def test_what_does_not_fit_is_refused_alike(runtime: str, changes: dict[str, Array]) -> None:
    model, inputs = lookup(np.random.default_rng(2), CombinerType.SUM, **changes)
    assert agree(runtime, model, inputs) == 0


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("table_type", [TensorType.INT2, TensorType.INT4])
@pytest.mark.parametrize("type", [FLOAT32, TensorType.FLOAT16])
def test_tables_of_a_few_bits_have_the_same_bits(runtime: str, table_type: TensorType, type: TensorType) -> None:
    random = np.random.default_rng(3)
    for number in cases(6):
        rows, columns, count = int(random.integers(1, 8)), 4 * int(random.integers(1, 5)), int(random.integers(1, 8))
        scales = [scale(random) for _ in range(random.choice([1, rows]))]
        numbers = random.integers(-2, 2, (rows, columns)).astype(np.int8)
        table = TensorSpec(table_type, (rows, columns), scales, [0] * len(scales), data=numbers)
        inputs, y = [TensorSpec(INT32, (count,)), table], TensorSpec(type, (count, columns))
        model = one_op_model(BuiltinOperator.EMBEDDING_LOOKUP, inputs, [y], version=5)
        agree(runtime, model, [random.integers(0, rows, count).astype(np.int32)], case=number)
