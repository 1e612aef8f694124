"""What changed in TFLM over the years, where it shows in the arena.

Each change is a macro of ours, which builds define that are *older* than it: today's define none. A struct declares
its younger members with `since`; a kernel asks `has`. Dates are those of the commits in tflite-micro.
"""

from __future__ import annotations

from refinfer.kernels.layout import Build, Member, When

LSTM_REWRITTEN = "before the LSTM was rewritten"
GATHER_ND_DIMS = "before GATHER_ND kept the dims of its output"
VARIABLE_DEFAULTS = "before resource variables had a default value"
RESHAPE_DIMS = "before RESHAPE kept the dims of its output"
SLICE_OFFSET = "before STRIDED_SLICE had an offset"
BIAS_TYPES = "before convolutions had a bias type"
DENSE_CHANNELS = "before FULLY_CONNECTED had scales per channel"
REDUCE_BUFFERS = "before sums had their counters in the arena"

CHANGES: dict[str, str] = {
    LSTM_REWRITTEN: "2023-02-01",  # 0a1ccdfdd
    GATHER_ND_DIMS: "2023-02-09",  # 1d810cac7
    VARIABLE_DEFAULTS: "2023-02-17",  # 808ddbf75
    RESHAPE_DIMS: "2023-02-20",  # f09c70ade
    SLICE_OFFSET: "2023-06-01",  # 982aaef60
    BIAS_TYPES: "2023-09-14",  # ad8d238f9
    DENSE_CHANNELS: "2024-09-27",  # 47b545074
    REDUCE_BUFFERS: "2026-01-16",  # 0efdd51a3
}
OLDEST = "2023-01"  # what changed before is not known here


def since(change: str, member: Member) -> When:
    """A struct member that builds older than `change` do not have."""
    return When(change, member, absent=True)


def has(change: str, build: Build) -> bool:
    """Whether the build is as young as `change`."""
    return change not in build.defines


def older_than(date: str) -> frozenset[str]:
    """The macros of a build whose TFLM is of `date`, "2023-01-14"; a month stands for its first day."""
    return frozenset(change for change, changed in CHANGES.items() if date < changed)
