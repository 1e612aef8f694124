"""Examples that a seed alone decides.

Hypothesis also draws numbers that it has found in the source of the modules around, so that an edit of any of them
would change the examples. While this is in force it finds none. Versions that do not look have nothing to leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis.internal.conjecture import providers

LOOK_AROUND = "_get_local_constants"  # private: there is no setting for it


@contextmanager
def decided_by_seed() -> Iterator[None]:
    """Let Hypothesis look at no source."""
    look_around: Any = getattr(providers, LOOK_AROUND, None)
    cache: Any = getattr(providers, "CONSTANTS_CACHE", None)
    if look_around is None or cache is None:
        yield
        return
    none = vars(providers)["Constants"]()
    cache.cache.clear()
    setattr(providers, LOOK_AROUND, lambda: none)
    try:
        yield
    finally:
        setattr(providers, LOOK_AROUND, look_around)
        cache.cache.clear()
