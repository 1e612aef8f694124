"""`refinfer inspect`: what is in the file, for people and (`describe`) for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from math import isfinite
from typing import Any

from refinfer.kernels.registry import kernel_of, resolver_method
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table, values_of
from refinfer.schema.graph import Graph, Node, Quantization, Subgraph, Tensor
from refinfer.simulator.report import SCHEMA, model_to_dict
from refinfer.terminal.names import model_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    MIDDLE,
    YELLOW,
    Column,
    Screen,
    plural,
    printable,
    size,
    table,
    wrapped,
)

SHORT_LIST = 24  # rows of a list unless --all is given


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
    return {name: _plain(value) for name, value in zip(names, values_of(node.options), strict=True)}


def _plain(value: Any) -> Any:
    """JSON-ready; a number that JSON cannot hold becomes None."""
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
            return {field.name: _plain(getattr(value, field.name)) for field in type(value).fields}
        case _:
            return [_plain(each) for each in value]


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
        "scale": [_plain(scale) for scale in quantization.scale],
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


HYBRID_OPERATORS and len(node.inputs) > 1:
            x, weights = node.inputs[:2]
            if x is not None and weights is not None and x.type == TensorType.FLOAT32 and weights.type in SMALL_TYPES:
                yield node, weights


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


def inspect_lines(graph: Graph, everything: bool, screen: Screen) -> Iterator[str]:
    """The whole of it."""
    yield from _file(graph, screen)
    for message in warnings(graph):
        yield from (
            screen.paint(line, YELLOW) for line in wrapped(f"warning: {printable(message)}", screen, "    ", "  ")
        )
    yield ""
    yield from _kinds(graph, screen)
    for subgraph in graph.subgraphs:
        yield ""
        yield from _subgraph_lines(subgraph, everything, screen)
    yield from _names(graph, screen)
    yield ""
    yield screen.paint("Resolver", BOLD)
    yield from (f"    {line}" for line in resolver(graph))


def _file(graph: Graph, screen: Screen) -> Iterator[str]:
    yield screen.paint(f"{model_name(graph)}: {len(graph.file):,} bytes ({size(len(graph.file))})", BOLD)
    rows = [
        ("sha256", model_to_dict(graph)["sha256"]),
        ("schema version", str(graph.model.version)),
        ("description", printable(graph.description)),
        ("operators", f"{sum(1 for _ in graph.nodes):,}"),
        ("tensors", _tensor_summary(graph)),
    ]
    yield from table([Column(""), Column("", cut=MIDDLE)], [row for row in rows if row[1]], screen, titles=False)


def _tensor_summary(graph: Graph) -> str:
    tensors = list(graph.tensors)
    constants = sum(len(tensor.data) for tensor in tensors if tensor.data is not None)
    per_channel = sum(1 for tensor in tensors if tensor.quantization and len(tensor.quantization.scale) > 1)
    quantized = sum(1 for tensor in tensors if tensor.quantization and len(tensor.quantization.scale) > 0)
    return (
        f"{len(tensors):,}: {constants:,} bytes of constants; {quantized:,} quantized, "
        f"of which {per_channel:,} per channel"
    )


def _kinds(graph: Graph, screen: Screen) -> Iterator[str]:
    rows = [
        (str(kind["count"]), printable(kind["name"]), str(kind["version"]), "" if kind["in_tflm"] else "not in TFLM")
        for kind in operator_counts(graph)
    ]
    yield from table(
        [Column("count", right=True), Column("operator", cut=MIDDLE), Column("version", right=True), Column("")],
        rows,
        screen,
    )


def _subgraph_lines(subgraph: Subgraph, everything: bool, screen: Screen) -> Iterator[str]:
    name = f" ({printable(subgraph.name)})" if subgraph.name else ""
    yield screen.paint(f"Subgraph {subgraph.index}{name}", BOLD)
    rows = [("input", *_tensor_cells(tensor, screen)) for tensor in subgraph.inputs]
    rows += [("output", *_tensor_cells(tensor, screen)) for tensor in subgraph.outputs]
    yield from table([Column(""), *TENSOR_COLUMNS], rows, screen)
    yield ""
    yield from _cut(list(_operators(subgraph, screen)), everything, "operator", screen)
    if everything:
        yield ""
        yield from table(TENSOR_COLUMNS, [_tensor_cells(tensor, screen) for tensor in subgraph.tensors], screen)


TENSOR_COLUMNS = [
    Column("tensor", right=True),
    Column("name", cut=MIDDLE),
    Column("type"),
    Column("shape"),
    Column("quantization"),
]


def _tensor_cells(tensor: Tensor, screen: Screen) -> tuple[str, ...]:
    return (
        str(tensor.index),
        printable(tensor.name),
        _type(tensor),
        _shape(tensor, screen),
        _scales(tensor.quantization),
    )


def _type(tensor: Tensor) -> str:
    kind = " constant" if tensor.data is not None else " variable" if tensor.is_variable else ""
    return tensor.type.name.lower() + kind


def _shape(tensor: Tensor, screen: Screen) -> str:
    """The shape; a dimension that the file leaves open is said."""
    signature = tensor.shape_signature
    lengths = screen.times.join(map(str, tensor.shape)) if tensor.shape else "scalar"
    return f"{lengths} (stated: {screen.times.join(map(str, signature))})" if -1 in signature else lengths


def _scales(quantization: Quantization | None) -> str:
    if quantization is None or not quantization.scale:
        return ""
    if len(quantization.scale) > 1:
        return f"{len(quantization.scale)} scales along {quantization.quantized_dimension}"
    zero_point = quantization.zero_point[0] if quantization.zero_point else 0
    return f"scale {quantization.scale[0]:.6g}, zero point {zero_point}"


def _operators(subgraph: Subgraph, screen: Screen) -> Iterator[str]:
    rows = [
        (
            str(node.index),
            printable(node.name),
            str(node.version),
            ", ".join(_shape(tensor, screen) for tensor in node.inputs if tensor is not None),
            ", ".join(_shape(tensor, screen) for tensor in node.outputs),
            printable(_options_text(node.options)),
        )
        for node in subgraph.nodes
    ]
    columns = [
        Column("", right=True),
        Column("operator"),
        Column("v", right=True),
        Column("inputs", cut=END),
        Column("outputs", cut=END),
        Column("options", cut=END),
    ]
    yield from table(columns, rows, screen)


def _options_text(options: object | None) -> str:
    """What the options say beyond their defaults, the words before the numbers; padding is always said."""
    if not isinstance(options, Table):
        return ""
    fields = ((field, getattr(options, field.name)) for field in type(options).fields)
    said = {field.name: value for field, value in fields if field.name == "padding" or value != field.default}
    words = [value.name for value in said.values() if isinstance(value, Enum)]
    words += [name for name, value in said.items() if value is True]
    numbers = {name: value for name, value in said.items() if value is not True and not isinstance(value, Enum)}
    return " ".join(words + [f"{name}={_plain(value)}" for name, value in numbers.items() if not _says_nothing(name, value)])


def _says_nothing(name: str, value: object) -> bool:
    return value == 1 and name.startswith(("stride", "dilation", "depth_multiplier"))


def _cut(lines: Sequence[str], everything: bool, thing: str, screen: Screen) -> Iterator[str]:
    room = len(lines) if everything else SHORT_LIST + 1  # and the titles
    yield from lines[:room]
    if left := len(lines) - room if len(lines) > room else 0:
        yield screen.paint(f"  {screen.ellipsis} {plural(left, thing)} more (--all shows all, and the tensors)", DIM)


def _names(graph: Graph, screen: Screen) -> Iterator[str]:
    """Metadata and signatures."""
    if graph.metadata:
        yield ""
        yield screen.paint("Metadata", BOLD)
        sizes = [(printable(name), f"{len(data):,} bytes") for name, data in graph.metadata.items()]
        yield from table([Column("", cut=MIDDLE), Column("", right=True)], sizes, screen, titles=False)
    for signature in signatures(graph):
        yield ""
        key = printable(signature["key"])
        yield screen.paint(f"Signature {key!r} of subgraph {signature['subgraph']}", BOLD)
        rows = [
            (way, printable(name), f"tensor {index}")
            for way in ("inputs", "outputs")
            for name, index in signature[way].items()
        ]
        yield from table([Column(""), Column("", cut=MIDDLE), Column("")], rows, screen, titles=False)
