"""SVDF: a fully connected layer over time, in two factors.

Each filter multiplies the input to one number, and remembers the last of them; they are weighed over time and summed,
some filters (the rank) for each unit of the output.

Sources: svdf.cc, svdf_common.cc, svdf.h, all in tensorflow/lite/micro/kernels; LiteRT's kernels/svdf.cc,
kernels/internal/reference/svdf.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic import libm, neon
from refinfer.kernels.arithmetic.fixedpoint import clamp, quantize_multiplier, scale_twice, wrap_int32
from refinfer.kernels.arithmetic.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    optional_input,
    options_of,
    output_at,
    require_affine,
    require_arity,
    require_rank,
    require_shape,
    require_type,
)
from refinfer.kernels.compute import DTYPES, Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import Kernel, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.recurrent import (
    ACTIVATIONS,
    ASYMMETRIC,
    SYMMETRIC,
    Scheme,
    operand,
    require_batches,
    require_dense,
    require_variable,
)
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import SVDFOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

INPUT, FEATURE, TIME, BIAS, STATE = range(5)

SVDF_PARAMS = struct("TfLiteSVDFParams", rank=INT32, activation=ENUM, asymmetric_quantize_inputs=BOOL)
OP_DATA_SVDF = struct(
    "svdf:OpDataSvdf",
    effective_scale_1_a=INT32,
    effective_scale_2_a=INT32,
    effective_scale_1_b=INT32,
    effective_scale_2_b=INT32,
    scratch_tensor_index=INT32,
    scratch_output_tensor_index=INT32,
    input_zero_point=INT32,
    output_zero_point=INT32,
    activation_state_zero_point=INT32,
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[svdf_common.cc: PrepareSvdf]"""
    x, feature, time = input_at(node, INPUT), input_at(node, FEATURE), input_at(node, TIME)
    bias, state = optional_input(node, BIAS), input_at(node, STATE)
    yield from temps(x, feature, time, bias, state)
    require_type(x, TensorType.FLOAT32, TensorType.INT8)
    for tensor in (x, feature, time):
        require_rank(tensor, 2)
    batches, filters = x.shape[0], feature.shape[0]
    rank = options_of(node, SVDFOptions).rank
    require(rank > 0 and filters % rank == 0, f"{filters} filters are not made of {rank} ranks", feature)
    units = filters // rank
    require(len(node.outputs) == 1, f"{len(node.outputs)} outputs; it gives 1")
    y = output_at(node, 0)
    yield from temps(y)
    require_shape(y, (batches, units))
    require_shape(feature, (filters, x.shape[1]))
    require_shape(time, (filters, time.shape[1]))
    if bias is not None:
        require(bias.shape[:1] == (units,), f"shape {bias.shape}; ({units},) was expected", bias)
    require_shape(state, (batches, time.shape[1] * filters))
    require(state.is_variable, "the state is not a variable tensor", state)
    require(len(node.inputs) == 5, f"{len(node.inputs)} inputs; it takes 5")
    require_types(node)
    yield Scratch("scratch_tensor_index", 4 * batches * filters, "svdf_common.cc: PrepareSvdf")
    if x.type == TensorType.INT8:
        yield Scratch("scratch_output_tensor_index", 4 * batches * units, "svdf_common.cc: PrepareSvdf")


def require_types(node: Node) -> None:
    """All float32, or int8 with int8 or int16 in time."""
    feature, time, bias, state = (optional_input(node, position) for position in (FEATURE, TIME, BIAS, STATE))
    assert feature is not None
    assert time is not None
    assert state is not None
    quantized = input_at(node, INPUT).type == TensorType.INT8
    within_time = (TensorType.INT16, TensorType.INT8) if quantized else (TensorType.FLOAT32,)
    require_type(feature, TensorType.INT8 if quantized else TensorType.FLOAT32)
    require_type(time, *within_time)
    require_type(state, *within_time)
    if bias is not None:
        require_type(bias, TensorType.INT32 if quantized else TensorType.FLOAT32)
    require_type(output_at(node, 0), TensorType.INT8 if quantized else TensorType.FLOAT32)
    if quantized:
        require(bias is not None, f"input {BIAS} is missing")
        assert bias is not None
        found, expected = first_scale(bias), first_scale(state) * first_scale(time)
        require(abs(found - expected) < 1e-5, f"scale {found}; {expected} was expected", bias)


class Params(NamedTuple):
    """What an int8 node comes down to: from products to the state, and from sums over time to the output."""

    rank: int
    input_zero_point: int
    state_zero_point: int
    output_zero_point: int
    feature: tuple[int, int]
    time: tuple[int, int]
    state_dtype: str


class FloatParams(NamedTuple):
    """What a float node comes down to; `feature` is how its product is computed, `total` how a dimension is summed."""

    rank: int
    feature: Callable[[Array, Array], Array]
    time_scale: float
    total: Callable[[Array], Array]
    activation: Callable[[Array], Array]
    bias_first: bool


def fold(node: Node, host: Host) -> Evaluate:
    """LiteRT's: sums are taken in vectors, the bias is added last, and tanh is Eigen's. Float may have int8 weights."""
    require_sizes(node)
    require_variable(input_at(node, STATE))
    x, feature, time = input_at(node, INPUT), input_at(node, FEATURE), input_at(node, TIME)
    options = options_of(node, SVDFOptions)
    activation = options.fused_activation_function
    if x.type == TensorType.INT8:
        require_types_of_integers(node)
        require(activation == ActivationFunctionType.RELU, f"activation {activation.name}; int8 takes RELU alone")
        return fold_quantized(node)
    require_type(feature, TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8)
    is_float = feature.type == TensorType.FLOAT32
    require_type(time, *((TensorType.FLOAT32,) if is_float else (TensorType.INT8, TensorType.UINT8)))
    hybrid = ASYMMETRIC if options.asymmetric_quantize_inputs else SYMMETRIC
    return fold_float(
        FloatParams(
            rank=options.rank,
            feature=feature_by_vectors if is_float else partial(feature_on_the_fly, hybrid, first_scale(feature)),
            time_scale=first_scale(time),
            total=neon.total,
            activation=ACTIVATIONS[activation],
            bias_first=False,
        )
    )


def fold_plain(node: Node, host: Host) -> Evaluate:
    """TFLM's: sums are taken in order and begin with the bias, and tanh is the C library's. int8 has no activation."""
    options = options_of(node, SVDFOptions)
    if input_at(node, INPUT).type == TensorType.INT8:
        return fold_quantized(node)
    require(optional_input(node, BIAS) is not None, "TFLM's SVDF in float reads a bias, and there is none")
    is_tanh = options.fused_activation_function == ActivationFunctionType.TANH
    return fold_float(
        FloatParams(
            rank=options.rank,
            feature=feature_in_order,
            time_scale=0.0,
            total=sequential_sum,
            activation=libm.tanhf if is_tanh else ACTIVATIONS[options.fused_activation_function],
            bias_first=True,
        )
    )


def fold_quantized(node: Node) -> Evaluate:
    """int8 with a state of 16 or 8 bits."""
    return partial(evaluate_quantized, params_of(node))


def params_of(node: Node) -> Params:
    """The scales are multiplied in float32."""
    x, feature, time, state = (input_at(node, position) for position in (INPUT, FEATURE, TIME, STATE))
    y = output_at(node, 0)
    return Params(
        rank=options_of(node, SVDFOptions).rank,
        input_zero_point=first_zero_point(x),
        state_zero_point=first_zero_point(state),
        output_zero_point=first_zero_point(y),
        feature=multiplier_of(first_scale(x), first_scale(feature), first_scale(state)),
        time=multiplier_of(first_scale(state), first_scale(time), first_scale(y)),
        state_dtype=DTYPES[state.type],
    )


def multiplier_of(first: float, second: float, divisor: float) -> tuple[int, int]:
    """The ratio in fixed point."""
    return quantize_multiplier(ratio_of(first, second, divisor))


def ratio_of(first: float, second: float, divisor: float) -> float:
    """first * second / divisor, each step in float32."""
    return float(np.float32(first) * np.float32(second) / np.float32(divisor))


def evaluate_quantized(
    p: Params, x: Array, feature: Array, time: Array, bias: Array | None, state: Array
) -> tuple[Array, ...]:
    """y[b, u] = requantize(bias[u] + sum over the ranks r of unit u and the memory m of state[b, r, m] * time[r, m])"""
    acc = wrap_int32(integer_matmul(x.astype(np.int64) - p.input_zero_point, feature.T))
    limits = np.iinfo(p.state_dtype)
    newest = np.clip(scale_twice(acc, *p.feature), limits.min, limits.max) + p.state_zero_point
    memory = remember(state, newest.astype(state.dtype), time.shape)
    sums = ((memory.astype(np.int64) - p.state_zero_point) * time).sum(axis=2)
    units = sums.reshape(len(x), -1, p.rank).sum(axis=2) + (0 if bias is None else bias)
    return (clamp(scale_twice(wrap_int32(units), *p.time) + p.output_zero_point, -128, 127, x.dtype),)


def remember(state: Array, newest: Array, shape: Shape) -> Array:
    """Put the newest value behind those that the state remembers, the oldest of which is forgotten.

    A view of the state as [batch, filter, memory].
    """
    require_batches(state, len(newest), shape[0] * shape[1])
    memory = state.reshape(len(newest), *shape)
    memory[..., :-1] = memory[..., 1:]
    memory[..., -1] = newest
    return memory


def fold_float(p: FloatParams) -> Evaluate:
    """y[b, u] = act(bias[u] + sum over the ranks r of u of sum over the memory m of state[b, r, m] * time[r, m])"""

    def evaluate(x: Array, feature: Array, time: Array, bias: Array | None, state: Array) -> tuple[Array, ...]:
        memory = remember(state, p.feature(x, feature), time.shape)
        if time.dtype != np.float32:
            time = time.view(np.int8).astype(np.float32) * np.float32(p.time_scale)
        sums = p.total(memory * time).reshape(len(x), -1, p.rank)
        offset = np.float32(0) if bias is None else bias
        if p.bias_first:
            start = np.broadcast_to(offset, sums.shape[:2])[..., None]
            return (p.activation(p.total(np.concatenate((start, sums), axis=2))),)
        return (p.activation(p.total(sums) + offset),)

    return evaluate


def sequential_sum(x: Array) -> Array:
    """Along the last dimension, in order, each sum rounded to float32."""
    return np.add.accumulate(x, axis=-1)[..., -1]


def feature_in_order(x: Array, feature: Array) -> Array:
    """F x, summed in order."""
    return sequential_matmul(x, feature.T)


def feature_by_vectors(x: Array, feature: Array) -> Array:
    """F x, summed in vectors of four."""
    return neon.multiply_accumulate(np.zeros((len(x), len(feature)), np.float32), feature, x)


def feature_on_the_fly(scheme: Scheme, scale: float, x: Array, feature: Array) -> Array:
    """F x with x quantized row by row."""
    start = np.zeros((len(x), len(feature)), np.float32)
    vector = operand(scheme, x)
    return start if vector is None else scheme.add(start, feature, scale, vector)


def require_sizes(node: Node) -> None:
    """[svdf.cc: Prepare]"""
    require_arity(node, 5, 1)
    require_dense(node)
    x, feature, time = input_at(node, INPUT), input_at(node, FEATURE), input_at(node, TIME)
    for tensor in (x, feature, time):
        require_rank(tensor, 2)
    rank, filters = options_of(node, SVDFOptions).rank, feature.shape[0]
    require(rank > 0 and filters % rank == 0, f"{filters} filters are not made of {rank} ranks", feature)
    require_shape(feature, (filters, x.shape[1]))
    require_shape(time, (filters, time.shape[1]))
    require(time.shape[1] > 0, "a memory of nothing", time)
    bias = optional_input(node, BIAS)
    if bias is not None:
        require_shape(bias, (filters // rank,))
    require_shape(input_at(node, STATE), (x.shape[0], time.shape[1] * filters))


def require_types_of_integers(node: Node) -> None:
    """int8, but 16 bits in time."""
    for position, type in ((FEATURE, TensorType.INT8), (TIME, TensorType.INT16), (STATE, TensorType.INT16)):
        require_type(input_at(node, position), type)
        require_affine(input_at(node, position))
    bias = optional_input(node, BIAS)
    if bias is not None:
        require_type(bias, TensorType.INT32)


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """A value for each unit."""
    return [(shapes[INPUT][0], shapes[FEATURE][0] // options_of(node, SVDFOptions).rank)]


SVDF = Kernel(
    init=op_data(OP_DATA_SVDF, "svdf.cc: InitSvdf"),
    prepare=prepare,
    parameters=SVDF_PARAMS,
)
COMPUTE_SVDF = Compute(fold, shape, frozenset({TensorType.FLOAT32, TensorType.INT8}), version=4)
COMPUTE_SVDF_PLAIN = Compute(fold_plain, shape, frozenset({TensorType.FLOAT32, TensorType.INT8}), version=4)
