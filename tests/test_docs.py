"""What the pages show is what comes out: commands, Python, tables. `python -m tools.make_pages` writes it anew."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from doctest import DocTest, DocTestParser, DocTestRunner
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import refinfer
from refinfer.cli import COMMANDS
from refinfer.simulator import Refused
from refinfer.simulator.allocate import allocate
from refinfer.simulator.arena import tail_used
from refinfer.simulator.targets import TARGETS
from tests import corpus
from tests.comparisons import WASM32_RECORDED, WHEEL, predict, recording
from tests.corpus import CorpusModel
from tests.referees.tflm import INSTALLED, Tflm
from tools.make_pages import (
    CORPUS_TABLES,
    PAGES,
    PICTURES,
    ROOT,
    TABLES,
    WHEEL_TABLES,
    picture,
    run,
    with_outputs,
    with_tables,
)

TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
MANUAL, MODEL_TABLE = "docs/cli.md", "docs/verification-models.md"

each_page = pytest.mark.parametrize("page", TEXTS)
needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


# commands

COMMAND = re.compile(r"^(?:    |- run: )(refinfer .+)$|`(refinfer [^`]+\.tflite[^`]*)`", re.MULTILINE)
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.\.\.|--help")
AROUND = re.compile(r" (?:>|\|\|) .*")
STATED = re.compile(r"#.* exit code (\d)")
AS_STATED, YES_OR_NO = {0}, {0, 1}


def commands() -> Iterator[Any]:
    """Every command that is not a pattern to be filled in, and the exit codes that are right."""
    for page, text in TEXTS.items():
        for command in dict.fromkeys(chain.from_iterable(COMMAND.findall(text))):
            if command and not PLACEHOLDER.search(command):
                codes = {int(code) for code in STATED.findall(command)}
                # The manual says model.tflite, which is anybody's: whether it fits is not stated.
                yield pytest.param(command, codes or (YES_OR_NO if page == MANUAL else AS_STATED), id=command)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("workplace")
    kept = {*MODELS, "digit_7.png", "digits_held_out.npz"}
    shutil.copytree(ROOT / "models", folder / "models", ignore=lambda _, names: set(names) - kept)
    shutil.copy(ROOT / "models" / "digits_conv_int8.tflite", folder / "model.tflite")
    (own_board,) = re.findall(r"^```toml\n(.+?)^```$", TEXTS["docs/boards.md"], re.MULTILINE | re.DOTALL)
    (folder / "node.toml").write_text(own_board, encoding="utf-8")
    (own_target,) = re.findall(r"^```toml\n(.+?)^```$", TEXTS["docs/targets.md"], re.MULTILINE | re.DOTALL)
    (folder / "mine.toml").write_text(own_target, encoding="utf-8")
    return folder


MODELS = {path.name for path in (ROOT / "models").glob("*.tflite")}


@pytest.mark.parametrize(("command", "codes"), list(commands()))
def test_every_command_of_the_pages_ends_as_they_say(command: str, codes: set[int], workplace: Path) -> None:
    code, printed = run(AROUND.sub("", command), workplace)
    assert code in codes, printed


@each_page
def test_what_stands_behind_a_command_is_what_it_prints(page: str) -> None:
    assert with_outputs(TEXTS[page]) == TEXTS[page]


def test_the_front_page_shows_the_answer_of_the_demo() -> None:
    demo = re.findall(r"^\$ refinfer (.+)$", TEXTS["README.md"], re.MULTILINE)
    assert demo == ["fit models/digits_mobile_int8.tflite --board nano33ble"]


def test_the_front_page_lists_every_command() -> None:
    assert re.findall(r"^\| `refinfer (\w+)", TEXTS["README.md"], re.MULTILINE) == list(COMMANDS)


# Python

PYTHON = re.compile(r"^```pycon\n(.+?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if PYTHON.search(text)])
def test_python_on_a_page_gives_what_stands_under_it(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if page.startswith("docs/course/"):
        monkeypatch.setenv("REFINFER_ENGINE", "numpy")  # with NUMBA_DISABLE_JIT, the compiled one takes minutes
    told: list[str] = []
    examples = [each for block in PYTHON.findall(TEXTS[page]) for each in DocTestParser().get_examples(block)]
    results = DocTestRunner().run(DocTest(examples, {}, page, page, 0, None), out=told.append)
    assert results.attempted == len(examples) > 0
    assert results.failed == 0, "".join(told)


@each_page
def test_python_is_shown_with_what_comes_out(page: str) -> None:
    assert "```python" not in TEXTS[page]


# pictures


@pytest.mark.parametrize("file", PICTURES)
def test_pictures_are_what_is_drawn(file: str) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == picture(file)


def test_every_picture_is_on_a_page() -> None:
    shown = re.findall(r"^!\[[^]]+\]\((?:docs/|\.\./)?([^)]+)\)$", "\n".join(TEXTS.values()), re.MULTILINE)
    assert {f"docs/{name}" for name in shown} == PICTURES.keys()


# tables


@each_page
def test_tables_are_what_is_computed(page: str) -> None:
    assert with_tables(TEXTS[page], TABLES) == TEXTS[page]


@needs_tflm
@each_page
def test_tables_are_what_the_wheel_says(page: str) -> None:
    assert with_tables(TEXTS[page], WHEEL_TABLES) == TEXTS[page]


def rows(page: str, table: str) -> dict[str, list[str]]:
    """The cells of a table by the first of each line, without its heading."""
    text = TEXTS[page].partition(f"<!-- {table}: start -->")[2].partition(f"<!-- {table}: end -->")[0]
    lines = [re.split(r" \| ", line.strip("| ")) for line in text.strip().splitlines()[2:]]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in lines}


@needs_tflm
def test_the_sample_models_take_on_the_wheel_what_the_page_says() -> None:
    listed = {name: cells[:2] for name, cells in rows("docs/verification.md", "sample models").items()}
    assert {f"{name}.tflite" for name in listed} == MODELS
    with Tflm() as tflm:
        for name, cells in listed.items():
            model = ROOT.joinpath("models", f"{name}.tflite").read_bytes()
            verdict = tflm.run(model)
            assert verdict.loads == cells[0][0].isdigit()
            if verdict.loads:
                assert verdict.allocations is not None
                measured = (verdict.allocations.total, tflm.minimum(model).nbytes)
                assert cells == [f"{size:,}" for size in measured], name


@needs_tflm
def test_used_bytes_follow_the_size_of_the_arena() -> None:
    path = ROOT / "models" / "digits_conv_int8.tflite"
    report = refinfer.simulate(path, WHEEL)
    moves = allocate(report.graph, WHEEL).moves
    with Tflm() as tflm:
        for size in range(report.arena.minimum, report.arena.minimum + 16):
            measured = tflm.load(path.read_bytes(), size).allocations
            assert measured is not None
            assert measured.total == report.arena.head + tail_used(moves, size)[-1]


@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_the_table_of_the_corpus_holds_what_is_predicted(model: CorpusModel) -> None:
    cells = rows(MODEL_TABLE, "corpus")[model.file.removesuffix(".tflite")]
    wheel, cortex_m4 = (predict(model, target).arena for target in (WHEEL, TARGETS["cortex-m4"]))
    wasm32 = recording(model, WASM32_RECORDED).total if model.wasm32 else 0
    expected = (wheel.used, wheel.minimum, cortex_m4.used, cortex_m4.minimum, wasm32)
    shown = [(cell, f"{size:,}") for cell, size in zip(cells, expected, strict=False) if cell]
    assert shown
    assert [cell for cell, _ in shown] == [size for _, size in shown]


@pytest.mark.skipif(not corpus.corpus(), reason="REFINFER_CORPUS names no folder")
def test_the_table_of_the_corpus_has_every_model() -> None:
    assert rows(MODEL_TABLE, "corpus").keys() == {model.file.removesuffix(".tflite") for model in corpus.corpus()}


@pytest.mark.slow
@pytest.mark.skipif(not (corpus.corpus() and corpus.ALL and INSTALLED), reason="asks the wheel about a whole corpus")
@pytest.mark.parametrize("table", CORPUS_TABLES)
def test_tables_of_the_corpus_are_what_is_measured(table: str) -> None:
    pages = [page for page, text in TEXTS.items() if f"<!-- {table}: start -->" in text]
    assert pages
    for page in pages:
        assert with_tables(TEXTS[page], {table: CORPUS_TABLES[table]}) == TEXTS[page]


def test_the_changelog_claims_what_the_tables_show() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("## 0.1.0\n")[2]
    equal = set(re.findall(r"(\d+ of \d+) (?:reports|minima|models\s+allocation)", changes))
    shown = {cell for cells in rows("README.md", "builds").values() for cell in cells}
    assert len(equal) == 3
    assert equal <= shown
    more, models = re.findall(r"(\d+) of (\d+) models\s+need", changes)[0]
    (most,) = re.findall(r"one of them ([\d,]+)", changes)
    assert rows("docs/verification.md", "minima")["Cortex-M4F, under QEMU"][:3] == [models, more, most]


@pytest.mark.parametrize("model", corpus.models(having="wheel"))
def test_tight_arenas_are_no_matter_for_whole_real_models(model: CorpusModel) -> None:
    """docs/memory.md says so, and that the minima of docs/verification.md are equal in the plain sense."""
    for target in TARGETS.values():
        try:
            arena = predict(model, target).arena
        except Refused:  # by an older TFLM, which has fewer operators than the wheel that loads the model
            assert target.kernels == "cmsis-nn-2023"
            continue
        gap = TIGHT.get((target.name, model.file.rpartition("__")[0]))
        assert (arena.merely_passes, arena.minimum) == (gap or (arena.minimum, arena.minimum))


TIGHT = {
    ("cortex-m55+cmsis-nn", "oneop/mlonmcu-models__aww_layer11"): (676, 692),
    ("cortex-m55+cmsis-nn", "oneop/mlonmcu-models__resnet_layer14"): (676, 692),
    ("nano33ble-arduino", "oneop/ai-edge-quanti__single_gather"): (556, 568),
}
"""The smallest arena by TFLM's own checks, and the smallest that is safe, where they differ."""


TOGETHER = re.compile(r"((?:^\|.+\n)+)^\| \*\*together\*\* \|(.+)\|$", re.MULTILINE)


def test_what_is_added_up_on_a_page_adds_up() -> None:
    tables = [found for text in TEXTS.values() for found in TOGETHER.findall(text)]
    assert len(tables) == 2
    for parts, totals in tables:
        columns = zip(*(line.strip("|").split("|")[1:] for line in parts.splitlines()[2:]), strict=True)
        sums = [sum(int(number) for cell in column for number in re.findall(r"\d+", cell)) for column in columns]
        assert sums == [int(total.strip(" *").replace(",", "")) for total in totals.split("|")]


def test_the_head_is_drawn_as_it_is_planned() -> None:
    drawn = re.findall(r"^ +([\d,]+) to +([\d,]+) +((?:[.a-i] *)+)$", TEXTS["docs/memory.md"], re.MULTILINE)
    buffers = refinfer.simulate(ROOT / "models" / "digits_conv_int8.tflite").buffers
    assert len(drawn) == 4
    for start, end, letters in drawn:
        first, last = (int(place.replace(",", "")) for place in (start, end))
        there = [each.offset <= last and first < each.offset + each.buffer.nbytes for each in buffers]
        for step, shown in enumerate(letters.split()):
            living = [each.buffer.first <= step <= each.buffer.last for each in buffers]
            found = [letter for letter, *both in zip("abcdefghi", there, living, strict=True) if all(both)]
            assert found == ([] if shown == "." else [shown])


# links


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_to_a_heading_leads_to_one(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", TEXTS[page])
    lost = [
        (file, anchor)
        for file, anchor in links
        if anchor not in anchors((ROOT / page).parent.joinpath(file or Path(page).name).read_text(encoding="utf-8"))
    ]
    assert lost == []


def test_the_list_of_pages_has_every_page() -> None:
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", TEXTS["docs/README.md"], re.MULTILINE)
    pages = {Path(page).name for page in TEXTS if Path(page).parent == Path("docs")}
    apart = {"course/README.md", "decisions/README.md", "reference/commands.md", "reference/python.md"}
    assert set(listed) == pages - {"README.md"} | apart
