"""Where buffers go: TFLM's greedy placement, and the plain judges that any placement must satisfy.

A problem is a sequence of `Buffer`, a solution the offset of each, in the same order. The planner sees sizes and
lifetimes only. Source: tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

ALIGNMENT = 16  # [micro_arena_constants.h: MicroArenaBufferAlignment]


class Buffer(NamedTuple):
    """A block that must be in memory from step `first` to step `last`, both inclusive.

    `nbytes` is a multiple of 16. `offset` is the place that an offline plan fixed, or None.
    """

    nbytes: int
    first: int
    last: int
    offset: int | None = None


def place_greedily(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """TFLM's offsets: fixed buffers first, then by size, each in the lowest gap among those that live with it.

    Of buffers with equal size the later added goes first. Greedy: not optimal. Fixed buffers are taken as they come,
    overlaps and all, since TFLM does not check them.
    """
    offsets = [0] * len(buffers)
    placed: list[Buffer] = []  # by offset; at equal offsets by time of placement
    keys: list[int] = []
    for index in _greedy_order(buffers):
        buffer = buffers[index]
        offset = _lowest_gap(buffer, placed) if buffer.offset is None else buffer.offset
        offsets[index] = offset
        position = bisect_right(keys, offset)
        keys.insert(position, offset)
        placed.insert(position, buffer._replace(offset=offset))
    return tuple(offsets)


def _greedy_order(buffers: Sequence[Buffer]) -> list[int]:
    fixed = [index for index, buffer in enumerate(buffers) if buffer.offset is not None]
    online = [index for index, buffer in reversed(list(enumerate(buffers))) if buffer.offset is None]
    return fixed + sorted(online, key=lambda index: -buffers[index].nbytes)


def _lowest_gap(wanted: Buffer, placed: Sequence[Buffer]) -> int:
    candidate = 0
    for other in placed:
        if other.first > wanted.last or wanted.first > other.last:
            continue
        assert other.offset is not None
        if other.offset - candidate >= wanted.nbytes:
            break
        candidate = max(candidate, other.offset + other.nbytes)
    return candidate


def height(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes from 0 to the end of the highest buffer."""
    return max((offset + buffer.nbytes for buffer, offset in zip(buffers, offsets, strict=True)), default=0)


def live_bytes(buffers: Sequence[Buffer]) -> list[int]:
    """For each step from 0 on, the bytes that must be in memory at once."""
    steps = max((buffer.last for buffer in buffers), default=-1) + 1
    changes = [0] * (steps + 1)
    for buffer in buffers:
        if buffer.last >= 0:
            changes[max(buffer.first, 0)] += buffer.nbytes
            changes[buffer.last + 1] -= buffer.nbytes
    return list(accumulate(changes))[:steps]


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """No placement without overlaps is lower than this: the most bytes that live at once."""
    return max(live_bytes(buffers), default=0)


def clashes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> list[tuple[int, int]]:
    """The judge, O(n²) and plain: pairs of buffers that share a byte at a step that both live in."""
    spans = [
        (buffer.first, buffer.last, offset, offset + buffer.nbytes)
        for buffer, offset in zip(buffers, offsets, strict=True)
    ]
    return [
        (one, two)
        for two, (first, last, start, end) in enumerate(spans)
        for one, (other_first, other_last, other_start, other_end) in enumerate(spans[:two])
        if first <= other_last and other_first <= last and start < other_end and other_start < end
    ]
