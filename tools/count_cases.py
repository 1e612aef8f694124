"""Count on how many made-up cases refinfer computes the bits of the official runtimes: python -m tools.count_cases

Each operator is tried in each type with models that refinfer.testing makes up, the same ones for the same seed. What is
counted goes to tests/data/cases.json, of which the table in docs/operators.md is made (python -m tools.make_pages). A
run that was stopped goes on where it was; operators that are named are counted again. Linux only, with both runtimes.

    python -m tools.count_cases                       # what is missing
    python -m tools.count_cases ADD CONV_2D           # these again
    python -m tools.count_cases --models 2000 --json /tmp/more.json --seed 1
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from refinfer.kernels.kernel import Refusal
from refinfer.kernels.registry import PORTABLE
from refinfer.machine import Machine
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import RefinferError
from refinfer.testing import OPERATORS, Answer, Case, examples_of, referee
from refinfer.testing.explain import differences
from refinfer.testing.generate import runs

ROOT = Path(__file__).resolve().parents[1]
COUNTS = ROOT / "tests" / "data" / "cases.json"
MODELS, SEED, PROCESSES = 100, 0, 2
RUNS = 4  # of each model, which make a case each

PACKAGES = ("ai-edge-litert", "tflite-micro", "hypothesis")


class Variant(NamedTuple):
    """An operator in a type, and the type of its weights where there are several."""

    op: BuiltinOperator
    type: TensorType
    weights: TensorType | None

    @property
    def types(self) -> str:
        """As the table has it."""
        return self.type.name if self.weights in (None, self.type) else f"{self.type.name} x {self.weights.name}"


def variants(names: Sequence[str] = ()) -> Iterator[Variant]:
    """All, or those of the operators that are named."""
    for op, operator in OPERATORS.items():
        if not names or op.name in names:
            yield from (Variant(op, *each) for each in operator.variants())


def count(variant: Variant, models: int, seed: int) -> dict[str, Any]:
    """What came of so many models, by runtime."""
    pinned = {} if variant.weights is None else {"weights": variant.weights}
    made = examples_of(runs(variant.op, variant.type, RUNS, **pinned), models, seed)
    return {dialect: count_in(dialect, made) for dialect in PORTABLE}


def count_in(dialect: str, made: Sequence[Sequence[Case]]) -> dict[str, Any]:
    """How many cases are equal, and so on; how many numbers were compared; and one that is not as it should be."""
    found: Counter[str] = Counter()
    examples = []
    for trial in made:
        answer = referee(dialect).run(trial[0].model, *(case.inputs for case in trial))
        machine = folded(dialect, trial[0])
        for number, case in enumerate(trial):
            theirs = answer.outputs[number] if number < len(answer.outputs) else answer
            outcome, why = judge(machine, case, theirs)
            found[outcome] += 1
            if outcome == "equal":
                found["numbers"] += sum(y.elements for y in case.graph.subgraphs[0].outputs)
            elif outcome in NOTABLE:
                examples.append(f"{outcome}: {case!r}: {why}")
    return {**found, **({"example": min(examples, key=len)} if examples else {})}


def folded(dialect: str, case: Case) -> Machine | str:
    """The machine that runs all of a trial, as the runtime's interpreter does; or why there is none."""
    try:
        return Machine(case.graph, PORTABLE[dialect])
    except RefinferError as refusal:
        return str(refusal)


def judge(machine: Machine | str, case: Case, theirs: tuple[Any, ...] | Answer) -> tuple[str, str]:
    """What came of a case, in a word, and why; `theirs` is what the runtime computed, or why it did not."""
    refusal = machine if isinstance(machine, str) else ""
    try:
        ours = () if isinstance(machine, str) else machine.call(0, case.inputs)
    except (RefinferError, Refusal) as late:
        refusal = str(late)
    if refusal:
        return ("refused" if isinstance(theirs, Answer) else "only_runtime"), refusal
    if isinstance(theirs, Answer):
        return "only_refinfer", said_by(theirs)
    first = next(differences(theirs, ours), None)
    return ("equal", "") if first is None else ("different", f"{first}")


def said_by(answer: Answer) -> str:
    """Why a runtime stopped, in one line."""
    return " ".join(" ".join((answer.crash, answer.error, answer.text)).split())[:200]


NOTABLE = ("different", "only_runtime", "only_refinfer")


# the file


def read(path: Path) -> dict[str, Any]:
    """What has been counted; nothing if there is no file."""
    empty: dict[str, Any] = {"counts": {}}
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else empty


def write(path: Path, counted: Mapping[str, Any]) -> None:
    """Replace the file as a whole, so that it is never half there."""
    draft = path.with_suffix(".part")
    counts = {op.name: dict(counted["counts"][op.name]) for op in BuiltinOperator if op.name in counted["counts"]}
    draft.write_text(json.dumps({**counted, "counts": counts}, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def heading(models: int, seed: int) -> dict[str, Any]:
    """What the counts were made with."""
    return {
        "command": f"python -m tools.count_cases --models {models} --seed {seed}",
        "versions": {name: version(name) for name in PACKAGES},
        "models": models,
        "runs": RUNS,
        "seed": seed,
    }


def main() -> None:
    """Count what is missing, or what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("operators", nargs="*", help="count these again; without, all that is missing")
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", type=Path, default=COUNTS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    asked = parser.parse_args()
    counted, head = read(asked.json), heading(asked.models, asked.seed)
    if {**counted, "counts": 0} != {**head, "counts": 0}:
        counted = {**head, "counts": {}}  # other models: what has been counted does not go with them
    done = {(op, types) for op, found in counted["counts"].items() for types in found} if not asked.operators else set()
    left = [each for each in variants(asked.operators) if (each.op.name, each.types) not in done]
    started = time.monotonic()
    with ProcessPoolExecutor(asked.processes) as pool:
        jobs = {pool.submit(count, each, asked.models, asked.seed): each for each in left}
        for number, job in enumerate(as_completed(jobs), start=1):
            variant = jobs[job]
            counted["counts"].setdefault(variant.op.name, {})[variant.types] = job.result()
            write(asked.json, counted)
            print(f"{number} of {len(left)}, {time.monotonic() - started:.0f} s: {variant.op.name} {variant.types}")


if __name__ == "__main__":
    main()
