"""One step of an LSTM in float32, with float weights or with int8 weights and activations quantized on the fly.

    i, f, o = sigmoid(W x + A a + R h + p * c + b)    for the input, forget and output gate, with weights of their own
    g       = act(W x + A a + R h + b)                for the cell gate
    c       = f * c + i * g
    h       = P (o * act(c)) + b                      or, without projection, o * act(c)

With layer normalization, the sum of a gate is made without its bias, normalized to mean 0 and deviation 1, multiplied
with coefficients, and then comes the bias.

Sources: LiteRT's kernels/lstm_eval.cc, kernels/internal/reference/portable_tensor_utils.cc. It is the only float LSTM
that LiteRT has, for all sets of kernels, and adds as Eigen does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.kernels.arithmetic import eigen
from refinfer.kernels.arithmetic.matmul import sequential_matmul
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import ACTIVATIONS, CELL, FORGET, INPUT, OUTPUT, Cell, Gate, Scheme, operand
from refinfer.schema.enums import ActivationFunctionType

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

NORMALIZATION_FLOOR = 1e-8
LARGEST_FLOAT = 3.4028234663852886e38


class Params(NamedTuple):
    """What a node comes down to. `scales` are those of the weights, 1 where they are floats."""

    scheme: Scheme
    scales: Cell[float]
    activation: ActivationFunctionType
    cell_clip: float
    projection_clip: float


class Sums(NamedTuple):
    """The sum of a gate, and what it was before the hidden state came to it, from the start on."""

    total: Array
    before: list[Array]
    is_diagonal: bool


def step(p: Params, cell: Cell[Array], rows: slice, x: Array, auxiliary: Array | None = None) -> Array:
    """The new hidden state of some batches; both states are updated."""
    hidden, state = cell.hidden[rows], cell.state[rows]
    vectors = [operand(p.scheme, each) for each in (x, auxiliary, hidden)]

    def gate(index: int) -> Array:
        sums = gate_sums(p.scheme, cell.gates[index], p.scales.gates[index], vectors, hidden, state)
        if index == CELL:
            return activate_cell_gate(sums, p.activation, p.scheme)
        return eigen.sigmoid(sums.total, scratch_place(cell, index, rows.start))

    input_gate = gate(INPUT) if cell.has_input_gate else None
    forget_gate, cell_gate = gate(FORGET), gate(CELL)
    state *= forget_gate
    state += cell_gate * (np.float32(1) - forget_gate if input_gate is None else input_gate)
    clip(state, p.cell_clip)
    hidden[...] = project(p, cell, gate(OUTPUT) * activate_state(state, cell_gate, p.activation))
    return hidden


def gate_sums(
    scheme: Scheme, gate: Gate[Array], scales: Gate[float], vectors: list[Any], hidden: Array, state: Array
) -> Sums:
    """W x + A a + R h + p * c + b, in this order; vectors of zeros (None) are left out."""
    x, auxiliary, h = vectors
    is_diagonal = gate.recurrent is not None and gate.recurrent.ndim == 1
    z = np.broadcast_to(np.float32(0) if gate.norm is not None or gate.bias is None else gate.bias, state.shape)
    before = [z]
    for weights, scale, vector in ((gate.weights, scales.weights, x), (gate.auxiliary, scales.auxiliary, auxiliary)):
        if weights is not None and vector is not None:
            z = scheme.add(z, weights, scale or 1.0, vector)
            before.append(z)
    if is_diagonal:
        z = z + gate.recurrent * hidden
    elif gate.recurrent is not None and h is not None:
        z = scheme.add(z, gate.recurrent, scales.recurrent or 1.0, h)
    if gate.peephole is not None:
        z = z + float_weights(gate.peephole, scales.peephole) * state
    if gate.norm is not None:
        z = normalize(z) * gate.norm + gate.bias
    return Sums(z, before, is_diagonal)


def float_weights(weights: Array, scale: float | None) -> Array:
    """Peephole weights, which are multiplied as floats in every scheme."""
    return weights if weights.dtype == np.float32 else np.float32(scale) * weights.astype(np.float32)


def normalize(x: Array) -> Array:
    """Each row with mean 0 and standard deviation 1, its sums taken in order [PortableMeanStddevNormalization]."""
    ones, size = np.ones((x.shape[1], 1), np.float32), np.float32(x.shape[1])
    difference = x - sequential_matmul(x, ones) / size
    variance = sequential_matmul(difference * difference, ones) / size
    return difference * (np.float32(1) / np.sqrt(variance + np.float32(NORMALIZATION_FLOOR)))


def activate_cell_gate(sums: Sums, activation: ActivationFunctionType, scheme: Scheme) -> Array:
    """The activation of the sum; NONE takes what is in the buffer of the gate.

    With float weights, the runtime sums to and fro between that buffer and another (a diagonal adds in place): it may
    have ended in the other one.
    """
    if activation != ActivationFunctionType.NONE:
        return ACTIVATIONS[activation](sums.total)
    products = len(sums.before) - 1
    ends_here = products % 2 == (0 if sums.is_diagonal else 1)
    return sums.total if ends_here or scheme is not FLOATS else sums.before[products - products % 2]


def activate_state(state: Array, cell_gate: Array, activation: ActivationFunctionType) -> Array:
    """The activation of the cell's state; NONE leaves the cell gate where the runtime looks for it."""
    return cell_gate if activation == ActivationFunctionType.NONE else ACTIVATIONS[activation](state)


def scratch_place(cell: Cell[Array], gate: int, batch: int) -> int:
    """Where the runtime keeps a gate, counted in floats from an aligned address: input, cell, forget, output gate."""
    order = (INPUT, CELL, FORGET, OUTPUT) if cell.has_input_gate else (CELL, FORGET, OUTPUT)
    return int(order.index(gate) * cell.state.size + batch * cell.state.shape[1])


def project(p: Params, cell: Cell[Array], y: Array) -> Array:
    """P y + b, limited; y itself without projection."""
    if cell.projection is None:
        return y
    z = np.zeros((len(y), len(cell.projection)), np.float32)
    if cell.projection_bias is not None:
        z = z + cell.projection_bias
    vector = operand(p.scheme, y)
    if vector is not None:
        z = p.scheme.add(z, cell.projection, p.scales.projection or 1.0, vector)
    clip(z, p.projection_clip)
    return z


def clip(x: Array, limit: float) -> None:
    """Limit to -limit and limit, in place, if the limit is above 0."""
    if limit > 0:
        x[...] = limited(x, limit)


def limited(x: Array, limit: float) -> Array:
    """Between -limit and limit; of a few numbers in half the time of np.clip."""
    y: Array = np.minimum(np.maximum(x, -np.float32(limit)), np.float32(limit))
    return y


def add_floats(total: Array, weights: Array, scale: float, x: Array) -> Array:
    """total + W x, the product first; what overflows is limited.

    [lstm_eval.cc: MatrixBatchVectorMultiplyAccumulate; cpu_backend_gemm_eigen.cc]
    """
    product = eigen.matmul(weights, x)
    return limited(product + total, LARGEST_FLOAT) if len(x) == 1 else limited(product, LARGEST_FLOAT) + total


FLOATS = Scheme(lambda x: x, add_floats)
