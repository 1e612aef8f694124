"""Floats that meet integer weights: rows of them become integers on the fly, and sums of products floats again.

Between the two, integers are multiplied as everywhere (multiply.py, depthwise.py). Each operation is rounded to float32
where `arithmetic/hybrid.py` rounds it, and in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from refinfer.kernels.arithmetic.hybrid import VECTOR
from refinfer.kernels.compiled.floats import FLOAT, FLOATS, activated, plain_activated
from refinfer.kernels.compiled.jit import INTERPRETED, LANES, Number, as_array, float32s, int16s, int32s, njit
from refinfer.kernels.compiled.memory import clear
from refinfer.kernels.compiled.vectors import I32, generated, load, splat, store, word

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE, HALF = np.float32(1), np.float32(0.5)
ALMOST_HALF, ALMOST_HALF_IN_DOUBLE = np.nextafter(HALF, np.float32(0)), np.nextafter(0.5, 0)
SYMMETRIC_LIMIT = np.float32(127)
SIGN = np.int32(-(2**31))


@njit
def quantize_rows(
    source: int,
    batches: int,
    height: int,
    width: int,
    top: int,
    left: int,
    padded_height: int,
    padded_width: int,
    has_zero_point: int,
    target: int,
    repeats: int,
    scales: int,
) -> None:
    """target[b, y, x] = q[b, y - top, x - left] - zero_point[b], and 0 where there is none

    Each image has a scale of its own, which is written `repeats` times.
    """
    size = height * width
    first, end = min(left, padded_width), min(left + width, padded_width)
    for b in range(batches):
        image = source + 4 * size * b
        low, high = extremes(int32s(image, size))
        scale, inverse, least, largest = scale_of(low, high, has_zero_point)
        held = float32s(scales + 4 * repeats * b, repeats)
        for i in range(repeats):
            held[i] = scale
        for y in range(padded_height):
            row = target + 2 * (b * padded_height + y) * padded_width
            if y < top or y >= top + height:
                clear(row, 2 * padded_width)
                continue
            clear(row, 2 * first)
            clear(row + 2 * end, 2 * (padded_width - end))
            quantize_row(image, size, (y - top) * width, end - first, inverse, least, largest, row + 2 * first)


@njit
def quantize_row(
    image: int, size: int, first: int, count: int, inverse: Number, low: Number, high: Number, target: int
) -> None:
    """So many numbers of an image from the `first` on; the last ones of an image, which fill no vector, are rounded
    without an error.
    """
    in_vectors = min(max(size - size % VECTOR - first, 0), count)
    line, rest = image + 4 * first, count - in_vectors
    quantize(float32s(line, in_vectors), HALF, inverse, low, high, int16s(target, in_vectors))
    line, out = line + 4 * in_vectors, target + 2 * in_vectors
    quantize(float32s(line, rest), ALMOST_HALF, inverse, low, high, int16s(out, rest))


@njit
def extremes(bits: NDArray[Any]) -> tuple[Number, Number]:
    """The least and the largest of some floats and 0, given as the integers that have their bits.

    Floats above 0 compare as their bits do, and so do those below with the sign turned round; and of integers a
    compiler finds the largest in vectors.
    """
    high, low = np.int32(0), np.int32(0)
    for i in range(len(bits)):
        each = bits[i]
        turned = np.int32(each ^ SIGN)
        high = each if each > high else high
        low = turned if turned > low else low
    return np.int32(low ^ SIGN).view(np.float32), np.int32(high).view(np.float32)


@njit
def scale_of(low: Number, high: Number, has_zero_point: int) -> tuple[Number, Number, Number, Number]:
    """The scale of a row with these extremes, what is multiplied instead of a division by it, and the limits of q.

    The limits are less the zero point. A row of zeros has the scale 1.
    """
    if not has_zero_point:
        largest = max(-low, high)
        if largest == 0:
            return ONE, ONE, -SYMMETRIC_LIMIT, SYMMETRIC_LIMIT
        return largest / SYMMETRIC_LIMIT, SYMMETRIC_LIMIT / largest, -SYMMETRIC_LIMIT, SYMMETRIC_LIMIT
    exact = np.float64(high - low) / 255
    if exact == 0:
        return ONE, ONE, np.float32(-128), SYMMETRIC_LIMIT
    from_low, from_high = low / exact, high / exact
    zero_point = -128 - from_low if 128 + abs(from_low) < 127 + abs(from_high) else 127 - from_high
    away = zero_point - ALMOST_HALF_IN_DOUBLE if zero_point < 0 else zero_point + ALMOST_HALF_IN_DOUBLE
    whole: Number = min(max(np.int64(away), -128), 127)
    scale = np.float32(exact)
    return scale, ONE / scale, np.float32(-128 - whole), np.float32(127 - whole)


@njit
def quantize(x: NDArray[Any], half: Number, inverse: Number, low: Number, high: Number, out: NDArray[Any]) -> None:
    """The nearest whole numbers of x * inverse, limited: `half` is added, and what is behind the point cut off."""
    for i in range(len(x)):
        value = x[i] * inverse
        value = value - half if value < 0 else value + half
        value = low if value < low else value
        value = high if value > high else value
        out[i] = np.int16(value)


def scaled_floats(in_turn: bool) -> Any:
    """A vector of sums as floats: times the scales of row and channel, plus the bias, and limited.

    The scales are multiplied with each other first, or `in_turn` the sum with that of the channel and then that of the
    row. It takes (sums, parameters, scale, limits, high, output), of which `high` is not used: parameters are a vector
    of scales and one of biases, `scale` is the address of that of the row.
    """

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        sums, parameters, scale, limits, _, output = arguments
        of_channel, bias = (load(builder, builder.add(parameters, word(4 * LANES * i)), FLOATS) for i in (0, 1))
        of_row = splat(builder, load(builder, scale, FLOAT), LANES)
        total = builder.sitofp(load(builder, sums, ir.VectorType(I32, LANES)), FLOATS)
        if in_turn:
            total = builder.fmul(builder.fmul(total, of_channel), of_row)
        else:
            total = builder.fmul(total, builder.fmul(of_row, of_channel))
        store(builder, activated(builder, total, bias, limits), output)

    def plain(arguments: Sequence[int]) -> None:
        sums, parameters, scale, limits, _, output = arguments
        of_channel = as_array(parameters, LANES, np.float32)
        (of_row,) = as_array(scale, 1, np.float32)
        total = as_array(sums, LANES, np.int32).astype(np.float32)
        total = total * of_channel * of_row if in_turn else total * (of_row * of_channel)
        as_array(output, LANES, np.float32)[:] = plain_activated(total, parameters + 4 * LANES, limits)

    return plain if INTERPRETED else generated(6, body)


scaled_to_floats, scaled_in_turn = scaled_floats(in_turn=False), scaled_floats(in_turn=True)
