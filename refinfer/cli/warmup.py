"""`refinfer warmup`: compile the kernels ahead."""

from __future__ import annotations

from argparse import Namespace

from refinfer.cli.common import NO, SCHEMA, YES, screen, write, write_json
from refinfer.cli.options import JSON, Command


def warmup(arguments: Namespace) -> int:
    """`refinfer warmup`: NO if the kernels could not be kept for other processes."""
    from refinfer.kernels.compiled.tiers import warm
    from refinfer.terminal.warmup import warm_lines, warm_to_dict

    done = warm()
    write_json(warm_to_dict(done, SCHEMA)) if arguments.json else write(warm_lines(done, screen()))
    return YES if done.kept else NO


WARMUP = Command(
    warmup,
    "compile the kernels ahead, so that no run waits or computes in numpy",
    [JSON],
)
