"""What a planner is asked and what it answers, and the plain judges that any placement must satisfy.

A problem is a sequence of buffers, each with the steps that it lives through; an answer is the offset of each, in the
same order. Buffers that live at the same step must not share a byte, but for pairs in which an operator may write its
output over the part of its input that it has finished with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

ALIGNMENT = 16  # [micro_arena_constants.h: MicroArenaBufferAlignment]


class Buffer(NamedTuple):
    """A block that must be in memory from step `first` to step `last`, both inclusive.

    `nbytes` is a multiple of 16. `offset`, not negative, is the place that an offline plan fixed, or None.
    """

    nbytes: int
    first: int
    last: int
    offset: int | None = None


class Overlap(NamedTuple):
    """Two buffers that may share bytes if offset(above) - offset(below) is at least `least`, which is not negative.

    Both are indices of buffers. Of an `exact` pair the difference must be `least` and nothing else.
    """

    above: int
    below: int
    least: int
    exact: bool = False

    def allows(self, offsets: Sequence[int]) -> bool:
        """Whether the two may share bytes where they are."""
        difference = offsets[self.above] - offsets[self.below]
        return difference == self.least if self.exact else difference >= self.least


class Problem(NamedTuple):
    """The buffers, and the pairs among them that may overlap."""

    buffers: tuple[Buffer, ...]
    overlaps: tuple[Overlap, ...] = ()


Offsets = tuple[int, ...]
Planner = Callable[[Problem], Offsets]


def height(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes from 0 to the end of the highest buffer."""
    return max((offset + buffer.nbytes for buffer, offset in zip(buffers, offsets, strict=True)), default=0)


def clashes(
    buffers: Sequence[Buffer], offsets: Sequence[int], overlaps: Sequence[Overlap] = ()
) -> list[tuple[int, int]]:
    """The judge, O(n²) and plain: pairs of buffers that share a byte at a step that both live in, and may not."""
    allowed = {frozenset((each.above, each.below)) for each in overlaps if each.allows(offsets)}
    spans = [
        (buffer.first, buffer.last, offset, offset + buffer.nbytes)
        for buffer, offset in zip(buffers, offsets, strict=True)
    ]
    return [
        (one, two)
        for two, (first, last, start, end) in enumerate(spans)
        for one, (other_first, other_last, other_start, other_end) in enumerate(spans[:two])
        if first <= other_last and other_first <= last and start < other_end and other_start < end
        if frozenset((one, two)) not in allowed
    ]


def live_bytes(buffers: Sequence[Buffer]) -> list[int]:
    """For each step from 0 on, the bytes that must be in memory at once if nothing overlaps."""
    steps = max((buffer.last for buffer in buffers), default=-1) + 1
    changes = [0] * (steps + 1)
    for buffer in buffers:
        if buffer.last >= 0:
            changes[max(buffer.first, 0)] += buffer.nbytes
            changes[buffer.last + 1] -= buffer.nbytes
    return list(accumulate(changes))[:steps]


def lower_bound(buffers: Sequence[Buffer], overlaps: Sequence[Overlap] = ()) -> int:
    """No placement is lower than this: the most bytes that live at once, but for those that may overlap."""
    if not overlaps:
        return max(live_bytes(buffers), default=0)
    live = live_bytes(buffers)
    for step, saving in _savings(buffers, overlaps):
        live[step] -= saving
    return max(live, default=0)


def _savings(buffers: Sequence[Buffer], overlaps: Sequence[Overlap]) -> Iterator[tuple[int, int]]:
    """Steps, and the bytes that the buffers below can share there at most.

    Of a buffer that others may lie above by `least` bytes or more, the first `least` bytes are its own. It shares no
    more than the rest, and no more than the others have together.
    """
    by_step: dict[int, dict[int, list[Overlap]]] = {}
    for each in overlaps:
        one, two = buffers[each.above], buffers[each.below]
        for step in range(max(one.first, two.first, 0), min(one.last, two.last) + 1):
            by_step.setdefault(step, {}).setdefault(each.below, []).append(each)
    for step, stars in by_step.items():
        for below, pairs in stars.items():
            own = min(buffers[below].nbytes, min(each.least for each in pairs))
            others = sum(buffers[each].nbytes for each in {pair.above for pair in pairs})
            yield step, min(buffers[below].nbytes - own, others)
