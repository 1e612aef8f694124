"""The course, its notebooks, the reference and the site. Commands and Python on pages: tests/test_docs.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

import refinfer
import refinfer.testing
from refinfer.cli import COMMANDS
from tests import corpus
from tests.corpus import CorpusModel
from tools import notebooks, site_links
from tools.make_pages import COURSE, PAGES, ROOT
from tools.pycon import PYTHON, with_results

ESSAYS = [page for page in COURSE if page.name != "README.md"]
SITE = ROOT / "mkdocs.yml"

each_essay = pytest.mark.parametrize("page", ESSAYS, ids=lambda page: page.stem)
each_notebook = pytest.mark.parametrize("name", notebooks.NAMES)


# essays


@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.stem)
def test_each_page_of_the_course_begins_with_a_command(page: Path) -> None:
    title, blank, command = page.read_text(encoding="utf-8").splitlines()[:3]
    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"    (refinfer \w+ |pip install )", command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_near_the_top_of_each_page_is_something_to_paste(page: Path) -> None:
    beginning = "\n".join(page.read_text(encoding="utf-8").splitlines()[:12])
    found = re.search(r"^    (?:refinfer|pip|make|python) (.*)$|^```(?:pycon|console)$", beginning, re.MULTILINE)
    assert found is not None
    assert not re.search(r"\b[A-Z]{2,}\b|\bmodel\.tflite", (found[1] or "").partition("#")[0]), "to paste"


def test_the_course_lists_its_pages_in_their_order() -> None:
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", COURSE_INDEX, re.MULTILINE)
    assert listed == [page.name for page in ESSAYS]


COURSE_INDEX = (ROOT / "docs" / "course" / "README.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```.*?^```$|^    [^\n]+$|^\|[^\n]+$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.^*])\d[\d,]*(?:\.\d+)?(?![\w*])")
GIVEN = {"128", "127", "255", "256", "1024", "32768", "2016"}
"""Limits of 8 and 16 bits, and a year: they are not results."""
GIVEN_ON = {"09-mobilenet": {"224", "1000", "1001", "127.5"}}  # what ImageNet and its networks have


def numbers(text: str) -> set[str]:
    """Those of three digits or more, or with a fraction; without commas."""
    found = {each.strip(",").replace(",", "") for each in NUMBER.findall(text)}
    return {each for each in found if len(each.replace(".", "")) >= 3 or "." in each}


@each_essay
def test_a_number_in_a_sentence_stands_in_what_was_computed_too(page: Path) -> None:
    text = page.read_text(encoding="utf-8").partition("## To try")[0]
    prose = re.sub(r"\]\([^)]*\)", "]", BLOCK.sub("", text))
    computed = numbers("\n".join(BLOCK.findall(text)).replace("_", ""))
    assert numbers(prose) - GIVEN - GIVEN_ON.get(page.stem, set()) - computed == set()


def test_numbers_are_found_with_commas_and_fractions() -> None:
    text = "int8 and 2**31 are none; 12 is small; 1,204 bytes, 0.7 and 360."
    assert numbers(text) == {"1204", "0.7", "360"}


# Python on pages


def test_results_are_put_under_statements() -> None:
    page = "```pycon\n>>> x = 2\n>>> x + 1\n0\n>>> print()\n>>> for y in (x,):\n...     print(y)\n```\n"
    made = "```pycon\n>>> x = 2\n>>> x + 1\n3\n>>> print()\n<BLANKLINE>\n>>> for y in (x,):\n...     print(y)\n2\n```\n"
    assert with_results(page) == made == with_results(made)


def test_a_mistake_of_a_page_is_raised_unless_it_shows_a_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        with_results("```pycon\n>>> 1 / 0\n```\n")
    shown = "```pycon\n>>> 1 / 0\nTraceback (most recent call last):\nZeroDivisionError: division by zero\n```\n"
    assert with_results(shown) == shown


def five_best() -> Callable[..., list[tuple[int, float]]]:
    """The function of the page about MobileNets."""
    page = (ROOT / "docs" / "course" / "09-mobilenet.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^>>> (def five_best.*?)^>>>", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"np": np}
    exec(re.sub(r"^\.\.\. ", "", lines, flags=re.MULTILINE), names)
    found: Callable[..., list[tuple[int, float]]] = names["five_best"]
    return found


MOBILENETS = [pytest.param(model, id=model.file) for model in corpus.corpus() if "mobilenet_v" in model.file]


@pytest.mark.parametrize("model", MOBILENETS or [corpus.NO_CORPUS])
def test_the_five_best_of_a_mobilenet_are_those_of_litert(model: CorpusModel) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow makes the picture; it is not installed")
    graph = refinfer.read_model(model.data)
    if [len(tensor.shape) for tensor in (*graph.subgraphs[0].inputs, *graph.subgraphs[0].outputs)] != [4, 2]:
        pytest.skip("not a picture in and scores out")
    rows, columns = np.mgrid[:300, :400]
    picture = pillow.fromarray(np.stack([columns % 256, rows % 256, (columns * rows) % 251], -1).astype(np.uint8))
    reference = LiteRT(model_content=model.data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    labels = range(graph.subgraphs[0].outputs[0].elements)
    ours, theirs = (
        five_best()(each, picture, labels, 127.5, 127.5)
        for each in (refinfer.Interpreter(model_content=model.data), reference)
    )
    assert ours == theirs


# notebooks


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebooks.path_of(name).read_text(encoding="utf-8"))["cells"]
    return found


@each_notebook
def test_a_notebook_is_made_of_its_page(name: str) -> None:
    assert notebooks.path_of(name).read_text(encoding="utf-8") == notebooks.notebook(name)


@each_notebook
def test_a_notebook_has_every_statement_of_its_page(name: str) -> None:
    page = (notebooks.COURSE / f"{name}.md").read_text(encoding="utf-8")
    lines = [
        line[4:] for block in PYTHON.findall(page) for line in block.splitlines() if line.startswith((">>> ", "... "))
    ]
    sources = "\n".join(cell["source"] for cell in cells(name) if cell["cell_type"] == "code").splitlines()
    left = iter(sources)
    assert all(line in left for line in lines)


def test_every_notebook_is_one_of_the_list() -> None:
    assert {path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb")} == set(notebooks.NAMES)


@pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None,
    reason="pip install 'refinfer[docs]' runs notebooks",
)
@each_notebook
@pytest.mark.filterwarnings("default")  # those of Jupyter are not ours
def test_a_notebook_comes_to_what_it_shows(name: str) -> None:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(notebooks.path_of(name), as_version=4)
    nbformat.validate(book)
    shown = [text_of(cell) for cell in book.cells]
    client = NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(notebooks.NOTEBOOKS)}}
    )
    client.execute()
    for before, cell in zip(shown, book.cells, strict=True):
        assert before in ("", text_of(cell)), cell.source


def text_of(cell: Any) -> str:
    """What a cell shows, without white space, which Jupyter sets in its own way."""
    texts = (each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.get("outputs", []))
    return re.sub(r"\s", "", "".join(texts))


# the site


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = re.findall(r"^ +- (?:.+: )?([\w/-]+\.md)$", SITE.read_text(encoding="utf-8"), re.MULTILINE)
    pages = sorted((ROOT / "docs").rglob("*.md"))
    assert sorted(navigation) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in pages)


def test_what_lies_outside_the_documentation_gets_a_page() -> None:
    outside = site_links.reachable([page for page in PAGES if page.is_relative_to(site_links.DOCS)])
    assert ROOT / "CONTRIBUTING.md" in outside
    for path in outside:
        assert site_links.path_of(site_links.uri_of(path)) == path
        assert site_links.shown(path)


def test_a_link_that_the_site_cannot_follow_is_none() -> None:
    page = ROOT / "docs" / "cli.md"
    assert site_links.resolved(page, "json.md") == ROOT / "docs" / "json.md"
    assert site_links.resolved(page, "decisions/") == ROOT / "docs" / "decisions" / "README.md"
    assert site_links.resolved(page, "../LICENSE") is None
    assert site_links.resolved(page, "../../elsewhere.md") is None


# the reference


def test_the_reference_has_every_command_and_every_option() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## refinfer (\w+)$", text, re.MULTILINE) == list(COMMANDS)
    for _, _, options in COMMANDS.values():
        for flags, _ in options:
            assert not flags[0].startswith("-") or f"| `{flags[0]}" in text


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^### (refinfer[\w.]*)$", text, re.MULTILINE))
    expected = {f"refinfer.{name}" for name in refinfer.__all__}
    expected |= {f"refinfer.testing.{name}" for name in refinfer.testing.__all__ if name != "OPERATORS"}  # a table
    assert listed == expected | {"refinfer.runtime.Interpreter"}
