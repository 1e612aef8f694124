"""The rows of a plan's table: what one kernel is told, field by field, in the order of its parameters.

An address is an int, or a Buffer, whose place is found when the plan is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FIXED, WIDE, FLOATING = range(3)
"""How sums are scaled; see requantize.py."""


@dataclass(eq=False)
class Buffer:
    """Memory that a plan needs from its row `first` to its row `last`, both included; `offset` is where it lies."""

    nbytes: int
    first: int
    last: int
    offset: int = -1


Address = int | Buffer


class Widen(NamedTuple):
    """Numbers, less their zero point, as int16, in rows with a margin of zeros."""

    source: Address
    kind: int  # 0: int8, 1: uint8, 2: int16
    batches: int
    height: int
    width: int  # numbers in a row
    top: int  # rows of the margin above
    left: int  # numbers of the margin before a row
    padded_height: int
    padded_width: int
    offset: int
    target: Address


class Multiply(NamedTuple):
    """Rows times channels by the microkernel, and requantized."""

    images: Address
    starts: int
    rows: int
    taps: int
    pairs: int
    weights: int
    weight_bytes: int
    vectors: int
    scaling: int
    parameters: int
    parameter_bytes: int
    offset: int
    low: int
    high: int
    output: Address
    column: int  # bytes to the first channel
    row_bytes: int
    size: int  # bytes of an output


class Depthwise(NamedTuple):
    """A filter for each channel, and requantized."""

    source: Address
    kind: int
    batches: int
    height: int
    width: int
    channels: int  # of the input
    multiplier: int
    top: int
    left: int  # pixels of the margin before a row
    padded_width: int  # in pixels
    taps_down: int
    taps_across: int
    dilation_down: int
    dilation_across: int
    stride_down: int
    slots: int  # rows of pairs that are kept
    rows: int
    pixels: int  # of an output row
    step: int  # bytes from the pairs under one to those under the next
    vectors: int
    weights: int
    scaling: int
    parameters: int
    parameter_bytes: int
    offset: int
    low: int
    high: int
    output: Address
    pixel_bytes: int
    row_bytes: int
    size: int
    input_offset: int
    pairs: Address
    tables: Address
    sums: Address


Record = Widen | Multiply | Depthwise
