"""The smallest arena, checked against an allocator of plain addresses that tries one size after the other."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from refinfer.simulator.arena import (
    Move,
    Section,
    extent,
    extents,
    passes,
    smallest_passing,
    smallest_safe,
    tail_used,
)

START = 1 << 20  # a multiple of 16
ADDRESS = 1 << 32  # pointers of 32 bits wrap here


class Allocator:
    """A single arena buffer allocator on absolute addresses, with the unsigned arithmetic of the real one."""

    def __init__(self, size: int) -> None:
        self.head = self.temp = START
        self.tail = self.end = START + size
        self.crossed = False  # the tail has come to lie below live temporary memory

    def runs(self, moves: Sequence[Move]) -> bool:
        return all(self.step(move) for move in moves)

    def step(self, move: Move) -> bool:
        if move.section is Section.TAIL:
            start = (self.tail - move.nbytes) & ~(move.align - 1)
            if start < self.head:
                return False
            self.tail = start
        elif move.section is Section.HEAD:
            if (self.tail - START) % ADDRESS < move.nbytes:
                return False
            self.head = self.temp = START + move.nbytes
        elif move.section is Section.TEMP:
            start = -(-self.temp // move.align) * move.align
            if (self.tail - start) % ADDRESS < move.nbytes:
                return False
            self.temp = start + move.nbytes
        elif move.section is Section.PLAN:
            start = -(-self.temp // 16) * 16
            room = (self.tail // 16 * 16 - start) % ADDRESS
            if room < move.nbytes:
                return False
            self.crossed |= self.tail // 16 * 16 < start
        else:
            self.temp = self.head
        self.crossed |= self.tail < self.temp
        return True


def works(moves: Sequence[Move], size: int, safely: bool) -> bool:
    allocator = Allocator(size)
    return allocator.runs(moves) and not (safely and allocator.crossed)


aligns = st.sampled_from([1, 2, 4, 8, 16])
sizes = st.integers(0, 90)
tails = st.builds(Move, st.just(Section.TAIL), st.just("tail"), sizes, aligns)
temps = st.builds(Move, st.just(Section.TEMP), st.just("temp"), sizes, aligns)
heads = st.builds(Move, st.just(Section.HEAD), st.just("head"), sizes)
resets = st.just(Move(Section.RESET, "reset", 0))
plans = st.builds(Move, st.just(Section.PLAN), st.just("plan"), sizes)
sequences = st.lists(tails | temps | heads | resets | plans, min_size=1, max_size=14)


@given(sequences)
def test_the_smallest_safe_arena_is_the_first_that_works_when_all_are_tried(moves: list[Move]) -> None:
    tried = next(size for size in range(4000) if works(moves, size, safely=True))
    assert smallest_safe(moves).nbytes == tried


@given(sequences)
def test_one_walk_with_all_remainders_finds_what_a_walk_with_each_does(moves: list[Move]) -> None:
    assert extents(moves) == tuple(extent(moves, remainder) for remainder in range(16))


@given(sequences, st.integers(0, 1500))
def test_the_checks_that_pass_are_those_of_unsigned_addresses(moves: list[Move], size: int) -> None:
    assert passes(moves, size) == works(moves, size, safely=False)


@given(sequences)
def test_a_safe_arena_passes_the_checks(moves: list[Move]) -> None:
    safe = smallest_safe(moves).nbytes
    assert passes(moves, safe)
    assert smallest_passing(moves, safe) <= safe


@given(sequences, st.integers(0, 15))
def test_tail_bytes_depend_on_the_size_of_the_arena_by_its_remainder_alone(moves: list[Move], remainder: int) -> None:
    allocator = Allocator(8000 + remainder)
    assert allocator.runs(moves)
    assert tail_used(moves, 8000 + remainder)[-1] == allocator.end - allocator.tail


def test_the_need_names_the_move_that_sets_it() -> None:
    small, large = Move(Section.TAIL, "small", 16, 16), Move(Section.TEMP, "large", 1000, 4)
    assert smallest_safe([small, large]).move is large
    assert smallest_safe([small, large]).nbytes == 1024  # at 1016 the tail starts at 992


def test_persistent_memory_on_top_of_live_temporaries_passes_the_checks_but_is_not_safe() -> None:
    moves = [Move(Section.TEMP, "tensors", 400, 4), Move(Section.TAIL, "multipliers", 300, 16)]
    safe = smallest_safe(moves).nbytes
    assert safe == 700
    assert smallest_passing(moves, safe) == 400
