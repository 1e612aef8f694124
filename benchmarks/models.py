"""The models that are timed: our own, and of the folder REFINFER_CORPUS, if there is one, those of KINDS.

Models of other people are looked up by name: of the file, or of the places that manifest.json says it comes from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SAMPLES = Path(__file__).resolve().parents[1] / "models"


class Model(NamedTuple):
    """A model's file, and what to call it."""

    name: str
    path: str


def chosen(files: Sequence[str]) -> list[Model]:
    """These files; if none are named, our own models and those of the corpus."""
    if files:
        return [Model(Path(file).stem, file) for file in files]
    own = [Model(path.stem, str(path)) for path in sorted(SAMPLES.glob("*.tflite"))]
    corpus = os.environ.get("REFINFER_CORPUS")
    return own + (list(of_corpus(Path(corpus))) if corpus else [])


def of_corpus(folder: Path) -> Iterator[Model]:
    """The first models of each kind, the smallest first; a kind of which there are none is left out."""
    entries = sorted(json.loads((folder / "manifest.json").read_text())["models"], key=lambda each: each["size"])
    taken: set[str] = set()
    for kind, (pattern, most) in KINDS.items():
        found = [each for each in entries if each["file"] not in taken and is_of_kind(each, pattern)]
        for number, entry in enumerate(found[:most], 1):
            taken.add(entry["file"])
            yield Model(kind if len(found[:most]) == 1 else f"{kind}_{number}", str(folder / entry["file"]))


def is_of_kind(entry: Mapping[str, Any], pattern: str) -> bool:
    """Whether the pattern is found in a name of a network that an official runtime runs: "scheme operators names"."""
    names = (entry["file"], *(source["path"] for source in entry["sources"]))
    text = " ".join((entry["scheme"], *(operator.split()[0] for operator in entry["ops"]), *names))
    runs = any("sha_s0" in record for record in (entry["litert"]["REF"], entry["tflm"]))
    return entry["kind"] == "network" and runs and re.search(pattern, text, re.IGNORECASE) is not None


def random_inputs(shapes: Sequence[Sequence[int]], dtypes: Sequence[Any], seed: int) -> list[Any]:
    """Integers of 8 and 16 bits over their whole range, wider ones small, floats of a normal distribution."""
    generator = np.random.default_rng(seed)
    return [_random(generator, tuple(shape), np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)]


def _random(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.asarray(generator.standard_normal(shape)).astype(dtype)
    if dtype.kind == "b" or dtype.itemsize > 2:
        return generator.integers(0, 2, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)


KINDS = {
    # MLPerf Tiny's kinds
    "kws": (r"^int8 .*kws_ref_model", 1),
    "vww": (r"^int8 .*vww", 1),
    "resnet": (r"^int8 .*resnet", 1),
    "anomaly": (r"^int8 .*(ad01|anomaly|autoencoder)", 2),
    "dense": (r"^int8 .*lenet-300", 1),
    "streaming": (r"^int8 .*(str_ww|basic_tf_stub|okay_nabu)", 2),
    # larger
    "person_detect": (r"^int8 .*(?<!yolo_)person_detect", 1),
    "mobilenet_v1": (r"^u?int8 .*mobilenet_?v1", 1),
    "mobilenet_v2": (r"^u?int8 .*mobilenet_?v2", 4),
    "squeezenet": (r"squeezenet", 1),
    "yolo": (r"^int8 .*yolo", 2),
    "detector": (r"^int8 .*(nanodet|ssd_slim)", 2),
    # of other arithmetic
    "int16x8": (r"^int16x8", 2),
    "lstm": (r"^int8 .*SEQUENCE_LSTM", 1),
    "lstm_float": (r"^float32 .*SEQUENCE_LSTM", 1),
    "float": (r"^float32 .*CONV_2D.*(kws_m_fp32|keyword_spotting|image_example)", 2),
}
"""A kind's name → what is searched for in "scheme operators names", and how many models are taken."""
