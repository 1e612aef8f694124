"""What follows from constants alone is computed when the plan is made, and nobody can tell but by the time it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="compiled kernels need numba")

from refinfer.interpreter import Interpreter
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.options import FullyConnectedOptions, GatherOptions, PackOptions, ShapeOptions, StridedSliceOptions
from refinfer.testing import TensorSpec
from refinfer.testing.models import NodeSpec, SubgraphSpec, build

FLOAT16, FLOAT32, INT32 = TensorType.FLOAT16, TensorType.FLOAT32, TensorType.INT32
DEQUANTIZE, FULLY_CONNECTED = BuiltinOperator.DEQUANTIZE, BuiltinOperator.FULLY_CONNECTED


def numbers(*shape: int) -> Any:
    return np.random.default_rng(1).standard_normal(shape)


def whole(*values: int) -> TensorSpec:
    return TensorSpec(INT32, (len(values),), data=np.array(values, np.int32))


def widened_weights() -> tuple[list[NodeSpec], TensorSpec, TensorSpec, TensorSpec]:
    """A fully connected layer with weights in float16: its nodes, input, weights, output."""
    halves = TensorSpec(FLOAT16, (5, 7), data=numbers(5, 7).astype(np.float16))
    x, w, y = TensorSpec(FLOAT32, (1, 7)), TensorSpec(FLOAT32, (5, 7)), TensorSpec(FLOAT32, (1, 5))
    layer = NodeSpec(FULLY_CONNECTED, [x, w, None], [y], FullyConnectedOptions())
    return [NodeSpec(DEQUANTIZE, [halves], [w], version=3), layer], x, w, y


def shape_chain() -> tuple[list[NodeSpec], TensorSpec, TensorSpec]:
    """RESHAPE to (length of the first dimension, 6), as converters write it: its nodes, input, output."""
    x, y = TensorSpec(FLOAT32, (4, 2, 3)), TensorSpec(FLOAT32, (4, 6))
    sizes, first, wanted = TensorSpec(INT32, (3,)), TensorSpec(INT32, ()), TensorSpec(INT32, (2,))
    six = TensorSpec(INT32, (), data=np.array(6, np.int32))
    nodes = [
        NodeSpec(BuiltinOperator.SHAPE, [x], [sizes], ShapeOptions(out_type=INT32)),
        NodeSpec(
            BuiltinOperator.STRIDED_SLICE,
            [sizes, whole(0), whole(1), whole(1)],
            [first],
            StridedSliceOptions(shrink_axis_mask=1),
        ),
        NodeSpec(BuiltinOperator.PACK, [first, six], [wanted], PackOptions(values_count=2)),
        NodeSpec(BuiltinOperator.RESHAPE, [x, wanted], [y]),
    ]
    return nodes, x, y


def machines(nodes: Sequence[NodeSpec], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> list[Machine]:
    """The model in both tiers."""
    graph = read_model(build(SubgraphSpec(nodes, inputs, outputs)))
    return [Machine(graph, DIALECTS["litert"], engine=engine) for engine in ("numpy", "compiled")]


def agree(both: Sequence[Machine], *inputs: Any) -> None:
    """Assert that both give the same bits, twice."""
    for _ in range(2):
        expected, found = (machine.call(0, inputs) for machine in both)
        for a, b in zip(expected, found, strict=True):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_weights_that_are_widened_once_are_packed_like_constants() -> None:
    nodes, x, _, y = widened_weights()
    both = machines(nodes, [x], [y])
    agree(both, numbers(1, 7).astype(np.float32))
    plan = both[1].plan(0, [(1, 7)])
    assert plan is not None
    assert len(plan.table) == 1
    assert plan.values == ()


def test_what_numpy_reads_too_stays_at_hand() -> None:
    nodes, x, w, y = widened_weights()
    rounded = TensorSpec(FLOAT32, (5, 7))
    both = machines([*nodes, NodeSpec(BuiltinOperator.CEIL, [w], [rounded])], [x], [y, w, rounded])
    agree(both, numbers(1, 7).astype(np.float32))


def test_a_shape_that_follows_from_a_known_one_is_known() -> None:
    nodes, x, y = shape_chain()
    relu = NodeSpec(BuiltinOperator.RELU, [y], [TensorSpec(FLOAT32, (4, 6))])
    both = machines([*nodes, relu], [x], relu.outputs)
    agree(both, numbers(4, 2, 3).astype(np.float32))
    plan = both[1].plan(0, [(4, 2, 3)])
    assert plan is not None
    assert plan.ports is not None
    agree(both, numbers(9, 2, 3).astype(np.float32))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_the_interpreter_runs_a_model_whose_output_has_such_a_shape(engine: str) -> None:
    nodes, x, y = shape_chain()
    relu = NodeSpec(BuiltinOperator.RELU, [y], [TensorSpec(FLOAT32, (4, 6))])
    interpreter = Interpreter(model_content=build(SubgraphSpec([*nodes, relu], [x], relu.outputs)), engine=engine)
    interpreter.resize_tensor_input(0, (5, 2, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.full((5, 2, 3), 3, np.float32))
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(answer, np.full((5, 6), 3, np.float32), strict=True)


def test_all_tensors_can_be_kept() -> None:
    nodes, x, _, y = widened_weights()
    kept = []
    for engine in ("numpy", "compiled"):
        interpreter = Interpreter(
            model_content=build(SubgraphSpec(nodes, [x], [y])),
            engine=engine,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        interpreter.invoke()
        kept.append([interpreter.get_tensor(each["index"]) for each in interpreter.get_tensor_details()])
    for expected, found in zip(*kept, strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_what_a_run_refuses_is_refused_when_it_runs() -> None:
    table, index = TensorSpec(FLOAT32, (2, 1), data=np.zeros((2, 1), np.float32)), whole(7)
    x, taken, y = TensorSpec(FLOAT32, (1, 1)), TensorSpec(FLOAT32, (1, 1)), TensorSpec(FLOAT32, (1, 1))
    gather = NodeSpec(BuiltinOperator.GATHER, [table, index], [taken], GatherOptions())
    said = []
    for machine in machines([gather, NodeSpec(BuiltinOperator.ADD, [x, taken], [y])], [x], [y]):
        with pytest.raises(UnsupportedNode) as refusal:
            machine.call(0, [np.zeros((1, 1), np.float32)])
        said.append(str(refusal.value))
    assert said[0] == said[1]
