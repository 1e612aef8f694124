"""Everything that TFLM allocates for a model, in its order: from constructing the interpreter to AllocateTensors' end.

Each function is a stretch of the C++ and gives the moves that it makes on the arena. Sources, under
tensorflow/lite/micro: micro_interpreter.cc, micro_interpreter_graph.cc, micro_allocator.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from refinfer.kernels.common import EVAL_TENSOR, int_array_bytes, is_affine, is_compressed, options_of, tensor_bytes
from refinfer.kernels.kernel import (
    Bound,
    Calls,
    Decompressed,
    Kernel,
    Persistent,
    Refusal,
    Request,
    Reshaped,
    Scratch,
    Temp,
    TempBuffer,
    Variable,
)
from refinfer.kernels.layout import POINTER, SIZE_T, Build, Struct
from refinfer.kernels.registry import kernel_of
from refinfer.planners.problem import ALIGNMENT, height
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Graph, Node, Subgraph, Tensor
from refinfer.schema.options import VarHandleOptions
from refinfer.simulator import structs
from refinfer.simulator.arena import Move, Section
from refinfer.simulator.compression import compression_data, misread
from refinfer.simulator.head import (
    LINEAR,
    PlannedBuffer,
    ScratchRequest,
    Tensors,
    offline_plan,
    place_of,
    planned_buffers,
    variable_tensors,
)
from refinfer.simulator.lifetimes import Lifetimes
from refinfer.simulator.refused import Refused
from refinfer.simulator.targets import Target

EVAL_TENSORS = "TfLiteEvalTensor data"
PERSISTENT_TENSORS = "Persistent TfLiteTensor data"
PERSISTENT_QUANTIZATION = "Persistent TfLiteTensor quantization data"
PERSISTENT_BUFFERS = "Persistent buffer data"
VARIABLES = "TfLiteTensor variable buffer data"
NODES = "NodeAndRegistration struct"
"""The lines of TFLM's own report [recording_micro_allocator.cc]; what belongs to none of them it leaves unsaid."""

MOST_SCRATCH_BUFFERS = 12  # of one operator [micro_allocator.cc: kMaxScratchBuffersPerOp]


@dataclass(slots=True)
class Prepared:
    """What Prepare leaves behind, operator by operator.

    `variables` are the resources that have memory so far, `decompressed` the inputs (by node and index of the tensor)
    whose compression their kernels know how to undo.
    """

    moves: list[Move]
    scratch: list[ScratchRequest]
    tensors: Tensors
    variables: set[tuple[str, str]]
    decompressed: set[tuple[Node, int]]


@dataclass(frozen=True, slots=True)
class Allocated:
    """A model in its arena. `misread` is set if an operator would take compressed values for plain ones."""

    moves: tuple[Move, ...]
    buffers: tuple[PlannedBuffer, ...]
    lifetimes: Lifetimes
    misread: Refused | None


def allocate(graph: Graph, target: Target) -> Allocated:
    """Make an allocator on `target` and take `graph` through TFLM's AllocateTensors with it.

    Raises Refused where TFLM stops, GraphError where it would read outside the file.
    """
    allocated = allocate_model(graph, target)
    return replace(allocated, moves=(*construction(target), *allocated.moves))


def allocate_model(graph: Graph, target: Target) -> Allocated:
    """The same with an allocator that is there already, perhaps with other models in it."""
    build = target.build
    kernels_found(graph, build)
    started = list(
        chain(room_for_variables(graph, target), start_of_model(graph, build), init(graph, build)),
    )
    prepared = prepare(graph, build)
    lifetimes = Lifetimes(graph)
    plan = offline_plan(graph)
    buffers = planned_buffers(graph, prepared.tensors, prepared.scratch, lifetimes, plan, target.planner)
    finished = chain(finish(graph, target, prepared, plan, buffers), inputs_and_outputs(graph.subgraphs[0], build))
    unaware = misread(graph, build, prepared.decompressed)
    return Allocated((*started, *prepared.moves, *finished), buffers, lifetimes, unaware)


def kernels_found(graph: Graph, build: Build) -> None:
    """Every operator has a kernel, before anything else is asked of it."""
    for node in graph.nodes:
        if kernel_of(node, build.library) is None:
            raise Refused("load", no_kernel_message(node), node)
        if node.custom_code is None and node.table.custom_options is not None:
            reason = f"Unsupported behavior: found builtin operator {node.name} with custom options."
            raise Refused("load", reason, node)


def no_kernel_message(node: Node) -> str:
    """TFLM names a missing builtin; of a missing custom operator it says nothing, so the words are ours."""
    if node.custom_code is None:
        return f"Didn't find op for builtin opcode '{node.name}'"
    return f"TFLM has no custom operator {node.custom_code!r}"


def construction(target: Target) -> Iterator[Move]:
    """The objects that the program makes before all models: the allocator, in one arena or two, and its planner."""
    for struct, source in ALLOCATORS[target.arenas, target.recording]:
        if struct is structs.GREEDY_MEMORY_PLANNER and target.planner == LINEAR:
            struct = structs.LINEAR_MEMORY_PLANNER
        yield _struct(struct, target.build, source)


ONE_ARENA, PLANNER, CREATE = (
    "single_arena_buffer_allocator.cc: Create",
    "micro_allocator.cc: CreateMemoryPlanner",
    "micro_allocator.cc: Create",
)
ALLOCATORS: dict[tuple[int, bool], tuple[tuple[Struct, str], ...]] = {
    (1, False): (
        (structs.SINGLE_ARENA_BUFFER_ALLOCATOR, ONE_ARENA),
        (structs.GREEDY_MEMORY_PLANNER, PLANNER),
        (structs.MICRO_ALLOCATOR, CREATE),
    ),
    (1, True): (
        (structs.RECORDING_SINGLE_ARENA_BUFFER_ALLOCATOR, ONE_ARENA),
        (structs.GREEDY_MEMORY_PLANNER, PLANNER),
        (structs.RECORDING_MICRO_ALLOCATOR, CREATE),
    ),
    (2, False): (
        (structs.PERSISTENT_ARENA_BUFFER_ALLOCATOR, "micro_allocator.cc: CreatePersistentArenaAllocator"),
        (structs.NON_PERSISTENT_ARENA_BUFFER_ALLOCATOR, "micro_allocator.cc: CreateNonPersistentArenaAllocator"),
        (structs.GREEDY_MEMORY_PLANNER, CREATE),
        (structs.MICRO_ALLOCATOR, CREATE),
    ),
}
"""What is made, by the number of arenas and whether it records; TFLM has no recorder of two arenas."""


def room_for_variables(graph: Graph, target: Target) -> Iterator[Move]:
    """The resource variables, which the program makes just before the interpreter."""
    build, variables = target.build, resource_variables(graph, target)
    if variables:
        source = "micro_resource_variable.cc: Create"
        yield _buffer("MicroResourceVariables", build.sizeof(structs.MICRO_RESOURCE_VARIABLES), source)
        each = build.sizeof(structs.MICRO_RESOURCE_VARIABLE)
        yield _buffer(f"{variables} MicroResourceVariable", variables * each, source)


def resource_variables(graph: Graph, target: Target) -> int:
    """How many resource variables the program makes room for here; raises Refused if the model has more."""
    handles = (node for node in graph.nodes if node.op == BuiltinOperator.VAR_HANDLE)
    needed = len({options_of(node, VarHandleOptions).shared_name for node in handles})
    if target.resource_variables is None:
        return 0 if target.variables_elsewhere else needed
    if needed > target.resource_variables:
        raise Refused("prepare", f"{needed} resource variables, but the program has {target.resource_variables}")
    return 0 if target.variables_elsewhere else target.resource_variables


def start_of_model(graph: Graph, build: Build) -> Iterator[Move]:
    """[micro_allocator.cc: StartModelAllocation], then the operators' builtin parameters."""
    source = "micro_allocator.cc: StartModelAllocation"
    yield _struct(structs.MICRO_BUILTIN_DATA_ALLOCATOR, build, source)
    yield scratch_requests_in_head(0, build)
    yield _array(structs.SUBGRAPH_ALLOCATIONS, len(graph.subgraphs), build, source)
    yield from compression_data(graph, build)
    for subgraph in graph.subgraphs:
        source = "micro_allocator.cc: AllocateTfLiteEvalTensors"
        yield _array(EVAL_TENSOR, len(subgraph.tensors), build, source, EVAL_TENSORS, subgraph.index)
    for subgraph in graph.subgraphs:
        source = "micro_allocator.cc: AllocateNodeAndRegistrations"
        yield _array(structs.NODE_AND_REGISTRATION, len(subgraph.nodes), build, source, NODES, subgraph.index)
    for node in graph.nodes:
        parameters = _kernel(node, build).parameters
        if parameters is not None:
            move = _struct(parameters, build, "flatbuffer_conversions.cc")
            yield move._replace(subgraph=node.subgraph, op=node.index)


def init(graph: Graph, build: Build) -> Iterator[Move]:
    """Every kernel's Init [micro_interpreter_graph.cc: InitSubgraphs]."""
    for node in graph.nodes:
        for request in _asked(_kernel(node, build).init, node, build, "load"):
            assert isinstance(request, Persistent)
            yield _buffer(request.what, request.nbytes, request.source, node)


def prepare(graph: Graph, build: Build) -> Prepared:
    """Every kernel's Prepare [micro_interpreter_graph.cc: PrepareSubgraphs]."""
    prepared = Prepared([], [], Tensors({}, {}), set(), set())
    for node in graph.nodes:
        before = len(prepared.scratch)
        for request in _asked(_kernel(node, build).prepare, prepared.tensors.seen_by(node), build, "prepare"):
            _grant(request, node, graph, build, prepared)
        if len(prepared.scratch) - before > MOST_SCRATCH_BUFFERS:
            reason = f"Scratch buffer request exceeds limit per operator ({MOST_SCRATCH_BUFFERS})"
            raise Refused("prepare", reason, node)
        _check_outputs(node, prepared)
        prepared.moves.append(Move(Section.RESET, "temporary tensors of the operator"))
        prepared.moves.append(scratch_requests_in_head(len(prepared.scratch), build))
    return prepared


def _grant(request: Request, node: Node, graph: Graph, build: Build, prepared: Prepared) -> None:
    """Give a kernel what it asks for in Prepare."""
    match request:
        case Temp(tensor=tensor):
            if tensor is not None:
                prepared.moves.extend(temporary_tensor(tensor, node, build))
        case TempBuffer(what=what, nbytes=nbytes, align=align):
            prepared.moves.append(Move(Section.TEMP, what, nbytes, align, subgraph=node.subgraph, op=node.index))
        case Persistent(what=what, nbytes=nbytes, source=source):
            prepared.moves.append(_buffer(what, nbytes, source, node))
        case Scratch(what=what, nbytes=nbytes):
            prepared.scratch.append(ScratchRequest(node, what, nbytes))
        case Decompressed(what=what, tensor=tensor):
            if tensor is not None and is_compressed(tensor, build):
                prepared.scratch.append(ScratchRequest(node, what, tensor_bytes(tensor)))
                prepared.decompressed.add((node, tensor.index))
        case Reshaped(tensor=tensor, shape=shape):
            prepared.tensors.shapes[place_of(tensor)] = shape
        case Bound(tensor=tensor, variable=variable):
            prepared.tensors.bound[place_of(tensor)] = variable
        case Variable(handle=handle, nbytes=nbytes, source=source):
            name = prepared.tensors.bound.get(place_of(handle))
            # A handle that comes from another subgraph is not known yet in Prepare: no memory, then.
            if name is not None and name not in prepared.variables:
                prepared.variables.add(name)
                prepared.moves.append(_buffer(f"resource {name[1]!r}", nbytes, source, node))
        case Calls(subgraph=index, inputs=inputs, outputs=outputs):
            _check_call(node, graph.subgraphs[index], inputs, outputs)


def _check_call(node: Node, subgraph: Subgraph, inputs: int | None, outputs: int | None) -> None:
    """A subgraph takes and gives as many tensors as the operator has for it; None where TFLM does not look."""
    for expected, found, what in ((inputs, subgraph.inputs, "inputs"), (outputs, subgraph.outputs, "outputs")):
        if expected is not None and expected != len(found):
            reason = f"subgraph {subgraph.index} has {len(found)} {what}; the operator has {expected} for it"
            raise Refused("prepare", reason, node)


def temporary_tensor(tensor: Tensor, node: Node, build: Build) -> Iterator[Move]:
    """A TfLiteTensor on the temp stack [micro_allocator.cc: AllocateTempTfLiteTensor]."""
    for what, nbytes, align in _tensor_structs(tensor, build):
        yield Move(Section.TEMP, what, nbytes, align, "", None, 1, node.subgraph, node.index, tensor.index)


def _check_outputs(node: Node, prepared: Prepared) -> None:
    """[micro_interpreter_graph.cc: CheckDynamicTensors]; shape (0,) is an old way to write a scalar."""
    for tensor in node.outputs:
        shape = prepared.tensors.shape(tensor)
        if shape != (0,) and any(length <= 0 for length in shape):
            raise Refused("prepare", f"Dynamic tensors are not supported (shape {list(shape)})", node, tensor)


def scratch_requests_in_head(requests: int, build: Build) -> Move:
    """The head while kernels are prepared: the requests so far, and room for one more operator's."""
    each, align = build.size_align(structs.SCRATCH_BUFFER_REQUEST)
    what = f"{requests} scratch buffer requests, room for {MOST_SCRATCH_BUFFERS} more"
    return Move(Section.HEAD, what, (requests + MOST_SCRATCH_BUFFERS) * each, align)


def finish(
    graph: Graph, target: Target, prepared: Prepared, plan: Sequence[int] | None, buffers: Sequence[PlannedBuffer]
) -> Iterator[Move]:
    """[micro_allocator.cc: FinishModelAllocation and CommitStaticMemoryPlan]"""
    build = target.build
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
        move = Move(Section.TAIL, tensor.name, prepared.tensors.nbytes(tensor), ALIGNMENT, source, VARIABLES)
        yield move._replace(subgraph=tensor.subgraph, tensor=tensor.index)
    each = 0 if target.planner == LINEAR else build.sizeof(structs.PLANNER_WORK)
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


def refused_by_invoke(graph: Graph, build: Build) -> Refused | None:
    """The first operator that only Invoke refuses, if any."""
    for node in graph.nodes:
        try:
            _kernel(node, build).invoke(node)
        except Refusal as refusal:
            return Refused("invoke", refusal.reason, node, refusal.tensor)
    return None


def _asked(step: Callable[[Node, Build], Iterator[Request]], node: Node, build: Build, when: str) -> Iterator[Request]:
    """The requests of a kernel's step; its refusal gets to know the node."""
    try:
        yield from step(node, build)
    except Refusal as refusal:
        raise Refused(when, refusal.reason, node, refusal.tensor) from None


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
    subgraph, op = (None, None) if node is None else (node.subgraph, node.index)
    return Move(Section.TAIL, what, nbytes, ALIGNMENT, source, PERSISTENT_BUFFERS, subgraph=subgraph, op=op)


def _kernel(node: Node, build: Build) -> Kernel:
    kernel = kernel_of(node, build.library)
    assert kernel is not None  # kernels_found has looked
    return kernel
