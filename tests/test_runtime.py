"""refinfer.runtime is a drop-in for tflite_micro.runtime: the same scripts say the same through both."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refinfer.runtime import Interpreter, InterpreterConfig
from refinfer.testing import installed
from tests import corpus
from tests.corpus import CorpusModel
from tests.faces import told
from tests.test_interpreter import fold_scale_and_shift, model_with_custom_operator

MODELS = Path(__file__).resolve().parents[1] / "models"
DENSE, STREAM = MODELS / "digits_dense_int8.tflite", MODELS / "digits_stream_int8.tflite"

THEIRS = "from tflite_micro import runtime"
OURS = "from refinfer import runtime"

needs_tflm = pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")


def both(script: str, *arguments: str) -> tuple[list[Any], list[Any]]:
    return told(script, THEIRS, THEIRS, *arguments), told(script, THEIRS, OURS, *arguments)


SCRIPTS = {
    "a script as everybody writes it": """
from tflite_micro import runtime
for path in sys.argv[1:]:
    it = runtime.Interpreter.from_file(path, arena_size=1 << 20)
    details = it.get_input_details(0)
    say([details, it.get_output_details(0)])
    for seed in range(3):
        it.set_input(numbers(seed, details["shape"], details["dtype"]), 0)
        say([it.invoke(), it.get_output(0)])
    say(it.reset())
    it.set_input(numbers(0, details["shape"], details["dtype"]), 0)
    say([it.invoke(), it.get_output(0)])
""",
    "wrong uses": """
from tflite_micro import runtime
path = sys.argv[1]
data = open(path, "rb").read()
made = runtime.Interpreter
attempt(made.from_file, None)
attempt(made.from_file, "/nowhere.tflite")
attempt(made.from_file, 5)
attempt(made.from_bytes, None)
attempt(made, None, [], 5)
attempt(made, data, (), 1 << 20)
attempt(made, data, None, 1 << 20)
fails(made.from_file, path, ["NoSuchRegisterer"])
attempt(made.from_file, path, "NoSuchRegisterer")
attempt(made.from_file, path, [5])
fails(made.from_bytes, "text")
fails(made.from_file, sys.argv[2])
it = made.from_file(path)
x = numbers(0, (1, 8, 8, 1), np.int8)
attempt(it.set_input, None, 0)
for index in (None, -1, 1, 99):
    attempt(it.set_input, x, index)
    attempt(it.get_output, index)
    attempt(it.get_input_details, index)
    attempt(it.get_output_details, index)
for index in ("0", 0.5):
    fails(it.set_input, x, index)
    fails(it.get_output, index)
for wrong in (x.astype(np.float32), x.astype(np.int64), x.astype(bool), [[1]], "abc", 1.5, x.tolist()):
    attempt(it.set_input, wrong, 0)
for wrong in (x[0], np.zeros((2, 8, 8, 1), np.int8), np.zeros((1, 8, 8, 2), np.int8), np.int8(1)):
    attempt(it.set_input, wrong, 0)
attempt(it.set_input, np.asfortranarray(x), 0)
fails(it.GetTensor, 0, 0)
kept = made.from_file(path, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)
attempt(kept.print_allocations)
fails(kept.GetTensor, 0, "0")
""",
    "all tensors": """
from tflite_micro import runtime
it = runtime.Interpreter.from_file(sys.argv[1], intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)
for seed in range(2):
    it.set_input(numbers(seed, (1, 8, 8, 1), np.int8), 0)
    say(it.invoke())
    for index in range(10):
        say(it.GetTensor(index, 0))
say([each.name for each in runtime.InterpreterConfig])
""",
    "several interpreters, and state": """
from tflite_micro import runtime
several = [runtime.Interpreter.from_bytes(open(path, "rb").read(), arena_size=1 << 20)
           for path in sys.argv[2:] for _ in range(2)]
def step(it, seed):
    details = it.get_input_details(0)
    it.set_input(numbers(seed, details["shape"], details["dtype"]), 0)
    it.invoke()
    say(it.get_output(0))
for round in range(3):
    for number, it in enumerate(several):
        step(it, number + round)
several[0].reset()
several[2].reset()
for number, it in enumerate(several):
    step(it, 0)
""",
}
RUN_BY_TFLM = sorted(path for path in MODELS.glob("*.tflite") if not path.stem.endswith("_dynamic"))
MODELS_OF = {
    "a script as everybody writes it": RUN_BY_TFLM,
    "several interpreters, and state": [DENSE, MODELS / "digits_lstm_int8.tflite", STREAM],
}


@needs_tflm
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_for_tflm_says_the_same_with_one_import_changed(script: str) -> None:
    models = MODELS_OF.get(script, [DENSE, MODELS / "digits_conv_dynamic.tflite"])
    theirs, ours = both(SCRIPTS[script], *map(str, models))
    assert len(theirs) > 10
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=True)):
        assert found == expected, f"line {number}"


CORPUS_SCRIPT = """
from tflite_micro import runtime
def facts(path, inputs, outputs):
    it = runtime.Interpreter.from_file(path, arena_size=1 << 26)
    found = {"inputs": [it.get_input_details(number) for number in range(inputs)],
             "outputs": [it.get_output_details(number) for number in range(outputs)]}
    for seed in range(2):
        for number, details in enumerate(found["inputs"]):
            it.set_input(numbers(seed, details["shape"], details["dtype"]), number)
        it.invoke()
        found[f"run {seed}"] = [it.get_output(number) for number in range(outputs)]
    return found
def tried(*arguments):
    try:
        return facts(*arguments)
    except Exception as error:
        return kind(error)
for each in json.loads(sys.argv[1]):
    say(apart(tried, *each))
"""
LARGEST_COMPUTED = 100_000  # bytes


@cache
def facts_of_the_corpus() -> dict[str, tuple[Any, Any]]:
    """What both say of each model of the sample that is not too large, by its file."""
    models = [model for model in corpus.sample() if model.nbytes <= LARGEST_COMPUTED]
    asked = [[str(model.path), *_counts(model)] for model in models]
    theirs, ours = both(CORPUS_SCRIPT, json.dumps(asked))
    return {model.file: pair for model, *pair in zip(models, theirs, ours, strict=True)}  # type: ignore[misc]


def _counts(model: CorpusModel) -> tuple[int, int]:
    from refinfer import GraphError, read_model

    try:
        main = read_model(model.path).subgraphs[0]
    except GraphError:
        return 1, 1
    return len(main.inputs), len(main.outputs)


@needs_tflm
@pytest.mark.parametrize("model", corpus.models())
def test_details_and_outputs_of_real_models_are_those_of_tflm(model: CorpusModel) -> None:
    if model.nbytes > LARGEST_COMPUTED:
        pytest.skip(f"{model.nbytes:,} bytes; its outputs are compared in another test")
    theirs, ours = facts_of_the_corpus()[model.file]
    if isinstance(theirs, str):
        assert isinstance(ours, str) or model.file in RUNS_HERE_ALONE, "TFLM does not run it"
        return
    assert not isinstance(ours, str), f"TFLM runs it; here: {ours}"
    assert {key for key in theirs if ours[key] != theirs[key]} == set()


RUNS_HERE_ALONE: dict[str, str] = {}
"""Models on which TFLM fails and we do not, and why."""


def test_a_custom_operator_is_a_python_function() -> None:
    interpreter = Interpreter.from_bytes(
        model_with_custom_operator(), custom_ops={"ScaleAndShift": fold_scale_and_shift}
    )
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    interpreter.set_input(x, 0)
    assert interpreter.invoke() == 0
    assert (interpreter.get_output(0) == -(2 * x + 1)).all()


def test_a_model_that_tflm_refuses_is_told_with_operator_and_reason() -> None:
    with pytest.raises(RuntimeError, match=r"TFLM failed to allocate tensors: operator 3 \(CONV_2D\).*Hybrid models"):
        Interpreter.from_file(MODELS / "digits_conv_dynamic.tflite")


def test_there_is_no_arena_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    Interpreter.from_file(DENSE).print_allocations()
    assert "refinfer.simulate(model)" in capsys.readouterr().err
    kept = Interpreter.from_file(DENSE, intrepreter_config=InterpreterConfig.kPreserveAllTensors)
    with pytest.raises(ValueError, match="not recorded"):
        kept.print_allocations()
