"""Model → Graph: indices resolved, and what the file says checked against itself.

Every check raises GraphError with the path of the place, as the reader of the bytes does. What the official runtimes
accept in real models is accepted here: a scale of 0, a `quantized_dimension` beyond the shape, a tensor of no
elements that nothing writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import TypeVar

from refinfer.schema.compression import Compressed, LookUpTable, check_compressed, compressed_tensors
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import GraphError
from refinfer.schema.graph import Graph, Node, Quantization, Signature, Subgraph, Tensor
from refinfer.schema.options import (
    CallOnceOptions,
    CallOptions,
    IfOptions,
    StablehloCaseOptions,
    StableHLOCompositeOptions,
    StablehloCustomCallOptions,
    StablehloReduceOptions,
    StablehloReduceWindowOptions,
    StablehloScatterOptions,
    StablehloSortOptions,
    StablehloWhileOptions,
    WhileOptions,
)
from refinfer.schema.tables import (
    BlockwiseQuantization,
    Buffer,
    Model,
    MultiAxisQuantization,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SignatureDef,
    SparsityParameters,
    SubGraph,
    TensorMap,
)
from refinfer.schema.tables import Tensor as TensorTable

SCHEMA_VERSION = 3
OPEN = -1  # a dimension that is not written down
INT32_MAX = 2**31 - 1
MOST_DIMENSIONS = 64
"""More than any tensor has: a bound on what a hostile shape can make us compute."""
EMPTY = memoryview(b"")
THE_FILE, THE_CALLER = -2, -1  # where a tensor has its value from, if not from the operator of this index

T = TypeVar("T")


def resolve(model: Model, file: memoryview = EMPTY) -> Graph:
    """The graph of the model. `file` is needed where constants lie outside of the flatbuffer, as in large models."""
    if model.version != SCHEMA_VERSION:
        raise GraphError(f"Model.version: {model.version}; expected {SCHEMA_VERSION}")
    if not model.subgraphs:
        raise GraphError("Model.subgraphs: the model has none; expected at least one")
    constants = tuple(constant(each, file, f"Model.buffers[{i}]") for i, each in enumerate(model.buffers or ()))
    metadata = resolve_metadata(model, constants)
    compressed = compressed_tensors(model, constants)
    lookups = dict(enumerate(compressed or ()))
    subgraphs = tuple(
        resolve_subgraph(model, index, constants, file, lookups.get(index, {})) for index in range(len(model.subgraphs))
    )
    check_calls(subgraphs)
    return Graph(
        subgraphs=subgraphs,
        metadata=metadata,
        signatures=tuple(
            resolve_signature(each, subgraphs, f"Model.signature_defs[{i}]")
            for i, each in enumerate(model.signature_defs or ())
        ),
        description=model.description or "",
        compressed=None if compressed is None else pick_compressed(subgraphs, compressed),
        model=model,
    )


def pick(things: Sequence[T], index: int, place: str, position: int | None = None) -> T:
    """The thing that the index at `place` (if that is a vector: at this position of it) refers to."""
    if not 0 <= index < len(things):
        here = place if position is None else f"{place}[{position}]"
        raise GraphError(f"{here}: index {index} is out of range; there are {len(things)}")
    return things[index]


def constant(buffer: Buffer, file: memoryview, place: str) -> memoryview:
    """The contents of a buffer, wherever they lie."""
    return buffer.data if buffer.data else outside(file, buffer.offset, buffer.size, place)


def outside(file: memoryview, offset: int, size: int, place: str) -> memoryview:
    """The bytes that lie behind the flatbuffer; an offset of 0 or 1 says that there are none."""
    if offset <= 1:
        return EMPTY
    if offset + size > len(file):
        raise GraphError(f"{place}: {size} bytes at offset {offset} do not lie within the file of {len(file)} bytes")
    return file[offset : offset + size]


def resolve_metadata(model: Model, constants: Sequence[memoryview]) -> Mapping[str, memoryview]:
    """The contents of each named buffer."""
    for i, index in enumerate(model.metadata_buffer or ()):
        pick(constants, index, "Model.metadata_buffer", i)
    return MappingProxyType(
        {
            each.name or "": pick(constants, each.buffer, f"Model.metadata[{i}].buffer")
            for i, each in enumerate(model.metadata or ())
        }
    )


def resolve_subgraph(
    model: Model, index: int, constants: Sequence[memoryview], file: memoryview, lookups: Mapping[int, LookUpTable]
) -> Subgraph:
    """A subgraph with its tensors and nodes, in which every tensor is written once, and before it is read."""
    assert model.subgraphs is not None
    table, place = model.subgraphs[index], f"Model.subgraphs[{index}]"
    tensors = resolve_tensors(table, index, constants, lookups, place)
    subgraph = Subgraph(
        index=index,
        name=table.name or "",
        tensors=tensors,
        inputs=pick_all(tensors, table.inputs, f"{place}.inputs"),
        outputs=pick_all(tensors, table.outputs, f"{place}.outputs"),
        nodes=tuple(
            resolve_node(each, index, i, tensors, model.operator_codes or (), file, f"{place}.operators[{i}]")
            for i, each in enumerate(table.operators or ())
        ),
    )
    check_open_dimensions(subgraph, place)
    check_order(subgraph, place)
    return subgraph


def pick_compressed(subgraphs: Sequence[Subgraph], compressed: Compressed) -> tuple[tuple[Tensor, ...], ...]:
    """The compressed tensors of each subgraph that the metadata describes."""
    return tuple(tuple([subgraphs[i].tensors[tensor] for tensor in each]) for i, each in enumerate(compressed))


def pick_all(tensors: Sequence[Tensor], indices: Iterable[int] | None, place: str) -> tuple[Tensor, ...]:
    """The tensors that the vector of indices at `place` refers to."""
    return tuple([pick(tensors, index, place, i) for i, index in enumerate(indices or ())])


def pick_inputs(tensors: Sequence[Tensor], indices: Iterable[int], place: str) -> tuple[Tensor | None, ...]:
    """The same, where an index of -1 leaves an optional tensor out."""
    return tuple([None if index == -1 else pick(tensors, index, place, i) for i, index in enumerate(indices)])


# Tensors


def resolve_tensors(
    subgraph: SubGraph, index: int, constants: Sequence[memoryview], lookups: Mapping[int, LookUpTable], place: str
) -> tuple[Tensor, ...]:
    """All tensors of a subgraph."""
    found = subgraph.tensors or ()
    for i, each in enumerate(found):
        check_details(each, len(found), f"{place}.tensors[{i}].quantization.details")
    return tuple(
        resolve_tensor(each, index, i, constants, lookups.get(i), f"{place}.tensors[{i}]")
        for i, each in enumerate(found)
    )


def resolve_tensor(
    table: TensorTable,
    subgraph: int,
    index: int,
    constants: Sequence[memoryview],
    lookup: LookUpTable | None,
    place: str,
) -> Tensor:
    """A tensor whose shape is sound and whose constant data, if any, has the length that its shape asks for."""
    shape = table.shape or ()
    elements = count_elements(shape, f"{place}.shape")
    data = pick(constants, table.buffer, f"{place}.buffer")
    if table.sparsity is not None:
        check_sparsity(table.sparsity, len(shape), f"{place}.sparsity")
    elif lookup is not None:
        scales = table.quantization.scale if table.quantization is not None else None
        value_bytes = (BITS.get(table.type, 8) + 7) // 8
        check_compressed(data, lookup, elements, value_bytes, max(1, len(scales or ())), place)
    elif len(data) > 0:
        check_length(data, table.type, elements, place)
    return Tensor(
        subgraph=subgraph,
        index=index,
        name=table.name or "",
        type=table.type,
        shape=shape,
        shape_signature=table.shape_signature or (),
        data=data if len(data) > 0 else None,
        quantization=resolve_quantization(table.quantization, f"{place}.quantization"),
        is_variable=table.is_variable,
        has_shape=table.shape is not None,
        lookup=lookup,
        table=table,
    )


def check_open_dimensions(subgraph: Subgraph, place: str) -> None:
    """A dimension of -1 follows from the number of elements; RESHAPE alone works it out for its output."""
    reshaped = {y.index for node in subgraph.nodes if node.op == BuiltinOperator.RESHAPE for y in node.outputs}
    for tensor in subgraph.tensors:
        if OPEN in tensor.shape and (tensor.index not in reshaped or tensor.shape.count(OPEN) > 1):
            raise GraphError(f"{place}.tensors[{tensor.index}].shape: {tensor.shape} has a negative dimension")


def count_elements(shape: tuple[int, ...], place: str) -> int:
    """The product of the dims but for open ones: what both runtimes hold in an int32."""
    if len(shape) > MOST_DIMENSIONS:
        raise GraphError(f"{place}: {len(shape)} dimensions; expected at most {MOST_DIMENSIONS}")
    elements = 1
    for dim in shape:
        if dim < OPEN:
            raise GraphError(f"{place}: {shape} has a negative dimension")
        elements *= 1 if dim == OPEN else dim
    if elements > INT32_MAX:
        raise GraphError(f"{place}: {shape} has {elements} elements; the runtimes count up to {INT32_MAX}")
    return elements


def check_length(data: memoryview, type: TensorType, elements: int, place: str) -> None:
    """Constant data must be as long as its shape and type say; strings and handles have no fixed length."""
    bits = BITS.get(type)
    if bits is None:
        return
    expected = (elements * bits + 7) // 8
    if len(data) != expected:
        raise GraphError(
            f"{place}.buffer: {len(data)} bytes of constant data; {elements} elements of {type.name} take {expected}"
        )


def check_sparsity(sparsity: SparsityParameters, rank: int, place: str) -> None:
    """The traversal order is a permutation of the dims, then of the blocks, and each has its metadata."""
    order, blocks = sparsity.traversal_order or (), sparsity.block_map or ()
    for i, dim in enumerate(blocks):
        pick(range(rank), dim, f"{place}.block_map", i)
    if sorted(order) != list(range(rank + len(blocks))):
        raise GraphError(
            f"{place}.traversal_order: {order} is not a permutation of {rank} dimensions and {len(blocks)} blocks"
        )
    found = len(sparsity.dim_metadata or ())
    if found != len(order):
        raise GraphError(f"{place}.dim_metadata: {found} entries; expected {len(order)}")


def resolve_quantization(table: QuantizationParameters | None, place: str) -> Quantization | None:
    """Quantization whose scales are finite and not negative, with zero points that fit."""
    if table is None:
        return None
    scale, zero_point = table.scale or (), table.zero_point or ()
    if scale and not (min(scale) >= 0 and sum(scale) < inf):  # a NaN makes the sum one, which is not below inf
        i, value = next((i, value) for i, value in enumerate(scale) if not 0 <= value < inf)
        raise GraphError(f"{place}.scale[{i}]: {value} is not a scale; expected a finite number, 0 or above")
    if zero_point and not (min(zero_point) >= -INT32_MAX - 1 and max(zero_point) <= INT32_MAX):
        i, point = next((i, point) for i, point in enumerate(zero_point) if not -INT32_MAX - 1 <= point <= INT32_MAX)
        raise GraphError(f"{place}.zero_point[{i}]: {point} does not fit into an int32")
    if scale and len(zero_point) not in (0, 1, len(scale)):
        raise GraphError(f"{place}: {len(zero_point)} zero points for {len(scale)} scales; expected as many, or one")
    return Quantization(scale, zero_point, table.quantized_dimension, table.details)


def check_details(table: TensorTable, tensors: int, place: str) -> None:
    """The tensors that hold scales and zero points exist; a zero point of -1 stands for none."""
    details = table.quantization.details if table.quantization is not None else None
    if isinstance(details, BlockwiseQuantization | MultiAxisQuantization):
        pick(range(tensors), details.scales, f"{place}.scales")
        if details.zero_points != -1:
            pick(range(tensors), details.zero_points, f"{place}.zero_points")


# Nodes


def resolve_node(
    table: Operator,
    subgraph: int,
    index: int,
    tensors: Sequence[Tensor],
    codes: Sequence[OperatorCode],
    file: memoryview,
    place: str,
) -> Node:
    """A node with its tensors in hand."""
    code = pick(codes, table.opcode_index, f"{place}.opcode_index")
    op = BuiltinOperator(max(code.builtin_code, code.deprecated_builtin_code))
    if op == BuiltinOperator.CUSTOM and not code.custom_code:
        raise GraphError(f"Model.operator_codes[{table.opcode_index}].custom_code: a custom operator has no name")
    inputs = table.inputs or ()
    mutating = len(table.mutating_variable_inputs or ())
    if mutating not in (0, len(inputs)):
        raise GraphError(f"{place}.mutating_variable_inputs: {mutating} entries for {len(inputs)} inputs")
    return Node(
        subgraph=subgraph,
        index=index,
        op=op,
        custom_code=code.custom_code if op == BuiltinOperator.CUSTOM else None,
        version=code.version,
        inputs=pick_inputs(tensors, inputs, f"{place}.inputs"),
        outputs=pick_all(tensors, table.outputs, f"{place}.outputs"),
        intermediates=pick_all(tensors, table.intermediates, f"{place}.intermediates"),
        options=table.builtin_options or table.builtin_options_2,
        custom_options=custom_options(table, file, place),
        raw_builtin_code=code.builtin_code,
        table=table,
    )


def custom_options(table: Operator, file: memoryview, place: str) -> memoryview:
    """The options of a custom operator, wherever they lie."""
    if table.custom_options:
        return table.custom_options
    return outside(file, table.large_custom_options_offset, table.large_custom_options_size, place)


def check_order(subgraph: Subgraph, place: str) -> None:
    """Every tensor gets its value once, and nothing is read before it has one."""
    writers: list[int | None] = [THE_FILE if each.data is not None else None for each in subgraph.tensors]
    for tensor in subgraph.inputs:
        writers[tensor.index] = THE_CALLER
    for node in subgraph.nodes:
        here = f"{place}.operators[{node.index}]"
        for i, read in enumerate(node.inputs):
            if read is not None and writers[read.index] is None and needs_a_writer(read):
                raise GraphError(f"{here}.inputs[{i}]: {unwritten(read, subgraph)}")
        for i, tensor in enumerate(node.outputs):
            writer = writers[tensor.index]
            if writer is not None and not tensor.is_variable:
                raise GraphError(
                    f"{here}.outputs[{i}]: tensor {tensor.index} has a value already, from {name_of_writer(writer)}"
                )
            writers[tensor.index] = node.index
    for i, tensor in enumerate(subgraph.outputs):
        if writers[tensor.index] is None and needs_a_writer(tensor):
            raise GraphError(f"{place}.outputs[{i}]: {unwritten(tensor, subgraph)}")


def needs_a_writer(tensor: Tensor) -> bool:
    """A variable is there from the start, and no elements need no value."""
    return not tensor.is_variable and 0 not in tensor.shape


def name_of_writer(writer: int) -> str:
    """The file, the caller, or the operator of this index."""
    return {THE_FILE: "the file", THE_CALLER: "the caller"}.get(writer, f"operator {writer}")


def unwritten(tensor: Tensor, subgraph: Subgraph) -> str:
    """Why the tensor cannot be read."""
    for node in subgraph.nodes:
        if tensor in node.outputs:
            return f"tensor {tensor.index} is read before operator {node.index} writes it"
    return f"tensor {tensor.index} has no value: it is no input, no constant, no variable, and no operator writes it"


# Calls and names


def check_calls(subgraphs: Sequence[Subgraph]) -> None:
    """Every subgraph that an operator runs exists, and none runs itself, directly or by way of others."""
    callees = [tuple(called(subgraph, len(subgraphs))) for subgraph in subgraphs]
    waiting = [len(each) for each in callees]
    callers: list[list[int]] = [[] for _ in subgraphs]
    for caller, each in enumerate(callees):
        for callee in each:
            callers[callee].append(caller)
    done = [index for index, count in enumerate(waiting) if count == 0]
    for callee in done:  # grows while it is walked: a subgraph is done when all that it runs are done
        for caller in callers[callee]:
            waiting[caller] -= 1
            if waiting[caller] == 0:
                done.append(caller)
    if len(done) < len(subgraphs):
        endless = min(set(range(len(subgraphs))) - set(done))
        raise GraphError(f"Model.subgraphs[{endless}]: runs itself, or a subgraph that does; that would never end")


def called(subgraph: Subgraph, subgraphs: int) -> Iterable[int]:
    """The subgraphs that the operators of this one run."""
    for node in subgraph.nodes:
        for name in CALLS.get(type(node.options), ()):
            value = getattr(node.options, name)
            place = f"Model.subgraphs[{subgraph.index}].operators[{node.index}].{name}"
            for index in (value,) if isinstance(value, int) else value or ():
                yield pick(range(subgraphs), index, place)


def resolve_signature(table: SignatureDef, subgraphs: Sequence[Subgraph], place: str) -> Signature:
    """A signature with its tensors in hand."""
    subgraph = pick(subgraphs, table.subgraph_index, f"{place}.subgraph_index")
    return Signature(
        key=table.signature_key or "",
        subgraph=subgraph.index,
        inputs=named(table.inputs, subgraph.tensors, f"{place}.inputs"),
        outputs=named(table.outputs, subgraph.tensors, f"{place}.outputs"),
    )


def named(names: tuple[TensorMap, ...] | None, tensors: Sequence[Tensor], place: str) -> Mapping[str, Tensor]:
    """The tensors by the names that a signature gives them."""
    return MappingProxyType(
        {
            each.name or "": pick(tensors, each.tensor_index, f"{place}[{i}].tensor_index")
            for i, each in enumerate(names or ())
        }
    )


CALLS: dict[type, tuple[str, ...]] = {
    CallOptions: ("subgraph",),
    IfOptions: ("then_subgraph_index", "else_subgraph_index"),
    WhileOptions: ("cond_subgraph_index", "body_subgraph_index"),
    CallOnceOptions: ("init_subgraph_index",),
    StablehloWhileOptions: ("cond_subgraph_index", "body_subgraph_index"),
    StablehloReduceOptions: ("body_subgraph_index",),
    StablehloReduceWindowOptions: ("body_subgraph_index",),
    StablehloScatterOptions: ("update_computation_subgraph_index",),
    StablehloSortOptions: ("comparator_subgraph_index",),
    StableHLOCompositeOptions: ("decomposition_subgraph_index",),
    StablehloCustomCallOptions: ("called_computations",),
    StablehloCaseOptions: ("branch_subgraph_indices",),
}

BITS = {
    TensorType.FLOAT32: 32,
    TensorType.FLOAT16: 16,
    TensorType.INT32: 32,
    TensorType.UINT8: 8,
    TensorType.INT64: 64,
    TensorType.BOOL: 8,
    TensorType.INT16: 16,
    TensorType.COMPLEX64: 64,
    TensorType.INT8: 8,
    TensorType.FLOAT64: 64,
    TensorType.COMPLEX128: 128,
    TensorType.UINT64: 64,
    TensorType.UINT32: 32,
    TensorType.UINT16: 16,
    TensorType.INT4: 4,
    TensorType.BFLOAT16: 16,
    TensorType.INT2: 2,
    TensorType.UINT4: 4,
    TensorType.FLOAT8_E4M3FN: 8,
    TensorType.FLOAT8_E5M2: 8,
}
"""Bits that an element takes in a file; types that are not here have no fixed length."""
