"""Signals in pieces: SignalDelay, SignalFramer, SignalOverlapAdd and SignalStacker, which remember what came before.

Sources: delay.cc, framer.cc, overlap_add.cc and stacker.cc in signal/micro/kernels of the TFLM repository;
overlap_add.cc and circular_buffer.cc in signal/src. What TFLM refuses when it prepares these is stated in signal.py. An
output of which the operator says that it is not valid is left as it was there; here it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refinfer.kernels.common import input_at, output_at
from refinfer.kernels.compute import Compute, Evaluate, Host, Shape, dtype_of
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.signal import option_at, rows
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array


def fold_delay(node: Node, host: Host) -> Evaluate:
    """Every row comes out `delay_length` samples later; zeros come first."""
    x, key, delay = input_at(node, 0), (node.subgraph, node.index), option_at(node, 0)
    count, length = rows(x)
    silence = np.zeros((count, delay), np.int16)

    def evaluate(x: Array) -> tuple[Array, ...]:
        line = np.concatenate((host.memory.get(key, silence), x.reshape(count, length)), axis=1)
        host.memory[key] = line[:, length:]
        return (line[:, :length].reshape(x.shape),)

    return evaluate


def fold_framer(node: Node, host: Host) -> Evaluate:
    """Frames of `frame_size` samples, one every `frame_step`, that overlap, and whether all of them are whole.

    With `prefill`, zeros stand before the first sample, so that they are.
    """
    x, y, key = input_at(node, 0), output_at(node, 0), (node.subgraph, node.index)
    size, step, prefill = (option_at(node, position) for position in range(3))
    count, length = rows(x)
    require(not prefill or step <= size, f"frames of {size} every {step} cannot be prefilled")
    silence = np.zeros((count, size - step if prefill else 0), np.int16)
    frames = length // step
    require(y.elements == count * frames * size, f"shape {y.shape} for {frames} frames of {size}", y)

    def evaluate(x: Array) -> tuple[Array, ...]:
        line, steps = host.memory.get(key, silence), x.reshape(count, frames, step)
        out, valid = np.zeros((count, frames, size), np.int16), True
        for frame in range(frames):
            line = np.concatenate((line, steps[:, frame]), axis=1)
            if line.shape[1] >= size:
                out[:, frame], line = line[:, :size], line[:, step:]
            else:
                valid = False
        host.memory[key] = line
        return out.reshape(y.shape), np.array(valid)

    return evaluate


def fold_overlap_add(node: Node, host: Host) -> Evaluate:
    """Frames, one every `frame_step` samples, are added up where they overlap; int16 stops at its limits."""
    x, y, key, step = input_at(node, 0), output_at(node, 0), (node.subgraph, node.index), option_at(node, 1)
    frames, size = x.shape[-2:]
    count = x.elements // (frames * size)
    require(0 <= step <= size, f"frames of {size} every {step}")
    require(y.elements == count * frames * step, f"shape {y.shape} for {frames} steps of {step}", y)
    silence = np.zeros((count, size), dtype_of(x.type))
    add = saturated_sum if x.type == TensorType.INT16 else np.add

    def evaluate(x: Array) -> tuple[Array, ...]:
        buffer = host.memory.get(key, silence)
        out = np.zeros((count, frames, step), x.dtype)
        given = x.reshape(count, frames, size)
        for frame in range(frames):
            buffer = add(buffer, given[:, frame])
            out[:, frame] = buffer[:, :step]
            buffer = np.concatenate((buffer[:, step:], silence[:, :step]), axis=1)
        host.memory[key] = buffer
        return (out.reshape(y.shape),)

    return evaluate


def saturated_sum(a: Array, b: Array) -> Array:
    """a + b in int16, at most its limits."""
    return np.clip(a.astype(np.int32) + b, -(2**15), 2**15 - 1).astype(np.int16)


def fold_stacker(node: Node, host: Host) -> Evaluate:
    """A frame with those to its left and right, every `stacker_step` frames; the first is its own left context."""
    x, y, key = input_at(node, 0), output_at(node, 0), (node.subgraph, node.index)
    channels, left, right, step = (option_at(node, position) for position in range(4))
    size = channels * (left + right + 1)
    require(0 < step <= left + right + 1, f"a step of {step} frames in a stack of {left + right + 1}")
    require(x.elements >= channels and y.elements == size, f"{channels} channels in {x.shape} and {y.shape}", x)

    def evaluate(x: Array) -> tuple[Array, ...]:
        frame = x[:channels]
        line = host.memory.get(key, np.tile(frame, left))
        line = np.concatenate((line, frame))
        valid = len(line) >= size
        host.memory[key] = line[channels * step :] if valid else line
        return line[:size] if valid else np.zeros(size, np.int16), np.array(valid)

    return evaluate


def as_declared(node: Node, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The shapes of the file."""
    return [y.shape for y in node.outputs]


SAMPLES = frozenset({TensorType.INT16})

COMPUTE_DELAY = Compute(fold=fold_delay, shape=as_declared, types=SAMPLES, version=1)
COMPUTE_FRAMER = Compute(fold=fold_framer, shape=as_declared, types=SAMPLES, version=1)
COMPUTE_OVERLAP_ADD = Compute(fold=fold_overlap_add, shape=as_declared, types=SAMPLES | {TensorType.FLOAT32}, version=1)
COMPUTE_STACKER = Compute(fold=fold_stacker, shape=as_declared, types=SAMPLES, version=1)
