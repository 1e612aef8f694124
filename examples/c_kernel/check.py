"""Test fully_connected.c against refinfer: the right one passes, the one with a planted bug is found.

    python examples/c_kernel/check.py

Needs a C compiler, and the packages of refinfer[testing].
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import KernelMismatch, c_kernel, check_kernel

SOURCE = Path(__file__).with_name("fully_connected.c")
ARGUMENTS = (
    "input, filter, bias, output_rows, filter_depth, filter_rows, input_offset, output_offset, "
    "output_multiplier, output_shift, activation_min, activation_max, output"
)


def compiled(folder: str, *flags: str) -> Path:
    """The shared library that the compiler makes of the source."""
    library = Path(folder, "".join(["fully_connected", *flags, ".so"]))
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", *flags, str(SOURCE), "-o", str(library)], check=True)
    return library


def check(library: Path) -> int:
    """How many cases were compared; raises KernelMismatch."""
    return check_kernel(
        c_kernel(library, "fully_connected_int8", ARGUMENTS, dialect="tflm"),
        BuiltinOperator.FULLY_CONNECTED,
        TensorType.INT8,
        dialect="tflm",
        examples=500,
        seed=3,
        weights=TensorType.INT8,  # what the kernel is for
        per_channel=False,
    )


def main() -> int:
    """Both kernels; 0 if they are judged as they should be."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"The right one: {check(compiled(folder))} cases, all equal.")
        try:
            check(compiled(folder, "-DPLANTED_BUG"))
        except KernelMismatch as mismatch:
            print(f"The other one:\n{mismatch}")
            return 0
    print("The planted bug was not found.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
