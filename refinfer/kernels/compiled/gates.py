"""What the plans of LSTMs share: how they walk, and the weights of all gates side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refinfer.kernels.common import input_at
from refinfer.kernels.compiled.draft import Draft, require_compiled
from refinfer.kernels.compute import constant
from refinfer.kernels.recurrent import Cell
from refinfer.schema.graph import Node, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

Matrices = list[Tensor | None]


class Walk(NamedTuple):
    """How many batches and steps there are, and how many rows lie from one to the next."""

    batches: int
    times: int
    batch_step: int
    time_step: int

    @property
    def rows(self) -> int:
        """Of all batches and steps."""
        return self.batches * self.times

    @property
    def is_joint(self) -> bool:
        """Whether a step sees several batches."""
        return self.batches > 1 and self.batch_step == 1


def walk_of(draft: Draft, node: Node, *, time_major: bool) -> Walk:
    """The steps of a sequence."""
    shape = draft.shape(input_at(node, 0))
    require_compiled(len(shape) == 3)
    first, second, _ = shape
    return Walk(second, first, 1, second) if time_major else Walk(first, second, second, 1)


def require_plain(cell: Cell[Tensor]) -> None:
    """Four gates and nothing else."""
    extras = [each for gate in cell.gates for each in (gate.peephole, gate.norm, gate.auxiliary)]
    require_compiled(cell.has_input_gate and cell.projection is None and extras == [None] * len(extras))


def require_sizes(cell: Cell[Tensor], walk: Walk, weights: Array, recurrent: Array) -> None:
    """Matrices of as many rows as the gates have cells, and states for each batch."""
    require_compiled(weights.ndim == recurrent.ndim == 2 and len(weights) == len(recurrent) == 4 * recurrent.shape[1])
    require_compiled((cell.hidden.elements, cell.state.elements) == (walk.batches * recurrent.shape[1],) * 2)


def matrices_of(cell: Cell[Tensor]) -> tuple[Matrices, Matrices]:
    """The weights of all gates for the inputs, and for the state."""
    return [gate.weights for gate in cell.gates], [gate.recurrent for gate in cell.gates]


def side_by_side(matrices: Matrices, zero_points: tuple[int, ...] = (0, 0, 0, 0)) -> Array:
    """The weights of all gates, less their zero points, one gate's outputs after the other's.

    Those that are unsigned are signed ones under an old name.
    """
    arrays = [constant(each) for each in matrices]
    require_compiled(all(each is not None and each.dtype.itemsize == 1 for each in arrays))
    return np.concatenate(
        [
            each.view(np.int8).astype(np.int64) - zero
            for each, zero in zip(arrays, zero_points, strict=True)
            if each is not None
        ]
    )


def floats_side_by_side(tensors: Matrices, count: int = 0) -> Array:
    """Constant floats of all gates, one gate's after the other's; so many zeros where there are none."""
    require_compiled(all(each is not None or count > 0 for each in tensors))
    arrays = [np.zeros(count, np.float32) if each is None else constant(each) for each in tensors]
    require_compiled(all(each is not None and each.dtype == np.float32 for each in arrays))
    return np.concatenate([each for each in arrays if each is not None])
