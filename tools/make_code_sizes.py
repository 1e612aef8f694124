"""Make refinfer/fitting/code_sizes.json from a record of linked programs.

    python -m tools.make_code_sizes RECORD.json > refinfer/fitting/code_sizes.json

The record has, for each build, the sizes of linked programs: the interpreter without operators, what registering each
operator adds, and whole programs. Bytes of flash are text and data, without what an empty program takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from refinfer.kernels.registry import TFLM, TFLM_CUSTOM, resolver_method

BUILDS = {
    "cortex-m4": "m4_ref_defaultopt",
    "cortex-m0": "m0plus_ref_allOs",
    "cortex-m4+cmsis-nn": "m4_cmsis_defaultopt",
}
"""By target, the recorded build: kernels with -O2 as TFLM's Makefile has it, all with -Os on Cortex-M0+."""
ABOUT = {
    "what": "bytes of flash (text and data) of linked programs of TFLM, without what an empty program takes",
    "tflm": "90b983c2b (2026-08-20), CMSIS-NN 4ab83cc, arm-none-eabi-gcc 12.2.1, newlib, --gc-sections",
    "flags": "interpreter with -Os; kernels with -O2, but -Os for cortex-m0; error strings in, no printf",
}


def build(record: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of one build: the interpreter, each operator by its name in the registry, and whole programs."""
    empty = flash(record["empty"])
    added = record["per_op_increment"]
    names = [*(op.name for op in TFLM), *TFLM_CUSTOM]
    methods = {name: resolver_method(name).removeprefix("Add").lower() for name in names}
    by_method = {name.lower(): each for name, each in added.items() if "text" in each}
    operators = {name: flash(by_method[method]) for name, method in methods.items() if method in by_method}
    programs = {
        " ".join(sorted(each["ops"])): flash(each) - empty
        for each in record["per_model_program"].values()
        if "text" in each
    }
    return {"interpreter": flash(record["interpreter_core"]) - empty, "operators": operators, "programs": programs}


def flash(sizes: Mapping[str, int]) -> int:
    """Bytes that a program of these sections takes in flash."""
    return sizes["text"] + sizes["data"]


def main() -> None:
    """Print the table made of the record whose path is the argument."""
    with open(sys.argv[1], encoding="utf-8") as file:
        record = json.load(file)
    table = {"about": ABOUT, "builds": {target: build(record[name]) for target, name in BUILDS.items()}}
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
