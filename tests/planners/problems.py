"""Problems that Hypothesis makes up."""

from __future__ import annotations

from hypothesis import strategies as st

from refinfer.planners.problem import Buffer, Overlap, Problem


@st.composite
def problems(draw: st.DrawFn, most: int = 10, largest: int = 6, steps: int = 6, exact: bool = True) -> Problem:
    """Buffers of some sixteens; of those that die when others are born, some may lie above these."""
    one = st.tuples(st.integers(1, largest), st.integers(0, steps), st.integers(0, 3))
    buffers = [
        Buffer(16 * size, first, first + length)
        for size, first, length in draw(st.lists(one, min_size=1, max_size=most))
    ]
    pairs = [
        (above, below)
        for above, one in enumerate(buffers)
        for below, two in enumerate(buffers)
        if one.last == two.first and one.first < two.first
    ]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Problem(tuple(buffers), tuple(_overlap(draw, buffers, *pair, exact) for pair in chosen))


def _overlap(draw: st.DrawFn, buffers: list[Buffer], above: int, below: int, exact: bool) -> Overlap:
    if exact and buffers[above].nbytes == buffers[below].nbytes and draw(st.booleans()):
        return Overlap(above, below, 0, exact=True)
    return Overlap(above, below, 16 * draw(st.integers(0, buffers[below].nbytes // 16)))
