"""Models made by hand, for what no real model at hand has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from refinfer.schema.enums import BuiltinOperator, TensorType


@dataclass(frozen=True)
class MadeTensor:
    """A tensor of a model to be made; `scales` along `axis` quantize it, with one zero point for all."""

    type: TensorType
    shape: tuple[int, ...]
    data: bytes = b""
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    is_variable: bool = False


@dataclass(frozen=True)
class MadeOperator:
    """An operator by builtin or custom code; tensors by index, -1 for one that is left out.

    `options` is an object of the LiteRT wheel (AddOptionsT), `custom` the map of a custom operator.
    """

    code: BuiltinOperator | str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: object | None = None
    custom: Mapping[str, object] | None = None


@dataclass(frozen=True)
class MadeSubgraph:
    """A subgraph of a model to be made."""

    tensors: Sequence[MadeTensor]
    operators: Sequence[MadeOperator]
    inputs: Sequence[int]
    outputs: Sequence[int]


@dataclass
class Maker:
    """Collects the lists that subgraphs share."""

    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[BuiltinOperator | str] = field(default_factory=list)

    def subgraph(self, made: MadeSubgraph) -> Any:
        written = schema.SubGraphT()
        written.tensors = [self.tensor(each) for each in made.tensors]
        written.operators = [self.operator(each) for each in made.operators]
        written.inputs, written.outputs = list(made.inputs), list(made.outputs)
        return written

    def tensor(self, made: MadeTensor) -> Any:
        written = schema.TensorT()
        written.type, written.shape, written.isVariable = int(made.type), list(made.shape), made.is_variable
        if made.data:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(made.data, np.uint8)
            written.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if made.scales:
            quantization = schema.QuantizationParametersT()
            quantization.scale = list(made.scales)
            quantization.zeroPoint = [made.zero_point] * len(made.scales)
            quantization.quantizedDimension = made.axis
            written.quantization = quantization
        return written

    def operator(self, made: MadeOperator) -> Any:
        written = schema.OperatorT()
        if made.code not in self.codes:
            self.codes.append(made.code)
        written.opcodeIndex = self.codes.index(made.code)
        written.inputs, written.outputs = list(made.inputs), list(made.outputs)
        if made.options is not None:
            written.builtinOptionsType = getattr(schema.BuiltinOptions, type(made.options).__name__.removesuffix("T"))
            written.builtinOptions = made.options
        if made.custom is not None:
            written.customOptions = np.frombuffer(bytes(flexbuffers.Dumps(made.custom)), np.uint8)
        return written

    def code(self, code: BuiltinOperator | str) -> Any:
        written = schema.OperatorCodeT()
        written.version = 1
        custom = isinstance(code, str)
        written.customCode = code if custom else None
        written.builtinCode = int(BuiltinOperator.CUSTOM if isinstance(code, str) else code)
        written.deprecatedBuiltinCode = min(written.builtinCode, 127)
        return written


def make(*subgraphs: MadeSubgraph) -> bytes:
    """The bytes of a model with these subgraphs."""
    maker, model = Maker(), schema.ModelT()
    model.version = 3
    model.subgraphs = [maker.subgraph(each) for each in subgraphs]
    model.operatorCodes = [maker.code(each) for each in maker.codes]
    model.buffers = maker.buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def make_one(
    code: BuiltinOperator | str,
    inputs: Sequence[MadeTensor],
    outputs: Sequence[MadeTensor],
    options: object | None = None,
    custom: Mapping[str, object] | None = None,
) -> bytes:
    """The bytes of a model of one operator; its inputs without data are those of the model."""
    places = range(len(inputs) + len(outputs))
    taken, given = places[: len(inputs)], places[len(inputs) :]
    fed = [place for place, each in zip(taken, inputs, strict=True) if not each.data and not each.is_variable]
    operator = MadeOperator(code, taken, given, options, custom)
    return make(MadeSubgraph([*inputs, *outputs], [operator], fed, given))


def options(name: str, **fields: object) -> Any:
    """An options object of the LiteRT wheel, by the table's name."""
    written = getattr(schema, f"{name}T")()
    for key, value in fields.items():
        setattr(written, key, value)
    return written
