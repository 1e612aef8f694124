"""Your kernel as a function of a case: in Python, in C, as a program, or in an official runtime.

    c_kernel("./libmine.so", "fully_connected_s8", "input, filter, bias, output_multiplier, output_shift, output")
    command_kernel("./runner {model} {inputs} {outputs}")
    referee_kernel("tflm")

What a kernel cannot do it skips: `hypothesis.reject()` in a function of Python, `rejects=` of a C function (what it
returns) or of a command (its exit code).
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import reject

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.errors import UsageError
from refinfer.schema.graph import Tensor
from refinfer.testing.case import Case
from refinfer.testing.prepared import parameters
from refinfer.testing.referees import referee

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Kernel = Callable[[Case], "Array | Sequence[Array]"]
    Argument = str | Callable[[Case], Any]

INPUTS = {"input": 0, "input1": 0, "filter": 1, "input2": 1, "bias": 2}
"""The names of a node's inputs in an argument list; `input_3` is the one with that number, counted from 0."""

GUARD = 64  # bytes before and behind an output, which must stay as they are
PATTERN = 0xA5  # what they hold, and an output before the kernel writes to it


def c_kernel(
    library: str | os.PathLike[str] | ctypes.CDLL,
    function: str,
    arguments: str | Sequence[Argument],
    *,
    dialect: str = "tflm",
    ok: int | None = None,
    rejects: int | None = None,
) -> Kernel:
    """A function of a shared library, called with these arguments, in this order.

    An argument is a name. A tensor (`input`, `filter`, `bias`, `input1`, `input2`, `input_3`, `output`) is a pointer to
    its values, or NULL where it is left out. Of each tensor, `input_shape` is a pointer to int32 lengths, `input_rank`
    and `input_elements` are numbers, `input_depth` is the last length and `input_rows` the product of the others, and
    `input_n`, `input_h`, `input_w`, `input_c` are the lengths of four. Everything in `parameters` (`output_multiplier`,
    `activation_min`, `stride_h`, …) is an int32_t, a float, or a pointer to int32_t. Or an argument is a function of
    the case that gives what ctypes takes. The function returns void, or an int: `ok` is the one that it must return,
    `rejects` the one that says that it does not do such a case.

    Raises UsageError for a name that the operator does not have.
    """
    loaded = library if isinstance(library, ctypes.CDLL) else ctypes.CDLL(os.fspath(Path(library).resolve()))
    call = getattr(loaded, function)
    call.restype = ctypes.c_int if ok is not None or rejects is not None else None
    names = [each.strip() for each in arguments.split(",")] if isinstance(arguments, str) else list(arguments)

    def kernel(case: Case) -> Array:
        y = case.node.outputs[0]
        dtype = dtype_of(y.type)
        size = y.elements * dtype.itemsize
        memory = np.full(2 * GUARD + size, PATTERN, np.uint8)
        output = memory[GUARD : GUARD + size].view(dtype).reshape(y.shape)
        found = _Arguments(case, output, dialect)
        status = call(*(found[each] if isinstance(each, str) else each(case) for each in names))
        if rejects is not None and status == rejects:
            reject()
        if ok is not None and status != ok:
            raise RuntimeError(f"{function} returned {status}, and not {ok}")
        around = np.concatenate((memory[:GUARD], memory[GUARD + size :]))
        if (around != PATTERN).any():
            raise RuntimeError(f"{function} wrote outside of its output of {size} bytes")
        return output.copy()

    return kernel


class _Arguments:
    """What the names of an argument list stand for, in one call; it keeps alive what pointers lead to."""

    def __init__(self, case: Case, output: Array, dialect: str) -> None:
        self._case = case
        self._output = output
        self._parameters = parameters(case.node, dialect)
        self._alive: list[object] = []

    def __getitem__(self, name: str) -> Any:
        if name in self._parameters:
            return self._value(self._parameters[name])
        tensor, _, what = name.rpartition("_")
        if self._is_tensor(name):
            return self._value(self._array(name))
        if self._is_tensor(tensor) and what in FACTS:
            return self._value(FACTS[what](self._tensor(tensor)))
        raise UsageError(f"no argument {name!r} for {self._case!r}; there is {', '.join(self._names())}")

    def _names(self) -> list[str]:
        tensors = [name for name in (*INPUTS, "output") if self._is_tensor(name)]
        return [*tensors, *(f"{name}_{what}" for name in tensors[:1] for what in FACTS), "…", *self._parameters]

    def _is_tensor(self, name: str) -> bool:
        return name == "output" or self._position(name) is not None

    def _position(self, name: str) -> int | None:
        number = name.removeprefix("input_")
        position = int(number) if number.isdecimal() else INPUTS.get(name)
        # A bias that is not there is left out; of no other input is that said.
        return position if position is not None and (position < len(self._case.node.inputs) or name == "bias") else None

    def _tensor(self, name: str) -> Tensor | None:
        node = self._case.node
        position = self._position(name)
        if position is None:
            return node.outputs[0]
        return node.inputs[position] if position < len(node.inputs) else None

    def _array(self, name: str) -> Array | None:
        position = self._position(name)
        if position is None:
            return self._output
        operands = self._case.operands
        return operands[position] if position < len(operands) else None

    def _value(self, value: Any) -> Any:
        if value is None:
            return ctypes.c_void_p(None)
        if isinstance(value, bool | int):
            return ctypes.c_int32(int(value))
        if isinstance(value, float):
            return ctypes.c_float(value)
        array = value if value is self._output else np.array(value, order="C")  # a copy, so that no kernel spoils ours
        self._alive.append(array)
        return ctypes.c_void_p(array.ctypes.data)


def _length(axis: int) -> Callable[[Tensor | None], Any]:
    return lambda tensor: 0 if tensor is None else _four(tensor)[axis]


def _four(tensor: Tensor) -> tuple[int, ...]:
    return (1,) * (4 - len(tensor.shape)) + tensor.shape


FACTS: dict[str, Callable[[Tensor | None], Any]] = {
    "shape": lambda tensor: None if tensor is None else np.array(tensor.shape, np.int32),
    "rank": lambda tensor: 0 if tensor is None else len(tensor.shape),
    "elements": lambda tensor: 0 if tensor is None else prod(tensor.shape),
    "rows": lambda tensor: 0 if tensor is None else prod(tensor.shape[:-1]),
    "depth": lambda tensor: 0 if tensor is None or not tensor.shape else tensor.shape[-1],
    "n": _length(0),
    "h": _length(1),
    "w": _length(2),
    "c": _length(3),
}


def command_kernel(
    command: str | Sequence[str], *, format: str = "npz", seconds: float = 60, rejects: int | None = None
) -> Kernel:
    """A program that reads a model and its inputs from files and writes the outputs to others.

    `{model}` in the command becomes the path of the ``.tflite`` file, `{inputs}` and `{outputs}` those of the values:
    .npz files with arrays `input_0` … and `output_0` …; with `format="raw"`, folders with files ``input_0.bin`` … and
    ``output_0.bin`` …, which hold the values one after the other, little-endian. A program that ends with the code
    `rejects` says that it does not do such a model; any other than 0 is a failure.
    """
    words = shlex.split(command) if isinstance(command, str) else list(command)
    write, read = FORMATS[format]

    def kernel(case: Case) -> Sequence[Array]:
        with tempfile.TemporaryDirectory() as folder:
            paths = {"model": Path(folder, "model.tflite")}
            paths |= {name: Path(folder, name if format == "raw" else f"{name}.npz") for name in ("inputs", "outputs")}
            paths["model"].write_bytes(case.model)
            write(paths["inputs"], case.inputs)
            if format == "raw":
                paths["outputs"].mkdir()
            asked = [word.format(**paths) for word in words]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=seconds, check=False)
            if rejects is not None and done.returncode == rejects:
                reject()
            if done.returncode != 0:
                raise RuntimeError(f"{words[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
            return read(paths["outputs"], case)

    return kernel


def _write_npz(path: Path, inputs: Sequence[Array]) -> None:
    np.savez(path, **{f"input_{number}": x for number, x in enumerate(inputs)})  # type: ignore[arg-type]


def _read_npz(path: Path, case: Case) -> list[Array]:
    with np.load(path) as found:
        return [found[f"output_{number}"] for number in range(len(case.graph.subgraphs[0].outputs))]


def _write_raw(path: Path, inputs: Sequence[Array]) -> None:
    path.mkdir()
    for number, x in enumerate(inputs):
        x.astype(x.dtype.newbyteorder("<")).tofile(path / f"input_{number}.bin")


def _read_raw(path: Path, case: Case) -> list[Array]:
    return [
        np.fromfile(path / f"output_{number}.bin", dtype_of(y.type).newbyteorder("<")).reshape(y.shape)
        for number, y in enumerate(case.graph.subgraphs[0].outputs)
    ]


FORMATS = {"npz": (_write_npz, _read_npz), "raw": (_write_raw, _read_raw)}


def referee_kernel(runtime: str, **options: Any) -> Kernel:
    """An official runtime, "litert" or "tflm"; what it refuses is skipped, and a crash is a failure.

    `options` are those of `Referee.run`: `kernels="OPT"` has LiteRT use its optimised kernels.
    """

    def kernel(case: Case) -> Sequence[Array]:
        answer = referee(runtime).run(case.model, case.inputs, **options)
        if answer.crash:
            raise RuntimeError(f"{runtime} crashed: {answer.crash}")
        if not answer.finished:
            reject()
        return answer.outputs[0]

    return kernel
