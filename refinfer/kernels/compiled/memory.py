"""Memory, byte by byte: numba takes long to compile an assignment to a slice, and LLVM sees what these loops do."""

from __future__ import annotations

from refinfer.kernels.compiled.jit import int8s, njit


@njit
def clear(target: int, count: int) -> None:
    """Zeros, in so many bytes, if there are more than none."""
    out = int8s(target, count)
    for i in range(count):
        out[i] = 0


@njit
def copy(source: int, count: int, target: int) -> None:
    """The same bytes."""
    given, out = int8s(source, count), int8s(target, count)
    for i in range(count):
        out[i] = given[i]
