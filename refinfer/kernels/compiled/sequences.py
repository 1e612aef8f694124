"""The plans of LSTMs and SVDF: the products with all inputs first, then step by step what needs the state.

The form of an LSTM that has kernels is the plain one: four gates, no peephole, no projection, no layer normalization.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels import lstm, lstm_full, lstm_integer, lstm_plain, svdf
from refinfer.kernels.arithmetic import gemmlowp
from refinfer.kernels.common import input_at, optional_input, options_of, output_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compiled.float_sequences import are_floats, plan_floats, plan_hybrid
from refinfer.kernels.compiled.gates import Walk, matrices_of, require_plain, require_sizes, side_by_side, walk_of
from refinfer.kernels.compiled.jit import LANES
from refinfer.kernels.compiled.microkernel import columns_at_a_time
from refinfer.kernels.compiled.products import (
    ONE_BY_ONE,
    Finish,
    fixed_scaling,
    in_turns,
    multiply,
    pack,
    window_taps,
)
from refinfer.kernels.compiled.records import BY_FOURS, IN_ORDER, KINDS, Lstm, Svdf, Widen
from refinfer.kernels.compiled.simple import scaling
from refinfer.kernels.compute import constant
from refinfer.kernels.recurrent import Cell, cell_of
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import LSTMOptions, UnidirectionalSequenceLSTMOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Multiplier = tuple[int, int]
Table = Callable[["Array"], "Array"]

FLOAT32, INT8 = TensorType.FLOAT32, TensorType.INT8
OF_GATES = 5  # intermediate tensors of the cell whose gates have 16 bits
ONE = 1, 1 << 30  # a left shift and a multiplier that are 1 together


class Arithmetic(NamedTuple):
    """What an integer cell comes down to, whichever way its fold has put it.

    `keep`, `new` and `hidden` are a left shift, a multiplier and its shift: of f * c, of i * g and of o * tanh(c).
    `limits` are those of the product with the state before it is added.
    """

    weights: tuple[Multiplier, ...]
    recurrent: tuple[Multiplier, ...]
    weight_zero_points: tuple[int, ...]
    recurrent_zero_points: tuple[int, ...]
    input_zero_point: int
    hidden_zero_point: int
    offset: int  # what the output is counted from; LiteRT has that of an intermediate tensor
    limits: tuple[int, int]
    sigmoid: Table
    tanh: Table
    tanh_of_state: Table
    keep: tuple[int, int, int]
    new: tuple[int, int, int]
    hidden: tuple[int, int, int]
    cell_clip: tuple[int, int]


def plan_lstm(draft: Draft, node: Node) -> None:
    """One step, all batches at once."""
    require_compiled(not lstm.is_basic(node))
    batches = draft.shape(input_at(node, 0))[0]
    plan_full(draft, node, options_of(node, LSTMOptions), Walk(batches, 1, 1, 1))


def plan_sequence_lstm(draft: Draft, node: Node) -> None:
    """LiteRT's cell."""
    options = options_of(node, UnidirectionalSequenceLSTMOptions)
    plan_full(draft, node, options, walk_of(draft, node, time_major=options.time_major))


def plan_full(draft: Draft, node: Node, options: lstm_full.AnyOptions, walk: Walk) -> None:
    """The cell whose gates have 16 bits."""
    x, cell = input_at(node, 0), cell_of(node.inputs)
    require_plain(cell)
    if x.type == FLOAT32:
        require_compiled(options.fused_activation_function == ActivationFunctionType.TANH)
        if are_floats(cell):
            plan_floats(draft, node, cell, walk, options.cell_clip, BY_FOURS)
        else:
            plan_hybrid(draft, node, cell, walk, options)
        return
    require_compiled(x.type == INT8 and len(node.intermediates) == OF_GATES)
    p = lstm_integer.params_of(node, x, cell, options.cell_clip, options.proj_clip)
    clip = p.cell_clip if p.cell_clip > 0 else 1 << 15
    arithmetic = Arithmetic(
        weights=tuple(gate.weights for gate in p.gates),
        recurrent=tuple(gate.recurrent for gate in p.gates),
        weight_zero_points=(0,) * 4,
        recurrent_zero_points=(0,) * 4,
        input_zero_point=p.input_zero_point,
        hidden_zero_point=p.output_zero_point,
        offset=p.hidden_zero_point,
        limits=(-(1 << 30), 1 << 30),
        sigmoid=lstm_integer.sigmoid,
        tanh=partial(gemmlowp.tanh_of_int16, integer_bits=lstm_integer.GATE_INTEGER_BITS),
        tanh_of_state=partial(gemmlowp.tanh_of_int16, integer_bits=15 + p.state_power),
        keep=(*ONE, -15),
        new=(*ONE, -30 - p.state_power),
        hidden=(0, *p.hidden),
        cell_clip=(-clip, min(clip, 32767)),
    )
    plan_integers(draft, node, cell, walk, arithmetic)


def plan_sequence_lstm_plain(draft: Draft, node: Node) -> None:
    """TFLM's cell."""
    options = options_of(node, UnidirectionalSequenceLSTMOptions)
    x, cell = input_at(node, 0), cell_of(node.inputs)
    if x.type == FLOAT32:
        require_compiled(options.fused_activation_function == ActivationFunctionType.TANH)
        plan_floats(draft, node, cell, walk_of(draft, node, time_major=options.time_major), options.cell_clip, IN_ORDER)
        return
    require_compiled(x.type == INT8)
    p = lstm_plain.params_of(x, cell, options.cell_clip, options.fused_activation_function)
    low, high = (-32768, 32767) if p.cell_clip is None else (-p.cell_clip, p.cell_clip)
    arithmetic = Arithmetic(
        weights=tuple(gate.weights for gate in p.gates),
        recurrent=tuple(gate.recurrent for gate in p.gates),
        weight_zero_points=tuple(gate.zero_point for gate in p.gates),
        recurrent_zero_points=tuple(gate.recurrent_zero_point for gate in p.gates),
        input_zero_point=p.input_zero_point,
        hidden_zero_point=p.hidden_zero_point,
        offset=p.hidden_zero_point,
        limits=(-32768, 32767),
        sigmoid=lstm_plain.sigmoid,
        tanh=partial(lstm_plain.tanh, left=0) if p.is_tanh else as_it_is,
        tanh_of_state=partial(lstm_plain.tanh, left=p.state_shift),
        keep=(0, *p.keep),
        new=(0, *p.add),
        hidden=(0, *p.hidden),
        cell_clip=(low, high),
    )
    plan_integers(draft, node, cell, walk_of(draft, node, time_major=options.time_major), arithmetic)


def as_it_is(x: Array) -> Array:
    """No activation."""
    return x


def plan_integers(draft: Draft, node: Node, cell: Cell[Tensor], walk: Walk, p: Arithmetic) -> None:
    """Rows for the inputs as int16, for their products with all gates, and for the steps."""
    x, y = input_at(node, 0), output_at(node, 0)
    of_inputs, of_state = matrices_of(cell)
    weights, recurrent = side_by_side(of_inputs, p.weight_zero_points), side_by_side(of_state, p.recurrent_zero_points)
    require_sizes(cell, walk, weights, recurrent)
    (channels, depth), cells, rows = weights.shape, recurrent.shape[1], walk.rows
    require_compiled(int(recurrent.min()) >= -128 and int(recurrent.max()) < 128)
    images, start = draft.scratch(2 * rows * depth), draft.scratch(2 * rows * channels)
    numbers = rows * depth
    draft.add(Widen(draft.read(x), KINDS[x.type], 1, 1, numbers, 0, 0, 1, numbers, -p.input_zero_point, images))
    bias = np.concatenate([bias_of(gate.bias, cells) for gate in cell.gates])
    taps, pairs = window_taps(weights.reshape(channels, 1, 1, depth), ONE_BY_ONE, depth)
    input_scaling = fixed_scaling(bias, *of_channels(p.weights, cells))
    finish = Finish(0, -32768, 32767, np.dtype(np.int16))
    multiply(draft, images, 2 * depth * np.arange(rows), taps, pairs, input_scaling, finish, start, 0, channels)
    taps, pairs = window_taps(recurrent.reshape(channels, 1, 1, cells), ONE_BY_ONE, cells)
    taps, pairs = in_turns(taps, pairs)
    state_scaling = fixed_scaling(np.zeros(channels, np.int64), *of_channels(p.recurrent, cells))
    vectors = -(-channels // LANES)
    draft.add(
        Lstm(
            start,
            *walk,
            cells,
            draft.keep(pack(pairs, np.int8, partial(columns_at_a_time, True))),
            vectors,
            draft.keep(state_scaling.parameters),
            *p.limits,
            draft.keep(tabulated(p.sigmoid)),
            draft.keep(tabulated(p.tanh)),
            draft.keep(tabulated(p.tanh_of_state)),
            draft.keep(np.concatenate([scaling(*p.keep), scaling(*p.new), scaling(*p.hidden)])),
            *p.cell_clip,
            p.hidden_zero_point,
            p.offset,
            draft.state(cell.hidden),
            draft.state(cell.state),
            draft.write(y),
            draft.keep(taps.astype(np.int64)),
            len(taps),
            draft.scratch(4 * LANES * vectors),
            draft.scratch(2 * LANES * vectors),
            draft.scratch(4 * 2 * LANES * -(-cells // LANES)),
        )
    )


def bias_of(tensor: Tensor | None, count: int) -> Array:
    """The bias of each, 0 without one."""
    if tensor is None:
        return np.zeros(count, np.int64)
    values = constant(tensor)
    require_compiled(values is not None)
    assert values is not None
    return values.astype(np.int64)


def of_channels(multipliers: tuple[Multiplier, ...], cells: int) -> tuple[Array, Array]:
    """Multipliers and shifts of the channels, of which each gate has so many."""
    return np.repeat([m for m, _ in multipliers], cells), np.repeat([shift for _, shift in multipliers], cells)


def tabulated(function: Table) -> Array:
    """What a function of one int16 gives for each."""
    return function(np.arange(-(2**15), 2**15)).astype(np.int16)


def plan_svdf(draft: Draft, node: Node) -> None:
    """Each filter's product with the input is what it remembers; of integers."""
    x, y = input_at(node, svdf.INPUT), output_at(node, 0)
    feature, time = constant(input_at(node, svdf.FEATURE)), constant(input_at(node, svdf.TIME))
    state, bias = input_at(node, svdf.STATE), optional_input(node, svdf.BIAS)
    require_compiled(x.type == INT8 and feature is not None and time is not None)
    assert feature is not None
    assert time is not None
    p = svdf.params_of(node)
    (filters, depth), memory, batches = feature.shape, time.shape[1], draft.shape(x)[0]
    units = filters // p.rank
    require_compiled(state.elements == batches * filters * memory)
    images, numbers = draft.scratch(2 * batches * depth), batches * depth
    draft.add(Widen(draft.read(x), KINDS[x.type], 1, 1, numbers, 0, 0, 1, numbers, -p.input_zero_point, images))
    limits, zero = np.iinfo(p.state_dtype), p.state_zero_point
    finish = Finish(zero, int(limits.min) + zero, int(limits.max) + zero, limits.dtype)  # beyond that, it wraps around
    newest = draft.scratch(limits.dtype.itemsize * batches * filters)
    taps, pairs = window_taps(feature.astype(np.int64).reshape(filters, 1, 1, depth), ONE_BY_ONE, depth)
    of_feature = fixed_scaling(np.zeros(filters, np.int64), *of_channels((p.feature,), filters))
    multiply(draft, images, 2 * depth * np.arange(batches), taps, pairs, of_feature, finish, newest, 0, filters)
    of_time = fixed_scaling(bias_of(bias, units), *of_channels((p.time,), units))
    draft.add(
        Svdf(
            newest,
            limits.dtype.itemsize,
            batches,
            units,
            p.rank,
            memory,
            zero,
            draft.keep(time.astype(np.int16)),
            draft.state(state),
            draft.scratch(4 * units),
            draft.keep(of_time.parameters),
            of_time.nbytes,
            p.output_zero_point,
            draft.write(y),
        )
    )
