"""Where a kernel's output parts from refinfer's, and how that element comes about, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from refinfer.kernels.common import first_zero_point
from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node
from refinfer.testing.case import Case, describe
from refinfer.testing.prepared import parameters

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Index = tuple[int, ...]
    Terms = Callable[[Case, Array, Array, Index], Iterator[tuple[Index, Index]]]


WIDTH = 110  # columns of a line of options


@dataclass(frozen=True)
class Difference:
    """The first element that is not what it should be, and how many there are; with a size of 0, the type or shape."""

    output: int
    index: Index
    expected: object
    found: object
    count: int
    size: int

    def __str__(self) -> str:
        """In one sentence."""
        if self.size == 0:
            return f"output {self.output} is {self.found}, and should be {self.expected}"
        place = f"output {self.output}, element {list(self.index)}"
        return f"{place}: {self.found}, and should be {self.expected} ({self.count} of {self.size} differ)"


def differences(expected: Sequence[Array], found: Sequence[Array]) -> Iterator[Difference]:
    """One for each output that differs in type, shape or a bit; any NaN is as good as another."""
    if len(expected) != len(found):
        yield Difference(min(len(expected), len(found)), (), f"{len(expected)} outputs", f"{len(found)} outputs", 1, 0)
    for number, (y, z) in enumerate(zip(expected, found, strict=False)):
        if (y.dtype, y.shape) != (z.dtype, z.shape):
            yield Difference(number, (), f"{y.dtype} {list(y.shape)}", f"{z.dtype} {list(z.shape)}", 1, 0)
            continue
        places = np.flatnonzero(differing(y, z))
        if places.size:
            index = tuple(int(each) for each in np.unravel_index(places[0], y.shape))
            yield Difference(number, index, y[index], z[index], int(places.size), int(y.size))


def differing(expected: Array, found: Array) -> Array:
    """For each element, in a row, whether its bits differ."""
    if expected.dtype.kind == "O":
        return np.array(expected != found).reshape(-1)
    different = (_bits(expected) != _bits(found)).any(axis=1)
    if expected.dtype.kind in "fc":
        different &= ~(np.isnan(expected) & np.isnan(found)).reshape(-1)
    return np.asarray(different)


def _bits(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(x.size, x.dtype.itemsize)


def explain(case: Case, difference: Difference, dialect: str) -> Iterator[str]:
    """Lines about the case: the operator, its options, its quantization, and the sum behind the first element."""
    node = case.node
    yield describe(node)
    yield from _options(node)
    yield from _quantization(node)
    found = parameters(node, dialect)
    for name in ("left_shift", "input1_multiplier", "input1_shift", "input2_multiplier", "input2_shift"):
        if name in found:
            yield f"{name} {found[name]}"
    multiplier, shift = (
        _for_channel(found.get(f"output_{name}"), difference.index) for name in ("multiplier", "shift")
    )
    if multiplier is not None:
        yield f"output_multiplier {multiplier}, output_shift {shift}: times {_real(multiplier, shift)!r}"
    accumulator = accumulated(case, difference.index) if difference.size else None
    if accumulator is not None:
        yield f"accumulator of element {list(difference.index)}: {accumulator}"
    if "output_offset" in found:
        limits = f"{found['activation_min']} to {found['activation_max']}" if "activation_min" in found else "none"
        yield f"output_offset {found['output_offset']}, limits {limits}"


def _real(multiplier: int, shift: int) -> float:
    return float(multiplier * 2.0 ** (shift - 31))


def _options(node: Node) -> Iterator[str]:
    fields = getattr(type(node.options), "fields", ())
    values = [(field.name, getattr(node.options, field.name)) for field in fields]
    shown = [f"{name}={getattr(value, 'name', value)}" for name, value in values if value is not None]
    yield from wrap(", ".join(shown), WIDTH)


def _quantization(node: Node) -> Iterator[str]:
    tensors = [(f"input {number}", x) for number, x in enumerate(node.inputs)]
    tensors += [(f"output {number}", y) for number, y in enumerate(node.outputs)]
    for name, tensor in tensors:
        if tensor is None or tensor.quantization is None or not len(tensor.quantization.scale):
            continue
        scales = [float(scale) for scale in tensor.quantization.scale]
        shown = (
            repr(scales[0]) if len(scales) == 1 else f"{scales} along axis {tensor.quantization.quantized_dimension}"
        )
        yield f"{name}: scale {shown}, zero point {first_zero_point(tensor)}"


def _for_channel(values: Any, index: Index) -> Any:
    """The number of an element's channel, which is the last of its index."""
    if values is None or isinstance(values, int):
        return values
    return int(values[index[-1] if len(values) > 1 and index else 0])


# the sums


def accumulated(case: Case, index: Index) -> int | None:
    """The integer before it is brought to the output's scale, with its bias; None for operators without such a sum."""
    node = case.node
    terms = SUMS.get(node.op)
    x, w = (node.inputs[0], node.inputs[1]) if terms else (None, None)
    if terms is None or x is None or w is None or x.type not in INTEGERS or w.type not in INTEGERS:
        return None
    values, filters, *rest = case.operands
    bias = rest[0] if rest else None
    assert values is not None
    assert filters is not None
    zero, filter_zero = first_zero_point(x), first_zero_point(w)
    start = 0 if bias is None else int(bias.reshape(-1)[index[-1]])
    pairs = terms(case, values, filters, index)
    return start + sum((int(values[place]) - zero) * (int(filters[tap]) - filter_zero) for place, tap in pairs)


def conv_terms(case: Case, x: Array, w: Array, index: Index) -> Iterator[tuple[Index, Index]]:
    """Which pixel meets which number of the filter."""
    batch, _, _, channel = index
    depth = w.shape[3]
    first = channel // (w.shape[0] * depth // x.shape[3]) * depth
    for (fy, fx), (iy, ix) in taps(case, x, w, index):
        for c in range(depth):
            yield (batch, iy, ix, first + c), (channel, fy, fx, c)


def depthwise_terms(case: Case, x: Array, w: Array, index: Index) -> Iterator[tuple[Index, Index]]:
    """The same, of one input channel."""
    batch, _, _, channel = index
    for (fy, fx), (iy, ix) in taps(case, x, w, index):
        yield (batch, iy, ix, channel // (w.shape[3] // x.shape[3])), (0, fy, fx, channel)


def taps(case: Case, x: Array, w: Array, index: Index) -> Iterator[tuple[Index, Index]]:
    """The taps of a window that fall into the image, and where."""
    p: Any = parameters(case.node, "tflm")
    for fy, fx in product(range(w.shape[1]), range(w.shape[2])):
        iy = index[1] * p["stride_h"] + fy * p["dilation_h_factor"] - p["padding_h"]
        ix = index[2] * p["stride_w"] + fx * p["dilation_w_factor"] - p["padding_w"]
        if 0 <= iy < x.shape[1] and 0 <= ix < x.shape[2]:
            yield (fy, fx), (iy, ix)


def fully_connected_terms(case: Case, x: Array, w: Array, index: Index) -> Iterator[tuple[Index, Index]]:
    """A row of the input and the row of the weights that belongs to the unit."""
    depth, row = w.shape[1], int(np.ravel_multi_index(index, case.node.outputs[0].shape)) // w.shape[0]
    for d in range(depth):
        yield tuple(int(each) for each in np.unravel_index(row * depth + d, x.shape)), (index[-1], d)


INTEGERS = (TensorType.INT4, TensorType.INT8, TensorType.UINT8, TensorType.INT16)
SUMS: dict[BuiltinOperator, Terms] = {
    BuiltinOperator.CONV_2D: conv_terms,
    BuiltinOperator.DEPTHWISE_CONV_2D: depthwise_terms,
    BuiltinOperator.FULLY_CONNECTED: fully_connected_terms,
}
