"""Models of one operator, written by FlatBuffers' own builder: for what no model of the corpus shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder


class SmallTensor(NamedTuple):
    """A tensor. `scales` are how many scales it has, all of them 0.5; `data` is given to constants."""

    shape: Sequence[int]
    type: int = schema.TensorType.FLOAT32
    scales: int = 0
    data: bytes = b""


def model_of(
    operator: int, inputs: Sequence[SmallTensor], output: SmallTensor, *, indices: Sequence[int] = (), version: int = 1
) -> bytes:
    """A model of one operator without options; `indices` are its inputs, if not all tensors but the output in order."""
    tensors = (*inputs, output)
    node = schema.OperatorT(opcodeIndex=0, inputs=list(indices or range(len(inputs))), outputs=[len(inputs)])
    graph = schema.SubGraphT(
        tensors=[_tensor(tensor, index + 1) for index, tensor in enumerate(tensors)],
        inputs=[index for index, tensor in enumerate(inputs) if not tensor.data],
        outputs=[len(inputs)],
        operators=[node],
    )
    code = schema.OperatorCodeT(builtinCode=operator, deprecatedBuiltinCode=min(operator, 127), version=version)
    buffers = [schema.BufferT(), *(_buffer(tensor.data) for tensor in tensors)]
    model = schema.ModelT(version=3, operatorCodes=[code], subgraphs=[graph], buffers=buffers)
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(tensor: SmallTensor, buffer: int) -> Any:
    scales = {"scale": [0.5] * tensor.scales, "zeroPoint": [0] * tensor.scales}
    quantization = schema.QuantizationParametersT(**scales) if tensor.scales else None
    return schema.TensorT(shape=list(tensor.shape), type=tensor.type, buffer=buffer, quantization=quantization)


def _buffer(data: bytes) -> Any:
    return schema.BufferT(data=np.frombuffer(data, np.uint8)) if data else schema.BufferT()
