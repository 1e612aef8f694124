"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D.

Sources: tensorflow/lite/micro/kernels/pooling.h, pooling_common.cc, pooling.cc, l2_pool_2d.cc; of the arithmetic
tensorflow/lite/kernels/internal/reference/pooling.h and integer_ops/pooling.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import clamp, round_away
from refinfer.kernels.arithmetic.sliding import under_windows
from refinfer.kernels.common import (
    PADDING_VALUES,
    first_scale,
    first_zero_point,
    input_at,
    options_of,
    output_at,
    require_arity,
    require_rank,
    require_same_type,
    require_type,
    writable_dims,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import Kernel, Overlap, Request, op_data, require, temps
from refinfer.kernels.layout import ENUM, FLOAT, INT32, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.libraries.library_window import Window
from refinfer.kernels.overlap import at_least, by_pixels, first_pixels, size_of, worst
from refinfer.kernels.quantization import activate, require_activation_range, require_zero_point
from refinfer.kernels.window import Index, Windows, output_size, windows
from refinfer.kernels.window import overlap as cells_of_tap
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import Pool2DOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MAX_SCALE_DIFFERENCE = 1e-6  # between input and output: pooling does not rescale

POOL_PARAMS = struct(
    "TfLitePoolParams",
    padding=ENUM,
    stride_width=INT32,
    stride_height=INT32,
    filter_width=INT32,
    filter_height=INT32,
    activation=ENUM,
    computed_padding=PADDING_VALUES,
)
OP_DATA_POOLING = struct(
    "OpDataPooling",
    padding=PADDING_VALUES,
    activation_min=INT32,
    activation_max=INT32,
    activation_min_f32=FLOAT,
    activation_max_f32=FLOAT,
)


def prepare_pool(node: Node, build: Build) -> Iterator[Request]:
    """[pooling_common.cc: PoolingPrepare]"""
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_rank(x, 4)  # as in conv.py: nothing asks before Invoke asserts it
    if x.type in (TensorType.INT8, TensorType.INT16):
        difference = abs(first_scale(x) - first_scale(y))
        require(difference <= MAX_SCALE_DIFFERENCE, f"scale {first_scale(y)}; the input's is {first_scale(x)}", y)
        require_zero_point(y, first_zero_point(x))
    known = x.type in (TensorType.FLOAT32, TensorType.INT8, TensorType.INT16)
    require(known, f"Type {x.type.name} not supported.", x)


def prepare_l2_pool(node: Node, build: Build) -> Iterator[Request]:
    """[l2_pool_2d.cc: L2Prepare] works out the output's shape anew, whatever the file says."""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(y, x)
    require_rank(x, 4)
    require_rank(y, 4)
    require_same_type(x, y)
    require_type(x, TensorType.FLOAT32)
    pool = options_of(node, Pool2DOptions)
    batches, height, width, channels = x.shape
    rows = output_size(pool.padding, height, pool.filter_height, pool.stride_h)
    columns = output_size(pool.padding, width, pool.filter_width, pool.stride_w)
    yield from writable_dims(y, (batches, rows, columns, channels))


def overlap(node: Node, position: int, build: Build) -> Overlap | None:
    """Channel by channel, a window is read and its output written [reference/pooling.h]."""
    w = window_of(node)
    return at_least(size_of(output_at(node, 0)) * worst(by_pixels(first_pixels(w), w.channels, w.channels)))


def window_of(node: Node) -> Window:
    """The node as a window over its input."""
    x, y, pool = input_at(node, 0), output_at(node, 0), options_of(node, Pool2DOptions)
    rows = windows(pool.padding, x.shape[1], pool.filter_height, pool.stride_h)
    columns = windows(pool.padding, x.shape[2], pool.filter_width, pool.stride_w)
    return Window(
        batches=x.shape[0],
        height=x.shape[1],
        width=x.shape[2],
        channels=x.shape[3],
        filter_height=pool.filter_height,
        filter_width=pool.filter_width,
        filter_channels=x.shape[3],
        output_height=y.shape[1],
        output_width=y.shape[2],
        output_channels=y.shape[3],
        stride=(pool.stride_h, pool.stride_w),
        dilation=(1, 1),
        padding=(rows.before, columns.before),
    )


Pooled = Callable[["Array", Windows, Windows], "Array"]
"""An image and the windows along its rows and columns → a value for each window and channel."""


def fold(pooled: Pooled) -> Callable[[Node, Host], Evaluate]:
    """Pool, and apply the fused activation."""

    def fold_pool(node: Node, host: Host) -> Evaluate:
        require_arity(node, 1, 1)
        require_same_type(input_at(node, 0), output_at(node, 0))
        pool = options_of(node, Pool2DOptions)
        require(min(pool.stride_h, pool.stride_w) > 0, f"strides {pool.stride_h} and {pool.stride_w}")
        sides = pool.filter_height, pool.filter_width
        require(min(sides) > 0, f"a window of {sides[0]} × {sides[1]}")
        activated = activation_of(node, host)

        @lru_cache(maxsize=1)
        def grid(x: Shape) -> tuple[Windows, Windows]:
            require(len(x) == 4, f"{len(x)} dimensions; it takes 4")
            rows = windows(pool.padding, x[1], pool.filter_height, pool.stride_h)
            return rows, windows(pool.padding, x[2], pool.filter_width, pool.stride_w)

        def evaluate(x: Array) -> tuple[Array, ...]:
            with np.errstate(all="ignore"):
                return (activated(pooled(x, *grid(x.shape))),)

        return evaluate

    return fold_pool


def activation_of(node: Node, host: Host) -> Callable[[Array], Array]:
    """The fused activation, in the scale of the output."""
    y, activation = output_at(node, 0), options_of(node, Pool2DOptions).fused_activation_function
    if y.type == TensorType.FLOAT32:
        return lambda x: activate(x, activation)
    require_activation_range(y, activation)
    low, high = host.numerics.activation_range(y, activation)
    limits = np.iinfo(dtype_of(y.type))
    is_limited = (low, high) != (limits.min, limits.max)
    return lambda x: clamp(x, low, high, x.dtype) if is_limited else x


def average(x: Array, rows: Windows, columns: Windows) -> Array:
    """y = (sum of the cells of the window that lie inside the image) / (their number)

    Quotients of integers are rounded, ties away from zero.
    """
    count = cells_inside(rows, columns)
    if x.dtype.kind == "f":
        return summed(x, rows, columns) / count.astype(x.dtype)
    total = np.einsum("byxijc->byxc", under_windows(x.astype(np.float64), (rows, columns)))
    return round_away(total / count).astype(x.dtype)


def maximum(x: Array, rows: Windows, columns: Windows) -> Array:
    """y = the largest of the cells inside the image, but no less than the least finite number; NaN is passed over."""
    least = np.finfo(x.dtype).min if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    y = np.full((x.shape[0], rows.number, columns.number, x.shape[3]), least, x.dtype)
    for where, cells in taps(x, rows, columns):
        here = y[where]
        if x.dtype.kind == "f":
            here[...] = np.where(here < cells, cells, here)
        else:
            np.maximum(here, cells, out=here)
    return y


def root_mean_square(x: Array, rows: Windows, columns: Windows) -> Array:
    """y = sqrt((sum of the squares of the cells inside the image) / (their number))"""
    return np.sqrt(summed(x * x, rows, columns) / cells_inside(rows, columns).astype(x.dtype))


def summed(x: Array, rows: Windows, columns: Windows) -> Array:
    """The sum of each window in the type of x, in the order in which the cells are stored."""
    total = np.zeros((x.shape[0], rows.number, columns.number, x.shape[3]), x.dtype)
    for where, cells in taps(x, rows, columns):
        total[where] += cells
    return total


@lru_cache(maxsize=256)
def cells_inside(rows: Windows, columns: Windows) -> Array:
    """How many cells of each window lie inside the image, whatever the channel."""
    down, across = (axis_cells_inside(axis) for axis in (rows, columns))
    return np.outer(down, across)[:, :, None]


def axis_cells_inside(axis: Windows) -> Array:
    """The same along an axis."""
    first = np.arange(axis.number) * axis.stride - axis.before
    return np.minimum(first + axis.length, axis.size) - np.maximum(first, 0)


def taps(x: Array, rows: Windows, columns: Windows) -> Iterator[tuple[Index, Array]]:
    """Row by row, for each tap: in which windows it falls into the image, and on which cells."""
    return ((where, x[cells]) for where, cells in overlaps(rows, columns))


@lru_cache(maxsize=256)
def overlaps(rows: Windows, columns: Windows) -> list[tuple[Index, Index]]:
    """The same of any image, as indices."""
    return [cells_of_tap((rows, columns), tap) for tap in product(range(rows.length), range(columns.length))]


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """As many rows and columns as there are windows."""
    pool = options_of(node, Pool2DOptions)
    require(len(shapes[0]) == 4, f"{len(shapes[0])} dimensions; it takes 4")
    batches, height, width, channels = shapes[0]
    rows = output_size(pool.padding, height, pool.filter_height, pool.stride_h)
    columns = output_size(pool.padding, width, pool.filter_width, pool.stride_w)
    return [(batches, rows, columns, channels)]


POOL_INIT = op_data(OP_DATA_POOLING, "pooling.cc: PoolInit")

AVERAGE_POOL_2D = Kernel(init=POOL_INIT, prepare=prepare_pool, parameters=POOL_PARAMS, overlap=overlap)
MAX_POOL_2D = Kernel(init=POOL_INIT, prepare=prepare_pool, parameters=POOL_PARAMS, overlap=overlap)
L2_POOL_2D = Kernel(prepare=prepare_l2_pool, parameters=POOL_PARAMS, overlap=overlap)

QUANTIZED = frozenset({TensorType.UINT8, TensorType.INT8, TensorType.INT16})

COMPUTE_AVERAGE_POOL_2D = Compute(fold=fold(average), shape=shape, types=QUANTIZED | {TensorType.FLOAT32}, version=3)
COMPUTE_MAX_POOL_2D = Compute(fold=fold(maximum), shape=shape, types=QUANTIZED | {TensorType.FLOAT32}, version=3)
COMPUTE_L2_POOL_2D = Compute(fold=fold(root_mean_square), shape=shape, types=frozenset({TensorType.FLOAT32}), version=1)
