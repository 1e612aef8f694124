"""The plans of TRANSPOSE_CONV and BATCH_MATMUL: products of the kind that products.py knows, once seen that way.

With stride s, outputs whose position (counted from where the filter begins) leaves the same rest when divided by s get
something from every s-th tap alone, and neighbours among them from neighbouring pixels: s * s ordinary convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels import convolution, transpose_conv
from refinfer.kernels.binary import three_tensors
from refinfer.kernels.common import options_of
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.float_products import limits_of
from refinfer.kernels.compiled.float_products import pack as pack_floats
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.products import (
    finish_of,
    limit,
    multiply,
    scaling_of,
    window_taps,
)
from refinfer.kernels.compiled.records import KINDS, Address, MultiplyFloats, PadFloats, Widen
from refinfer.kernels.compiled.simple import add_move
from refinfer.kernels.compute import constant, dtype_of
from refinfer.kernels.window import Windows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import BatchMatMulOptions, TransposeConvOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.convolution import Operands


class Phase(NamedTuple):
    """Outputs along one dimension that see the same taps: where they are, and the pixel that each sees last."""

    taps: Array  # in the order of the pixels that they meet
    outputs: Array
    last: Array


def plan_transpose_conv(draft: Draft, node: Node) -> None:
    """The output's shape is an input, and has to fit the other one."""
    p = transpose_conv.operands(node, draft.host)
    weights = constant(p.weights)
    require_compiled(weights is not None)
    assert weights is not None
    grid = transpose_conv.window_grid(options_of(node, TransposeConvOptions), draft.shape(p.y), weights.shape)
    require_compiled(tuple(axis.number for axis in grid) == draft.shape(p.x)[1:3])
    plan_phases(draft, node, p, weights)


def plan_transpose_conv_as_declared(draft: Draft, node: Node) -> None:
    """The output has the shape that the file gives it."""
    p = transpose_conv.operands(node, draft.host)._replace(bias_type=TensorType.INT64)
    weights = constant(p.weights)
    require_compiled(weights is not None)
    assert weights is not None
    plan_phases(draft, node, p, weights)


class Layout(NamedTuple):
    """The images with the margin that the windows need, `top` rows and `left` pixels before them; and the phases."""

    batches: int
    height: int
    width: int
    depth: int
    top: int
    left: int
    tall: int
    wide: int
    down: list[Phase]
    across: list[Phase]

    def starts(self, rows: Phase, columns: Phase) -> Array:
        """The number at which the window of each output of two phases begins."""
        b, y, x = np.ix_(np.arange(self.batches), rows.last, columns.last)
        y, x = y + self.top + 1 - len(rows.taps), x + self.left + 1 - len(columns.taps)
        begins: Array = (((b * self.tall + y) * self.wide + x) * self.depth).reshape(-1)
        return begins


Product = Callable[["Array", "Array", int], None]
"""Adds a row for filters [channels, down, across, depth] and starts, whose first output has a number."""


def plan_phases(draft: Draft, node: Node, p: Operands, weights: Array) -> None:
    """A convolution for each pair of phases, and then all outputs are brought where they belong."""
    layout, shape, size = layout_of(draft, node, p, weights), draft.shape(p.y), dtype_of(p.y.type).itemsize
    sorted_by_phase, positions, first = draft.scratch(size * prod(shape)), np.empty(shape, np.int64), 0
    are_floats = {p.x.type, p.weights.type, p.y.type} == {TensorType.FLOAT32}
    add = (products_of_floats if are_floats else products_of_integers)(draft, p, weights, layout, sorted_by_phase)
    for rows, columns in product(layout.down, layout.across):
        add(weights[:, rows.taps[:, None], columns.taps], layout.starts(rows, columns), first)
        here = np.ix_(np.arange(layout.batches), rows.outputs, columns.outputs)
        count = positions[here].size
        positions[here] = first + np.arange(count).reshape(positions[here].shape)
        first += count
    assert first == positions.size
    add_move(draft, sorted_by_phase, positions.reshape(-1), draft.write(p.y), size)


def layout_of(draft: Draft, node: Node, p: Operands, weights: Array) -> Layout:
    """Where all is, if input, filters and output go together."""
    (batches, height, width, depth), shape = draft.shape(p.x), draft.shape(p.y)
    require_compiled(weights.shape[3] == depth and (shape[0], shape[3]) == (batches, len(weights)))
    grid = transpose_conv.window_grid(options_of(node, TransposeConvOptions), shape, weights.shape)
    down, across = (phases_of(axis, size) for axis, size in zip(grid, shape[1:3], strict=True))
    top, left = (max(len(phase.taps) for phase in phases) - 1 for phases in (down, across))
    tall = top + max(height, 1 + max(int(phase.last.max()) for phase in down))
    wide = left + max(width, 1 + max(int(phase.last.max()) for phase in across))
    return Layout(batches, height, width, depth, top, left, tall, wide, down, across)


def products_of_integers(draft: Draft, p: Operands, weights: Array, layout: Layout, output: Address) -> Product:
    """In int16, and requantized."""
    require_compiled((p.x.type, p.weights.type) in convolution.PARAMS and p.x.type in KINDS)
    params = convolution.PARAMS[p.x.type, p.weights.type](p)
    batches, height, width, depth, top, left, tall, wide, *_ = layout
    images = draft.scratch(2 * batches * tall * wide * depth)
    margins = (top, left * depth, tall, wide * depth)
    source = draft.read(p.x)
    draft.add(Widen(source, KINDS[p.x.type], batches, height, width * depth, *margins, params.input_offset, images))
    channels, centred = len(weights), weights.astype(np.int64) + params.filter_offset
    bias = bias_of(p, channels).astype(np.int64)
    scaling = scaling_of(params.requantize, centred, bias, limit(p.x, params.input_offset), slice(0, channels))

    def add(filters: Array, starts: Array, first: int) -> None:
        taps, packed = window_taps(filters.astype(np.int64) + params.filter_offset, AS_THEY_LIE, wide * depth)
        multiply(draft, images, 2 * starts, taps, packed, scaling, finish_of(params), output, first, channels)

    return add


def products_of_floats(draft: Draft, p: Operands, weights: Array, layout: Layout, output: Address) -> Product:
    """C adds what each pixel gives, pixel after pixel: for one output that is the order of its taps here.

    Pixels of the margin add nothing, since weights are finite.
    """
    require_compiled(bool(np.isfinite(weights).all()))
    batches, height, width, depth, top, left, tall, wide, *_ = layout
    images = draft.scratch(4 * batches * tall * wide * depth)
    margins = (top, left * depth, tall, wide * depth)
    draft.add(PadFloats(draft.read(p.x), batches, height, width * depth, *margins, images))
    channels, limits = len(weights), limits_of(draft, p.activation)
    bias = draft.keep(pack_floats(bias_of(p, channels)[:, None].astype(np.float32)))

    def add(filters: Array, starts: Array, first: int) -> None:
        _, down, across, _ = filters.shape
        y, x, c = np.ogrid[:down, :across, :depth]
        taps = 4 * ((y * wide + x) * depth + c).reshape(-1)
        draft.add(
            MultiplyFloats(
                images,
                draft.keep(4 * starts),
                len(starts),
                draft.keep(taps),
                len(taps),
                draft.keep(pack_floats(filters.reshape(channels, -1))),
                -(-channels // LANES),
                bias,
                limits,
                output,
                4 * first,
                4 * channels,
            )
        )

    return add


def bias_of(p: Operands, channels: int) -> Array:
    """The bias of each channel, 0 without one."""
    values = np.zeros(channels, np.int64) if p.bias is None else constant(p.bias)
    require_compiled(values is not None)
    assert values is not None
    return values.reshape(-1)


def phases_of(axis: Windows, size: int) -> list[Phase]:
    """The phases of so many outputs; a phase without a tap has no kernel."""
    position = np.arange(size) + axis.before
    found = []
    for rest in range(axis.stride):
        outputs = np.flatnonzero(position % axis.stride == rest)
        taps = np.arange(rest, axis.length, axis.stride)[::-1]
        if len(outputs) > 0:
            require_compiled(len(taps) > 0)
            found.append(Phase(taps, outputs, position[outputs] // axis.stride))
    return found


def plan_batch_matmul(draft: Draft, node: Node) -> None:
    """A product for each batch; the right side is packed on every run, unless it is constant."""
    lhs, rhs, y = three_tensors(node)
    options = options_of(node, BatchMatMulOptions)
    require_compiled(lhs.type == rhs.type == y.type == TensorType.FLOAT32)
    shape = draft.shape(y)
    a, b = (np.arange(prod(draft.shape(x))).reshape(draft.shape(x)) for x in (lhs, rhs))
    a, b = (a.swapaxes(-1, -2) if options.adj_x else a), (b.swapaxes(-1, -2) if options.adj_y else b)
    rows, (depth, columns) = a.shape[-2], b.shape[-2:]
    a, b = np.broadcast_to(a, (*shape[:-2], rows, depth)), np.broadcast_to(b, (*shape[:-2], depth, columns))
    a, b = a.reshape(-1, rows, depth), b.reshape(-1, depth, columns)
    require_compiled(len(a) <= MOST_PRODUCTS and shape[-2:] == (rows, columns))
    vectors = -(-columns // LANES)
    zeros, infinities = draft.keep(np.zeros(vectors * LANES, np.float32)), np.array([-np.inf, np.inf], np.float32)
    images, given, output, limits = draft.read(lhs), draft.read(rhs), draft.write(y), draft.keep(infinities)
    taps = draft.keep(4 * (a[0, 0] - a[0, 0, 0]))
    for number, (left, right) in enumerate(zip(a, b, strict=True)):
        packed = draft.scratch(4 * vectors * LANES * depth)
        lanes = np.full((vectors * LANES, depth), -1)
        lanes[:columns] = right.T
        add_move(draft, given, lanes.reshape(vectors, LANES, depth).swapaxes(1, 2).reshape(-1), packed, 4)
        draft.add(
            MultiplyFloats(
                images,
                draft.keep(4 * left[:, 0]),
                rows,
                taps,
                depth,
                packed,
                vectors,
                zeros,
                limits,
                output,
                4 * rows * columns * number,
                4 * columns,
            )
        )


MOST_PRODUCTS = 64
AS_THEY_LIE = (Windows(1, 1, 1, 1, 1, 0), Windows(1, 1, 1, 1, 1, 0))
