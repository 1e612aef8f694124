"""UNIDIRECTIONAL_SEQUENCE_LSTM of integers: one unit, at one time, from the states before.

The states are those that the kernel has after the times before; from there on everything is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import tanh
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.explanation.arithmetic import (
    logistic_by_table,
    logistic_in_fixed_point,
    saturate,
    sigmoid,
    tanh_by_table,
    tanh_in_fixed_point,
    wrap_int32,
)
from refinfer.explanation.rounding import (
    SCALINGS,
    divided_by_power_of_two,
    scaled_twice,
)
from refinfer.explanation.site import Site, place
from refinfer.explanation.steps import Lesson, Result, Step, products, summed, under
from refinfer.kernels import lstm, lstm_integer, lstm_plain
from refinfer.kernels.common import first_scale, first_zero_point, options_of
from refinfer.kernels.recurrent import CELL, FORGET, INPUT, OUTPUT, Cell, cell_of
from refinfer.schema.enums import ActivationFunctionType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import UnidirectionalSequenceLSTMOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

UNIT_SCALE = 2.0**-15  # of what sigmoid and tanh give
GATES = {FORGET: "forget gate", INPUT: "input gate", CELL: "cell gate", OUTPUT: "output gate"}


class Moment(NamedTuple):
    """A unit at a time: what it is given, with the arrays of the cell and its tensors."""

    unit: int
    x: Sequence[int]
    x_scale: float
    hidden: Sequence[int]
    state: int
    arrays: Cell[Array]
    tensors: Cell[Tensor]
    options: UnidirectionalSequenceLSTMOptions


def moment_of(site: Site) -> Lesson[Moment]:
    """What the unit is given at the time of the element."""
    options = options_of(site.node, UnidirectionalSequenceLSTMOptions)
    first, second, unit = site.element
    time, batch = (first, second) if options.time_major else (second, first)
    x = site.array(lstm.INPUT)
    before = site.inputs
    if time > 0:
        past = x[:time] if options.time_major else x[:, :time]
        before = site.after([past, *site.inputs[1:]])
    arrays = cell_of(before)
    batches = x.shape[1 if options.time_major else 0]
    hidden, state = arrays.hidden.reshape(batches, -1)[batch], arrays.state.reshape(batches, -1)[batch]
    now = x[time, batch] if options.time_major else x[batch, time]
    c = int(state[unit])
    yield Step(
        "cell state before", str(c), c, f"of unit {unit}, at time {time}; the states are what the times before left"
    )
    return Moment(
        unit, now.tolist(), site.scale(lstm.INPUT), hidden.tolist(), c, arrays, cell_of(site.node.inputs), options
    )


def product(m: Moment, weights: Array, values: Sequence[int], names: tuple[str, str], zeros: tuple[int, int]) -> Step:
    """The sum of a row of weights with the inputs or the hidden state."""
    row = weights[m.unit].tolist()
    terms = [
        (f"{place(names[0], (d,))} * {place(names[1], (m.unit, d))}", int(values[d]), int(row[d]))
        for d in range(len(row))
    ]
    return summed(f"{names[1]} {names[0]}", products(terms, *zeros), f"of {len(terms)} products")


def scales_of(m: Moment, index: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of a gate: those of x and W, and those of h and R."""
    gate = m.tensors.gates[index]
    assert gate.weights is not None
    assert gate.recurrent is not None
    return (m.x_scale, first_scale(gate.weights)), (first_scale(m.tensors.hidden), first_scale(gate.recurrent))


def saturated(label: str, value: int, bits: int = 16) -> Lesson[int]:
    """A step only where something is cut off."""
    y = saturate(value, bits)
    if y != value:
        yield Step(label, f"saturate({value}, {bits})", y, f"what {bits} bits can hold")
    return y


Scaling = Callable[[int, int, int], Lesson[int]]
"""How an accumulator is multiplied by a multiplier and a shift."""


def by_tables(site: Site) -> Lesson[Result]:
    """TFLM's: FULLY_CONNECTED, LOGISTIC and TANH of 16 bits, MUL and ADD, each rounded and saturated by itself."""
    m = yield from moment_of(site)
    x, cell = site.tensor(lstm.INPUT), m.tensors
    p = lstm_plain.params_of(x, cell, m.options.cell_clip, m.options.fused_activation_function)

    gates = {}
    for index, name in GATES.items():
        z = yield from under(name, sum_by_tables(m, p, index))
        if index == CELL and not p.is_tanh:
            gates[index] = z
        else:
            function, words = (tanh_by_table, "tanh") if index == CELL else (logistic_by_table, "sigmoid")
            gates[index] = function(z, 3, 0)
            note = "from a table of 256 entries, interpolated; 2**15 stands for 1"
            yield Step(f"{name}: {words}", f"{function.__name__}({z}, 3, 0)", gates[index], note)
    kept = yield from scaled_product("kept", gates[FORGET], m.state, p.keep, "forget gate * cell state")
    new = yield from scaled_product("new", gates[INPUT], gates[CELL], p.add, "input gate * cell gate")
    state = saturate(kept + new, 16)
    yield Step("cell state", f"saturate({kept} + {new}, 16)", state)
    if p.cell_clip is not None:
        clipped = min(max(state, -p.cell_clip), p.cell_clip)
        yield Step("cell state clipped", f"min(max({state}, {-p.cell_clip}), {p.cell_clip})", clipped)
        state = clipped
    multiplier, shift = (3 << p.state_shift, 0) if p.state_shift >= 0 else (3, -p.state_shift)
    squashed = tanh_by_table(state, multiplier, shift)
    yield Step("tanh of the cell state", f"tanh_by_table({state}, {multiplier}, {shift})", squashed)
    y = yield from output(gates[OUTPUT], squashed, p.hidden, p.hidden_zero_point, p.bits)
    return Result(y, *in_real_numbers(m, x, m.options.fused_activation_function == ActivationFunctionType.TANH))


def sum_by_tables(m: Moment, p: lstm_plain.Params, index: int) -> Lesson[int]:
    """W x + b and R h, each brought to 16 bits, then their sum."""
    params, gate = p.gates[index], m.arrays.gates[index]
    assert gate.weights is not None
    assert gate.recurrent is not None
    of_input = yield from with_bias(
        product(m, gate.weights, m.x, ("x", "W"), (p.input_zero_point, params.zero_point)),
        gate.bias,
        m.unit,
        p.bits == 8,
    )
    scale, (of_w, of_r) = SCALINGS[p.rescale], scales_of(m, index)
    first = yield from onto_gate("W x", of_input, params.weights, of_w, scale)
    first = yield from saturated("W x saturated", first)
    recurrent = product(m, gate.recurrent, m.hidden, ("h", "R"), (p.hidden_zero_point, params.recurrent_zero_point))
    of_hidden = yield from with_bias(recurrent, None, m.unit, p.bits == 8)
    second = yield from onto_gate("R h", of_hidden, params.recurrent, of_r, scale)
    second = yield from saturated("R h saturated", second)
    yield Step("sum", f"saturate({first} + {second}, 16)", saturate(first + second, 16), "2**12 stands for 1")
    return saturate(first + second, 16)


def onto_gate(
    label: str, acc: int, multiplier: tuple[int, int], scales: tuple[float, float], scale: Scaling = scaled_twice
) -> Lesson[int]:
    """A sum of products on the scale of the gate's sum, which is 2**-12."""
    words = f"{scales[0]!r} * {scales[1]!r} / 2**-12 is about {multiplier[0]} * 2**({multiplier[1]} - 31)"
    yield Step(f"{label}: multiplier", str(multiplier[0]), multiplier[0], words)
    return (yield from under(label, scale(acc, *multiplier)))


def with_bias(total: Step, bias: Array | None, unit: int, in_32_bits: bool) -> Lesson[int]:
    """A sum of products, with the bias if there is one."""
    yield total
    value = int(total.value)
    if bias is not None:
        b = int(bias[unit])
        yield Step(f"{total.label} + b", f"{value} + {b}", value + b, f"the bias of unit {unit}")
        value += b
    return wrap_int32(value) if in_32_bits else value


def scaled_product(label: str, a: int, b: int, multiplier: tuple[int, int], words: str) -> Lesson[int]:
    """A product of two numbers of 16 bits, as MUL computes it."""
    yield Step(label, f"{a} * {b}", a * b, words)
    scaled = yield from under(label, scaled_twice(a * b, *multiplier))
    return (yield from saturated(f"{label}: saturated", scaled))


def output(gate: int, squashed: int, multiplier: tuple[int, int], zero_point: int, bits: int) -> Lesson[int]:
    """The output gate times tanh of the state, on the scale of the output."""
    yield Step("output", f"{gate} * {squashed}", gate * squashed, "output gate * tanh of the cell state")
    scaled = yield from under("output", scaled_twice(gate * squashed, *multiplier))
    yield Step("zero point added", f"{scaled} + {zero_point}", scaled + zero_point)
    y = saturate(scaled + zero_point, bits)
    yield Step("limited", f"saturate({scaled + zero_point}, {bits})", y, f"what {bits} bits can hold")
    return y


def in_fixed_point(site: Site) -> Lesson[Result]:
    """LiteRT's: sigmoid and tanh in gemmlowp's fixed point of 16 bits, and products that are shifted alone."""
    m = yield from moment_of(site)
    x = site.tensor(lstm.INPUT)
    p = lstm_integer.params_of(site.node, x, m.tensors, m.options.cell_clip, m.options.proj_clip)
    bits = lstm_integer.GATE_INTEGER_BITS
    gates = {}
    for index, name in GATES.items():
        z = yield from under(name, sum_in_fixed_point(m, p, index))
        words, function = ("tanh", tanh_in_fixed_point) if index == CELL else ("sigmoid", logistic_in_fixed_point)
        gates[index] = function(z, bits, 16)
        note = "gemmlowp's fixed point; 2**15 stands for 1"
        yield Step(f"{name}: {words}", f"{function.__name__}({z}, {bits}, 16)", gates[index], note)
    shift = 30 + p.state_power
    kept = yield from shifted_product("kept", gates[FORGET], m.state, 15, "forget gate * cell state")
    new = yield from shifted_product("new", gates[INPUT], gates[CELL], shift, "input gate * cell gate")
    state = saturate(kept + new, 16)
    yield Step("cell state", f"saturate({kept} + {new}, 16)", state)
    if p.cell_clip > 0:
        clipped = min(max(state, -p.cell_clip), p.cell_clip)
        yield Step("cell state clipped", f"min(max({state}, {-p.cell_clip}), {p.cell_clip})", clipped)
        state = clipped
    squashed = tanh_in_fixed_point(state, 15 + p.state_power, 16)
    yield Step("tanh of the cell state", f"tanh_in_fixed_point({state}, {15 + p.state_power}, 16)", squashed)
    y = yield from output(gates[OUTPUT], squashed, p.hidden, p.hidden_zero_point, 8)
    return Result(y, *in_real_numbers(m, x, is_tanh=True))


def sum_in_fixed_point(m: Moment, p: lstm_integer.Params, index: int) -> Lesson[int]:
    """W x + b, brought to 16 bits; then R h is added, and the sum saturated."""
    params, gate = p.gates[index], m.arrays.gates[index]
    assert gate.weights is not None
    assert gate.recurrent is not None
    zero, recurrent_zero = p.input_zero_point, p.output_zero_point
    of_input = yield from with_bias(product(m, gate.weights, m.x, ("x", "W"), (zero, 0)), gate.bias, m.unit, True)
    of_w, of_r = scales_of(m, index)
    first = yield from onto_gate("W x", of_input, params.weights, of_w)
    first = yield from saturated("W x saturated", first)
    recurrent = product(m, gate.recurrent, m.hidden, ("h", "R"), (recurrent_zero, 0))
    of_hidden = yield from with_bias(recurrent, None, m.unit, True)
    second = yield from onto_gate("R h", of_hidden, params.recurrent, of_r)
    yield Step("sum", f"saturate({first} + {second}, 16)", saturate(first + second, 16), "2**12 stands for 1")
    return saturate(first + second, 16)


def shifted_product(label: str, a: int, b: int, shift: int, words: str) -> Lesson[int]:
    """A product of two numbers of 16 bits, over a power of two."""
    yield Step(label, f"{a} * {b}", a * b, words)
    return (yield from divided_by_power_of_two(a * b, shift, f"{label}: / 2**{shift}"))


def in_real_numbers(m: Moment, x: Tensor, is_tanh: bool) -> tuple[str, float]:
    """The same step of the unit in real numbers, from the same states: its last formula, and the value."""

    def scaled(values: Sequence[int], tensor: Tensor) -> list[float]:
        return [first_scale(tensor) * (q - first_zero_point(tensor)) for q in values]

    inputs, hidden = scaled(m.x, x), scaled(m.hidden, m.tensors.hidden)

    def total(index: int) -> float:
        gate, tensors = m.arrays.gates[index], m.tensors.gates[index]
        assert gate.weights is not None
        assert gate.recurrent is not None
        assert tensors.weights is not None
        assert tensors.recurrent is not None
        pairs = zip(inputs, scaled(gate.weights[m.unit].tolist(), tensors.weights), strict=True)
        found = sum(a * b for a, b in pairs)
        pairs = zip(hidden, scaled(gate.recurrent[m.unit].tolist(), tensors.recurrent), strict=True)
        found += sum(a * b for a, b in pairs)
        bias_scale = first_scale(x) * first_scale(tensors.weights)
        return found + (0.0 if gate.bias is None else bias_scale * int(gate.bias[m.unit]))

    forget_gate, input_gate, output_gate = sigmoid(total(FORGET)), sigmoid(total(INPUT)), sigmoid(total(OUTPUT))
    cell_gate = tanh(total(CELL)) if is_tanh else total(CELL)
    state = forget_gate * first_scale(m.tensors.state) * m.state + input_gate * cell_gate
    clip = m.options.cell_clip
    state = min(max(state, -clip), clip) if clip > 0 else state
    return f"{output_gate!r} * tanh({state!r})", output_gate * tanh(state)


def is_plain(node: Node) -> bool:
    """Whether LiteRT runs the node in integers of 16 bits, as a cell without peephole, projection, norm and CIFG."""
    cell: Cell[Any] = cell_of(node.inputs)
    plain = all(gate.peephole is None and gate.norm is None for gate in cell.gates)
    return plain and cell.projection is None and cell.has_input_gate and len(node.intermediates) == 5
