"""Every operator that the kit can make up, in one table: how a node is drawn, and for which types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator as Op
from refinfer.schema.enums import TensorType
from refinfer.schema.options import AddOptions, ArgMaxOptions, ArgMinOptions, SubOptions
from refinfer.testing.choices import Choose
from refinfer.testing.models import NodeSpec
from refinfer.testing.operators import elementwise as element
from refinfer.testing.operators import movement as move
from refinfer.testing.operators import rare
from refinfer.testing.operators import windows as window

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

FLOAT32, FLOAT16, FLOAT64, BOOL = TensorType.FLOAT32, TensorType.FLOAT16, TensorType.FLOAT64, TensorType.BOOL
INT4, INT8, INT16, INT32, INT64 = (
    TensorType.INT4,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)
UINT8, UINT16, UINT32, UINT64 = TensorType.UINT8, TensorType.UINT16, TensorType.UINT32, TensorType.UINT64
COMPLEX64, COMPLEX128 = TensorType.COMPLEX64, TensorType.COMPLEX128

Types = tuple[TensorType, ...]


def as_it_is(x: Array) -> Array:
    """Every value."""
    return x


def not_negative(x: Array) -> Array:
    """Of int16, whose zero point is 0, what is above it; of others every value."""
    return np.maximum(x, 1) if x.dtype == np.int16 else x


class Operator(NamedTuple):
    """How a node is drawn, and of which types; `weights` are those that go with a type where there are several.

    `domain` makes, of any values, some that the operator is defined for.
    """

    make: Callable[[Choose, TensorType], NodeSpec]
    types: Types
    weights: Mapping[TensorType, Types] = {}
    domain: Callable[[Array], Array] = as_it_is

    def variants(self) -> list[tuple[TensorType, TensorType | None]]:
        """Each type with each type of weights; None where they have none of their own."""
        return [(type, of_weights) for type in self.types for of_weights in self.weights.get(type, (None,))]


ARITHMETIC = (FLOAT32, INT8, INT16, UINT8, INT32, INT64)
INTEGER_LAYERS = (FLOAT32, INT8, INT16, UINT8)
MOVED = (FLOAT32, INT8, INT16, UINT8, INT32, INT64, BOOL)

OPERATORS: dict[Op, Operator] = {
    Op.ADD: Operator(element.sum_of(Op.ADD, AddOptions), ARITHMETIC),
    Op.AVERAGE_POOL_2D: Operator(window.pool(Op.AVERAGE_POOL_2D), INTEGER_LAYERS),
    Op.CONCATENATION: Operator(move.concatenation, MOVED),
    Op.CONV_2D: Operator(window.conv_2d, INTEGER_LAYERS, window.WEIGHTS),
    Op.DEPTHWISE_CONV_2D: Operator(window.depthwise_conv_2d, INTEGER_LAYERS, window.DEPTHWISE_WEIGHTS),
    Op.DEPTH_TO_SPACE: Operator(move.depth_to_space, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.DEQUANTIZE: Operator(element.dequantize, (INT8, INT16, UINT8, INT4, FLOAT16)),
    Op.EMBEDDING_LOOKUP: Operator(move.embedding_lookup, (INT32,)),
    Op.FLOOR: Operator(element.plain_unary(Op.FLOOR), (FLOAT32,)),
    Op.FULLY_CONNECTED: Operator(window.fully_connected, INTEGER_LAYERS, window.FULLY_CONNECTED_WEIGHTS),
    Op.L2_NORMALIZATION: Operator(element.l2_normalization, (FLOAT32, INT8, UINT8)),
    Op.L2_POOL_2D: Operator(window.pool(Op.L2_POOL_2D), (FLOAT32,)),
    Op.LOCAL_RESPONSE_NORMALIZATION: Operator(rare.local_response_normalization, (FLOAT32,)),
    Op.LOGISTIC: Operator(element.activation(Op.LOGISTIC, 1 / 256), INTEGER_LAYERS),
    Op.MAX_POOL_2D: Operator(window.pool(Op.MAX_POOL_2D), INTEGER_LAYERS),
    Op.MUL: Operator(element.mul, (*ARITHMETIC, UINT32, COMPLEX64)),
    Op.RELU: Operator(element.activation(Op.RELU), INTEGER_LAYERS),
    Op.RELU_N1_TO_1: Operator(element.activation(Op.RELU_N1_TO_1), (FLOAT32, INT8, UINT8)),
    Op.RELU6: Operator(element.activation(Op.RELU6), INTEGER_LAYERS),
    Op.RESHAPE: Operator(move.reshape, MOVED),
    Op.RESIZE_BILINEAR: Operator(
        move.resize(Op.RESIZE_BILINEAR, move.RESIZE[Op.RESIZE_BILINEAR]), (FLOAT32, INT8, INT16, UINT8)
    ),
    Op.SOFTMAX: Operator(element.softmax, INTEGER_LAYERS),
    Op.SPACE_TO_DEPTH: Operator(move.space_to_depth, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.SVDF: Operator(window.svdf, (FLOAT32, INT8)),
    Op.TANH: Operator(element.activation(Op.TANH, 1 / 128), INTEGER_LAYERS),
    Op.PAD: Operator(move.pad(Op.PAD), MOVED),
    Op.GATHER: Operator(move.gather, MOVED),
    Op.BATCH_TO_SPACE_ND: Operator(move.batch_to_space, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.SPACE_TO_BATCH_ND: Operator(move.space_to_batch, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.TRANSPOSE: Operator(move.transpose, MOVED),
    Op.MEAN: Operator(move.reduction(Op.MEAN, rescaled=True), ARITHMETIC),
    Op.SUB: Operator(element.sum_of(Op.SUB, SubOptions), ARITHMETIC),
    Op.DIV: Operator(element.div, (FLOAT32, INT8, INT16, UINT8, INT32)),
    Op.SQUEEZE: Operator(move.squeeze, MOVED),
    Op.STRIDED_SLICE: Operator(move.strided_slice, MOVED),
    Op.EXP: Operator(element.unary(Op.EXP), (FLOAT32, INT8, INT16)),
    Op.TOPK_V2: Operator(move.top_k, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.SPLIT: Operator(move.split, (FLOAT32, INT8, INT16, UINT8, INT32)),
    Op.LOG_SOFTMAX: Operator(element.log_softmax, (FLOAT32, INT8, UINT8)),
    Op.CAST: Operator(element.cast, (*MOVED, UINT32, FLOAT16, FLOAT64)),
    Op.PRELU: Operator(element.prelu, (FLOAT32, INT8, UINT8)),
    Op.MAXIMUM: Operator(element.extremum(Op.MAXIMUM), ARITHMETIC),
    Op.ARG_MAX: Operator(move.index_of(Op.ARG_MAX, ArgMaxOptions), (FLOAT32, INT8, UINT8, INT32, BOOL)),
    Op.MINIMUM: Operator(element.extremum(Op.MINIMUM), ARITHMETIC),
    Op.LESS: Operator(element.comparison(Op.LESS), ARITHMETIC),
    Op.NEG: Operator(element.same_scale(Op.NEG), (FLOAT32, INT8, INT16, INT32, INT64)),
    Op.PADV2: Operator(move.pad(Op.PADV2), MOVED),
    Op.GREATER: Operator(element.comparison(Op.GREATER), ARITHMETIC),
    Op.GREATER_EQUAL: Operator(element.comparison(Op.GREATER_EQUAL), ARITHMETIC),
    Op.LESS_EQUAL: Operator(element.comparison(Op.LESS_EQUAL), ARITHMETIC),
    Op.SELECT: Operator(element.select(Op.SELECT), (BOOL,)),
    Op.SLICE: Operator(move.slice_of, MOVED),
    Op.SIN: Operator(element.plain_unary(Op.SIN), (FLOAT32,)),
    Op.TRANSPOSE_CONV: Operator(window.transpose_conv, INTEGER_LAYERS, window.TRANSPOSE_WEIGHTS),
    Op.SPARSE_TO_DENSE: Operator(rare.sparse_to_dense, (FLOAT32, INT8, UINT8, INT32, INT64)),
    Op.TILE: Operator(move.tile, (FLOAT32, INT8, UINT8, INT32, INT64, BOOL)),
    Op.EXPAND_DIMS: Operator(move.expand_dims, MOVED),
    Op.EQUAL: Operator(element.comparison(Op.EQUAL), (*ARITHMETIC, BOOL)),
    Op.NOT_EQUAL: Operator(element.comparison(Op.NOT_EQUAL), (*ARITHMETIC, BOOL)),
    Op.LOG: Operator(element.of_what_is_not_negative(Op.LOG), (FLOAT32, INT8, INT16), domain=not_negative),
    Op.SUM: Operator(move.reduction(Op.SUM, rescaled=True), (*ARITHMETIC, BOOL)),
    Op.SQRT: Operator(element.of_what_is_not_negative(Op.SQRT), (FLOAT32, INT8, INT16), domain=not_negative),
    Op.RSQRT: Operator(element.of_what_is_not_negative(Op.RSQRT), (FLOAT32, INT8, INT16), domain=not_negative),
    Op.SHAPE: Operator(move.shape_of, MOVED),
    Op.POW: Operator(element.power, (FLOAT32, INT32)),
    Op.ARG_MIN: Operator(move.index_of(Op.ARG_MIN, ArgMinOptions), (FLOAT32, INT8, UINT8, INT32, BOOL)),
    Op.FAKE_QUANT: Operator(element.fake_quant, (FLOAT32,)),
    Op.REDUCE_PROD: Operator(move.reduction(Op.REDUCE_PROD, rescaled=True), (*ARITHMETIC, BOOL)),
    Op.REDUCE_MAX: Operator(move.reduction(Op.REDUCE_MAX), (*ARITHMETIC, BOOL)),
    Op.PACK: Operator(move.pack, (FLOAT32, INT8, INT16, UINT8, INT32, INT64)),
    Op.LOGICAL_OR: Operator(element.plain_binary(Op.LOGICAL_OR), (BOOL,)),
    Op.ONE_HOT: Operator(move.one_hot, (INT32, INT64)),
    Op.LOGICAL_AND: Operator(element.plain_binary(Op.LOGICAL_AND), (BOOL,)),
    Op.LOGICAL_NOT: Operator(element.plain_unary(Op.LOGICAL_NOT), (BOOL,)),
    Op.UNPACK: Operator(move.unpack, (FLOAT32, INT8, INT16, UINT8, INT32, BOOL)),
    Op.REDUCE_MIN: Operator(move.reduction(Op.REDUCE_MIN), (*ARITHMETIC, BOOL)),
    Op.FLOOR_DIV: Operator(element.whole_division(Op.FLOOR_DIV), (FLOAT32, INT8, INT16, INT32)),
    Op.REDUCE_ANY: Operator(move.reduction(Op.REDUCE_ANY), (BOOL,)),
    Op.SQUARE: Operator(element.plain_unary(Op.SQUARE), (FLOAT32,)),
    Op.ZEROS_LIKE: Operator(element.plain_unary(Op.ZEROS_LIKE), (FLOAT32, INT8, INT32, INT64)),
    Op.FILL: Operator(move.fill, (INT32, INT64)),
    Op.FLOOR_MOD: Operator(element.whole_division(Op.FLOOR_MOD), (FLOAT32, INT8, INT16, INT32, INT64)),
    Op.RANGE: Operator(rare.range_of, (FLOAT32, INT32, INT64)),
    Op.RESIZE_NEAREST_NEIGHBOR: Operator(
        move.resize(Op.RESIZE_NEAREST_NEIGHBOR, move.RESIZE[Op.RESIZE_NEAREST_NEIGHBOR]),
        (FLOAT32, INT8, INT16, UINT8, INT32),
    ),
    Op.LEAKY_RELU: Operator(element.leaky_relu, INTEGER_LAYERS),
    Op.SQUARED_DIFFERENCE: Operator(element.squared_difference, (FLOAT32, INT8, INT16, INT32)),
    Op.MIRROR_PAD: Operator(move.mirror_pad, MOVED),
    Op.ABS: Operator(element.unary(Op.ABS), (FLOAT32, INT8, INT16, INT32)),
    Op.SPLIT_V: Operator(move.split_v, (FLOAT32, INT8, INT16, UINT8, INT32, INT64)),
    Op.UNIQUE: Operator(move.unique, ARITHMETIC),
    Op.CEIL: Operator(element.plain_unary(Op.CEIL), (FLOAT32,)),
    Op.REVERSE_V2: Operator(move.reverse, MOVED),
    Op.ADD_N: Operator(element.add_n, (FLOAT32, INT8, INT32)),
    Op.GATHER_ND: Operator(move.gather_nd, MOVED),
    Op.COS: Operator(element.plain_unary(Op.COS), (FLOAT32,)),
    Op.WHERE: Operator(move.where, (FLOAT32, INT8, UINT8, INT32, INT64, BOOL)),
    Op.RANK: Operator(move.rank_of, MOVED),
    Op.ELU: Operator(element.activation(Op.ELU), (FLOAT32, INT8)),
    Op.REVERSE_SEQUENCE: Operator(rare.reverse_sequence, (FLOAT32, INT16, UINT8, INT32, INT64)),
    Op.MATRIX_DIAG: Operator(rare.matrix_diag, ARITHMETIC),
    Op.QUANTIZE: Operator(element.quantize, (FLOAT32, INT8, UINT8, INT16, INT32)),
    Op.MATRIX_SET_DIAG: Operator(rare.matrix_set_diag, ARITHMETIC),
    Op.ROUND: Operator(element.plain_unary(Op.ROUND), (FLOAT32,)),
    Op.HARD_SWISH: Operator(element.activation(Op.HARD_SWISH), (FLOAT32, INT8, UINT8)),
    Op.SCATTER_ND: Operator(rare.scatter_nd, (FLOAT32, INT8, UINT8, INT32, INT64, BOOL)),
    Op.SELECT_V2: Operator(element.select(Op.SELECT_V2), (BOOL,)),
    Op.SEGMENT_SUM: Operator(rare.segment_sum, (FLOAT32, INT32)),
    Op.BATCH_MATMUL: Operator(window.batch_matmul, (FLOAT32, INT8, INT16), window.BATCH_MATMUL_WEIGHTS),
    Op.CUMSUM: Operator(move.cumsum, (FLOAT32, INT8, INT32, INT64)),
    Op.BROADCAST_TO: Operator(move.broadcast_to, MOVED),
    Op.CONV_3D: Operator(window.conv_3d, (FLOAT32,)),
    Op.IMAG: Operator(element.complex_part(Op.IMAG), (COMPLEX64, COMPLEX128)),
    Op.REAL: Operator(element.complex_part(Op.REAL), (COMPLEX64, COMPLEX128)),
    Op.COMPLEX_ABS: Operator(element.complex_part(Op.COMPLEX_ABS), (COMPLEX64, COMPLEX128)),
    Op.REDUCE_ALL: Operator(move.reduction(Op.REDUCE_ALL), (BOOL,)),
    Op.BROADCAST_ARGS: Operator(move.broadcast_args, (INT32, INT64)),
    Op.BUCKETIZE: Operator(element.bucketize, (FLOAT32, FLOAT64, INT32, INT64)),
    Op.GELU: Operator(element.gelu, (FLOAT32, INT8, UINT8)),
    Op.DYNAMIC_UPDATE_SLICE: Operator(move.dynamic_update_slice, (FLOAT32, INT8, INT16, INT32, INT64, BOOL)),
    Op.RELU_0_TO_1: Operator(element.activation(Op.RELU_0_TO_1), (FLOAT32, INT8, UINT8)),
    Op.UNSORTED_SEGMENT_PROD: Operator(rare.unsorted_segment(Op.UNSORTED_SEGMENT_PROD), (FLOAT32, INT32)),
    Op.UNSORTED_SEGMENT_MAX: Operator(rare.unsorted_segment(Op.UNSORTED_SEGMENT_MAX), (FLOAT32, INT32)),
    Op.UNSORTED_SEGMENT_SUM: Operator(rare.unsorted_segment(Op.UNSORTED_SEGMENT_SUM), (FLOAT32, INT32)),
    Op.ATAN2: Operator(element.plain_binary(Op.ATAN2, stretched=False), (FLOAT32, FLOAT64)),
    Op.UNSORTED_SEGMENT_MIN: Operator(rare.unsorted_segment(Op.UNSORTED_SEGMENT_MIN), (FLOAT32, INT32)),
    Op.SIGN: Operator(element.plain_unary(Op.SIGN), (FLOAT32, FLOAT64, INT32)),
    Op.BITCAST: Operator(rare.bitcast, (FLOAT32, INT8, INT16, INT32, INT64, UINT8)),
    Op.BITWISE_XOR: Operator(element.plain_binary(Op.BITWISE_XOR), (INT8, INT16, INT32, UINT8, UINT16, UINT32)),
    Op.RIGHT_SHIFT: Operator(element.plain_binary(Op.RIGHT_SHIFT), (INT8, INT16, INT32, UINT8, UINT16, UINT32)),
    Op.STABLEHLO_ADD: Operator(rare.stablehlo(Op.STABLEHLO_ADD), ARITHMETIC),
    Op.STABLEHLO_MULTIPLY: Operator(rare.stablehlo(Op.STABLEHLO_MULTIPLY), ARITHMETIC),
    Op.STABLEHLO_MAXIMUM: Operator(rare.stablehlo(Op.STABLEHLO_MAXIMUM), ARITHMETIC),
    Op.STABLEHLO_MINIMUM: Operator(rare.stablehlo(Op.STABLEHLO_MINIMUM), ARITHMETIC),
}
