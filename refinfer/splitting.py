"""What could be had if some operators in a row were computed in strips: an estimate, of which nothing can be written.

A convolution needs a few rows of its input for a row of its output. So operators that follow one another can be run for
some rows of the last one's output at a time, and of all tensors between them only as many rows need be there as these
take: "patch-based" or "partial" execution. What enters the operators and what leaves them is there as a whole. Rows on
the border of two strips are computed for both. TFLM has no such thing, nor has it a place for it in a model: who wants
it must write the strips into the network, as slices and concatenations.

It is an estimate, since heads are taken to be what is alive at once, and other ways are thinkable: strips of columns,
tiles, several such groups of operators, and rows that are kept for the next strip in place of being computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from refinfer.kernels.common import input_at, integers, output_at
from refinfer.kernels.layout import round_up
from refinfer.kernels.window import Windows, span, windows
from refinfer.planners.problem import ALIGNMENT, Buffer
from refinfer.schema.enums import BuiltinOperator
from refinfer.schema.graph import Node, Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions, Pool2DOptions
from refinfer.simulator.report import Report

Op = BuiltinOperator

ROW_BY_ROW = frozenset(
    {
        *(Op.ADD, Op.SUB, Op.MUL, Op.MAXIMUM, Op.MINIMUM, Op.ABS, Op.NEG, Op.SQUARE, Op.QUANTIZE, Op.DEQUANTIZE),
        *(Op.RELU, Op.RELU6, Op.RELU_N1_TO_1, Op.RELU_0_TO_1, Op.LEAKY_RELU, Op.PRELU, Op.ELU, Op.HARD_SWISH),
        *(Op.LOGISTIC, Op.TANH),
    }
)
"""Element by element: where all that is computed has one shape, a row of the output needs the same of each input."""

PADS = frozenset({Op.PAD, Op.PADV2})

MOST_STRIPS = 64
HEIGHT_AXIS = 1


class Rows(NamedTuple):
    """Rows of an image: `first` is in, `end` is not."""

    first: int
    end: int

    def __or__(self, other: object) -> Rows:
        """The rows that have these and the others in them."""
        assert isinstance(other, Rows)
        return Rows(min(self.first, other.first), max(self.end, other.end))


class Splitting(NamedTuple):
    """The operators of the main subgraph from `first` to `last`, inclusive, computed in so many `strips` of rows.

    `head` are the most bytes that would be alive at once, in place of `before`. `extra` is the part by which sums of
    products, of the whole model, grow for what is computed twice.
    """

    first: int
    last: int
    strips: int
    before: int
    head: int
    extra: float


def estimate_splitting(report: Report) -> Splitting | None:
    """The splitting with the lowest head, None if none is lower than what is alive at once; of equal ones the cheapest.

    Operators that have the peak among them are looked at, as many before and after it as can be computed by rows.
    """
    peak = report.peak
    if peak is None or peak.subgraph != 0 or peak.op is None:
        return None
    network = Network(report)
    found = [each for each in network.splittings(peak.op) if each.head < peak.nbytes]
    return min(found, key=lambda each: (each.head, each.extra, each.strips), default=None)


class Network:
    """The operators of the main subgraph, and what is alive while they run."""

    def __init__(self, report: Report) -> None:
        self.nodes = report.graph.subgraphs[0].nodes
        self.peak = 0 if report.peak is None else report.peak.nbytes
        self.live = {step.op: step.nbytes for step in report.steps if step.subgraph == 0 and step.op is not None}
        self.elsewhere = max((each.nbytes for each in report.steps if each.subgraph != 0 or each.op is None), default=0)
        steps = {(step.subgraph, step.op): number for number, step in enumerate(report.steps)}
        self.step = [steps[0, node.index] for node in self.nodes]
        self.buffers = report.buffers
        self.kept = {*report.graph.subgraphs[0].outputs}
        self.users: dict[Tensor, list[int]] = {}
        for node in self.nodes:
            for x in node.inputs:
                if x is not None:
                    self.users.setdefault(x, []).append(node.index)
        self.work = [float(work_of(node)) for node in self.nodes]

    def splittings(self, peak: int) -> Iterator[Splitting]:
        """All groups of operators around the peak, in 2, 4, 8 … strips."""
        best = self.peak
        for first in range(peak, -1, -1):
            if not is_by_rows(self.nodes[first]):
                return
            for last in range(peak, len(self.nodes)):
                if not is_by_rows(self.nodes[last]):
                    break
                outside = max((nbytes for op, nbytes in self.live.items() if not first <= op <= last), default=0)
                inner = self._inner(first, last)
                if inner is None or max(outside, self.elsewhere) >= best:
                    continue
                for strips in strips_of(output_at(self.nodes[last], 0).shape[HEIGHT_AXIS]):
                    found = self._split(first, last, inner, strips, max(outside, self.elsewhere))
                    best = min(best, found.head)
                    yield found

    def _inner(self, first: int, last: int) -> frozenset[Tensor] | None:
        """The tensors that nothing outside has to do with; None if more than one leaves, or if none is within."""
        made = [output_at(node, 0) for node in self.nodes[first:last]]
        leaving = [y for y in made if y in self.kept or max(self.users.get(y, [last + 1])) > last]
        return None if leaving or not made else frozenset(made)

    def _split(self, first: int, last: int, inner: frozenset[Tensor], strips: int, outside: int) -> Splitting:
        nodes = self.nodes[first : last + 1]
        height = output_at(nodes[-1], 0).shape[HEIGHT_AXIS]
        rows = -(-height // strips)
        needs = [needed(nodes, Rows(at, min(at + rows, height))) for at in range(0, height, rows)]
        most = {y: max(need[y].end - need[y].first for need in needs if y in need) for y in inner}
        sizes = {y: round_up(nbytes * most[y] // y.shape[HEIGHT_AXIS], ALIGNMENT) for y, nbytes in self._sizes(inner)}
        whole, start, end = 0, self.step[first], self.step[last]
        for each in self.buffers:
            if each.tensor is not None and each.tensor not in inner and _meet(each.buffer, start, end):
                whole += each.buffer.nbytes
        within = max(whole + self._alive(node, sizes) for node in nodes)
        again = sum(
            self.work[node.index] * (sum(need[y].end - need[y].first for need in needs) / y.shape[HEIGHT_AXIS] - 1)
            for node in nodes
            for y in node.outputs
        )
        total = sum(self.work)
        return Splitting(first, last, len(needs), self.peak, max(outside, within), again / total if total else 0.0)

    def _sizes(self, tensors: frozenset[Tensor]) -> Iterator[tuple[Tensor, int]]:
        for each in self.buffers:
            if each.tensor in tensors:
                yield each.tensor, each.nbytes

    def _alive(self, node: Node, sizes: Mapping[Tensor, int]) -> int:
        """What is between the operators while one of them runs, and its scratch buffers."""
        step = self.step[node.index]
        alive = [each for each in self.buffers if _meet(each.buffer, step, step)]
        scratch = sum(each.buffer.nbytes for each in alive if each.tensor is None)
        return scratch + sum(sizes.get(each.tensor, 0) for each in alive if each.tensor is not None)


def _meet(buffer: Buffer, first: int, last: int) -> bool:
    return buffer.first <= last and first <= buffer.last


def strips_of(height: int) -> list[int]:
    """How many strips are tried."""
    return [1 << power for power in range(1, MOST_STRIPS.bit_length()) if 1 << power <= height]


def needed(nodes: Sequence[Node], rows: Rows) -> dict[Tensor, Rows]:
    """The rows of each tensor that it takes for these rows of the last operator's output."""
    need = {output_at(nodes[-1], 0): rows}
    for node in reversed(nodes):
        y = output_at(node, 0)
        for x in node.inputs:
            if x is not None and x.data is None and len(x.shape) == len(y.shape):
                read = rows_read(node, x, need[y])
                need[x] = need[x] | read if x in need else read
    return need


def rows_read(node: Node, x: Tensor, rows: Rows) -> Rows:
    """The rows of input `x` that these rows of the output are computed from."""
    height = x.shape[HEIGHT_AXIS]
    first, end = rows
    if (seen := windows_of(node, height)) is not None:
        first = rows.first * seen.stride - seen.before
        end = (rows.end - 1) * seen.stride - seen.before + span(seen.length, seen.dilation)
    return Rows(max(0, min(first, height)), max(0, min(end, height)))


def windows_of(node: Node, height: int) -> Windows | None:
    """The windows along the height; of a PAD those of one row; None for what goes element by element."""
    match node.options:
        case Conv2DOptions() | DepthwiseConv2DOptions() as options:
            length = input_at(node, 1).shape[HEIGHT_AXIS]
            return windows(options.padding, height, length, options.stride_h, options.dilation_h_factor)
        case Pool2DOptions() as options:
            return windows(options.padding, height, options.filter_height, options.stride_h)
    if node.op in PADS:
        before = integers(input_at(node, 1))[2 * HEIGHT_AXIS]
        return Windows(height, 1, 1, 1, output_at(node, 0).shape[HEIGHT_AXIS], before)
    return None


def is_by_rows(node: Node) -> bool:
    """Whether rows of the output can be computed from some rows of the inputs, for one image."""
    if len(node.outputs) != 1 or not node.inputs or node.inputs[0] is None:
        return False
    x, y = input_at(node, 0), output_at(node, 0)
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[0] != 1 or y.elements == 0:
        return False
    if isinstance(node.options, Conv2DOptions | DepthwiseConv2DOptions | Pool2DOptions):
        return True
    if node.op in PADS:
        return input_at(node, 1).data is not None
    return node.op in ROW_BY_ROW and all(
        each is None or each.data is not None or each.shape == y.shape for each in node.inputs
    )


def work_of(node: Node) -> int:
    """Products for the outputs of a convolution or a fully connected layer; else a step for each output."""
    outputs = sum(y.elements for y in node.outputs)
    weighted = node.op in (Op.CONV_2D, Op.DEPTHWISE_CONV_2D, Op.FULLY_CONNECTED, Op.TRANSPOSE_CONV)
    if not weighted or len(node.inputs) < 2 or node.inputs[1] is None:
        return outputs
    weights = input_at(node, 1).shape
    return outputs * (prod(weights[1:3]) if node.op == Op.DEPTHWISE_CONV_2D else prod(weights[1:]))
