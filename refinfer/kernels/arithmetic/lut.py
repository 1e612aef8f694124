"""Values that are looked up: indices of a few bits, the high bits first, into tables, one for each channel.

Source: tensorflow/lite/micro/kernels/decompress_common.cc and decode_state_lut.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def unpack_bits(packed: Array, bits: int, count: int) -> Array:
    """The first `count` numbers of so many bits."""
    require(8 * packed.size >= count * bits, f"{packed.size} bytes; {count} numbers of {bits} bits take more")
    digits = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    return digits.astype(np.int64) @ (1 << np.arange(bits)[::-1])


def look_up(indices: Array, table: Array, channels: int, stride: int, interleaved: bool) -> Array:
    """y[i] = table[channel of i][indices[i]], from tables that begin every `stride` entries.

    Channels lie one after the other, or are interleaved.
    """
    place = np.arange(indices.size)
    channel = place % channels if interleaved else place // max(1, indices.size // channels)
    entry = channel * stride + indices
    require(
        int(entry.max(initial=-1)) < table.size, f"{table.size} values to look up; {entry.max(initial=-1)} is asked"
    )
    return table[entry]
