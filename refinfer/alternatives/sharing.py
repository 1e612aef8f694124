"""Weights that share a few values: indices of 1 to 7 bits and a table of values for each channel.

The format is that of TFLM's compression, which unpacks a layer's weights into a scratch buffer before it runs. Which
values are shared is found by k-means, one dimension at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import sqrt
from operator import mul
from typing import NamedTuple

from refinfer.alternatives.weights import LAYERS, values_of, weights_of
from refinfer.rewrite import changed, with_metadata
from refinfer.schema.compression import (
    COMPRESSION_METADATA,
    CompressedSubgraph,
    Compression,
    LutTensor,
)
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Graph, Tensor
from refinfer.schema.tables import Buffer, Model
from refinfer.schema.writer import write_table

ROUNDS = 30  # of k-means: it has settled long before
UNPACKED = frozenset({TensorType.INT8, TensorType.INT16, TensorType.FLOAT32})  # of weights, by TFLM


class Shared(NamedTuple):
    """A tensor's weights as indices of so many bits into tables of `values` values, one table for each channel."""

    tensor: Tensor
    bits: int
    channels: int
    values: int

    @property
    def index_bytes(self) -> int:
        """The indices, packed."""
        return (self.tensor.elements * self.bits + 7) // 8

    @property
    def table_bytes(self) -> int:
        """The tables of all channels."""
        return self.channels * self.values * values_of(self.tensor).itemsize


def shared(graph: Graph, bits: int) -> list[Shared]:
    """All weights that take fewer bytes with indices of so many bits."""
    return [
        each
        for tensor in weights_of(graph, LAYERS)
        if (each := _shared(tensor, bits)) is not None
        and tensor.data is not None
        and each.index_bytes + each.table_bytes < len(tensor.data)
    ]


def _shared(tensor: Tensor, bits: int) -> Shared | None:
    if tensor.type not in UNPACKED:
        return None
    channels, _ = channels_of(tensor)
    return Shared(tensor, bits, channels, min(2**bits, tensor.elements // channels))


def channels_of(tensor: Tensor) -> tuple[int, bool]:
    """How many tables a tensor has, one for each scale, and whether channels are its last dimension."""
    scales = len(tensor.quantization.scale) if tensor.quantization is not None else 0
    last = tensor.quantization is not None and tensor.quantization.quantized_dimension == len(tensor.shape) - 1
    return max(1, scales), scales > 1 and last


def with_shared(graph: Graph, weights: Sequence[Shared]) -> Model:
    """The tables of the model with these weights shared. The indices and values are zeros: they change no size."""
    model = graph.model
    buffers = list(model.buffers or ())
    entries: list[list[LutTensor]] = [[] for _ in graph.subgraphs]
    for each in weights:
        buffers[each.tensor.table.buffer] = Buffer(data=memoryview(bytes(each.index_bytes)))
        entries[each.tensor.subgraph].append(
            LutTensor(tensor=each.tensor.index, value_buffer=len(buffers), index_bitwidth=each.bits)
        )
        buffers.append(Buffer(data=memoryview(bytes(each.table_bytes))))
    used = max((index for index, luts in enumerate(entries) if luts), default=-1) + 1
    table = Compression(subgraphs=tuple(CompressedSubgraph(lut_tensors=tuple(luts)) for luts in entries[:used]))
    return with_metadata(changed(model, buffers=tuple(buffers)), COMPRESSION_METADATA, write_table(table))


def error_of(weights: Mapping[int, Sequence[Shared]]) -> dict[int, float]:
    """How far sharing moves the weights, by the bits of an index.

    Of each channel the squares of what its weights move by, over those of the weights themselves; the mean of that over
    all weights; its root.
    """
    moved: dict[int, float] = dict.fromkeys(weights, 0.0)
    counted: dict[int, int] = dict.fromkeys(weights, 0)
    chosen: dict[Tensor, dict[int, int]] = {}
    for bits, found in weights.items():
        for each in found:
            chosen.setdefault(each.tensor, {})[bits] = each.values
    for tensor, counts in chosen.items():
        for channel in channels(tensor):
            ordered = sorted(channel)
            for bits, share in zip(counts, moves(ordered, tensor.type, counts.values()), strict=True):
                moved[bits] += len(ordered) * share
                counted[bits] += len(ordered)
    return {bits: sqrt(moved[bits] / counted[bits]) if counted[bits] else 0.0 for bits in weights}


def channels(tensor: Tensor) -> Iterator[Sequence[float]]:
    """The values of each channel."""
    values = values_of(tensor)
    count, is_last = channels_of(tensor)
    step = len(values) // count
    for channel in range(count):
        yield values[channel::count] if is_last else values[channel * step : (channel + 1) * step]


def moves(ordered: Sequence[float], type: TensorType, counts: Iterable[int]) -> Iterator[float]:
    """The squares of what sharing moves these values by, which are in order, over their own, for several counts."""
    sums, squares, distinct = [0.0, *accumulate(ordered)], sum(map(mul, ordered, ordered)), len(set(ordered))
    for count in counts:
        if distinct <= count:
            yield 0.0
            continue
        means = shared_values(ordered, sums, count)
        if type != TensorType.FLOAT32:
            means = [float(round(mean)) for mean in means]  # the table has the type of the weights
        nearer = sum(
            mean * (2 * (sums[end] - sums[first]) - (end - first) * mean)
            for mean, (first, end) in zip(means, pairwise(cells(ordered, means)), strict=True)
        )
        yield max(0.0, squares - nearer) / squares if squares else 0.0


def shared_values(ordered: Sequence[float], sums: Sequence[float], count: int) -> list[float]:
    """`count` values for these ones, which are in order, by k-means from equal steps; `sums` are their running sums.

    Each value goes to the nearest, and each shared value becomes the mean of its own, until nothing moves.
    """
    low, high = ordered[0], ordered[-1]
    means = [low + (high - low) * (2 * k + 1) / (2 * count) for k in range(count)]
    for _ in range(ROUNDS):
        moved = [
            (sums[end] - sums[first]) / (end - first) if end > first else mean
            for mean, (first, end) in zip(means, pairwise(cells(ordered, means)), strict=True)
        ]
        if moved == means:
            break
        means = moved
    return means


def cells(ordered: Sequence[float], means: Sequence[float]) -> list[int]:
    """Where in the ordered values those of each mean begin, and where the last end: halfway between two means."""
    return [0, *(bisect_left(ordered, (a + b) / 2) for a, b in pairwise(means)), len(ordered)]
