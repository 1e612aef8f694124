"""Record what TFLM takes for two arenas, and for models together: python -m tools.record_arenas LP64 ARM_EABI

Both are tools/native_arenas.cc, compiled for x86-64 and with -m32 -malign-double -fshort-enums, which lays structs out
as arm-none-eabi-gcc does. Prints tests/data/arenas.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

MODELS = Path(__file__).parents[1] / "models"
VARIABLES = {"digits_stream_float": 3, "digits_stream_int8": 3}
REFUSED = {f"digits_{name}_dynamic" for name in ("conv", "dense", "mobile", "residual", "stream")}
"""By TFLM, which has no hybrid kernels."""

TOGETHER = [
    *permutations(("digits_conv_int8", "digits_dense_int8", "digits_stream_int8")),
    ("digits_dense_float", "digits_dense_float"),
    ("digits_lstm_float", "digits_mobile_int8", "digits_residual_int8", "digits_stream_float"),
    ("digits_stream_int8", "digits_stream_float", "digits_lstm_dynamic", "digits_dense_int8", "digits_conv_float"),
]


def groups() -> Iterator[Sequence[str]]:
    """Each model by itself, and some together."""
    for path in sorted(MODELS.glob("*.tflite")):
        if path.stem not in REFUSED:
            yield (path.stem,)
    yield from TOGETHER


def measured(program: str, group: Sequence[str]) -> dict[str, Any]:
    """What the program says of these models, loaded in this order."""
    arguments = [f"{MODELS / name}.tflite:{VARIABLES.get(name, 0)}" for name in group]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the record, with what made it."""
    programs = dict(zip(("lp64", "arm_eabi"), sys.argv[1:], strict=True))
    about = {
        "tflm": "90b983c2b3f1480642e040bbd2ddb37b998f3424 (2026-08-20), with TF_LITE_STATIC_MEMORY",
        "abis": {"lp64": "g++ 12.2.0, x86-64", "arm_eabi": "g++ 12.2.0 -m32 -malign-double -fshort-enums"},
        "command": "python -m tools.record_arenas LP64 ARM_EABI",
    }
    print(f'{{\n "about": {json.dumps(about)},\n "groups": [')
    rows = [
        json.dumps({"models": group, **{abi: measured(program, group) for abi, program in programs.items()}})
        for group in groups()
    ]
    print("  " + ",\n  ".join(rows) + "\n ]\n}")


if __name__ == "__main__":
    main()
