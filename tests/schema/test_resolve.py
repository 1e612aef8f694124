"""What makes a model inconsistent, each with its message; and what does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as litert

from refinfer.schema import Graph, GraphError, parse, read_model, resolve
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import FullyConnectedOptions
from tests import corpus
from tests.schema.making import BIAS_1, HIDDEN, WEIGHTS_1, X, Y, buffer, calling, dense, made, small, tensor
from tests.schema.referee import pack

NEITHER_RUNTIME_RUNS = {"oneop/LiteRT__blockwise_quantized__77cb85.tflite": "tensor 2 has no value"}
"""A tensor is read that nothing writes: LiteRT crashes on it, TFLM refuses it."""


def graph_of(spoil: Callable[[Any], None]) -> Graph:
    model = small()
    spoil(model)
    return read_model(pack(model))


def main(model: Any) -> Any:
    return model.subgraphs[0]


def test_a_sound_model_resolves() -> None:
    graph = graph_of(lambda model: None)
    (subgraph,) = graph.subgraphs
    assert [each.name for each in subgraph.tensors] == ["x", "w1", "b1", "hidden", "w2", "b2", "y"]
    assert [each.name for each in subgraph.inputs + subgraph.outputs] == ["x", "y"]
    first, second = subgraph.nodes
    assert [each and each.name for each in first.inputs] == ["x", "w1", "b1"]
    assert first.outputs[0] is second.inputs[0]
    assert (first.name, first.op, first.custom_code) == ("FULLY_CONNECTED", BuiltinOperator.FULLY_CONNECTED, None)
    assert first.options == FullyConnectedOptions()
    weights, hidden = subgraph.tensors[WEIGHTS_1], subgraph.tensors[HIDDEN]
    assert bytes_of(graph) == bytes(range(12))
    assert hidden.data is None
    assert weights.quantization is not None
    assert (weights.quantization.scale, weights.quantization.zero_point) == ((0.5,), (0,))
    assert (graph.description, graph.model.version) == ("two layers", 3)


@pytest.mark.parametrize("model", corpus.models())
def test_every_real_model_resolves_that_a_runtime_can_run(model: corpus.CorpusModel) -> None:
    if model.file in NEITHER_RUNTIME_RUNS:
        with pytest.raises(GraphError, match=NEITHER_RUNTIME_RUNS[model.file]):
            read_model(model.path)
    else:
        graph = read_model(model.path)
        assert len(graph.subgraphs) == len(graph.model.subgraphs or ())


def bytes_of(graph: Graph, index: int = WEIGHTS_1) -> bytes:
    data = graph.subgraphs[0].tensors[index].data
    assert data is not None
    return data.tobytes()


# Every way to be inconsistent


def weights(**values: Any) -> Callable[[Any], None]:
    return lambda model: vars(main(model).tensors[WEIGHTS_1]).update(values)


def quantized(**values: Any) -> Callable[[Any], None]:
    return lambda model: vars(main(model).tensors[WEIGHTS_1].quantization).update(values)


def node(index: int = 0, **values: Any) -> Callable[[Any], None]:
    return lambda model: vars(main(model).operators[index]).update(values)


def subgraph(**values: Any) -> Callable[[Any], None]:
    return lambda model: vars(main(model)).update(values)


def whole(**values: Any) -> Callable[[Any], None]:
    return lambda model: vars(model).update(values)


def sparse(**values: Any) -> Callable[[Any], None]:
    dims = [made(litert.DimensionMetadataT, denseSize=3), made(litert.DimensionMetadataT, denseSize=4)]
    values = {"traversalOrder": [0, 1], "dimMetadata": dims} | values
    return weights(sparsity=made(litert.SparsityParametersT, **values))


def signature(**values: Any) -> Callable[[Any], None]:
    return whole(signatureDefs=[made(litert.SignatureDefT, signatureKey="serve", **values)])


def detailed(kind: str, **values: Any) -> Callable[[Any], None]:
    number = getattr(litert.QuantizationDetails, kind)
    return quantized(detailsType=number, details=made(getattr(litert, f"{kind}T"), **values))


def then_call(union: str, **options: Any) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        model.operatorCodes.append(made(litert.OperatorCodeT, builtinCode=BuiltinOperator.CALL_ONCE))
        main(model).operators.append(calling(union, 1, **options))

    return spoil


def two_operators_at_once(model: Any) -> None:
    main(model).operators.append(dense([X, WEIGHTS_1, BIAS_1], [HIDDEN]))


def a_nameless_custom_operator(model: Any) -> None:
    model.operatorCodes[0] = made(litert.OperatorCodeT, builtinCode=BuiltinOperator.CUSTOM)


INCONSISTENT: dict[str, tuple[Callable[[Any], None], str]] = {
    "version": (whole(version=2), "Model.version: 2; expected 3"),
    "no subgraph": (whole(subgraphs=[]), "Model.subgraphs: the model has none; expected at least one"),
    "no buffers": (whole(buffers=None), "Model.subgraphs[0].tensors[0].buffer: index 0 is out of range; there are 0"),
    "buffer": (weights(buffer=9999), "Model.subgraphs[0].tensors[1].buffer: index 9999 is out of range; there are 5"),
    "opcode": (
        node(opcodeIndex=7),
        "Model.subgraphs[0].operators[0].opcode_index: index 7 is out of range; there are 1",
    ),
    "op input": (
        node(inputs=[9999, 1, 2]),
        "Model.subgraphs[0].operators[0].inputs[0]: index 9999 is out of range; there are 7",
    ),
    "negative op input": (
        node(inputs=[0, 1, -2]),
        "Model.subgraphs[0].operators[0].inputs[2]: index -2 is out of range; there are 7",
    ),
    "op output": (
        node(outputs=[-1]),
        "Model.subgraphs[0].operators[0].outputs[0]: index -1 is out of range; there are 7",
    ),
    "intermediate": (
        node(intermediates=[7]),
        "Model.subgraphs[0].operators[0].intermediates[0]: index 7 is out of range; there are 7",
    ),
    "mutating inputs": (
        node(mutatingVariableInputs=[True]),
        "Model.subgraphs[0].operators[0].mutating_variable_inputs: 1 entries for 3 inputs",
    ),
    "custom code": (
        a_nameless_custom_operator,
        "Model.operator_codes[0].custom_code: a custom operator has no name",
    ),
    "subgraph input": (subgraph(inputs=[-1]), "Model.subgraphs[0].inputs[0]: index -1 is out of range; there are 7"),
    "subgraph output": (subgraph(outputs=[7]), "Model.subgraphs[0].outputs[0]: index 7 is out of range; there are 7"),
    "open dim that no RESHAPE works out": (
        lambda model: vars(main(model).tensors[HIDDEN]).update(shape=[1, -1]),
        "Model.subgraphs[0].tensors[3].shape: (1, -1) has a negative dimension",
    ),
    "negative dim": (weights(shape=[3, -4]), "Model.subgraphs[0].tensors[1].shape: (3, -4) has a negative dimension"),
    "huge shape": (
        weights(shape=[65536] * 4),
        "Model.subgraphs[0].tensors[1].shape: (65536, 65536, 65536, 65536) has 18446744073709551616 elements; "
        "the runtimes count up to 2147483647",
    ),
    "many dims": (weights(shape=[2] * 65), "Model.subgraphs[0].tensors[1].shape: 65 dimensions; expected at most 64"),
    "short constant": (
        weights(shape=[3, 5]),
        "Model.subgraphs[0].tensors[1].buffer: 12 bytes of constant data; 15 elements of INT8 take 15",
    ),
    "long constant": (
        weights(shape=[3, 3]),
        "Model.subgraphs[0].tensors[1].buffer: 12 bytes of constant data; 9 elements of INT8 take 9",
    ),
    "int4 constant": (
        weights(type=TensorType.INT4),
        "Model.subgraphs[0].tensors[1].buffer: 12 bytes of constant data; 12 elements of INT4 take 6",
    ),
    "negative scale": (
        quantized(scale=[-0.5]),
        "Model.subgraphs[0].tensors[1].quantization.scale[0]: -0.5 is not a scale; "
        "expected a finite number, 0 or above",
    ),
    "infinite scale": (
        quantized(scale=[1.0, math.inf]),
        "Model.subgraphs[0].tensors[1].quantization.scale[1]: inf is not a scale; expected a finite number, 0 or above",
    ),
    "scale that is no number": (
        quantized(scale=[math.nan]),
        "Model.subgraphs[0].tensors[1].quantization.scale[0]: nan is not a scale; expected a finite number, 0 or above",
    ),
    "zero points": (
        quantized(scale=[1.0, 2.0, 3.0], zeroPoint=[0, 0]),
        "Model.subgraphs[0].tensors[1].quantization: 2 zero points for 3 scales; expected as many, or one",
    ),
    "wide zero point": (
        quantized(zeroPoint=[2**31]),
        "Model.subgraphs[0].tensors[1].quantization.zero_point[0]: 2147483648 does not fit into an int32",
    ),
    "blockwise scales": (
        detailed("BlockwiseQuantization", scales=7, zeroPoints=-1),
        "Model.subgraphs[0].tensors[1].quantization.details.scales: index 7 is out of range; there are 7",
    ),
    "multi-axis zero points": (
        detailed("MultiAxisQuantization", scales=1, zeroPoints=-2),
        "Model.subgraphs[0].tensors[1].quantization.details.zero_points: index -2 is out of range; there are 7",
    ),
    "traversal order": (
        sparse(traversalOrder=[0, 0]),
        "Model.subgraphs[0].tensors[1].sparsity.traversal_order: (0, 0) is not a permutation "
        "of 2 dimensions and 0 blocks",
    ),
    "block map": (
        sparse(blockMap=[2]),
        "Model.subgraphs[0].tensors[1].sparsity.block_map[0]: index 2 is out of range; there are 2",
    ),
    "dim metadata": (
        sparse(dimMetadata=[]),
        "Model.subgraphs[0].tensors[1].sparsity.dim_metadata: 0 entries; expected 2",
    ),
    "cycle": (
        node(inputs=[Y, 1, 2]),
        "Model.subgraphs[0].operators[0].inputs[0]: tensor 6 is read before operator 1 writes it",
    ),
    "operator that feeds itself": (
        node(inputs=[HIDDEN, 1, 2]),
        "Model.subgraphs[0].operators[0].inputs[0]: tensor 3 is read before operator 0 writes it",
    ),
    "nothing writes an input": (
        subgraph(inputs=[]),
        "Model.subgraphs[0].operators[0].inputs[0]: tensor 0 has no value: "
        "it is no input, no constant, no variable, and no operator writes it",
    ),
    "nothing writes an output": (
        subgraph(operators=[]),
        "Model.subgraphs[0].outputs[0]: tensor 6 has no value: "
        "it is no input, no constant, no variable, and no operator writes it",
    ),
    "written twice": (
        two_operators_at_once,
        "Model.subgraphs[0].operators[2].outputs[0]: tensor 3 has a value already, from operator 0",
    ),
    "written twice at once": (
        node(1, outputs=[Y, Y]),
        "Model.subgraphs[0].operators[1].outputs[1]: tensor 6 has a value already, from operator 1",
    ),
    "constant written": (
        node(1, outputs=[BIAS_1]),
        "Model.subgraphs[0].operators[1].outputs[0]: tensor 2 has a value already, from the file",
    ),
    "input written": (
        node(1, outputs=[X]),
        "Model.subgraphs[0].operators[1].outputs[0]: tensor 0 has a value already, from the caller",
    ),
    "missing subgraph": (
        then_call("IfOptions", thenSubgraphIndex=1),
        "Model.subgraphs[0].operators[2].then_subgraph_index: index 1 is out of range; there are 1",
    ),
    "negative subgraph": (
        then_call("StableHLOCompositeOptions", decompositionSubgraphIndex=-1),
        "Model.subgraphs[0].operators[2].decomposition_subgraph_index: index -1 is out of range; there are 1",
    ),
    "one of many subgraphs": (
        then_call("StablehloCaseOptions", branchSubgraphIndices=[0, 5]),
        "Model.subgraphs[0].operators[2].branch_subgraph_indices: index 5 is out of range; there are 1",
    ),
    "endless recursion": (
        then_call("CallOnceOptions", initSubgraphIndex=0),
        "Model.subgraphs[0]: runs itself, or a subgraph that does; that would never end",
    ),
    "metadata": (
        whole(metadata=[made(litert.MetadataT, name="m", buffer=5)]),
        "Model.metadata[0].buffer: index 5 is out of range; there are 5",
    ),
    "old metadata": (whole(metadataBuffer=[-1]), "Model.metadata_buffer[0]: index -1 is out of range; there are 5"),
    "signature's subgraph": (
        signature(subgraphIndex=1),
        "Model.signature_defs[0].subgraph_index: index 1 is out of range; there are 1",
    ),
    "signature's tensor": (
        signature(outputs=[made(litert.TensorMapT, name="y", tensorIndex=7)]),
        "Model.signature_defs[0].outputs[0].tensor_index: index 7 is out of range; there are 7",
    ),
    "buffer beyond the file": (
        lambda model: model.buffers.append(made(litert.BufferT, offset=2**40, size=8)),
        "Model.buffers[5]: 8 bytes at offset 1099511627776 do not lie within the file of {nbytes} bytes",
    ),
    "custom options beyond the file": (
        node(largeCustomOptionsOffset=2, largeCustomOptionsSize=2**63),
        "Model.subgraphs[0].operators[0]: 9223372036854775808 bytes at offset 2 "
        "do not lie within the file of {nbytes} bytes",
    ),
}


@pytest.mark.parametrize("case", INCONSISTENT)
def test_an_inconsistent_model_is_refused_with_the_place(case: str) -> None:
    spoil, message = INCONSISTENT[case]
    model = small()
    spoil(model)
    data = pack(model)
    with pytest.raises(GraphError) as error:
        read_model(data)
    assert str(error.value) == message.format(nbytes=len(data))


# What real models do, and may do


def test_a_scale_of_zero_is_accepted_since_both_runtimes_run_it() -> None:
    quantization = graph_of(quantized(scale=[0.0])).subgraphs[0].tensors[WEIGHTS_1].quantization
    assert quantization is not None
    assert quantization.scale == (0.0,)


def test_a_quantized_dimension_beyond_the_shape_is_accepted_as_in_person_detect() -> None:
    graph = graph_of(quantized(scale=[1.0, 2.0, 3.0], quantizedDimension=3))
    quantization = graph.subgraphs[0].tensors[WEIGHTS_1].quantization
    assert quantization is not None
    assert quantization.quantized_dimension == 3


def test_an_absent_optional_input_is_none() -> None:
    assert graph_of(node(inputs=[0, 1, -1])).subgraphs[0].nodes[0].inputs[2] is None


def test_an_absent_shape_is_told_from_an_empty_one() -> None:
    absent = graph_of(weights(shape=None, buffer=0, isVariable=True)).subgraphs[0].tensors[WEIGHTS_1]
    empty = graph_of(weights(shape=[], buffer=0, isVariable=True)).subgraphs[0].tensors[WEIGHTS_1]
    assert (absent.shape, absent.has_shape, absent.elements) == ((), False, 1)
    assert (empty.shape, empty.has_shape, empty.elements) == ((), True, 1)


def test_the_larger_operator_code_counts_and_the_raw_one_is_kept() -> None:
    def old_file(model: Any) -> None:
        model.operatorCodes[0].builtinCode = 0

    first = graph_of(old_file).subgraphs[0].nodes[0]
    assert (first.op, first.raw_builtin_code) == (BuiltinOperator.FULLY_CONNECTED, 0)


def test_a_variable_may_be_read_before_it_is_written_and_be_written_again() -> None:
    def state(model: Any) -> None:
        main(model).tensors[HIDDEN].isVariable = True
        main(model).operators.reverse()
        two_operators_at_once(model)

    assert len(graph_of(state).subgraphs[0].nodes) == 3


def test_a_tensor_of_no_elements_needs_no_writer() -> None:
    def empty(model: Any) -> None:
        main(model).tensors.append(tensor("nothing", [0]))
        main(model).operators[0].inputs.append(7)

    assert graph_of(empty).subgraphs[0].nodes[0].inputs[-1] is not None


def test_zero_times_anything_is_no_overflow() -> None:
    def empty(model: Any) -> None:
        main(model).tensors.append(tensor("nothing", [0, 2**31 - 1, 2**31 - 1]))

    assert graph_of(empty).subgraphs[0].tensors[-1].elements == 0


@pytest.mark.parametrize(("type", "nbytes"), [(TensorType.INT4, 8), (TensorType.UINT4, 8), (TensorType.INT2, 4)])
def test_constants_of_less_than_a_byte_are_packed(type: TensorType, nbytes: int) -> None:
    def packed(model: Any) -> None:
        model.buffers.append(buffer(nbytes))
        main(model).tensors.append(tensor("packed", [5, 3], 5, type))

    assert bytes_of(graph_of(packed), -1) == bytes(range(nbytes))


def test_a_sparse_constant_may_have_any_length() -> None:
    def shortened(model: Any) -> None:
        model.buffers[1] = buffer(5)
        sparse()(model)

    assert bytes_of(graph_of(shortened)) == bytes(range(5))


def test_strings_have_no_fixed_length() -> None:
    assert bytes_of(graph_of(weights(type=TensorType.STRING))) == bytes(range(12))


def test_constants_and_custom_options_may_lie_behind_the_flatbuffer() -> None:
    model = small()
    model.operatorCodes[0] = made(litert.OperatorCodeT, builtinCode=BuiltinOperator.CUSTOM, customCode="Twice")
    model.buffers[1] = made(litert.BufferT, offset=2, size=12)
    vars(main(model).operators[0]).update(largeCustomOptionsOffset=2, largeCustomOptionsSize=3)
    end = len(pack(model))
    model.buffers[1].offset = end
    main(model).operators[0].largeCustomOptionsOffset = end + 12
    data = pack(model)
    assert len(data) == end
    graph = read_model(data + b"twelve bytesopt")
    assert bytes_of(graph) == b"twelve bytes"
    assert graph.subgraphs[0].nodes[0].custom_options.tobytes() == b"opt"
    assert graph.subgraphs[0].nodes[0].name == "Twice"
    with pytest.raises(GraphError, match="12 bytes at offset"):
        resolve(parse(data))


def test_signatures_and_metadata_come_with_their_tensors_and_bytes() -> None:
    def named(model: Any) -> None:
        model.metadata = [made(litert.MetadataT, name="note", buffer=3)]
        inputs = [made(litert.TensorMapT, name="in", tensorIndex=X)]
        outputs = [made(litert.TensorMapT, name="out", tensorIndex=Y)]
        signature(inputs=inputs, outputs=outputs)(model)

    graph = graph_of(named)
    (serve,) = graph.signatures
    assert (serve.key, serve.subgraph) == ("serve", 0)
    assert serve.inputs == {"in": graph.subgraphs[0].tensors[X]}
    assert serve.outputs == {"out": graph.subgraphs[0].tensors[Y]}
    assert graph.metadata == {"note": bytes(range(6))}


def test_subgraphs_may_run_each_other_as_long_as_that_ends() -> None:
    def chain(model: Any) -> None:
        model.operatorCodes.append(made(litert.OperatorCodeT, builtinCode=BuiltinOperator.WHILE))
        for each in range(1, 200):
            body = 0 if each == 1 else each - 1
            operators = [calling("WhileOptions", 1, condSubgraphIndex=body, bodySubgraphIndex=body)]
            model.subgraphs.append(made(litert.SubGraphT, operators=operators, inputs=[], outputs=[], tensors=[]))

    assert len(graph_of(chain).subgraphs) == 200


def test_constants_are_views_of_the_file() -> None:
    model = small()
    model.buffers[1].data = list(b"twelve bytes")
    data = bytearray(pack(model))
    graph = read_model(data)
    data[data.index(b"twelve")] = ord("T")
    assert bytes_of(graph) == b"Twelve bytes"
