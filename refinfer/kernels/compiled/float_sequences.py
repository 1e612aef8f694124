"""The plans of LSTMs in floats, with weights of floats or of integers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels import lstm_float, lstm_full
from refinfer.kernels.arithmetic import eigen
from refinfer.kernels.common import first_scale, input_at, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.float_products import pack as pack_floats
from refinfer.kernels.compiled.functions import address_of
from refinfer.kernels.compiled.gates import (
    Matrices,
    Walk,
    floats_side_by_side,
    matrices_of,
    require_sizes,
    side_by_side,
)
from refinfer.kernels.compiled.hybrid_plans import finish_of, has_negative_zero, quantized_rows, scaling_of
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.microkernel import columns_at_a_time
from refinfer.kernels.compiled.products import ONE_BY_ONE, in_turns, multiply, pack, window_taps
from refinfer.kernels.compiled.records import (
    AS_IT_IS,
    BY_FOURS,
    LIMITED,
    QUANTIZED,
    TANH_OF_EIGEN,
    Address,
    LstmFloats,
    MultiplyFloats,
    RowsByFours,
)
from refinfer.kernels.recurrent import Cell
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


class Products(NamedTuple):
    """The products with the inputs, and how those with the state are made; `scales` are those of integer weights."""

    start: Address
    kind: int
    recurrent: Array  # packed
    taps: Array
    scales: Array
    has_zero_point: bool = False


class Factor(NamedTuple):
    """Integer weights, and the scale of each of their rows."""

    weights: Array
    scales: Array


def are_floats(cell: Cell[Tensor]) -> bool:
    """Whether weights are floats."""
    return all(gate.weights is None or gate.weights.type == TensorType.FLOAT32 for gate in cell.gates)


def plan_floats(draft: Draft, node: Node, cell: Cell[Tensor], walk: Walk, cell_clip: float, product: int) -> None:
    """Where a step sees several batches, Eigen adds in another order."""
    require_compiled(product != BY_FOURS or not walk.is_joint)
    weights, recurrent = (floats_side_by_side(each) for each in matrices_of(cell))
    require_sizes(cell, walk, weights, recurrent)
    (channels, depth), cells = weights.shape, recurrent.shape[1]
    require_compiled(cells > 1)  # a product of two vectors has an order of its own
    bias = draft.keep(pack_floats(floats_side_by_side([gate.bias for gate in cell.gates], cells)[:, None]))
    limits = limits_of(draft, lstm_float.LARGEST_FLOAT if product == BY_FOURS else np.inf, cell_clip)
    source, start = draft.read(input_at(node, 0)), draft.scratch(4 * walk.rows * channels)
    packed, vectors = draft.keep(pack_floats(weights)), -(-channels // LANES)
    if product == BY_FOURS:
        draft.add(RowsByFours(source, walk.rows, depth, packed, vectors, bias, limits, start, 4 * channels, True))
    else:
        starts, taps = draft.keep(4 * depth * np.arange(walk.rows)), draft.keep(4 * np.arange(depth))
        shape = walk.rows, taps, depth, packed, vectors
        draft.add(MultiplyFloats(source, starts, *shape, bias, limits, start, 0, 4 * channels))
    products = Products(start, product, pack_floats(recurrent), 4 * np.arange(cells), np.zeros(0, np.float32))
    add_steps(draft, node, cell, walk, products, limits)


def plan_hybrid(draft: Draft, node: Node, cell: Cell[Tensor], walk: Walk, options: lstm_full.AnyOptions) -> None:
    """Each row is quantized by itself. Where a step sees several batches, their cells must fill Eigen's vectors."""
    of_inputs, of_state = matrices_of(cell)
    weights, recurrent = side_by_side(of_inputs), side_by_side(of_state)
    require_sizes(cell, walk, weights, recurrent)
    cells = recurrent.shape[1]
    require_compiled(not walk.is_joint or cells % eigen.LANES == 0)
    bias = floats_side_by_side([gate.bias for gate in cell.gates], cells)
    require_compiled(not has_negative_zero(bias))
    limits = limits_of(draft, np.inf, options.cell_clip)
    inputs = Factor(weights, scales_of(of_inputs, cells))
    state = Factor(recurrent, scales_of(of_state, cells))
    has_zero_point = options.asymmetric_quantize_inputs
    products = quantized_products(draft, node, walk.rows, inputs, state, bias, has_zero_point, limits)
    add_steps(draft, node, cell, walk, products, limits)


def quantized_products(
    draft: Draft,
    node: Node,
    rows: int,
    inputs: Factor,
    state: Factor,
    bias: Array,
    has_zero_point: bool,
    limits: int,
) -> Products:
    """Rows for the products with so many rows of inputs."""
    (channels, depth), units = inputs.weights.shape, state.weights.shape[1]
    shape, margins = (rows, 1, depth), (0, 0, 1, depth)
    images = quantized_rows(draft, input_at(node, 0), shape, margins, has_zero_point, repeats=1)
    start, starts = draft.scratch(4 * rows * channels), 2 * depth * np.arange(rows)
    taps, pairs = window_taps(inputs.weights.reshape(channels, 1, 1, depth), ONE_BY_ONE, depth)
    scaling = scaling_of(pairs, inputs.scales, bias, in_turn=False)
    multiply(draft, images.address, starts, taps, pairs, scaling, finish_of(images, limits), start, 0, channels)
    taps, pairs = in_turns(*window_taps(state.weights.reshape(channels, 1, 1, units), ONE_BY_ONE, units))
    require_compiled(bool(np.isfinite(state.scales).all()))
    packed, scales = pack(pairs, np.int8, partial(columns_at_a_time, True)), pack_floats(state.scales[:, None])
    return Products(start, QUANTIZED, packed, taps, scales, has_zero_point)


def add_steps(draft: Draft, node: Node, cell: Cell[Tensor], walk: Walk, products: Products, limits: int) -> None:
    """A row for all steps; C's functions are there, or the node is left to numpy."""
    cells = cell.state.elements // walk.batches
    vectors = -(-4 * cells // LANES)
    sums = 4 * LANES * vectors
    draft.add(
        LstmFloats(
            products.start,
            *walk,
            cells,
            products.kind,
            draft.keep(products.recurrent),
            vectors,
            draft.keep(products.scales),
            products.has_zero_point,
            limits,
            address_of("expf"),
            address_of("tanhf"),
            draft.state(cell.hidden),
            draft.state(cell.state),
            draft.write(output_at(node, 0)),
            draft.keep(products.taps.astype(np.int64)),
            len(products.taps),
            draft.scratch(2 * cells),
            draft.scratch(sums),
            draft.scratch(sums),
            draft.scratch(sums),
            draft.scratch(4 * cells),
        )
    )


def limits_of(draft: Draft, largest: float, cell_clip: float) -> int:
    """The address of the limits of sums, and of those of the state."""
    clip = cell_clip if cell_clip > 0 else np.inf
    return draft.keep(np.array([-largest, largest, -clip, clip], np.float32))


def scales_of(matrices: Matrices, cells: int) -> Array:
    """The scale of each sum of all gates."""
    return np.repeat(np.array([first_scale(each) for each in matrices if each is not None], np.float32), cells)


def activation_of(draft: Draft, activation: ActivationFunctionType) -> tuple[int, int]:
    """How kernels are told of an activation, and the address of its limits."""
    require_compiled(activation in ACTIVATIONS)
    kind, *limits = ACTIVATIONS[activation]
    return kind, draft.keep(np.array(limits, np.float32))


ACTIVATIONS = {
    ActivationFunctionType.NONE: (AS_IT_IS, 0.0, 0.0),
    ActivationFunctionType.RELU: (LIMITED, 0.0, np.inf),
    ActivationFunctionType.RELU_N1_TO_1: (LIMITED, -1.0, 1.0),
    ActivationFunctionType.RELU6: (LIMITED, 0.0, 6.0),
    ActivationFunctionType.TANH: (TANH_OF_EIGEN, 0.0, 0.0),
}
