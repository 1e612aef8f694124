"""refinfer.interpreter is a drop-in for ai_edge_litert.interpreter: the same scripts say the same through both."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import refinfer
from refinfer.interpreter import Interpreter, OpResolverType, load_delegate
from refinfer.kernels.compute import Evaluate
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, installed
from tests import corpus
from tests.corpus import CorpusModel
from tests.faces import told

Array = NDArray[Any]

MODELS = Path(__file__).resolve().parents[1] / "models"
DENSE, STREAM = MODELS / "digits_dense_int8.tflite", MODELS / "digits_stream_int8.tflite"

THEIRS = "from ai_edge_litert.interpreter import Interpreter, OpResolverType"
OURS = "from refinfer.interpreter import Interpreter, OpResolverType"

needs_litert = pytest.mark.skipif(not installed("litert"), reason="the package of litert is not installed")


def both(script: str, *arguments: str) -> tuple[list[Any], list[Any]]:
    return told(script, THEIRS, THEIRS, *arguments), told(script, THEIRS, OURS, *arguments)


SCRIPTS = {
    "a script as everybody writes it": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
for path in sys.argv[1:]:
    for preserve in (False, True):
        interpreter = Interpreter(model_path=path, num_threads=2, experimental_preserve_all_tensors=preserve,
                                  experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        interpreter.allocate_tensors()
        say(interpreter.get_input_details())
        say(interpreter.get_output_details())
        for seed in range(3):
            for details in interpreter.get_input_details():
                interpreter.set_tensor(details["index"], numbers(seed, details["shape"], details["dtype"]))
            interpreter.invoke()
            say([interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()])
        interpreter.reset_all_variables()
        interpreter.invoke()
        say([interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()])
""",
    "wrong uses": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
path = sys.argv[1]
def made(**keywords):
    return Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, **keywords)
attempt(Interpreter)
attempt(Interpreter, model_path="", model_content=b"")
attempt(Interpreter, model_path=path, model_content=b"TFL3")
fails(Interpreter, model_path="/nowhere.tflite")
fails(Interpreter, model_path="/")
fails(Interpreter, model_path=5)
fails(Interpreter, model_content=b"1234TFL3")
fails(Interpreter, model_content="text")
for threads in (0, -1, "2", 2.0, True):
    attempt(made, num_threads=threads)
for resolver in (2, None, "BUILTIN_REF"):
    attempt(Interpreter, path, experimental_op_resolver_type=resolver)
it = made()
i, o = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
shape = tuple(map(int, it.get_input_details()[0]["shape"]))
x = numbers(0, shape, np.int8)
fails(it.invoke)
attempt(it.get_tensor, i)
attempt(it.tensor(i))
attempt(it.set_tensor, i, x)
it.allocate_tensors()
for dtype in (np.float32, np.int64, bool, np.complex64):
    attempt(it.set_tensor, i, x.astype(dtype))
for wrong in ([[1]], None, "abc", 1.5):
    attempt(it.set_tensor, i, wrong)
for wrong in (x[0], np.zeros((2, *shape[1:]), np.int8), np.zeros((*shape[:-1], 2), np.int8), np.int8(1)):
    attempt(it.set_tensor, i, wrong)
for number in (999, -1, "0", 1.0):
    fails(it.set_tensor, number, x)
    fails(it.get_tensor, number)
    fails(it.tensor(number))
attempt(it.get_tensor, i, 5)
attempt(it.get_tensor, i, -1)
attempt(it.get_tensor_details, 1)
attempt(it.get_tensor_details, -1)
attempt(it.get_signature_runner, "none")
attempt(it.get_signature_runner, "")
for number in (np.int32(i), np.int64(i), np.uint8(i)):
    attempt(it.set_tensor, number, np.asfortranarray(x))
for size in ([[1, 8, 8, 1]], 5, ["a"]):
    attempt(it.resize_tensor_input, i, size)
fails(it.resize_tensor_input, 999, [1])
fails(it.resize_tensor_input, i, [-1, 8, 8, 1])
""",
    "views": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
it = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
it.allocate_tensors()
i, o = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
given, answer = it.tensor(i), it.tensor(o)
for seed in range(3):
    given()[...] = numbers(seed, given().shape, given().dtype)
    it.invoke()
    say(answer())
    say([type(given()).__name__, given().flags.writeable, answer().flags.writeable])
say(it.get_tensor(i))
view = given()
fails(it.invoke)
fails(it.allocate_tensors)
fails(it.resize_tensor_input, i, [1, 8, 8, 1])
attempt(it.set_tensor, i, np.zeros_like(view))
attempt(it.get_tensor, i)
attempt(it.reset_all_variables)
part = view[0, 1:]
del view
fails(it.invoke)
del part
fails(it.invoke)
copy = it.get_tensor(i)
copy[...] = 7
say(it.get_tensor(i))
attempt(it.invoke)
""",
    "other shapes": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
it = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
i, o = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
def shapes():
    for details in (*it.get_input_details(), *it.get_output_details()):
        say([details["shape"], details["shape_signature"]])
it.allocate_tensors()
it.set_tensor(i, numbers(0, (1, 8, 8, 1), np.int8))
it.allocate_tensors()
say(it.get_tensor(i))
it.resize_tensor_input(i, [1, 8, 8, 1])
attempt(it.invoke)
for batch in (3, 2):
    it.resize_tensor_input(i, (batch, 8, 8, 1))
    shapes()
    fails(it.invoke)
    attempt(it.get_tensor, i)
    attempt(it.set_tensor, i, np.zeros((batch, 8, 8, 1), np.int8))
    it.allocate_tensors()
    shapes()
    it.set_tensor(i, numbers(1, (batch, 8, 8, 1), np.int8))
    it.invoke()
    say(it.get_tensor(o))
fails(it.resize_tensor_input, i, [4, 8, 8, 1], strict=True)
fails(it.resize_tensor_input, i, [2, 8], strict=True)
attempt(it.resize_tensor_input, i, [2, 8, 8, 1], strict=True)
it.resize_tensor_input(i, np.array([1, 8, 8, 1]))
it.allocate_tensors()
it.set_tensor(i, numbers(0, (1, 8, 8, 1), np.int8))
it.invoke()
say(it.get_tensor(o))
it.resize_tensor_input(i, [3, 5])
fails(it.allocate_tensors)
fails(it.invoke)
""",
    "signatures": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
it = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
say(it.get_signature_list())
runner = it.get_signature_runner()
say([type(runner).__name__, runner.get_input_details(), runner.get_output_details()])
say(runner(pixels=numbers(0, (1, 8, 8, 1), np.int8)))
say(it.get_tensor(it.get_input_details()[0]["index"]))
say(it.get_signature_runner("serving_default")(pixels=numbers(1, (2, 8, 8, 1), np.int8)))
say([runner.get_input_details(), it.get_output_details()])
attempt(runner)
attempt(runner, other=numbers(0, (1, 8, 8, 1), np.int8))
attempt(runner, pixels=numbers(0, (1, 8, 8, 1), np.float32))
fails(runner, numbers(0, (1, 8, 8, 1), np.int8))
fails(runner, pixels=numbers(0, (2, 3), np.int8))
""",
    "several interpreters, and state": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
several = [Interpreter(model_content=open(path, "rb").read(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
           for path in sys.argv[1:] for _ in range(2)]
for each in several:
    each.allocate_tensors()
def step(it, seed):
    details = it.get_input_details()[0]
    it.set_tensor(details["index"], numbers(seed, details["shape"], details["dtype"]))
    it.invoke()
    say([it.get_tensor(each["index"]) for each in it.get_output_details()])
for round in range(3):
    for number, it in enumerate(several):
        step(it, number + round)
several[0].reset_all_variables()
several[2].allocate_tensors()
for number, it in enumerate(several):
    step(it, 0)
say([it.num_subgraphs() for it in several])
say([it._get_ops_details() for it in several])
""",
}
MODELS_OF = {
    "a script as everybody writes it": sorted(MODELS.glob("*.tflite")),
    "several interpreters, and state": [
        MODELS / "digits_lstm_int8.tflite",
        STREAM,
        MODELS / "digits_lstm_float.tflite",
    ],
}


@needs_litert
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_for_litert_says_the_same_with_one_import_changed(script: str) -> None:
    theirs, ours = both(SCRIPTS[script], *map(str, MODELS_OF.get(script, [DENSE])))
    assert len(theirs) > 10
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=True)):
        assert found == expected, f"line {number}"


CORPUS_SCRIPT = """
from ai_edge_litert.interpreter import Interpreter, OpResolverType
def facts(path, compute):
    it = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                     experimental_preserve_all_tensors=True)
    before = [it.get_tensor_details(number) for number in range(it.num_subgraphs())]
    count = len(before[0])
    found = {"tensors": before, "inputs": it.get_input_details(), "outputs": it.get_output_details(),
             "signatures": it.get_signature_list(), "operators": it._get_ops_details()}
    it.allocate_tensors()
    found |= {"inputs allocated": it.get_input_details(), "outputs allocated": it.get_output_details()}
    if not compute:
        return found
    for seed in range(2):
        for details in it.get_input_details():
            it.set_tensor(details["index"], numbers(seed, details["shape"], details["dtype"]))
        it.invoke()
        found[f"shapes {seed}"] = [each["shape"] for each in it.get_tensor_details()[:count]]
        for number in sorted({int(index) for each in it._get_ops_details() for index in each["outputs"]}):
            if number < count and it.get_tensor_details()[number]["dtype"] not in (np.object_, np.bytes_):
                found[f"tensor {number} of run {seed}"] = it.get_tensor(number)
    return found
def tried(path, compute):
    try:
        return facts(path, compute)
    except Exception as error:
        return kind(error)
for path, compute in json.loads(sys.argv[1]):
    say(apart(tried, path, compute))
"""

LARGEST_COMPUTED = 100_000  # bytes of a model whose tensors are compared; outputs of all are, in test_real_models


@cache
def facts_of_the_corpus() -> dict[str, tuple[Any, Any]]:
    """What both say of each model of the sample, by its file."""
    models = corpus.sample()
    asked = json.dumps([[str(model.path), model.nbytes <= LARGEST_COMPUTED] for model in models])
    theirs, ours = both(CORPUS_SCRIPT, asked)
    return {model.file: pair for model, *pair in zip(models, theirs, ours, strict=True)}  # type: ignore[misc]


@needs_litert
@pytest.mark.parametrize("model", corpus.models())
def test_details_and_all_tensors_of_real_models_are_those_of_litert(model: CorpusModel) -> None:
    theirs, ours = facts_of_the_corpus()[model.file]
    if isinstance(theirs, str):
        assert isinstance(ours, str) or model.file in RUNS_HERE_ALONE, "LiteRT does not run it"
        return
    assert not isinstance(ours, str), f"LiteRT runs it; here: {ours}"
    assert list(ours) == list(theirs)
    assert {key for key in theirs if ours[key] != theirs[key]} == set()


RUNS_HERE_ALONE = {
    "networks/tflite-micro__person_detect__808cfd.tflite": "LiteRT refuses its quantized_dimension, which TFLM ignores",
    "oneop/LiteRT__simple_ceil_op__87f748.tflite": "BUILTIN_REF registers no CEIL",
    "oneop/LiteRT__simple_elu_op__83c3c5.tflite": "BUILTIN_REF registers no ELU",
    "oneop/LiteRT__simple_topk_op_runtime_k__35d792.tflite": "LiteRT runs it, but hands out no arrays of no elements",
}
"""Models on which LiteRT raises an error and we do not, and why."""


# what no script for LiteRT says


def run(interpreter: Interpreter, x: Array) -> Array:
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_the_package_has_the_interpreter() -> None:
    assert refinfer.Interpreter is Interpreter


def test_the_dialect_decides_and_another_is_an_error_that_names_them() -> None:
    lstm = MODELS / "digits_lstm_int8.tflite"
    litert, tflm = (Interpreter(lstm, dialect=name) for name in ("litert", "tflm"))
    inputs = np.random.default_rng(0).integers(-128, 128, (20, 1, 16, 16), np.int8)
    assert any((run(litert, x) != run(tflm, x)).any() for x in inputs)
    with pytest.raises(refinfer.UsageError, match=r"'tflite'; the dialects are litert, tflm"):
        Interpreter(lstm, dialect="tflite")


def test_a_model_that_a_dialect_does_not_run_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(refinfer.UnsupportedNode, match=r"operator 1 \(FULLY_CONNECTED\).*Hybrid|FLOAT32 with filter"):
        Interpreter(MODELS / "digits_dense_dynamic.tflite", dialect="tflm")


def test_the_enum_of_litert_is_understood_too() -> None:
    class TheirOpResolverType:
        name = "BUILTIN_REF"

    Interpreter(DENSE, experimental_op_resolver_type=TheirOpResolverType())
    Interpreter(DENSE, experimental_op_resolver_type=OpResolverType.BUILTIN)


def test_delegates_cannot_be_loaded_as_scripts_expect_it() -> None:
    with pytest.raises(ValueError, match="Failed to load delegate from libedgetpu"):
        load_delegate("libedgetpu.so.1")
    with pytest.raises(ValueError, match="delegates are native libraries"):
        Interpreter(DENSE, experimental_delegates=[object()])


def test_what_is_not_kept_is_said_and_not_made_up() -> None:
    interpreter = Interpreter(DENSE)
    run(interpreter, np.zeros((1, 8, 8, 1), np.int8))
    (hidden,) = (each["outputs"][0] for each in interpreter._get_ops_details() if each["index"] == 1)
    with pytest.raises(ValueError, match="experimental_preserve_all_tensors=True"):
        interpreter.get_tensor(int(hidden))


def test_constants_cannot_be_set() -> None:
    interpreter = Interpreter(DENSE)
    interpreter.allocate_tensors()
    constants = [x for x in refinfer.read_model(DENSE).subgraphs[0].tensors if x.data is not None]
    for tensor in constants:
        with pytest.raises(ValueError, match="is a constant"):
            interpreter.set_tensor(tensor.index, interpreter.get_tensor(tensor.index))


def test_what_runs_inside_of_control_flow_can_be_read_too() -> None:
    interpreter = Interpreter(STREAM, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.invoke()
    inner = refinfer.read_model(STREAM).subgraphs[1]
    assert inner.nodes
    for node in inner.nodes:
        for tensor in node.outputs:
            assert interpreter.get_tensor(tensor.index, 1) is not None


# custom operators


def fold_scale_and_shift(node: Node) -> Evaluate:
    """y = factor * x + offset, both out of the custom options."""
    factor, offset = np.frombuffer(node.custom_options, np.float32)

    def evaluate(x: Array) -> tuple[Array]:
        return (factor * x + offset,)

    return evaluate


def model_with_custom_operator() -> bytes:
    x, hidden, y = (TensorSpec(TensorType.FLOAT32, (2, 3)) for _ in range(3))
    custom = NodeSpec("ScaleAndShift", [x], [hidden], custom_options=np.array([2, 1], np.float32).tobytes())
    return build(SubgraphSpec([custom, NodeSpec(BuiltinOperator.NEG, [hidden], [y])], [x], [y]))


@pytest.mark.parametrize("dialect", ["litert", "tflm"])
def test_a_custom_operator_is_a_python_function(dialect: str) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    interpreter = Interpreter(
        model_content=model_with_custom_operator(), dialect=dialect, custom_ops={"ScaleAndShift": fold_scale_and_shift}
    )
    assert (run(interpreter, x) == -(2 * x + 1)).all()


def test_a_custom_operator_without_a_function_is_refused_by_name() -> None:
    with pytest.raises(refinfer.UnsupportedNode, match="ScaleAndShift"):
        Interpreter(model_content=model_with_custom_operator())


def test_a_custom_operator_is_folded_once_and_may_refuse() -> None:
    folded: list[Node] = []

    def fold(node: Node) -> Callable[..., tuple[Array, ...]]:
        folded.append(node)
        return lambda x: (x,)

    interpreter = Interpreter(model_content=model_with_custom_operator(), custom_ops={"ScaleAndShift": fold})
    for _ in range(3):
        run(interpreter, np.zeros((2, 3), np.float32))
    assert len(folded) == 1
