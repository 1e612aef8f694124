"""Hypothesis strategies for what kernels take: scales, zero points, shapes, arrays, tensors.

They look where kernels part: scales whose ratios make ties (powers of two, short decimals) as well as any others, zero
points at the edges, arrays with the least and the largest number. All shrink towards small shapes, scale 1, zero point
0 and zeros. Needs the package `hypothesis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.testing.models import TensorSpec

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array, Shape

QUANTIZED = (TensorType.INT4, TensorType.INT8, TensorType.INT16, TensorType.UINT8)

DRAWN_BYTES = (16, 64, 256, 1024)  # a larger array is made of a seed: Hypothesis has some kilobytes for an example

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 6.0, 1e-40, 3e38, -3e38, 16777217.0)
INFINITE = (float("inf"), float("-inf"), float("nan"))


def scales(like: float | None = None) -> SearchStrategy[float]:
    """Scales as float32: with ties, without, tiny, huge, and often the one that is given."""
    ties = st.sampled_from([2.0**-k for k in range(11)]) | st.builds(
        lambda digits, places: digits / 10.0**places, st.integers(1, 30), st.integers(1, 3)
    )
    plain = st.floats(1e-3, 0.5)
    extreme = st.floats(-7, 4).map(lambda power: 10.0**power)
    given = [st.just(like)] * 2 if like is not None else []
    return st.one_of(*given, ties, ties, plain, extreme).map(float32)


def fitting_scales(unit: float, most: int) -> SearchStrategy[float]:
    """Scales for results that are up to `most` times `unit`: some fill the output's type, others are any."""
    powers = st.integers(0, max(1, most.bit_length())).map(lambda k: unit * 2.0**k)
    between = st.floats(1, max(2, most)).map(lambda times: unit * times)
    return st.one_of(powers, between, between, scales()).map(float32).filter(lambda scale: 0 < scale < float("inf"))


def float32(value: float) -> float:
    """The nearest number that a file can hold."""
    return float(np.float32(value))


def zero_points(type: TensorType) -> SearchStrategy[int]:
    """Zero points: 0, at the edges, anywhere; 0 alone where a type has no other."""
    if type not in (TensorType.INT8, TensorType.UINT8):
        return st.just(0)
    limits = np.iinfo(dtype_of(type))
    low, high = int(limits.min), int(limits.max)
    return st.one_of(st.sampled_from(sorted({0, low, high, (low + high + 1) // 2}, key=abs)), st.integers(low, high))


def shapes(min_rank: int = 1, max_rank: int = 4, most: int = 5, least: int = 1) -> SearchStrategy[Shape]:
    """Shapes of these ranks with these lengths, short ones more often."""
    lengths = st.one_of(st.just(max(least, min(1, most))), *[st.integers(least, most)] * 4)
    return st.lists(lengths, min_size=min_rank, max_size=max_rank).map(tuple)


@st.composite
def arrays(draw: DrawFn, type: TensorType, shape: Shape, finite: bool = True) -> Array:
    """Values of a tensor: any, small ones, all alike, or from the edges of the type; infinities only if asked for."""
    dtype = dtype_of(type)
    raw = draw(_raw(int(np.prod(shape)) * dtype.itemsize))
    kind = draw(st.sampled_from(["any", "small", "any", "edges", "same"] + ["infinite"] * (not finite)))
    values = KINDS[dtype.kind](raw, type, kind)
    if kind == "same" and values.size:
        values = np.full_like(values, values[0])
    return np.asarray(values.reshape(shape))


def _raw(size: int) -> SearchStrategy[bytes]:
    """So many bytes, drawn in few different lengths: a shape can then shrink while all other choices stay in place."""
    if size <= DRAWN_BYTES[-1]:
        drawn = next(each for each in DRAWN_BYTES if size <= each)
        return st.binary(min_size=drawn, max_size=drawn).map(lambda raw: raw[:size])
    return st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).bytes(size))


def _integers(raw: bytes, type: TensorType, kind: str) -> Array:
    """Numbers of which small bytes make small ones: 0, -1, 1, -2 …; or some of the edges."""
    dtype = dtype_of(type)
    low, high = (-8, 7) if type == TensorType.INT4 else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if kind == "edges":
        edges = [0, high, low, 1, low + 1, high - 1]
        return np.asarray(np.array(edges, dtype)[_first_bytes(raw, dtype) % len(edges)])
    whole = np.frombuffer(raw, f">u{dtype.itemsize}").astype(f"u{dtype.itemsize}")
    if kind == "small" or type == TensorType.INT4:
        whole = whole % 16
    return np.asarray(whole if dtype.kind == "u" else _signed(whole)).astype(dtype)


def _signed(whole: Array) -> Array:
    """0, 1, 2, 3 … becomes 0, -1, 1, -2 …"""
    signed = whole.view(whole.dtype.name.removeprefix("u"))
    return np.asarray((signed >> 1 & np.iinfo(signed.dtype).max) ^ -(signed & 1))


def _first_bytes(raw: bytes, dtype: np.dtype[Any]) -> Array:
    return np.frombuffer(raw, np.uint8)[:: dtype.itemsize]


def _floats(raw: bytes, type: TensorType, kind: str) -> Array:
    """Quarters, numbers of 16 bits around the point, or edges."""
    dtype = dtype_of(type)
    with np.errstate(over="ignore"):
        if kind in ("edges", "infinite"):
            edges = np.array(EDGES + INFINITE * (kind == "infinite")).astype(dtype)
            return np.asarray(edges[_first_bytes(raw, dtype) % len(edges)])
        if kind == "small":
            return np.asarray((_signed(_first_bytes(raw, dtype).copy()) / 4).astype(dtype))
        words = _signed(np.frombuffer(raw, ">u2")[:: dtype.itemsize // 2].astype(np.uint16))
        return np.asarray((words / 256 * np.exp2(words % 3)).astype(dtype))


def _booleans(raw: bytes, type: TensorType, kind: str) -> Array:
    return np.asarray(np.frombuffer(raw, np.uint8) % 2 == 1)


def _complex(raw: bytes, type: TensorType, kind: str) -> Array:
    part = TensorType.FLOAT32 if type == TensorType.COMPLEX64 else TensorType.FLOAT64
    return np.asarray(_floats(raw, part, "any" if kind == "same" else "small").view(dtype_of(type)))


KINDS: dict[str, Any] = {"i": _integers, "u": _integers, "f": _floats, "b": _booleans, "c": _complex}
"""By the kind of the numpy type."""


@st.composite
def tensors(
    draw: DrawFn, type: TensorType, shape: Shape | SearchStrategy[Shape], like: TensorSpec | None = None
) -> TensorSpec:
    """A tensor whose value comes at run time; quantized if its type can be, often with the scale of another."""
    if isinstance(shape, SearchStrategy):
        shape = draw(shape)
    if type not in QUANTIZED:
        return TensorSpec(type, shape)
    scale = draw(scales(like.scale[0] if like is not None and len(like.scale) else None))
    return TensorSpec(type, shape, [scale], [draw(zero_points(type))])


@st.composite
def constants(draw: DrawFn, type: TensorType, shape: Shape) -> TensorSpec:
    """A tensor with its value in the file, not quantized."""
    return TensorSpec(type, shape, data=draw(arrays(type, shape)))


@st.composite
def weights(draw: DrawFn, type: TensorType, shape: Shape, axis: int, per_channel: bool) -> TensorSpec:
    """A constant tensor with one scale, or one for each channel along `axis`; its zero point is 0, but of uint8."""
    data = draw(arrays(type, shape))
    if type not in QUANTIZED:
        return TensorSpec(type, shape, data=data)
    count = shape[axis] if per_channel else 1
    scale = draw(st.lists(scales(), min_size=count, max_size=count))
    zero_point = draw(zero_points(type)) if type == TensorType.UINT8 else 0
    return TensorSpec(type, shape, scale, [zero_point] * count, axis if per_channel else 0, data)


def integers_as(type: TensorType, values: Any) -> TensorSpec:
    """A constant of integers that a kernel reads as a setting: a list, lists of lists, or one number of rank 0."""
    data = np.array(values, dtype_of(type))
    return TensorSpec(type, data.shape, data=data)
