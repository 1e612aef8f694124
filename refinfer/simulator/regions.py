"""Several regions of memory: in which the arena fits, in which two arenas do, and what would have to move if neither.

TFLM can split an arena in one place alone: what is persistent in one arena, the rest in another, and each arena in any
region. Whether that fits is exact. Buffers of the head in several regions are beyond its planners, which give every
buffer an offset in one block; what that would take is an estimate, for a planner that nobody has written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any, NamedTuple

from refinfer.planners.greedy import Taken
from refinfer.planners.problem import ALIGNMENT, lower_bound
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph
from refinfer.simulator.allocate import allocate_model, construction
from refinfer.simulator.arena import Move, Section, smallest_safe
from refinfer.simulator.head import PlannedBuffer
from refinfer.simulator.report import SCHEMA, Arena, TwoArenas, buffer_to_dict, model_to_dict, target_to_dict
from refinfer.simulator.simulate import totals
from refinfer.simulator.targets import Target, find_target


class Region(NamedTuple):
    """A block of memory at consecutive addresses; it starts at a multiple of 16."""

    name: str
    nbytes: int


class Whole(NamedTuple):
    """One arena in a region; `left` is negative by what is missing there."""

    region: Region
    left: int

    @property
    def fits(self) -> bool:
        """Whether it has room."""
        return self.left >= 0


class Split(NamedTuple):
    """Two arenas in a region each, and what is left of both regions."""

    persistent: Region
    non_persistent: Region
    persistent_left: int
    non_persistent_left: int

    @property
    def fits(self) -> bool:
        """Whether both have room."""
        return self.tightest >= 0

    @property
    def tightest(self) -> int:
        """What is left where less is left."""
        return min(self.persistent_left, self.non_persistent_left)


class Moved(NamedTuple):
    """A buffer that would lie in another region than the head: there, at that offset of what is left of it."""

    buffer: PlannedBuffer
    region: Region
    offset: int


class WhatIf(NamedTuple):
    """What a planner that knows regions could do, one that puts the largest buffers into the head first.

    `head` is the region of the head, which is also the notepad while the model is loaded; `persistent` that of what is
    persistent, perhaps the same. Other planners may move less: this one is greedy.
    """

    head: Region
    persistent: Region
    moved: tuple[Moved, ...]

    @property
    def moved_bytes(self) -> int:
        """The bytes of all that moved."""
        return sum(each.buffer.buffer.nbytes for each in self.moved)


@dataclass(frozen=True, slots=True)
class Placement:
    """A model and some regions. Of `wholes` and `splits` those that fit come first, and of these the roomiest.

    `two_arenas` is None, and there are no splits, where TFLM has no allocator for two: in builds that record.
    `what_if` is set only if nothing fits as TFLM is; None then too, if no arrangement was found. `alive` is what no
    planner can do without: all that is persistent, and the most bytes of buffers that are alive at once.
    """

    graph: Graph
    target: Target
    regions: tuple[Region, ...]
    arena: Arena
    two_arenas: TwoArenas | None
    wholes: tuple[Whole, ...]
    splits: tuple[Split, ...]
    what_if: WhatIf | None
    alive: int

    @property
    def fits(self) -> bool:
        """Whether it fits as TFLM is, in one arena or two."""
        return any(whole.fits for whole in self.wholes) or any(split.fits for split in self.splits)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready dicts and lists; the fields are documented in docs/json.md."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "target": target_to_dict(self.target),
            "fits": self.fits,
            "regions": [{"name": region.name, "bytes": region.nbytes} for region in self.regions],
            "arena": self.arena._asdict(),
            "two_arenas": self.two_arenas and self.two_arenas.to_dict(),
            "in_one_region": [_named({**whole._asdict(), "fits": whole.fits}) for whole in self.wholes],
            "in_two_regions": [_named({**split._asdict(), "fits": split.fits}) for split in self.splits],
            "what_if": self.what_if and _what_if_to_dict(self.what_if),
            "alive": self.alive,
        }

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def place_in_regions(model: Source | Graph, sizes: Mapping[str, int], target: str | Target = "cortex-m4") -> Placement:
    """Where `model` fits, of regions with these names and sizes. Raises what `simulate` raises."""
    regions = tuple(Region(name, nbytes) for name, nbytes in sizes.items())
    graph = model if isinstance(model, Graph) else read_model(model)
    target = replace(target if isinstance(target, Target) else find_target(target), arenas=1)
    allocated = allocate_model(graph, target)
    arena, _ = totals((*construction(target), *allocated.moves), target)
    wholes = tuple(sorted(_wholes(arena, regions), key=lambda whole: -whole.left))
    apart = None if target.recording else replace(target, arenas=2)
    two = totals((*construction(apart), *allocated.moves), apart)[1] if apart else None
    splits = tuple(sorted(_splits(two, regions), key=lambda split: -split.tightest)) if two else ()
    placement = Placement(
        graph=graph,
        target=target,
        regions=regions,
        arena=arena,
        two_arenas=two,
        wholes=wholes,
        splits=splits,
        what_if=None,
        alive=arena.tail + lower_bound([each.buffer for each in allocated.buffers]),
    )
    if placement.fits:
        return placement
    kept = two.persistent.minimum if two else arena.tail
    return replace(placement, what_if=_what_if(allocated.buffers, _while_loading(allocated.moves), kept, regions))


def _wholes(arena: Arena, regions: Sequence[Region]) -> Iterator[Whole]:
    for region in regions:
        yield Whole(region, region.nbytes - arena.minimum)


def _splits(two: TwoArenas, regions: Sequence[Region]) -> Iterator[Split]:
    for one, other in permutations(regions, 2):
        yield Split(one, other, one.nbytes - two.persistent.minimum, other.nbytes - two.non_persistent.minimum)


def _while_loading(moves: Sequence[Move]) -> int:
    """What the region of the head needs before anything is planned."""
    rest = [move for move in moves if move.section is not Section.TAIL]
    last = max(place for place, move in enumerate(rest) if move.section is Section.HEAD)
    return smallest_safe(rest[:last]).nbytes


def _what_if(buffers: Sequence[PlannedBuffer], loading: int, kept: int, regions: Sequence[Region]) -> WhatIf | None:
    """The arrangement in which the fewest bytes lie outside the head, of those that were found."""
    found = []
    for head, persistent in product(regions, regions):
        room = {region: region.nbytes - (kept if region == persistent else 0) for region in regions}
        if room[persistent] >= 0 and room[head] >= loading:
            moved = _moved(buffers, head, room)
            if moved is not None:
                found.append(WhatIf(head, persistent, moved))
    return min(found, key=lambda what_if: what_if.moved_bytes, default=None)


def _moved(buffers: Sequence[PlannedBuffer], head: Region, room: dict[Region, int]) -> tuple[Moved, ...] | None:
    """What has to leave the head; None if something finds room nowhere. Largest first, each in the lowest gap."""
    lives = [each.buffer for each in buffers]
    order = [head, *sorted((region for region in room if region != head), key=lambda region: -room[region])]
    taken = {region: Taken(lives) for region in order}
    moved = []
    for each in sorted(buffers, key=lambda each: -each.buffer.nbytes):
        for region in order:
            offset = taken[region].lowest_gap(each.buffer)
            if offset + each.buffer.nbytes <= room[region] // ALIGNMENT * ALIGNMENT:
                break
        else:
            return None
        taken[region].add(each.buffer, offset)
        if region != head:
            moved.append(Moved(each, region, offset))
    return tuple(moved)


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Regions by their names."""
    return {key: value.name if isinstance(value, Region) else value for key, value in fields.items()}


def _what_if_to_dict(what_if: WhatIf) -> dict[str, Any]:
    return {
        "head": what_if.head.name,
        "persistent": what_if.persistent.name,
        "moved": [
            {**buffer_to_dict(each.buffer), "region": each.region.name, "offset": each.offset} for each in what_if.moved
        ],
    }
