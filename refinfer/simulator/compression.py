"""Models with compressed weights: what TFLM keeps of them in the arena, and which operators misread them.

Only builds with USE_TFLM_COMPRESSION look at the metadata. All others, and in these the operators without code for
it, take the indices of a compressed tensor for its values: they neither notice nor complain, they read past the end
of what the file holds, and what they compute means nothing. We call that a refusal by Invoke, since nobody can use
such a model, although TFLM would run it.

Source: tensorflow/lite/micro/micro_allocator.cc, micro_context.cc.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from refinfer.kernels.common import USE_TFLM_COMPRESSION, type_size
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.layout import POINTER, Build
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.simulator import structs
from refinfer.simulator.arena import Move, Section
from refinfer.simulator.refused import Refused

COMPRESSION = "Persistent compression data"
"""The line of TFLM's own report [recording_micro_allocator.cc]."""


def compression_data(graph: Graph, build: Build) -> Iterator[Move]:
    """[micro_allocator.cc: AllocateCompressedTensorsList]; raises Refused for what TFLM's decompression cannot do."""
    if USE_TFLM_COMPRESSION not in build.defines or graph.compressed is None:
        return
    if not graph.compressed:
        raise Refused("load", "Compression: zero length Subgraph vector")
    for subgraph, compressed in zip(graph.subgraphs, graph.compressed, strict=False):
        if not compressed:
            raise Refused("load", "Compression: zero length LutTensor vector")
        for position, tensor in enumerate(compressed):
            yield _move(tensor, "CompressionTensorData", *build.size_align(structs.COMPRESSION_TENSOR_DATA))
            yield _move(tensor, "LookupTableData", *build.size_align(structs.LOOKUP_TABLE_DATA))
            _check_tensor(tensor)
            if position == 0:
                (size, align), count = build.size_align(POINTER), len(subgraph.tensors)
                list_of_all = _move(tensor, f"{count} pointers to CompressionTensorData", count * size, align)
                yield list_of_all._replace(tensor=None)


def _move(tensor: Tensor, what: str, nbytes: int, align: int) -> Move:
    source = "micro_allocator.cc: AllocateCompressedTensorsList"
    return Move(Section.TAIL, what, nbytes, align, source, COMPRESSION, 1, tensor.subgraph, None, tensor.index)


def _check_tensor(tensor: Tensor) -> None:
    """[micro_allocator.cc: InitializeCompressionTensorDataFromFlatbuffer]"""
    if not tensor.has_shape:
        raise Refused("load", "Compression: scalar tensors not supported", None, tensor)
    try:
        type_size(tensor)
    except Refusal as refusal:
        raise Refused("load", f"Compression: failed to get tensor type size: {refusal.reason}", None, tensor) from None
    if tensor.quantization is not None and len(tensor.quantization.scale) > 1:
        axis = tensor.quantization.quantized_dimension
        if axis not in (0, len(tensor.shape) - 1):
            raise Refused("load", f"Compression: unsupported quantization axis {axis}", None, tensor)


def misread(graph: Graph, build: Build, decompressed: Collection[tuple[Node, int]]) -> Refused | None:
    """The first operator that takes a compressed tensor for a plain one, if any.

    `decompressed` are the inputs, as node and index of the tensor, that their kernels asked to have decompressed.
    """
    if graph.compressed is None:
        return None
    for node in graph.nodes:
        for tensor in node.inputs:
            if tensor is None or tensor.lookup is None:
                continue
            if USE_TFLM_COMPRESSION not in build.defines:
                return Refused("invoke", f"{UNAWARE}: this build has no {USE_TFLM_COMPRESSION}", node, tensor)
            if (node, tensor.index) not in decompressed:
                return Refused("invoke", f"{UNAWARE}: {node.name} has no code for it", node, tensor)
            if tensor.type not in DECOMPRESSED_TYPES:
                return Refused("invoke", f"Unsupported decompression tensor type {tensor.type.name}", node, tensor)
    return None


UNAWARE = "the tensor is compressed, and TFLM would silently take its indices for values"
DECOMPRESSED_TYPES = (
    TensorType.BOOL,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
    TensorType.FLOAT32,
)
"""[micro_context.cc: DecompressTensorToBuffer]"""
