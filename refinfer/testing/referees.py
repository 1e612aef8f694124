"""The official runtimes as referees: what do they compute for a model and its inputs?

Each runs in a process of its own that survives the crashes of the runtime. Linux only, since that process forks.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

WORKER = Path(__file__).with_name("referee_worker.py")
PACKAGES = {"litert": "ai_edge_litert", "tflm": "tflite_micro"}


@dataclass(frozen=True)
class Answer:
    """What a runtime made of a question: the outputs of each run that it finished, and why it stopped, if it did.

    `error` is the message of the exception, `text` what the runtime printed, `crash` the name of the signal that
    killed it ("" where none did).
    """

    outputs: tuple[tuple[Array, ...], ...]
    error: str
    text: str
    crash: str

    @property
    def finished(self) -> bool:
        """Whether all runs were done."""
        return not self.error and not self.crash


class Referee:
    """An official runtime: "litert" or "tflm"."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), runtime],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def run(self, model: bytes, *runs: Sequence[Array], **options: Any) -> Answer:
        """The outputs of `model` for each of `runs`, a list of inputs each, on one interpreter in turn.

        Options: `kernels` ("REF", "OPT" or "AUTO") of LiteRT, `shapes` (input → shape) to resize, `all` for every
        tensor in place of the outputs, `anew`, the numbers of the runs that begin with a new interpreter, `seconds`
        until it is stopped.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((model, options, [list(run) for run in runs]), self._process.stdin)
        self._process.stdin.flush()
        answer: Mapping[str, Any] = pickle.load(self._process.stdout)
        crash = signal.Signals(answer["signal"]).name if answer["signal"] else ""
        outputs = tuple(tuple(each) for each in answer["outputs"])
        return Answer(outputs, answer["error"], answer["text"], crash)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def installed(runtime: str) -> bool:
    """Whether the package of a runtime is there."""
    return find_spec(PACKAGES[runtime]) is not None


@cache
def referee(runtime: str) -> Referee:
    """The one process of a runtime that all of this program shares."""
    return Referee(runtime)
