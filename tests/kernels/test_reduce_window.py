"""Windows are reduced to the bits of LiteRT; TFLM has no such operators."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.reduce_window import BODIES, FUNCTIONS, TYPES
from refinfer.schema.enums import BuiltinOperator, ReduceWindowFunction, TensorType
from refinfer.schema.options import ReduceWindowOptions, StablehloReduceWindowOptions
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, one_op_model
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, values

LITERT = RUNTIMES[:1]
FLOAT32, INT64 = TensorType.FLOAT32, TensorType.INT64
LOGICAL = (BuiltinOperator.LOGICAL_AND, BuiltinOperator.LOGICAL_OR)
ADD = ReduceWindowFunction.ADD


def windows(
    type: TensorType, function: ReduceWindowFunction, x: Array, *window: list[int], is_constant: bool = True
) -> tuple[bytes, list[Array]]:
    arrays = [np.array(each, np.int64) for each in window]
    specs = [TensorSpec(INT64, each.shape, data=each if is_constant else None) for each in arrays]
    model = one_op_model(
        BuiltinOperator.REDUCE_WINDOW,
        [TensorSpec(type, x.shape), TensorSpec(type, ()), *specs],
        [TensorSpec(type, (1,) * x.ndim)],
        ReduceWindowOptions(reduce_function=function),
    )
    first = np.ones((), x.dtype)
    return model, [x, first] if is_constant else [x, first, *arrays]


def around(
    type: TensorType, body: BuiltinOperator, x: Array, options: StablehloReduceWindowOptions
) -> tuple[bytes, list[Array]]:
    specs = [TensorSpec(type, x.shape), TensorSpec(type, ())]
    y = TensorSpec(type, (1,) * x.ndim)
    scalars = [TensorSpec(type, ()) for _ in range(3)]
    inner = SubgraphSpec([NodeSpec(body, scalars[:2], scalars[2:])], scalars[:2], scalars[2:])
    outer = SubgraphSpec([NodeSpec(BuiltinOperator.STABLEHLO_REDUCE_WINDOW, specs, [y], options)], specs, [y])
    return build(outer, inner), [x, np.ones((), x.dtype)]


def drawn(random: Random, rank: int, first: int, last: int) -> list[int]:
    return [int(each) for each in random.integers(first, last, rank)]


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("type", sorted(TYPES), ids=lambda type: type.name.lower())
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name.lower())
def test_windows_have_the_same_bits(runtime: str, function: ReduceWindowFunction, type: TensorType) -> None:
    random = np.random.default_rng(81)
    compared = 0
    for _ in cases(3):
        rank = int(random.integers(1, 5))
        x = values(random, type, tuple(drawn(random, rank, 3, 7)))
        window = [drawn(random, rank, 1, 4) for _ in range(3)]
        compared += agree(runtime, *windows(type, function, x, *window), case=window)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize(
    ("body", "type"),
    [
        (body, type)
        for body in BODIES
        for type in ([TensorType.BOOL] if body in LOGICAL else [FLOAT32, TensorType.INT32])
    ],
    ids=lambda value: value.name.lower(),
)
def test_windows_over_what_is_padded_have_the_same_bits(runtime: str, body: BuiltinOperator, type: TensorType) -> None:
    random = np.random.default_rng(82)
    compared = 0
    for _ in cases(6):
        rank = int(random.integers(1, 4))
        x = values(random, type, tuple(drawn(random, rank, 2, 6)))
        options = StablehloReduceWindowOptions(
            window_dimensions=tuple(drawn(random, rank, 1, 4)),
            window_strides=tuple(drawn(random, rank, 1, 4)),
            base_dilations=tuple(drawn(random, rank, 1, 3)) if random.random() < 0.5 else None,
            window_dilations=tuple(drawn(random, rank, 1, 3)) if random.random() < 0.5 else None,
            padding=tuple(drawn(random, 2 * rank, -2, 4)) if random.random() < 0.7 else None,
            body_subgraph_index=1,
        )
        compared += agree(runtime, *around(type, body, x, options), case=options)
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("runtime", LITERT)
def test_a_window_is_constant(runtime: str) -> None:
    question = windows(FLOAT32, ADD, np.ones((4, 4), np.float32), [2, 2], [1, 1], [1, 1], is_constant=False)
    assert agree(runtime, *question) == 0


@pytest.mark.parametrize("runtime", LITERT)
def test_windows_are_not_subtracted(runtime: str) -> None:
    options = StablehloReduceWindowOptions(window_dimensions=(2,), body_subgraph_index=1)
    assert agree(runtime, *around(FLOAT32, BuiltinOperator.SUB, np.ones(4, np.float32), options)) == 0


@pytest.mark.parametrize("runtime", LITERT)
@pytest.mark.parametrize("padding", [(-4, 0), (-2, -3), (3, -8)])
def test_padding_leaves_something(runtime: str, padding: tuple[int, int]) -> None:
    options = StablehloReduceWindowOptions(window_dimensions=(1,), padding=padding, body_subgraph_index=1)
    assert agree(runtime, *around(FLOAT32, BuiltinOperator.ADD, np.ones(4, np.float32), options)) == 0
