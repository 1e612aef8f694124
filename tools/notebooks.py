"""Pages of the course as notebooks: prose and Python are those of the page, and so is what comes out.

`python -m tools.make_pages` writes them. In a page, a comment `<!-- notebook: report -->` is one more line of Python
for the notebook alone, where a value shows itself as a picture.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.pycon import PYTHON, ROOT, examples

COURSE, NOTEBOOKS = ROOT / "docs" / "course", ROOT / "docs" / "notebooks"
NAMES = ("02-quantization", "04-arena", "05-four-modes", "06-smaller-files", "10-testing-kernels")

ALONE = re.compile(r"^<!-- notebook: (.+) -->\n", re.MULTILINE)
SIBLING = re.compile(r"\]\((\d\d-[\w-]+\.md)")
START = "# Paths are from the root of the checkout.\nimport os\n\nos.chdir('../..')"

Cell = dict[str, Any]


def notebook(name: str) -> str:
    """The notebook of a page, as JSON."""
    text = COURSE.joinpath(f"{name}.md").read_text(encoding="utf-8")
    cells = [code(START), *cells_of(text)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def cells_of(text: str) -> Iterator[Cell]:
    """Prose, Python, prose, ..."""
    pieces = PYTHON.split(ALONE.sub("```pycon\n>>> \\1\n```\n", text))
    for number, piece in enumerate(pieces):
        if number % 2:
            yield from code_cells(piece)
        elif piece.strip():
            yield {"cell_type": "markdown", "metadata": {}, "source": SIBLING.sub(r"](../course/\1", piece.strip())}


def code_cells(block: str) -> Iterator[Cell]:
    """The statements of a block; a cell ends where something comes out."""
    sources: list[str] = []
    for example in examples(block):
        sources.append(example.source)
        if example.want:
            yield code("".join(sources).rstrip(), example.want, is_value=is_expression(example.source))
            sources.clear()
    if sources:
        yield code("".join(sources).rstrip())


def is_expression(source: str) -> bool:
    """Whether what comes out is the value, and not what was printed on the way."""
    (statement,) = ast.parse(source).body
    printed = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return isinstance(statement, ast.Expr) and not (printed and ast.unparse(statement.value.func) == "print")  # type: ignore[attr-defined]


def code(source: str, out: str = "", is_value: bool = False) -> Cell:
    """A cell of Python with what comes out."""
    value = {
        "output_type": "execute_result",
        "execution_count": None,
        "metadata": {},
        "data": {"text/plain": out.rstrip()},
    }
    printed = {"output_type": "stream", "name": "stdout", "text": out}
    outputs = [value if is_value else printed] if out else []
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": outputs, "source": source}


def path_of(name: str) -> Path:
    """Where the notebook of a page lies."""
    return NOTEBOOKS / f"{name}.ipynb"
