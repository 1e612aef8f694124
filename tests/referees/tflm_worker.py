"""The process in which the official wheel of TFLM runs: asked over stdin, it answers over stdout, in pickles.

TFLM aborts, faults and loops on some of what it is given, most of all in an arena that is too small. So every
question is answered by a fork of this process: a crash costs one fork, and is itself an answer. What the fork finds
out and what TFLM prints (it writes to file descriptor 2, past Python) come back through two files.

This file runs as a script, imports nothing of refinfer, and does not know what the answers are for.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from tflite_micro import runtime

INT_RANGES = {"full": (-100, 100), "small": (0, 3)}  # of int32 and int64 inputs, which often are indices
OUTPUT_SHAPE = "outshape:"  # an int mode that gives the values of int32 inputs: "outshape:1,3,12,64"


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end. `None` in place of a model means the same model as before."""
    import_module("tflite_micro")  # once, for all forks
    model = b""
    while True:
        try:
            given, question = pickle.load(requests)
        except EOFError:
            return
        model = model if given is None else given
        pickle.dump(answer(model, question), replies)
        replies.flush()


def answer(model: bytes, question: dict[str, Any]) -> dict[str, Any]:
    """What a fork found out before it ended, what it printed, and the signal that killed it (0: none did)."""
    with tempfile.TemporaryFile() as findings, tempfile.TemporaryFile() as text:
        child = os.fork()
        if child == 0:
            try:
                work(model, question, findings, text)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        findings.seek(0)
        text.seek(0)
        return {
            "findings": {key: value for found in pickles(findings) for key, value in found.items()},
            "text": text.read().decode(errors="replace"),
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        }


def pickles(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Every whole pickle in the file; the last one may have been cut short."""
    while True:
        try:
            yield pickle.load(file)
        except (EOFError, pickle.UnpicklingError):
            return


def work(model: bytes, question: dict[str, Any], findings: BinaryIO, text: BinaryIO) -> None:
    """Load the model and, if asked, run it once; note every step that was reached."""
    from tflite_micro import runtime

    os.dup2(text.fileno(), 2)
    signal.alarm(question["seconds"])  # its default action ends the process, whatever C++ is doing
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def note(**found: Any) -> None:
        pickle.dump(found, findings)
        findings.flush()

    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=question["arena_size"])
        note(loads=True)
        interpreter.print_allocations()
        if question["seed"] is not None:
            run(model, interpreter, question)
            note(runs=True, outputs=outputs_of(model, interpreter))
        del interpreter  # frees the arena: a program that wrote beyond it may die here
    except (RuntimeError, ValueError, IndexError) as error:
        note(error=f"{type(error).__name__}: {error}")


def run(model: bytes, interpreter: runtime.Interpreter, question: dict[str, Any]) -> None:
    """Invoke once on random inputs, drawn in the order in which the model lists them."""
    generator = np.random.Generator(np.random.PCG64(question["seed"]))
    for index in range(main_subgraph(model).InputsLength()):
        details = interpreter.get_input_details(index)
        shape = tuple(int(each) for each in details["shape"])
        interpreter.set_input(draw(generator, np.dtype(details["dtype"]), shape, question["int_mode"]), index)
    interpreter.invoke()


def draw(generator: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...], int_mode: str) -> Any:
    """Small integers uniform over their whole range, large ones over a small range, floats normal."""
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.itemsize <= 2:
        return generator.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    if int_mode.startswith(OUTPUT_SHAPE):
        return np.fromstring(int_mode.removeprefix(OUTPUT_SHAPE), dtype, sep=",").reshape(shape)
    low, high = INT_RANGES[int_mode]
    return generator.integers(low, high, shape, dtype, endpoint=True)


def outputs_of(model: bytes, interpreter: runtime.Interpreter) -> list[bytes]:
    """The bytes of every output."""
    return [np.asarray(interpreter.get_output(i)).tobytes() for i in range(main_subgraph(model).OutputsLength())]


def main_subgraph(model: bytes) -> Any:
    """Subgraph 0, by the wheel's own reader of the format."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    return schema.Model.GetRootAsModel(model, 0).Subgraphs(0)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
