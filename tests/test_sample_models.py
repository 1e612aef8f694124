"""The models of `models/` are what their README says: size, operators, types, and how many digits they get right.

The counting is that of models/right_answers.py, in a process of its own, as the runtimes may crash.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tflite
from ai_edge_litert.interpreter import Interpreter

from tests.referees.tflm import INSTALLED

MODELS = Path(__file__).resolve().parents[1] / "models"
README = (MODELS / "README.md").read_text()
NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}


def rows(block: str) -> list[list[str]]:
    """The cells of the table in this block of the README, without its header."""
    text = README.partition(f"<!-- {block}: start -->")[2].partition(f"<!-- {block}: end -->")[0]
    lines = text.strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


OPERATORS = {network: operators for network, _, operators in rows("networks")}
NBYTES = {file: int(nbytes) for file, nbytes, _, _ in rows("files")}
LITERT = {file: figure for file, _, figure, _ in rows("files")}
TFLM = {file: figure for file, _, _, figure in rows("files")}


def path_of(file: str) -> Path:
    return MODELS / f"{file}.tflite"


def count_again(runtime: str, files: list[str]) -> dict[str, str]:
    script = [sys.executable, str(MODELS / "right_answers.py"), runtime]
    done = subprocess.run(
        [*script, *(str(path_of(file)) for file in files)], capture_output=True, text=True, check=True
    )
    return dict(re.findall(r"^(\w+) (\w+)$", done.stdout, re.MULTILINE))


def model_of(file: str) -> Any:
    return tflite.Model.GetRootAsModel(path_of(file).read_bytes(), 0)


def operators_of(model: Any) -> list[str]:
    """The operators of the main subgraph, each once, in the order of their first use."""
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    return list(dict.fromkeys(NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes))


def test_litert_gets_as_many_digits_right_as_the_readme_says() -> None:
    assert count_again("litert", list(LITERT)) == LITERT


@pytest.mark.skipif(not INSTALLED, reason="PyPI has tflite-micro for Linux on x86-64 alone")
def test_tflm_gets_as_many_digits_right_as_the_readme_says() -> None:
    expected = {file: figure for file, figure in TFLM.items() if figure != "nan"}  # it may read memory that is not ours
    assert count_again("tflm", list(expected)) == expected


def test_tflm_runs_every_integer_model() -> None:
    assert {file for file, figure in TFLM.items() if figure.isdecimal()} >= {f"{name}_int8" for name in OPERATORS}


def test_rounding_to_integers_costs_no_network_more_than_one_digit_in_a_hundred() -> None:
    lost = {name: int(LITERT[f"{name}_float"]) - int(LITERT[f"{name}_int8"]) for name in OPERATORS}
    assert max(lost.values()) <= 3


def test_the_readme_lists_every_model_and_its_size() -> None:
    assert {path.stem: path.stat().st_size for path in MODELS.glob("*.tflite")} == NBYTES


def test_every_network_comes_in_three_variants_and_one_in_four() -> None:
    three = {f"{name}_{variant}" for name in OPERATORS for variant in ("int8", "float", "dynamic")}
    assert set(NBYTES) == three | {"digits_conv_qat"}


@pytest.mark.parametrize("file", NBYTES)
def test_a_model_has_the_operators_that_the_readme_lists(file: str) -> None:
    assert ", ".join(operators_of(model_of(file))) == OPERATORS[file.rpartition("_")[0]]


@pytest.mark.parametrize("file", NBYTES)
def test_only_an_int8_model_takes_and_gives_int8(file: str) -> None:
    interpreter = Interpreter(str(path_of(file)))
    ends = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert {end["dtype"].__name__ for end in ends} == {"int8" if file.endswith(("_int8", "_qat")) else "float32"}


@pytest.mark.parametrize("file", NBYTES)
def test_a_float_model_alone_has_no_int8(file: str) -> None:
    graph = model_of(file).Subgraphs(0)
    types = {graph.Tensors(i).Type() for i in range(graph.TensorsLength())}
    assert (tflite.TensorType.INT8 in types) == (not file.endswith("_float"))


def test_no_model_leaves_a_dimension_open() -> None:
    for file in NBYTES:
        graph = model_of(file).Subgraphs(0)
        assert not any(graph.Tensors(i).ShapeSignatureLength() for i in range(graph.TensorsLength())), file
