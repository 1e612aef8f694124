"""Placement: TFLM's greedy rule on cases worked out by hand, and properties of any placement."""

from hypothesis import given
from hypothesis import strategies as st

from refinfer.planners.greedy import place_greedily
from refinfer.planners.problem import Buffer, clashes, height, live_bytes, lower_bound


@st.composite
def buffers(draw: st.DrawFn) -> Buffer:
    first = draw(st.integers(0, 12))
    return Buffer(16 * draw(st.integers(0, 20)), first, first + draw(st.integers(0, 6)))


problems = st.lists(buffers(), max_size=16)


@st.composite
def large_problems(draw: st.DrawFn) -> list[Buffer]:
    """Some hundred buffers, so that time has many blocks: lives of a few steps and of many, some at a fixed place."""
    steps, longest = draw(st.integers(1, 200)), draw(st.sampled_from([0, 3, 40, 200]))
    places = st.one_of(st.none(), st.integers(0, 60)) if draw(st.booleans()) else st.none()
    one = st.tuples(st.integers(0, 20), st.integers(-1, steps), st.integers(0, longest), places)
    number = draw(st.integers(0, 150))
    return [
        Buffer(16 * size, first, first + length, place and 8 * place)
        for size, first, length, place in draw(st.lists(one, min_size=number, max_size=number))
    ]


def place_as_tflm_does(buffers: list[Buffer]) -> tuple[int, ...]:
    """The oracle, O(n²): a list by offset of what is placed, walked from its start for each buffer.

    [greedy_memory_planner.cc: CalculateOffsetsIfNeeded]
    """
    online = [i for i, buffer in enumerate(buffers) if buffer.offset is None]
    fixed = [i for i, buffer in enumerate(buffers) if buffer.offset is not None]
    placed: list[tuple[int, Buffer]] = []
    offsets = {}
    for i in fixed + sorted(online, key=lambda i: (-buffers[i].nbytes, -i)):
        wanted, candidate = buffers[i], 0
        for offset, other in placed:
            if other.first <= wanted.last and wanted.first <= other.last:
                if offset - candidate >= wanted.nbytes:
                    break
                candidate = max(candidate, offset + other.nbytes)
        offsets[i] = candidate if wanted.offset is None else wanted.offset
        placed.append((offsets[i], wanted))
        placed.sort(key=lambda each: each[0])
    return tuple(offsets[i] for i in range(len(buffers)))


@given(st.one_of(problems, large_problems()))
def test_buffers_go_where_tflm_would_find_room_for_them(problem: list[Buffer]) -> None:
    assert place_greedily(problem) == place_as_tflm_does(problem)


@given(problems)
def test_greedy_placement_is_sound(problem: list[Buffer]) -> None:
    offsets = place_greedily(problem)
    assert clashes(problem, offsets) == []
    assert lower_bound(problem) <= height(problem, offsets)


@given(problems)
def test_greedy_placement_keeps_to_multiples_of_sixteen(problem: list[Buffer]) -> None:
    assert all(offset % 16 == 0 for offset in place_greedily(problem))


@given(problems)
def test_a_placement_read_back_as_an_offline_plan_stays_as_it_is(problem: list[Buffer]) -> None:
    offsets = place_greedily(problem)
    fixed = [buffer._replace(offset=offset) for buffer, offset in zip(problem, offsets, strict=True)]
    assert place_greedily(fixed) == offsets


@given(problems)
def test_the_bytes_alive_at_a_step_are_those_of_the_buffers_that_span_it(problem: list[Buffer]) -> None:
    for step, nbytes in enumerate(live_bytes(problem)):
        assert nbytes == sum(each.nbytes for each in problem if each.first <= step <= each.last)


def test_the_largest_buffer_is_placed_first_at_zero() -> None:
    assert place_greedily([Buffer(16, 0, 1), Buffer(64, 1, 2), Buffer(32, 2, 3)]) == (64, 0, 64)


def test_of_equal_buffers_the_later_added_goes_first() -> None:
    assert place_greedily([Buffer(32, 0, 1), Buffer(32, 0, 1), Buffer(32, 0, 1)]) == (64, 32, 0)


def test_a_gap_below_is_used_before_the_top() -> None:
    below, above, small = Buffer(64, 0, 0, offset=0), Buffer(64, 0, 1, offset=128), Buffer(32, 0, 1)
    assert place_greedily([below, above, small]) == (0, 128, 64)


def test_buffers_that_never_meet_share_their_place() -> None:
    assert place_greedily([Buffer(32, 0, 1), Buffer(32, 2, 3)]) == (0, 0)


def test_a_fixed_buffer_stays_where_the_offline_plan_put_it_even_over_another() -> None:
    problem = [Buffer(32, 0, 1, offset=16), Buffer(32, 0, 1, offset=16)]
    assert place_greedily(problem) == (16, 16)
    assert clashes(problem, (16, 16)) == [(0, 1)]


def test_touching_buffers_do_not_clash() -> None:
    assert clashes([Buffer(16, 0, 1), Buffer(16, 1, 2)], (0, 16)) == []


def test_a_buffer_that_is_never_used_is_alive_at_no_step() -> None:
    assert live_bytes([Buffer(16, -1, -1)]) == []
    assert lower_bound([]) == 0
