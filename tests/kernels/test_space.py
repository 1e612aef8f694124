"""What the operators that move blocks between space, depth and batch ask for and refuse, and REVERSE_V2."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from refinfer.kernels.kernel import Reshaped
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.options import DepthToSpaceOptions, SpaceToDepthOptions
from tests.kernels.nodes import FLOAT32, INT32, node, persistent, prepared, refused, refused_by_invoke, tensor

sizes = st.integers(1, 6)


@given(sizes, sizes, sizes, sizes, sizes)
def test_depth_to_space_undoes_space_to_depth(batch: int, rows: int, columns: int, depth: int, block: int) -> None:
    wide = tensor(FLOAT32, batch, rows * block, columns * block, depth)
    deep = tensor(FLOAT32, batch, rows, columns, depth * block * block)
    y = tensor(FLOAT32, 1, 1, 1, 1)
    there = node(BuiltinOperator.SPACE_TO_DEPTH, [wide], y, SpaceToDepthOptions(block_size=block))
    back = node(BuiltinOperator.DEPTH_TO_SPACE, [deep], y, DepthToSpaceOptions(block_size=block))
    assert Reshaped(y, deep.shape) in prepared(there)
    assert Reshaped(y, wide.shape) in prepared(back)
    assert persistent(there) == persistent(back) == [4 + 4 * 4]


def test_what_is_not_made_of_blocks_is_refused() -> None:
    y = tensor(FLOAT32, 1, 1, 1, 1)
    there = node(BuiltinOperator.SPACE_TO_DEPTH, [tensor(FLOAT32, 1, 4, 5, 1)], y, SpaceToDepthOptions(block_size=2))
    back = node(BuiltinOperator.DEPTH_TO_SPACE, [tensor(FLOAT32, 1, 1, 1, 6)], y, DepthToSpaceOptions(block_size=2))
    assert refused(there) == "4x5 is not made of blocks of 2"
    assert refused(back) == "depth 6 is not made of blocks of 2x2"


def test_options_that_the_file_leaves_out_are_zeros() -> None:
    x = tensor(FLOAT32, 1, 2, 2, 1)
    assert refused(node(BuiltinOperator.SPACE_TO_DEPTH, [x], x)) == "block_size 0 is not positive"


def test_batches_are_made_of_three_or_four_dimensions() -> None:
    blocks = [tensor(INT32, 2), tensor(INT32, 2, 2)]
    for rank, fits in ((2, False), (3, True), (4, True), (5, False)):
        x = tensor(FLOAT32, *[2] * rank)
        for op in (BuiltinOperator.SPACE_TO_BATCH_ND, BuiltinOperator.BATCH_TO_SPACE_ND):
            assert (refused(node(op, [x, *blocks], x)) is None) == fits


def test_reverse_takes_axes_that_follow_each_other() -> None:
    x = tensor(FLOAT32, 2, 3, 4)
    for axes, refusal in (((0, 1), None), ((-1, 1), None), ((0, 2), "Non-contiguous `axes` not supported")):
        axis = tensor(INT32, 2, data=struct.pack("<2i", *axes))
        of = node(BuiltinOperator.REVERSE_V2, [x, axis], x)
        assert refused(of) is None
        assert refused_by_invoke(of) == refusal
