"""The rows of a plan's table: what one kernel is told, field by field, in the order of its parameters.

An address is an int, or a Buffer, whose place is found when the plan is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from refinfer.schema.enums import TensorType

FIXED, WIDE, FLOATING, HYBRID, HYBRID_IN_TURN, UPWARD, SINGLE = range(7)
"""How sums are scaled; see requantize.py."""

IN_ORDER, BY_FOURS, QUANTIZED = range(3)
"""How floats are multiplied with a matrix: in the order of C's loops, in Eigen's, or as integers."""

ADDED, SUBTRACTED, MULTIPLIED, DIVIDED, LARGER, SMALLER, SQUARED_DIFFERENCE, SLOPED = range(8)
"""What is made of two floats."""

RESIZED_INT8, RESIZED_UINT8, RESIZED_INT16, RESIZED_FLOAT32 = range(4)
"""What is resized: integers in fixed point, but uint8 in floats."""

(
    LIMITED,
    LEAKY,
    NEGATIVE,
    ABSOLUTE,
    SQUARED,
    DOWNWARDS,
    UPWARDS,
    SQUARE_ROOT,
    RSQRT,
    HARD_SWISH,
    SIGMOID,
    ELU,
    OF_C,
    TANH_OF_EIGEN,
    AS_IT_IS,
) = range(15)
"""What is made of one."""


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
    kind: int  # one of KINDS
    batches: int
    height: int
    width: int  # numbers in a row
    top: int  # rows of the margin above
    left: int  # numbers of the margin before a row
    padded_height: int
    padded_width: int
    offset: int
    target: Address


class QuantizeRows(NamedTuple):
    """Floats as integers, less their zero point, as int16: every image with a scale of its own; margins as in Widen."""

    source: Address
    batches: int
    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int
    has_zero_point: bool
    target: Address
    repeats: int  # how often the scale of an image is written
    scales: Address


class Multiply(NamedTuple):
    """Rows times channels by the microkernel, and requantized.

    Where sums become floats, `offset` is the address of the scale of the first row, and `low` that of limits.
    """

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
    offset: Address
    offset_step: int  # from one row to the next
    low: int
    high: int
    output: Address
    column: int  # bytes to the first channel
    row_bytes: int
    size: int  # bytes of an output


class Depthwise(NamedTuple):
    """A filter for each channel, and requantized; `offset` and `low` as in Multiply."""

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
    offset: Address
    offset_step: int  # from one row of the image to the next
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


class Combine(NamedTuple):
    """A sum, difference or product of two rows of int16, requantized."""

    is_product: bool
    first: Address
    second: Address
    vectors: int
    sign: int  # -1: the second is taken off
    parameters: int
    offset: int
    low: int
    high: int
    output: Address
    size: int


class LookUp(NamedTuple):
    """What a table of 256 has for each byte."""

    source: Address
    number: int
    table: int
    size: int
    output: Address


class LookUpPairs(NamedTuple):
    """What a table of 65536 has for each two bytes, the first of which counts 256 times as much."""

    first: Address
    second: Address
    number: int
    table: int
    output: Address


class SvdfFloats(NamedTuple):
    """SVDF of floats, from the products with the input on."""

    newest: Address
    batches: int
    units: int
    rank: int
    memory: int
    order: int
    time: int
    state: int
    bias: int
    sums: Address
    activation: int
    limits: int
    function: int  # the address of an activation of C's
    output: Address


class Resize(NamedTuple):
    """RESIZE_BILINEAR."""

    source: Address
    kind: int
    batches: int
    cells: int  # of an image
    width: int
    channels: int
    rows: int
    columns: int
    row_places: int
    column_places: int
    row_offsets: int
    column_offsets: int
    output: Address


class Svdf(NamedTuple):
    """SVDF from the newest values of its memory on."""

    newest: Address
    size: int  # bytes of a number of the state
    batches: int
    units: int
    rank: int
    memory: int
    zero_point: int
    time: int
    state: int
    sums: Address
    parameters: int
    parameter_bytes: int
    offset: int
    output: Address


class LookUpWords(NamedTuple):
    """What a table of 65536 has for each int16."""

    source: Address
    table: int
    number: int
    output: Address
    size: int  # of an output


class CombineFloats(NamedTuple):
    """A sum of two rows of floats, or something else."""

    operation: int
    first: Address
    second: Address
    number: int
    limits: int
    output: Address


class MapFloats(NamedTuple):
    """A function of each of so many floats."""

    operation: int
    source: Address
    number: int
    parameters: int
    function: int  # of the C library; 0 where none is needed
    output: Address


class SoftmaxFloats(NamedTuple):
    """SOFTMAX or LOG_SOFTMAX of floats."""

    source: Address
    rows: int
    depth: int
    parameters: int
    expf: int
    logf: int  # 0: no logarithm is taken
    output: Address


class ReduceFloats(NamedTuple):
    """The sum, mean or extreme over the middle one of three dimensions."""

    operation: int
    source: Address
    outer: int
    number: int
    inner: int
    parameters: int
    from_first: bool
    output: Address


class ExtremeAlong(NamedTuple):
    """The largest or the smallest int8 over the middle one of three dimensions."""

    is_larger: bool
    source: Address
    outer: int
    number: int
    inner: int
    output: Address


class IndexAlong(NamedTuple):
    """Where the largest or the smallest byte is along the middle one of three dimensions."""

    is_larger: bool
    is_signed: bool
    source: Address
    outer: int
    number: int
    inner: int
    output: Address
    size: int  # of an index


class LookUpByChannel(NamedTuple):
    """What the table of its channel has for each byte."""

    source: Address
    pixels: int
    channels: int
    tables: int
    output: Address


class ExtremeBytes(NamedTuple):
    """The larger or the smaller of two int8."""

    is_larger: bool
    first: Address
    second: Address
    number: int
    output: Address


class Quantize(NamedTuple):
    """From floats to integers."""

    source: Address
    vectors: int
    scale: int
    zero_point: int
    low: int
    high: int
    output: Address
    size: int


class Dequantize(NamedTuple):
    """From int16 to floats."""

    source: Address
    number: int
    scale: int
    zero_point: int
    output: Address


class Move(NamedTuple):
    """Stretches of bytes from here to there."""

    source: Address
    stretches: int
    number: int
    output: Address


class Weave(NamedTuple):
    """Items of `size` bytes from a nest of three loops to another one; the steps are in items."""

    source: Address
    first: int
    size: int
    groups: int
    group_from: int
    group_to: int
    rows: int
    row_from: int
    row_to: int
    columns: int
    column_from: int
    column_to: int
    output: Address


class Pool(NamedTuple):
    """The largest or the average of each window."""

    largest: bool
    source: Address
    kind: int
    batches: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    length_down: int
    length_across: int
    stride_down: int
    stride_across: int
    before_down: int
    before_across: int
    low: int
    high: int
    output: Address
    reciprocal: Address


class Mean(NamedTuple):
    """The mean over the middle one of three dimensions."""

    source: Address
    kind: int
    outer: int
    number: int
    inner: int
    parameters: int
    offset: int
    low: int
    high: int
    output: Address
    size: int
    sums: Address


class Softmax(NamedTuple):
    """SOFTMAX of bytes."""

    source: Address
    is_signed: bool
    rows: int
    depth: int
    table: int
    low: int
    high: int
    output: Address
    size: int


class PadFloats(NamedTuple):
    """Floats in rows with a margin of zeros."""

    source: Address
    batches: int
    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int
    target: Address


class MultiplyFloats(NamedTuple):
    """Rows times channels in the order of C's loops, and activated."""

    images: Address
    starts: int
    rows: int
    taps: int
    number: int  # of taps
    weights: Address
    vectors: int
    bias: int
    limits: int
    output: Address
    column: int
    row_bytes: int


class DepthwiseFloats(NamedTuple):
    """A filter for each channel."""

    images: Address
    starts: int
    rows: int
    taps: int
    number: int  # of taps
    places: Address
    weights: int
    vectors: int
    pixels: int
    step: int
    bias: int
    limits: int
    output: Address
    pixel_bytes: int
    row_bytes: int


class PoolFloats(NamedTuple):
    """The largest or the average of each window, of floats."""

    largest: bool
    source: Address
    batches: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    length_down: int
    length_across: int
    stride_down: int
    stride_across: int
    before_down: int
    before_across: int
    limits: int
    output: Address


class Lstm(NamedTuple):
    """An LSTM from the products with its inputs on, in integers."""

    start: Address
    batches: int
    times: int
    batch_step: int  # rows from one batch to the next
    time_step: int
    cells: int
    weights: int
    vectors: int
    parameters: int
    low: int  # limits of the product with the state before it is added
    high: int
    sigmoid: int
    tanh: int
    tanh_of_state: int
    scales: int  # of f * c, of i * g and of o * tanh(c)
    least: int  # limits of the state
    largest: int
    zero_point: int
    offset: int  # what the output is counted from
    hidden: int
    state: int
    output: Address
    taps: int
    pairs: int
    sums: Address
    gates: Address
    memory: Address


class RowsByFours(NamedTuple):
    """Rows of floats times a matrix, added as Eigen does, or as kernels for NEON do."""

    source: Address
    rows: int
    depth: int
    weights: int
    vectors: int
    bias: int
    limits: int
    output: Address
    row_bytes: int
    is_eigen: bool


class Rnn(NamedTuple):
    """An RNN, from the products with its inputs on."""

    start: Address
    batches: int
    times: int
    batch_step: int  # rows from one batch to the next
    time_step: int
    units: int
    product: int
    recurrent: int
    vectors: int
    scales: int  # of integer weights, one for each sum
    has_zero_point: bool
    activation: int
    limits: int
    hidden: int
    output: Address
    taps: int
    pairs: int
    quantized: Address
    sums: Address
    total: Address


class LstmFloats(NamedTuple):
    """An LSTM in floats, from the products with its inputs on."""

    start: Address
    batches: int
    times: int
    batch_step: int  # rows from one batch to the next
    time_step: int
    cells: int
    product: int
    recurrent: int
    vectors: int
    scales: int  # of integer weights, one for each sum
    has_zero_point: bool
    limits: int  # of sums, then of the state
    expf: int
    tanhf: int
    hidden: int
    state: int
    output: Address
    taps: int
    pairs: int
    quantized: Address
    sums: Address
    gates: Address
    active: Address
    squashed: Address


Record = (
    PadFloats
    | MultiplyFloats
    | DepthwiseFloats
    | Widen
    | QuantizeRows
    | Multiply
    | Depthwise
    | Combine
    | LookUp
    | Quantize
    | Dequantize
    | Move
    | Weave
    | Pool
    | PoolFloats
    | Mean
    | Softmax
    | Lstm
    | LstmFloats
    | RowsByFours
    | Rnn
    | SvdfFloats
    | Svdf
    | Resize
    | LookUpWords
    | CombineFloats
    | MapFloats
    | SoftmaxFloats
    | ReduceFloats
    | ExtremeAlong
    | IndexAlong
    | LookUpByChannel
    | LookUpPairs
    | ExtremeBytes
)

KINDS = {TensorType.INT8: 0, TensorType.UINT8: 1, TensorType.INT16: 2}
"""How a kernel is told the type of the integers that it reads."""
