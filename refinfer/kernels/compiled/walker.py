"""The one function that Python calls: it walks the rows of a plan and calls the kernel of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refinfer.kernels.compiled.arithmetic import (
    combine_floats,
    extreme_bytes,
    map_floats,
    softmax_floats,
)
from refinfer.kernels.compiled.by_fours import rows_by_fours
from refinfer.kernels.compiled.depthwise import depthwise
from refinfer.kernels.compiled.elementwise import (
    combine,
    dequantize,
    look_up,
    look_up_by_channel,
    look_up_pairs,
    look_up_words,
    move,
    quantize,
    weave,
)
from refinfer.kernels.compiled.floats import depthwise_floats, multiply_floats, pad_floats, pool_floats
from refinfer.kernels.compiled.hybrid import quantize_rows
from refinfer.kernels.compiled.jit import entry
from refinfer.kernels.compiled.multiply import multiply, widen
from refinfer.kernels.compiled.opcodes import (
    COMBINE,
    COMBINE_FLOATS,
    DEPTHWISE,
    DEPTHWISE_FLOATS,
    DEQUANTIZE,
    EXTREME_ALONG,
    EXTREME_BYTES,
    INDEX_ALONG,
    LOOK_UP,
    LOOK_UP_BY_CHANNEL,
    LOOK_UP_PAIRS,
    LOOK_UP_WORDS,
    LSTM,
    LSTM_FLOATS,
    MAP_FLOATS,
    MEAN,
    MOVE,
    MULTIPLY,
    MULTIPLY_FLOATS,
    PAD_FLOATS,
    POOL,
    POOL_FLOATS,
    QUANTIZE,
    QUANTIZE_ROWS,
    REDUCE_FLOATS,
    RESIZE,
    RNN,
    ROWS_BY_FOURS,
    SOFTMAX,
    SOFTMAX_FLOATS,
    SVDF,
    SVDF_FLOATS,
    WEAVE,
    WIDEN,
)
from refinfer.kernels.compiled.pooling import mean, pool, softmax
from refinfer.kernels.compiled.recurrent import lstm
from refinfer.kernels.compiled.recurrent_floats import lstm_floats, rnn
from refinfer.kernels.compiled.reductions import extreme_along, index_along, reduce_floats
from refinfer.kernels.compiled.resize import resize
from refinfer.kernels.compiled.svdf import svdf, svdf_floats

if TYPE_CHECKING:
    from numpy.typing import NDArray


@entry("void(int64[:, ::1], int64, int64, int64)")
def run(table: NDArray[Any], first: int, end: int, sums: int) -> None:
    """Rows first to end - 1, whose fields are the kernel's parameters; `sums` is the address of room for a tile."""
    for index in range(first, end):
        r = table[index]
        if r[0] == WIDEN:
            widen(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11])
        elif r[0] == MULTIPLY:
            multiply(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19], sums,
            )  # fmt: skip
        elif r[0] == DEPTHWISE:
            depthwise(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19], r[20], r[21], r[22], r[23], r[24],
                r[25], r[26], r[27], r[28], r[29], r[30], r[31], r[32], r[33], r[34], r[35], r[36],
            )  # fmt: skip
        elif r[0] == COMBINE:
            combine(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11])
        elif r[0] == LOOK_UP:
            look_up(r[1], r[2], r[3], r[4], r[5])
        elif r[0] == QUANTIZE:
            quantize(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        elif r[0] == DEQUANTIZE:
            dequantize(r[1], r[2], r[3], r[4], r[5])
        elif r[0] == MOVE:
            move(r[1], r[2], r[3], r[4])
        elif r[0] == WEAVE:
            weave(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        elif r[0] == POOL:
            pool(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19],
            )  # fmt: skip
        elif r[0] == MEAN:
            mean(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12])
        elif r[0] == SOFTMAX:
            softmax(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9])
        elif r[0] == PAD_FLOATS:
            pad_floats(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9])
        elif r[0] == MULTIPLY_FLOATS:
            multiply_floats(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12])
        elif r[0] == DEPTHWISE_FLOATS:
            depthwise_floats(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15],
            )  # fmt: skip
        elif r[0] == POOL_FLOATS:
            pool_floats(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16],
            )  # fmt: skip
        elif r[0] == LSTM:
            lstm(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19], r[20], r[21], r[22], r[23], r[24],
                r[25], r[26], r[27],
            )  # fmt: skip
        elif r[0] == LSTM_FLOATS:
            lstm_floats(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19], r[20], r[21], r[22], r[23], r[24],
            )  # fmt: skip
        elif r[0] == ROWS_BY_FOURS:
            rows_by_fours(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10])
        elif r[0] == RNN:
            rnn(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], r[15], r[16], r[17], r[18], r[19], r[20],
            )  # fmt: skip
        elif r[0] == SVDF:
            svdf(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14],
            )  # fmt: skip
        elif r[0] == SVDF_FLOATS:
            svdf_floats(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14],
            )  # fmt: skip
        elif r[0] == RESIZE:
            resize(
                r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
            )  # fmt: skip
        elif r[0] == LOOK_UP_WORDS:
            look_up_words(r[1], r[2], r[3], r[4], r[5])
        elif r[0] == COMBINE_FLOATS:
            combine_floats(r[1], r[2], r[3], r[4], r[5], r[6])
        elif r[0] == MAP_FLOATS:
            map_floats(r[1], r[2], r[3], r[4], r[5], r[6])
        elif r[0] == SOFTMAX_FLOATS:
            softmax_floats(r[1], r[2], r[3], r[4], r[5], r[6], r[7])
        elif r[0] == REDUCE_FLOATS:
            reduce_floats(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        elif r[0] == EXTREME_BYTES:
            extreme_bytes(r[1], r[2], r[3], r[4], r[5])
        elif r[0] == QUANTIZE_ROWS:
            quantize_rows(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12])
        elif r[0] == EXTREME_ALONG:
            extreme_along(r[1], r[2], r[3], r[4], r[5], r[6])
        elif r[0] == INDEX_ALONG:
            index_along(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        elif r[0] == LOOK_UP_BY_CHANNEL:
            look_up_by_channel(r[1], r[2], r[3], r[4], r[5])
        elif r[0] == LOOK_UP_PAIRS:
            look_up_pairs(r[1], r[2], r[3], r[4], r[5])
