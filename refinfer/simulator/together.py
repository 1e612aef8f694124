"""Several models in one arena: an interpreter each, all with the same MicroAllocator.

What is persistent adds up, model after model. The head belongs to one model at a time, so in the end it is as high as
the highest; while a model is loaded it is a notepad again. So the order matters: what a model needs for a moment while
it is loaded comes on top of the tails of the models before it, and of no others.
Sources, under tensorflow/lite/micro: micro_allocator.cc (StartModelAllocation, CommitStaticMemoryPlan).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph
from refinfer.simulator.allocate import Allocated, allocate_model, construction, refused_by_invoke
from refinfer.simulator.arena import Extent, Move, Section, extent
from refinfer.simulator.refused import Refused
from refinfer.simulator.report import SCHEMA, Arena, TwoArenas, model_to_dict, refusal_to_dict, target_to_dict
from refinfer.simulator.simulate import final_head, totals
from refinfer.simulator.targets import Target, find_target

MOST_IN_ANY_ORDER = 6  # models whose 720 orders are all tried

Moves = Sequence[Move]
Order = tuple[int, ...]  # models by their place in the order that was asked for


class Tenant(NamedTuple):
    """A model in a shared arena.

    `alone` is what its arena would take without the others. `head` is what it needs there, `tail` what it adds, and
    `used` what `arena_used_bytes()` returns once it is loaded. `refusal` is set if it fails when it runs.
    """

    graph: Graph
    alone: Arena
    head: int
    tail: int
    used: int
    refusal: Refused | None


@dataclass(frozen=True, slots=True)
class Together:
    """Models that are loaded one after the other into one arena, or two, and what that takes.

    `loading` is the place of the model while whose loading the most is needed, None if that is in the end. `smallest`
    is the least that suffices in any order of loading, and `smallest_order` that order.
    """

    target: Target
    tenants: tuple[Tenant, ...]
    arena: Arena
    two_arenas: TwoArenas | None
    loading: int | None
    smallest: int
    smallest_order: Order

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready dicts and lists; the fields are documented in docs/json.md."""
        return {
            "schema": SCHEMA,
            "target": target_to_dict(self.target),
            "arena": self.arena._asdict(),
            "two_arenas": self.two_arenas and self.two_arenas.to_dict(),
            "models": [_tenant_to_dict(tenant) for tenant in self.tenants],
            "loading": self.loading,
            "smallest": self.smallest,
            "smallest_order": list(self.smallest_order),
        }

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def simulate_together(models: Sequence[Source | Graph], target: str | Target = "cortex-m4") -> Together:
    """What it takes to load `models` into one arena, in this order.

    Raises what `simulate` raises, and ValueError if there are no models.
    """
    if not models:
        raise ValueError("there are no models to load")
    target = target if isinstance(target, Target) else find_target(target)
    graphs = [model if isinstance(model, Graph) else read_model(model) for model in models]
    allocated = [_allocate(graph, target) for graph in graphs]
    made, loads = tuple(construction(target)), [each.moves for each in allocated]
    after = [totals([*made, *in_turn(loads[: count + 1])], target) for count in range(len(loads))]
    arena, two_arenas = after[-1]
    tails = [each.tail for each, _ in after]
    smallest, order = _smallest(made, loads, arena, two_arenas)
    return Together(
        target=target,
        tenants=tuple(
            Tenant(
                graph=graph,
                alone=totals([*made, *one.moves], target)[0],
                head=final_head(one.moves),
                tail=tail - before,
                used=each.used,
                refusal=refused_by_invoke(graph, target.build) or one.misread,
            )
            for graph, one, (each, _), tail, before in zip(
                graphs, allocated, after, tails, [_used(made), *tails], strict=False
            )
        ),
        arena=arena,
        two_arenas=two_arenas,
        loading=None if arena.moment == "end" else [_lasting(each) for each in after].index(_lasting(after[-1])),
        smallest=smallest,
        smallest_order=order,
    )


def _allocate(graph: Graph, target: Target) -> Allocated:
    try:
        return allocate_model(graph, target)
    except Refused as refusal:
        refusal.graph = graph
        raise


def in_turn(loads: Iterable[Moves]) -> Iterator[Move]:
    """The moves of models that are loaded one after the other: the head never ends lower than it was."""
    highest = 0
    for moves in loads:
        highest = max(highest, final_head(moves))
        last = max(place for place, move in enumerate(moves) if move.section is Section.HEAD)
        yield from moves[:last]
        yield moves[last]._replace(nbytes=highest)
        yield from moves[last + 1 :]


def _lasting(totals: tuple[Arena, TwoArenas | None]) -> int:
    """What an arena takes in which things are needed for a moment: the only one, or the non-persistent one."""
    arena, two = totals
    return two.non_persistent.minimum if two else arena.minimum


def _used(made: Moves) -> int:
    return -extent(made, 0).tail


def _smallest(made: Moves, loads: Sequence[Moves], arena: Arena, two: TwoArenas | None) -> tuple[int, Order]:
    """The least that suffices, and the order in which it does; the order that was asked for if it is no worse."""
    extents = [_extents(moves) for moves in (made, *loads)]
    head = max(map(final_head, loads))
    smallest, best = arena.minimum, tuple(range(len(loads)))
    for order in _orders(extents[1:]):
        ordered = [extents[0], *(extents[1 + place] for place in order)]
        if two:
            needed = round_up(-_load(ordered, 0)[1], ALIGNMENT) + two.non_persistent.minimum
        else:
            needed = min(_needed(ordered, head, remainder) for remainder in range(ALIGNMENT))
        if needed < smallest:
            smallest, best = needed, order
    return smallest, best


Extents = tuple[Extent, ...]  # of the same moves, by what remains when the tail before them is divided by 16


def _extents(moves: Moves) -> Extents:
    return tuple(extent(moves, remainder) for remainder in range(ALIGNMENT))


def _orders(extents: Sequence[Extents]) -> Iterator[Order]:
    """All orders of a few models. Of many, one that is best but for what alignment takes.

    That is the one in which those models come first that need the most, while they are loaded, beside what they keep.
    """
    places = range(len(extents))
    if len(extents) <= MOST_IN_ANY_ORDER:
        yield from permutations(places)
    else:
        yield tuple(sorted(places, key=lambda place: -(extents[place][0].nbytes + extents[place][0].tail)))


def _needed(extents: Sequence[Extents], head: int, remainder: int) -> int:
    """The smallest size, `remainder` more than a multiple of 16, in which these moves and then `head` find room."""
    most, tail = _load(extents, remainder)
    return round_up(max(most, head - tail), ALIGNMENT) + remainder


def _load(extents: Sequence[Extents], tail: int) -> tuple[int, int]:
    """What is needed below the last multiple of 16 on the way, and how far down the tail is then."""
    most = 0
    for each in extents:
        whole = tail // ALIGNMENT * ALIGNMENT
        here = each[tail - whole]
        most, tail = max(most, here.nbytes - whole), here.tail + whole
    return most, tail


def _tenant_to_dict(tenant: Tenant) -> dict[str, Any]:
    return {
        **model_to_dict(tenant.graph),
        "alone": tenant.alone.minimum,
        "head": tenant.head,
        "tail": tenant.tail,
        "used": tenant.used,
        "refusal": refusal_to_dict(tenant.refusal) if tenant.refusal else None,
    }
