"""Our arithmetic against that of an official runtime, bit by bit; and values on which they might part.

REFINFER_CASES multiplies how many cases are tried; the default is a sample that takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import RefinferError
from refinfer.testing import TensorSpec, installed, referee

Array = NDArray[Any]
Random = np.random.Generator

CASES = float(os.environ.get("REFINFER_CASES", "1"))

RUNTIMES = [
    pytest.param(name, marks=pytest.mark.skipif(not installed(name), reason=f"the package of {name} is not installed"))
    for name in PORTABLE
]

Table = Mapping[BuiltinOperator, Sequence[TensorType]]


def known(litert: Table, tflm: Table) -> list[Any]:
    """Parameters for a test: runtime, operator, type of the first input; what each runtime computes."""
    return [
        pytest.param(
            *runtime.values, op, of, marks=runtime.marks, id=f"{runtime.values[0]}-{op.name}-{of.name}".lower()
        )
        for runtime, table in zip(RUNTIMES, (litert, tflm), strict=True)
        for op, types in table.items()
        for of in types
    ]


EDGES = {"f": (0.0, -0.0, 1.0, -1.0, 0.5, -1.5, 2.5, 6.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -3e38, 16777217.0)}


def cases(count: int) -> range:
    """So many cases, times what the environment asks for; at least one."""
    return range(max(1, round(count * CASES)))


def ours(runtime: str, model: bytes, runs: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]] | str:
    """What our machine computes in the dialect of a runtime, or why it refuses."""
    try:
        machine = Machine(read_model(model), DIALECTS[runtime])
        return [machine.call(0, inputs) for inputs in runs]
    except (RefinferError, Refusal) as refusal:
        return str(refusal)


def agree(runtime: str, model: bytes, *runs: Sequence[Array], case: object = "") -> int:
    """Assert that we compute what the runtime does, or both refuse; how many numbers were compared."""
    answer, computed = referee(runtime).run(model, *runs), ours(runtime, model, runs)
    if not answer.finished:
        assert isinstance(computed, str), f"{case}: {runtime} refuses: {answer.crash} {answer.error} {answer.text}"
        return 0
    assert not isinstance(computed, str), f"{case}: we refuse: {computed}"
    for expected, found in zip(answer.outputs, computed, strict=True):
        for y, z in zip(expected, found, strict=True):
            assert_same(y, z, case)
    return sum(y.size for outputs in answer.outputs for y in outputs)


def assert_same(expected: Array, found: Array, case: object = "") -> None:
    """Assert one type, one shape and the same bits, but that any NaN is as good as another."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), case
    different = (bits(found) != bits(expected)).any(axis=1)
    if expected.dtype.kind in "fc":
        different &= ~(np.isnan(expected) & np.isnan(found)).reshape(-1)
    where = np.flatnonzero(different)[:5]
    assert where.size == 0, (
        f"{case}: {different.sum()} of {different.size} differ, "
        f"at {where}: {found.reshape(-1)[where]}, not {expected.reshape(-1)[where]}"
    )


def bits(x: Array) -> Array:
    """A row of bytes for each number."""
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(x.size, x.dtype.itemsize)


def values(rng: Random, type: TensorType, shape: tuple[int, ...], spread: float = 8.0) -> Array:
    """Numbers of a type: of all sizes, with the least, the largest and other edges among them."""
    dtype = dtype_of(type)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    if dtype.kind == "c":
        return np.asarray(rng.normal(0, spread, shape) + 1j * rng.normal(0, spread, shape)).astype(dtype)
    if dtype.kind == "f":
        drawn = rng.normal(0, spread, shape) if rng.random() < 0.7 else rng.integers(-40, 40, shape) / 4
        with np.errstate(over="ignore"):
            return sprinkled(rng, np.asarray(drawn).astype(dtype), EDGES["f"])
    limits = np.iinfo(dtype)
    small = max(limits.min, -40), min(limits.max, 40)
    low, high = (limits.min, limits.max) if rng.random() < 0.7 else small
    drawn = np.asarray(rng.integers(low, high, shape, dtype=dtype, endpoint=True))
    return sprinkled(rng, drawn, (limits.min, limits.max, limits.min + 1, 0, 1))


def sprinkled(rng: Random, x: Array, edges: Sequence[float]) -> Array:
    """A tenth of the numbers are replaced by edges."""
    if x.size < 8 or rng.random() < 0.3:
        return x
    x = x.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        chosen = np.array(edges).astype(x.dtype)
    x.reshape(-1)[rng.integers(0, x.size, x.size // 10)] = rng.choice(chosen, x.size // 10)
    return x


def scale(rng: Random, like: float | None = None) -> float:
    """A scale as float32: a power of two, a short decimal, the one given, or any; now and then tiny or huge."""
    kind = rng.integers(0, 10)
    if kind < 2:
        drawn = 2.0 ** float(rng.integers(-10, 2))
    elif kind < 5:
        drawn = float(rng.integers(1, 30)) / float(rng.choice([10, 100, 1000]))
    elif kind < 6 and like is not None:
        drawn = like
    elif kind < 9:
        drawn = float(np.exp(rng.uniform(np.log(1e-3), np.log(0.5))))
    else:
        drawn = float(np.exp(rng.uniform(np.log(1e-7), np.log(1e4))))
    return float(np.float32(drawn))


def zero_point(rng: Random, type: TensorType) -> int:
    """A zero point, often at the edge or in the middle; of int16, 0."""
    if type in (TensorType.INT16, TensorType.INT32):
        return 0
    limits = np.iinfo(dtype_of(type))
    middle = (limits.min + limits.max + 1) // 2
    return int(rng.choice([limits.min, limits.max, middle, int(rng.integers(limits.min, limits.max, endpoint=True))]))


def quantized(rng: Random, type: TensorType, shape: tuple[int, ...], like: float | None = None) -> TensorSpec:
    """A quantized tensor."""
    return TensorSpec(type, shape, [scale(rng, like)], [zero_point(rng, type)])


def two_shapes(rng: Random, size: int = 400, empty: bool = True) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes that can be stretched to fit each other; half of the time they are the same, rarely empty."""
    rank = int(rng.integers(1, 6))
    shape = tuple(int(each) for each in rng.integers(1, max(2, round(size ** (1 / rank))), rank, endpoint=True))
    if empty and rng.random() < 0.04:
        shape = (0, *shape[1:])
    if rng.random() < 0.5:
        return shape, shape
    first = tuple(1 if rng.random() < 0.3 else each for each in shape)
    second = tuple(1 if rng.random() < 0.3 else each for each in shape)
    return first[int(rng.integers(0, rank)) if rng.random() < 0.2 else 0 :], second


def common(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which both are stretched."""
    return np.broadcast_shapes(first, second)
