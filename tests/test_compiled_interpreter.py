"""With compiled kernels the interpreters keep inputs and outputs where the kernels work, and nobody can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refinfer import runtime
from refinfer.interpreter import Interpreter
from refinfer.schema.enums import TensorType
from refinfer.testing import TensorSpec
from refinfer.testing.models import SubgraphSpec, build

pytest.importorskip("numba", reason="compiled kernels need numba")

MODELS = Path(__file__).resolve().parents[1] / "models"
NAMES = ("digits_conv_int8", "digits_dense_float", "digits_mobile_int8", "digits_residual_int8", "digits_stream_int8")


def samples(shape: Any, dtype: Any, count: int) -> list[Any]:
    generator = np.random.default_rng(0)
    return [generator.integers(-128, 128, tuple(shape)).astype(dtype) for _ in range(count)]


def litert_script(path: str, engine: str) -> list[Any]:
    """All that can be seen while inputs are set, looked at, resized and reset."""
    seen: list[Any] = []
    interpreter = Interpreter(path, engine=engine)
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    x, y = given["index"], answer["index"]

    def see() -> None:
        seen.extend([interpreter.get_tensor(x), interpreter.get_tensor(y)])

    interpreter.allocate_tensors()
    see()
    for sample in samples(given["shape"], given["dtype"], 3):
        interpreter.set_tensor(x, sample)
        see()
        interpreter.invoke()
        see()
    interpreter.invoke()  # the input is still there
    see()
    interpreter.tensor(x)()[...] = 1
    interpreter.tensor(y)()[...] = 2
    see()
    interpreter.invoke()
    see()
    interpreter.reset_all_variables()
    interpreter.invoke()
    see()
    shape = tuple(given["shape"])
    if interpreter._graph.subgraphs[0].inputs[0].shape_signature:
        for size in ((3, *shape[1:]), shape):
            interpreter.resize_tensor_input(x, size)
            try:
                interpreter.allocate_tensors()
            except RuntimeError as error:
                seen.append(str(error))
                break
            see()
            interpreter.set_tensor(x, samples(size, given["dtype"], 1)[0])
            interpreter.invoke()
            see()
    return seen


def tflm_script(path: str, engine: str) -> list[Any]:
    interpreter = runtime.Interpreter.from_file(path, engine=engine)
    details = interpreter.get_input_details(0)
    seen: list[Any] = [interpreter.get_output(0)]
    for sample in samples(details["shape"], details["dtype"], 3):
        interpreter.set_input(sample, 0)
        seen.extend([interpreter.invoke(), interpreter.get_output(0)])
        seen.extend([interpreter.invoke(), interpreter.get_output(0)])
    seen.extend([interpreter.reset(), interpreter.invoke(), interpreter.get_output(0)])
    return seen


@pytest.mark.parametrize("script", [litert_script, tflm_script])
@pytest.mark.parametrize("name", NAMES)
def test_both_engines_show_the_same(name: str, script: Any) -> None:
    path = str(MODELS / f"{name}.tflite")
    for expected, found in zip(script(path, "numpy"), script(path, "compiled"), strict=True):
        np.testing.assert_array_equal(found, expected, strict=not isinstance(expected, int | str))


def test_no_view_may_be_alive_while_kernels_work_on_it() -> None:
    interpreter = Interpreter(str(MODELS / "digits_conv_int8.tflite"), engine="compiled")
    interpreter.allocate_tensors()
    view = interpreter.tensor(interpreter.get_input_details()[0]["index"])()
    with pytest.raises(RuntimeError, match="at least 1 reference to internal data"):
        interpreter.invoke()
    del view
    interpreter.invoke()


def test_what_was_handed_out_is_not_written_to_later() -> None:
    interpreter = Interpreter(str(MODELS / "digits_conv_int8.tflite"), engine="compiled")
    interpreter.allocate_tensors()
    index = interpreter.get_output_details()[0]["index"]
    interpreter.invoke()
    first = interpreter.get_tensor(index)
    kept = first.copy()
    interpreter.set_tensor(0, np.full(interpreter.get_input_details()[0]["shape"], 99, np.int8))
    interpreter.invoke()
    np.testing.assert_array_equal(first, kept)
    assert (interpreter.get_tensor(index) != kept).any()


def test_a_model_without_operators_runs() -> None:
    x = TensorSpec(TensorType.INT8, (1, 3))
    interpreter = Interpreter(model_content=build(SubgraphSpec([], [x], [x])), engine="compiled")
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([[1, 2, 3]], np.int8))
    interpreter.invoke()
    assert interpreter.get_tensor(0).tolist() == [[1, 2, 3]]
