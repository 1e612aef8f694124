"""The command line: what may be asked, and where the answer comes from. docs/cli.md documents it.

A file a command. A command imports what it needs when it runs, so that --help and mistakes cost nothing. What it
prints is made in `terminal/`, line by line; here alone arguments are read, the standard streams written, and exit codes
known.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import NoReturn

from refinfer import __version__
from refinfer.cli.boards import BOARDS, TARGETS
from refinfer.cli.common import ERROR, INTERRUPTED, YES, complain
from refinfer.cli.diff import DIFF
from refinfer.cli.evaluate import EVALUATE
from refinfer.cli.explain import EXPLAIN
from refinfer.cli.fit import FIT
from refinfer.cli.inspect import INSPECT
from refinfer.cli.memory import MEMORY
from refinfer.cli.plan import CHECK, PLAN
from refinfer.cli.run import RUN
from refinfer.cli.warmup import WARMUP
from refinfer.cli.whatif import WHATIF
from refinfer.schema.errors import RefinferError, UsageError

READER_LEFT = YES  # who closes the pipe has seen enough; nothing went wrong

NEEDED_TO_COMPUTE = {"numpy", "flatbuffers"}  # what `fit` does without

EPILOG = """\
exit codes:
  0  yes, or done
  1  no: the model does not fit, or the runtime in question does not run it
  2  an error: a line on stderr says which

The manual is docs/cli.md; docs/json.md documents the JSON forms.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        return READER_LEFT
    except (RefinferError, OSError) as error:
        complain(error)
        return ERROR
    except ModuleNotFoundError as error:
        if error.name not in NEEDED_TO_COMPUTE:
            raise
        complain(f"this needs {error.name}: pip install {error.name}")
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def show_help(_: Namespace) -> int:
    """`refinfer` with nothing behind it."""
    parser().print_help()
    return YES


class OneLineParser(ArgumentParser):
    """Tells a mistake as every other error is told: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise it; `main` tells it."""
        raise UsageError(f"{message} ({self.prog} --help tells more)")


def parser() -> ArgumentParser:
    """All that may be asked."""
    whole = OneLineParser(
        prog="refinfer", description=WHOLE, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action="version", version=f"refinfer {__version__}")
    whole.set_defaults(run=show_help)
    commands = whole.add_subparsers(metavar="COMMAND", title="commands")
    for name, (run, summary, options) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
        )
        command.set_defaults(run=run)
        for flags, keywords in options:
            command.add_argument(*flags, **keywords)
    return whole


WHOLE = "What a .tflite model takes and computes on a microcontroller: RAM to the byte, answers to the bit."

COMMANDS = {
    "fit": FIT,
    "memory": MEMORY,
    "plan": PLAN,
    "check": CHECK,
    "whatif": WHATIF,
    "inspect": INSPECT,
    "run": RUN,
    "diff": DIFF,
    "evaluate": EVALUATE,
    "explain": EXPLAIN,
    "boards": BOARDS,
    "targets": TARGETS,
    "warmup": WARMUP,
}
