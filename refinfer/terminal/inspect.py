"""`refinfer inspect`: what is in the file, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from refinfer.schema.flatbuffer import Table
from refinfer.schema.graph import Graph, Quantization, Subgraph, Tensor
from refinfer.simulator.report import model_to_dict
from refinfer.terminal.description import operator_counts, plain, resolver, signatures, warnings
from refinfer.terminal.names import model_name
from refinfer.terminal.text import (
    BOLD,
    DIM,
    END,
    MIDDLE,
    YELLOW,
    Column,
    Screen,
    both,
    painted,
    plural,
    printable,
    table,
)

SHORT_LIST = 24  # rows of a list unless --all is given


def inspect_lines(graph: Graph, everything: bool, screen: Screen) -> Iterator[str]:
    """The whole of it."""
    yield from _file(graph, screen)
    for message in warnings(graph):
        yield from painted(f"warning: {printable(message)}", screen, YELLOW, indent="    ", first="  ")
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
    yield from painted(f"{model_name(graph)}: {both(len(graph.file))}", screen, BOLD)
    rows = [
        ("sha256", model_to_dict(graph)["sha256"]),
        ("version", str(graph.model.version)),
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
    yield from painted(f"Subgraph {subgraph.index}{name}", screen, BOLD)
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
    words += [f"{name}={plain(value)}" for name, value in numbers.items() if not _says_nothing(name, value)]
    return " ".join(words)


def _says_nothing(name: str, value: object) -> bool:
    return value == 1 and name.startswith(("stride", "dilation", "depth_multiplier"))


def _cut(lines: Sequence[str], everything: bool, thing: str, screen: Screen) -> Iterator[str]:
    room = len(lines) if everything else SHORT_LIST + 1  # and the titles
    yield from lines[:room]
    if left := len(lines) - room if len(lines) > room else 0:
        yield screen.paint(
            f"  {screen.ellipsis} {plural(left, f'more {thing}')} (--all shows all, and the tensors)", DIM
        )


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
        yield from painted(f"Signature {key!r} of subgraph {signature['subgraph']}", screen, BOLD)
        rows = [
            (way, printable(name), f"tensor {index}")
            for way in ("inputs", "outputs")
            for name, index in signature[way].items()
        ]
        yield from table([Column(""), Column("", cut=MIDDLE), Column("")], rows, screen, titles=False)
