"""The official TFLM, from the `tflite-micro` wheel of PyPI: what it makes of a model, and in how small an arena.

The wheel is a build for x86-64 that records its allocations, with compression. It takes the arena from malloc, which
aligns it to 16, and adds as many resource variables as the model has distinct VAR_HANDLE names.
"""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

INSTALLED = find_spec("tflite_micro") is not None
"""False where PyPI has no wheel: off Linux on x86-64."""

AMPLE = 1 << 26
"""An arena that is large enough for every model we have; the kernel hands out only the pages that are touched."""
TRAMPLED = 1 << 12
"""How many sizes above the smallest that loads are tried until the output is right."""

WORKER = Path(__file__).with_name("tflm_worker.py")
REPORT = "[RecordingMicroAllocator] "
TOTALS = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
CATEGORY = re.compile(r"'(.+)' used (\d+) bytes with alignment overhead \(requested (\d+) bytes for (\d+) .+\)")
NO_KERNEL = re.compile(r"Failed to get registration from op code (\w+)")
FAILED_NODE = re.compile(r"Node (.+) \(number (\d+)\) failed to (prepare|invoke) with status \d+")
FAILED_CHECK = re.compile(r"tensorflow/\S+\.(?:cc|h):\d+ (.+)")
SOURCE_FILE = re.compile(r"^tensorflow/\S+\.(?:cc|h) ")


@dataclass(frozen=True)
class Category:
    """One line of the recording: bytes used with alignment, bytes asked for, and how often."""

    used: int
    requested: int
    count: int


@dataclass(frozen=True)
class Allocations:
    """What RecordingMicroAllocator prints. A category without any bytes is not printed."""

    total: int
    head: int
    tail: int
    categories: Mapping[str, Category]


@dataclass(frozen=True)
class Verdict:
    """How far TFLM came with a model in an arena of a given size.

    `text` is what it printed, without the recording; `crash` is the name of the signal that killed it ("" if none).
    """

    loads: bool
    runs: bool
    outputs: tuple[bytes, ...]
    text: str
    error: str
    crash: str
    allocations: Allocations | None


@dataclass(frozen=True)
class Refusal:
    """Why TFLM would not load or run a model.

    `when` is "load", "prepare" or "invoke". TFLM gives the index of the node but not the subgraph, and no index when
    it has no kernel. `message` is what the kernel's author wrote for the user ("" if nothing), `check` the C
    expression that failed where nothing better is printed: "input->type == kTfLiteInt8 was not true.".
    """

    when: str
    operator: str
    node: int | None
    message: str
    check: str


@dataclass(frozen=True)
class Minimum:
    """The smallest arena in which the model loads, runs and gives the right output, to a byte and to 16 bytes.

    `loads` is the smallest in which it loads, which is the same but where TFLM tramples on its own data.
    """

    nbytes: int
    multiple_of_16: int
    loads: int


class Tflm:
    """A worker process with TFLM in it. A context manager: the process ends with the block."""

    def __init__(self) -> None:
        self._worker = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._model: bytes | None = None

    def __enter__(self) -> Tflm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.communicate()

    def load(self, model: bytes, arena_size: int = AMPLE, *, seconds: int = 20) -> Verdict:
        """Construct the interpreter and allocate the tensors."""
        return self._ask(model, arena_size, seed=None, int_mode="full", seconds=seconds)

    def run(
        self, model: bytes, arena_size: int = AMPLE, *, seed: int = 0, int_mode: str = "full", seconds: int = 120
    ) -> Verdict:
        """Load the model and invoke it once on the random inputs that `seed` and `int_mode` determine."""
        return self._ask(model, arena_size, seed=seed, int_mode=int_mode, seconds=seconds)

    def minimum(self, model: bytes, *, int_mode: str = "full") -> Minimum:
        """Search the smallest arena that works. The model must run in an ample one."""
        ample = self.run(model, int_mode=int_mode)
        assert ample.runs, ample
        assert ample.allocations is not None

        def loads(size: int) -> bool:
            verdict = self.load(model, size)
            return verdict.loads and not verdict.crash

        def works(size: int) -> bool:
            verdict = self.run(model, size, int_mode=int_mode)
            return verdict.runs and not verdict.crash and verdict.outputs == ample.outputs

        loading = smallest(loads, ample.allocations.total)
        nbytes = next(size for size in range(loading, loading + TRAMPLED) if works(size))
        return Minimum(
            nbytes, next(size for size in range(round_up_16(nbytes), nbytes + TRAMPLED, 16) if works(size)), loading
        )

    def _ask(self, model: bytes, arena_size: int, **question: Any) -> Verdict:
        worker = self._worker
        assert worker.stdin is not None
        assert worker.stdout is not None
        given = None if model is self._model else model
        pickle.dump((given, {"arena_size": arena_size, **question}), worker.stdin)
        worker.stdin.flush()
        self._model = model
        return verdict_of(pickle.load(worker.stdout))


def verdict_of(answer: Mapping[str, Any]) -> Verdict:
    """The worker's answer, with TFLM's recording parsed and taken out of its text."""
    findings, lines = answer["findings"], answer["text"].splitlines()
    return Verdict(
        loads=findings.get("loads", False),
        runs=findings.get("runs", False),
        outputs=tuple(findings.get("outputs", ())),
        text="\n".join(line for line in lines if not line.startswith(REPORT)),
        error=findings.get("error", ""),
        crash=signal.Signals(answer["signal"]).name if answer["signal"] else "",
        allocations=parse_allocations(line.removeprefix(REPORT) for line in lines if line.startswith(REPORT)),
    )


def parse_allocations(lines: Iterable[str]) -> Allocations | None:
    """Read the report of print_allocations; None if there is none."""
    totals: dict[str, int] = {}
    categories: dict[str, Category] = {}
    for line in lines:
        if total := TOTALS.fullmatch(line):
            totals[total[1]] = int(total[2])
        elif category := CATEGORY.fullmatch(line):
            categories[category[1]] = Category(int(category[2]), int(category[3]), int(category[4]))
        else:
            raise AssertionError(f"a line of an unknown form in TFLM's report: {line!r}")
    return Allocations(totals["total"], totals["head"], totals["tail"], categories) if totals else None


def smallest(works: Callable[[int], bool], guess: int) -> int:
    """The size at which `works` turns from false to true, searched around `guess` in steps that double."""
    step = 16
    low, high = guess, guess
    while works(low):
        low, step = max(low - step, 0), step * 2
    step = 16
    while not works(high):
        low, high, step = high, high + step, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def round_up_16(size: int) -> int:
    """The next multiple of 16."""
    return -(-size // 16) * 16


def refusal_of(verdict: Verdict) -> Refusal | None:
    """Why TFLM would not load or run the model, read from what it printed; None if it ran."""
    if verdict.runs:
        return None
    *before, last = [line for line in verdict.text.splitlines() if line.strip()]
    if missing := NO_KERNEL.fullmatch(last):
        return Refusal("load", missing[1], None, before[0] if before else "", "")
    failed = FAILED_NODE.fullmatch(last)
    assert failed is not None, f"TFLM says nothing that we know: {verdict}"
    operator, node, when = failed[1], int(failed[2]), failed[3]
    line = before[0] if before else ""
    if check := FAILED_CHECK.fullmatch(line):
        return Refusal(when, operator, node, "", check[1])
    return Refusal(when, operator, node, SOURCE_FILE.sub("", line), "")
