"""FULLY_CONNECTED and BATCH_MATMUL of integers."""

from __future__ import annotations

from refinfer.explanation.convolution import accumulated, scale_of_channel
from refinfer.explanation.rounding import activated, finished, limits_of, requantized
from refinfer.explanation.site import LIMITS, Index, Site, flat, place, stretched, unflat
from refinfer.explanation.steps import Lesson, Result, products, summed
from refinfer.kernels import batch_matmul, fully_connected
from refinfer.kernels.arithmetic.fixedpoint import wrap_int32 as wrapping
from refinfer.kernels.common import first_scale, options_of
from refinfer.kernels.numerics import in_fixed_point_of_16_bits
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import BatchMatMulOptions, FullyConnectedOptions


def fully_connected_layer(site: Site) -> Lesson[Result]:
    """y[b, o] = clamp(requantize(bias[o] + sum over d of (x[b, d] - zero point) * w[o, d]) + zero point)"""
    params = fully_connected.params(site.node, site.host)
    x, weights, bias = site.array(0), site.array(1), site.optional(2)
    units, depth = weights.shape
    row, unit = divmod(flat(site.element, site.shape), units)
    pairs = [(unflat(row * depth + d, x.shape), (unit, d)) for d in range(depth)]
    terms = [(f"{place('x', i)} * {place('w', j)}", int(x[i]), int(weights[j])) for i, j in pairs]
    total = summed("sum", products(terms, -params.input_offset, -params.filter_offset), f"of {depth} products")
    yield total
    exact, acc = yield from accumulated(
        int(total.value), None if bias is None else int(bias.reshape(-1)[unit]), params.keep is wrapping
    )
    scales = site.scale(0), scale_of_channel(fully_connected.scales(site.tensor(1)), unit)
    scaled = yield from requantized(acc, params.requantize, unit, (*scales, first_scale(site.output)))
    activation = options_of(site.node, FullyConnectedOptions).fused_activation_function
    why = limits_of(activation, site.output.type)
    y = yield from finished(scaled, params.output_offset, params.low, params.high, why)
    formula = f"{scales[0]!r} * {scales[1]!r} * {exact}"
    return Result(y, *activated(formula, scales[0] * scales[1] * exact, activation))


def batched_matmul(site: Site) -> Lesson[Result]:
    """y[i, j] = clamp(requantize(sum over k of (a[i, k] - zero point) * (b[k, j] - zero point)) + zero point)"""
    options = options_of(site.node, BatchMatMulOptions)
    is_wide = site.tensor(0).type == TensorType.INT16
    requantize = in_fixed_point_of_16_bits if is_wide else site.host.numerics.batch_matmul_requantize
    params = batch_matmul.quantized(site.node, site.host, requantize)
    a, b = site.array(0), site.array(1)
    *batch, row, column = site.element
    depth = a.shape[-2 if options.adj_x else -1]

    def of_a(k: int) -> Index:
        return stretched((*batch, *((k, row) if options.adj_x else (row, k))), a.shape)

    def of_b(k: int) -> Index:
        return stretched((*batch, *((column, k) if options.adj_y else (k, column))), b.shape)

    terms = [(f"{place('a', of_a(k))} * {place('b', of_b(k))}", int(a[of_a(k)]), int(b[of_b(k)])) for k in range(depth)]
    total = summed("sum", products(terms, -params.lhs_offset, -params.rhs_offset), f"of {depth} products")
    yield total
    exact, acc = yield from accumulated(int(total.value), None, not params.is_wide)
    scales = site.scale(0), site.scale(1)
    scaled = yield from requantized(acc, params.requantize, 0, (*scales, first_scale(site.output)))
    low, high = LIMITS[site.output.type]
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    y = yield from finished(scaled, params.output_offset, low, high, why)
    return Result(y, f"{scales[0]!r} * {scales[1]!r} * {exact}", scales[0] * scales[1] * exact)


def is_integer_product(node: Node) -> bool:
    """Whether both sides and the output of a BATCH_MATMUL are quantized."""
    return node.outputs[0].type == node.inputs[0].type if node.inputs[0] is not None else False
