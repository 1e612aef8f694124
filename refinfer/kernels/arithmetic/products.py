"""Sums of products of quantized numbers, and what becomes of them: what convolutions and dense layers share.

Integers are multiplied and summed as doubles, which is exact as long as a sum stays below 2**53: 2**28 products of an
int16 and an int8 do. Where no sum can exceed 2**24, floats do as well. What C's accumulator of 32 bits keeps of it is
cut out afterwards. Filters that the file holds are made ready once, when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic.doubles import Range, requantizer
from refinfer.kernels.arithmetic.fixedpoint import clamp, wrap_int32
from refinfer.kernels.lazy import np
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Requantize

Finish = Callable[["Array"], "Array"]
"""From sums of products to outputs; the last axis is that of the channels."""

Start = Callable[["Array", "Array", "Array | None"], "tuple[Array, Array, Finish]"]
"""From input, filter and bias to the inputs and filters that are multiplied, and to what becomes of the sums."""

Ready = Callable[["Array", "Array | None", "np.dtype[Any]"], "tuple[Array, Finish]"]
"""From filter, bias and the type of the input to the filters that are multiplied, and to what becomes of the sums."""

Layout = Callable[["Array"], "Array"]
"""Brings filters into the order in which they are multiplied."""


class Params(NamedTuple):
    """What a node of quantized products comes down to; `keep` is what is left of a sum in C's accumulator."""

    input_offset: int
    filter_offset: int
    output_offset: int
    low: int
    high: int
    keep: Callable[[Array], Array]
    dtype: np.dtype[Any]
    requantize: Requantize


def as_it_is(acc: Array) -> Array:
    """An accumulator that is wide enough for every sum."""
    return acc


def quantized_products(p: Params, weights: Tensor, bias: Tensor | None, channel_axis: int, layout: Layout) -> Start:
    """Products of x + input_offset and filter + filter_offset."""
    make_ready = partial(ready, p, channel_axis, layout)
    is_constant = weights.data is not None and (bias is None or bias.data is not None)
    return partial(start, once(make_ready) if is_constant else make_ready, p.input_offset)


def start(make_ready: Ready, input_offset: int, x: Array, weights: Array, bias: Array | None) -> Any:
    """As `Start`."""
    filters, finish = make_ready(weights, bias, x.dtype)
    centred = x.astype(filters.dtype)
    centred += filters.dtype.type(input_offset)
    return centred, filters, finish


def once(make_ready: Ready) -> Ready:
    """What it gives at first, for good."""
    given: list[tuple[Array, Finish]] = []

    def first(weights: Array, bias: Array | None, dtype: np.dtype[Any]) -> tuple[Array, Finish]:
        if not given:
            given.append(make_ready(weights, bias, dtype))
        return given[0]

    return first


def ready(
    p: Params, channel_axis: int, layout: Layout, weights: Array, bias: Array | None, dtype: np.dtype[Any]
) -> tuple[Array, Finish]:
    """As `Ready`: floats where they hold every sum, given that no input exceeds `reach`."""
    wide = np.float32 if abs(p.filter_offset) < 2**16 else np.float64
    filters = np.add(weights, p.filter_offset, dtype=wide)
    limits = np.iinfo(dtype)
    reach = max(abs(limits.min + p.input_offset), abs(limits.max + p.input_offset))
    by_channel = np.abs(np.moveaxis(filters, channel_axis, 0)).reshape(filters.shape[channel_axis], -1)
    sums = by_channel.sum(axis=1, dtype=np.float64) * reach
    addend = np.zeros(1) if bias is None else bias
    finish = requantizer(p.requantize, addend, sums, Range(p.output_offset, p.low, p.high, p.dtype))
    exact = np.float32 if sums.max() <= 2**24 else np.float64
    return layout(filters.astype(exact, copy=False)), finish or partial(finish_in_integers, p, bias)


def finish_in_integers(p: Params, bias: Array | None, sums: Array) -> Array:
    """y = clamp(requantize(sum + bias) + output_offset)"""
    acc = sums.astype(np.int64)
    y = p.requantize(p.keep(acc if bias is None else acc + bias))
    return clamp(wrap_int32(y + p.output_offset), p.low, p.high, p.dtype)
