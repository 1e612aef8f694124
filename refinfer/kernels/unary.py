"""Element by element, from one: ABS, RSQRT, SIN, COS, LOG, SQRT, SQUARE, CEIL, FLOOR, ROUND, NEG, EXP, SIGN and
ZEROS_LIKE; and of complex numbers REAL, IMAG and COMPLEX_ABS.

Sources: elementwise.cc, ceil.cc, floor.cc, round.cc, neg.cc, exp.cc, zeros_like.cc, all in
tensorflow/lite/micro/kernels; of the arithmetic also the files of these names, sign.cc and complex_support.cc in
tflite/kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import libm
from refinfer.kernels.arithmetic.fixedpoint import (
    clamp,
    divide_as_x86,
    doubling_high_mul,
    quantize_multiplier,
    scale_twice,
    wrap_int32,
)
from refinfer.kernels.arithmetic.lookup import tabulated
from refinfer.kernels.arithmetic.square_root import inverse_square_root
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    is_affine,
    output_at,
    require_affine,
    require_arity,
    require_same_shape,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, like_input
from refinfer.kernels.kernel import Kernel, Request, op_data, require, temps
from refinfer.kernels.layout import BOOL, ENUM, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


BITS_8 = (TensorType.UINT8, TensorType.INT8)

OP_DATA_ABS_RSQRT = struct(
    "OpDataAbsRsqrt",
    multiplier=INT32,
    shift=INT32,
    input_offset=INT32,
    output_offset=INT32,
    needs_rescale=BOOL,
    input_quantization_type=INT32,  # an enum, but declared to be an int wide
    input_type=ENUM,
)


def prepare_elementwise(node: Node, build: Build) -> Iterator[Request]:
    """[elementwise.cc: GenericPrepare] means to refuse other types than the operator's, but never does.

    Where it seems to call its template parameter, it casts the type to a function pointer, which is not null. What
    gets through is refused by Invoke.
    """
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def prepare_abs_rsqrt(node: Node, build: Build) -> Iterator[Request]:
    """[elementwise.cc: PrepareAbsRsqrt] has the defect of GenericPrepare. An int16 need not be quantized."""
    yield from prepare_elementwise(node, build)
    x, y = input_at(node, 0), output_at(node, 0)
    if x.type == TensorType.INT8 or (x.type == TensorType.INT16 and is_affine(x)):
        require_affine(x)
        require_affine(y)
    if x.type == TensorType.INT16 and is_affine(x):
        require_zero_point(x, 0)
        require_zero_point(y, 0)


def prepare_float(node: Node, build: Build) -> Iterator[Request]:
    """[ceil.cc: CeilPrepare], and the same in round.cc and exp.cc."""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_arity(node, 1, 1)
    require_type(x, TensorType.FLOAT32)
    require_same_type(x, y)
    require_same_shape(x, y)


def prepare_zeros_like(node: Node, build: Build) -> Iterator[Request]:
    """[zeros_like.cc: ZerosLikePrepare]"""
    require_arity(node, 1, 1)
    yield from temps(input_at(node, 0), output_at(node, 0))


def fold_one(compute: Callable[[Array], Array]) -> Fold:
    """The fold of arithmetic that depends on nothing but the input."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 1, 1)

        def evaluate(x: Array) -> tuple[Array, ...]:
            with np.errstate(all="ignore"):
                return (np.asarray(compute(x)),)

        return evaluate

    return fold


def in_float(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of floats, for halves."""
    return lambda x: function(x.astype(np.float32)).astype(np.float16)


def require_quantized(node: Node) -> None:
    """Both tensors need a scale and a zero point, and int16 no other than 0."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    require_same_type(x, y)
    for tensor in (x, y):
        require_affine(tensor)
        if tensor.type == TensorType.INT16:
            require_zero_point(tensor, 0)


def fold_abs(node: Node, host: Host) -> Evaluate:
    """Quantized: y = clamp(scale(|x - zero_point|) + output zero point)"""
    require_quantized(node)
    x, y, scale = input_at(node, 0), output_at(node, 0), host.numerics.scale
    multiplier, shift = quantize_multiplier(float(scale(first_scale(x)) / scale(first_scale(y))))
    zero_point, offset, same = first_zero_point(x), first_zero_point(y), first_scale(x) == first_scale(y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        size = np.abs(values.astype(np.int64) - zero_point)
        scaled = size if same else scale_twice(size, multiplier, shift)
        limits = np.iinfo(values.dtype)
        return (clamp(scaled + offset, limits.min, limits.max, values.dtype),)

    return evaluate


def fold_abs_int16(node: Node, host: Host) -> Evaluate:
    """int16 need not be quantized."""
    return fold_abs(node, host) if is_affine(input_at(node, 0)) else fold_one(absolute)(node, host)


def absolute(x: Array) -> Array:
    """|x|; the least integer has no positive and remains."""
    return np.abs(x)


def fold_rsqrt(node: Node, host: Host) -> Evaluate:
    """Quantized, in fixed point: y = clamp(scale(1 / sqrt(x - zero_point)) + output zero point); of 0, the largest y.

    The root is an integer of 20 fraction bits on the way.
    """
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    scale = host.numerics.scale
    multiplier, shift = quantize_multiplier(1.0 / float(np.sqrt(scale(first_scale(x))) * scale(first_scale(y))))
    zero_point, offset = first_zero_point(x), first_zero_point(y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        size = values.astype(np.int64) - zero_point
        require(not np.any(size < 0), "the inverse square root of a negative number")
        m, s = inverse_square_root(size)
        inverse = scale_twice(np.ones_like(size), m, s + ROOT_BITS)
        doubled = doubling_high_mul(wrap_int32(inverse << max(shift - ROOT_BITS, 0)), multiplier)
        scaled = divide_as_x86(doubled, max(ROOT_BITS - shift, 0)) + offset
        limits = np.iinfo(values.dtype)
        return (clamp(np.where(size == 0, limits.max, scaled), limits.min, limits.max, values.dtype),)

    return evaluate


def fold_rsqrt_by_table(node: Node, host: Host) -> Evaluate:
    """int16, by table: 1 / sqrt(x), and the largest y of what is not positive; negative numbers are refused."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    largest = np.float32(2**15 - 1) * np.float32(first_scale(y))
    look_up = tabulated(lambda real: np.where(real <= 0, largest, rsqrt(real)), x, y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        require(not np.any(values < 0), "the inverse square root of a negative number")
        return look_up(values)

    return evaluate


def rsqrt(x: Array) -> Array:
    """1 / sqrt(x), both steps rounded to float."""
    return np.float32(1) / np.sqrt(x)


def fold_sqrt(node: Node, host: Host) -> Evaluate:
    """Quantized: y = clamp(trunc(sqrt(scale * (x - zero_point)) / output scale) + output zero point), all in float."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    zero_point, offset = first_zero_point(x), first_zero_point(y)

    def evaluate(values: Array) -> tuple[Array, ...]:
        real = np.float32(first_scale(x)) * (values.astype(np.int64) - zero_point).astype(np.float32)
        require(not np.any(real < 0), "the square root of a negative number")
        limits = np.iinfo(values.dtype)
        steps = np.minimum(np.sqrt(real) / np.float32(first_scale(y)), np.float32(2**30)).astype(np.int64)
        return (clamp(steps + offset, limits.min, limits.max, values.dtype),)

    return evaluate


def fold_log(node: Node, host: Host) -> Evaluate:
    """Quantized, by table; what is not positive gives the least y."""
    require_quantized(node)
    x, y = input_at(node, 0), output_at(node, 0)
    least = np.iinfo(np.int8 if y.type == TensorType.INT8 else np.int16).min
    lowest = np.float32(least - first_zero_point(y)) * np.float32(first_scale(y))
    return tabulated(lambda real: np.where(real <= 0, lowest, libm.logf(real)), x, y)


def fold_exp(node: Node, host: Host) -> Evaluate:
    """Quantized, by table."""
    require_quantized(node)
    return tabulated(libm.expf, input_at(node, 0), output_at(node, 0))


def zeros(x: Array) -> Array:
    """As many zeros."""
    return np.zeros_like(x)


def negative(x: Array) -> Array:
    """-x; the least integer has no positive and remains."""
    return -x


def square(x: Array) -> Array:
    """x * x"""
    return x * x


def floor(x: Array) -> Array:
    """The largest whole number that is not greater."""
    return np.floor(x)


def ceil(x: Array) -> Array:
    """The least whole number that is not smaller."""
    return np.ceil(x)


def round_to_even(x: Array) -> Array:
    """The nearest whole number, ties to even; of -0.5 to 0, a positive 0 [round.h: RoundToNearest]."""
    below = np.floor(x)
    rest = x - below
    down = (rest < 0.5) | ((rest == 0.5) & (np.fmod(below, 2) == 0))
    return np.where(down, below, below + x.dtype.type(1))


def sign(x: Array) -> Array:
    """-1, 0 or 1, and NaN of NaN; the 0 is a positive one."""
    return np.where(np.isnan(x), x, np.sign(x) + x.dtype.type(0))


def square_root(x: Array) -> Array:
    """The square root, rounded to the nearest float."""
    return np.sqrt(x)


def real_part(x: Array) -> Array:
    """x of x + iy."""
    return np.real(x).copy()


def imaginary_part(x: Array) -> Array:
    """y of x + iy."""
    return np.imag(x).copy()


def magnitude(x: Array) -> Array:
    """|x + iy|, by C's hypot."""
    return np.hypot(np.real(x), np.imag(x))


def by_type(folds: Mapping[TensorType, Fold], version: int) -> Compute:
    """The arithmetic of an operator with one input, by its type."""

    def fold(node: Node, host: Host) -> Evaluate:
        return folds[input_at(node, 0).type](node, host)

    return Compute(fold=fold, shape=like_input, types=frozenset(folds), version=version)


ROOT_BITS = 20  # [elementwise.cc: kShift]

SIN = COS = LOG = SQRT = SQUARE = Kernel(
    prepare=prepare_elementwise,
    invoke=switch_on_input("type {} is not supported; it may be FLOAT32", TensorType.FLOAT32),
    overlap=of_unary,
)
ABS = RSQRT = Kernel(
    init=op_data(OP_DATA_ABS_RSQRT, "elementwise.cc: ElementWiseAbsRsqrtInit"),
    prepare=prepare_abs_rsqrt,
    invoke=switch_on_input(
        "Current data type {} is not supported.", TensorType.FLOAT32, TensorType.INT8, TensorType.INT16
    ),
    overlap=of_unary,
)
CEIL = ROUND = EXP = Kernel(prepare=prepare_float, overlap=of_unary)
FLOOR = Kernel(
    invoke=switch_on_input("type {} is not supported; it may be FLOAT32", TensorType.FLOAT32), overlap=of_unary
)
NEG = Kernel(invoke=switch_on_input("Type {} not supported.", TensorType.FLOAT32), overlap=of_unary)
ZEROS_LIKE = Kernel(
    prepare=prepare_zeros_like,
    invoke=switch_on_input(
        "ZerosLike only currently supports int64, int32, and float32, got {}.",
        TensorType.INT64,
        TensorType.INT32,
        TensorType.INT8,
        TensorType.FLOAT32,
    ),
)

F16, F32, F64 = TensorType.FLOAT16, TensorType.FLOAT32, TensorType.FLOAT64
I8, I16, I32, I64 = TensorType.INT8, TensorType.INT16, TensorType.INT32, TensorType.INT64

RSQRT_FOLDS: dict[TensorType, Fold] = {F32: fold_one(rsqrt), I8: fold_rsqrt, I16: fold_rsqrt}

COMPUTE_ABS = by_type({F32: fold_one(absolute), I8: fold_abs, I16: fold_abs_int16, I32: fold_one(absolute)}, version=3)
COMPUTE_SIN = by_type({F32: fold_one(libm.sinf), F16: fold_one(in_float(libm.sinf))}, version=1)
COMPUTE_COS = by_type({F32: fold_one(libm.cosf), F16: fold_one(in_float(libm.cosf))}, version=1)
COMPUTE_LOG = by_type({F32: fold_one(libm.logf), I8: fold_log, I16: fold_log}, version=2)
COMPUTE_SQRT = by_type({F32: fold_one(square_root), I8: fold_sqrt, I16: fold_sqrt}, version=2)
COMPUTE_RSQRT = by_type(RSQRT_FOLDS, version=3)
COMPUTE_RSQRT_BY_TABLE = by_type(RSQRT_FOLDS | {I16: fold_rsqrt_by_table}, version=3)
COMPUTE_SQUARE = by_type({F32: fold_one(square)}, version=1)
COMPUTE_EXP = by_type({F32: fold_one(libm.expf), I8: fold_exp, I16: fold_exp}, version=2)
COMPUTE_NEG = by_type(dict.fromkeys((F32, F16, I8, I16, I32, I64), fold_one(negative)), version=1)
COMPUTE_FLOOR = by_type(dict.fromkeys((F32, F16), fold_one(floor)), version=1)
COMPUTE_CEIL = by_type({F32: fold_one(ceil)}, version=1)
COMPUTE_ROUND = by_type(dict.fromkeys((F32, F16), fold_one(round_to_even)), version=1)
COMPUTE_SIGN = by_type(dict.fromkeys((F32, F64, I32), fold_one(sign)), version=2)
COMPUTE_ZEROS_LIKE = by_type(dict.fromkeys((F32, I8, I32, I64), fold_one(zeros)), version=1)
COMPUTE_REAL = by_type(dict.fromkeys((TensorType.COMPLEX64, TensorType.COMPLEX128), fold_one(real_part)), version=1)
COMPUTE_IMAG = by_type(
    dict.fromkeys((TensorType.COMPLEX64, TensorType.COMPLEX128), fold_one(imaginary_part)), version=1
)
COMPUTE_COMPLEX_ABS = by_type(
    dict.fromkeys((TensorType.COMPLEX64, TensorType.COMPLEX128), fold_one(magnitude)), version=1
)
