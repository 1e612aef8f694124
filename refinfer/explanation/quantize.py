"""QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

from refinfer.explanation.arithmetic import float32, round_away, to_int32, wrap_int32
from refinfer.explanation.rounding import as_fixed_point, finished, limits_of, scaled_twice
from refinfer.explanation.site import LIMITS, Index, Site, place, value_of
from refinfer.explanation.steps import Lesson, Result, Step
from refinfer.explanation.tables import less_zero_point, real_of
from refinfer.kernels.common import first_scale, first_zero_point
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.graph import Tensor


def quantization_at(tensor: Tensor, index: Index) -> tuple[float, int]:
    """The scale and the zero point of an element: those of its slice, or of the tensor.

    Files may name a dimension that the tensor does not have; the first slice then speaks for all.
    """
    found = tensor.quantization
    if found is None or len(found.scale) == 0:
        return 0.0, 0
    sliced = len(found.scale) > 1 and 0 <= found.quantized_dimension < len(index)
    at = index[found.quantized_dimension] if sliced else 0
    zero_points = found.zero_point or (0,)
    return found.scale[at], zero_points[at if len(zero_points) > 1 else 0]


def quantized(site: Site) -> Lesson[Result]:
    """From a float, or from an integer of another scale."""
    return (yield from (from_float if site.tensor(0).type == TensorType.FLOAT32 else requantized)(site))


def from_float(site: Site) -> Lesson[Result]:
    """y = clamp(round(x / scale) + zero point), divided as floats"""
    x = float(value_of(site.array(0), site.element))
    scale, zero_point = quantization_at(site.output, site.element)
    quotient = float32(x / scale)
    yield Step(
        "in steps of the output", f"float32({x!r} / {scale!r})", quotient, f"{place('x', site.element)} is {x!r}"
    )
    steps = to_int32(round_away(quotient))
    yield Step(
        "rounded",
        f"to_int32(round_away({quotient!r}))",
        steps,
        "ties go away from zero",
        (f"decimal {quotient!r} -> {steps}",),
    )
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    return Result((yield from finished(steps, zero_point, *LIMITS[site.output.type], why)), repr(x), x)


def requantized(site: Site) -> Lesson[Result]:
    """y = clamp(scale(x - zero point) + zero point)"""
    centred = yield from less_zero_point(site)
    x, y = site.scale(0), first_scale(site.output)
    real = x / y
    yield Step("real multiplier", f"{x!r} / {y!r}", real, "in double")
    centred = wrap_int32(centred)
    scaled = yield from scaled_twice(centred, *(yield from as_fixed_point(real)))
    why = limits_of(ActivationFunctionType.NONE, site.output.type)
    found = yield from finished(scaled, first_zero_point(site.output), *LIMITS[site.output.type], why)
    return Result(found, *real_of(site))


def dequantized(site: Site) -> Lesson[Result]:
    """y = scale * (x - zero point), rounded once to float"""
    q = site.number(0, site.element)
    scale, zero_point = quantization_at(site.tensor(0), site.element)
    y = float32(scale * (q - zero_point))
    note = f"{place('x', site.element)} is {q}; the product is rounded to float"
    yield Step("real value", f"float32({scale!r} * ({q} - {zero_point}))", y, note)
    return Result(y, f"{scale!r} * ({q} - {zero_point})", scale * (q - zero_point))
