"""Many inputs through one model, on several threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.interpreter import check_fits, find_dialect
from refinfer.kernels.lazy import np
from refinfer.machine import Machine
from refinfer.schema.file import read_model
from refinfer.schema.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from refinfer.kernels.compiled.plan import Whole
    from refinfer.kernels.compute import Array
    from refinfer.schema.file import Source


def run_many(
    model: Source | Graph,
    inputs: Sequence[ArrayLike] | Sequence[Sequence[ArrayLike]],
    *,
    dialect: str = "litert",
    num_threads: int | None = None,
    engine: str | None = None,
) -> list[tuple[Array, ...]]:
    """What the model answers to each of these inputs: all of its outputs, in the order of the inputs.

    An input is an array, or a sequence of them where the model has several, of the types and shapes in the file. What a
    model keeps from one run to the next starts anew with each. `num_threads` is how many threads may help, as many as
    there are cores if left out; compiled kernels use them, numpy's arithmetic does not. Raises ValueError for an input
    of another type or shape, UnsupportedNode for a model that the dialect does not run.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    machine = Machine(graph, find_dialect(dialect), engine=engine)
    tensors = graph.subgraphs[0].inputs
    shapes = [tensor.shape for tensor in tensors]
    given = [_checked(graph, each) for each in inputs]
    answers: list[tuple[Array, ...]] = [()] * len(given)

    def task(whole: Whole, number: int) -> None:
        for memory, array in zip(whole.inputs, given[number], strict=True):
            memory[...] = array
        whole.run()
        answers[number] = tuple(memory.copy() for memory in whole.outputs)

    for number, arrays in enumerate(given):
        crew = machine.crew(0, shapes, num_threads or os.cpu_count() or 1)
        if crew is not None:
            crew.do(task, range(number, len(given)))
            break
        machine.start_anew()
        answers[number] = tuple(output.copy() for output in machine.call(0, arrays))
    return answers


def _checked(graph: Graph, given: ArrayLike | Sequence[ArrayLike]) -> list[Array]:
    """The arrays of one input."""
    tensors = graph.subgraphs[0].inputs
    arrays = [np.asarray(each) for each in (given if len(tensors) > 1 else (given,))]  # type: ignore[union-attr]
    if len(arrays) != len(tensors):
        raise ValueError(f"{len(arrays)} arrays are given; the model has {len(tensors)} inputs")
    for number, (array, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        check_fits(array, tensor, tensor.shape, number)
    return arrays
