"""What the resize operators refuse."""

from __future__ import annotations

import struct

from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions
from tests.kernels.nodes import FLOAT32, INT16, INT32, node, refused, refused_by_invoke, tensor

SIZE = tensor(INT32, 2, data=struct.pack("<2i", 4, 4))
BILINEAR, NEAREST = BuiltinOperator.RESIZE_BILINEAR, BuiltinOperator.RESIZE_NEAREST_NEIGHBOR


def test_bilinear_cannot_centre_pixels_and_align_corners_and_nearest_does_not_mind() -> None:
    x, y = tensor(FLOAT32, 1, 2, 2, 1), tensor(FLOAT32, 1, 4, 4, 1)
    both = {"half_pixel_centers": True, "align_corners": True}
    assert refused(node(BILINEAR, [x, SIZE], y, ResizeBilinearOptions(**both))) == (
        "If half_pixel_centers is True, align_corners must be False."
    )
    assert refused(node(NEAREST, [x, SIZE], y, ResizeNearestNeighborOptions(**both))) is None


def test_nearest_runs_on_int16_and_bilinear_does_not() -> None:
    x, y = tensor(INT16, 1, 2, 2, 1), tensor(INT16, 1, 4, 4, 1)
    assert refused_by_invoke(node(NEAREST, [x, SIZE], y)) is None
    assert refused_by_invoke(node(BILINEAR, [x, SIZE], y)) == "Output type is INT16, requires float or int8."


def test_the_size_must_be_in_the_file() -> None:
    x, y = tensor(FLOAT32, 1, 2, 2, 1), tensor(FLOAT32, 1, 4, 4, 1)
    for op in (BILINEAR, NEAREST):
        assert refused(node(op, [x, tensor(INT32, 2)], y)) == "Non-constant >size< tensor is not supported"
