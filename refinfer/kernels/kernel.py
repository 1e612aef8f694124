"""What an operator asks of its runtime: the vocabulary in which every kernel states its memory facts.

TFLM builds an operator in three steps, and a kernel's facts follow them. *Init* reserves the kernel's own struct.
*Prepare* looks at its tensors through temporary structs, reserves persistent arrays, requests scratch buffers, and
refuses what it cannot run. *Invoke* only computes, but some kernels refuse a dtype there and not before. The first
two are generators of requests in the order in which the C++ makes them, since every byte of slack depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from refinfer.kernels.layout import Build, Struct
from refinfer.schema.graph import Node, Tensor


class Persistent(NamedTuple):
    """AllocatePersistentBuffer: `nbytes` of tail, aligned to 16, for good."""

    what: str  # the struct or the member that points to it
    nbytes: int
    source: str  # "conv_common.cc: ConvInit"


class Scratch(NamedTuple):
    """RequestScratchBufferInArena: `nbytes` that live while this operator runs, placed by the planner."""

    what: str
    nbytes: int
    source: str


class Decompressed(NamedTuple):
    """AllocateDecompressionScratchBuffer: room for the values of an input, granted if they are compressed.

    The kernel can then read them. Only builds with compression have such kernels; None stands for an absent input.
    """

    what: str
    tensor: Tensor | None
    source: str


class Temp(NamedTuple):
    """AllocateTempInputTensor and its like: a TfLiteTensor on the temp stack until Prepare ends.

    None stands for an optional tensor that is absent: nothing is allocated.
    """

    tensor: Tensor | None


class TempBuffer(NamedTuple):
    """AllocateTempBuffer: `nbytes` on the temp stack until Prepare ends."""

    what: str
    nbytes: int
    align: int


class Reshaped(NamedTuple):
    """The kernel gave `tensor` new dims in Prepare; the planner sees this shape."""

    tensor: Tensor
    shape: tuple[int, ...]


class Bound(NamedTuple):
    """The kernel pointed `tensor` at memory of its own in Prepare: it needs no place in the plan."""

    tensor: Tensor
    variable: tuple[str, str]  # (container, shared_name) of the resource it stands for


class Variable(NamedTuple):
    """The kernel stores `nbytes` for the resource behind `handle`: tail memory, once per resource."""

    handle: Tensor
    nbytes: int
    source: str


class Calls(NamedTuple):
    """The kernel makes sure in Prepare that a subgraph exists and takes and gives that many tensors (None: any)."""

    subgraph: int
    inputs: int | None = None
    outputs: int | None = None


Request = Persistent | Scratch | Decompressed | Temp | TempBuffer | Reshaped | Bound | Variable | Calls


class Refusal(Exception):
    """The runtime will not run this operator, and this is what it says. Whoever knows the node catches it."""

    def __init__(self, reason: str, tensor: Tensor | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tensor = tensor


def require(condition: bool, reason: str, tensor: Tensor | None = None) -> None:
    """TF_LITE_ENSURE_MSG: refuse the operator with `reason` unless `condition` holds."""
    if not condition:
        raise Refusal(reason, tensor)


def no_requests(node: Node, build: Build) -> Iterator[Request]:
    """The step asks for nothing."""
    yield from ()


def any_type(node: Node) -> None:
    """Invoke refuses nothing that Prepare let through."""


def no_subgraphs(node: Node) -> tuple[int, ...]:
    """The operator runs no other subgraph."""
    return ()


class Overlap(NamedTuple):
    """Where an input may lie if the output is to be written over it.

    The offset of the input less that of the output is at least `distance` bytes, or `exactly` that many. Then nothing
    is overwritten that is still to be read.
    """

    distance: int
    exactly: bool = False


def no_overlap(node: Node, position: int, build: Build) -> Overlap | None:
    """Nothing is known of the order in which the kernel reads and writes."""
    return None


def no_overlaps(node: Node, position: int, output: int, build: Build) -> Overlap | None:
    """The same of a kernel with several outputs."""
    return None


Step = Callable[[Node, Build], Iterator[Request]]
Rule = Callable[[Node, int, Build], Overlap | None]
"""How the input at a position may share its place with the output, in a build; None where it may not."""
RuleOfMany = Callable[[Node, int, int, Build], Overlap | None]
"""The same of an input and one of several outputs, each at its position."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operator's facts in one kernel library.

    `parameters` is the builtin_data struct that the parser allocates (not counted as a kernel's allocation), `init`
    and `prepare` are the requests of these steps, `invoke` raises `Refusal` for what only Invoke refuses, and
    `subgraphs` names the subgraphs that the operator runs, in the order of their lifetimes.
    `overlap` is its rule, for nodes that Prepare takes; with several outputs it is `overlaps`.
    """

    init: Step = no_requests
    prepare: Step = no_requests
    invoke: Callable[[Node], None] = any_type
    parameters: Struct | None = None
    subgraphs: Callable[[Node], tuple[int, ...]] = no_subgraphs
    overlap: Rule = no_overlap
    overlaps: RuleOfMany = no_overlaps


def op_data(struct: Struct, source: str) -> Step:
    """An Init that reserves the kernel's struct and nothing else, as most do."""

    def init(node: Node, build: Build) -> Iterator[Request]:
        yield Persistent(struct.name, build.sizeof(struct), source)

    return init


def temps(*tensors: Tensor | None) -> Iterator[Request]:
    """Temporary TfLiteTensor structs for `tensors`, in this order."""
    return map(Temp, tensors)
