"""IF, WHILE, CALL_ONCE and STABLEHLO_COMPOSITE; VAR_HANDLE, ASSIGN_VARIABLE and READ_VARIABLE.

Sources: if.cc, while.cc, call_once.cc, var_handle.cc, assign_variable.cc, read_variable.cc in
tensorflow/lite/micro/kernels; tensorflow/lite/micro/micro_resource_variable.cc. Of the arithmetic also the files of
these names and stablehlo_composite.cc in tensorflow/lite/kernels.

A resource variable is known by its container and name. VAR_HANDLE numbers it in Prepare; the first ASSIGN_VARIABLE
that sees the number in Prepare gets the memory for its value, and sets it to the zero point. LiteRT has no variable
before one is assigned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from refinfer.kernels.common import (
    USE_TFLM_COMPRESSION,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_arity,
    require_in_debug,
    require_type,
    tensor_bytes,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import (
    Bound,
    Calls,
    Decompressed,
    Kernel,
    Persistent,
    Refusal,
    Request,
    Variable,
    op_data,
    require,
    temps,
)
from refinfer.kernels.layout import BOOL, INT32, POINTER, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import ANY, numbers, require_one
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    CallOnceOptions,
    IfOptions,
    StableHLOCompositeOptions,
    VarHandleOptions,
    WhileOptions,
)

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

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


def fold_if(node: Node, host: Host) -> Evaluate:
    """One subgraph or the other, given all inputs but the first."""
    require_options(node, IfOptions)
    condition = input_at(node, 0)
    require_type(condition, TensorType.BOOL)
    require_one(condition)
    branches = if_subgraphs(node)
    for branch in branches:
        require_ports(host, branch, len(node.inputs) - 1, len(node.outputs))

    def evaluate(condition: Array, *inputs: Array) -> tuple[Array, ...]:
        return host.call(branches[0 if condition.all() else 1], inputs)

    return evaluate


def fold_while(node: Node, host: Host) -> Evaluate:
    """The second subgraph over and over, from its outputs to its inputs, as long as the first one says so."""
    require_options(node, WhileOptions)
    condition, body = while_subgraphs(node)
    count = len(node.inputs)
    require(condition != body, f"subgraph {body} is both condition and body")
    require(len(node.outputs) == count, f"{count} inputs but {len(node.outputs)} outputs")
    require_ports(host, condition, count, 1)
    require_ports(host, body, count, count)

    def evaluate(*inputs: Array) -> tuple[Array, ...]:
        while holds(*host.call(condition, inputs)):
            inputs = host.call(body, inputs)
        return inputs

    return evaluate


def holds(condition: Array) -> bool:
    """The one bool that a condition gives [while.cc: CheckCondOutput]."""
    fits = condition.dtype == np.bool_ and condition.shape in ((), (1,))
    require(fits, f"a condition of {condition.dtype} and shape {condition.shape}; it must be one bool")
    return bool(condition.all())


def fold_call_once(node: Node, host: Host) -> Evaluate:
    """The subgraph that sets up, if no one has run it before."""
    (subgraph,) = call_once_subgraphs(node)
    return calling_once(node, host, (-1, subgraph))


def fold_call_once_per_node(node: Node, host: Host) -> Evaluate:
    """The subgraph that sets up, if this node has not run it before."""
    return calling_once(node, host, (node.subgraph, node.index))


def calling_once(node: Node, host: Host, key: tuple[int, int]) -> Evaluate:
    """A call that leaves its key behind."""
    require_options(node, CallOnceOptions)
    require_arity(node, 0, 0)
    (subgraph,) = call_once_subgraphs(node)
    require(subgraph != node.subgraph, f"subgraph {subgraph} calls itself")
    require_ports(host, subgraph, 0, 0)

    def evaluate() -> tuple[Array, ...]:
        if key not in host.once:
            host.call(subgraph, ())
            host.once.add(key)
        return ()

    return evaluate


def fold_composite(node: Node, host: Host) -> Evaluate:
    """What the composite is made of, which is a subgraph."""
    require_options(node, StableHLOCompositeOptions)
    subgraph = options_of(node, StableHLOCompositeOptions).decomposition_subgraph_index
    require_ports(host, subgraph, len(node.inputs), len(node.outputs))
    return lambda *inputs: host.call(subgraph, inputs)


def require_ports(host: Host, subgraph: int, inputs: int, outputs: int) -> None:
    """The subgraph exists, and takes and gives that many tensors."""
    found = host.ports(subgraph)
    require(found is not None, f"there is no subgraph {subgraph}")
    require(found == (inputs, outputs), f"subgraph {subgraph} has (inputs, outputs) {found}, not {(inputs, outputs)}")


def unknown(node: Node, shapes: Sequence[Shape]) -> None:
    """The subgraph decides."""


def fold_var_handle(node: Node, host: Host) -> Evaluate:
    """The number of the variable."""
    options, y = options_of(node, VarHandleOptions), output_at(node, 0)
    require_one(y)
    numbers = host.resources.numbers
    number = numbers.setdefault((options.container or "", options.shared_name or ""), len(numbers))
    host.resources.bound[y.subgraph, y.index] = number
    return lambda: (np.full(y.shape, number, np.int32),)


def shape_of_var_handle(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """As the file has it: one value."""
    return [output_at(node, 0).shape]


def fold_assign_variable(node: Node, host: Host) -> Evaluate:
    """Keeps the value."""
    require_arity(node, 2, 0)
    require_handle(input_at(node, HANDLE))

    def evaluate(handle: Array, value: Array) -> tuple[Array, ...]:
        host.resources.values[number_of(handle)] = value.copy()
        return ()

    return evaluate


def fold_assign_variable_set_to_zero(node: Node, host: Host) -> Evaluate:
    """Keeps the value; until then it is zero, or rather, every byte of it is the zero point.

    [micro_resource_variable.cc: Allocate]
    """
    handle, value = input_at(node, HANDLE), input_at(node, VALUE)
    number = host.resources.bound.get((handle.subgraph, handle.index))
    if number is not None:
        zero = np.full(tensor_bytes(value), first_zero_point(value), np.int64).astype(np.int8)
        host.resources.initial.setdefault(number, zero.view(dtype_of(value.type)).reshape(value.shape))
    return fold_assign_variable(node, host)


def fold_read_variable(node: Node, host: Host) -> Evaluate:
    """A copy of the value, in the shape that the file has for it, unless that is a scalar's."""
    require_arity(node, 1, 1)
    require_handle(input_at(node, HANDLE))
    y = output_at(node, 0)
    return reading(host, lambda value: as_declared(value, y, value.shape if y.shape == () else y.shape))


def fold_read_variable_as_declared(node: Node, host: Host) -> Evaluate:
    """A copy of the value, in the shape and type that the file has for it."""
    require_arity(node, 1, 1)
    y = output_at(node, 0)
    return reading(host, lambda value: as_declared(value, y, y.shape))


def reading(host: Host, convert: Callable[[Array], Array]) -> Evaluate:
    """What has been assigned, or else the initial value."""

    def evaluate(handle: Array) -> tuple[Array, ...]:
        number = number_of(handle)
        value = host.resources.values.get(number, host.resources.initial.get(number))
        if value is None:
            raise Refusal(f"resource variable {number} has no value yet")
        return (convert(value).copy(),)

    return evaluate


def as_declared(value: Array, y: Tensor, shape: Shape) -> Array:
    """As many values as the shape has room for, of the type that has been assigned."""
    require(value.dtype == dtype_of(y.type), f"the variable is of {value.dtype}", y)
    count = prod(shape)
    require(value.size >= count, f"the variable has {value.size} values; {count} are read", y)
    return value.reshape(-1)[:count].reshape(shape)


def require_handle(handle: Tensor) -> None:
    """The number of a resource."""
    require_type(handle, TensorType.RESOURCE, TensorType.INT32)
    require_one(handle)


def number_of(handle: Array) -> int:
    """The number of a resource."""
    (number,) = numbers(handle)
    return number


def no_shapes(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """There is no output."""
    return []


def shape_of_read_variable(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """As the file has it; a scalar's may be anything."""
    shape = output_at(node, 0).shape
    return None if shape == () else [shape]


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

HANDLES = frozenset({TensorType.RESOURCE, TensorType.INT32})

COMPUTE_IF = Compute(fold=fold_if, shape=unknown, types=frozenset({TensorType.BOOL}), version=1)
COMPUTE_WHILE = Compute(fold=fold_while, shape=unknown, types=ANY, version=1)
COMPUTE_CALL_ONCE = Compute(fold=fold_call_once, shape=no_shapes, types=ANY, version=1)
COMPUTE_CALL_ONCE_PER_NODE = replace(COMPUTE_CALL_ONCE, fold=fold_call_once_per_node)
COMPUTE_STABLEHLO_COMPOSITE = Compute(fold=fold_composite, shape=unknown, types=ANY, version=1)
COMPUTE_VAR_HANDLE = Compute(fold=fold_var_handle, shape=shape_of_var_handle, types=ANY, version=1)
COMPUTE_ASSIGN_VARIABLE = Compute(fold=fold_assign_variable, shape=no_shapes, types=HANDLES, version=1)
COMPUTE_ASSIGN_VARIABLE_SET_TO_ZERO = replace(COMPUTE_ASSIGN_VARIABLE, fold=fold_assign_variable_set_to_zero)
COMPUTE_READ_VARIABLE = Compute(fold=fold_read_variable, shape=shape_of_read_variable, types=HANDLES, version=1)
COMPUTE_READ_VARIABLE_AS_DECLARED = replace(COMPUTE_READ_VARIABLE, fold=fold_read_variable_as_declared)
