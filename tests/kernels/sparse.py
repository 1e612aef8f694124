"""Sparse matrices for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from refinfer.schema.enums import DimensionType
from refinfer.schema.tables import (
    DimensionMetadata,
    Int32Vector,
    SparsityParameters,
    Uint8Vector,
    Uint16Vector,
)
from tests.kernels.bits import Array, Random

VECTORS = {np.int32: (1, Int32Vector), np.uint16: (2, Uint16Vector), np.uint8: (3, Uint8Vector)}


def blocks(random: Random, rows: int, columns: int, block: int, dtype: DTypeLike) -> Array:
    """A matrix that is zero but for some blocks of 1 x `block`, the first among them."""
    values = random.integers(-127, 128, (rows, columns)).astype(dtype)
    kept = random.random((rows, columns // block)) < 0.5
    kept[0, 0], values[0, 0] = True, 1
    return values * np.repeat(kept, block, axis=1)


def csr(dense: Array, block: int, indices: type[np.generic] = np.int32) -> tuple[Array, SparsityParameters]:
    """The stored values of a matrix, and where they are: compressed rows of blocks of 1 x `block`."""
    rows, columns = dense.shape
    cells = dense.reshape(rows, columns // block, block)
    kept = cells.any(axis=-1)
    bounds = np.append(0, np.cumsum(kept.sum(axis=1)))
    metadata = [
        DimensionMetadata(format=DimensionType.DENSE, dense_size=rows),
        compressed(bounds, np.nonzero(kept)[1], indices),
    ]
    if block > 1:
        metadata.append(DimensionMetadata(format=DimensionType.DENSE, dense_size=block))
    return cells[kept].reshape(-1), SparsityParameters(
        traversal_order=tuple(range(len(metadata))),
        block_map=(1,) if block > 1 else None,
        dim_metadata=tuple(metadata),
    )


def compressed(bounds: Array, indices: Array, dtype: type[np.generic]) -> DimensionMetadata:
    """A compressed dimension, its numbers in `dtype`."""
    kind, vector = VECTORS[dtype]
    return DimensionMetadata(
        format=DimensionType.SPARSE_CSR,
        array_segments_type=kind,
        array_segments=vector(values=bounds.astype(dtype).data),
        array_indices_type=kind,
        array_indices=vector(values=indices.astype(dtype).data),
    )
