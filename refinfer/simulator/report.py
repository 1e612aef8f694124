"""What a simulation tells: frozen values, and one documented JSON form of them (docs/json.md).

All sizes are bytes. Nothing here computes; `simulate` fills it in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from refinfer.schema.graph import Graph
from refinfer.simulator.head import PlannedBuffer
from refinfer.simulator.refused import Refused
from refinfer.simulator.targets import Target

SCHEMA = 1
"""The version of the JSON form: it grows when a field changes its meaning or goes, not when one is added."""


class Arena(NamedTuple):
    """The totals of an arena.

    `used` is what `arena_used_bytes()` reports, head + tail, in an arena whose size is a multiple of 16. `minimum` is
    the smallest arena in which the model loads and runs rightly: the number to write down as kTensorArenaSize, if the
    arena starts at a multiple of 16. `merely_passes` is smaller in the rare case that TFLM's own checks already let a
    smaller arena through, in which it then overwrites its own temporary memory; else it equals `minimum`. Of two
    arenas these are the sums.
    `moment` says when the most is needed: at the "end", or before, while the graph is "planned" or an operator
    "prepared"; `bound_by` says what for, in words.
    """

    used: int
    head: int
    tail: int
    minimum: int
    merely_passes: int
    moment: str
    bound_by: str


class Persistent(NamedTuple):
    """The persistent one of two arenas: what its allocator counts, and the smallest that works."""

    used: int
    minimum: int


class NonPersistent(NamedTuple):
    """The other one. It is used over again; `minimum` and all that follows are as in Arena."""

    used: int
    minimum: int
    merely_passes: int
    moment: str
    bound_by: str


class TwoArenas(NamedTuple):
    """Where each is to start at a multiple of 16."""

    persistent: Persistent
    non_persistent: NonPersistent

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {name: arena._asdict() for name, arena in self._asdict().items()}


@dataclass(frozen=True, slots=True)
class Category:
    """A line of TFLM's own report: bytes taken with padding, bytes asked for, number of things."""

    used: int
    requested: int
    count: int


class Allocation(NamedTuple):
    """One tail allocation. `used` is `nbytes` plus the padding that its alignment cost; the sum of all is the tail."""

    what: str
    nbytes: int
    align: int
    used: int
    category: str | None
    subgraph: int | None
    op: int | None
    tensor: int | None
    source: str


class Peak(NamedTuple):
    """The first step at which the most bytes live at once: that operator, its subgraph, and the buffers alive."""

    step: int
    subgraph: int | None
    op: int | None
    name: str
    nbytes: int
    buffers: tuple[int, ...]  # indices into Report.buffers


class Step(NamedTuple):
    """A tick of TFLM's clock: the operator that runs, and the bytes alive while it does."""

    subgraph: int | None
    op: int | None
    name: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """Where every byte of the arena goes, for one model on one target.

    `graph` is the model that was looked at. `refusal` is set when TFLM loads the model but fails in Invoke, or gives
    nonsense there: the numbers are then those of an arena that is allocated in vain. `clashes` are pairs of `buffers`
    that share bytes while both are needed, in a way that these kernels do not allow; only a plan in the file can bring
    that about. `lower_bound` is what no plan of
    the head can undercut without overlapping buffers. `two_arenas` is set if the target has two.
    """

    graph: Graph
    target: Target
    arena: Arena
    categories: Mapping[str, Category]
    allocations: tuple[Allocation, ...]
    buffers: tuple[PlannedBuffer, ...]
    steps: tuple[Step, ...]
    peak: Peak | None
    lower_bound: int
    refusal: Refused | None
    two_arenas: TwoArenas | None = None
    clashes: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready dicts and lists; the fields are documented in docs/json.md."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "target": target_to_dict(self.target),
            "arena": self.arena._asdict(),
            "two_arenas": self.two_arenas and self.two_arenas.to_dict(),
            "categories": {name: asdict(category) for name, category in self.categories.items()},
            "allocations": [to_plain(allocation) for allocation in self.allocations],
            "buffers": [buffer_to_dict(buffer) for buffer in self.buffers],
            "steps": [to_plain(step) for step in self.steps],
            "peak": to_plain(self.peak) if self.peak else None,
            "lower_bound": self.lower_bound,
            "clashes": [list(pair) for pair in self.clashes],
            "refusal": refusal_to_dict(self.refusal) if self.refusal else None,
        }

    def _repr_html_(self) -> str:
        """The picture, which Jupyter shows in place of the values."""
        from refinfer.page.picture import picture_of
        from refinfer.page.svg import svg

        return svg(picture_of(self))

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def to_plain(record: NamedTuple) -> dict[str, Any]:
    """The fields of a record, JSON-ready; `nbytes` is called bytes there."""
    return {"bytes" if name == "nbytes" else name: value for name, value in record._asdict().items()}


def model_to_dict(graph: Graph) -> dict[str, Any]:
    """Which file was looked at, as JSON-ready values."""
    from hashlib import sha256  # loads OpenSSL, which most runs do not need

    return {"name": graph.name, "bytes": len(graph.file), "sha256": sha256(graph.file).hexdigest()}


def target_to_dict(target: Target) -> dict[str, Any]:
    """A target as JSON-ready values."""
    return {
        "name": target.name,
        "summary": target.summary,
        "kernels": target.kernels,
        "tflm": target.tflm,
        "recording": target.recording,
        "arenas": target.arenas,
        "verified": target.verified,
    }


def refusal_to_dict(refusal: Refused) -> dict[str, Any]:
    """A refusal as JSON-ready values."""
    node, tensor = refusal.node, refusal.tensor
    return {
        "when": refusal.when,
        "reason": refusal.reason,
        "subgraph": node.subgraph if node else None,
        "op": node.index if node else None,
        "name": node.name if node else None,
        "tensor": tensor.index if tensor else None,
        "tensor_name": tensor.name if tensor else None,
    }


def buffer_to_dict(planned: PlannedBuffer) -> dict[str, Any]:
    """A planned buffer as JSON-ready values."""
    tensor, node, buffer = planned.tensor, planned.node, planned.buffer
    return {
        "what": planned.what,
        "subgraph": (tensor or node).subgraph,  # type: ignore[union-attr]  # one of the two is set
        "tensor": tensor.index if tensor else None,
        "op": node.index if node else None,
        "bytes": planned.nbytes,
        "planned_bytes": buffer.nbytes,
        "first": buffer.first,
        "last": buffer.last,
        "offset": planned.offset,
        "offline": buffer.offset is not None,
    }
