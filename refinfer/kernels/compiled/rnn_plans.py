"""The plans of RNNs, with weights of floats or of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refinfer.kernels.common import first_scale, input_at, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.float_products import pack, weights_of
from refinfer.kernels.compiled.float_sequences import Factor, Products, activation_of, quantized_products
from refinfer.kernels.compiled.gates import Walk, floats_side_by_side, side_by_side, walk_of
from refinfer.kernels.compiled.hybrid_plans import has_negative_zero
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.records import BY_FOURS, Rnn, RowsByFours
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import RNNOptions, SequenceRNNOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

WEIGHTS, RECURRENT, BIAS, HIDDEN = range(1, 5)


def plan_rnn(draft: Draft, node: Node) -> None:
    """One step, all batches at once."""
    plan(draft, node, Walk(draft.shape(input_at(node, 0))[0], 1, 1, 1), options_of(node, RNNOptions))


def plan_sequence_rnn(draft: Draft, node: Node) -> None:
    """Step after step."""
    options = options_of(node, SequenceRNNOptions)
    plan(draft, node, walk_of(draft, node, time_major=options.time_major), options)


def plan(draft: Draft, node: Node, walk: Walk, options: RNNOptions | SequenceRNNOptions) -> None:
    """Rows for the products with the inputs, and for the steps. Rows of batches do not know of each other."""
    bias, hidden = floats_side_by_side([input_at(node, BIAS)]), input_at(node, HIDDEN)
    require_compiled(not has_negative_zero(bias))
    units = len(bias)
    require_compiled(hidden.elements == walk.batches * units)
    unlimited = draft.keep(np.array([-np.inf, np.inf], np.float32))
    if input_at(node, WEIGHTS).type == TensorType.FLOAT32:
        products = products_of_floats(draft, node, walk.rows, bias, unlimited)
    else:
        inputs, state = (factor(node, each) for each in (WEIGHTS, RECURRENT))
        asymmetric = options.asymmetric_quantize_inputs
        products = quantized_products(draft, node, walk.rows, inputs, state, bias, asymmetric, unlimited)
    vectors = -(-units // LANES)
    draft.add(
        Rnn(
            products.start,
            *walk,
            units,
            products.kind,
            draft.keep(products.recurrent),
            vectors,
            draft.keep(products.scales),
            products.has_zero_point,
            *activation_of(draft, options.fused_activation_function),
            draft.state(hidden),
            draft.write(output_at(node, 0)),
            draft.keep(products.taps.astype(np.int64)),
            len(products.taps),
            draft.scratch(2 * units),
            draft.scratch(4 * LANES * vectors),
            draft.scratch(4 * LANES * vectors),
        )
    )


def products_of_floats(draft: Draft, node: Node, rows: int, bias: Array, limits: int) -> Products:
    """Weights are finite, so that it does not matter if zeros are multiplied with them or left out."""
    weights, recurrent = (weights_of(node, each) for each in (WEIGHTS, RECURRENT))
    units, depth = weights.shape
    start, vectors = draft.scratch(4 * rows * units), -(-units // LANES)
    source, packed = draft.read(input_at(node, 0)), draft.keep(pack(weights))
    of_bias = draft.keep(pack(bias[:, None]))
    draft.add(RowsByFours(source, rows, depth, packed, vectors, of_bias, limits, start, 4 * units, False))
    nothing = np.zeros(0, np.float32)
    return Products(start, BY_FOURS, pack(recurrent), nothing, nothing)


def factor(node: Node, position: int) -> Factor:
    """Integer weights with one scale."""
    tensor = input_at(node, position)
    weights = side_by_side([tensor], (0,))
    return Factor(weights, np.full(len(weights), first_scale(tensor), np.float32))
