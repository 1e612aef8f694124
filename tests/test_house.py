"""The house around the code: what is installed, what is imported, and what the front page promises."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

import refinfer

ROOT = Path(__file__).resolve().parents[1]


def text(file: str | Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


PACKAGE = ROOT / "refinfer"
PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
MAKEFILE = text("Makefile")
DEMO_MODEL = re.findall(r"^MODEL \?= (\S+)$", MAKEFILE, re.MULTILINE)[0]

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted(PACKAGE.rglob("*.py"))
TOOLING = [
    ROOT / "Makefile",
    ROOT / ".ci" / "run",
    ROOT / ".pre-commit-config.yaml",
    *sorted((ROOT / ".github").rglob("*.yml")),
]


def name_from_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_runs_on_any_python_and_any_machine(wheel: Path) -> None:
    assert wheel.name == f"refinfer-{PROJECT['version']}-py3-none-any.whl"


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    shipped = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {name_from_root(path) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert shipped == files


def test_the_wheel_brings_numpy_along_and_no_other_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        metadata = archive.read(f"refinfer-{PROJECT['version']}.dist-info/METADATA").decode()
    required = re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)
    assert [re.split(r"\W", line)[0] for line in required if "extra ==" not in line] == ["numpy"]


def test_every_extra_that_a_page_or_a_message_names_exists() -> None:
    named = {extra for path in (*PAGES, *SOURCES) for extra in re.findall(r"pip install '\S+\[(\w+)\]'", text(path))}
    assert "images" in named
    assert named <= PROJECT["optional-dependencies"].keys()


WITHOUT_PACKAGES = """
import runpy, sys
sys.path.insert(0, {root!r})
sys.argv = ["refinfer", *{arguments!r}]
try:
    import numpy
except ImportError:
    pass
else:
    raise AssertionError("numpy can be imported, so this proves nothing")
try:
    runpy.run_module("refinfer", run_name="__main__", alter_sys=True)
finally:
    print(*{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""


def run_without_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where only the standard library and our sources can be imported; stderr: what it loaded."""
    script = WITHOUT_PACKAGES.format(root=str(ROOT), arguments=arguments)
    return subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)


def test_fit_runs_on_the_standard_library_alone() -> None:
    fit = run_without_packages("fit", str(ROOT / DEMO_MODEL), "--board", "nano33ble")
    assert fit.returncode == 0, fit.stderr
    assert "Nano 33 BLE" in fit.stdout
    assert set(fit.stderr.split()) - sys.stdlib_module_names == {"__main__", "refinfer"}


@pytest.mark.parametrize("command", ["memory", "inspect"])
def test_looking_into_a_file_needs_no_package_either(command: str) -> None:
    done = run_without_packages(command, str(ROOT / DEMO_MODEL))
    assert (done.returncode, "numpy" in done.stderr.split()) == (0, False), done.stderr


@pytest.mark.parametrize(
    ("command", "data"), [("run", ()), ("diff", ()), ("evaluate", (str(ROOT / "models" / "digits_held_out.npz"),))]
)
def test_what_computes_says_in_a_line_that_it_needs_numpy(command: str, data: tuple[str, ...]) -> None:
    done = run_without_packages(command, str(ROOT / DEMO_MODEL), *data)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "refinfer: this needs numpy: pip install numpy"


def test_comparing_runtimes_needs_nothing_of_the_test_kit() -> None:
    script = "import sys; sys.modules |= {'hypothesis': None, 'flatbuffers': None}; import refinfer.comparison.dialects"
    script += "; from refinfer.testing import referees"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    script = "import sys, refinfer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith(("refinfer.", "numpy"))} == set()


def test_every_name_of_the_package_is_there_when_it_is_asked_for() -> None:
    assert set(dir(refinfer)) == set(refinfer.__all__)
    for name in refinfer.__all__:
        assert getattr(refinfer, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'interprete'"):
        refinfer.interprete  # noqa: B018


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"^    refinfer (\w+)", text("README.md"), re.MULTILINE))
    assert "fit" in commands
    failed = {name for name in commands if run_without_packages(name, "--help").returncode != 0}
    assert failed == set()


def imports_when_loaded(tree: ast.AST) -> Iterator[str]:
    """The modules that a file imports as it is loaded: not those inside functions or for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=module, level=level):
                yield module if level == 0 and module else "refinfer"
            case _:
                yield from imports_when_loaded(node)


WORKERS = {ROOT / "refinfer/testing/referee_worker.py"}  # a script that runs in a process of its own
FOR_PARTS = {  # what parts of the package are made of, which are loaded when they are wanted
    PACKAGE / "kernels" / "compiled": {"llvmlite", "numba", "numpy"},
    PACKAGE / "testing": {"hypothesis"},
}


@pytest.mark.parametrize("source", sorted(set(SOURCES) - WORKERS), ids=name_from_root)
def test_no_module_loads_a_third_party_package(source: Path) -> None:
    loaded = {name.partition(".")[0] for name in imports_when_loaded(ast.parse(text(source)))}
    allowed = set().union(*(names for part, names in FOR_PARTS.items() if source.is_relative_to(part)))
    assert loaded <= sys.stdlib_module_names | {"refinfer"} | allowed


def test_imports_when_loaded_sees_through_blocks_but_not_into_functions() -> None:
    source = """
import first
if TYPE_CHECKING:
    import unseen
try:
    import second.part
except ImportError:
    from third import name
class Holder:
    import fourth
    def method(self):
        import unseen
"""
    assert list(imports_when_loaded(ast.parse(source))) == ["first", "second.part", "third", "fourth"]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".ci" / "run", ROOT / "Makefile"], ids=name_from_root)
def test_every_make_command_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"(?:^ *|`)make ([a-z]+)", text(page), re.MULTILINE)
    assert set(named) <= targets()


def test_the_first_screen_of_the_readme_shows_the_two_commands() -> None:
    first_screen = text("README.md").splitlines()[:25]
    commands = [line.split()[:2] for line in first_screen if line.startswith("    make ")]
    assert commands == [["make", "demo"], ["make", "test"]]


def test_a_build_server_runs_what_the_readme_tells_a_newcomer() -> None:
    steps = re.findall(r"^make (\w+)", text(".ci/run"), re.MULTILINE)
    assert steps == ["demo", "docs", "test", "lint"]


@pytest.mark.parametrize("page", PAGES, ids=name_from_root)
def test_every_link_between_our_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text(page))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_is_listed() -> None:
    notes = {path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")}
    assert notes
    assert notes == set(re.findall(r"\]\((0.+?)\)", text("docs/decisions/README.md")))


def pins(file: str) -> dict[str, str]:
    """The packages that the file asks for in one version, and this version."""
    return dict(re.findall(r"([\w-]+)==([\w.]+)", text(file)))


@pytest.mark.parametrize("tool", TOOLING, ids=name_from_root)
def test_a_version_is_pinned_in_pyproject_alone(tool: Path) -> None:
    assert [version for version in pins("pyproject.toml").values() if version in text(tool)] == []


def test_the_sample_models_were_made_with_the_referees_of_the_suite() -> None:
    suite, samples = pins("pyproject.toml"), pins("models/requirements.txt")
    both = suite.keys() & samples.keys()
    assert "tflite-micro" in both
    assert {name: suite[name] for name in both} == {name: samples[name] for name in both}


def test_the_makefile_asks_for_the_python_that_the_project_requires() -> None:
    oldest = tuple(int(part) for part in PROJECT["requires-python"].removeprefix(">=").split("."))
    assert set(re.findall(r"sys\.version_info < \((\d+), (\d+)\)", MAKEFILE)) == {tuple(map(str, oldest))}
    assert f"Python {oldest[0]}.{oldest[1]} or newer" in text("README.md")


def test_a_build_server_runs_every_python_that_we_claim() -> None:
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert claimed
    assert re.findall(r'"(3\.\d+)"', text(".github/workflows/ci.yml")) == claimed


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    entries = re.findall(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)
    assert entries[0] == PROJECT["version"]
