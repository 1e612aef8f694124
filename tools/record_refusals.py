"""Record why TFLM refuses what it refuses of the corpus: python -m tools.record_refusals > tests/data/refusals.json

Needs the tflite-micro wheel (Linux on x86-64) and REFINFER_CORPUS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from tests.corpus import corpus
from tests.referees.tflm import Tflm, refusal_of


def refusals() -> Iterator[dict[str, Any]]:
    """Every model that the wheel does not run, with what it prints."""
    with Tflm() as tflm:
        for model in sorted(corpus(), key=lambda model: model.file):
            verdict = tflm.run(model.data, int_mode=model.int_mode)
            refusal = refusal_of(verdict)
            if refusal is not None:
                yield {"model": model.file, "sha256": model.sha256, **asdict(refusal), "text": verdict.text.strip()}


def main() -> None:
    """Print the record, with what made it."""
    provenance = {"tool": f"tflite-micro {version('tflite-micro')}", "command": "python -m tools.record_refusals"}
    print(json.dumps({**provenance, "refusals": list(refusals())}, indent=1))


if __name__ == "__main__":
    main()
