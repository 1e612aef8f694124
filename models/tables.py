"""The tables of README.md, made of what the files are and of what the official runtimes make of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
from right_answers import RUNTIMES

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"

NETWORKS = {
    "digits_dense": "fully connected, on 8×8 pixels",
    "digits_conv": "convolutions and pooling, on 16×16 pixels",
    "digits_residual": "two residual blocks, on 8×8 pixels",
    "digits_lstm": "recurrent, on the rows of 16×16 pixels as a sequence",
    "digits_stream": "convolutions fed a row of 8 pixels a call",
    "digits_mobile": "a small MobileNet, on 96×96 pixels",
}
VARIANTS = ("int8", "float", "dynamic", "qat")


def write_tables(more: Mapping[str, str] | None = None) -> None:
    """Write the tables of networks and files anew, and others by the names of their blocks."""
    page = README.read_text(encoding="utf-8")
    for name, text in ({"networks": networks_table(), "files": files_table()} | dict(more or {})).items():
        page = replace_block(page, name, text)
    README.write_text(page, encoding="utf-8")


def path_of(name: str, variant: str) -> Path:
    return HERE / f"{name}_{variant}.tflite"


def networks_table() -> str:
    rows = [(name, what, operators(path_of(name, "int8"))) for name, what in NETWORKS.items()]
    return table(("network", "what it is", "operators"), rows)


def files_table() -> str:
    paths = [path for name in NETWORKS for variant in VARIANTS if (path := path_of(name, variant)).exists()]
    measured = [measure(runtime, paths) for runtime in RUNTIMES]
    rows = [(path.stem, str(path.stat().st_size), *(counts[path.stem] for counts in measured)) for path in paths]
    return table(("file", "bytes", *RUNTIMES), rows)


def operators(path: Path) -> str:
    """The operators of the main subgraph, each named once, in the order of their first use."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    used = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in model.subgraphs[0].operators]
    return ", ".join(names[code] for code in dict.fromkeys(used))


def measure(runtime: str, paths: list[Path]) -> dict[str, str]:
    """What right_answers.py says of each file."""
    command = [sys.executable, str(HERE / "right_answers.py"), runtime, *map(str, paths)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_block(page: str, name: str, text: str) -> str:
    """The page with new text between `<!-- name: start -->` and `<!-- name: end -->`."""
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    new, count = re.subn(f"{start}.*{end}", f"{start}\n{text}\n{end}", page, flags=re.DOTALL)
    assert count == 1, f"{README}: {count} blocks {start}, expected 1"
    return new
