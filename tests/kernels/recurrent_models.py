"""One-op models of recurrent operators, with weights drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, LSTMKernelType, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import (
    BidirectionalSequenceLSTMOptions,
    BidirectionalSequenceRNNOptions,
    LSTMOptions,
    RNNOptions,
    SequenceRNNOptions,
    SVDFOptions,
    UnidirectionalSequenceLSTMOptions,
)
from refinfer.testing import TensorSpec, one_op_model

FLOAT32, UINT8, INT8, INT16, INT32, INT64 = (
    TensorType.FLOAT32,
    TensorType.UINT8,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)
TANH = ActivationFunctionType.TANH


def constant(of: TensorType, data: Any, scale: float | None = None, zero_point: int = 0) -> TensorSpec:
    """A constant, quantized if there is a scale."""
    data = np.asarray(data)
    return TensorSpec(
        of, data.shape, () if scale is None else (scale,), () if scale is None else (zero_point,), data=data
    )


@dataclass
class Lstm:
    """A full LSTM cell. `activations` are FLOAT32, INT8 or INT16; `weights` FLOAT32 or INT8.

    With `pot` all scales are powers of two, so that ties are frequent; with `alike`, the cells have large weights for
    the input that hardly differ.
    """

    rng: np.random.Generator
    activations: TensorType = FLOAT32
    weights: TensorType = FLOAT32
    batches: int = 2
    steps: int = 3
    inputs: int = 5
    cells: int = 4
    outputs: int | None = None
    cifg: bool = False
    peephole: bool = False
    projection_bias: bool = False
    norm: bool = False
    time_major: bool = False
    activation: ActivationFunctionType = TANH
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    asymmetric: bool = False
    cell_power: int = -11
    intermediates: int = 5
    pot: bool = False
    loud: float = 1.0
    diagonal: bool = False
    alike: bool = False
    op: BuiltinOperator = BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    tensors: list[TensorSpec | None] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Of the output."""
        return self.cells if self.outputs is None else self.outputs

    def scale(self, low: float, high: float) -> float:
        """A scale between the two (a power of two, if it shall be one)."""
        exponent = self.rng.uniform(np.log2(low), np.log2(high))
        return float(2.0 ** round(exponent)) if self.pot else float(np.float32(2.0**exponent))

    def zero_point(self) -> int:
        """Of int8 activations."""
        return 0 if self.activations == INT16 else int(self.rng.choice([-128, 127, *self.rng.integers(-128, 128, 4)]))

    def matrix(self, rows: int, columns: int) -> TensorSpec:
        """Weights whose products with activations from -1 to 1 are of the size that gates like."""
        size = 2.0 * self.loud / np.sqrt(columns)
        if self.weights == FLOAT32:
            return constant(FLOAT32, self.rng.normal(0, size, (rows, columns)).astype(np.float32))
        if self.alike and columns == self.inputs:
            return constant(
                INT8, self.rng.integers(110, 128, (rows, columns)).astype(np.int8), self.scale(2**-6, 2**-3)
            )
        low = -127 if self.activations == FLOAT32 else -128
        data = self.rng.integers(low, 128, (rows, columns)).astype(np.int8)
        return constant(INT8, data, self.scale(size / 127, 2 * size / 127))

    def vector(self, length: int) -> TensorSpec:
        """Peephole weights."""
        if self.weights == FLOAT32:
            return constant(FLOAT32, self.rng.normal(0, 1, length).astype(np.float32))
        if self.activations == FLOAT32:
            return constant(INT8, self.rng.integers(-127, 128, length).astype(np.int8), self.scale(2**-8, 2**-6))
        return constant(INT16, self.rng.integers(-32768, 32768, length).astype(np.int16), self.scale(2**-16, 2**-14))

    def diagonal_of(self, length: int) -> TensorSpec:
        """Recurrent weights of the diagonal alone, which are always floats."""
        return constant(FLOAT32, self.rng.normal(0, 1, length).astype(np.float32))

    def bias(self, length: int) -> TensorSpec:
        """Of a gate."""
        if self.activations == FLOAT32:
            return constant(FLOAT32, self.rng.normal(0, 1, length).astype(np.float32))
        if self.activations == INT16:
            return constant(INT64, self.rng.integers(-3 * 10**7, 3 * 10**7, length), 2**-20)
        if self.norm:
            return constant(INT32, self.rng.integers(-(2**23), 2**23, length).astype(np.int32), 2**-20)
        return constant(INT32, self.rng.integers(-20000, 20000, length).astype(np.int32), 2**-16)

    def coefficients(self, length: int) -> TensorSpec:
        """Of layer normalization."""
        if self.activations == FLOAT32:
            return constant(FLOAT32, self.rng.normal(0, 1, length).astype(np.float32))
        return constant(INT16, self.rng.integers(-32768, 32768, length).astype(np.int16), self.scale(2**-17, 2**-13))

    def activation_tensor(self, *shape: int, is_variable: bool = False, scale: float = 0.0) -> TensorSpec:
        """An input, a state or an output, from about -1 to 1."""
        if self.activations == FLOAT32:
            return TensorSpec(FLOAT32, shape, is_variable=is_variable)
        step = scale or (self.scale(2**-8, 2**-6) if self.activations == INT8 else self.scale(2**-16, 2**-14))
        return TensorSpec(self.activations, shape, (step,), (self.zero_point(),), is_variable=is_variable)

    def sequence(self, width: int) -> tuple[int, ...]:
        """The shape of an input or output."""
        if self.op == BuiltinOperator.LSTM:
            return (self.batches, width)
        return (self.steps, self.batches, width) if self.time_major else (self.batches, self.steps, width)

    def describe(self) -> str:
        """What it is, for the message of a test that fails."""
        return ", ".join(f"{key}={value}" for key, value in vars(self).items() if key not in ("rng", "tensors"))

    def cell(self) -> list[TensorSpec | None]:
        """The inputs from 1 on, without the states and layer norm: weights, peephole, biases, projection."""
        gates = [not self.cifg, True, True, True]

        def of_gates(make: Any, *size: int, present: list[bool] = gates) -> list[TensorSpec | None]:
            return [make(*size) if there else None for there in present]

        peephole = [not self.cifg, True, True] if self.peephole else [False] * 3
        projected = self.outputs is not None
        return [
            *of_gates(self.matrix, self.cells, self.inputs),
            *(
                of_gates(self.diagonal_of, self.cells)
                if self.diagonal
                else of_gates(self.matrix, self.cells, self.width)
            ),
            *of_gates(self.vector, self.cells, present=peephole),
            *of_gates(self.bias, self.cells),
            self.matrix(self.width, self.cells) if projected else None,
            self.projection_bias_tensor() if projected and self.projection_bias else None,
        ]

    def projection_bias_tensor(self) -> TensorSpec:
        if self.activations == FLOAT32:
            return self.bias(self.width)
        return constant(INT32, self.rng.integers(-9000, 9000, self.width).astype(np.int32), 2**-16)

    def states(self) -> list[TensorSpec | None]:
        hidden = self.activation_tensor(self.batches, self.width, is_variable=True)
        if self.activations == FLOAT32:
            return [hidden, TensorSpec(FLOAT32, (self.batches, self.cells), is_variable=True)]
        scale = 2.0**self.cell_power
        return [hidden, TensorSpec(INT16, (self.batches, self.cells), (scale,), (0,), is_variable=True)]

    def norms(self) -> list[TensorSpec | None]:
        present = [self.norm and not self.cifg, *[self.norm] * 3]
        return [self.coefficients(self.cells) if there else None for there in present]

    def intermediate_tensors(self) -> list[TensorSpec]:
        """The scales of what happens inside: those of the gates (which count with layer norm), and the hidden one."""
        if self.activations != INT8:
            return []
        if self.intermediates == 12:
            return [TensorSpec(INT8, (0,), (self.scale(2**-6, 2**-4),), (self.zero_point(),)) for _ in range(12)]
        gates = [TensorSpec(INT16, (0,), (self.scale(2**-13, 2**-10),), (0,)) for _ in range(4)]
        hidden = TensorSpec(INT8, (0,), (self.scale(2**-8, 2**-6),), (self.zero_point(),))
        return [*gates, hidden]

    def options(self) -> Table:
        common = {
            "fused_activation_function": self.activation,
            "cell_clip": self.cell_clip,
            "proj_clip": self.projection_clip,
            "asymmetric_quantize_inputs": self.asymmetric,
        }
        if self.op == BuiltinOperator.LSTM:
            return LSTMOptions(**common)
        return UnidirectionalSequenceLSTMOptions(
            **common, time_major=self.time_major, diagonal_recurrent_tensors=self.diagonal
        )

    def model(self) -> bytes:
        """The model; its tensors stay in `tensors`."""
        x = self.activation_tensor(*self.sequence(self.inputs))
        self.tensors = [x, *self.cell(), *self.states(), *self.norms()]
        hidden = self.tensors[18]
        assert hidden is not None
        if self.activations == FLOAT32:
            y = self.activation_tensor(*self.sequence(self.width))
        else:
            y = TensorSpec(self.activations, self.sequence(self.width), hidden.scale, hidden.zero_point)
        return one_op_model(
            self.op, self.tensors, [y], self.options(), version=1, intermediates=self.intermediate_tensors()
        )

    def input(self) -> Any:
        """Random values for the input."""
        shape = self.sequence(self.inputs)
        if self.activations == FLOAT32:
            return self.rng.normal(0, 1, shape).astype(np.float32)
        limits = np.iinfo(np.int8 if self.activations == INT8 else np.int16)
        return self.rng.integers(limits.min, limits.max + 1, shape).astype(limits.dtype)


def random_lstm(
    rng: np.random.Generator, activations: TensorType, weights: TensorType, *, plain: bool = False, **fixed: Any
) -> Lstm:
    """A cell of any form (or the plain form) but for what is fixed.

    Projections are never wider than the cell: with those, LiteRT writes beyond its scratch buffers.
    """
    cells = int(rng.integers(1, 14))
    drawn: dict[str, Any] = {
        "batches": int(rng.integers(1, 5)),
        "steps": int(rng.integers(1, 6)),
        "inputs": int(rng.integers(1, 14)),
        "cells": cells,
        "time_major": bool(rng.integers(2)),
        "pot": bool(rng.integers(2)),
        "loud": float(rng.choice([0.5, 1, 4])),
        "cell_power": int(rng.integers(-15, -8)),
        "cell_clip": float(rng.choice([0, 0, 0.3, 2.0])),
    }
    if not plain:
        drawn |= {
            "cifg": bool(rng.integers(2)),
            "peephole": bool(rng.integers(2)),
            "norm": bool(rng.integers(2)),
            "asymmetric": bool(rng.integers(2)),
            "outputs": None if rng.integers(2) else int(rng.integers(1, cells + 1)),
            "projection_bias": bool(rng.integers(2)),
            "projection_clip": float(rng.choice([0, 0, 0.4])),
        }
        if activations == FLOAT32:
            drawn["activation"] = random_activation(rng)
    return Lstm(rng, activations, weights, **(drawn | fixed))


def random_activation(rng: np.random.Generator) -> ActivationFunctionType:
    """Any fused activation, tanh most often."""
    return ActivationFunctionType(int(rng.choice([0, 1, 2, 3, 4, 4, 4, 5])))


def float_input(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random floats; now and then a batch or all of them are zeros."""
    x = rng.normal(0, 1, shape).astype(np.float32)
    if rng.random() < 0.2:
        x[rng.integers(0, len(x))] = 0
    return x * np.float32(rng.random() > 0.1)


@dataclass
class Bidirectional:
    """A bidirectional LSTM (of two plain cells, CIFG or not, with projection or not) or RNN.

    `auxiliary` is None, "input" (the second cell's) or "weights" (a second input of both).
    """

    rng: np.random.Generator
    weights: TensorType = FLOAT32
    batches: int = 2
    steps: int = 3
    inputs: int = 5
    cells: int = 4
    more_cells: int = 4
    auxiliary: str | None = None
    merge: bool = False
    time_major: bool = True
    asymmetric: bool = False
    activation: ActivationFunctionType = TANH
    cifg: bool = False
    peephole: bool = False
    outputs: int | None = None

    def sequence(self, width: int) -> tuple[int, ...]:
        return (self.steps, self.batches, width) if self.time_major else (self.batches, self.steps, width)

    def ends(self) -> tuple[list[TensorSpec], list[TensorSpec | None]]:
        """The input, and the auxiliary input if there is one."""
        x = TensorSpec(FLOAT32, self.sequence(self.inputs))
        return [x], [TensorSpec(FLOAT32, self.sequence(self.inputs)) if self.auxiliary else None]

    def outputs_of(self, first: int, second: int) -> list[TensorSpec]:
        widths = [first + second] if self.merge else [first, second]
        return [TensorSpec(FLOAT32, self.sequence(width)) for width in widths]

    def lstm(self) -> bytes:
        """BIDIRECTIONAL_SEQUENCE_LSTM"""
        cell = Lstm(
            self.rng,
            weights=self.weights,
            batches=self.batches,
            inputs=self.inputs,
            cells=self.cells,
            outputs=self.outputs,
            cifg=self.cifg,
            peephole=self.peephole,
            projection_bias=self.peephole,
        )
        x, auxiliary = self.ends()

        def auxiliary_weights() -> list[TensorSpec | None]:
            present = [not self.cifg, True, True, True] if self.auxiliary == "weights" else [False] * 4
            return [cell.matrix(self.cells, self.inputs) if there else None for there in present]

        inputs = [*x, *cell.cell(), *cell.cell(), *cell.states(), *cell.states(), *auxiliary]
        inputs += [*auxiliary_weights(), *auxiliary_weights()]
        options = BidirectionalSequenceLSTMOptions(
            fused_activation_function=self.activation,
            merge_outputs=self.merge,
            time_major=self.time_major,
            asymmetric_quantize_inputs=self.asymmetric,
            cell_clip=0.7 if self.peephole else 0.0,
        )
        outputs = self.outputs_of(cell.width, cell.width)
        return one_op_model(BuiltinOperator.BIDIRECTIONAL_SEQUENCE_LSTM, inputs, outputs, options)

    def rnn(self) -> bytes:
        """BIDIRECTIONAL_SEQUENCE_RNN"""
        x, auxiliary = self.ends()
        cells = [rnn_cell(self.rng, self.weights, self.batches, self.inputs, n) for n in (self.cells, self.more_cells)]
        more: list[TensorSpec | None] = [None, None]
        if self.auxiliary == "weights":
            more = [rnn_weights(self.rng, self.weights, n, self.inputs) for n in (self.cells, self.more_cells)]
        options = BidirectionalSequenceRNNOptions(
            time_major=self.time_major,
            fused_activation_function=self.activation,
            merge_outputs=self.merge,
            asymmetric_quantize_inputs=self.asymmetric,
        )
        inputs = [*x, *cells[0], *cells[1], *auxiliary, *more]
        outputs = self.outputs_of(self.cells, self.more_cells)
        return one_op_model(BuiltinOperator.BIDIRECTIONAL_SEQUENCE_RNN, inputs, outputs, options)

    def input(self) -> list[Any]:
        """Random values for the inputs."""
        return [float_input(self.rng, self.sequence(self.inputs)) for _ in range(2 if self.auxiliary else 1)]


def rnn_weights(rng: np.random.Generator, of: TensorType, rows: int, columns: int) -> TensorSpec:
    """Weights of an RNN."""
    return Lstm(rng, weights=of).matrix(rows, columns)


def rnn_cell(rng: np.random.Generator, of: TensorType, batches: int, inputs: int, units: int) -> list[TensorSpec]:
    """Weights, recurrent weights, bias and state of an RNN."""
    return [
        rnn_weights(rng, of, units, inputs),
        rnn_weights(rng, of, units, units),
        constant(FLOAT32, rng.normal(0, 1, units).astype(np.float32)),
        TensorSpec(FLOAT32, (batches, units), is_variable=True),
    ]


def rnn(
    rng: np.random.Generator,
    of: TensorType,
    shape: tuple[int, ...],
    units: int,
    activation: ActivationFunctionType,
    *,
    asymmetric: bool = False,
    time_major: bool = False,
) -> bytes:
    """RNN, or with an input of three dimensions UNIDIRECTIONAL_SEQUENCE_RNN."""
    is_sequence = len(shape) == 3
    batches = shape[1 if is_sequence and time_major else 0]
    cell = rnn_cell(rng, of, batches, shape[-1], units)
    x, y = TensorSpec(FLOAT32, shape), TensorSpec(FLOAT32, (*shape[:-1], units))
    options: Table
    if is_sequence:
        op, options = (
            BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN,
            SequenceRNNOptions(
                time_major=time_major, fused_activation_function=activation, asymmetric_quantize_inputs=asymmetric
            ),
        )
    else:
        op, options = (
            BuiltinOperator.RNN,
            RNNOptions(fused_activation_function=activation, asymmetric_quantize_inputs=asymmetric),
        )
    return one_op_model(op, [x, *cell], [y], options)


def basic_lstm(rng: np.random.Generator, of: TensorType, batches: int, inputs: int, width: int) -> bytes:
    """The basic kernel of LSTM, FLOAT32 or UINT8."""
    shape = (4 * width, inputs + width)
    options = LSTMOptions(fused_activation_function=TANH, kernel_type=LSTMKernelType.BASIC)

    def tensor(type: TensorType, columns: int, scale: float, zero_point: int, is_variable: bool = False) -> TensorSpec:
        if of == FLOAT32:
            return TensorSpec(FLOAT32, (batches, columns), is_variable=is_variable)
        return TensorSpec(type, (batches, columns), (scale,), (zero_point,), is_variable=is_variable)

    if of == FLOAT32:
        weights = constant(FLOAT32, rng.normal(0, 1, shape).astype(np.float32))
        bias = constant(FLOAT32, rng.normal(0, 1, 4 * width).astype(np.float32))
    else:
        scale = float(np.float32(2.0 ** rng.uniform(-9, -5)))
        zero_point = int(rng.integers(0, 256))
        weights = constant(UINT8, rng.integers(0, 256, shape).astype(np.uint8), scale, zero_point)
        bias = constant(INT32, rng.integers(-9000, 9000, 4 * width).astype(np.int32), scale / 128)
    inputs_of = [
        tensor(UINT8, inputs, 1 / 128, 128),
        tensor(UINT8, width, 1 / 128, 128, is_variable=True),
        weights,
        bias,
        tensor(INT16, width, 2.0**-11, 0, is_variable=True),
    ]
    outputs = [
        tensor(UINT8, width, 1 / 128, 128),
        tensor(INT16, width, 2.0**-11, 0),
        tensor(UINT8, inputs + width, 1 / 128, 128),
        tensor(INT16, 4 * width, 2.0**-12, 0),
    ]
    return one_op_model(BuiltinOperator.LSTM, inputs_of, outputs, options)


def svdf(
    rng: np.random.Generator,
    activations: TensorType,
    weights: TensorType,
    *,
    in_time: TensorType = INT16,
    batches: int = 2,
    inputs: int = 5,
    units: int = 3,
    rank: int = 2,
    memory: int = 4,
    bias: bool = True,
    activation: ActivationFunctionType = ActivationFunctionType.RELU,
    asymmetric: bool = False,
    pot: bool = False,
) -> bytes:
    """SVDF in float, hybrid or int8."""
    filters = units * rank
    of = Lstm(rng, activations=activations, weights=weights, pot=pot)
    options = SVDFOptions(rank=rank, fused_activation_function=activation, asymmetric_quantize_inputs=asymmetric)
    feature = of.matrix(filters, inputs)
    if activations == FLOAT32:
        x, y = TensorSpec(FLOAT32, (batches, inputs)), TensorSpec(FLOAT32, (batches, units))
        time = of.matrix(filters, memory)
        bias_tensor = of.bias(units)
        state = TensorSpec(FLOAT32, (batches, memory * filters), is_variable=True)
    else:
        x, y = of.activation_tensor(batches, inputs), of.activation_tensor(batches, units)
        limits = np.iinfo("int16" if in_time == INT16 else "int8")
        small = 2.0 ** (-15 if in_time == INT16 else -7)
        time_scale, state_scale = of.scale(small / 2, small * 2), of.scale(small, small * 8)
        data = rng.integers(limits.min, limits.max + 1, (filters, memory)).astype(limits.dtype)
        time = constant(in_time, data, time_scale)
        step = state_scale * time_scale
        bias_tensor = constant(INT32, rng.integers(-(2**20), 2**20, units).astype(np.int32) // 16, step)
        zero_point = int(rng.integers(-20, 20)) if in_time == INT8 else 0
        shape = (batches, memory * filters)
        state = TensorSpec(in_time, shape, (state_scale,), (zero_point,), is_variable=True)
    inputs_of = [x, feature, time, bias_tensor if bias else None, state]
    return one_op_model(BuiltinOperator.SVDF, inputs_of, [y], options)
