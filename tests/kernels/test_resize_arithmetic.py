"""Resizing computes the bits of the official runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions
from refinfer.testing import TensorSpec, one_op_model, referee
from tests.kernels.bits import RUNTIMES, Array, Random, agree, cases, ours, scale, values, zero_point

FLOAT32, UINT8, INT8, INT16 = TensorType.FLOAT32, TensorType.UINT8, TensorType.INT8, TensorType.INT16
BILINEAR, NEAREST = BuiltinOperator.RESIZE_BILINEAR, BuiltinOperator.RESIZE_NEAREST_NEIGHBOR
OPTIONS = {BILINEAR: ResizeBilinearOptions, NEAREST: ResizeNearestNeighborOptions}
QUANTIZED = (UINT8, INT8, INT16)

BOTH_KNOW = [(BILINEAR, FLOAT32), (BILINEAR, INT8), (NEAREST, FLOAT32), (NEAREST, INT8), (NEAREST, INT16)]
ONLY_LITERT_KNOWS = [
    (BILINEAR, UINT8),
    (BILINEAR, INT16),
    (NEAREST, UINT8),
    (NEAREST, TensorType.BOOL),
    (NEAREST, TensorType.INT32),
    (NEAREST, TensorType.UINT32),
    (NEAREST, TensorType.UINT16),
    (NEAREST, TensorType.FLOAT16),
]


def resizing(
    random: Random, op: BuiltinOperator, type: TensorType, *, is_dynamic: bool = False
) -> tuple[bytes, list[list[Array]]]:
    """A model of one operator, smaller or larger; the size is a constant or an input."""
    batches, height, width, channels = (int(each) for each in random.integers(1, (4, 20, 20, 4)))
    size = random.integers(1, 40, 2, dtype=np.int32)
    align = bool(random.random() < 0.4)
    options = OPTIONS[op](
        align_corners=align, half_pixel_centers=bool(random.random() < 0.5) and not (align and op == BILINEAR)
    )
    of: dict[str, Any] = {}
    if type in QUANTIZED:
        of = {"scale": [scale(random)], "zero_point": [zero_point(random, type)]}
    x = TensorSpec(type, (batches, height, width, channels), **of)
    y = TensorSpec(type, (batches, int(size[0]), int(size[1]), channels), **of)
    sizes = TensorSpec(TensorType.INT32, (2,), data=None if is_dynamic else size)
    images = [[values(random, type, x.shape)] for _ in range(2)]
    return one_op_model(op, [x, sizes], [y], options), [[*each, size] if is_dynamic else each for each in images]


def compare(runtime: str, op: BuiltinOperator, type: TensorType, count: int = 6, **options: bool) -> None:
    random = np.random.default_rng(13)
    compared = 0
    for number in cases(count):
        model, runs = resizing(random, op, type, **options)
        compared += agree(runtime, model, *runs, case=number)
    print(f"COMPARED {compared}")
    assert compared > 0


def named(pairs: list[tuple[BuiltinOperator, TensorType]]) -> list[Any]:
    return [pytest.param(op, type, id=f"{op.name}-{type.name}".lower()) for op, type in pairs]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("op", "type"), named(BOTH_KNOW))
def test_what_both_runtimes_resize_has_the_same_bits(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize(("op", "type"), named(ONLY_LITERT_KNOWS))
def test_what_only_litert_resizes_has_the_same_bits(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    compare(runtime, op, type)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("op", "type"), named(BOTH_KNOW))
def test_the_size_may_be_an_input_in_litert_only(runtime: str, op: BuiltinOperator, type: TensorType) -> None:
    model, runs = resizing(np.random.default_rng(1), op, type, is_dynamic=True)
    compared = agree(runtime, model, *runs)
    assert (compared > 0) == (runtime == "litert")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("type", [FLOAT32, INT8])
def test_single_cells_and_many_have_the_same_bits(runtime: str, align_corners: bool, type: TensorType) -> None:
    random = np.random.default_rng(9)
    of: dict[str, Any] = {"scale": [0.1], "zero_point": [-3]} if type == INT8 else {}
    for op in (BILINEAR, NEAREST):
        for size, output_size in ((1, 1), (1, 7), (7, 1), (300, 1), (300, 299), (2, 3), (97, 31)):
            x, y = TensorSpec(type, (1, size, 2, 1), **of), TensorSpec(type, (1, output_size, 2, 1), **of)
            sizes = TensorSpec(TensorType.INT32, (2,), data=np.array([output_size, 2], np.int32))
            model = one_op_model(op, [x, sizes], [y], OPTIONS[op](align_corners=align_corners))
            assert agree(runtime, model, [values(random, type, x.shape)], case=(op, size)) == 2 * output_size


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_far_enlarged_rows_end_in_the_next_row(runtime: str) -> None:
    """89 over 3 in units of 2**-10 is rounded up so far that the last column lies beyond the image."""
    x, y = TensorSpec(INT8, (2, 3, 3, 1), scale=[0.5]), TensorSpec(INT8, (2, 89, 89, 1), scale=[0.5])
    size = TensorSpec(TensorType.INT32, (2,), data=np.array([89, 89], np.int32))
    model, image = one_op_model(BILINEAR, [x, size], [y]), np.arange(18, dtype=np.int8).reshape(x.shape)
    computed = ours(runtime, model, [[image]])
    assert not isinstance(computed, str)
    ((found,),), ((expected,),) = computed, referee(runtime).run(model, [image]).outputs
    assert (found[0, 0, -1, 0], found[0, -1, 0, 0]) == (3, 9)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1, :-1, :-1], expected[1, :-1, :-1])  # the edges are read from beyond all images


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("op", [BILINEAR, NEAREST])
@pytest.mark.parametrize("shape", [(1, 0, 2, 1), (1, 2, 0, 1)])
def test_an_image_without_pixels_is_refused(runtime: str, op: BuiltinOperator, shape: tuple[int, ...]) -> None:
    size = TensorSpec(TensorType.INT32, (2,), data=np.array([4, 3], np.int32))
    model = one_op_model(op, [TensorSpec(FLOAT32, shape), size], [TensorSpec(FLOAT32, (1, 4, 3, 1))], OPTIONS[op]())
    assert agree(runtime, model, [np.zeros(shape, np.float32)]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("op", [BILINEAR, NEAREST])
@pytest.mark.parametrize("size", [(0, 3), (-1, 3)])
def test_litert_and_we_agree_on_what_is_no_size(runtime: str, op: BuiltinOperator, size: tuple[int, int]) -> None:
    sizes = TensorSpec(TensorType.INT32, (2,), data=np.array(size, np.int32))
    y = TensorSpec(FLOAT32, (1, max(0, size[0]), 3, 1))
    model = one_op_model(op, [TensorSpec(FLOAT32, (1, 2, 2, 1)), sizes], [y], OPTIONS[op]())
    assert agree(runtime, model, [np.zeros((1, 2, 2, 1), np.float32)]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
@pytest.mark.parametrize("is_dynamic", [False, True])
def test_centres_and_corners_together_are_refused_if_the_size_is_constant(runtime: str, is_dynamic: bool) -> None:
    size = np.array([4, 3], np.int32)
    sizes = TensorSpec(TensorType.INT32, (2,), data=None if is_dynamic else size)
    x, y = TensorSpec(FLOAT32, (1, 2, 2, 1)), TensorSpec(FLOAT32, (1, 4, 3, 1))
    options = ResizeBilinearOptions(align_corners=True, half_pixel_centers=True)
    image = np.arange(4).astype(dtype_of(FLOAT32)).reshape(x.shape)
    compared = agree(
        runtime, one_op_model(BILINEAR, [x, sizes], [y], options), [image, size] if is_dynamic else [image]
    )
    assert compared == (12 if is_dynamic else 0)
