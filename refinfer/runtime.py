"""The face of TFLM's Python package: a drop-in for `tflite_micro.runtime`, in the dialect "tflm".

from refinfer import runtime   # was: from tflite_micro import runtime

interpreter = runtime.Interpreter.from_file("model.tflite")
interpreter.set_input(x, 0)
interpreter.invoke()
y = interpreter.get_output(0)
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from refinfer.interpreter import check_fits, details_of, find_dialect
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.machine import CustomOp, Machine
from refinfer.schema.file import read_model
from refinfer.schema.graph import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from refinfer.kernels.compute import Array


Item = TypeVar("Item")


class InterpreterConfig(enum.Enum):
    """Whether intermediate tensors can be read after an invoke."""

    kAllocationRecording = 0  # noqa: N815  # TFLM's spelling
    kPreserveAllTensors = 1  # noqa: N815


class Interpreter:
    """Runs a model as `tflite_micro.runtime.Interpreter` does; make one with `from_file` or `from_bytes`."""

    def __init__(
        self,
        model_data: bytes | None,
        custom_op_registerers: Sequence[str],
        arena_size: int | None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
    ) -> None:
        """Read the model and fold its kernels.

        An arena is not needed here: `arena_size` is accepted so that scripts run unchanged. Raises ValueError for no
        model, FormatError, GraphError or UnsupportedNode (all of them ValueErrors) for one that cannot be run.
        """
        if model_data is None:
            raise ValueError("Model must not be None")
        self._graph = read_model(bytes(model_data))
        self._main = self._graph.subgraphs[0]
        self._machine = Machine(self._graph, find_dialect("tflm"), custom_ops)
        self._preserve_all = intrepreter_config is InterpreterConfig.kPreserveAllTensors
        self._inputs = [_zeros(tensor) for tensor in self._main.inputs]
        self._outputs = [_zeros(tensor) for tensor in self._main.outputs]
        self._values: list[Array | None] = []

    @classmethod
    def from_file(
        cls,
        model_path: str | os.PathLike[str] | None,
        custom_op_registerers: Sequence[str] | None = None,
        arena_size: int | None = None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
    ) -> Interpreter:
        """An interpreter of the model in a file. Raises ValueError if there is no such file."""
        if model_path is None or not os.path.isfile(model_path):
            raise ValueError("Invalid model file path")
        with open(model_path, "rb") as file:
            data = file.read()
        return cls(
            data,
            custom_op_registerers or (),
            arena_size,
            intrepreter_config,
            alt_decompression_memory_size,
            custom_ops=custom_ops,
        )

    @classmethod
    def from_bytes(
        cls,
        model_data: bytes | None,
        custom_op_registerers: Sequence[str] | None = None,
        arena_size: int | None = None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
    ) -> Interpreter:
        """An interpreter of the model in these bytes."""
        return cls(
            model_data,
            custom_op_registerers or (),
            arena_size,
            intrepreter_config,
            alt_decompression_memory_size,
            custom_ops=custom_ops,
        )

    def set_input(self, input_data: ArrayLike, index: int) -> None:
        """Copy an array into the input of that position. Raises ValueError for another type or shape."""
        if input_data is None:
            raise ValueError("Input data must not be None")
        current = _at(self._inputs, index)
        array = np.asarray(input_data)
        check_fits(array, self._main.inputs[index], current, f" for input {index}")
        current[...] = array

    def invoke(self) -> int:
        """Run the model; 0, as TFLM's status of success."""
        self._values = self._machine.run(0, [array.copy() for array in self._inputs])
        for position, tensor in enumerate(self._main.outputs):
            self._outputs[position] = np.array(self._values[tensor.index])
        return 0

    def reset(self) -> int:
        """Bring variable tensors and resources back to where they started; 0, as TFLM's status of success."""
        self._machine.reset()
        return 0

    def get_output(self, index: int) -> Array:
        """A copy of the output of that position."""
        return _at(self._outputs, index).copy()

    def GetTensor(self, tensor_index: int, subgraph_index: int) -> dict[str, Any]:  # noqa: N802  # TFLM's spelling
        """The value, shape and quantization of any tensor, if the interpreter preserves all of them."""
        if not self._preserve_all:
            raise RuntimeError("GetTensor() needs an interpreter with InterpreterConfig.kPreserveAllTensors")
        if subgraph_index != 0:
            raise ValueError("only the tensors of subgraph 0 are preserved")
        tensor = _at(self._main.tensors, tensor_index)
        value = self._values[tensor_index] if self._values else None
        details = _details(tensor)
        return {"tensor_data": None if value is None else value.copy(), **details}

    def get_input_details(self, index: int) -> dict[str, Any]:
        """Type, shape and quantization of the input of that position."""
        return _details(_at(self._main.inputs, index))

    def get_output_details(self, index: int) -> dict[str, Any]:
        """Type, shape and quantization of the output of that position."""
        return _details(_at(self._main.outputs, index))

    def print_allocations(self) -> None:
        """Say where the memory of an arena is told of: this interpreter has none."""
        print("refinfer's interpreter has no arena: refinfer.simulate(model) tells what TFLM takes", file=sys.stderr)


def _at(items: Sequence[Item], index: int | None) -> Item:
    if index is None or index < 0:
        raise ValueError("Index must be a non-negative integer")
    if index >= len(items):
        raise IndexError("Tensor is out of bound, please check tensor index.")
    return items[index]


def _zeros(tensor: Tensor) -> Array:
    return np.zeros(tensor.shape, dtype_of(tensor.type))


def _details(tensor: Tensor) -> dict[str, Any]:
    details = details_of(tensor, tensor.shape)
    parameters = {key: value for key, value in details["quantization_parameters"].items() if key != "block_size"}
    return {"dtype": details["dtype"], "shape": details["shape"], "quantization_parameters": parameters}
