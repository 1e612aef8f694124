"""The process in which an official runtime runs: it is asked over stdin, and answers over stdout, in pickles.

    python referee_worker.py litert | tflm

Every question is answered by a fork of this process, since official runtimes abort, fault and loop on some models: a
crash then costs one fork, and is itself an answer. A question is (model, options, list of runs), each run a list of
input arrays; the answer of a run is the list of its outputs. Runs of one question share an interpreter, so that what a
model remembers is remembered, but for those whose number is in the option "anew", which get a new one. This file runs
as a script and imports nothing of refinfer.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

Arrays = list[Any]
Run = Callable[[Sequence[Any]], Arrays]

SECONDS = 60  # for one question


def litert(model: bytes, options: dict[str, Any]) -> Run:
    """LiteRT with the kernels that `options["kernels"]` names (REF, OPT or AUTO); of every tensor if "all" is set."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = {
        "REF": OpResolverType.BUILTIN_REF,
        "OPT": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "AUTO": OpResolverType.AUTO,
    }
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=resolvers[options.get("kernels", "REF")],
        experimental_preserve_all_tensors=bool(options.get("all")),
        num_threads=1,
    )
    for index, shape in options.get("shapes", {}).items():
        interpreter.resize_tensor_input(interpreter.get_input_details()[index]["index"], shape)
    interpreter.allocate_tensors()

    def run(inputs: Sequence[Any]) -> Arrays:
        for details, value in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        if options.get("all"):
            return [_tensor(interpreter, each["index"]) for each in interpreter.get_tensor_details()]
        return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]

    return run


def _tensor(interpreter: Any, index: int) -> Any:
    try:
        return interpreter.get_tensor(index)
    except ValueError:  # it has no memory
        return None


def tflm(model: bytes, options: dict[str, Any]) -> Run:
    """The reference kernels of TFLM; of every tensor of the main subgraph if "all" is set."""
    from tflite_micro import runtime
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    config = runtime.InterpreterConfig
    kind = config.kPreserveAllTensors if options.get("all") else config.kAllocationRecording
    interpreter = runtime.Interpreter.from_bytes(
        model, arena_size=options.get("arena_size", 1 << 26), intrepreter_config=kind
    )
    main = schema.Model.GetRootAsModel(model, 0).Subgraphs(0)

    def run(inputs: Sequence[Any]) -> Arrays:
        for index, value in enumerate(inputs):
            interpreter.set_input(np.asarray(value, order="C"), index)  # a scalar keeps its rank
        interpreter.invoke()
        if options.get("all"):
            return [interpreter.GetTensor(index, 0)["tensor_data"] for index in range(main.TensorsLength())]
        return [np.array(interpreter.get_output(index)) for index in range(main.OutputsLength())]

    return run


RUNTIMES = {"litert": litert, "tflm": tflm}


def serve(runtime: Callable[[bytes, dict[str, Any]], Run], requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    while True:
        try:
            question = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(answer(runtime, *question), replies)
        replies.flush()


def answer(
    runtime: Callable[[bytes, dict[str, Any]], Run], model: bytes, options: dict[str, Any], runs: list[Arrays]
) -> dict[str, Any]:
    """What a fork computed before it ended, what it said, and the signal that killed it (0: none did)."""
    with tempfile.TemporaryFile() as findings, tempfile.TemporaryFile() as text:
        child = os.fork()
        if child == 0:
            try:
                work(runtime, model, options, runs, findings, text)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        findings.seek(0)
        text.seek(0)
        found = list(pickles(findings))
        return {
            "outputs": [each for kind, each in found if kind == "outputs"],
            "error": next((each for kind, each in found if kind == "error"), ""),
            "text": text.read().decode(errors="replace"),
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        }


def pickles(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Every whole pickle in the file; the last one may have been cut short."""
    while True:
        try:
            yield pickle.load(file)
        except (EOFError, pickle.UnpicklingError):
            return


def work(
    runtime: Callable[[bytes, dict[str, Any]], Run],
    model: bytes,
    options: dict[str, Any],
    runs: list[Arrays],
    findings: BinaryIO,
    text: BinaryIO,
) -> None:
    """Load the model, and run it on each set of inputs in turn."""
    os.dup2(text.fileno(), 2)
    signal.alarm(options.get("seconds", SECONDS))  # its default action ends the process, whatever C++ is doing
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def note(kind: str, value: Any) -> None:
        pickle.dump((kind, value), findings)
        findings.flush()

    try:
        run = runtime(model, options)
        for number, inputs in enumerate(runs):
            if number and number in options.get("anew", ()):
                run = runtime(model, options)
            note("outputs", run(inputs))
    except Exception as error:  # whatever an official runtime raises is its answer
        note("error", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    serve(RUNTIMES[sys.argv[1]], sys.stdin.buffer, sys.stdout.buffer)
