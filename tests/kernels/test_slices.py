"""Slices are taken and changed as LiteRT does it; TFLM has no such operators."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.slices import COMPUTE_STABLEHLO_GATHER, COMPUTE_STABLEHLO_SCATTER
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import StablehloGatherOptions, StablehloScatterOptions
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, values

LITERT = RUNTIMES[:1]
INT32, FLOAT32 = TensorType.INT32, TensorType.FLOAT32
INDICES = (TensorType.INT32, TensorType.INT64)
BODIES = (None, *(BuiltinOperator[f"STABLEHLO_{name}"] for name in ("ADD", "MULTIPLY", "MAXIMUM", "MINIMUM")))
CHANGED = (FLOAT32, TensorType.FLOAT16, INT32, TensorType.INT8, TensorType.INT16, TensorType.INT64, TensorType.BOOL)


def gathering(type: TensorType, x: Array, indices: Array, rank: int, options: StablehloGatherOptions) -> bytes:
    of = TensorType.INT64 if indices.dtype == np.int64 else INT32
    specs = [TensorSpec(type, x.shape), TensorSpec(of, indices.shape)]
    return one_op_model(BuiltinOperator.STABLEHLO_GATHER, specs, [TensorSpec(type, (1,) * rank)], options)


def scattering(
    type: TensorType, given: list[Array], body: BuiltinOperator | None, options: StablehloScatterOptions
) -> bytes:
    x, indices, updates = given
    of = TensorType.INT64 if indices.dtype == np.int64 else INT32
    specs = [TensorSpec(type, x.shape), TensorSpec(of, indices.shape), TensorSpec(type, updates.shape)]
    y = TensorSpec(type, x.shape)
    scalars = [TensorSpec(type, ()) for _ in range(3)]
    nodes = [] if body is None else [NodeSpec(body, scalars[:2], scalars[2:])]
    inner = SubgraphSpec(nodes, scalars[:2], scalars[1:2] if body is None else scalars[2:])
    outer = SubgraphSpec([NodeSpec(BuiltinOperator.STABLEHLO_SCATTER, specs, [y], options)], specs, [y])
    return build(outer, inner)


def axes(random: Random, rank: int, count: int) -> tuple[int, ...]:
    return tuple(int(each) for each in random.permutation(rank)[:count])


def slices(random: Random, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    """Of an operand: its shape, dimensions without extent, those that vectors speak of; and the vectors' axis."""
    shape = tuple(int(each) for each in random.integers(1, 6, rank))
    without = tuple(sorted(axes(random, rank, int(random.integers(0, rank + 1)))))
    return shape, without, axes(random, rank, int(random.integers(0, rank + 1))), int(random.integers(0, 3))


def index_vectors(random: Random, batch: tuple[int, ...], length: int, axis: int) -> Array:
    shape = (*batch[:axis], length, *batch[axis:])
    return random.integers(-2, 7, shape).astype(np.int32 if random.random() < 0.5 else np.int64)


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", sorted(COMPUTE_STABLEHLO_GATHER.types), ids=lambda type: type.name.lower())
def test_slices_are_taken_from_where_the_runtime_takes_them(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(71)
    compared = 0
    for _ in cases(6):
        rank = int(random.integers(1, 5))
        shape, collapsed, map, axis = slices(random, rank)
        sizes = tuple(int(random.integers(1, size + 1)) for size in shape)
        batch = tuple(int(each) for each in random.integers(1, 4, int(random.integers(axis, 4))))
        total = len(batch) + rank - len(collapsed)
        options = StablehloGatherOptions(
            offset_dims=tuple(sorted(axes(random, total, rank - len(collapsed)))),
            collapsed_slice_dims=collapsed,
            start_index_map=map,
            index_vector_dim=axis,
            slice_sizes=sizes,
        )
        indices = index_vectors(random, batch, len(map), axis)
        x = values(random, type, shape)
        compared += agree(runtime, gathering(type, x, indices, total, options), [x, indices], case=options)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", CHANGED, ids=lambda type: type.name.lower())
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name.lower() if body else "update")
def test_numbers_are_changed_in_the_order_of_the_runtime(
    runtime: str, type: TensorType, body: BuiltinOperator | None
) -> None:
    random = np.random.default_rng(72)
    compared = 0
    for _ in cases(3):
        rank = int(random.integers(1, 4))
        shape, inserted, map, axis = slices(random, rank)
        batch = tuple(int(each) for each in random.integers(1, 6, int(random.integers(axis, 4))))
        total = len(batch) + rank - len(inserted)
        window = tuple(sorted(axes(random, total, rank - len(inserted))))
        updates = list(batch)
        for position in window:
            updates.insert(position, int(random.integers(1, 5)))
        options = StablehloScatterOptions(
            update_window_dims=window,
            inserted_window_dims=inserted,
            scatter_dims_to_operand_dims=map,
            index_vector_dim=axis,
            update_computation_subgraph_index=1,
        )
        indices = index_vectors(random, batch, len(map), axis)
        given = [values(random, type, shape), indices, values(random, type, tuple(updates))]
        compared += agree(runtime, scattering(type, given, body, options), given, case=options)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
def test_numbers_are_not_divided(runtime: str) -> None:
    given = [np.ones(4, np.float32), np.zeros((1, 1), np.int32), np.ones(1, np.float32)]
    options = StablehloScatterOptions(
        inserted_window_dims=(0,),
        scatter_dims_to_operand_dims=(0,),
        index_vector_dim=1,
        update_computation_subgraph_index=1,
    )
    assert agree(runtime, scattering(FLOAT32, given, BuiltinOperator.ADD, options), given) == 0


def test_what_is_scattered_has_a_type_that_is_tried() -> None:
    assert set(CHANGED) <= COMPUTE_STABLEHLO_SCATTER.types
    assert all(dtype_of(type).itemsize <= 8 for type in COMPUTE_STABLEHLO_SCATTER.types)
