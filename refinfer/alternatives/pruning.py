"""Weights of which many are zero: a bit for each that says so, and the others one after the other.

The format is that of TFLM's operator TFLM_DECODE, which unpacks a layer's weights before it runs. Nothing is pruned
here: how many zeros there may be is for training to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import floor
from typing import NamedTuple

from refinfer.alternatives.weights import values_of, weights_of, zeros_in
from refinfer.kernels.common import is_affine
from refinfer.kernels.decode import HEADER_BYTES, METHOD, METHOD_VERSION, PRUNE, VERSION
from refinfer.rewrite import changed, without_metadata
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.schema.tables import Buffer, Model, Operator, OperatorCode, QuantizationParameters, SubGraph
from refinfer.schema.tables import Tensor as TensorTable
from refinfer.simulator.head import OFFLINE_PLAN

DECODE = "TFLM_DECODE"
UNPACKED = frozenset({TensorType.INT8, TensorType.INT16, TensorType.FLOAT32})  # of weights, by TFLM_DECODE


class Sparse(NamedTuple):
    """A tensor's weights of which `kept` are not zero."""

    tensor: Tensor
    kept: int

    @property
    def mask_bytes(self) -> int:
        """A bit for each weight."""
        return (self.tensor.elements + 7) // 8

    @property
    def value_bytes(self) -> int:
        """The weights that are not zero, behind a header."""
        return HEADER_BYTES + self.kept * values_of(self.tensor).itemsize


def prunable(graph: Graph) -> list[Tensor]:
    """The weights that TFLM_DECODE can unpack: scaled along their first or last dimension."""
    return [each for each in weights_of(graph) if each.type in UNPACKED and _has_axis(each)]


def _has_axis(tensor: Tensor) -> bool:
    """[decode_state_prune.cc: Setup]"""
    if tensor.quantization is None or not is_affine(tensor):
        return True
    axis, several = tensor.quantization.quantized_dimension, len(tensor.quantization.scale) > 1
    return axis == 0 or (several and axis == len(tensor.shape) - 1)


def sparse(graph: Graph, share: float) -> list[Sparse]:
    """The weights that take fewer bytes this way if that share of each tensor is zero, or more if more is already."""
    found = [
        Sparse(each, each.elements - max(zeros_in(each), floor(share * each.elements))) for each in prunable(graph)
    ]
    return [
        each
        for each in found
        if each.tensor.data is not None and each.mask_bytes + each.value_bytes < len(each.tensor.data)
    ]


def with_sparse(graph: Graph, weights: Sequence[Sparse]) -> Model:
    """The tables of the model with these weights stored sparse, and an operator in front of each that reads them.

    Masks and values are zeros: they change no size. An offline plan goes, since it is one for other tensors.
    """
    model = without_metadata(graph.model, OFFLINE_PLAN)
    codes = (*(model.operator_codes or ()), DECODE_CODE)
    buffers = list(model.buffers or ())
    chosen: defaultdict[int, dict[int, Sparse]] = defaultdict(dict)
    for each in weights:
        chosen[each.tensor.subgraph][each.tensor.index] = each
    subgraphs = tuple(
        _with_sparse(table, subgraph.nodes, chosen[subgraph.index], buffers, len(codes) - 1)
        for table, subgraph in zip(model.subgraphs or (), graph.subgraphs, strict=True)
    )
    return changed(model, subgraphs=subgraphs, buffers=tuple(buffers), operator_codes=codes)


def _with_sparse(
    table: SubGraph, nodes: Sequence[Node], chosen: dict[int, Sparse], buffers: list[Buffer], code: int
) -> SubGraph:
    tensors, operators = list(table.tensors or ()), []
    ancillaries: dict[int, int] = {}
    for node in nodes:
        inputs = list(node.table.inputs or ())
        packed = [position for position, index in enumerate(inputs) if index in chosen]
        if packed:
            decoded = {position: len(tensors) + place for place, position in enumerate(packed)}
            tensors += [_decoded(chosen[inputs[position]].tensor) for position in packed]
            pairs = []
            for position in packed:
                index = inputs[position]
                if index not in ancillaries:
                    ancillaries[index] = len(tensors)
                    tensors.append(_ancillary(chosen[index], len(buffers)))
                    buffers.append(Buffer(data=memoryview(HEADER + bytes(chosen[index].value_bytes - HEADER_BYTES))))
                pairs += [index, ancillaries[index]]
                inputs[position] = decoded[position]
            operators.append(Operator(opcode_index=code, inputs=tuple(pairs), outputs=tuple(decoded.values())))
        operators.append(changed(node.table, inputs=tuple(inputs)) if packed else node.table)
    for index, each in chosen.items():
        tensors[index] = changed(
            each.tensor.table, type=TensorType.UINT8, shape=(each.mask_bytes,), quantization=None, shape_signature=None
        )
        buffers[each.tensor.table.buffer] = Buffer(data=memoryview(bytes(each.mask_bytes)))
    return changed(table, tensors=tuple(tensors), operators=tuple(operators))


def _decoded(tensor: Tensor) -> TensorTable:
    return changed(tensor.table, buffer=0, name=f"{tensor.name}_decoded")


def _ancillary(weights: Sparse, buffer: int) -> TensorTable:
    return TensorTable(
        shape=(weights.value_bytes,),
        type=TensorType.UINT8,
        buffer=buffer,
        name=f"{weights.tensor.name}_ancillary",
        has_rank=True,
        quantization=QuantizationParameters(),
    )


HEADER = bytes({METHOD: PRUNE, VERSION: 1, METHOD_VERSION: 1}.get(place, 0) for place in range(HEADER_BYTES))
DECODE_CODE = OperatorCode(
    deprecated_builtin_code=BuiltinOperator.CUSTOM, custom_code=DECODE, builtin_code=BuiltinOperator.CUSTOM
)
