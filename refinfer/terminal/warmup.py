"""`refinfer warmup`: where the kernels are, how large, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refinfer.kernels.compiled.tiers import Warm
from refinfer.terminal.text import Screen, size, wrapped


def warm_lines(done: Warm, screen: Screen) -> Iterator[str]:
    """What was done, and what it means for other processes."""
    how = "compiled" if done.compiled else "loaded: they had been compiled before"
    yield from wrapped(f"The kernels are {how}. It took {done.seconds:.1f} s.", screen)
    if done.kept:
        yield f"{size(done.nbytes)} in {done.directory}"
    else:
        yield from wrapped(
            f"They are kept for no other process: {done.directory} cannot be written to. REFINFER_CACHE_DIR names "
            "another place.",
            screen,
        )


def warm_to_dict(done: Warm, schema: int) -> dict[str, Any]:
    """As docs/json.md documents it."""
    return {"schema": schema, **done._asdict()}
