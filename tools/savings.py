"""What plans save, model by model: `make savings`, or python -m tools.savings > FILE

Plans every model of models/ and, if REFINFER_CORPUS names their folder, every network of the corpus, and prints what
each lever came to. The tables of docs/savings.md are made of the record, by `python -m tools.make_pages`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from refinfer.planning import PORTABLE, plan
from refinfer.schema import read_model
from refinfer.simulator import Refused
from tests import corpus
from tools.overlap_table import head, line

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "tests" / "data" / "savings.json"

REFERENCE, CMSIS_NN, ANY = "cortex-m4", "cortex-m4+cmsis-nn", "portable"
PLANS: dict[str, tuple[Sequence[str], bool]] = {
    REFERENCE: ((REFERENCE,), False),
    CMSIS_NN: ((CMSIS_NN,), True),
    ANY: (PORTABLE, False),
}
"""The targets of each plan, and whether 1×1 convolutions may be dilated; arenas are those of the first target."""


# the record


def models() -> Iterator[tuple[str, Path, str]]:
    """Name, file and source of each model."""
    for path in sorted((ROOT / "models").glob("*.tflite")):
        yield f"models/{path.stem}", path, "this repository"
    if corpus.FOLDER:
        manifest = json.loads(Path(corpus.FOLDER, "manifest.json").read_text(encoding="utf-8"))
        for entry in sorted(manifest["models"], key=lambda entry: str(entry["file"])):
            if entry["kind"] == "network":
                first = entry["sources"][0]
                yield entry["file"].removesuffix(".tflite"), Path(corpus.FOLDER, entry["file"]), first["repo"]


def planned(path: Path) -> dict[str, list[list[int]]]:
    """Of each plan that some target runs, lever by lever: smallest arena, head, and lower bound of heads."""
    graph, found = read_model(path), {}
    for name, (targets, dilate) in PLANS.items():
        try:
            made = plan(graph, targets, dilate=dilate)
        except Refused:
            continue
        if next(iter(made.before)) == targets[0]:
            found[name] = [[gain.minimum, gain.head, gain.lower_bound] for gain in made.gains]
    return found


def main() -> None:
    """Print the record, a model a line."""
    print(
        '{\n "about": {"command": "python -m tools.savings", "levers": "greedy, placed, reordered, overlaid, dilated"},'
    )
    rows = []
    for name, path, source in models():
        if plans := planned(path):
            record = {"sha256": sha256(path.read_bytes()).hexdigest(), "source": source, "plans": plans}
            rows.append(f"  {json.dumps(name)}: {json.dumps(record)}")
            print(name, file=sys.stderr)
    print(' "models": {\n' + ",\n".join(rows) + "\n }\n}")


# the tables


class Saving(NamedTuple):
    """A model, what it takes by TFLM's own plan, and by the best with these levers."""

    model: str
    source: str
    greedy: int
    planned: int
    head: int
    bound: int

    @property
    def share(self) -> float:
        """The part of the arena that is saved, in percent."""
        return 100 * (self.greedy - self.planned) / self.greedy


def record() -> Mapping[str, Any]:
    """What was recorded, by model."""
    models: Mapping[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))["models"]
    return models


GREEDY, REORDERED, OVERLAID, DILATED = 0, 2, 3, 4
"""The lines of the levers, each on top of those before it."""


def savings(name: str, lever: int = OVERLAID) -> list[Saving]:
    """The models of that plan with the levers up to this one, those that save most first."""
    found = [
        Saving(model, each["source"], each["plans"][name][GREEDY][0], *each["plans"][name][lever])
        for model, each in record().items()
        if name in each["plans"]
    ]
    return sorted(found, key=lambda saving: (-saving.share, saving.model))


def summary() -> Iterator[str]:
    """How many models save how much with each plan."""
    yield from head(
        "plan", "levers", " models", " save something", " 10 % or more", " 20 %", " 30 %", " most", " proven"
    )
    for name, lever, words in SUMMARY:
        found = savings(name, lever)
        counts = (sum(each.share >= least for each in found) for least in (0.005, 10, 20, 30))
        proven = sum(each.head <= each.bound for each in found)
        yield line(name, words, len(found), *counts, f"{found[0].share:.1f} %", proven)


SUMMARY = (
    (REFERENCE, REORDERED, "placed, reordered"),
    (REFERENCE, OVERLAID, "and overlaid"),
    (CMSIS_NN, REORDERED, "placed, reordered"),
    (CMSIS_NN, OVERLAID, "and overlaid"),
    (CMSIS_NN, DILATED, "and dilated"),
    (ANY, REORDERED, "placed, reordered"),
    (ANY, OVERLAID, "and overlaid"),
)


def reference() -> Iterator[str]:
    """Each model that a plan for the reference kernels makes smaller."""
    yield from head("model", "from", *(f" {title}" for title in FIGURES))
    for each in savings(REFERENCE):
        if each.planned < each.greedy:
            yield line(each.model, each.source, *figures(each))


def cmsis_nn() -> Iterator[str]:
    """Each model that a plan for CMSIS-NN makes smaller, with dilations and without."""
    without = {each.model: each for each in savings(CMSIS_NN, OVERLAID)}
    yield from head("model", "from", " without dilation", " saved", *(f" {title}" for title in FIGURES))
    for each in savings(CMSIS_NN, DILATED):
        if each.planned < each.greedy:
            plain = without[each.model]
            yield line(each.model, each.source, f"{plain.planned:,}", f"{plain.share:.1f} %", *figures(each))


FIGURES = ("greedy", "planned", "saved", "head", "lower bound", "proven")


def figures(saving: Saving) -> Iterator[str]:
    """The cells of these columns."""
    yield from (f"{saving.greedy:,}", f"{saving.planned:,}", f"{saving.share:.1f} %", f"{saving.head:,}")
    yield from (f"{saving.bound:,}", "yes" if saving.head <= saving.bound else "")


if __name__ == "__main__":
    main()
