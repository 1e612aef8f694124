"""The face of LiteRT: a drop-in for `tf.lite.Interpreter` and `ai_edge_litert.interpreter.Interpreter`.

    from refinfer.interpreter import Interpreter   # was: from ai_edge_litert.interpreter import Interpreter

The same arguments, methods, dictionaries and types of errors; `dialect` says whose bits are computed.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS, Dialect
from refinfer.machine import CustomOp, Machine
from refinfer.schema.enums import DimensionType
from refinfer.schema.errors import UsageError
from refinfer.schema.file import read_model
from refinfer.schema.graph import Signature, Tensor
from refinfer.schema.tables import DimensionMetadata

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from refinfer.kernels.compute import Array, Shape

    Details = dict[str, Any]


class OpResolverType(Enum):
    """Which kernels LiteRT would use. It is accepted so that scripts run unchanged; `dialect` decides."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


class Interpreter:
    """Runs a model, as `tf.lite.Interpreter` does.

    `dialect` is "litert" (LiteRT's reference kernels, BUILTIN_REF) or "tflm" (TFLM's, what a board computes).
    `custom_ops` maps the code of a custom operator to a function that takes the node and gives the function of its
    input arrays that computes the tuple of its output arrays. With `experimental_preserve_all_tensors` every tensor
    can be read after `invoke`, and the results stay the same; without, only inputs, outputs and constants.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[object] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: object = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        *,
        dialect: str = "litert",
        custom_ops: Mapping[str, CustomOp] | None = None,
    ) -> None:
        """Read the model and fold its kernels.

        Raises ValueError for arguments that make no sense, FormatError, GraphError or UnsupportedNode (all of them
        ValueErrors) for a model that cannot be run.
        """
        _check_arguments(model_path, model_content, experimental_delegates, num_threads)
        source = model_content if model_path is None else model_path
        assert source is not None
        self._graph = read_model(source)
        self._main = self._graph.subgraphs[0]
        self._machine = Machine(self._graph, find_dialect(dialect), custom_ops)
        self._preserve_all = experimental_preserve_all_tensors
        self._shapes: list[Shape] = [tensor.shape for tensor in self._main.inputs]
        self._known_shapes: list[Shape | None] = [tensor.shape for tensor in self._main.tensors]
        self._values: list[list[Array | None]] | None = None  # by subgraph; None until tensors are allocated
        self._views: list[weakref.ref[Array]] = []  # what tensor() has handed out

    def allocate_tensors(self) -> None:
        """Give every input its memory, in the shape that it was resized to."""
        self._ensure_safe()
        if self._shapes != [tensor.shape for tensor in self._main.inputs]:
            self._known_shapes = self._machine.shapes(0, self._shapes)
        else:
            self._known_shapes = [tensor.shape for tensor in self._main.tensors]
        self._values = [self._machine.constants(subgraph.index) for subgraph in self._graph.subgraphs]
        for tensor, shape in zip(self._main.inputs, self._shapes, strict=True):
            self._values[0][tensor.index] = np.zeros(shape, dtype_of(tensor.type))
        for tensor in self._main.outputs:
            known = self._known_shapes[tensor.index]
            if self._values[0][tensor.index] is None and known is not None:
                self._values[0][tensor.index] = np.zeros(known, dtype_of(tensor.type))

    def invoke(self) -> None:
        """Run the model on what its inputs hold. Raises RuntimeError before `allocate_tensors`."""
        self._ensure_safe()
        if self._values is None:
            raise RuntimeError("Invoke called on model that is not ready.")
        # Copies, since what a kernel gives may be a view of what it got, and inputs will be written to again.
        inputs = [self._current(tensor, 0, "").copy() for tensor in self._main.inputs]
        run = self._machine.run(0, inputs)
        kept = range(len(run)) if self._preserve_all else [tensor.index for tensor in self._main.outputs]
        inputs_stay = {tensor.index for tensor in self._main.inputs}
        for index in kept:
            if index not in inputs_stay:
                self._values[0][index] = run[index]

    def set_tensor(self, tensor_index: int, value: ArrayLike) -> None:
        """Copy `value` into an input. Raises ValueError if type or shape differ from the tensor's."""
        tensor = self._tensor(tensor_index)
        current = self._current(
            tensor, 0, "Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
        )
        array = np.asarray(value)
        check_fits(array, tensor, current, f" for input {tensor.index}, name: {tensor.name} ")
        if not current.flags.writeable:
            raise ValueError(f"Cannot set tensor: tensor {tensor.index} is a constant of the model")
        current[...] = array

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Array:
        """A copy of a tensor's value. Raises ValueError for a tensor that was not kept."""
        tensor = self._tensor(tensor_index, subgraph_index)
        return self._current(tensor, subgraph_index, "Tensor data is null. Run allocate_tensors() first").copy()

    def tensor(self, tensor_index: int) -> Callable[[], Array]:
        """A function that gives a view of a tensor's memory, for reading and writing without copies.

        No view may be alive during `allocate_tensors`, `resize_tensor_input` or `invoke`: they raise RuntimeError.
        """

        def view() -> Array:
            tensor = self._tensor(tensor_index)
            array = self._current(tensor, 0, "Tensor data is null. Run allocate_tensors() first").view()
            self._views.append(weakref.ref(array))
            return array

        return view

    def resize_tensor_input(self, input_index: int, tensor_size: Sequence[int], strict: bool = False) -> None:
        """Give an input another shape; `allocate_tensors` must follow.

        With `strict`, only dimensions that the file leaves open (-1 in shape_signature) may change. Raises ValueError
        if they do, or if the tensor is no input.
        """
        self._ensure_safe()
        tensor = self._tensor(input_index)
        if tensor not in self._main.inputs:
            raise ValueError(f"tensor {tensor.index} ({tensor.name!r}) is not an input")
        size = tuple(int(length) for length in tensor_size)
        if any(length < 0 for length in size):
            raise ValueError(f"input {tensor.index}: {list(size)} has a negative dimension")
        position = self._main.inputs.index(tensor)
        if strict:
            _check_only_open_dimensions_change(tensor, size)
        if size != self._shapes[position]:
            self._shapes[position] = size
            self._known_shapes[tensor.index] = size
            self._values = None

    def get_input_details(self) -> list[Details]:
        """A dictionary for each input: name, index, shape, shape_signature, dtype, quantization …"""
        return [self._details(tensor) for tensor in self._main.inputs]

    def get_output_details(self) -> list[Details]:
        """A dictionary for each output, like those of inputs."""
        return [self._details(tensor) for tensor in self._main.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[Details]:
        """A dictionary for each tensor of a subgraph. Raises ValueError if there is no such subgraph."""
        count = len(self._graph.subgraphs)
        if not 0 <= subgraph_index < count:
            raise ValueError(
                f"subgraph_index is out of range: {subgraph_index} for the model, which has {count} subgraphs."
            )
        return [self._details(tensor) for tensor in self._graph.subgraphs[subgraph_index].tensors]

    def num_subgraphs(self) -> int:
        """How many subgraphs the model has."""
        return len(self._graph.subgraphs)

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """The names of inputs and outputs, by the key of the signature."""
        return {
            signature.key: {"inputs": list(signature.inputs), "outputs": list(signature.outputs)}
            for signature in self._graph.signatures
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A callable that takes the inputs of a signature by name. Raises ValueError if there is no such signature.

        The key may be left out if the model has one signature.
        """
        signatures = {signature.key: signature for signature in self._graph.signatures}
        if signature_key is None:
            if len(signatures) != 1:
                raise ValueError(
                    f"SignatureDef signature_key is None and model has {len(signatures)} Signatures. "
                    "None is only allowed when the model has 1 SignatureDef"
                )
            return SignatureRunner(self._machine, next(iter(signatures.values())))
        if signature_key not in signatures:
            raise ValueError(f'Invalid signature_key provided: "{signature_key}".')
        return SignatureRunner(self._machine, signatures[signature_key])

    def reset_all_variables(self) -> None:
        """Bring variable tensors back to what they start with."""
        self._machine.reset_variables()

    def _get_ops_details(self) -> list[Details]:
        """A dictionary for each operator of the main subgraph."""
        return [
            {
                "index": node.index,
                "op_name": node.name,
                "inputs": np.array([-1 if x is None else x.index for x in node.inputs], np.int32),
                "outputs": np.array([y.index for y in node.outputs], np.int32),
                "operand_types": [dtype_of(x.type).type for x in node.inputs if x is not None],
                "result_types": [dtype_of(y.type).type for y in node.outputs],
            }
            for node in self._main.nodes
        ]

    def _tensor(self, index: int, subgraph_index: int = 0) -> Tensor:
        tensors = self._graph.subgraphs[subgraph_index].tensors
        if not 0 <= index < len(tensors):
            raise ValueError(f"Invalid tensor index {index} exceeds max tensor index {len(tensors) - 1}")
        return tensors[index]

    def _current(self, tensor: Tensor, subgraph_index: int, unallocated: str) -> Array:
        if self._values is None:
            raise ValueError(unallocated)
        value = self._values[subgraph_index][tensor.index]
        if value is None:
            raise ValueError(
                f"tensor {tensor.index} ({tensor.name!r}) is not kept; make the interpreter with "
                "experimental_preserve_all_tensors=True"
            )
        return value

    def _details(self, tensor: Tensor) -> Details:
        shape: Shape | None = tensor.shape
        if tensor.subgraph == 0:
            known = self._known_shapes[tensor.index]
            value = self._values[0][tensor.index] if self._values is not None else None
            shape = value.shape if value is not None else known if known is not None else tensor.shape
        return details_of(tensor, shape if shape is not None else tensor.shape)

    def _ensure_safe(self) -> None:
        self._views = [view for view in self._views if view() is not None]
        if self._views:
            raise RuntimeError(
                "There is at least 1 reference to internal data in the interpreter in the form of a numpy array or "
                "slice. Be sure to only hold the function returned from tensor() if you are using raw data access."
            )


class SignatureRunner:
    """A signature as a function: arrays by name in, arrays by name out."""

    def __init__(self, machine: Machine, signature: Signature) -> None:
        """What `Interpreter.get_signature_runner` makes."""
        self._machine = machine
        self._signature = signature

    def __call__(self, **inputs: ArrayLike) -> dict[str, Array]:
        """Run the signature's subgraph. Raises ValueError if inputs are missing, unknown or of another type."""
        wanted = self._signature.inputs
        if len(inputs) != len(wanted):
            raise ValueError(
                f"Invalid number of inputs provided for running a SignatureDef, expected {len(wanted)} vs provided "
                f"{len(inputs)}"
            )
        arrays = {}
        for name, value in inputs.items():
            if name not in wanted:
                raise ValueError(f"Invalid Input name ({name}) for SignatureDef")
            arrays[wanted[name].index] = _of_type(np.asarray(value), wanted[name])
        subgraph = self._machine.graph.subgraphs[self._signature.subgraph]
        values = self._machine.run(subgraph.index, [arrays[tensor.index] for tensor in subgraph.inputs])
        return {name: np.array(values[tensor.index]) for name, tensor in self._signature.outputs.items()}

    def get_input_details(self) -> dict[str, Details]:
        """The details of each input, by name."""
        return {name: details_of(tensor, tensor.shape) for name, tensor in self._signature.inputs.items()}

    def get_output_details(self) -> dict[str, Details]:
        """The details of each output, by name."""
        return {name: details_of(tensor, tensor.shape) for name, tensor in self._signature.outputs.items()}


def find_dialect(name: str) -> Dialect:
    """The dialect of that name; raises UsageError, which tells the names, if there is none."""
    if name not in DIALECTS:
        raise UsageError(f"unknown dialect {name!r}; the dialects are {', '.join(DIALECTS)}")
    return DIALECTS[name]


def details_of(tensor: Tensor, shape: Shape) -> Details:
    """What LiteRT's Python tells of a tensor."""
    quantization = tensor.quantization
    scales: Sequence[float] = () if quantization is None else quantization.scale
    zero_points: Sequence[int] = () if quantization is None else quantization.zero_point
    per_tensor = len(scales) == 1 and len(zero_points) == 1
    return {
        "name": tensor.name,
        "index": tensor.index,
        "shape": np.array(shape, np.int32),
        "shape_signature": np.array(tensor.shape_signature or shape, np.int32),
        "dtype": dtype_of(tensor.type).type,
        "quantization": (float(scales[0]), int(zero_points[0])) if per_tensor else (0.0, 0),
        "quantization_parameters": {
            "scales": np.array(scales, np.float32),
            "zero_points": np.array(zero_points, np.int32),
            "quantized_dimension": 0 if quantization is None else quantization.quantized_dimension,
            "block_size": 0,
        },
        "sparsity_parameters": _sparsity(tensor),
    }


def _sparsity(tensor: Tensor) -> Details:
    sparsity = tensor.table.sparsity
    if sparsity is None:
        return {}
    return {
        "traversal_order": np.array(sparsity.traversal_order or (), np.int32),
        "block_map": np.array(sparsity.block_map or (), np.int32),
        "dim_metadata": [_dimension(each) for each in sparsity.dim_metadata or ()],
    }


def _dimension(metadata: DimensionMetadata) -> Details:
    """How one dimension of a sparse tensor is stored."""
    if metadata.format == DimensionType.DENSE:
        return {"format": 0, "dense_size": metadata.dense_size}
    return {
        "format": 1,
        "array_segments": np.array(getattr(metadata.array_segments, "values", ()), np.int32),
        "array_indices": np.array(getattr(metadata.array_indices, "values", ()), np.int32),
    }


def _check_arguments(
    model_path: object, model_content: object, delegates: Sequence[object] | None, num_threads: object
) -> None:
    if num_threads is not None:
        if not isinstance(num_threads, int):
            raise ValueError("type of num_threads should be int")
        if num_threads < 1:
            raise ValueError("num_threads should >= 1")
    if not model_path and not model_content:
        raise ValueError("`model_path` or `model_content` must be specified.")
    if model_path and model_content:
        raise ValueError("Can't both provide `model_path` and `model_content`")
    if delegates:
        raise UsageError("delegates are native libraries; refinfer runs none")


def check_fits(array: Array, tensor: Tensor, current: Array, where: str) -> None:
    """Raise ValueError, in LiteRT's words, if `array` has another type or shape than the memory of an input."""
    _of_type(array, tensor, where)
    if array.ndim != current.ndim:
        raise ValueError(
            f"Cannot set tensor: Dimension mismatch. Got {array.ndim} but expected {current.ndim} "
            f"for input {tensor.index}."
        )
    for dimension, (got, expected) in enumerate(zip(array.shape, current.shape, strict=True)):
        if got != expected:
            raise ValueError(
                f"Cannot set tensor: Dimension mismatch. Got {got} but expected {expected} "
                f"for dimension {dimension} of input {tensor.index}."
            )


def _of_type(array: Array, tensor: Tensor, where: str = "") -> Array:
    expected = dtype_of(tensor.type)
    if array.dtype != expected and not (expected.kind == "O" and array.dtype.kind in "SU"):
        got = array.dtype.name.upper()
        raise ValueError(f"Cannot set tensor: Got value of type {got} but expected type {tensor.type.name}{where}")
    return array


def _check_only_open_dimensions_change(tensor: Tensor, size: Shape) -> None:
    signature = tensor.shape_signature or tensor.shape
    if len(size) != len(signature) or any(
        known not in (-1, length) for known, length in zip(signature, size, strict=True)
    ):
        raise ValueError(
            f"input {tensor.index}: only unknown dimensions may be resized in strict mode: "
            f"{list(signature)} cannot become {list(size)}"
        )
