"""Kernels that TFLM replaces by calls of CMSIS-NN: what they ask of memory, where that differs from the reference.

All the rest, what a kernel is and most of what it refuses, is in the file of its family. How large the library wants
its buffers is in cmsis_nn_sizes.py. Sources: tensorflow/lite/micro/kernels/cmsis_nn/*.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels import (
    add,
    batch_matmul,
    binary,
    conv,
    fully_connected,
    lstm,
    mul,
    pad,
    pool,
    softmax,
    svdf,
    transpose_conv,
)
from refinfer.kernels.common import (
    input_at,
    optional_input,
    options_of,
    output_at,
    require_in_debug,
    require_same_type,
    require_type,
    writable_dims,
)
from refinfer.kernels.kernel import (
    Kernel,
    Persistent,
    Request,
    Rule,
    Scratch,
    Step,
    no_overlap,
    op_data,
    require,
    temps,
)
from refinfer.kernels.layout import ENUM, INT32, POINTER, Build, Struct, When, struct
from refinfer.kernels.libraries import cmsis_nn_overlap, cmsis_nn_sizes
from refinfer.kernels.libraries.library_window import over, window
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import (
    BatchMatMulOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    TransposeConvOptions,
)

SPEED, SIZE = "KERNELS_OPTIMIZED_FOR_SPEED", "KERNELS_OPTIMIZED_FOR_SIZE"
"""The macros of which a build defines one; the first is the Makefile's default."""

FLOAT32, INT4, INT8, INT16 = TensorType.FLOAT32, TensorType.INT4, TensorType.INT8, TensorType.INT16
QUANTIZED = (INT8, INT16)

OP_DATA_CONV = struct("cmsis_nn/conv:OpData", reference_op_data=conv.OP_DATA_CONV, buffer_idx=INT32)
OP_DATA_DEPTHWISE = struct("cmsis_nn/depthwise_conv:OpData", reference_op_data=conv.OP_DATA_CONV, buffer_idx=INT32)
OP_DATA_FULLY_CONNECTED = struct(
    "cmsis_nn/fully_connected:OpData",
    reference_op_data=fully_connected.OP_DATA_FULLY_CONNECTED,
    buffer_conv_1x1_idx=INT32,
    buffer_idx=INT32,
    kernel_sums=POINTER,
    batches=INT32,
    accum_depth=INT32,
    output_depth=INT32,
)
OP_DATA_POOLING = struct("cmsis_nn/pooling:OpData", reference_op_data=pool.OP_DATA_POOLING, buffer_idx=INT32)
OP_DATA_SOFTMAX = struct(
    "cmsis_nn/softmax:CMSISNNSoftmaxParams", softmax_params=softmax.SOFTMAX_OP_DATA, num_rows=INT32, row_size=INT32
)
OP_DATA_SVDF = struct(
    "cmsis_nn/svdf:CmsisNnOpDataSvdf",
    effective_scale_1_a=INT32,
    effective_scale_2_a=INT32,
    effective_scale_1_b=INT32,
    effective_scale_2_b=INT32,
    scratch_tensor_index=INT32,
    scratch_weight_tensor_index=When(SIZE, INT32),
    scratch_output_tensor_index=INT32,
    input_zero_point=INT32,
    output_zero_point=INT32,
    activation_state_zero_point=INT32,
    kernel_sums=POINTER,
)
OP_DATA_TRANSPOSE_CONV = struct(
    "cmsis_nn/transpose_conv:OpData",
    params=transpose_conv.CONV_PARAMS,
    scratch_buffer_index=INT32,
    scratch_buffer_output_index=INT32,
    bias_converted_buffer_index=INT32,
    per_channel_output_multiplier=POINTER,
    per_channel_output_shift=POINTER,
)
DIMS = struct("cmsis_nn_dims", n=INT32, h=INT32, w=INT32, c=INT32)
OP_DATA_BATCH_MATMUL = struct(
    "cmsis_nn/batch_matmul:OpData",
    reference_op_data=batch_matmul.OP_DATA_BATCH_MATMUL,
    output_shape=DIMS,
    buffer_idx=INT32,
)
LSTM_GATE = struct(
    "cmsis_nn_lstm_gate",
    input_multiplier=INT32,
    input_shift=INT32,
    input_weights=POINTER,
    input_effective_bias=POINTER,
    hidden_multiplier=INT32,
    hidden_shift=INT32,
    hidden_weights=POINTER,
    hidden_effective_bias=POINTER,
    bias=POINTER,
    activation_type=ENUM,
)
LSTM_PARAMS = struct(
    "cmsis_nn_lstm_params",
    time_major=INT32,
    batch_size=INT32,
    time_steps=INT32,
    input_size=INT32,
    hidden_size=INT32,
    input_offset=INT32,
    forget_to_cell_multiplier=INT32,
    forget_to_cell_shift=INT32,
    input_to_cell_multiplier=INT32,
    input_to_cell_shift=INT32,
    cell_clip=INT32,
    cell_scale_power=INT32,
    output_multiplier=INT32,
    output_shift=INT32,
    output_offset=INT32,
    forget_gate=LSTM_GATE,
    input_gate=LSTM_GATE,
    cell_gate=LSTM_GATE,
    output_gate=LSTM_GATE,
)
OP_DATA_LSTM = struct(
    "cmsis_nn/unidirectional_sequence_lstm:OpData", params_ref=lstm.OP_DATA_LSTM, params_cmsis_nn=LSTM_PARAMS
)


def prepare_conv(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/conv.cc: Prepare] looks for the bias among the outputs and so finds none: int16 always has a buffer."""
    x, weights, y = (input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0))
    options = options_of(node, Conv2DOptions)
    yield from looked_at(x, weights, y)
    groups = x.shape[3] % weights.shape[3] == 0 if weights.shape[3] > 0 else False
    require(groups, f"{x.shape[3]} channels are not groups of {weights.shape[3]}", weights)
    source = "cmsis_nn/conv.cc: Prepare"
    if x.type in QUANTIZED:
        yield from conv.per_channel_arrays(weights, conv.CONV_CHANNEL_AXIS, source)
    yield from conv.prepare_op_data(node, options.fused_activation_function, conv.CONV_CHANNEL_AXIS)
    if x.type == INT8:
        yield from scratch(cmsis_nn_sizes.convolution(window(x, weights, y, options), build), source)
    elif x.type == INT16:
        require_symmetric(x, y)
        yield from scratch(cmsis_nn_sizes.convolution_int16(window(x, weights, y, options), build), source)


def prepare_depthwise(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/depthwise_conv.cc: Prepare]"""
    x, weights, y = (input_at(node, conv.INPUT), input_at(node, conv.FILTER), output_at(node, 0))
    options = options_of(node, DepthwiseConv2DOptions)
    yield from looked_at(x, weights, y)
    source = "cmsis_nn/depthwise_conv.cc: Prepare"
    if x.type in QUANTIZED:
        if x.type == INT16:
            require_symmetric(x, y)
        conv.require_scales(weights, conv.DEPTHWISE_CHANNEL_AXIS)
        yield from conv.per_channel_arrays(weights, conv.DEPTHWISE_CHANNEL_AXIS, source)
    yield from conv.prepare_op_data(node, options.fused_activation_function, conv.DEPTHWISE_CHANNEL_AXIS)
    if x.type == INT8:
        size_of = cmsis_nn_sizes.depthwise_int4 if weights.type == INT4 else cmsis_nn_sizes.depthwise
        yield from scratch(size_of(window(x, weights, y, options), build), source)


def looked_at(x: Tensor, weights: Tensor, y: Tensor) -> Iterator[Request]:
    """The temporary tensors of a convolution, and what it takes."""
    yield from temps(x, weights, y)
    require_same_type(x, y)
    require(x.type in (FLOAT32, *QUANTIZED), "Input data type not supported", x)
    require((x.type, weights.type) in conv.CONV_TYPES, conv.HYBRID, weights)
    conv.require_images(x, weights, y)


def scratch(nbytes: int, source: str, what: str = "buffer_idx") -> Iterator[Request]:
    """A scratch buffer, unless the library wants none."""
    if nbytes > 0:
        yield Scratch(what, nbytes, source)


def require_symmetric(*tensors: Tensor) -> None:
    """int16 has its zero at 0."""
    for tensor in tensors:
        require_zero_point(tensor, 0)


def prepare_fully_connected(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/fully_connected.cc: Prepare]"""
    x, weights = input_at(node, fully_connected.INPUT), input_at(node, fully_connected.FILTER)
    bias, y = optional_input(node, fully_connected.BIAS), output_at(node, 0)
    source = "cmsis_nn/fully_connected.cc: Prepare"
    yield from temps(x, weights, bias, y)
    require_same_type(x, y)
    require(x.type in (FLOAT32, *QUANTIZED), "Input data type not supported", x)
    require((x.type, weights.type) in conv.CONV_TYPES, conv.HYBRID, weights)
    require_in_debug(build, 2 <= len(y.shape) <= 4, f"{len(y.shape)} dimensions; it gives 2 to 4", y)
    per_channel = x.type != FLOAT32 and fully_connected.is_per_channel(weights)
    if x.type != FLOAT32:
        yield from fully_connected.prepare_op_data(node, build)
    require(not per_channel or (x.type, weights.type) == (INT8, INT8), "more than one scale, but not int8", weights)
    if x.type == INT16:
        require_symmetric(x, y)
    if (x.type, weights.type) != (INT8, INT8):
        return
    outputs, depth = y.shape[-1], weights.shape[-1]
    if len(y.shape) > 2 and depth % 4 == 0:  # run as a convolution of 1x1, which has a scale for each channel
        if not per_channel:
            yield Scratch("buffer_conv_1x1_idx", 8 * outputs, source)
        yield from scratch(cmsis_nn_sizes.fast_1x1(depth, build), source)
    else:
        constant = weights.data is not None and (bias is None or bias.data is not None)
        yield from kernel_sums(
            cmsis_nn_sizes.fully_connected(outputs, build), constant and SPEED in build.defines, source
        )


def kernel_sums(nbytes: int, kept: bool, source: str) -> Iterator[Request]:
    """The sums of each filter: kept from Prepare on, where they can be, else made anew in each Invoke."""
    if kept and nbytes > 0:
        yield Persistent("kernel_sums", nbytes, source)
    else:
        yield from scratch(nbytes, source)


def prepare_average_pool(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/pooling.cc: AveragePrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from pool.prepare_pool(node, build)
    yield from temps(x, y)
    if x.type in QUANTIZED:
        yield from scratch(cmsis_nn_sizes.average_pool(x.shape[3], build), "cmsis_nn/pooling.cc: AveragePrepare")


def prepare_svdf(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/svdf.cc: CmsisNnPrepareSvdf]"""
    yield from svdf.prepare(node, build)
    feature = input_at(node, svdf.FEATURE)
    if input_at(node, svdf.INPUT).type == INT8:
        nbytes = cmsis_nn_sizes.svdf(feature.shape[0], build)
        kept = SPEED in build.defines
        require(not kept or nbytes == 0 or feature.data is not None, "the feature weights are not constant", feature)
        yield from kernel_sums(nbytes, kept, "cmsis_nn/svdf.cc: CmsisNnPrepareSvdf")


def prepare_transpose_conv(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/transpose_conv.cc: Prepare] asks for the second int8 buffer even where it is empty."""
    x, weights, y = (
        input_at(node, transpose_conv.INPUT),
        input_at(node, transpose_conv.FILTER),
        output_at(node, 0),
    )
    source = "cmsis_nn/transpose_conv.cc: Prepare"
    yield from temps(y, x, weights)
    require_same_type(x, y)
    require(x.type in (FLOAT32, *QUANTIZED), "Input data type not supported", x)
    known = (x.type, weights.type) in conv.CONV_TYPES and weights.type != INT4
    require(known, conv.HYBRID, weights)
    conv.require_images(x, weights, y)
    yield from conv.per_channel_arrays(weights, transpose_conv.CHANNEL_AXIS, source)
    if x.type == INT8:
        options = options_of(node, TransposeConvOptions)
        seen = over(x, weights, y, (options.stride_h, options.stride_w), dilation=(1, 1), padding=(0, 0))
        turned = seen._replace(output_channels=weights.shape[0])
        yield Scratch("scratch_buffer_index", cmsis_nn_sizes.transpose_conv(turned, build), source)
        yield Scratch("scratch_buffer_output_index", cmsis_nn_sizes.reversed_filter(turned), source)
    if x.type == INT16:
        yield Scratch("scratch_buffer_index", 8 * y.elements, source)
    if x.type in QUANTIZED:
        conv.require_scales(weights, transpose_conv.CHANNEL_AXIS)
    yield from transpose_conv.prepare_op_data(node, build)


def prepare_batch_matmul(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/batch_matmul.cc: Prepare] as the reference, but for the order, and a buffer."""
    lhs, rhs, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(lhs, rhs, y)
    require_same_type(lhs, rhs)
    require_same_type(lhs, y)
    require_type(lhs, FLOAT32, *QUANTIZED)
    options = options_of(node, BatchMatMulOptions)
    shape = batch_matmul.product_shape(lhs, rhs, options)
    source = "cmsis_nn/batch_matmul.cc: Prepare"
    if options.adj_x:
        yield from batch_matmul.transposed("lhs_transposed_tensor", lhs, build)
    if not options.adj_y:
        yield from batch_matmul.transposed("rhs_transposed_tensor", rhs, build)
    yield from writable_dims(y, shape)
    if lhs.type != FLOAT32:
        name = batch_matmul.QUANTIZATION_OP_DATA.name
        yield Persistent(name, build.sizeof(batch_matmul.QUANTIZATION_OP_DATA), source)
        batch_matmul.require_quantization(lhs, rhs, y)
    if lhs.type == INT8:
        yield from scratch(cmsis_nn_sizes.fully_connected(shape[-1], build), source)


def prepare_lstm(node: Node, build: Build) -> Iterator[Request]:
    """[cmsis_nn/unidirectional_sequence_lstm.cc] keeps eight sums of weights, and does with a buffer less."""
    source = "cmsis_nn/unidirectional_sequence_lstm.cc: CMSIS_NN_PortOpData"
    requests = list(lstm.prepare(node, build))
    buffers = [each for each in requests if isinstance(each, Scratch)]
    yield from (each for each in requests if not isinstance(each, Scratch))
    x, cell = input_at(node, lstm.INPUT), input_at(node, lstm.CELL_STATE)
    if cell.type == INT16 and x.type in QUANTIZED:
        states = lstm.sizes_of(node).states
        for index in range(8):
            yield Persistent(f"kernel_sum[{index}]", states * (4 if x.type == INT8 else 8), source)
        buffers.pop()
    yield from buffers


def init(data: Struct, file: str) -> Step:
    """An Init that reserves the kernel's struct."""
    return op_data(data, f"cmsis_nn/{file}: Init")


def instead_of(
    reference: Kernel, init: Step | None = None, prepare: Step | None = None, overlap: Rule = no_overlap
) -> Kernel:
    """The reference kernel with another Init or Prepare if they are given, and its own order of accesses."""
    return Kernel(
        init or reference.init,
        prepare or reference.prepare,
        reference.invoke,
        reference.parameters,
        reference.subgraphs,
        overlap,
    )


CMSIS_NN: dict[BuiltinOperator, Kernel] = {
    BuiltinOperator.ADD: instead_of(add.ADD, init(add.OP_DATA_ADD, "add.cc"), overlap=cmsis_nn_overlap.of_elementwise),
    BuiltinOperator.AVERAGE_POOL_2D: instead_of(
        pool.AVERAGE_POOL_2D,
        init(OP_DATA_POOLING, "pooling.cc"),
        prepare_average_pool,
        cmsis_nn_overlap.of_average_pool,
    ),
    BuiltinOperator.CONV_2D: instead_of(
        conv.CONV_2D, init(OP_DATA_CONV, "conv.cc"), prepare_conv, cmsis_nn_overlap.of_conv
    ),
    BuiltinOperator.DEPTHWISE_CONV_2D: instead_of(
        conv.DEPTHWISE_CONV_2D,
        init(OP_DATA_DEPTHWISE, "depthwise_conv.cc"),
        prepare_depthwise,
        cmsis_nn_overlap.of_depthwise,
    ),
    BuiltinOperator.FULLY_CONNECTED: instead_of(
        fully_connected.FULLY_CONNECTED,
        init(OP_DATA_FULLY_CONNECTED, "fully_connected.cc"),
        prepare_fully_connected,
        cmsis_nn_overlap.of_fully_connected,
    ),
    BuiltinOperator.MAX_POOL_2D: instead_of(
        pool.MAX_POOL_2D, init(OP_DATA_POOLING, "pooling.cc"), overlap=cmsis_nn_overlap.of_max_pool
    ),
    BuiltinOperator.MUL: instead_of(mul.MUL, overlap=cmsis_nn_overlap.of_elementwise),
    BuiltinOperator.SOFTMAX: instead_of(
        softmax.SOFTMAX, init(OP_DATA_SOFTMAX, "softmax.cc"), overlap=cmsis_nn_overlap.of_softmax
    ),
    BuiltinOperator.SVDF: instead_of(svdf.SVDF, init(OP_DATA_SVDF, "svdf.cc"), prepare_svdf),
    BuiltinOperator.PAD: instead_of(pad.PAD, overlap=cmsis_nn_overlap.of_pad),
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: instead_of(
        lstm.UNIDIRECTIONAL_SEQUENCE_LSTM, init(OP_DATA_LSTM, "unidirectional_sequence_lstm.cc"), prepare_lstm
    ),
    BuiltinOperator.MAXIMUM: instead_of(binary.MAXIMUM, overlap=cmsis_nn_overlap.of_extremes),
    BuiltinOperator.MINIMUM: instead_of(binary.MINIMUM, overlap=cmsis_nn_overlap.of_extremes),
    BuiltinOperator.PADV2: instead_of(pad.PADV2, overlap=cmsis_nn_overlap.of_pad),
    BuiltinOperator.TRANSPOSE_CONV: instead_of(
        transpose_conv.TRANSPOSE_CONV,
        init(OP_DATA_TRANSPOSE_CONV, "transpose_conv.cc"),
        prepare_transpose_conv,
        cmsis_nn_overlap.of_transpose_conv,
    ),
    BuiltinOperator.BATCH_MATMUL: instead_of(
        batch_matmul.BATCH_MATMUL, init(OP_DATA_BATCH_MATMUL, "batch_matmul.cc"), prepare_batch_matmul
    ),
}
"""What CMSIS-NN replaces. MUL, PAD, MAXIMUM and MINIMUM ask for the memory of the reference, as does TRANSPOSE."""
