"""Nodes made by hand, and what a kernel says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from flatbuffers import flexbuffers

from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, Scratch, Temp
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.registry import kernel_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Quantization, Tensor

CORTEX_M4, X86_64 = Build(Abi(pointer=4, enum=1)), Build(Abi(pointer=8, enum=4))
RELEASE = Build(Abi(pointer=4, enum=1), frozenset({"NDEBUG"}))
FLOAT32, INT8, INT16, INT32 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16, TensorType.INT32

_indices = count()


def tensor(
    of: TensorType,
    *shape: int,
    scale: float | Iterable[float] = (),
    zero_point: int = 0,
    axis: int = 0,
    data: bytes | None = None,
    is_variable: bool = False,
) -> Tensor:
    """A tensor; with a scale, or several along `axis`, it is quantized."""
    scales = (scale,) if isinstance(scale, float) else tuple(scale)
    quantization = Quantization(scales, (zero_point,) * len(scales), axis) if scales else None
    constant = None if data is None else memoryview(data)
    return Tensor(0, next(_indices), "", of, shape, shape, constant, quantization, is_variable)


def node(
    op: BuiltinOperator,
    inputs: Iterable[Tensor | None],
    outputs: Tensor | Iterable[Tensor],
    options: object | None = None,
) -> Node:
    """A node of a builtin operator."""
    results = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    return Node(0, 0, op, None, 1, tuple(inputs), results, (), options, memoryview(b""))


def custom(
    code: str, inputs: Iterable[Tensor | None], outputs: Tensor | Iterable[Tensor], options: Mapping[str, object] | None
) -> Node:
    """A node of a custom operator, its options a FlexBuffers map."""
    results = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    written = b"" if options is None else bytes(flexbuffers.Dumps(options))
    return Node(0, 0, BuiltinOperator.CUSTOM, code, 1, tuple(inputs), results, (), None, memoryview(written))


def kernel(of: Node) -> Kernel:
    """The kernel of the node."""
    found = kernel_of(of)
    assert found is not None
    return found


def initialized(of: Node, build: Build = CORTEX_M4) -> list[int]:
    """The bytes of tail that its Init asks for."""
    return [request.nbytes for request in kernel(of).init(of, build) if isinstance(request, Persistent)]


def prepared(of: Node, build: Build = CORTEX_M4) -> list[Request]:
    """What its Prepare asks for."""
    return list(kernel(of).prepare(of, build))


def persistent(of: Node, build: Build = CORTEX_M4) -> list[int]:
    """The bytes of tail that its Prepare asks for."""
    return [request.nbytes for request in prepared(of, build) if isinstance(request, Persistent)]


def scratch(of: Node, build: Build = CORTEX_M4) -> list[int]:
    """The bytes of the scratch buffers that its Prepare asks for."""
    return [request.nbytes for request in prepared(of, build) if isinstance(request, Scratch)]


def looked_at(of: Node) -> list[Tensor | None]:
    """The tensors of which its Prepare has temporary structs, in order."""
    return [request.tensor for request in prepared(of) if isinstance(request, Temp)]


def refused(of: Node, build: Build = CORTEX_M4) -> str | None:
    """Why Prepare refuses it, if it does."""
    try:
        prepared(of, build)
    except Refusal as refusal:
        return refusal.reason
    return None


def refused_by_invoke(of: Node) -> str | None:
    """Why Invoke refuses it, if it does."""
    try:
        kernel(of).invoke(of)
    except Refusal as refusal:
        return refusal.reason
    return None
