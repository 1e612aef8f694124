"""Where an explanation takes place: an element of an operator's output, with what the operator was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refinfer.explanation.steps import Number
from refinfer.kernels.common import first_scale, first_zero_point, input_at, optional_input
from refinfer.kernels.compute import Compute, Host, Shape
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Index = tuple[int, ...]

LIMITS = {
    TensorType.INT4: (-8, 7),
    TensorType.INT8: (-128, 127),
    TensorType.UINT8: (0, 255),
    TensorType.INT16: (-(2**15), 2**15 - 1),
    TensorType.INT32: (-(2**31), 2**31 - 1),
}
"""The least and the largest integer of a type."""


class Site(NamedTuple):
    """An element of a node's first output, which has `shape`; `inputs` are as they were before the node ran.

    `compute` is the row of the dialect's table that computes it. `after` runs the node on other inputs, and gives what
    variable tensors are then.
    """

    node: Node
    element: Index
    shape: Shape
    inputs: Sequence[Array | None]
    host: Host
    compute: Compute
    after: Callable[[Sequence[Array | None]], Sequence[Array | None]]

    def tensor(self, position: int) -> Tensor:
        """The tensor of an input that must be there."""
        return input_at(self.node, position)

    def array(self, position: int) -> Array:
        """The value of an input that must be there."""
        found = self.inputs[position]
        assert found is not None, position
        return found

    def number(self, position: int, index: Index) -> int:
        """An integer of an input."""
        return int(self.array(position)[index])

    def optional(self, position: int) -> Array | None:
        """The value of an input that may be left out."""
        return self.inputs[position] if optional_input(self.node, position) is not None else None

    @property
    def output(self) -> Tensor:
        """The tensor that the element is of."""
        return self.node.outputs[0]

    def scale(self, position: int) -> float:
        """The scale of an input."""
        return first_scale(self.tensor(position))

    def zero_point(self, position: int) -> int:
        """The zero point of an input."""
        return first_zero_point(self.tensor(position))


def place(name: str, index: Sequence[int]) -> str:
    """``x[0, 3, 2]``"""
    return f"{name}[{', '.join(map(str, index))}]"


def flat(index: Index, shape: Shape) -> int:
    """The number of an element, counted through the whole tensor."""
    number = 0
    for at, size in zip(index, shape, strict=True):
        number = number * size + at
    return number


def unflat(number: int, shape: Shape) -> Index:
    """The index of the element of that number."""
    index: list[int] = []
    for size in reversed(shape):
        number, at = divmod(number, size)
        index.append(at)
    return tuple(reversed(index))


def stretched(index: Index, shape: Shape) -> Index:
    """Which element of a smaller tensor is used at `index`, where its dimensions of size 1 are repeated."""
    return tuple(0 if size == 1 else at for at, size in zip(index[len(index) - len(shape) :], shape, strict=True))


def value_of(array: Array, index: Index) -> Number:
    """An element as Python's own number."""
    number: Number = array[index].item()
    return number
