"""What control flow and resource variables ask for and refuse, and which subgraphs they run."""

from __future__ import annotations

from refinfer.kernels.kernel import Bound, Calls, Temp, Variable
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import CallOnceOptions, IfOptions, VarHandleOptions, WhileOptions
from tests.kernels.nodes import (
    CORTEX_M4,
    FLOAT32,
    INT32,
    RELEASE,
    X86_64,
    initialized,
    kernel,
    looked_at,
    node,
    prepared,
    refused,
    tensor,
)

CONDITION, X = tensor(TensorType.BOOL, 1), tensor(FLOAT32, 3)
HANDLE = tensor(TensorType.RESOURCE, 1)


def test_if_makes_sure_of_its_then_branch_and_trusts_the_other() -> None:
    of = node(BuiltinOperator.IF, [CONDITION, X, X], X, IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    assert kernel(of).subgraphs(of) == (1, 2)
    assert prepared(of) == [Temp(CONDITION), Calls(1, inputs=2, outputs=1), Calls(2)]


def test_if_decides_by_one_bool() -> None:
    options = IfOptions(then_subgraph_index=1, else_subgraph_index=2)
    assert refused(node(BuiltinOperator.IF, [tensor(TensorType.BOOL, 2), X], X, options)) == "2 elements; it takes 1"
    assert refused(node(BuiltinOperator.IF, [tensor(INT32, 1), X], X, options)) == (
        "type INT32 is not supported; it may be BOOL"
    )


def test_while_looks_at_no_tensor_and_carries_as_many_as_it_takes() -> None:
    options = WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    of = node(BuiltinOperator.WHILE, [X, X], [X, X], options)
    assert kernel(of).subgraphs(of) == (1, 2)
    assert prepared(of) == [Calls(1, inputs=2), Calls(2, inputs=2, outputs=2)]
    assert refused(node(BuiltinOperator.WHILE, [X, X], X, options)) == "2 inputs but 1 outputs"


def test_call_once_takes_and_gives_nothing() -> None:
    options = CallOnceOptions(init_subgraph_index=3)
    of = node(BuiltinOperator.CALL_ONCE, [], [], options)
    assert kernel(of).subgraphs(of) == (3,)
    assert prepared(of) == [Calls(3)]
    assert refused(node(BuiltinOperator.CALL_ONCE, [X], [], options)) == "1 inputs; it takes 0"


def test_control_flow_without_options_would_run_itself_forever() -> None:
    for op in (BuiltinOperator.IF, BuiltinOperator.WHILE, BuiltinOperator.CALL_ONCE):
        assert refused(node(op, [], [])) == "no options that say which subgraphs it runs"


def test_a_handle_is_bound_to_the_name_of_its_variable() -> None:
    of = node(BuiltinOperator.VAR_HANDLE, [], HANDLE, VarHandleOptions(container="c", shared_name="v"))
    assert prepared(of) == [Bound(HANDLE, ("c", "v"))]
    assert initialized(of) == [4]


def test_an_assigned_value_is_stored_and_its_handle_is_not_looked_at() -> None:
    of = node(BuiltinOperator.ASSIGN_VARIABLE, [HANDLE, X], [])
    assert looked_at(of) == [X]
    assert Variable(HANDLE, 12, "micro_resource_variable.cc: Allocate") in prepared(of)


def test_assigning_has_a_struct_in_compression_builds_alone() -> None:
    of = node(BuiltinOperator.ASSIGN_VARIABLE, [HANDLE, X], [])
    compression = type(X86_64)(X86_64.abi, frozenset({"USE_TFLM_COMPRESSION"}))
    assert initialized(of, CORTEX_M4) == initialized(of, X86_64) == []
    assert initialized(of, compression) == [4]


def test_a_handle_of_int32_can_be_assigned_and_in_release_builds_read() -> None:
    handle = tensor(INT32, 1)
    assert refused(node(BuiltinOperator.ASSIGN_VARIABLE, [handle, X], [])) is None
    reading = node(BuiltinOperator.READ_VARIABLE, [handle], X)
    assert refused(reading) == "type INT32; it takes RESOURCE (debug builds abort)"
    assert refused(reading, RELEASE) is None
