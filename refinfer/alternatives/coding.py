"""How small numbers can be written: entropy, Huffman codes, run lengths.

Symbols are the bytes of a constant, so that one way serves all types; of int8 weights, each is a weight.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from math import log2
from typing import NamedTuple

RUN = re.compile(rb"(.)\1{0,254}", re.DOTALL)  # its length is a byte
SYMBOLS = 256


class Coded(NamedTuple):
    """The bytes of constants, coded in several ways, constant by constant.

    `entropy_bits` is what no code of single bytes can undercut. `huffman` counts the code book beside the words: a
    byte for each of the 256 lengths, or two for each symbol that occurs, whichever is less. `run_length` is a byte for
    a length and one for the value of each run.
    """

    nbytes: int
    entropy_bits: float
    huffman_bits: int
    huffman: int
    run_length: int


def coded(constants: Iterable[bytes | memoryview]) -> Coded:
    """What all of these take together, each with a code of its own."""
    found = [_coded(data) for data in constants]
    return Coded(
        nbytes=sum(each.nbytes for each in found),
        entropy_bits=sum(each.entropy_bits for each in found),
        huffman_bits=sum(each.huffman_bits for each in found),
        huffman=sum(each.huffman for each in found),
        run_length=sum(each.run_length for each in found),
    )


def _coded(data: bytes | memoryview) -> Coded:
    counts = Counter(bytes(data))
    bits = sum(counts[symbol] * length for symbol, length in code_lengths(counts).items())
    book = min(SYMBOLS, 2 * len(counts))
    return Coded(len(data), entropy_bits(counts), bits, book + (bits + 7) // 8, run_length(data))


def entropy_bits(counts: Mapping[int, int]) -> float:
    """The least bits for symbols that occur so often: -sum of n log2(n / N)."""
    whole = sum(counts.values())
    return sum(count * log2(whole / count) for count in counts.values())


def code_lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """The length in bits of each symbol's word in a Huffman code; 0 for one that is the only one.

    The two rarest are put together, again and again, and each time their words grow by a bit.
    """
    heap: list[tuple[int, int, tuple[int, ...]]] = []
    for place, (symbol, count) in enumerate(counts.items()):
        heappush(heap, (count, place, (symbol,)))
    lengths = dict.fromkeys(counts, 0)
    while len(heap) > 1:
        (one, place, left), (other, _, right) = heappop(heap), heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heappush(heap, (one + other, place, left + right))
    return lengths


def run_length(data: bytes | memoryview) -> int:
    """The bytes of all runs, two for each; a longer one than a byte can count is several."""
    return 2 * len(RUN.findall(data))
