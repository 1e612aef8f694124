"""FULLY_CONNECTED.

Sources: tensorflow/lite/micro/kernels/fully_connected.h, fully_connected_common.cc, fully_connected.cc; of the
arithmetic also tensorflow/lite/kernels/fully_connected.cc, internal/reference/fully_connected.h and
integer_ops/fully_connected.h, and internal/reference/portable_tensor_utils.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf, prod
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import eigen
from refinfer.kernels.arithmetic.fixedpoint import wrap_int32
from refinfer.kernels.arithmetic.hybrid import quantize_asymmetric, quantize_symmetric
from refinfer.kernels.arithmetic.matmul import integer_matmul, sequential_matmul
from refinfer.kernels.arithmetic.products import Params, as_it_is, quantized_products
from refinfer.kernels.changes import BIAS_TYPES, DENSE_CHANNELS, has, since
from refinfer.kernels.common import (
    decompressed_weights,
    first_scale,
    first_zero_point,
    in_compression_builds,
    input_at,
    is_affine,
    optional_input,
    options_of,
    output_at,
    require_affine,
    require_in_debug,
    require_rank,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import PACKED_BITS, Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Overlap, Persistent, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, POINTER, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.numerics import in_fixed_point, in_fixed_point_of_16_bits, product_ratio, ratio_of_float_product
from refinfer.kernels.overlap import at_least, in_order, last_pass, size_of, worst
from refinfer.kernels.quantization import (
    ACTIVATION_BOUNDS,
    activate,
    require_activation_range,
    require_convolution_multiplier,
    require_per_channel,
    require_zero_point,
)
from refinfer.schema.enums import ActivationFunctionType, DimensionType, TensorType
from refinfer.schema.enums import FullyConnectedOptionsWeightsFormat as WeightsFormat
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import FullyConnectedOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.kernels.numerics import Multiplier, Requantize

INPUT, FILTER, BIAS = 0, 1, 2
BLOCK, MAX_BLOCKS = 16, 255  # of sparse weights along their depth

FULLY_CONNECTED_PARAMS = struct(
    "TfLiteFullyConnectedParams",
    activation=ENUM,
    weights_format=ENUM,
    keep_num_dims=BOOL,
    asymmetric_quantize_inputs=BOOL,
    quantized_bias_type=since(BIAS_TYPES, ENUM),
)
OP_DATA_FULLY_CONNECTED = struct(
    "OpDataFullyConnected",
    output_multiplier=INT32,
    output_shift=INT32,
    output_activation_min=INT32,
    output_activation_max=INT32,
    input_quantized_index=INT32,
    input_zero_point=INT32,
    filter_zero_point=INT32,
    output_zero_point=INT32,
    filter_buffer_index=INT32,
    per_channel_output_multiplier=since(DENSE_CHANNELS, POINTER),
    per_channel_output_shift=since(DENSE_CHANNELS, POINTER),
    is_per_channel=since(DENSE_CHANNELS, BOOL),
    weights_scratch_index=in_compression_builds(INT32),
    bias_scratch_index=in_compression_builds(INT32),
)


def prepare(node: Node, build: Build) -> Iterator[Request]:
    """[fully_connected.cc: FullyConnectedPrepare]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    yield from temps(x, weights, optional_input(node, BIAS), y)
    require_same_type(x, y)
    require(
        weights.type in FILTER_TYPES.get(x.type, TensorType),
        f"Input type: {x.type.name} with filter type: {weights.type.name} not supported.",
        weights,
    )
    if weights.type == TensorType.INT4:
        yield Scratch("filter_buffer_index", weights.elements, "fully_connected.cc: FullyConnectedPrepare")
    if x.type != TensorType.FLOAT32:
        yield from prepare_op_data(node, build)
    bias = optional_input(node, BIAS)
    yield from decompressed_weights(weights, bias, build, "fully_connected.cc: FullyConnectedPrepare")


def prepare_op_data(node: Node, build: Build) -> Iterator[Request]:
    """[fully_connected_common.cc: CalculateOpDataFullyConnected]"""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    if is_per_channel(weights) and has(DENSE_CHANNELS, build):
        yield from per_channel_arrays(x, weights)
    else:
        require_convolution_multiplier(x, weights, optional_input(node, BIAS), y)
    zero_point = first_zero_point(weights)
    require_in_debug(build, zero_point == 0, f"zero point {zero_point}; a filter's must be 0", weights)
    require_activation_range(y, options_of(node, FullyConnectedOptions).fused_activation_function)


def is_per_channel(weights: Tensor) -> bool:
    """Whether the filter has more than one scale."""
    return weights.quantization is not None and is_affine(weights) and len(weights.quantization.scale) > 1


def per_channel_arrays(x: Tensor, weights: Tensor) -> Iterator[Request]:
    """A multiplier and a shift for each scale of the filter."""
    assert weights.quantization is not None
    require_type(x, TensorType.INT8, TensorType.INT16)
    require(weights.type != TensorType.INT4, "INT4 may have one scale only", weights)
    channels = len(weights.quantization.scale)
    require_per_channel(weights, channels)
    source = "fully_connected_common.cc: CalculateOpDataFullyConnected"
    yield Persistent("per_channel_output_multiplier", 4 * channels, source)
    yield Persistent("per_channel_output_shift", 4 * channels, source)


def overlap(node: Node, position: int, build: Build) -> Overlap | None:
    """For each output the whole of its row is read anew [reference/fully_connected.h: FullyConnected]."""
    return at_least(overlap_of_passes(node, 1)) if position == INPUT and in_order(*ends(node)) else None


def ends(node: Node) -> tuple[Tensor, Tensor]:
    """Input and output."""
    return input_at(node, INPUT), output_at(node, 0)


def overlap_of_passes(node: Node, at_once: int) -> int:
    """The distance if each pass over a row of the input makes `at_once` outputs."""
    x, y = ends(node)
    outputs, depth = y.shape[-1], input_at(node, FILTER).shape[-1]
    rows, last = y.elements // max(1, outputs), last_pass(outputs, at_once)
    return worst(((row * outputs + last) * size_of(y), row * depth * size_of(x)) for row in range(rows))


Product = Callable[["Array", "Array", "Array | None"], "Array"]
"""From the rows of the input, weights and bias to the rows of the output."""


def fold(node: Node, host: Host) -> Evaluate:
    """Every batch is a row of the input; what a row becomes depends on the types."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    options = options_of(node, FullyConnectedOptions)
    require_default_format(options)
    require(
        weights.type in FOLDS[x.type], f"{x.type.name} with weights of {weights.type.name} is not supported", weights
    )
    require_rank(weights, 2)
    require_bias(node)
    product = FOLDS[x.type][weights.type](node, host)
    dtype = dtype_of(y.type)

    def evaluate(x: Array, weights: Array, bias: Array | None = None) -> tuple[Array, ...]:
        shape = output_shape(x.shape, weights.shape, options.keep_num_dims)
        if 0 in shape or weights.shape[1] == 0:
            return (np.zeros(shape, dtype),)
        return (product(rows(x, weights.shape[1]), weights, bias).reshape(shape),)

    return evaluate


def rows(x: Array, depth: int) -> Array:
    """The input as whole rows of `depth`; what is left over is not looked at."""
    batches = x.size // depth
    return x.reshape(-1)[: batches * depth].reshape(batches, depth)


def require_default_format(options: FullyConnectedOptions) -> None:
    """Refuse weights in the order of 4x16 blocks that an old converter made for ARM."""
    found = options.weights_format
    require(found == WeightsFormat.DEFAULT, f"weights in the format {found.name}; only DEFAULT is supported")


def require_bias(node: Node) -> None:
    """One bias for each unit, of a type that goes with the input's."""
    x, weights, bias = input_at(node, INPUT), input_at(node, FILTER), optional_input(node, BIAS)
    if bias is not None:
        require_type(bias, *BIAS_OF[x.type])
        require(bias.elements == weights.shape[0], f"{bias.elements} values for {weights.shape[0]} units", bias)


def fold_quantized(node: Node, host: Host) -> Product:
    """Integers: y[b, o] = clamp(requantize(acc[b, o]) + output_offset)

    acc[b, o] = bias[o] + sum over d of (x[b, d] + input_offset) * (weights[o, d] + filter_offset)
    """
    weights, bias = input_at(node, FILTER), optional_input(node, BIAS)
    start = quantized_products(params(node, host), weights, bias, 0, lambda weights: np.ascontiguousarray(weights.T))

    def multiply(x: Array, weights: Array, bias: Array | None) -> Array:
        centred, matrix, finish = start(x, weights, bias)
        return finish(centred @ matrix)

    return multiply


def params(node: Node, host: Host) -> Params:
    """The parameters of a node of integers, by the types of input and weights."""
    return PARAMS[input_at(node, INPUT).type](node, host)


def params_int32(node: Node, host: Host) -> Params:
    """Sums in int32."""
    numerics = host.numerics
    real = multipliers(node, numerics.fully_connected_multiplier, numerics.convolution.multiplier)
    return quantized(node, host, numerics.fully_connected_requantize(real))


def params_int8(node: Node, host: Host) -> Params:
    """int8 with int8, int4 or int2 weights; sparse weights are requantized in fixed point whoever computes them."""
    weights = input_at(node, FILTER)
    require_type(output_at(node, 0), TensorType.INT8)
    if weights.type in PACKED_BITS:
        require_zero_point(weights, 0)
    if weights.table.sparsity is None:
        return params_int32(node, host)
    require_zero_point(weights, 0)
    require_blocks_of_16(weights)
    return quantized(node, host, in_fixed_point(convolution_multipliers(node)))


def params_uint8(node: Node, host: Host) -> Params:
    """uint8, with an output of uint8 or, then with a bias, of int16."""
    weights, y = input_at(node, FILTER), output_at(node, 0)
    require_type(y, TensorType.UINT8, TensorType.INT16)
    require(len(scales(weights)) == 1, "UINT8 may have one scale only", weights)
    if y.type == TensorType.INT16:
        require(optional_input(node, BIAS) is not None, "the bias is missing; an output of INT16 needs it")
    return params_int32(node, host)


def params_int16(node: Node, host: Host) -> Params:
    """int16 with int8, int4 or int2 weights: sums as wide as the bias, which decides about the rounding too.

    With int16 weights they are int64, whatever the bias is.
    """
    require_symmetric_int16(node)
    if input_at(node, FILTER).type == TensorType.INT16:
        requantize = in_fixed_point_of_16_bits(convolution_multipliers(node))
    elif bias_type(node) == TensorType.INT32:
        return params_int32(node, host)
    else:
        requantize = host.numerics.fully_connected_requantize_int16(multipliers(node, product_ratio))
    return quantized(node, host, requantize)._replace(keep=as_it_is)


def require_symmetric_int16(node: Node) -> None:
    """int16 has no zero points, and becomes int16."""
    x, y = input_at(node, INPUT), output_at(node, 0)
    require_type(y, TensorType.INT16)
    require_zero_point(x, 0)
    require_zero_point(y, 0)


def bias_type(node: Node) -> TensorType:
    """The type of the bias, or what the options say of one that is left out."""
    bias = optional_input(node, BIAS)
    return options_of(node, FullyConnectedOptions).quantized_bias_type if bias is None else bias.type


def quantized(node: Node, host: Host, requantize: Requantize) -> Params:
    """The parameters of a node that sums in int32. Weights with several scales have no zero points."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    activation = options_of(node, FullyConnectedOptions).fused_activation_function
    require_clipping(activation)
    require_activation_range(y, activation)
    low, high = host.numerics.activation_range(y, activation)
    return Params(
        input_offset=-first_zero_point(x),
        filter_offset=0 if is_per_channel(weights) else -first_zero_point(weights),
        output_offset=first_zero_point(y),
        low=low,
        high=high,
        keep=wrap_int32,
        dtype=dtype_of(y.type),
        requantize=requantize,
    )


def require_clipping(activation: ActivationFunctionType) -> None:
    """Only hybrid nodes compute other activations than limits."""
    require(
        activation == ActivationFunctionType.NONE or activation in ACTIVATION_BOUNDS,
        f"the fused activation {activation.name} is not supported",
    )


def multipliers(node: Node, of_one_scale: Multiplier, of_channel: Multiplier = product_ratio) -> list[float]:
    """From the scale of the products to the output's, for each scale of the weights."""
    x, weights, y = input_at(node, INPUT), input_at(node, FILTER), output_at(node, 0)
    for tensor in (x, weights, y):
        require_affine(tensor)
        require(first_scale(tensor) > 0, "scale 0", tensor)
    require_scales(weights)
    if not is_per_channel(weights):
        require_convolution_multiplier(x, weights, optional_input(node, BIAS), y)
        return [of_one_scale(first_scale(x), first_scale(weights), first_scale(y))]
    return [of_channel(first_scale(x), scale, first_scale(y)) for scale in scales(weights)]


def convolution_multipliers(node: Node) -> list[float]:
    """The same, of one scale through a product of floats [kernel_util.cc: GetQuantizedConvolutionMultipler]."""
    return multipliers(node, ratio_of_float_product)


def require_scales(weights: Tensor) -> None:
    """One scale, or one for each unit."""
    assert weights.quantization is not None
    require(weights.quantization.details is None, "only affine quantization is supported", weights)
    if len(scales(weights)) > 1:
        require_per_channel(weights, weights.shape[0])
        require(weights.quantization.quantized_dimension == 0, "scales along the depth of the weights", weights)


def scales(weights: Tensor) -> Sequence[float]:
    """The scales of the weights: one, or one for each unit."""
    assert weights.quantization is not None
    return weights.quantization.scale


def fold_float(node: Node, host: Host) -> Product:
    """float32: summed in order. Sparse weights are no different."""
    activation = options_of(node, FullyConnectedOptions).fused_activation_function
    require_clipping(activation)
    require_type(output_at(node, 0), TensorType.FLOAT32)

    def multiply(x: Array, weights: Array, bias: Array | None) -> Array:
        """y[b, o] = activate(bias[o] + sum over d of x[b, d] * weights[o, d])"""
        y = sequential_matmul(x, weights.T)
        return activate(y + (np.float32(0) if bias is None else bias), activation)

    return multiply


def fold_hybrid(node: Node, host: Host) -> Product:
    """float32 with int8 weights: each row is quantized on the fly."""
    weights = input_at(node, FILTER)
    options = options_of(node, FullyConnectedOptions)
    require_type(output_at(node, 0), TensorType.FLOAT32)
    require_affine(weights)
    require_scales(weights)
    if weights.type in PACKED_BITS:
        require_zero_point(weights, 0)
    if weights.table.sparsity is not None:
        require_blocks_of_16(weights)
    multiply = QUANTIZERS[options.asymmetric_quantize_inputs, weights.table.sparsity is not None]
    unit_scales = np.array(scales(weights), np.float32)
    finish = HYBRID_ACTIVATIONS[options.fused_activation_function]

    def product(x: Array, weights: Array, bias: Array | None) -> Array:
        """Zeros are not quantized: the bias is all that is left."""
        y = np.broadcast_to(np.float32(0) if bias is None else bias, (len(x), len(weights)))
        return finish(multiply(x, weights.view(np.int8), unit_scales, y) if x.any() else y)

    return product


def multiply_symmetric(x: Array, weights: Array, unit_scales: Array, y: Array) -> Array:
    """y[b, o] += scale[b] * unit_scale[o] * sum over d of q[b, d] * weights[o, d]"""
    q, scale = quantize_symmetric(x)
    return y + integer_matmul(q, weights.T).astype(np.float32) * (scale[:, None] * unit_scales)


def multiply_asymmetric(x: Array, weights: Array, unit_scales: Array, y: Array) -> Array:
    """y[b, o] += scale[b] * unit_scale[o] * sum over d of (q[b, d] - zero_point[b]) * weights[o, d]"""
    q, scale, zero_point = quantize_asymmetric(x)
    sums = integer_matmul(q - zero_point[:, None], weights.T)
    return y + sums.astype(np.float32) * (scale[:, None] * unit_scales)


def multiply_asymmetric_sparse(x: Array, weights: Array, unit_scales: Array, y: Array) -> Array:
    """The same, but what the zero points add to the sums is taken off in float32 before."""
    q, scale, zero_point = quantize_asymmetric(x)
    several = len(unit_scales) > 1
    offset = ((scale if several else scale * unit_scales) * zero_point.astype(np.float32))[:, None]
    offset = offset * unit_scales if several else offset
    y = y - offset * weights.sum(axis=1, dtype=np.int32).astype(np.float32)
    return y + integer_matmul(q, weights.T).astype(np.float32) * (scale[:, None] * unit_scales)


def limited(low: float, high: float, y: Array) -> Array:
    """max(low, min(y, high)), in which NaN becomes `low`."""
    return np.where(y > low, np.where(y > high, np.float32(high), y), np.float32(low))


def require_blocks_of_16(weights: Tensor) -> None:
    """Sparse int8 weights are multiplied in blocks of 1 x 16, whose numbers fit a byte.

    [sparse_ops/fully_connected.h: FullyConnectedSparseWeight1x16; fully_connected.cc: PopulateLedgerData]
    """
    sparsity = weights.table.sparsity
    assert sparsity is not None
    formats = [dimension.format for dimension in sparsity.dim_metadata or ()]
    blocked = sparsity.block_map == (1,) and sparsity.traversal_order == (0, 1, 2)
    blocked = blocked and formats == [DimensionType.DENSE, DimensionType.SPARSE_CSR, DimensionType.DENSE]
    size = sparsity.dim_metadata[-1].dense_size if sparsity.dim_metadata else 0
    require(blocked and size == BLOCK, f"sparse {weights.type.name} weights must have blocks of 1 x {BLOCK}", weights)
    require(weights.shape[1] <= BLOCK * MAX_BLOCKS, f"depth {weights.shape[1]}; up to {BLOCK * MAX_BLOCKS}", weights)


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The last dimension becomes the number of units; the others are kept, or multiplied into one."""
    keep_num_dims = options_of(node, FullyConnectedOptions).keep_num_dims
    return [output_shape(shapes[INPUT], shapes[FILTER], keep_num_dims)]


def output_shape(x: Shape, weights: Shape, keep_num_dims: bool) -> Shape:
    """[fully_connected.cc: UpdateOutputSize]"""
    units, depth = weights
    if keep_num_dims:
        require(x[-1:] == (depth,) or depth == 0, f"depth {x[-1:]}; the weights have {depth}")
        return (*x[:-1], units)
    return (prod(x[:-1]) if depth == 0 else prod(x) // depth, units)


FOLDS: dict[TensorType, dict[TensorType, Callable[[Node, Host], Product]]] = {  # by the types of input and weights
    TensorType.FLOAT32: {
        TensorType.FLOAT32: fold_float,
        TensorType.UINT8: fold_hybrid,  # an old name for int8
        TensorType.INT8: fold_hybrid,
        TensorType.INT4: fold_hybrid,
        TensorType.INT2: fold_hybrid,
    },
    TensorType.UINT8: {TensorType.UINT8: fold_quantized},
    TensorType.INT8: dict.fromkeys((TensorType.INT8, TensorType.INT4, TensorType.INT2), fold_quantized),
    TensorType.INT16: dict.fromkeys(
        (TensorType.INT8, TensorType.INT4, TensorType.INT2, TensorType.INT16), fold_quantized
    ),
}
PARAMS = {TensorType.UINT8: params_uint8, TensorType.INT8: params_int8, TensorType.INT16: params_int16}
BIAS_OF = {
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.UINT8: (TensorType.INT32,),
    TensorType.INT8: (TensorType.INT32,),
    TensorType.INT16: (TensorType.INT32, TensorType.INT64),
}
QUANTIZERS = {  # asymmetric?, sparse?
    (False, False): multiply_symmetric,
    (False, True): multiply_symmetric,
    (True, False): multiply_asymmetric,
    (True, True): multiply_asymmetric_sparse,
}
HYBRID_ACTIVATIONS: dict[ActivationFunctionType, Callable[[Array], Array]] = {  # [tensor_utils.h: ApplyActivation…]
    ActivationFunctionType.NONE: lambda y: y,
    ActivationFunctionType.RELU: partial(limited, 0, inf),
    ActivationFunctionType.RELU_N1_TO_1: partial(limited, -1, 1),
    ActivationFunctionType.RELU6: partial(limited, 0, 6),
    ActivationFunctionType.TANH: eigen.tanh,
    ActivationFunctionType.SIGN_BIT: lambda y: np.signbit(y).astype(np.float32),
}

FILTER_TYPES = {  # other inputs get through Prepare with any filter, and no further
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.INT8: (TensorType.INT8, TensorType.INT4),
    TensorType.INT16: (TensorType.INT8,),
}

FULLY_CONNECTED = Kernel(
    init=op_data(OP_DATA_FULLY_CONNECTED, "fully_connected.cc: FullyConnectedInit"),
    prepare=prepare,
    invoke=switch_on_input("Input type {} not supported.", *FILTER_TYPES),
    parameters=FULLY_CONNECTED_PARAMS,
    overlap=overlap,
)
COMPUTE_FULLY_CONNECTED = Compute(fold=fold, shape=shape, types=frozenset(FOLDS), version=14)
