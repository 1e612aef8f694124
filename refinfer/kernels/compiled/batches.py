"""Images of a batch that do not know of each other: whether that is so, and how several threads share them.

A tensor is *by image* if it consists of as many equal parts as the batch has images, one after the other, and each part
comes from its image alone. Each operator has a rule that tells, if what it gets is by image, whether what it makes is.
One without a rule is taken to mix images.

A batch then runs as parts of a few images. That pays for one thread too: what a part needs stays in the processor's
cache from one layer to the next.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refinfer.kernels import add, concatenate, conv, fully_connected, mul, pool, quantize, reduce, softmax
from refinfer.kernels.compiled.plan import Plan, Whole
from refinfer.kernels.compiled.tables import MOVES, OF_ONE_NUMBER, VIEWS
from refinfer.kernels.compute import Compute, Evaluate, Shape, constant, dtype_of
from refinfer.kernels.kernel import Refusal
from refinfer.schema.graph import Node, Subgraph, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

CACHE_BYTES = 2**19  # what a part may take, so that it stays in the second level of a usual cache
MOST_IMAGES = 8  # of a part: the rows of a microkernel, which then uses each weight for all of them
CORES = os.cpu_count() or 1
MOST_ALONE = 63  # calls, before another attempt with other threads
PARTS_OF_A_THREAD = 4
OFFSETS = (2**16, 2**24)  # of the images' numbers, far from what operators pad with
WORTH_A_THREAD = 2e-4  # seconds: ten times what it takes to wake one


class Step(NamedTuple):
    """A node of a batch, with the shapes of its tensors by index, and its numpy arithmetic."""

    node: Node
    batch: int
    shapes: Mapping[int, Shape]
    evaluate: Evaluate

    @property
    def moved(self) -> list[Tensor]:
        """The inputs that are no constants."""
        return [x for x in self.node.inputs if x is not None and x.data is None]

    def shape(self, tensor: Tensor) -> Shape:
        """Of a tensor of the node, in the batch."""
        return self.shapes[tensor.index] if tensor.data is None else tensor.shape


Rule = Callable[[Step], bool]


def is_by_image(
    subgraph: Subgraph,
    computes: Sequence[Compute | None],
    evaluates: Sequence[Evaluate],
    shapes: Sequence[Shape | None],
) -> bool:
    """Whether all inputs have the batch as first dimension, and all outputs are by image."""
    known = {index: shape for index, shape in enumerate(shapes) if shape is not None}
    lengths = {known[x.index][:1] for x in subgraph.inputs}
    if len(known) < len(shapes) or len(lengths) != 1 or any(tensor.is_variable for tensor in subgraph.tensors):
        return False
    (batch,) = lengths.pop() or (1,)
    seen = {x.index for x in subgraph.inputs}
    for node, compute, evaluate in zip(subgraph.nodes, computes, evaluates, strict=True):
        step = Step(node, batch, known, evaluate)
        rule = None if compute is None else RULES.get(compute.fold)
        if rule is None or not step.moved or not {x.index for x in step.moved} <= seen or not rule(step):
            return False
        seen |= {y.index for y in node.outputs}
    return {y.index for y in subgraph.outputs} <= seen


def along_first(step: Step) -> bool:
    """The operator works within each element of the first dimension, and only its first input moves."""
    (y,) = step.node.outputs
    return (
        step.moved == [step.node.inputs[0]]
        and step.shape(step.moved[0])[:1] == step.shape(y)[:1] == (step.batch,)
        and len(step.shape(y)) > 1
    )


def one_by_one(step: Step) -> bool:
    """Each element of the output comes from those at the same place; constants are the same for all images."""
    (y,) = step.node.outputs
    shape = step.shape(y)
    if any(step.shape(x) != shape for x in step.moved):
        return False
    fixed = [step.shape(x) for x in step.node.inputs if x is not None and x.data is not None]
    return all((len(each) < len(shape) and shape[0] == step.batch) or prod(each) == 1 for each in fixed)


def by_rows(step: Step) -> bool:
    """FULLY_CONNECTED: a row never is of two images."""
    filters = step.node.inputs[1]
    assert filters is not None
    return (
        step.moved == [step.node.inputs[0]] and prod(step.shape(step.moved[0])) // step.batch % filters.shape[-1] == 0
    )


def in_order(step: Step) -> bool:
    """Nothing is moved."""
    return step.moved == [step.node.inputs[0]]


def within_images(step: Step) -> bool:
    """Move the images' numbers in place of their elements: they have to arrive where they belong."""
    numbers = np.arange(step.batch, dtype=np.int64)
    try:
        first, second = (_moved(step, numbers + offset) for offset in OFFSETS)
    except Refusal:
        return False
    for one, other in zip(first, second, strict=True):
        if one.dtype != np.int64 or one.size % step.batch:
            return False
        one, other = one.reshape(step.batch, -1), other.reshape(step.batch, -1)
        is_right = (one == numbers[:, None] + OFFSETS[0]) & (other == numbers[:, None] + OFFSETS[1])
        if not (is_right | (one == other)).all():  # what is the same both times is padding
            return False
    return True


def _moved(step: Step, numbers: Array) -> tuple[Array, ...]:
    """What the operator makes of inputs whose elements are the numbers of their images."""
    moved = {x.index for x in step.moved}
    return step.evaluate(
        *(
            np.repeat(numbers, prod(step.shape(x)) // step.batch).reshape(step.shape(x))
            if x is not None and x.index in moved
            else constant(x)
            for x in step.node.inputs
        )
    )


def over_others(step: Step) -> bool:
    """MEAN over dimensions that are not the first."""
    axes = constant(step.node.inputs[1])
    rank = len(step.shape(step.moved[0]))
    return axes is not None and 0 not in axes.reshape(-1) % rank and along_first(step)


RULES: dict[Callable[..., Any], Rule] = {
    compute.fold: rule
    for computes, rule in (
        (OF_ONE_NUMBER, one_by_one),
        (VIEWS, in_order),
        ((*MOVES, concatenate.COMPUTE_CONCATENATION), within_images),
        (
            (
                add.COMPUTE_ADD,
                add.COMPUTE_ADD_RESCALING,
                add.COMPUTE_SUB,
                add.COMPUTE_SUB_RESCALING,
                mul.COMPUTE_MUL,
                mul.COMPUTE_MUL_QUANTIZED,
                quantize.COMPUTE_DEQUANTIZE,
                quantize.COMPUTE_QUANTIZE,
            ),
            one_by_one,
        ),
        (
            (
                conv.COMPUTE_CONV_2D,
                conv.COMPUTE_DEPTHWISE_CONV_2D,
                pool.COMPUTE_AVERAGE_POOL_2D,
                pool.COMPUTE_MAX_POOL_2D,
                softmax.COMPUTE_SOFTMAX,
            ),
            along_first,
        ),
        ((fully_connected.COMPUTE_FULLY_CONNECTED,), by_rows),
        ((reduce.COMPUTE_MEAN, reduce.COMPUTE_MEAN_OF_ANY_ZERO_POINT), over_others),
    )
    for compute in computes
}
"""By the fold, as in tables.py."""


def images_of_a_part(subgraph: Subgraph, shapes: Sequence[Shape | None], batch: int, threads: int) -> int:
    """How many images run together: as many as stay in the cache, and leave something for every thread.

    A thread that comes late, or is held up, should not keep the others waiting for long: so they have several parts
    each. Where there are more weights than numbers of an image, all rows of a microkernel are worth more than that.
    """
    nbytes = [_nbytes(node, shapes) for node in subgraph.nodes]
    weights = sum(len(tensor.data) for tensor in subgraph.tensors if tensor.data is not None)
    parts = threads if threads == 1 or weights * batch > sum(nbytes) else threads * PARTS_OF_A_THREAD
    return max(1, min(MOST_IMAGES, CACHE_BYTES // max(1, max(nbytes) // batch), -(-batch // parts)))


def _nbytes(node: Node, shapes: Sequence[Shape | None]) -> int:
    """About what a node works on; an input may be widened to twice its size."""
    tensors = [*(3 * [x for x in node.inputs if x is not None and x.data is None]), *node.outputs]
    return sum(prod(shapes[each.index] or ()) * dtype_of(each.type).itemsize for each in tensors)


def are_parts(subgraph: Subgraph, whole: Sequence[Shape | None], part: Sequence[Shape | None]) -> bool:
    """Whether every tensor of a part is a part of the tensor: no shape in the file says otherwise."""
    (batch, *_), (images, *_) = ((shapes[subgraph.inputs[0].index] or (1,)) for shapes in (whole, part))
    return all(
        small is not None and large is not None and prod(small) * batch == prod(large) * images
        for tensor, small, large in zip(subgraph.tensors, part, whole, strict=True)
        if tensor.data is None
    )


class Crew:
    """Up to so many threads that do tasks with a plan, each on memory of its own."""

    def __init__(self, plan: Plan, threads: int) -> None:
        """The plan is one call."""
        whole = plan.whole()
        assert whole is not None
        self._plan = plan
        self._wholes = [whole]
        self._threads = min(threads, CORES)
        self._seconds = 0.0  # of a task, at best
        self._alone = self._backoff = 0  # calls to do alone, and how many after the next that was not worth it

    def do(self, task: Callable[[Whole, int], None], numbers: Sequence[int]) -> None:
        """`task` with each of these numbers, in any order.

        Others help if what one thread would do alone takes so long that it pays to wake them. One that has not come by
        the time that all is done is not waited for. On a machine that is busy help may make it last longer: then the
        next calls are done alone, twice as many each time.
        """
        left = iter(numbers)
        helpers = []
        for helper in range(1, self._helpers(len(numbers))):
            if helper == len(self._wholes):
                twin = self._plan.twin()
                assert twin is not None
                self._wholes.append(twin)
            helpers.append(_pool().submit(_work, task, self._wholes[helper], left))
        start = perf_counter()
        done = _work(task, self._wholes[0], left)
        mine = (perf_counter() - start) / max(1, done)
        for future in helpers:
            if not future.cancel():
                future.result()
        if done:
            self._seconds = min(self._seconds or mine, mine)
        if helpers and perf_counter() - start > mine * len(numbers):
            self._alone = self._backoff = min(2 * self._backoff + 1, MOST_ALONE)
        elif helpers:
            self._backoff = 0

    def _helpers(self, tasks: int) -> int:
        """How many threads are to do so many tasks."""
        if self._alone:
            self._alone -= 1
            return 1
        return max(1, min(self._threads, tasks, int(tasks * self._seconds / WORTH_A_THREAD) + 1))


def _work(task: Callable[[Whole, int], None], whole: Whole, left: Iterator[int]) -> int:
    """Do tasks as long as any are left; how many that were."""
    done = 0
    for number in left:
        task(whole, number)
        done += 1
    return done


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES, "refinfer")


class Batch:
    """A batch that runs in parts of `images`."""

    def __init__(self, crew: Crew, images: int, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """The arrays are those of the whole batch."""
        (batch, *_) = inputs[0].shape
        self._crew = crew
        self._images = images
        self._firsts = [*range(0, batch - images, images), batch - images]  # the last one may do some once more
        self._inputs = [array.reshape(batch, -1) for array in inputs]
        self._outputs = [array.reshape(batch, -1) for array in outputs]

    def __call__(self) -> None:
        """Run."""
        self._crew.do(self._part, self._firsts)

    def _part(self, whole: Whole, first: int) -> None:
        mine = slice(first, first + self._images)
        for memory, array in zip(whole.inputs, self._inputs, strict=True):
            memory.reshape(self._images, -1)[...] = array[mine]
        whole.run()
        for memory, array in zip(whole.outputs, self._outputs, strict=True):
            array[mine] = memory.reshape(self._images, -1)
