"""The same network in other types: what a converter would have written had it been asked for them.

Which type a tensor gets follows from its part in the network: values that flow, weights, biases, or a state that an
operator keeps in 16 bits. Operators stay as they are, but for those that did nothing but change a type that no longer
changes. Values are not converted: constants are zeros and scales are such as kernels accept, since what a model takes
depends on how many there are and not on what they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from refinfer.alternatives.weights import PARTS
from refinfer.rewrite import changed, without_metadata, without_unused_tensors
from refinfer.schema.compression import COMPRESSION_METADATA
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Graph, Node, Subgraph, Tensor
from refinfer.schema.resolve import BITS
from refinfer.schema.tables import Buffer, Model, Operator, OperatorCode, QuantizationParameters, SubGraph
from refinfer.schema.tables import Tensor as TensorTable
from refinfer.simulator.head import OFFLINE_PLAN

QUANTIZE, DEQUANTIZE = BuiltinOperator.QUANTIZE, BuiltinOperator.DEQUANTIZE
FLOAT16, FLOAT32 = TensorType.FLOAT16, TensorType.FLOAT32
INT8, INT16, INT32, INT64 = TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64


class Part(Enum):
    """What a tensor is to the operators around it; the value is its place in a `Form`."""

    VALUES = 0
    WEIGHTS = 1
    BIASES = 2
    STATE = 3


class Form(NamedTuple):
    """The types of a network, one for each part. Weights of fewer than `least_weights` elements remain float32.

    If it is `halved`, constants are float16 and operators make float32 of them.
    """

    values: TensorType
    weights: TensorType
    biases: TensorType
    state: TensorType
    least_weights: int = 0
    halved: bool = False

    @property
    def types(self) -> tuple[TensorType, ...]:
        """By the value of a part."""
        return self.values, self.weights, self.biases, self.state


class Role(NamedTuple):
    """A tensor's part, and how many scales it has as an integer, along which axis."""

    part: Part = Part.VALUES
    scales: int = 1
    axis: int = 0


Aliases = Mapping[int, int]
"""Tensors of a subgraph that become one with another: those that only a change of type had told apart."""


def form_of(graph: Graph) -> str | None:
    """The name of the form that a network has; None if it has none of them throughout."""
    types: dict[Part, set[TensorType]] = {part: set() for part in Part}
    for subgraph in graph.subgraphs:
        roles = roles_of(subgraph, unpacked(subgraph))
        for tensor in subgraph.tensors:
            part = roles.get(tensor.index, Role()).part
            if is_real(tensor, part) and tensor.elements > 0:
                types[part].add(tensor.type)
    weights = types[Part.WEIGHTS]
    if FLOAT16 in weights | types[Part.VALUES]:
        return "float16"
    match types[Part.VALUES]:
        case values if values == {FLOAT32}:
            return "dynamic" if INT8 in weights else "float"
        case values if values == {INT8}:
            return "int8"
        case values if values == {INT16}:
            return "int16x8"
    return None


def in_form(graph: Graph, form: Form) -> Model:
    """The tables of the network with these types. An offline plan goes, since it is one for other sizes."""
    model = without_metadata(without_metadata(graph.model, OFFLINE_PLAN), COMPRESSION_METADATA)
    codes, buffers = list(model.operator_codes or ()), Buffers(replace(graph, model=model))
    rewritten = [
        Rewriting(subgraph, form, buffers).table(table, codes)
        for subgraph, table in zip(graph.subgraphs, model.subgraphs or (), strict=True)
    ]
    return without_unused_tensors(
        changed(model, subgraphs=tuple(rewritten), buffers=tuple(buffers.all), operator_codes=tuple(codes))
    )


class Buffers:
    """The buffers of a model, some of them of a new size."""

    def __init__(self, graph: Graph) -> None:
        self.all = list(graph.model.buffers or (Buffer(),))
        self._homes: dict[tuple[int, int], int] = {}
        self._users = Counter(tensor.table.buffer for tensor in graph.tensors)

    def home(self, old: int, nbytes: int) -> int:
        """Where a constant of that buffer goes that now takes so many bytes; those that shared one still do."""
        if (old, nbytes) not in self._homes:
            home = old if self._users[old] == 1 else len(self.all)
            self.all[home : home + 1] = [Buffer(data=memoryview(bytes(nbytes)))]
            self._homes[old, nbytes] = home
        return self._homes[old, nbytes]


# Which tensor is what


def unpacked(subgraph: Subgraph) -> Aliases:
    """The outputs of operators that bring constants into float32, as those constants."""
    return {
        node.outputs[0].index: x.index
        for node in subgraph.nodes
        if node.op == DEQUANTIZE and (x := node.inputs[0]) is not None and x.data is not None
    }


def roles_of(subgraph: Subgraph, aliases: Aliases) -> dict[int, Role]:
    """The roles of all tensors that are more than values."""
    found: dict[int, Role] = {}
    for node in subgraph.nodes:
        parts = PARTS.get(node.op)
        if parts is None:
            continue
        inputs = [x and subgraph.tensors[aliases.get(x.index, x.index)] for x in node.inputs]
        scales = 1
        for position, x in enumerate(inputs):
            if x is None:
                continue
            if position in parts.weights and x.data is not None:
                scales = _scales_of(x, parts.axis)
                found[x.index] = Role(Part.WEIGHTS, scales, parts.axis or 0)
            elif position in parts.biases and x.data is not None:
                found[x.index] = Role(Part.BIASES, scales)
            elif position in parts.state:
                found[x.index] = Role(Part.STATE)
    return found


def _scales_of(weights: Tensor, axis: int | None) -> int:
    """As many as they have, if they have any; else one for each slice along the axis."""
    if weights.quantization is not None and weights.quantization.scale:
        return len(weights.quantization.scale)
    return weights.shape[axis] if axis is not None and axis < len(weights.shape) else 1


def is_real(tensor: Tensor, part: Part) -> bool:
    """Whether the tensor stands for real numbers, as floats or by a scale. Biases do, with a scale or without."""
    if tensor.type in (FLOAT16, FLOAT32):
        return True
    scaled = tensor.quantization is not None and len(tensor.quantization.scale) > 0
    return tensor.type in INTEGERS and (scaled or part is Part.BIASES)


# The rewriting


class Rewriting:
    """A subgraph on its way to another form."""

    def __init__(self, subgraph: Subgraph, form: Form, buffers: Buffers) -> None:
        self.subgraph, self.form, self.buffers = subgraph, form, buffers
        constants = unpacked(subgraph)
        self.roles = roles_of(subgraph, constants)
        self.fixed = {y.index: FIXED[node.op] for node in subgraph.nodes if node.op in FIXED for y in node.outputs}
        self.types = [self._type(each) for each in subgraph.tensors]
        self.aliases = {**constants, **dict(self._needless())}
        self.tensors = [self._tensor(each) for each in subgraph.tensors]

    def table(self, table: SubGraph, codes: list[OperatorCode]) -> SubGraph:
        """The subgraph's table; a code of an operator that it did not have is added to `codes`."""
        nodes = [node for node in self.subgraph.nodes if not any(y.index in self.aliases for y in node.outputs)]
        operators = [self._operator(node) for node in nodes]
        if self.form.halved:
            operators = [*self._halved(codes), *operators]
        return changed(
            table,
            tensors=tuple(self.tensors),
            operators=tuple(operators),
            outputs=tuple(self._found(each.index) for each in self.subgraph.outputs),
        )

    def _role(self, tensor: Tensor) -> Role:
        return self.roles.get(tensor.index, Role())

    def _type(self, tensor: Tensor) -> TensorType:
        part = self._role(tensor).part
        if not is_real(tensor, part):
            return tensor.type
        small = part is Part.WEIGHTS and tensor.elements < self.form.least_weights
        return FLOAT32 if small else self.form.types[part.value]

    def _needless(self) -> Iterator[tuple[int, int]]:
        """The outputs of operators that changed the type of their input, which now is that type."""
        for node in self.subgraph.nodes:
            x = node.inputs[0] if node.op in (QUANTIZE, DEQUANTIZE) else None
            if x is None:
                continue
            y, type = node.outputs[0], self.types[x.index]
            if self.types[y.index] == type and (x.type != y.type or type == FLOAT32):
                yield y.index, x.index

    def _found(self, index: int) -> int:
        """The tensor that this one now is."""
        while index in self.aliases:
            index = self.aliases[index]
        return index

    def _tensor(self, tensor: Tensor) -> TensorTable:
        role, type = self._role(tensor), self.types[tensor.index]
        if not is_real(tensor, role.part) or tensor.elements == 0:
            return tensor.table
        quantization = _quantization(tensor, type, role, self.fixed.get(tensor.index))
        table = changed(tensor.table, type=type, quantization=quantization)
        if tensor.data is None or self.form.halved or type == tensor.type:
            return table
        return changed(table, buffer=self.buffers.home(tensor.table.buffer, (tensor.elements * BITS[type] + 7) // 8))

    def _operator(self, node: Node) -> Operator:
        table = node.table
        inputs = [each if each < 0 else self._found(each) for each in table.inputs or ()]
        wanted = PARTS[node.op].intermediates if node.op in PARTS and self.form.biases in (INT32, INT64) else 0
        intermediates = table.intermediates
        if len(intermediates or ()) != wanted:
            first = len(self.tensors)
            self.tensors += [SCALE_ALONE] * wanted
            intermediates = tuple(range(first, first + wanted)) or None
        return changed(table, inputs=tuple(inputs), intermediates=intermediates)

    def _halved(self, codes: list[OperatorCode]) -> Iterator[Operator]:
        """Operators that bring each constant from float16 into float32."""
        for tensor in self.subgraph.tensors:
            if tensor.data is None or self.types[tensor.index] != FLOAT32:
                continue
            table = self.tensors[tensor.index]
            home = self.buffers.home(tensor.table.buffer, 2 * tensor.elements)
            self.tensors.append(changed(table, type=FLOAT16, buffer=home))
            self.tensors[tensor.index] = changed(table, buffer=0)
            yield Operator(
                opcode_index=_code_of(DEQUANTIZE, codes), inputs=(len(self.tensors) - 1,), outputs=(tensor.index,)
            )


def _quantization(tensor: Tensor, type: TensorType, role: Role, fixed: Fixed | None) -> QuantizationParameters | None:
    """Scales and zero points for an integer type: as many as there are, or else as many as the role has."""
    table = tensor.table.quantization
    if type in (FLOAT16, FLOAT32):
        return table if type == tensor.type else QuantizationParameters()
    scale, zero_point = fixed if fixed is not None and type == INT8 else SCALES[type, role.part]
    if type == tensor.type and table is not None and table.scale:
        count, points = len(table.scale), len(table.zero_point or ())
        return changed(table, scale=(scale,) * count, zero_point=(zero_point,) * points)
    return QuantizationParameters(
        scale=(scale,) * role.scales, zero_point=(zero_point,) * role.scales, quantized_dimension=role.axis
    )


def _code_of(op: BuiltinOperator, codes: list[OperatorCode]) -> int:
    """The index of the operator's code, which is added if there is none."""
    for index, code in enumerate(codes):
        if max(code.builtin_code, code.deprecated_builtin_code) == op:
            return index
    codes.append(OperatorCode(deprecated_builtin_code=op, builtin_code=op))
    return len(codes) - 1


INTEGERS = frozenset({TensorType.INT4, INT8, TensorType.UINT8, INT16, INT32, INT64})

FORMS = {
    "float": Form(FLOAT32, FLOAT32, FLOAT32, FLOAT32),
    "float16": Form(FLOAT32, FLOAT32, FLOAT32, FLOAT32, halved=True),
    "dynamic": Form(FLOAT32, INT8, FLOAT32, FLOAT32, least_weights=1024),
    "int8": Form(INT8, INT8, INT32, INT16),
    "int16x8": Form(INT16, INT8, INT64, INT16),
}
"""The kinds of files that TensorFlow's converter makes, by their names here."""

Fixed = tuple[float, int]
SCALES: dict[tuple[TensorType, Part], Fixed] = {
    (INT8, Part.VALUES): (2**-8, -128),
    (INT16, Part.VALUES): (2**-15, 0),
    (INT8, Part.WEIGHTS): (2**-8, 0),
    (INT32, Part.BIASES): (2**-23, 0),
    (INT64, Part.BIASES): (2**-23, 0),
    (INT16, Part.STATE): (2**-15, 0),
}
"""Scales and zero points that go together: kernels compare those of inputs, outputs and biases."""

FIXED: dict[BuiltinOperator, Fixed] = {
    BuiltinOperator.TANH: (2**-7, 0),
    BuiltinOperator.L2_NORMALIZATION: (2**-7, 0),
    BuiltinOperator.LOG_SOFTMAX: (2**-4, 127),
}
"""What int8 outputs have by the operators' specification, where it is not 2**-8 and -128."""

SCALE_ALONE = TensorTable(
    shape=(0,), name="intermediate", has_rank=True, quantization=QuantizationParameters(scale=(1.0,), zero_point=(0,))
)
