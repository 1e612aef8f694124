"""Small models as bytes: an operator or a few, with the tensors, options and version that a test asks for.

Needs the package `flatbuffers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from refinfer.kernels.compute import PACKED_BITS, dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema import tables
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import BUILTIN_OPTIONS, BUILTIN_OPTIONS_2
from refinfer.schema.writer import write

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SCHEMA_VERSION = 3
NAMES_END = 127  # codes from here on do not fit the deprecated field, which then holds this number


@dataclass(frozen=True, eq=False)
class TensorSpec:
    """A tensor of a model to be built.

    `data` makes it a constant (its dtype must be that of `type`; int4 and int2 are given a byte a value). `scale` and
    `zero_point` quantize it, along `axis` if there are several. With `sparsity` the data are the stored values alone.
    The name may be left empty.
    """

    type: TensorType
    shape: tuple[int, ...]
    scale: Sequence[float] = ()
    zero_point: Sequence[int] = ()
    axis: int = 0
    data: Array | None = None
    is_variable: bool = False
    name: str = ""
    sparsity: tables.SparsityParameters | None = None


@dataclass(frozen=True, eq=False)
class NodeSpec:
    """An operator of a model to be built: a builtin, or a custom one by its code. None leaves an input out."""

    op: BuiltinOperator | str
    inputs: Sequence[TensorSpec | None]
    outputs: Sequence[TensorSpec]
    options: Table | None = None
    version: int = 1
    custom_options: bytes = b""
    intermediates: Sequence[TensorSpec] = ()


@dataclass(frozen=True, eq=False)
class SubgraphSpec:
    """A subgraph to be built. A TensorSpec is one tensor wherever it occurs."""

    nodes: Sequence[NodeSpec]
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]


def one_op_model(
    op: BuiltinOperator | str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: Table | None = None,
    *,
    version: int = 1,
    custom_options: bytes = b"",
    intermediates: Sequence[TensorSpec] = (),
) -> bytes:
    """A model of one operator, whose inputs are those of the operator that are neither constant nor variable."""
    node = NodeSpec(op, inputs, outputs, options, version, custom_options, intermediates)
    given = [each for each in inputs if each is not None and each.data is None and not each.is_variable]
    return build(SubgraphSpec([node], list(dict.fromkeys(given)), outputs))


def build(*subgraphs: SubgraphSpec) -> bytes:
    """The bytes of a model of these subgraphs; the first is the main one."""
    parts = Parts()
    graphs = tuple(parts.subgraph(each) for each in subgraphs)
    return write(
        tables.Model(
            version=SCHEMA_VERSION,
            operator_codes=tuple(parts.codes),
            subgraphs=graphs,
            description="refinfer.testing",
            buffers=tuple(parts.buffers),
        )
    )


@dataclass
class Parts:
    """What the subgraphs of a model share, as it grows."""

    codes: list[tables.OperatorCode] = field(default_factory=list)
    buffers: list[tables.Buffer] = field(default_factory=lambda: [tables.Buffer()])

    def subgraph(self, spec: SubgraphSpec) -> tables.SubGraph:
        """The table of a subgraph; its codes and buffers are added."""
        numbers: dict[TensorSpec, int] = {}
        for each in (*spec.inputs, *(t for node in spec.nodes for t in _tensors_of(node)), *spec.outputs):
            numbers.setdefault(each, len(numbers))
        return tables.SubGraph(
            tensors=tuple(self.tensor(each, number) for each, number in numbers.items()),
            inputs=tuple(numbers[each] for each in spec.inputs),
            outputs=tuple(numbers[each] for each in spec.outputs),
            operators=tuple(self.operator(node, numbers) for node in spec.nodes),
            name="main",
        )

    def tensor(self, spec: TensorSpec, number: int) -> tables.Tensor:
        """The table of a tensor; its buffer is added."""
        buffer = 0
        if spec.data is not None:
            buffer = len(self.buffers)
            self.buffers.append(tables.Buffer(data=_packed(spec)))
        quantization = None
        if len(spec.scale):
            quantization = tables.QuantizationParameters(
                scale=tuple(float(each) for each in spec.scale),
                zero_point=tuple(int(each) for each in spec.zero_point) or (0,) * len(spec.scale),
                quantized_dimension=spec.axis,
            )
        return tables.Tensor(
            shape=tuple(int(each) for each in spec.shape),
            type=spec.type,
            buffer=buffer,
            name=spec.name or f"tensor_{number}",
            quantization=quantization,
            is_variable=spec.is_variable,
            sparsity=spec.sparsity,
        )

    def operator(self, node: NodeSpec, numbers: dict[TensorSpec, int]) -> tables.Operator:
        """The table of an operator; its code is added."""
        self.codes.append(_code(node))
        return tables.Operator(
            opcode_index=len(self.codes) - 1,
            inputs=tuple(-1 if each is None else numbers[each] for each in node.inputs),
            outputs=tuple(numbers[each] for each in node.outputs),
            custom_options=node.custom_options or None,
            intermediates=tuple(numbers[each] for each in node.intermediates) or None,
            **_options(node.options),
        )


def _tensors_of(node: NodeSpec) -> list[TensorSpec]:
    return [each for each in (*node.inputs, *node.intermediates, *node.outputs) if each is not None]


def _code(node: NodeSpec) -> tables.OperatorCode:
    if isinstance(node.op, str):
        op, custom_code = BuiltinOperator.CUSTOM, node.op
        return tables.OperatorCode(
            deprecated_builtin_code=int(op), custom_code=custom_code, version=node.version, builtin_code=op
        )
    return tables.OperatorCode(
        deprecated_builtin_code=min(int(node.op), NAMES_END), version=node.version, builtin_code=node.op
    )


def _options(options: Table | None) -> dict[str, Any]:
    if options is None:
        return {}
    for name, members in (("builtin_options", BUILTIN_OPTIONS), ("builtin_options_2", BUILTIN_OPTIONS_2)):
        if type(options) in members:
            return {name: options, f"{name}_type": members.index(type(options)) + 1}
    raise TypeError(f"{type(options).__name__} is not a table of operator options")


def _packed(spec: TensorSpec) -> bytes:
    """The bytes of a constant; int4 two to a byte and int2 four, the first in the lowest bits."""
    assert spec.data is not None
    values = np.ascontiguousarray(spec.data, dtype_of(spec.type)).reshape(-1)
    if spec.type not in PACKED_BITS:
        return values.tobytes()
    bits = PACKED_BITS[spec.type]
    whole = np.append(values, np.zeros(-len(values) % (8 // bits), np.int8)).astype(np.uint8) & (2**bits - 1)
    shifted = whole.reshape(-1, 8 // bits) << np.arange(0, 8, bits, dtype=np.uint8)
    return bytes(shifted.sum(axis=1, dtype=np.uint8))
