"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.

Sources: resize_bilinear.cc, resize_nearest_neighbor.cc, both in tensorflow/lite/micro/kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_constant,
    require_rank,
    require_type,
    switch_on_output,
)
from refinfer.kernels.kernel import Kernel, Request, require, temps
from refinfer.kernels.layout import BOOL, Build, struct
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import ResizeBilinearOptions

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
)
