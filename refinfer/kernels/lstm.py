"""UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_LSTM and LSTM.

Sources: unidirectional_sequence_lstm.cc, lstm_eval.cc, lstm_eval_common.cc, lstm_shared.h,
fully_connected_common.cc, all in tensorflow/lite/micro/kernels.

TFLM runs the plain cell alone: no peephole, no projection, no layer normalization.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels import lstm_basic, lstm_full, lstm_plain
from refinfer.kernels.arithmetic.common_scale import ARITHMETIC_PARAMS
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_arity,
    require_in_debug,
    require_same_type,
    require_shape,
    type_size,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.fully_connected import is_per_channel, per_channel_arrays
from refinfer.kernels.kernel import Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, FLOAT, INT16, INT32, UINT8, Build, Repeated, struct
from refinfer.kernels.recurrent import cell_of, walk
from refinfer.schema.enums import LSTMKernelType, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import LSTMOptions, UnidirectionalSequenceLSTMOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUTS = 24
INPUT, OUTPUT_STATE, CELL_STATE = 0, 18, 19
INPUT_WEIGHTS = range(1, 5)  # of the gates input, forget, cell, output
RECURRENT_WEIGHTS = range(5, 9)
PEEPHOLE = range(9, 12)
BIASES = range(12, 16)
PROJECTION = range(16, 18)
LAYER_NORM = range(20, 24)
GATES_AS_PREPARED = (1, 0, 2, 3)  # forget, input, cell, output [lstm_eval_common.cc: PrepareGateParametersInteger]

LSTM_PARAMS = struct(
    "TfLiteUnidirectionalSequenceLSTMParams",
    activation=ENUM,
    cell_clip=FLOAT,
    proj_clip=FLOAT,
    time_major=BOOL,
    asymmetric_quantize_inputs=BOOL,
    diagonal_recurrent_tensors=BOOL,
)
FULLY_CONNECTED_PARAMS = struct(
    "FullyConnectedParams",
    input_offset=INT32,
    weights_offset=INT32,
    output_offset=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    quantized_activation_min=INT32,
    quantized_activation_max=INT32,
    float_activation_min=FLOAT,
    float_activation_max=FLOAT,
    lhs_cacheable=BOOL,
    rhs_cacheable=BOOL,
    weights_format=UINT8,  # an enum class that states its width
)
GATE_PARAMETERS = struct(
    "GateParameters", input_fc_params=FULLY_CONNECTED_PARAMS, recurrent_fc_params=FULLY_CONNECTED_PARAMS
)
OP_DATA_LSTM = struct(
    "unidirectional_sequence_lstm:OpDataLSTM",
    size_info=struct(
        "LstmSizeInfo",
        time_major=BOOL,
        batch_size=INT32,
        time_steps=INT32,
        input_dimension=INT32,
        state_dimension=INT32,
    ),
    cell_state_info=struct("CellStateInfo", cell_clip=FLOAT, quantized_cell_clip=INT16, cell_state_scale_power=INT32),
    cell_gate_nonlinear_type=ENUM,
    forget_gate_parameters=GATE_PARAMETERS,
    input_gate_parameters=GATE_PARAMETERS,
    cell_gate_parameters=GATE_PARAMETERS,
    output_gate_parameters=GATE_PARAMETERS,
    inter_gate_parameters=struct(
        "InterGateParameters",
        forget_cell_mul_params=ARITHMETIC_PARAMS,
        input_mul_params=ARITHMETIC_PARAMS,
        output_mul_params=ARITHMETIC_PARAMS,
    ),
    buffer_indices=Repeated(INT32, 4),
)


class Sizes(NamedTuple):
    """[lstm_shared.h: LstmSizeInfo]"""

    batches: int
    inputs: int
    states: int


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[unidirectional_sequence_lstm.cc: UnidirectionalSequenceLstmPrepare]"""
    require_arity(node, INPUTS, 1)
    yield from temps(*node.inputs, output_at(node, 0))
    require_plain_cell(node)
    sizes = sizes_of(node)
    require_sizes(node, sizes)
    cell = input_at(node, CELL_STATE)
    require(
        cell.type in (TensorType.FLOAT32, TensorType.INT16),
        f"Cell state type {cell.type.name} not supported. The quantized Unidirectional Sequence LSTM Op only support "
        "int16 cell state",
        cell,
    )
    if cell.type == TensorType.INT16:
        for gate in GATES_AS_PREPARED:
            yield from gate_arrays(input_at(node, INPUT), input_at(node, INPUT_WEIGHTS[gate]), build)
            yield from gate_arrays(input_at(node, OUTPUT_STATE), input_at(node, RECURRENT_WEIGHTS[gate]), build)
    for index in range(4):
        nbytes = sizes.batches * sizes.states * type_size(cell)
        source = "unidirectional_sequence_lstm.cc: UnidirectionalSequenceLstmPrepare"
        yield Scratch(f"buffer_indices[{index}]", nbytes, source)


def require_plain_cell(node: Node) -> None:
    """[lstm_eval.cc: ValidateTensorStatus]"""
    x, output_state, cell_state = input_at(node, INPUT), input_at(node, OUTPUT_STATE), input_at(node, CELL_STATE)
    for state in (output_state, cell_state):
        require(state.is_variable, "the state is not a variable tensor", state)
    require_same_type(x, output_state)
    require_same_type(x, output_at(node, 0))
    require_one_type(node, (*INPUT_WEIGHTS, *RECURRENT_WEIGHTS))
    require_one_type(node, tuple(BIASES))
    for position in (*PEEPHOLE, *PROJECTION, *LAYER_NORM):
        extra = optional_input(node, position)
        require(extra is None, f"input {position} (peephole, projection or layer norm) is not supported", extra)


def require_one_type(node: Node, positions: tuple[int, ...]) -> None:
    """Inputs that must be there and all of the same type."""
    for position in positions:
        require_same_type(input_at(node, positions[1]), input_at(node, position))  # that of the forget gate


def sizes_of(node: Node) -> Sizes:
    """[lstm_eval_common.cc: CreateLstmSizeInfo]"""
    x, state = input_at(node, INPUT), input_at(node, OUTPUT_STATE)
    require(len(x.shape) >= 3, f"{len(x.shape)} dimensions; it takes 3", x)
    require(len(state.shape) >= 2, f"{len(state.shape)} dimensions; it takes 2", state)
    time_major = options_of(node, UnidirectionalSequenceLSTMOptions).time_major
    return Sizes(batches=x.shape[1 if time_major else 0], inputs=x.shape[2], states=state.shape[1])


def require_sizes(node: Node, sizes: Sizes) -> None:
    """[lstm_eval_common.cc: ValidateTensorSize]"""
    for position in INPUT_WEIGHTS:
        require_shape(input_at(node, position), (sizes.states, sizes.inputs))
    for position in RECURRENT_WEIGHTS:
        require_shape(input_at(node, position), (sizes.states, sizes.states))
    for position in BIASES:
        require_shape(input_at(node, position), (sizes.states,))
    for state in (input_at(node, OUTPUT_STATE), input_at(node, CELL_STATE)):
        expected = sizes.batches * sizes.states
        require(state.elements == expected, f"{state.elements} elements; {expected} were expected", state)
    require_shape(output_at(node, 0), (*input_at(node, INPUT).shape[:2], sizes.states))


def gate_arrays(x: Tensor, weights: Tensor, build: Build) -> Iterator[Request]:
    """A gate's matrix product is prepared as a FULLY_CONNECTED without bias, per channel where the weights are.

    The arrays are allocated and then forgotten: the LSTM computes per tensor.
    [lstm_eval_common.cc: CreateGateParams; fully_connected_common.cc: CalculateOpDataFullyConnected]
    """
    if x.type == TensorType.FLOAT32:
        return
    if is_per_channel(weights):
        yield from per_channel_arrays(x, weights)
    else:
        product_scale = first_scale(x) * first_scale(weights)
        require(product_scale >= 0, f"input times weights has scale {product_scale}", weights)
    zero_point = first_zero_point(weights)
    require_in_debug(build, zero_point == 0, f"zero point {zero_point}; that of weights must be 0", weights)


def invoke(node: Node) -> None:
    """[unidirectional_sequence_lstm.cc: UnidirectionalSequenceLstmEval]"""
    x, weights = input_at(node, INPUT), input_at(node, INPUT_WEIGHTS[0])
    require(
        x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16),
        f"Input type {x.type.name} not supported.",
        x,
    )
    if x.type == TensorType.FLOAT32:
        require_float_weights(node)
    else:
        require(weights.type == TensorType.INT8, f"Filter type {weights.type.name} not supported.", weights)


def require_float_weights(node: Node) -> None:
    """What TFLM does not ask: with float activations it takes the bytes of any weights for floats.

    Four times as many bytes as weights of int8 have: what comes out depends on what follows them in memory.
    """
    for position in (*INPUT_WEIGHTS, *RECURRENT_WEIGHTS):
        weights = input_at(node, position)
        floats = weights.type == TensorType.FLOAT32
        require(floats, f"TFLM takes weights of {weights.type.name} for floats, and reads beyond their end", weights)


def fold(node: Node, host: Host) -> Evaluate:
    """TFLM's UNIDIRECTIONAL_SEQUENCE_LSTM."""
    options = options_of(node, UnidirectionalSequenceLSTMOptions)
    x, cell = input_at(node, INPUT), cell_of(node.inputs)
    activation = options.fused_activation_function
    if x.type == TensorType.FLOAT32:
        step = partial(lstm_plain.float_step, options.cell_clip, activation)
    else:
        step = partial(lstm_plain.step, lstm_plain.params_of(x, cell, options.cell_clip, activation))

    def evaluate(x: Array, *inputs: Array | None) -> tuple[Array, ...]:
        cell = lstm_full.cell_with_batches(cell_of((x, *inputs)), x.shape[1 if options.time_major else 0])
        return (walk(partial(step, cell), [x], cell.hidden.shape[1], time_major=options.time_major),)

    return evaluate


def fold_lstm(node: Node, host: Host) -> Evaluate:
    """LSTM is two operators under one name."""
    return lstm_basic.fold(node) if is_basic(node) else lstm_full.fold_one_step(node, host)


def shape_of_lstm(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Of either."""
    return lstm_basic.shape(shapes) if is_basic(node) else lstm_full.shape_like_sequence(node, shapes)


def is_basic(node: Node) -> bool:
    """Whether the node has five inputs and four outputs."""
    return options_of(node, LSTMOptions).kernel_type == LSTMKernelType.BASIC


UNIDIRECTIONAL_SEQUENCE_LSTM = Kernel(
    init=op_data(OP_DATA_LSTM, "unidirectional_sequence_lstm.cc: UnidirectionalSequenceLstmInit"),
    prepare=prepare,
    invoke=invoke,
    parameters=LSTM_PARAMS,
)
COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM = Compute(
    fold=lstm_full.fold_unidirectional,
    shape=lstm_full.shape_like_sequence,
    types=frozenset({TensorType.FLOAT32, TensorType.INT8}),
    version=4,  # BUILTIN_REF registers up to 3, the other sets up to 4, all of them this kernel
)
COMPUTE_UNIDIRECTIONAL_SEQUENCE_LSTM_PLAIN = Compute(
    fold=fold,
    shape=lstm_full.shape_like_sequence,
    types=frozenset({TensorType.FLOAT32, TensorType.INT8, TensorType.INT16}),
    version=4,
)
COMPUTE_LSTM = Compute(
    fold=fold_lstm,
    shape=shape_of_lstm,
    types=frozenset({TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8}),
    version=4,
)
COMPUTE_BIDIRECTIONAL_SEQUENCE_LSTM = Compute(
    fold=lstm_full.fold_bidirectional,
    shape=lstm_full.shape_of_both,
    types=frozenset({TensorType.FLOAT32}),
    version=3,
)
