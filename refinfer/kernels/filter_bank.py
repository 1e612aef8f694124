"""The filter bank of an audio front end: SignalFilterBank, its square root, spectral subtraction, PCAN and logarithm.

Sources: filter_bank.cc, filter_bank_square_root.cc, filter_bank_spectral_subtraction.cc, pcan.cc and filter_bank_log.cc
in signal/micro/kernels of the TFLM repository; the files of these names, pcan_argc_fixed.cc, square_root_32.cc,
square_root_64.cc, log.cc and msb_32.cc in signal/src. What TFLM refuses when it prepares these is stated in signal.py.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic.fixedpoint import wrap_int32
from refinfer.kernels.common import input_at, output_at
from refinfer.kernels.compute import Compute, Evaluate, Host
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.signal import option_at
from refinfer.kernels.signal_streams import as_declared
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SNR_BITS, OUTPUT_BITS = 12, 6  # [pcan_argc_fixed.h: kPcanSnrBits, kPcanOutputBits]
GAIN_BITS = 10  # of the position between two entries of the gain's table
GAINS = 125  # entries of that table, which is for all numbers of 32 bits
LOG_SCALE, LOG_SEGMENTS = 16, 7  # logarithms to the base 2, of the scale and of the number of segments of the table
LOG_OF_TWO = 45426  # times 2**16 [log.cc: kLogCoeff]


def fold_filter_bank(node: Node, host: Host) -> Evaluate:
    """y[i] = sum of weight * x over channel i, and of unweight * x over the channel before it.

    An extra channel at the front has only unweights. Everything wraps around in 64 bits.
    """
    y, count = output_at(node, 0), option_at(node, 0) + 1
    require(y.elements < count, f"{y.elements} channels; num_channels is {count - 1}", y)
    for position in (3, 4, 5):
        require(input_at(node, position).elements >= count, f"fewer than {count} channels", input_at(node, position))

    def evaluate(x: Array, *tables: Array) -> tuple[Array, ...]:
        weights, unweights = (table.astype(np.int64).astype(np.uint64) for table in tables[:2])
        out = np.zeros(count + 1, np.uint64)
        for channel, (at, first, width) in enumerate(
            zip(*(table.tolist()[:count] for table in tables[2:]), strict=True)
        ):
            if width <= 0:
                continue
            fits = min(at, first) >= 0 and at + width <= x.size and first + width <= min(weights.size, unweights.size)
            require(fits, f"channel {channel} of width {width} at {at}, with weights from {first}")
            values = x[at : at + width].astype(np.uint64)
            out[channel] += (weights[first : first + width] * values).sum(dtype=np.uint64)
            out[channel + 1] += (unweights[first : first + width] * values).sum(dtype=np.uint64)
        return (out[1 : y.elements + 1],)

    return evaluate


def fold_square_root(node: Node, host: Host) -> Evaluate:
    """y = the nearest square root >> scale_bits"""
    y = output_at(node, 0)
    require(y.shape == input_at(node, 0).shape, f"shape {y.shape} for {input_at(node, 0).shape}", y)

    def evaluate(x: Array, scale_bits: Array) -> tuple[Array, ...]:
        bits = int(scale_bits)
        require(0 <= bits < 32, f"{bits} scale bits")
        return (np.array([nearest_root(each) for each in x.tolist()], np.uint32) >> np.uint32(bits),)

    return evaluate


def nearest_root(x: int) -> int:
    """The square root, rounded, but that it keeps within 16 bits if x does within 32 [square_root_64.cc: Sqrt64]."""
    root = math.isqrt(x)
    most = 2**16 - 1 if x < 2**32 else 2**32 - 1
    return root + 1 if x - root * root > root and root != most else root


def fold_spectral_subtraction(node: Node, host: Host) -> Evaluate:
    """What exceeds the noise, of which the average so far is the estimate; and that."""
    x, y, key = input_at(node, 0), output_at(node, 0), (node.subgraph, node.index)
    alternate_rest, alternate, clamping, least, count, rest, smoothing, shift, bits = (
        option_at(node, position) for position in range(9)
    )
    require(0 <= shift < 32 and 0 <= bits < 64, f"shifts by {shift} and {bits}")
    require(min(x.elements, y.elements) >= count, f"{count} channels in {x.shape} and {y.shape}", x)
    require(output_at(node, 1).elements <= count, f"{count} channels in the estimate", output_at(node, 1))
    odd = np.arange(count) % 2 == 1
    new, old = (
        np.where(odd, *(np.int64(each).astype(np.uint32).astype(np.uint64) for each in pair))
        for pair in ((alternate, smoothing), (alternate_rest, rest))
    )
    floor_factor = np.int64(least).astype(np.uint64)

    def evaluate(x: Array) -> tuple[Array, ...]:
        given = x[:count]
        scaled = (given << np.uint32(shift)).astype(np.uint64)
        before = host.memory.get(key, np.zeros(count, np.uint32)).astype(np.uint64)
        noise = ((scaled * new + before * old) >> np.uint64(bits)).astype(np.uint32)
        capped = np.minimum(noise, scaled.astype(np.uint32))
        estimate = capped if clamping else noise
        host.memory[key] = estimate
        floor = ((given.astype(np.uint64) * floor_factor) >> np.uint64(bits)).astype(np.uint32)
        out = np.zeros(y.shape, np.uint32)
        out[:count] = np.maximum((scaled.astype(np.uint32) - capped) >> np.uint32(shift), floor)
        return out, estimate[: output_at(node, 1).elements]

    return evaluate


def fold_pcan(node: Node, host: Host) -> Evaluate:
    """y = shrink(x * gain(noise) >> snr_shift)"""
    x, table, shift = input_at(node, 0), input_at(node, 2), option_at(node, 0)
    require(output_at(node, 0).shape == x.shape, f"shape {output_at(node, 0).shape} for {x.shape}", output_at(node, 0))
    require(input_at(node, 1).elements >= x.elements, f"fewer estimates than {x.elements}", input_at(node, 1))
    require(table.elements >= GAINS, f"{table.elements} gains; it takes {GAINS}", table)
    require(0 <= shift < 64, f"snr_shift {shift}")

    def evaluate(x: Array, noise: Array, table: Array) -> tuple[Array, ...]:
        factor = gain(noise[: x.size].astype(np.int64), table.astype(np.int64)).astype(np.uint32).astype(np.uint64)
        return (shrink(((x.astype(np.uint64) * factor) >> np.uint64(shift)).astype(np.uint32)),)

    return evaluate


def gain(x: Array, table: Array) -> Array:
    """A parabola for every power of two: table[0] + (table[1] + table[2] * t / 2) * t, in int16.

    [pcan_argc_fixed.cc: WideDynamicFunction]
    """
    digits = np.frexp(x.astype(np.float64))[1].astype(np.int64)
    entry = np.where(x <= 2, 0, 4 * digits - 6)
    t = np.where(digits < GAIN_BITS + 1, x << np.maximum(GAIN_BITS + 1 - digits, 0), x >> np.maximum(digits - 11, 0))
    t = t & (2**GAIN_BITS - 1)
    slope = wrap_int32((table[entry + 2] * t >> 5) + (table[entry + 1] << 5))
    value = (wrap_int32(wrap_int32(slope * t) + (1 << 14)) >> 15) + table[entry]
    return np.where(x <= 2, table[np.minimum(x, 2)], value).astype(np.int16)


def shrink(x: Array) -> Array:
    """x**2 / 4 below 2, x - 1 from there on; from 12 bits after the point to 6 [pcan_argc_fixed.cc: PcanShrink]"""
    below = (x * x) >> np.uint32(2 + 2 * SNR_BITS - OUTPUT_BITS)
    above = (x >> np.uint32(SNR_BITS - OUTPUT_BITS)) - np.uint32(1 << OUTPUT_BITS)
    return np.where(x < 2 << SNR_BITS, below, above)


def fold_log(node: Node, host: Host) -> Evaluate:
    """y = output_scale * log(x << input_correction_bits), at most the limit of int16; of 0 and 1, 0"""
    x, y, correction, scale = input_at(node, 0), output_at(node, 0), option_at(node, 0), option_at(node, 1)
    require(0 <= correction < 32, f"input_correction_bits {correction}")
    require(y.shape == x.shape, f"shape {y.shape} for {x.shape}", y)

    def evaluate(x: Array) -> tuple[Array, ...]:
        scaled = (x << np.uint32(correction)).astype(np.int64)
        value = logarithm(np.maximum(scaled, 2), scale)
        return (np.where(scaled > 1, np.minimum(value, 2**15 - 1), 0).astype(np.int16),)

    return evaluate


def logarithm(x: Array, scale: int) -> Array:
    """scale * log(x) for x of 32 bits: of base 2, by segments of straight lines, and from there [log.cc: Log32]"""
    whole = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1
    rest = x - (np.int64(1) << whole)
    fraction = np.where(
        whole < LOG_SCALE, rest << np.maximum(LOG_SCALE - whole, 0), rest >> np.maximum(whole - LOG_SCALE, 0)
    )
    segment = fraction >> (LOG_SCALE - LOG_SEGMENTS)
    first, second = log_table()[segment], log_table()[segment + 1]
    bend = first + (((second - first) * (fraction - (segment << (LOG_SCALE - LOG_SEGMENTS)))) >> LOG_SCALE)
    of_two = (whole << LOG_SCALE) + fraction + bend
    natural = (LOG_OF_TWO * of_two + 2 ** (LOG_SCALE - 1)) >> LOG_SCALE
    return ((scale * natural + 2 ** (LOG_SCALE - 1)) & (2**32 - 1)) >> LOG_SCALE


@cache
def log_table() -> Array:
    """By how much log2(1 + t) exceeds t, times 2**16, for t in 128 steps [log.cc: kLogLut]."""
    steps = np.arange(2**LOG_SEGMENTS + 1) / 2**LOG_SEGMENTS
    return np.round((np.log2(1 + steps) - steps) * 2**LOG_SCALE).astype(np.int64)


ENERGIES = frozenset({TensorType.UINT32})

COMPUTE_FILTER_BANK = Compute(fold=fold_filter_bank, shape=as_declared, types=ENERGIES, version=1)
COMPUTE_FILTER_BANK_SQUARE_ROOT = Compute(
    fold=fold_square_root, shape=as_declared, types=frozenset({TensorType.UINT64}), version=1
)
COMPUTE_FILTER_BANK_SPECTRAL_SUBTRACTION = Compute(
    fold=fold_spectral_subtraction, shape=as_declared, types=ENERGIES, version=1
)
COMPUTE_PCAN = Compute(fold=fold_pcan, shape=as_declared, types=ENERGIES, version=1)
COMPUTE_FILTER_BANK_LOG = Compute(fold=fold_log, shape=as_declared, types=ENERGIES, version=1)
