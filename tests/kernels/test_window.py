"""Windows lie where the definition says, cell by cell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.window import Windows, output_size, overlap, windows
from refinfer.schema.enums import Padding

paddings = st.sampled_from([Padding.SAME, Padding.VALID])
geometries = st.builds(windows, paddings, st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))


def pairs(axis: Windows, tap: int) -> list[tuple[int, int]]:
    """The windows whose tap lies in the image, each with the cell, by trying all."""
    cells = [(i, i * axis.stride + tap * axis.dilation - axis.before) for i in range(axis.number)]
    return [(i, cell) for i, cell in cells if 0 <= cell < axis.size]


def found(axis: Windows, tap: int) -> list[tuple[int, int]]:
    """The same, from the slices."""
    inside, cells = axis.inside(tap)
    return list(zip(range(axis.number)[inside], range(axis.size)[cells], strict=True))


@given(geometries)
def test_slices_name_the_windows_whose_tap_is_inside_and_its_cells(axis: Windows) -> None:
    for tap in range(axis.length):
        assert found(axis, tap) == pairs(axis, tap)


@given(geometries, st.integers(1, 13))
def test_blocks_are_the_same_windows_in_turn(axis: Windows, count: int) -> None:
    for tap in range(axis.length):
        blocks = enumerate(axis.blocks(count))
        together = [(number * count + i, cell) for number, block in blocks for i, cell in found(block, tap)]
        assert together == pairs(axis, tap)


@given(geometries, st.integers(1, 13))
def test_crops_are_the_same_cells_in_turn(axis: Windows, size: int) -> None:
    for tap in range(axis.length):
        crops = enumerate(axis.crops(size))
        together = [(i, number * size + cell) for number, crop in crops for i, cell in found(crop, tap)]
        assert together == pairs(axis, tap)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_valid_windows_are_those_that_fit_entirely(size: int, length: int, stride: int, dilation: int) -> None:
    starts = range(0, size, stride)
    assert output_size(Padding.VALID, size, length, stride, dilation) == len(
        [start for start in starts if start + (length - 1) * dilation < size]
    )


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_same_padding_gives_a_window_for_each_stride_and_halves_what_is_missing(
    size: int, length: int, stride: int, dilation: int
) -> None:
    axis = windows(Padding.SAME, size, length, stride, dilation)
    assert axis.number == len(range(0, size, stride))
    behind = (axis.number - 1) * stride + (length - 1) * dilation + 1 - axis.before - size
    assert axis.before in (behind, behind - 1) or (axis.before == 0 and behind <= 0)


def test_what_makes_no_sense_has_no_windows() -> None:
    for length, stride, dilation in ((0, 1, 1), (3, 0, 1), (3, 1, 0), (3, -1, 1)):
        assert output_size(Padding.SAME, 8, length, stride, dilation) == 0


def test_several_axes_are_indexed_behind_the_images() -> None:
    rows, columns = windows(Padding.SAME, 4, 3, 1), windows(Padding.SAME, 5, 3, 2)
    here, there = overlap((rows, columns), (0, 2))
    assert here == (slice(None), rows.inside(0)[0], columns.inside(2)[0])
    assert there == (slice(None), rows.inside(0)[1], columns.inside(2)[1])
