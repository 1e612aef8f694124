"""How LiteRT places tensors in its arena, on a phone or under Linux: best fit, the largest first, aligned to 64.

Source: tflite/arena_planner.cc, tflite/simple_memory_arena.cc. Of equal tensors that start at the same step it leaves
the order to a hash set and to std::sort; here the later one goes first, as has been seen of two.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from refinfer.planners.problem import Buffer, Offsets

TENSOR_ALIGNMENT = 64  # [util.h: kDefaultTensorAlignment]


def place_as_litert(buffers: Sequence[Buffer]) -> Offsets:
    """LiteRT's offsets; sizes count to the byte there. What lives from the first step to the last comes first."""
    start = min((buffer.first for buffer in buffers), default=0)
    end = max((buffer.last for buffer in buffers), default=0)

    def turn(index: int) -> tuple[int, int, int, int]:
        nbytes, first, last, _ = buffers[index]
        return (0, 0, 0, index) if (first, last) == (start, end) else (1, -nbytes, first, -index)

    offsets = [0] * len(buffers)
    placed: list[tuple[int, int, Buffer]] = []  # by offset; of equal ones the earlier placed first
    for number, index in enumerate(sorted(range(len(buffers)), key=turn)):
        buffer = buffers[index]
        if buffer.nbytes:
            offsets[index] = _tightest_gap(buffer, placed)
            insort(placed, (offsets[index], number, buffer))
    return tuple(offsets)


def _tightest_gap(buffer: Buffer, placed: Sequence[tuple[int, int, Buffer]]) -> int:
    """[SimpleMemoryArena::Allocate] A gap is judged by what it has room for before, but kept by what it has at all."""
    found, fit, end = None, 1 << 62, 0
    for offset, _, other in placed:
        if other.last < buffer.first or other.first > buffer.last:
            continue
        start = -(-end // TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT
        if start + buffer.nbytes <= offset and offset - start < fit:
            found, fit = start, offset - end
        end = max(end, offset + other.nbytes)
        if fit == 0:
            break
    return -(-end // TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT if found is None else found
