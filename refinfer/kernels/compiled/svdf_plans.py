"""The plans of SVDF in floats, with weights of floats or of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refinfer.kernels.common import first_scale, input_at, optional_input, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, Planner, require_compiled
from refinfer.kernels.compiled.float_products import pack
from refinfer.kernels.compiled.float_sequences import activation_of
from refinfer.kernels.compiled.functions import address_of
from refinfer.kernels.compiled.gates import floats_side_by_side, side_by_side
from refinfer.kernels.compiled.hybrid_plans import finish_of, quantized_rows, scaling_of
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.products import ONE_BY_ONE, multiply, window_taps
from refinfer.kernels.compiled.records import (
    IN_ORDER,
    OF_C,
    TANH_OF_EIGEN,
    Address,
    MultiplyFloats,
    RowsByFours,
    SvdfFloats,
)
from refinfer.kernels.svdf import BIAS, FEATURE, INPUT, STATE, TIME
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import SVDFOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def plan_svdf_of_floats(order: int) -> Planner:
    """The products with the input, and then what is remembered; TFLM adds in the order of C's loops."""

    def plan(draft: Draft, node: Node) -> None:
        options, state = options_of(node, SVDFOptions), input_at(node, STATE)
        batches, depth = draft.shape(input_at(node, INPUT))
        filters, memory = draft.shape(input_at(node, TIME))
        units = filters // options.rank
        require_compiled(state.elements == batches * filters * memory)
        is_float = input_at(node, FEATURE).type == TensorType.FLOAT32
        time = floats_side_by_side([input_at(node, TIME)]) if is_float else scaled(node, TIME)
        activation, limits = activation_of(draft, options.fused_activation_function)
        if order == IN_ORDER and activation == TANH_OF_EIGEN:
            activation = OF_C
        newest = products(draft, node, batches, depth, filters, order) if is_float else quantized(draft, node, batches)
        draft.add(
            SvdfFloats(
                newest,
                batches,
                units,
                options.rank,
                memory,
                order,
                draft.keep(time),
                draft.state(state),
                draft.keep(floats_side_by_side([optional_input(node, BIAS)], units)),
                draft.scratch(4 * options.rank),
                activation,
                limits,
                address_of("tanhf") if activation == OF_C else 0,
                draft.write(output_at(node, 0)),
            )
        )

    return plan


def products(draft: Draft, node: Node, batches: int, depth: int, filters: int, order: int) -> Address:
    """Of floats; no bias is 0, since no sum is -0."""
    weights, vectors = floats_side_by_side([input_at(node, FEATURE)]), -(-filters // LANES)
    source, packed = draft.read(input_at(node, INPUT)), draft.keep(pack(weights))
    zeros, limits = draft.keep(np.zeros(LANES * vectors, np.float32)), draft.keep(UNLIMITED)
    newest, row_bytes = draft.scratch(4 * batches * filters), 4 * filters
    if order == IN_ORDER:
        starts, taps = draft.keep(4 * depth * np.arange(batches)), draft.keep(4 * np.arange(depth))
        shape = batches, taps, depth, packed, vectors
        draft.add(MultiplyFloats(source, starts, *shape, zeros, limits, newest, 0, row_bytes))
    else:
        draft.add(RowsByFours(source, batches, depth, packed, vectors, zeros, limits, newest, row_bytes, False))
    return newest


def quantized(draft: Draft, node: Node, batches: int) -> Address:
    """Of integers."""
    feature = input_at(node, FEATURE)
    weights = side_by_side([feature], (0,))
    filters, depth = weights.shape
    has_zero_point = options_of(node, SVDFOptions).asymmetric_quantize_inputs
    shape, margins = (batches, 1, depth), (0, 0, 1, depth)
    images = quantized_rows(draft, input_at(node, INPUT), shape, margins, has_zero_point, repeats=1)
    taps, pairs = window_taps(weights.reshape(filters, 1, 1, depth), ONE_BY_ONE, depth)
    scales = np.full(filters, first_scale(feature), np.float32)
    scaling = scaling_of(pairs, scales, np.zeros(filters, np.float32), in_turn=False)
    newest, finish = draft.scratch(4 * batches * filters), finish_of(images, draft.keep(UNLIMITED))
    starts = 2 * depth * np.arange(batches)
    multiply(draft, images.address, starts, taps, pairs, scaling, finish, newest, 0, filters)
    return newest


def scaled(node: Node, position: int) -> Array:
    """Integer weights as the floats that they stand for."""
    tensor = input_at(node, position)
    values: Array = side_by_side([tensor], (0,)).astype(np.float32) * np.float32(first_scale(tensor))
    return values


UNLIMITED = np.array([-np.inf, np.inf], np.float32)
