"""What operators share that compute nothing and only move values: shapes that depend on values, axes, and types.

Where a shape, a permutation or an index is an input of the operator, the file often holds its value, and then the shape
of the output is known before the model runs. If it does not, the same function is asked again with the array at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from refinfer.kernels.common import first_scale, first_zero_point, input_at, integers, optional_input
from refinfer.kernels.compute import DTYPES, Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import require
from refinfer.kernels.quantization import require_zero_point
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Values = tuple[int, ...]
ShapeByValues = Callable[..., Shape]
"""The shape of the first input, and the values of some inputs → the shape of the output."""


def known(node: Node, position: int) -> Values | None:
    """The integers at an input, if the file holds them."""
    tensor = optional_input(node, position)
    if tensor is None or tensor.data is None:
        return None
    return integers(tensor, read_as=TensorType.UINT8 if tensor.type == TensorType.BOOL else None)


def numbers(array: Array) -> Values:
    """The integers of an array, row by row."""
    return tuple(map(int, array.reshape(-1).tolist()))


def shape_by_values(
    shape_of: ShapeByValues, *positions: int
) -> Callable[[Node, Sequence[Shape]], Sequence[Shape] | None]:
    """The shape function of an operator whose one output depends on the integers at `positions`."""

    def shape(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape] | None:
        values = [known(node, position) for position in positions]
        return None if None in values else [shape_of(shapes[0], *values)]

    return shape


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front; raises Refusal if there is none."""
    require(-rank <= axis < rank, f"axis {axis} is out of range for {rank} dimensions")
    return axis + rank if axis < 0 else axis


def require_one(tensor: Tensor) -> None:
    """Refuse what is not a single value."""
    require(tensor.elements == 1, f"{tensor.elements} elements; it takes 1", tensor)


def require_alike(x: Tensor, y: Tensor) -> None:
    """Refuse two tensors of different scales or zero points."""
    found, expected = (first_scale(y), first_zero_point(y)), (first_scale(x), first_zero_point(x))
    require(found == expected, f"scale and zero point {found} differ from {expected}", y)


def keeping_scales(compute: Compute, position: int = 0, symmetric_int16: bool = True) -> Compute:
    """The same operator, of a runtime that insists on one scale and zero point for all that it moves.

    These are the input at `position`, all other inputs of its type, and the outputs. `symmetric_int16` says that int16
    may have no zero point.
    """

    def fold(node: Node, host: Host) -> Evaluate:
        x = input_at(node, position)
        if x.type == TensorType.INT16 and symmetric_int16:
            require_zero_point(x, 0)
        for other in (*node.inputs, *node.outputs):
            if other is not None and other.type == x.type:
                require_alike(x, other)
        return compute.fold(node, host)

    return replace(compute, fold=fold)


ANY = frozenset(DTYPES)
FLOATS = frozenset({TensorType.FLOAT32, TensorType.FLOAT16})
SIZED = ANY - {
    TensorType.STRING,
    TensorType.VARIANT,
    TensorType.RESOURCE,
    TensorType.INT4,
    TensorType.INT2,
    TensorType.COMPLEX128,
}
"""The types whose values take 8, 16, 32 or 64 bits: kernels that copy often ask for nothing but the size."""
