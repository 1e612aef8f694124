"""The same network for inputs of other shapes: what the converter would have written for them.

Shapes go through the graph by the rules of the kernels. Where a constant or an option of an operator repeats a size, it
is changed along, if there is one way to do so: RESHAPE keeps the dimensions that it kept and multiplies those that it
multiplied, pooling over a whole image goes on doing so, what enlarges by a whole factor goes on enlarging by it, and
what takes all of an axis takes all of it. Where there is none, that operator ties the size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from struct import pack
from typing import TYPE_CHECKING, NoReturn

from refinfer.kernels.common import INTEGER_CODES, input_at, integers, options_of
from refinfer.kernels.compute import Host, Shape
from refinfer.kernels.kernel import Refusal, require
from refinfer.kernels.lazy import np
from refinfer.kernels.movement import known
from refinfer.kernels.registry import DIALECTS
from refinfer.rewrite import changed, without_metadata
from refinfer.schema.enums import BuiltinOperator, Padding
from refinfer.schema.errors import UnsupportedNode, UsageError
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.schema.options import FullyConnectedOptions, Pool2DOptions, StridedSliceOptions, TransposeConvOptions
from refinfer.schema.tables import Buffer, Model
from refinfer.schema.tables import Tensor as TensorTable
from refinfer.simulator.head import OFFLINE_PLAN

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

DIALECT = DIALECTS["litert"]
IMAGE_RANK = 4  # batch, rows, columns, channels


def with_batch(graph: Graph, batch: int) -> dict[str, Shape]:
    """The shapes of the inputs with so many samples: their first dimension, where that is what they have now.

    Raises UsageError for inputs without dimensions, or of various numbers of samples.
    """
    inputs = graph.subgraphs[0].inputs
    if len({each.shape[:1] for each in inputs}) != 1 or not inputs[0].shape:
        shapes = ", ".join(str(each.shape) for each in inputs) or "none"
        raise UsageError(f"--batch: the inputs have no first dimension in common ({shapes}); --shape names each")
    return {each.name: (batch, *each.shape[1:]) for each in inputs}


def with_size(graph: Graph, height: int, width: int) -> dict[str, Shape]:
    """The shapes of the inputs that are images, with so many rows and columns; raises UsageError if none is."""
    inputs = graph.subgraphs[0].inputs
    images: dict[str, Shape] = {
        each.name: (each.shape[0], height, width, each.shape[3]) for each in inputs if len(each.shape) == IMAGE_RANK
    }
    if not images:
        shapes = ", ".join(str(each.shape) for each in inputs) or "none"
        raise UsageError(f"--input-size: no input is an image of 4 dimensions ({shapes}); --shape names the shape")
    return images


def reshaped(graph: Graph, shapes: Mapping[str, Shape]) -> Model:
    """The tables of the network with inputs of these shapes, by the names of the inputs.

    An offline plan goes, since it is one for other sizes. Raises UsageError for an input that there is not, or of
    another number of dimensions, and UnsupportedNode naming the operator that ties a size.
    """
    walk = Walk(graph)
    for name, shape in shapes.items():
        walk.feed(name, shape)
    for node in graph.subgraphs[0].nodes:
        try:
            walk.visit(node)
        except Refusal as refusal:
            _tied(node, refusal.reason)
    return walk.model()


def _tied(node: Node, reason: str) -> NoReturn:
    raise UnsupportedNode(f"operator {node.index} ({node.name}) ties the size: {reason}")


class Walk:
    """The main subgraph on its way to other shapes: `tensors` as they are now, `nodes` with other options."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.before = graph.subgraphs[0].tensors
        self.tensors = list(self.before)
        self.constants: dict[tuple[int, int], bytes] = {}
        self.options: dict[int, object] = {}
        self.follows_shapes = any(node.op == BuiltinOperator.SHAPE for node in graph.subgraphs[0].nodes)

    def feed(self, name: str, shape: Shape) -> None:
        """Give an input another shape."""
        found = [each for each in self.graph.subgraphs[0].inputs if each.name == name]
        if not found:
            names = ", ".join(repr(each.name) for each in self.graph.subgraphs[0].inputs)
            raise UsageError(f"the model has no input {name!r}; it has {names}")
        for tensor in found:
            if len(shape) != len(tensor.shape):
                raise UsageError(
                    f"input {name!r}: {len(shape)} dimensions in {shape}; it has {len(tensor.shape)}: {tensor.shape}"
                )
            self.reshape(tensor, shape)

    def reshape(self, tensor: Tensor, shape: Shape) -> None:
        """Give a tensor another shape."""
        if shape != self.tensors[tensor.index].shape:
            self.tensors[tensor.index] = replace(self.tensors[tensor.index], shape=shape)

    def visit(self, node: Node) -> None:
        """Shape the outputs of a node; raises Refusal if its inputs do not go together now."""
        touched = any(x is not None and self.tensors[x.index] is not x for x in node.inputs)
        if touched:
            self.adapt(node)
            self.shape_outputs(node)
        if self.follows_shapes:
            self.follow(node)

    def now(self, node: Node) -> Node:
        """The node with its inputs and options as they are now."""
        inputs = tuple(self._input(node, position) for position in range(len(node.inputs)))
        return replace(node, inputs=inputs, options=self.options.get(node.index, node.options))

    def adapt(self, node: Node) -> None:
        """Change what the file holds of a size."""
        for x in node.inputs:
            if x is not None and x.is_variable and x.shape[:1] == input_at(node, 0).shape[:1]:
                self.reshape(x, (*self.tensors[input_at(node, 0).index].shape[:1], *x.shape[1:]))
        adapt = ADAPT.get(node.op)
        if node.custom_code is not None:
            raise Refusal("what this operator does for other shapes is not known")
        if adapt is not None:
            adapt(self, node, self.now(node))

    def shape_outputs(self, node: Node) -> None:
        """By the kernel's rule."""
        now = self.now(node)
        compute = DIALECT.compute_of(now)
        require(compute is not None, "it has no rule for shapes")
        assert compute is not None
        shapes = compute.shape(now, [() if x is None else x.shape for x in now.inputs])
        require(shapes is not None, "the shapes behind it depend on values")
        assert shapes is not None
        for y, shape in zip(node.outputs, shapes, strict=True):
            require(0 not in shape or 0 in y.shape, f"nothing is left: its output would be {text_of(shape)}")
            self.reshape(y, shape)

    def follow(self, node: Node) -> None:
        """Compute what is made of shapes alone: models for any number of samples do that at run time."""
        now = self.now(node)
        compute = DIALECT.compute_of(now)
        if compute is None or not node.outputs or any(y.type not in INTEGER_CODES for y in node.outputs):
            return
        arrays: list[Array]
        if node.op == BuiltinOperator.SHAPE:
            arrays = [np.broadcast_to(np.int8(0), input_at(now, 0).shape)]
        elif all(x is not None and x.data is not None and x.type in INTEGER_CODES for x in now.inputs):
            arrays = [_array(x) for x in now.inputs if x is not None]
        else:
            return
        for y, value in zip(node.outputs, compute.fold(now, HOST)(*arrays), strict=True):
            self.tensors[y.index] = replace(
                self.tensors[y.index], shape=value.shape, data=memoryview(value.tobytes()) if value.size else None
            )

    def _input(self, node: Node, position: int) -> Tensor | None:
        x = node.inputs[position]
        data = self.constants.get((node.index, position))
        if x is None or data is None:
            return x and self.tensors[x.index]
        return replace(self.tensors[x.index], data=memoryview(data))

    def set_integers(self, node: Node, position: int, values: Sequence[int]) -> None:
        """Change a constant as this node sees it."""
        self.constants[node.index, position] = _packed(values, input_at(node, position))

    def set_options(self, node: Node, options: object) -> None:
        """Change the options of a node."""
        self.options[node.index] = options

    def model(self) -> Model:
        """The tables."""
        model = without_metadata(self.graph.model, OFFLINE_PLAN)
        assert model.subgraphs is not None
        main, *others = model.subgraphs
        tables, operators = list(main.tensors or ()), list(main.operators or ())
        for index, (old, new) in enumerate(zip(self.before, self.tensors, strict=True)):
            if new.shape != old.shape:
                tables[index] = changed(tables[index], shape=new.shape, shape_signature=_signature(tables[index], new))
        for index, options in self.options.items():
            operators[index] = changed(operators[index], builtin_options=options)
        buffers = list(model.buffers or ())
        for (index, data), places in self._new_constants().items():
            if not self._is_alone(index, len(places)):
                tables.append(changed(tables[index], buffer=len(buffers)))
                buffers.append(Buffer())
                for number, position in places:
                    inputs = list(operators[number].inputs or ())
                    inputs[position] = index = len(tables) - 1
                    operators[number] = changed(operators[number], inputs=tuple(inputs))
            buffers[tables[index].buffer] = Buffer(data=memoryview(data))
        main = changed(main, tensors=tuple(tables), operators=tuple(operators))
        return changed(model, subgraphs=(main, *others), buffers=tuple(buffers))

    def _new_constants(self) -> dict[tuple[int, bytes], list[tuple[int, int]]]:
        """Where each constant has become another: inputs, as operator and position."""
        found: dict[tuple[int, bytes], list[tuple[int, int]]] = {}
        for (number, position), data in self.constants.items():
            tensor = input_at(self.graph.subgraphs[0].nodes[number], position)
            found.setdefault((tensor.index, data), []).append((number, position))
        return found

    def _is_alone(self, index: int, uses: int) -> bool:
        """Whether a constant is used so many times and not more, and its buffer by nothing else."""
        tensor = self.before[index]
        all_uses = sum(x is tensor for node in self.graph.subgraphs[0].nodes for x in node.inputs)
        homes = [each.table.buffer for each in self.graph.tensors]
        return all_uses == uses and homes.count(tensor.table.buffer) == 1


def _signature(table: TensorTable, tensor: Tensor) -> Shape | None:
    """Dimensions that were open remain so."""
    if table.shape_signature is None or len(table.shape_signature) != len(tensor.shape):
        return table.shape_signature
    return tuple(-1 if old == -1 else new for old, new in zip(table.shape_signature, tensor.shape, strict=True))


def _packed(values: Sequence[int], tensor: Tensor) -> bytes:
    return pack(f"<{len(values)}{INTEGER_CODES[tensor.type]}", *values)


def _array(tensor: Tensor) -> Array:
    return np.array(integers(tensor), INTEGER_CODES[tensor.type]).reshape(tensor.shape)


def text_of(shape: Shape) -> str:
    """A shape as people say it."""
    return "x".join(map(str, shape)) or "a number"


# What operators repeat of a size


def adapt_reshape(walk: Walk, node: Node, now: Node) -> None:
    """The dimensions that it kept, and those that it multiplied."""
    x, y = input_at(node, 0), node.outputs[0]
    target = node.inputs[1] if len(node.inputs) > 1 else None
    if target is not None and target.data is None and walk.tensors[target.index].data is not None:
        return  # computed from shapes, and so it follows by itself
    wanted = followed(x.shape, y.shape, input_at(now, 0).shape)
    if target is not None and target.data is not None and known(now, 1) != wanted:
        walk.set_integers(node, 1, wanted)
    new_shape = getattr(node.options, "new_shape", None)
    if new_shape is not None and len(new_shape) == len(wanted):
        walk.set_options(node, changed(node.options, new_shape=wanted))  # type: ignore[type-var]  # it has a new_shape


def followed(before: Shape, after: Shape, now: Shape) -> Shape:
    """What `after`, made of `before`, would be if made of `now`.

    Both are cut into the shortest runs with equal products. A run whose product changes shows it in its first
    dimension that is not 1. Raises Refusal if the others do not divide it.
    """
    found: list[int] = []
    for old, new in runs(before, after):
        sizes = list(after[new])
        if (changed_to := prod(now[old])) != prod(before[old]):
            place = next((i for i, size in enumerate(sizes) if size != 1), 0)
            rest = prod(sizes[:place] + sizes[place + 1 :])
            require(
                bool(sizes) and changed_to % rest == 0,
                f"it makes {text_of(after)} of {text_of(before)}; there is no such shape for {text_of(now)}",
            )
            sizes[place] = changed_to // rest
        found += sizes
    return tuple(found)


def runs(before: Shape, after: Shape) -> list[tuple[slice, slice]]:
    """Where dimensions of one shape make up those of another."""
    found: list[tuple[slice, slice]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        first, second = i, j
        i, j = min(i + 1, len(before)), min(j + 1, len(after))
        while prod(before[first:i]) != prod(after[second:j]):
            if prod(before[first:i]) < prod(after[second:j]) and i < len(before):
                i += 1
            elif j < len(after):
                j += 1
            else:
                raise Refusal(f"it makes {text_of(after)} of {text_of(before)}")
        found.append((slice(first, i), slice(second, j)))
    return found


def adapt_pool(walk: Walk, node: Node, now: Node) -> None:
    """A window as large as the image remains so."""
    pool, image, larger = options_of(node, Pool2DOptions), input_at(node, 0).shape[1:3], input_at(now, 0).shape[1:3]
    if (pool.filter_height, pool.filter_width) == image != larger and node.outputs[0].shape[1:3] == (1, 1):
        walk.set_options(node, changed(pool, filter_height=larger[0], filter_width=larger[1]))


def adapt_resize(walk: Walk, node: Node, now: Node) -> None:
    """A whole factor remains the same, up or down; another size is one that somebody chose."""
    size, image, larger = known(node, 1), input_at(node, 0).shape[1:3], input_at(now, 0).shape[1:3]
    if size is None or not all(new % old == 0 or old % new == 0 for new, old in zip(size, image, strict=True)):
        return
    scaled = [divmod(new * side, old) for new, old, side in zip(size, image, larger, strict=True)]
    whole = not any(rest for _, rest in scaled)
    require(whole, f"it makes {text_of(size)} of {text_of(image)}; there is no such size for {text_of(larger)}")
    walk.set_integers(node, 1, [side for side, _ in scaled])


def adapt_transpose_conv(walk: Walk, node: Node, now: Node) -> None:
    """The size that the stride gives."""
    options, weights = options_of(node, TransposeConvOptions), input_at(node, 1).shape
    target = known(node, 0)
    if target is None:
        return
    strides = (options.stride_h, options.stride_w)

    def sizes(image: Shape) -> tuple[int, ...]:
        same = options.padding == Padding.SAME
        return tuple(
            side * stride if same else (side - 1) * stride + length
            for side, stride, length in zip(image[1:3], strides, weights[1:3], strict=True)
        )

    before, after = input_at(node, 2).shape, input_at(now, 2).shape
    require(target[1:3] == sizes(before), f"its output is {text_of(target)}, which does not follow from its stride")
    walk.set_integers(node, 0, (after[0], *sizes(after), target[3]))


def adapt_strided_slice(walk: Walk, node: Node, now: Node) -> None:
    """An end that was the end of its axis remains so."""
    begin, end, strides = (known(node, position) for position in (1, 2, 3))
    options = options_of(node, StridedSliceOptions)
    if begin is None or end is None or strides is None or options.ellipsis_mask or options.new_axis_mask:
        return
    before, after = input_at(node, 0).shape, input_at(now, 0).shape
    takes_all = [
        (first == 0 or options.begin_mask >> axis & 1) and last == size and step == 1
        for axis, (first, last, step, size) in enumerate(zip(begin, end, strides, before, strict=False))
    ]
    wanted = [after[axis] if whole else end[axis] for axis, whole in enumerate(takes_all)]
    if wanted != list(end):
        walk.set_integers(node, 2, wanted)


def adapt_slice(walk: Walk, node: Node, now: Node) -> None:
    """A size that was all of its axis remains so."""
    begin, size = known(node, 1), known(node, 2)
    if begin is None or size is None:
        return
    before, after = input_at(node, 0).shape, input_at(now, 0).shape
    wanted = [
        new if first == 0 and taken == old else taken
        for first, taken, old, new in zip(begin, size, before, after, strict=True)
    ]
    if wanted != list(size):
        walk.set_integers(node, 2, wanted)


def check_fully_connected(walk: Walk, node: Node, now: Node) -> None:
    """Its weights take what makes up one sample, which must not change."""
    if options_of(node, FullyConnectedOptions).keep_num_dims or node.inputs[1] is None:
        return
    depth, before, after = node.inputs[1].shape[-1], input_at(node, 0).shape, input_at(now, 0).shape
    cut = next((axis for axis in reversed(range(len(before))) if prod(before[axis:]) == depth), 0)
    behind = next((each for each in walk.graph.subgraphs[0].nodes if node.inputs[0] in each.outputs), None)
    where = f" behind operator {behind.index} ({behind.name})" if behind is not None else ""
    require(
        prod(after[cut:]) == depth,
        f"its weights take {depth:,} values{where}; for these inputs there would be {prod(after[cut:]):,}",
    )


def check_variable(walk: Walk, node: Node, now: Node) -> None:
    """What is kept from run to run was given its shape elsewhere."""
    raise Refusal("what is kept from run to run would have another shape")


def never_called(*arguments: object) -> NoReturn:
    """No operator on integers made of shapes runs another subgraph."""
    raise AssertionError(arguments)


HOST = Host(DIALECT.numerics, never_called, never_called, never_called)

Adapt = Callable[[Walk, Node, Node], None]
"""Given a node as it was and as it is now: change what it repeats of a size, or raise Refusal."""

ADAPT: dict[BuiltinOperator, Adapt] = {
    BuiltinOperator.RESHAPE: adapt_reshape,
    BuiltinOperator.AVERAGE_POOL_2D: adapt_pool,
    BuiltinOperator.MAX_POOL_2D: adapt_pool,
    BuiltinOperator.RESIZE_BILINEAR: adapt_resize,
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: adapt_resize,
    BuiltinOperator.TRANSPOSE_CONV: adapt_transpose_conv,
    BuiltinOperator.STRIDED_SLICE: adapt_strided_slice,
    BuiltinOperator.SLICE: adapt_slice,
    BuiltinOperator.FULLY_CONNECTED: check_fully_connected,
    BuiltinOperator.ASSIGN_VARIABLE: check_variable,
}
