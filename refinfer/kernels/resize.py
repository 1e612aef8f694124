"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.

Sources: resize_bilinear.cc, resize_nearest_neighbor.cc, both in tensorflow/lite/micro/kernels; of the arithmetic the
headers of these names in tensorflow/lite/kernels/internal/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import floor
from struct import pack, unpack
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.arithmetic.fixedpoint import round_away
from refinfer.kernels.common import (
    input_at,
    integers,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_rank,
    require_type,
    switch_on_output,
)
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, constant
from refinfer.kernels.kernel import Kernel, Overlap, Request, require, temps
from refinfer.kernels.layout import BOOL, Build, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import at_least, by_pixels, pixels, size_of, worst
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

RESIZE_BILINEAR_PARAMS = struct("TfLiteResizeBilinearParams", align_corners=BOOL, half_pixel_centers=BOOL)
RESIZE_NEAREST_NEIGHBOR_PARAMS = struct(
    "TfLiteResizeNearestNeighborParams", align_corners=BOOL, half_pixel_centers=BOOL
)


def prepare_bilinear(node: Node, build: Build) -> Iterator[Request]:
    """[resize_bilinear.cc: ResizeBilinearPrepare]"""
    require_arity(node, 2, 1)
    x, size, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, size, y)
    require_rank(x, 4)
    require_rank(size, 1)
    require_type(size, TensorType.INT32)
    require_constant(size, "size")
    options = options_of(node, ResizeBilinearOptions)
    require(
        not (options.half_pixel_centers and options.align_corners),
        "If half_pixel_centers is True, align_corners must be False.",
    )


def prepare_nearest_neighbor(node: Node, build: Build) -> Iterator[Request]:
    """[resize_nearest_neighbor.cc: ResizeNearestNeighborPrepare]"""
    require_arity(node, 2, 1)
    x, size, y = input_at(node, 0), input_at(node, 1), output_at(node, 0)
    yield from temps(x, size, y)
    require_rank(x, 4)
    require_rank(size, 1)
    require_type(size, TensorType.INT32)
    require(size.shape == (2,), f"{size.elements} sizes; it takes a height and a width", size)
    require_constant(size, "size")


def overlap_nearest_neighbor(node: Node, position: int, build: Build) -> Overlap | None:
    """A memcpy for each pixel of the output, which must not lie where it comes from [resize_nearest_neighbor.h]."""
    x, y, options = input_at(node, 0), output_at(node, 0), options_of(node, ResizeNearestNeighborOptions)
    if position != 0 or 0 in x.shape or 0 in y.shape:
        return None
    rows = [nearest_cell(i, x.shape[1], y.shape[1], options) for i in range(y.shape[1])]
    columns = [nearest_cell(i, x.shape[2], y.shape[2], options) for i in range(y.shape[2])]
    pixel = size_of(y) * y.shape[3]
    sources = pixels(rows, columns, x.shape[1], x.shape[2], y.shape[0])
    return at_least(worst(by_pixels(sources, pixel, pixel, ahead=pixel)))


def nearest_cell(i: int, size: int, output_size: int, options: ResizeNearestNeighborOptions) -> int:
    """As `nearest`, for one cell and without numpy: a product of two float32 is exact in Python's floats."""
    align = options.align_corners and output_size > 1
    scale = float32((size - align) / (output_size - align))
    position = float32((i + 0.5 * options.half_pixel_centers) * scale)
    return min(floor(position + 0.5 if options.align_corners else position), size - 1)


def float32(x: float) -> float:
    """The nearest float32."""
    (rounded,) = unpack("f", pack("f", x))
    return float(rounded)


class Between(NamedTuple):
    """Where the cells of an axis of the output lie in the input: between two cells, so far from the first."""

    low: Array
    high: Array
    offset: Array


Place = Callable[[int, int, ResizeBilinearOptions], Between]
"""The sizes of an axis of the input and of the output → where its cells lie."""

Blend = Callable[["Array", Between, Between], "Array"]
"""An image, and where the rows and columns of the output lie → the output."""


def bilinear(table: Mapping[TensorType, tuple[Place, Blend]]) -> Compute:
    """The arithmetic of RESIZE_BILINEAR, by type."""

    def fold(node: Node, host: Host) -> Evaluate:
        return fold_bilinear(node, *table[input_at(node, 0).type])

    return Compute(fold=fold, shape=shape, types=frozenset(table), version=4)


def fold_bilinear(node: Node, place: Place, blend: Blend) -> Evaluate:
    """Find the place of each pixel, and blend what is there."""
    require_arity(node, 2, 1)
    require_type(input_at(node, 1), TensorType.INT32)
    options = options_of(node, ResizeBilinearOptions)
    size = constant(input_at(node, 1))
    both = options.half_pixel_centers and options.align_corners
    require(size is None or not both, "If half_pixel_centers is True, align_corners must be False.")
    if size is not None:
        require_positive(size)

    def evaluate(x: Array, size: Array) -> tuple[Array, ...]:
        require_positive(size)
        require_pixels(x)
        height, width = size.tolist()
        with np.errstate(all="ignore"):
            return (blend(x, place(x.shape[1], height, options), place(x.shape[2], width, options)),)

    return evaluate


def require_positive(size: Array) -> None:
    """Refuse what is no size, or 0."""
    require_size(size)
    require(bool(np.all(size > 0)), f"size {tuple(size.tolist())}")


def require_size(size: Array) -> None:
    """Refuse what is not a height and a width."""
    require(size.shape == (2,), f"a size of shape {size.shape}; it has a height and a width")
    require(bool(np.all(size >= 0)), f"size {tuple(size.tolist())}")


def require_pixels(x: Array) -> None:
    """Refuse what is no image, and an image without pixels: the runtimes read beyond it."""
    require(x.ndim == 4, f"{x.ndim} dimensions; it takes 4")
    require(0 not in x.shape[1:3] or x.shape[0] * x.shape[3] == 0, f"an image of shape {x.shape}")


def place_in_float(size: int, output_size: int, options: ResizeBilinearOptions) -> Between:
    """position = i * scale, or (i + 0.5) * scale - 0.5, in floats [resize_bilinear.h: ComputeInterpolationValues]"""
    scale = np.float32(size) / np.float32(output_size)
    if options.align_corners and output_size > 1:
        scale = np.float32(size - 1) / np.float32(output_size - 1)
    i, half = np.arange(output_size).astype(np.float32), np.float32(0.5)
    position = (i + half) * scale - half if options.half_pixel_centers else i * scale
    low = np.maximum(np.floor(position), 0).astype(np.int64)
    high = np.minimum(np.ceil(position).astype(np.int64), size - 1)
    return Between(low, high, position - low.astype(np.float32))


def place_in_fixed_point(size: int, output_size: int, options: ResizeBilinearOptions) -> Between:
    """As `place_in_float`, in units of 2**-10, and so is the scale.

    Where the rounded scale leads beyond the last cell, `low` lies there too.
    [resize_bilinear.h: ComputeInterpolationValuesInteger]
    """
    scale = (UNIT * size + output_size // 2) // output_size
    if options.align_corners and output_size > 1:
        scale = (UNIT * (size - 1) + (output_size - 1) // 2) // (output_size - 1)
    position = np.arange(output_size) * scale
    if options.half_pixel_centers:
        position += scale // 2 - UNIT // 2
    low = np.maximum(position // UNIT, 0)
    high = np.minimum((position + UNIT - 1) // UNIT, size - 1)
    return Between(low, high, position - UNIT * low)


def blend_floats(x: Array, rows: Between, columns: Between) -> Array:
    """float32"""
    return blended(x, rows, columns, 1) + np.float32(0)


def blend_uint8(x: Array, rows: Between, columns: Between) -> Array:
    """In floats, rounded up from a half."""
    y = blended(x.astype(np.float32), rows, columns, 1) + np.float32(0.5)
    return y.astype(np.int64).astype(np.uint8)


def blend_integers(x: Array, rows: Between, columns: Between) -> Array:
    """In fixed point with 20 bits below the point; ties go away from zero."""
    y = blended(x.astype(np.int64), rows, columns, UNIT)
    return (np.sign(y) * ((np.abs(y) + UNIT * UNIT // 2) // (UNIT * UNIT))).astype(x.dtype)


def blended(x: Array, rows: Between, columns: Between, one: int) -> Array:
    """The four cells around, each times how near it is in both directions."""
    dy, dx = rows.offset[:, None, None], columns.offset[:, None]
    return (
        cells(x, rows.low, columns.low) * (one - dy) * (one - dx)
        + cells(x, rows.high, columns.low) * dy * (one - dx)
        + cells(x, rows.low, columns.high) * (one - dy) * dx
        + cells(x, rows.high, columns.high) * dy * dx
    )


def cells(x: Array, rows: Array, columns: Array) -> Array:
    """The cells where rows and columns meet.

    As in memory, what lies beyond a row is the next row, and beyond an image the next image. Beyond the last image,
    where the runtimes read what they do not own, its last cell is taken.
    """
    batches, height, width, channels = x.shape
    image = np.arange(batches)[:, None, None]
    place = (image * height + rows[:, None]) * width + columns
    return x.reshape(-1, channels)[np.minimum(place, batches * height * width - 1)]


def fold_nearest_neighbor(node: Node, host: Host) -> Evaluate:
    """Copies of cells, whatever the type."""
    require_arity(node, 2, 1)
    require_type(input_at(node, 1), TensorType.INT32)
    options = options_of(node, ResizeNearestNeighborOptions)
    size = constant(input_at(node, 1))
    if size is not None:
        require_size(size)

    def evaluate(x: Array, size: Array) -> tuple[Array, ...]:
        require_size(size)
        require_pixels(x)
        height, width = size.tolist()
        return (cells(x, nearest(x.shape[1], height, options), nearest(x.shape[2], width, options)),)

    return evaluate


def nearest(size: int, output_size: int, options: ResizeNearestNeighborOptions) -> Array:
    """floor(i * scale) or floor((i + 0.5) * scale), in floats, or rounded [resize_nearest_neighbor.h]"""
    align = options.align_corners and output_size > 1
    scale = np.float32(size - align) / np.float32(max(1, output_size - align))
    position = (np.arange(output_size).astype(np.float32) + np.float32(0.5 * options.half_pixel_centers)) * scale
    whole = round_away(position) if options.align_corners else np.floor(position)
    return np.minimum(whole.astype(np.int64), size - 1)


def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
    """Height and width are what the second input says."""
    require(len(shapes[0]) == 4, f"{len(shapes[0])} dimensions; it takes 4")
    size = input_at(node, 1)
    return None if size.data is None else [(shapes[0][0], *integers(size), shapes[0][3])]


RESIZE_BILINEAR = Kernel(
    prepare=prepare_bilinear,
    invoke=switch_on_output("Output type is {}, requires float or int8.", TensorType.FLOAT32, TensorType.INT8),
    parameters=RESIZE_BILINEAR_PARAMS,
)
RESIZE_NEAREST_NEIGHBOR = Kernel(
    prepare=prepare_nearest_neighbor,
    invoke=switch_on_output(
        "Output tensor type {} not supported.",
        TensorType.FLOAT32,
        TensorType.INT8,
        TensorType.INT16,
    ),
    parameters=RESIZE_NEAREST_NEIGHBOR_PARAMS,
    overlap=overlap_nearest_neighbor,
)

UNIT = 2**10  # of positions in fixed point
BILINEAR: dict[TensorType, tuple[Place, Blend]] = {
    TensorType.FLOAT32: (place_in_float, blend_floats),
    TensorType.UINT8: (place_in_float, blend_uint8),
    TensorType.INT8: (place_in_fixed_point, blend_integers),
    TensorType.INT16: (place_in_fixed_point, blend_integers),
}
COPIED = frozenset(
    {
        TensorType.FLOAT32,
        TensorType.FLOAT16,
        TensorType.BOOL,
        TensorType.UINT8,
        TensorType.INT8,
        TensorType.UINT16,
        TensorType.INT16,
        TensorType.UINT32,
        TensorType.INT32,
    }
)

COMPUTE_RESIZE_BILINEAR = bilinear(BILINEAR)  # between floats in floats, between integers in fixed point, but for uint8
COMPUTE_RESIZE_NEAREST_NEIGHBOR = Compute(fold=fold_nearest_neighbor, shape=shape, types=COPIED, version=4)
