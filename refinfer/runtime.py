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
from operator import index as as_index
from typing import TYPE_CHECKING, Any, TypeVar

from refinfer.interpreter import check_fits, details_of, find_dialect, scalar_or_array
from refinfer.kernels.compute import Aborted, dtype_of
from refinfer.kernels.lazy import np
from refinfer.machine import Bound, CustomOp, Machine
from refinfer.schema.errors import UnsupportedNode
from refinfer.schema.file import read_model
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from refinfer.kernels.compute import Array


Item = TypeVar("Item")
ABORTED = 15  # [micro_context.h: kTfLiteAbort]


class InterpreterConfig(enum.Enum):
    """Whether intermediate tensors can be read after an invoke."""

    kAllocationRecording = 0  # noqa: N815  # TFLM's spelling
    kPreserveAllTensors = 1  # noqa: N815


class Interpreter:
    """Runs a model as `tflite_micro.runtime.Interpreter` does; make one with `from_file` or `from_bytes`."""

    def __init__(
        self,
        model_data: bytes | None,
        custom_op_registerers: list[str],
        arena_size: int | None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
        engine: str | None = None,
    ) -> None:
        """Read the model and fold its kernels.

        An arena is not needed here: its size is accepted so that scripts run unchanged, and never too small. Custom
        operators come as `custom_ops`, which are Python: there is no C function to register any by name. `engine` is
        "numpy", "compiled" or "auto", as in `refinfer.interpreter`. Raises ValueError for no model, FormatError or
        GraphError (both ValueErrors) for what is none, RuntimeError for one that TFLM does not run.
        """
        if model_data is None:
            raise ValueError("Model must not be None")
        _check_registerers(custom_op_registerers)
        self._graph = read_model(bytes(memoryview(model_data)))
        self._main = self._graph.subgraphs[0]
        try:
            self._machine = Machine(self._graph, find_dialect("tflm"), custom_ops, engine)
        except UnsupportedNode as refusal:
            raise RuntimeError(f"TFLM failed to allocate tensors: {refusal}") from None
        self._inputs = [_zeros(tensor) for tensor in self._main.inputs]
        self._outputs = [_zeros(tensor) for tensor in self._main.outputs]
        self._bound: Bound | None = None
        self._asked = False  # whether there is one, once compiled kernels are ready
        self._kept: dict[Tensor, Array] = {}
        self._preserve_all = intrepreter_config is InterpreterConfig.kPreserveAllTensors
        if self._preserve_all:
            self._machine.watch = self._keep

    @classmethod
    def from_file(
        cls,
        model_path: str | os.PathLike[str] | None,
        custom_op_registerers: list[str] | None = None,
        arena_size: int | None = None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
        engine: str | None = None,
    ) -> Interpreter:
        """An interpreter of the model in a file. Raises ValueError if there is no such file."""
        if model_path is None or not os.path.isfile(model_path):
            raise ValueError("Invalid model file path")
        with open(model_path, "rb") as file:
            data = file.read()
        return cls.from_bytes(
            data,
            custom_op_registerers,
            arena_size,
            intrepreter_config,
            alt_decompression_memory_size,
            custom_ops=custom_ops,
            engine=engine,
        )

    @classmethod
    def from_bytes(
        cls,
        model_data: bytes | None,
        custom_op_registerers: list[str] | None = None,
        arena_size: int | None = None,
        intrepreter_config: InterpreterConfig = InterpreterConfig.kAllocationRecording,
        alt_decompression_memory_size: int = 0,
        *,
        custom_ops: Mapping[str, CustomOp] | None = None,
        engine: str | None = None,
    ) -> Interpreter:
        """An interpreter of the model in these bytes."""
        return cls(
            model_data,
            [] if custom_op_registerers is None else custom_op_registerers,
            arena_size,
            intrepreter_config,
            alt_decompression_memory_size,
            custom_ops=custom_ops,
            engine=engine,
        )

    def set_input(self, input_data: ArrayLike, index: int) -> None:
        """Copy an array into the input of that position. Raises ValueError for another type or shape."""
        if input_data is None:
            raise ValueError("Input data must not be None")
        current, tensor = _at(self._inputs, index), _at(self._main.inputs, index)
        array = np.asarray(input_data)
        if array.dtype != current.dtype or array.shape != current.shape:
            check_fits(array, tensor, current.shape, index)
        current[...] = array

    def invoke(self) -> int:
        """Run the model; 0, as TFLM's status of success, or 15, if an operator ended the run: then outputs stay.

        Raises RuntimeError for values that an operator cannot do with.
        """
        if not self._asked and self._machine.tier.ready:
            self._bind()
        try:
            if self._bound is not None:
                self._bound.run()
                return 0
            outputs = self._machine.call(0, [array.copy() for array in self._inputs])
        except Aborted:
            return ABORTED
        except UnsupportedNode as refusal:
            raise RuntimeError(f"Interpreter invocation failed. {refusal}") from None
        self._outputs = list(outputs)
        return 0

    def reset(self) -> int:
        """Bring variable tensors and resources back to where they started; 0, as TFLM's status of success."""
        self._machine.reset()
        return 0

    def get_output(self, index: int) -> Array:
        """A copy of the output of that position; a number where it is a scalar."""
        return scalar_or_array(_at(self._outputs, index).copy())

    def GetTensor(self, tensor_index: int, subgraph_index: int) -> dict[str, Any]:  # noqa: N802  # TFLM's spelling
        """Value, type and shape of any tensor, if the interpreter preserves all of them."""
        if not self._preserve_all:
            raise RuntimeError(
                "TFLM only supports GetTensor() when using a python interpreter with the "
                "InterpreterConfig.kPreserveAllTensors interpreter_config"
            )
        tensor = _at(_at(self._graph.subgraphs, subgraph_index).tensors, tensor_index)
        value = self._value(tensor)
        details = details_of(tensor, value.shape)
        return {"dtype": details["dtype"], "shape": details["shape"], "tensor_data": scalar_or_array(value.copy())}

    def get_input_details(self, index: int) -> dict[str, Any]:
        """Type, shape and quantization of the input of that position."""
        return _details(_at(self._main.inputs, index))

    def get_output_details(self, index: int) -> dict[str, Any]:
        """Type, shape and quantization of the output of that position."""
        return _details(_at(self._main.outputs, index))

    def print_allocations(self) -> None:
        """Say where the memory of an arena is told of: this interpreter has none."""
        if self._preserve_all:
            raise ValueError("Cannot print allocations as they were not recorded")
        print("refinfer's interpreter has no arena: refinfer.simulate(model) tells what TFLM takes", file=sys.stderr)

    def _bind(self) -> None:
        """Let inputs and outputs be where a plan has them, if there is one that needs no copies."""
        self._asked = True
        self._bound = self._machine.bind(0, [array.shape for array in self._inputs])
        if self._bound is not None:
            for memory, array in zip(self._bound.inputs, self._inputs, strict=True):
                memory[...] = array
            self._inputs, self._outputs = list(self._bound.inputs), list(self._bound.outputs)

    def _value(self, tensor: Tensor) -> Array:
        """What a tensor holds: zeros, if nothing was written there yet."""
        constant = self._machine.constants(tensor.subgraph)[tensor.index]
        return self._kept.get(tensor, _zeros(tensor)) if constant is None else constant

    def _keep(self, node: Node, inputs: tuple[Array | None, ...], outputs: tuple[Array, ...]) -> None:
        """Take note of what a node works on, in whichever subgraph it stands."""
        pairs = (*zip(node.inputs, inputs, strict=True), *zip(node.outputs, outputs, strict=True))
        self._kept |= {tensor: array for tensor, array in pairs if tensor is not None and array is not None}


def _check_registerers(names: object) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("Custom ops registerers must be a list of strings")
    if names:
        raise RuntimeError(f"TFLM could not register custom op via {names[0]}: here they are given as custom_ops")


def _at(items: Sequence[Item], index: int | None) -> Item:
    if index is None or index < 0:
        raise ValueError("Index must be a non-negative integer")
    if as_index(index) >= len(items):
        raise IndexError("Tensor is out of bound, please check tensor index.")
    return items[index]


def _zeros(tensor: Tensor) -> Array:
    return np.zeros(tensor.shape, dtype_of(tensor.type))


def _details(tensor: Tensor) -> dict[str, Any]:
    details = details_of(tensor, tensor.shape)
    parameters = {key: value for key, value in details["quantization_parameters"].items() if key != "block_size"}
    return {"dtype": details["dtype"], "shape": details["shape"], "quantization_parameters": parameters}
