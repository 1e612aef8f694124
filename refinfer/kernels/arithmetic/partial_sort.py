"""C++'s std::partial_sort and std::priority_queue, whose order of equal values is that of their heap, and so a fact
about results.

Source: GNU libstdc++, bits/stl_heap.h and __heap_select in bits/stl_algo.h.
"""

from __future__ import annotations

from collections.abc import Sequence


def largest_first(values: Sequence[float], count: int) -> list[int]:
    """The indices of the `count` largest values, the largest first, in the order in which partial_sort leaves them."""
    heap = list(range(count))  # the least of them is on top
    for parent in reversed(range(count // 2)):
        sift(heap, values, parent, count, heap[parent])
    for index in range(count, len(values)):
        if values[index] > values[heap[0]]:
            sift(heap, values, 0, count, index)
    for last in reversed(range(1, count)):
        top, value = heap[0], heap[last]
        heap[last] = top
        sift(heap, values, 0, last, value)
    return heap


def sift(heap: list[int], values: Sequence[float], start: int, length: int, value: int) -> None:
    """Put `value` where it belongs below `start`: the hole sinks to the bottom, and rises again [__adjust_heap]."""
    hole = start
    while (child := 2 * hole + 2) < length:
        if values[heap[child]] > values[heap[child - 1]]:
            child -= 1
        heap[hole] = heap[child]
        hole = child
    if child == length:
        heap[hole] = heap[child - 1]
        hole = child - 1
    rise(heap, values, start, hole, value)


def rise(heap: list[int], values: Sequence[float], start: int, hole: int, value: int) -> None:
    """Put `value` where it belongs between `start` and the hole [__push_heap]."""
    while hole > start and values[heap[(hole - 1) // 2]] > values[value]:
        heap[hole] = heap[(hole - 1) // 2]
        hole = (hole - 1) // 2
    heap[hole] = value


def push(heap: list[int], values: Sequence[float], value: int) -> None:
    """Add `value` to a heap with the least on top."""
    heap.append(value)
    rise(heap, values, 0, len(heap) - 1, value)


def pop(heap: list[int], values: Sequence[float]) -> int:
    """Take the least off a heap."""
    top, last = heap[0], heap.pop()
    if heap:
        sift(heap, values, 0, len(heap), last)
    return top
