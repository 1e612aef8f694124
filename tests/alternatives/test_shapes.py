"""The same network for inputs of other shapes: what it computes, what it takes, and what ties a size."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refinfer
from refinfer.alternatives.shapes import followed, reshaped, with_batch, with_size
from refinfer.inputs import random_inputs
from refinfer.kernels.compute import Shape
from refinfer.kernels.kernel import Refusal
from refinfer.schema import UnsupportedNode, UsageError, read_model
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.graph import Graph
from refinfer.schema.options import (
    ConcatenationOptions,
    Conv2DOptions,
    Pool2DOptions,
    ReshapeOptions,
    ResizeNearestNeighborOptions,
    StridedSliceOptions,
    TransposeConvOptions,
)
from refinfer.schema.resolve import resolve
from refinfer.schema.writer import write
from refinfer.simulator import simulate
from refinfer.testing.models import NodeSpec, SubgraphSpec, TensorSpec, build, one_op_model
from tests import corpus
from tests.corpus import CorpusModel

MODELS = Path(__file__).parents[2] / "models"
NETWORKS = ["dense", "conv", "residual", "mobile", "lstm"]
FLOAT32, INT32 = TensorType.FLOAT32, TensorType.INT32


def graph_of(network: str, kind: str = "int8") -> Graph:
    return read_model(MODELS / f"digits_{network}_{kind}.tflite")


def computed_twice(graph: Graph) -> None:
    """With every sample given twice, the network gives every answer twice."""
    first = graph.subgraphs[0].inputs[0].shape[0]
    model = reshaped(graph, with_batch(graph, 2 * first))
    arrays = [each.array for each in random_inputs(graph, seed=0)]
    once = answers(bytes(graph.file), arrays)
    twice = answers(write(model), [np.concatenate([each, each]) for each in arrays])
    for one, two, tensor in zip(once, twice, resolve(model).subgraphs[0].outputs, strict=True):
        assert two.shape == tensor.shape
        assert two.tobytes() == np.concatenate([one, one]).tobytes()


def answers(model: bytes, arrays: list[np.ndarray]) -> list[np.ndarray]:
    interpreter = refinfer.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    for details, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(details["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


@pytest.mark.parametrize("kind", ["float", "int8", "dynamic"])
@pytest.mark.parametrize("network", NETWORKS)
def test_two_samples_are_computed_as_each_alone(network: str, kind: str) -> None:
    computed_twice(graph_of(network, kind))


@pytest.mark.slow
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_two_samples_of_a_real_network_are_computed_as_each_alone(model: CorpusModel) -> None:
    if model.path.parent.name != "networks":
        pytest.skip("operators alone may look at samples together")
    graph = read_model(model.data)
    try:
        reshaped(graph, with_batch(graph, 2 * graph.subgraphs[0].inputs[0].shape[0]))
        refinfer.Interpreter(model_content=model.data)
    except (UnsupportedNode, UsageError) as error:
        pytest.skip(str(error))
    computed_twice(graph)


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_of_its_own_shape_is_as_it_was(network: str, kind: str) -> None:
    graph = graph_of(network, kind)
    assert reshaped(graph, with_batch(graph, 1)) == graph.model


@pytest.mark.parametrize(("network", "size"), [("residual", (12, 20)), ("mobile", (64, 96)), ("mobile", (128, 128))])
def test_shapes_are_those_that_litert_gives_resized_inputs(network: str, size: tuple[int, int]) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    graph = graph_of(network)
    shapes = with_size(graph, *size)
    interpreter = litert.Interpreter(
        str(MODELS / f"digits_{network}_int8.tflite"), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], shapes[given["name"]])
    interpreter.allocate_tensors()
    theirs = {each["index"]: tuple(each["shape"].tolist()) for each in interpreter.get_tensor_details()}
    ours = {each.index: each.shape for each in resolve(reshaped(graph, shapes)).subgraphs[0].tensors}
    assert ours == {index: theirs[index] for index in ours}


def small_network(batch: int) -> bytes:
    """A convolution, a pool over the whole image, and a RESHAPE that names the batch."""
    random = np.random.default_rng(0)
    weights = TensorSpec(FLOAT32, (4, 3, 3, 2), data=random.standard_normal((4, 3, 3, 2)).astype(np.float32))
    bias = TensorSpec(FLOAT32, (4,), data=np.zeros(4, np.float32))
    target = TensorSpec(INT32, (2,), data=np.array([batch, 4], np.int32))
    x, image = TensorSpec(FLOAT32, (batch, 8, 6, 2), name="x"), TensorSpec(FLOAT32, (batch, 8, 6, 4))
    pooled, y = TensorSpec(FLOAT32, (batch, 1, 1, 4)), TensorSpec(FLOAT32, (batch, 4))
    convolution = Conv2DOptions(padding=Padding.SAME, stride_w=1, stride_h=1)
    pool = Pool2DOptions(padding=Padding.VALID, stride_w=1, stride_h=1, filter_width=6, filter_height=8)
    nodes = [
        NodeSpec(BuiltinOperator.CONV_2D, [x, weights, bias], [image], convolution),
        NodeSpec(BuiltinOperator.AVERAGE_POOL_2D, [image], [pooled], pool),
        NodeSpec(BuiltinOperator.RESHAPE, [pooled, target], [y], ReshapeOptions(new_shape=(batch, 4))),
    ]
    return build(SubgraphSpec(nodes, [x], [y]))


@pytest.mark.parametrize("batch", [2, 3, 16])
def test_a_batch_takes_what_a_model_takes_that_was_written_with_it(batch: int) -> None:
    graph, written = read_model(small_network(1)), small_network(batch)
    model = reshaped(graph, with_batch(graph, batch))
    assert len(write(model)) == len(written)
    for target in ("cortex-m4", "cortex-m4+cmsis-nn"):
        ours, theirs = simulate(resolve(model), target), simulate(written, target)
        assert (ours.arena, ours.allocations) == (theirs.arena, theirs.allocations)
    x = np.random.default_rng(1).standard_normal((batch, 8, 6, 2)).astype(np.float32)
    assert answers(write(model), [x])[0].tobytes() == answers(written, [x])[0].tobytes()


def test_a_pool_over_the_whole_image_goes_on_doing_so() -> None:
    graph = read_model(small_network(1))
    main = resolve(reshaped(graph, with_size(graph, 12, 10))).subgraphs[0]
    assert [each.shape for each in main.outputs] == [(1, 4)]
    options = main.nodes[1].options
    assert isinstance(options, Pool2DOptions)
    assert (options.filter_height, options.filter_width) == (12, 10)


def integers(*values: int) -> TensorSpec:
    return TensorSpec(INT32, (len(values),), data=np.array(values, np.int32))


def weights(*shape: int) -> TensorSpec:
    return TensorSpec(FLOAT32, shape, data=np.zeros(shape, np.float32))


X = TensorSpec(FLOAT32, (1, 4, 6, 2), name="x")
TWICE = (1, 8, 12, 2)
ADAPTED: list[tuple[BuiltinOperator, list[TensorSpec], Shape, Table, Shape]] = [
    (
        BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        [X, integers(8, 12)],
        (1, 8, 12, 2),
        ResizeNearestNeighborOptions(),
        (1, 16, 24, 2),
    ),
    (
        BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        [X, integers(2, 3)],
        (1, 2, 3, 2),
        ResizeNearestNeighborOptions(),
        (1, 4, 6, 2),
    ),
    (
        BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        [X, integers(5, 7)],
        (1, 5, 7, 2),
        ResizeNearestNeighborOptions(),
        (1, 5, 7, 2),
    ),
    (
        BuiltinOperator.TRANSPOSE_CONV,
        [integers(1, 8, 12, 3), weights(3, 3, 3, 2), X],
        (1, 8, 12, 3),
        TransposeConvOptions(padding=Padding.SAME, stride_w=2, stride_h=2),
        (1, 16, 24, 3),
    ),
    (
        BuiltinOperator.STRIDED_SLICE,
        [X, integers(0, 0, 1, 0), integers(1, 4, 3, 2), integers(1, 1, 1, 1)],
        (1, 4, 2, 2),
        StridedSliceOptions(),
        (1, 8, 2, 2),
    ),
    (BuiltinOperator.RESHAPE, [X, integers(1, 48)], (1, 48), ReshapeOptions(), (1, 192)),
    (BuiltinOperator.RESHAPE, [X, integers(1, 24, 2)], (1, 24, 2), ReshapeOptions(), (1, 96, 2)),
    (BuiltinOperator.RESHAPE, [X, integers(1, -1, 2)], (1, 24, 2), ReshapeOptions(), (1, 96, 2)),
]


@pytest.mark.parametrize(("op", "inputs", "output", "options", "expected"), ADAPTED)
def test_what_repeats_a_size_follows_it(
    op: BuiltinOperator, inputs: list[TensorSpec], output: Shape, options: Table, expected: Shape
) -> None:
    graph = read_model(one_op_model(op, inputs, [TensorSpec(FLOAT32, output)], options))
    model = reshaped(graph, {"x": TWICE})
    (y,) = resolve(model).subgraphs[0].outputs
    assert y.shape == expected
    assert answers(write(model), [np.zeros(TWICE, np.float32)])[0].shape == expected


def test_operators_that_shared_a_constant_get_their_own() -> None:
    target, wide = integers(1, 48), TensorSpec(FLOAT32, (1, 48), name="wide")
    flat, again = TensorSpec(FLOAT32, (1, 48)), TensorSpec(FLOAT32, (1, 48))
    nodes = [
        NodeSpec(BuiltinOperator.RESHAPE, [X, target], [flat], ReshapeOptions()),
        NodeSpec(BuiltinOperator.RESHAPE, [wide, target], [again], ReshapeOptions()),
    ]
    graph = read_model(build(SubgraphSpec(nodes, [X, wide], [flat, again])))
    main = resolve(reshaped(graph, {"x": TWICE})).subgraphs[0]
    assert [each.shape for each in main.outputs] == [(1, 192), (1, 48)]


TIED = {
    ("conv", (32, 32)): "operator 6 (FULLY_CONNECTED) ties the size: its weights take 256 values behind operator 5 "
    "(RESHAPE); for these inputs there would be 1,024",
    ("stream", (1, 16)): "operator 7 (CONCATENATION) ties the size: shapes (1, 2, 8, 1), (1, 1, 16, 1) do not fit "
    "along axis 1",
}


@pytest.mark.parametrize(("case", "message"), TIED.items())
def test_the_operator_that_ties_the_size_is_named(case: tuple[str, tuple[int, int]], message: str) -> None:
    network, size = case
    graph = graph_of(network)
    with pytest.raises(UnsupportedNode) as refusal:
        reshaped(graph, with_size(graph, *size))
    assert str(refusal.value) == message


def test_an_operator_whose_rule_nobody_knows_ties_the_size() -> None:
    graph = read_model(one_op_model("mine", [X], [TensorSpec(FLOAT32, (1,))]))
    with pytest.raises(UnsupportedNode, match=r"operator 0 \(mine\) ties the size: .* not known"):
        reshaped(graph, {"x": TWICE})


def test_inputs_that_do_not_fit_one_another_tie_the_size() -> None:
    other = TensorSpec(FLOAT32, (1, 4, 6, 2), name="other")
    y = TensorSpec(FLOAT32, (1, 4, 6, 4))
    graph = read_model(one_op_model(BuiltinOperator.CONCATENATION, [X, other], [y], ConcatenationOptions(axis=3)))
    with pytest.raises(UnsupportedNode, match="do not fit along axis 3"):
        reshaped(graph, {"x": TWICE})
    assert resolve(reshaped(graph, {"x": TWICE, "other": TWICE})).subgraphs[0].outputs[0].shape == (1, 8, 12, 4)


def test_shapes_that_do_not_suit_the_inputs_are_refused() -> None:
    dense, lstm = graph_of("dense"), graph_of("lstm")
    with pytest.raises(UsageError, match="no input 'nothing'; it has 'serving_default_pixels:0'"):
        reshaped(dense, {"nothing": (1,)})
    with pytest.raises(UsageError, match=r"2 dimensions in \(1, 8\); it has 4"):
        reshaped(dense, {"serving_default_pixels:0": (1, 8)})
    with pytest.raises(UsageError, match="no input is an image of 4 dimensions"):
        with_size(lstm, 8, 8)


shapes = st.lists(st.integers(2, 6), min_size=4, max_size=4).map(tuple)
part = st.sampled_from([(first, last) for first in range(4) for last in range(first + 1, 5)])


@given(shapes, shapes, part)
def test_what_was_merged_is_merged_of_any_shape(before: Shape, now: Shape, part: tuple[int, int]) -> None:
    def merged(shape: Shape) -> Shape:
        first, last = part
        return (*shape[:first], prod(shape[first:last]), *shape[last:])

    assert followed(before, merged(before), now) == merged(now)


@given(shapes)
def test_what_was_split_is_split_so_that_the_first_part_grows(before: Shape) -> None:
    whole = (3, prod(before))
    assert followed(whole, (3, *before), (5, 7 * prod(before))) == (5, 7 * before[0], *before[1:])
    with pytest.raises(Refusal, match="there is no such shape for 3x"):
        followed(whole, (3, *before), (3, prod(before) + 1))


@given(shapes)
def test_nothing_follows_from_nothing(shape: Shape) -> None:
    assert followed(shape, (prod(shape),), shape) == (prod(shape),)
