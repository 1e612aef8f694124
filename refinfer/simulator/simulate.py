"""Graph → Report: allocate, plan, and tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refinfer.kernels.layout import round_up
from refinfer.planners.problem import ALIGNMENT, live_bytes
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph
from refinfer.simulator.allocate import VARIABLES, Allocated, allocate, refused_by_invoke
from refinfer.simulator.arena import Move, Section, smallest_passing, smallest_safe, tail_used
from refinfer.simulator.head import OFFLINE_PLAN, PlannedBuffer
from refinfer.simulator.report import (
    Allocation,
    Arena,
    Category,
    NonPersistent,
    Peak,
    Persistent,
    Report,
    Step,
    TwoArenas,
)
from refinfer.simulator.targets import Target, find_target


def simulate(model: Source | Graph, target: str | Target = "cortex-m4") -> Report:
    """Where every byte of the arena goes that TFLM needs for `model` on `target`.

    `model` is a path, the bytes of a file, or a graph; `target` a name out of TARGETS, or a Target of your own.
    Raises FormatError or GraphError for a bad file, UsageError for an unknown target, and Refused (an
    UnsupportedNode) where TFLM would not load the model.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    target = target if isinstance(target, Target) else find_target(target)
    allocated = allocate(graph, target)
    live = live_bytes([each.buffer for each in allocated.buffers])
    steps = tuple(_steps(allocated, live))
    allocations = tuple(_allocations(allocated.moves))
    arena, two_arenas = totals(allocated.moves, target)
    return Report(
        graph=graph,
        target=target,
        arena=arena,
        categories=_categories(allocated.moves, allocations),
        allocations=allocations,
        buffers=allocated.buffers,
        steps=steps,
        peak=_peak(steps, allocated.buffers),
        lower_bound=max(live, default=0),
        refusal=refused_by_invoke(graph, target.build) or allocated.misread,
        two_arenas=two_arenas,
        clashes=_clashes(graph, allocated, target) if OFFLINE_PLAN in graph.metadata else (),
    )


def _clashes(graph: Graph, allocated: Allocated, target: Target) -> tuple[tuple[int, int], ...]:
    from refinfer.simulator.overlap import unsafe  # few models have a plan

    return tuple(unsafe(graph, allocated.buffers, target.build))


def totals(moves: Sequence[Move], target: Target) -> tuple[Arena, TwoArenas | None]:
    """What these moves take on `target`, together and, if it has two arenas, in each."""
    if target.arenas == 1:
        return _one_arena(moves), None
    two = _two_arenas(moves)
    persistent, other = two
    both = Arena(
        used=persistent.used + other.used,
        head=other.used,
        tail=persistent.used,
        minimum=persistent.minimum + other.minimum,
        merely_passes=persistent.minimum + other.merely_passes,
        moment=other.moment,
        bound_by=other.bound_by,
    )
    return both, two


def _two_arenas(moves: Sequence[Move]) -> TwoArenas:
    """[micro_allocator.cc: CreatePersistentArenaAllocator] aligns the end of the persistent arena, and loses the rest.

    So its padding does not depend on its size. The non-persistent one is as an arena without a tail.
    """
    used = tail_used(moves)[-1]
    rest = [move for move in moves if move.section is not Section.TAIL]
    need = smallest_safe(rest)
    return TwoArenas(
        Persistent(used, round_up(used, ALIGNMENT)),
        NonPersistent(
            used=final_head(rest),
            minimum=need.nbytes,
            merely_passes=smallest_passing(rest, need.nbytes),
            moment=_moment(need.move),
            bound_by=_reason(need.move, "the planned buffers, once everything is allocated"),
        ),
    )


def _one_arena(moves: Sequence[Move]) -> Arena:
    head, tail = final_head(moves), tail_used(moves)[-1]
    need = smallest_safe(moves)
    return Arena(
        used=head + tail,
        head=head,
        tail=tail,
        minimum=need.nbytes,
        merely_passes=smallest_passing(moves, need.nbytes),
        moment=_moment(need.move),
        bound_by=_reason(need.move, "head + tail, once everything is allocated"),
    )


def final_head(moves: Sequence[Move]) -> int:
    """The bytes of the head in the end."""
    return next(move.nbytes for move in reversed(moves) if move.section is Section.HEAD)


def _moment(move: Move) -> str:
    """When an arena has to make room for `move` beside all the rest."""
    if move.op is not None:
        return "prepared"
    return "planned" if move.section in (Section.PLAN, Section.TEMP) or move.category == VARIABLES else "end"


def _reason(move: Move, end: str) -> str:
    """In words, what an arena has to make room for when `move` needs the most of it; `end` if that is in the end."""
    where = f"while operator {move.op} of subgraph {move.subgraph} is prepared"
    match _moment(move):
        case "planned":
            return f"{move.what}, while the graph is laid out"
        case "prepared" if move.section is Section.TEMP:
            return f"temporary tensors {where}"
        case "prepared":
            return f"{move.what} beside the temporary tensors {where}"
        case _:
            return end


def _allocations(moves: Sequence[Move]) -> Iterator[Allocation]:
    """The tail, allocation by allocation, in an arena whose size is a multiple of 16."""
    used_before = 0
    for move, used in zip(moves, tail_used(moves), strict=True):
        if move.section is Section.TAIL:
            yield Allocation(
                what=move.what,
                nbytes=move.nbytes,
                align=move.align,
                used=used - used_before,
                category=move.category,
                subgraph=move.subgraph,
                op=move.op,
                tensor=move.tensor,
                source=move.source,
            )
            used_before = used


def _categories(moves: Sequence[Move], allocations: Sequence[Allocation]) -> dict[str, Category]:
    """The lines of TFLM's own report, in the order in which it first allocates for them."""
    totals: dict[str, Category] = {}
    items = (move.items for move in moves if move.section is Section.TAIL)
    for allocation, counted in zip(allocations, items, strict=True):
        if allocation.category is not None:
            before = totals.get(allocation.category, Category(0, 0, 0))
            totals[allocation.category] = Category(
                before.used + allocation.used, before.requested + allocation.nbytes, before.count + counted
            )
    return totals


def _steps(allocated: Allocated, live: Sequence[int]) -> Iterator[Step]:
    for step, node in enumerate(allocated.lifetimes.steps):
        nbytes = live[step] if step < len(live) else 0
        if node is None:
            yield Step(None, None, "inputs" if step == 0 else "entering a subgraph", nbytes)
        else:
            yield Step(node.subgraph, node.index, node.name, nbytes)


def _peak(steps: Sequence[Step], buffers: Sequence[PlannedBuffer]) -> Peak | None:
    if not buffers:
        return None
    step = max(range(len(steps)), key=lambda step: steps[step].nbytes)
    alive = tuple(i for i, each in enumerate(buffers) if each.buffer.first <= step <= each.buffer.last)
    return Peak(step, steps[step].subgraph, steps[step].op, steps[step].name, steps[step].nbytes, alive)
