"""The face of LiteRT: a drop-in for `tf.lite.Interpreter` and `ai_edge_litert.interpreter.Interpreter`.

    from refinfer.interpreter import Interpreter   # was: from ai_edge_litert.interpreter import Interpreter

The same arguments, methods, dictionaries and types of errors; `dialect` says whose bits are computed. Known to differ:
an operator that cannot be run is refused when the interpreter is made, and a tensor whose value was not kept raises
ValueError where LiteRT gives what its memory holds by then.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import index as as_index
from typing import TYPE_CHECKING, Any, NoReturn

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import DIALECTS, Dialect
from refinfer.machine import Bound, CustomOp, Machine
from refinfer.schema.enums import DimensionType, TensorType
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.file import read_model
from refinfer.schema.graph import Node, Subgraph, Tensor
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


class Memory:
    """Stands between an array and its views: it is alive as long as a view is, or a slice of one."""

    def __init__(self, array: Array) -> None:
        """`numpy.asarray` makes views of it."""
        self.array = array
        self.__array_interface__ = array.__array_interface__


@dataclass
class Tensors:
    """What the tensors of a subgraph are at the moment: the one thing of an interpreter that moves.

    `sizes` are the shapes that the inputs were given, `shapes` what follows for each tensor (None: a run will tell),
    `values` the arrays that can be read. `bound` runs without copies, where that is possible,
    which is asked once (`asked`) when compiled kernels are ready.
    """

    subgraph: Subgraph
    sizes: list[Shape]
    shapes: list[Shape | None]
    values: list[Array | None]
    allocated: bool = False
    bound: Bound | None = None
    asked: bool = False


class Interpreter:
    """Runs a model, as `tf.lite.Interpreter` does.

    `dialect` is "litert" (LiteRT's reference kernels, BUILTIN_REF), "tflm" (TFLM's, what a board computes), "xnnpack"
    (LiteRT's default) or "litert-optimized" (its kernels without delegates).
    `custom_ops` maps the code of a custom operator to a function that takes the node and gives the function of its
    input arrays that computes the tuple of its output arrays. `engine` is "numpy", "compiled" or "auto" (see
    docs/speed.md); left out, it is what REFINFER_ENGINE says, or else "auto". Results are the same bits in each.
    `num_threads` is how many threads may share a batch whose images do not know of each other; one, if left out. With
    `experimental_preserve_all_tensors` every tensor can be read after `invoke`, and the results stay the same; without,
    only inputs, outputs, variables and constants.
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
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        dialect: str = "litert",
        custom_ops: Mapping[str, CustomOp] | None = None,
        engine: str | None = None,
    ) -> None:
        """Read the model and fold its kernels.

        Raises ValueError for arguments that make no sense, FormatError, GraphError or UnsupportedNode (all of them
        ValueErrors) for a model that cannot be run.
        """
        _check_resolver(experimental_op_resolver_type)
        _check_threads(num_threads)
        self._threads = num_threads or 1
        self._graph = read_model(_source(model_path, model_content))
        if experimental_delegates:
            load_delegate("")
        self._machine = Machine(self._graph, find_dialect(dialect), custom_ops, engine)
        self._tensors = [self._unallocated(subgraph) for subgraph in self._graph.subgraphs]
        self._preserve_all = experimental_preserve_all_tensors
        if self._preserve_all:
            self._machine.watch = self._keep
        self._views: list[weakref.ref[Memory]] = []  # what tensor() has handed out
        self._compress_zero_points = experimental_compress_quantization_zero_points

    def allocate_tensors(self) -> None:
        """Give every input its memory, in the shape that it was resized to.

        Variable tensors start anew. Nothing happens if all have their memory already. Raises RuntimeError if the
        shapes do not go together.
        """
        self._ensure_safe()
        self._allocate(0)

    def invoke(self) -> None:
        """Run the model on what its inputs hold.

        Raises RuntimeError before `allocate_tensors`, and for values that an operator cannot do with.
        """
        if self._views:
            self._ensure_safe()
        self._invoke(0)

    def set_tensor(self, tensor_index: int, value: ArrayLike) -> None:
        """Copy `value` into a tensor. Raises ValueError if type or shape differ from the tensor's."""
        self._set(0, tensor_index, value)

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Array:
        """A copy of a tensor's value; a number where it is a scalar.

        Raises ValueError for a tensor that was not kept. Of sparse constants only what is stored comes, in one row.
        """
        tensor, value = self._find(tensor_index, subgraph_index)
        if tensor.table.sparsity is not None and tensor.data is not None:
            return np.frombuffer(tensor.data, dtype_of(tensor.type)).copy()
        return scalar_or_array(value.copy())

    def tensor(self, tensor_index: int) -> Callable[[], Array]:
        """A function that gives a view of a tensor's memory, for reading and writing without copies.

        No view may be alive during `allocate_tensors`, `resize_tensor_input` or `invoke`: they raise RuntimeError.
        """

        def view() -> Array:
            memory = Memory(self._find(tensor_index, 0)[1])
            self._views.append(weakref.ref(memory))
            return scalar_or_array(np.asarray(memory))

        return view

    def resize_tensor_input(self, input_index: int, tensor_size: ArrayLike, strict: bool = False) -> None:
        """Give an input another shape; `allocate_tensors` must follow.

        With `strict`, only dimensions that the file leaves open (-1 in shape_signature) may change. Raises ValueError
        for what is no shape, RuntimeError for one that the tensor cannot have.
        """
        self._ensure_safe()
        self._resize(0, input_index, np.array(tensor_size, np.int32), strict)

    def get_input_details(self) -> list[Details]:
        """A dictionary for each input: name, index, shape, shape_signature, dtype, quantization …"""
        return [self._details(tensor) for tensor in self._tensors[0].subgraph.inputs]

    def get_output_details(self) -> list[Details]:
        """A dictionary for each output, like those of inputs."""
        return [self._details(tensor) for tensor in self._tensors[0].subgraph.outputs]

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
            signature.key: {"inputs": sorted(signature.inputs), "outputs": sorted(signature.outputs)}
            for signature in self._graph.signatures
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A callable that takes the inputs of a signature by name. Raises ValueError if there is no such signature.

        The key may be left out if the model has one signature.
        """
        keys = [signature.key for signature in self._graph.signatures]
        if signature_key is None:
            if len(keys) != 1:
                raise ValueError(
                    f"SignatureDef signature_key is None and model has {len(keys)} Signatures. "
                    "None is only allowed when the model has 1 SignatureDef"
                )
            return SignatureRunner(self, keys[0])
        return SignatureRunner(self, signature_key)

    def reset_all_variables(self) -> None:
        """Bring variable tensors back to what they start with."""
        self._machine.reset_variables()

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        """What the interpreter was made with; it changes nothing."""
        return self._compress_zero_points

    def _get_ops_details(self) -> list[Details]:
        """A dictionary for each operator of the main subgraph."""
        return [
            {
                "index": node.index,
                "op_name": node.name,
                "inputs": np.array([-1 if x is None else x.index for x in node.inputs], np.int32),
                "outputs": np.array([y.index for y in node.outputs], np.int32),
                "operand_types": [_python_type(x.type) for x in node.inputs if x is not None],
                "result_types": [_python_type(y.type) for y in node.outputs],
            }
            for node in self._graph.subgraphs[0].nodes
        ]

    # What follows is done for a subgraph: the main one, or that of a signature.

    def _unallocated(self, subgraph: Subgraph) -> Tensors:
        shapes: list[Shape | None] = [tensor.shape for tensor in subgraph.tensors]
        sizes = [tensor.shape for tensor in subgraph.inputs]
        return Tensors(subgraph, sizes, shapes, self._machine.constants(subgraph.index))

    def _allocate(self, subgraph: int) -> None:
        state = self._tensors[subgraph]
        if state.allocated:
            return
        try:
            state.shapes = self._machine.shapes(subgraph, state.sizes)
        except UnsupportedNode as refusal:
            raise RuntimeError(str(refusal)) from None
        self._machine.reset_variables_of(subgraph)
        state.values = self._machine.constants(subgraph)
        for tensor in (*state.subgraph.inputs, *state.subgraph.outputs):
            shape = state.shapes[tensor.index]
            if state.values[tensor.index] is None and shape is not None:
                state.values[tensor.index] = np.zeros(shape, dtype_of(tensor.type))
        self._bind(state)
        state.allocated = True

    def _bind(self, state: Tensors) -> None:
        """Let inputs and outputs be where a plan has them, if there is one that needs no copies.

        Other subgraphs may be called by operators; their arrays have to be their own.
        """
        if state.subgraph.index != 0 or not self._machine.tier.ready:
            return
        state.asked = True
        state.bound = self._machine.bind(0, state.sizes, self._threads)
        if state.bound is None:
            return
        tensors = (*state.subgraph.inputs, *state.subgraph.outputs)
        for tensor, memory in zip(tensors, (*state.bound.inputs, *state.bound.outputs), strict=True):
            value = state.values[tensor.index]
            if value is not None:  # of a shape that followed from computed values, there is none before a run
                memory[...] = value
            state.values[tensor.index] = memory

    def _invoke(self, subgraph: int) -> None:
        state = self._tensors[subgraph]
        if not state.allocated:
            raise RuntimeError("Invoke called on model that is not ready.")
        if not state.asked:
            self._bind(state)
        try:
            if state.bound is not None:
                state.bound.run()
            else:
                self._run(state)
        except UnsupportedNode as refusal:
            raise RuntimeError(str(refusal)) from None

    def _run(self, state: Tensors) -> None:
        """A run that makes new arrays."""
        subgraph = state.subgraph.index
        inputs = [self._find(tensor.index, subgraph)[1] for tensor in state.subgraph.inputs]
        # Copies, since what a kernel gives may be a view of what it got, and inputs will be written to again.
        run = self._machine.run(subgraph, [array.copy() for array in inputs])
        kept = range(len(run)) if self._preserve_all else [tensor.index for tensor in state.subgraph.outputs]
        for index in kept:
            state.values[index] = run[index]
        for tensor, array in zip(state.subgraph.inputs, inputs, strict=True):
            state.values[tensor.index] = array

    def _keep(self, node: Node, inputs: tuple[Array | None, ...], outputs: tuple[Array, ...]) -> None:
        """Take note of what a node works on, in whichever subgraph it stands."""
        values = self._tensors[node.subgraph].values
        for tensor, array in (*zip(node.inputs, inputs, strict=True), *zip(node.outputs, outputs, strict=True)):
            if tensor is not None:
                values[tensor.index] = array

    def _set(self, subgraph: int, index: int, value: ArrayLike) -> None:
        tensor = self._tensor(index, subgraph)
        state = self._tensors[subgraph]
        array, current = np.asarray(value), state.values[tensor.index]
        if current is None or array.dtype != current.dtype or array.shape != current.shape:
            check_fits(array, tensor, self._shape(tensor), tensor.index, f", name: {tensor.name} ", ".")
        if tensor.data is not None:
            raise ValueError(f"Cannot set tensor: tensor {tensor.index} is a constant of the model")
        if current is None and not state.allocated:
            raise ValueError("Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first")
        if current is None:
            state.values[tensor.index] = array.astype(dtype_of(tensor.type))
        else:
            current[...] = array

    def _resize(self, subgraph: int, index: int, size: Array, strict: bool) -> None:
        if size.ndim != 1:
            raise ValueError(f"Shape should be 1D instead of {size.ndim}.")
        tensor = self._tensor(index, subgraph, RuntimeError)
        state = self._tensors[subgraph]
        if tensor not in state.subgraph.inputs:
            raise RuntimeError(f"tensor {tensor.index} ({tensor.name!r}) is not an input")
        position = state.subgraph.inputs.index(tensor)
        shape = tuple(int(length) for length in size)
        if any(length < 0 for length in shape):
            raise RuntimeError(f"input {tensor.index}: {list(shape)} has a negative dimension")
        if strict:
            _check_only_open_dimensions_change(tensor, state.sizes[position], shape)
        if shape != state.sizes[position]:
            state.sizes[position] = state.shapes[tensor.index] = shape
            state.values[tensor.index] = None
            state.bound = None
            state.allocated = state.asked = False

    def _tensor(self, index: int, subgraph: int, error: type[Exception] = ValueError) -> Tensor:
        subgraphs = self._graph.subgraphs
        if not 0 <= as_index(subgraph) < len(subgraphs):
            raise error(f"Invalid subgraph index {subgraph} exceeds max subgraph index {len(subgraphs)}")
        tensors = subgraphs[subgraph].tensors
        if not 0 <= as_index(index) < len(tensors):
            raise error(f"Invalid tensor index {index} exceeds max tensor index {len(tensors) - 1}")
        return tensors[index]

    def _find(self, index: int, subgraph: int) -> tuple[Tensor, Array]:
        """The tensor and its value; raises ValueError if it has none."""
        tensor = self._tensor(index, subgraph)
        state = self._tensors[subgraph]
        value = state.values[tensor.index]
        if value is not None:
            return tensor, value
        if not state.allocated:
            raise ValueError("Tensor data is null. Run allocate_tensors() first")
        raise ValueError(
            f"tensor {tensor.index} ({tensor.name!r}) is not kept; make the interpreter with "
            "experimental_preserve_all_tensors=True"
        )

    def _shape(self, tensor: Tensor) -> Shape:
        state = self._tensors[tensor.subgraph]
        value, shape = state.values[tensor.index], state.shapes[tensor.index]
        if value is not None:
            return value.shape
        return tensor.shape if shape is None else shape

    def _details(self, tensor: Tensor) -> Details:
        return details_of(tensor, self._shape(tensor))

    def _ensure_safe(self) -> None:
        self._views = [view for view in self._views if view() is not None]
        if self._views:
            raise RuntimeError(
                "There is at least 1 reference to internal data in the interpreter in the form of a numpy array or "
                "slice. Be sure to only hold the function returned from tensor() if you are using raw data access."
            )


class SignatureRunner:
    """A signature as a function: arrays by name in, arrays by name out. It works on the interpreter's own tensors."""

    def __init__(self, interpreter: Interpreter | None = None, signature_key: str | None = None) -> None:
        """What `Interpreter.get_signature_runner` makes. Raises ValueError if there is no such signature."""
        if interpreter is None:
            raise ValueError("None interpreter provided.")
        if not signature_key:
            raise ValueError("None signature_key provided.")
        found = [each for each in interpreter._graph.signatures if each.key == signature_key]
        if not found:
            raise ValueError(f'Invalid signature_key provided: "{signature_key}".')
        self._interpreter = interpreter
        self._subgraph = found[0].subgraph
        self._inputs = dict(sorted(found[0].inputs.items()))
        self._outputs = dict(sorted(found[0].outputs.items()))

    def __call__(self, **inputs: ArrayLike) -> dict[str, Array]:
        """Run the signature's subgraph, on inputs of any shape that goes.

        Raises ValueError if inputs are missing, unknown or of another type, RuntimeError if shapes do not go together.
        """
        if len(inputs) != len(self._inputs):
            raise ValueError(
                f"Invalid number of inputs provided for running a SignatureDef, expected {len(self._inputs)} vs "
                f"provided {len(inputs)}"
            )
        for name, value in inputs.items():
            if name not in self._inputs:
                raise ValueError(f"Invalid Input name ({name}) for SignatureDef")
            size = np.array(np.shape(value), np.int32)
            self._interpreter._resize(self._subgraph, self._inputs[name].index, size, False)
        self._interpreter._allocate(self._subgraph)
        for name, value in inputs.items():
            self._interpreter._set(self._subgraph, self._inputs[name].index, value)
        self._interpreter._invoke(self._subgraph)
        return {
            name: self._interpreter.get_tensor(tensor.index, self._subgraph) for name, tensor in self._outputs.items()
        }

    def get_input_details(self) -> dict[str, Details]:
        """The details of each input, by name."""
        return {name: self._interpreter._details(tensor) for name, tensor in self._inputs.items()}

    def get_output_details(self) -> dict[str, Details]:
        """The details of each output, by name."""
        return {name: self._interpreter._details(tensor) for name, tensor in self._outputs.items()}


def load_delegate(library: str, options: Mapping[str, object] | None = None) -> NoReturn:
    """Raise ValueError, as LiteRT does where a delegate cannot be loaded: scripts then go on without it."""
    raise UsageError(f"Failed to load delegate from {library}: delegates are native libraries, and refinfer runs none")


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
        "dtype": _python_type(tensor.type),
        "quantization": (float(scales[0]), int(zero_points[0])) if per_tensor else (0.0, 0),
        "quantization_parameters": {
            "scales": np.array(scales, np.float32),
            "zero_points": np.array(zero_points, np.int32),
            "quantized_dimension": 0 if quantization is None else quantization.quantized_dimension,
            "block_size": 0,
        },
        "sparsity_parameters": _sparsity(tensor),
    }


def _python_type(type: TensorType) -> Any:
    """How LiteRT's Python calls a type; int4 is held in int8."""
    return np.dtype(PYTHON_TYPES[type]).type if type in PYTHON_TYPES else dtype_of(type).type


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


def _source(model_path: str | os.PathLike[str] | None, model_content: bytes | None) -> str | bytes:
    """The path or the bytes of the model; raises ValueError unless there is one of them."""
    if model_path and model_content:
        raise ValueError("Can't both provide `model_path` and `model_content`")
    if model_path:
        return os.fsdecode(model_path)
    if not model_content:
        raise ValueError("`model_path` or `model_content` must be specified.")
    return bytes(memoryview(model_content))  # what is no bytes is a TypeError


def _check_resolver(kind: object) -> None:
    """A member of OpResolverType, ours or LiteRT's own."""
    if getattr(kind, "name", None) not in OpResolverType.__members__:
        raise ValueError(f"Unrecognized passed in op resolver type: {kind}")


def _check_threads(count: object) -> None:
    if count is not None and not isinstance(count, int):
        raise ValueError("type of num_threads should be int")
    if count is not None and count < 1:
        raise ValueError("num_threads should >= 1")


def check_fits(array: Array, tensor: Tensor, shape: Shape, number: int, name: str = "", end: str = "") -> None:
    """Raise ValueError, in the runtimes' words, if `array` has another type or shape than an input.

    `number` and `name` are what the runtime calls the input; `end` ends its sentences about shapes.
    """
    problem = (
        f"Got value of type {_type_name(array.dtype)} but expected type {tensor.type.name} for input {number}{name}"
    )
    if array.dtype == dtype_of(tensor.type) or (tensor.type == TensorType.STRING and array.dtype.kind in STRINGS):
        mismatch = _mismatch(array.shape, shape)
        if mismatch is None:
            return
        got, expected, where = mismatch
        problem = f"Dimension mismatch. Got {got} but expected {expected} for {where}input {number}{end}"
    raise ValueError(f"Cannot set tensor: {problem}")


def _type_name(dtype: np.dtype[Any]) -> str:
    return "STRING" if dtype.kind in STRINGS else dtype.name.upper()


def _mismatch(shape: Shape, expected: Shape) -> tuple[int, int, str] | None:
    """How many dimensions there are in place of how many, or else the first length that differs, and where it is."""
    if len(shape) != len(expected):
        return len(shape), len(expected), ""
    pairs = enumerate(zip(shape, expected, strict=True))
    return next(((got, wanted, f"dimension {i} of ") for i, (got, wanted) in pairs if got != wanted), None)


def _check_only_open_dimensions_change(tensor: Tensor, now: Shape, size: Shape) -> None:
    if len(size) != len(now):
        raise RuntimeError(f"input {tensor.index}: {len(size)} dimensions; it has {len(now)}")
    signature = tensor.shape_signature or now
    for dimension, (known, old, new) in enumerate(zip(signature, now, size, strict=True)):
        if old != new and known != -1:
            raise RuntimeError(
                f"Attempting to resize dimension {dimension} of tensor {tensor.index} with value {old} to {new}. "
                "ResizeInputTensorStrict only allows mutating unknown dimensions identified by -1."
            )


def scalar_or_array(array: Array) -> Array:
    """LiteRT hands out a number in place of an array without dimensions."""
    scalar: Array = array[()]
    return scalar


STRINGS = "SUO"
"""The kinds of arrays that can hold strings."""

PYTHON_TYPES = {
    TensorType.STRING: "bytes",
    TensorType.RESOURCE: "object",
    TensorType.VARIANT: "object",
    TensorType.BFLOAT16: "uint16",  # as bits: numpy has no such type
    TensorType.INT2: "int8",
    TensorType.UINT4: "uint8",
    TensorType.FLOAT8_E4M3FN: "int8",
    TensorType.FLOAT8_E5M2: "int8",
}
"""The types that LiteRT's Python calls otherwise than we hold them, and those that we do not hold."""
