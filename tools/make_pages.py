"""Fill in what the pages show of the program: python -m tools.make_pages [--corpus]

In a ```console block each command is run, and what it prints is put behind it. In the course, what Python gives is put
under it, and notebooks are made of some of its pages. A table between <!-- name: start --> and <!-- name: end --> is
made again, and so are pictures. The tables of the real models are made with --corpus alone, which needs REFINFER_CORPUS
and the wheel of TFLM (Linux on x86-64), and takes minutes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import refinfer
from refinfer import GraphError
from refinfer.page.picture import picture_of
from refinfer.page.svg import svg
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.simulator import Refused, Report
from refinfer.simulator.targets import TARGETS, Target
from tests import corpus
from tests.comparisons import (
    TARGETS_OF,
    WASM32_RECORDED,
    WHEEL,
    predict,
    recording,
    refusal_by_the_wheel,
    smallest_arena,
    trace,
)
from tests.corpus import CorpusModel
from tests.referees.tflm import INSTALLED, Tflm, Verdict, refusal_of
from tests.small_models import SmallTensor, model_of
from tools import notebooks, operator_table, overlap_table, reference, savings
from tools.pycon import with_results

ROOT = Path(__file__).resolve().parents[1]
COURSE, REFERENCE = (sorted((ROOT / "docs" / part).glob("*.md")) for part in ("course", "reference"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *COURSE, *REFERENCE]

WIDTH = "100"  # columns of what commands print
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "


# commands


def with_outputs(text: str) -> str:
    """The page with what its commands print now."""
    return CONSOLE.sub(lambda block: f"```console\n{''.join(session(block[1]))}```", text)


def session(block: str) -> Iterator[str]:
    """The commands of a block with their outputs; `echo $?` shows the exit code of the one before."""
    code = 0
    for line in block.splitlines():
        if line.startswith(PROMPT):
            command = line.removeprefix(PROMPT)
            yield f"{line}\n"
            if command == "echo $?":
                yield f"{code}\n"
            else:
                code, printed = run(command, ROOT)
                yield printed


@cache
def run(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a `refinfer` command."""
    program, *arguments = shlex.split(command, comments=True)
    if program != "refinfer":
        raise ValueError(f"only refinfer is run here, and not {command!r}")
    done = subprocess.run(
        [sys.executable, "-m", "refinfer", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": WIDTH, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    if "Traceback (most recent call last)" in done.stdout:
        raise RuntimeError(f"{command}\n{done.stdout}")
    return done.returncode, done.stdout


# tables


def with_tables(text: str, tables: Mapping[str, Callable[[], Iterable[str]]]) -> str:
    """The page with those tables made again."""
    for name, make in tables.items():
        between = re.compile(rf"(<!-- {name}: start -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if between.search(text):
            made = "".join(f"{line}\n" for line in make())
            text = between.sub(lambda found, made=made: found[1] + made + found[2], text)  # type: ignore[misc]
    return text


def heading(*names: str) -> Iterator[str]:
    """The first two lines of a table; columns whose name starts with a space are numbers, to the right."""
    yield row(*(name.strip() for name in names))
    yield row(*("---:" if name.startswith(" ") else "---" for name in names))


def row(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def reason(refused: Refused) -> str:
    """When, at which operator, and why."""
    operator = f" {refused.node.name}:" if refused.node else ""
    return f"{refused.when}:{operator} {refused.reason}"


def sample_models() -> Iterator[str]:
    """What is predicted for the models of this repository."""
    shown = ("x86-64-wheel", "cortex-m4", "xtensa")
    yield from heading("model", *(f" {name} {figure}" for name in shown for figure in ("used", "minimum")))
    for path in sorted((ROOT / "models").glob("*.tflite")):
        try:
            arenas = [refinfer.simulate(path, name).arena for name in shown]
        except Refused as refused:
            yield row(path.stem, reason(refused), *[""] * (2 * len(shown) - 1))
        else:
            yield row(path.stem, *(f"{size:,}" for arena in arenas for size in (arena.used, arena.minimum)))


def tight_arenas() -> Iterator[str]:
    """A fully connected layer with a scale for each channel, on the wheel: where its own checks pass too early."""
    yield from heading(" channels", " its checks pass from", " it really works from", " safe from")
    with Tflm() as tflm:
        for channels in (4, 16, 100, 400):
            weights = SmallTensor((channels, 4), INT8, scales=channels, data=bytes(4 * channels))
            x, y = SmallTensor((1, 4), INT8, scales=1), SmallTensor((1, channels), INT8, scales=1)
            model = model_of(BuiltinOperator.FULLY_CONNECTED, (x, weights), y)
            arena = refinfer.simulate(model, WHEEL).arena
            sizes = (arena.merely_passes, tflm.minimum(model).nbytes, arena.minimum)
            yield row(channels, *(f"{size:,}" for size in sizes))


INT8 = TensorType.INT8


def deviations() -> Iterator[str]:
    """Where prediction and measurement are known to differ."""
    yield from heading("model", "what differs", "why")
    for entry in corpus.deviations():
        yield row(entry["model"].removesuffix(".tflite"), entry["check"], entry["cause"])


TABLES: dict[str, Callable[[], Iterable[str]]] = {
    "sample models": sample_models,
    "deviations": deviations,
    "operators": operator_table.operators,
    "operators summary": operator_table.summary,
    "commands": reference.commands,
    "python names": reference.names,
    "python runtime": reference.runtime,
    "python testing": reference.testing,
    "overlap layers": overlap_table.layers,
    "overlap rules": overlap_table.rules,
    "savings summary": savings.summary,
    "savings reference": savings.reference,
    "savings cmsis-nn": savings.cmsis_nn,
}
WHEEL_TABLES: dict[str, Callable[[], Iterable[str]]] = {"tight arenas": tight_arenas} if INSTALLED else {}


# tables of the corpus


@dataclass(frozen=True)
class Score:
    """How many of what was compared was equal."""

    equal: int
    compared: int

    def __str__(self) -> str:
        return f"{self.equal} of {self.compared}"


def score(pairs: Iterable[tuple[object, object]]) -> Score:
    """Of predicted and measured."""
    results = [predicted == measured for predicted, measured in pairs]
    return Score(sum(results), len(results))


@dataclass(frozen=True)
class Live:
    """What the wheel, asked today, makes of a model; `minimum` is None where it does not run."""

    verdict: Verdict
    minimum: int | None


@cache
def live() -> dict[str, Live]:
    """The wheel on every model of the corpus."""
    with Tflm() as tflm:
        return {model.file: _ask(tflm, model) for model in corpus.corpus()}


def _ask(tflm: Tflm, model: CorpusModel) -> Live:
    verdict = tflm.run(model.data, int_mode=model.int_mode)
    return Live(verdict, tflm.minimum(model.data, int_mode=model.int_mode).nbytes if verdict.runs else None)


@cache
def predicted(file: str, target: str) -> Report | Refused | GraphError:
    """The report of a model of the corpus, or why there is none."""
    model = next(each for each in corpus.corpus() if each.file == file)
    try:
        return predict(model, TARGETS[target])
    except (Refused, GraphError) as error:
        return error


def builds() -> Iterator[str]:
    """Each build of TFLM that was measured: on how many models the prediction is equal."""
    yield from heading("build of TFLM", "target", " totals and categories", " minimum", " allocations, one by one")
    loaded = [model for model in corpus.corpus() if live()[model.file].verdict.loads]
    totals = score((recording(model, WHEEL), live()[model.file].verdict.allocations) for model in loaded)
    running = [(model, minimum) for model in loaded if (minimum := live()[model.file].minimum) is not None]
    minima = score((smallest_arena(predict(model, WHEEL).arena, nbytes)[0], nbytes) for model, nbytes in running)
    yield row("PyPI wheel, x86-64, asked live", "x86-64-wheel", totals, minima, "")
    for build, words in RECORDED_BUILDS.items():
        for target in TARGETS_OF[build]:
            yield row(words, target.name, *scores_of(build, target))
    wasm = score((recording(model, WASM32_RECORDED), model.wasm32) for model in corpus.corpus() if model.wasm32)
    yield row("wasm32, recording, as mcufit 0.5.2 ships it", "wasm32-mcufit", wasm, "", "")


RECORDED_BUILDS = {
    "m4_ref": "Cortex-M4F, under QEMU",
    "m0_ref": "Cortex-M0+, under QEMU",
    "m4_ref_intenum": "Cortex-M4F with int-sized enums, under QEMU",
    "m4_cmsis": "Cortex-M4F with CMSIS-NN (DSP), under QEMU",
    "m33nodsp_cmsis": "CMSIS-NN in plain C (no DSP), under QEMU",
    "m55_cmsis": "Cortex-M55 with CMSIS-NN (MVE), under QEMU",
    "m55_cmsis_forsize": "the same, KERNELS_OPTIMIZED_FOR_SIZE",
    "x86_64_ref": "x86-64, plain build, on a host",
    "x86_32_ref": "i386, plain build, on a host",
}


TRACED = {"m4_ref", "m4_cmsis"}
"""The builds whose every allocation was written down."""


def scores_of(build: str, target: Target) -> Iterator[Score | str]:
    """Totals and categories; minimum; allocation by allocation, where that was recorded."""
    found = [(model, model.builds[build]) for model in corpus.corpus() if build in model.builds and model.wheel]
    found = [(model, measured) for model, measured in found if measured.loads]
    yield score(
        ((predict(model, target).arena.used, recording(model, target)), (measured.used, measured.recording))
        for model, measured in found
    )
    with_minimum = [(model, measured.minimum) for model, measured in found if measured.minimum is not None]
    yield score((smallest_arena(predict(model, target).arena, size)[0], size) for model, size in with_minimum)
    traces = [(model, measured) for model, _ in found if build in TRACED and (measured := model.trace(build))]
    yield score((trace(predict(model, target)), measured) for model, measured in traces) if traces else ""


def minima() -> Iterator[str]:
    """What the measured minima say, apart from being predicted."""
    yield from heading("build of TFLM", " models", " minimum 16 bytes or more above used", " the most", STARTS)
    for build, words in RECORDED_BUILDS.items():
        found = [(used, smallest) for used, smallest, _ in measured_minima(build)]
        above = [smallest - used for used, smallest in found if smallest - used >= 16]
        shifts = score(
            (smallest + 16 - start, shifted)
            for _, smallest, starts in measured_minima(build)
            for start, shifted in starts.items()
        )
        yield row(words, len(found), len(above), f"{max(above):,}", shifts)


STARTS = " start off by 1, 4, 8: minimum grows by 15, 12, 8"


def measured_minima(build: str) -> Iterator[tuple[int, int, dict[int, int]]]:
    """Used, minimum, and the minimum by how far the arena's start is off, of each model that has been measured."""
    assert corpus.FOLDER is not None
    for entry in json.loads(Path(corpus.FOLDER, "manifest.json").read_text())["models"]:
        record = entry["arm"].get(build, {})
        minimum = record.get("min_arena", {})
        if minimum.get("bytes") is not None:
            starts = {start: minimum[f"base_off_{start}"] for start in (1, 4, 8)}
            yield record["arena_used_bytes"], minimum["bytes"], starts


def corpus_models() -> Iterator[str]:
    """Every model of the corpus: predicted and measured, and the verdict."""
    numbers = (" wheel used", " wheel minimum", " cortex-m4 used", " cortex-m4 minimum", " wasm32 recording")
    yield from heading("model", *numbers, "verdict")
    for model in sorted(corpus.corpus(), key=lambda each: each.file):
        yield row(model.file.removesuffix(".tflite"), *figures(model), verdict_of(model))


def figures(model: CorpusModel) -> Iterator[str]:
    """The numbers of a model; nothing where none was measured."""
    wheel, cortex_m4 = (predicted(model.file, name) for name in ("x86-64-wheel", "cortex-m4"))
    asked, recorded = live()[model.file], model.builds["m4_ref"]
    reported = asked.verdict.allocations
    yield cell(wheel, "used", reported.total if reported else None)
    yield cell(wheel, "minimum", asked.minimum)
    yield cell(cortex_m4, "used", recorded.used if model.wheel else None)
    yield cell(cortex_m4, "minimum", recorded.minimum if model.wheel else None)
    yield pair(recording(model, WASM32_RECORDED).total, model.wasm32.total) if model.wasm32 else ""


def cell(report: Report | Refused | GraphError, figure: str, measured: int | None) -> str:
    """A number that was predicted, against the one that was measured."""
    return pair(getattr(report.arena, figure) if isinstance(report, Report) else "refused", measured)


def pair(predicted: object, measured: int | None) -> str:
    """One number where the two agree."""
    if measured is None:
        return ""
    return f"{measured:,}" if predicted == measured else f"**{predicted}** ≠ {measured:,}"


def verdict_of(model: CorpusModel) -> str:
    """What we say, whether it runs or why not; and what TFLM says, where it comes to something else."""
    ours, theirs = refusal_by_the_wheel(model), refusal_of(live()[model.file].verdict)
    report = predicted(model.file, "x86-64-wheel")
    text = str(report) if isinstance(report, GraphError) else "runs" if ours is None else reason(ours)
    if (ours is None) == (theirs is None):
        return escaped(text)
    measured = "runs" if theirs is None else theirs.message or theirs.check
    return f"{escaped(text)} ≠ {escaped(measured)} [known](verification.md#known-deviations)"


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|").replace("<", "\\<")


# pictures

PICTURES = {
    "docs/memory-map.svg": ("models/digits_mobile_int8.tflite", "nano33ble-arduino"),
    "docs/memory-map-conv.svg": ("models/digits_conv_int8.tflite", "cortex-m4"),
}
"""The maps of arenas that the pages show: of which model, on which target."""


def picture(file: str) -> str:
    """What is to be in the file."""
    model, target = PICTURES[file]
    return svg(picture_of(refinfer.simulate(ROOT / model, target)))


CORPUS_TABLES: dict[str, Callable[[], Iterable[str]]] = {
    "builds": builds,
    "minima": minima,
    "corpus": corpus_models,
}


def main() -> None:
    """Rewrite the pages."""
    tables = TABLES | WHEEL_TABLES
    if "--corpus" in sys.argv[1:]:
        if not corpus.corpus():
            raise SystemExit(corpus.describe())
        tables |= CORPUS_TABLES
    for file in PICTURES:
        (ROOT / file).write_text(picture(file), encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        made = with_tables(with_outputs(with_results(text) if page in COURSE else text), tables)
        if made != text:
            page.write_text(made, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: changed")
    for name in notebooks.NAMES:
        notebooks.path_of(name).write_text(notebooks.notebook(name), encoding="utf-8")


if __name__ == "__main__":
    main()
