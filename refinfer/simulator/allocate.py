"""Everything that TFLM allocates for a model, in its order: from constructing the interpreter to AllocateTensors' end.

Each function is a stretch of the C++ and gives the moves that it makes on the arena. Sources, under
tensorflow/lite/micro: micro_interpreter.cc, micro_interpreter_graph.cc, micro_allocator.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from refinfer.kernels.common import EVAL_TENSOR, int_array_bytes, is_affine, type_size
from refinfer.kernels.kernel import (
    Bound,
    Persistent,
    Refusal,
    Request,
    Reshaped,
    Scratch,
    Temp,
    TempBuffer,
    Variable,
    require,
)
from refinfer.kernels.layout import POINTER, SIZE_T, Build, Struct, round_up
from refinfer.kernels.registry import kernel_of
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.errors import GraphError, UnsupportedNode
from refinfer.schema.graph import Graph, Node, Subgraph, Tensor
from refinfer.simulator import structs
from refinfer.simulator.arena import Move, Section
from refinfer.simulator.lifetimes import Lifetimes
from refinfer.simulator.planner import ALIGNMENT, Buffer, height, place_greedily
from refinfer.simulator.targets import Target

EVAL_TENSORS = "TfLiteEvalTensor data"
PERSISTENT_TENSORS = "Persistent TfLiteTensor data"
PERSISTENT_QUANTIZATION = "Persistent TfLiteTensor quantization data"
PERSISTENT_BUFFERS = "Persistent buffer data"
VARIABLES = "TfLiteTensor variable buffer data"
NODES = "NodeAndRegistration struct"
"""The lines of TFLM's own report [recording_micro_allocator.cc]; what belongs to none of them it leaves unsaid."""

MOST_SCRATCH_BUFFERS = 12  # of one operator [micro_allocator.cc: kMaxScratchBuffersPerOp]
ONLINE = -1  # an offline plan's word for "place it as you like" [micro_memory_planner.h: kOnlinePlannedBuffer]
OFFLINE_PLAN = "OfflineMemoryAllocation"


class Refused(UnsupportedNode):
    """TFLM will not run this model: the operator and tensor where it stops, what it says there, and when.

    `when` is "load", "prepare", "plan" or "invoke".
    """

    def __init__(self, when: str, reason: str, node: Node | None = None, tensor: Tensor | None = None) -> None:
        self.when, self.reason, self.node, self.tensor = when, reason, node, tensor
        place = [f"operator {node.index} ({node.name}) of subgraph {node.subgraph}"] if node else []
        place += [f"tensor {tensor.index} ({tensor.name!r})"] if tensor else []
        super().__init__(": ".join([*place, reason]))


class ScratchRequest(NamedTuple):
    """A scratch buffer that an operator asked for."""

    node: Node
    what: str
    nbytes: int


class PlannedBuffer(NamedTuple):
    """A block of the head: a tensor, or an operator's scratch buffer (`node` is set), and where it was placed."""

    tensor: Tensor | None
    node: Node | None
    what: str
    nbytes: int
    buffer: Buffer
    offset: int


@dataclass(slots=True)
class Prepared:
    """What Prepare leaves behind, as it goes on."""

    moves: list[Move] = field(default_factory=list)
    scratch: list[ScratchRequest] = field(default_factory=list)
    shapes: dict[Tensor, tuple[int, ...]] = field(default_factory=dict)
    bound: dict[Tensor, tuple[str, str]] = field(default_factory=dict)
    variables: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Allocated:
    """A model in its arena."""

    moves: tuple[Move, ...]
    buffers: tuple[PlannedBuffer, ...]
    lifetimes: Lifetimes


def allocate(graph: Graph, target: Target) -> Allocated:
    """Take `graph` through TFLM's AllocateTensors on `target`.

    Raises Refused where TFLM stops, GraphError where it would read outside the file.
    """
    build = target.build
    kernels_found(graph)
    started = list(chain(construction(graph, target), start_of_model(graph, build), init(graph, build)))
    prepared = prepare(graph, build)
    lifetimes = Lifetimes(graph)
    plan = offline_plan(graph)
    buffers = planned_buffers(graph, prepared, lifetimes, plan)
    finished = chain(finish(graph, build, prepared, plan, buffers), inputs_and_outputs(graph.subgraphs[0], build))
    return Allocated((*started, *prepared.moves, *finished), buffers, lifetimes)


def kernels_found(graph: Graph) -> None:
    """Every operator has a kernel, before anything else is asked of it."""
    for node in _nodes(graph):
        if kernel_of(node) is None:
            raise Refused("load", no_kernel_message(node), node)
        if node.custom_code is None and node.has_custom_options:
            reason = f"Unsupported behavior: found builtin operator {node.name} with custom options."
            raise Refused("load", reason, node)


def no_kernel_message(node: Node) -> str:
    """TFLM names a missing builtin; of a missing custom operator it says nothing, so the words are ours."""
    if node.custom_code is None:
        return f"Didn't find op for builtin opcode '{node.name}'"
    return f"TFLM has no custom operator {node.custom_code!r}"


def construction(graph: Graph, target: Target) -> Iterator[Move]:
    """The objects that the program makes before AllocateTensors: allocator, planner, resource variables."""
    build, recording = target.build, target.recording
    yield _struct(
        structs.RECORDING_SINGLE_ARENA_BUFFER_ALLOCATOR if recording else structs.SINGLE_ARENA_BUFFER_ALLOCATOR,
        build,
        "single_arena_buffer_allocator.cc: Create",
    )
    yield _struct(structs.GREEDY_MEMORY_PLANNER, build, "micro_allocator.cc: CreateMemoryPlanner")
    yield _struct(
        structs.RECORDING_MICRO_ALLOCATOR if recording else structs.MICRO_ALLOCATOR,
        build,
        "micro_allocator.cc: Create",
    )
    variables = resource_variables(graph, target)
    if variables:
        source = "micro_resource_variable.cc: Create"
        yield _buffer("MicroResourceVariables", build.sizeof(structs.MICRO_RESOURCE_VARIABLES), source)
        each = build.sizeof(structs.MICRO_RESOURCE_VARIABLE)
        yield _buffer(f"{variables} MicroResourceVariable", variables * each, source)


def resource_variables(graph: Graph, target: Target) -> int:
    """How many resource variables the program makes room for; raises Refused if the model has more."""
    needed = len({node.options.shared_name for node in _nodes(graph) if node.op == BuiltinOperator.VAR_HANDLE})
    if target.resource_variables is None:
        return needed
    if needed > target.resource_variables:
        raise Refused("prepare", f"{needed} resource variables, but the program has {target.resource_variables}")
    return target.resource_variables


def start_of_model(graph: Graph, build: Build) -> Iterator[Move]:
    """[micro_allocator.cc: StartModelAllocation], then the operators' builtin parameters."""
    source = "micro_allocator.cc: StartModelAllocation"
    yield _struct(structs.MICRO_BUILTIN_DATA_ALLOCATOR, build, source)
    yield scratch_requests_in_head(0, build)
    yield _array(structs.SUBGRAPH_ALLOCATIONS, len(graph.subgraphs), build, source)
    for subgraph in graph.subgraphs:
        source = "micro_allocator.cc: AllocateTfLiteEvalTensors"
        yield _array(EVAL_TENSOR, len(subgraph.tensors), build, source, EVAL_TENSORS, subgraph.index)
    for subgraph in graph.subgraphs:
        source = "micro_allocator.cc: AllocateNodeAndRegistrations"
        yield _array(structs.NODE_AND_REGISTRATION, len(subgraph.nodes), build, source, NODES, subgraph.index)
    for node in _nodes(graph):
        parameters = _kernel(node).parameters
        if parameters is not None:
            move = _struct(parameters, build, "flatbuffer_conversions.cc")
            yield move._replace(subgraph=node.subgraph, op=node.index)


def init(graph: Graph, build: Build) -> Iterator[Move]:
    """Every kernel's Init [micro_interpreter_graph.cc: InitSubgraphs]."""
    for node in _nodes(graph):
        for request in _asked(_kernel(node).init, node, build, "load"):
            assert isinstance(request, Persistent)
            yield _buffer(request.what, request.nbytes, request.source, node)


def prepare(graph: Graph, build: Build) -> Prepared:
    """Every kernel's Prepare [micro_interpreter_graph.cc: PrepareSubgraphs]."""
    prepared = Prepared()
    for node in _nodes(graph):
        before = len(prepared.scratch)
        for request in _asked(_kernel(node).prepare, node, build, "prepare"):
            _grant(request, node, build, prepared)
        if len(prepared.scratch) - before > MOST_SCRATCH_BUFFERS:
            reason = f"Scratch buffer request exceeds limit per operator ({MOST_SCRATCH_BUFFERS})"
            raise Refused("prepare", reason, node)
        _check_outputs(node, prepared)
        prepared.moves.append(Move(Section.RESET, "temporary tensors of the operator"))
        prepared.moves.append(scratch_requests_in_head(len(prepared.scratch), build))
    return prepared


def _grant(request: Request, node: Node, build: Build, prepared: Prepared) -> None:
    """Give a kernel what it asks for in Prepare."""
    match request:
        case Temp(tensor=None):
            pass
        case Temp(tensor=tensor):
            prepared.moves.extend(temporary_tensor(tensor, node, build))
        case TempBuffer(what=what, nbytes=nbytes, align=align):
            prepared.moves.append(Move(Section.TEMP, what, nbytes, align, subgraph=node.subgraph, op=node.index))
        case Persistent(what=what, nbytes=nbytes, source=source):
            prepared.moves.append(_buffer(what, nbytes, source, node))
        case Scratch(what=what, nbytes=nbytes):
            prepared.scratch.append(ScratchRequest(node, what, nbytes))
        case Reshaped(tensor=tensor, shape=shape):
            prepared.shapes[tensor] = shape
        case Bound(tensor=tensor, variable=variable):
            prepared.bound[tensor] = variable
        case Variable(handle=handle, nbytes=nbytes, source=source):
            name = prepared.bound.get(handle)
            # A handle that comes from another subgraph is not known yet in Prepare: no memory, then.
            if name is not None and name not in prepared.variables:
                prepared.variables.add(name)
                prepared.moves.append(_buffer(f"resource {name[1]!r}", nbytes, source, node))


def temporary_tensor(tensor: Tensor, node: Node, build: Build) -> Iterator[Move]:
    """A TfLiteTensor on the temp stack [micro_allocator.cc: AllocateTempTfLiteTensor]."""
    for what, nbytes, align in _tensor_structs(tensor, build):
        yield Move(Section.TEMP, what, nbytes, align, "", None, 1, node.subgraph, node.index, tensor.index)


def _check_outputs(node: Node, prepared: Prepared) -> None:
    """[micro_interpreter_graph.cc: CheckDynamicTensors]; shape (0,) is an old way to write a scalar."""
    for tensor in node.outputs:
        shape = prepared.shapes.get(tensor, tensor.shape)
        if shape != (0,) and any(length <= 0 for length in shape):
            raise Refused("prepare", f"Dynamic tensors are not supported (shape {list(shape)})", node, tensor)


def scratch_requests_in_head(requests: int, build: Build) -> Move:
    """The head while kernels are prepared: the requests so far, and room for one more operator's."""
    each, align = build.size_align(structs.SCRATCH_BUFFER_REQUEST)
    what = f"{requests} scratch buffer requests, room for {MOST_SCRATCH_BUFFERS} more"
    return Move(Section.HEAD, what, (requests + MOST_SCRATCH_BUFFERS) * each, align)


def finish(
    graph: Graph, build: Build, prepared: Prepared, plan: Sequence[int] | None, buffers: Sequence[PlannedBuffer]
) -> Iterator[Move]:
    """[micro_allocator.cc: FinishModelAllocation and CommitStaticMemoryPlan]"""
    requests = len(prepared.scratch)
    if requests:
        source = "micro_allocator.cc: AllocateScratchBufferHandles"
        yield _array(structs.SCRATCH_BUFFER_HANDLE, requests, build, source)
    infos = sum(len(subgraph.tensors) for subgraph in graph.subgraphs) + requests
    size, align = build.size_align(SIZE_T)
    yield Move(Section.TEMP, "subgraph_offsets", len(graph.subgraphs) * size, align)
    size, align = build.size_align(structs.ALLOCATION_INFO)
    yield Move(Section.TEMP, f"{infos} AllocationInfo", infos * size, align)
    for tensor in variable_tensors(graph, plan):
        source = "micro_allocator.cc: AllocateVariables"
        move = Move(Section.TAIL, tensor.name, _nbytes(tensor, prepared), ALIGNMENT, source, VARIABLES)
        yield move._replace(subgraph=tensor.subgraph, tensor=tensor.index)
    each = build.sizeof(structs.PLANNER_WORK)
    yield Move(Section.PLAN, f"planning {len(buffers)} buffers at {each} bytes each", len(buffers) * each)
    yield Move(Section.RESET, "planning is over")
    top = height([each.buffer for each in buffers], [each.offset for each in buffers])
    yield Move(Section.HEAD, "planned buffers", top, ALIGNMENT)


def inputs_and_outputs(subgraph: Subgraph, build: Build) -> Iterator[Move]:
    """The TfLiteTensors that the program sees [micro_interpreter.cc: AllocateTensors]."""
    source = "micro_interpreter.cc: AllocateTensors"
    for what, tensors in (("input_tensors", subgraph.inputs), ("output_tensors", subgraph.outputs)):
        yield _buffer(what, build.sizeof(POINTER) * len(tensors), source)
        for tensor in tensors:
            category = PERSISTENT_TENSORS
            for struct, nbytes, align in _tensor_structs(tensor, build):
                move = Move(Section.TAIL, struct, nbytes, align, source, category)
                yield move._replace(subgraph=tensor.subgraph, tensor=tensor.index)
                category = PERSISTENT_QUANTIZATION


def offline_plan(graph: Graph) -> tuple[int, ...] | None:
    """The offsets of the model's own plan, one for each tensor of all subgraphs; None if it has none.

    Its metadata is int32: a version, a number of subgraphs (both ignored), a count, the offsets.
    """
    data = graph.metadata.get(OFFLINE_PLAN)
    if data is None:
        return None
    words = memoryview(bytes(data[: len(data) // 4 * 4])).cast("i")
    count = words[2] if len(words) > 2 else 0
    tensors = sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
    if count != tensors:
        reason = f"Nbr of offline buffer offsets ({count}) in metadata not equal nbr tensors ({tensors})"
        raise Refused("plan", reason)
    if len(words) < 3 + count:
        raise GraphError(f"metadata {OFFLINE_PLAN}: {len(words) - 3} offsets, but it announces {count}")
    return tuple(words[3 : 3 + count])


def variable_tensors(graph: Graph, plan: Sequence[int] | None) -> Iterator[Tensor]:
    """Variable tensors that get tail memory: those that an offline plan does not place.

    TFLM looks them up in the plan by their index within the subgraph, for every subgraph from the plan's start.
    """
    for tensor in _tensors(graph):
        if tensor.is_variable and (plan is None or plan[tensor.index] == ONLINE):
            yield tensor


def planned_buffers(
    graph: Graph, prepared: Prepared, lifetimes: Lifetimes, plan: Sequence[int] | None
) -> tuple[PlannedBuffer, ...]:
    """What goes into the head, placed [micro_allocation_info.cc: InitializeAllocationInfo, then the planner]."""
    _check_intermediates(graph, prepared)
    places = plan if plan is not None else ()
    wanted: list[tuple[Tensor | None, Node | None, str, int, Buffer]] = []
    for position, tensor in enumerate(_tensors(graph)):
        place = places[position] if places else ONLINE
        nbytes = _nbytes(tensor, prepared)
        if needs_place(tensor, nbytes, place, prepared.bound):
            buffer = _buffer_to_plan(nbytes, lifetimes.of(tensor), place)
            wanted.append((tensor, None, tensor.name, nbytes, buffer))
    for node, what, nbytes in prepared.scratch:
        wanted.append((None, node, what, nbytes, _buffer_to_plan(nbytes, lifetimes.of(node), ONLINE)))
    offsets = place_greedily([buffer for *_, buffer in wanted])
    return tuple(PlannedBuffer(*each, offset) for each, offset in zip(wanted, offsets, strict=True))


def needs_place(tensor: Tensor, nbytes: int, place: int, bound: Mapping[Tensor, object]) -> bool:
    """Whether the planner has to find room for `tensor`: the file does not hold it, and nobody else keeps it."""
    if tensor.is_variable:
        return place != ONLINE
    return tensor.data is None and tensor not in bound and nbytes != 0


def _buffer_to_plan(nbytes: int, span: tuple[int, int], place: int) -> Buffer:
    return Buffer(round_up(nbytes, ALIGNMENT), *span, None if place == ONLINE else place)


def _check_intermediates(graph: Graph, prepared: Prepared) -> None:
    """[micro_allocation_info.cc: ValidateSubgraph]"""
    for node in _nodes(graph):
        for tensor in node.intermediates:
            nbytes = _nbytes(tensor, prepared)
            if nbytes:
                reason = f"Does not support intermediate tensor with non-zero size: {nbytes}"
                raise Refused("plan", reason, node, tensor)


def refused_by_invoke(graph: Graph) -> Refused | None:
    """The first operator that only Invoke refuses, if any."""
    for node in _nodes(graph):
        try:
            _kernel(node).invoke(node)
        except Refusal as refusal:
            return Refused("invoke", refusal.reason, node, refusal.tensor)
    return None


def _asked(
    step: Callable[[Node, Build], Iterator[Request]], node: Node, build: Build, when: str
) -> Iterator[Request]:
    """The requests of a kernel's step; its refusal gets to know the node."""
    try:
        yield from step(node, build)
    except Refusal as refusal:
        raise Refused(when, refusal.reason, node, refusal.tensor) from None


def _nbytes(tensor: Tensor, prepared: Prepared) -> int:
    """Bytes of a tensor after Prepare; raises Refused for a type without a size."""
    elements = 1
    for length in prepared.shapes.get(tensor, tensor.shape):
        elements *= length
    try:
        return elements * type_size(tensor)
    except Refusal as refusal:
        raise Refused("plan", refusal.reason, None, tensor) from None


def _tensor_structs(tensor: Tensor, build: Build) -> Iterator[tuple[str, int, int]]:
    """What, size and alignment of the structs that stand for a tensor with its quantization."""
    yield "TfLiteTensor", *build.size_align(structs.TENSOR)
    if is_affine(tensor):
        assert tensor.quantization is not None
        yield "TfLiteAffineQuantization", *build.size_align(structs.AFFINE_QUANTIZATION)
        yield "zero_point", int_array_bytes(len(tensor.quantization.scale)), 4


def _struct(struct: Struct, build: Build, source: str) -> Move:
    size, align = build.size_align(struct)
    return Move(Section.TAIL, struct.name, size, align, source)


def _array(
    struct: Struct, count: int, build: Build, source: str, category: str | None = None, subgraph: int | None = None
) -> Move:
    size, align = build.size_align(struct)
    return Move(Section.TAIL, f"{count} {struct.name}", count * size, align, source, category, count, subgraph)


def _buffer(what: str, nbytes: int, source: str, node: Node | None = None) -> Move:
    """AllocatePersistentBuffer."""
    move = Move(Section.TAIL, what, nbytes, ALIGNMENT, source, PERSISTENT_BUFFERS)
    return move if node is None else move._replace(subgraph=node.subgraph, op=node.index)


def _kernel(node: Node):
    kernel = kernel_of(node)
    assert kernel is not None
    return kernel


def _nodes(graph: Graph) -> Iterator[Node]:
    return (node for subgraph in graph.subgraphs for node in subgraph.nodes)


def _tensors(graph: Graph) -> Iterator[Tensor]:
    return (tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors)
