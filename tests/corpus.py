"""Real models, written by other people, with what real builds of TFLM made of them; and how we judge by them.

The models are not in the repository: REFINFER_CORPUS names the folder that holds them and their manifest. Without it
the tests that need them are skipped and say so. A sample is taken, in which every operator occurs with every
combination of types that any model has, unless REFINFER_CORPUS_ALL is set.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.referees.tflm import Allocations, Category

FOLDER = os.environ.get("REFINFER_CORPUS")
ALL = os.environ.get("REFINFER_CORPUS_ALL", "") not in ("", "0")
DEVIATIONS = Path(__file__).with_name("deviations.toml")

BUILDS = (
    *("m4_ref", "m0_ref", "x86_64_ref", "m4_ref_intenum", "x86_32_ref"),
    *("m4_cmsis", "m33nodsp_cmsis", "m55_cmsis", "m55_cmsis_forsize"),
)
"""The recorded builds: with TFLM's reference kernels, then with CMSIS-NN."""

NO_CORPUS = pytest.param(None, id="no-corpus", marks=pytest.mark.skip(reason="REFINFER_CORPUS names no folder"))


@dataclass(frozen=True)
class Recorded:
    """What one build of TFLM, run under an emulator or on a host, did with a model.

    `used` is what a plain interpreter reports; `recording` what one with a RecordingMicroAllocator does. `minimum` is
    the smallest arena, to the byte, at a 16-aligned address; `multiple_of_16` the smallest of these sizes. All are
    None for a model that does not load.
    """

    loads: bool
    runs: bool
    used: int | None
    recording: Allocations | None
    minimum: int | None
    multiple_of_16: int | None


@dataclass(frozen=True)
class Trace:
    """Every allocation of one build, in its order, of a program that keeps the allocator outside the arena.

    `tail` holds (size, alignment, tail bytes in use after it), `planned` holds (size, first, last, offset),
    `scratch` the sizes that the operators asked for.
    """

    tail: tuple[tuple[int, int, int], ...]
    planned: tuple[tuple[int, int, int, int], ...]
    scratch: tuple[int, ...]


@dataclass(frozen=True)
class Outputs:
    """What a runtime computed from the random inputs of the seeds 0, 1 and 2: sha256 of the bytes of all outputs.

    `fresh` is of an interpreter for each seed; `in_sequence` of one for all, and only recorded where a model remembers.
    """

    int_mode: str
    fresh: tuple[str, ...]
    in_sequence: tuple[str, ...]


@dataclass(frozen=True)
class CorpusModel:
    """A model and everything recorded of it.

    `operators` are operators with their version and types: "ADD v1 (float32,float32)->(float32)". `int_mode` says
    what integers may be fed to it. `wheel` is the recording of the PyPI wheel, None where that does not load it;
    `wasm32` that of a recording build with 100 resource variables. `outputs` has the dialects whose runtime runs
    the model.
    """

    file: str
    sha256: str
    nbytes: int
    kind: str
    traits: frozenset[str]
    operators: frozenset[str]
    int_mode: str
    output_sha256: str | None
    wheel: Allocations | None
    builds: Mapping[str, Recorded]
    wasm32: Allocations | None
    outputs: Mapping[str, Outputs]

    @property
    def runs(self) -> bool:
        """Whether the wheel loads it and runs it."""
        return self.output_sha256 is not None

    @property
    def path(self) -> Path:
        """Where the file is."""
        assert FOLDER is not None
        return Path(FOLDER, self.file)

    @property
    def data(self) -> bytes:
        """The file, proven to be the one that was recorded."""
        data = self.path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == self.sha256, f"{self.file} is not the file of the manifest"
        return data

    def trace(self, build: str) -> Trace | None:
        """The recorded allocations, one by one."""
        return _trace(traces().get(self.sha256, {}).get(build))


@cache
def corpus() -> tuple[CorpusModel, ...]:
    """Every model of the corpus; none if there is no corpus."""
    if FOLDER is None:
        return ()
    manifest = json.loads(Path(FOLDER, "manifest.json").read_text())
    return tuple(sorted(map(_model, manifest["models"]), key=lambda model: (model.nbytes, model.sha256)))


@cache
def traces() -> Mapping[str, Any]:
    """The recorded allocations of every model, by its sha256, then by build."""
    assert FOLDER is not None
    traces: Mapping[str, Any] = json.loads(gzip.decompress(Path(FOLDER, "traces.json.gz").read_bytes()))
    return traces


@cache
def sample() -> tuple[CorpusModel, ...]:
    """The models that the tests take: all of them, or the smallest that together show all there is."""
    return corpus() if ALL else tuple(_cover(corpus()))


def models(*, having: str | None = None) -> list[Any]:
    """Parameters for a test: the sample, or those of it that have what `having` names."""
    chosen = [model for model in sample() if having is None or getattr(model, having)]
    return [pytest.param(model, id=model.file) for model in chosen] if corpus() else [NO_CORPUS]


def describe() -> str:
    """What the tests of this session look at, in a line."""
    if FOLDER is None:
        return "corpus: no models (REFINFER_CORPUS is not set): tests that need them are skipped"
    rest = "" if ALL else " (set REFINFER_CORPUS_ALL=1 for all)"
    return f"corpus: {len(sample())} of {len(corpus())} models in {FOLDER}{rest}"


def _cover(models: tuple[CorpusModel, ...]) -> Iterator[CorpusModel]:
    """Each model, smallest first, that has an operator, a kind or a trait that none before it has."""
    known_to_deviate = {entry["model"] for entry in deviations()}
    seen: set[str] = set()
    for model in models:
        features = model.operators | model.traits
        if features - seen or model.file in known_to_deviate:
            yield model
        seen |= features


def _model(entry: Mapping[str, Any]) -> CorpusModel:
    wheel, wasm32 = entry["tflm"], entry.get("wasm32")
    return CorpusModel(
        file=entry["file"],
        sha256=entry["sha256"],
        nbytes=entry["size"],
        kind=entry["kind"],
        traits=frozenset(_traits(entry)),
        operators=frozenset(entry["ops"]),
        int_mode=wheel["int_mode"],
        output_sha256=wheel.get("sha_s0"),
        wheel=_of_the_wheel(wheel["allocations"]) if wheel["allocations"].get("TfLiteEvalTensor data") else None,
        builds={name: _recorded(build) for name, build in entry["arm"].items()},
        wasm32=_of_wasm32(wasm32) if wasm32 else None,
        outputs={
            dialect: _outputs(record)
            for dialect, record in (("litert", entry["litert"]["REF"]), ("tflm", wheel))
            if "sha_s0" in record
        },
    )


def _outputs(record: Mapping[str, Any]) -> Outputs:
    in_sequence = tuple(record[f"sha_seq{seed}"] for seed in range(3)) if "sha_seq0" in record else ()
    return Outputs(record["int_mode"], tuple(record[f"sha_s{seed}"] for seed in range(3)), in_sequence)


def _traits(entry: Mapping[str, Any]) -> Iterator[str]:
    """What makes a model of another sort, beyond its operators."""
    yield f"{entry['kind']} of {entry['scheme']}"
    yield f"wheel: {entry['tflm']['status']}"
    yield from entry["control_flow"]
    yield from (name for name in ("variable_tensors", "resource_variables") if entry[name])


def _recorded(build: Mapping[str, Any]) -> Recorded:
    loads, minimum = build["alloc_rc"] == 0, build.get("min_arena", {})
    return Recorded(
        loads=loads,
        runs=build.get("invoke_rc") == 0,
        used=build["arena_used_bytes"] if loads else None,
        recording=_of_a_build(build["recording"]) if loads else None,
        minimum=minimum.get("bytes"),
        multiple_of_16=minimum.get("mult16"),
    )


def _of_the_wheel(record: Mapping[str, Any]) -> Allocations:
    return _allocations(record["total"], record["head"], record["tail"], {k: record[k] for k in NAMES if k in record})


def _of_a_build(record: Mapping[str, Any]) -> Allocations:
    categories = {ENUM_NAMES[name]: each for name, each in record["types"].items()}
    return _allocations(record["total"], record["head"], record["tail"], categories)


def _of_wasm32(record: Mapping[str, Any]) -> Allocations:
    arena = record["arena"]
    categories = {WASM_NAMES[name]: each for name, each in record["table"].items()}
    return _allocations(arena["Total"], arena["NonPersistent"], arena["Persistent"], categories)


def _allocations(total: int, head: int, tail: int, categories: Mapping[str, Mapping[str, int]]) -> Allocations:
    """As the wheel prints them: without the categories that are empty."""
    read = {name: Category(each["used"], each["requested"], each["count"]) for name, each in categories.items()}
    return Allocations(total, head, tail, {name: each for name, each in read.items() if each.used or each.requested})


def _trace(record: Mapping[str, Any] | None) -> Trace | None:
    if record is None:
        return None
    return Trace(
        tail=tuple((size, align, used) for size, align, used, *_ in record["persist"]),
        planned=tuple((size, first, last, offset) for size, first, last, _, offset in record["plan"]),
        scratch=tuple(size for *_, scratch in record["nodes"] for size in scratch),
    )


ENUM_NAMES = {
    "TfLiteEvalTensorData": "TfLiteEvalTensor data",
    "PersistentTfLiteTensorData": "Persistent TfLiteTensor data",
    "PersistentTfLiteTensorQuantizationData": "Persistent TfLiteTensor quantization data",
    "PersistentBufferData": "Persistent buffer data",
    "TfLiteTensorVariableBufferData": "TfLiteTensor variable buffer data",
    "NodeAndRegistrationArray": "NodeAndRegistration struct",
    "OpData": "Operator runtime data",
}
"""The categories as RecordedAllocationType spells them, and as PrintAllocations does."""

WASM_NAMES = dict(
    zip(
        (
            "Eval tensor data",
            "Persistent tensor data",
            "Persistent quantization data",
            "Persistent buffer data",
            "Tensor variable buffer data",
            "Node and registration array",
            "Operation data",
        ),
        ENUM_NAMES.values(),
        strict=True,
    )
)
NAMES = tuple(ENUM_NAMES.values())


@cache
def deviations() -> tuple[Mapping[str, str], ...]:
    """Where prediction and measurement are known to differ, and why: model, check, cause."""
    return tuple(tomllib.loads(DEVIATIONS.read_text()).get("deviation", ()))


def unknown_deviations() -> list[Mapping[str, str]]:
    """Entries that excuse nothing, for no such model or check exists."""
    known = {model.file for model in corpus()}
    return [entry for entry in deviations() if entry["model"] not in known or entry["check"] not in CHECKS]


def agree(model: CorpusModel, check: str, predicted: object, measured: object) -> None:
    """Assert that the two are equal; or, where they are known to deviate, that they still do."""
    assert check in CHECKS
    causes = [entry["cause"] for entry in deviations() if (entry["model"], entry["check"]) == (model.file, check)]
    if causes:
        assert predicted != measured, f"{model.file} no longer deviates in {check!r}: delete its entry"
    else:
        assert predicted == measured, f"{model.file}: {check}"


CHECKS = {
    *(f"{figure} on the wheel" for figure in ("recording", "minimum")),
    *(f"{figure} on {build}" for build in BUILDS for figure in ("used", "recording", "minimum")),
    *(f"{sequence} on {build}" for build in ("m4_ref", "m4_cmsis") for sequence in ("tail", "plan", "scratch")),
    "recording on wasm32",
    "outputs in litert",
    "outputs in tflm",
    "refused",
    "when refused",
    "refused operator",
    "refused node",
    "reason",
}
"""What a model may be known to deviate in."""
