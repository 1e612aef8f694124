"""docs/testing.md shows what comes out, with the Hypothesis that it was written with; docs/operators.md adds up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from refinfer.kernels.registry import PORTABLE
from refinfer.testing import KernelMismatch
from tools import operator_table
from tools.count_cases import COUNTS, RUNS, variants

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```text\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
AS_WRITTEN = f"was printed with Hypothesis {version('hypothesis')};" in PAGE.replace("\n", " ")


def test_the_kernel_in_python_fails_as_it_says() -> None:
    source, told = next((block, BLOCKS[number + 1]) for number, block in enumerate(BLOCKS) if "def add(case)" in block)
    with pytest.raises(KernelMismatch) as raised:
        exec(compile(source, "docs/testing.md", "exec"), {})
    found = f"refinfer.testing.check.KernelMismatch: {raised.value}"
    if AS_WRITTEN:
        assert found.splitlines() == told.splitlines()
    else:
        assert found.splitlines()[0] == told.splitlines()[0]


def test_every_argument_that_is_named_exists() -> None:
    from refinfer.testing.kernels import FACTS, INPUTS

    (line,) = re.findall(r"^- Of each tensor there is (.+?)^- ", PAGE, re.MULTILINE | re.DOTALL)
    assert {name.removeprefix("_") for name in re.findall(r"`(_\w+)`", line)} == FACTS.keys()
    (line,) = re.findall(r"^- (.+?) are pointers to values", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", line)) == {*INPUTS, "output"}


# what was counted

COUNTED = json.loads(COUNTS.read_text(encoding="utf-8"))
ROWS = [
    pytest.param(found, id=f"{op}-{types}")
    for op, counts in COUNTED["counts"].items()
    for types, found in counts.items()
]


def test_every_operator_that_is_made_up_was_counted_in_every_type() -> None:
    counts = COUNTED["counts"]
    missing = [f"{each.op.name} {each.types}" for each in variants() if each.types not in counts.get(each.op.name, {})]
    assert missing == []


def test_every_case_is_counted_once() -> None:
    outcomes = {*operator_table.WORDS, "refused"}
    for counts in COUNTED["counts"].values():
        for found in counts.values():
            assert found.keys() == PORTABLE.keys()
            for dialect in PORTABLE:
                assert sum(found[dialect].get(name, 0) for name in outcomes) == COUNTED["models"] * RUNS


def test_the_table_has_every_operator_of_every_dialect() -> None:
    named = {line.split(" | ")[0].strip("| ") for line in operator_table.operators()}
    for dialect in PORTABLE.values():
        assert {op.name for op in dialect.computes} <= named
        assert dialect.custom.keys() <= named


def test_what_differs_is_known() -> None:
    """An entry leaves this list when it is mended; nothing joins it without its reason."""
    differing = {
        (op, types, dialect)
        for op, counts in COUNTED["counts"].items()
        for types, found in counts.items()
        for dialect in PORTABLE
        if found[dialect].get("different")
    }
    assert differing <= KNOWN.keys()


KNOWN = {
    ("SUM", "INT16", "litert"): "LiteRT leaves half of the output as the memory was (docs/runtime-bugs.md)",
}


def test_the_tool_counts_again_what_it_has_counted(tmp_path: Path) -> None:
    from refinfer.testing import installed

    if not all(installed(name) for name in PORTABLE):
        pytest.skip("an official runtime is not installed")
    file = tmp_path / "cases.json"
    command = [sys.executable, "-m", "tools.count_cases", "FLOOR", "--models", "3", "--json", str(file)]
    for _ in range(2):
        subprocess.run([*command, "--processes", "1"], cwd=ROOT, check=True, capture_output=True)
    counted = json.loads(file.read_text())
    found = {"equal": 3 * RUNS, "numbers": counted["counts"]["FLOOR"]["FLOAT32"]["tflm"]["numbers"]}
    assert counted["counts"] == {"FLOOR": {"FLOAT32": {"litert": found, "tflm": found}}}
