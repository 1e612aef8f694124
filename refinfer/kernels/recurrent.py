"""What recurrent operators share: how they walk a sequence, and which of their inputs belongs to which gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from refinfer.kernels.arithmetic import eigen
from refinfer.kernels.arithmetic.hybrid import quantize_asymmetric, quantize_symmetric
from refinfer.kernels.arithmetic.matmul import integer_matmul
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.schema.enums import ActivationFunctionType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

T = TypeVar("T")

INPUT, FORGET, CELL, OUTPUT = range(4)
"""The gates, in the order in which the operators take their weights."""

Step = Callable[..., "Array"]
"""(which batches, a row of each sequence for each of them) → a row of the output for each of them."""


class Gate(NamedTuple, Generic[T]):
    """What one gate of an LSTM is made of, be it tensors or arrays; None for what the node leaves out."""

    weights: T | None
    recurrent: T | None
    peephole: T | None
    bias: T | None
    norm: T | None
    auxiliary: T | None = None


class Cell(NamedTuple, Generic[T]):
    """What one LSTM is made of. Without weights for its input gate, that is 1 minus the forget gate (CIFG)."""

    gates: tuple[Gate[T], Gate[T], Gate[T], Gate[T]]
    projection: T | None
    projection_bias: T | None
    hidden: T
    state: T

    @property
    def has_input_gate(self) -> bool:
        """Whether the input gate is one of its own."""
        return self.gates[INPUT].weights is not None


def cell_of(inputs: Sequence[T | None]) -> Cell[T]:
    """The parts of UNIDIRECTIONAL_SEQUENCE_LSTM and LSTM, of 20 or 24 inputs."""
    norm = inputs[20:24] or [None] * 4
    return make_cell(inputs[1:18], inputs[18], inputs[19], norm, [None] * 4)


def make_cell(
    parts: Sequence[T | None],
    hidden: T | None,
    state: T | None,
    norm: Sequence[T | None],
    auxiliary: Sequence[T | None],
) -> Cell[T]:
    """From 17 inputs in a row (weights, peephole, biases, projection) and those that stand elsewhere."""
    assert hidden is not None  # Prepare has refused nodes that have no states
    assert state is not None
    peephole = (parts[8], parts[9], None, parts[10])
    gates = tuple(
        Gate(parts[gate], parts[4 + gate], peephole[gate], parts[11 + gate], norm[gate], auxiliary[gate])
        for gate in (INPUT, FORGET, CELL, OUTPUT)
    )
    return Cell((gates[0], gates[1], gates[2], gates[3]), parts[15], parts[16], hidden, state)


def walk(step: Step, sequences: Sequence[Array], width: int, *, time_major: bool, forward: bool = True) -> Array:
    """y[t] = step(x[t]) for all times t in turn, where a step sees all batches at once or, unless `time_major`, one.

    A sequence is [time, batch, …] if `time_major`, else [batch, time, …]; `width` is that of the output. The state
    that a step leaves is its own affair.
    """
    by_time = [x if time_major else x.swapaxes(0, 1) for x in sequences]
    times, batches = by_time[0].shape[:2]
    y = np.empty((times, batches, width), sequences[0].dtype)
    for rows in [slice(0, batches)] if time_major else [slice(b, b + 1) for b in range(batches)]:
        for time in range(times) if forward else reversed(range(times)):
            y[time, rows] = step(rows, *(x[time, rows] for x in by_time))
    return y if time_major else np.ascontiguousarray(y.swapaxes(0, 1))


class Scheme(NamedTuple):
    """How weights are multiplied: what becomes of the vectors first, and how their product is added to a sum."""

    operand: Callable[[Array], Any]
    add: Callable[[Array, Array, float, Any], Array]  # (sum, weights, their scale, operand)


class Quantized(NamedTuple):
    """Rows of int8, with a scale for each, and a zero point if they have one."""

    rows: Array
    scale: Array
    zero_point: Array | None


def operand(scheme: Scheme, x: Array | None) -> Any:
    """What is multiplied with weights; None for a vector that need not be."""
    return None if x is None or not np.any(x) else scheme.operand(x)


def add_quantized(total: Array, weights: Array, scale: float, x: Quantized) -> Array:
    """total + (W x) * scale, the product an integer [PortableMatrixBatchVectorMultiplyAccumulate]."""
    rows = x.rows if x.zero_point is None else x.rows - x.zero_point[:, None]
    product = integer_matmul(rows, weights.view(np.int8).T)
    return total + product.astype(np.int32).astype(np.float32) * (x.scale * np.float32(scale))[:, None]


def symmetric(x: Array) -> Quantized:
    """Without zero point."""
    return Quantized(*quantize_symmetric(x), None)


SYMMETRIC = Scheme(symmetric, add_quantized)
ASYMMETRIC = Scheme(lambda x: Quantized(*quantize_asymmetric(x)), add_quantized)


def require_dense(node: Node) -> None:
    """Refuse sparse weights: the runtimes have kernels of their own for them."""
    for tensor in node.inputs:
        sparse = tensor is not None and tensor.table.sparsity is not None
        require(not sparse, "sparse weights are not supported in a recurrent operator", tensor)


def require_batches(state: Array, batches: int, width: int) -> None:
    """Refuse an input that has been resized to other batches than the state has."""
    require(state.size == batches * width, f"a state of {state.shape}, but {batches} batches of {width}")


def require_variable(tensor: Tensor) -> None:
    """Refuse a state that is not a variable tensor."""
    require(tensor.is_variable, "the state is not a variable tensor", tensor)


def relu(x: Array) -> Array:
    """What is not above 0 becomes 0."""
    return np.where(x > 0, x, np.float32(0))


def relu_n1_to_1(x: Array) -> Array:
    """Limited to -1 and 1."""
    return np.where(x > -1, np.minimum(x, np.float32(1)), np.float32(-1))


def relu6(x: Array) -> Array:
    """Limited to 0 and 6."""
    return np.where(x > 0, np.minimum(x, np.float32(6)), np.float32(0))


def sign_bit(x: Array) -> Array:
    """1 where the sign is negative, be it of a zero."""
    return np.signbit(x).astype(np.float32)


ACTIVATIONS: dict[ActivationFunctionType, Callable[[Array], Array]] = {
    ActivationFunctionType.NONE: lambda x: x,
    ActivationFunctionType.RELU: relu,
    ActivationFunctionType.RELU_N1_TO_1: relu_n1_to_1,
    ActivationFunctionType.RELU6: relu6,
    ActivationFunctionType.TANH: eigen.tanh,
    ActivationFunctionType.SIGN_BIT: sign_bit,
}
"""[tensor_utils.h: ApplyActivationToVector]"""
