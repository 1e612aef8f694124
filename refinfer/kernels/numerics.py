"""Where official runtimes compute the same operator with different arithmetic: each difference is a function here.

A `Numerics` is a row of the dialect table in registry.py. Kernels take the functions from it and never ask for whom
they compute.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Numerics:
    """The arithmetic in which a runtime differs from others."""
