"""Count the held-out digits that each model gets right on an official runtime.

    python models/right_answers.py litert models/*.tflite
    python models/right_answers.py tflm models/*.tflite

Prints a line like "digits_dense_int8 337" for each. In place of the number stands "refused" if the runtime does not
load the model, "nan" if what it computes are not numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HELD_OUT = Path(__file__).with_name("digits_held_out.npz")
BRIGHTEST = 16
ARENA_BYTES = 1 << 20
INT8 = np.iinfo(np.int8)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Runner:
    """A loaded model: what it takes, and its two buttons. `invoke` takes an input and gives the output."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int
    reset: Callable[[], object]
    invoke: Callable[[Array], Array]


def on_litert(path: Path) -> Runner:
    """The reference kernels of LiteRT."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()

    def invoke(x: Array) -> Array:
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(answer["index"]))

    shape, dtype = tuple(map(int, given["shape"])), np.dtype(given["dtype"])
    scale, zero_point = given["quantization"]
    return Runner(shape, dtype, scale, zero_point, interpreter.reset_all_variables, invoke)


def on_tflm(path: Path) -> Runner:
    """The reference kernels of TensorFlow Lite for Microcontrollers."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=ARENA_BYTES)
    given = interpreter.get_input_details(0)

    def invoke(x: Array) -> Array:
        interpreter.set_input(x, 0)
        interpreter.invoke()
        return np.asarray(interpreter.get_output(0))

    shape, dtype = tuple(map(int, given["shape"])), np.dtype(given["dtype"])
    quantization = given["quantization_parameters"]
    scale, zero_point = (quantization[each][0] if dtype == np.int8 else 0 for each in ("scales", "zero_points"))
    return Runner(shape, dtype, scale, zero_point, interpreter.reset, invoke)


def frames(images: Array, shape: tuple[int, ...]) -> Array:
    """The images, 8x8 pixels from 0 to 16, as a model with this input shape takes them: [image, frame, *shape].

    A pixel becomes a square of pixels for a model that sees a larger picture. A model that takes a row at a time gets
    a frame for each row.
    """
    enlarge = max(shape) // images.shape[-1]
    pictures = images.repeat(enlarge, axis=1).repeat(enlarge, axis=2) / np.float32(BRIGHTEST)
    return pictures.reshape(len(images), -1, *shape)


def right_answers(model: Runner, images: Array, labels: Array) -> str:
    """How often the last output for an image is largest at its label; "nan" if an output is not a number."""
    inputs = frames(images, model.shape)
    if model.dtype == np.int8:
        steps = np.rint(inputs / np.float32(model.scale)) + model.zero_point
        inputs = steps.clip(INT8.min, INT8.max).astype(np.int8)
    right = 0
    for sequence, label in zip(inputs, labels, strict=True):
        model.reset()
        answer = [model.invoke(frame) for frame in sequence][-1]
        if np.isnan(answer).any():
            return "nan"
        right += int(answer.argmax() == label)
    return str(right)


RUNTIMES = {"litert": on_litert, "tflm": on_tflm}


def main(runtime: str, *models: str) -> None:
    held_out = np.load(HELD_OUT)
    for path in map(Path, models):
        try:
            model = RUNTIMES[runtime](path)
        except RuntimeError:
            print(path.stem, "refused", flush=True)
        else:
            print(path.stem, right_answers(model, held_out["images"], held_out["labels"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
