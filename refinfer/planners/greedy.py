"""TFLM's greedy placement, exactly: by size, each buffer in the lowest gap among those that live with it.

The planner sees sizes and lifetimes only.
Source: tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from math import isqrt

from refinfer.planners.problem import Buffer, Offsets

FEW = 32  # buffers are compared one by one in no more time than it takes to sort them


def place_greedily(buffers: Sequence[Buffer]) -> Offsets:
    """TFLM's offsets: fixed buffers first, then by size, each in the lowest gap among those that live with it.

    Of buffers with equal size the later added goes first. Greedy: not optimal. Fixed buffers are taken as they come,
    overlaps and all, since TFLM does not check them.
    """
    return place_in_turn(buffers, _greedy_order(buffers))


def _greedy_order(buffers: Sequence[Buffer]) -> list[int]:
    fixed = [index for index, buffer in enumerate(buffers) if buffer.offset is not None]
    online = [index for index, buffer in reversed(list(enumerate(buffers))) if buffer.offset is None]
    return fixed + sorted(online, key=lambda index: -buffers[index].nbytes)


def place_in_turn(buffers: Sequence[Buffer], order: Sequence[int]) -> Offsets:
    """Each buffer, in this order, at its fixed place or in the lowest gap among those before it that live with it.

    TFLM compares all pairs; here every buffer meets those alone that are alive with it, and neighbours among them as
    one, so that 20,000 are a matter of seconds.
    """
    offsets = [0] * len(buffers)
    taken = Taken(buffers)
    for index in order:
        buffer = buffers[index]
        offset = taken.lowest_gap(buffer) if buffer.offset is None else buffer.offset
        taken.add(buffer, offset)
        offsets[index] = offset
    return tuple(offsets)


class Stretches:
    """Addresses that are taken: stretches in ascending order. Those that touch are one, as nothing fits between them.

    A buffer of no bytes is a stretch of none, and no other is put across it: TFLM moves past it too.
    """

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Take the addresses from `start` up to `end`."""
        left, right = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if left < right:
            start, end = min(start, self.starts[left]), max(end, self.ends[right - 1])
        self.starts[left:right] = [start]
        self.ends[left:right] = [end]

    def lowest_gap(self, nbytes: int, lowest: int) -> int:
        """The first address from `lowest` on at which `nbytes` are free."""
        place = bisect_right(self.ends, lowest)
        while place < len(self.starts) and self.starts[place] - lowest < nbytes:
            lowest = self.ends[place]
            place += 1
        return lowest


class Taken:
    """Which addresses are taken at which step.

    Time, which is the steps at which a buffer starts, is cut into blocks. Each has what is taken `throughout` it, and
    the buffers that are alive in `parts` of it. Over the blocks is a binary tree: node n has the halves 2n and 2n + 1,
    the last nodes are the blocks, and each has what is taken at `some` step of it. A life is a few nodes, and parts of
    at most two blocks.
    """

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self._begins, self._ends = blocks_of_time(buffers)
        self._throughout = [Stretches() for _ in self._begins]
        self._parts: list[list[Buffer]] = [[] for _ in self._begins]
        self._some = [Stretches() for _ in range(2 * len(self._begins))]

    def add(self, buffer: Buffer, offset: int) -> None:
        """Take the addresses of `buffer`, which is at `offset`, as long as it is alive."""
        first, last = self._block(buffer.first), self._block(buffer.last)
        end = offset + buffer.nbytes
        for block in range(first, last + 1):
            if self._is_whole(block, buffer):
                self._throughout[block].add(offset, end)
            else:
                self._parts[block].append(buffer._replace(offset=offset))
        left, right = first + len(self._begins), last + len(self._begins)
        while left:
            for node in range(left, right + 1):
                self._some[node].add(offset, end)
            left, right = left // 2, right // 2

    def lowest_gap(self, buffer: Buffer) -> int:
        """The first address from 0 on where `buffer` overlaps nothing that is alive with it."""
        first, last = self._block(buffer.first), self._block(buffer.last)
        partly = [block for block in {first, last} if not self._is_whole(block, buffer)]
        alive = [self._some[node] for node in self._nodes(first + (first in partly), last + (last not in partly))]
        alive += [self._throughout[block] for block in partly]
        alive += [self._alive_with(buffer, block) for block in partly]
        lowest, place = 0, 0
        while place < len(alive):
            found = alive[place].lowest_gap(buffer.nbytes, lowest)
            place = place + 1 if found == lowest else 0  # until none of them objects
            lowest = found
        return lowest

    def _block(self, step: int) -> int:
        """The last block that begins at or before `step`."""
        return bisect_right(self._begins, step) - 1

    def _is_whole(self, block: int, buffer: Buffer) -> bool:
        return buffer.first <= self._begins[block] and self._ends[block] <= buffer.last

    def _nodes(self, first: int, end: int) -> list[int]:
        """The fewest nodes that together are the blocks from `first` up to `end`; first the longest, with few gaps."""
        found = []
        left, right = first + len(self._begins), end + len(self._begins)
        while left < right:
            if left % 2:
                found.append(left)
                left += 1
            if right % 2:
                right -= 1
                found.append(right)
            left, right = left // 2, right // 2
        return found[::-1]

    def _alive_with(self, buffer: Buffer, block: int) -> Stretches:
        """What is taken by those that are alive in parts of the block, and together with `buffer`."""
        found = Stretches()
        for nbytes, first, last, offset in self._parts[block]:
            if first <= buffer.last and buffer.first <= last:
                assert offset is not None
                found.add(offset, offset + nbytes)
        return found


def blocks_of_time(buffers: Sequence[Buffer]) -> tuple[list[int], list[int]]:
    """The first and the last step of each block: one step, or several in which at most FEW + √n lives start or end."""
    steps = sorted({buffer.first for buffer in buffers})
    changes = Counter(buffer.first for buffer in buffers)
    changes.update(steps[bisect_right(steps, buffer.last) - 1] for buffer in buffers)
    begins, ends, room = [], [], 0
    for step in steps:
        room -= changes[step]
        if room < 0:
            begins.append(step)
            ends.append(step)
            room = FEW + isqrt(len(buffers)) - changes[step]
        else:
            ends[-1] = step
    return begins, ends
