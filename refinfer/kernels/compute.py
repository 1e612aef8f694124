"""What an operator computes: the vocabulary in which every kernel states its arithmetic.

A kernel's arithmetic comes in two steps, as in the runtimes. *Fold* looks at the node once, when the model is loaded:
float scales become multipliers and shifts, options become numbers, constants are brought into shape. What it gives is
a function of arrays, which is then *evaluated* on every invoke. After the fold there are no float scales; in the fold
there are no activations.

No kernel knows which runtime it serves. Where runtimes compute an operator in different ways, there are two rows;
where they differ in one rounding, the rounding is a function in `Numerics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from refinfer.kernels.arithmetic.lut import look_up, unpack_bits
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.sparsity import dense
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from refinfer.kernels.numerics import Numerics

    Array = NDArray[Any]


class Aborted(Exception):
    """An operator ended the run before the model's end, which is no error: there are no outputs this time."""


Shape = tuple[int, ...]
Evaluate = Callable[..., "tuple[Array, ...]"]
"""One array for each input of the node (None for one that is left out) → one for each output.

Inputs are never written to, but for variable tensors, whose arrays are the interpreter's memory of them: a kernel
updates those in place.
"""
Fold = Callable[[Node, "Host"], Evaluate]


class Resources:
    """The resource variables of a machine, each under a number, which is what its handle holds.

    `numbers` has those of the variables by (container, shared_name), `bound` those of the tensors, by subgraph and
    index, that are known to hold a handle. `values` are what has been assigned, and `initial` what a variable is before
    that, if the runtime gives it a value.
    """

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self.bound: dict[tuple[int, int], int] = {}
        self.initial: dict[int, Array] = {}
        self.values: dict[int, Array] = {}

    def clear(self) -> None:
        """Forget what has been assigned."""
        self.values.clear()


@dataclass(frozen=True, slots=True)
class Host:
    """What a kernel may use beside its node: the runtime's arithmetic, its other subgraphs, and its memory.

    `ports` tells how many inputs and outputs a subgraph has, None of one that does not exist, and `operators` what it
    consists of; `call` runs it. `once` holds the CALL_ONCE that have run. `memory` is what other operators keep between
    runs, by subgraph and index of the node; like the resources, it is forgotten at a reset.
    """

    numerics: Numerics
    ports: Callable[[int], tuple[int, int] | None]
    call: Callable[[int, Sequence[Array]], tuple[Array, ...]]
    operators: Callable[[int], tuple[BuiltinOperator, ...]]
    resources: Resources = field(default_factory=Resources)
    once: set[tuple[int, int]] = field(default_factory=set)
    memory: dict[tuple[int, int], Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compute:
    """One operator's arithmetic.

    `shape` tells the shapes of the outputs from those of the inputs, or None where they depend on values that the
    file does not hold. `types` are the types that its first input may have, and `version` is the newest version of
    the operator that is understood. `fold` raises Refusal for what else it cannot do.
    """

    fold: Callable[[Node, Host], Evaluate]
    shape: Callable[[Node, Sequence[Shape]], Sequence[Shape] | None]
    types: frozenset[TensorType]
    version: int


def like_input(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Every output has the shape of the first input."""
    return [shapes[0]] * len(node.outputs)


def constant(tensor: Tensor | None) -> Array | None:
    """The value of a tensor that the file holds, in its shape, read-only; None if it holds none.

    int4 and int2 come unpacked, a byte an element, and what is sparse or compressed comes whole. Raises Refusal for a
    type that has no array, and for sparse values that do not fit their indices.
    """
    if tensor is None or tensor.data is None:
        return None
    require(tensor.type in DTYPES, f"type {tensor.type.name} is not supported", tensor)
    if tensor.table.sparsity is not None:
        require(tensor.type in SPARSE_TYPES, f"sparse {tensor.type.name} is not supported", tensor)
        stored = np.frombuffer(tensor.data, dtype_of(tensor.type))
        return dense(stored, tensor.table.sparsity, tensor.shape)
    if tensor.lookup is not None:
        return decompressed(tensor).reshape(tensor.shape)
    if tensor.type in PACKED_BITS:
        packed = np.frombuffer(tensor.data, np.uint8)
        return unpack(packed, PACKED_BITS[tensor.type], tensor.elements).reshape(tensor.shape)
    return np.frombuffer(tensor.data, dtype_of(tensor.type)).reshape(tensor.shape)


def decompressed(tensor: Tensor) -> Array:
    """The values that a compressed tensor's indices stand for, in a row [micro_allocator.cc: MicroAllocator].

    Channels are the first dimension or the last.
    """
    assert tensor.data is not None
    assert tensor.lookup is not None
    indices = unpack_bits(np.frombuffer(tensor.data, np.uint8), tensor.lookup.bits, tensor.elements)
    table = np.frombuffer(tensor.lookup.values, dtype_of(tensor.type))
    quantization = tensor.quantization
    channels = 1 if quantization is None else max(1, len(quantization.scale))
    interleaved = channels > 1 and quantization is not None and quantization.quantized_dimension > 0
    return look_up(indices, table, channels, table.size // channels, interleaved)


def unpack(packed: Array, bits: int, elements: int) -> Array:
    """Several values a byte, the lowest bits first, each two's complement."""
    values = [(packed << (8 - bits - first)).astype(np.int8) >> (8 - bits) for first in range(0, 8, bits)]
    return np.stack(values, axis=-1).reshape(-1)[:elements]


def dtype_of(type: TensorType) -> np.dtype[Any]:
    """The numpy type of a tensor type; int4 and int2 are held in int8, resource handles in int32."""
    return np.dtype(DTYPES[type])


PACKED_BITS = {TensorType.INT2: 2, TensorType.INT4: 4}
SPARSE_TYPES = (TensorType.FLOAT32, TensorType.FLOAT16, TensorType.INT8)  # [densify.cc: Eval]

DTYPES = {
    TensorType.FLOAT32: "float32",
    TensorType.FLOAT16: "float16",
    TensorType.FLOAT64: "float64",
    TensorType.INT2: "int8",
    TensorType.INT4: "int8",
    TensorType.INT8: "int8",
    TensorType.INT16: "int16",
    TensorType.INT32: "int32",
    TensorType.INT64: "int64",
    TensorType.UINT8: "uint8",
    TensorType.UINT16: "uint16",
    TensorType.UINT32: "uint32",
    TensorType.UINT64: "uint64",
    TensorType.BOOL: "bool",
    TensorType.STRING: "object",
    TensorType.COMPLEX64: "complex64",
    TensorType.COMPLEX128: "complex128",
    TensorType.RESOURCE: "int32",
    TensorType.VARIANT: "object",
}
