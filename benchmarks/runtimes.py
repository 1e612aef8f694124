"""refinfer and its peers behind one face, each with one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refinfer.interpreter import Interpreter


class Loaded(NamedTuple):
    """A model in a runtime: give it its inputs, run it, take its outputs."""

    set: Callable[[Sequence[Any]], None]
    invoke: Callable[[], object]
    get: Callable[[], list[Any]]


class Peer(NamedTuple):
    """A runtime that we are timed against, in the dialect that gives its bits, or nearly (`is_exact`: all of them)."""

    load: Callable[[str], Loaded]
    dialect: str
    is_exact: bool


def load_refinfer(engine: str, dialect: str, path: str) -> Loaded:
    """Raises ValueError for what it does not run."""
    return _litert_face(Interpreter(path, dialect=dialect, num_threads=1, engine=engine))


def load_litert(kernels: str, path: str) -> Loaded:
    """The kernels are named as in OpResolverType. Raises ValueError or RuntimeError for what it does not run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return _litert_face(Interpreter(path, experimental_op_resolver_type=OpResolverType[kernels], num_threads=1))


def load_tflm(path: str) -> Loaded:
    """Raises RuntimeError for what it does not run."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(path, arena_size=ARENA)
    outputs = Interpreter(path, dialect="tflm").get_output_details()  # the wheel does not tell how many there are

    def give(inputs: Sequence[Any]) -> None:
        for index, value in enumerate(inputs):
            interpreter.set_input(value, index)

    return Loaded(
        give, interpreter.invoke, lambda: [np.array(interpreter.get_output(each)) for each in range(len(outputs))]
    )


def _litert_face(interpreter: Any) -> Loaded:
    interpreter.allocate_tensors()
    inputs = [each["index"] for each in interpreter.get_input_details()]
    outputs = [each["index"] for each in interpreter.get_output_details()]

    def give(values: Sequence[Any]) -> None:
        for index, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(index, value)

    return Loaded(give, interpreter.invoke, lambda: [interpreter.get_tensor(index) for index in outputs])


ENGINES = ("compiled", "numpy")
"""refinfer's, the fastest first."""

ARENA = 1 << 26

PEERS = {
    "tflite-micro": Peer(load_tflm, "tflm", is_exact=True),
    "BUILTIN_REF": Peer(partial(load_litert, "BUILTIN_REF"), "litert", is_exact=True),
    "LiteRT": Peer(partial(load_litert, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"), "litert", is_exact=False),
    "XNNPACK": Peer(partial(load_litert, "AUTO"), "litert", is_exact=False),
}
"""TFLM's reference kernels; LiteRT's; its optimized ones; and what it uses by default."""
