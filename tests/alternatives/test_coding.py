"""Entropy, Huffman codes and run lengths."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from refinfer.alternatives.coding import code_lengths, coded, entropy_bits

constants = st.lists(st.integers(0, 255) | st.integers(0, 3), max_size=600).map(bytes)


@given(constants)
def test_a_huffman_code_takes_less_than_a_bit_per_symbol_more_than_the_entropy(data: bytes) -> None:
    found = coded([data])
    assert found.entropy_bits - 1e-6 <= found.huffman_bits  # the entropy is a float
    assert found.huffman_bits < found.entropy_bits + len(data) or not data


@given(constants.filter(lambda data: len(set(data)) > 1))
def test_the_words_of_a_code_fill_it(data: bytes) -> None:
    assert sum(Fraction(1, 2**length) for length in code_lengths(Counter(data)).values()) == 1


@given(constants)
def test_a_more_frequent_symbol_has_no_longer_word(data: bytes) -> None:
    counts = Counter(data)
    lengths = code_lengths(counts)
    assert all(lengths[a] <= lengths[b] for a in counts for b in counts if counts[a] > counts[b])


def test_the_code_of_a_known_word() -> None:
    counts = Counter(b"mississippi")
    assert sum(counts[symbol] * length for symbol, length in code_lengths(counts).items()) == 21


def test_equal_shares_need_as_many_bits_as_their_number_says() -> None:
    assert entropy_bits(Counter(bytes(range(16)) * 3)) == 48 * 4


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 700)), max_size=8))
def test_a_run_takes_two_bytes_for_each_255_of_its_length(runs: list[tuple[int, int]]) -> None:
    data = b"".join(bytes([value]) * count for value, count in runs)
    lengths = [len(list(run)) for _, run in groupby(data)]
    assert coded([data]).run_length == 2 * sum((length + 254) // 255 for length in lengths)


def test_constants_have_codes_of_their_own() -> None:
    apart, together = coded([bytes(100), b"\1" * 100]), coded([bytes(100) + b"\1" * 100])
    assert (apart.huffman_bits, together.huffman_bits) == (0, 200)
    assert apart.nbytes == together.nbytes == 200
