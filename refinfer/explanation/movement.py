"""Operators that move numbers: where an element comes from."""

from __future__ import annotations

from refinfer.explanation.site import Index, Site, flat, place, unflat, value_of
from refinfer.explanation.steps import Lesson, Number, Result, Step
from refinfer.kernels import slice as slices
from refinfer.kernels.common import first_scale, first_zero_point, is_affine, options_of
from refinfer.kernels.pad import COMPUTE_PAD
from refinfer.kernels.slice import COMPUTE_STRIDED_SLICE_BY_AXIS
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import ConcatenationOptions, PackOptions, StridedSliceOptions


def taken(site: Site, position: int, index: Index) -> Lesson[Result]:
    """The element is one of an input."""
    value = value_of(site.array(position), index)
    whose = f"input {position}, {place('x', index)}" if len(site.node.inputs) > 1 else place("x", index)
    yield Step("taken from", repr(value), value, f"{whose}; nothing is computed")
    return Result(value)


def reshaped(site: Site) -> Lesson[Result]:
    """The numbers stay in their order: RESHAPE, SQUEEZE, EXPAND_DIMS."""
    number = flat(site.element, site.shape)
    yield Step("number in memory", place_formula(site), number, f"of a tensor of shape {list(site.shape)}")
    return (yield from taken(site, 0, unflat(number, site.array(0).shape)))


def place_formula(site: Site) -> str:
    """How an element is counted through the tensor."""
    formula = "0"
    for at, size in zip(site.element, site.shape, strict=True):
        formula = f"({formula}) * {size} + {at}" if formula != "0" else str(at)
    return formula


def transposed(site: Site) -> Lesson[Result]:
    """Axis k of the output is axis perm[k] of the input."""
    perm = [int(axis) for axis in site.array(1).reshape(-1)]
    index = [0] * len(perm)
    for at, axis in zip(site.element, perm, strict=True):
        index[axis] = at
    return (yield from taken(site, 0, tuple(index)))


def concatenated(site: Site) -> Lesson[Result]:
    """One input after the other along an axis."""
    shapes = [site.array(position).shape or (1,) for position in range(len(site.node.inputs))]
    axis = options_of(site.node, ConcatenationOptions).axis % len(shapes[0])
    at = site.element[axis]
    for position, shape in enumerate(shapes):
        if at < shape[axis]:
            index = (*site.element[:axis], at, *site.element[axis + 1 :])
            return (yield from taken(site, position, index if site.array(position).shape else ()))
        yield Step("beyond an input", f"{at} - {shape[axis]}", at - shape[axis], f"input {position} has {shape[axis]}")
        at -= shape[axis]
    raise AssertionError("the element lies beyond all inputs")


def packed(site: Site) -> Lesson[Result]:
    """One input after the other along a new axis."""
    axis = options_of(site.node, PackOptions).axis % len(site.shape)
    position = site.element[axis]
    return (yield from taken(site, position, (*site.element[:axis], *site.element[axis + 1 :])))


def padded(site: Site) -> Lesson[Result]:
    """The input, or what surrounds it."""
    borders = site.array(1).reshape(-1, 2).tolist()
    index = tuple(at - before for at, (before, _) in zip(site.element, borders, strict=True))
    for axis, (at, size) in enumerate(zip(index, site.array(0).shape, strict=True)):
        before = borders[axis][0]
        yield Step(
            f"along axis {axis}", f"{site.element[axis]} - {before}", at, f"{before} are before the input's {size}"
        )
    if all(0 <= at < size for at, size in zip(index, site.array(0).shape, strict=True)):
        return (yield from taken(site, 0, index))
    value = site.optional(2) if len(site.node.inputs) > 2 else None
    if value is not None:
        return (yield from taken(site, 2, (0,) * value.ndim))
    number = first_zero_point(site.output) if pads_with_zero_point(site) else 0
    zero: Number = site.array(0).dtype.type(number).item()
    yield Step("padding", repr(zero), zero, "what stands for zero")
    return Result(zero)


def pads_with_zero_point(site: Site) -> bool:
    """Whether zero is the output's zero point: always in 8 bits, and in LiteRT in 16."""
    x = site.tensor(0)
    if x.type == TensorType.UINT8:
        return True
    types = (TensorType.INT8, TensorType.INT16) if site.compute == COMPUTE_PAD else (TensorType.INT8,)
    return x.type in types and is_affine(x)


def sliced(site: Site) -> Lesson[Result]:
    """From `begin` on."""
    index = []
    for axis, (at, first) in enumerate(zip(site.element, site.array(1).reshape(-1).tolist(), strict=True)):
        yield Step(f"along axis {axis}", f"{first} + {at}", first + at)
        index.append(first + at)
    return (yield from taken(site, 0, tuple(index)))


def sliced_in_steps(site: Site) -> Lesson[Result]:
    """begin:end:stride along each axis."""
    masks, offset = slices.all_masks(site.node), options_of(site.node, StridedSliceOptions).offset
    if site.compute == COMPUTE_STRIDED_SLICE_BY_AXIS:
        masks, offset = masks._replace(ellipsis=0, new_axis=0), False
    begin, end, strides = (tuple(site.array(position).reshape(-1).tolist()) for position in (1, 2, 3))
    x = site.array(0)
    spans = slices.planned(x.shape, begin, end, strides, masks, offset)
    element, index = iter(site.element), []
    for axis, span in enumerate(spans):
        at = 0 if span.shrinks else next(element)
        found = span.first + at * span.step
        yield Step(f"along axis {axis}", f"{span.first} + {at} * {span.step}", found)
        index.append(found)
    number = flat(tuple(index), tuple(span.size for span in spans))
    return (yield from taken(site, 0, unflat(number, x.shape)))


def is_unscaled(node: Node) -> bool:
    """Whether a CONCATENATION takes all numbers as they are, which only that of uint8 may not."""
    y = node.outputs[0]
    same = [
        (first_scale(x), first_zero_point(x)) == (first_scale(y), first_zero_point(y))
        for x in node.inputs
        if x is not None
    ]
    return y.type != TensorType.UINT8 or all(same)
