"""MEAN, SUM, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN, REDUCE_ANY and REDUCE_ALL.

Sources: tensorflow/lite/micro/kernels/reduce.h, reduce_common.cc, reduce.cc; of the arithmetic also
tflite/kernels/reduce.cc and internal/reference/reduce.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import isfinite, prod
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import clamp, quantize_multiplier, scale_int64, scale_twice, wrap_int32
from refinfer.kernels.changes import REDUCE_BUFFERS, has, since
from refinfer.kernels.common import (
    first_scale,
    first_zero_point,
    input_at,
    integers,
    is_affine,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    require_type,
    switch_on_input,
)
from refinfer.kernels.compute import Compute, Evaluate, Fold, Host, Shape
from refinfer.kernels.kernel import Kernel, Overlap, Request, Scratch, op_data, require, temps
from refinfer.kernels.layout import BOOL, FLOAT, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import at_least
from refinfer.kernels.quantization import ratio, require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import ReducerOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

REDUCER_PARAMS = struct("TfLiteReducerParams", keep_dims=BOOL)
OP_DATA_REDUCE = struct(
    "OpDataReduce",
    multiplier=INT32,
    shift=INT32,
    scratch_accumulator_idx=INT32,
    scratch_resolved_axis_idx=INT32,
    scratch_input_iter_idx=since(REDUCE_BUFFERS, INT32),
    input_zp=INT32,
    input_scale=FLOAT,
    output_zp=INT32,
    output_scale=FLOAT,
    num_output_elements=INT32,
    num_axis=INT32,
)


def prepare_simple(node: Node) -> Iterator[Request]:
    """[reduce_common.cc: PrepareSimple]"""
    x = input_at(node, 0)
    yield from temps(x)
    require_arity(node, 2, 1)
    axis = input_at(node, 1)
    yield from temps(axis)
    require_type(axis, TensorType.INT32)
    if x.type == TensorType.INT8:
        yield from temps(output_at(node, 0))


def prepare_min_max(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareMinMaxHelper]"""
    yield from prepare_simple(node)
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    yield from walk_buffers(x, axis, "reduce_common.cc: PrepareMinMaxHelper")


def prepare_mean_or_sum(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareMeanOrSumHelper]"""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    if x.type in (TensorType.INT8, TensorType.INT16):
        yield Scratch("scratch_accumulator_idx", 4 * y.elements, "reduce_common.cc: PrepareMeanOrSumHelper")
    if has(REDUCE_BUFFERS, build):
        yield from walk_buffers(x, axis, "reduce_common.cc: PrepareMeanOrSumHelper")
    yield from prepare_simple(node)


def overlap_mean(node: Node, position: int, build: Build) -> Overlap | None:
    """The mean of an image of floats is made channel by channel; other means begin with zeros in the output.

    [reduce_common.cc: EvalMeanHelper]
    """
    x, axis = input_at(node, 0), input_at(node, 1)
    kept = options_of(node, ReducerOptions).keep_dims and len(x.shape) == 4 and axis.data is not None
    if position != 0 or x.type != TensorType.FLOAT32 or not kept:
        return None
    return at_least(0) if sorted(integers(axis)) == [1, 2] else None


def prepare_all(node: Node, build: Build) -> Iterator[Request]:
    """[reduce_common.cc: PrepareAllHelper]"""
    x, axis, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, y, axis)
    require_type(x, TensorType.BOOL)
    yield from prepare_simple(node)
    yield from walk_buffers(x, axis, "reduce_common.cc: PrepareAllHelper")


def walk_buffers(x: Tensor, axis: Tensor, source: str) -> Iterator[Request]:
    """What the walk over the input keeps: where it is, and the axes made positive."""
    yield Scratch("scratch_input_iter_idx", 4 * len(x.shape), source)
    yield Scratch("scratch_resolved_axis_idx", 4 * axis.elements, source)


def invoke_min_max(node: Node) -> None:
    """[reduce_common.cc: EvalMinMaxHelper] does not rescale, and says so only here."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_same_type(x, y)
    known = x.type in (TensorType.FLOAT32, TensorType.INT8)
    require(known, "Only float32 and int8 types are supported.", x)
    if x.type == TensorType.INT8:
        same = first_scale(x) == first_scale(y)
        require(same, f"scale {first_scale(y)}; the input's is {first_scale(x)}", y)
        require_zero_point(y, first_zero_point(x))


def invoke_sum(node: Node) -> None:
    """[reduce_common.cc: EvalSumHelper]"""
    x = input_at(node, 0)
    require_same_type(x, output_at(node, 0))
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, "Only float32, int8, and int16 types are supported.", x)


def invoke_all(node: Node) -> None:
    """[reduce_common.cc: EvalAllHelper]"""
    require_same_type(input_at(node, 0), output_at(node, 0))


Reduced = Callable[["Array"], "Array"]
"""From rows, the first of which holds the first cell of each output, to the row of outputs."""


def fold_by_type(folds: Mapping[TensorType, Callable[[Node], Reduced]]) -> Fold:
    """Reduce over the axes that the second input names, in a way that depends on the type of the first."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_arity(node, 2, 1)
        x, axis = input_at(node, 0), input_at(node, 1)
        require_type(axis, TensorType.INT32)
        if axis.data is not None:
            resolved(integers(axis), len(x.shape))  # what is wrong for sure is refused at once
        reduced = folds[x.type](node)
        keep_dims = options_of(node, ReducerOptions).keep_dims
        return lambda x, axis: (over_axes(reduced, keep_dims, x, axis),)

    return fold


def over_axes(reduced: Reduced, keep_dims: bool, x: Array, axis: Array) -> Array:
    """The cells that differ in nothing but `axis` are reduced to one, in the order in which they are stored."""
    axes = resolved(axis.reshape(-1).tolist(), x.ndim)
    kept = [each for each in range(x.ndim) if each not in axes]
    rows = x.transpose(*axes, *kept).reshape(prod(x.shape[each] for each in axes), *(x.shape[each] for each in kept))
    with np.errstate(all="ignore"):
        return reduced(rows).reshape(reduced_shape(x.shape, axes, keep_dims))


def resolved(axes: Iterable[int], rank: int) -> list[int]:
    """The axes in order and once each, negative ones counted from the end; a scalar has none, whatever is asked."""
    if rank == 0:
        return []
    axes = list(axes)
    require(all(-rank <= each < rank for each in axes), f"axes {axes} of a tensor of {rank} dimensions")
    return sorted({each % rank for each in axes})


def reduced_shape(shape: Shape, axes: Sequence[int], keep_dims: bool) -> Shape:
    """[reduce.cc: GetOutputShape]"""
    if keep_dims:
        return tuple(1 if each in axes else size for each, size in enumerate(shape))
    return tuple(size for each, size in enumerate(shape) if each not in axes)


def as_it_is(reduced: Reduced) -> Callable[[Node], Reduced]:
    """Numbers that count as they are: where they are quantized, the output must be so in the same way."""

    def fold(node: Node) -> Reduced:
        x, y = input_at(node, 0), output_at(node, 0)
        if x.type in QUANTIZED:
            require(first_scale(x) == first_scale(y), f"scale {first_scale(y)}; the input's is {first_scale(x)}", y)
            require_zero_point(y, first_zero_point(x))
        return reduced

    return fold


def symmetric(fold: Callable[[Node], Reduced]) -> Callable[[Node], Reduced]:
    """Zero points must be 0."""

    def fold_symmetric(node: Node) -> Reduced:
        require_zero_point(input_at(node, 0), 0)
        require_zero_point(output_at(node, 0), 0)
        return fold(node)

    return fold_symmetric


def added(rows: Array) -> Array:
    """y = ((0 + x[0]) + x[1]) + …, in their type"""
    zero = np.zeros((1, *rows.shape[1:]), rows.dtype)
    return np.add.accumulate(np.concatenate((zero, rows)), axis=0, dtype=rows.dtype)[-1]


def added_of_all_from_first(rows: Array) -> Array:
    """As `added`, but where all is reduced to one number there is no 0 before the first, so that -0 may remain."""
    return np.add.accumulate(rows, dtype=rows.dtype)[-1] if rows.ndim == 1 and len(rows) > 0 else added(rows)


def multiplied(rows: Array) -> Array:
    """y = ((1 * x[0]) * x[1]) * …, in their type"""
    one = np.ones((1, *rows.shape[1:]), rows.dtype)
    return np.multiply.accumulate(np.concatenate((one, rows)), axis=0, dtype=rows.dtype)[-1]


def any_true(rows: Array) -> Array:
    """y = x[0] or x[1] or …"""
    return np.asarray(rows.any(axis=0))


def all_true(rows: Array) -> Array:
    """y = x[0] and x[1] and …"""
    return np.asarray(rows.all(axis=0))


def largest(rows: Array) -> Array:
    """y = the largest, but no less than the least finite number; NaN is passed over."""
    return largest_from(np.full(rows.shape[1:], limits(rows)[0], rows.dtype), rows)


def smallest(rows: Array) -> Array:
    """y = the smallest, but no more than the largest finite number; NaN is passed over."""
    return smallest_from(np.full(rows.shape[1:], limits(rows)[1], rows.dtype), rows)


def largest_of_all_from_first(rows: Array) -> Array:
    """As `largest`, but where all is reduced to one number the search starts with the first one, even if it is NaN."""
    return largest_from(rows[0], rows) if rows.ndim == 1 and len(rows) > 0 else largest(rows)


def smallest_of_all_from_first(rows: Array) -> Array:
    """As `smallest`, but where all is reduced to one number the search starts with the first one, even if it is NaN."""
    return smallest_from(rows[0], rows) if rows.ndim == 1 and len(rows) > 0 else smallest(rows)


def largest_from(start: Array, rows: Array) -> Array:
    """y = start; then x[i] > y ? x[i] : y for each i. Of equal numbers, as 0 and -0 are, the first stays.

    Integers are equal only if they are the same, and start with one that changes nothing.
    """
    if rows.dtype.kind != "f":
        return np.maximum.reduce(rows, axis=0, initial=limits(rows)[0])
    found = np.concatenate((start[None], np.where(rows > start, rows, start)))
    return np.take_along_axis(found, found.argmax(axis=0)[None], axis=0)[0]


def smallest_from(start: Array, rows: Array) -> Array:
    """y = start; then x[i] < y ? x[i] : y for each i. Of equal numbers, as 0 and -0 are, the first stays.

    Integers are equal only if they are the same, and start with one that changes nothing.
    """
    if rows.dtype.kind != "f":
        return np.minimum.reduce(rows, axis=0, initial=limits(rows)[1])
    found = np.concatenate((start[None], np.where(rows < start, rows, start)))
    return np.take_along_axis(found, found.argmin(axis=0)[None], axis=0)[0]


def limits(x: Array) -> tuple[float, float]:
    """The least and the largest finite number of a type."""
    if x.dtype.kind == "b":
        return False, True
    found = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    return found.min, found.max


def mean(rows: Array) -> Array:
    """y = (x[0] + x[1] + …) / n; a quotient of integers, whose sum has 64 bits, is cut off. Of no integers it is 0."""
    if rows.dtype.kind == "f":
        return added(rows) / rows.dtype.type(len(rows))
    total, n = rows.sum(axis=0, dtype=np.int64), max(1, len(rows))
    floor = total // n
    return (floor + ((total < 0) & (floor * n != total))).astype(rows.dtype)


class Rescaling(NamedTuple):
    """From the input's scale to the output's."""

    input_zero_point: int
    multiplier: int
    shift: int
    output_zero_point: int


def rescaling_of(node: Node) -> Rescaling:
    """The parameters of a quantized sum or mean. In C, a multiplier that is infinite or NaN becomes 0."""
    x, y = input_at(node, 0), output_at(node, 0)
    real = ratio(first_scale(x), first_scale(y))
    multiplier, shift = quantize_multiplier(real if isfinite(real) else 0.0)
    return Rescaling(first_zero_point(x), multiplier, shift, first_zero_point(y))


def fold_quantized_sum(node: Node) -> Reduced:
    """A sum, brought to the output's scale."""
    return partial(rescaled_sum, rescaling_of(node))


def fold_quantized_mean(node: Node) -> Reduced:
    """A mean, brought to the output's scale: a sum whose multiplier is divided by the number of what is added."""
    p = rescaling_of(node)
    return lambda rows: rescaled_sum(divided(p, max(1, len(rows))), rows)


def divided(p: Rescaling, n: int) -> Rescaling:
    """The multiplier over n, with as many bits as the shift leaves room for [reduce.h: QuantizedMeanOrSum]."""
    left_shift = min(n.bit_length() - 1, 32, 31 + p.shift)
    return p._replace(multiplier=(p.multiplier << left_shift) // n, shift=p.shift - left_shift)


def rescaled_sum(p: Rescaling, rows: Array) -> Array:
    """y = clamp(scale(sum of (x - input_zero_point)) + output_zero_point), the sum in int32; of nothing, 0"""
    if len(rows) == 0:
        return np.zeros(rows.shape[1:], rows.dtype)
    total = wrap_int32(rows.sum(axis=0, dtype=np.int64) - p.input_zero_point * len(rows))
    least, most = np.iinfo(rows.dtype).min, np.iinfo(rows.dtype).max
    scaled = wrap_int32(scale_twice(total, p.multiplier, p.shift) + p.output_zero_point)
    return clamp(scaled, least, most, rows.dtype)


def fold_product(node: Node) -> Reduced:
    """Integers of 8 and 16 bits, quantized or not."""
    return fold_quantized_product(node) if is_affine(input_at(node, 0)) else as_it_is(multiplied)(node)


def fold_quantized_product(node: Node) -> Reduced:
    """A product whose factors are scaled one by one, each with the n-th root of the scale of the output."""
    x, y = input_at(node, 0), output_at(node, 0)
    require_type(x, TensorType.INT8, TensorType.INT16)
    require(first_scale(y) > 0, f"scale {first_scale(y)}", y)
    x_scale, y_scale = first_scale(x), first_scale(y)
    zero_points = first_zero_point(x), first_zero_point(y)

    def reduced(rows: Array) -> Array:
        real = x_scale / y_scale ** (1 / max(1, len(rows)))
        return rescaled_product(Rescaling(zero_points[0], *quantize_multiplier(real), zero_points[1]), rows)

    return reduced


def rescaled_product(p: Rescaling, rows: Array) -> Array:
    """y = clamp(scale(… scale((x[0] - z) * (x[1] - z)) * (x[2] - z) …) + output_zero_point); of nothing, 0

    The last product is scaled too, so that there are as many scalings as factors.
    """
    if len(rows) == 0:
        return np.zeros(rows.shape[1:], rows.dtype)
    factors = rows.astype(np.int64) - p.input_zero_point
    total = factors[0]
    for factor in factors[1:]:
        total = wrap_int32(scale_int64(total * factor, p.multiplier, p.shift))
    least, most = np.iinfo(rows.dtype).min, np.iinfo(rows.dtype).max
    scaled = wrap_int32(scale_int64(total, p.multiplier, p.shift)) + p.output_zero_point
    return clamp(scaled, least, most, rows.dtype)


def unquantized(fold: Callable[[Node], Reduced]) -> Callable[[Node], Reduced]:
    """The input may not be quantized."""

    def fold_unquantized(node: Node) -> Reduced:
        x = input_at(node, 0)
        require(not is_affine(x), f"{x.type.name} with a scale and a zero point; it may have none", x)
        return fold(node)

    return fold_unquantized


def fold_sum_of_bytes(node: Node, host: Host) -> Evaluate:
    """A sum whose input of 8 or 16 bits is taken for uint8, and its output too.

    Of int16, the first half of the memory counts as the input, and the first half of the output's is written; what the
    other half holds is left open, and 0 here [reduce.cc: QuantizedMeanOrSum].
    """
    evaluate = fold_by_type(SUM_FOLDS)(node, host)
    if input_at(node, 0).type not in QUANTIZED:
        return evaluate

    def evaluate_bytes(x: Array, axis: Array) -> tuple[Array, ...]:
        (found,) = evaluate(np.ascontiguousarray(x).reshape(-1).view(np.uint8)[: x.size].reshape(x.shape), axis)
        y = np.zeros(found.shape, x.dtype)
        y.reshape(-1).view(np.uint8)[: y.size] = found.reshape(-1)
        return (y,)

    return evaluate_bytes


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """The reduced axes go, or become 1."""
    axis = input_at(node, 1)
    if axis.data is None:
        return None
    axes = resolved(integers(axis), len(shapes[0]))
    return [reduced_shape(shapes[0], axes, options_of(node, ReducerOptions).keep_dims)]


REDUCE_INIT = op_data(OP_DATA_REDUCE, "reduce.cc: InitReduce")

MEAN = Kernel(
    init=REDUCE_INIT,
    prepare=prepare_mean_or_sum,
    invoke=switch_on_input(
        "Currently, only float32, int8 or int16 input type is supported.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
    parameters=REDUCER_PARAMS,
    overlap=overlap_mean,
)
SUM = Kernel(init=REDUCE_INIT, prepare=prepare_mean_or_sum, invoke=invoke_sum, parameters=REDUCER_PARAMS)
REDUCE_MAX = REDUCE_MIN = Kernel(
    init=REDUCE_INIT, prepare=prepare_min_max, invoke=invoke_min_max, parameters=REDUCER_PARAMS
)
REDUCE_ALL = Kernel(init=REDUCE_INIT, prepare=prepare_all, invoke=invoke_all, parameters=REDUCER_PARAMS)
QUANTIZED = (TensorType.UINT8, TensorType.INT8, TensorType.INT16)
SUM_FOLDS = {
    TensorType.FLOAT32: as_it_is(added_of_all_from_first),
    TensorType.INT32: as_it_is(added_of_all_from_first),
    TensorType.INT64: as_it_is(added_of_all_from_first),
    TensorType.BOOL: as_it_is(added_of_all_from_first),
    TensorType.UINT8: fold_quantized_sum,
    TensorType.INT8: fold_quantized_sum,
    TensorType.INT16: symmetric(fold_quantized_sum),
}
SUM_FOLDS_OF_ANY_ZERO_POINT = {
    TensorType.FLOAT32: as_it_is(added),
    TensorType.INT8: fold_quantized_sum,
    TensorType.INT16: fold_quantized_sum,
}
MEAN_FOLDS = {
    TensorType.FLOAT32: as_it_is(mean),
    TensorType.INT32: as_it_is(mean),
    TensorType.INT64: as_it_is(mean),
    TensorType.UINT8: fold_quantized_mean,
    TensorType.INT8: fold_quantized_mean,
    TensorType.INT16: symmetric(fold_quantized_mean),
}
MEAN_FOLDS_OF_ANY_ZERO_POINT = {
    TensorType.FLOAT32: as_it_is(mean),
    TensorType.INT8: fold_quantized_mean,
    TensorType.INT16: fold_quantized_mean,
}
PRODUCT_FOLDS = {
    TensorType.FLOAT32: unquantized(as_it_is(multiplied)),
    TensorType.INT32: unquantized(as_it_is(multiplied)),
    TensorType.INT64: unquantized(as_it_is(multiplied)),
    TensorType.BOOL: unquantized(as_it_is(multiplied)),
    TensorType.UINT8: unquantized(as_it_is(multiplied)),
    TensorType.INT8: fold_product,
    TensorType.INT16: symmetric(fold_product),
}


def folds_as_it_is(reduced: Reduced) -> dict[TensorType, Callable[[Node], Reduced]]:
    """One way for all types."""
    fold = as_it_is(reduced)
    plain = (TensorType.FLOAT32, TensorType.INT32, TensorType.INT64, TensorType.BOOL, TensorType.UINT8, TensorType.INT8)
    return dict.fromkeys(plain, fold) | {TensorType.INT16: symmetric(fold)}


def reduction(folds: Mapping[TensorType, Callable[[Node], Reduced]], version: int) -> Compute:
    """The row of an operator with these types."""
    return Compute(fold=fold_by_type(folds), shape=shape, types=frozenset(folds), version=version)


COMPUTE_MEAN = reduction(MEAN_FOLDS, 3)
COMPUTE_MEAN_OF_ANY_ZERO_POINT = reduction(MEAN_FOLDS_OF_ANY_ZERO_POINT, 3)
COMPUTE_SUM = reduction(SUM_FOLDS_OF_ANY_ZERO_POINT, 2)
COMPUTE_SUM_OF_BYTES = Compute(fold=fold_sum_of_bytes, shape=shape, types=frozenset(SUM_FOLDS), version=2)
COMPUTE_REDUCE_PROD = reduction(PRODUCT_FOLDS, 2)
COMPUTE_REDUCE_MAX = reduction(folds_as_it_is(largest), 3)
COMPUTE_REDUCE_MIN = reduction(folds_as_it_is(smallest), 3)
COMPUTE_REDUCE_MAX_FROM_FIRST = reduction(folds_as_it_is(largest_of_all_from_first), 3)
COMPUTE_REDUCE_MIN_FROM_FIRST = reduction(folds_as_it_is(smallest_of_all_from_first), 3)
COMPUTE_REDUCE_ANY = reduction({TensorType.BOOL: as_it_is(any_true)}, 1)
COMPUTE_REDUCE_ALL = reduction({TensorType.BOOL: as_it_is(all_true)}, 1)
