"""IF, WHILE and CALL_ONCE; VAR_HANDLE, ASSIGN_VARIABLE and READ_VARIABLE.

Sources: if.cc, while.cc, call_once.cc, var_handle.cc, assign_variable.cc, read_variable.cc in
tensorflow/lite/micro/kernels; tensorflow/lite/micro/micro_resource_variable.cc.

A resource variable is known by its container and name. VAR_HANDLE numbers it in Prepare; the first ASSIGN_VARIABLE
that sees the number in Prepare gets the memory for its value.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    USE_TFLM_COMPRESSION,
    input_at,
    options_of,
    output_at,
    require_arity,
    require_in_debug,
    require_type,
    tensor_bytes,
)
from refinfer.kernels.kernel import (
    Bound,
    Calls,
    Decompressed,
    Kernel,
    Persistent,
    Request,
    Variable,
    op_data,
    require,
    temps,
)
from refinfer.kernels.layout import BOOL, INT32, POINTER, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import CallOnceOptions, IfOptions, VarHandleOptions, WhileOptions

HANDLE, VALUE = 0, 1

IF_PARAMS = struct("TfLiteIfParams", then_subgraph_index=INT32, else_subgraph_index=INT32)
WHILE_PARAMS = struct("TfLiteWhileParams", cond_subgraph_index=INT32, body_subgraph_index=INT32)
CALL_ONCE_PARAMS = struct("TfLiteCallOnceParams", init_subgraph_index=INT32)
VAR_HANDLE_PARAMS = struct("TfLiteVarHandleParams", container=POINTER, shared_name=POINTER)
OP_DATA_IF = struct("if:OpData", then_subgraph_index=INT32, else_subgraph_index=INT32)
OP_DATA_WHILE = struct("while:OpData", cond_subgraph_index=INT32, body_subgraph_index=INT32)
OP_DATA_CALL_ONCE = struct("call_once:OpData", init_subgraph_index=INT32, has_run=BOOL)
OP_DATA_VAR_HANDLE = struct("var_handle:OpData", resource_id=INT32)
OP_DATA_ASSIGN_VARIABLE = struct("assign_variable:OpData", scratch_index=INT32)


def require_options(node: Node, table: type) -> None:
    """Without options the operator would run subgraph 0, and so itself: TFLM does not come back from that."""
    require(isinstance(node.options, table), "no options that say which subgraphs it runs")


def prepare_if(node: Node, build: Build) -> Iterator[Request]:
    """[if.cc: IfPrepare] trusts that the else branch looks like the then branch."""
    require_options(node, IfOptions)
    condition = input_at(node, 0)
    yield from temps(condition)
    require_type(condition, TensorType.BOOL)
    require(condition.elements == 1, f"{condition.elements} elements; it takes 1", condition)
    then_index, else_index = if_subgraphs(node)
    yield Calls(then_index, inputs=len(node.inputs) - 1, outputs=len(node.outputs))
    yield Calls(else_index)


def if_subgraphs(node: Node) -> tuple[int, int]:
    """The branches: for true, for false."""
    options = options_of(node, IfOptions)
    return options.then_subgraph_index, options.else_subgraph_index


def prepare_while(node: Node, build: Build) -> Iterator[Request]:
    """[while.cc: WhilePrepare]"""
    require_options(node, WhileOptions)
    condition, body = while_subgraphs(node)
    inputs, outputs = len(node.inputs), len(node.outputs)
    yield Calls(condition, inputs=inputs)
    yield Calls(body, inputs=inputs, outputs=outputs)
    require(inputs == outputs, f"{inputs} inputs but {outputs} outputs")


def while_subgraphs(node: Node) -> tuple[int, int]:
    """The condition and the body."""
    options = options_of(node, WhileOptions)
    return options.cond_subgraph_index, options.body_subgraph_index


def prepare_call_once(node: Node, build: Build) -> Iterator[Request]:
    """[call_once.cc: CallOncePrepare]"""
    require_options(node, CallOnceOptions)
    require_arity(node, 0, 0)
    yield Calls(*call_once_subgraphs(node))


def call_once_subgraphs(node: Node) -> tuple[int]:
    """The subgraph that sets the variables up."""
    return (options_of(node, CallOnceOptions).init_subgraph_index,)


def prepare_var_handle(node: Node, build: Build) -> Iterator[Request]:
    """[var_handle.cc: VarHandlePrepare] points its output at the number in its own struct."""
    options = options_of(node, VarHandleOptions)
    yield Bound(output_at(node, 0), (options.container or "", options.shared_name or ""))


def init_assign_variable(node: Node, build: Build) -> Iterator[Request]:
    """[assign_variable.cc: Init] exists in compression builds only."""
    if USE_TFLM_COMPRESSION in build.defines:
        nbytes = build.sizeof(OP_DATA_ASSIGN_VARIABLE)
        yield Persistent(OP_DATA_ASSIGN_VARIABLE.name, nbytes, "assign_variable.cc: Init")


def prepare_assign_variable(node: Node, build: Build) -> Iterator[Request]:
    """[assign_variable.cc: Prepare] reads the handle without a temporary tensor."""
    require_arity(node, 2, 0)
    handle, value = input_at(node, HANDLE), input_at(node, VALUE)
    require_type(handle, TensorType.RESOURCE, TensorType.INT32)
    require(handle.elements == 1, f"{handle.elements} elements; it takes 1", handle)
    yield from temps(value)
    yield Variable(handle, tensor_bytes(value), "micro_resource_variable.cc: Allocate")
    yield Decompressed("scratch_index", value, "assign_variable.cc: Prepare")


def prepare_read_variable(node: Node, build: Build) -> Iterator[Request]:
    """[read_variable.cc: Prepare] asserts rather than reports."""
    counts = (len(node.inputs), len(node.outputs))
    require_in_debug(build, counts == (1, 1), f"{counts[0]} inputs and {counts[1]} outputs; it takes and gives 1")
    handle = input_at(node, HANDLE)
    yield from temps(handle)
    require_in_debug(build, handle.type == TensorType.RESOURCE, f"type {handle.type.name}; it takes RESOURCE", handle)
    require_in_debug(build, handle.elements == 1, f"{handle.elements} elements; it takes 1", handle)


IF = Kernel(
    init=op_data(OP_DATA_IF, "if.cc: IfInit"),
    prepare=prepare_if,
    parameters=IF_PARAMS,
    subgraphs=if_subgraphs,
)
WHILE = Kernel(
    init=op_data(OP_DATA_WHILE, "while.cc: WhileInit"),
    prepare=prepare_while,
    parameters=WHILE_PARAMS,
    subgraphs=while_subgraphs,
)
CALL_ONCE = Kernel(
    init=op_data(OP_DATA_CALL_ONCE, "call_once.cc: CallOnceInit"),
    prepare=prepare_call_once,
    parameters=CALL_ONCE_PARAMS,
    subgraphs=call_once_subgraphs,
)
VAR_HANDLE = Kernel(
    init=op_data(OP_DATA_VAR_HANDLE, "var_handle.cc: VarHandleInit"),
    prepare=prepare_var_handle,
    parameters=VAR_HANDLE_PARAMS,
)
ASSIGN_VARIABLE = Kernel(init=init_assign_variable, prepare=prepare_assign_variable)
READ_VARIABLE = Kernel(prepare=prepare_read_variable)
