"""Three loops are found where positions follow from them. That kernels move what they say is in test_tiers.py."""

from __future__ import annotations

from itertools import permutations, product
from math import prod

import numpy as np
import pytest

pytest.importorskip("numba", reason="compiled kernels need numba")

from refinfer.kernels.compiled.simple import Woven, weave_of

SHAPES = ((2, 3), (3, 2, 5), (1, 4, 2, 6), (2, 2, 3, 2))


def moved(woven: Woven, count: int) -> list[int]:
    """Where each output comes from, loop by loop; -1 where none comes."""
    counts, here, there = (woven.loops[first::3] for first in range(3))
    positions = [-1] * count
    for at in product(*map(range, counts)):
        to = sum(i * step for i, step in zip(at, there, strict=True))
        positions[to] = woven.first + sum(i * step for i, step in zip(at, here, strict=True))
    return positions


@pytest.mark.parametrize("shape", SHAPES)
def test_loops_move_what_a_transposition_moves(shape: tuple[int, ...]) -> None:
    found = 0
    for order in permutations(range(len(shape))):
        positions = np.arange(5, 5 + prod(shape)).reshape(shape).transpose(order).reshape(-1)
        woven = weave_of(positions)
        if woven is not None:
            found += 1
            assert moved(woven, len(positions)) == positions.tolist()
    assert found >= 2


def test_a_shuffle_of_channels_is_three_loops() -> None:
    positions = np.arange(6 * 2 * 24).reshape(6, 2, 24).transpose(0, 2, 1).reshape(-1)
    woven = weave_of(positions)
    assert woven is not None
    assert woven.loops == (6, 48, 48, 2, 24, 1, 24, 1, 2)


def test_what_goes_backwards_or_anywhere_is_no_nest_of_loops() -> None:
    assert weave_of(np.arange(6)[::-1]) is None
    assert weave_of(np.array([0, 1, 5, 3, 2, 4])) is None
