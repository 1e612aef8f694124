"""What is in a model, as JSON-ready values: `refinfer inspect --json`, documented in docs/json.md."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from math import isfinite
from typing import Any

from refinfer.kernels.registry import kernel_of, resolver_method
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table, values_of
from refinfer.schema.graph import Graph, Node, Quantization, Subgraph, Tensor
from refinfer.simulator.report import SCHEMA, model_to_dict
from refinfer.terminal.text import plural, printable


def describe(graph: Graph) -> dict[str, Any]:
    """The model as JSON-ready values; docs/json.md documents the fields."""
    return {
        "schema": SCHEMA,
        "model": model_to_dict(graph) | {"version": graph.model.version, "description": graph.description},
        "operators": operator_counts(graph),
        "subgraphs": [_subgraph(subgraph) for subgraph in graph.subgraphs],
        "metadata": [{"name": name, "bytes": len(data)} for name, data in graph.metadata.items()],
        "signatures": signatures(graph),
        "warnings": warnings(graph),
        "resolver": resolver(graph),
    }


def operator_counts(graph: Graph) -> list[dict[str, Any]]:
    """Each kind of operator and version, how often it occurs, and whether TFLM has a kernel for it."""
    kinds = Counter((node.name, node.version) for node in graph.nodes)
    known = {node.name: kernel_of(node) is not None for node in graph.nodes}
    return [
        {"name": name, "version": version, "count": count, "in_tflm": known[name]}
        for (name, version), count in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    ]


def _subgraph(subgraph: Subgraph) -> dict[str, Any]:
    return {
        "index": subgraph.index,
        "name": subgraph.name,
        "inputs": [tensor.index for tensor in subgraph.inputs],
        "outputs": [tensor.index for tensor in subgraph.outputs],
        "operators": [_node(node) for node in subgraph.nodes],
        "tensors": [_tensor(tensor) for tensor in subgraph.tensors],
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "index": node.index,
        "name": node.name,
        "custom": node.custom_code is not None,
        "version": node.version,
        "inputs": [None if tensor is None else tensor.index for tensor in node.inputs],
        "outputs": [tensor.index for tensor in node.outputs],
        "options": options(node),
        "custom_options_bytes": len(node.custom_options),
    }


def options(node: Node) -> dict[str, Any]:
    """The options that the file states, by the schema's names."""
    if not isinstance(node.options, Table):
        return {}
    names = (field.name for field in type(node.options).fields)
    return {name: plain(value) for name, value in zip(names, values_of(node.options), strict=True)}


def plain(value: Any) -> Any:
    """A value of a table, JSON-ready; a number that JSON cannot hold becomes None."""
    match value:
        case Enum():
            return value.name
        case bool() | int() | str() | None:
            return value
        case float():
            return value if isfinite(value) else None
        case memoryview():
            return f"{len(value)} bytes"
        case Table():
            return {field.name: plain(getattr(value, field.name)) for field in type(value).fields}
        case _:
            return [plain(each) for each in value]


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "index": tensor.index,
        "name": tensor.name,
        "type": tensor.type.name,
        "shape": list(tensor.shape),
        "shape_signature": list(tensor.shape_signature),
        "constant_bytes": None if tensor.data is None else len(tensor.data),
        "variable": tensor.is_variable,
        "quantization": None if tensor.quantization is None else _quantization(tensor.quantization),
    }


def _quantization(quantization: Quantization) -> dict[str, Any]:
    return {
        "scale": [plain(scale) for scale in quantization.scale],
        "zero_point": list(quantization.zero_point),
        "quantized_dimension": quantization.quantized_dimension,
    }


def signatures(graph: Graph) -> list[dict[str, Any]]:
    """The names that the converter gave to subgraphs, inputs and outputs."""
    return [
        {
            "key": signature.key,
            "subgraph": signature.subgraph,
            "inputs": {name: tensor.index for name, tensor in signature.inputs.items()},
            "outputs": {name: tensor.index for name, tensor in signature.outputs.items()},
        }
        for signature in graph.signatures
    ]


def warnings(graph: Graph) -> list[str]:
    """What a reader of this model should know before trusting it to a microcontroller."""
    lacking = Counter(node.name for node in graph.nodes if kernel_of(node) is None)
    found = [f"TFLM has no kernel for {name} ({plural(count, 'operator')})" for name, count in lacking.items()]
    if hybrid := [node for node in graph.nodes if is_hybrid(node)]:
        first = f"{hybrid[0].index} ({hybrid[0].name}) of subgraph {hybrid[0].subgraph}"
        found.append(
            f"{plural(len(hybrid), 'hybrid operator')} (float input, integer weights), the first being {first}: TFLM "
            "runs few of those; quantize the activations too"
        )
    if off := [tensor for tensor in graph.tensors if is_dimension_off(tensor)]:
        found.append(
            f"quantized_dimension is out of range in {plural(len(off), 'tensor')}, the first being {off[0].index} "
            f"({off[0].name!r}): LiteRT refuses that, TFLM does not look"
        )
    return found


def is_hybrid(node: Node) -> bool:
    """Whether it multiplies float32 with weights of 8 bits or less, as dynamic-range quantization leaves them."""
    x, weights = (*node.inputs, None, None)[:2]
    return (
        node.op in HYBRID_OPERATORS
        and x is not None
        and weights is not None
        and x.type == TensorType.FLOAT32
        and weights.type in SMALL_TYPES
    )


HYBRID_OPERATORS = {
    BuiltinOperator.BATCH_MATMUL,
    BuiltinOperator.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D,
    BuiltinOperator.FULLY_CONNECTED,
    BuiltinOperator.SVDF,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM,
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN,
}
SMALL_TYPES = {TensorType.INT8, TensorType.UINT8, TensorType.INT4, TensorType.INT2}


def is_dimension_off(tensor: Tensor) -> bool:
    """Whether the scales are along a dimension that the tensor does not have."""
    quantization = tensor.quantization
    return (
        quantization is not None
        and len(quantization.scale) > 0
        and not 0 <= quantization.quantized_dimension < max(len(tensor.shape), 1)
    )


def resolver(graph: Graph) -> list[str]:
    """The C++ that registers the kernels which this model needs and no others."""
    known = {node.name: kernel_of(node) is not None for node in graph.nodes}
    methods = sorted({resolver_method(name) for name, is_there in known.items() if is_there})
    lines = [f"static tflite::MicroMutableOpResolver<{len(methods)}> resolver;"]
    lines += [f"resolver.{method}();" for method in methods]
    return lines + [f"// {printable(name)}: TFLM has no kernel" for name in sorted(known) if not known[name]]
