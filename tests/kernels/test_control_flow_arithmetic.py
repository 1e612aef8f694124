"""Subgraphs are called, and variables kept, as the official runtimes do it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from flatbuffers import flexbuffers

from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import options, read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, installed
from tests.kernels.bits import RUNTIMES, Array, agree, cases, values

BOOL, FLOAT32, INT8, INT32 = TensorType.BOOL, TensorType.FLOAT32, TensorType.INT8, TensorType.INT32
RESOURCE = TensorType.RESOURCE
VALUE_TYPES = (FLOAT32, INT8, INT32, TensorType.INT16, TensorType.INT64, BOOL)

Shape = tuple[int, ...]


def plain(type: TensorType, shape: Shape = (2, 3), zero_point: int = 0) -> TensorSpec:
    """A tensor without a value; int8 is quantized."""
    quantized = type in (INT8, TensorType.INT16)
    return TensorSpec(type, shape, [0.5] if quantized else (), [zero_point] if quantized else ())


def add(first: TensorSpec, second: TensorSpec) -> NodeSpec:
    return NodeSpec(BuiltinOperator.ADD, [first, second], [plain(first.type, first.shape)], options.AddOptions())


def constant(type: TensorType, *numbers: float) -> TensorSpec:
    array = np.array(numbers)
    return TensorSpec(type, array.shape, data=array)


def branch(op: BuiltinOperator, type: TensorType) -> SubgraphSpec:
    """A subgraph of one operator with two inputs."""
    x, y, z = plain(type), plain(type), plain(type)
    return SubgraphSpec([NodeSpec(op, [x, y], [z])], [x, y], [z])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", [FLOAT32, INT8, INT32], ids=lambda type: str(type.name))
def test_if_runs_one_branch_or_the_other(runtime: str, type: TensorType) -> None:
    condition, x, y, z = plain(BOOL, (1,)), plain(type), plain(type), plain(type)
    node = NodeSpec(
        BuiltinOperator.IF, [condition, x, y], [z], options.IfOptions(then_subgraph_index=1, else_subgraph_index=2)
    )
    first, second = branch(BuiltinOperator.MAXIMUM, type), branch(BuiltinOperator.MINIMUM, type)
    model = build(SubgraphSpec([node], [condition, x, y], [z]), first, second)
    random = np.random.default_rng(3)
    runs = [
        [np.array([choice]), values(random, type, x.shape), values(random, type, x.shape)]
        for choice in (True, False, False, True)
    ]
    assert agree(runtime, model, *runs) > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_if_may_hand_its_inputs_on(runtime: str) -> None:
    condition, x, y, z = plain(BOOL, (1,)), plain(FLOAT32), plain(FLOAT32), plain(FLOAT32)
    node = NodeSpec(
        BuiltinOperator.IF, [condition, x, y], [z], options.IfOptions(then_subgraph_index=1, else_subgraph_index=2)
    )
    inner = [plain(FLOAT32) for _ in range(4)]
    first, second = SubgraphSpec([], inner[:2], inner[:1]), SubgraphSpec([], inner[2:], inner[3:])
    model = build(SubgraphSpec([node], [condition, x, y], [z]), first, second)
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)]
    assert agree(runtime, model, [np.array([True]), *arrays], [np.array([False]), *arrays]) > 0


def counting(limit: int, step: int) -> bytes:
    """x += y; count += step, while count < limit."""
    count, x = plain(INT32, (1,)), plain(INT32)
    end, by = constant(INT32, limit), constant(INT32, step)
    outputs = [plain(INT32, (1,)), plain(INT32)]
    loop = NodeSpec(
        BuiltinOperator.WHILE, [count, x], outputs, options.WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    )
    c, total, holds = plain(INT32, (1,)), plain(INT32), plain(BOOL, (1,))
    condition = SubgraphSpec([NodeSpec(BuiltinOperator.LESS, [c, end], [holds])], [c, total], [holds])
    c, total = plain(INT32, (1,)), plain(INT32)
    steps = [add(c, by), add(total, total)]
    body = SubgraphSpec(steps, [c, total], [each.outputs[0] for each in steps])
    return build(SubgraphSpec([loop], [count, x], outputs), condition, body)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_while_runs_as_long_as_the_condition_holds(runtime: str) -> None:
    x = np.array([[1, 2, 3], [-4, 5, 2**28]], np.int32)
    runs = [[np.array([start], np.int32), x] for start in (0, 3, 7, 100)]
    assert agree(runtime, counting(8, 3), *runs) == 4 * 7


def remembering(type: TensorType, shape: Shape, zero_point: int = 0, init: Array | None = None) -> bytes:
    """Gives what it was given at the last run, and keeps what it is given now; `init` is assigned once."""
    handle = TensorSpec(RESOURCE, (1,))
    named = options.VarHandleOptions(container="", shared_name="memory")
    x, y = plain(type, shape, zero_point), plain(type, shape, zero_point)
    nodes = [
        NodeSpec(BuiltinOperator.VAR_HANDLE, [], [handle], named),
        NodeSpec(BuiltinOperator.READ_VARIABLE, [handle], [y]),
        NodeSpec(BuiltinOperator.ASSIGN_VARIABLE, [handle, x], []),
    ]
    if init is None:
        return build(SubgraphSpec(nodes, [x], [y]))
    inner, first = TensorSpec(RESOURCE, (1,)), TensorSpec(type, shape, x.scale, x.zero_point, data=init)
    setup = [
        NodeSpec(BuiltinOperator.VAR_HANDLE, [], [inner], named),
        NodeSpec(BuiltinOperator.ASSIGN_VARIABLE, [inner, first], []),
    ]
    once = NodeSpec(BuiltinOperator.CALL_ONCE, [], [], options.CallOnceOptions(init_subgraph_index=1))
    return build(SubgraphSpec([once, *nodes], [x], [y]), SubgraphSpec(setup, [], []))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", VALUE_TYPES, ids=lambda type: str(type.name))
def test_variables_keep_what_they_were_assigned(runtime: str, type: TensorType) -> None:
    random = np.random.default_rng(8)
    for _ in cases(3):
        shape = tuple(int(each) for each in random.integers(1, 6, random.integers(1, 4)))
        model = remembering(type, shape, init=values(random, type, shape))
        assert agree(runtime, model, *([values(random, type, shape)] for _ in range(4))) > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("type", VALUE_TYPES, ids=lambda type: str(type.name))
@pytest.mark.parametrize("zero_point", [0, 7])
def test_a_variable_without_a_value_is_refused_or_zero(runtime: str, type: TensorType, zero_point: int) -> None:
    runs = [[values(np.random.default_rng(each), type, (2, 3))] for each in range(2)]
    agree(runtime, remembering(type, (2, 3), zero_point), *runs)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_machines_share_no_variables(dialect: str) -> None:
    graph = read_model(remembering(FLOAT32, (2,), init=np.zeros(2, np.float32)))
    first, second = (Machine(graph, DIALECTS[dialect]) for _ in range(2))
    ones = np.ones(2, np.float32)
    first.call(0, [ones])
    assert not second.call(0, [ones])[0].any()
    assert first.call(0, [ones])[0].all()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_was_read_does_not_change_with_the_variable(dialect: str) -> None:
    machine = Machine(read_model(remembering(FLOAT32, (2,), init=np.zeros(2, np.float32))), DIALECTS[dialect])
    given = np.ones(2, np.float32)
    read = [machine.call(0, [given])[0] for _ in range(2)]
    given[:] = 5
    read.append(machine.call(0, [given])[0])
    assert [each.tolist() for each in read] == [[0, 0], [1, 1], [1, 1]]


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_a_composite_runs_what_it_is_made_of(runtime: str) -> None:
    x, y, z = plain(FLOAT32), plain(FLOAT32), plain(FLOAT32)
    named = options.StableHLOCompositeOptions(
        name="test.maximum", decomposition_subgraph_index=1, composite_attributes=memoryview(flexbuffers.Dumps({}))
    )
    node = NodeSpec(BuiltinOperator.STABLEHLO_COMPOSITE, [x, y], [z], named)
    model = build(SubgraphSpec([node], [x, y], [z]), branch(BuiltinOperator.MAXIMUM, FLOAT32))
    random = np.random.default_rng(4)
    assert agree(runtime, model, *([values(random, FLOAT32, (2, 3)) for _ in "xy"] for _ in range(3))) > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("inputs", [0, 1, 3])
def test_subgraphs_must_take_what_they_are_given(runtime: str, inputs: int) -> None:
    condition, z = plain(BOOL, (1,)), plain(FLOAT32)
    given: Sequence[TensorSpec] = [plain(FLOAT32) for _ in range(inputs)]
    node = NodeSpec(
        BuiltinOperator.IF, [condition, *given], [z], options.IfOptions(then_subgraph_index=1, else_subgraph_index=2)
    )
    branches = branch(BuiltinOperator.MAXIMUM, FLOAT32), branch(BuiltinOperator.MINIMUM, FLOAT32)
    model = build(SubgraphSpec([node], [condition, *given], [z]), *branches)
    runs = [np.array([True]), *(np.ones((2, 3), np.float32) for _ in given)]
    assert agree(runtime, model, runs) == 0


@pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")
def test_a_reset_empties_variables_but_calls_nothing_again() -> None:
    runtime = pytest.importorskip("tflite_micro").runtime
    model = remembering(INT8, (2,), zero_point=7, init=np.full(2, 9, np.int8))
    official, machine = runtime.Interpreter.from_bytes(model), Machine(read_model(model), DIALECTS["tflm"])
    for number in range(4):
        given = np.full(2, number, np.int8)
        official.set_input(given, 0)
        official.invoke()
        assert machine.call(0, [given])[0].tolist() == official.get_output(0).tolist()
        if number == 1:
            official.reset()
            machine.reset()
